"""From the API to the tables of a fake switch: changes and their reverts, reconnects, restarts, refusals, drift, reloads."""

from __future__ import annotations

import pytest
from support.fakeswitch import FLOW_MOD, FakeSwitch
from support.flowbench import FakeOvsdb, FakeOvsdbPorts, IOProcessing, run_bench

from vlcp.service.sdn import ioprocessing, l2switch
from vlcp.service.sdn._flows import ledger
from vlcp.service.sdn.plugins.networknativedriver import NetworkNativeDriver

PORTS = [(1, "p1"), (2, "p2"), (3, "p3"), (9, "bond0")]
LOW = (1 << 49) - 1


@pytest.fixture(autouse=True)
def fresh_ovsdb(monkeypatch):
    records = {
        number: {"name": name, "ofport": number, "id": f"lp-{number}" if number < 9 else None, "external_ids": {}}
        for number, name in PORTS
    }
    monkeypatch.setattr(FakeOvsdbPorts, "ports", records)
    monkeypatch.setattr(FakeOvsdb, "external_ids", {})


@pytest.fixture
def database(tmp_path):
    return tmp_path / "db.sqlite"


def fake_switch(**kwargs):
    return FakeSwitch(datapath_id=1, ports=PORTS, **kwargs)


def shape(switch):
    """Rows and groups without epochs."""
    return [(*row[:3], row[3] & LOW, *row[4:]) for row in switch.dump()], switch.dump_groups()


async def networks(bench):
    await bench.net("createphysicalnetwork", type="vlan", vlanrange=[[1000, 2000]], id="vlan")
    await bench.net("createphysicalport", physicalnetwork="vlan", name="bond0")
    for name in ("net_a", "net_b"):
        await bench.net("createlogicalnetwork", physicalnetwork="vlan", id=name)


async def port(bench, number, network="net_a"):
    await bench.net("createlogicalport", id=f"lp-{number}", logicalnetwork=network, mac_address=f"02:00:00:00:00:{number:02x}")


def in_ports(switch):
    """Input ports that have rows in the first table."""
    found = [{field[:2]: field[2] for field in row[2]} for row in switch.dump() if row[0] == 0]
    return sorted(fields[0x8000, 0] for fields in found if (0x8000, 0) in fields)


def test_apply_change_and_revert_gives_the_first_table(database):
    async def scenario(bench):
        switch = fake_switch()
        bench.connect(switch)
        await bench.quiet()
        empty = shape(switch)
        await networks(bench)
        await port(bench, 1)
        await bench.until(lambda: in_ports(switch) == [1, 9])
        await bench.quiet()
        first = shape(switch)
        await port(bench, 2)
        await port(bench, 3, "net_b")
        await bench.until(lambda: in_ports(switch) == [1, 2, 3, 9, 9])
        await bench.net("deletelogicalports", ports=[{"id": "lp-2"}, {"id": "lp-3"}])
        await bench.until(lambda: in_ports(switch) == [1, 9])
        await bench.quiet()
        assert shape(switch) == first
        await bench.net("deletelogicalport", id="lp-1")
        await bench.until(lambda: in_ports(switch) == [])
        await bench.quiet()
        assert shape(switch) == empty
        assert all(row[3] >> 49 for row in switch.dump()), "every row has an epoch"

    run_bench(scenario, database)


def test_a_port_works_whether_the_switch_or_the_database_has_it_first(database):
    async def scenario(bench):
        switch = fake_switch()
        link = bench.connect(switch)
        await networks(bench)
        await port(bench, 4)
        await bench.quiet()
        assert in_ports(switch) == []
        link.send(switch.add_port(4, "p4"))
        bench.ovsdb(4, "p4", "lp-4")
        await bench.until(lambda: in_ports(switch) == [4, 9])
        bench.ovsdb(4)
        await bench.until(lambda: in_ports(switch) == [])
        bench.ovsdb(4, "p4", "lp-5")
        await bench.quiet()
        await port(bench, 5)
        await bench.until(lambda: in_ports(switch) == [4, 9])

    run_bench(scenario, database)


