"""Rows of the tables of ``l2switch`` (behaviour b.5), as functions of values."""

from __future__ import annotations

import enum
from typing import Any, Iterable, Iterator, NamedTuple, Optional

from ._flows.parts import Part
from ._flows.spec import (
    DEFAULT_PRIORITY,
    MULTICAST_BIT,
    Flow,
    Row,
    Sweep,
    drop,
    goto_next,
    learn,
    learn_load_field,
    learn_match_field,
    match,
    resubmit,
    set_field,
    to_controller,
)

UPLOAD_COOKIE = 0x1
LEARNED_COOKIE = 0x2
UNICAST_COOKIE = 0x3
UPLINK_COOKIE = 0x4
_UPLOADED_BYTES = 32
_LINK_LOCAL = (0x0180C2000000, 0xFFFFFFFFFFF0)
_MULTICAST = (MULTICAST_BIT, MULTICAST_BIT)


class Mode(enum.Enum):
    """Where a switch gets the port of a MAC address from."""

    PREPUSH = "prepush"
    NX_LEARN = "nxlearn"
    CONTROLLER = "controller"


class Settings(NamedTuple):
    """How addresses are found, and how long learned ones are valid, in seconds."""

    mode: Mode
    timeout_s: int


class PortInputs(NamedTuple):
    """A logical port with a MAC address."""

    net_no: int
    port_no: int
    mac: int
    mode: Mode


class NetInputs(NamedTuple):
    """A network; ``uplink`` is the physical port for unknown addresses, None without one."""

    net_no: int
    uplink: Optional[int]
    mode: Mode


class LearnedInputs(NamedTuple):
    """A MAC address that the controller has learned."""

    net_no: int
    port_no: int
    mac: int
    timeout_s: int


def choose_mode(learning: bool, nxlearn: bool, nicira: bool) -> Mode:
    """Return the mode for the configuration, on a switch with or without the Nicira extensions."""
    if not learning:
        return Mode.PREPUSH
    return Mode.NX_LEARN if nxlearn and nicira else Mode.CONTROLLER


def l2_rows(part: Part) -> Iterable[Row]:
    """Return the rows of one part."""
    inputs: Any = part.inputs
    if isinstance(inputs, PortInputs):
        return _port_rows(inputs)
    if isinstance(inputs, NetInputs):
        return _net_rows(inputs)
    if isinstance(inputs, LearnedInputs):
        return _learned_rows(inputs)
    return (*_base_rows(), *_default_rows(inputs))


def _base_rows() -> Iterator[Row]:
    """Rows of every mode: what is never forwarded, and what goes to many."""
    yield Flow("l2input", DEFAULT_PRIORITY, match(eth_src=_MULTICAST), drop())
    yield Flow("l2input", DEFAULT_PRIORITY, match(eth_dst=_LINK_LOCAL), drop())
    yield Flow("l2output", DEFAULT_PRIORITY + 10, match(eth_dst=_MULTICAST), (goto_next(),))


def _default_rows(settings: Settings) -> Iterator[Row]:
    """Rows for packets that no other row takes."""
    if settings.mode is Mode.PREPUSH:
        yield Flow("l2input", 0, (), (goto_next(),), UPLOAD_COOKIE)
        yield Flow("l2output", 0, (), (goto_next(),), UPLOAD_COOKIE)
    elif settings.mode is Mode.NX_LEARN:
        specs = (
            learn_match_field("out_net", "in_net"),
            learn_match_field("eth_dst", "eth_src"),
            learn_load_field("out_port", "in_port"),
        )
        learning = learn("l2learning", specs, cookie=LEARNED_COOKIE, hard_s=settings.timeout_s)
        yield Flow("l2input", 0, (), (learning, goto_next()), UPLOAD_COOKIE)
        yield Flow("l2output", 0, (), (resubmit("l2learning"), goto_next()), UPLOAD_COOKIE)
    else:
        yield Flow("l2input", 0, (), (goto_next(),))
        yield Flow("l2output", 0, (), (goto_next(),))
        yield Flow("l2input", 1, (), (to_controller(_UPLOADED_BYTES), goto_next()), UPLOAD_COOKIE)


def _port_rows(port: PortInputs) -> Iterator[Row]:
    place = match(out_net=port.net_no, eth_dst=port.mac)
    if port.mode is Mode.PREPUSH:
        do = (*set_field(out_port=port.port_no), goto_next())
        yield Flow("l2output", DEFAULT_PRIORITY + 2, place, do, UNICAST_COOKIE)
    else:
        yield Sweep("l2learning", place)


def _net_rows(net: NetInputs) -> Iterator[Row]:
    place = match(out_net=net.net_no)
    if net.mode is Mode.NX_LEARN:
        yield Sweep("l2learning", place)
    elif net.uplink is not None:
        do = (*set_field(out_port=net.uplink), goto_next())
        yield Flow("l2output", DEFAULT_PRIORITY + 1, place, do, UPLINK_COOKIE)


def _learned_rows(learned: LearnedInputs) -> Iterator[Row]:
    """The first row ends earlier, so that the controller hears of the address again before the second one ends."""
    heard = match(in_net=learned.net_no, in_port=learned.port_no, eth_src=learned.mac)
    renewed = max(learned.timeout_s // 4, 1)
    yield Flow("l2input", DEFAULT_PRIORITY, heard, (goto_next(),), LEARNED_COOKIE, hard_s=renewed)
    place = match(out_net=learned.net_no, eth_dst=learned.mac)
    do = (*set_field(out_port=learned.port_no), goto_next())
    yield Flow("l2output", DEFAULT_PRIORITY, place, do, LEARNED_COOKIE, hard_s=learned.timeout_s)
