"""migratedb between the three stores: once around, through both stored forms, and nothing is lost."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from support.dbmodules import ModuleHost
from support.poller import run_scheduler
from support.redisserver import RedisServer
from support.textstore import TextStore
from support.zkserver import Ensemble, require_zookeeper

from vlcp.service.connection.sqlitedb import SQLiteDB
from vlcp.service.kvdb.transfer import is_index_set
from vlcp.service.sdn import _resources_ports as ports
from vlcp.service.sdn._resources import LOGICAL_PORT, create_index_sets, requests
from vlcp.utils.growing import holder_of
from vlcp.utils.jsonencoder import decode_stored
from vlcp.utils.networkmodel import LogicalNetwork, LogicalNetworkMap, LogicalPortSet

pytestmark = pytest.mark.redis
TESTS = Path(__file__).resolve().parents[1]
COUNT = 600


def network_of_ports():
    """Return a database in the shared form with one network of many ports."""
    store = TextStore(shared=True)
    keys, walker = create_index_sets()
    store.write(walker, keys)

    def network(walk, write):
        for obj in (LogicalNetwork.create_instance("n"), LogicalNetworkMap.create_instance("n")):
            write(obj.getkey(), obj)

    store.write(network)
    items = [
        {"id": f"p{n}", "logicalnetwork": "n", "mac_address": "02:00:00:00:%02x:%02x" % divmod(n, 256)} for n in range(COUNT)
    ]
    found = requests(LOGICAL_PORT, items, create=True)
    store.write(ports.create(found), ports.create_keys(found))
    return store


def fill(path, data):
    async def main(container):
        host = ModuleHost(container)
        (module,) = await host.start(type("SQLiteDB", (SQLiteDB,), {"path": str(path)}))
        await module.mset(tuple((key, decode_stored(text.encode())) for key, text in data.items()))
        await host.stop()

    run_scheduler(main, 30)


def texts(path):
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
        rows = dict(database.execute("select key, value from kv where value is not null"))
    found = TextStore()
    found.data = {key: (zlib.decompress(data) if data[:1] == b"\x78" else data).decode() for key, data in rows.items()}
    return found


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    require_zookeeper()
    with RedisServer(tmp_path_factory.mktemp("redis")) as redis, Ensemble(tmp_path_factory.mktemp("zk")) as zookeeper:
        yield redis.url, zookeeper.url("migration")


def test_a_database_goes_through_all_stores_and_both_forms(servers, tmp_path):
    before = network_of_ports()
    fill(tmp_path / "a.sqlite", before.data)
    values = {
        "module.sqlitedb.path": str(tmp_path / "a.sqlite"),
        "module.otherstore.path": str(tmp_path / "b.sqlite"),
        "module.redisdb.url": servers[0],
        "module.zookeeperdb.url": servers[1],
    }
    (tmp_path / "vlcp.conf").write_text("".join(f"{key} = {value!r}\n" for key, value in values.items()))
    other = "support.otherstore.OtherStore"

    def migrate(*arguments):
        done = subprocess.run(
            [sys.executable, "-m", "vlcp.scripts.migratedb", "-f", "vlcp.conf", *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS.parent), str(TESTS)])},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    assert "same as its source" in migrate("--form", "scalable", "sqlitedb", "redisdb")
    assert "same as its source" in migrate("redisdb", "zookeeperdb")
    assert "same as its source" in migrate("--clean", "zookeeperdb", other)
    found = texts(tmp_path / "b.sqlite")
    assert any(map(holder_of, found.data)) and not any(map(is_index_set, found.data))
    assert found.members(LogicalPortSet.default_key()) == before.members(LogicalPortSet.default_key())
    assert "objects changed to the shared form" in migrate("--form", "shared", "redisdb")
    assert "same as its source" in migrate("--clean", "redisdb", "zookeeperdb")
    assert "same as its source" in migrate("--clean", "zookeeperdb", other)
    found = texts(tmp_path / "b.sqlite")
    assert found.data.keys() == before.data.keys()
    changed = {key for key in found.data if found.data[key] != before.data[key]}
    members = {LogicalPortSet.default_key(), LogicalNetworkMap.default_key("n")}
    assert changed == {*members, *filter(is_index_set, found.data)}
