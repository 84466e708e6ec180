"""What forwarding nodes say of themselves in the database: transactions as pure walkers (behaviour i.5).

``DVRouterForwardInfo(a, b)`` lists the nodes that carry packets from physical network ``a`` to ``b``, each with the MAC
address that takes them and the time at which it is to be taken for gone; ``DVRouterForwardInfoRef(a, b)`` has these MAC
addresses only and changes when they do, so that everybody watches it. ``DVRouterExternalAddressInfo`` lists the addresses
that nodes have taken in external subnets. All times are microseconds of the database's clock.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Set, Tuple

from vlcp.service.sdn._addresses import Cidr
from vlcp.service.sdn._routers import Node
from vlcp.utils.growing import first_free
from vlcp.utils.networkmodel import (
    DVRouterExternalAddressInfo,
    DVRouterForwardInfo,
    DVRouterForwardInfoRef,
    DVRouterForwardSet,
    SubNet,
    SubNetMap,
)
from vlcp.utils.typelib import ipv4_number, ipv4_text
from vlcp.utils.walkerlib import ensure_keys

Walk = Callable[[str], Any]
Write = Callable[[str, Any], None]
Pair = Tuple[str, str]
"""(id of the physical network that packets come from, id of the one that they go to)"""

_OFFER_SIZE, _ADDRESS_SIZE = 5, 6


def pair_of(key: str) -> Optional[Pair]:
    """Return the physical networks of a ``DVRouterForwardInfoRef``'s key; None for another key."""
    try:
        found = DVRouterForwardInfoRef.create_from_key(key)
    except ValueError:
        return None
    return found.from_pynet, found.to_pynet


def places(info: Any) -> Dict[str, Tuple[str, str]]:
    """Return who is behind each MAC address of a ``DVRouterForwardInfo`` (None for one that does not exist): system id and
    name of the bridge."""
    entries = _entries(info, _OFFER_SIZE)
    return {entry[3]: (entry[0], entry[1]) for entry in entries}


def _entries(value: Any, size: int) -> List[List[Any]]:
    return [list(entry) for entry in (() if value is None else value.info) if len(entry) == size]


def _is_of(entry: List[Any], node: Node) -> bool:
    return tuple(entry[:3]) == (node.systemid, node.bridge, node.vhost)


def offers_walker(
    node: Node, offers: Mapping[Pair, Optional[str]], sweep: bool, valid_us: int
) -> Callable[[Walk, Write, int], Dict[Pair, int]]:
    """Return the walker that writes what a node offers; offers of others that have expired are removed with it.

    The walker returns, for each pair with other nodes, in how many microseconds the first of their offers expires.

    :param offers: MAC address that takes packets, None for no offer
    :param sweep: remove all other offers of the node too, those of an earlier run
    :param valid_us: how long the offers are valid
    """

    def walker(walk: Walk, write: Write, now: int) -> Dict[Pair, int]:
        set_key = DVRouterForwardSet.default_key()
        ensure_keys(walk, set_key)
        known = walk(set_key)
        known = DVRouterForwardSet.create_instance() if known is None else known
        members = known.set.dataset()
        found = (pair_of(reference.getkey()) for reference in members) if sweep else ()
        pairs = sorted({*offers, *(pair for pair in found if pair is not None)})
        ensure_keys(walk, *[cls.default_key(*pair) for pair in pairs for cls in (DVRouterForwardInfo, DVRouterForwardInfoRef)])
        ends, moved = {}, False
        for pair in pairs:
            others = _replace_offer(pair, node, offers.get(pair), now, valid_us, walk, write)
            if others:
                ends[pair] = min(entry[4] for entry in others) - now
            reference = DVRouterForwardInfoRef.create_instance(*pair).create_weakreference()
            wanted = bool(others) or offers.get(pair) is not None
            if (reference in members) != wanted:
                (members.add if wanted else members.discard)(reference)
                moved = True
        if moved:
            write(set_key, known)
        return ends

    return walker


