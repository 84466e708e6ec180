"""The view of one switch, and the routers around it, from short descriptions."""

from __future__ import annotations

from vlcp.service.sdn._flows.view import NetRecord, PhysicalPortRecord, PortRecord, SwitchView
from vlcp.service.sdn._l3_model import RoutedNetworks
from vlcp.service.sdn._routers import Interface, Router, Routing
from vlcp.utils.netutils import parse_ip4_address, parse_ip4_network

INNER, MASK = 0x1A2367596333, 0x0A0000000000


def interface(network: str, cidr: str, gateway: str | None = None, external: bool = False) -> Interface:
    """Return the interface of a router in a network, in a subnet of the same name."""
    return Interface(network, network, *parse_ip4_network(cidr), None if gateway is None else ip(gateway), external)


def router(key: str, *interfaces: Interface, routes=()) -> Router:
    """Return a router; ``routes`` are (CIDR, next hop) as text."""
    return Router(key, interfaces, tuple((*parse_ip4_network(target), ip(hop)) for target, hop in routes))


def ip(address: str) -> int:
    """Return an address as a number."""
    return parse_ip4_address(address)


def make_view(networks: dict, uplinks: dict = {}, ports: dict = {}) -> SwitchView:  # noqa: B006
    """Return a view.

    :param networks: ``{network: (number, physical network)}``
    :param uplinks: ``{physical network: (port number, MAC address as a number)}``
    :param ports: ``{port: (network, port number, MAC address as a number, address as text)}``
    """
    view = SwitchView()
    records = {key: NetRecord(key, number, physical, "vlan", 1) for key, (number, physical) in networks.items()}
    found = {
        key: PortRecord(key, port_no, network, networks[network][0], mac, address, None, 1)
        for key, (network, port_no, mac, address) in ports.items()
    }
    physical = {
        "port of " + key: PhysicalPortRecord("port of " + key, port_no, key, "vlan", 1, mac)
        for key, (port_no, mac) in uplinks.items()
    }
    view.update(found, records, physical)
    view.ready = True
    return view


def routed(view: SwitchView, *routers: Router) -> RoutedNetworks:
    """Return the networks of a view with these routers."""
    routing = Routing()
    routing.replace({one.key: one for one in routers})
    return RoutedNetworks(view, routing, INNER, MASK)
