"""Redis that stops, hangs, loses replies and forgets scripts: what a caller is told is true."""

from __future__ import annotations

import random
import time

import pytest
from support.redisserver import RedisServer, flush
from support.redisstores import command, run_stores
from support.tcpproxy import TcpProxy

from vlcp.event.future import Future
from vlcp.protocol.redis import RedisReplyException
from vlcp.service.connection._batches import Batches, Update
from vlcp.service.connection._redisscripts import CLOCK
from vlcp.service.connection.redisdb import RedisWriteConflictException
from vlcp.utils.exceptions import StorageOutcomeUnknownException, StorageUnavailableException
from vlcp.utils.notifier import UpdateNotification

pytestmark = pytest.mark.redis
FAILURES = (StorageUnavailableException, StorageOutcomeUnknownException)


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def server(running):
    flush(running)
    return running


@pytest.fixture
def proxy(server):
    with TcpProxy("127.0.0.1", server.port) as running:
        yield running


def add_one(key, value):
    return (value or 0) + 1


def is_commit(data):
    return b"EVALSHA\r\n" in data


async def quiet(container):
    """Wait so long that the next transaction asks first whether the server is there."""
    await container.wait_with_timeout(0.4)


async def until(container, test, limit=10.0):
    end = time.monotonic() + limit
    while not await test():
        assert time.monotonic() < end, "not in time"
        await container.wait_with_timeout(0.02)


async def failure_of(coroutine):
    """Return the exception and the seconds until it came."""
    begin = time.monotonic()
    try:
        result = await coroutine
    except FAILURES as error:
        return error, time.monotonic() - begin
    raise AssertionError(f"no failure but {result!r}")


def test_a_stopped_server_is_reported_within_three_seconds_and_nothing_is_written_later(server):
    async def test(container, store):
        await store.set("k", 1)
        await quiet(container)
        server.stop()
        try:
            for call in (store.set("k", 2), store.update("k", add_one), store.get("k"), store.listallkeys()):
                error, seconds = await failure_of(call)
                assert type(error) is StorageUnavailableException
                assert seconds < 3
        finally:
            server.start()

        async def back():
            try:
                return await store.get("k") == 1
            except StorageUnavailableException:
                return False

        await until(container, back, 3)
        assert await store.update("k", add_one) == 2

    run_stores(test, server.url)


def test_a_module_loads_without_a_server_and_works_when_it_comes(tmp_path):
    late = RedisServer(tmp_path)

    async def test(container, store):
        notifier, seen = store.createnotifier(), []
        notifier.add_callback(seen.append)
        await notifier.start(container)
        error, seconds = await failure_of(notifier.add_listen("k"))
        assert type(error) is StorageUnavailableException
        late.start()

        async def restored():
            return any(note.reason == UpdateNotification.RESTORED for note in seen)

        await until(container, restored, 3)
        await notifier.add_listen("k")
        await store.set("k", 1)

        async def told():
            return seen[-1].keys == ("k",)

        await until(container, told, 3)

    try:
        run_stores(test, late.url)
    finally:
        late.stop()


def test_a_hanging_server_is_reported_within_three_seconds_and_nothing_is_written_later(server):
    async def test(container, store):
        await store.set("k", 1)
        await quiet(container)
        server.pause()
        try:
            for call in (store.set("k", 2), store.update("k", add_one), store.get("k")):
                error, seconds = await failure_of(call)
                assert type(error) is StorageUnavailableException
                assert seconds < 3
        finally:
            server.resume()
        await container.wait_with_timeout(0.3)
        assert await store.get("k") == 1

    run_stores(test, server.url)


def test_a_server_that_hangs_during_a_commit_does_not_carry_it_out_when_it_goes_on(server):
    async def test(container, store):
        def hang(key, value):
            server.pause()
            return 2

        await store.set("k", 1)
        try:
            error, seconds = await failure_of(store.update("k", hang))
        finally:
            server.resume()
        assert type(error) is StorageOutcomeUnknownException
        assert seconds < 4.5
        await container.wait_with_timeout(0.3)
        assert await store.get("k") == 1

    run_stores(test, server.url)


