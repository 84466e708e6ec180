"""The data mirror: the values of keys that this process follows, and the turns in which each is known to hold.

Every read of the database begins a new turn. A value read in turn 3 and unchanged in turn 7 holds in the
closed range [3, 7]; a changed one begins a new range. Values belong to one state of the database when
their ranges share a turn (manual 4.4.4, "Isolation of Data Space for walkers").
"""

from __future__ import annotations

import math
from typing import Any, Callable, Dict, FrozenSet, Iterable, Iterator, NamedTuple, Optional, Set, Tuple

from vlcp.utils.exceptions import WalkKeyNotRetrieved
from vlcp.utils.growing import attach

Version = Tuple[int, int]
NO_KEYS: FrozenSet[str] = frozenset()
_DELETION: Version = (0, -1)
_MOST_STEPS = 64


def version_of(value: Any) -> Optional[Version]:
    """Return (kvdb_createtime, kvdb_updateversion) of a value, or None when it has none."""
    created = getattr(value, "kvdb_createtime", None)
    number = getattr(value, "kvdb_updateversion", None)
    if isinstance(created, int) and isinstance(number, int):
        return created, number
    return None


def checked_version(told: Any) -> Optional[Version]:
    """Return the version that a notice tells, or None when it tells none."""
    known = told is not None and all(isinstance(part, int) for part in told)
    return (told[0], told[1]) if known else None


class Advance(NamedTuple):
    """What a turn brought.

    :param changed: keys whose values differ from those of the turn before
    :param added: keys that are new in the mirror
    :param unforeseen: keys that changed although nothing had been notified, or not all of their changes: further keys may
                       have changed together with them, and nothing is known of those yet
    :param traceless: those of them of which it is not known either which notices will tell of them, see :attr:`Mirror.untold`
    """

    changed: Set[str]
    added: Set[str]
    unforeseen: Set[str]
    traceless: Set[str]


class _Entry:
    __slots__ = ("value", "version", "refs", "first", "last", "clean", "noted")

    def __init__(self, value: Any, turn: int) -> None:
        self.value = value
        self.version = version_of(value)
        self.refs: FrozenSet[str] = NO_KEYS
        if hasattr(value, "kvdb_internalref"):
            self.refs = frozenset(value.kvdb_internalref())
        self.first = self.last = turn
        self.clean = True
        self.noted: Optional[Version] = None


