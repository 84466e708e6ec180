"""Rows of the Open_vSwitch database as its monitors tell them; pure (RFC 7047, 4.1.5; ovsdb-server(7), 4.1.12).

A row is a dictionary of its monitored columns with plain values: a set is a frozenset, a map a dictionary, an
optional value the value or None, a reference the UUID as text.
"""

from __future__ import annotations

from typing import Any, Iterable, NamedTuple, Optional

SCALAR, OPTIONAL, SET, MAP = "scalar", "optional", "set", "map"
_DEFAULTS: dict = {SCALAR: "", OPTIONAL: None, SET: frozenset(), MAP: {}}
#: What is monitored: ``{table: {column: kind}}``
BRIDGE_COLUMNS = {
    "Open_vSwitch": {"external_ids": MAP},
    "Bridge": {"name": SCALAR, "datapath_id": OPTIONAL, "external_ids": MAP},
}
PORT_COLUMNS = {
    "Bridge": {"name": SCALAR, "datapath_id": OPTIONAL, "ports": SET},
    "Port": {"interfaces": SET},
    "Interface": {
        "name": SCALAR,
        "ofport": OPTIONAL,
        "external_ids": MAP,
        "ifindex": OPTIONAL,
        "type": SCALAR,
        "options": MAP,
    },
}


class OvsdbFormatError(ValueError):
    """The database sent a value that does not fit its schema."""


class RowChange(NamedTuple):
    """One row before and after; None means that there is none."""

    table: str
    uuid: str
    old: Optional[dict]
    new: Optional[dict]


class Bridge(NamedTuple):
    """A bridge that a switch has taken over."""

    uuid: str
    name: str
    datapathid: int
    external_ids: dict


def _atom(value: Any) -> Any:
    if isinstance(value, list) and len(value) == 2 and value[0] == "uuid" and isinstance(value[1], str):
        return value[1]
    if isinstance(value, (list, dict)):
        raise OvsdbFormatError(f"bad OVSDB value {value!r}")
    return value


def _members(value: Any) -> list:
    if isinstance(value, list) and len(value) == 2 and value[0] == "set":
        if not isinstance(value[1], list):
            raise OvsdbFormatError(f"bad OVSDB set {value!r}")
        return [_atom(member) for member in value[1]]
    return [_atom(value)]


def _pairs(value: Any) -> dict:
    if isinstance(value, list) and len(value) == 2 and value[0] == "map" and isinstance(value[1], list):
        if all(isinstance(pair, list) and len(pair) == 2 for pair in value[1]):
            return {_atom(key): _atom(item) for key, item in value[1]}
    raise OvsdbFormatError(f"bad OVSDB map {value!r}")


def plain(kind: str, value: Any) -> Any:
    """Return a JSON value of the database as a plain value.

    :raises OvsdbFormatError: it is not a value of this kind
    """
    if kind == MAP:
        return _pairs(value)
    members = _members(value)
    if kind == SET:
        return frozenset(members)
    if kind == OPTIONAL:
        if len(members) > 1:
            raise OvsdbFormatError(f"more than one value: {value!r}")
        return members[0] if members else None
    return _atom(value)


def changed_value(kind: str, old: Any, difference: Any) -> Any:
    """Return the value after a difference of the "update2" notification."""
    if kind == SET:
        return old ^ plain(SET, difference)
    if kind != MAP:
        return plain(kind, difference)
    new = dict(old)
    for key, value in plain(MAP, difference).items():
        if key in new and new[key] == value:
            del new[key]
        else:
            new[key] = value
    return new


class Rows:
    """A copy of some tables, kept up to date by the updates of a monitor.

    :param columns: ``{table: {column: kind}}``
    """

    def __init__(self, columns: dict) -> None:
        self.columns = columns
        self.tables: dict[str, dict[str, dict]] = {table: {} for table in columns}

    def request(self) -> dict:
        """Return the tables and columns for a "monitor" or "monitor_cond" request."""
        return {table: [{"columns": sorted(columns)}] for table, columns in self.columns.items()}

    def apply(self, updates: Any) -> list[RowChange]:
        """Carry out updates of either format and return what changed.

        :raises OvsdbFormatError: they do not fit the schema; what stood before is carried out
        """
        changes = []
        if not isinstance(updates, dict):
            raise OvsdbFormatError(f"bad OVSDB updates {updates!r}")
        for table, rows in updates.items():
            if table not in self.columns or not isinstance(rows, dict):
                raise OvsdbFormatError(f"bad OVSDB table update for {table!r}")
            for uuid, update in rows.items():
                old = self.tables[table].get(uuid)
                new = self._after(table, old, update)
                if new == old:
                    continue
                if new is None:
                    del self.tables[table][uuid]
                else:
                    self.tables[table][uuid] = new
                changes.append(RowChange(table, uuid, old, new))
        return changes

    def _after(self, table: str, old: Optional[dict], update: Any) -> Optional[dict]:
        """Return a row after one update, None when it is gone."""
        if not isinstance(update, dict):
            raise OvsdbFormatError(f"bad OVSDB row update {update!r}")
        if "modify" in update:
            if old is None:
                raise OvsdbFormatError(f"change of an unknown row of {table}")
            return self._changed_row(table, old, update["modify"])
        whole = update.get("new", update.get("initial", update.get("insert")))
        return None if whole is None else self._row(table, whole)

    def _row(self, table: str, columns: Any) -> dict:
        if not isinstance(columns, dict):
            raise OvsdbFormatError(f"bad OVSDB row {columns!r}")
        return {
            name: plain(kind, columns[name]) if name in columns else _DEFAULTS[kind] for name, kind in self.columns[table].items()
        }

    def _changed_row(self, table: str, old: dict, columns: Any) -> dict:
        if not isinstance(columns, dict):
            raise OvsdbFormatError(f"bad OVSDB row {columns!r}")
        kinds = self.columns[table]
        return {**old, **{name: changed_value(kinds[name], old[name], columns[name]) for name in kinds if name in columns}}


def datapath_number(text: Any) -> Optional[int]:
    """Return the number of a ``datapath_id`` column, None when the switch has not set it."""
    try:
        return int(text, 16)
    except (TypeError, ValueError):
        return None


def system_id(rows: Rows) -> str:
    """Return ``external_ids:system-id``, or an empty string."""
    for row in rows.tables["Open_vSwitch"].values():
        return str(row["external_ids"].get("system-id", ""))
    return ""


def bridges(rows: Rows, names: Optional[Iterable[str]] = None) -> dict[str, Bridge]:
    """Return ``{uuid: Bridge}`` of the bridges that have a datapath id.

    :param names: only bridges with these names; None for all
    """
    found = {}
    for uuid, row in rows.tables["Bridge"].items():
        number = datapath_number(row["datapath_id"])
        if number is not None and (names is None or row["name"] in names):
            found[uuid] = Bridge(uuid, row["name"], number, row["external_ids"])
    return found
