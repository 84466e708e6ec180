"""A connection as two streams of bytes (manual 5.3.6)."""

from __future__ import annotations

from typing import Any, Optional

from vlcp.config import defaultconfig
from vlcp.event.connection import Client, ConnectionWriteEvent
from vlcp.event.core import syscall_removequeue
from vlcp.event.event import M_, Event, withIndices
from vlcp.event.stream import Stream, StreamDataEvent
from vlcp.protocol._sessions import SessionProtocol


@withIndices("state", "connection", "connmark", "createby")
class RawConnectionStateEvent(Event):
    """A raw connection came up or went down; ``state`` is one of the constants."""

    CONNECTION_UP = "up"
    CONNECTION_DOWN = "down"
    CONNECTION_NOTCONNECTED = "notconnected"


@defaultconfig
class Raw(SessionProtocol):
    """A connection as two streams of bytes, without any message format.

    They are ``connection.inputstream`` and ``connection.outputstream``, made anew for each session.
    """

    #: (inherited)
    _default_persist = False
    #: Port of URLs that name none; with 0 a server takes any free port
    _default_defaultport = 0
    #: (inherited)
    _default_createqueue = True
    #: Collect small data of the output stream; it may then stay unsent until more comes
    _default_buffering = False
    #: Limit of that collection in bytes
    _default_writebufferlimit = 4096
    #: Cut larger data of the output stream
    _default_splitsize = 1048576

    async def begin_session(self, connection: Any) -> None:
        """Make the state of a session and announce it."""
        connection.inputstream = Stream()
        connection.input_ended = False
        if self.createqueue:
            connection.scheduler.queue.addSubQueue(
                self.messagepriority,
                StreamDataEvent.createMatcher(connection.inputstream),
                ("rawinput", connection),
                self.messagequeuesize,
            )
        limit = self.writebufferlimit if self.buffering else 0
        connection.outputstream = Stream(writebufferlimit=limit, splitsize=self.splitsize)
        self._start_output(connection)
        await self._announce(connection, RawConnectionStateEvent.CONNECTION_UP)

    def _start_output(self, connection: Any) -> None:
        connection.output_routine = connection.subroutine(self._output(connection), daemon=connection.daemon)

    async def _announce(self, connection: Any, state: str) -> None:
        await connection.wait_for_send(RawConnectionStateEvent(state, connection, connection.connmark, self))

    async def _output(self, connection: Any) -> None:
        """Send what is written to the output stream."""
        stream, mark = connection.outputstream, connection.connmark
        while True:
            try:
                await stream.prepareRead(connection)
                data = stream.readonce()
            except EOFError:
                data, ended = b"", True
            except OSError:
                await connection.reset(True, mark)
                return
            else:
                ended = stream.eof
            await connection.write(ConnectionWriteEvent(connection, mark, data=data, EOF=ended))
            if ended:
                return

    async def notconnected(self, connection: Any) -> None:
        """Announce that the connection could not be made; see :meth:`Protocol.notconnected`."""
        await super().notconnected(connection)
        await self._announce(connection, RawConnectionStateEvent.CONNECTION_NOTCONNECTED)

    async def end_session(self, connection: Any) -> None:
        """Break what is still open of the streams; what was received stays readable."""
        connection.terminate(connection.output_routine)
        connection.outputstream.close(connection.scheduler)
        name = ("rawinput", connection)
        if name in connection.scheduler.queue:
            await connection.syscall(syscall_removequeue(connection.scheduler.queue, name))
        if not connection.input_ended:
            connection.input_ended = True
            await connection.wait_for_send(StreamDataEvent(connection.inputstream, StreamDataEvent.STREAM_ERROR))
        await self._announce(connection, RawConnectionStateEvent.CONNECTION_DOWN)

    def statematcher(self, connection: Any, state: Optional[str] = "down", currentconn: bool = True) -> Any:
        """Return a matcher for events that tell of the connection's sessions.

        :param connection: the connection
        :param state: 'up', 'down', 'notconnected', or None for all
        :param currentconn: True for the present session only, False also for later ones
        """
        mark = connection.connmark if currentconn else None
        return RawConnectionStateEvent.createMatcher(state, connection, mark)

    async def client_connect(self, container: Any, url: str, *args: Any, **kwargs: Any) -> tuple:
        """Connect to a server and wait until the streams are there.

        :param container: routine container to wait in
        :param url: the server, for instance 'tcp://host:port'; see :class:`vlcp.event.connection.Client`
        :param args: further positional parameters of the Client behind ``scheduler``
        :param kwargs: the same by name
        :return: ``(connection, inputstream, outputstream)``: the streams to read from and to write to
        :raises OSError: cannot connect
        """
        connection = Client(url, self, container.scheduler, *args, **kwargs)
        up = self.statematcher(connection, RawConnectionStateEvent.CONNECTION_UP, False)
        failed = self.statematcher(connection, RawConnectionStateEvent.CONNECTION_NOTCONNECTED, False)
        connection.start(True)
        _event, matcher = await M_(up, failed)
        if matcher is failed:
            raise OSError(f"cannot connect to {url!r}")
        return (connection, connection.inputstream, connection.outputstream)

    def redirect_outputstream(self, connection: Any, stream: Any) -> None:
        """Send the data of another stream from now on; writers of the old one get an error.

        :param connection: the connection
        :param stream: any readable stream of bytes
        """
        connection.terminate(connection.output_routine)
        connection.outputstream.close(connection.scheduler)
        connection.outputstream = stream
        self._start_output(connection)

    def parse(self, connection: Any, data: memoryview, laststart: int) -> tuple[list, int]:
        """Put received bytes into the input stream; see :meth:`Protocol.parse`. The end of the input does not end the output."""
        if connection.inputstream.closed:
            return ([], 0)
        if laststart == len(data):
            connection.input_ended = True
            return ([StreamDataEvent(connection.inputstream, StreamDataEvent.STREAM_EOF, data=b"")], 0)
        return ([StreamDataEvent(connection.inputstream, StreamDataEvent.STREAM_DATA, data=bytes(data))], 0)
