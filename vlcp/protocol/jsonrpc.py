"""JSON-RPC 1.0 over a stream, as OVSDB uses it (manual 5.3.3; RFC 7047, section 4.1)."""

from __future__ import annotations

import json
import logging
from typing import Any, Optional

from vlcp.config import defaultconfig
from vlcp.event.connection import ConnectionResetException, ConnectionWriteEvent
from vlcp.event.event import M_, Event, withIndices
from vlcp.protocol._sessions import SessionProtocol
from vlcp.protocol._wire.jsonframe import JsonFrameError, JsonFramer

_logger = logging.getLogger(__name__)
_MISSING = object()


@withIndices("state", "connection", "connmark", "createby")
class JsonRPCConnectionStateEvent(Event):
    """A connection came up or went down; ``state`` is one of the constants."""

    CONNECTION_UP = "up"
    CONNECTION_DOWN = "down"


@withIndices("method", "connection", "connmark", "createby")
class JsonRPCRequestEvent(Event):
    """The peer calls ``method`` with ``params`` (a JSON value); whoever answers needs ``id`` for it."""

    canignore = False

    def canignorenow(self) -> bool:
        """Return True when nobody can answer the request any more."""
        return not self.connection.connected or self.connection.connmark != self.connmark


@withIndices("connection", "connmark", "id", "iserror", "createby")
class JsonRPCResponseEvent(Event):
    """The peer answers the request ``id``: with ``result``, or with ``error`` if ``iserror``; both are JSON values."""


@withIndices("method", "connection", "connmark", "createby")
class JsonRPCNotificationEvent(Event):
    """The peer notifies of ``method`` with ``params`` (a JSON value) and expects no answer."""


class JsonFormatException(Exception):
    """The peer sent something that is not JSON, or is too long or too deep."""


class JsonRPCProtocolException(Exception):
    """The connection is down, or what came is JSON but not JSON-RPC."""


