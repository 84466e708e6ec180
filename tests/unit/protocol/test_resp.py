"""The RESP writer and reader: one table of bytes and values, cut anywhere, for our reader and for hiredis behind the guard."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.interpreter import memory_below

from vlcp.protocol._wire.resp import Guard, GuardedReader, Limits, Reader, RespError, encode_command

hiredis = pytest.importorskip("hiredis")


class ServerError(Exception):
    """An error reply; equal to another with the same text."""

    def __eq__(self, other):
        return type(other) is ServerError and self.args == other.args

    __hash__ = None


SMALL = Limits(string=1000, depth=5, elements=100, size=5000, line=200)


def ours(limits=SMALL):
    return Reader(RespError, ServerError, limits=limits)


def guarded(limits=SMALL):
    return GuardedReader(hiredis.Reader(protocolError=RespError, replyError=ServerError), RespError, limits)


READERS = pytest.mark.parametrize("make", [ours, guarded])

REPLIES = [
    (b"+OK\r\n", b"OK"),
    (b"+\r\n", b""),
    (b"-ERR no such \xff thing\r\n", ServerError("ERR no such \ufffd thing")),
    (b":0\r\n", 0),
    (b":-9223372036854775808\r\n", -(2**63)),
    (b":9223372036854775807\r\n", 2**63 - 1),
    (b"$0\r\n\r\n", b""),
    (b"$6\r\na\r\nb\x00c\r\n", b"a\r\nb\x00c"),
    (b"$-1\r\n", None),
    (b"*-1\r\n", None),
    (b"*0\r\n", []),
    (b"*2\r\n$3\r\nfoo\r\n*3\r\n:1\r\n*0\r\n$-1\r\n", [b"foo", [1, [], None]]),
    (b"*1\r\n*1\r\n*1\r\n*1\r\n-E x\r\n", [[[[ServerError("E x")]]]]),
    (b"*3\r\n*1\r\n+a\r\n*1\r\n+b\r\n+c\r\n", [[b"a"], [b"b"], b"c"]),
]
STREAM = b"".join(data for data, _ in REPLIES)
VALUES = [value for _, value in REPLIES]

BROKEN = [
    b"x",
    b"\r\n",
    b"_\r\n",
    b"%1\r\n+a\r\n+b\r\n",
    b":+5\r\n",
    b":007\r\n",
    b":-0\r\n",
    b":\r\n",
    b":1.5\r\n",
    b":9223372036854775808\r\n",
    b":99999999999999999999\r\n",
    b"+a\nb\r\n",
    b"+a\rb\r\n",
    b"$-2\r\n",
    b"$05\r\nabcde\r\n",
    b"$3\r\nabcde",
    b"$3\r\nabc\n\r",
    b"*-2\r\n",
    b"*2\r\n:1\r\nx",
]

OVER_LIMIT = [
    b"$1001\r\n",
    b"$4294967296\r\n",
    b"$9223372036854775807\r\n",
    b"*101\r\n",
    b"*4294967295\r\n",
    b"*60\r\n" + b"*1\r\n:1\r\n" * 41,
    b"*1\r\n" * 6,
    b"*6\r\n" + b"$900\r\n" + b"a" * 900 + b"\r\n" + b"$900\r\n" + (b"a" * 900 + b"\r\n$900\r\n") * 4,
    b"+" + b"a" * 300 + b"\r\n",
    b"+" + b"a" * 300,
    b"-" + b"a" * 300,
]


def drain(reader):
    result = []
    while True:
        value = reader.gets()
        if value is False:
            return result
        result.append(value)


def feed_in_pieces(reader, data, size):
    result = []
    for begin in range(0, len(data), size):
        reader.feed(data[begin : begin + size])
        result += drain(reader)
    return result


@READERS
@pytest.mark.parametrize(("data", "value"), REPLIES)
def test_a_reply_is_read(make, data, value):
    reader = make()
    reader.feed(data)
    assert drain(reader) == [value]


@READERS
@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 64, 1000])
def test_replies_are_the_same_however_the_stream_is_cut(make, size):
    assert feed_in_pieces(make(), STREAM, size) == VALUES


@READERS
def test_two_pieces_cut_at_every_place_give_the_same_replies(make):
    for cut in range(len(STREAM)):
        reader = make()
        reader.feed(STREAM[:cut])
        first = drain(reader)
        reader.feed(STREAM[cut:])
        assert first + drain(reader) == VALUES


@READERS
@pytest.mark.parametrize("data", BROKEN)
@pytest.mark.parametrize("size", [1, 1000])
def test_what_is_not_resp_is_refused_once_and_for_all(make, data, size):
    reader = make()
    with pytest.raises(RespError):
        feed_in_pieces(reader, data, size)
    reader.feed(b"+OK\r\n")
    with pytest.raises(RespError):
        reader.gets()


@READERS
@pytest.mark.parametrize("data", OVER_LIMIT)
@pytest.mark.parametrize("size", [1, 10000])
def test_what_is_over_a_limit_is_refused(make, data, size):
    with pytest.raises(RespError, match="limit|longer|deeper|not a reply"):
        feed_in_pieces(make(), data, size)


@READERS
def test_limits_count_for_each_reply_and_not_for_the_stream(make):
    reply = b"*50\r\n" + b"$10\r\n0123456789\r\n" * 50
    assert feed_in_pieces(make(), reply * 100, 777) == [[b"0123456789"] * 50] * 100


@READERS
@pytest.mark.parametrize(
    ("announcement", "filling"),
    [
        (b"*1048577\r\n", b""),
        (b"*1048576\r\n", b"*1048576\r\n" * 10),
        (b"*1000\r\n" * 200, b""),
        (b"$4294967296\r\n", b"a" * 100000),
        (b"+", b"a" * 100000),
        (b"*1048576\r\n", b"*0\r\n" * 100000 + b"x"),
    ],
)
def test_a_hostile_server_costs_little_memory_until_it_is_refused(make, announcement, filling):
    reader = make(Limits())
    with memory_below(20_000_000), pytest.raises(RespError):
        feed_in_pieces(reader, announcement + filling, 65536)


def test_an_endless_line_fed_byte_by_byte_is_refused_early():
    reader = ours(Limits())
    reader.feed(b"+")
    with pytest.raises(RespError):
        for _ in range(100000):
            reader.feed(b"a")
            reader.gets()
    assert reader.len() == 0


values = st.recursive(
    st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1), st.binary(max_size=50)),
    lambda inner: st.lists(inner, max_size=5),
    max_leaves=15,
)


def encode(value):
    if value is None:
        return b"$-1\r\n"
    if isinstance(value, int):
        return b":%d\r\n" % value
    if isinstance(value, bytes):
        return b"$%d\r\n%b\r\n" % (len(value), value)
    return b"*%d\r\n" % len(value) + b"".join(map(encode, value))


@READERS
@settings(max_examples=200, deadline=None)
@given(st.lists(values, max_size=5), st.integers(1, 40))
def test_any_values_come_back(make, sent, size):
    assert feed_in_pieces(make(Limits()), b"".join(map(encode, sent)), size) == sent


def outcome(make, data, size):
    try:
        return feed_in_pieces(make(), data, size)
    except RespError:
        return "refused"


@settings(max_examples=400, deadline=None)
@given(st.data(), st.integers(1, 30))
def test_damaged_streams_are_read_the_same_by_both_readers(data, size):
    stream = bytearray(STREAM)
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(stream) - 1))
        stream[position] = data.draw(st.sampled_from(b"+-:$*0123456789\r\nab\x00\xff"))
    assert outcome(ours, bytes(stream), size) == outcome(guarded, bytes(stream), size)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60), st.integers(1, 10))
def test_noise_is_refused_or_waits_and_never_breaks_a_reader(noise, size):
    assert outcome(ours, noise, size) == outcome(guarded, noise, size)


def test_the_guard_says_the_same_as_the_reader_about_every_prefix():
    for data in [*BROKEN, *OVER_LIMIT, STREAM]:
        for cut in range(len(data) + 1):
            guard, reader = Guard(SMALL), ours()
            reader.feed(data[:cut])
            try:
                drain(reader)
                refused = False
            except RespError:
                refused = True
            if refused:
                with pytest.raises(RespError):
                    guard.feed(data[:cut])
            else:
                guard.feed(data[:cut])


def test_the_reader_has_the_interface_of_hiredis():
    reader = Reader(encoding="utf-8")
    reader.feed(b"xx$2\r\n\xc3\xa4\r\nyy", 2, 8)
    assert reader.gets() == "ä"
    assert not reader.has_data()
    reader.feed(b"+a")
    assert (reader.has_data(), reader.len()) == (True, 2)


def test_commands_are_arrays_of_strings():
    assert (
        encode_command(("SET", b"k", 5, 1.5, bytearray(b"x")))
        == b"*5\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\n5\r\n$3\r\n1.5\r\n$1\r\nx\r\n"
    )
    assert encode_command(("GET", "ü")) == b"*2\r\n$3\r\nGET\r\n$2\r\n\xc3\xbc\r\n"


@pytest.mark.parametrize("arguments", [(), ("SET", None), ("SET", True), ("SET", ["x"])])
def test_what_is_not_a_command_is_not_sent(arguments):
    with pytest.raises(ValueError):
        encode_command(arguments)
