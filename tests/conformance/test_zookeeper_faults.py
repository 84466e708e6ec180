"""What ZooKeeperDB does when connections, servers and sessions fail."""

from __future__ import annotations

import itertools
import random
import time
from typing import Any

import pytest
from kazoo.client import KazooClient
from support.dbmodules import ModuleHost
from support.poller import run_scheduler
from support.tcpproxy import TcpProxy
from support.zkserver import Ensemble, require_zookeeper

from vlcp.protocol.zookeeper import ZooKeeperRequestTooLargeException
from vlcp.service.connection.zookeeperdb import UpdateNotification, ZooKeeperDB
from vlcp.utils.exceptions import StorageOutcomeUnknownException, StorageUnavailableException
from vlcp.utils.zkclient import ZooKeeperSessionStateChanged

_chroots = itertools.count(1)


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory):
    require_zookeeper()
    with Ensemble(tmp_path_factory.mktemp("zk")) as servers:
        yield servers


@pytest.fixture
def three(tmp_path):
    require_zookeeper()
    with Ensemble(tmp_path, 3) as servers:
        yield servers


@pytest.fixture
def proxy(ensemble):
    with TcpProxy("127.0.0.1", ensemble.nodes[0].port) as one:
        yield one


async def open_store(container: Any, url: str) -> Any:
    """Return a loaded module at a URL that ends in a chroot of its own."""
    cls = type("ZooKeeperDB%d" % (next(_chroots),), (ZooKeeperDB,), {"url": url})
    (store,) = await ModuleHost(container).start(cls)
    await store.set("ready", 1)
    return store


def chroot() -> str:
    return "faults%d" % (next(_chroots),)


def run(test: Any, *urls: str, timeout: float = 60) -> Any:
    """Run ``test(container, *stores)``, one store for each URL."""

    async def main(container: Any) -> Any:
        stores = [await open_store(container, url) for url in urls]
        try:
            return await test(container, *stores)
        finally:
            for store in stores:
                await store.unload(store.apiroutine, True)

    return run_scheduler(main, timeout)


def increment(names: Any, values: Any, now: int) -> Any:
    return names, [(value or 0) + 1 for value in values]


async def until(container: Any, test: Any, limit: float) -> float:
    """Call ``test()`` until it is true; return how long that took."""
    began = time.monotonic()
    while not test():
        assert time.monotonic() - began < limit, "not within %s s" % (limit,)
        await container.wait_with_timeout(0.02)
    return time.monotonic() - began


async def works_again(container: Any, store: Any, limit: float = 10.0) -> float:
    """Try transactions until one succeeds; return the seconds that took."""
    began = time.monotonic()
    while True:
        try:
            await store.updateallwithtime(("works",), increment)
            return time.monotonic() - began
        except StorageUnavailableException:
            assert time.monotonic() - began < limit


def test_a_notifier_that_starts_while_nothing_answers_tells_to_read_everything_as_soon_as_it_can(proxy):
    async def test(container, store):
        notifier, seen = store.createnotifier(), []
        notifier.add_callback(seen.append)
        proxy.black_hole = True
        await notifier.start(container)
        proxy.black_hole = False
        await until(container, lambda: [one.reason for one in seen] == [UpdateNotification.RESTORED], 10)
        await notifier.add_listen("n")
        await store.updateallwithtime(("n",), increment)
        await notifier.publish(("n",), [None])
        await until(container, lambda: any("n" in one.keys for one in seen), 10)
        await notifier.stop(container)

    run(test, proxy.url + chroot())


def test_calls_fail_soon_while_the_server_is_stopped_and_are_not_carried_out_later(tmp_path):
    require_zookeeper()
    with Ensemble(tmp_path) as servers:

        async def test(container, store):
            await store.updateallwithtime(("n",), increment)
            servers.stop()
            for call in (store.updateallwithtime(("n",), increment), store.mget(("n",)), store.set("n", 100)):
                began = time.monotonic()
                with pytest.raises(StorageUnavailableException):
                    await call
                assert time.monotonic() - began < 3
            for node in servers.nodes:
                node.start()
            assert await works_again(container, store) < 10
            assert await store.get("n") == 1

        run(test, servers.url(chroot()))


def test_calls_fail_soon_when_nothing_passes_and_go_on_when_it_does(ensemble, proxy):
    async def test(container, store):
        await store.updateallwithtime(("n",), increment)
        proxy.black_hole = True
        for call in (store.updateallwithtime(("n",), increment), store.mget(("n",))):
            began = time.monotonic()
            with pytest.raises(StorageUnavailableException):
                await call
            assert time.monotonic() - began < 3
        proxy.black_hole = False
        assert await works_again(container, store) < 10
        assert await store.get("n") == 1

    run(test, proxy.url + chroot())


def test_a_commit_whose_reply_is_lost_is_found_out_to_be_carried_out(proxy):
    async def test(container, store):
        for turn in range(1, 6):
            proxy.lose_reply(lambda data: b"notify-" in data)
            _, values = await store.updateallwithtime(("a", "b"), increment)
            assert values == [turn, turn]
        assert proxy.lost_replies == 5
        assert await store.mget(("a", "b")) == [5, 5]

    run(test, proxy.url + chroot())


