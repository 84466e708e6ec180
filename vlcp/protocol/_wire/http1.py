"""Reading HTTP/1 messages without I/O (RFC 9112): bytes to events.

A reader is fed with :meth:`~_Reader.receive` and asked with :meth:`~_Reader.next_event` until it returns None. It walks
through the states below; each has one method, listed in ``_STEPS``.

====================  =========================================  =======================================
state                 reads                                      next
====================  =========================================  =======================================
``IDLE``              empty lines before a message               ``HEADERS``
``HEADERS``           first line and fields                      a body state; ``IDLE`` or ``DONE``
``BODY_LENGTH``       ``Content-Length`` bytes                   ``IDLE`` or ``DONE``
``CHUNK_SIZE``        the line with the size of a chunk          ``CHUNK_DATA``; ``TRAILERS`` for size 0
``CHUNK_DATA``        bytes of a chunk                           ``CHUNK_END``
``CHUNK_END``         the line end behind them                   ``CHUNK_SIZE``
``BODY_UNTIL_CLOSE``  all there is                               ``DONE`` when the connection ends
``TRAILERS``          fields behind the last chunk               ``IDLE`` or ``DONE``
``DONE``              nothing; the connection carries no more    -
``ERROR``             nothing                                    -
====================  =========================================  =======================================

Each byte is looked at a fixed number of times, however the input is cut.
"""

from __future__ import annotations

from collections import deque
from types import MappingProxyType
from typing import Any, Deque, Dict, FrozenSet, Optional, Tuple, Union

from vlcp.protocol._wire.http1_messages import Body, End, Event, RequestHead, ResponseHead
from vlcp.protocol._wire.http_headers import (
    BAD_HEAD_BYTES,
    CHUNKED,
    METHOD,
    UNTIL_CLOSE,
    Limits,
    ProtocolError,
    body_length,
    chunk_size,
    expects_continue,
    keeps_alive,
    parse_block,
    parse_fields,
    parse_request_line,
    parse_status_line,
    split_target,
)

IDLE = "idle"
HEADERS = "headers"
BODY_LENGTH = "body length"
CHUNK_SIZE = "chunk size"
CHUNK_DATA = "chunk data"
CHUNK_END = "chunk end"
BODY_UNTIL_CLOSE = "body until close"
TRAILERS = "trailers"
DONE = "done"
ERROR = "error"

_EMPTY_LINES = 8
_CACHED_HEAD = 1024
_NO_BODY_STATUS = frozenset((204, 304))


