"""Ten thousand connections at once."""

from __future__ import annotations

import gc
import resource
import subprocess
import sys

import pytest
from support.poller import run_scheduler

from vlcp.config import defaultconfig
from vlcp.event.connection import ConnectionWriteEvent, TcpServer
from vlcp.protocol.protocol import Protocol

COUNT = 10_000
NEEDED = COUNT + 200
#: The peers live in another process, which has file descriptors of its own
PEERS = """
import resource, socket, sys
count, port = int(sys.argv[1]), int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_NOFILE, (count + 100, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
peers = [socket.create_connection(("127.0.0.1", port)) for _ in range(count)]
sys.stdin.readline()
for peer in peers:
    peer.send(b"x")
wrong = sum(peer.recv(10) != b"x" for peer in peers)
sys.exit(wrong)
"""


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
        pytest.skip(f"needs {NEEDED} file descriptors, the limit is {hard}")
    gc.collect()
    resource.setrlimit(resource.RLIMIT_NOFILE, (NEEDED, hard))
    try:
        # 4 seconds on an idle machine; the tests beside this one may take most of a busy one.
        run_scheduler(serve_crowd, 90)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def until(container, condition):
    while not condition():
        await container.wait_with_timeout(0.01)


async def serve_crowd(container):
    protocol = Crowd()
    server = TcpServer("tcp://127.0.0.1:0/", protocol, container.scheduler)
    server.start()
    await until(container, lambda: server.listening)
    arguments = [sys.executable, "-c", PEERS, str(COUNT), str(server.localaddr[1])]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, text=True) as peers:
        try:
            await until(container, lambda: protocol.open == COUNT)
            peers.stdin.write("go\n")
            peers.stdin.flush()
            await until(container, lambda: peers.poll() is not None)
            assert peers.returncode == 0
            await until(container, lambda: protocol.open == 0)
        finally:
            peers.kill()
    assert protocol.answered == COUNT
