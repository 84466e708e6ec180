"""A flow module whose switches may be forwarding nodes: offers are withdrawn when the connection or the module ends."""

from __future__ import annotations

import logging
from typing import Any, Dict

from vlcp.service.sdn._forward_publish import ForwardPublisher
from vlcp.service.sdn._proxied import ProxiedModule
from vlcp.service.sdn._routers import Node

_logger = logging.getLogger(__name__)

_WITHDRAW_S = 3.0


class ForwardingModule(ProxiedModule):
    """Has one publisher for each forwarding node; updaters have a method ``withdraw``."""

    forwardinfo_discover_update_time: float
    addressinfo_discover_update_time: float

    def __init__(self, server: Any) -> None:
        super().__init__(server)
        self._publishers: Dict[Node, ForwardPublisher] = {}

    def publisher_of(self, node: Node) -> ForwardPublisher:
        """Return what publishes for a forwarding node, running."""
        if node not in self._publishers:
            times = (self.forwardinfo_discover_update_time, self.addressinfo_discover_update_time)
            self._publishers[node] = ForwardPublisher(self.scheduler, node, *times)
            self._publishers[node].start()
        return self._publishers[node]

    def stop_updater(self, connection: Any) -> None:
        """Stop the updater of a switch; it is no forwarding node until it comes back."""
        updater: Any = self._updaters.get(connection)
        super().stop_updater(connection)
        if updater is not None:
            updater.withdraw()

    async def stopping(self, container: Any) -> None:
        """Withdraw the offers of forwarding nodes; their addresses stay."""
        for updater in self._updaters.values():
            updater.withdraw()
        for node, publisher in self._publishers.items():
            if not await publisher.finish(container, _WITHDRAW_S):
                _logger.warning("offers of %s are not withdrawn, they expire", node)

    async def unload(self, container: Any, force: bool = False) -> None:
        """Stop the module as :meth:`stopping` does."""
        await super().unload(container, force)
        await self.stopping(container)
        for publisher in self._publishers.values():
            publisher.close()
