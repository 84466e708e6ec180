"""One long-running program of a laboratory, which later commands find by its pid file."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import Sequence

from vlcp.lab._shell import LabError, inside, is_alive, send_signal, wait_until


class LabProcess:
    """Starts and ends one program in a namespace.

    :param namespace: network namespace
    :param directory: where its pid file and log lie, and its working directory
    :param name: first part of the names of these files
    """

    def __init__(self, namespace: str, directory: str, name: str) -> None:
        self.log_path = os.path.join(directory, f"{name}.log")
        self._namespace = namespace
        self._directory = directory
        self._pid_path = os.path.join(directory, f"{name}.pid")
        self._child: subprocess.Popen | None = None

    @property
    def pid(self) -> int | None:
        """Process id, or ``None`` when it does not run."""
        try:
            with open(self._pid_path, encoding="ascii") as stored:
                pid = int(stored.read())
        except (FileNotFoundError, ValueError):
            return None
        return pid if is_alive(pid) else None

    def start(self, argv: Sequence[str]) -> None:
        """Start the program; what it prints goes to the log."""
        with open(self.log_path, "ab") as log:
            self._child = subprocess.Popen(
                inside(self._namespace, argv),
                cwd=self._directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        with open(self._pid_path, "w", encoding="ascii") as stored:
            stored.write(str(self._child.pid))

    def send(self, number: int) -> None:
        """Send a signal, if it runs."""
        pid = self.pid
        if pid is not None:
            send_signal(pid, number)

    def end(self, number: int = signal.SIGKILL, timeout_s: float = 10) -> None:
        """Send a signal and wait for the end; SIGKILL follows when it takes longer than ``timeout_s`` seconds."""
        pid = self.pid
        if pid is None:
            return
        send_signal(pid, number)
        try:
            wait_until(lambda: not is_alive(pid), timeout_s, f"end of process {pid}")
        except LabError:
            send_signal(pid, signal.SIGKILL)
        if self._child is not None:
            self._child.wait(timeout_s)
            self._child = None
