"""The members of a set of data objects, in an order that does not depend on the process."""

from __future__ import annotations

import itertools
from collections.abc import MutableSet
from typing import Any, Iterable, Iterator, Optional


class OrderedSet(MutableSet):
    """A set of weak references that keeps the order of insertion, so that an unchanged set is stored as the same text.

    The text is kept and follows changes: sets have thousands of members and change one at a time.
    """

    __slots__ = ("_items", "_text")

    def __init__(self, items: Iterable[Any] = ()) -> None:
        self._items = dict.fromkeys(items)
        self._text: Optional[str] = None

    def __contains__(self, item: object) -> bool:
        return item in self._items

    def __iter__(self) -> Iterator[Any]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return "{%s}" % (", ".join(map(repr, self._items)),)

    def add(self, value: Any) -> None:
        if value not in self._items:
            self._items[value] = None
            if self._text is not None:
                self._text = self._text + ", " + value.json_text() if self._text else value.json_text()

    def discard(self, value: Any) -> None:
        if value in self._items:
            del self._items[value]
            if self._text is not None:
                self._text = _without(self._text, value.json_text())

    def clear(self) -> None:
        self._items.clear()
        self._text = None

    def update(self, *others: Iterable[Any]) -> None:
        """Add every item of ``others``."""
        self._items.update(dict.fromkeys(itertools.chain(*others)))
        self._text = None

    def difference_update(self, *others: Iterable[Any]) -> None:
        """Remove every item of ``others``."""
        for item in itertools.chain(*others):
            self._items.pop(item, None)
        self._text = None

    def copy(self) -> OrderedSet:
        """Return another set with the same items."""
        other = OrderedSet()
        other._items = self._items.copy()
        other._text = self._text
        return other

    def joined_text(self) -> str:
        """Return the stored texts of the items, joined."""
        if self._text is None:
            self._text = ", ".join([item.json_text() for item in self._items])
        return self._text


def _without(text: str, part: str) -> str:
    """Return the joined ``text`` without ``part``; a part's text never occurs inside another's, quotes are escaped."""
    start = text.index(part)
    end = start + len(part)
    if start:
        return text[: start - 2] + text[end:]
    return text[end + 2 :]
