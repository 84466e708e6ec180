"""Large collections in data objects: the attributes that list everything of a kind, stored in parts.

A class names such attributes in ``_growing``. While one has at most :data:`LIMIT` members it is stored in its object, in
the form of VLCP 2. Above that its members are stored in objects of their own, its *parts*, each of which is found from the
member, so that adding or removing one costs the same whatever the number of the others, and changes of different parts do
not conflict. The object keeps only where the parts are:

* a set becomes a :class:`LargeSet`; its parts are the buckets of a linear hash table (:class:`SetPart`)
* a dictionary with decimal keys, such as the addresses of a subnet, becomes a :class:`LargeNumbers`; each part
  (:class:`NumberPart`) has the numbers of one aligned block

Both are used like what they replace. They read parts where they are used: in a transaction through its ``walk``, in a
reader's walk through that. A part that is not read yet raises :class:`WalkKeyNotRetrieved`, after which the walk is repeated
with it. The transaction layer changes the form, with :func:`fit`.
"""

from __future__ import annotations

from typing import Any, Dict, Iterable, List, Optional

from vlcp.utils import _parts
from vlcp.utils._largenumbers import LargeNumbers, number_of
from vlcp.utils._largeset import LargeSet, SpreadSet
from vlcp.utils._parts import NumberPart, Place, SetPart, Walk, Write, holder_of
from vlcp.utils.dataobject import DataObject, DataObjectSet

__all__ = [
    "LargeNumbers",
    "LargeSet",
    "NumberPart",
    "SetPart",
    "SpreadSet",
    "ask_for",
    "attach",
    "detach",
    "first_free",
    "fit",
    "forget_full",
    "holder_of",
    "is_fit",
    "large_of",
    "newly_large",
    "part_keys",
    "parts_to_follow",
]


def large_of(value: Any) -> Dict[str, Any]:
    """Return the large collections in an object, by attribute."""
    names = getattr(type(value), "_growing", ())
    if not names:
        return {}
    found = {name: value.__dict__.get(name) for name in names}
    return {name: large for name, large in found.items() if isinstance(large, (LargeSet, LargeNumbers))}


def attach(value: Any, walk: Walk, write: Optional[Write] = None) -> Any:
    """Let the large collections in an object read and write their parts; return the object.

    :param value: any value; it has its key
    :param walk: ``walk(key)`` returns a value or raises :class:`WalkKeyNotRetrieved`
    :param write: ``write(key, value)``; None for an object that is only read
    """
    for name, large in large_of(value).items():
        large.place = Place(value.getkey(), name, walk, write)
    return value


def detach(value: Any) -> None:
    """Let the large collections in an object be used no more."""
    for large in large_of(value).values():
        large.place = None


def part_keys(value: Any) -> List[str]:
    """Return the keys of all parts of an object."""
    key = value.getkey() if isinstance(value, DataObject) else ""
    return [part for name, large in large_of(value).items() for part in large.part_keys(key, name)]


def parts_to_follow(value: Any, used: Iterable[str]) -> List[str]:
    """Return the keys of all parts of the sets in an object that somebody follows.

    :param used: keys of parts that were used before; they tell which sets
    """
    known, found = set(used), []
    for name, large in large_of(value).items():
        keys = large.part_keys(value.getkey(), name) if isinstance(large, LargeSet) else []
        if not known.isdisjoint(keys):
            found += keys
    return found


def newly_large(before: Any, value: Any) -> List[str]:
    """Return the keys of the parts of sets in an object that an earlier version of it had as a whole."""
    if before is None or not large_of(value):
        return []
    old = large_of(before)
    found: List[str] = []
    for name, large in large_of(value).items():
        if isinstance(large, LargeSet) and name not in old:
            found += large.part_keys(value.getkey(), name)
    return found


def _is_crowded(value: Any) -> bool:
    """Return whether a collection in an object has too many members to stay there."""
    if isinstance(value, dict):
        return len(value) > _parts.LIMIT and all(number_of(key) is not None for key in value)
    return type(value) is DataObjectSet and len(value.dataset()) > _parts.LIMIT


def is_fit(value: Any, shared: bool) -> bool:
    """Return whether :func:`fit` has surely nothing to change in an object; it may not be attached."""
    if shared:
        return not large_of(value)
    return not any(_is_crowded(value.__dict__.get(name)) for name in getattr(type(value), "_growing", ()))


def fit(value: Any, shared: bool, walk: Walk, write: Write) -> None:
    """Change the form of the collections in an object to what their size, and the sharing of the database, asks for.

    :param value: a data object, to be written
    :param shared: everything is stored in the objects themselves, as VLCP 2 does
    :raises WalkKeyNotRetrieved: parts that are needed are not read yet
    """
    attach(value, walk, write)
    for name in getattr(type(value), "_growing", ()):
        present = value.__dict__.get(name)
        if isinstance(present, (LargeSet, LargeNumbers)):
            if shared or present.is_small():
                value.__dict__[name] = present.gather()
        elif not shared and _is_crowded(present):
            value.__dict__[name] = _spread(present, Place(value.getkey(), name, walk, write))


def _spread(present: Any, place: Place) -> Any:
    if isinstance(present, dict):
        large: Any = LargeNumbers()
        large.place = place
        large.fill(present)
        return large
    members = present.dataset()
    large = LargeSet(max(2, 2 * len(members) // _parts.LIMIT))
    large.place = place
    large.fill(members)
    return large


def first_free(allocation: Any, first: int, last: int, forbidden: Optional[int] = None) -> Optional[int]:
    """Return the lowest number of a range that is no key of a dictionary with decimal keys; None when there is none.

    :param allocation: a dictionary, large or not
    :param first: lowest number that may be returned
    :param last: highest number that may be returned
    :param forbidden: a number that may not be returned, or None
    :raises WalkKeyNotRetrieved: a part is not read yet
    """
    if isinstance(allocation, LargeNumbers):
        return allocation.first_free(first, last, forbidden)
    for number in range(first, last + 1):
        if number != forbidden and str(number) not in allocation:
            return number
    return None


def ask_for(allocation: Any, numbers: Iterable[int]) -> None:
    """Ask for the parts of a dictionary that hold these numbers, so that they are read together."""
    if isinstance(allocation, LargeNumbers):
        allocation.ask_for(numbers)


def forget_full(allocation: Any) -> bool:
    """Tell a dictionary that other numbers than before may be given; return whether it must be written for that."""
    if not isinstance(allocation, LargeNumbers) or not allocation.full.pairs:
        return False
    allocation.forget_full()
    return True
