"""A simulated hypervisor: a switch and its database, which connect to a controller and come back when cut."""

from __future__ import annotations

import json
from typing import Any, Callable

from support.fakeovsdb import FakeOvsdb
from support.fakeswitch import ECHO_REQUEST, FLOW_MOD, GROUP_MOD, FakeSwitch, message
from support.flowtable import FLOW_MOD_FAILED
from support.sim.net import Net

OPENFLOW, OVSDB = 6653, 6632
TRUNK, TUNNEL, OUT = "bond0", "vxlan0", "out0"
_PROBE_S, _DEAD_S = 5.0, 10.0


class Line:
    """A connection to a controller that is opened again whenever it is lost."""

    def __init__(self, device: Device, port: int, name: str, begin: Callable, take: Callable, end: Callable) -> None:
        self.device, self.port, self.name = device, port, name
        self._begin, self._take, self._end = begin, take, end
        self.wire: Any = None
        self.wanted = True
        self._serial = 0

    def dial(self) -> None:
        """Connect, or try again a little later."""
        device = self.device
        if not self.wanted or self.wire is not None:
            return
        self._serial += 1
        name = f"{self.name}#{self._serial}"
        wire = device.net.dial(device.controller, self.port, (device.address, 30000 + self._serial), name, self._take, self._lost)
        if wire is None:
            device.clockwork.later(device.clockwork.random.uniform(0.5, 2), self.dial)
            return
        self.wire = wire
        self._begin()
        self._watch(wire)

    def send(self, data: bytes) -> None:
        """Send bytes, if there is a connection."""
        if self.wire is not None:
            self.wire.send(data)

    def _watch(self, wire: Any) -> None:
        """Probe a quiet controller and give a dead one up."""
        if self.wire is not wire:
            return
        quiet = self.device.clockwork.now - wire.last_heard
        if quiet >= _DEAD_S:
            self.hang_up()
            self.device.clockwork.later(1.0, self.dial)
            return
        if quiet >= _PROBE_S:
            probe = message(ECHO_REQUEST, 7) if self.port == OPENFLOW else b'{"method":"echo","params":[],"id":"echo"}'
            wire.send(probe)
        self.device.clockwork.later(_PROBE_S / 2, self._watch, wire)

    def _lost(self) -> None:
        self.wire = None
        self._end()
        self.device.clockwork.later(self.device.clockwork.random.uniform(0.1, 2), self.dial)

    def hang_up(self) -> None:
        """Close the connection from this side."""
        if self.wire is not None:
            wire, self.wire = self.wire, None
            wire.close()
            self._end()


