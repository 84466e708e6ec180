"""ZooKeeper packets without I/O: framing, fast requests and replies against kazoo's serializer, and who waits for what."""

from __future__ import annotations

import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kazoo.protocol import serialization as kazoo
from kazoo.security import OPEN_ACL_UNSAFE

from vlcp.protocol._wire import jute
from vlcp.utils import zookeeper as zk

STAT = tuple(range(1, 12))
STAT_BYTES = struct.pack(">qqqqiiiqiiq", *STAT)


def packet(record: bytes) -> bytes:
    return struct.pack(">i", len(record)) + record


def text(value: str) -> bytes:
    data = value.encode("utf-8")
    return struct.pack(">i", len(data)) + data


def reply(call, body: bytes, err: int = 0, zxid: int = 7):
    record = struct.pack(">iqi", 1, zxid, err) + body
    return jute.read_reply(call, jute.read_head(record), record)


def body_of(request) -> bytes:
    return request.pack(5)[12:]


@given(st.lists(st.binary(max_size=50), max_size=8), st.randoms())
def test_packets_come_whole_however_the_bytes_are_cut(records, rng):
    data, got, buffer = b"".join(map(packet, records)), [], b""
    while data:
        size = rng.randint(1, len(data))
        buffer, data = buffer + data[:size], data[size:]
        packets, used = jute.split_packets(memoryview(buffer), 1000)
        got += packets
        buffer = buffer[used:]
    assert (got, buffer) == (records, b"")


def test_packets_come_whole_byte_by_byte():
    data, got, buffer = packet(b"abc") + packet(b"") + packet(b"x" * 300), [], b""
    for byte in data:
        buffer += bytes([byte])
        packets, used = jute.split_packets(buffer, 1000)
        got, buffer = got + packets, buffer[used:]
    assert got == [b"abc", b"", b"x" * 300]


@pytest.mark.parametrize("length", [-1, -(2**31), 1001, 2**31 - 1])
def test_a_length_that_is_negative_or_over_the_limit_is_refused_before_the_packet_comes(length):
    with pytest.raises(jute.JuteError, match=str(length)):
        jute.split_packets(struct.pack(">i", length), 1000)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (
            jute.part_call(jute.create_part("/a/ü", b"data", jute.EPHEMERAL | jute.SEQUENCE)),
            kazoo.Create("/a/ü", b"data", OPEN_ACL_UNSAFE, 3),
        ),
        (jute.part_call(jute.delete_part("/a", 4)), kazoo.Delete("/a", 4)),
        (jute.part_call(jute.setdata_part("/a", b"\0x")), kazoo.SetData("/a", b"\0x", -1)),
        (jute.exists_call("/a"), kazoo.Exists("/a", None)),
        (jute.getdata_call("/a"), kazoo.GetData("/a", None)),
        (jute.getdata_call("/a", True), kazoo.GetData("/a", lambda event: None)),
        (jute.children_call("/a", True), kazoo.GetChildren2("/a", lambda event: None)),
        (jute.sync_call("/a"), kazoo.Sync("/a")),
    ],
)
def test_fast_requests_are_the_bytes_of_an_independent_serializer(ours, theirs):
    assert (ours.kind, body_of(ours)) == (theirs.type, bytes(theirs.serialize()))
    assert ours.pack(5) == struct.pack(">iii", len(ours.body) + 8, 5, ours.kind) + ours.body


def test_a_multi_request_is_the_bytes_of_an_independent_serializer():
    ours = jute.multi_call([jute.create_part("/a", b"x"), jute.setdata_part("/b", b"y", 3), jute.delete_part("/c", -1)])
    theirs = kazoo.Transaction(
        [kazoo.Create("/a", b"x", OPEN_ACL_UNSAFE, 0), kazoo.SetData("/b", b"y", 3), kazoo.Delete("/c", -1)]
    )
    assert (ours.kind, body_of(ours)) == (theirs.type, bytes(theirs.serialize()))


@pytest.mark.parametrize(
    ("ours", "structs"),
    [
        (jute.part_call(jute.create_part("/a", b"x", 1)), zk.create("/a", b"x", ephemeral=True)),
        (jute.getdata_call("/a", True), zk.getdata("/a", True)),
        (jute.children_call("/a"), zk.getchildren2("/a")),
        (
            jute.multi_call([jute.create_part("/a", b"x", 2), jute.delete_part("/b")]),
            zk.multi(zk.multi_create("/a", b"x", sequence=True), zk.multi_delete("/b")),
        ),
    ],
)
def test_fast_requests_are_the_bytes_of_the_structs(ours, structs):
    structs.xid = 77
    assert ours.pack(77) == structs._tobytes()


