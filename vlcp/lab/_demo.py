"""The network that ``vlcp-lab up`` configures, with the calls that a user would type."""

from __future__ import annotations

import itertools
from typing import Callable

from vlcp.lab._plan import OUT_PORT, OUTSIDE_ADDRESS, OUTSIDE_CIDR, OUTSIDE_VLAN, TRUNK, TUNNEL
from vlcp.lab._shell import LabError, wait_until
from vlcp.lab.controller import Controller
from vlcp.lab.topology import Lab

NETWORK = "net1"
SUBNET = "subnet1"
CIDR, GATEWAY = "192.168.1.0/24", "192.168.1.1"


def configure(lab: Lab, endpoints: int, say: Callable[[str], None]) -> None:
    """Make one logical network over all hypervisors with ``endpoints`` endpoints on each, join it to the outside, and ping.

    The physical network is of type ``local`` on one hypervisor and a VLAN trunk between several, or of
    type ``vxlan``.

    :raises LabError: a call failed, or an endpoint does not answer
    """
    controller = next(iter(lab.hosts.values())).controller
    say(f"logical network {NETWORK}, configured in namespace {controller.namespace} with:")
    if lab.plan.network == "vxlan":
        _call(controller, say, "createphysicalnetwork", type="vxlan", vnirange="`[[10000,20000]]`", id="phys1")
        _call(controller, say, "createphysicalport", physicalnetwork="phys1", name=TUNNEL)
    elif len(lab.hosts) == 1:
        _call(controller, say, "createphysicalnetwork", type="local", id="phys1")
    else:
        for host in lab.hosts.values():
            host.attach_trunk()
        _call(controller, say, "createphysicalnetwork", type="vlan", vlanrange="`[[100,199]]`", id="phys1")
        _call(controller, say, "createphysicalport", physicalnetwork="phys1", name=TRUNK)
    _call(controller, say, "createlogicalnetwork", physicalnetwork="phys1", id=NETWORK)
    _call(controller, say, "createsubnet", logicalnetwork=NETWORK, cidr=CIDR, gateway=GATEWAY, id=SUBNET)
    if lab.outside is not None:
        _configure_outside(lab, controller, say)
    for host in lab.hosts:
        _add_endpoints(lab, controller, say, host, endpoints)
    for name in lab.hosts:
        lab.hosts[name].wait_settled()
    _wait_reachable(lab)
    say("ping:")
    if not ping_all(lab, 3, say):
        raise LabError("an endpoint did not answer")


def _call(controller: Controller, say: Callable[[str], None], name: str, /, module: str = "viperflow", **parameters: str) -> list:
    command, result = controller.curl(module, name, parameters)
    say("  " + command)
    return result


def _configure_outside(lab: Lab, controller: Controller, say: Callable[[str], None]) -> None:
    """Make the external network and a router that joins the logical network to it."""
    tags = {"vlanrange": f"`[[{OUTSIDE_VLAN},{OUTSIDE_VLAN}]]`"} if lab.plan.outside == "vlan" else {}
    _call(controller, say, "createphysicalnetwork", type=lab.plan.outside or "", id="wan", **tags)
    _call(controller, say, "createphysicalport", physicalnetwork="wan", name=OUT_PORT)
    _call(controller, say, "createlogicalnetwork", physicalnetwork="wan", id="outside")
    address = {"cidr": OUTSIDE_CIDR, "gateway": OUTSIDE_ADDRESS}
    _call(controller, say, "createsubnet", logicalnetwork="outside", id="outside", isexternal="`True`", **address)
    _call(controller, say, "createvirtualrouter", "vrouterapi", id="router1")
    for subnet in (SUBNET, "outside"):
        _call(controller, say, "addrouterinterface", "vrouterapi", router="router1", subnet=subnet)
    network = OUTSIDE_CIDR.rpartition(".")[0]
    lab.outside.route(CIDR, *[f"{network}.{number}" for number in range(2, 2 + len(lab.plan.forwarding))])


