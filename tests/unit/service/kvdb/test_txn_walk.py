from __future__ import annotations

import pytest

from vlcp.service.kvdb._txn.mirror import Mirror
from vlcp.service.kvdb._txn.walk import Memo, run_walkers
from vlcp.service.kvdb._txn.watches import Watches
from vlcp.utils.dataobject import DataObject, ReferenceObject
from vlcp.utils.exceptions import WalkKeyNotRetrieved


class Node(DataObject):
    _prefix = "walk.node"
    _indices = ("id",)


def node(name, **attributes):
    made = Node.create_instance(name)
    made.__dict__.update(attributes, kvdb_createtime=1, kvdb_updateversion=1)
    return made


def key(name):
    return Node.default_key(name)


def follow(start, value, walk, save):
    save(start)
    if value is not None and hasattr(value, "next"):
        try:
            walk(key(value.next))
            save(key(value.next))
        except WalkKeyNotRetrieved:
            pass


def mirror_of(*nodes, ordered=True):
    mirror = Mirror(ordered)
    mirror.advance({found.getkey(): found for found in nodes})
    return mirror


def test_a_walker_that_finds_all_is_finished():
    mirror = mirror_of(node("a", next="b"), node("b"))
    result = run_walkers(mirror, [key("a")], {key("a"): follow}, Memo())
    assert (result.saved, result.missing) == ([key("a"), key("b")], set())


def test_what_a_walker_misses_is_named_and_it_goes_on():
    mirror = mirror_of(node("a", next="b"))
    result = run_walkers(mirror, [key("a"), key("z")], {key("a"): follow}, Memo())
    assert result.missing == {key("b"), key("z")}
    assert result.used == {key("a"), key("b"), key("z")}


def test_strong_references_of_saved_values_are_asked_for():
    mirror = mirror_of(node("a", link=[ReferenceObject(key("b"))]))
    result = run_walkers(mirror, [key("a")], {key("a"): follow}, Memo())
    assert result.missing == {key("b")}
    mirror.advance({key("b"): node("b", link=ReferenceObject(key("c"))), key("c"): None})
    assert run_walkers(mirror, [key("a")], {key("a"): follow}, Memo()).missing == set()


def test_a_key_without_walker_is_read_but_not_saved():
    result = run_walkers(mirror_of(node("a")), [key("a")], {}, Memo())
    assert (result.saved, result.used, result.missing) == ([], {key("a")}, set())


def test_a_walker_is_not_run_again_on_the_same_values():
    runs = []

    def counting(start, value, walk, save):
        runs.append(start)
        follow(start, value, walk, save)

    mirror, memo = mirror_of(node("a", next="b"), node("b"), node("x")), Memo()
    walkers = {key("a"): counting, key("x"): counting}
    first = run_walkers(mirror, list(walkers), walkers, memo)
    assert run_walkers(mirror, list(walkers), walkers, memo) == first
    assert runs == [key("a"), key("x")]
    changed = node("b")
    changed.kvdb_updateversion = 2
    mirror.advance({key("b"): changed})
    run_walkers(mirror, list(walkers), walkers, memo)
    assert runs == [key("a"), key("x"), key("a")]


def test_the_last_run_of_a_walker_is_one_that_finished():
    saved = []

    def watched(start, value, walk, save):
        saved.clear()
        follow(start, value, walk, lambda found: (saved.append(found), save(found)))

    kept = node("b")
    mirror, memo = mirror_of(node("a", next="b"), kept), Memo()
    walkers = {key("a"): watched}
    whole = run_walkers(mirror, [key("a")], walkers, memo)
    a = mirror.snapshot(False).walk(key("a"))
    without = Mirror(True)
    without.advance({key("a"): a})
    assert run_walkers(without, [key("a")], walkers, memo).missing == {key("b")}
    assert run_walkers(mirror, [key("a")], walkers, memo) == whole
    assert saved == [key("a"), key("b")], "who looks on sees the whole run"


def test_an_exception_of_a_walker_counts_only_when_it_misses_nothing():
    def broken(start, value, walk, save):
        try:
            walk(key("b"))
        except WalkKeyNotRetrieved:
            pass
        raise RuntimeError("broken")

    mirror = mirror_of(node("a"))
    assert run_walkers(mirror, [key("a")], {key("a"): broken}, Memo()).missing == {key("b")}
    mirror.advance({key("b"): None})
    with pytest.raises(RuntimeError, match="broken"):
        run_walkers(mirror, [key("a")], {key("a"): broken}, Memo())


def test_saving_what_was_not_retrieved_is_refused():
    def guess(start, value, walk, save):
        save(key("elsewhere"))

    with pytest.raises(ValueError, match="elsewhere"):
        run_walkers(mirror_of(node("a")), [key("a")], {key("a"): guess}, Memo())


def test_watches_by_key_and_by_request():
    watches = Watches()
    watches.add("r1", ["a", "b"])
    watches.add("r2", ["b"])
    watches.add("r3", [])
    assert watches.listing() == {"a": ["r1"], "b": ["r1", "r2"]}
    assert watches.listing("r2") == {"b": ["r1", "r2"]}
    watches.remove("r1", ["b", "unknown"])
    watches.remove("nobody", ["b"])
    assert watches.listing() == {"a": ["r1"], "b": ["r2"]}
    watches.remove_all("r1")
    watches.remove_all("r1")
    assert watches.keys() == ["b"] and "a" not in watches


def test_what_is_recalled_of_a_walker_is_what_it_did_when_it_ran_last():
    seen = []

    def keeping(start, value, walk, save):
        seen.clear()
        follow(start, value, walk, lambda saved: (seen.append(saved), save(saved)))

    mirror, memo = mirror_of(node("a", next="b"), node("b"), ordered=False), Memo()
    walkers = {key("a"): keeping}
    run_walkers(mirror, list(walkers), walkers, memo)
    changed = node("b")
    changed.kvdb_updateversion = 2
    mirror.advance({key("b"): changed})
    assert run_walkers(mirror, list(walkers), walkers, memo).missing
    stale = run_walkers(mirror, list(walkers), walkers, memo, True)
    assert not stale.missing and seen == stale.saved == [key("a"), key("b")]
    mirror.advance({name: mirror.value(name) for name in stale.used})
    assert run_walkers(mirror, list(walkers), walkers, memo).saved == seen
