"""Raw connections as streams."""

from __future__ import annotations

import pytest
from support.poller import run_scheduler

from vlcp.event.connection import TcpServer
from vlcp.event.stream import MemoryStream
from vlcp.protocol.raw import Raw, RawConnectionStateEvent


async def served_by(container, routine):
    protocol = Raw()
    server = TcpServer("tcp://127.0.0.1:0/", protocol, container.scheduler)
    server.start()
    while not server.listening:
        await container.wait_with_timeout(0.002)

    async def serve():
        event = await RawConnectionStateEvent.createMatcher("up", None, None, protocol)
        await routine(event.connection)

    container.subroutine(serve(), daemon=True)
    return f"tcp://127.0.0.1:{server.localaddr[1]}/"


def test_streams_of_both_ends_are_joined_and_ends_are_passed_on():
    async def main(container):
        async def echo(connection):
            await connection.inputstream.copy_to(connection.outputstream, container)

        url = await served_by(container, echo)
        connection, reader, writer = await Raw().client_connect(container, url)
        down = connection.protocol.statematcher(connection)
        blob = b"0123456789" * 100_000
        container.subroutine(MemoryStream(blob).copy_to(writer, container))
        assert await reader.read(container) == blob
        await down
        assert not connection.connected

    run_scheduler(main)


def test_what_was_received_can_be_read_after_the_end():
    async def main(container):
        async def say(connection):
            await connection.outputstream.write(b"parting words", container, True)

        url = await served_by(container, say)
        connection, reader, writer = await Raw().client_connect(container, url)
        await writer.write(b"", container, True)
        await connection.protocol.statematcher(connection)
        assert await reader.read(container) == b"parting words"

    run_scheduler(main)


def test_a_broken_connection_breaks_the_reader():
    async def main(container):
        async def cut(connection):
            await connection.shutdown(True)

        async def lost(connection):
            await connection.reset(True)

        url = await served_by(container, cut)
        connection, reader, _writer = await Raw().client_connect(container, url)
        await connection.shutdown(True)
        with pytest.raises((OSError, EOFError)):
            await reader.read(container)

    run_scheduler(main)


def test_the_output_can_be_redirected_to_another_stream():
    async def main(container):
        got = []

        async def listen(connection):
            got.append(await connection.inputstream.read(container))

        url = await served_by(container, listen)
        connection, _reader, writer = await Raw().client_connect(container, url)
        connection.protocol.redirect_outputstream(connection, MemoryStream(b"from the new stream"))
        with pytest.raises(OSError):
            await writer.write(b"old", container)
        while not got:
            await container.wait_with_timeout(0.005)
        assert got == [b"from the new stream"]

    run_scheduler(main)


def test_a_failed_connect_raises():
    async def main(container):
        with pytest.raises(OSError, match="cannot connect"):
            await Raw().client_connect(container, "unix:///nonexistent/socket")

    run_scheduler(main)
