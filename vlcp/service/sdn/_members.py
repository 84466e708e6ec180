"""Which logical ports of the whole cluster are in the networks of a switch: walker, and index with its changes. Pure."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Callable, Dict, Iterable, Mapping, Optional, Set

from vlcp.service.sdn._flows.view import ViewChange
from vlcp.utils.exceptions import WalkKeyNotRetrieved
from vlcp.utils.networkmodel import LogicalNetwork, LogicalNetworkMap
from vlcp.utils.walkerlib import Walkers

Walk = Callable[[str], Any]
Save = Callable[[str], None]


def map_key(network: str) -> str:
    """Return the key of the map of a logical network, given its key."""
    return LogicalNetworkMap.default_key(LogicalNetwork.create_from_key(network).id)


def follow(key: Optional[str], walk: Walk, save: Save) -> Any:
    """Retrieve and save an object; None when it does not exist or is not there yet."""
    if key is None:
        return None
    try:
        value = walk(key)
    except WalkKeyNotRetrieved:
        return None
    save(key)
    return value


def read_all(members: Any) -> int:
    """Retrieve everything that a set is stored in; return the number of its members."""
    return len(members)


def walk_map(key: str, value: Any, walk: Walk, save: Save) -> None:
    """The map of a logical network with the list of its ports; each port has a walker of its own."""
    save(key)
    if value is not None:
        read_all(value.ports.dataset())


def walk_port(key: str, value: Any, walk: Walk, save: Save) -> None:
    """A logical port."""
    save(key)


class Members:
    """The ports of the networks of a switch. Each call costs in proportion to what changed.

    :param walker: what to walk from each port
    :param map_walker: what to walk from the map of each network; it reads the list of ports
    :ivar network_of: ``{key of a port: key of its network}``
    """

    def __init__(self, walker: Callable[..., None] = walk_port, map_walker: Callable[..., None] = walk_map) -> None:
        self.network_of: Dict[str, str] = {}
        self._walker = walker
        self._map_walker = map_walker
        self._walkers = Walkers()
        self._others: Set[str] = set()
        self._ports: Dict[str, Set[str]] = {}
        self._map_keys: Dict[str, str] = {}
        self._touched: Set[str] = set()

    def walkers(
        self,
        networks: Iterable[str],
        values: Mapping[str, Any],
        changed: Set[str],
        others: Mapping[str, Callable[..., None]] = MappingProxyType({}),
    ) -> Walkers:
        """Take what changed, and return what to walk: the maps of networks, and the ports that these have.

        :param networks: keys of the networks whose ports are followed
        :param values: retrieved objects, the maps of the networks among them
        :param changed: keys of objects that are new, different or gone
        :param others: what else to walk
        """
        followed = set(networks)
        for network in self._ports.keys() - followed:
            self._replace(network, None)
            del self._ports[network]
            self._walkers.drop(self._map_keys.pop(network))
        for network in followed:
            if network not in self._ports:
                key = self._map_keys[network] = map_key(network)
                self._walkers.put(key, self._map_walker)
            elif self._map_keys[network] not in changed:
                continue
            self._replace(network, values.get(self._map_keys[network]))
        for key in self._others - others.keys():
            self._walkers.drop(key)
        for key, walker in others.items():
            self._walkers.put(key, walker)
        self._others = set(others)
        return self._walkers

    def _replace(self, network: str, members: Any) -> None:
        before = self._ports.get(network, set())
        after = set() if members is None else {reference.getkey() for reference in members.ports.dataset()}
        for port in before - after:
            if self.network_of.get(port) == network:
                del self.network_of[port]
                self._walkers.drop(port)
        for port in after - before:
            self.network_of[port] = network
            self._walkers.put(port, self._walker)
        self._ports[network] = after
        self._touched |= before ^ after

    def touched(self, change: ViewChange, changed: Set[str]) -> Set[str]:
        """Return the keys of the ports that a change may affect, those that have left since :meth:`settled` among them.

        :param change: what changed on the switch; all ports of its networks are affected
        :param changed: keys of objects that are new, different or gone
        """
        found = {key for key in changed if key in self.network_of}
        return found.union(self._touched, change.ports, *(self._ports.get(network, ()) for network in change.networks))

    def settled(self) -> None:
        """What was touched has been taken care of."""
        self._touched.clear()
