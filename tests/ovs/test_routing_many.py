"""A virtual router with many subnets on a real switch."""

from __future__ import annotations

import pytest
from support.networks import add_physical, api, reaches, settle, stays_apart
from support.routing import CONFIG, add_routed_endpoint, add_router, router_api

pytestmark = pytest.mark.ovs

SUBNETS = 20


def test_a_router_joins_twenty_subnets_and_leaves_out_the_one_that_is_taken_away(make_lab):
    lab = make_lab(hosts=2, config=CONFIG)
    add_physical(lab, "vlan", vlanrange=[[100, 199]])
    names = [f"n{number}" for number in range(SUBNETS)]
    api(lab, "createlogicalnetworks", networks=[{"id": name, "physicalnetwork": "phys"} for name in names])
    subnets = [
        {"id": name, "logicalnetwork": name, "cidr": f"192.168.{number}.0/24", "gateway": f"192.168.{number}.1"}
        for number, name in enumerate(names)
    ]
    api(lab, "createsubnets", subnets=subnets)
    add_router(lab, "r", *names)
    ends = [add_routed_endpoint(lab, "e" + name, name, f"hv{number % 2 + 1}") for number, name in enumerate(names)]
    settle(lab)
    first = ends[0]
    for other in ends[1:]:
        assert reaches(first, other), other.plan.name
    assert reaches(ends[-1], ends[7])
    assert sum(first.ping(f"192.168.{number}.1", 1).received for number in (0, 7, SUBNETS - 1)) == 3
    ping = first.start_ping(ends[1].address)
    router_api(lab, "removerouterinterface", router="r", subnet=names[-1])
    settle(lab)
    assert any(stays_apart(first, ends[-1]) for _ in range(5))
    assert ping.stop().lost == 0
