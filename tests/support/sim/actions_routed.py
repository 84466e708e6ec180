"""What happens in a simulation with routers, tunnels and packets."""

from __future__ import annotations

from typing import Any, Callable

from support import packetbytes
from support.sim.actions import PORTS, Script
from support.sim.checks import objects
from support.sim.device import TRUNK, TUNNEL
from support.sim.fabric import ROUTER_MAC
from support.sim.topology import ip_number, member

from vlcp.utils import networkmodel as model

ROUTERS = ["r0", "r1"]
#: {network: its physical network}
NETWORKS = {"net0": "phys", "net1": "phys", "net2": "vx", "net3": "vx"}
_BEHIND = ["10.8.0.0/16", "10.9.0.0/16"]


class RoutedScript(Script):
    """Actions on networks of two kinds, the routers between them, and packets of their stations."""

    networks = list(NETWORKS)
    reloaded = ("l2switch", "ioprocessing", "l3router", "vxlancast", "arpresponder", "icmpresponder", "dhcpserver")

    def weights(self) -> list[tuple[int, Callable]]:
        """Return the actions, with how often each is chosen."""
        return [
            *super().weights(),
            (3, self._create_router),
            (1, self._delete_router),
            (9, self._add_interface),
            (3, self._remove_interface),
            (3, self._update_routes),
            (3, self._replace_next_hop),
            (6, self._packets),
        ]

    def prepare(self) -> None:
        """Create the physical networks, two networks with a router between them, and some endpoints; wait for them."""
        self.world.advance(5.0)
        self._must("createphysicalnetwork", {"type": "vlan", "id": "phys", "vlanrange": [[100, 199]]})
        self._must("createphysicalnetwork", {"type": "vxlan", "id": "vx", "vnirange": [[10000, 10099]]})
        ports = [{"physicalnetwork": "phys", "name": TRUNK}, {"physicalnetwork": "vx", "name": TUNNEL}]
        self._must("createphysicalports", {"ports": ports})
        chosen = self.random.sample(self.networks, 3)
        for create in (self._new_network, self._new_subnet):
            for name in chosen:
                create(name)
            self.world.advance(0.5)
        for router in ROUTERS:
            self._new_router(router)
        self.world.advance(0.5)
        for name in chosen:
            self._new_interface(self._own_router(name) or ROUTERS[0], name)
        for _ in range(3):
            self._create_port()
            self._plug()
            self.world.advance(0.2)

    def _network_params(self, name: str) -> dict:
        return {"physicalnetwork": NETWORKS[name]}

    def _subnet_params(self, network: str) -> dict:
        number = self.world.subnet_numbers[network]
        return {"cidr": f"192.168.{number}.0/28", "gateway": f"192.168.{number}.1"}

    def _further_changes(self, identifier: str) -> dict:
        one = member(self.world.database, identifier)
        if one is None or one.station.ip is None or self.random.random() < 0.7:
            return {}
        last = self.random.randrange(2, 14)
        return {"ip_address": ".".join(map(str, (one.station.ip & ~0xF | last).to_bytes(4, "big")))}

    # Routers

    def _router_call(self, name: str, params: dict, cls: Any, identifier: str, marks: bool) -> None:
        self._call(name, params, [cls.default_key(identifier)], marks, module="vrouterapi")

    def _create_router(self) -> None:
        self._new_router(self._choose(model.VRouter, ROUTERS, False))

    def _new_router(self, name: str) -> None:
        self._router_call("createvirtualrouter", self._mark({"id": name}), model.VRouter, name, True)

    def _delete_router(self) -> None:
        name = self.random.choice(ROUTERS)
        self._router_call("deletevirtualrouter", {"id": name}, model.VRouter, name, False)

    def _update_routes(self) -> None:
        name = self._choose(model.VRouter, ROUTERS, True)
        hops = [f"192.168.{number}.{last}" for number in set(self.world.subnet_numbers.values()) for last in (2, 3, 14)]
        routes = [[cidr, self.random.choice(sorted(hops))] for cidr in self.random.sample(_BEHIND, self.random.randint(0, 2))]
        self._router_call("updatevirtualrouter", self._mark({"id": name, "routes": routes}), model.VRouter, name, True)

    def _own_router(self, network: str) -> str | None:
        """Return the only router that a network may be in, where subnets have the same addresses; else None."""
        if len(set(self.world.subnet_numbers.values())) == len(self.networks):
            return None
        return ROUTERS[self.networks.index(network) // 2]

    def _replace_next_hop(self) -> None:
        """Let a station that may be the next hop of a route get another MAC address."""
        hops = {
            ip_number(hop) for router in objects(self.world.database, model.VRouter).values() for _, hop in router.routes or ()
        }
        for identifier in PORTS:
            one = member(self.world.database, identifier)
            if one is not None and one.station.ip in hops:
                params = self._mark({"id": identifier, "mac_address": f"02:00:00:00:02:{self.random.randrange(256):02x}"})
                self._call("updatelogicalport", params, [model.LogicalPort.default_key(identifier)], True)

    def _choose_pair(self) -> tuple[str, str]:
        """Return a router and a network that it may be in."""
        network = self._choose(model.SubNet, ["sub-" + name for name in self.networks], True)[len("sub-") :]
        return self._own_router(network) or self._choose(model.VRouter, ROUTERS, True), network

    def _add_interface(self) -> None:
        self._new_interface(*self._choose_pair())

    def _new_interface(self, router: str, network: str) -> None:
        params = self._mark({"id": f"i-{router}-{network}", "router": router, "subnet": "sub-" + network})
        if self.random.random() < 0.2:
            params["ip_address"] = f"192.168.{self.world.subnet_numbers[network]}.14"
        self._router_call("addrouterinterface", params, model.RouterPort, params["id"], True)

    def _remove_interface(self) -> None:
        router, network = self._choose_pair()
        params = {"router": router, "subnet": "sub-" + network}
        self._router_call("removerouterinterface", params, model.RouterPort, f"i-{router}-{network}", False)

    # Packets

    def _packets(self) -> None:
        """Let some stations send to others, directly or by their gateway, whatever becomes of it."""
        for _ in range(self.random.randint(1, 4)):
            sender, target = self.random.sample(PORTS, 2)
            one, other = member(self.world.database, sender), member(self.world.database, target)
            if one is None or other is None or one.station.ip is None or other.station.ip is None:
                continue
            mac = other.station.mac if one.network == other.network else ROUTER_MAC
            self.world.fabric.emit(sender, packetbytes.echo((one.station.mac, mac), (one.station.ip, other.station.ip), 0))
