"""Virtual routers on a real switch."""

from __future__ import annotations

import time

import pytest
from support.capture import Capture
from support.networks import add_physical, api, reaches, settle, stays_apart
from support.routing import (
    CONFIG,
    ROUTING,
    OutsideHost,
    add_routed,
    add_routed_endpoint,
    add_router,
    remove_router,
    route_through,
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


@pytest.mark.parametrize("prepush", [False, True], ids=["ondemand", "prepush"])
def test_routed_pings_pass_through_tunnels(make_lab, prepush):
    startup = (*ROUTING, "vlcp.service.sdn.vxlancast.VXLANCast")
    vxlan = {"module.vxlancast.learning": False, "module.vxlancast.prepush": True}
    config = {**(PREPUSH if prepush else CONFIG), **vxlan, "server.startup": startup}
    lab = make_lab(hosts=2, network="vxlan", config=config)
    api(lab, "createphysicalnetwork", type="vxlan", vnirange=[[10000, 20000]], id="phys")
    api(lab, "createphysicalport", physicalnetwork="phys", name="vxlan0")
    for name, cidr in (("red", RED), ("blue", BLUE)):
        add_routed(lab, name, cidr)
    red, blue = add_routed_endpoint(lab, "red1", "red", "hv1"), add_routed_endpoint(lab, "blue1", "blue", "hv2")
    third = add_routed_endpoint(lab, "blue2", "blue", "hv1")
    add_router(lab, "r", "red", "blue")
    settle(lab)
    for one, other in ((red, blue), (blue, red), (red, third), (third, red)):
        assert reaches(one, other), (one.plan.name, other.plan.name)
    assert red.ping(blue.address, 20, interval_s=0.02).lost == 0


def test_routers_with_equal_subnets_stay_apart(make_lab):
    lab = make_lab(config=CONFIG)
    add_physical(lab, "local")
    ends = {}
    for side in "xy":
        for name, cidr in (("red", RED), ("blue", BLUE)):
            add_routed(lab, side + name, cidr)
            ends[side, name] = add_routed_endpoint(lab, side + name, side + name, ip=cidr.replace("0/24", "11"))
        add_router(lab, "r" + side, side + "red", side + "blue")
    settle(lab)
    for side, other in ("xy", "yx"):
        with Capture(ends[other, "blue"].namespace, "eth0", "icmp") as capture:
            assert reaches(ends[side, "red"], ends[side, "blue"])
        assert capture.lines == []


def test_interfaces_come_and_go_and_subnets_move_while_neighbours_are_pinged(make_lab):
    lab = make_lab(hosts=2, config=CONFIG)
    add_physical(lab, "vlan", vlanrange=[[100, 199]])
    ends = two_networks(lab)
    add_routed(lab, "green", "192.168.3.0/24")
    green = add_routed_endpoint(lab, "green1", "green", "hv2")
    add_router(lab, "r", "red", "blue")
    add_router(lab, "other")
    settle(lab)
    near, far = ends["red", "hv1"], ends["blue", "hv2"]
    assert reaches(near, far)
    assert stays_apart(near, green)
    ping = near.start_ping(far.address)
    router_api(lab, "addrouterinterface", router="r", subnet="green")
    assert reaches(near, green)
    router_api(lab, "removerouterinterface", router="r", subnet="green")
    settle(lab)
    time.sleep(0.5)
    assert stays_apart(near, green)
    router_api(lab, "addrouterinterface", router="other", subnet="green")
    settle(lab)
    assert stays_apart(near, green)
    router_api(lab, "removerouterinterface", router="other", subnet="green")
    router_api(lab, "addrouterinterface", router="r", subnet="green")
    assert reaches(green, near)
    result = ping.stop()
    assert result.lost == 0 and result.sent > 100


def test_static_routes_go_through_a_station_that_is_no_logical_port(make_lab):
    lab = make_lab(hosts=2, config=CONFIG)
    add_physical(lab, "vlan", vlanrange=[[100, 199]])
    ends = two_networks(lab)
    gateway = ends["blue", "hv2"]
    run(["ip", "-n", gateway.namespace, "address", "add", "10.9.0.1/16", "dev", "lo"])
    run(["ip", "-n", gateway.namespace, "address", "add", "10.8.0.1/16", "dev", "lo"])
    add_router(lab, "r", "red", "blue")
    red = ends["red", "hv1"]
    assert reaches(red, gateway)
    settle(lab)
    assert red.ping("10.9.0.1", 1).received == 0
    hop = gateway.address
    router_api(
        lab, "updatevirtualrouter", id="r", routes=[["10.9.0.0/16", hop], ["10.8.0.0/16", hop], ["10.7.0.0/16", "10.0.0.9"]]
    )
    for address in ("10.9.0.1", "10.8.0.1"):
        assert any(red.ping(address, 1, wait_s=0.3).received for _ in range(20)), address
    ping = red.start_ping("10.9.0.1")
    router_api(lab, "updatevirtualrouter", id="r", routes=[["10.9.0.0/16", hop]])
    for host in lab.hosts.values():
        host.controller.stop()
        host.controller.start()
        host.wait_settled()
    time.sleep(1)
    result = ping.stop()
    assert result.lost == 0 and result.sent > 100
    assert red.ping("10.8.0.1", 1).received == 0
    router_api(lab, "updatevirtualrouter", id="r", routes=[])
    settle(lab)
    time.sleep(0.3)
    assert red.ping("10.9.0.1", 2).received == 0


def test_a_port_that_changes_its_addresses_is_reached_at_the_new_ones(make_lab):
    lab = make_lab(hosts=2, config=CONFIG)
    add_physical(lab, "vlan", vlanrange=[[100, 199]])
    ends = two_networks(lab)
    add_router(lab, "r", "red", "blue")
    red, blue = ends["red", "hv1"], ends["blue", "hv2"]
    assert reaches(red, blue)
    api(lab, "updatelogicalport", id=blue.plan.iface_id, ip_address="192.168.2.77", mac_address="02:00:00:00:77:77")
    for command in (["link", "set", "eth0", "address", "02:00:00:00:77:77"], ["address", "flush", "dev", "eth0"]):
        run(["ip", "-n", blue.namespace, *command])
    run(["ip", "-n", blue.namespace, "address", "add", "192.168.2.77/24", "dev", "eth0"])
    route_through(blue, "192.168.2.1")
    assert any(red.ping("192.168.2.77", 1, wait_s=0.3).received for _ in range(20))
    assert red.ping(blue.address, 1).received == 0


def test_a_forwarding_node_with_an_address_outside_joins_its_endpoints_to_the_outside(make_lab):
    forwarding = {"module.ioprocessing.enable_router_forward": True, "module.l3router.enable_router_forward": True}
    lab = make_lab(config={**CONFIG, **forwarding, "module.l3router.static_host_arp_refresh_interval": 1})
    add_physical(lab, "vlan", vlanrange=[[100, 199]])
    add_routed(lab, "red", RED)
    red = add_routed_endpoint(lab, "red1", "red")
    hosts = [{"systemid": "hv1", "local_address": "10.0.0.2"}, {"systemid": "other", "local_address": "10.0.0.3"}]
    api(lab, "createphysicalnetwork", type="native", id="wan")
    api(lab, "createphysicalport", physicalnetwork="wan", name="out0")
    add_routed(lab, "out", "10.0.0.0/24", "wan", isexternal=True, pre_host_config=hosts)
    outside = OutsideHost(lab, "hv1", "10.0.0.1/24", (RED, "10.0.0.2"))
    try:
        run(["ip", "-n", outside.namespace, "address", "add", "8.8.8.8/32", "dev", "lo"])
        add_router(lab, "r", "red", "out")
        assert outside.ping("10.0.0.2")
        assert outside.ping(red.address)
        assert any(red.ping("8.8.8.8", 1, wait_s=0.3).received for _ in range(20))
        assert red.ping("10.0.0.1", 2).received == 2
        assert red.ping("10.0.0.2", 2).received == 2
        ping = red.start_ping("8.8.8.8")
        controller = lab.hosts["hv1"].controller
        controller.stop()
        controller.start()
        settle(lab)
        time.sleep(1)
        assert ping.stop().lost == 0
        outside.set_mac("02:00:00:00:0f:0f")
        assert any(red.ping("8.8.8.8", 1, wait_s=0.3).received for _ in range(30))
        remove_router(lab, "r", "red", "out")
        settle(lab)
        time.sleep(0.3)
        assert red.ping("8.8.8.8", 2).received == 0
    finally:
        outside.delete()


@pytest.mark.parametrize("path", ["l3router.L3Router", "icmpresponder.ICMPResponder"])
def test_no_routed_packet_is_lost_while_a_module_is_reloaded(make_lab, path):
    lab = make_lab(hosts=2, config=CONFIG)
    add_physical(lab, "vlan", vlanrange=[[100, 199]])
    ends = two_networks(lab)
    add_router(lab, "r", "red", "blue")
    settle(lab)
    red, far = ends["red", "hv1"], ends["blue", "hv2"]
    assert reaches(red, far)
    ping = red.start_ping(far.address)
    lab.hosts["hv1"].controller.api("manager", "reloadmodules", pathlist=["vlcp.service.sdn." + path])
    time.sleep(3)
    settle(lab)
    result = ping.stop()
    assert result.lost == 0 and result.sent > 100
    assert red.ping("192.168.1.1", 2).received == 2
