"""1,000 logical ports on three hypervisors: they come, change and go in time, and nobody else's traffic notices.

What a change costs those that it does not concern is counted by the switch and the database, not by the controller itself.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import time

import pytest
from support.bigcluster import add_dummies, add_networks, add_ports, change_ports, delete_ports, measure, wait_flows
from support.networks import add_endpoint, add_network, add_tunnels, api, reaches, settle

from vlcp.lab._shell import inside, run, wait_until

pytestmark = pytest.mark.ovs

STORES = ("sqlite", "redis", "zookeeper")
PORTS = 1000
SPARE = 3
FEW, MANY = 4, 100
A_MINUTE = 200
CREATED_S = {"sqlite": 3, "redis": 3, "zookeeper": 8}
SLOWER = 5
"""How much slower than alone on the machine the tests may be."""


def at_rate(stores, seconds, *marks):
    return [
        pytest.param(store, seconds, marks=[*marks, pytest.mark.timeout(180 + 2 * seconds)], id=f"{store}-{seconds}s")
        for store in stores
    ]


@pytest.mark.parametrize(
    ("store", "changes_s"),
    [*at_rate(STORES, 60), *at_rate(STORES, 600, pytest.mark.soak)],
)
def test_a_thousand_ports_are_created_changed_and_deleted_while_pings_go_on(make_lab, store, changes_s):
    lab = make_lab(hosts=3, database=store, network="vxlan", switch_options=["--enable-dummy"])
    add_dummies(lab, PORTS + SPARE)
    add_networks(lab)
    ends = [add_endpoint(lab, f"end{n}", f"net{n % 2}", f"hv{n}") for n in (1, 2, 3)]
    beside = add_endpoint(lab, "beside", "net1", "hv1")
    settle(lab)
    pairs = [(ends[0], ends[2]), (ends[2], beside), (beside, ends[0])]
    assert all(reaches(*pair, within_s=10) for pair in pairs)
    pings = [source.start_ping(target.address, interval_s=0.1) for source, target in pairs]
    created_s, _ = measure(lab, lambda: add_ports(lab, PORTS), PORTS)
    assert created_s < CREATED_S[store] * SLOWER
    calls = list(change_ports(lab, PORTS, A_MINUTE, changes_s))
    assert len(calls) == A_MINUTE * changes_s // 60
    assert max(calls) < 5
    wait_flows(lab, PORTS)
    delete_ports(lab, PORTS)
    wait_flows(lab, 0)
    assert [ping.stop().lost for ping in pings] == [0, 0, 0]


@contextlib.contextmanager
def flow_changes(host):
    """Collect the switch's own reports of flows that were added, changed or removed."""
    lines = []
    argv = ["ovs-ofctl", "-O", "OpenFlow10", "monitor", "br0", "watch:!initial"]
    environment = {**os.environ, **host.environment}
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment) as monitor:
        time.sleep(0.5)
        yield lines
        time.sleep(0.5)
        monitor.terminate()
        lines += [line for line in monitor.stdout if "event=" in line]


@contextlib.contextmanager
def redis_reads(lab, host):
    """Collect the commands that Redis gets from a hypervisor."""
    (node,) = lab.databases.values()
    commands = []
    argv = inside(node.namespace, ["redis-cli", "-h", node.address, "monitor"])
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as monitor:
        assert monitor.stdout.readline() == "OK\n"
        yield commands
        monitor.terminate()
        address = lab.plan.management_address(host)
        commands += [line for line in monitor.stdout if f" {address}:" in line and '"PING"' not in line.upper()]


@contextlib.contextmanager
def zookeeper_reads(lab, host):
    """Collect the requests that ZooKeeper gets from a hypervisor, as its counters tell, without those that keep the session."""
    before, began = received(lab, host), time.monotonic()
    requests = []
    yield requests
    kept = (time.monotonic() - began) / 3 + 2
    requests += range(int(max(0, received(lab, host) - before - kept)))


def received(lab, host):
    (node,) = lab.databases.values()
    found = wait_until(lambda: re.search(rf"/{lab.plan.management_address(host)}:.*?recved=(\d+)", node.ask("cons")), 10, "cons")
    return int(found.group(1))


@pytest.mark.parametrize(
    ("store", "reads", "notification"),
    [pytest.param("redis", redis_reads, 0, id="redis"), pytest.param("zookeeper", zookeeper_reads, 3, id="zookeeper")],
)
def test_a_change_costs_those_that_do_not_have_its_network_neither_a_read_nor_a_flow(make_lab, store, reads, notification):
    lab = make_lab(hosts=3, database=store, network="vxlan")
    add_tunnels(lab)
    for network in ("red", "blue"):
        add_network(lab, network)
    for network, host in (("red", "hv1"), ("red", "hv2"), ("blue", "hv2"), ("blue", "hv3")):
        add_endpoint(lab, f"{network}{host}", network, host)
    settle(lab)
    time.sleep(2)
    with flow_changes(lab.hosts["hv3"]) as unconcerned, flow_changes(lab.hosts["hv2"]) as concerned:
        with reads(lab, "hv3") as unneeded, reads(lab, "hv2") as needed:
            change_few(lab)
        with reads(lab, "hv3") as told:
            change_many(lab)
    assert len(concerned) >= 2 * FEW
    assert len(needed) >= 2 * FEW
    assert unconcerned == []
    assert unneeded == []
    assert len(told) <= 2 * notification


def change_few(lab):
    """Add and remove a few ports one by one; those that follow their network are told."""
    other = lab.hosts["hv2"]
    for number in range(FEW):
        endpoint = add_endpoint(lab, f"red{number}", "red", "hv1")
        wait_until(lambda mac=endpoint.plan.mac: has_flow(other, mac), 10, "flow for the new port")
    for number in range(FEW):
        api(lab, "deletelogicalport", id=f"lp-red{number}")
    wait_until(lambda: not has_flow(other, endpoint.plan.mac), 10, "end of the flow")


def change_many(lab):
    """Add and remove many ports at once; everybody is told, since they have too many keys to tell the followers of each."""
    many = [f"many{number}" for number in range(MANY)]
    api(lab, "createlogicalports", ports=[{"id": name, "logicalnetwork": "red", "subnet": "red"} for name in many])
    api(lab, "deletelogicalports", ports=[{"id": name} for name in many])
    time.sleep(1)


def has_flow(host, mac):
    return f"dl_dst={mac}" in run(["ovs-ofctl", "-O", "OpenFlow13", "dump-flows", "br0"], env=host.environment)
