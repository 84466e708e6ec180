"""The five kinds of objects that ``viperflow`` manages, and what their calls have in common.

A :class:`Resource` says how a kind is keyed, listed and linked. The functions are pure: :func:`requests` turns the
parameters of a plural call into ``{key: parameters}``, the walkers are run by ObjectDB (``writewalk``, ``walk``), perhaps
several times, and see the database only through ``walk`` and ``write``.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterable, Iterator, List, NamedTuple, Optional, Tuple
from uuid import uuid1

from vlcp.utils.dataobject import DataObject, DataObjectSet, create_new, set_new
from vlcp.utils.exceptions import TypeMismatchException, WalkKeyNotRetrieved
from vlcp.utils.networkmodel import (
    LogicalNetwork,
    LogicalNetworkMap,
    LogicalNetworkSet,
    LogicalPort,
    LogicalPortSet,
    PhysicalNetwork,
    PhysicalNetworkMap,
    PhysicalNetworkSet,
    PhysicalPort,
    PhysicalPortSet,
    SubNet,
    SubNetSet,
)


class Resource(NamedTuple):
    """How one kind of object is keyed, listed and linked."""

    kind: str
    """name for messages, like 'logical port'"""
    cls: Any
    set_cls: Any
    """class of the one object whose set lists all objects of this kind"""
    parent: str = ""
    """attribute with the reference to the object this one belongs to; '' for none"""
    parent_cls: Any = None
    map_cls: Any = None
    """class of the object that lists the children of a parent; it has the parent's id"""
    map_attribute: str = ""
    """attribute of the map with the set of children of this kind"""
    defaults: Tuple[Tuple[str, Any], ...] = (("id", None),)
    """(index attribute, value when a call does not say; None generates one)"""
    fixed: Tuple[str, ...] = ()
    """attributes that only a create call may give"""

    def key(self, parameters: Dict[str, Any]) -> str:
        """Return the database key that the parameters of a call name."""
        return self.cls.default_key(*[parameters.get(name, default) for name, default in self.defaults])

    def label(self, parameters: Dict[str, Any]) -> str:
        """Return the name of an object for messages: its index values joined with dots."""
        return ".".join(str(parameters.get(name, default)) for name, default in self.defaults)


PHYSICAL_NETWORK = Resource("physical network", PhysicalNetwork, PhysicalNetworkSet, fixed=("type",))
PHYSICAL_PORT = Resource(
    "physical port",
    PhysicalPort,
    PhysicalPortSet,
    parent="physicalnetwork",
    parent_cls=PhysicalNetwork,
    map_cls=PhysicalNetworkMap,
    map_attribute="ports",
    defaults=(("vhost", ""), ("systemid", "%"), ("bridge", "%"), ("name", None)),
    fixed=("physicalnetwork",),
)
LOGICAL_NETWORK = Resource(
    "logical network",
    LogicalNetwork,
    LogicalNetworkSet,
    parent="physicalnetwork",
    parent_cls=PhysicalNetwork,
    map_cls=PhysicalNetworkMap,
    map_attribute="logicnetworks",
    fixed=("physicalnetwork",),
)
SUBNET = Resource(
    "subnet",
    SubNet,
    SubNetSet,
    parent="network",
    parent_cls=LogicalNetwork,
    map_cls=LogicalNetworkMap,
    map_attribute="subnets",
    fixed=("logicalnetwork", "network", "isexternal"),
)
LOGICAL_PORT = Resource(
    "logical port",
    LogicalPort,
    LogicalPortSet,
    parent="network",
    parent_cls=LogicalNetwork,
    map_cls=LogicalNetworkMap,
    map_attribute="ports",
    fixed=("logicalnetwork", "network", "subnet"),
)
RESOURCES = (PHYSICAL_NETWORK, PHYSICAL_PORT, LOGICAL_NETWORK, LOGICAL_PORT, SUBNET)
INDEX_SETS = tuple(resource.set_cls for resource in RESOURCES)

MAX_OBJECTS = 10000
"""most objects in one call; a transaction of more would stop everything else for seconds"""
_NOT_ATTRIBUTES = frozenset(dir(DataObject))


