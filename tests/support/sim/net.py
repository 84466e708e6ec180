"""Connections in memory between simulated controllers and devices: delayed, sliced, cut, or silent.

A controller sees :class:`SimSocket`, which has what :mod:`vlcp.event` uses of a socket; a device sees a :class:`Wire` with
``send`` and ``close`` and gets ``on_data`` and ``on_close``. Bytes of one connection stay in order; those of different
connections overtake each other.
"""

from __future__ import annotations

import errno
import os
import socket
import zlib
from typing import Any, Callable

from support.sim.clockwork import Clockwork

from vlcp.event._events import POLLING_ERR, POLLING_HUP, POLLING_IN, POLLING_OUT
from vlcp.event.polling import MockPolling, events_of, number_of

WINDOW = 1 << 18
"""Bytes on the way in one direction before a sender has to wait."""


class SimPoller(MockPolling):
    """Edge-triggered readiness of the sockets of one controller."""

    def __init__(self, clockwork: Clockwork) -> None:
        self._clockwork = clockwork
        self.sockets: dict[int, Any] = {}
        self.options: dict[int, int] = {}
        self._fresh: dict[int, int] = {}

    def register(self, fd: Any, options: int = 5, daemon: bool = False) -> None:
        self.options[number_of(fd)] = options
        if not isinstance(fd, int):
            self.sockets[fd.fileno()] = fd
            self.ready(fd.fileno(), fd.readiness())

    def modify(self, fd: Any, options: int) -> None:
        self.options[number_of(fd)] = options
        self.ready(number_of(fd), self.sockets[number_of(fd)].readiness())

    def unregister(self, fd: Any, daemon: bool = False) -> None:
        for table in (self.options, self.sockets, self._fresh):
            table.pop(number_of(fd), None)

    def ready(self, fileno: int, bits: int) -> None:
        """Report bits that have just become true."""
        if fileno in self.options:
            self._fresh[fileno] = self._fresh.get(fileno, 0) | bits

    def has_news(self) -> bool:
        """Tell whether a poll returns something."""
        always = POLLING_ERR | POLLING_HUP
        return any(bits & (self.options[fileno] | always) for fileno, bits in self._fresh.items())

    def pollEvents(self, wait: float | None) -> list:
        fresh, self._fresh = list(self._fresh.items()), {}
        self._clockwork.random.shuffle(fresh)
        always = POLLING_ERR | POLLING_HUP
        return [event for fileno, bits in fresh for event in events_of(fileno, bits & (self.options[fileno] | always))]


class Wire:
    """One connection; this is the device's end.

    :param net: the network
    :param number: of the connection, for the trace
    :param on_data: called with bytes from the controller
    :param on_close: called once when the connection has ended
    """

    def __init__(self, net: Net, number: str, on_data: Callable, on_close: Callable) -> None:
        self.net, self.number = net, number
        self.on_data, self.on_close = on_data, on_close
        self.socket: SimSocket = None  # type: ignore[assignment]
        self.open = True
        self.silent = False
        self.last_heard = net.clockwork.now
        self._last_up = self._last_down = 0.0

    def send(self, data: bytes) -> None:
        """Send bytes to the controller."""
        if not data or not self.open:
            return
        self.net.clockwork.note(self.number, f"> {len(data)} {zlib.crc32(data):08x}")
        self._up(self.socket.arrive, data)

    def close(self) -> None:
        """Close this end; the controller sees the end of the stream."""
        if self.open:
            self.open = False
            self._up(self.socket.end)

    def _up(self, action: Callable, *args: Any) -> None:
        clockwork = self.net.clockwork
        self._last_up = max(self._last_up, clockwork.now + clockwork.delay())
        clockwork.at(self._last_up, self._unless_silent, action, *args)

    def down(self, action: Callable, *args: Any) -> None:
        """Let something reach the device, in order."""
        clockwork = self.net.clockwork
        self._last_down = max(self._last_down, clockwork.now + clockwork.delay())
        clockwork.at(self._last_down, self._unless_silent, action, *args)

    def _unless_silent(self, action: Callable, *args: Any) -> None:
        if not self.silent:
            action(*args)

    def deliver(self, data: bytes) -> None:
        """Bytes from the controller have arrived."""
        self.socket.acknowledged(len(data))
        if self.open:
            self.last_heard = self.net.clockwork.now
            self.net.clockwork.note(self.number, f"< {len(data)} {zlib.crc32(data):08x}")
            self.on_data(data)

    def ended(self) -> None:
        """The connection has ended for the device."""
        if self.open:
            self.open = False
            self.net.clockwork.note(self.number, "closed")
            self.on_close()

    def cut(self, silent: bool = False) -> None:
        """Break the connection; what is on the way is lost. Both ends notice it after a while, or when silent never."""
        self.net.clockwork.note(self.number, "cut silently" if silent else "cut")
        self.silent = True
        if not silent:
            self.net.clockwork.later(self.net.clockwork.delay(), self.ended)
            self.net.clockwork.later(self.net.clockwork.delay(), self.socket.reset)


