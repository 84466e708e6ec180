"""OpenFlow connections of a controller (manual 3.1.3 and 5.3.1; OpenFlow 1.3.5, section 6).

A connection is set up by :meth:`Openflow.init`: hello both ways, features request and reply; then it carries the
attributes ``openflowdef`` (module with the definitions of its version), ``openflow_datapathid``,
``openflow_auxiliaryid``, ``openflow_capabilities``, ``openflow_n_buffers`` and ``openflow_n_tables``, and
:class:`OpenflowConnectionStateEvent` announces it. Every request then ends in its reply, in an error message of the switch,
or in :class:`OpenflowProtocolException`.
"""

from __future__ import annotations

import logging
from typing import Any

from namedstruct.namedstruct import dump

from vlcp.config import defaultconfig
from vlcp.event.connection import Connection, ConnectionResetException, ConnectionWriteEvent
from vlcp.event.event import EventMatcher
from vlcp.protocol.openflow._decode import has_more
from vlcp.protocol.openflow._events import (
    OpenflowAsyncMessageEvent,
    OpenflowConnectionStateEvent,
    OpenflowErrorResultException,
    OpenflowExperimenterMessageEvent,
    OpenflowPresetupMessageEvent,
    OpenflowProtocolException,
    OpenflowResponseEvent,
)
from vlcp.protocol.openflow._handshake import State
from vlcp.protocol.openflow._incoming import DEFINITIONS, OpenflowConnections
from vlcp.protocol.openflow._session import MAX_PARTS, Collector, in_chunks, number
from vlcp.protocol.openflow.defs import common

__all__ = [
    "Openflow",
    "OpenflowAsyncMessageEvent",
    "OpenflowConnectionStateEvent",
    "OpenflowErrorResultException",
    "OpenflowExperimenterMessageEvent",
    "OpenflowPresetupMessageEvent",
    "OpenflowProtocolException",
    "OpenflowResponseEvent",
]

_logger = logging.getLogger(__name__)
#: Messages that are serialized, or handed to the socket, in one round of the scheduler.
_ROUND = 200
#: Seconds a request in a batch adds to the time that its barrier may take.
_SECONDS_PER_MESSAGE = 0.01


def _name(connection: Connection) -> str:
    """Return what tells a connection from others in a message, also after its end."""
    return f"datapath {connection.openflow_datapathid:016x}, {connection!r}"


