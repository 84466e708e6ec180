"""Sets and dictionaries in parts, against plain ones, through transactions and walks."""

from __future__ import annotations

import pickle
import random

import pytest
from support.textstore import TextStore

from vlcp.utils import _parts
from vlcp.utils._spread import Ranges, bucket_of, checked_pairs, source_of
from vlcp.utils.dataobject import WeakReferenceObject, dump
from vlcp.utils.growing import LargeNumbers, LargeSet, first_free, holder_of
from vlcp.utils.jsonencoder import decode_stored, encode_stored, plain_copy
from vlcp.utils.networkmodel import LogicalNetworkMap, LogicalPort, LogicalPortSet, SubNetMap

SET = LogicalPortSet.default_key()
MAP = SubNetMap.default_key("a.b")


def ref(name):
    return WeakReferenceObject(LogicalPort.default_key(name))


def change_set(added=(), removed=()):
    def walker(walk, write):
        holder = walk(SET) or LogicalPortSet.create_instance()
        for name in removed:
            holder.set.dataset().discard(ref(name))
        for name in added:
            holder.set.dataset().add(ref(name))
        write(SET, holder)

    return walker


def change_map(change):
    def walker(walk, write):
        holder = walk(MAP) or SubNetMap.create_instance("a.b")
        change(holder.allocated_ips)
        write(MAP, holder)

    return walker


def parts(store):
    return {key: store.get(key) for key in store.data if holder_of(key) is not None}


def test_a_bucket_that_is_added_takes_members_of_one_other_only():
    names = [f"viperflow.logicalport.{n}" for n in range(500)]
    for count in range(1, 40):
        for name in names:
            before, after = bucket_of(name, count), bucket_of(name, count + 1)
            assert after == before or (after == count and before == source_of(count))
        assert len({bucket_of(name, count) for name in names}) == count


def test_ranges_are_the_same_as_a_plain_set():
    rnd = random.Random(3)
    ranges, plain = Ranges(), set()
    for _ in range(3000):
        number = rnd.randrange(60)
        if rnd.random() < 0.5:
            ranges.add(number)
            plain.add(number)
        else:
            ranges.discard(number)
            plain.discard(number)
        assert list(ranges) == sorted(plain) and len(ranges) == len(plain)
        assert checked_pairs(ranges.pairs, 60) == ranges.pairs
        asked = rnd.randrange(60)
        assert (asked in ranges) == (asked in plain)
        assert ranges.first_outside(asked) == next(n for n in range(asked, 100) if n not in plain)


@pytest.mark.parametrize("seed", range(6))
def test_a_set_holds_what_a_plain_set_holds(seed, monkeypatch):
    monkeypatch.setattr(_parts, "LIMIT", random.Random(seed).choice([4, 8, 32]))
    rnd = random.Random(seed)
    store, plain = TextStore(), set()
    for step in range(250):
        store.shared = seed == 5 and step % 60 > 50
        growing = step % 100 < 50
        names = {f"p{rnd.randrange(600)}" for _ in range(rnd.choice([1, 1, 2, 30]))}
        added = {name for name in names if (rnd.random() < 0.9) == growing}
        removed = names - added
        store.write(change_set(sorted(added), sorted(removed)))
        plain = (plain - removed) | added
        if step % 5 == 0 or store.shared:
            assert store.members(SET) == sorted(ref(name).getkey() for name in plain)
        sizes = [len(part.set.dataset()) for part in parts(store).values()]
        assert all(0 < size <= 4 * _parts.LIMIT for size in sizes)
        assert not (store.shared and sizes)
    for name in sorted(plain):
        store.write(change_set((), [name]))
    assert not parts(store) and store.members(SET) == []


def test_parts_stay_small_and_changes_of_different_parts_touch_nothing_in_common():
    store = TextStore()
    for n in range(0, 5000, 50):
        store.write(change_set([f"00000000-0000-4000-8000-{m:012d}" for m in range(n, n + 50)]))
    assert max(map(len, store.data.values())) < 16384
    assert isinstance(store.get(SET).set, LargeSet)
    touched = []
    for n in range(40):
        store.write(change_set([f"new{n}"]))
        touched.append((store.reads, set(store.writes)))
    splits = [writes for _, writes in touched if SET in writes]
    assert len(splits) < 12
    alone = [(reads, writes) for reads, writes in touched if SET not in writes]
    conflicts = [1 for reads, _ in alone for other, writes in alone if other is not reads and reads & writes]
    assert len(conflicts) < len(alone) * len(alone) / 20
    assert all(len(reads) == 2 and len(writes) == 1 for reads, writes in alone)


def test_membership_is_known_from_one_part():
    store = TextStore()
    store.write(change_set([f"p{n}" for n in range(1000)]))
    seen = []

    def walker(walk, write):
        holder = walk(SET)
        seen[:] = [ref("p5") in holder.set.dataset(), ref("q") in holder.set.dataset()]

    store.write(walker)
    assert seen == [True, False] and len(store.reads) <= 3 and not store.writes


def test_many_members_are_added_and_removed_in_few_rounds():
    store = TextStore()
    store.write(change_set([f"p{n}" for n in range(3000)]))
    store.write(change_set([f"q{n}" for n in range(3000)]))
    assert store.rounds <= 6
    store.write(change_set((), [f"q{n}" for n in range(3000)]))
    assert store.rounds <= 6
    assert len(store.members(SET)) == 3000


