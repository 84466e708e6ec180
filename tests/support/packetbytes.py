"""Ethernet frames as fields of a flow match, and back (IEEE 802.1Q; RFC 791, 792, 768, 826).

A key is (OXM class, field number); nothing here uses the package under test.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

ETH_DST, ETH_SRC, ETH_TYPE, VLAN, IP_PROTO, IPV4_SRC, IPV4_DST = ((0x8000, number) for number in (3, 4, 5, 6, 10, 11, 12))
UDP_SRC, UDP_DST, ICMP_TYPE, ICMP_CODE = ((0x8000, number) for number in (15, 16, 19, 20))
ARP_OP, ARP_SPA, ARP_TPA, ARP_SHA, ARP_THA = ((0x8000, number) for number in (21, 22, 23, 24, 25))
IP_TTL = (1, 29)
VLAN_PRESENT = 0x1000
IPV4, ARP, TAG = 0x0800, 0x0806, 0x8100
ICMP, UDP = 1, 17
ECHO_REPLY, UNREACHABLE, ECHO, TIME_EXCEEDED = 0, 3, 8, 11
BROADCAST = 0xFFFFFFFFFFFF


class _Place(NamedTuple):
    """A field in the payload of an untagged frame: its first byte, and its size."""

    begin: int
    size: int


_ARP_PLACES = {
    ARP_OP: _Place(20, 2),
    ARP_SHA: _Place(22, 6),
    ARP_SPA: _Place(28, 4),
    ARP_THA: _Place(32, 6),
    ARP_TPA: _Place(38, 4),
}
_IP_PLACES = {IP_TTL: _Place(22, 1), IP_PROTO: _Place(23, 1), IPV4_SRC: _Place(26, 4), IPV4_DST: _Place(30, 4)}
_ICMP_PLACES = {ICMP_TYPE: _Place(34, 1), ICMP_CODE: _Place(35, 1)}
_UDP_PLACES = {UDP_SRC: _Place(34, 2), UDP_DST: _Place(36, 2)}


def _places(frame: bytes) -> dict:
    """Return where the fields above Ethernet are in an untagged frame."""
    kind = int.from_bytes(frame[12:14], "big")
    if kind == ARP and len(frame) >= 42:
        return _ARP_PLACES
    if kind != IPV4 or len(frame) < 34 or frame[14] != 0x45:
        return {}
    more = {ICMP: _ICMP_PLACES, UDP: _UDP_PLACES}.get(frame[23], {})
    return {**_IP_PLACES, **(more if len(frame) >= 42 else {})}


def parse(frame: bytes) -> dict:
    """Return the fields of a frame."""
    fields = {ETH_DST: int.from_bytes(frame[:6], "big"), ETH_SRC: int.from_bytes(frame[6:12], "big"), VLAN: 0}
    if int.from_bytes(frame[12:14], "big") == TAG:
        fields[VLAN] = int.from_bytes(frame[14:16], "big") & 0xFFF | VLAN_PRESENT
        frame = frame[:12] + frame[16:]
    fields[ETH_TYPE] = int.from_bytes(frame[12:14], "big")
    for key, (begin, size) in _places(frame).items():
        fields[key] = int.from_bytes(frame[begin : begin + size], "big")
    return fields


def build(frame: bytes, fields: dict) -> bytes:
    """Return a frame with other values in its fields, and right checksums."""
    if int.from_bytes(frame[12:14], "big") == TAG:
        frame = frame[:12] + frame[16:]
    data = bytearray(frame)
    data[:6], data[6:12] = fields[ETH_DST].to_bytes(6, "big"), fields[ETH_SRC].to_bytes(6, "big")
    for key, (begin, size) in _places(frame).items():
        data[begin : begin + size] = fields[key].to_bytes(size, "big")
    if IP_TTL in fields:
        _repair(data)
    if fields[VLAN]:
        data[12:12] = struct.pack(">HH", TAG, fields[VLAN] & 0xFFF)
    return bytes(data)


def _repair(data: bytearray) -> None:
    """Write the checksums of an IPv4 packet; that of UDP is left out, as RFC 768 allows."""
    data[24:26] = bytes(2)
    data[24:26] = checksum(bytes(data[14:34]))
    end = 14 + int.from_bytes(data[16:18], "big")
    if data[23] == ICMP:
        data[36:38] = bytes(2)
        data[36:38] = checksum(bytes(data[34:end]))
    elif data[23] == UDP:
        data[40:42] = bytes(2)


def checksum(data: bytes) -> bytes:
    """Return the checksum of RFC 1071."""
    data += bytes(len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return struct.pack(">H", ~total & 0xFFFF)


def ethernet(target: int, source: int, kind: int, payload: bytes) -> bytes:
    """Return a frame; MAC addresses as numbers."""
    return target.to_bytes(6, "big") + source.to_bytes(6, "big") + struct.pack(">H", kind) + payload


def arp(operation: int, sender: tuple[int, int], target: tuple[int, int], to: int = BROADCAST) -> bytes:
    """Return an ARP frame; stations are (MAC address, IPv4 address) as numbers.

    :param to: MAC address that the frame goes to
    """
    stations = b"".join(mac.to_bytes(6, "big") + ip.to_bytes(4, "big") for mac, ip in (sender, target))
    return ethernet(to, sender[0], ARP, struct.pack(">HHBBH", 1, IPV4, 6, 4, operation) + stations)


def ipv4(macs: tuple[int, int], addresses: tuple[int, int], protocol: int, payload: bytes, ttl: int = 64) -> bytes:
    """Return an IPv4 packet in a frame; ``macs`` and ``addresses`` are (source, target) as numbers."""
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0, ttl, protocol, 0)
    data = bytearray(ethernet(macs[1], macs[0], IPV4, head + b"".join(one.to_bytes(4, "big") for one in addresses) + payload))
    _repair(data)
    return bytes(data)


def echo(macs: tuple[int, int], addresses: tuple[int, int], number: int, kind: int = ECHO, ttl: int = 64) -> bytes:
    """Return an ICMP echo request with a number, or with ``kind`` 0 its reply."""
    return ipv4(macs, addresses, ICMP, struct.pack(">BBHII", kind, 0, 0, number, 0), ttl)


def echo_number(frame: bytes) -> int:
    """Return the number of an ICMP echo request or reply, or of the request that an ICMP error quotes."""
    begin = 38 if frame[34] in (ECHO, ECHO_REPLY) else 66
    return int.from_bytes(frame[begin : begin + 4], "big")


def discover(mac: int, number: int) -> bytes:
    """Return a DHCPDISCOVER (RFC 2131); ``number`` is its transaction id."""
    head = struct.pack(">BBBBIHHIIII", 1, 1, 6, 0, number, 0, 0, 0, 0, 0, 0)
    body = head + mac.to_bytes(6, "big") + bytes(10 + 64 + 128) + b"\x63\x82\x53\x63" + bytes((53, 1, 1, 255))
    return ipv4((mac, BROADCAST), (0, 0xFFFFFFFF), UDP, struct.pack(">HHHH", 68, 67, 8 + len(body), 0) + body)
