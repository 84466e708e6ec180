"""Classes that read settings as attributes (manual 3.1.2, 4.6.2, 5.1)."""

import pytest

from vlcp.config import Configurable, config, configbase, defaultconfig, manager, unknown_keys


@pytest.fixture(autouse=True)
def empty_manager():
    saved = list(manager.config_items())
    manager.clear()
    yield
    manager.clear()
    for key, value in saved:
        manager[key] = value


@configbase("kind")
class Base(Configurable):
    _default_one = "base one"
    _default_two = "base two"


@defaultconfig
class Child(Base):
    _default_two = "child two"
    _default_three = ["child three"]
    fixed = "class attribute"


class Plain(Child):
    """Not mapped itself."""


@defaultconfig
class Grandchild(Child):
    pass


@config("alone")
class Alone(Configurable):
    _default_url = None
    _default_timeout = 5
    _extra_config = ("tree.",)


@defaultconfig
class Root(Configurable):
    _default_x = 1


def test_the_decorators_make_the_documented_keys():
    assert (Base.configbase, Base.configkey) == ("kind", "kind.default")
    assert (Child.configbase, Child.configkey) == ("kind", "kind.child")
    assert (Alone.configbase, Alone.configkey) == ("alone", "alone")
    assert (Root.configbase, Root.configkey) == ("root", "root.default")
    assert Grandchild.configkey == "kind.grandchild"
    assert Base.getConfigurableParent() is None
    assert Child.getConfigurableParent() is Base
    assert Grandchild.getConfigurableParent() is Child and Plain.getConfigurableParent() is Child

    @configbase("sub")
    class Sub(Base):
        pass

    @config("leaf")
    class Leaf(Sub):
        pass

    assert (Sub.configbase, Sub.configkey) == ("kind.sub", "kind.sub.default")
    assert (Leaf.configbase, Leaf.configkey) == ("kind.sub.leaf", "kind.sub.leaf")


@pytest.mark.parametrize(
    ("configured", "expected"),
    [
        ({}, ("base one", "child two")),
        ({"kind.default.one": 1, "kind.default.two": 2}, (1, "child two")),
        ({"kind.child.one": 11, "kind.default.one": 1, "kind.child.two": 12}, (11, 12)),
        ({"kind.one": 1, "child.two": 1, "kind.grandchild.one": 5}, ("base one", "child two")),
    ],
)
def test_settings_are_looked_up_class_by_class(configured, expected):
    for key, value in configured.items():
        manager[key] = value
    for cls in (Child, Plain):
        instance = cls()
        assert (instance.one, instance.two) == expected


def test_a_subclass_inherits_what_is_configured_for_its_parent():
    manager["kind.child.three"] = 3
    assert Grandchild().three == 3
    manager["kind.grandchild.three"] = 4
    assert Grandchild().three == 4


def test_attributes_of_class_and_instance_come_first():
    manager["kind.child.fixed"] = "configured"
    manager["kind.child.one"] = "configured"
    child = Child()
    assert child.fixed == "class attribute"
    child.one = "instance"
    assert child.one == "instance"


def test_what_was_found_stays_on_the_instance():
    child = Child()
    assert child.one == "base one"
    manager["kind.child.one"] = "later"
    assert child.one == "base one" and Child().one == "later"


def test_a_subtree_is_a_setting_too():
    manager["kind.child.protocol.persist"] = True
    assert Child().protocol.todict() == {"persist": True}


def test_unknown_and_private_names_are_attribute_errors():
    manager["kind.child._secret"] = 1
    for name in ("nope", "_secret", "_default_nope"):
        with pytest.raises(AttributeError, match=name):
            getattr(Child(), name)


def test_an_object_lists_its_settings():
    manager["kind.child.extra"] = 7
    manager["kind.default.one"] = 1
    assert Child().config_value_keys(True) == ["extra", "one", "three", "two"]
    assert dict(Child().config_value_items()) == {
        "extra": 7,
        "one": 1,
        "two": "child two",
        "three": ["child three"],
    }


def test_the_node_of_a_class_is_made_on_demand():
    assert Child.getConfigRoot() is None
    node = Child.getConfigRoot(True)
    assert node is manager.gettree("kind.child") is Child.getConfigRoot()
    assert Configurable.getConfigRoot(True) is None


@pytest.mark.parametrize(
    ("key", "nearest"),
    [
        ("alone.ulr", "alone.url"),
        ("alone.timeuot", "alone.timeout"),
        ("alone.zzzzzz", None),
        ("kind.child.tow", "kind.child.two"),
        ("kind.default.onee", "kind.default.one"),
    ],
)
def test_an_unknown_key_under_a_known_class_is_reported_with_the_nearest(key, nearest):
    manager[key] = 1
    assert unknown_keys(manager) == [(key, nearest)]
    text = str(unknown_keys(manager)[0])
    assert key in text and (nearest is None or nearest in text)


def test_known_keys_and_keys_of_unknown_classes_are_not_reported():
    for key in ("alone.url", "alone.tree.any.thing", "kind.child.one", "kind.child.fixed", "kind.default.three"):
        manager[key] = 1
    for key in ("other.key", "kind.unknown.key", "toplevel"):
        manager[key] = 1
    assert unknown_keys(manager) == []
