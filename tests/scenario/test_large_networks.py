"""Networks with more members than one value holds, through the Web API, in both stored forms."""

from __future__ import annotations

import json
import sqlite3
import zlib

import pytest
from support.server import ApiFailure, ServerProcess

COUNT = 150


@pytest.fixture(scope="module", params=[False, True], ids=["scalable", "shared"])
def server(request, tmp_path_factory):
    config = {"module.objectdb.sharedwithv2": request.param}
    with ServerProcess(tmp_path_factory.mktemp("server"), config=config) as server:
        server.shared = request.param
        yield server


def stored(server):
    """Return the texts in the database, by key."""
    with sqlite3.connect(f"file:{server.database}?mode=ro", uri=True) as database:
        tables = [name for (name,) in database.execute("select name from sqlite_master where type='table'")]
        rows = {}
        for table in tables:
            columns = [row[1] for row in database.execute(f"pragma table_info({table})")]
            if "key" in columns and "value" in columns:
                rows.update(database.execute(f"select key, value from {table}"))
    return {key: _text(value) for key, value in rows.items() if value is not None}


def _text(value):
    return (zlib.decompress(value) if value[:1] == b"\x78" else value).decode()


def call(server, method, /, **params):
    return server.api("viperflow", method, **params)


def test_ports_networks_and_rules_are_created_listed_changed_and_deleted(server):
    call(server, "createphysicalnetwork", id="phys", type="vlan", vlanrange=[[100, 400]])
    call(
        server,
        "createphysicalports",
        ports=[{"name": f"eth{n}", "physicalnetwork": "phys", "systemid": "s"} for n in range(COUNT)],
    )
    networks = [{"id": f"net{n}", "physicalnetwork": "phys"} for n in range(COUNT)]
    assert [one["vlanid"] for one in call(server, "createlogicalnetworks", networks=networks)] == list(range(100, 100 + COUNT))
    call(server, "createsubnet", id="sub", logicalnetwork="net0", cidr="10.1.0.0/16")
    ports = [
        {"id": f"port{n}", "logicalnetwork": "net0", "subnet": "sub", "mac_address": "02:00:00:00:00:%02x" % n}
        for n in range(COUNT)
    ]
    made = call(server, "createlogicalports", ports=ports)
    assert [one["ip_address"] for one in made] == [f"10.1.0.{n + 1}" for n in range(COUNT)]
    for name, count in (("physicalports", COUNT), ("logicalnetworks", COUNT), ("logicalports", COUNT), ("subnets", 1)):
        assert len(call(server, "list" + name)) == count
    assert len(call(server, "listlogicalports", logicalnetwork="net0")) == COUNT
    assert len(call(server, "listlogicalports", logicalnetwork="net1")) == 0
    assert len(call(server, "listlogicalnetworks", physicalnetwork="phys", vlanid=110)) == 1
    texts = stored(server)
    assert any(key.startswith("setpart.") for key in texts) != server.shared
    assert any(key.startswith("indicesset.") for key in texts) == server.shared
    assert json.loads(texts["viperflow.logcialportset"])

    call(server, "deletelogicalport", id="port70")
    assert call(server, "createlogicalport", id="again", logicalnetwork="net0", subnet="sub")[0]["ip_address"] == "10.1.0.71"
    call(server, "deletelogicalnetwork", id="net60")
    assert call(server, "createlogicalnetwork", id="net60", physicalnetwork="phys")[0]["vlanid"] == 160
    call(server, "updatelogicalport", id="again", ip_address="10.1.9.9")
    assert call(server, "createlogicalport", id="port70", logicalnetwork="net0", subnet="sub")[0]["ip_address"] == "10.1.0.71"
    for name, params in (
        ("createlogicalport", {"logicalnetwork": "net0", "subnet": "sub", "ip_address": "10.1.0.50"}),
        ("createlogicalnetwork", {"physicalnetwork": "phys", "vlanid": 130}),
        ("deletelogicalnetwork", {"id": "net0"}),
        ("deletephysicalnetwork", {"id": "phys"}),
        ("updatesubnet", {"id": "sub", "cidr": "10.1.0.0/25"}),
        ("updatephysicalnetwork", {"id": "phys", "vlanrange": [[100, 200]]}),
    ):
        with pytest.raises(ApiFailure) as refused:
            call(server, name, **params)
        assert refused.value.answer.status == 400, name


def test_when_everything_is_deleted_only_empty_lists_are_left(server):
    for kind, wanted in (("logicalport", "ports"), ("subnet", "subnets"), ("logicalnetwork", "networks")):
        items = [{"id": one["id"]} for one in call(server, f"list{kind}s")]
        call(server, f"delete{kind}s", **{wanted: items})
    rules = [{name: one[name] for name in ("name", "systemid", "bridge", "vhost")} for one in call(server, "listphysicalports")]
    for rule in rules[: COUNT // 2]:
        call(server, "deletephysicalport", **rule)
    call(server, "deletephysicalports", ports=rules[COUNT // 2 :])
    call(server, "deletephysicalnetwork", id="phys")
    left = stored(server)
    assert all(key.endswith("set") or key.startswith("indicesset.") for key in left), sorted(left)
    assert not any("WeakReference" in text for text in left.values())
