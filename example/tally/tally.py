"""A protocol of one's own, with a server and a client: counting by lines.

``python tally.py server [port]`` counts; ``python tally.py client [port] apples 3 pears 1`` adds to the counts and prints them.
A request is a line ``<name> <number>``, its answer a line ``<name> <sum>`` or ``error <what is wrong>``.
"""

import sys

from vlcp.config import defaultconfig, manager
from vlcp.event.connection import Client, ConnectionWriteEvent
from vlcp.event.core import Scheduler
from vlcp.event.event import Event, withIndices
from vlcp.event.runnable import RoutineContainer
from vlcp.protocol.protocol import Protocol
from vlcp.server import main
from vlcp.service.connection import tcpserver

LONGEST_LINE = 200


@withIndices("connection", "connmark")
class Line(Event):
    """A line has come in; ``text`` is what it says, None when no more come."""


@withIndices("connection")
class Connected(Event):
    """A connection is up; the example's client waits for it."""


class BadLine(Exception):
    """The peer does not keep to the protocol."""


@defaultconfig
class Tally(Protocol):
    """Lines of UTF-8, which end with a line feed. It serves as many connections as there are."""

    _default_createqueue = True
    _default_defaultport = 7373
    parse_errors = (BadLine,)

    def message_matchers(self, connection):
        """Let lines wait in a queue of their connection; when it is full, no more are read."""
        return [("message", Line.createMatcher(connection))]

    async def init(self, connection):
        """Tell that a connection is up."""
        await super().init(connection)
        connection.scheduler.emergesend(Connected(connection))

    def parse(self, connection, data, laststart):
        """Return an event for each whole line, and how many bytes are the beginning of the next one."""
        *lines, rest = bytes(data).split(b"\n")
        if max(map(len, [*lines, rest])) > LONGEST_LINE:
            raise BadLine(f"a line is longer than {LONGEST_LINE} bytes")
        events = [Line(connection, connection.connmark, text=line.decode("utf-8", "replace").strip()) for line in lines]
        if laststart == len(data):  # The peer has sent all it wants to.
            return [*events, Line(connection, connection.connmark, text=None)], 0
        return events, len(rest)


@defaultconfig
class TallyServer(tcpserver.TcpServerBase):
    """Keeps the sums."""

    _default_url = "tcp://localhost/"

    def __init__(self, server):
        super().__init__(server, Tally)
        self.sums = {}
        self.apiroutine.main = self.serve
        self.routines.append(self.apiroutine)

    async def serve(self):
        """Answer all lines of all connections."""
        lines = Line.createMatcher()
        while True:
            line = await lines
            answer = "" if line.text is None else self.add(line.text) + "\n"
            written = ConnectionWriteEvent(line.connection, line.connmark, data=answer.encode(), EOF=line.text is None)
            await line.connection.write(written, False)

    def add(self, text):
        """Return the answer to a line."""
        name, _, number = text.rpartition(" ")
        if not name or not number.lstrip("-").isdecimal():
            return f"error expected a name and a number, got {text!r}"
        self.sums[name] = self.sums.get(name, 0) + int(number)
        return f"{name} {self.sums[name]}"


def ask(url, pairs):
    """Send one line for each pair to a server, and print its answers."""
    scheduler = Scheduler()
    container = RoutineContainer(scheduler)

    async def talk():
        client = Client(url, Tally(), scheduler)
        client.start()
        await Connected.createMatcher(client)
        for name, number in pairs:
            await client.write(ConnectionWriteEvent(client, client.connmark, data=f"{name} {number}\n".encode()))
            print((await Line.createMatcher(client)).text)
        await client.shutdown()

    container.subroutine(talk())
    scheduler.main()


if __name__ == "__main__":
    role, port, *rest = [*sys.argv[1:], "7373"][:2] + sys.argv[3:]
    if role == "server":
        manager["module.tallyserver.url"] = f"tcp://localhost:{port}/"
        sys.exit(main())
    ask(f"tcp://localhost:{port}/", list(zip(rest[::2], rest[1::2])))
