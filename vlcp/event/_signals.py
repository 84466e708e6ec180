"""SIGINT and SIGTERM stop the scheduler."""

from __future__ import annotations

import signal
import socket
from typing import Any, Callable

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class SignalWatch:
    """Context manager that calls a function for each signal and wakes the poller up.

    The byte that the interpreter writes into a socket pair ends the poll, so no signal is missed between a check and the
    poll after it.

    :param polling: a poller with ``register`` and ``unregister``
    :param on_signal: called without arguments, in the context of the signal handler
    """

    def __init__(self, polling: Any, on_signal: Callable[[], None]) -> None:
        self._polling = polling
        self._on_signal = on_signal
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> SignalWatch:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self._polling.register(self._reader.fileno(), 1, True)
        self._previous_fd = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        for signum in _SIGNALS:
            self._previous[signum] = signal.signal(signum, self._handle)
        return self

    def _handle(self, signum: int, frame: Any) -> None:
        self._on_signal()

    def drain(self) -> None:
        """Read the bytes that the interpreter wrote."""
        try:
            while self._reader.recv(4096):
                continue
        except BlockingIOError:
            return

    def __exit__(self, *exc_info: Any) -> None:
        for signum, handler in self._previous.items():
            signal.signal(signum, handler)
        signal.set_wakeup_fd(self._previous_fd)
        self._polling.unregister(self._reader.fileno(), True)
        self._reader.close()
        self._writer.close()
