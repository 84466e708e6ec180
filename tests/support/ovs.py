"""A private Open vSwitch: its own database, switch process and directory; dummy ports, no kernel module, no root."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import time
from typing import Optional

SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"


class OvsInstance:
    """One ovsdb-server and one ovs-vswitchd in a directory (its path must be short: UNIX sockets).

    :param directory: where sockets, database and logs go
    :param systemid: ``external_ids:system-id``
    :param dummy: replace all ports by dummy ones, which send nothing
    """

    def __init__(self, directory: pathlib.Path, systemid: str = "sys-1", dummy: bool = True) -> None:
        self.directory = pathlib.Path(directory)
        self.systemid = systemid
        self._dummy = dummy
        self.database_socket = str(self.directory / "db.sock")
        self._processes: dict[str, subprocess.Popen] = {}
        self._environment = {
            **os.environ,
            "OVS_RUNDIR": str(self.directory),
            "OVS_LOGDIR": str(self.directory),
            "OVS_DBDIR": str(self.directory),
            "OVS_SYSCONFDIR": str(self.directory),
        }

    @property
    def url(self) -> str:
        """URL of the database for a client."""
        return f"unix://{self.database_socket}"

    def run(self, *command: str, timeout_s: float = 30) -> str:
        """Run a command with the environment of this instance and return its output.

        :raises RuntimeError: it failed; with what it wrote
        """
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True, timeout=timeout_s)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout

    def _start(self, name: str, *arguments: str) -> None:
        with open(self.directory / f"{name}.out", "ab") as output:
            self._processes[name] = subprocess.Popen(
                [name, *arguments], env=self._environment, stdout=output, stderr=output, stdin=subprocess.DEVNULL
            )

    def _stop(self, name: str, number: int) -> None:
        process = self._processes.pop(name, None)
        if process is None:
            return
        process.send_signal(number)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def start_database(self) -> None:
        """Start ovsdb-server and return when it answers."""
        database = str(self.directory / "conf.db")
        if not os.path.exists(database):
            self.run("ovsdb-tool", "create", database, SCHEMA)
        remotes = [f"--remote=punix:{self.database_socket}", "--remote=db:Open_vSwitch,Open_vSwitch,manager_options"]
        self._start("ovsdb-server", database, *remotes, "-vconsole:err")
        self._wait(lambda: self.run("ovsdb-client", "list-dbs", f"unix:{self.database_socket}", timeout_s=2))

    def start_switch(self) -> None:
        """Start ovs-vswitchd."""
        options = ["--enable-dummy=override"] if self._dummy else []
        self._start("ovs-vswitchd", f"unix:{self.database_socket}", "-vconsole:err", *options)

    @staticmethod
    def _wait(attempt, seconds: float = 10) -> None:
        deadline = time.monotonic() + seconds
        while True:
            try:
                attempt()
                return
            except (RuntimeError, subprocess.TimeoutExpired):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    def start(self) -> None:
        """Start both processes and set the system id."""
        self.directory.mkdir(parents=True, exist_ok=True)
        self.start_database()
        self.vsctl("--no-wait", "init")
        self.vsctl("--no-wait", "set", "Open_vSwitch", ".", f"external_ids:system-id={self.systemid}")
        self.start_switch()

    def stop_database(self, number: int = signal.SIGTERM) -> None:
        """Stop ovsdb-server; the switch goes on."""
        self._stop("ovsdb-server", number)

    def stop_switch(self, number: int = signal.SIGTERM) -> None:
        """Stop ovs-vswitchd."""
        self._stop("ovs-vswitchd", number)

    def stop(self) -> None:
        """Stop both processes."""
        self.stop_switch()
        self.stop_database()

    def vsctl(self, *arguments: str) -> str:
        """Run ovs-vsctl and return its output."""
        return self.run("ovs-vsctl", f"--db=unix:{self.database_socket}", "--timeout=20", *arguments).strip()

    def ofctl(self, *arguments: str, version: str = "OpenFlow13") -> str:
        """Run ovs-ofctl and return its output; bridges are named ``<name>`` and reached by their management socket."""
        return self.run("ovs-ofctl", "-O", version, *arguments)

    def appctl(self, *arguments: str) -> str:
        """Run ovs-appctl on the switch."""
        socket = self.directory / f"ovs-vswitchd.{self._processes['ovs-vswitchd'].pid}.ctl"
        return self.run("ovs-appctl", "-t", str(socket), *arguments)

    def add_bridge(self, name: str, datapathid: Optional[int] = None, controller: Optional[str] = None) -> int:
        """Add a bridge in userspace and return its datapath id.

        :param datapathid: None lets the switch choose
        :param controller: target such as ``tcp:127.0.0.1:6653``, None for none
        """
        kind = "dummy" if self._dummy else "netdev"
        settings = [f"datapath_type={kind}", "fail_mode=secure", "protocols=OpenFlow10,OpenFlow13"]
        if datapathid is not None:
            settings.append(f"other_config:datapath-id={datapathid:016x}")
        command = ["add-br", name, "--", "set", "Bridge", name, *settings]
        if controller is not None:
            command += ["--", "set-controller", name, controller]
        self.vsctl(*command)
        return int(self.vsctl("get", "Bridge", name, "datapath_id").strip('"'), 16)

    def add_port(self, bridge: str, name: str, identifier: Optional[str] = None, **columns: str) -> None:
        """Add a port; ``identifier`` becomes its ``external_ids:iface-id``."""
        settings = [f"{key}={value}" for key, value in columns.items()]
        if self._dummy and "type" not in columns:
            settings.append("type=dummy")
        if identifier is not None:
            settings.append(f"external_ids:iface-id={identifier}")
        command = ["add-port", bridge, name]
        if settings:
            command += ["--", "set", "Interface", name, *settings]
        self.vsctl(*command)

    def add_ports(self, bridge: str, names: list, identifiers: Optional[list] = None) -> None:
        """Add many dummy ports in one transaction."""
        command: list = []
        for number, name in enumerate(names):
            command += ["--", "add-port", bridge, name, "--", "set", "Interface", name, "type=dummy"]
            if identifiers is not None:
                command.append(f"external_ids:iface-id={identifiers[number]}")
        self.vsctl(*command[1:])
