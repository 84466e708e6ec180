"""Base of the updaters whose rows depend on virtual routers."""

from __future__ import annotations

import logging
from typing import Any, Callable, Mapping, Optional, Set

from vlcp.service.sdn._flows.updater import WalkingUpdater
from vlcp.service.sdn._flows.view import SwitchView
from vlcp.service.sdn._members import map_key
from vlcp.service.sdn._routers import Node, Routing, routers_of, walk_routers
from vlcp.utils.networkmodel import LogicalNetworkMap, LogicalPort

_logger = logging.getLogger(__name__)
_OTHERS = (LogicalPort._prefix + ".", LogicalNetworkMap._prefix + ".")


class RoutedUpdater(WalkingUpdater):
    """A :class:`WalkingUpdater` that knows the routers of the networks on its switch.

    :ivar routing: these routers
    """

    def __init__(self, connection: Any, parent: Any) -> None:
        super().__init__(connection, parent)
        self.routing = Routing()

    def walkers(self, view: SwitchView) -> Mapping[str, Callable[..., None]]:
        """Return what to walk: the routers of every network that is present."""
        return {map_key(network): walk_routers for network in view.networks}

    def changed_routing(self) -> Set[str]:
        """Take the routers as they are now; return the keys of the networks whose routers differ."""
        if self.routing.routers and all(key.startswith(_OTHERS) for key in self.changed):
            return set()
        return self.routing.replace(routers_of(self._values, self._report, self.forwarding_node()))

    def forwarding_node(self) -> Optional[Node]:
        """Return how external subnets name this switch, None when it does not forward to them."""
        return None

    @staticmethod
    def _report(key: str, error: Exception) -> None:
        _logger.error("no routing for %s: %s", key, error)
