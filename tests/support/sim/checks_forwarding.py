"""What must hold of forwarding nodes when a simulation has come to rest: their offers and their addresses outside."""

from __future__ import annotations

import itertools
from typing import Any, Iterator

from support.sim.checks import objects, stored_object
from support.sim.device import Device
from support.sim.outside import NETWORK
from support.sim.store import Database
from support.sim.topology import ip_number

from vlcp.utils import networkmodel as model

OUTER_MASK = 0x0A0000000000
_SUBNET = "sub-" + NETWORK
_MICROSECONDS = 1000000
Pair = tuple[str, str]


def outer_mac(device: Device, port: str) -> int:
    """Return the MAC address that routers have outside of a physical port."""
    return ((0x0600 + device.number) << 32 | device.ofports[port]) ^ OUTER_MASK


def _name(device: Device) -> tuple[str, str]:
    return f"sys-{device.number}", "br0"


def node_address(database: Database, device: Device) -> int | None:
    """Return the address that a forwarding node has outside, as the database says; None without one."""
    subnet = stored_object(database, model.SubNet.default_key(_SUBNET))
    for entry in getattr(subnet, "pre_host_config", None) or ():
        if entry["systemid"] == _name(device)[0] and entry.get("local_address") is not None:
            return ip_number(entry["local_address"])
    held = [entry for entry in _leases(database) if tuple(entry[:2]) == _name(device) and entry[3] == _SUBNET]
    return ip_number(held[0][4]) if held else None


def _leases(database: Database) -> list[list]:
    stored = stored_object(database, model.DVRouterExternalAddressInfo.default_key())
    return [] if stored is None else list(stored.info)


def addresses(database: Database, nodes: list[Device], wait_s: float) -> Iterator[str]:
    """Yield what is wrong with the addresses of forwarding nodes.

    :param nodes: all that are alive
    :param wait_s: for how long an entry may be there after its time
    """
    leases = _leases(database)
    held = [(entry[3], entry[4]) for entry in leases]
    yield from (f"{place} belongs to several forwarding nodes" for place in sorted({one for one in held if held.count(one) > 1}))
    own = stored_object(database, model.SubNetMap.default_key(_SUBNET))
    taken = {} if own is None else {key: list(one) for key, one in own.allocated_ips.items() if isinstance(one[0], str)}
    told = {str(ip_number(entry[4])): list(entry[:3]) for entry in leases if entry[3] == _SUBNET}
    if taken != told:
        yield f"the map of the external subnet says that {taken} are taken, the list of all addresses {told}"
    if any(entry[3] != _SUBNET for entry in leases):
        yield f"addresses in other subnets: {leases}"
    if own is None or not own.routers.dataset():
        if leases:
            yield f"no router is outside, and nodes hold {told}"
        return
    for device in nodes:
        if node_address(database, device) is None:
            yield f"{device.name} has no address outside"
    oldest = (database.clockwork.now - wait_s) * _MICROSECONDS
    if any(_name(device) == tuple(entry[:2]) for device in nodes for entry in leases):
        yield from (f"the address of a node that is gone stays: {entry}" for entry in leases if entry[5] < oldest)


def expected_offers(database: Database, nodes: list[Device]) -> dict[Pair, list[str]]:
    """Return ``{(from, to): MAC addresses}`` of what living forwarding nodes must offer.

    :param nodes: all that are alive
    """
    ports = {key: port.physicalnetwork.getkey() for key, port in objects(database, model.PhysicalPort).items()}
    names = {physical: model.PhysicalPort.create_from_key(key).name for key, physical in ports.items()}
    subnets, networks = objects(database, model.SubNet), objects(database, model.LogicalNetwork)
    joined: dict[str, set[str]] = {}
    for port in objects(database, model.RouterPort).values():
        network = networks[subnets[port.subnet.getkey()].network.getkey()]
        joined.setdefault(port.router.getkey(), set()).add(network.physicalnetwork.getkey())
    found: dict[Pair, set[str]] = {}
    for physical in joined.values():
        for device in nodes:
            there = sorted(one for one in physical if names[one] in device.ofports)
            for a, b in itertools.permutations(there, 2):
                pair = model.PhysicalNetwork.create_from_key(a).id, model.PhysicalNetwork.create_from_key(b).id
                found.setdefault(pair, set()).add(_text(outer_mac(device, names[a])))
    return {pair: sorted(macs) for pair, macs in found.items()}


def _text(mac: int) -> str:
    return ":".join(f"{byte:02x}" for byte in mac.to_bytes(6, "big"))


def offers(database: Database, forwarding: list[Device]) -> Iterator[str]:
    """Yield what living forwarding nodes offer too much or too little, and offers of those that are gone which stay.

    Offers that no living node shares stay when their nodes die: nobody else looks after them.

    :param forwarding: the living devices whose controllers forward
    """
    expected = expected_offers(database, forwarding)
    own = {_text(outer_mac(device, port)) for device in forwarding for port in device.physical if port in device.ofports}
    infos, listed = objects(database, model.DVRouterForwardInfo), objects(database, model.DVRouterForwardInfoRef)
    told = {(one.from_pynet, one.to_pynet): [entry[3] for entry in one.info] for one in infos.values()}
    for pair in sorted({*expected, *told}):
        macs = told.get(pair, [])
        if macs != expected.get(pair, []) and (pair in expected or own.intersection(macs)):
            yield f"{pair} is offered by {macs}, should be by {expected.get(pair)}"
    shorts = {(one.from_pynet, one.to_pynet): list(one.info) for one in listed.values()}
    if shorts != told:
        yield f"the short list of offers is {shorts}, the long one {told}"
    stored = stored_object(database, model.DVRouterForwardSet.default_key())
    members = set() if stored is None else {reference.getkey() for reference in stored.set.dataset()}
    if members != set(listed):
        yield f"the set of offers is {sorted(members)}, there are {sorted(listed)}"


def withdrawn(database: Database, gone: list[Device]) -> Iterator[str]:
    """Yield offers that stay although the controllers have stopped in order.

    :param gone: the forwarding nodes that have died instead
    """
    dead = {_name(device) for device in gone}
    for one in objects(database, model.DVRouterForwardInfo).values():
        left: list[Any] = [entry for entry in one.info if tuple(entry[:2]) not in dead]
        if left:
            yield f"controllers have stopped, and still offer {one.from_pynet} to {one.to_pynet}: {left}"
