"""The stored form on ZooKeeper, seen by an independent client: what VLCP 2 wrote is read, and it reads what is written."""

from __future__ import annotations

import itertools
import json
import time
import zlib

import pytest
from kazoo.client import KazooClient
from support.dbmodules import ModuleHost
from support.poller import run_scheduler
from support.zkserver import Ensemble, require_zookeeper

from vlcp.service.connection.zookeeperdb import ZooKeeperDB

_chroots = itertools.count(1)


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory):
    require_zookeeper()
    with Ensemble(tmp_path_factory.mktemp("zk")) as servers:
        yield servers


@pytest.fixture
def place(ensemble):
    """URL of an empty place, and an independent client there."""
    name = "form%d" % (next(_chroots),)
    other = KazooClient(ensemble.hosts() + "/" + name)
    other.start()
    yield ensemble.url(name), other
    other.stop()
    other.close()


def run(test, url, timeout=30):
    async def main(container):
        cls = type("ZooKeeperDB%d" % (next(_chroots),), (ZooKeeperDB,), {"url": url})
        (store,) = await ModuleHost(container).start(cls)
        await store.mget(("ready",))
        try:
            return await test(container, store)
        finally:
            await store.unload(store.apiroutine, True)

    return run_scheduler(main, timeout)


def stored(value) -> bytes:
    return zlib.compress(json.dumps(value).encode("ascii"), 1)


def increment(names, values, now):
    return names, [(value or 0) + 1 for value in values]


def test_the_fixed_nodes_exist_when_the_module_is_loaded(place):
    url, other = place

    async def test(container, store):
        await store.set("k", 1)
        for path in ("/vlcp/kvdb", "/vlcp/notifier/all", "/vlcp/notifier/bykey", "/vlcp/tmp/timer"):
            assert other.get(path)[0] == b""
            assert [(acl.perms, acl.id.scheme, acl.id.id) for acl in other.get_acls(path)[0]] == [(31, "world", "anyone")]

    run(test, url)


def test_a_key_is_a_node_and_each_version_a_child_with_the_number_of_its_barrier(place):
    url, other = place

    async def test(container, store):
        await store.set("viperflow.x/y", {"a": 1})
        await store.updateallwithtime(("viperflow.x/y",), lambda keys, values, now: (keys, [{"a": 2}]))
        await store.delete("viperflow.x/y")
        parent = "/vlcp/kvdb/viperflow.x$+y"
        names = sorted(other.get_children(parent))
        assert [name[:5] for name in names] == ["data-"] * 3
        assert all(len(name) == 15 for name in names)
        contents = [other.get(parent + "/" + name)[0] for name in names]
        assert contents == [stored({"a": 1}), stored({"a": 2}), b""]
        assert contents[0][:2] == b"\x78\x01"
        assert await store.listallkeys() == []

    run(test, url)


def test_barriers_are_ephemeral_children_while_a_transaction_runs(place):
    url, other = place

    async def test(container, store):
        seen = []

        def updater(names, values, now):
            if not seen:
                path = "/vlcp/kvdb/k"
                seen.extend((name, other.get(path + "/" + name)[1].ephemeralOwner) for name in other.get_children(path))
            return names, [now]

        await store.updateallwithtime(("k",), updater)
        ((name, owner),) = seen
        client, _, _ = store.getclient()
        assert name.startswith("barrier") and name[39:49].isdigit() and name[49] == "-" and owner == client.sessionid
        assert int(name[7:39], 16) >= 0
        assert other.get_children("/vlcp/kvdb/k") == ["data-" + name[50:]]
        assert abs(await store.get("k") / 1e6 - time.time()) < 5

    run(test, url)


def test_what_another_program_wrote_is_read_compressed_or_not(place):
    url, other = place
    other.create("/vlcp/kvdb/a/data-0000000003", stored({"n": 1}), makepath=True)
    other.create("/vlcp/kvdb/a/data-0000000001", stored({"n": 0}))
    other.create("/vlcp/kvdb/b/data-0000000000", b'{"n": 2}', makepath=True)
    other.create("/vlcp/kvdb/c/data-0000000000", stored(5), makepath=True)
    other.create("/vlcp/kvdb/c/data-0000000002", b"")

    async def test(container, store):
        assert await store.mget(("a", "b", "c", "d")) == [{"n": 1}, {"n": 2}, None, None]
        assert sorted(await store.listallkeys()) == ["a", "b"]

    run(test, url)


