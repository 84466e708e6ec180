# ruff: noqa: F821 - the enumerations put their names into this module
"""DHCP messages and options (RFC 2131, RFC 2132, RFC 3396 for long options, RFC 3442 for classless routes; manual 5.7.3).

:data:`dhcp_payload` is a whole message. Its ``options`` are pieces, :data:`dhcp_option_partial`, since an option of more
than 255 bytes is sent as several pieces and options may continue in the fields ``file`` and ``sname``.
:func:`reassemble_options` joins them to :data:`dhcp_option` structures, :func:`build_options` is the reverse.
"""

from __future__ import annotations

import logging
from typing import Any, Dict, Iterable, List, Tuple

from namedstruct.namedstruct import ParseError, char, enum, nstruct, optional, raw
from namedstruct.stdprim import uint8, uint16, uint32

from vlcp.utils.ethernet import ip4_addr, mac_addr_bytes
from vlcp.utils.netutils import parse_ip4_network

_logger = logging.getLogger(__name__)

BOOTP_MAGIC_COOKIE = 0x63825363
"""First four bytes of the options field (RFC 2131 section 3)."""

SMALLEST_MESSAGE = 576
"""IP datagram that every client accepts (RFC 2131 section 2)."""

_HEADERS = 20 + 8
_FIXED = 240
_FILE_SIZE, _SNAME_SIZE = 128, 64
_LONGEST_PIECE = 255
_LONGEST_VALUE = 0xFFFF

boot_op = enum("boot_op", globals(), uint8, BOOTREQUEST=1, BOOTREPLY=2)

dhcp_tag = enum(
    "dhcp_tag",
    globals(),
    uint8,
    OPTION_PAD=0,
    OPTION_END=255,
    OPTION_NETMASK=1,
    OPTION_TIME_OFFSET=2,
    OPTION_ROUTER=3,
    OPTION_DNSSERVER=6,
    OPTION_RLSERVER=11,
    OPTION_HOSTNAME=12,
    OPTION_DOMAINNAME=15,
    OPTION_MTU=26,
    OPTION_BROADCAST=28,
    OPTION_NTPSERVER=42,
    OPTION_REQUESTED_IP=50,
    OPTION_LEASE_TIME=51,
    OPTION_OVERLOAD=52,
    OPTION_MESSAGE_TYPE=53,
    OPTION_SERVER_IDENTIFIER=54,
    OPTION_REQUESTED_OPTIONS=55,
    OPTION_MESSAGE=56,
    OPTION_MAX_MESSAGE_SIZE=57,
    OPTION_T1=58,
    OPTION_T2=59,
    OPTION_CLIENT_IDENTIFIER=61,
    OPTION_CLASSLESSROUTE=121,
)

dhcp_message_type = enum(
    "dhcp_message_type",
    globals(),
    uint8,
    DHCPDISCOVER=1,
    DHCPOFFER=2,
    DHCPREQUEST=3,
    DHCPDECLINE=4,
    DHCPACK=5,
    DHCPNAK=6,
    DHCPRELEASE=7,
    DHCPINFORM=8,
)

dhcp_overload = enum("dhcp_overload", globals(), uint8, True, OVERLOAD_FILE=1, OVERLOAD_SNAME=2)
dhcp_time_value = enum("dhcp_time_value", globals(), uint32, DHCPTIME_INFINITE=0xFFFFFFFF)
dhcp_flags = enum("dhcp_flags", globals(), uint16, True, DHCPFLAG_BROADCAST=0x8000)

