"""A server for tests: a module loader on a scheduler, without queues by priority, signals or startup modules."""

from __future__ import annotations

from typing import Any, Awaitable, Callable

from support.poller import manual_scheduler, run_scheduler

from vlcp.event.core import Scheduler
from vlcp.event.polling import EPollPolling
from vlcp.event.pqueue import CBQueue
from vlcp.event.runnable import RoutineContainer
from vlcp.server.module import ModuleLoader
from vlcp.utils.connector import Resolver

PER_CLASS = CBQueue.AutoClassQueue.initHelper("_classname0")


class MiniServer:
    """What modules need of a server.

    :param scheduler: the scheduler; it must not be running yet
    """

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler
        self.moduleloader = ModuleLoader(self)
        self.moduleloader.start()


def run_modules(coro_function: Callable[[RoutineContainer, MiniServer], Awaitable], manual: bool = False) -> Any:
    """Run ``coro_function(container, server)`` to its end and return what it returns.

    :param manual: True for a clock that jumps to the next timer, and no sockets; False for real sockets
    :raises BaseException: what it raises
    """
    if manual:
        scheduler = manual_scheduler(defaultQueueClass=PER_CLASS)
        server = MiniServer(scheduler)
        return run_scheduler(lambda container: coro_function(container, server), 100000, scheduler)
    scheduler = Scheduler(EPollPolling(), defaultQueueClass=PER_CLASS)
    server = MiniServer(scheduler)
    Resolver(scheduler, 2).start()
    try:
        return run_scheduler(lambda container: coro_function(container, server), 20, scheduler)
    finally:
        scheduler.polling.close()
