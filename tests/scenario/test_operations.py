"""Health pages, metrics, the OpenAPI document and tokens of a running server, and TLS on each of its listeners."""

from __future__ import annotations

import hashlib
import socket
import ssl
import time

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from support.redisserver import RedisServer
from support.server import MODULES, ServerProcess, free_port
from support.tls import Authority

OPERATIONS = (*MODULES, "vlcp.service.manage.health.Health", "vlcp.service.manage.metrics.Metrics")
TOKENS = "vlcp.service.manage.tokenauth.TokenAuth"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with ServerProcess(tmp_path_factory.mktemp("operations"), OPERATIONS) as running:
        yield running


def metrics(server, accept="text/plain"):
    answer = server.request("GET", "/metrics", headers={"Accept": accept})
    assert answer.status == 200
    parse = parse_openmetrics if "openmetrics" in accept else parse_text
    found = {}
    for family in parse(answer.body.decode()):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
    return found


def until_ready(server, wanted=200, culprit=None):
    deadline = time.monotonic() + 30
    while (answer := server.get("/readyz")).status != wanted or (culprit and culprit not in answer.json()["problems"]):
        assert time.monotonic() < deadline, answer
        time.sleep(0.05)
    return answer.json()


def test_a_server_is_alive_and_becomes_ready(server):
    assert server.get("/livez").json() == {"status": "ok"}
    assert until_ready(server) == {"status": "ok", "problems": {}}


@pytest.mark.parametrize("accept", ["text/plain", "application/openmetrics-text; version=1.0.0"])
def test_calls_and_transactions_are_counted(server, accept):
    before = metrics(server, accept)
    server.api("viperflow", "createphysicalnetwork", type="native")
    assert server.post("/viperflow/createphysicalnetwork", {"type": "none such"}).status == 400
    assert server.get("/nothing/here").status == 404
    after = metrics(server, accept)

    def grown(name, **labels):
        key = tuple(sorted(labels.items()))
        return after[name].get(key, 0) - before.get(name, {}).get(key, 0)

    assert grown("vlcp_api_calls_total", module="viperflow", api="createphysicalnetwork", status="200") == 1
    assert grown("vlcp_api_calls_total", module="", api="", status="404") == 1
    assert grown("vlcp_transactions_total", result="committed") == 1
    assert grown("vlcp_transaction_runs_total") >= 1
    assert grown("vlcp_transaction_seconds_count") >= 1
    assert after["vlcp_module_loaded"][("module", "viperflow"),] == 1
    assert after["vlcp_connections"][("server", "httpserver"), ("vhost", "api")] >= 1
    assert after["vlcp_queue_events"][()] >= 0


def test_names_that_no_module_has_do_not_fill_the_counters(server):
    def labels():
        return len(metrics(server)["vlcp_api_calls_total"])

    server.get("/nothing/here")
    before = labels()
    for number in range(20):
        server.get(f"/unknown{number}/api")
        server.get(f"/viperflow/unknown{number}")
    assert labels() == before


@pytest.mark.redis
def test_a_store_that_cannot_be_read_makes_a_server_unready_but_leaves_it_alive(tmp_path):
    redis = RedisServer(tmp_path)
    config = {
        "proxy.kvstorage": "vlcp.service.connection.redisdb.RedisDB",
        "proxy.updatenotifier": "vlcp.service.kvdb.redisnotifier.RedisNotifier",
        "module.redisdb.url": redis.url,
    }
    with ServerProcess(tmp_path, OPERATIONS, config) as server:
        assert "store cannot be read" in until_ready(server, 503, "objectdb")["problems"]["objectdb"]
        assert server.get("/livez").status == 200
        with redis:
            until_ready(server)


def test_a_module_that_could_not_be_loaded_makes_a_server_unready(tmp_path):
    with ServerProcess(tmp_path, (*OPERATIONS, "vlcp.service.manage.nothing.Nothing")) as server:
        problems = until_ready(server, 503)["problems"]
        assert "vlcp.service.manage.nothing" in problems["server"]


def test_the_openapi_document_is_valid_and_names_every_api(server):
    document = server.get("/openapi.json").json()
    OpenAPIV31SpecValidator(document).validate()
    apis = server.api("viperflow", "discover")
    assert {f"/viperflow/{name}" for name in apis} <= set(document["paths"])
    post = document["paths"]["/viperflow/createlogicalport"]["post"]
    schema = post["requestBody"]["content"]["application/json"]["schema"]
    assert schema["required"] == ["logicalnetwork"]
    assert schema["properties"]["logicalnetwork"]["description"]


