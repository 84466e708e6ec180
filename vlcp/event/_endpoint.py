"""One connection on a socket: its reading, writing and controlling routines (manual 4.3.6).

The controlling routine is ``main``; it starts the two others for each session (the time from a connect to a loss)
and is the only one that changes the state of the connection::

    reading:  receive -> protocol.parse -> send the events; a full queue stops the receiving (back pressure)
    writing:  ConnectionWriteEvent -> protocol.serialize -> send; a slow peer leaves further events blocked
    control:  ConnectionControlEvent, keep-alive, end of both directions

The poller is edge-triggered: every routine tries first and waits for readiness only after "would block".
"""

from __future__ import annotations

import logging
import os
import ssl
from typing import TYPE_CHECKING, Any, Optional

from vlcp.event import _sockets
from vlcp.event._connevents import ConnectionControlEvent, ConnectionResetException, ConnectionWriteEvent
from vlcp.event._control import WAKE, Controlled
from vlcp.event._readbuffer import ReadBuffer
from vlcp.event._reconnect import Action, Link, backoff
from vlcp.event.core import POLLING_IN, PollEvent
from vlcp.event.event import M_

if TYPE_CHECKING:
    import socket

_logger = logging.getLogger(__name__)
#: Receive calls in a row before other routines get their turn
_FAIR_READS = 16
#: Write events in a row; they come before reading, so a busy writer would leave others waiting
_FAIR_WRITES = 32
_DATAGRAM_SIZE = 65536
#: Requests that end a session; of several the first of this list counts
_ENDINGS = (
    ConnectionControlEvent.SHUTDOWN,
    ConnectionControlEvent.RECONNECT,
    ConnectionControlEvent.RESET,
    ConnectionControlEvent.HANGUP,
)


def _stronger(one: Optional[str], other: str) -> str:
    return other if one is None else min(one, other, key=_ENDINGS.index)


