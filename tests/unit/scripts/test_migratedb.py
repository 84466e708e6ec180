"""migratedb and repairphymapdb as processes, on SQLite files."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from support.dbmodules import ModuleHost
from support.poller import run_scheduler
from support.textstore import TextStore

from vlcp.service.connection.sqlitedb import SQLiteDB
from vlcp.service.kvdb.transfer import is_index_set
from vlcp.utils.dataobject import WeakReferenceObject
from vlcp.utils.growing import holder_of
from vlcp.utils.jsonencoder import decode_stored
from vlcp.utils.networkmodel import (
    LogicalNetwork,
    LogicalPort,
    LogicalPortSet,
    PhysicalNetwork,
    PhysicalNetworkMap,
    PhysicalNetworkSet,
)

TESTS = Path(__file__).resolve().parents[2]
OTHER = "support.otherstore.OtherStore"


def texts(path):
    """Return the stored texts of a file."""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
        rows = dict(database.execute("select key, value from kv where value is not null"))
    return {key: (zlib.decompress(data) if data[:1] == b"\x78" else data).decode() for key, data in rows.items()}


def fill(path, data):
    """Store texts in a file, through the module so that it has the layout of one."""

    async def main(container):
        host = ModuleHost(container)
        (module,) = await host.start(type("SQLiteDB", (SQLiteDB,), {"path": str(path)}))
        values = {key: decode_stored(text.encode()) for key, text in data.items()}
        await module.mset(tuple(values.items()))
        await host.stop()

    run_scheduler(main, 20)


def database(count, shared=True):
    """Return texts of a database with so many ports."""
    store = TextStore(shared)

    def walker(walk, write):
        members = LogicalPortSet.create_instance()
        for number in range(count):
            port = LogicalPort.create_instance(f"p{number}")
            port.network = LogicalNetwork.create_instance("n").create_reference()
            port.mac_address = "02:00:00:00:%02x:%02x" % divmod(number, 256)
            members.set.dataset().add(port.create_weakreference())
            write(port.getkey(), port)
        write(members.getkey(), members)

    store.write(walker)
    return store


@pytest.fixture
def script(tmp_path):
    source, target = tmp_path / "source.sqlite", tmp_path / "target.sqlite"

    def run(name, *arguments, kill_at=0):
        values = {"sqlitedb.path": str(source), "otherstore.path": str(target), "otherstore.killat": kill_at}
        (tmp_path / "vlcp.conf").write_text("".join(f"module.{key} = {value!r}\n" for key, value in values.items()))
        done = subprocess.run(
            [sys.executable, "-m", "vlcp.scripts." + name, "-f", "vlcp.conf", *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS.parent), str(TESTS)])},
            capture_output=True,
            text=True,
            timeout=60,
        )
        errors = "".join(line + "\n" for line in done.stderr.splitlines() if " INFO " not in line)
        return done.returncode, done.stdout, errors

    run.source, run.target = source, target
    return run


def test_a_database_is_copied_converted_and_converted_back(script):
    before = database(400)
    fill(script.source, before.data)
    status, output, errors = script("migratedb", "--form", "scalable", "sqlitedb", OTHER)
    assert (status, errors) == (0, ""), errors
    assert "is the same as its source" in output
    copied = texts(script.target)
    assert any(map(holder_of, copied)) and not any(map(is_index_set, copied))
    status, output, errors = script("migratedb", "--form", "shared", OTHER)
    assert status == 0 and "1 objects changed to the shared form" in output
    after = texts(script.target)
    assert after.keys() == before.data.keys()
    changed = {key for key in after if after[key] != before.data[key]}
    assert changed == {LogicalPortSet.default_key(), *filter(is_index_set, after)}


def test_a_copy_that_was_killed_is_completed_by_the_next_run(script):
    before = database(600)
    fill(script.source, before.data)
    for kill_at in (4, 9, 13, 14, 15):
        status, _, _ = script("migratedb", "--form", "scalable", "sqlitedb", OTHER, kill_at=kill_at)
        assert status == -signal.SIGKILL
    status, output, errors = script("migratedb", "--clean", "--form", "scalable", "defaultdb", OTHER)
    assert (status, errors) == (0, ""), errors
    found = TextStore()
    found.data = texts(script.target)
    assert found.members(LogicalPortSet.default_key()) == before.members(LogicalPortSet.default_key())
    assert sum(key.startswith("viperflow.logicalport.") for key in found.data) == 600


def test_values_of_unknown_classes_are_copied_and_damaged_ones_told(script):
    fill(script.source, database(3).data)
    alien = '{"<vlcpjsonencode/some.where.Else>": {"x": [1, {"<vlcpjsonencode/other.Thing>": "y"}]}}'
    with sqlite3.connect(script.source) as stored:
        stored.execute("insert into kv (key, seq, value) values ('alien', 1, ?)", (alien.encode(),))
        stored.execute("insert into kv (key, seq, value) values ('damaged', 1, ?)", (b'{"x": ',))
    status, output, errors = script("migratedb", "sqlitedb", OTHER)
    assert status == 0
    assert errors.startswith("not copied: damaged: ") and errors.count("\n") == 1
    found = texts(script.target)
    assert found["alien"] == alien and "damaged" not in found


@pytest.mark.parametrize(
    "arguments,message",
    [
        (["sqlitedb"], "a second store or --form is needed"),
        (["--form", "v3", "sqlitedb", OTHER], "--form must be"),
        (["nothing.like.This", OTHER], "nothing.like"),
    ],
)
def test_wrong_arguments_fail_with_their_reason(script, arguments, message):
    fill(script.source, database(1).data)
    status, _, errors = script("migratedb", *arguments)
    assert status == 1 and message in errors and "Traceback" not in errors


def test_help_needs_no_store(script):
    status, output, _ = script("migratedb", "--help")
    assert status == 0 and "--form FORM" in output


@pytest.mark.parametrize("shared", [True, False])
def test_networks_that_are_gone_are_taken_off_the_maps(script, shared):
    store = TextStore(shared)

    def walker(walk, write):
        physical, members = PhysicalNetwork.create_instance("a.b"), PhysicalNetworkSet.create_instance()
        members.set.dataset().add(physical.create_weakreference())
        listed = PhysicalNetworkMap.create_instance("a.b")
        for number in range(60):
            network = LogicalNetwork.create_instance(f"n{number}")
            listed.logicnetworks.dataset().add(network.create_weakreference())
            if number % 3:
                write(network.getkey(), network)
        listed.logicnetworks.dataset().add(WeakReferenceObject(LogicalNetwork.default_key("gone")))
        for obj in (physical, members, listed):
            write(obj.getkey(), obj)

    store.write(walker)
    fill(script.source, store.data)
    status, output, errors = script("repairphymapdb")
    assert (status, errors) == (0, "")
    assert output.count("does not exist, removed") == 21
    found = TextStore()
    found.data = texts(script.source)
    key = PhysicalNetworkMap.default_key("a.b")
    assert found.members(key, "logicnetworks") == sorted(LogicalNetwork.default_key(f"n{n}") for n in range(60) if n % 3)
    assert script("repairphymapdb")[1] == ""
