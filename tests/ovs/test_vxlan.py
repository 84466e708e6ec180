"""VXLAN between hypervisors on real switches: who reaches whom in each strategy, moves, restarts, and what is left."""

from __future__ import annotations

import time

import pytest
from support.capture import Capture
from support.dhcpclients import CLIENTS, request
from support.networks import add_endpoint, add_network, add_tunnels, api, reaches, settle, stays_apart

from vlcp.lab._shell import inside, run, wait_until

pytestmark = pytest.mark.ovs

MODES = {
    "prepush": {"module.vxlancast.learning": False, "module.vxlancast.prepush": True},
    "learning": {"module.vxlancast.learning": True, "module.vxlancast.prepush": False},
    "both": {"module.vxlancast.learning": True, "module.vxlancast.prepush": True},
    "first-upload": {"module.vxlancast.learning": False, "module.vxlancast.prepush": False},
}
OTHER_MODES = ("both", "first-upload")
MODULES = ("vxlancast.VXLANCast", "arpresponder.ARPResponder", "dhcpserver.DHCPServer")


@pytest.fixture
def vxlan(make_lab):
    """Return a function that makes hypervisors joined by tunnels, with a physical network ``phys``."""

    def make(hosts=2, config=None):
        lab = make_lab(hosts=hosts, network="vxlan", config=config)
        add_tunnels(lab)
        return lab

    return make


def tables(lab):
    return [(host.dump_flows(), host.dump_groups()) for host in lab.hosts.values()]


def settle_all(lab):
    """Wait until what hypervisors tell each other has come through."""
    before = None
    for _ in range(40):
        settle(lab)
        now = tables(lab)
        if now == before:
            return
        before = now
        time.sleep(0.25)
    raise AssertionError("the tables do not come to rest")


def stored_keys(lab):
    """Return all keys but those of the sets that list index entries, which stay."""
    keys = lab.hosts["hv1"].controller.api("kvstorage", "listallkeys")
    return sorted(key for key in keys if not key.startswith("indicesset."))


@pytest.mark.parametrize("mode", MODES)
def test_a_network_reaches_itself_on_both_hosts_and_no_other_also_with_equal_addresses(vxlan, mode):
    lab = vxlan(config=MODES[mode])
    for network in ("red", "blue"):
        add_network(lab, network)
    mac = "02:00:00:00:00:99"
    ends = {}
    for network, host, number in (
        ("red", "hv1", 11),
        ("red", "hv1", 12),
        ("red", "hv2", 13),
        ("blue", "hv1", 11),
        ("blue", "hv2", 13),
    ):
        ends[network, number] = add_endpoint(lab, f"{network}{number}", network, host, f"192.168.1.{number}")
    for network in ("red", "blue"):
        name = f"twin-{network}"
        api(lab, "createlogicalport", id=name, logicalnetwork=network, subnet=network, mac_address=mac, ip_address="192.168.1.99")
        ends[network, 99] = lab.add_endpoint(name, "hv2", name, network, "192.168.1.99/24", mac)
    lonely = add_endpoint(lab, "blue20", "blue", "hv2", "192.168.1.20")
    settle_all(lab)
    for source, target in ((11, 12), (11, 13), (13, 12), (12, 99)):
        assert reaches(ends["red", source], ends["red", target]), (source, target)
    assert reaches(ends["blue", 11], ends["blue", 13])
    assert stays_apart(ends["red", 11], lonely)
    with Capture(ends["blue", 99].namespace, "eth0", "icmp") as capture:
        assert ends["red", 11].ping("192.168.1.99", 3).received == 3
    assert capture.lines == []


def test_the_first_packet_is_not_lost_when_the_controller_looks_for_its_destination(vxlan):
    lab = vxlan(config={**MODES["first-upload"], "module.vxlancast.pushtimeout": 2})
    host = lab.hosts["hv1"]
    add_network(lab, "red")
    ends = [add_endpoint(lab, f"red{n}", "red", f"hv{n}") for n in (1, 2)]
    settle_all(lab)
    # The switch itself drops what it tunnels to an address whose MAC it has not learned.
    for name in lab.hosts:
        run(inside(host.namespace, ["ping", "-c", "1", lab.plan.tunnel_address(name)]))

    def unicast():
        return [line for line in host.dump_flows() if "tun_dst" in line]

    for _ in range(3):
        result = ends[0].ping(ends[1].address, 5, interval_s=0.02, wait_s=2)
        assert result.received == 5
        assert len(unicast()) == 1
        wait_until(lambda: not unicast(), 10, "end of the flow", step_s=0.1)
    settle(lab)


