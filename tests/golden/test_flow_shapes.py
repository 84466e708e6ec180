"""Rows of ``ioprocessing`` and ``l2switch`` against dumps captured from a switch, for one topology in four configurations."""

from __future__ import annotations

import pathlib

import pytest
from support.ofctl import flow_line, group_line

from vlcp.service.sdn import _io_rows as io
from vlcp.service.sdn import _l2_rows as l2
from vlcp.service.sdn._flows.encode import Layout
from vlcp.service.sdn._flows.parts import Part
from vlcp.service.sdn._flows.spec import (
    Flow,
    Group,
    group,
    match,
    output,
    pop_vlan,
    push_vlan,
    set_field,
    to_input_port,
)

HERE = pathlib.Path(__file__).parent
REGISTERS = Layout(
    {"ingress": 0, "l2input": 1, "vxlaninput": 2, "l2output": 7, "vxlanoutput": 8, "l2learning": 10, "egress": 11},
    {"ingress": "l2input", "l2input": "vxlaninput", "l2output": "vxlanoutput"},
    True,
)
METADATA = Layout(
    {"ingress": 0, "l2input": 1, "arp": 2, "l2output": 4, "l2learning": 5, "egress": 6},
    {"ingress": "l2input", "l2input": "arp", "l2output": "egress"},
    False,
)
# network number -> logical ports as (port number, MAC)
PORTS = {
    1: [(3, "02:00:00:00:00:01"), (5, "02:00:00:00:00:03")],
    2: [(8, "02:00:00:00:00:05")],
    3: [(4, "02:00:00:00:00:02")],
    4: [(6, "02:00:00:00:00:04")],
    5: [(9, "02:00:00:00:00:06")],
}
UPLINKS = {1: 1, 2: 7, 3: 1, 4: 2, 5: None}


def vxlan(net_no, vni):
    tunnel = set_field(tun_id=vni)
    send = (*tunnel, group(0x10000 + net_no))
    return io.IoParts(match(tun_id=vni), (), send, send, (*tunnel, group(0x20000 + net_no)))


def vlan(port_no, tag):
    head = (push_vlan(), *set_field(vlan_vid=0x1000 + tag))
    send = (*head, output(port_no))
    return io.IoParts(match(vlan_vid=0x1000 + tag), (pop_vlan(),), send, send, (*head, to_input_port()))


NATIVE = io.IoParts((), (), (output(7),), (output(7),), (to_input_port(),))
WITHOUT_VXLAN = {2: (7, NATIVE), 4: (2, vlan(2, 1000))}
WITH_VXLAN = {1: (1, vxlan(1, 10000)), 3: (1, vxlan(3, 10010)), **WITHOUT_VXLAN}


def io_parts(pairs):
    yield Part("base", ())
    for net_no, members in PORTS.items():
        for port_no, _ in members:
            yield Part(port_no, io.PortInputs(port_no, net_no))
        buckets = (pairs[net_no][1].bucket,) if net_no in pairs else ()
        yield Part(("net", net_no), io.NetInputs(net_no, tuple(number for number, _ in members), buckets, False))
    for net_no, (port_no, parts) in pairs.items():
        yield Part(("pair", net_no), io.PairInputs(net_no, port_no, parts))


def l2_parts(mode):
    yield Part("base", l2.Settings(mode, 300))
    if mode is l2.Mode.CONTROLLER:
        return
    for net_no, members in PORTS.items():
        for port_no, mac in members:
            yield Part(port_no, l2.PortInputs(net_no, port_no, int(mac.replace(":", ""), 16), mode))
        yield Part(("net", net_no), l2.NetInputs(net_no, UPLINKS[net_no], mode))


def lines(layout, io_side=(), l2_side=()):
    rows = [row for part in io_side for row in io.io_rows(part)] + [row for part in l2_side for row in l2.l2_rows(part)]
    flows = [flow_line(row, layout) for row in rows if isinstance(row, Flow)]
    return sorted(flows + [group_line(row, layout) for row in rows if isinstance(row, Group)])


@pytest.mark.parametrize(
    "name, layout, io_side, mode",
    [
        ("registers", REGISTERS, WITH_VXLAN, l2.Mode.PREPUSH),
        ("metadata", METADATA, WITHOUT_VXLAN, l2.Mode.PREPUSH),
        ("nxlearn", REGISTERS, None, l2.Mode.NX_LEARN),
        ("ctrllearn", REGISTERS, None, l2.Mode.CONTROLLER),
    ],
)
def test_rows_are_those_of_the_captured_dump(name, layout, io_side, mode):
    captured = sorted((HERE / f"flows_{name}.txt").read_text().splitlines())
    assert lines(layout, [] if io_side is None else list(io_parts(io_side)), list(l2_parts(mode))) == captured


def test_a_learned_address_has_a_short_row_that_hears_of_it_again_and_a_long_one_that_delivers():
    rows = l2.l2_rows(Part("learned", l2.LearnedInputs(4, 6, 0x020000000004, 300)))
    assert [flow_line(row, REGISTERS) for row in rows] == [
        "cookie=0x2, table=1, hard_timeout=75, reg4=0x4,in_port=6,dl_src=02:00:00:00:00:04 actions=goto_table:2",
        "cookie=0x2, table=7, hard_timeout=300, reg5=0x4,dl_dst=02:00:00:00:00:04 actions=set_field:0x6->reg6,goto_table:8",
    ]


def test_chained_groups_are_used_where_they_are_allowed():
    bucket = vxlan(1, 10000).bucket
    allowed = list(io.io_rows(Part("net", io.NetInputs(1, (3,), (bucket,), True))))
    assert group_line(allowed[0], REGISTERS) == (
        "group_id=1,type=all,bucket=actions=output:3,bucket=actions=set_field:0x2710->tun_id,group:65537"
    )
    assert allowed[1].do == (group(1),)
