"""Match fields in one table: name, width, formatter, wire constant and order.

Values of fields are plain integers inside rows, so that rows compare and hash fast. :func:`parse_value` takes what
people write (``'02:00:00:00:00:01'``, ``'10.0.0.1'``, numbers, bytes) and :func:`format_value` writes it again.

Sources: OpenFlow 1.3.5 section 7.2.3.7 (OXM fields), ``nicira-ext.h`` of Open vSwitch (NXM fields).
"""

from __future__ import annotations

import ipaddress
from typing import Dict, NamedTuple, Tuple

OXM_OPENFLOW_BASIC = 0x8000
NXM_OF = 0x0000
NXM_NX = 0x0001


class Field(NamedTuple):
    """One match field.

    ``bits`` is the width; ``size`` the bytes on the wire; ``position`` its place inside a match (a field that another
    one needs as prerequisite stands before it); ``header`` the 32-bit OXM header without mask.
    """

    name: str
    bits: int
    size: int
    kind: str
    position: int
    header: int
    masked_header: int

    @property
    def nicira(self) -> bool:
        """True when only a switch with the Nicira extensions knows the field."""
        return self.header >> 16 in (NXM_OF, NXM_NX)


# name, bits, kind, OXM class, field number; the order is the order inside a match
_LINES: Tuple[Tuple[str, int, str, int, int], ...] = (
    ("in_port", 32, "int", OXM_OPENFLOW_BASIC, 0),
    ("in_phy_port", 32, "int", OXM_OPENFLOW_BASIC, 1),
    ("metadata", 64, "int", OXM_OPENFLOW_BASIC, 2),
    ("reg0", 32, "int", NXM_NX, 0),
    ("reg1", 32, "int", NXM_NX, 1),
    ("reg2", 32, "int", NXM_NX, 2),
    ("reg3", 32, "int", NXM_NX, 3),
    ("reg4", 32, "int", NXM_NX, 4),
    ("reg5", 32, "int", NXM_NX, 5),
    ("reg6", 32, "int", NXM_NX, 6),
    ("reg7", 32, "int", NXM_NX, 7),
    ("tun_id", 64, "int", OXM_OPENFLOW_BASIC, 38),
    ("tun_src", 32, "ip4", NXM_NX, 31),
    ("tun_dst", 32, "ip4", NXM_NX, 32),
    ("eth_dst", 48, "mac", OXM_OPENFLOW_BASIC, 3),
    ("eth_src", 48, "mac", OXM_OPENFLOW_BASIC, 4),
    ("eth_type", 16, "int", OXM_OPENFLOW_BASIC, 5),
    ("vlan_vid", 13, "int", OXM_OPENFLOW_BASIC, 6),
    ("vlan_pcp", 3, "int", OXM_OPENFLOW_BASIC, 7),
    ("ip_dscp", 6, "int", OXM_OPENFLOW_BASIC, 8),
    ("ip_ecn", 2, "int", OXM_OPENFLOW_BASIC, 9),
    ("ip_proto", 8, "int", OXM_OPENFLOW_BASIC, 10),
    ("ip_ttl", 8, "int", NXM_NX, 29),
    ("ipv4_src", 32, "ip4", OXM_OPENFLOW_BASIC, 11),
    ("ipv4_dst", 32, "ip4", OXM_OPENFLOW_BASIC, 12),
    ("tcp_src", 16, "int", OXM_OPENFLOW_BASIC, 13),
    ("tcp_dst", 16, "int", OXM_OPENFLOW_BASIC, 14),
    ("udp_src", 16, "int", OXM_OPENFLOW_BASIC, 15),
    ("udp_dst", 16, "int", OXM_OPENFLOW_BASIC, 16),
    ("sctp_src", 16, "int", OXM_OPENFLOW_BASIC, 17),
    ("sctp_dst", 16, "int", OXM_OPENFLOW_BASIC, 18),
    ("icmpv4_type", 8, "int", OXM_OPENFLOW_BASIC, 19),
    ("icmpv4_code", 8, "int", OXM_OPENFLOW_BASIC, 20),
    ("arp_op", 16, "int", OXM_OPENFLOW_BASIC, 21),
    ("arp_spa", 32, "ip4", OXM_OPENFLOW_BASIC, 22),
    ("arp_tpa", 32, "ip4", OXM_OPENFLOW_BASIC, 23),
    ("arp_sha", 48, "mac", OXM_OPENFLOW_BASIC, 24),
    ("arp_tha", 48, "mac", OXM_OPENFLOW_BASIC, 25),
    ("ipv6_src", 128, "ip6", OXM_OPENFLOW_BASIC, 26),
    ("ipv6_dst", 128, "ip6", OXM_OPENFLOW_BASIC, 27),
    ("ipv6_flabel", 20, "int", OXM_OPENFLOW_BASIC, 28),
    ("icmpv6_type", 8, "int", OXM_OPENFLOW_BASIC, 29),
    ("icmpv6_code", 8, "int", OXM_OPENFLOW_BASIC, 30),
    ("nd_target", 128, "ip6", OXM_OPENFLOW_BASIC, 31),
    ("nd_sll", 48, "mac", OXM_OPENFLOW_BASIC, 32),
    ("nd_tll", 48, "mac", OXM_OPENFLOW_BASIC, 33),
    ("mpls_label", 20, "int", OXM_OPENFLOW_BASIC, 34),
    ("mpls_tc", 3, "int", OXM_OPENFLOW_BASIC, 35),
    ("mpls_bos", 1, "int", OXM_OPENFLOW_BASIC, 36),
)

# bytes on the wire where they are more than the bits need
_WIDE = {"ipv6_flabel": 4, "mpls_label": 4}