class _Reader:
    """Common part of both readers: buffer, body states, limits.

    :param limits: :class:`Limits`
    :param codings: transfer codings that are accepted before ``chunked``
    """

    def __init__(self, limits: Limits = Limits(), codings: FrozenSet[bytes] = frozenset()) -> None:
        self.limits = limits
        self.codings = codings
        self.state = IDLE
        self._buffer = bytearray()
        self._scan = 0
        self._lines = 0
        self._empty_lines = 0
        self._remaining = 0
        self._again = True
        self._eof = False

    def receive(self, data: bytes) -> None:
        """Take bytes from the peer; they are kept until :meth:`next_event` uses them."""
        if self.state is not DONE and self.state is not ERROR:
            self._buffer += data

    def receive_eof(self) -> None:
        """Note that the peer sends no more."""
        self._eof = True

    def stop(self) -> None:
        """Read no more; what comes is thrown away."""
        self.state = DONE
        self._buffer.clear()

    @property
    def buffered(self) -> int:
        """Number of bytes taken and not yet used."""
        return len(self._buffer)

    @property
    def between_messages(self) -> bool:
        """True while no byte of a message is there."""
        return self.state is IDLE and not self._buffer

    @property
    def inside_head(self) -> bool:
        """True while a part of a head is there."""
        return self.state is HEADERS or (self.state is IDLE and bool(self._buffer))

    def next_event(self) -> Optional[Event]:
        """Return the next event, or None when more bytes are needed or the connection is done.

        :raises ProtocolError: the peer broke the protocol; from now on there are no events
        """
        try:
            while True:
                state = self.state
                step = self._STEPS.get(state)
                event = None if step is None else step(self)
                if event is not None:
                    return event
                if self.state is state:
                    return self._check_eof() if self._eof else None
        except ProtocolError:
            self.state = ERROR
            self._buffer.clear()
            raise

    def _check_eof(self) -> Optional[Event]:
        if self.state is BODY_UNTIL_CLOSE:
            self.state = DONE
            return End([])
        if self.state is IDLE and not self._buffer:
            self.state = DONE
        if self.state is DONE or self.state is ERROR:
            return None
        raise ProtocolError("connection closed inside a message")

    def _idle(self) -> Optional[Event]:
        buffer = self._buffer
        if not buffer:
            return None
        if buffer[0] == 13 and not self._skip_empty_lines():
            return None
        self.state = HEADERS
        return self._headers()

    def _skip_empty_lines(self) -> bool:
        """Drop empty lines before a message; return whether something else follows."""
        buffer = self._buffer
        while buffer[:2] == b"\r\n":
            self._empty_lines += 1
            if self._empty_lines > _EMPTY_LINES:
                raise ProtocolError("too many empty lines before a message")
            del buffer[:2]
        if not buffer or buffer == b"\r":
            return False
        self._empty_lines = 0
        return True

    def _take_head(self) -> Optional[bytes]:
        """Return the bytes before the empty line that ends a head, or None."""
        buffer, limits = self._buffer, self.limits
        end = buffer.find(b"\r\n\r\n", max(self._scan - 3, 0))
        if end < 0:
            self._check_partial_head()
            return None
        if end > limits.head_line + limits.header + 2:
            raise ProtocolError("head is longer than %d bytes" % (limits.header,))
        head = bytes(memoryview(buffer)[:end])
        del buffer[: end + 4]
        self._scan = self._lines = 0
        return head

    def _check_partial_head(self) -> None:
        buffer, limits, scan = self._buffer, self.limits, self._scan
        if BAD_HEAD_BYTES.search(buffer, max(scan - 2, 0)):
            raise ProtocolError("line end or control character in a head")
        if self._lines == 0 and len(buffer) > limits.head_line + 1:
            if buffer.find(b"\r\n", max(scan - 1, 0), limits.head_line + 2) < 0:
                raise self._long_line(buffer)
        self._lines += buffer.count(b"\n", scan)
        if self._lines > limits.header_count + 1:
            raise ProtocolError("more than %d headers" % (limits.header_count,))
        if len(buffer) > limits.head_line + limits.header + 4:
            raise ProtocolError("head is longer than %d bytes" % (limits.header,))
        self._scan = len(buffer)

    def _split_head(self, head: bytes) -> Tuple[bytes, bytes]:
        """Return (first line, field lines) of a head."""
        first, _, block = head.partition(b"\r\n")
        if len(first) > self.limits.head_line:
            raise self._long_line(first)
        if block and block.count(b"\r\n") >= self.limits.header_count:
            raise ProtocolError("more than %d headers" % (self.limits.header_count,))
        if len(block) > self.limits.header:
            raise ProtocolError("headers are longer than %d bytes" % (self.limits.header,))
        return first, block

    def _long_line(self, line: Union[bytes, bytearray]) -> ProtocolError:
        """Return the error for a first line; behind a method it is a target that is too long (RFC 9112 3)."""
        status = 414 if METHOD.match(line) else 400
        return ProtocolError("first line is longer than %d bytes" % (self.limits.head_line,), status)

    def _start_body(self, length: int) -> None:
        self._remaining = length
        if length == 0:
            self._finish()
        else:
            self.state = {CHUNKED: CHUNK_SIZE, UNTIL_CLOSE: BODY_UNTIL_CLOSE}.get(length, BODY_LENGTH)

    def _finish(self) -> None:
        if self._again:
            self.state = IDLE
        else:
            self.state = DONE
            self._buffer.clear()

    def _take_data(self) -> Optional[Body]:
        buffer = self._buffer
        if not buffer:
            return None
        if len(buffer) <= self._remaining:
            data = bytes(buffer)
            buffer.clear()
        else:
            data = bytes(memoryview(buffer)[: self._remaining])
            del buffer[: self._remaining]
        self._remaining -= len(data)
        return Body(data)

    def _body_length(self) -> Optional[Event]:
        if self._remaining == 0:
            self._finish()
            return End([])
        return self._take_data()

    def _chunk_size(self) -> None:
        buffer, limit = self._buffer, self.limits.trailer
        end = buffer.find(b"\n", self._scan)
        if (len(buffer) if end < 0 else end) > limit:
            raise ProtocolError("chunk header is longer than %d bytes" % (limit,))
        if end < 0:
            self._scan = len(buffer)
            return
        line = bytes(memoryview(buffer)[: end + 1])
        del buffer[: end + 1]
        self._scan = 0
        if not line.endswith(b"\r\n"):
            raise ProtocolError("chunk header ends with a bare LF")
        self._remaining = chunk_size(line[:-2])
        self.state = CHUNK_DATA if self._remaining else TRAILERS

    def _chunk_data(self) -> Optional[Event]:
        if self._remaining == 0:
            self.state = CHUNK_END
            return None
        return self._take_data()

    def _chunk_end(self) -> None:
        buffer = self._buffer
        if not b"\r\n".startswith(buffer[:2]):
            raise ProtocolError("no line end behind a chunk")
        if len(buffer) >= 2:
            del buffer[:2]
            self.state = CHUNK_SIZE

    def _trailers(self) -> Optional[Event]:
        buffer, limits = self._buffer, self.limits
        if buffer[:2] == b"\r\n":
            del buffer[:2]
            self._finish()
            return End([])
        end = buffer.find(b"\r\n\r\n", max(self._scan - 3, 0))
        if (len(buffer) if end < 0 else end) > limits.trailer:
            raise ProtocolError("trailers are longer than %d bytes" % (limits.trailer,))
        if BAD_HEAD_BYTES.search(buffer, max(self._scan - 2, 0), len(buffer) if end < 0 else end + 4):
            raise ProtocolError("line end or control character in trailers")
        if end < 0:
            self._scan = len(buffer)
            return None
        lines = bytes(memoryview(buffer)[:end]).split(b"\r\n")
        if len(lines) > limits.trailer_count:
            raise ProtocolError("more than %d trailers" % (limits.trailer_count,))
        del buffer[: end + 4]
        self._scan = 0
        self._finish()
        return End(list(parse_fields(lines)))

    def _until_close(self) -> Optional[Event]:
        if not self._buffer:
            return None
        data = bytes(self._buffer)
        self._buffer.clear()
        return Body(data)

    def _headers(self) -> Optional[Event]:
        raise NotImplementedError("%s does not parse heads" % (type(self).__name__,))

    _STEPS = {
        IDLE: _idle,
        HEADERS: lambda self: self._headers(),
        BODY_LENGTH: _body_length,
        CHUNK_SIZE: _chunk_size,
        CHUNK_DATA: _chunk_data,
        CHUNK_END: _chunk_end,
        BODY_UNTIL_CLOSE: _until_close,
        TRAILERS: _trailers,
    }


