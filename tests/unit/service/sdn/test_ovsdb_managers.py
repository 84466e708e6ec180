"""The OVSDB managers against a real ovsdb-server and ovs-vswitchd with dummy ports."""

from __future__ import annotations

import shutil
import signal
import time

import pytest
from support.modules import run_modules
from support.ovs import OvsInstance

from vlcp.config import manager
from vlcp.protocol.jsonrpc import JsonRPCErrorResultException
from vlcp.server.module import ModuleNotification, call_api
from vlcp.service.sdn.ovsdbmanager import (
    OVSDBBridgeNotAppearException,
    OVSDBBridgeSetup,
    OVSDBConnectionSetup,
    OVSDBManager,
)
from vlcp.service.sdn.ovsdbportmanager import (
    OVSDBPortManager,
    OVSDBPortNotAppearException,
    OVSDBPortUpNotification,
)

pytestmark = pytest.mark.skipif(shutil.which("ovs-vswitchd") is None, reason="Open vSwitch is not installed")


@pytest.fixture
def ovs(tmp_path_factory):
    instance = OvsInstance(tmp_path_factory.mktemp("ovs"))
    try:
        instance.start()
        yield instance
    finally:
        instance.stop()


@pytest.fixture(autouse=True)
def configuration(ovs):
    before = dict(manager.config_items())
    manager["module.jsonrpcserver.url"] = ovs.url
    manager["module.jsonrpcserver.client"] = True
    manager["module.jsonrpcserver.ovsdb"] = True
    yield
    manager.clear()
    for key, value in before.items():
        manager[key] = value


class Watch:
    """Loads the modules and remembers what they tell."""

    def __init__(self, container, server):
        self.container, self.server = container, server
        self.bridges, self.updates, self.ups = [], [], []

    async def load(self, *modules):
        for routine in (self._bridges(), self._updates(), self._ups()):
            self.container.subroutine(routine, daemon=True)
        for module in modules:
            await self.server.moduleloader.loadmodule(module)

    async def _bridges(self):
        while True:
            event = await OVSDBBridgeSetup.createMatcher()
            self.bridges.append((event.state, event.name, event.datapathid, event.systemid))

    async def _updates(self):
        while True:
            event = await ModuleNotification.createMatcher("ovsdbportmanager", "update")
            names = lambda ports: sorted(port["name"] for port in ports)  # noqa: E731
            self.updates.append((event.reason, names(event.add), names(event.remove)))

    async def _ups(self):
        while True:
            event = await OVSDBPortUpNotification.createMatcher()
            self.ups.append((event.name, event.ofport, event.id, event.datapathid))

    async def manager(self, name, /, **parameters):
        return await call_api(self.container, "ovsdbmanager", name, parameters)

    async def ports(self, name, /, **parameters):
        return await call_api(self.container, "ovsdbportmanager", name, parameters)

    async def until(self, condition, seconds=10):
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, (self.bridges, self.updates)
            await self.container.wait_with_timeout(0.01)


def run_watch(main):
    run_modules(lambda container, server: main(Watch(container, server)))


def test_bridges_are_told_with_system_and_connection(ovs):
    dpid = ovs.add_bridge("br0", 0xABC)

    async def main(watch):
        await watch.load(OVSDBManager)
        connection = await watch.manager("waitconnection", datapathid=dpid, timeout=5)
        assert connection.connected
        (bridge,) = await watch.manager("getbridges", connection=connection)
        assert bridge[:2] == (0xABC, "br0")
        assert await watch.manager("getallbridges") == [bridge]
        assert await watch.manager("getbridge", connection=connection, name="br0") == dpid
        assert await watch.manager("getbridgebyuuid", connection=connection, uuid=bridge[2]) == dpid
        assert await watch.manager("getbridgeinfo", datapathid=dpid) == ("br0", "sys-1", bridge[2])
        assert await watch.manager("getdatapathids") == [dpid]
        assert await watch.manager("getalldatapathids") == [("", dpid)]
        assert await watch.manager("getsystemids") == ["sys-1"]
        assert await watch.manager("getallsystemids") == [("", "sys-1")]
        assert await watch.manager("getallconnections", vhost=None) == [connection]
        assert await watch.manager("getconnectionbysystemid", systemid="sys-1") is connection
        assert await watch.manager("waitconnectionbysystemid", systemid="sys-1") is connection
        assert await watch.manager("getendpoints") == [ovs.database_socket]
        assert await watch.manager("getallendpoints") == [("", ovs.database_socket)]
        assert await watch.manager("getconnectionsbyendpoint", endpoint=ovs.database_socket) == [connection]
        assert await watch.manager("getconnectionsbyendpointname", name="127.0.0.1") == []
        assert await watch.manager("getconnection", datapathid=1) is None
        assert await watch.manager("getbridgeinfo", datapathid=1) is None
        with pytest.raises(OVSDBBridgeNotAppearException, match="br9"):
            await watch.manager("waitbridge", connection=connection, name="br9", timeout=0.05)

    run_watch(main)