def requests(resource: Resource, items: Iterable[Dict[str, Any]], create: bool = False) -> Dict[str, Dict[str, Any]]:
    """Return ``{key: parameters}`` of a plural call, in the order of the request.

    :param items: parameters of each object; index values that are missing get their defaults
    :param create: True gives objects without an id a new one
    :raises ValueError: an object is named twice, an id is needed and missing, an attribute has a reserved name, or there are
                        more than 10000 objects
    """
    found: Dict[str, Dict[str, Any]] = {}
    for item in items:
        if len(found) == MAX_OBJECTS:
            raise ValueError(f"a call can have at most {MAX_OBJECTS} objects of kind {resource.kind}")
        parameters = dict(item)
        for name, default in resource.defaults:
            if parameters.get(name) in (None, "") and default is None:
                if not create or name != "id":
                    raise ValueError(f"{resource.kind}: {name} must be given")
                parameters[name] = str(uuid1())
            else:
                parameters.setdefault(name, default)
        _refuse_reserved(resource, parameters)
        if create and "network" in resource.fixed and "network" in parameters:
            raise ValueError(f"{resource.kind} {resource.label(parameters)!r}: network must be given as logicalnetwork")
        key = resource.key(parameters)
        if key in found:
            raise ValueError(f"{resource.kind} {resource.label(parameters)!r} is given twice")
        found[key] = parameters
    return found


def _refuse_reserved(resource: Resource, parameters: Dict[str, Any]) -> None:
    for name in parameters:
        if name in _NOT_ATTRIBUTES or name.startswith("_"):
            raise ValueError(f"{resource.kind}: an attribute cannot be named {name!r}")


def refuse_fixed(resource: Resource, parameters: Dict[str, Any]) -> None:
    """Refuse an update of what cannot change.

    :raises ValueError: the parameters have such an attribute; the message names it
    """
    for name in resource.fixed:
        if name in parameters:
            raise ValueError(f"{resource.kind} {resource.label(parameters)!r}: {name} cannot be changed")


def set_attributes(obj: Any, parameters: Dict[str, Any], excluding: Iterable[str] = ()) -> None:
    """Store the parameters of a call as attributes.

    :param excluding: names of parameters that are not stored; index attributes never are
    """
    skipped = {*excluding, *type(obj)._indices}
    obj.__dict__.update((name, value) for name, value in parameters.items() if name not in skipped)


def required(walk: Callable[[str], Any], kind: str, key: str, label: str) -> Any:
    """Return the object with a key.

    :raises ValueError: it does not exist; the message names kind and label
    :raises WalkKeyNotRetrieved: it is not read yet
    """
    found = walk(key)
    if found is None:
        raise ValueError(f"{kind} {label!r} does not exist")
    return found


class Links:
    """The sets that list objects, read and written once in a walker however many objects change.

    :param walk: the walker's ``walk``
    :param write: the walker's ``write``
    """

    def __init__(self, walk: Callable[[str], Any], write: Callable[[str, Any], None]) -> None:
        self._walk = walk
        self._write = write
        self._holders: Dict[str, Any] = {}

    def holder(self, cls: Any, *ids: str) -> Any:
        """Return the map or set object with these ids, to be changed; :meth:`flush` writes it. It is created when the
        database has none (a database that was emptied under a running controller)."""
        key = cls.default_key(*ids)
        if key not in self._holders:
            found = self._walk(key)
            self._holders[key] = create_new(cls, None, *ids) if found is None else found
        return self._holders[key]

    def members(self, holder: Any, attribute: str = "set") -> Any:
        """Return the Python set of weak references in an attribute of a map or set object."""
        if getattr(holder, attribute, None) is None:
            setattr(holder, attribute, DataObjectSet())
        return getattr(holder, attribute).dataset()

    def add(self, resource: Resource, obj: Any, parent_id: Optional[str] = None) -> None:
        """List a new object with its kind and its parent."""
        for members in self._lists(resource, parent_id):
            members.add(obj.create_weakreference())

    def remove(self, resource: Resource, obj: Any, parent_id: Optional[str] = None) -> None:
        """Take an object off the lists."""
        for members in self._lists(resource, parent_id):
            members.discard(obj.create_weakreference())

    def _lists(self, resource: Resource, parent_id: Optional[str]) -> Iterator[Any]:
        yield self.members(self.holder(resource.set_cls))
        if resource.map_cls is not None:
            yield self.members(self.holder(resource.map_cls, parent_id), resource.map_attribute)

    def forget(self, cls: Any, *ids: str) -> None:
        """Delete a map together with its partner."""
        key = cls.default_key(*ids)
        self._holders.pop(key, None)
        self._write(key, None)

    def flush(self) -> None:
        """Write everything that :meth:`holder` handed out."""
        for key, holder in self._holders.items():
            self._write(key, holder)


