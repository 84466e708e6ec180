"""Connections to web servers that are kept and used again."""

from __future__ import annotations

import ssl
from collections import deque
from typing import Any, Callable, Deque, Dict, List, NamedTuple, Optional

from vlcp.event.connection import Client
from vlcp.event.future import Future
from vlcp.protocol.http import Http, HttpConnectionStateEvent
from vlcp.utils._webrequest import CertificateException


class Place(NamedTuple):
    """Connections are shared by requests for which all of this is the same."""

    scheduler: Any
    https: bool
    host: str
    "name or address, without brackets"
    port: int
    cafile: Optional[str]
    key: Optional[str]
    certificate: Optional[str]

    @property
    def url(self) -> str:
        """URL for :class:`~vlcp.event.connection.Client`."""
        host = "[%s]" % self.host if ":" in self.host else self.host
        return "%s://%s:%d/" % ("ssl" if self.https else "tcp", host, self.port)


class _Shelf:
    """Connections to one place; ``count`` includes those in use and those that are being made."""

    def __init__(self) -> None:
        self.idle: List[Client] = []
        self.waiting: Deque[Future] = deque()
        self.count = 0

    def drop_dead(self) -> None:
        """Forget idle connections that have ended."""
        alive = [client for client in self.idle if is_usable(client)]
        self.count -= len(self.idle) - len(alive)
        self.idle = alive


def is_usable(client: Client) -> bool:
    """Tell whether a connection takes another request."""
    return client.connected and client.wire.accepts_requests  # type: ignore[attr-defined]


class Pool:
    """Makes and keeps connections, at most ``limit`` to one place; who finds none free waits in a queue.

    :param protocol: :class:`Http` object of a client
    :param limit: most connections to one place
    """

    def __init__(self, protocol: Http, limit: int) -> None:
        self.protocol = protocol
        self.limit = limit
        self._shelves: Dict[Place, _Shelf] = {}

    async def take(self, container: Any, place: Place, fresh: bool = False) -> Client:
        """Return a connection for one request; afterwards :meth:`release` it, or it ends.

        :param container: container of the calling routine
        :param fresh: only a new connection will do
        :raises CertificateException: the server's certificate is not accepted
        :raises OSError: the server cannot be reached
        """
        shelf = self._shelves.setdefault(place, _Shelf())
        shelf.drop_dead()
        if fresh and shelf.idle:
            shelf.count -= 1
            _close(shelf.idle.pop(0))
        if shelf.idle and not fresh:
            return shelf.idle.pop()
        if shelf.count >= self.limit:
            client = await self._wait(container, place, shelf)
            if client is not None:
                return client
        else:
            shelf.count += 1
        return await self._connect(container, place)

    async def _wait(self, container: Any, place: Place, shelf: _Shelf) -> Optional[Client]:
        """Return a connection that has become free, or None for the right to make one."""
        future = Future(container.scheduler)
        shelf.waiting.append(future)
        try:
            return await future
        except BaseException:
            if future in shelf.waiting:
                shelf.waiting.remove(future)
            else:
                self.release(place, future.result)
            raise

    async def _connect(self, container: Any, place: Place) -> Client:
        client = Client(place.url, self.protocol, container.scheduler, place.key, place.certificate, place.cafile)
        client.setdaemon(True)
        connected = False
        try:
            client.start()
            await HttpConnectionStateEvent.createMatcher(None, client)
            connected = client.connected
        finally:
            if not connected:
                _close(client)
                self.release(place, None)
        if not connected:
            raise _connect_error(client, place)
        return client

    def release(self, place: Place, client: Optional[Client]) -> None:
        """Take back a connection.

        :param client: None for one that could not be made
        """
        shelf = self._shelves[place]
        usable = client if client is not None and is_usable(client) else None
        if shelf.waiting:
            shelf.waiting.popleft().set_result(usable)
        elif usable is not None:
            shelf.idle.append(usable)
        else:
            shelf.count -= 1
            if not shelf.count:
                del self._shelves[place]

    def hold(self, place: Place, client: Client, done: Callable[[], None]) -> None:
        """Take back a connection by itself, as soon as its response is complete or it has ended.

        :param done: called then
        """

        def free() -> None:
            self.release(place, client)
            done()

        client.wire.on_free = free  # type: ignore[attr-defined]

    def cleanup(self, host: Optional[str] = None) -> None:
        """Forget idle connections that have ended.

        :param host: only those to this host, with or without a port; None for all
        """
        for place, shelf in list(self._shelves.items()):
            if host is None or host in (place.host, "%s:%d" % (place.host, place.port)):
                shelf.drop_dead()
                if not shelf.count:
                    del self._shelves[place]

    def close_idle(self) -> List[Client]:
        """Forget all idle connections and return them."""
        found = []
        for place, shelf in list(self._shelves.items()):
            found += shelf.idle
            shelf.count -= len(shelf.idle)
            shelf.idle = []
            if not shelf.count:
                del self._shelves[place]
        return found


def _close(client: Client) -> None:
    client.subroutine(client.shutdown(True), False, daemon=True)


def _connect_error(client: Client, place: Place) -> OSError:
    reason = client.failure
    if isinstance(reason, ssl.SSLCertVerificationError):
        return CertificateException("certificate of %s is not accepted: %s" % (place.url, reason.verify_message))
    return ConnectionError("cannot connect to %s: %s" % (place.url, reason))
