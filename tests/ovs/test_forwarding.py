"""External networks and forwarding nodes on real switches."""

from __future__ import annotations

import time

import pytest
from support.forwarding import address_outside, route_back, routed_outside, wait_carrier
from support.networks import add_physical, api, reaches, settle
from support.routing import CONFIG as ROUTED
from support.routing import add_routed, add_routed_endpoint, add_router, remove_router
from support.storedkeys import stored_keys, wait_until_left

from vlcp.lab._shell import run, wait_until

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


def test_the_outside_is_reached_when_switches_ask_for_the_places_of_first_packets(make_lab):
    upload = {"module.vxlancast.learning": False, "module.vxlancast.prepush": False, "module.vxlancast.pushtimeout": 2}
    lab = make_lab(hosts=2, outside="vlan", forward=1, network="vxlan", config={**CONFIG, **upload})
    end = routed_outside(lab)["hv2"]
    route_back(lab, "hv1")
    assert reaches_out(lab, end)
    for pause_s in (0, 3):
        time.sleep(pause_s)
        assert end.ping(lab.outside.far_address, 10, interval_s=0.02).lost == 0
        assert lab.outside.ping(end.address, 10, interval_s=0.02).lost == 0


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


def start_routed_traffic(lab, ends):
    """Ping out of every hypervisor and back in, 100 times a second, and return the pings when all are answered."""
    hosts = list(ends)
    route_back(lab, *lab.plan.forwarding)
    for end in ends.values():
        assert reaches_out(lab, end), end.plan.name
        assert lab.outside.ping(end.address, 3).received
    out = [end.start_ping(lab.outside.far_address) for end in ends.values()]
    near = ends[hosts[0]].start_ping(lab.outside.address)
    return [*out, near, lab.outside.start_ping(ends[hosts[-1]].address)]


def assert_nothing_was_lost(pings):
    results = [ping.stop() for ping in pings]
    assert [result.lost for result in results] == [0] * len(results)
    assert all(result.sent > 100 for result in results)


@pytest.mark.parametrize("forward, end", [(1, "stop"), (2, "kill")])
def test_no_packet_to_or_from_outside_is_lost_while_the_controllers_end_and_start(make_lab, forward, end):
    lab = make_lab(hosts=3, outside="vlan", forward=forward, config=CONFIG)
    pings = start_routed_traffic(lab, routed_outside(lab))
    for host in lab.hosts.values():
        getattr(host.controller, end)()
        time.sleep(0.5)
        host.controller.start()
        host.wait_settled()
        time.sleep(0.5)
    for host in lab.hosts.values():
        getattr(host.controller, end)()
    for host in lab.hosts.values():
        host.controller.start(wait=False)
    for host in lab.hosts.values():
        host.controller.wait_ready()
    settle(lab)
    time.sleep(1)
    assert_nothing_was_lost(pings)


def test_each_host_has_the_address_and_the_gateway_that_are_configured_for_it(make_lab):
    hosts = [
        {"systemid": "hv1", "local_address": "10.20.0.77", "gateway": "10.20.0.3"},
        {"systemid": "hv2", "bridge": "br0", "local_address": "10.20.0.88"},
        {"systemid": "hv3", "local_address": "10.20.0.99"},
    ]
    lab = make_lab(hosts=3, outside="native", forward=2, config=CONFIG)
    run(["ip", "-n", lab.outside.namespace, "address", "add", "10.20.0.3/24", "dev", "eth0"])
    ends = routed_outside(lab, pre_host_config=hosts)
    route_back(lab, "hv1", "hv2")
    assert [address_outside(lab, host) for host in ("hv1", "hv2")] == ["10.20.0.77", "10.20.0.88"]
    for end in ends.values():
        assert reaches_out(lab, end), end.plan.name
    asked = "\n".join(lab.hosts["hv1"].dump_flows())
    assert "nw_dst=10.20.0.3 " in asked and "nw_dst=10.20.0.1 " not in asked
    assert "nw_dst=10.20.0.1 " in "\n".join(lab.hosts["hv2"].dump_flows())


