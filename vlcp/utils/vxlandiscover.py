"""Tunnel end-points in the database: who has a VXLAN network, and where its ports are (manual 5.7.20; behaviour a.6)."""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterable, List, Mapping, NamedTuple, Optional, Tuple

from vlcp.server.module import call_api
from vlcp.utils.exceptions import WalkKeyNotRetrieved
from vlcp.utils.netutils import parse_ip4_address
from vlcp.utils.networkmodel import (
    LogicalNetwork,
    LogicalNetworkMap,
    LogicalPort,
    LogicalPortVXLANInfo,
    VXLANEndpointSet,
)

_MICROSECONDS = 1000000
_FRESH = 1.5
"""An entry that is valid for this many refresh intervals is not written again."""


class Node(NamedTuple):
    """A bridge in the database: OVSDB vHost, system id, name."""

    vhost: str
    systemid: str
    bridge: str


def lognet_vxlan_walker(prepush=True):
    """Make a walker that collects what tunnels of one logical network need.

    Its key is that of the logical network; it saves the network and its VXLANEndpointSet, and with ``prepush`` its map, its
    ports and where these are.

    :param prepush: False leaves out the ports, for those who learn where they are
    """

    def walker(key: str, value: Any, walk: Callable[[str], Any], save: Callable[[str], None]) -> None:
        save(key)
        if value is None:
            return
        _follow(VXLANEndpointSet.default_key(value.id), walk, save)
        members = _follow(LogicalNetworkMap.default_key(value.id), walk, save) if prepush else None
        for reference in () if members is None else members.ports.dataset():
            port = _follow(reference.getkey(), walk, save)
            if port is not None:
                _follow(LogicalPortVXLANInfo.default_key(port.id), walk, save)

    return walker


def _follow(key: str, walk: Callable[[str], Any], save: Callable[[str], None]) -> Any:
    try:
        value = walk(key)
    except WalkKeyNotRetrieved:
        return None
    save(key)
    return value


def get_broadcast_ips(vxlan_endpointset, local_ip, ovsdb_vhost, system_id, bridge):
    """List the tunnel addresses of the other nodes of a network, to which broadcasts go.

    :param vxlan_endpointset: a VXLANEndpointSet object, None for none
    :param local_ip: an address, or a list of addresses, to leave out
    :param ovsdb_vhost: with the next two, the node to leave out: virtual host of its database
    :param system_id: its system id
    :param bridge: name of its bridge
    :return: ``[(ip, ipnum)]``: the address as it is stored, and as a 32 bit number; each once, sorted by number
    """
    local = {local_ip} if isinstance(local_ip, str) else set(local_ip or ())
    found: Dict[int, str] = {}
    for entry in () if vxlan_endpointset is None else vxlan_endpointset.endpointlist:
        if _identity(entry) == (ovsdb_vhost, system_id, bridge) or entry[0] in local:
            continue
        try:
            found.setdefault(parse_ip4_address(entry[0]), entry[0])
        except ValueError:
            continue
    return [(ip, number) for number, ip in sorted(found.items())]


def _identity(entry: Any) -> Tuple[Any, ...]:
    return tuple(entry[1:4])


def endpoint_list(entries: Iterable[Any], node: Node, ip: Optional[str], now: int, refreshinterval: Optional[float]) -> List[Any]:
    """Return a VXLANEndpointSet's list after ``node`` has told its address; pure.

    :param ip: tunnel address of the node, None when it has the network no longer
    :param now: microseconds, the database's clock
    :param refreshinterval: seconds between two calls for the same node, None when entries shall not expire
    """
    entries = [list(entry) for entry in entries]
    result = [entry for entry in entries if _identity(entry) != node and not _expired(entry, now)]
    if ip is None:
        return result
    own = next((entry for entry in entries if _identity(entry) == node and entry[0] == ip), None)
    if own is not None and _is_fresh(own, now, refreshinterval):
        return [entry for entry in entries if entry is own or entry in result]
    return [*result, [ip, *node, None if refreshinterval is None else now + int(2 * refreshinterval * _MICROSECONDS)]]


def _is_fresh(entry: Any, now: int, refreshinterval: Optional[float]) -> bool:
    if refreshinterval is None or entry[4] is None:
        return refreshinterval is None and entry[4] is None
    left = entry[4] - now
    return int(_FRESH * refreshinterval * _MICROSECONDS) <= left <= int(2 * refreshinterval * _MICROSECONDS)


def _expired(entry: Any, now: int) -> bool:
    return entry[4] is not None and entry[4] < now


