"""ObjectDB on the store in memory."""

from __future__ import annotations

import random

import pytest
from support.dbmodules import ModuleHost, configured
from support.memorykv import MemoryKV, MemoryStore
from support.poller import run_scheduler

from vlcp.service.kvdb._txn.attempt import Missing, attempt
from vlcp.service.kvdb._txn.indexes import run_transaction
from vlcp.service.kvdb.objectdb import ObjectDB
from vlcp.service.kvdb.redisnotifier import UpdateNotifier
from vlcp.service.kvdb.storage import KVStorage
from vlcp.utils.dataobject import (
    AlreadyExistsException,
    DataObject,
    DataObjectUpdateEvent,
    ReferenceObject,
    dump,
    request_context,
    updater,
    watch_context,
)
from vlcp.utils.exceptions import (
    AsyncTransactionLockException,
    StaleResultException,
    StorageOutcomeUnknownException,
    StorageUnavailableException,
    TransactionRetryExceededException,
    TransactionTimeoutException,
    WalkKeyNotRetrieved,
)


class Item(DataObject):
    _prefix = "objectdb.item"
    _indices = ("id",)


def key(name):
    return Item.default_key(name)


def put(*names, **attributes):
    def walker(walk, write):
        for name in names:
            item = walk(key(name)) or Item.create_instance(name)
            item.__dict__.update(attributes)
            write(item.getkey(), item)

    return walker


def delete(*names):
    def walker(walk, write):
        for name in names:
            write(key(name), None)

    return walker


def run(test, ordered=True, store=None, timeout=20):
    """Run ``test(container, host, odb, store)``."""
    memory = store or MemoryStore()
    cls = type("MemoryKV", (MemoryKV,), {"store": memory, "ordered": ordered})

    async def main(container):
        host = ModuleHost(container)
        try:
            modules = await host.start(cls, KVStorage, UpdateNotifier, ObjectDB)
            return await test(container, host, modules[-1], memory)
        finally:
            await host.stop()

    with configured(proxy__kvstorage=cls, proxy__updatenotifier=cls):
        return run_scheduler(main, timeout)


both = pytest.mark.parametrize("ordered", [True, False])


@both
def test_a_watched_object_follows_the_database(ordered):
    async def test(container, host, odb, store):
        reference = await odb.watch(key("a"), "me")
        assert reference.isdeleted()
        assert await odb.get(key("a"), "me") is None
        await odb.writewalk([key("a")], put("a", size=1))
        assert reference.size == 1 and reference.id == "a"
        await odb.writewalk([], put("a", size=2))
        assert reference.size == 2
        await odb.writewalk([], delete("a"))
        assert reference.isdeleted()

    run(test, ordered)


@both
def test_changes_by_others_arrive_with_an_event(ordered):
    async def test(container, host, odb, store):
        (reference,) = await odb.mwatch([key("a")], "me")
        other = await add_node(host, store, ordered)
        events = []

        async def listen():
            for _ in range(2):
                events.append(await DataObjectUpdateEvent.createMatcher(key("a")))

        container.subroutine(listen(), False)
        await other.writewalk(put("a", size=1))
        await reference.wait(container)
        await reference.waitif(container, lambda ref: ref.size == 1)
        await other.writewalk(delete("a"))
        while len(events) < 2:
            await container.do_events()
        assert [event.type for event in events] == ["updated", "deleted"]
        assert events[0].object is reference
        assert events[0].transactid != events[1].transactid

    run(test, ordered)


class OtherNode:
    """Another process: commits on the same store, and tells of it."""

    def __init__(self, module):
        self.module = module
        self.notifier = module.createnotifier()

    async def writewalk(self, walker):
        keys = []
        while True:
            try:
                return await self._try(keys, walker)
            except LookupError as error:
                keys += sorted(error.args[0])

    async def _try(self, keys, walker):
        done = []

        def updater(names, values, now):
            outcome = run_transaction(lambda snapshot, _: attempt(walker, snapshot), names, values, now)
            if isinstance(outcome, Missing):
                raise LookupError(outcome.keys)
            done[:] = [outcome]
            return tuple(outcome.writes), tuple(outcome.writes.values())

        await self.module.updateallwithtime(tuple(keys), updater)
        await self.notifier.publish(tuple(done[0].versions), list(done[0].versions.values()))


