"""What the metrics say of a real switch is what the switch says."""

from __future__ import annotations

import pytest
from support.networks import add_endpoint, add_network, add_physical, reaches, settle

pytestmark = pytest.mark.ovs


def numbers(lab):
    """Return ``{metric: [(labels, value)]}`` of the controller."""
    found = lab.hosts["hv1"].controller.api("metrics", "all")
    return {name: samples for name, _kind, _help, samples in found}


def latency(found):
    """Return how many times from a change to its acknowledged flows were measured, and their sum in seconds."""
    ((labels, (_buckets, count, total)),) = found["vlcp_programming_latency_seconds"]
    assert int(labels["datapath"], 16) > 0
    return count, total


def test_flows_and_their_latency_are_counted(make_lab):
    lab = make_lab()
    controller = lab.hosts["hv1"].controller
    controller.api("manager", "loadmodule", path="vlcp.service.manage.metrics.Metrics")
    add_physical(lab, "vlan", vlanrange=[[100, 199]])
    add_network(lab, "red")
    ends = [add_endpoint(lab, f"red{n}", "red") for n in (1, 2)]
    settle(lab)
    assert reaches(*ends)
    found = numbers(lab)
    (labels, connected), *others = found["vlcp_switches"]
    assert (labels, connected, others) == ({}, 1, [])
    assert sum(count for _, count in found["vlcp_flows"]) == len(lab.hosts["hv1"].dump_flows())
    assert [count for _, count in found["vlcp_rows_owed"]] == [0]
    assert [count for _, count in found["vlcp_rows_refused"]] == [0]
    before = latency(found)
    controller.api("viperflow", "deletelogicalport", id="lp-red2")
    settle(lab)
    count, total = (after - earlier for after, earlier in zip(latency(numbers(lab)), before))
    assert count >= 1
    assert 0 < total / count < 5
