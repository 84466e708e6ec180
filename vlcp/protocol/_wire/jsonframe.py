"""Where one JSON message ends in a stream of messages without separators (RFC 7047, 4.1).

Only brackets outside strings are counted; whether the bytes between are JSON is for the decoder to say. Each byte is
looked at once, however the stream is cut.
"""

from __future__ import annotations

import re
from typing import Any

#: A whole string, a bracket, or the beginning of a string whose end is not there yet
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\]"]', re.DOTALL)
_STRING_REST = re.compile(rb'[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_BLANKS = re.compile(rb"[ \t\r\n]*")
_QUOTE, _BACKSLASH = ord('"'), ord("\\")
_OPENING = frozenset(b"{[")


class JsonFrameError(ValueError):
    """The peer sent something that cannot be a JSON message, or one that is over a limit."""


class JsonFramer:
    """The state of one stream between two pieces.

    :param size_limit: longest message in bytes
    :param depth_limit: most brackets that may be open at once
    """

    def __init__(self, size_limit: int, depth_limit: int) -> None:
        self._size_limit = size_limit
        self._depth_limit = depth_limit
        self._depth = 0
        self._in_string = False
        self._escaped = False

    def feed(self, data: Any, start: int) -> tuple[list[tuple[int, int]], int]:
        """Find the messages that are complete.

        :param data: bytes-like: what was kept of the last call, then the new bytes
        :param start: where the new bytes begin
        :return: ``([(begin, end), ...], keep)``: borders of complete messages in ``data``, and the number of bytes
            at its end to give again
        :raises JsonFrameError: not an object or array, too long, or too deep
        """
        frames: list[tuple[int, int]] = []
        begin, position, size = 0, start, len(data)
        while position < size:
            if not self._depth:
                begin = _BLANKS.match(data, position).end()  # type: ignore[union-attr]
                position = self._open(data, begin) if begin < size else size
            elif self._in_string:
                position = self._skip_string(data, position)
            else:
                position = self._skip_structure(data, position)
                if not self._depth:
                    self._check_size(position - begin)
                    frames.append((begin, position))
        if not self._depth:
            return (frames, 0)
        self._check_size(size - begin)
        return (frames, size - begin)

    def _check_size(self, size: int) -> None:
        if size > self._size_limit:
            raise JsonFrameError(f"JSON message is longer than {self._size_limit} bytes")

    def _open(self, data: Any, position: int) -> int:
        if data[position] not in _OPENING:
            raise JsonFrameError(f"JSON message begins with {bytes(data[position : position + 16])!r}")
        self._depth = 1
        return position + 1

    def _skip_string(self, data: Any, position: int) -> int:
        """Go on inside a string; return where it ends or the data does."""
        if self._escaped:
            self._escaped = False
            position += 1
        found = _STRING_REST.match(data, position)
        if found is not None:
            self._in_string = False
            return found.end()
        self._stop_inside_string(data, position)
        return len(data)

    def _stop_inside_string(self, data: Any, position: int) -> None:
        """Remember that the data ends inside a string; what is escaped there may be cut off."""
        self._in_string = True
        end = backslashes = len(data)
        while backslashes > position and data[backslashes - 1] == _BACKSLASH:
            backslashes -= 1
        self._escaped = (end - backslashes) % 2 == 1

    def _skip_structure(self, data: Any, position: int) -> int:
        """Go on outside strings; return where the message, or the data, ends."""
        for token in _TOKEN.finditer(data, position):
            first = data[token.start()]
            if first == _QUOTE:
                if token.end() - token.start() == 1:
                    self._stop_inside_string(data, token.end())
                    break
            elif first in _OPENING:
                self._depth += 1
                if self._depth > self._depth_limit:
                    raise JsonFrameError(f"JSON message is nested deeper than {self._depth_limit}")
            else:
                self._depth -= 1
                if not self._depth:
                    return token.end()
        return len(data)
