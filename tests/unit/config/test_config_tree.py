"""Trees of settings (manual 5.1)."""

import pytest

from vlcp.config import ConfigTree


@pytest.fixture
def tree():
    result = ConfigTree()
    result["b.y"] = 2
    result["b.x.z"] = 1
    result["a"] = 0
    return result


def test_items_and_attributes_are_the_same(tree):
    assert tree.b.x.z == tree["b.x.z"] == tree["b"]["x"].z == 1
    tree.b.w = 5
    assert tree["b.w"] == 5
    del tree.b.w
    assert "b.w" not in tree and "b.x" in tree and "a" in tree and "a.b" not in tree


def test_names_of_methods_can_be_used_as_keys(tree):
    tree["keys"] = 1
    tree["b.items"] = 2
    assert list(tree.keys()) == ["b", "a", "keys"]
    assert dict(tree.b.config_value_items()) == {"y": 2, "items": 2}


def test_the_listings_go_as_deep_as_they_say(tree):
    assert list(tree) == list(tree.keys()) == ["b", "a"] and len(tree) == 2
    assert list(tree.config_keys(True)) == ["a", "b.x.z", "b.y"]
    assert list(tree.config_items()) == [("b.y", 2), ("b.x.z", 1), ("a", 0)]
    assert list(tree.config_value_keys()) == ["a"]
    assert list(tree.config_value_items(True)) == [("a", 0)]
    assert tree.todict() == {"a": 0, "b": {"y": 2, "x": {"z": 1}}}


@pytest.mark.parametrize("key", ["c", "a.b", "b.x.z.w", "b.q"])
def test_a_missing_key_is_a_key_error(tree, key):
    with pytest.raises(KeyError):
        tree[key]
    with pytest.raises(KeyError):
        del tree[key]
    assert tree.get(key) is None and tree.get(key, 7) == 7 and tree.gettree(key) is None


def test_a_missing_attribute_is_an_attribute_error(tree):
    with pytest.raises(AttributeError, match="nope"):
        _ = tree.nope
    with pytest.raises(AttributeError, match="nope"):
        del tree.nope


def test_a_later_assignment_replaces_a_value_or_a_subtree(tree):
    tree["a.b"] = 1
    assert tree.a.todict() == {"b": 1}
    tree["b"] = 9
    assert tree.todict() == {"b": 9, "a": {"b": 1}}
    tree["b.x"] = 2
    assert tree["b.x"] == 2


def test_gettree_makes_nodes_only_when_told(tree):
    assert tree.gettree("n.m") is None
    made = tree.gettree("n.m", True)
    made.k = 1
    assert tree["n.m.k"] == 1
    assert tree.gettree("n.m", True) is made


def test_setdefault_and_clear(tree):
    assert tree.setdefault("a", 5) == 0
    assert tree.setdefault("n.m", 5) == 5 and tree["n.m"] == 5
    assert tree.setdefault("none") is None and "none" in tree
    tree.clear()
    assert len(tree) == 0 and list(tree.config_items()) == []


def test_a_subtree_is_copied_into_an_object(tree):
    class Inner:
        z = 0

    class Target:
        x = Inner()

    tree.loadconfig("b", Target)
    assert (Target.y, Target.x.z) == (2, 1)
    tree.loadconfig("missing", Target)

    @tree.withconfig("b")
    class Other:
        pass

    assert Other.y == 2 and Other.x is tree.b.x
