"""The queues that hold events: the leaves of the tree that :class:`vlcp.event.pqueue.CBQueue` is (manual 5.2.8).

Every queue in the tree tells its parent that its size changes (``notifyAppend``, ``notifyPop``), that some of its events
cannot be popped because of a blocked one (``notifyStuck``), and that it wants its turn (``notifyBlock``).  A queue that
wants its turn and turns out to have nothing to pop is taken out of the turns then, and not before: a queue that is filled
and emptied again and again stays in.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from typing import Any, Iterable, Sequence

from vlcp.event._queueevents import QueueCanWriteEvent, QueueIsEmptyEvent
from vlcp.event.event import EventMatcher


def split_events(events: Iterable) -> tuple[tuple, tuple]:
    """Return the QueueCanWriteEvents and the QueueIsEmptyEvents of a list."""
    can_write = tuple([e for e in events if not isinstance(e, QueueIsEmptyEvent)])
    return can_write, tuple([e for e in events if isinstance(e, QueueIsEmptyEvent)])


class LeafQueue:
    """What the queues for events have in common: the limit, the block, and telling the parent.

    A subclass says in which order events leave: ``_put``, ``_put_back``, ``_get`` and ``_drain``; the blocked event is not
    among those it holds.

    :param parent: a :class:`MultiQueue`, or None
    :param maxlength: largest number of events, or None for no limit
    """

    def __init__(self, parent: Any = None, maxlength: int | None = None) -> None:
        if maxlength is not None and maxlength <= 0:
            raise ValueError(f"maxlength of a queue must be positive: {maxlength!r}")
        self.parent = parent
        self.maxlength = maxlength
        self._blocked: Any = None
        #: whether the parent gives turns to this queue
        self.linked = parent is None
        self._size = 0
        # Both are made once: they say no more than which queue it is.
        self._matcher: EventMatcher | None = None
        self._can_write = QueueCanWriteEvent(self)

    def canAppend(self) -> bool:
        """Return whether the limit of this queue allows one more event; always for a queue that was removed."""
        return self.maxlength is None or self._size < self.maxlength

    def canPop(self) -> bool:
        """Return whether there is an event to pop: the queue is neither empty nor blocked."""
        return self._size > 0 and self._blocked is None

    def append(self, value: Any, force: bool = False) -> EventMatcher | None:
        """Append an event.

        :param force: True passes over all limits of length
        :return: None, or if there is no room a matcher for the event that tells when to try again
        """
        if not force and self.maxlength is not None and self._size >= self.maxlength:
            return self._can_write_matcher()
        if self.parent is not None:
            refused = self.parent.notifyAppend(self, force)
            if refused is not None:
                return refused
        self._size += 1
        self._put(value)
        if not self.linked:
            self.parent.notifyBlock(self, False)
        if self._blocked is not None:
            self._stuck(1)
        return None

    def unlink(self) -> None:
        """Leave the turns of the parent."""
        self.linked = False

    def _stuck(self, count: int) -> None:
        """Tell the parent that so many more, or less, events cannot be popped."""
        if self.parent is not None:
            self.parent.notifyStuck(count)

    def pop(self) -> tuple[Any, tuple, tuple]:
        """Return ``(event, QueueCanWriteEvents, QueueIsEmptyEvents)``, as :meth:`vlcp.event.pqueue.CBQueue.pop`.

        :raises IndexError: there is no event, or its block holds
        """
        value, events = self.take()
        return (value, *split_events(events))

    def take(self) -> tuple[Any, Sequence]:
        """Remove the next event; return it and the events that the removal makes necessary."""
        if not self._size or self._blocked is not None:
            raise IndexError("pop from a queue that is empty or blocked")
        value = self._get()
        self._size -= 1
        events = () if self.parent is None else self.parent.notifyPop(self)
        if self._size + 1 == self.maxlength:
            return value, (*events, self._can_write)
        return value, events

    def _can_write_matcher(self) -> EventMatcher:
        if self._matcher is None:
            self._matcher = QueueCanWriteEvent.createMatcher(self)
        return self._matcher

    def clear(self) -> tuple[tuple, tuple]:
        """Drop all events; return ``(QueueCanWriteEvents, QueueIsEmptyEvents)``."""
        return split_events(self._clear())

    def _clear(self) -> list:
        if self._blocked is not None:
            self._stuck(-self._size)
        count, self._size = self._size, 0
        full = self.maxlength is not None and count >= self.maxlength
        self._blocked = None
        self._drain()
        events = [] if self.parent is None or not count else list(self.parent.notifyPop(self, count))
        if full:
            events.append(self._can_write)
        return events

    def block(self, value: Any) -> None:
        """Put an event that was just popped back to the front; nothing is popped until :meth:`unblock`."""
        if self.parent is not None:
            self.parent.notifyAppend(self, True)
        self._size += 1
        self._blocked = value
        self._stuck(self._size)

    def unblock(self, value: Any) -> None:
        """Let a blocked event be popped again; does nothing if it is not blocked here."""
        if self._blocked is not None and self._blocked is value:
            self._blocked = None
            self._put_back(value)
            self._stuck(-self._size)
            if not self.linked:
                self.parent.notifyBlock(self, False)

    def unblockall(self) -> None:
        """Let all blocked events be popped again."""
        if self._blocked is not None:
            self.unblock(self._blocked)

    def waiting_events(self) -> list:
        """Return the events that wake all senders that may wait for this queue."""
        return [self._can_write]

    def _set_removed(self) -> None:
        self.maxlength = None

    def __len__(self) -> int:
        return self._size


class FifoQueue(LeafQueue):
    """First in, first out.

    :param parent: a :class:`MultiQueue`, or None
    :param maxlength: largest number of events, or None for no limit
    """

    def __init__(self, parent: Any = None, maxlength: int | None = None) -> None:
        super().__init__(parent, maxlength)
        self._items: deque = deque()
        self._put = self._items.append
        self._put_back = self._items.appendleft
        self._get = self._items.popleft
        self._drain = self._items.clear


class PriorityQueue(LeafQueue):
    """The event with the smallest priority first; equal ones first in, first out.

    :param parent: a :class:`MultiQueue`, or None
    :param maxlength: largest number of events, or None for no limit
    :param key: attribute of the events that holds the priority; events without it, or None there, come last
    """

    def __init__(self, parent: Any = None, maxlength: int | None = None, key: str = "priority") -> None:
        super().__init__(parent, maxlength)
        self.key = key
        self._heap: list[tuple] = []
        self._sequence = itertools.count()
        self._front: list = []

    @classmethod
    def initHelper(cls, key: str = "priority") -> Any:
        """Return a ``defaultQueueClass`` for :class:`~vlcp.event.pqueue.CBQueue` that uses this key."""

        def create(parent: Any = None, maxlength: int | None = None) -> PriorityQueue:
            return cls(parent, maxlength, key)

        return create

    def _put(self, value: Any) -> None:
        priority = getattr(value, self.key, None)
        heapq.heappush(self._heap, (priority is None, _LAST if priority is None else priority, next(self._sequence), value))

    def _put_back(self, value: Any) -> None:
        self._front.append(value)

    def _get(self) -> Any:
        return self._front.pop() if self._front else heapq.heappop(self._heap)[3]

    def _drain(self) -> None:
        self._heap.clear()
        self._front.clear()


# Place of a missing priority: all missing ones are equal, and they are never compared with real ones.
_LAST = 0


class MultiQueue:
    """The queues of one priority inside a :class:`~vlcp.event.pqueue.CBQueue`, popped in turn.

    :param parent: the ``CBQueue``, or None
    :param priority: the priority that all of them have
    """

    class CircleListNode:
        """One place in a ring.

        :param value: what stands there
        """

        __slots__ = ("next", "prev", "value")

        def __init__(self, value: Any) -> None:
            self.value = value
            self.prev = self.next = self

        def insertprev(self, node: Any) -> Any:
            """Insert a single node before this one and return it."""
            node.prev, node.next = self.prev, self
            self.prev.next = node
            self.prev = node
            return node

        def remove(self) -> None:
            """Take this node out of its ring."""
            self.prev.next, self.next.prev = self.next, self.prev
            self.prev = self.next = self

    class CircleList:
        """A ring of nodes with a current one."""

        __slots__ = ("current",)

        def __init__(self) -> None:
            self.current: Any = None

        def remove(self, node: Any) -> None:
            """Remove a node of this ring; the one after it becomes current if it was."""
            if self.current is node:
                self.current = None if node.next is node else node.next
            node.remove()

        def insertprev(self, node: Any) -> None:
            """Insert a node before the current one: its turn comes last."""
            if self.current is None:
                self.current = node
            else:
                self.current.insertprev(node)

        def insertcurrent(self, node: Any) -> None:
            """Insert a node and make it the current one."""
            self.insertprev(node)
            self.current = node

        def next(self) -> Any:
            """Return the current node and go on to the one after it; None if the ring is empty."""
            node = self.current
            if node is not None:
                self.current = node.next
            return node

        def clear(self) -> None:
            """Forget all nodes."""
            self.current = None

    def __init__(self, parent: Any = None, priority: int = 0) -> None:
        self.parent = parent
        self.priority = priority
        self.queues: dict[Any, Any] = {}
        self.linked = parent is None
        self._ring = self.CircleList()
        if parent is not None:
            # A step less for each event: the parent does not ask which of its queues changed.
            self.notifyAppend = parent.notifyAppend
            self.notifyPop = parent.notifyPop
            self.notifyStuck = parent.notifyStuck

    def canPop(self) -> bool:
        """Return whether one of the queues has an event to pop."""
        return any(queue.canPop() for queue in self.queues)

    def next_queue(self) -> Any:
        """Return the queue whose turn it is and that has an event to pop, or None."""
        ring = self._ring
        node = ring.current
        while node is not None:
            queue = node.value
            if queue.canPop():
                ring.current = node.next
                return queue
            self._unlink(queue)
            node = ring.current
        return None

    def _unlink(self, queue: Any) -> None:
        self._ring.remove(self.queues[queue])
        queue.unlink()

    def unlink(self) -> None:
        """Take all queues out of the turns: none of them has anything to pop."""
        self.linked = False
        while self._ring.current is not None:
            self._unlink(self._ring.current.value)

    def addSubQueue(self, queue: Any) -> None:
        """Add a queue."""
        self.queues[queue] = self.CircleListNode(queue)
        queue.parent = self
        if not queue.canPop():
            queue.unlink()
            return
        queue.linked = False
        self.notifyBlock(queue, False)

    def removeSubQueue(self, queue: Any) -> None:
        """Remove a queue.

        :raises KeyError: it is not one of the queues
        """
        if queue.linked:
            self._ring.remove(self.queues[queue])
        del self.queues[queue]
        queue.parent = None
        queue.linked = True

    def notifyAppend(self, queue: Any, force: bool) -> EventMatcher | None:
        """A queue is going to hold one more event; return a matcher if an ancestor refuses it."""
        return None if self.parent is None else self.parent.notifyAppend(self, force)

    def notifyBlock(self, queue: Any, blocked: bool) -> None:
        """A queue has something to pop, and wants its turn.

        :param blocked: if True it has nothing to pop any more, which is found out when its turn comes
        """
        if blocked or queue.linked:
            return
        queue.linked = True
        self._ring.insertprev(self.queues[queue])
        if not self.linked:
            self.parent.notifyBlock(self, False)

    def notifyPop(self, queue: Any, length: int = 1) -> Sequence:
        """A queue lost some events; return the events that this makes necessary in the ancestors."""
        return () if self.parent is None else self.parent.notifyPop(self, length)

    def notifyStuck(self, count: int) -> None:
        """So many more, or less, events cannot be popped."""
        if self.parent is not None:
            self.parent.notifyStuck(count)

    def unblockall(self) -> None:
        """Let all blocked events be popped again."""
        for queue in list(self.queues):
            queue.unblockall()

    def __len__(self) -> int:
        return sum(map(len, self.queues))
