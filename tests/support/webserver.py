"""A server with some modules in a thread of this process, and raw HTTP exchanges with it."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import Any, Dict, Iterator, Sequence

from vlcp.config import manager
from vlcp.event.connection import TcpServer
from vlcp.event.core import Scheduler
from vlcp.event.polling import EPollPolling
from vlcp.event.pqueue import CBQueue
from vlcp.event.runnable import RoutineContainer
from vlcp.protocol.http import Http
from vlcp.server.server import Server


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def _quit_when(stop: threading.Event, container: RoutineContainer) -> None:
    """End the scheduler soon after another thread has set ``stop``; calling ``quit`` there would not wake it up."""
    while not stop.is_set():
        await container.wait_with_timeout(0.1)
    container.scheduler.quit()


@contextlib.contextmanager
def running(modules: Sequence[Any], settings: Dict[str, Any]) -> Iterator[Server]:
    """Run a server with these module classes; ``settings`` are configured meanwhile.

    :raises RuntimeError: a module could not be loaded
    """
    before = {key: manager.get(key) for key in settings if key in manager}
    for key, value in settings.items():
        manager[key] = value
    server = Server()
    starter = RoutineContainer(server.scheduler)
    outcome: list = []
    loaded, stop = threading.Event(), threading.Event()

    async def load() -> None:
        try:
            for module in modules:
                await server.moduleloader.loadmodule(module)
        except Exception as error:
            outcome.append(error)
        loaded.set()

    def serve() -> None:
        server.resolver.start()
        server.moduleloader.start()
        starter.subroutine(load())
        starter.subroutine(_quit_when(stop, starter), daemon=True)
        server.scheduler.main(installsignal=False)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        if not loaded.wait(20) or outcome:
            raise RuntimeError(f"modules are not loaded: {outcome}")
        yield server
    finally:
        stop.set()
        thread.join(10)
        for key in settings:
            if key in before:
                manager[key] = before[key]
            else:
                del manager[key]


def wait_listening(port: int, timeout_s: float = 10) -> None:
    """Return when somebody listens on a port of 127.0.0.1.

    :raises TimeoutError: nobody does
    """
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.01)
    raise TimeoutError(f"nobody listens on port {port}")


def exchange(port: int, data: bytes, timeout_s: float = 10, half_close: bool = False) -> bytes:
    """Send raw bytes and return everything until the server closes the connection.

    :raises TimeoutError: the server does not close it
    """
    with socket.create_connection(("127.0.0.1", port), timeout_s) as connection:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(data)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
        received = b""
        while True:
            try:
                part = connection.recv(65536)
            except ConnectionResetError:
                return received
            if not part:
                return received
            received += part


class HttpThread:
    """A scheduler in a thread that serves HTTP on a free port, or runs HTTP clients.

    :param handlers: classes derived from ``HttpHandler``; their objects are in ``handlers`` when the thread runs
    :param protocolclass: protocol class, None for ``Http``
    :param settings: settings of the protocol object
    """

    def __init__(self, *handlers: Any, protocolclass: Any = None, **settings: Any) -> None:
        self.port = free_port()
        self.scheduler = Scheduler(EPollPolling(), defaultQueueClass=CBQueue.AutoClassQueue.initHelper("_classname0"))
        self.container = RoutineContainer(self.scheduler)
        self.protocol = (protocolclass or Http)(True)
        self.protocol.vhost = ""
        vars(self.protocol).update(settings)
        self.server = TcpServer(f"tcp://127.0.0.1:{self.port}/", self.protocol, self.scheduler)
        self.handlers = [handler(self.scheduler) for handler in handlers]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self.scheduler.main, args=(False,), daemon=True)

    def __enter__(self) -> HttpThread:
        self.server.start()
        for handler in self.handlers:
            handler.start()
        self.container.subroutine(_quit_when(self._stop, self.container), daemon=True)
        self._thread.start()
        wait_listening(self.port)
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self._stop.set()
        self._thread.join(15)

    def connect(self, timeout_s: float = 10) -> socket.socket:
        """Return a connected blocking socket."""
        return socket.create_connection(("127.0.0.1", self.port), timeout_s)
