"""The update routine of ObjectDB: keeps the data mirror current and answers requests from it.

One cycle reads the keys that changed, those that requests miss, and what newly seen strong references
lead to, in one snapshot. When nothing is left to read, the mirror is one state of the database: managed
references are pointed to its objects, events are sent, and requests are run on it.
"""

from __future__ import annotations

import itertools
import logging
from typing import Any, Dict, Iterable, List, Optional, Sequence, Set

from vlcp.event.future import Future
from vlcp.server.module import call_api
from vlcp.service.kvdb._txn.mirror import Mirror, Version, checked_version, later
from vlcp.service.kvdb._txn.walk import Memo, Walker, run_walkers
from vlcp.service.kvdb._txn.watches import Watches
from vlcp.service.kvdb.redisnotifier import Notification, UpdateNotification
from vlcp.utils.dataobject import DataObject, DataObjectUpdateEvent, ReferenceObject
from vlcp.utils.exceptions import (
    APIRejectedException,
    ModuleAPICallTimeoutException,
    StaleResultException,
    StorageUnavailableException,
    WalkKeyNotRetrieved,
)
from vlcp.utils.growing import holder_of, newly_large, parts_to_follow
from vlcp.utils.jsonencoder import StoredValueError

_logger = logging.getLogger(__name__)

_RETRY_SECONDS = 0.5
_COLLECT_SECONDS = 10.0
_UNREADABLE = (StorageUnavailableException, ModuleAPICallTimeoutException, APIRejectedException)
_NOTICE_SECONDS = 0.05
"""So long the notice is awaited of a change that was read before; then the whole mirror is read at once."""
_PATIENT_CYCLES = 16
"""After so many cycles in which new changes kept arriving, the whole mirror is read at once."""


class Request:
    """Walkers to be run on the mirror for one caller.

    :param keys: keys to begin with
    :param walkers: as in :func:`run_walkers`
    :param requestid: watches what is saved
    :param nostale: the caller does not take older values when the database cannot be read
    :param future: gets the list of saved keys
    """

    def __init__(self, keys: Iterable[str], walkers: Dict[str, Walker], requestid: Any, nostale: bool, future: Future) -> None:
        self.keys = tuple(keys)
        self.walkers = walkers
        self.requestid = requestid
        self.nostale = nostale
        self.future = future
        self.memo = Memo()
        self.used: Set[str] = set(self.keys)
        self.missing: Set[str] = set()


