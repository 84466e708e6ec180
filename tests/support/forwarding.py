"""Laboratories with forwarding nodes and a host outside."""

from __future__ import annotations

import re

from support.networks import add_physical, api, settle
from support.routing import CONFIG, add_routed, add_routed_endpoint, add_router

from vlcp.lab._plan import OUT_PORT, OUTSIDE_ADDRESS, OUTSIDE_CIDR, OUTSIDE_VLAN
from vlcp.lab._shell import LabError, wait_until
from vlcp.lab.topology import Lab

INSIDE = "192.168.1.0/24"
CONFIG_OUTSIDE = {key: value for key, value in CONFIG.items() if key != "server.startup"}


def add_outside(lab: Lab, **subnet) -> None:
    """Create the external network ``out`` with a subnet of the same name."""
    kind = lab.plan.outside
    ranges = {"vlanrange": [[OUTSIDE_VLAN, OUTSIDE_VLAN]]} if kind == "vlan" else {}
    api(lab, "createphysicalnetwork", type=kind, id="wan", **ranges)
    api(lab, "createphysicalport", physicalnetwork="wan", name=OUT_PORT)
    add_routed(lab, "out", OUTSIDE_CIDR, "wan", isexternal=True, **{"gateway": OUTSIDE_ADDRESS, **subnet})


def add_inside(lab: Lab, name: str = "red", cidr: str = INSIDE) -> None:
    """Create an internal network with a subnet of the same name, on trunks or tunnels between the hypervisors."""
    if not api(lab, "listphysicalnetworks", id="phys"):
        if lab.plan.network == "vxlan":
            api(lab, "createphysicalnetwork", type="vxlan", vnirange=[[10000, 20000]], id="phys")
            api(lab, "createphysicalport", physicalnetwork="phys", name="vxlan0")
        else:
            add_physical(lab, "vlan", vlanrange=[[100, 199]])
    add_routed(lab, name, cidr)


def routed_outside(lab: Lab, **subnet) -> dict:
    """Join an internal network to the outside; return ``{hypervisor: endpoint}``, one on each."""
    add_outside(lab, **subnet)
    add_inside(lab)
    add_router(lab, "r", "red", "out")
    ends = {host: add_routed_endpoint(lab, f"e{host}", "red", host) for host in lab.hosts}
    settle(lab)
    return ends


def address_outside(lab: Lab, host: str) -> str | None:
    """Return the address outside that a hypervisor's switch answers questions for; None when it answers for none."""
    answers = [line for line in lab.hosts[host].dump_flows() if "reg7=0/0x4000" in line and "arp_op=1" in line]
    found = [re.search(r"arp_tpa=(10\.20\.0\.\d+),", line) for line in answers]
    return next((one.group(1) for one in found if one), None)


def route_back(lab: Lab, *hosts: str, cidr: str = INSIDE) -> None:
    """Let the host outside send packets for the inside to these forwarding nodes, as soon as they have addresses."""
    for host in hosts:
        wait_until(lambda host=host: address_outside(lab, host), 10, f"address of {host} outside", step_s=0.05)
    lab.outside.route(cidr, *[address_outside(lab, host) for host in hosts])


def carrier_of(lab: Lab, host: str) -> str | None:
    """Return the hypervisor whose MAC address takes what a hypervisor's endpoints send outside; None without one, "" for one
    whose switch does not run."""
    way = re.compile(r"ip,reg4=0x[0-9a-f]+ actions=set_field:([0-9a-f:]{17})->eth_dst,goto")
    macs = {found.group(1) for line in lab.hosts[host].dump_flows() for found in [way.search(line)] if found}
    if not macs:
        return None
    (mac,) = macs
    return next((name for name in lab.plan.forwarding if f"dl_dst={mac}" in _flows_of(lab, name)), "")


def _flows_of(lab: Lab, host: str) -> str:
    try:
        return "\n".join(lab.hosts[host].dump_flows())
    except LabError:
        return ""


def wait_carrier(lab: Lab, host: str, *expected: str, within_s: float = 10) -> str:
    """Return the forwarding node that a hypervisor uses, when it is one of the expected."""
    find = lambda: next((found for found in [carrier_of(lab, host)] if found in expected), None)  # noqa: E731
    return wait_until(find, within_s, f"way from {host} through {' or '.join(expected)}", step_s=0.05)
