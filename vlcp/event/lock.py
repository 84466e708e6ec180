"""Locks between routines, by name (manual 5.2.5).

All :class:`Lock` objects of one scheduler with the same key and context exclude each other.  Who waits is served in the
order of arrival.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from vlcp.event.event import Event, with_indices


@with_indices("context", "key", "locker")
class LockEvent(Event):
    """A lock is handed to the next one who waits.

    :param context: context of the lock
    :param key: key of the lock
    :param locker: the :class:`Lock` object that gets it
    """

    canignore = False

    def canignorenow(self) -> bool:
        """Return True: a locker that ended before the event arrived has given the lock back already."""
        return True


@with_indices("locker", "context", "key")
class LockedEvent(Event):
    """A lock was acquired in the background, after ``beginlock``.

    :param locker: the :class:`Lock` object
    :param context: context of the lock
    :param key: key of the lock
    """


class _Place:
    """Who holds and who waits for one key."""

    __slots__ = ("holders", "waiting")

    def __init__(self) -> None:
        self.holders: set = set()
        self.waiting: deque = deque()


class _LockTable:
    """All locks of one scheduler."""

    def __init__(self) -> None:
        self.places: dict[tuple, _Place] = {}
        self.sizes: dict[tuple, int] = {}

    def acquire(self, name: tuple, locker: Any) -> bool:
        """Give the lock to a locker if there is room and nobody was there before it."""
        place = self.places.setdefault(name, _Place())
        if place.waiting or len(place.holders) >= self.sizes.get(name, 1):
            return False
        place.holders.add(locker)
        return True

    def wait(self, name: tuple, locker: Any) -> None:
        """Put a locker at the end of the waiting ones."""
        self.places.setdefault(name, _Place()).waiting.append(locker)

    def leave(self, name: tuple, locker: Any) -> None:
        """Take the lock, or the place among the waiting ones, from a locker."""
        place = self.places.get(name)
        if place is None:
            return
        place.holders.discard(locker)
        if locker in place.waiting:
            place.waiting.remove(locker)

    def hand_over(self, name: tuple) -> list:
        """Give free room to those who wait and return them."""
        place = self.places.get(name)
        if place is None:
            return []
        granted: list = []
        while place.waiting and len(place.holders) < self.sizes.get(name, 1):
            locker = place.waiting.popleft()
            place.holders.add(locker)
            granted.append(locker)
        if not place.holders and not place.waiting:
            del self.places[name]
        return granted


def _table(scheduler: Any) -> _LockTable:
    if scheduler.lock_table is None:
        scheduler.lock_table = _LockTable()
    return scheduler.lock_table


class Lock:
    """A lock; use ``async with lock:``, or ``await lock.lock()`` and ``with lock:``.

    An object of this class holds the lock once; acquiring it again does nothing.

    :param key: any hashable value
    :param scheduler: the scheduler
    :param context: locks with the same key in other contexts are independent; hashable
    """

    def __init__(self, key: Any, scheduler: Any, context: Any = "default") -> None:
        self.key = key
        self.context = context
        self.scheduler = scheduler
        self.locked = False
        self._name = (context, key)
        self._waiting = False
        self._routine: Any = None

    def trylock(self) -> bool:
        """Acquire the lock if that is possible at once; return whether this object holds it."""
        if not self.locked and not self._waiting:
            self.locked = _table(self.scheduler).acquire(self._name, self)
        return self.locked

    async def lock(self, container: Any = None) -> None:
        """Wait until this object holds the lock.

        :param container: not used
        """
        if self.trylock():
            return
        mine = not self._waiting
        if mine:
            self._waiting = True
            _table(self.scheduler).wait(self._name, self)
        try:
            while not self.locked:
                event = await LockEvent.createMatcher(self.context, self.key, self)
                event.canignore = True
        except BaseException:
            if mine:
                self.unlock()
            raise

    def _grant(self) -> None:
        self.locked, self._waiting = True, False
        self.scheduler.emergesend(LockEvent(self.context, self.key, self))

    async def _lock_in_background(self) -> None:
        await self.lock()
        self.scheduler.emergesend(LockedEvent(self, self.context, self.key))

    def beginlock(self, container: Any) -> None:
        """Begin to acquire the lock in a routine of its own, which sends a :class:`LockedEvent` when it has it.

        ``trylock`` or ``lock`` can be called later; ``unlock`` ends the routine.

        :param container: container of the routine
        """
        if not self.locked and not self._waiting:
            self._routine = container.subroutine(self._lock_in_background(), False)

    def unlock(self) -> None:
        """Give the lock back, or stop waiting for it; does nothing if this object does neither."""
        if not self.locked and not self._waiting:
            return
        self.locked = self._waiting = False
        table = _table(self.scheduler)
        table.leave(self._name, self)
        for locker in table.hand_over(self._name):
            locker._grant()
        routine, self._routine = self._routine, None
        if routine is not None:
            routine.close()

    def __enter__(self) -> Lock:
        if not self.locked:
            raise ValueError(f"Lock is not held, await lock() first: {self.key!r}")
        return self

    def __exit__(self, exctype: Any, excvalue: Any, traceback: Any) -> None:
        self.unlock()

    async def __aenter__(self) -> Lock:
        await self.lock()
        return self

    async def __aexit__(self, exctype: Any, excvalue: Any, traceback: Any) -> None:
        self.unlock()


class Semaphore:
    """Lets several :class:`Lock` objects hold the lock of one key at the same time.

    :param key: key of the locks
    :param size: how many
    :param scheduler: the scheduler
    :param context: context of the locks
    :param priority: not used; the priority of a sub-queue in older versions
    :raises ValueError: ``size`` is not positive
    """

    def __init__(self, key: Any, size: int, scheduler: Any, context: Any = "default", priority: int = 1000) -> None:
        if size <= 0:
            raise ValueError(f"Size of a semaphore must be positive: {size!r}")
        self.key = key
        self.size = size
        self.scheduler = scheduler
        self.context = context
        self.priority = priority

    def create(self) -> None:
        """Change the locks to a semaphore."""
        self._set(self.size)

    async def destroy(self, container: Any = None) -> None:
        """Change back to a lock; those who hold it keep it until they give it back.

        :param container: not used
        """
        self._set(None)

    def _set(self, size: int | None) -> None:
        table = _table(self.scheduler)
        name = (self.context, self.key)
        if size is None:
            table.sizes.pop(name, None)
        else:
            table.sizes[name] = size
        for locker in table.hand_over(name):
            locker._grant()
