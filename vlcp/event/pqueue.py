"""The event queue: a tree of sub-queues with priorities, limits and blocking events (manual 4.3.4, 4.3.5 and 5.2.8)."""

from __future__ import annotations

import bisect
from typing import Any, Sequence

from vlcp.event._autoclassqueue import AutoClassQueue
from vlcp.event._queueevents import AutoClassQueueCanWriteEvent, QueueCanWriteEvent, QueueIsEmptyEvent
from vlcp.event._subqueues import FifoQueue, MultiQueue, PriorityQueue, split_events
from vlcp.event.event import Event, EventMatcher
from vlcp.event.matchtree import MatchTree

__all__ = ["AutoClassQueueCanWriteEvent", "CBQueue", "QueueCanWriteEvent", "QueueIsEmptyEvent"]


class CBQueue:
    """A queue with sub-queues: an event goes to the sub-queue whose matcher matches it, else to the default queue.

    Events leave in the order of priority of their sub-queues (larger first); sub-queues of one priority take turns.  If the
    matchers of several sub-queues match an event, the one with more specific index values has it.

    :param tree: the :class:`MatchTree` that maps matchers to sub-queues; None for a new one
    :param parent: the queue around this one, or None
    :param maxdefault: largest number of events in the default queue, or None for no limit
    :param maxtotal: largest number of events in this queue and all sub-queues, or None for no limit
    :param defaultQueueClass: class of the default queue, or another callable ``f(parent, maxlength)``
    :param defaultQueuePriority: priority of the default queue among the sub-queues
    :raises ValueError: a limit is not positive
    """

    FifoQueue = FifoQueue
    PriorityQueue = PriorityQueue
    MultiQueue = MultiQueue
    AutoClassQueue = AutoClassQueue

    def __init__(
        self,
        tree: MatchTree | None = None,
        parent: Any = None,
        maxdefault: int | None = None,
        maxtotal: int | None = None,
        defaultQueueClass: Any = FifoQueue,
        defaultQueuePriority: int = 0,
    ) -> None:
        if maxtotal is not None and maxtotal <= 0:
            raise ValueError(f"maxtotal of a queue must be positive: {maxtotal!r}")
        self.tree = MatchTree() if tree is None else tree
        self.parent = parent
        self.maxtotal = maxtotal
        self._size = 0
        self._stuck = 0
        self.linked = True
        self._wait_empty = False
        self._removed = False
        # Both are made once: they say no more than which queue it is.
        self._matcher: EventMatcher | None = None
        self._can_write = QueueCanWriteEvent(self)
        #: name -> sub-queue; an anonymous sub-queue is its own name
        self._subqueues: dict[Any, CBQueue] = {}
        self._matchers: dict[CBQueue, EventMatcher] = {}
        self._priorities: dict[Any, int] = {}
        self._by_priority: dict[int, MultiQueue] = {}
        #: priorities that may have something to pop, smallest first
        self._ready: list[int] = []
        #: blocked event -> the queue that holds it; used in the outermost queue only
        self._blocked: dict[Event, Any] = {}
        self.defaultQueue = defaultQueueClass(None, maxdefault)
        self._place(self.defaultQueue, defaultQueuePriority)

    def _place(self, queue: Any, priority: int) -> None:
        multi = self._by_priority.get(priority)
        if multi is None:
            multi = self._by_priority[priority] = MultiQueue(self, priority)
        self._priorities[queue] = priority
        multi.addSubQueue(queue)

    def _displace(self, queue: Any) -> None:
        priority = self._priorities.pop(queue)
        multi = self._by_priority[priority]
        multi.removeSubQueue(queue)
        if not multi.queues:
            del self._by_priority[priority]
            if multi.linked:
                self._ready.remove(priority)

    # Appending and popping

    def canAppend(self) -> bool:
        """Return whether the total limit allows one more event; the sub-queue of an event may still be full."""
        return self._removed or self.maxtotal is None or self._size < self.maxtotal

    def append(self, event: Event, force: bool = False) -> EventMatcher | None:
        """Append an event to the sub-queue it belongs to.

        :param event: input event
        :param force: True passes over all limits of length
        :return: None if appended, else a matcher for the :class:`QueueCanWriteEvent` that tells when to try again
        """
        if self._subqueues:
            sub = self.tree.matchfirst(event)
            if sub is not None:
                return sub.append(event, force)
        return self.defaultQueue.append(event, force)

    def canPop(self) -> bool:
        """Return whether there is an event to pop, which is neither blocked itself nor in a blocked sub-queue."""
        return self._size > self._stuck

    def pop(self) -> tuple[Event, tuple, tuple]:
        """Remove the next event.

        :return: ``(event, QueueCanWriteEvents, QueueIsEmptyEvents)``; the events in the tuples are to be delivered
        :raises IndexError: there is nothing to pop
        """
        event, made = self.take()
        if made:
            return (event, *split_events(made))
        return event, (), ()

    def take(self) -> tuple[Event, Sequence]:
        """Remove the next event; return it and the events that the removal makes necessary."""
        if self._size <= self._stuck:
            raise IndexError("pop from a queue that is empty or blocked")
        if not self._subqueues:
            return self.defaultQueue.take()
        while True:
            multi = self._by_priority[self._ready[-1]]
            queue = multi.next_queue()
            if queue is not None:
                return queue.take()
            multi.linked = False
            self._ready.pop()

    def unlink(self) -> None:
        """Leave the turns of the parent, with all queues inside: there is nothing to pop."""
        self.linked = False
        while self._ready:
            self._by_priority[self._ready.pop()].unlink()

    def clear(self) -> tuple[tuple, tuple]:
        """Drop all events of this queue and its sub-queues, blocked ones too.

        The register of blocked events is kept for :meth:`unblockqueue`.

        :return: ``(QueueCanWriteEvents, QueueIsEmptyEvents)``
        """
        return split_events(self._clear())

    def _clear(self) -> list:
        events: list = []
        for queue in list(self._priorities):
            events.extend(queue._clear())
        return events

    def __len__(self) -> int:
        """Return the number of events, blocked ones included."""
        return self._size

    # Empty queues

    def waitForEmpty(self) -> EventMatcher | None:
        """Return a matcher for the event that is made when this queue gets empty, or None if it is empty now."""
        if not self._size:
            return None
        self._wait_empty = True
        return QueueIsEmptyEvent.createMatcher(self)

    # Blocking

    def _root(self) -> CBQueue:
        queue: Any = self
        while queue.parent is not None:
            queue = queue.parent
        return queue

    def _leaf_of(self, event: Event) -> Any:
        queue = self
        while queue._subqueues:
            sub = queue.tree.matchfirst(event)
            if sub is None:
                break
            queue = sub
        return queue.defaultQueue

    def block(self, event: Event, emptyEvents: tuple = ()) -> None:
        """Return an event that was just popped, and block the sub-queue that it is in until :meth:`unblock`.

        :param event: the event; it is popped again first after the block
        :param emptyEvents: the QueueIsEmptyEvents that came with it, which are not true any more
        """
        leaf = self._leaf_of(event)
        leaf.block(event)
        self._root()._blocked[event] = leaf
        for empty in emptyEvents:
            empty.queue._wait_empty = True

    def unblock(self, event: Event) -> None:
        """Remove a block; does nothing if the event is not blocked."""
        leaf = self._root()._blocked.pop(event, None)
        if leaf is not None:
            leaf.unblock(event)

    def unblockqueue(self, queue: Any) -> list[Event]:
        """Unblock and forget the blocked events of ``queue`` and its sub-queues.

        :param queue: this queue or a queue inside it
        :return: the events, which the caller has to forget too
        """
        blocked = self._root()._blocked
        found = [event for event, leaf in blocked.items() if _is_inside(leaf, queue)]
        for event in found:
            blocked.pop(event).unblock(event)
        return found

    def unblockall(self) -> None:
        """Remove all blocks from this queue and its sub-queues."""
        for queue in list(self._priorities):
            queue.unblockall()

    # What sub-queues tell

    def notifyAppend(self, queue: Any, force: bool) -> EventMatcher | None:
        """A sub-queue is going to hold one more event; return a matcher if this queue or an ancestor refuses it."""
        if not force and self.maxtotal is not None and self._size >= self.maxtotal:
            return self._can_write_matcher()
        if self.parent is not None:
            refused = self.parent.notifyAppend(self, force)
            if refused is not None:
                return refused
        self._size += 1
        return None

    def _can_write_matcher(self) -> EventMatcher:
        if self._matcher is None:
            self._matcher = QueueCanWriteEvent.createMatcher(self)
        return self._matcher

    def notifyBlock(self, queue: Any, blocked: bool) -> None:
        """The queues of one priority have something to pop.

        :param blocked: if True they have nothing to pop any more, which is found out when their turn comes
        """
        if blocked or queue.linked:
            return
        queue.linked = True
        bisect.insort(self._ready, queue.priority)
        if not self.linked:
            self.parent.notifyBlock(self, False)

    def notifyStuck(self, count: int) -> None:
        """So many more, or less, events cannot be popped."""
        self._stuck += count
        if self.parent is not None:
            self.parent.notifyStuck(count)

    def notifyPop(self, queue: Any, length: int = 1) -> Sequence:
        """A sub-queue lost some events; return the events that this makes necessary here and in the ancestors."""
        was_full = self.maxtotal is not None and self._size >= self.maxtotal
        self._size -= length
        events = () if self.parent is None else self.parent.notifyPop(self, length)
        if was_full and self.canAppend():
            events = (*events, self._can_write)
        if self._wait_empty and not self._size:
            self._wait_empty = False
            events = (*events, QueueIsEmptyEvent(self))
        return events

    # Sub-queues

    def __contains__(self, name: Any) -> bool:
        return name in self._subqueues

    def __getitem__(self, name: Any) -> CBQueue:
        """Return the sub-queue with this name.

        :raises KeyError: there is none
        """
        return self._subqueues[name]

    def _sub(self, queue: Any) -> Any:
        """Return the sub-queue that a name or a queue object stands for."""
        if queue is self.defaultQueue or queue in self._matchers:
            return queue
        return self._subqueues[queue]

    def getPriority(self, queue: Any) -> int:
        """Return the priority of a sub-queue, given by name or object.

        :raises KeyError: it is not a sub-queue
        """
        return self._priorities[self._sub(queue)]

    def setPriority(self, queue: Any, priority: int) -> None:
        """Set the priority of a sub-queue, given by name or object.

        :raises KeyError: it is not a sub-queue
        """
        sub = self._sub(queue)
        self._displace(sub)
        self._place(sub, priority)

    def addSubQueue(
        self,
        priority: int,
        matcher: EventMatcher,
        name: Any = None,
        maxdefault: int | None = None,
        maxtotal: int | None = None,
        defaultQueueClass: Any = FifoQueue,
    ) -> CBQueue:
        """Add a sub-queue for the events that a matcher matches; events that are in the queue already stay where they are.

        :param priority: larger is higher
        :param matcher: every event that it matches goes to the sub-queue
        :param name: a hashable name, or None for an anonymous sub-queue
        :param maxdefault: largest number of events in its default queue, or None
        :param maxtotal: largest number of events in it and its own sub-queues, or None
        :param defaultQueueClass: see :class:`CBQueue`
        :return: the new sub-queue
        :raises ValueError: the name is in use
        """
        if name is not None and name in self._subqueues:
            raise ValueError(f"Name of a sub-queue is in use: {name!r}")
        sub = CBQueue(None, None, maxdefault, maxtotal, defaultQueueClass)
        self._subqueues[sub if name is None else name] = sub
        self._matchers[sub] = matcher
        self.tree.insert(matcher, sub)
        self._place(sub, priority)
        return sub

    def removeSubQueue(self, queue: Any) -> tuple[tuple, tuple]:
        """Remove a sub-queue; its events are unblocked and put into this queue in their order.

        :param queue: name or queue object
        :return: ``(QueueCanWriteEvents, QueueIsEmptyEvents)`` for those who wait for the sub-queue
        :raises KeyError: it is not a sub-queue
        """
        sub = self._sub(queue)
        matcher = self._matchers.pop(sub)
        self.unblockqueue(sub)
        for name, value in list(self._subqueues.items()):
            if value is sub:
                del self._subqueues[name]
        self.tree.remove(matcher, sub)
        size = len(sub)
        self._displace(sub)
        made = list(sub.waiting_events())
        while sub.canPop():
            event, more = sub.take()
            made.extend(more)
            self.append(event, True)
        # Appending counted the events a second time here and in the ancestors.
        made.extend(self.notifyPop(None, size) if size else ())
        sub._set_removed()
        return split_events(made)

    def waiting_events(self) -> list:
        """Return the events that wake all senders that may wait for this queue or its sub-queues."""
        events: list = [self._can_write]
        for queue in self._priorities:
            events.extend(queue.waiting_events())
        return events

    def _set_removed(self) -> None:
        """Let everything be appended from now on: senders that wake up find their new queue by themselves."""
        self._removed = True
        for queue in self._priorities:
            queue._set_removed()


def _is_inside(leaf: Any, queue: Any) -> bool:
    while leaf is not None:
        if leaf is queue:
            return True
        leaf = leaf.parent
    return False
