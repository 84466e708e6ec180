"""Parts of the embedded store that the conformance suite does not see."""

from __future__ import annotations

import threading
import time

import pytest
from support.dbmodules import ModuleHost, configured
from support.poller import run_scheduler

from vlcp.service.connection import _storethread, sqlitedb
from vlcp.service.connection._codec import Codec
from vlcp.service.connection._sqlitebatch import Cache, Entry, Update, evaluate
from vlcp.service.connection._sqlitefile import SqliteFile
from vlcp.service.connection.sqlitedb import SQLiteDB
from vlcp.utils.exceptions import StorageOutcomeUnknownException, StorageUnavailableException


def run(path, test, **config):
    async def main(container):
        host = ModuleHost(container)
        try:
            return await test(container, (await host.start(SQLiteDB))[0])
        finally:
            await host.stop()

    values = {"module__sqlitedb__" + name: value for name, value in config.items()}
    with configured(module__sqlitedb__path=str(path), **values):
        return run_scheduler(main)


def test_updates_of_a_batch_see_each_other_and_fail_alone():
    def fail(keys, values, now):
        raise ValueError("mine")

    stamps = []

    def add(keys, values, now):
        stamps.append(now)
        return keys, [values[0] + 1]

    batch = [Update(("n",), updater, None, None) for updater in (add, fail, add)]
    result = evaluate(batch, "store", {"n": Entry(3, 10)}, 10**18, Codec())
    assert result.values == {"n": 12}
    assert result.writes.writes == {"n": b"12"} and result.writes.reads == {"n": 3}
    assert [type(update.error) for update in batch] == [type(None), ValueError, type(None)]
    assert stamps == [10**18 + 1, 10**18 + 2] and result.writes.clock > stamps[-1]


def test_the_cache_drops_what_was_not_used_for_longest():
    cache = Cache(2)
    cache.update({"a": Entry(1, 1), "b": Entry(1, 2)})
    assert cache.get("a") == Entry(1, 1)
    cache.update({"c": Entry(2, 3)})
    assert cache.get("b") is None and cache.get("a")
    cache.forget(["a", "x"])
    assert cache.get("a") is None
    cache.clear()
    assert cache.get("c") is None


def test_values_expire(tmp_path):
    async def test(container, store):
        await store.set("k", 1, 0.05)
        await store.set("l", 1)
        assert await store.mget(("k", "l")) == [1, 1]
        await container.wait_with_timeout(0.08)
        assert await store.mget(("k", "l")) == [None, 1]
        assert await store.update("k", lambda key, value: (value or 0) + 5) == 5
        assert await store.get("k", 0) == 5
        assert await store.get("k") is None

    run(tmp_path / "s", test)


def test_transactions_that_wait_together_are_committed_together(tmp_path):
    async def test(container, store):
        await store.set("n", 0)
        before = await store.mgetwithcache(("n",))
        seq = before[1].get("n").seq
        await container.execute_all([store.update("n", lambda key, value: value + 1) for _ in range(200)])
        values, cache = await store.mgetwithcache(("n",))
        assert values == [200]
        assert cache.get("n").seq - seq < 20

    run(tmp_path / "s", test)


def test_the_time_never_goes_back_even_if_the_clock_does(tmp_path, monkeypatch):
    async def test(container, store):
        stamps = []

        async def stamp():
            await store.updateallwithtime(("t",), lambda keys, values, now: (stamps.append(now), (keys, (now,)))[1])

        await stamp()
        real = time.time_ns
        monkeypatch.setattr(time, "time_ns", lambda: real() - 3600 * 10**9)
        await stamp()
        return stamps

    first = run(tmp_path / "s", test)
    second = run(tmp_path / "s", test)
    stamps = first + second
    assert stamps == sorted(set(stamps))


def test_a_commit_that_hangs_in_the_disk_has_an_unknown_outcome(tmp_path, monkeypatch):
    monkeypatch.setattr(sqlitedb, "PATIENCE", 0.3)
    monkeypatch.setattr(_storethread, "UNCERTAIN", 0.7)
    release, write = threading.Event(), SqliteFile._write

    def hang(self, seq, wanted):
        write(self, seq, wanted)
        release.wait(5)

    async def test(container, store):
        monkeypatch.setattr(SqliteFile, "commit", hanging_commit)
        began = time.monotonic()
        with pytest.raises(StorageOutcomeUnknownException):
            await store.set("k", 1)
        assert time.monotonic() - began < 3
        with pytest.raises(StorageUnavailableException):
            await store.set("l", 2)
        release.set()
        await container.wait_with_timeout(0.2)
        assert await store.mget(("k", "l")) == [1, None]

    commit = SqliteFile.commit

    def hanging_commit(self, first, deadline, retry, confirm):
        monkeypatch.setattr(SqliteFile, "_write", hang)
        return commit(self, first, deadline, retry, confirm)

    run(tmp_path / "s", test)


def test_a_scheduler_that_is_busy_does_not_keep_the_file_locked(tmp_path, monkeypatch):
    monkeypatch.setattr(sqlitedb, "_ANSWER_SECONDS", 0.1)

    async def test(container, store):
        await store.set("n", 1)
        other = SqliteFile(str(tmp_path / "s"), "other")
        other.open(time.monotonic() + 1, False)
        runs = []

        def updater(keys, values, now):
            runs.append(values[0])
            if len(runs) == 1:
                other._run("UPDATE kv SET value = '5', seq = seq + 1 WHERE key = 'n'".replace("'5'", "x'35'"))
            elif len(runs) == 2:
                time.sleep(0.3)
                other._run("UPDATE kv SET value = x'36', seq = seq + 1 WHERE key = 'n'")
            return keys, [values[0] + 100]

        await store.updateallwithtime(("n",), updater)
        assert runs == [1, 5, 6]
        assert await store.get("n") == 106
        other.close()

    run(tmp_path / "s", test)


def test_only_one_value_is_damaged_when_one_value_is_damaged(tmp_path):
    async def test(container, store):
        await store.mset((("a", 1), ("b", 2)))
        other = SqliteFile(str(tmp_path / "s"), "other")
        other.open(time.monotonic() + 1, False)
        other._run("UPDATE kv SET value = 'text', seq = seq + 1 WHERE key = 'b'")
        other.close()
        with pytest.raises(ValueError, match="b: expected bytes"):
            await store.mget(("a", "b"))
        assert await store.get("a") == 1
        await store.set("b", 3)
        assert await store.get("b") == 3

    run(tmp_path / "s", test)


@pytest.mark.parametrize("limit", ["PRAGMA max_page_count=1", "PRAGMA query_only=1"])
def test_a_full_or_read_only_disk_is_an_outage_for_writers(tmp_path, limit):
    async def test(container, store):
        await store.set("k", 1)
        store._writing._run(limit)
        with pytest.raises(StorageUnavailableException):
            await store.set("k", "".join(map(chr, range(256))) * 5000)
        assert await store.get("k") == 1
        await store.set("k", 2)
        assert await store.get("k") == 2

    run(tmp_path / "s", test)


def test_transactions_of_three_keys_cost_little_more_than_their_sql(tmp_path):
    """A coarse guard: the layers above SQLite may not cost more than a few times what SQLite does."""

    async def test(container, store):
        keys = ("a", "b", "c")
        await store.mset([(key, 0) for key in keys])
        began = time.process_time()
        for _ in range(100):
            await store.updateallwithtime(keys, lambda names, values, now: (names, [value + 1 for value in values]))
        return (time.process_time() - began) / 100

    assert run(tmp_path / "s", test) < 0.005
