"""Tables of the OpenFlow set-up: versions, bitmaps, what to do with a message in each state; numbers of requests."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlcp.protocol._wire.ofstream import HEADER, pack_header, split_messages
from vlcp.protocol.openflow import _handshake as handshake
from vlcp.protocol.openflow._handshake import Hello, State, Step
from vlcp.protocol.openflow._session import MAX_PARTS, Collector, Session, number


def bitmap(*words: int) -> bytes:
    return struct.pack(f">HH{len(words)}I", 1, 4 + 4 * len(words), *words) + bytes(-(4 + 4 * len(words)) % 8)


@pytest.mark.parametrize(
    ("allowed", "version", "offered", "chosen"),
    [
        ({1, 4}, 4, None, 4),
        ({1, 4}, 1, None, 1),
        ({1, 4}, 6, None, 4),
        ({1, 4}, 3, None, None),
        ({4}, 1, None, None),
        ({1, 4}, 0, None, None),
        ({1, 4}, 6, {1, 4, 6}, 4),
        ({1, 4}, 6, {1, 6}, 1),
        ({4}, 4, {1, 3}, None),
        ({1, 4}, 4, set(), None),
        (set(), 4, None, None),
        ({4}, 1, {4}, 4),
    ],
)
def test_the_highest_common_version_is_chosen(allowed, version, offered, chosen):
    hello = Hello(version, None if offered is None else frozenset(offered))
    assert handshake.choose_version(allowed, hello) == chosen


@pytest.mark.parametrize(
    ("body", "versions"),
    [
        (b"", None),
        (bitmap(0x12), {1, 4}),
        (bitmap(0), set()),
        (bitmap(1 << 31, 1), {31, 32}),
        (bitmap(), set()),
        (struct.pack(">HHI", 9, 8, 0) + bitmap(0x10), {4}),
        (bitmap(0x10) + bitmap(0x02), {4}),
        (struct.pack(">HH", 1, 0), None),
        (struct.pack(">HH", 1, 3), None),
        (struct.pack(">HHI", 1, 12, 0x10), None),
        (struct.pack(">HHI", 1, 0xFFFF, 0x10), None),
        (struct.pack(">HHH", 1, 6, 0x10), set()),
        (b"\0\1", None),
    ],
)
def test_the_bitmap_of_a_hello_is_read_and_damage_passed_over(body, versions):
    hello = handshake.read_hello(pack_header(4, 0, 1, body))
    assert hello == (4, versions)


@given(st.sets(st.integers(0, 255), min_size=1))
def test_a_written_hello_is_read_back(versions):
    message = handshake.write_hello(versions, 7)
    assert HEADER.unpack_from(message) == (max(versions), 0, len(message), 7) and len(message) % 8 == 0
    assert handshake.read_hello(message) == (max(versions), versions)


@given(st.binary(max_size=100))
def test_any_body_of_a_hello_is_read_without_an_error(body):
    handshake.read_hello(pack_header(4, 0, 1, body))


def test_a_hello_needs_a_version():
    with pytest.raises(ValueError, match="no OpenFlow version is allowed"):
        handshake.write_hello([], 1)


HELLO, ERROR, ECHO, FEATURES, PACKET_IN = 0, 1, 2, 6, 10


@pytest.mark.parametrize(
    ("state", "steps"),
    [
        (State.HELLO, [Step.NEGOTIATE, Step.REFUSE, Step.REFUSE, Step.REFUSE, Step.REFUSE]),
        (State.FEATURES, [Step.IGNORE, Step.REFUSE, Step.ANSWER, Step.SET_UP, Step.KEEP]),
        (State.READY, [Step.IGNORE, Step.DELIVER, Step.ANSWER, Step.DELIVER, Step.DELIVER]),
    ],
)
def test_each_state_knows_what_to_do_with_each_message(state, steps):
    assert [handshake.next_step(state, kind) for kind in (HELLO, ERROR, ECHO, FEATURES, PACKET_IN)] == steps


@pytest.mark.parametrize(
    ("hello", "version", "text"),
    [
        (Hello(1, None), 1, b"supported versions: 1.3; offered: 1.0\0"),
        (Hello(6, frozenset({2, 9})), 4, b"supported versions: 1.3; offered: 1.1, wire 9\0"),
        (Hello(4, frozenset()), 4, b"supported versions: 1.3; offered: none\0"),
        (Hello(0, None), 1, b"supported versions: 1.3; offered: wire 0\0"),
    ],
)
def test_a_failed_hello_is_explained_in_ascii_with_a_zero_byte(hello, version, text):
    message = handshake.hello_failed({4}, hello, 9)
    assert HEADER.unpack_from(message) == (version, 1, len(message), 9)
    assert message[8:12] == bytes(4) and message[12:] == text


def test_a_wrong_version_is_answered_with_the_first_64_bytes():
    message = handshake.bad_request(4, handshake.BAD_VERSION, bytes(range(100)), 3)
    assert message == pack_header(4, 1, 3, struct.pack(">HH", 1, 0) + bytes(range(64)))


def test_transaction_numbers_start_low_and_never_are_zero():
    assert 1 <= Session().next_xid() <= 256
    session = Session(0xFFFFFFFE)
    assert [session.next_xid() for _ in range(3)] == [0xFFFFFFFE, 0xFFFFFFFF, 1]


def test_messages_kept_before_the_set_up_are_limited():
    frame = split_messages(pack_header(4, 10, 0, bytes(60000)))[0][0]
    session = Session()
    kept = [session.keep(frame) for _ in range(100)]
    assert kept[0] and not kept[-1]
    assert len(session.take_kept()) == 100 and session.take_kept() == []


def test_a_collector_files_answers_under_the_keys_of_their_requests():
    session, collector = Session(1), Collector({5: "a", 6: "b"})
    session.collect(collector)
    assert session.collector(5) is collector and session.collector(7) is None
    collector.add(5, "reply", False)
    collector.add(5, "second", False)
    collector.add(5, "third", False)
    collector.add(6, "error", True)
    collector.add(6, "another error", True)
    assert collector.replies == {"a": ["reply", "second", "third"]} and collector.errors == {"b": "error"}
    assert collector.order == ["reply", "second", "third", "error", "another error"]
    session.release(collector)
    assert session.collector(5) is None


def test_fresh_numbers_are_written_into_messages_and_into_bundled_ones():
    inner = pack_header(4, 14, 0, b"flow")
    bundled = pack_header(4, 4, 0, struct.pack(">IIIHH", 0x4F4E4600, 2301, 1, 0, 3) + inner)
    other = pack_header(4, 4, 0, struct.pack(">IIIHH", 0x4F4E4600, 2300, 1, 0, 3) + inner)
    numbered = list(number([inner, bundled, other, inner], Session(7), {3: 0}))
    assert [xid for xid, _ in numbered] == [7, 8, 9, 7]
    assert numbered[0][1] == pack_header(4, 14, 7, b"flow") == numbered[3][1]
    assert numbered[1][1][24:] == pack_header(4, 14, 8, b"flow")
    assert numbered[2][1][24:] == inner


@pytest.mark.parametrize("same", [1, 2, -1])
def test_a_number_can_only_be_that_of_an_earlier_message(same):
    with pytest.raises(ValueError, match=f"message 1 cannot have the number of message {same}"):
        list(number([pack_header(4, 14, 0)] * 3, Session(), {1: same}))


def test_the_answers_to_one_request_are_limited():
    collector = Collector({5: "a"})
    for _ in range(MAX_PARTS):
        collector.add(5, "part", False)
    with pytest.raises(ValueError, match="more than 10000 answers to the request with number 5"):
        collector.add(5, "part", False)
