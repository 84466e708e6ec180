"""Connections that are opened and lost all the time, in a process of its own: ``python -m support.flapping SEED``.

Descriptors belong to a process: beside other tests, whose threads open and close theirs at any moment, they cannot be counted.
The process prints what it found open at the end and not at the beginning, as JSON, and ends with status 1 when that is anything.
"""

from __future__ import annotations

import gc
import json
import random
import sys
import time

from support.openfiles import Opened
from support.poller import run_scheduler

from vlcp.config import defaultconfig
from vlcp.event.connection import Client, ConnectionWriteEvent, TcpServer
from vlcp.protocol.protocol import Protocol

CLIENTS, SECONDS, WINDOW = 60, 1.5, 20


@defaultconfig
class Counting(Protocol):
    """Sends numbers and checks that those of each session come back in order."""

    _default_createqueue = True
    _default_persist = True

    def __init__(self, echo):
        super().__init__()
        self.echo = echo
        self.alive = set()
        self.answers = 0
        self.wrong = []

    @staticmethod
    def reconnect_timeseq():
        while True:
            yield 0.001

    async def _begin(self, connection):
        self.alive.add(connection)
        connection.expected = 0
        if not self.echo:
            await connection.write(self._numbers(connection, 0, WINDOW))

    async def init(self, connection):
        await super().init(connection)
        await self._begin(connection)

    async def reconnect_init(self, connection):
        await self._begin(connection)

    async def final(self, connection):
        self.alive.discard(connection)
        await super().final(connection)

    def parse(self, connection, data, laststart):
        if laststart == len(data):
            return super().parse(connection, data, laststart)
        whole = len(data) - len(data) % 8
        if self.echo:
            raw = bytes(data[:whole])
            return ([ConnectionWriteEvent(connection, connection.connmark, data=raw)] if raw else [], len(data) - whole)
        first = connection.expected
        for at in range(0, whole, 8):
            if int(bytes(data[at : at + 8])) != connection.expected:
                self.wrong.append((connection.connmark, connection.expected))
            connection.expected += 1
            self.answers += 1
        more = self._numbers(connection, first + WINDOW, connection.expected + WINDOW)
        return ([more] if whole else [], len(data) - whole)

    def _numbers(self, connection, begin, end):
        data = b"".join(b"%08d" % number for number in range(begin, end))
        return ConnectionWriteEvent(connection, connection.connmark, data=data)


async def flap(container, rng):
    """Reset, reconnect and shut down clients and accepted connections at random, then end them all and look what is left."""
    served, used = Counting(True), Counting(False)
    server = TcpServer("tcp://127.0.0.1:0/", served, container.scheduler)
    server.start()
    while not server.listening:
        await container.wait_with_timeout(0.002)
    url = f"tcp://127.0.0.1:{server.localaddr[1]}/"
    clients = [Client(url, used, container.scheduler) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    end = time.monotonic() + SECONDS
    while time.monotonic() < end or sum(client.connmark for client in clients) <= CLIENTS:
        victim = rng.choice(clients + list(served.alive))
        action = rng.choice([victim.reset, victim.reconnect, victim.shutdown if victim not in clients else victim.reset])
        await action(rng.random() < 0.7)
        await container.wait_with_timeout(0.002)
    for client in clients:
        await client.shutdown(rng.random() < 0.5)
    while used.alive or served.alive:
        await container.wait_with_timeout(0.01)
    await server.shutdown()
    await container.wait_with_timeout(0.05)
    assert used.answers > 1000 and not used.wrong
    queue = container.scheduler.queue
    left = [client for client in clients if ("write", client) in queue]
    assert left == []


def main(seed: int) -> int:
    """Run once and return the exit status."""
    opened = Opened()
    run_scheduler(lambda container: flap(container, random.Random(seed)), 60)
    gc.collect()
    left = opened.since()
    print(json.dumps(left))
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
