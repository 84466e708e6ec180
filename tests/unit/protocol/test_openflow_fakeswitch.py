"""What the fake switch does beyond what is compared with Open vSwitch."""

from __future__ import annotations

import struct

import pytest
from support import fakeswitch
from support.fakeswitch import FakeSwitch
from support.flowtable import SwitchError, covers, overlap, parse_match

import vlcp.protocol.openflow.defs.openflow13 as of


def flow(**fields):
    values = {"buffer_id": of.OFP_NO_BUFFER, "out_port": of.OFPP_ANY, "out_group": of.OFPG_ANY}
    return of.ofp_flow_mod(**{"match": of.ofp_match_oxm(), **values, **fields})._tobytes()


def answer(switch: FakeSwitch, message: bytes):
    parsed = of.ofp_msg.parse(switch.feed(message))
    return parsed and parsed[0]


def in_port(number: int):
    return of.ofp_match_oxm(oxm_fields=[of.create_oxm(of.OXM_OF_IN_PORT, number)])


def test_messages_may_come_byte_by_byte():
    switch = FakeSwitch()
    for byte in flow(priority=3) + flow(priority=4):
        assert switch.feed(bytes([byte])) == b""
    assert [entry[1] for entry in switch.dump()] == [3, 4]


def test_a_refused_message_changes_nothing_and_is_answered_with_the_error():
    switch = FakeSwitch()
    switch.refuse = lambda kind, xid, message: (of.OFPET_FLOW_MOD_FAILED, of.OFPFMFC_TABLE_FULL)
    error = answer(switch, flow())
    assert (error.type, error.code) == (of.OFPET_FLOW_MOD_FAILED, of.OFPFMFC_TABLE_FULL)
    assert switch.dump() == []


def test_a_refused_message_inside_a_bundle_undoes_the_bundle():
    switch = FakeSwitch()

    def onf(kind, what, inner=b""):
        body = struct.pack(">IIIHH", fakeswitch.ONF, kind, 1, what, 3)
        return fakeswitch.message(fakeswitch.EXPERIMENTER, 0, body + inner)

    switch.refuse = lambda kind, xid, message: (5, 1) if kind == fakeswitch.FLOW_MOD and message[36] == 9 else None
    adds = [onf(fakeswitch.BUNDLE_ADD, 0, flow(table_id=table)) for table in (1, 2)]
    assert switch.feed(onf(fakeswitch.BUNDLE_CONTROL, 0) + adds[0] + adds[1])[8:12] == struct.pack(">I", fakeswitch.ONF)
    assert switch.dump() == []
    switch.feed(onf(fakeswitch.BUNDLE_CONTROL, 4))
    assert [entry[0] for entry in switch.dump()] == [1, 2]


def test_a_table_that_the_switch_has_not_is_refused():
    error = answer(FakeSwitch(n_tables=4), flow(table_id=4))
    assert (error.type, error.code) == (of.OFPET_FLOW_MOD_FAILED, of.OFPFMFC_BAD_TABLE_ID)


def test_a_flow_that_asked_for_it_is_reported_when_it_goes():
    switch = FakeSwitch()
    switch.feed(flow(cookie=7, flags=of.OFPFF_SEND_FLOW_REM, match=in_port(2)))
    removed = answer(switch, flow(command=of.OFPFC_DELETE, table_id=of.OFPTT_ALL))
    assert (removed.cookie, removed.reason) == (7, of.OFPRR_DELETE)
    assert of.get_oxm(removed.match.oxm_fields, of.OXM_OF_IN_PORT) == b"\0\0\0\2"


def test_a_dump_in_several_parts_has_every_flow():
    switch = FakeSwitch()
    switch.feed(b"".join(flow(priority=number) for number in range(3000)))
    data = switch.feed(
        of.ofp_flow_stats_request(
            table_id=of.OFPTT_ALL, out_port=of.OFPP_ANY, out_group=of.OFPG_ANY, match=of.ofp_match_oxm()
        )._tobytes()
    )
    parts = []
    while data:
        part, size = of.ofp_msg.parse(data)
        parts.append(part)
        data = data[size:]
    assert [part.flags for part in parts] == [1] * (len(parts) - 1) + [0] and len(parts) == 3
    assert sum(len(part.stats) for part in parts) == 3000


def test_packet_outs_are_remembered():
    switch = FakeSwitch()
    output = of.ofp_action_output(port=4)
    switch.feed(of.ofp_packet_out(in_port=1, actions=[output], data=b"packet")._tobytes())
    assert switch.packet_outs == [(1, output._tobytes(), b"packet")]


@pytest.mark.parametrize(
    ("wide", "narrow", "covered", "common"),
    [
        ([], [(of.OXM_OF_IN_PORT, 1)], True, True),
        ([(of.OXM_OF_IN_PORT, 1)], [], False, True),
        ([(of.OXM_OF_IN_PORT, 1)], [(of.OXM_OF_IN_PORT, 2)], False, False),
        ([(of.OXM_OF_METADATA_W, 0x10, 0xF0)], [(of.OXM_OF_METADATA_W, 0x12, 0xFF)], True, True),
        ([(of.OXM_OF_METADATA_W, 0x12, 0xFF)], [(of.OXM_OF_METADATA_W, 0x10, 0xF0)], False, True),
        ([(of.OXM_OF_METADATA_W, 0, 0xF0)], [(of.NXM_NX_REG0, 5)], False, True),
    ],
)
def test_matches_cover_and_overlap_by_the_specification(wide, narrow, covered, common):
    first, second = (parse_match(b"".join(of.create_oxm(*field)._tobytes() for field in fields)) for fields in (wide, narrow))
    assert (covers(first, second), overlap(first, second), overlap(second, first)) == (covered, common, common)


def test_an_oxm_beyond_its_match_is_refused():
    with pytest.raises(SwitchError):
        parse_match(b"\x80\0\0\4\0")
