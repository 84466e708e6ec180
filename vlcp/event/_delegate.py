"""Routines that run for another routine and give it their result: the part of ``RoutineContainer`` for it."""

from __future__ import annotations

from typing import Any, Iterable

from vlcp.event._events import FutureCancelledException, GeneratorExit_, QuitException
from vlcp.event.event import Event, EventMatcher, with_indices


@with_indices("type", "routine")
class RoutineControlEvent(Event):
    """A delegated routine ended.

    ``exception`` holds what it raised, or is None; ``result`` holds what it returned.

    :param type: DELEGATE_FINISHED
    :param routine: the routine
    """

    DELEGATE_FINISHED = "delegatefinished"
    result: Any = None
    exception: BaseException | None = None


class MultipleException(Exception):
    """Several subprocesses of :meth:`~vlcp.event.runnable.RoutineContainer.execute_all` failed.

    :param exceptions: what they raised
    """

    def __init__(self, exceptions: Iterable[BaseException]) -> None:
        self.exceptions = list(exceptions)
        super().__init__("; ".join(repr(exc) for exc in self.exceptions))


class DelegateMixin:
    """Methods of :class:`~vlcp.event.runnable.RoutineContainer` that run coroutines in routines of their own."""

    scheduler: Any
    currentroutine: Any
    subroutine: Any
    wait_for_all: Any

    async def _delegated(self, subprocess: Any, container: Any, retnames: tuple | None) -> None:
        """Run a coroutine in the current, new routine of ``container``, and send its result as an event."""
        routine = container.currentroutine
        event = RoutineControlEvent(RoutineControlEvent.DELEGATE_FINISHED, routine)
        try:
            result = await subprocess
            if retnames is not None:
                result = tuple(getattr(container, name) if name else result for name in retnames)
            event.result = result
        except (GeneratorExit, GeneratorExit_, QuitException) as exc:
            event.exception = FutureCancelledException(f"{routine!r} was terminated")
            event.exception.__cause__ = exc
            raise
        except BaseException as exc:
            event.exception = exc
        finally:
            self.scheduler.emergesend(event)

    def _begin_delegate(self, subprocess: Any, container: Any, retnames: tuple | None) -> tuple[EventMatcher, Any]:
        routine = container.subroutine(self._delegated(subprocess, container, retnames))
        return RoutineControlEvent.createMatcher(RoutineControlEvent.DELEGATE_FINISHED, routine), routine

    def begin_delegate(self, subprocess: Any) -> tuple[EventMatcher, Any]:
        """Start a coroutine in a routine of its own, for :meth:`end_delegate`.

        A :class:`~vlcp.event.future.RoutineFuture` keeps its result and should be preferred.

        :return: ``(matcher, routine)``, the matcher for the event with its result
        """
        return self._begin_delegate(subprocess, self, None)

    async def end_delegate(self, delegate_matcher: EventMatcher, routine: Any = None, forceclose: bool = False) -> Any:
        """Wait for the result of :meth:`begin_delegate`; must be called before any other ``await``.

        :param forceclose: terminate ``routine`` if this wait is terminated
        :return: what the coroutine returned
        :raises BaseException: what the coroutine raised; FutureCancelledException if it was terminated
        """
        try:
            event = await delegate_matcher
        finally:
            if forceclose and routine is not None:
                routine.close()
        if event.exception is not None:
            raise event.exception
        return event.result

    async def delegate(self, subprocess: Any, forceclose: bool = False) -> Any:
        """Run a coroutine in a routine of its own and return its result; see :meth:`end_delegate`."""
        matcher, routine = self.begin_delegate(subprocess)
        return await self.end_delegate(matcher, routine, forceclose)

    def begin_delegate_other(self, subprocess: Any, container: Any, retnames: tuple = ("",)) -> tuple[EventMatcher, Any]:
        """Start a coroutine in another container (deprecated).

        :param retnames: what the result is made of: attributes of ``container``, or ``''`` for the return value
        :return: ``(matcher, routine)``, the matcher for the event with its result
        """
        return self._begin_delegate(subprocess, container, tuple(retnames))

    async def delegate_other(self, subprocess: Any, container: Any, retnames: tuple = ("",), forceclose: bool = False) -> tuple:
        """Run a coroutine in another container (deprecated); return the values for ``retnames`` as a tuple."""
        matcher, routine = self.begin_delegate_other(subprocess, container, retnames)
        return await self.end_delegate(matcher, routine, forceclose)

    async def execute_all(self, subprocesses: Iterable, forceclose: bool = True) -> list:
        """Run several coroutines at the same time and wait for all.

        :param forceclose: terminate them if this wait is terminated
        :return: their return values in order
        :raises MultipleException: more than one of them failed; if one failed, its exception goes on
        """
        return await self._execute_all([self.begin_delegate(sub) for sub in subprocesses], forceclose)

    async def execute_all_with_names(
        self, subprocesses: Iterable, container: Any = None, retnames: tuple = ("",), forceclose: bool = True
    ) -> list:
        """Like :meth:`execute_all`, in another container (deprecated); the results are tuples for ``retnames``."""
        where = self if container is None else container
        started = [self.begin_delegate_other(sub, where, retnames) for sub in subprocesses]
        return await self._execute_all(started, forceclose)

    async def _execute_all(self, started: list, forceclose: bool) -> list:
        try:
            _, events = await self.wait_for_all(*[matcher for matcher, _ in started])
        finally:
            if forceclose:
                for _, routine in started:
                    routine.close()
        ended = [events[matcher] for matcher, _ in started]
        failures = [event.exception for event in ended if event.exception is not None]
        if len(failures) > 1:
            raise MultipleException(failures)
        if failures:
            raise failures[0]
        return [event.result for event in ended]

    beginDelegateOther = begin_delegate_other
    delegateOther = delegate_other
    executeAll = execute_all_with_names
