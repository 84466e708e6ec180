"""An OVSDB server for tests, as pure as its switch: JSON-RPC bytes in, bytes out (RFC 7047; ovsdb-server(7), 4.1.12).

:class:`FakeOvsdb` is the database and :class:`OvsdbSession` one connection to it. Rows are dictionaries of plain values:
text, number, None for an empty optional column, ``frozenset`` of UUIDs for references, ``dict`` for a map.
"""

from __future__ import annotations

import itertools
import json
from typing import Any, Callable

SCALAR, OPTIONAL, REFERENCES, MAP = "scalar", "optional", "references", "map"
SCHEMA = {
    "Open_vSwitch": {"bridges": REFERENCES, "external_ids": MAP, "ovs_version": OPTIONAL},
    "Bridge": {"name": SCALAR, "datapath_id": OPTIONAL, "external_ids": MAP, "ports": REFERENCES},
    "Port": {"name": SCALAR, "interfaces": REFERENCES, "external_ids": MAP},
    "Interface": {
        "name": SCALAR,
        "ofport": OPTIONAL,
        "external_ids": MAP,
        "ifindex": OPTIONAL,
        "type": SCALAR,
        "options": MAP,
    },
}
_DEFAULTS: dict = {SCALAR: "", OPTIONAL: None, REFERENCES: frozenset(), MAP: {}}


def to_json(kind: str, value: Any) -> Any:
    """Return a value as the wire has it."""
    if kind == MAP:
        return ["map", [list(pair) for pair in sorted(value.items())]]
    if kind == REFERENCES:
        members = [["uuid", uuid] for uuid in sorted(value)]
        return members[0] if len(members) == 1 else ["set", members]
    return ["set", []] if value is None else value


def difference(kind: str, old: Any, new: Any) -> Any:
    """Return the change of a column as "update2" has it."""
    if kind == REFERENCES:
        return to_json(kind, old ^ new)
    if kind == MAP:
        changed = {key: value for key, value in new.items() if old.get(key) != value}
        changed.update({key: value for key, value in old.items() if key not in new})
        return to_json(kind, changed)
    return to_json(kind, new)


class FakeOvsdb:
    """The database of one server with one bridge.

    :param datapathid: of the bridge
    :param name: of the bridge
    :param systemid: of the server
    """

    def __init__(self, datapathid: int = 1, name: str = "br0", systemid: str = "sys-1") -> None:
        self._numbers = itertools.count(1)
        self.tables: dict[str, dict[str, dict]] = {table: {} for table in SCHEMA}
        self.sessions: list[OvsdbSession] = []
        self.locks: dict[str, list] = {}
        self.bridge = self.new_uuid()
        root = {"bridges": frozenset({self.bridge}), "external_ids": {"system-id": systemid}}
        bridge = {"name": name, "datapath_id": f"{datapathid:016x}"}
        self.change(("Open_vSwitch", self.new_uuid(), root), ("Bridge", self.bridge, bridge))

    def new_uuid(self) -> str:
        """Return a UUID that no row has."""
        return f"00000000-0000-4000-8000-{next(self._numbers):012x}"

    def change(self, *rows: tuple) -> None:
        """Carry out ``(table, uuid, columns to set or None to delete)`` in one transaction, and tell the monitors."""
        changes = []
        for table, uuid, columns in rows:
            old = self.tables[table].get(uuid)
            if columns is None:
                self.tables[table].pop(uuid, None)
                new = None
            else:
                empty = {column: _DEFAULTS[kind] for column, kind in SCHEMA[table].items()}
                new = self.tables[table][uuid] = {**(old or empty), **columns}
            if new != old:
                changes.append((table, uuid, old, new))
        for session in list(self.sessions):
            session.tell(changes)

    def add_port(self, name: str, ofport: Any = None, external_ids: Any = None, **columns: Any) -> str:
        """Add a port with one interface to the bridge; return the UUID of the interface.

        :param columns: further columns of the interface
        """
        port, interface = self.new_uuid(), self.new_uuid()
        self.change(
            ("Interface", interface, {"name": name, "ofport": ofport, "external_ids": dict(external_ids or {}), **columns}),
            ("Port", port, {"name": name, "interfaces": frozenset({interface})}),
            ("Bridge", self.bridge, {"ports": self.tables["Bridge"][self.bridge]["ports"] | {port}}),
        )
        return interface

    def remove_port(self, interface: str) -> None:
        """Remove a port by the UUID of its interface."""
        ports = self.tables["Port"]
        port = next(uuid for uuid, row in ports.items() if interface in row["interfaces"])
        kept = self.tables["Bridge"][self.bridge]["ports"] - {port}
        self.change(("Interface", interface, None), ("Port", port, None), ("Bridge", self.bridge, {"ports": kept}))

    def session(self, send: Callable[[bytes], None]) -> OvsdbSession:
        """Return a new connection, which sends by ``send(bytes)``."""
        session = OvsdbSession(self, send)
        self.sessions.append(session)
        return session


