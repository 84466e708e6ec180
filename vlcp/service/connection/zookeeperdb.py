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
from vlcp.service.connection._storagecalls import StorageCalls
from vlcp.service.connection._zknotify import ZkNotifier
from vlcp.service.connection._zkrecycle import Recycler
from vlcp.service.connection._zkstore import ZkStore
from vlcp.service.connection._zktransaction import ZooKeeperResultException
from vlcp.service.connection.tcpserver import TcpServerBase
from vlcp.utils import notifier as _notifier
from vlcp.utils.exceptions import StorageUnavailableException
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


class _Kept(KVCache):
    """Entries of one store: numbers of another cluster mean something else."""

    def __init__(self, store: ZkStore) -> None:
        super().__init__()
        self.store = store


@defaultconfig
class ZooKeeperDB(StorageCalls, TcpServerBase):
    """Key-value store in a ZooKeeper cluster, for several machines."""

    client = True
    service = True

    _default_url = "tcp://localhost/"
    "``scheme://host1:port1,host2:port2/chroot``: the servers of one cluster, and the node that all keys are below"
    _default_serialize = "json"
    "Form of the stored values: 'json', or 'pickle' where allowpickle permits it"
    _default_allowpickle = False
    "Accept serialize = 'pickle': whoever can write to the database can then run any program here"
    _default_deflate = True
    "Compress stored values"
    _default_pickleversion = "default"
    "Protocol of pickle: a number, 'default' or 'highest'"
    _default_cpickle = True
    "Kept for old configurations"
    _default_autosuccess = False
    "False: the module counts as loaded when the nodes that it needs exist"
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
        self._stores: Dict[ZooKeeperClient, ZkStore] = {}
        self._recyclers: Dict[ZkStore, Recycler] = {}
        self._routines: Dict[ZkStore, Any] = {}
        self._preparing: Any = None
        super().__init__(server, ZooKeeper)
        self.create_api(
            *self.storage_apis(),
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
        if self.kvdbvhosts is None or endpoint.vhost in self.kvdbvhosts:
            store = ZkStore(client, self.apiroutine, self._codec(), self._origin, self)
            self._stores[client] = store
            self._recyclers[store] = Recycler(store)
        return client

    def _codec(self) -> Codec:
        return Codec(self.serialize, self.deflate, self.pickleversion, self.allowpickle)

    async def load(self, container: Any) -> None:
        """Connect, and create the nodes that must exist; the module counts as loaded afterwards."""
        await super().load(container)
        self._preparing = self.apiroutine.subroutine(self._prepare(), False, daemon=True)
        self._start_recyclers()

    def _start_recyclers(self) -> None:
        for store, recycler in self._recyclers.items():
            if store not in self._routines:
                self._routines[store] = self.apiroutine.subroutine(recycler.main(), False, daemon=True)

    async def _prepare(self) -> None:
        for store in list(self._stores.values()):
            await self._prepare_store(store)
        await self.changestate("succeeded", self.apiroutine)

    async def _prepare_store(self, store: ZkStore) -> None:
        while store in self._recyclers:
            try:
                await store.prepare()
                return
            except (StorageUnavailableException, ZooKeeperResultException) as error:
                _logger.warning("zookeeperdb is not ready: %r: %s", store.client, error)
                await self.apiroutine.wait_with_timeout(0.5)

    async def unload(self, container: Any, force: bool = False) -> None:
        """End the sessions."""
        if self._preparing is not None:
            self._preparing.close()
        for routine in self._routines.values():
            routine.close()
        self._routines.clear()
        await super().unload(container, force)

    async def updateconfig(self) -> None:
        """Read the configuration again; a virtual host with another URL has another store from then on.

        Its notifiers move there, and tell that everything is to be read again. See the base for exceptions.
        """
        before = {vhost: self._store_of(vhost) for vhost in {endpoint.vhost for endpoint, _ in self._running}}
        try:
            await super().updateconfig()
        finally:
            self._forget_others()
        self._start_recyclers()
        for vhost, old in before.items():
            new = self._store_of(vhost)
            if new is None or new is old:
                continue
            self.apiroutine.subroutine(self._prepare_store(new), False, daemon=True)
            for notifier in tuple(old.notifiers) if old is not None else ():
                notifier.move(new)

    def _forget_others(self) -> None:
        """Forget the stores whose clients are not in use."""
        clients = {client for _, client in self._running}
        self._stores = {client: store for client, store in self._stores.items() if client in clients}
        present = set(self._stores.values())
        for store in [store for store in self._recyclers if store not in present]:
            del self._recyclers[store]
            routine = self._routines.pop(store, None)
            if routine is not None:
                routine.close()

    def _store_of(self, vhost: str) -> Optional[ZkStore]:
        clients = self._selected(vhost)
        return self._stores.get(clients[0]) if clients else None

    def _store(self, vhost: Any) -> ZkStore:
        store = self._store_of(vhost or "")
        if store is None:
            raise ValueError("vHost %r is not a key-value store of zookeeperdb" % (vhost,))
        return store

    def getclient(self, vhost: str = "") -> Tuple[ZooKeeperClient, Callable[[Any], bytes], Callable[[bytes], Any]]:
        """Return what other modules need to keep data of their own in the same cluster.

        :return: (:class:`vlcp.utils.zkclient.ZooKeeperClient`, encode, decode): ``encode(value)`` returns the stored bytes,
            ``decode(data)`` the value
        :raises ValueError: there is no such virtual host
        """
        clients = self._selected(vhost)
        if not clients:
            raise ValueError("zookeeperdb has no vHost %r" % (vhost,))
        codec = self._codec()
        return clients[0], lambda value: codec.pack(codec.encode(value)), lambda data: codec.decode(vhost, data)

    async def get(self, key: str, timeout: Optional[float] = None, vhost: str = "") -> Any:
        """Read one value.

        :param timeout: not used, values do not expire here
        :return: a copy of the value, None for a key that does not exist
        """
        return (await self.mget((key,), vhost))[0]

    async def mgetwithcache(
        self, keys: Sequence[str], vhost: str = "", cache: Optional[KVCache] = None
    ) -> Tuple[List[Any], KVCache]:
        """Read several values, and spare decoding those that are known already.

        The values are those of one moment. A value that is in ``cache`` and did not change is the same object; the
        values must not be changed.

        :param keys: keys
        :param vhost: virtual host, which names the cluster
        :param cache: the cache of an earlier call, or None
        :return: (values, cache); None for a key that does not exist
        :raises StorageUnavailableException: ZooKeeper cannot be reached
        :raises StoredValueError: a value cannot be decoded
        """
        store = self._store(vhost)
        kept = cache if isinstance(cache, _Kept) and cache.store is store else _Kept(store)
        entries = await store.read(keys, kept)
        for key, entry in entries.items():
            kept.set(key, entry)
        return [entries[key].value for key in keys], kept

    async def mset(self, kvpairs: Iterable[Tuple[str, Any]], timeout: Optional[float] = None, vhost: str = "") -> None:
        """Write several values at once.

        :param kvpairs: ``[(key, value), ...]``; None as a value deletes the key
        :param timeout: not used, values do not expire here
        """
        pairs = list(kvpairs)
        names, values = [key for key, _ in pairs], [value for _, value in pairs]
        await self._store(vhost).write((), lambda keys, old, now: (names, values), names)

    async def updateallwithtime(
        self, keys: Sequence[str], updater: Callable[..., Any], timeout: Optional[float] = None, vhost: str = ""
    ) -> Any:
        """Write what a function makes of the values of several keys and the time of the cluster; all of it, or nothing.

        :param keys: keys whose values the updater gets; they are unchanged until the commit
        :param updater: ``updater(keys, values, timestamp)``, with the time in microseconds, returns
            ``(updated_keys, updated_values)``; None as a value deletes. It may be called several times, and must not
            depend on anything but its arguments
        :param timeout: not used, values do not expire here
        :param vhost: virtual host, which names the cluster
        :return: what the updater returned
        :raises StorageUnavailableException: nothing was written, nor will be
        :raises StorageOutcomeUnknownException: the reply was lost, and what became of it could not be found out in time
        :raises TransactionRetryExceededException: others were in the way too often; nothing was written
        :raises ZooKeeperRequestTooLargeException: more is written than fits into one request; nothing was written
        :raises Exception: what the updater raised; nothing was written
        """
        return await self._store(vhost).write(keys, updater)

    def recycle(self, keys: Sequence[str], vhost: str = "") -> None:
        """Remove versions of keys that no reader needs any more, some time later.

        :param keys: keys that were written
        """
        self._recyclers[self._store(vhost)].later(list(keys))

    def createnotifier(self, vhost: Optional[str] = None) -> ZkNotifier:
        """Return a new notifier, which tells of commits from when it is started.

        :param vhost: None for ``notifierbind``
        """
        return ZkNotifier(self._store(self.notifierbind if vhost is None else vhost))

    async def listallkeys(self, vhost: str = "") -> List[str]:
        """List all keys of the store. It asks for the names of all nodes, so it is for people, not for programs.

        :raises StorageUnavailableException: ZooKeeper cannot be reached
        """
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
