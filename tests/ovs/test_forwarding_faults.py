"""Faults of the cluster while routed traffic runs, inside and to the outside through forwarding nodes."""

from __future__ import annotations

import itertools
import time
from typing import NamedTuple

import pytest
from support.forwarding import route_back, routed_outside, wait_carrier
from support.networks import settle
from support.routing import add_routed, add_routed_endpoint, router_api

from vlcp.lab._shell import LabError
from vlcp.lab.faults import make_fault

pytestmark = [pytest.mark.ovs, pytest.mark.timeout(180)]

CONFIG = {
    "module.icmpresponder.prepush": True,
    "module.l3router.arp_cycle_time": 1,
    "module.l3router.forwardinfo_discover_update_time": 2,
    "module.l3router.addressinfo_discover_update_time": 4,
}
NODES = {"redis": 1, "zookeeper": 3}
OFTEN = {("the store dies", "zookeeper"), ("the active node is cut off from the store", "redis"), ("a trunk is cut", "redis")}
"""Cases that every run tests; the others are left to ``make soak``."""
OUTAGE_S = 9
"""Longer than the time after which offers and addresses expire."""


class Fault(NamedTuple):
    """What is done, for how long, and what mends it; ``store`` stands for each database node and ``active`` for the forwarding
    node in use. ``lost_s`` is for how long packets may be lost."""

    name: str
    steps: tuple[tuple[str, ...], ...]
    mend: tuple[tuple[str, ...], ...]
    seconds: float = OUTAGE_S
    lost_s: float = 0


FAULTS = [
    Fault("the store dies", (("kill-db", "store"),), (("start", "store"),)),
    Fault("the store hangs", (("pause-db", "store"),), (("resume-db", "store"),)),
    Fault("a host is cut off from the store", (("partition", "hv3", "db"),), (("heal", "hv3", "db"),)),
    Fault("the active node is cut off from the store", (("partition", "active", "db"),), (("heal", "active", "db"),)),
    Fault("the active node's controller dies", (("kill-controller", "active"),), (("start-controller", "active"),)),
    Fault("connections are reset", (("reset-db", "hv1"), ("reset-db", "hv2"), ("reset-db", "hv3")), (), 2),
    Fault("a trunk is cut", (("partition", "active", "underlay"),), (("heal", "active", "underlay"),), 6, 2),
    Fault("a switch dies", (("kill-switch", "active"),), (("start-switch", "active"),), 6, 5),
]


def do(lab, steps, active):
    if steps == (("start", "store"),):
        for node in lab.databases.values():
            node.start(wait=False)
        for node in lab.databases.values():
            node.wait_ready()
        return
    for name, *arguments in steps:
        for node in lab.databases if "store" in arguments else [""]:
            make_fault(lab, name, [{"store": node, "active": active}.get(word, word) for word in arguments])


def new_network_is_routed(lab, within_s=15):
    """Create a network and join it to the router as soon as that can be done; its endpoint must reach the outside."""
    deadline = time.monotonic() + within_s
    for attempt in itertools.count():
        name = f"blue{attempt}"
        try:
            add_routed(lab, name, "192.168.2.0/24")
            router_api(lab, "addrouterinterface", router="r", subnet=name)
            break
        except LabError:
            assert time.monotonic() < deadline, "no network can be created after the repair"
            time.sleep(0.2)
    end = add_routed_endpoint(lab, "new", name, "hv3")
    while not end.ping(lab.outside.far_address, 1, wait_s=0.3).received:
        assert time.monotonic() < deadline, "a new network does not reach the outside after the repair"


CASES = [
    pytest.param(
        fault, database, id=f"{fault.name}-{database}", marks=[] if (fault.name, database) in OFTEN else pytest.mark.soak
    )
    for fault in FAULTS
    for database in NODES
]


@pytest.mark.parametrize("fault, database", CASES)
def test_routed_traffic_goes_on(make_lab, fault, database):
    lab = make_lab(hosts=3, outside="native", forward=2, config=CONFIG, database=database, zookeeper_nodes=NODES[database])
    end = routed_outside(lab)["hv3"]
    route_back(lab, "hv1", "hv2")
    lab.outside.route("192.168.2.0/24", "10.20.0.2", "10.20.0.3")
    assert any(end.ping(lab.outside.far_address, 1, wait_s=0.3).received for _ in range(20))
    time.sleep(1)
    active = wait_carrier(lab, "hv3", "hv1", "hv2")
    other = "hv2" if active == "hv1" else "hv1"
    route_back(lab, other)
    pings = [end.start_ping(address, 0.05) for address in (lab.outside.far_address, lab.endpoints["ehv" + other[2]].address)]
    pings.append(end.start_ping("192.168.1.1", 0.2))
    do(lab, fault.steps, active)
    time.sleep(fault.seconds)
    do(lab, fault.mend, active)
    new_network_is_routed(lab)
    wait_carrier(lab, "hv3", active)
    settle(lab)
    out, *others = [ping.stop() for ping in pings]
    assert [result.lost for result in others] == [0, 0]
    assert out.lost * 0.05 <= fault.lost_s
    assert min(result.sent for result in (out, *others)) > 10
