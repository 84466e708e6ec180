"""External networks and forwarding nodes on real switches."""

from __future__ import annotations

import time

import pytest
from support.forwarding import address_outside, route_back, routed_outside, wait_carrier

pytestmark = pytest.mark.ovs

CONFIG = {"module.l3router.arp_cycle_time": 1, "module.l3router.static_host_arp_refresh_interval": 1}
FAST = {**CONFIG, "module.l3router.forwardinfo_discover_update_time": 2}
STORES = [{"database": "sqlite"}, {"database": "redis"}, {"database": "zookeeper"}]


def reaches_out(lab, end, within_s=6):
    return any(end.ping(lab.outside.far_address, 1, wait_s=0.3).received for _ in range(int(within_s / 0.3)))


def lost_s(ping, interval_s=0.01):
    """Stop a ping and return for how long it had no answers."""
    result = ping.stop()
    assert result.received > 0
    return result.lost * interval_s


@pytest.mark.parametrize("outside, network", [("native", "vlan"), ("vlan", "vxlan")])
def test_a_host_outside_and_endpoints_on_every_hypervisor_reach_each_other(make_lab, outside, network):
    lab = make_lab(hosts=3, outside=outside, forward=1, network=network, config=CONFIG)
    ends = routed_outside(lab)
    route_back(lab, "hv1")
    for end in ends.values():
        assert reaches_out(lab, end), end.plan.name
        assert end.ping(lab.outside.far_address, 10, interval_s=0.02).lost == 0
        assert end.ping(lab.outside.address, 2).received == 2
        assert end.ping(address_outside(lab, "hv1"), 2).received == 2
        assert lab.outside.ping(end.address, 10, interval_s=0.02).lost == 0
    lab.outside.set_mac("02:00:00:00:0f:0f")
    assert any(ends["hv3"].ping(lab.outside.far_address, 1, wait_s=0.3).received for _ in range(30))


@pytest.mark.parametrize("store", STORES, ids=lambda store: store["database"])
def test_when_a_forwarding_node_stops_or_dies_the_next_one_is_used(make_lab, store):
    lab = make_lab(hosts=3, outside="native", forward=2, config=FAST, **store)
    end = routed_outside(lab)["hv3"]
    active = wait_carrier(lab, "hv3", "hv1", "hv2")
    time.sleep(1)
    other = "hv2" if wait_carrier(lab, "hv3", "hv1", "hv2") == "hv1" else "hv1"
    active = "hv1" if other == "hv2" else "hv2"
    route_back(lab, other)
    assert reaches_out(lab, end)
    ping = end.start_ping(lab.outside.far_address)
    lab.hosts[active].controller.stop()
    wait_carrier(lab, "hv3", other, within_s=1.5)
    lab.hosts[active].controller.start()
    wait_carrier(lab, "hv3", active)
    time.sleep(1)
    assert lost_s(ping) < 1
    ping = end.start_ping(lab.outside.far_address)
    lab.hosts[active].controller.kill()
    lab.hosts[active].stop_switch()
    wait_carrier(lab, "hv3", other, within_s=8)
    time.sleep(0.5)
    assert lost_s(ping) < 5