_WITHOUT_LENGTH = (OPTION_PAD, OPTION_END)
_ADDRESS_TAGS = (OPTION_NETMASK, 16, OPTION_BROADCAST, 32, OPTION_REQUESTED_IP, OPTION_SERVER_IDENTIFIER, 118)
_TIME_TAGS = (24, 35, 38, OPTION_LEASE_TIME, OPTION_T1, OPTION_T2)
_SERVER_TAGS = (
    *(OPTION_ROUTER, 4, 5, OPTION_DNSSERVER, 7, 8, 9, 10, OPTION_RLSERVER, 41, OPTION_NTPSERVER, 44, 45, 48, 49, 65),
    *range(68, 77),
)
_UINT16_TAGS = (13, 22, OPTION_MTU, OPTION_MAX_MESSAGE_SIZE)
_UINT8_TAGS = (19, 20, 23, 27, 29, 30, 31, 34, 36, 37, 39, 46, 116)
_STRUCTURED = {
    *(*_WITHOUT_LENGTH, *_ADDRESS_TAGS, *_TIME_TAGS, *_SERVER_TAGS, *_UINT16_TAGS),
    *(OPTION_OVERLOAD, OPTION_MESSAGE_TYPE, OPTION_REQUESTED_OPTIONS, OPTION_CLASSLESSROUTE),
}
# names of other DHCP software for the same options
_OTHER_NAMES = {
    "subnet_mask": 1, "routers": 3, "time_servers": 4, "domain_name_servers": 6, "dns_servers": 6, "log_servers": 7,
    "host_name": 12, "domain_name": 15, "interface_mtu": 26, "broadcast_address": 28, "static_routes": 33,
    "ntp_servers": 42, "netbios_name_servers": 44, "tftp_server_name": 66, "bootfile_name": 67, "domain_search": 119,
    "rfc3442_classless_static_routes": 121, "classless_routes": 121, "tftp_server_address": 150, "wpad_url": 252,
}  # fmt: skip


def _has_length(option: Any) -> bool:
    return option.tag not in _WITHOUT_LENGTH


def _pack_option(option: Any) -> None:
    if _has_length(option):
        head = 2 if hasattr(option, "length") else 1
        option.length = min(option._realsize() - head, _LONGEST_PIECE)


dhcp_option = nstruct(
    (dhcp_tag, "tag"),
    (optional(uint8, "length", _has_length),),
    name="dhcp_option",
    padding=1,
    size=lambda x: x.length + 2 if hasattr(x, "length") else 1,
    prepack=_pack_option,
)


def _option(name: str, tags: Iterable[int], *fields: Any, default: int) -> Any:
    """Define the structure of the options with some tags; a new one has the tag ``default``."""
    known = frozenset(tags)

    def init(option: Any) -> None:
        option.tag = default
        if default not in _WITHOUT_LENGTH:
            option.length = 0

    return nstruct(*fields, name=name, base=dhcp_option, criteria=lambda x: x.tag in known, init=init)


dhcp_option_single_byte = _option("dhcp_option_single_byte", _WITHOUT_LENGTH, default=OPTION_PAD)
dhcp_option_address = _option("dhcp_option_address", _ADDRESS_TAGS, (ip4_addr, "value"), default=OPTION_NETMASK)
dhcp_option_time = _option("dhcp_option_time", _TIME_TAGS, (dhcp_time_value, "value"), default=OPTION_LEASE_TIME)
dhcp_option_servers = _option("dhcp_option_servers", _SERVER_TAGS, (ip4_addr[0], "value"), default=OPTION_ROUTER)
dhcp_option_data = _option("dhcp_option_name", set(range(256)) - _STRUCTURED, (raw, "value"), default=OPTION_HOSTNAME)
dhcp_option_message_type = _option(
    "dhcp_option_message_type", (OPTION_MESSAGE_TYPE,), (dhcp_message_type, "value"), default=OPTION_MESSAGE_TYPE
)
dhcp_option_uint16 = _option("dhcp_option_uint16", _UINT16_TAGS, (uint16, "value"), default=OPTION_MTU)
dhcp_option_requested_options = _option(
    "dhcp_option_requested_options", (OPTION_REQUESTED_OPTIONS,), (dhcp_tag[0], "value"), default=OPTION_REQUESTED_OPTIONS
)
dhcp_option_overload = _option("dhcp_option_overload", (OPTION_OVERLOAD,), (dhcp_overload, "value"), default=OPTION_OVERLOAD)

_route_destination = nstruct(
    (uint8, "mask"),
    (raw, "subnet"),
    name="_route_destination",
    padding=1,
    size=lambda x: 1 + (x.mask + 7) // 8,
)
dhcp_route = nstruct((_route_destination,), (ip4_addr, "router"), name="dhcp_route", padding=1)
dhcp_classless_routes = _option(
    "dhcp_classless_routes", (OPTION_CLASSLESSROUTE,), (dhcp_route[0], "value"), default=OPTION_CLASSLESSROUTE
)

