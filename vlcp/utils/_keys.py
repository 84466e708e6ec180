"""Database keys made of a prefix and index values.

A key is ``prefix.value1.value2...``; the values are escaped so that they hold no dot of
their own. The escape sequences are part of the stored form and are shared with every other
controller on the same database.
"""

from __future__ import annotations

from typing import Any, Iterable, List, Optional


def escape_key(k: str) -> str:
    """Return ``k`` without dots: ``+`` becomes ``+_``, then ``.`` becomes ``++``.

    >>> escape_key('10.1/24')
    '10++1/24'
    """
    if "+" in k:
        k = k.replace("+", "+_")
    return k.replace(".", "++")


def unescape_key(k: str) -> str:
    """Undo :func:`escape_key`."""
    if "+" not in k:
        return k
    return k.replace("++", ".").replace("+_", "+")


def join_values(values: Iterable[Any]) -> str:
    """Return the escaped texts of ``values`` joined with dots."""
    return ".".join([escape_key(str(value)) for value in values])


def join_key(prefix: str, values: Iterable[Any]) -> str:
    """Return the key of ``prefix`` and index ``values``; only the prefix when there are none."""
    joined = [escape_key(str(value)) for value in values]
    if not joined:
        return prefix
    return prefix + "." + ".".join(joined)


def split_key(prefix: str, count: int, key: str) -> Optional[List[str]]:
    """Return the ``count`` index values in ``key``, or None when it is no key of that prefix and count."""
    if count == 0:
        return [] if key == prefix else None
    head = prefix + "."
    if not key.startswith(head):
        return None
    parts = key[len(head) :].split(".")
    if len(parts) != count:
        return None
    return [unescape_key(part) for part in parts]
