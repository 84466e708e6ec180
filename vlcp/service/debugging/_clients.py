"""Who sits at a console: a telnet client, or somebody at the terminal of the process."""

from __future__ import annotations

import contextlib
import os
import select
import ssl
import sys
import termios
import tty
from typing import Any

from vlcp.service.debugging._telnet import GREETING, LineEditor, TelnetDecoder
from vlcp.service.debugging._terminal import Terminal

_WANT = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class SocketClient:
    """A telnet client on a connected socket.

    :param sock: the socket; TLS is set up
    """

    newline = b"\r\n"
    #: nobody reads any more when no more input comes
    leaves_at_end = True

    def __init__(self, sock: Any) -> None:
        sock.setblocking(False)
        self._socket = sock
        self._telnet = TelnetDecoder()
        self.greeting = GREETING

    def fileno(self) -> int:
        """Return the descriptor to wait for."""
        return self._socket.fileno()

    writer = fileno

    def read(self) -> bytes | None:
        """Return what came; b"" at the end, None when there is nothing now."""
        try:
            return self._socket.recv(4096)
        except _WANT:
            return None
        except OSError:
            return b""

    def write(self, data: bytes) -> int:
        """Send what can be sent now and return how much that was.

        :raises OSError: the client is gone
        """
        try:
            return self._socket.send(data)
        except _WANT:
            return 0

    def keys(self, data: bytes, terminal: Terminal, editor: LineEditor) -> bytes:
        """Take the commands out of what came."""
        keys = self._telnet.feed(data)
        editor.echo = self._telnet.echo
        terminal.add_raw(bytes(self._telnet.replies))
        self._telnet.replies.clear()
        return keys

    def close(self) -> None:
        """Close the connection."""
        with contextlib.suppress(OSError):
            self._socket.close()


class ProcessClient:
    """The terminal, or whatever else it is, on the standard input and output of this process."""

    newline = b"\n"
    greeting = b""
    leaves_at_end = False

    def __init__(self) -> None:
        self._echo = os.isatty(0)
        self._saved = None
        if self._echo:
            self._saved = termios.tcgetattr(0)
            # Keys come at once, and Ctrl-C as a key: it is meant for the interpreter, not for the server.
            tty.setcbreak(0)
            mode = termios.tcgetattr(0)
            mode[3] &= ~termios.ISIG
            termios.tcsetattr(0, termios.TCSANOW, mode)

    def fileno(self) -> int:
        """Return the descriptor to wait for."""
        return 0

    def writer(self) -> int:
        """Return the descriptor to write to."""
        return 1

    def read(self) -> bytes | None:
        """Return what came; b"" at the end."""
        try:
            return os.read(0, 4096)
        except OSError:
            return b""

    def write(self, data: bytes) -> int:
        """Write and return how much was written."""
        return os.write(1, data[: select.PIPE_BUF])

    def keys(self, data: bytes, terminal: Terminal, editor: LineEditor) -> bytes:
        """Return the keys that came."""
        editor.echo = self._echo
        return data

    def close(self) -> None:
        """Give the terminal its mode back."""
        if self._saved is not None:
            termios.tcsetattr(0, termios.TCSADRAIN, self._saved)
            self._saved = None


class Redirection:
    """Puts a terminal into the place of ``sys.stdin``, ``sys.stdout`` and ``sys.stderr``; a context manager."""

    _names = ("stdin", "stdout", "stderr")

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._before: dict = {}

    def __enter__(self) -> None:
        for name in self._names:
            self._before[name] = getattr(sys, name)
            setattr(sys, name, self._terminal)

    def __exit__(self, *exc_info: Any) -> None:
        for name, stream in self._before.items():
            if getattr(sys, name) is self._terminal:
                setattr(sys, name, stream)
