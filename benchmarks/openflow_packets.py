"""Packet-ins: from the bytes of the socket to the event with its fields read, against os-ken's parser."""

from __future__ import annotations

import struct
import timeit
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any

from vlcp.protocol.openflow import Openflow
from vlcp.protocol.openflow._handshake import State
from vlcp.protocol.openflow._session import Session
from vlcp.protocol.openflow.defs import openflow13 as of

REPEATS, ROUNDS = 7, 300
#: Packet-ins that come in one read.
BURST = 20


class _Connection:
    """As much of a connection as ``parse`` looks at."""

    openflowdef = of
    openflow_datapathid = 1
    openflow_auxiliaryid = 0
    connmark = 0


def packet_in(size: int = 98) -> bytes:
    """Return a packet-in with the input port, three registers and the metadata."""
    fields = [of.create_oxm(of.OXM_OF_IN_PORT, 3), of.create_oxm(of.OXM_OF_METADATA, 5)]
    fields += [of.create_oxm(header, 7) for header in (of.NXM_NX_REG4, of.NXM_NX_REG5, of.NXM_NX_REG6)]
    message = of.ofp_packet_in(
        buffer_id=of.OFP_NO_BUFFER,
        total_len=size,
        reason=of.OFPR_ACTION,
        table_id=4,
        cookie=9,
        match=of.ofp_match_oxm(oxm_fields=fields),
        data=bytes(size),
    )
    return message._tobytes()


def ours(data: bytes, count: int) -> Any:
    """Return a function that parses `data` into events and reads what a flow module reads."""
    protocol, connection = Openflow(), _Connection()
    session = connection.openflow_session = Session()
    session.state, session.version = State.READY, of.OFP_VERSION

    def run() -> None:
        events, _ = protocol.parse(connection, data, 0)
        for event in events:
            message = event.message
            struct.unpack(">I", of.get_oxm(message.match.oxm_fields, of.OXM_OF_IN_PORT))
            assert len(message.data) == message.total_len and event.cookie == 9 and event.tableid == 4

    return run


def theirs(data: bytes, count: int) -> Any:
    """Return a function that does the same with os-ken."""
    from os_ken.ofproto import ofproto_parser, ofproto_v1_3, ofproto_v1_3_parser

    datapath = SimpleNamespace(ofproto=ofproto_v1_3, ofproto_parser=ofproto_v1_3_parser)
    size = len(data) // count
    messages = [data[start : start + size] for start in range(0, len(data), size)]

    def run() -> None:
        for part in messages:
            version, kind, length, xid = ofproto_parser.header(part)
            message = ofproto_parser.msg(datapath, version, kind, length, xid, part)
            assert message.match["in_port"] == 3
            assert len(message.data) == message.total_len and message.cookie == 9 and message.table_id == 4

    return run


def _seconds(function: Any) -> float:
    return min(timeit.repeat(function, number=ROUNDS // BURST, repeat=REPEATS)) / (ROUNDS // BURST) / BURST


def run() -> list[dict[str, Any]]:
    """Return the row of this benchmark: packet-ins a second on one core."""
    data = packet_in() * BURST
    mine = _seconds(ours(data, BURST))
    row = {"name": "packet-in, bytes to event with its fields read", "value": 1 / mine, "unit": "1/s", "peer": None}
    if find_spec("os_ken") is None:
        return [row]
    other = _seconds(theirs(data, BURST))
    return [{**row, "peer": "os-ken parser", "peer_value": 1 / other, "ratio": other / mine}]
