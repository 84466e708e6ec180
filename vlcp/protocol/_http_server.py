"""The server's side of one HTTP connection: requests in, responses out in the order of the requests."""

from __future__ import annotations

import logging
from collections import deque
from typing import Any, Deque, List, Optional

from vlcp.protocol._http_body import BodyStream
from vlcp.protocol._http_events import HttpConnectionClosedException, HttpRequestEvent, HttpTrailersReceived
from vlcp.protocol._http_responses import (
    COMPRESS_FROM,
    DateLine,
    compressed,
    error_page,
    may_have_body,
    read_piece,
    response_head,
    status_code,
    stream_framing,
    transfer_decoders,
)
from vlcp.protocol._http_side import BODY_HIGH_WATER, Side
from vlcp.protocol._wire.http1 import RequestReader
from vlcp.protocol._wire.http1_messages import Body, RequestHead
from vlcp.protocol._wire.http1_write import BodyWriter
from vlcp.protocol._wire.http_headers import CHUNKED, UNTIL_CLOSE, ProtocolError

logger = logging.getLogger(__name__)

_DRAIN_LIMIT = 65536
_LEAST_RATE = 4096.0
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_UNREAD = "peer does not read"
_date_line = DateLine()


class Exchange:
    """One request and its response.

    ``data`` is what can be sent as soon as the responses before are out; ``finished`` tells that nothing follows it;
    ``started`` that somebody answers; ``stream`` is the body still to be sent. ``waits`` tells that the client waits for 100
    before it sends the body; ``wants_body`` that the handler reads it.
    """

    body: Optional[BodyStream] = None
    started = finished = wants_body = False
    data = b""
    stream: Any = None
    writer: Optional[BodyWriter] = None
    encoder: Any = None

    def __init__(self, head: Optional[RequestHead], xid: int) -> None:
        self.head = head
        self.xid = xid
        self.keepalive = head is not None and head.keepalive
        self.waits = head is not None and head.expects_continue