async def add_node(host, store, ordered=True):
    cls = type("OtherKV", (MemoryKV,), {"store": store, "ordered": ordered})
    return OtherNode((await host.start(cls))[-1])


def balance_walker(amount, source, target):
    def walker(walk, write):
        one, other = walk(key(source)), walk(key(target))
        one.balance -= amount
        other.balance += amount
        write(one.getkey(), one)
        write(other.getkey(), other)

    return walker


@both
def test_several_keys_are_always_one_snapshot(ordered):
    names = "abcdef"

    async def test(container, host, odb, store):
        await odb.writewalk([], put(*names, balance=100))
        other = await add_node(host, store, ordered)
        store.notify_delay = 0 if ordered else 0.004
        store.read_delay = 0.001
        rng, sums = random.Random(5), []

        async def write(node):
            while len(sums) < 80:
                source, target = rng.sample(names, 2)
                await node.writewalk(balance_walker(rng.randint(1, 9), source, target))
                await container.do_events()

        async def write_here():
            while len(sums) < 80:
                source, target = rng.sample(names, 2)
                await odb.writewalk([key(source), key(target)], balance_walker(1, source, target))
                await container.do_events()

        def total(start, value, walk, save):
            values = []
            for name in names:
                try:
                    values.append(walk(key(name)).balance)
                except WalkKeyNotRetrieved:
                    pass
            if len(values) == len(names):
                sums.append(sum(values))

        async def read(number):
            while len(sums) < 80:
                values = await odb.mgetonce([key(name) for name in names])
                sums.append(sum(value.balance for value in values))
                await odb.walk([key(names[0])], {key(names[0]): total}, ("read", number))
                await odb.unwatchall(("read", number))
                await odb._update.collect()

        await container.execute_all([write(other), write_here(), read(1)])
        assert set(sums) == {600}

    run(test, ordered, timeout=60)


def test_references_seen_by_a_watcher_are_one_state_at_any_time():
    names = "abcd"

    async def test(container, host, odb, store):
        await odb.writewalk([], put(*names, balance=100))
        references = await odb.mget([key(name) for name in names], "me")
        other = await add_node(host, store)
        rng, sums = random.Random(6), []
        store.read_delay = 0.001

        async def write():
            for _ in range(60):
                source, target = rng.sample(names, 2)
                await other.writewalk(balance_walker(3, source, target))
                await container.do_events()

        async def look():
            for _ in range(200):
                sums.append(sum(reference.balance for reference in references))
                await container.do_events()

        await container.execute_all([write(), look()])
        assert set(sums) == {400}
        await references[0].waitif(container, lambda ref: sum(r.balance for r in references) == 400)

    run(test)


def test_strong_references_are_retrieved_at_any_depth_and_follow():
    async def test(container, host, odb, store):
        def build(walk, write):
            for name, link in (("a", "b"), ("b", "c"), ("c", None)):
                item = Item.create_instance(name)
                if link:
                    item.link = ReferenceObject(key(link))
                write(item.getkey(), item)

        await odb.writewalk([], build)
        reference = await odb.get(key("a"), "me")
        assert reference.link.link.id == "c"
        assert dump(reference)["link"]["link"]["_key"] == key("c")
        await odb.writewalk([], put("c", size=9))
        assert reference.link.link.size == 9
        assert list(odb.watchlist()) == [key("a")]

        def turn(walk, write):
            item = walk(key("b"))
            item.link = ReferenceObject(key("d"))
            write(item.getkey(), item)
            write(key("d"), Item.create_instance("d"))

        await odb.writewalk([], turn)
        assert reference.link.link.id == "d"
        await odb._update.collect()
        assert sorted(odb._update.mirror) == [key("a"), key("b"), key("d")]

    run(test)


