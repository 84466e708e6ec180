"""OpenFlow 1.0 messages that we and os-ken build from the same values have the same bytes, and ours read them back."""

from __future__ import annotations

import pytest
from support.interpreter import os_ken

import vlcp.protocol.openflow.defs.openflow10 as of

k, c = os_ken("ofproto_v1_0_parser"), os_ken("ofproto_v1_0")
NO_BUFFER, MAC = 0xFFFFFFFF, "02:00:00:00:00:05"


class Datapath:
    """What os-ken's messages need of a switch."""

    ofproto = c
    ofproto_parser = k
    id = 1

    def set_xid(self, msg):
        return msg.set_xid(5)


DP = Datapath()


def same(message, other) -> None:
    message.header.version, message.header.xid = of.OFP_VERSION, 5
    packed = message._tobytes()
    other.set_xid(5)
    other.serialize()
    assert packed.hex() == bytes(other.buf).hex()
    parsed, size = of.common.ofp_msg.parse(packed)
    assert size == len(packed) and parsed._tobytes() == packed


def plain(kind):
    message = of.ofp_msg()
    message.header.type = kind
    return message


def their_match():
    return k.OFPMatch(in_port=3, dl_src=MAC, dl_type=0x800, nw_src="10.0.1.0", nw_src_mask=24, nw_tos=0, tp_dst=80)


def our_match():
    wildcards = of.OFPFW_DL_VLAN | of.OFPFW_DL_DST | of.OFPFW_NW_PROTO | of.OFPFW_TP_SRC | of.OFPFW_DL_VLAN_PCP
    # Any number of bits from 32 on stands for the whole address; os-ken sends 63.
    wildcards |= 8 << of.OFPFW_NW_SRC_SHIFT | of.OFPFW_NW_DST_MASK
    return of.ofp_match(
        wildcards=wildcards, in_port=3, dl_src=of.mac_addr(MAC), dl_type=0x800, nw_src=of.ip4_addr("10.0.1.0"), tp_dst=80
    )


ACTIONS = {
    "output": (of.ofp_action_output(port=3, max_len=100), k.OFPActionOutput(3, 100)),
    "vlan": (of.ofp_action_vlan_vid(vlan_vid=5), k.OFPActionVlanVid(5)),
    "vlan priority": (of.ofp_action_vlan_pcp(vlan_pcp=5), k.OFPActionVlanPcp(5)),
    "strip vlan": (of.ofp_action(type=of.OFPAT_STRIP_VLAN), k.OFPActionStripVlan()),
    "source mac": (of.ofp_action_dl_addr(dl_addr=of.mac_addr(MAC)), k.OFPActionSetDlSrc(b"\2\0\0\0\0\5")),
    "destination mac": (
        of.ofp_action_dl_addr(type=of.OFPAT_SET_DL_DST, dl_addr=of.mac_addr(MAC)),
        k.OFPActionSetDlDst(b"\2\0\0\0\0\5"),
    ),
    "source address": (of.ofp_action_nw_addr(nw_addr=0x0A000001), k.OFPActionSetNwSrc("10.0.0.1")),
    "destination address": (
        of.ofp_action_nw_addr(type=of.OFPAT_SET_NW_DST, nw_addr=0x0A000001),
        k.OFPActionSetNwDst("10.0.0.1"),
    ),
    "tos": (of.ofp_action_nw_tos(nw_tos=32), k.OFPActionSetNwTos(32)),
    "source port": (of.ofp_action_tp_port(tp_port=80), k.OFPActionSetTpSrc(80)),
    "destination port": (of.ofp_action_tp_port(type=of.OFPAT_SET_TP_DST, tp_port=80), k.OFPActionSetTpDst(80)),
    "enqueue": (of.ofp_action_enqueue(port=3, queue_id=7), k.OFPActionEnqueue(3, 7)),
    "resubmit table": (of.nx_action_resubmit(in_port=2, table=3), k.NXActionResubmitTable(2, 3)),
    "set tunnel": (of.nx_action_set_tunnel(tun_id=5), k.NXActionSetTunnel(5)),
    "set tunnel 64": (of.nx_action_set_tunnel64(tun_id=1 << 40), k.NXActionSetTunnel64(1 << 40)),
    "set queue": (of.nx_action_set_queue(queue_id=5), k.NXActionSetQueue(5)),
    "pop queue": (of.nx_action_pop_queue(), k.NXActionPopQueue()),
    "exit": (of.nx_action(subtype=of.NXAST_EXIT), k.NXActionExit()),
    "fin timeout": (of.nx_action_fin_timeout(fin_idle_timeout=3, fin_hard_timeout=4), k.NXActionFinTimeout(3, 4)),
    "multipath": (
        of.nx_action_multipath(
            fields=0, basis=1024, algorithm=0, max_link=63, arg=0, ofs_nbits=of.create_ofs_nbits(4, 28), dst=of.NXM_NX_REG0
        ),
        k.NXActionMultipath(0, 1024, 0, 63, 0, of.create_ofs_nbits(4, 28), "reg0"),
    ),
}