class Connection(Controlled):
    """A connection on a socket that somebody has opened.

    Public attributes: ``protocol``; ``connected`` (the session is up); ``connmark`` (number of the session, -1 before
    the first); ``socket``; ``localaddr`` and ``remoteaddr`` (socket addresses, None while down).

    :param protocol: :class:`~vlcp.protocol.protocol.Protocol` that parses the data
    :param sockobj: connected socket (an ``ssl.SSLSocket`` may have its handshake still to do), or None
    :param scheduler: scheduler to run on
    """

    def __init__(self, protocol: Any, sockobj: Optional[socket.socket] = None, scheduler: Any = None) -> None:
        super().__init__(scheduler, False)
        self.protocol = protocol
        self.connected = False
        self.localaddr: Any = None
        self.remoteaddr: Any = None
        self.has_own_queues = False
        self._datagram = False
        self._can_send = False
        self._delivering = False
        self._open_directions = 0
        self._failure: Optional[BaseException] = None
        self._session_routines: list = []
        self._link = self._new_link(False)
        if sockobj is not None:
            self.attach(sockobj)

    def _new_link(self, persist: bool, delays: Any = backoff) -> Link:
        protocol = self.protocol
        return Link(persist, protocol.connect_timeout, protocol.keepalivetime, protocol.writekeepalivetime, delays)

    def __repr__(self, *args: Any, **kwargs: Any) -> str:
        ends = f"{self.localaddr!r} - {self.remoteaddr!r}" if self.connected else "down"
        return f"<{type(self).__name__} {ends} session {self.connmark} of {type(self.protocol).__name__}>"

    def attach(self, sockobj: socket.socket) -> None:
        """Take over a connected socket before :meth:`start`."""
        self.socket = sockobj
        _sockets.prepare_accepted(sockobj)

    def setdaemon(self, daemon: bool) -> None:
        """Choose whether this connection lets the scheduler end; a daemon does."""
        self.daemon = daemon
        routines = list(self._session_routines)
        if getattr(self, "mainroutine", None) is not None:
            routines.append(self.mainroutine)
        for routine in routines:
            self.scheduler.setDaemon(routine, daemon)
        if self._registered:
            self.scheduler.setPollingDaemon(self.socket, daemon)

    def can_write(self, connmark: int) -> bool:
        """Return True while the session ``connmark`` is the current one and its sending side is open."""
        return self._can_send and connmark == self.connmark

    # Requests from outside

    async def shutdown(self, force: bool = False, connmark: Optional[int] = -1) -> None:
        """End the connection and do not connect again. Returns at once.

        :param force: False sends what is queued and gives the peer time to close; True closes at once
        :param connmark: only when this is the current session; -1 any session, None the present one
        """
        self._order(ConnectionControlEvent.SHUTDOWN, force, connmark)

    async def reconnect(self, force: bool = True, connmark: Optional[int] = None) -> None:
        """End the session and connect again. Parameters as in :meth:`shutdown`; a server's connection only ends."""
        self._order(ConnectionControlEvent.RECONNECT, force, connmark)

    async def reset(self, force: bool = True, connmark: Optional[int] = None) -> None:
        """End the session; connect again if the protocol is persistent. Parameters as in :meth:`shutdown`."""
        self._order(ConnectionControlEvent.RESET, force, connmark)

    async def write(self, event: ConnectionWriteEvent, ignoreException: bool = True) -> None:
        """Queue a write event, waiting while the queue is full.

        :param ignoreException: return silently when the session of the event is over
        :raises ConnectionResetException: the session is over (only with ``ignoreException`` False)
        """
        if not event.canignorenow():
            await self.wait_for_send(event, until=event.canignorenow)
        if not ignoreException and event.canignorenow():
            raise ConnectionResetException(f"connection is down: {self!r}")

    # Reading

    async def _receive(self, sock: Any, space: memoryview) -> int:
        """Receive into ``space``; return the number of bytes, 0 for the end of a stream."""
        while True:
            try:
                return sock.recv_into(space)
            except (BlockingIOError, ssl.SSLWantReadError):
                await self._ready(PollEvent.READ_READY, sock)
            except ssl.SSLWantWriteError:
                await self._writable(sock)
            except InterruptedError:
                continue
            except OSError as error:
                if not (self._datagram and error.errno in _sockets.DATAGRAM_ERRORS):
                    raise

    async def _deliver(self, events: list) -> None:
        self._delivering = True
        for event in events:
            await self.wait_for_send(event)
        self._delivering = False

    async def _read_stream(self, sock: Any) -> None:
        buffer = ReadBuffer(self.protocol.buffersize)
        reads = 0
        while True:
            laststart = len(buffer)
            count = await self._receive(sock, buffer.space())
            self._link.received(self._now)
            events, keep = self.protocol.parse(self, buffer.filled(count), laststart)
            buffer.keep(keep if count else 0)
            await self._deliver(events)
            if not count:
                return
            reads += 1
            if reads % _FAIR_READS == 0:
                await self.do_events()

    async def _read_datagrams(self, sock: Any) -> None:
        space = memoryview(bytearray(_DATAGRAM_SIZE))
        reads = 0
        while True:
            count = await self._receive(sock, space)
            if not count:
                # An empty datagram; for parse an empty view would mean the end.
                continue
            self._link.received(self._now)
            events, _keep = self.protocol.parse(self, space[:count], 0)
            await self._deliver(events)
            reads += 1
            if reads % _FAIR_READS == 0:
                await self.do_events()

    async def _reading(self, sock: Any) -> None:
        ended = False
        try:
            await (self._read_datagrams(sock) if self._datagram else self._read_stream(sock))
            ended = True
        except OSError as error:
            self._fail(error)
        except self.protocol.parse_errors as error:
            _logger.warning("peer broke the protocol: %r: %s: %s", self, type(error).__name__, error)
            self._fail(error)
        finally:
            # Another exception of the parser goes to the scheduler's log; the session must not stay half alive.
            if not ended:
                self._fail(RuntimeError("parser failed"))
        if ended:
            self._direction_ended()
            await self._watch_errors(sock)

    async def _watch_errors(self, sock: Any) -> None:
        """Nothing more comes, but a reset of the connection must still be noticed."""
        failed = (
            PollEvent.createMatcher(sock.fileno(), PollEvent.ERROR),
            PollEvent.createMatcher(sock.fileno(), PollEvent.HANGUP),
        )
        while True:
            await M_(*failed)
            code = sock.getsockopt(_sockets.socket.SOL_SOCKET, _sockets.socket.SO_ERROR)
            if code:
                self._fail(OSError(code, os.strerror(code)))
                return

    # Writing

    async def _send_all(self, sock: Any, data: Any) -> None:
        view = memoryview(data)
        while True:
            try:
                sent = sock.send(view)
            except (BlockingIOError, ssl.SSLWantWriteError):
                await self._writable(sock)
                continue
            except ssl.SSLWantReadError:
                await self._ready(PollEvent.READ_READY, sock)
                continue
            except InterruptedError:
                continue
            except OSError as error:
                if self._datagram and error.errno in _sockets.DATAGRAM_ERRORS:
                    _logger.debug("datagram of %d bytes lost: %r: %s", len(view), self, error)
                    return
                raise
            self._link.sent(self._now)
            view = view[sent:]
            if not view or self._datagram:
                return

    async def _writing(self, sock: Any) -> None:
        matcher = ConnectionWriteEvent.createMatcher(self, self.connmark)
        eof, writes = False, 0
        try:
            while not eof:
                event = await matcher
                event.canignore = True
                data, eof = self.protocol.serialize(self, event)
                if data:
                    await self._send_all(sock, data)
                writes += 1
                if writes % _FAIR_WRITES == 0:
                    await self.do_events()
        except OSError as error:
            self._fail(error)
            return
        self._stop_sending()
        _sockets.close_sending(sock)
        self._direction_ended()

    def _stop_sending(self) -> None:
        self._can_send = False
        self.scheduler.ignore(ConnectionWriteEvent.createMatcher(self, self.connmark))

    # The session

    def _fail(self, error: BaseException) -> None:
        if self.connected and self._failure is None:
            self._failure = error
            self._order(ConnectionControlEvent.HANGUP, True, None)

    def _direction_ended(self) -> None:
        self._open_directions -= 1
        if self._open_directions <= 0 or self._datagram:
            self._order(ConnectionControlEvent.HANGUP, True, None)

    def _begin_session(self, sock: Any, first: bool) -> None:
        """Start the hook, the reading and the writing on a connected, registered socket."""
        self.connmark += 1
        self.localaddr = _sockets.plain_address(sock.getsockname())
        self.remoteaddr = _sockets.peer_address(sock)
        self._datagram = sock.type == _sockets.socket.SOCK_DGRAM
        self._failure = None
        self._delivering = False
        self._open_directions = 2
        self._can_send = self.connected = True
        self._link.connected(self._now)
        hook = self.protocol.init if first else self.protocol.reconnect_init
        self._session_routines = []
        # Routines start in this order, so the hook runs to its first wait before anything is parsed.
        self._session_routine(self._run_init(hook))
        self._session_routine(self._reading(sock))
        self._session_routine(self._writing(sock))

    def _session_routine(self, coroutine: Any) -> None:
        self._session_routines.append(self.subroutine(coroutine, daemon=self.daemon))

    async def _run_init(self, hook: Any) -> None:
        done = False
        try:
            await hook(self)
            done = True
        except (OSError, ConnectionResetException) as error:
            self._fail(error)
        finally:
            if not done:
                self._fail(RuntimeError(f"{type(self.protocol).__name__} could not set up the connection"))

    def _end_session(self) -> None:
        """Stop the routines and close the socket; blocked writers are released."""
        self.connected = False
        self._stop_sending()
        for routine in self._session_routines:
            self.terminate(routine)
        self._session_routines = []
        self._drop_socket()

    async def _probe(self) -> None:
        try:
            await self.protocol.keepalive(self)
        finally:
            self._link.probed(self._now)
            self._order(WAKE, False, None)

    async def _say_goodbye(self) -> None:
        await self.write(ConnectionWriteEvent(self, self.connmark, data=b"", EOF=True))

    async def _obey(self) -> str:
        """Carry out requests until the session is over; return the type of the request that ends it."""
        ending, deadline = None, None
        while True:
            now = self._now
            if deadline is not None and now >= deadline:
                return ending
            if self._delivering:
                # Silence is our own doing while received events wait for their consumers.
                self._link.received(now)
            if self._link.run(now) is Action.PROBE:
                self._session_routine(self._probe())
            waits = [self._link.timeout(now), None if deadline is None else deadline - now]
            order = await self._next_order(min((wait for wait in waits if wait is not None), default=None))
            if order is None or order.type not in _ENDINGS:
                continue
            ending = _stronger(ending, order.type)
            if order.type == ConnectionControlEvent.HANGUP or order.force:
                return ending
            if deadline is None:
                deadline = now + self.protocol.shutdowntimeout
                self._session_routine(self._say_goodbye())

    async def _session(self, first: bool) -> str:
        """Serve the connected socket until the session is over; return how it ended, a type of control event."""
        sock = self.socket
        self._begin_session(sock, first)
        try:
            ending = await self._obey()
        finally:
            self._end_session()
        if self._failure is not None and ending == ConnectionControlEvent.HANGUP:
            _logger.info("connection lost: %r: %s", self, self._failure)
            await self._hook(self.protocol.error(self))
        else:
            await self._hook(self.protocol.closed(self))
        return ending

    async def main(self) -> None:
        """Serve the attached socket until it is closed.

        :raises ValueError: no socket is attached
        """
        sock = self.socket
        if sock is None:
            raise ValueError(f"connection has no socket: {self!r}")
        self._register_socket(POLLING_IN)
        try:
            try:
                await self._handshake(sock, self.protocol.connect_timeout)
            except OSError as error:
                _logger.info("TLS handshake with %r failed: %s", _sockets.peer_address(sock), error)
                return
            await self._session(True)
        finally:
            self._link.stop()
            self._drop_socket()
        await self._hook(self.protocol.final(self))
