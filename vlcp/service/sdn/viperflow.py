"""The network model's API: physical and logical networks, ports and subnets (manual 3.2.4, viperflow).

Every call is checked against the annotations (:mod:`vlcp.utils.typelib`), turned into ``{key: parameters}``, and carried out
by one transaction, all or nothing; the rules are in ``_resources*`` and, by network type, in the drivers. Singular calls are
plural calls with one element. Create and update calls return dumps in the order of the request, list calls in any order.

All raise ValueError for a request that breaks a rule, AlreadyExistsException for an object or address that exists, and
StorageUnavailableException when the database cannot be reached; nothing is changed then.
"""

from __future__ import annotations

from typing import Any

from vlcp.config import defaultconfig
from vlcp.server.module import Module, api, depend
from vlcp.service.kvdb import objectdb
from vlcp.service.sdn import _resources_ports as _ports
from vlcp.service.sdn import _resources_subnets as _subnets
from vlcp.service.sdn import _viperflow_types as _types
from vlcp.service.sdn._model import NetworkModel, UpdateConflictException
from vlcp.service.sdn._resources import LOGICAL_NETWORK, LOGICAL_PORT, PHYSICAL_NETWORK, PHYSICAL_PORT, RESOURCES, SUBNET
from vlcp.utils.typelib import Identifier, IPv4Network, Name

__all__ = ["UpdateConflictException", "ViperFlow"]


