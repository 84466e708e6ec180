"""Writing HTTP/1 messages without I/O (RFC 9112): values to bytes."""

from __future__ import annotations

from typing import Iterable, Tuple

from vlcp.protocol._wire.http_headers import CHUNKED, check_field, parse_request_line


def write_request_line(method: bytes, target: bytes, version: bytes) -> bytes:
    """Return the first line of a request without its line end.

    :param version: ``b'1.1'`` or ``b'1.0'``
    :raises ValueError: a part has blanks, line ends or control characters
    """
    line = b"%b %b HTTP/%b" % (method, target, version)
    parse_request_line(line)
    return line


def write_head(first_line: bytes, fields: Iterable[Tuple[bytes, bytes]]) -> bytes:
    """Return the bytes of a head.

    :param first_line: request or status line without line end
    :param fields: ``[(name, value)]``
    :raises ValueError: a name or value would break the message
    """
    parts = [first_line]
    for name, value in fields:
        check_field(name, value)
        parts.append(name + b": " + value)
    parts.append(b"\r\n")
    return b"\r\n".join(parts)


def write_chunk(data: bytes) -> bytes:
    """Return ``data`` as one chunk; nothing for no data, since an empty chunk would end the body."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


class BodyWriter:
    """Frames a body of ``length`` bytes, or ``CHUNKED``, or ``UNTIL_CLOSE``."""

    def __init__(self, length: int) -> None:
        self.length = length
        self._sent = 0

    def data(self, data: bytes) -> bytes:
        """Return the bytes to send for a piece of the body.

        :raises ValueError: more than the length announced
        """
        self._sent += len(data)
        if self.length >= 0 and self._sent > self.length:
            raise ValueError("body is longer than the %d bytes announced" % (self.length,))
        return write_chunk(data) if self.length == CHUNKED else bytes(data)

    def end(self, trailers: Iterable[Tuple[bytes, bytes]] = ()) -> bytes:
        """Return the bytes that end the body.

        :raises ValueError: less than the length announced
        """
        if self.length >= 0 and self._sent < self.length:
            raise ValueError("body has %d of the %d bytes announced" % (self._sent, self.length))
        if self.length != CHUNKED:
            return b""
        return write_head(b"0", trailers)
