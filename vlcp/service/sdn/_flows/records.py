"""What a module publishes in the database: a desired set of records, compared with what was last committed. Pure.

The module says at any time which records it wants. :meth:`Records.due` is what has to be written now: new and different
ones, ones that are no longer wanted, and ones that are old enough to be written again before others take them for expired.
"""

from __future__ import annotations

from typing import Any, Dict, Hashable, Iterable, List, Mapping, NamedTuple, Optional, Tuple


class Due(NamedTuple):
    """Records to write, and keys of records to remove."""

    put: Dict[Hashable, Any]
    remove: List[Hashable]

    def __bool__(self) -> bool:
        return bool(self.put or self.remove)


class Records:
    """Wanted and committed records of one module on one switch."""

    def __init__(self) -> None:
        self.wanted: Dict[Hashable, Tuple[Any, Optional[float]]] = {}
        self._committed: Dict[Hashable, Tuple[Any, float]] = {}
        self._uncertain: Dict[Hashable, None] = {}

    def want(self, key: Hashable, value: Any, renew_s: Optional[float] = None) -> None:
        """Want a record; value None for none.

        :param renew_s: write it again after so many seconds, None for never
        """
        if value is None:
            self.wanted.pop(key, None)
        else:
            self.wanted[key] = (value, renew_s)

    def due(self, now: float, limit: int) -> Due:
        """Return what has to be written, at most ``limit`` records.

        :param now: seconds, the clock of :meth:`committed`
        """
        gone = [key for key in (*self._committed, *self._uncertain) if key not in self.wanted]
        remove = list(dict.fromkeys(gone))[:limit]
        put: Dict[Hashable, Any] = {}
        for key, (value, renew_s) in self.wanted.items():
            if len(put) + len(remove) >= limit:
                break
            at = self._due_at(key, value, renew_s)
            if at is not None and at <= now:
                put[key] = value
        return Due(put, remove)

    def _due_at(self, key: Hashable, value: Any, renew_s: Optional[float]) -> Optional[float]:
        before = self._committed.get(key)
        if before is None or before[0] != value or key in self._uncertain:
            return float("-inf")
        return None if renew_s is None else before[1] + renew_s

    def next_due(self) -> Optional[float]:
        """Return when something has to be written again, None for never; in the past when something waits now."""
        if any(key not in self.wanted for key in (*self._committed, *self._uncertain)):
            return float("-inf")
        times = (self._due_at(key, value, renew_s) for key, (value, renew_s) in self.wanted.items())
        return min((at for at in times if at is not None), default=None)

    def began(self, due: Due) -> None:
        """What is due is being written; until :meth:`committed` nobody knows what the database has."""
        self._uncertain.update(dict.fromkeys((*due.put, *due.remove)))

    def committed(self, due: Due, now: float) -> None:
        """What was due has been written."""
        for key, value in due.put.items():
            self._committed[key] = (value, now)
        self._forget(due.remove)
        for key in due.put:
            self._uncertain.pop(key, None)

    def lost(self, keys: Iterable[Hashable]) -> None:
        """The database no longer has these records as they were written; they are due again if they are wanted."""
        for key in keys:
            if key in self._committed:
                self._uncertain[key] = None

    def found(self, keys: Iterable[Hashable]) -> None:
        """The database has these records of an earlier run; those that are not wanted are due to be removed."""
        self._uncertain.update(dict.fromkeys(key for key in keys if key not in self.wanted))

    def _forget(self, keys: Iterable[Hashable]) -> None:
        for key in keys:
            self._committed.pop(key, None)
            self._uncertain.pop(key, None)

    def values(self) -> Mapping[Hashable, Any]:
        """Return ``{key: value}`` of what is wanted."""
        return {key: value for key, (value, _) in self.wanted.items()}
