"""Shared rules of the test suite.

A component that a test needs and the machine lacks makes the test skip with its reason; with ``CI=true`` it fails instead,
so that a green run means that everything was run.
"""

from __future__ import annotations

import os
import shutil
import signal

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")
NEEDS = {
    "ovs": ("ovs-vswitchd", "ovsdb-server", "ip"),
    "redis": ("redis-server",),
    "telnet": ("telnet",),
    "nginx": ("nginx",),
    "browser": ("chromium", "chromedriver"),
}


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts what runs in the background so, and every program that a test starts would inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def missing_component(marker: str) -> str | None:
    """Name what the marker's tests need and this machine lacks, or ``None``."""
    lacking = [program for program in NEEDS[marker] if shutil.which(program) is None]
    if lacking:
        return "not installed: " + ", ".join(lacking)
    if marker == "ovs" and os.geteuid() != 0:
        return "not root, so no network namespaces"
    return None


MOST_AGAIN = 5
"""So many failures may be those of a busy machine."""
STEADY = ("tests/golden/", "tests/model/", "tests/sim/", "tests/test_")
"""Tests below these neither measure time nor talk to other processes, so what they find must not be put down to the machine."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option by which ``make test`` tells a busy machine from a fault."""
    parser.addoption(
        "--again",
        action="store_true",
        help=f"run what failed last again and alone: {MOST_AGAIN} tests at most, and none whose result time cannot change",
    )


def failed_for_time(config: pytest.Config, items: list[pytest.Item]) -> list[pytest.Item]:
    """Return the tests that failed in the last run.

    :raises pytest.UsageError: there are too many, or time cannot have changed the result of one
    """
    failed = config.cache.get("cache/lastfailed", {}) if config.cache else {}
    again = [item for item in items if item.nodeid in failed]
    steady = [item.nodeid for item in again if item.nodeid.startswith(STEADY)]
    if len(again) != len(failed) or not 0 < len(again) <= MOST_AGAIN or steady:
        raise pytest.UsageError(f"{len(failed)} failed; not run again: " + (", ".join(steady) or "too many"))
    return again


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave long tests to ``make soak`` unless they are asked for with ``-m soak``."""
    if config.getoption("--again"):
        items[:] = failed_for_time(config, items)
        print("again and alone: " + ", ".join(item.nodeid for item in items))
        return
    if "soak" in (config.getoption("-m") or ""):
        return
    kept = [item for item in items if item.get_closest_marker("soak") is None]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip, or in CI fail, a test whose component is missing."""
    for marker in NEEDS:
        if item.get_closest_marker(marker) is None:
            continue
        reason = missing_component(marker)
        if reason is None:
            continue
        if os.environ.get("CI") == "true":
            pytest.fail(f"{item.nodeid}: {reason}; in CI nothing is skipped")
        pytest.skip(reason)
