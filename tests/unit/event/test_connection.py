"""Connections, clients and servers over real sockets on loopback."""

from __future__ import annotations

import errno
import os
import resource
import socket
import struct
import time

import pytest
from support.poller import run_scheduler

from vlcp.config import defaultconfig
from vlcp.event.connection import (
    Client,
    Connection,
    ConnectionResetException,
    ConnectionWriteEvent,
    ResolveRequestEvent,
    ResolveResponseEvent,
    TcpServer,
)
from vlcp.event.event import Event, withIndices
from vlcp.protocol.protocol import Protocol


@withIndices("connection")
class Received(Event):
    canignore = False


@withIndices("what", "connection")
class Hook(Event):
    pass


@defaultconfig
class Recorder(Protocol):
    """Delivers what it reads as it is and remembers the hooks that were called."""

    _default_defaultport = 0

    def __init__(self, **settings):
        super().__init__()
        self.calls = []
        self.connections = []
        self.data = {}
        for name, value in settings.items():
            setattr(self, name, value)

    def _called(self, what, connection):
        self.calls.append(what)
        connection.scheduler.emergesend(Hook(what, connection))

    async def init(self, connection):
        await super().init(connection)
        self.connections.append(connection)
        self._called("init", connection)

    async def reconnect_init(self, connection):
        self._called("reconnect_init", connection)

    async def closed(self, connection):
        self._called("closed", connection)

    async def error(self, connection):
        self._called("error", connection)

    async def notconnected(self, connection):
        self._called("notconnected", connection)

    async def final(self, connection):
        await super().final(connection)
        self._called("final", connection)

    async def serverfinal(self, tcpserver):
        self.calls.append("serverfinal")

    def parse(self, connection, data, laststart):
        self.data.setdefault(connection, []).append(bytes(data[laststart:]))
        return super().parse(connection, data, laststart)

    def received(self, connection):
        return b"".join(self.data.get(connection, ()))


class Echo(Recorder):
    def parse(self, connection, data, laststart):
        events, keep = super().parse(connection, data, laststart)
        if laststart < len(data):
            events.append(ConnectionWriteEvent(connection, connection.connmark, data=bytes(data)))
        return (events, keep)


async def until(container, condition, seconds=5):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "condition never came true"
        await container.wait_with_timeout(0.005)


async def listening(container, protocol, url="tcp://127.0.0.1:0/", **options):
    server = TcpServer(url, protocol, container.scheduler, **options)
    server.start()
    await until(container, lambda: server.listening)
    return server


def client_of(container, url, protocol, **options):
    client = Client(url, protocol, container.scheduler, **options)
    client.start()
    return client


async def connected(container):
    """Connect a client to an echo server; return (server, its protocol, client, its protocol)."""
    served, used = Echo(), Recorder()
    server = await listening(container, served)
    client = client_of(container, url_of(server), used)
    await Hook.createMatcher("init", client)
    return server, served, client, used


async def send(connection, data, eof=False):
    await connection.write(ConnectionWriteEvent(connection, connection.connmark, data=data, EOF=eof), False)


def url_of(server, scheme="tcp"):
    return f"{scheme}://127.0.0.1:{server.localaddr[1]}/"


def test_data_goes_both_ways_over_tcp_and_the_hooks_come_in_order():
    async def main(container):
        server, served, client, used = await connected(container)
        assert client.connected and client.connmark == 0 and client.remoteaddr == server.localaddr
        blob = os.urandom(3_000_000)
        await send(client, blob)
        await until(container, lambda: len(used.received(client)) == len(blob))
        assert used.received(client) == blob
        await client.shutdown()
        await until(container, lambda: used.calls[-1] == "final" and served.calls[-1] == "final")
        assert used.calls == ["init", "closed", "final"] == served.calls
        assert not client.connected
        await server.shutdown()
        await until(container, lambda: "serverfinal" in served.calls)

    run_scheduler(main)


def test_both_ends_have_nodelay_set():
    async def main(container):
        served, used = Echo(), Recorder()
        server = await listening(container, served)
        client = client_of(container, url_of(server), used)
        await until(container, lambda: served.connections and used.connections)
        for connection in (client, served.connections[0]):
            assert connection.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

    run_scheduler(main)


