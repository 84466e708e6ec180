"""Rules for HTTP/1 header fields and message framing (RFC 9110, RFC 9112).

Everything here is a function from bytes to values. Whatever two programs could read
differently (request smuggling) is refused, never repaired.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Collection, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

Fields = Sequence[Tuple[bytes, bytes]]

CHUNKED = -1
"""Value of ``length``: the body is sent in chunks."""
UNTIL_CLOSE = -2
"""Value of ``length``: the body ends with the connection."""

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"

METHOD = re.compile(TOKEN + rb" ")
"""The beginning of a request line."""

_TOKEN = re.compile(TOKEN)
_TARGET = re.compile(rb"[\x21\x22\x24-\x7e\x80-\xff]+")
_REQUEST_LINE = re.compile(rb"(" + TOKEN + rb") (" + _TARGET.pattern + rb") HTTP/([0-9])\.([0-9])")
_STATUS_LINE = re.compile(rb"HTTP/([0-9])\.([0-9]) ([1-9][0-9]{2})(?: ([\t \x21-\x7e\x80-\xff]*))?")
_ABSOLUTE_FORM = re.compile(rb"(?i)https?://([^/?#@]+)(/[^?#]*)?(\?[^#]*)?")
_HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+;=%\-]*)(?::[0-9]{0,5})?")
_LENGTH = re.compile(rb"[0-9]{1,18}")
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:[ \t]*;[^\x00-\x08\x0a-\x1f\x7f]*)?")

BAD_HEAD_BYTES = re.compile(rb"\r(?=[^\n])|(?<!\r)\n|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
"""What may not stand anywhere in a head: a bare CR or LF, a control character (RFC 9110 5.5)."""

_SINGLE = frozenset((b"host", b"authorization", b"origin", b"sec-fetch-site"))
_NAME_CACHE: Dict[bytes, bytes] = {}
_NAME_CACHE_LIMIT = 256
_LINE_CACHE: Dict[bytes, Tuple[bytes, bytes]] = {}
_LINE_CACHE_LIMIT = 512
_LONGEST_CACHED_LINE = 256
_BAD_LINE_BYTES = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_USUAL_METHODS = frozenset((b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH"))


class ProtocolError(ValueError):
    """The peer broke HTTP/1; the connection cannot be used any more.

    :param message: one line for the log and the error page
    :param status: the status that a server answers
    """

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class Limits(NamedTuple):
    """Largest sizes that a reader accepts (manual 3.1.3, ``protocol.http``).

    ``header`` is the limit of one header field, and of all fields of a head together.
    ``trailer`` also limits the line with the size of a chunk.
    """

    head_line: int = 8192
    header: int = 1048576
    header_count: int = 1024
    trailer: int = 8192
    trailer_count: int = 16


def field_name(name: bytes) -> bytes:
    """Return ``name`` in lower case.

    :raises ProtocolError: it is not a token (RFC 9110 5.1)
    """
    known = _NAME_CACHE.get(name)
    if known is not None:
        return known
    if not _TOKEN.fullmatch(name):
        raise ProtocolError("invalid header field name %r" % (name[:64],))
    lowered = name.lower()
    if len(_NAME_CACHE) < _NAME_CACHE_LIMIT:
        _NAME_CACHE[name] = lowered
    return lowered


def parse_fields(lines: Sequence[bytes]) -> Fields:
    """Return ``[(lower-case name, value)]`` of field lines without their line ends.

    :raises ProtocolError: a control character, a bare CR or LF, no colon, a blank before the colon, a folded line
        (RFC 9112 2.2, 5.1, 5.2; RFC 9110 5.5)
    """
    known = _LINE_CACHE.get
    return tuple([known(line) or _parse_line(line) for line in lines])


def _parse_line(line: bytes) -> Tuple[bytes, bytes]:
    """Return (name, value) of a field line, and remember it: clients send most lines again and again."""
    name, colon, value = line.partition(b":")
    if not colon or _BAD_LINE_BYTES.search(line):
        raise ProtocolError("invalid header line %r" % (line[:64],))
    field = _NAME_CACHE.get(name) or field_name(name), value.strip(b" \t")
    if len(line) <= _LONGEST_CACHED_LINE:
        if len(_LINE_CACHE) >= _LINE_CACHE_LIMIT:
            _LINE_CACHE.clear()
        _LINE_CACHE[line] = field
    return field


def combine(fields: Fields) -> Dict[bytes, bytes]:
    """Return ``{name: value}``; repeated fields are joined as RFC 9110 5.3 says.

    :raises ProtocolError: a field is repeated that may stand only once
    """
    combined: Dict[bytes, bytes] = dict(fields)
    if len(combined) == len(fields):
        return combined
    combined.clear()
    repeated: Dict[bytes, List[bytes]] = {}
    for name, value in fields:
        if name in combined:
            repeated.setdefault(name, [combined[name]]).append(value)
        else:
            combined[name] = value
    for name, values in repeated.items():
        if name in _SINGLE:
            raise ProtocolError("repeated header %s" % (name.decode("ascii"),))
        combined[name] = (b"; " if name == b"cookie" else b", ").join(values)
    return combined


def parse_block(block: bytes) -> Tuple[Fields, Dict[bytes, bytes]]:
    """Return (fields, combined fields) of the lines of a head behind its first one, as :func:`combine` joins them.

    :raises ProtocolError: a line is malformed
    """
    fields = parse_fields(block.split(b"\r\n")) if block else ()
    return fields, combine(fields)


def content_length(value: bytes) -> int:
    """Return the number in a Content-Length value; equal repetitions count as one.

    :raises ProtocolError: not a decimal number, or different numbers (RFC 9112 6.3)
    """
    if _LENGTH.fullmatch(value):
        return int(value)
    numbers = {part.strip(b" \t") for part in value.split(b",")}
    if len(numbers) != 1:
        raise ProtocolError("different content lengths %r" % (value[:64],))
    number = numbers.pop()
    if not _LENGTH.fullmatch(number):
        raise ProtocolError("invalid content length %r" % (value[:64],))
    return int(number)


def body_length(combined: Mapping[bytes, bytes], minor: int, codings: Collection[bytes] = ()) -> Optional[int]:
    """Return the length that the fields give, :data:`CHUNKED`, or None if they give none.

    :param combined: ``{name: value}`` of the head
    :param minor: 1 for HTTP/1.1, 0 for HTTP/1.0
    :param codings: transfer codings that are accepted before ``chunked``, in lower case
    :raises ProtocolError: both lengths, a coding in HTTP/1.0, or ``chunked`` is not once and last (RFC 9112 6.1); status 501
        for an unknown coding
    """
    coding = combined.get(b"transfer-encoding")
    length = combined.get(b"content-length")
    if coding is None:
        return None if length is None else content_length(length)
    if length is not None:
        raise ProtocolError("both Transfer-Encoding and Content-Length")
    if minor == 0:
        raise ProtocolError("Transfer-Encoding in HTTP/1.0")
    *before, last = transfer_codings(coding)
    if last != b"chunked" or b"chunked" in before:
        raise ProtocolError("transfer coding does not end with one chunked: %r" % (coding[:64],))
    if not all(one in codings for one in before):
        raise ProtocolError("unknown transfer coding %r" % (coding[:64],), 501)
    return CHUNKED


def transfer_codings(value: bytes) -> List[bytes]:
    """Return the transfer codings of a message in their order, in lower case."""
    return [one.strip(b" \t") for one in value.lower().split(b",")]


def keeps_alive(combined: Dict[bytes, bytes], minor: int) -> bool:
    """Tell whether the connection stays open after this message (RFC 9112 9.3)."""
    value = combined.get(b"connection")
    if value is None:
        return minor > 0
    options = [option.strip(b" \t") for option in value.lower().split(b",")]
    return b"close" not in options and (minor > 0 or b"keep-alive" in options)


def expects_continue(value: bytes, minor: int, length: int) -> bool:
    """Tell whether a client with this Expect header waits for 100 before it sends the body (RFC 9110 10.1.1).

    :param length: of the body, as :func:`body_length` returns it
    :raises ProtocolError: another expectation (status 417)
    """
    if value.lower() != b"100-continue":
        raise ProtocolError("unknown expectation %r" % (value[:64],), 417)
    return minor > 0 and length != 0


def parse_request_line(line: bytes) -> Tuple[bytes, bytes, int]:
    """Return (method, target, minor version) of ``METHOD target HTTP/1.x``.

    :raises ProtocolError: status 505 for another major version, else 400
    """
    parts = line.split(b" ")
    if len(parts) == 3 and parts[2] == b"HTTP/1.1" and parts[0] in _USUAL_METHODS and _TARGET.fullmatch(parts[1]):
        return parts[0], parts[1], 1
    found = _REQUEST_LINE.fullmatch(line)
    if found is None:
        raise ProtocolError("invalid request line %r" % (line[:64],))
    method, target, major, minor = found.groups()
    if major != b"1":
        raise ProtocolError("unsupported HTTP version %s" % (major.decode("ascii"),), 505)
    return method, target, 0 if minor == b"0" else 1


def parse_status_line(line: bytes) -> Tuple[int, bytes, int]:
    """Return (status, reason, minor version) of ``HTTP/1.x 200 reason``.

    :raises ProtocolError: not a status line of HTTP/1
    """
    found = _STATUS_LINE.fullmatch(line)
    if found is None or found.group(1) != b"1":
        raise ProtocolError("invalid status line %r" % (line[:64],))
    return int(found.group(3)), found.group(4) or b"", 0 if found.group(2) == b"0" else 1


@lru_cache(maxsize=64)
def _is_host(host: bytes) -> bool:
    return _HOST.fullmatch(host) is not None


def split_target(method: bytes, target: bytes, host: Optional[bytes]) -> Tuple[bytes, bytes]:
    """Return (host, path with query) of a request target (RFC 9112 3.2).

    :param host: value of the Host header or None; a target in absolute form replaces it
    :raises ProtocolError: the target or the host is malformed
    """
    if target[0] != 47:
        if method == b"CONNECT":
            host = host or target
        elif target != b"*" or method != b"OPTIONS":
            found = _ABSOLUTE_FORM.fullmatch(target)
            if found is None:
                raise ProtocolError("invalid request target %r" % (target[:64],))
            host = found.group(1)
            target = (found.group(2) or b"/") + (found.group(3) or b"")
    if host is not None and not _is_host(host):
        raise ProtocolError("invalid host %r" % (host[:64],))
    return host or b"", target


def chunk_size(line: bytes) -> int:
    """Return the size in a chunk's first line; extensions are ignored (RFC 9112 7.1).

    :raises ProtocolError: not a hexadecimal number, or control characters behind it
    """
    found = _CHUNK_LINE.fullmatch(line)
    if found is None:
        raise ProtocolError("invalid chunk size %r" % (line[:64],))
    return int(found.group(1), 16)


def check_field(name: bytes, value: bytes) -> None:
    """Raise ValueError for a field that must not be sent, e.g. one that would split the message."""
    if not _TOKEN.fullmatch(name):
        raise ValueError("invalid header field name %r" % (name[:64],))
    if BAD_HEAD_BYTES.search(value) or b"\r" in value or b"\n" in value:
        raise ValueError("invalid value of header %s: %r" % (name.decode("ascii"), value[:64]))
