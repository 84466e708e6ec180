"""Modules that ask for tables: their numbers, what happens to wrong requests, and reconnects of the same switch."""

from __future__ import annotations

import pytest
from support.fakeswitch import FakeSwitch
from support.flowbench import FakeOvsdb, FakeOvsdbPorts, IOProcessing, run_bench

from vlcp.server.module import ModuleLoadException
from vlcp.service.sdn import l2switch
from vlcp.service.sdn.flowbase import FlowBase


class WrongPath(FlowBase):
    _tablerequest = (("l2input", (), "elsewhere"),)


class Cycle(FlowBase):
    _tablerequest = (("l2input", ("egress",), ""),)


class OtherHost(FlowBase):
    _tablerequest = (("only", (), ""),)
    _default_vhostbind = ["other"]


@pytest.fixture(autouse=True)
def fresh_ovsdb(monkeypatch):
    monkeypatch.setattr(FakeOvsdbPorts, "ports", {})
    monkeypatch.setattr(FakeOvsdb, "external_ids", {})


def test_a_module_with_an_impossible_request_does_not_load_and_the_others_keep_their_tables(tmp_path):
    async def scenario(bench):
        loader = bench.server.moduleloader
        before = await bench.call("openflowmanager", "lastacquiredtables")
        for module in (WrongPath, Cycle):
            with pytest.raises(ModuleLoadException):
                await loader.loadmodule(module)
            assert await bench.call("openflowmanager", "lastacquiredtables") == before
        assert [name for name, _ in before[0]] == ["ingress", "l2input", "l2output", "l2learning", "egress"]
        await loader.loadmodule(OtherHost)
        assert await bench.call("openflowmanager", "lastacquiredtables", vhost="other") == ([["only", 0]], {"": [["only", 0]]})
        assert await bench.call("openflowmanager", "lastacquiredtables", vhost="none") is None
        await loader.unloadmodule(OtherHost)

    run_bench(scenario, tmp_path / "db.sqlite")


def test_a_connection_of_the_same_switch_takes_the_place_of_the_older_one(tmp_path):
    async def scenario(bench):
        first, second = FakeSwitch(datapath_id=1), FakeSwitch(datapath_id=1)
        bench.connect(first)
        await bench.quiet()
        bench.connect(second)
        await bench.until(lambda: len(second.dump()) == len(first.dump()) > 0)
        assert len(await bench.call("openflowmanager", "getallconnections")) == 1
        await bench.quiet()

    run_bench(scenario, tmp_path / "db.sqlite")


def test_auxiliary_connections_get_no_rows(tmp_path):
    async def scenario(bench):
        main, auxiliary = FakeSwitch(datapath_id=1), FakeSwitch(datapath_id=1, auxiliary_id=1)
        bench.connect(main)
        bench.connect(auxiliary)
        await bench.quiet()
        assert main.dump()
        assert auxiliary.dump() == []
        assert len(await bench.call("openflowmanager", "getconnections", datapathid=1)) == 2

    run_bench(scenario, tmp_path / "db.sqlite")


def test_the_priority_0_rows_lead_through_the_path_where_no_module_says_otherwise(tmp_path):
    async def scenario(bench):
        switch = FakeSwitch(datapath_id=1)
        bench.connect(switch)
        await bench.quiet()
        defaults = {row[0]: row[4] for row in switch.dump() if row[1] == 0}
        follow = (1).to_bytes(2, "big") + (8).to_bytes(2, "big")
        assert sorted(defaults) == [0, 1, 2, 4]
        assert [defaults[table] for table in (1, 2)] == [follow + bytes((2, 0, 0, 0)), follow + bytes((4, 0, 0, 0))]

    run_bench(scenario, tmp_path / "db.sqlite", modules=(l2switch.L2Switch,))
    assert IOProcessing.servicename == "ioprocessing"
