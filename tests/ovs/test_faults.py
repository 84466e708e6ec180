"""A fault of a part loses no more than that part, and everything mends itself when the part is back."""

from __future__ import annotations

import re
import time
from typing import NamedTuple

import pytest
from support.networks import add_endpoint, add_network, add_physical, add_tunnels, api, reaches, settle

from vlcp.lab._shell import LabError, wait_until
from vlcp.lab.controller import ApiError
from vlcp.lab.endpoint import BackgroundPing, Endpoint
from vlcp.lab.faults import make_fault
from vlcp.lab.topology import Lab

pytestmark = [pytest.mark.ovs, pytest.mark.timeout(240)]

OUTAGES_S = pytest.mark.parametrize("outage_s", [6, pytest.param(60, marks=pytest.mark.soak)])
REPAIR_S = 10
ANSWER_S = 5
STARTING_S = 30
NODES = {"redis": 1, "zookeeper": 3}
SESSION_S = 4


class Cluster(NamedTuple):
    """Two hypervisors, an endpoint on each, and a ping of 10 packets a second between them."""

    lab: Lab
    ends: list[Endpoint]
    ping: BackgroundPing


def clusters(*pairs, soak=()):
    """Parametrize the fixture with (store, what joins hypervisors); those in ``soak`` are left to ``make soak``."""
    marked = [pytest.param(pair, marks=pytest.mark.soak) for pair in soak]
    return pytest.mark.parametrize("cluster", [*pairs, *marked], indirect=True, ids="-".join)


EVERYWHERE = clusters(
    *(("redis", "vlan"), ("zookeeper", "vxlan")),
    soak=[("redis", "vxlan"), ("zookeeper", "vlan")],
)
ON_ZOOKEEPER = clusters(("zookeeper", "vxlan"), soak=[("zookeeper", "vlan")])
ON_REDIS = clusters(("redis", "vxlan"), soak=[("redis", "vlan")])


@pytest.fixture
def cluster(request, make_lab):
    """Return a :class:`Cluster` on a store, with VLAN or VXLAN between the hypervisors."""
    return make_cluster(make_lab, *request.param)


def make_cluster(make_lab, database, network, config=None):
    lab = make_lab(hosts=2, database=database, zookeeper_nodes=NODES[database], network=network, config=config)
    if network == "vxlan":
        add_tunnels(lab)
    else:
        add_physical(lab, "vlan", vlanrange=[[100, 199]])
    add_network(lab, "red")
    ends = [add_endpoint(lab, f"red{n}", "red", f"hv{n}") for n in (1, 2)]
    settle(lab)
    assert reaches(*ends, within_s=10)
    return Cluster(lab, ends, ends[0].start_ping(ends[1].address, interval_s=0.1))


def repaired(lab, ends, host="hv2"):
    """Create a port and an endpoint as soon as it can be done; both must be reached within 10 s of the repair."""
    begin = time.monotonic()
    while True:
        try:
            newcomer = add_endpoint(lab, "new", "red", host)
            break
        except LabError:
            assert time.monotonic() - begin < REPAIR_S, "no port can be created after the repair"
            time.sleep(0.2)
    left = REPAIR_S - (time.monotonic() - begin)
    assert reaches(newcomer, ends[0], within_s=left)
    assert reaches(ends[1], newcomer, within_s=left)
    assert time.monotonic() - begin < REPAIR_S


def assert_nothing_lost(ping):
    """Nothing was lost up to a second after the repair."""
    time.sleep(1)
    result = ping.stop()
    assert result.sent > 10
    assert result.lost == 0


def refused_call(lab, name, host="hv1"):
    """Try to create a network while the store is away; it must be refused within 5 s, for the store's sake."""
    begin = time.monotonic()
    with pytest.raises(ApiError) as refused:
        lab.hosts[host].controller.api("viperflow", "createlogicalnetwork", id=name, physicalnetwork="phys")
    assert time.monotonic() - begin < ANSWER_S
    assert refused.value.status == 503
    assert lab.plan.database in refused.value.error.lower()


def networks(lab):
    return {network["id"] for network in api(lab, "listlogicalnetworks")}


def no_ghosts(lab):
    """The calls that were refused are not carried out, also not later."""
    time.sleep(1)
    assert networks(lab) == {"red"}


@EVERYWHERE
def test_a_controller_that_crashes_and_returns_loses_no_packet(cluster):
    make_fault(cluster.lab, "kill-controller", ["hv2"])
    time.sleep(1)
    make_fault(cluster.lab, "start-controller", ["hv2"])
    repaired(cluster.lab, cluster.ends)
    assert_nothing_lost(cluster.ping)


@EVERYWHERE
@OUTAGES_S
def test_a_store_that_stops_answers_at_once_and_carries_nothing_out_later(cluster, outage_s):
    lab = cluster.lab
    for node in lab.databases:
        make_fault(lab, "kill-db", [node])
    refused_call(lab, "ghost1")
    time.sleep(outage_s)
    refused_call(lab, "ghost2", "hv2")
    for node in lab.databases.values():
        node.start(wait=False)
    for node in lab.databases.values():
        node.wait_ready(STARTING_S)
    repaired(lab, cluster.ends)
    no_ghosts(lab)
    assert_nothing_lost(cluster.ping)


@EVERYWHERE
@OUTAGES_S
def test_a_store_that_hangs_answers_in_time_and_carries_nothing_out_later(cluster, outage_s):
    lab = cluster.lab
    for node in lab.databases:
        make_fault(lab, "pause-db", [node])
    refused_call(lab, "ghost1")
    time.sleep(outage_s)
    refused_call(lab, "ghost2", "hv2")
    for node in lab.databases:
        make_fault(lab, "resume-db", [node])
    repaired(lab, cluster.ends)
    no_ghosts(lab)
    assert_nothing_lost(cluster.ping)


