from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlcp.utils._keys import escape_key, join_key, split_key, unescape_key
from vlcp.utils.dataobject import (
    AlreadyExistsException,
    DataObject,
    DataObjectSet,
    ReferenceObject,
    Relationship,
    UniqueKeyReference,
    UniqueKeySet,
    WeakReferenceObject,
    create_from_key,
    create_new,
    dump,
    list_updater,
    set_new,
    updater,
)
from vlcp.utils.networkmodel import LogicalNetwork, LogicalPort, LogicalPortVXLANInfo, PhysicalNetwork, PhysicalPort


class Thing(DataObject):
    _prefix = "test.thing"
    _indices = ("kind", "name")


class Twin(DataObject):
    _prefix = "test.twin"
    _indices = ("name", "kind")


@given(st.text(alphabet="ab+._", max_size=8))
def test_a_key_part_comes_back_from_its_escaped_form(text):
    assert "." not in escape_key(text)
    assert unescape_key(escape_key(text)) == text
    assert split_key("p", 2, join_key("p", [text, "x"])) == [text, "x"]


def test_keys_look_like_those_of_existing_databases():
    assert PhysicalPort.default_key("", "%", "%", "vxlan0") == "viperflow.physicalport..%.%.vxlan0"
    assert escape_key("10.0.1.0/24") == "10++0++1++0/24"
    assert escape_key("a+b") == "a+_b"
    assert LogicalNetwork.default_key("a.b") == "viperflow.logicnetwork.a++b"


def test_index_attributes_are_set_from_the_key():
    port = PhysicalPort.create_from_key("viperflow.physicalport.v.s++1.b.p")
    assert (port.vhost, port.systemid, port.bridge, port.name) == ("v", "s.1", "b", "p")
    assert port.getkey() == "viperflow.physicalport.v.s++1.b.p"


@pytest.mark.parametrize("key", ["viperflow.physicalport.a.b", "other.a.b.c.d", "viperflow.physicalport", ""])
def test_a_key_of_another_class_is_refused(key):
    with pytest.raises(ValueError, match="no key of a PhysicalPort"):
        PhysicalPort.create_from_key(key)


def test_a_wrong_number_of_index_values_is_refused():
    with pytest.raises(ValueError, match="2 index values"):
        Thing.create_instance("a")


def test_ismatch_compares_index_values_and_none_matches_all():
    key = Thing.default_key("k", "n")
    assert Thing.ismatch(key, ("k", "n"))
    assert Thing.ismatch(key, (None, "n"))
    assert Thing.ismatch(key, ())
    assert not Thing.ismatch(key, ("x",))
    assert not Twin.ismatch(key, ())


def test_a_set_finds_members_by_class_and_index():
    members = DataObjectSet()
    for name in "ab":
        members.dataset().add(WeakReferenceObject(Thing.default_key("k", name)))
    members.dataset().add(WeakReferenceObject(Twin.default_key("a", "k")))
    assert [ref.getkey() for ref in members.find(Thing, "k")] == ["test.thing.k.a", "test.thing.k.b"]
    assert [ref.getkey() for ref in members.find(Thing, None, "b")] == ["test.thing.k.b"]


def test_a_reference_reads_the_object_and_refuses_writing():
    thing = Thing.create_instance("k", "n")
    thing.size = 3
    reference = ReferenceObject(thing.getkey(), thing)
    assert reference.size == 3
    assert reference.kind == "k"
    assert reference.isinstance(Thing) and not reference.isinstance(Twin)
    assert not reference.isdeleted()
    with pytest.raises(TypeError, match="test.thing.k.n.*transaction"):
        reference.size = 4
    with pytest.raises(TypeError):
        del reference.size
    assert thing.size == 3


def test_a_reference_that_is_not_retrieved_has_no_attributes():
    reference = thing = ReferenceObject("test.thing.k.n")
    assert reference.isdeleted() and not reference.kvdb_isretrieved()
    with pytest.raises(AttributeError, match="test.thing.k.n is not retrieved"):
        _ = thing.size
    assert getattr(reference, "size", 7) == 7


def test_references_are_equal_by_key_and_kind():
    assert ReferenceObject("a") == ReferenceObject("a", Thing())
    assert ReferenceObject("a") != ReferenceObject("b")
    assert WeakReferenceObject("a") == WeakReferenceObject("a")
    assert ReferenceObject("a") != WeakReferenceObject("a")
    assert len({WeakReferenceObject("a"), WeakReferenceObject("a")}) == 1


def test_nested_references_are_found_linked_and_detached():
    thing = Thing.create_instance("k", "n")
    thing.parts = {"x": [ReferenceObject("test.twin.a.b")]}
    thing.weak = WeakReferenceObject("test.twin.c.d")
    assert thing.kvdb_retrievelist() == ["test.twin.a.b"]
    assert thing.kvdb_internalref() == {"test.twin.a.b"}
    twin = Twin.create_from_key("test.twin.a.b")
    thing.kvdb_retrievefinished({"test.twin.a.b": twin})
    assert thing.parts["x"][0].name == "a"
    thing.kvdb_detach()
    assert not thing.parts["x"][0].kvdb_isretrieved()


def test_a_copy_shares_nothing_changeable():
    thing = Thing.create_instance("k", "n")
    thing.items = [(1, 2), {"a": [3]}]
    thing.members = DataObjectSet()
    thing.link = ReferenceObject("test.twin.a.b", Twin())
    copy = thing.clone_instance()
    copy.items[1]["a"].append(4)
    copy.members.dataset().add(WeakReferenceObject("x"))
    assert thing.items == [(1, 2), {"a": [3]}]
    assert len(thing.members.dataset()) == 0
    assert copy.items[0] == [1, 2]
    assert not copy.link.kvdb_isretrieved()
    assert copy.getkey() == thing.getkey()


