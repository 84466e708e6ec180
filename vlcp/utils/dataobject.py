"""Data objects: what is stored in the database, and how they refer to each other (manual 4.4.1, 5.7.2).

A class states its key with ``_prefix`` and ``_indices``; every other attribute that does not
begin with ``_`` is stored. Retrieved objects belong to the database layer: change them only
inside a transaction, on the copies that it hands out.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterable, List, NamedTuple, Optional, Sequence, Set, Tuple

from vlcp.utils._dump import dump
from vlcp.utils._keys import escape_key, join_key, join_values, split_key, unescape_key
from vlcp.utils._references import (
    DataObjectSet,
    DataObjectUpdateEvent,
    ReferenceObject,
    WeakReferenceObject,
    multiwaitif,
    references_in,
)
from vlcp.utils._relationship import Relationship
from vlcp.utils._storedform import encode_dict, plain_copy, register, tag
from vlcp.utils._updaters import (
    AlreadyExistsException,
    create_from_key,
    create_new,
    list_updater,
    request_context,
    set_new,
    updater,
    watch_context,
)

__all__ = [
    "AlreadyExistsException",
    "DataObject",
    "DataObjectSet",
    "DataObjectUpdateEvent",
    "MultiKeyReference",
    "MultiKeySet",
    "ReferenceObject",
    "Relationship",
    "UniqueKeyReference",
    "UniqueKeySet",
    "WeakReferenceObject",
    "create_from_key",
    "create_new",
    "dump",
    "escape_key",
    "list_updater",
    "multiwaitif",
    "request_context",
    "set_new",
    "unescape_key",
    "updater",
    "watch_context",
]


class IndexEntry(NamedTuple):
    """One index value of an object: the key of the index object, and of the set that lists those."""

    key: str
    setkey: str


class DataObject:
    """Base class of everything that is stored.

    Class attributes: ``_prefix``, the first part of the key; ``_indices``, the names of the attributes
    that make up the rest of it and are not stored in the value.

    :param prefix: other prefix for this one object; None takes the class's
    :param deleted: True makes an object that stands for a deleted one
    """

    _prefix = ""
    _indices: Tuple[str, ...] = ()
    _unique_keys: Tuple[Tuple[str, Tuple[str, ...]], ...] = ()
    _multi_keys: Tuple[Tuple[str, Tuple[str, ...]], ...] = ()
    _auto_remove: Dict[str, Callable[[Any], Iterable[str]]] = {}
    _deleted = False
    _head = ""
    kvdb_createtime: int
    kvdb_updateversion: int

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        path = "%s.%s" % (cls.__module__, cls.__name__)
        cls._head = '{"%s": ' % (tag(path),)
        register(path, cls.jsondecode)

    def __init__(self, prefix: Optional[str] = None, deleted: bool = False) -> None:
        if prefix is not None:
            self._prefix = prefix
        if deleted:
            self._deleted = True

    def __eq__(self, obj: object) -> bool:
        return type(obj) is type(self) and obj._stored() == self._stored() and obj.getkey() == self.getkey()

    def __ne__(self, obj: object) -> bool:
        return not self == obj

    def __hash__(self) -> int:
        return hash(self.getkey())

    def __repr__(self, *args: Any, **kwargs: Any) -> str:
        return "<%s: %s>" % (type(self).__name__, self.getkey())

    def _index_values(self) -> List[Any]:
        return [getattr(self, name, "") for name in self._indices]

    def _stored(self) -> Dict[str, Any]:
        indices = self._indices
        return {name: value for name, value in self.__dict__.items() if name[0] != "_" and name not in indices}

    def getkey(self) -> str:
        """Return the key of this object."""
        return join_key(self._prefix, self._index_values())

    def setkey(self, key: str) -> None:
        """Set the index attributes from ``key``.

        :raises ValueError: ``key`` is no key of this class
        """
        values = split_key(self._prefix, len(self._indices), key)
        if values is None:
            raise ValueError("%.200r is no key of a %s" % (key, type(self).__name__))
        self.__dict__.update(zip(self._indices, values))

    @classmethod
    def default_key(cls, *args: Any) -> str:
        """Return the key of the object with the index values ``args``.

        :raises ValueError: the number of values differs from that of the indices
        """
        if len(args) != len(cls._indices):
            raise ValueError("%s has %d index values, got %r" % (cls.__name__, len(cls._indices), args))
        return join_key(cls._prefix, args)

    @classmethod
    def create_instance(cls, *args: Any) -> Any:
        """Return a new object with the index values ``args``; values that are not strings become strings.

        :raises ValueError: the number of values differs from that of the indices
        """
        return cls.create_from_key(cls.default_key(*args))

    @classmethod
    def create_from_key(cls, key: str) -> Any:
        """Return a new object with ``key``.

        :raises ValueError: ``key`` is no key of this class
        """
        created = cls()
        created.setkey(key)
        return created

    @classmethod
    def ismatch(cls, key: str, matchvalues: Sequence[Any]) -> bool:
        """Return whether ``key`` belongs to this class and has these index values.

        :param matchvalues: values in the order of the indices; None matches everything
        """
        values = split_key(cls._prefix, len(cls._indices), key)
        if values is None:
            return False
        return all(wanted is None or str(wanted) == value for wanted, value in zip(matchvalues, values))

    @classmethod
    def isinstance(cls, cls2: Any) -> bool:
        """Return whether this object is a ``cls2``; works through a reference too."""
        return issubclass(cls, cls2)

    def kvdb_references(self) -> List[ReferenceObject]:
        """Return the strong references in this object."""
        found: List[ReferenceObject] = []
        for value in self.__dict__.values():
            references_in(value, found)
        return found

    def kvdb_retrievelist(self) -> List[str]:
        """Return the keys that are retrieved together with this object."""
        return [ref.getkey() for ref in self.kvdb_references()]

    def kvdb_retrievefinished(self, result: Any) -> None:
        """Point the strong references to the objects, or managed references, in ``result`` (by key)."""
        for ref in self.kvdb_references():
            ref.kvdb_retrievefinished(result)

    def kvdb_internalref(self) -> Set[str]:
        """Return the keys of the strong references in this object."""
        return {ref.getkey() for ref in self.kvdb_references()}

    def kvdb_update(self, obj: Any) -> None:
        """Take over the attributes of ``obj``; None marks this object as deleted."""
        if obj is None:
            self._deleted = True
        else:
            self.__dict__.clear()
            self.__dict__.update(obj.clone_instance().__dict__)

    def kvdb_detach(self) -> Any:
        """Make the strong references forget their objects. Return this object."""
        for ref in self.kvdb_references():
            ref.kvdb_detach()
        return self

    def clone_instance(self) -> Any:
        """Return a copy that shares no changeable part with this object; its references are not retrieved."""
        cls = type(self)
        other = cls.__new__(cls)
        other.__dict__.update([(name, plain_copy(value)) for name, value in self.__dict__.items()])
        return other

    def create_reference(self) -> ReferenceObject:
        """Return a strong reference to this object's key; it is not retrieved."""
        return ReferenceObject(self.getkey())

    def create_weakreference(self) -> WeakReferenceObject:
        """Return a weak reference to this object's key."""
        return WeakReferenceObject(self.getkey())

    def jsonencode(self) -> Dict[str, Any]:
        """Return the attributes that are stored.

        :raises ValueError: an attribute has the name of a method
        """
        stored = self._stored()
        _refuse_reserved(type(self), stored)
        return stored

    def json_text(self) -> str:
        """Return the stored JSON text.

        :raises ValueError: an attribute cannot be stored
        """
        return self._head + encode_dict(self.jsonencode(), 1) + "}"

    @classmethod
    def jsondecode(cls, data: Any) -> Any:
        """Return the object for stored attributes. Attributes that the text lacks have their initial values.

        :raises ValueError: ``data`` is no dictionary or has a reserved name
        """
        if not isinstance(data, dict):
            raise ValueError("stored %s: expected attributes, got %.100r" % (cls.__name__, data))
        _refuse_reserved(cls, data)
        created = cls()
        initial = created.__dict__
        created.__dict__ = dict(data)
        for name, value in initial.items():
            created.__dict__.setdefault(name, value)
        return created

    @classmethod
    def unique_key(cls, keyname: str, *args: str) -> None:
        """Declare that no two objects may share the values of the attributes ``args``.

        :param keyname: name of the index in the database
        """
        cls._unique_keys = cls._unique_keys + ((keyname, args),)

    @classmethod
    def multi_key(cls, keyname: str, *args: str) -> None:
        """Declare that objects can be found by the values of the attributes ``args``.

        :param keyname: name of the index in the database
        """
        cls._multi_keys = cls._multi_keys + ((keyname, args),)

    @classmethod
    def register_auto_remove(cls, name: str, func: Callable[[Any], Iterable[str]]) -> None:
        """Declare objects that are deleted together with an object of this class.

        :param name: names the rule; a rule of the same name is replaced (reloaded module)
        :param func: ``func(object) -> keys``
        """
        cls._auto_remove = dict(cls._auto_remove)
        cls._auto_remove[name] = func

    def _index_text(self, names: Tuple[str, ...]) -> Optional[str]:
        values = []
        for name in names:
            value = self.__dict__.get(name)
            if value is None:
                return None
            values.append(value.getkey() if isinstance(value, (ReferenceObject, WeakReferenceObject)) else value)
        return join_values(values)

    def _index_entries(self, declared: Any, refcls: Any, setcls: Any) -> List[IndexEntry]:
        entries = []
        for keyname, names in declared:
            text = self._index_text(names)
            if text is not None:
                key = refcls.default_key(self._prefix, keyname, text)
                entries.append(IndexEntry(key, setcls.default_key(self._prefix, keyname)))
        return entries

    def kvdb_uniquekeys(self) -> List[IndexEntry]:
        """Return the unique index entries of this object; an object without an attribute has no entry."""
        return self._index_entries(self._unique_keys, UniqueKeyReference, UniqueKeySet) if self._unique_keys else []

    def kvdb_multikeys(self) -> List[IndexEntry]:
        """Return the other index entries of this object; an object without an attribute has no entry."""
        return self._index_entries(self._multi_keys, MultiKeyReference, MultiKeySet) if self._multi_keys else []

    def kvdb_autoremove(self) -> List[str]:
        """Return the keys that are deleted together with this object."""
        return [key for func in self._auto_remove.values() for key in func(self)]

    def kvdb_dump(self, attributes: bool, seen: Set[str]) -> Optional[Dict[str, Any]]:
        """Return this object as a dictionary, None if it is deleted; see :func:`dump`.

        :param attributes: False gives only type and key
        :param seen: keys of the objects that this one is dumped in
        """
        if self._deleted:
            return None
        key = self.getkey()
        result: Dict[str, Any] = {"_type": "%s.%s" % (type(self).__module__, type(self).__name__), "_key": key}
        if attributes:
            inner = seen | {key}
            result.update((name, dump(value, attributes, inner)) for name, value in self._stored().items())
            result.update((name, getattr(self, name, "")) for name in self._indices)
        return result


