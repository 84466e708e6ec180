"""Calls that the driver of a network type serves: physical networks, physical ports and logical networks.

Which drivers are needed is known only from the database. So the walker of :func:`dispatch` raises :class:`NeedDrivers` for
types whose driver it has not got, and the caller asks for those and runs the walker again.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterable, Set

from vlcp.service.sdn._resources import LOGICAL_NETWORK, PHYSICAL_NETWORK, PHYSICAL_PORT, Resource, required
from vlcp.utils.networkmodel import PhysicalNetwork
from vlcp.utils.walkerlib import ensure_keys

Walk = Callable[[str], Any]
Write = Callable[[str, Any], None]
Requests = Dict[str, Dict[str, Any]]
Driver = Callable[[Walk, Write, Dict[Any, Dict[str, Any]]], None]


class NeedDrivers(Exception):
    """A walker needs the drivers of further network types.

    :param types: the types
    """

    def __init__(self, types: Set[str]) -> None:
        super().__init__(", ".join(sorted(types)))
        self.types = types


def driver_id(resource: Resource, parameters: Dict[str, Any]) -> Any:
    """Return how a driver's walker names the object: its id, or the tuple (vhost, systemid, bridge, name)."""
    values = tuple(parameters[name] for name, _ in resource.defaults)
    return values if len(values) > 1 else values[0]


def network_types(resource: Resource, found: Requests, create: bool, walk: Walk) -> Dict[str, str]:
    """Return ``{key: network type}`` of the objects that a call names.

    :param create: True takes the physical network from the parameters, False from the stored object
    :raises ValueError: an object, or the physical network of a new one, does not exist
    :raises WalkKeyNotRetrieved: something is not read yet
    """
    if resource is PHYSICAL_NETWORK and create:
        return {key: parameters["type"] for key, parameters in found.items()}
    if create:
        keys = {key: PhysicalNetwork.default_key(parameters["physicalnetwork"]) for key, parameters in found.items()}
        labels = {network: PhysicalNetwork.create_from_key(network).id for network in keys.values()}
        return _types_of(keys, labels, walk)
    ensure_keys(walk, *found)
    objects = {key: required(walk, resource.kind, key, key) for key in found}
    if resource is PHYSICAL_NETWORK:
        return {key: network.type for key, network in objects.items()}
    keys = {key: obj.physicalnetwork.getkey() for key, obj in objects.items()}
    return _types_of(keys, {}, walk)


def _types_of(networks: Dict[str, str], labels: Dict[str, str], walk: Walk) -> Dict[str, str]:
    ensure_keys(walk, *dict.fromkeys(networks.values()))
    return {
        key: required(walk, PHYSICAL_NETWORK.kind, network, labels.get(network, network)).type
        for key, network in networks.items()
    }


def dispatch(resource: Resource, found: Requests, create: bool, drivers: Dict[str, Driver]) -> Callable[[Walk, Write], None]:
    """Return the walker that gives each object to the driver of its network type.

    :param drivers: ``{network type: walker of the driver}``; the caller adds to it
    """

    def walker(walk: Walk, write: Write) -> None:
        types = network_types(resource, found, create, walk)
        missing = set(types.values()) - drivers.keys()
        if missing:
            raise NeedDrivers(missing)
        for type_ in dict.fromkeys(types.values()):
            group = {driver_id(resource, found[key]): found[key] for key in found if types[key] == type_}
            drivers[type_](walk, write, group)

    return walker


def first_keys(resource: Resource, found: Requests, create: bool) -> Iterable[str]:
    """Return the keys that are read first."""
    if create and resource in (PHYSICAL_PORT, LOGICAL_NETWORK):
        networks = dict.fromkeys(parameters["physicalnetwork"] for parameters in found.values())
        return [*found, *map(PhysicalNetwork.default_key, networks)]
    return list(found)
