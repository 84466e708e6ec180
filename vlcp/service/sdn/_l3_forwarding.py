"""Forwarding nodes as one switch sees them: those that it uses, and what it publishes when it is one itself."""

from __future__ import annotations

from typing import Any, Callable, Mapping, Optional, Set, Tuple

from vlcp.service.sdn._flows.fields import format_value
from vlcp.service.sdn._forward_offers import Choices, Offers, id_of_physical
from vlcp.service.sdn._forward_publish import ForwardPublisher
from vlcp.service.sdn._l3_model import RoutedNetworks
from vlcp.service.sdn._routers import Here, Node
from vlcp.utils.networkmodel import SubNet

Way = Tuple[str, str, str]


class Forwarding:
    """The part of a router's updater that deals with forwarding nodes.

    :param networks: the networks of the switch
    :param values: returns the retrieved objects
    :param keep_s: seconds for which a node is used after its offer has gone, while there is no other
    :param now: returns the time in seconds
    """

    def __init__(
        self,
        networks: RoutedNetworks,
        values: Callable[[], Mapping[str, Any]],
        keep_s: float,
        now: Callable[[], float],
    ) -> None:
        self._networks = networks
        self._offers = Offers(values)
        self._choices = Choices(keep_s)
        self._now = now
        self._node: Optional[Node] = None
        self._publisher: Optional[ForwardPublisher] = None
        self._changed: Callable[[], None] = lambda: None
        self._ways: Set[Way] = set()
        self._detached = False
        self.missing = False
        self.offering = False

    # Other nodes

    def begin(self) -> None:
        """All ways are about to be looked for."""
        self._ways, self.missing = set(), False

    def end(self) -> None:
        """All ways have been looked for; the others are forgotten."""
        self._choices.keep(self._ways)

    def carrier(self, network: str, here: str, there: str) -> Optional[int]:
        """Return the MAC address of the node for packets of a network from one physical network to another (keys)."""
        way = (network, here, there)
        self._ways.add(way)
        own = self._networks.outer(network)
        found = self._offers.candidates(network, (id_of_physical(here), id_of_physical(there)))
        mac = self._choices.choose(way, [one for one in found if one != own], self._now())
        self.missing = self.missing or mac is None
        return mac

    def ended(self) -> bool:
        """Tell whether a node that is no longer offered is to be given up."""
        return self._choices.ended(self._now())

    # This node

    def attach(self, node: Node, publisher: ForwardPublisher, changed: Callable[[], None]) -> None:
        """Be a forwarding node.

        :param changed: called when its addresses are others
        """
        self._node, self._publisher, self._changed = node, publisher, changed
        publisher.attach(changed)

    def detach(self) -> None:
        """Forward for nobody any more, and publish nothing."""
        self._detached = True
        if self._publisher is not None:
            self._publisher.detach(self._changed)

    def here(self) -> Optional[Here]:
        """Return the node and its addresses, None when it is no forwarding node."""
        if self._node is None or self._publisher is None:
            return None
        return Here(self._node, self._publisher.addresses)

    def owes_addresses(self) -> bool:
        """True while it is not known yet which addresses the node has."""
        return self._publisher is not None and self._publisher.owes_addresses()

    def publish(self) -> None:
        """Want what this switch has to publish now."""
        if self._publisher is None or self._detached:
            return
        leases = self._networks.leases()
        self._publisher.want_addresses(
            {SubNet.create_from_key(key).id: (one.first, one.prefix, one.gateway) for key, one in leases.items()}
        )
        if self.offering:
            carried = self._networks.carried().items()
            offers = {(id_of_physical(a), id_of_physical(b)): format_value("eth_dst", mac) for (a, b), mac in carried}
            self._publisher.offer(offers)