def test_objects_once_read_are_private_copies():
    async def test(container, host, odb, store):
        await odb.writewalk([], put("a", items=[1]))
        reference = await odb.get(key("a"), "me")
        copy = await odb.getonce(key("a"))
        copy.items.append(2)
        assert reference.items == [1] and copy.id == "a"
        assert await odb.mgetonce([key("z"), key("a")]) == [None, await odb.getonce(key("a"))]
        assert list(odb.watchlist()) == [key("a")]

    run(test)


def test_a_walk_saves_and_watches_what_its_walkers_save():
    async def test(container, host, odb, store):
        def link(walk, write):
            item = Item.create_instance("a")
            item.next = "b"
            write(item.getkey(), item)

        await odb.writewalk([], link)

        def walker(start, value, walk, save):
            save(start)
            if value is not None:
                try:
                    walk(key(value.next))
                    save(key(value.next))
                except WalkKeyNotRetrieved:
                    pass

        keys, values = await odb.walk([key("a")], {key("a"): walker}, "flow")
        assert keys == [key("a"), key("b")]
        assert values[0].next == "b" and values[1] is None
        assert odb.watchlist("flow") == {key("a"): ["flow"], key("b"): ["flow"]}
        await odb.munwatch([key("a")], "flow")
        await odb.unwatch(key("b"), "flow")
        assert odb.watchlist() == {}

        def broken(start, value, walk, save):
            raise RuntimeError("walker")

        with pytest.raises(RuntimeError, match="walker"):
            await odb.walk([key("a")], {key("a"): broken}, "flow")

    run(test)


def test_contexts_end_the_watch():
    async def test(container, host, odb, store):
        result = await odb.mget([key("a")], "r1")
        with watch_context([key("a")], result, "r1", container) as found:
            assert found == [None]
            assert odb.watchlist() != {}
        with request_context("r2", container):
            await odb.mget([key("b")], "r2")
        await container.do_events()
        assert odb.watchlist() == {}

    run(test)


def test_a_commit_reads_only_its_own_keys():
    async def test(container, host, odb, store):
        names = ["n%d" % number for number in range(300)]
        await odb.writewalk([], put(*names, size=0))
        await odb.mget([key(name) for name in names], "me")
        store.reads.clear()
        await odb.writewalk([key("n1"), key("n2")], put("n1", "n2", size=1))
        assert [set(keys) for keys in store.reads] == [{key("n1"), key("n2")}]
        store.reads.clear()
        assert (await odb.mget([key(name) for name in names[:50]], "again"))[1].size == 1
        assert store.reads == []

    run(test)


def test_a_transaction_gets_values_and_time_and_writes_what_it_returns():
    async def test(container, host, odb, store):
        @updater
        def create(old, now):
            assert old is None
            item = Item.create_instance("a")
            item.made = now
            return [item]

        await odb.transact([key("a")], create, True)
        item = await odb.getonce(key("a"))
        assert item.kvdb_createtime == item.made and item.kvdb_updateversion == 1
        assert await odb.gettimestamp() > item.made
        await odb.transact([key("a")], lambda keys, values: ([key("a"), key("b")], [None, Item.create_instance("b")]))
        assert await odb.mgetonce([key("a"), key("b")]) == [None, await odb.getonce(key("b"))]

    run(test)


def test_a_walker_that_raises_writes_nothing():
    async def test(container, host, odb, store):
        def walker(walk, write):
            put("a")(walk, write)
            raise ValueError("stop")

        with pytest.raises(ValueError, match="stop"):
            await odb.writewalk([key("a")], walker)
        assert store.data == {}

    run(test)


