"""From the bytes of one OpenFlow message to its struct, and the short way for the messages that come most.

A full parse builds every nested struct. A packet-in is mostly read for its table, cookie, one or two match fields and the
packet; so messages of the frequent types become a :class:`LazyStruct`: its scalar fields are unpacked at once, lengths are
checked at once (so a bad message fails here, and not where it is read), match fields when they are read, and everything
else, for instance packing or dumping it, when it is needed. For its users it is the struct that a full parse gives.
"""

from __future__ import annotations

import struct
from typing import Any, Callable

from namedstruct.namedstruct import BadFormatError, BadLenError, InlineStruct, NamedStruct, ParseError

from vlcp.protocol._wire.ofstream import HEADER, HEADER_SIZE, Frame
from vlcp.protocol.openflow.defs import common, openflow10, openflow13

#: The constructor of NamedStruct wants a parser and would set what the classes here have already.
_empty = object.__new__
_PACKET_IN = struct.Struct(">IHBBQHH")
_FLOW_REMOVED = struct.Struct(">QHBBIIHHQQHH")
_ERROR = struct.Struct(">HH")
_U32 = struct.Struct(">I")


class LazyStruct(NamedStruct):
    """A struct that is parsed as far as it is read; see the subclasses for what is set from the start.

    ``_raw`` holds the bytes until the full parse; ``_makers`` maps further fields to functions that read them alone.
    """

    _parser: Any = None
    _raw: bytes | None = None
    _makers: dict[str, Callable[[Any], Any]] = {}

    @property
    def _target(self) -> NamedStruct:
        return self

    def __getattr__(self, name: str) -> Any:
        raw = self.__dict__.get("_raw")
        if raw is None:
            raise AttributeError(f"{name!r} is not defined")
        maker = self._makers.get(name)
        if maker is not None:
            value = self.__dict__[name] = maker(raw)
            return value
        self._parse_all(raw)
        return getattr(self, name)

    def _parse_all(self, raw: bytes) -> None:
        """Do the full parse in place; fields that were read or set before keep their objects and values."""
        attributes = self.__dict__
        attributes["_raw"] = None
        header = attributes.get("header")
        kept_header = dict(header.__dict__) if isinstance(header, InlineStruct) else {}
        kept = {name: value for name, value in attributes.items() if name[0] != "_"}
        self._create_embedded_indices()
        self._unpack(memoryview(raw))
        self._parser.subclass(self)
        attributes.update(kept)
        if isinstance(header, InlineStruct):
            header.__dict__.update(kept_header)


def _make_header(raw: bytes) -> InlineStruct:
    header = InlineStruct(None)
    header.version, header.type, header.length, header.xid = HEADER.unpack_from(raw)
    return header


class _LazyMessage(LazyStruct):
    _makers = {"header": _make_header}


