"""The thread of a console that moves bytes: one client at a time, by telnet or on the process's own terminal.

It is no routine, so that a console still answers when the scheduler hangs.
"""

from __future__ import annotations

import contextlib
import logging
import select
import socket
import ssl
import threading
import time
from typing import Any, Callable, NamedTuple
from urllib.parse import urlsplit

from vlcp.service.debugging._clients import ProcessClient, Redirection, SocketClient
from vlcp.service.debugging._telnet import LineEditor
from vlcp.service.debugging._terminal import Terminal

_logger = logging.getLogger(__name__)
DEFAULT_PORT = 9923
# Seconds for a TLS handshake, for telling a second client that it is refused, and for the last output of a session.
_PATIENCE = 5.0
_REFUSED_AT_A_TIME = 8
_RETRY = 3.0


class Address(NamedTuple):
    """Where a console listens."""

    host: str
    port: int
    tls: bool


def parse_address(url: str) -> Address:
    """Return the address of a URL ``ptcp://host:port/`` or ``pssl://host:port/``; without a host it is the loopback address.

    :raises ValueError: another scheme, or a bad port
    """
    parts = urlsplit(url)
    if parts.scheme not in ("ptcp", "pssl", "ltcp", "lssl", "tcp", "ssl"):
        raise ValueError(f"a console listens on ptcp:// or pssl://, got {url!r}")
    port = parts.port
    return Address(parts.hostname or "localhost", DEFAULT_PORT if port is None else port, parts.scheme.endswith("ssl"))


class Door:
    """Lets clients in, one after the other, until :meth:`close`.

    :param serve: runs the interpreter of a session on a :class:`Terminal` in a thread of its own; returns at its end
    :param address: where to listen; None for the terminal of this process
    :param context: TLS of the server side, None without
    :param begun: called when a session begins, with the client's socket or "terminal"
    :param ended: called with the terminal when a session has ended, whatever its interpreter still does
    """

    def __init__(
        self,
        serve: Callable[[Terminal], Any],
        address: Address | None,
        context: ssl.SSLContext | None,
        begun: Callable[[Any], Any],
        ended: Callable[[Terminal], Any],
    ) -> None:
        self._serve = serve
        self._address = address
        self._context = context
        self._begun, self._ended = begun, ended
        self._waker, self._wake_writer = socket.socketpair()
        self._waker.setblocking(False)
        self._wake_writer.setblocking(False)
        self._closed = False
        self._refusing = threading.BoundedSemaphore(_REFUSED_AT_A_TIME)
        self._process_client: ProcessClient | None = None

    def wake(self) -> None:
        """Let the thread look again; may be called by any thread."""
        with contextlib.suppress(OSError):
            self._wake_writer.send(b"\0")

    def close(self) -> None:
        """End the session and the thread; does not wait for that, but gives a terminal its mode back."""
        self._closed = True
        self.wake()
        if self._process_client is not None:
            self._process_client.close()

    def run(self) -> None:
        """Serve clients; the main function of the thread."""
        try:
            if self._address is None:
                self._process_client = ProcessClient()
                self._session(self._process_client, None, "terminal", "the terminal")
                return
            while not self._closed:
                try:
                    listener = socket.create_server(self._address[:2], family=_family(self._address.host))
                except OSError as error:
                    _logger.warning("the console cannot listen on %s:%d: %s", *self._address[:2], error)
                    self._wait([], [], _RETRY)
                    continue
                with listener:
                    self._listen(listener)
        finally:
            self._waker.close()
            self._wake_writer.close()

    def _wait(self, readers: list, writers: list, timeout: float | None = None) -> set:
        """Return the file descriptors that are ready, after :meth:`wake` or a time perhaps none.

        :param readers: file descriptors
        :param writers: file descriptors
        """
        poll = select.poll()
        for fileno in {self._waker.fileno(), *readers, *writers}:
            poll.register(
                fileno, select.POLLIN * (fileno not in writers or fileno in readers) | select.POLLOUT * (fileno in writers)
            )
        ready = {fileno for fileno, _ in poll.poll(None if timeout is None else timeout * 1000)}
        if self._waker.fileno() in ready:
            with contextlib.suppress(BlockingIOError):
                self._waker.recv(4096)
        return ready

    def _listen(self, listener: socket.socket) -> None:
        listener.setblocking(False)
        while not self._closed:
            ready = self._wait([listener.fileno()], [])
            accepted = self._accept(listener) if listener.fileno() in ready else None
            if accepted is None:
                continue
            sock, peer = accepted
            try:
                sock = self._secure(sock)
            except (OSError, ValueError) as error:
                _logger.info("console client %s refused: %s", peer, error)
                sock.close()
                continue
            _logger.info("console session of %s begins", peer)
            self._session(SocketClient(sock), listener, sock, peer)
            _logger.info("console session of %s ends", peer)

    def _accept(self, listener: socket.socket) -> tuple | None:
        try:
            sock, address = listener.accept()
        except OSError as error:
            _logger.debug("accept failed: %s", error)
            return None
        return sock, f"{address[0]}:{address[1]}"

    def _secure(self, sock: Any) -> Any:
        """Set up TLS, if it is wanted; waits for that, but not long."""
        sock.settimeout(_PATIENCE)
        return sock if self._context is None else self._context.wrap_socket(sock, server_side=True)

    def _refuse(self, sock: Any, peer: str, text: str) -> None:
        try:
            with self._secure(sock) as secured:
                secured.sendall(text.encode())
                secured.shutdown(socket.SHUT_WR)
                # What it sends must be read, or else the system throws away what it was told.
                while secured.recv(4096):
                    continue
        except (OSError, ValueError) as error:
            _logger.debug("console client %s could not be told: %s", peer, error)
        finally:
            sock.close()
            self._refusing.release()

    def _turn_away(self, listener: socket.socket, owner: str, since: str) -> None:
        accepted = self._accept(listener)
        if accepted is None:
            return
        sock, peer = accepted
        _logger.warning("console client %s refused: in use by %s", peer, owner)
        if not self._refusing.acquire(blocking=False):
            sock.close()
            return
        text = f"The console is in use by {owner} since {since}; one client at a time. Please try again later.\r\n"
        threading.Thread(target=self._refuse, args=(sock, peer, text), name="vlcp-console-refuse", daemon=True).start()

    def _session(self, client: Any, listener: socket.socket | None, sock: Any, peer: str) -> None:
        """Serve one client until it leaves or the interpreter ends."""
        terminal = Terminal(self.wake, client.newline)
        terminal.add_raw(client.greeting)
        thread = threading.Thread(target=self._interpret, args=(terminal,), name="vlcp-console", daemon=True)
        since = time.strftime("%H:%M:%S")
        self._begun(sock)
        try:
            with Redirection(terminal):
                thread.start()
                mover = _Mover(client, terminal)
                while not self._closed and not mover.over():
                    ready = self._wait(
                        mover.readers() + ([listener.fileno()] if listener else []), mover.writers(), mover.patience
                    )
                    if listener is not None and listener.fileno() in ready:
                        self._turn_away(listener, peer, since)
                    mover.move(ready)
        finally:
            terminal.leave()
            client.close()
            self._ended(terminal)

    def _interpret(self, terminal: Terminal) -> None:
        try:
            self._serve(terminal)
        finally:
            terminal.owner = None
            terminal.left = True
            self.wake()