class ServerSide(Side):
    """Parses requests and sends responses; see :class:`~vlcp.protocol._http_side.Side`."""

    def __init__(self, protocol: Any, connection: Any) -> None:
        super().__init__(protocol, connection)
        self.reader = RequestReader(self.limits(protocol), self.codings(protocol))
        self.exchanges: Deque[Exchange] = deque()
        self._next_xid = 0
        self._incoming: Optional[Exchange] = None
        self._head_began = False
        self._closing = False
        self._peer_closed = False
        self._pulling = False
        self.set_deadline(protocol.headtimeout, "no request")

    # Input

    def receive(self, data: Any) -> List[Any]:
        """Take bytes of the connection, nothing for its end; return the events to send."""
        if len(data):
            self.reader.receive(data)
        else:
            self._peer_closed = True
            self.reader.receive_eof()
        events = self._pull()
        if not (self.exchanges or self._peer_closed or self.reader.buffered):
            # Everything is answered, and what is left to watch was set then.
            return events
        if self._peer_closed and not self.exchanges and not self._closing:
            self._close_after_output()
        self._watch_input()
        if not self.input_is_wanted():
            events.extend(self.close_gate())
        return events

    def _pull(self) -> List[Any]:
        events: List[Any] = []
        reader = self.reader
        self._pulling = True
        try:
            while len(self.exchanges) < self.protocol.pipelinelimit or self._incoming is not None:
                item = reader.next_event()
                if item is None:
                    break
                if type(item) is RequestHead:
                    request = self._begin(item)
                    if not self.protocol.serve_now(request):
                        events.append(request)
                    if not reader.buffered and item.length == 0:
                        break
                elif type(item) is Body:
                    self._incoming.body.feed(item.data)
                    if self.deadline is not None:
                        self.deadline += len(item.data) / _LEAST_RATE
                else:
                    self._end_of_body(item.trailers)
        except ProtocolError as error:
            self._broken(error)
        finally:
            self._pulling = False
        return events

    def _begin(self, head: RequestHead) -> HttpRequestEvent:
        self._next_xid += 1
        exchange = Exchange(head, self._next_xid)
        self._head_began = False
        if head.length:
            exchange.body = BodyStream(self.connection.scheduler, lambda: self._body_is_read(exchange))
            if self.reader.codings:
                exchange.body.encoders.extend(transfer_decoders(head.combined.get(b"transfer-encoding")))
            self._incoming = exchange
            self.set_deadline(self.protocol.bodytimeout, "body is too slow")
        self.exchanges.append(exchange)
        if self.protocol.debugging:
            logger.debug("HTTP request %d: %r %r of %r: %r", exchange.xid, head.method, head.target, head.host, self.connection)
        return HttpRequestEvent(
            head.host,
            head.target,
            head.method,
            self.connection,
            self.connmark,
            exchange.xid,
            self.protocol,
            exchange=exchange,
        )

    def _end_of_body(self, trailers: Any) -> None:
        exchange, self._incoming = self._incoming, None
        exchange.body.finish(trailers)
        if trailers:
            self.connection.scheduler.emergesend(HttpTrailersReceived(exchange.body, trailers=trailers))

    def _broken(self, error: ProtocolError) -> None:
        """The peer broke the protocol: answer what was read before, then the error, then close.

        When a body is broken, its request gets the one answer that its handler gives; nothing is read after it.
        """
        incoming, self._incoming = self._incoming, None
        if incoming is not None:
            incoming.body.fail(error)
            incoming.keepalive = False
        if self.exchanges and (self._peer_closed or self.exchanges[-1] is incoming):
            return
        if self._peer_closed or self.protocol.fastfail or incoming is not None:
            logger.debug("HTTP request refused: %s: %r", error, self.connection)
            self.drop()
            return
        logger.info("HTTP request refused with %d: %s: %r", error.status, error, self.connection)
        exchange = Exchange(None, self._next_xid + 1)
        self.exchanges.append(exchange)
        self.respond(exchange, error.status, (), error_page(error.status))

    def input_is_wanted(self) -> bool:
        """Tell whether more bytes may be read: neither too many requests nor too much of a body wait."""
        if self._incoming is not None:
            return self._incoming.body.buffered < BODY_HIGH_WATER
        return self._closing or len(self.exchanges) < self.protocol.pipelinelimit

    def _body_is_read(self, exchange: Exchange) -> None:
        exchange.wants_body = True
        if exchange.waits and self.exchanges and self.exchanges[0] is exchange and not exchange.started:
            exchange.waits = False
            if exchange.body.received == 0 and not self.reader.buffered:
                self.outbox.put(_CONTINUE)
        if not self.gate_is_open and self.input_is_wanted():
            self.open_gate()
            self._watch_input()

    def _watch_input(self) -> None:
        """Set the deadline that fits what the peer owes."""
        protocol = self.protocol
        if self._closing:
            return
        if not self.input_is_wanted():
            self._head_began = False
            self.deadline = None
        elif self._incoming is not None:
            if self.deadline is None:
                self.set_deadline(protocol.bodytimeout, "body is too slow")
        elif self.reader.inside_head:
            if not self._head_began:
                self._head_began = True
                self.set_deadline(protocol.headtimeout, "head is too slow")
        elif self.exchanges:
            self.deadline = None
        self._watch_output()

    # Output

    def find(self, xid: int) -> Optional[Exchange]:
        """Return the exchange ``xid`` if it still waits for its response."""
        for exchange in self.exchanges:
            if exchange.xid == xid:
                return exchange
        return None

    def respond(self, exchange: Exchange, status: Any, headers: Any, body: Any, disabledeflate: bool = False) -> None:
        """Answer an exchange.

        :param status: as in :func:`status_code`
        :param headers: ``[(name, value)]``; a Content-Length for a stream is kept as its length
        :param body: bytes, a stream, or None
        :param disabledeflate: do not compress
        :raises ValueError: the exchange is answered already, or a header would break the message
        """
        if exchange.started:
            raise ValueError("request %d is answered already" % (exchange.xid,))
        if self.protocol.debugging:
            logger.debug("HTTP response %d: %r: %r", exchange.xid, status, self.connection)
        code = status if type(status) is int else status_code(status)[0]
        head = exchange.head
        if type(body) is bytes or body is None:
            body = body or b""
            if len(body) >= COMPRESS_FROM and not disabledeflate and head is not None:
                body, headers = compressed(head, code, headers, self.protocol.defaultresponseheaders, body)
            if exchange.body is not None:
                self._decide_keepalive(exchange)
            length: Optional[int] = len(body) if may_have_body(code) else None
            data = self._head_bytes(exchange, status, headers, length)
            if length and not (head is not None and head.method == b"HEAD"):
                data += body
            exchange.started = exchange.finished = True
            if self.exchanges[0] is exchange:
                self._finish(exchange, data)
            else:
                exchange.data = data
                return
        else:
            self._respond_with_stream(exchange, code, status, headers, body, disabledeflate)
        self._flush()

    def _head_bytes(self, exchange: Exchange, status: Any, headers: Any, length: Optional[int], coding: bytes = b"") -> bytes:
        head = exchange.head
        connection = b""
        if not exchange.keepalive:
            connection = b"close"
        elif head.minor == 0:
            connection = b"keep-alive"
        defaults = self.protocol.defaultresponseheaders
        return response_head(self.protocol.head_cache, status, headers, defaults, length, connection, _date_line(), coding)

    def _decide_keepalive(self, exchange: Exchange) -> None:
        """End the connection after a response if the rest of the request's body is not worth reading."""
        body = exchange.body
        if body is None or body.complete:
            return
        left = exchange.head.length - body.received
        if exchange.waits or exchange.head.length == CHUNKED or left > _DRAIN_LIMIT:
            exchange.keepalive = False

    def _respond_with_stream(
        self, exchange: Exchange, code: int, status: Any, headers: Any, stream: Any, disabledeflate: bool
    ) -> None:
        protocol, head = self.protocol, exchange.head
        defaults, transfer = protocol.defaultresponseheaders, protocol.allowtransfercompress
        framing = stream_framing(head, code, headers, defaults, stream, disabledeflate, transfer)
        length, exchange.encoder = framing.length, framing.encoder
        exchange.keepalive = exchange.keepalive and length != UNTIL_CLOSE
        shown = None if length == UNTIL_CLOSE else length
        exchange.data = self._head_bytes(exchange, status, framing.headers, shown, framing.coding)
        exchange.started = True
        self._start_stream(exchange, code, length, stream)

    def _start_stream(self, exchange: Exchange, code: int, length: int, stream: Any) -> None:
        if exchange.head.method == b"HEAD" or not may_have_body(code):
            stream.close(self.connection.scheduler, True)
            self._decide_keepalive(exchange)
            exchange.finished = True
            return
        exchange.stream = stream
        exchange.writer = BodyWriter(length)

    def _flush(self) -> None:
        """Send what is due, in order."""
        while self.exchanges and not self.lost:
            exchange = self.exchanges[0]
            if exchange.stream is not None:
                stream, exchange.stream = exchange.stream, None
                self.connection.subroutine(self._send_stream(exchange, stream), False)
                return
            if not exchange.finished:
                return
            self._finish(exchange, exchange.data)

    def _finish(self, exchange: Exchange, data: bytes) -> None:
        """Send the last data of the first exchange and go on."""
        self.outbox.put(data)
        self._done(exchange)
        if self.outbox.pending:
            self._watch_output()

    def output_progress(self) -> None:
        """Begin the time for the next piece of output anew."""
        if self.deadline_reason is _UNREAD and not self._closing:
            self.deadline = None
        self._watch_output()

    def _watch_output(self) -> None:
        """Drop a peer that owes no input but does not read its responses."""
        if self.deadline is None and self.outbox.pending and not self._closing:
            self.set_deadline(self.protocol.sendtimeout, _UNREAD)

    async def _send_stream(self, exchange: Exchange, stream: Any) -> None:
        """Send a body piece by piece; the head leaves together with the first one."""
        container = self.connection
        sent_all = False
        try:
            while not sent_all:
                await stream.prepareRead(container)
                piece, sent_all = read_piece(stream)
                if exchange.encoder is not None:
                    piece = exchange.encoder(piece, sent_all)
                data = exchange.data + exchange.writer.data(piece)
                exchange.data = b""
                if sent_all:
                    data += exchange.writer.end()
                if data:
                    self.outbox.put(data)
                    self._watch_output()
                    await self.outbox.room()
            exchange.finished = True
        except (OSError, ValueError) as error:
            logger.warning("HTTP response cut short: %s: %r", error, container)
        finally:
            stream.close(container.scheduler, True)
            if not exchange.finished and not self.lost:
                self.drop()
        exchange.data = b""
        if exchange.finished and not self.lost:
            self._decide_keepalive(exchange)
            self._done(exchange)
            self._flush()

    def _done(self, exchange: Exchange) -> None:
        """The response of the first exchange is out: go on with the next request, or close."""
        self.exchanges.popleft()
        exchange.data = b""
        if exchange.body is not None and not exchange.body.complete:
            exchange.body.close()
        if not exchange.keepalive or (self._peer_closed and not self.exchanges):
            self._close_after_output()
            return
        if self.exchanges:
            following = self.exchanges[0]
            if following.waits and following.wants_body:
                self._body_is_read(following)
        if not self._pulling and (self.reader.buffered or not self.gate_is_open):
            self._go_on()
        if not self.exchanges and self.reader.between_messages:
            self.set_deadline(self.protocol.idletimeout, "idle")

    def _go_on(self) -> None:
        for event in self._pull():
            self.connection.scheduler.emergesend(event)
        self._watch_input()
        if not self.gate_is_open and self.input_is_wanted():
            self.open_gate()

    def _close_after_output(self) -> None:
        self._closing = True
        self.exchanges.clear()
        self._incoming = None
        self.reader.stop()
        self.end_output()
        self.open_gate()

    def deadline_passed(self) -> None:
        """The peer took too long: tell it once if it owes a request, else drop the connection."""
        logger.info("HTTP connection dropped: %s: %r", self.deadline_reason, self.connection)
        self.drop()

    def end(self) -> None:
        """The session is over: bodies that are not complete fail."""
        super().end()
        error = HttpConnectionClosedException("connection closed")
        for exchange in self.exchanges:
            if exchange.body is not None:
                exchange.body.fail(error)
        self.exchanges.clear()
        self._incoming = None