def test_a_port_that_moves_to_another_network_leaves_no_old_row(database):
    async def scenario(bench):
        switch = fake_switch()
        bench.connect(switch)
        await networks(bench)
        await port(bench, 1)
        await port(bench, 2, "net_b")
        await bench.until(lambda: in_ports(switch) == [1, 2, 9, 9])
        await bench.quiet()
        await bench.net("deletelogicalport", id="lp-1")
        await port(bench, 1, "net_b")
        await bench.until(lambda: in_ports(switch) == [1, 2, 9])
        await bench.quiet()
        moved = shape(switch)
        await bench.net("deletelogicalport", id="lp-1")
        await port(bench, 1, "net_b")
        await bench.quiet()
        assert shape(switch) == moved
        registers = {value for row in switch.dump() for kind, field, value, _ in row[2] if (kind, field) == (1, 5)}
        assert len(registers) == 1, "one network only"

    run_bench(scenario, database)


@pytest.mark.parametrize("bundles", [True, False])
def test_a_reconnected_switch_is_reconciled_and_never_empty(database, bundles):
    async def scenario(bench):
        switch = fake_switch(bundles=bundles)
        link = bench.connect(switch)
        await networks(bench)
        await port(bench, 1)
        await bench.until(lambda: in_ports(switch) == [1, 9])
        await bench.quiet()
        before, epochs = shape(switch), {row[3] >> 49 for row in switch.dump()}
        link.close()
        await bench.until(lambda: not link.running or True)
        sizes = []
        switch.refuse = lambda kind, xid, message: sizes.append(len(switch.tables.flows)) or None
        bench.connect(switch)
        await bench.until(lambda: switch.dump() and not epochs & {row[3] >> 49 for row in switch.dump()})
        await bench.quiet()
        assert shape(switch) == before
        assert min(sizes) == len(before[0])

    run_bench(scenario, database)


def test_rows_and_numbers_survive_a_restart_of_the_controller(database):
    switch = fake_switch()
    states = []

    async def first(bench):
        bench.connect(switch)
        await networks(bench)
        await port(bench, 2, "net_b")
        await bench.until(lambda: in_ports(switch) == [2, 9])
        await port(bench, 1)
        await bench.until(lambda: in_ports(switch) == [1, 2, 9, 9])
        await bench.quiet()
        states.append(shape(switch))

    async def second(bench):
        assert shape(switch) == states[0]
        sizes = []
        switch.refuse = lambda kind, xid, message: sizes.append(len(switch.tables.flows)) or None
        old = {row[3] >> 49 for row in switch.dump()}
        bench.connect(switch)
        await bench.until(lambda: not old & {row[3] >> 49 for row in switch.dump()})
        await bench.quiet()
        assert shape(switch) == states[0]
        assert min(sizes) == len(states[0][0])

    run_bench(first, database)
    run_bench(second, database)


def test_a_refused_row_is_shown_with_its_reason_and_sent_again(database, monkeypatch):
    monkeypatch.setattr(ledger, "RETRY_S", 0.3)

    async def scenario(bench):
        switch = fake_switch()
        refusals = []

        def refuse(kind, xid, message):
            if kind == FLOW_MOD and message[24] == 2 and message[25] == 0 and len(refusals) < 3:
                refusals.append(message)
                return 5, 1
            return None

        switch.refuse = refuse
        bench.connect(switch)
        await bench.until(lambda: len(refusals) == 3)
        status = await bench.quiet()
        assert status["refused"] == []
        assert [row for row in switch.dump() if row[0] == 2]

    run_bench(scenario, database)


def test_drift_is_repaired_and_counted(database):
    async def scenario(bench):
        switch = fake_switch()
        bench.connect(switch)
        await networks(bench)
        await port(bench, 1)
        await bench.until(lambda: in_ports(switch) == [1, 9])
        await bench.quiet()
        before = shape(switch)
        flows = switch.tables.flows
        del flows[next(key for key, flow in flows.items() if flow.table == 0 and flow.priority)]
        next(flow for flow in flows.values() if flow.table == 1).instructions = b""
        switch.tables.groups.clear()
        await bench.until(lambda: shape(switch) == before)
        await bench.quiet()
        assert (await bench.status())["drift"]["repaired"] == 3

    run_bench(scenario, database, {"module.openflowmanager.driftinterval": 0.2})


def test_reloading_flow_modules_changes_no_row_at_any_time(database):
    async def scenario(bench):
        switch = fake_switch()
        bench.connect(switch)
        await networks(bench)
        for number in (1, 2, 3):
            await port(bench, number, "net_a" if number < 3 else "net_b")
        await bench.until(lambda: in_ports(switch) == [1, 2, 3, 9, 9])
        await bench.quiet()
        before = switch.dump(), switch.dump_groups()
        received = len(switch.received)
        loader = bench.server.moduleloader
        for module in (l2switch.L2Switch, IOProcessing):
            await loader.unloadmodule(module, ignoreDependencies=True)
            await loader.loadmodule(module)
            await bench.container.wait_with_timeout(1.0)
            await bench.quiet()
            assert (switch.dump(), switch.dump_groups()) == before
        assert FLOW_MOD not in [kind for kind, _, _ in switch.received[received:]]

    run_bench(scenario, database)