class OvsdbSession:
    """One connection to a :class:`FakeOvsdb`."""

    def __init__(self, database: FakeOvsdb, send: Callable[[bytes], None]) -> None:
        self.database, self._send = database, send
        #: {monitor id: ("update" or "update2", {table: [columns]})}
        self.monitors: dict[str, tuple] = {}
        self._text = ""

    def close(self) -> None:
        """Forget this connection: its monitors and locks end."""
        self.database.sessions.remove(self)
        for owners in self.database.locks.values():
            if self in owners:
                owners.remove(self)

    def send(self, message: dict) -> None:
        """Send one message."""
        self._send(json.dumps(message, separators=(",", ":")).encode())

    def feed(self, data: bytes) -> None:
        """Take bytes from the controller, cut anywhere between characters."""
        self._text += data.decode()
        decoder = json.JSONDecoder()
        while self._text:
            try:
                message, end = decoder.raw_decode(self._text)
            except ValueError:
                return
            self._text = self._text[end:].lstrip()
            self._message(message)

    def _message(self, message: dict) -> None:
        if "method" not in message or message.get("id") is None:
            return
        handler = HANDLERS.get(message["method"])
        result, failure = (None, "unknown method") if handler is None else handler(self, message["params"])
        self.send({"id": message["id"], "result": result, "error": failure})

    def _echo(self, params: list) -> tuple:
        return params, None

    def _list_dbs(self, params: list) -> tuple:
        return ["Open_vSwitch"], None

    def _start(self, params: list, method: str, word: str) -> tuple:
        _, name, request = params
        key = json.dumps(name)
        if key in self.monitors:
            return None, {"error": "duplicate monitor ID"}
        columns = {table: parts[0].get("columns", sorted(SCHEMA[table])) for table, parts in request.items()}
        self.monitors[key] = (method, columns)
        found: dict = {}
        for table, wanted in columns.items():
            rows = self.database.tables[table]
            if rows:
                found[table] = {uuid: {word: _selected(table, row, wanted)} for uuid, row in rows.items()}
        return found, None

    def _monitor(self, params: list) -> tuple:
        return self._start(params, "update", "new")

    def _monitor_cond(self, params: list) -> tuple:
        return self._start(params, "update2", "initial")

    def _monitor_cancel(self, params: list) -> tuple:
        if self.monitors.pop(json.dumps(params[0]), None) is None:
            return None, {"error": "unknown monitor"}
        return {}, None

    def tell(self, changes: list) -> None:
        """Send what changed to each monitor."""
        for key, (method, columns) in list(self.monitors.items()):
            describe = _update2 if method == "update2" else _update
            updates: dict = {}
            for table, uuid, old, new in changes:
                update = describe(table, old, new, columns[table]) if table in columns else None
                if update is not None:
                    updates.setdefault(table, {})[uuid] = update
            if updates:
                self.send({"method": method, "params": [json.loads(key), updates], "id": None})

    def _transact(self, params: list) -> tuple:
        return [self._operation(operation) for operation in params[1:]], None

    def _operation(self, operation: dict) -> dict:
        kind = operation["op"]
        if kind in ("comment", "commit"):
            return {}
        if kind == "assert":
            owners = self.database.locks.get(operation["lock"], [])
            return {} if owners[:1] == [self] else {"error": "not owner"}
        table = operation["table"]
        found = [uuid for uuid, row in self.database.tables[table].items() if _meets(uuid, row, operation["where"])]
        if kind == "select":
            wanted = operation.get("columns") or sorted(SCHEMA[table])
            rows = self.database.tables[table]
            return {"rows": [{"_uuid": ["uuid", uuid], **_selected(table, rows[uuid], wanted)} for uuid in found]}
        if kind != "mutate":
            return {"error": "not supported", "details": kind}
        for uuid in found:
            self.database.change((table, uuid, self._mutated(table, uuid, operation["mutations"])))
        return {"count": len(found)}

    def _mutated(self, table: str, uuid: str, mutations: list) -> dict:
        row = dict(self.database.tables[table][uuid])
        for column, mutator, value in mutations:
            new = dict(row[column])
            members = value[1] if isinstance(value, list) and value[0] in ("set", "map") else [value]
            for member in members:
                if mutator == "insert":
                    new.setdefault(*member)
                elif isinstance(member, list):
                    new = {key: kept for key, kept in new.items() if [key, kept] != member}
                else:
                    new.pop(member, None)
            row[column] = new
        return row

    def _lock(self, params: list) -> tuple:
        owners = self.database.locks.setdefault(params[0], [])
        owners.append(self)
        return {"locked": owners[0] is self}, None

    def _steal(self, params: list) -> tuple:
        owners = self.database.locks.setdefault(params[0], [])
        if owners and owners[0] is not self:
            owners[0].send({"method": "stolen", "params": params, "id": None})
        self.database.locks[params[0]] = [self, *[one for one in owners if one is not self]]
        return {"locked": True}, None

    def _unlock(self, params: list) -> tuple:
        owners = self.database.locks.setdefault(params[0], [])
        first = owners[:1]
        if self in owners:
            owners.remove(self)
        if owners and owners[:1] != first:
            owners[0].send({"method": "locked", "params": params, "id": None})
        return {}, None


