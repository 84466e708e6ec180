"""Threads and processes that work for a scheduler, and the way back to it."""

from __future__ import annotations

import collections
import contextlib
import logging
import multiprocessing
import os
import queue
import signal
import socket
import threading
from typing import Any, Callable, Iterable

from vlcp.event.event import Event
from vlcp.utils.parent import end_with_parent

_logger = logging.getLogger(__name__)
# Seconds that a worker process has from the end of its answers to its own end.
_GRACE = 5.0


class Outbox:
    """Queue from other threads to the scheduler. ``put`` may be called by any thread."""

    def __init__(self) -> None:
        self._items: collections.deque = collections.deque()
        self.reader, self._writer = socket.socketpair()
        self.reader.setblocking(False)
        self._writer.setblocking(False)

    def put(self, events: Iterable[Event]) -> None:
        """Add a tuple of events and wake the scheduler."""
        self._items.append(tuple(events))
        # A full pipe has woken the scheduler already; a closed one has no scheduler any more.
        with contextlib.suppress(OSError):
            self._writer.send(b"\0")

    def take_all(self) -> list:
        """Return the tuples that are there; called by the scheduler's thread only."""
        with contextlib.suppress(BlockingIOError):
            while len(self.reader.recv(4096)) == 4096:
                continue
        items = []
        while self._items:
            items.append(self._items.popleft())
        return items

    def close(self) -> None:
        """Give the descriptors back; what comes later is dropped."""
        self.reader.close()
        self._writer.close()


def start_thread(target: Callable, *args: Any, name: str) -> threading.Thread:
    """Start and return a thread that does not keep the process running."""
    thread = threading.Thread(target=target, args=args, name=name, daemon=True)
    thread.start()
    return thread


class _PipeEnd:
    """The output of a worker process: ``put`` may be called by any of its threads."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def put(self, events: Iterable[Event]) -> None:
        """Send a tuple of events to the parent."""
        with self._lock:
            self._connection.send(tuple(events))


def _child(worker_start: Callable, queuein: Any, answers: Any, parent: int) -> None:
    # The handlers of the parent are of no use here, and what wakes its poller must not hear of signals of this process.
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # The terminal's interrupt goes to the whole process group; the parent ends its workers itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent(parent)
    worker_start(queuein, _PipeEnd(answers))


class ProcessWorker:
    """Runs a worker in a process of its own; a thread forwards what it answers and waits for its end."""

    def __init__(self, worker_start: Callable, outbox: Outbox) -> None:
        methods = multiprocessing.get_all_start_methods()
        context: Any = multiprocessing.get_context("fork" if "fork" in methods else None)
        self._stopped = False
        self._in = context.Queue()
        reader, writer = context.Pipe(False)
        arguments = (worker_start, self._in, writer, os.getpid())
        self._process = context.Process(target=_child, args=arguments, daemon=True)
        self._process.start()
        # The worker has the only writing end, so its end is the end of the pipe.
        writer.close()
        start_thread(self._forward, reader, outbox, name="vlcp-connector-forward")

    def _forward(self, reader: Any, outbox: Outbox) -> None:
        with reader, contextlib.suppress(EOFError, OSError):
            while True:
                outbox.put(reader.recv())
        self._process.join(_GRACE)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        if not self._stopped:
            _logger.error("the process %d of a connector has ended by itself: %s", self._process.pid, self._process.exitcode)
        self._process.close()
        self._in.close()

    def put(self, item: Any) -> None:
        """Hand an input to the worker; what a worker that has ended gets is lost."""
        with contextlib.suppress(ValueError):
            self._in.put(item)

    def stop(self) -> None:
        """End the worker, without waiting for it."""
        self._stopped = True
        self._in.cancel_join_thread()
        with contextlib.suppress(ValueError):
            self._process.terminate()


class ThreadWorker:
    """Runs a worker in a thread of this process."""

    def __init__(self, worker_start: Callable, outbox: Outbox) -> None:
        self._in: queue.SimpleQueue = queue.SimpleQueue()
        start_thread(worker_start, self._in, outbox, name="vlcp-connector")

    def put(self, item: Any) -> None:
        """Hand an input to the worker."""
        self._in.put(item)

    def stop(self) -> None:
        """Tell the worker to end."""
        self._in.put(None)
