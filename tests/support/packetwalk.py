"""Walk a packet through the tables of a :class:`~support.fakeswitch.FakeSwitch`.

By the OpenFlow 1.3 specification (5.1, 5.12) and the descriptions of the Nicira actions in ovs-actions(7). Nothing here uses
the package under test.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any, Callable, Iterator, NamedTuple

from support.fakeswitch import FakeSwitch
from support.flowtable import BAD_ACTION, BAD_INSTRUCTION, split_buckets, split_oxms, split_tlvs
from support.packetbytes import ETH_DST, ETH_SRC, ETH_TYPE, IP_TTL, VLAN, VLAN_PRESENT

IN_PORT, METADATA, TUN_ID, TUN_SRC, TUN_DST = (0x8000, 0), (0x8000, 2), (0x8000, 38), (1, 31), (1, 32)
_OUTPUT, _PUSH_VLAN, _POP_VLAN, _GROUP, _SET_TTL, _DEC_TTL, _SET_FIELD, _EXPERIMENTER = 0, 17, 18, 22, 23, 24, 25, 0xFFFF
_NX_MOVE, _NX_LOAD, _NX_RESUBMIT, _NX_LEARN = 6, 7, 14, 16
_GOTO, _WRITE_METADATA, _WRITE, _APPLY, _CLEAR = 1, 2, 3, 4, 5
TO_IN_PORT, TO_CONTROLLER = 0xFFFFFFF8, 0xFFFFFFFD
_DEPTH = 64
_LEARN_HEAD = struct.Struct(">HHIHHHHQHBxHH")


class Output(NamedTuple):
    """A packet that leaves a switch; ``table`` and ``cookie`` are for the controller."""

    port: int
    fields: dict
    table: int
    cookie: int


class _Ended(Exception):
    """The packet goes nowhere."""


@dataclass
class Walk:
    """One packet on its way; ``fields`` are its headers, registers and metadata."""

    switch: FakeSwitch
    fields: dict
    outputs: list = field(default_factory=list)
    written: list = field(default_factory=list)
    table: int = 0
    cookie: int = 0xFFFFFFFFFFFFFFFF
    depth: int = 0

    def copy(self) -> Walk:
        """Return a packet that is changed apart from this one, and whose outputs are the same list."""
        return Walk(self.switch, dict(self.fields), self.outputs, [], self.table, self.cookie, self.depth)


def frame(source: int, target: int, vlan: int | None = None) -> dict:
    """Return the headers of an IPv4 packet; MAC addresses as numbers, ``vlan`` None for an untagged one."""
    return {ETH_DST: target, ETH_SRC: source, ETH_TYPE: 0x0800, VLAN: 0 if vlan is None else vlan | VLAN_PRESENT}


def send(switch: FakeSwitch, in_port: int, packet: dict) -> list[tuple[int, dict]]:
    """Return ``(port number, headers)`` of what comes out for a packet that comes in; the controller's port included."""
    return [(output.port, headers(output.fields)) for output in enter(switch, in_port, packet)]


def headers(fields: dict) -> dict:
    """Return the fields that are in the packet itself."""
    return {key: value for key, value in fields.items() if key[0] == 0x8000 and key[1] not in (0, 2, 38) or key == IP_TTL}


def enter(switch: FakeSwitch, in_port: int, packet: dict) -> list[Output]:
    """Return what comes out for a packet that comes in by a port."""
    walk = Walk(switch, {**packet, IN_PORT: in_port})
    _guarded(walk, lambda: _pipeline(walk, 0))
    return walk.outputs


def execute(switch: FakeSwitch, in_port: int, packet: dict, actions: bytes) -> list[Output]:
    """Return what comes out for a packet that the controller sends with some actions."""
    walk = Walk(switch, {**packet, IN_PORT: in_port})
    _guarded(walk, lambda: _actions(walk, actions))
    return walk.outputs


def _guarded(walk: Walk, run: Callable[[], None]) -> None:
    try:
        run()
    except _Ended:
        walk.written.clear()


def _pipeline(walk: Walk, first: int) -> None:
    table: int | None = first
    while table is not None:
        table = _table(walk, table)
    written, walk.written = walk.written, []
    for kind, action in written:
        _act(walk, kind, action)


def _table(walk: Walk, table: int) -> int | None:
    """Apply the best flow of a table and return the next table."""
    for flow in walk.switch.tables.ordered(table):
        if _matches(flow.fields, walk.fields):
            flow.used = walk.switch.clock()
            walk.table, walk.cookie = table, flow.cookie
            return _instructions(walk, flow.instructions)
    return None


def _instructions(walk: Walk, instructions: bytes) -> int | None:
    following = None
    for kind, data in split_tlvs(instructions, (BAD_INSTRUCTION, 7)):
        if kind == _GOTO:
            following = data[4]
        elif kind == _WRITE_METADATA:
            value, mask = struct.unpack_from(">QQ", data, 8)
            walk.fields[METADATA] = walk.fields.get(METADATA, 0) & ~mask | value & mask
        elif kind == _APPLY:
            _actions(walk, data[8:])
        elif kind == _WRITE:
            walk.written.extend(split_tlvs(data[8:], (BAD_ACTION, 1)))
        elif kind == _CLEAR:
            walk.written.clear()
    return following


def _matches(conditions: dict, fields: dict) -> bool:
    return all(not (fields.get(key, 0) ^ value) & mask for key, (value, mask, _) in conditions.items())


def _actions(walk: Walk, data: bytes) -> None:
    for kind, action in split_tlvs(data, (BAD_ACTION, 1)):
        _act(walk, kind, action)


