"""The scheduler: events from the queue, the poller and the timers to the waiting routines (manual 4.3.3 and 5.2.2).

:meth:`Scheduler.main` is the loop; it reads top to bottom.
"""

from __future__ import annotations

import datetime
import logging
import time
from typing import Any, Callable

from vlcp.event._dispatch import Dispatcher
from vlcp.event._events import (
    POLLING_ERR,
    POLLING_HUP,
    POLLING_IN,
    POLLING_OUT,
    POLLING_PRI,
    GeneratorExit_,
    InterruptedBySignalException,
    PollEvent,
    QuitException,
    SyscallReturnEvent,
    SystemControlEvent,
    SystemControlLowPriorityEvent,
    TimerEvent,
)
from vlcp.event._registry import Registry
from vlcp.event._signals import SignalWatch, StopRequest
from vlcp.event._syscalls import (
    SyscallSlot,
    syscall_clearqueue,
    syscall_clearremovequeue,
    syscall_direct,
    syscall_generator,
    syscall_removequeue,
)
from vlcp.event._timers import TimerHandle, TimerHeap
from vlcp.event.event import Event, EventMatcher
from vlcp.event.polling import DefaultPolling, MockPolling, SelectPolling
from vlcp.event.pqueue import CBQueue

__all__ = [
    "POLLING_ERR",
    "POLLING_HUP",
    "POLLING_IN",
    "POLLING_OUT",
    "POLLING_PRI",
    "InterruptedBySignalException",
    "PollEvent",
    "QuitException",
    "Scheduler",
    "StopRequest",
    "SyscallReturnEvent",
    "SystemControlEvent",
    "SystemControlLowPriorityEvent",
    "TimerEvent",
    "syscall_clearqueue",
    "syscall_clearremovequeue",
    "syscall_direct",
    "syscall_generator",
    "syscall_removequeue",
]

_logger = logging.getLogger(__name__)

_DEFAULT_PROCESSEVENTS = 512
# A routine or a round that holds the loop longer than this many seconds is reported.
_LONG_HOLD = 1.0
# Seconds that routines have to clean up after quit().
_QUIT_GRACE = 10.0


