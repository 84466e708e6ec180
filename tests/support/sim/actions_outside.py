"""What happens in a simulation with an external network and forwarding nodes."""

from __future__ import annotations

from typing import Any, Callable

from support import packetbytes
from support.sim.actions import PORTS
from support.sim.actions_routed import ROUTERS, RoutedScript
from support.sim.device import OUT
from support.sim.fabric import ROUTER_MAC
from support.sim.outside import CIDR, FAR, GATEWAYS, NETWORK, POOL, VLAN_ID
from support.sim.topology import ip_number, member

from vlcp.utils import networkmodel as model

_SUBNET = "sub-" + NETWORK
_HOST_CONFIGS: list[list[dict]] = [
    [],
    [{"systemid": "sys-1", "local_address": "10.20.0.12"}],
    [{"systemid": "sys-2", "bridge": "br0", "local_address": "10.20.0.11", "gateway": GATEWAYS[1]}],
]


class OutsideScript(RoutedScript):
    """Actions on routers that lead outside, on forwarding nodes, and on the router outside."""

    def __init__(self, world: Any) -> None:
        super().__init__(world)
        self._hosts = self.random.choice(_HOST_CONFIGS)
        self._kind = "vlan" if world.tagged else "native"

    def weights(self) -> list[tuple[int, Callable]]:
        """Return the actions, with how often each is chosen."""
        return [
            *super().weights(),
            (7, self._join_outside),
            (3, self._leave_outside),
            (2, self._create_outside),
            (1, self._delete_outside),
            (3, self._replace_gateway),
            (3, self._change_gateway),
            (4, self._stop_controller),
            (5, self._lose_hypervisor),
            (3, self._unplug_outside),
            (6, self._packets_outside),
        ]

    def prepare(self) -> None:
        """Create the external network too, and join a router to it."""
        super().prepare()
        ranges = {"vlanrange": [[VLAN_ID, VLAN_ID]]} if self._kind == "vlan" else {}
        self._must("createphysicalnetwork", {"type": self._kind, "id": "wan", **ranges})
        self._must("createphysicalport", {"physicalnetwork": "wan", "name": OUT})
        self._create_outside()
        self.world.advance(0.5)
        self._join(ROUTERS[0])
        self.world.advance(0.5)

    def repair(self) -> None:
        """End every fault, but that some hypervisors stay dead."""
        for controller in self.world.hypervisors.lost():
            if self.world.hypervisors.can_stay_lost() and self.random.random() < 0.8:
                controller.gone = True
            else:
                self.world.hypervisors.bring_back(controller)
        super().repair()

    # The external network

    def _network_params(self, name: str) -> dict:
        return {"physicalnetwork": "wan"} if name == NETWORK else super()._network_params(name)

    def _subnet_params(self, network: str) -> dict:
        if network != NETWORK:
            return super()._subnet_params(network)
        pool = {"allocated_start": POOL[0], "allocated_end": POOL[1]}
        return {"cidr": CIDR, "gateway": GATEWAYS[0], **pool, "isexternal": True, "pre_host_config": self._hosts}

    def _create_outside(self) -> None:
        self._new_network(NETWORK)
        self.world.advance(self.random.choice([0.0, 0.5]))
        self._new_subnet(NETWORK)

    def _delete_outside(self) -> None:
        self._call("deletesubnet", {"id": _SUBNET}, [model.SubNet.default_key(_SUBNET)], False)
        self.world.advance(self.random.choice([0.0, 0.5]))
        self._call("deletelogicalnetwork", {"id": NETWORK}, [model.LogicalNetwork.default_key(NETWORK)], False)

    def _join_outside(self) -> None:
        self._join(self._choose(model.VRouter, ROUTERS, True))

    def _join(self, router: str) -> None:
        params = self._mark({"id": f"i-{router}-{NETWORK}", "router": router, "subnet": _SUBNET})
        self._router_call("addrouterinterface", params, model.RouterPort, params["id"], True)

    def _leave_outside(self) -> None:
        router = self.random.choice(ROUTERS)
        params = {"router": router, "subnet": _SUBNET}
        self._router_call("removerouterinterface", params, model.RouterPort, f"i-{router}-{NETWORK}", False)

    def _replace_gateway(self) -> None:
        """The router outside gets another MAC address."""
        self.world.outside.mac = 0x020000000F00 | self.random.randrange(256)
        self.clockwork.note("outside", f"has the MAC address {self.world.outside.mac:012x}")

    def _change_gateway(self) -> None:
        params = self._mark({"id": _SUBNET, "gateway": self.random.choice(GATEWAYS)})
        self._call("updatesubnet", params, [model.SubNet.default_key(_SUBNET)], True)

    # Forwarding nodes

    def _stop_controller(self) -> None:
        """A controller stops in order, and starts again."""
        busy = [call.server for call in self.open_calls()]
        fitting = [one for one in self.world.controllers if one.is_ready() and one.server not in busy]
        if fitting:
            controller, seconds = self.random.choice(fitting), self.random.choice([0.1, 2.0, 15.0])
            controller.begin_to_stop(lambda: self.clockwork.later(seconds, self._start_again, controller))

    def _lose_hypervisor(self) -> None:
        """A controller and its switches die; they come back after a while, or not before the end."""
        alive = [one for one in self.world.controllers if one.alive]
        if len(alive) < 2:
            return
        controller, seconds = self.random.choice(alive), self.random.choice([2.0, 15.0, None, None])
        self._kill(controller)
        self.world.hypervisors.lose(controller)
        if seconds is not None:
            self.clockwork.later(seconds, self.world.hypervisors.bring_back, controller)

    def _unplug_outside(self) -> None:
        """A hypervisor's port to the outside goes away, and in most cases comes back."""
        devices = [device for device in self.world.devices if OUT in device.ports and not device.off]
        if devices:
            device = self.random.choice(devices)
            device.unplug(OUT)
            if self.random.random() < 0.8:
                self.clockwork.later(self.random.choice([0.1, 4.0]), device.plug, OUT, None)

    # Packets

    def _packets_outside(self) -> None:
        """Let some stations send outside, and the router outside send to stations, whatever becomes of it."""
        outside, fabric = self.world.outside, self.world.fabric
        fabric.emit_outside(outside.question(ip_number(CIDR[: CIDR.index("/")]) + self.random.randrange(2, 5)))
        outside.way = sorted(set(outside.neighbours.values()))
        for name in self.random.sample(PORTS, 3):
            one = member(self.world.database, name)
            if one is None or one.station.ip is None:
                continue
            if outside.way and self.random.random() < 0.5:
                fabric.emit_outside(outside.request(self.random.choice(outside.way), one.station.ip, 0))
            else:
                fabric.emit(name, packetbytes.echo((one.station.mac, ROUTER_MAC), (one.station.ip, FAR), 0))
