"""The command line of vlcp-lab."""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import time
from typing import Callable, Iterator, Sequence

from vlcp.lab import _demo
from vlcp.lab._plan import NETWORKS, OUTSIDES
from vlcp.lab._shell import LabError
from vlcp.lab.check import check
from vlcp.lab.faults import FAULTS, make_fault
from vlcp.lab.topology import Lab, down


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="vlcp-lab",
        description="Hypervisors with Open vSwitch, controllers and endpoints on this machine, in network namespaces.",
    )
    parser.add_argument("--prefix", default="vlcp", help="first part of the names of all namespaces (default: %(default)s)")
    parser.add_argument("--directory", help="where its files lie (default: /tmp/PREFIX-lab)")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    up = commands.add_parser("up", help="make a laboratory, with one logical network and its endpoints")
    up.add_argument("--hosts", type=int, default=1, help="number of hypervisors (default: %(default)s)")
    up.add_argument("--db", default="sqlite", choices=("sqlite", "redis", "zookeeper"), help="store (default: %(default)s)")
    up.add_argument("--zk-nodes", type=int, default=1, help="nodes of the ZooKeeper ensemble (default: %(default)s)")
    up.add_argument("--network", default="vlan", choices=NETWORKS, help="what joins hypervisors (default: %(default)s)")
    up.add_argument("--outside", choices=OUTSIDES, help="make a host outside, behind a network of this type")
    up.add_argument("--forward", type=int, default=0, help="number of forwarding nodes to it (default: 1 with --outside)")
    up.add_argument("--endpoints", type=int, default=2, help="endpoints for each hypervisor (default: %(default)s)")
    up.add_argument("--bare", action="store_true", help="no networks and no endpoints: configure it yourself with curl")
    up.add_argument("--foreground", action="store_true", help="stay until Ctrl-C, then remove everything")
    ping = commands.add_parser("ping", help="ping between endpoints")
    ping.add_argument("source", nargs="?", help="an endpoint; without it every endpoint pings every other")
    ping.add_argument("target", nargs="?", help="an endpoint or an address")
    ping.add_argument("-c", "--count", type=int, default=3, help="packets (default: %(default)s)")
    commands.add_parser("status", help="say what runs")
    commands.add_parser("check", help="ping between all endpoints and the host outside, with a hint for each failure")
    add = commands.add_parser("add-host", help="add a hypervisor to the running laboratory")
    add.add_argument("--endpoints", type=int, default=2, help="its endpoints in the network of up (default: %(default)s)")
    remove = commands.add_parser("remove-host", help="remove a hypervisor with its endpoints")
    remove.add_argument("host", metavar="HOST", help="a hypervisor, as hv2")
    fault = commands.add_parser("fault", help="break or mend a part: " + ", ".join(FAULTS))
    fault.add_argument("name", metavar="NAME")
    fault.add_argument(
        "arguments", nargs="*", metavar="ARGUMENT", help="hypervisor or database node; for partition also db or underlay"
    )
    commands.add_parser("down", help="remove the laboratory, also after a crash")
    return parser


def say(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)


