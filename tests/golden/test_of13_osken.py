"""Messages that we and os-ken build from the same values have the same bytes, and ours read them back."""

from __future__ import annotations

import pytest
from namedstruct.namedstruct import dump
from support.interpreter import os_ken

import vlcp.protocol.openflow.defs.openflow13 as of

k = os_ken("ofproto_v1_3_parser")
c = os_ken("ofproto_v1_3")


class Datapath:
    """What os-ken's messages need of a switch."""

    ofproto = c
    ofproto_parser = k
    id = 1

    def set_xid(self, msg):
        return msg.set_xid(5)


DP = Datapath()
MAC, MASK = "02:00:00:00:00:05", "ff:ff:ff:00:00:00"
MATCHES = {
    "in_port": (7, [(of.OXM_OF_IN_PORT, 7)]),
    "in_phy_port": (7, [(of.OXM_OF_IN_PORT, 1), (of.OXM_OF_IN_PHY_PORT, 7)]),
    "metadata": ((5, 0xFF), [(of.OXM_OF_METADATA_W, 5, 0xFF)]),
    "eth_dst": (MAC, [(of.OXM_OF_ETH_DST, of.mac_addr(MAC))]),
    "eth_src": (
        ("02:00:00:00:00:00", MASK),
        [(of.OXM_OF_ETH_SRC_W, of.mac_addr_bytes("02:00:00:00:00:00"), of.mac_addr_bytes(MASK))],
    ),
    "eth_type": (0x88CC, [(of.OXM_OF_ETH_TYPE, 0x88CC)]),
    "vlan_vid": (0x1005, [(of.OXM_OF_VLAN_VID, of.OFPVID_PRESENT | 5)]),
    "tunnel_id": (99, [(of.OXM_OF_TUNNEL_ID, 99)]),
    "reg4": (9, [(of.NXM_NX_REG4, 9), (of.OXM_OF_IN_PORT, 1)]),
}


def oxms(fields):
    return of.ofp_match_oxm(oxm_fields=[of.create_oxm(*field) for field in fields])


def theirs(message) -> bytes:
    message.set_xid(5)
    message.serialize()
    return bytes(message.buf)


def ours(message) -> bytes:
    message.header.version, message.header.xid = of.OFP_VERSION, 5
    return message._tobytes()


def same(message, other) -> None:
    packed = ours(message)
    assert packed.hex() == theirs(other).hex()
    parsed, size = of.ofp_msg.parse(packed)
    assert size == len(packed) and parsed._tobytes() == packed
    assert dump(parsed) == dump(message)


def header_only(kind):
    message = of.ofp_msg()
    message.header.type = kind
    return message


@pytest.mark.parametrize("name", MATCHES)
def test_a_flow_mod_with_each_kind_of_match(name):
    value, fields = MATCHES[name]
    extra = {"in_port": 1} if name in ("in_phy_port", "reg4") else {}
    same(
        of.ofp_flow_mod(
            cookie=1,
            cookie_mask=2,
            table_id=3,
            command=of.OFPFC_MODIFY_STRICT,
            idle_timeout=4,
            hard_timeout=5,
            priority=6,
            buffer_id=of.OFP_NO_BUFFER,
            out_port=7,
            out_group=8,
            flags=of.OFPFF_SEND_FLOW_REM,
            match=oxms(fields),
        ),
        k.OFPFlowMod(DP, 1, 2, 3, 2, 4, 5, 6, c.OFP_NO_BUFFER, 7, 8, 1, k.OFPMatch(**extra, **{name: value}), []),
    )


