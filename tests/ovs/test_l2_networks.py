"""Logical networks on a real switch: who reaches whom, and what is left when they go."""

from __future__ import annotations

import re

import pytest
from support.capture import Capture
from support.networks import add_endpoint, add_network, add_physical, api, reaches, settle, stays_apart

pytestmark = pytest.mark.ovs

MODES = {
    "prepush": {},
    "nxlearn": {"module.l2switch.learning": True, "module.l2switch.nxlearn": True},
    "controller learning": {"module.l2switch.learning": True, "module.l2switch.nxlearn": False},
    "prepush without Nicira": {"protocol.openflow.disablenxext": True},
    "learning without Nicira": {"protocol.openflow.disablenxext": True, "module.l2switch.learning": True},
}


@pytest.mark.parametrize("mode", MODES)
def test_a_network_reaches_itself_and_no_other_also_with_equal_addresses(make_lab, mode):
    lab = make_lab(config=MODES[mode])
    add_physical(lab, "local")
    for network in ("red", "blue"):
        add_network(lab, network)
    red = [add_endpoint(lab, f"red{n}", "red", ip=f"192.168.1.{n}") for n in (11, 12)]
    blue = [add_endpoint(lab, f"blue{n}", "blue", ip=f"192.168.1.{n}") for n in (12, 13)]
    settle(lab)
    assert reaches(red[0], red[1])
    assert reaches(blue[0], blue[1])
    assert stays_apart(red[0], blue[1])
    with Capture(blue[0].namespace, "eth0", "icmp") as capture:
        assert red[0].ping("192.168.1.12", 3).received == 3
    assert capture.lines == []


def test_a_broadcast_reaches_exactly_its_network(make_lab):
    lab = make_lab()
    add_physical(lab, "local")
    for network in ("red", "blue"):
        add_network(lab, network)
    sender, red1, red2 = (add_endpoint(lab, f"red{n}", "red") for n in range(3))
    blue = add_endpoint(lab, "blue1", "blue")
    settle(lab)
    assert reaches(sender, red1)
    captures = {end: Capture(end.namespace, "eth0", "icmp") for end in (red1, red2, blue, sender)}
    with captures[red1], captures[red2], captures[blue], captures[sender]:
        sender.ping("192.168.1.255", 3, broadcast=True)
    echoes = {end.plan.name: sum("192.168.1.255" in line for line in c.lines) for end, c in captures.items()}
    assert echoes == {"red1": 3, "red2": 3, "blue1": 0, "red0": 3}


def test_vlan_frames_carry_the_allocated_tag_and_networks_on_one_trunk_stay_apart(make_lab):
    lab = make_lab(hosts=2)
    add_physical(lab, "vlan", vlanrange=[[100, 199]])
    tags = {name: add_network(lab, name)["vlanid"] for name in ("red", "blue")}
    ends = {
        (name, host): add_endpoint(lab, name + host, name, host, f"192.168.1.{number}")
        for name in tags
        for number, host in ((11, "hv1"), (12, "hv2"))
    }
    settle(lab)
    assert tags["red"] != tags["blue"]
    assert reaches(ends["red", "hv1"], ends["red", "hv2"])
    assert reaches(ends["blue", "hv1"], ends["blue", "hv2"])
    with Capture(lab.plan.namespace("net"), "under") as capture:
        assert ends["red", "hv1"].ping("192.168.1.12", 3).received == 3
        assert ends["blue", "hv1"].ping("192.168.1.12", 2).received == 2
    seen = re.findall(r"vlan (\d+),.*ICMP echo request", "\n".join(capture.lines))
    assert seen.count(str(tags["red"])) == 3
    assert seen.count(str(tags["blue"])) == 2
    assert set(seen) == {str(tag) for tag in tags.values()}


def test_a_vlan_network_without_a_partner_stays_apart_from_other_tags(make_lab):
    lab = make_lab(hosts=2)
    add_physical(lab, "vlan", vlanrange=[[100, 199]])
    add_network(lab, "red")
    add_network(lab, "blue")
    red = add_endpoint(lab, "red1", "red", "hv1", "192.168.1.11")
    blue = add_endpoint(lab, "blue1", "blue", "hv2", "192.168.1.12")
    settle(lab)
    assert stays_apart(red, blue)


