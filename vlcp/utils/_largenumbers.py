"""Dictionaries with decimal keys whose entries are stored in parts; see :mod:`vlcp.utils.growing`."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any, Dict, Iterable, Iterator, List, Optional

from vlcp.utils import _parts
from vlcp.utils._parts import NumberPart, Place, required_place
from vlcp.utils._spread import Ranges, checked_pairs
from vlcp.utils._storedform import encode, register, tag
from vlcp.utils.exceptions import WalkKeyNotRetrieved


def number_of(key: Any) -> Optional[int]:
    """Return the number that a key writes in decimal, None for any other key."""
    if isinstance(key, str) and key.isascii() and key.isdigit() and len(key) <= 12 and (key[0] != "0" or key == "0"):
        return int(key)
    return None


class LargeNumbers(MutableMapping):
    """A dictionary with decimal strings as keys that is stored in parts.

    :param parts: the blocks that have entries
    :param full: blocks where :meth:`first_free` has found nothing
    """

    __module__ = "vlcp.utils.growing"
    __slots__ = ("parts", "full", "place")

    def __init__(self, parts: Any = (), full: Any = ()) -> None:
        self.parts = Ranges(parts)
        self.full = Ranges(full)
        self.place: Optional[Place] = None

    def __eq__(self, obj: object) -> bool:
        return isinstance(obj, LargeNumbers) and obj.parts == self.parts and obj.full == self.full

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "<LargeNumbers: %d parts>" % (len(self.parts),)

    def __reduce__(self) -> Any:
        return (LargeNumbers, (self.parts.pairs, self.full.pairs))

    def _used(self) -> Place:
        return required_place(self.place, "large dictionary")

    def _part(self, key: Any) -> Any:
        number = number_of(key)
        if number is None or number // _parts.BLOCK not in self.parts:
            return None
        return self._used().read(NumberPart, number // _parts.BLOCK)

    def _all(self) -> List[Any]:
        return self._used().read_all(NumberPart, self.parts)

    def __iter__(self) -> Iterator[str]:
        for part in self._all():
            yield from list(part.numbers)

    def __len__(self) -> int:
        return sum(len(part.numbers) for part in self._all())

    def __bool__(self) -> bool:
        return bool(self.parts.pairs)

    def __contains__(self, key: object) -> bool:
        part = self._part(key)
        return part is not None and key in part.numbers

    def __getitem__(self, key: str) -> Any:
        part = self._part(key)
        if part is None:
            raise KeyError(key)
        return part.numbers[key]

    def get(self, key: str, default: Any = None) -> Any:
        part = self._part(key)
        return default if part is None else part.numbers.get(key, default)

    def __setitem__(self, key: str, value: Any) -> None:
        number = number_of(key)
        if number is None:
            raise ValueError("%.100r is no decimal number" % (key,))
        block, place = number // _parts.BLOCK, self._used()
        try:
            part = (place.read(NumberPart, block) if block in self.parts else None) or place.new(NumberPart, block)
        except WalkKeyNotRetrieved:
            return  # The transaction is repeated with the part.
        part.numbers[key] = value
        self.parts.add(block)
        place.write(NumberPart, block, part)

    def pop(self, key: str, *default: Any) -> Any:
        try:
            part = self._part(key)
        except WalkKeyNotRetrieved:
            if default:
                return default[0]  # The transaction is repeated with the part, and what follows is asked for in the same run.
            raise
        if part is None or key not in part.numbers:
            if not default:
                raise KeyError(key)
            return default[0]
        value = part.numbers.pop(key)
        block = int(key) // _parts.BLOCK
        self._used().write(NumberPart, block, part if part.numbers else None)
        self.full.discard(block)
        if not part.numbers:
            self.parts.discard(block)
        return value

    def __delitem__(self, key: str) -> None:
        self.pop(key)

    def first_free(self, first: int, last: int, forbidden: Optional[int]) -> Optional[int]:
        """Return the lowest number that is no key; see :func:`first_free`.

        A block without one is remembered as full, until a number of it is free again or :meth:`forget_full` is called.
        """
        passed = 0
        block = self.full.first_outside(first // _parts.BLOCK)
        while block * _parts.BLOCK <= last:
            self._ask_ahead(block, 4 * passed)
            part = self._part(str(block * _parts.BLOCK))
            taken: Any = () if part is None else part.numbers
            for number in range(max(first, block * _parts.BLOCK), min(last, block * _parts.BLOCK + _parts.BLOCK - 1) + 1):
                if number != forbidden and str(number) not in taken:
                    return number
            self.full.add(block)
            passed += 1
            block = self.full.first_outside(block)
        return None

    def _ask_ahead(self, block: int, count: int) -> None:
        """Ask for the parts that a search may come to, so that a long one takes few rounds."""
        if count:
            self.ask_for(number * _parts.BLOCK for number in range(block, block + count) if number not in self.full)

    def forget_full(self) -> None:
        """Look at all blocks again when a free number is wanted: the bounds have changed."""
        self.full = Ranges()

    def ask_for(self, numbers: Iterable[int]) -> None:
        """Ask for the parts of numbers, so that they are read together."""
        for block in sorted({number // _parts.BLOCK for number in numbers}):
            if block in self.parts:
                try:
                    self._used().read(NumberPart, block)
                except WalkKeyNotRetrieved:
                    continue

    def part_keys(self, holder: str, attribute: str) -> List[str]:
        """Return the keys of all parts."""
        return [NumberPart.default_key(holder, attribute, number) for number in self.parts]

    def clone_instance(self) -> LargeNumbers:
        """Return a copy that is not in use anywhere."""
        return LargeNumbers(self.parts.pairs, self.full.pairs)

    def is_small(self) -> bool:
        """Return whether the entries are so few that they are better stored in the object."""
        return len(self.parts) <= 1 and len(self) <= _parts.LIMIT // 2

    def gather(self) -> Dict[str, Any]:
        """Delete the parts; return their entries."""
        entries: Dict[str, Any] = {}
        for part in self._all():
            entries.update(part.numbers)
        for number in self.parts:
            self._used().write(NumberPart, number, None)
        return entries

    def fill(self, entries: Dict[str, Any]) -> None:
        """Write the parts anew."""
        place = self._used()
        parts: Dict[int, Any] = {}
        for key, value in entries.items():
            block = int(key) // _parts.BLOCK
            if block not in parts:
                parts[block] = place.new(NumberPart, block)
                self.parts.add(block)
            parts[block].numbers[key] = value
        for block, part in parts.items():
            if len(part.numbers) == _parts.BLOCK:
                self.full.add(block)
            place.write(NumberPart, block, part)

    def kvdb_dump(self, attributes: bool, seen: Any) -> Any:
        """Return what people see of it outside of walks: the number of parts."""
        return {"_parts": len(self.parts)}

    def json_text(self) -> str:
        """Return the stored JSON text."""
        return '{"%s": %s}' % (tag("vlcp.utils.growing.LargeNumbers"), encode(self.jsonencode()))

    def jsonencode(self) -> Any:
        """Return the data that is stored in the object: ``{"parts": [[first, last], ...], "full": [...]}``."""
        return {"parts": self.parts.pairs, "full": self.full.pairs}

    @classmethod
    def jsondecode(cls, data: Any) -> LargeNumbers:
        """Return the dictionary for stored ``data``.

        :raises ValueError: it is something else
        """
        if not isinstance(data, dict):
            raise ValueError("stored large dictionary: expected its parts, got %.100r" % (data,))
        return cls(checked_pairs(data.get("parts"), _parts.MAX_PARTS), checked_pairs(data.get("full"), _parts.MAX_PARTS))


register("vlcp.utils.growing.LargeNumbers", LargeNumbers.jsondecode)
