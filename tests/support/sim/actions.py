"""What happens in a simulation: API calls, ports that come and go, and faults."""

from __future__ import annotations

from typing import Any, Callable

from support.sim.device import TRUNK

from vlcp.server.module import call_api
from vlcp.utils import networkmodel as model
from vlcp.utils.dataobject import AlreadyExistsException
from vlcp.utils.exceptions import (
    StorageOutcomeUnknownException,
    StorageUnavailableException,
    TransactionFailedException,
)

NETWORKS = [f"net{n}" for n in range(3)]
PORTS = [f"lp{n}" for n in range(6)]
REFUSALS = (ValueError, AlreadyExistsException, StorageUnavailableException, TransactionFailedException)


class Call:
    """One API call of the client and its outcome: ``done``, ``refused``, ``unknown``, or ``open``."""

    def __init__(self, number: int, owner: str, name: str, params: dict, keys: list, marks: bool, begin: float) -> None:
        self.number, self.owner, self.name, self.params = number, owner, name, params
        self.keys, self.marks = keys, marks
        self.begin, self.end = begin, float("inf")
        self.outcome, self.reason = "open", ""

    def __str__(self) -> str:
        return f"call {self.number} of {self.owner} {self.name}{self.params} ({self.outcome} {self.reason})"


class Script:
    """Chooses and carries out actions.

    :param world: the simulation
    """

    networks = NETWORKS
    reloaded = ("l2switch", "ioprocessing")

    def __init__(self, world: Any) -> None:
        self.world = world
        self.clockwork = world.clockwork
        self.random = world.clockwork.random
        self.calls: list[Call] = []
        self._actions = [action for weight, action in self.weights() for _ in range(weight)]

    def weights(self) -> list[tuple[int, Callable]]:
        """Return the actions, with how often each is chosen."""
        return [
            (9, self._create_port),
            (3, self._create_ports),
            (4, self._delete_port),
            (4, self._update_port),
            (3, self._create_network),
            (1, self._delete_network),
            (3, self._create_subnet),
            (1, self._delete_subnet),
            (2, self._bad_call),
            (3, self._burst),
            (9, self._plug),
            (2, self._unplug),
            (3, self._move),
            (2, self._crash),
            (3, self._cut),
            (2, self._restart_switch),
            (1, self._restart_ovsdb),
            (2, self._outage),
            (2, self._trouble),
            (2, self._refusals),
            (2, self._reload),
        ]

    # Running

    def prepare(self) -> None:
        """Create the physical network that everything is on, and wait for it."""
        self.world.advance(5.0)
        self._must("createphysicalnetwork", {"type": "vlan", "id": "phys", "vlanrange": [[100, 199]]})
        self._must("createphysicalport", {"physicalnetwork": "phys", "name": TRUNK})
        for name in self.random.sample(self.networks, 2):
            self._new_network(name)
            self.world.advance(0.5)
            self._new_subnet(name)

    def _must(self, name: str, params: dict) -> None:
        """Make a call on the first controller without which there is nothing to simulate."""
        call = self._call(name, params, [], False, self.world.controllers[0])
        self.world.advance(3.0)
        if call.outcome != "done":
            raise AssertionError(f"the simulation cannot begin: {call}")

    def act(self) -> None:
        """Do one random thing, and let a random time pass."""
        self.random.choice(self._actions)()
        self.world.advance(self.random.choice([0.0, 0.01, 0.05, 0.3, 0.3, 2.0]))

    def repair(self) -> None:
        """End every fault: from now on all must become good by itself."""
        self.clockwork.note("script", "all faults end")
        self.world.database.lose_replies = self.world.database.spurious_conflicts = 0.0
        self.world.database.repair()
        for device in self.world.devices:
            device.refusal_rate = 0.0
        for controller in self.world.controllers:
            self._start_again(controller)

    def open_calls(self) -> list[Call]:
        """Return the calls that will still end."""
        return [call for call in self.calls if call.outcome == "open"]

    # API calls

    def _call(self, name: str, params: dict, keys: list, marks: bool, controller: Any = None, module: str = "viperflow") -> Call:
        alive = [one for one in self.world.controllers if one.serves()]
        number = len(self.calls) + 1
        chosen = controller or (self.random.choice(alive) if alive else None)
        call = Call(number, chosen.name if chosen else "nobody", name, params, keys, marks, self.clockwork.now)
        self.clockwork.note("client", str(call))
        self.calls.append(call)
        if chosen is None:
            call.outcome, call.end = "refused", self.clockwork.now
        else:
            call.server = chosen.server
            chosen.container.subroutine(self._run(call, chosen, module))
        return call

    async def _run(self, call: Call, controller: Any, module: str) -> None:
        try:
            await call_api(controller.container, module, call.name, call.params)
            call.outcome = "done"
        except REFUSALS as error:
            call.outcome, call.reason = "refused", f"{type(error).__name__}: {error}"
        except StorageOutcomeUnknownException as error:
            call.outcome, call.reason = "unknown", f"{type(error).__name__}: {error}"
        except Exception as error:
            call.outcome, call.reason = "unknown", f"{type(error).__name__}: {error}"
            controller.failures.append(f"unexpected error: {call}")
        call.end = self.clockwork.now
        self.clockwork.note("client", f"call {call.number}: {call.outcome} {call.reason}")

    def _mark(self, params: dict) -> dict:
        """Mark what a call writes with the number that the call will have."""
        return {**params, "call": len(self.calls) + 1}

    def _choose(self, cls: Any, names: list[str], present: bool) -> str:
        """Return one of some ids, in most cases one that is in the database, or one that is not."""
        fitting = [name for name in names if (cls.default_key(name) in self.world.database.data) == present]
        return self.random.choice(fitting if fitting and self.random.random() < 0.85 else names)

    def _port_params(self, identifier: str) -> dict:
        network = self._choose(model.LogicalNetwork, self.networks, True)
        number = PORTS.index(identifier) + 1
        params = {"id": identifier, "logicalnetwork": network, "mac_address": f"02:00:00:00:00:{number:02x}"}
        if model.SubNet.default_key("sub-" + network) in self.world.database.data and self.random.random() < 0.7:
            params["subnet"] = "sub-" + network
        return params

    def _create_port(self) -> None:
        identifier = self._choose(model.LogicalPort, PORTS, False)
        params = self._mark(self._port_params(identifier))
        self._call("createlogicalport", params, [model.LogicalPort.default_key(identifier)], True)

    def _create_ports(self) -> None:
        free = [name for name in PORTS if model.LogicalPort.default_key(name) not in self.world.database.data]
        names = self.random.sample(free if len(free) > 2 else PORTS, self.random.randint(2, 3))
        ports = [self._mark(self._port_params(name)) for name in names]
        self._call("createlogicalports", {"ports": ports}, [model.LogicalPort.default_key(name) for name in names], True)

    def _update_port(self) -> None:
        identifier = self._choose(model.LogicalPort, PORTS, True)
        params = self._mark({"id": identifier, "hostname": f"h{self.random.randrange(5)}"})
        if self.random.random() < 0.3:
            params["mac_address"] = f"02:00:00:00:01:{self.random.randrange(3):02x}"
        params.update(self._further_changes(identifier))
        self._call("updatelogicalport", params, [model.LogicalPort.default_key(identifier)], True)

    def _further_changes(self, identifier: str) -> dict:
        """Return what else to change in a logical port."""
        return {}

    def _delete_port(self) -> None:
        identifier = self._choose(model.LogicalPort, PORTS, True)
        self._call("deletelogicalport", {"id": identifier}, [model.LogicalPort.default_key(identifier)], False)

    def _create_network(self) -> None:
        self._new_network(self._choose(model.LogicalNetwork, self.networks, False))

    def _new_network(self, name: str) -> None:
        params = self._mark({**self._network_params(name), "id": name})
        self._call("createlogicalnetwork", params, [model.LogicalNetwork.default_key(name)], True)

    def _network_params(self, name: str) -> dict:
        """Return where a new network is."""
        return {"physicalnetwork": "phys"}

    def _delete_network(self) -> None:
        name = self.random.choice(self.networks)
        self._call("deletelogicalnetwork", {"id": name}, [model.LogicalNetwork.default_key(name)], False)

    def _create_subnet(self) -> None:
        self._new_subnet(self._choose(model.LogicalNetwork, self.networks, True))

    def _new_subnet(self, network: str) -> None:
        params = self._mark({"logicalnetwork": network, **self._subnet_params(network), "id": "sub-" + network})
        self._call("createsubnet", params, [model.SubNet.default_key("sub-" + network)], True)

    def _subnet_params(self, network: str) -> dict:
        """Return the addresses of a new subnet."""
        return {"cidr": "192.168.1.0/28"}

    def _delete_subnet(self) -> None:
        name = "sub-" + self.random.choice(self.networks)
        self._call("deletesubnet", {"id": name}, [model.SubNet.default_key(name)], False)

    def _burst(self) -> None:
        """Several calls at the same moment, on any controllers."""
        calls = (self._create_port, self._create_port, self._delete_port, self._update_port, self._create_ports)
        for _ in range(self.random.randint(2, 5)):
            self.random.choice(calls)()

    def _bad_call(self) -> None:
        """A call that breaks a rule, in its second half: nothing of it may stay."""
        first, second = self.random.sample(PORTS, 2)
        bad = self.random.choice([{"logicalnetwork": "nowhere"}, {"mac_address": "nonsense"}, {"id": first}])
        ports = [self._mark(self._port_params(first)), {**self._mark(self._port_params(second)), **bad}]
        keys = [model.LogicalPort.default_key(name) for name in (first, second)]
        self._call("createlogicalports", {"ports": ports}, keys, True)

    # Ports of switches

    def _free_identifiers(self) -> list[str]:
        used = {identifier for device in self.world.devices for _, identifier in device.ports.values()}
        return [name for name in PORTS if name not in used]

    def _plug(self) -> None:
        free = self._free_identifiers()
        if free:
            identifier = self._choose(model.LogicalPort, free, True)
            self.random.choice(self.world.devices).plug("v" + identifier, identifier)

    def _plugged(self) -> list[tuple]:
        return [(device, name) for device in self.world.devices for name, (_, identifier) in device.ports.items() if identifier]

    def _unplug(self) -> None:
        plugged = self._plugged()
        if plugged:
            device, name = self.random.choice(plugged)
            device.unplug(name)

    def _move(self) -> None:
        plugged = self._plugged()
        if plugged:
            device, name = self.random.choice(plugged)
            identifier = device.ports[name][1]
            device.unplug(name)
            self.random.choice(self.world.devices).plug(name, identifier)

    # Faults

    def _crash(self) -> None:
        controller = self.random.choice(self.world.controllers)
        if not controller.alive:
            return
        self._kill(controller)
        self.clockwork.later(self.random.choice([0.1, 2.0, 15.0]), self._start_again, controller)

    def _kill(self, controller: Any) -> None:
        for call in self.open_calls():
            if call.server is controller.server:
                call.outcome, call.reason, call.end = "unknown", "the controller crashed", self.clockwork.now
        controller.crash()

    @staticmethod
    def _start_again(controller: Any) -> None:
        if not controller.alive and not controller.lost:
            controller.start()

    def _cut(self) -> None:
        wires = [one for one in self.world.net.wires if one.open and not one.silent]
        if wires:
            self.random.choice(wires).cut(self.random.random() < 0.3)

    def _restart_switch(self) -> None:
        device = self.random.choice(self.world.devices)
        if device.running:
            device.restart_switch()

    def _restart_ovsdb(self) -> None:
        self.random.choice(self.world.devices).restart_database()

    def _outage(self) -> None:
        who = self.random.choice([None, *[one.name for one in self.world.controllers]])
        self.world.database.cut(who)
        self.clockwork.later(self.random.choice([0.01, 0.5, 8.0]), self.world.database.repair)

    def _trouble(self) -> None:
        """Let replies be lost, or commits meet conflicts, from now on until the next time."""
        database = self.world.database
        database.lose_replies = self.random.choice([0.0, 0.0, 0.3])
        database.spurious_conflicts = self.random.choice([0.0, 0.3])

    def _refusals(self) -> None:
        """Let a switch refuse some of its flow and group mods from now on."""
        self.random.choice(self.world.devices).refusal_rate = self.random.choice([0.0, 0.1])

    def _reload(self) -> None:
        alive = [one for one in self.world.controllers if one.serves()]
        if alive:
            controller, name = self.random.choice(alive), self.random.choice(self.reloaded)
            self.clockwork.note(controller.name, f"reload of {name}")
            controller.container.subroutine(controller.reload(name))
