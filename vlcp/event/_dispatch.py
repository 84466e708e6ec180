"""One event to the routines that wait for it (manual 4.3.3 and 4.3.5)."""

from __future__ import annotations

import logging
from typing import Any, Callable

from vlcp.event._queueevents import QueueCanWriteEvent, QueueIsEmptyEvent
from vlcp.event.event import Event
from vlcp.event.matchtree import EventTree, MatchTree

_logger = logging.getLogger(__name__)


class Dispatcher:
    """Delivers events to runnables.

    :param matchtree: matchers of the waiting runnables
    :param eventtree: events that block a queue
    :param queue: the event queue
    :param resume: called as ``resume(runnable, event, matcher)``; it lets no exception of the runnable out
    :param order: called with the list of ``(runnable, matcher)`` that one event is for, returns them in the order in which
                  they run; None for the order of the match tree
    """

    def __init__(
        self,
        matchtree: MatchTree,
        eventtree: EventTree,
        queue: Any,
        resume: Callable[[Any, Event, Any], None],
        order: Callable[[list], list] | None = None,
    ) -> None:
        self.matchtree = matchtree
        self.eventtree = eventtree
        self.queue = queue
        self._resume = resume
        #: may be changed while the scheduler runs
        self.order = order

    def deliver(self, event: Event, empty_events: tuple = ()) -> None:
        """Deliver an event that was taken from the queue; put it back and block its queue if it must not be lost.

        :param empty_events: the QueueIsEmptyEvents that came with it; delivered unless it blocks
        """
        found = self.matchtree.matchesWithMatchers(event)
        if len(found) == 1:
            runnable, matcher = found[0]
            self._resume(runnable, event, matcher)
        elif found:
            self._deliver_all(event, found)
        if not event.canignore and self._must_block(event, found):
            self.eventtree.insert(event)
            self.queue.block(event, empty_events)
            return
        for empty in empty_events:
            self.deliver(empty)

    def _deliver_all(self, event: Event, found: list) -> None:
        for runnable, matcher in self._ordered(found):
            # A routine that ran before may have ended this one or made it wait for something else.
            if self._still_waits(runnable, matcher):
                self._resume(runnable, event, matcher)

    def _ordered(self, found: list) -> list:
        return found if self.order is None else self.order(found)

    def _still_waits(self, runnable: Any, matcher: Any) -> bool:
        node = self.matchtree.subtree(matcher)
        if node is None or node.entries is None:
            return False
        present = node.entries.get(runnable)
        return present is matcher or (type(present) is list and matcher in present)

    def _must_block(self, event: Event, found: list) -> bool:
        """Deliver to routines that began to wait meanwhile; return whether the event is still not processed."""
        asked = {runnable for runnable, _ in found}
        while True:
            if not event.canignore and _can_ignore_now(event):
                event.canignore = True
            if event.canignore:
                return False
            late = [pair for pair in self.matchtree.matchesWithMatchers(event) if pair[0] not in asked]
            if not late:
                return True
            asked.update(runnable for runnable, _ in late)
            self._deliver_all(event, late)

    def deliver_queue_event(self, event: QueueCanWriteEvent) -> None:
        """Tell the senders that wait for a queue, one by one, while there is room; then those of the next refused key."""
        current: QueueCanWriteEvent | None = event
        asked: set = set()
        while current is not None:
            if not current.is_valid():
                current, asked = current.instead(), set()
                continue
            pair = self._next_sender(current, asked)
            if pair is None:
                current, asked = current.unused(), set()
                continue
            runnable, matcher = pair
            asked.add(runnable)
            # The next room is for someone else, even if this sender waits for it again with the same matcher.
            self.matchtree.move_to_end(matcher, runnable)
            self._resume(runnable, current, matcher)

    def _next_sender(self, event: QueueCanWriteEvent, asked: set) -> tuple | None:
        """Return ``(runnable, matcher)`` of the next one to tell, or None if all were asked."""
        if self.order is None:
            pair = self.matchtree.matchfirstwithmatcher(event)
            if pair is None or pair[0] not in asked:
                return pair
        found = [pair for pair in self.matchtree.matchesWithMatchers(event) if pair[0] not in asked]
        return self._ordered(found)[0] if found else None

    def process(self, event: Event) -> None:
        """Deliver an event of any kind without the queue: for syscalls and for the scheduler itself."""
        if isinstance(event, QueueCanWriteEvent):
            self.deliver_queue_event(event)
        else:
            self.deliver(event)

    def next_from_queue(self) -> Event:
        """Take one event from the queue, deliver it and what it brings with it, and return it."""
        event, made = self.queue.take()
        if not made:
            self.deliver(event)
            return event
        self.deliver(event, tuple([e for e in made if type(e) is QueueIsEmptyEvent]))
        for room in made:
            if type(room) is not QueueIsEmptyEvent:
                self.deliver_queue_event(room)
        return event


def _can_ignore_now(event: Event) -> bool:
    try:
        return bool(event.canignorenow())
    except Exception:
        # A queue that is blocked for ever by a broken test would stop everything behind it.
        _logger.exception("canignorenow() failed, the event is dropped: %r", event)
        return True
