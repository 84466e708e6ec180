"""HTTP/1.1, the server's and the client's side (manual 5.3.2; RFC 9110, RFC 9112).

A server turns each request into one :class:`HttpRequestEvent`; its body is a stream. Whoever serves it calls
:meth:`Http.start_response`. Requests on one connection are served at the same time, up to ``pipelinelimit``, and answered
in their order. A client calls :meth:`Http.request_with_response`.

Parsing is in ``_wire.http1``; the state of one connection is ``connection.wire``, a ``ServerSide`` or ``ClientSide``.
"""

from __future__ import annotations

import logging
from typing import Any, Callable, Dict, List, Optional, Tuple
from weakref import WeakKeyDictionary

from vlcp.config import defaultconfig
from vlcp.event.event import EventMatcher
from vlcp.event.runnable import RoutineContainer
from vlcp.protocol._http_client import ClientSide
from vlcp.protocol._http_events import (
    HttpConnectionClosedException,
    HttpConnectionStateEvent,
    HttpProtocolException,
    HttpRequestEvent,
    HttpResponseEndEvent,
    HttpResponseEvent,
    HttpStateChange,
    HttpTrailersReceived,
)
from vlcp.protocol._http_responses import accepts_gzip, date_time_string, error_page, escape, escape_b
from vlcp.protocol._http_server import ServerSide
from vlcp.protocol.protocol import Protocol

__all__ = [
    "Http",
    "HttpConnectionClosedException",
    "HttpConnectionStateEvent",
    "HttpProtocolException",
    "HttpRequestEvent",
    "HttpResponseEndEvent",
    "HttpResponseEvent",
    "HttpStateChange",
    "HttpTrailersReceived",
    "accepts_gzip",
    "date_time_string",
    "error_page",
    "escape",
    "escape_b",
    "servers_of",
]

_logger = logging.getLogger(__name__)


def servers_of(scheduler: Any) -> List[Callable[[HttpRequestEvent], bool]]:
    """Return the list of functions that are offered each new request before it is sent as an event.

    Such a function starts to serve the request, sets ``canignore`` and returns True, or returns False. It saves the way
    through the event queue; nothing else is different.
    """
    return vars(scheduler).setdefault("http_servers", [])


