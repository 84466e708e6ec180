"""Copying and converting databases, on stores in memory."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from support.dbmodules import ModuleHost
from support.memorykv import MemoryKV, MemoryStore
from support.poller import run_scheduler
from support.textstore import TextStore

from vlcp.service.kvdb import transfer
from vlcp.service.kvdb.transfer import Store, convert, copy, differences, is_index_set
from vlcp.service.sdn import _resources_ports as ports
from vlcp.service.sdn._resources import LOGICAL_PORT, requests
from vlcp.utils import _parts
from vlcp.utils.dataobject import ReferenceObject
from vlcp.utils.growing import holder_of
from vlcp.utils.jsonencoder import decode_stored, encode_stored
from vlcp.utils.networkmodel import LogicalNetwork, LogicalNetworkMap, SubNet, SubNetMap

GOLDEN = Path(__file__).resolve().parents[3] / "golden" / "stored" / "database.txt"
EMPTY = frozenset()


def captured():
    lines = [line.split("\t", 1) for line in GOLDEN.read_text().splitlines() if "\t" in line]
    return {key: text.encode() for key, text in lines}


def grown(count, shared):
    """Return a database with ``count`` ports in one subnet."""
    store = TextStore(shared)

    def network(walk, write):
        subnet = SubNet.create_instance("s.1")
        subnet.network = ReferenceObject(LogicalNetwork.default_key("n"))
        subnet.allocated_start, subnet.allocated_end = "10.0.0.1", "10.0.255.254"
        made = [LogicalNetwork.create_instance("n"), LogicalNetworkMap.create_instance("n"), subnet]
        for obj in [*made, SubNetMap.create_instance("s.1")]:
            write(obj.getkey(), obj)

    store.write(network)
    items = [
        {"id": f"p{n}", "logicalnetwork": "n", "subnet": "s.1", "mac_address": "02:00:00:00:%02x:%02x" % divmod(n, 256)}
        for n in range(count)
    ]
    found = requests(LOGICAL_PORT, items, create=True)
    store.write(ports.create(found), ports.create_keys(found))
    return {key: text.encode() for key, text in store.data.items()}


def run(test, source, target=None, timeout=30):
    """Run ``test(source, target, memory of source, memory of target)`` on two stores with this data."""
    memories = [MemoryStore(), MemoryStore()]
    for memory, data in zip(memories, (source, target or {})):
        memory.data.update(data)
        memory.number.update((key, next(memory.serial)) for key in data)

    async def main(container):
        host = ModuleHost(container)
        try:
            classes = [type(name, (MemoryKV,), {"store": memory}) for name, memory in zip(("SourceKV", "TargetKV"), memories)]
            modules = await host.start(*classes)
            stores = [Store(container, module.get_service_name()) for module in modules]
            return await test(*stores, *memories)
        finally:
            await host.stop()

    return run_scheduler(main, timeout)


def quiet(what, done, total):
    assert 0 < done <= total


def plain(data, ignored=("kvdb_updateversion",)):
    """Return the content of a database without what a conversion changes."""
    found = {}
    for key, text in data.items():
        value = decode_stored(text)
        for name in (*ignored, "kvdb_createtime") if is_index_set(key) else ignored:
            value.__dict__.pop(name, None)
        found[key] = {name: _sorted(item) for name, item in value.__dict__.items()}
    return found


def _sorted(item):
    return (
        sorted(map(repr, item.dataset()))
        if hasattr(item, "dataset")
        else encode_stored(item)
        if not isinstance(item, dict)
        else {name: encode_stored(one) for name, one in item.items()}
    )


@pytest.mark.parametrize("limit", [2, 32])
def test_a_captured_database_survives_both_conversions(monkeypatch, limit):
    monkeypatch.setattr(_parts, "LIMIT", limit)
    before = captured()

    async def test(source, target, memory, other):
        await convert(source, False, quiet)
        assert bool([key for key in memory.data if holder_of(key)]) == (limit == 2)
        assert not [key for key in memory.data if is_index_set(key)]
        await copy(source, target, False, True, quiet)
        assert await differences(source, target, True, quiet) == []
        await convert(source, True, quiet)
        return dict(memory.data), dict(other.data)

    for after in run(test, before):
        assert plain(after) == plain(before)


@pytest.mark.parametrize("form", [None, True, False])
@pytest.mark.parametrize("origin", [True, False])
def test_a_large_database_is_copied_into_every_form_and_compared(origin, form):
    before = grown(700, origin)
    final = origin if form is None else form

    async def test(source, target, memory, other):
        done = await copy(source, target, False, form, quiet)
        assert done.deleted == 0 and done.skipped == []
        assert await differences(source, target, form, quiet) == []
        assert dict(memory.data) == before
        return dict(other.data)

    after = run(test, before)
    if form is None:
        assert after == before
    assert bool([key for key in after if is_index_set(key)]) == final
    assert bool([key for key in after if holder_of(key)]) != final
    direct = grown(700, final)
    assert {key for key in after if not holder_of(key)} == {key for key in direct if not holder_of(key)}


@pytest.mark.parametrize("shared", [True, False])
def test_a_conversion_in_place_keeps_every_other_object_as_it_is(shared):
    before = grown(300, not shared)

    async def test(source, target, memory, other):
        changed = await convert(source, shared, quiet)
        assert changed == 3
        assert await convert(source, shared, quiet) == 0
        return dict(memory.data)

    after = run(test, before)
    kept = [key for key in before if holder_of(key) is None and not is_index_set(key)]
    assert len([key for key in kept if after[key] != before[key]]) == 3
    assert bool([key for key in after if holder_of(key)]) != shared


@pytest.mark.parametrize("shared", [True, False])
def test_a_conversion_that_stops_anywhere_can_be_read_and_completed(shared):
    before = grown(200, not shared)

    class Stopped(Exception):
        pass

    async def test(source, target, memory, other):
        whole = await copy(source, target, False, shared, quiet)
        assert whole.copied
        for stop in range(1, 40):
            memory.data.clear()
            memory.data.update(before)
            memory.number.update((key, next(memory.serial)) for key in before)
            left = [stop]

            def interfere(left=left):
                left[0] -= 1
                if left[0] == 0:
                    raise Stopped

            memory.interfere = interfere
            try:
                await convert(source, shared, quiet)
                memory.interfere = None
                break
            except Stopped:
                memory.interfere = None
            assert [
                line for line in await differences(target, source, shared, quiet) if "index" not in line and "needs" not in line
            ] == []
            await convert(source, shared, quiet)
            assert await differences(target, source, shared, quiet) == []
        assert 3 < stop < 39

    run(test, before)


def test_clean_deletes_what_the_source_lacks_and_old_parts_always_go():
    before = grown(100, False)
    old = {**grown(900, False), "viperflow.vrouterset": captured()["viperflow.vrouterset"]}

    async def test(source, target, memory, other):
        first = await copy(source, target, False, None, quiet)
        assert first.deleted and "viperflow.vrouterset" in other.data
        assert await differences(source, target, None, quiet) == []
        assert {key for key in other.data if holder_of(key)} == {key for key in before if holder_of(key)}
        await copy(source, target, True, None, quiet)
        return dict(other.data)

    assert run(test, before, old) == before


def test_a_damaged_copy_is_noticed():
    before = grown(200, True)
    rnd = random.Random(1)

    async def test(source, target, memory, other):
        await copy(source, target, False, False, quiet)
        for key in rnd.sample(
            sorted(key for key in other.data if holder_of(key) or key.startswith("viperflow.logicalport.")), 12
        ):
            kept = other.data.pop(key), other.number.pop(key)
            assert await differences(source, target, False, quiet), key
            other.data[key], other.number[key] = kept
        assert await differences(source, target, False, quiet) == []

    run(test, before)


def test_one_call_reads_and_writes_at_most_a_hundred_keys():
    before = grown(250, True)

    async def test(source, target, memory, other):
        sizes = []
        original = Store.read

        async def counted(self, keys):
            sizes.append(len(keys))
            return await original(self, keys)

        Store.read = counted
        try:
            await copy(source, target, False, None, quiet)
        finally:
            Store.read = original
        assert max(sizes) == transfer.BATCH

    run(test, before)
