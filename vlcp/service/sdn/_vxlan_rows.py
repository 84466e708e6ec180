"""Rows and groups of ``vxlancast`` (behaviour b.5), as functions of values."""

from __future__ import annotations

import enum
from typing import Any, Iterable, Iterator, NamedTuple, Optional, Tuple

from ._flows.parts import Part
from ._flows.spec import (
    DEFAULT_PRIORITY,
    FLAG_HAIRPIN,
    FLAG_TUNNEL,
    MULTICAST_BIT,
    SEND_FLOW_REM,
    Action,
    Flow,
    Group,
    Row,
    Sweep,
    goto_next,
    learn,
    learn_load_field,
    learn_load_value,
    learn_match_field,
    learn_match_value,
    load,
    match,
    output,
    resubmit,
    set_field,
    to_controller,
    to_input_port,
)

OUTPUT_GROUP = 0x10000
HAIRPIN_GROUP = 0x20000
UPLOAD_COOKIE = 0x2
UNICAST_COOKIE = 0x3
_UPLOADED_BYTES = 32
_MULTICAST = (MULTICAST_BIT, MULTICAST_BIT)


class Mode(enum.Enum):
    """What happens to a packet whose tunnel destination has not been told in advance."""

    LEARN = "learn"
    UPLOAD = "upload"
    NOTHING = "nothing"


class Settings(NamedTuple):
    """``mode``, and how long learned rows live, in seconds."""

    mode: Mode
    timeout_s: int


class PortInputs(NamedTuple):
    """A physical port that is a tunnel port."""

    port_no: int
    settings: Settings


class NetInputs(NamedTuple):
    """A network, its tunnel port (None without one) and the addresses of its other end-points, sorted, as numbers."""

    net_no: int
    port_no: Optional[int]
    endpoints: Tuple[int, ...]
    learning: bool


class RemoteInputs(NamedTuple):
    """A MAC address behind another end-point; ``idle_s`` seconds without packets remove its row, 0 never."""

    net_no: int
    port_no: int
    vni: int
    mac: int
    endpoint: int
    idle_s: int = 0


def choose_mode(learning: bool, prepush: bool) -> Mode:
    """Return the mode for the configuration."""
    if learning:
        return Mode.LEARN
    return Mode.NOTHING if prepush else Mode.UPLOAD


def vxlan_rows(part: Part) -> Iterable[Row]:
    """Return the rows of one part."""
    inputs: Any = part.inputs
    if isinstance(inputs, RemoteInputs):
        return (_remote_row(inputs),)
    if isinstance(inputs, NetInputs):
        return _net_rows(inputs)
    if isinstance(inputs, PortInputs):
        return _port_rows(inputs)
    return _base_rows(inputs)


def _base_rows(settings: Settings) -> Iterator[Row]:
    yield Flow("vxlanoutput", DEFAULT_PRIORITY + 10, match(eth_dst=_MULTICAST), (goto_next(),))
    if settings.mode is Mode.LEARN:
        yield Flow("vxlanlearning", 0, (), (load("flags", 0, 1, 0),))


def _port_rows(port: PortInputs) -> Iterator[Row]:
    number, settings = port
    marks = FLAG_HAIRPIN | FLAG_TUNNEL
    out = match(out_port=number, flags=(FLAG_TUNNEL, marks))
    back = match(out_port=number, flags=(marks, marks), in_port=number)
    yield Flow("egress", DEFAULT_PRIORITY + 10, out, (output(number),))
    yield Flow("egress", DEFAULT_PRIORITY + 10, back, (to_input_port(),))
    if settings.mode is Mode.LEARN:
        do = (_learning(number, settings.timeout_s), goto_next())
        yield Flow("vxlaninput", DEFAULT_PRIORITY, match(in_port=number), do)
        yield Flow("vxlanoutput", DEFAULT_PRIORITY, match(out_port=number), (resubmit("vxlanlearning"), goto_next()))
        yield Sweep("vxlanlearning", match(out_port=number))
    elif settings.mode is Mode.UPLOAD:
        yield Flow("vxlanoutput", DEFAULT_PRIORITY, match(out_port=number), (to_controller(_UPLOADED_BYTES),), UPLOAD_COOKIE)


def _learning(port_no: int, timeout_s: int) -> Action:
    """Send to the place that a packet came from whatever goes to its source."""
    specs = (
        learn_match_value("out_port", port_no),
        learn_match_field("eth_dst", "eth_src"),
        learn_match_field("out_net", "in_net"),
        learn_load_field("tun_id", "tun_id"),
        learn_load_field("tun_dst", "tun_src"),
        learn_load_value("flags", 0, 1, 1),
    )
    return learn("vxlanlearning", specs, hard_s=timeout_s)


def _net_rows(net: NetInputs) -> Iterator[Row]:
    """Groups that reach every other end-point; without a tunnel port they reach none, so that rows may use them."""
    for base, action in ((OUTPUT_GROUP, output(net.port_no or 0)), (HAIRPIN_GROUP, to_input_port())):
        endpoints = () if net.port_no is None else net.endpoints
        yield Group(base + net.net_no, "all", tuple((*set_field(tun_dst=ip), action) for ip in endpoints))
    if net.learning:
        yield Sweep("vxlanlearning", match(out_net=net.net_no))


def tunnel_actions(vni: int, endpoint: int) -> Tuple[Action, ...]:
    """Return the actions that address a packet to one end-point."""
    return (*set_field(tun_id=vni, tun_dst=endpoint), load("flags", 0, 1, FLAG_TUNNEL))


def _remote_row(remote: RemoteInputs) -> Row:
    place = match(out_port=remote.port_no, out_net=remote.net_no, eth_dst=remote.mac)
    do = (*tunnel_actions(remote.vni, remote.endpoint), goto_next())
    flags = SEND_FLOW_REM if remote.idle_s else 0
    return Flow("vxlanoutput", DEFAULT_PRIORITY + 9, place, do, UNICAST_COOKIE, idle_s=remote.idle_s, flags=flags)
