"""Routines and their containers: the helpers that routines are written with (manual 4.3.2 and 5.2.10)."""

from __future__ import annotations

from typing import Any, Callable

from vlcp.event._delegate import DelegateMixin, MultipleException, RoutineControlEvent
from vlcp.event._events import GeneratorExit_, SystemControlEvent, TimerEvent
from vlcp.event._handler import EventHandler
from vlcp.event._monitor import Monitor
from vlcp.event._routine import IllegalMatchersException, RoutineWrapper, generatorwrapper
from vlcp.event.event import M_, Diff_, Event, EventMatcher

__all__ = [
    "EventHandler",
    "GeneratorExit_",
    "IllegalMatchersException",
    "MultipleException",
    "Routine",
    "RoutineContainer",
    "RoutineControlEvent",
    "RoutineException",
    "generatorwrapper",
]


_CONTINUE = SystemControlEvent.createMatcher(SystemControlEvent.CONTINUE)


class RoutineException(Exception):
    """Raised by :meth:`RoutineContainer.with_exception`.

    :param matcher: the matcher that matched
    :param event: the event
    """

    def __init__(self, matcher: EventMatcher, event: Event) -> None:
        super().__init__(matcher, event)
        self.matcher = matcher
        self.event = event


def Routine(
    coroutine: Any,
    scheduler: Any,
    asyncStart: bool = True,
    container: Any = None,
    manualStart: bool = False,
    daemon: bool = False,
) -> RoutineWrapper:
    """Return a routine that runs a coroutine; containers call this.

    :param coroutine: a coroutine object
    :param scheduler: the scheduler
    :param asyncStart: if True it starts when the current routine is suspended; else it runs to its first suspension now,
                       and what it raises till then is raised here
    :param container: the container, whose ``currentroutine`` is set while it runs
    :param manualStart: the caller starts it with ``next(routine)``
    :param daemon: the scheduler does not wait for it
    :raises TypeError: ``coroutine`` is not a coroutine, for example a function that was not called
    """
    if not (hasattr(coroutine, "send") and hasattr(coroutine, "throw")):
        raise TypeError(f"A routine is made of a coroutine, call the async function: {coroutine!r}")
    routine = RoutineWrapper(coroutine, scheduler, container)
    scheduler.setDaemon(routine, daemon)
    if manualStart:
        return routine
    if asyncStart:
        scheduler.start_later(routine)
    else:
        _start_now(routine, scheduler, container)
    return routine


def _start_now(routine: RoutineWrapper, scheduler: Any, container: Any) -> None:
    previous = None if container is None else container.currentroutine
    try:
        routine.send(None)
    except (StopIteration, GeneratorExit_):
        scheduler.unregisterall(routine)
    except BaseException:
        scheduler.unregisterall(routine)
        raise
    finally:
        if container is not None:
            container.currentroutine = previous