@defaultconfig
class Openflow(OpenflowConnections):
    """OpenFlow control protocol, for the controller's side.

    :param allowedVersions: wire versions to negotiate, for instance ``(4,)``; None for the configured ones. Versions
        without definitions are passed over.
    :raises ValueError: when no version is left
    """

    _default_persist = True
    _default_createqueue = True
    _default_writequeuesize = 200
    _default_buffersize = 65536
    _default_tcp_nodelay = True
    #: Port of URLs without one
    _default_defaultport = 6653
    #: Wire versions that are negotiated: 1 is OpenFlow 1.0, 4 is OpenFlow 1.3
    _default_allowedversions = (1, 4)
    #: Seconds that the peer's hello may take
    _default_hellotimeout = 10
    #: Seconds that the features reply may take
    _default_featurerequesttimeout = 30
    #: Seconds of silence until an echo request is sent
    _default_keepalivetime = 10
    #: Seconds that the echo reply may take
    _default_keepalivetimeout = 3
    #: Seconds that the answer to a request may take; for a batch 0.01 more for each message
    _default_requesttimeout = 60
    #: Log every message with level DEBUG
    _default_debugging = False
    #: Do not use Nicira extensions, for switches other than Open vSwitch
    _default_disablenxext = False
    #: Do not use groups in the buckets of groups, which only Open vSwitch 2.5 and later can do
    _default_disablechaining = True

    def __init__(self, allowedVersions: tuple | None = None) -> None:
        super().__init__()
        if allowedVersions is not None:
            self.allowedversions = tuple(allowedVersions)
        if not self.versions:
            raise ValueError(f"no supported OpenFlow version among {tuple(self.allowedversions)!r}")

    @property
    def versions(self) -> frozenset:
        """Wire versions that are negotiated: the allowed ones for which there are definitions."""
        return frozenset(self.allowedversions) & frozenset(DEFINITIONS)

    # Outgoing messages

    def assignxid(self, request: Any, connection: Connection) -> None:
        """Give a request a fresh transaction number."""
        request.header.xid = connection.openflow_session.next_xid()

    def formatrequest(self, request: Any, connection: Connection, assignxid: bool = True) -> ConnectionWriteEvent:
        """Return the write event for a request.

        :param request: struct of a message; its version is set
        :param assignxid: whether to give it a fresh transaction number
        :raises OpenflowProtocolException: when the connection is not set up
        """
        self._check_ready(connection)
        if assignxid:
            self.assignxid(request, connection)
        return ConnectionWriteEvent(connection, connection.connmark, data=self._pack(request, connection))

    def formatreply(self, reply: Any, request: Any, connection: Connection) -> ConnectionWriteEvent:
        """Return the write event for the answer to a message of the switch; parameters as :meth:`formatrequest`."""
        reply.header.xid = request.header.xid
        return self.formatrequest(reply, connection, False)

    def _pack(self, message: Any, connection: Connection) -> bytes:
        message.header.version = connection.openflow_session.version
        data = message._tobytes()
        if self.debugging:
            _logger.debug("openflow message to %r: %r", connection, dump(message))
        return data

    def _check_ready(self, connection: Connection) -> None:
        session = getattr(connection, "openflow_session", None)
        if session is None or not connection.connected or session.state is not State.READY:
            raise OpenflowProtocolException(f"connection is not set up: {connection!r}")

    def replymatcher(self, request: Any, connection: Connection, iserror: bool | None = None) -> EventMatcher:
        """Return a matcher for the answer to a request.

        :param request: struct of the request, which has its transaction number
        :param iserror: True for error messages only, False for replies only, None for both
        """
        return OpenflowResponseEvent.createMatcher(
            connection.openflow_datapathid,
            connection.openflow_auxiliaryid,
            connection,
            connection.connmark,
            request.header.xid,
            iserror,
            self,
        )

    def statematcher(
        self,
        connection: Connection,
        state: str = OpenflowConnectionStateEvent.CONNECTION_DOWN,
        currentconn: bool = True,
    ) -> EventMatcher:
        """Return a matcher for the state of a connection.

        :param state: CONNECTION_SETUP or CONNECTION_DOWN of :class:`OpenflowConnectionStateEvent`
        :param currentconn: only the present session
        """
        mark = connection.connmark if currentconn else None
        return OpenflowConnectionStateEvent.createMatcher(
            connection.openflow_datapathid, connection.openflow_auxiliaryid, state, connection, mark
        )

    async def _write(self, connection: Connection, event: ConnectionWriteEvent) -> None:
        """Queue data; raise OpenflowProtocolException when the connection ends, or does not take any for too long."""
        seconds = self.requesttimeout
        try:
            if event.canignorenow() or connection.scheduler.send(event) is not None:
                expired, _ = await connection.execute_with_timeout(seconds, connection.write(event, False))
                if expired:
                    raise OpenflowProtocolException(f"nothing could be sent for {seconds} s: {_name(connection)}")
        except ConnectionResetException as exc:
            raise OpenflowProtocolException(str(exc)) from exc

    async def _answer(self, connection: Connection, matcher: EventMatcher, seconds: float | None, what: str) -> Any:
        """Return the message of the event that `matcher` matches; raise OpenflowProtocolException without one."""
        self._check_ready(connection)
        down = self.statematcher(connection)
        expired, event, matched = await connection.wait_with_timeout(seconds, matcher, down)
        if expired:
            raise OpenflowProtocolException(f"no answer to {what} within {seconds} s: {_name(connection)}")
        if matched is down:
            raise OpenflowProtocolException(f"connection lost before the answer to {what}: {_name(connection)}")
        return event.message

    async def querywithreply(self, request: Any, connection: Connection, container: Any = None, raiseonerror: bool = True) -> Any:
        """Send a request that has exactly one answer, and return the answer.

        :param request: struct of a message
        :param container: not needed any more
        :param raiseonerror: False returns an error message instead of raising it
        :raises OpenflowErrorResultException: the switch answered with an error
        :raises OpenflowProtocolException: no answer in time, or the connection is down
        """
        return (await self._query(request, connection, raiseonerror, False))[0]

    async def querymultipart(
        self, request: Any, connection: Connection, container: Any = None, raiseonerror: bool = True
    ) -> list:
        """Send a multipart request, and return the list of reply messages; parameters as :meth:`querywithreply`."""
        return await self._query(request, connection, raiseonerror, True)

    async def _query(self, request: Any, connection: Connection, raiseonerror: bool, multipart: bool) -> list:
        event = self.formatrequest(request, connection)
        session, xid = connection.openflow_session, request.header.xid
        session.ask(xid)
        try:
            await self._write(connection, event)
            return await self._answers(request, connection, raiseonerror, multipart)
        finally:
            session.answered(xid)

    async def _answers(self, request: Any, connection: Connection, raiseonerror: bool, multipart: bool) -> list:
        """Return the answers to a request that is sent; one, or all parts of a multipart reply."""
        matcher = self.replymatcher(request, connection)
        what = repr(request._gettype())
        parts: list = []
        while len(parts) < MAX_PARTS:
            message = await self._answer(connection, matcher, self.requesttimeout, what)
            parts.append(message)
            if message.header.type == common.OFPT_ERROR:
                if raiseonerror:
                    raise OpenflowErrorResultException(message)
                return parts
            if not multipart or not has_more(message):
                return parts
        raise OpenflowProtocolException(f"answer to {what} has more than {MAX_PARTS} parts: {_name(connection)}")

    async def batch(self, requests: Any, connection: Connection, container: Any, raiseonerror: bool = True) -> tuple:
        """Send several requests and a barrier; return when all of them are done. Requests need not have answers.

        :param requests: structs of messages
        :param container: its attributes ``openflow_reply`` and ``openflow_replydict`` are set to the result
        :param raiseonerror: False leaves error messages among the replies
        :return: ``(openflow_reply, openflow_replydict)``: all answers in the order of arrival, and request -> answer (a
            list of them for a multipart reply in several parts)
        :raises OpenflowErrorResultException: the switch refused some request; ``result`` has the return value
        :raises OpenflowProtocolException: no answer in time, or the connection is down
        """
        requests = list(requests)
        keys: dict[int, Any] = {}
        collector = Collector(keys)
        self._check_ready(connection)
        session = connection.openflow_session
        try:
            for start in range(0, len(requests), _ROUND):
                data = []
                for request in requests[start : start + _ROUND]:
                    self.assignxid(request, connection)
                    keys[request.header.xid] = request
                    data.append(self._pack(request, connection))
                session.collect(collector)
                await self._send_round(connection, b"".join(data))
            await self._barrier(connection, len(requests))
        finally:
            session.release(collector)
        result = (collector.order, {**collector.replies, **collector.errors})
        if container is not None:
            container.openflow_reply, container.openflow_replydict = result
        if collector.errors and raiseonerror:
            first = next(iter(collector.errors.values()))
            raise OpenflowErrorResultException(
                first, f"{len(collector.errors)} of {len(requests)} requests failed, the first with: ", result
            )
        return result

    async def batch_packed(
        self,
        messages: list[bytes],
        connection: Connection,
        container: Any = None,
        *,
        xid_of: dict[int, int] | None = None,
    ) -> tuple[dict[int, Any], dict[int, Any]]:
        """Send several packed messages and a barrier; return what the switch answered.

        :param messages: whole messages; fresh transaction numbers are written into copies of them, and into the message
            inside an ONF bundle-add
        :param container: not needed
        :param xid_of: index of a message -> index of an earlier one that it shares its transaction number with; its
            answers are filed under the earlier one
        :return: errors and replies, index -> message; a multipart reply in several parts is a list of messages.
            Multipart replies are parsed only when their fields are read.
        :raises OpenflowProtocolException: no answer in time, or the connection is down
        :raises ValueError: when something is not exactly one OpenFlow message
        """
        self._check_ready(connection)
        session = connection.openflow_session
        numbered = list(number(messages, session, xid_of))
        keys: dict[int, int] = {}
        for index, (xid, _) in enumerate(numbered):
            keys.setdefault(xid, index)
        collector = Collector(keys, unparsed=True)
        session.collect(collector)
        try:
            for data in in_chunks([data for _, data in numbered], _ROUND):
                await self._send_round(connection, data)
            await self._barrier(connection, len(numbered))
        finally:
            session.release(collector)
        return collector.errors, collector.replies

    async def _send_round(self, connection: Connection, data: bytes) -> None:
        """Hand the data of one round over, and let others run."""
        await self._write(connection, ConnectionWriteEvent(connection, connection.connmark, data=data))
        await connection.do_events()
        self._check_ready(connection)

    async def _barrier(self, connection: Connection, count: int) -> None:
        """Wait until the switch has done everything before."""
        barrier = connection.openflowdef.ofp_msg()
        barrier.header.type = connection.openflowdef.OFPT_BARRIER_REQUEST
        event = self.formatrequest(barrier, connection)
        matcher = self.replymatcher(barrier, connection)
        await self._write(connection, event)
        seconds = self.requesttimeout
        if seconds is not None:
            seconds += count * _SECONDS_PER_MESSAGE
        message = await self._answer(connection, matcher, seconds, "a barrier request")
        if message.header.type == common.OFPT_ERROR:
            raise OpenflowErrorResultException(message, "The switch refuses a barrier request: ")
