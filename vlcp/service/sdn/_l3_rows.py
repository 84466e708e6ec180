"""Rows of ``l3router`` (behaviour i.2), as functions of values. MAC and IPv4 addresses are numbers."""

from __future__ import annotations

from typing import Any, Iterable, Iterator, NamedTuple, Optional, Tuple

from ._flows.parts import Part
from ._flows.spec import (
    DEFAULT_PRIORITY,
    FLAG_LOCAL,
    MULTICAST_BIT,
    SEND_FLOW_REM,
    Action,
    Flow,
    Match,
    Row,
    dec_ttl,
    drop,
    goto,
    match,
    set_field,
    to_controller,
)

ROUTED_COOKIE = 0x3
ARP_COOKIE = 0x4
ERROR_COOKIE = 0x5
PORT_COOKIE = 0x6
ECHO_COOKIE = 0x7
LEARNED_COOKIE = 0x1
UNKNOWN_COOKIE = 0x0
_IPV4, _ARP, _ARP_REQUEST, _ARP_REPLY, _UDP = 0x0800, 0x0806, 1, 2, 17
_ICMP, _ECHO_REQUEST = 1, 8
_REPORTED_BYTES = 60
_ERROR_BYTES = 1024
_OWN_PRIORITY = DEFAULT_PRIORITY + 100
_AWAY_PRIORITY = DEFAULT_PRIORITY + 33


class Base(NamedTuple):
    """Rows for all networks."""


class NetInputs(NamedTuple):
    """A network with a router. ``inner`` and ``outer`` are the router's MAC addresses there, ``inner`` None in a network that
    is only outside, ``outer`` None where nothing comes from outside; ``asks_as`` are the addresses that the router asks from,
    ``own`` all addresses of its routers, ``outside`` those in external networks."""

    net_no: int
    inner: Optional[int]
    outer: Optional[int]
    asks_as: Tuple[int, ...]
    own: Tuple[int, ...]
    outside: Tuple[int, ...] = ()


class Connected(NamedTuple):
    """Packets to a subnet go to its network."""

    first: int
    prefix: int
    net_no: int


class Via(NamedTuple):
    """Packets to a destination go to the next hop ``mac`` in a network."""

    first: int
    prefix: int
    net_no: int
    mac: int


class Away(NamedTuple):
    """Packets to a destination go to a forwarding node, in the network that they come from; ``subnet`` is True when the
    destination is a subnet of the router, which goes before what else is known of it."""

    first: int
    prefix: int
    mac: int
    subnet: bool = True


class RouteInputs(NamedTuple):
    """Where packets from a network go; ``outer`` is their source when they are sent to a next hop."""

    net_no: int
    outer: int
    connected: Tuple[Connected, ...]
    via: Tuple[Via, ...]
    away: Tuple[Away, ...]


class HostInputs(NamedTuple):
    """An address that is known: packets to it get both MAC addresses.

    ``timeout_s`` is None for one that does not have to be confirmed.
    """

    net_no: int
    ip: int
    source: int
    target: int
    timeout_s: Optional[int] = None


def l3_rows(part: Part) -> Iterable[Row]:
    """Return the rows of one part."""
    inputs: Any = part.inputs
    if isinstance(inputs, NetInputs):
        return _net_rows(inputs)
    if isinstance(inputs, RouteInputs):
        return _route_rows(inputs)
    if isinstance(inputs, HostInputs):
        return _host_rows(inputs)
    return (Flow("l3router", 0, (), drop()), Flow("l3output", 0, (), (to_controller(),), UNKNOWN_COOKIE))


