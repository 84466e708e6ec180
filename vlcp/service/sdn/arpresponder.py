"""ARP: questions for known addresses are answered by the switch and not flooded (manual 4.5.4)."""

from __future__ import annotations

import logging
from collections import Counter
from typing import Any, Callable, Iterable, Mapping, Optional, Set, Tuple

from vlcp.config import defaultconfig
from vlcp.server.module import api, depend
from vlcp.service.kvdb import objectdb
from vlcp.service.sdn import ofpportmanager
from vlcp.service.sdn._arp_rows import Base, Entry, Own, arp_rows
from vlcp.service.sdn._flows.fields import parse_value
from vlcp.service.sdn._flows.lifecycle import SwitchModule
from vlcp.service.sdn._flows.parts import Part
from vlcp.service.sdn._flows.spec import Row
from vlcp.service.sdn._flows.updater import WalkingUpdater
from vlcp.service.sdn._flows.view import SwitchView, ViewChange
from vlcp.service.sdn._members import Members
from vlcp.utils.networkmodel import LogicalNetwork

_logger = logging.getLogger(__name__)

ProxyEntry = Tuple[str, str, Any, Optional[bool]]
_BOTH_SIDES = (True, False)


class ARPUpdater(WalkingUpdater):
    """Rows of the table ``arp`` on one switch.

    :param connection: a connection that the OpenFlow manager serves
    :param parent: the module
    """

    def __init__(self, connection: Any, parent: Any) -> None:
        super().__init__(connection, parent)
        self._members = Members()
        self._changed_proxies: Optional[Set[ProxyEntry]] = None

    async def main(self) -> None:
        """Follow changes of the switch; see :meth:`RowUpdater.main`."""
        await super().main()

    async def updateflow(self, connection: Any, addvalues: Set[Any], removevalues: Set[Any], updatedvalues: Set[Any]) -> None:
        """Update flow callback: bring the rows up to date with ports, networks and proxy entries."""
        await super().updateflow(connection, addvalues, removevalues, updatedvalues)

    def walkers(self, view: SwitchView) -> Mapping[str, Callable[..., None]]:
        """Return what to walk: the ports of every network that is present."""
        return self._members.walkers(view.networks, self._values, self._waiting) if self._parent.prepush else {}

    def parts(self, view: SwitchView, change: ViewChange) -> Iterable[Tuple[Any, Optional[Any]]]:
        """Return the entities with rows that a change concerns."""
        yield ("base",), Base(self._parent.disableothers)
        if self._parent.prepush:
            for key in self._members.touched(change, self.changed):
                yield ("port", key), self._entry(view, key)
            self._members.settled()
            own = change.ports.union(port.key for net in change.networks for port in view.ports_of(net))
            for key in own:
                yield ("own", key), self._own(view, key)
        yield from self._proxy_parts(view, change)

    def _entry(self, view: SwitchView, key: str) -> Optional[Entry]:
        port, network = self._values.get(key), view.networks.get(self._members.network_of.get(key, ""))
        if port is None or network is None:
            return None
        address = (getattr(port, "ip_address", None), getattr(port, "mac_address", None))
        return _entry(network.net_no, *address, (True,), self._parent.broadcastonly)

    def _own(self, view: SwitchView, key: str) -> Optional[Own]:
        port = view.ports.get(key)
        if port is None or port.ip is None or port.mac is None:
            return None
        network = view.networks.get(port.network)
        kind = None if network is None else network.kind
        passes = self._parent.enable_freearp and kind in self._parent.enable_freearp_networktypes
        try:
            ip = parse_value("arp_tpa", port.ip)
        except ValueError as error:
            _logger.error("no ARP answer for %s: %s", key, error)
            return None
        return Own(port.net_no, port.port_no, ip, self._parent.broadcastonly, passes)

    def _proxy_parts(self, view: SwitchView, change: ViewChange) -> Iterable[Tuple[Any, Optional[Any]]]:
        proxies = self._parent.proxies_of(self._connection)
        looked: Set[ProxyEntry] = set(proxies) if self._changed_proxies is None else set(self._changed_proxies)
        if change.networks:
            networks = {*change.networks, *(LogicalNetwork.create_from_key(key).id for key in change.networks)}
            looked.update(proxy for proxy in proxies if proxy[2] in networks)
        for proxy in looked:
            yield ("proxy", proxy), _proxy_entry(view, proxy) if proxy in proxies else None
        self._changed_proxies = set()

    def proxies_changed(self, changed: Iterable[ProxyEntry]) -> None:
        """Take proxy entries that are new or gone."""
        if self._changed_proxies is not None:
            self._changed_proxies.update(changed)
        self.refresh()

    def rows(self, part: Part) -> Iterable[Row]:
        """Return the rows of one entity."""
        return arp_rows(part)