class UpdateRoutine:
    """The mirror of one process.

    :param container: runs the routine
    :param shared: other programs write too, which may notify later than our own do
    """

    def __init__(self, container: Any, shared: bool = False) -> None:
        self.container = container
        self.scheduler = container.scheduler
        self.mirror = Mirror()
        self.watches = Watches()
        self._shared = shared
        self._notifier: Any = None
        self._managed: Dict[str, ReferenceObject] = {}
        self._requests: List[Request] = []
        self._settling: List[Any] = []
        self._dirty: Dict[str, Optional[Version]] = {}
        self._owed: Set[str] = set()
        self._fresh: Set[str] = set()
        self._parts: Dict[str, Set[str]] = {}
        self._changed: Set[str] = set()
        self._new: Set[str] = set()
        self._cache: Any = None
        self._cycles = 0
        self._notices_by = 0.0
        self._wake: Optional[Future] = None
        self._unreachable = False
        self._serial = itertools.count(1)
        self._routines: List[Any] = []

    async def start(self, notifier: Any) -> None:
        """Begin to follow the database."""
        self._notifier = notifier
        self.mirror = Mirror(notifier.ordered and not self._shared)
        notifier.add_callback(self._notified)
        await notifier.start(self.container)
        self._routines = [
            self.container.subroutine(self._main(), False, daemon=True),
            self.container.subroutine(self._collect(), False, daemon=True),
        ]

    async def stop(self) -> None:
        """Stop following; requests that wait fail."""
        for routine in self._routines:
            routine.close()
        self._notifier.remove_callback(self._notified)
        await self._notifier.stop(self.container)
        for request in self._requests:
            self._fail(request, StorageUnavailableException("objectdb is being unloaded"))
        self._requests.clear()

    def managed(self, key: str) -> Optional[ReferenceObject]:
        """Return the reference that follows ``key``; its object is that of the mirror."""
        found = self._managed.get(key)
        if found is None:
            found = self._managed[key] = ReferenceObject(key)
            if key in self.mirror:
                found.kvdb_retrievefinished({key: self.mirror.value(key)})
        return found

    def submit(self, request: Request) -> Future:
        """Answer ``request`` as soon as possible, at once when the mirror has all; return its future."""
        if self._unsettled() or not self._run(request):
            request.missing = request.missing or {key for key in request.used if key not in self.mirror}
            self._requests.append(request)
            self._kick()
        return request.future

    async def publish(self, versions: Dict[str, Version]) -> None:
        """Tell all processes what this one committed."""
        await self._notifier.publish(tuple(versions), list(versions.values()))

    async def settled(self, versions: Dict[str, Version], limit: float) -> None:
        """Wait until those of these keys that are in the mirror have these versions, at most ``limit`` seconds."""
        waited = {key: version for key, version in versions.items() if key in self.mirror}
        if not waited or self._is_settled(waited):
            return
        waiting = (waited, Future(self.scheduler))
        self._settling.append(waiting)
        try:
            await self.container.execute_with_timeout(limit, waiting[1].wait())
        finally:
            if waiting in self._settling:
                self._settling.remove(waiting)

    def _is_settled(self, versions: Dict[str, Version]) -> bool:
        mirror, changed = self.mirror, self._changed
        return all(key not in mirror or (key not in changed and mirror.covers(key, version)) for key, version in versions.items())

    def _unsettled(self) -> bool:
        """Tell whether something is still to be read or to be published."""
        return bool(self._dirty or self._owed or self._changed or self._new)

    def _kick(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    def _notified(self, notification: Notification) -> None:
        if notification.reason == UpdateNotification.RESTORED:
            keys: Sequence[str] = [*self.mirror, *(key for key in self._fresh if key not in self.mirror)]
            versions: Sequence[Any] = [None] * len(keys)
        else:
            keys = notification.keys
            versions = notification.versions or [None] * len(keys)
        known = [checked_version(version) for version in versions]
        awaited = bool(self.mirror.untold)
        dirty = {
            key: version
            for key, version in zip(keys, known)
            if self.mirror.mark(key, version) or (key in self._fresh and key not in self.mirror)
        }
        # Notices of a key may come in another order than its changes: the latest counts.
        self._dirty.update((key, later(self._dirty.get(key, version), version)) for key, version in dirty.items())
        if dirty or (awaited and not self.mirror.untold):
            self._kick()

    async def _main(self) -> None:
        while True:
            if not (self._requests or self._unsettled() or self.mirror.untold):
                self._wake = Future(self.scheduler)
                await self._wake
            await self._cycle()

    async def _cycle(self) -> None:
        self._cycles += 1
        missing = set().union(*[request.missing for request in self._requests])
        wanted = self._owed.union(self._dirty, missing)
        whole = self._cycles > _PATIENT_CYCLES
        if whole:
            wanted |= set(self.mirror)
        if wanted and not await self._read(wanted):
            return
        if self._owed or (self._dirty and not whole):
            return
        if self.mirror.untold:
            await self._hear_notices()
            return
        self._cycles = 0
        self._publish()
        self._requests = [request for request in self._requests if not self._run(request)]

    async def _hear_notices(self) -> None:
        """Wait for notices of what has been read before it was notified: they name what has changed together with it."""
        left = self._notices_by - self.scheduler.current_time
        if left > 0:
            self._wake = Future(self.scheduler)
            await self.container.execute_with_timeout(left, self._wake.wait())
        else:
            self._dirty.update(dict.fromkeys(self.mirror))

    async def _read(self, wanted: Set[str]) -> bool:
        taken, self._dirty = self._dirty, {}
        self._fresh = {key for key in wanted if key not in self.mirror}
        try:
            if self._fresh:
                await self._notifier.add_listen(*self._fresh)
            values = await self._values(list(wanted))
        except _UNREADABLE as error:
            self._dirty = {key: version for key, version in {**taken, **self._dirty}.items() if key in self.mirror}
            await self._unavailable(error)
            return False
        if self.mirror.ordered and not self.mirror.is_all(wanted) and not await self._notifier.heard(self._cache.mark):
            self._dirty.update(dict.fromkeys(self.mirror))
            return False
        if self._unreachable:
            self._unreachable = False
            _logger.info("objectdb: the store can be read again")
        # Keys that were collected meanwhile are listened to no longer.
        self._advance({key: value for key, value in values.items() if key in self.mirror or key in self._fresh})
        return True

    async def _values(self, keys: List[str]) -> Dict[str, Any]:
        bad: Set[str] = set()
        while True:
            asked = [key for key in keys if key not in bad]
            try:
                params = {"keys": tuple(asked), "cache": self._cache}
                values, self._cache = await call_api(self.container, "kvstorage", "mgetwithcache", params)
            except StoredValueError as error:
                if error.key in bad:
                    raise
                _logger.error("objectdb: taken as missing: %s", error)
                bad.add(error.key)
                continue
            found: Dict[str, Any] = dict.fromkeys(bad)
            found.update(zip(asked, values))
            return {key: value if self.mirror.has(key, value) else _with_key(key, value) for key, value in found.items()}

    def _advance(self, values: Dict[str, Any]) -> None:
        before = {key: self.mirror.value(key) for key in values if key in self.mirror}
        if not self.mirror.untold:
            self._notices_by = self.scheduler.current_time + _NOTICE_SECONDS
        result = self.mirror.advance(values)
        self._dirty = {
            key: version
            for key, version in self._dirty.items()
            if version is None or key not in values or not self.mirror.covers(key, version)
        }
        for key, version in self._dirty.items():
            self.mirror.mark(key, version)
        self._changed |= result.changed
        self._new |= result.added
        self._owed = {ref for key in self._changed | self._new for ref in self.mirror.references(key) if ref not in self.mirror}
        for key in result.changed:
            parts = newly_large(before[key], self.mirror.value(key))
            if parts:
                self._parts.setdefault(key, set()).update(parts)
        self._owe_parts()
        if self.mirror.ordered:
            self.mirror.untold.clear()
        elif result.traceless:
            self._dirty.update((key, None) for key in self.mirror if key not in values)

    def _owe_parts(self) -> None:
        """Read the parts of changed sets that are followed, so that what was readable stays so."""
        for key in self._changed & self._parts.keys():
            parts = parts_to_follow(self.mirror.value(key), self._parts[key])
            self._parts[key].update(parts)
            self._owed.update(part for part in parts if part not in self.mirror)

    def _publish(self) -> None:
        touched, changed = self._changed | self._new, self._changed
        self._changed, self._new = set(), set()
        for key in touched:
            value = self.mirror.value(key)
            reference = self._managed.get(key)
            if reference is not None:
                reference.kvdb_retrievefinished({key: value})
            refs = self.mirror.references(key)
            if refs:
                value.kvdb_retrievefinished({ref: self.managed(ref) for ref in refs})
        if changed:
            self._send_events(changed)
        self._release()

    def _send_events(self, changed: Set[str]) -> None:
        transactid = "objectdb-%x" % (next(self._serial),)
        holders = {holder for holder in map(holder_of, changed) if holder is not None and holder in self.mirror}
        for key in changed | holders:
            kind = DataObjectUpdateEvent.DELETED if self.mirror.value(key) is None else DataObjectUpdateEvent.UPDATED
            event = DataObjectUpdateEvent(key, transactid, kind, object=self.managed(key))
            self.scheduler.emergesend(event)

    def _release(self) -> None:
        waiting, self._settling = self._settling, []
        for versions, future in waiting:
            if self._is_settled(versions):
                future.set_result(None)
            else:
                self._settling.append((versions, future))

    def _run(self, request: Request, stale: bool = False) -> bool:
        if request.future.done():
            return True
        try:
            result = run_walkers(self.mirror, request.keys, request.walkers, request.memo, stale)
        except Exception as error:
            self._fail(request, error)
            return True
        request.used = result.used
        if result.missing:
            request.missing = result.missing if self.mirror.ordered else result.used | self._foreseen(request)
            return False
        self.watches.add(request.requestid, result.saved)
        for key, parts in result.parts.items():
            self._parts.setdefault(key, set()).update(parts)
        request.future.set_result(result.saved)
        return True

    def _foreseen(self, request: Request) -> Set[str]:
        """Return what the walkers would use if nothing had changed since it was read, so that all of it is read at once."""
        try:
            return run_walkers(self.mirror, request.keys, request.walkers, request.memo, True).used
        except Exception:
            # Values of several moments may look impossible; the walkers will see those of one.
            return set()

    async def _unavailable(self, error: Exception) -> None:
        if not self._unreachable:
            self._unreachable = True
            _logger.warning("objectdb: the store cannot be read, older values are used: %s", error)
        requests, self._requests = self._requests, []
        for request in requests:
            if request.nostale:
                self._fail(request, StaleResultException(None, "the store cannot be read: %s" % (error,)))
            elif not self._run(request, True):
                self._fail(request, error)
        self._wake = Future(self.scheduler)
        await self.container.execute_with_timeout(_RETRY_SECONDS, self._wake.wait())

    @staticmethod
    def _fail(request: Request, error: Exception) -> None:
        if not request.future.done():
            request.future.set_exception(error)

    async def _collect(self) -> None:
        while True:
            await self.container.wait_with_timeout(_COLLECT_SECONDS)
            await self.collect()

    async def collect(self) -> None:
        """Stop following keys that nobody watches any more, nor refers to strongly."""
        wanted = set(self.watches.keys()).union(*[request.used for request in self._requests])
        live = self.mirror.closure(wanted)
        self._parts = {key: parts for key, parts in self._parts.items() if key in live}
        live.update(*self._parts.values())
        gone = [key for key in self.mirror if key not in live]
        if not gone:
            return
        self.mirror.forget(gone)
        self._changed.difference_update(gone)
        self._new.difference_update(gone)
        for key in gone:
            self._dirty.pop(key, None)
            self._managed.pop(key, None)
        if self._cache is not None:
            self._cache.gc(live)
        await self._notifier.remove_listen(*gone)

    def known(self, keys: Iterable[str]) -> Optional[List[Any]]:
        """Return the last known values of ``keys``, or None when the mirror does not have all of them."""
        try:
            snapshot = self.mirror.snapshot(True)
            return [snapshot.walk(key) for key in keys]
        except WalkKeyNotRetrieved:
            return None


def _with_key(key: str, value: Any) -> Any:
    if isinstance(value, DataObject):
        try:
            value.setkey(key)
        except ValueError as error:
            _logger.error("objectdb: taken as missing: %s", error)
            return None
    return value
