"""Threads that work for routines: jobs go in by a queue, results come back through a socket pair."""

from __future__ import annotations

import logging
import queue
import socket
import threading
import time
from collections import deque
from typing import Any, Callable, Deque, List, Optional, Set, Tuple

from vlcp.event.core import POLLING_IN, PollEvent
from vlcp.event.future import Future
from vlcp.service.connection._storagecalls import PATIENCE
from vlcp.utils.exceptions import StorageOutcomeUnknownException, StorageUnavailableException

_logger = logging.getLogger(__name__)

UNCERTAIN = 1.2
"""Further seconds for a commit that is being written when its time is over."""
_WATCH_SECONDS = 0.25
_STALL_SECONDS = 0.5


class Job:
    """A function to be run in a thread, and the future of its result.

    :param work: ``work(job)``
    :param future: gets the result or the exception
    :param deadline: ``time.monotonic()`` when it is given up
    """

    def __init__(self, work: Callable[[Job], Any], future: Any, deadline: float) -> None:
        self.work = work
        self.future = future
        self.deadline = deadline
        self._lock = threading.Lock()
        self._cancelled = False
        self._committing = False

    def cancelled(self) -> bool:
        """Return whether nobody waits for this job any more."""
        return self._cancelled

    def cancel(self) -> bool:
        """Give the job up; return False when it is too late: it may be carried out."""
        with self._lock:
            self._cancelled = not self._committing
            return self._cancelled

    def point_of_no_return(self) -> bool:
        """Called by the job before what cannot be undone; False means that it was given up."""
        with self._lock:
            self._committing = not self._cancelled
            return self._committing


class Bridge:
    """The scheduler's end: runs callbacks that threads post, and gives late jobs up.

    :param container: runs the two routines
    """

    def __init__(self, container: Any) -> None:
        self._container = container
        self._posted: Deque[Tuple[Callable[..., None], tuple]] = deque()
        self._lock = threading.Lock()
        self._receiver, self._sender = socket.socketpair()
        self._receiver.setblocking(False)
        self._sender.setblocking(False)
        self._jobs: Set[Job] = set()
        self._routines: List[Any] = []

    def start(self) -> None:
        """Start the routines."""
        self._container.scheduler.registerPolling(self._receiver.fileno(), POLLING_IN, True)
        self._routines = [
            self._container.subroutine(self._receive(), False, daemon=True),
            self._container.subroutine(self._watch(), False, daemon=True),
        ]

    def close(self) -> None:
        """End the routines and close the sockets; nothing posted later arrives."""
        for routine in self._routines:
            self._container.terminate(routine)
        self._container.scheduler.unregisterPolling(self._receiver.fileno(), True)
        with self._lock:
            self._receiver.close()
            self._sender.close()

    def post(self, callback: Callable[..., None], *args: Any) -> None:
        """Call ``callback(*args)`` in the scheduler's thread; called by other threads."""
        with self._lock:
            self._posted.append((callback, args))
            if len(self._posted) == 1:
                self._wake()

    def _wake(self) -> None:
        try:
            self._sender.send(b"x")
        except BlockingIOError:
            return
        except OSError as error:
            _logger.debug("result of a store thread arrives after the store was closed: %s", error)

    async def _receive(self) -> None:
        ready = PollEvent.createMatcher(self._receiver.fileno())
        while True:
            await ready
            self.run_posted()

    def run_posted(self) -> None:
        """Run what has been posted."""
        try:
            while self._receiver.recv(4096):
                continue
        except BlockingIOError:
            pass  # All wake-ups are read.
        while True:
            with self._lock:
                if not self._posted:
                    return
                batch, self._posted = self._posted, deque()
            for callback, args in batch:
                callback(*args)

    def job(self, work: Callable[[Job], Any], deadline: Optional[float] = None) -> Job:
        """Return a job to be submitted to a :class:`StoreThread`.

        :param deadline: ``time.monotonic()`` when it is given up; None gives it as long as every transaction has
        """
        made = Job(work, Future(self._container.scheduler), deadline or time.monotonic() + PATIENCE)
        self._jobs.add(made)
        return made

    def finish(self, job: Job, result: Any, error: Optional[BaseException]) -> None:
        """Give ``job`` its result, unless it was given up; called in the scheduler's thread."""
        self._jobs.discard(job)
        if job.future.done():
            return
        if error is not None:
            job.future.set_exception(error)
        else:
            job.future.set_result(result)

    async def _watch(self) -> None:
        while True:
            began = time.monotonic()
            await self._container.wait_with_timeout(_WATCH_SECONDS)
            now = time.monotonic()
            stalled = now - began - _WATCH_SECONDS
            if stalled > _STALL_SECONDS:
                # This process was busy, perhaps with a large transaction: nobody has waited for the store meanwhile.
                for job in self._jobs:
                    job.deadline += stalled
            for job in [job for job in self._jobs if job.deadline < now]:
                self._give_up(job, now)

    def _give_up(self, job: Job, now: float) -> None:
        if job.cancel():
            error: Exception = StorageUnavailableException("sqlite: the store does not answer")
        elif job.deadline + UNCERTAIN < now:
            error = StorageOutcomeUnknownException("sqlite: the store does not answer; it may carry the transaction out")
        else:
            return
        self.finish(job, None, error)


class StoreThread(threading.Thread):
    """Runs jobs one after another.

    :param name: of the thread
    :param bridge: takes the results
    :param idle: called every ``interval`` seconds between jobs, must not raise; or None
    """

    def __init__(
        self, name: str, bridge: Bridge, idle: Optional[Callable[[], None]] = None, interval: Optional[float] = None
    ) -> None:
        super().__init__(name=name, daemon=True)
        self._bridge = bridge
        self._idle = idle
        self._interval = interval if idle is not None else None
        self._jobs: queue.SimpleQueue = queue.SimpleQueue()

    def submit(self, job: Job) -> Any:
        """Let the thread run ``job``; return its future."""
        self._jobs.put(job)
        return job.future

    def stop(self) -> None:
        """End the thread after the jobs that it has; does not wait for it."""
        self._jobs.put(None)

    def run(self) -> None:
        """Work until :meth:`stop`."""
        next_idle = time.monotonic()
        while True:
            try:
                job = self._jobs.get(timeout=self._pause(next_idle))
            except queue.Empty:
                next_idle = time.monotonic() + (self._interval or 0)
                if self._idle is not None:
                    self._idle()
                continue
            if job is None:
                return
            self._run_job(job)

    def _pause(self, next_idle: float) -> Optional[float]:
        return None if self._interval is None else max(next_idle - time.monotonic(), 0.0001)

    def _run_job(self, job: Job) -> None:
        if job.cancelled():
            return
        result, error = None, None
        try:
            result = job.work(job)
        except Exception as raised:
            error = raised
        self._bridge.post(self._bridge.finish, job, result, error)
