"""Match fields of every version: which struct a header stands for, and fields made from plain values."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from namedstruct.namedstruct import raw

from ._types import binary


def raw_of(kind: Any) -> Any:
    """Return a raw type whose dump names its value by the enumeration `kind`."""

    class Raw(type(raw)):
        def formatter(self, value: bytes) -> Any:
            return kind.formatter(int.from_bytes(value, "big"))

    return Raw()


class FieldTypes:
    """The structs that the fields of one version are parsed into, by their header (7.2.3.2 of OpenFlow 1.3.5).

    :param plain: struct of a field without a mask
    :param masked: struct of a field with a mask
    :param nicira_plain: the same for fields of Nicira (vendors 0 and 1)
    :param nicira_masked: the same for fields of Nicira with a mask
    """

    def __init__(self, plain: Any, masked: Any, nicira_plain: Any, nicira_masked: Any) -> None:
        self._others = {(False, False): plain, (False, True): masked, (True, False): nicira_plain, (True, True): nicira_masked}
        self._known = {
            header: parser.typedef for family in self._others.values() for header, parser in family.parser().subindices.items()
        }

    def of(self, header: int) -> Any:
        """Return the struct that a field with this header is parsed into."""
        if header not in self._known:
            family = self._others[header >> 16 in (0, 1), bool(header & 0x100)]
            named = SimpleNamespace(header=header)
            # Types that many headers have, as those of tunnel metadata, are told by a function.
            return next((kind for kind in family.subclasses if kind.classifyby == () and kind.criteria(named)), family)
        return self._known[header]

    def create(self, header: int, value: Any, mask: Any) -> Any:
        """Return a field.

        :param header: header of the field; its length follows from it
        :param value: an integer, bytes in network order, a list of byte values, or None for zero
        :param mask: the same, for headers with a mask; None stands for all bits, or for no bits when `value` is None too
        :raises ValueError: when value or mask do not fit, or a mask comes with a header without one
        """
        length = header & 0xFF
        if not header & 0x100:
            if mask is not None:
                raise ValueError(f"header {header:#x} takes no mask, got {mask!r}")
            return self.of(header)(header=header, value=binary(value, length))
        length //= 2
        mask = b"\xff" * length if mask is None and value is not None else binary(mask, length)
        return self.of(header)(header=header, value=binary(value, length), mask=mask)
