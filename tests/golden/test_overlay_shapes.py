"""Rows of ``arpresponder``, ``dhcpserver`` and ``vxlancast`` against dumps captured from a switch, in several configurations."""

from __future__ import annotations

import ipaddress
import pathlib

import pytest
from support.ofctl import flow_line, group_line

from vlcp.service.sdn import _arp_rows as arp
from vlcp.service.sdn import _dhcp_rows as dhcp
from vlcp.service.sdn import _vxlan_rows as vxlan
from vlcp.service.sdn._flows.encode import Layout
from vlcp.service.sdn._flows.parts import Part
from vlcp.service.sdn._flows.spec import Flow, Group

HERE = pathlib.Path(__file__).parent
NAMES = ("ingress", "l2input", "vxlaninput", "arp", "l3input", "l3router", "l3output", "l2output", "vxlanoutput", "vxlanlearning")
TABLES = {**{name: number for number, name in enumerate(NAMES)}, "l2learning": 10, "egress": 11}
PATH = ("ingress", "l2input", "vxlaninput", "arp", "l3input", "l2output", "vxlanoutput", "egress")
LAYOUT = Layout(TABLES, dict(zip(PATH, PATH[1:])), True)
ROUTER, SERVER = 0x1A2367596333, "169.254.169.254"
# address, MAC, network number, number of the local port
PORTS = [
    ("192.168.1.2", 0x020000000001, 1, 3),
    ("192.168.1.3", 0x020000000003, 1, 5),
    ("192.168.1.4", 0x020000000101, 1, None),
    ("192.168.2.2", 0x020000000002, 3, 4),
    ("10.9.8.2", 0x020000000004, 4, 6),
    ("10.7.0.2", 0x020000000005, 2, 8),
]
PASSING = {2, 4}


def number(address):
    return int(ipaddress.IPv4Address(address))


def lines(rows):
    rows = list(rows)
    flows = [flow_line(row, LAYOUT) for row in rows if isinstance(row, Flow)]
    return sorted(flows + [group_line(row, LAYOUT) for row in rows if isinstance(row, Group)])


def captured(name):
    return sorted((HERE / f"flows_{name}.txt").read_text().splitlines())


def proxies():
    for ip, mac, net, port_no in PORTS:
        if port_no is not None:
            yield arp.Entry(net, number(ip), mac, (False,), False)
    for ip, nets in ((SERVER, (1, 2, 3, 4)), ("192.168.1.1", (1,)), ("192.168.2.1", (3,))):
        for net in nets:
            yield arp.Entry(net, number(ip), ROUTER, (True,), False)


def prepushed(broadcast_only):
    for ip, mac, net, port_no in PORTS:
        yield arp.Entry(net, number(ip), mac, (True,), broadcast_only)
        if port_no is not None:
            yield arp.Own(net, port_no, number(ip), broadcast_only, net in PASSING)


@pytest.mark.parametrize(
    ("name", "inputs"),
    [
        ("arp", [arp.Base(False), *proxies(), *prepushed(True)]),
        ("arp_all", [arp.Base(True), *proxies(), *prepushed(False)]),
        ("arp_proxies", [arp.Base(False), *proxies()]),
    ],
)
def test_arp_rows_are_those_of_the_captured_dump(name, inputs):
    assert lines(row for entry in inputs for row in arp.arp_rows(Part("", entry))) == captured(name)


def test_an_entry_for_both_sides_has_two_rows():
    rows = lines(arp.arp_rows(Part("", arp.Entry(1, number(SERVER), ROUTER, (True, False), False))))
    assert [row.partition(",")[0] for row in rows] == ["cookie=0x1", "cookie=0x3"]


def test_dhcp_rows_are_those_of_the_captured_dump():
    nets = [dhcp.NetInputs(net, (number(SERVER),) if net != 5 else ()) for net in range(1, 6)]
    assert lines(row for net in nets for row in dhcp.dhcp_rows(Part("", net))) == captured("dhcp")


@pytest.mark.parametrize(
    ("name", "learning", "prepush"),
    [("prepush", False, True), ("learn", True, False), ("both", True, True), ("upload", False, False)],
)
def test_vxlan_rows_and_groups_are_those_of_the_captured_dump(name, learning, prepush):
    settings = vxlan.Settings(vxlan.choose_mode(learning, prepush), 300)
    inputs = [settings, vxlan.PortInputs(1, settings)]
    inputs += [vxlan.NetInputs(net, 1, (number("10.0.1.3"),), learning) for net in (1, 3)]
    if prepush:
        inputs.append(vxlan.RemoteInputs(1, 1, 10000, 0x020000000101, number("10.0.1.3")))
    assert lines(row for entry in inputs for row in vxlan.vxlan_rows(Part("", entry))) == captured(f"vxlan_{name}")


def test_a_network_without_a_tunnel_has_groups_without_members():
    rows = list(vxlan.vxlan_rows(Part("", vxlan.NetInputs(7, None, (1, 2), False))))
    assert rows == [Group(0x10007, "all", ()), Group(0x20007, "all", ())]


def test_a_row_made_at_the_first_packet_ends_without_packets_and_tells_so():
    (row,) = vxlan.vxlan_rows(Part("", vxlan.RemoteInputs(1, 1, 10000, 0x020000000101, 1, 300)))
    assert (row.idle_s, row.hard_s, row.flags, row.cookie) == (300, 0, 1, 3)
