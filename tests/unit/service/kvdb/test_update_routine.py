"""Races of the update routine that were once lost."""

from __future__ import annotations

from unit.service.kvdb.test_objectdb import add_node, key, put, run


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
