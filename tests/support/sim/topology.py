"""What the database says should be reached from where: the oracle for packets."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Iterator, NamedTuple, Optional

from support.sim.fabric import Station
from support.sim.store import Database

from vlcp.utils import networkmodel as model
from vlcp.utils.jsonencoder import decode_stored

_HOST = 9
"""The address of a station in a subnet behind a route"""


def ip_number(address: str) -> int:
    """Return an IPv4 address as a number."""
    return int.from_bytes(bytes(map(int, address.split("."))), "big")


def _mac_number(address: str) -> int:
    return int(address.replace(":", ""), 16)


class Member(NamedTuple):
    """A logical port: its addresses, the key of its network, and that of its subnet (None without one)."""

    station: Station
    network: str
    subnet: Optional[str]


@lru_cache(maxsize=4096)
def _member(data: bytes) -> Optional[Member]:
    port = decode_stored(data)
    if not hasattr(port, "mac_address"):
        return None
    address = getattr(port, "ip_address", None)
    station = Station(_mac_number(port.mac_address), None if address is None else ip_number(address))
    subnet = getattr(port, "subnet", None)
    return Member(station, port.network.getkey(), None if subnet is None else subnet.getkey())


def member(database: Database, identifier: str) -> Optional[Member]:
    """Return the logical port with an id, None without one or without a MAC address."""
    data = database.data.get(model.LogicalPort.default_key(identifier))
    return None if data is None else _member(data)


class Joined(NamedTuple):
    """A subnet in a router, and the address that the router has there."""

    router: str
    gateway: int


class Topology:
    """The networks, routers and logical ports of a moment.

    :param database: the database
    :param present: iface-ids of the ports that are at switches
    :param objects: returns ``{key: object}`` of a class
    """

    def __init__(self, database: Database, present: list[str], objects: Any) -> None:
        found = {identifier: member(database, identifier) for identifier in sorted(present)}
        #: {iface-id: Member} of the ports that are at switches and in the database
        self.members: dict[str, Member] = {name: one for name, one in found.items() if one is not None}
        subnets, routers = objects(database, model.SubNet), objects(database, model.VRouter)
        #: {key of a subnet: Joined}
        self.joined: dict[str, Joined] = {}
        #: Keys of the routers with an interface in an external subnet
        self.outside: set[str] = set()
        for port in objects(database, model.RouterPort).values():
            subnet = subnets[port.subnet.getkey()]
            if getattr(subnet, "isexternal", False):
                self.outside.add(port.router.getkey())
                continue
            gateway = getattr(port, "ip_address", None) or subnet.gateway
            self.joined[subnet.getkey()] = Joined(port.router.getkey(), ip_number(gateway))
        #: {key of a router: [(an address behind the route, next hop)]}
        self.routes: dict[str, list[tuple[int, int]]] = {
            key: [(ip_number(cidr.split("/")[0]) + _HOST, ip_number(hop)) for cidr, hop in router.routes or ()]
            for key, router in routers.items()
        }

    def unanswered(self) -> set[int]:
        """Return the next hops that are no stations, and the subnets behind them: a switch that has known the MAC address of a
        next hop keeps it, and others do not have it."""
        found = set()
        for router, routes in self.routes.items():
            for address, hop in routes:
                if self.at(router, hop) is None:
                    found |= {hop, address - _HOST}
        return found

    def router_of(self, one: Member) -> Optional[Joined]:
        """Return the router that a port has for its gateway, None without one."""
        return None if one.subnet is None or one.station.ip is None else self.joined.get(one.subnet)

    def is_routed(self, one: Member, other: Member) -> bool:
        """Tell whether routers take packets from a port to another one, in another network."""
        mine, other_s = self.router_of(one), self.router_of(other)
        return mine is not None and other_s is not None and mine.router == other_s.router and one.network != other.network

    def leads_outside(self, one: Member) -> bool:
        """Tell whether the router that a port has for its gateway is joined to an external network."""
        joined = self.router_of(one)
        return joined is not None and joined.router in self.outside

    def friends(self, one: str) -> Iterator[str]:
        """Yield the other ports of the network of a port."""
        network = self.members[one].network
        return (name for name, other in self.members.items() if name != one and other.network == network)

    def at(self, router: str, address: int) -> Optional[str]:
        """Return the port with an address in some subnet of a router, None without one."""
        for name, one in self.members.items():
            joined = self.router_of(one)
            if joined is not None and joined.router == router and one.station.ip == address:
                return name
        return None
