"""A whole simulation: controllers, devices, a database, a client that calls APIs, and faults, from one seed."""

from __future__ import annotations

import contextlib
import random
import socket
import uuid
from typing import Any, Iterator
from unittest import mock

from support.sim import checks, checks_forwarding, settings, shared
from support.sim.actions import Script
from support.sim.actions_outside import OutsideScript
from support.sim.actions_routed import RoutedScript
from support.sim.clockwork import Clockwork
from support.sim.controller import Controller
from support.sim.device import OUT, Device
from support.sim.fabric import Fabric
from support.sim.hypervisors import Hypervisors
from support.sim.net import Net
from support.sim.outside import Outside
from support.sim.probes import Probes
from support.sim.probes_outside import OutsideProbes
from support.sim.store import Database
from support.sim.topology import Topology, member

from vlcp.config import manager
from vlcp.event import _sockets
from vlcp.server import _apidef
from vlcp.service.sdn import _model, ioprocessing, l3router

_LEARNED_S = 15.0
_STEP_S = 1e-5
_MOST_TURNS = 2_000_000
_QUIET_S = 6.0
"""Longer than the time after which anything is tried again, as storing the numbers of networks"""
_PATIENCE_S = 240.0
_LONGEST_GRACE_S = 90.0
"""Queues of connections stay for 60 seconds after their end, for those who come late to their events."""


_SCRIPTS = {settings.PLAIN: Script, settings.ROUTED: RoutedScript, settings.OUTSIDE: OutsideScript}


class SimulationFailure(AssertionError):
    """Something that must hold does not; the text names it."""


