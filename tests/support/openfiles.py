"""Which file descriptors a process has open, and what they are."""

from __future__ import annotations

import contextlib
import os


def open_files(pid: int | str = "self") -> dict[int, str]:
    """Return ``{number: target}`` of the open descriptors; a target is a path or as in ``socket:[123]``.

    :param pid: another process, or "self"
    """
    directory = f"/proc/{pid}/fd"
    found = {}
    for name in os.listdir(directory):
        # The descriptor of the listing itself is closed by now.
        with contextlib.suppress(FileNotFoundError):
            found[int(name)] = os.readlink(f"{directory}/{name}")
    return found


class Opened:
    """Remembers what this process has open at this moment."""

    def __init__(self) -> None:
        self._before = open_files()

    def since(self) -> dict[int, str]:
        """Return the descriptors that are open now and were not, or were something else, then."""
        return {number: target for number, target in open_files().items() if self._before.get(number) != target}
