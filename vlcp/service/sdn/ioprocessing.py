"""Ingress and egress: which ports, networks and physical ports a switch has, and the rows that mark and deliver packets.

For each switch an :class:`IOFlowUpdater` joins the ports that OpenFlow and OVSDB know with the objects of the database,
numbers the networks, and fills the switch's :class:`~vlcp.service.sdn._flows.view.SwitchView`, which drives all other flow
modules.
"""

from __future__ import annotations

import logging
from typing import Any, Dict, Iterable, List, Optional, Set, Tuple

from vlcp.config import defaultconfig
from vlcp.event.event import Event, withIndices
from vlcp.server.module import api, call_api, depend
from vlcp.service.kvdb import objectdb
from vlcp.service.sdn import ofpportmanager, ovsdbportmanager
from vlcp.service.sdn._flows.decode import actions_of_structures, match_of_structures
from vlcp.service.sdn._flows.ids import Numbers
from vlcp.service.sdn._flows.lifecycle import SwitchModule
from vlcp.service.sdn._flows.parts import Part
from vlcp.service.sdn._flows.spec import Row
from vlcp.service.sdn._flows.sync import SwitchFlowsEvent
from vlcp.service.sdn._flows.updater import RowUpdater
from vlcp.service.sdn._flows.view import SwitchView, ViewChange
from vlcp.service.sdn._io_follow import PortFollower
from vlcp.service.sdn._io_model import SwitchModel
from vlcp.service.sdn._io_ports import Bridge, LocalPort, LocalPorts
from vlcp.service.sdn._io_rows import IoParts, NetInputs, PairInputs, PortInputs, io_rows
from vlcp.service.sdn._netnumbers import NumberStore
from vlcp.utils.exceptions import APIRejectedException

_logger = logging.getLogger(__name__)

_DRIVER_RETRY_S = 5.0

Pair = Tuple[str, str]


@withIndices(
    "datapathid",
    "vhost",
    "connection",
    "logicalportchanged",
    "physicalportchanged",
    "logicalnetworkchanged",
    "physicalnetworkchanged",
)
class DataObjectChanged(Event):
    """The objects of a switch changed."""

    view: SwitchView
    values: Dict[str, Any]

    @property
    def current(self) -> Tuple[List[Tuple[Any, int]], ...]:
        """Four lists of (object, number) as they are now: logical ports and physical ports with their port numbers, logical and
        physical networks with their numbers on this switch."""
        view, values = self.view, self.values
        physical = sorted({record.physical_network for record in view.physical_ports.values()})
        found = (
            ((key, record.port_no) for key, record in view.ports.items()),
            ((key, record.port_no) for key, record in view.physical_ports.items()),
            ((key, record.net_no) for key, record in view.networks.items()),
            ((key, number) for number, key in enumerate(physical, 1)),
        )
        return tuple([(values[key], number) for key, number in pairs if key in values] for pairs in found)


class _PairState:
    """What a driver said about a network on a physical port; ``parts`` None when no driver has answered, ``stale`` True
    when it is to be asked again."""

    def __init__(self, identity: Tuple[Any, ...], parts: Optional[IoParts]) -> None:
        self.identity = identity
        self.parts = parts
        self.stale = False

    @property
    def due(self) -> bool:
        """True when the driver is to be asked again."""
        return self.stale or self.parts is None


