"""The set-up of an OpenFlow connection as values in, values out (OpenFlow 1.3.5, 6.3.1 and 7.5.1).

States and what a message does in each::

    state            HELLO      ERROR   FEATURES_REPLY   ECHO_REQUEST   any other
    HELLO            negotiate  refuse  refuse           refuse         refuse
    FEATURES         ignore     refuse  set up           answer         keep until set up
    READY            ignore     deliver deliver          answer         deliver
"""

from __future__ import annotations

import struct
from enum import Enum
from typing import Iterable, NamedTuple

from vlcp.protocol._wire.ofstream import HEADER_SIZE, pack_header

HELLO, ERROR, ECHO_REQUEST, ECHO_REPLY, EXPERIMENTER, FEATURES_REQUEST, FEATURES_REPLY = range(7)
HELLO_FAILED, INCOMPATIBLE = 0, 0
BAD_REQUEST, BAD_VERSION, BAD_TYPE, BAD_LEN = 1, 0, 1, 6
_VERSION_BITMAP = 1
#: Versions fit into one byte, so more than eight words of bitmap say nothing.
_MAX_BITMAP_WORDS = 8
#: Bytes of a refused message that go back in an error message.
_ERROR_DATA = 64

#: Version numbers of the specification by their wire number.
VERSION_NAMES = {1: "1.0", 2: "1.1", 3: "1.2", 4: "1.3", 5: "1.4", 6: "1.5"}


class State(Enum):
    """How far the set-up of a connection is."""

    HELLO = "waiting for hello"
    FEATURES = "waiting for features"
    READY = "set up"


class Step(Enum):
    """What to do with a message."""

    NEGOTIATE = "negotiate"
    REFUSE = "refuse"
    SET_UP = "set up"
    ANSWER = "answer"
    KEEP = "keep"
    DELIVER = "deliver"
    IGNORE = "ignore"


_STEPS = {
    State.HELLO: ({HELLO: Step.NEGOTIATE}, Step.REFUSE),
    State.FEATURES: (
        {
            HELLO: Step.IGNORE,
            ERROR: Step.REFUSE,
            FEATURES_REPLY: Step.SET_UP,
            ECHO_REQUEST: Step.ANSWER,
        },
        Step.KEEP,
    ),
    State.READY: ({HELLO: Step.IGNORE, ECHO_REQUEST: Step.ANSWER}, Step.DELIVER),
}


def next_step(state: State, message_type: int) -> Step:
    """Return what to do with a message of this type in this state."""
    special, default = _STEPS[state]
    return special.get(message_type, default)


class Hello(NamedTuple):
    """What a HELLO says: the version in its header, and the versions in its bitmap (None without a bitmap)."""

    version: int
    bitmap: frozenset[int] | None


def read_hello(message: bytes) -> Hello:
    """Return what a HELLO says. Elements of other kinds, and what is left of a damaged element, are passed over.

    :param message: the whole message; a body that no version defines is allowed, as 6.3.1 demands
    """
    start, end, versions = HEADER_SIZE, len(message), None
    while end - start >= 4:
        kind, length = struct.unpack_from(">HH", message, start)
        if length < 4 or start + length > end:
            break
        if kind == _VERSION_BITMAP and versions is None:
            versions = _bitmap_versions(message[start + 4 : start + length])
        start += (length + 7) // 8 * 8
    return Hello(message[0], versions)


def _bitmap_versions(data: bytes) -> frozenset[int]:
    words = struct.unpack_from(f">{min(len(data) // 4, _MAX_BITMAP_WORDS)}I", data)
    return frozenset(32 * index + bit for index, word in enumerate(words) for bit in range(32) if word >> bit & 1)


def write_hello(allowed: Iterable[int], xid: int) -> bytes:
    """Return the HELLO for these wire versions: the highest in its header, all of them in its bitmap.

    :raises ValueError: without any version
    """
    versions = set(allowed)
    if not versions:
        raise ValueError("no OpenFlow version is allowed")
    words = [0] * (max(versions) // 32 + 1)
    for version in versions:
        words[version // 32] |= 1 << version % 32
    length = 4 + 4 * len(words)
    element = struct.pack(f">HH{len(words)}I", _VERSION_BITMAP, length, *words) + bytes(-length % 8)
    return pack_header(max(versions), HELLO, xid, element)


def choose_version(allowed: Iterable[int], hello: Hello) -> int | None:
    """Return the wire version for a connection, or None when there is none that both sides speak.

    With a bitmap it is the highest common version; without one, the smaller of the two header versions, if allowed.
    """
    versions = set(allowed)
    if hello.bitmap is not None:
        return max(versions & hello.bitmap, default=None)
    lower = min(max(versions, default=0), hello.version)
    return lower if lower in versions else None


def incompatible_text(allowed: Iterable[int], hello: Hello) -> str:
    """Return why no version fits, for a log line and for the peer."""
    offered = sorted(hello.bitmap) if hello.bitmap is not None else [hello.version]
    return f"supported versions: {_names(sorted(allowed))}; offered: {_names(offered)}"


def _names(versions: Iterable[int]) -> str:
    return ", ".join(VERSION_NAMES.get(version, f"wire {version}") for version in versions) or "none"


def hello_failed(allowed: Iterable[int], hello: Hello, xid: int) -> bytes:
    """Return the error message for a HELLO that offers no common version; its text is ASCII and ends in a zero byte."""
    text = incompatible_text(allowed, hello).encode("ascii") + b"\0"
    version = min(max(allowed, default=1), hello.version) or 1
    return pack_header(version, ERROR, xid, struct.pack(">HH", HELLO_FAILED, INCOMPATIBLE) + text)


def bad_request(version: int, code: int, message: bytes, xid: int) -> bytes:
    """Return the error message for a message that is refused; it carries the first 64 bytes of it.

    :param version: wire version that was negotiated
    :param code: :data:`BAD_VERSION`, :data:`BAD_TYPE` or :data:`BAD_LEN`
    """
    body = struct.pack(">HH", BAD_REQUEST, code) + message[:_ERROR_DATA]
    return pack_header(version, ERROR, xid, body)