@pytest.fixture
def guarded(tmp_path):
    lines = [("admin", b"all", ""), ("reader", b"read", "viperflow/listphysicalnetworks")]
    path = tmp_path / "tokens"
    path.write_text("".join(f"{name} {hashlib.sha256(token).hexdigest()} {calls}\n" for name, token, calls in lines))
    path.chmod(0o600)
    config = {
        "module.webapi.authmethod": "bearertoken",
        "module.tokenauth.tokenfile": str(path),
        "module.tokenauth.openapis": ("viperflow/discover",),
    }
    with ServerProcess(tmp_path, (*OPERATIONS, TOKENS), config) as server:
        yield server


def test_only_holders_of_a_token_may_call_and_only_what_it_grants(guarded):
    def status(path, token=None):
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return guarded.request("GET", path, headers=headers).status

    listing = "/viperflow/listphysicalnetworks"
    refused = guarded.get(listing)
    assert (refused.status, refused.headers["WWW-Authenticate"]) == (401, 'Bearer realm="vlcp"')
    assert "token" in refused.error
    assert status(listing, "wrong") == 401
    assert status(listing, "read") == 200
    assert status("/manager/activemodules", "read") == 403
    assert status("/manager/activemodules", "all") == 200
    assert status("/openapi.json") == 401
    assert status("/openapi.json", "all") == 200
    assert status("/viperflow/discover") == 200
    assert status("/livez") == 200


def test_tokens_are_read_again_and_a_wrong_file_changes_nothing(guarded):
    def call(name, token):
        return guarded.request("GET", f"/tokenauth/{name}", headers={"Authorization": f"Bearer {token}"})

    path = guarded.directory / "tokens"
    path.write_text("broken\n")
    answer = call("reloadtokens", "all")
    assert (answer.status, "line 1" in answer.error) == (400, True)
    path.write_text(f"admin {hashlib.sha256(b'new').hexdigest()}\n")
    assert call("reloadtokens", "all").json() == {"result": 1}
    assert call("listtokens", "all").status == 401
    assert call("listtokens", "new").json() == {"result": {"admin": ["*"]}}


OPENFLOW_HELLO = bytes((4, 0, 0, 8, 0, 0, 0, 1))


@pytest.mark.parametrize(
    ("key", "sent", "expected"),
    [
        ("module.httpserver.vhost.tls", b"GET /viperflow/discover HTTP/1.1\r\nHost: localhost\r\n\r\n", b"HTTP/1.1 "),
        ("module.openflowserver", OPENFLOW_HELLO, b"\x04\x00"),
        ("module.jsonrpcserver", b"", b'"method"'),
    ],
    ids=["http", "openflow", "jsonrpc"],
)
def test_each_listener_takes_tls_and_can_ask_for_a_certificate(tmp_path, key, sent, expected):
    authority, other = Authority(tmp_path, "ca"), Authority(tmp_path, "other")
    identity, client, stranger = authority.issue("server"), authority.issue("client"), other.issue("stranger")
    port = free_port()
    config = {
        f"{key}.url": f"ssl://127.0.0.1:{port}/",
        f"{key}.key": identity.key,
        f"{key}.certificate": identity.certificate,
        f"{key}.ca_certs": authority.certificate,
        "module.jsonrpcserver.ovsdb": True,
    }
    for name in ("openflowserver", "jsonrpcserver"):
        config.setdefault(f"module.{name}.url", None)
    startup = (*MODULES, "vlcp.service.sdn.ovsdbmanager.OVSDBManager", "vlcp.service.sdn.ofpmanager.OpenflowManager")

    def exchange(holder, sent):
        context = ssl.create_default_context(cafile=authority.certificate)
        if holder is not None:
            context.load_cert_chain(holder.certificate, holder.key)
        with (
            socket.create_connection(("127.0.0.1", port), 10) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as tls,
        ):
            tls.sendall(sent)
            received = b""
            while expected not in received:
                part = tls.recv(65536)
                if not part:
                    break
                received += part
            return received

    with ServerProcess(tmp_path, startup, config):
        assert expected in exchange(client, sent)
        for refused in (None, stranger):
            with pytest.raises((ssl.SSLError, ConnectionError)):
                assert exchange(refused, sent) == b"", "a stranger was answered"
                raise ConnectionError("closed without an answer")


def test_callers_without_a_token_do_not_fill_the_counters(guarded):
    for number in range(20):
        assert guarded.get(f"/unknown{number}/api").status == 401
    counted = metrics(guarded)["vlcp_api_calls_total"]
    assert counted[("api", ""), ("module", ""), ("status", "401")] == 20
    assert not [labels for labels in counted if "unknown" in str(labels)]