class Scheduler(Registry):
    """Event-driven scheduler of one thread.

    :param polling: source of :class:`PollEvent`; None for the best one of the system
    :param processevents: largest number of events between two polls; None for 512
    :param queuedefault: limit of the default queue, or None
    :param queuemax: limit of the whole event queue, or None
    :param defaultQueueClass: class of the default queue, see :class:`~vlcp.event.pqueue.CBQueue`
    :param defaultQueuePriority: priority of the default queue among the sub-queues
    :param clock: function that returns seconds and never runs backwards
    :param order: for tests: called with the list of ``(runnable, matcher)`` that one event wakes, returns it in the order
                  in which they run
    :raises ValueError: ``processevents`` is not positive
    """

    TimerHandle = TimerHandle
    MockPolling = MockPolling

    def __init__(
        self,
        polling: Any = None,
        processevents: int | None = None,
        queuedefault: int | None = None,
        queuemax: int | None = None,
        defaultQueueClass: Any = CBQueue.FifoQueue,
        defaultQueuePriority: int = 0,
        *,
        clock: Callable[[], float] = time.monotonic,
        order: Callable[[list], list] | None = None,
    ) -> None:
        if processevents is not None and processevents <= 0:
            raise ValueError(f"processevents must be positive: {processevents!r}")
        self.polling = DefaultPolling() if polling is None else polling
        self.processevents = processevents or _DEFAULT_PROCESSEVENTS
        self.queue = CBQueue(None, None, queuedefault, queuemax, defaultQueueClass, defaultQueuePriority)
        super().__init__(self.queue)
        #: time on the clock when the current turn began
        self.current_time = clock()
        self._clock = clock
        self._timers = TimerHeap()
        self._dispatcher = Dispatcher(self.matchtree, self.eventtree, self.queue, self._resume, order)
        self._syscalls = SyscallSlot()
        self._want_continue = False
        #: see RoutineContainer.get_container
        self.shared_container: Any = None
        #: see vlcp.event.lock
        self.lock_table: Any = None
        self._running = False
        self._quit_request: str | None = None
        self._quit_deadline: float | None = None
        self._mark = self.current_time
        if isinstance(self.polling, SelectPolling):
            self.polling.use_interest(self._has_poll_waiter)

    # Events

    def send(self, event: Event) -> EventMatcher | None:
        """Append an event to the queue.

        :return: None if done; if the queue is full, a matcher for the event that tells when to try again
        """
        return self.queue.append(event)

    def emergesend(self, event: Event) -> None:
        """Append an event to the queue even if it is full."""
        self.queue.append(event, True)

    def ignore(self, matcher: EventMatcher) -> None:
        """Unblock and drop the blocking events that ``matcher`` matches, if any (manual 4.3.5)."""
        for event in self.eventtree.findAndRemove(matcher):
            event.canignore = True
            self.queue.unblock(event)

    def quit(self, daemononly: bool = False) -> None:
        """Stop the main loop: every routine gets :class:`QuitException`, and has 10 seconds to clean up.

        :param daemononly: only the daemons get it; the loop ends when the others do
        """
        if self._quit_request != "all":
            self._quit_request = "daemons" if daemononly else "all"

    def syscall(self, func: Callable) -> EventMatcher | None:
        """Call ``func(scheduler, processor)`` outside of any routine; ``processor(event)`` delivers an event at once.

        :return: a matcher for the :class:`SyscallReturnEvent` with ``retval`` or ``exception`` (type, value, traceback), to
                 be awaited at once; None if another syscall is scheduled: suspend, then try again
        """
        return self._syscalls.schedule(func)

    def wantContinue(self) -> None:
        """Make the next turn send ``SystemControlEvent(CONTINUE)``."""
        self._want_continue = True

    # Timers

    def setTimer(self, start: float | datetime.datetime, interval: float | None = None) -> TimerHandle:
        """Send a :class:`TimerEvent` later.

        :param start: seconds from now, or a datetime (naive: local time)
        :param interval: seconds between repetitions, or None
        :return: the index of the event, for waiting and for :meth:`cancelTimer`
        :raises ValueError: ``start`` is not a number, or ``interval`` is not positive
        """
        if isinstance(start, datetime.datetime):
            start = (start - datetime.datetime.now(start.tzinfo)).total_seconds()
        return self._timers.add(self._clock() + start, interval)

    def cancelTimer(self, timer: TimerHandle) -> None:
        """Cancel a timer; does nothing if it has fired or is cancelled."""
        self._timers.cancel(timer)

    # Polling

    def registerPolling(self, fd: Any, options: int = POLLING_IN | POLLING_OUT, daemon: bool = False) -> None:
        """Send :class:`PollEvent` for a file descriptor.

        :param fd: file descriptor or socket
        :param options: POLLING_IN, POLLING_OUT and other bits that the poller knows
        :param daemon: given to the poller
        :raises OSError: the file descriptor cannot be watched
        """
        self.polling.register(fd, options, daemon)

    def modifyPolling(self, fd: Any, options: int) -> None:
        """Change the options of a registered file descriptor."""
        self.polling.modify(fd, options)

    def setPollingDaemon(self, fd: Any, daemon: bool = True) -> None:
        """Mark a registered file descriptor as a daemon's, or not."""
        self.polling.setdaemon(fd, daemon)

    def unregisterPolling(self, fd: Any, daemon: bool = False) -> None:
        """Send no more events for a file descriptor."""
        self.polling.unregister(fd, daemon)

    def _has_poll_waiter(self, fileno: int, category: int) -> bool:
        return self.matchtree.matchfirst(PollEvent(fileno, category, category)) is not None

    # The loop

    def main(self, installsignal: bool = True, sendinit: bool = True) -> None:
        """Run until all routines that are not daemons end, or :meth:`quit` is called.

        All routines that are left get :class:`QuitException` and are closed.

        :param installsignal: let SIGINT and SIGTERM call :meth:`quit`, a second one stop at once; main thread only
        :param sendinit: send ``SystemControlEvent(INIT)`` first
        :raises RuntimeError: the loop runs already
        """
        if self._running:
            raise RuntimeError("The main loop of this scheduler runs already")
        self._running = True
        self._quit_deadline = None
        if sendinit:
            self.emergesend(SystemControlEvent(SystemControlEvent.INIT))
        try:
            if installsignal:
                with SignalWatch(self, self._on_signal):
                    self._loop()
            else:
                self._loop()
        finally:
            self._end_all()
            self._running = False
            self._quit_request = None

    def _loop(self) -> None:
        while self._alive():
            self._turn()

    def _turn(self) -> None:
        self._mark = self.current_time = self._clock()
        if self._quit_request is not None:
            self._quit_runnables()
        self._run_batch()
        self._send_turn_events()
        self._poll()
        self._fire_timers()
        self._wake_yielded()

    def _alive(self) -> bool:
        if self._quit_deadline is not None and self._clock() >= self._quit_deadline:
            _logger.warning("Routines that did not quit in time are closed: %r", list(self._runnables))
            return False
        return len(self._runnables) > len(self._daemons)

    def _run_batch(self) -> None:
        """Process at most ``processevents`` events, then report if that took too long."""
        self._start_new()
        if self._syscalls.pending is not None:
            self._syscalls.run(self, self._dispatcher.process)
        ready, deliver_next = self.queue.canPop, self._dispatcher.next_from_queue
        count = 0
        while count < self.processevents and ready():
            deliver_next()
            count += 1
            if self._starting:
                self._start_new()
        took = self._clock() - self.current_time
        if took > _LONG_HOLD:
            _logger.warning("One round of the scheduler took %.3f seconds for %d events", took, count)

    def _start_new(self) -> None:
        for _ in range(len(self._starting)):
            runnable = self._starting.popleft()
            if runnable in self._runnables:
                self._resume(runnable, None, None)

    def _send_turn_events(self) -> None:
        if self.matchtree.matchfirst(_LOOP_EVENT) is not None:
            self.emergesend(SystemControlLowPriorityEvent(SystemControlLowPriorityEvent.LOOP))
        elif not self._has_work() and self.matchtree.matchfirst(_FREE_EVENT) is not None:
            self.emergesend(SystemControlLowPriorityEvent(SystemControlLowPriorityEvent.FREE))

    def _has_work(self) -> bool:
        return bool(self.queue.canPop() or self._yielded or self._starting or self._want_continue or self._quit_request)

    def _seconds_to_wait(self) -> float | None:
        if self._has_work() or self._syscalls.pending is not None or len(self._runnables) == len(self._daemons):
            return 0
        wait = self._timers.seconds_to_next(self._clock())
        if self._quit_deadline is None:
            return wait
        grace = max(0.0, self._quit_deadline - self._clock())
        return grace if wait is None else min(wait, grace)

    def _poll(self) -> None:
        try:
            events = self.polling.pollEvents(self._seconds_to_wait())
        except InterruptedBySignalException:
            return
        for event in events:
            self.queue.append(event, True)

    def _fire_timers(self) -> None:
        for handle in self._timers.take_due(self._clock()):
            self.queue.append(TimerEvent(handle), True)

    def _wake_yielded(self) -> None:
        yielded, self._yielded = self._yielded, []
        self._mark = self._clock()
        if self._want_continue:
            self._want_continue = False
            self._dispatcher.deliver(SystemControlEvent(SystemControlEvent.CONTINUE))
        for runnable in yielded:
            # One that was terminated meanwhile may wait for something else in its clean-up.
            if runnable in self._runnables and getattr(runnable, "waiting", None) is None:
                self._resume(runnable, None, None)

    # The border around a routine

    def _resume(self, runnable: Any, event: Event | None, matcher: EventMatcher | None) -> None:
        try:
            runnable.send((event, matcher))
        except BaseException as exc:
            self._ended(runnable, event, exc)
        if self._syscalls.pending is not None:
            self._syscalls.run(self, self._dispatcher.process)
        now = self._clock()
        if now - self._mark > _LONG_HOLD:
            _logger.warning("%r held the scheduler for %.3f seconds on event %r", runnable, now - self._mark, event)
        self._mark = now

    def throw(self, runnable: Any, exc: BaseException) -> None:
        """Throw an exception into a registered runnable, at the place where it waits."""
        try:
            runnable.throw(exc)
        except BaseException as raised:
            if raised is exc:
                self.unregisterall(runnable)
            else:
                self._ended(runnable, None, raised)

    def _ended(self, runnable: Any, event: Event | None, exc: BaseException) -> None:
        """Forget a runnable that returned or raised; report what it raised.

        :raises KeyboardInterrupt: the runnable raised it
        :raises SystemExit: the runnable raised it
        """
        self.unregisterall(runnable)
        if isinstance(exc, (StopIteration, GeneratorExit, GeneratorExit_)):
            return
        if isinstance(exc, QuitException):
            if self._quit_deadline is None:
                self.quit()
            return
        if isinstance(exc, (KeyboardInterrupt, SystemExit)):
            raise exc
        _logger.error("%r failed on event %r and is removed", runnable, event, exc_info=exc)

    # The end

    def _on_signal(self) -> None:
        if self._quit_request == "all" or self._quit_deadline is not None:
            self._quit_deadline = self._clock()
        self._quit_request = "all"

    def _quit_runnables(self) -> None:
        daemononly = self._quit_request == "daemons"
        self._quit_request = None
        if not daemononly and self._quit_deadline is None:
            self._quit_deadline = self._clock() + _QUIT_GRACE
        self._dispatcher.process(SystemControlEvent(SystemControlEvent.QUIT, daemononly=daemononly))
        for runnable in list(self._runnables):
            if runnable in self._runnables and (not daemononly or runnable in self._daemons):
                self.throw(runnable, QuitException())

    def _end_all(self) -> None:
        """Let the runnables that are left clean up, then close them for good."""
        if self._quit_deadline is None:
            self._quit_deadline = self._clock()
            self._quit_request = "all"
            self._quit_runnables()
        while self._runnables:
            runnable = next(iter(self._runnables))
            self.unregisterall(runnable)
            try:
                getattr(runnable, "kill", runnable.close)()
            except Exception as exc:
                _logger.warning("%r did not end: %s", runnable, exc)
        self._starting.clear()
        self._yielded.clear()


_LOOP_EVENT = SystemControlLowPriorityEvent(SystemControlLowPriorityEvent.LOOP)
_FREE_EVENT = SystemControlLowPriorityEvent(SystemControlLowPriorityEvent.FREE)
