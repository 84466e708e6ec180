"""JSON-RPC and OVSDB between two connections in one process."""

from __future__ import annotations

import json
import socket
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.poller import run_scheduler

from vlcp.event.connection import Client, TcpServer
from vlcp.protocol._wire.jsonframe import JsonFramer
from vlcp.protocol.jsonrpc import (
    JsonFormatException,
    JsonRPC,
    JsonRPCConnectionStateEvent,
    JsonRPCErrorResultException,
    JsonRPCNotificationEvent,
    JsonRPCProtocolException,
    JsonRPCRequestEvent,
    JsonRPCResponseEvent,
)
from vlcp.protocol.ovsdb import OVSDB
from vlcp.utils import ovsdb


class FakeConnection:
    connmark = 0
    connected = True

    def __init__(self, protocol):
        self.wire = JsonFramer(protocol.messagelimit, protocol.levellimit)
        self.jsonrpc_id = 0


async def pair(container, server_protocol, client_protocol):
    server = TcpServer("tcp://127.0.0.1:0/", server_protocol, container.scheduler)
    server.start()
    while not server.listening:
        await container.wait_with_timeout(0.002)
    client = Client(f"tcp://127.0.0.1:{server.localaddr[1]}/", client_protocol, container.scheduler)
    client.start()
    up = JsonRPCConnectionStateEvent.createMatcher("up", None, None, client_protocol)
    served = JsonRPCConnectionStateEvent.createMatcher("up", None, None, server_protocol)
    _events, found = await container.wait_for_all(up, served)
    return (client, found[served].connection)


async def serve(connection):
    protocol = connection.protocol
    while True:
        request = await JsonRPCRequestEvent.createMatcher(connection=connection)
        request.canignore = True
        if request.method == "add":
            await connection.write(protocol.formatreply(sum(request.params), request.id, connection))
        elif request.method == "fail":
            await connection.write(protocol.formaterror("no", request.id, connection))


def test_requests_are_answered_and_errors_raise():
    async def main(container):
        used = JsonRPC()
        client, served = await pair(container, JsonRPC(), used)
        container.subroutine(serve(served), daemon=True)
        assert await used.querywithreply("add", [1, 2, 3], client) == (6, None)
        with pytest.raises(JsonRPCErrorResultException, match="no"):
            await used.querywithreply("fail", [], client)
        assert await used.querywithreply("fail", [], client, raiseonerror=False) == (None, "no")

    run_scheduler(main)


def test_notifications_arrive_by_method():
    async def main(container):
        used = JsonRPC()
        client, served = await pair(container, JsonRPC(), used)
        for method in ("other", "wanted"):
            await served.write(served.protocol.formatnotification(method, [method], served))
        assert await used.waitfornotify("wanted", client, container) == ("wanted", ["wanted"])

    run_scheduler(main)


def test_a_request_fails_when_the_connection_goes_down_before_the_answer():
    async def main(container):
        used = JsonRPC()
        client, served = await pair(container, JsonRPC(), used)

        async def drop():
            await JsonRPCRequestEvent.createMatcher("never", served)
            await served.shutdown(True)

        container.subroutine(drop(), daemon=True)
        with pytest.raises(JsonRPCProtocolException, match="went down"):
            await used.querywithreply("never", [], client)
        with pytest.raises(JsonRPCProtocolException, match="down"):
            await used.querywithreply("never", [], client)

    run_scheduler(main)


def test_ovsdb_answers_echo_and_refuses_everything_else():
    async def main(container):
        used = JsonRPC()
        client, _served = await pair(container, OVSDB(), used)
        assert await used.querywithreply("echo", ["x", 1], client) == (["x", 1], None)
        with pytest.raises(JsonRPCErrorResultException, match="unknown method"):
            await used.querywithreply("transact", [], client)

    run_scheduler(main)


def test_a_silent_ovsdb_peer_is_dropped_in_keepalive_time_and_timeout():
    async def main(container):
        used = OVSDB()
        used.keepalivetime, used.keepalivetimeout, used.persist = 0.1, 0.1, False
        silent = socket.socket()
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        client = Client(f"tcp://127.0.0.1:{silent.getsockname()[1]}/", used, container.scheduler)
        client.start()
        await used.statematcher(client, "up", False)
        begin = time.monotonic()
        await used.statematcher(client, "down", False)
        assert 0.15 < time.monotonic() - begin < 1

    run_scheduler(main)


