"""Driver of native networks: one logical network, untagged (manual 3.2.4, networknativedriver)."""

from __future__ import annotations

from vlcp.config import defaultconfig
from vlcp.service.sdn._networkdrivers import NetworkDriver
from vlcp.service.sdn._vlanparts import untagged_parts
from vlcp.utils import networkplugin
from vlcp.utils.networkplugin import default_processor


def _only_one(network, netmap, physical, physicalmap, walk, write, *, parameters):
    if physicalmap.logicnetworks.dataset():
        raise ValueError(f"physical network {physical.id!r} is native and can have only one logical network")
    return default_processor(network, parameters=parameters, excluding=("id", "physicalnetwork"))


@defaultconfig
class NetworkNativeDriver(NetworkDriver):
    """Serves networks of type native. Such a network holds one logical network, whose packets pass the physical
    ports as they are."""

    network_type = "native"

    def createlogicalnetwork(self, type):
        """Return the walker that creates the one logical network of a physical network."""
        return networkplugin.createlogicalnetwork(_only_one)

    def createioflowparts(self, connection, logicalnetwork, physicalport, logicalnetworkid, physicalportid):
        """Return the flow parts for untagged packets; see
        :meth:`vlcp.service.sdn._networkdrivers.NetworkDriver.createioflowparts`."""
        return untagged_parts(connection.openflowdef, physicalportid)
