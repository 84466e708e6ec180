"""The client's side of one HTTP connection: requests out, responses in."""

from __future__ import annotations

import logging
from collections import deque
from typing import Any, Callable, Deque, List, Optional, Tuple

from vlcp.protocol._http_body import BodyStream
from vlcp.protocol._http_events import (
    HttpConnectionClosedException,
    HttpResponseEndEvent,
    HttpResponseEvent,
    HttpTrailersReceived,
)
from vlcp.protocol._http_responses import read_piece, stream_length, transfer_decoders
from vlcp.protocol._http_side import BODY_HIGH_WATER, Side
from vlcp.protocol._wire.http1 import DONE, ResponseReader
from vlcp.protocol._wire.http1_messages import Body, ResponseHead
from vlcp.protocol._wire.http1_write import BodyWriter, write_head, write_request_line
from vlcp.protocol._wire.http_headers import CHUNKED, ProtocolError

logger = logging.getLogger(__name__)


class Exchange:
    """One request and the response that is awaited for it.

    ``data`` is the head, sent together with the first piece of ``stream``; ``may_send_body`` is False while the server is
    asked whether it wants the body.
    """

    __slots__ = ("xid", "data", "stream", "writer", "sent", "body", "keepalive", "may_send_body")

    def __init__(self, xid: int, data: bytes, stream: Any, writer: Optional[BodyWriter], expects: bool) -> None:
        self.xid = xid
        self.data = data
        self.stream = stream
        self.writer = writer
        self.sent = False
        self.body: Optional[BodyStream] = None
        self.keepalive = True
        self.may_send_body = not expects


