"""What must hold when a simulation has come to rest."""

from __future__ import annotations

from functools import partial
from typing import Any, Iterable, Iterator

from support import packetwalk
from support.sim.device import TRUNK, Device
from support.sim.store import Database

from vlcp.utils import networkmodel as model
from vlcp.utils.growing import attach
from vlcp.utils.jsonencoder import decode_stored

EPOCH = 49
_BROADCAST = 0xFFFFFFFFFFFF
_TAG = "call"
_IPV4_DST = (0x8000, 12)
_LOW = (1 << EPOCH) - 1
_LEARN, _TO_COOKIE = bytes.fromhex("000023200010"), 12
"""Vendor and subtype of the action of Nicira that makes flows, and how far its cookie is from there"""


def shape(device: Device) -> tuple[list, list]:
    """Return the flows and groups of a switch, without epochs and without flows that end by themselves."""
    flows = [(*row[:3], row[3] & _LOW, _without_epoch(row[4]), row[5]) for row in device.switch.dump() if row[5][:2] == (0, 0)]
    return flows, device.switch.dump_groups()


def _without_epoch(instructions: bytes) -> bytes:
    """Return instructions whose "learn" action, if there is one, makes flows without an epoch."""
    begin = instructions.find(_LEARN) + _TO_COOKIE
    if begin < _TO_COOKIE:
        return instructions
    cookie = int.from_bytes(instructions[begin : begin + 8], "big") & _LOW
    return instructions[:begin] + cookie.to_bytes(8, "big") + instructions[begin + 8 :]


def compare(device: Device, twin: Device, ignored: set[int]) -> Iterator[str]:
    """Yield how a switch differs from one that a new controller has filled from nothing.

    :param ignored: IPv4 addresses; flows for packets to these may differ
    """
    shapes = zip(*[(_others(flows, ignored), groups) for flows, groups in (shape(device), shape(twin))])
    for what, (found, expected) in zip(("flow", "group"), shapes):
        yield from (f"{device.name}: {what} too much: {row}" for row in found if row not in expected)
        yield from (f"{device.name}: {what} missing: {row}" for row in expected if row not in found)
    if device.network_numbers() != twin.network_numbers():
        yield f"{device.name}: stored numbers {device.network_numbers()}, of a new controller {twin.network_numbers()}"
    if len({row[3] >> EPOCH for row in device.switch.dump() if row[5][:2] == (0, 0)}) > 1:
        yield f"{device.name}: rows of several epochs"


def _others(flows: list, ignored: set[int]) -> list:
    return [row for row in flows if not any(field[:2] == _IPV4_DST and field[2] in ignored for field in row[2])]


def objects(database: Database, cls: Any) -> dict[str, Any]:
    """Return ``{key: object}`` of the objects of a class in the database."""
    found = {}
    for key in sorted(database.data):
        value = stored_object(database, key)
        if type(value) is cls:
            found[key] = value
    return found


def stored_object(database: Database, key: str) -> Any:
    """Return an object of the database, whose large collections can be read; None when there is none."""
    data = database.data.get(key)
    if data is None:
        return None
    value = decode_stored(data)
    if hasattr(value, "setkey"):
        value.setkey(key)
    return attach(value, partial(stored_object, database))


def _keys(dataset: Any) -> set[str]:
    return {reference.getkey() for reference in dataset.dataset()}


def consistency(database: Database) -> Iterator[str]:
    """Yield what does not fit together in the database: sets, maps, allocations and unique keys."""
    yield from _index_sets(database)
    networks, ports = objects(database, model.LogicalNetwork), objects(database, model.LogicalPort)
    maps, subnets = objects(database, model.LogicalNetworkMap), objects(database, model.SubNet)
    for key, network in networks.items():
        own = maps.get(model.LogicalNetworkMap.default_key(network.id))
        if own is None:
            yield f"{key} has no map"
            continue
        members = {name for name, port in ports.items() if port.network.getkey() == key}
        if _keys(own.ports) != members:
            yield f"{key}: map has ports {sorted(_keys(own.ports))}, the database {sorted(members)}"
        members = {name for name, subnet in subnets.items() if subnet.network.getkey() == key}
        if _keys(own.subnets) != members:
            yield f"{key}: map has subnets {sorted(_keys(own.subnets))}, the database {sorted(members)}"
    yield from _dangling(networks, maps, ports, subnets)
    yield from _unique([(port.network.getkey(), port.mac_address) for port in ports.values() if hasattr(port, "mac_address")])
    yield from _unique([(port.network.getkey(), port.ip_address) for port in ports.values() if hasattr(port, "ip_address")])
    numbers = [(one, getattr(one, "vlanid", None) or getattr(one, "vni", None)) for one in networks.values()]
    yield from _unique([(one.physicalnetwork.getkey(), number) for one, number in numbers])
    yield from _addresses(database, ports)
    yield from _routers(database)


