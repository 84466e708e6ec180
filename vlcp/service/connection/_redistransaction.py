"""One batch of transactions on Redis: read what is not known, run the updaters, commit; again after a conflict.

The updaters run on what this process knows, which may be old: the commit finds that out, and returns what is there. So a
transaction on known keys costs one exchange with the server. It reads first when the server has not been heard of just before:
one that does not answer any more shall be noticed while it is certain that nothing was written. What is not written has to be
seen at one moment, unless it is only that further keys are needed.

Nothing has been written until the commit is sent, so up to there every failure is :class:`StorageUnavailableException`. A lost
reply of the commit is settled on another connection; only when that fails too, the outcome is unknown.
"""

from __future__ import annotations

import logging
import random
import time
from typing import Any, List, Optional, Sequence

from vlcp.service.connection._batches import Update
from vlcp.service.connection._redisbatch import Evaluation, evaluate
from vlcp.service.connection._redisscripts import (
    CLUSTER_LOCK,
    COMMIT,
    SETTLE,
    Data,
    Snapshot,
    commit_command,
    read_commands,
    refusal_of,
    snapshot_of,
)
from vlcp.service.connection._storagecalls import PATIENCE
from vlcp.utils.exceptions import (
    StorageOutcomeUnknownException,
    StorageUnavailableException,
    TransactionFailedException,
)
from vlcp.utils.redisclient import RedisConnectionDown

_logger = logging.getLogger(__name__)

PAUSE = 0.05
"""Seconds until a server that could not be asked is asked again."""
PASSING = ("LOADING", "BUSY", "MASTERDOWN", "TRYAGAIN")
"""Errors of a server that is about to work again, for example while it reads its file after a restart."""
_SETTLING = 0.8
"""Further seconds for settling a commit whose reply was lost."""
_SHORTEST = 0.3
_LOCK_MS, _LOCK_PAUSE = 100, 0.02
_AT_ONCE = 3
_LONGEST_BACKOFF = 0.02


class RedisWriteConflictException(TransactionFailedException):
    """A transaction met too many conflicts; nothing was written."""


