"""Redis connections (manual 5.3.7; RESP as in the documentation of Redis, protocol version 2).

Replies come in the order of the commands, so a queue of expectations on the connection says whose reply comes next. An
expectation enters the queue at the moment its bytes are written; what is never written expects nothing.
"""

from __future__ import annotations

import collections
import logging
from collections.abc import Iterator, Sequence
from typing import Any, Optional

from vlcp.config import defaultconfig
from vlcp.event.connection import ConnectionResetException, ConnectionWriteEvent
from vlcp.event.core import TimerEvent
from vlcp.event.event import M_
from vlcp.protocol._redis_events import (
    RedisConnectionStateEvent,
    RedisResponseEvent,
    RedisSubscribeEvent,
    RedisSubscribeMessageEvent,
)
from vlcp.protocol._wire.resp import GuardedReader, Limits, Reader, encode_command
from vlcp.protocol.protocol import Protocol

try:
    import hiredis
except ImportError:
    hiredis = None

__all__ = [
    "Redis",
    "RedisConnectionStateEvent",
    "RedisParser",
    "RedisProtocolException",
    "RedisReplyException",
    "RedisResponseEvent",
    "RedisSubscribeEvent",
    "RedisSubscribeMessageEvent",
    "RedisTimeoutException",
]

_logger = logging.getLogger(__name__)
_SUBSCRIBING = frozenset(("subscribe", "unsubscribe", "psubscribe", "punsubscribe"))
_CONFIRMATIONS = frozenset(name.encode() for name in _SUBSCRIBING)
_BLOCKING = frozenset("blpop brpop brpoplpush blmove blmpop bzpopmin bzpopmax bzmpop wait waitaof xread xreadgroup".split())
_REFUSED_PAUSE = 1.0


class RedisProtocolException(Exception):
    """The connection is down, or the server broke the protocol."""


class RedisTimeoutException(RedisProtocolException):
    """The server did not reply in time; the session is of no use any more."""


