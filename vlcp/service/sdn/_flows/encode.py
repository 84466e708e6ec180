"""Rows -> OpenFlow 1.3 messages.

The one place that knows how logical fields are laid out (registers, or bits of the metadata word), which number a table
has, and what a message looks like. Bytes of conditions and actions are cached, since rows of one kind share most of
them. Messages carry transaction id 0; who sends them writes the real one.

Sources: OpenFlow 1.3.5 sections 7.2 to 7.3.4, ``nicira-ext.h`` of Open vSwitch, ONF extension 230 (bundles).
"""

from __future__ import annotations

import struct
import zlib
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Tuple

from ._actions import encode_action
from .fields import FIELDS, LOGICAL, Field
from .spec import COOKIE_BITS, COOKIE_MASK, Action, Flow, FlowKey, Group, Match, NeedsNicira, Sweep

VERSION = 4
_TYPE_EXPERIMENTER = 4
_TYPE_FLOW_MOD = 14
_TYPE_GROUP_MOD = 15
FLOW_ADD, FLOW_DELETE, FLOW_DELETE_STRICT = 0, 3, 4
GROUP_ADD, GROUP_MODIFY, GROUP_DELETE = 0, 1, 2
ANY = 0xFFFFFFFF
ALL_GROUPS = 0xFFFFFFFC
ALL_TABLES = 0xFF
EPOCH_MASK = 0x7FFF << COOKIE_BITS
_COUNTER_BITS = 8
TABLES_MASK = (0x7FFF ^ (1 << _COUNTER_BITS) - 1) << COOKIE_BITS
"""Mask of the bits of an epoch that tell one numbering of tables from another."""

_FLOW_MOD = struct.Struct("!BBHIQQBBHHHIIIHxx")
_MATCH_HEAD = struct.Struct("!HH")
_INSTRUCTION = struct.Struct("!HHxxxx")
_METADATA = struct.Struct("!HHxxxxQQ")
_GOTO = struct.Struct("!HHBxxx")
_GROUP_MOD = struct.Struct("!BBHIHBxI")
_BUCKET = struct.Struct("!HHIIxxxx")
_BUNDLE = struct.Struct("!BBHIIIIHH")
_GROUP_KINDS = {"all": 0, "select": 1, "indirect": 2, "ff": 3}
_CLEAR_ACTIONS = _INSTRUCTION.pack(5, 8)
_ONF = 0x4F4E4600
_BUNDLE_CONTROL, _BUNDLE_ADD = 2300, 2301
BUNDLE_OPEN, BUNDLE_CLOSE, BUNDLE_COMMIT, BUNDLE_DISCARD = 0, 2, 4, 6
_BUNDLE_ATOMIC_ORDERED = 3
_CACHE_LIMIT = 65536


class Layout(NamedTuple):
    """What a connection's rows look like on the wire.

    ``tables`` is ``{name: id}``, ``next_tables`` ``{name: name of the next table of its path}``, ``nicira`` says
    whether logical fields are registers, ``epoch`` is the 15-bit number in front of each cookie: 7 bits made of the
    numbering of tables and the field layout, and an 8-bit counter that is never 0.
    """

    tables: Mapping[str, int]
    next_tables: Mapping[str, str]
    nicira: bool = True
    epoch: int = 0


def first_epoch(layout: Layout) -> int:
    """Return an epoch for a numbering of tables, with the counter of ``layout.epoch``."""
    text = repr((sorted(layout.tables.items()), sorted(layout.next_tables.items()), layout.nicira))
    counter = layout.epoch % ((1 << _COUNTER_BITS) - 1) + 1
    return (zlib.crc32(text.encode()) & 0x7F) << _COUNTER_BITS | counter


def next_epoch(epoch: int) -> int:
    """Return the epoch that follows for the same numbering of tables."""
    limit = (1 << _COUNTER_BITS) - 1
    return epoch & ~limit | epoch % (limit + 1) % limit + 1


