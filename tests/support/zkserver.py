"""ZooKeeper servers of a test's own: one alone or three together, on ports and in directories of their own."""

from __future__ import annotations

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time
from typing import Any, List, Optional, Sequence

import pytest

JAR = "/usr/share/java/zookeeper.jar"
_STARTING_SECONDS = 60.0


def require_zookeeper() -> None:
    """Skip the test where there is no ZooKeeper; fail it instead when CI=true."""
    if shutil.which("java") and os.path.exists(JAR):
        return
    reason = "needs java and %s (packages default-jre-headless and zookeeper)" % (JAR,)
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def _free_ports(count: int) -> List[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def four_letters(port: int, word: str, host: str = "127.0.0.1") -> str:
    """Return the answer to a four letter word, '' if there is none."""
    try:
        with socket.create_connection((host, port), 1) as connection:
            connection.sendall(word.encode("ascii"))
            parts = []
            while True:
                part = connection.recv(65536)
                if not part:
                    return b"".join(parts).decode("utf-8", "replace")
                parts.append(part)
    except OSError:
        return ""


class Node:
    """One server.

    :param directory: for its data and configuration
    :param port: for clients
    :param lines: further lines of its configuration
    """

    def __init__(self, directory: pathlib.Path, port: int, number: int = 0, lines: Sequence[str] = ()) -> None:
        self.directory = directory
        self.port = port
        self.process: Optional[subprocess.Popen] = None
        data = directory / "data"
        data.mkdir(parents=True)
        settings = [
            "dataDir=%s" % (data,),
            "clientPort=%d" % (port,),
            "clientPortAddress=127.0.0.1",
            "tickTime=1000",
            "initLimit=10",
            "syncLimit=5",
            "maxClientCnxns=0",
            "admin.enableServer=false",
            "4lw.commands.whitelist=*",
            *lines,
        ]
        self._config = directory / "zoo.cfg"
        self._config.write_text("\n".join(settings) + "\n")
        if number:
            (data / "myid").write_text("%d\n" % (number,))

    @property
    def url(self) -> str:
        """URL for clients."""
        return "tcp://127.0.0.1:%d/" % (self.port,)

    def start(self) -> None:
        """Start the process; it is ready later."""
        log = open(self.directory / "log", "ab")  # noqa: SIM115 - the process keeps it
        command = ["java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dzookeeper.forceSync=no", "-cp", JAR]
        with log:
            self.process = subprocess.Popen(
                [*command, "org.apache.zookeeper.server.quorum.QuorumPeerMain", str(self._config)],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=self.directory,
            )

    def ready(self) -> bool:
        """Return whether it serves clients."""
        return "Mode: " in four_letters(self.port, "srvr")

    def mode(self) -> str:
        """Return 'standalone', 'leader', 'follower', or ''."""
        for line in four_letters(self.port, "srvr").splitlines():
            if line.startswith("Mode: "):
                return line[6:]
        return ""

    def signal(self, number: int) -> None:
        """Send a signal to the process."""
        if self.process is not None:
            self.process.send_signal(number)

    def stop(self, kill: bool = False) -> None:
        """End the process, with ``kill`` at once, and wait for its end."""
        process, self.process = self.process, None
        if process is None:
            return
        process.send_signal(signal.SIGCONT)
        process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
        process.wait(20)


class Ensemble:
    """Servers that form one cluster; a context manager that starts and stops them.

    :param directory: for their files
    :param size: 1 for a server alone, 3 for a quorum
    """

    def __init__(self, directory: Any, size: int = 1) -> None:
        ports = _free_ports(3 * size)
        lines = []
        if size > 1:
            lines = [
                "server.%d=127.0.0.1:%d:%d" % (number + 1, ports[size + number], ports[2 * size + number])
                for number in range(size)
            ]
        base = pathlib.Path(directory)
        self.nodes = [
            Node(base / ("zk%d" % (number + 1,)), ports[number], number + 1 if size > 1 else 0, lines) for number in range(size)
        ]

    def __enter__(self) -> Ensemble:
        try:
            self.start()
        except BaseException:
            self.stop(True)
            raise
        return self

    def __exit__(self, *details: Any) -> None:
        self.stop(True)

    @property
    def serverlist(self) -> List[str]:
        """URLs of all servers."""
        return [node.url for node in self.nodes]

    def url(self, chroot: str = "") -> str:
        """Return the URL of the cluster for ``module.zookeeperdb.url``."""
        return "tcp://%s/%s" % (",".join("127.0.0.1:%d" % (node.port,) for node in self.nodes), chroot)

    def hosts(self) -> str:
        """Return the servers as kazoo wants them."""
        return ",".join("127.0.0.1:%d" % (node.port,) for node in self.nodes)

    def start(self) -> None:
        """Start all servers that do not run, and wait until they serve.

        :raises TimeoutError: they do not
        """
        for node in self.nodes:
            if node.process is None:
                node.start()
        self.wait()

    def wait(self) -> None:
        """Wait until all running servers serve clients.

        :raises TimeoutError: they do not
        """
        deadline = time.monotonic() + _STARTING_SECONDS
        for node in self.nodes:
            while node.process is not None and not node.ready():
                if time.monotonic() > deadline:
                    raise TimeoutError("server on port %d does not serve: %s" % (node.port, node.directory / "log"))
                time.sleep(0.05)
                if node.process.poll() is not None:
                    # While it was down somebody's outgoing connection may have got its port, for a moment.
                    time.sleep(0.5)
                    node.start()

    def stop(self, kill: bool = False) -> None:
        """End all servers."""
        for node in self.nodes:
            node.stop(kill)

    def leader(self) -> Node:
        """Return the leader of several servers."""
        return next(node for node in self.nodes if node.mode() == "leader")
