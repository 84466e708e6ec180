"""Rows of ``l3router`` and ``icmpresponder`` against dumps captured from a switch."""

from __future__ import annotations

import pathlib

import pytest
from support.ofctl import flow_line
from support.routedview import INNER, interface, ip, make_view, routed, router

from vlcp.service.sdn import _icmp_rows as icmp
from vlcp.service.sdn import _l3_rows as l3
from vlcp.service.sdn._flows.encode import Encoder, Layout
from vlcp.service.sdn._flows.parts import Part
from vlcp.service.sdn._flows.tables import allocate
from vlcp.service.sdn.arpresponder import ARPResponder
from vlcp.service.sdn.icmpresponder import ICMPResponder
from vlcp.service.sdn.l2switch import L2Switch
from vlcp.service.sdn.l3router import L3Router

HERE = pathlib.Path(__file__).parent
TABLES = ("ingress", "l2input", "vxlaninput", "arp", "l3input", "l3router", "l3output", "l2output", "vxlanoutput")
LAYOUT = Layout({name: number for number, name in enumerate(TABLES)}, {"l2output": "vxlanoutput"}, True)
NETWORKS = {"a": (1, "vxlan"), "n": (2, "native"), "b": (3, "vxlan"), "v": (4, "vlan")}
UPLINKS = {"vxlan": (1, 0xAA55AA550165), "vlan": (2, 0xAA55AA550166), "native": (7, 0xAA55AA55016B)}
ROUTER = router(
    "r",
    interface("a", "192.168.1.0/24", "192.168.1.1"),
    interface("b", "192.168.2.0/24", "192.168.2.1"),
    interface("v", "10.9.8.0/24", "10.9.8.1", external=True),
    routes=[("10.20.0.0/16", "192.168.1.50")],
)
LOCAL = [
    (4, "10.9.8.2", 0x020000000004),
    (1, "192.168.1.2", 0x020000000001),
    (1, "192.168.1.3", 0x020000000003),
    (2, "10.7.0.2", 0x020000000005),
    (3, "192.168.2.2", 0x020000000002),
]
OUTER_A = OUTER_B = 0xA055AA550165
HOP = ("a", ip("192.168.1.50"))


def parts(macs, hosts):
    networks = routed(make_view(NETWORKS, UPLINKS), ROUTER)
    yield l3.Base()
    for network in "abv":
        yield networks.net_inputs(network)
        yield networks.route_inputs(network, macs.get)
    for net_no, address, mac in LOCAL:
        yield l3.HostInputs(net_no, ip(address), INNER, mac)
    yield from hosts


def produced(inputs, prepush, with_ports=(1, 3)):
    rows = [row for one in inputs for row in l3.l3_rows(Part("x", one))]
    for net_no, gateway in [found for found in ((1, "192.168.1.1"), (3, "192.168.2.1")) if found[0] in with_ports]:
        rows += icmp.icmp_rows(Part("x", icmp.NetInputs(net_no, INNER, (ip(gateway),), prepush)))
    encoder = Encoder(LAYOUT)
    for row in rows:
        encoder.flow_add(row)
    return sorted(flow_line(row, LAYOUT) for row in rows)


NODE = ROUTER._replace(interfaces=(*ROUTER.interfaces[:2], ROUTER.interfaces[2]._replace(address=ip("10.9.8.3"))))
GATEWAY = {("v", ip("10.9.8.1")): 0x0200000000FE}
AWAY_NETWORKS = {"a": (1, "vxlan"), "v": (2, "vlan"), "b": (3, "vxlan")}


def forwarding_node():
    networks = routed(make_view(NETWORKS, UPLINKS), NODE)
    yield l3.Base()
    for network in "abv":
        yield networks.net_inputs(network)
        yield networks.route_inputs(network, GATEWAY.get)
    for net_no, address, mac in LOCAL:
        yield l3.HostInputs(net_no, ip(address), INNER, mac)
    yield l3.HostInputs(4, ip("10.9.8.1"), 0xA055AA550166, 0x0200000000FE)


