"""The connectivity matrix of a laboratory, with a hint for each failure."""

from __future__ import annotations

from typing import NamedTuple, Union

from vlcp.lab._plan import BRIDGE
from vlcp.lab._shell import LabError, inside, run
from vlcp.lab.endpoint import Endpoint
from vlcp.lab.outside import OutsideHost
from vlcp.lab.topology import Lab

OUTSIDE = "outside"
Station = Union[Endpoint, OutsideHost]


class Finding(NamedTuple):
    """One pair of endpoints: whether the one reaches the other, whether it should, and a hint when these differ."""

    source: str
    target: str
    reached: bool
    expected: bool
    hint: str

    @property
    def good(self) -> bool:
        """Whether it is as it should be."""
        return self.reached == self.expected


class Routers:
    """Which networks virtual routers join.

    :param joined: the networks of each router
    :param out: networks from which a router leads outside
    """

    def __init__(self, joined: list[set[str]], out: set[str]) -> None:
        self._joined = joined
        self._out = out

    @classmethod
    def of(cls, lab: Lab) -> Routers:
        """Ask the first controller that answers; without one there are none."""
        for host in lab.hosts.values():
            if host.controller.pid is None:
                continue
            try:
                return cls(*_read_routers(host.controller))
            except LabError:
                continue
        return cls([], set())

    def join(self, one: Station, other: Station) -> bool:
        """Tell whether one station should reach another."""
        if isinstance(one, OutsideHost) or isinstance(other, OutsideHost):
            return all(isinstance(end, OutsideHost) or end.plan.network in self._out for end in (one, other))
        networks = {one.plan.network, other.plan.network}
        return len(networks) == 1 or any(networks <= found for found in self._joined)


def _read_routers(controller) -> tuple[list[set[str]], set[str]]:
    subnets = {subnet["id"]: subnet for subnet in controller.api("viperflow", "listsubnets", timeout_s=6)}
    joined, out = [], set()
    for router in controller.api("vrouterapi", "listvirtualrouters", timeout_s=6):
        ports = controller.api("vrouterapi", "listrouterinterfaces", timeout_s=6, id=router["id"])
        found = [subnets[port["subnet"]["id"]] for port in ports]
        joined.append({subnet["network"]["id"] for subnet in found})
        if any(subnet.get("isexternal") for subnet in found):
            out |= joined[-1]
    return joined, out


def check(lab: Lab, count: int = 2) -> list[Finding]:
    """Ping from every endpoint with an address to every other, and to and from the host outside; return the findings.

    Stations of one network should reach each other, and those of networks that a virtual router joins; others should not.

    :param count: packets for each pair
    """
    ends: list[Station] = [endpoint for endpoint in lab.endpoints.values() if endpoint.address]
    if lab.outside is not None:
        ends.append(lab.outside)
    routers = Routers.of(lab)
    return [_check_pair(lab, routers, source, target, count) for source in ends for target in ends if source is not target]


def _name(station: Station) -> str:
    return OUTSIDE if isinstance(station, OutsideHost) else station.plan.name


def _address(station: Station) -> str:
    return station.far_address if isinstance(station, OutsideHost) else station.address


def _check_pair(lab: Lab, routers: Routers, source: Station, target: Station, count: int) -> Finding:
    expected = routers.join(source, target)
    names = (_name(source), _name(target))
    if isinstance(source, Endpoint) and _is_elsewhere(lab, source, target):
        return Finding(*names, False, False, "")
    reached = source.ping(_address(target), count, interval_s=0.05, wait_s=1 if expected else 0.3).received > 0
    hint = ""
    if expected and not reached:
        ends = (end for end in (source, target) if isinstance(end, Endpoint))
        hints = (_route_hint(source, target), *(_hint(lab, end) for end in ends), _outside_hint(lab, source, target))
        hint = next(filter(None, hints), "the flows are there; look at the underlay")
    elif reached and not expected:
        hint = f"networks {_network(source)} and {_network(target)} are connected"
    return Finding(*names, reached, expected, hint)


def _network(station: Station) -> str:
    return OUTSIDE if isinstance(station, OutsideHost) else station.plan.network


def _is_elsewhere(lab: Lab, source: Endpoint, target: Station) -> bool:
    """Tell whether the address of a station in another network is that of somebody else for an endpoint."""
    near = (end for end in lab.endpoints.values() if end.plan.network == source.plan.network and end is not target)
    return _network(target) != source.plan.network and any(end.address == _address(target) for end in near)


def _route_hint(source: Station, target: Station) -> str:
    found = run(inside(source.namespace, ["ip", "route", "get", _address(target)]), check=False)
    return "" if found else f"{_name(source)} has no route to {_address(target)}"


def _outside_hint(lab: Lab, *stations: Station) -> str:
    """Return what is wrong with all forwarding nodes; nothing while one of them works."""
    if not any(isinstance(station, OutsideHost) for station in stations):
        return ""
    wrong = []
    for name in lab.plan.forwarding:
        host = lab.hosts[name]
        if host.controller.pid is None:
            wrong.append(f"the controller of the forwarding node {name} does not run")
        elif not host.is_connected():
            wrong.append(f"the switch of the forwarding node {name} has no connection to its controller")
    return "; ".join(wrong) if len(wrong) == len(lab.plan.forwarding) else ""


def _hint(lab: Lab, endpoint: Endpoint) -> str:
    """Return the first thing that is wrong on the way of one endpoint, or nothing."""
    host = lab.hosts[endpoint.plan.host]
    if host.controller.pid is None:
        return f"the controller of {host.name} does not run"
    try:
        if endpoint.port_name not in host.vsctl("list-ports", BRIDGE, timeout_s=5).split():
            return f"{endpoint.port_name} is no port of {BRIDGE} on {host.name}"
    except LabError:
        return f"the switch of {host.name} does not run"
    if not host.is_connected():
        return f"the switch of {host.name} has no connection to its controller"
    return _controller_hint(endpoint)


def _controller_hint(endpoint: Endpoint) -> str:
    controller, port = endpoint.host.controller, endpoint.plan.iface_id
    try:
        if not controller.api("viperflow", "listlogicalports", timeout_s=6, id=port):
            return f"logical port {port} does not exist"
        status = controller.api("openflowmanager", "flowstatus", timeout_s=6)
    except LabError as error:
        return str(error)
    refused = [row for entry in status for row in entry["refused"]]
    if refused:
        return f"the switch of {endpoint.host.name} refuses rows: {refused[0]}"
    owed = sum(entry["owed"] for entry in status)
    return f"{endpoint.host.name} owes its switch {owed} rows" if owed else ""
