"""Sets whose members are stored in parts; see :mod:`vlcp.utils.growing`."""

from __future__ import annotations

from collections.abc import MutableSet
from typing import Any, Dict, Iterable, Iterator, List, Optional

from vlcp.utils import _parts
from vlcp.utils._orderedset import OrderedSet
from vlcp.utils._parts import Place, SetPart, required_place
from vlcp.utils._spread import bucket_of, source_of
from vlcp.utils._storedform import encode, register, tag
from vlcp.utils.dataobject import DataObjectSet
from vlcp.utils.exceptions import WalkKeyNotRetrieved


class LargeSet(DataObjectSet):
    """A set of weak references that is stored in parts.

    :param count: number of parts
    """

    __module__ = "vlcp.utils.growing"
    __slots__ = ("count", "place")

    def __init__(self, count: int = 1) -> None:
        super().__init__()
        self.count = count
        self.place: Optional[Place] = None

    def __eq__(self, obj: object) -> bool:
        return isinstance(obj, LargeSet) and obj.count == self.count

    __hash__ = DataObjectSet.__hash__

    def __repr__(self, *args: Any, **kwargs: Any) -> str:
        return "<LargeSet: %d parts>" % (self.count,)

    def __reduce__(self) -> Any:
        return (LargeSet, (self.count,))

    def dataset(self) -> SpreadSet:
        """Return the set itself; reading it may raise :class:`WalkKeyNotRetrieved`.

        :raises TypeError: this is used outside of a walk or a transaction
        """
        return SpreadSet(self, required_place(self.place, "large set"))

    def find(self, cls: Any, *args: Any) -> List[Any]:
        """Return the members of class ``cls`` with the index values ``args``, as for a small set."""
        return [ref for ref in self.dataset() if cls.ismatch(ref.getkey(), args)]

    def part_keys(self, holder: str, attribute: str) -> List[str]:
        """Return the keys of all parts."""
        return [SetPart.default_key(holder, attribute, number) for number in range(self.count)]

    def clone_instance(self) -> LargeSet:
        """Return a copy that is not in use anywhere."""
        return LargeSet(self.count)

    def kvdb_update(self, obj: Any) -> None:
        """Take over the places of the parts of ``obj``."""
        self.count = obj.count

    def is_small(self) -> bool:
        """Return whether the members are so few that they are better stored in the object."""
        return self.count == 1 and len(self.dataset()) <= _parts.LIMIT // 2

    def gather(self) -> DataObjectSet:
        """Delete the parts; return their members."""
        members = list(self.dataset())
        place = required_place(self.place, "large set")
        for number in range(self.count):
            place.write(SetPart, number, None)
        small = DataObjectSet()
        small.dataset().update(members)
        return small

    def fill(self, members: Iterable[Any]) -> None:
        """Write the parts anew."""
        place = required_place(self.place, "large set")
        parts: Dict[int, Any] = {}
        for member in members:
            number = bucket_of(member.getkey(), self.count)
            if number not in parts:
                parts[number] = place.new(SetPart, number)
            parts[number].set.dataset().add(member)
        for number, part in parts.items():
            place.write(SetPart, number, part)

    def kvdb_dump(self, attributes: bool, seen: Any) -> Any:
        """Return what people see of it outside of walks: the number of parts."""
        return {"_parts": self.count}

    def json_text(self) -> str:
        """Return the stored JSON text."""
        return '{"%s": %s}' % (tag("vlcp.utils.growing.LargeSet"), encode(self.jsonencode()))

    def jsonencode(self) -> Any:
        """Return the data that is stored in the object: ``{"parts": number of parts}``."""
        return {"parts": self.count}

    @classmethod
    def jsondecode(cls, data: Any) -> LargeSet:
        """Return the set for stored ``data``.

        :raises ValueError: it is something else
        """
        count = data.get("parts") if isinstance(data, dict) else None
        if type(count) is not int or not 1 <= count <= _parts.MAX_PARTS:
            raise ValueError("stored large set: expected a number of parts, got %.100r" % (data,))
        return cls(count)


class SpreadSet(MutableSet):
    """The members of a large set, in no particular order."""

    def __init__(self, large: LargeSet, place: Place) -> None:
        self._large = large
        self._place = place

    @classmethod
    def _from_iterable(cls, items: Iterable[Any]) -> Any:
        return OrderedSet(items)

    def _all(self) -> List[Any]:
        return self._place.read_all(SetPart, range(self._large.count))

    def __iter__(self) -> Iterator[Any]:
        for part in self._all():
            yield from list(part.set.dataset())

    def __len__(self) -> int:
        return sum(len(part.set.dataset()) for part in self._all())

    def __contains__(self, item: Any) -> bool:
        part = self._place.read(SetPart, bucket_of(item.getkey(), self._large.count))
        return part is not None and item in part.set.dataset()

    def __repr__(self) -> str:
        return "<members of %r>" % (self._large,)

    def add(self, value: Any) -> None:
        number = bucket_of(value.getkey(), self._large.count)
        try:
            part = self._place.read(SetPart, number) or self._place.new(SetPart, number)
            if value not in part.set.dataset():
                part.set.dataset().add(value)
                self._place.write(SetPart, number, part)
                if len(part.set.dataset()) > _parts.LIMIT:
                    self._split()
        except WalkKeyNotRetrieved:
            return  # The transaction is repeated with the part; what else it needs is asked for in the same run.

    def discard(self, value: Any) -> None:
        number = bucket_of(value.getkey(), self._large.count)
        try:
            part = self._place.read(SetPart, number)
            if part is None or value not in part.set.dataset():
                return
            part.set.dataset().discard(value)
            self._store(number, part)
            for _ in range(2):
                if len(part.set.dataset()) <= _parts.LIMIT // 4:
                    self._merge()
        except WalkKeyNotRetrieved:
            return  # As in add().

    def update(self, *others: Iterable[Any]) -> None:
        """Add every item of ``others``."""
        for other in others:
            for item in list(other):
                self.add(item)

    def difference_update(self, *others: Iterable[Any]) -> None:
        """Remove every item of ``others``."""
        for other in others:
            for item in list(other):
                self.discard(item)

    def clear(self) -> None:
        self.difference_update(self)

    def copy(self) -> OrderedSet:
        """Return a set in memory with the same items."""
        return OrderedSet(self)

    def _store(self, number: int, part: Any) -> None:
        self._place.write(SetPart, number, part if part.set.dataset() else None)

    def _split(self) -> None:
        added = self._large.count
        source = self._place.read(SetPart, source_of(added))
        if source is None:
            self._large.count += 1
            return
        part = self._place.new(SetPart, added)
        self._large.count += 1
        for item in list(source.set.dataset()):
            if bucket_of(item.getkey(), added + 1) == added:
                source.set.dataset().discard(item)
                part.set.dataset().add(item)
        self._store(source_of(added), source)
        self._store(added, part)

    def _merge(self) -> None:
        """Put the members of the last part back where they came from, if they are few."""
        last = self._large.count - 1
        if last == 0:
            return
        part, target = self._place.read(SetPart, last), self._place.read(SetPart, source_of(last))
        if part is not None:
            target = target or self._place.new(SetPart, source_of(last))
            if len(part.set.dataset()) + len(target.set.dataset()) > _parts.LIMIT // 2:
                return
            target.set.dataset().update(part.set.dataset())
            self._place.write(SetPart, source_of(last), target)
        self._large.count -= 1
        self._place.write(SetPart, last, None)


register("vlcp.utils.growing.LargeSet", LargeSet.jsondecode)
