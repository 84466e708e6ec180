"""A hypervisor that joins a running cluster reaches everything within 5 s."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.networks import add_endpoint, add_network, add_physical, add_tunnels, reaches, settle

from vlcp.lab._shell import wait_until

pytestmark = pytest.mark.ovs

JOIN_S = 5


def make_network(lab):
    """Create the physical network that suits the laboratory, and a logical one."""
    if lab.plan.network == "vxlan":
        add_tunnels(lab)
    else:
        add_physical(lab, "vlan", vlanrange=[[100, 199]])
    add_network(lab, "red")


def first_answer(pair):
    source, target = pair
    wait_until(lambda: source.ping(target.address, 1, wait_s=0.2).received, 30, f"{source.plan.name} reaching {target.plan.name}")


def tunnels(lab):
    """Return to how many others the groups of the hypervisors send."""
    groups = [group.count("tun_dst") for host in lab.hosts.values() for group in host.dump_groups()]
    return {count for count in groups if count}


@pytest.mark.parametrize(("network", "database"), [("vlan", "redis"), ("vxlan", "zookeeper")])
def test_a_fourth_hypervisor_joins_and_reaches_all_within_5_s(make_lab, network, database):
    lab = make_lab(hosts=3, network=network, database=database)
    make_network(lab)
    ends = [add_endpoint(lab, f"red{n}", "red", f"hv{n}") for n in (1, 2, 3)]
    settle(lab)
    assert all(reaches(ends[n], ends[n - 1]) for n in range(3))
    pings = [ends[0].start_ping(ends[1].address, interval_s=0.1), ends[1].start_ping(ends[2].address, interval_s=0.1)]
    host = lab.add_host(controller=False)
    if network == "vlan":
        host.attach_trunk()
    newcomer = add_endpoint(lab, "red4", "red", host.name)
    begin = time.monotonic()
    host.controller.start()
    pairs = [*((newcomer, other) for other in ends), *((other, newcomer) for other in ends)]
    with ThreadPoolExecutor(len(pairs)) as pool:
        list(pool.map(first_answer, pairs))
    took = time.monotonic() - begin
    assert took < JOIN_S
    assert [ping.stop().lost for ping in pings] == [0, 0]
    if network == "vxlan":
        wait_until(lambda: tunnels(lab) == {3}, 10, "tunnels from each to every other", step_s=0.1)
    lab.remove_host(host.name)
    assert tunnels(lab) == ({2} if network == "vxlan" else set())
    assert all(reaches(ends[n], ends[n - 1]) for n in range(3))
