"""Which ports of the cluster concern a switch, and which of its ports are tunnels."""

from __future__ import annotations

import pytest

from vlcp.service.sdn._arp_frames import question
from vlcp.service.sdn._flows.view import NetRecord, PhysicalPortRecord, SwitchView
from vlcp.service.sdn._members import Members, map_key, walk_map, walk_port
from vlcp.service.sdn._vxlan_tunnels import Tunnel, Tunnels
from vlcp.utils.networkmodel import LogicalNetwork, LogicalNetworkMap, LogicalPort

RED, BLUE = LogicalNetwork.default_key("red"), LogicalNetwork.default_key("blue")


def key(name):
    return LogicalPort.default_key(name)


def net_map(*names):
    found = LogicalNetworkMap.create_instance("red")
    for name in names:
        found.ports.dataset().add(LogicalPort.create_instance(name).create_weakreference())
    return found


def network(name, number=1, kind="vxlan", physical="phys"):
    return NetRecord(name, number, physical, kind, None)


def touched(members, view, values, changed=(), version=-1):
    """Walk, and take what was touched."""
    change = view.changes_since(version)
    members.walkers(view.networks, values, set(changed))
    found = members.touched(view.everything() if change is None else change, set(changed))
    members.settled()
    return found


def test_members_come_and_go_with_maps_and_networks():
    view, members = SwitchView(), Members()
    view.update({}, {RED: network(RED)}, {})
    values = {map_key(RED): net_map("a", "b")}
    assert touched(members, view, values) == {key("a"), key("b")}
    assert members.network_of == {key("a"): RED, key("b"): RED}
    assert touched(members, view, values, version=view.version) == set()
    values = {map_key(RED): net_map("b", "c")}
    assert touched(members, view, values, [map_key(RED)], view.version) == {key("a"), key("c")}
    assert members.network_of == {key("b"): RED, key("c"): RED}
    assert touched(members, view, values, [key("c"), key("elsewhere")], view.version) == {key("c")}
    before = view.version
    view.update({}, {RED: network(RED, 7)}, {})
    assert touched(members, view, values, version=before) == {key("b"), key("c")}
    before = view.version
    view.update({}, {RED: None}, {})
    assert touched(members, view, {}, version=before) == {key("b"), key("c")}
    assert members.network_of == {}


def test_a_port_that_changes_its_network_belongs_to_the_new_one():
    view, members = SwitchView(), Members()
    view.update({}, {RED: network(RED), BLUE: network(BLUE, 2)}, {})
    touched(members, view, {map_key(RED): net_map("a"), map_key(BLUE): net_map()})
    values = {map_key(RED): net_map(), map_key(BLUE): net_map("a")}
    touched(members, view, values, [map_key(RED), map_key(BLUE)], view.version)
    assert members.network_of == {key("a"): BLUE}


def test_what_was_touched_is_told_until_it_is_settled_and_each_port_is_walked_from_its_own_key():
    view, members = SwitchView(), Members()
    view.update({}, {RED: network(RED)}, {})
    assert members.walkers(view.networks, {}, set()) == {map_key(RED): walk_map}
    values = {map_key(RED): net_map("a")}
    assert members.walkers(view.networks, values, {map_key(RED)}) == {map_key(RED): walk_map, key("a"): walk_port}
    nothing = view.changes_since(view.version)
    assert members.touched(nothing, set()) == members.touched(nothing, set()) == {key("a")}
    members.settled()
    assert members.touched(nothing, set()) == set()
    assert members.walkers([], {}, set()) == {}
    assert members.touched(nothing, set()) == {key("a")}


def with_ports(*numbers, kind="vxlan"):
    view = SwitchView()
    ports = {f"port{n}": PhysicalPortRecord(f"port{n}", n, "phys", kind, None) for n in numbers}
    view.update({}, {RED: network(RED), BLUE: network(BLUE, 2, "vlan", "other")}, ports)
    return view


def test_the_tunnel_port_is_the_one_with_the_highest_number_that_has_an_address():
    view, tunnels = with_ports(3, 7, 9), Tunnels()
    assert sorted(tunnels.ports(view)) == [("port3", 3), ("port7", 7), ("port9", 9)]
    for number, options in ((3, {"local_ip": "10.0.0.3"}), (7, {"local_ip": "10.0.0.7"}), (9, {"key": "flow"})):
        tunnels.take(f"port{number}", number, options)
    assert tunnels.choose(view) == {"phys"}
    assert tunnels.of(view, RED) == Tunnel(7, "10.0.0.7")
    assert tunnels.of(view, BLUE) is None
    assert tunnels.of(view, None) is None
    assert tunnels.choose(view) == set()


@pytest.mark.parametrize("options, expected", [({}, "10.0.0.3"), ({"key": "flow"}, None), ({"local_ip": "x"}, None)])
def test_an_address_stays_while_nobody_knows_the_options(options, expected):
    view, tunnels = with_ports(3), Tunnels()
    tunnels.take("port3", 3, {"local_ip": "10.0.0.3"})
    tunnels.choose(view)
    assert tunnels.take("port3", 3, options) == (expected is None)
    tunnels.choose(view)
    found = tunnels.of(view, RED)
    assert (None if found is None else found.ip) == expected


def test_ports_of_other_kinds_are_not_asked_for():
    assert Tunnels().ports(with_ports(3, kind="vlan")) == []


def test_an_announcement_asks_everybody_for_the_senders_own_address():
    assert question(0x020000000001, 0xC0A80102, 0xC0A80102, None).hex() == (
        "ffffffffffff" + "020000000001" + "0806" + "0001080006040001" + "020000000001" + "c0a80102" + "000000000000" + "c0a80102"
    )
