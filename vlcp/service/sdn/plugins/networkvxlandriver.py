"""Driver of VXLAN networks: each logical network has a VNI (manual 3.2.4, networkvxlandriver)."""

from __future__ import annotations

from vlcp.config import defaultconfig
from vlcp.service.sdn._networkdrivers import VXLAN, NumberedDriver


@defaultconfig
class NetworkVxlanDriver(NumberedDriver):
    """Serves networks of type vxlan. A physical network of type ``vxlan`` needs the option ``vnirange``; each logical
    network gets a VNI, ``vni``, out of it. How packets pass a physical port is not said here but by ``vxlancast`` or
    ``vxlanvtep``."""

    network_type = "vxlan"
    numbering = VXLAN

    def _serves_network(self, connection, logicalnetwork, physicalport, logicalnetworkid, physicalportid):
        return False
