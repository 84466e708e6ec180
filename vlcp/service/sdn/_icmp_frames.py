"""What a router says by ICMP: echo replies and errors, as Ethernet frames (RFC 792, RFC 1122, RFC 1812). Pure."""

from __future__ import annotations

import struct
from typing import NamedTuple, Optional

from vlcp.utils.ethernet import checksum, checksum2

ECHO_REPLY, UNREACHABLE, ECHO_REQUEST, TIME_EXCEEDED = 0, 3, 8, 11
HOST_UNREACHABLE, PORT_UNREACHABLE = 1, 3
LONGEST_QUOTE = 548
"""Bytes of a packet that an error about it repeats (RFC 1812, 4.3.2.3: the error has at most 576)."""
_ETHERNET_SIZE, _IPV4_SIZE = 14, 20
_IPV4_TYPE, _ICMP, _TTL = 0x0800, 1, 128
_IPV4 = struct.Struct("!BBHHHBBHII")
_QUERIES = (ECHO_REPLY, ECHO_REQUEST, 13, 14, 15, 16, 17, 18)
_FRAGMENT, _OFFSET = 0x3FFF, 0x1FFF


class Packet(NamedTuple):
    """An IPv4 packet in an Ethernet frame; addresses are numbers, ``header`` and ``payload`` are the packet's bytes."""

    eth_src: int
    source: int
    target: int
    protocol: int
    ttl: int
    fragment: int
    header: bytes
    payload: bytes


def parse_packet(frame: bytes) -> Packet:
    """Return the IPv4 packet of an untagged frame; padding is cut.

    :raises ValueError: it is none, or lengths do not fit
    """
    if len(frame) < _ETHERNET_SIZE + _IPV4_SIZE or frame[12:14] != _IPV4_TYPE.to_bytes(2, "big"):
        raise ValueError("no IPv4 packet")
    data = frame[_ETHERNET_SIZE:]
    version, _, total, _, fragment, ttl, protocol, _, source, target = _IPV4.unpack_from(data)
    size = (version & 15) * 4
    if version >> 4 != 4 or size < _IPV4_SIZE or total < size or len(data) < size:
        raise ValueError(f"an IPv4 packet with a header of {size} bytes and {total} bytes in all, of which {len(data)} came")
    mac = int.from_bytes(frame[6:12], "big")
    return Packet(mac, source, target, protocol, ttl, fragment & _FRAGMENT, data[:size], data[size:total])


def echo_reply(packet: Packet, mac: int, ip_id: int) -> Optional[bytes]:
    """Return the answer to an echo request; None for anything else, and for fragments.

    :param mac: source of the frame
    :param ip_id: identification of the packet
    """
    request = packet.payload
    total = int.from_bytes(packet.header[2:4], "big")
    complete = len(packet.header) + len(request) == total
    if packet.protocol != _ICMP or packet.fragment or not complete or len(request) < 8 or checksum2(checksum(request)):
        return None
    if request[:2] != bytes((ECHO_REQUEST, 0)):
        return None
    return _frame(packet.eth_src, mac, packet.target, packet.source, ip_id, _message(ECHO_REPLY, 0, request[4:]))


def error(packet: Packet, kind: int, code: int, source: int, mac: int, ip_id: int) -> Optional[bytes]:
    """Return the error about a packet; None when there must be none (RFC 1122, 3.2.2): about errors, about fragments but the
    first, and about packets that do not go from one host to one other.

    :param source: address that the error comes from
    :param mac: source of the frame
    :param ip_id: identification of the packet
    """
    if packet.fragment & _OFFSET or not _single(packet.source) or not _single(packet.target):
        return None
    if packet.eth_src >> 40 & 1 or (packet.protocol == _ICMP and packet.payload[:1] not in _QUERY_BYTES):
        return None
    quote = (packet.header + packet.payload)[:LONGEST_QUOTE]
    return _frame(packet.eth_src, mac, source, packet.source, ip_id, _message(kind, code, bytes(4) + quote))


_QUERY_BYTES = tuple(bytes((kind,)) for kind in _QUERIES)


def _single(address: int) -> bool:
    """Tell whether an address can be that of one host: not 0/8, 127/8, multicast or broadcast."""
    return address >> 24 not in (0, 127) and address >> 28 < 14


def _message(kind: int, code: int, rest: bytes) -> bytes:
    total = checksum2(checksum(bytes((kind, code, 0, 0)) + rest))
    return bytes((kind, code)) + total.to_bytes(2, "big") + rest


def _frame(eth_dst: int, eth_src: int, source: int, target: int, ip_id: int, message: bytes) -> bytes:
    values = [0x45, 0, _IPV4_SIZE + len(message), ip_id & 0xFFFF, 0, _TTL, _ICMP, 0, source, target]
    values[7] = checksum2(checksum(_IPV4.pack(*values)))
    addresses = eth_dst.to_bytes(6, "big") + eth_src.to_bytes(6, "big")
    return addresses + _IPV4_TYPE.to_bytes(2, "big") + _IPV4.pack(*values) + message


class RateLimit:
    """At most ``rate`` errors a second, and ``burst`` at once.

    :param rate: per second
    """

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._left = burst
        self._at = 0.0

    def take(self, now: float) -> bool:
        """Return True when one more may be sent.

        :param now: seconds, never less than before
        """
        self._left = min(self._burst, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
