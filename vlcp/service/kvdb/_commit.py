"""Read-write transactions on the store: try, read more, try again, until it is written or the time is over (manual 4.4.5)."""

from __future__ import annotations

from typing import Any, Awaitable, Callable, Dict, Iterable, NamedTuple, Optional, Sequence, Tuple

from vlcp.server.module import call_api
from vlcp.service.kvdb._counts import COMMITTED, FAILED, RESTARTED, TransactionCounts
from vlcp.service.kvdb._txn.attempt import Body, Missing, Restart, attempt, run_updater
from vlcp.service.kvdb._txn.indexes import Complete, check_purity, run_transaction
from vlcp.service.kvdb._update import UpdateRoutine
from vlcp.utils.dataobject import DataObject
from vlcp.utils.exceptions import (
    AsyncTransactionLockException,
    TransactionRetryExceededException,
    TransactionTimeoutException,
)
from vlcp.utils.jsonencoder import encode_stored, plain_copy

_OWN_WRITE_SECONDS = 0.2


class Transaction(NamedTuple):
    """What a transaction reads first, and what it does with the values."""

    keys: Tuple[str, ...]
    body: Body


class _Unfinished(Exception):
    """Leaves the store's transaction without writing; carries what the try needs first. A store that knows the values of
    ``wanted_keys`` goes on with them."""

    needs_no_check = True

    def __init__(self, outcome: Any) -> None:
        super().__init__(outcome)
        self.outcome = outcome
        self.wanted_keys = sorted(outcome.keys) if isinstance(outcome, Missing) else ()


class _Updater:
    """What the store calls in one try.

    :param body: of the transaction
    :param run_twice: check that it depends on nothing but its arguments
    :param shared: write the form of VLCP 2
    :param waited: seconds that earlier tries of the same transaction took
    :ivar runs: how often it was called
    """

    def __init__(self, body: Body, run_twice: bool, shared: bool, waited: float) -> None:
        self._body = body
        self._run_twice = run_twice
        self._shared = shared
        self._last: Optional[Complete] = None
        self.waited = waited
        self.runs = 0

    def __call__(self, names: Sequence[str], values: Sequence[Any], timestamp: int) -> Tuple[Any, Any]:
        self.runs += 1
        if self._run_twice:
            _check(self._body, names, values, timestamp)
        outcome = run_transaction(self._body, names, values, timestamp, self._shared)
        if isinstance(outcome, (Missing, Restart)):
            raise _Unfinished(outcome)
        self._last = outcome
        return tuple(outcome.writes), tuple(outcome.writes.values())

    def complete(self) -> Complete:
        """Return what the last call came to; the store returns only after a call that was complete.

        :raises RuntimeError: there was none
        """
        if self._last is None:
            raise RuntimeError("the store has not called the updater")
        return self._last


def updater_transaction(keys: Iterable[str], updater: Callable[..., Any], withtime: bool) -> Transaction:
    """Return the transaction of an updater.

    :param keys: keys whose values ``updater`` gets
    :param updater: ``updater(keys, values[, timestamp]) -> (updated_keys, updated_values)``
    :param withtime: whether it takes the time stamp
    """
    names = tuple(keys)

    def body(snapshot: Dict[str, Any], timestamp: int) -> Any:
        return run_updater(updater, names, snapshot, *((timestamp,) if withtime else ()))

    return Transaction(names, body)


def walker_transaction(keys: Iterable[str], walker: Callable[..., Any], withtime: bool) -> Transaction:
    """Return the transaction of a write walker.

    :param keys: keys to read before the first run
    :param walker: ``walker(walk, write[, timestamp])``
    :param withtime: whether it takes the time stamp
    """

    def body(snapshot: Dict[str, Any], timestamp: int) -> Any:
        return attempt(walker, snapshot, *((timestamp,) if withtime else ()))

    return Transaction(tuple(keys), body)


def private_copy(key: str, value: Any) -> Any:
    """Return a copy of the value of ``key`` that may be changed."""
    copied = plain_copy(value)
    if isinstance(copied, DataObject):
        copied.setkey(key)
    return copied


