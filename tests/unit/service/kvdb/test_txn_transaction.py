"""Write transactions as pure functions: attempts, unique keys, removals, versions."""

from __future__ import annotations

import random

import pytest

from vlcp.service.kvdb._txn.attempt import Done, Missing, Restart, attempt, run_updater
from vlcp.service.kvdb._txn.indexes import Complete, check_purity, run_transaction
from vlcp.utils.dataobject import (
    AlreadyExistsException,
    DataObject,
    MultiKeyReference,
    MultiKeySet,
    UniqueKeyReference,
    UniqueKeySet,
)
from vlcp.utils.exceptions import AsyncTransactionLockException, WalkKeyNotRetrieved
from vlcp.utils.jsonencoder import decode_stored, encode_stored
from vlcp.utils.walkerlib import ensure_keys


class Card(DataObject):
    _prefix = "txn.card"
    _indices = ("id",)


class Label(DataObject):
    _prefix = "txn.label"
    _indices = ("id",)


Card.unique_key("_number", "number")
Card.multi_key("_color", "color")
Card.register_auto_remove("label", lambda card: [Label.default_key(card.id)])


class Store:
    """A dictionary that transactions are run on until they are complete."""

    def __init__(self, shared=True):
        self.shared = shared
        self.data = {}
        self.clock = 1000

    def run(self, walker):
        keys = []
        while True:
            self.clock += 1
            values = [decode_stored(self.data[key]) if key in self.data else None for key in keys]
            outcome = run_transaction(lambda snapshot, now: attempt(walker, snapshot), keys, values, self.clock, self.shared)
            if isinstance(outcome, Complete):
                for key, value in outcome.writes.items():
                    if value is None:
                        self.data.pop(key, None)
                    else:
                        self.data[key] = encode_stored(value).encode()
                return outcome
            assert isinstance(outcome, Missing) and not outcome.keys <= set(keys)
            keys += sorted(outcome.keys)

    def get(self, key):
        if key not in self.data:
            return None
        found = decode_stored(self.data[key])
        found.setkey(key)
        return found

    def keys(self, cls):
        return sorted(key for key in self.data if cls.ismatch(key, ()))


def put(name, **attributes):
    def walker(walk, write):
        card = walk(Card.default_key(name)) or Card.create_instance(name)
        for attribute, value in attributes.items():
            setattr(card, attribute, value)
        write(card.getkey(), card)

    return walker


def delete(*names):
    def walker(walk, write):
        for name in names:
            write(Card.default_key(name), None)

    return walker


def number_key(number):
    return UniqueKeyReference.default_key(Card._prefix, "_number", str(number))


def color_key(color):
    return MultiKeyReference.default_key(Card._prefix, "_color", color)


NUMBERS = UniqueKeySet.default_key(Card._prefix, "_number")
COLORS = MultiKeySet.default_key(Card._prefix, "_color")


def members(holder):
    return sorted(ref.getkey() for ref in holder.set.dataset())


def test_a_walker_that_misses_keys_is_missing_them_all():
    def walker(walk, write):
        ensure_keys(walk, "a", "b")
        walk("c")

    assert attempt(walker, {}) == Missing({"a", "b", "c"})


def test_what_a_walker_has_written_before_it_misses_keys_tells_which_index_entries_it_will_need():
    def walker(walk, write):
        card = Card.create_instance("1")
        card.number, card.color = 7, "red"
        write(card.getkey(), card)
        walk("a")

    key = Card.default_key("1")
    outcome = run_transaction(lambda values, now: attempt(walker, values), (), (), 1)
    assert outcome == Missing({"a", key, number_key(7), color_key("red")})
    outcome = run_transaction(lambda values, now: attempt(walker, values), (key, number_key(7)), (None, None), 1)
    assert outcome == Missing({"a", color_key("red")})


def test_exceptions_while_keys_are_missing_are_not_the_walkers_last_word():
    def walker(walk, write):
        try:
            walk("a")
        except WalkKeyNotRetrieved:
            raise ValueError("cannot know") from None

    assert attempt(walker, {}) == Missing({"a"})
    assert attempt(walker, {"a": 1}).writes == {}


def test_a_read_after_a_write_sees_the_write():
    def walker(walk, write, now):
        write("a", walk("a") + now)
        write("a", walk("a") * 2)
        write("new", None)
        assert walk("new") is None
        return "result"

    assert attempt(walker, {"a": 1}, 10) == Done({"a": 22, "new": None}, "result")


def test_a_lock_exception_restarts():
    def walker(walk, write):
        raise AsyncTransactionLockException("info")

    assert attempt(walker, {}) == Restart("info")
    assert run_updater(lambda keys, values: walker(None, None), (), {}) == Restart("info")


@pytest.mark.parametrize("result", [None, 5, (("a",), (1, 2)), ("a",)])
def test_an_updater_with_a_wrong_result_is_refused(result):
    with pytest.raises(ValueError, match="updater"):
        run_updater(lambda keys, values: result, (), {})


def test_versions_count_writes_and_keep_the_time_of_creation():
    store = Store()
    first = store.run(put("a", size=1))
    created = store.get(Card.default_key("a")).kvdb_createtime
    assert first.versions == {Card.default_key("a"): (created, 1)}
    second = store.run(put("a", size=2))
    assert second.versions[Card.default_key("a")] == (created, 2)
    gone = store.run(delete("a"))
    assert gone.versions[Card.default_key("a")] == (store.clock, -1)
    store.run(put("a"))
    assert store.get(Card.default_key("a")).kvdb_updateversion == 1


