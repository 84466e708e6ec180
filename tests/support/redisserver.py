"""A private Redis server for tests: own port, own directory, own process.

::

    with RedisServer(tmp_path) as server:
        client = RedisClient(server.url)
"""

from __future__ import annotations

import pathlib
import shutil
import signal
import socket
import subprocess
import time
from typing import Any, Sequence

from support.server import free_port

PROGRAM = shutil.which("redis-server")


class RedisServer:
    """Starts ``redis-server``; every command is on disk before it is answered.

    :param directory: gets the data and the log
    :param options: further command line options, for example ``("--requirepass", "x")``
    :ivar port: TCP port, the same after a restart
    """

    def __init__(self, directory: Any, options: Sequence[str] = ()) -> None:
        self.directory = pathlib.Path(directory)
        self.port = free_port()
        self._options = list(options)
        self._process: subprocess.Popen | None = None

    @property
    def url(self) -> str:
        """URL for a client."""
        return f"tcp://127.0.0.1:{self.port}/"

    @property
    def pid(self) -> int:
        """Process id of the running server."""
        assert self._process is not None, "the server is not started"
        return self._process.pid

    def __enter__(self) -> RedisServer:
        self.start()
        return self

    def __exit__(self, *exc: Any) -> None:
        self.stop(signal.SIGKILL)

    def start(self, timeout_s: float = 30) -> None:
        """Start the process and return when it answers.

        :raises AssertionError: it ended or does not answer in time; the message has the log's end
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        settings = ["--bind", "127.0.0.1", "--dir", str(self.directory), "--save", ""]
        settings += ["--appendonly", "yes", "--appendfsync", "always", "--daemonize", "no"]
        port = [] if "--port" in self._options else ["--port", str(self.port)]
        log = (self.directory / "redis.log").open("ab")
        with log:
            command = [PROGRAM or "redis-server", *port, *settings, *self._options]
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + timeout_s
        while not self.answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise AssertionError((self.directory / "redis.log").read_text(errors="replace")[-2000:])
            time.sleep(0.01)

    def answers(self, timeout_s: float = 1) -> bool:
        """Tell whether the server takes commands (or asks for a password)."""
        if "--tls-port" in self._options:
            return self._listens()
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout_s) as probe:
                probe.sendall(b"PING\r\n")
                return probe.recv(64).startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            return False

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End the process with a signal; does nothing when it has ended."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.send_signal(number)
        process.wait(10)

    def kill(self) -> None:
        """End the process as a power failure would."""
        self.stop(signal.SIGKILL)

    def restart(self, number: int = signal.SIGTERM) -> None:
        """Stop and start again with the same data and port."""
        self.stop(number)
        self.start()

    def pause(self) -> None:
        """Let the process do nothing; its sockets stay."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused process go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


def flush(server: RedisServer) -> None:
    """Delete everything in a running server."""
    with socket.create_connection(("127.0.0.1", server.port), 5) as connection:
        connection.sendall(b"FLUSHALL\r\nSCRIPT FLUSH\r\n")
        received = b""
        while received.count(b"+OK\r\n") < 2:
            received += connection.recv(4096)
