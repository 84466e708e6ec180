"""From local ports and retrieved objects of one switch to records of its view. Pure, and in proportion to what changed."""

from __future__ import annotations

import logging
from typing import Any, Callable, Dict, Iterable, Mapping, NamedTuple, Optional, Set

from vlcp.service.sdn._flows.ids import Numbers
from vlcp.service.sdn._flows.view import NetRecord, PhysicalPortRecord, PortRecord, SwitchView
from vlcp.service.sdn._io_ports import Bridge, LocalPort, LocalPorts, best_rules
from vlcp.service.sdn._io_walks import (
    index_values,
    key_of,
    network_record,
    port_record,
    version_of,
    walk_allocated_networks,
    walk_physical_ports,
    walk_port,
    walk_reach,
)
from vlcp.utils.networkmodel import (
    LogicalNetwork,
    LogicalNetworkMap,
    LogicalPort,
    PhysicalNetwork,
    PhysicalNetworkMap,
    PhysicalPortSet,
)

_logger = logging.getLogger(__name__)

_NETWORK_PREFIX = LogicalNetwork._prefix + "."
_PORT_PREFIX = LogicalPort._prefix + "."


class Updates(NamedTuple):
    """Records by key, None for what is gone; ``touched_networks`` are networks whose set of ports may differ."""

    ports: Dict[str, Optional[PortRecord]]
    networks: Dict[str, Optional[NetRecord]]
    physical_ports: Dict[str, Optional[PhysicalPortRecord]]
    touched_networks: Set[str]


