"""The database servers of a laboratory, each in a namespace of its own on the management network.

The way from a controller to its database does not pass the switch, so that a dead switch cuts nobody off.
"""

from __future__ import annotations

import abc
import os
import shlex
import signal
from typing import Any, Mapping

from vlcp.lab._plan import MANAGEMENT_PREFIX, LabPlan
from vlcp.lab._process import LabProcess
from vlcp.lab._shell import LabError, inside, run, wait_until

REDIS_PORT = 6379
ZOOKEEPER_PORT = 2181
ZOOKEEPER_JARS = "/usr/share/java/zookeeper.jar"
ZOOKEEPER_MAIN = "org.apache.zookeeper.server.quorum.QuorumPeerMain"


class DatabaseNode(abc.ABC):
    """One database server process in its namespace.

    :param plan: the laboratory
    :param name: name of the node, as ``db1``
    """

    def __init__(self, plan: LabPlan, name: str) -> None:
        self.plan = plan
        self.name = name
        self.namespace = plan.namespace(name)
        self.address = plan.management_address(name)
        self.directory = os.path.join(plan.directory, name)
        self._process = LabProcess(self.namespace, self.directory, "server")

    def create(self, wait: bool = True) -> None:
        """Make the namespace and its cable to the management network, and start the server; see :meth:`start`."""
        os.makedirs(self.directory, exist_ok=True)
        run(["ip", "netns", "add", self.namespace])
        run(["ip", "-n", self.namespace, "link", "set", "lo", "up"])
        attach_to_management(self.plan, self.name)
        self.start(wait)

    @abc.abstractmethod
    def command(self) -> list[str]:
        """Return the server's command line."""

    @abc.abstractmethod
    def answers(self) -> bool:
        """Tell whether the server answers."""

    @property
    def pid(self) -> int | None:
        """Process id, or ``None`` when the server does not run."""
        return self._process.pid

    def start(self, wait: bool = True) -> None:
        """Start the server, and with ``wait`` return when it answers.

        :raises LabError: it runs already, or does not answer
        """
        if self.pid is not None:
            raise LabError(f"{self.name} runs already")
        self._process.start(self.command())
        if wait:
            self.wait_ready()

    def wait_ready(self, timeout_s: float = 20) -> None:
        """Return when the server answers.

        :raises LabError: it does not within ``timeout_s`` seconds
        """
        wait_until(self.answers, timeout_s, f"database {self.name}", step_s=0.05)

    def kill(self) -> None:
        """End the server with SIGKILL, as a crash would."""
        self._process.end()

    def stop(self) -> None:
        """End the server with SIGTERM and wait for its end."""
        self._process.end(signal.SIGTERM)

    def pause(self) -> None:
        """Stop the server's process: connections stay and nothing is answered."""
        self._process.send(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused server go on."""
        self._process.send(signal.SIGCONT)


class RedisNode(DatabaseNode):
    """A Redis server that writes each change to disk."""

    def command(self) -> list[str]:
        """Return the server's command line."""
        options = ["--bind", self.address, "--port", str(REDIS_PORT), "--protected-mode", "no", "--save", ""]
        return ["redis-server", *options, "--appendonly", "yes", "--dir", self.directory]

    def answers(self) -> bool:
        """Tell whether the server answers PING."""
        ping = ["redis-cli", "-h", self.address, "-p", str(REDIS_PORT), "ping"]
        return "PONG" in run(inside(self.namespace, ping), check=False, timeout_s=2)


class ZooKeeperNode(DatabaseNode):
    """One node of a ZooKeeper ensemble."""

    def command(self) -> list[str]:
        """Write the node's configuration and return its command line."""
        with open(os.path.join(self.directory, "zoo.cfg"), "w", encoding="ascii") as config:
            config.write(zookeeper_config(self.plan, self.name, self.directory))
        with open(os.path.join(self.directory, "myid"), "w", encoding="ascii") as number:
            number.write(str(self.plan.databases.index(self.name) + 1))
        options = ["-Xmx256m", "-XX:+UseSerialGC", "-cp", ZOOKEEPER_JARS]
        return ["java", *options, ZOOKEEPER_MAIN, os.path.join(self.directory, "zoo.cfg")]

    def answers(self) -> bool:
        """Tell whether the node serves clients: it has found the others."""
        return "Mode:" in self.ask("srvr")

    def ask(self, word: str) -> str:
        """Return what the node says to a four-letter word, as ``srvr`` or ``cons``; "" when it says nothing."""
        script = f"exec 3<>/dev/tcp/{self.address}/{ZOOKEEPER_PORT}; printf {shlex.quote(word)} >&3; cat <&3"
        return run(inside(self.namespace, ["bash", "-c", script]), check=False, timeout_s=2)


def zookeeper_config(plan: LabPlan, name: str, directory: str) -> str:
    """Return the configuration file of one node."""
    settings: dict[str, Any] = {
        "tickTime": 1000,
        "initLimit": 10,
        "syncLimit": 5,
        "dataDir": directory,
        "clientPort": ZOOKEEPER_PORT,
        "clientPortAddress": plan.management_address(name),
        "admin.enableServer": "false",
        "4lw.commands.whitelist": "*",
    }
    if len(plan.databases) > 1:
        for number, other in enumerate(plan.databases, 1):
            settings[f"server.{number}"] = f"{plan.management_address(other)}:2888:3888"
    return "".join(f"{key}={value}\n" for key, value in settings.items())


NODES: Mapping[str, type[DatabaseNode]] = {"redis": RedisNode, "zookeeper": ZooKeeperNode}


def attach_to_management(plan: LabPlan, name: str) -> None:
    """Give a namespace the interface ``mgmt0`` on the management network."""
    underlay, namespace = plan.namespace("net"), plan.namespace(name)
    run(
        ["ip", "link", "add", "name", "mgmt0", "netns", namespace, "type", "veth", "peer", "name", f"m-{name}", "netns", underlay]
    )
    run(["ip", "-n", underlay, "link", "set", "dev", f"m-{name}", "master", "mgmt", "up"])
    address = f"{plan.management_address(name)}/{MANAGEMENT_PREFIX}"
    run(["ip", "-n", namespace, "address", "add", address, "dev", "mgmt0"])
    run(["ip", "-n", namespace, "link", "set", "dev", "mgmt0", "up"])


def set_management_link(plan: LabPlan, name: str, up: bool) -> None:
    """Connect a namespace to the management network or cut it off."""
    run(["ip", "-n", plan.namespace("net"), "link", "set", "dev", f"m-{name}", "up" if up else "down"])