def test_barriers_whose_reply_is_lost_do_not_stay_in_the_way(proxy):
    async def test(container, store):
        for _ in range(3):
            proxy.lose_reply(lambda data: b"barrier" in data and b"notify-" not in data)
            try:
                await store.updateallwithtime(("a",), increment)
            except StorageUnavailableException:
                pass
        began = time.monotonic()
        before = await store.get("a") or 0
        _, values = await store.updateallwithtime(("a",), increment)
        assert values == [before + 1]
        assert time.monotonic() - began < 2.9

    run(test, proxy.url + chroot())


def test_an_outcome_that_cannot_be_found_out_is_reported_as_unknown_and_never_guessed(proxy):
    async def test(container, store):
        await store.updateallwithtime(("n",), increment)

        def swallow(data: bytes) -> bool:
            if b"notify-" in data:
                proxy.refuse = True
                return True
            return False

        proxy.lose_reply(swallow)
        began = time.monotonic()
        with pytest.raises(StorageOutcomeUnknownException):
            await store.updateallwithtime(("n",), increment)
        assert time.monotonic() - began < 4.5
        proxy.refuse = False
        assert await works_again(container, store) < 10
        assert await store.get("n") == 2

    run(test, proxy.url + chroot())


def test_no_increment_is_lost_or_doubled_while_connections_are_cut(proxy, ensemble):
    where = chroot()

    async def test(container, cut, steady):
        done = {"ok": 0, "unknown": 0}
        proxy.cut_after = 0.15

        async def write(store, rounds):
            for _ in range(rounds):
                try:
                    await store.updateallwithtime(("x", "y"), increment)
                    done["ok"] += 1
                except StorageOutcomeUnknownException:
                    done["unknown"] += 1
                except StorageUnavailableException:
                    pass

        torn = []

        async def read(store):
            for _ in range(40):
                try:
                    x, y = (await store.mgetwithcache(("x", "y")))[0]
                    torn.append(x != y)
                except StorageUnavailableException:
                    pass
                await container.wait_with_timeout(0.02)

        await container.execute_all([write(cut, 40), write(cut, 40), write(steady, 40), read(cut), read(steady)])
        proxy.cut_after = None
        assert not any(torn)
        x, y = await steady.mget(("x", "y"))
        assert x == y
        assert done["ok"] <= x <= done["ok"] + done["unknown"]
        assert done["ok"] >= 80

    run(test, proxy.url + where, ensemble.url(where), timeout=100)


def test_an_expired_session_is_replaced_and_listeners_are_told_to_read_again(ensemble):
    async def test(container, store):
        seen = []
        notifier = store.createnotifier()
        notifier.add_callback(seen.append)
        await notifier.start(container)
        await notifier.add_listen("k")
        client, _, _ = store.getclient()
        old = client.sessionid
        thief = KazooClient(ensemble.hosts(), client_id=(client.sessionid, client._password))
        thief.start()
        thief.stop()
        await until(container, lambda: client.sessionid not in (0, old), 10)
        assert await works_again(container, store) < 10
        await until(container, lambda: any(note.reason == UpdateNotification.RESTORED for note in seen), 5)
        await store.set("k", 2)
        await until(container, lambda: any(note.keys == ("k",) for note in seen), 5)

    run(test, ensemble.url(chroot()))


def test_after_a_change_of_the_url_the_notifiers_and_recycling_are_on_the_new_store(ensemble):
    old, new = chroot(), chroot()

    async def test(container, store, other):
        await other.set("k", 7)
        await store.set("k", 1)
        # On both clusters the same nodes are created in the same order: what is known of one must not be taken for the other.
        values, cache = await store.mgetwithcache(("k",))
        seen = []
        notifier = store.createnotifier()
        notifier.add_callback(seen.append)
        await notifier.start(container)
        await notifier.add_listen("k")
        type(store).url = ensemble.url(new)
        await store.updateconfig()
        assert (await works_again(container, store)) < 10
        assert (await store.mgetwithcache(("k",), "", cache))[0] == [7]
        await until(container, lambda: any(note.reason == UpdateNotification.RESTORED for note in seen), 10)
        del seen[:]
        await other.set("k", 8)
        await until(container, lambda: any(note.keys == ("k",) and not note.fromself for note in seen), 5)
        await store.set("k", 9)
        await until(container, lambda: any(note.keys == ("k",) and note.fromself for note in seen), 5)
        store.recycle(("k",))
        assert await other.get("k") == 9
        await notifier.remove_listen("k")
        await notifier.stop(container)
        # The same configuration again changes nothing.
        client, _, _ = store.getclient()
        await store.updateconfig()
        assert store.getclient()[0] is client

    run(test, ensemble.url(old), ensemble.url(new))