class JsonRPCErrorResultException(Exception):
    """The peer answered a request with an error.

    :param error: the JSON value of ``error``
    :param result: the JSON value of ``result``
    """

    def __init__(self, error: Any, result: Any = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.result = result


@defaultconfig
class JsonRPC(SessionProtocol):
    """JSON-RPC 1.0: requests with replies, and notifications, in both directions of a connection."""

    parse_errors = (JsonFormatException, JsonRPCProtocolException)

    #: (inherited)
    _default_persist = True
    #: Port of URLs that name none; 6632 is what OVSDB used before it got 6640
    _default_defaultport = 6632
    #: (inherited)
    _default_createqueue = True
    #: Log every message
    _default_debugging = False
    #: Encoding of the JSON text
    _default_encoding = "utf-8"
    #: (inherited)
    _default_buffersize = 65536
    #: Longest message in bytes
    _default_messagelimit = 16777216
    #: Most brackets open at once in a message
    _default_levellimit = 1024
    #: Methods that requests may call; None for all. Other requests get an error
    _default_allowedrequests = None

    def message_matchers(self, connection: Any) -> tuple:
        """Return the queues of a connection, see :meth:`Protocol.message_matchers`."""
        return (
            ("request", JsonRPCRequestEvent.createMatcher(connection=connection)),
            ("response", JsonRPCResponseEvent.createMatcher(connection=connection)),
            ("notification", JsonRPCNotificationEvent.createMatcher(connection=connection)),
            ("connstate", JsonRPCConnectionStateEvent.createMatcher(connection=connection)),
        )

    async def begin_session(self, connection: Any) -> None:
        """Make the state of a session and announce it."""
        connection.wire = JsonFramer(self.messagelimit, self.levellimit)
        connection.jsonrpc_id = 0
        await self._announce(connection, JsonRPCConnectionStateEvent.CONNECTION_UP)

    async def _announce(self, connection: Any, state: str) -> None:
        await connection.wait_for_send(JsonRPCConnectionStateEvent(state, connection, connection.connmark, self))

    async def end_session(self, connection: Any) -> None:
        """Drop the requests that nobody has taken, and announce the end."""
        connection.scheduler.ignore(JsonRPCRequestEvent.createMatcher(connection=connection))
        await self._announce(connection, JsonRPCConnectionStateEvent.CONNECTION_DOWN)

    # Writing

    def _write_event(self, connection: Any, message: dict) -> ConnectionWriteEvent:
        text = json.dumps(message, separators=(",", ":"))
        if self.debugging:
            _logger.debug("%r sends %s", connection, text)
        return ConnectionWriteEvent(connection, connection.connmark, data=text.encode(self.encoding))

    def formatrequest(self, method: str, params: Any, connection: Any) -> tuple[ConnectionWriteEvent, int]:
        """Return ``(write event, request id)`` for a request; ids are numbered for each session."""
        connection.jsonrpc_id += 1
        number = connection.jsonrpc_id
        return (self._write_event(connection, {"method": method, "params": params, "id": number}), number)

    def formatnotification(self, method: str, params: Any, connection: Any) -> ConnectionWriteEvent:
        """Return the write event for a notification."""
        return self._write_event(connection, {"method": method, "params": params, "id": None})

    def formatreply(self, result: Any, requestid: Any, connection: Any) -> ConnectionWriteEvent:
        """Return the write event that answers a request."""
        return self._write_event(connection, {"result": result, "error": None, "id": requestid})

    def formaterror(self, error: Any, requestid: Any, connection: Any) -> ConnectionWriteEvent:
        """Return the write event that refuses a request."""
        return self._write_event(connection, {"result": None, "error": error, "id": requestid})

    # Waiting

    def replymatcher(self, requestid: Any, connection: Any, iserror: Optional[bool] = None) -> Any:
        """Return a matcher for the reply to a request.

        :param requestid: number of the request, from :meth:`formatrequest`
        :param connection: where it was sent
        :param iserror: True for errors only, False for results only, None for both
        """
        return JsonRPCResponseEvent.createMatcher(connection, connection.connmark, requestid, iserror)

    def notificationmatcher(self, method: Optional[str], connection: Any) -> Any:
        """Return a matcher for notifications that come in the present session.

        :param method: the method they name; None for all
        :param connection: where they come from
        """
        return JsonRPCNotificationEvent.createMatcher(method, connection, connection.connmark)

    def statematcher(self, connection: Any, state: Optional[str] = "down", currentconn: bool = True) -> Any:
        """Return a matcher for events that tell of the connection's sessions.

        :param connection: the connection
        :param state: 'up', 'down', or None for both
        :param currentconn: True for the present session only, False also for later ones
        """
        mark = connection.connmark if currentconn else None
        return JsonRPCConnectionStateEvent.createMatcher(state, connection, mark)

    async def querywithreply(
        self, method: str, params: Any, connection: Any, container: Any = None, raiseonerror: bool = True
    ) -> tuple[Any, Any]:
        """Call a method of the peer and wait until it has answered.

        :param method: name of the method
        :param params: its parameters, a JSON value
        :param connection: where to send the request
        :param container: not needed
        :param raiseonerror: raise when the answer is an error, instead of returning it
        :return: (result, error), the JSON values of the answer
        :raises JsonRPCErrorResultException: the peer answered with an error (only with ``raiseonerror``)
        :raises JsonRPCProtocolException: the connection is down, or goes down before the answer
        """
        if not connection.connected:
            raise JsonRPCProtocolException(f"{method!r} not sent, connection is down: {connection!r}")
        request, number = self.formatrequest(method, params, connection)
        reply = self.replymatcher(number, connection)
        down = self.statematcher(connection)
        try:
            await connection.write(request, False)
        except ConnectionResetException as error:
            raise JsonRPCProtocolException(f"{method!r} not sent: {error}") from error
        event, matcher = await M_(reply, down)
        if matcher is down:
            raise JsonRPCProtocolException(f"connection went down before the answer to {method!r}: {connection!r}")
        if raiseonerror and event.error is not None:
            raise JsonRPCErrorResultException(event.error, event.result)
        return (event.result, event.error)

    async def waitfornotify(self, method: Optional[str], connection: Any, container: Any) -> tuple[str, Any]:
        """Wait until the peer sends a notification.

        :param method: the method it names; None for any
        :param connection: where it comes from
        :param container: not needed
        :return: (method, parameters)
        :raises JsonRPCProtocolException: the connection is down, or goes down
        """
        if not connection.connected:
            raise JsonRPCProtocolException(f"no notification, connection is down: {connection!r}")
        down = self.statematcher(connection)
        event, matcher = await M_(self.notificationmatcher(method, connection), down)
        if matcher is down:
            raise JsonRPCProtocolException(f"connection went down before a notification: {connection!r}")
        return (event.method, event.params)

    # Reading

    def parse(self, connection: Any, data: memoryview, laststart: int) -> tuple[list, int]:
        """Turn received bytes into events for messages; see :meth:`Protocol.parse`.

        :raises JsonFormatException: not JSON, or over a limit
        :raises JsonRPCProtocolException: JSON, but not JSON-RPC
        """
        if laststart == len(data):
            return super().parse(connection, data, laststart)
        try:
            frames, keep = connection.wire.feed(data, laststart)
        except JsonFrameError as error:
            raise JsonFormatException(str(error)) from error
        events: list = []
        for begin, end in frames:
            events.extend(self._events(connection, self._decode(bytes(data[begin:end]))))
        return (events, keep)

    def _decode(self, raw: bytes) -> dict:
        try:
            message = json.loads(raw.decode(self.encoding))
        except (ValueError, RecursionError) as error:
            raise JsonFormatException(f"bad JSON: {error}") from error
        if not isinstance(message, dict):
            raise JsonRPCProtocolException(f"not a JSON-RPC message: {raw[:64]!r}")
        if self.debugging:
            _logger.debug("received %r", message)
        return message

    def _events(self, connection: Any, message: dict) -> list:
        """Return the events for one message."""
        method = message.get("method", _MISSING)
        number = message.get("id")
        if isinstance(number, (dict, list)):
            raise JsonRPCProtocolException(f"bad id of a JSON-RPC message: {number!r}")
        if method is _MISSING:
            return self._response_events(connection, message, number)
        if not isinstance(method, str):
            raise JsonRPCProtocolException(f"bad method of a JSON-RPC message: {method!r}")
        params = message.get("params")
        if number is None:
            return [JsonRPCNotificationEvent(method, connection, connection.connmark, self, params=params)]
        return self.request_events(connection, method, params, number)

    def _response_events(self, connection: Any, message: dict, number: Any) -> list:
        if "result" not in message and "error" not in message:
            raise JsonRPCProtocolException(f"neither request nor response: {sorted(message)[:8]!r}")
        error = message.get("error")
        if number is None:
            _logger.warning("peer reports an error of the connection: %r: %r", connection, error)
            return []
        return [
            JsonRPCResponseEvent(
                connection,
                connection.connmark,
                number,
                error is not None,
                self,
                result=message.get("result"),
                error=error,
            )
        ]

    def request_events(self, connection: Any, method: str, params: Any, requestid: Any) -> list:
        """Return the events for a request of the peer; one that is not allowed is refused at once."""
        if self.allowedrequests is not None and method not in self.allowedrequests:
            return [self.formaterror("unknown method", requestid, connection)]
        return [JsonRPCRequestEvent(method, connection, connection.connmark, self, params=params, id=requestid)]