def test_an_ovsdb_peer_that_answers_echo_stays():
    async def main(container):
        used = OVSDB()
        used.keepalivetime, used.keepalivetimeout = 0.05, 0.5
        client, _served = await pair(container, OVSDB(), used)
        await container.wait_with_timeout(0.4)
        assert client.connected and client.connmark == 0

    run_scheduler(main)


def events_of(protocol, *raw):
    connection = FakeConnection(protocol)
    kept, found = b"", []
    for piece in raw:
        data = kept + piece
        events, keep = protocol.parse(connection, memoryview(data), len(kept))
        found += events
        kept = data[len(data) - keep :]
    return found


def test_the_three_kinds_of_messages_become_three_kinds_of_events():
    raw = b"".join(
        json.dumps(message).encode()
        for message in (
            {"method": "m", "params": [1], "id": "a"},
            {"method": "n", "params": [2], "id": None},
            {"result": {"x": "^"}, "error": None, "id": 7},
            {"result": None, "error": "bad", "id": 8},
        )
    )
    protocol = JsonRPC()
    for size in (1, 5, 1000):
        request, notification, result, error = events_of(protocol, *[raw[at : at + size] for at in range(0, len(raw), size)])
        assert isinstance(request, JsonRPCRequestEvent) and (request.method, request.params, request.id) == ("m", [1], "a")
        assert isinstance(notification, JsonRPCNotificationEvent) and notification.params == [2]
        assert isinstance(result, JsonRPCResponseEvent) and not result.iserror and result.result == {"x": "^"}
        assert error.iserror and (error.id, error.error) == (8, "bad")


@pytest.mark.parametrize(
    "raw",
    [b"[]", b"{}", b'{"method":1,"id":1}', b'{"id":[],"result":1}', b'{"id":{},"method":"x"}', b'{"method":null,"id":2}'],
)
def test_json_that_is_no_json_rpc_is_refused(raw):
    with pytest.raises(JsonRPCProtocolException):
        events_of(JsonRPC(), raw)


@pytest.mark.parametrize("raw", [b"GET / HTTP/1.1", b'{"a":}', b'{"a":"\xff"}', b"{]", b"[" * 2000])
def test_what_is_no_json_is_refused(raw):
    with pytest.raises(JsonFormatException):
        events_of(JsonRPC(), raw)


def test_nesting_below_the_limit_never_ends_in_a_recursion_error():
    try:
        events_of(JsonRPC(), b'{"method":"x","id":1,"params":' + b"[" * 1020 + b"]" * 1020 + b"}")
    except JsonFormatException as error:
        assert "recursion" in str(error)


@given(st.binary(max_size=100))
def test_any_bytes_give_events_or_the_documented_errors(raw):
    try:
        events_of(JsonRPC(), *[bytes([byte]) for byte in raw])
    except (JsonFormatException, JsonRPCProtocolException):
        pass


SCALARS = st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.integers(), max_size=2)


@given(st.dictionaries(st.sampled_from(["method", "params", "id", "result", "error", "x"]), SCALARS))
def test_any_object_gives_events_or_the_documented_errors(message):
    try:
        events_of(JsonRPC(), json.dumps(message).encode())
    except JsonRPCProtocolException:
        pass


def test_ovsdb_structures_are_those_of_rfc_7047():
    assert ovsdb.transact("db", ovsdb.select("T", [ovsdb.condition("name", "==", "x")], ["a"])) == (
        "transact",
        ["db", {"op": "select", "table": "T", "where": [["name", "==", "x"]], "columns": ["a"]}],
    )
    assert ovsdb.monitor_request(["a"], insert=False) == {"columns": ["a"], "select": {"insert": False}}
    assert ovsdb.wait("T", [], ["a"], [{"a": 1}], False, 5)["until"] == "!="
    assert ovsdb.omap(ovsdb.pair("a", 1), b=2) == ["map", [["a", 1], ["b", 2]]]
    assert ovsdb.getdict(["map", [["a", 1]]]) == {"a": 1} and ovsdb.getdict("no map") == {}
    assert ovsdb.omap_getvalue(["map", [["a", 1]]], "b") is None
    assert ovsdb.getlist(["set", [1, 2]]) == [1, 2] and ovsdb.getlist(3) == [3]
    assert ovsdb.getoptional(["set", []]) is None and ovsdb.getoptional(5) == 5
    assert ovsdb.oset(1, 2) == ["set", [1, 2]]
