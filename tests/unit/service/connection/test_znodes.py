"""Where ZooKeeperDB keeps what, and which transactions run together: pure choices."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlcp.service.connection import _znodes as znodes
from vlcp.service.connection._batches import Update, pick
from vlcp.service.connection._codec import Codec
from vlcp.service.connection._zkbatch import MISSING, Entry, State, evaluate, first_time
from vlcp.service.connection.zookeeperdb import server_urls
from vlcp.utils._zkpaths import Chroot
from vlcp.utils.zkclient import ZooKeeperIllegalPathException

BARRIER = "barrier" + "0" * 42 + "-%010d"


@pytest.mark.parametrize(
    ("key", "name"),
    [("plain.key", "plain.key"), ("a$b", "a$_b"), ("a/b", "a$+b"), ("a\\b", "a$$b"), ("$/\\", "$_$+$$"), ("ü %", "ü %")],
)
def test_keys_are_escaped_as_other_programs_do(key, name):
    assert znodes.escape(key) == name
    assert znodes.unescape(name) == key


@given(st.text(max_size=20))
def test_every_key_has_a_name_that_zookeeper_takes_and_comes_back(key):
    name = znodes.escape(key)
    assert znodes.unescape(name) == key
    assert name and name not in (".", "..") and "/" not in name
    assert all(
        ord(char) > 0x1F and not 0x7F <= ord(char) <= 0x9F and ord(char) < 0xD800 or 0xF900 <= ord(char) < 0xFFF0 for char in name
    )


@given(st.text(max_size=8), st.text(max_size=8))
def test_different_keys_have_different_names(one, other):
    assert (znodes.escape(one) == znodes.escape(other)) == (one == other)


def test_the_chroot_is_before_every_path():
    layout = znodes.Layout("/x")
    assert layout.fixed()[0] == "/x/vlcp" and layout.key("a/b") == "/x/vlcp/kvdb/a$+b"
    assert (layout.channel("k"), layout.timer) == ("/x/vlcp/notifier/bykey/k", "/x/vlcp/tmp/timer")
    assert Chroot("/a/b/").parents() == ["/a", "/a/b"] and Chroot("/").parents() == []
    with pytest.raises(ZooKeeperIllegalPathException):
        Chroot("/a//b")


@pytest.mark.parametrize(
    ("names", "own", "found"),
    [
        ([], 5, (None, None, None)),
        (["data-0000000003"], 5, ("data-0000000003", None, None)),
        (["data-0000000003", "data-0000000001"], 5, ("data-0000000003", None, None)),
        (["data-0000000007", "data-0000000001"], 5, ("data-0000000001", None, None)),
        ([BARRIER % 5, BARRIER % 9, "data-0000000002"], 5, ("data-0000000002", None, None)),
        ([BARRIER % 4, "data-0000000002"], 5, (None, BARRIER % 4, BARRIER % 4)),
        ([BARRIER % 4, BARRIER % 3, "data-0000000002"], 5, (None, BARRIER % 4, BARRIER % 3)),
        ([BARRIER % 3, "data-0000000004"], 5, ("data-0000000004", None, None)),
        (["something", "data-", "barrier-x", "data-00000000zz"], 5, (None, None, None)),
    ],
)
def test_a_transaction_reads_the_newest_version_before_it_or_waits_for_the_barrier_there(names, own, found):
    assert znodes.look(names, own) == found
    assert znodes.look(list(reversed(names)), own) == found


def test_a_barrier_is_alone_or_not():
    assert znodes.is_alone(["data-0000000009", BARRIER % 5], 5)
    assert not znodes.is_alone([BARRIER % 5, BARRIER % 6], 5)


def test_versions_are_listed_from_the_newest():
    names = ["data-0000000002", BARRIER % 9, "data-0000000010", "other", "data-x"]
    assert znodes.versions(names) == ["data-0000000010", "data-0000000002"]


def test_names_carry_numbers():
    assert znodes.barrier_name("f" * 32, 7) == "barrier" + "f" * 32 + "0000000007-"
    assert znodes.number_of("/a/barrier-0000000012") == 12
    assert znodes.data_name(12) == "data-0000000012"
    assert znodes.transaction_of("notify-abc-01-0000000004") == "abc-01"
    assert znodes.transaction_of("data-0000000004") is None


OLD, NEW = (200.0, 10), (5.0, 10)


@pytest.mark.parametrize(
    ("ages", "barriers", "gone"),
    [
        ({1: OLD, 2: OLD, 3: NEW}, [], [1]),
        ({1: OLD}, [], []),
        ({1: OLD, 2: (200.0, 0)}, [], [1, 2]),
        ({1: OLD, 2: (200.0, 0), 3: NEW}, [], [1, 2]),
        ({1: OLD, 3: (200.0, 0)}, [2], [1]),
        ({1: OLD, 3: (200.0, 0)}, [4], [1, 3]),
        ({1: NEW, 2: NEW}, [], []),
        ({}, [1], []),
    ],
)
def test_only_versions_that_nobody_needs_are_recycled_the_oldest_first(ages, barriers, gone):
    named = {znodes.data_name(number): age for number, age in ages.items()}
    names = [*named, *[BARRIER % number for number in barriers]]
    assert znodes.recyclable(names, named, 120.0) == [znodes.data_name(number) for number in gone]


def test_a_message_comes_back_and_others_are_refused():
    content = znodes.message("id-1", ["a/b", "c"], [(5, 1), None])
    assert content == {"id": "id-1", "keys": ["a$+b", "c"], "extrainfo": [[5, 1], None]}
    assert znodes.heard(content) == ("id-1", ("a/b", "c"), [(5, 1), None])
    assert znodes.heard({"id": "i", "keys": ["a"], "extrainfo": [["x", 1]]}).versions == [None]
    assert znodes.heard({"id": "i", "keys": ["a"], "extrainfo": []}).versions is None
    for bad in (None, [], {}, {"id": 1, "keys": []}, {"id": "i", "keys": "abc"}, {"id": "i", "keys": [1]}):
        with pytest.raises(ValueError):
            znodes.heard(bad)


def update(*keys, updater=None, writes=()):
    return Update(keys, updater or (lambda names, values, now: (names, values)), None, 0.0, writes)


def test_updates_without_common_keys_with_what_runs_are_taken_together_and_none_overtakes():
    a, b, ab, c, d = update("a"), update("b"), update("a", "b"), update("c"), update("d", writes=("e",))
    assert pick([a, b, ab, c], set(), 10) == [a, b, ab, c]
    assert pick([ab, a, b, c], {"a"}, 10) == [c]
    assert pick([d, c], {"e"}, 10) == [c]
    assert pick([a, b, c], set(), 2) == [a, b]
    large = update(*"pqrst")
    assert pick([large, a], set(), 2) == [large]


def test_updaters_see_what_those_before_them_leave_and_a_failure_writes_nothing():
    def add(amount):
        return lambda names, values, now: (names, [(value or 0) + amount for value in values])

    def fail(names, values, now):
        raise KeyError("mine")

    updates = [update("a", updater=add(1)), update("a", updater=fail), update("a", "b", updater=add(10))]
    entries = {"a": Entry("data-0000000001", 1, 1, 1, 5), "b": MISSING}
    done = evaluate(updates, entries, 1000, Codec(deflate=False))
    assert done.values == {"a": 16, "b": 10} and done.data == {"a": b"16", "b": b"10"}
    assert [one.result for one in (updates[0], updates[2])] == [(("a",), [6]), (("a", "b"), [16, 10])]
    assert isinstance(updates[1].error, KeyError) and done.clock == 1001


def test_a_deletion_has_no_content_and_a_version_of_its_own():
    done = evaluate([update("a", updater=lambda names, values, now: (names, [None]))], {"a": MISSING}, 77, Codec())
    assert done.data == {"a": b""} and done.versions == {"a": (77, -1)}


def test_time_stamps_are_later_than_all_before_on_the_same_keys():
    before = Entry("data-0000000001", 1, 1, 500, None)
    assert first_time(400, 0, []) == 400000
    assert first_time(400, 400005, []) == 400006
    assert first_time(500, 0, [before]) == 501000
    assert first_time(450, 0, [before]) == 501000
    assert first_time(501, 0, [before]) == 501000


def test_a_state_holds_when_nothing_but_one_barrier_has_come():
    class Stat:
        czxid, cversion = 8, 21

    entry = Entry("data-0000000001", 8, 1, 0, None)
    assert State(entry, 20).holds(Stat)
    assert not State(entry, 19).holds(Stat)
    assert not State(entry._replace(parent=7), 20).holds(Stat)


@pytest.mark.parametrize(
    ("url", "servers", "chroot"),
    [
        ("tcp://localhost/", ["tcp://localhost/"], "/"),
        ("zk://a:1,b,c:3/deep/er", ["tcp://a:1/", "tcp://b/", "tcp://c:3/"], "/deep/er"),
        ("ssl://a:1,b/x/", ["ssl://a:1/", "ssl://b/"], "/x"),
        ("tcp://[::1]:2181,b", ["tcp://[::1]:2181/", "tcp://b/"], "/"),
    ],
)
def test_a_url_names_several_servers_and_a_chroot(url, servers, chroot):
    assert server_urls(url) == (servers, chroot)


def test_a_url_without_a_host_is_refused():
    with pytest.raises(ValueError, match="needs a host"):
        server_urls("tcp:///x")
