"""Ports of one switch as both OpenFlow and OVSDB know them, and which of them a physical port rule means. Pure."""

from __future__ import annotations

from typing import Any, Dict, Iterable, List, Mapping, NamedTuple, Optional, Set, Tuple

from ._flows.fields import parse_value

ANY = "%"
_FIRST_RESERVED = 0xFF00
_DOWN = 1


class LocalPort(NamedTuple):
    """A port that counts: number in OpenFlow, name, and ``iface-id`` in OVSDB (None without one); ``mac`` is the hardware
    address in OpenFlow as a number, None without one; ``up`` is False while its link is down."""

    port_no: int
    name: str
    iface_id: Optional[str]
    mac: Optional[int] = None
    up: bool = True


class LocalPorts:
    """The join of both lists; a port counts only when both have it (OpenFlow number modulo 0x10000 = ofport)."""

    def __init__(self) -> None:
        self._openflow: Dict[int, Tuple[int, Optional[int], bool]] = {}
        self._ovsdb: Dict[int, Mapping[str, Any]] = {}
        self._joined: Dict[int, LocalPort] = {}
        self._by_id: Dict[str, Set[int]] = {}
        self._by_name: Dict[str, Set[int]] = {}

    def replace(self, ports: Iterable[Any], records: Iterable[Mapping[str, Any]]) -> Set[LocalPort]:
        """Take two complete lists; return the ports that are new, different or gone."""
        openflow = {port.port_no & 0xFFFF: _told_by_openflow(port) for port in ports}
        ovsdb = {record["ofport"]: record for record in records}
        touched = {*self._openflow, *self._ovsdb, *openflow, *ovsdb}
        self._openflow, self._ovsdb = openflow, ovsdb
        return self._join(touched)

    def change_openflow(self, add: Iterable[Any], remove: Iterable[Any]) -> Set[LocalPort]:
        """Take what OpenFlow says is new and gone; return the ports that are new, different or gone."""
        gone = {port.port_no & 0xFFFF for port in remove}
        for low in gone:
            self._openflow.pop(low, None)
        new = {port.port_no & 0xFFFF: _told_by_openflow(port) for port in add}
        self._openflow.update(new)
        return self._join(gone.union(new))

    def change_ovsdb(self, add: Iterable[Mapping[str, Any]], remove: Iterable[Mapping[str, Any]]) -> Set[LocalPort]:
        """Take what OVSDB says is new and gone; return the ports that are new, different or gone."""
        gone = {record["ofport"] for record in remove}
        for low in gone:
            self._ovsdb.pop(low, None)
        new = {record["ofport"]: record for record in add}
        self._ovsdb.update(new)
        return self._join(gone.union(new))

    def _join(self, touched: Iterable[int]) -> Set[LocalPort]:
        changed: Set[LocalPort] = set()
        for low in touched:
            before = self._joined.pop(low, None)
            record = self._ovsdb.get(low)
            after = None
            if low in self._openflow and record is not None:
                number, mac, up = self._openflow[low]
                after = self._joined[low] = LocalPort(number, record["name"], record.get("id") or None, mac, up)
            if before == after:
                continue
            for port, add in ((before, False), (after, True)):
                if port is not None:
                    changed.add(port)
                    _index(self._by_name, port.name, port.port_no, add)
                    _index(self._by_id, port.iface_id, port.port_no, add)
        return changed

    def port_of_id(self, iface_id: str) -> Optional[int]:
        """Return the number of the port with an ``iface-id``; of several the lowest."""
        return min(self._by_id.get(iface_id, ()), default=None)

    def ids(self) -> List[str]:
        """Return every ``iface-id``."""
        return list(self._by_id)

    def ports_of_name(self, name: str) -> List[LocalPort]:
        """Return the ports of a name; usually one."""
        return [self._joined[number & 0xFFFF] for number in sorted(self._by_name.get(name, ()))]

    def unmatched(self) -> List[int]:
        """Return OpenFlow numbers of ports that OVSDB does not know (reserved ones left out)."""
        return [number for low, (number, *_) in self._openflow.items() if low < _FIRST_RESERVED and low not in self._ovsdb]


def _told_by_openflow(port: Any) -> Tuple[int, Optional[int], bool]:
    """Return number, MAC address and whether the link is up (OpenFlow 1.3, 7.2.1: the lowest bits of both say that it is
    not)."""
    address = getattr(port, "hw_addr", None)
    down = (getattr(port, "config", 0) | getattr(port, "state", 0)) & _DOWN
    return port.port_no, None if address is None else parse_value("eth_src", address), not down


def _index(index: Dict[str, Set[int]], key: Optional[str], number: int, add: bool) -> None:
    if key is None:
        return
    members = index.setdefault(key, set())
    if add:
        members.add(number)
    else:
        members.discard(number)
    if not members:
        del index[key]


class Bridge(NamedTuple):
    """What physical port rules are compared with: OVSDB vHost, system id and name of the bridge."""

    vhost: str
    systemid: str
    name: str

    def fits(self, vhost: str, systemid: str, bridge: str) -> bool:
        """True when a rule is for this bridge."""
        return vhost == self.vhost and systemid in (ANY, self.systemid) and bridge in (ANY, self.name)


def best_rules(rules: Mapping[str, Tuple[str, str, str, str]]) -> Dict[str, str]:
    """Return ``{port name: key}`` of the most specific rule for each name.

    :param rules: ``{key: (vhost, systemid, bridge, name)}``, all of them fit the bridge
    """
    best: Dict[str, str] = {}
    for key in sorted(rules):
        name = rules[key][3]
        if name not in best or _precision(rules[key]) > _precision(rules[best[name]]):
            best[name] = key
    return best


def _precision(rule: Tuple[str, ...]) -> Tuple[bool, ...]:
    return tuple(part != ANY for part in rule)
