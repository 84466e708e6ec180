"""The variable types of jute, ZooKeeper's serialization: strings, buffers and vectors (manual 5.7.25)."""

from __future__ import annotations

import struct as _struct
from typing import Any, Optional, Tuple, Union

from namedstruct.namedstruct import BadLenError, typedef

_INT = _struct.Struct(">i")


def as_bytes(value: Union[str, bytes, None]) -> Optional[bytes]:
    """Return a string in UTF-8, and bytes and None as they are."""
    return value.encode("utf-8") if isinstance(value, str) else value


class _VariableParser:
    """What parsers of strings and vectors have in common; ``_what`` names the kind in errors."""

    _what = ""

    def __init__(self) -> None:
        self.padding = 1

    def create(self, data: Any, inlineparent: Any = None) -> Any:
        """Return the value that all of ``data`` is.

        :raises BadLenError: the value is shorter or longer than ``data``
        """
        parsed = self.parse(data)
        if parsed is None or parsed[1] != len(data):
            raise BadLenError("%d bytes are not exactly one %s" % (len(data), self._what))
        return parsed[0]

    def paddingsize(self, prim: Any) -> int:
        """Return the same as :meth:`sizeof`."""
        return self.sizeof(prim)

    def tostream(self, prim: Any, stream: Any, skipprepack: bool = False) -> int:
        """Write the packed value to ``stream`` and return its size."""
        return stream.write(self.tobytes(prim, skipprepack))

    def fullprepack(self, value: Any) -> None:
        """Do nothing: no part of the value depends on another."""


class _VariableType(typedef):
    """What the types of strings and vectors have in common."""

    def array(self, size: int) -> Any:
        """Refuse plain arrays: jute has vectors."""
        raise TypeError("%r cannot form an array, use vector" % (self,))

    def isextra(self) -> bool:
        """Return False: the type knows its own length."""
        return False


class UStringParser(_VariableParser):
    """Jute ustring type."""

    _what = "string"

    def parse(self, buffer: Any, inlineparent: Any = None) -> Optional[Tuple[Optional[bytes], int]]:
        """Return (bytes, or None for the null string, and the number of bytes used); None if ``buffer`` is too short.

        :raises BadLenError: the length is below -1
        """
        if len(buffer) < 4:
            return None
        size = _INT.unpack_from(buffer)[0]
        if size < -1:
            raise BadLenError("length %d of a string is negative" % (size,))
        if size == -1:
            return None, 4
        if len(buffer) < 4 + size:
            return None
        return bytes(buffer[4 : 4 + size]), 4 + size

    def new(self, inlineparent: Any = None) -> bytes:
        """Return an empty string."""
        return b""

    def sizeof(self, prim: Any) -> int:
        """Return the number of bytes of a packed string."""
        return 4 + len(as_bytes(prim) or b"")

    def tobytes(self, prim: Any, skipprepack: bool = False) -> bytes:
        """Return the packed string."""
        data = as_bytes(prim)
        return _INT.pack(-1) if data is None else _INT.pack(len(data)) + data


class ustringtype(_VariableType):  # noqa: N801 - documented name
    """Bytes behind their length, a signed 32 bit number; -1 stands for None."""

    def __init__(self, displayname: str = "ustring") -> None:
        self._displayname = displayname

    def parser(self) -> UStringParser:
        """Return the parser, which all types of this kind share."""
        return _USTRING_PARSER

    def __repr__(self, *args: Any, **kwargs: Any) -> str:
        return self._displayname


_USTRING_PARSER = UStringParser()
ustring = ustringtype()
z_buffer = ustringtype("buffer")


class VectorParser(_VariableParser):
    """Jute vector type.

    :param innerparser: parser of the elements
    """

    _what = "vector"

    def __init__(self, innerparser: Any) -> None:
        super().__init__()
        self.innerparser = innerparser

    def parse(self, buffer: Any, inlineparent: Any = None) -> Optional[Tuple[list, int]]:
        """Return (list, number of bytes used); None if ``buffer`` is too short. The null vector is an empty list.

        :raises BadLenError: the length is below -1
        """
        if len(buffer) < 4:
            return None
        count = _INT.unpack_from(buffer)[0]
        if count < -1:
            raise BadLenError("length %d of a vector is negative" % (count,))
        result, start = [], 4
        view = memoryview(buffer)
        for _ in range(count):
            # Every element takes at least one byte, so a huge count ends with the data.
            parsed = self.innerparser.parse(view[start:], None)
            if parsed is None:
                return None
            result.append(parsed[0])
            start += parsed[1]
        return result, start

    def new(self, inlineparent: Any = None) -> list:
        """Return an empty list."""
        return []

    def sizeof(self, prim: Any) -> int:
        """Return the number of bytes of a packed vector."""
        return 4 + sum(self.innerparser.paddingsize(one) for one in prim)

    def tobytes(self, prim: Any, skipprepack: bool = False) -> bytes:
        """Return the packed vector."""
        return _INT.pack(len(prim)) + b"".join(self.innerparser.tobytes(one, skipprepack) for one in prim)


class vector(_VariableType):  # noqa: N801 - documented name
    """Jute vector

    :param innertype: type of the elements
    """

    def __init__(self, innertype: Any) -> None:
        self._innertype = innertype

    def _compile(self) -> VectorParser:
        return VectorParser(self._innertype.parser())

    def __repr__(self, *args: Any, **kwargs: Any) -> str:
        return "vector<%r>" % (self._innertype,)
