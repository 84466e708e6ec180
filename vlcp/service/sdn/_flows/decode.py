"""OpenFlow 1.3 bytes -> matches, actions and flow entries as values.

Used for two things: structures that network drivers give (``createioflowparts``) become parts of rows, and a dump of
the switch becomes comparable with what was sent. Both sides of a comparison go through :func:`canonical_match` and
:func:`canonical_instructions`, so it does not matter how a switch orders or spells what it was told.
"""

from __future__ import annotations

import struct
from typing import Any, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from .fields import BY_WIRE, Field
from .spec import Action, Match, sort_match

_OXM_EXPERIMENTER = 0xFFFF
_NX_VENDOR = 0x2320
_ENTRY = struct.Struct("!HBxIIHHHHxxxxQQQ")
_GROUP_ENTRY = struct.Struct("!HBxI")
_BUCKET_SIZE = 16
_APPLY, _CLEAR, _WRITE_METADATA, _GOTO = 4, 5, 2, 1


class WireError(ValueError):
    """Bytes are not what OpenFlow says they should be."""


class Entry(NamedTuple):
    """One row of a flow dump. ``match`` and ``instructions`` are bytes as the switch sent them."""

    table_id: int
    priority: int
    cookie: int
    idle_s: int
    hard_s: int
    flags: int
    match: bytes
    instructions: bytes

    @property
    def digest(self) -> Tuple[Any, ...]:
        """All of the row but its counters: equal for two dumps of an unchanged row."""
        return self


def read_oxms(data: bytes) -> Iterator[Tuple[Optional[Field], bytes, int, Optional[int]]]:
    """Yield ``(field or None, header bytes, value, mask or None)`` of a list of conditions.

    :raises WireError: lengths do not fit
    """
    position = 0
    while position < len(data):
        if position + 4 > len(data):
            raise WireError("a match ends inside the header of a condition")
        header = data[position : position + 4]
        size = header[3]
        payload = data[position + 4 : position + 4 + size]
        if len(payload) < size:
            raise WireError("a match ends inside a condition")
        position += 4 + size
        oxm_class, number, masked = header[0] << 8 | header[1], header[2] >> 1, header[2] & 1
        half = size // 2 if masked else size
        value = int.from_bytes(payload[:half], "big")
        mask = int.from_bytes(payload[half:], "big") if masked else None
        field = None if oxm_class == _OXM_EXPERIMENTER else BY_WIRE.get((oxm_class, number))
        yield field, header, value, mask


def match_of_oxms(data: bytes) -> Match:
    """Return conditions as a match of rows.

    :raises WireError: lengths do not fit, or a field that rows have no name for
    """
    rows = []
    for field, header, value, mask in read_oxms(data):
        if field is None:
            raise WireError(f"unknown match field {header.hex()}")
        rows.append((field.name, value, _plain_mask(field, mask)))
    return sort_match(rows)


def _plain_mask(field: Field, mask: Optional[int]) -> Optional[int]:
    full = (1 << field.bits) - 1
    return None if mask is None or mask & full == full else mask


def canonical_match(data: bytes) -> Tuple[Any, ...]:
    """Return an ``ofp_match`` (with or without padding) as a value that does not depend on order and spelling.

    :raises WireError: lengths do not fit
    """
    if len(data) < 4:
        raise WireError("a match is shorter than its header")
    size = int.from_bytes(data[2:4], "big")
    if size < 4 or size > len(data):
        raise WireError(f"a match says that it has {size} bytes")
    rows = []
    for field, header, value, mask in read_oxms(data[4:size]):
        if field is None:
            rows.append((header.hex(), value, mask))
        else:
            plain = _plain_mask(field, mask)
            rows.append((field.name, value if plain is None else value & plain, plain))
    return tuple(sorted(rows, key=lambda row: row[0]))


def split(data: bytes, what: str) -> Iterator[Tuple[int, bytes]]:
    """Yield ``(type, bytes)`` of a list of things that begin with type and length.

    :raises WireError: lengths do not fit
    """
    position = 0
    while position < len(data):
        size = int.from_bytes(data[position + 2 : position + 4], "big")
        if size < 4 or position + size > len(data):
            raise WireError(f"{what} of {size} bytes at {position} of {len(data)}")
        yield int.from_bytes(data[position : position + 2], "big"), data[position : position + size]
        position += size


def actions_of_bytes(data: bytes) -> Tuple[Action, ...]:
    """Return a list of actions as actions of rows; ones that rows have no name for stay bytes (``('raw', ...)``).

    :raises WireError: lengths do not fit
    """
    return tuple(_action(kind, body) for kind, body in split(data, "an action"))


def _action(kind: int, body: bytes) -> Action:
    if kind == 0 and len(body) == 16:
        return ("output", int.from_bytes(body[4:8], "big"), int.from_bytes(body[8:10], "big"))
    if kind == 22 and len(body) == 8:
        return ("group", int.from_bytes(body[4:8], "big"))
    if kind == 17 and len(body) == 8:
        return ("push_vlan", int.from_bytes(body[4:6], "big"))
    if kind == 18 and len(body) == 8:
        return ("pop_vlan",)
    if kind == 25:
        return _set_field(body)
    return ("raw", body)


def _set_field(body: bytes) -> Action:
    size = 4 + body[7] if len(body) > 7 else 0
    for field, _, value, mask in read_oxms(body[4 : 4 + size]):
        if field is not None and mask is None:
            return ("set", field.name, value)
    return ("raw", body)


