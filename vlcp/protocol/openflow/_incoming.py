"""The life of an OpenFlow connection, and what becomes of its incoming messages."""

from __future__ import annotations

import logging
from typing import Any

from namedstruct.namedstruct import dump

from vlcp.event.connection import Connection, ConnectionWriteEvent
from vlcp.event.event import withIndices
from vlcp.protocol._wire.ofstream import Frame, pack_header, split_messages
from vlcp.protocol.openflow import _handshake
from vlcp.protocol.openflow._decode import ParseError, decode, decode_fully, decode_multipart, is_multipart
from vlcp.protocol.openflow._events import (
    OpenflowAsyncMessageEvent,
    OpenflowConnectionStateEvent,
    OpenflowExperimenterMessageEvent,
    OpenflowPresetupMessageEvent,
    OpenflowProtocolException,
    OpenflowResponseEvent,
)
from vlcp.protocol.openflow._handshake import State, Step
from vlcp.protocol.openflow._session import Session
from vlcp.protocol.openflow.defs import common, openflow10, openflow13
from vlcp.protocol.protocol import Protocol

_logger = logging.getLogger(__name__)
#: Wire version to the module of its definitions.
DEFINITIONS = {common.OFP10_VERSION: openflow10, common.OFP13_VERSION: openflow13}


@withIndices()
class _UrgentWriteEvent(ConnectionWriteEvent):
    """Data that goes out before what is queued: answers to echo requests."""


