"""Copies databases between stores, compares them, and changes their stored form.

The *shared* form is that of VLCP 2: every collection in its object, and sets of all index objects. The *scalable* form
stores large collections in parts (:mod:`vlcp.utils.growing`) and has no sets of index objects. Every object changes its form
in a transaction of its own, together with its parts, and both forms of an object can be read at any time. So work that was
interrupted leaves a readable database, and doing it again completes it.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from vlcp.server.module import call_api
from vlcp.service.kvdb._txn.attempt import Overlay
from vlcp.utils.dataobject import (
    DataObject,
    DataObjectSet,
    MultiKeyReference,
    MultiKeySet,
    UniqueKeyReference,
    UniqueKeySet,
    WeakReferenceObject,
)
from vlcp.utils.exceptions import WalkKeyNotRetrieved
from vlcp.utils.growing import attach, detach, fit, holder_of, is_fit, large_of, part_keys
from vlcp.utils.jsonencoder import StoredValueError, encode_stored, plain_copy

BATCH = 100
"""How many keys are read or written at once."""
_INDEX_SETS = (UniqueKeySet, MultiKeySet)
_INDEXES = (UniqueKeyReference, MultiKeyReference)

Report = Callable[[str, int, int], None]
"""``report(what, done, all)`` is called now and then with the number of keys that are done."""


class _NotRead(Exception):
    needs_no_check = True

    def __init__(self, keys: Iterable[str]) -> None:
        super().__init__("keys are not read yet")
        self.keys = set(keys)


def is_index_set(key: str) -> bool:
    """Return whether ``key`` is that of a set of index objects, which only the shared form has."""
    return any(cls.ismatch(key, (None, None)) for cls in _INDEX_SETS)


class Store:
    """A store behind a module.

    :param container: runs the calls
    :param module: name of the module
    :param vhost: which of its stores
    """

    def __init__(self, container: Any, module: str, vhost: str = "") -> None:
        self.name = module + (":" + vhost if vhost else "")
        self._container = container
        self._module = module
        self._vhost = vhost

    async def _call(self, name: str, **params: Any) -> Any:
        return await call_api(self._container, self._module, name, {**params, "vhost": self._vhost})

    async def keys(self) -> List[str]:
        """Return all keys, sorted."""
        return sorted(await self._call("listallkeys"))

    async def read(self, keys: Sequence[str]) -> Tuple[Dict[str, Any], Dict[str, str]]:
        """Return ({key: value} of those that exist, {key: message} of those whose value cannot be decoded)."""
        errors: Dict[str, str] = {}
        while True:
            wanted = [key for key in keys if key not in errors]
            try:
                values = await self._call("mget", keys=tuple(wanted))
            except StoredValueError as error:
                if error.key in errors:
                    raise
                errors[error.key] = str(error)
                continue
            found = {key: value for key, value in zip(wanted, values) if value is not None}
            for key, value in found.items():
                _set_key(key, value)
            return found, errors

    async def write(self, values: Dict[str, Any]) -> None:
        """Write values; None deletes."""
        if values:
            await self._call("mset", kvpairs=tuple(values.items()))

    async def change(self, keys: Iterable[str], body: Callable[[Overlay, int], None]) -> None:
        """Carry out one transaction.

        :param keys: keys to read first
        :param body: ``body(overlay, timestamp)`` reads and writes; it is repeated until all that it reads is known
        """
        wanted = set(keys)

        def updater(names: Sequence[str], values: Sequence[Any], timestamp: int) -> Tuple[Any, Any]:
            overlay = Overlay(dict(zip(names, values)))
            for key, value in zip(names, values):
                _set_key(key, value)
            try:
                body(overlay, timestamp)
            except WalkKeyNotRetrieved:
                raise _NotRead(overlay.missing) from None
            if overlay.missing:
                raise _NotRead(overlay.missing)
            for value in overlay.writes.values():
                detach(value)
            return tuple(overlay.writes), tuple(overlay.writes.values())

        while True:
            try:
                await self._call("updateallwithtime", keys=tuple(wanted), updater=updater)
                return
            except _NotRead as error:
                wanted |= error.keys


def _set_key(key: str, value: Any) -> None:
    if isinstance(value, DataObject):
        try:
            value.setkey(key)
        except ValueError:
            return  # It is copied as it is; only objects under their own keys have parts.


def _batches(keys: Sequence[str]) -> Iterator[Tuple[int, Sequence[str]]]:
    for start in range(0, len(keys), BATCH):
        batch = keys[start : start + BATCH]
        yield start + len(batch), batch


def _must_change(value: Any, shared: Optional[bool]) -> bool:
    return shared is not None and isinstance(value, DataObject) and not is_fit(value, shared)


class Copied(NamedTuple):
    """What :func:`copy` did: number of keys copied and deleted, and messages about values that were passed over."""

    copied: int
    deleted: int
    skipped: List[str]


async def copy(source: Store, target: Store, clean: bool, shared: Optional[bool], report: Report) -> Copied:
    """Copy everything to another store, which nobody else may write meanwhile.

    Parts that the source lacks are always deleted from the target: the objects they belong to are overwritten.

    :param clean: delete all other keys that the source lacks, too
    :param shared: the form to write, True for that of VLCP 2; None keeps that of each object
    """
    keys = await source.keys()
    present = set(keys)
    surplus = [key for key in await target.keys() if key not in present and (clean or holder_of(key) is not None)]
    for done, batch in _batches(surplus):
        await target.write(dict.fromkeys(batch))
        report("deleted", done, len(surplus))
    skipped: List[str] = []
    later: List[str] = []
    copied = 0
    for done, batch in _batches(keys):
        values, errors = await source.read(batch)
        skipped += errors.values()
        later += [key for key, value in values.items() if _must_change(value, shared)]
        direct = {key: value for key, value in values.items() if key not in later and not (shared is False and is_index_set(key))}
        await target.write(direct)
        copied += len(direct)
        report("copied", done, len(keys))
    for done, batch in _batches(later):
        values, _ = await source.read(batch)
        for key, value in values.items():
            await _write_in_form(target, key, value, bool(shared))
        report("converted", done, len(later))
    await _fit_index_sets(target, shared)
    return Copied(copied + len(later), len(surplus), skipped)


async def convert(store: Store, shared: bool, report: Report) -> int:
    """Change the form of a database in place; return how many objects changed.

    :param shared: True for that of VLCP 2
    """
    changed = 0
    keys = [key for key in await store.keys() if holder_of(key) is None]
    for done, batch in _batches(keys):
        values, _ = await store.read(batch)
        for key, value in values.items():
            if _must_change(value, shared):
                await _write_in_form(store, key, None, shared)
                changed += 1
        report("converted", done, len(keys))
    await _fit_index_sets(store, shared)
    return changed


async def _write_in_form(store: Store, key: str, value: Any, shared: bool) -> None:
    """Write an object with its parts.

    :param value: the object; None takes that of the store
    """

    def body(overlay: Overlay, timestamp: int) -> None:
        present = overlay.walk(key) if value is None else plain_copy(value)
        if present is None:
            return
        present.setkey(key)
        fit(present, shared, overlay.walk, overlay.write)
        for part in overlay.writes.values():
            _stamp(part, timestamp)
        if hasattr(present, "kvdb_updateversion"):
            present.kvdb_updateversion += 1
        overlay.write(key, present)

    await store.change((key,), body)


def _stamp(value: Any, timestamp: int) -> None:
    if value is not None and not hasattr(value, "kvdb_createtime"):
        value.kvdb_createtime, value.kvdb_updateversion = timestamp, 1


async def _fit_index_sets(store: Store, shared: Optional[bool]) -> None:
    """Delete the sets of index objects, or write those that the index objects ask for."""
    if shared is None:
        return
    keys = await store.keys()
    old = [key for key in keys if is_index_set(key)]
    if not shared:
        for _, batch in _batches(old):
            await store.write(dict.fromkeys(batch))
        return
    members = index_sets(keys)
    for key in dict.fromkeys([*old, *members]):
        await store.change((key,), _index_set_body(key, members.get(key, [])))


def index_sets(keys: Iterable[str]) -> Dict[str, List[str]]:
    """Return ``{key of a set of index objects: keys of its members}`` for the keys of a database."""
    found: Dict[str, List[str]] = {}
    for key in keys:
        for cls in _INDEXES:
            if cls.ismatch(key, (None, None, None)):
                found.setdefault(cls.get_keyset_from_key(key), []).append(key)
    return found


def _index_set_body(key: str, members: List[str]) -> Callable[[Overlay, int], None]:
    cls = next(cls for cls in _INDEX_SETS if cls.ismatch(key, (None, None)))

    def body(overlay: Overlay, timestamp: int) -> None:
        present = overlay.walk(key) or cls.create_from_key(key)
        wanted = DataObjectSet()
        wanted.dataset().update(map(WeakReferenceObject, members))
        if present.set != wanted or not hasattr(present, "kvdb_createtime"):
            present.set = wanted
            present.kvdb_updateversion = getattr(present, "kvdb_updateversion", 0) + 1
            present.kvdb_createtime = getattr(present, "kvdb_createtime", timestamp)
            overlay.write(key, present)

    return body


async def differences(source: Store, target: Store, shared: Optional[bool], report: Report) -> List[str]:
    """Read both stores; return one line for each key whose value is not the same in both.

    :param shared: the form that the target was converted to; objects are then compared by their members. None compares
        what is stored
    """
    found: List[str] = []
    keys = await source.keys()
    if shared is not None:
        keys = [key for key in keys if holder_of(key) is None and not is_index_set(key)]
    for done, batch in _batches(keys):
        left, bad = await source.read(batch)
        right, unreadable = await target.read(batch)
        for key in (key for key in batch if key not in bad):
            if key not in left or key not in right:
                found.append("%s is missing" % (key,))
            elif await _text(source, left[key], shared) != await _text(target, right[key], shared):
                found.append("%s differs" % (key,))
        found += unreadable.values()
        report("verified", done, len(keys))
    if shared is not None:
        found += await _stray_index_sets(target, shared)
    return found


async def _stray_index_sets(target: Store, shared: bool) -> List[str]:
    keys = await target.keys()
    present = {key for key in keys if is_index_set(key)}
    wanted = index_sets(keys) if shared else {}
    found = ["%s is there, but nothing needs it" % (key,) for key in sorted(present - wanted.keys()) if not shared]
    values, _ = await target.read(sorted(wanted))
    for key, members in wanted.items():
        value = values.get(key)
        if value is None or sorted(ref.getkey() for ref in value.set.dataset()) != sorted(members):
            found.append("%s does not list all index objects" % (key,))
    return found


def _growing(value: Any) -> Tuple[str, ...]:
    return getattr(type(value), "_growing", ())


async def _text(store: Store, value: Any, shared: Optional[bool]) -> str:
    """Return what is compared: the stored text, or with a form the text of the object with all members, in order."""
    if shared is None or not isinstance(value, DataObject) or not _growing(value):
        return encode_stored(value)
    parts, _ = await store.read(part_keys(value)) if large_of(value) else ({}, {})
    attach(value, parts.get, lambda key, part: None)
    whole = plain_copy({name: item for name, item in value.__dict__.items() if name[0] != "_"})
    for name in _growing(value):
        item = value.__dict__.get(name)
        if isinstance(item, DataObjectSet):
            whole[name] = sorted(ref.getkey() for ref in item.dataset())
        elif item is not None:
            whole[name] = dict(sorted(item.items()))
    whole.pop("kvdb_updateversion", None)
    return encode_stored(whole)
