"""The telnet protocol of the console, and the editing of lines."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlcp.service.debugging._telnet import LONGEST_LINE, LineEditor, TelnetDecoder, Typed

IAC, DONT, DO, WONT, WILL, SB, SE = 255, 254, 253, 252, 251, 250, 240
NAWS, LINEMODE = 31, 34


def decoded(*parts):
    decoder = TelnetDecoder()
    keys = b"".join(decoder.feed(bytes(part)) for part in parts)
    return keys, bytes(decoder.replies), decoder


@pytest.mark.parametrize(
    ("received", "keys", "replies"),
    [
        (b"plain", b"plain", b""),
        # RFC 854: a doubled IAC is the byte 255
        (b"a\xff\xffb", b"a\xffb", b""),
        # The client agrees to what was offered: no answer to an answer
        ((IAC, DO, 1, IAC, DO, 3), b"", b""),
        # RFC 860
        ((IAC, DO, 6), b"", bytes((IAC, WILL, 6))),
        ((IAC, DO, NAWS), b"", bytes((IAC, WONT, NAWS))),
        ((IAC, WILL, LINEMODE), b"", bytes((IAC, DONT, LINEMODE))),
        ((IAC, DONT, NAWS), b"", bytes((IAC, WONT, NAWS))),
        ((IAC, WONT, NAWS), b"", bytes((IAC, DONT, NAWS))),
        # Said once, or two peers that do so would never end
        ((IAC, DONT, NAWS) * 3, b"", bytes((IAC, WONT, NAWS))),
        # Interrupt process, break, erase character, erase line, are you there
        ((IAC, 244), b"\x03", b""),
        ((IAC, 243), b"\x03", b""),
        ((IAC, 247), b"\x08", b""),
        ((IAC, 248), b"\x15", b""),
        ((IAC, 246), b"", b"\r\n[yes]\r\n"),
        # Others are skipped
        ((IAC, 241, 65, IAC, 249, 66), b"AB", b""),
        # A sub-negotiation, with a doubled IAC inside
        ((65, IAC, SB, NAWS, 0, 80, IAC, IAC, 24, IAC, SE, 66), b"AB", b""),
    ],
)
def test_commands_are_taken_out_and_answered(received, keys, replies):
    assert decoded(received)[:2] == (keys, replies)
    # Wherever the network cuts them
    assert decoded(*([byte] for byte in bytes(received)))[:2] == (keys, replies)


def test_echo_is_what_the_client_agrees_to():
    decoder = decoded((IAC, DO, 1))[2]
    assert decoder.echo
    decoder.feed(bytes((IAC, DONT, 1)))
    assert not decoder.echo and bytes(decoder.replies) == bytes((IAC, WONT, 1))
    decoder.replies.clear()
    decoder.feed(bytes((IAC, DO, 1)))
    assert decoder.echo and bytes(decoder.replies) == bytes((IAC, WILL, 1))


@given(st.binary(max_size=300))
def test_whatever_comes_is_decoded_with_bounded_answers(data):
    keys, replies, decoder = decoded(data)
    assert len(keys) <= len(data) and len(replies) <= 4 * len(data)
    assert len(decoder._command) <= 3


def lines(keys):
    return [typed.text for typed in LineEditor().feed(keys) if typed.kind == "line"]


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (b"a\rb\nc\r\nd\r\0e\0", ["a", "b", "c", "d", "e"]),
        (b"\r\r\n\n", ["", "", ""]),
        (b"ab\x08c\r", ["ac"]),
        (b"ab\x7fc\r", ["ac"]),
        (b"\x08a\r", ["a"]),
        # left, insert; home, end; delete; to the end; to the begin; a word
        (b"ac\x1b[Db\r", ["abc"]),
        (b"bc\x1b[Ha\x1b[Fd\r", ["abcd"]),
        (b"bc\x1bOHa\r", ["abc"]),
        (b"xab\x01\x04\r", ["ab"]),
        (b"xab\x01\x1b[3~\r", ["ab"]),
        (b"abxy\x02\x02\x0b\r", ["ab"]),
        (b"xyab\x02\x02\x15\r", ["ab"]),
        (b"one two \x17three\r", ["one three"]),
        # older lines
        (b"first\rsecond\r\x1b[A\x1b[A!\r", ["first", "second", "first!"]),
        (b"first\rsecond\r\x10\x10\x0e\r", ["first", "second", "second"]),
        (b"first\r\x10\x0e\r", ["first", ""]),
        # unknown sequences and control characters
        (b"a\x1b[99zb\x1b[1;5Cc\x05\x00", ["abc"]),
        (b"a\x16\x19b\r", ["ab"]),
        (b"if x:\r\ty\r", ["if x:", "    y"]),
        ("ä€𝄞\r".encode(), ["ä€𝄞"]),
        (b"\xc3\x28\r", ["\ufffd("]),
    ],
)
def test_keys_make_lines(keys, expected):
    assert lines(keys) == expected


def test_control_keys_interrupt_and_end():
    assert LineEditor().feed(b"half\x03whole\r\x04") == [Typed("interrupt"), Typed("line", "whole"), Typed("end")]


def screen(shown):
    """Return what a terminal shows on one line."""
    cells, at = [], 0
    characters = iter(shown)
    for char in characters:
        if char == "\b":
            at -= 1
        elif char == "\x1b":
            assert "".join(itertools.islice(characters, 2)) == "[K"
            del cells[at:]
        else:
            cells[at : at + 1] = [char]
            at += 1
    return "".join(cells), at


KEYS = st.sampled_from(
    ["a", "b", "é", " ", "\x01", "\x02", "\x04x", "\x05", "\x06", "\x08", "\x0b", "\x0c", "\x15", "\x17", "\x1b[D"]
)


@given(st.lists(KEYS, max_size=40))
def test_what_is_shown_is_what_is_typed(keys):
    editor = LineEditor(True)
    editor.feed("".join(keys).encode())
    shown, cursor = screen(editor.shown)
    typed = editor.feed(b"\r")
    assert (shown, cursor <= len(shown)) == (typed[-1].text, True)


def test_nothing_is_shown_to_a_client_that_edits_itself():
    editor = LineEditor(False)
    editor.feed(b"ab\x08\x1b[Dc\r")
    assert editor.shown == ""


def test_a_line_without_end_is_limited():
    editor = LineEditor()
    editor.feed(b"x" * (LONGEST_LINE + 5000))
    assert len(editor.feed(b"\r")[0].text) == LONGEST_LINE
