"""Routing between logical networks, on every switch where a logical port needs it (manual 4.5.4)."""

from __future__ import annotations

import logging
from typing import Any, Callable, Dict, Iterable, Mapping, Optional, Set, Tuple

from vlcp.config import defaultconfig
from vlcp.event.event import Event, withIndices
from vlcp.protocol.openflow import OpenflowAsyncMessageEvent
from vlcp.server.module import depend
from vlcp.service.kvdb import objectdb
from vlcp.service.sdn import _l3_rows as rows_of
from vlcp.service.sdn import arpresponder, icmpresponder
from vlcp.service.sdn._arp_cache import AGAIN_S, Key, Timers
from vlcp.service.sdn._flows.decode import match_of_structures
from vlcp.service.sdn._flows.encode import cookie_of
from vlcp.service.sdn._flows.fields import format_value, parse_mac, parse_value
from vlcp.service.sdn._flows.packets import TYPE_FLOW_REMOVED
from vlcp.service.sdn._flows.parts import Part
from vlcp.service.sdn._flows.spec import Row
from vlcp.service.sdn._flows.sync import SwitchFlowsEvent
from vlcp.service.sdn._flows.view import SwitchView, ViewChange
from vlcp.service.sdn._forward_module import ForwardingModule
from vlcp.service.sdn._forward_offers import concerns_offers, walk_offers
from vlcp.service.sdn._l3_forwarding import Forwarding
from vlcp.service.sdn._l3_model import LocalAddresses, RoutedNetworks
from vlcp.service.sdn._l3_neighbours import Neighbours
from vlcp.service.sdn._l3_rows import HostInputs, l3_rows
from vlcp.service.sdn._members import Members, map_key, walk_map
from vlcp.service.sdn._proxied import Proxies
from vlcp.service.sdn._routed import RoutedUpdater
from vlcp.service.sdn._routers import Here, Node

_logger = logging.getLogger(__name__)

_REMOVED_BY_TIME = (0, 1)
_FIRST_ANSWERS_S = 3.0
_FIRST_OFFERS_S = 3.0
_FIRST_ROWS_S = 5.0
_POLL_S = 0.02

PartInputs = Tuple[Any, Optional[Any]]


@withIndices("connection")
class ARPRequest(Event):
    """The address of a neighbour is being asked for on a switch. Attributes ``ipaddress`` (a number) and
    ``logicalnetworkkey``."""

    canignore = True


def walk_offers_and_map(key: str, value: Any, walk: Any, save: Any) -> None:
    """From the map of a logical network to its routers with what is offered around them, and the list of its ports."""
    walk_offers(key, value, walk, save)
    walk_map(key, value, walk, save)