def _index_sets(database: Database) -> Iterator[str]:
    for listing, cls in (
        (model.LogicalNetworkSet, model.LogicalNetwork),
        (model.LogicalPortSet, model.LogicalPort),
        (model.SubNetSet, model.SubNet),
        (model.PhysicalNetworkSet, model.PhysicalNetwork),
        (model.VRouterSet, model.VRouter),
    ):
        stored = stored_object(database, listing.default_key())
        if stored is not None:
            listed, present = _keys(stored.set), set(objects(database, cls))
            if listed != present:
                yield f"{listing.__name__} differs from what exists: {sorted(listed ^ present)}"


def _dangling(networks: dict, maps: dict, ports: dict, subnets: dict) -> Iterator[str]:
    for key, member in {**ports, **subnets}.items():
        if member.network.getkey() not in networks:
            yield f"{key} is in {member.network.getkey()}, which does not exist"
    for key, own in maps.items():
        if model.LogicalNetwork.default_key(own.id) not in networks:
            yield f"{key} has no network"


def _unique(pairs: list) -> Iterator[str]:
    for pair in sorted({pair for pair in pairs if pairs.count(pair) > 1}):
        yield f"used twice: {pair}"


def _addresses(database: Database, ports: dict) -> Iterator[str]:
    for key, own in objects(database, model.SubNetMap).items():
        subnet = model.SubNet.default_key(own.id)
        used = {name for name, port in ports.items() if getattr(port, "subnet", None) and port.subnet.getkey() == subnet}
        holders = [entry[0] if isinstance(entry, (list, tuple)) else entry for entry in own.allocated_ips.values()]
        allocated = {holder.getkey() for holder in holders if not isinstance(holder, str)}
        used |= {reference.getkey() for reference in own.routerports.values() if _has_address(database, reference)}
        if used != allocated:
            yield f"{key}: addresses allocated for {sorted(allocated)}, used by {sorted(used)}"


def _has_address(database: Database, reference: Any) -> bool:
    return getattr(stored_object(database, reference.getkey()), "ip_address", None) is not None


def _routers(database: Database) -> Iterator[str]:
    """Yield what does not fit together between routers, their ports and their subnets."""
    routers, ports = objects(database, model.VRouter), objects(database, model.RouterPort)
    for key, router in routers.items():
        members = {name for name, port in ports.items() if port.router.getkey() == key}
        if _keys(router.interfaces) != members:
            yield f"{key} has interfaces {sorted(_keys(router.interfaces))}, the database {sorted(members)}"
    joined = {}
    for key, port in ports.items():
        joined.setdefault(port.subnet.getkey(), []).append((port.router.getkey(), key))
        if port.router.getkey() not in routers:
            yield f"{key} is of {port.router.getkey()}, which does not exist"
    for key, own in objects(database, model.SubNetMap).items():
        found = joined.pop(model.SubNet.default_key(own.id), [])
        listed = [(model.VRouter.default_key(router), port.getkey()) for router, port in own.routerports.items()]
        subnet = stored_object(database, model.SubNet.default_key(own.id))
        external = getattr(subnet, "isexternal", False)
        if sorted(listed) != sorted(found) or _keys(own.routers) != {router for router, _ in found}:
            yield f"{key}: map has router ports {listed}, the database {found}"
        if external:
            continue
        if len(found) > 1:
            yield f"{key} is in several routers: {found}"
        reference = getattr(subnet, "router", None)
        if [port for _, port in found] != ([] if reference is None else [reference.getkey()]):
            yield f"{key}: the subnet has the router port {reference}, the database {found}"
    yield from (f"{name} is in routers and does not exist" for name in joined)


