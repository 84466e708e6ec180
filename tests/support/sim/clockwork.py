"""Virtual time, one seed, and the trace of what happened."""

from __future__ import annotations

import hashlib
import heapq
import itertools
import random
from collections import deque
from typing import Any, Callable

#: Lines of the trace that are kept for a report
KEPT_LINES = 4000


class Clockwork:
    """Time that moves when nothing is left to do, and what is to be done later.

    :param seed: of all chance in the run
    :ivar now: seconds
    :ivar random: chance of the simulation; the code under test has its own
    """

    def __init__(self, seed: int) -> None:
        self.now = 1000.0
        self.random = random.Random(seed)
        self.lines: deque = deque(maxlen=KEPT_LINES)
        self._hash = hashlib.sha256()
        self._later: list = []
        self._serial = itertools.count()

    def __call__(self) -> float:
        return self.now

    def later(self, seconds: float, action: Callable, *args: Any) -> None:
        """Call ``action(*args)`` in ``seconds``."""
        heapq.heappush(self._later, (self.now + seconds, next(self._serial), action, args))

    def at(self, time: float, action: Callable, *args: Any) -> None:
        """Call ``action(*args)`` at a time, or now when it is over."""
        self.later(max(time - self.now, 0.0), action, *args)

    def next_time(self) -> float | None:
        """Return when the next action is due, None when there is none."""
        return self._later[0][0] if self._later else None

    def is_due(self) -> bool:
        """Tell whether an action is due."""
        return bool(self._later) and self._later[0][0] <= self.now

    def run_due(self) -> None:
        """Carry out the first action that is due."""
        _, _, action, args = heapq.heappop(self._later)
        action(*args)

    def delay(self, least: float = 0.0002, most: float = 0.02) -> float:
        """Return a random time in seconds; now and then a long one."""
        longest = most * 10 if self.random.random() < 0.05 else most
        return self.random.uniform(least, longest)

    def note(self, who: str, what: str) -> None:
        """Add a line to the trace."""
        line = f"{self.now - 1000:.6f} {who} {what}"
        self._hash.update(line.encode())
        self.lines.append(line)

    def digest(self) -> str:
        """Return the hash of the whole trace."""
        return self._hash.hexdigest()
