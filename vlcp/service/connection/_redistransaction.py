"""One transaction on Redis: watch and read, run the updater, write; again after a conflict.

Nothing has been written until the commit is sent, so up to there every failure is :class:`StorageUnavailableException`. A lost
reply of the commit is settled on another connection; only when that fails too, the outcome is unknown.
"""

from __future__ import annotations

import itertools
import logging
import random
import uuid
from typing import Any, Callable, Dict, List, Optional, Sequence, Set, Tuple

from vlcp.event.lock import Lock
from vlcp.protocol.redis import RedisReplyException
from vlcp.service.connection._redisscripts import (
    CLUSTER_LOCK,
    COMMIT,
    MARK,
    RESERVED,
    SETTLE,
    Snapshot,
    Writes,
    commit_command,
    read_commands,
    snapshot_of,
)
from vlcp.service.connection._storagecalls import PATIENCE, patience_left
from vlcp.utils.exceptions import (
    StorageOutcomeUnknownException,
    StorageUnavailableException,
    TransactionFailedException,
)
from vlcp.utils.jsonencoder import plain_copy
from vlcp.utils.redisclient import RedisClientBase, RedisConnectionDown

_logger = logging.getLogger(__name__)

LONGEST = 2.6
"""Seconds until a transaction is given up that reaches the server, but meets conflicts or waits for its turn."""
SETTLING = 0.8
"""Further seconds for settling a commit whose reply was lost."""
_PAUSE = 0.05
_SEQUENTIAL_SECONDS = 1.0
_LOCK_MS, _LOCK_PAUSE = 100, 0.02
_LONGEST_BACKOFF = 0.02
_CONTEXT = "redisdb"
_PASSING = ("LOADING", "BUSY", "MASTERDOWN", "TRYAGAIN")
"""Errors of a server that is about to work again, for example while it reads its file after a restart."""

Announcer = Callable[[List[Tuple[str, Any, Any]]], Sequence[Tuple[str, bytes]]]
"""Gets (key, time of creation, number of writes) of each written key, returns (channel, message) to publish."""


class RedisWriteConflictException(TransactionFailedException):
    """A transaction met too many conflicts; nothing was written."""


class Contention:
    """Keys for which transactions of this process have met many conflicts lately; they take turns."""

    def __init__(self) -> None:
        self._until: Dict[str, float] = {}

    def note(self, keys: Sequence[str], now: float) -> None:
        """Conflicts were met on ``keys``."""
        self._until.update(dict.fromkeys(keys, now + _SEQUENTIAL_SECONDS))

    def among(self, keys: Sequence[str], now: float) -> List[str]:
        """Return which of ``keys`` are contended, in an order that is the same for all transactions."""
        if not self._until:
            return []
        for key in [key for key, until in self._until.items() if until < now]:
            del self._until[key]
        return sorted(set(keys) & self._until.keys())


class Marks:
    """Names of marks for commits; one name has one commit at a time."""

    def __init__(self) -> None:
        self._prefix = MARK + uuid.uuid4().hex + "."
        self._free: Set[int] = set()
        self._count = 0
        self._serial = itertools.count(1)

    def take(self) -> Tuple[int, str, int]:
        """Return (slot, key, serial number)."""
        if not self._free:
            self._count += 1
            self._free.add(self._count)
        slot = min(self._free)
        self._free.discard(slot)
        return slot, self._prefix + str(slot), next(self._serial)

    def free(self, slot: int) -> None:
        """The commit of a slot is settled."""
        self._free.add(slot)


class Store:
    """What the transactions of one virtual host share.

    :param client: :class:`~vlcp.utils.redisclient.RedisClient`
    :param codec: encodes and decodes values
    :param container: runs the transactions
    :param cache: (stored bytes, value) of keys; values are never changed
    :param settings: the module, with ``maxretry``, ``enterseq`` and ``enterlock``
    """

    def __init__(self, client: Any, codec: Any, container: Any, cache: Any, settings: Any) -> None:
        self.client = client
        self.codec = codec
        self.container = container
        self.scheduler = container.scheduler
        self.cache = cache
        self.settings = settings
        self.announcer: Optional[Announcer] = None
        self.contention = Contention()
        self.marks = Marks()
        self.timestamp = 0

    @property
    def now(self) -> float:
        """Seconds on the scheduler's clock."""
        return self.scheduler.current_time

    def value(self, key: str, data: Optional[bytes]) -> Any:
        """Return the value of stored bytes, which must not be changed.

        :raises StoredValueError: it cannot be decoded
        """
        if data is None:
            return None
        entry = self.cache.get(key)
        if entry is not None and entry[0] == data:
            return entry[1]
        value = self.codec.decode(key, data)
        self.cache.update({key: (data, value)})
        return value

    def remember(self, stored: Dict[str, Optional[bytes]], values: Dict[str, Any]) -> None:
        """Keep what was written just now, so that it need not be decoded when it is read again."""
        self.cache.update({key: (data, values[key]) for key, data in stored.items() if data is not None})

    async def ask(self, *commands: Any, limit: float = PATIENCE) -> List[Any]:
        """Execute commands that change nothing on the shared connection, trying again while there is time.

        :raises StorageUnavailableException: no reply in time, or an error
        """
        deadline = self.now + limit
        while True:
            rest = deadline - self.now
            try:
                return await self.client.batch_execute(
                    self.container, *commands, raise_first_exception=True, timeout=max(rest, 0.01)
                )
            except RedisReplyException as error:
                if error.kind not in _PASSING or self.now + _PAUSE >= deadline:
                    raise StorageUnavailableException("redis refuses: %s" % (error,)) from error
            except RedisConnectionDown as error:
                if self.now + _PAUSE >= deadline:
                    raise StorageUnavailableException("redis cannot be reached: %s" % (error,)) from error
            await self.container.wait_with_timeout(_PAUSE)


