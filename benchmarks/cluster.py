"""1,000 ports over 10 VXLAN networks on 3 hypervisors with each store: created, changed and deleted, with CPU and memory.

Times run from the first API call to the last acknowledged flow on every hypervisor; each of them gets a flow for every port. The
ports are created and deleted with 250 in a call. Processor seconds and memory are those of the controllers, in their order.
"""

from __future__ import annotations

import pathlib
import sys
import time
from typing import Any

from vlcp.lab.topology import Lab

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests"))

PORTS = 1000
A_MINUTE = 200
CHANGES_S = 30
STORES = ("sqlite", "redis", "zookeeper")


def run() -> list[dict[str, Any]]:
    """Measure with one store after the other, each in a laboratory that is removed afterwards."""
    return [row for store in STORES for row in _run_store(store)]


def _run_store(store: str) -> list[dict[str, Any]]:
    from support.bigcluster import HOSTS

    lab = Lab.create("benchc", hosts=HOSTS, database=store, network="vxlan")
    for host in lab.hosts.values():
        host.switch_options.append("--enable-dummy")
    lab.up()
    try:
        return [
            {"name": f"cluster on {store}: {name}", "value": value, "unit": unit, "peer": None}
            for name, value, unit in _measure(lab)
        ]
    finally:
        lab.down()


def _measure(lab: Lab) -> list[tuple[str, float, str]]:
    from support import bigcluster as big

    big.add_dummies(lab, PORTS + big.HOSTS)
    big.add_networks(lab)
    wall, cpu = big.measure(lab, lambda: big.add_ports(lab, PORTS), PORTS)
    rows = [("1,000 ports from nothing", wall, "s"), *_each(lab, "the same, CPU", cpu, "s")]
    rows += _each(lab, "memory with 1,000 ports", [big.memory_mib(host) for host in lab.hosts.values()], "MiB")
    time.sleep(2)
    used = [big.cpu_s(host) for host in lab.hosts.values()]
    calls = sorted(big.change_ports(lab, PORTS, A_MINUTE, CHANGES_S))
    big.wait_flows(lab, PORTS)
    rows.append((f"{A_MINUTE} changes a minute, API call (median)", calls[len(calls) // 2] * 1000, "ms"))
    rows.append((f"{A_MINUTE} changes a minute, API call (slowest)", calls[-1] * 1000, "ms"))
    cpu = [(big.cpu_s(host) - before) / len(calls) * 1000 for host, before in zip(lab.hosts.values(), used)]
    rows += _each(lab, "one change, CPU", cpu, "ms")
    wall, cpu = big.measure(lab, lambda: big.delete_ports(lab, PORTS), 0)
    return [*rows, ("delete all ports", wall, "s"), *_each(lab, "the same, CPU", cpu, "s")]


def _each(lab: Lab, name: str, values: list[float], unit: str) -> list[tuple[str, float, str]]:
    return [(f"{name}, {host}", value, unit) for host, value in zip(lab.hosts, values)]
