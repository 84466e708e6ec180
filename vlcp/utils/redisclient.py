"""A client for Redis (manual 5.7.19): shared, exclusive and subscribed connections.

Three kinds of connections serve one client. Commands of everybody go through one connection, in pipelines; transactions
and blocking commands have a connection of their own from a pool; all subscriptions share a third one. The shared ones
connect again after a loss, and a new session subscribes again before it counts as up.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Optional
from urllib.parse import unquote, urlsplit, urlunsplit

from vlcp.event.connection import Client
from vlcp.protocol.redis import (
    Redis,
    RedisConnectionStateEvent,
    RedisProtocolException,
    RedisSubscribeMessageEvent,
    RedisTimeoutException,
)
from vlcp.utils._redisbase import RedisClientBase, RedisConnectionDown, RedisConnectionRestarted, command_name
from vlcp.utils._redispool import Pool, Subscriptions

__all__ = ["RedisClient", "RedisClientBase", "RedisConnectionDown", "RedisConnectionRestarted"]

_SEPARATE = frozenset(("BLPOP", "BRPOP", "BRPOPLPUSH", "BLMOVE", "BLMPOP", "BZPOPMIN", "BZPOPMAX", "BZMPOP"))


def split_credentials(url: str) -> tuple[str, Optional[str], Optional[str]]:
    """Return ``(url without user and password, user, password)``; None for what the URL does not have."""
    parts = urlsplit(url)
    userinfo, at, host = parts.netloc.rpartition("@")
    if not at:
        return (url, None, None)
    user, colon, password = userinfo.partition(":")
    plain = urlunsplit((parts.scheme, host, parts.path, parts.query, parts.fragment))
    return (plain, unquote(user) or None, unquote(password) if colon else None)


class _ConnectionObject:
    """Looks like a connection to a module, and stands for all connections of a client."""

    def __init__(self, client: RedisClient, container: Any) -> None:
        self.client = client
        self._container = container

    @property
    def connected(self) -> bool:
        """Whether the shared connection is up."""
        return getattr(self.client._conn, "redis_ready", False)

    def start(self, asyncStart: bool = False) -> None:
        """Connect."""
        self.client._ensure_connection(self._container.scheduler)

    async def shutdown(self, force: bool = False) -> None:
        """Shut the client down."""
        await self.client.shutdown(self._container, force)


class RedisClient(RedisClientBase):
    """A client of one Redis server, with a shared connection for commands, one for subscriptions, and more for what blocks.

    :param url: 'tcp://localhost/', 'ssl://' for TLS; may have user and password, as in 'tcp://user:password@host/'.
        None for the setting ``redisclient.url``
    :param db: number of the database; None for the setting ``redisclient.db``
    :param protocol: :class:`~vlcp.protocol.redis.Redis`; None for a new one
    :param settings: user, password, key, certificate, ca_certs, bindaddress; None and missing ones are those of the
        configuration
    :raises ValueError: the URL has no host
    """

    def __init__(
        self, url: Optional[str] = None, db: Optional[int] = None, protocol: Optional[Redis] = None, **settings: Any
    ) -> None:
        super().__init__(protocol=protocol)
        self.bindaddress: Any = None
        for name, value in settings.items():
            if name not in ("user", "password", "key", "certificate", "ca_certs", "bindaddress"):
                raise TypeError(f"unexpected setting {name!r}")
            if value is not None:
                setattr(self, name, value)
        if db is not None:
            self.db = db
        self.url, user, password = split_credentials(self.url if url is None else url)
        self.user = user if user is not None else self.user
        self.password = password if password is not None else self.password
        # A connection that is never started checks the URL.
        Client(self.url, self._protocol)
        self._closed = False
        self._pool = Pool(self._new_connection, self._protocol)
        self._subscriptions = Subscriptions()
        self._subscribed: Any = None

    def _preamble(self) -> list:
        commands: list = []
        if self.password is not None:
            commands.append(("AUTH", self.password) if self.user is None else ("AUTH", self.user, self.password))
        if self.db:
            commands.append(("SELECT", str(self.db)))
        return commands

    def _new_connection(self, scheduler: Any, protocol: Redis, preamble: Any = None) -> Any:
        if self._closed:
            raise RedisConnectionDown(f"the client of {self.url} was shut down")
        conn = Client(self.url, protocol, scheduler, self.key, self.certificate, self.ca_certs, self.bindaddress)
        conn.redis_preamble = preamble or self._preamble
        conn.start()
        return conn

    def _ensure_connection(self, scheduler: Any) -> Any:
        if self._conn is None:
            self._conn = self._new_connection(scheduler, self._protocol)
        return self._conn

    def subscribe_connection(self, container: Any) -> Any:
        """Return the connection of the subscriptions, which is made if there is none; it may not be up yet."""
        if self._subscribed is None:
            subscriptions = self._subscriptions

            def preamble() -> list:
                return self._preamble() + subscriptions.commands()

            self._subscribed = self._new_connection(container.scheduler, self._protocol, preamble)
        return self._subscribed

    async def get_connection(self, container: Any) -> RedisClientBase:
        """Return a connection for the caller alone, as transactions and blocking commands need it.

        Whoever has it calls ``release`` (or ``shutdown``) at the end; :meth:`RedisClientBase.context` does it.

        :param container: routine container
        :return: :class:`RedisClientBase`; its first command waits until it is connected
        :raises RedisConnectionDown: the client was shut down
        """
        exclusive = RedisClientBase(self._pool.take(container.scheduler), self)
        exclusive.timeout = self.timeout
        return exclusive

    async def execute_command(self, container: Any, *args: Any, timeout: Optional[float] = None) -> Any:
        """Send a command on the connection that suits it, and return the reply.

        (P)SUBSCRIBE and (P)UNSUBSCRIBE do what the methods with these names do; BLPOP, BRPOP, BRPOPLPUSH and their kin get a
        connection of their own; the rest goes through the shared connection. Parameters and exceptions are those of
        :meth:`RedisClientBase.execute_command`.
        """
        name = command_name(args)
        if name in ("SUBSCRIBE", "PSUBSCRIBE", "UNSUBSCRIBE", "PUNSUBSCRIBE"):
            return await getattr(self, name.lower())(container, *args[1:])
        if name not in _SEPARATE:
            return await super().execute_command(container, *args, timeout=timeout)
        exclusive = await self.get_connection(container)
        async with exclusive.context(container):
            return await exclusive.execute_command(container, *args, timeout=timeout)

    # Subscriptions

    def request_subscription(self, container: Any, *keys: str, pattern: bool = False) -> None:
        """Count subscriptions without waiting; they are made when the connection is up the next time, or now.

        :param keys: channels, or patterns
        """
        self._subscriptions.add("psubscribe" if pattern else "subscribe", keys)
        self.subscribe_connection(container)

    async def _subscribe(self, container: Any, kind: str, keys: Sequence[str], timeout: Optional[float]) -> list:
        begin = container.scheduler.current_time
        limit = self.timeout if timeout is None else timeout
        conn = self.subscribe_connection(container)
        self._subscriptions.add(kind, keys)
        try:
            if not getattr(conn, "redis_ready", False):
                await self._wait_until_up(container, conn, limit)
            missing = self._subscriptions.missing(kind, keys, conn.wire.channels[kind])
            if missing:
                await self._send_subscription(container, conn, kind, missing, limit - (container.scheduler.current_time - begin))
        except BaseException:
            self._subscriptions.remove(kind, keys)
            raise
        message = RedisSubscribeMessageEvent.PMESSAGE if kind == "psubscribe" else RedisSubscribeMessageEvent.MESSAGE
        return [self._protocol.subscribematcher(conn, key, None, message) for key in keys]

    async def _send_subscription(self, container: Any, conn: Any, kind: str, keys: Sequence[str], timeout: float) -> None:
        mark = conn.connmark
        try:
            await self._protocol.execute_command(conn, container, kind.upper(), *keys, timeout=max(timeout, 0.001))
        except RedisTimeoutException as error:
            await conn.reset(True, mark)
            raise RedisConnectionDown(str(error)) from error
        except RedisProtocolException as error:
            raise RedisConnectionDown(str(error)) from error

    async def _unsubscribe(self, container: Any, kind: str, keys: Sequence[str]) -> None:
        unused = self._subscriptions.remove(kind, keys)
        conn = self._subscribed
        if conn is None or not getattr(conn, "redis_ready", False):
            return
        unused = [key for key in unused if key in conn.wire.channels[kind]]
        if not unused:
            return
        try:
            with self._subscriptions.leaving(kind, unused):
                await self._send_subscription(container, conn, kind.replace("sub", "unsub"), unused, self.timeout)
        except RedisConnectionDown:
            # The next session begins without them.
            return

    async def subscribe(self, container: Any, *keys: str, timeout: Optional[float] = None) -> list:
        """Subscribe to channels.

        :param container: routine container
        :param keys: names of the channels
        :param timeout: seconds until the server has confirmed; None for ``self.timeout``
        :return: a matcher for the messages of each channel
        :raises RedisConnectionDown: no confirmation; they are not subscribed
        """
        return await self._subscribe(container, "subscribe", keys, timeout)

    async def unsubscribe(self, container: Any, *keys: str) -> None:
        """Take back subscriptions. They are counted: a channel is left when it was unsubscribed as often as subscribed.

        :param container: routine container
        :param keys: names of the channels
        """
        await self._unsubscribe(container, "subscribe", keys)

    async def psubscribe(self, container: Any, *keys: str, timeout: Optional[float] = None) -> list:
        """Subscribe to all channels whose names fit patterns like 'news.*'.

        Parameters, result and exceptions are those of :meth:`subscribe`.
        """
        return await self._subscribe(container, "psubscribe", keys, timeout)

    async def punsubscribe(self, container: Any, *keys: str) -> None:
        """Take back subscriptions of patterns; they are counted as in :meth:`unsubscribe`.

        :param container: routine container
        :param keys: patterns
        """
        await self._unsubscribe(container, "psubscribe", keys)

    def is_subscribed(self) -> bool:
        """Return whether the connection of the subscriptions is up."""
        return getattr(self._subscribed, "redis_ready", False)

    def subscribe_state_matcher(self, container: Any, connected: bool = True) -> Any:
        """Return a matcher for events that tell of the subscriptions' connection; it is not to be awaited itself.

        :param container: routine container
        :param connected: True for when it comes up, False for when it goes down
        """
        state = RedisConnectionStateEvent.CONNECTION_UP if connected else RedisConnectionStateEvent.CONNECTION_DOWN
        return RedisConnectionStateEvent.createMatcher(state, self.subscribe_connection(container))

    # The end

    async def shutdown(self, container: Any, force: bool = False) -> None:
        """Close all connections; those that somebody has for himself are closed when he releases them.

        :param container: routine container
        :param force: do not wait for replies that are still to come
        """
        self._closed = True
        subscribed, self._subscribed = self._subscribed, None
        if subscribed is not None:
            await subscribed.shutdown(True)
        await self._pool.close(force)
        await super().shutdown(container, force)

    def make_connobj(self, container: Any) -> _ConnectionObject:
        """Return an object that stands for the client in ``module.connections``, so that it ends with the module.

        :param container: routine container of the connections
        """
        return _ConnectionObject(self, container)
