"""One routine: drives a coroutine and keeps its matchers registered (manual 4.3.2)."""

from __future__ import annotations

import logging
from typing import Any

from vlcp.event._events import GeneratorExit_
from vlcp.event.event import Diff_, DiffRef_, EventMatcher

_logger = logging.getLogger(__name__)


class IllegalMatchersException(Exception):
    """A routine awaited something that is no event matcher; raised at that place in the routine."""


class generatorwrapper:
    """Gives a generator or coroutine a readable ``repr``.

    :param run: generator or coroutine
    :param name: its name
    :param classname: what it is
    """

    def __init__(self, run: Any, name: str = "coroutine", classname: str = "routine") -> None:
        self.run = run
        self.name = name
        self.classname = classname

    def __iter__(self) -> Any:
        return self

    def __await__(self) -> Any:
        return self.run.__await__() if hasattr(self.run, "__await__") else iter(self.run)

    def __next__(self) -> Any:
        return self.send(None)

    def next(self) -> Any:
        """Run to the first or next suspension."""
        return self.send(None)

    def send(self, arg: Any) -> Any:
        """Resume with a value; see ``generator.send``."""
        return self.run.send(arg)

    def throw(self, typ: Any, val: Any = None, tb: Any = None) -> Any:
        """Raise an exception at the place of suspension.

        :param typ: exception or its class
        :param val: the exception or its argument, if ``typ`` is a class
        :param tb: traceback, or None
        """
        return self.run.throw(_exception(typ, val, tb))

    def close(self) -> None:
        """End it; see ``generator.close``."""
        self.run.close()

    def __repr__(self) -> str:
        return f"<{self.classname}: {self.name} at {id(self):#x}>"


def _exception(typ: Any, val: Any, tb: Any) -> BaseException:
    """Return the exception that the three arguments of ``throw`` stand for."""
    if isinstance(typ, BaseException):
        exc = typ
    elif isinstance(val, BaseException):
        exc = val
    else:
        exc = typ() if val is None else typ(val)
    return exc if tb is None else exc.with_traceback(tb)


class RoutineWrapper(generatorwrapper):
    """A routine that the scheduler runs.

    :param coroutine: the coroutine
    :param scheduler: the scheduler; the routine is registered there until it ends
    :param container: its ``currentroutine`` is this routine while it runs; None for no container
    """

    def __init__(self, coroutine: Any, scheduler: Any, container: Any) -> None:
        name = getattr(coroutine, "__qualname__", None) or type(coroutine).__name__
        super().__init__(coroutine, name, "routine")
        self.scheduler = scheduler
        self.container = container
        #: what the coroutine awaits: a matcher, a sequence of matchers, a ``Diff_``, or None
        self.waiting: Any = None
        self._resume = self._first
        self._closing: BaseException | None = None
        self._active = False

    def _first(self, etup: Any) -> Any:
        self._resume = self.run.send
        return self.run.send(None)

    def send(self, etup: Any) -> None:
        """Resume the coroutine and register what it awaits next.

        :param etup: ``(event, matcher)``; ignored at the first call
        :raises BaseException: what the coroutine raises; StopIteration when it returns
        """
        if self.container is not None:
            self.container.currentroutine = self
        self._active = True
        try:
            target = self._resume(etup)
        finally:
            self._active = False
        waiting = self.waiting
        if self._closing is not None:
            self._wait_for(target)
        elif type(target) is EventMatcher and type(waiting) is EventMatcher:
            if target is not waiting:
                self.scheduler.exchange(waiting, target, self)
                self.waiting = target
        elif target is not waiting or target is None:
            self._wait_for(target)

    def throw(self, typ: Any, val: Any = None, tb: Any = None) -> None:
        """Raise an exception in the coroutine; if it goes on, register what it awaits next."""
        container = self.container
        previous = None if container is None else container.currentroutine
        if container is not None:
            container.currentroutine = self
        self._active = True
        self._resume = self.run.send
        try:
            target = self.run.throw(_exception(typ, val, tb))
        finally:
            self._active = False
            if container is not None:
                container.currentroutine = previous
        self._wait_for(target)

    @property
    def started(self) -> bool:
        """Whether the coroutine has begun to run."""
        return self._resume != self._first

    def close(self) -> None:
        """Terminate the routine with :class:`GeneratorExit_`; it may still await in its ``finally`` blocks.

        A routine that closes itself ends at its next suspension.  Does nothing if it has ended.
        """
        if self._active:
            self._closing = GeneratorExit_()
        elif self.scheduler.is_registered(self):
            self.scheduler.throw(self, GeneratorExit_())

    def kill(self) -> None:
        """Close the coroutine without any chance to await."""
        self.run.close()

    def _wait_for(self, target: Any) -> None:
        """Wait for ``target`` instead of what the routine waited for before."""
        while True:
            if self._closing is not None:
                exc, self._closing = self._closing, None
            else:
                exc = self._switch(target)
                if exc is None:
                    return
            self._active = True
            try:
                target = self.run.throw(exc)
            finally:
                self._active = False

    def _switch(self, target: Any) -> BaseException | None:
        """Register the difference between two collections of matchers; return an exception for an illegal one."""
        old = self.waiting
        scheduler = self.scheduler
        if isinstance(target, EventMatcher):
            if target is old:
                return None
            add, remove = (target,), _members(old)
            if len(remove) == 1 and remove[0] is target:
                add = remove = ()
        elif target is None:
            add, remove = (), _members(old)
            scheduler.yield_(self)
        elif isinstance(target, (Diff_, DiffRef_)):
            add, remove = target.two_way_difference(_comparable(old))
        elif isinstance(target, (tuple, list)) and all(isinstance(m, EventMatcher) for m in target):
            add, remove = _changes(_members(old), target)
        else:
            return IllegalMatchersException(_explain(target))
        self.waiting = target
        if remove:
            scheduler.unregister(remove, self)
        if add:
            scheduler.register(add, self)
        return None

    def __repr__(self) -> str:
        owner = "" if self.container is None else f" of {self.container!r}"
        return f"<routine {self.name}{owner}>"


def _members(waiting: Any) -> Any:
    if waiting is None:
        return ()
    return (waiting,) if isinstance(waiting, EventMatcher) else tuple(waiting)


def _comparable(waiting: Any) -> Any:
    """Return what a ``Diff_`` can be compared with; its own objects are kept for the cheap way."""
    return waiting if isinstance(waiting, (Diff_, DiffRef_)) else _members(waiting)


def _changes(old: tuple, new: Any) -> tuple[list, list]:
    was, now = set(old), set(new)
    return [m for m in new if m not in was], [m for m in old if m not in now]


def _explain(target: Any) -> str:
    """Return why something cannot be awaited in a routine, with the usual cause."""
    if getattr(target, "_asyncio_future_blocking", None) is not None:
        return f"Awaited {target!r}, which belongs to asyncio; routines await matchers, M_, Future and coroutines of VLCP"
    if isinstance(target, (tuple, list)):
        wrong = next(m for m in target if not isinstance(m, EventMatcher))
        hint = " (pass the matchers as M_(m1, m2), not as a list)" if isinstance(wrong, (tuple, list)) else ""
        return f"Awaited {target!r}, in which {wrong!r} is not an event matcher{hint}"
    if hasattr(target, "send") and hasattr(target, "throw"):
        return f"Awaited {target!r}: a coroutine was yielded, not awaited"
    return f"Awaited {target!r}, which is not an event matcher; it may belong to another framework such as asyncio or trio"
