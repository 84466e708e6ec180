"""The network model through the Web API of a running controller."""

from __future__ import annotations

import json
import pathlib
import threading
import time
from urllib.parse import parse_qsl

import pytest
from support.server import MODULES, ApiFailure, ServerProcess

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden" / "api"
THIRD_PARTY = ("support.thirdparty.NumberedTestDriver", "support.thirdparty.GreDriver")
TESTS = pathlib.Path(__file__).resolve().parents[1]
OK = {"status": "OK"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with ServerProcess(tmp_path_factory.mktemp("server"), MODULES + THIRD_PARTY, python_path=[TESTS]) as server:
        yield server


def without_times(value):
    """Return a dump without ``kvdb_createtime``, which must be a time in microseconds."""
    if isinstance(value, list):
        return [without_times(item) for item in value]
    if isinstance(value, dict):
        assert value.get("kvdb_createtime", 1 << 52) > 1 << 50
        return {key: without_times(item) for key, item in value.items() if key != "kvdb_createtime"}
    return value


def test_discover_shows_every_method_as_the_original_does(server):
    expected = json.loads((GOLDEN / "viperflow-discover.json").read_text())
    found = server.get("/viperflow/discover", details="true").json()["result"]
    descriptions = {name: info.pop("description") for name, info in found.items()}
    assert {name: info for name, info in found.items() if name != "discover"} == {
        name: info for name, info in expected.items() if name != "discover"
    }
    texts = server.get("/viperflow/discover").json()["result"]
    assert all(texts[name] == text and text for name, text in descriptions.items() if name != "discover")


def test_answers_have_the_shapes_of_the_original(server):
    for entry in json.loads((GOLDEN / "viperflow-create.json").read_text()):
        params = dict(parse_qsl(entry["query"]))
        answer = server.get("/" + entry["call"], **params)
        assert answer.status == 200, answer.error
        assert answer.headers["Content-Type"].startswith("application/json")
        assert without_times(answer.json()) == {"result": entry["result"]}
        assert list(answer.json()["result"][0])[:2] == ["_type", "_key"]
    listed = server.get("/viperflow/listlogicalports", id="lp-1").json()["result"]
    assert [port["ip_address"] for port in listed] == ["192.168.1.2"]


def quoted(value):
    return value if isinstance(value, str) else "`%r`" % (value,)


def by_get(server, name, params):
    return server.get(f"/viperflow/{name}", **{key: quoted(value) for key, value in params.items()})


def by_form(server, name, params):
    return server.form(f"/viperflow/{name}", **{key: quoted(value) for key, value in params.items()})


def by_json(server, name, params):
    return server.post(f"/viperflow/{name}", params)


def script(prefix):
    """Return (method, parameters, check of the result) for each of the 35 methods, in an order that works."""
    phys, log, sub, lport = (f"{prefix}-{kind}" for kind in ("phys", "log", "sub", "lport"))
    ids = lambda *expected: lambda result: [one["id"] for one in result] == list(expected)  # noqa: E731
    same = lambda *expected: lambda result: sorted(one["id"] for one in result) == sorted(expected)  # noqa: E731
    ok = lambda result: result == OK  # noqa: E731
    attribute = lambda name, value: lambda result: [one[name] for one in result] == [value]  # noqa: E731
    pport = {"name": f"{prefix}0", "systemid": "s"}
    return [
        ("createphysicalnetwork", {"type": "vlan", "id": phys, "vlanrange": [[10, 20]]}, ids(phys)),
        ("createphysicalnetworks", {"networks": [{"id": phys + n, "type": "native"} for n in "ab"]}, ids(phys + "a", phys + "b")),
        ("updatephysicalnetwork", {"id": phys, "vlanrange": [[10, 30]]}, attribute("vlanrange", [[10, 30]])),
        (
            "updatephysicalnetworks",
            {"networks": [{"id": phys + "a", "note": [1, {"x": None}]}]},
            attribute("note", [1, {"x": None}]),
        ),
        ("listphysicalnetworks", {"id": phys}, ids(phys)),
        ("createphysicalport", {"physicalnetwork": phys, **pport}, attribute("name", f"{prefix}0")),
        (
            "createphysicalports",
            {"ports": [{"physicalnetwork": phys, "name": f"{prefix}{n}"} for n in "12"]},
            lambda r: len(r) == 2,
        ),
        ("updatephysicalport", {**pport, "speed": 10}, attribute("speed", 10)),
        ("updatephysicalports", {"ports": {"name": f"{prefix}1", "speed": 11}}, attribute("speed", 11)),
        ("listphysicalports", {"physicalnetwork": phys, "speed": 11}, attribute("name", f"{prefix}1")),
        ("createlogicalnetwork", {"physicalnetwork": phys, "id": log, "mtu": "1450", "vlanid": "15"}, attribute("vlanid", 15)),
        (
            "createlogicalnetworks",
            {"networks": [{"physicalnetwork": phys, "id": log + n} for n in "ab"]},
            ids(log + "a", log + "b"),
        ),
        ("updatelogicalnetwork", {"id": log, "vlanid": 30}, attribute("vlanid", 30)),
        ("updatelogicalnetworks", {"networks": [{"id": log + "a", "mtu": 1400}]}, attribute("mtu", 1400)),
        ("listlogicalnetworks", {"physicalnetwork": phys}, same(log, log + "a", log + "b")),
        (
            "createsubnet",
            {"logicalnetwork": log, "cidr": "10.0.0.9/24", "id": sub, "gateway": "10.0.0.1"},
            attribute("cidr", "10.0.0.0/24"),
        ),
        (
            "createsubnets",
            {"subnets": [{"logicalnetwork": log, "cidr": "10.1.0.0/24", "id": sub + n} for n in "ab"]},
            ids(sub + "a", sub + "b"),
        ),
        (
            "updatesubnet",
            {"id": sub, "host_routes": [["10.9.0.0/16", "10.0.0.2"]]},
            attribute("host_routes", [["10.9.0.0/16", "10.0.0.2"]]),
        ),
        ("updatesubnets", {"subnets": [{"id": sub + "a", "gateway": "10.1.0.7"}]}, attribute("gateway", "10.1.0.7")),
        ("listsubnets", {"logicalnetwork": log, "gateway": "10.0.0.1"}, ids(sub)),
        (
            "createlogicalport",
            {"logicalnetwork": log, "subnet": sub, "id": lport, "mac_address": "2:0:0:0:0:1"},
            attribute("mac_address", "02:00:00:00:00:01"),
        ),
        (
            "createlogicalports",
            {"ports": [{"logicalnetwork": log, "subnet": sub, "id": lport + n} for n in "ab"]},
            ids(lport + "a", lport + "b"),
        ),
        ("updatelogicalport", {"id": lport, "ip_address": "10.0.0.99"}, attribute("ip_address", "10.0.0.99")),
        ("updatelogicalports", {"ports": [{"id": lport + n, "hostname": n} for n in "ba"]}, ids(lport + "b", lport + "a")),
        ("listlogicalports", {"logicalnetwork": log}, same(lport, lport + "a", lport + "b")),
        ("deletelogicalport", {"id": lport}, ok),
        ("deletelogicalports", {"ports": [{"id": lport + n} for n in "ab"]}, ok),
        ("deletesubnet", {"id": sub}, ok),
        ("deletesubnets", {"subnets": [{"id": sub + n} for n in "ab"]}, ok),
        ("deletelogicalnetwork", {"id": log}, ok),
        ("deletelogicalnetworks", {"networks": [{"id": log + n} for n in "ab"]}, ok),
        ("deletephysicalport", pport, ok),
        ("deletephysicalports", {"ports": [{"name": f"{prefix}{n}"} for n in "12"]}, ok),
        ("deletephysicalnetwork", {"id": phys}, ok),
        ("deletephysicalnetworks", {"networks": [{"id": phys + n} for n in "ab"]}, ok),
    ]


@pytest.mark.parametrize("call", [by_get, by_form, by_json])
def test_each_method_works_through_each_transport(server, call):
    steps = script(call.__name__)
    assert len({name for name, _, _ in steps}) == 35
    for name, params, check in steps:
        answer = call(server, name, params)
        assert answer.status == 200, f"{name}: {answer.error}"
        assert check(answer.json()["result"]), f"{name}: {answer.json()}"
    assert server.api("viperflow", "listphysicalnetworks", id=f"{call.__name__}-phys") == []


def test_filters_compare_values_and_not_texts(server):
    server.api("viperflow", "createphysicalnetwork", type="native", id="filter")
    server.api("viperflow", "createlogicalnetwork", physicalnetwork="filter", id="filter-log", mtu=1450)
    assert server.get("/viperflow/listlogicalnetworks", physicalnetwork="filter", mtu="1450").json() == {"result": []}
    found = server.get("/viperflow/listlogicalnetworks", physicalnetwork="filter", mtu="`1450`").json()["result"]
    assert [network["id"] for network in found] == ["filter-log"]


def test_missing_ids_are_generated(server):
    first, second = (server.api("viperflow", "createphysicalnetwork", type="local")[0]["id"] for _ in range(2))
    assert len(first) == 36 and first != second
    assert server.get("/viperflow/createphysicalnetwork", type="local", id="").json()["result"][0]["id"]


def test_a_third_party_driver_serves_a_new_type(server):
    with pytest.raises(ApiFailure, match="400 a gre network needs the attribute key"):
        server.api("viperflow", "createphysicalnetwork", type="gre", id="gre")
    created = server.api("viperflow", "createphysicalnetwork", type="gre", id="gre", key=5)
    assert (created[0]["type"], created[0]["key"]) == ("gre", 5)
    server.api("viperflow", "createlogicalnetwork", physicalnetwork="gre", id="gre-log")
    with pytest.raises(ApiFailure, match="network type 'gre' is not supported"):
        server.api("viperflow", "updatephysicalnetwork", id="gre", x=1)
    assert server.api("viperflow", "deletelogicalnetwork", id="gre-log") == OK
    assert server.api("viperflow", "deletephysicalnetwork", id="gre") == OK


def test_ports_swap_their_addresses_and_networks_their_tags(server):
    call = server.api
    call("viperflow", "createphysicalnetwork", type="vlan", id="swap", vlanrange=[[1, 2]])
    call("viperflow", "createlogicalnetworks", networks=[{"physicalnetwork": "swap", "id": f"swap{n}"} for n in (1, 2)])
    changed = call("viperflow", "updatelogicalnetworks", networks=[{"id": "swap1", "vlanid": 2}, {"id": "swap2", "vlanid": 1}])
    assert [network["vlanid"] for network in changed] == [2, 1]
    call("viperflow", "createsubnet", logicalnetwork="swap1", cidr="10.0.0.0/24", id="swap-sub")
    ports = [{"logicalnetwork": "swap1", "subnet": "swap-sub", "id": f"swap-{n}"} for n in "ab"]
    assert [port["ip_address"] for port in call("viperflow", "createlogicalports", ports=ports)] == ["10.0.0.1", "10.0.0.2"]
    changes = [{"id": "swap-a", "ip_address": "10.0.0.2"}, {"id": "swap-b", "ip_address": "10.0.0.1"}]
    assert [port["ip_address"] for port in call("viperflow", "updatelogicalports", ports=changes)] == ["10.0.0.2", "10.0.0.1"]


def test_a_thousand_ports_are_created_listed_and_deleted_quickly(server):
    call = server.api
    call("viperflow", "createphysicalnetwork", type="native", id="many")
    call("viperflow", "createlogicalnetwork", physicalnetwork="many", id="many")
    call("viperflow", "createsubnet", logicalnetwork="many", cidr="10.0.0.0/16", id="many")
    ports = [
        {"logicalnetwork": "many", "subnet": "many", "id": f"many-{n}", "mac_address": f"02:00:00:00:{n >> 8:02x}:{n & 255:02x}"}
        for n in range(1000)
    ]
    begin = time.monotonic()
    created = call("viperflow", "createlogicalports", ports=ports)
    elapsed = time.monotonic() - begin
    assert [port["ip_address"] for port in created][:3] + [created[-1]["ip_address"]] == [
        "10.0.0.1",
        "10.0.0.2",
        "10.0.0.3",
        "10.0.3.232",
    ]
    assert len(call("viperflow", "listlogicalports", logicalnetwork="many")) == 1000
    assert call("viperflow", "deletelogicalports", ports=[{"id": port["id"]} for port in ports]) == OK
    assert call("viperflow", "listlogicalports", logicalnetwork="many") == []
    assert elapsed < 5


def test_the_model_survives_a_restart(tmp_path):
    with ServerProcess(tmp_path) as server:
        server.api("viperflow", "createphysicalnetwork", type="vlan", id="v", vlanrange=[[1, 9]])
        server.api("viperflow", "createlogicalnetwork", physicalnetwork="v", id="n")
        before = server.api("viperflow", "listlogicalnetworks")
        assert server.stop() == 0
        server.start()
        assert server.api("viperflow", "listlogicalnetworks") == before
        with pytest.raises(ApiFailure, match="409 .*already exists"):
            server.api("viperflow", "createlogicalnetwork", physicalnetwork="v", id="n")


def test_concurrent_callers_of_two_controllers_get_different_addresses(tmp_path):
    database = tmp_path / "shared.sqlite"
    first, second = ((tmp_path / name) for name in ("one", "two"))
    for directory in (first, second):
        directory.mkdir()
    config = {"module.sqlitedb.path": str(database)}
    with ServerProcess(first, config=config) as one, ServerProcess(second, config=config) as two:
        one.api("viperflow", "createphysicalnetwork", type="vlan", id="v", vlanrange=[[1, 100]])
        one.api("viperflow", "createlogicalnetwork", physicalnetwork="v", id="n")
        one.api("viperflow", "createsubnet", logicalnetwork="n", cidr="10.0.0.0/24", id="s")
        found, failures = [], []

        def create(server, prefix):
            try:
                for number in range(12):
                    port = server.api("viperflow", "createlogicalport", logicalnetwork="n", subnet="s", id=f"{prefix}-{number}")
                    network = server.api("viperflow", "createlogicalnetwork", physicalnetwork="v", id=f"{prefix}-{number}")
                    found.append((port[0]["ip_address"], network[0]["vlanid"]))
            except Exception as exc:
                failures.append(exc)

        threads = [threading.Thread(target=create, args=(server, f"{index}")) for index, server in enumerate([one, two] * 2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        addresses, tags = zip(*found)
        assert sorted(int(address.split(".")[3]) for address in addresses) == list(range(1, 49))
        assert sorted(tags) == list(range(2, 50))
        assert len(two.api("viperflow", "listlogicalports", logicalnetwork="n")) == 48
