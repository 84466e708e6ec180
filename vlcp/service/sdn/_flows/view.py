"""The objects of one switch as frozen records, with a journal of what changed.

``ioprocessing`` fills the view of a switch; every other flow module reads it, and asks :meth:`SwitchView.changes_since`
for the keys that it must look at again, so that one port more costs one port. Objects of the database are walked once
for each switch and not once for each module.
"""

from __future__ import annotations

from typing import Any, Dict, Hashable, List, Mapping, NamedTuple, Optional, Set

JOURNAL_LIMIT = 1000
"""Steps that the journal remembers; who is further behind looks at everything."""


class PortRecord(NamedTuple):
    """A logical port that sits on this switch. ``mac`` is a number, None when the port has none; ``ip`` is text."""

    key: str
    port_no: int
    network: str
    net_no: int
    mac: Optional[int]
    ip: Optional[str]
    subnet: Optional[str]
    version: Hashable


class NetRecord(NamedTuple):
    """A logical network that is present on this switch, with its number there."""

    key: str
    net_no: int
    physical_network: Optional[str]
    kind: Optional[str]
    version: Hashable


class PhysicalPortRecord(NamedTuple):
    """A physical port of this switch. ``mac`` is its hardware address as a number, None when the switch does not tell; ``up``
    is False while its link is down."""

    key: str
    port_no: int
    physical_network: str
    kind: Optional[str]
    version: Hashable
    mac: Optional[int] = None
    up: bool = True


class ViewChange(NamedTuple):
    """Keys of what is new, different or gone."""

    ports: Set[str]
    networks: Set[str]
    physical_ports: Set[str]

    def __bool__(self) -> bool:
        return bool(self.ports or self.networks or self.physical_ports)

    def union(self, other: ViewChange) -> ViewChange:
        """Return the keys of both changes."""
        return ViewChange(*(mine | theirs for mine, theirs in zip(self, other)))


NO_CHANGE = ViewChange(set(), set(), set())
"""Nothing; it must not be changed itself."""


class SwitchView:
    """What is on one switch: ``ports``, ``networks`` and ``physical_ports`` as ``{key: record}``.

    ``objects`` has the database object of every key; ``ready`` is True once the first complete view stands; ``bridge`` is
    what the database of the switch calls it (attributes ``vhost``, ``systemid``, ``name``), None before that is known.
    """

    def __init__(self) -> None:
        self.ports: Dict[str, PortRecord] = {}
        self.networks: Dict[str, NetRecord] = {}
        self.physical_ports: Dict[str, PhysicalPortRecord] = {}
        self.objects: Dict[str, Any] = {}
        self.bridge: Any = None
        self.version = 0
        self.ready = False
        self._by_network: Dict[str, Set[str]] = {}
        self._by_physical: Dict[str, Set[str]] = {}
        self._physical_of: Dict[str, Set[str]] = {}
        self._journal: List[ViewChange] = []

    def update(
        self,
        ports: Mapping[str, Optional[PortRecord]],
        networks: Mapping[str, Optional[NetRecord]],
        physical_ports: Mapping[str, Optional[PhysicalPortRecord]],
    ) -> ViewChange:
        """Take new records, None for what is gone, and return what really changed."""
        change = ViewChange(
            _merge(self.ports, ports, self._by_network, "network"),
            _merge(self.networks, networks, self._by_physical, "physical_network"),
            _merge(self.physical_ports, physical_ports, self._physical_of, "physical_network"),
        )
        if change:
            self.version += 1
            self._journal.append(change)
            del self._journal[:-JOURNAL_LIMIT]
        return change

    def changes_since(self, version: int) -> Optional[ViewChange]:
        """Return what changed after ``version``; None when that is too long ago, or -1: look at everything."""
        behind = self.version - version
        if version < 0 or behind > len(self._journal):
            return None
        steps = self._journal[len(self._journal) - behind :]
        return ViewChange(
            set().union(*(step.ports for step in steps)),
            set().union(*(step.networks for step in steps)),
            set().union(*(step.physical_ports for step in steps)),
        )

    def everything(self) -> ViewChange:
        """Return the keys of all records."""
        return ViewChange(set(self.ports), set(self.networks), set(self.physical_ports))

    def ports_of(self, network: str) -> List[PortRecord]:
        """Return the logical ports of a network, by port number."""
        return sorted((self.ports[key] for key in self._by_network.get(network, ())), key=_port_no)

    def has_ports(self, network: str) -> bool:
        """Tell whether a network has logical ports here."""
        return network in self._by_network

    def networks_of(self, physical_network: str) -> List[NetRecord]:
        """Return the present logical networks of a physical network, by key."""
        return [self.networks[key] for key in sorted(self._by_physical.get(physical_network, ()))]

    def physical_ports_of(self, physical_network: Optional[str]) -> List[PhysicalPortRecord]:
        """Return the physical ports of a physical network, by key."""
        if physical_network is None:
            return []
        return [self.physical_ports[key] for key in sorted(self._physical_of.get(physical_network, ()))]


def _port_no(record: Any) -> int:
    number: int = record.port_no
    return number


def _merge(book: Dict[str, Any], news: Mapping[str, Any], index: Dict[str, Set[str]], attribute: str) -> Set[str]:
    changed = set()
    for key, record in news.items():
        before = book.get(key)
        if before == record:
            continue
        changed.add(key)
        if before is not None:
            _discard(index, getattr(before, attribute), key)
        if record is None:
            book.pop(key, None)
        else:
            book[key] = record
            index.setdefault(getattr(record, attribute), set()).add(key)
    return changed


def _discard(index: Dict[str, Set[str]], group: str, key: str) -> None:
    members = index.get(group, set())
    members.discard(key)
    if not members:
        index.pop(group, None)