class IOFlowUpdater(RowUpdater):
    """Ports, networks and the rows of the tables ``ingress`` and ``egress`` of one switch.

    :param connection: a connection that the OpenFlow manager serves
    :param systemid: of the OVSDB server of the switch
    :param bridgename: of the switch
    :param parent: the module
    """

    follows_view = False

    def __init__(self, connection: Any, systemid: str, bridgename: str, parent: Any) -> None:
        super().__init__(connection, parent)
        vhost = parent.ovsdb_vhost(connection.protocol.vhost)
        self._local = LocalPorts()
        bridge = self.view.bridge = Bridge(vhost, systemid, bridgename)
        self._model = SwitchModel(self._local, bridge, parent.enable_router_forward)
        self._walkerdict = self._model.walkers
        self._store = NumberStore(self, connection.openflow_datapathid, vhost)
        self._changed: Set[str] = set()
        self._ports_ready = False
        self._pairs: Dict[str, Dict[str, _PairState]] = {}
        self._pair_changes: Set[Pair] = set()
        self._net_changes: Set[str] = set()
        self._retrying = False
        self._ask_again = False

    async def main(self) -> None:
        """Learn which numbers networks have on the switch, then follow changes."""
        if self.switch.numbers is None:
            self.switch.numbers = Numbers(await self._store.load())
        self.start_helper(self._follow_drivers())
        await super().main()

    async def _follow_drivers(self) -> None:
        """Ask drivers again when one says that it would answer otherwise."""
        changed = SwitchFlowsEvent.createMatcher(self._connection, SwitchFlowsEvent.DRIVERS)
        while True:
            await changed
            for states in self._pairs.values():
                for state in states.values():
                    state.stale = True
            self._ask_again = True
            self.request_update()

    def hear_change(self) -> None:
        """The view may change, and the other modules wait for that."""
        super().hear_change()
        self.switch.view_due = True

    async def before_update(self) -> None:
        """The view is due until this update has ended."""
        self.switch.view_due = True

    def after_update(self) -> None:
        """The others need not wait any more, unless the next update follows at once."""
        self.switch.view_due = self.notified

    async def update_ports(self, ports: Iterable[Any], ovsdb_ports: Iterable[Any]) -> None:
        """Take over both lists of ports as they are now.

        :param ports: all ports that OpenFlow knows
        :param ovsdb_ports: all ports that OVSDB knows, as ``ovsdbportmanager/getports`` returns them
        """
        self._take_ports(self._local.replace(ports, ovsdb_ports))

    def change_openflow(self, add: Iterable[Any], remove: Iterable[Any]) -> None:
        """Take ports that OpenFlow has told of."""
        self._take_ports(self._local.change_openflow(add, remove))

    def change_ovsdb(self, add: Iterable[Any], remove: Iterable[Any]) -> None:
        """Take ports that OVSDB has told of."""
        self._take_ports(self._local.change_ovsdb(add, remove))

    def ports_ready(self) -> None:
        """Both lists of ports are complete, or as complete as they will be."""
        self._ports_ready = True
        self.request_update()

    def unmatched_ports(self) -> List[int]:
        """Return OpenFlow ports that OVSDB does not know."""
        return self._local.unmatched()

    def _take_ports(self, changed: Set[LocalPort]) -> None:
        if changed:
            self._model.ports_changed(changed)
            self.refresh_walkers()
            self.request_update()

    def reset_initialkeys(self, keys: Any, values: Any) -> None:
        """See :meth:`FlowUpdater.reset_initialkeys`; the walkers are chosen in :meth:`updateflow` instead."""

    async def walkcomplete(self, keys: Any, values: Any) -> None:
        """See :meth:`FlowUpdater.walkcomplete`; nothing is to be done."""

    async def updateflow(self, connection: Any, addvalues: Set[Any], removevalues: Set[Any], updatedvalues: Set[Any]) -> None:
        """Bring the view and the rows up to date with changed objects and ports."""
        for values in (addvalues, removevalues, updatedvalues):
            self._changed.update(value.getkey() for value in values)
        if self._model.want_walkers(self._values, self._changed, self.saved_by):
            self.refresh_walkers()
        if not self._ports_ready or not self.walked_all():
            return
        changed, self._changed = self._changed, set()
        await self._apply(changed)

    async def _apply(self, changed: Set[str]) -> None:
        """Compute the records of changed objects, then the rows that depend on them."""
        numbers = self.switch.numbers or Numbers()
        physical_networks = self._physical_networks_of(self.view.physical_ports)
        updates = self._model.records(self._values, changed, self.view, numbers)
        change = self.view.update(updates.ports, updates.networks, updates.physical_ports)
        self.view.objects = self._values
        self._net_changes |= updates.touched_networks
        physical_networks |= self._physical_networks_of(change.physical_ports)
        affected = set(change.networks)
        if change.physical_ports:
            affected.update(net.key for name in physical_networks for net in self.view.networks_of(name))
        first = not self._declared
        if first:
            affected.update(self.view.networks)
        if self._ask_again:
            self._ask_again = False
            affected.update(net for net, states in self._pairs.items() if any(s.due for s in states.values()))
        self.view.ready = True
        if change or first:
            self._tell(change)
        await self._update_pairs(affected)
        self.refresh()
        self._store.save(numbers.frozen())

    def _physical_networks_of(self, keys: Iterable[str]) -> Set[str]:
        ports = self.view.physical_ports
        return {ports[key].physical_network for key in keys if key in ports}

    def _tell(self, change: ViewChange) -> None:
        """Tell the other modules."""
        self.switch.view_changed()
        connection = self._connection
        self.scheduler.emergesend(
            DataObjectChanged(
                connection.openflow_datapathid,
                connection.protocol.vhost,
                connection,
                bool(change.ports),
                bool(change.physical_ports),
                bool(change.networks),
                bool(change.physical_ports),
                view=self.view,
                values=self._values,
            )
        )

    async def _update_pairs(self, networks: Iterable[str]) -> None:
        """Ask drivers about networks on physical ports where something is new."""
        missing = False
        for key in networks:
            record = self.view.networks.get(key)
            ports = [] if record is None else self.view.physical_ports_of(record.physical_network)
            old = self._pairs.pop(key, {})
            new: Dict[str, _PairState] = {}
            for port in ports:
                identity = (record, port)
                state = old.get(port.key)
                if state is None or state.identity != identity or state.due:
                    state = _PairState(identity, await self._ask_driver(record, port))
                    self._pair_changes.add((key, port.key))
                new[port.key] = state
                missing = missing or state.parts is None
            if new:
                self._pairs[key] = new
            self._pair_changes.update((key, gone) for gone in old if gone not in new)
        if missing and not self._retrying:
            self._retrying = True
            self.start_helper(self._retry_drivers())

    async def _ask_driver(self, network: Any, port: Any) -> Optional[IoParts]:
        parameters = {
            "connection": self._connection,
            "logicalnetwork": self._values[network.key],
            "physicalport": self._values[port.key],
            "logicalnetworkid": network.net_no,
            "physicalportid": port.port_no,
        }
        try:
            found = await call_api(self, "public", "createioflowparts", parameters)
            oxms, on_input, on_output, bucket, on_hairpin = found
            return IoParts(
                match_of_structures(oxms),
                actions_of_structures(on_input),
                actions_of_structures(on_output),
                actions_of_structures(bucket),
                actions_of_structures(on_hairpin),
            )
        except APIRejectedException as error:
            _logger.warning("no flows for %s on %s: %s", network.key, port.key, error or "no driver answers")
        except Exception:
            _logger.exception("no flows for %s on %s: its driver fails", network.key, port.key)
        return None

    async def _retry_drivers(self) -> None:
        """Ask again a little later: a driver may be loaded after this module."""
        await self.wait_with_timeout(_DRIVER_RETRY_S)
        self._retrying = False
        self._ask_again = True
        self.request_update()

    def parts(self, view: SwitchView, change: ViewChange) -> Iterable[Tuple[Any, Optional[Any]]]:
        """Return the entities with rows that a change concerns."""
        yield ("base",), ()
        nets, self._net_changes = self._net_changes | change.networks, set()
        pairs, self._pair_changes = self._pair_changes, set()
        for key in change.ports:
            port = view.ports.get(key)
            yield ("port", key), None if port is None else PortInputs(port.port_no, port.net_no)
        for net, physical in pairs:
            nets.add(net)
            yield ("pair", net, physical), self._pair_inputs(net, physical)
        for key in nets:
            yield ("net", key), self._net_inputs(view, key)

    def _pair_inputs(self, net: str, physical: str) -> Optional[PairInputs]:
        state = self._pairs.get(net, {}).get(physical)
        if state is None or state.parts is None:
            return None
        network, port = state.identity
        return PairInputs(network.net_no, port.port_no, state.parts)

    def _net_inputs(self, view: SwitchView, key: str) -> Optional[NetInputs]:
        network = view.networks.get(key)
        if network is None:
            return None
        states = self._pairs.get(key, {})
        found = [states[name].parts for name in sorted(states)]
        return NetInputs(
            network.net_no,
            tuple(port.port_no for port in view.ports_of(key)),
            tuple(parts.bucket for parts in found if parts is not None and parts.bucket),
            not self._connection.protocol.disablechaining,
        )

    def rows(self, part: Part) -> Iterable[Row]:
        """Return the rows of one entity."""
        return io_rows(part)

    async def flowready(self, logicalnetworkid, physicalportid):
        """Wait until the switch has the flows of a network on a physical port.

        :param logicalnetworkid: number of the network on this switch
        :param physicalportid: number of the port
        :return: True; False when there is no such pair, or the connection is gone
        """
        settled = SwitchFlowsEvent.createMatcher(self._connection, SwitchFlowsEvent.SETTLED)
        while self._connection.connected:
            pair = next(
                (
                    ("pair", net, physical)
                    for net, states in self._pairs.items()
                    for physical, state in states.items()
                    if (state.identity[0].net_no, state.identity[1].port_no) == (logicalnetworkid, physicalportid)
                ),
                None,
            )
            if pair is None:
                return False
            if self.switch.ledger.settled(self._owner, pair):
                return True
            await self.wait_with_timeout(1.0, settled)
        return False


