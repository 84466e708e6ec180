"""Events by which queues tell that there is room again, or that they are empty."""

from __future__ import annotations

from typing import Any

from vlcp.event.event import Event, with_indices


@with_indices("queue")
class QueueCanWriteEvent(Event):
    """A full queue has room again.

    Delivered directly, not through the queue, to the waiting senders one by one while it is valid.

    :param queue: the queue that refused an event
    """

    def __init__(self, queue: Any, **kwargs: Any) -> None:
        Event.__init__(self, queue, **kwargs)

    def is_valid(self) -> bool:
        """Return whether there still is room."""
        return self.queue.canAppend()

    def unused(self) -> QueueCanWriteEvent | None:
        """Return the next event to deliver when no sender took the room, or None."""
        return None

    def instead(self) -> QueueCanWriteEvent | None:
        """Return the event to deliver when this one is not valid any more, or None."""
        return None


@with_indices("key", "newonly", "firstonly")
class AutoClassQueueCanWriteEvent(QueueCanWriteEvent):
    """An :class:`~vlcp.event.pqueue.CBQueue.AutoClassQueue` has room again for events with one key.

    :param queue: the queue
    :param key: value of the attribute that the queue classifies by
    :param newonly: True if only keys without events in the queue can be appended now
    :param firstonly: True if this key has no event in the queue
    """

    def __init__(self, queue: Any, key: Any, newonly: bool, firstonly: bool) -> None:
        Event.__init__(self, queue, key, newonly, firstonly)

    def is_valid(self) -> bool:
        """Return whether an event with this key can be appended now."""
        return self.queue.canAppendSubqueue(self.key)

    def unused(self) -> QueueCanWriteEvent | None:
        """Return the event for the next refused key when no sender took the room."""
        return self.queue.next_refused_after(self.key)

    def instead(self) -> QueueCanWriteEvent | None:
        """Return the event for another refused key that has room."""
        return self.queue.next_refused()


@with_indices("queue")
class QueueIsEmptyEvent(Event):
    """A queue on which someone called ``waitForEmpty`` is empty."""
