"""Virtual routers on a real switch."""

from __future__ import annotations

import time

import pytest
from support.networks import add_physical, api, reaches, settle, stays_apart
from support.routing import (
    CONFIG,
    add_routed,
    add_routed_endpoint,
    add_router,
    remove_router,
    router_api,
)

from vlcp.lab._shell import inside, run

pytestmark = pytest.mark.ovs

PREPUSH = {**CONFIG, "module.l3router.prepush": True, "module.icmpresponder.prepush": True}
RED, BLUE = "192.168.1.0/24", "192.168.2.0/24"


def two_networks(lab):
    """Make two networks and an endpoint of each on each host; return ``{(network, host): endpoint}``."""
    for name, cidr in (("red", RED), ("blue", BLUE)):
        add_routed(lab, name, cidr)
    return {(name, host): add_routed_endpoint(lab, name + host, name, host) for name in ("red", "blue") for host in lab.hosts}


def flow_state(lab):
    return [(host.dump_flows(), host.dump_groups()) for host in lab.hosts.values()]


@pytest.mark.parametrize("config", [CONFIG, PREPUSH], ids=["ondemand", "prepush"])
def test_routed_pings_pass_on_one_host_and_isolation_returns_with_the_routers_end(make_lab, config):
    lab = make_lab(config=config)
    add_physical(lab, "local")
    ends = two_networks(lab)
    red, blue = ends["red", "hv1"], ends["blue", "hv1"]
    settle(lab)
    time.sleep(0.5)
    settle(lab)
    before = flow_state(lab)
    assert stays_apart(red, blue)
    add_router(lab, "r", "red", "blue")
    assert reaches(red, blue)
    assert reaches(blue, red)
    for gateway in ("192.168.1.1", "192.168.2.1"):
        assert red.ping(gateway, 3).received == 3
    assert red.ping(blue.address, 20, interval_s=0.02).lost == 0
    remove_router(lab, "r", "red", "blue")
    time.sleep(0.3)
    settle(lab)
    assert stays_apart(red, blue)
    assert red.ping("192.168.1.1", 1).received == 0
    assert flow_state(lab) == before


@pytest.mark.parametrize("config", [CONFIG, PREPUSH], ids=["ondemand", "prepush"])
def test_routed_pings_pass_across_hosts_in_both_directions(make_lab, config):
    lab = make_lab(hosts=2, config=config)
    add_physical(lab, "vlan", vlanrange=[[100, 199]])
    ends = two_networks(lab)
    add_router(lab, "r", "red", "blue")
    settle(lab)
    pairs = [(one, other) for one in ends.values() for other in ends.values() if one is not other]
    for one, other in pairs:
        assert reaches(one, other), (one.plan.name, other.plan.name)
    for one, other in pairs:
        assert one.ping(other.address, 10, interval_s=0.02).lost == 0, (one.plan.name, other.plan.name)
    ttl = run(inside(ends["red", "hv1"].namespace, ["ping", "-n", "-c", "1", ends["blue", "hv2"].address]))
    assert "ttl=63" in ttl


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_no_routed_packet_is_lost_while_the_controllers_end_and_start(make_lab, end):
    lab = make_lab(hosts=2, config=CONFIG)
    add_physical(lab, "vlan", vlanrange=[[100, 199]])
    ends = two_networks(lab)
    add_router(lab, "r", "red", "blue")
    settle(lab)
    near = (ends["red", "hv1"], ends["blue", "hv1"])
    far = (ends["red", "hv1"], ends["blue", "hv2"])
    assert all(reaches(*pair) for pair in (near, far))
    pings = [source.start_ping(target.address) for source, target in (near, far)]
    for host in lab.hosts.values():
        getattr(host.controller, end)()
        time.sleep(1)
        host.controller.start()
        host.wait_settled()
        time.sleep(2)
    settle(lab)
    for ping in pings:
        result = ping.stop()
        assert result.lost == 0
        assert result.sent > 300


def test_traceroute_shows_the_router_and_unreachable_stations_are_told(make_lab):
    lab = make_lab(hosts=2, config=CONFIG)
    add_physical(lab, "vlan", vlanrange=[[100, 199]])
    ends = two_networks(lab)
    add_router(lab, "r", "red", "blue")
    settle(lab)
    red, blue = ends["red", "hv1"], ends["blue", "hv2"]
    assert reaches(red, blue)
    first = run(inside(red.namespace, ["ping", "-n", "-c", "1", "-t", "1", "-W", "2", blue.address]), check=False)
    assert "From 192.168.1.1 icmp_seq=1 Time to live exceeded" in first
    gone = run(inside(red.namespace, ["ping", "-n", "-c", "1", "-W", "8", "192.168.2.200"]), check=False, timeout_s=20)
    assert "From 192.168.1.1 icmp_seq=1 Destination Host Unreachable" in gone


def test_everything_is_gone_after_removal_in_reverse_order(make_lab):
    lab = make_lab(hosts=2, config=CONFIG)
    settle(lab)
    before = flow_state(lab)
    add_physical(lab, "vlan", vlanrange=[[100, 199]])
    ends = two_networks(lab)
    router_api(lab, "createvirtualrouter", id="r", routes=[["10.9.0.0/16", "192.168.1.77"], ["10.8.0.0/16", "192.168.1.77"]])
    router_api(lab, "addrouterinterface", router="r", subnet="red", ip_address="192.168.1.254")
    router_api(lab, "addrouterinterface", router="r", subnet="blue")
    settle(lab)
    assert ends["red", "hv1"].ping("192.168.1.254", 2).received == 2
    api(lab, "deletelogicalports", ports=[{"id": end.plan.iface_id} for end in ends.values()])
    remove_router(lab, "r", "red", "blue")
    for network in ("red", "blue"):
        api(lab, "deletesubnet", id=network)
        api(lab, "deletelogicalnetwork", id=network)
    api(lab, "deletephysicalport", name="trunk0")
    api(lab, "deletephysicalnetwork", id="phys")
    time.sleep(0.5)
    settle(lab)
    assert flow_state(lab) == before
