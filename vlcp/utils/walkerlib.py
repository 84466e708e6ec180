"""Helpers for walkers, the functions that read linked objects from the database (manual 4.4.4)."""

from __future__ import annotations

from typing import Any, Callable, Dict, Set

from vlcp.utils.exceptions import WalkKeyNotRetrieved


def ensure_keys(walk: Callable[[str], Any], *keys: str) -> None:
    """Ask for all ``keys`` at once, so that they are read together.

    :param walk: the ``walk`` function that the walker got
    :param keys: database keys; a key that is not read yet is asked for and otherwise ignored
    """
    for key in keys:
        try:
            walk(key)
        except WalkKeyNotRetrieved:
            continue


class Walkers(Dict[str, Callable[..., Any]]):
    """Walkers by key that know which keys have come or gone since an updater took them, so that it need not compare all keys;
    for :class:`~vlcp.utils.flowupdater.FlowUpdater`. Change them with :meth:`put` and :meth:`drop` alone.

    :ivar changed: these keys
    """

    def __init__(self) -> None:
        super().__init__()
        self.changed: Set[str] = set()

    def put(self, key: str, walker: Callable[..., Any]) -> None:
        """Walk from ``key``. Another walker for the same key counts at its next walk."""
        if key not in self:
            self.changed.add(key)
        self[key] = walker

    def drop(self, key: str) -> None:
        """Walk from ``key`` no longer."""
        if self.pop(key, None) is not None:
            self.changed.add(key)
