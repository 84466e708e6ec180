"""ZooKeeper packets without I/O: framing, the xids of one connection, and a fast form of requests and replies.

A packet is a 4 byte length and a record. Records are usually built from the structs of ``vlcp.utils.zookeeper``; who
sends many requests uses the functions ``*_call`` here, which make the same bytes some twenty times faster. A reply
does not say what it holds; :class:`Exchange` remembers for each xid who waits for it.
"""

from __future__ import annotations

import struct
from collections import deque
from typing import Any, Callable, Deque, Dict, List, NamedTuple, Optional, Sequence, Tuple

#: Packets of this size and above are refused by servers (``jute.maxbuffer``)
MAX_REQUEST = 0xFFFFF

CREATE, DELETE, EXISTS, GETDATA, SETDATA, SYNC, PING, GETCHILDREN2, CHECK, MULTI = 1, 2, 3, 4, 5, 9, 11, 12, 13, 14
CLOSE, AUTH, SETWATCHES = -11, 100, 101
WATCHER_XID, PING_XID, AUTH_XID, SETWATCHES_XID = -1, -2, -4, -8
_SPECIAL = (PING_XID, AUTH_XID, SETWATCHES_XID)
_LAST_XID = 0x7FFFFFFF
OK, NONODE, NODEEXISTS, NOTEMPTY, RUNTIMEINCONSISTENCY, SESSIONEXPIRED = 0, -101, -110, -111, -2, -112
EPHEMERAL, SEQUENCE = 1, 2

_INT = struct.Struct(">i")
_HEADER = struct.Struct(">iii")
_REPLY = struct.Struct(">iqi")
_PART = struct.Struct(">i?i")
_STAT = struct.Struct(">qqqqiiiqiiq")
_OPEN_ACL = struct.pack(">ii", 1, 31) + struct.pack(">i5si6s", 5, b"world", 6, b"anyone")
_MULTI_END = _PART.pack(-1, True, -1)
_LENGTH_SIZE = 4


class JuteError(ValueError):
    """The bytes are not what ZooKeeper sends."""


class Stat(NamedTuple):
    """What the server knows of a node; times are milliseconds since 1970."""

    czxid: int
    mzxid: int
    ctime: int
    mtime: int
    version: int
    cversion: int
    aversion: int
    ephemeral_owner: int
    data_length: int
    num_children: int
    pzxid: int


class Reply(NamedTuple):
    """Answer to a :class:`Call`: zxid of the state that it shows, error code (0: none), and what the call asks for."""

    zxid: int
    err: int
    value: Any


class Call:
    """One request.

    :ivar kind: operation code
    :ivar body: the record after the header
    :ivar read: function ``read(reader)`` that returns the value of a reply
    :ivar watch: kind of the watch that it sets, ``data``, ``exist`` or ``child``; or None
    :ivar path: the path of the watch
    """

    __slots__ = ("body", "kind", "path", "read", "watch")

    def __init__(
        self,
        kind: int,
        body: bytes,
        read: Callable[[Reader], Any],
        watch: Optional[str] = None,
        path: str = "",
    ) -> None:
        self.kind = kind
        self.body = body
        self.read = read
        self.watch = watch
        self.path = path

    def pack(self, xid: int) -> bytes:
        """Return the packet."""
        return _HEADER.pack(len(self.body) + 8, xid, self.kind) + self.body