class RedisReplyException(Exception):
    """The server answered with an error; its text begins with a word in capitals that says which."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.kind = str(args[0]).partition(" ")[0] if args else ""


class RedisParser(Reader):
    """Python implemented hiredis.Reader()

    :param limits: what the server may send in one reply
    """

    def __init__(self, limits: Limits = Limits()) -> None:
        super().__init__(RedisProtocolException, RedisReplyException, limits=limits)


class _Expectation:
    """Replies that belong together: of one command, or of a batch that is waited for as a whole."""

    __slots__ = ("id", "left", "replies", "single", "blocking")

    def __init__(self, number: int, left: int, single: bool, blocking: bool) -> None:
        self.id = number
        self.left = left
        self.replies: list = []
        self.single = single
        self.blocking = blocking


def _name(command: Sequence[Any]) -> str:
    name = command[0] if command else ""
    return (name.decode("ascii", "replace") if isinstance(name, bytes) else str(name)).lower()


def _regroup(replies: list, counts: Sequence[int]) -> list:
    """Return one entry for each command: its reply, or the list of its confirmations when it has several."""
    if len(replies) == len(counts):
        return replies
    rest = iter(replies)
    groups = [[next(rest) for _ in range(count)] for count in counts]
    return [group[0] if len(group) == 1 else group for group in groups]


@defaultconfig
class Redis(Protocol):
    """Redis (RESP) Protocol"""

    parse_errors = (RedisProtocolException,)

    #: (inherited)
    _default_persist = True
    #: Default Redis server port
    _default_defaultport = 6379
    #: (inherited)
    _default_createqueue = True
    #: Limit response messages queue size
    _default_messagequeuesize = 4096
    #: (inherited)
    _default_buffersize = 65536
    #: Longest string in a reply, in bytes
    _default_bulklimit = 67108864
    #: Most arrays within arrays in a reply
    _default_levellimit = 128
    #: Most elements in a reply, of all its arrays together
    _default_elementlimit = 1048576
    #: Longest reply in bytes
    _default_replylimit = 268435456
    #: Encoding of str in commands, and of channels
    _default_encoding = "utf-8"
    #: Use hiredis if it is installed
    _default_hiredis = True
    #: Send PING when nothing has come for so many seconds
    _default_keepalivetime = 10
    #: Disconnect when PING is not answered within so many seconds
    _default_keepalivetimeout = 5
    #: Seconds an attempt to connect may take
    _default_connect_timeout = 5
    #: (inherited)
    _default_tcp_nodelay = True

    @staticmethod
    def reconnect_timeseq() -> Iterator[float]:
        """Return an iterator over the seconds to wait before each attempt to connect: never more than one."""
        yield from (0.1, 0.2, 0.5)
        while True:
            yield 1.0

    def message_matchers(self, connection: Any) -> tuple:
        """Return the queues of a connection, see :meth:`Protocol.message_matchers`."""
        return (
            ("response", RedisResponseEvent.createMatcher(connection=connection)),
            ("subscribe", RedisSubscribeEvent.createMatcher(connection=connection)),
            ("message", RedisSubscribeMessageEvent.createMatcher(connection=connection)),
            ("connstate", RedisConnectionStateEvent.createMatcher(connection=connection)),
        )

    # Life of a connection

    def _new_reader(self) -> Any:
        limits = Limits(self.bulklimit, self.levellimit, self.elementlimit, self.replylimit)
        if not self.hiredis or hiredis is None:
            return RedisParser(limits)
        reader = hiredis.Reader(protocolError=RedisProtocolException, replyError=RedisReplyException)
        return GuardedReader(reader, RedisProtocolException, limits)

    async def _begin(self, connection: Any) -> None:
        connection.wire = self._new_reader()
        connection.redis_expected = collections.deque()
        connection.redis_subscribed = False
        connection.redis_channels = {"subscribe": set(), "psubscribe": set()}
        connection.redis_number = 0
        connection.redis_ready = False
        connection.redis_failure = None
        preamble = getattr(connection, "redis_preamble", None)
        if preamble is not None and not await self._introduce(connection, preamble()):
            return
        connection.redis_ready = True
        await self._announce(connection, RedisConnectionStateEvent.CONNECTION_UP)

    async def _introduce(self, connection: Any, commands: Sequence[Sequence[Any]]) -> bool:
        """Send what a new session begins with; return False, and drop the session, when the server refuses it."""
        if not commands:
            return True
        mark = connection.connmark
        try:
            replies = await self.batch_execute(connection, connection, *commands, timeout=self.connect_timeout)
        except RedisProtocolException as error:
            replies = [error]
        failure = next((reply for reply in replies if isinstance(reply, Exception)), None)
        if failure is None:
            return True
        _logger.warning("redis refuses the connection: %r: %s", connection, failure)
        connection.redis_failure = failure
        await self._announce(connection, RedisConnectionStateEvent.CONNECTION_DOWN)
        await connection.wait_with_timeout(_REFUSED_PAUSE)
        await connection.reset(True, mark)
        return False

    async def _announce(self, connection: Any, state: str) -> None:
        await connection.wait_for_send(RedisConnectionStateEvent(state, connection, connection.connmark, self))

    async def init(self, connection: Any) -> None:
        """routine for connection initialization"""
        await super().init(connection)
        await self._begin(connection)

    async def reconnect_init(self, connection: Any) -> None:
        """routine for reconnect"""
        await super().reconnect_init(connection)
        await self._begin(connection)

    async def closed(self, connection: Any) -> None:
        """routine for connection closed"""
        await super().closed(connection)
        await self._end(connection)

    async def error(self, connection: Any) -> None:
        """routine for connection error"""
        await super().error(connection)
        await self._end(connection)

    async def _end(self, connection: Any) -> None:
        connection.redis_ready = False
        connection.wire = None
        connection.redis_expected.clear()
        await self._announce(connection, RedisConnectionStateEvent.CONNECTION_DOWN)

    async def notconnected(self, connection: Any) -> None:
        """routine for connect failed and not retrying"""
        _logger.info("cannot connect, giving up: %r", connection)
        await self._announce(connection, RedisConnectionStateEvent.CONNECTION_NOTCONNECTED)

    async def keepalive(self, connection: Any) -> None:
        """Ask for a PING; drop the connection when none comes in ``keepalivetimeout`` seconds.

        A server does not answer while a blocking command waits, so then it is not asked.
        """
        expected = connection.redis_expected
        if not connection.redis_ready or (expected and expected[-1].blocking):
            return
        mark = connection.connmark
        try:
            await self.batch_execute(connection, connection, ("PING",), timeout=self.keepalivetimeout)
        except RedisTimeoutException:
            _logger.warning("no answer to PING in %s s: %r", self.keepalivetimeout, connection)
            await connection.reset(True, mark)
        except RedisProtocolException as error:
            _logger.debug("redis connection ended during PING: %s", error)

    # Writing

    def serialize(self, connection: Any, event: Any) -> tuple[bytes, bool]:
        """Return the bytes of a write event; its replies are expected from now on."""
        expectations = getattr(event, "expectations", ())
        if expectations and event.abandoned:
            return (b"", False)
        connection.redis_expected.extend(expectations)
        connection.redis_subscribed = connection.redis_subscribed or getattr(event, "subscribing", False)
        return (event.data, event.EOF)

    def _replies_of(self, connection: Any, command: Sequence[Any]) -> int:
        """Return how many replies a command has: one, but for subscriptions one for each channel."""
        name = _name(command)
        if name not in _SUBSCRIBING:
            return 1
        channels = connection.redis_channels[name.replace("un", "")]
        names = [self._text(channel) for channel in command[1:]]
        if name in connection.redis_channels:
            channels.update(names)
            return len(names)
        count = len(names) if names else max(len(channels), 1)
        channels.difference_update(names or tuple(channels))
        return count

    def _text(self, value: Any) -> str:
        return value.decode(self.encoding, "surrogateescape") if isinstance(value, bytes) else str(value)

    def _request(self, connection: Any, commands: Sequence[Sequence[Any]], single: bool) -> Any:
        """Return the write event of commands and ``expectations``, ``counts`` (replies of each command) on it."""
        if not connection.connected:
            raise RedisProtocolException(f"not sent, connection is down: {connection!r}")
        data = b"".join([encode_command(command, self.encoding) for command in commands])
        event = ConnectionWriteEvent(connection, connection.connmark, data=data)
        event.counts = [self._replies_of(connection, command) for command in commands]
        event.subscribing = any(_name(command) in _SUBSCRIBING for command in commands)
        event.abandoned = False
        begin = connection.redis_number + 1
        if single:
            pairs = zip(commands, event.counts)
            event.expectations = [
                _Expectation(begin + index, count, count == 1, _name(command) in _BLOCKING)
                for index, (command, count) in enumerate(pairs)
            ]
        else:
            blocking = any(_name(command) in _BLOCKING for command in commands)
            event.expectations = [_Expectation(begin, sum(event.counts), False, blocking)]
        connection.redis_number += len(event.expectations)
        return event

    async def _write(self, connection: Any, event: Any) -> None:
        try:
            await connection.write(event, False)
        except ConnectionResetException as error:
            raise RedisProtocolException(f"not sent: {error}") from error

    async def send_command(self, connection: Any, container: Any, *args: Any) -> Any:
        """Send command to Redis server.

        :param connection: Redis connection
        :param container: not needed
        :param args: command parameters, begin with command name, e.g. 'SET', 'key', 'value'
        :return: event matcher to wait for reply
        :raises RedisProtocolException: the connection is down
        """
        return (await self.send_batch(connection, container, args))[0]

    async def send_batch(self, connection: Any, container: Any, *cmds: Sequence[Any]) -> list:
        """Send multiple commands to redis server at once

        :param connection: redis connection
        :param container: not needed
        :param cmds: commands to send. Each command is a tuple/list of bytes/str.
        :return: list of reply event matchers
        :raises RedisProtocolException: the connection is down
        """
        event = self._request(connection, cmds, True)
        await self._write(connection, event)
        return [self.replymatcher(expectation.id, connection) for expectation in event.expectations]

    async def execute_command(self, connection: Any, container: Any, *args: Any, timeout: Optional[float] = None) -> Any:
        """Send command to Redis server and wait for response

        :param connection: Redis connection
        :param container: not needed
        :param args: command parameters, begin with command name, e.g. 'SET', 'key', 'value'
        :param timeout: seconds; None waits as long as the connection lives
        :return: response from Redis server
        :raises RedisReplyException: Redis server returns an error (e.g. "-ERR ...")
        :raises RedisProtocolException: the connection is or goes down
        :raises RedisTimeoutException: no reply in time
        """
        return (await self.batch_execute(connection, container, args, raise_first_exception=True, timeout=timeout))[0]

    async def batch_execute(
        self,
        connection: Any,
        container: Any,
        *cmds: Sequence[Any],
        raise_first_exception: bool = False,
        timeout: Optional[float] = None,
    ) -> list:
        """Send multiple commands to redis server at once, and get responses

        :param connection: redis connection
        :param container: not needed
        :param cmds: commands to send. Each command is a tuple/list of bytes/str.
        :param raise_first_exception: if True, the first exception is raised. if False, exceptions are returned in the
                                      list.
        :param timeout: seconds; None waits as long as the connection lives
        :return: list of replies
        :raises RedisProtocolException: the connection is or goes down
        :raises RedisTimeoutException: no reply in time
        """
        if not cmds:
            return []
        event = self._request(connection, cmds, False)
        timer = None if timeout is None else connection.scheduler.setTimer(timeout)
        done = False
        try:
            replies = await self._outcome(connection, event, timer)
            done = True
        finally:
            event.abandoned = not done
            if timer is not None:
                connection.scheduler.cancelTimer(timer)
        replies = _regroup(replies, event.counts)
        if raise_first_exception:
            failure = next((reply for reply in replies if isinstance(reply, RedisReplyException)), None)
            if failure is not None:
                raise failure
        return replies

    async def _outcome(self, connection: Any, event: Any, timer: Any) -> list:
        """Send a request and wait for its replies, the end of the session, or the timer."""
        reply = self.replymatcher(event.expectations[0].id, connection)
        down = self.statematcher(connection)
        ends = (down,) if timer is None else (down, TimerEvent.createMatcher(timer))
        append = connection.scheduler.queue.append
        blocked = append(event)
        while blocked is not None:
            _, matcher = await M_(blocked, *ends)
            if matcher is not blocked:
                raise self._ended(connection, matcher is down)
            blocked = append(event)
        answer, matcher = await M_(reply, *ends)
        if matcher is not reply:
            raise self._ended(connection, matcher is down)
        return answer.result

    def _ended(self, connection: Any, down: bool) -> RedisProtocolException:
        if down:
            return RedisProtocolException(f"connection went down before the reply: {connection!r}")
        return RedisTimeoutException(f"no reply in time: {connection!r}")

    # Waiting

    def replymatcher(self, requestid: int, connection: Any, iserror: Optional[bool] = None) -> Any:
        """Create an event matcher to match a reply

        :param iserror: only errors or only results; None for both
        """
        return RedisResponseEvent.createMatcher(connection, connection.connmark, requestid, iserror)

    def subscribematcher(
        self, connection: Any, subscribe: Optional[str] = None, channel: Optional[str] = None, type: Optional[str] = None
    ) -> Any:
        """Create an event matcher to match messages, in this and later sessions of the connection

        :param subscribe: the subscribed channel or pattern; None for all
        :param channel: where the message was published; None for all
        :param type: 'message' or 'pmessage'; None for both
        """
        return RedisSubscribeMessageEvent.createMatcher(type, subscribe, channel, connection)

    def statematcher(self, connection: Any, state: Optional[str] = "down", currentconn: bool = True) -> Any:
        """Create an event matcher to match the connection state

        :param state: 'up', 'down', 'notconnected', or None for all
        :param currentconn: only for the present session
        """
        return RedisConnectionStateEvent.createMatcher(state, connection, connection.connmark if currentconn else None)

    def has_pending_requests(self, connection: Any) -> bool:
        """Return whether replies are still to come."""
        return bool(connection.redis_expected)

    # Reading

    def parse(self, connection: Any, data: memoryview, laststart: int) -> tuple[list, int]:
        """Parse input data into events, see :meth:`Protocol.parse`.

        :raises RedisProtocolException: not RESP, over a limit, or a reply to nothing
        """
        if laststart == len(data):
            return super().parse(connection, data, laststart)
        reader = connection.wire
        reader.feed(bytes(data[laststart:]))
        events: list = []
        while True:
            reply = reader.gets()
            if reply is False:
                return (events, 0)
            self._take(connection, reply, events)

    def _take(self, connection: Any, reply: Any, events: list) -> None:
        """Add the events of one reply."""
        if connection.redis_subscribed and isinstance(reply, list) and len(reply) >= 3:
            kind = reply[0]
            if kind in (b"message", b"pmessage"):
                events.append(self._message(connection, reply))
                return
            if kind in _CONFIRMATIONS:
                channel = None if reply[1] is None else self._text(reply[1])
                kind = self._text(kind)
                events.append(RedisSubscribeEvent(kind, channel, connection, connection.connmark, self, count=reply[2]))
        if not connection.redis_expected:
            raise RedisProtocolException(f"reply to nothing: {reply!r:.200}")
        expectation = connection.redis_expected[0]
        expectation.replies.append(reply)
        expectation.left -= 1
        if expectation.left:
            return
        connection.redis_expected.popleft()
        result = reply if expectation.single else expectation.replies
        failed = expectation.single and isinstance(reply, RedisReplyException)
        mark = connection.connmark
        events.append(RedisResponseEvent(connection, mark, expectation.id, failed, self, result=result))

    def _message(self, connection: Any, reply: list) -> Any:
        kind, names, message = reply[0].decode("ascii"), reply[1:-1], reply[-1]
        if not all(isinstance(name, bytes) for name in names) or len(reply) != (3 if kind == "message" else 4):
            raise RedisProtocolException(f"not a message: {reply!r:.200}")
        subscribed, channel = self._text(names[0]), self._text(names[-1])
        mark = connection.connmark
        return RedisSubscribeMessageEvent(kind, subscribed, channel, connection, mark, self, message=message)
