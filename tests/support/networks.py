"""Build logical networks with endpoints in a laboratory."""

from __future__ import annotations

from vlcp.lab._plan import TUNNEL
from vlcp.lab.endpoint import Endpoint
from vlcp.lab.topology import Lab


def api(lab: Lab, name: str, /, **parameters):
    """Call a viperflow API on the first controller."""
    return next(iter(lab.hosts.values())).controller.api("viperflow", name, **parameters)


def add_physical(lab: Lab, kind: str, identifier: str = "phys", **parameters) -> None:
    """Create a physical network, with the trunk as its physical port unless it is local."""
    api(lab, "createphysicalnetwork", type=kind, id=identifier, **parameters)
    if kind != "local":
        for host in lab.hosts.values():
            host.attach_trunk()
        api(lab, "createphysicalport", physicalnetwork=identifier, name="trunk0")


def add_tunnels(lab: Lab, identifier: str = "phys") -> None:
    """Create a physical network of type ``vxlan`` with its physical port."""
    api(lab, "createphysicalnetwork", type="vxlan", vnirange=[[10000, 20000]], id=identifier)
    api(lab, "createphysicalport", physicalnetwork=identifier, name=TUNNEL)


def add_network(lab: Lab, identifier: str, physical: str = "phys", cidr: str = "192.168.1.0/24", **parameters) -> dict:
    """Create a logical network with one subnet of the same name and return its dump."""
    (network,) = api(lab, "createlogicalnetwork", physicalnetwork=physical, id=identifier, **parameters)
    api(lab, "createsubnet", logicalnetwork=identifier, cidr=cidr, id=identifier)
    return network


def add_endpoint(lab: Lab, name: str, network: str, host: str = "hv1", ip: str | None = None) -> Endpoint:
    """Create a logical port and an endpoint for it; ``ip`` without prefix length, ``None`` takes the allocated one."""
    mac = lab.free_mac()
    extra = {"ip_address": ip} if ip else {}
    (port,) = api(lab, "createlogicalport", id="lp-" + name, logicalnetwork=network, subnet=network, mac_address=mac, **extra)
    return lab.add_endpoint(name, host, "lp-" + name, network, port["ip_address"] + "/24", mac)


def settle(lab: Lab) -> None:
    """Wait until every switch has what its controller wants."""
    for host in lab.hosts.values():
        host.wait_settled()


def reaches(source: Endpoint, target: Endpoint, within_s: float = 5) -> bool:
    """Tell whether an endpoint answers another one's pings within some seconds."""
    return any(source.ping(target.address, 1, wait_s=0.3).received for _ in range(int(within_s / 0.3)))


def stays_apart(source: Endpoint, target: Endpoint) -> bool:
    """Tell whether no ping from one endpoint to another is answered."""
    return source.ping(target.address, 3, interval_s=0.05, wait_s=0.5).received == 0
