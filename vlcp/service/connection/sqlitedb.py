"""The embedded store: an SQLite file that serves ``kvstorage`` and ``updatenotifier``.

Several processes of one machine may share the file. A transaction runs its updater in the
scheduler, between a snapshot and a commit that checks that the snapshot still holds; the SQL runs
in two threads, one for reads and one for commits. Transactions that wait at the same time are
committed together. See ``vlcp.service.kvdb.storage`` for the contract that this module keeps.
"""

from __future__ import annotations

import logging
import os
import queue
import time
import uuid
from collections import deque
from typing import Any, Callable, Deque, Dict, Iterable, List, Optional, Sequence, Set, Tuple

from vlcp.config import defaultconfig
from vlcp.server.module import Module, api
from vlcp.service.connection._codec import Codec
from vlcp.service.connection._sqlitebatch import Cache, Entry, Evaluation, Update, evaluate
from vlcp.service.connection._sqlitefile import Change, Conflict, Row, Snapshot, SqliteFile, Writes
from vlcp.service.connection._storagecalls import PATIENCE, StorageCalls, patience_left
from vlcp.service.connection._storethread import Bridge, Job, StoreThread
from vlcp.utils.exceptions import StorageUnavailableException
from vlcp.utils.kvcache import KVCache
from vlcp.utils.notifier import Notification, Notifier, UpdateNotification

_logger = logging.getLogger(__name__)

_BATCH = 64
_ANSWER_SECONDS = 1.0


class SQLiteNotifier(Notifier):
    """Receives the commits of all processes that use the file."""

    ordered = True

    def __init__(self, module: SQLiteDB) -> None:
        super().__init__(module.scheduler)
        self._module = module

    async def start(self, container: Any) -> None:
        """Begin to receive."""
        self._module.notifiers.add(self)

    async def stop(self, container: Any) -> None:
        """Receive nothing more."""
        self._module.notifiers.discard(self)


