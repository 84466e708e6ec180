"""ObjectDB: transactions and live views of data objects (manual 4.4, 5.6.3).

Reading: a request names keys or walkers and a request id. What is retrieved is watched under that id: the
returned references follow the database, and :class:`DataObjectUpdateEvent` tells of every change, until it
is unwatched. Writing: an updater or a write walker runs on a snapshot, possibly several times, and is
committed only if nobody changed in between what it had read.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple

from vlcp.config import defaultconfig
from vlcp.event.event import Event, withIndices
from vlcp.event.future import QuietFuture
from vlcp.event.runnable import RoutineContainer
from vlcp.server.module import Module, api, call_api, depend
from vlcp.service.kvdb._commit import Committer, private_copy, updater_transaction, walker_transaction
from vlcp.service.kvdb._txn.walk import saver
from vlcp.service.kvdb._update import Request, UpdateRoutine
from vlcp.service.kvdb.redisnotifier import UpdateNotifier
from vlcp.service.kvdb.storage import KVStorage
from vlcp.utils.dataobject import DataObjectUpdateEvent, ReferenceObject
from vlcp.utils.exceptions import ModuleAPICallTimeoutException, StaleResultException, StorageUnavailableException
from vlcp.utils.metrics import GAUGE, single

_READINESS_KEY = "vlcp.readiness"
_READY_SECONDS = 3.0


@withIndices()
class RetrieveRequestSend(Event):
    """A request for values was sent to the update routine; nothing sends it now, the routine is woken directly."""


@withIndices("id")
class RetrieveReply(Event):
    """A request for values was answered; nothing sends it now, requests have futures."""


@defaultconfig
@depend(KVStorage, UpdateNotifier)
class ObjectDB(Module):
    """Transactions and live views of the data objects in the key-value store"""

    service = True
    _default_objectupdatepriority = 450
    "Priority of the queue that object updates (DataObjectUpdateEvent) wait in; larger numbers go first"
    _default_debuggingupdater = False
    "Run every updater and walker twice on copies; refuse the transaction when the results differ"
    _default_runtwice = False
    "The same as debuggingupdater"
    _default_sharedwithv2 = False
    "Write the form that VLCP 2 reads too; each change of a large network then writes a list of all its ports"

    def __init__(self, server: Any) -> None:
        super().__init__(server)
        self.apiroutine = RoutineContainer(self.scheduler)
        self._update = UpdateRoutine(self.apiroutine, self.sharedwithv2)
        self._committer = Committer(self.apiroutine, self._update, self.debuggingupdater or self.runtwice, self.sharedwithv2)
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
            api(self.metrics),
            api(self.ready, self.apiroutine),
        )

    async def load(self, container: Any) -> None:
        """Set up the queue of update events, and begin to listen to changes of the database."""
        self.scheduler.queue.addSubQueue(self.objectupdatepriority, DataObjectUpdateEvent.createMatcher(), "dataobjectupdate")
        notifier = await call_api(container, "updatenotifier", "createnotifier", {})
        await self._update.start(notifier)
        await super().load(container)

    async def unload(self, container: Any, force: bool = False) -> None:
        """Stop listening; references that were handed out no longer change."""
        await super().unload(container, force)
        await self._update.stop()
        self.scheduler.queue.removeSubQueue("dataobjectupdate")

    async def mget(self, keys: Iterable[str], requestid: Any, nostale: bool = False) -> List[Optional[ReferenceObject]]:
        """Read several objects and keep them up to date.

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
        """Read one object and keep it up to date; parameters and errors as for ``mget``.

        :return: a reference, or None for an object that does not exist
        """
        return (await self.mget((key,), requestid, nostale))[0]

    async def mgetonce(self, keys: Iterable[str], nostale: bool = False) -> List[Any]:
        """Read several objects as they are now; they are neither watched nor followed to what they refer to.

        :param keys: keys
        :param nostale: raise instead of returning older values when the store cannot be read
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
        return [private_copy(key, value) for key, value in zip(wanted, values)]

    async def getonce(self, key: str, nostale: bool = False) -> Any:
        """Read one object as it is now; see ``mgetonce``.

        :return: a copy, or None for an object that does not exist
        """
        return (await self.mgetonce((key,), nostale))[0]

    async def mwatch(self, keys: Iterable[str], requestid: Any, nostale: bool = False) -> List[ReferenceObject]:
        """Watch several keys, whether their objects exist or not; parameters and errors as for ``mget``.

        :return: a reference for each key; see ``watch`` for those without an object
        """
        wanted = tuple(keys)
        await self._request(wanted, dict.fromkeys(wanted, saver), requestid, nostale)
        return [self._update.managed(key) for key in wanted]

    async def watch(self, key: str, requestid: Any, nostale: bool = False) -> ReferenceObject:
        """Watch a key, whether its object exists or not; parameters and errors as for ``mget``.

        :return: a reference. ``reference.isdeleted()`` tells that there is no object now, and
            ``await reference.wait(container)`` returns as soon as there is one
        """
        return (await self.mwatch((key,), requestid, nostale))[0]

    async def munwatch(self, keys: Iterable[str], requestid: Any) -> None:
        """Stop watching several keys under a request id; others that watch them keep their references.

        :param keys: keys; those not watched are passed over
        :param requestid: the id they were read or watched with
        """
        self._update.watches.remove(requestid, tuple(keys))

    async def unwatch(self, key: str, requestid: Any) -> None:
        """Stop watching a key under a request id; see ``munwatch``."""
        self._update.watches.remove(requestid, (key,))

    async def unwatchall(self, requestid: Any) -> None:
        """Stop watching all keys of a request id.

        :param requestid: the id they were read or watched with
        """
        self._update.watches.remove_all(requestid)

    def watchlist(self, requestid: Any = None) -> Dict[str, List[Any]]:
        """List the keys that are watched, for people who look for forgotten watches.

        :param requestid: list only the keys of this id; None for all
        :return: ``{key: [request id, ...]}``
        """
        return self._update.watches.listing(requestid)

    async def walk(
        self, keys: Iterable[str], walkerdict: Dict[str, Callable[..., None]], requestid: Any, nostale: bool = False
    ) -> Tuple[List[str], List[Optional[ReferenceObject]]]:
        """Read objects whose keys are found on the way, by functions that go from one object to the next.

        :param keys: keys to begin with
        :param walkerdict: ``{key: walker}``, one for each of ``keys``. A walker is called as ``walker(key, obj, walk, save)``:
            ``walk(key)`` returns another object, ``save(key)`` adds a key to the result. Walkers see one snapshot, may run
            several times, and must not change objects
        :param requestid: what they save is watched under this id
        :param nostale: as for ``mget``
        :return: (saved keys, a reference for each or None for one that does not exist)
        :raises Exception: as ``mget``; and what a walker raises
        """
        saved = await self._request(tuple(keys), walkerdict, requestid, nostale)
        references = [self._update.managed(key) for key in saved]
        return list(saved), [None if reference.isdeleted() else reference for reference in references]

    async def _request(self, keys: Tuple[str, ...], walkers: Any, requestid: Any, nostale: bool) -> List[str]:
        request = Request(keys, walkers, requestid, nostale, QuietFuture(self.scheduler))
        try:
            return await self._update.submit(request)
        finally:
            if not request.future.done():
                request.future.set_result([])

    async def gettimestamp(self) -> int:
        """Return the time of the store, in microseconds; it never goes back.

        :raises StorageUnavailableException: the store does not answer
        """
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
        """Write objects in one transaction, from the values of keys that are known beforehand.

        :param keys: keys whose values the updater gets; it may write others too
        :param updater: ``updater(keys, values)``, or ``updater(keys, values, timestamp)`` with ``withtime``. It returns
            ``(updated_keys, updated_values)``; None as a value deletes. It runs again when somebody else has changed a value
            meanwhile, so it must not do anything else
        :param withtime: give the updater the time of the store in microseconds
        :param maxtime: seconds; None for no limit
        :raises TransactionTimeoutException: it took longer than ``maxtime``; nothing was written
        :raises AlreadyExistsException: two objects would have the same unique key
        :raises StorageUnavailableException: nothing was written
        :raises StorageOutcomeUnknownException: it is not known whether it was written
        :raises Exception: what the updater raises; nothing was written
        """
        await self._committer.commit(updater_transaction(keys, updater, withtime), maxtime)

    async def writewalk(
        self, keys: Iterable[str], walker: Callable[..., Any], withtime: bool = False, maxtime: float = 60
    ) -> Any:
        """Write objects in one transaction that finds the keys it needs while it runs.

        :param keys: keys to read before the first run; the more of the needed ones they cover, the fewer runs it takes
        :param walker: ``walker(walk, write)``, or ``walker(walk, write, timestamp)`` with ``withtime``. ``walk(key)`` returns
            the value of a key, which is what the walker itself wrote there last if it did; ``write(key, value)`` sets it, as
            often as wanted, and None deletes. The walker runs from its beginning each time that it needs a value which is not
            read yet, or which somebody else has changed, so it must not do anything else
        :param withtime: give the walker the time of the store in microseconds
        :param maxtime: seconds; None for no limit
        :return: what the walker returned in its last run
        :raises Exception: as ``transact``
        """
        return await self._committer.commit(walker_transaction(keys, walker, withtime), maxtime)

    async def asynctransact(
        self,
        asyncupdater: Callable[..., Any],
        withtime: bool = False,
        maxretry: Optional[int] = None,
        maxtime: float = 60,
    ) -> None:
        """Write objects in one transaction that has to wait for something before it knows what to write.

        :param asyncupdater: ``await asyncupdater(last_info, container)`` returns ``(updater, keys)`` for a transaction as in
            ``transact``, or None to end without one. The updater may raise ``AsyncTransactionLockException(info)``: then
            nothing is written, and ``asyncupdater`` is called again with that info. In the first call it is None
        :param withtime: give the updater the time of the store in microseconds
        :param maxretry: how often it may begin again; None for no limit
        :param maxtime: seconds for all of it; None for no limit
        :raises TransactionRetryExceededException: more than ``maxretry`` restarts
        :raises Exception: as ``transact``
        """

        async def factory(info: Any) -> Any:
            made = await asyncupdater(info, self.apiroutine)
            if made is None:
                return None
            updater, keys = made
            return updater_transaction(keys, updater, withtime)

        await self._committer.commit_restarting(factory, maxretry, maxtime)

    async def asyncwritewalk(self, asyncwalker: Callable[..., Any], withtime: bool = False, maxtime: float = 60) -> Any:
        """Write objects in one walker's transaction that has to wait for something before it knows what to write.

        :param asyncwalker: ``await asyncwalker(last_info, container)`` returns ``(keys, walker)`` for a transaction as in
            ``writewalk``, or None to end without one; restarts as in ``asynctransact``
        :param withtime: give the walker the time of the store in microseconds
        :param maxtime: seconds for all of it; None for no limit
        :return: what the walker returned in its last run
        :raises Exception: as ``transact``
        """

        async def factory(info: Any) -> Any:
            made = await asyncwalker(info, self.apiroutine)
            if made is None:
                return None
            keys, walker = made
            return walker_transaction(keys, walker, withtime)

        return await self._committer.commit_restarting(factory, None, maxtime)

    def metrics(self):
        """Return the numbers of transactions and of the mirror; see :class:`~vlcp.utils.metrics.Metric`."""
        mirrored = single("vlcp_mirrored_keys", GAUGE, "Keys of the database that are followed.", len(self._update.mirror))
        return [*self._committer.counts.metrics(), mirrored]

    async def ready(self):
        """Return None when the store can be read, else why not."""
        try:
            await call_api(self.apiroutine, "kvstorage", "mgetwithcache", {"keys": (_READINESS_KEY,)}, _READY_SECONDS)
        except (StorageUnavailableException, ModuleAPICallTimeoutException) as error:
            return "the store cannot be read: %s" % (error,)
        return None