class RouterUpdater(RoutedUpdater):
    """Rows of the tables ``l3router`` and ``l3output`` on one switch, and what they send to the controller.

    :param connection: a connection that the OpenFlow manager serves
    :param parent: the module
    """

    def __init__(self, connection: Any, parent: Any) -> None:
        super().__init__(connection, parent)
        self._inner = parse_mac(parent.inroutermac)
        self._members = Members(map_walker=walk_offers_and_map)
        self._local = LocalAddresses()
        self._networks = RoutedNetworks(self.view, self.routing, self._inner, parse_mac(parent.outroutermacmask))
        self._routed: Set[str] = set()
        self._answers = Proxies()
        self._outside: Set[Key] = set()
        self._learned: Set[Key] = set()
        self._hops: Set[Key] = set()
        self._forwarding = Forwarding(
            self._networks,
            lambda: self._values,
            2 * parent.forwardinfo_discover_update_time,
            lambda: self.scheduler.current_time,
        )
        self._declare_by: Optional[float] = None
        self._neighbours = Neighbours(
            self._networks,
            Timers(parent.arp_incomplete_timeout, parent.arp_complete_timeout, parent.static_host_arp_refresh_interval),
            parent.buffer_packet_timeout,
            self._local.mac,
            self._neighbours_changed,
            self.send_packets,
            lambda: self.switch.encoder,
            lambda: self.scheduler.current_time,
        )

    async def main(self) -> None:
        """Main coroutine"""
        neighbours = self._neighbours
        helpers = [
            self.uploads("l3output", rows_of.UNKNOWN_COOKIE, self._take_unknown),
            self.uploads("l3output", rows_of.LEARNED_COOKIE, neighbours.take_report),
            self.uploads("l3input", rows_of.ARP_COOKIE, neighbours.take_answer),
            self.uploads("l3router", rows_of.ERROR_COOKIE, neighbours.take_ended),
            self.uploads("l3router", rows_of.PORT_COOKIE, neighbours.take_probe),
            self.uploads("l3router", rows_of.ECHO_COOKIE, neighbours.take_echo),
            self._follow_removed(),
            self._ask_again(),
            self._cycle(),
        ]
        for helper in helpers:
            self.start_helper(helper)
        await super().main()

    def reset_initialkeys(self, keys: Any, values: Any) -> None:
        """See :meth:`FlowUpdater.reset_initialkeys`; the walkers follow the networks of the switch instead."""

    async def updateflow(self, connection: Any, addvalues: Set[Any], removevalues: Set[Any], updatedvalues: Set[Any]) -> None:
        """Update flow callback: bring the rows up to date with ports, networks and routers."""
        await super().updateflow(connection, addvalues, removevalues, updatedvalues)

    def walkers(self, view: SwitchView) -> Mapping[str, Callable[..., None]]:
        """Return what to walk: the routers of every network that is present, and its ports when they are prepushed."""
        if not self._parent.prepush:
            return {map_key(network): walk_offers for network in view.networks}
        return self._members.walkers(view.networks, self._values, self._waiting)

    def withdraw(self) -> None:
        """Forward for nobody any more; the connection is lost or given up."""
        self._forwarding.detach()

    def here(self) -> Optional[Here]:
        """Return how external subnets name this switch, and its addresses there; None when it does not forward to them."""
        bridge = self.view.bridge
        found = self._forwarding.here()
        if found is not None or bridge is None or not self._parent.enable_router_forward:
            return found
        node = Node(self._connection.protocol.vhost, bridge.systemid, bridge.name)
        self._forwarding.attach(node, self._parent.publisher_of(node), self.request_update)
        return self._forwarding.here()

    def parts(self, view: SwitchView, change: ViewChange) -> Iterable[PartInputs]:
        """Return the entities with rows that a change concerns."""
        yield ("base",), rows_of.Base()
        rerouted = self.changed_routing()
        ports = self._changed_ports(view, change)
        moved = rerouted or change.networks or change.physical_ports or any(map(concerns_offers, self.changed))
        hops = self._networks.next_hops() if moved else self._hops
        for key in ports:
            yield ("port", key), self._port_inputs(view, key)
        self._members.settled()
        if change.networks:
            self._neighbours.number_networks({record.net_no: key for key, record in view.networks.items()})
        if moved or hops:
            yield from self._route_parts(hops)

    def _changed_ports(self, view: SwitchView, change: ViewChange) -> Set[str]:
        ports = set(change.ports)
        if self._parent.prepush:
            ports = self._members.touched(change, self.changed)
            if change.physical_ports:
                ports.update(self._members.network_of)
        return ports

    def _port_inputs(self, view: SwitchView, key: str) -> Optional[HostInputs]:
        """Return the inputs of the row that delivers to a logical port, here or (prepushed) elsewhere."""
        record, port = view.ports.get(key), self._values.get(key)
        address, mac, network = None, None, None
        if record is not None:
            address, mac, network = record.ip, record.mac, record.network
        elif port is not None and key in self._members.network_of:
            address, mac = getattr(port, "ip_address", None), getattr(port, "mac_address", None)
            network = self._members.network_of[key]
        number = None if network is None else self._networks.number(network)
        self._local.put(key, None, None)
        self._answers.put(key, None)
        if address is None or mac is None or network is None or number is None:
            return None
        try:
            ip, target = parse_value("ipv4_dst", address), parse_value("eth_dst", mac)
        except ValueError as error:
            _logger.error("no routing to %s: %s", key, error)
            return None
        self._forget_learned((network, ip))
        if record is None:
            return HostInputs(number, ip, self._networks.outer(network), target)
        self._local.put(key, (network, ip), target)
        self._answers.put(key, (format_value("ipv4_dst", ip), format_value("eth_src", target), network, False))
        return HostInputs(number, ip, self._inner, target)

    def _forget_learned(self, key: Key) -> None:
        """A logical port is known to have this address; what was learned about it does not count."""
        if key in self._learned:
            self._neighbours.cache.forget(key)
            self._neighbours_changed([key])

    def _route_parts(self, hops: Set[Key]) -> Iterable[PartInputs]:
        """Return what routers do with packets, on the whole switch."""
        for key in self._neighbours.set_next_hops(hops):
            self._tell_request(key)
        for key in self._hops - hops:
            yield ("hop", key), None
        self._hops = hops
        networks, self._routed = self._routed, self.routing.networks()
        self._forwarding.begin()
        for network in networks | self._routed:
            yield ("net", network), self._networks.net_inputs(network)
            yield ("routes", network), self._networks.route_inputs(network, self._neighbours.mac, self._forwarding.carrier)
        self._forwarding.end()
        for key in self._hops:
            yield ("hop", key), self._hop_inputs(key)
        for key in list(self._learned):
            yield ("learned", key), self._learned_inputs(key)

    def _hop_inputs(self, key: Key) -> Optional[HostInputs]:
        """Return the inputs of the row for packets to a next hop itself; a local port has one already."""
        number, mac = self._networks.number(key[0]), self._neighbours.cache.mac(key)
        if number is None or mac is None or self._local.mac(key) is not None:
            return None
        return HostInputs(number, key[1], self._networks.outer(key[0]), mac)

    def _learned_inputs(self, key: Key) -> Optional[HostInputs]:
        number, mac = self._networks.number(key[0]), self._neighbours.cache.mac(key)
        if number is None or mac is None or key in self._hops:
            return None
        return HostInputs(number, key[1], self._networks.outer(key[0]), mac, self._parent.arp_complete_timeout)

    def _neighbours_changed(self, keys: Iterable[Key]) -> None:
        """Addresses of neighbours are new, confirmed, different or forgotten."""
        changed = list(keys)
        for key in changed:
            if key in self._hops:
                continue
            inputs = self._learned_inputs(key)
            (self._learned.discard if inputs is None else self._learned.add)(key)
            self.put(("learned", key), inputs)
            self.switch.ledger.renew(self._owner, ("learned", key))
        if any(key in self._hops for key in changed):
            self._reroute()
        if changed:
            self.switch.wake()

    def _reroute(self) -> None:
        for part, inputs in self._route_parts(self._hops):
            self.put(part, inputs)
        self.switch.wake()

    def _take_unknown(self, upload: Any) -> None:
        before = len(self._neighbours.cache)
        self._neighbours.take_unknown(upload)
        if len(self._neighbours.cache) > before:
            address = int.from_bytes(upload.data[30:34], "big")
            networks = [key for key, record in self.view.networks.items() if record.net_no == upload.value("reg5")]
            self._tell_request((networks[0], address))

    def _tell_request(self, key: Key) -> None:
        self.scheduler.emergesend(ARPRequest(self._connection, ipaddress=key[1], logicalnetworkkey=key[0]))

    async def settle(self) -> None:
        """Publish, and let questions from outside be answered. Before the first rows are declared, wait a moment for own
        addresses and for next hops, so that routes which a former controller has made do not go and come back."""
        self._forwarding.publish()
        until = self.scheduler.current_time + _FIRST_ANSWERS_S
        first = not self._declared and self._declare_by is None
        if first:
            self._declare_by = self.scheduler.current_time + _FIRST_OFFERS_S
            self.start_helper(self._begin_to_offer())
            while self._forwarding.owes_addresses() and self.scheduler.current_time < until:
                await self.wait_with_timeout(_POLL_S)
            self.compute()
        outside = self._networks.outside_addresses()
        for key in self._outside - outside:
            self._answers.put(key, None)
        for key in outside:
            mac = format_value("eth_src", self._networks.outer(key[0]))
            self._answers.put(key, (format_value("ipv4_dst", key[1]), mac, key[0], False))
        self._outside = outside
        await self._parent.answer_changes(self, self._connection, self._answers)
        self.switch.wake()
        while first and self._waits_for_hops() and self.scheduler.current_time < until:
            await self.wait_with_timeout(_POLL_S)

    def declare(self) -> None:
        """Say that all rows are declared; at first wait a moment for forwarding nodes that are starting, too."""
        left = 0.0 if self._declare_by is None else self._declare_by - self.scheduler.current_time
        if self._declared or not self._forwarding.missing or left <= 0:
            super().declare()
            return
        self.switch.wake()
        self.start_helper(self._update_after(left))

    async def _update_after(self, seconds: float) -> None:
        await self.wait_with_timeout(seconds)
        self.request_update()

    async def _begin_to_offer(self) -> None:
        """Forward for others as soon as the switch has its rows."""
        settled = SwitchFlowsEvent.createMatcher(self._connection, SwitchFlowsEvent.SETTLED)
        until = self.scheduler.current_time + _FIRST_ROWS_S
        while self.scheduler.current_time < until and not (self._declared and not self.switch.ledger.owed()):
            await self.wait_with_timeout(_POLL_S, settled)
        self._forwarding.offering = True
        self._forwarding.publish()

    def _waits_for_hops(self) -> bool:
        return any(self._networks.uplink(key[0]) and self._neighbours.mac(key) is None for key in self._hops)

    def rows(self, part: Part) -> Iterable[Row]:
        """Return the rows of one entity."""
        return l3_rows(part)

    async def _ask_again(self) -> None:
        """Repeat the first questions to a neighbour every second: one may be lost, and packets wait."""
        asked = ARPRequest.createMatcher(self._connection)
        while True:
            if self._neighbours.ask_again():
                await self.wait_with_timeout(AGAIN_S)
            else:
                await asked

    async def _cycle(self) -> None:
        """Ask again, and forget, every few seconds."""
        while True:
            await self.wait_with_timeout(self._parent.arp_cycle_time)
            self._neighbours.turn()
            if self._forwarding.ended():
                self._reroute()

    async def _follow_removed(self) -> None:
        """Forget addresses whose rows have not been used."""
        removed = OpenflowAsyncMessageEvent.createMatcher(
            TYPE_FLOW_REMOVED,
            connection=self._connection,
            _ismatch=lambda event: (
                event.tableid == self.switch.layout.tables.get("l3output")
                and cookie_of(event.cookie) == rows_of.LEARNED_COOKIE
                and event.message.reason in _REMOVED_BY_TIME
            ),
        )
        while True:
            event = await removed
            event.canignore = True
            try:
                conditions = match_of_structures(event.message.match.oxm_fields)
            except ValueError as error:
                _logger.debug("removed flow of %r: %s", self._connection, error)
                continue
            found: Dict[str, int] = {name: value for name, value, _ in conditions}
            self._neighbours.take_removed(found.get("reg5", 0), found.get("ipv4_dst", 0))


