"""Rows: what a module wants a switch to hold.

All of them are plain tuples of hashable values. A *match* is a tuple of ``(field, value, mask)`` in the order of
:mod:`.fields`, ``mask`` None for an exact match; an *action* is a tuple that begins with its kind. Tables have names.
Build them with :func:`match` and the functions below; the module that sends them alone knows numbers and bytes.
"""

from __future__ import annotations

from typing import Any, Iterable, NamedTuple, Optional, Tuple, Union

from .fields import parse_value, position_of, width_of

DEFAULT_PRIORITY = 0x8000
"""Priority ``OFP_DEFAULT_PRIORITY`` of the OpenFlow specification."""

BROADCAST_PORT = 0xFFFFFFFF
"""Value of the logical field ``out_port``: broadcast, or not decided yet."""

FLAG_HAIRPIN = 0x8000
"""Bit of the logical field ``flags``: the packet may leave through its input port."""

FLAG_LOCAL = 0x4000
"""Bit of the logical field ``flags``: the input port is a logical port."""

FLAG_TUNNEL = 0x0001
"""Bit of the logical field ``flags``: the tunnel destination is set."""

PORT_IN_PORT = 0xFFFFFFF8
PORT_CONTROLLER = 0xFFFFFFFD
NO_BUFFER_LIMIT = 0xFFFF

COOKIE_BITS = 49
COOKIE_MASK = (1 << COOKIE_BITS) - 1

MULTICAST_BIT = 0x010000000000
"""Value and mask of an Ethernet address whose multicast bit is set."""

SEND_FLOW_REM = 0x0001
"""Flag of a flow: the switch tells when the row is gone."""

Match = Tuple[Tuple[str, int, Optional[int]], ...]
Action = Tuple[Any, ...]
FlowKey = Tuple[str, int, Match]


class Flow(NamedTuple):
    """A row of a flow table.

    ``do`` is an ordered tuple of actions; ``cookie`` has 49 bits, the rest of the wire's 64 is the sender's epoch;
    ``idle_s`` and ``hard_s`` are timeouts in seconds, 0 for none; ``flags`` are those of OpenFlow's flow mod.
    """

    table: str
    priority: int
    match: Match
    do: Tuple[Action, ...]
    cookie: int = 0
    idle_s: int = 0
    hard_s: int = 0
    flags: int = 0

    @property
    def key(self) -> FlowKey:
        """What makes it one row: table, priority and match."""
        return self[:3]

    @property
    def data(self) -> Tuple[Any, ...]:
        """Everything else: what is compared between the wanted and the installed row."""
        return self[3:]


class Group(NamedTuple):
    """A group; ``kind`` is ``'all'``, ``'select'``, ``'indirect'`` or ``'ff'``, ``buckets`` a tuple of action tuples."""

    group_id: int
    kind: str
    buckets: Tuple[Tuple[Action, ...], ...]

    @property
    def key(self) -> int:
        """The group's number."""
        return self.group_id

    @property
    def data(self) -> Tuple[Any, ...]:
        """What is compared between the wanted and the installed group."""
        return self[1:]


class Sweep(NamedTuple):
    """Covers rows that the switch makes by itself (``learn``).

    Nothing is sent while it is wanted, and rows that it covers are not drift; when it is no longer wanted, every row of
    ``table`` that ``match`` includes is deleted.
    """

    table: str
    match: Match

    @property
    def key(self) -> Tuple[str, Match]:
        """Table and match."""
        return self[:2]

    @property
    def data(self) -> Tuple[Any, ...]:
        """Always empty: a sweep has only a key."""
        return ()


Row = Union[Flow, Group, Sweep]


class NeedsNicira(ValueError):
    """A row uses an action or a field that a switch without the Nicira extensions does not know.

    :param what: the action or the field
    """

    def __init__(self, what: object) -> None:
        super().__init__(f"needs the Nicira extensions: {what!r}")
        self.what = what


def match(**conditions: object) -> Match:
    """Return the match of the given fields.

    :param conditions: field name -> a value (see :func:`~.fields.parse_value`), or a pair ``(value, mask)`` of them
    :raises ValueError: no such field, or not a value of it
    """
    rows = []
    for name, condition in conditions.items():
        mask = None
        if isinstance(condition, tuple) and len(condition) == 2:
            condition, wanted_mask = condition
            mask = parse_value(name, wanted_mask)
        value = parse_value(name, condition)
        if mask is not None and mask == (1 << width_of(name)) - 1:
            mask = None
        rows.append((name, value if mask is None else value & mask, mask))
    return sort_match(rows)


def sort_match(rows: Iterable[Tuple[str, int, Optional[int]]]) -> Match:
    """Return the conditions in the order of the wire."""
    return tuple(sorted(rows, key=lambda row: position_of(row[0])))


