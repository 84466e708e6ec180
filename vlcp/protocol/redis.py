"""Redis connections (manual 5.3.7; RESP as in the documentation of Redis, protocol version 2).

Replies to ``execute_command`` and ``batch_execute`` reach their callers directly; events are sent for replies to ``send_command``
and ``send_batch``, for messages and for confirmations of subscriptions.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Any, Optional

from vlcp.config import defaultconfig
from vlcp.protocol._redis_events import (
    RedisConnectionStateEvent,
    RedisProtocolException,
    RedisReplyException,
    RedisResponseEvent,
    RedisSubscribeEvent,
    RedisSubscribeMessageEvent,
    RedisTimeoutException,
)
from vlcp.protocol._redis_session import Session
from vlcp.protocol._sessions import SessionProtocol
from vlcp.protocol._wire.resp import GuardedReader, Limits, Reader

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
_CONFIRMATIONS = frozenset((b"subscribe", b"unsubscribe", b"psubscribe", b"punsubscribe"))
_REFUSED_PAUSE = 1.0


class RedisParser(Reader):
    """Reads replies in pure Python; offers what ``hiredis.Reader`` does.

    :param limits: what the server may send in one reply
    """

    def __init__(self, limits: Limits = Limits()) -> None:
        super().__init__(RedisProtocolException, RedisReplyException, limits=limits)


@defaultconfig
class Redis(SessionProtocol):
    """The protocol of Redis servers (RESP): commands with replies in their order, and messages to subscribers."""

    parse_errors = (RedisProtocolException,)

    #: (inherited)
    _default_persist = True
    #: Port of URLs that name none
    _default_defaultport = 6379
    #: (inherited)
    _default_createqueue = True
    #: Replies that wait to be taken, for each connection
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

    async def begin_session(self, connection: Any) -> None:
        """Make the state of a session, send what it begins with, and announce it."""
        connection.wire = Session(connection, self._new_reader(), self.encoding)
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

    async def end_session(self, connection: Any) -> None:
        """Let those who wait for replies know, and announce the end."""
        connection.redis_ready = False
        session, connection.wire = connection.wire, None
        if session is not None:
            session.fail(RedisProtocolException(f"connection went down before the reply: {connection!r}"))
        await self._announce(connection, RedisConnectionStateEvent.CONNECTION_DOWN)

    async def notconnected(self, connection: Any) -> None:
        """Announce that the connection could not be made; see :meth:`Protocol.notconnected`."""
        _logger.info("cannot connect, giving up: %r", connection)
        await self._announce(connection, RedisConnectionStateEvent.CONNECTION_NOTCONNECTED)

    async def keepalive(self, connection: Any) -> None:
        """Ask for a PING; drop the connection when none comes in ``keepalivetimeout`` seconds.

        A server does not answer while a blocking command waits, so then it is not asked.
        """
        if not connection.redis_ready or connection.wire.blocked:
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
        session = connection.wire
        data = session.written(event) if hasattr(event, "parts") and session is not None else event.data
        return (data, event.EOF)

    def _session(self, connection: Any) -> Session:
        session = getattr(connection, "wire", None)
        if session is None or not connection.can_write(connection.connmark):
            raise RedisProtocolException(f"not sent, connection is down: {connection!r}")
        return session

    async def send_command(self, connection: Any, container: Any, *args: Any) -> Any:
        """Send a command without waiting for its reply.

        :param connection: Redis connection
        :param container: not needed
        :param args: name and arguments of the command, str, bytes or numbers: ``'SET', 'key', 'value'``
        :return: a matcher for the :class:`RedisResponseEvent` of the reply
        :raises RedisProtocolException: the connection is down
        """
        return (await self.send_batch(connection, container, args))[0]

    async def send_batch(self, connection: Any, container: Any, *cmds: Sequence[Any]) -> list:
        """Send several commands together, without waiting for their replies.

        :param connection: Redis connection
        :param container: not needed
        :param cmds: the commands, each a sequence like the arguments of :meth:`send_command`
        :return: a matcher for the reply to each
        :raises RedisProtocolException: the connection is down
        """
        return [self.replymatcher(number, connection) for number in self._session(connection).tell(cmds)]

    async def execute_command(self, connection: Any, container: Any, *args: Any, timeout: Optional[float] = None) -> Any:
        """Send a command and return the reply.

        :param connection: Redis connection
        :param container: not needed
        :param args: as for :meth:`send_command`
        :param timeout: seconds; None waits as long as the connection lives
        :return: None, an integer, bytes, or a list of them
        :raises RedisReplyException: the reply is an error, as ``-ERR unknown command``
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
        """Send several commands together and return their replies.

        :param connection: Redis connection
        :param container: not needed
        :param cmds: as for :meth:`send_batch`
        :param raise_first_exception: True raises the first reply that is an error; False leaves errors, which are
            :class:`RedisReplyException`, among the replies
        :param timeout: seconds; None waits as long as the connection lives
        :return: the reply to each command; for a subscription to several channels the list of confirmations
        :raises RedisReplyException: a reply is an error (only with ``raise_first_exception``)
        :raises RedisProtocolException: the connection is or goes down
        :raises RedisTimeoutException: no reply in time
        """
        if not cmds:
            return []
        session = self._session(connection)
        request = session.ask(cmds, timeout)
        try:
            replies = request.regroup(await request.future)
        finally:
            session.forget(request)
        if raise_first_exception:
            failure = next((reply for reply in replies if isinstance(reply, RedisReplyException)), None)
            if failure is not None:
                raise failure
        return replies

    # Waiting

    def replymatcher(self, requestid: int, connection: Any, iserror: Optional[bool] = None) -> Any:
        """Return a matcher for the reply to a request that was sent without waiting.

        :param requestid: number of the request
        :param connection: where it was sent
        :param iserror: True for errors only, False for results only, None for both
        """
        return RedisResponseEvent.createMatcher(connection, connection.connmark, requestid, iserror)

    def subscribematcher(
        self, connection: Any, subscribe: Optional[str] = None, channel: Optional[str] = None, type: Optional[str] = None
    ) -> Any:
        """Return a matcher for messages to subscribers, in this session of the connection and in later ones.

        :param connection: the connection that has subscribed
        :param subscribe: the subscribed channel or pattern; None for all
        :param channel: where the message was published; None for all
        :param type: 'message' or 'pmessage'; None for both
        """
        return RedisSubscribeMessageEvent.createMatcher(type, subscribe, channel, connection)

    def statematcher(self, connection: Any, state: Optional[str] = "down", currentconn: bool = True) -> Any:
        """Return a matcher for events that tell of the connection's sessions.

        :param connection: the connection
        :param state: 'up', 'down', 'notconnected', or None for all
        :param currentconn: True for the present session only, False also for later ones
        """
        return RedisConnectionStateEvent.createMatcher(state, connection, connection.connmark if currentconn else None)

    def has_pending_requests(self, connection: Any) -> bool:
        """Return whether replies are still to come."""
        return connection.wire is not None and bool(connection.wire.expected)

    # Reading

    def parse(self, connection: Any, data: memoryview, laststart: int) -> tuple[list, int]:
        """Turn received bytes into events for replies and messages; see :meth:`Protocol.parse`.

        :raises RedisProtocolException: not RESP, over a limit, or a reply to nothing
        """
        if laststart == len(data):
            return super().parse(connection, data, laststart)
        session = connection.wire
        reader = session.reader
        reader.feed(bytes(data[laststart:]))
        events: list = []
        while True:
            reply = reader.gets()
            if reply is False:
                return (events, 0)
            self._take(connection, session, reply, events)

    def _take(self, connection: Any, session: Session, reply: Any, events: list) -> None:
        """Add the events of one reply."""
        mark = connection.connmark
        if session.subscribed and isinstance(reply, list) and len(reply) >= 3:
            kind = reply[0]
            if kind in (b"message", b"pmessage"):
                events.append(self._message(connection, reply))
                return
            if kind in _CONFIRMATIONS:
                channel = None if reply[1] is None else session.text(reply[1])
                events.append(RedisSubscribeEvent(session.text(kind), channel, connection, mark, self, count=reply[2]))
        if not session.expected:
            raise RedisProtocolException(f"reply to nothing: {reply!r:.200}")
        told = session.next_reply(reply)
        if told is not None:
            failed = isinstance(told.result, RedisReplyException)
            events.append(RedisResponseEvent(connection, mark, told.id, failed, self, result=told.result))

    def _message(self, connection: Any, reply: list) -> Any:
        kind, names, message = reply[0].decode("ascii"), reply[1:-1], reply[-1]
        if not all(isinstance(name, bytes) for name in names) or len(reply) != (3 if kind == "message" else 4):
            raise RedisProtocolException(f"not a message: {reply!r:.200}")
        subscribed, channel = connection.wire.text(names[0]), connection.wire.text(names[-1])
        mark = connection.connmark
        return RedisSubscribeMessageEvent(kind, subscribed, channel, connection, mark, self, message=message)