class World:
    """One simulation.

    :param seed: of everything
    :param controllers: number of controllers, each with one device
    :param steps: number of random actions
    :param kind: one of :data:`~support.sim.settings.KINDS`; None lets the seed choose
    :ivar fabric: what carries packets, None when there are none
    :ivar outside: the router at the external network, None when there is none
    """

    def __init__(self, seed: int, controllers: int = 2, steps: int = 20, kind: str | None = None) -> None:
        self.seed, self.steps = seed, steps
        self.clockwork = Clockwork(seed)
        chance = self.clockwork.random
        self.net = Net(self.clockwork)
        self.database = Database(self.clockwork, chance.random() < 0.5)
        chosen = settings.choose_kind(chance)
        self.kind = chosen if kind is None else kind
        self.hypervisors = Hypervisors(self.net, self.database, self.kind, controllers)
        self.controllers, self.devices = self.hypervisors.controllers, self.hypervisors.devices
        self.twins: list[Device] = []
        self.extra: list[Controller] = []
        self.tagged = chance.random() < 0.5
        self.outside = Outside(chance, self.tagged) if self.kind == settings.OUTSIDE else None
        self.script = _SCRIPTS[self.kind](self)
        self.routed = self.kind != settings.PLAIN
        self.fabric = Fabric(self.clockwork, self.devices, self.station, self.outside) if self.routed else None
        self.turns = 0
        self._times: dict[Controller, float | None] = {}
        self.config = settings.choose_config(chance, self.kind)
        self.subnet_numbers = settings.choose_subnet_numbers(chance, self.kind)

    def station(self, identifier: str) -> Any:
        """Return the addresses of the station of a logical port, None without one."""
        one = member(self.database, identifier)
        return None if one is None else one.station

    # Time

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        end = self.clockwork.now + seconds
        self._times.clear()
        while self.clockwork.now < end:
            self._step(end)

    def _step(self, end: float) -> None:
        """Run one turn of somebody who has something to do, else jump to the next time at which somebody has."""
        clockwork = self.clockwork
        times = [(one, self._time_of_turn(one)) for one in (*self.controllers, *self.extra) if one.alive]
        ready: list = [one for one, time in times if time is not None and time <= clockwork.now]
        if clockwork.is_due():
            ready.append(None)
        if not ready:
            following = clockwork.next_time()
            waited = [time for time in (following, *[time for _, time in times]) if time is not None]
            clockwork.now = min([end, *waited])
            return
        chosen = clockwork.random.choice(ready)
        if chosen is None:
            clockwork.run_due()
            self._times.clear()
            return
        self.turns += 1
        if self.turns > _MOST_TURNS:
            raise SimulationFailure(f"no end after {self.turns} turns; {chosen.name} is busy")
        clockwork.now += _STEP_S
        chosen.turn()
        self._times.pop(chosen, None)

    def _time_of_turn(self, controller: Controller) -> float | None:
        """Return when a controller has something to do; None when only others can bring it.

        It is kept until the controller has had a turn, or something happens outside of the controllers.
        """
        if controller not in self._times:
            wait = controller.wait_s()
            self._times[controller] = None if wait is None else self.clockwork.now + wait
        return self._times[controller]

    # The run

    def run(self) -> None:
        """Act, come to rest, and check.

        :raises SimulationFailure: something that must hold does not
        """
        for controller in self.controllers:
            controller.start()
        for device in self.devices:
            device.connect()
        self.script.prepare()
        for _ in range(self.steps):
            self.script.act()
        self.script.repair()
        self.settle()
        self.check()
        self.finish()

    def settle(self) -> None:
        """Wait until all calls have ended and every switch has what its controller wants."""
        deadline = self.clockwork.now + _PATIENCE_S
        before: Any = None
        while True:
            reasons = list(self._unsettled())
            now = None if reasons else self._state()
            if now is not None and now == before:
                return
            if self.clockwork.now > deadline:
                raise SimulationFailure(f"no rest after {_PATIENCE_S:g} s: {'; '.join(reasons) or 'rows change'}")
            before = now
            self.advance(_QUIET_S)

    def _state(self) -> list:
        return [checks.shape(device) for device in (*self.hypervisors.living(), *self.twins)]

    def _unsettled(self) -> Iterator[str]:
        yield from (f"{call} has not ended" for call in self.script.open_calls())
        for line in [line for device in (*self.hypervisors.living(), *self.twins) for line in (device.openflow, device.database)]:
            if line.wire is None or line.wire.silent:
                yield f"{line.name} is not connected"
        for controller in self._present():
            loader = controller.server.moduleloader
            if not {"openflowmanager", "ioprocessing"} <= loader.active.keys() or not controller.serves():
                yield f"{controller.name} has not started"
                continue
            found = loader.active["openflowmanager"].reports.flowstatus()
            wanted = [one for one in (*self.devices, *self.twins) if one.controller == controller.name]
            if {status["datapathid"] for status in found} != {device.number for device in wanted}:
                yield f"{controller.name} does not have the switches {[device.name for device in wanted]}"
            for follower in loader.active["ioprocessing"]._updaters.values():
                if follower.updater is not None and follower.updater._store._writing:
                    yield f"{controller.name} has not stored the numbers of networks"
            for status in found:
                if status["owed"] or status["waiting_for"] or status["holding"]:
                    kept = {key: status[key] for key in ("owed", "waiting_for", "holding", "refused")}
                    yield f"{controller.name} switch {status['datapathid']}: {kept}"

    def _present(self) -> list[Controller]:
        """Return the controllers that should be alive."""
        return [one for one in (*self.controllers, *self.extra) if not one.lost]

    def check(self) -> None:
        """Check all that must hold at rest.

        :raises SimulationFailure: it does not
        """
        faults = [why for controller in self.controllers for why in controller.failures]
        faults += checks.consistency(self.database)
        faults += checks.histories(self.database, self.script.calls)
        faults += checks.deletions(self.database, self.script.calls)
        faults += self._packets() if self.routed else checks.reachability(self.database, self.devices)
        faults += self._compare_with_new_controller()
        if faults:
            raise SimulationFailure("\n".join(faults[:20]))

    def _packets(self) -> list[str]:
        """Let stations send packets, when what has been learned from earlier ones is forgotten."""
        self.advance(_LEARNED_S)
        topology = self._topology()
        learning = self.config["module.l2switch.learning"] or not self.config["module.vxlancast.prepush"]
        faults = list(Probes(self, self.fabric, topology, not learning).faults())
        return [*faults, *self._forwarding(topology)] if self.kind == settings.OUTSIDE else faults

    def _forwarding(self, topology: Topology) -> Iterator[str]:
        """Look at the forwarding nodes, and let packets go outside and come in."""
        nodes = self.hypervisors.gateways()
        wait_s = 2 * self.config["module.l3router.addressinfo_discover_update_time"]
        yield from checks_forwarding.offers(self.database, self.hypervisors.forwarding())
        yield from checks_forwarding.addresses(self.database, nodes, wait_s)
        places = [(one, checks_forwarding.node_address(self.database, one)) for one in nodes] if topology.outside else []
        known = [(one.name, where, checks_forwarding.outer_mac(one, OUT)) for one, where in places if where is not None]
        yield from OutsideProbes(self, self.fabric, topology, known).faults()

    def _topology(self) -> Topology:
        present = [identifier for device in self.hypervisors.living() for identifier in device.endpoints()]
        return Topology(self.database, present, checks.objects)

    def _compare_with_new_controller(self) -> list[str]:
        """Let new controllers fill copies of all switches from nothing, and compare."""
        self.extra += self.hypervisors.fresh()
        for controller in self.extra:
            controller.start()
        pairs = self.hypervisors.twins(self.extra)
        self.twins = [twin for _, twin in pairs]
        if self.routed:
            Fabric(self.clockwork, self.twins, self.station, self.outside)
        for twin in self.twins:
            twin.connect()
        self.settle()
        ignored = self._topology().unanswered()
        return [why for device, twin in pairs for why in checks.compare(device, twin, ignored)]

    def finish(self) -> None:
        """Stop everything; nothing may be left.

        :raises SimulationFailure: something is
        """
        everybody, devices = self._present(), [*self.devices, *self.twins]
        if self.kind == settings.OUTSIDE and self.clockwork.random.random() < 0.5:
            self._stop(everybody)
            self._disconnect(devices)
        else:
            self._disconnect(devices)
            self._stop(everybody)
        self.advance(_LONGEST_GRACE_S)
        leaks = [f"{one.name} does not stop" for one in everybody if not one.stopped]
        for one in everybody:
            after = one.holdings()
            leaks += [f"{one.name} leaks {after[k] - n} {k}" for k, n in one.baseline.items() if after[k] > n]
        leaks += checks_forwarding.withdrawn(self.database, [device for device in self.devices if device.off])
        if leaks:
            raise SimulationFailure("\n".join(leaks))

    def _disconnect(self, devices: list[Device]) -> None:
        for device in devices:
            device.disconnect()
        self.advance(2.0)

    def _stop(self, controllers: list[Controller]) -> None:
        for controller in controllers:
            controller.container.subroutine(controller.stop())
        self.advance(5.0)


