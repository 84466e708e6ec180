"""Small numbers for keys, kept as long as a key is in use, and over a restart where the owner stores them.

A new key gets the number after the highest one given so far; when those have run out, the smallest free one.
"""

from __future__ import annotations

from typing import Container, Dict, Iterable, Mapping, Optional

FIRST = 1
LAST = 0xFFFE
"""0 and 0xffff are reserved: logical networks have 16 bits in the metadata word."""


class Numbers:
    """Numbers of keys of one kind on one switch.

    :param stored: ``{key: number}`` from an earlier run; entries out of range or doubled are left out
    """

    def __init__(self, stored: Mapping[str, int] = {}) -> None:
        self._numbers: Dict[str, int] = {}
        self._keys: Dict[int, str] = {}
        for key, number in sorted(stored.items()):
            if isinstance(number, int) and FIRST <= number <= LAST and number not in self._keys:
                self._numbers[key] = number
                self._keys[number] = key
        self._next = max(self._keys, default=FIRST - 1) + 1

    def assign(self, key: str) -> int:
        """Return the number of ``key``, a new one when it has none.

        :raises ValueError: all 65,534 numbers are in use
        """
        if key in self._numbers:
            return self._numbers[key]
        if self._next <= LAST:
            number, self._next = self._next, self._next + 1
        else:
            number = next((free for free in range(FIRST, LAST + 1) if free not in self._keys), LAST + 1)
            if number > LAST:
                raise ValueError(f"no number is left for {key!r}: {LAST - FIRST + 1} are in use")
        self._numbers[key] = number
        self._keys[number] = key
        return number

    def release(self, keys: Iterable[str]) -> None:
        """Give back the numbers of ``keys``; a key without one is ignored."""
        for key in keys:
            number = self._numbers.pop(key, None)
            if number is not None:
                del self._keys[number]

    def get(self, key: str) -> int:
        """Return the number of ``key``.

        :raises KeyError: it has none
        """
        return self._numbers[key]

    def get_or_none(self, key: str) -> Optional[int]:
        """Return the number of ``key``, None when it has none."""
        return self._numbers.get(key)

    def keep(self, keys: Container[str]) -> None:
        """Give back the numbers of all keys but these."""
        self.release([key for key in self._numbers if key not in keys])

    def frozen(self) -> Dict[str, int]:
        """Return a copy of ``{key: number}``."""
        return dict(self._numbers)
