"""The part of ``vxlancast`` that looks for the destinations of first packets (strategy first-upload)."""

from __future__ import annotations

import logging
from typing import Any, Callable, Dict, Iterable, Mapping, Optional, Set, Tuple

from vlcp.protocol.openflow import OpenflowAsyncMessageEvent
from vlcp.service.sdn._flows.decode import match_of_structures
from vlcp.service.sdn._flows.encode import cookie_of
from vlcp.service.sdn._flows.packets import TYPE_FLOW_REMOVED, Upload
from vlcp.service.sdn._flows.spec import FLAG_HAIRPIN
from vlcp.service.sdn._flows.updater import WalkingUpdater
from vlcp.service.sdn._flows.view import SwitchView
from vlcp.service.sdn._vxlan_first import FirstPackets, Place, send_on
from vlcp.service.sdn._vxlan_places import walk_carriers, walk_place
from vlcp.service.sdn._vxlan_rows import UNICAST_COOKIE, UPLOAD_COOKIE, RemoteInputs
from vlcp.utils.networkmodel import DVRouterForwardSet

_logger = logging.getLogger(__name__)

_AGE_S = 1.0
_TIMED_OUT = (0, 1)


class UploadUpdater(WalkingUpdater):
    """Keeps first packets until the place of their destination is known; :meth:`remote` and :meth:`carrier` say where it is."""

    def __init__(self, connection: Any, parent: Any) -> None:
        super().__init__(connection, parent)
        self._first = FirstPackets(parent.packetexpire, parent.pushtimeout)
        self._forgotten: Set[Place] = set()

    def remote(self, view: SwitchView, network: Optional[str], port: str, idle_s: int) -> Optional[RemoteInputs]:
        """Return the row inputs of a logical port (its key); None when it is on this switch, or not known where."""
        return None

    def carrier(self, view: SwitchView, network: str, mac: int, idle_s: int) -> Optional[RemoteInputs]:
        """Return the row inputs of the MAC address of a forwarding node; None when it is none, or is this switch."""
        return None

    def follow_uploads(self) -> None:
        """Start to take packets."""
        self.start_helper(self.uploads("vxlanoutput", UPLOAD_COOKIE, self._take))
        self.start_helper(self._follow_removals())
        self.start_helper(self._age())

    def upload_walkers(self) -> Mapping[str, Callable[..., None]]:
        """Return what to walk for the addresses that packets have asked for."""
        found: Dict[str, Callable[..., None]] = {index: walk_place for _, index in self._first.addresses.items()}
        return {**found, DVRouterForwardSet.default_key(): walk_carriers} if found else found

    def upload_parts(self, view: SwitchView) -> Iterable[Tuple[Any, Optional[Any]]]:
        """Return the entities with rows, one for each address; packets that wait for a known one are sent on."""
        gone, self._forgotten = self._forgotten, set()
        for place in gone:
            if place not in self._first.addresses:
                yield ("first", *place), None
        for key, index in self._first.addresses.items():
            place: Any = key
            entry = self._values.get(index)
            if entry is None:
                remote = self.carrier(view, *place, self._parent.pushtimeout)
            else:
                remote = self.remote(view, place[0], entry.ref.getkey(), self._parent.pushtimeout)
            yield ("first", *place), remote
            self._send(place, remote)

    def _take(self, upload: Upload) -> None:
        """Take a packet that nothing is known about, and look for its destination.

        What goes back through the tunnel that it came from, as the answer to a router's question, needs no place in the database.

        :raises ValueError: it cannot be sent on
        """
        net_no, mac = upload.value("reg5"), int.from_bytes(upload.data[:6], "big")
        network = next((key for key, record in self.view.networks.items() if record.net_no == net_no), None)
        if network is None or len(upload.data) < 6:
            return
        if upload.value("reg7") & FLAG_HAIRPIN and upload.value("tun_src"):
            self.send_packets([send_on(self.switch.encoder, upload, upload.value("tun_id"), upload.value("tun_src"))])
            return
        place = (network, mac)
        if not self._first.ask(place, upload, self.scheduler.current_time):
            _logger.warning("%r: too many MAC addresses are asked for", self._connection)
            return
        known = self._part_rows.inputs(("first", *place))
        self._send(place, known)
        if known is not None:
            self.switch.ledger.renew(self._owner, ("first", *place))
            self.switch.wake()
        self.request_update()

    def _send(self, place: Place, remote: Optional[RemoteInputs]) -> None:
        if remote is None:
            return
        packets = self._first.release(place)
        self.send_packets([send_on(self.switch.encoder, packet, remote.vni, remote.endpoint) for packet in packets])

    async def _follow_removals(self) -> None:
        """Forget addresses whose rows the switch has removed because nothing was sent to them."""
        removed = OpenflowAsyncMessageEvent.createMatcher(
            TYPE_FLOW_REMOVED,
            connection=self._connection,
            _ismatch=lambda event: (
                event.tableid == self.switch.layout.tables.get("vxlanoutput") and cookie_of(event.cookie) == UNICAST_COOKIE
            ),
        )
        while True:
            message = (await removed).message
            if message.reason not in _TIMED_OUT:
                continue
            found = {name: value for name, value, _ in match_of_structures(message.match.oxm_fields)}
            for key, _ in self._first.addresses.items():
                place: Any = key
                record = self.view.networks.get(place[0])
                if record is not None and (record.net_no, place[1]) == (found.get("reg5"), found.get("eth_dst")):
                    self._forget(place)

    def _forget(self, place: Place) -> None:
        self._first.forget(place)
        self._forgotten.add(place)
        self.request_update()

    async def _age(self) -> None:
        """Drop packets and addresses that have waited long enough."""
        while True:
            await self.wait_with_timeout(_AGE_S)
            for place in self._first.expire(self.scheduler.current_time):
                self._forget(place)
