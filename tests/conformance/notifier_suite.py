"""What every notifier must do. Subclasses say how to open the store (see ``storage_suite``)."""

from __future__ import annotations

from typing import Any

from vlcp.utils.notifier import UpdateNotification


class NotifierSuite:
    """``run`` and ``open_stores`` come from the storage suite."""

    run: Any

    async def listen(self, container: Any, store: Any) -> Any:
        notifier, seen = store.createnotifier(), []
        notifier.add_callback(seen.append)
        await notifier.start(container)
        await notifier.add_listen("a", "b", "c")
        return notifier, seen

    async def until(self, container: Any, test: Any, limit: float = 3.0) -> None:
        waited = 0.0
        while not test() and waited < limit:
            await container.wait_with_timeout(0.01)
            waited += 0.01
        assert test()

    async def commit(self, store: Any, notifier: Any, keys: Any, value: Any) -> None:
        versions = [(1, value)] * len(keys)
        await store.mset([(key, value) for key in keys])
        await notifier.publish(keys, versions)

    def test_every_process_hears_of_a_commit_with_all_its_keys(self):
        async def test(container, one, other):
            mine, seen_here = await self.listen(container, one)
            theirs, seen_there = await self.listen(container, other)
            await self.commit(one, mine, ("a", "b"), 5)
            await self.until(container, lambda: seen_here and seen_there)
            assert [note.fromself for note in seen_here] == [True]
            assert [note.fromself for note in seen_there] == [False]
            for note in (*seen_here, *seen_there):
                assert set(note.keys) == {"a", "b"}
                assert note.reason == UpdateNotification.UPDATED
            assert seen_here[0].transactid and seen_there[0].transactid

        self.run(test, 2)

    def test_commits_of_another_process_come_in_order_and_once(self):
        async def test(container, one, other):
            mine, _ = await self.listen(container, one)
            _, seen = await self.listen(container, other)
            for turn in range(10):
                await self.commit(one, mine, ("abc"[turn % 3],), turn)
            await self.until(container, lambda: len(seen) >= 10)
            await container.wait_with_timeout(0.15)
            assert [note.keys for note in seen] == [("abc"[turn % 3],) for turn in range(10)]

        self.run(test, 2)

    def test_the_event_follows_the_callback(self):
        async def test(container, one):
            mine, seen = await self.listen(container, one)
            events = []

            async def watch():
                events.append(await mine.notification_matcher())

            container.subroutine(watch(), False)
            await self.commit(one, mine, ("a",), 1)
            await self.until(container, lambda: bool(events))
            assert events[0].keys == seen[0].keys
            assert events[0].notifier is mine

        self.run(test)

    def test_a_stopped_notifier_hears_nothing(self):
        async def test(container, one):
            mine, seen = await self.listen(container, one)
            await mine.stop(container)
            await self.commit(one, mine, ("a",), 1)
            await container.wait_with_timeout(0.15)
            assert seen == []

        self.run(test)

    def test_who_has_heard_of_a_read_has_heard_of_all_that_it_saw(self):
        async def test(container, one, other):
            mine, _ = await self.listen(container, one)
            theirs, seen = await self.listen(container, other)
            if not theirs.ordered:
                return
            _, cache = await other.mgetwithcache(("a", "b"), cache=(await other.mgetwithcache(("a",)))[1])
            assert await theirs.heard(cache.mark)
            for turn in range(30):
                await self.commit(one, mine, ("ab"[turn % 2], "c"), turn)
                values, cache = await other.mgetwithcache(("a", "b"), cache=cache)
                assert values[turn % 2] == turn
                assert await theirs.heard(cache.mark)
                assert len(seen) == turn + 1

        self.run(test, 2)
