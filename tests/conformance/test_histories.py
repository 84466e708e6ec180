"""Histories of four processes on each store, with faults: there is a serial order that explains all that they saw.

The seed of a run is printed; ``VLCP_SEED`` sets it. What a failed run logged stays in the directory of its test.
"""

from __future__ import annotations

import os
import random
import shutil
import time

import pytest
from support.acidrun import Run, opened
from support.zkserver import require_zookeeper

SOAK_SECONDS = float(os.environ.get("VLCP_SOAK_SECONDS", "3600"))
_ROUND_SECONDS = 60.0

redis = pytest.param("redis", marks=pytest.mark.redis)
each_store = pytest.mark.parametrize("name", ["sqlite", redis, "zookeeper"])


def seed():
    found = int(os.environ.get("VLCP_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
    print("seed", found)
    return found


@pytest.fixture
def store(name, tmp_path):
    if name == "zookeeper":
        require_zookeeper()
    with opened(name, tmp_path / "store", seed()) as running:
        yield running


def histories(store, directory, seconds, faults, planted=None):
    """Make histories, each longer than the last one: a busy machine does little in the first."""
    for number in range(4):
        made = Run(store, directory / ("history%d" % (number,)), str(number), planted).make(seconds * (number + 1), faults)
        print(made.summary())
        yield made


def finds(kind, made):
    """Return whether one of the histories shows an anomaly."""
    return any(kind in run.kinds() for run in made)


def require_clean(run):
    print(run.summary())
    assert not run.anomalies, run.summary()


@each_store
def test_what_four_processes_saw_is_serializable_whatever_fails(name, store, tmp_path):
    for run in histories(store, tmp_path, 9, store.faults):
        require_clean(run)
        done = [operation for operation in run.operations if operation.outcome == "ok" and operation.appends]
        if len(done) > 10:
            return
    raise AssertionError("nothing was done: " + run.summary())


@pytest.mark.parametrize(
    "name, planted, kind",
    [
        ("sqlite", "no conflict check", "lost update"),
        pytest.param("redis", "no conflict check", "lost update", marks=pytest.mark.redis),
        ("zookeeper", "no conflict check", "lost update"),
        pytest.param("redis", "keys read one by one", "torn read", marks=pytest.mark.redis),
    ],
)
def test_a_store_with_a_part_removed_is_found_out(name, planted, kind, store, tmp_path):
    assert finds(kind, histories(store, tmp_path, 3.5, (), "%s: %s" % (name, planted)))


@pytest.mark.parametrize("name", [redis, "zookeeper"])
def test_a_store_that_takes_a_lost_reply_for_a_failure_is_found_out(name, store, tmp_path):
    planted = name + ": lost reply taken for failure"
    assert finds("duplicated append", histories(store, tmp_path, 6, [store.lose], planted))


@pytest.mark.soak
@pytest.mark.timeout(SOAK_SECONDS + 600)
@each_store
def test_histories_of_an_hour_are_serializable_whatever_fails(name, store, tmp_path):
    end, number = time.monotonic() + SOAK_SECONDS / 3, 0
    while time.monotonic() < end:
        directory = tmp_path / ("history%d" % (number,))
        seconds = max(min(_ROUND_SECONDS, end - time.monotonic()), 9)
        run = Run(store, directory, str(number)).make(seconds, store.faults)
        require_clean(run)
        shutil.rmtree(directory)
        number += 1