def histories(database: Database, calls: Iterable[Any]) -> Iterator[str]:
    """Yield calls whose effect is not what their outcome says: all once, or nothing.

    Each create and update call marks what it writes with its own number, so the commits tell which calls they belong to.
    """
    seen: dict[int, list[set]] = {}
    for commit in database.commits:
        found: dict[int, set] = {}
        for key, data in commit.after.items():
            number = _mark(data)
            if number is not None and number != _mark(commit.before.get(key)):
                found.setdefault(number, set()).add(key)
        for number, keys in found.items():
            seen.setdefault(number, []).append(keys)
    for call in calls:
        if not call.marks:
            continue
        commits = seen.get(call.number, [])
        if len(commits) > 1:
            yield f"{call} was carried out {len(commits)} times"
        if commits and call.outcome == "refused":
            yield f"{call} was refused and carried out"
        if not commits and call.outcome == "done":
            yield f"{call} was acknowledged and not carried out"
        if commits and commits[0] != set(call.keys):
            yield f"{call} was carried out in part: {sorted(commits[0])}"


def _mark(data: Any) -> Any:
    return None if data is None else getattr(decode_stored(data), _TAG, None)


def deletions(database: Database, calls: Iterable[Any]) -> Iterator[str]:
    """Yield acknowledged deletions that no commit has made, and refused ones that a commit of that time has made alone."""
    gone: dict[str, list[float]] = {}
    for commit in database.commits:
        for key, data in commit.after.items():
            if data is None and commit.before.get(key) is not None:
                gone.setdefault(key, []).append(commit.time)
    for call in calls:
        if call.name.startswith(("delete", "remove")) and call.outcome == "done":
            for key in call.keys:
                if not any(call.begin <= time <= call.end for time in gone.get(key, ())):
                    yield f"{call} was acknowledged, and {key} not deleted"


def reachability(database: Database, devices: list[Device]) -> Iterator[str]:
    """Yield pairs of endpoints that hear each other and should not, and those that should and do not."""
    ports = objects(database, model.LogicalPort)
    places = {}
    for device in devices:
        for identifier, number in device.endpoints().items():
            port = ports.get(model.LogicalPort.default_key(identifier))
            network = None if port is None else port.network.getkey()
            mac = 0x020000FF0000 + number if port is None else int(port.mac_address.replace(":", ""), 16)
            places[device.name, number] = (identifier, network, mac)
    for place, (identifier, network, mac) in places.items():
        friends = {other for other, (_, own, _) in places.items() if other != place and own == network and network is not None}
        yield from _expect(devices, place, mac, _BROADCAST, friends, friends, f"broadcast of {identifier}")
        for other, (name, _, target) in places.items():
            if other == place or target == mac:
                continue
            # An address that the network does not have may be flooded in it, as it may be behind a physical port.
            wanted = {friend for friend in friends if places[friend][2] == target}
            yield from _expect(devices, place, mac, target, wanted, wanted or friends, f"{identifier} to {name}")


def _expect(devices: list, place: tuple, mac: int, target: int, wanted: set, allowed: set, what: str) -> Iterator[str]:
    heard = list(walk(devices, place, packetwalk.frame(mac, target)))
    if len(set(heard)) != len(heard) or not wanted <= set(heard) <= allowed:
        yield f"{what} is heard by {sorted(heard)}, should be by {sorted(wanted)}"


def walk(devices: list[Device], place: tuple, packet: dict) -> Iterator[tuple]:
    """Yield the endpoints, as (device name, port number), where a packet that an endpoint sends comes out untagged."""
    by_name = {device.name: device for device in devices}
    pending = [(by_name[place[0]], place[1], packet)]
    while pending:
        device, in_port, headers = pending.pop()
        trunk = device.ofports[TRUNK]
        for port, changed in packetwalk.send(device.switch, in_port, headers):
            if port != trunk:
                yield device.name, port, *(("tagged",) if changed[packetwalk.VLAN] else ())
                continue
            if in_port == trunk:
                yield device.name, "sent back to the wire"
                continue
            pending.extend((other, other.ofports[TRUNK], changed) for other in devices if other is not device)
