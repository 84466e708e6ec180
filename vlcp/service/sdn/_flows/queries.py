"""Questions to a switch about what it holds, and their answers, as bytes (OpenFlow 1.3.5 section 7.3.5)."""

from __future__ import annotations

import struct
from typing import Iterable

from .decode import WireError
from .encode import ALL_TABLES, ANY, VERSION

_TYPE_MULTIPART_REQUEST = 18
_TYPE_BARRIER_REQUEST = 20
_FLOW, _AGGREGATE, _GROUP_DESC = 1, 2, 7
_MULTIPART = struct.Struct("!BBHIHHxxxx")
_FLOW_QUERY = struct.Struct("!BxxxIIxxxxQQ")
_MATCH_ALL = bytes((0, 1, 0, 4, 0, 0, 0, 0))
_MULTIPART_SIZE = 16
_BARRIER = struct.Struct("!BBHI").pack(VERSION, _TYPE_BARRIER_REQUEST, 8, 0)


def _flow_query(kind: int, table_id: int, cookie: int, mask: int) -> bytes:
    body = _FLOW_QUERY.pack(table_id, ANY, ANY, cookie, mask) + _MATCH_ALL
    return _MULTIPART.pack(VERSION, _TYPE_MULTIPART_REQUEST, _MULTIPART_SIZE + len(body), 0, kind, 0) + body


def flow_dump(table_id: int = ALL_TABLES) -> bytes:
    """Return the question for all rows of a table."""
    return _flow_query(_FLOW, table_id, 0, 0)


def flow_count(table_id: int = ALL_TABLES, cookie: int = 0, mask: int = 0) -> bytes:
    """Return the question for the number of rows of a table whose masked cookie is ``cookie``."""
    return _flow_query(_AGGREGATE, table_id, cookie, mask)


def group_dump() -> bytes:
    """Return the question for all groups."""
    return _MULTIPART.pack(VERSION, _TYPE_MULTIPART_REQUEST, _MULTIPART_SIZE, 0, _GROUP_DESC, 0)


def barrier() -> bytes:
    """Return a barrier request: what follows it is handled after what stands before it."""
    return _BARRIER


def reply_body(replies: Iterable[bytes]) -> bytes:
    """Return what the parts of one multipart reply carry, joined.

    :param replies: whole messages
    """
    return b"".join(reply[_MULTIPART_SIZE:] for reply in replies)


def counted(body: bytes) -> int:
    """Return the number of rows in the answer to :func:`flow_count`.

    :raises WireError: too short
    """
    if len(body) < 20:
        raise WireError(f"an aggregate of {len(body)} bytes")
    return int.from_bytes(body[16:20], "big")