def _field(position: int, line: Tuple[str, int, str, int, int]) -> Field:
    name, bits, kind, oxm_class, number = line
    size = _WIDE.get(name, (bits + 7) // 8)
    header = oxm_class << 16 | number << 9
    return Field(name, bits, size, kind, position, header | size, header | 0x100 | size * 2)


FIELDS: Dict[str, Field] = {line[0]: _field(i, line) for i, line in enumerate(_LINES)}


class Logical(NamedTuple):
    """A field of this project's own pipeline, which every module may use by this name.

    It sits in the register ``register`` on a switch with the Nicira extensions, and else in ``width`` bits of the
    metadata word from bit ``shift`` on (behaviour: registers 4 to 7, metadata 16/16/16/16).
    """

    name: str
    register: str
    shift: int
    width: int
    position: float


LOGICAL: Dict[str, Logical] = {
    "in_net": Logical("in_net", "reg4", 48, 16, FIELDS["reg4"].position),
    "out_net": Logical("out_net", "reg5", 32, 16, FIELDS["reg5"].position),
    "out_port": Logical("out_port", "reg6", 0, 16, FIELDS["reg6"].position),
    "flags": Logical("flags", "reg7", 16, 16, FIELDS["reg7"].position),
}

# the older NXM twins of OXM fields: (class, number) -> name
_NXM_TWINS: Dict[Tuple[int, int], str] = {
    (NXM_OF, 1): "eth_dst",
    (NXM_OF, 2): "eth_src",
    (NXM_OF, 3): "eth_type",
    (NXM_OF, 6): "ip_proto",
    (NXM_OF, 7): "ipv4_src",
    (NXM_OF, 8): "ipv4_dst",
    (NXM_OF, 9): "tcp_src",
    (NXM_OF, 10): "tcp_dst",
    (NXM_OF, 11): "udp_src",
    (NXM_OF, 12): "udp_dst",
    (NXM_OF, 13): "icmpv4_type",
    (NXM_OF, 14): "icmpv4_code",
    (NXM_OF, 15): "arp_op",
    (NXM_OF, 16): "arp_spa",
    (NXM_OF, 17): "arp_tpa",
    (NXM_NX, 16): "tun_id",
    (NXM_NX, 17): "arp_sha",
    (NXM_NX, 18): "arp_tha",
    (NXM_NX, 19): "ipv6_src",
    (NXM_NX, 20): "ipv6_dst",
    (NXM_NX, 21): "icmpv6_type",
    (NXM_NX, 22): "icmpv6_code",
    (NXM_NX, 23): "nd_target",
    (NXM_NX, 24): "nd_sll",
    (NXM_NX, 25): "nd_tll",
}

BY_WIRE: Dict[Tuple[int, int], Field] = {(field.header >> 16, field.header >> 9 & 0x7F): field for field in FIELDS.values()}
BY_WIRE.update({wire: FIELDS[name] for wire, name in _NXM_TWINS.items()})


def position_of(name: str) -> float:
    """Place of a field, logical ones included, inside a match.

    :raises ValueError: no such field
    """
    found = FIELDS.get(name) or LOGICAL.get(name)
    if found is None:
        raise ValueError(f"no such match field: {name!r}")
    return found.position


def width_of(name: str) -> int:
    """Bits of a field; logical fields count as the 32-bit registers they usually are.

    :raises ValueError: no such field
    """
    if name in LOGICAL:
        return 32
    position_of(name)
    return FIELDS[name].bits


def parse_value(name: str, value: object) -> int:
    """Return the number that ``value`` stands for in field ``name``.

    :param value: an int; text of a MAC or IP address in fields of that kind; bytes; or a sequence of byte values
    :raises ValueError: no such field, not a value of the field, or too wide for it
    """
    bits = width_of(name)
    if isinstance(value, bool) or not isinstance(value, (int, str, bytes, bytearray, list, tuple)):
        raise ValueError(f"{name}: not a value of a match field: {value!r}")
    if isinstance(value, int):
        number = value
    elif isinstance(value, str):
        number = _parse_text(name, FIELDS[name].kind if name in FIELDS else "int", value)
    else:
        number = int.from_bytes(bytes(value), "big")
    if not 0 <= number < 1 << bits:
        raise ValueError(f"{name}: {value!r} does not fit into {bits} bits")
    return number


def _parse_text(name: str, kind: str, text: str) -> int:
    try:
        if kind == "mac":
            return parse_mac(text)
        if kind == "ip4":
            return int(ipaddress.IPv4Address(text))
        if kind == "ip6":
            return int(ipaddress.IPv6Address(text))
        return int(text, 0)
    except ValueError:
        raise ValueError(f"{name}: not a value of a match field: {text!r}") from None


def parse_mac(text: str) -> int:
    """Return the 48-bit number of a MAC address written with colons or dashes.

    :raises ValueError: not six hexadecimal pairs
    """
    parts = text.replace("-", ":").split(":")
    if len(parts) != 6 or not all(0 < len(part) <= 2 for part in parts):
        raise ValueError(f"not a MAC address: {text!r}")
    return int("".join(part.zfill(2) for part in parts), 16)


def format_value(name: str, value: int) -> str:
    """Write a field's value for people: MAC and IP addresses as usual, the rest as a number."""
    kind = FIELDS[name].kind if name in FIELDS else "int"
    if kind == "mac":
        return ":".join(f"{byte:02x}" for byte in value.to_bytes(6, "big"))
    if kind == "ip4":
        return str(ipaddress.IPv4Address(value))
    if kind == "ip6":
        return str(ipaddress.IPv6Address(value))
    return str(value) if value < 10 else hex(value)
