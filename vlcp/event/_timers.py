"""The timers of a scheduler."""

from __future__ import annotations

import heapq
import itertools
import math

# Cancelled timers are swept out when there are more than this and they are the majority.
_MIN_SWEEP = 64


class TimerHandle:
    """A timer; used as the index of its :class:`~vlcp.event.core.TimerEvent`.

    :param timestamp: when it fires, on the clock of the scheduler, in seconds
    :param interval: seconds between its repetitions, or None to fire once
    """

    __slots__ = ("active", "interval", "timestamp")

    def __init__(self, timestamp: float, interval: float | None) -> None:
        self.timestamp = timestamp
        self.interval = interval
        self.active = True

    def __repr__(self) -> str:
        every = "" if self.interval is None else f", every {self.interval} s"
        return f"<TimerHandle at {self.timestamp:.3f}{every}>"


class TimerHeap:
    """Timers in the order in which they fire."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, TimerHandle]] = []
        self._sequence = itertools.count()
        self._cancelled = 0

    def __len__(self) -> int:
        return len(self._heap) - self._cancelled

    def add(self, timestamp: float, interval: float | None = None) -> TimerHandle:
        """Add a timer.

        :param timestamp: when it fires
        :param interval: seconds between repetitions, or None
        :raises ValueError: the time is not a number, or the interval is not positive
        """
        if math.isnan(timestamp):
            raise ValueError(f"Time of a timer is not a number: {timestamp!r}")
        if interval is not None and not interval > 0:
            raise ValueError(f"Interval of a timer must be positive: {interval!r}")
        handle = TimerHandle(timestamp, interval)
        heapq.heappush(self._heap, (timestamp, next(self._sequence), handle))
        return handle

    def cancel(self, handle: TimerHandle) -> None:
        """Cancel a timer; does nothing if it has fired or is cancelled."""
        if not handle.active:
            return
        handle.active = False
        self._cancelled += 1
        if self._cancelled > _MIN_SWEEP and self._cancelled * 2 > len(self._heap):
            self._heap = [entry for entry in self._heap if entry[2].active]
            heapq.heapify(self._heap)
            self._cancelled = 0

    def seconds_to_next(self, now: float) -> float | None:
        """Return the time until the next timer fires, 0 if it is due, None without timers."""
        self._drop_cancelled()
        return max(0.0, self._heap[0][0] - now) if self._heap else None

    def take_due(self, now: float) -> list[TimerHandle]:
        """Return the timers that fire up to ``now``; repeated ones are set again, missed repetitions are left out."""
        due: list[TimerHandle] = []
        while self._heap and self._heap[0][0] <= now:
            handle = heapq.heappop(self._heap)[2]
            if not handle.active:
                self._cancelled -= 1
                continue
            due.append(handle)
            if handle.interval is None:
                handle.active = False
        for handle in due:
            if handle.interval is not None:
                missed = max(0, math.floor((now - handle.timestamp) / handle.interval))
                handle.timestamp += handle.interval * (missed + 1)
                heapq.heappush(self._heap, (handle.timestamp, next(self._sequence), handle))
        return due

    def _drop_cancelled(self) -> None:
        while self._heap and not self._heap[0][2].active:
            heapq.heappop(self._heap)
            self._cancelled -= 1
