"""The ZooKeeper protocol on one connection: bytes in any pieces, priorities, lost replies, and hostile servers."""

from __future__ import annotations

import random
import resource
import struct
from types import SimpleNamespace

import pytest
from support.fakezk import EXPIRED, OPENED, FakeZooKeeper, packet, reply
from support.poller import manual_scheduler, run_scheduler

from vlcp.event.connection import Client
from vlcp.protocol._zookeeper_batch import Batch, Wire
from vlcp.protocol.zookeeper import (
    ZooKeeper,
    ZooKeeperConnectionStateEvent,
    ZooKeeperHandshakeEvent,
    ZooKeeperProtocolException,
    ZooKeeperRequestTooLargeException,
    ZooKeeperResponseEvent,
    ZooKeeperRetryException,
    ZooKeeperSessionExpiredException,
    ZooKeeperWatcherEvent,
    ZooKeeperWriteEvent,
    jute,
)
from vlcp.service.manage._params import status_of
from vlcp.utils import zookeeper as zk

STAT = struct.pack(">qqqqiiiqiiq", *range(1, 12))
WATCH = packet(struct.pack(">iqi", -1, -1, 0) + struct.pack(">iii", 4, 3, 2) + b"/a")


class FakeConnection(SimpleNamespace):
    """What parse and serialize need of a connection."""

    __hash__ = object.__hash__

    def can_write(self, connmark):
        return True


def connection_with(*requests):
    """Return a protocol and a connection on which a session is open and these requests are sent."""
    scheduler = manual_scheduler()
    connection = FakeConnection(scheduler=scheduler, connmark=0, connected=True, wire=Wire())
    connection.wire.ready = True
    protocol, batch = ZooKeeper(), Batch(scheduler, requests)
    event = ZooKeeperWriteEvent(connection, 0, 0, batch=batch, indexes=range(len(requests)))
    data, eof = protocol.serialize(connection, event)
    assert not eof
    return protocol, connection, batch, data


def test_requests_are_numbered_as_they_are_written_and_answers_find_them():
    protocol, connection, batch, data = connection_with(jute.getdata_call("/a"), zk.exists("/b"), jute.PING_CALL)
    packets, used = jute.split_packets(data, 1000)
    assert used == len(data)
    assert [struct.unpack_from(">ii", one) for one in packets] == [(1, 4), (2, 3), (-2, 11)]
    answers = reply(-2) + reply(1, struct.pack(">i", 1) + b"x" + STAT) + reply(2, STAT)
    assert protocol.parse(connection, memoryview(answers), 0) == ([], 0)
    assert batch.future.done()
    assert batch.responses[0].value[0] == b"x" and batch.responses[1].stat.czxid == 1


def test_answers_and_watches_are_understood_however_they_are_cut():
    answers = WATCH + reply(1, STAT, zxid=9) + WATCH + reply(2, err=-101)
    rng = random.Random(3)
    for turn in range(200):
        protocol, connection, batch, _ = connection_with(jute.exists_call("/a"), jute.exists_call("/b"))
        heard, buffer, rest, events = [], b"", answers, []
        connection.wire.watch = lambda *found: heard.append(found)
        while rest:
            size = 1 if turn == 0 else rng.randint(1, len(rest))
            start, buffer, rest = len(buffer), buffer + rest[:size], rest[size:]
            some, keep = protocol.parse(connection, memoryview(buffer), start)
            events += some
            buffer = buffer[len(buffer) - keep :]
        assert buffer == b"" and heard == [(4, 3, "/a")] * 2
        assert [one.err for one in batch.responses] == [0, -101] and connection.wire.zxid == 1
        assert [(type(one), one.path, one.message.path) for one in events] == [(ZooKeeperWatcherEvent, b"/a", b"/a")] * 2


@pytest.mark.parametrize(
    "data",
    [
        struct.pack(">i", -1),
        struct.pack(">i", 2**31 - 1),
        packet(b"short"),
        reply(2, STAT),
        reply(-2),
        reply(1, STAT[:-1]),
        reply(1, STAT) + reply(1, STAT),
        packet(struct.pack(">iqi", -1, -1, 0)),
        packet(struct.pack(">iqi", -1, -1, 0) + struct.pack(">iii", 4, 3, 2**31 - 1)),
    ],
)
def test_what_no_server_sends_ends_the_connection(data):
    protocol, connection, _, _ = connection_with(jute.exists_call("/a"))
    with pytest.raises(ZooKeeperProtocolException):
        protocol.parse(connection, memoryview(data), 0)
    assert issubclass(ZooKeeperProtocolException, protocol.parse_errors)


def test_noise_from_a_server_ends_the_connection_and_does_nothing_else():
    rng = random.Random(9)
    whole = reply(1, struct.pack(">i", 2) + struct.pack(">i", 1) + b"x" + struct.pack(">i", 0) + STAT) + WATCH
    for _ in range(3000):
        protocol, connection, _, _ = connection_with(jute.children_call("/a"), zk.getchildren2("/a"))
        data = bytearray(whole + whole)
        for _ in range(rng.randint(1, 6)):
            data[rng.randrange(len(data))] = rng.choice((0, 1, 127, 128, 255))
        try:
            protocol.parse(connection, memoryview(bytes(data)), 0)
        except ZooKeeperProtocolException:
            continue


def test_a_request_that_servers_refuse_for_its_size_is_not_sent_and_is_the_callers_fault():
    protocol = ZooKeeper()
    connection = FakeConnection(scheduler=manual_scheduler(), connmark=0, connected=True, wire=Wire())
    large = zk.create("/a", b"x" * 0xFFFFF)
    with pytest.raises(ZooKeeperRequestTooLargeException) as refused:
        protocol.requests(connection, [jute.PING_CALL, large]).send(None)
    assert status_of(refused.value) == 400


