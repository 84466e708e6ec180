"""The calls of a key-value store that follow from ``mgetwithcache`` and ``updateallwithtime`` (manual 4.4.2, 5.6.3), and
the time that these have."""

from __future__ import annotations

from typing import Any, Callable, Iterable, List, Optional, Sequence, Tuple

from vlcp.server.module import api
from vlcp.utils.jsonencoder import plain_copy
from vlcp.utils.kvcache import KVCache

_CALLS = "get set delete mget mgetwithcache mset update mupdate updateall updateallwithtime listallkeys".split()

PATIENCE = 2.0
"""Seconds that a transaction waits for its store, counted from its arrival; then it is given up."""
_SHORTEST = 0.5


def patience_left(updater: Any, patience: float) -> float:
    """Return for how many seconds a store may be waited for by a call that has just arrived.

    A store that answers quickly is never given up, however much time earlier calls have taken.

    :param updater: its attribute ``waited`` is the number of seconds that the caller has waited before
    :param patience: seconds for all calls together
    """
    return max(patience - getattr(updater, "waited", 0.0), _SHORTEST)


class StorageCalls:
    """Base of the modules behind ``kvstorage``; a module adds the three calls that are not implemented here.

    ``vhost`` names one of several stores, for a module that serves more than one. ``timeout`` is the number of seconds
    after which a written value expires; None keeps it. Errors are those of ``mgetwithcache`` and ``updateallwithtime``.
    """

    apiroutine: Any

    def storage_apis(self) -> List[Any]:
        """Return the calls for :meth:`vlcp.server.module.Module.create_api`."""
        return [api(getattr(self, name), self.apiroutine) for name in _CALLS]

    async def mgetwithcache(
        self, keys: Sequence[str], vhost: str = "", cache: Optional[KVCache] = None
    ) -> Tuple[List[Any], KVCache]:
        """Read several values, and spare those that are known already.

        :raises NotImplementedError: the module does not implement it
        """
        raise NotImplementedError("mgetwithcache of %s" % (type(self).__name__,))

    async def updateallwithtime(
        self, keys: Sequence[str], updater: Callable[..., Any], timeout: Optional[float] = None, vhost: str = ""
    ) -> Any:
        """Write what a function makes of the values of several keys and the time of the store.

        :raises NotImplementedError: the module does not implement it
        """
        raise NotImplementedError("updateallwithtime of %s" % (type(self).__name__,))

    async def listallkeys(self, vhost: str = "") -> List[str]:
        """List all keys of the store.

        :raises NotImplementedError: the module does not implement it
        """
        raise NotImplementedError("listallkeys of %s" % (type(self).__name__,))

    async def get(self, key: str, timeout: Optional[float] = None, vhost: str = "") -> Any:
        """Read one value.

        :param timeout: let it expire so many seconds from now; None leaves it as it is
        :return: a copy of the value, None for a key that does not exist
        """
        if timeout is not None:
            return await self.update(key, lambda _, value: value, timeout, vhost)
        return (await self.mget((key,), vhost))[0]

    async def set(self, key: str, value: Any, timeout: Optional[float] = None, vhost: str = "") -> None:
        """Write one value; None deletes the key."""
        await self.mset(((key, value),), timeout, vhost)

    async def delete(self, key: str, vhost: str = "") -> None:
        """Delete one key; nothing happens if it does not exist."""
        await self.mset(((key, None),), None, vhost)

    async def mget(self, keys: Sequence[str], vhost: str = "") -> List[Any]:
        """Read several values as they are at one moment.

        :return: a copy of the value of each key, None for one that does not exist
        """
        values, _ = await self.mgetwithcache(keys, vhost)
        return [plain_copy(value) for value in values]

    async def mset(self, kvpairs: Iterable[Tuple[str, Any]], timeout: Optional[float] = None, vhost: str = "") -> None:
        """Write several values at once.

        :param kvpairs: ``[(key, value), ...]``; None as a value deletes the key
        """
        pairs = list(kvpairs)
        written = [key for key, _ in pairs], [value for _, value in pairs]
        await self.updateallwithtime((), lambda keys, values, now: written, timeout, vhost)

    async def update(self, key: str, updater: Callable[..., Any], timeout: Optional[float] = None, vhost: str = "") -> Any:
        """Write what a function makes of one value.

        :param updater: ``updater(key, value)`` returns the new value, or None to delete the key. It runs again when
            somebody else has changed the value meanwhile, so it must not do anything else
        :return: the new value
        """
        return (await self.mupdate((key,), updater, timeout, vhost))[0]

    async def mupdate(
        self, keys: Sequence[str], updater: Callable[..., Any], timeout: Optional[float] = None, vhost: str = ""
    ) -> Any:
        """Write what a function makes of each of several values; all are written, or none.

        :param updater: as for ``update``; called once for each key
        :return: the new values in the order of ``keys``
        """

        def each(names: Any, old: Any, now: int) -> Tuple[Any, Any]:
            return names, tuple(updater(name, value) for name, value in zip(names, old))

        _, values = await self.updateallwithtime(keys, each, timeout, vhost)
        return values

    async def updateall(
        self, keys: Sequence[str], updater: Callable[..., Any], timeout: Optional[float] = None, vhost: str = ""
    ) -> Any:
        """Write what a function makes of the values of several keys; as ``updateallwithtime``, without the time.

        :param updater: ``updater(keys, values)`` returns ``(updated_keys, updated_values)``
        :return: what the updater returned
        """
        return await self.updateallwithtime(keys, lambda names, values, now: updater(names, values), timeout, vhost)
