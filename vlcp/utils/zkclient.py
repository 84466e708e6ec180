"""A session with a ZooKeeper cluster (manual 5.7.24).

The client keeps one connection, to a server chosen at random; when it is lost it resumes the session on the next
server. Its states::

    DISCONNECTED -> CREATED -> DISCONNECTED -> RECONNECTED -> DISCONNECTED -> ...     (same session)
                                            -> EXPIRED -> CREATED                     (new session)
                 -> AUTHFAILED -> ...                                                 (tried again every second)
"""

from __future__ import annotations

import logging
import random
from typing import Any, Callable, List, Optional, Sequence, Tuple

from vlcp.config import Configurable, config
from vlcp.event.connection import Client
from vlcp.event.event import Event, withIndices
from vlcp.protocol.zookeeper import (
    ZooKeeper,
    ZooKeeperConnectionStateEvent,
    ZooKeeperRetryException,
    ZooKeeperSessionExpiredException,
    ZooKeeperWriteEvent,
    jute,
)
from vlcp.utils import zookeeper as zk
from vlcp.utils._zkpaths import Chroot, ZooKeeperIllegalPathException
from vlcp.utils._zkrun import Run
from vlcp.utils._zkwatches import CHILD, DATA, EXIST, KINDS, Watcher, WatchEvent, WatchTable

__all__ = [
    "WatchEvent",
    "Watcher",
    "ZooKeeperClient",
    "ZooKeeperIllegalPathException",
    "ZooKeeperRestoreWatches",
    "ZooKeeperSessionStateChanged",
    "ZooKeeperSessionUnavailable",
]

_logger = logging.getLogger(__name__)

_WATCH_REQUESTS = {DATA: zk.getdata, EXIST: zk.exists, CHILD: zk.getchildren}
_FIRST_DELAY, _LONGEST_DELAY = 0.05, 1.0
_GOODBYE_SECONDS = 0.5
_NEXT_SERVER_SECONDS = 2.0


@withIndices("state", "client", "sessionid")
class ZooKeeperSessionStateChanged(Event):
    """The state of a session changed."""

    CREATED = "created"
    DISCONNECTED = "disconnected"
    RECONNECTED = "reconnected"
    AUTHFAILED = "authfailed"
    EXPIRED = "expired"


@withIndices("client", "sessionid", "restore")
class ZooKeeperRestoreWatches(Event):
    """A session is open again: with ``restore`` its watches are in force again, else they are lost with the old session."""


class ZooKeeperSessionUnavailable(Exception):
    """The session cannot carry out requests.

    :param state: its state, a constant of :class:`ZooKeeperSessionStateChanged`
    """

    def __init__(self, state: str) -> None:
        super().__init__("ZooKeeper session is %s" % (state,))
        self.state = state


