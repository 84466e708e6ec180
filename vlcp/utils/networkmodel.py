"""The data objects of networks (manual 5.7.15; keys and attributes are those of the stored form).

Irregular prefixes (``logicnetwork``, ``logcialportset``...) are part of databases that exist and
are kept. The attributes named in ``_growing`` are stored in parts when they are large (:mod:`vlcp.utils.growing`).
Attributes beyond those listed are allowed everywhere: unknown parameters of API calls
are stored as they are.
"""

from __future__ import annotations

from typing import Any, Optional

from vlcp.utils.dataobject import DataObject, DataObjectSet, Relationship


class PhysicalNetwork(DataObject):
    """A physical network; attributes ``type`` (str) and, by type, ``vlanrange`` or ``vnirange`` ([[first, last]...])."""

    _prefix = "viperflow.physicalnetwork"
    _indices = ("id",)


class PhysicalNetworkMap(DataObject):
    """What belongs to a physical network.

    ``logicnetworks`` (set), ``network_allocation`` ({number as str: weak reference to the logical network}),
    ``ports`` (set), ``network`` (reference to the physical network).
    """

    _prefix = "viperflow.physicalnetworkmap"
    _indices = ("id",)
    _growing = ("logicnetworks", "network_allocation", "ports")

    def __init__(self, prefix: Optional[str] = None, deleted: bool = False) -> None:
        super().__init__(prefix, deleted)
        self.logicnetworks = DataObjectSet()
        self.network_allocation: Any = {}
        self.ports = DataObjectSet()


class _IndexSet(DataObject):
    """Base of the objects that list all objects of a kind; attribute ``set``."""

    _growing = ("set",)

    def __init__(self, prefix: Optional[str] = None, deleted: bool = False) -> None:
        super().__init__(prefix, deleted)
        self.set = DataObjectSet()


class PhysicalNetworkSet(_IndexSet):
    """All physical networks (``set``)."""

    _prefix = "viperflow.physicalnetworkset"


class PhysicalPort(DataObject):
    """A port that joins a bridge to a physical network; attribute ``physicalnetwork`` (reference).

    ``%`` as systemid or bridge means every one.
    """

    _prefix = "viperflow.physicalport"
    _indices = ("vhost", "systemid", "bridge", "name")


class PhysicalPortSet(_IndexSet):
    """All physical ports (``set``)."""

    _prefix = "viperflow.physicalportset"


class LogicalNetwork(DataObject):
    """A logical network; ``physicalnetwork`` (reference), ``vlanid`` or ``vni`` (int), ``mtu``, DHCP attributes."""

    _prefix = "viperflow.logicnetwork"
    _indices = ("id",)


class LogicalNetworkMap(DataObject):
    """What belongs to a logical network: ``ports`` (set), ``subnets`` (set), ``network`` (reference)."""

    _prefix = "viperflow.logicnetworkmap"
    _indices = ("id",)
    _growing = ("ports", "subnets")

    def __init__(self, prefix: Optional[str] = None, deleted: bool = False) -> None:
        super().__init__(prefix, deleted)
        self.ports = DataObjectSet()
        self.subnets = DataObjectSet()


class LogicalNetworkSet(_IndexSet):
    """All logical networks (``set``)."""

    _prefix = "viperflow.logicalnetworkset"


class LogicalPort(DataObject):
    """A logical port: ``network``, ``subnet`` (references), ``mac_address``, ``ip_address``, ``hostname`` (str)."""

    _prefix = "viperflow.logicalport"
    _indices = ("id",)


LogicalPort.unique_key("_mac_address_index", "network", "mac_address")
LogicalPort.unique_key("_ip_address_index", "network", "ip_address")


class LogicalPortSet(_IndexSet):
    """All logical ports (``set``); the spelling of the prefix is that of existing databases."""

    _prefix = "viperflow.logcialportset"


class LogicalPortVXLANInfo(DataObject):
    """Where a port is; ``endpoints`` is a list of {vhost, systemid, bridge, tunnel_dst, updated_time (us)}."""

    _prefix = "viperflow.logicalportvxlaninfo"
    _indices = ("id",)

    def __init__(self, prefix: Optional[str] = None, deleted: bool = False) -> None:
        super().__init__(prefix, deleted)
        self.endpoints: Any = []


