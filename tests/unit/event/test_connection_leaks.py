"""Flapping connections leave nothing behind: no file descriptors, queues or waiting routines."""

from __future__ import annotations

import os
import pathlib
import random
import subprocess
import sys

TESTS = pathlib.Path(__file__).resolve().parents[2]


def test_flapping_connections_deliver_in_order_and_leave_nothing_behind():
    seed = random.randrange(10**6)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent)])}
    command = [sys.executable, "-m", "support.flapping", str(seed)]
    ended = subprocess.run(command, env=environment, cwd=TESTS, capture_output=True, text=True, timeout=100)
    assert ended.returncode == 0, f"seed {seed}: left open {ended.stdout}{ended.stderr[-3000:]}"
