"""Build virtual routers with endpoints in a laboratory."""

from __future__ import annotations

from support.networks import add_endpoint, api

from vlcp.lab._plan import STARTUP
from vlcp.lab._shell import run
from vlcp.lab.endpoint import Endpoint
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
