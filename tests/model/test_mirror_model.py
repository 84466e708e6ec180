"""The mirror against a database whose every state is remembered: what a reader gets belongs to one state."""

from __future__ import annotations

import random

import pytest

from vlcp.service.kvdb._txn.mirror import Mirror
from vlcp.utils.exceptions import WalkKeyNotRetrieved

KEYS = "abcdef"


class Value:
    def __init__(self, key, serial):
        self.key = key
        self.kvdb_createtime = 1
        self.kvdb_updateversion = serial

    def __repr__(self):
        return "%s%d" % (self.key, self.kvdb_updateversion)


class Database:
    """All states, one after each commit."""

    def __init__(self):
        self.states = [dict.fromkeys(KEYS)]
        self.serial = 0

    def commit(self, keys):
        state = dict(self.states[-1])
        for key in keys:
            self.serial += 1
            state[key] = Value(key, self.serial)
        self.states.append(state)


def same(one, other):
    return (one and one.kvdb_updateversion) == (other and other.kvdb_updateversion)


def steps(rng, count):
    for _ in range(count):
        yield rng.choice(("commit", "commit", "read", "read", "check")), rng.sample(KEYS, rng.randint(1, 3))


def run(script, ordered):
    database, mirror, pending = Database(), Mirror(ordered), []
    for number, (action, keys) in enumerate(script):
        if action == "commit":
            database.commit(keys)
            pending.append([(key, database.states[-1][key]) for key in keys])
        elif action == "read":
            if ordered:
                for notice in pending:
                    for key, value in notice:
                        mirror.mark(key, (value.kvdb_createtime, value.kvdb_updateversion))
                pending = []
            mirror.advance({key: database.states[-1][key] for key in keys})
        else:
            check(database, mirror, keys, number)


def check(database, mirror, keys, number):
    reader, got = mirror.snapshot(), {}
    for key in keys:
        try:
            got[key] = reader.walk(key)
        except WalkKeyNotRetrieved:
            assert key in reader.missing
    assert reader.used == set(keys)
    fits = any(all(same(state[key], value) for key, value in got.items()) for state in database.states)
    assert fits, "step %d: %r never was together" % (number, got)


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("seed", range(60))
def test_values_read_together_belong_to_one_state_of_the_database(seed, ordered):
    script = list(steps(random.Random(seed), 120))
    try:
        run(script, ordered)
    except AssertionError as error:
        for length in range(1, len(script) + 1):
            try:
                run(script[:length], ordered)
            except AssertionError:
                raise AssertionError("seed %d: %s\nshortest: %r" % (seed, error, script[:length])) from error
        raise


def test_an_ordered_mirror_answers_from_reads_of_different_turns():
    mirror = Mirror(ordered=True)
    one, two = Value("a", 1), Value("b", 2)
    mirror.advance({"a": one})
    mirror.advance({"b": two})
    reader = mirror.snapshot()
    assert (reader.walk("a"), reader.walk("b")) == (one, two)


def test_without_order_values_of_different_turns_do_not_mix():
    mirror = Mirror(ordered=False)
    mirror.advance({"a": Value("a", 1)})
    mirror.advance({"b": Value("b", 2)})
    reader = mirror.snapshot()
    reader.walk("a")
    with pytest.raises(WalkKeyNotRetrieved):
        reader.walk("b")
    assert reader.missing == {"b"}
    assert mirror.snapshot(stale=True).walk("b").key == "b"


def test_an_unchanged_value_holds_over_several_turns_and_keeps_its_object():
    mirror = Mirror()
    first, again = Value("a", 1), Value("a", 1)
    mirror.advance({"a": first})
    mirror.advance({"b": Value("b", 1)})
    assert mirror.advance({"a": again, "b": Value("b", 2)}).changed == {"b"}
    assert mirror.value("a") is first
    assert mirror.holds("a") == (1, 3)
    assert mirror.holds("b") == (3, 3)


def test_a_change_without_notice_is_reported():
    mirror = Mirror()
    mirror.advance({"a": Value("a", 1), "b": Value("b", 1)})
    assert mirror.mark("a", (1, 2))
    result = mirror.advance({"a": Value("a", 2), "b": Value("b", 2)})
    assert (result.changed, result.unforeseen) == ({"a", "b"}, {"b"})


@pytest.mark.parametrize("noted", [None, (1, 2), (1, -1)])
def test_a_change_after_the_one_that_was_noted_is_reported(noted):
    mirror = Mirror()
    mirror.advance({"a": Value("a", 1), "b": Value("b", 1)})
    assert mirror.mark("a", noted)
    assert mirror.advance({"a": Value("a", 3)}).unforeseen == {"a"}


def test_a_removal_is_reported_unless_it_was_noted():
    mirror = Mirror()
    mirror.advance({key: Value(key, 1) for key in "abc"})
    assert mirror.mark("a", (5, -1)) and mirror.mark("b", (1, 2))
    assert mirror.advance(dict.fromkeys("abc")).unforeseen == {"b", "c"}


def test_notices_of_what_is_known_are_ignored():
    mirror = Mirror()
    mirror.advance({"a": Value("a", 5), "gone": None})
    assert not mirror.mark("a", (1, 5)) and not mirror.mark("a", (1, 4))
    assert mirror.mark("a", (1, 6)) and mirror.mark("a", (2, 1))
    assert mirror.mark("a", (9, -1))
    assert not mirror.mark("a", (0, -1))
    assert not mirror.mark("gone", (7, -1))
    assert mirror.mark("gone", (7, 1))
    assert not mirror.mark("elsewhere", None)


def test_closure_follows_strong_references():
    class Holder(Value):
        refs = {}

        def kvdb_internalref(self):
            return self.refs[self.key]

    Holder.refs = {"a": {"b"}, "b": {"c", "a"}, "c": set(), "d": set()}
    mirror = Mirror()
    mirror.advance({key: Holder(key, 1) for key in "abcd"})
    assert mirror.closure("a") == set("abc")
    mirror.forget("c")
    assert mirror.closure("b") == set("abc")
    assert list(mirror) == ["a", "b", "d"]
