"""Whole clusters in one process, from a seed: controllers, switches, databases, and everything that can go wrong."""

from __future__ import annotations

import os

import pytest

SEEDS = int(os.environ.get("VLCP_SIM_SEEDS", "1000"))
"""Simulations in an ordinary test run"""
pytestmark = pytest.mark.timeout(900)
SHARE = 50
"""Seeds of one test, so that the processes of a distributed test run get equal shares"""


@pytest.mark.parametrize("first", range(1, SEEDS + 1, SHARE))
def test_whatever_happens_everything_is_well_in_the_end(simulations, first):
    simulations.run_seeds(first, min(SHARE, SEEDS + 1 - first))


def test_four_controllers_share_a_database(simulations):
    simulations.run_seeds(5001, 10, "--controllers", 4, "--steps", 60)


def test_lists_in_parts_are_as_good_as_whole_ones(simulations):
    simulations.run_seeds(7001, 30, "--steps", 40, "--limit", 2)


def test_the_same_seed_gives_the_same_run_alone_and_among_others(simulations):
    _, among_others = simulations.run("--first", 1, "--count", 10, "--digest")
    alone = [simulations.run("--first", seed, "--digest")[1] for seed in range(1, 11)]
    assert among_others == "".join(alone)
    assert len(set(alone)) == 10, "seeds differ"


PLANTS = {  # those of support.sim.plants, which is not imported here, since that would be slow
    "no_conflict_check": "any",
    "lost_notifications": "any",
    "early_ledger": "any",
    "half_transactions": "any",
    "missing_route": "routed",
    "stale_next_hop": "routed",
    "stale_tunnel": "routed",
    "lasting_offers": "outside",
    "forgotten_withdrawal": "outside",
}
"""The kind of simulation that finds each"""


@pytest.mark.parametrize("plant, kind", PLANTS.items(), ids=list(PLANTS))
def test_a_planted_bug_is_found(simulations, plant, kind):
    status, printed = simulations.run("--first", 1, "--count", SEEDS, "--plant", plant, "--kind", kind)
    assert status == 1, printed
    assert "failed; replay:" in printed


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("controllers", [1, 2, 3, 5])
def test_many_seeds_and_longer_runs(simulations, controllers):
    simulations.run_seeds(10000 * controllers, 2000, "--controllers", controllers, "--steps", 100)


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("kind", ["routed", "outside"])
def test_many_seeds_with_routers_and_with_forwarding_nodes(simulations, kind):
    simulations.run_seeds(60001, 1000, "--kind", kind)


@pytest.mark.replay
@pytest.mark.timeout(0)
def test_replay(pytestconfig, simulations):
    sizes = [text for name in ("--kind", "--controllers", "--steps", "--limit") for text in (name, pytestconfig.getoption(name))]
    status, printed = simulations.run("--first", pytestconfig.getoption("--seed"), "--trace", "--digest", *sizes)
    print(printed)
    assert status == 0, "see what is printed"
