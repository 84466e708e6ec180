"""Struct types that refuse hostile lengths, on top of ``namedstruct``.

A length field inside a message may be zero, larger than what is left, or cut an element in two. ``namedstruct`` by itself
ends an array silently at an element that does not fit, and lets a struct with variable parts reach beyond its data. The two
types here raise :class:`BadLenError` or :class:`BadFormatError` instead, and bound how deep structs may nest.
"""

from __future__ import annotations

from typing import Any

from namedstruct import namedstruct as _ns
from namedstruct.namedstruct import BadFormatError, BadLenError

#: Sequences inside sequences (an action list inside a conntrack or clone action) stop here.
MAX_NESTING = 24


class _BoundedParser(_ns.SequencedParser):
    """A sequence of parsers whose size function cannot reach beyond the data."""

    def _parse(self, buffer: Any, inlineparent: Any = None) -> Any:
        result = super()._parse(buffer, inlineparent)
        if result is not None and result[1] > len(buffer):
            return None
        return result


class nstruct(_ns.nstruct):  # noqa: N801 - the documented name of the type
    """``namedstruct.nstruct`` whose parser checks its size against the data; same parameters."""

    def _compile(self) -> Any:
        parser = super()._compile()
        if type(parser) is _ns.SequencedParser:
            parser.__class__ = _BoundedParser
        return parser


class _SequenceParser(_ns.ArrayParser):
    """Elements one after another until the data ends; nothing may be left over."""

    depth = 0

    def __init__(self, inner: Any, padded: bool) -> None:
        super().__init__(inner, 0)
        self.padded = padded

    def create(self, data: Any, inlineparent: Any = None) -> list:
        """Parse all of `data` into a list; raise BadLenError or BadFormatError when it does not fit."""
        if _SequenceParser.depth >= MAX_NESTING:
            raise BadFormatError(f"more than {MAX_NESTING} sequences inside each other")
        _SequenceParser.depth += 1
        try:
            return self._elements(data)
        finally:
            _SequenceParser.depth -= 1

    def _elements(self, data: Any) -> list:
        elements, start, end = [], 0, len(data)
        while start < end:
            parsed = self.innerparser.parse(data[start:], None)
            if parsed is None:
                raise BadLenError(f"element at offset {start} is longer than the {end - start} bytes that are left")
            element, size = parsed
            if size <= 0:
                raise BadFormatError(f"element at offset {start} has no length")
            if start + size > end and self.padded:
                raise BadLenError(f"element at offset {start} takes {size} bytes of {end - start}")
            elements.append(element)
            start += size
        return elements


class sequence(_ns.typedef):  # noqa: N801 - reads as a type in the tables
    """A list of structs that fills the rest of its container, checked to the last byte.

    :param inner: type of the elements
    :param padded: False where the last element may come without its padding
    """

    def __init__(self, inner: Any, padded: bool = True) -> None:
        self.innertype = inner
        self.padded = padded

    def _compile(self) -> _SequenceParser:
        return _SequenceParser(self.innertype.parser(), self.padded)

    def isextra(self) -> bool:
        """Tell ``namedstruct`` that this type takes whatever data is left."""
        return True

    def array(self, size: int) -> Any:
        """Refuse an array of sequences, as their borders could not be told apart."""
        raise TypeError("a sequence cannot form an array")

    def __repr__(self, *args: Any, **kwargs: Any) -> str:
        return f"{self.innertype!r}[*]"


def binary(value: Any, size: int) -> bytes:
    """Return a field value as `size` bytes in network order.

    :param value: an integer, bytes (padded with zero bytes on the left), a list of byte values, or None for zero
    :raises ValueError: when the value does not fit
    """
    if value is None:
        return bytes(size)
    if isinstance(value, int):
        if value < 0 or value >> 8 * size:
            raise ValueError(f"value {value!r} does not fit into {size} bytes")
        return value.to_bytes(size, "big")
    data = bytes(value)
    if len(data) > size:
        raise ValueError(f"value {value!r} does not fit into {size} bytes")
    return data.rjust(size, b"\0")


def export(namespace: dict, names: dict) -> None:
    """Copy the structs among `names` (the local names of a definition function) into `namespace`."""
    namespace.update((name, value) for name, value in names.items() if isinstance(value, _ns.nstruct))
