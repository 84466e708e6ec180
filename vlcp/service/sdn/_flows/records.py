"""What a module publishes in the database: a desired set of records, compared with what was last committed. Pure.

The module says at any time which records it wants. :meth:`Records.due` is what has to be written now: new and different
ones, ones that are no longer wanted, and ones that are old enough to be written again before others take them for expired.
"""

from __future__ import annotations

from typing import Any, Dict, Hashable, Iterable, List, Mapping, NamedTuple, Optional, Set, Tuple

from vlcp.utils.indexedheap import IndexedHeap


class Due(NamedTuple):
    """Records to write, and keys of records to remove."""

    put: Dict[Hashable, Any]
    remove: List[Hashable]

    def __bool__(self) -> bool:
        return bool(self.put or self.remove)


class Records:
    """Wanted and committed records of one module on one switch. Each call costs in proportion to the records it is about."""

    def __init__(self) -> None:
        self.wanted: Dict[Hashable, Tuple[Any, Optional[float]]] = {}
        self._committed: Dict[Hashable, Tuple[Any, float]] = {}
        self._uncertain: Set[Hashable] = set()
        self._now: Dict[Hashable, None] = {}
        self._renewals = IndexedHeap()

    def want(self, key: Hashable, value: Any, renew_s: Optional[float] = None) -> None:
        """Want a record; value None for none.

        :param renew_s: write it again after so many seconds, None for never
        """
        if value is None:
            self.wanted.pop(key, None)
        else:
            self.wanted[key] = (value, renew_s)
        self._look(key)

    def due(self, now: float, limit: int) -> Due:
        """Return what has to be written, at most ``limit`` records.

        :param now: seconds, the clock of :meth:`committed`
        """
        while self._renewals and self._renewals.topPriority() <= now:
            self._now[self._renewals.pop()] = None
        remove = [key for key in self._now if key not in self.wanted][:limit]
        put: Dict[Hashable, Any] = {}
        for key in self._now:
            if len(put) + len(remove) >= limit:
                break
            if key in self.wanted:
                put[key] = self.wanted[key][0]
        return Due(put, remove)

    def _look(self, key: Hashable) -> None:
        """Note whether a record has to be written now, or when."""
        wanted, before = self.wanted.get(key), self._committed.get(key)
        self._now.pop(key, None)
        self._renewals.remove(key)
        if wanted is None:
            if before is not None or key in self._uncertain:
                self._now[key] = None
            return
        value, renew_s = wanted
        if before is None or before[0] != value or key in self._uncertain:
            self._now[key] = None
        elif renew_s is not None:
            self._renewals.push(key, before[1] + renew_s)

    def next_due(self) -> Optional[float]:
        """Return when something has to be written again, None for never; in the past when something waits now."""
        if self._now:
            return float("-inf")
        return self._renewals.topPriority() if self._renewals else None

    def began(self, due: Due) -> None:
        """What is due is being written; until :meth:`committed` nobody knows what the database has."""
        self._doubt((*due.put, *due.remove))

    def committed(self, due: Due, now: float) -> None:
        """What was due has been written."""
        for key, value in due.put.items():
            self._committed[key] = (value, now)
        for key in due.remove:
            self._committed.pop(key, None)
        for key in (*due.put, *due.remove):
            self._uncertain.discard(key)
            self._look(key)

    def lost(self, keys: Iterable[Hashable]) -> None:
        """The database no longer has these records as they were written; they are due again if they are wanted."""
        self._doubt([key for key in keys if key in self._committed])

    def found(self, keys: Iterable[Hashable]) -> None:
        """The database has these records of an earlier run; those that are not wanted are due to be removed."""
        self._doubt([key for key in keys if key not in self.wanted])

    def _doubt(self, keys: Iterable[Hashable]) -> None:
        for key in keys:
            self._uncertain.add(key)
            self._look(key)

    def values(self) -> Mapping[Hashable, Any]:
        """Return ``{key: value}`` of what is wanted."""
        return {key: value for key, (value, _) in self.wanted.items()}
