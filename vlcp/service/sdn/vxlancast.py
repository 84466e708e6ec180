"""VXLAN: which tunnel end-point a MAC address is behind, and who is told about our own (manual 4.5.3, 4.5.4).

Each network has two groups, 0x10000 + its number and 0x20000 + its number, that reach every other node with it. Where
single addresses are comes from the database (pre-push), from packets that come in (learning), or from the database at the
first packet that is for them (first-upload).
"""

from __future__ import annotations

import logging
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Set, Tuple

from vlcp.config import defaultconfig
from vlcp.event.event import Event, withIndices
from vlcp.server.module import call_api, depend, publicapi
from vlcp.service.kvdb import objectdb
from vlcp.service.sdn import ofpportmanager, ovsdbportmanager
from vlcp.service.sdn._flows.fields import format_value, parse_mac
from vlcp.service.sdn._flows.lifecycle import SwitchModule
from vlcp.service.sdn._flows.parts import Part
from vlcp.service.sdn._flows.spec import Row
from vlcp.service.sdn._flows.view import SwitchView, ViewChange
from vlcp.service.sdn._members import Members
from vlcp.service.sdn._vxlan_announce import Announcer
from vlcp.service.sdn._vxlan_places import (
    ENDPOINTS_PREFIX,
    INFO_PREFIX,
    carrier_address,
    endpoints_key,
    id_of,
    is_here,
    port_of_info,
    walk_place_of_port,
)
from vlcp.service.sdn._vxlan_publish import NETWORK, PORT, Publisher
from vlcp.service.sdn._vxlan_rows import (
    HAIRPIN_GROUP,
    OUTPUT_GROUP,
    Mode,
    NetInputs,
    PortInputs,
    RemoteInputs,
    Settings,
    choose_mode,
    vxlan_rows,
)
from vlcp.service.sdn._vxlan_tunnels import KIND, Tunnels
from vlcp.service.sdn._vxlan_upload import UploadUpdater
from vlcp.utils.netutils import parse_ip4_address
from vlcp.utils.networkmodel import LogicalNetwork, LogicalPort, LogicalPortVXLANInfo, VXLANEndpointSet
from vlcp.utils.vxlandiscover import get_broadcast_ips, lognet_vxlan_walker

_logger = logging.getLogger(__name__)

_OPTIONS_S = 10.0
_START_S = 5.0


@withIndices("connection", "logicalnetworkid", "type")
class VXLANGroupChanged(Event):
    """The groups of a network on a switch are there, or are others; ``type`` is :data:`UPDATED` or :data:`DELETED`."""

    canignore = True
    UPDATED = "updated"
    DELETED = "deleted"


_walk_network = lognet_vxlan_walker(False)