def test_rows_of_an_unloaded_module_go_and_tables_are_numbered_again(database):
    async def scenario(bench):
        switch = fake_switch()
        bench.connect(switch)
        await networks(bench)
        await port(bench, 1)
        await bench.until(lambda: in_ports(switch) == [1, 9])
        await bench.quiet()
        both = shape(switch)
        await bench.server.moduleloader.unloadmodule(l2switch.L2Switch)
        await bench.until(lambda: {row[0] for row in switch.dump()} == {0, 1})
        tables = await bench.call("openflowmanager", "lastacquiredtables")
        assert tables == ([["ingress", 0], ["egress", 1]], {"": [["ingress", 0], ["egress", 1]]})
        await bench.server.moduleloader.loadmodule(l2switch.L2Switch)
        await bench.until(lambda: shape(switch) == both)

    run_bench(scenario, database)


def test_the_controller_learns_addresses_from_packets_and_forgets_them(database):
    async def scenario(bench):
        switch = fake_switch()
        link = bench.connect(switch)
        await networks(bench)
        await port(bench, 1)
        await bench.until(lambda: in_ports(switch) == [1, 9])
        await bench.quiet()
        before = shape(switch)
        (upload,) = [row for row in switch.dump() if row[0] == 1 and row[1] == 1]
        packet = b"\xff" * 6 + b"\x02\0\0\0\0\x77" + b"\x08\0" + bytes(46)
        register = (0x00010804).to_bytes(4, "big") + (1).to_bytes(4, "big")
        link.send(switch.packet_in(1, packet, table=1, cookie=upload[3], oxms=register))
        await bench.until(lambda: len(switch.dump()) == len(before[0]) + 2)
        learned = [row for row in switch.dump() if row[3] & LOW == 2]
        assert sorted((row[0], row[5][1]) for row in learned) == [(1, 75), (2, 300)]
        await bench.container.wait_with_timeout(0.6)
        sent = len(switch.received)
        link.send(switch.packet_in(1, packet, table=1, cookie=upload[3], oxms=register))
        await bench.until(lambda: [kind for kind, _, _ in switch.received[sent:]].count(FLOW_MOD) == 2)
        await bench.net("deletelogicalport", id="lp-1")
        await bench.until(lambda: in_ports(switch) == [])
        await bench.quiet()
        assert not [row for row in switch.dump() if row[3] & LOW == 2]

    run_bench(scenario, database, {"module.l2switch.learning": True, "module.l2switch.nxlearn": False})


def test_flowready_tells_when_a_pair_is_in_the_switch(database):
    async def scenario(bench):
        switch = fake_switch()
        bench.connect(switch)
        await networks(bench)
        await port(bench, 1)
        await bench.until(lambda: in_ports(switch) == [1, 9])
        await bench.quiet()
        (connection,) = await bench.call("openflowmanager", "getallconnections")
        ask = {"connection": connection, "logicalnetworkid": 1}
        assert await bench.call("ioprocessing", "flowready", physicalportid=9, **ask) is True
        assert await bench.call("ioprocessing", "flowready", physicalportid=8, **ask) is False

    run_bench(scenario, database)


