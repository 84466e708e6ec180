"""The base of all protocols: settings of their connections and hooks of their life (manual 5.3.5, 3.1.3).

Order of the hooks of one connection::

    init -> parse* -> closed | error -> reconnect_init -> parse* -> closed | error -> ... -> final
    notconnected -> final                                  (never connected, and not tried again)

``init`` and ``reconnect_init`` run beside the reading: up to their first wait nothing is parsed, so they create the
state of the parser before they wait for anything; then they may send and wait for answers. When they raise, the
connection is dropped. ``closed`` and ``error`` are also called when ``init`` had not ended.

A protocol object is shared by all connections of a server: state of one connection lives on the connection.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from vlcp.config import Configurable, configbase
from vlcp.event.connection import ConnectionWriteEvent
from vlcp.event.core import syscall_clearremovequeue

if TYPE_CHECKING:
    from vlcp.event.connection import Connection, TcpServer

_logger = logging.getLogger(__name__)


@configbase("protocol")
class Protocol(Configurable):
    """Settings and hooks of a protocol; subclasses parse and write its messages.

    ``vhost`` is the name of the server's virtual host a connection belongs to.
    """

    vhost = "<other>"
    #: Exceptions of ``parse`` that mean "the peer broke the protocol": logged in one line
    parse_errors: tuple = (ValueError,)
    #: Priority of the events that are parsed from connections
    _default_messagepriority = 400
    #: Priority of the events that write to connections
    _default_writepriority = 600
    #: Give each connection its own queues for messages and for writing
    _default_createqueue = False
    #: Seconds after the end of a connection until its queues are removed with what is left in them
    _default_cleanuptimeout = 60
    #: Length of the write queue of each connection
    _default_writequeuesize = 10
    #: Length of the message queues of each connection
    _default_messagequeuesize = 10
    #: Seconds without received data until ``keepalive`` is called; None for never
    _default_keepalivetime = None
    #: Seconds without sent data until ``keepalive`` is called; None for never
    _default_writekeepalivetime = None
    #: Set SO_REUSEPORT, so that several processes may listen on the same port
    _default_reuseport = False
    #: Connect again after an unexpected end
    _default_persist = False
    #: First size of the receive buffer in bytes; it grows for longer messages
    _default_buffersize = 4096
    #: Seconds an attempt to connect may take, TLS handshake included
    _default_connect_timeout = 30
    #: Kept for old configurations; TCP_NODELAY is always set
    _default_tcp_nodelay = False
    #: Constant of the ``ssl`` module. 2 (PROTOCOL_TLS) takes the best version from TLS 1.2 on
    _default_sslversion = 2
    #: Verify the certificate of a server, with ``ca_certs`` or else the system's store
    _default_sslverify = True
    #: Verify that the certificate of a server names the host of the URL
    _default_sslcheckhostname = True
    #: Seconds a peer has to close after a graceful shutdown
    _default_shutdowntimeout = 30
    #: Try again when a server cannot bind its address
    _default_listen_persist = True
    #: Seconds between two attempts to bind
    _default_retrylisten_interval = 3
    #: Number of connections the system keeps until they are accepted
    _default_backlogsize = 2048

    def __init__(self) -> None:
        super().__init__()

    def message_matchers(self, connection: Connection) -> tuple:
        """Return ``((name, matcher), ...)``: the message events of a connection that get a queue each.

        Only asked with ``createqueue``. The base has none.
        """
        return ()

    def _queue_names(self, connection: Connection) -> list:
        return [("write", connection)] + [(name, connection) for name, _ in self.message_matchers(connection)]

    def parse(self, connection: Connection, data: memoryview, laststart: int) -> tuple[list, int]:
        """Turn received bytes into events.

        :param connection: where the bytes come from
        :param data: view of all bytes that are not used yet; valid only during this call, so copy what is kept
        :param laststart: where the bytes begin that were not in ``data`` at the last call. ``laststart ==
            len(data)`` means that the peer has closed its side: no more bytes come
        :return: ``(events, keep)``: events to send, and how many bytes at the end of ``data`` to show again
        :raises Exception: the connection is dropped with ``error``; those of ``parse_errors`` are the peer's fault
        """
        if laststart == len(data):
            return ([ConnectionWriteEvent(connection, connection.connmark, data=b"", EOF=True)], 0)
        return ([], 0)

    def serialize(self, connection: Connection, event: Any) -> tuple[bytes, bool]:
        """Return ``(data, eof)`` for a write event; with ``eof`` the sending side is closed after the data."""
        return (event.data, event.EOF)

    async def init(self, connection: Connection) -> None:
        """A connection is up for the first time; create its queues."""
        if not self.createqueue:
            return
        queue = connection.scheduler.queue
        queue.addSubQueue(
            self.writepriority,
            ConnectionWriteEvent.createMatcher(connection=connection),
            ("write", connection),
            self.writequeuesize,
        )
        for name, matcher in self.message_matchers(connection):
            queue.addSubQueue(self.messagepriority, matcher, (name, connection), self.messagequeuesize)
        connection.has_own_queues = True

    async def error(self, connection: Connection) -> None:
        """The connection ended by an error of the network or of the peer."""
        _logger.debug("connection ended with an error: %r", connection)

    async def closed(self, connection: Connection) -> None:
        """The connection ended as intended by one of the sides."""
        _logger.debug("connection closed: %r", connection)

    async def notconnected(self, connection: Connection) -> None:
        """The connection could not be made and is not tried again."""
        _logger.warning("cannot connect, giving up: %r", connection)

    async def reconnect_init(self, connection: Connection) -> None:
        """A connection that was up before is up again; its queues still exist."""

    def accept(self, server: TcpServer, newaddr: Any, newsocket: Any) -> Protocol:
        """Return the protocol object for a connection that a server has accepted.

        :param server: the :class:`~vlcp.event.connection.TcpServer`
        :param newaddr: the peer's address, as ``socket.accept`` returns it
        :param newsocket: the new socket
        """
        return self

    async def final(self, connection: Connection) -> None:
        """The connection has ended and is not made again; remove its queues."""
        if getattr(connection, "has_own_queues", False):
            connection.has_own_queues = False
            connection.subroutine(self._remove_queues(connection), daemon=True)

    async def _remove_queues(self, connection: Connection) -> None:
        """Remove the queues of a connection when they are empty, or else after ``cleanuptimeout``."""
        names = self._queue_names(connection)
        queue = connection.scheduler.queue
        if any(len(queue[name]) for name in names):
            await connection.wait_with_timeout(self.cleanuptimeout)
        for name in names:
            await connection.syscall(syscall_clearremovequeue(queue, name))

    async def beforelisten(self, tcpserver: TcpServer, newsocket: Any) -> None:
        """A server has bound its socket and is about to accept connections."""

    async def serverfinal(self, tcpserver: TcpServer) -> None:
        """A server has ended, or could not bind and does not try again."""

    async def keepalive(self, connection: Connection) -> None:
        """Nothing came from (or went to) the peer for long; find out whether it is alive.

        An override asks the peer something and calls ``connection.reset(True, connmark)`` when no answer comes.
        """
