"""Listening sockets, and the addresses of host names (manual 5.2.1)."""

from __future__ import annotations

import logging
from typing import Any, Optional

from vlcp.event import _sockets
from vlcp.event._connevents import ConnectionControlEvent, ResolveRequestEvent, ResolveResponseEvent
from vlcp.event._control import Controlled
from vlcp.event._endpoint import Connection
from vlcp.event.core import POLLING_IN, PollEvent
from vlcp.event.event import M_

_logger = logging.getLogger(__name__)
#: Connections accepted in a row before other routines get their turn
_FAIR_ACCEPTS = 64
#: Seconds to wait for free file descriptors
_RESOURCE_PAUSE = 0.5


async def resolve(container: Any, host: Optional[str], port: int, socktype: int) -> list:
    """Return ``[(family, address), ...]`` of a host, asking the resolver only for real names.

    :param container: routine container of the caller
    :param host: name or address; None means all local addresses
    :raises OSError: the name is not known
    """
    found = _sockets.numeric_addresses(host, port, socktype)
    if found is not None:
        return found
    request = (host, port, 0, socktype, 0, 0)
    await container.wait_for_send(ResolveRequestEvent(request))
    response = await ResolveResponseEvent.createMatcher(request)
    error = getattr(response, "error", None)
    if error is not None:
        raise error if isinstance(error, OSError) else OSError(f"cannot resolve {host!r}: {error}")
    return _sockets.choose(response.response)


class TcpServer(Controlled):
    """A listening socket that makes a :class:`Connection` of each peer.

    Public attributes: ``listening``; ``localaddr`` (socket address while listening).

    :param url: tcp, ssl or unix URL; ``tcp:///`` listens on all addresses at the protocol's default port
    :param protocol: its ``accept`` returns the protocol object for each connection
    :param scheduler: scheduler to run on
    :param key: private key file for TLS, None when it is in the certificate file
    :param certificate: certificate file for TLS
    :param ca_certs: clients must show a certificate that one of these has signed; None asks for none
    :raises ValueError: the URL cannot be listened on
    """

    def __init__(
        self,
        url: str,
        protocol: Any,
        scheduler: Any = None,
        key: Optional[str] = None,
        certificate: Optional[str] = None,
        ca_certs: Optional[str] = None,
    ) -> None:
        super().__init__(scheduler, False)
        self.url = self.rawurl = url
        self.protocol = protocol
        self.key = key
        self.certificate = certificate
        self.ca_certs = ca_certs
        self.target = _sockets.parse_url(
            url, True, getattr(protocol, "defaultport", 0), getattr(protocol, "ssldefaultport", None)
        )
        self.listening = False
        self.localaddr: Any = None
        self._wanted = True
        self._ended = False
        self._context: Any = None

    def __repr__(self, *args: Any, **kwargs: Any) -> str:
        return f"<TcpServer {self.url} {'listening' if self.listening else 'closed'}>"

    async def shutdown(self, connmark: int = -1) -> None:
        """End the server; its connections stay. Returns at once.

        :param connmark: only when this is the current period of listening; -1 always
        """
        self._order(ConnectionControlEvent.SHUTDOWN, True, connmark)

    async def stoplisten(self, connmark: int = -1) -> None:
        """Close the listening socket until :meth:`startlisten`. Parameter as in :meth:`shutdown`."""
        self._order(ConnectionControlEvent.STOPLISTEN, True, connmark)

    async def startlisten(self, connmark: int = -1) -> None:
        """Listen again after :meth:`stoplisten`. Parameter as in :meth:`shutdown`."""
        self._order(ConnectionControlEvent.STARTLISTEN, True, connmark)

    def _apply(self, order: Optional[ConnectionControlEvent]) -> None:
        if order is None:
            return
        if order.type == ConnectionControlEvent.SHUTDOWN:
            self._ended = True
        elif order.type == ConnectionControlEvent.STOPLISTEN:
            self._wanted = False
        elif order.type == ConnectionControlEvent.STARTLISTEN:
            self._wanted = True

    def _interrupted(self) -> bool:
        """Apply the requests that are there; return True when listening is not wanted any more."""
        order = self._kept_order()
        while order is not None:
            self._apply(order)
            order = self._kept_order()
        return self._ended or not self._wanted

    async def _bind(self) -> None:
        """Open the listening socket.

        :raises OSError: cannot bind, or a TLS file cannot be read
        """
        target, protocol = self.target, self.protocol
        if target.tls:
            self._context = _sockets.server_context(self.key, self.certificate, self.ca_certs, protocol.sslversion)
        if target.unix:
            addresses = [(_sockets.socket.AF_UNIX, target.path)]
        else:
            addresses = await resolve(self, target.host, target.port, target.socktype)
        error: OSError = OSError(f"no usable address for {self.url}")
        for family, address in addresses:
            try:
                self.socket = _sockets.open_listening(family, address, protocol.reuseport, None)
                break
            except OSError as failure:
                error = failure
        else:
            raise error
        await protocol.beforelisten(self, self.socket)
        self.socket.listen(protocol.backlogsize)
        self._register_socket(POLLING_IN)
        self.localaddr = self.socket.getsockname()

    async def _accept_all(self) -> None:
        """Accept connections until listening is not wanted any more."""
        fd = self.socket.fileno()
        ready = PollEvent.createMatcher(fd, PollEvent.READ_READY)
        control = ConnectionControlEvent.createMatcher(connection=self)
        accepted = 0
        while not self._interrupted():
            try:
                sock, address = self.socket.accept()
            except BlockingIOError:
                await M_(ready, control)
                continue
            except OSError as error:
                await self._pause(error)
                continue
            self._welcome(sock, address)
            accepted += 1
            if accepted % _FAIR_ACCEPTS == 0:
                await self.do_events()

    async def _pause(self, error: OSError) -> None:
        if error.errno not in _sockets.OUT_OF_RESOURCES:
            # The peer went away while it waited (accept(2) reports its network errors here).
            _logger.debug("accept failed: %r: %s", self, error)
            return
        _logger.warning("accepting pauses for %s s: %r: %s", _RESOURCE_PAUSE, self, error)
        self._apply(await self._next_order(_RESOURCE_PAUSE))

    def _welcome(self, sock: Any, address: Any) -> None:
        try:
            _sockets.prepare_accepted(sock)
            if self._context is not None:
                sock = _sockets.tls_wrap(sock, self._context, True, None)
            protocol = self.protocol.accept(self, address, sock)
        except (OSError, ValueError) as error:
            _logger.info("refused %r: %r: %s", address, self, error)
            _sockets.close_socket(sock)
            return
        connection = Connection(protocol, sock, self.scheduler)
        connection.start()

    async def _listen(self) -> None:
        """Bind and accept once; a failure to bind waits for the next attempt or ends the server."""
        try:
            await self._bind()
        except (OSError, ValueError) as error:
            _logger.warning("cannot listen: %r: %s", self, error)
            self._drop_socket()
            if not self.protocol.listen_persist:
                self._ended = True
            else:
                self._apply(await self._next_order(self.protocol.retrylisten_interval))
            return
        self.connmark += 1
        self.listening = True
        try:
            await self._accept_all()
        finally:
            self.listening = False
            self._drop_socket(self.target.path)

    async def main(self) -> None:
        """Listen and accept until :meth:`shutdown`."""
        try:
            while not self._ended:
                if self._wanted:
                    await self._listen()
                else:
                    self._apply(await self._next_order(None))
        finally:
            self._drop_socket(self.target.path)
        await self._hook(self.protocol.serverfinal(self))
