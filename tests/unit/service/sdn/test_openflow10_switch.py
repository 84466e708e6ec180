"""A switch that speaks OpenFlow 1.0 only: its ports are known, and it gets no flows, which the log says."""

from __future__ import annotations

import shutil

import pytest
from support.flowbench import FakeOvsdb, FakeOvsdbPorts, configured, run_bench
from support.modules import run_modules
from support.ofswitch import DATAPATH, dummy_switch
from support.server import free_port

from vlcp.server.module import call_api
from vlcp.service.sdn import ofpportmanager

pytestmark = pytest.mark.skipif(shutil.which("ovs-vswitchd") is None, reason="Open vSwitch is not installed")


def test_its_ports_are_known_and_followed(caplog):
    with dummy_switch() as switch:
        port = free_port()
        switch.vsctl("set", "Bridge", "br0", "protocols=OpenFlow10", "--", "set-controller", "br0", f"tcp:127.0.0.1:{port}")
        switch.vsctl("set", "Controller", "br0", "max_backoff=1000")

        async def main(container, server):
            await server.moduleloader.loadmodule(ofpportmanager.OpenflowPortManager)

            async def ask(name, /, **parameters):
                return await call_api(container, "openflowportmanager", name, {"datapathid": DATAPATH, **parameters})

            first = await ask("waitportbyname", name="p1")
            local = await ask("getportbyno", portno=0xFFFE)
            names = {ofpportmanager.port_name(known) for known in await ask("getports")}
            switch.vsctl("--no-wait", "add-port", "br0", "p9", "--", "set", "Interface", "p9", "type=dummy", "ofport_request=9")
            ninth = await ask("waitportbyno", portno=9)
            switch.vsctl("--no-wait", "del-port", "br0", "p9")
            while await ask("getportbyno", portno=9) is not None:
                await container.wait_with_timeout(0.02)
            await server.moduleloader.unloadmodule(ofpportmanager.OpenflowPortManager)
            return first.port_no, local.name, names, ofpportmanager.port_name(ninth)

        with configured({"module.openflowserver.url": f"tcp://127.0.0.1:{port}/"}):
            assert run_modules(main) == (1, b"br0", {"br0", "p1", "p2", "p3"}, "p9")
    assert "Traceback" not in caplog.text


def test_it_gets_no_flows_beside_the_modules_that_make_them(tmp_path, monkeypatch, caplog):
    ports = {number: {"name": f"p{number}", "ofport": number, "id": f"lp-{number}", "external_ids": {}} for number in (1, 2)}
    monkeypatch.setattr(FakeOvsdbPorts, "ports", ports)
    monkeypatch.setattr(FakeOvsdb, "external_ids", {})
    with dummy_switch() as switch:

        async def scenario(bench):
            target = f"tcp:127.0.0.1:{bench.port}"
            switch.vsctl("set", "Bridge", "br0", "protocols=OpenFlow10", "--", "set-controller", "br0", target)
            await bench.net("createphysicalnetwork", type="native", id="local")
            await bench.net("createlogicalnetwork", physicalnetwork="local", id="net_a")
            for number in (1, 2):
                await bench.net(
                    "createlogicalport", id=f"lp-{number}", logicalnetwork="net_a", mac_address=f"02:00:00:00:00:0{number}"
                )
            await bench.until(lambda: any("it gets no flows" in text for text in caplog.messages))
            await bench.net("deletelogicalport", id="lp-2")
            assert await bench.call("openflowmanager", "flowstatus") == []
            switch.vsctl("--no-wait", "add-port", "br0", "p9", "--", "set", "Interface", "p9", "type=dummy", "ofport_request=9")
            await bench.call("openflowportmanager", "waitportbyname", datapathid=DATAPATH, name="p9", timeout=10)

        run_bench(scenario, tmp_path / "db.sqlite")
    assert "Traceback" not in caplog.text
