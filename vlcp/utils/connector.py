"""Bridges between a scheduler and other threads or processes, a pool for small tasks, the resolver (manual 4.3.7, 5.7.1).

A :class:`Connector` hands matched events to a worker through a queue and sends the events that come back. Nothing
in the scheduler ever waits for a thread: answers wake the poller through a socket pair.
"""

from __future__ import annotations

import queue
import socket
import threading
from typing import Any, Callable, Iterable

from vlcp.event.connection import ResolveRequestEvent, ResolveResponseEvent
from vlcp.event.core import POLLING_IN, PollEvent
from vlcp.event.event import M_, Event, withIndices
from vlcp.event.runnable import RoutineContainer
from vlcp.utils._workers import Outbox, ProcessWorker, ThreadWorker, start_thread


@withIndices("connector", "type")
class ConnectorControlEvent(Event):
    """Change a connector; attribute ``matchers`` for the first three types."""

    ADDMATCHERS = "addmatcher"
    REMOVEMATCHERS = "removematcher"
    SETMATCHERS = "setmatchers"
    STOPRECEIVE = "stopreceive"
    STARTRECEIVE = "startreceive"


@withIndices()
class MoreResultEvent(Event):
    """In the output of a worker: this is not yet the response to an input, more is coming. It is not sent."""


@withIndices("pool")
class TaskEvent(Event):
    """A task for a pool."""

    canignore = False

    def canignorenow(self) -> bool:
        """Return True when the pool has ended."""
        return self.pool.ended


@withIndices("request")
class TaskDoneEvent(Event):
    """A task has ended; ``result`` or ``error``."""


class Connector(RoutineContainer):
    """Hands events to a worker outside the scheduler and sends what it answers.

    :param worker_start: ``func(queuein, queueout)``, run in a thread or process. ``queuein.get()`` gives
        ``(event, matcher)``, or None when the worker has to end; ``queueout.put`` takes a tuple of events.
        Each input needs one response; a tuple that contains a :class:`MoreResultEvent` is not yet one
    :param matchers: which events go to the worker
    :param scheduler: scheduler to run on
    :param mp: run the worker in a process; its events must be picklable
    :param inputlimit: so many events without a response; more wait in the event queue. 0 for no limit
    :param allowcontrol: obey :class:`ConnectorControlEvent`
    """

    def __init__(
        self,
        worker_start: Callable,
        matchers: Iterable = (),
        scheduler: Any = None,
        mp: bool = True,
        inputlimit: int = 0,
        allowcontrol: bool = True,
    ) -> None:
        super().__init__(scheduler, True)
        self.worker_start = worker_start
        self.matchers = tuple(matchers)
        self.mp = mp
        self.inputlimit = inputlimit
        self.allowcontrol = allowcontrol
        self.stopreceive = False
        self.ended = False
        self._unanswered = 0

    def enqueue(self, queue: Any, event: Event, matcher: Any) -> bool:
        """Hand an event to the worker. Return False when it needs no response of its own."""
        event.canignore = True
        queue.put((event, matcher))
        return True

    async def _send(self, events: tuple) -> None:
        """Send what the worker has answered."""
        is_response = True
        for event in events:
            if isinstance(event, MoreResultEvent):
                is_response = False
            else:
                await self.wait_for_send(event)
        if is_response:
            self._unanswered -= 1

    def _control(self, event: ConnectorControlEvent) -> None:
        kind = event.type
        if kind == ConnectorControlEvent.STOPRECEIVE:
            self.stopreceive = True
        elif kind == ConnectorControlEvent.STARTRECEIVE:
            self.stopreceive = False
        elif kind == ConnectorControlEvent.SETMATCHERS:
            self.matchers = tuple(event.matchers)
        elif kind == ConnectorControlEvent.ADDMATCHERS:
            self.matchers += tuple(event.matchers)
        elif kind == ConnectorControlEvent.REMOVEMATCHERS:
            self.matchers = tuple(matcher for matcher in self.matchers if matcher not in event.matchers)

    def _inputs(self) -> tuple:
        if self.stopreceive or (self.inputlimit and self._unanswered >= self.inputlimit):
            return ()
        return self.matchers

    async def _relay(self, worker: Any, outbox: Outbox) -> None:
        answered = PollEvent.createMatcher(outbox.reader.fileno(), PollEvent.READ_READY)
        control = ConnectorControlEvent.createMatcher(self)
        own = (answered, control) if self.allowcontrol else (answered,)
        while True:
            event, matcher = await M_(*own, *self._inputs())
            if matcher is control:
                self._control(event)
            elif matcher is not answered:
                self._unanswered += self.enqueue(worker, event, matcher)
            answers = outbox.take_all()
            while answers:
                for events in answers:
                    await self._send(events)
                # Sending may have waited, and the poller says only once that there is more.
                answers = outbox.take_all()

    async def main(self) -> None:
        """Start the worker and relay events until the connector is closed."""
        outbox = Outbox()
        worker = (ProcessWorker if self.mp else ThreadWorker)(self.worker_start, outbox)
        self.scheduler.registerPolling(outbox.reader, POLLING_IN, True)
        try:
            await self._relay(worker, outbox)
        finally:
            self.ended = True
            worker.stop()
            self.scheduler.unregisterPolling(outbox.reader, True)
            outbox.close()


