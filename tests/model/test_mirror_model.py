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


def test_a_notice_that_comes_twice_is_one_notice():
    mirror = Mirror()
    mirror.advance({"a": Value("a", 1)})
    assert mirror.mark("a", (1, 2)) and mirror.mark("a", (1, 2))
    assert not mirror.advance({"a": Value("a", 2)}).unforeseen


def test_what_was_read_before_its_notices_waits_for_each_of_them():
    mirror = Mirror()
    mirror.advance({"a": Value("a", 1), "b": None, "c": Value("c", 1), "d": Value("d", 1)})
    mirror.mark("a", (1, 2))
    result = mirror.advance({"a": Value("a", 4), "b": Value("b", 1), "c": None})
    assert (result.unforeseen, result.traceless) == (set("abc"), set())
    assert mirror.untold == {"a": {(1, 3), (1, 4)}, "b": {(1, 1)}, "c": {(0, -1)}}
    for key, version in (("a", (1, 4)), ("b", (1, 1)), ("c", (77, -1))):
        assert not mirror.mark(key, version)
    assert mirror.untold == {"a": {(1, 3)}}
    mirror.mark("a", (1, 3))
    assert not mirror.untold


def test_an_object_that_was_made_anew_waits_for_the_end_of_the_old_one_too():
    mirror = Mirror()
    mirror.advance({"a": Value("a", 7), "b": None})
    mirror.advance({"a": _Versioned(900, 1)})
    assert mirror.untold == {"a": {(0, -1), (900, 1)}}


def test_a_read_of_everything_waits_for_no_notice():
    mirror = Mirror()
    mirror.advance({"a": Value("a", 1), "b": Value("b", 1)})
    mirror.advance({"a": Value("a", 2)})
    assert mirror.untold
    mirror.advance({"a": Value("a", 3), "b": Value("b", 1)})
    assert not mirror.untold


def test_nobody_can_tell_what_changed_together_with_a_change_that_was_noted_in_part():
    mirror = Mirror()
    mirror.advance({"a": Value("a", 1), "b": Value("b", 1)})
    mirror.mark("a", (1, 3))
    assert mirror.advance({"a": Value("a", 3)}).traceless == {"a"}
    assert not mirror.untold


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


@pytest.mark.parametrize("ordered", [True, False])
def test_a_deletion_is_not_taken_for_an_older_one_while_the_key_is_read(ordered):
    mirror = Mirror(ordered)
    mirror.advance({"a": None})
    assert not mirror.mark("a", (900, -1)), "the deletion that is known"
    assert mirror.mark("a", (1000, 1))
    created = _Versioned(1000, 1)
    assert mirror.mark("a", (2000, -1)), "a read that is under way may return what was deleted now"
    mirror.advance({"a": created})
    assert not mirror.covers("a", (2000, -1))
    mirror.advance({"a": None})
    assert mirror.covers("a", (2000, -1))


class _Versioned:
    def __init__(self, created, number):
        self.kvdb_createtime = created
        self.kvdb_updateversion = number