class OpenflowConnections(Protocol):
    """Sets connections up and turns their messages into events; the settings are those of ``Openflow``."""

    parse_errors = (ValueError, OpenflowProtocolException)

    @property
    def versions(self) -> frozenset[int]:
        """Wire versions that are negotiated."""
        raise NotImplementedError("%s does not name versions" % (type(self).__name__,))

    # Queues

    def message_matchers(self, connection: Connection) -> tuple:
        """Give each kind of event a queue of its own, so that packet-ins cannot hold up replies."""
        kinds = {
            "state": OpenflowConnectionStateEvent,
            "presetup": OpenflowPresetupMessageEvent,
            "response": OpenflowResponseEvent,
            "message": OpenflowAsyncMessageEvent,
            "experimenter": OpenflowExperimenterMessageEvent,
        }
        return tuple((name, kind.createMatcher(connection=connection)) for name, kind in kinds.items())

    def _queue_names(self, connection: Connection) -> list:
        return [*super()._queue_names(connection), ("urgentwrite", connection)]

    # Life of a connection

    async def init(self, connection: Connection) -> None:
        """Set up a new connection: hello, features, within their time limits."""
        connection.openflow_session = Session()
        if self.createqueue:
            matcher = _UrgentWriteEvent.createMatcher(connection=connection)
            connection.scheduler.queue.addSubQueue(
                self.writepriority + 10, matcher, ("urgentwrite", connection), self.writequeuesize
            )
        await super().init(connection)
        await self._set_up(connection)

    async def reconnect_init(self, connection: Connection) -> None:
        """Set up a connection again after a loss."""
        connection.openflow_session = Session()
        await super().reconnect_init(connection)
        await self._set_up(connection)

    async def _set_up(self, connection: Connection) -> None:
        session, mark = connection.openflow_session, connection.connmark
        hello = _handshake.write_hello(self.versions, session.next_xid())
        await connection.write(ConnectionWriteEvent(connection, mark, data=hello))
        if await self._leave(connection, session, State.HELLO, self.hellotimeout):
            data = pack_header(session.version, _handshake.FEATURES_REQUEST, session.next_xid())
            await connection.write(ConnectionWriteEvent(connection, mark, data=data))
            await self._leave(connection, session, State.FEATURES, self.featurerequesttimeout)

    async def _leave(self, connection: Connection, session: Session, state: State, seconds: float | None) -> bool:
        """Wait until the set-up has gone beyond `state`; otherwise end the connection and return False."""
        mark = connection.connmark
        deadline = None if seconds is None else connection.scheduler.current_time + seconds
        matcher = OpenflowPresetupMessageEvent.createMatcher(connection=connection, connmark=mark)
        while session.state is state and not session.refused:
            left = None if deadline is None else max(deadline - connection.scheduler.current_time, 0)
            expired, _event, _matcher = await connection.wait_with_timeout(left, matcher)
            if expired and session.state is state:
                _logger.warning("openflow set-up timeout, %s for %s s: %r", state.value, seconds, connection)
                await connection.reset(True, mark)
                return False
        if session.refused:
            await connection.reset(False, mark)
        return not session.refused

    async def closed(self, connection: Connection) -> None:
        """Announce the end of a connection that was set up."""
        await super().closed(connection)
        await self._announce_down(connection)

    async def error(self, connection: Connection) -> None:
        """Announce the loss of a connection that was set up."""
        await super().error(connection)
        await self._announce_down(connection)

    async def _announce_down(self, connection: Connection) -> None:
        session = getattr(connection, "openflow_session", None)
        if session is None or session.closed:
            return
        session.closed = True
        if session.state is State.READY:
            _logger.info("openflow connection down, datapath %016x: %r", connection.openflow_datapathid, connection)
            await connection.wait_for_send(self._state_event(connection, OpenflowConnectionStateEvent.CONNECTION_DOWN))

    def _state_event(self, connection: Connection, state: str) -> OpenflowConnectionStateEvent:
        return OpenflowConnectionStateEvent(
            connection.openflow_datapathid,
            connection.openflow_auxiliaryid,
            state,
            connection,
            connection.connmark,
            self,
        )

    async def keepalive(self, connection: Connection) -> None:
        """Ask the switch for an echo; end the connection when it does not answer in ``keepalivetimeout``."""
        session, mark = connection.openflow_session, connection.connmark
        if session.state is not State.READY:
            return
        xid = session.next_xid()
        data = pack_header(session.version, common.OFPT_ECHO_REQUEST, xid)
        await connection.write(_UrgentWriteEvent(connection, mark, data=data))
        matcher = OpenflowResponseEvent.createMatcher(connection=connection, connmark=mark, xid=xid)
        expired, _event, _matcher = await connection.wait_with_timeout(self.keepalivetimeout, matcher)
        if expired:
            _logger.warning("openflow echo timeout, no reply for %s s: %r", self.keepalivetimeout, connection)
            await connection.reset(True, mark)

    # Incoming messages

    def parse(self, connection: Connection, data: memoryview, laststart: int) -> tuple[list, int]:
        """Turn received bytes into events.

        :param connection: the connection
        :param data: view of the bytes that are not used yet
        :param laststart: where the new bytes begin; the length of `data` when the peer has closed its side
        :return: events, and the number of bytes at the end to show again
        :raises ValueError: for bytes that are no OpenFlow messages
        :raises OpenflowProtocolException: for a message at the wrong time
        """
        session = connection.openflow_session
        frames, used = split_messages(data)
        events: list = []
        for frame in frames:
            if not session.refused:
                events.extend(self._receive(connection, session, frame))
        if laststart == len(data):
            events.append(ConnectionWriteEvent(connection, connection.connmark, data=b"", EOF=True))
            return events, 0
        return events, len(data) - used

    def _receive(self, connection: Connection, session: Session, frame: Frame) -> list:
        if self.debugging and frame.type != _handshake.HELLO:
            _logger.debug("openflow message from %r: %r", connection, dump(decode(frame)))
        if session.version is not None and frame.version != session.version and frame.type != _handshake.HELLO:
            return self._wrong_version(connection, session, frame)
        step = _handshake.next_step(session.state, frame.type)
        if step is Step.DELIVER:
            return self._deliver(connection, session, frame)
        if step is Step.ANSWER:
            answer = pack_header(frame.version, common.OFPT_ECHO_REPLY, frame.xid, frame.data[8:])
            return [_UrgentWriteEvent(connection, connection.connmark, data=answer)]
        if step is Step.NEGOTIATE:
            return self._negotiate(connection, session, frame)
        if step is Step.SET_UP:
            return self._features(connection, session, frame)
        if step is Step.KEEP and not session.keep(frame):
            raise OpenflowProtocolException("too many messages before the features reply")
        if step is Step.REFUSE:
            detail = repr(dump(decode(frame))) if frame.type == common.OFPT_ERROR else f"message type {frame.type}"
            raise OpenflowProtocolException(f"{detail} while {session.state.value}")
        return []

    def _wrong_version(self, connection: Connection, session: Session, frame: Frame) -> list:
        _logger.warning("openflow message of version %d: %r", frame.version, connection)
        if frame.type == common.OFPT_ERROR:
            return []
        return self._refuse(connection, session, frame, _handshake.BAD_VERSION)

    def _refuse(self, connection: Connection, session: Session, frame: Frame, code: int) -> list:
        data = _handshake.bad_request(session.version or frame.version, code, frame.data, frame.xid)
        return [ConnectionWriteEvent(connection, connection.connmark, data=data)]

    def _presetup(self, connection: Connection, kind: int, message: Any) -> OpenflowPresetupMessageEvent:
        return OpenflowPresetupMessageEvent(connection, kind, connection.connmark, self, message=message)

    def _negotiate(self, connection: Connection, session: Session, frame: Frame) -> list:
        hello = _handshake.read_hello(frame.data)
        version = _handshake.choose_version(self.versions, hello)
        try:
            message = decode(frame)
        except ParseError:
            # A body that no version defines is allowed; the struct is that of the header alone.
            message = decode_fully(pack_header(frame.version, common.OFPT_HELLO, frame.xid))
        event = self._presetup(connection, common.OFPT_HELLO, message)
        if version is None:
            session.refused = True
            text = _handshake.incompatible_text(self.versions, hello)
            _logger.warning("openflow versions incompatible, %s: %r", text, connection)
            data = _handshake.hello_failed(self.versions, hello, frame.xid)
            return [ConnectionWriteEvent(connection, connection.connmark, data=data, EOF=True), event]
        session.version, session.state = version, State.FEATURES
        connection.openflowdef = DEFINITIONS[version]
        return [event]

    def _features(self, connection: Connection, session: Session, frame: Frame) -> list:
        message = decode(frame)
        connection.openflow_datapathid = message.datapath_id
        connection.openflow_auxiliaryid = getattr(message, "auxiliary_id", 0)
        connection.openflow_capabilities = message.capabilities
        connection.openflow_n_buffers = message.n_buffers
        connection.openflow_n_tables = message.n_tables
        session.state = State.READY
        _logger.info("openflow connection set up, datapath %016x: %r", message.datapath_id, connection)
        events = [
            self._presetup(connection, frame.type, message),
            self._state_event(connection, OpenflowConnectionStateEvent.CONNECTION_SETUP),
        ]
        for kept in session.take_kept():
            events.extend(self._deliver(connection, session, kept))
        return events

    def _deliver(self, connection: Connection, session: Session, frame: Frame) -> list:
        kind, definitions = frame.type, connection.openflowdef
        if kind in definitions.ofp_type_asyncmessage_set:
            return [self._async_event(connection, kind, decode(frame))]
        is_error = kind == common.OFPT_ERROR
        is_reply = is_error or kind in definitions.ofp_type_reply_set
        if not is_reply and kind != _handshake.EXPERIMENTER:
            _logger.warning("openflow message of unexpected type %d: %r", kind, connection)
            return self._refuse(connection, session, frame, _handshake.BAD_TYPE)
        where = connection.openflow_datapathid, connection.openflow_auxiliaryid, connection, connection.connmark
        collector = session.collector(frame.xid)
        if collector is not None and collector.unparsed and is_multipart(frame):
            collector.add(frame.xid, decode_multipart(frame), False)
            return []
        asked = collector is not None or session.is_asked(frame.xid)
        message, is_error = self._read(connection, frame, asked, is_error)
        if collector is not None:
            collector.add(frame.xid, message, is_error)
            return []
        if is_reply or asked:
            return [OpenflowResponseEvent(*where, frame.xid, is_error, self, message=message)]
        vendor = getattr(message, definitions.ofp_vendor_vendorid)
        subtype = getattr(message, definitions.ofp_vendor_subtype, 0)
        return [OpenflowExperimenterMessageEvent(vendor, subtype, *where, self, message=message)]

    def _read(self, connection: Connection, frame: Frame, asked: bool, is_error: bool) -> tuple[Any, bool]:
        """Return the struct of a message, and whether it is an error; of an answer that cannot be read an error of ours.

        :param asked: whether a request waits for it; only such a one does not cost the connection
        """
        try:
            return decode(frame), is_error
        except ParseError as error:
            if not asked:
                raise
            _logger.warning("openflow answer cannot be read, %s: %r", error, connection)
            return decode_fully(_handshake.bad_request(frame.version, _handshake.BAD_LEN, frame.data, frame.xid)), True

    def _async_event(self, connection: Connection, kind: int, message: Any) -> OpenflowAsyncMessageEvent:
        # Read from the dictionary: a port status has neither, and need not be parsed to find out.
        known = message.__dict__
        return OpenflowAsyncMessageEvent(
            kind,
            connection.openflow_datapathid,
            connection.openflow_auxiliaryid,
            known.get("table_id", 0),
            known.get("cookie", 0),
            connection,
            connection.connmark,
            self,
            message=message,
        )