class SimSocket:
    """A socket of a controller."""

    family, type = socket.AF_INET, socket.SOCK_STREAM

    def __init__(self, net: Net, host: Any) -> None:
        self.net, self.host = net, host
        self._fileno = net.next_fileno()
        self.wire: Any = None
        self.address: tuple = ("0.0.0.0", 0)
        self._backlog: list = []
        self._inbox = bytearray()
        self._eof = self._closed = self._sending_ended = False
        self._error = 0
        self._flying = 0

    def fileno(self) -> int:
        return -1 if self._closed else self._fileno

    def setblocking(self, blocking: bool) -> None:
        """Do nothing: it never blocks."""

    def setsockopt(self, *args: Any) -> None:
        """Do nothing."""

    def getsockopt(self, *args: Any) -> int:
        code, self._error = self._error, 0
        return code

    def getsockname(self) -> tuple:
        return self.address

    def getpeername(self) -> tuple:
        if self.wire is None or self._error:
            raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))
        return self.wire.peer

    def bind(self, address: tuple) -> None:
        self.address = address

    def listen(self, backlog: int = 0) -> None:
        key = (self.host.name, self.address[1])
        if key in self.net.listeners:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
        self.net.listeners[key] = self

    def connect_ex(self, address: tuple) -> int:
        return errno.ECONNREFUSED

    def readiness(self) -> int:
        """Return what a poller says about it now."""
        readable = self._inbox or self._eof or self._backlog or self._error
        bits = (POLLING_IN if readable else 0) | (POLLING_OUT if self._flying < WINDOW else 0)
        return bits | (POLLING_ERR | POLLING_HUP if self._error else 0)

    def _wake(self) -> None:
        self.host.poller.ready(self._fileno, self.readiness())

    def accept(self) -> tuple:
        if not self._backlog:
            raise BlockingIOError
        accepted = self._backlog.pop(0)
        return accepted, accepted.wire.peer

    def offer(self, accepted: SimSocket) -> None:
        """Queue a new connection."""
        self._backlog.append(accepted)
        self._wake()

    def recv_into(self, space: memoryview) -> int:
        if self._inbox:
            count = min(len(space), len(self._inbox))
            if self.net.clockwork.random.random() < 0.1:
                count = self.net.clockwork.random.randint(1, count)
            space[:count] = self._inbox[:count]
            del self._inbox[:count]
            return count
        self._raise_error()
        if self._eof:
            return 0
        raise BlockingIOError

    def _raise_error(self) -> None:
        if self._error:
            raise ConnectionResetError(self._error, os.strerror(self._error))

    def send(self, data: Any) -> int:
        self._raise_error()
        if self._sending_ended:
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
        count = min(len(data), WINDOW - self._flying)
        if count <= 0:
            raise BlockingIOError
        if self.net.clockwork.random.random() < 0.1:
            count = self.net.clockwork.random.randint(1, count)
        self._flying += count
        self.wire.down(self.wire.deliver, bytes(data[:count]))
        return count

    def acknowledged(self, count: int) -> None:
        """Bytes have reached the device."""
        full = self._flying >= WINDOW
        self._flying -= count
        if full:
            self._wake()

    def arrive(self, data: bytes) -> None:
        """Bytes come from the device."""
        if not self._closed:
            self._inbox += data
            self._wake()

    def end(self) -> None:
        """The device has closed its end."""
        self._eof = True
        self._wake()

    def reset(self) -> None:
        """The connection is broken."""
        if not self._closed:
            self._error, self._inbox = errno.ECONNRESET, bytearray()
            self._wake()

    def shutdown(self, how: int) -> None:
        if not self._sending_ended and self.wire is not None:
            self._sending_ended = True
            self.wire.down(self.wire.ended)

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self.net.listeners = {key: one for key, one in self.net.listeners.items() if one is not self}
        for waiting in self._backlog:
            waiting.close()
        self.shutdown(socket.SHUT_WR)


class Net:
    """All connections of a simulation.

    :param clockwork: its time and chance
    :ivar current: the controller whose turn it is, and so the owner of new sockets
    """

    def __init__(self, clockwork: Clockwork) -> None:
        self.clockwork = clockwork
        self.listeners: dict[tuple, SimSocket] = {}
        self.wires: list[Wire] = []
        self.current: Any = None
        self._filenos = iter(range(1000, 1 << 31))

    def next_fileno(self) -> int:
        """Return a number that no socket has had."""
        return next(self._filenos)

    def new_socket(self, family: int, socktype: int) -> SimSocket:
        """Take the place of :func:`vlcp.event._sockets._new_socket`."""
        return SimSocket(self, self.current)

    def dial(self, host: str, port: int, peer: tuple, name: str, on_data: Callable, on_close: Callable) -> Wire | None:
        """Connect a device to a controller; return None when nobody listens there."""
        listener = self.listeners.get((host, port))
        if listener is None:
            return None
        wire = Wire(self, name, on_data, on_close)
        wire.peer = peer
        wire.socket = SimSocket(self, listener.host)
        wire.socket.wire, wire.socket.address = wire, (listener.address[0], port)
        self.wires = [one for one in self.wires if one.open and not one.silent] + [wire]
        listener.offer(wire.socket)
        self.clockwork.note(name, f"connects to {host}")
        return wire

    def drop_host(self, host: str) -> None:
        """End everything of a controller that has died: its listeners go, devices see resets."""
        self.listeners = {key: one for key, one in self.listeners.items() if key[0] != host}
        for wire in self.wires:
            if wire.socket.host.name == host and wire.open and not wire.silent:
                wire.silent = True
                self.clockwork.later(self.clockwork.delay(), wire.ended)
