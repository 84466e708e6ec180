"""Who waits for which events: the part of the scheduler that knows runnables and their matchers."""

from __future__ import annotations

from collections import deque
from typing import Any, Iterable

from vlcp.event.event import EventMatcher
from vlcp.event.matchtree import EventTree, MatchTree


class Registry:
    """Runnables, their matchers, and which of them are daemons.

    :param queue: the event queue, in which events may be blocked until somebody waits for them
    """

    def __init__(self, queue: Any) -> None:
        self._queue = queue
        self.matchtree = MatchTree()
        #: events that block a queue
        self.eventtree = EventTree()
        #: runnable -> the matchers it is registered with
        self._runnables: dict[Any, set] = {}
        self._daemons: set = set()
        self._starting: deque = deque()
        self._yielded: list = []

    def register(self, matchers: Iterable[EventMatcher], runnable: Any) -> None:
        """Let a runnable wait for events.

        :param matchers: sequence of matchers; those it waits for already are left as they are
        :param runnable: hashable object with ``send((event, matcher))`` and ``throw(exception)``
        """
        registered = self._runnables.get(runnable)
        if registered is None:
            registered = self._runnables[runnable] = set()
        for matcher in matchers:
            if matcher not in registered:
                registered.add(matcher)
                self.matchtree.insert(matcher, runnable)
                if self.eventtree:
                    self._unblock_for(matcher)

    def _unblock_for(self, matcher: EventMatcher) -> None:
        for event in self.eventtree.findAndRemove(matcher):
            self._queue.unblock(event)

    def exchange(self, old: EventMatcher, new: EventMatcher, runnable: Any) -> None:
        """Let a registered runnable wait for ``new`` instead of ``old``: the usual case, made short."""
        registered = self._runnables[runnable]
        registered.discard(old)
        registered.add(new)
        self.matchtree.remove(old, runnable)
        self.matchtree.insert(new, runnable)
        if self.eventtree.events or self.eventtree.index:
            self._unblock_for(new)

    def unregister(self, matchers: Iterable[EventMatcher], runnable: Any) -> None:
        """Let a runnable wait for some events no longer; the runnable stays registered."""
        registered = self._runnables.get(runnable)
        if registered is None:
            return
        for matcher in matchers:
            if matcher in registered:
                registered.remove(matcher)
                self.matchtree.remove(matcher, runnable)

    def unregisterall(self, runnable: Any) -> None:
        """Forget a runnable; done by the scheduler when the runnable ends."""
        for matcher in self._runnables.pop(runnable, ()):
            self.matchtree.remove(matcher, runnable)
        self._daemons.discard(runnable)

    def setDaemon(self, runnable: Any, isdaemon: bool, noregister: bool = False) -> None:
        """Make a runnable a daemon or not; the main loop ends when only daemons are left.

        :param noregister: if True, a runnable that is not registered stays so, and the call does nothing
        """
        if runnable not in self._runnables:
            if noregister:
                return
            self._runnables[runnable] = set()
        if isdaemon:
            self._daemons.add(runnable)
        else:
            self._daemons.discard(runnable)

    def is_registered(self, runnable: Any) -> bool:
        """Return whether a runnable has not ended."""
        return runnable in self._runnables

    def yield_(self, runnable: Any) -> None:
        """Wake a runnable up after the next poll, with ``(None, None)``."""
        self._yielded.append(runnable)

    def start_later(self, runnable: Any) -> None:
        """Resume a registered runnable for the first time as soon as the current one is suspended."""
        self._starting.append(runnable)