def _replace_offer(
    pair: Pair, node: Node, mac: Optional[str], now: int, valid_us: int, walk: Walk, write: Write
) -> List[List[Any]]:
    """Write both objects of a pair as far as they differ; return the valid offers of other nodes."""
    key, before = DVRouterForwardInfo.default_key(*pair), walk(DVRouterForwardInfo.default_key(*pair))
    entries = _entries(before, _OFFER_SIZE)
    others = [entry for entry in entries if not _is_of(entry, node) and entry[4] >= now]
    own = [] if mac is None else [[node.systemid, node.bridge, node.vhost, mac, now + valid_us]]
    after = sorted([*others, *own], key=lambda entry: entry[3])
    _write_info(key, before, after, DVRouterForwardInfo, write)
    reference_key = DVRouterForwardInfoRef.default_key(*pair)
    _write_info(reference_key, walk(reference_key), [entry[3] for entry in after], DVRouterForwardInfoRef, write)
    return others


def _write_info(key: str, before: Any, info: List[Any], cls: Any, write: Write) -> None:
    if not info:
        if before is not None:
            write(key, None)
    elif before is None or list(before.info) != info:
        value = cls.create_from_key(key) if before is None else before
        value.info = info
        write(key, value)


def addresses_walker(node: Node, subnets: Iterable[str], valid_us: int) -> Callable[[Walk, Write, int], Dict[str, Optional[str]]]:
    """Return the walker that takes or renews one address for a node in each of these external subnets, and gives back what
    it has in others.

    The walker returns ``{subnet id: address}``, None for a subnet that has no free address, or is in no router.

    :param subnets: ids
    :param valid_us: how long the addresses belong to the node
    """
    wanted = sorted(set(subnets))

    def walker(walk: Walk, write: Write, now: int) -> Dict[str, Optional[str]]:
        info_key = DVRouterExternalAddressInfo.default_key()
        ensure_keys(walk, info_key, *_keys_of(wanted))
        store = walk(info_key)
        entries = _entries(store, _ADDRESS_SIZE)
        gone = [entry for entry in entries if _is_over(entry, node, wanted, now)]
        leases = _Leases(node, {*wanted, *(entry[3] for entry in gone)}, walk)
        kept = [entry for entry in entries if entry not in gone]
        own = {entry[3]: entry for entry in kept if _is_of(entry, node)}
        for entry in gone:
            leases.give_back(entry)
        result = {}
        for subnet in wanted:
            entry = own.get(subnet)
            address = leases.renew(entry) if entry is not None else None
            result[subnet] = leases.take(subnet) if address is None else address
        kept = [entry for entry in kept if not _is_of(entry, node)]
        kept += [_own_entry(node, subnet, address, now + valid_us) for subnet, address in result.items() if address is not None]
        _write_addresses(info_key, store, kept, write)
        leases.flush(write)
        return result

    return walker


def _keys_of(subnets: Iterable[str]) -> List[str]:
    return [cls.default_key(subnet) for subnet in subnets for cls in (SubNet, SubNetMap)]


def _own_entry(node: Node, subnet: str, address: str, expire: int) -> List[Any]:
    return [node.systemid, node.bridge, node.vhost, subnet, address, expire]


def _is_over(entry: List[Any], node: Node, wanted: Iterable[str], now: int) -> bool:
    """Tell whether an entry goes: one of the node that it does not need, and one of others that they have not renewed."""
    if _is_of(entry, node):
        return entry[3] not in wanted
    return entry[3] in wanted and entry[5] < now


def _write_addresses(key: str, store: Any, entries: List[Any], write: Write) -> None:
    if store is None and not entries:
        return
    value = DVRouterExternalAddressInfo.create_from_key(key) if store is None else store
    if list(value.info) != entries:
        value.info = entries
        write(key, value)


