"""From a switch's view and its routers to what the rows of ``l3router`` depend on. Pure."""

from __future__ import annotations

from typing import Callable, Dict, Iterable, List, Mapping, Optional, Set, Tuple

from vlcp.service.sdn._arp_cache import Key
from vlcp.service.sdn._flows.view import PhysicalPortRecord, SwitchView
from vlcp.service.sdn._l3_rows import Away, Connected, NetInputs, RouteInputs, Via
from vlcp.service.sdn._routers import Interface, Router, Routing

MacOf = Callable[[Key], Optional[int]]
CarrierOf = Callable[[str, str, str], Optional[int]]
Target = Tuple[int, int]
_EVERYWHERE = (0, 0)


def nobody(network: str, physical: str, other: str) -> Optional[int]:
    """Nobody forwards."""
    return None


class RoutedNetworks:
    """The networks of one switch with their routers.

    :param view: what is on the switch
    :param routing: the routers
    :param inner: MAC address of routers for logical ports, as a number
    :param mask: what makes a router's MAC address out of a physical port's
    """

    def __init__(self, view: SwitchView, routing: Routing, inner: int, mask: int) -> None:
        self._view = view
        self._routing = routing
        self._mask = mask
        self.inner = inner

    def uplink(self, network: str) -> Optional[PhysicalPortRecord]:
        """Return the physical port of a network, None without one; of several the one with the greatest key."""
        record = self._view.networks.get(network)
        ports = [] if record is None else self._view.physical_ports_of(record.physical_network)
        return ports[-1] if ports else None

    def works(self, network: str) -> bool:
        """Tell whether a network has a physical port whose link is up."""
        port = self.uplink(network)
        return port is not None and port.up

    def is_physical(self, network: str, port_no: int) -> bool:
        """Tell whether a port of the switch is a physical port of a network."""
        record = self._view.networks.get(network)
        ports = [] if record is None else self._view.physical_ports_of(record.physical_network)
        return any(port.port_no == port_no for port in ports)

    def outer(self, network: str) -> int:
        """Return the MAC address that routers have on the physical side of a network; the inner one without such a side."""
        port = self.uplink(network)
        return self.inner if port is None or port.mac is None else port.mac ^ self._mask

    def number(self, network: str) -> Optional[int]:
        """Return the number of a network on the switch, None when it is not there."""
        record = self._view.networks.get(network)
        return None if record is None else record.net_no

    def source_for(self, network: str, address: int) -> int:
        """Return the address that routers ask for ``address`` from; 0 without one."""
        interface = self._routing.interface_at(network, address)
        return 0 if interface is None or interface.own is None else interface.own

    def is_host(self, network: str, address: int) -> bool:
        """Tell whether an address can be that of a station in a network, and not of the subnet or of all of its stations."""
        return not any(
            interface.holds(address) and interface.prefix < 31 and address in (interface.first, _last(interface))
            for interface in self._routing.interfaces(network)
        )

    def net_inputs(self, network: str) -> Optional[NetInputs]:
        """Return the inputs of the rows that take packets for the routers of a network; None without a router."""
        number, routers = self.number(network), self._routing.of(network)
        if number is None or not routers:
            return None
        interfaces = self._routing.interfaces(network)
        inside = any(not interface.external for interface in interfaces)
        reached = inside or any(interface.address is not None for interface in interfaces)
        asks_as = {interface.own for interface in interfaces if interface.own is not None}
        own = {gateway for router in routers for gateway in router.gateways()}
        return NetInputs(
            number,
            self.inner if inside else None,
            self.outer(network) if reached and self.uplink(network) is not None else None,
            tuple(sorted(asks_as)),
            tuple(sorted(own)),
            tuple(sorted({address for router in routers for address in router.outside()})),
        )

    def route_inputs(self, network: str, mac_of: MacOf, carrier_of: CarrierOf = nobody) -> Optional[RouteInputs]:
        """Return where packets from a network go; None without a router.

        :param mac_of: returns the MAC address of a next hop, None while it is not known
        :param carrier_of: returns the MAC address of the forwarding node for packets of this network (key) from one
            physical network to another (keys), None without one
        """
        number, routers = self.number(network), self._routing.of(network)
        if number is None or not routers:
            return None
        connected: Dict[Target, Connected] = {}
        via: Dict[Target, Via] = {}
        for router in routers:
            for subnet in self._connected(router, network):
                connected.setdefault(subnet[:2], subnet)
        for router in routers:
            for route in self._via(router, mac_of):
                if route[:2] not in connected:
                    via.setdefault(route[:2], route)
        away: Dict[Target, Away] = {}
        for router in routers:
            for route in self._away(router, network, carrier_of):
                if route.subnet or (route[:2] not in connected and route[:2] not in via):
                    away.setdefault(route[:2], route)
        return RouteInputs(number, self.outer(network), tuple(connected.values()), tuple(via.values()), tuple(away.values()))

    def _away(self, router: Router, network: str, carrier_of: CarrierOf) -> Iterable[Away]:
        """Yield what only a forwarding node reaches: subnets of a router without a physical port here, external ones where
        this node has no address, what lies behind next hops in them, and the way out."""
        here = self.physical(network)
        if here is None or not self.works(network):
            return
        out = None
        for interface in router.interfaces:
            there = self.physical(interface.network)
            near = self.works(interface.network) and not (interface.external and interface.address is None)
            if there is None or there == here or near:
                continue
            mac = carrier_of(network, here, there)
            if mac is None:
                continue
            if interface.external:
                out = mac if out is None else out
            yield Away(interface.first, interface.prefix, mac)
            yield from (Away(*route[:2], mac, False) for route in router.routes if router.interface_of(route[2]) is interface)
        if out is not None and not any(route[:2] == _EVERYWHERE for route in router.routes):
            yield Away(*_EVERYWHERE, out, False)

    def physical(self, network: str) -> Optional[str]:
        """Return the key of the physical network of a network, None when the network is not on the switch."""
        record = self._view.networks.get(network)
        return None if record is None else record.physical_network

    def _connected(self, router: Router, network: str) -> Iterable[Connected]:
        """Yield the other subnets of a router: a network with several of its subnets also reaches those."""
        own = sum(interface.network == network for interface in router.interfaces)
        for interface in router.interfaces:
            number = self.number(interface.network)
            if number is not None and (interface.network != network or own > 1):
                yield Connected(interface.first, interface.prefix, number)

    def _via(self, router: Router, mac_of: MacOf) -> Iterable[Via]:
        for first, prefix, key in self._usable(router):
            number, mac = self.number(key[0]), mac_of(key)
            if number is not None and mac is not None:
                yield Via(first, prefix, number, mac)

    def _usable(self, router: Router) -> Iterable[Tuple[int, int, Key]]:
        """Yield (address, prefix length, next hop) of the static routes whose next hop is in a subnet of the router, and of the
        way out through each external subnet where this node has an address."""
        own = router.gateways()
        for first, prefix, hop in router.routes:
            interface = router.interface_of(hop)
            usable = interface is not None and (not interface.external or interface.address is not None)
            if interface is not None and usable and hop not in own:
                yield first, prefix, (interface.network, hop)
        for interface in router.interfaces:
            if interface.address is not None and interface.gateway is not None and self.works(interface.network):
                yield 0, 0, (interface.network, interface.gateway)

    def outside_addresses(self) -> Set[Key]:
        """Return the addresses that this node has in external subnets, with their networks."""
        return {
            (interface.network, interface.address)
            for router in self._routing.routers.values()
            for interface in router.interfaces
            if interface.address is not None and self.uplink(interface.network) is not None
        }

    def leases(self) -> Dict[str, Interface]:
        """Return the external interfaces whose address here comes from the pool of their subnet, by key of the subnet."""
        return {
            interface.subnet: interface
            for router in self._routing.routers.values()
            for interface in router.interfaces
            if interface.leased and self.uplink(interface.network) is not None
        }

    def carried(self) -> Dict[Tuple[str, str], int]:
        """Return between which two physical networks (keys) this switch can carry packets for others, with the MAC address
        that takes these packets."""
        found: Dict[Tuple[str, str], int] = {}
        for router in self._routing.routers.values():
            ends = {}
            for interface in router.interfaces:
                physical = self.physical(interface.network)
                if physical is not None and self.works(interface.network):
                    usable = not interface.external or interface.address is not None
                    ends[physical] = (interface.network, ends.get(physical, ("", False))[1] or usable)
            for one, (network, _) in ends.items():
                found.update(
                    {(one, other): self.outer(network) for other, (_, usable) in ends.items() if usable and other != one}
                )
        return found

    def next_hops(self) -> Set[Key]:
        """Return the next hops of all static routes."""
        found = {key for router in self._routing.routers.values() for _, _, key in self._usable(router)}
        return {key for key in found if self.number(key[0]) is not None}


def _last(interface: Interface) -> int:
    return interface.first | (0xFFFFFFFF >> interface.prefix)


class LocalAddresses:
    """Which addresses the logical ports of the switch have.

    :ivar ports: ``{key of a port: (its network and address, its MAC address)}``
    """

    def __init__(self) -> None:
        self.ports: Dict[str, Tuple[Key, int]] = {}
        self._macs: Dict[Key, Dict[str, int]] = {}

    def put(self, port: str, key: Optional[Key], mac: Optional[int]) -> None:
        """Take a port as it is now; without an address it is left out."""
        before = self.ports.pop(port, None)
        if before is not None:
            owners = self._macs[before[0]]
            del owners[port]
            if not owners:
                del self._macs[before[0]]
        if key is not None and mac is not None:
            self.ports[port] = (key, mac)
            self._macs.setdefault(key, {})[port] = mac

    def mac(self, key: Key) -> Optional[int]:
        """Return the MAC address of the local port with an address, None without one."""
        owners: Mapping[str, int] = self._macs.get(key, {})
        return None if not owners else owners[min(owners)]

    def keys(self) -> List[Key]:
        """Return all networks and addresses."""
        return list(self._macs)
