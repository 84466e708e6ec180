"""ARP questions and answers (RFC 826), and reverse ARP (RFC 903), as Ethernet frames. Pure."""

from __future__ import annotations

import struct
from typing import NamedTuple, Optional

_ARP = struct.Struct("!HHBBH6sI6sI")
_HEAD = (1, 0x0800, 6, 4)
_TYPE, _ETHERNET_SIZE, _REQUEST, _REPLY = 0x0806, 14, 1, 2
_REVERSE_TYPE, _REVERSE_REQUEST = 0x8035, 3
_EVERYBODY = b"\xff" * 6


class Reply(NamedTuple):
    """An answer: whose address is ``sender_ip``, and to whom it was sent; addresses are numbers."""

    sender_mac: int
    sender_ip: int
    target_ip: int


def question(mac: int, source: int, target: int, to: Optional[int]) -> bytes:
    """Return the frame that asks for an address.

    :param mac: who asks
    :param source: address of who asks
    :param target: the address asked for
    :param to: the MAC address that is to confirm it; None asks everybody
    """
    sender = mac.to_bytes(6, "big")
    destination = _EVERYBODY if to is None else to.to_bytes(6, "big")
    message = _ARP.pack(*_HEAD, _REQUEST, sender, source, bytes(6), target)
    return destination + sender + _TYPE.to_bytes(2, "big") + message


def reverse_question(mac: int) -> bytes:
    """Return the frame by which a station asks everybody for its own address, as one that starts without one does.

    :param mac: who asks
    """
    sender = mac.to_bytes(6, "big")
    message = _ARP.pack(*_HEAD, _REVERSE_REQUEST, sender, 0, sender, 0)
    return _EVERYBODY + sender + _REVERSE_TYPE.to_bytes(2, "big") + message


def parse_reply(frame: bytes) -> Reply:
    """Return what an answer says.

    :raises ValueError: it is none
    """
    if len(frame) < _ETHERNET_SIZE + _ARP.size or frame[12:14] != _TYPE.to_bytes(2, "big"):
        raise ValueError("no ARP packet")
    *head, operation, sender, sender_ip, _, target_ip = _ARP.unpack_from(frame, _ETHERNET_SIZE)
    if tuple(head) != _HEAD or operation != _REPLY:
        raise ValueError("no ARP answer about an IPv4 address")
    return Reply(int.from_bytes(sender, "big"), sender_ip, target_ip)
