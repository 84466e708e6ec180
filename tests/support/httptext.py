"""A strict reader of HTTP responses, for tests that look at framing; shares no code with the package."""

from __future__ import annotations

import contextlib
import socket
from typing import Dict, List, NamedTuple, Optional, Sequence, Union


class Answer(NamedTuple):
    """One response; ``framing`` is ``length``, ``chunked``, ``close`` or ``none``."""

    status: int
    framing: str
    headers: Dict[str, str]
    body: bytes


def _head(data: bytes) -> tuple:
    """Return (status, headers) of a head.

    :raises ValueError: a line is malformed, or a header about framing is repeated
    """
    first, *lines = data.split(b"\r\n")
    version, status, _ = first.split(b" ", 2)
    if version != b"HTTP/1.1" or len(status) != 3:
        raise ValueError(f"bad status line {first!r}")
    headers: Dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(b": ")
        key = name.decode("ascii").lower()
        if not colon or b"\r" in line or b"\n" in line or (key in headers and key in ("content-length", "transfer-encoding")):
            raise ValueError(f"bad header line {line!r}")
        headers[key] = value.decode("latin-1")
    return int(status), headers


def _chunks(data: bytes) -> tuple:
    """Return (body, rest) of a chunked body without trailers."""
    body = b""
    while True:
        size, separator, data = data.partition(b"\r\n")
        if not separator:
            raise EOFError("chunk size is cut short")
        length = int(size, 16)
        if len(data) < length + 2:
            raise EOFError("chunk is cut short")
        if data[length : length + 2] != b"\r\n":
            raise ValueError("no line end behind a chunk")
        body += data[:length]
        data = data[length + 2 :]
        if not length:
            return body, data


def read_answers(data: bytes, methods: Sequence[str]) -> List[Answer]:
    """Return the complete responses in ``data``.

    :param methods: method of each request; interim responses belong to the request of the next final one
    :raises ValueError: something is malformed, or there are more responses than requests
    :raises EOFError: the last one is cut short
    """
    answers: List[Answer] = []
    waiting = list(methods)
    while data:
        head, separator, rest = data.partition(b"\r\n\r\n")
        if not separator:
            raise EOFError("head is cut short")
        status, headers = _head(head)
        if not waiting:
            raise ValueError(f"response without a request: {head!r}")
        body, framing = b"", "none"
        if status >= 200:
            method = waiting.pop(0)
            if "transfer-encoding" in headers:
                framing = "chunked"
                if "content-length" in headers or status == 204:
                    raise ValueError("Transfer-Encoding where it may not be")
            elif "content-length" in headers:
                framing = "length"
            elif status not in (204, 304):
                framing = "close"
            if method != "HEAD" and status not in (204, 304):
                body, rest = _body(framing, headers, rest)
        answers.append(Answer(status, framing, headers, body))
        data = rest
    return answers


def _body(framing: str, headers: Dict[str, str], data: bytes) -> tuple:
    if framing == "chunked":
        return _chunks(data)
    if framing == "close":
        return data, b""
    length = int(headers["content-length"])
    if len(data) < length:
        raise EOFError("body is cut short")
    return data[:length], data[length:]


class Conversation(NamedTuple):
    """What came back: the bytes until the server was silent or closed, and whether it closed."""

    data: bytes
    closed: bool


PROBE = b"GET /probe HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n\r\n"


def converse(port: int, pieces: Sequence[Union[bytes, float, None]], probe: bool, timeout_s: float = 20) -> Conversation:
    """Send pieces of bytes, with pauses of so many seconds; None closes the sending side. Return what comes back.

    :param probe: send :data:`PROBE` at the end, which the server answers only if the connection still is in order
    """
    with socket.create_connection(("127.0.0.1", port), timeout_s) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        received, closed = b"", False
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for piece in [*pieces, PROBE] if probe else pieces:
                if piece is None:
                    connection.shutdown(socket.SHUT_WR)
                elif isinstance(piece, bytes):
                    connection.sendall(piece)
                else:
                    received += _during(connection, piece)
        rest: Optional[bytes] = b""
        try:
            while rest := connection.recv(65536):
                received += rest
            closed = True
        except ConnectionResetError:
            closed = True
        return Conversation(received, closed)


def _during(connection: socket.socket, pause_s: float) -> bytes:
    """Return what comes within so many seconds, at least one byte or the end if the time is negative."""
    if pause_s < 0:
        return connection.recv(65536)
    connection.settimeout(pause_s)
    try:
        return connection.recv(65536)
    except (TimeoutError, socket.timeout):
        return b""
    finally:
        connection.settimeout(20)
