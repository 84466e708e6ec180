"""Rows of ``dhcpserver`` in the table ``l3input`` (behaviour b.5): what clients send goes to the controller. Pure."""

from __future__ import annotations

from typing import Iterator, NamedTuple, Tuple

from ._flows.parts import Part
from ._flows.spec import DEFAULT_PRIORITY, FLAG_LOCAL, MULTICAST_BIT, Flow, Row, match, to_controller

REQUEST_COOKIE = 0x1
_IPV4, _UDP, _SERVER_PORT = 0x0800, 17, 67


class NetInputs(NamedTuple):
    """A network with local ports, and the addresses of the servers that its clients know, as numbers."""

    net_no: int
    servers: Tuple[int, ...]


def dhcp_rows(part: Part) -> Iterator[Row]:
    """Return the rows of one network."""
    net: NetInputs = part.inputs
    yield _upload(net.net_no, eth_dst=(MULTICAST_BIT, MULTICAST_BIT))
    for server in net.servers:
        yield _upload(net.net_no, ipv4_dst=server)


def _upload(net_no: int, **conditions: object) -> Flow:
    packets = match(
        out_net=net_no, flags=(FLAG_LOCAL, FLAG_LOCAL), eth_type=_IPV4, ip_proto=_UDP, udp_dst=_SERVER_PORT, **conditions
    )
    return Flow("l3input", DEFAULT_PRIORITY, packets, (to_controller(),), REQUEST_COOKIE)
