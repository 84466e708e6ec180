"""Every value of a whole database, captured from a running network: key, TAB, JSON text."""

from __future__ import annotations

import json
import platform
from pathlib import Path

import pytest

import vlcp.utils.networkmodel  # noqa: F401  (registers the classes)
from vlcp.utils._storedform import decode, encode

LINES = [
    line.split("\t", 1) for line in (Path(__file__).parent / "stored" / "database.txt").read_text().splitlines() if "\t" in line
]


def as_stored(text):
    """Return what is compared of a text: on PyPy all but the order of attributes, which an object does not keep there."""
    return json.loads(text) if platform.python_implementation() == "PyPy" else text


def test_the_capture_is_whole():
    assert len(LINES) > 60


@pytest.mark.parametrize("key,text", LINES, ids=[key for key, _ in LINES])
def test_decoding_and_encoding_gives_the_same_key_and_text(key, text):
    value = decode(text.encode("utf-8"))
    value.setkey(key)
    assert value.getkey() == key
    assert as_stored(encode(value)) == as_stored(text)
    copy = value.clone_instance()
    assert copy == value
    assert as_stored(encode(copy)) == as_stored(text)