ACTIONS = {
    "output": (of.ofp_action_output(port=3, max_len=100), k.OFPActionOutput(3, 100)),
    "group": (of.ofp_action_group(group_id=4), k.OFPActionGroup(4)),
    "set queue": (of.ofp_action_set_queue(queue_id=4), k.OFPActionSetQueue(4)),
    "push vlan": (of.ofp_action_push(type=of.OFPAT_PUSH_VLAN, ethertype=0x8100), k.OFPActionPushVlan(0x8100)),
    "pop vlan": (of.ofp_action(type=of.OFPAT_POP_VLAN), k.OFPActionPopVlan()),
    "push mpls": (of.ofp_action_push(type=of.OFPAT_PUSH_MPLS, ethertype=0x8847), k.OFPActionPushMpls(0x8847)),
    "pop mpls": (of.ofp_action_pop_mpls(ethertype=0x800), k.OFPActionPopMpls(0x800)),
    "set mpls ttl": (of.ofp_action_mpls_ttl(mpls_ttl=9), k.OFPActionSetMplsTtl(9)),
    "set nw ttl": (of.ofp_action_nw_ttl(nw_ttl=9), k.OFPActionSetNwTtl(9)),
    "dec nw ttl": (of.ofp_action(type=of.OFPAT_DEC_NW_TTL), k.OFPActionDecNwTtl()),
    "set ipv4": (
        of.ofp_action_set_field(field=of.create_oxm(of.OXM_OF_IPV4_SRC, of.ip4_addr("10.0.0.1"))),
        k.OFPActionSetField(ipv4_src="10.0.0.1"),
    ),
    "set mac": (
        of.ofp_action_set_field(field=of.create_oxm(of.OXM_OF_ETH_DST, of.mac_addr_bytes(MAC))),
        k.OFPActionSetField(eth_dst=MAC),
    ),
    "set ipv6": (
        of.ofp_action_set_field(field=of.create_oxm(of.OXM_OF_IPV6_DST, of.ip6_addr_bytes("fe80::1"))),
        k.OFPActionSetField(ipv6_dst="fe80::1"),
    ),
    "reg move": (
        of.nx_action_reg_move(n_bits=32, src_ofs=0, dst_ofs=0, src=of.NXM_NX_REG4, dst=of.NXM_NX_REG5),
        k.NXActionRegMove("reg4", "reg5", 32),
    ),
    "reg load": (
        of.nx_action_reg_load(ofs_nbits=of.create_ofs_nbits(0, 16), dst=of.NXM_NX_REG7, value=5),
        k.NXActionRegLoad(of.create_ofs_nbits(0, 16), "reg7", 5),
    ),
    "resubmit table": (
        of.nx_action_resubmit(in_port=8, table=3),
        k.NXActionResubmitTable(in_port=8, table_id=3),
    ),
    "output reg": (
        of.nx_action_output_reg(ofs_nbits=of.create_ofs_nbits(0, 32), src=of.NXM_NX_REG6, max_len=99),
        k.NXActionOutputReg(of.create_ofs_nbits(0, 32), "reg6", 99),
    ),
    "note": (of.nx_action_note(note=b"\1\2\3\4\5\6"), k.NXActionNote([1, 2, 3, 4, 5, 6])),
    "conjunction": (of.nx_action_conjunction(clause=1, n_clauses=2, id=7), k.NXActionConjunction(1, 2, 7)),
    "stack push": (
        of.nx_action_stack(offset=0, field=of.NXM_NX_REG2, n_bits=6),
        k.NXActionStackPush("reg2", 0, 6),
    ),
    "controller": (
        of.nx_action_controller(max_len=1024, controller_id=1, reason=of.OFPR_INVALID_TTL),
        k.NXActionController(1024, 1, c.OFPR_INVALID_TTL),
    ),
    "set tunnel64": (of.nx_action_set_tunnel64(tun_id=10), k.NXActionSetTunnel64(10)),
    "sample": (
        of.nx_action_sample(probability=3, collector_set_id=1, obs_domain_id=2, obs_point_id=3),
        k.NXActionSample(3, 1, 2, 3),
    ),
    "fin timeout": (
        of.nx_action_fin_timeout(fin_idle_timeout=30, fin_hard_timeout=60),
        k.NXActionFinTimeout(30, 60),
    ),
    "dec ttl for controllers": (of.nx_action_cnt_ids(cnt_ids=[1, 2, 3]), k.NXActionDecTtlCntIds([1, 2, 3])),
    "conntrack with nat": (
        of.nx_action_conntrack(
            flags=of.NX_CT_F_COMMIT,
            zone_imm=4,
            recirc_table=5,
            sub_actions=[
                of.nx_action_nat(
                    flags=of.NX_NAT_F_SRC | of.NX_NAT_F_PROTO_HASH,
                    ipv4_min=of.ip4_addr("10.1.12.0"),
                    ipv4_max=of.ip4_addr("10.1.13.255"),
                    proto_min=1,
                    proto_max=1023,
                )
            ],
        ),
        k.NXActionCT(
            1,
            "",
            4,
            5,
            0,
            [
                k.NXActionNAT(
                    of.NX_NAT_F_SRC | of.NX_NAT_F_PROTO_HASH,
                    range_ipv4_min="10.1.12.0",
                    range_ipv4_max="10.1.13.255",
                    range_proto_min=1,
                    range_proto_max=1023,
                )
            ],
        ),
    ),
    "learn": (
        of.nx_action_learn(
            idle_timeout=10,
            hard_timeout=20,
            priority=1,
            cookie=0x64,
            flags=of.NX_LEARN_F_SEND_FLOW_REM,
            table_id=10,
            fin_idle_timeout=30,
            fin_hard_timeout=40,
            specs=[
                of.create_nxfms_matchvalue(of.NXM_OF_ETH_TYPE, 0x800),
                of.create_nxfms_matchfield(of.NXM_OF_ETH_SRC, of.NXM_OF_ETH_DST),
                of.create_nxfms_loadfield(of.NXM_OF_IN_PORT, of.NXM_NX_REG0, n_bits=16),
                of.create_nxfms_loadvalue(of.NXM_NX_REG1, 5),
                of.create_nxfms_outputfield(of.NXM_OF_IN_PORT),
            ],
        ),
        k.NXActionLearn(
            10,
            specs=[
                k.NXFlowSpecMatch(0x800, ("eth_type_nxm", 0), 16),
                k.NXFlowSpecMatch(("eth_src_nxm", 0), ("eth_dst_nxm", 0), 48),
                k.NXFlowSpecLoad(("in_port_nxm", 0), ("reg0", 0), 16),
                k.NXFlowSpecLoad(5, ("reg1", 0), 32),
                k.NXFlowSpecOutput(("in_port_nxm", 0), 16),
            ],
            idle_timeout=10,
            hard_timeout=20,
            priority=1,
            cookie=0x64,
            flags=1,
            fin_idle_timeout=30,
            fin_hard_timeout=40,
        ),
    ),
}


