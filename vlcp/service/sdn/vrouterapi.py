"""The API of virtual routers: routers, and the subnets that they join (manual 3.2.4, vrouterapi).

Each call is checked against the annotations and carried out by one transaction, all or nothing. Create and update calls
return dumps in the order of the request, list calls in any order; singular calls are plural calls with one element.

All raise ValueError for a request that breaks a rule, AlreadyExistsException for an object that exists, and
StorageUnavailableException when the database cannot be reached; nothing is changed then.
"""

from __future__ import annotations

from typing import Any

from vlcp.config import defaultconfig
from vlcp.server.module import Module, api, depend
from vlcp.service.kvdb import objectdb
from vlcp.service.sdn import _resources_routers as _routers
from vlcp.service.sdn import _viperflow_types as _types
from vlcp.service.sdn._model import NetworkModel
from vlcp.service.sdn._resources_routers import ROUTER, ROUTER_PORT
from vlcp.utils.typelib import Identifier

__all__ = ["VRouterApi"]


@defaultconfig
@depend(objectdb.ObjectDB)
class VRouterApi(Module):
    """Keeps the virtual routers that users order"""

    def __init__(self, server: Any) -> None:
        super().__init__(server)
        self._model = NetworkModel(self.apiroutine)
        routers = ("createvirtualrouter", "updatevirtualrouter", "deletevirtualrouter")
        interfaces = ("addrouterinterface", "removerouterinterface")
        names = [name + many for name in (*routers, *interfaces) for many in ("", "s")]
        names += ["listvirtualrouters", "listrouterinterfaces"]
        self.create_api(*[api(getattr(self, name), self.apiroutine) for name in names])

    async def load(self, container):
        """Load the module: create the sets that list all routers and forwarding nodes, where the database has none.

        :param container: routine container of the loader
        """
        await self._model.create_index_sets(container, _routers.INDEX_SETS)
        await super().load(container)

    async def createvirtualrouter(self, id: _types.OPTIONAL_ID = None, **kwargs: _types.ROUTER_OPTIONS):
        """Create a virtual router without interfaces.

        :param id: its id; None or '' generates one
        :param kwargs: ``routes`` ([[cidr, next hop], ...]), and any further attributes
        :return: list with its dump
        """
        return await self.createvirtualrouters([{"id": id, **kwargs}])

    async def createvirtualrouters(self, routers: _types.NEW_ROUTERS):
        """Create several virtual routers.

        :param routers: list of dictionaries with the parameters of ``createvirtualrouter``
        :return: list of dumps
        """
        return await self._model.create(_routers, ROUTER, routers)

    async def updatevirtualrouter(self, id: Identifier, **kwargs: _types.ROUTER_OPTIONS):
        """Change attributes of a virtual router; its interfaces have calls of their own.

        :param id: virtual router id
        :param kwargs: attributes to set; ``routes`` replaces all routes
        :return: list with its dump
        """
        return await self.updatevirtualrouters([{"id": id, **kwargs}])

    async def updatevirtualrouters(self, routers: _types.CHANGED_ROUTERS):
        """Change several virtual routers.

        :param routers: list of dictionaries with the parameters of ``updatevirtualrouter``
        :return: list of dumps
        """
        return await self._model.update(_routers, ROUTER, routers)

    async def deletevirtualrouter(self, id: Identifier):
        """Delete a virtual router that has no interfaces.

        :param id: virtual router id
        :return: ``{"status": "OK"}``
        """
        return await self.deletevirtualrouters([{"id": id}])

    async def deletevirtualrouters(self, routers: _types.IDS):
        """Delete several virtual routers.

        :param routers: list of ``{"id": id}``
        :return: ``{"status": "OK"}``
        """
        return await self._model.delete(_routers, ROUTER, routers)

    async def listvirtualrouters(self, id: _types.OPTIONAL_PARENT = None, **kwargs):
        """List virtual routers.

        :param id: only the one with this id; None for all
        :param kwargs: only those whose attributes equal these values; an absent attribute counts as None
        :return: list of dumps
        """
        return await self._model.list(ROUTER, id, None, kwargs)

    async def addrouterinterface(
        self, router: Identifier, subnet: Identifier, id: _types.OPTIONAL_ID = None, **kwargs: _types.INTERFACE_OPTIONS
    ):
        """Join a subnet to a virtual router.

        :param router: virtual router id
        :param subnet: subnet id; a subnet that is not external can be in one router only
        :param id: id of the router port; None or '' generates one
        :param kwargs: ``ip_address``, the router's address in the subnet instead of the subnet's gateway, and any further
            attributes
        :return: list with the dump of the router port
        """
        return await self.addrouterinterfaces([{"router": router, "subnet": subnet, "id": id, **kwargs}])

    async def addrouterinterfaces(self, interfaces: _types.NEW_INTERFACES):
        """Join several subnets to virtual routers.

        :param interfaces: list of dictionaries with the parameters of ``addrouterinterface``
        :return: list of dumps
        """
        return await self._model.create_with(_routers.add_keys, _routers.add, ROUTER_PORT, interfaces)

    async def removerouterinterface(self, router: Identifier, subnet: Identifier):
        """Take a subnet out of a virtual router.

        :param router: virtual router id
        :param subnet: subnet id
        :return: ``{"status": "OK"}``
        """
        return await self.removerouterinterfaces([{"router": router, "subnet": subnet}])

    async def removerouterinterfaces(self, interfaces: _types.INTERFACES):
        """Take several subnets out of virtual routers.

        :param interfaces: list of ``{"router": router, "subnet": subnet}``
        :return: ``{"status": "OK"}``
        """
        names = _routers.port_names(interfaces)
        return await self._model.apply(_routers.remove_keys(names), _routers.remove(names))

    async def listrouterinterfaces(self, id: Identifier, **kwargs):
        """List the router ports of a virtual router.

        :param id: virtual router id
        :param kwargs: only those whose attributes equal these values; an absent attribute counts as None
        :return: list of dumps
        """
        return await self._model.list(ROUTER_PORT, None, id, kwargs)