class Transaction:
    """A batch of updates under way.

    :param store: :class:`vlcp.service.connection._redisstore.Store`
    :param updates: the batch; the result or the exception is set on each update
    """

    def __init__(self, store: Any, updates: Sequence[Update]) -> None:
        self._store = store
        self._updates = list(updates)
        self._keys = tuple(dict.fromkeys(key for update in updates for key in update.keys))
        self._failed = 0

    @property
    def _deadline(self) -> float:
        return max(update.deadline for update in self._updates)

    async def run(self) -> None:
        """Carry the updates out.

        :raises StorageUnavailableException: nothing was written, nor will be
        :raises StorageOutcomeUnknownException: it could not be found out whether it was written
        :raises RedisWriteConflictException: too many conflicts; nothing was written
        """
        store = self._store
        snapshot: Optional[Snapshot] = None
        known: Optional[Data] = store.known(self._keys)
        while True:
            if snapshot is None and known is None:
                snapshot = await self._read()
            # From here to the sending of the commit nobody else runs, so none of them is given up in between.
            updates = self._live()
            present, verified, snapshot = (known or {}, False, None) if snapshot is None else (snapshot.data, True, None)
            evaluation = evaluate(updates, present, store.value, store.stamp(), store.codec, store.announcer, store.presumed)
            store.stamped(evaluation.writes.last)
            verified = verified and len(present) == len(self._keys)
            self._keys = tuple(present)
            known = None
            if evaluation.writes.data:
                snapshot = await self._commit(updates, evaluation)
                if snapshot is None:
                    return
                if self._failed > _AT_ONCE:
                    snapshot = await self._back_off()
            elif verified or all(getattr(update.error, "needs_no_check", False) for update in updates):
                return

    def _live(self) -> List[Update]:
        """Return the updates that somebody waits for.

        :raises StorageUnavailableException: there are none, or the time is over
        """
        updates = [update for update in self._updates if not update.cancelled]
        if not updates:
            raise StorageUnavailableException("redis: nobody waits for the transaction any more")
        if self._store.now >= self._deadline:
            if self._failed:
                raise RedisWriteConflictException("redis: %d conflicts on %.200r" % (self._failed, self._keys))
            raise StorageUnavailableException("redis did not carry the transaction out in time")
        return updates

    def _rest(self) -> float:
        return min(max(self._deadline - self._store.now, _SHORTEST), PATIENCE)

    async def _read(self) -> Snapshot:
        began = time.monotonic()
        replies = await self._store.ask(*read_commands(self._keys), limit=self._rest())
        return self._store.learn(snapshot_of(self._keys, replies), began)

    async def _back_off(self) -> Optional[Snapshot]:
        """Let others go first, the longer the more conflicts there were; return what is there afterwards."""
        store = self._store
        if self._failed >= store.settings.enterlock:
            await self._wait_for_cluster()
        else:
            longest = min(0.001 * self._failed, _LONGEST_BACKOFF)
            await store.container.wait_with_timeout(random.uniform(0, longest))
        return None if store.now >= self._deadline else await self._read()

    async def _wait_for_cluster(self) -> None:
        store = self._store
        while store.now < self._deadline:
            (taken,) = await store.ask(("SET", CLUSTER_LOCK, "1", "PX", _LOCK_MS, "NX"), limit=self._rest())
            if taken is not None:
                return
            await store.container.wait_with_timeout(_LOCK_PAUSE)

    # Committing

    async def _commit(self, updates: Sequence[Update], evaluation: Evaluation) -> Optional[Snapshot]:
        """Write; return None when it is done, or what is there instead."""
        marks = self._store.marks
        slot, mark, serial = marks.take()
        for update in updates:
            update.committing = True
        try:
            found = await self._send_or_settle(mark, serial, evaluation)
        except (StorageOutcomeUnknownException, GeneratorExit):
            # Nobody else may use the mark.
            raise
        except BaseException:
            marks.free(slot)
            raise
        marks.free(slot)
        if found is None:
            self._store.remember(evaluation)
            return None
        for update in updates:
            update.committing = False
        return found

    async def _send_or_settle(self, mark: str, serial: int, evaluation: Evaluation) -> Optional[Snapshot]:
        try:
            return await self._send(mark, serial, evaluation)
        except RedisConnectionDown as error:
            if error.sent and await self._settle(mark, serial, error):
                return None
        if self._store.now >= self._deadline - PAUSE:
            raise StorageUnavailableException("redis did not carry the transaction out in time")
        return await self._read()

    async def _send(self, mark: str, serial: int, evaluation: Evaluation) -> Optional[Snapshot]:
        """Send the commit; return None when it was carried out, or what is there instead."""
        store, rest, began = self._store, self._rest(), time.monotonic()
        command = commit_command(mark, serial, store.server_time() + int(rest * 1000000), evaluation.writes)
        (reply,) = await store.client.batch_execute(store.container, command, timeout=rest)
        if getattr(reply, "kind", "") == "NOSCRIPT":
            await store.ask(("SCRIPT", "LOAD", COMMIT), limit=self._rest())
            (reply,) = await store.client.batch_execute(store.container, command, timeout=self._rest())
        if isinstance(reply, list):
            self._failed += 1
            self._check_conflicts()
            return store.learn(refusal_of(self._keys, reply), began)
        if isinstance(reply, int) and reply > 1:
            store.learn_time(reply, began)
            return None
        if getattr(reply, "kind", "") not in PASSING:
            raise StorageUnavailableException("redis refuses: %s" % (reply,))
        await store.container.wait_with_timeout(PAUSE)
        return await self._read()

    def _check_conflicts(self) -> None:
        settings = self._store.settings
        if self._failed > settings.maxretry:
            raise RedisWriteConflictException("redis: %d conflicts on %.200r" % (self._failed, self._keys))
        if len(self._updates) > 1 and self._failed >= settings.enterseq:
            raise RedisWriteConflictException(
                "redis: %d conflicts of transactions that were carried out together" % (self._failed,)
            )

    async def _settle(self, mark: str, serial: int, loss: Exception) -> bool:
        """The reply of a commit was lost: find out whether it was carried out, else prevent that it ever is."""
        store = self._store
        limit = max(min(self._deadline, store.now + PATIENCE) - store.now, 0) + _SETTLING
        try:
            (outcome,) = await store.ask(("EVAL", SETTLE, 1, mark, serial), limit=limit)
        except StorageUnavailableException as error:
            raise StorageOutcomeUnknownException("redis: the reply was lost: %s; %s" % (loss, error)) from error
        _logger.info("redisdb: lost reply of a transaction: it was %scarried out", "" if outcome else "not ")
        return bool(outcome)


async def carry_out(store: Any, batch: Sequence[Update]) -> None:
    """Carry a batch out together, or one by one where that does not work.

    :param store: :class:`vlcp.service.connection._redisstore.Store`
    :param batch: the result or the exception is set on each update
    :raises Exception: what :meth:`Transaction.run` raises, for all of the batch
    """
    try:
        await Transaction(store, batch).run()
    except RedisWriteConflictException:
        if len(batch) == 1:
            raise
        for update in batch:
            try:
                await Transaction(store, [update]).run()
            except Exception as error:
                update.error = error
