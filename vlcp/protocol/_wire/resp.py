"""RESP, the protocol of Redis (protocol version 2): writer, reader, and a guard for readers of others.

Everything is iterative, and every part of a reply has a limit, which is checked when the length is announced and not when
the bytes have arrived: a hostile server costs a bounded amount of memory.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Callable, NamedTuple, Optional

#: A whole line: a status or an error, or a number (of a value, a string's bytes, an array's elements)
_LINE = re.compile(rb"(?:([+\-])([^\r\n]*)|([:$*])(0|-?[1-9][0-9]{0,18}))\r\n")
#: The beginning of a line whose end is not there yet
_PART = re.compile(rb"(?:[+\-][^\r\n]*|[:$*]-?[0-9]{0,19})\r?")
_INTEGERS = range(-(2**63), 2**63)
_STATUS, _ERROR, _INTEGER, _STRING, _ARRAY = b"+", b"-", b":", b"$", b"*"
_COMPACT_ABOVE = 65536
_SHORT_LINE = 32
_MORE, _ENTERED = object(), object()


class RespError(ValueError):
    """The peer sent something that is not RESP, or that is over a limit."""


class Limits(NamedTuple):
    """What a peer may send in one reply."""

    string: int = 67108864
    "bytes of one string"
    depth: int = 128
    "arrays within arrays"
    elements: int = 1048576
    "elements of all arrays together"
    size: int = 268435456
    "bytes of everything"
    line: int = 16384
    "bytes of a status or an error"


def encode_command(arguments: Sequence[Any], encoding: str = "utf-8") -> bytes:
    """Return the bytes of a command, an array of strings.

    :param arguments: name and parameters: bytes-like, str, int or float
    :param encoding: of str
    :raises ValueError: no argument, or one of another type
    """
    if not arguments:
        raise ValueError("a command needs a name")
    parts = [b"*%d\r\n" % len(arguments)]
    for argument in arguments:
        kind = type(argument)
        if kind is bytes:
            data = argument
        elif kind is str:
            data = argument.encode(encoding, "surrogateescape")
        elif kind is int:
            data = b"%d" % argument
        else:
            data = _argument(argument, encoding)
        parts.append(b"$%d\r\n%b\r\n" % (len(data), data))
    return b"".join(parts)


def _argument(value: Any, encoding: str) -> bytes:
    if isinstance(value, str):
        return str.encode(value, encoding, "surrogateescape")
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return repr(value).encode("ascii")
    raise ValueError(f"cannot be sent to Redis: {value!r:.200}")


class _Shape:
    """The arrays that are open, and how much of the limits the present reply has used."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._left: list[int] = []
        self._elements = 0
        self._size = 0

    def add(self, size: int) -> None:
        """Count bytes that have come or are announced."""
        self._size += size
        if self._size > self._limits.size:
            raise RespError(f"reply is longer than {self._limits.size} bytes")

    def string(self, length: int) -> None:
        """Count an announced string, -1 for none."""
        if not -1 <= length <= self._limits.string:
            raise RespError(f"string of {length} bytes, limit is {self._limits.string}")
        self.add(length + 2)

    def open(self, count: int) -> None:
        """Enter an array of at least one element."""
        if len(self._left) >= self._limits.depth:
            raise RespError(f"arrays are nested deeper than {self._limits.depth}")
        self._elements += count
        if self._elements > self._limits.elements:
            raise RespError(f"reply of {self._elements} elements, limit is {self._limits.elements}")
        self._left.append(count)

    def close(self) -> tuple[int, bool]:
        """A value is complete. Return the number of arrays that end with it, and whether the reply ends too."""
        left, closed = self._left, 0
        while left:
            left[-1] -= 1
            if left[-1]:
                return closed, False
            left.pop()
            closed += 1
        self._elements = self._size = 0
        return closed, True


def _check_array(count: int) -> None:
    if count < -1:
        raise RespError(f"array of {count} elements")


