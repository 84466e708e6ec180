"""Conditional and range requests for a file: which answer a GET or HEAD gets (RFC 9110, 13 and 14). No I/O."""

from __future__ import annotations

import re
from email.utils import formatdate, parsedate_to_datetime
from typing import Mapping, NamedTuple, Optional, Tuple

_TAG = re.compile(rb'(?:W/)?"[^"]*"')
_RANGE = re.compile(rb"(?i)bytes[ \t]*=[ \t]*(?:([0-9]{1,18})-([0-9]{0,18})|-([0-9]{1,18}))")


class FileState(NamedTuple):
    """What tells whether a file is still the same; ``mtime_ns`` are nanoseconds since 1970."""

    inode: int
    mtime_ns: int
    size: int

    @property
    def etag(self) -> bytes:
        """The strong validator."""
        return b'"vlcp-%x-%x-%x"' % (self.inode, self.mtime_ns & 0xFFFFFFFFFFFFFFFF, self.size)

    @property
    def last_modified(self) -> int:
        """Whole seconds since 1970."""
        return self.mtime_ns // 1000000000

    @property
    def last_modified_line(self) -> bytes:
        """Value of the Last-Modified header."""
        return formatdate(self.last_modified, usegmt=True).encode("ascii")


class Decision(NamedTuple):
    """The answer: ``length`` bytes from ``start`` with status 200 or 206; or 304, 412, 416 without the file."""

    status: int
    start: int = 0
    length: int = 0


def decide(method: bytes, fields: Mapping[bytes, bytes], state: FileState, etag: Optional[bytes], ranges: bool) -> Decision:
    """Return how to answer a request for a file, in the order of RFC 9110 13.2.2.

    :param method: ``b'GET'`` or ``b'HEAD'``
    :param fields: ``{lower-case name: value}`` of the request
    :param etag: validator that the file is sent with; None for none
    :param ranges: ranges are served
    """
    match, none_match = fields.get(b"if-match"), fields.get(b"if-none-match")
    if match is not None:
        if not _lists(match, etag, True):
            return Decision(412)
    elif _is_newer(state, fields.get(b"if-unmodified-since")):
        return Decision(412)
    if none_match is not None:
        if _lists(none_match, etag, False):
            return Decision(304)
    elif _is_newer(state, fields.get(b"if-modified-since")) is False:
        return Decision(304)
    wanted = fields.get(b"range")
    if ranges and wanted is not None and method == b"GET" and _range_holds(fields.get(b"if-range"), state, etag):
        return _range(wanted, state.size)
    return Decision(200, 0, state.size)


def _lists(value: bytes, etag: Optional[bytes], strong: bool) -> bool:
    """Tell whether a list of validators has ``etag``; ``*`` stands for any (RFC 9110 8.8.3.2)."""
    if value.strip() == b"*":
        return True
    if etag is None:
        return False
    listed = _TAG.findall(value)
    return etag in listed or (not strong and b"W/" + etag in listed)


def _date(value: Optional[bytes]) -> Optional[int]:
    if value is None:
        return None
    try:
        return int(parsedate_to_datetime(value.decode("ascii")).timestamp())
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def _is_newer(state: FileState, value: Optional[bytes]) -> Optional[bool]:
    """Tell whether a file was changed after a date; None if there is no valid date."""
    date = _date(value)
    return None if date is None else state.last_modified > date


def _range_holds(value: Optional[bytes], state: FileState, etag: Optional[bytes]) -> bool:
    """Tell whether an If-Range allows a part of the file (RFC 9110 13.1.5)."""
    if value is None:
        return True
    if value.startswith((b'"', b"W/")):
        return value.strip() == etag
    return _date(value) == state.last_modified


def _range(value: bytes, size: int) -> Decision:
    """Return the answer to a Range header; several or malformed ranges get the whole file (RFC 9110 14.2)."""
    bounds = _bounds(value, size)
    if bounds is None:
        return Decision(200, 0, size)
    first, last = bounds
    if first > last:
        return Decision(416)
    return Decision(206, first, last - first + 1)


def _bounds(value: bytes, size: int) -> Optional[Tuple[int, int]]:
    """Return (first, last) byte, first > last if nothing of it is there, or None for the whole file."""
    found = _RANGE.fullmatch(value.strip())
    if found is None:
        return None
    if found.group(3) is not None:
        count = min(int(found.group(3)), size)
        return size - count, size - 1
    first = int(found.group(1))
    if not found.group(2):
        return first, size - 1
    last = int(found.group(2))
    return None if last < first else (first, min(last, size - 1))
