"""References between data objects, sets of them, and the event of their changes.

The public place of these classes is :mod:`vlcp.utils.dataobject`, which is also the path in
the stored form.
"""

from __future__ import annotations

from typing import Any, Callable, Iterable, List, Optional, Set

from vlcp.event.event import M_, Event, withIndices
from vlcp.utils._orderedset import OrderedSet
from vlcp.utils._storedform import encode, register, register_unchangeable, tag

_PUBLIC = "vlcp.utils.dataobject"
_REFERENCE_TAG = tag(_PUBLIC + ".ReferenceObject")
_WEAKREFERENCE_TAG = tag(_PUBLIC + ".WeakReferenceObject")
_SET_TAG = tag(_PUBLIC + ".DataObjectSet")


@withIndices("key", "transactid", "type")
class DataObjectUpdateEvent(Event):
    """A watched object changed (manual 4.5.1, step 3).

    Indices: ``key``; ``transactid``, a string that is the same for all keys of one advance of the data
    mirror; ``type``, :attr:`UPDATED` or :attr:`DELETED`. Attribute ``object``: the managed reference.
    """

    __module__ = _PUBLIC
    canignore = True
    UPDATED = "updated"
    DELETED = "deleted"


def _checked_key(data: Any) -> str:
    if not isinstance(data, str):
        raise ValueError("stored reference: expected a key, got %.100r" % (data,))
    return data


class ReferenceObject:
    """A strong reference: the object it names is read from the database together with its holder.

    Attributes of the object can be read through it, but not written.

    :param key: database key
    :param refobj: the object, another reference to follow, or None when it is not retrieved
    """

    __module__ = _PUBLIC
    __slots__ = ("_key", "_refobj", "_text", "__weakref__")

    def __init__(self, key: str, refobj: Any = None) -> None:
        set_slot = object.__setattr__
        set_slot(self, "_key", key)
        set_slot(self, "_refobj", refobj)
        set_slot(self, "_text", None)

    def __setattr__(self, name: str, value: Any) -> None:
        raise TypeError("%s: a reference cannot be written, use a transaction (attribute %r)" % (self._key, name))

    def __delattr__(self, name: str) -> None:
        raise TypeError("%s: a reference cannot be written, use a transaction (attribute %r)" % (self._key, name))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        found = self.kvdb_object()
        if found is None:
            raise AttributeError("%s is not retrieved or does not exist (attribute %r)" % (self._key, name))
        return getattr(found, name)

    def __eq__(self, obj: object) -> bool:
        return isinstance(obj, ReferenceObject) and obj._key == self._key

    def __ne__(self, obj: object) -> bool:
        return not self == obj

    def __hash__(self) -> int:
        return hash(self._key)

    def __repr__(self, *args: Any, **kwargs: Any) -> str:
        return "<ReferenceObject: %r at %s>" % (self.kvdb_object(), self._key)

    def __str__(self, *args: Any, **kwargs: Any) -> str:
        return self.__repr__()

    def __reduce__(self) -> Any:
        return (ReferenceObject, (self._key,))

    def __copy__(self) -> ReferenceObject:
        return self.clone_instance()

    def __deepcopy__(self, memo: Any) -> ReferenceObject:
        return self.clone_instance()

    def getkey(self) -> str:
        """Return the key of the object."""
        return self._key

    def kvdb_object(self) -> Any:
        """Return the object itself, or None when it is not retrieved or does not exist."""
        found = self._refobj
        if isinstance(found, ReferenceObject):
            found = found._refobj
        return None if found is _ABSENT else found

    def kvdb_isretrieved(self) -> bool:
        """Return whether it is known what the object is, or that there is none."""
        found = self._refobj
        if isinstance(found, ReferenceObject):
            found = found._refobj
        return found is not None

    def kvdb_retrievelist(self) -> List[str]:
        """Return the keys to retrieve for this value: the referenced one."""
        return [self._key]

    def kvdb_retrievefinished(self, result: Any) -> None:
        """Point to ``result[key]``, an object or a managed reference; None there means it does not exist."""
        if self._key in result:
            found = result[self._key]
            object.__setattr__(self, "_refobj", _ABSENT if found is None else found)

    def kvdb_internalref(self) -> Set[str]:
        """Return the keys of strong references in this value."""
        return {self._key}

    def kvdb_detach(self) -> ReferenceObject:
        """Forget the object; only the key stays. Return this reference."""
        object.__setattr__(self, "_refobj", None)
        return self

    def isdeleted(self) -> bool:
        """Return whether the object does not exist now (or is not retrieved)."""
        found = self.kvdb_object()
        return found is None or getattr(found, "_deleted", False)

    def clone_instance(self) -> ReferenceObject:
        """Return a reference to the same key that is not retrieved."""
        return ReferenceObject(self._key)

    def json_text(self) -> str:
        """Return the stored JSON text; it is made once."""
        text = self._text
        if text is None:
            text = '{"%s": %s}' % (_REFERENCE_TAG, encode(self._key))
            object.__setattr__(self, "_text", text)
        return text

    def jsonencode(self) -> str:
        """Return the data that is stored for this reference: its key."""
        return self._key

    @classmethod
    def jsondecode(cls, data: Any) -> ReferenceObject:
        """Return the reference for stored ``data``.

        :raises ValueError: ``data`` is no string
        """
        return cls(_checked_key(data))

    async def wait(self, container: Any = None) -> None:
        """Wait until the object exists. The key must be watched.

        :param container: unused; kept for the documented signature
        """
        while self.isdeleted():
            await DataObjectUpdateEvent.createMatcher(self._key, None, DataObjectUpdateEvent.UPDATED)

    async def waitif(self, container: Any, expr: Callable[[ReferenceObject], Any], nextchange: bool = False) -> Any:
        """Wait until ``expr(reference)`` is true. The key must be watched.

        :param container: unused; kept for the documented signature
        :param nextchange: True looks only after the next change
        :return: the event that made it true, or None when it was true at once
        """
        if not nextchange and expr(self):
            return None
        while True:
            event = await DataObjectUpdateEvent.createMatcher(self._key)
            if expr(self):
                return event