def test_large_packets_of_the_inner_mtu_pass_unfragmented_and_carry_the_vni(vxlan):
    lab = vxlan()
    vni = add_network(lab, "red", mtu=1450)["vni"]
    ends = [add_endpoint(lab, f"red{n}", "red", f"hv{n}") for n in (1, 2)]
    settle_all(lab)
    assert reaches(*ends)
    with Capture(lab.plan.namespace("net"), "under") as capture:
        output = run(inside(ends[0].namespace, ["ping", "-n", "-c", "3", "-i", "0.1", "-M", "do", "-s", "1422", ends[1].address]))
    assert "3 received" in output
    assert len([line for line in capture.lines if f"vni {vni}" in line]) >= 6


def move_while_pinged(lab, mover, target, others):
    """Move an endpoint to another hypervisor; return for each other one the seconds for which it got no answer."""
    began = time.monotonic()
    pings = [other.start_ping(mover.address) for other in others]
    time.sleep(0.5)
    mover.move(lab.hosts[target])
    time.sleep(2.5)
    lasted = time.monotonic() - began
    results = [ping.stop() for ping in pings]
    assert all(result.received > 50 for result in results)
    return [result.lost * lasted / result.sent for result in results]


@pytest.mark.parametrize("mode", ["prepush", "learning", *(pytest.param(mode, marks=pytest.mark.soak) for mode in OTHER_MODES)])
def test_a_port_moves_to_another_host_while_pinged(vxlan, mode):
    lab = vxlan(hosts=3, config=MODES[mode])
    add_network(lab, "red")
    mover, on_new, on_third = (add_endpoint(lab, name, "red", host) for name, host in (("m", "hv1"), ("n", "hv2"), ("t", "hv3")))
    on_old = add_endpoint(lab, "o", "red", "hv1")
    settle_all(lab)
    others = (on_old, on_new, on_third)
    assert all(reaches(other, mover) for other in others)
    # To a place where the port has just been switches learn the way back late, from what they count of packets seen before.
    for target, limit_s in (("hv2", 1), ("hv3", 1), ("hv2", 2)):
        gaps = move_while_pinged(lab, mover, target, others)
        assert all(gap < limit_s for gap in gaps), (target, gaps)


def test_removing_everything_leaves_no_flow_no_group_and_no_key(make_lab):
    lab = make_lab(hosts=2, network="vxlan")
    settle_all(lab)
    before, keys = tables(lab), stored_keys(lab)
    add_tunnels(lab)
    for network in ("red", "blue"):
        add_network(lab, network)
        ends = [add_endpoint(lab, f"{network}{n}", network, f"hv{n}") for n in (1, 2)]
        assert reaches(*ends)
    assert len([key for key in stored_keys(lab) if "vxlanendpointset" in key]) == 2
    assert len([key for key in stored_keys(lab) if "logicalportvxlaninfo" in key]) == 4
    api(lab, "deletelogicalports", ports=[{"id": f"lp-{network}{n}"} for network in ("red", "blue") for n in (1, 2)])
    for network in ("red", "blue"):
        api(lab, "deletesubnet", id=network)
        api(lab, "deletelogicalnetwork", id=network)
    api(lab, "deletephysicalport", name="vxlan0")
    api(lab, "deletephysicalnetwork", id="phys")
    settle_all(lab)
    assert tables(lab) == before
    assert stored_keys(lab) == keys


@pytest.fixture
def pinging(vxlan):
    """Return hypervisors with endpoints that ping each other 100 times a second, on a host and across."""
    lab = vxlan()
    add_network(lab, "red")
    ends = [add_endpoint(lab, f"red{n}", "red", host) for n, host in ((1, "hv1"), (2, "hv1"), (3, "hv2"))]
    settle_all(lab)
    assert reaches(ends[0], ends[1])
    assert reaches(ends[0], ends[2])
    settle_all(lab)
    return lab, [ends[0].start_ping(ends[1].address), ends[1].start_ping(ends[2].address), ends[2].start_ping(ends[0].address)]