@defaultconfig
@depend(objectdb.ObjectDB)
class ViperFlow(Module):
    """Keeps the networks that users order: physical and logical networks, their ports and subnets"""

    def __init__(self, server: Any) -> None:
        super().__init__(server)
        self._model = NetworkModel(self.apiroutine)
        names = [resource.cls.__name__.lower() for resource in RESOURCES]
        verbs = ("create%s", "create%ss", "update%s", "update%ss", "delete%s", "delete%ss", "list%ss")
        self.create_api(*[api(getattr(self, verb % name), self.apiroutine) for name in names for verb in verbs])

    async def load(self, container):
        """Load the module: create the sets that list all objects, where the database has none.

        :param container: routine container of the loader
        """
        await self._model.create_index_sets(container)
        await super().load(container)

    async def createphysicalnetwork(
        self, type: Identifier = "vlan", id: _types.OPTIONAL_ID = None, **kwargs: _types.PHYSICAL_NETWORK_OPTIONS
    ):
        """Create a physical network.

        :param type: network type, served by a driver: ``vlan``, ``vxlan``, ``native``, ``local``
        :param id: its id; None or '' generates one
        :param kwargs: ``vlanrange`` or ``vnirange`` ([[first, last], ...], both included), and any further attributes
        :return: list with its dump
        """
        return await self.createphysicalnetworks([{"type": type, "id": id, **kwargs}])

    async def createphysicalnetworks(self, networks: _types.NEW_PHYSICAL_NETWORKS):
        """Create several physical networks.

        :param networks: list of dictionaries with the parameters of ``createphysicalnetwork``
        :return: list of dumps
        """
        return await self._model.by_drivers("create", PHYSICAL_NETWORK, networks)

    async def updatephysicalnetwork(self, id: Identifier, **kwargs: _types.PHYSICAL_NETWORK_OPTIONS):
        """Change attributes of a physical network; its type cannot change.

        :param id: physical network id
        :param kwargs: attributes to set
        :return: list with its dump
        """
        return await self.updatephysicalnetworks([{"id": id, **kwargs}])

    async def updatephysicalnetworks(self, networks: _types.CHANGED_PHYSICAL_NETWORKS):
        """Change several physical networks.

        :param networks: list of dictionaries with the parameters of ``updatephysicalnetwork``
        :return: list of dumps
        """
        return await self._model.by_drivers("update", PHYSICAL_NETWORK, networks)

    async def deletephysicalnetwork(self, id: Identifier):
        """Delete a physical network that has no logical networks and no physical ports.

        :param id: physical network id
        :return: ``{"status": "OK"}``
        """
        return await self.deletephysicalnetworks([{"id": id}])

    async def deletephysicalnetworks(self, networks: _types.IDS):
        """Delete several physical networks.

        :param networks: list of ``{"id": id}``
        :return: ``{"status": "OK"}``
        """
        return await self._model.by_drivers("delete", PHYSICAL_NETWORK, networks)

    async def listphysicalnetworks(self, id=None, **kwargs):
        """List physical networks.

        :param id: only the one with this id; None for all
        :param kwargs: only those whose attributes equal these values; an absent attribute counts as None
        :return: list of dumps
        """
        return await self._model.list(PHYSICAL_NETWORK, id, None, kwargs)

    async def createphysicalport(
        self,
        physicalnetwork: Identifier,
        name: Identifier,
        vhost: Name = "",
        systemid: Name = "%",
        bridge: Name = "%",
        **kwargs: _types.ANY_ATTRIBUTES,
    ):
        """Create a physical port.

        :param physicalnetwork: id of the physical network that the port leads to
        :param name: port name in OVSDB
        :param vhost: OpenFlow vHost of the bridges that have this port
        :param systemid: system id of the server, or ``%`` for any
        :param bridge: name of the bridge, or ``%`` for any
        :param kwargs: any further attributes
        :return: list with its dump
        """
        return await self.createphysicalports(
            [{"physicalnetwork": physicalnetwork, "name": name, "vhost": vhost, "systemid": systemid, "bridge": bridge, **kwargs}]
        )

    async def createphysicalports(self, ports: _types.NEW_PHYSICAL_PORTS):
        """Create several physical ports.

        :param ports: list of dictionaries with the parameters of ``createphysicalport``
        :return: list of dumps
        """
        return await self._model.by_drivers("create", PHYSICAL_PORT, ports)

    async def updatephysicalport(
        self, name: Identifier, vhost: Name = "", systemid: Name = "%", bridge: Name = "%", **args: _types.ANY_ATTRIBUTES
    ):
        """Change attributes of a physical port; its physical network cannot change.

        :param name: with the next three it names the port
        :param vhost: vHost
        :param systemid: system id of the server, or ``%``
        :param bridge: name of the bridge, or ``%``
        :param args: attributes to set
        :return: list with its dump
        """
        return await self.updatephysicalports([{"name": name, "vhost": vhost, "systemid": systemid, "bridge": bridge, **args}])

    async def updatephysicalports(self, ports: _types.PHYSICAL_PORT_NAMES):
        """Change several physical ports.

        :param ports: list of dictionaries with the parameters of ``updatephysicalport``
        :return: list of dumps
        """
        return await self._model.by_drivers("update", PHYSICAL_PORT, ports)

    async def deletephysicalport(self, name: Identifier, vhost: Name = "", systemid: Name = "%", bridge: Name = "%"):
        """Delete a physical port.

        :param name: with the next three it names the port
        :param vhost: vHost
        :param systemid: system id of the server, or ``%``
        :param bridge: name of the bridge, or ``%``
        :return: ``{"status": "OK"}``
        """
        return await self.deletephysicalports([{"name": name, "vhost": vhost, "systemid": systemid, "bridge": bridge}])

    async def deletephysicalports(self, ports: _types.PHYSICAL_PORT_NAMES):
        """Delete several physical ports.

        :param ports: list of {name, vhost, systemid, bridge}; the last three may be left out
        :return: ``{"status": "OK"}``
        """
        return await self._model.by_drivers("delete", PHYSICAL_PORT, ports)

    async def listphysicalports(self, name=None, physicalnetwork=None, vhost="", systemid="%", bridge="%", **kwargs):
        """List physical ports.

        :param name: only the port that this and ``vhost``, ``systemid``, ``bridge`` name; without it, those three select ports
            when they differ from their defaults
        :param physicalnetwork: only ports of the physical network with this id; None for any
        :param vhost: vHost
        :param systemid: system id of the server, or ``%``
        :param bridge: name of the bridge, or ``%``
        :param kwargs: only those whose attributes equal these values; an absent attribute counts as None
        :return: list of dumps
        """
        place = {"vhost": vhost, "systemid": systemid, "bridge": bridge}
        return await self._model.list_physical_ports(name, place, physicalnetwork, kwargs)

    async def createlogicalnetwork(
        self, physicalnetwork: Identifier, id: _types.OPTIONAL_ID = None, **kwargs: _types.LOGICAL_NETWORK_OPTIONS
    ):
        """Create a logical network.

        :param physicalnetwork: id of the physical network it is in
        :param id: its id; None or '' generates one
        :param kwargs: ``vlanid`` or ``vni`` (by default the lowest free number), the DHCP options ``mtu``, ``dns_nameservers``,
            ``domain_name``, ``ntp_servers``, ``lease_time``, ``extra_dhcp_options``, and any further attributes
        :return: list with its dump
        """
        return await self.createlogicalnetworks([{"physicalnetwork": physicalnetwork, "id": id, **kwargs}])

    async def createlogicalnetworks(self, networks: _types.NEW_LOGICAL_NETWORKS):
        """Create several logical networks.

        :param networks: list of dictionaries with the parameters of ``createlogicalnetwork``
        :return: list of dumps
        """
        return await self._model.by_drivers("create", LOGICAL_NETWORK, networks)

    async def updatelogicalnetwork(self, id: Identifier, **kwargs: _types.LOGICAL_NETWORK_OPTIONS):
        """Change attributes of a logical network; its physical network cannot change.

        :param id: logical network id
        :param kwargs: attributes to set
        :return: list with its dump
        """
        return await self.updatelogicalnetworks([{"id": id, **kwargs}])

    async def updatelogicalnetworks(self, networks: _types.CHANGED_LOGICAL_NETWORKS):
        """Change several logical networks.

        :param networks: list of dictionaries with the parameters of ``updatelogicalnetwork``
        :return: list of dumps
        """
        return await self._model.by_drivers("update", LOGICAL_NETWORK, networks)

    async def deletelogicalnetwork(self, id: Identifier):
        """Delete a logical network that has no subnets and no logical ports.

        :param id: logical network id
        :return: ``{"status": "OK"}``
        """
        return await self.deletelogicalnetworks([{"id": id}])

    async def deletelogicalnetworks(self, networks: _types.IDS):
        """Delete several logical networks.

        :param networks: list of ``{"id": id}``
        :return: ``{"status": "OK"}``
        """
        return await self._model.by_drivers("delete", LOGICAL_NETWORK, networks)

    async def listlogicalnetworks(self, id=None, physicalnetwork=None, **kwargs):
        """List logical networks.

        :param id: only the one with this id; None for all
        :param physicalnetwork: only those in the physical network with this id; None for any
        :param kwargs: only those whose attributes equal these values; an absent attribute counts as None
        :return: list of dumps
        """
        return await self._model.list(LOGICAL_NETWORK, id, physicalnetwork, kwargs)

    async def createlogicalport(
        self,
        logicalnetwork: Identifier,
        id: _types.OPTIONAL_ID = None,
        subnet: _types.OPTIONAL_PARENT = None,
        **kwargs: _types.LOGICAL_PORT_OPTIONS,
    ):
        """Create a logical port.

        :param logicalnetwork: id of the logical network it is in
        :param id: its id; None or '' generates one
        :param subnet: id of a subnet of that network; None for a port outside subnets
        :param kwargs: ``mac_address``, ``ip_address`` (by default the lowest free one of the subnet), ``hostname``,
            ``extra_dhcp_options``, and any further attributes
        :return: list with its dump
        """
        return await self.createlogicalports([{"logicalnetwork": logicalnetwork, "id": id, "subnet": subnet, **kwargs}])

    async def createlogicalports(self, ports: _types.NEW_LOGICAL_PORTS):
        """Create several logical ports.

        :param ports: list of dictionaries with the parameters of ``createlogicalport``
        :return: list of dumps
        """
        return await self._model.create(_ports, LOGICAL_PORT, ports)

    async def updatelogicalport(self, id: Identifier, **kwargs: _types.LOGICAL_PORT_OPTIONS):
        """Change attributes of a logical port; its logical network and subnet cannot change.

        :param id: logical port id
        :param kwargs: attributes to set
        :return: list with its dump
        """
        return await self.updatelogicalports([{"id": id, **kwargs}])

    async def updatelogicalports(self, ports: _types.CHANGED_LOGICAL_PORTS):
        """Change several logical ports.

        :param ports: list of dictionaries with the parameters of ``updatelogicalport``
        :return: list of dumps
        """
        return await self._model.update(_ports, LOGICAL_PORT, ports)

    async def deletelogicalport(self, id: Identifier):
        """Delete a logical port and release its address.

        :param id: logical port id
        :return: ``{"status": "OK"}``
        """
        return await self.deletelogicalports([{"id": id}])

    async def deletelogicalports(self, ports: _types.IDS):
        """Delete several logical ports.

        :param ports: list of ``{"id": id}``
        :return: ``{"status": "OK"}``
        """
        return await self._model.delete(_ports, LOGICAL_PORT, ports)

    async def listlogicalports(self, id=None, logicalnetwork=None, **kwargs):
        """List logical ports.

        :param id: only the one with this id; None for all
        :param logicalnetwork: only those in the logical network with this id; None for any
        :param kwargs: only those whose attributes equal these values; an absent attribute counts as None
        :return: list of dumps
        """
        return await self._model.list(LOGICAL_PORT, id, logicalnetwork, kwargs)

    async def createsubnet(
        self, logicalnetwork: Identifier, cidr: IPv4Network, id: _types.OPTIONAL_ID = None, **kwargs: _types.NEW_SUBNET_OPTIONS
    ):
        """Create a subnet.

        :param logicalnetwork: id of the logical network it is in
        :param cidr: ``address/prefix``; host bits are cut
        :param id: its id; None or '' generates one
        :param kwargs: ``gateway``, ``allocated_start``, ``allocated_end`` (by default all addresses but the network's and the
            broadcast address), ``host_routes`` ([[cidr, next hop], ...]), ``isexternal``, ``pre_host_config``, the DHCP
            options of ``createlogicalnetwork``, and any further attributes
        :return: list with its dump
        """
        return await self.createsubnets([{"logicalnetwork": logicalnetwork, "cidr": cidr, "id": id, **kwargs}])

    async def createsubnets(self, subnets: _types.NEW_SUBNETS):
        """Create several subnets.

        :param subnets: list of dictionaries with the parameters of ``createsubnet``
        :return: list of dumps
        """
        return await self._model.create(_subnets, SUBNET, subnets)

    async def updatesubnet(self, id: Identifier, **kwargs: _types.CHANGED_SUBNET_OPTIONS):
        """Change attributes of a subnet; its network and ``isexternal`` cannot change.

        :param id: subnet id
        :param kwargs: attributes to set
        :return: list with its dump
        """
        return await self.updatesubnets([{"id": id, **kwargs}])

    async def updatesubnets(self, subnets: _types.CHANGED_SUBNETS):
        """Change several subnets.

        :param subnets: list of dictionaries with the parameters of ``updatesubnet``
        :return: list of dumps
        """
        return await self._model.update(_subnets, SUBNET, subnets)

    async def deletesubnet(self, id: Identifier):
        """Delete a subnet that no port and no router uses.

        :param id: subnet id
        :return: ``{"status": "OK"}``
        """
        return await self.deletesubnets([{"id": id}])

    async def deletesubnets(self, subnets: _types.IDS):
        """Delete several subnets.

        :param subnets: list of ``{"id": id}``
        :return: ``{"status": "OK"}``
        """
        return await self._model.delete(_subnets, SUBNET, subnets)

    async def listsubnets(self, id=None, logicalnetwork=None, **kwargs):
        """List subnets.

        :param id: only the one with this id; None for all
        :param logicalnetwork: only those in the logical network with this id; None for any
        :param kwargs: only those whose attributes equal these values; an absent attribute counts as None
        :return: list of dumps
        """
        return await self._model.list(SUBNET, id, logicalnetwork, kwargs)
