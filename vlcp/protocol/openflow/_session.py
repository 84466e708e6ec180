"""What an OpenFlow connection knows between two messages, without I/O: set-up state, numbers, and open requests."""

from __future__ import annotations

import random
import struct
from typing import Any, Iterable, Iterator

from vlcp.protocol._wire.ofstream import HEADER_SIZE, Frame, set_xid
from vlcp.protocol.openflow._handshake import State

MAX_XID = 0xFFFFFFFF
#: Bytes of messages that are kept until a connection is set up.
MAX_KEPT = 4 << 20
#: Parts of one multipart reply that are accepted.
MAX_PARTS = 10000

_EXPERIMENTER = 4
_ONF, _BUNDLE_ADD = 0x4F4E4600, 2301
_EXPERIMENTER_FIELDS = struct.Struct(">II")
_INNER_XID = 28


class Collector:
    """Gathers the answers to several requests that end with one barrier.

    Attributes: ``errors`` and ``replies``, key -> message, where a second reply turns the value into a list; ``order``,
    all messages as they came.

    :param keys: transaction number -> key under which its answers are filed
    :param unparsed: whether multipart replies are left as bytes until somebody reads them
    """

    def __init__(self, keys: dict[int, Any], unparsed: bool = False) -> None:
        self.keys = keys
        self.unparsed = unparsed
        self.errors: dict[Any, Any] = {}
        self.replies: dict[Any, Any] = {}
        self.order: list[Any] = []

    def add(self, xid: int, message: Any, iserror: bool) -> None:
        """File an answer; of several errors for one request the first stays.

        :raises ValueError: more than :data:`MAX_PARTS` answers to one request
        """
        key = self.keys[xid]
        self.order.append(message)
        if iserror:
            self.errors.setdefault(key, message)
        elif key not in self.replies:
            self.replies[key] = message
        elif isinstance(self.replies[key], list):
            if len(self.replies[key]) >= MAX_PARTS:
                raise ValueError(f"more than {MAX_PARTS} answers to the request with number {xid}")
            self.replies[key].append(message)
        else:
            self.replies[key] = [self.replies[key], message]


class Session:
    """One session of a connection, from hello to the end.

    Attributes: ``state`` (:class:`State`), ``version`` (None until it is negotiated), ``refused`` (the peer offers no
    common version; what it sends is ignored), ``closed``.

    :param first_xid: first transaction number; None for a random one from 1 to 256
    """

    def __init__(self, first_xid: int | None = None) -> None:
        self.state = State.HELLO
        self.version: int | None = None
        self.refused = False
        self.closed = False
        self._xid = (random.randint(1, 256) if first_xid is None else first_xid) - 1
        self._kept: list[Frame] = []
        self._kept_size = 0
        self._collectors: dict[int, Collector] = {}
        self._asked: set[int] = set()

    def next_xid(self) -> int:
        """Return the next transaction number: 1 to 0xffffffff, then from 1 again."""
        self._xid = self._xid % MAX_XID + 1
        return self._xid

    def keep(self, frame: Frame) -> bool:
        """Keep a message until the set-up; return False when there are too many."""
        self._kept_size += frame.length
        self._kept.append(frame)
        return self._kept_size <= MAX_KEPT

    def take_kept(self) -> list[Frame]:
        """Return the messages that came before the set-up, and forget them."""
        kept, self._kept, self._kept_size = self._kept, [], 0
        return kept

    def ask(self, xid: int) -> None:
        """Note a request that is sent, so that an experimenter message with its number counts as its answer."""
        self._asked.add(xid)

    def answered(self, xid: int) -> None:
        """End :meth:`ask`."""
        self._asked.discard(xid)

    def is_asked(self, xid: int) -> bool:
        """Tell whether a request with this transaction number is waiting."""
        return xid in self._asked

    def collect(self, collector: Collector) -> None:
        """Give the answers to the requests of `collector` to it, until :meth:`release`."""
        self._collectors.update(dict.fromkeys(collector.keys, collector))

    def release(self, collector: Collector) -> None:
        """End :meth:`collect`."""
        for xid in collector.keys:
            if self._collectors.get(xid) is collector:
                del self._collectors[xid]

    def collector(self, xid: int) -> Collector | None:
        """Return who collects the answers with this transaction number, or None."""
        return self._collectors.get(xid)


def number(messages: Iterable[bytes], session: Session, xid_of: dict[int, int] | None = None) -> Iterator[tuple]:
    """Yield (transaction number, bytes) for each message, with fresh numbers written into it.

    The message inside an ONF bundle-add (OpenFlow extension 230) gets the number of the message around it.

    :param messages: whole messages; their transaction numbers do not matter
    :param xid_of: index -> index of an earlier message whose number is used; None for none
    :raises ValueError: when something is not exactly one message, or `xid_of` names a later one
    """
    xids: list[int] = []
    for index, message in enumerate(messages):
        same = (xid_of or {}).get(index)
        if same is not None and not 0 <= same < index:
            raise ValueError(f"message {index} cannot have the number of message {same}")
        xid = session.next_xid() if same is None else xids[same]
        xids.append(xid)
        yield xid, _number_one(message, xid)


def _number_one(message: bytes, xid: int) -> bytes:
    numbered = set_xid(message, xid)
    if len(message) >= _INNER_XID + 4 and message[1] == _EXPERIMENTER:
        if _EXPERIMENTER_FIELDS.unpack_from(message, HEADER_SIZE) == (_ONF, _BUNDLE_ADD):
            return numbered[:_INNER_XID] + numbered[4:8] + numbered[_INNER_XID + 4 :]
    return numbered


def in_chunks(messages: list[bytes], count: int) -> Iterator[bytes]:
    """Yield `messages` joined, at most `count` of them at a time."""
    for start in range(0, len(messages), count):
        yield b"".join(messages[start : start + count])
