"""The embedded store under several processes, kills and locks."""

from __future__ import annotations

import contextlib
import os
import pathlib
import random
import signal
import sqlite3
import subprocess
import sys
import time

import pytest
from support.accounts import ACCOUNTS, DATABASE, EACH, KEYS, Journal, create, total, transfer
from support.dbmodules import ModuleHost, configured
from support.poller import run_scheduler

from vlcp.service.connection import sqlitedb
from vlcp.utils.exceptions import StorageUnavailableException

ROOT = pathlib.Path(__file__).resolve().parents[2]


def database(path, test, timeout=60):
    """Run ``test(container, host, odb)`` on the file."""

    async def main(container):
        host = ModuleHost(container)
        odb = (await host.start(*DATABASE))[-1]
        try:
            return await test(container, host, odb)
        finally:
            await host.stop()

    with configured(module__sqlitedb__path=str(path)):
        return run_scheduler(main, timeout)


class Writer:
    """A process that moves money."""

    def __init__(self, path, name, seconds, log):
        self.name, self.log = name, log
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
        program = "import sys; from support.accounts import main; main(*sys.argv[1:])"
        command = [sys.executable, "-c", program, str(path), name, str(seconds)]
        with open(log, "ab") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=output, env=environment)

    def lines(self):
        return self.log.read_text().splitlines()

    def acknowledged(self):
        counts = [int(line.split()[1]) for line in self.lines() if line.startswith("done ")]
        return max(counts, default=0)

    def wait_for(self, count, timeout=20):
        deadline = time.monotonic() + timeout
        while self.acknowledged() < count and time.monotonic() < deadline and self.process.poll() is None:
            time.sleep(0.01)
        assert self.acknowledged() >= count, self.lines()[-5:]


def check_database(path, writers):
    async def test(container, host, odb):
        assert await total(odb) == ACCOUNTS * EACH
        journals = await odb.mgetonce([Journal.default_key(writer.name) for writer in writers])
        for writer, journal in zip(writers, journals):
            count = 0 if journal is None else journal.count
            assert count >= writer.acknowledged(), "lost what was acknowledged"
            assert count <= writer.acknowledged() + 1

    database(path, test)
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()


def test_eight_writers_and_their_readers_see_money_moved_and_never_made(tmp_path):
    path = tmp_path / "bank.sqlite"
    writers = [Writer(path, "w%d" % number, 2.5, tmp_path / ("w%d.log" % number)) for number in range(8)]
    for writer in writers:
        assert writer.process.wait(60) == 0, writer.lines()[-5:]
        assert not [line for line in writer.lines() if not line.startswith("done ")]
        assert writer.acknowledged() > 3
    check_database(path, writers)


def kill_at_random(tmp_path, kills, seed):
    path, rng = tmp_path / "bank.sqlite", random.Random(seed)
    victim = None
    bystander = Writer(path, "bystander", kills * 1.2, tmp_path / "bystander.log")
    for _ in range(kills):
        victim = Writer(path, "victim", 60, tmp_path / "victim.log")
        victim.wait_for(victim.acknowledged() + rng.randint(1, 5))
        time.sleep(rng.random() * 0.05)
        victim.process.send_signal(signal.SIGKILL)
        victim.process.wait()
        reader = sqlite3.connect(path)
        reader.execute("SELECT count(*) FROM kv").fetchall()
        reader.close()
    bystander.process.terminate()
    bystander.process.wait()
    for writer in (victim, bystander):
        assert not [line for line in writer.lines() if line.startswith("broken")]
    check_database(path, [bystander])
    check_journal(path, victim, kills)


def check_journal(path, victim, kills):
    async def test(container, host, odb):
        count = (await odb.getonce(Journal.default_key("victim"))).count
        assert victim.acknowledged() <= count <= victim.acknowledged() + kills

    database(path, test)


def test_nothing_acknowledged_is_lost_when_the_process_is_killed(tmp_path):
    kill_at_random(tmp_path, 8, 1)


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_nothing_acknowledged_is_lost_in_fifty_kills(tmp_path):
    kill_at_random(tmp_path, 50, 2)


