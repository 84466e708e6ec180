"""Clients and servers on sockets (manual 4.3.6, 5.2.1; URLs in behaviour g.5)."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any, Optional

from vlcp.event import _sockets
from vlcp.event._connevents import (
    ConnectionControlEvent,
    ConnectionResetException,
    ConnectionWriteEvent,
    ResolveRequestEvent,
    ResolveResponseEvent,
)
from vlcp.event._endpoint import Connection
from vlcp.event._listener import TcpServer, resolve
from vlcp.event._reconnect import Action, State, backoff
from vlcp.event.core import POLLING_IN, POLLING_OUT, PollEvent

__all__ = [
    "Client",
    "Connection",
    "ConnectionControlEvent",
    "ConnectionResetException",
    "ConnectionWriteEvent",
    "ResolveRequestEvent",
    "ResolveResponseEvent",
    "TcpServer",
    "resolve",
]

_logger = logging.getLogger(__name__)
_ATTEMPTED = "attempted"


class Client(Connection):
    """A connection that is opened from a URL, and again after a loss if the protocol is persistent.

    Schemes tcp, ssl, udp, unix, dunix connect; with a leading ``p`` the client waits for one peer (and speaks the
    server's side of TLS).

    :param url: ``scheme://host:port/`` or ``unix:///path``; the default port is the protocol's
    :param protocol: :class:`~vlcp.protocol.protocol.Protocol`
    :param scheduler: scheduler to run on
    :param key: private key file for TLS, None when it is in the certificate file
    :param certificate: certificate file for TLS, or None
    :param ca_certs: file of trusted certificates; None takes the system's store
    :param bindaddress: local address to connect from, 'host', 'host:port' or a pair; a path for dunix
    :raises ValueError: the URL has no host or no path
    """

    def __init__(
        self,
        url: str,
        protocol: Any,
        scheduler: Any = None,
        key: Optional[str] = None,
        certificate: Optional[str] = None,
        ca_certs: Optional[str] = None,
        bindaddress: Any = None,
    ) -> None:
        self.url = url
        super().__init__(protocol, None, scheduler)
        self.rawurl = url
        self.key = key
        self.certificate = certificate
        self.ca_certs = ca_certs
        self.bindaddress = bindaddress
        self.target = _sockets.parse_url(
            url, False, getattr(protocol, "defaultport", 0), getattr(protocol, "ssldefaultport", None)
        )
        self._attempt_error: Optional[BaseException] = None
        self._attempt_ended = False
        delays = getattr(protocol, "reconnect_timeseq", self.defaultTimeSeq)
        self._link = self._new_link(protocol.persist, delays)
        if self.target.passive:
            self._link.connect_timeout = None

    def __repr__(self, *args: Any, **kwargs: Any) -> str:
        state = self._link.state.value if hasattr(self, "_link") else "new"
        return f"<Client {self.url} {state} session {self.connmark}>"

    @staticmethod
    def defaultTimeSeq() -> Iterator[float]:
        """Return an iterator over the seconds to wait before each attempt to connect."""
        return backoff()

    @property
    def failure(self) -> Optional[BaseException]:
        """Why the last attempt to connect failed; None if it did not."""
        return self._attempt_error

    async def create_socket(self) -> Any:
        """Open the connection and return its socket, which is also in ``self.socket``.

        :raises OSError: no address could be reached, or the TLS handshake failed
        """
        target = self.target
        if target.unix:
            addresses = [(_sockets.socket.AF_UNIX, target.path)]
        else:
            addresses = await resolve(self, target.host, target.port, target.socktype)
        open_one = self._open_passive if target.passive else self._open_active
        error: OSError = OSError(f"no usable address for {self.url}")
        for family, address in addresses:
            try:
                await open_one(family, address)
                await self._secure()
                return self.socket
            except OSError as failure:
                error = failure
                self._drop_socket()
        raise error

    def _local_address(self, family: int) -> Any:
        if self.bindaddress is None or self.target.kind == "unix":
            return None
        if family == _sockets.socket.AF_UNIX:
            return self.bindaddress
        return _sockets.parse_bind_address(self.bindaddress)

    async def _open_active(self, family: int, address: Any) -> None:
        local = self._local_address(family)
        self.socket, done = _sockets.open_connecting(family, self.target.socktype, address, local)
        self._register_socket(POLLING_IN | POLLING_OUT)
        while not done:
            await self._ready(PollEvent.WRITE_READY, self.socket)
            done = _sockets.connect_result(self.socket)
        self.scheduler.modifyPolling(self.socket, POLLING_IN)

    async def _open_passive(self, family: int, address: Any) -> None:
        if self.target.datagram:
            self.socket = _sockets.open_datagram(family, address, self.protocol.reuseport)
            self._register_socket(POLLING_IN)
            while not _sockets.connect_to_first_sender(self.socket):
                await self._ready(PollEvent.READ_READY, self.socket)
            return
        self.socket = _sockets.open_listening(family, address, self.protocol.reuseport, 1)
        self._register_socket(POLLING_IN)
        self.localaddr = self.socket.getsockname()
        accepted = None
        try:
            while accepted is None:
                try:
                    accepted, _peer = self.socket.accept()
                except (BlockingIOError, ConnectionAbortedError):
                    await self._ready(PollEvent.READ_READY, self.socket)
        finally:
            self._drop_socket(self.target.path)
        self.attach(accepted)
        self._register_socket(POLLING_IN)

    async def _secure(self) -> None:
        target = self.target
        if not target.tls:
            return
        protocol = self.protocol
        if target.passive:
            context = _sockets.server_context(self.key, self.certificate, self.ca_certs, protocol.sslversion)
        else:
            context = _sockets.client_context(
                self.key,
                self.certificate,
                self.ca_certs,
                protocol.sslversion,
                protocol.sslverify,
                protocol.sslcheckhostname,
            )
        self.socket = _sockets.tls_wrap(self.socket, context, target.passive, target.host)
        await self._handshake(self.socket, protocol.connect_timeout)

    async def _connecting(self) -> None:
        self._attempt_error = OSError("attempt failed unexpectedly")
        try:
            await self.create_socket()
            self._attempt_error = None
        except (OSError, ValueError) as error:
            self._attempt_error = error
        finally:
            self._attempt_ended = True
            self._order(_ATTEMPTED, False, None)

    async def _attempt(self) -> bool:
        """Try once to connect. Return False when that failed, took too long, or is not wanted any more."""
        self._link.start(self._now)
        self._attempt_ended, self._attempt_error = False, None
        routine = self.subroutine(self._connecting(), daemon=self.daemon)
        connected = False
        try:
            while not self._attempt_ended:
                order = await self._next_order(self._link.timeout(self._now))
                if order is None and self._link.run(self._now) is Action.GIVE_UP_ATTEMPT:
                    self._attempt_error = OSError(f"no connection within {self._link.connect_timeout} s")
                    return False
                if order is not None and self._interrupted(order):
                    return False
            connected = self._attempt_error is None and self.socket is not None
            return connected
        finally:
            if not connected:
                self.terminate(routine)
                self._drop_socket()

    def _interrupted(self, order: ConnectionControlEvent) -> bool:
        """Change the link as a request says that came while there is no session; return True if it did."""
        if order.type == ConnectionControlEvent.SHUTDOWN:
            self._link.stop()
        elif order.type == ConnectionControlEvent.RECONNECT:
            self._link.retry_now(self._now)
        else:
            return False
        return True

    async def _wait_backoff(self) -> None:
        while self._link.state is State.BACKOFF and self._link.run(self._now) is not Action.CONNECT:
            order = await self._next_order(self._link.timeout(self._now))
            if order is not None:
                self._interrupted(order)

    def _after(self, ending: str) -> None:
        if ending == ConnectionControlEvent.SHUTDOWN:
            self._link.stop()
        elif ending == ConnectionControlEvent.RECONNECT:
            self._link.retry_now(self._now)
        else:
            self._link.failed(self._now)

    def _after_failed_attempt(self) -> None:
        if self._attempt_error is not None:
            _logger.info("cannot connect to %s: %s", self.url, self._attempt_error)
        if self._link.state is State.CONNECTING:
            self._link.failed(self._now)

    async def main(self) -> None:
        """Connect, serve, and connect again while the protocol is persistent."""
        first = True
        try:
            while self._link.state is not State.ENDED:
                if await self._attempt():
                    ending = await self._session(first)
                    first = False
                    self._after(ending)
                else:
                    self._after_failed_attempt()
                await self._wait_backoff()
        finally:
            self._link.stop()
            self._drop_socket()
        if first:
            await self._hook(self.protocol.notconnected(self))
        await self._hook(self.protocol.final(self))
