"""One forwarding node: keeps its offers and its external addresses in the database."""

from __future__ import annotations

import logging
from typing import Any, Callable, Dict, Hashable, Iterable, List, Mapping, Optional, Set, Tuple

from vlcp.event.runnable import RoutineContainer
from vlcp.server.module import call_api
from vlcp.service.sdn._flows.records import Due
from vlcp.service.sdn._forward_records import Pair, addresses_walker, offers_walker
from vlcp.service.sdn._records_writer import RecordsWriter
from vlcp.service.sdn._routers import Node

_logger = logging.getLogger(__name__)

OFFER, ADDRESS = "offer", "address"
Name = Tuple[str, Any]
"""Kind of a record, and its pair or subnet; None instead stands for all that an earlier run has left."""

_MICROSECONDS = 1000000
_AFTER_END_S = 0.02
_SHORTEST_LOOK_S = 0.1
_LONGEST_WRITE_S = 20
_NO_ADDRESS_RETRY_S = 10.0


class ForwardPublisher(RecordsWriter):
    """Writes records ``(OFFER, pair)``, whose values are MAC addresses, and ``(ADDRESS, subnet id)``.

    It lives as long as the module, whatever happens to the connection of the switch, so that the transactions of a node
    come one after the other.

    :param scheduler: runs it
    :param node: whose offers and addresses
    :param offer_s: seconds after which offers are renewed; they expire after twice as many
    :param address_s: the same of addresses
    :ivar addresses: ``{subnet id: address}`` that the node has; None for a subnet that has no free one
    """

    def __init__(self, scheduler: Any, node: Node, offer_s: float, address_s: float) -> None:
        super().__init__(RoutineContainer(scheduler), f"what {node.systemid} {node.bridge} forwards")
        self._node = node
        self._offer_s = offer_s
        self._address_s = address_s
        self._begun: Set[str] = set()
        self._swept = False
        self._user: Optional[Callable[[], None]] = None
        self.addresses: Dict[str, Optional[str]] = {}

    def start(self) -> None:
        """Begin to write."""
        self._container.main = self.run  # type: ignore[method-assign]
        self._container.start()

    def close(self) -> None:
        """Write no more."""
        self._container.close()

    def attach(self, changed: Callable[[], None]) -> None:
        """Take the user of a new connection.

        :param changed: called when ``addresses`` are others
        """
        self._user = changed

    def detach(self, changed: Callable[[], None]) -> None:
        """The connection of a user is lost or given up: the node forwards nothing until there is another one."""
        if self._user == changed:
            self._user = None
            self.offer({})

    def offer(self, offers: Mapping[Pair, str]) -> None:
        """Offer to carry packets between exactly these pairs of physical networks.

        :param offers: MAC address that takes the packets
        """
        self._replace(OFFER, offers, self._offer_s)

    def want_addresses(self, subnets: Mapping[str, Hashable]) -> None:
        """Have an address in exactly these external subnets.

        :param subnets: by id what decides on the address; it is looked at again when that changes
        """
        self._replace(ADDRESS, subnets, self._address_s)

    def owes_addresses(self) -> bool:
        """True while it is not known yet which addresses the node has."""
        return any(key[1] not in self.addresses for key in self._keys(ADDRESS))

    def _replace(self, kind: str, wanted: Mapping[Any, Any], renew_s: float) -> None:
        if kind not in self._begun:
            self._begun.add(kind)
            self.records.found([(kind, None)])
        for key in self._keys(kind):
            if key[1] not in wanted:
                self.records.want(key, None)
        for name, value in wanted.items():
            before = self.records.wanted.get((kind, name))
            if before is None or before[0] != value:
                self.records.want((kind, name), value, renew_s)
        self.wake()

    def _keys(self, kind: str) -> List[Name]:
        return [key for key in _names(self.records.wanted) if key[0] == kind]

    async def write(self, due: Due) -> None:
        """Write addresses first: who has none in a subnet offers nothing there.

        :raises Exception: as ``objectdb/writewalk``
        """
        kinds = {key[0] for key in _names((*due.put, *due.remove))}
        if ADDRESS in kinds:
            await self._write_addresses()
        if OFFER in kinds:
            await self._write_offers(due)

    async def _write_addresses(self) -> None:
        subnets = [key[1] for key in self._keys(ADDRESS)]
        found = await self._transact(addresses_walker(self._node, subnets, self._valid_us(self._address_s)))
        for subnet, address in found.items():
            if address is None and self.addresses.get(subnet, "") is not None:
                _logger.error("%s %s gets no address in the external subnet %r", *self._node[1:], subnet)
            record = self.records.wanted.get((ADDRESS, subnet))
            if record is not None:
                self.records.want((ADDRESS, subnet), record[0], _NO_ADDRESS_RETRY_S if address is None else self._address_s)
        before, self.addresses = self.addresses, found
        if before != found and self._user is not None:
            self._user()

    async def _write_offers(self, due: Due) -> None:
        """Write all offers, and so renew those that are not due yet; remove those that are."""
        gone = (key[1] for key in _names((*due.put, *due.remove)) if key[0] == OFFER and key[1] is not None)
        offers: Dict[Pair, Optional[str]] = dict.fromkeys(gone)
        due.put.update((key, self.records.wanted[key][0]) for key in self._keys(OFFER))
        offers.update((key[1], mac) for key, mac in due.put.items() if isinstance(key, tuple) and key[0] == OFFER)
        ends = await self._transact(offers_walker(self._node, offers, not self._swept, self._valid_us(self._offer_s)))
        self._swept = True
        for key in self._keys(OFFER):
            self.records.want(key, self.records.wanted[key][0], self._look_again_s(ends.get(key[1])))

    def _look_again_s(self, end_us: Optional[int]) -> float:
        """Return after how many seconds to write again: when the own offer is to be renewed, or another one expires."""
        if end_us is None:
            return self._offer_s
        return min(self._offer_s, max(end_us / _MICROSECONDS + _AFTER_END_S, _SHORTEST_LOOK_S))

    @staticmethod
    def _valid_us(renew_s: float) -> int:
        return int(2 * renew_s * _MICROSECONDS)

    async def _transact(self, walker: Callable[..., Any]) -> Any:
        parameters = {"keys": (), "walker": walker, "withtime": True, "maxtime": _LONGEST_WRITE_S}
        return await call_api(self._container, "objectdb", "writewalk", parameters)


def _names(keys: Iterable[Hashable]) -> List[Name]:
    return [key for key in keys if isinstance(key, tuple)]