def test_commits_of_another_process_are_seen_within_100_ms(tmp_path):
    path = tmp_path / "bank.sqlite"

    async def test(container, host, odb):
        await odb.writewalk(KEYS, create)
        accounts = await odb.mget(KEYS, "me")
        delays = []
        for _ in range(10):
            before = [account.balance for account in accounts]
            writer = sqlite3.connect(path, isolation_level=None)
            bump(writer)
            began = time.monotonic()
            writer.close()
            await accounts[0].waitif(container, lambda ref, old=before[0]: ref.balance != old)
            delays.append(time.monotonic() - began)
            await container.wait_with_timeout(0.013)
        assert sorted(delays)[8] < 0.1, delays
        assert accounts[0].balance == EACH + 10

    def bump(connection):
        """Commit as another process does, with the layout of the file."""
        import json
        import zlib

        from vlcp.utils.jsonencoder import decode_stored, encode_stored

        connection.execute("BEGIN IMMEDIATE")
        (data,) = connection.execute("SELECT value FROM kv WHERE key = ?", (KEYS[0],)).fetchone()
        account = decode_stored(data)
        account.balance += 1
        account.kvdb_updateversion += 1
        ((seq, clock),) = connection.execute("SELECT seq + 1, clock + 1 FROM meta").fetchall()
        noted = [[KEYS[0], account.kvdb_createtime, account.kvdb_updateversion]]
        connection.execute("UPDATE kv SET value = ?, seq = ? WHERE key = ?", (encode_stored(account).encode(), seq, KEYS[0]))
        connection.execute("INSERT INTO changes VALUES (?, 'other', ?)", (seq, zlib.compress(json.dumps(noted).encode())))
        connection.execute("UPDATE meta SET seq = ?, clock = ?", (seq, clock))
        connection.execute("COMMIT")

    database(path, test)


def test_watched_references_show_one_state_of_the_database_at_any_time(tmp_path):
    path = tmp_path / "bank.sqlite"

    async def test(container, host, odb):
        await odb.writewalk(KEYS, create)
        accounts = await odb.mget(KEYS, "me")
        writers = [Writer(path, "w%d" % number, 1.5, tmp_path / ("w%d.log" % number)) for number in range(2)]
        states, rng = set(), random.Random(4)
        while any(writer.process.poll() is None for writer in writers):
            assert sum(account.balance for account in accounts) == ACCOUNTS * EACH
            states.add(tuple(account.kvdb_updateversion for account in accounts))
            if rng.random() < 0.1:
                source, target = rng.sample(KEYS, 2)
                before = [account.balance for account in accounts]
                await odb.writewalk([source, target], transfer("me", source, target, 1))
                assert before != [account.balance for account in accounts]
            await container.wait_with_timeout(0.001)
        assert len(states) > 20
        return writers

    check_database(path, database(path, test))


def test_a_locked_store_is_answered_soon_and_nothing_is_done_later(tmp_path):
    path = tmp_path / "bank.sqlite"

    async def test(container, host, odb):
        await odb.writewalk(KEYS, create)
        locker = sqlite3.connect(path, isolation_level=None)
        locker.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        outcomes = []

        async def move():
            try:
                await odb.writewalk(KEYS[:2], transfer("x", KEYS[0], KEYS[1], 1))
                outcomes.append("committed")
            except StorageUnavailableException:
                outcomes.append(time.monotonic() - began)

        async def read():
            assert await total(odb) == ACCOUNTS * EACH
            outcomes.append(time.monotonic() - began)

        await container.execute_all([move(), move(), move(), read()])
        assert len(outcomes) == 4 and all(took != "committed" and took < 4 for took in outcomes), outcomes
        locker.execute("COMMIT")
        locker.close()
        await container.wait_with_timeout(0.3)
        assert await odb.getonce(Journal.default_key("x")) is None
        await odb.writewalk(KEYS[:2], transfer("x", KEYS[0], KEYS[1], 1))
        assert (await odb.getonce(Journal.default_key("x"))).count == 1

    database(path, test)


def test_a_call_that_waited_for_another_one_does_not_wait_as_long_again(tmp_path, monkeypatch):
    monkeypatch.setattr(sqlitedb, "PATIENCE", 3.0)
    path = tmp_path / "bank.sqlite"

    async def test(container, host, odb):
        await odb.writewalk(KEYS, create)
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as locker:
            locker.execute("BEGIN IMMEDIATE")
            waits = []

            async def move():
                began = time.monotonic()
                with pytest.raises(StorageUnavailableException):
                    await odb.writewalk([], transfer("x", KEYS[0], KEYS[1], 1))
                waits.append(time.monotonic() - began)

            async def late():
                # Comes when a commit is waiting already, and has to read first.
                await container.wait_with_timeout(0.1)
                await move()

            await container.execute_all([move(), late(), late(), late()])
            assert max(waits) < 5.5

    database(path, test)


