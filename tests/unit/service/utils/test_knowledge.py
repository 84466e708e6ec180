"""The store in memory."""

import pytest
from support.modules import run_modules

from vlcp.server.module import call_api
from vlcp.service.utils.knowledge import Knowledge, MemoryStorage, escape_key, return_self_updater, unescape_key


def with_store(scenario, cls=Knowledge):
    async def run(container, server):
        await server.moduleloader.loadmodule(cls)
        return await scenario(container, server.moduleloader.get_module_by_name("knowledge"))

    return run_modules(run, manual=True)


def test_values_are_set_read_and_deleted():
    async def scenario(container, store):
        async def call(name, **params):
            return await call_api(container, "knowledge", name, params)

        await call("set", key="a", value=1)
        await call("mset", kvpairs=[("b", [2]), ("c", 3)])
        assert await call("mget", keys=["a", "b", "x"]) == [1, [2], None]
        values, cache = await call("mgetwithcache", keys=["b", "c"])
        again, _ = await call("mgetwithcache", keys=["b", "c"], cache=cache)
        assert values == [[2], 3] and again[0] is values[0]
        await call("delete", key="a")
        await call("delete", key="never there")
        await call("set", key="c", value=None)
        assert await call("mget", keys=["a", "c"]) == [None, None]

    with_store(scenario)


def test_entries_expire():
    async def scenario(container, store):
        store.set("short", 1, 10)
        store.set("long", 1, 1000)
        store.set("ever", 1)
        store.set("gone", 1, 0)
        assert store.mget(["short", "long", "ever", "gone"]) == [1, 1, 1, None]
        await container.wait_with_timeout(9)
        assert store.get("short") == 1
        await container.wait_with_timeout(2)
        assert store.mget(["short", "long", "ever"]) == [None, 1, 1]
        assert store.get("long", 5) == 1
        await container.wait_with_timeout(6)
        assert store.mget(["long", "ever"]) == [None, 1]

    with_store(scenario)


def test_expired_entries_do_not_stay_in_memory():
    async def scenario(container, store):
        for number in range(100):
            store.set(number, "x", 10)
        store.set("ever", 1)
        await container.wait_with_timeout(store.checkinterval + 1)
        assert list(store._entries) == ["ever"]

    with_store(scenario)


def test_updaters_see_old_values_and_write_new_ones():
    async def scenario(container, store):
        assert store.update("n", lambda key, value: (value or 0) + 1) == 1
        assert store.update("n", lambda key, value: value + 1, 10) == 2
        assert store.update("n", lambda key, value: None) is None and store.get("n") is None
        store.mset([("a", 1), ("b", 2)])
        assert store.mupdate(["a", "b"], lambda key, value: f"{key}{value}") == ["a1", "b2"]
        keys, values = store.updateall(["a", "b"], lambda keys, values: (("a", "c"), (None, values[1])))
        assert (keys, values) == (("a", "c"), (None, "b2"))
        assert store.mget(["a", "b", "c"]) == [None, "b2", "b2"]
        stamps = []
        store.updateallwithtime(["a"], lambda keys, values, stamp: (stamps.append(stamp), (keys, [stamp]))[1])
        assert store.get("a") == stamps[0] and isinstance(stamps[0], int) and stamps[0] > 1_500_000_000_000_000
        store.set("list", [])
        store.update("list", return_self_updater(lambda key, value: value.append(key)))
        assert store.get("list") == ["list"]

    with_store(scenario)


def test_an_updater_that_raises_changes_nothing():
    async def scenario(container, store):
        store.mset([("a", 1), ("b", None)])

        def fail(key, value):
            if value is None:
                raise ValueError("no value")
            return value + 1

        with pytest.raises(ValueError, match="no value"):
            await call_api(container, "knowledge", "mupdate", {"keys": ["a", "b"], "updater": fail})
        assert store.get("a") == 1

    with_store(scenario)


def test_the_proxy_leads_to_it():
    async def scenario(container, store):
        await call_api(container, "memorystorage", "set", {"key": "a", "value": 5})
        assert store.get("a") == 5

    with_store(scenario, MemoryStorage)


@pytest.mark.parametrize(("plain", "escaped"), [("a.b", "a++b"), ("a+b", "a+_b"), ("+.", "+_++"), ("", "")])
def test_keys_are_escaped(plain, escaped):
    assert escape_key(plain) == escaped and unescape_key(escaped) == plain
