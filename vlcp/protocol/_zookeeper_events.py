"""Events and exceptions of ZooKeeper connections; :mod:`vlcp.protocol.zookeeper` offers them."""

from __future__ import annotations

from typing import Any, Optional, Sequence

from vlcp.event.connection import ConnectionWriteEvent
from vlcp.event.event import Event, withIndices
from vlcp.protocol._zookeeper_batch import Batch


@withIndices("state", "connection", "connmark", "createby")
class ZooKeeperConnectionStateEvent(Event):
    """A connection came up, went down, or could not be made."""

    __module__ = "vlcp.protocol.zookeeper"

    UP = "up"
    DOWN = "down"
    NOTCONNECTED = "notconnected"


@withIndices("connection", "connmark", "createby")
class ZooKeeperMessageEvent(Event):
    """A packet came; attribute ``message``."""

    __module__ = "vlcp.protocol.zookeeper"


@withIndices("xid")
class ZooKeeperResponseEvent(ZooKeeperMessageEvent):
    """The response to a request of :meth:`ZooKeeper.async_requests`."""

    __module__ = "vlcp.protocol.zookeeper"


@withIndices("type", "state", "path")
class ZooKeeperWatcherEvent(ZooKeeperMessageEvent):
    """A watch fired; ``path`` is bytes."""

    __module__ = "vlcp.protocol.zookeeper"


@withIndices()
class ZooKeeperHandshakeEvent(ZooKeeperMessageEvent):
    """The response to the connect request."""

    __module__ = "vlcp.protocol.zookeeper"


class ZooKeeperProtocolException(Exception):
    """The server broke the protocol."""

    __module__ = "vlcp.protocol.zookeeper"


class ZooKeeperException(Exception):
    """A request cannot be carried out."""

    __module__ = "vlcp.protocol.zookeeper"


class ZooKeeperRetryException(ZooKeeperException):
    """The connection was not up, or went down, before the request was sent: it may be repeated.

    :param responses: what was answered of the extra packets before
    """

    __module__ = "vlcp.protocol.zookeeper"

    def __init__(self, text: str, responses: Sequence[Any] = ()) -> None:
        super().__init__(text)
        self.responses = responses


class ZooKeeperSessionExpiredException(ZooKeeperException):
    """The server does not know the session any more, which a connection wanted to go on with."""

    __module__ = "vlcp.protocol.zookeeper"


class ZooKeeperRequestTooLargeException(ZooKeeperException, ValueError):
    """A request is longer than servers accept; they would drop the connection, so it is not sent.

    The value is at fault: whoever called an API can divide the call.
    """

    __module__ = "vlcp.protocol.zookeeper"


@withIndices("priority")
class ZooKeeperWriteEvent(ConnectionWriteEvent):
    """Send requests: ``indexes`` of ``batch``, or else plain ``data``."""

    __module__ = "vlcp.protocol.zookeeper"

    LOW = 0
    MIDDLE = 1
    HIGH = 2
    data = b""
    batch: Optional[Batch] = None
    indexes: Sequence[int] = ()

    @property
    def rank(self) -> int:
        """Place in the write queue: the smallest goes first."""
        return -self.priority