def test_no_packet_is_lost_while_a_controller_ends_by_a_signal_or_is_killed_and_starts(pinging):
    lab, pings = pinging
    controller = lab.hosts["hv1"].controller
    before = tables(lab)
    for end in (controller.stop, controller.kill):
        end()
        time.sleep(1)
        controller.start()
        settle(lab)
        time.sleep(2)
        settle_all(lab)
        assert tables(lab) == before
    assert [ping.stop().lost for ping in pings] == [0, 0, 0]


def test_no_packet_is_lost_while_modules_are_reloaded(pinging):
    lab, pings = pinging
    before = tables(lab)
    for module in MODULES:
        lab.hosts["hv1"].controller.api("manager", "reloadmodules", pathlist=["vlcp.service.sdn." + module])
        time.sleep(1.5)
        settle_all(lab)
        assert tables(lab) == before, module
    assert [ping.stop().lost for ping in pings] == [0, 0, 0]


def test_a_new_tunnel_address_is_told_and_used(vxlan):
    lab = vxlan()
    host = lab.hosts["hv2"]
    add_network(lab, "red")
    ends = [add_endpoint(lab, f"red{n}", "red", f"hv{n}") for n in (1, 2)]
    settle_all(lab)
    assert reaches(*ends)
    run(["ip", "-n", host.namespace, "address", "add", "10.254.0.99/24", "dev", "br-phy"])
    host.vsctl("set", "Interface", "vxlan0", "options:local_ip=10.254.0.99")
    wait_until(lambda: any("10.254.0.99" in group for group in lab.hosts["hv1"].dump_groups()), 15, "the new address", step_s=0.2)
    assert reaches(*ends)


def test_every_dhcp_client_is_served_on_its_own_host_and_then_reached_across(vxlan, tmp_path):
    lab = vxlan(config={"module.dhcpserver.leasetime": 3600})
    api(lab, "createlogicalnetwork", physicalnetwork="phys", id="red", mtu=1450, domain_name="lab.example")
    routes = [["10.0.0.0/8", "192.168.1.9"]]
    api(lab, "createsubnet", logicalnetwork="red", cidr="192.168.1.0/24", gateway="192.168.1.1", id="red", host_routes=routes)
    clients, ports = {}, {}
    for client, host in zip(CLIENTS, ("hv1", "hv2", "hv2")):
        mac = lab.free_mac()
        (ports[client],) = api(lab, "createlogicalport", id=client, logicalnetwork="red", subnet="red", mac_address=mac)
        clients[client] = lab.add_endpoint(f"c-{client}", host, client, "red", None, mac)
    settle_all(lab)
    with Capture(lab.plan.namespace("net"), "under") as underlay:
        answers = {client: request(client, endpoint, tmp_path) for client, endpoint in clients.items()}
    assert not [line for line in underlay.lines if "BOOTP/DHCP" in line]
    for client, answer in answers.items():
        assert (answer["ip"], answer["mtu"]) == (ports[client]["ip_address"], "1450"), client
        assert "192.168.1.9" in answer["routes"] or answer["routes"].replace(",", " ").split()[2:6] == ["192", "168", "1", "9"]
        run(["ip", "-n", clients[client].namespace, "address", "replace", answer["ip"] + "/24", "dev", "eth0"])
    for source in CLIENTS:
        for target in set(CLIENTS) - {source}:
            assert clients[source].ping(answers[target]["ip"], 2, interval_s=0.05, wait_s=2).received > 0, (source, target)


def test_a_switch_that_restarts_gets_its_tunnels_back(vxlan):
    lab = vxlan()
    add_network(lab, "red")
    ends = [add_endpoint(lab, f"red{n}", "red", f"hv{n}") for n in (1, 2)]
    settle_all(lab)
    assert reaches(*ends)
    before = tables(lab)
    lab.hosts["hv1"].stop_switch(("ovs-vswitchd",))
    lab.hosts["hv1"].stop_switch()
    lab.hosts["hv1"].start_switch()
    assert reaches(*ends, within_s=20)
    settle_all(lab)
    assert tables(lab) == before
