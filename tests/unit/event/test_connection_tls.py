"""TLS connections with a self-made certificate authority."""

from __future__ import annotations

import os
import socket
import time

import pytest
from support.poller import run_scheduler
from support.tls import Authority

from vlcp.config import defaultconfig
from vlcp.event.connection import Client, ConnectionWriteEvent, TcpServer
from vlcp.protocol.protocol import Protocol


@defaultconfig
class TlsEcho(Protocol):
    """Remembers what comes; a server sends it back."""

    def __init__(self, echo, **settings):
        super().__init__()
        self.echo = echo
        self.got = bytearray()
        self.calls = []
        self.connections = []
        for name, value in settings.items():
            setattr(self, name, value)

    async def init(self, connection):
        await super().init(connection)
        self.connections.append(connection)
        self.calls.append("init")

    async def closed(self, connection):
        self.calls.append("closed")

    async def error(self, connection):
        self.calls.append("error")

    async def notconnected(self, connection):
        self.calls.append("notconnected")

    async def final(self, connection):
        await super().final(connection)
        self.calls.append("final")

    def parse(self, connection, data, laststart):
        self.got += data
        if self.echo and len(data):
            return ([ConnectionWriteEvent(connection, connection.connmark, data=bytes(data))], 0)
        return super().parse(connection, data, laststart)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"), "ours")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("other-ca"), "stranger")


@pytest.fixture(scope="module")
def identity(authority):
    return authority.issue("server")


async def until(container, condition, seconds=5):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "condition never came true"
        await container.wait_with_timeout(0.005)


async def serving(container, identity, **options):
    server = TcpServer("ssl://127.0.0.1:0/", TlsEcho(True), container.scheduler, identity.key, identity.certificate, **options)
    server.start()
    await until(container, lambda: server.listening)
    return server


def connect(container, server, protocol, **options):
    client = Client(f"ssl://127.0.0.1:{server.localaddr[1]}/", protocol, container.scheduler, **options)
    client.start()
    return client


def test_large_data_goes_both_ways(authority, identity):
    async def main(container):
        server = await serving(container, identity)
        used = TlsEcho(False)
        client = connect(container, server, used, ca_certs=authority.certificate)
        await until(container, lambda: used.calls)
        assert client.socket.version() in ("TLSv1.2", "TLSv1.3")
        blob = os.urandom(2_000_000)
        await client.write(ConnectionWriteEvent(client, client.connmark, data=blob))
        await until(container, lambda: len(used.got) == len(blob))
        assert used.got == blob
        await client.shutdown()
        await until(container, lambda: used.calls[-1] == "final" and server.protocol.calls[-1] == "final")
        assert used.calls == server.protocol.calls == ["init", "closed", "final"]

    run_scheduler(main)


def test_a_server_that_another_authority_has_signed_is_refused(stranger, identity):
    async def main(container):
        server = await serving(container, identity)
        used = TlsEcho(False)
        connect(container, server, used, ca_certs=stranger.certificate)
        await until(container, lambda: "final" in used.calls)
        assert used.calls == ["notconnected", "final"]

    run_scheduler(main)


def test_without_ca_certs_the_system_store_decides(identity):
    async def main(container):
        server = await serving(container, identity)
        used = TlsEcho(False)
        connect(container, server, used)
        await until(container, lambda: "final" in used.calls)
        assert used.calls == ["notconnected", "final"]

    run_scheduler(main)


def test_a_certificate_for_another_host_is_refused_unless_configured(authority):
    other = authority.issue("elsewhere", "DNS:elsewhere.example")

    async def main(container):
        server = await serving(container, other)
        used = TlsEcho(False)
        connect(container, server, used, ca_certs=authority.certificate)
        await until(container, lambda: "final" in used.calls)
        assert "init" not in used.calls
        lenient = TlsEcho(False, sslcheckhostname=False)
        connect(container, server, lenient, ca_certs=authority.certificate)
        await until(container, lambda: "init" in lenient.calls)

    run_scheduler(main)


def test_verification_can_be_switched_off(identity):
    async def main(container):
        server = await serving(container, identity)
        used = TlsEcho(False, sslverify=False)
        connect(container, server, used)
        await until(container, lambda: "init" in used.calls)

    run_scheduler(main)


def test_a_server_with_ca_certs_wants_a_certificate_of_the_client(authority, stranger, identity):
    known, unknown = authority.issue("client"), stranger.issue("client")

    async def main(container):
        server = await serving(container, identity, ca_certs=authority.certificate)
        used = TlsEcho(False)
        connect(container, server, used, key=known.key, certificate=known.certificate, ca_certs=authority.certificate)
        await until(container, lambda: len(server.protocol.connections) == 1)
        for options in ({}, {"key": unknown.key, "certificate": unknown.certificate}):
            refused = TlsEcho(False)
            connect(container, server, refused, ca_certs=authority.certificate, **options)
            await until(container, lambda: "final" in refused.calls)
        assert len(server.protocol.connections) == 1

    run_scheduler(main)


def test_a_passive_tls_client_speaks_the_side_of_the_server(authority, identity):
    async def main(container):
        waiting, used = TlsEcho(True), TlsEcho(False)
        passive = Client("pssl://127.0.0.1:0/", waiting, container.scheduler, identity.key, identity.certificate)
        passive.start()
        await until(container, lambda: passive.socket is not None)
        url = f"ssl://127.0.0.1:{passive.socket.getsockname()[1]}/"
        client = Client(url, used, container.scheduler, ca_certs=authority.certificate)
        client.start()
        await until(container, lambda: used.calls == ["init"])
        await client.write(ConnectionWriteEvent(client, client.connmark, data=b"hello"))
        await until(container, lambda: used.got == b"hello")

    run_scheduler(main)


def test_a_passive_tls_client_without_certificate_never_serves_in_the_clear():
    async def main(container):
        protocol = TlsEcho(True)
        passive = Client("pssl://127.0.0.1:0/", protocol, container.scheduler)
        passive.start()
        await until(container, lambda: passive.socket is not None)
        peer = socket.create_connection(passive.socket.getsockname())
        peer.sendall(b"in the clear")
        await until(container, lambda: "final" in protocol.calls)
        assert protocol.calls == ["notconnected", "final"] and not protocol.got

    run_scheduler(main)


def test_a_peer_that_speaks_no_tls_or_nothing_does_not_disturb_others(authority, identity):
    async def main(container):
        server = await serving(container, identity)
        server.protocol.connect_timeout = 0.2
        plain = socket.create_connection(server.localaddr)
        plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
        silent = socket.create_connection(server.localaddr)
        used = TlsEcho(False)
        connect(container, server, used, ca_certs=authority.certificate)
        await until(container, lambda: "init" in used.calls)
        silent.setblocking(False)

        def dropped():
            try:
                return silent.recv(10) == b""
            except BlockingIOError:
                return False

        await until(container, dropped, 2)
        assert len(server.protocol.connections) == 1

    run_scheduler(main)


def test_a_server_without_certificate_does_not_listen():
    async def main(container):
        protocol = TlsEcho(True, listen_persist=False)
        server = TcpServer("ssl://127.0.0.1:0/", protocol, container.scheduler)
        server.start()
        await container.wait_with_timeout(0.05)
        assert not server.listening

    run_scheduler(main)
