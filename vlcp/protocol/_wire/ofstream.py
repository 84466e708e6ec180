"""OpenFlow message framing (OpenFlow 1.3.5, 7.1): where one message ends and the next begins."""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

HEADER = struct.Struct(">BBHI")
HEADER_SIZE = HEADER.size
#: The largest length that a header can carry.
MAX_SIZE = 0xFFFF

_XID = struct.Struct(">I")
_XID_OFFSET = 4


class OpenflowFramingError(ValueError):
    """The bytes cannot be cut into OpenFlow messages."""


class Frame(NamedTuple):
    """One whole message: the four fields of its header, and all of its bytes."""

    version: int
    type: int
    length: int
    xid: int
    data: bytes


def split_messages(data: Any, max_size: int = MAX_SIZE) -> tuple[list[Frame], int]:
    """Cut the messages out of a receive buffer.

    :param data: bytes or memoryview, beginning with a header
    :param max_size: longest message in bytes that is accepted
    :return: the complete messages, and the number of bytes they use; the rest belongs to a message that is not complete
    :raises OpenflowFramingError: for a length below 8 or above `max_size`
    """
    frames: list[Frame] = []
    start, end = 0, len(data)
    while end - start >= HEADER_SIZE:
        version, kind, length, xid = HEADER.unpack_from(data, start)
        if length < HEADER_SIZE or length > max_size:
            raise OpenflowFramingError(f"message length {length} is outside {HEADER_SIZE} to {max_size}")
        if end - start < length:
            break
        frames.append(Frame(version, kind, length, xid, bytes(data[start : start + length])))
        start += length
    return frames, start


def pack_header(version: int, kind: int, xid: int, body: bytes = b"") -> bytes:
    """Return a whole message from the fields of its header and its body.

    :raises OpenflowFramingError: when the body is too long for one message
    """
    length = HEADER_SIZE + len(body)
    if length > MAX_SIZE:
        raise OpenflowFramingError(f"message of {length} bytes is longer than {MAX_SIZE}")
    return HEADER.pack(version, kind, length, xid) + body


def set_xid(message: bytes, xid: int) -> bytes:
    """Return `message` with another transaction number.

    :raises OpenflowFramingError: when `message` is not exactly one message
    """
    if len(message) < HEADER_SIZE or HEADER.unpack_from(message)[2] != len(message):
        raise OpenflowFramingError(f"not one whole message: {bytes(message[:HEADER_SIZE])!r} and {len(message)} bytes")
    return message[:_XID_OFFSET] + _XID.pack(xid) + message[HEADER_SIZE:]