def _net_rows(net: NetInputs) -> Iterator[Row]:
    """Take packets for the router and answers to it; answer what has come to its end."""
    for mac in sorted({mac for mac in (net.inner, net.outer) if mac is not None}):
        packets = match(in_net=net.net_no, eth_dst=mac, eth_type=_IPV4)
        yield Flow("l3input", DEFAULT_PRIORITY, packets, (goto("l3router"),), ROUTED_COOKIE)
    for address in net.asks_as if net.outer is not None else ():
        answers = match(in_net=net.net_no, eth_dst=net.outer, eth_type=_ARP, arp_op=_ARP_REPLY, arp_tpa=address)
        yield Flow("l3input", DEFAULT_PRIORITY, answers, (to_controller(),), ARP_COOKIE)
    if net.inner is not None:
        everybody = (MULTICAST_BIT, MULTICAST_BIT)
        asked = match(in_net=net.net_no, flags=(0, FLAG_LOCAL), eth_type=_ARP, arp_op=_ARP_REQUEST, eth_dst=everybody)
        yield Flow("arp", DEFAULT_PRIORITY - 1, asked, drop())
    yield from _own_rows(net)


def _own_rows(net: NetInputs) -> Iterator[Row]:
    for ttl in (0, 1):
        ended = match(in_net=net.net_no, eth_type=_IPV4, ip_ttl=ttl)
        yield Flow("l3router", _OWN_PRIORITY, ended, (to_controller(_ERROR_BYTES),), ERROR_COOKIE)
    for address in net.own:
        place = {"in_net": net.net_no, "eth_type": _IPV4, "ipv4_dst": address}
        yield Flow("l3router", _OWN_PRIORITY + 1, match(**place), drop())
        probes = match(**place, ip_proto=_UDP)
        yield Flow("l3router", _OWN_PRIORITY + 2, probes, (to_controller(_ERROR_BYTES),), PORT_COOKIE)
        if address in net.outside:
            pings = match(**place, ip_proto=_ICMP, icmpv4_type=_ECHO_REQUEST, icmpv4_code=0)
            yield Flow("l3router", _OWN_PRIORITY + 2, pings, (to_controller(),), ECHO_COOKIE)


def _target(net_no: int, first: int, prefix: int) -> Match:
    """The match of packets from a network to a destination."""
    if not prefix:
        return match(in_net=net_no, eth_type=_IPV4)
    return match(in_net=net_no, eth_type=_IPV4, ipv4_dst=(first, (0xFFFFFFFF << (32 - prefix)) & 0xFFFFFFFF))


def _route_rows(routes: RouteInputs) -> Iterator[Row]:
    for subnet in routes.connected:
        do = (*set_field(out_net=subnet.net_no), goto("l3output"))
        yield Flow("l3router", DEFAULT_PRIORITY + subnet.prefix, _target(routes.net_no, subnet.first, subnet.prefix), do)
    for via in routes.via:
        do = (*set_field(out_net=via.net_no, eth_src=routes.outer, eth_dst=via.mac), dec_ttl(), goto("l2output"))
        yield Flow("l3router", DEFAULT_PRIORITY + via.prefix, _target(routes.net_no, via.first, via.prefix), do)
    for away in routes.away:
        priority = _AWAY_PRIORITY + away.prefix if away.subnet else DEFAULT_PRIORITY + away.prefix
        do = (*set_field(eth_dst=away.mac), goto("l2output"))
        yield Flow("l3router", priority, _target(routes.net_no, away.first, away.prefix), do)


def _host_rows(host: HostInputs) -> Iterator[Row]:
    """A learned address has two rows: one that ends soon, and one behind it that tells of each packet and ends unused."""
    place = match(out_net=host.net_no, eth_type=_IPV4, ipv4_dst=host.ip)
    rewrite: Tuple[Action, ...] = (*set_field(eth_src=host.source, eth_dst=host.target), dec_ttl())
    forward = (*rewrite, goto("l2output"))
    yield Flow("l3output", DEFAULT_PRIORITY + 1, place, forward, hard_s=host.timeout_s or 0)
    if host.timeout_s is not None:
        reported = (*rewrite, to_controller(_REPORTED_BYTES), goto("l2output"))
        idle_s = 2 * host.timeout_s
        yield Flow("l3output", DEFAULT_PRIORITY, place, reported, LEARNED_COOKIE, idle_s=idle_s, flags=SEND_FLOW_REM)
