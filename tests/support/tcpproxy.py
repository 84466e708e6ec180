"""A TCP proxy that misbehaves on demand, in a thread of its own: it delays, slices, cuts, swallows, and loses replies.

::

    with TcpProxy("127.0.0.1", server.port) as proxy:
        client = RedisClient(proxy.url)
        proxy.cut()                              # all connections end with a reset
        proxy.refuse = True                      # new ones too
        proxy.black_hole = True                  # nothing passes any more, nothing is closed
        proxy.lose_reply(lambda data: b"EVALSHA" in data)

Settings may be changed at any time by the thread of the test.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
import threading
from typing import Any, Callable, Optional

_RESET = struct.pack("ii", 1, 0)


class TcpProxy:
    """Listens on a free loopback port and connects to a server for each connection.

    :param host: host of the server
    :param port: port of the server
    :param seed: of the random delays and slices
    :ivar port: where the proxy listens
    :ivar delay: largest delay of a piece in seconds, random for each
    :ivar slice: largest piece in bytes, random for each; 0 passes everything as it comes
    :ivar refuse: new connections are reset
    :ivar black_hole: pieces are kept back until this is False again; nothing is closed
    :ivar passed: bytes that have passed, both ways
    :ivar turns: round trips: how often a client sent something after the server did
    :ivar cut_after: each new connection is reset after so many seconds, about; None for never
    """

    def __init__(self, host: str, port: int, seed: int = 0) -> None:
        self._target = (host, port)
        self._random = random.Random(seed)
        self.delay = 0.0
        self.slice = 0
        self.refuse = False
        self.black_hole = False
        self.cut_after: Optional[float] = None
        self.accepted = 0
        self.lost_replies = 0
        self.passed = 0
        self.turns = 0
        self._loses: Optional[Callable[[bytes], bool]] = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="tcpproxy", daemon=True)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]

    @property
    def url(self) -> str:
        """URL for a client."""
        return f"tcp://127.0.0.1:{self.port}/"

    def __enter__(self) -> TcpProxy:
        self._thread.start()
        return self

    def __exit__(self, *exc: Any) -> None:
        self._call(self._reset_all)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def cut(self) -> None:
        """Reset all present connections, on both sides."""
        self._call(self._reset_all)

    def lose_reply(self, matches: Callable[[bytes], bool]) -> None:
        """Pass the next piece from a client for which ``matches(data)`` is true, and reset the client's side only.

        The server carries the command out, and nobody gets its reply.
        """
        self._loses = matches

    def _call(self, function: Callable[[], None]) -> None:
        done = threading.Event()
        self._loop.call_soon_threadsafe(lambda: (function(), done.set()))
        done.wait(5)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(asyncio.start_server(self._serve, sock=self._listening))
        self._loop.run_forever()
        pending = asyncio.all_tasks(self._loop)
        for task in pending:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*pending, return_exceptions=True))
        self._listening.close()
        self._loop.close()

    def _reset_all(self) -> None:
        for writer in tuple(self._writers):
            _reset(writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        if self.refuse:
            _reset(writer)
            return
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target)
        except OSError:
            _reset(writer)
            return
        both = {writer, far_writer}
        self._writers |= both
        cut = None
        if self.cut_after is not None:
            cut = self._loop.call_later(self.cut_after * self._random.uniform(0.5, 1.5), lambda: list(map(_reset, both)))
        try:
            answered = [True]
            await asyncio.gather(self._pass(reader, far_writer, writer, answered), self._pass(far_reader, writer, None, answered))
        finally:
            if cut is not None:
                cut.cancel()
            self._writers -= both
            for one in both:
                one.close()

    def _count(self, size: int, from_client: bool, answered: list[bool]) -> None:
        self.passed += size
        self.turns += from_client and answered[0]
        answered[0] = not from_client

    async def _pass(
        self, reader: Any, writer: asyncio.StreamWriter, client: Optional[asyncio.StreamWriter], answered: list[bool]
    ) -> None:
        """Pass bytes in one direction until the end of the stream; ``client`` is None for replies."""
        with contextlib.suppress(OSError, asyncio.CancelledError):
            while True:
                data = await reader.read(self._random.randint(1, self.slice) if self.slice else 65536)
                if self.delay:
                    await asyncio.sleep(self._random.uniform(0, self.delay))
                while self.black_hole:
                    await asyncio.sleep(0.01)
                if not data:
                    break
                self._count(len(data), client is not None, answered)
                writer.write(data)
                await writer.drain()
                if client is not None and self._loses is not None and self._loses(data):
                    self._loses = None
                    self.lost_replies += 1
                    _reset(client)
                    # The server must be able to work on it before its side ends.
                    await asyncio.sleep(0.05)
                    break
        writer.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    if sock is not None and sock.fileno() >= 0:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
