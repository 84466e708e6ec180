"""Ports of bridges from rows of the Open_vSwitch database; pure.

A port is a record ``{name, ofport, _uuid, external_ids, ifindex, type, id}`` of an Interface row that belongs to a
Port of a Bridge and that the switch has given a number. Only what changed is looked at: one port among a thousand
costs as much as one among ten.
"""

from __future__ import annotations

from typing import Any, Iterable, NamedTuple, Optional

from vlcp.service.sdn._ovsdb_rows import PORT_COLUMNS, Rows, datapath_number


class PortChanges(NamedTuple):
    """What changed on one bridge; a changed port is in both lists."""

    add: list
    remove: list


class Place(NamedTuple):
    """Where a port is, and its record."""

    datapathid: int
    record: dict


def record_of(uuid: str, row: dict) -> Optional[dict]:
    """Return the record of an Interface row, None when the switch has no number for it (``ofport`` empty or -1)."""
    ofport = row["ofport"]
    if not isinstance(ofport, int) or isinstance(ofport, bool) or ofport < 0:
        return None
    return {
        "name": row["name"],
        "ofport": ofport,
        "_uuid": uuid,
        "external_ids": row["external_ids"],
        "ifindex": row["ifindex"] if row["ifindex"] is not None else 0,
        "type": row["type"],
        "id": row["external_ids"].get("iface-id"),
    }


def same_port(one: dict, other: dict) -> bool:
    """Tell whether two records differ only in what no flow depends on."""
    return all(one[key] == other[key] for key in ("_uuid", "name", "ofport", "id", "type"))


class PortTable:
    """The ports that one database connection tells of.

    :param names: only bridges with these names; None for all
    """

    def __init__(self, names: Optional[Iterable[str]] = None) -> None:
        self.rows = Rows(PORT_COLUMNS)
        self._names = names
        self._bridge_of: dict[str, str] = {}
        self._port_of: dict[str, str] = {}
        self.places: dict[str, Place] = {}

    def options(self, uuid: str) -> dict:
        """Return the ``options`` column of an Interface row; empty when there is no such row."""
        row = self.rows.tables["Interface"].get(uuid)
        return dict(row["options"]) if row is not None else {}

    def datapathids(self) -> set[int]:
        """Return the datapath ids of all bridges."""
        found = (self._datapath_of_bridge(uuid) for uuid in self.rows.tables["Bridge"])
        return {number for number in found if number is not None}

    def apply(self, updates: Any) -> dict[int, PortChanges]:
        """Carry out the updates of a monitor and return ``{datapathid: PortChanges}``.

        :raises OvsdbFormatError: see :meth:`Rows.apply`
        """
        dirty: set[str] = set()
        for change in self.rows.apply(updates):
            if change.table == "Interface":
                dirty.add(change.uuid)
            elif change.table == "Port":
                dirty |= self._move(self._port_of, change, "interfaces")
            else:
                dirty |= self._bridge_changed(change)
        result: dict[int, PortChanges] = {}
        for uuid in dirty:
            self._update(uuid, result)
        return result

    @staticmethod
    def _move(owner_of: dict, change: Any, column: str) -> set[str]:
        """Note the new owner of what a row has got, forget it for what it has lost; return both."""
        had = change.old[column] if change.old is not None else frozenset()
        has = change.new[column] if change.new is not None else frozenset()
        for member in had - has:
            if owner_of.get(member) == change.uuid:
                del owner_of[member]
        for member in has - had:
            owner_of[member] = change.uuid
        return set(had ^ has)

    def _bridge_changed(self, change: Any) -> set[str]:
        ports = self._move(self._bridge_of, change, "ports")
        if (
            change.old is None
            or change.new is None
            or any(change.old[column] != change.new[column] for column in ("name", "datapath_id"))
        ):
            ports |= (change.old or change.new)["ports"] | (change.new or change.old)["ports"]
        known = self.rows.tables["Port"]
        return {interface for port in ports if port in known for interface in known[port]["interfaces"]}

    def _datapath_of_bridge(self, uuid: Any) -> Optional[int]:
        row = self.rows.tables["Bridge"].get(uuid)
        if row is None or (self._names is not None and row["name"] not in self._names):
            return None
        return datapath_number(row["datapath_id"])

    def _place(self, uuid: str) -> Optional[Place]:
        row = self.rows.tables["Interface"].get(uuid)
        if row is None:
            return None
        datapathid = self._datapath_of_bridge(self._bridge_of.get(self._port_of.get(uuid, ""), ""))
        record = record_of(uuid, row)
        return Place(datapathid, record) if datapathid is not None and record is not None else None

    def _update(self, uuid: str, result: dict[int, PortChanges]) -> None:
        old, new = self.places.pop(uuid, None), self._place(uuid)
        if new is not None:
            self.places[uuid] = new
        if old is not None and new is not None and old.datapathid == new.datapathid and same_port(old.record, new.record):
            # Those who hold the record see what changed; no flow depends on it.
            old.record.update(new.record)
            self.places[uuid] = old
            return
        if old is not None:
            result.setdefault(old.datapathid, PortChanges([], [])).remove.append(old.record)
        if new is not None:
            result.setdefault(new.datapathid, PortChanges([], [])).add.append(new.record)