def test_a_lost_reply_is_found_out_and_the_transaction_is_carried_out_once(server, proxy):
    async def test(container, store):
        for turn in range(1, 6):
            proxy.lose_reply(is_commit)
            assert await store.update("n", add_one) == turn
            assert proxy.lost_replies == turn
            assert await store.get("n") == turn

    run_stores(test, proxy.url)


def test_a_commit_that_never_arrives_is_made_again_and_does_not_come_late(server, proxy):
    async def test(container, store):
        def swallow(key, value):
            if not calls:
                proxy.black_hole = True
                container.subroutine(cut_soon())
            calls.append(value)
            return add_one(key, value)

        async def cut_soon():
            await container.wait_with_timeout(0.2)
            proxy.cut()
            proxy.black_hole = False

        calls = []
        assert await store.update("n", add_one) == 1
        assert await store.update("n", swallow) == 2
        assert calls == [1, 1]
        await container.wait_with_timeout(0.2)
        assert await store.get("n") == 2

    run_stores(test, proxy.url)


def test_a_black_hole_is_unavailable_and_what_was_sent_into_it_is_not_carried_out_when_it_opens(server, proxy):
    async def test(container, store):
        await store.set("n", 1)
        await quiet(container)
        proxy.black_hole = True
        errors = [await failure_of(call) for call in (store.set("n", 5), store.get("n"))]
        assert [type(error) for error, _ in errors] == [StorageUnavailableException] * 2
        assert all(seconds < 3 for _, seconds in errors)

        def vanish(key, value):
            proxy.black_hole = True
            return 7

        proxy.black_hole = False
        error, seconds = await failure_of(store.update("n", vanish))
        assert type(error) is StorageOutcomeUnknownException
        proxy.black_hole = False
        await container.wait_with_timeout(0.3)
        assert command(server, "GET", "n") is not None
        assert await store.get("n") == 1

    run_stores(test, proxy.url)


def test_what_is_given_up_while_it_reads_is_not_written_although_others_of_the_same_batch_are(server):
    async def test(container, store):
        inner = store.store()
        tried = []

        class Slow:
            """A client whose reads take as long as the test wants."""

            def __getattr__(self, name):
                return getattr(client, name)

            async def batch_execute(self, container, *commands, **options):
                if commands[0][0] == "MGET":
                    tried.append(commands)
                    await container.wait_with_timeout(0.5)
                return await client.batch_execute(container, *commands, **options)

        async def write(key, seconds):
            update = Update((key,), lambda keys, values, now: (keys, (1,)), Future(inner.scheduler), inner.now + seconds)
            updates.append(update)
            return await batches.carry_out(update)

        async def outcome(key, seconds):
            try:
                await write(key, seconds)
                return "written"
            except StorageUnavailableException:
                return "given up"

        await store.set("first", 1)
        await quiet(container)
        client, inner.client = inner.client, Slow()
        batches, updates = Batches("redis", container, inner._run, 1, 10), []
        calls = [outcome("first", 5), outcome("short", 0.7), outcome("long", 5)]
        results = await container.execute_all([*calls])
        inner.client = client
        assert [found[0] if isinstance(found, tuple) else found for found in results] == ["written", "given up", "written"]
        assert await store.mget(("first", "short", "long")) == [1, None, 1]

    run_stores(test, server.url)


def test_time_stamps_grow_although_the_clock_of_the_server_was_set_back(server):
    async def test(container, one, other):
        ahead = time.time_ns() // 1000 + 3600 * 10**6
        command(server, "SET", CLOCK, ahead)
        seen = []
        for store in (one, other, one):
            _, written = await store.updateallwithtime((), lambda keys, values, now: (("k",), (now,)))
            seen.extend(written)
        assert ahead < seen[0] < seen[1] < seen[2] < ahead + 1000

    run_stores(test, server.url, server.url)


def test_a_server_that_forgot_the_script_is_taught_again(server):
    async def test(container, store):
        for turn in range(1, 4):
            assert await store.update("n", add_one) == turn
            command(server, "SCRIPT", "FLUSH")

    run_stores(test, server.url)