def _entry(net_no: int, ip: Any, mac: Any, sides: Tuple[bool, ...], broadcast_only: bool) -> Optional[Entry]:
    if ip is None or mac is None:
        return None
    try:
        return Entry(net_no, parse_value("arp_tpa", ip), parse_value("arp_sha", mac), sides, broadcast_only)
    except ValueError as error:
        _logger.error("no ARP answer for %r: %s", ip, error)
        return None


def _proxy_entry(view: SwitchView, proxy: ProxyEntry) -> Optional[Entry]:
    ip, mac, network, local = proxy
    net_no = network
    if isinstance(network, str):
        record = view.networks.get(network) or view.networks.get(LogicalNetwork.default_key(network))
        if record is None:
            return None
        net_no = record.net_no
    return _entry(net_no, ip, mac, _BOTH_SIDES if local is None else (bool(local),), False)


@defaultconfig
@depend(ofpportmanager.OpenflowPortManager, objectdb.ObjectDB)
class ARPResponder(SwitchModule):
    """Lets switches answer ARP requests for known addresses."""

    _tablerequest = (
        ("arp", ("l2input",), ""),
        ("l3input", ("arp",), ""),
        ("l2output", ("l3input",), ""),
        ("egress", ("l2output",), ""),
    )
    _default_prepush = True
    "True: switches answer questions for all known addresses themselves; False: for proxy entries only"
    _default_broadcastonly = True
    "With prepush: answer only broadcasts, so that a station can ask another one directly whether it is there"
    _default_disableothers = False
    "Drop questions for unknown addresses: ports do not find stations outside then, unless these have proxy entries"
    _default_enable_freearp = True
    "Let gratuitous ARP requests of logical ports reach the physical network, in the network types below"
    _default_enable_freearp_networktypes = ("vlan", "native")
    "Types of physical networks whose stations must see gratuitous ARP requests"
    updater = ARPUpdater
    needs_nicira = True

    def __init__(self, server: Any) -> None:
        super().__init__(server)
        self.create_api(api(self.createproxyarp), api(self.removeproxyarp))

    def proxies_of(self, connection: Any) -> Counter:
        """Return the proxy entries of a connection, with their counts.

        They are kept in the connection's attribute ``arp_proxies``, so that they end with it and not with this module.
        """
        found: Optional[Counter] = getattr(connection, "arp_proxies", None)
        if found is None:
            found = connection.arp_proxies = Counter()
        return found

    def createproxyarp(self, connection, arpentries):
        """Let a switch answer for further addresses, until the entries are removed or the connection ends.

        Entries are counted: one that was created twice is there until it has been removed twice.

        :param connection: OpenFlow connection
        :param arpentries: list of tuples (ip_address, mac_address, logical network, local); the logical network is its
            number on this connection, its id or its key; with local True only requests from logical ports are answered,
            with False only those from physical ports, with None both
        :raises ValueError: an entry is not such a tuple
        """
        entries = Counter(_checked(entry) for entry in arpentries)
        proxies = self.proxies_of(connection)
        new = [entry for entry in entries if entry not in proxies]
        proxies.update(entries)
        self._look_again(connection, new)

    def removeproxyarp(self, connection, arpentries):
        """Let a switch no longer answer for addresses; entries that are not there are passed over.

        :param connection: OpenFlow connection
        :param arpentries: as for :meth:`createproxyarp`
        :raises ValueError: an entry is not such a tuple
        """
        entries = Counter(_checked(entry) for entry in arpentries)
        proxies = self.proxies_of(connection)
        gone = [entry for entry, count in entries.items() if 0 < proxies[entry] <= count]
        proxies.subtract({entry: count for entry, count in entries.items() if proxies[entry] > count})
        for entry in gone:
            del proxies[entry]
        self._look_again(connection, gone)

    def _look_again(self, connection: Any, changed: Iterable[ProxyEntry]) -> None:
        updater = self._updaters.get(connection)
        if updater is not None:
            updater.proxies_changed(changed)


def _checked(entry: Any) -> ProxyEntry:
    if not isinstance(entry, (list, tuple)) or len(entry) != 4:
        raise ValueError(f"not an ARP entry (address, MAC, network, local): {entry!r:.100}")
    ip, mac, network, local = entry
    return ip, mac, network, None if local is None else bool(local)
