"""The router outside, at the external network, and a host behind it."""

from __future__ import annotations

import random
from typing import NamedTuple

from support import packetbytes
from support.packetbytes import ARP, ARP_OP, ARP_SHA, ARP_SPA, ARP_TPA, ETH_DST, ETH_TYPE, ICMP_TYPE, IPV4_DST, IPV4_SRC, VLAN
from support.sim.topology import ip_number

NETWORK, CIDR, VLAN_ID = "out", "10.20.0.0/28", 300
GATEWAYS = ("10.20.0.1", "10.20.0.14")
POOL = ("10.20.0.2", "10.20.0.13")
FAR = ip_number("10.99.0.9")
"""The host behind the router"""


class HeardOutside(NamedTuple):
    """An untagged copy of a frame that came to the external network, and over which switches."""

    frame: bytes
    path: tuple[str, ...]


class Outside:
    """A router that sends packets for the inside to some forwarding nodes, and answers for the host behind it.

    :param chance: which forwarding node it takes
    :param tagged: whether the external network has a VLAN tag
    :ivar mac: its MAC address
    :ivar heard: every frame that came to the external network
    :ivar neighbours: ``{address: MAC address}`` of those who have answered its questions
    :ivar way: MAC addresses of the forwarding nodes that it sends packets for the inside to
    """

    def __init__(self, chance: random.Random, tagged: bool) -> None:
        self.chance = chance
        self.mac = 0x020000000F00
        self.heard: list[HeardOutside] = []
        self.neighbours: dict[int, int] = {}
        self.way: list[int] = []
        self._addresses = {FAR, *map(ip_number, GATEWAYS)}
        self._tag = packetbytes.VLAN_PRESENT | VLAN_ID if tagged else 0

    def question(self, address: int) -> bytes:
        """Return the frame that asks for a MAC address."""
        return self._tagged(packetbytes.arp(1, (self.mac, ip_number(GATEWAYS[0])), (0, address)))

    def request(self, mac: int, address: int, number: int, source: int = FAR) -> bytes:
        """Return an echo request to an address, by the forwarding node with a MAC address."""
        return self._tagged(packetbytes.echo((self.mac, mac), (source, address), number))

    def _tagged(self, frame: bytes) -> bytes:
        return packetbytes.build(frame, {**packetbytes.parse(frame), VLAN: self._tag})

    def hear(self, frame: bytes, path: tuple[str, ...]) -> bytes | None:
        """Take a frame from the external network, and return what the router answers, None when it does not."""
        fields = packetbytes.parse(frame)
        if fields[VLAN] != self._tag:
            return None
        self.heard.append(HeardOutside(packetbytes.build(frame, {**fields, VLAN: 0}), path))
        if fields[ETH_DST] not in (self.mac, packetbytes.BROADCAST):
            return None
        answer = self._answer(fields, self.heard[-1].frame)
        return None if answer is None else self._tagged(answer)

    def _answer(self, fields: dict, frame: bytes) -> bytes | None:
        if fields[ETH_TYPE] == ARP and fields.get(ARP_TPA) in self._addresses - {FAR}:
            other = fields[ARP_SHA], fields[ARP_SPA]
            if fields[ARP_OP] == 1:
                return packetbytes.arp(2, (self.mac, fields[ARP_TPA]), other, other[0])
            self.neighbours[other[1]] = other[0]
        if fields.get(ICMP_TYPE) == packetbytes.ECHO and fields[IPV4_DST] in self._addresses and self.way:
            macs = self.mac, self.chance.choice(self.way)
            number = packetbytes.echo_number(frame)
            return packetbytes.echo(macs, (fields[IPV4_DST], fields[IPV4_SRC]), number, packetbytes.ECHO_REPLY)
        return None
