"""1,000 ports over 10 networks behind one router on real switches, with Redis: one bridge, and three hypervisors with tunnels.

The bridges have dummy ports, so that the switches themselves cost little. Times run from the API call to the last acknowledged
flow on every hypervisor. A gap at a restart is seen by routed pings, 100 a second.
"""

from __future__ import annotations

import http.client
import json
import sys
import threading
import time
from typing import Any, Callable

from ports import NETWORKS, PORTS, FlowWatch, add_dummies, cpu_s, mac, memory_mib, port, unicast_flows

from vlcp.lab._plan import API_PORT, OVERLAY_STARTUP
from vlcp.lab._shell import inside
from vlcp.lab._shell import run as run_program
from vlcp.lab.topology import Lab

MORE = 100
LOAD_S = 20
CONNECTIONS = 8
SDN = "vlcp.service.sdn."
STARTUP = (
    *OVERLAY_STARTUP,
    SDN + "icmpresponder.ICMPResponder",
    SDN + "l3router.L3Router",
    SDN + "vrouterapi.VRouterApi",
)
CONFIG = {"server.startup": STARTUP, "module.vxlancast.learning": False, "module.vxlancast.prepush": True}


def row(hosts: int, name: str, value: float, unit: str) -> dict[str, Any]:
    """Return a row without a peer."""
    place = "1 bridge" if hosts == 1 else f"{hosts} hypervisors"
    return {"name": f"{PORTS} ports, {NETWORKS} networks, 1 router, {place}: {name}", "value": value, "unit": unit, "peer": None}


def create(lab: Lab) -> None:
    """Create networks, router and ports."""
    controller = lab.hosts["hv1"].controller
    networks = [f"net{number}" for number in range(NETWORKS)]
    controller.api("viperflow", "createphysicalnetwork", type="vxlan", vnirange=[[10000, 20000]], id="phys")
    controller.api("viperflow", "createphysicalport", physicalnetwork="phys", name="vxlan0")
    controller.api("viperflow", "createlogicalnetworks", networks=[{"id": n, "physicalnetwork": "phys"} for n in networks])
    subnets = [
        {"id": n, "logicalnetwork": n, "cidr": f"10.{i}.0.0/16", "gateway": f"10.{i}.255.254"} for i, n in enumerate(networks)
    ]
    controller.api("viperflow", "createsubnets", subnets=subnets)
    controller.api("vrouterapi", "createvirtualrouter", id="router")
    controller.api("vrouterapi", "addrouterinterfaces", interfaces=[{"router": "router", "subnet": n} for n in networks])
    controller.api("viperflow", "createlogicalports", ports=[port(number) for number in range(PORTS)])


def measure(lab: Lab, action: Callable[[], object], flows: int) -> tuple[float, float]:
    """Carry an action out and wait for its flows; return seconds, and processor seconds of all controllers."""
    hosts = lab.hosts.values()
    begin, cpu = time.monotonic(), sum(cpu_s(host.controller) for host in hosts)
    action()
    for host in hosts:
        while True:
            host.wait_settled(120)
            if unicast_flows(host) == flows:
                break
            if time.monotonic() - begin > 120:
                raise RuntimeError(f"{unicast_flows(host)} ports have flows on {host.name} after 120 s, not {flows}")
    return time.monotonic() - begin, sum(cpu_s(host.controller) for host in hosts) - cpu