@defaultconfig
@depend(ofpportmanager.OpenflowPortManager, ovsdbportmanager.OVSDBPortManager, objectdb.ObjectDB)
class IOProcessing(SwitchModule):
    """Takes packets from ports into their logical networks, and back out to ports."""

    _tablerequest = (("ingress", (), ""), ("egress", ("ingress",), ""))
    _default_vhostmap: Dict[str, str] = {}
    "{OpenFlow vHost: OVSDB vHost}, where the ports of a switch are looked up; '' for those it does not have"
    _default_enable_router_forward = False
    "True lets this server forward packets between logical networks and the outside (a north-south gateway)"

    def __init__(self, server: Any) -> None:
        super().__init__(server)
        self.create_api(api(self.flowready, self.apiroutine))

    def ovsdb_vhost(self, vhost: str) -> str:
        """Return the OVSDB vHost that belongs to an OpenFlow vHost."""
        return self.vhostmap.get(vhost, "")

    def create_updater(self, connection: Any) -> PortFollower:
        """Return what follows the ports of a switch and runs its :class:`IOFlowUpdater`."""
        return PortFollower(
            connection,
            self.ovsdb_vhost(connection.protocol.vhost),
            lambda systemid, bridge: IOFlowUpdater(connection, systemid, bridge, self),
        )

    async def flowready(self, connection, logicalnetworkid, physicalportid):
        """Wait until the switch has the flows of a network on a physical port.

        :param connection: OpenFlow connection
        :param logicalnetworkid: number of the network on this switch
        :param physicalportid: number of the port
        :return: True; False when there is no such pair
        """
        follower = self._updaters.get(connection)
        updater = getattr(follower, "updater", None)
        return False if updater is None else await updater.flowready(logicalnetworkid, physicalportid)
