"""Options of the simulation: ``pytest tests/sim --seed 17 -s`` replays one run and shows the end of its trace.

A failure prints the command that replays it.
"""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seed", type=int, default=None, help="replay the simulation with this seed only")
    parser.addoption("--controllers", type=int, default=2, help="number of controllers in the replay")
    parser.addoption("--steps", type=int, default=20, help="number of random actions in the replay")


def pytest_collection_modifyitems(config: pytest.Config, items: list) -> None:
    """With a seed, run only what replays it; without one, all but that."""
    replaying = config.getoption("--seed", default=None) is not None
    here = [item for item in items if item.path.parent.name == "sim"]
    left_out = [item for item in here if (item.get_closest_marker("replay") is not None) != replaying]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
