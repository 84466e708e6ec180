"""Faults that can be made in a laboratory, and their repair."""

from __future__ import annotations

from typing import Callable, Mapping

from vlcp.lab._shell import LabError, inside, run
from vlcp.lab.database import set_management_link
from vlcp.lab.topology import Lab


def kill_controller(lab: Lab, host: str) -> None:
    """End a controller with SIGKILL."""
    lab.host(host).controller.kill()


def stop_controller(lab: Lab, host: str) -> None:
    """End a controller with SIGTERM."""
    lab.host(host).controller.stop()


def start_controller(lab: Lab, host: str) -> None:
    """Start a controller that was ended."""
    lab.host(host).controller.start()


def kill_switch(lab: Lab, host: str) -> None:
    """End ovs-vswitchd."""
    lab.host(host).stop_switch(("ovs-vswitchd",))


def start_switch(lab: Lab, host: str) -> None:
    """Start the programs of Open vSwitch that do not run."""
    lab.host(host).start_switch()


def kill_db(lab: Lab, node: str) -> None:
    """End a database server with SIGKILL."""
    lab.database(node).kill()


def stop_db(lab: Lab, node: str) -> None:
    """End a database server with SIGTERM."""
    lab.database(node).stop()


def start_db(lab: Lab, node: str) -> None:
    """Start a database server that was ended."""
    lab.database(node).start()


def pause_db(lab: Lab, node: str) -> None:
    """Let a database server answer nothing while its connections stay."""
    lab.database(node).pause()


def resume_db(lab: Lab, node: str) -> None:
    """Let a paused database server go on."""
    lab.database(node).resume()


def reset_db(lab: Lab, host: str) -> None:
    """Reset a hypervisor's connections to the database servers."""
    for node in lab.databases.values():
        run(inside(lab.host(host).namespace, ["ss", "-K", "dst", node.address]), check=False)


def partition(lab: Lab, host: str, what: str) -> None:
    """Cut a hypervisor off from the databases (``db``) or from the other hypervisors (``underlay``)."""
    _set_link(lab, host, what, False)


def heal(lab: Lab, host: str, what: str) -> None:
    """Undo a partition."""
    _set_link(lab, host, what, True)


def _set_link(lab: Lab, host: str, what: str, up: bool) -> None:
    name = lab.host(host).name
    if what == "db":
        set_management_link(lab.plan, name, up)
    elif what == "underlay":
        lab.set_underlay_link(name, up)
    else:
        raise LabError(f"partition from {what!r}: one of db, underlay")


FAULTS: Mapping[str, Callable[..., None]] = {
    function.__name__.replace("_", "-"): function
    for function in (
        *(kill_controller, stop_controller, start_controller, kill_switch, start_switch),
        *(kill_db, stop_db, start_db, pause_db, resume_db, reset_db, partition, heal),
    )
}


def make_fault(lab: Lab, name: str, arguments: list[str]) -> None:
    """Make one fault by its name.

    :raises LabError: no such fault, host or node, or the wrong number of arguments
    """
    function = FAULTS.get(name)
    if function is None:
        raise LabError(f"fault {name!r}: one of {', '.join(FAULTS)}")
    wanted = function.__code__.co_varnames[1 : function.__code__.co_argcount]
    if len(wanted) != len(arguments):
        raise LabError(f"fault {name} takes: {' '.join(wanted)}")
    function(lab, *arguments)
