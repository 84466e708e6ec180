"""DHCP: clients behind logical ports get the address of their port (manual 4.5.4; RFC 2131)."""

from __future__ import annotations

import logging
import random
from collections import Counter
from typing import Any, Callable, Dict, Hashable, Iterable, Mapping, NamedTuple, Optional, Set, Tuple

from vlcp.config import defaultconfig
from vlcp.server.module import depend
from vlcp.service.kvdb import objectdb
from vlcp.service.sdn import arpresponder, ofpportmanager
from vlcp.service.sdn._dhcp_reply import Defaults, Options, PortSettings, common_options, parse_request, port_settings, reply
from vlcp.service.sdn._dhcp_rows import REQUEST_COOKIE, NetInputs, dhcp_rows
from vlcp.service.sdn._flows.fields import parse_mac
from vlcp.service.sdn._flows.packets import Upload, packet_out
from vlcp.service.sdn._flows.parts import Part
from vlcp.service.sdn._flows.spec import Row, output
from vlcp.service.sdn._flows.updater import WalkingUpdater
from vlcp.service.sdn._flows.view import SwitchView, ViewChange
from vlcp.service.sdn._io_walks import version_of
from vlcp.service.sdn._members import follow
from vlcp.service.sdn._proxied import ProxiedModule
from vlcp.utils.dhcp import DHCPDECLINE
from vlcp.utils.netutils import format_ip4_address, parse_ip4_address

_logger = logging.getLogger(__name__)

_MOST_COMMON = 1024


class _Served(NamedTuple):
    """A logical port of this switch; ``settings`` None when its client gets no answers."""

    network: str
    port_no: int
    settings: Optional[PortSettings]


def walk_settings(key: str, value: Any, walk: Callable[[str], Any], save: Callable[[str], None]) -> None:
    """A logical port with its network and subnet."""
    save(key)
    for name in ("network", "subnet"):
        reference = getattr(value, name, None)
        if reference is not None:
            follow(reference.getkey(), walk, save)


