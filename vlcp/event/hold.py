"""Routines that are held where they wait, while the scheduler and all other routines run on: breakpoints.

A held routine misses nothing. The first event that it waited for is kept for it, and an event that must not be ignored
stays in its queue until the routine is released.
"""

from __future__ import annotations

import traceback
from typing import Any, Callable, Collection, Iterable

from vlcp.event._monitor import Monitor
from vlcp.event._routine import RoutineWrapper
from vlcp.event.event import Event, EventMatcher

# Longest chain of awaits that is followed for a stack.
_DEEPEST = 200


class Held:
    """A routine that gets no events until :meth:`release`. Used by the scheduler's thread only.

    :param scheduler: the scheduler
    :param routine: a routine that waits for events
    :param delivered: ``(event, matcher)`` that the routine would get just now, or None
    :raises ValueError: the routine has ended, or does not wait for events
    """

    def __init__(self, scheduler: Any, routine: Any, delivered: tuple | None = None) -> None:
        self.routine = routine
        self._scheduler = scheduler
        self._waiting = getattr(routine, "waiting", None)
        if self._waiting is None or not scheduler.is_registered(routine):
            raise ValueError(f"does not wait for events: {routine!r}")
        self._matchers = (self._waiting,) if isinstance(self._waiting, EventMatcher) else tuple(self._waiting)
        self._delivered = delivered
        scheduler.unregister(self._matchers, routine)
        scheduler.register(self._matchers, self)
        scheduler.setDaemon(self, True)

    def send(self, etup: tuple) -> None:
        """Keep the first event; called by the scheduler."""
        if self._delivered is None:
            self._delivered = etup

    def throw(self, exc: BaseException) -> None:
        """End with the scheduler; called by it.

        :raises BaseException: always
        """
        raise exc

    def close(self) -> None:
        """Give up the place of the routine without waking it."""
        self._scheduler.unregisterall(self)

    def release(self) -> None:
        """Let the routine go on; it gets the event that came first meanwhile. Does nothing if it has ended or been woken."""
        scheduler, routine = self._scheduler, self.routine
        if not scheduler.is_registered(self):
            return
        scheduler.unregisterall(self)
        if not scheduler.is_registered(routine) or routine.waiting is not self._waiting:
            return
        scheduler.register(self._matchers, routine)
        # One that must not be ignored is in its queue again by now, and comes from there.
        if self._delivered is not None and self._delivered[0].canignore:
            scheduler._resume(routine, *self._delivered)


class _TrapsFirst:
    """Order of delivery in which traps come before the routines that they may hold."""

    def __init__(self) -> None:
        self.traps: set = set()

    def __call__(self, found: list) -> list:
        return sorted(found, key=lambda pair: pair[0] not in self.traps)


class Trap:
    """Calls a function for each event that is matched, and can hold the routines that the event is for before they get it.

    Used by the scheduler's thread only.

    :param scheduler: the scheduler
    :param matchers: which events
    :param caught: called as ``caught(event, matcher, held)`` with the list of :class:`Held`; what it raises ends the trap
    :param stop: hold the routines
    :param spared: containers whose routines are never held
    """

    def __init__(
        self,
        scheduler: Any,
        matchers: Iterable[EventMatcher],
        caught: Callable[[Event, EventMatcher, list], Any],
        stop: bool = False,
        spared: Collection = (),
    ) -> None:
        self._scheduler = scheduler
        self._caught = caught
        self._stop = stop
        self._spared = spared
        scheduler.register(tuple(matchers), self)
        scheduler.setDaemon(self, True)
        if stop:
            dispatcher = scheduler._dispatcher
            if dispatcher.order is None:
                dispatcher.order = _TrapsFirst()
            if isinstance(dispatcher.order, _TrapsFirst):
                dispatcher.order.traps.add(self)

    def send(self, etup: tuple) -> None:
        """Handle an event; called by the scheduler."""
        event, matcher = etup
        self._caught(event, matcher, self._hold_all(event) if self._stop else [])

    def _hold_all(self, event: Event) -> list:
        found = dict(self._scheduler.matchtree.matchesWithMatchers(event))
        return [
            Held(self._scheduler, routine, (event, matcher))
            for routine, matcher in found.items()
            if isinstance(routine, RoutineWrapper) and routine.waiting is not None and routine.container not in self._spared
        ]

    def throw(self, exc: BaseException) -> None:
        """End with the scheduler; called by it.

        :raises BaseException: always
        """
        self.close()
        raise exc

    def close(self) -> None:
        """Catch nothing any more; what is held stays so."""
        self._scheduler.unregisterall(self)
        dispatcher = self._scheduler._dispatcher
        if isinstance(dispatcher.order, _TrapsFirst):
            dispatcher.order.traps.discard(self)
            if not dispatcher.order.traps:
                dispatcher.order = None


def waiting_routines(scheduler: Any, container: Any) -> list:
    """Return the routines of a container that wait for events."""
    routines = [one for one in scheduler._runnables if isinstance(one, RoutineWrapper)]
    return [one for one in routines if one.container is container and one.waiting is not None]


def stack_of(routine: Any) -> str:
    """Return where a waiting routine is, as lines in the form of a traceback; empty when it has ended."""
    summary = traceback.StackSummary()
    part = getattr(routine, "run", routine)
    for _ in range(_DEEPEST):
        frame = getattr(part, "cr_frame", None) or getattr(part, "gi_frame", None)
        if frame is None:
            break
        code = frame.f_code
        summary.append(traceback.FrameSummary(code.co_filename, frame.f_lineno or 0, code.co_name))
        if code is Monitor.__await__.__code__:
            part = frame.f_locals["run"]
        else:
            part = getattr(part, "cr_await", None) or getattr(part, "gi_yieldfrom", None)
    return "".join(summary.format())