@pytest.mark.parametrize("name", ACTIONS)
def test_a_flow_mod_with_each_kind_of_action(name):
    mine, other = ACTIONS[name]
    same(
        of.ofp_flow_mod(
            buffer_id=of.OFP_NO_BUFFER,
            match=of.ofp_match_oxm(),
            instructions=[of.ofp_instruction_actions(type=of.OFPIT_APPLY_ACTIONS, actions=[mine])],
        ),
        k.OFPFlowMod(
            DP,
            priority=0,
            match=k.OFPMatch(),
            instructions=[k.OFPInstructionActions(c.OFPIT_APPLY_ACTIONS, [other])],
        ),
    )


INSTRUCTIONS = {
    "goto": (of.ofp_instruction_goto_table(table_id=4), k.OFPInstructionGotoTable(4)),
    "write metadata": (
        of.ofp_instruction_write_metadata(metadata=1, metadata_mask=3),
        k.OFPInstructionWriteMetadata(1, 3),
    ),
    "write actions": (
        of.ofp_instruction_actions(type=of.OFPIT_WRITE_ACTIONS, actions=[of.ofp_action_output(port=1)]),
        k.OFPInstructionActions(c.OFPIT_WRITE_ACTIONS, [k.OFPActionOutput(1, 0)]),
    ),
    "clear actions": (
        of.ofp_instruction_actions(type=of.OFPIT_CLEAR_ACTIONS),
        k.OFPInstructionActions(c.OFPIT_CLEAR_ACTIONS, []),
    ),
    "meter": (of.ofp_instruction_meter(meter_id=9), k.OFPInstructionMeter(9)),
}


