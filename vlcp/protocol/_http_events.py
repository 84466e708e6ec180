"""Events and exceptions of the HTTP protocol; :mod:`vlcp.protocol.http` offers them (manual 5.3.2)."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Tuple

from vlcp.event.event import Event, withIndices


class HttpProtocolException(Exception):
    """The peer broke the rules of HTTP so that the connection cannot go on."""


class HttpConnectionClosedException(HttpProtocolException):
    """The connection was closed before the response was complete."""


@withIndices("state", "connection", "connmark", "createby")
class HttpConnectionStateEvent(Event):
    """A HTTP connection came up or went down; ``state`` is one of the constants."""

    CLIENT_CONNECTED = "clientconnect"
    CLIENT_CLOSE = "clientclose"
    CLIENT_NOTCONNECTED = "clientnotconnected"
    SERVER_CONNECTED = "serverconnect"
    SERVER_CLOSE = "serverclose"


@withIndices("host", "path", "method", "connection", "connmark", "xid", "createby")
class HttpRequestEvent(Event):
    """A server received the head of a request.

    ``host`` is the named host with its port, empty if none is named; ``path`` the target with its query string, as sent;
    ``method`` as sent; all are bytes. ``xid`` numbers the requests of a connection, ``createby`` is the protocol object.
    Whoever serves the request sets ``canignore`` and answers through :meth:`Http.start_response`.
    A request that nobody takes when it is dispatched is answered with 404.
    """

    canignore = False
    exchange: Any = None

    @property
    def headers(self) -> List[Tuple[bytes, bytes]]:
        """The header fields in order; names in lower case."""
        return self.exchange.head.fields

    @property
    def headerdict(self) -> Dict[bytes, bytes]:
        """``{lower-case name: value}``; repeated fields are joined."""
        return self.exchange.head.combined

    @property
    def stream(self) -> Any:
        """Stream with the request's body, None if it has none."""
        return self.exchange.body

    @property
    def version(self) -> str:
        """``'1.1'`` or ``'1.0'``."""
        return "1.%d" % (self.exchange.head.minor,)

    def canignorenow(self) -> bool:
        """Return True: a request that nobody took must not hold up those of other connections.

        It is refused with 404 here, because only now it is known that nobody takes it.
        """
        if self.exchange is not None:
            self.createby.refuse_unserved(self)
        return True


@withIndices("connection", "connmark", "xid", "isfinal", "iserror")
class HttpResponseEvent(Event):
    """A client received the head of a response to the request ``xid``.

    ``isfinal`` is False for interim (1xx) responses; ``iserror`` is True when the connection ended without a response, then
    there are no further attributes but ``exception``. Else: ``status`` (int), ``reason`` (bytes), ``headers``,
    ``headerdict`` and ``stream`` as in :class:`HttpRequestEvent`.
    """

    status: Optional[int] = None
    stream: Any = None


@withIndices("connection", "connmark", "xid", "keepalive")
class HttpResponseEndEvent(Event):
    """A client received a response to its end; ``keepalive`` tells whether the connection stays open."""


@withIndices("connection", "connmark", "type")
class HttpStateChange(Event):
    """A connection goes on to its next message."""

    NEXTINPUT = "nextinput"
    NEXTOUTPUT = "nextoutput"


@withIndices("stream")
class HttpTrailersReceived(Event):
    """Trailers behind the body in ``stream`` were received; ``trailers`` is ``[(name, value)]``."""


@withIndices("stream")
class HttpBodyEvent(Event):
    """The body in ``stream`` has new data, its end or an error."""


@withIndices("connection")
class HttpInputGate(Event):
    """Stops the reading of a connection: blocks a queue of length 1 until the gate ``side`` opens."""

    canignore = False

    def canignorenow(self) -> bool:
        """Return True as soon as the connection may read again."""
        return self.side.gate_is_open
