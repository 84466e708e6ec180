"""One hypervisor: a namespace with an Open vSwitch of its own and a controller."""

from __future__ import annotations

import json
import os
import re
import shutil
from typing import Mapping, Sequence

from vlcp.lab._plan import (
    BRIDGE,
    OPENFLOW_PORT,
    OUT_PORT,
    OUTSIDE_BRIDGE,
    OUTSIDE_CABLE,
    OUTSIDE_VLAN,
    TRUNK,
    TUNNEL,
    UNDERLAY_BRIDGE,
    UNDERLAY_MTU,
    LabPlan,
)
from vlcp.lab._shell import LabError, inside, is_alive, kill_all, run, wait_until
from vlcp.lab.controller import Controller

SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"


class Hypervisor:
    """Open vSwitch with one bridge in a network namespace, and its controller.

    :param plan: the laboratory
    :param name: name of the hypervisor, as ``hv1``
    """

    def __init__(self, plan: LabPlan, name: str) -> None:
        self.plan = plan
        self.name = name
        self.namespace = plan.namespace(name)
        self.directory = os.path.join(plan.directory, name)
        self.controller = Controller(plan, name)
        self.switch_options: list[str] = []

    @property
    def environment(self) -> dict[str, str]:
        """Variables that make the programs of Open vSwitch use this switch."""
        return {"OVS_RUNDIR": self.directory, "OVS_LOGDIR": self.directory, "OVS_DBDIR": self.directory}

    @property
    def _database_socket(self) -> str:
        return os.path.join(self.directory, "db.sock")

    def create(self) -> None:
        """Make the namespace with its loopback and the cable to the underlay, and start Open vSwitch with the bridge."""
        os.makedirs(self.directory, exist_ok=True)
        run(["ip", "netns", "add", self.namespace])
        run(["ip", "-n", self.namespace, "link", "set", "lo", "up"])
        underlay = self.plan.namespace("net")
        run(
            ["ip", "link", "add", "name", TRUNK, "netns", self.namespace, "type", "veth"]
            + ["peer", "name", self.name, "netns", underlay]
        )
        run(["ip", "-n", self.namespace, "link", "set", TRUNK, "up"])
        run(["ip", "-n", underlay, "link", "set", "dev", self.name, "master", "under", "up"])
        run(["ovsdb-tool", "create", os.path.join(self.directory, "conf.db"), SCHEMA])
        self.start_switch()
        self._create_bridge()

    def delete(self) -> None:
        """End what runs here and remove the namespace, its cables and its directory; no step has to have been made."""
        kill_all([int(pid) for pid in run(["ip", "netns", "pids", self.namespace], check=False).split()])
        for cable in (self.name, f"m-{self.name}"):
            run(["ip", "-n", self.plan.namespace("net"), "link", "delete", cable], check=False)
        run(["ip", "netns", "delete", self.namespace], check=False)
        shutil.rmtree(self.directory, ignore_errors=True)

    def start_switch(self) -> None:
        """Start those that do not run: ovsdb-server, and ovs-vswitchd with ``switch_options`` on its command line."""
        database = os.path.join(self.directory, "conf.db")
        self._start(["ovsdb-server", database, f"--remote=punix:{self._database_socket}"], "ovsdb-server")
        self.vsctl("--no-wait", "init")
        self.vsctl("--no-wait", "set", "Open_vSwitch", ".", f"external_ids:system-id={self.name}")
        self._start(["ovs-vswitchd", f"unix:{self._database_socket}", *self.switch_options], "ovs-vswitchd")
        if UNDERLAY_BRIDGE in self.vsctl("--no-wait", "list-br").split():
            self._address_tunnel()

    def _start(self, argv: list[str], program: str) -> None:
        pid = self._pid_of(program)
        if pid is not None and is_alive(pid):
            return
        options = ["--pidfile", "--detach", "--no-chdir", f"--log-file={self.directory}/{program}.log", "-vconsole:off"]
        run(inside(self.namespace, argv + options), env=self.environment)

    def stop_switch(self, programs: Sequence[str] = ("ovs-vswitchd", "ovsdb-server")) -> None:
        """End the named programs of Open vSwitch as a crash would: with SIGKILL after a short grace."""
        kill_all([pid for pid in map(self._pid_of, programs) if pid is not None])

    def _pid_of(self, program: str) -> int | None:
        try:
            with open(os.path.join(self.directory, f"{program}.pid"), encoding="ascii") as stored:
                return int(stored.read())
        except (FileNotFoundError, ValueError):
            return None

    def _create_bridge(self) -> None:
        self.vsctl(
            *["add-br", BRIDGE, "--", "set", "Bridge", BRIDGE, "datapath_type=netdev", "fail_mode=secure"],
            *["protocols=OpenFlow10,OpenFlow13", "--", "set-controller", BRIDGE, f"tcp:127.0.0.1:{OPENFLOW_PORT}"],
            *["--", "set", "Controller", BRIDGE, "max_backoff=1000", "inactivity_probe=10000"],
        )

    def vsctl(self, *arguments: str, timeout_s: float = 20) -> str:
        """Run ``ovs-vsctl`` on this switch's database and return what it prints."""
        return run(["ovs-vsctl", f"--db=unix:{self._database_socket}", *arguments], env=self.environment, timeout_s=timeout_s)

    def ofctl(self, *arguments: str, timeout_s: float = 20) -> str:
        """Run ``ovs-ofctl`` with OpenFlow 1.3 and return what it prints."""
        return run(["ovs-ofctl", "-O", "OpenFlow13", *arguments], env=self.environment, timeout_s=timeout_s)

    def appctl(self, *arguments: str) -> str:
        """Run ``ovs-appctl`` on ovs-vswitchd and return what it prints."""
        pid = self._pid_of("ovs-vswitchd")
        return run(["ovs-appctl", "-t", f"{self.directory}/ovs-vswitchd.{pid}.ctl", *arguments], env=self.environment)

    def dump_flows(self, bridge: str = BRIDGE) -> list[str]:
        """Return the flows of a bridge as sorted lines, without counters, ages and the epoch in the cookie."""
        return sorted(filter(None, map(flow_line, self.ofctl("dump-flows", bridge).splitlines())))

    def dump_groups(self, bridge: str = BRIDGE) -> list[str]:
        """Return the groups of a bridge as sorted lines."""
        lines = self.ofctl("dump-groups", bridge).splitlines()
        return sorted(line.strip() for line in lines if "group_id=" in line)

    def attach_trunk(self) -> None:
        """Make the cable to the underlay a port of the bridge, as a physical port of that name."""
        self.vsctl("--may-exist", "add-port", BRIDGE, TRUNK)

    def attach_tunnel(self) -> None:
        """Give the cable to the underlay to a bridge of its own with the tunnel address, and add the tunnel port."""
        address = self.plan.tunnel_address(self.name)
        cables = [(self.namespace, TRUNK), (self.plan.namespace("net"), self.name), (self.plan.namespace("net"), "under")]
        for namespace, name in cables:
            run(["ip", "-n", namespace, "link", "set", "dev", name, "mtu", str(UNDERLAY_MTU)])
        hardware = f'other_config:hwaddr="{self.plan.tunnel_mac(self.name)}"'
        self.vsctl(
            *["add-br", UNDERLAY_BRIDGE, "--", "set", "Bridge", UNDERLAY_BRIDGE, "datapath_type=netdev", hardware],
            *["--", "add-port", UNDERLAY_BRIDGE, TRUNK],
        )
        self._address_tunnel()
        options = [f"options:local_ip={address}", "options:remote_ip=flow", "options:key=flow"]
        self.vsctl("add-port", BRIDGE, TUNNEL, "--", "set", "Interface", TUNNEL, "type=vxlan", *options)

    def attach_outside(self) -> None:
        """Make the cable to the host outside a port of the bridge; for VLAN a bridge between adds and removes the tags."""
        if self.plan.outside == "native":
            self.vsctl("add-port", BRIDGE, OUT_PORT)
            return
        peer = f"{OUT_PORT}-peer"
        self.vsctl(
            *["add-br", OUTSIDE_BRIDGE, "--", "set", "Bridge", OUTSIDE_BRIDGE, "datapath_type=netdev"],
            *["--", "add-port", OUTSIDE_BRIDGE, OUTSIDE_CABLE, f"tag={OUTSIDE_VLAN}"],
            *["--", "add-port", OUTSIDE_BRIDGE, peer, "--", "set", "Interface", peer, "type=patch", f"options:peer={OUT_PORT}"],
            *["--", "add-port", BRIDGE, OUT_PORT, "--", "set", "Interface", OUT_PORT, "type=patch", f"options:peer={peer}"],
        )

    def _address_tunnel(self) -> None:
        """Give the tunnel address to the bridge's own interface, which is another one when the switch has restarted."""
        address = f"{self.plan.tunnel_address(self.name)}/24"
        run(["ip", "-n", self.namespace, "address", "replace", address, "dev", UNDERLAY_BRIDGE])
        run(["ip", "-n", self.namespace, "link", "set", "dev", UNDERLAY_BRIDGE, "up"])

    def add_port(self, name: str, external_ids: Mapping[str, str], options: Sequence[str] = ()) -> None:
        """Add an interface of this namespace to the bridge.

        :param external_ids: keys of the Interface row, as ``iface-id``
        :param options: further columns of the Interface row, as ``type=dummy``
        """
        columns = [f"external_ids:{key}={json.dumps(value)}" for key, value in external_ids.items()] + list(options)
        self.vsctl("add-port", BRIDGE, name, *(["--", "set", "Interface", name, *columns] if columns else []))

    def delete_port(self, name: str) -> None:
        """Take an interface off the bridge."""
        self.vsctl("--if-exists", "del-port", BRIDGE, name)

    def is_connected(self) -> bool:
        """Tell whether the switch has a connection to the controller."""
        sockets = run(inside(self.namespace, ["ss", "-Htn", "state", "established"]), check=False)
        return f":{OPENFLOW_PORT} " in sockets

    def wait_settled(self, timeout_s: float = 20) -> None:
        """Return when the controller reports that the switch has every wanted row.

        :raises LabError: it does not within ``timeout_s`` seconds
        """
        wait_until(self._is_settled, timeout_s, f"flows of {self.name}", step_s=0.05)

    def _is_settled(self) -> bool:
        try:
            status = self.controller.api("openflowmanager", "flowstatus")
        except LabError:
            return False
        return bool(status) and all(entry["owed"] == 0 for entry in status)


def flow_line(line: str) -> str:
    """Return one line of a flow dump without counters, ages and the epoch in its cookie; "" for a line without a flow."""
    if "table=" not in line:
        return ""
    line = re.sub(r"(duration|n_packets|n_bytes|idle_age|hard_age)=[^,]*, ?", "", line.strip())
    cookie = re.match(r"cookie=(0x[0-9a-f]+), ?", line)
    if cookie:
        line = f"cookie={int(cookie.group(1), 16) & (1 << 49) - 1:#x}, " + line[cookie.end() :]
    return line
