"""Server modules over real sockets on loopback."""

import logging
import os
import socket

import pytest
from support.modules import run_modules

from vlcp.config import defaultconfig, manager, unknown_keys
from vlcp.event.connection import Client, ConnectionWriteEvent, TcpServer
from vlcp.protocol.jsonrpc import JsonRPC
from vlcp.protocol.ovsdb import OVSDB
from vlcp.protocol.protocol import Protocol
from vlcp.server.module import ModuleLoadException, call_api
from vlcp.service.connection.jsonrpcserver import JsonRPCServer
from vlcp.service.connection.tcpserver import TcpServerBase


@defaultconfig
class ShoutProtocol(Protocol):
    """Sends back what it gets, with a prefix."""

    _default_defaultport = 0
    _default_prefix = b"plain:"
    _default_persist = True

    def parse(self, connection, data, laststart):
        if laststart == len(data):
            return super().parse(connection, data, laststart)
        return [ConnectionWriteEvent(connection, connection.connmark, data=self.prefix + bytes(data))], 0


@defaultconfig
class ShoutServer(TcpServerBase):
    """Listens for tests."""

    service = False
    _default_url = "tcp://127.0.0.1:0/"

    def __init__(self, server):
        super().__init__(server, ShoutProtocol)


@pytest.fixture(autouse=True)
def clean():
    before = dict(manager.config_items())
    yield
    manager.clear()
    for key, value in before.items():
        manager[key] = value


def configure(**keys):
    for key, value in keys.items():
        manager["module.shoutserver." + key.replace("__", ".")] = value


async def until(container, condition):
    """Wait until a function returns something true, and return it."""
    for _ in range(1000):
        found = condition()
        if found:
            return found
        await container.wait_with_timeout(0.005)
    raise AssertionError("it did not happen in time")


async def say(container, server, text=b"hi"):
    """Send a text to a listening server and return the answer."""
    with socket.create_connection(server.localaddr[:2]) as sock:
        sock.setblocking(False)
        sock.send(text)

        def receive():
            try:
                return sock.recv(1000)
            except BlockingIOError:
                return None

        return await until(container, receive)


async def hung_up(container, sock):
    """Wait until the other side has closed a connection, and close this one."""
    sock.setblocking(False)

    def ended():
        try:
            return sock.recv(1) == b""
        except BlockingIOError:
            return False

    await until(container, ended)
    sock.close()


def with_server(scenario, cls=ShoutServer):
    async def run(container, server):
        module = await server.moduleloader.loadmodule(cls)
        for one in module.getservers():
            await until(container, lambda one=one: one.listening)
        return await scenario(container, module)

    return run_modules(run)


def test_it_listens_and_virtual_hosts_have_their_own_settings():
    configure(protocol__prefix=b"all:", vhost__api__url="tcp://127.0.0.1:0/", vhost__api__protocol__prefix=b"api:")
    configure(vhost__other__urls=["tcp://127.0.0.1:0/", "tcp://localhost/"])

    async def scenario(container, module):
        async def servers(vhost=None):
            return await call_api(container, "shoutserver", "getservers", {"vhost": vhost})

        assert len(await servers()) == 4
        assert [len(await servers(vhost)) for vhost in ("", "api", "other", "nobody")] == [1, 1, 2, 0]
        assert await say(container, (await servers(""))[0]) == b"all:hi"
        (api,) = await servers("api")
        assert await say(container, api) == b"api:hi" and api.protocol.vhost == "api"
        assert await say(container, (await servers("other"))[0]) == b"all:hi"

    with_server(scenario)


def test_listening_is_stopped_and_started_by_virtual_host():
    configure(vhost__api__url="tcp://127.0.0.1:0/")

    async def scenario(container, module):
        (plain,), (api,) = module.getservers(""), module.getservers("api")
        await call_api(container, "shoutserver", "stoplisten", {"vhost": "api"})
        await until(container, lambda: not api.listening)
        assert plain.listening
        await call_api(container, "shoutserver", "startlisten", {"vhost": "api"})
        await until(container, lambda: api.listening)
        assert await say(container, api) == b"plain:hi"
        await call_api(container, "shoutserver", "stoplisten")
        await until(container, lambda: not plain.listening and not api.listening)

    with_server(scenario)


def test_updateconfig_changes_only_what_differs():
    configure(vhost__old__url="tcp://127.0.0.1:0/", vhost__kept__url="tcp://127.0.0.1:0/")

    async def scenario(container, module):
        (plain,), (old,), (kept,) = (module.getservers(vhost) for vhost in ("", "old", "kept"))
        del manager["module.shoutserver.vhost.old"]
        configure(vhost__new__url="tcp://127.0.0.1:0/", protocol__prefix=b"new:")
        configure(vhost__kept__protocol__prefix=b"new:")
        await call_api(container, "shoutserver", "updateconfig")
        assert module.getservers("old") == [] and module.getservers("kept") != [kept]
        (new,) = module.getservers("new")
        await until(container, lambda: new.listening and not old.listening and not plain.listening)
        assert await say(container, new) == b"new:hi"
        survivors = module.getservers()
        await call_api(container, "shoutserver", "updateconfig")
        assert module.getservers() == survivors
        manager["module.shoutserver.url"] = "no url"
        with pytest.raises(ValueError, match="module.shoutserver.url: expected a URL"):
            await call_api(container, "shoutserver", "updateconfig")
        assert module.getservers() == survivors

    with_server(scenario)