def test_equality_compares_key_and_stored_attributes():
    one, other = Thing.create_instance("k", "n"), Thing.create_instance("k", "n")
    assert one == other and hash(one) == hash(other)
    one._note = 5
    assert one == other
    one.size = 1
    assert one != other


def test_unique_keys_follow_existing_databases():
    port = LogicalPort.create_instance("lp-1")
    assert port.kvdb_uniquekeys() == []
    port.network = ReferenceObject(LogicalNetwork.default_key("network_a"))
    port.mac_address = "02:00:00:00:00:01"
    port.ip_address = "192.168.1.2"
    mac, address = port.kvdb_uniquekeys()
    assert mac.key == (
        "indices.viperflow++logicalport._mac_address_index.viperflow+_+_logicnetwork+_+_network_a++02:00:00:00:00:01"
    )
    assert mac.setkey == "indicesset.viperflow++logicalport._mac_address_index"
    assert address.key == (
        "indices.viperflow++logicalport._ip_address_index.viperflow+_+_logicnetwork+_+_network_a++192+_+_168+_+_1+_+_2"
    )
    assert UniqueKeyReference.get_keyset_from_key(mac.key) == mac.setkey
    assert UniqueKeySet.create_from_key(mac.setkey).keyname == "_mac_address_index"


def test_objects_that_go_together_are_named():
    assert LogicalPort.create_instance("a").kvdb_autoremove() == [LogicalPortVXLANInfo.default_key("a")]
    relation = Relationship(Thing, Twin, ("kind", "kind"), ("name", "name"))
    assert relation.rightkey(Thing.default_key("k", "n")) == Twin.default_key("n", "k")
    assert relation.leftkey(Twin.create_instance("n", "k")) == Thing.default_key("k", "n")
    with pytest.raises(ValueError, match="no key of a Thing"):
        relation.rightkey("nonsense")


def test_dump_nests_references_and_puts_index_attributes_last():
    network = PhysicalNetwork.create_instance("p")
    network.type = "vlan"
    logical = LogicalNetwork.create_instance("l")
    logical.physicalnetwork = ReferenceObject(network.getkey(), network)
    port = LogicalPort.create_instance("lp")
    port.network = ReferenceObject(logical.getkey(), logical)
    port.members = DataObjectSet()
    port.members.dataset().add(WeakReferenceObject("w"))
    port.missing = ReferenceObject("elsewhere")
    dumped = dump(port)
    assert list(dumped) == ["_type", "_key", "network", "members", "missing", "id"]
    assert dumped["_type"] == "vlcp.utils.networkmodel.LogicalPort"
    assert dumped["network"]["physicalnetwork"]["type"] == "vlan"
    assert dumped["members"] == [{"_weakref": "w"}]
    assert dumped["missing"] == {"_ref": "elsewhere"}
    assert dump(port, False) == {"_type": "vlcp.utils.networkmodel.LogicalPort", "_key": "viperflow.logicalport.lp"}


def test_dump_ends_at_circles_and_shows_deleted_objects_as_none():
    one, other = Thing.create_instance("k", "1"), Thing.create_instance("k", "2")
    one.next = ReferenceObject(other.getkey(), other)
    other.next = ReferenceObject(one.getkey(), one)
    assert dump(one)["next"]["next"] == {"_ref": one.getkey()}
    assert dump(Thing(deleted=True)) is None
    gone = ReferenceObject("test.thing.k.3")
    gone.kvdb_retrievefinished({"test.thing.k.3": None})
    assert dump(gone) is None


def test_creation_refuses_what_exists():
    old = Thing.create_instance("k", "n")
    assert create_new(Thing, None, "k", "n").getkey() == old.getkey()
    assert create_from_key(Thing, None, old.getkey()).name == "n"
    for call in (lambda: create_new(Thing, old, "k", "n"), lambda: set_new(old, None)):
        with pytest.raises(AlreadyExistsException, match="test.thing.k.n"):
            call()


def test_updater_gives_values_as_arguments():
    @updater
    def swap(a, b):
        return b, a

    assert swap(("x", "y"), (1, 2)) == (("x", "y"), (2, 1))
    assert updater(lambda a, b, now: [now])(("x", "y"), (1, 2), 99) == (("x",), (99,))


def test_list_updater_splits_the_keys():
    @list_updater(None, -1, 2)
    def move(single, rest, pair):
        assert (single, rest, pair) == (1, [2, 3], [4, 5])
        return 10, [20, 30], [40, 50]

    assert move("abcde", (1, 2, 3, 4, 5)) == (tuple("abcde"), (10, 20, 30, 40, 50))
    with pytest.raises(ValueError, match="only one"):
        list_updater(-1, -1)


@given(st.lists(st.tuples(st.sampled_from(["add", "discard", "text", "copy"]), st.sampled_from('ab"c\\'))))
def test_the_text_of_a_set_follows_its_changes(steps):
    members, model = DataObjectSet(), []
    for action, name in steps:
        reference = WeakReferenceObject("k." + name)
        if action == "add" and reference not in model:
            model.append(reference)
        elif action == "discard" and reference in model:
            model.remove(reference)
        if action in ("add", "discard"):
            getattr(members.dataset(), action)(reference)
        elif action == "copy":
            members = members.clone_instance()
        else:
            members.json_text()
    fresh = DataObjectSet()
    fresh.dataset().update(model)
    assert members.json_text() == fresh.json_text()
    assert list(members.dataset()) == model
