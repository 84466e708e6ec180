"""Walkers of the subnet calls (rules: the addresses of a subnet against its CIDR and against what is allocated)."""

from __future__ import annotations

from typing import Any, Callable, Dict, List

from vlcp.service.sdn._addresses import Cidr, check_allocations, check_pool, default_pool
from vlcp.service.sdn._resources import (
    SUBNET,
    Links,
    new_object,
    refuse_fixed,
    required,
    set_attributes,
)
from vlcp.utils.dataobject import ReferenceObject, WeakReferenceObject
from vlcp.utils.growing import forget_full
from vlcp.utils.networkmodel import LogicalNetwork, LogicalNetworkMap, SubNet, SubNetMap, SubNetSet
from vlcp.utils.walkerlib import ensure_keys

Walk = Callable[[str], Any]
Write = Callable[[str, Any], None]
Requests = Dict[str, Dict[str, Any]]
_HOST_DEFAULTS = {"systemid": "%", "bridge": "%", "vhost": ""}


def _refuse_router(parameters: Dict[str, Any]) -> None:
    if "router" in parameters:
        raise ValueError(f"subnet {SUBNET.label(parameters)!r}: router cannot be set here, use the virtual router calls")


def _check_hosts(subnet: Any) -> None:
    """Check the addresses of ``pre_host_config`` and complete its entries.

    :raises ValueError: an address is outside the CIDR of its entry, or of the subnet when the entry has none
    """
    entries = subnet.__dict__.get("pre_host_config")
    if entries is None:
        return
    subnet.pre_host_config = [{**_HOST_DEFAULTS, **entry} for entry in entries]
    for index, entry in enumerate(subnet.pre_host_config):
        network = Cidr(entry.get("cidr", subnet.cidr))
        for name in ("local_address", "gateway"):
            if name in entry:
                network.require(f"pre_host_config[{index}].{name}", entry[name])


def create_keys(subnets: Requests) -> List[str]:
    """Return the keys that the walker of :func:`create` reads."""
    keys = [SubNetSet.default_key(), *subnets]
    for network in sorted({parameters["logicalnetwork"] for parameters in subnets.values()}):
        keys += [LogicalNetwork.default_key(network), LogicalNetworkMap.default_key(network)]
    return keys + [SubNetMap.default_key(parameters["id"]) for parameters in subnets.values()]


def create(subnets: Requests) -> Callable[[Walk, Write], None]:
    """Return the walker that creates subnets. Pool bounds that are not given are stored with their defaults."""
    keys = create_keys(subnets)

    def walker(walk: Walk, write: Write) -> None:
        ensure_keys(walk, *keys)
        links = Links(walk, write)
        for key, parameters in subnets.items():
            subnet = _new_subnet(key, parameters, walk)
            links.add(SUBNET, subnet, parameters["logicalnetwork"])
            write(key, subnet)
            write(SubNetMap.default_key(parameters["id"]), SubNetMap.create_instance(parameters["id"]))
        links.flush()

    return walker


def _new_subnet(key: str, parameters: Dict[str, Any], walk: Walk) -> Any:
    _refuse_router(parameters)
    network = parameters["logicalnetwork"]
    network_key = LogicalNetwork.default_key(network)
    required(walk, "logical network", network_key, network)
    subnet = new_object(SubNet, key, walk)
    start, end = default_pool(parameters["cidr"])
    subnet.network = ReferenceObject(network_key)
    set_attributes(subnet, parameters, ("logicalnetwork", "network"))
    subnet.__dict__.setdefault("allocated_start", start)
    subnet.__dict__.setdefault("allocated_end", end)
    check_pool(subnet.cidr, subnet.allocated_start, subnet.allocated_end, parameters.get("gateway"))
    _check_hosts(subnet)
    return subnet


def _existing(subnets: Requests, walk: Walk) -> Dict[str, Any]:
    ensure_keys(walk, *subnets, *[SubNetMap.default_key(parameters["id"]) for parameters in subnets.values()])
    return {key: required(walk, SUBNET.kind, key, SUBNET.label(parameters)) for key, parameters in subnets.items()}


def update(subnets: Requests) -> Callable[[Walk, Write], None]:
    """Return the walker that changes subnets, if the result fits itself and the addresses in use."""

    def walker(walk: Walk, write: Write) -> None:
        for parameters in subnets.values():
            refuse_fixed(SUBNET, parameters)
            _refuse_router(parameters)
        found = _existing(subnets, walk)
        links = Links(walk, write)
        for key, subnet in found.items():
            set_attributes(subnet, subnets[key])
            subnet_map = links.holder(SubNetMap, subnet.id)
            _check_result(subnet, subnet_map.allocated_ips)
            _check_hosts(subnet)
            write(key, subnet)
            if forget_full(subnet_map.allocated_ips):
                write(subnet_map.getkey(), subnet_map)

    return walker


def _check_result(subnet: Any, allocated: Dict[str, Any]) -> None:
    bounds = (subnet.cidr, subnet.allocated_start, subnet.allocated_end, getattr(subnet, "gateway", None))
    ports = [number for number, owner in allocated.items() if isinstance(owner, WeakReferenceObject)]
    try:
        check_pool(*bounds)
        check_allocations(*bounds, everyone=allocated, ports=ports)
    except ValueError as exc:
        raise ValueError(
            f"subnet {subnet.id!r}: conflict with the old configuration or with allocated addresses: {exc}"
        ) from None


def delete(subnets: Requests) -> Callable[[Walk, Write], None]:
    """Return the walker that deletes subnets that nothing uses."""

    def walker(walk: Walk, write: Write) -> None:
        found = _existing(subnets, walk)
        networks = sorted({subnet.network.getkey() for subnet in found.values()})
        maps = [LogicalNetworkMap.default_key(_network_id(key)) for key in networks]
        ensure_keys(walk, SubNetSet.default_key(), *maps)
        links = Links(walk, write)
        for key, subnet in found.items():
            _check_unused(subnet, walk(SubNetMap.default_key(subnet.id)), links)
            links.remove(SUBNET, subnet, _network_id(subnet.network.getkey()))
            write(key, None)
            links.forget(SubNetMap, subnet.id)
        links.flush()

    return walker


def _check_unused(subnet: Any, subnet_map: Any, links: Links) -> None:
    if getattr(subnet, "router", None) is not None:
        raise ValueError(f"subnet {subnet.id!r} is in a virtual router ({subnet.router.getkey()}); remove it first")
    if subnet_map is None:
        return
    if subnet_map.allocated_ips:
        raise ValueError(f"subnet {subnet.id!r}: {len(subnet_map.allocated_ips)} addresses are still used by ports")
    if links.members(subnet_map, "routers"):
        raise ValueError(f"subnet {subnet.id!r}: router ports still use it")


def _network_id(key: str) -> str:
    return LogicalNetwork.create_from_key(key).id