class PortBook:
    """All known ports by switch, ``(vhost, datapathid)``, and by id."""

    def __init__(self) -> None:
        self._ports: dict[tuple[str, int], dict[str, dict]] = {}
        #: (vhost, id) -> places (datapathid, uuid); a dictionary because it keeps their order
        self._by_id: dict[tuple[str, str], dict[tuple[int, str], None]] = {}

    def change(self, vhost: str, datapathid: int, changes: PortChanges) -> None:
        """Take ports out and in."""
        ports = self._ports.setdefault((vhost, datapathid), {})
        for record in changes.remove:
            if ports.pop(record["_uuid"], None) is not None:
                self._forget_id(vhost, datapathid, record)
        for record in changes.add:
            ports[record["_uuid"]] = record
            if record["id"] is not None:
                self._by_id.setdefault((vhost, record["id"]), {})[(datapathid, record["_uuid"])] = None
        if not ports:
            del self._ports[(vhost, datapathid)]

    def _forget_id(self, vhost: str, datapathid: int, record: dict) -> None:
        key = (vhost, record["id"])
        places = self._by_id.get(key, {})
        places.pop((datapathid, record["_uuid"]), None)
        if not places:
            self._by_id.pop(key, None)

    def difference(self, vhost: str, datapathid: int, records: Iterable[dict]) -> PortChanges:
        """Return how to come to exactly these ports."""
        present = dict(self._ports.get((vhost, datapathid), {}))
        changes = PortChanges([], [])
        for record in records:
            old = present.pop(record["_uuid"], None)
            if old is None or not same_port(old, record):
                changes.add.append(record)
                if old is not None:
                    changes.remove.append(old)
        changes.remove.extend(present.values())
        return changes

    def switches(self, vhost: Optional[str] = None) -> list[tuple[str, int]]:
        """Return ``(vhost, datapathid)`` of the switches with ports; ``vhost`` None for all."""
        return [key for key in self._ports if vhost is None or key[0] == vhost]

    def ports(self, vhost: str, datapathid: int) -> list[dict]:
        """Return the ports of a switch."""
        return list(self._ports.get((vhost, datapathid), {}).values())

    def find(self, vhost: str, datapathid: int, key: str, value: Any) -> Optional[dict]:
        """Return the port of a switch whose record has this value, None when there is none."""
        return next((port for port in self.ports(vhost, datapathid) if port[key] == value), None)

    def find_id(self, vhost: str, identifier: str) -> Optional[tuple[int, dict]]:
        """Return ``(datapathid, port)`` of an id, None when there is none."""
        for datapathid, uuid in self._by_id.get((vhost, identifier), {}):
            return (datapathid, self._ports[(vhost, datapathid)][uuid])
        return None