def add_host(lab: Lab, endpoints: int, say: Callable[[str], None]) -> None:
    """Add a hypervisor to the network that :func:`configure` made, with ``endpoints`` endpoints, and ping.

    :raises LabError: there is no such network but endpoints are wanted, a call failed, or an endpoint does not answer
    """
    controller = next(iter(lab.hosts.values())).controller
    if endpoints:
        _check_joinable(controller)
    host = lab.add_host()
    if lab.plan.network == "vlan":
        host.attach_trunk()
    _add_endpoints(lab, controller, say, host.name, endpoints)
    host.wait_settled()
    if endpoints:
        _wait_reachable(lab)
        say("ping:")
        if not ping_all(lab, 3, say):
            raise LabError("an endpoint did not answer")


def _check_joinable(controller: Controller) -> None:
    networks = controller.api("viperflow", "listlogicalnetworks", id=NETWORK)
    if not networks:
        raise LabError(f"logical network {NETWORK} does not exist; add a hypervisor without endpoints with: --endpoints 0")
    if networks[0]["physicalnetwork"]["type"] == "local":
        raise LabError(f"network {NETWORK} is local to one hypervisor; make the laboratory with --hosts 2 or --network vxlan")


def remove_host(lab: Lab, host: str, say: Callable[[str], None]) -> None:
    """Remove a hypervisor, its endpoints and their logical ports.

    :raises LabError: there is no such hypervisor, it is the only one, or a call failed
    """
    found = lab.host(host)
    ports = [end.plan.iface_id for end in lab.endpoints.values() if end.host is found]
    lab.remove_host(host)
    controller = next(iter(lab.hosts.values())).controller
    for port in ports:
        _call(controller, say, "deletelogicalport", id=port)


def _add_endpoints(lab: Lab, controller: Controller, say: Callable[[str], None], host: str, count: int) -> None:
    for _ in range(count):
        number = next(number for number in itertools.count(1) if f"ep{number}" not in lab.endpoints)
        _add_endpoint(lab, controller, say, host, number)


def _add_endpoint(lab: Lab, controller: Controller, say: Callable[[str], None], host: str, number: int) -> None:
    port, mac = f"port{number}", lab.free_mac()
    result = _call(controller, say, "createlogicalport", id=port, logicalnetwork=NETWORK, subnet=SUBNET, mac_address=mac)
    gateway = None if lab.outside is None else GATEWAY
    lab.add_endpoint(f"ep{number}", host, port, NETWORK, f"{result[0]['ip_address']}/24", mac, gateway)


def _wait_reachable(lab: Lab) -> None:
    """Wait until hypervisors have told each other where endpoints are."""
    for source, target in itertools.permutations(lab.endpoints.values(), 2):
        wait_until(lambda source=source, target=target: source.ping(target.address, 1, wait_s=0.3).received, 10, "first answer")
    for source in lab.endpoints.values() if lab.outside is not None else ():
        far = lab.outside.far_address
        wait_until(lambda source=source: source.ping(far, 1, wait_s=0.3).received, 10, "first answer from outside")


def ping_all(lab: Lab, count: int, say: Callable[[str], None]) -> bool:
    """Let every endpoint ping every other of its network; say each result and return whether all answered."""
    whole = True
    for source in lab.endpoints.values():
        for target in lab.endpoints.values():
            if source is target or source.plan.network != target.plan.network or not target.address:
                continue
            result = source.ping(target.address, count)
            whole = whole and result.sent > 0 and result.lost == 0
            say(f"  {source.plan.name} -> {target.plan.name} ({target.address}): {result.received} of {result.sent} answered")
        if lab.outside is not None and source.plan.gateway:
            result = source.ping(lab.outside.far_address, count)
            whole = whole and result.sent > 0 and result.lost == 0
            say(f"  {source.plan.name} -> outside ({lab.outside.far_address}): {result.received} of {result.sent} answered")
    return whole