def test_a_deleted_object_takes_its_parts_along():
    store = TextStore()
    key = LogicalNetworkMap.default_key("n")

    def fill(walk, write):
        netmap = LogicalNetworkMap.create_instance("n")
        netmap.ports.dataset().update(ref(f"p{n}") for n in range(100))
        write(key, netmap)

    store.write(fill)
    assert parts(store)
    store.write(lambda walk, write: write(key, None))
    assert store.data == {}


@pytest.mark.parametrize("seed", range(4))
def test_a_dictionary_holds_what_a_plain_one_holds(seed):
    rnd = random.Random(seed)
    store, plain = TextStore(), {}
    first = 0x0A000000

    def change(allocation, pool):
        for action, number in pool:
            key = str(number)
            if action == "set":
                allocation[key] = ref(key)
            elif action == "pop":
                allocation.pop(key, None)
            else:
                found = first_free(allocation, first + 1, first + 700, first + 3)
                if found is not None:
                    allocation[str(found)] = ref(str(found))

    for step in range(120):
        store.shared = seed == 3 and step % 40 > 35
        kinds = ["free", "set", "pop"] if step < 80 else ["pop"]
        weights = (6, 1, 1) if step % 40 < 25 and step < 80 else (1, 1, 6)
        count = rnd.choice([1, 1, 3, 40])
        pool = [(rnd.choices(kinds, weights[: len(kinds)])[0], first + rnd.randrange(700)) for _ in range(count)]
        store.write(change_map(lambda allocation, pool=pool: change(allocation, pool)))
        change(plain, pool)
        if step % 5 == 0 or store.shared:
            assert store.entries(MAP, "allocated_ips") == plain
        for part in parts(store).values():
            assert 0 < len(part.numbers) <= _parts.BLOCK
        assert not (store.shared and parts(store))
    for key in sorted(plain):
        store.write(change_map(lambda allocation, key=key: allocation.pop(key)))
    assert not parts(store) and store.get(MAP).allocated_ips == {}


def test_the_lowest_free_number_is_found_without_reading_full_parts():
    store = TextStore()
    first = 0x0A000000

    def take(count):
        def change(allocation):
            number = first
            for _ in range(count):
                number = first_free(allocation, number + 1, first + 65534)
                allocation[str(number)] = ref(str(number))

        return change_map(change)

    store.write(take(10000))
    assert sorted(map(int, store.entries(MAP, "allocated_ips"))) == list(range(first + 1, first + 10001))
    store.write(take(1))
    assert store.rounds <= 6
    store.write(take(1))
    assert len(store.reads) == 2 and len(store.writes) == 1
    store.write(change_map(lambda allocation: allocation.pop(str(first + 77))))
    store.write(take(1))
    assert str(first + 77) in store.entries(MAP, "allocated_ips")
    assert store.get(MAP).allocated_ips.full.pairs[0][0] == first // _parts.BLOCK
    assert max(map(len, store.data.values())) < 16384
    store.write(change_map(lambda allocation: allocation.forget_full()))
    store.write(take(1))
    assert store.rounds <= 8 and store.get(MAP).allocated_ips.full.pairs


def test_keys_that_are_no_numbers_are_not_there():
    store = TextStore()
    store.write(change_map(lambda allocation: allocation.update((str(n), ref("p")) for n in range(100))))
    seen = []

    def look(allocation):
        assert isinstance(allocation, LargeNumbers)
        seen[:] = ["None" in allocation, "007" in allocation, allocation.pop("x", 5), allocation.get("7") == ref("p")]
        with pytest.raises(KeyError):
            del allocation["1000"]
        with pytest.raises(ValueError, match="no decimal"):
            allocation["x"] = 1

    store.write(change_map(look))
    assert seen == [False, False, 5, True]


def test_collections_are_shown_copied_and_pickled_without_their_parts():
    for large in (LargeSet(4), LargeNumbers([[1, 3], [7, 7]], [[2, 2]])):
        assert dump({"x": large}) == {"x": {"_parts": 4}}
        large.place = object()
        for copy in (plain_copy(large), pickle.loads(pickle.dumps(large)), decode_stored(encode_stored(large).encode())):
            assert copy == large and copy.place is None and type(copy) is type(large)


def test_a_large_set_outside_of_a_walk_says_so():
    with pytest.raises(TypeError, match="only inside"):
        LargeSet(4).dataset()


@pytest.mark.parametrize("data", [None, {}, {"parts": 0}, {"parts": True}, {"parts": 1 << 40}, {"parts": "7"}])
def test_damaged_sets_are_refused(data):
    with pytest.raises(ValueError, match="stored large set"):
        LargeSet.jsondecode(data)


@pytest.mark.parametrize(
    "data",
    [None, {}, {"parts": [[0, 1 << 60]], "full": []}, {"parts": [[5, 6], [1, 2]], "full": []}, {"parts": [[2, 1]], "full": []}],
)
def test_damaged_dictionaries_are_refused(data):
    with pytest.raises(ValueError, match="stored"):
        LargeNumbers.jsondecode(data)