@pytest.mark.parametrize("name", INSTRUCTIONS)
def test_a_flow_mod_with_each_kind_of_instruction(name):
    mine, other = INSTRUCTIONS[name]
    same(
        of.ofp_flow_mod(buffer_id=of.OFP_NO_BUFFER, match=of.ofp_match_oxm(), instructions=[mine]),
        k.OFPFlowMod(DP, priority=0, match=k.OFPMatch(), instructions=[other]),
    )


MESSAGES = {
    "echo request": (of.ofp_echo(data=b"abc"), k.OFPEchoRequest(DP, b"abc")),
    "features request": (header_only(of.OFPT_FEATURES_REQUEST), k.OFPFeaturesRequest(DP)),
    "barrier request": (header_only(of.OFPT_BARRIER_REQUEST), k.OFPBarrierRequest(DP)),
    "get config": (header_only(of.OFPT_GET_CONFIG_REQUEST), k.OFPGetConfigRequest(DP)),
    "set config": (of.ofp_switch_config(flags=1, miss_send_len=0xFFFF), k.OFPSetConfig(DP, 1, 0xFFFF)),
    "table mod": (of.ofp_table_mod(table_id=3, config=3), k.OFPTableMod(DP, 3, 3)),
    "port mod": (
        of.ofp_port_mod(port_no=3, hw_addr=of.mac_addr(MAC), config=1, mask=1, advertise=2),
        k.OFPPortMod(DP, 3, MAC, 1, 1, 2),
    ),
    "group mod": (
        of.ofp_group_mod(
            command=of.OFPGC_ADD,
            type=of.OFPGT_SELECT,
            group_id=7,
            buckets=[of.ofp_bucket(weight=3, actions=[of.ofp_action_output(port=1)])] * 2,
        ),
        k.OFPGroupMod(DP, 0, 1, 7, [k.OFPBucket(3, c.OFPP_ANY, c.OFPG_ANY, [k.OFPActionOutput(1, 0)])] * 2),
    ),
    "meter mod": (
        of.ofp_meter_mod(
            command=of.OFPMC_ADD,
            flags=of.OFPMF_KBPS,
            meter_id=2,
            bands=[
                of.ofp_meter_band_drop(rate=10, burst_size=5),
                of.ofp_meter_band_dscp_remark(rate=20, burst_size=6, prec_level=1),
            ],
        ),
        k.OFPMeterMod(DP, 0, 1, 2, [k.OFPMeterBandDrop(10, 5), k.OFPMeterBandDscpRemark(20, 6, 1)]),
    ),
    "packet out": (
        of.ofp_packet_out(
            buffer_id=of.OFP_NO_BUFFER,
            in_port=of.OFPP_CONTROLLER,
            actions=[of.ofp_action_output(port=4)],
            data=b"packet",
        ),
        k.OFPPacketOut(DP, c.OFP_NO_BUFFER, c.OFPP_CONTROLLER, [k.OFPActionOutput(4, 0)], b"packet"),
    ),
    "role request": (
        of.ofp_role_request(role=of.OFPCR_ROLE_MASTER, generation_id=9),
        k.OFPRoleRequest(DP, c.OFPCR_ROLE_MASTER, 9),
    ),
    "set async": (
        of.ofp_async_config(
            packet_in_mask=[1, 2],
            port_status_mask=[3, 4],
            flow_removed_mask=[5, 6],
        ),
        k.OFPSetAsync(DP, [1, 2], [3, 4], [5, 6]),
    ),
    "queue config": (of.ofp_queue_get_config_request(port=3), k.OFPQueueGetConfigRequest(DP, 3)),
    "flow stats": (
        of.ofp_flow_stats_request(
            table_id=1, out_port=2, out_group=3, cookie=4, cookie_mask=5, match=oxms([(of.OXM_OF_IN_PORT, 6)])
        ),
        k.OFPFlowStatsRequest(DP, 0, 1, 2, 3, 4, 5, k.OFPMatch(in_port=6)),
    ),
    "aggregate": (
        of.ofp_aggregate_stats_request(table_id=1, out_port=2, out_group=3, match=of.ofp_match_oxm()),
        k.OFPAggregateStatsRequest(DP, 0, 1, 2, 3, 0, 0, k.OFPMatch()),
    ),
    "port stats": (of.ofp_port_stats_request(port_no=of.OFPP_ANY), k.OFPPortStatsRequest(DP, 0, c.OFPP_ANY)),
    "queue stats": (
        of.ofp_queue_stats_request(port_no=1, queue_id=2),
        k.OFPQueueStatsRequest(DP, 0, 1, 2),
    ),
    "group stats": (of.ofp_group_stats_request(group_id=of.OFPG_ALL), k.OFPGroupStatsRequest(DP, 0, c.OFPG_ALL)),
    "group desc": (
        of.ofp_multipart_request(type=of.OFPMP_GROUP_DESC),
        k.OFPGroupDescStatsRequest(DP, 0),
    ),
    "meter config": (
        of.ofp_meter_multipart_request(type=of.OFPMP_METER_CONFIG, meter_id=3),
        k.OFPMeterConfigStatsRequest(DP, 0, 3),
    ),
    "port desc": (of.ofp_multipart_request(type=of.OFPMP_PORT_DESC), k.OFPPortDescStatsRequest(DP, 0)),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_each_kind_of_message(name):
    same(*MESSAGES[name])


def test_a_packet_in_means_the_same_to_both():
    packed = ours(
        of.ofp_packet_in(
            buffer_id=1,
            total_len=6,
            reason=of.OFPR_ACTION,
            table_id=2,
            cookie=3,
            match=oxms([(of.OXM_OF_IN_PORT, 4), (of.NXM_NX_REG4, 5)]),
            data=b"packet",
        )
    )
    other = k.OFPPacketIn.parser(DP, 4, c.OFPT_PACKET_IN, len(packed), 5, bytearray(packed))
    assert (other.buffer_id, other.total_len, other.reason, other.table_id, other.cookie) == (1, 6, 1, 2, 3)
    assert (other.match["in_port"], other.match["reg4"], other.data) == (4, 5, b"packet")


def test_a_field_that_is_missing_reads_as_zero():
    fields = [of.create_oxm(of.OXM_OF_IN_PORT, 4), of.create_oxm(of.OXM_OF_METADATA_W, 1, 3)]
    assert of.get_oxm(fields, of.OXM_OF_IN_PORT) == b"\0\0\0\4"
    assert of.get_oxm(fields, of.OXM_OF_METADATA_W) == (bytes(7) + b"\1", bytes(7) + b"\3")
    assert of.get_oxm(fields, of.NXM_NX_REG4) == bytes(4)
    assert of.get_oxm(fields, of.NXM_NX_REG4_W) == (bytes(4), bytes(4))


@pytest.mark.parametrize(
    ("header", "value", "mask"),
    [
        (of.OXM_OF_IN_PORT, 1 << 32, None),
        (of.OXM_OF_IN_PORT, -1, None),
        (of.OXM_OF_IN_PORT, 1, 1),
        (of.OXM_OF_ETH_DST, bytes(7), None),
        (of.OXM_OF_METADATA_W, 1, 1 << 64),
    ],
)
def test_a_field_that_does_not_fit_is_refused(header, value, mask):
    with pytest.raises(ValueError, match=r"does not fit into|takes no mask"):
        of.create_oxm(header, value, mask)
