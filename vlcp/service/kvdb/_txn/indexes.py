"""Completing the writes of a transaction: unique and multiple keys, objects that go together, versions."""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterable, List, Mapping, NamedTuple, Optional, Set, Tuple, Union

from vlcp.service.kvdb._txn.attempt import Body, Done, Missing, Restart
from vlcp.service.kvdb._txn.mirror import version_of
from vlcp.utils.dataobject import (
    AlreadyExistsException,
    DataObject,
    MultiKeyReference,
    MultiKeySet,
    ReferenceObject,
    UniqueKeyReference,
    UniqueKeySet,
    WeakReferenceObject,
)
from vlcp.utils.exceptions import WalkKeyNotRetrieved
from vlcp.utils.growing import attach, detach, fit, large_of, part_keys
from vlcp.utils.jsonencoder import encode_stored


class Before(NamedTuple):
    """What must be known of a value before a transaction changes it in place."""

    version: Optional[Tuple[int, int]]
    unique: Dict[str, str]
    multi: Dict[str, str]
    remove: List[str]
    text: Optional[str] = None
    """stored text of an object with large collections; one that is the same afterwards is not written"""


_NOTHING = Before(None, {}, {}, [])


class Entries(NamedTuple):
    """Index entries of an object: ``{key: key of the set}``."""

    unique: Dict[str, str]
    multi: Dict[str, str]


_NO_ENTRIES = Entries({}, {})


def entries_of(value: Any) -> Entries:
    """Return the index entries of ``value``; a value that is no object has none."""
    if not isinstance(value, DataObject):
        return _NO_ENTRIES
    return Entries(dict(value.kvdb_uniquekeys()), dict(value.kvdb_multikeys()))


def describe(value: Any) -> Before:
    """Return the version of ``value``, its index entries and what is deleted with it."""
    if not isinstance(value, DataObject):
        return _NOTHING if value is None else Before(version_of(value), {}, {}, [])
    return Before(
        version_of(value),
        *entries_of(value),
        list(value.kvdb_autoremove()),
        encode_stored(value) if large_of(value) else None,
    )


class _Writes:
    """The growing set of writes of one transaction."""

    def __init__(self, snapshot: Dict[str, Any], before: Dict[str, Before], writes: Dict[str, Any], shared: bool) -> None:
        self.snapshot = snapshot
        self.before = before
        self.writes = dict(writes)
        self.shared = shared
        self.missing: Set[str] = set()

    def known(self, key: str) -> bool:
        if key in self.snapshot:
            return True
        self.missing.add(key)
        return False

    def current(self, key: str) -> Any:
        return self.writes[key] if key in self.writes else self.snapshot.get(key)

    def old(self, key: str) -> Before:
        return self.before.get(key, _NOTHING)

    def walk(self, key: str) -> Any:
        if not self.known(key):
            raise WalkKeyNotRetrieved(key)
        return self.current(key)

    def write(self, key: str, value: Any) -> None:
        self.known(key)
        self.writes[key] = value


def with_indexes(
    snapshot: Dict[str, Any], before: Dict[str, Before], writes: Dict[str, Any], shared: bool
) -> Union[Dict[str, Any], Missing]:
    """Return ``writes`` completed by index objects and removals, or which keys must be known for it.

    :param snapshot: values by key as the transaction left them
    :param before: :func:`describe` of the values that are not None, made before the transaction ran
    :param writes: {key: value, or None to delete}
    :param shared: write the form of VLCP 2
    :raises AlreadyExistsException: two objects would have the same unique key
    :raises ValueError: a value is written under the key of another one
    """
    state = _Writes(snapshot, before, writes, shared)
    for key, value in writes.items():
        if isinstance(value, DataObject) and value.getkey() != key:
            raise ValueError("%s: cannot store the object %s under this key" % (key, value.getkey()))
        state.known(key)
    _remove_together(state)
    if state.missing:
        return Missing(state.missing)
    new = {key: entries_of(value) for key, value in state.writes.items()}
    _prefetch(state, new)
    if state.missing:
        return Missing(state.missing)
    _apply_unique(state, new)
    if state.missing:
        return Missing(state.missing)
    _apply_multi(state, new)
    _fit(state)
    if state.missing:
        return Missing(state.missing)
    return {key: value for key, value in state.writes.items() if not _is_unchanged(value, state.old(key))}


