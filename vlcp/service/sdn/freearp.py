"""Gratuitous ARP: a port that appears on a switch tells the stations of its physical network where it is now."""

from __future__ import annotations

import logging
from typing import Any, Iterable, List, Optional, Set, Tuple

from vlcp.config import defaultconfig
from vlcp.server.module import call_api, depend
from vlcp.service.kvdb import objectdb
from vlcp.service.sdn import ofpportmanager
from vlcp.service.sdn._arp_frames import question
from vlcp.service.sdn._flows.fields import parse_value
from vlcp.service.sdn._flows.lifecycle import SwitchModule
from vlcp.service.sdn._flows.packets import packet_out
from vlcp.service.sdn._flows.spec import FLAG_LOCAL, resubmit, set_field
from vlcp.service.sdn._flows.updater import RowUpdater
from vlcp.service.sdn._flows.view import PortRecord, SwitchView, ViewChange

_logger = logging.getLogger(__name__)

_READY_S = 30.0


class FreeARPUpdater(RowUpdater):
    """Sends for one switch; it has no rows.

    :param connection: a connection that the OpenFlow manager serves
    :param parent: the module
    """

    def __init__(self, connection: Any, parent: Any) -> None:
        super().__init__(connection, parent)
        self._told: dict[str, Tuple[Any, ...]] = {}

    async def main(self) -> None:
        """Main coroutine"""
        await super().main()

    async def updateflow(self, connection: Any, addvalues: Set[Any], removevalues: Set[Any], updatedvalues: Set[Any]) -> None:
        """Update flow callback: look at the ports of the switch."""
        await super().updateflow(connection, addvalues, removevalues, updatedvalues)

    def parts(self, view: SwitchView, change: ViewChange) -> Iterable[Tuple[Any, Optional[Any]]]:
        """Announce ports that are new or different; there are no rows."""
        for key in change.ports:
            port = view.ports.get(key)
            state = None if port is None else (port.port_no, port.network, port.mac, port.ip)
            if state is None:
                self._told.pop(key, None)
            elif self._told.get(key) != state:
                self._told[key] = state
                self._announce(view, port)
        return ()

    def _announce(self, view: SwitchView, port: Any) -> None:
        network = view.networks.get(port.network)
        if network is None or network.kind not in self._parent.allowednetworktypes or None in (port.mac, port.ip):
            return
        uplinks = [physical.port_no for physical in view.physical_ports_of(network.physical_network)]
        if uplinks:
            self.start_helper(self._send_when_ready(port, uplinks))

    async def _send_when_ready(self, port: PortRecord, uplinks: List[int]) -> None:
        for uplink in uplinks:
            parameters = {"connection": self._connection, "logicalnetworkid": port.net_no, "physicalportid": uplink}
            timed_out, ready = await self.execute_with_timeout(_READY_S, call_api(self, "ioprocessing", "flowready", parameters))
            if timed_out or not ready or self._told.get(port.key) != (port.port_no, port.network, port.mac, port.ip):
                continue
            try:
                ip = parse_value("arp_tpa", port.ip)
            except ValueError as error:
                _logger.error("%s is not announced: %s", port.key, error)
                return
            fields = set_field(in_net=port.net_no, out_net=port.net_no, out_port=uplink, flags=FLAG_LOCAL)
            frame = question(port.mac or 0, ip, ip, None)
            self.send_packets([packet_out(self.switch.encoder, frame, (*fields, resubmit("egress")))])


@defaultconfig
@depend(ofpportmanager.OpenflowPortManager, objectdb.ObjectDB)
class FreeARP(SwitchModule):
    """Announce logical ports that appear by gratuitous ARP, so that switches and stations outside send to the right place"""

    _tablerequest = (("ingress", (), ""), ("egress", ("ingress",), ""))
    _default_allowednetworktypes = ("native", "vlan")
    "Types of physical networks in which logical ports are announced"
    updater = FreeARPUpdater
    needs_nicira = True
