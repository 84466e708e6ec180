"""Helpers for walkers, the functions that read linked objects from the database (manual 4.4.4)."""

from __future__ import annotations

from typing import Any, Callable

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
