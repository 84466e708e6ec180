"""Driver of local networks: networks inside one server (manual 3.2.4, networklocaldriver)."""

from __future__ import annotations

from typing import Any, Dict

from vlcp.config import defaultconfig
from vlcp.service.sdn._networkdrivers import NetworkDriver
from vlcp.utils import networkplugin


def _refuse(port: Any, *args: Any, parameters: Dict[str, Any]) -> bool:
    raise ValueError(f"physical port {port.name!r}: a local network cannot have physical ports")


@defaultconfig
class NetworkLocalDriver(NetworkDriver):
    """Serves networks of type local. They cannot have physical ports; only endpoints on the same server reach each
    other."""

    network_type = "local"

    def createphysicalport(self, type):
        """Return a walker that refuses to create physical ports."""
        return networkplugin.createphysicalport(_refuse)

    def updatephysicalport(self, type):
        """Return a walker that refuses to update physical ports."""
        return networkplugin.updatephysicalport(_refuse)