def test_a_transaction_survives_the_end_of_its_session(ensemble):
    async def test(container, store):
        client, _, _ = store.getclient()
        began = []

        def slow(names, values, now):
            if not began:
                began.append(client.sessionid)
                client.reset()
            return increment(names, values, now)

        try:
            _, values = await store.updateallwithtime(("n",), slow)
            assert values == [1]
        except StorageUnavailableException:
            assert await works_again(container, store) < 10
        assert (await store.get("n") or 0) <= 1
        assert client.sessionid != began[0]

    run(test, ensemble.url(chroot()))


def test_work_goes_on_when_one_of_three_servers_is_killed(three):
    async def test(container, store):
        for victim in (three.leader(), three.nodes[0]):
            await store.updateallwithtime(("n",), increment)
            before = await store.get("n")
            victim.stop(kill=True)
            assert await works_again(container, store) < 10
            assert await store.get("n") == before
            victim.start()
            three.wait()
            assert await works_again(container, store) < 10

    run(test, three.url(chroot()), timeout=90)


def test_the_barrier_of_a_process_that_died_is_taken_away(ensemble):
    where = chroot()

    async def test(container, store):
        await store.set("k", 5)
        other = KazooClient(ensemble.hosts() + "/" + where)
        other.start()
        path = other.create("/vlcp/kvdb/k/barrier%s0000000001-" % ("f" * 32,), b"", ephemeral=True, sequence=True)
        began = time.monotonic()
        _, values = await store.updateallwithtime(("k",), increment)
        assert values == [6]
        assert 1.5 < time.monotonic() - began < 4
        assert other.exists(path) is None
        other.stop()

    run(test, ensemble.url(where))


def test_what_a_dead_process_left_is_waited_for_once_and_not_for_each_key(ensemble):
    where = chroot()

    async def test(container, store):
        await store.mset([(key, 5) for key in "abc"])
        other = KazooClient(ensemble.hosts() + "/" + where)
        other.start()
        name = "barrier%s0000000001-" % ("e" * 32,)
        for key in "abc":
            other.create("/vlcp/kvdb/%s/%s" % (key, name), b"", ephemeral=True, sequence=True)
        await store.updateallwithtime(("a",), increment)
        began = time.monotonic()
        for key in "bc":
            await store.updateallwithtime((key,), increment)
        assert time.monotonic() - began < 1.5
        # One that it made afterwards shows that the process lives.
        other.create("/vlcp/kvdb/a/" + name, b"", ephemeral=True, sequence=True)
        began = time.monotonic()
        await store.updateallwithtime(("a",), increment)
        assert time.monotonic() - began > 1.5
        assert await store.mget("abc") == [7, 6, 6]
        other.stop()

    run(test, ensemble.url(where))


def test_transactions_in_line_are_answered_within_five_seconds_of_their_call(ensemble):
    where = chroot()

    async def test(container, store):
        await store.set("k", 5)
        other = KazooClient(ensemble.hosts() + "/" + where)
        other.start()
        for number in range(12):
            # Each by another process, so that each is waited for.
            name = "barrier%032x0000000001-" % (number,)
            other.create("/vlcp/kvdb/k/" + name, b"", ephemeral=True, sequence=True)
        waits = []

        async def call():
            began = time.monotonic()
            with pytest.raises(StorageUnavailableException):
                await store.updateallwithtime(("k",), increment)
            waits.append(time.monotonic() - began)

        await container.execute_all([call() for _ in range(6)])
        assert max(waits) < 5
        assert await store.get("k") == 5
        other.stop()
        assert await works_again(container, store) < 10
        await store.updateallwithtime(("k",), increment)
        assert await store.get("k") == 6

    run(test, ensemble.url(where))


def test_what_is_too_large_for_one_request_is_refused_and_nothing_is_written(ensemble):
    async def test(container, store):
        text = random.Random(2).randbytes(1_500_000).hex()
        with pytest.raises(ZooKeeperRequestTooLargeException):
            await store.mset((("a", 1), ("b", text)))
        assert await store.mget(("a", "b")) == [None, None]
        began = time.monotonic()
        await store.set("a", 2)
        assert time.monotonic() - began < 1

    run(test, ensemble.url(chroot()))


def test_a_call_that_nobody_waits_for_any_more_is_not_carried_out(proxy):
    async def test(container, store):
        proxy.delay = 0.2
        late, _ = await container.execute_with_timeout(0.05, store.updateallwithtime(("n",), increment))
        assert late
        proxy.delay = 0.0
        await container.wait_with_timeout(1.0)
        assert await store.get("n") is None
        _, values = await store.updateallwithtime(("n",), increment)
        assert values == [1]

    run(test, proxy.url + chroot())


def test_the_states_of_a_session_are_told(proxy):
    async def test(container, store):
        client, _, _ = store.getclient()
        states = []

        async def watch():
            matcher = ZooKeeperSessionStateChanged.createMatcher(None, client)
            while True:
                states.append((await matcher).state)

        container.subroutine(watch(), False, daemon=True)
        proxy.cut()
        await until(container, lambda: "reconnected" in states, 5)
        client.reset()
        await until(container, lambda: "created" in states, 5)
        assert states == ["disconnected", "reconnected", "expired", "created"]

    run(test, proxy.url + chroot())
