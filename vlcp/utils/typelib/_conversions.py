"""Conversions of single values that come in with API calls (the types of section 3.2.4 of the manual).

Each function takes any value a caller may have sent and returns the value to store, or raises :class:`Mismatch`.
They know nothing of APIs, so that both the Web API's checks and other programs can use them.
"""

from __future__ import annotations

import re
import socket
from typing import Any, Iterator

MAX_TEXT = 65536
MAX_NAME = 255
MAX_DEPTH = 32
_INTEGER = re.compile(r"[+-]?[0-9]{1,20}\Z")
_IPV4 = re.compile(r"[0-9a-fA-FxX]{1,12}(?:\.[0-9a-fA-FxX]{1,12}){0,3}\Z")
_PREFIX = re.compile(r"[0-9]{1,2}\Z")
_MAC = re.compile(r"[0-9a-fA-F]{1,2}(?::[0-9a-fA-F]{1,2}){5}\Z")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u2028\u2029\ud800-\udfff]")
_OPTION_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}\Z")
_TAG = "<vlcpjsonencode/"


class Mismatch(ValueError):
    """A value is not of the expected kind.

    :param expected: what was expected, without the value: ``'expected a MAC address'``
    :param path: path below the value that was checked, like ``'[2].cidr'``; empty for the value itself
    :param value: the wrong value below that path; used only when ``path`` is not empty
    """

    def __init__(self, expected: str, path: str = "", value: Any = None) -> None:
        super().__init__(expected)
        self.path = path
        self.value = value


def text(value: Any) -> str:
    """Return a string of at most 65536 characters unchanged.

    :raises Mismatch: something else
    """
    if not isinstance(value, str):
        raise Mismatch("expected a string")
    if len(value) > MAX_TEXT:
        raise Mismatch(f"expected a string of at most {MAX_TEXT} characters")
    return value


def name(value: Any) -> str:
    """Return an identifier: a string of at most 255 characters without control characters; it may be empty.

    :raises Mismatch: something else
    """
    if not isinstance(value, str):
        raise Mismatch("expected a string")
    if len(value) > MAX_NAME:
        raise Mismatch(f"expected a name of at most {MAX_NAME} characters")
    if _CONTROL.search(value):
        raise Mismatch("expected a name without control characters")
    return value


def identifier(value: Any) -> str:
    """Return a :func:`name` that is not empty.

    :raises Mismatch: something else
    """
    if name(value) == "":
        raise Mismatch("expected a name that is not empty")
    return value


def strict_bool(value: Any) -> bool:
    """Return True or False unchanged; texts and numbers are refused.

    :raises Mismatch: something else
    """
    if not isinstance(value, bool):
        raise Mismatch("expected True or False")
    return value


def integer(value: Any) -> int:
    """Return an integer of at most 64 bits, given as such or as a decimal string.

    :raises Mismatch: something else, also True and False
    """
    if isinstance(value, str) and _INTEGER.match(value.strip()):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise Mismatch("expected an integer")
    if not -(1 << 63) <= value < 1 << 64:
        raise Mismatch("expected an integer of at most 64 bits")
    return value


def number(value: Any) -> Any:
    """Return a finite number, given as such or as a decimal string.

    :raises Mismatch: something else
    """
    if isinstance(value, str) and len(value) <= 64:
        try:
            value = float(value)
        except ValueError:
            raise Mismatch("expected a number") from None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Mismatch("expected a number")
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        raise Mismatch("expected a finite number")
    return value


def bounded(first: int, last: int, what: str) -> Any:
    """Return a conversion for integers in ``first`` .. ``last``, both included.

    :param what: names the number in the message, with its article: ``'a VLAN tag'``
    """

    def convert(value: Any) -> int:
        result = integer(value)
        if not first <= result <= last:
            raise Mismatch(f"expected {what} in {first} .. {last}")
        return result

    return convert


def ipv4_number(value: Any) -> int:
    """Return an IPv4 address as a 32 bit number.

    :param value: dotted address; the short and octal forms of inet_aton(3) are accepted
    :raises Mismatch: something else
    """
    text = value if isinstance(value, str) and _IPV4.match(value) else ""
    try:
        return int.from_bytes(socket.inet_aton(text), "big")
    except OSError:
        raise Mismatch("expected an IPv4 address") from None


def ipv4_text(address: int) -> str:
    """Return the dotted form of a 32 bit number."""
    return f"{address >> 24 & 255}.{address >> 16 & 255}.{address >> 8 & 255}.{address & 255}"


def ipv4(value: Any) -> str:
    """Return an IPv4 address in the usual dotted form (``192.168.001.1`` becomes ``192.168.1.1``).

    :raises Mismatch: not an address
    """
    return ipv4_text(ipv4_number(value))