class Mirror:
    """Values by key.

    :param ordered: the database notifies a change before any read returns it; a value about which nothing
                    was notified then holds up to the present turn
    """

    def __init__(self, ordered: bool = False) -> None:
        self.ordered = ordered
        self.turn = 0
        self.reading: Optional[Callable[[str], Any]] = None
        """the ``walk`` of the walker that runs; large collections read their parts with it"""
        self.untold: Dict[str, Set[Version]] = {}
        """what has been read before it was notified: versions by key whose notices are still to come"""
        self._entries: Dict[str, _Entry] = {}

    def __contains__(self, key: object) -> bool:
        return key in self._entries

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._entries))

    def value(self, key: str) -> Any:
        """Return the last known value of ``key``.

        :raises KeyError: it is not in the mirror
        """
        return self._entries[key].value

    def is_all(self, keys: Set[str]) -> bool:
        """Tell whether ``keys`` are all that is in the mirror, or more."""
        return len(keys) >= len(self._entries) and self._entries.keys() <= keys

    def has(self, key: str, value: Any) -> bool:
        """Tell whether this very object is the last known value of ``key``."""
        entry = self._entries.get(key)
        return entry is not None and entry.value is value

    def part(self, key: str) -> Any:
        """Return the value of a part of a large collection.

        :raises WalkKeyNotRetrieved: it is not in the mirror, or is of another turn than what the running walker read
        """
        if self.reading is not None:
            return self.reading(key)
        if key not in self._entries:
            raise WalkKeyNotRetrieved(key)
        return self._entries[key].value

    def references(self, key: str) -> FrozenSet[str]:
        """Return the keys of the strong references in the value of ``key``; none when it is not in the mirror."""
        entry = self._entries.get(key)
        return NO_KEYS if entry is None else entry.refs

    def advance(self, values: Dict[str, Any]) -> Advance:
        """Begin a new turn with ``values``, which were read together.

        An equal version keeps the old object. When the whole mirror is read, no notice matters any more.
        """
        self.turn += 1
        result = Advance(set(), set(), set(), set())
        for key, value in values.items():
            entry = self._entries.get(key)
            if entry is None:
                self._entries[key] = _Entry(attach(value, self.part), self.turn)
                result.added.add(key)
            elif _same(entry, value):
                self._confirm(entry)
            else:
                if entry.clean or not _is_noted(entry, value):
                    result.unforeseen.add(key)
                    self._await_notices(key, entry, value, result)
                self._entries[key] = _Entry(attach(value, self.part), self.turn)
                result.changed.add(key)
        if len(values) == len(self._entries):
            self.untold.clear()
        return result

    def _await_notices(self, key: str, entry: _Entry, value: Any, result: Advance) -> None:
        versions = _steps(entry, value)
        if versions is None:
            result.traceless.add(key)
        else:
            self.untold.setdefault(key, set()).update(versions)

    def _told(self, key: str, version: Optional[Version]) -> None:
        waited = self.untold.get(key)
        if waited is not None and version is not None:
            waited.discard(_DELETION if version[1] == -1 else version)
            if not waited:
                del self.untold[key]

    def _confirm(self, entry: _Entry) -> None:
        if entry.value is None and not entry.clean:
            entry.first = self.turn
        entry.last = self.turn
        entry.clean = True

    def mark(self, key: str, version: Optional[Version]) -> bool:
        """Note that ``key`` changed in the database; return whether it is to be read again. Telling a version twice is telling
        it once.

        :param version: the new version, or None when it is not known
        """
        self._told(key, version)
        entry = self._entries.get(key)
        if entry is None or (version is not None and _covers(entry, version)):
            return False
        if not entry.clean and version is not None and entry.noted == version:
            return True
        if entry.clean and self.ordered:
            entry.last = self.turn
        known = entry.version if entry.clean else entry.noted
        absent = entry.value is None if entry.clean else (known is not None and known[1] == -1)
        entry.noted = version if _follows(version, known, absent) else None
        entry.clean = False
        return True

    def forget(self, keys: Iterable[str]) -> None:
        """Follow ``keys`` no longer."""
        for key in keys:
            self._entries.pop(key, None)
            self.untold.pop(key, None)

    def closure(self, keys: Iterable[str]) -> Set[str]:
        """Return ``keys`` and everything that strong references lead to from there."""
        found: Set[str] = set()
        todo = list(keys)
        while todo:
            key = todo.pop()
            if key not in found:
                found.add(key)
                todo.extend(self.references(key))
        return found

    def covers(self, key: str, version: Version) -> bool:
        """Return whether the mirror's value of ``key`` is ``version`` or a later one."""
        entry = self._entries.get(key)
        return entry is not None and _covers(entry, version)

    def holds(self, key: str) -> Optional[Tuple[int, int]]:
        """Return the first and the last turn in which the value of ``key`` is known to hold, or None."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        return entry.first, self.turn if self.ordered and entry.clean else entry.last

    def snapshot(self, stale: bool = False) -> Snapshot:
        """Return a reader of values that share a turn.

        :param stale: True gives the last known values whether they share a turn or not
        """
        return Snapshot(self, stale)


class Snapshot:
    """Reads values of a mirror as long as they share a turn.

    ``used`` are the keys that were asked for, ``missing`` those of them that must be read (again).
    """

    def __init__(self, mirror: Mirror, stale: bool = False) -> None:
        self._entries, self._ordered = mirror._entries, mirror.ordered
        self._stale = stale
        self._first, self._last = 0, mirror.turn
        self.used: Set[str] = set()
        self.missing: Set[str] = set()

    def walk(self, key: str) -> Any:
        """Return the value of ``key``.

        :raises WalkKeyNotRetrieved: it is not known, or only in other turns than the values read so far
        """
        self.used.add(key)
        entry = self._entries.get(key)
        if entry is None or not (self._stale or self._narrow(entry)):
            self.missing.add(key)
            raise WalkKeyNotRetrieved(key)
        return entry.value

    def _narrow(self, entry: _Entry) -> bool:
        """Keep to the turns in which a value holds; return False when there are none left."""
        first, last = self._first, self._last
        if entry.first > first:
            first = entry.first
        if entry.last < last and not (self._ordered and entry.clean):
            last = entry.last
        if first > last:
            return False
        self._first, self._last = first, last
        return True


def _same(entry: _Entry, value: Any) -> bool:
    if entry.value is value:
        return True
    return entry.version is not None and entry.version == version_of(value)


def _follows(version: Optional[Version], known: Optional[Version], absent: bool) -> bool:
    """Return whether ``version`` is the next one after ``known``, or after there was no value when ``absent``."""
    if version is None:
        return False
    if version[1] == -1:
        return True
    return version[1] == 1 if absent else known is not None and version == (known[0], known[1] + 1)


def _is_noted(entry: _Entry, value: Any) -> bool:
    """Return whether every change up to ``value`` was notified."""
    if value is None:
        return entry.noted is not None and entry.noted[1] == -1
    return entry.noted == version_of(value)


def _steps(entry: _Entry, value: Any) -> Optional[Set[Version]]:
    """Return the versions that were not notified, from what was known of a key up to ``value``; None when they are not known."""
    known = entry.version if entry.clean else entry.noted
    if value is None:
        return {_DELETION}
    present = version_of(value)
    if present is None or (known is None and not (entry.clean and entry.value is None)):
        return None
    created, number = present
    if known is not None and known[0] == created:
        first, missed = known[1] + 1, set()
    else:
        first, missed = 1, set() if known is None or known[1] == -1 else {_DELETION}
    if not first <= number < first + _MOST_STEPS:
        return None
    return missed.union((created, step) for step in range(first, number + 1))


def later(one: Optional[Version], other: Optional[Version]) -> Optional[Version]:
    """Return the later one of two versions of a key, None when one of them is not known."""
    if one is None or other is None:
        return None
    return max(one, other, key=lambda version: (version[0], math.inf if version[1] == -1 else version[1]))


def _covers(entry: _Entry, version: Version) -> bool:
    created, number = version
    if entry.value is None:
        # While it is being read again it may have been created meanwhile, so that the deletion is a later one.
        return number == -1 and entry.clean
    if entry.version is None:
        return entry.clean
    return entry.version[0] > created if number == -1 else entry.version >= version
