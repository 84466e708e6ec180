"""Processes that carry out simulations for tests; they import everything once and serve many requests."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
from typing import Any

END = "end of run, status"
"""What a process of :mod:`support.sim.run` prints after each request, with the exit status of its run"""
TESTS = pathlib.Path(__file__).resolve().parents[2]


class Server:
    """A process that runs simulations, one request at a time."""

    def __init__(self) -> None:
        path = os.pathsep.join([str(TESTS), str(TESTS.parent)])
        self._process = subprocess.Popen(
            [sys.executable, "-m", "support.sim.run", "--serve"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": "0"},
            cwd=TESTS,
        )

    def request(self, *arguments: Any) -> None:
        """Begin to carry out a command line of :mod:`support.sim.run`."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([str(one) for one in arguments]) + "\n")
        self._process.stdin.flush()

    def result(self) -> tuple[int, str]:
        """Wait for the end of the first request that has no result yet; return its exit status and what it printed."""
        assert self._process.stdout is not None
        printed = []
        for line in self._process.stdout:
            if line.startswith(END):
                return int(line[len(END) :]), "".join(printed)
            printed.append(line)
        return self._process.wait(), "".join(printed) + "the process has ended"

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()


class Simulations:
    """Some processes that share simulations.

    :param processes: their number
    """

    def __init__(self, processes: int) -> None:
        self._servers = [Server() for _ in range(processes)]

    def run(self, *arguments: Any) -> tuple[int, str]:
        """Carry out a command line; return its exit status and what it printed."""
        self._servers[0].request(*arguments)
        return self._servers[0].result()

    def run_seeds(self, first: int, count: int, *arguments: Any) -> None:
        """Run many seeds.

        :raises AssertionError: one fails; it names the seed and how to replay it
        """
        share = -(-count // len(self._servers))
        for number, server in enumerate(self._servers):
            begin = number * share
            server.request("--first", first + begin, "--count", max(0, min(share, count - begin)), *arguments)
        results = [server.result() for server in self._servers]
        assert not any(status for status, _ in results), "".join(printed for _, printed in results)

    def close(self) -> None:
        """End the processes."""
        for server in self._servers:
            server.close()
