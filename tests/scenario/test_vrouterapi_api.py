"""Virtual routers through the Web API of a running controller."""

from __future__ import annotations

import json
import pathlib

import pytest
from support.server import MODULES, ServerProcess

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden" / "api" / "vrouterapi-discover.json"
OK = {"status": "OK"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with ServerProcess(tmp_path_factory.mktemp("server"), (*MODULES, "vlcp.service.sdn.vrouterapi.VRouterApi")) as server:
        server.api("viperflow", "createphysicalnetwork", type="local", id="phys")
        server.api("viperflow", "createlogicalnetwork", physicalnetwork="phys", id="net")
        for prefix in ("get", "form", "json", "bad"):
            for number in range(1, 4):
                cidr, gateway = f"10.{len(prefix)}.{number}.0/24", f"10.{len(prefix)}.{number}.1"
                make_subnet(server, f"{prefix}{number}", cidr, gateway=gateway)
        make_subnet(server, "bare", "10.9.1.0/24")
        make_subnet(server, "out", "10.9.2.0/24", gateway="10.9.2.1", isexternal=True)
        yield server


def make_subnet(server, identifier, cidr, **more):
    server.api("viperflow", "createsubnet", logicalnetwork="net", id=identifier, cidr=cidr, **more)


def quoted(value):
    return value if isinstance(value, str) else "`%r`" % (value,)


def by_get(server, name, params):
    return server.get(f"/vrouterapi/{name}", **{key: quoted(value) for key, value in params.items()})


def by_form(server, name, params):
    return server.form(f"/vrouterapi/{name}", **{key: quoted(value) for key, value in params.items()})


def by_json(server, name, params):
    return server.post(f"/vrouterapi/{name}", params)


def script(prefix):
    """Return (method, parameters, check of the result) for each of the 12 methods, in an order that works."""
    ok = lambda result: result == OK  # noqa: E731
    ids = lambda *expected: lambda result: sorted(one["id"] for one in result) == sorted(expected)  # noqa: E731
    router, subnet = f"{prefix}-r", prefix
    joins = [{"router": router + "2", "subnet": f"{subnet}{n}"} for n in (2, 3)]
    return [
        ("createvirtualrouter", {"id": router}, lambda r: r[0]["routes"] == [] and r[0]["interfaces"] == []),
        (
            "createvirtualrouters",
            {"routers": [{"id": router + "2", "routes": [["10.20.0.5/16", "10.0.0.1"]]}, {"id": router + "3"}]},
            lambda r: (
                [one["id"] for one in r] == [router + "2", router + "3"] and r[0]["routes"] == [["10.20.0.0/16", "10.0.0.1"]]
            ),
        ),
        ("updatevirtualrouter", {"id": router, "routes": [["10.1.0.0/16", "1.2.3.4"]]}, ids(router)),
        ("updatevirtualrouters", {"routers": [{"id": router, "note": 5}]}, lambda r: r[0]["note"] == 5),
        ("listvirtualrouters", {"id": router, "routes": [["10.1.0.0/16", "1.2.3.4"]]}, ids(router)),
        (
            "addrouterinterface",
            {"router": router, "subnet": subnet + "1", "id": prefix + "-p"},
            lambda r: r[0]["subnet"]["id"] == subnet + "1" and r[0]["router"]["id"] == router,
        ),
        ("addrouterinterfaces", {"interfaces": joins}, lambda r: [one["subnet"]["id"][-1] for one in r] == ["2", "3"]),
        ("listrouterinterfaces", {"id": router}, ids(prefix + "-p")),
        ("removerouterinterface", {"router": router, "subnet": subnet + "1"}, ok),
        ("removerouterinterfaces", {"interfaces": joins}, ok),
        ("deletevirtualrouter", {"id": router}, ok),
        ("deletevirtualrouters", {"routers": [{"id": router + "2"}, {"id": router + "3"}]}, ok),
    ]


@pytest.mark.parametrize("call", [by_get, by_form, by_json])
def test_each_method_works_through_each_transport(server, call):
    steps = script(call.__name__[3:])
    assert len({name for name, _, _ in steps}) == 12
    for name, params, check in steps:
        answer = call(server, name, params)
        assert answer.status == 200, f"{name}: {answer.error}"
        assert check(answer.json()["result"]), f"{name}: {answer.json()}"
    assert server.api("vrouterapi", "listvirtualrouters", id=f"{call.__name__[3:]}-r") == []


def test_discover_shows_every_method_as_the_original_does(server):
    expected = json.loads(GOLDEN.read_text())
    found = server.get("/vrouterapi/discover", details="true").json()["result"]
    for info in found.values():
        assert info.pop("description")
    del expected["discover"], found["discover"]
    assert found == expected


def test_the_tutorials_calls_are_accepted_as_they_stand(server):
    assert server.get("/vrouterapi/createvirtualrouter", id="subnetrouter").status == 200
    joins = '`[{"router":"subnetrouter","subnet":"bad1"},{"router":"subnetrouter","subnet":"bad2"}]`'
    assert server.form("/vrouterapi/addrouterinterfaces", interfaces=joins).status == 200
    assert server.form("/vrouterapi/removerouterinterfaces", interfaces=joins).json() == {"result": OK}
    assert server.get("/vrouterapi/deletevirtualrouter", id="subnetrouter").json() == {"result": OK}


WRONG = {
    "unknown router deleted": ("deletevirtualrouter", {"id": "no"}, 400, "virtual router 'no' does not exist"),
    "unknown router updated": ("updatevirtualrouter", {"id": "no"}, 400, "virtual router 'no' does not exist"),
    "router exists": ("createvirtualrouter", {"id": "wrong"}, 409, "wrong"),
    "same id twice": ("createvirtualrouters", {"routers": [{"id": "a"}, {"id": "a"}]}, 400, "virtual router 'a' is given twice"),
    "route not a pair": ("createvirtualrouter", {"routes": [["10.0.0.0/8"]]}, 400, "routes[0]: expected a pair"),
    "route no network": ("createvirtualrouter", {"routes": [["x", "1.2.3.4"]]}, 400, "routes[0][0]"),
    "next hop no address": ("updatevirtualrouter", {"id": "wrong", "routes": [["10.0.0.0/8", "x"]]}, 400, "routes[0][1]"),
    "router with interfaces": ("deletevirtualrouter", {"id": "wrong"}, 400, "has 1 interfaces"),
    "subnet in a router": ("addrouterinterface", {"router": "wrong", "subnet": "bad3"}, 400, "subnet 'bad3' is already in"),
    "unknown subnet": ("addrouterinterface", {"router": "wrong", "subnet": "no"}, 400, "subnet 'no' does not exist"),
    "no gateway": ("addrouterinterface", {"router": "wrong", "subnet": "bare"}, 400, "ip_address must be given"),
    "address of external": (
        "addrouterinterface",
        {"router": "wrong", "subnet": "out", "ip_address": "10.9.2.9"},
        400,
        "not allowed for the external subnet",
    ),
    "address outside": (
        "addrouterinterface",
        {"router": "wrong", "subnet": "bare", "ip_address": "1.2.3.4"},
        400,
        "ip_address 1.2.3.4 is not in the CIDR",
    ),
    "address wrong": (
        "addrouterinterface",
        {"router": "wrong", "subnet": "bare", "ip_address": "x"},
        400,
        "ip_address: expected",
    ),
    "no subnet": ("addrouterinterface", {"router": "wrong"}, 400, "parameter 'subnet' is missing"),
    "not in the router": (
        "removerouterinterface",
        {"router": "wrong", "subnet": "bare"},
        400,
        "is not in virtual router 'wrong'",
    ),
    "interfaces set": ("updatevirtualrouter", {"id": "wrong", "interfaces": []}, 400, "interfaces cannot be changed"),
    "half of a call": (
        "addrouterinterfaces",
        {"interfaces": [{"router": "wrong", "subnet": "out"}, {"router": "wrong", "subnet": "no"}]},
        400,
        "subnet 'no' does not exist",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_callers_do_wrong_gets_its_status_and_one_line_and_changes_nothing(server, case):
    name, params, status, message = WRONG[case]
    if not server.api("vrouterapi", "listvirtualrouters", id="wrong"):
        server.api("vrouterapi", "createvirtualrouter", id="wrong")
        server.api("vrouterapi", "addrouterinterface", router="wrong", subnet="bad3")
    before = [server.api("vrouterapi", "listvirtualrouters"), server.api("viperflow", "listsubnets")]
    answer = by_json(server, name, params)
    assert answer.status == status, answer.error
    assert message in answer.error and "\n" not in answer.error
    after = [server.api("vrouterapi", "listvirtualrouters"), server.api("viperflow", "listsubnets")]
    assert [sorted(map(json.dumps, found)) for found in after] == [sorted(map(json.dumps, found)) for found in before]
