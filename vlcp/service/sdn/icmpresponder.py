"""ICMP: the addresses of virtual routers answer pings, and ARP questions of logical ports (manual 4.5.4)."""

from __future__ import annotations

import random
from typing import Any, Dict, Iterable, Optional, Set, Tuple

from vlcp.config import defaultconfig
from vlcp.server.module import depend
from vlcp.service.kvdb import objectdb
from vlcp.service.sdn import arpresponder, ofpportmanager
from vlcp.service.sdn._flows.fields import parse_mac
from vlcp.service.sdn._flows.packets import Upload, packet_out
from vlcp.service.sdn._flows.parts import Part
from vlcp.service.sdn._flows.spec import Row, output
from vlcp.service.sdn._flows.view import SwitchView, ViewChange
from vlcp.service.sdn._icmp_frames import echo_reply, parse_packet
from vlcp.service.sdn._icmp_rows import ECHO_COOKIE, NetInputs, icmp_rows
from vlcp.service.sdn._proxied import ProxiedModule, Proxy
from vlcp.service.sdn._routed import RoutedUpdater
from vlcp.utils.netutils import format_ip4_address


class ICMPResponderUpdater(RoutedUpdater):
    """Rows that answer pings to routers on one switch, and the answers of the controller.

    :param connection: a connection that the OpenFlow manager serves
    :param parent: the module
    """

    def __init__(self, connection: Any, parent: Any) -> None:
        super().__init__(connection, parent)
        self._mac = parse_mac(parent.inroutermac)
        self._ip_id = random.randrange(0x10000)
        self._network_of: Dict[str, str] = {}

    async def main(self) -> None:
        """Main coroutine"""
        requests = self.subroutine(self.uploads("l3input", ECHO_COOKIE, self._take), False)
        try:
            await super().main()
        finally:
            self.terminate(requests)

    def reset_initialkeys(self, keys: Any, values: Any) -> None:
        """See :meth:`FlowUpdater.reset_initialkeys`; the walkers follow the networks of the switch instead."""

    async def updateflow(self, connection: Any, addvalues: Set[Any], removevalues: Set[Any], updatedvalues: Set[Any]) -> None:
        """Update flow callback: bring the rows up to date with networks and routers."""
        await super().updateflow(connection, addvalues, removevalues, updatedvalues)

    def parts(self, view: SwitchView, change: ViewChange) -> Iterable[Tuple[Any, Optional[Any]]]:
        """Return the networks that a change concerns."""
        networks = self.changed_routing() | change.networks
        for port in change.ports:
            networks.update(self._networks_of_port(view, port))
        for key in networks:
            yield ("net", key), self._net_inputs(view, key)

    def _networks_of_port(self, view: SwitchView, port: str) -> Set[str]:
        """Return the network that a port was in, and the one that it is in."""
        before, record = self._network_of.pop(port, None), view.ports.get(port)
        if record is not None:
            self._network_of[port] = record.network
        return {network for network in (before, self._network_of.get(port)) if network is not None}

    def _own(self, view: SwitchView, key: str) -> Set[int]:
        """Return the addresses of routers in a network with local ports."""
        if not view.has_ports(key):
            return set()
        return {i.gateway for i in self.routing.interfaces(key) if not i.external and i.gateway is not None}

    def _net_inputs(self, view: SwitchView, key: str) -> Optional[NetInputs]:
        network = view.networks.get(key)
        if network is None or not self._own(view, key):
            return None
        gateways = {gateway for router in self.routing.of(key) for gateway in router.gateways()}
        return NetInputs(network.net_no, self._mac, tuple(sorted(gateways)), bool(self._parent.prepush))

    async def settle(self) -> None:
        """Let questions of logical ports for their gateways be answered."""
        view, mac = self.view, self._parent.inroutermac
        networks = self.routing.networks() & view.networks.keys()
        wanted: Set[Proxy] = {
            (format_ip4_address(gateway), mac, key, True) for key in networks for gateway in self._own(view, key)
        }
        await self._parent.answer_for(self, self._connection, wanted)

    def rows(self, part: Part) -> Iterable[Row]:
        """Return the rows of one network."""
        return icmp_rows(part)

    def _take(self, upload: Upload) -> None:
        """Answer an echo request of a logical port.

        :raises ValueError: it is none
        """
        port_no = upload.value("in_port")
        if not any(port.port_no == port_no for port in self.view.ports.values()):
            return
        self._ip_id = (self._ip_id + 1) & 0xFFFF
        frame = echo_reply(parse_packet(upload.data), self._mac, self._ip_id)
        if frame is not None:
            self.send_packets([packet_out(self.switch.encoder, frame, (output(port_no),))])


@defaultconfig
@depend(ofpportmanager.OpenflowPortManager, objectdb.ObjectDB, arpresponder.ARPResponder)
class ICMPResponder(ProxiedModule):
    """Respond ICMP echo (ping) requests to the gateway"""

    _tablerequest = (("l3input", ("arp",), ""), ("l2output", ("l3input",), ""))
    _default_prepush = False
    "True: use flows to respond ICMP echo requests, without the controller. False: the controller responds"
    _default_inroutermac = "1a:23:67:59:63:33"
    "MAC address of the gateways as logical ports see it; the same as that of `module.l3router`"
    updater = ICMPResponderUpdater
    needs_nicira = True
