"""The key-value store on one Redis server: reading, and letting transactions run (see ``_redistransaction``)."""

from __future__ import annotations

import itertools
import time
import uuid
from typing import Any, Callable, List, NamedTuple, Optional, Sequence, Set, Tuple

from vlcp.event.future import QuietFuture
from vlcp.protocol.redis import RedisReplyException
from vlcp.service.connection._batches import Batches, Update
from vlcp.service.connection._redisbatch import Announcer, Evaluation
from vlcp.service.connection._redisscripts import MARK, Data, Snapshot
from vlcp.service.connection._redistransaction import PASSING, PAUSE, carry_out
from vlcp.service.connection._storagecalls import PATIENCE, patience_left
from vlcp.utils.dataobject import UniqueKeyReference
from vlcp.utils.exceptions import StorageUnavailableException
from vlcp.utils.redisclient import RedisConnectionDown

_LONGEST = 2.6
"""Seconds until a transaction is given up that reaches the server, but meets conflicts or waits for its turn."""
_FRESH_SECONDS = 0.25
"""A server that has answered so lately is taken to answer again."""
_INDEX_ENTRY = UniqueKeyReference._prefix + "."
_MOST_RUNNING = 2
_MOST_KEYS = 256


class Entry(NamedTuple):
    """What a key was last: stored bytes (None: there is no such key) and value, never changed."""

    data: Optional[bytes]
    value: Any


_MISSING = Entry(None, None)


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
    """What the calls of one virtual host share.

    :param client: :class:`~vlcp.utils.redisclient.RedisClient`
    :param codec: encodes and decodes values
    :param container: runs the transactions
    :param cache: :class:`Entry` of keys
    :param settings: the module, with ``maxretry``, ``enterseq`` and ``enterlock``
    :ivar announcer: makes the messages that are published with a commit
    :ivar echo: channel in which reads are told of, None for none
    """

    def __init__(self, client: Any, codec: Any, container: Any, cache: Any, settings: Any) -> None:
        self.client = client
        self.codec = codec
        self.container = container
        self.scheduler = container.scheduler
        self.settings = settings
        self.announcer: Optional[Announcer] = None
        self.echo: Optional[str] = None
        self.marks = Marks()
        self._cache = cache
        self._ahead = 0
        self._heard = -_FRESH_SECONDS
        self._stamp = 0
        self._reads = itertools.count(1)
        self._batches = Batches("redis", container, self._run, _MOST_RUNNING, _MOST_KEYS)

    @property
    def now(self) -> float:
        """Seconds on the scheduler's clock."""
        return self.scheduler.current_time

    # Values

    def value(self, key: str, data: Optional[bytes]) -> Any:
        """Return the value of stored bytes, which must not be changed.

        :raises StoredValueError: it cannot be decoded
        """
        entry = self._cache.get(key)
        if entry is not None and entry.data == data:
            return entry.value
        entry = _MISSING if data is None else Entry(data, self.codec.decode(key, data))
        self._cache.update({key: entry})
        return entry.value

    def known(self, keys: Sequence[str], new: str = "") -> Optional[Data]:
        """Return what this process knows of keys, which may be old.

        :param new: keys that begin so and are not known are taken as missing; empty for none
        :return: None if it does not know all, or has not heard of the server for a while
        """
        if time.monotonic() - self._heard > _FRESH_SECONDS:
            return None
        found: Data = {}
        for key in keys:
            entry = self._cache.get(key)
            if entry is None and not (new and key.startswith(new)):
                return None
            found[key] = None if entry is None else entry.data
        return found

    def presumed(self, keys: Sequence[str]) -> Optional[Data]:
        """Return what is probably under keys that a transaction wants besides: an index entry that nobody has seen is a new
        one. The commit finds out if it is not."""
        return self.known(keys, _INDEX_ENTRY)

    def remember(self, evaluation: Evaluation) -> None:
        """Keep what was written just now, so that it need not be read again."""
        values = evaluation.values
        self._cache.update({key: Entry(data, values[key]) for key, data in evaluation.writes.data.items()})

    # Time

    def learn_time(self, server_us: int, asked: float) -> None:
        """The server had a time when it was asked.

        :param asked: ``time.monotonic()``
        """
        self._ahead = server_us - int(asked * 1000000)
        self._heard = time.monotonic()

    def learn(self, snapshot: Snapshot, asked: float) -> Snapshot:
        """Take note of the time of a snapshot, and return it."""
        self.learn_time(snapshot.now, asked)
        self._stamp = max(self._stamp, snapshot.clock)
        return snapshot

    def server_time(self) -> int:
        """Return the time of the server in us, as far as it is known."""
        return int(time.monotonic() * 1000000) + self._ahead

    def stamp(self) -> int:
        """Return a time stamp that is later than all that are known."""
        return max(self.server_time(), self._stamp + 1)

    def stamped(self, last: int) -> None:
        """Give out only time stamps after ``last`` from now on."""
        self._stamp = max(self._stamp, last)

    # Calls

    async def read(self, keys: Sequence[str], told: bool) -> Tuple[List[Optional[bytes]], Optional[str]]:
        """Return the stored bytes of keys, and the name under which the read has been told of in the channel :attr:`echo`. Who
        has got that message has got those of all commits that the read has seen.

        :param told: False tells nobody
        :raises StorageUnavailableException: the server does not answer
        """
        mark: Optional[str] = None

        def commands() -> List[Tuple[str, ...]]:
            nonlocal mark
            if not told or self.echo is None:
                return [("MGET", *keys)]
            # Another one for each attempt: what was told of the last one says nothing about what this one sees.
            mark = str(next(self._reads))
            return [("MGET", *keys), ("PUBLISH", self.echo, mark)]

        return (await self._ask_for(commands, PATIENCE))[0], mark

    async def write(self, keys: Sequence[str], updater: Callable[..., Any], timeout: Optional[float]) -> Any:
        """Carry out one transaction; see ``updateallwithtime`` in :mod:`vlcp.service.kvdb.storage`."""
        deadline = self.now + patience_left(updater, _LONGEST)
        return await self._batches.carry_out(Update(keys, updater, QuietFuture(self.scheduler), deadline, (), timeout))

    async def _run(self, batch: List[Update]) -> None:
        await carry_out(self, batch)

    async def ask(self, *commands: Any, limit: float = PATIENCE) -> List[Any]:
        """Execute commands that may be repeated on the shared connection, trying again while there is time.

        :raises StorageUnavailableException: no reply in time, or an error
        """
        return await self._ask_for(lambda: commands, limit)

    async def _ask_for(self, commands: Callable[[], Sequence[Any]], limit: float) -> List[Any]:
        deadline = self.now + limit
        while True:
            rest = deadline - self.now
            try:
                return await self.client.batch_execute(
                    self.container, *commands(), raise_first_exception=True, timeout=max(rest, 0.01)
                )
            except RedisReplyException as error:
                if error.kind not in PASSING or self.now + PAUSE >= deadline:
                    raise StorageUnavailableException("redis refuses: %s" % (error,)) from error
            except RedisConnectionDown as error:
                if self.now + PAUSE >= deadline:
                    raise StorageUnavailableException("redis cannot be reached: %s" % (error,)) from error
            await self.container.wait_with_timeout(PAUSE)