def _selected(table: str, row: dict, columns: list) -> dict:
    """Return the columns of a row as the wire has them; those with their default value are left out."""
    kinds = SCHEMA[table]
    return {column: to_json(kinds[column], row[column]) for column in columns if row[column] != _DEFAULTS[kinds[column]]}


def _update2(table: str, old: Any, new: Any, columns: list) -> Any:
    if old is None:
        return {"insert": _selected(table, new, columns)}
    if new is None:
        return {"delete": None}
    kinds = SCHEMA[table]
    changed = {column: difference(kinds[column], old[column], new[column]) for column in columns if old[column] != new[column]}
    return {"modify": changed} if changed else None


def _update(table: str, old: Any, new: Any, columns: list) -> Any:
    kinds = SCHEMA[table]
    if old is not None and new is not None and all(old[column] == new[column] for column in columns):
        return None
    update = {}
    if old is not None:
        shown = columns if new is None else [column for column in columns if old[column] != new[column]]
        update["old"] = {column: to_json(kinds[column], old[column]) for column in shown}
    if new is not None:
        update["new"] = {column: to_json(kinds[column], new[column]) for column in columns}
    return update


def _meets(uuid: str, row: dict, where: list) -> bool:
    for column, function, value in where:
        present = ["uuid", uuid] if column == "_uuid" else row.get(column)
        if (present == value) != (function == "=="):
            return False
    return True


HANDLERS = {
    "echo": OvsdbSession._echo,
    "list_dbs": OvsdbSession._list_dbs,
    "monitor": OvsdbSession._monitor,
    "monitor_cond": OvsdbSession._monitor_cond,
    "monitor_cancel": OvsdbSession._monitor_cancel,
    "transact": OvsdbSession._transact,
    "lock": OvsdbSession._lock,
    "steal": OvsdbSession._steal,
    "unlock": OvsdbSession._unlock,
}