@pytest.mark.parametrize("scheme", ["unix", "lunix"])
def test_data_goes_both_ways_over_a_unix_socket_whose_file_goes_with_the_server(tmp_path, scheme):
    path = tmp_path / "socket"

    async def main(container):
        served, used = Echo(), Recorder()
        server = await listening(container, served, f"{scheme}://{path}")
        client = client_of(container, f"unix://{path}", used)
        await Hook.createMatcher("init", client)
        await send(client, b"hello")
        await until(container, lambda: used.received(client) == b"hello")
        await server.shutdown()
        await until(container, lambda: not path.exists())

    run_scheduler(main)


def test_a_stale_socket_file_is_replaced_and_a_file_of_another_kind_is_not(tmp_path):
    stale, other = tmp_path / "stale", tmp_path / "other"
    left_over = socket.socket(socket.AF_UNIX)
    left_over.bind(str(stale))
    left_over.close()
    other.write_text("precious")

    async def main(container):
        await listening(container, Echo(), f"unix://{stale}")
        refused = TcpServer(f"unix://{other}", Echo(listen_persist=False), container.scheduler)
        refused.start()
        await until(container, lambda: "serverfinal" in refused.protocol.calls)

    run_scheduler(main)
    assert other.read_text() == "precious"


def test_a_live_unix_server_keeps_its_socket_file(tmp_path):
    path = tmp_path / "socket"

    async def main(container):
        served = Echo()
        await listening(container, served, f"unix://{path}")
        second = TcpServer(f"unix://{path}", Echo(listen_persist=False), container.scheduler)
        second.start()
        await until(container, lambda: "serverfinal" in second.protocol.calls)
        client = client_of(container, f"unix://{path}", Recorder())
        await Hook.createMatcher("init", client)

    run_scheduler(main)


def test_datagrams_keep_their_borders_over_udp():
    async def main(container):
        waiting, used = Echo(), Recorder()
        passive = client_of(container, "pudp://127.0.0.1:0/", waiting)
        await until(container, lambda: passive.socket is not None)
        port = passive.socket.getsockname()[1]
        client = client_of(container, f"udp://127.0.0.1:{port}/", used)
        await Hook.createMatcher("init", client)
        for data in (b"one", b"two", b"three"):
            await send(client, data)
        await until(container, lambda: used.data.get(client) == [b"one", b"two", b"three"])

    run_scheduler(main)


def test_a_udp_client_survives_that_nobody_listens():
    async def main(container):
        used = Recorder()
        spare = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        spare.bind(("127.0.0.1", 0))
        port = spare.getsockname()[1]
        spare.close()
        client = client_of(container, f"udp://127.0.0.1:{port}/", used)
        await Hook.createMatcher("init", client)
        for _ in range(3):
            await send(client, b"anybody?")
            await container.wait_with_timeout(0.02)
        assert client.connected and used.calls == ["init"]

    run_scheduler(main)


def test_datagrams_go_both_ways_over_unix_sockets(tmp_path):
    async def main(container):
        waiting, used = Echo(), Recorder()
        passive = client_of(container, f"pdunix://{tmp_path}/there", waiting)
        await until(container, lambda: passive.socket is not None)
        client = client_of(container, f"dunix://{tmp_path}/there", used, bindaddress=f"{tmp_path}/here")
        await Hook.createMatcher("init", client)
        await send(client, b"ping")
        await until(container, lambda: used.data.get(client) == [b"ping"])

    run_scheduler(main)


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_a_passive_client_serves_the_one_peer_that_connects(tmp_path, kind):
    async def main(container):
        waiting, used = Echo(), Recorder()
        url = "ptcp://127.0.0.1:0/" if kind == "tcp" else f"punix://{tmp_path}/socket"
        passive = client_of(container, url, waiting)
        await until(container, lambda: passive.socket is not None)
        target = f"tcp://127.0.0.1:{passive.socket.getsockname()[1]}/" if kind == "tcp" else f"unix://{tmp_path}/socket"
        client = client_of(container, target, used)
        await Hook.createMatcher("init", client)
        await send(client, b"hi")
        await until(container, lambda: used.received(client) == b"hi")
        assert passive.connected

    run_scheduler(main)


