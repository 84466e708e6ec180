"""Every value of a whole database, captured from a running network: key, TAB, JSON text."""

from __future__ import annotations

from pathlib import Path

import pytest

import vlcp.utils.networkmodel  # noqa: F401  (registers the classes)
from vlcp.utils._storedform import decode, encode

LINES = [
    line.split("\t", 1) for line in (Path(__file__).parent / "stored" / "database.txt").read_text().splitlines() if "\t" in line
]


def test_the_capture_is_whole():
    assert len(LINES) > 60


@pytest.mark.parametrize("key,text", LINES, ids=[key for key, _ in LINES])
def test_decoding_and_encoding_gives_the_same_key_and_text(key, text):
    value = decode(text.encode("utf-8"))
    value.setkey(key)
    assert value.getkey() == key
    assert encode(value) == text
    copy = value.clone_instance()
    assert copy == value
    assert encode(copy) == text
