"""A ZooKeeper server that does what a test wants, in a thread of its own."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from typing import Any, Callable, List, Optional

OPENED = struct.pack(">iiqi", 0, 4000, 0x77, 16) + b"p" * 16 + b"\0"
EXPIRED = struct.pack(">iiqi", 0, 0, 0, 16) + b"\0" * 16 + b"\0"


def packet(record: bytes) -> bytes:
    """Return a record with its length."""
    return struct.pack(">i", len(record)) + record


def reply(xid: int, body: bytes = b"", err: int = 0, zxid: int = 1) -> bytes:
    """Return a whole reply."""
    return packet(struct.pack(">iqi", xid, zxid, err) + body)


class FakeZooKeeper:
    """Listens on a loopback port; each connection is opened with ``greeting``, then ``answer`` is asked.

    :param answer: ``answer(server, xid, kind, body)`` returns the bytes to send, or None to close the connection
    :param greeting: record that answers the connect request; None closes the connection
    :param context: for TLS, or None
    :ivar connects: the connect requests that came
    :ivar requests: ``(xid, kind, body)`` of all requests that came
    :ivar closed: number of connections that have ended
    """

    def __init__(
        self,
        answer: Optional[Callable[..., Optional[bytes]]] = None,
        greeting: Optional[bytes] = OPENED,
        context: Optional[ssl.SSLContext] = None,
    ) -> None:
        self.answer = answer or (lambda server, xid, kind, body: reply(xid))
        self.greeting = greeting
        self.connects: List[bytes] = []
        self.requests: List[Any] = []
        self.closed = 0
        self._context = context
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._sockets: List[socket.socket] = []
        self.port = self._listening.getsockname()[1]

    def __enter__(self) -> FakeZooKeeper:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *details: Any) -> None:
        for one in (self._listening, *self._sockets):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    @property
    def url(self) -> str:
        """URL for a client."""
        return "%s://127.0.0.1:%d/" % ("ssl" if self._context else "tcp", self.port)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                self._sockets.append(connection)
                threading.Thread(target=self._guarded, args=(connection,), daemon=True).start()

    def _guarded(self, connection: socket.socket) -> None:
        try:
            if self._context is not None:
                connection = self._context.wrap_socket(connection, server_side=True)
            with connection, connection.makefile("rb") as stream, contextlib.suppress(OSError):
                self._serve(connection, stream)
        except OSError:
            connection.close()
        finally:
            self.closed += 1

    def _serve(self, connection: socket.socket, stream: Any) -> None:
        self.connects.append(self._read(stream))
        if self.greeting is None:
            return
        connection.sendall(packet(self.greeting))
        while True:
            record = self._read(stream)
            xid, kind = struct.unpack_from(">ii", record)
            self.requests.append((xid, kind, record[8:]))
            data = self.answer(self, xid, kind, record[8:])
            if data is None:
                return
            connection.sendall(data)

    @staticmethod
    def _read(stream: Any) -> bytes:
        head = stream.read(4)
        if len(head) < 4:
            raise ConnectionResetError("client has gone")
        return stream.read(struct.unpack(">i", head)[0])
