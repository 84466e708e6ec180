"""What one change writes and reads, by the number of ports that exist."""

from __future__ import annotations

import pytest
from support.portcluster import Cluster

from vlcp.service.sdn import _resources_ports as ports
from vlcp.service.sdn._resources import LOGICAL_PORT, requests
from vlcp.utils.growing import holder_of
from vlcp.utils.networkmodel import (
    LogicalPortSet,
    SubNetMap,
)

SIZES = (10, 1000, 5000)


@pytest.fixture(scope="module")
def clusters():
    return {size: Cluster().grown_to(size) for size in SIZES}


@pytest.mark.parametrize("verb", ["create", "delete"])
def test_one_port_costs_the_same_among_few_and_many(clusters, verb):
    costs = {}
    for size, cluster in clusters.items():
        made = []
        costs[size] = cluster.costs(lambda cluster=cluster, made=made: made.extend(cluster.create(1)))
        if verb == "delete":
            costs[size] = cluster.costs(lambda cluster=cluster, made=made: cluster.delete(made.pop()))
    assert all(large < 2 * small for small, large in zip(costs[10], costs[5000])), costs
    assert all(abs(large - small) < 0.2 * small for small, large in zip(costs[1000], costs[5000])), costs


def test_no_value_grows_with_the_number_of_ports(clusters):
    store = clusters[5000].store
    assert max(map(len, store.data.values())) < 16384
    assert len(store.members(LogicalPortSet.default_key())) == clusters[5000].count - _deleted(clusters[5000])
    assert len(store.entries(SubNetMap.default_key("sub"), "allocated_ips")) == len(store.members(LogicalPortSet.default_key()))


def _deleted(cluster):
    return cluster.count - sum(key.startswith("viperflow.logicalport.") for key in cluster.store.data)


def test_the_shared_form_costs_more_and_has_no_parts():
    cluster = Cluster(shared=True).grown_to(1000)
    cluster.create(1)
    assert cluster.store.cost() > 10000
    assert not any(map(holder_of, cluster.store.data))


def test_ports_with_given_addresses_take_few_rounds(clusters):
    cluster = clusters[1000]
    made = []
    for last in (1, 2):
        items = [
            {"id": f"given-{last}-{n}", "logicalnetwork": "net", "subnet": "sub", "ip_address": f"10.0.{n}.{last}"}
            for n in range(50, 250)
        ]
        found = requests(LOGICAL_PORT, items, create=True)
        cluster.store.write(ports.create(found), ports.create_keys(found))
        made += [item["id"] for item in items]
        assert cluster.store.rounds <= 8
    cluster.delete(*made)
    assert cluster.store.rounds <= 8


def test_nothing_is_left_when_all_ports_are_deleted():
    cluster = Cluster()
    empty = set(cluster.store.data)
    ids = cluster.create(700)
    for start in range(0, 690, 23):
        cluster.delete(*ids[start : start + 23])
    for port in ids[690:]:
        cluster.delete(port)
    assert set(cluster.store.data) == empty
