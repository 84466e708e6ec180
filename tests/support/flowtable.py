"""Flow and group tables of an OpenFlow 1.3 switch, by the specification (sections 5 and 6), over raw bytes.

Nothing here uses the definitions of the package under test.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace
from typing import Iterator

ADD, MODIFY, MODIFY_STRICT, DELETE, DELETE_STRICT = range(5)
SEND_FLOW_REM, CHECK_OVERLAP, RESET_COUNTS = 1, 2, 4
ANY = 0xFFFFFFFF
ALL_TABLES = 0xFF
GROUP_ALL = 0xFFFFFFFC
OUTPUT, GROUP = 0, 22

BAD_REQUEST, BAD_ACTION, BAD_INSTRUCTION, BAD_MATCH, FLOW_MOD_FAILED, GROUP_MOD_FAILED = range(1, 7)


class SwitchError(Exception):
    """The switch refuses a message with this error type and code (and an experimenter, for type 0xffff)."""

    def __init__(self, kind: int, code: int, experimenter: int | None = None) -> None:
        super().__init__(f"type {kind} code {code}")
        self.kind, self.code, self.experimenter = kind, code, experimenter


Key = tuple  # (class, field number) of an OXM
Fields = dict  # Key -> (value, mask, length in bytes)

ETH_TYPE, IP_PROTO = (0x8000, 5), (0x8000, 10)
IPV4, IPV6, ARP = 0x0800, 0x86DD, 0x0806
#: OXM field number -> (ETH_TYPEs, IP_PROTOs) that must be matched beside it.
PREREQUISITES = {
    **dict.fromkeys((8, 9), ((IPV4, IPV6), ())),
    10: ((IPV4, IPV6), ()),
    **dict.fromkeys((11, 12), ((IPV4,), ())),
    **dict.fromkeys((13, 14), ((IPV4, IPV6), (6,))),
    **dict.fromkeys((15, 16), ((IPV4, IPV6), (17,))),
    **dict.fromkeys((17, 18), ((IPV4, IPV6), (132,))),
    **dict.fromkeys((19, 20), ((IPV4,), (1,))),
    **dict.fromkeys(range(21, 26), ((ARP,), ())),
    **dict.fromkeys((26, 27, 28), ((IPV6,), ())),
    **dict.fromkeys((29, 30), ((IPV6,), (58,))),
}


def split_oxms(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (header, payload) of each field of a match."""
    start = 0
    while start < len(data):
        if len(data) - start < 4 or start + 4 + data[start + 3] > len(data):
            raise SwitchError(BAD_MATCH, 1)
        (header,) = struct.unpack_from(">I", data, start)
        yield header, data[start + 4 : start + 4 + (header & 0xFF)]
        start += 4 + (header & 0xFF)


def parse_match(data: bytes) -> Fields:
    """Return the fields of an OXM list; raise SwitchError for what the specification forbids."""
    fields: Fields = {}
    for header, payload in split_oxms(data):
        key, size = (header >> 16, header >> 9 & 0x7F), len(payload)
        if header & 0x100:
            size //= 2
            value, mask = int.from_bytes(payload[:size], "big"), int.from_bytes(payload[size:], "big")
        else:
            value, mask = int.from_bytes(payload, "big"), (1 << 8 * size) - 1
        if key in fields:
            raise SwitchError(BAD_MATCH, 10)
        if value & ~mask:
            raise SwitchError(BAD_MATCH, 5)
        _check_prerequisites(key, fields)
        if mask:
            fields[key] = (value, mask, size)
    return fields


def _check_prerequisites(key: Key, fields: Fields) -> None:
    if key[0] != 0x8000 or key[1] not in PREREQUISITES:
        return
    types, protocols = PREREQUISITES[key[1]]
    if fields.get(ETH_TYPE, (None,))[0] not in types:
        raise SwitchError(BAD_MATCH, 9)
    if protocols and fields.get(IP_PROTO, (None,))[0] not in protocols:
        raise SwitchError(BAD_MATCH, 9)


def covers(wide: Fields, narrow: Fields) -> bool:
    """Tell whether every packet that `narrow` matches is matched by `wide` (non-strict matching)."""
    for key, (value, mask, _) in wide.items():
        if key not in narrow:
            return False
        other, other_mask, _ = narrow[key]
        if mask & ~other_mask or (value ^ other) & mask:
            return False
    return True


def overlap(one: Fields, other: Fields) -> bool:
    """Tell whether some packet is matched by both."""
    return all(key not in other or not (value ^ other[key][0]) & mask & other[key][1] for key, (value, mask, _) in one.items())


