"""A whole laboratory: hypervisors, underlay and endpoints, made and removed."""

from __future__ import annotations

import json
import os
import shutil
from typing import Any, Callable, Mapping

from vlcp.lab._plan import EndpointPlan, LabPlan, endpoint_mac, make_plan
from vlcp.lab._shell import LabError, check_machine, kill_all, namespaces, run, wait_until
from vlcp.lab.database import NODES, DatabaseNode, attach_to_management
from vlcp.lab.endpoint import Endpoint
from vlcp.lab.hypervisor import Hypervisor
from vlcp.lab.outside import OutsideHost

STATE = "lab.json"
FORGOTTEN_S = 10


def default_directory(prefix: str) -> str:
    """Return the directory of a laboratory: short, since it holds sockets."""
    return f"/tmp/{prefix}-lab"


class Lab:
    """Hypervisors, underlay and endpoints that belong together.

    :param plan: names and addresses
    :param say: called with one line for each step; ``None`` keeps silent
    """

    def __init__(self, plan: LabPlan, say: Callable[[str], None] | None = None) -> None:
        self.plan = plan
        self._say = say or (lambda line: None)
        self.hosts = {name: Hypervisor(plan, name) for name in plan.hosts}
        self.databases = {name: NODES[plan.database](plan, name) for name in plan.databases}
        self.outside = None if plan.outside is None else OutsideHost(plan)
        self.endpoints = {entry.name: Endpoint(plan, self.hosts[entry.host], entry) for entry in plan.endpoints}

    @classmethod
    def create(
        cls,
        prefix: str = "vlcp",
        directory: str | None = None,
        hosts: int = 1,
        database: str = "sqlite",
        zookeeper_nodes: int = 1,
        say: Callable[[str], None] | None = None,
        network: str = "vlan",
        outside: str | None = None,
        forward: int = 0,
    ) -> Lab:
        """Return a laboratory that is not up yet.

        :param network: what joins hypervisors, ``vlan`` or ``vxlan``
        :param outside: type of the network to a host outside, ``native`` or ``vlan``; ``None`` for no such host
        :param forward: how many hypervisors are forwarding nodes; these are cabled to that network
        :raises LabError: this machine cannot hold one, or the names cannot work
        """
        check_machine()
        try:
            path = directory or default_directory(prefix)
            plan = make_plan(prefix, path, hosts, database, zookeeper_nodes, network, outside, forward)
        except ValueError as error:
            raise LabError(str(error)) from None
        return cls(plan, say)

    @classmethod
    def load(cls, prefix: str = "vlcp", directory: str | None = None, say: Callable[[str], None] | None = None) -> Lab:
        """Return the laboratory that runs.

        :raises LabError: none runs under this prefix
        """
        check_machine()
        path = os.path.join(directory or default_directory(prefix), STATE)
        try:
            with open(path, encoding="utf-8") as state:
                return cls(LabPlan.from_json(json.load(state)), say)
        except FileNotFoundError:
            raise LabError(f"no laboratory runs with prefix {prefix!r}; start one with: vlcp-lab up") from None
        except (ValueError, KeyError, TypeError) as error:
            raise LabError(f"{path} cannot be read ({error}); remove it with: vlcp-lab down") from None

    def up(self, controllers: bool = True) -> None:
        """Make underlay and hypervisors, and with ``controllers`` start these.

        :raises LabError: something of a laboratory with this prefix is there already, or a step failed; what was made is removed
        """
        if namespaces(self.plan.prefix) or os.path.exists(self.plan.directory):
            raise LabError(f"a laboratory with prefix {self.plan.prefix!r} is there already; remove it with: vlcp-lab down")
        try:
            os.makedirs(self.plan.directory, mode=0o755)
            self._save()
            self._create_underlay()
            for host in self.hosts.values():
                self._create_host(host)
            if self.outside is not None:
                self._say(f"host outside: namespace {self.outside.namespace}, cabled to {', '.join(self.plan.forwarding)}")
                self.outside.create([self.hosts[name] for name in self.plan.forwarding])
            self._create_databases()
            if controllers:
                self.start_controllers()
        except BaseException:
            down(self.plan.prefix, self.plan.directory)
            raise

    def _create_host(self, host: Hypervisor) -> None:
        self._say(f"hypervisor {host.name}: namespace {host.namespace}, Open vSwitch with bridge br0 (userspace datapath)")
        host.create()
        if self.plan.network == "vxlan":
            host.attach_tunnel()
        attach_to_management(self.plan, host.name)

    def add_host(self, config: Mapping[str, Any] | None = None, controller: bool = True) -> Hypervisor:
        """Add a hypervisor to the running laboratory.

        It gets the first free name. On VLAN its trunk is no port of its bridge yet: see :meth:`Hypervisor.attach_trunk`.

        :param config: configuration keys to add for its controller
        :param controller: start its controller and wait until it answers
        :raises LabError: there is no room, or a step failed; what was made is removed
        """
        try:
            name = self.plan.add_host()
        except ValueError as error:
            raise LabError(str(error)) from None
        host = self.hosts[name] = Hypervisor(self.plan, name)
        host.controller.extra_config.update(config or {})
        self._save()
        try:
            self._create_host(host)
            if controller:
                self.start_controllers()
        except BaseException:
            self.remove_host(name)
            raise
        return host

    def remove_host(self, name: str) -> None:
        """Remove a hypervisor with its endpoints.

        Its endpoints leave the switch while its controller runs, so that it takes back what it has told the others.

        :raises LabError: there is no such hypervisor, or it is the only one
        """
        host = self.host(name)
        if len(self.hosts) == 1:
            raise LabError(f"hypervisor {name} is the only one; remove the laboratory with: vlcp-lab down")
        for endpoint in [endpoint.plan.name for endpoint in self.endpoints.values() if endpoint.host is host]:
            self.remove_endpoint(endpoint)
        self._wait_forgotten(host)
        host.delete()
        del self.hosts[name]
        self.plan.hosts.remove(name)
        self.plan.forwarding = [other for other in self.plan.forwarding if other != name]
        self._save()

    def _wait_forgotten(self, host: Hypervisor) -> None:
        """Give the controller of a hypervisor some time to tell the others that it has no endpoints any more."""
        if host.controller.pid is None:
            return
        try:
            wait_until(lambda: not self._senders_to(host.name), FORGOTTEN_S, f"end of the tunnels to {host.name}", step_s=0.1)
        except LabError as error:
            self._say(f"{error}; {host.name} is removed all the same")

    def _senders_to(self, name: str) -> list[str]:
        """Return the other hypervisors whose switches send to the tunnel address of one."""
        place = f"{self.plan.tunnel_address(name)}->tun_dst"
        others = [host for host in self.hosts.values() if host.name != name]
        return [host.name for host in others if any(place in line for line in host.dump_flows() + host.dump_groups())]

    def _create_underlay(self) -> None:
        underlay = self.plan.namespace("net")
        run(["ip", "netns", "add", underlay])
        for bridge in ("under", "mgmt"):
            run(["ip", "-n", underlay, "link", "add", bridge, "type", "bridge"])
            run(["ip", "-n", underlay, "link", "set", bridge, "up"])

    def _create_databases(self) -> None:
        for name, node in self.databases.items():
            self._say(f"database {name}: {self.plan.database} at {node.address}, namespace {node.namespace}")
            node.create(wait=False)
        for node in self.databases.values():
            node.wait_ready()

    def host(self, name: str) -> Hypervisor:
        """Return a hypervisor by its name.

        :raises LabError: there is none
        """
        if name not in self.hosts:
            raise LabError(f"hypervisor {name!r}: one of {', '.join(self.hosts)}")
        return self.hosts[name]

    def database(self, name: str) -> DatabaseNode:
        """Return a database node by its name.

        :raises LabError: there is none
        """
        if name not in self.databases:
            raise LabError(f"database node {name!r}: one of {', '.join(self.databases) or 'none (the store is a file)'}")
        return self.databases[name]

    def set_underlay_link(self, name: str, up: bool) -> None:
        """Connect a hypervisor to the underlay or cut it off."""
        run(["ip", "-n", self.plan.namespace("net"), "link", "set", "dev", name, "up" if up else "down"])

    def start_controllers(self) -> None:
        """Start the controllers that do not run and wait until all answer."""
        starting = [host.controller for host in self.hosts.values() if host.controller.pid is None]
        for controller in starting:
            self._say(f"controller of {controller.host}: started, log in {controller.log_path}")
            controller.start(wait=False)
        for controller in starting:
            controller.wait_ready()

    def add_endpoint(
        self,
        name: str,
        host: str,
        iface_id: str,
        network: str,
        ip: str | None = None,
        mac: str | None = None,
        gateway: str | None = None,
    ) -> Endpoint:
        """Make an endpoint and cable it to a hypervisor's bridge.

        :param ip: address with prefix length; ``None`` gives it none
        :param mac: ``None`` takes one that no other endpoint has
        :param gateway: address that it sends everything else to; ``None`` for none
        :raises LabError: the name is taken or too long
        """
        if name in self.endpoints or len(name) > 12:
            raise LabError(f"endpoint {name!r}: the name is taken or longer than 12 characters")
        entry = EndpointPlan(name, host, iface_id, network, mac or self.free_mac(), ip, gateway)
        endpoint = Endpoint(self.plan, self.hosts[host], entry)
        endpoint.create()
        self.plan.endpoints.append(entry)
        self.endpoints[name] = endpoint
        self._save()
        return endpoint

    def free_mac(self) -> str:
        """Return a MAC address that no endpoint has."""
        used = {entry.mac for entry in self.plan.endpoints}
        return next(mac for mac in map(endpoint_mac, range(1, 1 << 24)) if mac not in used)

    def remove_endpoint(self, name: str) -> None:
        """Delete an endpoint and its bridge port."""
        endpoint = self.endpoints.pop(name)
        endpoint.delete()
        self.plan.endpoints.remove(endpoint.plan)
        self._save()

    def _save(self) -> None:
        with open(os.path.join(self.plan.directory, STATE), "w", encoding="utf-8") as state:
            json.dump(self.plan.to_json(), state, indent=1)

    def down(self) -> None:
        """Remove everything."""
        for host in self.hosts.values():
            host.controller.stop()
        down(self.plan.prefix, self.plan.directory)


def down(prefix: str, directory: str | None = None) -> list[str]:
    """Remove whatever is left of a laboratory, in whatever state it is; return the names of the namespaces removed.

    It may be called at any time and twice.
    """
    names = namespaces(prefix)
    pids = [int(pid) for name in names for pid in run(["ip", "netns", "pids", name], check=False).split()]
    kill_all([pid for pid in pids if pid != os.getpid()])
    for name in names:
        run(["ip", "netns", "delete", name], check=False)
    path = directory or default_directory(prefix)
    if os.path.exists(os.path.join(path, STATE)) or path == default_directory(prefix):
        shutil.rmtree(path, ignore_errors=True)
    return names
