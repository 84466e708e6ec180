"""Run programs, with errors that name the command and what it printed."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import time
from typing import Mapping, Sequence

NEEDED = {
    "ip": "iproute2",
    "ovs-vswitchd": "openvswitch-switch",
    "ovsdb-server": "openvswitch-switch",
    "ovs-vsctl": "openvswitch-switch",
    "ovs-ofctl": "openvswitch-switch",
    "ping": "iputils-ping",
    "ethtool": "ethtool",
    "curl": "curl",
}


class LabError(Exception):
    """The laboratory cannot do what was asked; the message is one line for the user."""


def check_machine() -> None:
    """Raise :class:`LabError` that names what the machine lacks: rights or packages."""
    if os.geteuid() != 0:
        raise LabError("vlcp-lab makes network namespaces and must be run as root")
    lacking = sorted({package for program, package in NEEDED.items() if shutil.which(program) is None})
    if lacking:
        raise LabError("these packages are missing: " + " ".join(lacking))


def run(
    argv: Sequence[str],
    *,
    check: bool = True,
    timeout_s: float = 30,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
) -> str:
    """Run a program and return its standard output.

    :param check: ``False`` takes any exit status and returns what was printed
    :param env: variables to add to the environment
    :param stdin: text for standard input; ``None`` means none
    :raises LabError: the program ended with an error or took longer than ``timeout_s``
    """
    try:
        done = subprocess.run(
            list(argv),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            input=stdin if stdin is not None else "",
            env={**os.environ, **(env or {})},
        )
    except subprocess.TimeoutExpired:
        if not check:
            return ""
        raise LabError(f"{shlex.join(argv)}: no end within {timeout_s:g} s") from None
    except FileNotFoundError:
        raise LabError(f"{argv[0]} is not installed") from None
    if check and done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip() or f"exit status {done.returncode}").splitlines()[-1]
        raise LabError(f"{shlex.join(argv)}: {said}")
    return done.stdout


def inside(namespace: str, argv: Sequence[str]) -> list[str]:
    """Return the command that runs ``argv`` in a network namespace."""
    return ["ip", "netns", "exec", namespace, *argv]


def namespaces(prefix: str) -> list[str]:
    """Return the names of the existing network namespaces of one laboratory, sorted."""
    names = [line.split()[0] for line in run(["ip", "netns", "list"]).splitlines() if line.strip()]
    return sorted(name for name in names if name.startswith(prefix + "-"))


def kill_all(pids: Sequence[int], grace_s: float = 3) -> None:
    """End processes: SIGTERM, and SIGKILL for those alive after ``grace_s`` seconds."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in pids:
            send_signal(pid, number)
        deadline = time.monotonic() + grace_s
        while any(is_alive(pid) for pid in pids):
            if time.monotonic() > deadline:
                break
            time.sleep(0.02)
        else:
            return


def send_signal(pid: int, number: int) -> bool:
    """Send a signal; ``False`` when the process is gone."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; one that has ended and waits for its parent counts as gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_until(condition, timeout_s: float, what: str, step_s: float = 0.02):
    """Return the first true value of ``condition()``.

    :raises LabError: none within ``timeout_s`` seconds; the message says what was waited for
    """
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise LabError(f"{what}: not within {timeout_s:g} s")
        time.sleep(step_s)
