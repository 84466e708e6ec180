"""What connections and servers share: one socket, and requests from outside that are never missed."""

from __future__ import annotations

import collections
import errno
import ssl
from typing import TYPE_CHECKING, Any, Optional

from vlcp.event import _sockets
from vlcp.event._connevents import ConnectionControlEvent
from vlcp.event.core import POLLING_IN, POLLING_OUT, PollEvent
from vlcp.event.event import M_
from vlcp.event.runnable import RoutineContainer

if TYPE_CHECKING:
    import socket

#: Type of control events that only make a routine look at its state again
WAKE = "wake"


class Controlled(RoutineContainer):
    """A routine container with a socket and requests. ``connmark`` counts its sessions from 0, -1 before the first."""

    def __init__(self, scheduler: Any = None, daemon: bool = False) -> None:
        super().__init__(scheduler, daemon)
        self.socket: Optional[socket.socket] = None
        self.connmark = -1
        self._registered = False
        self._waits: dict = {}
        self._orders: collections.deque = collections.deque()

    @property
    def _now(self) -> float:
        return self.scheduler.current_time

    def _order(self, kind: str, force: bool, connmark: Optional[int]) -> None:
        mark = self.connmark if connmark is None else connmark
        event = ConnectionControlEvent(self, kind, force, mark)
        # The routine may be busy in a hook when the event is dispatched, so the request is kept here as well.
        self._orders.append(event)
        self.scheduler.emergesend(event)

    def _take(self, order: ConnectionControlEvent) -> Optional[ConnectionControlEvent]:
        """Return a request that is new and meant for this session, else None."""
        if order.taken:
            return None
        order.taken = True
        return order if order.connmark < 0 or order.connmark == self.connmark else None

    def _kept_order(self) -> Optional[ConnectionControlEvent]:
        """Return the oldest request that nobody has taken, else None."""
        while self._orders:
            order = self._take(self._orders.popleft())
            if order is not None:
                return order
        return None

    async def _next_order(self, timeout: Optional[float]) -> Optional[ConnectionControlEvent]:
        """Return the next request, or None after ``timeout`` seconds or when one was not meant for this session."""
        order = self._kept_order()
        if order is not None:
            return order
        matcher = ConnectionControlEvent.createMatcher(connection=self)
        expired, event, _matcher = await self.wait_with_timeout(timeout, matcher)
        return None if expired else self._take(event)

    def _register_socket(self, options: int) -> None:
        self.scheduler.registerPolling(self.socket, options, self.daemon)
        self._registered = True

    def _drop_socket(self, path: str = "") -> None:
        """Close the socket, if there is one, and remove the file ``path``."""
        sock, self.socket = self.socket, None
        self._waits.clear()
        if sock is None:
            return
        if self._registered:
            self._registered = False
            self.scheduler.unregisterPolling(sock, self.daemon)
        _sockets.close_socket(sock, path)

    async def _ready(self, category: int, sock: Any) -> None:
        """Wait until a socket is ready or has failed."""
        fd = sock.fileno()
        wait = self._waits.get((fd, category))
        if wait is None:
            # The same matchers each time: a routine that waits again for what it waited for need not register again.
            wait = self._waits[(fd, category)] = M_(
                PollEvent.createMatcher(fd, category),
                PollEvent.createMatcher(fd, PollEvent.ERROR),
                PollEvent.createMatcher(fd, PollEvent.HANGUP),
            )
        await wait

    async def _writable(self, sock: Any) -> None:
        self.scheduler.modifyPolling(sock, POLLING_IN | POLLING_OUT)
        try:
            await self._ready(PollEvent.WRITE_READY, sock)
        finally:
            if sock.fileno() >= 0:
                self.scheduler.modifyPolling(sock, POLLING_IN)

    async def _handshake(self, sock: Any, timeout: Optional[float]) -> None:
        """Finish the TLS handshake, if the socket needs one.

        :raises OSError: it failed or took too long
        """
        if not isinstance(sock, ssl.SSLSocket):
            return
        expired, _result = await self.execute_with_timeout(timeout, self._handshake_steps(sock))
        if expired:
            raise OSError(errno.ETIMEDOUT, f"TLS handshake took more than {timeout} s")

    async def _handshake_steps(self, sock: ssl.SSLSocket) -> None:
        while True:
            step = _sockets.tls_step(sock)
            if step is _sockets.DONE:
                return
            if step is _sockets.WANT_READ:
                await self._ready(PollEvent.READ_READY, sock)
            else:
                await self._writable(sock)

    async def _hook(self, coroutine: Any) -> None:
        """Run a hook of the protocol to its end; if it raises, the scheduler logs that and only the hook ends."""
        ended = []

        async def run() -> None:
            try:
                await coroutine
            finally:
                ended.append(True)
                self.scheduler.emergesend(ConnectionControlEvent(self, WAKE, False, -1))

        self.subroutine(run(), daemon=self.daemon)
        woken = ConnectionControlEvent.createMatcher(self, WAKE)
        while not ended:
            await woken
