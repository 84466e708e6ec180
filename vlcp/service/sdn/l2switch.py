"""L2 switching: which port a MAC address of a logical network is behind (manual 4.5.3: pre-push and learning)."""

from __future__ import annotations

import logging
from typing import Any, Dict, Iterable, Optional, Set, Tuple

from vlcp.config import defaultconfig
from vlcp.protocol.openflow import OpenflowAsyncMessageEvent
from vlcp.server.module import depend
from vlcp.service.kvdb import objectdb
from vlcp.service.sdn import ofpportmanager
from vlcp.service.sdn._flows.decode import match_of_structures
from vlcp.service.sdn._flows.encode import cookie_of
from vlcp.service.sdn._flows.fields import LOGICAL
from vlcp.service.sdn._flows.lifecycle import SwitchModule
from vlcp.service.sdn._flows.parts import Part
from vlcp.service.sdn._flows.spec import Match, Row
from vlcp.service.sdn._flows.updater import RowUpdater
from vlcp.service.sdn._flows.view import SwitchView, ViewChange
from vlcp.service.sdn._l2_rows import (
    UPLOAD_COOKIE,
    LearnedInputs,
    Mode,
    NetInputs,
    PortInputs,
    Settings,
    choose_mode,
    l2_rows,
)

_logger = logging.getLogger(__name__)

_PACKET_IN = 10
_NO_PORT = 0xFFFFFF00
_MAX_LEARNED = 100000
_SHORTEST_RENEWAL_S = 0.5