class ThreadPool:
    """Worker for a :class:`Connector` that runs each input in one of several threads, started when needed.

    :param poolsize: most threads
    :param handle: ``func(event, matcher, send)`` for one input, with ``send(events)`` for output
    """

    def __init__(self, poolsize: int, handle: Callable) -> None:
        if poolsize <= 0:
            raise ValueError(f"size of a thread pool must be positive, got {poolsize!r}")
        self.poolsize = poolsize
        self._handle = handle
        self._todo: queue.SimpleQueue = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._threads = 0
        self._pending = 0

    def create(self, queuein: Any, queueout: Any) -> None:
        """Take inputs and pass them to the threads until the input None; then the threads end too."""
        while True:
            item = queuein.get()
            if item is None:
                break
            event, matcher = item
            if getattr(event, "newthread", False):
                start_thread(self._handle, event, matcher, queueout.put, name="vlcp-task")
                continue
            self._todo.put(item)
            with self._lock:
                self._pending += 1
                grow = self._pending > self._threads and self._threads < self.poolsize
                self._threads += grow
            if grow:
                start_thread(self._work, queueout, name="vlcp-pool")
        for _ in range(self.poolsize):
            self._todo.put(None)

    def _work(self, queueout: Any) -> None:
        while True:
            item = self._todo.get()
            if item is None:
                return
            self._handle(*item, queueout.put)
            with self._lock:
                self._pending -= 1


def _run_task(event: TaskEvent, matcher: Any, send: Callable) -> None:
    """Run one task in a thread; whatever it raises goes to the caller of ``run_task``."""

    def send_more(events: Iterable[Event]) -> None:
        send(tuple(events) + (MoreResultEvent(),))

    done = TaskDoneEvent(event)
    try:
        done.result = event.task(send_more)
        done.error = None
    except BaseException as error:
        done.result = None
        done.error = error
    finally:
        send((done,))


class TaskPool(Connector):
    """A pool of threads for small tasks; ``poolsize`` is the most threads, besides those of tasks that want their own."""

    def __init__(self, scheduler: Any = None, poolsize: int = 64) -> None:
        pool = ThreadPool(poolsize, _run_task)
        super().__init__(pool.create, (TaskEvent.createMatcher(self),), scheduler, False)

    async def _run(self, container: Any, task: Callable, newthread: bool) -> Any:
        if self.ended:
            raise RuntimeError("task pool has ended")
        request = TaskEvent(self, task=task, newthread=newthread)
        await container.wait_for_send(request)
        done = await TaskDoneEvent.createMatcher(request)
        if done.error is not None:
            raise done.error
        return done.result

    async def run_task(self, container: Any, task: Callable[[], Any], newthread: bool = False) -> Any:
        """Run ``task()`` in a thread; return what it returns, raise what it raises.

        When the waiting routine ends first, the task goes on and its result is lost.

        :param container: routine container of the caller
        :param task: function without parameters; it must not touch the scheduler
        :param newthread: use a thread of its own, for tasks that take long
        :raises RuntimeError: the pool has ended
        """
        return await self._run(container, lambda send: task(), newthread)

    async def run_gen_task(self, container: Any, gentask: Callable, newthread: bool = True) -> Any:
        """Run the generator ``gentask()`` in a thread; each value it yields is an iterable of events to send.

        Parameters as in :meth:`run_task`; returns the return value of the generator.
        """

        def task(send: Callable) -> Any:
            generator = gentask()
            while True:
                try:
                    events = next(generator)
                except StopIteration as stop:
                    return stop.value
                send(events)

        return await self._run(container, task, newthread)

    async def run_async_task(self, container: Any, asynctask: Callable, newthread: bool = True) -> Any:
        """Run ``asynctask(sender)`` in a thread; ``sender(events)`` sends events while it runs.

        Parameters and result as in :meth:`run_task`.
        """
        return await self._run(container, asynctask, newthread)

    runTask = run_task
    runGenTask = run_gen_task
    runAsyncTask = run_async_task


class Resolver(Connector):
    """Answers :class:`~vlcp.event.connection.ResolveRequestEvent` with ``socket.getaddrinfo`` in threads.

    Equal requests that wait at the same time are asked once.

    :param scheduler: scheduler to run on
    :param poolsize: most threads
    """

    def __init__(self, scheduler: Any = None, poolsize: int = 256) -> None:
        pool = ThreadPool(poolsize, self._resolve)
        super().__init__(pool.create, (ResolveRequestEvent.createMatcher(),), scheduler, False)
        self._asked: set = set()

    @staticmethod
    def resolver(event: ResolveRequestEvent, matcher: Any) -> tuple:
        """Resolve one request; return the events to send."""
        try:
            return (ResolveResponseEvent(event.request, response=socket.getaddrinfo(*event.request), error=None),)
        except (OSError, UnicodeError) as error:
            return (ResolveResponseEvent(event.request, response=None, error=error),)

    def _resolve(self, event: ResolveRequestEvent, matcher: Any, send: Callable) -> None:
        send(self.resolver(event, matcher))

    def enqueue(self, queue: Any, event: Event, matcher: Any) -> bool:
        """Hand a request to the threads unless an equal one is on its way."""
        if event.request in self._asked:
            event.canignore = True
            return False
        self._asked.add(event.request)
        return super().enqueue(queue, event, matcher)

    async def _send(self, events: tuple) -> None:
        for event in events:
            self._asked.discard(event.request)
        await super()._send(events)