def test_a_unique_value_makes_an_index_object_and_is_listed():
    store = Store()
    store.run(put("a", number=7))
    assert store.get(number_key(7)).ref.getkey() == Card.default_key("a")
    assert members(store.get(NUMBERS)) == [number_key(7)]
    store.run(put("a", number=8))
    assert store.keys(UniqueKeyReference) == [number_key(8)]
    assert members(store.get(NUMBERS)) == [number_key(8)]
    store.run(delete("a"))
    assert store.keys(UniqueKeyReference) == [] and members(store.get(NUMBERS)) == []


def test_index_objects_are_not_listed_in_a_database_that_is_not_shared():
    store = Store(shared=False)
    store.run(put("a", number=7, color="red"))
    assert sorted(store.data) == sorted([Card.default_key("a"), number_key(7), color_key("red")])
    store.run(put("a", number=8, color="blue"))
    assert sorted(store.data) == sorted([Card.default_key("a"), number_key(8), color_key("blue")])
    store.run(delete("a"))
    assert store.data == {}


def test_an_index_value_with_very_many_owners_changes_at_the_same_cost():
    store = Store(shared=False)
    for n in range(300):
        store.run(put("c%d" % n, color="red"))
    written = store.run(put("last", color="red")).writes
    assert sum(len(encode_stored(value)) for value in written.values()) < 8000
    for n in range(300):
        store.run(delete("c%d" % n))
    store.run(delete("last"))
    assert store.data == {}


def test_a_value_of_another_live_object_is_refused_with_all_names():
    store = Store()
    store.run(put("a", number=7))
    before = dict(store.data)
    with pytest.raises(AlreadyExistsException) as info:
        store.run(put("b", number=7))
    for name in (Card.default_key("a"), Card.default_key("b"), number_key(7)):
        assert name in str(info.value)
    assert store.data == before


def test_two_new_objects_of_one_transaction_cannot_share_a_value():
    def both(walk, write):
        put("a", number=1)(walk, write)
        put("b", number=1)(walk, write)

    with pytest.raises(AlreadyExistsException):
        Store().run(both)


def test_objects_can_swap_their_values_in_one_transaction():
    store = Store()
    store.run(put("a", number=1))
    store.run(put("b", number=2))

    def swap(walk, write):
        put("a", number=2)(walk, write)
        put("b", number=1)(walk, write)

    store.run(swap)
    assert store.get(number_key(1)).ref.getkey() == Card.default_key("b")
    assert store.get(number_key(2)).ref.getkey() == Card.default_key("a")
    assert members(store.get(NUMBERS)) == sorted([number_key(1), number_key(2)])


def test_a_value_is_free_when_its_owner_goes_in_the_same_transaction():
    store = Store()
    store.run(put("a", number=1))

    def replace(walk, write):
        delete("a")(walk, write)
        put("b", number=1)(walk, write)

    store.run(replace)
    assert store.get(number_key(1)).ref.getkey() == Card.default_key("b")


def test_multiple_keys_collect_owners():
    store = Store()
    store.run(put("a", color="red"))
    store.run(put("b", color="red"))
    assert members(store.get(color_key("red"))) == [Card.default_key("a"), Card.default_key("b")]
    assert members(store.get(COLORS)) == [color_key("red")]
    store.run(put("a", color="blue"))
    assert members(store.get(color_key("red"))) == [Card.default_key("b")]
    store.run(delete("a", "b"))
    assert store.keys(MultiKeyReference) == [] and members(store.get(COLORS)) == []


def test_what_goes_with_an_object_is_deleted_with_it():
    store = Store()
    store.run(put("a"))

    def label(walk, write):
        write(Label.default_key("a"), Label.create_instance("a"))

    store.run(label)
    store.run(delete("a"))
    assert store.get(Label.default_key("a")) is None


def test_an_object_cannot_be_written_under_the_key_of_another():
    with pytest.raises(ValueError, match="txn.card.b"):
        Store().run(lambda walk, write: write(Card.default_key("b"), Card.create_instance("a")))


@pytest.mark.parametrize("seed", range(25))
def test_indexes_always_mirror_the_objects(seed):
    """Random transactions, each compared with what a plain dictionary says."""
    rng, store, model = random.Random(seed), Store(), {}
    for _ in range(60):
        changes = {name: rng.choice([None, rng.randint(1, 4)]) for name in rng.sample("abcde", rng.randint(1, 3))}
        wanted = {**model, **changes}
        wanted = {name: number for name, number in wanted.items() if number is not None}

        def walker(walk, write, changes=changes):
            for name, number in changes.items():
                if number is None:
                    delete(name)(walk, write)
                else:
                    put(name, number=number, color="c%d" % (number % 2))(walk, write)

        if len(set(wanted.values())) < len(wanted):
            with pytest.raises(AlreadyExistsException):
                store.run(walker)
        else:
            store.run(walker)
            model = wanted
        check(store, model)


def check(store, model):
    assert store.keys(Card) == sorted(Card.default_key(name) for name in model)
    owners = {number_key(number): Card.default_key(name) for name, number in model.items()}
    assert {key: store.get(key).ref.getkey() for key in store.keys(UniqueKeyReference)} == owners
    if store.get(NUMBERS) is not None:
        assert members(store.get(NUMBERS)) == sorted(owners)
    colors = {}
    for name, number in model.items():
        colors.setdefault(color_key("c%d" % (number % 2)), []).append(Card.default_key(name))
    assert {key: members(store.get(key)) for key in store.keys(MultiKeyReference)} == {
        key: sorted(names) for key, names in colors.items()
    }


def test_impure_transactions_are_found():
    counter = []

    def impure(snapshot, now):
        counter.append(1)
        return Done({"a": len(counter)})

    with pytest.raises(ValueError, match="not pure.*different values of a"):
        check_purity(impure, dict, 1, lambda one, other: one == other)
    check_purity(lambda snapshot, now: Done({"a": now}), dict, 1, lambda one, other: one == other)