@pytest.mark.parametrize("name", ACTIONS)
def test_a_flow_mod_with_each_kind_of_action(name):
    mine, other = ACTIONS[name]
    fields = {"cookie": 1, "command": of.OFPFC_MODIFY, "idle_timeout": 2, "hard_timeout": 3, "priority": 4, "flags": 1}
    same(
        of.ofp_flow_mod(match=our_match(), buffer_id=NO_BUFFER, out_port=of.OFPP_NONE, actions=[mine], **fields),
        k.OFPFlowMod(DP, their_match(), 1, c.OFPFC_MODIFY, 2, 3, 4, NO_BUFFER, c.OFPP_NONE, 1, [other]),
    )


def test_a_nicira_flow_mod():
    rule = os_ken("nx_match").ClsRule()
    rule.set_in_port(3)
    rule.set_reg(0, 5)
    fields = [of.create_nxm(of.NXM_OF_IN_PORT, 3), of.create_nxm(of.NXM_NX_REG0, 5)]
    same(
        of.nx_flow_mod(
            cookie=1, idle_timeout=2, hard_timeout=3, priority=4, buffer_id=NO_BUFFER, out_port=of.OFPP_NONE, matches=fields,
            actions=[of.ofp_action_output(port=2, max_len=65509)],
        ),
        k.NXTFlowMod(DP, 1, 0, 2, 3, 4, NO_BUFFER, c.OFPP_NONE, 0, rule, [k.OFPActionOutput(2)]),
    )  # fmt: skip


SELECTION = {"match": our_match(), "table_id": 0xFF, "out_port": 2}
MESSAGES = {
    "echo": (of.ofp_echo(data=b"abc"), k.OFPEchoRequest(DP, b"abc")),
    "features": (plain(of.OFPT_FEATURES_REQUEST), k.OFPFeaturesRequest(DP)),
    "barrier": (plain(of.OFPT_BARRIER_REQUEST), k.OFPBarrierRequest(DP)),
    "get config": (plain(of.OFPT_GET_CONFIG_REQUEST), k.OFPGetConfigRequest(DP)),
    "set config": (of.ofp_switch_config(flags=1, miss_send_len=0xFFFF), k.OFPSetConfig(DP, 1, 0xFFFF)),
    "port mod": (
        of.ofp_port_mod(port_no=3, hw_addr=of.mac_addr(MAC), config=1, mask=1, advertise=2),
        k.OFPPortMod(DP, 3, MAC, 1, 1, 2),
    ),
    "packet out": (
        of.ofp_packet_out(buffer_id=NO_BUFFER, in_port=3, actions=[of.ofp_action_output(port=4)], data=b"packet"),
        k.OFPPacketOut(DP, NO_BUFFER, 3, [k.OFPActionOutput(4, 0)], b"packet"),
    ),
    "queue config": (of.ofp_queue_get_config_request(port=3), k.OFPQueueGetConfigRequest(DP, 3)),
    "desc": (of.ofp_stats_request(type=of.OFPST_DESC), k.OFPDescStatsRequest(DP, 0)),
    "flow stats": (of.ofp_flow_stats_request(**SELECTION), k.OFPFlowStatsRequest(DP, 0, their_match(), 0xFF, 2)),
    "aggregate": (of.ofp_aggregate_stats_request(**SELECTION), k.OFPAggregateStatsRequest(DP, 0, their_match(), 0xFF, 2)),
    "table stats": (of.ofp_stats_request(type=of.OFPST_TABLE), k.OFPTableStatsRequest(DP, 0)),
    "port stats": (of.ofp_port_stats_request(port_no=3), k.OFPPortStatsRequest(DP, 0, 3)),
    "queue stats": (of.ofp_queue_stats_request(port_no=3, queue_id=4), k.OFPQueueStatsRequest(DP, 0, 3, 4)),
    "role": (of.nx_role_request(role=of.NX_ROLE_MASTER), k.NXTRoleRequest(DP, c.NX_ROLE_MASTER)),
    "flow format": (of.nx_set_flow_format(format=of.NXFF_NXM), k.NXTSetFlowFormat(DP, c.NXFF_NXM)),
    "table id": (of.nx_flow_mod_table_id(set=1), k.NXTFlowModTableId(DP, 1)),
    "packet-in format": (of.nx_set_packet_in_format(format=1), k.NXTSetPacketInFormat(DP, 1)),
    "controller id": (of.nx_controller_id(controller_id=3), k.NXTSetControllerId(DP, 3)),
    "async": (
        of.nx_async_config(packet_in_mask=[1, 2], port_status_mask=[3, 4], flow_removed_mask=[5, 6]),
        k.NXTSetAsyncConfig(DP, [1, 2], [3, 4], [5, 6]),
    ),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_each_kind_of_message(name):
    same(*MESSAGES[name])