class VXLANUpdater(UploadUpdater):
    """Rows and groups of ``vxlancast`` on one switch, and what it tells other nodes.

    :param connection: a connection that the OpenFlow manager serves
    :param parent: the module
    """

    def __init__(self, connection: Any, parent: Any) -> None:
        super().__init__(connection, parent)
        self._settings = Settings(choose_mode(parent.learning, parent.prepush), parent.learntimeout)
        self._vhost = parent.vhostmap.get(connection.protocol.vhost, "")
        self._members, self._tunnels = Members(walk_place_of_port), Tunnels()
        self._found: Set[Tuple[str, str]] = set()
        self._publisher = Publisher(self, parent.allowedmigrationtime, parent.refreshinterval)
        self._announcer = Announcer(self, self._vni_of_reaching)

    async def main(self) -> None:
        """Main coroutine"""
        self.start_helper(self._publisher.run())
        self.start_helper(self._watch_options())
        if self._announces:
            self.start_helper(self._announcer.run(self._connection))
        if self._settings.mode is Mode.UPLOAD:
            self.follow_uploads()
        await super().main()

    @property
    def _announces(self) -> bool:
        """Whether other nodes know of ports of this one only what they learn."""
        return self._settings.mode is Mode.LEARN and not self._parent.prepush

    def reset_initialkeys(self, keys: Any, values: Any) -> None:
        """Callback after walk complete; what to walk follows from the view."""

    async def updateflow(self, conn: Any, addvalues: Set[Any], removevalues: Set[Any], updatedvalues: Set[Any]) -> None:
        """Update flow callback: bring rows, groups and records up to date with networks, ports and tunnel end-points."""
        await self._read_options()
        await super().updateflow(conn, addvalues, removevalues, updatedvalues)

    # Tunnel ports

    async def _read_options(self) -> bool:
        """Ask for the local address of each physical port; return True when one is new."""
        vhost, changed = self._vhost, False
        for key, number in self._tunnels.ports(self.view):
            parameters = {"datapathid": self._connection.openflow_datapathid, "portno": number, "vhost": vhost}
            options = await call_api(self, "ovsdbportmanager", "getportoptions", parameters)
            changed = self._tunnels.take(key, number, options or {}) or changed
        return changed

    async def _watch_options(self) -> None:
        """Notice that the address of a tunnel port was changed."""
        while True:
            await self.wait_with_timeout(_OPTIONS_S)
            if await self._read_options():
                self.request_update()

    async def serves(self, physicalport: str, port_no: int) -> bool:
        """True when a physical port (its key) is the tunnel port of its physical network."""
        await self._read_options()
        if self._tunnels.choose(self.view):
            self.look_at_all()
            self.request_update()
        record = self.view.physical_ports.get(physicalport)
        tunnel = None if record is None else self._tunnels.of_physical(record.physical_network)
        return tunnel is not None and tunnel.port_no == port_no

    # Rows

    def walkers(self, view: SwitchView) -> Mapping[str, Callable[..., None]]:
        """Return what to walk: VXLAN networks with their ports, and addresses that first packets have asked for."""
        networks = [key for key, network in view.networks.items() if network.kind == KIND]
        others = {**dict.fromkeys(networks, _walk_network), **self.upload_walkers()}
        return self._members.walkers(networks, self._values, self._waiting, others) if self._parent.prepush else others

    def parts(self, view: SwitchView, change: ViewChange) -> Iterable[Tuple[Any, Optional[Any]]]:
        """Return the entities with rows that a change concerns."""
        moved = self._tunnels.choose(view)
        if moved:
            self.switch.drivers_changed()
        networks = self._touched_networks(view, change, moved)
        yield ("base",), self._settings
        for name in moved.union(record.physical_network for record in view.physical_ports.values()):
            tunnel = self._tunnels.of_physical(name)
            yield ("tunnel", name), None if tunnel is None else PortInputs(tunnel.port_no, self._settings)
        for key in networks:
            yield ("net", key), self._net_inputs(view, key)
        yield from self._remote_parts(view, change._replace(networks=change.networks | _networks_of(view, moved)))
        if self._settings.mode is Mode.UPLOAD:
            yield from self.upload_parts(view)
        ports = change.ports.union(port.key for net in networks for port in view.ports_of(net))
        self._update_records(view, networks, ports)
        if self._announces:
            self._announcer.follow(view, ports)

    def _touched_networks(self, view: SwitchView, change: ViewChange, moved: Set[str]) -> Set[str]:
        networks = change.networks | _networks_of(view, moved)
        for key, network in view.networks.items():
            if network.kind == KIND and endpoints_key(key) in self.changed:
                networks.add(key)
        return networks

    def _net_inputs(self, view: SwitchView, key: str) -> Optional[NetInputs]:
        network = view.networks.get(key)
        if network is None or network.kind != KIND:
            return None
        tunnel = self._tunnels.of(view, key)
        endpoints: List[int] = []
        if tunnel is not None:
            stored = self._values.get(endpoints_key(key))
            endpoints = [number for _, number in get_broadcast_ips(stored, tunnel.ip, *view.bridge)]
        learning = self._settings.mode is Mode.LEARN
        return NetInputs(network.net_no, None if tunnel is None else tunnel.port_no, tuple(endpoints), learning)

    def _remote_parts(self, view: SwitchView, change: ViewChange) -> Iterable[Tuple[Any, Optional[Any]]]:
        if not self._parent.prepush:
            return
        changed = {*self.changed, *(port_of_info(key) for key in self.changed if key.startswith(INFO_PREFIX))}
        for key in self._members.touched(change, changed):
            yield ("remote", key), self.remote(view, self._members.network_of.get(key), key, 0)
        self._members.settled()

    def remote(self, view: SwitchView, network: Optional[str], port: str, idle_s: int) -> Optional[RemoteInputs]:
        """Return the row inputs of a logical port; None when it is on this switch, or it is not known where it is."""
        tunnel, value = self._tunnels.of(view, network), self._values.get(port)
        if tunnel is None or network is None or value is None or port in view.ports:
            return None
        info = self._values.get(LogicalPortVXLANInfo.default_key(value.id))
        place = info.endpoints[0] if info is not None and info.endpoints else None
        mac = getattr(value, "mac_address", None)
        if place is None or mac is None:
            return None
        if any(is_here(view, entry) for entry in info.endpoints):
            self._found.add((PORT, value.id))
        if is_here(view, place):
            return None
        return self._behind(view, network, mac, place["tunnel_dst"], idle_s)

    def carrier(self, view: SwitchView, network: str, mac: int, idle_s: int) -> Optional[RemoteInputs]:
        """Return the row inputs of the MAC address of a forwarding node; None when it is none, or is this switch."""
        address = carrier_address(self._values, network, mac, view.bridge)
        return None if address is None else self._behind(view, network, format_value("eth_dst", mac), address, idle_s)

    def _behind(self, view: SwitchView, network: str, mac: str, address: str, idle_s: int) -> Optional[RemoteInputs]:
        """Return the row inputs of a MAC address behind a tunnel; None without an own tunnel."""
        tunnel, vni = self._tunnels.of(view, network), getattr(self._values.get(network), "vni", None)
        if tunnel is None or vni is None:
            return None
        try:
            endpoint = parse_ip4_address(address)
            return RemoteInputs(view.networks[network].net_no, tunnel.port_no, vni, parse_mac(mac), endpoint, idle_s)
        except ValueError as error:
            _logger.error("packets for %s are not sent: %s", mac, error)
            return None

    def put(self, key: Any, inputs: Optional[Any]) -> None:
        """Want the rows of one part; tell of groups that are others."""
        before = self._part_rows.inputs(key)
        super().put(key, inputs)
        if key[0] == "net" and inputs != before:
            kind = VXLANGroupChanged.DELETED if inputs is None else VXLANGroupChanged.UPDATED
            number = (before if inputs is None else inputs).net_no
            self.scheduler.emergesend(VXLANGroupChanged(self._connection, number, kind))

    def rows(self, part: Part) -> Iterable[Row]:
        """Return the rows of one entity."""
        return vxlan_rows(part)

    async def wait_for_group(self, container, networkid, timeout=120):
        """Wait until a network has its groups.

        A network that this switch has just got has them at once, without any member until its end-points are known; so
        nothing that uses them has to wait for the database.

        :param container: routine container that waits
        :param networkid: number of the network on this switch
        :param timeout: seconds
        :return: True; False when the network has not appeared in time
        """
        changed = VXLANGroupChanged.createMatcher(self._connection, networkid, VXLANGroupChanged.UPDATED)
        deadline = container.scheduler.current_time + timeout
        while not self._ensure_group(networkid):
            left = deadline - container.scheduler.current_time
            if left <= 0:
                return False
            await container.wait_with_timeout(min(left, 1.0), changed)
        return True

    def _ensure_group(self, net_no: int) -> bool:
        for key, network in self.view.networks.items():
            if network.net_no == net_no and network.kind == KIND:
                if self._part_rows.inputs(("net", key)) is None:
                    self.put(("net", key), self._net_inputs(self.view, key))
                return True
        return False

    def _vni_of_reaching(self, network: str) -> Optional[int]:
        """Return the VNI of a network whose groups are in the switch and reach other nodes; None for others."""
        inputs = self._part_rows.inputs(("net", network))
        if inputs is None or not inputs.endpoints or not self.switch.ledger.settled(self._owner, ("net", network)):
            return None
        return getattr(self._values.get(network), "vni", None)

    # Records

    def _update_records(self, view: SwitchView, networks: Set[str], ports: Set[str]) -> None:
        """Tell the other nodes which networks and logical ports are here.

        :param networks: those that are new, different or gone, or whose tunnel is another one
        :param ports: those that are, or whose network is
        """
        wanted: Dict[Tuple[str, str], Optional[str]] = {}
        for key in networks:
            wanted[NETWORK, id_of(LogicalNetwork, key)] = self._tunnel_ip(view, key)
        for key in ports:
            port = view.ports.get(key)
            wanted[PORT, id_of(LogicalPort, key)] = None if port is None else self._tunnel_ip(view, port.network)
        found, self._found = self._found, set()
        self._publisher.update(view.bridge, wanted, self._lost_records(view), found)

    def _tunnel_ip(self, view: SwitchView, network: str) -> Optional[str]:
        tunnel = self._tunnels.of(view, network)
        return None if tunnel is None else tunnel.ip

    def _lost_records(self, view: SwitchView) -> List[Tuple[str, str]]:
        """Return records of this node that the database no longer has, among the objects that changed."""
        lost = []
        for key in self.changed:
            value = self._values.get(key)
            if key.startswith(INFO_PREFIX) and value is None:
                lost.append((PORT, id_of(LogicalPortVXLANInfo, key)))
            elif key.startswith(ENDPOINTS_PREFIX):
                entries = [] if value is None else value.endpointlist
                if not any(tuple(entry[1:4]) == tuple(view.bridge) for entry in entries):
                    lost.append((NETWORK, id_of(VXLANEndpointSet, key)))
        return lost


