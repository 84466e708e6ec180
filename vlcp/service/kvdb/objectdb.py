"""ObjectDB: transactions and live views of data objects (manual 4.4, 5.6.3).

Reading: a request names keys or walkers and a request id. What is retrieved is watched under that id: the
returned references follow the database, and :class:`DataObjectUpdateEvent` tells of every change, until it
is unwatched. Writing: an updater or a write walker runs on a snapshot, possibly several times, and is
committed only if nobody changed in between what it had read.
"""

from __future__ import annotations

import logging
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Tuple

from vlcp.config import defaultconfig
from vlcp.event.event import Event, withIndices
from vlcp.event.future import Future
from vlcp.event.runnable import RoutineContainer
from vlcp.server.module import Module, api, call_api, depend
from vlcp.service.kvdb._txn.attempt import Body, Missing, Restart, attempt, run_updater
from vlcp.service.kvdb._txn.indexes import Complete, check_purity, run_transaction
from vlcp.service.kvdb._update import Request, UpdateRoutine, saver
from vlcp.service.kvdb.redisnotifier import UpdateNotifier
from vlcp.service.kvdb.storage import KVStorage
from vlcp.utils.dataobject import DataObject, DataObjectUpdateEvent, ReferenceObject
from vlcp.utils.exceptions import (
    AsyncTransactionLockException,
    StaleResultException,
    StorageUnavailableException,
    TransactionRetryExceededException,
    TransactionTimeoutException,
)
from vlcp.utils.jsonencoder import encode_stored, plain_copy

_logger = logging.getLogger(__name__)

_OWN_WRITE_SECONDS = 0.2


@withIndices()
class RetrieveRequestSend(Event):
    """A request for values was sent to the update routine; nothing sends it now, the routine is woken directly."""


@withIndices("id")
class RetrieveReply(Event):
    """A request for values was answered; nothing sends it now, requests have futures."""


class _Unfinished(Exception):
    """Leaves the store's transaction without writing; carries what the try needs first."""

    needs_no_check = True

    def __init__(self, outcome: Any) -> None:
        super().__init__(outcome)
        self.outcome = outcome


