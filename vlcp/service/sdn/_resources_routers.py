"""Walkers of the virtual router calls: routers, and the router ports that join subnets to them.

Rules: a subnet is in at most one router unless it is external; a router port's own address is entered in the subnet's
``allocated_ips`` as [router port, router], and released with the port.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterable, List, Tuple

from vlcp.service.sdn._addresses import Cidr
from vlcp.service.sdn._forward_records import forget_addresses
from vlcp.service.sdn._resources import SUBNET, Links, Resource, new_object, refuse_fixed, required, set_attributes
from vlcp.utils.dataobject import ReferenceObject
from vlcp.utils.networkmodel import (
    DVRouterExternalAddressInfo,
    DVRouterForwardSet,
    RouterPort,
    SubNet,
    SubNetMap,
    VRouter,
    VRouterSet,
)
from vlcp.utils.typelib import ipv4_number
from vlcp.utils.walkerlib import ensure_keys

Walk = Callable[[str], Any]
Write = Callable[[str, Any], None]
Requests = Dict[str, Dict[str, Any]]
PortName = Tuple[str, str]

ROUTER = Resource("virtual router", VRouter, VRouterSet, fixed=("interfaces",))
ROUTER_PORT = Resource(
    "router interface", RouterPort, None, parent="router", parent_cls=VRouter, map_cls=VRouter, map_attribute="interfaces"
)
INDEX_SETS = (VRouterSet, DVRouterForwardSet, DVRouterExternalAddressInfo)
MAX_INTERFACES = 10000


def create_keys(routers: Requests) -> List[str]:
    """Return the keys that the walker of :func:`create` reads."""
    return [VRouterSet.default_key(), *routers]


def create(routers: Requests) -> Callable[[Walk, Write], None]:
    """Return the walker that creates routers without interfaces."""

    def walker(walk: Walk, write: Write) -> None:
        ensure_keys(walk, *create_keys(routers))
        links = Links(walk, write)
        for key, parameters in routers.items():
            _refuse_interfaces(parameters)
            router = new_object(VRouter, key, walk)
            set_attributes(router, parameters)
            links.add(ROUTER, router)
            write(key, router)
        links.flush()

    return walker


def _refuse_interfaces(parameters: Dict[str, Any]) -> None:
    if "interfaces" in parameters:
        raise ValueError(f"virtual router {ROUTER.label(parameters)!r}: interfaces cannot be set here, add them one by one")


def _existing(routers: Requests, walk: Walk) -> Dict[str, Any]:
    ensure_keys(walk, *routers)
    return {key: required(walk, ROUTER.kind, key, ROUTER.label(parameters)) for key, parameters in routers.items()}


def update(routers: Requests) -> Callable[[Walk, Write], None]:
    """Return the walker that changes attributes of routers; ``routes`` are replaced as a whole."""

    def walker(walk: Walk, write: Write) -> None:
        for parameters in routers.values():
            refuse_fixed(ROUTER, parameters)
        for key, router in _existing(routers, walk).items():
            set_attributes(router, routers[key])
            write(key, router)

    return walker


def delete(routers: Requests) -> Callable[[Walk, Write], None]:
    """Return the walker that deletes routers without interfaces."""

    def walker(walk: Walk, write: Write) -> None:
        found = _existing(routers, walk)
        ensure_keys(walk, VRouterSet.default_key())
        links = Links(walk, write)
        for key, router in found.items():
            count = len(router.interfaces.dataset())
            if count:
                raise ValueError(f"virtual router {ROUTER.label(routers[key])!r} has {count} interfaces; remove them first")
            links.remove(ROUTER, router)
            write(key, None)
        links.flush()

    return walker


class _Joined:
    """The routers, subnets and maps of subnets that a call touches, each read and written once.

    :param names: (router id, subnet id) of each interface of the call
    """

    def __init__(self, walk: Walk, write: Write, names: Iterable[PortName]) -> None:
        wanted = dict.fromkeys(names)
        self._objects: Dict[str, Any] = {}
        self._write = write
        self._links = Links(walk, write)
        keys = {VRouter.default_key(router): (ROUTER.kind, router) for router, _ in wanted}
        keys.update((SubNet.default_key(subnet), (SUBNET.kind, subnet)) for _, subnet in wanted)
        ensure_keys(walk, *keys, *[SubNetMap.default_key(subnet) for subnet in dict.fromkeys(name[1] for name in wanted)])
        for key, (kind, label) in keys.items():
            self._objects[key] = required(walk, kind, key, label)

    def router(self, router_id: str) -> Any:
        """Return a router."""
        return self._objects[VRouter.default_key(router_id)]

    def subnet(self, subnet_id: str) -> Any:
        """Return a subnet."""
        return self._objects[SubNet.default_key(subnet_id)]

    def map(self, subnet_id: str) -> Any:
        """Return the map of a subnet."""
        return self._links.holder(SubNetMap, subnet_id)

    def routers_of(self, subnet_id: str) -> Any:
        """Return the set of weak references to the routers of a subnet."""
        return self._links.members(self.map(subnet_id), "routers")

    def flush(self) -> None:
        """Write everything."""
        for key, value in self._objects.items():
            self._write(key, value)
        self._links.flush()


def add_keys(ports: Requests) -> List[str]:
    """Return the keys that the walker of :func:`add` reads first."""
    keys = list(ports)
    for parameters in ports.values():
        subnet = parameters["subnet"]
        keys += [VRouter.default_key(parameters["router"]), SubNet.default_key(subnet), SubNetMap.default_key(subnet)]
    return list(dict.fromkeys(keys))


def add(ports: Requests) -> Callable[[Walk, Write], None]:
    """Return the walker that creates router ports."""

    def walker(walk: Walk, write: Write) -> None:
        ensure_keys(walk, *add_keys(ports))
        joined = _Joined(walk, write, [(parameters["router"], parameters["subnet"]) for parameters in ports.values()])
        for key, parameters in ports.items():
            port = new_object(RouterPort, key, walk)
            router, subnet = parameters["router"], parameters["subnet"]
            _check_join(joined, router, subnet, parameters.get("ip_address"))
            port.router = ReferenceObject(VRouter.default_key(router))
            port.subnet = ReferenceObject(SubNet.default_key(subnet))
            set_attributes(port, parameters, ("router", "subnet"))
            _join(joined, router, subnet, port)
            write(key, port)
        joined.flush()

    return walker


def _check_join(joined: _Joined, router: str, subnet_id: str, address: Any) -> None:
    subnet = joined.subnet(subnet_id)
    external = bool(getattr(subnet, "isexternal", False))
    if router in joined.map(subnet_id).routerports or (not external and getattr(subnet, "router", None) is not None):
        raise ValueError(f"subnet {subnet_id!r} is already in a virtual router")
    if address is None:
        if not external and getattr(subnet, "gateway", None) is None:
            raise ValueError(f"subnet {subnet_id!r} has no gateway: ip_address must be given")
        return
    if external:
        raise ValueError(f"ip_address {address} is not allowed for the external subnet {subnet_id!r}")
    number = Cidr(subnet.cidr).require("ip_address", address)
    if str(number) in joined.map(subnet_id).allocated_ips:
        raise ValueError(f"ip_address {address} is already used in subnet {subnet_id!r}")


def _join(joined: _Joined, router: str, subnet_id: str, port: Any) -> None:
    reference, owner = port.create_weakreference(), joined.router(router)
    subnet, subnet_map = joined.subnet(subnet_id), joined.map(subnet_id)
    owner.interfaces.dataset().add(reference)
    joined.routers_of(subnet_id).add(owner.create_weakreference())
    subnet_map.routerports[router] = reference
    if not getattr(subnet, "isexternal", False):
        subnet.router = reference
    address = getattr(port, "ip_address", None)
    if address is not None:
        subnet_map.allocated_ips[str(ipv4_number(address))] = [reference, owner.create_weakreference()]


def port_names(interfaces: Iterable[Dict[str, Any]]) -> List[PortName]:
    """Return (router id, subnet id) of the interfaces that a call names.

    :raises ValueError: an interface is named twice, or there are more than 10000
    """
    found: Dict[PortName, None] = {}
    for item in interfaces:
        name = (item["router"], item["subnet"])
        if name in found:
            raise ValueError(f"the interface of virtual router {name[0]!r} in subnet {name[1]!r} is given twice")
        if len(found) == MAX_INTERFACES:
            raise ValueError(f"a call can have at most {MAX_INTERFACES} objects of kind {ROUTER_PORT.kind}")
        found[name] = None
    return list(found)


def remove_keys(names: Iterable[PortName]) -> List[str]:
    """Return the keys that the walker of :func:`remove` reads first."""
    keys: List[str] = []
    for router, subnet in names:
        keys += [VRouter.default_key(router), SubNet.default_key(subnet), SubNetMap.default_key(subnet)]
    return list(dict.fromkeys(keys))


def remove(names: List[PortName]) -> Callable[[Walk, Write], None]:
    """Return the walker that deletes router ports, and releases their addresses.

    :param names: (router id, subnet id) of each
    """

    def walker(walk: Walk, write: Write) -> None:
        joined = _Joined(walk, write, names)
        keys: Dict[PortName, str] = {}
        for router, subnet in names:
            reference = joined.map(subnet).routerports.get(router)
            if reference is None:
                raise ValueError(f"subnet {subnet!r} is not in virtual router {router!r}")
            keys[router, subnet] = reference.getkey()
        ensure_keys(walk, *keys.values())
        for (router, subnet), key in keys.items():
            _leave(joined, router, subnet, key)
            write(key, None)
        for subnet in dict.fromkeys(subnet for _, subnet in names):
            if getattr(joined.subnet(subnet), "isexternal", False) and not joined.routers_of(subnet):
                forget_addresses(walk, write, subnet, joined.map(subnet))
        joined.flush()

    return walker


def _leave(joined: _Joined, router: str, subnet_id: str, port_key: str) -> None:
    owner, subnet, subnet_map = joined.router(router), joined.subnet(subnet_id), joined.map(subnet_id)
    reference = subnet_map.routerports.pop(router)
    owner.interfaces.dataset().discard(reference)
    joined.routers_of(subnet_id).discard(owner.create_weakreference())
    if getattr(subnet, "router", None) == reference:
        del subnet.router
    used = subnet_map.allocated_ips
    for number in [number for number, holder in used.items() if _holds(holder, port_key)]:
        del used[number]


def _holds(holder: Any, port_key: str) -> bool:
    """Tell whether an entry of ``allocated_ips`` is that of a router port."""
    return isinstance(holder, (list, tuple)) and len(holder) == 2 and getattr(holder[0], "getkey", str)() == port_key