class ClientSide(Side):
    """Sends requests and parses responses; see :class:`~vlcp.protocol._http_side.Side`."""

    def __init__(self, protocol: Any, connection: Any) -> None:
        super().__init__(protocol, connection)
        self.reader = ResponseReader(self.limits(protocol), protocol.allownoheader, self.codings(protocol))
        self._waiting: Deque[Exchange] = deque()
        self._unsent: Deque[Exchange] = deque()
        self._sending = False
        self._current: Optional[Exchange] = None
        self._next_xid = 0
        self._closing = False
        #: called once, as soon as no request is under way or the session has ended
        self.on_free: Optional[Callable[[], None]] = None
        self.set_deadline(protocol.idletimeout, "idle")

    @property
    def accepts_requests(self) -> bool:
        """True while the session is up and no request is under way."""
        return not (self.lost or self._closing or self._waiting or self._unsent)

    @property
    def was_used(self) -> bool:
        """True when a request was sent in this session."""
        return self._next_xid > 0

    # Output

    def request(self, host: bytes, path: bytes, method: bytes, headers: Any, stream: Any, keepalive: bool) -> int:
        """Send a request and return its xid; parameters as in :meth:`Http.send_request`.

        :raises HttpConnectionClosedException: no more requests may be sent on this connection
        :raises ValueError: a header would break the message
        """
        if self._closing:
            raise HttpConnectionClosedException("connection is closing: %r" % (self.connection,))
        head, length, expects = self._head(host, path, method, headers, stream, keepalive)
        self._next_xid += 1
        if self.protocol.debugging:
            logger.debug("HTTP request %d: %r %r to %r: %r", self._next_xid, method, path, host, self.connection)
        writer = None if length is None else BodyWriter(length)
        if isinstance(stream, (bytes, bytearray)):
            head += writer.data(bytes(stream)) + writer.end()
            stream = None
        exchange = Exchange(self._next_xid, head, stream, writer, expects)
        self._closing = not keepalive
        self.reader.expect(method)
        self._waiting.append(exchange)
        self._unsent.append(exchange)
        self.deadline = None
        self._flush()
        return exchange.xid

    def _head(
        self, host: bytes, path: bytes, method: bytes, headers: Any, stream: Any, keepalive: bool
    ) -> Tuple[bytes, Optional[int], bool]:
        """Return (head, length of the body or None, whether to ask before sending it)."""
        protocol = self.protocol
        given = {name.lower(): value for name, value in headers}
        fields = [(b"Host", host)] if b"host" not in given else []
        fields += [field for field in protocol.defaultrequestheaders if field[0].lower() not in given]
        fields += [field for field in headers if field[0].lower() not in (b"transfer-encoding", b"connection")]
        length = None
        expects = False
        if stream is not None:
            if b"content-length" in given:
                length = int(given[b"content-length"])
            else:
                known = stream_length(stream)
                length = CHUNKED if known is None else known
                framing = (b"Transfer-Encoding", b"chunked") if length == CHUNKED else (b"Content-Length", b"%d" % length)
                fields.append(framing)
            large = length == CHUNKED or length > protocol.useexpectsize
            expects = protocol.useexpect and large and not isinstance(stream, (bytes, bytearray))
            if expects:
                fields.append((b"Expect", b"100-continue"))
        elif method in (b"POST", b"PUT", b"PATCH") and b"content-length" not in given:
            fields.append((b"Content-Length", b"0"))
        options = [b"close"] * (not keepalive)
        if protocol.allowtransfercompress and b"te" not in given:
            fields.append((b"TE", b"deflate, gzip"))
            options.append(b"TE")
        if options:
            fields.append((b"Connection", b", ".join(options)))
        version = protocol.defaultversion.encode("ascii")
        return write_head(write_request_line(method, path, version), fields), length, expects

    def _flush(self) -> None:
        while self._unsent and not self._sending and not self.lost:
            exchange = self._unsent[0]
            if exchange.stream is not None:
                self._sending = True
                self.connection.subroutine(self._send_stream(exchange), False)
                return
            self.outbox.put(exchange.data)
            self._sent()

    def _sent(self) -> None:
        exchange = self._unsent.popleft()
        exchange.data = b""
        exchange.sent = True
        self._rest()

    async def _send_stream(self, exchange: Exchange) -> None:
        container, stream = self.connection, exchange.stream
        finished = False
        try:
            if not exchange.may_send_body:
                await self._ask_for_body(exchange)
            sent_all = False
            while not sent_all and exchange.may_send_body:
                await stream.prepareRead(container)
                piece, sent_all = read_piece(stream)
                data = exchange.data + exchange.writer.data(piece)
                exchange.data = b""
                self.outbox.put(data + exchange.writer.end() if sent_all else data)
                await self.outbox.room()
            finished = True
        except (OSError, ValueError) as error:
            logger.warning("HTTP request cut short: %s: %r", error, container)
        finally:
            stream.close(container.scheduler, True)
            if not finished and not self.lost:
                self.drop()
        self._sending = False
        if not self.lost:
            if not exchange.may_send_body:
                self._closing = True
            self._sent()
            self._flush()
            self._tell_free()

    async def _ask_for_body(self, exchange: Exchange) -> None:
        """Send the head alone and wait for 100, a final response, or ``expecttimeout``."""
        data, exchange.data = exchange.data, b""
        self.outbox.put(data)
        answer = HttpResponseEvent.createMatcher(self.connection, self.connmark, exchange.xid)
        timed_out, response, _ = await self.connection.wait_with_timeout(self.protocol.expecttimeout, answer)
        exchange.may_send_body = timed_out or not response.isfinal

    # Input

    def receive(self, data: Any) -> List[Any]:
        """Take bytes of the connection, nothing for its end; return the events to send."""
        if len(data):
            self.reader.receive(data)
        else:
            self.reader.receive_eof()
        events: List[Any] = []
        try:
            while (item := self.reader.next_event()) is not None:
                if type(item) is ResponseHead:
                    events.append(self._begin(item))
                    if item.isfinal and item.length == 0:
                        events.extend(self._finish([]))
                elif type(item) is Body:
                    self._current.body.feed(item.data)
                else:
                    events.extend(self._finish(item.trailers))
        except ProtocolError as error:
            logger.warning("HTTP response refused: %s: %r", error, self.connection)
            self._give_up(error)
            self.drop()
        if not len(data) or self.reader.state == DONE:
            self._closing = True
            self.end_output()
        if not self.input_is_wanted():
            events.extend(self.close_gate())
        self._tell_free()
        return events

    def _tell_free(self) -> None:
        if self.on_free is not None and (self.lost or not (self._waiting or self._unsent)):
            callback, self.on_free = self.on_free, None
            callback()

    def _begin(self, head: ResponseHead) -> HttpResponseEvent:
        exchange = self._waiting[0] if self._waiting else None
        if exchange is None:
            raise ProtocolError("response without a request")
        if self.protocol.debugging:
            logger.debug("HTTP response %d: %d: %r", exchange.xid, head.status, self.connection)
        event = HttpResponseEvent(
            self.connection,
            self.connmark,
            exchange.xid,
            head.isfinal,
            False,
            status=head.status,
            reason=head.reason,
            headers=head.fields,
            headerdict=head.combined,
        )
        if head.isfinal:
            exchange.body = event.stream = BodyStream(self.connection.scheduler, self._body_is_read)
            if self.reader.codings:
                exchange.body.encoders.extend(transfer_decoders(head.combined.get(b"transfer-encoding")))
            exchange.keepalive = head.keepalive
            self._current = exchange
        return event

    def _finish(self, trailers: Any) -> List[Any]:
        exchange = self._current
        self._current = None
        self._waiting.popleft()
        exchange.body.finish(trailers)
        events: List[Any] = []
        if trailers:
            events.append(HttpTrailersReceived(exchange.body, trailers=trailers))
        events.append(HttpResponseEndEvent(self.connection, self.connmark, exchange.xid, exchange.keepalive))
        self._rest()
        return events

    def _rest(self) -> None:
        """Start the idle time when nothing is under way."""
        if not self._waiting and not self._unsent and not self._closing:
            self.set_deadline(self.protocol.idletimeout, "idle")

    def input_is_wanted(self) -> bool:
        """Tell whether more bytes may be read: not while too much of a body waits."""
        return self._current is None or self._current.body.buffered < BODY_HIGH_WATER

    def _body_is_read(self) -> None:
        if not self.gate_is_open and self.input_is_wanted():
            self.open_gate()

    def _give_up(self, error: BaseException) -> None:
        """Tell everybody who waits for a response that none comes."""
        if self._current is not None:
            self._current.body.fail(error)
            self._current = None
            self._waiting.popleft()
        while self._waiting:
            xid = self._waiting.popleft().xid
            event = HttpResponseEvent(self.connection, self.connmark, xid, True, True, exception=error)
            self.connection.scheduler.emergesend(event)
        self._unsent.clear()

    def deadline_passed(self) -> None:
        """Close an idle connection, or one that the server does not close."""
        logger.debug("HTTP connection dropped: %s: %r", self.deadline_reason, self.connection)
        self.drop()

    def end(self) -> None:
        """The session is over: requests without a response fail."""
        super().end()
        self._give_up(HttpConnectionClosedException("connection closed before the response was complete"))
        self._tell_free()
