"""The key-value store on ZooKeeper, which serves ``kvstorage`` and ``updatenotifier`` (manual 5.6.1).

The stored form is that of VLCP 2 (see ``_znodes``), with which a database can be shared. Expiry of values is not part of
that form: time-outs of values are ignored.
"""

from __future__ import annotations

import logging
import uuid
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Tuple
from urllib.parse import urlsplit

from vlcp.config import defaultconfig
from vlcp.protocol.zookeeper import ZooKeeper
from vlcp.server.module import api
from vlcp.service.connection._codec import Codec
from vlcp.service.connection._endpoints import Endpoint
from vlcp.service.connection._zknotify import ZkNotifier
from vlcp.service.connection._zkrecycle import Recycler
from vlcp.service.connection._zkstore import ZkStore
from vlcp.service.connection._zktransaction import ZooKeeperResultException
from vlcp.service.connection.tcpserver import TcpServerBase
from vlcp.utils import notifier as _notifier
from vlcp.utils.exceptions import StorageUnavailableException
from vlcp.utils.jsonencoder import plain_copy
from vlcp.utils.kvcache import KVCache
from vlcp.utils.zkclient import ZooKeeperClient

__all__ = ["UpdateNotification", "ZooKeeperDB", "ZooKeeperResultException"]

_logger = logging.getLogger(__name__)
UpdateNotification = _notifier.UpdateNotification


def server_urls(url: str) -> Tuple[List[str], str]:
    """Return (URLs of the servers, chroot) of a URL with several hosts: ``scheme://host1[:port1],host2.../[chroot]``.

    :raises ValueError: there is no host
    """
    parts = urlsplit(url)
    hosts = [host for host in parts.netloc.split(",") if host]
    if not hosts:
        raise ValueError("URL of ZooKeeper needs a host: %r" % (url,))
    scheme = "ssl" if parts.scheme == "ssl" else "tcp"
    return ["%s://%s/" % (scheme, host) for host in hosts], "/" + parts.path.strip("/")


