"""Pure: the names, addresses and configuration of a laboratory."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from typing import Any, Mapping

BRIDGE = "br0"
TRUNK = "trunk0"
UNDERLAY_BRIDGE = "br-phy"
TUNNEL = "vxlan0"
UNDERLAY_MTU = 1600
NETWORKS = ("vlan", "vxlan")
OUTSIDES = ("native", "vlan")
OUT_PORT = "out0"
OUTSIDE_CABLE = "wan0"
OUTSIDE_BRIDGE = "br-wan"
OUTSIDE_VLAN = 40
OUTSIDE_CIDR = "10.20.0.0/24"
OUTSIDE_ADDRESS = "10.20.0.1"
FAR_ADDRESS = "10.99.0.1"
API_PORT = 8081
OPENFLOW_PORT = 6653
STARTUP = (
    "vlcp.service.sdn.viperflow.ViperFlow",
    "vlcp.service.sdn.ioprocessing.IOProcessing",
    "vlcp.service.sdn.l2switch.L2Switch",
    "vlcp.service.manage.modulemanager.Manager",
    "vlcp.service.manage.webapi.WebAPI",
    "vlcp.service.utils.autoload.AutoLoad",
)
OVERLAY_STARTUP = (
    *STARTUP,
    "vlcp.service.sdn.vxlancast.VXLANCast",
    "vlcp.service.sdn.arpresponder.ARPResponder",
    "vlcp.service.sdn.dhcpserver.DHCPServer",
)
ROUTER_STARTUP = (
    "vlcp.service.sdn.arpresponder.ARPResponder",
    "vlcp.service.sdn.icmpresponder.ICMPResponder",
    "vlcp.service.sdn.l3router.L3Router",
    "vlcp.service.sdn.vrouterapi.VRouterApi",
)
SQLITE = "vlcp.service.connection.sqlitedb.SQLiteDB"
STORES = {
    "sqlite": (SQLITE, SQLITE),
    "redis": ("vlcp.service.connection.redisdb.RedisDB", "vlcp.service.kvdb.redisnotifier.RedisNotifier"),
    "zookeeper": ("vlcp.service.connection.zookeeperdb.ZooKeeperDB", "vlcp.service.connection.zookeeperdb.ZooKeeperDB"),
}
MANAGEMENT_PREFIX = 24
LONGEST_SOCKET_DIRECTORY = 80
MOST_HOSTS = 64


@dataclass(frozen=True)
class EndpointPlan:
    """One endpoint: its name, its hypervisor, and what the controller knows of it.

    ``ip`` is address and prefix length, ``None`` for an endpoint without an address; ``iface_id`` is the id of its logical port;
    ``gateway`` is the address that it sends everything else to, ``None`` without one.
    """

    name: str
    host: str
    iface_id: str
    network: str
    mac: str
    ip: str | None
    gateway: str | None = None


@dataclass
class LabPlan:
    """What a laboratory consists of; it is kept in its directory so that later commands find it.

    ``outside`` is how the host outside is reached, ``native`` or ``vlan``, ``None`` without one; the hypervisors in
    ``forwarding`` are cabled to it and are forwarding nodes.
    """

    prefix: str
    directory: str
    hosts: list[str]
    database: str = "sqlite"
    databases: list[str] = field(default_factory=list)
    endpoints: list[EndpointPlan] = field(default_factory=list)
    network: str = "vlan"
    outside: str | None = None
    forwarding: list[str] = field(default_factory=list)

    def namespace(self, name: str) -> str:
        """Return the network namespace of a hypervisor, an endpoint or the underlay."""
        return f"{self.prefix}-{name}"

    def management_address(self, name: str) -> str:
        """Return the address of a hypervisor or database node on the management network."""
        if name in self.databases:
            return f"10.255.0.{200 + self.databases.index(name)}"
        return f"10.255.0.{9 + host_number(name)}"

    def tunnel_address(self, host: str) -> str:
        """Return the address of a hypervisor on the underlay, for tunnels."""
        return f"10.254.0.{9 + host_number(host)}"

    def tunnel_mac(self, host: str) -> str:
        """Return the MAC address of a hypervisor's tunnel address; it stays, since other switches remember it for minutes."""
        return f"02:6c:62:00:00:{host_number(host):02x}"

    def add_host(self) -> str:
        """Add a hypervisor and return its name: the first that is free.

        :raises ValueError: there are :data:`MOST_HOSTS` already
        """
        name = next(name for name in map(host_name, range(1, MOST_HOSTS + 2)) if name not in self.hosts)
        if host_number(name) > MOST_HOSTS:
            raise ValueError(f"hosts {len(self.hosts) + 1}: 1 to {MOST_HOSTS}")
        self.hosts.append(name)
        return name

    def to_json(self) -> dict[str, Any]:
        """Return the plan as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> LabPlan:
        """Make a plan from what :meth:`to_json` gave."""
        endpoints = [EndpointPlan(**entry) for entry in data["endpoints"]]
        return cls(
            data["prefix"],
            data["directory"],
            list(data["hosts"]),
            data["database"],
            list(data["databases"]),
            endpoints,
            data["network"],
            data["outside"],
            list(data["forwarding"]),
        )


def host_name(number: int) -> str:
    """Return the name of the hypervisor with a number, which counts from 1."""
    return f"hv{number}"


def host_number(name: str) -> int:
    """Return the number of a hypervisor; its addresses follow from it, so they stay when others come and go."""
    return int(name[2:])


def make_plan(
    prefix: str,
    directory: str,
    hosts: int,
    database: str = "sqlite",
    zookeeper_nodes: int = 1,
    network: str = "vlan",
    outside: str | None = None,
    forward: int = 0,
) -> LabPlan:
    """Return the plan of a laboratory with ``hosts`` hypervisors and no endpoints.

    :param database: ``sqlite`` (one file that all controllers share), ``redis`` or ``zookeeper``
    :param zookeeper_nodes: number of nodes of a ZooKeeper ensemble
    :param network: what joins hypervisors: ``vlan`` (a trunk) or ``vxlan`` (tunnels)
    :param outside: type of the network to a host outside, ``native`` or ``vlan``; None for no such host
    :param forward: how many hypervisors are forwarding nodes

    :raises ValueError: a name or number that cannot work, with the reason
    """
    if not re.fullmatch(r"[a-z][a-z0-9]{0,7}", prefix):
        raise ValueError(f"prefix {prefix!r}: one to eight lower-case letters and digits, a letter first")
    if not 1 <= hosts <= MOST_HOSTS:
        raise ValueError(f"hosts {hosts}: 1 to {MOST_HOSTS}")
    if database not in STORES:
        raise ValueError(f"database {database!r}: one of {', '.join(STORES)}")
    if network not in NETWORKS:
        raise ValueError(f"network {network!r}: one of {', '.join(NETWORKS)}")
    if outside not in (None, *OUTSIDES):
        raise ValueError(f"outside {outside!r}: one of {', '.join(OUTSIDES)}")
    if not 0 <= forward <= hosts or (forward > 0) != (outside is not None):
        raise ValueError(f"forwarding nodes {forward}: 1 to {hosts}, together with a host outside")
    if zookeeper_nodes not in (1, 3, 5):
        raise ValueError(f"ZooKeeper nodes {zookeeper_nodes}: 1, 3 or 5")
    if len(directory) > LONGEST_SOCKET_DIRECTORY:
        raise ValueError(f"directory {directory!r}: longer than {LONGEST_SOCKET_DIRECTORY} characters, too long for sockets")
    nodes = {"sqlite": 0, "redis": 1, "zookeeper": zookeeper_nodes}[database]
    databases = [f"db{number + 1}" for number in range(nodes)]
    names = [host_name(number + 1) for number in range(hosts)]
    return LabPlan(prefix, directory, names, database, databases, [], network, outside, names[:forward])


def controller_config(plan: LabPlan, host: str, extra: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the configuration keys of a hypervisor's controller.

    :param extra: keys to add or replace
    """
    config: dict[str, Any] = {
        "module.jsonrpcserver.ovsdb": True,
        "module.jsonrpcserver.client": True,
        "module.jsonrpcserver.url": f"unix://{plan.directory}/{host}/db.sock",
        "module.openflowserver.url": f"tcp://127.0.0.1:{OPENFLOW_PORT}/",
        "module.httpserver.url": None,
        "module.httpserver.vhost.api.url": f"tcp://127.0.0.1:{API_PORT}/",
        "proxy.kvstorage": STORES[plan.database][0],
        "proxy.updatenotifier": STORES[plan.database][1],
        "server.startup": STARTUP,
    }
    config.update(_store_config(plan))
    if plan.network == "vxlan":
        config["server.startup"] = OVERLAY_STARTUP
        config["module.vxlancast.learning"] = False
    if plan.outside is not None:
        modules = (*config["server.startup"], *ROUTER_STARTUP)
        config["server.startup"] = tuple(dict.fromkeys(modules))
        for module in ("ioprocessing", "l3router"):
            config[f"module.{module}.enable_router_forward"] = host in plan.forwarding
    config.update(extra or {})
    return config


def _store_config(plan: LabPlan) -> dict[str, Any]:
    addresses = [plan.management_address(name) for name in plan.databases]
    if plan.database == "redis":
        return {"module.redisdb.url": f"tcp://{addresses[0]}/"}
    if plan.database == "zookeeper":
        return {"module.zookeeperdb.url": f"tcp://{','.join(addresses)}/"}
    return {"module.sqlitedb.path": f"{plan.directory}/vlcp.sqlite"}


def config_text(config: Mapping[str, Any]) -> str:
    """Return configuration keys in the syntax of the configuration file, sorted."""
    return "".join(f"{key} = {value!r}\n" for key, value in sorted(config.items()))


def endpoint_mac(number: int) -> str:
    """Return a locally administered MAC address for the endpoint with this number."""
    return "02:6c:61:%02x:%02x:%02x" % (number >> 16 & 0xFF, number >> 8 & 0xFF, number & 0xFF)
