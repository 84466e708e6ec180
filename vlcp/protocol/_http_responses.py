"""Values for HTTP responses: dates, status texts, escaping, error pages, heads."""

from __future__ import annotations

import html
import time
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple, Union

from vlcp.protocol._wire.http_headers import CHUNKED, UNTIL_CLOSE, check_field, transfer_codings
from vlcp.utils.encoders import deflate_decoder, deflate_encoder, gzip_decoder, gzip_encoder

Headers = Sequence[Tuple[bytes, bytes]]

_REASONS = {status.value: status.phrase.encode("ascii") for status in HTTPStatus}
_REASONS.update({413: b"Content Too Large", 414: b"URI Too Long", 416: b"Range Not Satisfiable", 422: b"Unprocessable Content"})
_FRAMING = frozenset((b"content-length", b"transfer-encoding", b"connection", b"date"))
_CACHE_LIMIT = 256
COMPRESS_FROM = 1024
"""Smaller bodies are not compressed."""


def date_time_string(timestamp: Optional[float] = None) -> str:
    """Return the date and time formatted for a message header (RFC 9110 5.6.7).

    :param timestamp: seconds since 1970; None for now
    """
    return formatdate(timestamp, usegmt=True)


def escape(s: str, quote: bool = True) -> str:
    """Return ``s`` with ``&``, ``<`` and ``>`` (and quotation marks, if ``quote``) as HTML entities."""
    return html.escape(s, quote)


def escape_b(s: bytes, quote: bool = True) -> bytes:
    """Return :func:`escape` of bytes in an encoding that contains ASCII."""
    return html.escape(s.decode("latin-1"), quote).encode("latin-1")


class DateLine:
    """The ``Date`` header line, made once a second."""

    def __init__(self) -> None:
        self._second = -1
        self._line = b""

    def __call__(self) -> bytes:
        """Return the line with its end."""
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._line = b"Date: %b\r\n" % (date_time_string(second).encode("ascii"),)
        return self._line


def status_code(status: Union[int, bytes, str]) -> Tuple[int, bytes]:
    """Return (code, reason) of ``404``, ``b'404'`` or ``b'404 Not Found'``.

    :raises ValueError: not a status of three digits
    """
    if isinstance(status, int):
        code, reason = status, b""
    else:
        text = status.encode("latin-1") if isinstance(status, str) else status
        number, _, reason = text.partition(b" ")
        code = int(number)
    if not 100 <= code <= 999:
        raise ValueError("invalid HTTP status %r" % (status,))
    return code, reason or _REASONS.get(code, b"Unknown")


def error_page(status: Union[int, bytes, str], detail: Optional[str] = None) -> bytes:
    """Return the HTML page for an error.

    :param status: as in :func:`status_code`
    :param detail: text shown below the heading, or None
    """
    code, reason = status_code(status)
    page = b"<h1>%d %b</h1>" % (code, escape_b(reason))
    if detail:
        page += b"<pre>%b</pre>" % (escape(detail).encode("utf-8"),)
    return page


def may_have_body(code: int) -> bool:
    """Tell whether a response with this status has a body (RFC 9110 15)."""
    return code >= 200 and code not in (204, 304)


def _fixed_part(status: Union[int, bytes, str], headers: Headers, defaults: Headers) -> bytes:
    code, reason = status_code(status)
    lines = [b"HTTP/1.1 %d %b\r\n" % (code, reason)]
    given = {name.lower() for name, _ in headers}
    chosen: List[Tuple[bytes, bytes]] = [(name, value) for name, value in defaults if name.lower() not in given]
    chosen += [(name, value) for name, value in headers if name.lower() not in _FRAMING]
    check_field(b"reason", reason)
    for name, value in chosen:
        check_field(name, value)
        lines.append(b"%b: %b\r\n" % (name, value))
    return b"".join(lines)


def response_head(
    cache: Dict[Any, bytes],
    status: Union[int, bytes, str],
    headers: Headers,
    defaults: Headers,
    length: Optional[int],
    connection: bytes,
    date_line: bytes,
    coding: bytes = b"",
) -> bytes:
    """Return the bytes of a response head.

    :param cache: what was made before with the same ``defaults``; filled and kept small here
    :param headers: fields of the response; those about framing are replaced
    :param defaults: fields for names that ``headers`` has not
    :param length: number of body bytes, ``CHUNKED``, or None for no header about the length
    :param connection: value of the Connection header; empty for none
    :param date_line: the Date header line
    :param coding: transfer coding before ``chunked``; empty for none
    :raises ValueError: a field would break the message
    """
    key = (status, tuple(headers))
    fixed = cache.get(key)
    if fixed is None:
        fixed = _fixed_part(status, headers, defaults)
        if len(cache) >= _CACHE_LIMIT:
            cache.clear()
        cache[key] = fixed
    if length is None:
        framing = b""
    elif length == CHUNKED:
        framing = b"Transfer-Encoding: %bchunked\r\n" % (coding and coding + b", ",)
    else:
        framing = b"Content-Length: %d\r\n" % (length,)
    if connection:
        framing += b"Connection: %b\r\n" % (connection,)
    return fixed + framing + date_line + b"\r\n"