@defaultconfig
class ZooKeeperDB(TcpServerBase):
    """Create zookeeper clients to connect to ZooKeeper servers"""

    client = True
    service = True

    _default_url = "tcp://localhost/"
    "``scheme://host1[:port1],host2[:port2],.../[chroot]``; all hosts are one cluster"
    _default_serialize = "json"
    "Default serialization protocol, json or pickle (which needs allowpickle)"
    _default_allowpickle = False
    "Allow serialize = 'pickle': whoever can write to the database can then run any program here"
    _default_deflate = True
    "Use deflate to compress the serialized data"
    _default_pickleversion = "default"
    "Pickle version, either a number or default/highest"
    _default_cpickle = True
    "Kept for old configurations"
    _default_autosuccess = False
    "Disable autosuccess; this module is loaded successfully after it initialized the ZooKeeper node."
    _default_kvdbvhosts = None
    "Only enable the key-value store on these vHosts (a list); the others are plain ZooKeeper clients"
    _default_notifierbind = ""
    "vHost of the notifier"
    _default_singlecastlimit = 32
    "A notification of more keys is sent once for all listeners, not to each key's"
    _default_notifierdeflate = False
    "Compress notifications once more"
    _default_barriertimeout = 2.0
    "Seconds after which a transaction that is in the way is taken to be dead, and is cancelled"
    _default_cachesize = 50000
    "Number of values that are kept in memory"

    def __init__(self, server: Any) -> None:
        self._origin = uuid.uuid1().hex
        self._clients: Dict[str, ZooKeeperClient] = {}
        self._stores: Dict[str, ZkStore] = {}
        self._recyclers: Dict[str, Recycler] = {}
        self._routines: List[Any] = []
        super().__init__(server, ZooKeeper)
        names = "get set delete mget mgetwithcache mset update mupdate updateall updateallwithtime listallkeys"
        self.create_api(
            *[api(getattr(self, name), self.apiroutine) for name in names.split()],
            api(self.getclient),
            api(self.recycle),
            api(self.createnotifier),
            api(self.status),
        )

    def _create(self, endpoint: Endpoint) -> Any:
        urls, chroot = server_urls(endpoint.url)
        protocol = self.create_protocol(endpoint)
        protocol.vhost = endpoint.vhost
        for key, value in endpoint.protocol.items():
            if not hasattr(protocol, key):
                self._warn_unknown(protocol, endpoint, key)
            setattr(protocol, key, value)
        if endpoint.settings["connmanage"]:
            self._manage(protocol)
        client = ZooKeeperClient(self.apiroutine, urls, chroot, protocol)
        for name in ("key", "certificate", "ca_certs"):
            if endpoint.settings.get(name) is not None:
                setattr(client, name, endpoint.settings[name])
        self._clients[endpoint.vhost] = client
        if self.kvdbvhosts is None or endpoint.vhost in self.kvdbvhosts:
            store = ZkStore(client, self.apiroutine, self._codec(), self._origin, self)
            self._stores[endpoint.vhost] = store
            self._recyclers[endpoint.vhost] = Recycler(store)
        return client

    def _codec(self) -> Codec:
        return Codec(self.serialize, self.deflate, self.pickleversion, self.allowpickle)

    async def load(self, container: Any) -> None:
        """Connect, and create the nodes that must exist; the module counts as loaded afterwards."""
        await super().load(container)
        self._routines.append(self.apiroutine.subroutine(self._prepare(), False, daemon=True))
        for recycler in self._recyclers.values():
            self._routines.append(self.apiroutine.subroutine(recycler.main(), False, daemon=True))

    async def _prepare(self) -> None:
        for vhost, store in list(self._stores.items()):
            while True:
                try:
                    await store.prepare()
                    break
                except (StorageUnavailableException, ZooKeeperResultException) as error:
                    _logger.warning("zookeeperdb %r is not ready: %s", vhost, error)
                    await self.apiroutine.wait_with_timeout(0.5)
        await self.changestate("succeeded", self.apiroutine)

    async def unload(self, container: Any, force: bool = False) -> None:
        """End the sessions."""
        routines, self._routines = self._routines, []
        for routine in routines:
            routine.close()
        await super().unload(container, force)

    def _store(self, vhost: Any) -> ZkStore:
        store = self._stores.get(vhost or "")
        if store is None:
            raise ValueError("vHost %r is not a key-value store of zookeeperdb" % (vhost,))
        return store

    def getclient(self, vhost: str = "") -> Tuple[ZooKeeperClient, Callable[[Any], bytes], Callable[[bytes], Any]]:
        """Return a tuple of (zookeeperclient, encoder, decoder) for specified vhost

        :raises ValueError: there is no such vhost
        """
        client = self._clients.get(vhost)
        if client is None:
            raise ValueError("zookeeperdb has no vHost %r" % (vhost,))
        codec = self._codec()
        return client, lambda value: codec.pack(codec.encode(value)), lambda data: codec.decode(vhost, data)

    async def get(self, key: str, timeout: Any = None, vhost: str = "") -> Any:
        """Get value from key"""
        return (await self.mget((key,), vhost))[0]

    async def set(self, key: str, value: Any, timeout: Any = None, vhost: str = "") -> None:
        """Set value to key"""
        await self.mset(((key, value),), timeout, vhost)

    async def delete(self, key: str, vhost: str = "") -> None:
        """Delete a key from the storage"""
        await self.mset(((key, None),), None, vhost)

    async def mget(self, keys: Sequence[str], vhost: str = "") -> List[Any]:
        """Get multiple values from multiple keys"""
        entries = await self._store(vhost).read(keys)
        return [plain_copy(entries[key].value) for key in keys]

    async def mgetwithcache(
        self, keys: Sequence[str], vhost: str = "", cache: Optional[KVCache] = None
    ) -> Tuple[List[Any], KVCache]:
        """Get multiple values, cached when possible.

        The values are one snapshot. A value that is in ``cache`` and did not change is the same object; the
        values must not be changed.

        :param keys: keys
        :param cache: the cache of an earlier call, or None
        :return: (values, cache); None for a key that does not exist
        :raises StorageUnavailableException: ZooKeeper cannot be reached
        :raises StoredValueError: a value cannot be decoded
        """
        kept = KVCache() if cache is None else cache
        entries = await self._store(vhost).read(keys, kept)
        for key, entry in entries.items():
            kept.set(key, entry)
        return [entries[key].value for key in keys], kept

    async def mset(self, kvpairs: Iterable[Tuple[str, Any]], timeout: Any = None, vhost: str = "") -> None:
        """Set multiple values on multiple keys"""
        pairs = list(kvpairs)
        names, values = [key for key, _ in pairs], [value for _, value in pairs]
        await self._store(vhost).write((), lambda keys, old, now: (names, values), names)

    async def update(self, key: str, updater: Callable[..., Any], timeout: Any = None, vhost: str = "") -> Any:
        """Update in-place with a custom function

        :param key: key to update
        :param updater: func(k, v), should return a new value to update, or return None to delete. The function may be
                        called more than once.
        :param timeout: not used
        :return: the updated value, or None if deleted
        """
        return (await self.mupdate((key,), updater, timeout, vhost))[0]

    async def mupdate(self, keys: Sequence[str], updater: Callable[..., Any], timeout: Any = None, vhost: str = "") -> Any:
        """Update multiple keys in-place with a custom function, see update. Either all success, or all fail."""
        _, values = await self.updateallwithtime(
            keys, lambda names, old, now: (names, tuple(updater(k, v) for k, v in zip(names, old))), timeout, vhost
        )
        return values

    async def updateall(self, keys: Sequence[str], updater: Callable[..., Any], timeout: Any = None, vhost: str = "") -> Any:
        """Update multiple keys in-place, with a function updater(keys, values) which returns
        (updated_keys, updated_values). Either all success or all fail"""
        return await self.updateallwithtime(keys, lambda names, values, now: updater(names, values), timeout, vhost)

    async def updateallwithtime(
        self, keys: Sequence[str], updater: Callable[..., Any], timeout: Any = None, vhost: str = ""
    ) -> Any:
        """Update multiple keys in-place, with a function updater(keys, values, timestamp) which returns
        (updated_keys, updated_values). Either all success or all fail. Timestamp is an integer standing for current
        time in microseconds.

        :param keys: keys whose values the updater gets; they are unchanged until the commit
        :param updater: may be called several times, and must not depend on anything but its arguments
        :param timeout: not used
        :return: what the updater returned
        :raises StorageUnavailableException: nothing was written, nor will be
        :raises StorageOutcomeUnknownException: the reply was lost, and what became of it could not be found out in time
        :raises TransactionRetryExceededException: others were in the way too often; nothing was written
        :raises ZooKeeperRequestTooLargeException: more is written than fits into one request; nothing was written
        :raises Exception: what the updater raised; nothing was written
        """
        return await self._store(vhost).write(keys, updater)

    def recycle(self, keys: Sequence[str], vhost: str = "") -> None:
        """Recycle extra versions from the specified keys."""
        self._store(vhost)
        self._recyclers[vhost].later(list(keys))

    def createnotifier(self, vhost: Optional[str] = None) -> ZkNotifier:
        """Create a new notifier object

        :param vhost: None for ``notifierbind``
        """
        return ZkNotifier(self._store(self.notifierbind if vhost is None else vhost))

    async def listallkeys(self, vhost: str = "") -> List[str]:
        """Return all keys in the KVDB. For management purpose."""
        return await self._store(vhost).list_keys()

    def status(self, vhost: str = "") -> Dict[str, Any]:
        """Return the state of the session, for management"""
        client, _, _ = self.getclient(vhost)
        return {
            "state": client.session_state,
            "sessionid": "%x" % (client.sessionid & 0xFFFFFFFFFFFFFFFF,),
            "last_zxid": client.get_last_zxid(),
            "last_watch_zxid": client.get_last_watch_zxid(),
            "servers": list(client.serverlist),
        }
