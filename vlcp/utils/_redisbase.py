"""One connection of a Redis client: commands, scripts, and its release; :mod:`vlcp.utils.redisclient` offers it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Optional

from vlcp.config import Configurable, config
from vlcp.protocol.redis import (
    Redis,
    RedisConnectionStateEvent,
    RedisProtocolException,
    RedisReplyException,
    RedisTimeoutException,
)

_DIRTYING = frozenset(("WATCH", "MULTI"))
_CLEANING = frozenset(("EXEC", "DISCARD", "UNWATCH"))
_SPOILING = frozenset(("SELECT", "AUTH", "HELLO", "CLIENT", "SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE", "MONITOR", "READONLY"))


class RedisConnectionDown(OSError):
    """There is no connection, or it ended before the reply.

    :ivar sent: the commands may have reached the server
    """

    def __init__(self, *args: Any, sent: bool = False) -> None:
        super().__init__(*args)
        self.sent = sent


class RedisConnectionRestarted(RedisConnectionDown):
    """The connection ended inside ``context``, and another session began; what it had watched is lost."""


def command_name(command: Sequence[Any]) -> str:
    name = command[0] if command else ""
    return (name.decode("ascii", "replace") if isinstance(name, bytes) else str(name)).upper()


class _Context:
    """Use of a client in a ``with`` or ``async with`` block."""

    def __init__(self, client: RedisClientBase, container: Any, release: bool, lockconn: bool) -> None:
        self._client = client
        self._container = container
        self._release = release
        self._lockconn = lockconn

    def __enter__(self) -> RedisClientBase:
        self._client.lock_session(self._lockconn)
        return self._client

    def __exit__(self, *exc: Any) -> None:
        self._client.lock_session(False)
        if self._release:
            self._container.subroutine(self._client.release(self._container), False)

    async def __aenter__(self) -> RedisClientBase:
        return self.__enter__()

    async def __aexit__(self, *exc: Any) -> None:
        self._client.lock_session(False)
        if self._release:
            await self._client.release(self._container)


@config("redisclient")
class RedisClientBase(Configurable):
    """One connection to a Redis server, with commands and scripts.

    :param conn: connection; None for one that is made when it is needed
    :param parent: the :class:`RedisClient` that the connection goes back to
    :param protocol: :class:`~vlcp.protocol.redis.Redis`; None for a new one
    """

    #: The server: tcp://, ssl:// for TLS, or unix://; may have user and password
    _default_url = "tcp://localhost/"
    #: Seconds to wait for a connection
    _default_timeout = 10
    #: Number of the database, as for SELECT
    _default_db = 0
    #: User for AUTH; None for the default user. User and password may also be in the URL
    _default_user = None
    #: Password for AUTH; None sends no AUTH
    _default_password = None
    #: Private key file for TLS (ssl:// URLs), None when it is in the certificate file
    _default_key = None
    #: Certificate file for TLS, if the server wants one
    _default_certificate = None
    #: File of trusted certificates; None takes the system's store
    _default_ca_certs = None

    def __init__(self, conn: Any = None, parent: Any = None, protocol: Optional[Redis] = None) -> None:
        super().__init__()
        self._conn = conn
        self._parent = parent
        self._protocol = protocol or (parent._protocol if parent is not None else Redis())
        self._locked = False
        self._session: Optional[int] = None
        self._dirty = False
        self._spoiled = False

    # Connections

    def _ensure_connection(self, scheduler: Any) -> Any:
        """Return the connection, which is made and started if there is none."""
        if self._conn is None:
            raise RedisConnectionDown("the client has no connection")
        return self._conn

    def lock_session(self, locked: bool) -> None:
        """Choose whether further commands must use one and the same session; see :meth:`context`."""
        self._locked = locked
        self._session = None

    def _check_session(self, conn: Any) -> None:
        if not self._locked:
            return
        if self._session is None:
            self._session = conn.connmark
        elif conn.connmark != self._session:
            raise RedisConnectionRestarted(f"connection was lost and made again: {conn!r}")

    async def _ready_connection(self, container: Any, timeout: Optional[float] = None) -> Any:
        """Return the connection when it is up.

        :raises RedisConnectionDown: it does not come up within ``timeout``, or ``self.timeout`` seconds
        """
        conn = self._ensure_connection(container.scheduler)
        if not getattr(conn, "redis_ready", False):
            if self._locked and self._session is not None:
                raise RedisConnectionDown(f"connection is down: {conn!r}")
            await self._wait_until_up(container, conn, self.timeout if timeout is None else timeout)
        self._check_session(conn)
        return conn

    async def _wait_until_up(self, container: Any, conn: Any, timeout: Optional[float]) -> None:
        changed = RedisConnectionStateEvent.createMatcher(None, conn)
        deadline = None if timeout is None else container.scheduler.current_time + timeout
        while not getattr(conn, "redis_ready", False):
            rest = None if deadline is None else max(deadline - container.scheduler.current_time, 0)
            expired, event, _ = await container.wait_with_timeout(rest, changed)
            failure = getattr(conn, "redis_failure", None)
            if failure is not None:
                raise RedisConnectionDown(f"connection refused: {failure}: {conn!r}")
            if expired:
                raise RedisConnectionDown(f"connecting timed out: {conn!r}")
            if event.state != event.CONNECTION_UP and not conn.protocol.persist:
                raise RedisConnectionDown(f"connecting failed: {conn!r}")

    async def shutdown(self, container: Any, force: bool = False) -> None:
        """Close the connection; the next command makes a new one, if it can.

        :param container: routine container of the caller
        :param force: do not wait for replies that are still to come
        """
        conn, self._conn = self._conn, None
        if conn is not None:
            await conn.shutdown(force)

    async def release(self, container: Any) -> None:
        """Give the connection back to the client that it came from, for others.

        One that is still waiting for a reply, or has other settings than a new one, is closed instead.
        """
        conn, self._conn = self._conn, None
        if conn is None:
            return
        if self._parent is None:
            await conn.shutdown()
            return
        if self._dirty and getattr(conn, "redis_ready", False) and not self._protocol.has_pending_requests(conn):
            self._dirty = False
            try:
                await self._protocol.batch_execute(conn, container, ("DISCARD",), ("UNWATCH",), timeout=1)
            except RedisProtocolException:
                self._spoiled = True
        await self._parent._pool.give_back(conn, self._spoiled or self._dirty)

    def context(self, container: Any, release: bool = True, lockconn: bool = True) -> _Context:
        """Return a context manager (``with`` or ``async with``) for a series of commands.

        :param container: routine container of the caller
        :param release: give the connection back at the end
        :param lockconn: all commands use one session; when it ends, later commands raise
            :class:`RedisConnectionDown` or :class:`RedisConnectionRestarted` instead of using the next one
        """
        return _Context(self, container, release, lockconn)

    # Commands

    def _note(self, commands: Sequence[Sequence[Any]]) -> None:
        for command in commands:
            name = command_name(command)
            if name in _CLEANING or name == "UNWATCH":
                self._dirty = False
            elif name in _DIRTYING:
                self._dirty = True
            elif name in _SPOILING:
                self._spoiled = True

    async def execute_command(self, container: Any, *args: Any, timeout: Optional[float] = None) -> Any:
        """Send a command and return the reply.

        :param container: routine container of the caller
        :param args: name of the command and its parameters
        :param timeout: seconds for connecting and for the reply; None: ``self.timeout`` for connecting, no limit else
        :return: the reply
        :raises RedisReplyException: the server answers with an error
        :raises RedisConnectionDown: no connection, or no reply
        """
        return (await self.batch_execute(container, args, raise_first_exception=True, timeout=timeout))[0]

    async def batch_execute(
        self,
        container: Any,
        *cmds: Sequence[Any],
        raise_first_exception: bool = False,
        timeout: Optional[float] = None,
    ) -> list:
        """Send several commands together and return their replies.

        :param container: routine container of the caller
        :param cmds: commands, each a tuple of name and parameters
        :param raise_first_exception: raise the first error of the server instead of returning it in its place
        :param timeout: as in :meth:`execute_command`
        :return: list of replies
        :raises RedisConnectionDown: no connection, or no reply to all of them; some may have been carried out
        """
        begin = container.scheduler.current_time
        conn = await self._ready_connection(container, timeout)
        mark = conn.connmark
        self._note(cmds)
        rest = None if timeout is None else max(timeout - (container.scheduler.current_time - begin), 0.001)
        try:
            return await self._protocol.batch_execute(
                conn, container, *cmds, raise_first_exception=raise_first_exception, timeout=rest
            )
        except RedisTimeoutException as error:
            # Later replies would come behind the missing one, so the session is of no use to anybody.
            await conn.reset(True, mark)
            raise RedisConnectionDown(str(error), sent=True) from error
        except RedisProtocolException as error:
            raise RedisConnectionDown(str(error), sent=True) from error

    # Scripts

    async def register_script(self, container: Any, script: str) -> tuple[str, str]:
        """Load a Lua script into the server.

        :param container: routine container of the caller
        :param script: source of the script
        :return: (SHA1, source), for :meth:`eval_registered` and :meth:`ensure_registered`
        :raises RedisReplyException: the script cannot be compiled
        """
        sha1 = await self.execute_command(container, "SCRIPT", "LOAD", script)
        return (sha1.decode("ascii"), script)

    async def eval_registered(self, container: Any, registerd_script: tuple[str, str], *args: Any) -> Any:
        """Run a script by its SHA1; its source is sent only if the server has forgotten it.

        :param container: routine container of the caller
        :param registerd_script: what :meth:`register_script` returned
        :param args: number of keys, keys, arguments
        :return: the reply
        :raises RedisReplyException: the script fails
        """
        sha1, script = registerd_script
        try:
            return await self.execute_command(container, "EVALSHA", sha1, *args)
        except RedisReplyException as error:
            if error.kind != "NOSCRIPT":
                raise
        return await self.execute_command(container, "EVAL", script, *args)

    async def ensure_registerd(self, container: Any, *scripts: tuple[str, str]) -> None:
        """Load those of several scripts that the server has forgotten, so that a batch can run them by their SHA1.

        :param container: routine container of the caller
        :param scripts: what :meth:`register_script` returned
        """
        if not scripts:
            return
        found = await self.execute_command(container, "SCRIPT", "EXISTS", *(sha1 for sha1, _ in scripts))
        missing = [("SCRIPT", "LOAD", script) for (_, script), exists in zip(scripts, found) if not exists]
        if missing:
            await self.batch_execute(container, *missing, raise_first_exception=True)

    ensure_registered = ensure_registerd