class Reader:
    """Reads fields one after another from a record.

    :param data: the record
    :param start: where to begin
    """

    __slots__ = ("data", "start")

    def __init__(self, data: bytes, start: int = 0) -> None:
        self.data = data
        self.start = start

    def unpack(self, layout: struct.Struct) -> Tuple:
        """Return the fields of ``layout``.

        :raises JuteError: the record ends before them
        """
        start = self.start
        if start + layout.size > len(self.data):
            raise JuteError("record of %d bytes is cut off" % (len(self.data),))
        self.start = start + layout.size
        return layout.unpack_from(self.data, start)

    def buffer(self) -> Optional[bytes]:
        """Return bytes, None for null.

        :raises JuteError: their length is wrong
        """
        (size,) = self.unpack(_INT)
        if size == -1:
            return None
        begin, end = self.start, self.start + size
        if size < 0 or end > len(self.data):
            raise JuteError("string of %d bytes in a record of %d" % (size, len(self.data)))
        self.start = end
        return self.data[begin:end]

    def string(self) -> str:
        """Return a string, '' for null.

        :raises JuteError: it is not UTF-8, or its length is wrong
        """
        try:
            return (self.buffer() or b"").decode("utf-8")
        except UnicodeDecodeError as error:
            raise JuteError("string is not UTF-8: %s" % (error,)) from error

    def strings(self) -> List[str]:
        """Return a vector of strings.

        :raises JuteError: it is cut off, or its length is negative
        """
        (count,) = self.unpack(_INT)
        if count < -1 or count * _LENGTH_SIZE > len(self.data):
            raise JuteError("vector of %d strings in a record of %d bytes" % (count, len(self.data)))
        data, start, end = self.data, self.start, len(self.data)
        found, unpack = [], _INT.unpack_from
        try:
            for _ in range(count):
                (size,) = unpack(data, start)
                start += _LENGTH_SIZE + size
                if size < 0 or start > end:
                    raise JuteError("string of %d bytes in a record of %d" % (size, end))
                found.append(str(data[start - size : start], "utf-8"))
        except struct.error as error:
            raise JuteError("vector of %d strings is cut off" % (count,)) from error
        except UnicodeDecodeError as error:
            raise JuteError("string is not UTF-8: %s" % (error,)) from error
        self.start = start
        return found

    def stat(self) -> Stat:
        """Return a :class:`Stat`."""
        return Stat._make(self.unpack(_STAT))


def _pack_string(text: str) -> bytes:
    data = text.encode("utf-8")
    return _INT.pack(len(data)) + data


def _pack_buffer(data: Optional[bytes]) -> bytes:
    return _INT.pack(-1) if data is None else _INT.pack(len(data)) + data


def _nothing(reader: Reader) -> None:
    return None


def _data_and_stat(reader: Reader) -> Tuple[bytes, Stat]:
    return reader.buffer() or b"", reader.stat()


def _children_and_stat(reader: Reader) -> Tuple[List[str], Stat]:
    return reader.strings(), reader.stat()


def _read_part(reader: Reader, kind: int, err: int) -> Any:
    if kind == CREATE:
        return reader.string()
    if kind == SETDATA:
        return reader.stat()
    if kind == -1:
        return PartError(reader.unpack(_INT)[0])
    if kind in (DELETE, CHECK):
        return None
    raise JuteError("unknown part %d of a multi reply" % (kind,))


class PartError(NamedTuple):
    """Result of a part of a multi request that failed: of the part to blame, or 0 or -2 for the parts beside it."""

    err: int


def _parts(reader: Reader) -> List[Any]:
    result: List[Any] = []
    while True:
        kind, done, err = reader.unpack(_PART)
        if done:
            return result
        result.append(_read_part(reader, kind, err))


def multi_error(reply: Reply) -> Tuple[int, Optional[int]]:
    """Return (error code, number of the part to blame) of the reply to a multi call; (0, None) if it was carried out."""
    if reply.err:
        return reply.err, None
    for number, part in enumerate(reply.value):
        if isinstance(part, PartError) and part.err not in (OK, RUNTIMEINCONSISTENCY):
            return part.err, number
    return OK, None


class Part(NamedTuple):
    """A part of a multi call: operation code and record."""

    kind: int
    body: bytes


def create_part(path: str, data: bytes = b"", flags: int = 0) -> Part:
    """Create a node that is open to everybody; ``flags`` are :data:`EPHEMERAL` and :data:`SEQUENCE`."""
    return Part(CREATE, _pack_string(path) + _pack_buffer(data) + _OPEN_ACL + _INT.pack(flags))


def delete_part(path: str, version: int = -1) -> Part:
    """Delete a node."""
    return Part(DELETE, _pack_string(path) + _INT.pack(version))


def setdata_part(path: str, data: bytes = b"", version: int = -1) -> Part:
    """Write the content of a node."""
    return Part(SETDATA, _pack_string(path) + _pack_buffer(data) + _INT.pack(version))


_PART_READERS = {CREATE: Reader.string, SETDATA: Reader.stat, DELETE: _nothing}


def part_call(part: Part) -> Call:
    """Return a part as a request of its own. Value: the path of what was created, or the stat of what was written."""
    return Call(part.kind, part.body, _PART_READERS[part.kind])


def multi_call(parts: Sequence[Part]) -> Call:
    """Return a request that carries out all parts or none. Value: a list, see :func:`multi_error`."""
    body = b"".join([_PART.pack(part.kind, False, -1) + part.body for part in parts])
    return Call(MULTI, body + _MULTI_END, _parts)