@defaultconfig
@depend(KVStorage, UpdateNotifier)
class ObjectDB(Module):
    """Abstract transaction layer for KVDB"""

    service = True
    _default_objectupdatepriority = 450
    "Priority for object update event"
    _default_debuggingupdater = False
    "Run every updater and walker twice on copies; refuse the transaction when the results differ"
    _default_runtwice = False
    "The same as debuggingupdater"

    def __init__(self, server: Any) -> None:
        super().__init__(server)
        self.apiroutine = RoutineContainer(self.scheduler)
        self._update = UpdateRoutine(self.apiroutine)
        self.create_api(
            api(self.mget, self.apiroutine),
            api(self.get, self.apiroutine),
            api(self.mgetonce, self.apiroutine),
            api(self.getonce, self.apiroutine),
            api(self.mwatch, self.apiroutine),
            api(self.watch, self.apiroutine),
            api(self.munwatch, self.apiroutine),
            api(self.unwatch, self.apiroutine),
            api(self.unwatchall, self.apiroutine),
            api(self.transact, self.apiroutine),
            api(self.watchlist),
            api(self.walk, self.apiroutine),
            api(self.gettimestamp, self.apiroutine),
            api(self.asynctransact, self.apiroutine),
            api(self.writewalk, self.apiroutine),
            api(self.asyncwritewalk, self.apiroutine),
        )

    async def load(self, container: Any) -> None:
        """Load module"""
        self.scheduler.queue.addSubQueue(self.objectupdatepriority, DataObjectUpdateEvent.createMatcher(), "dataobjectupdate")
        notifier = await call_api(container, "updatenotifier", "createnotifier", {})
        await self._update.start(notifier)
        await super().load(container)

    async def unload(self, container: Any, force: bool = False) -> None:
        """Unload module"""
        await super().unload(container, force)
        await self._update.stop()
        self.scheduler.queue.removeSubQueue("dataobjectupdate")

    async def mget(self, keys: Iterable[str], requestid: Any, nostale: bool = False) -> List[Optional[ReferenceObject]]:
        """Get multiple objects and manage them. Return references to the objects.

        The objects, and all that strong references lead to, are one snapshot.

        :param keys: keys
        :param requestid: they are watched under this id until ``munwatch`` or ``unwatchall``
        :param nostale: raise instead of returning older values when the store cannot be read
        :return: a reference for each key, None for one that does not exist
        :raises StaleResultException: with ``nostale``, the store cannot be read
        :raises StorageUnavailableException: the store cannot be read, and not all values are known
        """
        references = await self.mwatch(keys, requestid, nostale)
        return [None if reference.isdeleted() else reference for reference in references]

    async def get(self, key: str, requestid: Any, nostale: bool = False) -> Optional[ReferenceObject]:
        """Get an object from specified key, and manage the object.
        Return a reference to the object or None if not exists."""
        return (await self.mget((key,), requestid, nostale))[0]

    async def mgetonce(self, keys: Iterable[str], nostale: bool = False) -> List[Any]:
        """Get multiple objects, return copies of them. Referenced objects are not retrieved.

        :return: a copy for each key, None for one that does not exist; one snapshot
        :raises StaleResultException: with ``nostale``, the store cannot be read; ``result`` has older values or None
        :raises StorageUnavailableException: the store cannot be read, and not all values are known
        """
        wanted = tuple(keys)
        try:
            values, _ = await call_api(self.apiroutine, "kvstorage", "mgetwithcache", {"keys": wanted})
        except StorageUnavailableException as error:
            values = self._update.known(wanted)
            if nostale:
                raise StaleResultException(values, "the store cannot be read: %s" % (error,)) from error
            if values is None:
                raise
        return [_private_copy(key, value) for key, value in zip(wanted, values)]

    async def getonce(self, key: str, nostale: bool = False) -> Any:
        """Get a object without manage it. Return a copy of the object, or None if not exists.
        Referenced objects are not retrieved."""
        return (await self.mgetonce((key,), nostale))[0]

    async def mwatch(self, keys: Iterable[str], requestid: Any, nostale: bool = False) -> List[ReferenceObject]:
        """Try to return all the references, see watch()"""
        wanted = tuple(keys)
        await self._request(wanted, dict.fromkeys(wanted, saver), requestid, nostale)
        return [self._update.managed(key) for key in wanted]

    async def watch(self, key: str, requestid: Any, nostale: bool = False) -> ReferenceObject:
        """Try to find an object and return a reference. Use reference.isdeleted() to test whether the object exists.
        Use reference.wait(container) to wait for the object to be existed."""
        return (await self.mwatch((key,), requestid, nostale))[0]

    async def munwatch(self, keys: Iterable[str], requestid: Any) -> None:
        """Cancel management of keys"""
        self._update.watches.remove(requestid, tuple(keys))

    async def unwatch(self, key: str, requestid: Any) -> None:
        """Cancel management of a key"""
        self._update.watches.remove(requestid, (key,))

    async def unwatchall(self, requestid: Any) -> None:
        """Cancel management for all keys that are managed by requestid"""
        self._update.watches.remove_all(requestid)

    def watchlist(self, requestid: Any = None) -> Dict[str, List[Any]]:
        """Return a dictionary whose keys are database keys, and values are lists of request ids.
        Optionally filtered by request id"""
        return self._update.watches.listing(requestid)

    async def walk(
        self, keys: Iterable[str], walkerdict: Dict[str, Callable[..., None]], requestid: Any, nostale: bool = False
    ) -> Tuple[List[str], List[Optional[ReferenceObject]]]:
        """Recursively retrieve keys with customized functions. walkerdict is a dictionary
        key->walker(key, obj, walk, save).

        :param keys: keys to begin with
        :param walkerdict: walkers see one snapshot, may run several times, and must not change objects
        :param requestid: what they save is watched under this id
        :param nostale: as in :meth:`mget`
        :return: (saved keys, a reference for each or None for one that does not exist)
        :raises Exception: as :meth:`mget`; and what a walker raises
        """
        saved = await self._request(tuple(keys), walkerdict, requestid, nostale)
        references = [self._update.managed(key) for key in saved]
        return list(saved), [None if reference.isdeleted() else reference for reference in references]

    async def _request(self, keys: Tuple[str, ...], walkers: Any, requestid: Any, nostale: bool) -> List[str]:
        request = Request(keys, walkers, requestid, nostale, Future(self.scheduler))
        try:
            return await self._update.submit(request)
        finally:
            if not request.future.done():
                request.future.set_result([])

    async def gettimestamp(self) -> int:
        """Get a timestamp from database server, in microseconds"""
        seen: List[int] = []

        def updater(keys: Any, values: Any, timestamp: int) -> Tuple[Any, Any]:
            seen[:] = [timestamp]
            return (), ()

        params = {"keys": (), "updater": updater}
        await call_api(self.apiroutine, "kvstorage", "updateallwithtime", params)
        return seen[0]

    async def transact(
        self, keys: Iterable[str], updater: Callable[..., Any], withtime: bool = False, maxtime: float = 60
    ) -> None:
        """Try to update keys in a transact, with an updater(keys, values), which returns (updated_keys, updated_values).
        The updater may be called more than once. If withtime = True, the updater should take three parameters:
        (keys, values, timestamp) with timestamp as the server time.

        :param keys: keys whose values the updater gets; it may write others too; None as a value deletes
        :param maxtime: seconds
        :raises TransactionTimeoutException: it took longer than ``maxtime``; nothing was written
        :raises AlreadyExistsException: two objects would have the same unique key
        :raises StorageUnavailableException: nothing was written
        :raises StorageOutcomeUnknownException: it is not known whether it was written
        :raises Exception: what the updater raises; nothing was written
        """
        names = tuple(keys)

        def body(snapshot: Dict[str, Any], timestamp: int) -> Any:
            return run_updater(updater, names, snapshot, *((timestamp,) if withtime else ()))

        await self._commit(names, body, self._deadline(maxtime))

    async def writewalk(
        self, keys: Iterable[str], walker: Callable[..., Any], withtime: bool = False, maxtime: float = 60
    ) -> Any:
        """A read-write transaction with walkers

        :param keys: initial keys used in walk. Provide keys already known to be necessary to optimize the transaction.
        :param walker: A walker should be `walker(walk, write)`, where `walk` is a function `walk(key)->value` to get a
                       value from the database, and `write` is a function `write(key, value)` to save value to the
                       database. A value can be write to a database any times. A `walk` called after `write` is
                       guaranteed to retrieve the previously written value.
        :param withtime: if withtime=True, an extra timestamp parameter is given to walkers, so walker should be
                         `walker(walk, write, timestamp)`
        :param maxtime: max execution time of this transaction
        :return: what the walker returned in its last run
        :raises Exception: as :meth:`transact`
        """
        return await self._commit(tuple(keys), _walker_body(walker, withtime), self._deadline(maxtime))

    async def asynctransact(
        self,
        asyncupdater: Callable[..., Any],
        withtime: bool = False,
        maxretry: Optional[int] = None,
        maxtime: float = 60,
    ) -> None:
        """Read-Write transaction with asynchronous operations.

        First, the `asyncupdater` is called with `asyncupdater(last_info, container)`. `last_info` is the info from last
        `AsyncTransactionLockException`. When `asyncupdater` is called for the first time, last_info = None. It returns
        `(updater, keys)`, for a transaction as in `transact`, or None to end without one. The updater can raise
        `AsyncTransactionLockException` to restart from `asyncupdater`.

        :param asyncupdater: An async updater `asyncupdater(last_info, container)` which returns `(updater, keys)`
        :param withtime: Whether the returned updater need a timestamp
        :param maxretry: Limit the max retried times
        :param maxtime: Limit the execution time. The transaction is abandoned if still not completed after `maxtime`
                        seconds.
        :raises TransactionRetryExceededException: more than ``maxretry`` restarts
        :raises Exception: as :meth:`transact`
        """

        async def factory(info: Any) -> Any:
            made = await asyncupdater(info, self.apiroutine)
            if made is None:
                return None
            updater, keys = made
            names = tuple(keys)

            def body(snapshot: Dict[str, Any], timestamp: int) -> Any:
                return run_updater(updater, names, snapshot, *((timestamp,) if withtime else ()))

            return names, body

        await self._commit_restarting(factory, maxretry, maxtime)

    async def asyncwritewalk(self, asyncwalker: Callable[..., Any], withtime: bool = False, maxtime: float = 60) -> Any:
        """A read-write transaction with walker factory

        :param asyncwalker: an async function called as `asyncwalker(last_info, container)` and returns (keys, walker),
                            which are the same as parameters of `writewalk`, or None to end without a transaction. A
                            walker can raise AsyncTransactionLockException to restart
        :param withtime: if withtime=True, an extra timestamp parameter is given to walkers, so walkers should be
                         `walker(walk, write, timestamp)`
        :param maxtime: max execution time of this transaction
        :return: what the walker returned in its last run
        :raises Exception: as :meth:`transact`
        """

        async def factory(info: Any) -> Any:
            made = await asyncwalker(info, self.apiroutine)
            if made is None:
                return None
            keys, walker = made
            return tuple(keys), _walker_body(walker, withtime)

        return await self._commit_restarting(factory, None, maxtime)

    def _deadline(self, maxtime: Optional[float]) -> Optional[float]:
        return None if maxtime is None else self.scheduler.current_time + maxtime

    async def _commit_restarting(self, factory: Any, maxretry: Optional[int], maxtime: Optional[float]) -> Any:
        deadline = self._deadline(maxtime)
        info, restarts = None, 0
        while True:
            made = await factory(info)
            if made is None:
                return None
            try:
                return await self._commit(*made, deadline)
            except AsyncTransactionLockException as restart:
                info = restart.info
            restarts += 1
            if maxretry is not None and restarts > maxretry:
                raise TransactionRetryExceededException

    async def _commit(self, keys: Tuple[str, ...], body: Body, deadline: Optional[float]) -> Any:
        wanted = dict.fromkeys(keys)
        while True:
            if deadline is not None and self.scheduler.current_time > deadline:
                raise TransactionTimeoutException
            try:
                done = await self._try(tuple(wanted), body)
            except _Unfinished as unfinished:
                outcome = unfinished.outcome
                if isinstance(outcome, Restart):
                    raise AsyncTransactionLockException(outcome.info) from None
                if outcome.keys <= wanted.keys():
                    raise ValueError("a walker raises WalkKeyNotRetrieved for keys it has: %.200r" % (outcome.keys,))
                wanted.update(dict.fromkeys(sorted(outcome.keys)))
                await self.apiroutine.do_events()
                continue
            await self._update.settled(done.versions, _OWN_WRITE_SECONDS)
            return done.result

    async def _try(self, keys: Tuple[str, ...], body: Body) -> Complete:
        last: List[Complete] = []

        def updater(names: Sequence[str], values: Sequence[Any], timestamp: int) -> Tuple[Any, Any]:
            if self.debuggingupdater or self.runtwice:
                _run_twice(body, names, values, timestamp)
            outcome = run_transaction(body, names, values, timestamp)
            if isinstance(outcome, (Missing, Restart)):
                raise _Unfinished(outcome)
            last[:] = [outcome]
            return tuple(outcome.writes), tuple(outcome.writes.values())

        await call_api(self.apiroutine, "kvstorage", "updateallwithtime", {"keys": keys, "updater": updater})
        done = last[0]
        if done.writes:
            await self._update.publish(done.versions)
        return done


def _walker_body(walker: Callable[..., Any], withtime: bool) -> Body:
    def body(snapshot: Dict[str, Any], timestamp: int) -> Any:
        return attempt(walker, snapshot, *((timestamp,) if withtime else ()))

    return body


def _private_copy(key: str, value: Any) -> Any:
    copied = plain_copy(value)
    if isinstance(copied, DataObject):
        copied.setkey(key)
    return copied


def _run_twice(body: Body, names: Sequence[str], values: Sequence[Any], timestamp: int) -> None:
    def copies() -> Dict[str, Any]:
        return {key: _private_copy(key, value) for key, value in zip(names, values)}

    def same(one: Any, other: Any) -> bool:
        return encode_stored(one) == encode_stored(other)

    check_purity(body, copies, timestamp, same)