@defaultconfig
@depend(arpresponder.ARPResponder, icmpresponder.ICMPResponder, objectdb.ObjectDB)
class L3Router(ForwardingModule):
    """L3 connectivities with virtual router."""

    _tablerequest = (
        ("arp", ("l2input",), ""),
        ("l3input", ("arp",), ""),
        ("l3router", ("l3input",), "router"),
        ("l3output", ("l3router",), "l3"),
        ("l2output", ("l3output",), ""),
        ("egress", ("l2output",), ""),
    )
    _default_inroutermac = "1a:23:67:59:63:33"
    "Router responding MAC address for logical ports on this switch"
    _default_outroutermacmask = "0a:00:00:00:00:00"
    (
        "Router responding MAC address mask for outside network. The MAC address is formed with the physical MAC address "
        "(NIC MAC address) XORed with this mask"
    )
    _default_arp_cycle_time = 5
    "Seconds after which a question for a MAC address is asked again; the first three follow each other in a second each"
    _default_prepush = False
    "True: switches get the flows for all logical ports that routers reach. False: for those that packets go to"
    _default_arp_incomplete_timeout = 60
    "Seconds after which an address that does not answer is given up; a packet to it starts them anew"
    _default_arp_complete_timeout = 30
    "Seconds that a MAC address is taken for right without asking again"
    _default_buffer_packet_timeout = 30
    "Seconds that a packet waits for the MAC address that it needs"
    _default_static_host_arp_refresh_interval = 60
    "Seconds after which the MAC address of a next hop of a route (an external gateway) is asked for again"
    _default_enable_router_forward = False
    "True makes this server a forwarding node (a north-south gateway); set it for `module.ioprocessing` too"
    _default_addressinfo_discover_update_time = 150
    "Seconds after which a forwarding node renews the addresses that it has taken in external networks"
    _default_forwardinfo_discover_update_time = 15
    "Seconds after which a forwarding node says again that it forwards for others"
    updater = RouterUpdater
    needs_nicira = True
