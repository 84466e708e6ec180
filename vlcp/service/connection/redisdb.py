"""Redis as the store behind ``kvstorage`` (manual 5.6.1; keys and values as VLCP 2 wrote them).

See ``vlcp.service.kvdb.storage`` for the contract that this module keeps. Keys are used unchanged; keys that begin with
``vlcp._reserved.`` are the module's own and are not listed.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from vlcp.config import defaultconfig
from vlcp.protocol.redis import Redis
from vlcp.server.module import api
from vlcp.service.connection._codec import Codec
from vlcp.service.connection._endpoints import Endpoint
from vlcp.service.connection._redisbatch import Announcer
from vlcp.service.connection._redisscripts import RESERVED
from vlcp.service.connection._redisstore import Store
from vlcp.service.connection._redistransaction import RedisWriteConflictException
from vlcp.service.connection._sqlitebatch import Cache
from vlcp.service.connection._storagecalls import StorageCalls
from vlcp.service.connection.tcpserver import TcpServerBase
from vlcp.utils.kvcache import KVCache
from vlcp.utils.redisclient import RedisClient

__all__ = ["RedisDB", "RedisWriteConflictException"]

_SCAN_COUNT = 1000
izip = zip


@defaultconfig
class RedisDB(StorageCalls, TcpServerBase):
    """Key-value store in Redis, for several machines."""

    client = True
    service = True
    _default_url = "tcp://localhost/"
    "The server: tcp://, ssl:// for TLS, or unix://; may have user and password"
    _default_db = None
    "Number of the database, as for SELECT; None for redisclient.db"
    _default_user = None
    "User for AUTH; None for the default user"
    _default_password = None
    "Password for AUTH; None for none"
    _default_serialize = "json"
    "Form of the stored values: 'json', or 'pickle' where allowpickle permits it"
    _default_allowpickle = False
    "Accept serialize = 'pickle': whoever can write to the database can then run any program here"
    _default_deflate = True
    "Compress stored values"
    _default_pickleversion = "default"
    "Protocol of pickle: a number, 'default' or 'highest'"
    _default_cpickle = True
    "Kept for old configurations; pickle is always the fast one"
    _default_enterseq = 20
    "After so many conflicts transactions of this process are carried out one by one instead of together"
    _default_enterlock = 50
    "After so many conflicts a transaction takes its turn with those of all processes"
    _default_maxretry = 160
    "After so many conflicts a transaction is given up"
    _default_cachesize = 50000
    "Number of values that are kept in memory"

    def __init__(self, server: Any) -> None:
        self._announcers: Dict[str, Tuple[Optional[Announcer], Optional[Callable[[], Any]], Optional[str]]] = {}
        super().__init__(server, Redis)
        self.create_api(api(self.getclient), *self.storage_apis())

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
        connection.store = Store(client, codec, self.apiroutine, Cache(self.cachesize), self)
        return connection

    def store(self, vhost: str = "") -> Store:
        """Return what belongs to a virtual host.

        :raises ValueError: there is no such virtual host
        """
        found = self._selected(vhost)
        if not found:
            raise ValueError(f"{self.configkey}: no virtual host {vhost!r}")
        return found[0].store

    def set_announcer(
        self,
        vhost: str,
        announcer: Optional[Announcer],
        moved: Optional[Callable[[], Any]] = None,
        echo: Optional[str] = None,
    ) -> None:
        """Publish messages together with each commit: they are sent if and only if it is carried out.

        :param announcer: called with (key, time of creation, number of writes) of each written key, returns pairs of
            channel and message; None for none
        :param moved: async function to be called when the configuration was changed and the virtual host has a new client
        :param echo: channel in which ``mgetwithcache`` publishes ``cache.mark`` after each read with a cache; None for none
        """
        self._announcers[vhost] = (announcer, moved, echo)
        store = self.store(vhost)
        store.announcer, store.echo = announcer, echo

    async def updateconfig(self) -> None:
        """Read the configuration again; clients whose settings changed are replaced. See the base for exceptions."""
        before = {vhost: self._selected(vhost)[:1] for vhost in self._announcers}
        await super().updateconfig()
        for vhost, (announcer, moved, echo) in tuple(self._announcers.items()):
            present = self._selected(vhost)[:1]
            if present and present != before[vhost]:
                present[0].store.announcer, present[0].store.echo = announcer, echo
                if moved is not None:
                    await moved()

    def getclient(self, vhost: str = "") -> Tuple[Any, Callable[[Any], bytes], Callable[[bytes], Any]]:
        """Return what other modules need to keep data of their own in the same server.

        :return: (:class:`vlcp.utils.redisclient.RedisClient`, encode, decode): ``encode(value)`` returns the stored bytes,
            ``decode(data)`` the value, None for None
        :raises ValueError: there is no such virtual host
        """
        store = self.store(vhost)
        codec = store.codec

        def encoder(value: Any) -> bytes:
            return codec.pack(codec.encode(value))

        def decoder(data: Optional[bytes]) -> Any:
            return None if data is None else codec.decode("", data)

        return (store.client, encoder, decoder)

    async def mgetwithcache(
        self, keys: Sequence[str], vhost: str = "", cache: Optional[KVCache] = None
    ) -> Tuple[List[Any], KVCache]:
        """Read several values, and spare decoding those that are known already.

        The values are those of one moment. A value that is in ``cache`` and did not change is the same object; the
        values must not be changed.

        :param keys: keys
        :param vhost: virtual host, which names the server
        :param cache: the cache of an earlier call, or None
        :return: (values, cache); None for a key that does not exist
        :raises StorageUnavailableException: the server does not answer
        :raises StoredValueError: a value cannot be decoded
        """
        told = cache is not None
        kept = KVCache() if cache is None else cache
        store, names = self.store(vhost), tuple(keys)
        if not names:
            return [], kept
        stored, kept.mark = await store.read(names, told)
        values = []
        for key, data in zip(names, stored):
            entry = kept.get(key)
            if entry is None or entry[0] != data:
                entry = (data, store.value(key, data))
                kept.set(key, None if data is None else entry)
            values.append(entry[1])
        return values, kept

    async def updateallwithtime(
        self, keys: Sequence[str], updater: Callable[..., Any], timeout: Optional[float] = None, vhost: str = ""
    ) -> Any:
        """Write what a function makes of the values of several keys and the time of the server; all of it, or nothing.

        :param keys: keys whose values the updater gets; they are unchanged until the commit
        :param updater: ``updater(keys, values, timestamp)``, with the time in microseconds, returns
            ``(updated_keys, updated_values)``; None as a value deletes. It may be called several times, and must not
            depend on anything but its arguments
        :param timeout: seconds until the written values expire, None to keep them
        :param vhost: virtual host, which names the server
        :return: what the updater returned
        :raises StorageUnavailableException: nothing was written, nor will be
        :raises StorageOutcomeUnknownException: the reply was lost, and the server cannot be asked
        :raises RedisWriteConflictException: more than ``maxretry`` conflicts; nothing was written
        :raises Exception: what the updater raised; nothing was written
        """
        return await self.store(vhost).write(keys, updater, timeout)

    async def listallkeys(self, vhost: str = "") -> List[str]:
        """List all keys of the store but the module's own. It goes through the whole database, so it is for people.

        :raises StorageUnavailableException: the server does not answer
        """
        store = self.store(vhost)
        found: Dict[str, None] = {}
        cursor: Any = "0"
        while True:
            ((cursor, keys),) = await store.ask(("SCAN", cursor, "COUNT", _SCAN_COUNT))
            found.update(dict.fromkeys(key.decode("utf-8", "surrogateescape") for key in keys))
            if cursor == b"0":
                return [key for key in found if not key.startswith(RESERVED)]
