"""The terminal of a console session: text to and from a client, for several threads.

One thread moves bytes (:mod:`vlcp.service.debugging._door`); the interpreter's thread reads lines and writes; any other
thread may write, and is never made to wait.
"""

from __future__ import annotations

import collections
import contextlib
import ctypes
import io
import sys
import threading
from typing import Any, Callable, Iterator

# Bytes that wait for a client: from the first number on the interpreter waits, beyond the second others lose what they write.
_ENOUGH, _TOO_MUCH = 1 << 16, 1 << 20
# Raises an exception in a thread as soon as it runs Python code; None for interpreters that cannot do that.
_raise_later = ctypes.pythonapi.PyThreadState_SetAsyncExc if sys.implementation.name == "cpython" else None
# The terminal of the interpreter that runs in a thread.
_here = threading.local()
_LOST = "\n[output lost: the client does not read]\n"


class Waiter:
    """The result of something that another thread does."""

    def __init__(self) -> None:
        self._done = threading.Event()
        self._result: Any = None
        self._error: BaseException | None = None

    def wait(self, timeout: float | None = None) -> Any:
        """Return the result when it is there.

        :param timeout: seconds; None for no limit
        :raises TimeoutError: there is none in time
        :raises BaseException: what :meth:`raise_exception` got
        """
        if not self._done.wait(timeout):
            raise TimeoutError(f"no result within {timeout} s")
        if self._error is not None:
            raise self._error
        return self._result

    def raise_exception(self, exc: BaseException) -> None:
        """End the waiting with an exception; does nothing after the end."""
        if not self._done.is_set():
            self._error = exc
            self._done.set()

    def send_result(self, val: Any) -> None:
        """End the waiting with a result; does nothing after the end."""
        if not self._done.is_set():
            self._result = val
            self._done.set()

    @property
    def done(self) -> bool:
        """Whether there is a result or an exception."""
        return self._done.is_set()


class Terminal(io.TextIOBase):
    """Text file of a session.

    :param wake: called when there is output for the client; may be called by any thread
    :param newline: what a line feed becomes
    :ivar owner: identifier of the interpreter's thread, None while it does not run
    :ivar left: the interpreter has ended
    """

    def __init__(self, wake: Callable[[], None], newline: bytes = b"\r\n") -> None:
        super().__init__()
        self.owner: int | None = None
        self.left = False
        self._wake = wake
        self._newline = newline
        self._changed = threading.Condition()
        self._lines: collections.deque = collections.deque()
        self._output = bytearray()
        self._losing = False
        self._ended = False
        self._over = False
        self._interrupted = False
        self._idle = False
        self._pending = False
        self._waiter: Waiter | None = None

    encoding = "utf-8"

    def readable(self) -> bool:
        """Return True."""
        return True

    def writable(self) -> bool:
        """Return True."""
        return True

    def isatty(self) -> bool:
        """Return True: somebody sits there."""
        return True

    def close(self) -> None:
        """Do nothing: ``exit()`` closes the standard input, but its session ends by itself."""

    # For the interpreter and for a debugger

    def readline(self, size: int = -1) -> str:  # type: ignore[override]
        """Wait for a line and return it with its end; "" after the end of the session.

        :raises KeyboardInterrupt: the client interrupted; only in the interpreter's thread
        """
        with self._changed:
            if threading.get_ident() == self.owner:
                self._wait_for(lambda: self._lines or self._ended)
            else:
                self._changed.wait_for(lambda: self._lines or self._ended)
            return self._lines.popleft() + "\n" if self._lines else ""

    def _wait_for(self, condition: Callable[[], Any]) -> None:
        """Let the interpreter wait for a condition or an interrupt; called with the lock.

        :raises KeyboardInterrupt: the client interrupted
        """
        self._idle = True
        try:
            self._changed.wait_for(lambda: condition() or self._interrupted)
        finally:
            self._idle = False
        if self._interrupted:
            self._interrupted = False
            raise KeyboardInterrupt

    def write(self, text: str) -> int:
        """Queue text for the client; in the interpreter's thread wait while much is queued already.

        :raises SystemExit: the session of this thread has ended; what it prints is not for the next one
        """
        own = getattr(_here, "terminal", None)
        if own is not None and own._over:
            raise SystemExit
        data = text.encode("utf-8", "replace").replace(b"\n", self._newline)
        with self._changed:
            if threading.get_ident() == self.owner:
                self._wait_for(lambda: len(self._output) <= _ENOUGH or self._over)
            if len(self._output) + len(data) <= _TOO_MUCH:
                self._output += data
                self._losing = False
            elif not self._losing:
                self._losing = True
                self._output += _LOST.encode().replace(b"\n", self._newline)
        self._wake()
        return len(text)

    def adopt_thread(self) -> None:
        """Make the present thread that of the interpreter."""
        self.owner = threading.get_ident()
        _here.terminal = self
        if _raise_later is None:
            sys.settrace(self._trace)

    def _trace(self, frame: Any, event: str, argument: Any) -> Any:
        """Look for an interrupt at each line: for interpreters that cannot raise something in another thread."""
        if self._pending and frame.f_code.co_filename == "<console>":
            self._pending = False
            raise KeyboardInterrupt
        return self._trace

    @contextlib.contextmanager
    def waiting_for(self, waiter: Waiter) -> Iterator[None]:
        """Let an interrupt, and the end of the session, end the waiting for a result."""
        with self._changed:
            self._waiter = waiter
            if self._over:
                waiter.raise_exception(SystemExit())
        try:
            yield
        finally:
            with self._changed:
                self._waiter = None

    # For the thread that moves the bytes

    def put_line(self, text: str) -> None:
        """Hand over a line that was typed."""
        with self._changed:
            self._lines.append(text)
            self._changed.notify_all()

    def interrupt(self) -> None:
        """Interrupt what the interpreter does: reading, waiting for a result, or running code."""
        with self._changed:
            if self._waiter is not None:
                self._waiter.raise_exception(KeyboardInterrupt())
            elif self._idle:
                self._interrupted = True
                self._changed.notify_all()
            elif _raise_later is None:
                self._pending = True
            elif self.owner is not None:
                _raise_later(ctypes.c_ulong(self.owner), ctypes.py_object(KeyboardInterrupt))

    def end(self) -> None:
        """No more input comes."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def leave(self) -> None:
        """The client is gone, or not wanted any more: whatever the interpreter does ends."""
        self.interrupt()
        with self._changed:
            self._ended = self._over = True
            if self._waiter is not None:
                self._waiter.raise_exception(SystemExit())
            self._changed.notify_all()

    def output(self) -> bytes:
        """Return what is to be sent, without taking it."""
        with self._changed:
            return bytes(self._output[:_ENOUGH])

    def sent(self, count: int) -> None:
        """Drop so many bytes from the output; they were sent."""
        with self._changed:
            del self._output[:count]
            self._changed.notify_all()

    def add_raw(self, data: bytes) -> None:
        """Queue bytes for the client as they are; a client that asks for more than it reads gets no answers."""
        with self._changed:
            if len(self._output) + len(data) <= _TOO_MUCH:
                self._output += data