@contextlib.contextmanager
def terminate_as_interrupt() -> Iterator[None]:
    """Make SIGTERM end the block like Ctrl-C, so that it cleans up."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def command_up(arguments: argparse.Namespace) -> int:
    """Make a laboratory; in the foreground keep it until Ctrl-C."""
    size = (arguments.hosts, arguments.db, arguments.zk_nodes)
    outside = {"outside": arguments.outside, "forward": arguments.forward or int(arguments.outside is not None)}
    lab = Lab.create(arguments.prefix, arguments.directory, *size, say, arguments.network, **outside)
    with terminate_as_interrupt():
        lab.up()
        try:
            if not arguments.bare:
                _demo.configure(lab, arguments.endpoints, say)
            if not arguments.foreground:
                say("it runs; look at it with: vlcp-lab status, remove it with: vlcp-lab down")
                return 0
            return stay(lab)
        except KeyboardInterrupt:
            say("interrupted; everything is removed")
            lab.down()
            return 130
        except BaseException:
            lab.down()
            raise


def stay(lab: Lab) -> int:
    """Wait until Ctrl-C while the controllers run, then remove everything.

    :raises LabError: a controller ended by itself
    """
    try:
        say("the controller goes on running; Ctrl-C ends it and removes everything")
        while all(host.controller.pid is not None for host in lab.hosts.values()):
            time.sleep(0.5)
        raise LabError("a controller ended; its log is shown by: tail " + next(iter(lab.hosts.values())).controller.log_path)
    except KeyboardInterrupt:
        say("")
        lab.down()
        say("stopped; everything is removed")
        return 0


def command_ping(arguments: argparse.Namespace) -> int:
    """Ping between endpoints; the exit status is 1 when an expected answer is missing."""
    lab = Lab.load(arguments.prefix, arguments.directory, say)
    if arguments.source is None:
        return 0 if _demo.ping_all(lab, arguments.count, say) else 1
    for name in (arguments.source, arguments.target):
        if name is None or (name == arguments.source and name not in lab.endpoints):
            raise LabError(f"endpoint {name!r}: there are {', '.join(lab.endpoints) or 'none'}")
    target = lab.endpoints.get(arguments.target)
    result = lab.endpoints[arguments.source].ping(target.address if target else arguments.target, arguments.count)
    say(f"{arguments.source} -> {arguments.target}: {result.received} of {result.sent} answered")
    return 0 if result.lost == 0 and result.sent else 1


def command_status(arguments: argparse.Namespace) -> int:
    """Say what runs; the exit status is 1 when a part does not."""
    lab = Lab.load(arguments.prefix, arguments.directory, say)
    whole = True
    for name, host in lab.hosts.items():
        pid = host.controller.pid
        connected = host.is_connected()
        whole = whole and pid is not None and connected
        controller = f"running (process {pid})" if pid is not None else "not running"
        say(f"{name}: controller {controller}, switch {'connected' if connected else 'not connected'}")
    for name, endpoint in lab.endpoints.items():
        say(f"{name}: on {endpoint.plan.host}, network {endpoint.plan.network}, {endpoint.plan.ip}, {endpoint.plan.mac}")
    return 0 if whole else 1


def command_check(arguments: argparse.Namespace) -> int:
    """Print the connectivity matrix; the exit status is 1 when a pair is not as it should be."""
    findings = check(Lab.load(arguments.prefix, arguments.directory, say))
    for found in findings:
        state = "reaches" if found.reached else "does not reach"
        verdict = "as expected" if found.good else f"WRONG: {found.hint}"
        say(f"{found.source} {state} {found.target}: {verdict}")
    say(f"{sum(found.good for found in findings)} of {len(findings)} pairs are as they should be")
    return 0 if all(found.good for found in findings) else 1


def command_fault(arguments: argparse.Namespace) -> int:
    """Break or mend a part."""
    make_fault(Lab.load(arguments.prefix, arguments.directory, say), arguments.name, arguments.arguments)
    say(f"done: {' '.join([arguments.name, *arguments.arguments])}")
    return 0


def command_add_host(arguments: argparse.Namespace) -> int:
    """Add a hypervisor."""
    _demo.add_host(Lab.load(arguments.prefix, arguments.directory, say), arguments.endpoints, say)
    return 0


def command_remove_host(arguments: argparse.Namespace) -> int:
    """Remove a hypervisor."""
    _demo.remove_host(Lab.load(arguments.prefix, arguments.directory, say), arguments.host, say)
    say(f"removed: {arguments.host}")
    return 0


def command_down(arguments: argparse.Namespace) -> int:
    """Remove whatever is there."""
    removed = down(arguments.prefix, arguments.directory)
    say(f"removed: {', '.join(removed)}" if removed else "nothing to remove")
    return 0


COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "up": command_up,
    "ping": command_ping,
    "status": command_status,
    "check": command_check,
    "fault": command_fault,
    "add-host": command_add_host,
    "remove-host": command_remove_host,
    "down": command_down,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``vlcp-lab``.

    :param argv: arguments without the program's name; ``None`` takes those of the process
    :return: exit status: 0, 1 when something failed, 2 for a usage error, 130 after Ctrl-C
    """
    arguments = build_parser().parse_args(argv)
    try:
        return COMMANDS[arguments.command](arguments)
    except LabError as error:
        print(f"vlcp-lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
