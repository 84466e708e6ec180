"""A controller's flow modules in one process, with fake switches over sockets and OVSDB managers that obey the test."""

from __future__ import annotations

import contextlib
from typing import Any, Callable, Dict, Iterator, List

from support.fakeswitch import FakeSwitch, SocketSwitch
from support.modules import run_modules
from support.server import free_port

from vlcp.config import manager
from vlcp.server.module import Module, ModuleNotification, api, call_api
from vlcp.service.kvdb import objectdb
from vlcp.service.sdn import ioprocessing, l2switch, ofpportmanager, viperflow
from vlcp.service.sdn.plugins.networknativedriver import NetworkNativeDriver
from vlcp.service.sdn.plugins.networkvlandriver import NetworkVlanDriver

DATAPATH = 1
BRIDGE = ("br0", "sys-1", "uuid-1")


class FakeOvsdb(Module):
    """Both OVSDB managers: one bridge, and the ports that a test adds."""

    servicename = "ovsdbmanager"
    _default_service = False
    external_ids: Dict[str, str] = {}

    def __init__(self, server: Any) -> None:
        super().__init__(server)
        methods = (self.waitbridgeinfo, self.getbridgeinfo, self.getconnection, self.getbridgeexternalids, self.updatebridge)
        self.create_api(*[api(method, self.apiroutine) for method in methods])

    async def waitbridgeinfo(self, datapathid, timeout=30, vhost=""):
        """Return the bridge."""
        return BRIDGE

    async def getbridgeinfo(self, datapathid, vhost=""):
        """Return the bridge."""
        return BRIDGE

    async def getconnection(self, datapathid, vhost=""):
        """Return something that stands for a connection."""
        return "ovsdb"

    async def getbridgeexternalids(self, connection, bridge):
        """Return what was stored."""
        return dict(self.external_ids)

    async def updatebridge(self, connection, bridge, external_ids):
        """Store."""
        self.external_ids.update(external_ids)


class FakeOvsdbPorts(Module):
    """The ports that OVSDB knows."""

    servicename = "ovsdbportmanager"
    ports: Dict[int, Dict[str, Any]] = {}

    def __init__(self, server: Any) -> None:
        super().__init__(server)
        self.create_api(*[api(method, self.apiroutine) for method in (self.getports, self.getportoptions, self.resync)])

    async def getportoptions(self, datapathid, portno, vhost=""):
        """Return the options of a port."""
        port = self.ports.get(portno)
        return None if port is None else port.get("options", {})

    async def getports(self, datapathid, vhost=""):
        """Return all ports."""
        return list(self.ports.values())

    async def resync(self, datapathid, vhost=""):
        """Do nothing."""

    def change(self, number: int, name: str = "", identifier: Any = None) -> None:
        """Add a port, or remove it when there is no name, and tell everybody."""
        old = self.ports.pop(number, None)
        add = []
        if name:
            self.ports[number] = {"name": name, "ofport": number, "id": identifier, "external_ids": {}}
            add = [self.ports[number]]
        self.scheduler.emergesend(
            ModuleNotification(
                "ovsdbportmanager", "update",
                datapathid=DATAPATH, connection=None, vhost="", add=add, remove=[old] if old else [], reason="bridgemodify",
            )
        )  # fmt: skip


class IOProcessing(ioprocessing.IOProcessing):
    """The real module on the fake managers."""

    servicename = "ioprocessing"


IOProcessing.depends = (ofpportmanager.OpenflowPortManager, FakeOvsdb, FakeOvsdbPorts, objectdb.ObjectDB)


class FlowBench:
    """A running controller; ``await bench.until(condition)`` waits for something to become true."""

    def __init__(self, container: Any, server: Any, port: int) -> None:
        self.container, self.server, self.port = container, server, port
        self._switches = contextlib.ExitStack()

    async def call(self, target: str, name: str, /, **params: Any) -> Any:
        """Call an API."""
        return await call_api(self.container, target, name, params)

    async def net(self, name: str, /, **params: Any) -> Any:
        """Call an API of viperflow."""
        return await self.call("viperflow", name, **params)

    def connect(self, switch: FakeSwitch) -> SocketSwitch:
        """Let a switch connect; it is disconnected at the end."""
        return self._switches.enter_context(SocketSwitch.connect(switch, ("127.0.0.1", self.port)))

    def ovsdb(self, number: int, name: str = "", identifier: Any = None) -> None:
        """Add a port to OVSDB, or remove it when there is no name."""
        self.server.moduleloader.get_module_by_name("ovsdbportmanager").change(number, name, identifier)

    async def until(self, condition: Callable[[], Any], seconds: float = 5) -> Any:
        """Wait until ``condition()`` is true, and return its value."""
        deadline = self.container.scheduler.current_time + seconds
        while True:
            value = condition()
            if value:
                return value
            assert self.container.scheduler.current_time < deadline, condition
            await self.container.wait_with_timeout(0.01)

    async def status(self) -> Dict[str, Any]:
        """Return the flow status of the switch; of no switch an empty one."""
        found = await self.call("openflowmanager", "flowstatus")
        return found[0] if found else {"waiting_for": ["the switch"], "owed": 1, "installed": {}}

    async def quiet(self) -> Dict[str, Any]:
        """Wait until every row is acknowledged and nothing has been sent for a while; return the flow status."""
        for _ in range(500):
            status = await self.status()
            await self.container.wait_with_timeout(0.1)
            after = await self.status()
            if not after["owed"] and not after["waiting_for"] and status["installed"] == after["installed"]:
                return after
        raise AssertionError(f"rows are owed: {after}")

    def close(self) -> None:
        """Disconnect the switches."""
        self._switches.close()


@contextlib.contextmanager
def configured(values: Dict[str, Any]) -> Iterator[None]:
    """Set configuration keys for the time of the block."""
    before = dict(manager.config_items())
    for key, value in values.items():
        manager[key] = value
    try:
        yield
    finally:
        manager.clear()
        for key, value in before.items():
            manager[key] = value


def run_bench(
    scenario: Callable[[FlowBench], Any], database: Any, config: Any = None, modules: Any = (l2switch.L2Switch,)
) -> Any:
    """Run ``await scenario(bench)`` on a controller with ``ioprocessing`` and ``modules``.

    :param database: path of the SQLite file, which a second controller may use again
    """
    port = free_port()
    settings = {
        "module.openflowserver.url": f"tcp://127.0.0.1:{port}/",
        "module.sqlitedb.path": str(database),
        "module.openflowmanager.unloadgrace": 0.5,
        **(config or {}),
    }

    async def main(container: Any, server: Any) -> Any:
        bench = FlowBench(container, server, port)
        loader = server.moduleloader
        wanted: List[Any] = [viperflow.ViperFlow, NetworkNativeDriver, NetworkVlanDriver, IOProcessing, *modules]
        await container.execute_all([loader.loadmodule(module) for module in wanted])
        try:
            return await scenario(bench)
        finally:
            bench.close()
            for module in (*modules, IOProcessing, viperflow.ViperFlow):
                await loader.unloadmodule(module)

    with configured(settings):
        return run_modules(main)