class DHCPUpdater(WalkingUpdater):
    """Rows of the DHCP server on one switch, and the answers to its clients.

    :param connection: a connection that the OpenFlow manager serves
    :param parent: the module
    """

    def __init__(self, connection: Any, parent: Any) -> None:
        super().__init__(connection, parent)
        self._defaults = parent.defaults()
        self._ports: Dict[str, _Served] = {}
        self._by_number: Dict[int, str] = {}
        self._servers: Dict[str, Counter] = {}
        self._common: Dict[Hashable, Options] = {}
        self._walked_version = -1
        self._walk_ports: Dict[str, Callable[..., None]] = {}
        self._ip_id = random.randrange(0x10000)

    async def main(self) -> None:
        """Main coroutine"""
        self.start_helper(self.uploads("l3input", REQUEST_COOKIE, self._take))
        await super().main()

    async def updateflow(self, connection: Any, addvalues: Set[Any], removevalues: Set[Any], updatedvalues: Set[Any]) -> None:
        """Update flow callback: bring rows and answers up to date with ports, networks and subnets."""
        await super().updateflow(connection, addvalues, removevalues, updatedvalues)

    def walkers(self, view: SwitchView) -> Mapping[str, Callable[..., None]]:
        """Return what to walk: every logical port of the switch."""
        if view.version != self._walked_version:
            self._walked_version = view.version
            self._walk_ports = dict.fromkeys(view.ports, walk_settings)
        return self._walk_ports

    def parts(self, view: SwitchView, change: ViewChange) -> Iterable[Tuple[Any, Optional[Any]]]:
        """Return the networks that a change concerns."""
        ports = change.ports.union(*(self._users.get(key, ()) for key in self.changed))
        networks = set(change.networks)
        for key in ports:
            for served in (self._ports.get(key), self._replace(view, key)):
                if served is not None:
                    networks.add(served.network)
        for key in networks:
            yield ("net", key), self._net_inputs(view, key)

    def _replace(self, view: SwitchView, key: str) -> Optional[_Served]:
        """Take a port as it is now."""
        before = self._ports.pop(key, None)
        if before is not None:
            if self._by_number.get(before.port_no) == key:
                del self._by_number[before.port_no]
            self._count_server(before, -1)
        record = view.ports.get(key)
        if record is None:
            return None
        served = self._ports[key] = _Served(record.network, record.port_no, self._settings(key, record))
        self._by_number[record.port_no] = key
        self._count_server(served, 1)
        return served

    def _count_server(self, served: _Served, count: int) -> None:
        """Note that a port more or less of a network is served by the address in its settings."""
        if served.settings is None:
            return
        servers = self._servers.setdefault(served.network, Counter())
        servers[served.settings.server_ip] += count
        if not servers[served.settings.server_ip]:
            del servers[served.settings.server_ip]
        if not servers:
            del self._servers[served.network]

    def _settings(self, key: str, record: Any) -> Optional[PortSettings]:
        port = self._values.get(key)
        subnet = None if record.subnet is None else self._values.get(record.subnet)
        network = self._values.get(record.network)
        try:
            return (
                None
                if port is None
                else port_settings(port, subnet, self._defaults, lambda: self._options(record, network, subnet))
            )
        except (ValueError, AttributeError) as error:
            _logger.error("DHCP does not serve %s: %s", key, error)
            return None

    def _options(self, record: Any, network: Any, subnet: Any) -> Options:
        """Return what the ports of a network and a subnet have in common; the same for each of them."""
        versions = (record.network, version_of(network), record.subnet, version_of(subnet))
        options = self._common.get(versions)
        if options is None:
            if len(self._common) >= _MOST_COMMON:
                self._common.clear()
            options = self._common[versions] = common_options(network, subnet, self._defaults)
        return options

    def _net_inputs(self, view: SwitchView, key: str) -> Optional[NetInputs]:
        network = view.networks.get(key)
        if network is None or not view.has_ports(key):
            return None
        return NetInputs(network.net_no, tuple(sorted(self._servers.get(key, ()))))

    async def settle(self) -> None:
        """Let questions for the servers' addresses be answered, in the networks where there are clients."""
        mac = self._parent.servermac
        wanted = {(format_ip4_address(ip), mac, network, True) for network, servers in self._servers.items() for ip in servers}
        await self._parent.answer_for(self, self._connection, wanted)

    def rows(self, part: Part) -> Iterable[Row]:
        """Return the rows of one network."""
        return dhcp_rows(part)

    def _take(self, upload: Upload) -> None:
        """Answer a request.

        :raises ValueError: it is none
        """
        key = self._by_number.get(upload.value("in_port"), "")
        served = self._ports.get(key)
        if served is None or served.settings is None:
            return
        request = parse_request(upload.data)
        if request.kind == DHCPDECLINE:
            _logger.warning("DHCP client on %s declines %s", key, format_ip4_address(served.settings.ip))
        self._ip_id = (self._ip_id + 1) & 0xFFFF
        frame = reply(request, served.settings, self._ip_id)
        if frame is not None:
            self.send_packets([packet_out(self.switch.encoder, frame, (output(served.port_no),))])


@defaultconfig
@depend(ofpportmanager.OpenflowPortManager, objectdb.ObjectDB, arpresponder.ARPResponder)
class DHCPServer(ProxiedModule):
    """Gives ports the addresses that the network model has for them, by DHCP."""

    _tablerequest = (("l3input", ("l2input",), ""), ("l2output", ("l3input",), ""))
    _default_serveraddress = "169.254.169.254"
    "IP address that the server has for its clients"
    _default_servermac = "1a:23:67:59:63:33"
    "MAC address that the server has for its clients"
    _default_leasetime: Optional[int] = None
    "Seconds that a lease lasts; None for ever"
    _default_t1: Optional[int] = None
    "Seconds until a client renews its lease (T1); not sent when it is not shorter than the lease"
    _default_t2: Optional[int] = None
    "Seconds until a client asks other servers (T2); not sent when it is not shorter than the lease"
    updater = DHCPUpdater
    needs_nicira = True

    def defaults(self) -> Defaults:
        """Return the settings of the server.

        :raises ValueError: ``serveraddress`` or ``servermac`` is no address
        """
        return Defaults(parse_ip4_address(self.serveraddress), parse_mac(self.servermac), self.leasetime, self.t1, self.t2)