class _Absent:
    """Stands for an object that is known not to exist."""


_ABSENT: Any = _Absent()


class WeakReferenceObject:
    """A weak reference: only a key; the object must be retrieved by hand."""

    __module__ = _PUBLIC
    __slots__ = ("_key", "_text")

    def __init__(self, key: str) -> None:
        self._key = key
        self._text: Optional[str] = None

    def __eq__(self, obj: object) -> bool:
        return isinstance(obj, WeakReferenceObject) and obj._key == self._key

    def __ne__(self, obj: object) -> bool:
        return not self == obj

    def __hash__(self) -> int:
        return hash(self._key)

    def __repr__(self, *args: Any, **kwargs: Any) -> str:
        return "<WeakReferenceObject: %s>" % (self._key,)

    def __str__(self, *args: Any, **kwargs: Any) -> str:
        return self.__repr__()

    def __reduce__(self) -> Any:
        return (WeakReferenceObject, (self._key,))

    def getkey(self) -> str:
        """Return the key of the object."""
        return self._key

    def clone_instance(self) -> WeakReferenceObject:
        """Return this reference: it never changes."""
        return self

    def json_text(self) -> str:
        """Return the stored JSON text; it is made once."""
        text = self._text
        if text is None:
            text = self._text = '{"%s": %s}' % (_WEAKREFERENCE_TAG, encode(self._key))
        return text

    def jsonencode(self) -> str:
        """Return the data that is stored for this reference: its key."""
        return self._key

    @classmethod
    def jsondecode(cls, data: Any) -> WeakReferenceObject:
        """Return the reference for stored ``data``.

        :raises ValueError: ``data`` is no string
        """
        return cls(_checked_key(data))


class DataObjectSet:
    """A set of weak references to data objects, usually of one type."""

    __module__ = _PUBLIC
    __slots__ = ("_dataset",)

    def __init__(self) -> None:
        self._dataset = OrderedSet()

    def __eq__(self, obj: object) -> bool:
        return isinstance(obj, DataObjectSet) and obj._dataset == self._dataset

    def __ne__(self, obj: object) -> bool:
        return not self == obj

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self, *args: Any, **kwargs: Any) -> str:
        return "<DataObjectSet: %r>" % (self._dataset,)

    def dataset(self) -> Any:
        """Return the set itself (``add``, ``discard``, ``in``, iteration in order of insertion)."""
        return self._dataset

    def find(self, cls: Any, *args: Any) -> List[WeakReferenceObject]:
        """Return the members whose key is of class ``cls`` with the index values ``args``.

        :param args: one value for each index; None matches everything, missing ones at the end too
        """
        return [ref for ref in self._dataset if cls.ismatch(ref.getkey(), args)]

    def kvdb_update(self, obj: DataObjectSet) -> None:
        """Take over the members of ``obj``."""
        self._dataset = obj._dataset.copy()

    def clone_instance(self) -> DataObjectSet:
        """Return another set with the same members."""
        other = DataObjectSet()
        other._dataset = self._dataset.copy()
        return other

    def json_text(self) -> str:
        """Return the stored JSON text."""
        return '{"%s": [%s]}' % (_SET_TAG, self._dataset.joined_text())

    def jsonencode(self) -> List[WeakReferenceObject]:
        """Return the data that is stored for this set: the list of members."""
        return list(self._dataset)

    @classmethod
    def jsondecode(cls, data: Any) -> DataObjectSet:
        """Return the set for stored ``data``, a list of weak references.

        :raises ValueError: ``data`` is something else
        """
        if not isinstance(data, list) or not all(type(item) is WeakReferenceObject for item in data):
            raise ValueError("stored set: expected a list of weak references, got %.100r" % (data,))
        created = cls()
        created._dataset = OrderedSet(data)
        return created


def references_in(value: Any, found: List[ReferenceObject]) -> None:
    """Append the strong references in ``value``, a list or dictionary of any depth, to ``found``."""
    kind = type(value)
    if kind is ReferenceObject:
        found.append(value)
    elif kind is dict:
        for item in value.values():
            if type(item) is not WeakReferenceObject:
                references_in(item, found)
    elif kind is list or kind is tuple:
        for item in value:
            references_in(item, found)


async def multiwaitif(
    references: Iterable[ReferenceObject], container: Any, expr: Callable[..., Any], nextchange: bool = False
) -> Any:
    """Wait until ``expr(references)`` is true. The keys must be watched.

    :param references: references to watched objects
    :param container: unused; kept for the documented signature
    :param nextchange: True looks only after the next change of any of them
    :return: the event that made it true, or None when it was true at once
    """
    watched = list(references)
    if not nextchange and expr(watched):
        return None
    matchers = [DataObjectUpdateEvent.createMatcher(ref.getkey()) for ref in watched]
    while True:
        event, _ = await M_(*matchers)
        if expr(watched):
            return event


register_unchangeable(WeakReferenceObject, WeakReferenceObject.json_text)
register(_PUBLIC + ".ReferenceObject", ReferenceObject.jsondecode)
register(_PUBLIC + ".WeakReferenceObject", WeakReferenceObject.jsondecode)
register(_PUBLIC + ".DataObjectSet", DataObjectSet.jsondecode)