class SubNet(DataObject):
    """A subnet: ``network`` (reference), ``cidr``, ``gateway``, ``allocated_start``, ``allocated_end`` (str),
    ``host_routes``, ``isexternal``, ``pre_host_config``, ``router`` (weak reference to the router port)."""

    _prefix = "viperflow.subnet"
    _indices = ("id",)


class SubNetMap(DataObject):
    """What belongs to a subnet.

    ``allocated_ips`` ({address as decimal str: weak reference to the port, or a list for router ports and
    external addresses}), ``routers`` (set), ``routerports`` ({router id: weak reference to the router port}).
    """

    _prefix = "viperflow.subnetmap"
    _indices = ("id",)
    _growing = ("allocated_ips", "routers")

    def __init__(self, prefix: Optional[str] = None, deleted: bool = False) -> None:
        super().__init__(prefix, deleted)
        self.allocated_ips: Any = {}
        self.routers = DataObjectSet()
        self.routerports: Any = {}


class SubNetSet(_IndexSet):
    """All subnets (``set``)."""

    _prefix = "viperflow.subnetset"


class VRouter(DataObject):
    """A virtual router: ``interfaces`` (set of router ports), ``routes`` (list of [cidr, next hop])."""

    _prefix = "viperflow.vrouter"
    _indices = ("id",)

    def __init__(self, prefix: Optional[str] = None, deleted: bool = False) -> None:
        super().__init__(prefix, deleted)
        self.interfaces = DataObjectSet()
        self.routes: Any = []


class VRouterSet(_IndexSet):
    """All virtual routers (``set``)."""

    _prefix = "viperflow.vrouterset"


class RouterPort(DataObject):
    """A subnet's connection to a router: ``router``, ``subnet`` (references), ``ip_address`` (optional)."""

    _prefix = "viperflow.routerport"
    _indices = ("id",)


class DVRouterForwardSet(_IndexSet):
    """All pairs of physical networks with forwarding nodes (``set`` of DVRouterForwardInfoRef)."""

    _prefix = "viperflow.dvrouterforwardset"


class _InfoList(DataObject):
    """Base of the objects with one attribute ``info``, a list."""

    def __init__(self, prefix: Optional[str] = None, deleted: bool = False) -> None:
        super().__init__(prefix, deleted)
        self.info: Any = []


class DVRouterForwardInfo(_InfoList):
    """Forwarding nodes between two physical networks: ``info``, [systemid, bridge, vhost, mac, expire us]."""

    _prefix = "viperflow.dvrouterforwardinfo"
    _indices = ("from_pynet", "to_pynet")


class DVRouterForwardInfoRef(_InfoList):
    """MAC addresses of the forwarding nodes between two physical networks: ``info``, in the same order."""

    _prefix = "viperflow.dvrouterforwardrefinfo"
    _indices = ("from_pynet", "to_pynet")


class DVRouterExternalAddressInfo(_InfoList):
    """External addresses that nodes hold: ``info``, [systemid, bridge, vhost, subnet id, ip, expire us]."""

    _prefix = "viperflow.dvrouterexternaladdressinfo"


class VXLANEndpointSet(DataObject):
    """Tunnel endpoints of a logical network: ``endpointlist``, [ip, vhost, systemid, bridge, expire us or None]."""

    _prefix = "viperflow.vxlanendpointset"
    _indices = ("id",)

    def __init__(self, prefix: Optional[str] = None, deleted: bool = False) -> None:
        super().__init__(prefix, deleted)
        self.endpointlist: Any = []


PhysicalNetwork._map = Relationship(PhysicalNetwork, PhysicalNetworkMap, ("id", "id"))
LogicalNetwork._map = Relationship(LogicalNetwork, LogicalNetworkMap, ("id", "id"))
SubNet._map = Relationship(SubNet, SubNetMap, ("id", "id"))

LogicalNetwork.register_auto_remove("VXLANEndpointSet", lambda network: [VXLANEndpointSet.default_key(network.id)])
LogicalPort.register_auto_remove("LogicalPortVXLANInfo", lambda port: [LogicalPortVXLANInfo.default_key(port.id)])
