"""Read walkers: functions that find linked objects (manual 4.4.4)."""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterable, List, NamedTuple, Set

from vlcp.service.kvdb._txn.mirror import Mirror, Snapshot
from vlcp.utils.exceptions import WalkKeyNotRetrieved
from vlcp.utils.growing import holder_of

Walker = Callable[[str, Any, Callable[[str], Any], Callable[[str], None]], None]


def saver(key: str, value: Any, walk: Callable[[str], Any], save: Callable[[str], None]) -> None:
    """Walker that saves the key that it begins with."""
    save(key)


class WalkResult(NamedTuple):
    """What walkers found.

    :param saved: keys that they saved, in order
    :param used: keys that they, and the strong references of what they saved, asked for
    :param missing: those of them that must be read before the walkers can finish; empty when they have finished
    :param parts: ``{key: parts of it that were used}`` of saved objects with large collections; to be followed with them
    """

    saved: List[str]
    used: Set[str]
    missing: Set[str]
    parts: Dict[str, Set[str]]


class Memo:
    """Remembers what each walker did in its last run, when that finished, so that it need not run again on the same values.

    A walker whose last run did not finish runs again, even on values that an earlier run finished with: those who look on
    while it runs must see a whole run last.
    """

    def __init__(self) -> None:
        self._done: Dict[str, Any] = {}

    def recall(self, key: str, snapshot: Snapshot) -> Any:
        """Return the keys that the walker of ``key`` saved, or None when it must run (again)."""
        found = self._done.get(key)
        if found is None:
            return None
        saved, seen = found
        for used, value in seen.items():
            try:
                if snapshot.walk(used) is not value:
                    return None
            except WalkKeyNotRetrieved:
                return None
        return saved

    def store(self, key: str, saved: List[str], seen: Dict[str, Any]) -> None:
        """Remember a walker that finished."""
        self._done[key] = (saved, seen)

    def forget(self, key: str) -> None:
        """Forget what a walker did; it has run again and did not finish."""
        self._done.pop(key, None)


def run_walkers(mirror: Mirror, keys: Iterable[str], walkers: Dict[str, Walker], memo: Memo, stale: bool = False) -> WalkResult:
    """Run the walkers of ``keys`` on values of ``mirror`` that share a turn.

    What the saved values refer to strongly is retrieved too, over any number of steps.

    :param keys: keys to begin with; each is retrieved whether it has a walker or not
    :param walkers: ``{key: walker(key, value, walk, save)}``
    :param memo: of earlier runs of the same walkers
    :param stale: as in :meth:`Mirror.snapshot`
    :raises ValueError: a walker saves a key that it did not retrieve
    :raises Exception: what a walker raises, when it misses nothing
    """
    snapshot = mirror.snapshot(stale)
    saved: Dict[str, None] = {}
    for key in keys:
        try:
            value = snapshot.walk(key)
        except WalkKeyNotRetrieved:
            continue
        walker = walkers.get(key)
        if walker is not None:
            saved.update(dict.fromkeys(_run_walker(walker, key, value, snapshot, memo, mirror)))
    _follow_references(mirror, snapshot, saved)
    return WalkResult(list(saved), snapshot.used, snapshot.missing, _parts_of(saved, snapshot.used))


def _parts_of(saved: Dict[str, None], used: Iterable[str]) -> Dict[str, Set[str]]:
    found: Dict[str, Set[str]] = {}
    for key in used:
        holder = holder_of(key)
        if holder is not None and holder in saved:
            found.setdefault(holder, set()).add(key)
    return found


def _run_walker(walker: Walker, key: str, value: Any, snapshot: Snapshot, memo: Memo, mirror: Mirror) -> List[str]:
    remembered = memo.recall(key, snapshot)
    if remembered is not None:
        return remembered
    seen: Dict[str, Any] = {key: value}
    saved: Dict[str, None] = {}
    missed: Set[str] = set()

    def walk(wanted: str) -> Any:
        try:
            found = seen[wanted] = snapshot.walk(wanted)
        except WalkKeyNotRetrieved:
            missed.add(wanted)
            raise
        return found

    def save(found: str) -> None:
        if found not in seen and found not in missed:
            raise ValueError("walker of %s saves %r, which it did not retrieve" % (key, found))
        saved[found] = None

    mirror.reading = walk
    try:
        walker(key, value, walk, save)
    except WalkKeyNotRetrieved:
        pass  # What it wanted is in "missed".
    except Exception:
        if not missed:
            raise
    finally:
        mirror.reading = None
    if missed:
        memo.forget(key)
    else:
        memo.store(key, list(saved), seen)
    return list(saved)


def _follow_references(mirror: Mirror, snapshot: Snapshot, saved: Iterable[str]) -> None:
    done = set(saved)
    todo = [reference for key in done - snapshot.missing for reference in mirror.references(key)]
    while todo:
        key = todo.pop()
        if key in done:
            continue
        done.add(key)
        try:
            snapshot.walk(key)
        except WalkKeyNotRetrieved:
            continue
        todo.extend(mirror.references(key))
