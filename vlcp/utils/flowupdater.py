"""From objects in the database to flows of one connection: walk, update, wait, walk again (manual 4.5.1, 5.7.7).

A subclass sets ``self._walkerdict`` (``{key: walker}``, see ``objectdb/walk``) and overrides :meth:`FlowUpdater.updateflow`.
Each walker is run again only when an object changed that it had saved, or when it is new, so that a change among many
objects costs in proportion to the change.
"""

from __future__ import annotations

import logging
from typing import Any, Callable, Dict, Iterable, List, Mapping, Sequence, Set, Tuple
from weakref import WeakKeyDictionary

from vlcp.event.event import Event, withIndices
from vlcp.event.runnable import RoutineContainer
from vlcp.server.module import call_api
from vlcp.utils.dataobject import DataObjectUpdateEvent
from vlcp.utils.exceptions import StorageUnavailableException
from vlcp.utils.walkerlib import Walkers

_logger = logging.getLogger(__name__)

_RETRY_S = 1.0


@withIndices("updater", "type")
class FlowUpdaterNotification(Event):
    """Tells an updater that it has something to do; notifications say only that something changed, and carry nothing."""

    STARTWALK = "startwalk"
    DATAUPDATED = "dataupdated"
    FLOWUPDATE = "flowupdate"


class _Walked:
    """A walker that remembers what it saved when it ran last."""

    def __init__(self, walker: Callable[..., Any]) -> None:
        self.walker = walker
        self.saved: Set[str] = set()

    def __call__(self, key: str, value: Any, walk: Callable[[str], Any], save: Callable[[str], None]) -> Any:
        self.saved = set()

        def record(saved_key: str) -> None:
            self.saved.add(saved_key)
            save(saved_key)

        return self.walker(key, value, walk, record)


class _Listeners(RoutineContainer):
    """Tells the updaters of a scheduler which objects change: one routine for all of them."""

    def __init__(self, scheduler: Any) -> None:
        super().__init__(scheduler)
        self._updaters: Dict[FlowUpdater, None] = {}
        self._routine: Any = None

    def add(self, updater: FlowUpdater) -> None:
        self._updaters[updater] = None
        if self._routine is None:
            self._routine = self.subroutine(self._listen(), False, daemon=True)

    def remove(self, updater: FlowUpdater) -> None:
        self._updaters.pop(updater, None)
        if not self._updaters and self._routine is not None:
            _listeners.pop(self.scheduler, None)
            self.terminate(self._routine)

    async def _listen(self) -> None:
        updates = DataObjectUpdateEvent.createMatcher()
        while True:
            event = await updates
            for updater in list(self._updaters):
                try:
                    updater.hear(event.key)
                except Exception:
                    _logger.exception("%r does not hear of a change of %s", updater, event.key)


_listeners: WeakKeyDictionary[Any, _Listeners] = WeakKeyDictionary()


def _listeners_of(scheduler: Any) -> _Listeners:
    found = _listeners.get(scheduler)
    if found is None:
        found = _listeners[scheduler] = _Listeners(scheduler)
    return found


