"""Rows of the table ``arp`` (behaviour b.5), as functions of values."""

from __future__ import annotations

from typing import Any, Iterable, Iterator, NamedTuple, Tuple

from ._flows.parts import Part
from ._flows.spec import (
    DEFAULT_PRIORITY,
    FLAG_LOCAL,
    MULTICAST_BIT,
    Action,
    Flow,
    Match,
    Row,
    drop,
    goto_after,
    goto_next,
    load,
    match,
    move,
    set_field,
)

PHYSICAL_COOKIE = 0x1
LOCAL_COOKIE = 0x3
OWN_COOKIE = 0x7
_ARP, _REQUEST, _REPLY = 0x0806, 1, 2
_HAIRPIN_BIT = 15


class Base(NamedTuple):
    """Rows for all networks; ``disable_others`` drops questions that no other row answers."""

    disable_others: bool


class Entry(NamedTuple):
    """An address whose questions are answered with ``mac``; numbers.

    ``sides`` has True for questions of logical ports and False for those from physical ports; ``broadcast_only`` lets
    questions to a single station pass.
    """

    net_no: int
    ip: int
    mac: int
    sides: Tuple[bool, ...]
    broadcast_only: bool


class Own(NamedTuple):
    """A logical port that asks for its own address: to the next table when ``passes``, else nowhere."""

    net_no: int
    port_no: int
    ip: int
    broadcast_only: bool
    passes: bool


def arp_rows(part: Part) -> Iterable[Row]:
    """Return the rows of one part."""
    inputs: Any = part.inputs
    if isinstance(inputs, Entry):
        return _answers(inputs)
    if isinstance(inputs, Own):
        return (_own(inputs),)
    if inputs.disable_others:
        return (Flow("arp", 1, match(eth_type=_ARP, arp_op=_REQUEST), drop()),)
    return ()


def _question(ip: int, broadcast_only: bool, **conditions: object) -> Match:
    if broadcast_only:
        conditions["eth_dst"] = (MULTICAST_BIT, MULTICAST_BIT)
    return match(eth_type=_ARP, arp_op=_REQUEST, arp_tpa=ip, **conditions)


def _answers(entry: Entry) -> Iterator[Row]:
    do = _answer(entry.ip, entry.mac)
    for local in entry.sides:
        flags = (FLAG_LOCAL if local else 0, FLAG_LOCAL)
        question = _question(entry.ip, entry.broadcast_only, in_net=entry.net_no, flags=flags)
        yield Flow("arp", DEFAULT_PRIORITY, question, do, LOCAL_COOKIE if local else PHYSICAL_COOKIE)


def _answer(ip: int, mac: int) -> Tuple[Action, ...]:
    """Turn the question into its answer and send it back."""
    return (
        move("arp_spa", "arp_tpa"),
        move("arp_sha", "arp_tha"),
        move("eth_src", "eth_dst"),
        *set_field(arp_spa=ip, arp_sha=mac, eth_src=mac, arp_op=_REPLY),
        load("flags", _HAIRPIN_BIT, 1, 1),
        move("in_port", "out_port"),
        goto_after("l2output"),
    )


def _own(own: Own) -> Row:
    question = _question(own.ip, own.broadcast_only, in_net=own.net_no, in_port=own.port_no)
    return Flow("arp", DEFAULT_PRIORITY + 10, question, (goto_next(),) if own.passes else drop(), OWN_COOKIE)