def test_connections_and_ports_are_found_by_every_api_of_the_managers(database):
    async def scenario(bench):
        switch = fake_switch()
        link = bench.connect(switch)
        await bench.quiet()
        manager, ports = "openflowmanager", "openflowportmanager"
        connection = await bench.call(manager, "waitconnection", datapathid=1)
        assert await bench.call(manager, "getconnection", datapathid=1) is connection
        assert await bench.call(manager, "getconnection", datapathid=2) is None
        assert await bench.call(manager, "getconnections", datapathid=1) == [connection]
        assert await bench.call(manager, "getallconnections", vhost=None) == [connection]
        assert await bench.call(manager, "getdatapathids") == [1]
        assert await bench.call(manager, "getalldatapathids") == [("", 1)]
        assert await bench.call(manager, "getendpoints") == ["127.0.0.1"]
        assert await bench.call(manager, "getallendpoints") == [("", "127.0.0.1")]
        assert await bench.call(manager, "getconnectionsbyendpoint", endpoint="127.0.0.1") == [connection]
        assert await bench.call(manager, "getconnectionsbyendpointname", name="localhost") == [connection]
        assert await bench.call(manager, "getconnectionsbyendpointname", name="") == []
        assert len(await bench.call(ports, "getports", datapathid=1)) == len(switch.ports)
        assert len(await bench.call(ports, "getallports")) == len(switch.ports)
        assert (await bench.call(ports, "getportbyno", datapathid=1, portno=9)).port_no == 9
        assert (await bench.call(ports, "getportbyname", datapathid=1, name="bond0")).port_no == 9
        link.send(switch.add_port(7, "late"))
        assert (await bench.call(ports, "waitportbyno", datapathid=1, portno=7)).port_no == 7
        assert (await bench.call(ports, "waitportbyname", datapathid=1, name="late")).port_no == 7
        with pytest.raises(Exception, match="port 66 of datapath 0x1 has not appeared in 0.1 s"):
            await bench.call(ports, "waitportbyno", datapathid=1, portno=66, timeout=0.1)
        with pytest.raises(Exception, match="datapath 0x5 has not connected in 0.1 s"):
            await bench.call(manager, "waitconnection", datapathid=5, timeout=0.1)
        link.send(switch.delete_port(7))
        await bench.until(lambda: True)
        await bench.call(ports, "resync", datapathid=1)
        assert await bench.call(ports, "getportbyno", datapathid=1, portno=7) is None

    run_bench(scenario, database)


class LateDriver(NetworkNativeDriver):
    """Serves the type ``late``; fails at the first question."""

    servicename = "latedriver"
    network_type = "late"
    questions = 0

    def createioflowparts(self, connection, logicalnetwork, physicalport, logicalnetworkid, physicalportid):
        LateDriver.questions += 1
        if LateDriver.questions == 1:
            raise RuntimeError("not yet")
        of = connection.openflowdef
        send = [of.ofp_action_output(port=physicalportid)]
        return [], [], send, send, [of.ofp_action_output(port=of.OFPP_IN_PORT)]


def test_a_driver_that_fails_hurts_only_its_networks_and_is_asked_again(database, monkeypatch):
    monkeypatch.setattr(ioprocessing, "_DRIVER_RETRY_S", 0.2)

    async def scenario(bench):
        await bench.server.moduleloader.loadmodule(LateDriver)
        switch = fake_switch()
        bench.connect(switch)
        await bench.net("createphysicalnetwork", type="late", id="late")
        await bench.net("createphysicalport", physicalnetwork="late", name="bond0")
        await bench.net("createlogicalnetwork", physicalnetwork="late", id="net_a")
        await port(bench, 1)
        await bench.until(lambda: in_ports(switch) == [1])
        await bench.until(lambda: in_ports(switch) == [1, 9])
        assert LateDriver.questions == 2
        await bench.server.moduleloader.unloadmodule(LateDriver)

    run_bench(scenario, database)


def test_a_second_switch_with_the_same_datapath_id_is_logged_and_the_first_one_served_again_after_it(database, caplog):
    async def scenario(bench):
        async def peers():
            return [
                connection.remoteaddr[:2] for connection in await bench.call("openflowmanager", "getconnections", datapathid=1)
            ]

        first, second = fake_switch(), fake_switch()
        here = bench.connect(first)
        home = here.socket.getsockname()
        await networks(bench)
        await port(bench, 1)
        await bench.until(lambda: in_ports(first) == [1, 9])
        await bench.quiet()
        there = bench.connect(second)
        await bench.until(lambda: in_ports(second) == [1, 9])
        assert [text for text in caplog.messages if "takes the place of" in text and "switch 0x1:" in text]
        assert await peers() == [there.socket.getsockname()]
        await bench.quiet()
        await port(bench, 2)
        await bench.until(lambda: in_ports(second) == [1, 2, 9])
        assert in_ports(first) == [1, 9], "the first one keeps its rows"
        there.close()
        await bench.until(lambda: in_ports(first) == [1, 2, 9])
        assert [text for text in caplog.messages if "has its place again" in text]
        assert await peers() == [home]
        here.close()
        await bench.until(lambda: any("connection down" in text for text in caplog.messages) or None)

    caplog.set_level("INFO")
    run_bench(scenario, database)