def test_bridges_that_come_and_go_later_are_told(ovs):
    async def main(watch):
        await watch.load(OVSDBManager)
        connection = (await OVSDBConnectionSetup.createMatcher()).connection
        dpid = ovs.add_bridge("br0")
        assert await watch.manager("waitbridge", connection=connection, name="br0", timeout=5) == dpid
        ovs.vsctl("set", "Open_vSwitch", ".", "external_ids:system-id=other")
        await watch.until(lambda: len(watch.bridges) == 3)
        ovs.vsctl("del-br", "br0")
        await watch.until(lambda: len(watch.bridges) == 4)
        assert watch.bridges == [
            ("up", "br0", dpid, "sys-1"),
            ("down", "br0", dpid, "sys-1"),
            ("up", "br0", dpid, "other"),
            ("down", "br0", dpid, "other"),
        ]

    run_watch(main)


def test_only_the_named_bridges_are_managed(ovs):
    manager["module.ovsdbmanager.bridgenames"] = ["br1"]
    ovs.add_bridge("br0", 1)
    ovs.add_bridge("br1", 2)
    ovs.add_port("br0", "p0")
    ovs.add_port("br1", "p1")

    async def main(watch):
        await watch.load(OVSDBPortManager)
        await watch.ports("waitportbyname", datapathid=2, name="p1", timeout=5)
        assert await watch.manager("getdatapathids") == [2]
        assert await watch.ports("getports", datapathid=1) == []

    run_watch(main)


def test_keys_are_written_to_and_read_from_external_ids_of_a_bridge(ovs):
    dpid = ovs.add_bridge("br0")
    ovs.vsctl("br-set-external-id", "br0", "foreign", "stays")

    async def main(watch):
        await watch.load(OVSDBManager)
        connection = await watch.manager("waitconnection", datapathid=dpid, timeout=5)
        await watch.manager(
            "updatebridge", connection=connection, bridge="br0", external_ids={"vlcp-a": '{"n": 1}', "vlcp-b": "2"}
        )
        _name, _systemid, uuid = await watch.manager("getbridgeinfo", datapathid=dpid)
        await watch.manager("updatebridge", connection=connection, bridge=uuid, external_ids={"vlcp-a": "3", "vlcp-b": None})
        expected = {"foreign": "stays", "vlcp-a": "3"}
        for _ in range(200):
            if await watch.manager("getbridgeexternalids", connection=connection, bridge="br0") == expected:
                break
            await watch.container.wait_with_timeout(0.01)
        assert ovs.vsctl("br-get-external-id", "br0", "vlcp-a") == "3"
        assert await watch.manager("getbridgeexternalids", connection=connection, bridge=uuid) == expected
        with pytest.raises(ValueError, match="no bridge"):
            await watch.manager("updatebridge", connection=connection, bridge="br7", external_ids={})

    run_watch(main)


def test_ports_are_told_with_their_record_and_found_by_number_name_and_id(ovs):
    dpid = ovs.add_bridge("br0")
    ovs.add_port("br0", "p1", "lp-1")

    async def main(watch):
        await watch.load(OVSDBPortManager)
        port = await watch.ports("waitportbyname", datapathid=dpid, name="p1", timeout=5)
        assert sorted(port) == ["_uuid", "external_ids", "id", "ifindex", "name", "ofport", "type"]
        assert (port["name"], port["id"], port["external_ids"]) == ("p1", "lp-1", {"iface-id": "lp-1"})
        number = port["ofport"]
        assert await watch.ports("getportbyno", datapathid=dpid, portno=number) is port
        assert await watch.ports("waitportbyno", datapathid=dpid, portno=number) is port
        assert await watch.ports("getportbyname", datapathid=dpid, name="p1") is port
        assert await watch.ports("getportbyid", id="lp-1") == (dpid, port)
        assert await watch.ports("waitportbyid", id="lp-1") == (dpid, port)
        # The bridge's own port has the number 65534 (OFPP_LOCAL, 0xfffffffe in OpenFlow 1.3).
        local = await watch.ports("getportbyno", datapathid=dpid, portno=0xFFFFFFFE)
        assert local["name"] == "br0" and local["id"] is None
        assert len(await watch.ports("getallports")) == 2
        assert ("p1", number, "lp-1", dpid) in watch.ups and ("br0", 65534, "", dpid) in watch.ups
        with pytest.raises(OVSDBPortNotAppearException, match="p9"):
            await watch.ports("waitportbyname", datapathid=dpid, name="p9", timeout=0.05)

    run_watch(main)