def test_a_caller_that_is_gone_leaves_nothing_behind(tmp_path):
    path = tmp_path / "bank.sqlite"

    async def test(container, host, odb):
        await odb.writewalk(KEYS, create)
        storage = host.modules[0]
        locker = sqlite3.connect(path, isolation_level=None)
        locker.execute("BEGIN IMMEDIATE")
        first = container.subroutine(storage.set("first", 1), False)
        await container.do_events()
        second = container.subroutine(storage.set("second", 2), False)
        await container.do_events()
        second.close()
        locker.execute("COMMIT")
        locker.close()
        await container.wait_with_timeout(0.3)
        assert await storage.mget(("first", "second")) == [1, None]
        first.close()

    database(path, test)


def test_a_missing_file_is_an_outage_until_it_is_back(tmp_path):
    path = tmp_path / "bank.sqlite"

    async def test(container, host, odb):
        await odb.writewalk(KEYS, create)
        account = await odb.get(KEYS[0], "me")
        saved = tmp_path / "elsewhere"
        saved.mkdir()
        for suffix in ("", "-wal", "-shm"):
            os.rename(str(path) + suffix, saved / (path.name + suffix))
        with pytest.raises(StorageUnavailableException, match="bank.sqlite"):
            await odb.writewalk(KEYS[:2], transfer("x", KEYS[0], KEYS[1], 1))
        assert (await odb.getonce(KEYS[0])).balance == account.balance == EACH
        assert not path.exists()
        for suffix in ("-shm", "-wal", ""):
            os.rename(saved / (path.name + suffix), str(path) + suffix)
        await odb.writewalk(KEYS[:2], transfer("x", KEYS[0], KEYS[1], 1))
        assert account.balance == EACH - 1

    database(path, test)


def test_another_file_in_its_place_is_read_from_the_beginning(tmp_path):
    path, other = tmp_path / "bank.sqlite", tmp_path / "other.sqlite"

    async def fill(container, host, odb):
        await odb.writewalk(KEYS, create)
        for _ in range(3):
            await odb.writewalk(KEYS[:2], transfer("x", KEYS[0], KEYS[1], 100))

    async def test(container, host, odb):
        await odb.writewalk(KEYS, create)
        account = await odb.get(KEYS[0], "me")
        for suffix in ("-wal", "-shm"):
            os.unlink(str(path) + suffix)
        os.replace(other, path)
        await account.waitif(container, lambda ref: ref.balance == EACH - 300)
        await odb.writewalk(KEYS[:2], transfer("x", KEYS[0], KEYS[1], 100))
        assert account.balance == EACH - 400

    database(other, fill)
    database(path, test)


@pytest.mark.parametrize("content", [b"this is no database" * 100, b"SQLite format 3\0" + b"\xff" * 4096])
def test_a_damaged_file_fails_to_load_with_its_name(tmp_path, content):
    path = tmp_path / "bank.sqlite"
    path.write_bytes(content)
    with pytest.raises(StorageUnavailableException, match="bank.sqlite"):
        database(path, None)
    assert path.read_bytes() == content


def test_a_path_that_cannot_be_made_fails_to_load_with_its_name(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageUnavailableException, match="file/bank.sqlite"):
        database(tmp_path / "file" / "bank.sqlite", None)


def test_who_missed_many_commits_reads_everything_again(tmp_path, monkeypatch):
    path = tmp_path / "bank.sqlite"
    monkeypatch.setattr("vlcp.service.connection._sqlitefile.KEPT_COMMITS", 3)

    async def test(container, host, odb):
        await odb.writewalk(KEYS, create)
        account = await odb.get(KEYS[0], "me")
        host.modules[0]._since = (host.modules[0]._store, 0)
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("DELETE FROM changes")
        connection.execute(
            "UPDATE kv SET seq = 50, value = CAST(replace(value, '1000', '1234') AS BLOB) WHERE key = ?", (KEYS[0],)
        )
        connection.execute("UPDATE kv SET value = CAST(replace(value, 'version\": 1', 'version\": 2') AS BLOB)")
        connection.execute("UPDATE meta SET seq = 50")
        connection.close()
        await account.waitif(container, lambda ref: ref.balance == 1234)

    database(path, test)
