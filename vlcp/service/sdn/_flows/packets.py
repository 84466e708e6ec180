"""Packets between a switch and its controller, as bytes (OpenFlow 1.3.5 sections 7.3.6 and 7.4.1)."""

from __future__ import annotations

import struct
from typing import Iterable, NamedTuple

from .encode import VERSION, Encoder
from .spec import PORT_CONTROLLER, Action, Match

TYPE_PACKET_IN = 10
TYPE_FLOW_REMOVED = 11
NO_BUFFER = 0xFFFFFFFF
_TYPE_PACKET_OUT = 13
_PACKET_OUT = struct.Struct("!BBHIIIHxxxxxx")


class Upload(NamedTuple):
    """A packet that a switch has sent up.

    ``match`` has its logical fields and input port; ``total`` is its length when ``data`` has only its beginning;
    ``buffer_id`` names the packet in the switch, :data:`NO_BUFFER` when the switch has not kept it.
    """

    match: Match
    data: bytes
    total: int
    buffer_id: int

    def value(self, field: str) -> int:
        """Return the value of a field of ``match``, 0 when it has none."""
        return next((value for name, value, _ in self.match if name == field), 0)

    @property
    def whole(self) -> bool:
        """True when the packet can be sent on, from its data or from the switch's buffer."""
        return self.buffer_id != NO_BUFFER or len(self.data) >= self.total


def packet_out(
    encoder: Encoder, data: bytes, actions: Iterable[Action], in_port: int = PORT_CONTROLLER, buffer_id: int = NO_BUFFER
) -> bytes:
    """Return the message that sends a packet.

    :param data: the packet; not used when it is in a buffer
    :param actions: what to do with it; no instructions (``next``, ``goto``) among them
    :param in_port: port that it shall seem to have come in by
    :param buffer_id: the switch's buffer with the packet
    :raises ValueError: too long for one message
    :raises NeedsNicira: the switch has no such action
    """
    packed = b"".join([encoder.action(action) for action in actions])
    body = data if buffer_id == NO_BUFFER else b""
    size = _PACKET_OUT.size + len(packed) + len(body)
    if size > 0xFFFF:
        raise ValueError(f"a packet of {len(body)} bytes does not fit into one message")
    return _PACKET_OUT.pack(VERSION, _TYPE_PACKET_OUT, size, 0, buffer_id, in_port, len(packed)) + packed + body