@defaultconfig
class SQLiteDB(StorageCalls, Module):
    """Key-value store in an SQLite file, for one machine"""

    _default_path = "/var/lib/vlcp/vlcp.sqlite"
    "Path of the database file; processes with the same path share their data"
    _default_deflate = True
    "Compress values that are longer than deflateabove"
    _default_deflateabove = 1024
    "Values of at most so many bytes are not compressed"
    _default_pollinterval = 0.05
    "Look for commits of other processes so often (seconds)"
    _default_cachesize = 50000
    "Number of values that are kept in memory"
    service = True

    def __init__(self, server: Any) -> None:
        super().__init__(server)
        self.notifiers: Set[SQLiteNotifier] = set()
        self._origin = uuid.uuid4().hex
        self._codec = Codec(deflate=self.deflate, deflateabove=self.deflateabove)
        self._cache = Cache(self.cachesize)
        self._store, self._clock = "", 0
        self._told: Set[int] = set()
        self._last_told = 0
        self._waiting: Deque[Update] = deque()
        self._serving = False
        self._since = ("", 0)
        self._reading = SqliteFile(self.path, self._origin)
        self._writing = SqliteFile(self.path, self._origin)
        self._bridge: Any = None
        self.create_api(*self.storage_apis(), api(self.createnotifier))

    async def load(self, container: Any) -> None:
        """Open the file, which is made if there is none.

        :raises StorageUnavailableException: the file cannot be opened
        """
        self._bridge = Bridge(self.apiroutine)
        self._bridge.start()
        self._reader = StoreThread("sqlitedb-read", self._bridge, self._look_for_news, self.pollinterval)
        self._writer = StoreThread("sqlitedb-write", self._bridge)
        self._reader.start()
        self._writer.start()
        await self._writer.submit(self._bridge.job(lambda job: self._writing.open(job.deadline, True)))
        await self._read_rows((), {})
        _logger.info("sqlitedb uses %s", os.path.abspath(self.path))
        await super().load(container)

    async def unload(self, container: Any, force: bool = False) -> None:
        """Close the file after the transactions that are under way."""
        await super().unload(container, force)
        for thread, file in ((self._reader, self._reading), (self._writer, self._writing)):
            try:
                await thread.submit(self._bridge.job(lambda job, file=file: file.close()))
            except StorageUnavailableException as error:
                _logger.warning("sqlitedb: %s is left open: %s", file.path, error)
            thread.stop()
        self._bridge.close()

    def createnotifier(self) -> SQLiteNotifier:
        """Return a new :class:`SQLiteNotifier`, which tells of commits from when it is started."""
        return SQLiteNotifier(self)

    async def mgetwithcache(
        self, keys: Sequence[str], vhost: str = "", cache: Optional[KVCache] = None
    ) -> Tuple[List[Any], KVCache]:
        """Read several values, and spare those that are known already.

        The values are those of one moment. A value that is in ``cache`` and did not change is the same object; the
        values must not be changed.

        :param keys: keys
        :param vhost: of no meaning here
        :param cache: the cache of an earlier call, or None
        :return: (values, cache); None for a key that does not exist
        :raises StorageUnavailableException: the file cannot be read
        :raises StoredValueError: a value cannot be decoded
        """
        kept = KVCache() if cache is None else cache
        known = {}
        for key in keys:
            entry = self._cache.get(key) or kept.get(key)
            if entry is not None:
                known[key] = entry
        _, entries = await self._read_rows(keys, known)
        for key, entry in entries.items():
            kept.set(key, entry)
        return [entries[key].value for key in keys], kept

    async def updateallwithtime(
        self, keys: Sequence[str], updater: Callable[..., Any], timeout: Optional[float] = None, vhost: str = ""
    ) -> Any:
        """Write what a function makes of the values of several keys and the time of the store; all of it, or nothing.

        :param keys: keys whose values the updater gets; they are unchanged until the commit
        :param updater: ``updater(keys, values, timestamp)``, with the time in microseconds, returns
            ``(updated_keys, updated_values)``; None as a value deletes. It may be called several times, and must not
            depend on anything but its arguments
        :param timeout: seconds until the written values expire, None to keep them
        :param vhost: of no meaning here
        :return: what the updater returned
        :raises StorageUnavailableException: nothing was written, nor will be
        :raises StorageOutcomeUnknownException: the disk did not answer within the time
        :raises Exception: what the updater raised; nothing was written
        """
        job = self._bridge.job(lambda job: None, time.monotonic() + patience_left(updater, PATIENCE))
        self._waiting.append(Update(keys, updater, timeout, job))
        if not self._serving:
            self._serving = True
            self.apiroutine.subroutine(self._serve(), False)
        try:
            return await job.future
        finally:
            job.cancel()

    async def listallkeys(self, vhost: str = "") -> List[str]:
        """List all keys of the store. It reads the whole index of the file, so it is for people, not for programs.

        :raises StorageUnavailableException: the file cannot be read
        """
        return await self._reader.submit(self._bridge.job(lambda job: self._reading.list_keys(job.deadline)))

    async def _read_rows(
        self, keys: Iterable[str], known: Dict[str, Entry], deadline: Optional[float] = None
    ) -> Tuple[Snapshot, Dict[str, Entry]]:
        numbers = {key: entry.seq for key, entry in known.items()}

        def work(job: Job) -> Tuple[Snapshot, Dict[str, Entry]]:
            snapshot = self._reading.read(keys, numbers, self._since, job.deadline)
            self._since = (snapshot.store, snapshot.seq)
            self._bridge.post(self._learn, snapshot)
            return snapshot, self._entries(snapshot.rows, known)

        snapshot, entries = await self._reader.submit(self._bridge.job(work, deadline))
        self._cache.update(entries)
        return snapshot, entries

    def _entries(self, rows: Dict[str, Row], known: Dict[str, Entry]) -> Dict[str, Entry]:
        entries = {}
        for key, row in rows.items():
            if row.data is not None:
                entries[key] = Entry(row.seq, self._codec.decode(key, row.data))
            elif row.seq:
                entries[key] = known[key]
            else:
                entries[key] = Entry(0, None)
        return entries

    def _look_for_news(self) -> None:
        try:
            if not self._reading.has_news():
                return
            snapshot = self._reading.read((), {}, self._since, time.monotonic() + PATIENCE)
        except StorageUnavailableException as error:
            _logger.debug("sqlitedb: no news: %s", error)
            return
        self._since = (snapshot.store, snapshot.seq)
        self._bridge.post(self._learn, snapshot)

    def _learn(self, snapshot: Snapshot) -> None:
        self._clock = max(self._clock, snapshot.clock)
        if snapshot.store != self._store:
            first, self._store = not self._store, snapshot.store
            self._told.clear()
            self._last_told = snapshot.seq
            if not first:
                self._cache.clear()
                self._tell("restored-%d" % (snapshot.seq,), (), None, UpdateNotification.RESTORED, False)
            return
        if snapshot.changes is None:
            self._cache.clear()
            self._tell("restored-%d" % (snapshot.seq,), (), None, UpdateNotification.RESTORED, False)
        for change in snapshot.changes or ():
            self._tell_change(change)
        self._last_told = max(self._last_told, snapshot.seq)
        self._told = {seq for seq in self._told if seq > self._last_told}

    def _tell_change(self, change: Change) -> None:
        if change.seq <= self._last_told or change.seq in self._told:
            return
        self._told.add(change.seq)
        transactid = "%s-%016x" % (change.origin, change.seq)
        fromself = change.origin == self._origin
        if change.keys is None:
            self._cache.clear()
            self._tell(transactid, (), None, UpdateNotification.RESTORED, fromself)
            return
        keys = tuple(key for key, _, _ in change.keys)
        if not fromself:
            self._cache.forget(keys)
        self._tell(transactid, keys, [tuple(found[1:]) for found in change.keys], UpdateNotification.UPDATED, fromself)

    def _tell(self, transactid: str, keys: Any, versions: Any, reason: str, fromself: bool) -> None:
        notification = Notification(transactid, keys, versions, reason, fromself)
        for notifier in tuple(self.notifiers):
            notifier.deliver(notification)

    async def _serve(self) -> None:
        try:
            while self._waiting:
                batch = self._next_batch()
                if batch:
                    await self._serve_batch(batch)
        finally:
            self._serving = False

    def _next_batch(self) -> List[Update]:
        batch: List[Update] = []
        while self._waiting and len(batch) < _BATCH:
            if batch and (self._waiting[0].timeout is not None or batch[0].timeout is not None):
                break
            update = self._waiting.popleft()
            if update.job.point_of_no_return():
                batch.append(update)
        return batch

    async def _serve_batch(self, batch: List[Update]) -> None:
        deadline = min(update.job.deadline for update in batch)
        fresh, failure = False, None
        try:
            while not await self._try_batch(batch, deadline, fresh):
                fresh = True
                if time.monotonic() > deadline:
                    raise StorageUnavailableException("%s: too many conflicts" % (self.path,))
        except Exception as error:
            failure = error
        for update in batch:
            self._bridge.finish(update.job, update.result, failure or update.error)

    async def _try_batch(self, batch: List[Update], deadline: float, fresh: bool) -> bool:
        keys = dict.fromkeys(key for update in batch for key in update.keys)
        known = {key: entry for key, entry in ((key, self._cache.get(key)) for key in keys) if entry is not None}
        entries, verified = known, False
        if fresh or len(known) < len(keys):
            _, entries = await self._read_rows(keys, known, deadline)
            verified = True
        began = time.monotonic()
        evaluation = evaluate(batch, self._store, entries, self._clock, self._codec)
        deadline += time.monotonic() - began
        if evaluation.values:
            return await self._commit(batch, evaluation, deadline)
        if verified or all(getattr(update.error, "needs_no_check", False) for update in batch):
            return True
        snapshot, present = await self._read_rows(keys, known, deadline)
        return snapshot.store == evaluation.writes.store and all(present[key].seq == known[key].seq for key in keys)

    async def _commit(self, batch: List[Update], evaluation: Evaluation, deadline: float) -> bool:
        final = [evaluation]

        def retry(snapshot: Snapshot) -> Optional[Writes]:
            entries = self._entries(snapshot.rows, {})
            answers: queue.SimpleQueue = queue.SimpleQueue()
            self._bridge.post(self._evaluate_again, batch, snapshot, entries, answers)
            try:
                final[0] = answers.get(timeout=_ANSWER_SECONDS)
            except queue.Empty:
                return None
            return self._packed(final[0].writes)

        def work(job: Job) -> bool:
            writes = self._packed(evaluation.writes)
            try:
                seq = self._writing.commit(writes, job.deadline, retry, job.point_of_no_return)
            except Conflict:
                return False
            if seq:
                self._bridge.post(self._committed, seq, final[0])
            return True

        return await self._writer.submit(self._bridge.job(work, deadline))

    def _packed(self, writes: Writes) -> Writes:
        packed = {key: None if data is None else self._codec.pack(data) for key, data in writes.writes.items()}
        return writes._replace(writes=packed)

    def _evaluate_again(
        self, batch: List[Update], snapshot: Snapshot, entries: Dict[str, Entry], answers: queue.SimpleQueue
    ) -> None:
        self._clock = max(self._clock, snapshot.clock)
        answers.put(evaluate(batch, snapshot.store, entries, self._clock, self._codec))

    def _committed(self, seq: int, evaluation: Evaluation) -> None:
        self._clock = max(self._clock, evaluation.writes.clock)
        self._cache.update({key: Entry(0 if value is None else seq, value) for key, value in evaluation.values.items()})
        self._tell_change(Change(seq, self._origin, evaluation.writes.keys))
