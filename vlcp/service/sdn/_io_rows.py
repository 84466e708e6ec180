"""Rows of the tables ``ingress`` and ``egress`` (behaviour of ``ioprocessing``), as functions of values.

* a logical port marks its packets with its network and gets those that are for it;
* a pair of a network and a physical port does so by what the network's driver says;
* a network has a group that reaches every one of its ports.
"""

from __future__ import annotations

from typing import Any, Iterable, Iterator, NamedTuple, Tuple

from ._flows.parts import Part
from ._flows.spec import (
    BROADCAST_PORT,
    DEFAULT_PRIORITY,
    FLAG_HAIRPIN,
    FLAG_LOCAL,
    Action,
    Flow,
    Group,
    Match,
    Row,
    drop,
    goto_next,
    group,
    match,
    output,
    set_field,
    sort_match,
    to_input_port,
    uses_group,
)

PHYSICAL_COOKIE = 0x1000000000000

Actions = Tuple[Action, ...]


class IoParts(NamedTuple):
    """What a driver says about one network on one physical port: a match and actions for packets that come in, actions
    that send one out, the same inside a group, and the same for a packet that came in by this port."""

    match: Match
    on_input: Actions
    on_output: Actions
    bucket: Actions
    on_hairpin: Actions


class PortInputs(NamedTuple):
    """A logical port: its number and that of its network."""

    port_no: int
    net_no: int


class PairInputs(NamedTuple):
    """A network on a physical port."""

    net_no: int
    port_no: int
    parts: IoParts


class NetInputs(NamedTuple):
    """A network: numbers of its logical ports and bucket actions of its physical ports; ``chaining`` allows groups that
    use groups."""

    net_no: int
    ports: Tuple[int, ...]
    buckets: Tuple[Actions, ...]
    chaining: bool


def io_rows(part: Part) -> Iterable[Row]:
    """Return the rows of one part; its inputs are None or one of the classes of this module."""
    inputs = part.inputs
    if isinstance(inputs, PortInputs):
        return _port_rows(inputs)
    if isinstance(inputs, PairInputs):
        return _pair_rows(inputs)
    if isinstance(inputs, NetInputs):
        return _net_rows(inputs)
    return (Flow("ingress", 0, (), drop()), Flow("egress", 0, (), drop()))


def _marks(net_no: int, flags: int) -> Actions:
    return set_field(in_net=net_no, out_net=net_no, out_port=BROADCAST_PORT, flags=flags)


def _out(net_no: int, port_no: int, hairpin: bool) -> Match:
    """The match of packets that leave by a port; a hairpin comes in by the same one and is marked for it."""
    rows: Any = [
        ("out_net", net_no, None),
        ("out_port", port_no, None),
        ("flags", FLAG_HAIRPIN if hairpin else 0, FLAG_HAIRPIN),
    ]
    if hairpin:
        rows.append(("in_port", port_no, None))
    return sort_match(rows)


def _port_rows(port: PortInputs) -> Iterator[Row]:
    number, net_no = port
    yield Flow("ingress", DEFAULT_PRIORITY, match(in_port=number), (*_marks(net_no, FLAG_LOCAL), goto_next()))
    yield Flow("egress", DEFAULT_PRIORITY, _out(net_no, number, False), (output(number),))
    yield Flow("egress", DEFAULT_PRIORITY, _out(net_no, number, True), (to_input_port(),))


def _pair_rows(pair: PairInputs) -> Iterator[Row]:
    net_no, number, parts = pair
    incoming = sort_match((("in_port", number, None), *parts.match))
    do = (*_marks(net_no, 0), *parts.on_input, goto_next())
    cookie = PHYSICAL_COOKIE + ((number & 0xFFFF) << 16) + net_no
    yield Flow("ingress", DEFAULT_PRIORITY, incoming, do, PHYSICAL_COOKIE + net_no)
    if parts.on_output:
        yield Flow("egress", DEFAULT_PRIORITY, _out(net_no, number, False), parts.on_output, cookie)
    if parts.on_hairpin:
        yield Flow("egress", DEFAULT_PRIORITY, _out(net_no, number, True), parts.on_hairpin, cookie)


def _net_rows(net: NetInputs) -> Iterator[Row]:
    """Broadcast: one group for all ports; the switch itself leaves out the port that a packet came in by."""
    plain = net.chaining or not any(uses_group(bucket) for bucket in net.buckets)
    local = tuple((output(number),) for number in net.ports)
    inside = net.buckets if plain else tuple(bucket for bucket in net.buckets if not uses_group(bucket))
    yield Group(net.net_no, "all", local + inside)
    do: Actions = (group(net.net_no),)
    if not plain:
        do = tuple(action for bucket in local + net.buckets for action in bucket)
    yield Flow("egress", DEFAULT_PRIORITY, _out(net.net_no, BROADCAST_PORT, False), do)
