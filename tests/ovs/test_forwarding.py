"""External networks and forwarding nodes on real switches."""

from __future__ import annotations

import pytest
from support.forwarding import route_back, routed_outside

pytestmark = pytest.mark.ovs


@pytest.mark.parametrize("outside", ["native", "vlan"])
def test_a_host_outside_and_endpoints_on_every_hypervisor_reach_each_other(make_lab, outside):
    lab = make_lab(hosts=3, outside=outside, forward=1, config={"module.l3router.arp_cycle_time": 1})
    ends = routed_outside(lab)
    route_back(lab, "hv1")
    for end in ends.values():
        assert any(end.ping(lab.outside.far_address, 1, wait_s=0.3).received for _ in range(20)), end.plan.name
        assert lab.outside.ping(end.address, 3).received, end.plan.name
