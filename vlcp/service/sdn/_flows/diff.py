"""Whole tables compared: what turns the installed rows into the wanted ones."""

from __future__ import annotations

from typing import Any, Dict, Iterable, Mapping, NamedTuple, Tuple

from .spec import Flow, FlowKey, Group, Row, Sweep


class RowConflict(ValueError):
    """Two wanted rows share a key but differ.

    :param key: what they share
    :param kept: description of the row that stays
    :param refused: description of the other one
    """

    def __init__(self, key: object, kept: object, refused: object) -> None:
        super().__init__(f"two rows for {key!r}: {kept!r} stays, {refused!r} is left out")
        self.key = key
        self.kept = kept
        self.refused = refused


class Changes(NamedTuple):
    """What to send, in this order: no flow ever points at a group that is not there, and nothing is removed before
    its replacement stands."""

    groups_set: Tuple[Group, ...] = ()
    flows_set: Tuple[Flow, ...] = ()
    flows_gone: Tuple[FlowKey, ...] = ()
    swept: Tuple[Sweep, ...] = ()
    groups_gone: Tuple[int, ...] = ()

    @property
    def total(self) -> int:
        """How many single changes there are."""
        return sum(len(part) for part in self)


class Table(NamedTuple):
    """Rows by key: ``flows`` as ``{key: data}``, ``groups`` as ``{id: data}``, ``sweeps`` as a set-like dictionary."""

    flows: Dict[FlowKey, Tuple[Any, ...]]
    groups: Dict[int, Tuple[Any, ...]]
    sweeps: Dict[Tuple[Any, ...], Tuple[Any, ...]]


def table_of(rows: Iterable[Row]) -> Table:
    """Return rows by key.

    :raises RowConflict: two rows share a key but differ
    """
    table = Table({}, {}, {})
    for row in rows:
        book: Dict[Any, Tuple[Any, ...]] = _book(table, row)
        if book.setdefault(row.key, row.data) != row.data:
            raise RowConflict(row.key, book[row.key], row.data)
    return table


def _book(table: Table, row: Row) -> Dict[Any, Tuple[Any, ...]]:
    if isinstance(row, Flow):
        return table.flows
    if isinstance(row, Group):
        return table.groups
    return table.sweeps


def diff(installed: Table, desired: Iterable[Row]) -> Changes:
    """Return the :class:`Changes` that turn ``installed`` into ``desired``.

    :param installed: what the switch has acknowledged
    :param desired: rows; at most one for each key
    :raises RowConflict: two desired rows share a key but differ
    """
    wanted = table_of(desired)
    return Changes(
        tuple(Group(key, *data) for key, data in _new(installed.groups, wanted.groups)),
        tuple(Flow(*key, *data) for key, data in _new(installed.flows, wanted.flows)),
        tuple(key for key in installed.flows if key not in wanted.flows),
        tuple(Sweep(*key) for key in installed.sweeps if key not in wanted.sweeps),
        tuple(key for key in installed.groups if key not in wanted.groups),
    )


def _new(installed: Mapping[Any, Any], wanted: Mapping[Any, Any]) -> Iterable[Tuple[Any, Any]]:
    return [(key, data) for key, data in wanted.items() if installed.get(key) != data]


def apply(table: Table, changes: Changes) -> Table:
    """Return ``table`` after ``changes``: what a switch does that accepts all of them."""
    flows = {**table.flows, **{row.key: row.data for row in changes.flows_set}}
    groups = {**table.groups, **{row.key: row.data for row in changes.groups_set}}
    sweeps = dict(table.sweeps)
    for key in changes.flows_gone:
        flows.pop(key, None)
    for group_id in changes.groups_gone:
        groups.pop(group_id, None)
    for sweep in changes.swept:
        sweeps.pop(sweep.key, None)
    return Table(flows, groups, sweeps)
