"""Large collections through ObjectDB, on the store in memory: what follows them sees every change."""

from __future__ import annotations

import pytest
from support.dbmodules import ModuleHost, configured
from support.memorykv import MemoryKV, MemoryStore
from support.poller import run_scheduler

from vlcp.service.kvdb.objectdb import ObjectDB
from vlcp.service.kvdb.redisnotifier import UpdateNotifier
from vlcp.service.kvdb.storage import KVStorage
from vlcp.utils.dataobject import DataObjectUpdateEvent, WeakReferenceObject
from vlcp.utils.growing import LargeSet, holder_of
from vlcp.utils.networkmodel import PhysicalPort, PhysicalPortSet

SET = PhysicalPortSet.default_key()
both = pytest.mark.parametrize("ordered", [True, False])


def run(test, ordered=True, shared=False):
    """Run ``test(container, objectdb, store)``."""
    store = MemoryStore()
    cls = type("MemoryKV", (MemoryKV,), {"store": store, "ordered": ordered})

    async def main(container):
        host = ModuleHost(container)
        try:
            modules = await host.start(cls, KVStorage, UpdateNotifier, ObjectDB)
            return await test(container, modules[-1], store)
        finally:
            await host.stop()

    with configured(proxy__kvstorage=cls, proxy__updatenotifier=cls, module__objectdb__sharedwithv2=shared):
        return run_scheduler(main, 20)


def name(number):
    return PhysicalPort.default_key("", "%", "%", "eth%d" % number)


def change(added=(), removed=()):
    def walker(walk, write):
        members = walk(SET) or PhysicalPortSet.create_instance()
        for number in added:
            members.set.dataset().add(WeakReferenceObject(name(number)))
            write(name(number), PhysicalPort.create_from_key(name(number)))
        for number in removed:
            members.set.dataset().discard(WeakReferenceObject(name(number)))
            write(name(number), None)
        write(SET, members)

    return walker


def follow(key, value, walk, save):
    save(key)
    for reference in [] if value is None else value.set.dataset():
        try:
            walk(reference.getkey())
        except KeyError:
            continue
        save(reference.getkey())


def names(numbers):
    return {name(number) for number in numbers}


@both
@pytest.mark.parametrize("shared", [False, True])
def test_a_walker_sees_every_member_and_hears_of_every_change(ordered, shared):
    async def test(container, odb, store):
        events = []

        async def listen():
            while True:
                events.append((await DataObjectUpdateEvent.createMatcher(SET)).type)

        container.subroutine(listen(), False, daemon=True)
        present = set()
        for step in range(30):
            added = set(range(step * 10, step * 10 + 10)) if step < 15 else set()
            removed = set() if step < 15 else set(sorted(present)[:10])
            await odb.writewalk([SET], change(added, removed))
            present = (present | added) - removed
            keys, _ = await odb.walk([SET], {SET: follow}, "me")
            assert set(keys) == {SET} | names(present)
            reference = odb._update.managed(SET)
            assert {ref.getkey() for ref in reference.set.dataset()} == names(present)
        for _ in range(5):
            await container.do_events()
        assert len(events) >= 29
        assert not [key for key in store.data if holder_of(key)]

    run(test, ordered, shared)


@both
def test_what_was_read_in_parts_stays_readable_between_walks(ordered):
    async def test(container, odb, store):
        events = []

        async def listen():
            while True:
                events.append((await DataObjectUpdateEvent.createMatcher(SET)).type)

        container.subroutine(listen(), False, daemon=True)
        await odb.writewalk([SET], change(range(20)))
        keys, (reference, *_) = await odb.walk([SET], {SET: follow}, "me")
        for number in range(20, 220):
            await odb.writewalk([SET], change([number]))
            await odb._update.collect()
            assert {ref.getkey() for ref in reference.set.dataset()} == names(range(number + 1))
        assert isinstance(reference.kvdb_object().set, LargeSet)
        assert len(events) >= 200
        odb._update.watches.remove_all("me")
        await odb._update.collect()
        assert len(odb._update.mirror) == 0 and not odb._update._parts

    run(test, ordered)


def test_an_update_of_keys_known_beforehand_changes_parts_too():
    async def test(container, odb, store):
        def add(keys, values):
            (members,) = values
            members = members or PhysicalPortSet.create_instance()
            count = len(members.set.dataset())
            members.set.dataset().update(WeakReferenceObject(name(number)) for number in range(count, count + 40))
            return keys, [members]

        for _ in range(5):
            await odb.transact([SET], add)
        _, (reference, *_) = await odb.walk(
            [SET], {SET: lambda key, value, walk, save: (save(key), len(value.set.dataset()))}, "me"
        )
        assert len(reference.set.dataset()) == 200
        assert len(list(filter(holder_of, store.data))) > 4

    run(test)


def test_turning_sharing_on_or_off_changes_the_form_at_the_next_change():
    async def fill(container, odb, store):
        await odb.writewalk([SET], change(range(100)))
        return dict(store.data), dict(store.number)

    async def again(container, odb, store):
        store.data.update(data)
        store.number.update(number)
        await odb.writewalk([SET], change([100], [0]))
        keys, _ = await odb.walk([SET], {SET: follow}, "me")
        assert set(keys) == {SET} | names(range(1, 101))
        return [key for key in store.data if holder_of(key)]

    data, number = run(fill, shared=True)
    assert not [key for key in data if holder_of(key)]
    assert run(again)
    data, number = run(fill)
    assert [key for key in data if holder_of(key)]
    assert not run(again, shared=True)