def behind_a_forwarding_node():
    networks = routed(make_view(AWAY_NETWORKS, {"vxlan": (1, 0xAA55AA55016E)}), ROUTER)
    yield l3.Base()
    for network in "abv":
        yield networks.net_inputs(network)
        yield networks.route_inputs(network, {}.get, lambda *way: OUTER_A if way[1:] == ("vxlan", "vlan") else None)
    yield l3.HostInputs(1, ip("192.168.1.4"), INNER, 0x020000000101)


@pytest.mark.parametrize("name", ["node", "away"])
def test_rows_around_a_forwarding_node_are_those_of_the_captured_dump(name):
    inputs, ports = (forwarding_node(), (1, 3)) if name == "node" else (behind_a_forwarding_node(), (1,))
    captured = (HERE / f"flows_forward{name}.txt").read_text().splitlines()
    found = [line for line in produced(inputs, False, ports) if not is_own_answer(line)]
    assert found == sorted(captured)


def is_own_answer(line):
    """Rows that the captured switch does not have: they end packets that are too old or for the router itself."""
    return ",nw_ttl=" in line or any(f"priority={number}" in line for number in (0x8000 + 101, 0x8000 + 102))


CASES = {
    "l3learned": (
        {HOP: 0x020000000050},
        [
            l3.HostInputs(1, HOP[1], OUTER_A, 0x020000000050),
            l3.HostInputs(3, ip("192.168.2.99"), OUTER_B, 0x020000000099, 30),
        ],
        False,
    ),
    "prepushall": ({}, [l3.HostInputs(1, ip("192.168.1.4"), OUTER_A, 0x020000000101)], True),
}


@pytest.mark.parametrize("name", CASES)
def test_rows_are_those_of_the_captured_dump(name):
    macs, hosts, prepush = CASES[name]
    captured = (HERE / f"flows_{name}.txt").read_text().splitlines()
    found = [line for line in produced(parts(macs, hosts), prepush) if not is_own_answer(line)]
    assert found == sorted(captured)


def test_a_router_ends_what_is_for_itself_or_too_old():
    lines = [line for line in produced(parts({}, []), False) if is_own_answer(line)]
    assert [line for line in lines if "reg4=0x1," in line] == [
        "cookie=0x5, table=5, priority=32868,ip,reg4=0x1,nw_ttl=0 actions=CONTROLLER:1024",
        "cookie=0x5, table=5, priority=32868,ip,reg4=0x1,nw_ttl=1 actions=CONTROLLER:1024",
        "cookie=0x6, table=5, priority=32870,udp,reg4=0x1,nw_dst=192.168.1.1 actions=CONTROLLER:1024",
        "cookie=0x6, table=5, priority=32870,udp,reg4=0x1,nw_dst=192.168.2.1 actions=CONTROLLER:1024",
        "table=5, priority=32869,ip,reg4=0x1,nw_dst=192.168.1.1 actions=clear_actions",
        "table=5, priority=32869,ip,reg4=0x1,nw_dst=192.168.2.1 actions=clear_actions",
    ]


def test_tables_and_paths_are_those_of_the_original():
    modules = {cls.__name__: (cls._tablerequest, [""]) for cls in (L2Switch, ARPResponder, ICMPResponder, L3Router)}
    allocation = allocate({**modules, "io": ((("ingress", (), ""), ("egress", ("ingress",), "")), [""])})[""]
    names = [name for name, _ in allocation.tables]
    assert names == ["ingress", "l2input", "arp", "l3input", "l3router", "l3output", "l2output", "l2learning", "egress"]
    assert [name for name, _ in allocation.paths[""]] == ["ingress", "l2input", "arp", "l3input", "l2output", "egress"]
    assert {path: [name for name, _ in rows] for path, rows in allocation.paths.items() if path} == {
        "l2learning": ["l2learning"],
        "l3": ["l3output"],
        "router": ["l3router"],
    }