def with_content_encoding(headers: Headers, coding: bytes) -> List[Tuple[bytes, bytes]]:
    """Return the headers with a Content-Encoding."""
    return [*headers, (b"Content-Encoding", coding)]


def accepts(value: Optional[bytes], wanted: bytes) -> bool:
    """Tell whether a list of codings with weights, as in Accept-Encoding and TE, has one (RFC 9110 12.4.2, 12.5.3).

    :param value: value of the header, None for no header
    :param wanted: the coding in lower case
    """
    if not value:
        return False
    for item in value.lower().split(b","):
        coding, _, weight = item.partition(b";")
        if coding.strip() == wanted:
            return weight.replace(b" ", b"") not in (b"q=0", b"q=0.0", b"q=0.00", b"q=0.000")
    return False


def accepts_gzip(accept_encoding: Optional[bytes]) -> bool:
    """Tell whether an Accept-Encoding value allows gzip."""
    return accepts(accept_encoding, b"gzip")


def is_compressible(headers: Iterable[Tuple[bytes, bytes]], defaults: Iterable[Tuple[bytes, bytes]]) -> bool:
    """Tell whether a body is text that is not compressed yet, judged by its headers."""
    kind = b""
    for name, value in (*defaults, *headers):
        lowered = name.lower()
        if lowered in (b"content-encoding", b"content-range"):
            return False
        if lowered == b"content-type":
            kind = value.lower()
    return kind.startswith(b"text/") or b"json" in kind or b"javascript" in kind or b"xml" in kind


def stream_length(stream: Any) -> Optional[int]:
    """Return how many bytes a stream will give, None if that is not known before its end."""
    if getattr(stream, "encoders", None):
        return None
    try:
        return len(stream)
    except TypeError:
        return None


def read_piece(stream: Any) -> Tuple[bytes, bool]:
    """Return (what the stream holds, True if that is all)."""
    try:
        piece = stream.readonce()
    except EOFError:
        return b"", True
    return piece, stream.eof


def compressed(head: Any, code: int, headers: Headers, defaults: Headers, body: bytes) -> Tuple[bytes, Headers]:
    """Return (body, headers), both for gzip if the client takes it and the body is text.

    :param head: the request's head
    :param code: status of the response
    """
    if not _compresses(head, code, headers, defaults):
        return body, headers
    return gzip_encoder(level=6)(body, True), with_content_encoding(headers, b"gzip")


def _compresses(head: Any, code: int, headers: Headers, defaults: Headers) -> bool:
    if not may_have_body(code) or not accepts_gzip(head.combined.get(b"accept-encoding")):
        return False
    return is_compressible(headers, defaults)


class Framing(NamedTuple):
    """How a stream is sent: ``length`` as in the headers' rules, ``headers``, ``encoder`` or None, transfer ``coding``."""

    length: int
    headers: Headers
    encoder: Any = None
    coding: bytes = b""


def stream_framing(
    head: Any, code: int, headers: Headers, defaults: Headers, stream: Any, disabled: bool, transfer: bool = False
) -> Framing:
    """Return how a response is framed whose body is a stream.

    :param head: the request's head
    :param code: status of the response
    :param disabled: do not compress
    :param transfer: a transfer coding may compress what comes in chunks
    """
    given = [value for name, value in headers if name.lower() == b"content-length"]
    known = int(given[0]) if given else stream_length(stream)
    length = CHUNKED if known is None else known
    if not disabled and (length == CHUNKED or length >= COMPRESS_FROM) and _compresses(head, code, headers, defaults):
        length, headers = CHUNKED, with_content_encoding(headers, b"gzip")
        framing = Framing(length, headers, gzip_encoder(level=6))
    elif transfer and not disabled and length == CHUNKED and accepts(head.combined.get(b"te"), b"deflate"):
        framing = Framing(length, headers, deflate_encoder(6), b"deflate")
    else:
        framing = Framing(length, headers)
    if length == CHUNKED and head.minor == 0:
        return Framing(UNTIL_CLOSE, headers, framing.encoder if not framing.coding else None)
    return framing


TRANSFER_CODINGS = frozenset((b"gzip", b"x-gzip", b"deflate"))


def transfer_decoders(value: Optional[bytes]) -> List[Any]:
    """Return decoders for the transfer codings of a message besides ``chunked``, the last coding first.

    :param value: value of Transfer-Encoding, None for no header; its codings are of :data:`TRANSFER_CODINGS`
    """
    codings = [] if value is None else [one for one in reversed(transfer_codings(value)) if one != b"chunked"]
    return [deflate_decoder() if one == b"deflate" else gzip_decoder() for one in codings]
