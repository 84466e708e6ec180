"""Races of the update routine that were once lost."""

from __future__ import annotations

from unit.service.kvdb.test_objectdb import Item, add_node, both, key, put, run

from vlcp.service.kvdb.redisnotifier import Notification


def test_a_change_while_a_key_is_read_for_the_first_time_is_not_lost():
    async def test(container, host, odb, store):
        other = await add_node(host, store)
        store.read_delay = 0.02

        async def watch():
            found.append(await odb.watch(key("a"), "me"))

        found = []
        container.subroutine(watch(), False)
        await container.wait_with_timeout(0.005)
        await other.writewalk(put("a", size=1))
        await container.wait_with_timeout(0.1)
        assert found[0].size == 1

    run(test)


def test_a_stream_of_changes_does_not_starve_readers():
    async def test(container, host, odb, store):
        other = await add_node(host, store)
        await odb.writewalk([], put("a", "b", size=0))
        await odb.mget([key("a"), key("b")], "me")
        store.read_delay, done = 0.002, []

        async def write():
            while not done:
                await other.writewalk(put("a", "b", size=1))
                await container.do_events()

        async def read():
            assert (await odb.get(key("c"), "other")) is None
            done.append(1)

        await container.execute_all([write(), read()])

    run(test, timeout=10)


def note(store, *versions):
    """Notify changes as another process does: (name, version) of each key."""
    keys = tuple(key(name) for name, _ in versions)
    notice = Notification("other-%d" % (next(store.serial),), keys, [version for _, version in versions], "updated", False)
    for notifier in store.notifiers:
        notifier.deliver(notice)


def place(store, *names, **attributes):
    """Write past every transaction, and tell nobody."""
    for name in names:
        item = Item.create_instance(name)
        item.__dict__.update(attributes, kvdb_createtime=1)
        store.put(item.getkey(), item)


def test_notices_of_a_key_in_the_wrong_order_lose_no_change():
    async def test(container, host, odb, store):
        place(store, "a", kvdb_updateversion=1)
        (reference,) = await odb.mget([key("a")], "me")
        place(store, "a", kvdb_updateversion=2)
        store.read_delay = 0.02
        note(store, ("a", (1, 2)))
        await container.wait_with_timeout(0.01)
        # The read is under way and has seen version 2.
        place(store, "a", kvdb_updateversion=4)
        note(store, ("a", (1, 4)))
        note(store, ("a", (1, 2)))
        await container.wait_with_timeout(0.2)
        assert reference.kvdb_updateversion == 4

    run(test)


def test_references_never_show_a_part_of_a_change_that_is_still_to_be_notified():
    async def test(container, host, odb, store):
        place(store, "a", "b", kvdb_updateversion=1)
        one, other = await odb.mget([key("a"), key("b")], "me")
        place(store, "a", kvdb_updateversion=2)
        place(store, "a", "b", kvdb_updateversion=3)
        # Version 3 of both is of one transaction, whose notice is late.
        note(store, ("a", (1, 2)))
        await container.wait_with_timeout(0.1)
        assert (one.kvdb_updateversion, other.kvdb_updateversion) == (3, 3)

    run(test, ordered=False)


def test_references_show_all_of_a_change_when_an_earlier_notice_is_missing():
    async def test(container, host, odb, store):
        place(store, "a", "b", kvdb_updateversion=1)
        one, other = await odb.mget([key("a"), key("b")], "me")
        place(store, "a", "b", kvdb_updateversion=2)
        place(store, "a", kvdb_updateversion=3)
        note(store, ("a", (1, 3)))
        await container.wait_with_timeout(0.1)
        assert (one.kvdb_updateversion, other.kvdb_updateversion) == (3, 2)

    run(test, ordered=False)


def test_a_change_that_is_read_before_its_notice_does_not_read_everything_again():
    async def test(container, host, odb, store):
        place(store, "a", "b", "c", kvdb_updateversion=1)
        one, other, _ = await odb.mget([key("a"), key("b"), key("c")], "me")
        place(store, "a", kvdb_updateversion=2)
        place(store, "a", kvdb_updateversion=3)
        place(store, "b", kvdb_updateversion=2)
        read, mirror = [], odb._update.mirror
        advance = mirror.advance
        mirror.advance = lambda values: read.append(set(values)) or advance(values)
        note(store, ("a", (1, 2)))
        await container.wait_with_timeout(0.02)
        assert one.kvdb_updateversion == 1, "not before it is known what else changed"
        note(store, ("a", (1, 3)), ("b", (1, 2)))
        await container.wait_with_timeout(0.02)
        assert (one.kvdb_updateversion, other.kvdb_updateversion) == (3, 2)
        assert read == [{key("a")}, {key("b")}]

    run(test, ordered=False)


def test_a_change_that_is_read_before_its_notice_is_published_when_the_notice_names_nothing_else():
    async def test(container, host, odb, store):
        place(store, "a", "b", kvdb_updateversion=1)
        reference, _ = await odb.mget([key("a"), key("b")], "me")
        place(store, "a", kvdb_updateversion=3)
        note(store, ("a", (1, 2)))
        await container.wait_with_timeout(0.02)
        assert reference.kvdb_updateversion == 1
        note(store, ("a", (1, 3)))
        await container.wait_with_timeout(0.02)
        assert reference.kvdb_updateversion == 3

    run(test, ordered=False)


@both
def test_a_key_that_is_collected_while_it_is_read_again_is_not_kept(ordered):
    async def test(container, host, odb, store):
        place(store, "a", "b", kvdb_updateversion=1)
        await odb.mget([key("a")], "me")
        await odb.mget([key("b")], "other")
        place(store, "a", kvdb_updateversion=2)
        store.read_delay = 0.02
        note(store, ("a", (1, 2)))
        await container.wait_with_timeout(0.01)
        await odb.unwatchall("me")
        await odb._update.collect()
        await container.wait_with_timeout(0.1)
        assert list(odb._update.mirror) == [key("b")]

    run(test, ordered=ordered)
