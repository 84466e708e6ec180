"""Events of connections; :mod:`vlcp.event.connection` offers them."""

from __future__ import annotations

from vlcp.event.event import Event, withIndices


@withIndices("connection", "type", "force", "connmark")
class ConnectionControlEvent(Event):
    """Ask a connection or a server to change its state.

    ``connmark`` negative means "whatever session it is in"; else the event counts only for that session.
    """

    #: End the connection for good; ``force`` False sends what is queued first
    SHUTDOWN = "shutdown"
    #: End this session and connect again at once
    RECONNECT = "reconnect"
    #: End this session; connect again only if the protocol is persistent
    RESET = "reset"
    #: Close the listening socket of a server
    STOPLISTEN = "stoplisten"
    #: Listen again
    STARTLISTEN = "startlisten"
    #: Sent by the connection itself: both directions have ended, or one has failed
    HANGUP = "hangup"

    #: the request has been seen
    taken = False


@withIndices("connection", "connmark")
class ConnectionWriteEvent(Event):
    """Send data on a connection.

    Attributes: ``data`` (bytes), ``EOF`` (True closes the sending side after the data).
    """

    canignore = False
    EOF = False

    def canignorenow(self) -> bool:
        """Return True when the session that the event was made for cannot send any more."""
        return not self.connection.can_write(self.connmark)


class ConnectionResetException(Exception):
    """The connection went down before the data was taken over."""


@withIndices("request")
class ResolveRequestEvent(Event):
    """Ask the resolver for addresses; ``request`` is the tuple of arguments of ``socket.getaddrinfo``."""

    canignore = False


@withIndices("request")
class ResolveResponseEvent(Event):
    """Answer of the resolver: ``response`` is the list of ``getaddrinfo``, or ``error`` the exception."""
