"""A fault of a part loses no more than that part, and everything mends itself when the part is back."""

from __future__ import annotations

import time

import pytest
from support.networks import add_endpoint, add_network, add_physical, api, reaches, settle

from vlcp.lab._shell import LabError
from vlcp.lab.faults import make_fault

pytestmark = pytest.mark.ovs

OUTAGES_S = pytest.mark.parametrize("outage_s", [6, pytest.param(60, marks=pytest.mark.soak)])
REPAIR_S = 10
STORES = {"sqlite": ("sqlite", 1), "redis": ("redis", 1), "zookeeper": ("zookeeper", 3)}


@pytest.fixture(params=[name for name in STORES if name != "sqlite"])
def cluster(request, make_lab):
    """Return a laboratory of two hypervisors on each of the cluster stores, with a ping of 10 packets a second across."""
    database, nodes = STORES[request.param]
    lab = make_lab(hosts=2, database=database, zookeeper_nodes=nodes)
    add_physical(lab, "vlan", vlanrange=[[100, 199]])
    add_network(lab, "red")
    ends = [add_endpoint(lab, f"red{n}", "red", f"hv{n}") for n in (1, 2)]
    settle(lab)
    assert reaches(*ends, within_s=10)
    return lab, ends


def new_port_works(lab, ends, host="hv2"):
    """Create a port and an endpoint, and return the seconds until it reaches another one."""
    begin = time.monotonic()
    while True:
        try:
            newcomer = add_endpoint(lab, "new", "red", host)
            break
        except LabError:
            assert time.monotonic() - begin < REPAIR_S, "no port can be created after the repair"
            time.sleep(0.2)
    assert reaches(newcomer, ends[0], within_s=REPAIR_S)
    return time.monotonic() - begin


def refused_call(lab, name):
    """Try to create a network while the store is away; it must fail within 5 s."""
    begin = time.monotonic()
    with pytest.raises(LabError):
        api(lab, "createlogicalnetwork", id=name, physicalnetwork="phys")
    assert time.monotonic() - begin < 5


def test_a_controller_that_crashes_and_returns_loses_no_packet(cluster):
    lab, ends = cluster
    ping = ends[0].start_ping(ends[1].address, interval_s=0.1)
    make_fault(lab, "kill-controller", ["hv2"])
    time.sleep(1)
    make_fault(lab, "start-controller", ["hv2"])
    settle(lab)
    assert new_port_works(lab, ends) < REPAIR_S
    assert ping.stop().lost == 0


@OUTAGES_S
def test_a_store_that_stops_answers_at_once_and_carries_nothing_out_later(cluster, outage_s):
    lab, ends = cluster
    ping = ends[0].start_ping(ends[1].address, interval_s=0.1)
    for node in lab.databases:
        make_fault(lab, "kill-db", [node])
    refused_call(lab, "ghost1")
    time.sleep(outage_s)
    refused_call(lab, "ghost2")
    for node in lab.databases.values():
        node.start(wait=False)
    for node in lab.databases.values():
        node.wait_ready()
    assert new_port_works(lab, ends) < REPAIR_S
    time.sleep(1)
    assert [network["id"] for network in api(lab, "listlogicalnetworks")] == ["red"]
    assert ping.stop().lost == 0


@OUTAGES_S
def test_a_store_that_hangs_answers_in_time_and_carries_nothing_out_later(cluster, outage_s):
    lab, ends = cluster
    ping = ends[0].start_ping(ends[1].address, interval_s=0.1)
    for node in lab.databases:
        make_fault(lab, "pause-db", [node])
    refused_call(lab, "ghost")
    time.sleep(outage_s)
    for node in lab.databases:
        make_fault(lab, "resume-db", [node])
    assert new_port_works(lab, ends) < REPAIR_S
    assert ping.stop().lost == 0


@OUTAGES_S
def test_a_host_cut_off_from_the_store_catches_up(cluster, outage_s):
    lab, ends = cluster
    ping = ends[0].start_ping(ends[1].address, interval_s=0.1)
    make_fault(lab, "partition", ["hv2", "db"])
    api(lab, "createlogicalnetwork", id="blue", physicalnetwork="phys")
    time.sleep(outage_s)
    make_fault(lab, "heal", ["hv2", "db"])
    assert new_port_works(lab, ends) < REPAIR_S
    assert ping.stop().lost == 0


@pytest.mark.parametrize("cluster", ["zookeeper"], indirect=True)
def test_one_of_three_zookeeper_nodes_may_die(cluster):
    lab, ends = cluster
    ping = ends[0].start_ping(ends[1].address, interval_s=0.1)
    make_fault(lab, "kill-db", ["db1"])
    assert new_port_works(lab, ends) < REPAIR_S
    assert ping.stop().lost == 0


def test_a_switch_that_restarts_gets_its_flows_back(cluster):
    lab, ends = cluster
    make_fault(lab, "kill-switch", ["hv2"])
    lab.hosts["hv2"].stop_switch(("ovsdb-server",))
    make_fault(lab, "start-switch", ["hv2"])
    assert reaches(*ends, within_s=REPAIR_S)
    assert new_port_works(lab, ends) < REPAIR_S


@OUTAGES_S
def test_connections_to_the_store_that_are_reset_every_second_cost_no_traffic_and_no_consistency(cluster, outage_s):
    lab, ends = cluster
    ping = ends[0].start_ping(ends[1].address, interval_s=0.1)
    created, failed = [], 0
    for second in range(outage_s):
        make_fault(lab, "reset-db", ["hv1"])
        make_fault(lab, "reset-db", ["hv2"])
        begin = time.monotonic()
        try:
            api(lab, "createlogicalnetwork", id=f"n{second}", physicalnetwork="phys")
            created.append(f"n{second}")
        except LabError:
            failed += 1
        assert time.monotonic() - begin < 5
        time.sleep(max(0, begin + 1 - time.monotonic()))
    assert len(created) + failed == outage_s
    assert new_port_works(lab, ends) < REPAIR_S
    assert {network["id"] for network in api(lab, "listlogicalnetworks")} >= {"red", *created}
    assert ping.stop().lost == 0
