"""Virtual routers from the objects of the database: walker, and frozen values for rows. Pure."""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterable, List, Mapping, NamedTuple, Optional, Set, Tuple

from vlcp.service.sdn._members import Save, Walk, follow
from vlcp.utils.netutils import parse_ip4_address, parse_ip4_network
from vlcp.utils.networkmodel import SubNetMap, VRouter

_ANY = "%"
_ROUTER = VRouter._prefix + "."

Report = Callable[[str, Exception], None]


class Node(NamedTuple):
    """A switch, as ``pre_host_config`` names it: OpenFlow vHost, system id and name of the bridge."""

    vhost: str
    systemid: str
    bridge: str


class Interface(NamedTuple):
    """A subnet of a router. Addresses are numbers; ``network`` is the key of the logical network; ``gateway`` is the
    router's address there (for an external subnet: that of the router outside), None without one. ``address`` is the
    address that this node has in an external subnet, None when it has none; ``leased`` is True when it takes one from the
    subnet's pool, because none is configured."""

    subnet: str
    network: str
    first: int
    prefix: int
    gateway: Optional[int]
    external: bool
    address: Optional[int] = None
    leased: bool = False

    @property
    def own(self) -> Optional[int]:
        """The router's own address in the subnet, None without one."""
        return self.address if self.external else self.gateway

    def holds(self, address: int) -> bool:
        """Tell whether an address is in the subnet."""
        return (address ^ self.first) >> (32 - self.prefix) == 0


class Router(NamedTuple):
    """A router; ``routes`` are (address, prefix length, next hop), as numbers, in the order of the object."""

    key: str
    interfaces: Tuple[Interface, ...]
    routes: Tuple[Tuple[int, int, int], ...]

    def gateways(self) -> Tuple[int, ...]:
        """Return the router's own addresses, ascending."""
        return tuple(sorted({interface.own for interface in self.interfaces if interface.own is not None}))

    def outside(self) -> Tuple[int, ...]:
        """Return the router's own addresses in external subnets, ascending."""
        return tuple(sorted({interface.address for interface in self.interfaces if interface.address is not None}))

    def interface_of(self, address: int) -> Optional[Interface]:
        """Return the interface in whose subnet an address is; of several the smallest subnet."""
        found = [interface for interface in self.interfaces if interface.holds(address)]
        return max(found, key=lambda interface: interface.prefix, default=None)


def walk_routers(key: str, value: Any, walk: Walk, save: Save) -> None:
    """From the map of a logical network to the routers of its subnets, and to all subnets of these routers."""
    reach(key, value, walk, save)


def reach(key: str, value: Any, walk: Walk, save: Save) -> Dict[str, List[Any]]:
    """Walk as :func:`walk_routers`, and return the subnets that were found by router."""
    save(key)
    found: Dict[str, List[Any]] = {}
    for reference in () if value is None else value.subnets.dataset():
        subnet = follow(reference.getkey(), walk, save)
        for router_key in () if subnet is None else router_keys_of(subnet, walk, save):
            if router_key not in found:
                found[router_key] = _subnets_of(router_key, walk, save)
    return found


def _subnets_of(router_key: str, walk: Walk, save: Save) -> List[Any]:
    router = follow(router_key, walk, save)
    found = []
    for interface in () if router is None else router.interfaces.dataset():
        port = follow(interface.getkey(), walk, save)
        subnet = None if port is None else follow(_key(port, "subnet"), walk, save)
        if subnet is not None:
            found.append(subnet)
    return found


def router_keys_of(subnet: Any, walk: Walk, save: Save) -> Iterable[str]:
    """Return the keys of the routers of a subnet. The map of a subnet changes with each of its ports; only external
    subnets need it, which may be in several routers."""
    if getattr(subnet, "isexternal", False):
        subnet_map = follow(SubNetMap.default_key(subnet.id), walk, save)
        return [] if subnet_map is None else [reference.getkey() for reference in subnet_map.routers.dataset()]
    port = follow(_key(subnet, "router"), walk, save)
    router = None if port is None else _key(port, "router")
    return [] if router is None else [router]


def _key(obj: Any, name: str) -> Optional[str]:
    reference = getattr(obj, name, None)
    return None if reference is None else reference.getkey()


class Here(NamedTuple):
    """A forwarding node, and the addresses that it has taken from the pools of external subnets, by subnet id."""

    node: Node
    addresses: Mapping[str, Optional[str]]


