"""One switch's account: rows that modules want, rows that the switch has acknowledged, rows that are owed.

The ledger never sends. :meth:`Ledger.pending` says what to send, :meth:`Ledger.settle` takes the answer, and a row
counts as installed only then. Everything costs in proportion to what changed.
"""

from __future__ import annotations

from typing import Any, Dict, Iterable, List, Mapping, NamedTuple, Optional, Set, Tuple, Type

from .diff import Changes, RowConflict, Table
from .spec import Flow, Group, Row, Sweep

RETRY_S = 30.0
"""A refused row is sent again after this many seconds, or when its owner wants something new."""

_UNKNOWN_FLOW: Tuple[Any, ...] = ((), -1, 0, 0, 0)
_UNKNOWN_GROUP: Tuple[Any, ...] = ("unknown", ())
_UNKNOWN_SWEEP: Tuple[Any, ...] = ("unknown",)

FALLBACK_OWNER = "openflowmanager"
"""Rows of this owner give way to any other row with their key, without a conflict."""

Source = Tuple[str, Any]
Drifted = Tuple[Iterable[Any], Iterable[Any]]


class Refusal(NamedTuple):
    """Why a row is owed: the data that was refused, the reason, and when to try again (clock of the caller)."""

    data: Optional[Tuple[Any, ...]]
    reason: str
    retry_at: float


class Book:
    """Rows of one kind by key: claims of sources, what is installed, what differs, what was refused.

    :param unknown: stands for data of the switch that nobody knows; equal to nothing that can be wanted
    """

    def __init__(self, unknown: Tuple[Any, ...]) -> None:
        self._unknown = unknown
        self.claims: Dict[Any, List[Tuple[Source, Tuple[Any, ...]]]] = {}
        self.installed: Dict[Any, Tuple[Any, ...]] = {}
        self.refused: Dict[Any, Refusal] = {}
        #: Keys to compare, in the order in which they were touched; that is the order of what is sent
        self.dirty: Dict[Any, None] = {}

    def wanted(self, key: Any) -> Optional[Tuple[Any, ...]]:
        """Return the data wanted for ``key``; the earliest claim counts, None when there is none."""
        claims = self.claims.get(key)
        return claims[0][1] if claims else None

    def claim(self, source: Source, key: Any, data: Tuple[Any, ...]) -> Optional[RowConflict]:
        """Want a row; return the conflict when an earlier claim wants other data."""
        claims = self.claims.setdefault(key, [])
        place = len(claims)
        if source[0] != FALLBACK_OWNER:
            place = next((i for i, (other, _) in enumerate(claims) if other[0] == FALLBACK_OWNER), place)
        claims.insert(place, (source, data))
        self.touch(key)
        if claims[0][1] == data or source[0] == FALLBACK_OWNER:
            return None
        return RowConflict(key, claims[0], claims[place])

    def withdraw(self, source: Source, key: Any) -> None:
        """Want a row no longer."""
        claims = [claim for claim in self.claims.get(key, ()) if claim[0] != source]
        if claims:
            self.claims[key] = claims
        else:
            self.claims.pop(key, None)
        self.touch(key)

    def touch(self, key: Any) -> None:
        """Compare ``key`` at the next turn; an earlier refusal counts only for the same data."""
        self.dirty[key] = None
        refusal = self.refused.get(key)
        if refusal is not None and refusal.data != self.wanted(key):
            del self.refused[key]

    def take(self, now: float) -> Tuple[List[Tuple[Any, Tuple[Any, ...]]], List[Any]]:
        """Return rows to set and keys to remove, and forget that they differ."""
        rows, gone = [], []
        kept: Dict[Any, None] = {}
        for key in self.dirty:
            data = self.wanted(key)
            if data == self.installed.get(key):
                self.refused.pop(key, None)
                continue
            refusal = self.refused.get(key)
            if refusal is not None and refusal.retry_at > now:
                kept[key] = None
            elif data is None:
                gone.append(key)
            else:
                rows.append((key, data))
        self.dirty = kept
        return rows, gone

    def accept(self, key: Any, data: Optional[Tuple[Any, ...]]) -> None:
        """The switch has done it; ``data`` None means that the row is gone."""
        self.refused.pop(key, None)
        if data is None:
            self.installed.pop(key, None)
        else:
            self.installed[key] = data

    def lost(self, key: Any) -> None:
        """The switch has it no longer; it is owed again."""
        self.installed.pop(key, None)
        self.touch(key)

    def altered(self, key: Any) -> None:
        """The switch may have something else; it is owed again or, when nobody wants it any more, its removal is."""
        self.installed[key] = self._unknown
        self.touch(key)

    def refuse(self, key: Any, data: Optional[Tuple[Any, ...]], reason: str, retry_at: float) -> None:
        """The switch has not done it; it stays owed."""
        self.refused[key] = Refusal(data, reason, retry_at)
        self.touch(key)

    def forget(self) -> None:
        """Nothing is known to be installed; every wanted row is owed."""
        self.installed.clear()
        self.refused.clear()
        self.dirty = dict.fromkeys(self.claims)

    def owed(self) -> int:
        """How many rows differ from what the switch holds."""
        return sum(1 for key in self.dirty if self.wanted(key) != self.installed.get(key))


