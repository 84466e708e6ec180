"""The ZooKeeper protocol: one connection to one server (manual 5.3.8).

Replies reach their callers directly; events are sent for replies to :meth:`ZooKeeper.async_requests` and for watches.
:class:`vlcp.utils.zkclient.ZooKeeperClient` makes a session out of connections.
"""

from __future__ import annotations

import logging
import struct
from typing import Any, Callable, List, Optional, Sequence, Tuple

from namedstruct.namedstruct import ParseError

from vlcp.config import defaultconfig
from vlcp.event.connection import ConnectionResetException, ConnectionWriteEvent
from vlcp.event.future import Future
from vlcp.event.pqueue import CBQueue
from vlcp.protocol._wire import jute
from vlcp.protocol._wire.jute import Call, Reader
from vlcp.protocol._zookeeper_batch import Batch, Wire, as_call
from vlcp.protocol._zookeeper_events import (
    ZooKeeperConnectionStateEvent,
    ZooKeeperException,
    ZooKeeperHandshakeEvent,
    ZooKeeperMessageEvent,
    ZooKeeperProtocolException,
    ZooKeeperRequestTooLargeException,
    ZooKeeperResponseEvent,
    ZooKeeperRetryException,
    ZooKeeperSessionExpiredException,
    ZooKeeperWatcherEvent,
    ZooKeeperWriteEvent,
)
from vlcp.protocol.protocol import Protocol
from vlcp.utils.zookeeper import ZOO_CREATE_SESSION_OP, parse_reply

__all__ = [
    "ZooKeeper",
    "ZooKeeperConnectionStateEvent",
    "ZooKeeperException",
    "ZooKeeperHandshakeEvent",
    "ZooKeeperMessageEvent",
    "ZooKeeperProtocolException",
    "ZooKeeperRequestTooLargeException",
    "ZooKeeperResponseEvent",
    "ZooKeeperRetryException",
    "ZooKeeperSessionExpiredException",
    "ZooKeeperWatcherEvent",
    "ZooKeeperWriteEvent",
    "as_call",
    "jute",
]

_logger = logging.getLogger(__name__)
_LENGTH = struct.Struct(">i")
_WATCH = struct.Struct(">ii")
_XID_OF_KIND = {jute.PING: jute.PING_XID, jute.AUTH: jute.AUTH_XID, jute.SETWATCHES: jute.SETWATCHES_XID}
_CHUNK = 256
"Requests that are written at once"


