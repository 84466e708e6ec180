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
from vlcp.protocol.zookeeper import (
    ZooKeeper,
    ZooKeeperConnectionStateEvent,
    ZooKeeperWriteEvent,
    jute,
)
from vlcp.utils import zookeeper as zk
from vlcp.utils._zkpaths import Chroot, ZooKeeperIllegalPathException
from vlcp.utils._zkrun import Run
from vlcp.utils._zksession import (
    SessionOpener,
    ZooKeeperRestoreWatches,
    ZooKeeperSessionStateChanged,
    ZooKeeperSessionUnavailable,
)
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
_STALL_SECONDS = 0.5
_FIRST_DELAY, _LONGEST_DELAY = 0.05, 1.0
_SHORT_LIFE = 0.1
"A connection that lasted no longer in seconds counts as one that could not be made"
_GOODBYE_SECONDS = 0.5


@config("zookeeperclient")
class ZooKeeperClient(SessionOpener, Configurable):
    """A session with a ZooKeeper cluster, which goes from server to server as needed.

    :param container: its scheduler runs the client
    :param serverlist: URLs of the servers, ``tcp://host[:port]/`` or ``ssl://...``; None takes the configured ones
    :param chroot: node under which all paths are; it is created if it is missing; None takes the configured one
    :param protocol: :class:`~vlcp.protocol.zookeeper.ZooKeeper`; None for a new one
    :param readonly: accept a server that is cut off from the others, and can only be read from
    :param restart_session: start a new session when one has expired
    :raises ValueError: there is no server, or a URL is wrong
    :raises ZooKeeperIllegalPathException: ``chroot`` is not a path
    """

    #: URLs of the servers of the cluster, each tcp:// or ssl://
    _default_serverlist: List[str] = []
    #: Node that all paths of the program are below; "/" for none
    _default_chroot = "/"
    #: Identities to add to each session: [(scheme, auth), ...]
    _default_auth: List[Tuple[str, str]] = []
    #: Seconds without a connection after which the cluster ends the session; it may grant another number
    _default_sessiontimeout = 20
    #: Seconds after which the client moves to another server, drawn by lot, so that all have as many clients; None: never
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
        """End the session, with its watches and ephemeral nodes, and begin another one."""
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
            began = self.scheduler.current_time
            if connection is not None:
                await self._serve(connection)
            elif not self._may_go_on():
                return
            if self.scheduler.current_time - began > _SHORT_LIFE:
                delay, self._reported, self._order = _FIRST_DELAY, False, []
            elif not self._order:
                await self.container.wait_with_timeout(delay * random.uniform(0.7, 1.0))
                delay = min(delay * 2, _LONGEST_DELAY)

    def _may_go_on(self) -> bool:
        return self.restart_session or self.session_state != ZooKeeperSessionStateChanged.EXPIRED

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
            asked = self.scheduler.current_time
            late, _ = await self.container.execute_with_timeout(patience, ping)
            # While this process was busy with something else the reply may have come, unread.
            if late and self.scheduler.current_time - asked < patience + _STALL_SECONDS:
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
        """Set a watch on a node, and return the event when it fires.

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
        """Return the number of the latest transaction that a server has told of."""
        if self._connection is not None:
            self._zxid = max(self._zxid, self._connection.wire.zxid)
        return self._zxid

    def get_last_watch_zxid(self) -> int:
        """Return the number of the latest transaction that was known when a watch fired."""
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
        """Send requests, on one connection after the other if need be, and set watches.

        When a connection breaks, what was not sent and what only reads is sent again on the next one; a request that writes
        and may have been carried out ends the call instead.

        :param requests: structs of :mod:`vlcp.utils.zookeeper`, with paths below the chroot
        :param container: container of the current routine; None for that of the client
        :param timeout: seconds to wait for connections; a connection that is up may take longer. None for no limit
        :param session_lock: id of the session that must be the present one; None for any
        :param callback: ``callback(request, response)`` is called as soon as a response comes; or None
        :param priority: constant of :class:`vlcp.protocol.zookeeper.ZooKeeperWriteEvent`
        :return: (responses, lost, unsent, watchers): the first three as
            :meth:`vlcp.protocol.zookeeper.ZooKeeper.requests` returns them; ``watchers`` has one entry for each request: for
            one that has set a watch an object with ``wait()`` for the event and ``close()``, else None
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