def test_urgent_requests_pass_others_in_the_write_queue():
    connection = FakeConnection(can_write=None)
    ranks = {
        level: ZooKeeperWriteEvent(connection, 0, getattr(ZooKeeperWriteEvent, level)).rank for level in ("LOW", "MIDDLE", "HIGH")
    }
    assert ranks["HIGH"] < ranks["MIDDLE"] < ranks["LOW"]


async def connected(container, url, **settings):
    """Return a connection that is up, and its protocol."""
    protocol = ZooKeeper()
    for name, value in settings.items():
        setattr(protocol, name, value)
    client = Client(url, protocol, container.scheduler)
    client.start()
    await ZooKeeperConnectionStateEvent.createMatcher(ZooKeeperConnectionStateEvent.UP, client)
    return protocol, client


def with_server(server, test, **settings):
    """Run ``test(container, protocol, connection)`` against a fake server."""

    async def main(container):
        protocol, client = await connected(container, server.url, **settings)
        try:
            return await test(container, protocol, client)
        finally:
            await client.shutdown(True)

    with server:
        return run_scheduler(main, 10)


def connect_request(session=0):
    return zk.ConnectRequest(timeOut=4000, passwd=b"\0" * 16, sessionId=session)


def test_a_session_is_opened_with_further_packets_behind_it():
    async def test(container, protocol, connection):
        seen = []

        async def watch():
            seen.append(await ZooKeeperHandshakeEvent.createMatcher(connection))

        container.subroutine(watch(), False)
        packets = [zk.AuthPacket(scheme=b"digest", auth=b"a:b"), zk.SetWatches(dataWatches=[b"/x"])]
        response, others = await protocol.handshake(connection, connect_request(), container, packets)
        assert (response.sessionId, response.timeOut) == (0x77, 4000)
        assert [one.xid for one in others] == [-4, -8]
        assert seen[0].message is response

    with_server(FakeZooKeeper(), test)


@pytest.mark.parametrize(("greeting", "error"), [(EXPIRED, ZooKeeperSessionExpiredException), (None, ZooKeeperRetryException)])
def test_a_session_that_cannot_be_opened_is_an_error(greeting, error):
    async def test(container, protocol, connection):
        with pytest.raises(error):
            await protocol.handshake(connection, connect_request(5), container)

    with_server(FakeZooKeeper(greeting=greeting), test)


def test_requests_whose_replies_are_lost_are_told_from_those_that_were_not_sent():
    async def test(container, protocol, connection):
        await protocol.handshake(connection, connect_request(), container)
        requests = [zk.exists("/a"), zk.setdata("/b", b"x"), zk.exists("/c")]
        called = []
        responses, lost, retry = await protocol.requests(
            connection, requests, container, lambda request, response: called.append((request, response.err))
        )
        assert [one and one.err for one in responses] == [-101, None, None]
        assert lost == requests[1:] and retry == []
        assert called == [(requests[0], -101)]
        again = await protocol.requests(connection, requests[1:], container)
        assert again == ([None, None], [], requests[1:])

    def answer(server, xid, kind, body):
        return reply(xid, err=-101) if kind == zk.ZOO_EXISTS_OP else None

    with_server(FakeZooKeeper(answer), test)


def test_responses_come_as_events_to_those_who_want_that():
    async def test(container, protocol, connection):
        await protocol.handshake(connection, connect_request(), container)
        matchers, sendall = await protocol.async_requests(connection, [zk.exists("/a"), zk.exists("/b")])
        await sendall()
        first = await matchers[0]
        assert isinstance(first, ZooKeeperResponseEvent) and first.message.err == -101

    with_server(FakeZooKeeper(lambda server, xid, kind, body: reply(xid, err=-101)), test)


def test_a_server_that_does_not_answer_pings_is_left():
    async def test(container, protocol, connection):
        await protocol.handshake(connection, connect_request(), container)
        await ZooKeeperConnectionStateEvent.createMatcher(ZooKeeperConnectionStateEvent.DOWN, connection)

    server = FakeZooKeeper(lambda server, xid, kind, body: b"")
    with_server(server, test, writekeepalivetime=0.1, keepalivetimeout=0.2)
    assert server.requests[0][1] == zk.ZOO_PING_OP


@pytest.mark.parametrize(
    "attack",
    [
        struct.pack(">i", 2**31 - 1) + b"x" * 100000,
        struct.pack(">i", -4) + b"x" * 100000,
        reply(1, struct.pack(">i", 2**31 - 1) + STAT),
        reply(1, struct.pack(">i", 10**6) + b"\0" * 1000),
        reply(1, struct.pack(">i", -9) + STAT),
        reply(99, STAT),
        OPENED,
    ],
)
def test_a_hostile_server_costs_one_connection_and_little_memory(attack):
    async def test(container, protocol, connection):
        await protocol.handshake(connection, connect_request(), container)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        responses, lost, _ = await protocol.requests(connection, [jute.children_call("/a")])
        assert (responses, len(lost)) == ([None], 1)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20000

    server = FakeZooKeeper(lambda server, xid, kind, body: attack)
    with_server(server, test)
    assert len(server.connects) == 1


def test_an_endless_packet_ends_at_the_limit():
    async def test(container, protocol, connection):
        await protocol.handshake(connection, connect_request(), container)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        _, lost, _ = await protocol.requests(connection, [jute.getdata_call("/a")])
        assert len(lost) == 1
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20000

    endless = struct.pack(">i", 50_000_001) + b"x" * 50_000_001
    with_server(FakeZooKeeper(lambda server, xid, kind, body: endless), test, messagelimit=50_000_000)