def test_conflicts_beyond_the_limit_are_reported_and_nothing_is_written(server):
    async def test(container, store):
        calls = []

        def updater(key, value):
            calls.append(value)
            command(server, "SET", "k", b"%d" % len(calls))
            return -1

        with pytest.raises(RedisWriteConflictException, match="4 conflicts"):
            await store.update("k", updater)
        assert len(calls) == 4
        assert await store.get("k") == 4

    run_stores(test, server.url, maxretry=3)


def test_writers_that_met_many_conflicts_take_turns(server):
    async def test(container, *stores):
        async def write(store):
            for _ in range(10):
                await store.update("n", add_one)

        await container.execute_all([write(store) for store in stores for _ in range(6)])
        assert await stores[0].get("n") == 120

    run_stores(test, server.url, server.url, enterseq=1, enterlock=3)


def test_writers_that_wait_for_their_turn_are_answered_soon_when_the_server_hangs(server):
    async def test(container, store):
        await store.set("k", 1)
        await quiet(container)
        server.pause()
        try:
            found = []

            async def write():
                found.append(await failure_of(store.update("k", add_one)))

            await container.execute_all([write() for _ in range(8)])
        finally:
            server.resume()
        assert [type(error) for error, _ in found] == [StorageUnavailableException] * 8
        assert max(seconds for _, seconds in found) < 5
        await container.wait_with_timeout(0.3)
        assert await store.get("k") == 1

    run_stores(test, server.url)


def test_errors_of_the_server_mean_that_nothing_was_written(server):
    async def test(container, store):
        await store.set("k", "x")
        command(server, "CONFIG", "SET", "maxmemory", "1")
        try:
            with pytest.raises(StorageUnavailableException, match="OOM"):
                await store.set("k", "y")
        finally:
            command(server, "CONFIG", "SET", "maxmemory", "0")
        assert await store.get("k") == "x"

    run_stores(test, server.url)


@pytest.mark.parametrize("restart", [False, True])
def test_after_a_cut_everything_is_to_be_read_again_and_later_changes_are_told(server, proxy, restart):
    async def test(container, store, other):
        notifier, seen = store.createnotifier(), []
        notifier.add_callback(seen.append)
        await notifier.start(container)
        await notifier.add_listen("a", "b")
        if restart:
            server.kill()
            server.start()
        proxy.cut()

        async def restored():
            return [note.reason for note in seen] == [UpdateNotification.RESTORED]

        await until(container, restored, 3)
        await other.mset((("b", 1), ("z", 1)))

        async def told():
            return len(seen) == 2

        await until(container, told, 3)
        assert (seen[1].keys, seen[1].fromself) == (("b", "z"), False)

    run_stores(test, proxy.url, server.url)


def test_a_change_of_many_keys_is_told_once_to_everybody(server):
    async def test(container, store, other):
        notifier, seen = store.createnotifier(), []
        notifier.add_callback(seen.append)
        await notifier.start(container)
        keys = ["k%d" % number for number in range(300)]
        await other.mset([(key, 1) for key in keys])

        async def told():
            return bool(seen)

        await until(container, told, 3)
        await container.wait_with_timeout(0.1)
        assert [set(note.keys) for note in seen] == [set(keys)]

    run_stores(test, server.url, server.url)


def test_messages_of_strangers_are_ignored_or_understood(server):
    async def test(container, store):
        notifier, seen = store.createnotifier(), []
        notifier.add_callback(seen.append)
        await notifier.start(container)
        prefix = store.notifying.prefix
        for bad in (b"", b"\x78\x01garbage", b"[1]", b'{"id": 1, "keys": []}', b'{"id": "x", "keys": [1]}', b"[" * 100000):
            command(server, "PUBLISH", prefix, bad)
        command(server, "PUBLISH", prefix, b'{"id": "other-1", "keys": ["k"], "extrainfo": [[5, 1]]}')

        async def told():
            return bool(seen)

        await until(container, told, 3)
        assert [(note.keys, note.versions, note.fromself) for note in seen] == [(("k",), [(5, 1)], False)]

    run_stores(test, server.url)


