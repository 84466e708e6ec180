"""Where the members of large collections are: linear hashing, and ranges of numbers. Pure arithmetic."""

from __future__ import annotations

from bisect import bisect_right
from hashlib import blake2b
from typing import Any, Iterator, List


def bucket_of(text: str, count: int) -> int:
    """Return which of ``count`` buckets holds ``text`` (linear hashing, Litwin 1980).

    One more bucket takes members of one other bucket only, that of :func:`source_of`.
    """
    number = int.from_bytes(blake2b(text.encode("utf-8"), digest_size=4).digest(), "big")
    size = 1 << count.bit_length()
    found = number & (size - 1)
    while found >= count:
        size >>= 1
        found &= size - 1
    return found


def source_of(number: int) -> int:
    """Return the bucket whose members bucket ``number``, 1 or more, takes when it is added."""
    return number - (1 << (number.bit_length() - 1))


class Ranges:
    """A set of whole numbers that is short as long as they follow each other.

    :param pairs: ``[[first, last], ...]``, ascending, neither overlapping nor touching
    """

    def __init__(self, pairs: Any = ()) -> None:
        self.pairs: List[List[int]] = [list(pair) for pair in pairs]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ranges) and other.pairs == self.pairs

    def __contains__(self, number: int) -> bool:
        index = self._index(number)
        return index >= 0 and number <= self.pairs[index][1]

    def __iter__(self) -> Iterator[int]:
        for first, last in list(self.pairs):
            yield from range(first, last + 1)

    def __len__(self) -> int:
        return sum(last - first + 1 for first, last in self.pairs)

    def _index(self, number: int) -> int:
        return bisect_right(self.pairs, [number, float("inf")]) - 1

    def add(self, number: int) -> None:
        """Add a number."""
        if number in self:
            return
        index = self._index(number)
        first = last = number
        if index + 1 < len(self.pairs) and self.pairs[index + 1][0] == number + 1:
            last = self.pairs.pop(index + 1)[1]
        if index >= 0 and self.pairs[index][1] == number - 1:
            first = self.pairs.pop(index)[0]
            index -= 1
        self.pairs.insert(index + 1, [first, last])

    def discard(self, number: int) -> None:
        """Take a number out."""
        if number in self:
            index = self._index(number)
            first, last = self.pairs.pop(index)
            rest = [[first, number - 1], [number + 1, last]]
            self.pairs[index:index] = [pair for pair in rest if pair[0] <= pair[1]]

    def first_outside(self, number: int) -> int:
        """Return ``number``, or the first one above it that is not in the set."""
        index = self._index(number)
        return self.pairs[index][1] + 1 if index >= 0 and number <= self.pairs[index][1] else number


def checked_pairs(data: Any, most: int) -> List[List[int]]:
    """Return stored ranges.

    :param most: most numbers that they may hold
    :raises ValueError: they are no ascending ranges, or hold more
    """
    previous, total = -2, 0
    for pair in data if isinstance(data, list) else (None,):
        if not (isinstance(pair, list) and len(pair) == 2 and all(type(number) is int for number in pair)):
            raise ValueError("stored ranges: expected [[first, last], ...], got %.100r" % (data,))
        first, last = pair
        total += last - first + 1
        if first <= previous + 1 or last < first or total > most:
            raise ValueError("stored ranges: out of order or too long: %.100r" % (data,))
        previous = last
    return data
