"""Rows of ``icmpresponder`` in the table ``l3input`` (behaviour b.5), as functions of values."""

from __future__ import annotations

from typing import Iterator, NamedTuple, Tuple

from ._flows.parts import Part
from ._flows.spec import (
    DEFAULT_PRIORITY,
    Action,
    Flow,
    Row,
    match,
    move,
    set_field,
    set_ttl,
    to_controller,
    to_input_port,
)

ECHO_COOKIE = 0x2
_IPV4, _ICMP, _REQUEST, _REPLY, _TTL = 0x0800, 1, 8, 0, 128


class NetInputs(NamedTuple):
    """A network with local ports: its number, the router's MAC address there, and every address of its routers, as numbers.

    ``prepush`` lets the switch answer, without the controller.
    """

    net_no: int
    mac: int
    gateways: Tuple[int, ...]
    prepush: bool


def icmp_rows(part: Part) -> Iterator[Row]:
    """Return the rows of one network."""
    net: NetInputs = part.inputs
    for gateway in net.gateways:
        requests = match(
            in_net=net.net_no,
            eth_dst=net.mac,
            eth_type=_IPV4,
            ip_proto=_ICMP,
            icmpv4_type=_REQUEST,
            icmpv4_code=0,
            ipv4_dst=gateway,
        )
        do = _answer(gateway, net.mac) if net.prepush else (to_controller(),)
        yield Flow("l3input", DEFAULT_PRIORITY + 1, requests, do, ECHO_COOKIE)


def _answer(gateway: int, mac: int) -> Tuple[Action, ...]:
    """Turn the request into its reply and send it back; the switch repairs the checksums."""
    return (
        move("eth_src", "eth_dst"),
        *set_field(eth_src=mac),
        move("ipv4_src", "ipv4_dst"),
        *set_field(ipv4_src=gateway, icmpv4_type=_REPLY),
        set_ttl(_TTL),
        to_input_port(),
    )
