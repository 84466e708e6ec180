"""The connectivity matrix of a laboratory, with a hint for each failure."""

from __future__ import annotations

from typing import NamedTuple

from vlcp.lab._plan import BRIDGE
from vlcp.lab._shell import LabError
from vlcp.lab.endpoint import Endpoint
from vlcp.lab.topology import Lab


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


def check(lab: Lab, count: int = 2) -> list[Finding]:
    """Ping from every endpoint with an address to every other and return the findings.

    Endpoints of one network should reach each other; others should not.

    :param count: packets for each pair
    """
    ends = [endpoint for endpoint in lab.endpoints.values() if endpoint.address]
    return [_check_pair(lab, source, target, count) for source in ends for target in ends if source is not target]


def _check_pair(lab: Lab, source: Endpoint, target: Endpoint, count: int) -> Finding:
    expected = source.plan.network == target.plan.network
    if not expected and any(
        other.address == target.address and other.plan.network == source.plan.network for other in lab.endpoints.values()
    ):
        return Finding(source.plan.name, target.plan.name, False, False, "")
    reached = source.ping(target.address, count, interval_s=0.05, wait_s=1 if expected else 0.3).received > 0
    hint = ""
    if expected and not reached:
        hint = next(filter(None, (_hint(lab, end) for end in (source, target))), "the flows are there; look at the underlay")
    elif reached and not expected:
        hint = f"networks {source.plan.network} and {target.plan.network} are connected"
    return Finding(source.plan.name, target.plan.name, reached, expected, hint)


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
