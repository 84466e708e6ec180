"""A host outside: a namespace that no controller knows of, cabled to the forwarding nodes."""

from __future__ import annotations

from typing import Iterable

from vlcp.lab._plan import FAR_ADDRESS, OUT_PORT, OUTSIDE_ADDRESS, OUTSIDE_CABLE, OUTSIDE_CIDR, LabPlan
from vlcp.lab._shell import inside, run
from vlcp.lab.endpoint import BackgroundPing, PingResult, parse_ping
from vlcp.lab.hypervisor import Hypervisor

_SWITCH = "wan"


class OutsideHost:
    """A router with an address in the external network, and one behind it.

    :param plan: the laboratory
    """

    def __init__(self, plan: LabPlan) -> None:
        self.plan = plan
        self.namespace = plan.namespace("outside")
        self.address = OUTSIDE_ADDRESS
        self.far_address = FAR_ADDRESS

    def create(self, hypervisors: Iterable[Hypervisor]) -> None:
        """Make the namespace and a network that joins it to these hypervisors, each with one more port."""
        underlay = self.plan.namespace("net")
        run(["ip", "-n", underlay, "link", "add", _SWITCH, "type", "bridge"])
        run(["ip", "-n", underlay, "link", "set", _SWITCH, "up"])
        run(["ip", "netns", "add", self.namespace])
        run(inside(self.namespace, ["sysctl", "-qw", "net.ipv4.fib_multipath_use_neigh=1"]), check=False)
        run(["ip", "-n", self.namespace, "link", "set", "lo", "up"])
        self._cable("eth0", self.namespace, "outside")
        run(inside(self.namespace, ["ethtool", "-K", "eth0", "tx", "off"]), check=False)
        for host in hypervisors:
            self._cable(OUT_PORT if self.plan.outside == "native" else OUTSIDE_CABLE, host.namespace, f"{host.name}-out")
            host.attach_outside()
        prefix = OUTSIDE_CIDR.partition("/")[2]
        run(["ip", "-n", self.namespace, "address", "add", f"{self.address}/{prefix}", "dev", "eth0"])
        run(["ip", "-n", self.namespace, "address", "add", f"{self.far_address}/32", "dev", "lo"])

    def _cable(self, name: str, namespace: str, other: str) -> None:
        underlay = self.plan.namespace("net")
        run(["ip", "link", "add", "name", name, "netns", namespace, "type", "veth", "peer", "name", other, "netns", underlay])
        run(["ip", "-n", underlay, "link", "set", "dev", other, "master", _SWITCH, "up"])
        run(["ip", "-n", namespace, "link", "set", "dev", name, "up"])

    def route(self, target: str, *hops: str) -> None:
        """Send packets for a network to these next hops, to each of them those of some stations."""
        ways = [word for hop in hops for word in ("nexthop", "via", hop)]
        run(["ip", "-n", self.namespace, "route", "replace", target, *ways])

    def set_mac(self, mac: str) -> None:
        """Change the MAC address that the external network sees."""
        run(["ip", "-n", self.namespace, "link", "set", "dev", "eth0", "address", mac])

    def ping(self, address: str, count: int = 1, interval_s: float = 0.1, wait_s: float = 1) -> PingResult:
        """Send ``count`` echo requests from the address behind the router, and return what came back.

        :param wait_s: seconds to wait for the last answer
        """
        argv = ["ping", "-n", "-q", "-c", str(count), "-i", f"{interval_s:g}", "-W", f"{wait_s:g}", "-I", self.far_address]
        limit = count * interval_s + wait_s + 10
        return parse_ping(run(inside(self.namespace, [*argv, address]), check=False, timeout_s=limit))

    def start_ping(self, address: str, interval_s: float = 0.01) -> BackgroundPing:
        """Start to ping without end; :meth:`BackgroundPing.stop` gives the result."""
        argv = ["ping", "-n", "-i", f"{interval_s:g}", "-W", "1", "-I", self.far_address, address]
        return BackgroundPing(inside(self.namespace, argv))