class _Mover:
    """Moves the bytes of one session."""

    def __init__(self, client: Any, terminal: Terminal) -> None:
        self._client = client
        self._terminal = terminal
        self._editor = LineEditor()
        self._reading = True
        self._gone = False
        self._deadline: float | None = None
        #: seconds to wait for readiness, None for no limit
        self.patience: float | None = None

    def over(self) -> bool:
        """Return whether the client is gone, or the interpreter has ended and its output is sent or takes too long."""
        if self._gone or not self._terminal.left:
            return self._gone
        if self._deadline is None:
            self._deadline = time.monotonic() + _PATIENCE
            self.patience = _PATIENCE / 10
        return not self._terminal.output() or time.monotonic() > self._deadline

    def readers(self) -> list:
        """Return the descriptors to read from."""
        return [self._client.fileno()] if self._reading else []

    def writers(self) -> list:
        """Return the descriptors to write to."""
        return [self._client.writer()] if self._terminal.output() else []

    def move(self, ready: set) -> None:
        """Read and write what can be."""
        output = self._terminal.output()
        if output and self._client.writer() in ready:
            try:
                self._terminal.sent(self._client.write(output))
            except OSError:
                self._gone = True
                return
        if self._reading and self._client.fileno() in ready:
            data = self._client.read()
            if data == b"":
                self._reading = False
                self._gone = self._client.leaves_at_end
                self._terminal.end()
            elif data:
                _type(self._client.keys(data, self._terminal, self._editor), self._terminal, self._editor)


def _type(keys: bytes, terminal: Terminal, editor: LineEditor) -> None:
    """Give what was typed to those who wait for it."""
    for typed in editor.feed(keys):
        _show(terminal, editor)
        if typed.kind == "line":
            terminal.put_line(typed.text)
        elif typed.kind == "interrupt":
            terminal.interrupt()
        else:
            terminal.end()
    _show(terminal, editor)


def _show(terminal: Terminal, editor: LineEditor) -> None:
    shown, editor.shown = editor.shown, ""
    if shown:
        terminal.write(shown)


def _family(host: str) -> int:
    """Return the address family to listen with; a name means IPv4."""
    return socket.AF_INET6 if ":" in host else socket.AF_INET
