"""The objects that hold the members of large collections, and how collections reach them; see :mod:`vlcp.utils.growing`."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Callable, Iterable, List, Optional

from vlcp.utils._keys import split_key
from vlcp.utils.dataobject import DataObject, DataObjectSet, MultiKeyReference
from vlcp.utils.exceptions import WalkKeyNotRetrieved

LIMIT = 32
"""Most members that are stored in the object itself; a part with more makes a set take one more part."""
BLOCK = 64
"""How many numbers share a part."""
MAX_PARTS = 1 << 16
"""Most parts of one attribute; more are taken as damaged data."""

_REMEMBERED_KEYS = 4096

Walk = Callable[[str], Any]
Write = Callable[[str, Any], None]

MultiKeyReference._growing = ("set",)


class SetPart(DataObject):
    """Part of a set; ``set`` has the members of one bucket. A part without members does not exist."""

    __module__ = "vlcp.utils.growing"
    _prefix = "setpart"
    _indices = ("holder", "attribute", "number")

    def __init__(self, prefix: Optional[str] = None, deleted: bool = False) -> None:
        super().__init__(prefix, deleted)
        self.set = DataObjectSet()


class NumberPart(DataObject):
    """Part of a dictionary; ``numbers`` has its entries of one block. A part without entries does not exist."""

    __module__ = "vlcp.utils.growing"
    _prefix = "numberpart"
    _indices = ("holder", "attribute", "number")

    def __init__(self, prefix: Optional[str] = None, deleted: bool = False) -> None:
        super().__init__(prefix, deleted)
        self.numbers: Any = {}


def holder_of(key: str) -> Optional[str]:
    """Return the key of the object that a part belongs to, None when ``key`` is no key of a part."""
    if not key.startswith(("setpart.", "numberpart.")):
        return None
    values = split_key("setpart", 3, key) or split_key("numberpart", 3, key)
    return None if values is None else values[0]


@lru_cache(maxsize=_REMEMBERED_KEYS)
def part_key(cls: Any, holder: str, attribute: str, number: int) -> str:
    """Return the key of a part."""
    key: str = cls.default_key(holder, attribute, number)
    return key


class Place:
    """Where a large collection is used: its object, and what reads and writes parts there."""

    __slots__ = ("holder", "attribute", "_walk", "_write")

    def __init__(self, holder: str, attribute: str, walk: Walk, write: Optional[Write]) -> None:
        self.holder = holder
        self.attribute = attribute
        self._walk = walk
        self._write = write

    def key(self, cls: Any, number: int) -> str:
        return part_key(cls, self.holder, self.attribute, number)

    def read(self, cls: Any, number: int) -> Any:
        """Return a part, None when it does not exist.

        :raises WalkKeyNotRetrieved: it is not read yet
        """
        found = self._walk(self.key(cls, number))
        return found if isinstance(found, cls) else None

    def read_all(self, cls: Any, numbers: Iterable[int]) -> List[Any]:
        """Return the parts that exist.

        :raises WalkKeyNotRetrieved: some are not read yet; all of them have been asked for
        """
        found, missing = [], None
        for number in numbers:
            try:
                found.append(self.read(cls, number))
            except WalkKeyNotRetrieved as error:
                missing = error
        if missing is not None:
            raise missing
        return [part for part in found if part is not None]

    def new(self, cls: Any, number: int) -> Any:
        """Return a part to be filled; what the database may have under its key is not used."""
        key = self.key(cls, number)
        try:
            self._walk(key)
        except WalkKeyNotRetrieved:
            pass  # It is asked for, which is all that is wanted.
        return cls.create_from_key(key)

    def write(self, cls: Any, number: int, part: Any) -> None:
        if self._write is None:
            raise TypeError("%s: %s can be changed in a transaction only" % (self.holder, self.attribute))
        self._write(self.key(cls, number), part)


def required_place(place: Optional[Place], kind: str) -> Place:
    if place is None:
        raise TypeError("the members of a %s can be used only inside of a walk or a transaction" % (kind,))
    return place
