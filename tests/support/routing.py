"""Build virtual routers with endpoints in a laboratory."""

from __future__ import annotations

from support.networks import add_endpoint, api

from vlcp.lab._plan import STARTUP
from vlcp.lab._shell import inside, run
from vlcp.lab.endpoint import Endpoint, parse_ping
from vlcp.lab.topology import Lab

SDN = "vlcp.service.sdn."
ROUTING = (
    *STARTUP,
    SDN + "arpresponder.ARPResponder",
    SDN + "icmpresponder.ICMPResponder",
    SDN + "l3router.L3Router",
    SDN + "vrouterapi.VRouterApi",
)
CONFIG = {"server.startup": ROUTING, "module.l3router.arp_cycle_time": 1}


def router_api(lab: Lab, name: str, /, **parameters):
    """Call a vrouterapi API on the first controller."""
    return next(iter(lab.hosts.values())).controller.api("vrouterapi", name, **parameters)


def add_routed(lab: Lab, identifier: str, cidr: str, physical: str = "phys", **subnet) -> None:
    """Create a logical network with a subnet of the same name, whose gateway is its first address."""
    api(lab, "createlogicalnetwork", physicalnetwork=physical, id=identifier)
    gateway = gateway_of(cidr)
    api(lab, "createsubnet", logicalnetwork=identifier, cidr=cidr, id=identifier, **{"gateway": gateway, **subnet})


def gateway_of(cidr: str) -> str:
    """Return the first address of a /24 network."""
    return cidr.rsplit(".", 1)[0] + ".1"


def add_router(lab: Lab, identifier: str, *subnets: str, **options) -> None:
    """Create a virtual router with interfaces in some subnets."""
    router_api(lab, "createvirtualrouter", id=identifier, **options)
    if subnets:
        router_api(lab, "addrouterinterfaces", interfaces=[{"router": identifier, "subnet": subnet} for subnet in subnets])


def remove_router(lab: Lab, identifier: str, *subnets: str) -> None:
    """Take a virtual router and its interfaces away."""
    router_api(lab, "removerouterinterfaces", interfaces=[{"router": identifier, "subnet": subnet} for subnet in subnets])
    router_api(lab, "deletevirtualrouter", id=identifier)


def add_routed_endpoint(lab: Lab, name: str, network: str, host: str = "hv1", ip: str | None = None) -> Endpoint:
    """Create a logical port and an endpoint for it that sends everything to the gateway."""
    endpoint = add_endpoint(lab, name, network, host, ip)
    route_through(endpoint, gateway_of(endpoint.address))
    return endpoint


def route_through(endpoint: Endpoint, gateway: str) -> None:
    """Give an endpoint its default route."""
    run(["ip", "-n", endpoint.namespace, "route", "replace", "default", "via", gateway])


class OutsideHost:
    """A host that no controller knows of, cabled to the port ``out0`` of a hypervisor.

    :param lab: the laboratory
    :param host: name of the hypervisor
    :param address: its address with prefix length
    :param routes: (destination, next hop) of its routes
    """

    def __init__(self, lab: Lab, host: str, address: str, *routes: tuple[str, str]) -> None:
        self.namespace = lab.plan.namespace("outside")
        hypervisor = lab.hosts[host]
        run(["ip", "netns", "add", self.namespace])
        cable = ["ip", "link", "add", "name", "eth0", "netns", self.namespace, "type", "veth"]
        run([*cable, "peer", "name", "out0", "netns", hypervisor.namespace])
        run(["ip", "-n", hypervisor.namespace, "link", "set", "dev", "out0", "up"])
        hypervisor.add_port("out0", {})
        run(inside(self.namespace, ["ethtool", "-K", "eth0", "tx", "off"]), check=False)
        run(["ip", "-n", self.namespace, "link", "set", "dev", "eth0", "up"])
        run(["ip", "-n", self.namespace, "address", "add", address, "dev", "eth0"])
        for target, hop in routes:
            run(["ip", "-n", self.namespace, "route", "add", target, "via", hop])

    def ping(self, address: str) -> bool:
        """Tell whether an address answers within some seconds."""
        return any(
            parse_ping(run(inside(self.namespace, ["ping", "-n", "-q", "-c", "1", "-W", "0.3", address]), check=False)).received
            for _ in range(20)
        )

    def set_mac(self, mac: str) -> None:
        """Change its MAC address."""
        run(["ip", "-n", self.namespace, "link", "set", "dev", "eth0", "address", mac])

    def delete(self) -> None:
        """Remove it."""
        run(["ip", "netns", "delete", self.namespace])