def _check_part(data: Any, position: int, limits: Limits) -> None:
    """Check the beginning of a line that is not complete.

    :raises RespError: it cannot become a line
    """
    if len(data) - position > limits.line or not _PART.fullmatch(data, position):
        raise RespError(f"not a reply: {bytes(data[position : position + 32])!r}")


def _check_line(found: Any, limits: Limits) -> None:
    if found.end() - found.start() > limits.line:
        raise RespError(f"line is longer than {limits.line} bytes")


class Reader:
    """Turns bytes into replies; has the interface of ``hiredis.Reader``.

    Statuses and strings are bytes (or str with ``encoding``), nothing is None, an error of the server is an instance of
    ``replyError`` in the place of a value.

    :param protocolError: raised for what is not RESP or over a limit; called with a text
    :param replyError: called with the text of an error
    :param encoding: decode statuses and strings; None leaves bytes
    :param errors: error handler for ``encoding``
    :param limits: what the peer may send
    """

    def __init__(
        self,
        protocolError: Callable[[str], Exception] = RespError,
        replyError: Callable[[str], Any] = RuntimeError,
        encoding: Optional[str] = None,
        errors: Optional[str] = None,
        limits: Limits = Limits(),
    ) -> None:
        self._protocol_error = protocolError
        self._reply_error = replyError
        self._encoding = encoding
        self._errors = errors or "strict"
        self._limits = limits
        self._shape = _Shape(limits)
        self._buffer = bytearray()
        self._position = 0
        self._string: Optional[int] = None
        self._open: list[list] = []
        self._broken: Optional[Exception] = None

    def feed(self, data: Any, off: int = 0, length: int = -1) -> None:
        """Add received bytes; of ``data`` take ``length`` bytes from ``off`` on, -1 for all."""
        if off or length >= 0:
            data = memoryview(data)[off : None if length < 0 else off + length]
        self._buffer += data

    def gets(self) -> Any:
        """Return the next reply, or False when it is not complete.

        :raises Exception: ``protocolError``; from then on always
        """
        if self._broken is None:
            try:
                return self._gets()
            except RespError as error:
                self._broken = self._protocol_error(str(error))
                self._buffer.clear()
                self._open.clear()
        raise self._broken

    def has_data(self) -> bool:
        """Return whether there are bytes that no reply has used yet."""
        return self._position < len(self._buffer)

    def len(self) -> int:
        """Return the number of bytes that no reply has used yet."""
        return len(self._buffer) - self._position

    def _gets(self) -> Any:
        while True:
            value = self._next()
            if value is _MORE:
                self._compact()
                return False
            if value is _ENTERED:
                continue
            closed, done = self._shape.close()
            arrays = self._open
            if not arrays:
                return value
            arrays[-1].append(value)
            if closed:
                outermost = arrays[-closed]
                del arrays[-closed:]
                if done:
                    return outermost

    def _next(self) -> Any:
        """Return the next value that is complete, _ENTERED when an array begins, or _MORE."""
        if self._string is not None:
            return self._take_string()
        found = _LINE.match(self._buffer, self._position)
        if found is None:
            if self._position == len(self._buffer):
                return _MORE
            _check_part(self._buffer, self._position, self._limits)
            return _MORE
        _check_line(found, self._limits)
        self._shape.add(found.end() - self._position)
        self._position = found.end()
        text, text_kind, kind, digits = found.group(2), found.group(1), found.group(3), found.group(4)
        if text_kind is not None:
            return self._text(bytes(text)) if text_kind == _STATUS else self._error(bytes(text))
        return self._number(kind, int(digits))

    def _number(self, kind: bytes, number: int) -> Any:
        if kind == _INTEGER:
            if number not in _INTEGERS:
                raise RespError(f"integer {number} has more than 64 bits")
            return number
        if kind == _STRING:
            self._shape.string(number)
            if number < 0:
                return None
            self._string = number
            return self._take_string()
        _check_array(number)
        if number < 1:
            return None if number < 0 else []
        self._shape.open(number)
        entered: list = []
        if self._open:
            self._open[-1].append(entered)
        self._open.append(entered)
        return _ENTERED

    def _take_string(self) -> Any:
        begin, size = self._position, self._string or 0
        end = begin + size
        if len(self._buffer) < end + 2:
            return _MORE
        if self._buffer[end : end + 2] != b"\r\n":
            raise RespError(f"string of {size} bytes is followed by {bytes(self._buffer[end : end + 2])!r}")
        with memoryview(self._buffer) as view:
            data = bytes(view[begin:end])
        self._string = None
        self._position = end + 2
        return self._text(data)

    def _text(self, data: bytes) -> Any:
        return data if self._encoding is None else data.decode(self._encoding, self._errors)

    def _error(self, data: bytes) -> Any:
        return self._reply_error(data.decode("utf-8", "replace"))

    def _compact(self) -> None:
        if self._position == len(self._buffer):
            self._buffer.clear()
            self._position = 0
        elif self._position > _COMPACT_ABOVE:
            del self._buffer[: self._position]
            self._position = 0


