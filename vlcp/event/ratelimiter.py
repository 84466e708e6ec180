"""Spreads long work over several turns of the loop, so that sockets are served meanwhile (manual 5.2.9)."""

from __future__ import annotations

from collections import deque
from typing import Any

from vlcp.event.event import Event, with_indices


@with_indices("limiter", "index")
class RateLimitingEvent(Event):
    """A routine that waits for a :class:`RateLimiter` may go on.

    :param limiter: the limiter
    :param index: number of the waiting call
    """


class RateLimiter:
    """Grants an amount of work in each turn of the loop, first come first served.

    :param limit: amount for one turn, a positive number of anything that can be counted
    :param container: a container, whose scheduler counts the turns
    :raises ValueError: ``limit`` is not positive
    """

    def __init__(self, limit: int, container: Any) -> None:
        if limit <= 0:
            raise ValueError(f"Limit of a rate limiter must be positive: {limit!r}")
        self._limit = limit
        self._container = container
        self._used = 0
        self._next_index = 0
        self._waiting: deque[tuple[int, int]] = deque()
        self._refilling = False

    async def limit(self, use: int = 1) -> None:
        """Wait until this turn's amount has room.

        A call for more than the limit is granted at the start of a turn, and takes as many turns as it needs.

        :param use: amount, at least 0
        :raises ValueError: ``use`` is negative
        """
        if use < 0:
            raise ValueError(f"Amount of work is negative: {use!r}")
        if not self._refilling:
            self._refilling = True
            self._container.subroutine(self._refill(), daemon=True)
        if not self._waiting and self._used < self._limit:
            self._used += use
            return
        self._next_index += 1
        index = self._next_index
        self._waiting.append((index, use))
        try:
            await RateLimitingEvent.createMatcher(self, index)
        except BaseException:
            # A waiter that ends leaves its place to the next one.
            self._waiting = deque(entry for entry in self._waiting if entry[0] != index)
            raise

    async def _refill(self) -> None:
        """Grant a new amount after each poll until nothing is in use and nobody waits."""
        try:
            while self._used or self._waiting:
                await self._container.do_events()
                self._used = max(0, self._used - self._limit)
                while self._waiting and self._used < self._limit:
                    index, use = self._waiting.popleft()
                    self._used += use
                    self._container.scheduler.emergesend(RateLimitingEvent(self, index))
        finally:
            self._refilling = False