class FlowUpdater(RoutineContainer):
    """Keeps the flows of one switch in step with data objects: a base class for modules.

    After a walk completes, :meth:`updateflow` gets the objects that are new, gone or different. It is never called again
    before it has returned; changes that come meanwhile are merged into the next call.

    :param connection: OpenFlow connection
    :param initialkeys: deprecated: keys of walkers that save just the object of their key
    :param requestid: under which objects are watched; None for one of its own
    :param logger: that of a module, None for this module's
    """

    _wants_everything = True
    """False in a subclass whose :meth:`reset_initialkeys` and :meth:`walkcomplete` do nothing: they are not called. It calls
    :meth:`refresh_walkers` whenever it has changed ``self._walkerdict``."""

    def __init__(self, connection: Any, initialkeys: Iterable[str] = (), requestid: Any = None, logger: Any = None) -> None:
        super().__init__(connection.scheduler)
        self._connection = connection
        self._initialkeys: Sequence[str] = tuple(initialkeys)
        self._walkerdict: Dict[str, Callable[..., Any]] = {}
        self._requestid = (type(self).__name__, id(self)) if requestid is None else requestid
        self._logger = logger or _logger
        self._walked: Dict[str, _Walked] = {}
        self._users: Dict[str, Set[str]] = {}
        self._values: Dict[str, Any] = {}
        self._touched: Set[str] = set()
        self._forced: Dict[str, Any] = {}
        self._restart = False
        self._walkers_changed = True
        self._due = False
        self._notified = False
        self._helpers: Dict[object, Any] = {}

    def reset_initialkeys(self, keys: Sequence[str], values: Sequence[Any]) -> None:
        """Called when the walkers have run; an override may change ``self._initialkeys`` and ``self._walkerdict``.

        :param keys: all keys that walkers have saved
        :param values: their objects, None for those that do not exist
        """

    async def walkcomplete(self, keys: Sequence[str], values: Sequence[Any]) -> None:
        """Called when the walkers have run, before :meth:`updateflow`; parameters as for :meth:`reset_initialkeys`."""

    async def updateflow(self, connection: Any, addvalues: Set[Any], removevalues: Set[Any], updatedvalues: Set[Any]) -> None:
        """Called to change the flows, with the objects that are new, gone and different since the last call.

        :param connection: the connection of this updater
        """

    def shouldupdate(self, newvalues: Set[Any], updatedvalues: Set[Any]) -> bool:
        """Return False to ignore an update of objects.

        :param newvalues: objects of this update that were not there before
        :param updatedvalues: objects that changed
        """
        return True

    def hear_change(self) -> None:
        """Called at once when an object that a walker has saved changes in the database."""

    async def before_update(self) -> None:
        """Called before each update; what changes until it returns belongs to that update."""

    def after_update(self) -> None:
        """Called after each update, also one that has failed."""

    async def restart_walk(self) -> None:
        """Run all walkers again."""
        self._restart = True
        self._notify(FlowUpdaterNotification.STARTWALK)

    def refresh_walkers(self) -> None:
        """Take a changed ``self._walkerdict``: run walkers of new keys, drop the objects of keys that are gone.

        A key whose walker is another one now needs :meth:`restart_walk`."""
        self._walkers_changed = True
        self._notify(FlowUpdaterNotification.STARTWALK)

    @property
    def notified(self) -> bool:
        """True when another update follows at once."""
        return self._notified

    async def walk_now(self) -> Set[str]:
        """Take a changed ``self._walkerdict`` within :meth:`updateflow`, as :meth:`refresh_walkers` does later.

        :return: keys of the objects that have come or gone with it
        :raises Exception: as ``objectdb/walk``
        """
        self._walkers_changed = self._walkers_changed or not isinstance(self._walkerdict, Walkers)
        added, removed, _ = _differences(await self._walk(set(), False), set(), False)
        return {*added, *removed}

    def walked_all(self) -> bool:
        """True when every walker has run."""
        if not (self._wants_everything or self._walkers_changed or getattr(self._walkerdict, "changed", None)):
            return True
        return self._walkerdict.keys() <= self._walked.keys()

    def saved_by(self, key: str) -> Set[str]:
        """Return the keys that the walker of ``key`` saved when it ran last."""
        walked = self._walked.get(key)
        return set() if walked is None else walked.saved

    def updateobjects(self, updatedvalues: Iterable[Any]) -> None:
        """Call :meth:`updateflow` with objects, even if they have not changed in the database."""
        self._forced.update((value.getkey(), value) for value in updatedvalues)
        self._notify(FlowUpdaterNotification.FLOWUPDATE)

    def request_update(self) -> None:
        """Call :meth:`updateflow` at the next turn, even if no object has changed."""
        self._due = True
        self._notify(FlowUpdaterNotification.FLOWUPDATE)

    def start_helper(self, coroutine: Any) -> None:
        """Run another routine as long as this updater lives."""
        token = object()
        self._helpers[token] = self.subroutine(self._help(token, coroutine))

    async def _help(self, token: object, coroutine: Any) -> None:
        try:
            await coroutine
        finally:
            self._helpers.pop(token, None)

    def _notify(self, kind: str) -> None:
        if not self._notified:
            self._notified = True
            self.scheduler.emergesend(FlowUpdaterNotification(self, kind))

    async def main(self) -> None:
        """Main coroutine"""
        listeners = _listeners_of(self.scheduler)
        listeners.add(self)
        wakened = FlowUpdaterNotification.createMatcher(self)
        try:
            while True:
                # All changes of one turn of the scheduler become one update.
                await self.do_events()
                await self.before_update()
                self._notified = False
                done = await self._round()
                self.after_update()
                if not done:
                    await self.wait_with_timeout(_RETRY_S)
                elif not self._notified:
                    await wakened
        finally:
            listeners.remove(self)
            for helper in list(self._helpers.values()):
                self.terminate(helper)
            await self._unwatch_all()

    async def _round(self) -> bool:
        """Do all there is to do; return False when it failed and is to be tried again."""
        touched, self._touched = self._touched, set()
        forced, self._forced = self._forced, {}
        restart, self._restart = self._restart, False
        due, self._due = self._due, False
        try:
            await self._update(touched, forced, restart, due)
        except Exception as error:
            away = isinstance(error, StorageUnavailableException)
            message = "%s of %r: update failed, it is repeated: %s"
            self._logger.warning(message, type(self).__name__, self._connection, error, exc_info=not away)
            self._touched |= touched
            self._forced = {**forced, **self._forced}
            self._restart = self._restart or restart
            self._walkers_changed = True
            self._due = True
            return False
        return True

    def hear(self, key: str) -> None:
        """Remember that an object changes; called at any time.

        :param key: of any object
        """
        self._touched.add(key)
        if key in self._users:
            self.hear_change()
            self._notify(FlowUpdaterNotification.DATAUPDATED)

    async def _update(self, touched: Set[str], forced: Dict[str, Any], restart: bool, due: bool) -> None:
        found = await self._walk(touched, restart)
        if found and self._wants_everything:
            keys = list(self._users)
            values = [self._values.get(key) for key in keys]
            self.reset_initialkeys(keys, values)
            await self.walkcomplete(keys, values)
        added, removed, updated = _differences(found, touched, restart)
        updated.update((key, value) for key, value in forced.items() if key not in added)
        if not (added or removed or updated or due):
            return
        if not (removed or due) and not self.shouldupdate(set(added.values()), set(updated.values())):
            return
        await self.updateflow(self._connection, set(added.values()), set(removed.values()), set(updated.values()))

    async def _walk(self, touched: Set[str], restart: bool) -> Dict[str, Tuple[Any, Any]]:
        """Run the walkers that have to run; return ``{key: (object before, object now)}`` of what they concern."""
        due, gone = self._due_walkers(touched, restart)
        if not due and not gone:
            return {}
        values: Mapping[str, Any] = {}
        if due:
            saved_keys, saved_values = await call_api(
                self, "objectdb", "walk", {"keys": tuple(due), "walkerdict": due, "requestid": self._requestid}
            )
            values = dict(zip(saved_keys, saved_values))
        return await self._settle(due, gone, values)

    def _due_walkers(self, touched: Set[str], restart: bool) -> Tuple[Dict[str, _Walked], List[str]]:
        """Return the walkers that have to run, and the keys of those that are there no longer."""
        walkers: Mapping[str, Callable[..., Any]] = self._walkerdict
        if self._initialkeys:
            walkers = {**dict.fromkeys(self._initialkeys, _save_key), **walkers}
        keys: Set[str] = set()
        gone: List[str] = []
        if isinstance(walkers, Walkers):
            changed, walkers.changed = walkers.changed, set()
            keys = {key for key in changed if key in walkers and key not in self._walked}
            gone = [key for key in changed if key not in walkers and key in self._walked]
        if restart or self._wants_everything or self._walkers_changed:
            keys = walkers.keys() - self._walked.keys()
            if len(self._walked) + len(keys) > len(walkers):
                gone = list(self._walked.keys() - walkers.keys())
            if restart:
                keys = set(walkers)
            self._walkers_changed = False
        for key in touched:
            keys.update(walker for walker in self._users.get(key, ()) if walker in walkers)
        return {key: _Walked(walkers[key]) for key in keys}, gone

    async def _settle(
        self, due: Mapping[str, _Walked], gone: Iterable[str], values: Mapping[str, Any]
    ) -> Dict[str, Tuple[Any, Any]]:
        concerned: Set[str] = set(values)
        for key, walked in due.items():
            old = self._walked.get(key)
            if old is not None:
                concerned |= old.saved
                self._release(key, old.saved - walked.saved)
            self._walked[key] = walked
            for saved in walked.saved:
                self._users.setdefault(saved, set()).add(key)
        for key in gone:
            old = self._walked.pop(key)
            concerned |= old.saved
            self._release(key, old.saved)
        found = {}
        unused = []
        for key in concerned:
            before = self._values.pop(key, None)
            now = values.get(key, before) if key in self._users else None
            if now is not None:
                self._values[key] = now
            if key not in self._users:
                unused.append(key)
            found[key] = (before, now)
        if unused:
            await call_api(self, "objectdb", "munwatch", {"keys": tuple(unused), "requestid": self._requestid})
        return found

    def _release(self, walker: str, saved: Iterable[str]) -> None:
        for key in saved:
            users = self._users[key]
            users.discard(walker)
            if not users:
                del self._users[key]

    async def _unwatch_all(self) -> None:
        await call_api(self, "objectdb", "unwatchall", {"requestid": self._requestid})


def _save_key(key: str, value: Any, walk: Callable[[str], Any], save: Callable[[str], None]) -> None:
    """The walker of an initial key without one: its own object."""
    save(key)


def _differences(
    found: Mapping[str, Tuple[Any, Any]], touched: Set[str], restart: bool
) -> Tuple[Dict[str, Any], Dict[str, Any], Dict[str, Any]]:
    """Return objects that are new, gone, and (perhaps) different."""
    added: Dict[str, Any] = {}
    removed: Dict[str, Any] = {}
    updated: Dict[str, Any] = {}
    for key, (old, new) in found.items():
        if old is None and new is not None:
            added[key] = new
        elif old is not None and new is None:
            removed[key] = old
        elif new is not None and (key in touched or restart):
            updated[key] = new
    return added, removed, updated
