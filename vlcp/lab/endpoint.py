"""One endpoint: a namespace with an interface that is a port of a hypervisor's bridge."""

from __future__ import annotations

import re
import signal
import subprocess
from dataclasses import dataclass

from vlcp.lab._plan import EndpointPlan, LabPlan
from vlcp.lab._shell import inside, run
from vlcp.lab.hypervisor import Hypervisor

_ARP = ("retrans_time_ms=50", "mcast_solicit=60", "ucast_solicit=60")
"""Questions are repeated after 50 ms, and not after the kernel's second, but an address is given up after 3 s as ever."""


@dataclass(frozen=True)
class PingResult:
    """Packets sent and answers received."""

    sent: int
    received: int

    @property
    def lost(self) -> int:
        """Number of packets without an answer."""
        return self.sent - self.received


def parse_sequence(output: str) -> PingResult:
    """Read the answers' sequence numbers of a ``ping`` that was interrupted; a last packet without an answer is not counted."""
    sent = parse_ping(output).sent
    answered = {int(number) for number in re.findall(r"icmp_seq=(\d+) ttl=", output)}
    if sent and sent not in answered:
        sent -= 1
    return PingResult(sent, len(answered))


def parse_ping(output: str) -> PingResult:
    """Read the summary line of ``ping``; output without one counts as nothing sent."""
    found = re.search(r"(\d+) packets transmitted, (\d+) received", output)
    return PingResult(int(found.group(1)), int(found.group(2))) if found else PingResult(0, 0)


class Endpoint:
    """A namespace with ``eth0``, cabled to a hypervisor's bridge.

    :param lab: plan of the laboratory
    :param host: the hypervisor
    :param plan: name, addresses and logical port
    """

    def __init__(self, lab: LabPlan, host: Hypervisor, plan: EndpointPlan) -> None:
        self.plan = plan
        self.host = host
        self.namespace = lab.namespace(plan.name)

    @property
    def port_name(self) -> str:
        """Name of the bridge port."""
        return self.plan.name

    @property
    def address(self) -> str:
        """IPv4 address without its prefix length."""
        return (self.plan.ip or "").partition("/")[0]

    def create(self) -> None:
        """Make the namespace, the cable, and the port with its ``iface-id``."""
        run(["ip", "netns", "add", self.namespace])
        self._connect()

    def move(self, host: Hypervisor) -> None:
        """Take the cable off the hypervisor and put it into another one, with the same addresses."""
        self.host.delete_port(self.port_name)
        run(["ip", "-n", self.namespace, "link", "delete", "eth0"])
        self.host = host
        self._connect()

    def _connect(self) -> None:
        run(
            ["ip", "link", "add", "name", "eth0", "netns", self.namespace, "address", self.plan.mac, "type", "veth"]
            + ["peer", "name", self.port_name, "netns", self.host.namespace]
        )
        run(inside(self.namespace, ["sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1"]), check=False)
        run(inside(self.namespace, ["ethtool", "-K", "eth0", "tx", "off"]), check=False)
        run(inside(self.namespace, ["sysctl", "-qw", *(f"net.ipv4.neigh.eth0.{setting}" for setting in _ARP)]), check=False)
        for name in ("lo", "eth0"):
            run(["ip", "-n", self.namespace, "link", "set", "dev", name, "up"])
        if self.plan.ip:
            run(["ip", "-n", self.namespace, "address", "add", self.plan.ip, "dev", "eth0"])
        if self.plan.gateway:
            run(["ip", "-n", self.namespace, "route", "add", "default", "via", self.plan.gateway])
        run(["ip", "-n", self.host.namespace, "link", "set", "dev", self.port_name, "up"])
        self.host.add_port(self.port_name, {"iface-id": self.plan.iface_id})

    def delete(self) -> None:
        """Take the port off the bridge and delete the namespace with its cable."""
        self.host.delete_port(self.port_name)
        run(["ip", "netns", "delete", self.namespace])

    def ping(
        self, address: str, count: int = 1, interval_s: float = 0.1, wait_s: float = 1, broadcast: bool = False
    ) -> PingResult:
        """Send ``count`` echo requests and return what came back.

        :param wait_s: seconds to wait for the last answer
        :param broadcast: allow a broadcast address
        """
        argv = ["ping", "-n", "-q", "-c", str(count), "-i", f"{interval_s:g}", "-W", f"{wait_s:g}"]
        argv += (["-b"] if broadcast else []) + [address]
        limit = count * interval_s + wait_s + 10
        return parse_ping(run(inside(self.namespace, argv), check=False, timeout_s=limit))

    def start_ping(self, address: str, interval_s: float = 0.01) -> BackgroundPing:
        """Start to ping without end; :meth:`BackgroundPing.stop` gives the result."""
        argv = ["ping", "-n", "-i", f"{interval_s:g}", "-W", "1", address]
        return BackgroundPing(inside(self.namespace, argv))


class BackgroundPing:
    """A running ``ping``.

    :param argv: its command
    """

    def __init__(self, argv: list[str]) -> None:
        self._process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def stop(self) -> PingResult:
        """End it and return how many packets were sent and answered; a last one still under way is not counted."""
        self._process.send_signal(signal.SIGINT)
        output, _ = self._process.communicate(timeout=10)
        return parse_sequence(output)
