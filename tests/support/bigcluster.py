"""A cluster of three hypervisors with many logical ports over 10 VXLAN networks: made, measured, changed and removed.

The bridges have dummy ports, so that the switches themselves cost little.
"""

from __future__ import annotations

import os
import time
from typing import Any, Callable, Iterator

from support.networks import add_tunnels, settle

from vlcp.lab.controller import ApiError
from vlcp.lab.hypervisor import Hypervisor
from vlcp.lab.topology import Lab

HOSTS = 3
NETWORKS = 10
CALL = 250
TICKS = os.sysconf("SC_CLK_TCK")
TIMEOUT_S = 300


def cpu_s(host: Hypervisor) -> float:
    """Return the processor seconds that a hypervisor's controller has used."""
    with open(f"/proc/{host.controller.pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_mib(host: Hypervisor) -> float:
    """Return the resident memory of a hypervisor's controller in MiB."""
    with open(f"/proc/{host.controller.pid}/status", encoding="ascii") as status:
        line = next(line for line in status if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def port(number: int) -> dict[str, str]:
    """Return the parameters of a logical port."""
    network = f"net{number % NETWORKS}"
    mac = f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}"
    return {"id": f"p{number}", "logicalnetwork": network, "subnet": network, "mac_address": mac}


def add_dummies(lab: Lab, ports: int) -> None:
    """Add a dummy interface for each port to the bridges in turn, in one transaction for each bridge."""
    for place, host in enumerate(lab.hosts.values()):
        arguments: list[str] = []
        for number in range(place, ports, len(lab.hosts)):
            arguments += ["--", "add-port", "br0", f"d{number}", "--", "set", "Interface", f"d{number}", "type=dummy"]
            arguments += [f"external_ids:iface-id=p{number}"]
        host.vsctl(*arguments[1:], timeout_s=120)
    settle(lab)


def add_networks(lab: Lab) -> None:
    """Create the networks, each with a subnet of its name."""
    add_tunnels(lab)
    names = [f"net{number}" for number in range(NETWORKS)]
    _api(lab, "createlogicalnetworks", networks=[{"id": name, "physicalnetwork": "phys"} for name in names])
    subnets = [{"id": name, "logicalnetwork": name, "cidr": f"10.{i}.0.0/16"} for i, name in enumerate(names)]
    _api(lab, "createsubnets", subnets=subnets)


def add_ports(lab: Lab, ports: int) -> None:
    """Create the ports, 250 with each call: ZooKeeper takes 1 MiB in a request, and no store waits longer than some seconds."""
    _call_in_parts(lab, "createlogicalports", [port(number) for number in range(ports)])


def delete_ports(lab: Lab, ports: int) -> None:
    """Delete the ports, 250 with each call."""
    _call_in_parts(lab, "deletelogicalports", [{"id": f"p{number}"} for number in range(ports)])


def _call_in_parts(lab: Lab, name: str, ports: list[dict[str, str]]) -> None:
    """Call an API with at most 250 ports; what is refused because the machine is too slow for it is tried in halves."""
    waiting = [ports[begin : begin + CALL] for begin in range(0, len(ports), CALL)]
    while waiting:
        part = waiting.pop(0)
        try:
            _api(lab, name, ports=part)
        except ApiError as error:
            if error.status != 503 or len(part) == 1:
                raise
            half = len(part) // 2
            waiting[:0] = [part[:half], part[half:]]


def _api(lab: Lab, name: str, **parameters: Any) -> Any:
    return lab.hosts["hv1"].controller.api("viperflow", name, timeout_s=TIMEOUT_S, **parameters)


def forwarded(host: Hypervisor) -> int:
    """Return to how many of the ports a switch forwards: its own and those behind tunnels."""
    return host.ofctl("dump-flows", "br0").count("dl_dst=02:00:00:00:")


def wait_flows(lab: Lab, ports: int) -> None:
    """Wait until every switch forwards to every port, and owes nothing.

    :raises RuntimeError: it takes longer than :data:`TIMEOUT_S`
    """
    deadline = time.monotonic() + TIMEOUT_S
    for host in lab.hosts.values():
        while forwarded(host) != ports:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{host.name} forwards to {forwarded(host)} ports after {TIMEOUT_S} s, not to {ports}")
            time.sleep(0.1)
        host.wait_settled(TIMEOUT_S)


def measure(lab: Lab, action: Callable[[], object], ports: int) -> tuple[float, list[float]]:
    """Carry an action out and wait for the flows of so many ports; return seconds, and processor seconds of each controller."""
    hosts = list(lab.hosts.values())
    begin, used = time.monotonic(), [cpu_s(host) for host in hosts]
    action()
    wait_flows(lab, ports)
    return time.monotonic() - begin, [cpu_s(host) - before for host, before in zip(hosts, used)]


def change_ports(lab: Lab, first: int, a_minute: float, seconds: float) -> Iterator[float]:
    """Create and delete ports from number ``first`` on, one after the other by each controller in turn, at an even rate.

    Two thirds of the calls are of ports that are on another hypervisor than the controller that is called.

    :return: yields the seconds that each call took
    """
    controllers = [host.controller for host in lab.hosts.values()]
    begin = time.monotonic()
    for number in range(int(a_minute * seconds / 60) // 2 * 2):
        time.sleep(max(0.0, begin + number * 60 / a_minute - time.monotonic()))
        called = time.monotonic()
        controller, wanted = controllers[number % len(controllers)], port(first + number // 2 % HOSTS)
        if number % 2 == 0:
            controller.api("viperflow", "createlogicalport", **wanted)
        else:
            controller.api("viperflow", "deletelogicalport", id=wanted["id"])
        yield time.monotonic() - called