class RequestReader(_Reader):
    """The server's reader: requests, one after the other; bytes behind one that ends the connection are thrown away.

    :param limits: :class:`Limits`
    """

    _last_bytes = b""
    _last_head: Any = None

    def _headers(self) -> Optional[RequestHead]:
        head_bytes = self._take_head()
        if head_bytes is None:
            return None
        if head_bytes == self._last_bytes:
            head = self._last_head
        else:
            head = self._read_head(head_bytes)
            if len(head_bytes) <= _CACHED_HEAD:
                self._last_bytes, self._last_head = head_bytes, head
        self._again = head.keepalive
        if head.length or not head.keepalive:
            self._start_body(head.length)
        else:
            self.state = IDLE
        return head

    def _read_head(self, head: bytes) -> RequestHead:
        first, block = self._split_head(head)
        method, target, minor = parse_request_line(first)
        fields, combined = parse_block(block)
        if minor > 0 and b"host" not in combined:
            raise ProtocolError("no Host header")
        length = body_length(combined, minor, self.codings) or 0
        expects = b"expect" in combined and expects_continue(combined[b"expect"], minor, length)
        host, target = split_target(method, target, combined.get(b"host"))
        keepalive = keeps_alive(combined, minor)
        return RequestHead(method, target, host, minor, fields, MappingProxyType(combined), length, keepalive, expects)


class ResponseReader(_Reader):
    """The client's reader. Tell it each request's method with :meth:`expect`, in order.

    :param limits: :class:`Limits`
    :param allow_no_header: accept an HTTP/0.9 answer, which is a body without a head, as the first one
    :param codings: transfer codings that are accepted before ``chunked``
    """

    def __init__(self, limits: Limits = Limits(), allow_no_header: bool = False, codings: FrozenSet[bytes] = frozenset()) -> None:
        super().__init__(limits, codings)
        self._methods: Deque[bytes] = deque()
        self._allow_no_header = allow_no_header

    def expect(self, method: bytes) -> None:
        """Note that a request was sent with ``method``; a response to HEAD has no body."""
        self._methods.append(method)

    def _headers(self) -> Optional[ResponseHead]:
        if self._allow_no_header:
            start = bytes(self._buffer[:5])
            if not b"HTTP/".startswith(start):
                self._again = False
                self._start_body(UNTIL_CLOSE)
                return ResponseHead(200, b"", -1, [], {}, UNTIL_CLOSE, False, True)
            self._allow_no_header = len(start) < 5
        head = self._take_head()
        if head is None:
            return None
        first, block = self._split_head(head)
        fields, combined = parse_block(block)
        status, reason, minor = parse_status_line(first)
        if status < 200 and status != 101:
            self.state = IDLE
            return ResponseHead(status, reason, minor, fields, combined, 0, True, False)
        if not self._methods:
            raise ProtocolError("response without a request")
        length = self._response_length(status, combined, minor)
        self._again = keeps_alive(combined, minor) and length != UNTIL_CLOSE and status != 101
        self._start_body(length)
        return ResponseHead(status, reason, minor, fields, combined, length, self._again, True)

    def _response_length(self, status: int, combined: Dict[bytes, bytes], minor: int) -> int:
        length = body_length(combined, minor, self.codings)
        if self._methods.popleft() == b"HEAD" or status in _NO_BODY_STATUS or status == 101:
            return 0
        return UNTIL_CLOSE if length is None else length
