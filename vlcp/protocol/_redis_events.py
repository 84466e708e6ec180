"""Events and exceptions of Redis connections; :mod:`vlcp.protocol.redis` offers them."""

from __future__ import annotations

from typing import Any

from vlcp.event.event import Event, withIndices


@withIndices("state", "connection", "connmark", "createby")
class RedisConnectionStateEvent(Event):
    """A connection can be used, went down, or could not be made."""

    __module__ = "vlcp.protocol.redis"
    #: Authenticated, subscribed again, ready for commands
    CONNECTION_UP = "up"
    CONNECTION_DOWN = "down"
    #: Not made, and not tried again
    CONNECTION_NOTCONNECTED = "notconnected"


@withIndices("connection", "connmark", "id", "iserror", "createby")
class RedisResponseEvent(Event):
    """The reply to a command; attribute ``result``.

    The commands of one ``execute_command`` or ``batch_execute`` have one event, with the list of their replies.
    """

    __module__ = "vlcp.protocol.redis"


@withIndices("type", "subscribe", "connection", "connmark", "createby")
class RedisSubscribeEvent(Event):
    """A subscription was confirmed; attribute ``count``, the number of subscriptions of the connection."""

    __module__ = "vlcp.protocol.redis"
    SUBSCRIBE = "subscribe"
    UNSUBSCRIBE = "unsubscribe"
    PSUBSCRIBE = "psubscribe"
    PUNSUBSCRIBE = "punsubscribe"


@withIndices("type", "subscribe", "channel", "connection", "connmark", "createby")
class RedisSubscribeMessageEvent(Event):
    """A message was published; attribute ``message``, bytes. ``subscribe`` is the subscribed channel or pattern."""

    __module__ = "vlcp.protocol.redis"
    MESSAGE = "message"
    PMESSAGE = "pmessage"


class RedisProtocolException(Exception):
    """The connection is down, or the server broke the protocol."""

    __module__ = "vlcp.protocol.redis"


class RedisTimeoutException(RedisProtocolException):
    """The server did not reply in time; the session is of no use any more."""

    __module__ = "vlcp.protocol.redis"


class RedisReplyException(Exception):
    """The server answered with an error; its text begins with a word in capitals that says which."""

    __module__ = "vlcp.protocol.redis"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.kind = str(args[0]).partition(" ")[0] if args else ""
