"""A whole simulation: controllers, devices, a database, a client that calls APIs, and faults, from one seed."""

from __future__ import annotations

import contextlib
import random
import socket
import uuid
from typing import Any, Iterator
from unittest import mock

from support.sim import checks, shared
from support.sim.actions import Script
from support.sim.clockwork import Clockwork
from support.sim.controller import Controller
from support.sim.device import Device
from support.sim.net import Net
from support.sim.store import Database

from vlcp.config import manager
from vlcp.event import _sockets
from vlcp.server import _apidef
from vlcp.service.sdn import _model

CONFIG = {
    "proxy.kvstorage": "support.sim.store.SimKV",
    "proxy.updatenotifier": "support.sim.store.SimKV",
    "module.jsonrpcserver.ovsdb": True,
}
_STEP_S = 1e-5
_MOST_TURNS = 2_000_000
_QUIET_S = 6.0
"""Longer than the time after which anything is tried again, as storing the numbers of networks"""
_PATIENCE_S = 240.0
_LONGEST_GRACE_S = 90.0
"""Queues of connections stay for 60 seconds after their end, for those who come late to their events."""


class SimulationFailure(AssertionError):
    """Something that must hold does not; the text names it."""


class World:
    """One simulation.

    :param seed: of everything
    :param controllers: number of controllers, each with one device
    :param steps: number of random actions
    :param plant: name of a bug to plant, see :data:`support.sim.plants.PLANTS`; None for none
    """

    def __init__(self, seed: int, controllers: int = 2, steps: int = 40) -> None:
        self.seed, self.steps = seed, steps
        self.clockwork = Clockwork(seed)
        self.net = Net(self.clockwork)
        self.database = Database(self.clockwork, self.clockwork.random.random() < 0.5)
        self.controllers = [Controller(self.net, self.database, f"c{n + 1}") for n in range(controllers)]
        self.devices = [Device(self.net, n + 1, f"c{n + 1}") for n in range(controllers)]
        self.twins: list[Device] = []
        self.extra: list[Controller] = []
        self.script = Script(self)
        self.turns = 0
        self._times: dict[Controller, float | None] = {}
        #: Settings of this run; without drift checks in most runs, since those mend what others should not spoil
        self.config = {**CONFIG, "module.openflowmanager.driftinterval": self.clockwork.random.choice([None, None, 10])}

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
        return [checks.shape(device) for device in (*self.devices, *self.twins)]

    def _unsettled(self) -> Iterator[str]:
        yield from (f"{call} has not ended" for call in self.script.open_calls())
        for line in [line for device in (*self.devices, *self.twins) for line in (device.openflow, device.database)]:
            if line.wire is None or line.wire.silent:
                yield f"{line.name} is not connected"
        for controller in (*self.controllers, *self.extra):
            loader = controller.server.moduleloader
            if "openflowmanager" not in loader.active or not controller.server.started:
                yield f"{controller.name} has not started"
                continue
            found = loader.active["openflowmanager"].reports.flowstatus()
            wanted = [one for one in (*self.devices, *self.twins) if one.controller == controller.name]
            if {status["datapathid"] for status in found} != {device.number for device in wanted}:
                yield f"{controller.name} does not have the switches {[device.name for device in wanted]}"
            for status in found:
                if status["owed"] or status["waiting_for"] or status["holding"]:
                    kept = {key: status[key] for key in ("owed", "waiting_for", "holding", "refused")}
                    yield f"{controller.name} switch {status['datapathid']}: {kept}"

    def check(self) -> None:
        """Check all that must hold at rest.

        :raises SimulationFailure: it does not
        """
        faults = [why for controller in self.controllers for why in controller.failures]
        faults += checks.consistency(self.database)
        faults += checks.histories(self.database, self.script.calls)
        faults += checks.deletions(self.database, self.script.calls)
        faults += checks.reachability(self.database, self.devices)
        faults += self._compare_with_new_controller()
        if faults:
            raise SimulationFailure("\n".join(faults[:20]))

    def _compare_with_new_controller(self) -> list[str]:
        """Let one controller fill copies of all switches from nothing, and compare."""
        fresh = Controller(self.net, self.database, "fresh")
        self.extra.append(fresh)
        fresh.start()
        self.twins = [device.twin(self.net, "fresh") for device in self.devices]
        for twin in self.twins:
            twin.connect()
        self.settle()
        return [why for device, twin in zip(self.devices, self.twins) for why in checks.compare(device, twin)]

    def finish(self) -> None:
        """Stop everything; nothing may be left.

        :raises SimulationFailure: something is
        """
        for device in (*self.devices, *self.twins):
            device.disconnect()
        self.advance(2.0)
        everybody = [*self.controllers, *self.extra]
        for controller in everybody:
            controller.stopped = False
            controller.container.subroutine(controller.stop())
        self.advance(_LONGEST_GRACE_S)
        leaks = [f"{one.name} does not stop" for one in everybody if not one.stopped]
        for one in everybody:
            after = one.holdings()
            leaks += [f"{one.name} leaks {after[k] - n} {k}" for k, n in one.baseline.items() if after[k] > n]
        if leaks:
            raise SimulationFailure("\n".join(leaks))


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
            stack.enter_context(patch(_model, "uuid1", lambda: uuid.UUID(int=next(serial))))
            yield
    finally:
        random.setstate(state)
        manager.clear()
        for key, value in before.items():
            manager[key] = value


def simulate(seed: int, plant: Any = None, **sizes: int) -> World:
    """Run one simulation and return it.

    :param seed: of everything
    :param plant: function that plants a bug in the world before it runs, as a context manager
    :param sizes: ``controllers`` and ``steps`` of :class:`World`
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
