"""Which logical ports of the whole cluster are in the networks of a switch: walker, and index with its changes. Pure."""

from __future__ import annotations

from typing import Any, Callable, Dict, Mapping, Optional, Set, Tuple

from vlcp.service.sdn._flows.view import SwitchView, ViewChange
from vlcp.utils.exceptions import WalkKeyNotRetrieved
from vlcp.utils.networkmodel import LogicalNetwork, LogicalNetworkMap

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


def walk_members(key: str, value: Any, walk: Walk, save: Save) -> None:
    """From the map of a logical network to all its ports."""
    save(key)
    for reference in () if value is None else value.ports.dataset():
        follow(reference.getkey(), walk, save)


class Members:
    """The ports of each network that is present on a switch.

    :ivar network_of: ``{key of a port: key of its network}``
    """

    def __init__(self) -> None:
        self.network_of: Dict[str, str] = {}
        self._ports: Dict[str, Set[str]] = {}

    def touched(self, view: SwitchView, change: ViewChange, values: Mapping[str, Any], changed: Set[str]) -> Set[str]:
        """Take what changed and return the keys of the ports that may be affected, those that have left among them.

        Ports that stay in a network are affected by changes of their own and of the network, and not by ports that come or go.

        :param values: retrieved objects, the maps of the networks among them
        :param changed: keys of objects that are new, different or gone
        """
        found = {key for key in changed if key in self.network_of}
        for network in {*view.networks, *self._ports}:
            key, present = map_key(network), network in view.networks
            whole = network in change.networks or present != (network in self._ports)
            if whole or key in changed:
                before, after = self._replace(network, values.get(key) if present else None, present)
                found |= before | after if whole else before ^ after
        return found | change.ports

    def _replace(self, network: str, members: Any, present: bool) -> Tuple[Set[str], Set[str]]:
        before = self._ports.pop(network, set())
        after = set() if members is None else {reference.getkey() for reference in members.ports.dataset()}
        for port in before - after:
            if self.network_of.get(port) == network:
                del self.network_of[port]
        self.network_of.update(dict.fromkeys(after, network))
        if present:
            self._ports[network] = after
        return before, after
