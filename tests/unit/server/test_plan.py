"""The order of loading and unloading (pure)."""

import random

import pytest

from vlcp.server import _plan
from vlcp.server._plan import ModuleLoadException

GRAPH = {"web": ["http"], "http": [], "db": ["store"], "store": [], "flow": ["db", "ports"], "ports": ["of"], "of": []}


def test_dependencies_are_loaded_first_and_together():
    assert _plan.load_order(["flow", "web"], GRAPH) == [["http", "of", "store"], ["db", "ports", "web"], ["flow"]]


def test_what_is_loaded_is_not_loaded_again():
    assert _plan.load_order(["flow"], GRAPH, {"db", "of"}) == [["ports"], ["flow"]]
    assert _plan.load_order(["db"], GRAPH, {"db"}) == []


@pytest.mark.parametrize(
    ("graph", "said"),
    [
        ({"a": ["a"]}, "a -> a"),
        ({"a": ["b"], "b": ["c"], "c": ["b"]}, "b -> c -> b"),
        ({"x": ["a", "free"], "free": [], "a": ["b"], "b": ["c"], "c": ["a"]}, "a -> b -> c -> a"),
    ],
)
def test_a_circle_is_named(graph, said):
    with pytest.raises(ModuleLoadException, match=f"depend on each other: {said}$"):
        _plan.load_order([min(graph)] + ["x"] * ("x" in graph), graph)


def test_a_circle_that_is_not_needed_does_no_harm():
    assert _plan.load_order(["http"], {**GRAPH, "a": ["b"], "b": ["a"]}) == [["http"]]


def test_dependants_are_unloaded_first():
    assert _plan.unload_order(["store"], GRAPH) == ["flow", "db", "store"]
    assert _plan.unload_order(["of"], GRAPH) == ["flow", "ports", "of"]
    assert _plan.unload_order(["unknown"], GRAPH) == []


def test_services_that_nobody_needs_follow():
    left = {name: deps for name, deps in GRAPH.items() if name != "flow"}
    services = {"db", "store", "ports", "of"}
    assert _plan.idle_services(left, services, {"db", "ports"}) == ["db", "ports", "store", "of"]
    assert _plan.idle_services(left, services - {"ports"}, {"db", "ports"}) == ["db", "store"]
    assert _plan.idle_services({**left, "user": ["store"]}, services, {"db"}) == ["db"]


def test_all_modules_of_a_file_are_reloaded_together():
    files = {"p.one.A": "p.one", "p.one.B": "p.one", "p.two.C": "p.two"}
    assert _plan.reload_set(["p.one.A"], files) == {"p.one.A", "p.one.B"}
    assert _plan.reload_set(["unknown.D"], files) == set()


@pytest.mark.parametrize("seed", range(30))
def test_any_graph_without_circles_gets_a_valid_order(seed):
    rng = random.Random(seed)
    names = [f"m{number}" for number in range(12)]
    graph = {name: rng.sample(names[:index], min(index, rng.randrange(4))) for index, name in enumerate(names)}
    seen = set()
    for step in _plan.load_order(rng.sample(names, 6), graph):
        assert all(dep in seen for name in step for dep in graph[name])
        seen.update(step)
    gone = []
    for name in _plan.unload_order(rng.sample(names, 2), graph):
        assert not [other for other in names if name in graph[other] and other not in gone]
        gone.append(name)