def test_a_transaction_waits_for_those_before_it_and_sees_what_they_wrote(place):
    url, other = place
    other.create("/vlcp/kvdb/k/data-0000000000", stored(1), makepath=True)
    barrier = other.create("/vlcp/kvdb/k/barrier%s0000000001-" % ("e" * 32,), b"", ephemeral=True, sequence=True)

    async def test(container, store):
        results = []

        async def write():
            results.append(await store.updateallwithtime(("k",), increment))

        container.subroutine(write(), False)
        await container.wait_with_timeout(0.5)
        assert results == []
        commit = other.transaction()
        commit.create("/vlcp/kvdb/k/data-" + barrier[-10:], stored(41))
        commit.delete(barrier)
        commit.commit()
        await container.wait_with_timeout(0.5)
        assert results == [(("k",), [42])]

    run(test, url)


def test_a_snapshot_is_that_of_one_moment_though_versions_come_between(place):
    url, other = place

    async def test(container, store):
        await store.mset((("a", 1), ("b", 1)))
        for turn in range(30):
            commit = other.transaction()
            for key in ("a", "b"):
                commit.create("/vlcp/kvdb/%s/data-" % (key,), stored(turn), sequence=True)
            pending = commit.commit_async()
            values = await store.mget(("a", "b"))
            pending.get()
            assert values[0] == values[1]

    run(test, url)


def test_notifications_have_the_form_that_others_read(place):
    url, other = place

    async def test(container, store):
        notifier = store.createnotifier()
        await notifier.start(container)
        await store.mset((("a/b", 1), ("c", None)))
        for channel in ("a$+b", "c"):
            path = "/vlcp/notifier/bykey/" + channel
            (name,) = other.get_children(path)
            content = json.loads(zlib.decompress(other.get(path + "/" + name)[0]))
            assert name.startswith("notify-" + content["id"] + "-")
            assert len(content["id"]) == 49 and content["id"][32] == "-"
            assert content["keys"] == ["a$+b", "c"]
            assert content["extrainfo"][0] is None and content["extrainfo"][1][1] == -1
        many = [("key%d" % n, n) for n in range(33)]
        await store.mset(many)
        (name,) = other.get_children("/vlcp/notifier/all")
        content = json.loads(zlib.decompress(other.get("/vlcp/notifier/all/" + name)[0]))
        assert sorted(content["keys"]) == sorted(key for key, _ in many)

    run(test, url)


def test_notifications_of_others_are_heard_and_bad_ones_do_no_harm(place):
    url, other = place

    async def test(container, store):
        notifier, seen = store.createnotifier(), []
        notifier.add_callback(seen.append)
        await notifier.start(container)
        await notifier.add_listen("a/b", "c")
        ids = ["%s-%016x" % ("d" * 32, number) for number in range(5)]
        good = stored({"id": ids[0], "keys": ["a$+b", "c"], "extrainfo": [[5, 1], None]})
        commit = other.transaction()
        for channel in ("a$+b", "c"):
            commit.create("/vlcp/notifier/bykey/%s/notify-%s-" % (channel, ids[0]), good, sequence=True)
        commit.commit()
        other.create("/vlcp/notifier/bykey/c/notify-%s-" % (ids[1],), b"\x78\x01garbage", sequence=True)
        other.create("/vlcp/notifier/bykey/c/notify-%s-" % (ids[2],), stored([1, 2]), sequence=True)
        other.create("/vlcp/notifier/all/notify-%s-" % (ids[3],), stored({"id": ids[3], "keys": ["z"]}), sequence=True)
        await container.wait_with_timeout(0.5)
        assert [(note.transactid, note.keys, note.fromself) for note in seen] == [
            (ids[0], ("a/b", "c"), False),
            (ids[1], ("c",), False),
            (ids[2], ("c",), False),
            (ids[3], ("z",), False),
        ]
        assert seen[0].versions == [(5, 1), None]

    run(test, url)


def test_old_versions_and_notifications_are_recycled_but_nothing_that_is_needed(place):
    url, other = place

    async def test(container, store):
        (recycler,) = store._recyclers.values()
        for number in range(4):
            await store.set("k", number)
        await store.set("gone", 1)
        await store.delete("gone")
        recycler.version_seconds = 0.5
        await container.wait_with_timeout(0.7)
        await store.set("k", 99)
        store.recycle(("k", "gone"))
        await container.wait_with_timeout(0.5)
        left = sorted(other.get_children("/vlcp/kvdb/k"))
        assert [other.get("/vlcp/kvdb/k/" + name)[0] for name in left] == [stored(3), stored(99)]
        assert other.get_children("/vlcp/kvdb/gone") == []
        assert len(other.get_children("/vlcp/notifier/bykey/k")) == 1
        assert await store.mget(("k", "gone")) == [99, None]
        recycler.parent_seconds = 0.0
        for _ in range(2):
            store.recycle(("k", "gone"))
            await container.wait_with_timeout(0.5)
        assert other.exists("/vlcp/kvdb/gone") is None
        assert other.exists("/vlcp/notifier/bykey/gone") is None
        assert await store.updateallwithtime(("gone",), increment) == (("gone",), [1])
        assert await store.get("gone") == 1

    run(test, url)
