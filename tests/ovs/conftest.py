"""Laboratories with a real Open vSwitch for the tests of this folder."""

from __future__ import annotations

import itertools
import os
import shutil

import pytest

from vlcp.lab.topology import Lab, down

_numbers = itertools.count()


@pytest.fixture
def make_lab(tmp_path):
    """Return a function that makes a running laboratory; whatever was made is removed at the end, and its logs are kept."""
    made = []

    def make(hosts=1, config=None, controllers=True, switch_options=(), **store):
        prefix = f"t{os.getpid() % 10000}x{next(_numbers)}"
        lab = Lab.create(prefix, hosts=hosts, **store)
        made.append(lab)
        for host in lab.hosts.values():
            host.controller.extra_config.update(config or {})
            host.switch_options += switch_options
        lab.up(controllers)
        return lab

    yield make
    for lab in made:
        for host in lab.hosts.values():
            host.controller.stop()
            if os.path.exists(host.controller.log_path):
                shutil.copy(host.controller.log_path, tmp_path / f"{lab.plan.prefix}-{host.name}.log")
        down(lab.plan.prefix, lab.plan.directory)
    for lab in made:
        for host in lab.hosts:
            log = tmp_path / f"{lab.plan.prefix}-{host}.log"
            text = log.read_text() if log.exists() else ""
            assert "Traceback" not in text, f"an exception in the log of {host}:\n{text[-4000:]}"