def set_field(**values: object) -> Tuple[Action, ...]:
    """Actions that set whole fields, in the order given.

    :raises ValueError: no such field, or not a value of it
    """
    return tuple(("set", name, parse_value(name, value)) for name, value in values.items())


def load(name: str, offset: int, bits: int, value: int) -> Action:
    """Set ``bits`` bits of a field from bit ``offset`` on (Nicira, or a logical field).

    :raises ValueError: no such field, or outside of it
    """
    _check_range(name, offset, bits)
    if not 0 <= value < 1 << bits:
        raise ValueError(f"{name}: {value!r} does not fit into {bits} bits")
    return ("load", name, offset, bits, value)


def move(source: str, target: str, bits: Optional[int] = None, source_offset: int = 0, target_offset: int = 0) -> Action:
    """Copy bits between fields (Nicira); ``bits`` None takes the width of the narrower field.

    :raises ValueError: no such field, or outside of it
    """
    bits = min(width_of(source), width_of(target)) if bits is None else bits
    _check_range(source, source_offset, bits)
    _check_range(target, target_offset, bits)
    return ("move", source, source_offset, target, target_offset, bits)


def _check_range(name: str, offset: int, bits: int) -> None:
    if offset < 0 or bits < 1 or offset + bits > width_of(name):
        raise ValueError(f"{name}: no bits {offset}..{offset + bits - 1}")


def output(port: int, max_len: int = 0) -> Action:
    """Send the packet out of a port."""
    return ("output", port, max_len)


def to_controller(max_len: int = NO_BUFFER_LIMIT) -> Action:
    """Send the packet, or its first ``max_len`` bytes, to the controller."""
    return ("output", PORT_CONTROLLER, max_len)


def to_input_port() -> Action:
    """Send the packet back out of the port it came from."""
    return ("output", PORT_IN_PORT, 0)


def group(group_id: int) -> Action:
    """Hand the packet to a group."""
    return ("group", group_id)


def push_vlan(ethertype: int = 0x8100) -> Action:
    """Push a VLAN header."""
    return ("push_vlan", ethertype)


def pop_vlan() -> Action:
    """Pop the outermost VLAN header."""
    return ("pop_vlan",)


def set_ttl(value: int) -> Action:
    """Set the IP time to live.

    :raises ValueError: not 0 .. 255
    """
    if not 0 <= value <= 255:
        raise ValueError(f"not a time to live: {value!r}")
    return ("set_ttl", value)


def dec_ttl() -> Action:
    """Count the IP time to live down; a packet at its end is not forwarded."""
    return ("dec_ttl",)


def resubmit(table: str) -> Action:
    """Search another table with the packet as it is, then go on (Nicira)."""
    return ("resubmit", table)


def learn(
    table: str, specs: Iterable[Tuple[Any, ...]], priority: int = DEFAULT_PRIORITY, cookie: int = 0, hard_s: int = 0
) -> Action:
    """Let the switch make rows from packets (Nicira ``learn``).

    :param specs: tuples of :func:`learn_match_field`, :func:`learn_match_value`, :func:`learn_load_field` and
        :func:`learn_load_value`
    """
    return ("learn", table, priority, cookie, hard_s, tuple(specs))


def learn_match_field(target: str, source: str) -> Tuple[Any, ...]:
    """The learned row matches ``target`` = the packet's ``source``."""
    return ("match", target, 0, min(width_of(source), width_of(target)), source, 0)


def learn_match_value(target: str, value: object) -> Tuple[Any, ...]:
    """The learned row matches ``target`` = a constant."""
    return ("match", target, 0, width_of(target), None, parse_value(target, value))


def learn_load_field(target: str, source: str) -> Tuple[Any, ...]:
    """The learned row sets ``target`` to this packet's ``source``."""
    return ("load", target, 0, min(width_of(source), width_of(target)), source, 0)


def learn_load_value(target: str, offset: int, bits: int, value: int) -> Tuple[Any, ...]:
    """The learned row sets some bits of ``target`` to a constant."""
    _check_range(target, offset, bits)
    return ("load", target, offset, bits, None, value)


def goto(table: str) -> Action:
    """Go on in a table."""
    return ("goto", table)


def goto_next() -> Action:
    """Go on in the next table of the row's path."""
    return ("next",)


def goto_after(table: str) -> Action:
    """Go on in the table that follows ``table`` in its path."""
    return ("after", table)


def drop() -> Tuple[Action, ...]:
    """Actions of a row that drops packets: clear the action set and go nowhere."""
    return (("clear",),)


def uses_group(actions: Iterable[Action]) -> bool:
    """True when one of the actions hands the packet to a group."""
    return any(action[0] == "group" for action in actions)