class Guard:
    """Checks the form and the limits of bytes that go to another reader, without keeping strings.

    :param limits: what the peer may send
    """

    def __init__(self, limits: Limits = Limits()) -> None:
        self._limits = limits
        self._shape = _Shape(limits)
        self._line = b""
        self._skip = 0
        self._end = b""

    def feed(self, data: bytes) -> None:
        """Check the next bytes.

        :raises RespError: not RESP, or over a limit; nothing may be fed any more
        """
        data = self._line + data if self._line else data
        self._line = b""
        position, size, match = 0, len(data), _LINE.match
        while position < size:
            if self._skip:
                position = self._skip_string(data, position)
                continue
            found = match(data, position)
            if found is None:
                _check_part(data, position, self._limits)
                self._line = data[position:]
                return
            begin, position = position, found.end()
            if position - begin > _SHORT_LINE:
                _check_line(found, self._limits)
            kind, digits = found.group(3, 4)
            position = self._count(data, position, position - begin, kind, 0 if digits is None else int(digits))

    def _count(self, data: bytes, position: int, used: int, kind: Optional[bytes], number: int) -> int:
        """Count a line, and the string behind it if that is all here; return where the next line begins."""
        shape = self._shape
        shape.add(used)
        if kind == _STRING:
            shape.string(number)
            if number >= 0:
                end = position + number + 2
                if data[end - 2 : end] != b"\r\n":
                    self._skip = number + 2
                    return position
                position = end
        elif kind == _ARRAY:
            _check_array(number)
            if number > 0:
                shape.open(number)
                return position
        elif kind == _INTEGER and number not in _INTEGERS:
            raise RespError(f"integer {number} has more than 64 bits")
        shape.close()
        return position

    def _skip_string(self, data: bytes, position: int) -> int:
        """Go on inside a string, whose last two bytes are the end of a line; return where it or the data ends."""
        end = min(len(data), position + self._skip)
        tail = max(position, position + self._skip - 2)
        self._end += data[tail:end]
        self._skip -= end - position
        if not self._skip:
            if self._end != b"\r\n":
                raise RespError(f"string is followed by {self._end!r}")
            self._end = b""
            self._shape.close()
        return end


class GuardedReader:
    """Another reader behind a :class:`Guard`; has the part of its interface that is used.

    :param reader: for example a ``hiredis.Reader``
    :param protocolError: raised by ``gets`` when the guard refuses; called with a text
    :param limits: what the peer may send
    """

    def __init__(self, reader: Any, protocolError: Callable[[str], Exception], limits: Limits = Limits()) -> None:
        self._reader = reader
        self._guard = Guard(limits)
        self._protocol_error = protocolError
        self._broken: Optional[Exception] = None

    def feed(self, data: bytes) -> None:
        """Add received bytes."""
        if self._broken is not None:
            return
        try:
            self._guard.feed(data)
        except RespError as error:
            self._broken = self._protocol_error(str(error))
            self._reader = None
            return
        self._reader.feed(data)

    def gets(self) -> Any:
        """Return the next reply, or False when it is not complete.

        :raises Exception: ``protocolError``; from then on always
        """
        if self._broken is not None:
            raise self._broken
        return self._reader.gets()
