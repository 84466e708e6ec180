"""SIGINT and SIGTERM stop the scheduler."""

from __future__ import annotations

import signal
import socket
from typing import Any, Callable

from vlcp.event._events import POLLING_IN, PollEvent
from vlcp.event._handler import EventHandler
from vlcp.event.event import Event, withIndices

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@withIndices()
class StopRequest(Event):
    """The first signal has come: who waits for this event prepares the end, and then calls ``scheduler.quit()``. Without
    anybody who waits, and at the second signal, the scheduler quits at once."""

    canignore = True


class SignalWatch:
    """Context manager that calls a function for each signal and wakes the poller up.

    The byte that the interpreter writes into a socket pair ends the poll, so no signal is missed between a check and the
    poll after it.

    :param scheduler: the scheduler, whose poller is to be woken up
    :param on_signal: called without arguments, in the context of the signal handler, unless somebody waits for the request
    """

    def __init__(self, scheduler: Any, on_signal: Callable[[], None]) -> None:
        self._scheduler = scheduler
        self._reading = EventHandler(scheduler, True)
        self._on_signal = on_signal
        self._previous: dict[int, Any] = {}
        self._requested = False

    def __enter__(self) -> SignalWatch:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self._previous_fd = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        self._scheduler.registerPolling(self._reader.fileno(), POLLING_IN, True)
        self._reading.registerHandler(PollEvent.createMatcher(self._reader.fileno()), self._drain)
        for signum in _SIGNALS:
            self._previous[signum] = signal.signal(signum, self._handle)
        return self

    def _handle(self, signum: int, frame: Any) -> None:
        if self._requested or self._scheduler.matchtree.matchfirst(StopRequest()) is None:
            self._on_signal()
        self._requested = True

    def _drain(self, event: Any, scheduler: Any) -> None:
        if self._requested:
            scheduler.emergesend(StopRequest())
        try:
            while self._reader.recv(4096):
                continue
        except BlockingIOError:
            return

    def __exit__(self, *exc_info: Any) -> None:
        for signum, handler in self._previous.items():
            signal.signal(signum, handler)
        signal.set_wakeup_fd(self._previous_fd)
        self._reading.close()
        self._scheduler.unregisterPolling(self._reader.fileno(), True)
        self._reader.close()
        self._writer.close()
