"""A dump of the switch against what it has acknowledged.

Nothing is sent here. Rows that a wanted :class:`~.spec.Sweep` covers are the switch's own and never drift; rows with a
timeout may be missing. What was found equal once is remembered by its bytes, so that the next dump of an unchanged
switch costs a dictionary look-up for each row.
"""

from __future__ import annotations

from typing import Any, Dict, FrozenSet, Iterable, List, NamedTuple, Set, Tuple

from .decode import Entry, canonical_buckets, canonical_instructions, canonical_match
from .diff import Table
from .encode import Encoder, cookie_of
from .spec import COOKIE_BITS, Flow, FlowKey, Group

_GROUP_KINDS = ("all", "select", "indirect", "ff")
_FLAGS_THAT_COUNT = 0x0001


class Drift(NamedTuple):
    """What differs: acknowledged rows and groups that are missing or altered, and ones that nobody wants."""

    missing: Tuple[FlowKey, ...]
    altered: Tuple[FlowKey, ...]
    extra: Tuple[Entry, ...]
    groups_missing: Tuple[int, ...]
    groups_altered: Tuple[int, ...]
    groups_extra: Tuple[int, ...]

    @property
    def total(self) -> int:
        """How many rows and groups differ."""
        return sum(len(part) for part in self)


def expected_counts(installed: Table, tables: Iterable[str]) -> Dict[str, int]:
    """Return how many rows each table should hold; tables where rows come and go by themselves are left out."""
    changing = {table for table, _ in installed.sweeps}
    changing.update(key[0] for key, data in installed.flows.items() if data[2] or data[3])
    expected = {name: 0 for name in tables if name not in changing}
    for table, _, _ in installed.flows:
        if table in expected:
            expected[table] += 1
    return expected


class Auditor:
    """Compares dumps of one switch, for one :class:`~.encode.Encoder`."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._equal: Dict[Entry, Tuple[FlowKey, Tuple[Any, ...]]] = {}
        self._index: Dict[Tuple[Any, ...], FlowKey] = {}
        self._wire_keys: Dict[FlowKey, Tuple[Any, ...]] = {}
        self._seen: Set[FlowKey] = set()
        self._altered: List[FlowKey] = []
        self._extra: List[Entry] = []
        self._keep_others = False
        self._learned: Dict[Entry, Any] = {}
        self._sweeps: Dict[Any, FrozenSet[Any]] = {}

    def begin(self, keep_others: bool = False) -> None:
        """Start a comparison.

        :param keep_others: rows of other epochs and unknown groups may stay: not every module has declared its rows
        """
        self._keep_others = keep_others
        self._seen, self._altered, self._extra = set(), [], []

    def index(self, keys: Iterable[FlowKey]) -> None:
        """Learn how the wire spells the keys of acknowledged rows; known ones cost nothing."""
        for key in keys:
            if key not in self._wire_keys:
                table, priority, conditions = key
                wire = (self._encoder.table_id(table), priority, canonical_match(self._encoder.match(conditions)))
                self._wire_keys[key] = wire
                self._index[wire] = key

    def look(self, entries: Iterable[Entry], installed: Table) -> None:
        """Compare some entries of the dump; call :meth:`index` first."""
        for entry in entries:
            known = self._equal.get(entry)
            if known is not None and installed.flows.get(known[0]) == known[1]:
                self._seen.add(known[0])
            else:
                self._compare(entry, installed)

    def _compare(self, entry: Entry, installed: Table) -> None:
        conditions = canonical_match(entry.match)
        key = self._index.get((entry.table_id, entry.priority, conditions))
        data = None if key is None else installed.flows.get(key)
        if key is None or data is None:
            kept = self._keep_others and entry.cookie >> COOKIE_BITS != self._encoder.layout.epoch
            if not kept and not self._covered(entry, conditions, installed):
                self._extra.append(entry)
            return
        self._seen.add(key)
        if self._same(entry, Flow(*key, *data)):
            self._equal[entry] = (key, data)
        else:
            self._altered.append(key)

    def _same(self, entry: Entry, flow: Flow) -> bool:
        wanted = (flow.idle_s, flow.hard_s, flow.flags & _FLAGS_THAT_COUNT, flow.cookie)
        found = (entry.idle_s, entry.hard_s, entry.flags & _FLAGS_THAT_COUNT, cookie_of(entry.cookie))
        if wanted != found or entry.cookie >> COOKIE_BITS != self._encoder.layout.epoch:
            return False
        sent = self._encoder.instructions(flow.table, flow.do)
        return entry.instructions == sent or canonical_instructions(entry.instructions) == canonical_instructions(sent)

    def _covered(self, entry: Entry, conditions: Tuple[Any, ...], installed: Table) -> bool:
        if self._learned.get(entry) in installed.sweeps:
            return True
        found = set(conditions)
        for sweep in installed.sweeps:
            if self._encoder.layout.tables.get(sweep[0]) == entry.table_id and found.issuperset(self._swept(sweep)):
                self._learned[entry] = sweep
                return True
        return False

    def _swept(self, sweep: Any) -> FrozenSet[Any]:
        conditions = self._sweeps.get(sweep)
        if conditions is None:
            conditions = self._sweeps[sweep] = frozenset(canonical_match(self._encoder.match(sweep[1])))
        return conditions

    def end(self, installed: Table, groups: Iterable[Tuple[int, int, Any]]) -> Drift:
        """Return what differs.

        :param installed: acknowledged rows, the same as at :meth:`look`
        :param groups: ``(group id, kind, buckets)`` as :func:`~.decode.group_entries` gives them
        """
        missing = tuple(key for key, data in installed.flows.items() if key not in self._seen and not (data[2] or data[3]))
        self._forget(installed)
        found = {group_id: (kind, buckets) for group_id, kind, buckets in groups}
        altered = tuple(
            group_id
            for group_id, data in installed.groups.items()
            if group_id in found and not self._same_group(Group(group_id, *data), found[group_id])
        )
        return Drift(
            missing,
            tuple(self._altered),
            tuple(self._extra),
            tuple(group_id for group_id in installed.groups if group_id not in found),
            altered,
            () if self._keep_others else tuple(group_id for group_id in found if group_id not in installed.groups),
        )

    def _forget(self, installed: Table) -> None:
        """Drop what belongs to rows that are gone."""
        for key in [key for key in self._wire_keys if key not in installed.flows]:
            del self._index[self._wire_keys.pop(key)]
        self._learned = {entry: sweep for entry, sweep in self._learned.items() if sweep in installed.sweeps}
        self._sweeps = {sweep: found for sweep, found in self._sweeps.items() if sweep in installed.sweeps}
        self._equal = {entry: known for entry, known in self._equal.items() if installed.flows.get(known[0]) == known[1]}

    def _same_group(self, group: Group, found: Tuple[int, Any]) -> bool:
        if group.kind not in _GROUP_KINDS:
            return False
        wanted = canonical_buckets(self._encoder.group_set(group, True))
        return found == (_GROUP_KINDS.index(group.kind), wanted)