@pytest.mark.parametrize("seconds", [5, pytest.param(3600, marks=[pytest.mark.soak, pytest.mark.timeout(3900)])])
def test_money_is_moved_and_never_made_through_a_bad_network_and_kills_of_the_server(server, proxy, seconds):
    names = ["account%d" % number for number in range(6)]

    async def test(container, *stores):
        await stores[0].mset([(name, 100) for name in names] + [("done%d" % n, 0) for n in range(len(stores))])
        proxy.delay, proxy.slice, proxy.cut_after = 0.01, 200, 0.5
        end = time.monotonic() + seconds
        acknowledged, doubtful, sums = [0] * len(stores), [0] * len(stores), set()

        def moving(counter, rng):
            pair = rng.sample(names, 2)

            def move(keys, values, now):
                return keys, (values[0] - 7, values[1] + 7, values[2] + 1)

            return (*pair, counter), move

        async def write(number, store):
            rng = random.Random(number)
            while time.monotonic() < end:
                keys, move = moving("done%d" % number, rng)
                try:
                    await store.updateallwithtime(keys, move)
                    acknowledged[number] += 1
                except StorageOutcomeUnknownException:
                    doubtful[number] += 1
                except (StorageUnavailableException, RedisWriteConflictException):
                    await container.wait_with_timeout(0.05)

        async def read(store):
            while time.monotonic() < end:
                try:
                    sums.add(sum((await store.mgetwithcache(names))[0]))
                except StorageUnavailableException:
                    continue
                await container.wait_with_timeout(0.02)

        async def disturb():
            rng = random.Random(5)
            while time.monotonic() < end - 1:
                await container.wait_with_timeout(rng.uniform(0.1, 0.5))
                if rng.random() < 0.2:
                    server.kill()
                    server.start()
                else:
                    proxy.lose_reply(is_commit)

        tasks = [write(number, store) for number, store in enumerate(stores)] + [read(store) for store in stores]
        await container.execute_all([*tasks, disturb()])
        proxy.delay, proxy.slice, proxy.cut_after = 0.0, 0, None
        proxy.cut()
        await container.wait_with_timeout(0.3)
        values, _ = await stores[0].mgetwithcache([*names, *("done%d" % n for n in range(len(stores)))])
        assert sum(values[:6]) == 600
        assert sums == {600}
        for number, count in enumerate(values[6:]):
            assert acknowledged[number] <= count <= acknowledged[number] + doubtful[number]
        assert sum(acknowledged) > 20
        assert proxy.lost_replies > 0

    run_stores(test, *[proxy.url] * 4, timeout=seconds + 60)


class Starting:
    """A client of a server that has just been started: it refuses commands until it has read its file.

    :param client: the real one
    :param count: number of batches that are refused
    """

    def __init__(self, client, count):
        self._client = client
        self.left = count

    def __getattr__(self, name):
        return getattr(self._client, name)

    async def batch_execute(self, *arguments, **options):
        if self.left:
            self.left -= 1
            error = RedisReplyException("LOADING Redis is loading the dataset in memory")
            if options.get("raise_first_exception"):
                raise error
            return [error]
        return await self._client.batch_execute(*arguments, **options)


def test_a_server_that_is_still_loading_is_waited_for(server, proxy):
    async def test(container, store):
        shared = store.store()
        shared.client = Starting(shared.client, 0)
        assert await store.update("n", add_one) == 1
        # The reply is lost because the server was restarted.
        shared.client.left = 3
        proxy.lose_reply(is_commit)
        assert await store.update("n", add_one) == 2
        assert shared.client.left == 0
        shared.client.left = 3
        assert await store.get("n") == 2
        shared.client.left = 10**6
        error, seconds = await failure_of(store.get("n"))
        assert type(error) is StorageUnavailableException and seconds < 3
        assert "LOADING" in str(error)

    run_stores(test, proxy.url)
