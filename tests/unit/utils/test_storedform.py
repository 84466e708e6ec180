from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlcp.utils._storedform import MAX_DEPTH, decode, encode, plain_copy
from vlcp.utils.dataobject import DataObject, DataObjectSet, WeakReferenceObject
from vlcp.utils.jsonencoder import JSONBytes, JsonFormat, encode_default
from vlcp.utils.networkmodel import LogicalPort


class Stored(DataObject):
    _prefix = "test.stored"
    _indices = ("id",)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@given(PLAIN)
def test_plain_values_are_encoded_as_json_does(value):
    assert encode(value) == json.dumps(value)
    assert decode(encode(value).encode()) == value


@given(st.binary(max_size=40))
def test_bytes_come_back(data):
    assert decode(encode({"b": [data]}).encode()) == {"b": [data]}


@given(PLAIN)
def test_an_object_with_any_attribute_comes_back(value):
    stored = Stored.create_instance("x")
    stored.payload = value
    again = decode(encode(stored).encode())
    again.setkey("test.stored.x")
    assert again == stored
    assert json.loads(encode(stored)) == json.loads(json.dumps(stored, default=encode_default))


@settings(max_examples=200)
@given(st.binary(max_size=60) | st.text(alphabet='{}[]<>"/:,vlcpjsonencode.', max_size=60).map(str.encode))
def test_hostile_bytes_give_a_value_or_a_value_error(data):
    try:
        decode(data)
    except ValueError:
        pass


@pytest.mark.parametrize(
    "text,reason",
    [
        ('{"<vlcpjsonencode/os.system>": "ls"}', "os.system"),
        ('{"<vlcpjsonencode/subprocess.Popen>": ["ls"]}', "no such data class is loaded"),
        ('{"<vlcpjsonencode/nodot>": 1}', "no module"),
        ('{"<vlcpjsonencode/vlcp.utils.dataobject.DataObject>": {}}', "no such data class"),
        ('{"<vlcpjsonencode/vlcp.utils.networkmodel.LogicalPort>": 5}', "expected attributes"),
        ('{"<vlcpjsonencode/vlcp.utils.networkmodel.LogicalPort>": {"getkey": 1}}', "'getkey'"),
        ('{"<vlcpjsonencode/vlcp.utils.networkmodel.LogicalPort>": {"_prefix": "x"}}', "'_prefix'"),
        ('{"<vlcpjsonencode/vlcp.utils.networkmodel.LogicalPort>": {"__class__": 1}}', "__class__"),
        ('{"<vlcpjsonencode/vlcp.utils.dataobject.ReferenceObject>": {"a": 1}}', "expected a key"),
        ('{"<vlcpjsonencode/vlcp.utils.dataobject.DataObjectSet>": [1]}', "weak references"),
        ('{"<vlcpjsonencode/urlencoded-bytes>": 1}', "expected a string"),
        ("[" * 100000, ""),
    ],
)
def test_stored_text_that_is_wrong_is_refused_by_name(text, reason):
    with pytest.raises(ValueError) as info:
        decode(text.encode())
    assert reason in str(info.value)


@pytest.mark.parametrize("value", [{1: 2}, object(), {"a": {3}}, [lambda: None]])
def test_values_without_a_stored_form_are_refused(value):
    with pytest.raises(ValueError):
        encode(value)


def test_nesting_is_bounded_when_encoding():
    value = []
    for _ in range(MAX_DEPTH + 5):
        value = [value]
    with pytest.raises(ValueError, match="nested deeper"):
        encode(value)


def test_an_attribute_named_like_a_method_cannot_be_stored():
    stored = Stored.create_instance("x")
    stored.setkey = "oops"
    with pytest.raises(ValueError, match="'setkey'"):
        encode(stored)


def test_attributes_missing_in_the_text_have_their_initial_values():
    found = decode(b'{"<vlcpjsonencode/vlcp.utils.networkmodel.SubNetMap>": {"kvdb_updateversion": 1}}')
    assert found.allocated_ips == {} and len(found.routers.dataset()) == 0


def test_plain_copy_is_what_reading_back_gives():
    value = {"a": (1, [2, {"b": (3,)}]), "w": WeakReferenceObject("k"), "s": DataObjectSet()}
    assert plain_copy(value) == decode(encode(value).encode())


def test_the_web_form_of_values():
    form = JsonFormat()
    port = LogicalPort.create_instance("p")

    def text(value):
        return json.loads(json.dumps(value, default=form.jsonencoder))

    assert text([port]) == [{"_type": "vlcp.utils.networkmodel.LogicalPort", "_key": port.getkey(), "id": "p"}]
    assert text(b"abc") == "abc"
    assert text(b"\xff") == "b'\\xff'"
    assert text(b"a" * 257) == "<257 bytes...>"
    assert text(WeakReferenceObject("k")) == {"_weakref": "k"}
    assert text(3j) == "3j"
    assert encode_default(JSONBytes(b"[1]")) == "[1]"
