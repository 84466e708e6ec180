"""Options of the simulation: ``pytest tests/sim --seed 17 -s`` replays one run and shows the end of its trace.

A failure prints the command that replays it.
"""

from __future__ import annotations

import os
from typing import Iterator

import pytest
from support.sim.processes import Simulations

OPTIONS = {
    "--controllers": (2, "number of controllers in the replay"),
    "--steps": (20, "number of random actions in the replay"),
    "--limit": (32, "longer lists are stored in parts in the replay"),
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seed", type=int, default=None, help="replay the simulation with this seed only")
    parser.addoption(
        "--kind",
        default="any",
        help="the replay is plain, routed (with routers) or outside (with forwarding nodes); any: as the seed says",
    )
    for name, (default, text) in OPTIONS.items():
        parser.addoption(name, type=int, default=default, help=text)


def pytest_collection_modifyitems(config: pytest.Config, items: list) -> None:
    """With a seed, run only what replays it; without one, all but that."""
    replaying = config.getoption("--seed", default=None) is not None
    here = [item for item in items if item.path.parent.name == "sim"]
    left_out = [item for item in here if (item.get_closest_marker("replay") is not None) != replaying]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session")
def simulations() -> Iterator[Simulations]:
    """Processes that run simulations: two, or one for each process of a distributed test run."""
    running = Simulations(1 if "PYTEST_XDIST_WORKER" in os.environ else 2)
    yield running
    running.close()