def test_everything_is_gone_after_removal_in_reverse_order(make_lab):
    lab = make_lab(hosts=2, outside="native", forward=1, config=CONFIG)
    settle(lab)
    keys, flows = stored_keys(lab), [host.dump_flows() for host in lab.hosts.values()]
    ends = routed_outside(lab)
    route_back(lab, "hv1")
    assert reaches_out(lab, ends["hv2"])
    api(lab, "deletelogicalports", ports=[{"id": end.plan.iface_id} for end in ends.values()])
    remove_router(lab, "r", "red", "out")
    for network in ("red", "out"):
        api(lab, "deletesubnet", id=network)
        api(lab, "deletelogicalnetwork", id=network)
    for name, physical in (("out0", "wan"), ("trunk0", "phys")):
        api(lab, "deletephysicalport", name=name)
        api(lab, "deletephysicalnetwork", id=physical)
    wait_until_left(lab, keys)
    settle(lab)
    wait_until(lambda: [host.dump_flows() for host in lab.hosts.values()] == flows, 5, "removal of all flows")


def test_a_forwarding_node_whose_tunnel_is_gone_is_not_used(make_lab):
    lab = make_lab(hosts=3, outside="native", forward=2, network="vxlan", config=FAST)
    end = routed_outside(lab)["hv3"]
    route_back(lab, "hv1", "hv2")
    assert reaches_out(lab, end)
    time.sleep(1)
    active = wait_carrier(lab, "hv3", "hv1", "hv2")
    other = "hv2" if active == "hv1" else "hv1"
    route_back(lab, other)
    lab.hosts[active].vsctl("remove", "Interface", "vxlan0", "options", "local_ip")
    wait_carrier(lab, "hv3", other, within_s=20)
    assert reaches_out(lab, end)


def test_networks_of_one_kind_and_several_ports_are_joined_by_a_node_that_has_them_all(make_lab):
    forwarding = {f"module.{name}.enable_router_forward": True for name in ("ioprocessing", "l3router")}
    lab = make_lab(hosts=3, config={**ROUTED, **CONFIG, **forwarding})
    first, second, third = lab.hosts.values()
    cables = [(first, "trunk1", second, "trunk1"), (first, "aside0", first, "aside1")]
    for one, name, other, peer in cables:
        run(["ip", "link", "add", name, "netns", one.namespace, "type", "veth", "peer", "name", peer, "netns", other.namespace])
        for host, port in ((one, name), (other, peer)):
            run(["ip", "-n", host.namespace, "link", "set", port, "up"])
        one.vsctl("add-port", "br0", name)
    second.vsctl("add-port", "br0", "trunk1")
    add_physical(lab, "vlan", vlanrange=[[100, 199]])
    api(lab, "createphysicalport", physicalnetwork="phys", name="aside0")
    api(lab, "createphysicalnetwork", type="vlan", id="more", vlanrange=[[100, 199]])
    api(lab, "createphysicalport", physicalnetwork="more", name="trunk1")
    for network, physical, cidr in (("red", "phys", "192.168.1.0/24"), ("blue", "more", "192.168.2.0/24")):
        add_routed(lab, network, cidr, physical)
    add_router(lab, "r", "red", "blue")
    red, blue = add_routed_endpoint(lab, "red3", "red", "hv3"), add_routed_endpoint(lab, "blue2", "blue", "hv2")
    near = add_routed_endpoint(lab, "blue1", "blue", "hv1")
    settle(lab)
    for one, other in ((red, blue), (red, near), (near, red), (blue, red)):
        assert reaches(one, other), (one.plan.name, other.plan.name)
        assert one.ping(other.address, 10, interval_s=0.02).lost == 0, (one.plan.name, other.plan.name)