dhcp_option_partial = nstruct(
    (dhcp_tag, "tag"),
    (optional(uint8, "length", _has_length),),
    (raw, "data"),
    name="dhcp_option_partial",
    padding=1,
    size=lambda x: x.length + 2 if hasattr(x, "length") else 1,
    prepack=_pack_option,
)

dhcp_payload = nstruct(
    (boot_op, "op"),
    (uint8, "htype"),
    (uint8, "hlen"),
    (uint8, "hops"),
    (uint32, "xid"),
    (uint16, "secs"),
    (dhcp_flags, "flags"),
    (ip4_addr, "ciaddr"),
    (ip4_addr, "yiaddr"),
    (ip4_addr, "siaddr"),
    (ip4_addr, "giaddr"),
    (char[16], "chaddr"),
    (char[_SNAME_SIZE], "sname"),
    (char[_FILE_SIZE], "file"),
    (uint32, "magic_cookie"),
    (dhcp_option_partial[0], "options"),
    name="dhcp_payload",
    padding=1,
    extend={"chaddr": mac_addr_bytes},
)


def _pieces(data: bytes) -> List[Tuple[int, bytes]]:
    """Return (tag, value) of the options in one field, up to the end mark; what is cut off at its end is left out."""
    found = []
    position = 0
    while position < len(data) and data[position] != OPTION_END:
        if data[position] == OPTION_PAD:
            position += 1
            continue
        size = data[position + 1] if position + 1 < len(data) else _LONGEST_PIECE
        value = data[position + 2 : position + 2 + size]
        if position + 2 + size > len(data):
            break
        found.append((data[position], value))
        position += 2 + size
    return found


def options_of(data: bytes) -> Dict[int, bytes]:
    """Return ``{tag: value}`` of a whole message, long and overloaded options joined.

    :param data: bytes of a DHCP message, from ``op`` on
    :raises ValueError: too short, or without the magic cookie
    """
    if len(data) < _FIXED or int.from_bytes(data[_FIXED - 4 : _FIXED], "big") != BOOTP_MAGIC_COOKIE:
        raise ValueError(f"not a DHCP message of {len(data)} bytes")
    joined: Dict[int, bytes] = {}
    _join(joined, data[_FIXED:])
    overload = joined.pop(OPTION_OVERLOAD, b"\0")
    sname, file = data[44 : 44 + _SNAME_SIZE], data[108 : 108 + _FILE_SIZE]
    for bit, field in ((OVERLOAD_FILE, file), (OVERLOAD_SNAME, sname)):
        if overload[:1] and overload[0] & bit:
            _join(joined, field)
    return joined


def _join(joined: Dict[int, bytes], data: bytes) -> None:
    for tag, value in _pieces(data):
        joined[tag] = joined.get(tag, b"") + value


def reassemble_options(payload):
    """Join the pieces of options.

    :param payload: a :data:`dhcp_payload`
    :return: list of :data:`dhcp_option`, without padding, end mark and overload. A value that does not have the form of
        its tag is kept as it is, in the structure's extra bytes
    :raises ValueError: without the magic cookie
    """
    return [_parse_option(tag, value) for tag, value in options_of(payload._tobytes()).items()]


def _parse_option(tag: int, value: bytes) -> Any:
    data = bytes((tag, min(len(value), _LONGEST_PIECE))) + value
    try:
        return dhcp_option.create(data)
    except ParseError as error:
        _logger.debug("DHCP option %d is malformed: %s", tag, error)
        return dhcp_option_partial(tag=tag, length=min(len(value), _LONGEST_PIECE), data=value)


def value_of(option: Any) -> Tuple[int, bytes]:
    """Return tag and bytes of the value of a :data:`dhcp_option`."""
    packed = option._tobytes()
    return packed[0], packed[2:]