class _Leases:
    """The addresses of the subnets that a transaction touches.

    :param node: who takes addresses
    :param subnets: ids
    """

    def __init__(self, node: Node, subnets: Iterable[str], walk: Walk) -> None:
        ensure_keys(walk, *_keys_of(sorted(subnets)))
        self._holder = [node.systemid, node.bridge, node.vhost]
        self._subnets = {subnet: walk(SubNet.default_key(subnet)) for subnet in subnets}
        self._maps = {subnet: walk(SubNetMap.default_key(subnet)) for subnet in subnets}
        self._changed: Set[str] = set()

    def flush(self, write: Write) -> None:
        """Write what has changed."""
        for subnet in sorted(self._changed):
            write(SubNetMap.default_key(subnet), self._maps[subnet])

    def give_back(self, entry: List[Any]) -> None:
        """Release an address that a node has held."""
        found = self._maps[entry[3]]
        if found is not None and self._is_held(entry[3], entry[4], entry[:3]):
            del found.allocated_ips[str(ipv4_number(entry[4]))]
            self._changed.add(entry[3])

    def _is_held(self, subnet: str, address: str, holder: List[Any]) -> bool:
        owner = self._maps[subnet].allocated_ips.get(str(ipv4_number(address)))
        return isinstance(owner, (list, tuple)) and list(owner) == list(holder)

    def renew(self, entry: List[Any]) -> Optional[str]:
        """Return the address of the node's own entry; None when it can be used no longer, and is given back."""
        subnet, address = entry[3], entry[4]
        if self._is_open(subnet) and self._is_held(subnet, address, self._holder):
            number = ipv4_number(address)
            if number in Cidr(self._subnets[subnet].cidr) and number not in reserved(self._subnets[subnet]):
                return str(address)
        self.give_back(entry)
        return None

    def _is_open(self, subnet: str) -> bool:
        """Tell whether a subnet exists and a router uses it."""
        found = self._maps[subnet]
        return self._subnets[subnet] is not None and found is not None and bool(found.routers.dataset())

    def take(self, subnet: str) -> Optional[str]:
        """Take the lowest free address of a subnet; None without one."""
        if not self._is_open(subnet):
            return None
        found, allocated, taken = self._subnets[subnet], self._maps[subnet].allocated_ips, reserved(self._subnets[subnet])
        first, last = ipv4_number(found.allocated_start), ipv4_number(found.allocated_end)
        number = first_free(allocated, first, last)
        while number is not None and number in taken:
            number = first_free(allocated, number + 1, last)
        if number is None:
            return None
        allocated[str(number)] = list(self._holder)
        self._changed.add(subnet)
        return ipv4_text(number)


def reserved(subnet: Any) -> Set[int]:
    """Return the addresses of an external subnet that belong to the router outside, or to nodes by configuration."""
    places_: List[Mapping[str, Any]] = [subnet.__dict__, *(getattr(subnet, "pre_host_config", None) or ())]
    found = (place.get(name) for place in places_ for name in ("gateway", "local_address"))
    return {ipv4_number(address) for address in found if address is not None}


def forget_addresses(walk: Walk, write: Write, subnet_id: str, subnet_map: Any) -> None:
    """Release all addresses that forwarding nodes hold in a subnet which has left its last router.

    :param subnet_map: the map of the subnet; it is changed, and the caller writes it
    """
    info_key = DVRouterExternalAddressInfo.default_key()
    store = walk(info_key)
    entries = _entries(store, _ADDRESS_SIZE)
    leaving = [entry for entry in entries if entry[3] == subnet_id]
    for number in {str(ipv4_number(entry[4])) for entry in leaving}:
        owner = subnet_map.allocated_ips.get(number)
        if isinstance(owner, (list, tuple)) and len(owner) == 3:
            del subnet_map.allocated_ips[number]
    if leaving:
        store.info = [entry for entry in entries if entry[3] != subnet_id]
        write(info_key, store)