def _act(walk: Walk, kind: int, data: bytes) -> None:
    if kind == _EXPERIMENTER:
        kind = struct.unpack_from(">H", data, 8)[0]
        _NICIRA[kind](walk, data)
    elif kind in _KINDS:
        _KINDS[kind](walk, data)
    else:
        raise ValueError(f"no such action here: {kind}")


def _set_vlan(value: int) -> Callable[[Walk, bytes], None]:
    return lambda walk, data: walk.fields.update({VLAN: value})


def _set_ttl(walk: Walk, data: bytes) -> None:
    walk.fields[IP_TTL] = data[4]


def _dec_ttl(walk: Walk, data: bytes) -> None:
    if walk.fields.get(IP_TTL, 0) <= 1:
        raise _Ended
    walk.fields[IP_TTL] -= 1


def _set_field(walk: Walk, data: bytes) -> None:
    for header, payload in split_oxms(data[4 : 8 + data[7]]):
        walk.fields[header >> 16, header >> 9 & 0x7F] = int.from_bytes(payload, "big")


def _group(walk: Walk, data: bytes) -> None:
    walk.depth += 1
    if walk.depth > _DEPTH:
        raise ValueError("groups and tables use each other without end")
    for actions in _buckets(walk.switch, struct.unpack_from(">I", data, 4)[0]):
        _actions(walk.copy(), actions)
    walk.depth -= 1


def _buckets(switch: FakeSwitch, number: int) -> Iterator[bytes]:
    """Yield the actions of each bucket of a group of type "all"."""
    kind, buckets = switch.tables.groups[number]
    if kind != 0:
        raise ValueError(f"group {number} is not of type 'all'")
    for bucket in split_buckets(buckets):
        yield bucket[16:]


def _output(walk: Walk, data: bytes) -> None:
    (port,) = struct.unpack_from(">I", data, 4)
    in_port = walk.fields[IN_PORT]
    if port == TO_IN_PORT:
        port = in_port
    elif port == in_port != TO_CONTROLLER:
        return
    walk.outputs.append(Output(port, dict(walk.fields), walk.table, walk.cookie))


# Actions of Nicira


def _key(header: int) -> tuple[int, int]:
    return header >> 16, header >> 9 & 0x7F


def _read(walk: Walk, header: int, offset: int, bits: int) -> int:
    return walk.fields.get(_key(header), 0) >> offset & (1 << bits) - 1


def _write(walk: Walk, header: int, offset: int, bits: int, value: int) -> None:
    mask = (1 << bits) - 1 << offset
    walk.fields[_key(header)] = walk.fields.get(_key(header), 0) & ~mask | value << offset & mask


def _move(walk: Walk, data: bytes) -> None:
    bits, source_offset, target_offset, source, target = struct.unpack_from(">HHHII", data, 10)
    _write(walk, target, target_offset, bits, _read(walk, source, source_offset, bits))


def _load(walk: Walk, data: bytes) -> None:
    place, target, value = struct.unpack_from(">HIQ", data, 10)
    _write(walk, target, place >> 6, (place & 0x3F) + 1, value)


def _resubmit(walk: Walk, data: bytes) -> None:
    walk.depth += 1
    if walk.depth > _DEPTH:
        raise ValueError("groups and tables use each other without end")
    table, cookie = walk.table, walk.cookie
    _pipeline(walk, data[12])
    walk.table, walk.cookie = table, cookie
    walk.depth -= 1


def _learn(walk: Walk, data: bytes) -> None:
    """Add a flow that is made of the packet (ovs-actions(7), "learn")."""
    _, _, _, _, idle_s, hard_s, priority, cookie, flags, table, _, _ = _LEARN_HEAD.unpack_from(data)
    fields: dict = {}
    actions = b""
    for kind, value, bits, target, offset in _specs(walk, data[32:]):
        if kind:
            actions += struct.pack(">HHIHHIQ", 0xFFFF, 24, 0x2320, _NX_LOAD, offset << 6 | bits - 1, target, value)
        else:
            before, mask, size = fields.get(_key(target), (0, 0, target & 0xFF))
            fields[_key(target)] = before | value << offset, mask | (1 << bits) - 1 << offset, size
    instructions = struct.pack(">HHxxxx", _APPLY, 8 + len(actions)) + actions
    walk.switch.tables.learn(table, priority, fields, cookie, (idle_s, hard_s, flags), instructions)


def _specs(walk: Walk, data: bytes) -> Iterator[tuple]:
    """Yield (0 for a condition or 1 for an action, value, bits, header of the target, its first bit)."""
    start = 0
    while start + 2 <= len(data):
        head = struct.unpack_from(">H", data, start)[0]
        bits, start = head & 0x7FF, start + 2
        if not head:
            return
        if head & 0x2000:
            size = (bits + 15) // 16 * 2
            value, start = int.from_bytes(data[start : start + size], "big"), start + size
        else:
            value, start = _read(walk, *struct.unpack_from(">IH", data, start), bits), start + 6
        target, offset = struct.unpack_from(">IH", data, start)
        start += 6
        yield head >> 11 & 3, value, bits, target, offset


_NICIRA: dict[int, Callable[[Walk, bytes], Any]] = {_NX_MOVE: _move, _NX_LOAD: _load, _NX_RESUBMIT: _resubmit, _NX_LEARN: _learn}
_KINDS: dict[int, Callable[[Walk, bytes], Any]] = {
    _OUTPUT: _output,
    _PUSH_VLAN: _set_vlan(VLAN_PRESENT),
    _POP_VLAN: _set_vlan(0),
    _GROUP: _group,
    _SET_TTL: _set_ttl,
    _DEC_TTL: _dec_ttl,
    _SET_FIELD: _set_field,
}