class RoutineContainer(DelegateMixin):
    """Groups routines that share data; subclasses rewrite :meth:`main`.

    Attributes: ``scheduler``; ``currentroutine``, the routine of this container that runs or ran last; ``mainroutine``, the
    routine of :meth:`main`.

    :param scheduler: the scheduler; if None, :meth:`bind` sets it before the container is used
    :param daemon: if True, the main routine is a daemon: the scheduler does not wait for its end
    """

    def __init__(self, scheduler: Any = None, daemon: bool = False) -> None:
        self.scheduler = scheduler
        self.daemon = daemon
        self.currentroutine: Any = None
        self.mainroutine: Any = None

    def bind(self, scheduler: Any) -> None:
        """Set the scheduler, if none was given to the constructor."""
        self.scheduler = scheduler

    def main(self) -> Any:
        """The main routine; to be rewritten as an async method.

        :raises NotImplementedError: always
        """
        raise NotImplementedError(f"{type(self).__name__} has no main routine")

    def start(self, asyncStart: bool = False) -> Any:
        """Start :meth:`main` as the main routine and return the routine.

        :param asyncStart: if False, it runs to its first suspension before this method returns, and what it raises till
                           then is raised here
        """
        routine = Routine(self.main(), self.scheduler, True, self, True, self.daemon)
        self.mainroutine = routine
        self._begin(routine, asyncStart)
        return routine

    def subroutine(self, iterator: Any, asyncStart: bool = True, name: str | None = None, daemon: bool = False) -> Any:
        """Start another routine in this container and return it.

        :param iterator: a coroutine object
        :param asyncStart: if False, it runs to its first suspension before this method returns
        :param name: attribute of the container that is set to the routine, or None
        :param daemon: if True, the scheduler does not wait for its end
        """
        routine = Routine(iterator, self.scheduler, True, self, True, daemon)
        if name is not None:
            setattr(self, name, routine)
        self._begin(routine, asyncStart)
        return routine

    def _begin(self, routine: RoutineWrapper, asyncStart: bool) -> None:
        if asyncStart:
            self.scheduler.start_later(routine)
        else:
            _start_now(routine, self.scheduler, self)

    def terminate(self, routine: Any = None) -> None:
        """Stop a routine; it may still await in its ``finally`` blocks.

        :param routine: the routine; None for the main routine
        """
        target = self.mainroutine if routine is None else routine
        if target is not None:
            target.close()

    def close(self) -> None:
        """Stop the main routine."""
        self.terminate()

    # Waiting

    async def wait_for_send(self, event: Event, *, until: Callable[[], Any] | None = None) -> Any:
        """Send an event to the queue; suspend only while the queue is full.

        :param until: called each time before trying again; if it returns a true value, the event is not sent
        :return: that true value, or None if the event was sent
        """
        append = self.scheduler.queue.append
        matcher = append(event)
        while matcher is not None:
            await matcher
            if until is not None:
                stop = until()
                if stop:
                    return stop
            matcher = append(event)
        return None

    async def wait_with_timeout(self, timeout: float | None, *matchers: EventMatcher) -> tuple:
        """Wait for the first event of several matchers, or until a timeout.

        :param timeout: seconds; None for no limit
        :return: ``(False, event, matcher)``, or ``(True, None, None)`` after the timeout
        """
        if timeout is None:
            event, matcher = await M_(*matchers)
            return False, event, matcher
        timer = self.scheduler.setTimer(timeout)
        timer_matcher = TimerEvent.createMatcher(timer)
        try:
            event, matcher = await M_(timer_matcher, *matchers)
        finally:
            self.scheduler.cancelTimer(timer)
        return (True, None, None) if matcher is timer_matcher else (False, event, matcher)

    async def execute_with_timeout(self, timeout: float | None, subprocess: Any) -> tuple[bool, Any]:
        """Run a coroutine, and terminate it after a timeout.

        :param timeout: seconds; None for no limit
        :param subprocess: a coroutine
        :return: ``(False, result)``, or ``(True, None)`` after the timeout
        :raises BaseException: what the coroutine raises
        """
        if timeout is None:
            return False, await subprocess
        timer = self.scheduler.setTimer(timeout)
        matcher = TimerEvent.createMatcher(timer)
        try:
            return False, await self.with_exception(subprocess, matcher)
        except RoutineException as exc:
            if exc.matcher is not matcher:
                raise
            return True, None
        finally:
            self.scheduler.cancelTimer(timer)

    async def do_events(self) -> None:
        """Let other routines and the sockets have their turn, and go on after the next poll."""
        self.scheduler.wantContinue()
        await _CONTINUE

    async def with_exception(self, subprocess: Any, *matchers: EventMatcher) -> Any:
        """Run a coroutine; if one of the matchers matches first, terminate it.

        :return: what the coroutine returns
        :raises RoutineException: a matcher matched
        """

        def fail(event: Event, matcher: EventMatcher) -> None:
            raise RoutineException(matcher, event)

        return await self.with_callback(subprocess, fail, *matchers)

    async def with_callback(
        self,
        subprocess: Any,
        callback: Callable[[Event, EventMatcher], Any],
        *matchers: EventMatcher,
        intercept_callback: Callable[[Event, EventMatcher], Any] | None = None,
    ) -> Any:
        """Run a coroutine and call ``callback(event, matcher)`` for each event that the matchers match meanwhile.

        If the callback raises, the coroutine is terminated and the exception goes on.

        :param subprocess: a coroutine
        :param intercept_callback: ``f(event, matcher)``, called before the coroutine gets an event
        :return: what the coroutine returns
        """
        return await Monitor(subprocess, callback, matchers, intercept_callback)

    async def wait_for_all(
        self,
        *matchers: EventMatcher,
        eventlist: list | None = None,
        eventdict: dict | None = None,
        callback: Callable[[Event, EventMatcher], Any] | None = None,
    ) -> tuple[list, dict]:
        """Wait until each matcher has matched an event.

        :param eventlist: list to append the events to, in order of arrival; None for a new one
        :param eventdict: dictionary to fill with ``{matcher: event}``; None for a new one
        :param callback: ``f(event, matcher)``, called for each event
        :return: ``(eventlist, eventdict)``
        """
        eventlist = [] if eventlist is None else eventlist
        eventdict = {} if eventdict is None else eventdict
        waiting = Diff_(tuple(dict.fromkeys(matchers)))
        for _ in range(len(waiting)):
            event, matcher = await waiting
            eventlist.append(event)
            eventdict[matcher] = event
            if callback is not None:
                callback(event, matcher)
            waiting = Diff_(waiting, remove=(matcher,))
        return eventlist, eventdict

    async def wait_for_all_to_process(
        self,
        *matchers: EventMatcher,
        eventlist: list | None = None,
        eventdict: dict | None = None,
        callback: Callable[[Event, EventMatcher], Any] | None = None,
    ) -> tuple[list, dict]:
        """Like :meth:`wait_for_all`, and set ``canignore = True`` on the events, so that blocking ones are processed."""

        def process(event: Event, matcher: EventMatcher) -> None:
            event.canignore = True
            if callback is not None:
                callback(event, matcher)

        return await self.wait_for_all(*matchers, eventlist=eventlist, eventdict=eventdict, callback=process)

    async def wait_for_empty(self, queue: Any) -> None:
        """Wait until a queue is empty."""
        matcher = queue.waitForEmpty()
        while matcher is not None:
            await matcher
            matcher = queue.waitForEmpty()

    async def wait_for_all_empty(self, *queues: Any) -> None:
        """Wait until several queues are empty at the same time."""
        matchers = [m for m in (queue.waitForEmpty() for queue in queues) if m is not None]
        while matchers:
            await self.wait_for_all(*matchers)
            matchers = [m for m in (queue.waitForEmpty() for queue in queues) if m is not None]

    # Syscalls

    async def syscall_noreturn(self, func: Callable) -> Event:
        """Run a function in the scheduler's own context, see :meth:`vlcp.event.core.Scheduler.syscall`.

        :return: the :class:`~vlcp.event.core.SyscallReturnEvent`
        """
        matcher = self.scheduler.syscall(func)
        while matcher is None:
            await self.do_events()
            matcher = self.scheduler.syscall(func)
        return await matcher

    async def syscall(self, func: Callable, ignoreException: bool = False) -> Any:
        """Run a function in the scheduler's own context and return what it returns.

        :param ignoreException: return None if it raises
        :raises Exception: what the function raises
        """
        event = await self.syscall_noreturn(func)
        exception = getattr(event, "exception", None)
        if exception is None:
            return event.retval
        if ignoreException:
            return None
        raise exception[1]

    # One container for each scheduler

    @classmethod
    def get_container(cls, scheduler: Any) -> RoutineContainer:
        """Return a container of this scheduler that is shared by those who only need the helpers above."""
        if scheduler.shared_container is None:
            scheduler.shared_container = RoutineContainer(scheduler)
        return scheduler.shared_container

    @classmethod
    def destroy_container_cache(cls, scheduler: Any) -> None:
        """Forget the shared container of a scheduler."""
        scheduler.shared_container = None

    waitForSend = wait_for_send
    waitWithTimeout = wait_with_timeout
    # The printed manual has this name.
    waitForTimeout = wait_with_timeout
    executeWithTimeout = execute_with_timeout
    doEvents = do_events
    withException = with_exception
    withCallback = with_callback
    waitForAll = wait_for_all
    waitForAllToProcess = wait_for_all_to_process
    waitForEmpty = wait_for_empty
    waitForAllEmpty = wait_for_all_empty
