"""Walk a packet through the tables of a :class:`~support.fakeswitch.FakeSwitch`, by the OpenFlow 1.3 specification (5.1, 5.12).

Nothing here uses the package under test.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any, Iterator

from support.fakeswitch import FakeSwitch
from support.flowtable import BAD_ACTION, BAD_INSTRUCTION, split_buckets, split_oxms, split_tlvs

IN_PORT, METADATA, ETH_DST, ETH_SRC, ETH_TYPE, VLAN = ((0x8000, number) for number in (0, 2, 3, 4, 5, 6))
_OUTPUT, _PUSH_VLAN, _POP_VLAN, _GROUP, _SET_FIELD = 0, 17, 18, 22, 25
_GOTO, _WRITE_METADATA, _WRITE, _APPLY, _CLEAR = 1, 2, 3, 4, 5
TO_IN_PORT, TO_CONTROLLER = 0xFFFFFFF8, 0xFFFFFFFD
_VLAN_PRESENT = 0x1000
_DEPTH = 64


@dataclass
class Walk:
    """One packet on its way; ``fields`` are its headers, registers and metadata."""

    switch: FakeSwitch
    fields: dict
    outputs: list = field(default_factory=list)
    written: list = field(default_factory=list)

    def copy(self) -> Walk:
        """Return a packet that is changed apart from this one, and whose outputs are the same list."""
        return Walk(self.switch, dict(self.fields), self.outputs, [])


def frame(source: int, target: int, vlan: int | None = None) -> dict:
    """Return the headers of an IPv4 packet; MAC addresses as numbers, ``vlan`` None for an untagged one."""
    return {ETH_DST: target, ETH_SRC: source, ETH_TYPE: 0x0800, VLAN: 0 if vlan is None else vlan | _VLAN_PRESENT}


def send(switch: FakeSwitch, in_port: int, packet: dict) -> list[tuple[int, dict]]:
    """Return ``(port number, headers)`` of what comes out for a packet that comes in; the controller's port included."""
    walk = Walk(switch, {**packet, IN_PORT: in_port})
    table: int | None = 0
    while table is not None:
        table = _table(walk, table)
    for kind, action in walk.written:
        _act(walk, kind, action, 0)
    return walk.outputs


def _table(walk: Walk, table: int) -> int | None:
    """Apply the best flow of a table and return the next table."""
    flows = [flow for flow in walk.switch.tables.flows.values() if flow.table == table and _matches(flow.fields, walk.fields)]
    if not flows:
        return None
    best = max(flows, key=lambda flow: flow.priority)
    return _instructions(walk, best.instructions)


def _instructions(walk: Walk, instructions: bytes) -> int | None:
    following = None
    for kind, data in split_tlvs(instructions, (BAD_INSTRUCTION, 7)):
        if kind == _GOTO:
            following = data[4]
        elif kind == _WRITE_METADATA:
            value, mask = struct.unpack_from(">QQ", data, 8)
            walk.fields[METADATA] = walk.fields.get(METADATA, 0) & ~mask | value & mask
        elif kind == _APPLY:
            for action, body in split_tlvs(data[8:], (BAD_ACTION, 1)):
                _act(walk, action, body, 0)
        elif kind == _WRITE:
            walk.written.extend(split_tlvs(data[8:], (BAD_ACTION, 1)))
        elif kind == _CLEAR:
            walk.written.clear()
    return following


def _matches(conditions: dict, fields: dict) -> bool:
    return all(not (fields.get(key, 0) ^ value) & mask for key, (value, mask, _) in conditions.items())


def _act(walk: Walk, kind: int, data: bytes, depth: int) -> None:
    if depth > _DEPTH:
        raise ValueError("groups use each other without end")
    if kind == _OUTPUT:
        _output(walk, struct.unpack_from(">I", data, 4)[0])
    elif kind == _PUSH_VLAN:
        walk.fields[VLAN] = _VLAN_PRESENT
    elif kind == _POP_VLAN:
        walk.fields[VLAN] = 0
    elif kind == _SET_FIELD:
        size = 4 + data[7]
        for header, payload in split_oxms(data[4 : 4 + size]):
            walk.fields[header >> 16, header >> 9 & 0x7F] = int.from_bytes(payload, "big")
    elif kind == _GROUP:
        for actions in _buckets(walk.switch, struct.unpack_from(">I", data, 4)[0]):
            clone = walk.copy()
            for inner, body in split_tlvs(actions, (BAD_ACTION, 1)):
                _act(clone, inner, body, depth + 1)
    else:
        raise ValueError(f"no such action here: {kind}")


def _buckets(switch: FakeSwitch, number: int) -> Iterator[bytes]:
    """Yield the actions of each bucket of a group of type "all"."""
    kind, buckets = switch.tables.groups[number]
    if kind != 0:
        raise ValueError(f"group {number} is not of type 'all'")
    for bucket in split_buckets(buckets):
        yield bucket[16:]


def _output(walk: Walk, port: int) -> None:
    in_port = walk.fields[IN_PORT]
    if port == TO_IN_PORT:
        port = in_port
    elif port == in_port:
        return
    headers: dict[Any, int] = {key: walk.fields[key] for key in (ETH_DST, ETH_SRC, ETH_TYPE, VLAN)}
    walk.outputs.append((port, headers))
