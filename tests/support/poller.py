"""A poller without sockets, and a function that runs one coroutine on a scheduler."""

from __future__ import annotations

from typing import Any, Awaitable, Callable

from support.clock import ManualClock

from vlcp.event.core import PollEvent, Scheduler
from vlcp.event.polling import EPollPolling, MockPolling
from vlcp.event.pqueue import CBQueue
from vlcp.event.runnable import RoutineContainer


class ManualPoller(MockPolling):
    """Reports what a test has put into ``ready``; with nothing to do, the clock jumps to the next timer.

    :param clock: the clock of the scheduler
    """

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.options: dict[int, int] = {}
        self.ready: list[PollEvent] = []

    def register(self, fd: Any, options: int = 5, daemon: bool = False) -> None:
        """Remember the options of a file descriptor."""
        self.options[fd] = options

    def modify(self, fd: Any, options: int) -> None:
        """Remember new options."""
        self.options[fd] = options

    def unregister(self, fd: Any, daemon: bool = False) -> None:
        """Forget a file descriptor."""
        self.options.pop(fd, None)

    def pollEvents(self, wait: float | None) -> list[PollEvent]:
        """Return what is ready, else jump ``wait`` seconds ahead.

        :raises RuntimeError: nothing is ready and there is no timer: the test would hang
        """
        if self.ready:
            ready, self.ready = self.ready, []
            return ready
        if wait is None:
            raise RuntimeError("All routines wait, and nothing can wake them up")
        self.clock.advance(wait)
        return []


def manual_scheduler(clock: ManualClock | None = None, **kwargs: Any) -> Scheduler:
    """Return a scheduler without sockets; ``scheduler.clock`` is its :class:`ManualClock`."""
    clock = clock or ManualClock()
    scheduler = Scheduler(ManualPoller(clock), clock=clock, **kwargs)
    scheduler.clock = clock
    return scheduler


def run_scheduler(
    coro_function: Callable[[RoutineContainer], Awaitable],
    timeout: float | None = 20,
    scheduler: Scheduler | None = None,
) -> Any:
    """Run ``coro_function(container)`` to its end and quit the scheduler.

    :param timeout: seconds on the clock of the scheduler, None for no limit
    :param scheduler: None for a new one on real sockets, whose event classes do not block each other
    :return: what it returns
    :raises BaseException: what it raises
    :raises TimeoutError: it took too long
    :raises RuntimeError: the scheduler ended before it did
    """
    own = scheduler is None
    if own:
        scheduler = Scheduler(EPollPolling(), defaultQueueClass=CBQueue.AutoClassQueue.initHelper("_classname0"))
    container = RoutineContainer(scheduler)
    outcome: list = []

    async def run() -> None:
        try:
            timed_out, value = await container.execute_with_timeout(timeout, coro_function(container))
            outcome[:] = (TimeoutError(f"Not done in {timeout} s"), None) if timed_out else (None, value)
        except BaseException as exc:
            outcome[:] = (exc, None)
        finally:
            scheduler.quit()

    container.subroutine(run())
    try:
        scheduler.main(installsignal=False)
    finally:
        if own:
            scheduler.polling.close()
    if not outcome:
        raise RuntimeError("The scheduler ended before the routine")
    if outcome[0] is not None:
        raise outcome[0]
    return outcome[1]
