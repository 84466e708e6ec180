"""Hostile bytes end in a documented error, and the short way reads what the full parse reads."""

from __future__ import annotations

import copy
import random
import struct
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from namedstruct.namedstruct import NamedStruct, ParseError, dump
from support.ofmessages import MESSAGES

import vlcp.protocol.openflow.defs.openflow13 as of
from vlcp.protocol._wire.ofstream import HEADER, Frame
from vlcp.protocol.openflow._decode import BadLenError, LazyStruct, decode, decode_fully, decode_multipart

SHORT = ["error", "echo", "packet in", "flow removed", "port status"]


def frame(data: bytes) -> Frame:
    """Return the frame of a message whose length field is made right."""
    data = data[:2] + struct.pack(">H", len(data)) + data[4:]
    return Frame(*HEADER.unpack_from(data), data)


def use(data: bytes, further: bool = True) -> None:
    """Decode, dump and pack a message; only the documented errors may come out.

    :param further: False only decodes
    """
    try:
        message = decode(frame(data))
    except ParseError:
        return
    if further:
        dump(message)
        message._tobytes()


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_is_read_back_to_the_same_bytes(name):
    message = decode(frame(MESSAGES[name]))
    assert message._tobytes() == MESSAGES[name]
    assert decode_fully(MESSAGES[name])._tobytes() == MESSAGES[name]


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_may_end_anywhere(name):
    for length in range(8, len(MESSAGES[name])):
        use(MESSAGES[name][:length], False)


@pytest.mark.parametrize("name", MESSAGES)
def test_some_bytes_of_a_message_may_be_anything(name):
    chance = random.Random(name)
    for _ in range(25):
        data = bytearray(MESSAGES[name])
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(8, len(data))] = chance.choice((0, 1, 4, 8, 255, chance.randrange(256)))
        use(bytes(data))


@given(st.integers(0, 31), st.binary(max_size=200))
def test_any_body_of_any_type_is_read_or_refused(kind, body):
    use(struct.pack(">BBHI", 4, kind, 0, 1) + body)


def nested(levels: int, action: bytes) -> bytes:
    """Return a flow mod with clone actions inside each other."""
    for _ in range(levels):
        action = struct.pack(">HHIH6x", 0xFFFF, len(action) + 16, 0x2320, of.NXAST_CLONE) + action
    flow = of.ofp_flow_mod(match=of.ofp_match_oxm())._tobytes()
    return flow + struct.pack(">HH4x", of.OFPIT_APPLY_ACTIONS, 8 + len(action)) + action


def test_actions_inside_each_other_are_read_to_a_limit():
    output = of.ofp_action_output(port=1)._tobytes()
    message = decode(frame(nested(10, output)))
    action = message.instructions[0].actions[0]
    for _ in range(9):
        action = action.sub_actions[0]
    assert action.sub_actions[0].port == 1
    with pytest.raises(ParseError, match="more than 24 sequences inside each other"):
        decode(frame(nested(4000, output)))
    decode(frame(nested(10, output)))


@pytest.mark.parametrize("length", [0, 1, 3])
@pytest.mark.parametrize("kind", [of.OFPIT_APPLY_ACTIONS, of.OFPIT_GOTO_TABLE])
def test_an_instruction_without_length_is_refused(kind, length):
    flow = of.ofp_flow_mod(match=of.ofp_match_oxm())._tobytes()
    with pytest.raises(ParseError):
        decode(frame(flow + struct.pack(">HH4x", kind, length)))


def test_the_largest_message_of_the_smallest_parts_is_read_in_bearable_time():
    actions = struct.pack(">HH4x", of.OFPAT_POP_VLAN, 8) * 8000
    flow = of.ofp_flow_mod(match=of.ofp_match_oxm())._tobytes()
    data = flow + struct.pack(">HH4x", of.OFPIT_APPLY_ACTIONS, 8 + len(actions)) + actions
    started = time.process_time()
    assert len(decode(frame(data)).instructions[0].actions) == 8000
    assert time.process_time() - started < 2


@pytest.mark.parametrize("name", SHORT)
def test_the_short_way_reads_what_the_full_parse_reads(name):
    data = MESSAGES[name]
    short, full = decode(frame(data)), decode_fully(data)
    assert isinstance(short, LazyStruct) and not isinstance(full, LazyStruct)
    assert {key: short.__dict__[key] for key in short.__dict__ if key[0] != "_"}.items() <= full.__dict__.items()
    assert short.header.xid == full.header.xid == 0x01020304
    assert dump(short) == dump(full)
    assert short._gettype() is full._gettype()
    assert len(short) == len(full)
    assert dump(copy.deepcopy(decode(frame(data)))) == dump(full)


@pytest.mark.parametrize("name", SHORT)
def test_every_attribute_can_be_the_first_that_is_read(name):
    data = MESSAGES[name]
    full = decode_fully(data)
    for attribute in [key for key in full.__dict__ if key[0] != "_"]:
        value, wanted = getattr(decode(frame(data)), attribute), getattr(full, attribute)
        if isinstance(wanted, NamedStruct):
            value, wanted = dump(value), dump(wanted)
        elif attribute == "header":
            value, wanted = vars(value)["xid"], vars(wanted)["xid"]
        assert value == wanted
    with pytest.raises(AttributeError):
        decode(frame(data)).no_such_field  # noqa: B018


def test_the_fields_of_a_packet_in_are_structs_of_their_type():
    message = decode(frame(MESSAGES["packet in"]))
    fields = message.match.oxm_fields
    assert [field.header for field in fields] == [of.OXM_OF_IN_PORT, of.OXM_OF_ETH_DST_W, of.NXM_NX_REG4]
    assert of.get_oxm(fields, of.OXM_OF_ETH_DST_W) == (b"\1\0\0\0\0\0", b"\1\0\0\0\0\0")
    assert fields[1]._gettype() is of.ofp_oxm_mask_eth
    assert message.match._gettype() is of.ofp_match_oxm
    flow = of.ofp_flow_mod(match=message.match)
    assert flow._tobytes()[48 : 48 + message.match.length] == MESSAGES["packet in"][24 : 24 + message.match.length]


def test_what_a_user_changes_is_packed():
    message = decode(frame(MESSAGES["packet in"]))
    message.header.xid = 9
    message.cookie = 8
    message.match.oxm_fields.pop()
    message.data = b"other"
    again = decode_fully(message._tobytes())
    assert (again.header.xid, again.cookie, again.data, len(again.match.oxm_fields)) == (9, 8, b"other", 2)


@pytest.mark.parametrize(
    ("offset", "value", "text"),
    [
        (26, 3, "match of 3 bytes"),
        (26, 0xFFFF, "match of 65535 bytes"),
        (26, 7, "3 bytes into the header of a field"),
        (26, 11, "reaches 1 bytes beyond its match"),
    ],
)
def test_a_packet_in_with_a_wrong_match_is_refused_at_once(offset, value, text):
    data = MESSAGES["packet in"]
    with pytest.raises(BadLenError, match=text):
        decode(frame(data[:offset] + struct.pack(">H", value) + data[offset + 2 :]))


def test_a_multipart_reply_can_wait_to_be_parsed():
    data = MESSAGES["flow stats"]
    message = decode_multipart(frame(data))
    assert (message.type, message.flags, message._tobytes()) == (of.OFPMP_FLOW, 0, data)
    assert len(message.stats) == 2 and message._tobytes() == data
    with pytest.raises(BadLenError, match="multipart reply of 12 bytes"):
        decode_multipart(frame(data[:12]))
    with pytest.raises(ParseError):
        decode_multipart(frame(data[:100])).stats  # noqa: B018