@pytest.mark.parametrize("managed", [True, False])
def test_managed_connections_are_listed_and_closed_with_the_module(managed):
    configure(connmanage=managed, vhost__api__url="tcp://127.0.0.1:0/")

    async def scenario(container, module):
        (plain,), (api,) = module.getservers(""), module.getservers("api")

        async def connections(vhost=None):
            return await call_api(container, "shoutserver", "getconnections", {"vhost": vhost})

        with socket.create_connection(plain.localaddr) as one, socket.create_connection(api.localaddr) as two:
            if not managed:
                await say(container, plain)
                assert await connections() == []
                return
            await until(container, lambda: len(module.getconnections()) == 2)
            (connection,) = await connections("api")
            assert connection.protocol.vhost == "api" and len(await connections("")) == 1
            one.close()
            await until(container, lambda: len(module.getconnections()) == 1)
            await module.server.moduleloader.unloadmodule(ShoutServer)
            await hung_up(container, two)
            await until(container, lambda: not connection.connected)

    with_server(scenario)


def test_clients_connect_and_are_managed():
    with socket.create_server(("127.0.0.1", 0)) as peer:
        peer.setblocking(False)
        configure(client=True, connmanage=True, url="tcp://127.0.0.1:%d/" % peer.getsockname()[1])

        async def scenario(container, module):
            assert module.getservers() == [] and isinstance(module.connections[0], Client)
            (connection,) = await until(container, module.getconnections)
            assert connection is module.connections[0]
            accepted, _ = peer.accept()
            configure(url=None)
            await call_api(container, "shoutserver", "updateconfig")
            await hung_up(container, accepted)
            await until(container, lambda: not connection.connected)
            assert module.connections == [] and module.getconnections() == []

        with_server(scenario)


def test_an_address_in_use_is_logged_and_tried_again(caplog):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        configure(url="tcp://127.0.0.1:%d/" % taken.getsockname()[1], protocol__retrylisten_interval=0.05)

        async def scenario(container, server):
            module = await server.moduleloader.loadmodule(ShoutServer)
            await until(container, lambda: "cannot listen" in caplog.text)
            assert "127.0.0.1" in caplog.text and "in use" in caplog.text
            taken.close()
            await until(container, lambda: module.getservers()[0].listening)

        with caplog.at_level(logging.WARNING):
            run_modules(scenario)


def test_an_address_is_free_again_as_soon_as_a_module_is_unloaded_or_changed(caplog):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        configure(url="tcp://127.0.0.1:%d/" % probe.getsockname()[1])

    async def scenario(container, module):
        loader = module.server.moduleloader
        for _ in range(3):
            await loader.unloadmodule(ShoutServer)
            module = await loader.loadmodule(ShoutServer)
            configure(protocol__prefix=b"%d:" % id(module))
            await call_api(container, "shoutserver", "updateconfig")
            await until(container, lambda module=module: module.getservers()[0].listening)
        assert "cannot listen" not in caplog.text

    with caplog.at_level(logging.WARNING):
        with_server(scenario)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"url": "localhost:80"}, "module.shoutserver.url: expected a URL"),
        ({"url": "tcp://host:port/"}, r"module.shoutserver, URL 'tcp://host:port/': "),
        ({"url": "unix://"}, r"module.shoutserver, URL 'unix://': "),
        ({"client": True, "url": "tcp:///"}, r"module.shoutserver, URL 'tcp:///': "),
        ({"vhost__api": "tcp:///"}, "module.shoutserver.vhost.api: expected keys below it"),
    ],
)
def test_a_wrong_url_stops_the_module_and_names_the_key(keys, said):
    configure(**keys)

    async def scenario(container, server):
        with pytest.raises(ModuleLoadException, match=said):
            await server.moduleloader.loadmodule(ShoutServer)

    run_modules(scenario)


def test_unknown_settings_are_reported(caplog):
    configure(vhost__api__ulr="tcp:///", vhost__api__vhost__x__clent=True, vhost__api__protocol__persst=True)
    configure(url="tcp://127.0.0.1:0/", key=None, ca_certs=None, vhost__api__url="tcp://127.0.0.1:0/")

    async def scenario(container, module):
        pass

    with caplog.at_level(logging.WARNING):
        with_server(scenario)
    assert "unknown protocol setting 'persst'" in caplog.text and "did you mean 'persist'" in caplog.text
    prefix = "module.shoutserver.vhost.api."
    assert [one for one in unknown_keys(manager) if one.key.startswith(prefix)] == [
        (prefix + "ulr", prefix + "url"),
        (prefix + "vhost.x.clent", prefix + "vhost.x.client"),
    ]


def test_json_rpc_clients_talk_to_an_ovsdb_socket(tmp_path):
    path = os.path.join(str(tmp_path), "db.sock")
    with socket.socket(socket.AF_UNIX) as peer:
        peer.bind(path)
        peer.listen()
        manager["module.jsonrpcserver.client"] = True
        manager["module.jsonrpcserver.url"] = f"unix://{path}"
        manager["module.jsonrpcserver.vhost.db.ovsdb"] = True
        manager["module.jsonrpcserver.vhost.db.url"] = f"unix://{path}"

        async def scenario(container, module):
            await until(container, lambda: len(module.getconnections()) == 2)
            plain, ovsdb = module.getconnections("")[0], module.getconnections("db")[0]
            assert type(plain.protocol) is JsonRPC and type(ovsdb.protocol) is OVSDB
            assert not module.service

        with_server(scenario, JsonRPCServer)


def test_json_rpc_servers_listen_on_loopback_by_default():
    assert JsonRPCServer._default_url.startswith("tcp://localhost")
    manager["module.jsonrpcserver.url"] = "tcp://127.0.0.1:0/"
    manager["module.jsonrpcserver.protocol.defaultport"] = 0

    async def scenario(container, module):
        (server,) = module.getservers()
        assert isinstance(server, TcpServer) and server.localaddr[0] == "127.0.0.1"

    with_server(scenario, JsonRPCServer)