def test_a_client_that_may_not_retry_says_that_it_is_not_connected():
    async def main(container):
        used = Recorder()
        closed = socket.socket()
        closed.bind(("127.0.0.1", 0))
        client = client_of(container, f"tcp://127.0.0.1:{closed.getsockname()[1]}/", used)
        await until(container, lambda: "final" in used.calls)
        assert used.calls == ["notconnected", "final"]
        assert client.connmark == -1

    run_scheduler(main)


def test_a_persistent_client_connects_again_after_a_loss_and_after_a_refusal():
    async def main(container):
        served, used = Echo(), Recorder(persist=True, reconnect_timeseq=lambda: iter([0.01] * 1000))
        server = await listening(container, served)
        url = url_of(server)
        client = client_of(container, url, used)
        await Hook.createMatcher("init", client)
        await server.shutdown()
        await until(container, lambda: "serverfinal" in served.calls)
        await served.connections[0].shutdown(True)
        await until(container, lambda: "closed" in used.calls or "error" in used.calls)
        await container.wait_with_timeout(0.05)
        again = await listening(container, Echo(), url)
        await until(container, lambda: "reconnect_init" in used.calls)
        assert client.connected and client.connmark == 1
        await send(client, b"x")
        await until(container, lambda: used.received(client) == b"x")
        await client.shutdown(True)
        await until(container, lambda: used.calls[-1] == "final")
        assert used.calls.count("init") == 1
        await again.shutdown()

    run_scheduler(main)


def test_reconnect_makes_a_new_session_and_drops_writes_for_the_old_one():
    async def main(container):
        server, served, client, used = await connected(container)
        old = ConnectionWriteEvent(client, client.connmark, data=b"late")
        await client.reconnect()
        await Hook.createMatcher("reconnect_init", client)
        assert client.connmark == 1
        await client.write(old)
        with pytest.raises(ConnectionResetException):
            await client.write(old, False)
        await send(client, b"new")
        await until(container, lambda: used.received(client) == b"new")

    run_scheduler(main)


@pytest.mark.parametrize("force", [True, False])
def test_a_shutdown_is_not_lost_behind_a_reconnect_that_waits_for_the_peer(force):
    async def main(container):
        served = Recorder()
        server = await listening(container, served)
        used = Recorder(persist=True, shutdowntimeout=0.1)
        silent = socket.socket()
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        client = client_of(container, f"tcp://127.0.0.1:{silent.getsockname()[1]}/", used)
        await Hook.createMatcher("init", client)
        await client.reconnect(False)
        await container.wait_with_timeout(0.02)
        await client.shutdown(force)
        await until(container, lambda: used.calls[-1] == "final")
        assert used.calls == ["init", "closed", "final"]
        await server.shutdown()

    run_scheduler(main)


def test_a_request_for_an_older_session_is_ignored():
    async def main(container):
        server, served, client, used = await connected(container)
        await client.reconnect()
        await Hook.createMatcher("reconnect_init", client)
        await client.shutdown(True, 0)
        await container.wait_with_timeout(0.05)
        assert client.connected
        await client.shutdown(True, None)
        await until(container, lambda: used.calls[-1] == "final")

    run_scheduler(main)


def test_shutdown_while_connecting_ends_the_client():
    async def main(container):
        used = Recorder(persist=True)
        # A listener whose backlog is full leaves the attempt pending.
        full = socket.socket()
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        client = client_of(container, f"tcp://127.0.0.1:{full.getsockname()[1]}/", used)
        await container.wait_with_timeout(0.05)
        await client.shutdown()
        await until(container, lambda: "final" in used.calls)
        assert used.calls == ["notconnected", "final"]

    run_scheduler(main)


def test_an_attempt_to_connect_is_given_up_after_connect_timeout():
    async def main(container):
        used = Recorder(connect_timeout=0.1)
        full = socket.socket()
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        begin = time.monotonic()
        client_of(container, f"tcp://127.0.0.1:{full.getsockname()[1]}/", used)
        await until(container, lambda: "final" in used.calls)
        assert used.calls == ["notconnected", "final"]
        assert 0.09 < time.monotonic() - begin < 2

    run_scheduler(main)


