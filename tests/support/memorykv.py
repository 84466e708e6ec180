"""A key-value store and notifier in memory, with switches for what real stores do in bad moments."""

from __future__ import annotations

import itertools
import time
from typing import Any, Callable, Dict, List, Optional

from vlcp.config import defaultconfig
from vlcp.server.module import Module, api
from vlcp.utils.exceptions import (
    StorageOutcomeUnknownException,
    StorageUnavailableException,
    TransactionRetryExceededException,
)
from vlcp.utils.jsonencoder import decode_stored, encode_stored
from vlcp.utils.kvcache import KVCache
from vlcp.utils.notifier import Notification, Notifier, UpdateNotification


class MemoryStore:
    """The data, shared by all :class:`MemoryKV` that are given it.

    :ivar unavailable: nothing can be read or written
    :ivar conflicts: so many of the next commits find a conflict
    :ivar lose_reply: the next commit is carried out, but its reply is lost
    :ivar interfere: called between snapshot and commit; may write with :meth:`put`
    :ivar notify_delay: seconds from a commit to its notification
    :ivar read_delay: seconds that a read takes after its snapshot
    """

    def __init__(self) -> None:
        self.data: Dict[str, bytes] = {}
        self.number: Dict[str, int] = {}
        self.clock = 0
        self.unavailable = False
        self.conflicts = 0
        self.lose_reply = False
        self.interfere: Optional[Callable[[], None]] = None
        self.notify_delay = 0.0
        self.read_delay = 0.0
        self.reads: List[tuple] = []
        self.notifiers: List[MemoryNotifier] = []
        self.serial = itertools.count(1)

    def put(self, key: str, value: Any) -> None:
        """Write past every transaction."""
        if value is None:
            self.data.pop(key, None)
            self.number.pop(key, None)
        else:
            self.data[key] = encode_stored(value).encode("ascii")
            self.number[key] = next(self.serial)

    def now(self) -> int:
        """Return a time stamp later than all before."""
        self.clock = max(self.clock + 1, time.time_ns() // 1000)
        return self.clock

    def check(self) -> None:
        """Raise if nothing can be read or written."""
        if self.unavailable:
            raise StorageUnavailableException("the memory store is switched off")


class MemoryNotifier(Notifier):
    """Gets what is published, after ``notify_delay``."""

    def __init__(self, module: MemoryKV) -> None:
        super().__init__(module.scheduler)
        self._module = module
        self.ordered = module.ordered

    async def start(self, container: Any) -> None:
        self._module.store.notifiers.append(self)

    async def stop(self, container: Any) -> None:
        self._module.store.notifiers.remove(self)

    async def publish(self, keys: Any, extrainfo: Any = None) -> None:
        if not self._module.ordered:
            self._module.announce(tuple(keys), extrainfo, self)


@defaultconfig
class MemoryKV(Module):
    """Key-value store in memory"""

    service = True
    store: Any = None
    ordered = True
    maxretry = 10

    def __init__(self, server: Any) -> None:
        super().__init__(server)
        if self.store is None:
            self.store = MemoryStore()
        names = "get set delete mget mgetwithcache mset update mupdate updateall updateallwithtime listallkeys"
        self.create_api(*[api(getattr(self, name), self.apiroutine) for name in names.split()], api(self.createnotifier))

    def createnotifier(self) -> MemoryNotifier:
        return MemoryNotifier(self)

    def announce(self, keys: tuple, versions: Any, origin: Any = None) -> None:
        """Notify everybody, after the delay."""
        note = Notification("m%d" % next(self.store.serial), keys, versions, UpdateNotification.UPDATED, False)
        if not self.store.notify_delay:
            self._deliver(note)
            return
        if origin is not None:
            origin.deliver(note._replace(fromself=True))
        self.apiroutine.subroutine(self._deliver_later(note, origin), False)

    async def _deliver_later(self, note: Notification, origin: Any) -> None:
        await self.apiroutine.wait_with_timeout(self.store.notify_delay)
        self._deliver(note, origin)

    def _deliver(self, note: Notification, skip: Any = None) -> None:
        for notifier in list(self.store.notifiers):
            if notifier is not skip:
                notifier.deliver(note._replace(fromself=notifier._module is self))

    def _value(self, key: str) -> Any:
        data = self.store.data.get(key)
        return None if data is None else decode_stored(data)

    async def mgetwithcache(self, keys: Any, vhost: str = "", cache: Any = None) -> Any:
        store = self.store
        store.check()
        store.reads.append(tuple(keys))
        kept = KVCache() if cache is None else cache
        values = []
        for key in keys:
            found, number = kept.get(key), store.number.get(key)
            if found is None or found[0] != number:
                found = (number, self._value(key))
                kept.set(key, found)
            values.append(found[1])
        if store.read_delay:
            await self.apiroutine.wait_with_timeout(store.read_delay)
        return values, kept

    async def updateallwithtime(self, keys: Any, updater: Any, timeout: Any = None, vhost: str = "") -> Any:
        store = self.store
        for _ in range(self.maxretry):
            store.check()
            numbers = [store.number.get(key) for key in keys]
            now = store.now()
            written, values = updater(tuple(keys), tuple(self._value(key) for key in keys), now)
            encoded = [None if value is None else encode_stored(value) for value in values]
            if store.interfere is not None:
                store.interfere()
            if store.conflicts > 0:
                store.conflicts -= 1
                continue
            if numbers != [store.number.get(key) for key in keys]:
                continue
            for key, value, text in zip(written, values, encoded):
                store.put(key, value if text is not None else None)
            if self.ordered and written:
                versions = [
                    (now, -1) if v is None else (getattr(v, "kvdb_createtime", None), getattr(v, "kvdb_updateversion", None))
                    for v in values
                ]
                self.announce(tuple(written), versions)
            if store.lose_reply:
                store.lose_reply = False
                raise StorageOutcomeUnknownException("the reply is lost")
            return written, values
        raise TransactionRetryExceededException

    async def mget(self, keys: Any, vhost: str = "") -> List[Any]:
        self.store.check()
        return [self._value(key) for key in keys]

    async def get(self, key: str, timeout: Any = None, vhost: str = "") -> Any:
        return (await self.mget((key,)))[0]

    async def mset(self, kvpairs: Any, timeout: Any = None, vhost: str = "") -> None:
        pairs = list(kvpairs)
        await self.updateallwithtime((), lambda k, v, t: ([key for key, _ in pairs], [value for _, value in pairs]))

    async def set(self, key: str, value: Any, timeout: Any = None, vhost: str = "") -> None:
        await self.mset([(key, value)])

    async def delete(self, key: str, vhost: str = "") -> None:
        await self.mset([(key, None)])

    async def update(self, key: str, updater: Any, timeout: Any = None, vhost: str = "") -> Any:
        return (await self.mupdate((key,), updater))[0]

    async def mupdate(self, keys: Any, updater: Any, timeout: Any = None, vhost: str = "") -> Any:
        names = tuple(keys)
        result = await self.updateallwithtime(
            names, lambda k, values, t: (k, [updater(key, value) for key, value in zip(k, values)])
        )
        return result[1]

    async def updateall(self, keys: Any, updater: Any, timeout: Any = None, vhost: str = "") -> Any:
        return await self.updateallwithtime(keys, lambda k, values, t: updater(k, values))

    async def listallkeys(self, vhost: str = "") -> List[str]:
        self.store.check()
        return sorted(self.store.data)
