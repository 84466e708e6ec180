from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlcp.service.connection import _codec
from vlcp.service.connection._codec import Codec
from vlcp.utils.jsonencoder import StoredValueError


def test_values_are_compressed_at_level_1_as_other_controllers_do():
    codec = Codec()
    data = codec.pack(codec.encode({"a": "b" * 100}))
    assert data[:2] == b"\x78\x01"
    assert codec.decode("k", data) == {"a": "b" * 100}


def test_short_values_can_stay_as_they_are_and_both_forms_are_read():
    codec = Codec(deflateabove=10)
    assert codec.pack(codec.encode([1])) == b"[1]"
    assert codec.decode("k", b"[1]") == codec.decode("k", zlib.compress(b"[1]")) == [1]
    assert Codec(deflate=False).pack(b"x" * 99) == b"x" * 99


def test_a_small_value_that_inflates_to_a_huge_one_is_refused(monkeypatch):
    monkeypatch.setattr(_codec, "MAX_VALUE", 1000000)
    bomb = zlib.compress(b" " * 1000001 + b"1", 9)
    assert len(bomb) < 2000
    with pytest.raises(StoredValueError, match="k: .*longer than the limit of 1000000"):
        Codec().decode("k", bomb)
    assert Codec().decode("k", zlib.compress(b" " * 999999 + b"1", 9)) == 1
    with pytest.raises(StoredValueError, match="1000001"):
        Codec().decode("k", b" " * 1000001)
    with pytest.raises(ValueError, match="limit"):
        Codec().encode("x" * 1000000)


@given(st.binary(max_size=100))
def test_any_bytes_give_a_value_or_an_error_with_the_key(data):
    try:
        Codec().decode("the key", data)
    except StoredValueError as error:
        assert error.key == "the key" and str(error).startswith("the key: ")


@pytest.mark.parametrize("data", ["text", 5, None])
def test_what_is_not_bytes_is_refused(data):
    with pytest.raises(StoredValueError, match="expected bytes"):
        Codec().decode("k", data)


def test_pickle_must_be_allowed():
    with pytest.raises(ValueError, match="allowpickle"):
        Codec("pickle")
    with pytest.raises(ValueError, match="'xml'"):
        Codec("xml")
    codec = Codec("pickle", allowpickle=True, pickleversion="highest")
    assert codec.decode("k", codec.pack(codec.encode({1: (2,)}))) == {1: (2,)}
    with pytest.raises(StoredValueError, match="bad pickle"):
        codec.decode("k", b"garbage")
    with pytest.raises(StoredValueError):
        Codec().decode("k", codec.encode({1: (2,)}))