def test_ports_that_come_go_and_change_their_id_later_are_told(ovs):
    dpid = ovs.add_bridge("br0")

    async def main(watch):
        await watch.load(OVSDBPortManager)
        await watch.ports("waitportbyname", datapathid=dpid, name="br0", timeout=5)
        watch.updates.clear()
        ovs.add_port("br0", "p1")
        await watch.ports("waitportbyname", datapathid=dpid, name="p1", timeout=5)
        ovs.vsctl("set", "Interface", "p1", "external_ids:iface-id=late")
        _dpid, port = await watch.ports("waitportbyid", id="late", timeout=5)
        assert port["name"] == "p1"
        ovs.vsctl("del-port", "p1")
        await watch.until(lambda: len(watch.updates) >= 3)
        assert watch.updates == [
            ("bridgemodify", ["p1"], []),
            ("bridgemodify", ["p1"], ["p1"]),
            ("bridgemodify", [], ["p1"]),
        ]
        assert await watch.ports("getportbyid", id="late") is None

    run_watch(main)


def test_a_deleted_bridge_takes_its_ports_with_it(ovs):
    dpid = ovs.add_bridge("br0")
    ovs.add_port("br0", "p1")

    async def main(watch):
        await watch.load(OVSDBPortManager)
        await watch.ports("waitportbyname", datapathid=dpid, name="p1", timeout=5)
        ovs.vsctl("del-br", "br0")
        await watch.until(lambda: watch.updates[-1] == ("bridgedown", [], ["br0", "p1"]))
        assert await watch.ports("getallports") == []

    run_watch(main)


def test_a_port_that_the_switch_cannot_make_is_left_out(ovs):
    dpid = ovs.add_bridge("br0")
    ovs.vsctl("--no-wait", "add-port", "br0", "bad", "--", "set", "Interface", "bad", "type=nonsense")
    ovs.add_port("br0", "good")

    async def main(watch):
        await watch.load(OVSDBPortManager)
        await watch.ports("waitportbyname", datapathid=dpid, name="good", timeout=5)
        assert await watch.ports("getportbyname", datapathid=dpid, name="bad") is None

    run_watch(main)


def test_options_of_a_port_can_be_read(ovs):
    dpid = ovs.add_bridge("br0")
    ovs.add_port("br0", "vx", type="vxlan", **{"options:remote_ip": "flow", "options:local_ip": "10.0.0.1"})

    async def main(watch):
        await watch.load(OVSDBPortManager)
        port = await watch.ports("waitportbyname", datapathid=dpid, name="vx", timeout=5)
        options = await watch.ports("getportoptions", datapathid=dpid, portno=port["ofport"])
        assert options == {"remote_ip": "flow", "local_ip": "10.0.0.1"} and port["type"] == "vxlan"
        assert await watch.ports("getportoptions", datapathid=dpid, portno=999) is None

    run_watch(main)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_database_restart_keeps_the_ports_and_tells_only_what_changed(ovs, number):
    dpid = ovs.add_bridge("br0")
    ovs.add_ports("br0", ["p1", "p2"], ["lp-1", "lp-2"])

    async def main(watch):
        await watch.load(OVSDBPortManager)
        await watch.ports("waitportbyid", id="lp-2", timeout=5)
        before = {port["name"]: port["ofport"] for port in await watch.ports("getports", datapathid=dpid)}
        watch.updates.clear()
        ovs.stop_database(number)
        await watch.until(lambda: watch.bridges[-1][0] == "down")
        assert len(await watch.ports("getports", datapathid=dpid)) == 3
        ovs.start_database()
        await watch.until(lambda: watch.bridges[-1][0] == "up")
        await watch.container.wait_with_timeout(0.3)
        assert watch.updates == []
        assert {port["name"]: port["ofport"] for port in await watch.ports("getports", datapathid=dpid)} == before
        ovs.vsctl("del-port", "p1")
        await watch.until(lambda: watch.updates == [("bridgemodify", [], ["p1"])])
        assert (await watch.ports("getportbyid", id="lp-2"))[1]["name"] == "p2"

    run_watch(main)


def test_ports_of_a_database_that_stays_away_are_given_up(ovs):
    manager["module.ovsdbportmanager.keepports"] = 0.2
    dpid = ovs.add_bridge("br0")

    async def main(watch):
        await watch.load(OVSDBPortManager)
        await watch.ports("waitportbyname", datapathid=dpid, name="br0", timeout=5)
        ovs.stop_database()
        await watch.until(lambda: watch.updates[-1] == ("bridgedown", [], ["br0"]))
        assert await watch.ports("getallports") == []

    run_watch(main)


