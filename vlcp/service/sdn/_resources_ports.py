"""Walkers of the logical port calls (rules: which addresses a port may have, what may change).

A walker is made from the ``{key: parameters}`` of :func:`vlcp.service.sdn._resources.requests` and may run several
times; all keys that can be told beforehand are asked for at once.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterable, List, Tuple

from vlcp.service.sdn._addresses import AddressPool
from vlcp.service.sdn._resources import (
    LOGICAL_PORT,
    SUBNET,
    Links,
    new_object,
    refuse_fixed,
    required,
    set_attributes,
)
from vlcp.utils.dataobject import ReferenceObject, WeakReferenceObject
from vlcp.utils.growing import ask_for
from vlcp.utils.networkmodel import LogicalNetwork, LogicalNetworkMap, LogicalPort, LogicalPortSet, SubNet, SubNetMap
from vlcp.utils.typelib import ipv4_number
from vlcp.utils.walkerlib import ensure_keys

Walk = Callable[[str], Any]
Write = Callable[[str, Any], None]
Requests = Dict[str, Dict[str, Any]]


class _Pools:
    """The address pools of the subnets that a call touches, one for each."""

    def __init__(self, walk: Walk, links: Links) -> None:
        self._walk = walk
        self._links = links
        self._pools: Dict[str, AddressPool] = {}
        self._networks: Dict[str, str] = {}

    def of(self, subnet_id: str) -> AddressPool:
        """Return the pool of a subnet.

        :raises ValueError: the subnet does not exist
        """
        if subnet_id not in self._pools:
            subnet = required(self._walk, SUBNET.kind, SubNet.default_key(subnet_id), subnet_id)
            allocation = self._links.holder(SubNetMap, subnet_id).allocated_ips
            gateway = getattr(subnet, "gateway", None)
            self._pools[subnet_id] = AddressPool(subnet_id, subnet.allocated_start, subnet.allocated_end, gateway, allocation)
            self._networks[subnet_id] = subnet.network.getkey()
        return self._pools[subnet_id]

    def in_network(self, subnet_id: str, network_id: str) -> AddressPool:
        """Return the pool of a subnet of a certain logical network.

        :raises ValueError: the subnet does not exist or belongs to another network
        """
        pool = self.of(subnet_id)
        if self._networks[subnet_id] != LogicalNetwork.default_key(network_id):
            raise ValueError(f"subnet {subnet_id!r} is not in logical network {network_id!r}")
        return pool


def create_keys(ports: Requests) -> List[str]:
    """Return the keys that the walker of :func:`create` reads."""
    networks = {parameters["logicalnetwork"] for parameters in ports.values()}
    subnets = {parameters["subnet"] for parameters in ports.values() if parameters.get("subnet") is not None}
    keys = [LogicalPortSet.default_key(), *ports]
    for network in sorted(networks):
        keys += [LogicalNetwork.default_key(network), LogicalNetworkMap.default_key(network)]
    for subnet in sorted(subnets):
        keys += [SubNet.default_key(subnet), SubNetMap.default_key(subnet)]
    return keys


def create(ports: Requests) -> Callable[[Walk, Write], None]:
    """Return the walker that creates ports. Ports that ask for an address get theirs before the others."""
    keys = create_keys(ports)

    def walker(walk: Walk, write: Write) -> None:
        ensure_keys(walk, *keys)
        links = Links(walk, write)
        pools = _Pools(walk, links)
        _ask_for_addresses(((p.get("subnet"), p.get("ip_address")) for p in ports.values()), links)
        created = {key: _new_port(key, parameters, walk) for key, parameters in ports.items()}
        for key, port in created.items():
            # Written first: the keys of its index entries are read together with the parts of the lists.
            write(key, port)
        for key, port in created.items():
            links.add(LOGICAL_PORT, port, ports[key]["logicalnetwork"])
        for key in sorted(ports, key=lambda key: "ip_address" not in ports[key]):
            _give_address(created[key], ports[key], pools)
        links.flush()

    return walker


def _new_port(key: str, parameters: Dict[str, Any], walk: Walk) -> Any:
    network = parameters["logicalnetwork"]
    network_key = LogicalNetwork.default_key(network)
    required(walk, "logical network", network_key, network)
    port = new_object(LogicalPort, key, walk)
    port.network = ReferenceObject(network_key)
    if parameters.get("subnet") is not None:
        port.subnet = ReferenceObject(SubNet.default_key(parameters["subnet"]))
    set_attributes(port, parameters, LOGICAL_PORT.fixed)
    return port


def _give_address(port: Any, parameters: Dict[str, Any], pools: _Pools) -> None:
    subnet = parameters.get("subnet")
    if subnet is None:
        return
    pool = pools.in_network(subnet, parameters["logicalnetwork"])
    owner = port.create_weakreference()
    if "ip_address" in parameters:
        pool.take(parameters["ip_address"], owner)
    else:
        port.ip_address = pool.take_lowest(owner)


def _ask_for_addresses(wanted: Iterable[Tuple[Any, Any]], links: Links) -> None:
    """Ask for the entries of addresses, given as (subnet id or None, address or None), in the maps of their subnets."""
    numbers: Dict[str, List[int]] = {}
    for subnet, address in wanted:
        if subnet is not None and address is not None:
            numbers.setdefault(subnet, []).append(ipv4_number(address))
    for subnet, found in numbers.items():
        ask_for(links.holder(SubNetMap, subnet).allocated_ips, found)


def _existing(ports: Requests, walk: Walk) -> Dict[str, Any]:
    ensure_keys(walk, *ports)
    return {key: required(walk, LOGICAL_PORT.kind, key, LOGICAL_PORT.label(parameters)) for key, parameters in ports.items()}


def _subnet_id(port: Any) -> Any:
    """Return the id of the subnet a port is in, or None."""
    reference = getattr(port, "subnet", None)
    return None if reference is None else SubNet.create_from_key(reference.getkey()).id


def _ask_for_subnets(found: Iterable[Any], walk: Walk) -> None:
    ids = {_subnet_id(port) for port in found} - {None}
    ensure_keys(walk, *[cls.default_key(subnet) for subnet in sorted(ids) for cls in (SubNet, SubNetMap)])


def update(ports: Requests) -> Callable[[Walk, Write], None]:
    """Return the walker that changes ports. All old addresses are released first, so that ports can swap theirs."""

    def walker(walk: Walk, write: Write) -> None:
        for parameters in ports.values():
            refuse_fixed(LOGICAL_PORT, parameters)
        found = _existing(ports, walk)
        moved = {key: port for key, port in found.items() if "ip_address" in ports[key] and _subnet_id(port) is not None}
        _ask_for_subnets(moved.values(), walk)
        links = Links(walk, write)
        pools = _Pools(walk, links)
        _ask_for_addresses(((_subnet_id(port), ports[key]["ip_address"]) for key, port in moved.items()), links)
        _release_all(moved.values(), links)
        for key, port in found.items():
            set_attributes(port, ports[key])
            if key in moved:
                pools.of(_subnet_id(port)).take(port.ip_address, WeakReferenceObject(key))
            write(key, port)
        links.flush()

    return walker


def _release_all(ports: Iterable[Any], links: Links) -> None:
    released = list(ports)
    _ask_for_addresses(((_subnet_id(port), getattr(port, "ip_address", None)) for port in released), links)
    for port in released:
        _release(port, links)


def _release(port: Any, links: Links) -> None:
    """Take a port's address out of its subnet's map, if the entry there is the port's own."""
    address = getattr(port, "ip_address", None)
    if address is None:
        return
    allocation = links.holder(SubNetMap, _subnet_id(port)).allocated_ips
    number = str(ipv4_number(address))
    if allocation.get(number) == port.create_weakreference():
        del allocation[number]


def delete(ports: Requests) -> Callable[[Walk, Write], None]:
    """Return the walker that deletes ports and releases their addresses."""

    def walker(walk: Walk, write: Write) -> None:
        found = _existing(ports, walk)
        networks = {port.network.getkey() for port in found.values()}
        with_subnet = [port for port in found.values() if _subnet_id(port) is not None]
        maps = [LogicalNetworkMap.default_key(_network_id(key)) for key in sorted(networks)]
        ensure_keys(walk, LogicalPortSet.default_key(), *maps)
        _ask_for_subnets(with_subnet, walk)
        links = Links(walk, write)
        for key, port in found.items():
            links.remove(LOGICAL_PORT, port, _network_id(port.network.getkey()))
            write(key, None)
        _release_all(with_subnet, links)
        links.flush()

    return walker


def _network_id(key: str) -> str:
    return LogicalNetwork.create_from_key(key).id