class SwitchModel:
    """Decides what is on a switch.

    :param local: the switch's ports
    :param bridge: what rules of physical ports are compared with
    :param forwarding: True on a forwarding node, where all networks of local physical networks are present
    :ivar walkers: what to walk, ``{key: walker}``; the caller gives the saved objects to the methods
    """

    def __init__(self, local: LocalPorts, bridge: Bridge, forwarding: bool) -> None:
        self._local = local
        self._forwarding = forwarding
        self._rules_key = PhysicalPortSet.default_key()
        self.walkers: Dict[str, Callable[..., None]] = {self._rules_key: walk_physical_ports(bridge)}
        self._ids: Dict[str, str] = {}
        self._dirty: Set[str] = set()
        self._network_of: Dict[str, str] = {}
        self._members: Dict[str, Set[str]] = {}
        self._related: Set[str] = set()
        self._map_keys: Set[str] = set()
        self._waiting: Set[str] = set()
        self._taken_over = False

    def ports_changed(self, changed: Iterable[LocalPort]) -> None:
        """Take local ports that are new, different or gone."""
        for port in changed:
            if port.iface_id is None:
                continue
            key = LogicalPort.default_key(port.iface_id)
            self._dirty.add(key)
            if self._local.port_of_id(port.iface_id) is None:
                self._ids.pop(key, None)
                self.walkers.pop(key, None)
            else:
                self._ids[key] = port.iface_id
                self.walkers[key] = walk_port

    def want_walkers(self, values: Mapping[str, Any], changed: Set[str], saved: Callable[[str], Iterable[str]]) -> bool:
        """Follow ports to their networks, and networks to those that can be reached; return True when there is more
        to walk.

        :param values: retrieved objects
        :param changed: keys of objects that are new, different or gone since the last call of :meth:`records`
        :param saved: key of a walker -> the keys that it saved
        """
        wanted = set()
        for key in self._dirty | self._waiting | {key for key in changed if key in self._ids}:
            self._place(key, values)
        for network in self._members:
            wanted.add(LogicalNetworkMap.default_key(_id_of(LogicalNetwork, network)))
        if self._forwarding:
            for record in self._physical_ports(values).values():
                physical = _id_of(PhysicalNetwork, record.physical_network)
                wanted.add(PhysicalNetworkMap.default_key(physical))
        if wanted == self._map_keys and all(key.startswith(_PORT_PREFIX) for key in changed):
            return False
        self._related = {other for key in wanted for other in saved(key) if other.startswith(_NETWORK_PREFIX)}
        current, self._map_keys = self._map_keys, wanted
        for key in current - wanted:
            del self.walkers[key]
        for key in wanted - current:
            is_map = key.startswith(LogicalNetworkMap._prefix + ".")
            self.walkers[key] = walk_reach if is_map else walk_allocated_networks
        return current != wanted

    def _place(self, key: str, values: Mapping[str, Any]) -> None:
        """Note which network a logical port is in."""
        self._dirty.add(key)
        value = values.get(key) if key in self._ids else None
        network = key_of(getattr(value, "network", None))
        self._waiting.discard(key)
        if network is not None and values.get(network) is None:
            self._waiting.add(key)
            network = None
        before = self._network_of.pop(key, None)
        if before is not None:
            self._members[before].discard(key)
            if not self._members[before]:
                del self._members[before]
        if network is not None:
            self._network_of[key] = network
            self._members.setdefault(network, set()).add(key)

    def records(self, values: Mapping[str, Any], changed: Set[str], view: SwitchView, numbers: Numbers) -> Updates:
        """Return the records of everything that may differ from ``view``.

        :param values: retrieved objects
        :param changed: keys of objects that are new, different or gone since the last call
        :param numbers: numbers of networks; new ones are given, those of networks that are gone taken back
        """
        if not self._taken_over:
            # An earlier instance of the module may have left a view with ports that are gone by now.
            self._taken_over = True
            self._dirty.update(view.ports)
        networks = self._networks(values, changed, view, numbers)
        ports: Dict[str, Optional[PortRecord]] = {}
        touched: Set[str] = set()
        for key in self._dirty:
            before = view.ports.get(key)
            ports[key] = self._port(key, values, numbers)
            touched.update(record.network for record in (before, ports[key]) if record is not None)
        self._dirty = set()
        physical: Dict[str, Optional[PhysicalPortRecord]] = dict.fromkeys(view.physical_ports)
        physical.update(self._physical_ports(values))
        return Updates(ports, networks, physical, touched)

    def _port(self, key: str, values: Mapping[str, Any], numbers: Numbers) -> Optional[PortRecord]:
        network = self._network_of.get(key)
        number = None if network is None else numbers.get_or_none(network)
        port_no = self._local.port_of_id(self._ids[key]) if key in self._ids else None
        if number is None or port_no is None:
            return None
        try:
            return port_record(values[key], port_no, number)
        except ValueError as error:
            _logger.error("%s gets no flows: %s", key, error)
            return None

    def _networks(
        self, values: Mapping[str, Any], changed: Set[str], view: SwitchView, numbers: Numbers
    ) -> Dict[str, Optional[NetRecord]]:
        present = {key for key in {*self._members, *self._related} if values.get(key) is not None}
        found: Dict[str, Optional[NetRecord]] = dict.fromkeys(key for key in view.networks if key not in present)
        numbers.keep(present)
        for key in sorted(present):
            record = view.networks.get(key)
            if record is not None and key not in changed and record.physical_network not in changed:
                continue
            value = values[key]
            try:
                number = numbers.assign(key)
            except ValueError as error:
                _logger.error("%s gets no flows: %s", key, error)
                found[key] = None
                continue
            physical = values.get(key_of(getattr(value, "physicalnetwork", None)) or "")
            found[key] = network_record(value, number, physical)
        return found

    def _physical_ports(self, values: Mapping[str, Any]) -> Dict[str, PhysicalPortRecord]:
        """Return the physical ports: for each port name the most specific rule, if it is no logical port."""
        rules = {}
        for key, value in self._rules(values).items():
            indices = index_values(key)
            if indices is not None and value is not None:
                rules[key] = indices
        found = {}
        for name, key in best_rules(rules).items():
            port = self._physical_port(name, key, values)
            if port is not None:
                found[key] = port
        return found

    def _rules(self, values: Mapping[str, Any]) -> Dict[str, Any]:
        rules = values.get(self._rules_key)
        if rules is None:
            return {}
        keys = (reference.getkey() for reference in rules.set.dataset())
        return {key: values[key] for key in keys if values.get(key) is not None}

    def _physical_port(self, name: str, key: str, values: Mapping[str, Any]) -> Optional[PhysicalPortRecord]:
        for port in self._local.ports_of_name(name):
            if port.iface_id is not None and values.get(LogicalPort.default_key(port.iface_id)) is not None:
                continue
            value = values[key]
            network = key_of(getattr(value, "physicalnetwork", None))
            if network is not None:
                kind = getattr(values.get(network), "type", None)
                return PhysicalPortRecord(key, port.port_no, network, kind, version_of(value), port.mac, port.up)
        return None


def _id_of(cls: Any, key: str) -> str:
    identifier: str = cls.create_from_key(key).id
    return identifier
