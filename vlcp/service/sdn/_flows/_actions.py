"""Actions of rows -> bytes, one function for each kind.

Sources: OpenFlow 1.3.5 section 7.2.5, ``nicira-ext.h`` of Open vSwitch (``nx_action_*``).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Callable, Dict, Tuple

from .fields import FIELDS, LOGICAL, Field
from .spec import COOKIE_BITS, Action, NeedsNicira

if TYPE_CHECKING:
    from .encode import Layout

_NX_VENDOR = 0x2320
_OUTPUT = struct.Struct("!HHIHxxxxxx")
_GROUP = struct.Struct("!HHI")
_PUSH = struct.Struct("!HHHxx")
_SET_FIELD = struct.Struct("!HH")
_TTL = struct.Struct("!HHBxxx")
_NX_MOVE = struct.Struct("!HHIHHHHII")
_NX_LOAD = struct.Struct("!HHIHHIQ")
_NX_RESUBMIT = struct.Struct("!HHIHHBxxx")
_NX_LEARN = struct.Struct("!HHIHHHHQHBxHH")
_OFPP_IN_PORT_16 = 0xFFF8


def field_of(name: str) -> Field:
    """Return the wire's field; of a logical one its register.

    :raises ValueError: no such field
    """
    if name in LOGICAL:
        return FIELDS[LOGICAL[name].register]
    if name not in FIELDS:
        raise ValueError(f"no such match field: {name!r}")
    return FIELDS[name]


def _output(action: Action, layout: Layout) -> bytes:
    return _OUTPUT.pack(0, 16, action[1], action[2])


def _group(action: Action, layout: Layout) -> bytes:
    return _GROUP.pack(22, 8, action[1])


def _push_vlan(action: Action, layout: Layout) -> bytes:
    return _PUSH.pack(17, 8, action[1])


def _pop_vlan(action: Action, layout: Layout) -> bytes:
    return _PUSH.pack(18, 8, 0)


def _set_ttl(action: Action, layout: Layout) -> bytes:
    return _TTL.pack(23, 8, action[1])


def _dec_ttl(action: Action, layout: Layout) -> bytes:
    return _TTL.pack(24, 8, 0)


def _set(action: Action, layout: Layout) -> bytes:
    field = field_of(action[1])
    _check(field.nicira, layout, action)
    size = 8 + field.size
    padding = -size % 8
    head = _SET_FIELD.pack(25, size + padding)
    return head + field.header.to_bytes(4, "big") + action[2].to_bytes(field.size, "big") + bytes(padding)


def _load(action: Action, layout: Layout) -> bytes:
    _check(True, layout, action)
    _, name, offset, bits, value = action
    return _NX_LOAD.pack(0xFFFF, 24, _NX_VENDOR, 7, offset << 6 | bits - 1, field_of(name).header, value)


def _move(action: Action, layout: Layout) -> bytes:
    _check(True, layout, action)
    _, source, source_offset, target, target_offset, bits = action
    return _NX_MOVE.pack(
        0xFFFF, 24, _NX_VENDOR, 6, bits, source_offset, target_offset, field_of(source).header, field_of(target).header
    )


def _resubmit(action: Action, layout: Layout) -> bytes:
    _check(True, layout, action)
    return _NX_RESUBMIT.pack(0xFFFF, 16, _NX_VENDOR, 14, _OFPP_IN_PORT_16, _table(layout, action[1]))


def _learn(action: Action, layout: Layout) -> bytes:
    _check(True, layout, action)
    _, table, priority, cookie, hard_s, specs = action
    body = b"".join([_learn_spec(spec) for spec in specs])
    size = 32 + len(body)
    padding = -size % 8
    return (
        _NX_LEARN.pack(
            0xFFFF, size + padding, _NX_VENDOR, 16, 0, hard_s, priority,
            layout.epoch << COOKIE_BITS | cookie, 0, _table(layout, table), 0, 0,
        )
        + body
        + bytes(padding)
    )  # fmt: skip


def _learn_spec(spec: Tuple[Any, ...]) -> bytes:
    kind, target, target_offset, bits, source, value = spec
    destination = field_of(target).header.to_bytes(4, "big") + target_offset.to_bytes(2, "big")
    load_bit = (1 << 11) if kind == "load" else 0
    if source is None:
        immediate = value.to_bytes((bits + 15) // 16 * 2, "big")
        return (1 << 13 | load_bit | bits).to_bytes(2, "big") + immediate + destination
    origin = field_of(source).header.to_bytes(4, "big") + value.to_bytes(2, "big")
    return (load_bit | bits).to_bytes(2, "big") + origin + destination


def _raw(action: Action, layout: Layout) -> bytes:
    return bytes(action[1])


def _table(layout: Layout, name: str) -> int:
    if name not in layout.tables:
        raise ValueError(f"no such flow table: {name!r}")
    return layout.tables[name]


def _check(nicira: bool, layout: Layout, action: Action) -> None:
    if nicira and not layout.nicira:
        raise NeedsNicira(action[0] if action[0] != "set" else action[1])


_KINDS: Dict[str, Callable[[Action, Layout], bytes]] = {
    "output": _output,
    "group": _group,
    "push_vlan": _push_vlan,
    "pop_vlan": _pop_vlan,
    "set_ttl": _set_ttl,
    "dec_ttl": _dec_ttl,
    "set": _set,
    "load": _load,
    "move": _move,
    "resubmit": _resubmit,
    "learn": _learn,
    "raw": _raw,
}


def encode_action(action: Action, layout: Layout) -> bytes:
    """Return the bytes of one action.

    :raises NeedsNicira: the layout has no Nicira extensions and the action needs them
    :raises ValueError: no such action, field or table
    """
    encode = _KINDS.get(action[0])
    if encode is None:
        raise ValueError(f"no such action: {action[0]!r}")
    return encode(action, layout)
