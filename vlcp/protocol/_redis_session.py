"""One session of a Redis connection: its requests and the order of their replies.

Replies come in the order of the commands, so a queue of expectations says whose reply comes next. An expectation enters the
queue at the moment its bytes are written; what is never written expects nothing.
"""

from __future__ import annotations

import collections
import socket
from collections.abc import Sequence
from typing import Any, Optional

from vlcp.event.connection import ConnectionWriteEvent
from vlcp.event.future import Future
from vlcp.protocol._redis_events import RedisTimeoutException
from vlcp.protocol._wire.resp import encode_command

_SUBSCRIBING = frozenset(("subscribe", "unsubscribe", "psubscribe", "punsubscribe"))
_BLOCKING = frozenset("blpop brpop brpoplpush blmove blmpop bzpopmin bzpopmax bzmpop wait waitaof xread xreadgroup".split())
_SPECIAL = _SUBSCRIBING | _BLOCKING
_WATCH_SECONDS = 0.05
_STALL_SECONDS = 0.5


def _name(command: Sequence[Any]) -> str:
    name = command[0] if command else ""
    return (name.decode("ascii", "replace") if isinstance(name, bytes) else str(name)).lower()


class Expectation:
    """Replies that belong together: of one command, or of a batch that is waited for as a whole.

    ``future`` gets their list; None means that an event tells the reply of one command.
    """

    __slots__ = ("id", "left", "replies", "future", "blocking")

    def __init__(self, number: int, left: int, future: Any, blocking: bool) -> None:
        self.id = number
        self.left = left
        self.replies: list = []
        self.future = future
        self.blocking = blocking

    @property
    def result(self) -> Any:
        """The reply of one command, or the list of its confirmations when it has several."""
        return self.replies[0] if len(self.replies) == 1 else self.replies


class Request:
    """A batch that somebody waits for.

    :ivar future: gets the list of all replies, or an exception
    :ivar counts: number of replies of each command
    :ivar deadline: when to give up, on the scheduler's clock; None for never
    :ivar abandoned: nobody waits any more; it is not sent if it has not been yet
    """

    __slots__ = ("future", "counts", "deadline", "abandoned")

    def __init__(self, future: Any, counts: list, deadline: Optional[float]) -> None:
        self.future = future
        self.counts = counts
        self.deadline = deadline
        self.abandoned = False

    def regroup(self, replies: list) -> list:
        """Return one entry for each command: its reply, or the list of its confirmations when it has several."""
        if len(replies) == len(self.counts):
            return replies
        rest = iter(replies)
        groups = [[next(rest) for _ in range(count)] for count in self.counts]
        return [group[0] if len(group) == 1 else group for group in groups]