def _fit(state: _Writes) -> None:
    for value in list(state.writes.values()):
        if isinstance(value, DataObject):
            try:
                fit(value, state.shared, state.walk, state.write)
            except WalkKeyNotRetrieved:
                continue


def _is_unchanged(value: Any, before: Before) -> bool:
    return before.text is not None and value is not None and encode_stored(value) == before.text


def _remove_together(state: _Writes) -> None:
    todo = [key for key, value in state.writes.items() if value is None]
    while todo:
        removed = todo.pop()
        for key in part_keys(state.snapshot.get(removed)):
            if state.known(key) and state.current(key) is not None:
                state.writes[key] = None
        for key in state.old(removed).remove:
            if state.known(key) and key not in state.writes and state.snapshot[key] is not None:
                state.writes[key] = None
                todo.append(key)


def _prefetch(state: _Writes, new: Dict[str, Entries]) -> None:
    for key, now in new.items():
        old = state.old(key)
        for was, will in ((old.unique, now.unique), (old.multi, now.multi)):
            for entry in was.keys() ^ will.keys():
                state.known(entry)
                if state.shared:
                    state.known(will.get(entry) or was[entry])


def _foreseen(writes: Mapping[str, Any], snapshot: Mapping[str, Any], before: Mapping[str, Before]) -> Set[str]:
    """Return what :func:`with_indexes` will miss of the objects that a transaction has written before it missed other keys."""
    found = set(writes)
    for key, value in writes.items():
        now, old = entries_of(value), before.get(key, _NOTHING)
        found.update(now.unique.keys() ^ old.unique.keys(), now.multi.keys() ^ old.multi.keys())
    return found.difference(snapshot)


def _claims(new: Dict[str, Entries]) -> Dict[str, str]:
    claims: Dict[str, str] = {}
    for key, now in new.items():
        for entry in now.unique:
            other = claims.setdefault(entry, key)
            if other != key:
                raise AlreadyExistsException("%s and %s have the same unique key %s" % (other, key, entry))
    return claims


def _owner(reference: Any) -> Optional[str]:
    found = getattr(reference, "ref", None)
    return found.getkey() if isinstance(found, (ReferenceObject, WeakReferenceObject)) else None


def _apply_unique(state: _Writes, new: Dict[str, Entries]) -> None:
    claims = _claims(new)
    for key, now in new.items():
        old = state.old(key)
        for entry, keyset in now.unique.items():
            if entry not in old.unique:
                _take_unique(state, new, entry, keyset, key)
        for entry, keyset in old.unique.items():
            if entry not in claims and _owner(state.current(entry)) == key:
                state.writes[entry] = None
                _unlist(state, UniqueKeySet, keyset, entry)


def _take_unique(state: _Writes, new: Dict[str, Entries], entry: str, keyset: str, key: str) -> None:
    present = state.current(entry)
    owner = _owner(present)
    if owner is not None and owner != key and owner not in new and state.known(owner):
        if entry in entries_of(state.snapshot[owner]).unique:
            raise AlreadyExistsException("%s has the same unique key %s as %s" % (key, entry, owner))
    if present is None:
        present = UniqueKeyReference.create_from_key(entry)
        _list(state, UniqueKeySet, keyset, entry)
    present.ref = ReferenceObject(key)
    state.writes[entry] = present


def _apply_multi(state: _Writes, new: Dict[str, Entries]) -> None:
    for key, now in new.items():
        old = state.old(key)
        for entry, keyset in now.multi.items():
            if entry not in old.multi:
                if state.current(entry) is None:
                    _list(state, MultiKeySet, keyset, entry)
                _join_set(state, MultiKeyReference, entry, key)
        for entry, keyset in old.multi.items():
            if entry not in now.multi and not _leave_set(state, MultiKeyReference, entry, key):
                state.writes[entry] = None
                _unlist(state, MultiKeySet, keyset, entry)


