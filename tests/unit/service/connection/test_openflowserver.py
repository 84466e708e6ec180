"""The module openflowserver accepts switches and lists their connections."""

from __future__ import annotations

import contextlib

from support.fakeswitch import FakeSwitch, SocketSwitch
from support.modules import run_modules

from vlcp.config import manager
from vlcp.protocol.openflow import Openflow, OpenflowConnectionStateEvent
from vlcp.server.module import call_api
from vlcp.service.connection.openflowserver import OpenflowServer

NODE = "module.openflowserver"


@contextlib.contextmanager
def configured(**keys):
    for name, value in keys.items():
        manager[f"{NODE}.{name}"] = value
    try:
        yield
    finally:
        for name in keys:
            del manager[f"{NODE}.{name}"]


def test_a_switch_connects_and_is_listed_in_its_virtual_host_until_it_leaves():
    async def main(container, server):
        await server.moduleloader.loadmodule(OpenflowServer)
        (listener,) = await call_api(container, "openflowserver", "getservers", {"vhost": ""})
        assert listener.localaddr[0] == "127.0.0.1"
        up = OpenflowConnectionStateEvent.createMatcher(state=OpenflowConnectionStateEvent.CONNECTION_SETUP)
        with SocketSwitch.connect(FakeSwitch(datapath_id=5), listener.localaddr[:2]):
            connection = (await up).connection
            listed = await call_api(container, "openflowserver", "getconnections", {"vhost": ""})
            other = await call_api(container, "openflowserver", "getconnections", {"vhost": "other"})
            down = connection.protocol.statematcher(connection)
            assert isinstance(connection.protocol, Openflow) and connection.protocol.vhost == ""
            assert connection.protocol.hellotimeout == 5
        await down
        after = await call_api(container, "openflowserver", "getconnections", {})
        await server.moduleloader.unloadmodule(OpenflowServer)
        return [one.openflow_datapathid for one in listed], other, after

    with configured(url="tcp://127.0.0.1:0/", **{"protocol.hellotimeout": 5}):
        assert run_modules(main) == ([5], [], [])


def test_only_this_machine_can_connect_by_default():
    assert OpenflowServer._default_url == "tcp://localhost:6653/"