def test_a_slow_reader_holds_the_writer_back():
    async def main(container):
        served = Recorder(createqueue=True)
        server = await listening(container, served)
        peer = socket.create_connection(server.localaddr)
        await until(container, lambda: served.connections)
        connection = served.connections[0]
        sent = 0

        async def produce():
            nonlocal sent
            while True:
                await send(connection, b"x" * 65536)
                sent += 1

        container.subroutine(produce())
        await container.wait_with_timeout(0.3)
        stopped_at = sent
        await container.wait_with_timeout(0.2)
        assert sent == stopped_at < 500
        peer.setblocking(False)
        total = 0
        while total < stopped_at * 65536:
            try:
                total += len(peer.recv(1 << 20))
            except BlockingIOError:
                await container.wait_with_timeout(0.002)
        assert sent > stopped_at

    run_scheduler(main)


def test_a_busy_writer_leaves_others_their_turn():
    async def main(container):
        served = Echo(createqueue=True)
        server = await listening(container, served)
        greedy = socket.create_connection(server.localaddr)
        await until(container, lambda: served.connections)
        busy, sent = served.connections[0], 0

        async def produce():
            nonlocal sent
            while True:
                await send(busy, b"x")
                sent += 1

        container.subroutine(produce(), daemon=True)
        await until(container, lambda: sent > 100)
        other = socket.create_connection(server.localaddr)
        other.settimeout(0)
        begin = sent
        other.send(b"hello")
        while True:
            try:
                assert other.recv(10) == b"hello"
                break
            except BlockingIOError:
                await container.wait_with_timeout(0)
        assert sent - begin < 20000
        greedy.close()

    run_scheduler(main)


def test_writers_that_wait_are_released_when_the_connection_goes_down():
    async def main(container):
        served = Recorder(createqueue=True, cleanuptimeout=0)
        server = await listening(container, served)
        peer = socket.create_connection(server.localaddr)
        await until(container, lambda: served.connections)
        connection = served.connections[0]
        ends = []

        async def produce():
            try:
                while True:
                    await send(connection, b"x" * 65536)
            except ConnectionResetException as error:
                ends.append(error)

        container.subroutine(produce())
        await container.wait_with_timeout(0.1)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()
        await until(container, lambda: ends and served.calls[-1] == "final")
        assert served.calls == ["init", "error", "final"]
        await until(container, lambda: ("write", connection) not in container.scheduler.queue)

    run_scheduler(main)


def test_a_consumer_that_waits_stops_the_reading():
    class Blocking(Recorder):
        def parse(self, connection, data, laststart):
            super().parse(connection, data, laststart)
            return ([Received(connection, data=bytes(data))] if data else [], 0)

        def message_matchers(self, connection):
            return (("message", Received.createMatcher(connection)),)

    async def main(container):
        served = Blocking(createqueue=True, messagequeuesize=4)
        server = await listening(container, served)
        peer = socket.create_connection(server.localaddr)
        peer.setblocking(False)
        await until(container, lambda: served.connections)
        sent = 0
        for _ in range(50):
            await container.wait_with_timeout(0.005)
            try:
                while True:
                    sent += peer.send(b"y" * 65536)
            except BlockingIOError:
                pass
        assert len(served.received(served.connections[0])) < sent
        got = 0
        while got < sent:
            event = await Received.createMatcher(served.connections[0])
            event.canignore = True
            got += len(event.data)
        assert got == sent

    run_scheduler(main)


def test_the_peer_is_probed_when_silent_and_dropped_when_the_probe_says_so():
    class Probing(Recorder):
        async def keepalive(self, connection):
            self._called("keepalive", connection)
            await connection.wait_with_timeout(0.05)
            if self.calls.count("keepalive") == 2:
                await connection.reset(True, connection.connmark)

    async def main(container):
        served, used = Recorder(), Probing(keepalivetime=0.05)
        server = await listening(container, served)
        begin = time.monotonic()
        client_of(container, url_of(server), used)
        await until(container, lambda: "final" in used.calls)
        assert used.calls == ["init", "keepalive", "keepalive", "closed", "final"]
        assert time.monotonic() - begin > 0.18

    run_scheduler(main)


