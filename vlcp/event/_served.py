"""How often each key was served lately, without keeping alive what serves as a key (manual 5.2.8)."""

from __future__ import annotations

import weakref
from collections import deque
from typing import Any


class _WeakCell(weakref.ref):
    """The count of a key that may go; called, it returns the key, or None when that does not exist any more."""

    __slots__ = ("count", "ident")


class _StrongCell:
    """The count of a key that is a value; called, it returns the key."""

    __slots__ = ("count", "ident")

    def __call__(self) -> Any:
        return self.ident


class Served:
    """Counts the last events by key.

    A key that is compared by identity, as a connection, is not kept alive by its count: the last events may be very many,
    and reach back to connections that ended long ago.

    :param limit: how many events are counted
    """

    __slots__ = ("__weakref__", "_cells", "_last", "_weakly", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._last: deque = deque()
        self._cells: dict[Any, Any] = {}
        # type -> whether its instances are compared by identity and can be referred to weakly
        self._weakly: dict[type, bool] = {}

    def count(self, key: Any) -> int:
        """Return how many of the last events had this key."""
        cell = self._cells.get(id(key) if self._weakly.get(type(key)) else key)
        return 0 if cell is None else cell.count

    def add(self, key: Any) -> Any:
        """Count an event; return the key of the event that is not among the last ones any more, None for none."""
        ident = id(key) if self._weakly.get(type(key)) else key
        cell = self._cells.get(ident)
        if cell is None:
            cell = self._new_cell(key)
        cell.count += 1
        last = self._last
        last.append(cell)
        if len(last) <= self.limit:
            return None
        old = last.popleft()
        old.count -= 1
        if not old.count and self._cells.get(old.ident) is old:
            del self._cells[old.ident]
        return old()

    def _new_cell(self, key: Any) -> Any:
        kind = type(key)
        weakly = self._weakly.get(kind)
        if weakly is None:
            weakly = self._weakly[kind] = kind.__eq__ is object.__eq__ and _can_be_weak(key)
        cell: Any = _WeakCell(key, self._forget) if weakly else _StrongCell()
        cell.count = 0
        cell.ident = id(key) if weakly else key
        self._cells[cell.ident] = cell
        return cell

    def _forget(self, cell: _WeakCell) -> None:
        """A key is gone, and another object may get its identity."""
        if self._cells.get(cell.ident) is cell:
            del self._cells[cell.ident]

    def __len__(self) -> int:
        return len(self._last)


def _can_be_weak(key: Any) -> bool:
    try:
        weakref.ref(key)
    except TypeError:
        return False
    return True
