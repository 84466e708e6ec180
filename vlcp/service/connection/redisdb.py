"""Redis as the store behind ``kvstorage`` (manual 5.6.1; keys and values as VLCP 2 wrote them).

See ``vlcp.service.kvdb.storage`` for the contract that this module keeps. Keys are used unchanged; keys that begin with
``vlcp._reserved.`` are the module's own and are not listed.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Tuple

from vlcp.config import defaultconfig
from vlcp.protocol.redis import Redis
from vlcp.server.module import api
from vlcp.service.connection._codec import Codec
from vlcp.service.connection._endpoints import Endpoint
from vlcp.service.connection._redisscripts import RESERVED
from vlcp.service.connection._redistransaction import Announcer, RedisWriteConflictException, Store, Transaction
from vlcp.service.connection._sqlitebatch import Cache
from vlcp.service.connection.tcpserver import TcpServerBase
from vlcp.utils.jsonencoder import plain_copy
from vlcp.utils.kvcache import KVCache
from vlcp.utils.redisclient import RedisClient

__all__ = ["RedisDB", "RedisWriteConflictException"]

_SCAN_COUNT = 1000
izip = zip


class _Values(Cache):
    """(stored bytes, value) by key."""


@defaultconfig
class RedisDB(TcpServerBase):
    """Create redis clients to connect to redis server"""

    client = True
    service = True
    _default_url = "tcp://localhost/"
    "Default Redis connection URL; may have user and password, 'ssl://' for TLS"
    _default_db = None
    "Default database selected"
    _default_user = None
    "User for AUTH; None for the default user"
    _default_password = None
    "Password for AUTH; None for none"
    _default_serialize = "json"
    "Default serialization protocol: should be 'json' or 'pickle'"
    _default_allowpickle = False
    "Accept serialize = 'pickle': whoever can write to the database can then run any program here"
    _default_deflate = True
    "Use deflate to compress the serialized data"
    _default_pickleversion = "default"
    "Pickling version: should be a number or 'default'/'highest'"
    _default_cpickle = True
    "Kept for old configurations; pickle is always the fast one"
    _default_enterseq = 20
    "Serialize requests on the same key in this process if a transact rolls back too many times"
    _default_enterlock = 50
    "Try to use locks on the same key for all VLCP processes if a transact rolls back too many times"
    _default_maxretry = 160
    "Maximum retry times for a transact"
    _default_cachesize = 50000
    "Number of values that are kept in memory"

    def __init__(self, server: Any) -> None:
        super().__init__(server, Redis)
        self.create_api(
            api(self.getclient),
            api(self.get, self.apiroutine),
            api(self.set, self.apiroutine),
            api(self.delete, self.apiroutine),
            api(self.mget, self.apiroutine),
            api(self.mgetwithcache, self.apiroutine),
            api(self.mset, self.apiroutine),
            api(self.update, self.apiroutine),
            api(self.mupdate, self.apiroutine),
            api(self.updateall, self.apiroutine),
            api(self.updateallwithtime, self.apiroutine),
            api(self.listallkeys, self.apiroutine),
        )

    def _own_settings(self) -> tuple:
        codec = ("serialize", "allowpickle", "deflate", "pickleversion")
        return (*super()._own_settings(), "db", "user", "password", *codec)

    def _create(self, endpoint: Endpoint) -> Any:
        """Return the client of an endpoint as a connection; the first of a virtual host serves its calls."""
        settings = endpoint.settings
        protocol = self._configured_protocol(endpoint)
        names = ("user", "password", "key", "certificate", "ca_certs", "bindaddress")
        options = {name: settings[name] for name in names}
        try:
            client = RedisClient(endpoint.url, settings["db"], protocol, **options)
            codec = Codec(settings["serialize"], settings["deflate"], settings["pickleversion"], settings["allowpickle"])
        except ValueError as exc:
            raise ValueError(f"{self.configkey}, URL {endpoint.url!r}: {exc}") from exc
        connection = client.make_connobj(self.apiroutine)
        connection.store = Store(client, codec, self.apiroutine, _Values(self.cachesize), self)
        return connection

    def store(self, vhost: str = "") -> Store:
        """Return what belongs to a virtual host.

        :raises ValueError: there is no such virtual host
        """
        found = self._selected(vhost)
        if not found:
            raise ValueError(f"{self.configkey}: no virtual host {vhost!r}")
        return found[0].store

    def set_announcer(self, vhost: str, announcer: Optional[Announcer]) -> None:
        """Publish messages together with each commit: they are sent if and only if it is carried out.

        :param announcer: called with (key, time of creation, number of writes) of each written key, returns pairs of
            channel and message; None for none
        """
        self.store(vhost).announcer = announcer

    def getclient(self, vhost: str = "") -> Tuple[Any, Callable[[Any], bytes], Callable[[bytes], Any]]:
        """Return a tuple of (redisclient, encoder, decoder) for specified vhost"""
        store = self.store(vhost)
        codec = store.codec

        def encoder(value: Any) -> bytes:
            return codec.pack(codec.encode(value))

        def decoder(data: Optional[bytes]) -> Any:
            return None if data is None else codec.decode("", data)

        return (store.client, encoder, decoder)

    async def get(self, key: str, timeout: Any = None, vhost: str = "") -> Any:
        """Get value from key; with a timeout, it expires so many seconds from now"""
        if timeout is not None:
            return await self.update(key, lambda _, value: value, timeout, vhost)
        return (await self.mget((key,), vhost))[0]

    async def set(self, key: str, value: Any, timeout: Any = None, vhost: str = "") -> None:
        """Set value to key, with an optional timeout"""
        await self.mset(((key, value),), timeout, vhost)

    async def delete(self, key: str, vhost: str = "") -> None:
        """Delete a key from the storage"""
        await self.mset(((key, None),), None, vhost)

    async def mget(self, keys: Sequence[str], vhost: str = "") -> List[Any]:
        """Get multiple values from multiple keys"""
        values, _ = await self.mgetwithcache(keys, vhost)
        return [plain_copy(value) for value in values]

    async def mgetwithcache(
        self, keys: Sequence[str], vhost: str = "", cache: Optional[KVCache] = None
    ) -> Tuple[List[Any], KVCache]:
        """Get multiple values, cached when possible.

        The values are one snapshot. A value that is in ``cache`` and did not change is the same object; the
        values must not be changed.

        :param keys: keys
        :param cache: the cache of an earlier call, or None
        :return: (values, cache); None for a key that does not exist
        :raises StorageUnavailableException: the server does not answer
        :raises StoredValueError: a value cannot be decoded
        """
        kept = KVCache() if cache is None else cache
        store, names = self.store(vhost), tuple(keys)
        if not names:
            return [], kept
        (stored,) = await store.ask(("MGET", *names))
        values = []
        for key, data in zip(names, stored):
            entry = kept.get(key)
            if entry is None or entry[0] != data:
                entry = (data, store.value(key, data))
                kept.set(key, None if data is None else entry)
            values.append(entry[1])
        return values, kept

    async def mset(self, kvpairs: Iterable[Tuple[str, Any]], timeout: Any = None, vhost: str = "") -> None:
        """Set multiple values on multiple keys; None deletes"""
        pairs = list(kvpairs)
        keys, values = [key for key, _ in pairs], [value for _, value in pairs]
        await self.updateallwithtime((), lambda names, old, now: (keys, values), timeout, vhost)

    async def update(self, key: str, updater: Callable[..., Any], timeout: Any = None, vhost: str = "") -> Any:
        """Update in-place with a custom function func(k, v), which returns a new value, or None to delete.

        The function may be called more than once. Returns the updated value, or None if deleted"""
        return (await self.mupdate((key,), updater, timeout, vhost))[0]

    async def mupdate(self, keys: Sequence[str], updater: Callable[..., Any], timeout: Any = None, vhost: str = "") -> Any:
        """Update multiple keys in-place with a custom function, see update. Either all success, or all fail."""

        def update_each(names: Sequence[str], old: Sequence[Any], now: int) -> Tuple[Any, Any]:
            return names, tuple(updater(key, value) for key, value in zip(names, old))

        return (await self.updateallwithtime(keys, update_each, timeout, vhost))[1]

    async def updateall(self, keys: Sequence[str], updater: Callable[..., Any], timeout: Any = None, vhost: str = "") -> Any:
        """Update multiple keys in-place, with a function updater(keys, values) which returns
        (updated_keys, updated_values). Either all success or all fail."""
        return await self.updateallwithtime(keys, lambda names, values, now: updater(names, values), timeout, vhost)

    async def updateallwithtime(
        self, keys: Sequence[str], updater: Callable[..., Any], timeout: Any = None, vhost: str = ""
    ) -> Any:
        """Update multiple keys in-place, with a function updater(keys, values, timestamp) which returns
        (updated_keys, updated_values). Either all success or all fail.

        Timestamp is a integer standing for current time in microseconds.

        :param keys: keys whose values the updater gets; they are unchanged until the commit
        :param updater: may be called several times, and must not depend on anything but its arguments
        :param timeout: seconds until the written values expire, or None
        :return: what the updater returned
        :raises StorageUnavailableException: nothing was written, nor will be
        :raises StorageOutcomeUnknownException: the reply was lost, and the server cannot be asked
        :raises RedisWriteConflictException: more than ``maxretry`` conflicts; nothing was written
        :raises Exception: what the updater raised; nothing was written
        """
        return await Transaction(self.store(vhost), keys, updater, timeout).run()

    async def listallkeys(self, vhost: str = "") -> List[str]:
        """Return all keys in the KVDB. For management purpose."""
        store = self.store(vhost)
        found: Dict[str, None] = {}
        cursor: Any = "0"
        while True:
            ((cursor, keys),) = await store.ask(("SCAN", cursor, "COUNT", _SCAN_COUNT))
            found.update(dict.fromkeys(key.decode("utf-8", "surrogateescape") for key in keys))
            if cursor == b"0":
                return [key for key in found if not key.startswith(RESERVED)]