class _Field:
    """A field of a message that options are put into: ``room`` bytes are free, one of them is for the end mark."""

    def __init__(self, size: int) -> None:
        self.room = size - 1
        self.pieces: List[Tuple[int, bytes]] = []

    def put(self, tag: int, value: bytes) -> None:
        self.pieces.append((tag, value))
        self.room -= 2 + len(value)

    def packed(self) -> bytes:
        return b"".join(bytes((tag, len(value))) + value for tag, value in self.pieces) + bytes((OPTION_END,))


def _place(fields: List[_Field], tag: int, value: bytes) -> bool:
    """Put one option into the first field that has room; a long one is cut. Return False when nothing has been done."""
    if len(value) <= _LONGEST_PIECE:
        field = next((field for field in fields if field.room >= 2 + len(value)), None)
        if field is not None:
            field.put(tag, value)
        return field is not None
    cuts = []
    for field in fields:
        room = field.room
        while value and room > 2:
            size = min(len(value), _LONGEST_PIECE, room - 2)
            cuts.append((field, value[:size]))
            value, room = value[size:], room - 2 - size
    if value:
        return False
    for field, piece in cuts:
        field.put(tag, piece)
    return True


def _distribute(values: List[Tuple[int, bytes]], fields: List[_Field]) -> int:
    """Put options into fields until one finds no place; return how many are left."""
    for done, (tag, value) in enumerate(values):
        if not _place(fields, tag, value):
            return len(values) - done
    return 0


def build_options(payload, options, maxsize=576, overload=3, allowpartial=True):
    """Put options into a message, cut into pieces where they are long, in other fields where they do not fit.

    :param payload: a :data:`dhcp_payload`; its ``options``, and if necessary ``file`` and ``sname``, are set
    :param options: list of :data:`dhcp_option`, the important ones first
    :param maxsize: limit in bytes of the IP datagram with the message (option 57 of the client); at least 576
    :param overload: fields that may carry options: sum of ``OVERLOAD_FILE`` and ``OVERLOAD_SNAME``
    :param allowpartial: leave out the last options when they do not fit
    :return: number of options that were left out, the last ones of the list
    :raises ValueError: they do not fit, and ``allowpartial`` is False
    """
    return put_options(payload, [value_of(option) for option in options], maxsize, overload, allowpartial)


def put_options(
    payload: Any, values: List[Tuple[int, bytes]], maxsize: int = 576, overload: int = 3, allowpartial: bool = True
) -> int:
    """Do what :func:`build_options` does, with options given as (tag, bytes)."""
    size = max(maxsize, SMALLEST_MESSAGE) - _HEADERS - _FIXED
    fields = [_Field(size)]
    used = 0
    left = _distribute(values, fields)
    if left and overload:
        used = overload
        fields = [_Field(size - 3)]
        fields += [_Field(length) for bit, length in ((1, _FILE_SIZE), (2, _SNAME_SIZE)) if overload & bit]
        left = _distribute(values, fields)
    if left and not allowpartial:
        raise ValueError(f"{left} of {len(values)} DHCP options do not fit into {maxsize} bytes")
    pieces = fields[0].pieces
    if used:
        pieces = [(OPTION_OVERLOAD, bytes((used,))), *pieces]
        for name, bit in (("file", OVERLOAD_FILE), ("sname", OVERLOAD_SNAME)):
            if used & bit:
                setattr(payload, name, fields[1 if bit == OVERLOAD_FILE else -1].packed())
    payload.options = [dhcp_option_partial(tag=tag, length=len(value), data=value) for tag, value in pieces]
    payload.options.append(dhcp_option_partial(tag=OPTION_END))
    return left


def option_tag(tag: Any) -> int:
    """Return the number of an option.

    :param tag: number, decimal text, or a name: ``'OPTION_MTU'``, ``'mtu'``, ``'ntp-servers'``
    :raises ValueError: no such option, or one that frames the others (0, 255)
    """
    number = tag
    if isinstance(tag, str):
        text = tag.strip().lower().replace("-", "_")
        short = text[len("option_") :] if text.startswith("option_") else text
        number = int(text) if text.isascii() and text.isdigit() else _NAMES.get(short)
    if isinstance(number, bool) or not isinstance(number, int) or not OPTION_PAD < number < OPTION_END:
        raise ValueError(f"not a DHCP option: {tag!r}")
    return number


