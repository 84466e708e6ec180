"""Which forwarding node takes packets to what a switch does not reach itself: walker, and choice among offers. Pure.

The first of the sorted MAC addresses is taken, as every node does. While there is another choice, a node whose tunnel is
gone is not taken. When the last offer goes, its node is taken for some time longer: a controller that restarts takes its
offers back, but its switch goes on forwarding.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, Hashable, List, Mapping, NamedTuple, Optional, Sequence, Set

from vlcp.service.sdn._flows.fields import parse_mac
from vlcp.service.sdn._forward_records import Pair, places
from vlcp.service.sdn._members import Save, Walk, follow
from vlcp.service.sdn._routers import reach
from vlcp.utils.networkmodel import (
    DVRouterForwardInfo,
    DVRouterForwardInfoRef,
    LogicalNetwork,
    LogicalNetworkMap,
    PhysicalNetwork,
    VXLANEndpointSet,
)

_PREFIXES = tuple(cls._prefix + "." for cls in (DVRouterForwardInfo, DVRouterForwardInfoRef, VXLANEndpointSet))


def concerns_offers(key: str) -> bool:
    """Tell whether what is chosen may depend on an object."""
    return key.startswith(_PREFIXES)


def walk_offers(key: str, value: Any, walk: Walk, save: Save) -> None:
    """From the map of a logical network to its routers, and to the offers between the physical networks of each router.

    Where there is a choice it also saves who offers, and which end-points a VXLAN network has.
    """
    choice = False
    for subnets in reach(key, value, walk, save).values():
        physical = {_physical_id(subnet, walk, save) for subnet in subnets} - {None}
        for pair in sorted((a, b) for a in physical for b in physical if a != b):
            offers = follow(DVRouterForwardInfoRef.default_key(*pair), walk, save)
            if offers is not None and len(offers.info) > 1:
                choice = True
                follow(DVRouterForwardInfo.default_key(*pair), walk, save)
    if choice:
        follow(VXLANEndpointSet.default_key(LogicalNetworkMap.create_from_key(key).id), walk, save)


def _physical_id(subnet: Any, walk: Walk, save: Save) -> Optional[str]:
    network = follow(subnet.network.getkey(), walk, save)
    physical = getattr(network, "physicalnetwork", None)
    return None if physical is None else id_of_physical(physical.getkey())


def id_of_physical(key: str) -> str:
    """Return the id of a physical network, given its key."""
    identifier: str = PhysicalNetwork.create_from_key(key).id
    return identifier


class Offers:
    """What other nodes offer, as far as a switch has retrieved it.

    :param values: retrieved objects, changed by others
    """

    def __init__(self, values: Callable[[], Mapping[str, Any]]) -> None:
        self._values = values

    def candidates(self, network: str, pair: Pair) -> List[int]:
        """Return the MAC addresses of the nodes that carry packets of a logical network between two physical networks, the
        best first.

        :param network: key
        """
        values = self._values()
        offered = values.get(DVRouterForwardInfoRef.default_key(*pair))
        macs = [] if offered is None else list(offered.info)
        if len(macs) > 1:
            macs = self._reachable(network, pair, macs) or macs
        return [number for number in map(_number, macs) if number is not None]

    def _reachable(self, network: str, pair: Pair, macs: Sequence[str]) -> List[str]:
        """Return the nodes that are end-points of a VXLAN network; all of another network."""
        values = self._values()
        endpoints = values.get(VXLANEndpointSet.default_key(LogicalNetwork.create_from_key(network).id))
        if endpoints is None:
            return list(macs)
        there = {tuple(entry[2:4]) for entry in endpoints.endpointlist}
        who = places(values.get(DVRouterForwardInfo.default_key(*pair)))
        return [mac for mac in macs if who.get(mac) in there]


def _number(mac: Any) -> Optional[int]:
    try:
        return parse_mac(mac)
    except (ValueError, AttributeError):
        return None


class _Choice(NamedTuple):
    """The node in use; ``until`` is when it is given up, None while it is offered."""

    mac: int
    until: Optional[float]


class Choices:
    """The forwarding nodes that a switch uses.

    :param keep_s: seconds for which a node is used after the last offer has gone
    """

    def __init__(self, keep_s: float) -> None:
        self._keep_s = keep_s
        self._chosen: Dict[Hashable, _Choice] = {}

    def choose(self, way: Hashable, candidates: Sequence[int], now: float) -> Optional[int]:
        """Return the node to use.

        :param way: what it is chosen for
        :param candidates: MAC addresses of those who offer, the best first
        :param now: seconds, never less than before
        """
        if candidates:
            self._chosen[way] = _Choice(candidates[0], None)
            return candidates[0]
        before = self._chosen.get(way)
        if before is None:
            return None
        until = now + self._keep_s if before.until is None else before.until
        if until <= now:
            del self._chosen[way]
            return None
        self._chosen[way] = _Choice(before.mac, until)
        return before.mac

    def keep(self, ways: Set[Any]) -> None:
        """Forget all other ways."""
        for way in [way for way in self._chosen if way not in ways]:
            del self._chosen[way]

    def ended(self, now: float) -> bool:
        """Tell whether a node that is no longer offered is to be given up."""
        return any(choice.until is not None and choice.until <= now for choice in self._chosen.values())