@defaultconfig
class ZooKeeper(Protocol):
    """The protocol of ZooKeeper servers: requests with responses in their order, and watch events."""

    parse_errors = (ZooKeeperProtocolException,)

    #: False: after the end of a connection ZooKeeperClient goes to another server
    _default_persist = False
    #: Port of URLs that name none
    _default_defaultport = 2181
    #: (inherited)
    _default_createqueue = True
    #: (inherited)
    _default_buffersize = 524288
    #: Length of the queue of responses and watch events of each connection
    _default_messagequeuesize = 1024
    #: Seconds without received data until a ping is sent; None for never
    _default_keepalivetime = None
    #: (inherited)
    _default_writekeepalivetime = 5
    #: Seconds that the answer to a ping may take before the connection is dropped
    _default_keepalivetimeout = 10
    #: (inherited)
    _default_connect_timeout = 5
    #: (inherited)
    _default_tcp_nodelay = True
    #: Length of the write queue of each connection
    _default_writequeuesize = 1024
    #: Longest packet in bytes that is accepted from a server
    _default_messagelimit = 67108864

    def __init__(self) -> None:
        super().__init__()

    def message_matchers(self, connection: Any) -> tuple:
        """Return the queues of a connection, see :meth:`Protocol.message_matchers`."""
        return (
            ("message", ZooKeeperMessageEvent.createMatcher(connection=connection)),
            ("connstate", ZooKeeperConnectionStateEvent.createMatcher(connection=connection)),
        )

    async def init(self, connection: Any) -> None:
        """Make the state of the first session, and a write queue that sends urgent requests first; see :meth:`Protocol.init`."""
        connection.wire = Wire()
        if self.createqueue:
            queue = connection.scheduler.queue
            queue.addSubQueue(
                self.writepriority,
                ConnectionWriteEvent.createMatcher(connection=connection),
                ("write", connection),
                self.writequeuesize,
                defaultQueueClass=CBQueue.PriorityQueue.initHelper("rank"),
            )
            for name, matcher in self.message_matchers(connection):
                queue.addSubQueue(self.messagepriority, matcher, (name, connection), self.messagequeuesize)
            connection.has_own_queues = True
        await self._announce(connection, ZooKeeperConnectionStateEvent.UP)

    async def reconnect_init(self, connection: Any) -> None:
        """Make the state of a further session; see :meth:`Protocol.reconnect_init`."""
        connection.wire = Wire()
        await self._announce(connection, ZooKeeperConnectionStateEvent.UP)

    async def _announce(self, connection: Any, state: str) -> None:
        await connection.wait_for_send(ZooKeeperConnectionStateEvent(state, connection, connection.connmark, self))

    async def error(self, connection: Any) -> None:
        """Let those who wait for responses know; see :meth:`Protocol.error`."""
        await super().error(connection)
        await self._end(connection)

    async def closed(self, connection: Any) -> None:
        """Let those who wait for responses know; see :meth:`Protocol.closed`."""
        await super().closed(connection)
        await self._end(connection)

    async def _end(self, connection: Any) -> None:
        connection.wire.end()
        await self._announce(connection, ZooKeeperConnectionStateEvent.DOWN)

    async def notconnected(self, connection: Any) -> None:
        """Announce that the connection could not be made; see :meth:`Protocol.notconnected`."""
        _logger.debug("cannot connect: %r", connection)
        await self._announce(connection, ZooKeeperConnectionStateEvent.NOTCONNECTED)

    async def keepalive(self, connection: Any) -> None:
        """Send a ping, ahead of all else; drop the connection when no answer comes in ``keepalivetimeout`` seconds."""
        if not connection.wire.ready:
            return
        connmark = connection.connmark
        ping = self.requests(connection, [jute.PING_CALL], priority=ZooKeeperWriteEvent.HIGH)
        late, _ = await connection.execute_with_timeout(self.keepalivetimeout, ping)
        if late and connection.connected:
            _logger.info("no answer to a ping: %r", connection)
            await connection.reset(True, connmark)

    # Sending

    def serialize(self, connection: Any, event: Any) -> Tuple[bytes, bool]:
        """Return the bytes of a write event; see :meth:`Protocol.serialize`. From now on responses to its requests are expected.

        :param connection: connection
        :param event: :class:`ZooKeeperWriteEvent`; requests of a batch that nobody waits for any more are left out
        :return: (bytes, whether the sending side is to be closed behind them)
        """
        batch = getattr(event, "batch", None)
        if batch is None:
            return event.data, event.EOF
        if batch.abandoned:
            return b"", False
        exchange, packets = connection.wire.exchange, []
        for index in event.indexes:
            call = batch.calls[index]
            xid = _XID_OF_KIND.get(call.kind) or (batch.xids[index] if batch.xids else exchange.next_xid())
            packets.append(call.pack(xid))
            exchange.sent(xid, (batch, index))
            batch.sent[index] = True
        return b"".join(packets), False

    async def handshake(
        self,
        connection: Any,
        connrequest: Any,
        container: Any,
        extrapackets: Sequence[Any] = [],  # noqa: B006 - never changed
    ) -> Tuple[Any, List[Any]]:
        """Open or resume a session.

        :param connection: a connection that is up
        :param connrequest: :data:`vlcp.utils.zookeeper.ConnectRequest`
        :param container: not needed
        :param extrapackets: requests that are sent right behind it
        :return: (:data:`ConnectResponse`, responses to the extra packets)
        :raises ZooKeeperRetryException: the connection was lost, or is not up
        :raises ZooKeeperSessionExpiredException: the server does not know the session any more
        """
        wire = connection.wire
        if not connection.connected or wire.down or wire.opening is not None:
            raise ZooKeeperRetryException("connection cannot open a session: %r" % (connection,))
        batch = self._batch(connection, extrapackets, None)
        wire.opening = opening = Future(connection.scheduler)
        event = self._write_event(connection, ZooKeeperWriteEvent.HIGH, data=connrequest._tobytes())
        await connection.write(event)
        await self._write_batch(connection, batch, ZooKeeperWriteEvent.HIGH)
        response = await opening
        if response is None:
            raise ZooKeeperRetryException("connection lost before the session was open: %r" % (connection,))
        if response.timeOut <= 0:
            raise ZooKeeperSessionExpiredException("session is expired: %x" % (connrequest.sessionId & 0xFFFFFFFFFFFFFFFF,))
        await batch.future
        outcome = batch.outcome()
        if outcome.lost or outcome.retry:
            raise ZooKeeperRetryException("connection lost when the session was opened", outcome.responses)
        return response, outcome.responses

    async def async_requests(
        self, connection: Any, requests: Sequence[Any], container: Any = None, priority: int = 0
    ) -> Tuple[list, Callable[[], Any]]:
        """Prepare requests whose responses come as events.

        :param connection: ZooKeeper connection
        :param requests: structs of :mod:`vlcp.utils.zookeeper`
        :param container: not needed
        :param priority: constant of :class:`ZooKeeperWriteEvent`
        :return: (a matcher for the response to each request, ``sendall``); nothing is sent before ``await sendall()``
        :raises ZooKeeperRequestTooLargeException: a request is too large; nothing is sent
        :raises ZooKeeperRetryException: from ``sendall``: the connection is down
        """
        batch = self._batch(connection, requests, None)
        batch.events = True
        exchange, connmark = connection.wire.exchange, connection.connmark
        batch.xids = [_XID_OF_KIND.get(call.kind) or exchange.next_xid() for call in batch.calls]
        matchers = [ZooKeeperResponseEvent.createMatcher(connection, connmark, None, xid) for xid in batch.xids]

        async def sendall() -> None:
            await self._write_batch(connection, batch, priority)
            if connection.wire.down:
                raise ZooKeeperRetryException("connection is down: %r" % (connection,))

        return matchers, sendall

    async def requests(
        self,
        connection: Any,
        requests: Sequence[Any],
        container: Any = None,
        callback: Optional[Callable[[Any, Any], Any]] = None,
        priority: int = 0,
    ) -> Tuple[list, list, list]:
        """Send requests in their order and wait until each has its response, or cannot get it any more.

        If the waiting routine is terminated, requests that are not sent by then are not sent at all.

        :param connection: ZooKeeper connection
        :param requests: structs of :mod:`vlcp.utils.zookeeper`
        :param container: not needed
        :param callback: ``callback(request, response)`` is called as soon as a response comes, and must not raise; or None
        :param priority: constant of :class:`ZooKeeperWriteEvent`
        :return: (responses, lost, unsent). ``responses`` has one entry for each request, None where none came; ``lost`` lists
            the requests that were sent before the connection broke, so that nobody knows whether they were carried out;
            ``unsent`` lists those that may be sent again without harm
        :raises ZooKeeperRequestTooLargeException: a request is too large; nothing is sent
        """
        batch = await self.carry_out(connection, requests, callback, priority)
        return tuple(batch.outcome())

    async def carry_out(self, connection: Any, requests: Sequence[Any], callback: Any = None, priority: int = 0) -> Batch:
        """Like :meth:`requests`, but return the batch: ``responses`` and ``sent`` are lists parallel to the requests.

        :raises ZooKeeperRequestTooLargeException: a request is too large; nothing is sent
        """
        batch = self._batch(connection, requests, callback)
        try:
            await self._write_batch(connection, batch, priority)
            await batch.future
        finally:
            batch.abandoned = True
            connection.wire.batches.pop(batch, None)
        return batch

    def _batch(self, connection: Any, requests: Sequence[Any], callback: Any) -> Batch:
        try:
            return Batch(connection.scheduler, requests, callback)
        except OverflowError as error:
            raise ZooKeeperRequestTooLargeException(
                "request of %s bytes, the limit is %d" % (error, jute.MAX_REQUEST - 1)
            ) from error

    def _write_event(self, connection: Any, priority: int, **attributes: Any) -> ZooKeeperWriteEvent:
        return ZooKeeperWriteEvent(connection, connection.connmark, priority, **attributes)

    async def _write_batch(self, connection: Any, batch: Batch, priority: int) -> None:
        if connection.wire.down or not connection.connected:
            batch.end()
            return
        connection.wire.batches[batch] = None
        count = len(batch.calls)
        for begin in range(0, count, _CHUNK):
            indexes = range(begin, min(begin + _CHUNK, count))
            try:
                await connection.write(self._write_event(connection, priority, batch=batch, indexes=indexes), False)
            except ConnectionResetException:
                batch.end()
                return

    # Receiving

    def parse(self, connection: Any, data: Any, laststart: int) -> Tuple[list, int]:
        """Turn received bytes into events for responses and watches; see :meth:`Protocol.parse`.

        :raises ZooKeeperProtocolException: the server broke the protocol, or a packet is over the limit
        """
        if laststart == len(data):
            return super().parse(connection, data, laststart)
        events: list = []
        try:
            packets, used = jute.split_packets(data, self.messagelimit)
            for packet in packets:
                self._packet(connection, packet, events)
        except (jute.JuteError, ParseError) as error:
            raise ZooKeeperProtocolException(str(error)) from error
        return events, len(data) - used

    def _packet(self, connection: Any, packet: bytes, events: list) -> None:
        wire = connection.wire
        if not wire.ready:
            self._opened(connection, packet, events)
            return
        head = jute.read_head(packet)
        if head.zxid > 0:
            wire.zxid = head.zxid
        if head.xid == jute.WATCHER_XID:
            self._watched(connection, packet, events)
            return
        batch, index = wire.exchange.received(head.xid)
        call: Call = batch.calls[index]
        if call.read is None:
            response = parse_reply(_LENGTH.pack(len(packet)) + packet, call.kind)
        else:
            response = jute.read_reply(call, head, packet)
        batch.answer(index, response)
        if batch.events:
            events.append(ZooKeeperResponseEvent(connection, connection.connmark, self, head.xid, message=response))

    def _opened(self, connection: Any, packet: bytes, events: list) -> None:
        wire = connection.wire
        if wire.opening is None or wire.opening.done():
            raise ZooKeeperProtocolException("packet of %d bytes before the session is open" % (len(packet),))
        response = parse_reply(_LENGTH.pack(len(packet)) + packet, ZOO_CREATE_SESSION_OP)
        wire.ready = response.timeOut > 0
        wire.opening.set_result(response)
        events.append(ZooKeeperHandshakeEvent(connection, connection.connmark, self, message=response))

    def _watched(self, connection: Any, packet: bytes, events: list) -> None:
        reader = Reader(packet, 16)
        kind, state = reader.unpack(_WATCH)
        path = reader.string()
        if connection.wire.watch is not None:
            connection.wire.watch(kind, state, path)
        message = parse_reply(_LENGTH.pack(len(packet)) + packet, None)
        events.append(
            ZooKeeperWatcherEvent(connection, connection.connmark, self, kind, state, path.encode("utf-8"), message=message)
        )
