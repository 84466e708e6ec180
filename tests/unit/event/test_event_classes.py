"""Events, indices and matchers."""

from __future__ import annotations

import warnings

import pytest

from vlcp.event.event import (
    Diff_,
    DiffRef_,
    Event,
    EventMatcher,
    IsMatchExceptionWarning,
    with_indices,
    withIndices,
)


@with_indices("id", "network")
class PortCreated(Event):
    pass


@withIndices("speed")
class FastPortCreated(PortCreated):
    canignore = False


class PlainChild(PortCreated):
    pass


@with_indices("owner")
class WithInit(Event):
    def __init__(self, owner, text="none", **kwargs):
        super().__init__(owner, **kwargs)
        self.text = text


def test_index_values_and_other_values_become_attributes():
    event = PortCreated("p1", "n1", mac="m", canignore=False)
    assert (event.id, event.network, event.mac, event.canignore) == ("p1", "n1", "m", False)
    assert PortCreated(network="n2", id="p2").network == "n2"
    assert PortCreated.indicesNames() == ("id", "network")
    assert FastPortCreated.indicesNames() == ("id", "network", "speed")
    assert not FastPortCreated(1, 2, 3).canignore


@pytest.mark.parametrize("args", [(), ("p1",), ("p1", None), ("p1", "n1", "x")])
def test_wrong_number_of_indices_is_refused(args):
    with pytest.raises(ValueError, match="PortCreated"):
        PortCreated(*args)


def test_an_index_must_be_hashable():
    with pytest.raises(TypeError):
        PortCreated([], "n1")
    with pytest.raises(TypeError):
        PortCreated.createMatcher([])


@pytest.mark.parametrize("names", [("from",), ("a b",), ("indices",), ("a", "a")])
def test_bad_index_names_are_refused(names):
    with pytest.raises(ValueError):
        with_indices(*names)(type("Some", (Event,), {}))


def test_a_class_with_its_own_constructor_is_indexed_too():
    event = WithInit("me", text="hello", more=1)
    assert (event.owner, event.text, event.more) == ("me", "hello", 1)
    assert WithInit.createMatcher("me").isMatch(event)

    @with_indices("size")
    class Child(WithInit):
        def __init__(self, owner, size):
            Event.__init__(self, owner, size)

    child = Child("me", 5)
    assert WithInit.createMatcher("me").isMatch(child)
    assert Child.createMatcher(size=5).isMatch(child)


def test_matchers_of_the_manual_match_as_it_says():
    event = PortCreated("new_port", "my_network")
    assert PortCreated.createMatcher("new_port", "my_network").isMatch(event)
    assert PortCreated.createMatcher("new_port").isMatch(event)
    assert PortCreated.createMatcher(None, "my_network").isMatch(event)
    assert PortCreated.createMatcher().isMatch(event)
    assert PortCreated.createMatcher(network="my_network").isMatch(event)
    assert PortCreated.createMatcher(_ismatch=lambda e: e.network.startswith("my_")).isMatch(event)
    assert not PortCreated.createMatcher("other").isMatch(event)
    assert not PortCreated.createMatcher("new_port", _ismatch=lambda e: False).isMatch(event)


def test_a_parent_matcher_matches_a_child_event_and_not_the_other_way():
    parent, child, plain = PortCreated(1, 2), FastPortCreated(1, 2, 3), PlainChild(1, 2)
    assert PortCreated.createMatcher(1).isMatch(child)
    assert PortCreated.createMatcher(1).isMatch(plain)
    assert Event.createMatcher().isMatch(child)
    assert not FastPortCreated.createMatcher().isMatch(parent)
    assert not PlainChild.createMatcher(1, 2).isMatch(child)
    assert not PlainChild.createMatcher().isMatch(parent)


def test_a_matcher_refuses_what_is_no_index():
    with pytest.raises(ValueError, match="speed"):
        PortCreated.createMatcher(speed=1)
    with pytest.raises(ValueError, match="3 values"):
        PortCreated.createMatcher(1, 2, 3)


def test_a_failing_test_function_warns_and_does_not_match():
    matcher = PortCreated.createMatcher(_ismatch=lambda e: e.nothing)
    with pytest.warns(IsMatchExceptionWarning, match="nothing"):
        assert not matcher.isMatch(PortCreated(1, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not matcher.isMatch(PortCreated(1, 2))


def test_two_local_classes_of_one_name_are_different():
    def make():
        @with_indices("n")
        class Local(Event):
            pass

        return Local

    first, second = make(), make()
    assert first.createMatcher(1).isMatch(first(1))
    assert not first.createMatcher(1).isMatch(second(1))
    assert first.getTypename() != second.getTypename()
    assert Event.getTypename() is None
    assert PortCreated.getTypename().endswith("PortCreated")


def test_repr_is_short_and_names_the_class():
    text = repr(PortCreated(1, 2, data=b"x" * 10000))
    assert "PortCreated(id=1, network=2" in text
    assert len(text) < 400


def members(*names):
    return {name: EventMatcher((name,)) for name in names}


def test_diff_knows_its_difference_to_its_base_and_to_others():
    m = members("a", "b", "c", "d")
    first = Diff_((m["a"], m["b"]))
    second = Diff_(first, add=(m["c"],), remove=(m["a"],))
    assert list(second) == [m["b"], m["c"]]
    assert [list(x) for x in second.two_way_difference(first)] == [[m["c"]], [m["a"]]]
    assert [list(x) for x in first.two_way_difference(second)] == [[m["a"]], [m["c"]]]
    assert [list(x) for x in second.two_way_difference((m["b"], m["d"]))] == [[m["c"]], [m["d"]]]
    more, less = DiffRef_(second, (m["d"],)).two_way_difference(DiffRef_(first, (m["d"],)))
    assert (list(more), list(less)) == ([m["c"]], [m["a"]])
    more, less = (second + (m["d"],)).two_way_difference(first)
    assert (set(more), list(less)) == ({m["c"], m["d"]}, [m["a"]])
    assert len(second + (m["d"],)) == 3


def test_a_long_chain_of_differences_is_flattened():
    matchers = [EventMatcher((i,)) for i in range(3000)]
    diff = Diff_(matchers)
    for matcher in matchers[:-1]:
        diff = Diff_(diff, remove=(matcher,))
    assert list(diff) == matchers[-1:]
