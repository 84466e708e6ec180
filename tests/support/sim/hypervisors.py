"""The controllers of a simulation with their switches: which there are, and which are alive."""

from __future__ import annotations

import random
from typing import Any

from support.sim.controller import FORWARDING, ROUTING, STARTUP, Controller
from support.sim.device import OUT, TRUNK, TUNNEL, Device
from support.sim.net import Net
from support.sim.settings import OUTSIDE, PLAIN, ROUTED

_STARTUPS = {PLAIN: STARTUP, ROUTED: ROUTING, OUTSIDE: FORWARDING}
_OUT_SHARE, _OTHER_OUT_SHARE = 0.85, 0.25
"""How many switches of controllers that forward have a port to the outside, and how many others"""


class Hypervisors:
    """Controllers, each with one switch; but for plain runs, the first one has two.

    :param net: the network
    :param database: the database
    :param kind: of the run
    :param count: number of controllers
    :ivar controllers: all controllers
    :ivar devices: all switches
    """

    def __init__(self, net: Net, database: Any, kind: str, count: int) -> None:
        self.net, self.database = net, database
        self.startup = _STARTUPS[kind]
        chance: random.Random = net.clockwork.random
        names = [f"c{n + 1}" for n in range(count)]
        forwarding = set(chance.sample(names, chance.randint(1, count))) if kind == OUTSIDE else set()
        self.controllers = [Controller(net, database, name, self.startup, name in forwarding) for name in names]
        places = names if kind == PLAIN else [*names, names[0]]
        physical = (TRUNK,) if kind == PLAIN else (TRUNK, TUNNEL)
        joined = self._joined(chance, places, forwarding) if kind == OUTSIDE else set()
        self.devices = [Device(net, n, place, (*physical, OUT) if n in joined else physical) for n, place in enumerate(places, 1)]

    @staticmethod
    def _joined(chance: random.Random, places: list[str], forwarding: set[str]) -> set[int]:
        """Return the numbers of the switches with a port to the outside: at least one that forwards."""
        certain = chance.choice([n for n, place in enumerate(places, 1) if place in forwarding])
        shares = enumerate((_OUT_SHARE if place in forwarding else _OTHER_OUT_SHARE for place in places), 1)
        return {certain, *[n for n, share in shares if chance.random() < share]}

    def living(self) -> list[Device]:
        """Return the switches that have not died."""
        return [device for device in self.devices if not device.off]

    def forwarding(self) -> list[Device]:
        """Return the living switches whose controllers forward."""
        names = {controller.name for controller in self.controllers if controller.forwards}
        return [device for device in self.living() if device.controller in names]

    def gateways(self) -> list[Device]:
        """Return the living forwarding nodes with a port to the outside."""
        return [device for device in self.forwarding() if OUT in device.ofports]

    # Faults

    def lost(self) -> list[Controller]:
        """Return the controllers whose hypervisors have died."""
        return [controller for controller in self.controllers if controller.lost]

    def can_stay_lost(self) -> bool:
        """Tell whether all can be well without those that are lost. An offer of a dead node that no living forwarding node
        shares stays in the database, until any forwarding node starts."""
        return bool(self.gateways()) or not self.forwarding()

    def lose(self, controller: Controller) -> None:
        """A controller that has died takes its hypervisors with it."""
        controller.lost = True
        for device in self.devices:
            if device.controller == controller.name:
                device.power_off()

    def bring_back(self, controller: Controller) -> None:
        """A lost controller starts again, with its hypervisors; nothing happens to others, and to one that is gone for good."""
        if not controller.lost or controller.gone:
            return
        controller.lost = False
        controller.start()
        for device in self.devices:
            if device.controller == controller.name:
                device.power_on()

    def fresh(self) -> list[Controller]:
        """Return new controllers, one for the living switches that forward and one for the others, where there are any."""
        forwarding, living = self.forwarding(), self.living()
        wanted = {"fresh": False} if len(forwarding) < len(living) else {}
        wanted.update({"fresh-forwarding": True} if forwarding else {})
        return [Controller(self.net, self.database, name, self.startup, forwards) for name, forwards in wanted.items()]

    def twins(self, fresh: list[Controller]) -> list[tuple[Device, Device]]:
        """Return each living switch with an empty copy, which talks to the new controller that does the same."""
        names = {controller.forwards: controller.name for controller in fresh}
        forwarding = self.forwarding()
        return [(device, device.twin(self.net, names[device in forwarding])) for device in self.living()]