def _list(state: _Writes, cls: Any, keyset: str, entry: str) -> None:
    """Add an index object to the set of all of its kind, which only VLCP 2 has."""
    if state.shared:
        _join_set(state, cls, keyset, entry)


def _unlist(state: _Writes, cls: Any, keyset: str, entry: str) -> None:
    if state.shared:
        _leave_set(state, cls, keyset, entry)


def _join_set(state: _Writes, cls: Any, keyset: str, member: str) -> None:
    holder = state.current(keyset)
    if holder is None:
        holder = cls.create_from_key(keyset)
    attach(holder, state.walk, state.write)
    holder.set.dataset().add(WeakReferenceObject(member))
    state.writes[keyset] = holder


def _leave_set(state: _Writes, cls: Any, keyset: str, member: str) -> bool:
    """Take ``member`` off a set; return whether the set has other members."""
    holder = state.current(keyset)
    if holder is None:
        return False
    attach(holder, state.walk, state.write)
    holder.set.dataset().discard(WeakReferenceObject(member))
    state.writes[keyset] = holder
    try:
        return bool(holder.set.dataset())
    except WalkKeyNotRetrieved:
        return True


def stamp(writes: Dict[str, Any], before: Dict[str, Before], timestamp: int) -> Dict[str, Tuple[int, int]]:
    """Set creation time and number of writes on all objects; return the versions by key.

    :param timestamp: time of the store in us
    """
    versions = {}
    for key, value in writes.items():
        if value is None:
            versions[key] = (timestamp, -1)
            continue
        created, number = before.get(key, _NOTHING).version or (timestamp, 0)
        versions[key] = (created, number + 1)
        if isinstance(value, DataObject):
            value.kvdb_createtime, value.kvdb_updateversion = versions[key]
    return versions


class Complete(NamedTuple):
    """All writes of a transaction, ready for the store; ``result`` is what its walker returned."""

    writes: Dict[str, Any]
    versions: Dict[str, Tuple[int, int]]
    result: Any


def run_transaction(
    body: Body, keys: Iterable[str], values: Iterable[Any], timestamp: int, shared: bool = False
) -> Union[Complete, Missing, Restart]:
    """Run a transaction on a snapshot and complete its writes.

    :param body: see :data:`~vlcp.service.kvdb._txn.attempt.Body`
    :param keys: keys of the snapshot
    :param values: their values, which the transaction may change
    :param timestamp: time of the store in us
    :param shared: write the form of VLCP 2: all members of a collection in its object, and sets of all index objects
    :raises Exception: what the transaction raises
    """
    snapshot = dict(zip(keys, values))
    before = {}
    for key, value in snapshot.items():
        if value is not None:
            if isinstance(value, DataObject):
                value.setkey(key)
            before[key] = describe(value)
    outcome = body(snapshot, timestamp)
    if isinstance(outcome, Missing):
        return Missing(outcome.keys | _foreseen(outcome.writes, snapshot, before))
    if isinstance(outcome, Restart):
        return outcome
    writes = with_indexes(snapshot, before, outcome.writes, shared)
    if isinstance(writes, Missing):
        return writes
    for value in writes.values():
        detach(value)
    return Complete(writes, stamp(writes, before, timestamp), outcome.result)


def check_purity(body: Body, copies: Callable[[], Dict[str, Any]], timestamp: int, same: Callable[[Any, Any], bool]) -> None:
    """Run a transaction twice on copies and compare.

    :param copies: returns fresh values by key
    :param same: tells whether two written values are equal
    :raises ValueError: the two runs differ: the transaction depends on more than its arguments
    """
    first, second = body(copies(), timestamp), body(copies(), timestamp)
    if type(first) is not type(second):
        raise ValueError("transaction is not pure: %r, then %r" % (type(first).__name__, type(second).__name__))
    if isinstance(first, Done) and isinstance(second, Done):
        for key in first.writes.keys() | second.writes.keys():
            if key not in first.writes or key not in second.writes:
                raise ValueError("transaction is not pure: only one of two runs writes %s" % (key,))
            if not same(first.writes[key], second.writes[key]):
                raise ValueError("transaction is not pure: two runs write different values of %s" % (key,))