def exists_call(path: str) -> Call:
    """Return a request for the :class:`Stat` of a node."""
    return Call(EXISTS, _pack_string(path) + b"\0", Reader.stat)


def getdata_call(path: str, watch: bool = False) -> Call:
    """Return a request for (content, :class:`Stat`) of a node."""
    body = _pack_string(path) + (b"\1" if watch else b"\0")
    return Call(GETDATA, body, _data_and_stat, "data" if watch else None, path)


def children_call(path: str, watch: bool = False) -> Call:
    """Return a request for (names of the children, :class:`Stat`) of a node."""
    body = _pack_string(path) + (b"\1" if watch else b"\0")
    return Call(GETCHILDREN2, body, _children_and_stat, "child" if watch else None, path)


def sync_call(path: str) -> Call:
    """Return a request after which what was written before is seen."""
    return Call(SYNC, _pack_string(path), Reader.string)


PING_CALL = Call(PING, b"", _nothing)
CLOSE_CALL = Call(CLOSE, b"", _nothing)


def split_packets(data: Any, limit: int) -> Tuple[List[bytes], int]:
    """Cut whole packets out of a receive buffer.

    :param data: bytes or memoryview, beginning with the length of a packet
    :param limit: greatest length of a packet in bytes
    :return: the packets without their lengths, and the number of bytes they use with them
    :raises JuteError: a length is negative or above ``limit``
    """
    packets: List[bytes] = []
    start, end = 0, len(data)
    while end - start >= _LENGTH_SIZE:
        (size,) = _INT.unpack_from(data, start)
        if size < 0 or size > limit:
            raise JuteError("packet of %d bytes, the limit is %d" % (size, limit))
        if end - start - _LENGTH_SIZE < size:
            break
        packets.append(bytes(data[start + _LENGTH_SIZE : start + _LENGTH_SIZE + size]))
        start += _LENGTH_SIZE + size
    return packets, start


class ReplyHead(NamedTuple):
    """Header of a reply."""

    xid: int
    zxid: int
    err: int


def read_head(packet: bytes) -> ReplyHead:
    """Return the header of a packet.

    :raises JuteError: the packet is too short
    """
    if len(packet) < _REPLY.size:
        raise JuteError("reply of %d bytes" % (len(packet),))
    return ReplyHead._make(_REPLY.unpack_from(packet))


def read_reply(call: Call, head: ReplyHead, packet: bytes) -> Reply:
    """Return the reply to a call.

    :raises JuteError: the packet does not hold what it should
    """
    if head.err:
        return Reply(head.zxid, head.err, None)
    return Reply(head.zxid, OK, call.read(Reader(packet, _REPLY.size)))


class Exchange:
    """Who waits for which reply on one connection.

    Replies come in the order of the requests, but those to pings, authentication and set-watches, which have an xid
    for their kind, come when they come.
    """

    def __init__(self) -> None:
        self._last = 0
        self._waiting: Deque[Tuple[int, Any]] = deque()
        self._special: Dict[int, Deque[Any]] = {xid: deque() for xid in _SPECIAL}

    def __len__(self) -> int:
        return len(self._waiting) + sum(len(queue) for queue in self._special.values())

    def next_xid(self) -> int:
        """Return a new xid; numbers begin with 1 and start again after 2**31 - 1."""
        self._last = 1 if self._last >= _LAST_XID else self._last + 1
        return self._last

    def sent(self, xid: int, waiter: Any) -> None:
        """Remember that a request went out."""
        queue = self._special.get(xid)
        if queue is None:
            self._waiting.append((xid, waiter))
        else:
            queue.append(waiter)

    def received(self, xid: int) -> Any:
        """Return the waiter for a reply.

        :raises JuteError: this is not the next reply
        """
        queue = self._special.get(xid)
        if queue is not None:
            if not queue:
                raise JuteError("reply to a request %d that was not sent" % (xid,))
            return queue.popleft()
        if not self._waiting or self._waiting[0][0] != xid:
            expected = self._waiting[0][0] if self._waiting else "none"
            raise JuteError("reply to request %d, expected %s" % (xid, expected))
        return self._waiting.popleft()[1]

    def lost(self) -> List[Any]:
        """Return all waiters and forget them: nothing more comes."""
        waiters = [waiter for _, waiter in self._waiting]
        for queue in self._special.values():
            waiters.extend(queue)
            queue.clear()
        self._waiting.clear()
        return waiters