_NAMES = {
    **_OTHER_NAMES,
    **{name[len("OPTION_") :].lower(): value for name, value in globals().copy().items() if name.startswith("OPTION_")},
}


def _as_list(value: Any) -> List[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _seconds(value: Any) -> int:
    return DHCPTIME_INFINITE if value is None or value == "infinite" else int(value)


def _raw_value(tag: int, value: Any) -> bytes:
    """Return the bytes of an option without a structure of its own."""
    if isinstance(value, str):
        return value.encode("utf-8")
    if isinstance(value, (bytes, bytearray)):
        return bytes(value)
    if isinstance(value, (list, tuple)):
        return bytes(value)
    if isinstance(value, int) and tag in _UINT8_TAGS:
        return bytes((int(value),))
    if isinstance(value, int) and tag == OPTION_TIME_OFFSET:
        return value.to_bytes(4, "big", signed=True)
    raise ValueError("text, or a list of bytes, is needed")


def _route(cidr: Any, router: Any) -> bytes:
    network, prefix = parse_ip4_network(cidr)
    return bytes((prefix,)) + network.to_bytes(4, "big")[: (prefix + 7) // 8] + ip4_addr(router).to_bytes(4, "big")


def _encode(tag: int, value: Any) -> bytes:
    if tag in _ADDRESS_TAGS:
        return ip4_addr(value).to_bytes(4, "big")
    if tag in _TIME_TAGS:
        return _seconds(value).to_bytes(4, "big")
    if tag in _SERVER_TAGS:
        return b"".join(ip4_addr(one).to_bytes(4, "big") for one in _no_empty(_as_list(value)))
    if tag in _UINT16_TAGS:
        return int(value).to_bytes(2, "big")
    if tag in (OPTION_MESSAGE_TYPE, OPTION_OVERLOAD):
        return int(value).to_bytes(1, "big")
    if tag == OPTION_REQUESTED_OPTIONS:
        return bytes(option_tag(one) for one in _no_empty(_as_list(value)))
    if tag == OPTION_CLASSLESSROUTE:
        return b"".join(_route(*pair) for pair in _no_empty(list(value)))
    return _raw_value(tag, value)


def _no_empty(values: List[Any]) -> List[Any]:
    if not values:
        raise ValueError("at least one value is needed")
    return values


def create_option_from_value(tag, value):
    """Return the :data:`dhcp_option` for a value as people write it.

    :param tag: see :func:`option_tag`
    :param value: by option: an address, a list of addresses, seconds or ``'infinite'``, an integer, text, a list of bytes,
        a list of [destination, router] (``'0.0.0.0'`` for directly connected)
    :raises ValueError: no such option, or not a value of it; the message names both
    """
    number = option_tag(tag)
    try:
        data = _encode(number, value)
    except (ValueError, TypeError, OverflowError, AttributeError) as error:
        raise ValueError(f"DHCP option {tag!r} cannot carry {value!r:.80}: {error}") from None
    if len(data) > _LONGEST_VALUE:
        raise ValueError(f"DHCP option {tag!r} cannot carry {len(data)} bytes")
    return _parse_option(number, data)


def create_dhcp_options(input_dict, ignoreError=False, generateNone=False):
    """Return ``{tag: dhcp_option}`` for values as people write them.

    :param input_dict: ``{tag: value}``, or a list of (tag, value); a tag as for :func:`option_tag`
    :param ignoreError: leave out what is no option or no value of it, with a line in the log
    :param generateNone: a value None becomes None in the result; otherwise it is left out
    :raises ValueError: something cannot be encoded, and ``ignoreError`` is False
    """
    found: Dict[int, Any] = {}
    for tag, value in input_dict.items() if isinstance(input_dict, dict) else input_dict:
        try:
            if value is not None:
                found[option_tag(tag)] = create_option_from_value(tag, value)
            elif generateNone:
                found[option_tag(tag)] = None
        except ValueError as error:
            if not ignoreError:
                raise
            _logger.warning("left out: %s", error)
    return found
