"""Packets that stations send when everything is at rest, and who must get them."""

from __future__ import annotations

from typing import Any, Iterator, NamedTuple, Optional

from support import packetbytes
from support.packetbytes import ARP_OP, ARP_SHA, ARP_SPA, ETH_DST, ICMP_TYPE, UDP_DST
from support.sim.fabric import ROUTER_MAC, Fabric, Heard
from support.sim.topology import Topology

PATIENCE_S = 3.0
_SPREAD_S = 0.3
_MOST_ECHOES = 24
_YIADDR = 58


class Echo(NamedTuple):
    """An echo request: who must get it (None for nobody), and who answers it ("" for nobody, "router" for a router)."""

    sender: str
    number: int
    frame: bytes
    target: Optional[str]
    answer: str
    ttl: int
    what: str


class Probes:
    """Sends packets of every kind over a fabric, and tells which of them went wrong.

    :param world: the simulation
    :param fabric: whose stations send
    :param topology: what should be reached
    :param strict: False where packets for one station may be flooded to others of its network
    """

    def __init__(self, world: Any, fabric: Fabric, topology: Topology, strict: bool) -> None:
        self.world, self.fabric, self.topology, self.strict = world, fabric, topology, strict
        self.random = world.clockwork.random
        self._number = 0

    def faults(self) -> Iterator[str]:
        """Send everything, wait, and yield what is wrong."""
        self.fabric.heard.clear()
        echoes = [*self._plain(), *self._refused()]
        if len(echoes) > _MOST_ECHOES:
            echoes = self.random.sample(echoes, _MOST_ECHOES)
        for echo in echoes:
            self._send(echo.sender, echo.frame)
        questions = list(self._questions())
        clients = [name for name, one in self.topology.members.items() if one.station.ip is not None]
        for name in clients:
            self._send(name, packetbytes.discover(self.topology.members[name].station.mac, self._next()))
        self.world.advance(PATIENCE_S)
        by_number: dict[int, list[Heard]] = {}
        for heard in self.fabric.heard:
            if ICMP_TYPE in packetbytes.parse(heard.frame):
                by_number.setdefault(packetbytes.echo_number(heard.frame), []).append(heard)
        for echo in echoes:
            yield from self._judge(echo, by_number.get(echo.number, []))
        yield from self._judge_questions(questions)
        yield from self._judge_offers(clients)
        yield from self.fabric.faults

    def _send(self, sender: str, frame: bytes) -> None:
        self.world.clockwork.later(self.random.uniform(0, _SPREAD_S), self.fabric.emit, sender, frame)

    def _next(self) -> int:
        self._number += 1
        return self._number

    # Echo requests

    def _echo(self, sender: str, mac: int, address: int, target: Any, answer: str, what: str, ttl: int = 64) -> Echo:
        own = self.topology.members[sender].station
        number = self._next()
        frame = packetbytes.echo((own.mac, mac), (own.ip or 0, address), number, ttl=ttl)
        return Echo(sender, number, frame, target, answer, ttl, f"echo request of {sender} to {what}")

    def _plain(self) -> Iterator[Echo]:
        """Requests to stations and gateways that are there."""
        topology = self.topology
        for name, one in topology.members.items():
            if one.station.ip is None:
                continue
            for other, far in topology.members.items():
                if other == name or far.station.ip is None:
                    continue
                if far.network == one.network and far.station.mac != one.station.mac:
                    yield self._echo(name, far.station.mac, far.station.ip, other, other, f"{other} nearby")
                elif topology.is_routed(one, far):
                    yield self._echo(name, ROUTER_MAC, far.station.ip, other, other, f"{other} behind the router")
            joined = topology.router_of(one)
            if joined is not None:
                yield self._echo(name, ROUTER_MAC, joined.gateway, None, "router", "its gateway")
                yield from self._routed(name, joined.router)

    def _routed(self, name: str, router: str) -> Iterator[Echo]:
        """Requests along static routes; stations do not answer for addresses behind them."""
        for address, hop in self.topology.routes[router]:
            target = self.topology.at(router, hop)
            if target not in (None, name):
                yield self._echo(name, ROUTER_MAC, address, target, "", f"an address behind {target}")

    def _refused(self) -> Iterator[Echo]:
        """Requests that nobody may get: to stations of other networks without a router, and those that have come too far."""
        for name, one in self.topology.members.items():
            if one.station.ip is None:
                continue
            near = list(self.topology.friends(name))
            for other, far in self.topology.members.items():
                if far.network == one.network or far.station.ip is None:
                    continue
                joined = self.topology.router_of(one)
                if joined is not None and self.topology.at(joined.router, far.station.ip) not in (None, other):
                    continue
                if not self.topology.is_routed(one, far):
                    yield self._echo(name, ROUTER_MAC, far.station.ip, None, "", f"{other}, to whom no router leads")
                    if not any(self.topology.members[friend].station.mac == far.station.mac for friend in (name, *near)):
                        yield self._echo(name, far.station.mac, far.station.ip, None, "", f"{other} in another network")
                else:
                    yield self._echo(name, ROUTER_MAC, far.station.ip, None, "router", f"{other}, with TTL 1", 1)

    def _judge(self, echo: Echo, heard: list[Heard]) -> Iterator[str]:
        requests = [one for one in heard if one.frame[34] == packetbytes.ECHO and self._is_for(one)]
        if [one.identifier for one in requests] != ([] if echo.target is None else [echo.target]):
            yield f"{echo.what} is heard by {[one.identifier for one in requests] or 'nobody'}"
        for one in heard:
            if len(set(one.path)) > 2:
                yield f"{echo.what} goes over {', '.join(one.path)}"
            if one.frame[34] == packetbytes.ECHO and not self._is_for(one):
                yield from self._judge_overheard(echo, one)
        kinds = [one.frame[34] for one in heard if one.identifier == echo.sender and one.frame[34] != packetbytes.ECHO]
        wanted = [packetbytes.TIME_EXCEEDED if echo.ttl == 1 else packetbytes.ECHO_REPLY] if echo.answer else []
        if kinds != wanted and not (not wanted and set(kinds) <= {packetbytes.UNREACHABLE}):
            yield f"{echo.what} is answered by ICMP messages of the types {kinds}, should be {wanted}"

    def _is_for(self, heard: Heard) -> bool:
        one = self.topology.members.get(heard.identifier)
        return one is not None and packetbytes.parse(heard.frame)[ETH_DST] == one.station.mac

    def _judge_overheard(self, echo: Echo, heard: Heard) -> Iterator[str]:
        members = self.topology.members
        near = {members[echo.sender].network}
        if echo.target is not None:
            near.add(members[echo.target].network)
        listener = members.get(heard.identifier)
        if self.strict or listener is None or listener.network not in near:
            yield f"{echo.what} is overheard by {heard.identifier}"

    # ARP

    def _questions(self) -> Iterator[tuple[str, int, int]]:
        """Ask for gateways and for stations nearby; yield (sender, address, right answer)."""
        for name, one in self.topology.members.items():
            joined = self.topology.router_of(one)
            wanted = [] if joined is None else [(joined.gateway, ROUTER_MAC)]
            for friend in self.topology.friends(name):
                other = self.topology.members[friend].station
                if other.ip is not None and other.mac != one.station.mac:
                    wanted.append((other.ip, other.mac))
            for address, mac in wanted if one.station.ip is not None else ():
                self._send(name, packetbytes.arp(1, (one.station.mac, one.station.ip or 0), (0, address)))
                yield name, address, mac

    def _judge_questions(self, questions: list[tuple[str, int, int]]) -> Iterator[str]:
        answers: dict[tuple, list[int]] = {}
        for heard in self.fabric.heard:
            fields = packetbytes.parse(heard.frame)
            if fields.get(ARP_OP) == 2 and self._is_for(heard):
                answers.setdefault((heard.identifier, fields[ARP_SPA]), []).append(fields[ARP_SHA])
        for name, address, mac in questions:
            found = answers.get((name, address), [])
            if found != [mac]:
                yield f"{name} asks for {address:08x} and hears {[f'{one:012x}' for one in found]}, should be {mac:012x}"

    # DHCP

    def _judge_offers(self, clients: list[str]) -> Iterator[str]:
        offers: dict[str, list[int]] = {}
        for heard in self.fabric.heard:
            if packetbytes.parse(heard.frame).get(UDP_DST) == 68:
                offers.setdefault(heard.identifier, []).append(int.from_bytes(heard.frame[_YIADDR : _YIADDR + 4], "big"))
        for name in clients:
            if offers.get(name, []) != [self.topology.members[name].station.ip]:
                yield f"{name} asks for an address and is offered {offers.get(name, [])}"