def _canonical_action(kind: int, body: bytes) -> Action:
    """Like :func:`_action`, but a load of a whole field is a set, and moves name their fields."""
    if kind != 0xFFFF or len(body) < 10 or int.from_bytes(body[4:8], "big") != _NX_VENDOR:
        return _action(kind, body)
    subtype = int.from_bytes(body[8:10], "big")
    if subtype == 7 and len(body) == 24:
        field, name = _named(body[12:16])
        offset, bits = (body[10] << 8 | body[11]) >> 6, (body[11] & 0x3F) + 1
        value = int.from_bytes(body[16:24], "big")
        if field is not None and offset == 0 and bits == field.bits:
            return ("set", name, value)
        return ("load", name, offset, bits, value)
    if subtype == 6 and len(body) == 24:
        return ("move", body[10:16], _named(body[16:20])[1], _named(body[20:24])[1])
    if subtype == 16 and len(body) >= 32:
        return ("learn", body[10:32], tuple(_learn_specs(body[32:])))
    return ("raw", body)


def _named(header: bytes) -> Tuple[Optional[Field], str]:
    field = BY_WIRE.get((header[0] << 8 | header[1], header[2] >> 1))
    return field, header.hex() if field is None else field.name


def _learn_specs(data: bytes) -> Iterator[Tuple[Any, ...]]:
    position = 0
    while position + 2 <= len(data):
        head = int.from_bytes(data[position : position + 2], "big")
        if not head:
            return
        bits = head & 0x3FF
        position += 2
        source: Any
        if head & 1 << 13:
            size = (bits + 15) // 16 * 2
            source = int.from_bytes(data[position : position + size], "big")
        else:
            size = 6
            source = (_named(data[position : position + 4])[1], data[position + 4 : position + 6])
        position += size
        target: Any = None
        if head >> 11 & 3 != 2:
            target = (_named(data[position : position + 4])[1], data[position + 4 : position + 6])
            position += 6
        yield head, source, target


def canonical_instructions(data: bytes) -> Tuple[Any, ...]:
    """Return an instruction list as a value that does not depend on order and spelling.

    :raises WireError: lengths do not fit
    """
    result: List[Tuple[Any, ...]] = []
    for kind, body in split(data, "an instruction"):
        if kind == _APPLY:
            applied = tuple(_canonical_action(k, b) for k, b in split(body[8:], "an action"))
            if applied:
                result.append(("apply", applied))
        elif kind == _WRITE_METADATA and len(body) == 24:
            result.append(("metadata", body[8:16], body[16:24]))
        elif kind == _GOTO and len(body) == 8:
            result.append(("goto", body[4]))
        else:
            result.append((kind, body))
    return tuple(sorted(result, key=repr))


def flow_entries(body: bytes) -> Iterator[Entry]:
    """Yield the entries of the body of a flow multipart reply (what follows the multipart header).

    :raises WireError: lengths do not fit
    """
    position = 0
    while position < len(body):
        if position + 56 > len(body):
            raise WireError("a flow entry is cut")
        size, table, _, _, priority, idle, hard, flags, cookie, _, _ = _ENTRY.unpack_from(body, position)
        match_size = int.from_bytes(body[position + 50 : position + 52], "big")
        padded = (match_size + 7) // 8 * 8
        if size < 48 + padded or position + size > len(body):
            raise WireError(f"a flow entry says that it has {size} bytes")
        match_end = position + 48 + padded
        yield Entry(
            table, priority, cookie, idle, hard, flags, body[position + 48 : match_end], body[match_end : position + size]
        )
        position += size


def group_entries(body: bytes) -> Iterator[Tuple[int, int, Tuple[Tuple[Action, ...], ...]]]:
    """Yield ``(group id, kind, buckets)`` of the body of a group description reply.

    :raises WireError: lengths do not fit
    """
    position = 0
    while position < len(body):
        size = int.from_bytes(body[position : position + 2], "big")
        if size < 8 or position + size > len(body):
            raise WireError(f"a group says that it has {size} bytes")
        _, kind, group_id = _GROUP_ENTRY.unpack_from(body, position)
        yield group_id, kind, tuple(_buckets(body[position + 8 : position + size]))
        position += size


def _buckets(data: bytes) -> Iterator[Tuple[Action, ...]]:
    position = 0
    while position < len(data):
        size = int.from_bytes(data[position : position + 2], "big")
        if size < _BUCKET_SIZE or position + size > len(data):
            raise WireError(f"a bucket says that it has {size} bytes")
        actions = split(data[position + _BUCKET_SIZE : position + size], "an action")
        yield tuple(_canonical_action(kind, body) for kind, body in actions)
        position += size


def canonical_buckets(group_mod: bytes) -> Tuple[Tuple[Action, ...], ...]:
    """Return the buckets of a group mod message that we encoded, comparable with :func:`group_entries`."""
    return tuple(_buckets(group_mod[16:]))


def match_of_structures(oxms: Iterable[Any]) -> Match:
    """Return the match of the ``ofp_oxm`` structures that a network driver gives.

    :raises WireError: a field that rows have no name for
    """
    return match_of_oxms(b"".join(structure_bytes(oxm) for oxm in oxms))


def actions_of_structures(actions: Sequence[Any]) -> Tuple[Action, ...]:
    """Return the actions of the ``ofp_action`` structures that a network driver gives.

    :raises WireError: lengths do not fit
    """
    return actions_of_bytes(b"".join(structure_bytes(action) for action in actions))


def structure_bytes(structure: Any) -> bytes:
    """Return the bytes of an OpenFlow structure; bytes are taken as they are."""
    if isinstance(structure, (bytes, bytearray)):
        return bytes(structure)
    return bytes(structure._tobytes())