@EVERYWHERE
@OUTAGES_S
def test_a_host_cut_off_from_the_store_catches_up(cluster, outage_s):
    lab = cluster.lab
    make_fault(lab, "partition", ["hv2", "db"])
    api(lab, "createlogicalnetwork", id="blue", physicalnetwork="phys")
    refused_call(lab, "ghost", "hv2")
    time.sleep(outage_s)
    make_fault(lab, "heal", ["hv2", "db"])
    repaired(lab, cluster.ends)
    assert networks(lab) == {"red", "blue"}
    assert_nothing_lost(cluster.ping)


@ON_REDIS
def test_redis_restarting_costs_at_most_the_calls_meanwhile(cluster):
    created = {"red"}
    for number in range(3):
        make_fault(cluster.lab, "stop-db", ["db1"])
        refused_call(cluster.lab, f"ghost{number}")
        make_fault(cluster.lab, "start-db", ["db1"])
        created.add(wait_until(lambda number=number: attempt(cluster.lab, f"n{number}"), REPAIR_S, "a call that works"))
    repaired(cluster.lab, cluster.ends)
    assert networks(cluster.lab) == created
    assert_nothing_lost(cluster.ping)


def attempt(lab, name):
    """Create a logical network and return its id; return nothing when the store is away, within 5 s."""
    begin = time.monotonic()
    try:
        api(lab, "createlogicalnetwork", id=name, physicalnetwork="phys")
    except LabError:
        assert time.monotonic() - begin < ANSWER_S
        return None
    assert time.monotonic() - begin < ANSWER_S
    return name


@ON_ZOOKEEPER
def test_one_of_three_zookeeper_nodes_may_die_even_if_it_leads(cluster):
    lab = cluster.lab
    (leader,) = [name for name, node in lab.databases.items() if "Mode: leader" in node.ask("srvr")]
    make_fault(lab, "kill-db", [leader])
    wait_until(lambda: attempt(lab, "blue"), REPAIR_S, "a call that works")
    repaired(lab, cluster.ends)
    make_fault(lab, "start-db", [leader])
    assert networks(lab) == {"red", "blue"}
    assert_nothing_lost(cluster.ping)


def session_of(lab, host):
    """Return the ids of a hypervisor's sessions, as the ZooKeeper servers tell them."""
    address = re.escape(lab.plan.management_address(host))
    said = "".join(node.ask("cons") for node in lab.databases.values())
    return set(re.findall(rf"/{address}:\d+\[1\]\(.*?sid=(0x[0-9a-f]+)", said))


def live_sessions(lab):
    """Return the ids of all sessions that any ZooKeeper server knows."""
    said = [node.ask("dump") for node in lab.databases.values()]
    assert all("SessionTracker" in one for one in said)
    return set(re.findall(r"0x[0-9a-f]+", "".join(said)))


@pytest.mark.parametrize("network", [pytest.param("vlan", marks=pytest.mark.soak), "vxlan"])
def test_a_session_that_has_expired_is_replaced_and_nothing_is_missed(make_lab, network):
    cluster = make_cluster(make_lab, "zookeeper", network, {"zookeeperclient.sessiontimeout": SESSION_S})
    lab = cluster.lab
    before = session_of(lab, "hv2")
    assert len(before) == 1
    make_fault(lab, "partition", ["hv2", "db"])
    refused_call(lab, "ghost", "hv2")
    moved = add_endpoint(lab, "old", "red", "hv1")
    api(lab, "deletelogicalport", id="lp-old")
    wait_until(lambda: not before & live_sessions(lab), STARTING_S, "end of the session", step_s=0.5)
    make_fault(lab, "heal", ["hv2", "db"])
    repaired(lab, cluster.ends)
    after = wait_until(lambda: session_of(lab, "hv2"), REPAIR_S, "the new session")
    assert len(after) == 1 and not after & before
    settle(lab)
    assert not any(moved.plan.mac in line for host in lab.hosts.values() for line in host.dump_flows())
    assert networks(lab) == {"red"}
    assert_nothing_lost(cluster.ping)


@EVERYWHERE
def test_a_switch_daemon_that_restarts_gets_its_flows_back(cluster):
    lab, (left, right), across = cluster
    beside = add_endpoint(lab, "beside", "red", "hv1")
    assert reaches(beside, left)
    others = beside.start_ping(left.address, interval_s=0.1)
    make_fault(lab, "kill-switch", ["hv2"])
    time.sleep(1)
    make_fault(lab, "start-switch", ["hv2"])
    assert reaches(left, right, within_s=REPAIR_S)
    repaired(lab, [left, right])
    assert_nothing_lost(others)
    assert across.stop().received > 0


@EVERYWHERE
@OUTAGES_S
def test_connections_to_the_store_that_are_reset_every_second_cost_no_traffic_and_no_consistency(cluster, outage_s):
    lab = cluster.lab
    created = {"red"}
    for second in range(outage_s):
        begin = time.monotonic()
        for host in lab.hosts:
            make_fault(lab, "reset-db", [host])
        name = attempt(lab, f"n{second}")
        created.update([name] if name else [])
        time.sleep(max(0, begin + 1 - time.monotonic()))
    repaired(lab, cluster.ends)
    assert networks(lab) >= created
    assert_nothing_lost(cluster.ping)