def test_no_probe_while_data_comes():
    class Probing(Recorder):
        async def keepalive(self, connection):
            self._called("keepalive", connection)

    async def main(container):
        served = Probing(keepalivetime=0.2)
        server = await listening(container, served)
        peer = socket.create_connection(server.localaddr)
        for _ in range(12):
            peer.send(b"z")
            await container.wait_with_timeout(0.05)
        assert served.calls == ["init"]
        await until(container, lambda: "keepalive" in served.calls)

    run_scheduler(main)


def test_no_probe_while_our_own_consumers_are_behind():
    class Behind(Recorder):
        def parse(self, connection, data, laststart):
            return ([Received(connection, data=bytes(data))] if data else [], 0)

        def message_matchers(self, connection):
            return (("message", Received.createMatcher(connection)),)

        async def keepalive(self, connection):
            self._called("keepalive", connection)

    async def main(container):
        served = Behind(createqueue=True, messagequeuesize=2, keepalivetime=0.05, buffersize=16)
        server = await listening(container, served)
        peer = socket.create_connection(server.localaddr)
        peer.sendall(b"z" * 200)
        await container.wait_with_timeout(0.3)
        assert served.calls == ["init"]

    run_scheduler(main)


def test_a_peer_that_closes_its_side_still_gets_what_is_left():
    async def main(container):
        server = await listening(container, Echo())
        peer = socket.create_connection(server.localaddr)
        peer.sendall(b"last words")
        peer.shutdown(socket.SHUT_WR)
        peer.setblocking(False)
        got = b""
        for _ in range(200):
            await container.wait_with_timeout(0.01)
            try:
                part = peer.recv(100)
            except BlockingIOError:
                continue
            if not part:
                break
            got += part
        assert got == b"last words"

    run_scheduler(main)


def test_a_graceful_shutdown_does_not_wait_for_ever_for_the_peer():
    async def main(container):
        served = Recorder(shutdowntimeout=0.1)
        server = await listening(container, served)
        peer = socket.create_connection(server.localaddr)
        await until(container, lambda: served.connections)
        await served.connections[0].shutdown()
        await until(container, lambda: "final" in served.calls)
        assert served.calls == ["init", "closed", "final"]
        assert peer.recv(1) == b""

    run_scheduler(main)


def test_a_parser_that_refuses_drops_the_connection_with_an_error(caplog):
    class Strict(Recorder):
        def parse(self, connection, data, laststart):
            raise ValueError("no such message")

    async def main(container):
        served = Strict()
        server = await listening(container, served)
        peer = socket.create_connection(server.localaddr)
        peer.send(b"nonsense")
        await until(container, lambda: "final" in served.calls)
        assert served.calls == ["init", "error", "final"]

    run_scheduler(main)
    assert "no such message" in caplog.text and "Traceback" not in caplog.text


def test_a_hook_that_fails_drops_the_connection():
    class Broken(Recorder):
        async def init(self, connection):
            await connection.wait_with_timeout(0.01)
            raise KeyError("set-up")

    async def main(container):
        served = Broken()
        server = await listening(container, served)
        peer = socket.create_connection(server.localaddr)
        await until(container, lambda: "final" in served.calls)
        assert served.calls == ["error", "final"]
        peer.close()

    run_scheduler(main)


def test_a_hook_that_fails_at_the_end_does_not_stop_a_persistent_client():
    class Broken(Recorder):
        async def closed(self, connection):
            await super().closed(connection)
            raise KeyError("clean-up")

    async def main(container):
        server = await listening(container, Echo())
        used = Broken(persist=True, reconnect_timeseq=lambda: iter([0.01] * 100))
        client = client_of(container, url_of(server), used)
        await Hook.createMatcher("init", client)
        await client.reset()
        await Hook.createMatcher("reconnect_init", client)
        await client.shutdown(True)
        await until(container, lambda: used.calls[-1] == "final")

    run_scheduler(main)


