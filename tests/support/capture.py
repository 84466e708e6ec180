"""Capture packets in a network namespace with tcpdump."""

from __future__ import annotations

import subprocess
import time

from vlcp.lab._shell import inside


class Capture:
    """Runs tcpdump on an interface while the ``with`` block lasts; afterwards ``lines`` has one text line for each packet.

    :param namespace: network namespace
    :param interface: name of the interface
    :param expression: capture filter
    """

    def __init__(self, namespace: str, interface: str, expression: str = "") -> None:
        self._argv = inside(namespace, ["tcpdump", "-n", "-e", "-l", "--immediate-mode", "-i", interface, *expression.split()])
        self.lines: list[str] = []

    def __enter__(self) -> Capture:
        self._process = subprocess.Popen(self._argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for line in self._process.stderr:
            if line.startswith("listening on"):
                break
        return self

    def __exit__(self, *error: object) -> None:
        time.sleep(0.2)
        self._process.terminate()
        output, _ = self._process.communicate(timeout=10)
        self.lines = [line for line in output.splitlines() if line.strip()]
