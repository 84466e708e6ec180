"""Remote calls between two servers over real HTTP, and with servers that fail."""

from __future__ import annotations

import json
import socket
import threading
from http.client import HTTPConnection

import pytest
from support.webserver import free_port, running, wait_listening

from vlcp.server.module import Module, api, depend
from vlcp.service.manage.webapi import WebAPI
from vlcp.service.utils.remoteapi import RemoteCall, remote_api, remoteAPI
from vlcp.utils.networkmodel import LogicalNetwork


class RemoteTarget(Module):
    """What is called from afar; ``ask`` sends a call to the other module."""

    def __init__(self, server):
        super().__init__(server)
        self.create_api(api(self.echo), api(self.fail), api(self.kind), api(self.ask, self.apiroutine))

    def echo(self, **kwargs):
        "Return the parameters"
        return kwargs

    def fail(self):
        "Fail"
        raise ValueError("out of order")

    def kind(self, thing):
        "Return the type of an object"
        return type(thing).__name__

    async def ask(self, target, name, params=None, timeout=10.0):
        "Call an API of a module of the configured servers"
        if params == "network":
            params = {"thing": LogicalNetwork.create_instance("n")}
        try:
            return await remote_api(self.apiroutine, target, name, params or {}, timeout)
        except OSError as error:
            return [type(error).__name__, str(error)]


@depend(WebAPI, RemoteCall)
class RemotePair(RemoteTarget):
    """Both sides in one server."""


@pytest.fixture(scope="module")
def closed_port():
    return free_port()


@pytest.fixture(scope="module")
def silent_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture(scope="module")
def garbage_port():
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n[[[[")

    threading.Thread(target=serve, daemon=True).start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


@pytest.fixture(scope="module")
def server(closed_port, silent_port, garbage_port):
    port = free_port()
    own, dead, silent, garbage = (f"http://127.0.0.1:{one}" for one in (port, closed_port, silent_port, garbage_port))
    targets = {"remotepair": [own + "/"], "second": own, "silent": [silent], "dead": [dead, dead], "garbage": [garbage]}
    settings = {
        "module.httpserver.url": None,
        "module.httpserver.vhost.api.url": f"tcp://127.0.0.1:{port}/",
        "module.remotecall.target_url_map": {**targets, "fallback": [dead, silent, own]},
    }
    with running([RemotePair], settings) as started:
        wait_listening(port)
        started.port = port
        yield started


def ask(server, target, name="echo", params=None, timeout=10.0):
    """Let the server call a remote API and return the result."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=30)
    body = json.dumps({"target": target, "name": name, "params": params, "timeout": timeout})
    connection.request("POST", "/remotepair/ask", body, {"Content-Type": "application/json"})
    answer = json.loads(connection.getresponse().read())
    connection.close()
    return answer["result"]


def test_a_remote_call_returns_the_result(server):
    assert ask(server, "remotepair", params={"a": [1, {"b": None}], "ä": "ö"}) == {"a": [1, {"b": None}], "ä": "ö"}
    assert ask(server, "remotepair", "kind", "network") == "LogicalNetwork"


def test_an_error_of_the_api_is_raised_with_its_text(server):
    kind, text = ask(server, "remotepair", "fail")
    assert kind == "WebException"
    assert "out of order" in text
    assert ask(server, "remotepair", "missing")[0] == "WebException"
    assert ask(server, "second")[0] == "WebException"


def test_an_answer_without_a_result_is_an_error(server):
    kind, text = ask(server, "garbage")
    assert (kind, text.rpartition(": ")[2]) == ("WebException", "no result in the answer")


def test_a_server_that_is_down_or_silent_is_passed_over(server):
    assert ask(server, "fallback", timeout=4.0)[0] == "WebException"


def test_without_a_server_the_call_fails(server):
    kind, text = ask(server, "dead")
    assert kind == "OSError"
    assert "no server can be reached for dead/echo" in text
    assert "no server is configured for module 'unknown'" in ask(server, "unknown")[1]


def test_a_silent_server_ends_in_time(server):
    assert "no answer in 0.3 s" in ask(server, "silent", timeout=0.3)[1]


def test_the_old_name_is_the_same():
    assert remoteAPI is remote_api
