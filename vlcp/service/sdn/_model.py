"""Carries out the calls of the network model: one transaction each, then the dumps of what was written."""

from __future__ import annotations

import logging
from typing import Any, Callable, Dict, Iterable, List, Optional
from uuid import uuid1

from vlcp.server.module import call_api
from vlcp.service.sdn import _resources_drivers as _drivers
from vlcp.service.sdn._resources import (
    INDEX_SETS,
    PHYSICAL_NETWORK,
    PHYSICAL_PORT,
    Resource,
    create_index_sets,
    query,
    requests,
)
from vlcp.utils.dataobject import dump, request_context
from vlcp.utils.exceptions import (
    APIRejectedException,
    StaleResultException,
    StorageOutcomeUnknownException,
    StorageUnavailableException,
    TransactionFailedException,
)

logger = logging.getLogger(__name__)


class UpdateConflictException(Exception):
    """An update contradicts what another writer changed meanwhile.

    :param desc: text of the exception
    """

    def __init__(self, desc: str = "db update conflict") -> None:
        super().__init__(desc)


class NetworkModel:
    """The network model in the database, for one module.

    :param container: runs the calls to ObjectDB
    """

    def __init__(self, container: Any) -> None:
        self._container = container

    async def create_index_sets(self, container: Any, classes: Iterable[Any] = INDEX_SETS) -> None:
        """Create the sets that list all objects, where the database has none.

        Without the database that is left to the first call that creates an object.

        :param container: runs the call
        :param classes: their classes; by default those of ``viperflow``
        """
        keys, walker = create_index_sets(classes)
        try:
            await call_api(container, "objectdb", "writewalk", {"keys": tuple(keys), "walker": walker})
        except (StorageUnavailableException, StorageOutcomeUnknownException, TransactionFailedException) as exc:
            logger.warning("cannot create the index sets %s now: %s", ", ".join(keys), exc)

    async def by_drivers(self, verb: str, resource: Resource, items: Iterable[Dict[str, Any]]) -> Any:
        """Carry out a call whose rules belong to the drivers of network types.

        :param verb: ``create``, ``update`` or ``delete``
        :param items: parameters of each object
        :return: list of dumps, for ``delete`` the status
        :raises ValueError: a rule is broken, or no driver serves a type
        """
        create = verb == "create"
        found = requests(resource, items, create)
        keys = _drivers.first_keys(resource, found, create)
        drivers: Dict[str, Any] = {}
        walker = _drivers.dispatch(resource, found, create, drivers)
        wanted = {parameters["type"] for parameters in found.values()} if create and resource is PHYSICAL_NETWORK else set()
        while True:
            for type_ in sorted(wanted):
                drivers[type_] = await self._driver(verb + resource.cls.__name__.lower(), type_)
            try:
                await self._write(keys, walker)
            except _drivers.NeedDrivers as exc:
                wanted = exc.types
            else:
                return _status() if verb == "delete" else await self._dumps(found)

    async def create(self, rules: Any, resource: Resource, items: Iterable[Dict[str, Any]]) -> List[Any]:
        """Create objects whose rules are the same for all networks.

        :param rules: module with ``create_keys`` and ``create``
        :param items: parameters of each object
        :return: list of dumps
        """
        return await self.create_with(rules.create_keys, rules.create, resource, items)

    async def create_with(
        self,
        keys: Callable[..., Iterable[str]],
        walker: Callable[..., Callable[..., None]],
        resource: Resource,
        items: Iterable[Dict[str, Any]],
    ) -> List[Any]:
        """Create objects by two functions of ``{key: parameters}``; parameters and return as in :meth:`create`.

        :param keys: returns the keys to read first
        :param walker: returns the walker
        """
        found = requests(resource, items, create=True)
        await self._write(keys(found), walker(found))
        return await self._dumps(found)

    async def apply(self, keys: Iterable[str], walker: Callable[..., None]) -> Dict[str, str]:
        """Carry out a walker and return the status.

        :param keys: the keys to read first
        """
        await self._write(keys, walker)
        return _status()

    async def update(self, rules: Any, resource: Resource, items: Iterable[Dict[str, Any]]) -> List[Any]:
        """Change objects; parameters and return as in :meth:`create`.

        :param rules: module with ``update``
        """
        found = requests(resource, items)
        await self._write(found, rules.update(found))
        return await self._dumps(found)

    async def delete(self, rules: Any, resource: Resource, items: Iterable[Dict[str, Any]]) -> Dict[str, str]:
        """Delete objects.

        :param rules: module with ``delete``
        :param items: index values of each object
        :return: the status
        """
        found = requests(resource, items)
        await self._write(found, rules.delete(found))
        return _status()

    async def list(self, resource: Resource, id_: Optional[str], parent: Optional[str], filters: Dict[str, Any]) -> List[Any]:
        """Return the dumps of the objects that match.

        :param id_: id of the only object, or None
        :param parent: id of the object they belong to, or None
        :param filters: values of attributes
        """
        return await self._query(resource, None if id_ is None else {"id": id_}, parent, filters)

    async def list_physical_ports(
        self, name: Optional[str], place: Dict[str, str], parent: Optional[str], filters: Dict[str, Any]
    ) -> List[Any]:
        """Return the dumps of the physical ports that match.

        :param name: name of the only port, found together with all of ``place``; None for any
        :param place: ``{vhost, systemid, bridge}``; without a name those select that differ from the defaults
        :param parent: id of the physical network, or None
        :param filters: values of attributes
        """
        if name is not None:
            return await self._query(PHYSICAL_PORT, {"name": name, **place}, parent, filters)
        defaults = dict(PHYSICAL_PORT.defaults)
        chosen = {key: value for key, value in place.items() if value != defaults[key]}
        return await self._query(PHYSICAL_PORT, None, parent, {**chosen, **filters})

    async def _query(
        self, resource: Resource, ids: Optional[Dict[str, Any]], parent: Optional[str], filters: Dict[str, Any]
    ) -> List[Any]:
        key, walker = query(resource, ids, parent, filters)
        requestid = ("viperflow-list", uuid1().hex)
        with request_context(requestid, self._container):
            params = {"keys": (key,), "walkerdict": {key: walker}, "requestid": requestid, "nostale": True}
            _, values = await self._read("walk", params)
            return [dump(value) for value in values if value is not None]

    async def _write(self, keys: Iterable[str], walker: Callable[..., None]) -> None:
        wanted = tuple(keys)
        if wanted:
            await call_api(self._container, "objectdb", "writewalk", {"keys": wanted, "walker": walker})

    async def _dumps(self, keys: Iterable[str]) -> List[Any]:
        """Return dumps of what has just been written.

        :raises StorageOutcomeUnknownException: it cannot be read; that it is written must not look like a refusal
        """
        wanted = tuple(keys)
        if not wanted:
            return []
        requestid = ("viperflow-dump", uuid1().hex)
        with request_context(requestid, self._container):
            params = {"keys": wanted, "requestid": requestid, "nostale": True}
            try:
                return [dump(found) for found in await self._read("mget", params)]
            except StorageUnavailableException as exc:
                raise StorageOutcomeUnknownException(f"carried out, but the result cannot be read: {exc}") from exc

    async def _read(self, name: str, params: Dict[str, Any]) -> Any:
        try:
            return await call_api(self._container, "objectdb", name, params)
        except StaleResultException as exc:
            raise StorageUnavailableException(str(exc)) from exc

    async def _driver(self, name: str, type_: str) -> Callable[..., None]:
        try:
            return await call_api(self._container, "public", name, {"type": type_})
        except APIRejectedException:
            raise ValueError(f"network type {type_!r} is not supported, or its driver is not loaded") from None


def _status() -> Dict[str, str]:
    return {"status": "OK"}
