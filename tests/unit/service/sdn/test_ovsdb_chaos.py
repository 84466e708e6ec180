"""Databases and switches that die at any moment: in the end the managers know what the database says."""

from __future__ import annotations

import json
import random
import shutil
import signal

import pytest
from support.modules import run_modules
from support.ovs import OvsInstance

from vlcp.config import manager
from vlcp.server.module import ModuleNotification, call_api
from vlcp.service.sdn.ovsdbportmanager import OVSDBPortManager
from vlcp.utils.connector import TaskPool

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(shutil.which("ovs-vswitchd") is None, reason="Open vSwitch is not installed"),
]
STEPS = 60


def ports_in_database(ovs):
    """Return ``{name: (ofport, id)}`` of the ports that the switch has numbered."""
    table = json.loads(ovs.vsctl("--format=json", "--columns=name,ofport,external_ids", "list", "Interface"))
    found = {}
    for name, ofport, external_ids in table["data"]:
        if isinstance(ofport, int) and ofport >= 0:
            found[name] = (ofport, dict(external_ids[1]).get("iface-id"))
    return found


def disturb(ovs, rng):
    """Do one random thing; waits of ovs-vsctl for a dead switch are left out."""
    action = rng.randrange(8)
    name = f"p{rng.randrange(20)}"
    if action < 3:
        ovs.vsctl("--no-wait", "--may-exist", "add-port", "br0", name, "--", "set", "Interface", name, "type=dummy")
    elif action == 3:
        ovs.vsctl("--no-wait", "--if-exists", "del-port", name)
    elif action == 4:
        identifier = f"external_ids:iface-id=id{rng.randrange(100)}"
        ovs.vsctl("--no-wait", "--if-exists", "set", "Interface", name, identifier)
    elif action == 5:
        ovs.stop_database(rng.choice([signal.SIGTERM, signal.SIGKILL]))
        ovs.start_database()
    elif action == 6:
        ovs.stop_switch(rng.choice([signal.SIGTERM, signal.SIGKILL]))
        ovs.start_switch()
    else:
        ovs.vsctl(
            "--no-wait",
            "--if-exists",
            "del-br",
            "br1",
            "--",
            "add-br",
            "br1",
            "--",
            "set",
            "Bridge",
            "br1",
            "datapath_type=dummy",
        )


@pytest.mark.parametrize("seed", range(3))
def test_after_any_disturbance_the_ports_are_those_of_the_database(tmp_path_factory, seed):
    ovs = OvsInstance(tmp_path_factory.mktemp("ovs"))
    manager["module.jsonrpcserver.url"] = ovs.url
    manager["module.jsonrpcserver.client"] = True
    manager["module.jsonrpcserver.ovsdb"] = True
    manager["module.ovsdbportmanager.keepports"] = 3
    ovs.start()
    try:
        run_modules(lambda container, server: main(container, server, ovs, random.Random(seed)))
    finally:
        ovs.stop()
        manager.clear()


async def main(container, server, ovs, rng):
    pool = TaskPool(container.scheduler, 1)
    pool.start()
    await pool.run_task(container, lambda: ovs.add_bridge("br0"))
    told: dict = {}

    async def listen():
        while True:
            event = await ModuleNotification.createMatcher("ovsdbportmanager", "update")
            for port in event.remove:
                assert told.pop((event.datapathid, port["_uuid"])) is not None
            for port in event.add:
                assert told.setdefault((event.datapathid, port["_uuid"]), port) is port

    container.subroutine(listen(), daemon=True)
    await server.moduleloader.loadmodule(OVSDBPortManager)
    for _ in range(STEPS):
        await pool.run_task(container, lambda: disturb(ovs, rng))
    for _ in range(100):
        expected = await pool.run_task(container, lambda: ports_in_database(ovs))
        known = await call_api(container, "ovsdbportmanager", "getallports")
        found = {port["name"]: (port["ofport"], port["id"]) for _datapath, port, _vhost in known}
        if found == expected and len(known) == len(expected):
            break
        await container.wait_with_timeout(0.1)
    assert found == expected
    assert {key[1] for key in told} == {port["_uuid"] for _datapath, port, _vhost in known}
    assert "br0" in expected
