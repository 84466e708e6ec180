"""What every module behind ``kvstorage`` must do. Subclasses say how to open the store."""

from __future__ import annotations

import random
import time
from typing import Any, List

import pytest
from support.poller import run_scheduler

from vlcp.utils.dataobject import DataObject, DataObjectSet, ReferenceObject, WeakReferenceObject


class Account(DataObject):
    _prefix = "conformance.account"
    _indices = ("id",)


def account(name: str, **attributes: Any) -> Account:
    made = Account.create_instance(name)
    made.__dict__.update(attributes)
    return made


class StorageSuite:
    """``open_stores(container, count)`` returns modules that share one empty store."""

    async def open_stores(self, container: Any, count: int) -> List[Any]:
        raise NotImplementedError

    async def close_stores(self, stores: List[Any]) -> None:
        for store in stores:
            await store.unload(store.apiroutine, True)

    def run(self, test: Any, count: int = 1) -> Any:
        async def main(container: Any) -> Any:
            stores = await self.open_stores(container, count)
            try:
                return await test(container, *stores)
            finally:
                await self.close_stores(stores)

        return run_scheduler(main, 30)

    def test_what_is_set_is_got_and_what_is_deleted_is_none(self):
        async def test(container, store):
            assert await store.get("k") is None
            await store.set("k", {"a": [1, "x", None, True, 1.5]})
            assert await store.get("k") == {"a": [1, "x", None, True, 1.5]}
            await store.mset((("k", None), ("l", 2)))
            assert await store.mget(("k", "l")) == [None, 2]
            await store.delete("l")
            assert await store.listallkeys() == []

        self.run(test)

    def test_data_objects_come_back_whole(self):
        async def test(container, store):
            stored = account("a", balance=3, owner=ReferenceObject("x.y"), tags={"n": [WeakReferenceObject("w")]})
            stored.members = DataObjectSet()
            stored.members.dataset().add(WeakReferenceObject("m"))
            await store.set(stored.getkey(), stored)
            found = await store.get(stored.getkey())
            found.setkey(stored.getkey())
            assert found == stored

        self.run(test)

    def test_strange_keys_and_large_values_are_kept(self):
        async def test(container, store):
            keys = ["a b", "ü%'\"\\", "x" * 300, "a.+_++", "\n"]
            await store.mset([(key, index) for index, key in enumerate(keys)])
            assert await store.mget(keys) == list(range(len(keys)))
            text = "".join(random.Random(7).choices("abcdefgh", k=300000))
            await store.set("big", text)
            assert await store.get("big") == text

        self.run(test)

    def test_update_functions_see_the_present_values(self):
        async def test(container, store):
            await store.set("n", 1)
            assert await store.update("n", lambda k, v: v + 1) == 2
            assert await store.update("n", lambda k, v: None) is None
            assert list(await store.mupdate(("p", "q"), lambda k, v: (v or k) + "!")) == ["p!", "q!"]
            assert await store.mget(("n", "p", "q")) == [None, "p!", "q!"]
            result = await store.updateall(("p", "q"), lambda keys, values: (("r", "p"), (values[1], None)))
            assert (tuple(result[0]), tuple(result[1])) == (("r", "p"), ("q!", None))
            assert await store.mget(("p", "q", "r")) == [None, "q!", "q!"]

        self.run(test)

    def test_an_updater_that_raises_writes_nothing_and_its_exception_comes_out(self):
        async def test(container, store):
            await store.set("k", 1)

            def updater(keys, values, now):
                raise KeyError("mine")

            with pytest.raises(KeyError, match="mine"):
                await store.updateallwithtime(("k",), updater)
            assert await store.get("k") == 1

        self.run(test)

    def test_a_value_that_cannot_be_stored_writes_nothing(self):
        async def test(container, store):
            with pytest.raises(ValueError):
                await store.updateallwithtime(("k",), lambda keys, values, now: (("j", "k"), (1, object())))
            assert await store.mget(("j", "k")) == [None, None]

        self.run(test)

    def test_values_of_an_updater_are_private(self):
        async def test(container, store):
            await store.set("k", {"list": [1]})
            before, _ = await store.mgetwithcache(("k",))

            def updater(keys, values, now):
                values[0]["list"].append(2)
                raise ValueError("no")

            with pytest.raises(ValueError):
                await store.updateallwithtime(("k",), updater)
            assert await store.get("k") == {"list": [1]}
            written = {"list": [1]}
            await store.updateallwithtime(("k",), lambda keys, values, now: (("k",), (written,)))
            written["list"].append(3)
            assert await store.get("k") == {"list": [1]}
            assert before == [{"list": [1]}]

        self.run(test)

    def test_time_stamps_only_grow(self):
        async def test(container, *stores):
            seen = []
            for turn in range(30):
                await stores[turn % 2].updateallwithtime(
                    ("t",), lambda keys, values, now: (seen.append(now), (("t",), (now,)))[1]
                )
            stored = await stores[0].get("t")
            assert stored == max(seen)
            final = seen[-1]
            await stores[1].updateallwithtime((), lambda keys, values, now: (seen.append(now), ((), ()))[1])
            assert seen[-1] > final > 10**15

        self.run(test, 2)

    def test_unchanged_values_are_the_same_objects_with_a_cache(self):
        async def test(container, store):
            await store.mset((("a", [1]), ("b", [2])))
            first, cache = await store.mgetwithcache(("a", "b", "c"))
            await store.set("b", [3])
            second, cache = await store.mgetwithcache(("a", "b", "c"), "", cache)
            assert second == [[1], [3], None]
            assert second[0] is first[0]
            assert second[1] is not first[1]

        self.run(test)

    def test_two_counters_stay_equal_under_concurrent_writers(self):
        async def test(container, *stores):
            await stores[0].mset((("x", 0), ("y", 0)))
            rounds, seen = 15, []

            async def write(store):
                for _ in range(rounds):
                    await store.updateallwithtime(("x", "y"), lambda keys, values, now: (keys, (values[0] + 1, values[1] + 1)))

            async def read(store):
                for _ in range(rounds):
                    seen.append((await store.mgetwithcache(("x", "y")))[0])
                    await container.do_events()

            await container.execute_all([write(s) for s in stores for _ in range(4)] + [read(s) for s in stores])
            assert all(x == y for x, y in seen)
            assert await stores[0].mget(("x", "y")) == [rounds * 4 * len(stores)] * 2

        self.run(test, 2)

    def test_money_is_moved_and_never_made(self):
        async def test(container, *stores):
            keys = [Account.default_key(str(n)) for n in range(8)]
            await stores[0].mset([(key, account(str(n), balance=100)) for n, key in enumerate(keys)])
            rng, sums = random.Random(3), []

            def move(names, values, now):
                values[0].balance -= 7
                values[1].balance += 7
                return names, values

            async def write(store):
                for _ in range(20):
                    await store.updateallwithtime(rng.sample(keys, 2), move)

            async def read(store):
                for _ in range(20):
                    values, _ = await store.mgetwithcache(keys)
                    sums.append(sum(value.balance for value in values))
                    await container.do_events()

            await container.execute_all([write(s) for s in stores for _ in range(3)] + [read(s) for s in stores])
            assert set(sums) == {800}

        self.run(test, 2)

    def test_blind_writes_need_no_keys(self):
        async def test(container, store):
            await store.updateallwithtime((), lambda keys, values, now: (("a", "b"), (1, 2)))
            assert await store.mget(("a", "b")) == [1, 2]

        self.run(test)

    def test_a_transaction_that_computes_for_long_is_carried_out_and_so_are_those_that_wait_meanwhile(self):
        async def test(container, store):
            def compute(keys, values, now):
                if not begun:
                    begun.append(now)
                    time.sleep(3)
                return ("long",), (1,)

            begun = []
            await store.mset((("a", 1), ("b", 1)))
            calls = [store.updateallwithtime(("a",), compute), store.update("b", lambda key, value: 2), store.set("c", 3)]
            await container.execute_all(calls)
            assert await store.mget(("long", "b", "c")) == [1, 2, 3]

        self.run(test)