def split_tlvs(data: bytes, error: tuple[int, int]) -> Iterator[tuple[int, bytes]]:
    """Yield (type, whole bytes) of each action or instruction, whose length must be a multiple of 8."""
    start = 0
    while start < len(data):
        if len(data) - start < 8:
            raise SwitchError(*error)
        kind, length = struct.unpack_from(">HH", data, start)
        if length < 8 or length % 8 or start + length > len(data):
            raise SwitchError(*error)
        yield kind, data[start : start + length]
        start += length


def actions_of(instructions: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (type, bytes) of every action in write-actions and apply-actions instructions."""
    for kind, data in split_tlvs(instructions, (BAD_INSTRUCTION, 7)):
        if kind in (3, 4):
            yield from split_tlvs(data[8:], (BAD_ACTION, 1))


def goes_to(instructions: bytes, kind: int, number: int) -> bool:
    """Tell whether some action outputs to a port (kind OUTPUT) or a group (kind GROUP) of this number."""
    return any(action == kind and struct.unpack_from(">I", data, 4)[0] == number for action, data in actions_of(instructions))


@dataclass(frozen=True)
class FlowMod:
    """The fields of a FLOW_MOD message."""

    cookie: int
    cookie_mask: int
    table: int
    command: int
    idle_timeout: int
    hard_timeout: int
    priority: int
    buffer_id: int
    out_port: int
    out_group: int
    flags: int
    match: bytes
    instructions: bytes

    @classmethod
    def parse(cls, body: bytes) -> FlowMod:
        """Return the fields from the bytes after the header."""
        if len(body) < 48:
            raise SwitchError(BAD_REQUEST, 6)
        *values, kind, length = struct.unpack_from(">QQBBHHHIIIH2xHH", body)
        if kind != 1 or length < 4 or 40 + length > len(body):
            raise SwitchError(BAD_MATCH, 0 if kind != 1 else 1)
        return cls(*values, match=body[44 : 40 + length], instructions=body[40 + (length + 7) // 8 * 8 :])


@dataclass
class Flow:
    """One installed flow."""

    table: int
    priority: int
    fields: Fields
    match: bytes
    cookie: int
    idle_timeout: int
    hard_timeout: int
    flags: int
    instructions: bytes
    packets: int = 0
    bytes: int = 0
    serial: int = 0
    used: float = 0.0

    @property
    def key(self) -> tuple:
        """What identifies a flow in the switch."""
        return self.table, self.priority, frozenset(self.fields.items())


@dataclass
class Tables:
    """The state of the switch that messages change; copied for an atomic bundle.

    ``timed`` are flows with a time-out that have been added; whoever has a clock takes them out and removes them in time.
    """

    n_tables: int = 254
    flows: dict = field(default_factory=dict)
    groups: dict = field(default_factory=dict)
    removed: list = field(default_factory=list)
    timed: list = field(default_factory=list)
    serial: int = 0
    _ordered: dict = field(default_factory=dict)

    def copy(self) -> Tables:
        """Return a copy that shares no state with this one."""
        flows = {key: replace(flow) for key, flow in self.flows.items()}
        return Tables(self.n_tables, flows, dict(self.groups), list(self.removed), list(self.timed), self.serial)

    def ordered(self, table: int) -> list[Flow]:
        """Return the flows of a table, those of the highest priority first."""
        found = self._ordered.get(table)
        if found is None:
            flows = [flow for flow in self.flows.values() if flow.table == table]
            found = self._ordered[table] = sorted(flows, key=lambda flow: -flow.priority)
        return found

    def flow_mod(self, mod: FlowMod) -> None:
        """Carry out a FLOW_MOD; raise SwitchError and change nothing when it is refused."""
        fields = parse_match(mod.match)
        if mod.command > DELETE_STRICT:
            raise SwitchError(FLOW_MOD_FAILED, 6)
        deleting = mod.command >= DELETE
        if mod.table >= self.n_tables and not (deleting and mod.table == ALL_TABLES):
            raise SwitchError(FLOW_MOD_FAILED, 2)
        if deleting:
            for flow in self.selected(mod, fields, mod.command == DELETE_STRICT):
                self.remove(flow, 2)
            return
        self._check_instructions(mod)
        if mod.command == ADD:
            self._add(mod, fields)
            return
        for flow in self.selected(mod, fields, mod.command == MODIFY_STRICT):
            flow.instructions = mod.instructions

    def _add(self, mod: FlowMod, fields: Fields) -> None:
        flow = Flow(
            mod.table, mod.priority, fields, mod.match, mod.cookie, mod.idle_timeout, mod.hard_timeout, mod.flags,
            mod.instructions,
        )  # fmt: skip
        if mod.flags & CHECK_OVERLAP and any(
            other.table == mod.table and other.priority == mod.priority and overlap(fields, other.fields)
            for other in self.flows.values()
        ):
            raise SwitchError(FLOW_MOD_FAILED, 3)
        self._put(flow)

    def _put(self, flow: Flow) -> None:
        self.serial += 1
        flow.serial = self.serial
        self.flows[flow.key] = flow
        self._ordered.pop(flow.table, None)
        if flow.idle_timeout or flow.hard_timeout:
            self.timed.append(flow)

    def learn(self, table: int, priority: int, fields: Fields, cookie: int, options: tuple, instructions: bytes) -> None:
        """Add a flow that the switch has made of a packet; ``options`` are its time-outs and flags."""
        match = b"".join(
            struct.pack(">HBB", key[0], key[1] << 1, size) + value.to_bytes(size, "big")
            for key, (value, _, size) in fields.items()
        )
        self._put(Flow(table, priority, fields, match, cookie, *options, instructions))

    def _check_instructions(self, mod: FlowMod) -> None:
        seen = set()
        for kind, data in split_tlvs(mod.instructions, (BAD_INSTRUCTION, 7)):
            if kind not in (1, 2, 3, 4, 5, 6):
                raise SwitchError(BAD_INSTRUCTION, 0)
            if kind in seen:
                raise SwitchError(BAD_INSTRUCTION, 9)
            seen.add(kind)
            if kind == 1 and not mod.table < data[4] < self.n_tables:
                raise SwitchError(BAD_INSTRUCTION, 2)
        for kind, data in actions_of(mod.instructions):
            self._check_action(kind, data)

    def _check_action(self, kind: int, data: bytes) -> None:
        number = struct.unpack_from(">I", data, 4)[0]
        if kind == OUTPUT and (number == 0 or number == ANY):
            raise SwitchError(BAD_ACTION, 4)
        if kind == GROUP and number not in self.groups:
            raise SwitchError(BAD_ACTION, 9)

    def selected(self, mod: FlowMod, fields: Fields, strict: bool) -> list[Flow]:
        """Return the flows that a modification, deletion or statistics request means."""
        if strict and mod.table != ALL_TABLES:
            found = self.flows.get((mod.table, mod.priority, frozenset(fields.items())))
            candidates = [found] if found else []
        else:
            candidates = [flow for flow in self.flows.values() if mod.table in (ALL_TABLES, flow.table)]
        return [flow for flow in candidates if self._is_meant(flow, mod, fields, strict)]

    @staticmethod
    def _is_meant(flow: Flow, mod: FlowMod, fields: Fields, strict: bool) -> bool:
        if (flow.cookie ^ mod.cookie) & mod.cookie_mask:
            return False
        if strict and (flow.priority != mod.priority or flow.fields != fields):
            return False
        if not covers(fields, flow.fields):
            return False
        if mod.command < DELETE:
            return True
        return all(
            number == ANY or goes_to(flow.instructions, kind, number)
            for kind, number in ((OUTPUT, mod.out_port), (GROUP, mod.out_group))
        )

    def remove(self, flow: Flow, reason: int) -> None:
        """Take a flow out, and remember it when it asked for a FLOW_REMOVED message."""
        del self.flows[flow.key]
        self._ordered.pop(flow.table, None)
        if flow.flags & SEND_FLOW_REM:
            self.removed.append((flow, reason))

    def group_mod(self, command: int, kind: int, number: int, buckets: bytes) -> None:
        """Carry out a GROUP_MOD (0 add, 1 modify, 2 delete); raise SwitchError when it is refused."""
        if command == 2:
            self._group_delete(number)
            return
        if command > 2:
            raise SwitchError(GROUP_MOD_FAILED, 10)
        if number > 0xFFFFFF00 or kind > 3:
            raise SwitchError(GROUP_MOD_FAILED, 1 if kind <= 3 else 11)
        if (command == 0) == (number in self.groups):
            raise SwitchError(GROUP_MOD_FAILED, 8 if command else 0)
        for bucket in split_buckets(buckets):
            for action, data in split_tlvs(bucket[16:], (BAD_ACTION, 1)):
                self._check_action(action, data)
        self.groups[number] = (kind, buckets)

    def _group_delete(self, number: int) -> None:
        gone = list(self.groups) if number == GROUP_ALL else [number]
        for group in gone:
            self.groups.pop(group, None)
            for flow in [flow for flow in self.flows.values() if goes_to(flow.instructions, GROUP, group)]:
                self.remove(flow, 3)


def split_buckets(data: bytes) -> Iterator[bytes]:
    """Yield the bytes of each bucket of a group."""
    start = 0
    while start < len(data):
        length = struct.unpack_from(">H", data, start)[0] if len(data) - start >= 16 else 0
        if length < 16 or length % 8 or start + length > len(data):
            raise SwitchError(GROUP_MOD_FAILED, 12)
        yield data[start : start + length]
        start += length
