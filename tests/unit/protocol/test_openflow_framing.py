"""OpenFlow messages are cut out of a stream at the right places, wherever the stream is cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.ofmessages import MESSAGES

from vlcp.protocol._wire.ofstream import (
    HEADER,
    OpenflowFramingError,
    pack_header,
    set_xid,
    split_messages,
)

STREAM = b"".join(MESSAGES.values())


def feed(pieces):
    """Return the messages of a stream that comes in pieces, as a connection's buffer shows it."""
    buffer, found = b"", []
    for piece in pieces:
        buffer += piece
        frames, used = split_messages(memoryview(buffer))
        found += frames
        buffer = buffer[used:]
    return found, buffer


def test_a_stream_fed_byte_by_byte_gives_every_message():
    found, rest = feed(STREAM[index : index + 1] for index in range(len(STREAM)))
    assert [frame.data for frame in found] == list(MESSAGES.values())
    assert rest == b""


def test_a_stream_cut_anywhere_gives_the_same_messages():
    whole = split_messages(STREAM)[0]
    for cut in range(len(STREAM)):
        assert feed([STREAM[:cut], STREAM[cut:]]) == (whole, b"")


def test_the_fields_of_the_header_come_with_each_message():
    frame = split_messages(pack_header(4, 10, 0xFFFFFFFF, b"body"))[0][0]
    assert frame == (4, 10, 12, 0xFFFFFFFF, HEADER.pack(4, 10, 12, 0xFFFFFFFF) + b"body")


@pytest.mark.parametrize("length", range(8))
def test_a_length_below_the_header_is_refused(length):
    with pytest.raises(OpenflowFramingError, match=f"message length {length} is outside 8 to 65535"):
        split_messages(HEADER.pack(4, 0, length, 0))


def test_a_message_above_the_limit_is_refused_before_it_has_arrived():
    with pytest.raises(OpenflowFramingError, match="message length 101 is outside 8 to 100"):
        split_messages(HEADER.pack(4, 0, 101, 0), 100)


def test_a_message_that_is_too_long_to_write_is_refused():
    assert len(pack_header(4, 0, 1, bytes(0xFFFF - 8))) == 0xFFFF
    with pytest.raises(OpenflowFramingError, match="65536 bytes is longer than 65535"):
        pack_header(4, 0, 1, bytes(0xFFFF - 7))


@pytest.mark.parametrize("data", [b"", b"\4\0\0\7abc", pack_header(4, 0, 1) + b"x", pack_header(4, 0, 1, b"x")[:-1]])
def test_only_one_whole_message_gets_another_number(data):
    with pytest.raises(OpenflowFramingError, match="not one whole message"):
        set_xid(data, 5)


def test_another_number_changes_nothing_else():
    assert set_xid(pack_header(4, 14, 1, b"body"), 5) == pack_header(4, 14, 5, b"body")


@given(st.binary(max_size=200), st.lists(st.integers(0, 200)))
def test_any_bytes_give_messages_that_are_a_prefix_of_them_or_an_error(data, cuts):
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    pieces = [data[start:end] for start, end in zip(edges, edges[1:])]
    try:
        found, rest = feed(pieces)
    except OpenflowFramingError:
        return
    assert b"".join(frame.data for frame in found) + rest == data