@defaultconfig
class Http(Protocol):
    """Settings of HTTP connections, and the calls to answer and to send requests.

    :param server: True for connections of a server, False for those of a client
    :param defaultversion: version of requests, ``'1.1'`` or ``'1.0'``; None for the setting
    :raises ValueError: another version
    """

    _default_persist = False
    #: Requests of one connection that are served at the same time; 1 disables pipelining
    _default_pipelinelimit = 10
    #: Longest first line of a request or response, in bytes
    _default_headlinelimit = 8192
    #: Longest header in bytes, and longest sum of all headers of a message
    _default_headerlimit = 1048576
    #: Most headers of a message
    _default_headercountlimit = 1024
    #: Longest trailers behind a chunked body, and longest line with the size of a chunk
    _default_chunkedheaderlimit = 8192
    #: Most trailers
    _default_chunkednumberlimit = 16
    #: A client takes an answer without a head (HTTP/0.9)
    _default_allownoheader = True
    #: Version of requests
    _default_defaultversion = "1.1"
    #: Drop the connection of a client that breaks the protocol, without the answer 400
    _default_fastfail = False
    #: Accept bodies with the transfer codings gzip and deflate, and offer and use them (TE)
    _default_allowtransfercompress = False
    #: Seconds until a connection without a request is closed
    _default_idletimeout = 20
    #: Seconds a peer has to close the connection after "Connection: close"
    _default_closetimeout = 5
    #: Seconds the head of a request may take from its first byte, and a new connection to send one
    _default_headtimeout = 20
    #: Seconds the body of a request may take, and one more for each 4096 bytes; not counted while the handler lets it wait
    _default_bodytimeout = 60
    #: Seconds without progress until a response that the client does not read is given up
    _default_sendtimeout = 60
    #: Log every request and response
    _default_debugging = False
    #: A client asks with "Expect: 100-continue" before it sends a long body
    _default_useexpect = False
    #: With useexpect: a body of more bytes is long
    _default_useexpectsize = 4096
    #: With useexpect: seconds without an answer until the body is sent all the same
    _default_expecttimeout = 2
    #: Port of URLs that name none
    _default_defaultport = 80
    #: Port of URLs with TLS that name none
    _default_ssldefaultport = 443
    #: Headers of responses that do not have them
    _default_defaultresponseheaders = [
        (b"Content-Type", b"text/html"),
        (b"Server", b"VLCP HTTP Server"),
        (b"Vary", b"Accept-Encoding"),
    ]
    #: Headers of requests that do not have them
    _default_defaultrequestheaders = [(b"Accept", b"*/*"), (b"User-Agent", b"VLCP HTTP Client")]
    #: {status: path}: which path is served in place of an error page
    _default_errorrewrite = {}
    #: {status: location}: where an error is redirected to
    _default_errorredirect = {}
    #: Error pages show the exception
    _default_showerrorinfo = False
    #: With createqueue: priority of HttpResponseEndEvent
    _default_responseendpriority = 690
    #: In query strings + means a blank
    _default_unquoteplus = True
    _default_tcp_nodelay = True

    def __init__(self, server: bool = True, defaultversion: Optional[str] = None) -> None:
        super().__init__()
        self.server = server
        version = self.defaultversion if defaultversion is None else defaultversion
        if version not in ("1.0", "1.1"):
            raise ValueError("unknown HTTP version %r" % (version,))
        self.defaultversion = version
        #: heads of responses that were sent before, see ``response_head``
        self.head_cache: Dict[Any, bytes] = {}
        self._watched: WeakKeyDictionary = WeakKeyDictionary()

    # Hooks of a connection

    def parse(self, connection: Any, data: Any, laststart: int) -> Tuple[List[Any], int]:
        """Take received bytes; see :meth:`Protocol.parse`. Nothing is kept in the connection's buffer."""
        return connection.wire.receive(data), 0

    def serialize(self, connection: Any, event: Any) -> Tuple[bytes, bool]:
        """Return what to send; see :meth:`Protocol.serialize`."""
        connection.wire.outbox.taken(event)
        return event.data, event.EOF

    def message_matchers(self, connection: Any) -> tuple:
        """Return the queues of a connection, see :meth:`Protocol.message_matchers`."""
        return (
            ("httprequest", HttpRequestEvent.createMatcher(connection=connection)),
            ("httpresponse", HttpResponseEvent.createMatcher(connection)),
        )

    def _queue_names(self, connection: Any) -> list:
        return [*super()._queue_names(connection), ("httpresponseend", connection)]

    async def init(self, connection: Any) -> None:
        """A connection is up: make its state and announce it."""
        connection.wire = (ServerSide if self.server else ClientSide)(self, connection)
        self._watch(connection)
        await super().init(connection)
        if self.createqueue:
            ends = HttpResponseEndEvent.createMatcher(connection)
            queue, name = connection.scheduler.queue, ("httpresponseend", connection)
            queue.addSubQueue(self.responseendpriority, ends, name, self.messagequeuesize)
        await self._announce(connection, "serverconnect" if self.server else "clientconnect")

    async def reconnect_init(self, connection: Any) -> None:
        """A client's connection is up again."""
        connection.wire = ClientSide(self, connection)
        self._watch(connection)
        await super().reconnect_init(connection)
        await self._announce(connection, HttpConnectionStateEvent.CLIENT_CONNECTED)

    async def closed(self, connection: Any) -> None:
        """The connection ended: release everybody who waits for it."""
        connection.wire.end()
        await super().closed(connection)
        await self._announce(connection, "serverclose" if self.server else "clientclose")

    async def error(self, connection: Any) -> None:
        """The connection ended with an error: release everybody who waits for it."""
        await self.closed(connection)

    async def notconnected(self, connection: Any) -> None:
        """A client could not connect."""
        await super().notconnected(connection)
        await self._announce(connection, HttpConnectionStateEvent.CLIENT_NOTCONNECTED)

    async def beforelisten(self, tcpserver: Any, newsock: Any) -> None:
        """A server is about to listen; see :meth:`Protocol.beforelisten`."""
        await super().beforelisten(tcpserver, newsock)

    async def _announce(self, connection: Any, state: str) -> None:
        await connection.wait_for_send(HttpConnectionStateEvent(state, connection, connection.connmark, self))

    # Deadlines

    def _watch(self, connection: Any) -> None:
        scheduler = connection.scheduler
        sides = self._watched.get(scheduler)
        if sides is None:
            sides = self._watched[scheduler] = set()
        if not sides:
            container = RoutineContainer.get_container(scheduler)
            container.subroutine(self._sweep(container, sides), daemon=True)
        sides.add(connection.wire)

    async def _sweep(self, container: RoutineContainer, sides: set) -> None:
        """Look for passed deadlines until there are no connections; one routine for all of them."""
        timeouts = (self.idletimeout, self.closetimeout, self.headtimeout, self.bodytimeout, self.sendtimeout)
        pause = min(1.0, *(value / 4 for value in timeouts if value))
        while sides:
            await container.wait_with_timeout(pause)
            now = container.scheduler.current_time
            for side in list(sides):
                if side.lost:
                    sides.discard(side)
                elif side.deadline is not None and side.deadline <= now:
                    side.deadline_passed()

    # Serving

    def serve_now(self, event: HttpRequestEvent) -> bool:
        """Offer a new request to those who serve requests directly; return whether one of them took it.

        Else it is sent as an event.
        """
        for offer in event.connection.scheduler.__dict__.get("http_servers", ()):  # noqa: SIM110 - faster
            if offer(event):
                return True
        return False

    def start_response(
        self, connection: Any, xid: int, status: Any, headers: Any, outputstream: Any, disabledeflate: bool = False
    ) -> None:
        """Answer the request ``xid``; nothing happens if it is answered already or its connection is gone.

        :param connection: the connection of the request
        :param xid: number of the request
        :param status: ``200``, or bytes like ``b'404 Not Found'``
        :param headers: ``[(name, value)]`` in bytes; those about framing are added
        :param outputstream: the body: a stream, bytes, or None for none
        :param disabledeflate: do not compress the body
        :raises ValueError: a header would break the message
        """
        side = connection.wire
        exchange = side.find(xid)
        if exchange is not None and not exchange.started:
            side.respond(exchange, status, headers, outputstream, disabledeflate)

    def response_to(self, connection: Any, xid: int, response: Any) -> None:
        """Answer the request ``xid`` with ``response``, a tuple (status, headers, body)."""
        self.start_response(connection, xid, *response)

    def create_error_response(self, connection: Any, xid: int, status: Any) -> Tuple[Any, list, bytes]:
        """Return the error page of a status as a response for :meth:`response_to`."""
        return status, [(b"Content-Type", b"text/html; charset=utf-8")], error_page(status)

    def refuse_unserved(self, event: HttpRequestEvent) -> None:
        """Answer 404 to a request that nobody has taken, or what ``errorrewrite`` and ``errorredirect`` have for it."""
        connection, location = event.connection, self.errorredirect.get(404)
        target = self.errorrewrite.get(404)
        if getattr(event, "for_error", False):
            target = location = None
        if target is not None:
            path = target if isinstance(target, bytes) else target.encode("ascii")
            identity = (connection, event.connmark, event.xid, self)
            rewritten = HttpRequestEvent(event.host, path, b"GET", *identity, exchange=event.exchange, rewrites=1, for_error=True)
            rewritten.kept = (404, [], ())
            connection.scheduler.emergesend(rewritten)
        elif location is not None:
            value = location if isinstance(location, bytes) else location.encode("ascii")
            self.start_response(connection, event.xid, 302, [(b"Location", value)], None)
        else:
            self.response_to(connection, event.xid, self.create_error_response(connection, event.xid, 404))

    # Asking

    def send_request(
        self,
        connection: Any,
        host: bytes,
        path: bytes = b"/",
        method: bytes = b"GET",
        headers: Any = [],  # noqa: B006 - never changed
        stream: Any = None,
        keepalive: bool = True,
    ) -> int:
        """Send a request and return its xid; the response comes as :class:`HttpResponseEvent`.

        :param connection: a connected client
        :param host: value of the Host header
        :param stream: the body: bytes, or a stream; one with a length (``MemoryStream``) is sent with Content-Length, else
            in chunks unless ``headers`` has a Content-Length
        :param keepalive: False asks the server to close the connection after the response
        :raises HttpConnectionClosedException: the connection is down or closing
        :raises ValueError: a header would break the message
        """
        side = getattr(connection, "wire", None)
        if side is None or side.lost or not connection.connected:
            raise HttpConnectionClosedException("connection is down: %r" % (connection,))
        return side.request(host, path, method, headers, stream, keepalive)

    def responsematcher(
        self, connection: Any, xid: int, isfinal: Optional[bool] = None, iserror: Optional[bool] = None
    ) -> EventMatcher:
        """Return a matcher for the responses to the request ``xid``; None for any value."""
        return HttpResponseEvent.createMatcher(connection, connection.connmark, xid, isfinal, iserror)

    def statematcher(
        self, connection: Any, state: str = HttpConnectionStateEvent.CLIENT_CLOSE, currentconn: bool = True
    ) -> EventMatcher:
        """Return a matcher for a state of the connection.

        :param currentconn: only for the present session
        """
        return HttpConnectionStateEvent.createMatcher(state, connection, connection.connmark if currentconn else None)

    async def request_with_response(
        self,
        container: RoutineContainer,
        connection: Any,
        host: bytes,
        path: bytes = b"/",
        method: bytes = b"GET",
        headers: Any = [],  # noqa: B006 - never changed
        stream: Any = None,
        keepalive: bool = True,
    ) -> Tuple[HttpResponseEvent, List[HttpResponseEvent]]:
        """Send a request and wait for the head of its final response; its body is in ``response.stream``.

        Parameters as in :meth:`send_request`.

        :return: (final response, [interim responses (1xx) and the final one])
        :raises HttpConnectionClosedException: the connection ended before the response
        """
        xid = self.send_request(connection, host, path, method, headers, stream, keepalive)
        matcher = self.responsematcher(connection, xid)
        responses: List[HttpResponseEvent] = []
        while True:
            response = await matcher
            if response.iserror:
                raise HttpConnectionClosedException(str(response.exception))
            responses.append(response)
            if response.isfinal:
                return response, responses

    startResponse = start_response
    responseTo = response_to
    createErrorResponse = create_error_response
    sendRequest = send_request
    requestwithresponse = request_with_response