@config("zookeeperclient")
class ZooKeeperClient(Configurable):
    """ZooKeeper client to send requests to a cluster

    :param container: its scheduler runs the client
    :param serverlist: URLs of the servers, ``tcp://host[:port]/`` or ``ssl://...``; None takes the configured ones
    :param chroot: node under which all paths are; it is created if it is missing; None takes the configured one
    :param protocol: :class:`~vlcp.protocol.zookeeper.ZooKeeper`; None for a new one
    :param readonly: accept a server that is cut off from the others, and can only be read from
    :param restart_session: start a new session when one has expired
    :raises ValueError: there is no server, or a URL is wrong
    :raises ZooKeeperIllegalPathException: ``chroot`` is not a path
    """

    #: Default ZooKeeper server list, should be a list contains connection URLs
    _default_serverlist: List[str] = []
    #: Chroot to a child node instead of the root node. All paths used in the program will be mapped to chroot_path/path
    _default_chroot = "/"
    #: Extra authentications, should be list of tuples [(scheme1, auth1), (scheme2, auth2), ...]
    _default_auth: List[Tuple[str, str]] = []
    #: ZooKeeper session timeout
    _default_sessiontimeout = 20
    #: If not None, disconnect from the server after so many seconds and reconnect to a random server, so that the
    #: connections to the servers are balanced
    _default_rebalancetime = None
    #: Private key file for TLS; None when it is in the certificate file
    _default_key = None
    #: Certificate file for TLS
    _default_certificate = None
    #: File of trusted certificates for TLS; None takes the system's store
    _default_ca_certs = None

    def __init__(
        self,
        container: Any,
        serverlist: Optional[Sequence[str]] = None,
        chroot: Optional[str] = None,
        protocol: Optional[ZooKeeper] = None,
        readonly: bool = False,
        restart_session: bool = True,
    ) -> None:
        super().__init__()
        if serverlist is not None:
            self.serverlist = list(serverlist)
        if not self.serverlist:
            raise ValueError("serverlist must name at least one server, got %r" % (serverlist,))
        self._chroot = Chroot(self.chroot if chroot is None else chroot)
        self.chroot = self._chroot.prefix or "/"
        self.container = container
        self.scheduler = container.scheduler
        self.protocol = ZooKeeper() if protocol is None else protocol
        self.readonly = readonly
        self.restart_session = restart_session
        self.sessionid = 0
        self.session_state = ZooKeeperSessionStateChanged.DISCONNECTED
        self.session_timeout = 0.0
        "what the server granted, in seconds"
        self._password = b"\0" * 16
        self._watches = WatchTable(self.scheduler)
        self._connection: Any = None
        self._trying: Any = None
        self._order: List[str] = []
        self._zxid = self._watch_zxid = 0
        self._closed = False
        self._resetting = False
        self._prepared_chroot = False
        self._reported = False
        self._routine: Any = None

    @property
    def is_connected(self) -> bool:
        """Whether the session is open on a connection that is up."""
        connection = self._connection
        return connection is not None and connection.connected and not connection.wire.down

    # Life

    def start(self, asyncstart: bool = False) -> None:
        """Connect to a server, and keep connected.

        :param asyncstart: begin when the current routine is suspended
        """
        self._closed = False
        self._routine = self.container.subroutine(self._main(), asyncstart, daemon=True)

    def reset(self) -> None:
        """Discard current session and start a new one"""
        self._resetting = True
        connection = self._connection
        if connection is not None:
            self.container.subroutine(self._say_goodbye(connection), False, daemon=True)

    async def shutdown(self, force: bool = False) -> None:
        """End the session and the client; requests fail from now on.

        :param force: do not tell the server, whose session then lives until it times out
        """
        self._closed = True
        connection, self._connection = self._connection, None
        if connection is not None and not force:
            await self._say_goodbye(connection)
        if self._routine is not None:
            self._routine.close()
            self._routine = None
        for one in (connection, self._trying):
            if one is not None:
                await one.shutdown(True)
        self._fail_watches(ZooKeeperSessionStateChanged.DISCONNECTED)
        self._change(ZooKeeperSessionStateChanged.DISCONNECTED)

    async def reconnect(self) -> None:
        """Drop the connection, for example because it does not answer, and resume the session on another server."""
        if self._connection is not None:
            await self._connection.shutdown(True)
        elif self._trying is not None:
            await self._trying.shutdown(True)

    async def _say_goodbye(self, connection: Any) -> None:
        goodbye = self.protocol.carry_out(connection, [jute.CLOSE_CALL], None, ZooKeeperWriteEvent.HIGH)
        await self.container.execute_with_timeout(_GOODBYE_SECONDS, goodbye)
        await connection.shutdown(True)

    async def _main(self) -> None:
        delay = _FIRST_DELAY
        while not self._closed:
            if not self._order:
                self._order = random.sample(self.serverlist, len(self.serverlist))
            connection = await self._connect(self._order.pop())
            if connection is not None:
                delay, self._reported, self._order = _FIRST_DELAY, False, []
                await self._serve(connection)
            elif not self._may_go_on():
                return
            elif not self._order:
                await self.container.wait_with_timeout(delay * random.uniform(0.7, 1.0))
                delay = min(delay * 2, _LONGEST_DELAY)

    def _may_go_on(self) -> bool:
        return self.restart_session or self.session_state != ZooKeeperSessionStateChanged.EXPIRED

    async def _connect(self, url: str) -> Any:
        """Return a connection with an open session, or None."""
        self._trying = client = Client(url, self.protocol, self.scheduler, self.key, self.certificate, self.ca_certs)
        client.setdaemon(True)
        limit = self.protocol.connect_timeout
        if limit is not None and len(self.serverlist) > 1:
            limit = min(limit, _NEXT_SERVER_SECONDS)
        opened = False
        try:
            client.start()
            late, error = await self.container.execute_with_timeout(limit, self._open(client))
            opened = not late and error is None
            if not opened:
                self._report(url, "no answer within %s s" % (limit,) if late else error)
            return client if opened else None
        finally:
            if not opened:
                client.subroutine(client.shutdown(True), False, daemon=True)
            self._trying = None

    def _report(self, url: str, error: Any) -> None:
        level = logging.DEBUG if self._reported else logging.WARNING
        self._reported = True
        _logger.log(level, "no ZooKeeper session by %s: %s", url, error)

    async def _open(self, client: Any) -> Any:
        """Open or resume the session on a connection that is being made; return None, or why that failed."""
        event = await ZooKeeperConnectionStateEvent.createMatcher(None, client)
        if event.state != ZooKeeperConnectionStateEvent.UP:
            return "connection is %s" % (event.state,)
        client.wire.watch = self._watched
        resumed = self.sessionid != 0
        try:
            response, _ = await self.protocol.handshake(client, self._connect_request(), self.container, self._extra_packets())
        except ZooKeeperSessionExpiredException as error:
            self._expired()
            return error
        except ZooKeeperRetryException as error:
            if any(one is not None and one.err == zk.ZOO_ERR_AUTHFAILED for one in error.responses):
                self._change(ZooKeeperSessionStateChanged.AUTHFAILED)
            return error
        self.sessionid, self._password = response.sessionId, response.passwd
        self.session_timeout = response.timeOut / 1000.0
        await self._prepare_chroot(client)
        if client.wire.down:
            return "connection lost"
        self._connection = client
        self.scheduler.emergesend(ZooKeeperRestoreWatches(self, self.sessionid, resumed))
        self._change(ZooKeeperSessionStateChanged.RECONNECTED if resumed else ZooKeeperSessionStateChanged.CREATED)
        return None

    def _connect_request(self) -> Any:
        return zk.ConnectRequest(
            lastZxidSeen=self.get_last_zxid(),
            timeOut=int(self.sessiontimeout * 1000),
            sessionId=self.sessionid,
            passwd=self._password,
            readOnly=self.readonly,
        )

    def _extra_packets(self) -> List[Any]:
        packets = [zk.AuthPacket(scheme=_bytes(scheme), auth=_bytes(auth)) for scheme, auth in self.auth]
        return packets + list(self._watches.packets(self.get_last_zxid()))

    async def _prepare_chroot(self, client: Any) -> None:
        if self._prepared_chroot or self.readonly:
            return
        calls = [jute.part_call(jute.create_part(path)) for path in self._chroot.parents()]
        if calls:
            batch = await self.protocol.carry_out(client, calls)
            if None in batch.responses:
                return
            last = batch.responses[-1]
            if last.err not in (zk.ZOO_ERR_OK, zk.ZOO_ERR_NODEEXISTS):
                _logger.warning("chroot %r cannot be created: error %d", self.chroot, last.err)
        self._prepared_chroot = True

    async def _serve(self, connection: Any) -> None:
        """Keep the session alive on a connection until that is lost."""
        down = ZooKeeperConnectionStateEvent.createMatcher(ZooKeeperConnectionStateEvent.DOWN, connection)
        limit = self.session_timeout * 2 / 3
        interval = min(self.protocol.writekeepalivetime or limit, self.session_timeout / 3)
        patience = min(self.protocol.keepalivetimeout, limit)
        born = self.scheduler.current_time
        while not connection.wire.down:
            late, _, _ = await self.container.wait_with_timeout(interval, down)
            if not late or connection.wire.down:
                break
            if self.rebalancetime is not None and self.scheduler.current_time - born > self.rebalancetime:
                await connection.shutdown()
                continue
            ping = self.protocol.carry_out(connection, [jute.PING_CALL], None, ZooKeeperWriteEvent.HIGH)
            late, _ = await self.container.execute_with_timeout(patience, ping)
            if late:
                _logger.warning("ZooKeeper server does not answer: %r", connection)
                await connection.shutdown(True)
        self._zxid = max(self._zxid, connection.wire.zxid)
        self._connection = None
        if self._resetting:
            self._resetting = False
            self._expired()
        else:
            self._change(ZooKeeperSessionStateChanged.DISCONNECTED)

    def _expired(self) -> None:
        _logger.warning("ZooKeeper session %x is over", self.sessionid & 0xFFFFFFFFFFFFFFFF)
        old, self.sessionid, self._password = self.sessionid, 0, b"\0" * 16
        self._fail_watches(ZooKeeperSessionStateChanged.EXPIRED)
        self.scheduler.emergesend(ZooKeeperRestoreWatches(self, old, False))
        self._change(ZooKeeperSessionStateChanged.EXPIRED, old)

    def _fail_watches(self, state: str) -> None:
        for watcher in self._watches.clear():
            if not watcher.done():
                watcher.set_exception(ZooKeeperSessionUnavailable(state))

    def _change(self, state: str, sessionid: Optional[int] = None) -> None:
        self.session_state = state
        known = self.sessionid if sessionid is None else sessionid
        self.scheduler.emergesend(ZooKeeperSessionStateChanged(state, self, known))

    # Watches

    def _watched(self, kind: int, state: int, path: str) -> None:
        self._watch_zxid = self.get_last_zxid()
        event = WatchEvent(kind, state, self.unchroot_path(path))
        for watcher in self._watches.fire(kind, path):
            if not watcher.done():
                watcher.set_result(event)

    async def watch_path(self, path: str, watch_type: str, container: Any = None) -> WatchEvent:
        """Watch the specified path as specified type, and return the next event.

        :param path: path
        :param watch_type: ``data`` (content of an existing node), ``exist`` (also its creation) or ``child``
        :param container: not needed
        :raises ValueError: the type is unknown
        :raises ZooKeeperSessionUnavailable: the session is over
        :raises KeyError: the node does not exist, and the type is not ``exist``
        """
        if watch_type not in KINDS:
            raise ValueError("watch_type must be one of %r, got %r" % (KINDS, watch_type))
        request = _WATCH_REQUESTS[watch_type](path, True)
        _, _, _, watchers = await self.requests([request], container)
        if watchers[0] is None:
            raise KeyError(path)
        return await watchers[0].wait_and_close()

    # Requests

    def chroot_path(self, path: str) -> str:
        """Return the path as the server knows it.

        :raises ZooKeeperIllegalPathException: it is not a path
        """
        return self._chroot.outer(path)

    def unchroot_path(self, path: str) -> str:
        """Return the path as users of this client know it."""
        return self._chroot.inner(path)

    def get_last_zxid(self) -> int:
        """Return the latest zxid seen from servers"""
        if self._connection is not None:
            self._zxid = max(self._zxid, self._connection.wire.zxid)
        return self._zxid

    def get_last_watch_zxid(self) -> int:
        """Return the latest zxid seen from servers when a watch fired"""
        return self._watch_zxid

    async def requests(
        self,
        requests: Sequence[Any],
        container: Any,
        timeout: Optional[float] = None,
        session_lock: Optional[int] = None,
        callback: Optional[Callable[[Any, Any], Any]] = None,
        priority: int = 0,
    ) -> Tuple[list, list, list, list]:
        """similar to :meth:`vlcp.protocol.zookeeper.ZooKeeper.requests`, but:

        1. Returns an extra item *watchers*, which is a list of objects corresponding to each request. If the request has
           ``watch=True`` and the watch is set, the corresponding object is a future: use ``watcher.wait()`` to get the
           watch event, ``watcher.close()`` to discard the watcher. Else the corresponding object is None.
        2. If the connection is lost during requests, this method waits for reconnecting until *timeout*, *session_expires*
           or the response of a request which is not read-only is lost.

        :param requests: sequence of request
        :param container: container of current routine; None for that of the client
        :param timeout: if not None, wait only for specified time. Notice that it is not an exact limit, it won't stop the
                        execution unless the connection is lost
        :param session_lock: if not None, only execute if the session_id == session_lock
        :param callback: if not None, ``callback(request, response)`` is called immediately after any response is received
        :param priority: constant of ZooKeeperWriteEvent
        :return: (result, lost_responses, retry_requests, watchers) tuple
        :raises ZooKeeperSessionUnavailable: the session has expired, authentication failed, or the client was shut down
        :raises ZooKeeperRequestTooLargeException: a request is too large
        :raises ZooKeeperIllegalPathException: a path is wrong
        """
        run = Run(self._chroot, self._watches, self.protocol, requests, callback)
        deadline = None if timeout is None else self.scheduler.current_time + timeout
        while run.todo:
            connection = await self._usable(container or self.container, deadline, session_lock)
            if connection is None:
                break
            if not await run.attempt(connection, priority):
                break
        return run.result()

    async def _usable(self, container: Any, deadline: Optional[float], session_lock: Optional[int]) -> Any:
        """Wait for an open session; return its connection, or None when the time is over."""
        changed = ZooKeeperSessionStateChanged.createMatcher(None, self)
        while True:
            if session_lock is not None and session_lock != self.sessionid:
                raise ZooKeeperSessionUnavailable(ZooKeeperSessionStateChanged.EXPIRED)
            if self._closed:
                raise ZooKeeperSessionUnavailable(ZooKeeperSessionStateChanged.DISCONNECTED)
            if self.is_connected:
                return self._connection
            if self.session_state == ZooKeeperSessionStateChanged.AUTHFAILED or not self._may_go_on():
                raise ZooKeeperSessionUnavailable(self.session_state)
            left = None if deadline is None else deadline - self.scheduler.current_time
            if left is not None and left <= 0:
                return None
            # A lost connection is noticed a moment before the state changes.
            wait = 0.02 if self._connection is not None else left
            await container.wait_with_timeout(wait if left is None else min(wait, left), changed)


def _bytes(value: Any) -> bytes:
    return value.encode("utf-8") if isinstance(value, str) else bytes(value)