class Device:
    """One hypervisor.

    :param net: the network
    :param number: of the hypervisor, from 1
    :param controller: name of the controller that it talks to
    :param physical: names of its physical ports
    :ivar fabric: carries what its switch sends, a :class:`~support.sim.fabric.Fabric`; None when nothing does
    """

    def __init__(self, net: Net, number: int, controller: str, physical: tuple[str, ...] = (TRUNK,)) -> None:
        self.net, self.clockwork, self.number, self.controller = net, net.clockwork, number, controller
        self.name, self.address = f"hv{number}", f"10.0.0.{number}"
        self.ovsdb = FakeOvsdb(number, "br0", f"sys-{number}")
        #: {port name: (UUID of its interface, iface-id or None)}
        self.ports: dict[str, tuple] = {}
        self.ofports: dict[str, int] = {}
        self._next_ofport = 1
        #: Probability that a flow or group mod is refused
        self.refusal_rate = 0.0
        self.switch = self._new_switch()
        self.running = True
        #: True while the whole hypervisor has no power
        self.off = False
        self.openflow = Line(self, OPENFLOW, self.name + ".of", self._greet, self._feed, self._forget_switch_session)
        self.database = Line(self, OVSDB, self.name + ".db", self._open_session, self._feed_ovsdb, self._end_session)
        self._session: Any = None
        self.fabric: Any = None
        self.physical = physical
        for name in physical:
            self.plug(name, None)
            self._number(name)

    def _new_switch(self) -> FakeSwitch:
        ports = [(0xFFFFFFFE, "br0"), *((number, name) for name, number in self.ofports.items())]
        switch = FakeSwitch(self.number, ports, mac_prefix=0x0600 + self.number)
        switch.refuse, switch.clock = self._refuse, self.clockwork
        return switch

    def _refuse(self, kind: int, xid: int, data: bytes) -> Any:
        if kind in (FLOW_MOD, GROUP_MOD) and self.clockwork.random.random() < self.refusal_rate:
            return FLOW_MOD_FAILED, 1
        return None

    def connect(self) -> None:
        """Begin to connect both lines."""
        for line in (self.openflow, self.database):
            line.wanted = True
            self.clockwork.later(self.clockwork.delay(), line.dial)

    def disconnect(self) -> None:
        """Close both lines for good."""
        for line in (self.openflow, self.database):
            line.wanted = False
            line.hang_up()

    # OpenFlow

    def _greet(self) -> None:
        self.openflow.send(self.switch.greet())

    def _feed(self, data: bytes) -> None:
        self.openflow.send(self.switch.feed(data))
        self.switch.received.clear()
        packets, self.switch.packet_outs = self.switch.packet_outs, []
        for in_port, actions, packet in packets if self.fabric is not None else ():
            self.fabric.packet_out(self, in_port, actions, packet)
        self.time_flows()

    def time_flows(self) -> None:
        """Let the flows that have been added end in time."""
        tables = self.switch.tables
        timed, tables.timed = tables.timed, []
        for flow in timed:
            flow.used = self.clockwork.now
            for seconds, end in ((flow.hard_timeout, self._end_hard), (flow.idle_timeout, self._end_idle)):
                if seconds:
                    self.clockwork.later(seconds, end, self.switch, flow.key, flow.serial)

    def _end_hard(self, switch: FakeSwitch, key: tuple, serial: int) -> None:
        flow = switch.tables.flows.get(key)
        if flow is not None and flow.serial == serial:
            self._remove(switch, flow, 1)

    def _end_idle(self, switch: FakeSwitch, key: tuple, serial: int) -> None:
        flow = switch.tables.flows.get(key)
        if flow is None or flow.serial != serial:
            return
        end = flow.used + flow.idle_timeout
        if end <= self.clockwork.now:
            self._remove(switch, flow, 0)
        else:
            self.clockwork.at(end, self._end_idle, switch, key, serial)

    def _remove(self, switch: FakeSwitch, flow: Any, reason: int) -> None:
        switch.tables.remove(flow, reason)
        removed = switch.flow_removed()
        if switch is self.switch:
            self.openflow.send(removed)

    def _forget_switch_session(self) -> None:
        self.switch._buffer = b""
        self.switch.bundles.clear()

    # OVSDB

    def _open_session(self) -> None:
        self._session = self.ovsdb.session(self.database.send)

    def _feed_ovsdb(self, data: bytes) -> None:
        self._session.feed(data)

    def _end_session(self) -> None:
        self._session.close()
        self._session = None

    # Ports

    def plug(self, name: str, iface_id: str | None) -> None:
        """Add a port; the switch numbers it a little later."""
        self.clockwork.note(self.name, f"plug {name} {iface_id}")
        self._add(name, None, iface_id)
        self.clockwork.later(self.clockwork.delay(), self._number, name)

    def _add(self, name: str, number: int | None, iface_id: str | None) -> None:
        ids = {} if iface_id is None else {"iface-id": iface_id}
        tunnel = {"type": "vxlan", "options": {"remote_ip": "flow", "key": "flow", "local_ip": self.address}}
        self.ports[name] = (self.ovsdb.add_port(name, number, ids, **(tunnel if name == TUNNEL else {})), iface_id)

    def _number(self, name: str) -> None:
        if name not in self.ports or name in self.ofports or not self.running:
            return
        self.ofports[name] = self._next_ofport
        self._next_ofport += 1
        status = self.switch.add_port(self.ofports[name], name)
        tell = [lambda: self.openflow.send(status), lambda: self._set_ofport(name, self.ofports[name])]
        self.clockwork.random.shuffle(tell)
        for one in tell:
            one()

    def _set_ofport(self, name: str, number: int | None) -> None:
        self.ovsdb.change(("Interface", self.ports[name][0], {"ofport": number}))

    def unplug(self, name: str) -> None:
        """Remove a port."""
        self.clockwork.note(self.name, f"unplug {name}")
        uuid, _ = self.ports.pop(name)
        number = self.ofports.pop(name, None)
        tell = [lambda: self.ovsdb.remove_port(uuid)]
        if number is not None:
            tell.append(lambda: self.openflow.send(self.switch.delete_port(number)))
        self.clockwork.random.shuffle(tell)
        for one in tell:
            one()

    def restart_switch(self) -> None:
        """The switch process dies and comes back with empty tables; its database goes on."""
        self.clockwork.note(self.name, "switch restarts")
        self.running = False
        self.openflow.wanted = False
        self.openflow.hang_up()
        self.ofports.clear()
        for name in self.ports:
            self._set_ofport(name, None)
        self.clockwork.later(self.clockwork.random.uniform(0.1, 1.5), self._come_back)

    def _come_back(self) -> None:
        if self.off or self.running:
            return
        self.switch = self._new_switch()
        self.running = True
        for name in list(self.ports):
            self._number(name)
        self.openflow.wanted = True
        self.clockwork.later(self.clockwork.delay(), self.openflow.dial)

    def power_off(self) -> None:
        """The whole hypervisor dies; virtual machines with it."""
        self.clockwork.note(self.name, "loses its power")
        self.off, self.running = True, False
        self.disconnect()
        self.ofports.clear()
        for name in self.ports:
            self._set_ofport(name, None)

    def power_on(self) -> None:
        """The hypervisor comes back, with the database that it had."""
        self.clockwork.note(self.name, "has power again")
        self.off = False
        self._come_back()
        self.database.wanted = True
        self.clockwork.later(self.clockwork.delay(), self.database.dial)

    def restart_database(self) -> None:
        """The database's connection ends and is opened again."""
        self.database.hang_up()
        self.clockwork.later(self.clockwork.random.uniform(0.1, 1.5), self.database.dial)

    def endpoints(self) -> dict[str, int]:
        """Return ``{iface-id: port number}`` of the ports of virtual machines."""
        return {identifier: self.ofports[name] for name, (_, identifier) in self.ports.items() if identifier is not None}

    def network_numbers(self) -> dict[str, int]:
        """Return the numbers of networks that a controller has stored."""
        ids = self.ovsdb.tables["Bridge"][self.ovsdb.bridge]["external_ids"]
        return json.loads(ids.get("vlcp-networks", "{}"))

    def twin(self, net: Net, controller: str) -> Device:
        """Return a device with the same ports, numbers and stored values, and empty tables."""
        other = Device(net, self.number, controller, self.physical)
        for uuid, _ in other.ports.values():
            other.ovsdb.remove_port(uuid)
        other.ports, other.ofports = {}, dict(self.ofports)
        for name, (_, identifier) in self.ports.items():
            other._add(name, self.ofports[name], identifier)
        ids = self.ovsdb.tables["Bridge"][self.ovsdb.bridge]["external_ids"]
        other.ovsdb.change(("Bridge", other.ovsdb.bridge, {"external_ids": dict(ids)}))
        other.switch = other._new_switch()
        return other