def test_a_request_during_a_hook_is_not_lost():
    class Slow(Recorder):
        async def closed(self, connection):
            await super().closed(connection)
            await connection.wait_with_timeout(0.1)

    async def main(container):
        server = await listening(container, Echo())
        used = Slow(persist=True)
        client = client_of(container, url_of(server), used)
        await Hook.createMatcher("init", client)
        await client.reset()
        await Hook.createMatcher("closed", client)
        await client.shutdown()
        await until(container, lambda: used.calls[-1] == "final")
        assert used.calls == ["init", "closed", "final"]

    run_scheduler(main)


def test_a_server_stops_and_starts_listening():
    async def main(container):
        server = await listening(container, Echo())
        server.target = server.target._replace(port=server.localaddr[1])
        address = server.localaddr
        await server.stoplisten()
        await until(container, lambda: not server.listening)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address)
        await server.startlisten()
        await until(container, lambda: server.listening)
        socket.create_connection(address).close()

    run_scheduler(main)


def test_a_server_whose_address_is_taken_tries_again():
    async def main(container):
        taken = socket.socket()
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        url = f"tcp://127.0.0.1:{taken.getsockname()[1]}/"
        server = TcpServer(url, Echo(retrylisten_interval=0.05), container.scheduler)
        server.start()
        await container.wait_with_timeout(0.1)
        assert not server.listening
        taken.close()
        await until(container, lambda: server.listening)

    run_scheduler(main)


def test_a_protocol_may_refuse_a_peer():
    class Choosy(Recorder):
        def accept(self, server, newaddr, newsocket):
            raise ValueError(f"not from {newaddr[0]}")

    async def main(container):
        server = await listening(container, Choosy())
        peer = socket.create_connection(server.localaddr)
        peer.setblocking(False)
        for _ in range(100):
            await container.wait_with_timeout(0.01)
            try:
                assert peer.recv(1) == b""
                return
            except BlockingIOError:
                continue
        raise AssertionError("peer was not refused")

    run_scheduler(main)


def test_localhost_needs_no_resolver_and_other_names_ask_it():
    async def main(container):
        served, used = Echo(), Recorder()
        server = await listening(container, served, "tcp://localhost:0/")
        client = client_of(container, f"tcp://localhost:{server.localaddr[1]}/", used)
        await Hook.createMatcher("init", client)
        named = client_of(container, f"tcp://switch.example:{server.localaddr[1]}/", Recorder())
        request = await ResolveRequestEvent.createMatcher()
        request.canignore = True
        found = socket.getaddrinfo("127.0.0.1", server.localaddr[1], 0, socket.SOCK_STREAM)
        await container.wait_for_send(ResolveResponseEvent(request.request, response=found, error=None))
        await Hook.createMatcher("init", named)
        assert request.request[0] == "switch.example"

    run_scheduler(main)


@pytest.mark.parametrize("url", ["tcp:///", "unix://", "udp:///", "ssl:///"])
def test_a_client_url_without_host_or_path_is_refused(url):
    with pytest.raises(ValueError, match="needs a"):
        Client(url, Recorder())


def test_a_connection_without_socket_cannot_start():
    async def main(container):
        with pytest.raises(ValueError, match="no socket"):
            await Connection(Recorder(), None, container.scheduler).main()

    run_scheduler(main)


def test_accepting_pauses_without_file_descriptors_and_goes_on_later():
    async def main(container):
        served = Echo()
        server = await listening(container, served)
        peers = [socket.socket() for _ in range(5)]
        wasted = []
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(512, hard), hard))
        try:
            while True:
                try:
                    wasted.append(os.dup(0))
                except OSError as error:
                    assert error.errno == errno.EMFILE
                    break
            for peer in peers:
                peer.connect(server.localaddr)
            used = time.process_time()
            await container.wait_with_timeout(0.3)
            assert time.process_time() - used < 0.15, "busy loop"
            assert not served.connections
            for fd in wasted:
                os.close(fd)
            wasted.clear()
            await until(container, lambda: len(served.connections) == 5)
        finally:
            for fd in wasted:
                os.close(fd)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    run_scheduler(main)