def place_list(entries: Iterable[Mapping[str, Any]], node: Node, ip: Optional[str], now: int, allowed_s: float) -> List[Any]:
    """Return a LogicalPortVXLANInfo's list after ``node`` has said that it has the port, or (``ip`` None) that it has not.

    Pure. The first entry is the place where packets for the port go. Nothing changes for a port that is there already.

    :param allowed_s: seconds for which other nodes' entries are kept
    """
    found = [dict(entry) for entry in entries]
    if ip is not None and found and _place(found[0]) == node and found[0]["tunnel_dst"] == ip:
        return found
    others = [entry for entry in found if _place(entry) != node]
    if ip is None:
        return others
    limit = now - int(allowed_s * _MICROSECONDS)
    own = {**node._asdict(), "tunnel_dst": ip, "updated_time": now}
    return [own, *(entry for entry in others if entry["updated_time"] >= limit)]


def _place(entry: Mapping[str, Any]) -> Node:
    return Node(entry["vhost"], entry["systemid"], entry["bridge"])


async def update_vxlaninfo(
    container,
    network_ip_dict,
    created_ports,
    removed_ports,
    ovsdb_vhost,
    system_id,
    bridge,
    allowedmigrationtime,
    refreshinterval,
):
    """Write in one transaction which networks and ports a node has.

    :param container: routine container of the caller
    :param network_ip_dict: ``{network id: tunnel address}``; None as the address takes the node out of the network
    :param created_ports: ``{port id: tunnel address}`` of ports that have come to the node
    :param removed_ports: the same for ports that have gone
    :param ovsdb_vhost: with the next two, the node: virtual host of its database
    :param system_id: its system id
    :param bridge: name of its bridge
    :param allowedmigrationtime: seconds that places of a port on other bridges are kept when it appears here
    :param refreshinterval: seconds until this is called again for the same networks; None: entries do not expire
    :raises Exception: as ``objectdb/transact``
    """
    node, keys = Node(ovsdb_vhost, system_id, bridge), []
    ports = {**dict.fromkeys(removed_ports), **created_ports}
    for identifier in network_ip_dict:
        keys += [LogicalNetwork.default_key(identifier), VXLANEndpointSet.default_key(identifier)]
    for identifier in ports:
        keys += [LogicalPort.default_key(identifier), LogicalPortVXLANInfo.default_key(identifier)]

    def updater(names: Iterable[str], values: Iterable[Any], timestamp: int) -> Tuple[List[str], List[Any]]:
        changes = _Changes(dict(zip(names, values)))
        for identifier, ip in network_ip_dict.items():
            changes.replace_endpoints(identifier, lambda old, ip=ip: endpoint_list(old, node, ip, timestamp, refreshinterval))
        for identifier, ip in ports.items():
            changes.replace_places(identifier, lambda old, ip=ip: place_list(old, node, ip, timestamp, allowedmigrationtime))
        return changes.keys, changes.values

    await call_api(container, "objectdb", "transact", {"keys": tuple(keys), "updater": updater, "withtime": True})


class _Changes:
    """Objects with one list each, as a transaction leaves them."""

    def __init__(self, stored: Mapping[str, Any]) -> None:
        self._stored = stored
        self.keys: List[str] = []
        self.values: List[Any] = []

    def replace_endpoints(self, network: str, change: Callable[[Any], List[Any]]) -> None:
        """Change the list of nodes of a logical network."""
        owner = self._stored[LogicalNetwork.default_key(network)]
        self.replace(VXLANEndpointSet, network, "endpointlist", change, owner)

    def replace_places(self, port: str, change: Callable[[Any], List[Any]]) -> None:
        """Change the list of places of a logical port."""
        self.replace(LogicalPortVXLANInfo, port, "endpoints", change, self._stored[LogicalPort.default_key(port)])

    def replace(self, cls: Any, identifier: str, name: str, change: Callable[[Any], List[Any]], owner: Any) -> None:
        """Write what ``change`` makes of a list; an empty one, and one without an owner, deletes the object."""
        key = cls.default_key(identifier)
        value = self._stored[key]
        before = [] if value is None else getattr(value, name)
        after = [] if owner is None else change(before)
        if not after:
            if value is not None:
                self._write(key, None)
        elif [_plain(entry) for entry in before] != [_plain(entry) for entry in after]:
            value = cls.create_instance(identifier) if value is None else value
            setattr(value, name, after)
            self._write(key, value)

    def _write(self, key: str, value: Any) -> None:
        self.keys.append(key)
        self.values.append(value)


def _plain(entry: Any) -> Any:
    return dict(entry) if isinstance(entry, Mapping) else list(entry)
