"""1,000 ports over 10 networks on a real switch: from nothing, one port more, deletion; with CPU seconds and memory.

The bridge has dummy ports, so that the switch itself costs little. Times run from the API call to the last acknowledged flow.
"""

from __future__ import annotations

import os
import re
import subprocess
import threading
import time
from typing import Any, Callable

from vlcp.lab.controller import Controller
from vlcp.lab.hypervisor import Hypervisor
from vlcp.lab.topology import Lab

NETWORKS = 10
PORTS = 1000
MORE = 100
TICKS = os.sysconf("SC_CLK_TCK")


def cpu_s(controller: Controller) -> float:
    """Return the processor seconds that a controller has used."""
    with open(f"/proc/{controller.pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_mib(controller: Controller) -> float:
    """Return a controller's resident memory in MiB."""
    with open(f"/proc/{controller.pid}/status", encoding="ascii") as status:
        line = next(line for line in status if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def mac(number: int) -> str:
    """Return the MAC address of a port."""
    return f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}"


def port(number: int) -> dict[str, str]:
    """Return the parameters of a logical port."""
    network = f"net{number % NETWORKS}"
    return {"id": f"p{number}", "logicalnetwork": network, "subnet": network, "mac_address": mac(number)}


def add_dummies(host: Hypervisor, numbers: range) -> None:
    """Add dummy interfaces to the bridge, in one transaction."""
    arguments: list[str] = []
    for number in numbers:
        arguments += ["--", "add-port", "br0", f"d{number}", "--", "set", "Interface", f"d{number}", "type=dummy"]
        arguments += [f"external_ids:iface-id=p{number}"]
    host.vsctl(*arguments[1:], timeout_s=120)


def unicast_flows(host: Hypervisor) -> int:
    """Return the number of ports that the switch forwards to."""
    return host.ofctl("dump-flows", "br0").count("dl_dst=02:00:00:00:")


def measure(host: Hypervisor, action: Callable[[], object], flows: int) -> tuple[float, float]:
    """Carry an action out and wait for its flows; return seconds and processor seconds of the controller."""
    begin, cpu = time.monotonic(), cpu_s(host.controller)
    action()
    while True:
        host.wait_settled(120)
        if unicast_flows(host) == flows:
            return time.monotonic() - begin, cpu_s(host.controller) - cpu
        if time.monotonic() - begin > 120:
            raise RuntimeError(f"{unicast_flows(host)} ports have flows after 120 s, not {flows}")


def create(controller: Controller, ports: list[dict[str, str]]) -> None:
    """Create the networks and the ports."""
    networks = [f"net{number}" for number in range(NETWORKS)]
    controller.api("viperflow", "createphysicalnetwork", type="local", id="phys")
    controller.api("viperflow", "createlogicalnetworks", networks=[{"id": n, "physicalnetwork": "phys"} for n in networks])
    subnets = [{"id": n, "logicalnetwork": n, "cidr": f"10.{i}.0.0/16"} for i, n in enumerate(networks)]
    controller.api("viperflow", "createsubnets", subnets=subnets)
    controller.api("viperflow", "createlogicalports", ports=ports)


class FlowWatch:
    """Tells when the switch gets a flow for a MAC address: lines of ``ovs-ofctl monitor``, with the time of each."""

    def __init__(self, host: Hypervisor) -> None:
        argv = ["ovs-ofctl", "-O", "OpenFlow10", "monitor", "br0", "watch:!initial"]
        environment = {**os.environ, **host.environment}
        self._process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
        self._seen: dict[str, float] = {}
        threading.Thread(target=self._read, daemon=True).start()
        time.sleep(0.5)

    def _read(self) -> None:
        for line in self._process.stdout or ():
            now = time.monotonic()
            for found in re.findall(r"dl_dst=(02:00:00:00:[0-9a-f:]+)", line):
                self._seen.setdefault(found, now)

    def wait(self, address: str, timeout_s: float = 10) -> float:
        """Return the time of the first flow for an address."""
        deadline = time.monotonic() + timeout_s
        while address not in self._seen:
            if time.monotonic() > deadline:
                raise RuntimeError(f"no flow for {address} within {timeout_s:g} s")
            time.sleep(0.001)
        return self._seen[address]

    def stop(self) -> None:
        """End the monitor."""
        self._process.terminate()
        self._process.wait()


def _measure_one_more(host: Hypervisor) -> list[dict[str, Any]]:
    controller, watch, latencies = host.controller, FlowWatch(host), []
    begin = cpu_s(controller)
    for number in range(PORTS, PORTS + MORE):
        called = time.monotonic()
        controller.api("viperflow", "createlogicalport", **port(number))
        latencies.append(watch.wait(mac(number)) - called)
    cpu = (cpu_s(controller) - begin) / MORE
    watch.stop()
    return [
        row("one port more, API call to flow in the switch (median)", sorted(latencies)[MORE // 2] * 1000, "ms"),
        row("one port more, the same (slowest)", max(latencies) * 1000, "ms"),
        row("one port more, CPU with the API call", cpu * 1000, "ms"),
    ]


def _measure_restart(lab: Lab, host: Hypervisor) -> list[dict[str, Any]]:
    ends = []
    for number in range(2):
        name, address = f"end{number}", lab.free_mac()
        result = host.controller.api(
            "viperflow", "createlogicalport", id=name, logicalnetwork="net0", subnet="net0", mac_address=address
        )
        ends.append(lab.add_endpoint(name, host.name, name, "net0", result[0]["ip_address"] + "/16", address))
    host.wait_settled()
    ping = ends[0].start_ping(ends[1].address, interval_s=0.01)
    host.controller.kill()
    begin = time.monotonic()
    host.controller.start()
    host.wait_settled()
    settled = time.monotonic() - begin
    time.sleep(2)
    result = ping.stop()
    return [
        row("kill -9 and start: pings lost, at 100 a second", result.lost, f"of {result.sent}"),
        row("kill -9 and start: until every flow is acknowledged", settled, "s"),
    ]


def row(name: str, value: float, unit: str) -> dict[str, Any]:
    """Return a row without a peer."""
    return {"name": f"{PORTS} ports, {NETWORKS} networks: {name}", "value": value, "unit": unit, "peer": None}


def run() -> list[dict[str, Any]]:
    """Measure on a laboratory of one hypervisor that is removed afterwards."""
    lab = Lab.create("bench")
    host = lab.hosts["hv1"]
    host.switch_options.append("--enable-dummy")
    lab.up()
    try:
        return _measure_all(lab, host)
    finally:
        lab.down()


def _measure_all(lab: Lab, host: Hypervisor) -> list[dict[str, Any]]:
    controller = host.controller
    add_dummies(host, range(PORTS + MORE))
    time.sleep(2)
    host.wait_settled()
    ports = [port(number) for number in range(PORTS)]
    wall, cpu = measure(host, lambda: create(controller, ports), PORTS)
    rows = [row("from nothing", wall, "s"), row("from nothing, CPU", cpu, "s"), row("memory", memory_mib(controller), "MiB")]
    rows += _measure_one_more(host)
    rows += _measure_restart(lab, host)
    everything = [{"id": f"p{number}"} for number in range(PORTS + MORE)]
    wall, cpu = measure(host, lambda: controller.api("viperflow", "deletelogicalports", ports=everything), 0)
    return [*rows, row("delete all ports", wall, "s"), row("delete all ports, CPU", cpu, "s")]
