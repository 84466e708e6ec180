"""Driver of VLAN networks: each logical network has a VLAN tag (manual 3.2.4, networkvlandriver)."""

from __future__ import annotations

from vlcp.config import defaultconfig
from vlcp.service.sdn._networkdrivers import VLAN, NumberedDriver
from vlcp.service.sdn._vlanparts import tagged_parts


@defaultconfig
class NetworkVlanDriver(NumberedDriver):
    """Network driver for VLAN networks. A physical network of type ``vlan`` needs the option ``vlanrange``; each logical
    network gets a VLAN tag, ``vlanid``, out of it."""

    network_type = "vlan"
    numbering = VLAN

    def createioflowparts(self, connection, logicalnetwork, physicalport, logicalnetworkid, physicalportid):
        """Return the flow parts for tagged packets; see
        :meth:`vlcp.service.sdn._networkdrivers.NetworkDriver.createioflowparts`."""
        return tagged_parts(connection.openflowdef, physicalportid, logicalnetwork.vlanid)
