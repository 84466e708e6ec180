"""Notifications of changes by way of ZooKeeper: watches on the children of one node for each key, and of one for all."""

from __future__ import annotations

import logging
import zlib
from collections import OrderedDict
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Set, Tuple

from vlcp.event.future import Future
from vlcp.protocol.zookeeper import jute
from vlcp.service.connection import _znodes as znodes
from vlcp.service.connection._codec import MAX_VALUE
from vlcp.service.connection._zktransaction import ZooKeeperResultException
from vlcp.utils.exceptions import StorageUnavailableException
from vlcp.utils.jsonencoder import StoredValueError
from vlcp.utils.notifier import Notification, Notifier, UpdateNotification

_logger = logging.getLogger(__name__)

_EVERYTHING = None
"""Stands among the keys for the channel of large notifications."""
_CHUNK = 500
_MOST_ROUNDS = 20
_MOST_REMEMBERED = 4096
_RETRY_SECONDS = 0.2


class _Note(NamedTuple):
    """A notification on a node: zxid that wrote it, and what it says."""

    zxid: int
    heard: znodes.Heard


class ZkNotifier(Notifier):
    """Receives the commits of all processes that use the same ZooKeeper nodes.

    :param store: :class:`vlcp.service.connection._zkstore.ZkStore`
    """

    ordered = False

    def __init__(self, store: Any) -> None:
        super().__init__(store.container.scheduler)
        self._store = store
        self._watchers: Dict[Optional[str], Any] = {}
        self._seen: Dict[Optional[str], Set[str]] = {}
        self._fired: Set[Optional[str]] = set()
        self._delivered: OrderedDict = OrderedDict()
        self._broken = False
        self._wake: Optional[Future] = None
        self._routine: Any = None

    async def start(self, container: Any) -> None:
        """Begin to receive, as soon as ZooKeeper answers."""
        if self._routine is not None:
            return
        try:
            await self._listen([_EVERYTHING])
        except StorageUnavailableException as error:
            _logger.warning("zookeeperdb: no notifications until ZooKeeper answers: %s", error)
            self._watchers[_EVERYTHING] = None
            self._broken = True
        self._store.listeners.append(self._committed_here)
        self._store.notifiers.add(self)
        self._routine = self._store.container.subroutine(self._main(), False, daemon=True)

    async def stop(self, container: Any) -> None:
        """Receive nothing more."""
        if self._routine is None:
            return
        self._routine.close()
        self._routine = None
        self._store.listeners.remove(self._committed_here)
        self._store.notifiers.discard(self)
        self._forget(list(self._watchers))

    def move(self, store: Any) -> None:
        """Receive the commits to another store; everything is to be read again as soon as it can be reached."""
        keys = list(self._watchers)
        self._routine.close()
        self._store.listeners.remove(self._committed_here)
        self._store.notifiers.discard(self)
        self._forget(keys)
        self._store = store
        store.listeners.append(self._committed_here)
        store.notifiers.add(self)
        self._watchers = dict.fromkeys(keys)
        self._broken = True
        self._routine = store.container.subroutine(self._main(), False, daemon=True)

    async def add_listen(self, *keys: str) -> None:
        """Receive notifications for ``keys`` (other keys may be notified too).

        :raises StorageUnavailableException: ZooKeeper cannot be reached
        """
        new = [key for key in dict.fromkeys(keys) if key not in self._watchers]
        for begin in range(0, len(new), _CHUNK):
            await self._listen(new[begin : begin + _CHUNK])

    async def remove_listen(self, *keys: str) -> None:
        """Receive no more notifications for ``keys``."""
        self._forget([key for key in keys if key is not _EVERYTHING])

    def _forget(self, keys: Iterable[Optional[str]]) -> None:
        for key in keys:
            watcher = self._watchers.pop(key, None)
            self._seen.pop(key, None)
            self._fired.discard(key)
            if watcher is not None:
                watcher.close()

    def _path(self, key: Optional[str]) -> str:
        return self._store.layout.all if key is _EVERYTHING else self._store.layout.channel(key)

    # Watching

    async def _listen(self, keys: List[Optional[str]]) -> None:
        """Watch channels; what is in them already is old."""
        for key, names, _ in await self._look(keys):
            self._seen[key] = set(names)

    async def _look(self, keys: List[Optional[str]]) -> List[Tuple[Optional[str], List[str], int]]:
        """Read channels and watch them; return (key, names, zxid) of each."""
        found: List[Tuple[Optional[str], List[str], int]] = []
        missing = keys
        while missing:
            asked, missing = missing, []
            replies, watchers = await self._store.ask_and_watch([jute.children_call(self._path(key), True) for key in asked])
            for key, reply, watcher in zip(asked, replies, watchers):
                if reply.err == jute.NONODE:
                    missing.append(key)
                elif reply.err:
                    raise ZooKeeperResultException("cannot listen to %r: error %d" % (key, reply.err))
                else:
                    self._watch(key, watcher)
                    found.append((key, reply.value[0], reply.zxid))
            if missing:
                parts = [jute.create_part(self._path(key)) for key in missing]
                await self._store.ask([jute.part_call(part) for part in parts])
        return found

    def _watch(self, key: Optional[str], watcher: Any) -> None:
        old = self._watchers.get(key)
        if old is not None:
            self._watchers[key] = None
            old.close()
        self._watchers[key] = watcher
        watcher.then(lambda fired: self._watch_fired(key, fired))

    def _watch_fired(self, key: Optional[str], watcher: Any) -> None:
        if self._watchers.get(key, self) is not watcher:
            return
        try:
            watcher.result()
            self._fired.add(key)
        except Exception as error:
            # The session is over, and all watches with it.
            _logger.debug("zookeeperdb: watch of %r ended: %s", key, error)
            self._broken = True
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    # Receiving

    async def _main(self) -> None:
        while True:
            if not self._fired and not self._broken:
                self._wake = Future(self.scheduler)
                await self._wake
            try:
                if self._broken:
                    await self._begin_again()
                else:
                    await self._receive()
            except (StorageUnavailableException, ZooKeeperResultException) as error:
                _logger.debug("zookeeperdb: notifications cannot be read yet: %s", error)
                await self._store.container.wait_with_timeout(_RETRY_SECONDS)

    async def _begin_again(self) -> None:
        keys = list(self._watchers)
        self._fired.clear()
        for begin in range(0, len(keys), _CHUNK):
            await self._listen([key for key in keys[begin : begin + _CHUNK] if key in self._watchers])
        self._broken = False
        _logger.info("zookeeperdb: listening again to %d keys after a lost session", len(keys))
        transactid = "restored-%x" % (self._store.client.sessionid & 0xFFFFFFFFFFFFFFFF,)
        self.deliver(Notification(transactid, (), None, UpdateNotification.RESTORED, False))

    async def _receive(self) -> None:
        """Read what is new, and deliver it in the order of the commits."""
        notes: Dict[str, _Note] = {}
        for _ in range(_MOST_ROUNDS):
            fired, self._fired = [key for key in self._fired if key in self._watchers], set()
            try:
                await self._collect(fired, notes)
            except BaseException:
                self._fired.update(fired)
                raise
            if not self._fired:
                break
        for transactid, note in sorted(notes.items(), key=lambda item: (item[1].zxid, item[0])):
            self._deliver_note(transactid, note)

    async def _collect(self, keys: List[Optional[str]], notes: Dict[str, _Note]) -> None:
        wanted: Dict[str, Tuple[Optional[str], str]] = {}
        present: Dict[Optional[str], Set[str]] = {}
        for begin in range(0, len(keys), _CHUNK):
            for key, names, _ in await self._look(keys[begin : begin + _CHUNK]):
                present[key] = set(names)
                for name in present[key] - self._seen.get(key, set()):
                    transactid = znodes.transaction_of(name)
                    if transactid is not None and transactid not in self._delivered and transactid not in notes:
                        wanted[transactid] = (key, name)
        asked = list(wanted)
        for begin in range(0, len(asked), _CHUNK):
            part = asked[begin : begin + _CHUNK]
            calls = [jute.getdata_call("%s/%s" % (self._path(wanted[one][0]), wanted[one][1])) for one in part]
            for transactid, reply in zip(part, await self._store.ask(calls)):
                notes[transactid] = self._note(transactid, wanted[transactid][0], reply)
        for key, names in present.items():
            if key in self._watchers:
                self._seen[key] = names

    def _note(self, transactid: str, key: Optional[str], reply: Any) -> _Note:
        keys = () if key is _EVERYTHING else (key,)
        unreadable = znodes.Heard(transactid, keys, None)
        if reply.err:
            return _Note(reply.zxid, unreadable)
        data, stat = reply.value
        try:
            return _Note(stat.czxid, znodes.heard(self._store.codec.decode(transactid, self._inflated(data))))
        except (StoredValueError, ValueError) as error:
            _logger.warning("zookeeperdb: notification %r of %r cannot be read: %s", transactid, key, error)
            return _Note(stat.czxid, unreadable)

    def _inflated(self, data: bytes) -> bytes:
        if not self._store.notifierdeflate:
            return data
        try:
            return zlib.decompressobj().decompress(data, MAX_VALUE)
        except zlib.error:
            return data

    def _deliver_note(self, transactid: str, note: _Note) -> None:
        if not self._is_new(transactid):
            return
        fromself = transactid.startswith(self._store.origin)
        heard = note.heard
        if not heard.keys:
            self.deliver(Notification(transactid, (), None, UpdateNotification.RESTORED, fromself))
            return
        self.deliver(Notification(transactid, heard.keys, heard.versions, UpdateNotification.UPDATED, fromself))

    def _is_new(self, transactid: str) -> bool:
        if transactid in self._delivered:
            return False
        self._delivered[transactid] = None
        while len(self._delivered) > _MOST_REMEMBERED:
            self._delivered.popitem(last=False)
        return True

    def _committed_here(self, notification: Notification) -> None:
        if self._is_new(notification.transactid):
            self.deliver(notification)