@contextlib.contextmanager
def simulated(world: World) -> Iterator[None]:
    """Give the code under test the sockets and the chance of a simulation, for the time of the block."""
    before = dict(manager.config_items())
    state = random.getstate()
    serial = iter(range(1, 1 << 62))
    manager.clear()
    for key, value in world.config.items():
        manager[key] = value
    random.seed(world.seed)
    try:
        with contextlib.ExitStack() as stack:
            patch = mock.patch.object
            stack.enter_context(patch(_sockets, "_new_socket", world.net.new_socket))
            stack.enter_context(patch(_apidef, "ApiSignature", shared.signature))
            stack.enter_context(patch(_apidef, "_describe", shared.description))
            stack.enter_context(patch(_sockets, "close_sending", lambda sock: sock.shutdown(socket.SHUT_WR)))
            for module in (ioprocessing.IOProcessing, l3router.L3Router):
                forwards = property(lambda one: one.server.host.forwards)
                stack.enter_context(patch(module, "enable_router_forward", forwards, create=True))
            stack.enter_context(patch(_model, "uuid1", lambda: uuid.UUID(int=next(serial))))
            yield
    finally:
        random.setstate(state)
        manager.clear()
        for key, value in before.items():
            manager[key] = value


def simulate(seed: int, plant: Any = None, **sizes: Any) -> World:
    """Run one simulation and return it.

    :param seed: of everything
    :param plant: function that plants a bug in the world before it runs, as a context manager
    :param sizes: ``controllers``, ``steps`` and ``kind`` of :class:`World`
    :raises SimulationFailure: something that must hold does not; attribute ``world``
    """
    world = World(seed, **sizes)
    with simulated(world), plant(world) if plant else contextlib.nullcontext():
        try:
            world.run()
        except Exception as failure:
            failure.world = world  # type: ignore[attr-defined]
            raise
    return world
