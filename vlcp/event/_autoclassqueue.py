"""A queue that is fair between the senders, or receivers, of the events in it (manual 5.2.8)."""

from __future__ import annotations

from collections import deque
from typing import Any, Sequence

from vlcp.event._queueevents import AutoClassQueueCanWriteEvent
from vlcp.event._served import Served
from vlcp.event._subqueues import LeafQueue
from vlcp.event.event import EventMatcher
from vlcp.utils.indexedheap import IndexedHeap

# Without a limit of the queue, this many of the last events decide whose turn it is.
_DEFAULT_STAT = 1024
# The most that decide by themselves; what they cost stays for as long as nothing else is served.
_LARGEST_STAT = 10240


class _NoKey:
    """Stands for the class of the events without the attribute, as an index value cannot be None."""

    def __repr__(self) -> str:
        return "<no key>"


_NO_KEY = _NoKey()


class AutoClassQueue(LeafQueue):
    """Puts events into virtual queues by the value of one attribute; the least served of them is popped next.

    :param parent: a :class:`~vlcp.event._subqueues.MultiQueue`, or None
    :param maxlength: largest number of events in all virtual queues, or None for no limit
    :param key: attribute of the events to classify by; events without it are in one class
    :param preserveForNew: this much of ``maxlength`` is kept for events whose virtual queue is empty
    :param maxstat: how many of the last popped events are counted to find the least served virtual queue; None for ten
                    times ``maxlength``, at most 10240, or 1024 without it
    :param subqueuelimit: largest number of events in each virtual queue, or None for no limit
    """

    def __init__(
        self,
        parent: Any = None,
        maxlength: int | None = None,
        key: str = "owner",
        preserveForNew: int = 1,
        maxstat: int | None = None,
        subqueuelimit: int | None = None,
    ) -> None:
        super().__init__(parent, maxlength)
        if subqueuelimit is not None and subqueuelimit <= 0:
            raise ValueError(f"subqueuelimit of a queue must be positive: {subqueuelimit!r}")
        self.key = key
        self.subqueuelimit = subqueuelimit
        # At least one place is for virtual queues that are not empty.
        self._limit_old = None if maxlength is None else max(1, maxlength - preserveForNew)
        default = min(10 * maxlength, _LARGEST_STAT) if maxlength else _DEFAULT_STAT
        self.maxstat = default if maxstat is None else maxstat
        self._subs: dict[Any, deque] = {}
        self._blocked_keys: dict[Any, Any] = {}
        self._order = IndexedHeap()
        self._turn = 0
        self._served = Served(self.maxstat)
        self._refused_new: dict[Any, None] = {}
        self._refused_old: dict[Any, None] = {}
        self._refused_limit: dict[Any, None] = {}

    @classmethod
    def initHelper(
        cls,
        key: str = "owner",
        preserveForNew: int = 1,
        maxstat: int | None = None,
        subqueuelimit: int | None = None,
    ) -> Any:
        """Return a ``defaultQueueClass`` for :class:`~vlcp.event.pqueue.CBQueue` with these settings."""

        def create(parent: Any = None, maxlength: int | None = None) -> AutoClassQueue:
            return cls(parent, maxlength, key, preserveForNew, maxstat, subqueuelimit)

        return create

    def canAppend(self) -> bool:
        """Return whether an event with a new key can be appended."""
        return self.maxlength is None or self._size < self.maxlength

    def canAppendSubqueue(self, key: Any) -> bool:
        """Return whether an event with this key can be appended."""
        return self._refusal(key) is None

    def _refusal(self, key: Any) -> dict | None:
        """Return the register of refused keys that says why an event with this key cannot be appended, or None."""
        held = self._held(key)
        if self.subqueuelimit is not None and held >= self.subqueuelimit:
            return self._refused_limit
        if self.maxlength is None:
            return None
        if held:
            return self._refused_old if self._size >= self._limit_old else None
        return self._refused_new if self._size >= self.maxlength else None

    def _classify(self, value: Any) -> Any:
        key = getattr(value, self.key, None)
        return _NO_KEY if key is None else key

    def _held(self, key: Any) -> int:
        sub = self._subs.get(key)
        return (0 if sub is None else len(sub)) + (key in self._blocked_keys)

    def append(self, value: Any, force: bool = False) -> EventMatcher | None:
        """Append an event.

        :param force: True passes over all limits of length
        :return: None, or if there is no room a matcher for the event that tells when to try again
        """
        key = self._classify(value)
        if not force and (self.maxlength is not None or self.subqueuelimit is not None):
            refusal = self._refusal(key)
            if refusal is not None:
                return self._refuse(refusal, key)
        if self.parent is not None:
            refused = self.parent.notifyAppend(self, force)
            if refused is not None:
                return refused
        self._size += 1
        if self._blocked_keys and key in self._blocked_keys:
            self._stuck(1)
        sub = self._subs.get(key)
        if sub is not None:
            sub.append(value)
            return None
        self._subs[key] = deque((value,))
        if key not in self._blocked_keys:
            self._make_ready(key)
        return None

    def canPop(self) -> bool:
        """Return whether there is an event to pop: one of the virtual queues is neither empty nor blocked."""
        return len(self._order) > 0

    def _refuse(self, register: dict, key: Any) -> EventMatcher:
        for other in (self._refused_new, self._refused_old, self._refused_limit):
            if other is not register:
                other.pop(key, None)
        register.setdefault(key)
        return AutoClassQueueCanWriteEvent.createMatcher(self, key)

    def _make_ready(self, key: Any) -> None:
        self._turn += 1
        self._order.push(key, (self._served.count(key), self._turn))
        if not self.linked:
            self.parent.notifyBlock(self, False)

    def take(self) -> tuple[Any, Sequence]:
        """Remove the next event; return it and the events that the removal makes necessary."""
        if not self._order:
            raise IndexError("pop from a queue that is empty or blocked")
        key = self._order.top()
        sub = self._subs[key]
        value = sub.popleft()
        self._size -= 1
        self._serve(key)
        if sub:
            self._turn += 1
            self._order.setpriority(key, (self._served.count(key), self._turn))
        else:
            del self._subs[key]
            self._order.remove(key)
        events = () if self.parent is None else self.parent.notifyPop(self)
        event = self._refused_after_pop(key)
        return value, events if event is None else (*events, event)

    def _serve(self, key: Any) -> None:
        """Count a popped event; the key of the one that falls out of the statistics may come sooner now."""
        old = self._served.add(key)
        if old is not None and old != key and old in self._order:
            self._turn += 1
            self._order.setpriority(old, (self._served.count(old), self._turn))

    def _refused_after_pop(self, key: Any) -> AutoClassQueueCanWriteEvent | None:
        """Sort a popped key's refused senders anew, and return the event that wakes the next refused key."""
        if not (self._refused_new or self._refused_old or self._refused_limit):
            return None
        held = self._held(key)
        if key in self._refused_limit and held < self.subqueuelimit:
            del self._refused_limit[key]
            (self._refused_old if held else self._refused_new)[key] = None
        elif not held and key in self._refused_old:
            del self._refused_old[key]
            self._refused_new[key] = None
        return self.next_refused()

    def next_refused(self) -> AutoClassQueueCanWriteEvent | None:
        """Return the event for the refused key whose turn it is and that has room now; its next turn comes last."""
        for register in (self._refused_new, self._refused_old):
            while register:
                key = next(iter(register))
                reason = self._refusal(key)
                if reason is register:
                    # What refuses this key refuses the others of its register too.
                    break
                del register[key]
                if reason is not None:
                    reason[key] = None
                    continue
                register[key] = None
                newonly = self._limit_old is not None and self._size >= self._limit_old
                return AutoClassQueueCanWriteEvent(self, key, newonly, not self._held(key))
        return None

    def next_refused_after(self, key: Any) -> AutoClassQueueCanWriteEvent | None:
        """Forget a key that nobody waits for any more and return the event for the next one."""
        self._refused_new.pop(key, None)
        self._refused_old.pop(key, None)
        return self.next_refused()

    def _clear(self) -> list:
        count = self._size
        for register in (self._refused_old, self._refused_limit):
            self._refused_new.update(register)
            register.clear()
        self._stuck(-sum(map(self._held, self._blocked_keys)))
        self._subs.clear()
        self._blocked_keys.clear()
        self._order.clear()
        self._size = 0
        events = [] if self.parent is None or not count else list(self.parent.notifyPop(self, count))
        event = self.next_refused()
        return events if event is None else [*events, event]

    def waiting_events(self) -> list:
        """Return the events that wake all senders that may wait for this queue, and forget them."""
        keys = [*self._refused_new, *self._refused_old, *self._refused_limit]
        for register in (self._refused_new, self._refused_old, self._refused_limit):
            register.clear()
        return [AutoClassQueueCanWriteEvent(self, key, False, False) for key in keys]

    def block(self, value: Any) -> None:
        """Put an event that was just popped back to the front of its virtual queue, and block only that one."""
        key = self._classify(value)
        if self.parent is not None:
            self.parent.notifyAppend(self, True)
        self._size += 1
        self._blocked_keys[key] = value
        self._stuck(self._held(key))
        self._order.remove(key)

    def unblock(self, value: Any) -> None:
        """Let a blocked event be popped again; does nothing if it is not blocked here."""
        key = self._classify(value)
        if self._blocked_keys.get(key) is not value:
            return
        self._stuck(-self._held(key))
        del self._blocked_keys[key]
        self._subs.setdefault(key, deque()).appendleft(value)
        self._make_ready(key)

    def unblockall(self) -> None:
        """Let all blocked events be popped again."""
        for value in list(self._blocked_keys.values()):
            self.unblock(value)

    def _set_removed(self) -> None:
        self.maxlength = self.subqueuelimit = self._limit_old = None

    def __len__(self) -> int:
        return self._size
