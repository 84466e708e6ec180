"""Flow-mods: from a row of the flow engine to bytes, against os-ken's build and serialize of the same message."""

from __future__ import annotations

import timeit
from importlib.util import find_spec
from typing import Any, Callable, Dict, List

from vlcp.service.sdn._flows.encode import Encoder, Layout
from vlcp.service.sdn._flows.spec import DEFAULT_PRIORITY, Flow, goto_next, match, set_field

REPEATS, ROWS = 7, 2000
LAYOUT = Layout({"ingress": 0, "l2input": 1, "l2output": 2, "egress": 4}, {"l2output": "egress"}, True, 5)


def rows() -> List[Flow]:
    """Return unicast rows of the L2 output table, all different."""
    return [
        Flow(
            "l2output",
            DEFAULT_PRIORITY + 2,
            match(out_net=1 + n % 10, eth_dst=0x020000000000 + n),
            (*set_field(out_port=n), goto_next()),
            3,
        )
        for n in range(ROWS)
    ]


def ours(flows: List[Flow]) -> Callable[[], Any]:
    """Return a function that encodes all rows with an encoder that has seen none of them."""

    def run() -> List[bytes]:
        encoder = Encoder(LAYOUT)
        return [encoder.flow_add(flow) for flow in flows]

    return run


def theirs(flows: List[Flow]) -> Callable[[], Any]:
    """Return a function that builds and serializes the same messages with os-ken."""
    from os_ken.ofproto import ofproto_protocol, ofproto_v1_3, ofproto_v1_3_parser

    datapath = ofproto_protocol.ProtocolDesc(version=ofproto_v1_3.OFP_VERSION)
    parser, of = ofproto_v1_3_parser, ofproto_v1_3
    values = [
        (flow.match[0][1], "02:00:" + ":".join(f"{byte:02x}" for byte in (n).to_bytes(4, "big")), n)
        for n, flow in enumerate(flows)
    ]

    def one(net_no: int, mac: str, port_no: int) -> bytes:
        message = parser.OFPFlowMod(
            datapath,
            cookie=5 << 49 | 3,
            table_id=2,
            priority=DEFAULT_PRIORITY + 2,
            out_port=of.OFPP_ANY,
            out_group=of.OFPG_ANY,
            match=parser.OFPMatch(reg5=net_no, eth_dst=mac),
            instructions=[
                parser.OFPInstructionActions(of.OFPIT_APPLY_ACTIONS, [parser.OFPActionSetField(reg6=port_no)]),
                parser.OFPInstructionGotoTable(4),
            ],
        )
        message.set_xid(0)
        message.serialize()
        return bytes(message.buf)

    def run() -> List[bytes]:
        return [one(*value) for value in values]

    return run


def _microseconds(function: Callable[[], Any]) -> float:
    return min(timeit.repeat(function, number=1, repeat=REPEATS)) / ROWS * 1e6


def run() -> List[Dict[str, Any]]:
    """Return the time for each flow-mod."""
    flows = rows()
    mine = ours(flows)
    row = {"name": "flow-mod, row to bytes", "value": _microseconds(mine), "unit": "us", "peer": None}
    if find_spec("os_ken") is None:
        return [row]
    peer = theirs(flows)
    if mine() != peer():
        raise AssertionError("the messages differ")
    peer_value = _microseconds(peer)
    return [{**row, "peer": "os-ken", "peer_value": peer_value, "ratio": peer_value / row["value"]}]


if __name__ == "__main__":
    for row in run():
        print(row)