class _LazyMultipart(_LazyMessage):
    """A multipart reply that is packed without being parsed, while nothing of it was changed.

    ``type`` and ``flags`` are set from the start.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        self.__dict__["_changed"] = True
        object.__setattr__(self, name, value)

    def _tobytes(self, skipprepack: bool = False) -> bytes:
        """Return the packed bytes: those that came, while nothing that could differ was handed out or set."""
        attributes = self.__dict__
        raw = attributes.get("_raw")
        if raw is None or "_changed" in attributes or "header" in attributes or any(map(attributes.__contains__, self._makers)):
            return super()._tobytes(skipprepack)
        return raw


class _LazyOxm(LazyStruct):
    """``header``, ``value`` and ``mask`` are set from the start."""


class _LazyMatch(LazyStruct):
    """``type`` and ``length`` are set from the start."""

    _makers = {"oxm_fields": lambda raw: _oxm_fields(raw)}


class _LazyPacketIn(_LazyMessage):
    """All fields but the header, the match and the packet are set from the start."""

    _makers = {
        "header": _make_header,
        "match": lambda raw: _match(raw, 24),
        "data": lambda raw: raw[_padded_end(raw, 24) + 2 :],
    }


class _LazyFlowRemoved(_LazyMessage):
    """All fields but the header and the match are set from the start."""

    _makers = {"header": _make_header, "match": lambda raw: _match(raw, 48)}


class _LazyEcho(_LazyMessage):
    _makers = {"header": _make_header, "data": lambda raw: raw[HEADER_SIZE:]}


class _LazyError(_LazyMessage):
    """``type`` and ``code`` are set from the start."""

    _makers = {"header": _make_header, "data": lambda raw: raw[12:]}


_LazyMessage._parser = common.ofp_msg.parser()
_LazyMatch._parser = openflow13.ofp_match.parser()
_LazyOxm._parser = openflow13.ofp_oxm.parser()


def _padded_end(raw: bytes, start: int) -> int:
    """Return where the match that begins at `start` ends, padding included."""
    length = raw[start + 2] << 8 | raw[start + 3]
    return start + (length + 7) // 8 * 8


def _match(raw: bytes, start: int) -> _LazyMatch:
    length = raw[start + 2] << 8 | raw[start + 3]
    match = _empty(_LazyMatch)
    match._raw, match.type, match.length = raw[start : start + length], 1, length
    return match


def _oxm_fields(raw: bytes) -> list[_LazyOxm]:
    fields, unpack = [], _U32.unpack_from
    start, end = 4, len(raw)
    while start < end:
        body = start + 4
        stop = body + raw[start + 3]
        oxm = _empty(_LazyOxm)
        oxm._raw = raw[start:stop]
        (oxm.header,) = unpack(raw, start)
        if raw[start + 2] & 1:
            half = (body + stop) // 2
            oxm.value, oxm.mask = raw[body:half], raw[half:stop]
        else:
            oxm.value = raw[body:stop]
        fields.append(oxm)
        start = stop
    return fields


def _check_match(raw: bytes, start: int, kind: int, length: int, end: int) -> bool:
    """Check the lengths of a match; return False when only a full parse can read it.

    :param start: where the match begins in `raw`
    :param end: where it has to end at last, padding included
    :raises BadLenError: when it or one of its fields is too short or too long
    """
    if length < 4 or start + (length + 7) // 8 * 8 > end:
        raise BadLenError(f"match of {length} bytes in {end - start}")
    if kind != 1:
        return False
    field, stop = start + 4, start + length
    while field < stop:
        if field + 4 > stop:
            raise BadLenError(f"match ends {stop - field} bytes into the header of a field")
        if raw[field] == raw[field + 1] == 0xFF:
            return False
        field += 4 + raw[field + 3]
    if field != stop:
        raise BadLenError(f"match field reaches {field - stop} bytes beyond its match")
    return True


def _packet_in(raw: bytes) -> NamedStruct | None:
    buffer_id, total_len, reason, table_id, cookie, kind, length = _PACKET_IN.unpack_from(raw, HEADER_SIZE)
    if not _check_match(raw, 24, kind, length, len(raw) - 2):
        return None
    message = _empty(_LazyPacketIn)
    message._raw = raw
    message.buffer_id = buffer_id
    message.total_len = total_len
    message.reason = reason
    message.table_id = table_id
    message.cookie = cookie
    return message


_FLOW_REMOVED_FIELDS = (
    "cookie priority reason table_id duration_sec duration_nsec idle_timeout hard_timeout packet_count byte_count"
).split()


def _flow_removed(raw: bytes) -> NamedStruct | None:
    values = _FLOW_REMOVED.unpack_from(raw, HEADER_SIZE)
    if not _check_match(raw, 48, values[10], values[11], len(raw)):
        return None
    message = _empty(_LazyFlowRemoved)
    message.__dict__.update(zip(_FLOW_REMOVED_FIELDS, values), _raw=raw)
    return message


def _echo(raw: bytes) -> NamedStruct:
    message = _empty(_LazyEcho)
    message.__dict__["_raw"] = raw
    return message


def _error(raw: bytes) -> NamedStruct | None:
    kind, code = _ERROR.unpack_from(raw, HEADER_SIZE)
    if kind in (common.OFPET_EXPERIMENTER, common.NXET_VENDOR):
        return None
    message = _empty(_LazyError)
    message.__dict__.update(_raw=raw, type=kind, code=code)
    return message


def _port_status(raw: bytes) -> NamedStruct:
    message = _empty(_LazyMessage)
    message.__dict__.update(_raw=raw, reason=raw[HEADER_SIZE])
    return message


def _header_only(raw: bytes) -> NamedStruct:
    message = _empty(_LazyMessage)
    message.__dict__["_raw"] = raw
    return message


#: (version, type) -> smallest size, and the short way for messages of at least this size.
_SHORT_WAYS: dict[tuple[int, int], tuple[int, Callable[[bytes], NamedStruct | None]]] = {
    (4, common.OFPT_ERROR): (12, _error),
    (4, common.OFPT_ECHO_REQUEST): (8, _echo),
    (4, common.OFPT_ECHO_REPLY): (8, _echo),
    (4, openflow13.OFPT_PACKET_IN): (34, _packet_in),
    (4, openflow13.OFPT_FLOW_REMOVED): (56, _flow_removed),
    (4, openflow13.OFPT_PORT_STATUS): (80, _port_status),
    (4, openflow13.OFPT_BARRIER_REPLY): (8, _header_only),
}
_FULL_PARSER = common.ofp_msg.parser()
#: Version -> message type of multipart replies (statistics replies in OpenFlow 1.0), and the bytes before their body.
MULTIPART_REPLIES = {1: (openflow10.OFPT_STATS_REPLY, 12), 4: (openflow13.OFPT_MULTIPART_REPLY, 16)}
_REPLY_MORE = 1


def is_multipart(frame: Frame) -> bool:
    """Tell whether a message is a multipart reply."""
    return MULTIPART_REPLIES[frame.version][0] == frame.type


def has_more(message: Any) -> bool:
    """Tell whether an answer is a multipart reply that is not the last one."""
    kind, _size = MULTIPART_REPLIES[message.header.version]
    return message.header.type == kind and bool(message.flags & _REPLY_MORE)


def decode_multipart(frame: Frame) -> NamedStruct:
    """Return the struct of a multipart reply whose body is parsed only when it is read.

    :raises BadLenError: when it is too short
    :raises ParseError: from reading its fields, when its body does not fit its type
    """
    if frame.length < MULTIPART_REPLIES[frame.version][1]:
        raise BadLenError(f"multipart reply of {frame.length} bytes")
    message = _empty(_LazyMultipart)
    kind, flags = _ERROR.unpack_from(frame.data, HEADER_SIZE)
    message.__dict__.update(_raw=frame.data, type=kind, flags=flags)
    return message


def decode(frame: Frame) -> NamedStruct:
    """Return the struct of one message.

    :raises namedstruct.namedstruct.ParseError: BadLenError or BadFormatError when the bytes do not form a message of
        their type, and when messages or parts of them nest too deeply
    """
    short = _SHORT_WAYS.get((frame.version, frame.type))
    if short is not None:
        size, way = short
        if frame.length < size:
            raise BadLenError(f"message of type {frame.type} has {frame.length} bytes, at least {size} are needed")
        message = way(frame.data)
        if message is not None:
            return message
    return decode_fully(frame.data)


def decode_fully(data: bytes) -> NamedStruct:
    """Return the struct of one whole message after a full parse; raises as :func:`decode`."""
    parsed = _FULL_PARSER.parse(memoryview(data))
    if parsed is None:
        raise BadLenError(f"message of {len(data)} bytes is not complete")
    return parsed[0]


__all__ = [
    "BadFormatError",
    "BadLenError",
    "LazyStruct",
    "ParseError",
    "decode",
    "decode_fully",
    "decode_multipart",
    "has_more",
    "is_multipart",
]