def test_conflicts_are_tried_again_on_new_values():
    async def test(container, host, odb, store):
        await odb.writewalk([], put("a", size=1))
        runs = []

        def interfere():
            if len(runs) == 1:
                item = Item.create_instance("a")
                item.__dict__.update(size=10, kvdb_createtime=1, kvdb_updateversion=2)
                store.put(key("a"), item)

        store.interfere = interfere

        def walker(walk, write):
            item = walk(key("a"))
            runs.append(item.size)
            item.size += 1
            write(item.getkey(), item)

        await odb.writewalk([key("a")], walker)
        assert runs == [1, 10]
        assert (await odb.getonce(key("a"))).size == 11
        store.interfere, store.conflicts = None, 1000
        with pytest.raises(TransactionRetryExceededException):
            await odb.writewalk([key("a")], walker)

    run(test)


def test_a_transaction_that_takes_too_long_is_given_up():
    async def test(container, host, odb, store):
        names = iter(range(10**6))

        def walker(walk, write):
            for name in range(next(names)):
                walk(key(str(name)))
            walk(key("never enough"))

        async def slow(info, container):
            await container.wait_with_timeout(0.05)
            return [], lambda walk, write: (_ for _ in ()).throw(AsyncTransactionLockException("again"))

        with pytest.raises(TransactionTimeoutException):
            await odb.asyncwritewalk(slow, maxtime=0.2)

    run(test)


def test_async_transactions_restart_with_their_info():
    async def test(container, host, odb, store):
        infos = []

        async def factory(info, container):
            infos.append(info)
            await container.wait_with_timeout(0)

            def walker(walk, write, now):
                if info is None:
                    raise AsyncTransactionLockException("first")
                put("a", made=now)(walk, write)

            return [key("a")], walker

        await odb.asyncwritewalk(factory, True)
        assert infos == [None, "first"]
        assert (await odb.getonce(key("a"))).made

        async def nothing(info, container):
            return None

        assert await odb.asynctransact(nothing) is None

        async def always(info, container):
            def update(keys, values):
                raise AsyncTransactionLockException((info or 0) + 1)

            infos.append(info)
            return update, [key("a")]

        infos.clear()
        with pytest.raises(TransactionRetryExceededException):
            await odb.asynctransact(always, maxretry=3)
        assert infos == [None, 1, 2, 3]

    run(test)


def test_unique_keys_hold_through_the_api():
    class Owned(Item):
        _prefix = "objectdb.owned"

    Owned.unique_key("_mac", "mac")

    def make(name, mac):
        def walker(walk, write):
            owned = Owned.create_instance(name)
            owned.mac = mac
            write(owned.getkey(), owned)

        return walker

    async def test(container, host, odb, store):
        await odb.writewalk([], make("a", 1))
        with pytest.raises(AlreadyExistsException, match="objectdb.owned.b.*objectdb.owned.a"):
            await odb.writewalk([], make("b", 1))
        await odb.writewalk([], make("a", 2))
        await odb.writewalk([], make("b", 1))
        assert len(store.data) == 4

    run(test)


def test_without_the_store_writers_fail_at_once_and_readers_get_older_values():
    async def test(container, host, odb, store):
        await odb.writewalk([], put("a", size=1))
        reference = await odb.get(key("a"), "me")
        store.unavailable = True
        began = container.scheduler.current_time
        with pytest.raises(StorageUnavailableException):
            await odb.writewalk([key("a")], put("a", size=2))
        with pytest.raises(StorageUnavailableException):
            await odb.gettimestamp()
        assert container.scheduler.current_time - began < 1
        assert (await odb.getonce(key("a"))).size == 1
        with pytest.raises(StaleResultException) as info:
            await odb.getonce(key("a"), True)
        assert info.value.result[0].size == 1
        with pytest.raises(StorageUnavailableException):
            await odb.getonce(key("b"))
        with pytest.raises(StorageUnavailableException):
            await odb.watch(key("b"), "me")
        with pytest.raises(StaleResultException):
            await odb.mget([key("a"), key("b")], "me", True)
        assert (await odb.get(key("a"), "other")).size == 1
        store.unavailable = False
        await odb.writewalk([key("a")], put("a", size=3))
        assert reference.size == 3
        assert (await odb.watch(key("b"), "me")).isdeleted()

    run(test)