def test_an_unloaded_manager_gives_up_no_port_any_more(ovs):
    manager["module.ovsdbportmanager.keepports"] = 0.2
    dpid = ovs.add_bridge("br0")

    async def main(watch):
        await watch.load(OVSDBPortManager)
        await watch.ports("waitportbyname", datapathid=dpid, name="br0", timeout=5)
        (connection,) = await watch.manager("getallconnections")
        ovs.stop_database()
        await watch.until(lambda: not connection.connected)
        told = list(watch.updates)
        await watch.server.moduleloader.unloadmodule(OVSDBPortManager)
        await watch.container.wait_with_timeout(0.4)
        assert watch.updates == told

    run_watch(main)


def test_reloaded_managers_tell_each_port_once(ovs):
    dpid = ovs.add_bridge("br0")

    async def main(watch):
        await watch.load(OVSDBPortManager)
        await watch.ports("waitportbyname", datapathid=dpid, name="br0", timeout=5)
        before = len(watch.container.scheduler._runnables)
        loader = watch.server.moduleloader
        for module in (OVSDBPortManager, OVSDBManager):
            await loader.unloadmodule(module, ignoreDependencies=True)
            await loader.loadmodule(module)
        await watch.ports("getportbyname", datapathid=dpid, name="br0")
        watch.updates.clear()
        ovs.add_port("br0", "p1", "lp-1")
        await watch.until(lambda: watch.updates)
        await watch.container.wait_with_timeout(0.2)
        assert watch.updates == [("bridgemodify", ["p1"], [])]
        assert len(watch.container.scheduler._runnables) == before

    run_watch(main)


def test_a_switch_restart_leaves_the_ports_with_the_right_numbers(ovs):
    dpid = ovs.add_bridge("br0")
    ovs.add_ports("br0", ["p1", "p2"], ["lp-1", "lp-2"])

    async def main(watch):
        await watch.load(OVSDBPortManager)
        await watch.ports("waitportbyid", id="lp-2", timeout=5)
        ovs.stop_switch(signal.SIGKILL)
        ovs.start_switch()
        ovs.add_port("br0", "p3", "lp-3")
        await watch.ports("waitportbyid", id="lp-3", timeout=10)
        for name in ("p1", "p2", "p3"):
            expected = int(ovs.vsctl("get", "Interface", name, "ofport"))
            assert (await watch.ports("getportbyname", datapathid=dpid, name=name))["ofport"] == expected

    run_watch(main)


def test_reloaded_modules_find_everything_again(ovs):
    dpid = ovs.add_bridge("br0")

    async def main(watch):
        await watch.load(OVSDBPortManager)
        await watch.ports("waitportbyname", datapathid=dpid, name="br0", timeout=5)
        loader = watch.server.moduleloader
        await loader.unloadmodule(OVSDBPortManager)
        await loader.loadmodule(OVSDBPortManager)
        port = await watch.ports("waitportbyname", datapathid=dpid, name="br0", timeout=5)
        assert port["ofport"] == 65534

    run_watch(main)


def test_five_hundred_ports_at_once_are_told_quickly(ovs):
    dpid = ovs.add_bridge("br0")
    names = [f"p{number}" for number in range(500)]

    async def main(watch):
        await watch.load(OVSDBPortManager)
        await watch.ports("waitportbyname", datapathid=dpid, name="br0", timeout=5)
        ovs.add_ports("br0", names, ["lp-" + name for name in names])
        begin = time.process_time()
        await watch.until(lambda: len(watch.ups) >= 501, 15)
        assert time.process_time() - begin < 1
        assert len(await watch.ports("getports", datapathid=dpid)) == 501

    run_watch(main)


def test_a_database_may_connect_by_itself(ovs):
    manager["module.jsonrpcserver.url"] = "tcp://127.0.0.1:0/"
    manager["module.jsonrpcserver.client"] = False
    dpid = ovs.add_bridge("br0")
    ovs.add_port("br0", "p1", "lp-1")

    async def main(watch):
        await watch.load(OVSDBPortManager)
        (server,) = await call_api(watch.container, "jsonrpcserver", "getservers")
        ovs.vsctl("set-manager", f"tcp:127.0.0.1:{server.localaddr[1]}")
        assert (await watch.ports("waitportbyid", id="lp-1", timeout=5))[0] == dpid
        assert await watch.manager("getendpoints") == ["127.0.0.1"]
        connections = await watch.manager("getconnectionsbyendpointname", name="localhost")
        assert connections == await watch.manager("getallconnections")

    run_watch(main)


def test_a_refused_write_raises(ovs):
    dpid = ovs.add_bridge("br0")

    async def main(watch):
        await watch.load(OVSDBManager)
        connection = await watch.manager("waitconnection", datapathid=dpid, timeout=5)
        with pytest.raises(JsonRPCErrorResultException):
            await watch.manager("updatebridge", connection=connection, bridge="br0", external_ids={5: "x"})

    run_watch(main)