_RESERVED = frozenset(dir(DataObject))


def _refuse_reserved(cls: type, names: Dict[str, Any]) -> None:
    if not _RESERVED.isdisjoint(names):
        name = min(_RESERVED.intersection(names))
        raise ValueError("%s: an attribute cannot be named %r" % (cls.__name__, name))


class UniqueKeySet(DataObject):
    """Lists the index objects of one unique key."""

    _prefix = "indicesset"
    _indices = ("prefix", "keyname")

    def __init__(self, prefix: Optional[str] = None, deleted: bool = False) -> None:
        super().__init__(prefix, deleted)
        self.set = DataObjectSet()


class MultiKeySet(DataObject):
    """Lists the index objects of one multiple key."""

    _prefix = "multiindicesset"
    _indices = ("prefix", "keyname")

    def __init__(self, prefix: Optional[str] = None, deleted: bool = False) -> None:
        super().__init__(prefix, deleted)
        self.set = DataObjectSet()


def _keyset_of(cls: Any, setcls: Any, key: str) -> str:
    values = split_key(cls._prefix, len(cls._indices), key)
    if values is None:
        raise ValueError("%.200r is no key of a %s" % (key, cls.__name__))
    return setcls.default_key(*values[:2])


class UniqueKeyReference(DataObject):
    """One value of a unique key; attribute ``ref`` is a strong reference to the owner."""

    _prefix = "indices"
    _indices = ("prefix", "keyname", "value")

    @classmethod
    def get_keyset_from_key(cls, key: str) -> str:
        """Return the key of the :class:`UniqueKeySet` that lists the index object ``key``.

        :raises ValueError: ``key`` is no key of this class
        """
        return _keyset_of(cls, UniqueKeySet, key)


class MultiKeyReference(DataObject):
    """One value of a multiple key; attribute ``set`` holds weak references to the owners."""

    _prefix = "multiindices."
    _indices = ("prefix", "keyname", "value")

    def __init__(self, prefix: Optional[str] = None, deleted: bool = False) -> None:
        super().__init__(prefix, deleted)
        self.set = DataObjectSet()

    @classmethod
    def get_keyset_from_key(cls, key: str) -> str:
        """Return the key of the :class:`MultiKeySet` that lists the index object ``key``.

        :raises ValueError: ``key`` is no key of this class
        """
        return _keyset_of(cls, MultiKeySet, key)