def test_replies_are_read():
    got = reply(jute.getdata_call("/a"), text("abc") + STAT_BYTES)
    assert got == jute.Reply(7, 0, (b"abc", jute.Stat(*STAT)))
    assert reply(jute.getdata_call("/a"), struct.pack(">i", -1) + STAT_BYTES).value[0] == b""
    assert reply(jute.exists_call("/a"), STAT_BYTES).value.pzxid == 11
    children = struct.pack(">i", 2) + text("x") + text("ü") + STAT_BYTES
    assert reply(jute.children_call("/a"), children).value[0] == ["x", "ü"]
    assert reply(jute.children_call("/a"), b"", -101) == jute.Reply(7, -101, None)


def test_a_multi_reply_names_the_part_to_blame():
    call = jute.multi_call([jute.create_part("/a"), jute.delete_part("/b")])
    end = struct.pack(">i?i", -1, True, -1)
    good = struct.pack(">i?i", 1, False, 0) + text("/a1") + struct.pack(">i?i", 2, False, 0) + end
    assert reply(call, good).value == ["/a1", None]
    assert jute.multi_error(reply(call, good)) == (0, None)

    def failed(*codes):
        return b"".join(struct.pack(">i?ii", -1, False, code, code) for code in codes) + end

    assert jute.multi_error(reply(call, failed(0, -101))) == (-101, 1)
    assert jute.multi_error(reply(call, failed(-110, -2))) == (-110, 0)
    assert jute.multi_error(reply(call, b"", -4)) == (-4, None)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        struct.pack(">i", -5),
        struct.pack(">i", 2**31 - 1),
        struct.pack(">i", 1),
        struct.pack(">i", 1) + text("abc")[:-1],
        struct.pack(">i", 1) + struct.pack(">i", -7),
        struct.pack(">i", 1) + struct.pack(">i", 2) + b"\xff\xfe" + STAT_BYTES,
        struct.pack(">i", 0) + STAT_BYTES[:-1],
    ],
)
def test_a_damaged_list_of_children_is_an_error(body):
    with pytest.raises(jute.JuteError):
        reply(jute.children_call("/a"), body)


@pytest.mark.parametrize("call", [jute.getdata_call("/a"), jute.exists_call("/a"), jute.children_call("/a"), jute.multi_call([])])
def test_noise_is_read_or_refused_and_nothing_else(call):
    rng = random.Random(5)
    for _ in range(2000):
        noise = bytes(rng.choice((0, 0, 0, 1, 255, rng.randrange(256))) for _ in range(rng.randrange(60)))
        try:
            reply(call, noise)
        except jute.JuteError:
            continue


def test_a_head_that_is_cut_off_is_an_error():
    with pytest.raises(jute.JuteError):
        jute.read_head(b"\0" * 15)


def test_replies_must_come_in_the_order_of_the_requests():
    exchange = jute.Exchange()
    for waiter in "ab":
        exchange.sent(exchange.next_xid(), waiter)
    with pytest.raises(jute.JuteError, match="request 2, expected 1"):
        exchange.received(2)
    assert [exchange.received(1), exchange.received(2)] == ["a", "b"]
    with pytest.raises(jute.JuteError, match="expected none"):
        exchange.received(3)


def test_pings_are_answered_out_of_order_but_only_if_they_were_sent():
    exchange = jute.Exchange()
    with pytest.raises(jute.JuteError):
        exchange.received(jute.PING_XID)
    exchange.sent(exchange.next_xid(), "request")
    exchange.sent(jute.PING_XID, "ping")
    assert len(exchange) == 2
    assert exchange.received(jute.PING_XID) == "ping"
    assert exchange.received(1) == "request"


def test_numbers_start_again_and_what_is_lost_is_forgotten():
    exchange = jute.Exchange()
    exchange._last = 2**31 - 1
    assert exchange.next_xid() == 1
    exchange.sent(1, "a")
    exchange.sent(jute.AUTH_XID, "b")
    assert exchange.lost() == ["a", "b"]
    assert len(exchange) == 0
