"""Data objects as plain dictionaries and lists; :mod:`vlcp.utils.dataobject` offers it (manual 5.7.2)."""

from __future__ import annotations

from typing import Any, Optional, Set

from vlcp.utils._references import DataObjectSet, ReferenceObject, WeakReferenceObject


def dump(obj: Any, attributes: bool = True, _refset: Optional[Set[str]] = None) -> Any:
    """Return ``obj`` as plain dictionaries and lists for people and for the Web API.

    An object becomes ``{"_type": "module.class", "_key": key, attributes...}``; a strong reference the
    dump of its object, or ``{"_ref": key}`` when that is not retrieved or is being dumped already; a weak
    reference ``{"_weakref": key}``; a set a list of those; a large collection ``{"_parts": number of
    parts}``. What does not exist becomes None.

    :param obj: object, reference, set, list or dictionary; other values are returned as they are
    :param attributes: False gives only type and key of objects
    """
    seen = set() if _refset is None else _refset
    if isinstance(obj, ReferenceObject):
        if not obj.kvdb_isretrieved() or obj.getkey() in seen:
            return {"_ref": obj.getkey()}
        return dump(obj.kvdb_object(), attributes, seen)
    if isinstance(obj, WeakReferenceObject):
        return {"_weakref": obj.getkey()}
    if hasattr(type(obj), "kvdb_dump"):
        return obj.kvdb_dump(attributes, seen)
    if isinstance(obj, DataObjectSet):
        return [{"_weakref": ref.getkey()} for ref in obj.dataset()]
    if isinstance(obj, (list, tuple)):
        return [dump(item, attributes, seen) for item in obj]
    if isinstance(obj, dict):
        return {key: dump(item, attributes, seen) for key, item in obj.items()}
    return obj
