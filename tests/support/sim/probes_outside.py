"""Packets between stations and the outside when everything is at rest, and who must get them."""

from __future__ import annotations

from typing import Any, Iterator, NamedTuple, Optional

from support import packetbytes
from support.packetbytes import ARP_OP, ARP_SPA, ETH_DST, ICMP_TYPE
from support.sim.fabric import ROUTER_MAC, Fabric
from support.sim.outside import FAR, GATEWAYS
from support.sim.probes import PATIENCE_S
from support.sim.topology import Topology, ip_number

_FIRST_NUMBER = 10000
_SPREAD_S = 0.3
_ASK_S = 1.0
_MOST_ECHOES = 24
_MOST_SWITCHES = 2


class Echo(NamedTuple):
    """An echo request: its sender and who must get it, names of stations or "outside"; the target is None for nobody, and
    "node" for the forwarding node itself. ``near`` are the networks in which others may overhear it."""

    number: int
    sender: str
    target: Optional[str]
    near: frozenset
    what: str


class OutsideProbes:
    """Sends packets to and from the outside, and tells which of them went wrong.

    :param world: the simulation
    :param fabric: whose stations send
    :param topology: what should be reached
    :param nodes: ``[(name, address outside, MAC address there)]`` of the living forwarding nodes
    """

    def __init__(self, world: Any, fabric: Fabric, topology: Topology, nodes: list[tuple[str, int, int]]) -> None:
        self.world, self.fabric, self.topology, self.nodes = world, fabric, topology, nodes
        self.outside = fabric.outside
        self.random = world.clockwork.random
        self._numbers = iter(range(_FIRST_NUMBER, 1 << 31))

    def faults(self) -> Iterator[str]:
        """Send everything, wait, and yield what is wrong."""
        yield from self._ask()
        self.outside.way = [mac for _, _, mac in self.nodes]
        for heard in (self.outside.heard, self.fabric.heard):
            heard.clear()
        sent = [*self._leaving(), *self._entering()]
        echoes = self.random.sample(sent, min(len(sent), _MOST_ECHOES))
        for echo, frame in echoes:
            send = (self.fabric.emit_outside,) if echo.sender == "outside" else (self.fabric.emit, echo.sender)
            self.world.clockwork.later(self.random.uniform(0, _SPREAD_S), *send, frame)
        self.world.advance(PATIENCE_S)
        for echo, _ in echoes:
            yield from self._judge(echo)
        yield from self.fabric.faults

    def _ask(self) -> Iterator[str]:
        """The router outside asks for every node's MAC address; yield what is wrong with the answers."""
        self.outside.heard.clear()
        for _, address, _ in self.nodes:
            self.fabric.emit_outside(self.outside.question(address))
        self.world.advance(_ASK_S)
        answers: dict[int, list[bytes]] = {}
        for heard in self.outside.heard:
            fields = packetbytes.parse(heard.frame)
            if fields.get(ARP_OP) == 2 and fields[ETH_DST] == self.outside.mac:
                answers.setdefault(fields[ARP_SPA], []).append(heard.frame[22:28])
        for name, address, mac in self.nodes:
            found = answers.get(address, [])
            if found != [mac.to_bytes(6, "big")]:
                yield f"asked for {address:08x} outside, {name} answers {[one.hex() for one in found]}, should say {mac:012x}"

    # Echo requests

    def _leaving(self) -> Iterator[tuple[Echo, bytes]]:
        for name, one in self.topology.members.items():
            if one.station.ip is None:
                continue
            target = "outside" if self.nodes and self.topology.leads_outside(one) else None
            for address in (FAR, ip_number(self.random.choice(GATEWAYS))):
                number = next(self._numbers)
                frame = packetbytes.echo((one.station.mac, ROUTER_MAC), (one.station.ip, address), number)
                yield Echo(number, name, target, frozenset((one.network,)), f"request of {name} to {address:08x} outside"), frame

    def _entering(self) -> Iterator[tuple[Echo, bytes]]:
        for node, address, mac in self.nodes:
            for name, one in self.topology.members.items():
                if one.station.ip is None or self.topology.router_of(one) is None:
                    continue
                number = next(self._numbers)
                target = name if self.topology.leads_outside(one) else None
                what = f"request from outside by {node} to {name}"
                frame = self.outside.request(mac, one.station.ip, number)
                yield Echo(number, "outside", target, frozenset((one.network,)), what), frame
            number = next(self._numbers)
            source = ip_number(GATEWAYS[0])
            frame = self.outside.request(mac, address, number, source)
            yield Echo(number, "outside", "node", frozenset(), f"request from outside to {node} itself"), frame

    def _judge(self, echo: Echo) -> Iterator[str]:
        """Yield what is wrong with one request: where it and its answer went, and over which switches."""
        requests, replies = self._heard(echo, packetbytes.ECHO), self._heard(echo, packetbytes.ECHO_REPLY)
        wanted = [echo.target] if echo.target not in (None, "node") else []
        if [who for who, right, _ in requests if right] != wanted:
            yield f"{echo.what} is heard by {[who for who, right, _ in requests if right]}, should be by {wanted}"
        answered = [echo.sender] if echo.target is not None else []
        if [who for who, right, _ in replies if right] != answered:
            yield f"the answer to the {echo.what} is heard by {[who for who, right, _ in replies if right]}"
        for who, right, path in (*requests, *replies):
            member = self.topology.members.get(who)
            if not right and (member is None or member.network not in echo.near):
                yield f"{echo.what} or its answer is overheard by {who}"
            if len(set(path)) > _MOST_SWITCHES or len(path) > _MOST_SWITCHES:
                yield f"{echo.what} or its answer goes over {', '.join(path)}"

    def _heard(self, echo: Echo, kind: int) -> list[tuple[str, bool, tuple]]:
        """Return who heard the request or its answer: name, whether it was for it, and the path."""
        found = []
        for place in [("outside", self.outside.mac, *one) for one in self.outside.heard] + self._heard_inside():
            name, mac, frame, path = place
            fields = packetbytes.parse(frame)
            if fields.get(ICMP_TYPE) != kind or packetbytes.echo_number(frame) != echo.number:
                continue
            found.append((name, fields[ETH_DST] == mac, path))
        return found

    def _heard_inside(self) -> list[tuple]:
        members = self.topology.members
        return [
            (one.identifier, members[one.identifier].station.mac if one.identifier in members else None, one.frame, one.path)
            for one in self.fabric.heard
        ]