def ipv4_network(value: Any, need_prefix: bool = True) -> str:
    """Return ``address/prefix`` with the host bits cut (``192.168.1.7/24`` becomes ``192.168.1.0/24``).

    :param need_prefix: if False, a missing prefix means /32
    :raises Mismatch: not a network
    """
    if isinstance(value, str):
        address, slash, prefix = value.partition("/")
        if not slash and not need_prefix:
            prefix = "32"
        if _PREFIX.match(prefix) and int(prefix) <= 32:
            length = int(prefix)
            try:
                cut = ipv4_number(address) & (0xFFFFFFFF << (32 - length) & 0xFFFFFFFF)
            except Mismatch:
                pass  # The message below is the better one.
            else:
                return f"{ipv4_text(cut)}/{length}"
    raise Mismatch("expected an IPv4 network like '192.168.1.0/24'")


def ipv4_destination(value: Any) -> str:
    """Return the network of a route: as :func:`ipv4_network`, but a missing prefix means /32.

    :raises Mismatch: not a network
    """
    return ipv4_network(value, need_prefix=False)


def mac_address(value: Any) -> str:
    """Return a MAC address as six two-digit lower case hexadecimal bytes separated by colons.

    :raises Mismatch: something else
    """
    if not isinstance(value, str) or not _MAC.match(value):
        raise Mismatch("expected a MAC address")
    return ":".join(byte.zfill(2) for byte in value.lower().split(":"))


def lease_time(value: Any) -> Any:
    """Return the seconds of a DHCP lease, ``'infinite'`` or None.

    :raises Mismatch: something else
    """
    if value is None or value == "infinite":
        return value
    try:
        result = integer(value)
    except Mismatch:
        result = -1
    if not 0 <= result <= 0xFFFFFFFF:
        raise Mismatch("expected a lease time: seconds, 'infinite' or None")
    return result


def dhcp_options(value: Any) -> dict:
    """Return DHCP options as ``{tag: value}``; the tag is a decimal string or a name, as JSON keys are strings.

    :param value: list of [tag, value] pairs, or a dict; a tag is a number in 0 .. 255, the same as a string, or an
                  option's name; the value is text, a number, True, False, None (take the option off) or a list of those
    :raises Mismatch: something else
    """
    if isinstance(value, dict):
        value = list(value.items())
    if not isinstance(value, (list, tuple)):
        raise Mismatch("expected a list of [tag, value] pairs")
    result: dict = {}
    for index, pair in enumerate(value):
        if not isinstance(pair, (list, tuple)) or len(pair) != 2:
            raise Mismatch("expected a [tag, value] pair", f"[{index}]", pair)
        tag = _option_tag(pair[0], index)
        if tag in result:
            raise Mismatch("expected each DHCP option once", f"[{index}][0]", pair[0])
        result[tag] = _option_value(pair[1], index)
    return result


def _option_tag(tag: Any, index: int) -> str:
    if isinstance(tag, str) and _OPTION_NAME.match(tag):
        return tag
    try:
        number = integer(tag)
    except Mismatch:
        number = -1
    if not 0 <= number <= 255:
        raise Mismatch("expected the number or name of a DHCP option", f"[{index}][0]", tag)
    return str(number)


def _option_value(value: Any, index: int) -> Any:
    for path, item in storable_parts(value):
        if isinstance(item, dict) or (isinstance(item, int) and not 0 <= item <= 0xFFFFFFFF):
            raise Mismatch("expected a value that a DHCP option can carry", f"[{index}][1]{path}", item)
        if isinstance(item, str) and len(item) > 255:
            raise Mismatch("expected at most 255 characters", f"[{index}][1]{path}", item)
    return value


def storable_parts(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield ``(path, part)`` for a value and everything in it; all of it can be written as plain JSON.

    :raises Mismatch: a part is not JSON (bytes, a set, infinity...), is nested deeper than 32 levels, or a dict has a
                      key that is not a string or that the storage format reserves
    """
    waiting = [("", value, 0)]
    while waiting:
        path, item, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise Mismatch(f"expected at most {MAX_DEPTH} levels of nesting", path, item)
        yield path, item
        if isinstance(item, dict):
            waiting.extend((f"{path}.{_storable_key(key, path)}", item[key], depth + 1) for key in item)
        elif isinstance(item, (list, tuple)):
            waiting.extend((f"{path}[{index}]", part, depth + 1) for index, part in enumerate(item))
        else:
            _storable_scalar(item, path)


def storable(value: Any) -> Any:
    """Return a value of any shape unchanged when it can be stored as plain JSON.

    :raises Mismatch: see :func:`storable_parts`
    """
    for _ in storable_parts(value):
        pass
    return value


def _storable_key(key: Any, path: str) -> str:
    if not isinstance(key, str) or len(key) > MAX_NAME or key.startswith(_TAG):
        raise Mismatch("expected keys that are strings of at most 255 characters and no storage tags", path, key)
    return key


def _storable_scalar(item: Any, path: str) -> None:
    if isinstance(item, str):
        if len(item) > MAX_TEXT:
            raise Mismatch(f"expected a string of at most {MAX_TEXT} characters", path, item)
    elif isinstance(item, float):
        if item != item or item in (float("inf"), float("-inf")):
            raise Mismatch("expected a finite number", path, item)
    elif item is not None and not isinstance(item, bool):
        if not isinstance(item, int):
            raise Mismatch("expected a value that JSON can store", path, item)
        if not -(1 << 63) <= item < 1 << 64:
            raise Mismatch("expected an integer of at most 64 bits", path, item)