def _networks_of(view: SwitchView, physical: Iterable[str]) -> Set[str]:
    return {network.key for name in physical for network in view.networks_of(name)}


@defaultconfig
@depend(ofpportmanager.OpenflowPortManager, objectdb.ObjectDB, ovsdbportmanager.OVSDBPortManager)
class VXLANCast(SwitchModule):
    """Carries packets of VXLAN networks between hypervisors, each to the one that has its destination."""

    _tablerequest = (
        ("vxlaninput", ("l2input",), ""),
        ("l3input", ("vxlaninput",), ""),
        ("l2output", ("l3input",), ""),
        ("vxlanoutput", ("l2output", "vxlaninput"), ""),
        ("egress", ("vxlanoutput", "vxlanlearning"), ""),
        ("vxlanlearning", ("vxlanoutput",), "vxlanlearning"),
    )
    _default_learning = True
    (
        "How switches find the tunnel to a MAC address. With prepush and learning, addresses outside of the controllers' "
        "knowledge are learned; with learning alone every address is learned and unknown ones are broadcast; with prepush "
        "alone unknown ones are not reached; with neither, the first packet for an address goes to the controller, which "
        "looks for its place."
    )
    _default_prepush = True
    "Write the place of every logical port into the switches beforehand"
    _default_learntimeout = 300
    "Seconds until a learned row ends"
    _default_packetexpire: float = 3
    "With neither learning nor prepush: seconds that a packet is kept while the place of its destination is looked for"
    _default_pushtimeout = 300
    "With neither learning nor prepush: seconds without packets until the row of an address ends"
    _default_vhostmap: Dict[str, str] = {}
    "{OpenFlow vHost: OVSDB vHost}, where the tunnels of a switch are looked up; '' for those it does not have"
    _default_refreshinterval: Optional[float] = 3600
    (
        "Every logical network has a list of the nodes that have it; a node renews its entry after this many seconds, and "
        "is taken for gone after twice as many. None: entries do not expire."
    )
    _default_allowedmigrationtime: float = 120
    "Seconds for which a logical port may be on several nodes while it moves"
    _default_grouptimeout: float = 120
    "Seconds to wait for the groups of a network"
    updater = VXLANUpdater
    needs_nicira = True

    def __init__(self, server: Any) -> None:
        super().__init__(server)
        self.create_api(publicapi(self.createioflowparts, self.apiroutine, self._serves_network))

    def _serves_network(self, connection, logicalnetwork, physicalport, logicalnetworkid, physicalportid):
        vhost = connection.protocol.vhost
        return logicalnetwork.physicalnetwork.type == KIND and (self.vhostbind is None or vhost in self.vhostbind)

    async def createioflowparts(self, connection, logicalnetwork, physicalport, logicalnetworkid, physicalportid):
        """Return how packets of a VXLAN network pass its tunnel port: with its VNI, to every end-point of a group.

        A port that is not the tunnel port of its physical network gets packets but sends none; parameters and return are
        those of :meth:`vlcp.service.sdn._networkdrivers.NetworkDriver.createioflowparts`.
        """
        of = connection.openflowdef
        tunnel_id = of.create_oxm(of.OXM_OF_TUNNEL_ID, logicalnetwork.vni)
        updater = await self._updater_of(connection)
        if updater is None or not await updater.serves(physicalport.getkey(), physicalportid):
            return [tunnel_id], [], [], [], []
        if not await updater.wait_for_group(self.apiroutine, logicalnetworkid, self.grouptimeout):
            return [tunnel_id], [], [], [], []

        def send(base: int) -> List[Any]:
            group = of.ofp_action_group(group_id=base + logicalnetworkid)
            return [of.ofp_action_set_field(field=tunnel_id), group]

        return [tunnel_id], [], send(OUTPUT_GROUP), send(OUTPUT_GROUP), send(HAIRPIN_GROUP)

    async def _updater_of(self, connection: Any) -> Any:
        """Return the updater of a switch; None for a switch without the Nicira extensions, which gets none.

        :raises ValueError: it has not been started yet
        """
        switch = getattr(connection, "switchflows", None)
        if switch is not None and not switch.layout.nicira:
            return None
        deadline = self.scheduler.current_time + min(self.grouptimeout, _START_S)
        while connection not in self._updaters:
            if not connection.connected or self.scheduler.current_time >= deadline:
                raise ValueError("vxlancast does not serve this switch yet")
            await self.apiroutine.wait_with_timeout(0.05)
        return self._updaters[connection]
