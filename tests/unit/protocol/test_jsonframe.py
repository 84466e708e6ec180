"""Borders of JSON messages: cut anywhere, hostile input, limits and cost."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlcp.protocol._wire.jsonframe import JsonFrameError, JsonFramer

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
MESSAGES = st.lists(VALUES.map(lambda value: {"v": value}) | st.lists(VALUES, max_size=3), min_size=1, max_size=5)


def pieces_of(data, cuts):
    borders = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[begin:end] for begin, end in zip(borders, borders[1:])]


def frames_of(pieces, framer=None):
    framer = framer or JsonFramer(1 << 20, 100)
    kept, found = b"", []
    for piece in pieces:
        if not piece:
            continue
        data = kept + piece
        frames, keep = framer.feed(memoryview(data), len(kept))
        found += [data[begin:end] for begin, end in frames]
        kept = data[len(data) - keep :]
    return (found, kept)


@given(MESSAGES, st.lists(st.integers(0, 10**6), max_size=8), st.sampled_from(["", " ", "\n\t", "  "]), st.booleans())
def test_values_come_back_however_the_stream_is_cut(values, cuts, blank, ascii_only):
    data = blank.join(json.dumps(value, ensure_ascii=ascii_only) for value in values).encode() + blank.encode()
    found, kept = frames_of(pieces_of(data, cuts))
    assert [json.loads(raw) for raw in found] == values
    assert kept == b""


@given(MESSAGES)
def test_values_come_back_byte_by_byte(values):
    data = "".join(json.dumps(value) for value in values).encode()
    found, kept = frames_of([bytes([byte]) for byte in data])
    assert [json.loads(raw) for raw in found] == values


@pytest.mark.parametrize("text", [r'{"a":"^"}', r'{"a":"\\"}', r'{"a":"\""}', r'{"a":"}\\\""}', '{"a":"[[{"}', '{"\\\\":1}'])
def test_strings_with_brackets_carets_and_escapes_end_where_they_end(text):
    for size in (1, 2, 3, 100):
        data = (text * 2).encode()
        found, kept = frames_of([data[at : at + size] for at in range(0, len(data), size)])
        assert found == [text.encode()] * 2 and kept == b""


@given(st.binary(max_size=200), st.lists(st.integers(0, 1000), max_size=4))
def test_any_bytes_give_frames_or_the_documented_error(data, cuts):
    try:
        found, kept = frames_of(pieces_of(data, cuts), JsonFramer(100, 5))
    except JsonFrameError:
        return
    assert sum(map(len, found)) + len(kept) <= len(data)
    assert len(kept) <= 100


@pytest.mark.parametrize("data", [b"x", b"1", b'"text"', b"}", b"]", b"\x00", b"  true"])
def test_what_is_no_object_or_array_is_refused(data):
    with pytest.raises(JsonFrameError, match="begins with"):
        frames_of([data])


def test_a_message_over_the_size_limit_is_refused_while_it_still_comes():
    framer = JsonFramer(50, 10)
    with pytest.raises(JsonFrameError, match="50 bytes"):
        frames_of([b'{"a":"'] + [b"x"] * 45, framer)


def test_the_size_limit_holds_for_a_message_that_comes_at_once():
    with pytest.raises(JsonFrameError, match="50 bytes"):
        frames_of([b'{"a":"' + b"x" * 60 + b'"}'], JsonFramer(50, 10))
    assert frames_of([b'{"a":"' + b"x" * 42 + b'"}'], JsonFramer(50, 10))[1] == b""


def test_a_message_over_the_depth_limit_is_refused():
    assert frames_of([b"[" * 10 + b"]" * 10], JsonFramer(100, 10))[0]
    with pytest.raises(JsonFrameError, match="deeper than 10"):
        frames_of([b"[" * 11], JsonFramer(100, 10))


@pytest.mark.parametrize("body", [b"x" * 200_000, b"\\\\" * 100_000, b"[]" * 100_000])
def test_bytes_one_by_one_cost_the_same_each(body):
    data = b'["' + body + b'"]'
    framer = JsonFramer(1 << 20, 10)

    def seconds(begin, end):
        started = time.process_time()
        for at in range(begin, end):
            framer.feed(memoryview(data)[: at + 1], at)
        return time.process_time() - started

    first, last = seconds(0, 50_000), seconds(50_000, 200_000)
    assert last < 3 * first * 3 + 0.1
