"""Base of the updaters whose rows depend on virtual routers."""

from __future__ import annotations

import logging
from typing import Any, Callable, Mapping, Optional, Set

from vlcp.service.sdn._flows.updater import WalkingUpdater
from vlcp.service.sdn._flows.view import SwitchView
from vlcp.service.sdn._members import map_key
from vlcp.service.sdn._routers import Here, Routing, routers_of, walk_routers
from vlcp.utils.networkmodel import (
    DVRouterForwardInfo,
    DVRouterForwardInfoRef,
    LogicalNetworkMap,
    LogicalPort,
    VXLANEndpointSet,
)

_logger = logging.getLogger(__name__)
_NO_ROUTERS = (LogicalPort, LogicalNetworkMap, DVRouterForwardInfo, DVRouterForwardInfoRef, VXLANEndpointSet)
_OTHERS = tuple(cls._prefix + "." for cls in _NO_ROUTERS)


class RoutedUpdater(WalkingUpdater):
    """A :class:`WalkingUpdater` that knows the routers of the networks on its switch.

    :ivar routing: these routers
    """

    def __init__(self, connection: Any, parent: Any) -> None:
        super().__init__(connection, parent)
        self.routing = Routing()
        self._here: Optional[Here] = None

    def walkers(self, view: SwitchView) -> Mapping[str, Callable[..., None]]:
        """Return what to walk: the routers of every network that is present."""
        return {map_key(network): walk_routers for network in view.networks}

    def changed_routing(self) -> Set[str]:
        """Take the routers as they are now; return the keys of the networks whose routers differ."""
        here = self.here()
        if self.routing.routers and here == self._here and all(key.startswith(_OTHERS) for key in self.changed):
            return set()
        self._here = here
        return self.routing.replace(routers_of(self._values, self._report, here))

    def here(self) -> Optional[Here]:
        """Return how external subnets name this switch, and its addresses there; None when it does not forward to them."""
        return None

    @staticmethod
    def _report(key: str, error: Exception) -> None:
        _logger.error("no routing for %s: %s", key, error)
