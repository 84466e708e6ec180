"""Walkers of ``ioprocessing``, and records of the objects that they retrieve. Pure.

Walkers save everything that they look at, since a change of it may change the way. A key that does not exist is saved
too: the walker runs again when it appears.
"""

from __future__ import annotations

from typing import Any, Callable, Hashable, List, Optional, Set, Tuple

from vlcp.service.sdn._flows.fields import parse_mac
from vlcp.service.sdn._flows.view import NetRecord, PortRecord
from vlcp.service.sdn._io_ports import Bridge
from vlcp.service.sdn._routers import router_keys_of
from vlcp.utils.exceptions import WalkKeyNotRetrieved
from vlcp.utils.networkmodel import PhysicalPort

Walk = Callable[[str], Any]
Save = Callable[[str], None]


def _follow(key: Optional[str], walk: Walk, save: Save) -> Any:
    """Retrieve and save an object; None when it does not exist or is not there yet."""
    if key is None:
        return None
    try:
        value = walk(key)
    except WalkKeyNotRetrieved:
        return None
    save(key)
    return value


def key_of(reference: Any) -> Optional[str]:
    """Return the key of a reference, None without one."""
    return None if reference is None else reference.getkey()


def walk_port(key: str, value: Any, walk: Walk, save: Save) -> None:
    """A logical port with its network and physical network."""
    save(key)
    if value is None:
        return
    network = _follow(key_of(getattr(value, "network", None)), walk, save)
    if network is not None:
        _follow(key_of(getattr(network, "physicalnetwork", None)), walk, save)


def walk_physical_ports(bridge: Bridge) -> Callable[[str, Any, Walk, Save], None]:
    """The rules of physical ports that are for ``bridge``, with their physical networks."""

    def walker(key: str, value: Any, walk: Walk, save: Save) -> None:
        save(key)
        if value is None:
            return
        for reference in value.set.dataset():
            indices = index_values(reference.getkey())
            if indices is None or not bridge.fits(*indices[:3]):
                continue
            port = _follow(reference.getkey(), walk, save)
            if port is not None:
                _follow(key_of(getattr(port, "physicalnetwork", None)), walk, save)

    return walker


def index_values(key: str) -> Optional[Tuple[str, ...]]:
    """Return (vhost, systemid, bridge, name) of a physical port's key; None for another key."""
    try:
        port = PhysicalPort.create_from_key(key)
    except ValueError:
        return None
    return port.vhost, port.systemid, port.bridge, port.name


def walk_reach(key: str, value: Any, walk: Walk, save: Save) -> None:
    """From the map of a logical network to every network that virtual routers join to it."""
    save(key)
    waiting: List[Any] = [] if value is None else [reference.getkey() for reference in value.subnets.dataset()]
    seen = set(waiting)
    routers: Set[str] = set()
    while waiting:
        for other in _neighbours(waiting.pop(), routers, walk, save):
            if other not in seen:
                seen.add(other)
                waiting.append(other)


def _neighbours(subnet_key: str, seen: Set[str], walk: Walk, save: Save) -> List[str]:
    """Save a subnet with its network and routers; return the keys of the subnets that these routers join to it.

    :param seen: keys of routers that have been looked at; those of this subnet are added
    """
    subnet = _follow(subnet_key, walk, save)
    if subnet is None:
        return []
    _follow_network(subnet, walk, save)
    found: List[str] = []
    for router_key in router_keys_of(subnet, walk, save):
        if router_key in seen:
            continue
        seen.add(router_key)
        router = _follow(router_key, walk, save)
        for port_reference in router.interfaces.dataset() if router is not None else ():
            port = _follow(port_reference.getkey(), walk, save)
            joined = None if port is None else key_of(getattr(port, "subnet", None))
            if joined is not None:
                found.append(joined)
    return found


def _follow_network(subnet: Any, walk: Walk, save: Save) -> None:
    network = _follow(key_of(getattr(subnet, "network", None)), walk, save)
    if network is not None:
        _follow(key_of(getattr(network, "physicalnetwork", None)), walk, save)


def walk_allocated_networks(key: str, value: Any, walk: Walk, save: Save) -> None:
    """From the map of a physical network to all its logical networks (forwarding nodes)."""
    save(key)
    for reference in () if value is None else value.logicnetworks.dataset():
        network = _follow(reference.getkey(), walk, save)
        if network is not None:
            _follow(key_of(getattr(network, "physicalnetwork", None)), walk, save)


def version_of(value: Any) -> Hashable:
    """Return what differs between two versions of an object."""
    return getattr(value, "kvdb_createtime", None), getattr(value, "kvdb_updateversion", None)


def port_record(value: Any, port_no: int, net_no: int) -> PortRecord:
    """Return the record of a logical port on port ``port_no``."""
    mac = getattr(value, "mac_address", None)
    return PortRecord(
        value.getkey(),
        port_no,
        value.network.getkey(),
        net_no,
        None if mac is None else parse_mac(mac),
        getattr(value, "ip_address", None),
        key_of(getattr(value, "subnet", None)),
        version_of(value),
    )


def network_record(value: Any, net_no: int, physical: Any) -> NetRecord:
    """Return the record of a logical network; ``physical`` is its physical network, None when it is not retrieved."""
    return NetRecord(
        value.getkey(),
        net_no,
        key_of(getattr(value, "physicalnetwork", None)),
        getattr(physical, "type", None),
        (version_of(value), None if physical is None else version_of(physical)),
    )