def routers_of(values: Mapping[str, Any], report: Report, here: Optional[Here] = None) -> Dict[str, Router]:
    """Return the routers among retrieved objects, by key.

    :param here: the forwarding node whose addresses in external subnets count; None for a node that does not forward
    :param report: called with a key and an error for what cannot be read; it is left out
    """
    return {key: _router(key, value, values, report, here) for key, value in values.items() if key.startswith(_ROUTER)}


def _router(key: str, router: Any, values: Mapping[str, Any], report: Report, here: Optional[Here]) -> Router:
    interfaces: List[Interface] = []
    for reference in router.interfaces.dataset():
        try:
            interface = _interface(values.get(reference.getkey()), values, here)
        except (ValueError, AttributeError) as error:
            report(reference.getkey(), error)
        else:
            if interface is not None:
                interfaces.append(interface)
    routes = []
    for route in router.routes or ():
        try:
            target, hop = route
            routes.append((*parse_ip4_network(target), parse_ip4_address(hop)))
        except (ValueError, TypeError) as error:
            report(key, error)
    return Router(key, tuple(sorted(interfaces, key=lambda interface: interface.subnet)), tuple(routes))


def _interface(port: Any, values: Mapping[str, Any], here: Optional[Here]) -> Optional[Interface]:
    subnet = None if port is None else values.get(_key(port, "subnet") or "")
    if subnet is None:
        return None
    external = bool(getattr(subnet, "isexternal", False))
    settings = {"cidr": subnet.cidr, "gateway": getattr(port, "ip_address", None) or getattr(subnet, "gateway", None)}
    leased = False
    if external and here is not None:
        settings["local_address"] = getattr(subnet, "local_address", None)
        settings.update(_of_node(subnet, here.node))
        leased = settings["local_address"] is None
        if leased:
            settings["local_address"] = here.addresses.get(subnet.id)
    first, prefix = parse_ip4_network(settings["cidr"])
    gateway, address = (_address(settings.get(name)) for name in ("gateway", "local_address"))
    return Interface(subnet.getkey(), subnet.network.getkey(), first, prefix, gateway, external, address, leased)


def _of_node(subnet: Any, node: Node) -> Dict[str, Any]:
    """Return what ``pre_host_config`` says about an external subnet on a node; the last entry that fits counts."""
    found: Dict[str, Any] = {}
    for entry in getattr(subnet, "pre_host_config", None) or ():
        told = Node(entry.get("vhost", ""), entry.get("systemid", _ANY), entry.get("bridge", _ANY))
        if all(one in (_ANY, other) for one, other in zip(told, node)):
            found = {name: entry[name] for name in ("cidr", "gateway", "local_address") if entry.get(name) is not None}
    return found


def _address(text: Optional[str]) -> Optional[int]:
    return None if text is None else parse_ip4_address(text)


class Routing:
    """The routers around one switch, by network.

    :ivar routers: ``{key: Router}``
    """

    def __init__(self) -> None:
        self.routers: Dict[str, Router] = {}
        self._by_network: Dict[str, Tuple[Router, ...]] = {}

    def replace(self, routers: Dict[str, Router]) -> Set[str]:
        """Take all routers as they are now; return the keys of the networks whose routers differ."""
        found: Dict[str, List[Router]] = {}
        for key in sorted(routers):
            for network in sorted({interface.network for interface in routers[key].interfaces}):
                found.setdefault(network, []).append(routers[key])
        before, self._by_network = self._by_network, {network: tuple(near) for network, near in found.items()}
        self.routers = routers
        return {key for key in {*before, *found} if before.get(key) != self._by_network.get(key)}

    def of(self, network: str) -> Tuple[Router, ...]:
        """Return the routers of a network, by key."""
        return self._by_network.get(network, ())

    def networks(self) -> Set[str]:
        """Return the keys of all networks that have a router."""
        return set(self._by_network)

    def interfaces(self, network: str) -> List[Interface]:
        """Return the interfaces of all routers in a network."""
        return [i for router in self.of(network) for i in router.interfaces if i.network == network]

    def interface_at(self, network: str, address: int) -> Optional[Interface]:
        """Return the interface in a network whose subnet has an address; else any with a gateway; None without one."""
        found = [interface for interface in self.interfaces(network) if interface.gateway is not None]
        return next((interface for interface in found if interface.holds(address)), found[0] if found else None)