class _Owner:
    """What one module wants: rows by part, and which parts it has declared since it arrived."""

    def __init__(self) -> None:
        self.parts: Dict[Any, Tuple[Row, ...]] = {}
        self.fresh: Set[Any] = set()
        self.complete = False


class Ledger:
    """The account of one switch."""

    def __init__(self) -> None:
        self.flows = Book(_UNKNOWN_FLOW)
        self.groups = Book(_UNKNOWN_GROUP)
        self.sweeps = Book(_UNKNOWN_SWEEP)
        self.conflicts: List[RowConflict] = []
        self._books: Dict[Type[Any], Book] = {Flow: self.flows, Group: self.groups, Sweep: self.sweeps}
        self._owners: Dict[str, _Owner] = {}
        self._expected: Set[str] = set()

    def expect(self, owners: Iterable[str]) -> None:
        """Name the owners whose declaration is waited for before anything unknown is removed from the switch."""
        self._expected = set(owners)

    def waiting_for(self) -> List[str]:
        """Return expected owners that have not said that their set is complete."""
        return sorted(name for name in self._expected if name not in self._owners or not self._owners[name].complete)

    def arrive(self, owner: str) -> None:
        """A new instance of a module begins to declare; rows of an earlier one stay until :meth:`complete`."""
        state = self._owners.setdefault(owner, _Owner())
        state.fresh = set()
        state.complete = False

    def want_part(self, owner: str, part: Any, rows: Iterable[Row]) -> bool:
        """Replace the rows of one part; return True when something changed.

        :param part: hashable; the entity that the rows are for
        :param rows: no rows removes the part
        """
        state = self._owners.setdefault(owner, _Owner())
        state.fresh.add(part)
        before = state.parts.get(part, ())
        after = tuple(rows)
        if before == after:
            return False
        self._replace((owner, part), before, after)
        if after:
            state.parts[part] = after
        else:
            state.parts.pop(part, None)
            state.fresh.discard(part)
        return True

    def want(self, owner: str, rows: Iterable[Row]) -> bool:
        """Replace everything that ``owner`` wants, and declare it complete; no rows: the module is gone."""
        state = self._owners.setdefault(owner, _Owner())
        changed = self.want_part(owner, None, rows)
        state.fresh = {None}
        return self.complete(owner) or changed

    def complete(self, owner: str) -> bool:
        """``owner`` has declared all it wants; parts of earlier instances go. Return True when some went."""
        state = self._owners.setdefault(owner, _Owner())
        state.complete = True
        stale = [part for part in state.parts if part not in state.fresh]
        for part in stale:
            self._replace((owner, part), state.parts.pop(part), ())
        return bool(stale)

    def renew(self, owner: str, part: Any) -> None:
        """Send the rows of a part again although they have not changed: the switch's timeouts start anew."""
        state = self._owners.get(owner)
        for row in state.parts.get(part, ()) if state else ():
            self._books[type(row)].altered(row.key)

    def settled(self, owner: str, part: Any) -> bool:
        """True when the switch has acknowledged every row of a part, and the part has rows."""
        state = self._owners.get(owner)
        rows = state.parts.get(part, ()) if state else ()
        return bool(rows) and all(self._books[type(row)].installed.get(row.key) == row.data for row in rows)

    def leave(self, owner: str) -> bool:
        """``owner`` is gone for good; return True when it had rows."""
        state = self._owners.pop(owner, None)
        if state is None:
            return False
        for part, rows in state.parts.items():
            self._replace((owner, part), rows, ())
        return bool(state.parts)

    def owners(self) -> List[str]:
        """Return the names of all that have rows or have arrived."""
        return sorted(self._owners)

    def _replace(self, source: Source, before: Tuple[Row, ...], after: Tuple[Row, ...]) -> None:
        kept = set(before).intersection(after)
        for row in before:
            if row not in kept:
                self._books[type(row)].withdraw(source, row.key)
        for row in after:
            if row not in kept:
                conflict = self._books[type(row)].claim(source, row.key, row.data)
                if conflict is not None:
                    self.conflicts.append(conflict)

    def pending(self, now: float) -> Changes:
        """Return what to send now; everything in it is in flight until :meth:`settle` or :meth:`new_epoch`."""
        groups_set, groups_gone = self.groups.take(now)
        flows_set, flows_gone = self.flows.take(now)
        sweeps_set, swept = self.sweeps.take(now)
        for key, data in sweeps_set:
            self.sweeps.accept(key, data)
        return Changes(
            tuple(Group(key, *data) for key, data in groups_set),
            tuple(Flow(*key, *data) for key, data in flows_set),
            tuple(flows_gone),
            tuple(Sweep(*key) for key in swept),
            tuple(groups_gone),
        )

    def settle(self, changes: Changes, errors: Mapping[Tuple[str, Any], str], now: float) -> None:
        """Take the switch's answer.

        :param changes: what was sent
        :param errors: ``{(part of changes, key): reason}`` of what was refused, e.g. ``('flows_set', key)``
        :param now: seconds, the clock of :meth:`pending`
        """
        for part, book in self._parts_of(changes):
            for row in getattr(changes, part):
                key, data = _key_and_data(part, row)
                reason = errors.get((part, key))
                if reason is None:
                    book.accept(key, data)
                else:
                    book.refuse(key, data, reason, now + RETRY_S)

    def still_has_group(self, number: int, reason: str, now: float) -> None:
        """The switch has refused to remove a group of an earlier run, which nobody wants; its removal is owed."""
        self.groups.altered(number)
        self.groups.refuse(number, None, reason, now + RETRY_S)

    def drifted(self, flows: Drifted, groups: Drifted) -> None:
        """Some rows are owed again.

        :param flows: keys of rows that the switch has no longer, and of those that it has otherwise than acknowledged
        :param groups: the same of groups
        """
        for book, (missing, altered) in ((self.flows, flows), (self.groups, groups)):
            for key in missing:
                book.lost(key)
            for key in altered:
                book.altered(key)

    def put_back(self, changes: Changes) -> None:
        """What was taken was not sent; it is owed again."""
        for part, book in self._parts_of(changes):
            for row in getattr(changes, part):
                book.touch(_key_and_data(part, row)[0])

    def _parts_of(self, changes: Changes) -> Iterable[Tuple[str, Book]]:
        return (
            ("groups_set", self.groups),
            ("flows_set", self.flows),
            ("flows_gone", self.flows),
            ("swept", self.sweeps),
            ("groups_gone", self.groups),
        )

    def new_epoch(self) -> None:
        """Nothing is known to be installed: the switch has connected, or its tables were renumbered."""
        for book in self._books.values():
            book.forget()

    def retry_at(self) -> Optional[float]:
        """Return when the next refused row is due, None when there is none."""
        return min((refusal.retry_at for book in self._books.values() for refusal in book.refused.values()), default=None)

    def installed(self) -> Table:
        """Return what the switch has acknowledged."""
        return Table(dict(self.flows.installed), dict(self.groups.installed), dict(self.sweeps.installed))

    def owed(self) -> int:
        """How many rows are wanted and not acknowledged, or acknowledged and not wanted."""
        return self.flows.owed() + self.groups.owed() + self.sweeps.owed()

    def refused(self) -> List[Tuple[Any, str, Tuple[Source, ...]]]:
        """Return ``(key, reason, sources)`` of every refused row."""
        return [
            (key, refusal.reason, tuple(source for source, _ in book.claims.get(key, ())))
            for book in self._books.values()
            for key, refusal in book.refused.items()
        ]

    def dump(self) -> List[Dict[str, Any]]:
        """Say for every row why it exists: ``row``, ``sources`` (owner and part), ``state``, ``reason``."""
        rows: List[Dict[str, Any]] = []
        for kind, book in self._books.items():
            for key in {**book.claims, **book.installed}:
                rows.append(_describe(kind.__name__.lower(), book, key))
        return rows


def _key_and_data(part: str, row: Any) -> Tuple[Any, Optional[Tuple[Any, ...]]]:
    """Return key and wanted data of one member of a :class:`Changes`."""
    if part in ("flows_set", "groups_set"):
        return row.key, row.data
    return (row.key if part == "swept" else row), None


def _describe(kind: str, book: Book, key: Any) -> Dict[str, Any]:
    wanted = book.wanted(key)
    refusal = book.refused.get(key)
    if refusal is not None:
        state = "refused"
    else:
        state = "installed" if wanted == book.installed.get(key) else "owed"
    return {
        "kind": kind,
        "key": key,
        "data": wanted,
        "sources": [source for source, _ in book.claims.get(key, ())],
        "state": state,
        "reason": None if refusal is None else refusal.reason,
    }
