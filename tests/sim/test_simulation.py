"""Whole clusters in one process, from a seed: controllers, switches, databases, and everything that can go wrong."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest

TESTS = pathlib.Path(__file__).resolve().parents[1]
PROCESSES = 2
SEEDS = int(os.environ.get("VLCP_SIM_SEEDS", "40"))
"""Simulations in an ordinary test run; a thousand take about 90 seconds on two cores"""


def start(*arguments):
    """Start a process that runs simulations."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent)]), "PYTHONHASHSEED": "0"}
    command = [sys.executable, "-m", "support.sim.run", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, cwd=TESTS)


def run(*arguments):
    """Run simulations and return (exit status, what was printed)."""
    process = start(*arguments)
    printed, _ = process.communicate()
    return process.returncode, printed


def run_seeds(first, count, *arguments):
    """Run many seeds in several processes; fail with what they print."""
    share = count // PROCESSES
    processes = [start("--first", first + n * share, "--count", share, *arguments) for n in range(PROCESSES)]
    printed = "".join(process.communicate()[0] for process in processes)
    assert not any(process.returncode for process in processes), printed


@pytest.mark.timeout(900)
def test_whatever_happens_everything_is_well_in_the_end():
    run_seeds(1, SEEDS, "--steps", 20)


def test_four_controllers_share_a_database():
    run_seeds(5001, 10, "--controllers", 4, "--steps", 60)


def test_the_same_seed_gives_the_same_run():
    arguments = ("--first", 1, "--count", 10, "--steps", 40, "--digest")
    first, second = start(*arguments), start(*arguments)
    one, other = first.communicate()[0], second.communicate()[0]
    assert one == other
    assert len(set(one.split("\n"))) > 10, "seeds differ"


@pytest.mark.parametrize("plant", ["no_conflict_check", "lost_notifications", "early_ledger", "half_transactions"])
def test_a_planted_bug_is_found(plant):
    status, printed = run("--first", 1, "--count", 60, "--steps", 40, "--plant", plant)
    assert status == 1, printed
    assert "failed; replay:" in printed


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("controllers", [1, 2, 3, 5])
def test_many_seeds_and_longer_runs(controllers):
    run_seeds(10000 * controllers, 2000, "--controllers", controllers, "--steps", 100)


@pytest.mark.replay
@pytest.mark.timeout(0)
def test_replay(pytestconfig):
    sizes = [text for name in ("--controllers", "--steps") for text in (name, pytestconfig.getoption(name))]
    status, printed = run("--first", pytestconfig.getoption("--seed"), "--trace", "--digest", *sizes)
    print(printed)
    assert status == 0, "see what is printed"