class _Lost(Exception):
    """The connection was lost before anything was written."""


class Transaction:
    """One call of ``updateallwithtime``.

    :param store: :class:`Store`
    :param keys: keys whose values the updater gets
    :param updater: ``updater(keys, values, timestamp)``
    :param timeout: seconds until the written values expire; None for never; 0 or less deletes
    """

    def __init__(self, store: Store, keys: Sequence[str], updater: Callable[..., Any], timeout: Optional[float]) -> None:
        self._store = store
        self._keys = tuple(keys)
        self._updater = updater
        self._timeout = timeout
        self._result: Any = None
        self._written: Dict[str, Any] = {}
        self._deadline = 0.0

    async def run(self) -> Any:
        """Carry the transaction out; return what the updater returned.

        :raises Exception: see :mod:`vlcp.service.kvdb.storage`
        """
        store, settings = self._store, self._store.settings
        failed, end = 0, store.now + patience_left(self._updater, LONGEST)
        while True:
            self._deadline = min(store.now + patience_left(self._updater, PATIENCE), end)
            locks = await self._take_turn(end)
            try:
                if await self._attempt():
                    return self._result
            finally:
                for lock in reversed(locks):
                    lock.unlock()
            failed += 1
            if failed > settings.maxretry or store.now >= end:
                raise RedisWriteConflictException("%d conflicts on %.200r" % (failed, self._keys))
            await self._back_off(failed, end)

    async def _take_turn(self, end: float) -> List[Lock]:
        """Wait until no other transaction of this process uses contended keys.

        :raises StorageUnavailableException: it takes too long
        """
        locks: List[Lock] = []
        try:
            for key in self._store.contention.among(self._keys, self._store.now):
                lock = Lock((id(self._store), key), self._store.scheduler, _CONTEXT)
                locks.append(lock)
                if not lock.trylock():
                    late, _ = await self._store.container.execute_with_timeout(max(end - self._store.now, 0), lock.lock())
                    if late:
                        raise StorageUnavailableException("redis: too many transactions use %r" % (key,))
        except BaseException:
            for lock in reversed(locks):
                lock.unlock()
            raise
        if locks:
            self._deadline = min(self._store.now + PATIENCE, end)
        return locks

    async def _back_off(self, failed: int, end: float) -> None:
        store = self._store
        if failed >= store.settings.enterseq:
            store.contention.note(self._keys, store.now)
        if failed >= store.settings.enterlock:
            await self._wait_for_cluster(end)
        else:
            longest = min(0.001 * failed, _LONGEST_BACKOFF)
            await store.container.wait_with_timeout(random.uniform(0, longest))

    async def _wait_for_cluster(self, end: float) -> None:
        store = self._store
        while store.now < end:
            limit = min(end - store.now, PATIENCE)
            (taken,) = await store.ask(("SET", CLUSTER_LOCK, "1", "PX", _LOCK_MS, "NX"), limit=limit)
            if taken is not None:
                return
            await store.container.wait_with_timeout(_LOCK_PAUSE)

    async def _attempt(self) -> bool:
        """Try once, on as many connections as it takes; return False after a conflict."""
        store = self._store
        while True:
            try:
                connection = await store.client.get_connection(store.container)
                try:
                    return await self._attempt_on(connection)
                finally:
                    await connection.release(store.container)
            except (_Lost, RedisConnectionDown) as error:
                if store.now + _PAUSE >= self._deadline:
                    raise StorageUnavailableException("redis cannot be reached: %s" % (error,)) from error
            await store.container.wait_with_timeout(_PAUSE)

    async def _attempt_on(self, connection: RedisClientBase) -> bool:
        snapshot = await self._read(connection)
        read_at = self._store.now
        finished = False
        try:
            writes = self._evaluate(snapshot)
            finished = bool(writes.data)
        finally:
            if not finished and self._keys:
                await self._unwatch(connection)
        if not finished:
            return True
        return await self._commit(connection, writes, snapshot.now + int((self._deadline - read_at) * 1000000))

    async def _read(self, connection: RedisClientBase) -> Snapshot:
        rest = max(self._deadline - self._store.now, 0.01)
        try:
            replies = await connection.batch_execute(
                self._store.container, *read_commands(self._keys), raise_first_exception=True, timeout=rest
            )
            return snapshot_of(replies)
        except RedisReplyException as error:
            if error.kind in _PASSING:
                raise _Lost("redis refuses: %s" % (error,)) from error
            raise StorageUnavailableException("redis refuses: %s" % (error,)) from error

    async def _unwatch(self, connection: RedisClientBase) -> None:
        try:
            await connection.execute_command(self._store.container, "UNWATCH", timeout=PATIENCE)
        except RedisConnectionDown as error:
            _logger.debug("redisdb: a session ended while it was watching: %s", error)

    def _evaluate(self, snapshot: Snapshot) -> Writes:
        """Run the updater on private copies of the values."""
        store = self._store
        values = tuple(plain_copy(store.value(key, data)) for key, data in zip(self._keys, snapshot.data))
        timestamp = max(snapshot.now, snapshot.clock + 1, store.timestamp + 1)
        store.timestamp = timestamp
        self._result = self._updater(self._keys, values, timestamp)
        updated_keys, updated_values = self._result
        changed = dict(zip(updated_keys, updated_values))
        if any(key.startswith(RESERVED) for key in changed):
            raise ValueError("keys that begin with %r are reserved" % (RESERVED,))
        lifetime_ms = 0
        if self._timeout is not None:
            lifetime_ms = max(int(self._timeout * 1000), 0)
            changed = changed if lifetime_ms else dict.fromkeys(changed)
        codec = store.codec
        data = {key: None if value is None else codec.pack(codec.encode(value)) for key, value in changed.items()}
        self._written = {key: plain_copy(value) for key, value in changed.items()}
        messages = store.announcer(_versions(changed, timestamp)) if store.announcer is not None and changed else ()
        return Writes(data, timestamp, lifetime_ms, messages)

    async def _commit(self, connection: RedisClientBase, writes: Writes, last_moment: int) -> bool:
        """Write; return False when it was not, because of a conflict or a loss."""
        marks = self._store.marks
        slot, mark, serial = marks.take()
        try:
            outcome = await self._send_commit(connection, commit_command(mark, serial, last_moment, writes, True))
            if outcome == "NOSCRIPT":
                # Nothing was watched any more, so the whole attempt is repeated.
                await self._store.ask(("SCRIPT", "LOAD", COMMIT))
                outcome = None
        except RedisConnectionDown as error:
            # While the outcome is unknown nobody else may use the mark.
            outcome = await self._settle(mark, serial, error)
        except StorageUnavailableException:
            marks.free(slot)
            raise
        marks.free(slot)
        if outcome == 1:
            self._store.remember(writes.data, self._written)
        if outcome == 0 and self._store.now >= self._deadline - _PAUSE:
            raise StorageUnavailableException("redis did not carry the transaction out in time")
        return outcome == 1

    async def _send_commit(self, connection: RedisClientBase, command: List[Any]) -> Any:
        """Return 1: written, 0: not written, None: conflict, 'NOSCRIPT': the server does not know the script."""
        rest = max(self._deadline - self._store.now, 0.01)
        replies = await connection.batch_execute(self._store.container, ("MULTI",), command, ("EXEC",), timeout=rest)
        outcome = replies[-1]
        if outcome is None:
            return None
        failure = next((reply for reply in replies[:-1] if isinstance(reply, Exception)), outcome)
        if isinstance(outcome, list) and len(outcome) == 1:
            failure = outcome[0]
            if failure in (0, 1):
                return failure
        kind = getattr(failure, "kind", "")
        if kind == "NOSCRIPT":
            return kind
        raise StorageUnavailableException("redis refuses: %s" % (failure,))

    async def _settle(self, mark: str, serial: int, loss: Exception) -> int:
        """The reply of a commit was lost: find out whether it was carried out, else prevent that it ever is."""
        store = self._store
        deadline = max(self._deadline, store.now) + SETTLING
        try:
            (outcome,) = await store.ask(("EVAL", SETTLE, 1, mark, serial), limit=deadline - store.now)
        except StorageUnavailableException as error:
            raise StorageOutcomeUnknownException("redis: the reply was lost: %s; %s" % (loss, error)) from error
        _logger.info("redisdb: lost reply of a transaction: it was %scarried out", "" if outcome else "not ")
        return outcome


def _versions(values: Dict[str, Any], timestamp: int) -> List[Tuple[str, Any, Any]]:
    return [
        (key, timestamp, -1)
        if value is None
        else (key, getattr(value, "kvdb_createtime", None), getattr(value, "kvdb_updateversion", None))
        for key, value in values.items()
    ]