def one_more(lab: Lab) -> list[dict[str, Any]]:
    """Create one port after another, and wait for each in the switch that has it."""
    hosts = list(lab.hosts.values())
    controller, watch, latencies = hosts[0].controller, FlowWatch(hosts[-1]), []
    begin = [cpu_s(host.controller) for host in hosts]
    for number in range(PORTS, PORTS + MORE):
        called = time.monotonic()
        controller.api("viperflow", "createlogicalport", **port(number))
        latencies.append(watch.wait(mac(number)) - called)
    cpu = [(cpu_s(host.controller) - before) / MORE for host, before in zip(hosts, begin)]
    watch.stop()
    return [
        row(len(hosts), "one port more, API call to flow in the switch (median)", sorted(latencies)[MORE // 2] * 1000, "ms"),
        row(len(hosts), "one port more, CPU of the controller that is called", cpu[0] * 1000, "ms"),
        row(len(hosts), "one port more, CPU of the controller that has it", cpu[-1] * 1000, "ms"),
    ]


def sustained(lab: Lab) -> list[dict[str, Any]]:
    """Delete and create ports as fast as a controller takes it, and wait for the last flow."""
    hosts = list(lab.hosts.values())
    begin = time.monotonic()
    argv = [sys.executable, __file__, str(PORTS), str(MORE), str(LOAD_S)]
    done = int(run_program(inside(hosts[0].namespace, argv), timeout_s=LOAD_S + 60))
    for host in hosts:
        host.wait_settled(120)
    return [row(len(hosts), "ports created and deleted, one a call", done * 60 / (time.monotonic() - begin), "a minute")]


def load(first: int, count: int, seconds: float) -> int:
    """Delete and create the ports from ``first`` over several connections; return how many calls were answered."""
    until, done = time.monotonic() + seconds, [0] * CONNECTIONS

    def caller(index: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", API_PORT, timeout=30)
        numbers = range(first + index, first + count, CONNECTIONS)
        while time.monotonic() < until:
            for number in numbers:
                for call, body in (("deletelogicalport", {"id": f"p{number}"}), ("createlogicalport", port(number))):
                    headers = {"Content-Type": "application/json"}
                    connection.request("POST", f"/viperflow/{call}", json.dumps(body), headers)
                    answer = connection.getresponse()
                    text = answer.read()
                    if answer.status != 200:
                        raise RuntimeError(f"{call} {number}: {answer.status} {text[:200]!r}")
                    done[index] += 1

    callers = [threading.Thread(target=caller, args=(index,)) for index in range(CONNECTIONS)]
    for one in callers:
        one.start()
    for one in callers:
        one.join()
    return sum(done)


def restart(lab: Lab) -> list[dict[str, Any]]:
    """Kill and start a controller while an endpoint of each of two networks pings the other through the router."""
    host = lab.hosts["hv1"]
    ends = []
    for number in range(2):
        name, address, network = f"end{number}", lab.free_mac(), f"net{number}"
        parameters = {"id": name, "logicalnetwork": network, "subnet": network, "mac_address": address}
        (created,) = host.controller.api("viperflow", "createlogicalport", **parameters)
        ends.append(lab.add_endpoint(name, host.name, name, network, created["ip_address"] + "/16", address))
        run_program(["ip", "-n", ends[-1].namespace, "route", "add", "default", "via", f"10.{number}.255.254"])
    host.wait_settled()
    while not ends[0].ping(ends[1].address, 1, wait_s=0.3).received:
        time.sleep(0.1)
    ping = ends[0].start_ping(ends[1].address)
    host.controller.kill()
    begin = time.monotonic()
    host.controller.start()
    host.wait_settled(60)
    settled = time.monotonic() - begin
    time.sleep(2)
    result = ping.stop()
    return [
        row(len(lab.hosts), "kill -9 and start: routed pings lost, at 100 a second", result.lost, f"of {result.sent}"),
        row(len(lab.hosts), "kill -9 and start: until every flow is acknowledged", settled, "s"),
    ]


def run_lab(hosts: int) -> list[dict[str, Any]]:
    """Measure on a laboratory that is removed afterwards."""
    lab = Lab.create("bench", hosts=hosts, database="redis", network="vxlan")
    for host in lab.hosts.values():
        host.switch_options.append("--enable-dummy")
        host.controller.extra_config.update(CONFIG)
    lab.up()
    try:
        return measure_all(lab)
    finally:
        lab.down()


def measure_all(lab: Lab) -> list[dict[str, Any]]:
    """Create everything, change, restart, delete."""
    hosts = list(lab.hosts.values())
    count = len(hosts)
    share = PORTS // count + 1
    for index, host in enumerate(hosts):
        add_dummies(host, range(index * share, PORTS + MORE if index == count - 1 else (index + 1) * share))
    time.sleep(2)
    for host in hosts:
        host.wait_settled()
    wall, cpu = measure(lab, lambda: create(lab), PORTS)
    rows = [
        row(count, "from nothing", wall, "s"),
        row(count, "from nothing, CPU of all controllers", cpu, "s"),
        row(count, "memory of one controller", memory_mib(hosts[0].controller), "MiB"),
    ]
    rows += [*one_more(lab), *sustained(lab), *restart(lab)]
    everything = [{"id": f"p{number}"} for number in range(PORTS + MORE)]
    wall, cpu = measure(lab, lambda: hosts[0].controller.api("viperflow", "deletelogicalports", ports=everything), 0)
    return [*rows, row(count, "delete all ports", wall, "s"), row(count, "delete all ports, CPU", cpu, "s")]


def run() -> list[dict[str, Any]]:
    """Measure on one bridge and on three hypervisors."""
    return [*run_lab(1), *run_lab(3)]


if __name__ == "__main__":
    print(load(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
