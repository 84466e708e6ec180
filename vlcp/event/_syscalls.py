"""Functions that run in the scheduler's own context, outside of any routine (manual 5.2.2)."""

from __future__ import annotations

import sys
from typing import Any, Callable

from vlcp.event._events import SyscallReturnEvent
from vlcp.event.event import Event, EventMatcher

Syscall = Callable[[Any, Callable[[Event], None]], Any]

_RETURN_MATCHER_INDICES = SyscallReturnEvent.createMatcher().indices


class SyscallSlot:
    """Holds the one syscall that can be waiting at a time."""

    __slots__ = ("_running", "busy", "pending")

    def __init__(self) -> None:
        self.pending: Syscall | None = None
        #: True from scheduling a syscall until its result is ready
        self.busy = False
        self._running = False

    def schedule(self, func: Syscall) -> EventMatcher | None:
        """Schedule a syscall; return a matcher for its result, or None if another one is scheduled."""
        if self.busy:
            return None
        self.pending, self.busy = func, True
        return EventMatcher(_RETURN_MATCHER_INDICES)

    def run(self, scheduler: Any, processor: Callable[[Event], None]) -> None:
        """Run the pending syscall, and those that follow when its caller goes on."""
        if self._running:
            return
        self._running = True
        try:
            while self.pending is not None:
                func, self.pending = self.pending, None
                result = _call(func, scheduler, processor)
                self.busy = False
                processor(result)
        finally:
            self._running = False


def _call(func: Syscall, scheduler: Any, processor: Callable[[Event], None]) -> SyscallReturnEvent:
    try:
        return SyscallReturnEvent(retval=func(scheduler, processor))
    except Exception:
        # The exception goes on in the routine that made the call.
        return SyscallReturnEvent(exception=sys.exc_info())


def syscall_direct(*events: Event) -> Syscall:
    """Return a syscall that delivers events without the queue; never for normal events."""

    def deliver_events(scheduler: Any, processor: Callable[[Event], None]) -> None:
        for event in events:
            processor(event)

    return deliver_events


def syscall_generator(generator: Callable[[], Any]) -> Syscall:
    """Return a syscall that delivers the events of ``generator()`` without the queue; never for normal events."""

    def deliver_generated(scheduler: Any, processor: Callable[[Event], None]) -> None:
        for event in generator():
            processor(event)

    return deliver_generated


def _forget_blocked(scheduler: Any, queue: Any) -> None:
    for event in scheduler.queue.unblockqueue(queue):
        scheduler.eventtree.remove(event)


def _process_all(processor: Callable[[Event], None], made: tuple[tuple, tuple]) -> None:
    for events in made:
        for event in events:
            processor(event)


def syscall_clearqueue(queue: Any) -> Syscall:
    """Return a syscall that drops all events of a queue."""

    def clear(scheduler: Any, processor: Callable[[Event], None]) -> None:
        _forget_blocked(scheduler, queue)
        _process_all(processor, queue.clear())

    return clear


def syscall_removequeue(queue: Any, index: Any) -> Syscall:
    """Return a syscall that removes the sub-queue ``queue[index]``; its events go to ``queue``."""

    def remove(scheduler: Any, processor: Callable[[Event], None]) -> None:
        sub = queue[index]
        _forget_blocked(scheduler, sub)
        _process_all(processor, queue.removeSubQueue(sub))

    return remove


def syscall_clearremovequeue(queue: Any, index: Any) -> Syscall:
    """Return a syscall that drops all events of the sub-queue ``queue[index]`` and removes it."""

    def clear_and_remove(scheduler: Any, processor: Callable[[Event], None]) -> None:
        sub = queue[index]
        _forget_blocked(scheduler, sub)
        cleared = sub.clear()
        removed = queue.removeSubQueue(sub)
        _process_all(processor, cleared)
        _process_all(processor, removed)

    return clear_and_remove