class Encoder:
    """Encodes rows for one :class:`Layout`."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self._cookie = layout.epoch << COOKIE_BITS
        self._conditions: Dict[Any, bytes] = {}
        self._actions: Dict[Action, bytes] = {}
        self._instructions: Dict[Tuple[str, Tuple[Action, ...]], bytes] = {}
        self._gotos = {name: _GOTO.pack(1, 8, number) for name, number in layout.tables.items()}

    def table_id(self, name: str) -> int:
        """Return the number of a table.

        :raises ValueError: no module has asked for it
        """
        try:
            return self.layout.tables[name]
        except KeyError:
            raise ValueError(f"no such flow table: {name!r}") from None

    def flow_add(self, flow: Flow) -> bytes:
        """Return the message that adds a row or replaces the one with its key.

        :raises NeedsNicira: the row cannot be said without the Nicira extensions
        :raises ValueError: unknown table or field, or the table has no next one
        """
        table, priority, conditions, do, cookie, idle_s, hard_s, flags = flow
        key = (table, do)
        instructions = self._instructions.get(key)
        if instructions is None:
            instructions = self._remember(self._instructions, key, self.instructions(table, do))
        body = self.match(conditions) + instructions
        return (
            _FLOW_MOD.pack(
                VERSION, _TYPE_FLOW_MOD, 48 + len(body), 0,
                self._cookie | cookie, 0, self.table_id(table), FLOW_ADD,
                idle_s, hard_s, priority, ANY, ANY, ANY, flags,
            )
            + body
        )  # fmt: skip

    def flow_delete(self, key: FlowKey) -> bytes:
        """Return the message that removes exactly one row."""
        table, priority, conditions = key
        return self._delete(self.table_id(table), FLOW_DELETE_STRICT, priority, self.match(conditions))

    def flow_delete_raw(self, table_id: int, priority: int, match_bytes: bytes) -> bytes:
        """Return the message that removes exactly one row, given as the switch itself describes it."""
        return self._delete(table_id, FLOW_DELETE_STRICT, priority, match_bytes)

    def sweep(self, sweep: Sweep) -> bytes:
        """Return the message that removes every row that a :class:`Sweep` covers."""
        return self._delete(self.table_id(sweep.table), FLOW_DELETE, 0, self.match(sweep.match))

    def delete_other_epochs(self) -> List[bytes]:
        """Return messages that remove every row, ours or not, that has not this layout's epoch.

        An epoch differs in at least one of its 15 bits, so one delete for each bit covers all others.
        """
        return [
            self._delete(ALL_TABLES, FLOW_DELETE, 0, self.match(()), ~self._cookie & 1 << bit, 1 << bit)
            for bit in range(COOKIE_BITS, 64)
        ]

    def delete_everything(self) -> List[bytes]:
        """Return messages that remove every row and every group."""
        return [self._delete(ALL_TABLES, FLOW_DELETE, 0, self.match(())), self.group_delete(ALL_GROUPS)]

    @staticmethod
    def _delete(table: int, command: int, priority: int, body: bytes, cookie: int = 0, mask: int = 0) -> bytes:
        head = _FLOW_MOD.pack(
            VERSION, _TYPE_FLOW_MOD, 48 + len(body), 0, cookie, mask, table, command, 0, 0, priority, ANY, ANY, ANY, 0
        )
        return head + body

    def group_set(self, group: Group, exists: bool) -> bytes:
        """Return the message that adds a group, or changes it where it exists.

        :raises ValueError: unknown kind, or more than 64 KiB of buckets
        """
        if group.kind not in _GROUP_KINDS:
            raise ValueError(f"no such kind of group: {group.kind!r}")
        buckets = b"".join([self._bucket(actions) for actions in group.buckets])
        size = 16 + len(buckets)
        if size > 0xFFFF:
            raise ValueError(f"group {group.group_id} does not fit into one message: {len(group.buckets)} buckets")
        command = GROUP_MODIFY if exists else GROUP_ADD
        kind = _GROUP_KINDS[group.kind]
        return _GROUP_MOD.pack(VERSION, _TYPE_GROUP_MOD, size, 0, command, kind, group.group_id) + buckets

    def _bucket(self, actions: Tuple[Action, ...]) -> bytes:
        body = b"".join([self.action(action) for action in actions])
        return _BUCKET.pack(16 + len(body), 0, ANY, ANY) + body

    @staticmethod
    def group_delete(group_id: int) -> bytes:
        """Return the message that removes a group, and rows that use it."""
        return _GROUP_MOD.pack(VERSION, _TYPE_GROUP_MOD, 16, 0, GROUP_DELETE, 0, group_id)

    def match(self, conditions: Match) -> bytes:
        """Return ``ofp_match`` with its padding."""
        if not self.layout.nicira:
            conditions = _in_metadata(conditions)
        cache = self._conditions
        parts = []
        for condition in conditions:
            part = cache.get(condition)
            if part is None:
                part = self._remember(cache, condition, _condition(condition, self.layout.nicira))
            parts.append(part)
        body = b"".join(parts)
        size = 4 + len(body)
        return _MATCH_HEAD.pack(1, size) + body + bytes(-size % 8)

    def action(self, action: Action) -> bytes:
        """Return one action's bytes.

        :raises NeedsNicira: the switch has no such action
        """
        found = self._actions.get(action)
        if found is None:
            found = self._remember(self._actions, action, encode_action(action, self.layout))
        return found

    def instructions(self, table: str, do: Tuple[Action, ...]) -> bytes:
        """Return the instruction list for a row of ``table``."""
        applied: List[bytes] = []
        tail = b""
        clear = b""
        value = mask = 0
        for action in do:
            kind = action[0]
            if kind == "goto":
                tail = self._goto(action[1])
            elif kind in ("next", "after"):
                tail = self._goto(self._next(table if kind == "next" else action[1]))
            elif kind == "clear":
                clear = _CLEAR_ACTIONS
            elif kind in ("set", "load") and action[1] in LOGICAL and not self.layout.nicira:
                bits_value, bits_mask = _metadata_bits(action)
                value, mask = value & ~bits_mask | bits_value, mask | bits_mask
            else:
                applied.append(self.action(action))
        body = b"".join(applied)
        parts = [_INSTRUCTION.pack(4, 8 + len(body)) + body if applied else b"", clear]
        if mask:
            parts.append(_METADATA.pack(2, 24, value, mask))
        return b"".join(parts) + tail

    def _goto(self, table: str) -> bytes:
        self.table_id(table)
        return self._gotos[table]

    def _next(self, table: str) -> str:
        following = self.layout.next_tables.get(table)
        if following is None:
            raise ValueError(f"flow table {table!r} has no next one in its path")
        return following

    @staticmethod
    def _remember(cache: Dict[Any, bytes], key: Any, value: bytes) -> bytes:
        if len(cache) >= _CACHE_LIMIT:
            cache.clear()
        cache[key] = value
        return value


def _condition(condition: Tuple[str, int, Optional[int]], nicira: bool) -> bytes:
    name, value, mask = condition
    field = FIELDS[LOGICAL[name].register] if name in LOGICAL else FIELDS.get(name)
    if field is None:
        raise ValueError(f"no such match field: {name!r}")
    if field.nicira and not nicira:
        raise NeedsNicira(name)
    return oxm(field, value, mask)


def oxm(field: Field, value: int, mask: Optional[int] = None) -> bytes:
    """Return one OXM or NXM condition."""
    if mask is None:
        return field.header.to_bytes(4, "big") + value.to_bytes(field.size, "big")
    return b"".join((field.masked_header.to_bytes(4, "big"), value.to_bytes(field.size, "big"), mask.to_bytes(field.size, "big")))


def _in_metadata(conditions: Match) -> Match:
    """Merge conditions on logical fields into one on the metadata word."""
    value = mask = 0
    rest = []
    for condition in conditions:
        name, wanted, wanted_mask = condition
        logical = LOGICAL.get(name)
        if logical is None:
            rest.append(condition)
            continue
        full = (1 << logical.width) - 1
        bits = full if wanted_mask is None else wanted_mask & full
        mask |= bits << logical.shift
        value |= (wanted & bits) << logical.shift
    if not mask:
        return tuple(rest)
    merged = ("metadata", value, None if mask == (1 << 64) - 1 else mask)
    place = next((i for i, row in enumerate(rest) if FIELDS[row[0]].position > FIELDS["metadata"].position), len(rest))
    return (*rest[:place], merged, *rest[place:])


def _metadata_bits(action: Action) -> Tuple[int, int]:
    """Return value and mask that a set or load of a logical field means in the metadata word."""
    logical = LOGICAL[action[1]]
    full = (1 << logical.width) - 1
    if action[0] == "set":
        return (action[2] & full) << logical.shift, full << logical.shift
    _, _, offset, bits, value = action
    return (value << offset & full) << logical.shift, ((1 << bits) - 1 << offset & full) << logical.shift


def bundle_control(bundle_id: int, kind: int) -> bytes:
    """Return a bundle control message: :data:`BUNDLE_OPEN`, ``_CLOSE``, ``_COMMIT`` or ``_DISCARD``."""
    return _BUNDLE.pack(VERSION, _TYPE_EXPERIMENTER, 24, 0, _ONF, _BUNDLE_CONTROL, bundle_id, kind, _BUNDLE_ATOMIC_ORDERED)


def bundle_add(bundle_id: int, message: bytes) -> bytes:
    """Return the message that adds another one to a bundle.

    :raises ValueError: the result does not fit into one message
    """
    size = 24 + len(message)
    if size > 0xFFFF:
        raise ValueError(f"a message of {len(message)} bytes does not fit into a bundle")
    head = _BUNDLE.pack(VERSION, _TYPE_EXPERIMENTER, size, 0, _ONF, _BUNDLE_ADD, bundle_id, 0, _BUNDLE_ATOMIC_ORDERED)
    return head + message


def cookie_of(wire_cookie: int) -> int:
    """Return the 49 bits of a cookie that are the row's own."""
    return wire_cookie & COOKIE_MASK