class Session:
    """What belongs to one session of a connection.

    :param connection: the connection, which has just come up
    :param reader: reader of replies
    :param encoding: of str in commands, and of channels
    :ivar expected: the expectations, the next reply's first
    :ivar subscribed: a subscription was sent, so messages and confirmations come
    :ivar channels: names that are subscribed once all that was sent is confirmed, by kind
    """

    def __init__(self, connection: Any, reader: Any, encoding: str) -> None:
        self._connection = connection
        self._scheduler = connection.scheduler
        self._connmark = connection.connmark
        self._encoding = encoding
        self._socket = connection.socket if type(connection.socket) is socket.socket else None
        self._queued = 0
        self._number = 0
        self._waiting: dict[Request, None] = {}
        self._watching = False
        self.reader = reader
        self.expected: collections.deque[Expectation] = collections.deque()
        self.subscribed = False
        self.channels: dict[str, set] = {"subscribe": set(), "psubscribe": set()}

    # Requests

    def ask(self, commands: Sequence[Sequence[Any]], timeout: Optional[float]) -> Request:
        """Send a batch and return its request; :meth:`forget` it in the end."""
        data, names = self._encode(commands)
        deadline = None if timeout is None else self._scheduler.current_time + timeout
        request = Request(Future(self._scheduler), self._counts(commands, names), deadline)
        self._number += 1
        expectation = Expectation(self._number, sum(request.counts), request.future, not _BLOCKING.isdisjoint(names))
        self._waiting[request] = None
        self._send(data, [expectation], names, request)
        if deadline is not None and not self._watching:
            self._watching = True
            self._connection.subroutine(self._watch(), daemon=True)
        return request

    def tell(self, commands: Sequence[Sequence[Any]]) -> list[int]:
        """Send commands whose replies are told by events; return the ids of the replies."""
        data, names = self._encode(commands)
        expectations = []
        for name, count in zip(names, self._counts(commands, names)):
            self._number += 1
            expectations.append(Expectation(self._number, count, None, name in _BLOCKING))
        self._send(data, expectations, names, None)
        return [expectation.id for expectation in expectations]

    def forget(self, request: Request) -> None:
        """Nobody waits for a request any more."""
        request.abandoned = True
        self._waiting.pop(request, None)

    def fail(self, error: Exception) -> None:
        """The session is over: nothing that is waited for comes."""
        self.expected.clear()
        waiting, self._waiting = self._waiting, {}
        for request in waiting:
            if not request.future.done():
                request.future.set_exception(error)

    async def _watch(self) -> None:
        """Give up what is late, as long as somebody waits with a time limit."""
        while any(request.deadline is not None for request in self._waiting):
            began = self._scheduler.current_time
            await self._connection.wait_with_timeout(_WATCH_SECONDS)
            now = self._scheduler.current_time
            if now - began > _STALL_SECONDS:
                # This process was busy with something else: the replies may be here, unread.
                self._postpone(now - began)
            for request in tuple(self._waiting):
                if request.deadline is not None and request.deadline <= now and not request.future.done():
                    request.future.set_exception(RedisTimeoutException(f"no reply in time: {self._connection!r}"))
        self._watching = False

    def _postpone(self, seconds: float) -> None:
        for request in self._waiting:
            if request.deadline is not None:
                request.deadline += seconds

    def _encode(self, commands: Sequence[Sequence[Any]]) -> tuple[bytes, list[str]]:
        data = b"".join([encode_command(command, self._encoding) for command in commands])
        return data, [_name(command) for command in commands]

    def _counts(self, commands: Sequence[Sequence[Any]], names: list[str]) -> list[int]:
        """Return how many replies each command has: one, but for subscriptions one for each channel."""
        if _SUBSCRIBING.isdisjoint(names):
            return [1] * len(names)
        return [self._count(command, name) for command, name in zip(commands, names)]

    def _count(self, command: Sequence[Any], name: str) -> int:
        if name not in _SUBSCRIBING:
            return 1
        channels = self.channels[name.replace("un", "")]
        keys = [self.text(channel) for channel in command[1:]]
        if name in self.channels:
            channels.update(keys)
            return len(keys)
        count = len(keys) if keys else max(len(channels), 1)
        channels.difference_update(keys or tuple(channels))
        return count

    def text(self, value: Any) -> str:
        """Return a channel's name as str."""
        return value.decode(self._encoding, "surrogateescape") if isinstance(value, bytes) else str(value)

    # Writing

    def _send(self, data: bytes, expectations: list, names: list[str], request: Optional[Request]) -> None:
        """Send at once what the socket takes, when nothing else waits to be sent; queue the rest."""
        subscribing = not _SUBSCRIBING.isdisjoint(names)
        if self._queued or self._socket is None:
            self._queue(data, expectations, subscribing, request)
            return
        self.expected.extend(expectations)
        self.subscribed = self.subscribed or subscribing
        try:
            sent = self._socket.send(data)
        except OSError:
            # The same error shows again when the rest is sent.
            sent = 0
        if sent < len(data):
            self._queue(data[sent:], [], False, None)
            # The writer takes this empty piece when the socket has taken everything before it.
            self._queue(b"", [], False, None)

    def _queue(self, data: bytes, expectations: list, subscribing: bool, request: Optional[Request]) -> None:
        self._queued += 1
        event = ConnectionWriteEvent(self._connection, self._connmark, data=data)
        event.parts = (expectations, subscribing, request)
        self._scheduler.emergesend(event)

    def written(self, event: Any) -> bytes:
        """Return the bytes of an event that is being written; its replies are expected from now on."""
        self._queued -= 1
        expectations, subscribing, request = event.parts
        if request is not None and request.abandoned:
            return b""
        self.expected.extend(expectations)
        self.subscribed = self.subscribed or subscribing
        return event.data

    # Replies

    def next_reply(self, reply: Any) -> Optional[Expectation]:
        """Take a reply; return the expectation that is complete now and is to be told by an event, else None.

        :raises IndexError: nothing is expected
        """
        expectation = self.expected[0]
        expectation.replies.append(reply)
        expectation.left -= 1
        if expectation.left:
            return None
        self.expected.popleft()
        if expectation.future is None:
            return expectation
        if not expectation.future.done():
            expectation.future.set_result(expectation.replies)
        return None

    @property
    def blocked(self) -> bool:
        """Whether a command that may wait for long has no reply yet."""
        return bool(self.expected) and self.expected[-1].blocking
