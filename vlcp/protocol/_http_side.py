"""What the server's and the client's side of one HTTP connection share: ordered output, paused input, deadlines."""

from __future__ import annotations

import socket
from typing import Any, Callable, FrozenSet, List, Optional, Tuple

from vlcp.event.connection import ConnectionWriteEvent
from vlcp.event.core import syscall_clearremovequeue
from vlcp.event.runnable import RoutineContainer
from vlcp.protocol._http_events import HttpInputGate, HttpStateChange
from vlcp.protocol._http_responses import TRANSFER_CODINGS
from vlcp.protocol._wire.http_headers import Limits

BODY_HIGH_WATER = 262144
"""Bytes of a body kept for a handler before the connection stops reading."""
_PENDING_LIMIT = 65536


class Outbox:
    """Sends pieces of data on one session of a connection in order; never blocks the caller.

    Whoever writes much waits with :meth:`room`. ``on_progress`` is called when the connection has taken a piece.

    :param connection: the connection
    :param on_progress: function without arguments
    """

    def __init__(self, connection: Any, on_progress: Callable[[], None]) -> None:
        self._connection = connection
        self._connmark = connection.connmark
        self._on_progress = on_progress
        self._awaited = False
        self._socket = connection.socket if type(connection.socket) is socket.socket else None
        self._queued = 0
        self.pending = 0

    def put(self, data: bytes, eof: bool = False) -> None:
        """Send ``data`` behind what was put before; with ``eof`` close the sending side after it.

        Most responses fit into the buffer of the socket: they are sent at once, without an event. What does not fit
        goes the normal way, and an empty piece behind it tells when the socket is free again.
        """
        connection = self._connection
        if not connection.connected or connection.connmark != self._connmark:
            return
        if self._queued == 0 and data and self._socket is not None:
            data = self._send_now(data)
            if not data and not eof:
                return
        self._queue(data, eof)
        if data and not eof:
            self._queue(b"", False)

    def _send_now(self, data: bytes) -> bytes:
        """Return what the socket did not take; an error shows again when the rest is sent."""
        try:
            sent = self._socket.send(data)  # type: ignore[union-attr]
        except OSError:
            return data
        return data[sent:]

    def _queue(self, data: bytes, eof: bool) -> None:
        self._queued += 1
        self.pending += len(data)
        event = ConnectionWriteEvent(self._connection, self._connmark, data=data, EOF=eof)
        self._connection.scheduler.emergesend(event)

    def taken(self, event: ConnectionWriteEvent) -> None:
        """The connection has sent everything before this event and takes its data now."""
        self._queued -= 1
        self.pending -= len(event.data)
        self._on_progress()
        if self._awaited and self.pending < _PENDING_LIMIT:
            self._awaited = False
            self._connection.scheduler.emergesend(HttpStateChange(self._connection, self._connmark, HttpStateChange.NEXTOUTPUT))

    async def room(self) -> None:
        """Wait until little is left to send, or the session is over."""
        while self.pending >= _PENDING_LIMIT and self._connection.connmark == self._connmark:
            self._awaited = True
            await HttpStateChange.createMatcher(self._connection, self._connmark, HttpStateChange.NEXTOUTPUT)


class Side:
    """State of one session of an HTTP connection.

    :param protocol: the :class:`~vlcp.protocol.http.Http` object, for its settings
    :param connection: the connection
    """

    def __init__(self, protocol: Any, connection: Any) -> None:
        self.protocol = protocol
        self.connection = connection
        self.connmark = connection.connmark
        self.outbox = Outbox(connection, self.output_progress)
        self.deadline: Optional[float] = None
        self.deadline_reason = ""
        self.gate_is_open = True
        self.lost = False
        self._gate_name: Optional[Tuple[str, Any]] = None

    @staticmethod
    def limits(protocol: Any) -> Limits:
        """Return the limits that the settings of a protocol give."""
        return Limits(
            protocol.headlinelimit,
            protocol.headerlimit,
            protocol.headercountlimit,
            protocol.chunkedheaderlimit,
            protocol.chunkednumberlimit,
        )

    @staticmethod
    def codings(protocol: Any) -> FrozenSet[bytes]:
        """Return the transfer codings that the settings of a protocol accept besides ``chunked``."""
        return TRANSFER_CODINGS if protocol.allowtransfercompress else frozenset()

    @property
    def now(self) -> float:
        """Seconds on the scheduler's clock."""
        return self.connection.scheduler.current_time

    def set_deadline(self, seconds: Optional[float], reason: str = "") -> None:
        """Drop the connection ``seconds`` from now unless another deadline is set before; None for no deadline."""
        self.deadline = None if seconds is None else self.connection.scheduler.current_time + seconds
        self.deadline_reason = reason

    def close_gate(self) -> List[HttpInputGate]:
        """Return events that stop the reading routine, which sends them, until :meth:`open_gate`."""
        queue = self.connection.scheduler.queue
        if self._gate_name is None:
            self._gate_name = ("httpinput", self.connection, self.connmark)
            matcher = HttpInputGate.createMatcher(self.connection)
            queue.addSubQueue(self.protocol.messagepriority, matcher, self._gate_name, 1)
        self.gate_is_open = False
        # The first one blocks the queue of length 1, the second one finds it full.
        return [HttpInputGate(self.connection, side=self), HttpInputGate(self.connection, side=self)]

    def open_gate(self) -> None:
        """Let the reading routine go on."""
        if not self.gate_is_open:
            self.gate_is_open = True
            self.connection.scheduler.ignore(HttpInputGate.createMatcher(self.connection))

    def input_is_wanted(self) -> bool:
        """Tell whether more bytes may be read; rewritten by both sides."""
        return True

    def output_progress(self) -> None:
        """The connection took a piece of data; rewritten by the server's side."""

    def drop(self) -> None:
        """End the session at once."""
        self.connection.subroutine(self.connection.reset(True, self.connmark), False)

    def end_output(self) -> None:
        """Close the sending side and give the peer ``closetimeout`` seconds to close the other one."""
        self.outbox.put(b"", True)
        self.set_deadline(self.protocol.closetimeout, "peer does not close")

    def end(self) -> None:
        """The session is over: release everybody who waits for it."""
        self.lost = True
        self.deadline = None
        self.open_gate()
        if self._gate_name is not None:
            queue = self.connection.scheduler.queue
            container = RoutineContainer.get_container(self.connection.scheduler)
            removal = container.syscall_noreturn(syscall_clearremovequeue(queue, self._gate_name))
            container.subroutine(removal, daemon=True)
            self._gate_name = None