def test_changes_during_an_outage_arrive_when_it_is_over():
    async def test(container, host, odb, store):
        await odb.writewalk([], put("a", size=1))
        reference = await odb.get(key("a"), "me")
        other = await add_node(host, store)
        await other.writewalk(put("a", size=2))
        store.unavailable = True
        await container.wait_with_timeout(0.05)
        store.unavailable = False
        await reference.waitif(container, lambda ref: ref.size == 2)

    run(test)


def test_a_lost_reply_is_told_and_the_write_is_seen():
    async def test(container, host, odb, store):
        reference = await odb.watch(key("a"), "me")
        store.lose_reply = True
        with pytest.raises(StorageOutcomeUnknownException):
            await odb.writewalk([key("a")], put("a", size=1))
        await reference.wait(container)
        assert reference.size == 1

    run(test)


def test_a_value_that_cannot_be_read_is_taken_as_missing_by_readers_only():
    async def test(container, host, odb, store):
        await odb.writewalk([], put("a", "b"))
        good = await odb.get(key("a"), "me")
        store.data[key("b")] = b'{"<vlcpjsonencode/os.path>": 1}'
        store.number[key("b")] = 10**9
        with pytest.raises(ValueError, match="os.path"):
            await odb.writewalk([key("b")], put("b"))
        assert not good.isdeleted()

    run(test)


def test_everything_is_read_again_after_a_gap():
    from vlcp.utils.notifier import Notification, UpdateNotification

    async def test(container, host, odb, store):
        await odb.writewalk([], put("a", size=1))
        reference = await odb.get(key("a"), "me")
        item = Item.create_instance("a")
        item.__dict__.update(size=5, kvdb_createtime=1, kvdb_updateversion=9)
        store.put(key("a"), item)
        store.notifiers[0].deliver(Notification("gap", (), None, UpdateNotification.RESTORED, False))
        await reference.waitif(container, lambda ref: ref.size == 5)

    run(test)


def test_impure_walkers_are_refused_when_every_walker_is_run_twice():
    async def test(container, host, odb, store):
        runs = []

        def impure(walk, write):
            runs.append(1)
            put("a", size=len(runs))(walk, write)

        await odb.writewalk([key("a")], put("a", size=0))
        with pytest.raises(ValueError, match="not pure"):
            await odb.writewalk([key("a")], impure)
        assert (await odb.getonce(key("a"))).size == 0

    with configured(module__objectdb__runtwice=True):
        run(test)


def test_unused_keys_are_forgotten():
    async def test(container, host, odb, store):
        await odb.writewalk([], put("a", "b"))
        await odb.mget([key("a"), key("b")], "me")
        await odb.unwatch(key("a"), "me")
        await odb._update.collect()
        assert list(odb._update.mirror) == [key("b")]
        await odb.unwatchall("me")
        await odb._update.collect()
        assert list(odb._update.mirror) == []
        assert (await odb.get(key("a"), "me")).id == "a"

    run(test)


def test_the_apis_answer_by_name():
    async def test(container, host, odb, store):
        assert await host.call("objectdb", "getonce", key=key("a")) is None
        await host.call("objectdb", "writewalk", keys=[key("a")], walker=put("a"))
        found = await host.call("objectdb", "mget", keys=[key("a")], requestid="me")
        assert found[0].id == "a"
        assert await host.call("objectdb", "watchlist", requestid="me") == {key("a"): ["me"]}
        names = set(await host.call("objectdb", "discover"))
        assert names >= {"mget", "get", "mgetonce", "getonce", "mwatch", "watch", "munwatch", "unwatch", "unwatchall"}
        assert names >= {"transact", "watchlist", "walk", "gettimestamp", "asynctransact", "writewalk", "asyncwritewalk"}

    run(test)