def new_object(cls: Any, key: str, walk: Callable[[str], Any]) -> Any:
    """Return a new object with a key.

    :raises AlreadyExistsException: the database has it
    :raises WalkKeyNotRetrieved: that is not known yet
    """
    return set_new(walk(key), cls.create_from_key(key))


def create_index_sets(classes: Iterable[Any] = INDEX_SETS) -> Tuple[List[str], Callable[..., None]]:
    """Return keys and walker that create index objects where they are missing.

    :param classes: their classes; by default those of the five kinds of this module
    """
    missing = {cls.default_key(): cls for cls in classes}

    def walker(walk: Callable[[str], Any], write: Callable[[str, Any], None]) -> None:
        for key, cls in missing.items():
            if walk(key) is None:
                write(key, cls.create_from_key(key))

    return list(missing), walker


def matches(obj: Any, filters: Dict[str, Any]) -> bool:
    """Return whether each attribute of the object equals the filter's value; an absent attribute counts as None."""
    return all(_value(obj, name) == value for name, value in filters.items())


def _value(obj: Any, name: str) -> Any:
    return getattr(obj, name, None) if name in type(obj)._indices else obj.__dict__.get(name)


class Query(NamedTuple):
    """A list call: where to begin reading, and the walker that saves what matches."""

    key: str
    walker: Callable[..., None]


def query(
    resource: Resource,
    ids: Optional[Dict[str, Any]],
    parent: Optional[str],
    filters: Dict[str, Any],
) -> Query:
    """Return the query of a list call.

    :param ids: index values of the one object looked for, or None for all
    :param parent: id of the parent that the objects must belong to, or None for any
    :param filters: values of further attributes
    :raises TypeMismatchException: an id is not a string
    """
    _check_text({**(ids or {}), (resource.parent or "id"): parent})
    wanted = _condition(resource, parent, filters)
    if ids is None and parent is None:
        return Query(resource.set_cls.default_key(), _members_walker("set", wanted))
    if ids is None:
        return Query(resource.map_cls.default_key(parent), _members_walker(resource.map_attribute, wanted))

    def one(key: str, value: Any, walk: Callable[[str], Any], save: Callable[..., None]) -> None:
        if wanted(value):
            save(key)

    return Query(resource.key(ids), one)


def _condition(resource: Resource, parent: Optional[str], filters: Dict[str, Any]) -> Callable[[Any], bool]:
    parent_key = None if parent is None else resource.parent_cls.default_key(parent)

    def wanted(obj: Any) -> bool:
        if obj is None or (parent_key is not None and getattr(obj, resource.parent).getkey() != parent_key):
            return False
        return matches(obj, filters)

    return wanted


def _members_walker(attribute: str, wanted: Callable[[Any], bool]) -> Callable[..., None]:
    """Return the walker that saves the wanted members of the set in an attribute; it asks for all of them at once."""

    def many(key: str, value: Any, walk: Callable[[str], Any], save: Callable[..., None]) -> None:
        for reference in [] if value is None else getattr(value, attribute).dataset():
            try:
                found = walk(reference.getkey())
            except WalkKeyNotRetrieved:
                continue
            if wanted(found):
                save(reference.getkey())

    return many


def _check_text(values: Dict[str, Any]) -> None:
    for name, value in values.items():
        if value is not None and not isinstance(value, str):
            raise TypeMismatchException(f"{name}: expected a string, got {value!r:.80}")