def test_native_frames_are_untagged(make_lab):
    lab = make_lab(hosts=2)
    add_physical(lab, "native")
    add_network(lab, "red")
    ends = [add_endpoint(lab, f"red{n}", "red", f"hv{n}") for n in (1, 2)]
    settle(lab)
    assert reaches(*ends)
    with Capture(lab.plan.namespace("net"), "under") as capture:
        assert ends[0].ping(ends[1].address, 3).received == 3
    requests = [line for line in capture.lines if "ICMP echo request" in line]
    assert len(requests) == 3
    assert not any("vlan" in line for line in requests)


def test_a_port_that_moves_to_another_network_changes_its_reach_and_leaves_no_old_flow(make_lab):
    lab = make_lab()
    host = lab.hosts["hv1"]
    add_physical(lab, "local")
    for network in ("red", "blue"):
        add_network(lab, network)
    red, blue = add_endpoint(lab, "red1", "red", ip="192.168.1.11"), add_endpoint(lab, "blue1", "blue", ip="192.168.1.12")
    mover = add_endpoint(lab, "mover", "red", ip="192.168.1.20")
    settle(lab)
    assert reaches(mover, red)
    before = host.dump_flows()
    api(lab, "createlogicalport", id="other", logicalnetwork="blue", subnet="blue", mac_address=mover.plan.mac)
    host.vsctl("set", "Interface", "mover", "external_ids:iface-id=other")
    assert reaches(mover, blue)
    assert stays_apart(mover, red)
    host.vsctl("set", "Interface", "mover", "external_ids:iface-id=lp-mover")
    assert reaches(mover, red)
    settle(lab)
    assert host.dump_flows() == before
    api(lab, "deletelogicalports", ports=[{"id": "lp-mover"}, {"id": "other"}])
    api(lab, "createlogicalport", id="lp-mover", logicalnetwork="blue", mac_address=mover.plan.mac)
    assert reaches(mover, blue)
    assert stays_apart(mover, red)


def test_removing_everything_in_the_manuals_order_leaves_the_flows_of_the_start(make_lab):
    lab = make_lab(hosts=2)
    host = lab.hosts["hv1"]
    settle(lab)
    before = (host.dump_flows(), host.dump_groups())
    add_physical(lab, "vlan", vlanrange=[[100, 199]])
    add_network(lab, "red")
    ends = [add_endpoint(lab, f"red{n}", "red", f"hv{n}") for n in (1, 2)]
    assert reaches(*ends)
    assert (host.dump_flows(), host.dump_groups()) != before
    api(lab, "deletelogicalports", ports=[{"id": "lp-red1"}, {"id": "lp-red2"}])
    api(lab, "deletesubnet", id="red")
    api(lab, "deletelogicalnetwork", id="red")
    api(lab, "deletephysicalport", name="trunk0")
    api(lab, "deletephysicalnetwork", id="phys")
    settle(lab)
    assert (host.dump_flows(), host.dump_groups()) == before


def test_200_ports_are_added_and_removed_in_one_batch_call(make_lab):
    lab = make_lab(switch_options=["--enable-dummy"])
    host = lab.hosts["hv1"]
    add_physical(lab, "local")
    add_network(lab, "red", cidr="10.0.0.0/16")
    settle(lab)
    before = host.dump_flows()
    arguments = []
    for number in range(200):
        arguments += ["--", "add-port", "br0", f"d{number}"]
        arguments += ["--", "set", "Interface", f"d{number}", "type=dummy", f"external_ids:iface-id=p{number}"]
    host.vsctl(*arguments[1:])
    ports = [
        {"id": f"p{n}", "logicalnetwork": "red", "subnet": "red", "mac_address": f"02:00:00:00:{n >> 8:02x}:{n & 255:02x}"}
        for n in range(200)
    ]
    assert len(api(lab, "createlogicalports", ports=ports)) == 200
    settle(lab)
    unicast = [line for line in host.dump_flows() if "dl_dst=02:00:00:00:" in line]
    assert len(unicast) == 200
    assert api(lab, "deletelogicalports", ports=[{"id": port["id"]} for port in ports]) == {"status": "OK"}
    settle(lab)
    assert host.dump_flows() == before
