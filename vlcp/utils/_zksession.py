"""Sessions of a ZooKeeper client: their events, and how one is opened or resumed on a server."""

from __future__ import annotations

import logging
from typing import Any, List, Optional, Sequence

from vlcp.event.connection import Client
from vlcp.event.event import Event, withIndices
from vlcp.protocol.zookeeper import (
    ZooKeeperConnectionStateEvent,
    ZooKeeperRetryException,
    ZooKeeperSessionExpiredException,
    jute,
)
from vlcp.utils import zookeeper as zk

_logger = logging.getLogger(__name__)

_NEXT_SERVER_SECONDS = 2.0
"Longest attempt when there are other servers to try"


@withIndices("state", "client", "sessionid")
class ZooKeeperSessionStateChanged(Event):
    """The state of a session changed."""

    __module__ = "vlcp.utils.zkclient"

    CREATED = "created"
    DISCONNECTED = "disconnected"
    RECONNECTED = "reconnected"
    AUTHFAILED = "authfailed"
    EXPIRED = "expired"


@withIndices("client", "sessionid", "restore")
class ZooKeeperRestoreWatches(Event):
    """A session is open again: with ``restore`` its watches are in force again, else they are lost with the old session."""

    __module__ = "vlcp.utils.zkclient"


class ZooKeeperSessionUnavailable(Exception):
    """The session cannot carry out requests.

    :param state: its state, a constant of :class:`ZooKeeperSessionStateChanged`
    """

    def __init__(self, state: str) -> None:
        super().__init__("ZooKeeper session is %s" % (state,))
        self.state = state


class SessionOpener:
    """The part of ``ZooKeeperClient`` that opens sessions."""

    container: Any
    scheduler: Any
    protocol: Any
    serverlist: List[str]
    key: Optional[str]
    certificate: Optional[str]
    ca_certs: Optional[str]
    auth: List[Any]
    chroot: str
    readonly: bool
    sessionid: int
    session_timeout: float
    sessiontimeout: float
    get_last_zxid: Any
    _chroot: Any
    _watches: Any
    _watched: Any
    _expired: Any
    _change: Any
    _connection: Any
    _trying: Any
    _password: bytes
    _reported: bool
    _prepared_chroot: bool

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
            packets = self._extra_packets()
            response, answers = await self.protocol.handshake(client, self._connect_request(), self.container, packets)
        except ZooKeeperSessionExpiredException as error:
            self._expired()
            return error
        except ZooKeeperRetryException as error:
            self._check_authentication(error.responses)
            return error
        if not self._check_authentication(answers):
            return "authentication failed"
        self.sessionid, self._password = response.sessionId, response.passwd
        self.session_timeout = response.timeOut / 1000.0
        await self._prepare_chroot(client)
        if client.wire.down:
            return "connection lost"
        self._connection = client
        self.scheduler.emergesend(ZooKeeperRestoreWatches(self, self.sessionid, resumed))
        self._change(ZooKeeperSessionStateChanged.RECONNECTED if resumed else ZooKeeperSessionStateChanged.CREATED)
        return None

    def _check_authentication(self, responses: Sequence[Any]) -> bool:
        if any(one is not None and one.err == zk.ZOO_ERR_AUTHFAILED for one in responses):
            self._change(ZooKeeperSessionStateChanged.AUTHFAILED)
            return False
        return True

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


def _bytes(value: Any) -> bytes:
    return value.encode("utf-8") if isinstance(value, str) else bytes(value)
