"""Ten thousand connections at once."""

from __future__ import annotations

import gc
import resource
import socket
import time

import pytest
from support.poller import run_scheduler

from vlcp.config import defaultconfig
from vlcp.event.connection import ConnectionWriteEvent, TcpServer
from vlcp.protocol.protocol import Protocol

COUNT = 10_000
NEEDED = 2 * COUNT + 200


@defaultconfig
class Crowd(Protocol):
    """Answers each byte with a byte."""

    def __init__(self):
        super().__init__()
        self.open = 0
        self.answered = 0

    async def init(self, connection):
        await super().init(connection)
        self.open += 1

    async def final(self, connection):
        await super().final(connection)
        self.open -= 1

    def parse(self, connection, data, laststart):
        if laststart == len(data):
            return super().parse(connection, data, laststart)
        self.answered += 1
        return ([ConnectionWriteEvent(connection, connection.connmark, data=bytes(data))], 0)


def test_ten_thousand_connections_are_open_at_once_and_all_are_served():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < NEEDED:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (NEEDED, NEEDED))
        except (ValueError, PermissionError):
            pytest.skip(f"needs {NEEDED} file descriptors, the limit is {hard}")
    else:
        resource.setrlimit(resource.RLIMIT_NOFILE, (NEEDED, hard))
    gc.collect()
    try:
        begin = time.monotonic()
        run_scheduler(main)
        assert time.monotonic() - begin < 20
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def main(container):
    protocol = Crowd()
    server = TcpServer("tcp://127.0.0.1:0/", protocol, container.scheduler)
    server.start()
    while not server.listening:
        await container.wait_with_timeout(0.002)
    peers = []
    for _ in range(COUNT // 500):
        # Fewer at a time than the backlog holds.
        for _ in range(500):
            peers.append(socket.create_connection(server.localaddr))
        while protocol.open < len(peers):
            await container.wait_with_timeout(0.001)
    assert protocol.open == COUNT
    for peer in peers:
        peer.send(b"x")
    while protocol.answered < COUNT:
        await container.wait_with_timeout(0.001)
    for peer in peers:
        assert peer.recv(10) == b"x"
        peer.close()
    while protocol.open:
        await container.wait_with_timeout(0.01)
