"""A clock that only moves when a test says so."""

from __future__ import annotations


class ManualClock:
    """Callable clock for ``Scheduler(clock=...)``.

    :param now: first time in seconds
    """

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        """Move on.

        :raises ValueError: ``seconds`` is negative
        """
        if seconds < 0:
            raise ValueError(f"A clock does not run backwards: {seconds!r}")
        self.now += seconds
