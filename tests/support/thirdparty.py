"""Network drivers as another project would write them; tests load them into a server."""

from __future__ import annotations

from vlcp.config import defaultconfig
from vlcp.server.module import Module, publicapi
from vlcp.service.sdn._networkdrivers import VXLAN, NumberedDriver
from vlcp.utils import networkplugin


@defaultconfig
class NumberedTestDriver(NumberedDriver):
    """Serves type ``vxlan`` with a VNI for each logical network."""

    network_type = "vxlan"
    numbering = VXLAN


def _needs_key(network, *args, parameters):
    if "key" not in parameters:
        raise ValueError("a gre network needs the attribute key")
    return networkplugin.default_processor(network, parameters=parameters, excluding=("id", "type"))


@defaultconfig
class GreDriver(Module):
    """Serves type ``gre`` with nothing but the documented interfaces."""

    def __init__(self, server):
        super().__init__(server)
        methods = [self.createphysicalnetwork, self.createlogicalnetwork, self.deletelogicalnetwork, self.deletephysicalnetwork]
        self.create_api(*[publicapi(method, criteria=lambda type: type == "gre") for method in methods])

    def createphysicalnetwork(self, type):
        """Return the walker."""
        return networkplugin.createphysicalnetwork(type, _needs_key)

    def createlogicalnetwork(self, type):
        """Return the walker."""
        return networkplugin.createlogicalnetwork()

    def deletelogicalnetwork(self, type):
        """Return the walker."""
        return networkplugin.deletelogicalnetwork()

    def deletephysicalnetwork(self, type):
        """Return the walker."""
        return networkplugin.deletephysicalnetwork()