class Committer:
    """Carries out transactions, and hands what they wrote to the update routine.

    :param container: routine container for the calls of the store
    :param update: the update routine
    :param run_twice: run every transaction twice on copies, and refuse it when the results differ
    :param shared: write the form of VLCP 2
    :ivar counts: what was carried out
    """

    def __init__(self, container: Any, update: UpdateRoutine, run_twice: bool, shared: bool) -> None:
        self._container = container
        self._scheduler = container.scheduler
        self._update = update
        self._run_twice = run_twice
        self._shared = shared
        self.counts = TransactionCounts()

    async def commit(self, transaction: Transaction, maxtime: Optional[float]) -> Any:
        """Carry out a transaction; return its result.

        :param maxtime: seconds, None for no limit
        :raises TransactionTimeoutException: nothing was written in ``maxtime`` seconds
        :raises AsyncTransactionLockException: the transaction wants to begin again; nothing was written
        :raises Exception: of the transaction or the store
        """
        return await self._commit(transaction, self._deadline(maxtime))

    async def commit_restarting(
        self,
        factory: Callable[[Any], Awaitable[Optional[Transaction]]],
        maxretry: Optional[int],
        maxtime: Optional[float],
    ) -> Any:
        """Carry out the transaction that a factory makes, and a new one whenever it wants to begin again.

        :param factory: gets the info of the last restart, None at first; returns None for no transaction
        :param maxretry: most restarts, None for no limit
        :param maxtime: seconds for all of it, None for no limit
        :raises TransactionRetryExceededException: one restart more
        :raises Exception: as :meth:`commit`
        """
        deadline = self._deadline(maxtime)
        info, restarts = None, 0
        while True:
            transaction = await factory(info)
            if transaction is None:
                return None
            try:
                return await self._commit(transaction, deadline)
            except AsyncTransactionLockException as restart:
                info = restart.info
            restarts += 1
            if maxretry is not None and restarts > maxretry:
                raise TransactionRetryExceededException

    def _deadline(self, maxtime: Optional[float]) -> Optional[float]:
        return None if maxtime is None else self._scheduler.current_time + maxtime

    async def _commit(self, transaction: Transaction, deadline: Optional[float]) -> Any:
        begin, result = self._scheduler.current_time, FAILED
        try:
            value = await self._repeat(transaction, deadline)
            result = COMMITTED
        except AsyncTransactionLockException:
            result = RESTARTED
            raise
        finally:
            self.counts.ended(result, self._scheduler.current_time - begin)
        return value

    async def _repeat(self, transaction: Transaction, deadline: Optional[float]) -> Any:
        wanted, waited = dict.fromkeys(transaction.keys), 0.0
        while True:
            began = self._scheduler.current_time
            if deadline is not None and began > deadline:
                raise TransactionTimeoutException
            updater = _Updater(transaction.body, self._run_twice, self._shared, waited)
            try:
                done = await self._try(tuple(wanted), updater)
            except _Unfinished as unfinished:
                outcome = unfinished.outcome
                if isinstance(outcome, Restart):
                    raise AsyncTransactionLockException(outcome.info) from None
                if outcome.keys <= wanted.keys():
                    raise ValueError("a walker raises WalkKeyNotRetrieved for keys it has: %.200r" % (outcome.keys,))
                wanted.update(dict.fromkeys(sorted(outcome.keys)))
                await self._container.do_events()
                waited += self._scheduler.current_time - began
                continue
            await self._update.settled(done.versions, _OWN_WRITE_SECONDS)
            return done.result

    async def _try(self, keys: Tuple[str, ...], updater: _Updater) -> Complete:
        try:
            await call_api(self._container, "kvstorage", "updateallwithtime", {"keys": keys, "updater": updater})
        finally:
            self.counts.runs += updater.runs
        done = updater.complete()
        if done.writes:
            await self._update.publish(done.versions)
        return done


def _check(body: Body, names: Sequence[str], values: Sequence[Any], timestamp: int) -> None:
    def copies() -> Dict[str, Any]:
        return {key: private_copy(key, value) for key, value in zip(names, values)}

    def same(one: Any, other: Any) -> bool:
        return encode_stored(one) == encode_stored(other)

    check_purity(body, copies, timestamp, same)