class L2FlowUpdater(RowUpdater):
    """Rows of the tables of ``l2switch`` on one switch.

    :param connection: a connection that the OpenFlow manager serves
    :param parent: the module
    """

    def __init__(self, connection: Any, parent: Any) -> None:
        super().__init__(connection, parent)
        mode = choose_mode(parent.learning, parent.nxlearn, self.switch.layout.nicira)
        self._settings = Settings(mode, parent.learntimeout)
        self._learned: Dict[Tuple[str, int], Tuple[int, float]] = {}
        self._networks: Dict[int, str] = {}
        self._numbers_version = -1

    async def main(self) -> None:
        """Main coroutine"""
        if self._settings.mode is Mode.CONTROLLER:
            self.start_helper(self._learn())
            self.start_helper(self._age())
        await super().main()

    async def updateflow(self, conn: Any, addvalues: Set[Any], removevalues: Set[Any], updatedvalues: Set[Any]) -> None:
        """Update flow callback: bring the rows up to date with the switch's view."""
        self.refresh()

    def parts(self, view: SwitchView, change: ViewChange) -> Iterable[Tuple[Any, Optional[Any]]]:
        """Return the entities with rows that a change concerns."""
        yield ("base",), self._settings
        for key in change.ports:
            yield ("port", key), self._port_inputs(view, key)
        networks = set(change.networks)
        if change.physical_ports:
            networks.update(view.networks)
        for key in networks:
            yield ("net", key), self._net_inputs(view, key)
        if self._learned and (networks or change.ports):
            self._forget_gone(view)

    def _port_inputs(self, view: SwitchView, key: str) -> Optional[PortInputs]:
        port = view.ports.get(key)
        if port is None or port.mac is None or self._settings.mode is Mode.CONTROLLER:
            return None
        return PortInputs(port.net_no, port.port_no, port.mac, self._settings.mode)

    def _net_inputs(self, view: SwitchView, key: str) -> Optional[NetInputs]:
        network = view.networks.get(key)
        if network is None or self._settings.mode is Mode.CONTROLLER:
            return None
        physical = view.physical_ports_of(network.physical_network)
        uplink = physical[-1].port_no if physical else None
        return NetInputs(network.net_no, uplink, self._settings.mode)

    def rows(self, part: Part) -> Iterable[Row]:
        """Return the rows of one entity."""
        return l2_rows(part)

    async def _learn(self) -> None:
        """Take the packets that come from MAC addresses that are not known yet."""
        table = "l2input"
        packets = OpenflowAsyncMessageEvent.createMatcher(
            _PACKET_IN,
            connection=self._connection,
            _ismatch=lambda event: (
                event.tableid == self.switch.layout.tables.get(table) and cookie_of(event.cookie) == UPLOAD_COOKIE
            ),
        )
        while True:
            event = await packets
            try:
                conditions = match_of_structures(event.message.match.oxm_fields)
                self._learn_packet(conditions, bytes(event.message.data[:12]))
            except ValueError as error:
                _logger.debug("packet of %r is not learned from: %s", self._connection, error)

    def _learn_packet(self, conditions: Match, addresses: bytes) -> None:
        """Learn from the conditions of a packet-in and the packet's first 12 bytes."""
        found = {name: value for name, value, _ in conditions}
        port_no = found.get("in_port", _NO_PORT)
        net_no = _in_net(found)
        mac = int.from_bytes(addresses[6:12], "big")
        network = self._network_of_number(net_no)
        if len(addresses) < 12 or network is None or port_no >= _NO_PORT or mac >> 40 & 1:
            return
        if (network, mac) not in self._learned and len(self._learned) >= _MAX_LEARNED:
            _logger.warning("%r: %d MAC addresses are learned, no more", self._connection, _MAX_LEARNED)
            return
        now = self.scheduler.current_time
        known_port, until = self._learned.get((network, mac), (None, 0.0))
        if known_port == port_no and until - now > self._settings.timeout_s - _SHORTEST_RENEWAL_S:
            return
        part = ("learned", network, mac)
        self._learned[network, mac] = (port_no, now + self._settings.timeout_s)
        self.put(part, LearnedInputs(net_no, port_no, mac, self._settings.timeout_s))
        self.switch.ledger.renew(self._owner, part)
        self.switch.wake()

    def _network_of_number(self, net_no: Optional[int]) -> Optional[str]:
        """Return the key of the network with a number on this switch."""
        if self._numbers_version != self.view.version:
            self._numbers_version = self.view.version
            self._networks = {record.net_no: key for key, record in self.view.networks.items()}
        return None if net_no is None else self._networks.get(net_no)

    async def _age(self) -> None:
        """Forget what the switch has forgotten by its timeouts."""
        while True:
            await self.wait_with_timeout(max(self._settings.timeout_s / 4, 1))
            now = self.scheduler.current_time
            for place in [place for place, (_, until) in self._learned.items() if until <= now]:
                self._forget(place)
            self.switch.wake()

    def _forget_gone(self, view: SwitchView) -> None:
        """Forget addresses behind ports and in networks that are gone, or that have moved."""
        ports = {port.port_no: port.network for port in view.ports.values()}
        physical = {port.port_no for port in view.physical_ports.values()}
        for place, (port_no, _) in list(self._learned.items()):
            network = place[0]
            if network not in view.networks or not (port_no in physical or ports.get(port_no) == network):
                self._forget(place)

    def _forget(self, place: Tuple[str, int]) -> None:
        del self._learned[place]
        self.put(("learned", *place), None)


def _in_net(conditions: Dict[str, int]) -> Optional[int]:
    """Return the number of the network that a packet came from."""
    logical = LOGICAL["in_net"]
    if "metadata" in conditions:
        return conditions["metadata"] >> logical.shift
    return conditions.get(logical.register)


@defaultconfig
@depend(ofpportmanager.OpenflowPortManager, objectdb.ObjectDB)
class L2Switch(SwitchModule):
    """Forwards packets inside logical networks by their MAC addresses."""

    _tablerequest = (
        ("l2input", ("ingress",), ""),
        ("l2output", ("l2input",), ""),
        ("egress", ("l2output", "l2learning"), ""),
        ("l2learning", ("l2output",), "l2learning"),
    )
    _default_learning = False
    (
        "True: a switch gets the flows for a MAC address when it sees the address, so the first packets take the way "
        "around. False: it gets the flows for all known addresses beforehand"
    )
    _default_nxlearn = True
    (
        "With learning: True lets the switch learn by itself (action learn of Open vSwitch); False sends packets from "
        "unknown addresses to the controller, which costs it time"
    )
    _default_learntimeout = 300
    "With learning: seconds after which a learned flow is removed, to be learned again"
    updater = L2FlowUpdater
