"""OpenFlow 1.3 messages, matches, actions and instructions (OpenFlow Switch Specification 1.3.5).

All names of the specification are attributes of this module; with them come those of :mod:`.common`, of
:mod:`vlcp.utils.ethernet` and, built on the experimenter structs of this version, those of :mod:`.nicira_ext`.
"""

from __future__ import annotations

from namedstruct.namedstruct import packsize

from . import common, nicira_ext
from ._fields import FieldTypes, raw_of
from ._types import nstruct, sequence
from .common import *  # noqa: F403 - one namespace for each version
from .common import _smart_hex_format, ofp_error_types as _common_error_types
from .nicira_ext import *  # noqa: F403 - one namespace for each version
from ._openflow13_enums import *  # noqa: F403 - names of this version come before those of the others


ofp_port_no_raw = raw_of(ofp_port_no)
ofp_ipv6exthdr_flags_raw = raw_of(ofp_ipv6exthdr_flags)
ethtype_raw = raw_of(ethertype)
arpop_raw = raw_of(arp_op_code)
ip_protocol_raw = raw_of(ip_protocol)


def _init_bucket(x):
    x.watch_port = OFPP_ANY
    x.watch_group = OFPG_ANY


def _ofp_packet_out_actions_packsize(x):
    """Store the length of the actions of a packet-out."""
    x.actions_len = x._realsize() - 8


ofp_msg = nstruct(
    name="ofp_msg",
    base=ofp_msg_mutable,
    classifyby=(OFP_VERSION,),
    init=packvalue(OFP_VERSION, "header", "version"),
    classifier=lambda x: x.header.type,
    extend={("header", "type"): ofp_type},
)

# Configuration of the switch (7.3.2, 7.3.3)

ofp_switch_config = nstruct(
    (ofp_config_flags, "flags"),
    (uint16, "miss_send_len"),
    name="ofp_switch_config",
    base=ofp_msg,
    classifyby=(OFPT_SET_CONFIG, OFPT_GET_CONFIG_REPLY),
    init=packvalue(OFPT_SET_CONFIG, "header", "type"),
)

ofp_table_mod = nstruct(
    (ofp_table, "table_id"),
    (uint8[3],),
    (ofp_table_config, "config"),
    name="ofp_table_mod",
    base=ofp_msg,
    classifyby=(OFPT_TABLE_MOD,),
    init=packvalue(OFPT_TABLE_MOD, "header", "type"),
)

# Ports and features (7.2.1, 7.3.1, 7.4.3)

ofp_port = nstruct(
    (ofp_port_no, "port_no"),
    (uint8[4],),
    (mac_addr, "hw_addr"),
    (uint8[2],),
    (char[16], "name"),
    (ofp_port_config, "config"),
    (ofp_port_state, "state"),
    (ofp_port_features, "curr"),
    (ofp_port_features, "advertised"),
    (ofp_port_features, "supported"),
    (ofp_port_features, "peer"),
    (uint32, "curr_speed"),
    (uint32, "max_speed"),
    name="ofp_port",
    padding=8,
    inline=False,
)

ofp_switch_features = nstruct(
    (uint64, "datapath_id"),
    (uint32, "n_buffers"),
    (uint8, "n_tables"),
    (uint8, "auxiliary_id"),
    (uint8[2],),
    (ofp_capabilities, "capabilities"),
    (uint32,),
    name="ofp_switch_features",
    base=ofp_msg,
    classifyby=(OFPT_FEATURES_REPLY,),
    init=packvalue(OFPT_FEATURES_REPLY, "header", "type"),
)

ofp_port_status = nstruct(
    (ofp_port_reason, "reason"),
    (uint8[7],),
    (ofp_port, "desc"),
    name="ofp_port_status",
    base=ofp_msg,
    classifyby=(OFPT_PORT_STATUS,),
    init=packvalue(OFPT_PORT_STATUS, "header", "type"),
)

ofp_port_mod = nstruct(
    (uint32, "port_no"),
    (uint8[4],),
    (mac_addr, "hw_addr"),
    (uint8[2],),
    (ofp_port_config, "config"),
    (ofp_port_config, "mask"),
    (ofp_port_features, "advertise"),
    (uint8[4],),
    name="ofp_port_mod",
    base=ofp_msg,
    classifyby=(OFPT_PORT_MOD,),
    init=packvalue(OFPT_PORT_MOD, "header", "type"),
)

# Matches (7.2.3)

ofp_match = nstruct(
    (ofp_match_type, "type"),
    (uint16, "length"),
    name="ofp_match",
    padding=8,
    size=sizefromlen(65536, "length"),
    prepack=packrealsize("length"),
)

ofp_oxm = nstruct(
    (ofp_oxm_header, "header"),
    name="ofp_oxm",
    padding=1,
    size=lambda x: OXM_LENGTH(x.header) + 4,
)

ofp_oxm_experimenter = nstruct(
    (experimenter_ids, "experimenter"),
    name="ofp_oxm_experimenter",
    base=ofp_oxm,
    criteria=lambda x: OXM_CLASS(x.header) == OFPXMC_EXPERIMENTER,
    init=packvalue(OXM_HEADER(OFPXMC_EXPERIMENTER, 0, 4), "header"),
)

ofp_oxm_nomask = nstruct(
    (raw, "value"),
    name="ofp_oxm_nomask",
    base=ofp_oxm,
    criteria=lambda x: OXM_CLASS(x.header) != OFPXMC_EXPERIMENTER and not OXM_HASMASK(x.header),
    init=packvalue(OXM_OF_IN_PORT, "header"),
    classifier=lambda x: x.header,
)

_ofp_oxm_mask_value = nstruct(
    (raw, "value"),
    name="ofp_oxm_mask_value",
    padding=1,
    size=lambda x: OXM_LENGTH(x.header) // 2,
)

ofp_oxm_mask = nstruct(
    (_ofp_oxm_mask_value,),
    (raw, "mask"),
    name="ofp_oxm_mask",
    base=ofp_oxm,
    criteria=lambda x: OXM_CLASS(x.header) != OFPXMC_EXPERIMENTER and OXM_HASMASK(x.header),
    init=packvalue(OXM_OF_METADATA_W, "header"),
    classifier=lambda x: x.header,
)

ofp_match_oxm = nstruct(
    (sequence(ofp_oxm), "oxm_fields"),
    name="ofp_match_oxm",
    base=ofp_match,
    criteria=lambda x: x.type == OFPMT_OXM,
    init=packvalue(OFPMT_OXM, "type"),
)

ofp_oxm_mask_ipv4 = nstruct(
    name="ofp_oxm_mask_ipv4",
    base=ofp_oxm_mask,
    classifyby=(OXM_OF_IPV4_SRC_W, OXM_OF_IPV4_DST_W, OXM_OF_ARP_SPA_W, OXM_OF_ARP_TPA_W),
    init=packvalue(OXM_OF_IPV4_SRC_W, "header"),
    extend={"value": ip4_addr_bytes, "mask": ip4_addr_bytes},
)

ofp_oxm_nomask_ipv4 = nstruct(
    name="ofp_oxm_nomask_ipv4",
    base=ofp_oxm_nomask,
    classifyby=(OXM_OF_IPV4_SRC, OXM_OF_IPV4_DST, OXM_OF_ARP_SPA, OXM_OF_ARP_TPA),
    init=packvalue(OXM_OF_IPV4_SRC, "header"),
    extend={"value": ip4_addr_bytes},
)

ofp_oxm_mask_eth = nstruct(
    name="ofp_oxm_mask_eth",
    base=ofp_oxm_mask,
    classifyby=(OXM_OF_ETH_SRC_W, OXM_OF_ETH_DST_W),
    init=packvalue(OXM_OF_ETH_SRC_W, "header"),
    extend={"value": mac_addr_bytes, "mask": mac_addr_bytes},
)

ofp_oxm_nomask_eth = nstruct(
    name="ofp_oxm_nomask_eth",
    base=ofp_oxm_nomask,
    classifyby=(OXM_OF_ETH_SRC, OXM_OF_ETH_DST, OXM_OF_IPV6_ND_SLL, OXM_OF_IPV6_ND_TLL, OXM_OF_ARP_SHA, OXM_OF_ARP_THA),
    init=packvalue(OXM_OF_ETH_SRC, "header"),
    extend={"value": mac_addr_bytes},
)

ofp_oxm_nomask_port = nstruct(
    name="ofp_oxm_nomask_port",
    base=ofp_oxm_nomask,
    classifyby=(OXM_OF_IN_PORT, OXM_OF_IN_PHY_PORT),
    init=packvalue(OXM_OF_IN_PORT, "header"),
    extend={"value": ofp_port_no_raw},
)

ofp_oxm_nomask_exthdr = nstruct(
    name="ofp_oxm_nomask_exthdr",
    base=ofp_oxm_nomask,
    classifyby=(OXM_OF_IPV6_EXTHDR,),
    init=packvalue(OXM_OF_IPV6_EXTHDR, "header"),
    extend={"value": ofp_ipv6exthdr_flags_raw},
)

ofp_oxm_mask_exthdr = nstruct(
    name="ofp_oxm_mask_exthdr",
    base=ofp_oxm_mask,
    classifyby=(OXM_OF_IPV6_EXTHDR_W,),
    init=packvalue(OXM_OF_IPV6_EXTHDR_W, "header"),
    extend={"value": ofp_ipv6exthdr_flags_raw, "mask": ofp_ipv6exthdr_flags_raw},
)

ofp_oxm_nomask_ethertype = nstruct(
    name="ofp_oxm_nomask_ethertype",
    base=ofp_oxm_nomask,
    classifyby=(OXM_OF_ETH_TYPE,),
    init=packvalue(OXM_OF_ETH_TYPE, "header"),
    extend={"value": ethtype_raw},
)

ofp_oxm_nomask_arpopcode = nstruct(
    name="ofp_oxm_nomask_arpopcode",
    base=ofp_oxm_nomask,
    classifyby=(OXM_OF_ARP_OP,),
    init=packvalue(OXM_OF_ARP_OP, "header"),
    extend={"value": arpop_raw},
)

ofp_oxm_nomask_ip_protocol = nstruct(
    name="ofp_oxm_nomask_ip_protocol",
    base=ofp_oxm_nomask,
    classifyby=(OXM_OF_IP_PROTO,),
    init=packvalue(OXM_OF_IP_PROTO, "header"),
    extend={"value": ip_protocol_raw},
)

ofp_oxm_nomask_ipv6 = nstruct(
    name="ofp_oxm_nomask_ipv6",
    base=ofp_oxm_nomask,
    classifyby=(OXM_OF_IPV6_SRC, OXM_OF_IPV6_DST, OXM_OF_IPV6_ND_TARGET),
    init=packvalue(OXM_OF_IPV6_SRC, "header"),
    extend={"value": ip6_addr_bytes},
)

ofp_oxm_mask_ipv6 = nstruct(
    name="ofp_oxm_mask_ipv6",
    base=ofp_oxm_mask,
    classifyby=(OXM_OF_IPV6_SRC_W, OXM_OF_IPV6_DST_W),
    init=packvalue(OXM_OF_IPV6_SRC_W, "header"),
    extend={"value": ip6_addr_bytes, "mask": ip6_addr_bytes},
)

# Actions (7.2.5)

ofp_action = nstruct(
    (ofp_action_type, "type"),
    (uint16, "len"),
    name="ofp_action",
    padding=8,
    size=sizefromlen(65536, "len"),
    prepack=packsize("len"),
    classifier=lambda x: x.type,
)

ofp_action_output = nstruct(
    (ofp_port_no, "port"),
    (ofp_controller_max_len, "max_len"),
    (uint8[6],),
    name="ofp_action_output",
    base=ofp_action,
    classifyby=(OFPAT_OUTPUT,),
    init=packvalue(OFPAT_OUTPUT, "type"),
)

ofp_action_mpls_ttl = nstruct(
    (uint8, "mpls_ttl"),
    (uint8[3],),
    name="ofp_action_mpls_ttl",
    base=ofp_action,
    classifyby=(OFPAT_SET_MPLS_TTL,),
    init=packvalue(OFPAT_SET_MPLS_TTL, "type"),
)

ofp_action_push = nstruct(
    (ethertype, "ethertype"),
    (uint8[2],),
    name="ofp_action_push",
    base=ofp_action,
    classifyby=(OFPAT_PUSH_VLAN, OFPAT_PUSH_MPLS, OFPAT_PUSH_PBB),
    init=packvalue(OFPAT_PUSH_VLAN, "type"),
)

ofp_action_pop_mpls = nstruct(
    (ethertype, "ethertype"),
    (uint8[2],),
    name="ofp_action_pop_mpls",
    base=ofp_action,
    classifyby=(OFPAT_POP_MPLS,),
    init=packvalue(OFPAT_POP_MPLS, "type"),
)

ofp_action_group = nstruct(
    (uint32, "group_id"),
    name="ofp_action_group",
    base=ofp_action,
    classifyby=(OFPAT_GROUP,),
    init=packvalue(OFPAT_GROUP, "type"),
)

ofp_action_nw_ttl = nstruct(
    (uint8, "nw_ttl"),
    (uint8[3],),
    name="ofp_action_nw_ttl",
    base=ofp_action,
    classifyby=(OFPAT_SET_NW_TTL,),
    init=packvalue(OFPAT_SET_NW_TTL, "type"),
)

ofp_action_set_field = nstruct(
    (ofp_oxm, "field"),
    name="ofp_action_set_field",
    base=ofp_action,
    classifyby=(OFPAT_SET_FIELD,),
    init=packvalue(OFPAT_SET_FIELD, "type"),
)

ofp_action_experimenter = nstruct(
    (experimenter_ids, "experimenter"),
    name="ofp_action_experimenter",
    base=ofp_action,
    classifyby=(OFPAT_EXPERIMENTER,),
    init=packvalue(OFPAT_EXPERIMENTER, "type"),
)

# Instructions (7.2.4)

ofp_instruction = nstruct(
    (ofp_instruction_type, "type"),
    (uint16, "len"),
    name="ofp_instruction",
    padding=8,
    size=sizefromlen(65536, "len"),
    prepack=packsize("len"),
    classifier=lambda x: x.type,
)

ofp_instruction_goto_table = nstruct(
    (uint8, "table_id"),
    (uint8[3],),
    name="ofp_instruction_goto_table",
    base=ofp_instruction,
    classifyby=(OFPIT_GOTO_TABLE,),
    init=packvalue(OFPIT_GOTO_TABLE, "type"),
)

ofp_instruction_write_metadata = nstruct(
    (uint8[4],),
    (uint64, "metadata"),
    (uint64, "metadata_mask"),
    name="ofp_instruction_write_metadata",
    base=ofp_instruction,
    classifyby=(OFPIT_WRITE_METADATA,),
    init=packvalue(OFPIT_WRITE_METADATA, "type"),
)

ofp_instruction_actions = nstruct(
    (uint8[4],),
    (sequence(ofp_action), "actions"),
    name="ofp_instruction_actions",
    base=ofp_instruction,
    classifyby=(OFPIT_WRITE_ACTIONS, OFPIT_APPLY_ACTIONS, OFPIT_CLEAR_ACTIONS),
    init=packvalue(OFPIT_APPLY_ACTIONS, "type"),
)

ofp_instruction_meter = nstruct(
    (uint32, "meter_id"),
    name="ofp_instruction_meter",
    base=ofp_instruction,
    classifyby=(OFPIT_METER,),
    init=packvalue(OFPIT_METER, "type"),
)

ofp_instruction_experimenter = nstruct(
    (experimenter_ids, "experimenter"),
    name="ofp_instruction_experimenter",
    base=ofp_instruction,
    classifyby=(OFPIT_EXPERIMENTER,),
    init=packvalue(OFPIT_EXPERIMENTER, "type"),
)

# Changes of flows and groups (7.3.4)

ofp_flow_mod = nstruct(
    (uint64, "cookie"),
    (uint64, "cookie_mask"),
    (ofp_table, "table_id"),
    (ofp_flow_mod_command.astype(uint8), "command"),
    (uint16, "idle_timeout"),
    (uint16, "hard_timeout"),
    (uint16, "priority"),
    (ofp_buffer_id, "buffer_id"),
    (ofp_port_no, "out_port"),
    (ofp_group, "out_group"),
    (ofp_flow_mod_flags, "flags"),
    (uint8[2],),
    (ofp_match, "match"),
    (sequence(ofp_instruction), "instructions"),
    name="ofp_flow_mod",
    base=ofp_msg,
    classifyby=(OFPT_FLOW_MOD,),
    init=packvalue(OFPT_FLOW_MOD, "header", "type"),
)

ofp_bucket = nstruct(
    (uint16, "len"),
    (uint16, "weight"),
    (ofp_port_no, "watch_port"),
    (ofp_group, "watch_group"),
    (uint8[4],),
    (sequence(ofp_action), "actions"),
    name="ofp_bucket",
    padding=8,
    init=_init_bucket,
    size=sizefromlen(65536, "len"),
    prepack=packsize("len"),
)

ofp_group_mod = nstruct(
    (ofp_group_mod_command, "command"),
    (ofp_group_type, "type"),
    (uint8,),
    (ofp_group, "group_id"),
    (sequence(ofp_bucket), "buckets"),
    name="ofp_group_mod",
    base=ofp_msg,
    classifyby=(OFPT_GROUP_MOD,),
    init=packvalue(OFPT_GROUP_MOD, "header", "type"),
)

# Packets (7.3.7, 7.4.1, 7.4.2)

ofp_packet_out_actions = nstruct(
    (uint16, "actions_len"),
    (uint8[6],),
    (sequence(ofp_action), "actions"),
    name="ofp_packet_out_actions",
    padding=1,
    size=lambda x: x.actions_len + 8,
    prepack=_ofp_packet_out_actions_packsize,
)

ofp_packet_out = nstruct(
    (ofp_buffer_id, "buffer_id"),
    (ofp_port_no, "in_port"),
    (ofp_packet_out_actions,),
    (raw, "data"),
    name="ofp_packet_out",
    base=ofp_msg,
    classifyby=(OFPT_PACKET_OUT,),
    init=packvalue(OFPT_PACKET_OUT, "header", "type"),
)

ofp_packet_in = nstruct(
    (ofp_buffer_id, "buffer_id"),
    (uint16, "total_len"),
    (ofp_packet_in_reason, "reason"),
    (uint8, "table_id"),
    (uint64, "cookie"),
    (ofp_match, "match"),
    (uint8[2],),
    (raw, "data"),
    name="ofp_packet_in",
    base=ofp_msg,
    classifyby=(OFPT_PACKET_IN,),
    init=packvalue(OFPT_PACKET_IN, "header", "type"),
)

ofp_flow_removed = nstruct(
    (uint64, "cookie"),
    (uint16, "priority"),
    (ofp_flow_removed_reason, "reason"),
    (uint8, "table_id"),
    (uint32, "duration_sec"),
    (uint32, "duration_nsec"),
    (uint16, "idle_timeout"),
    (uint16, "hard_timeout"),
    (uint64, "packet_count"),
    (uint64, "byte_count"),
    (ofp_match, "match"),
    name="ofp_flow_removed",
    base=ofp_msg,
    classifyby=(OFPT_FLOW_REMOVED,),
    init=packvalue(OFPT_FLOW_REMOVED, "header", "type"),
)

# Meters (7.3.4.4)

ofp_meter_band = nstruct(
    (ofp_meter_band_type, "type"),
    (uint16, "len"),
    (uint32, "rate"),
    (uint32, "burst_size"),
    name="ofp_meter_band",
    padding=8,
    init=packvalue(16, "len"),
    size=sizefromlen(65536, "len"),
    prepack=packsize("len"),
    classifier=lambda x: x.type,
)

ofp_meter_band_drop = nstruct(
    (uint8[4],),
    name="ofp_meter_band_drop",
    base=ofp_meter_band,
    classifyby=(OFPMBT_DROP,),
    init=packvalue(OFPMBT_DROP, "type"),
)

ofp_meter_band_dscp_remark = nstruct(
    (uint8, "prec_level"),
    (uint8[3],),
    name="ofp_meter_band_dscp_remark",
    base=ofp_meter_band,
    classifyby=(OFPMBT_DSCP_REMARK,),
    init=packvalue(OFPMBT_DSCP_REMARK, "type"),
)

ofp_meter_band_experimenter = nstruct(
    (experimenter_ids, "experimenter"),
    name="ofp_meter_band_experimenter",
    base=ofp_meter_band,
    classifyby=(OFPMBT_EXPERIMENTER,),
    init=packvalue(OFPMBT_EXPERIMENTER, "type"),
)

ofp_meter_mod = nstruct(
    (ofp_meter_mod_command, "command"),
    (ofp_meter_flags, "flags"),
    (ofp_meter, "meter_id"),
    (sequence(ofp_meter_band), "bands"),
    name="ofp_meter_mod",
    base=ofp_msg,
    classifyby=(OFPT_METER_MOD,),
    init=packvalue(OFPT_METER_MOD, "header", "type"),
)

# Multipart messages (7.3.5)

ofp_multipart_request = nstruct(
    (ofp_multipart_type, "type"),
    (ofp_multipart_request_flags, "flags"),
    (uint8[4],),
    name="ofp_multipart_request",
    base=ofp_msg,
    classifyby=(OFPT_MULTIPART_REQUEST,),
    init=packvalue(OFPT_MULTIPART_REQUEST, "header", "type"),
    classifier=lambda x: x.type,
)

ofp_multipart_reply = nstruct(
    (ofp_multipart_type, "type"),
    (ofp_multipart_reply_flags, "flags"),
    (uint8[4],),
    name="ofp_multipart_reply",
    base=ofp_msg,
    classifyby=(OFPT_MULTIPART_REPLY,),
    init=packvalue(OFPT_MULTIPART_REPLY, "header", "type"),
    classifier=lambda x: x.type,
)

ofp_desc = nstruct(
    (char[256], "mfr_desc"),
    (char[256], "hw_desc"),
    (char[256], "sw_desc"),
    (char[32], "serial_num"),
    (char[256], "dp_desc"),
    name="ofp_desc",
    padding=8,
)

ofp_desc_reply = nstruct(
    (ofp_desc,),
    name="ofp_desc_reply",
    base=ofp_multipart_reply,
    classifyby=(OFPMP_DESC,),
    init=packvalue(OFPMP_DESC, "type"),
)

ofp_flow_stats_request = nstruct(
    (ofp_table, "table_id"),
    (uint8[3],),
    (ofp_port_no, "out_port"),
    (ofp_group, "out_group"),
    (uint8[4],),
    (uint64, "cookie"),
    (uint64, "cookie_mask"),
    (ofp_match, "match"),
    name="ofp_flow_stats_request",
    base=ofp_multipart_request,
    classifyby=(OFPMP_FLOW,),
    init=packvalue(OFPMP_FLOW, "type"),
)

ofp_flow_stats = nstruct(
    (uint16, "length"),
    (uint8, "table_id"),
    (uint8,),
    (uint32, "duration_sec"),
    (uint32, "duration_nsec"),
    (uint16, "priority"),
    (uint16, "idle_timeout"),
    (uint16, "hard_timeout"),
    (ofp_flow_mod_flags, "flags"),
    (uint8[4],),
    (uint64, "cookie"),
    (uint64, "packet_count"),
    (uint64, "byte_count"),
    (ofp_match, "match"),
    (sequence(ofp_instruction), "instructions"),
    name="ofp_flow_stats",
    padding=8,
    size=sizefromlen(65536, "length"),
    prepack=packsize("length"),
)

ofp_flow_stats_reply = nstruct(
    (sequence(ofp_flow_stats), "stats"),
    name="ofp_flow_stats_reply",
    base=ofp_multipart_reply,
    classifyby=(OFPMP_FLOW,),
    init=packvalue(OFPMP_FLOW, "type"),
)

ofp_aggregate_stats_request = nstruct(
    (ofp_table, "table_id"),
    (uint8[3],),
    (ofp_port_no, "out_port"),
    (ofp_group, "out_group"),
    (uint8[4],),
    (uint64, "cookie"),
    (uint64, "cookie_mask"),
    (ofp_match, "match"),
    name="ofp_aggregate_stats_request",
    base=ofp_multipart_request,
    classifyby=(OFPMP_AGGREGATE,),
    init=packvalue(OFPMP_AGGREGATE, "type"),
)

ofp_aggregate_stats_reply = nstruct(
    (uint64, "packet_count"),
    (uint64, "byte_count"),
    (uint32, "flow_count"),
    (uint8[4],),
    name="ofp_aggregate_stats_reply",
    base=ofp_multipart_reply,
    classifyby=(OFPMP_AGGREGATE,),
    init=packvalue(OFPMP_AGGREGATE, "type"),
)

ofp_table_feature_prop = nstruct(
    (ofp_table_feature_prop_type, "type"),
    (uint16, "length"),
    name="ofp_table_feature_prop",
    padding=8,
    size=sizefromlen(65536, "length"),
    prepack=packrealsize("length"),
    classifier=lambda x: x.type,
)

ofp_instruction_feature = nstruct(
    (ofp_instruction_type, "type"),
    (uint16, "len"),
    name="ofp_instruction_feature",
    padding=1,
    size=sizefromlen(65536, "len"),
    prepack=packrealsize("len"),
)

ofp_instruction_experimenter_feature = nstruct(
    (experimenter_ids, "experimenter"),
    name="ofp_instruction_experimenter_feature",
    base=ofp_instruction_feature,
    criteria=lambda x: x.type == OFPIT_EXPERIMENTER,
    init=packvalue(OFPIT_EXPERIMENTER, "type"),
)

ofp_table_feature_prop_instructions = nstruct(
    (sequence(ofp_instruction_feature), "instruction_ids"),
    name="ofp_table_feature_prop_instructions",
    base=ofp_table_feature_prop,
    classifyby=(OFPTFPT_INSTRUCTIONS, OFPTFPT_INSTRUCTIONS_MISS),
    init=packvalue(OFPTFPT_INSTRUCTIONS, "type"),
)

ofp_table_feature_prop_next_tables = nstruct(
    (uint8[0], "next_table_ids"),
    name="ofp_table_feature_prop_next_tables",
    base=ofp_table_feature_prop,
    classifyby=(OFPTFPT_NEXT_TABLES, OFPTFPT_NEXT_TABLES_MISS),
    init=packvalue(OFPTFPT_NEXT_TABLES, "type"),
)

ofp_action_desc = nstruct(
    (ofp_action_type, "type"),
    (uint16, "len"),
    name="ofp_action_desc",
    padding=1,
    size=sizefromlen(65536, "len"),
    prepack=packrealsize("len"),
)

ofp_action_experimenter_desc = nstruct(
    (experimenter_ids, "experimenter"),
    name="ofp_action_experimenter_desc",
    base=ofp_action_desc,
    criteria=lambda x: x.type == OFPAT_EXPERIMENTER,
    init=packvalue(OFPAT_EXPERIMENTER, "type"),
)

ofp_table_feature_prop_actions = nstruct(
    (sequence(ofp_action_desc), "action_ids"),
    name="ofp_table_feature_prop_actions",
    base=ofp_table_feature_prop,
    classifyby=(OFPTFPT_WRITE_ACTIONS, OFPTFPT_WRITE_ACTIONS_MISS, OFPTFPT_APPLY_ACTIONS, OFPTFPT_APPLY_ACTIONS_MISS),
    init=packvalue(OFPTFPT_APPLY_ACTIONS, "type"),
)

ofp_table_feature_prop_oxm = nstruct(
    (ofp_oxm_header[0], "oxm_ids"),
    name="ofp_table_feature_prop_oxm",
    base=ofp_table_feature_prop,
    classifyby=(
        OFPTFPT_MATCH,
        OFPTFPT_WILDCARDS,
        OFPTFPT_WRITE_SETFIELD,
        OFPTFPT_WRITE_SETFIELD_MISS,
        OFPTFPT_APPLY_SETFIELD,
        OFPTFPT_APPLY_SETFIELD_MISS,
    ),
    init=packvalue(OFPTFPT_MATCH, "type"),
)

ofp_table_feature_prop_experimenter = nstruct(
    (experimenter_ids, "experimenter"),
    (uint32, "exp_type"),
    (uint32[0], "experimenter_data"),
    name="ofp_table_feature_prop_experimenter",
    base=ofp_table_feature_prop,
    classifyby=(OFPTFPT_EXPERIMENTER, OFPTFPT_EXPERIMENTER_MISS),
    init=packvalue(OFPTFPT_EXPERIMENTER, "type"),
)

ofp_table_features = nstruct(
    (uint16, "length"),
    (uint8, "table_id"),
    (uint8[5],),
    (char[32], "name"),
    (uint64, "metadata_match"),
    (uint64, "metadata_write"),
    (ofp_table_config, "config"),
    (uint32, "max_entries"),
    (sequence(ofp_table_feature_prop), "properties"),
    name="ofp_table_features",
    padding=8,
    size=sizefromlen(65536, "length"),
    prepack=packsize("length"),
)

ofp_table_features_request = nstruct(
    (sequence(ofp_table_features), "features"),
    name="ofp_table_features_request",
    base=ofp_multipart_request,
    classifyby=(OFPMP_TABLE_FEATURES,),
    init=packvalue(OFPMP_TABLE_FEATURES, "type"),
)

ofp_table_features_reply = nstruct(
    (sequence(ofp_table_features), "features"),
    name="ofp_table_features_reply",
    base=ofp_multipart_reply,
    classifyby=(OFPMP_TABLE_FEATURES,),
    init=packvalue(OFPMP_TABLE_FEATURES, "type"),
)

ofp_table_stats = nstruct(
    (uint8, "table_id"),
    (uint8[3],),
    (uint32, "active_count"),
    (uint64, "lookup_count"),
    (uint64, "matched_count"),
    name="ofp_table_stats",
    padding=8,
)

ofp_table_stats_reply = nstruct(
    (sequence(ofp_table_stats), "stats"),
    name="ofp_table_stats_reply",
    base=ofp_multipart_reply,
    classifyby=(OFPMP_TABLE,),
    init=packvalue(OFPMP_TABLE, "type"),
)

ofp_port_stats_request = nstruct(
    (ofp_port_no, "port_no"),
    (uint8[4],),
    name="ofp_port_stats_request",
    base=ofp_multipart_request,
    classifyby=(OFPMP_PORT_STATS,),
    init=packvalue(OFPMP_PORT_STATS, "type"),
)

ofp_port_stats = nstruct(
    (ofp_port_no, "port_no"),
    (uint8[4],),
    (uint64, "rx_packets"),
    (uint64, "tx_packets"),
    (uint64, "rx_bytes"),
    (uint64, "tx_bytes"),
    (uint64, "rx_dropped"),
    (uint64, "tx_dropped"),
    (uint64, "rx_errors"),
    (uint64, "tx_errors"),
    (uint64, "rx_frame_err"),
    (uint64, "rx_over_err"),
    (uint64, "rx_crc_err"),
    (uint64, "collisions"),
    (uint32, "duration_sec"),
    (uint32, "duration_nsec"),
    name="ofp_port_stats",
    padding=8,
)

ofp_port_stats_reply = nstruct(
    (sequence(ofp_port_stats), "stats"),
    name="ofp_port_stats_reply",
    base=ofp_multipart_reply,
    classifyby=(OFPMP_PORT_STATS,),
    init=packvalue(OFPMP_PORT_STATS, "type"),
)

ofp_port_desc_reply = nstruct(
    (sequence(ofp_port), "ports"),
    name="ofp_port_desc_reply",
    base=ofp_multipart_reply,
    classifyby=(OFPMP_PORT_DESC,),
    init=packvalue(OFPMP_PORT_DESC, "type"),
)

ofp_group_stats_request = nstruct(
    (ofp_group, "group_id"),
    (uint8[4],),
    name="ofp_group_stats_request",
    base=ofp_multipart_request,
    classifyby=(OFPMP_GROUP,),
    init=packvalue(OFPMP_GROUP, "type"),
)

ofp_bucket_counter = nstruct(
    (uint64, "packet_count"),
    (uint64, "byte_count"),
    name="ofp_bucket_counter",
    padding=8,
)

ofp_group_stats = nstruct(
    (uint16, "length"),
    (uint8[2],),
    (uint32, "group_id"),
    (uint32, "ref_count"),
    (uint8[4],),
    (uint64, "packet_count"),
    (uint64, "byte_count"),
    (uint32, "duration_sec"),
    (uint32, "duration_nsec"),
    (sequence(ofp_bucket_counter), "bucket_stats"),
    name="ofp_group_stats",
    padding=8,
    size=sizefromlen(65536, "length"),
    prepack=packsize("length"),
)

ofp_group_stats_reply = nstruct(
    (sequence(ofp_group_stats), "stats"),
    name="ofp_group_stats_reply",
    base=ofp_multipart_reply,
    classifyby=(OFPMP_GROUP,),
    init=packvalue(OFPMP_GROUP, "type"),
)

ofp_group_desc = nstruct(
    (uint16, "length"),
    (ofp_group_type, "type"),
    (uint8,),
    (uint32, "group_id"),
    (sequence(ofp_bucket), "buckets"),
    name="ofp_group_desc",
    padding=8,
    size=sizefromlen(65536, "length"),
    prepack=packsize("length"),
)

ofp_group_desc_reply = nstruct(
    (sequence(ofp_group_desc), "stats"),
    name="ofp_group_desc_reply",
    base=ofp_multipart_reply,
    classifyby=(OFPMP_GROUP_DESC,),
    init=packvalue(OFPMP_GROUP_DESC, "type"),
)

# Another name of the same type.
ofp_group_desc_stats = ofp_group_desc

ofp_group_features = nstruct(
    (ofp_group_type_bitwise, "types"),
    (ofp_group_capabilities, "capabilities"),
    (uint32[4], "max_groups"),
    (ofp_action_type_bitwise[4], "actions"),
    name="ofp_group_features",
    padding=8,
)

ofp_group_features_reply = nstruct(
    (ofp_group_features,),
    name="ofp_group_features_reply",
    base=ofp_multipart_reply,
    classifyby=(OFPMP_GROUP_FEATURES,),
    init=packvalue(OFPMP_GROUP_FEATURES, "type"),
)

ofp_meter_multipart_request = nstruct(
    (uint32, "meter_id"),
    (uint8[4],),
    name="ofp_meter_multipart_request",
    base=ofp_multipart_request,
    classifyby=(OFPMP_METER, OFPMP_METER_CONFIG),
    init=packvalue(OFPMP_METER, "type"),
)

ofp_meter_band_stats = nstruct(
    (uint64, "packet_band_count"),
    (uint64, "byte_band_count"),
    name="ofp_meter_band_stats",
    padding=8,
)

ofp_meter_stats = nstruct(
    (uint32, "meter_id"),
    (uint16, "len"),
    (uint8[6],),
    (uint32, "flow_count"),
    (uint64, "packet_in_count"),
    (uint64, "byte_in_count"),
    (uint32, "duration_sec"),
    (uint32, "duration_nsec"),
    (sequence(ofp_meter_band_stats), "band_stats"),
    name="ofp_meter_stats",
    padding=8,
    size=sizefromlen(65536, "len"),
    prepack=packsize("len"),
)

ofp_meter_stats_reply = nstruct(
    (sequence(ofp_meter_stats), "stats"),
    name="ofp_meter_stats_reply",
    base=ofp_multipart_reply,
    classifyby=(OFPMP_METER,),
    init=packvalue(OFPMP_METER, "type"),
)

ofp_meter_config = nstruct(
    (uint16, "length"),
    (ofp_meter_flags, "flags"),
    (uint32, "meter_id"),
    (sequence(ofp_meter_band), "bands"),
    name="ofp_meter_config",
    padding=8,
    size=sizefromlen(65536, "length"),
    prepack=packsize("length"),
)

ofp_meter_config_reply = nstruct(
    (sequence(ofp_meter_config), "stats"),
    name="ofp_meter_config_reply",
    base=ofp_multipart_reply,
    classifyby=(OFPMP_METER_CONFIG,),
    init=packvalue(OFPMP_METER_CONFIG, "type"),
)

ofp_meter_features = nstruct(
    (uint32, "max_meter"),
    (ofp_meter_band_type_bitwise, "band_types"),
    (ofp_meter_flags.astype(uint32), "capabilities"),
    (uint8, "max_bands"),
    (uint8, "max_color"),
    (uint8[2],),
    name="ofp_meter_features",
    padding=8,
)

ofp_meter_features_reply = nstruct(
    (ofp_meter_features,),
    name="ofp_meter_features_reply",
    base=ofp_multipart_reply,
    classifyby=(OFPMP_METER_FEATURES,),
    init=packvalue(OFPMP_METER_FEATURES, "type"),
)

# Experimenter messages (7.5.4)

ofp_experimenter_multipart_header = nstruct(
    (experimenter_ids, "experimenter"),
    (uint32, "exp_type"),
    name="ofp_experimenter_multipart_header",
    padding=8,
)

ofp_experimenter_multipart_request = nstruct(
    (ofp_experimenter_multipart_header,),
    name="ofp_experimenter_multipart_request",
    base=ofp_multipart_request,
    classifyby=(OFPMP_EXPERIMENTER,),
    init=packvalue(OFPMP_EXPERIMENTER, "type"),
)

ofp_experimenter_multipart_reply = nstruct(
    (ofp_experimenter_multipart_header,),
    name="ofp_experimenter_multipart_reply",
    base=ofp_multipart_reply,
    classifyby=(OFPMP_EXPERIMENTER,),
    init=packvalue(OFPMP_EXPERIMENTER, "type"),
)

ofp_experimenter = nstruct(
    (experimenter_ids, "experimenter"),
    (uint32, "exp_type"),
    name="ofp_experimenter",
    base=ofp_msg,
    classifyby=(OFPT_EXPERIMENTER,),
    init=packvalue(OFPT_EXPERIMENTER, "header", "type"),
)

# Queues (7.2.2, 7.3.6)

ofp_queue_prop_header = nstruct(
    (ofp_queue_properties, "property"),
    (uint16, "len"),
    (uint8[4],),
    name="ofp_queue_prop_header",
    padding=8,
)

ofp_queue_prop = nstruct(
    (ofp_queue_prop_header, "prop_header"),
    name="ofp_queue_prop",
    padding=8,
    size=sizefromlen(65536, "prop_header", "len"),
    prepack=packsize("prop_header", "len"),
    classifier=lambda x: x.prop_header.property,
)

ofp_queue_prop_min_rate = nstruct(
    (uint16, "rate"),
    (uint8[6],),
    name="ofp_queue_prop_min_rate",
    base=ofp_queue_prop,
    classifyby=(OFPQT_MIN_RATE,),
    init=packvalue(OFPQT_MIN_RATE, "prop_header", "property"),
)

ofp_queue_prop_max_rate = nstruct(
    (uint16, "rate"),
    (uint8[6],),
    name="ofp_queue_prop_max_rate",
    base=ofp_queue_prop,
    classifyby=(OFPQT_MAX_RATE,),
    init=packvalue(OFPQT_MAX_RATE, "prop_header", "property"),
)

ofp_queue_prop_experimenter = nstruct(
    (experimenter_ids, "experimenter"),
    (uint8[4],),
    (raw, "data"),
    name="ofp_queue_prop_experimenter",
    base=ofp_queue_prop,
    classifyby=(OFPQT_EXPERIMENTER,),
    init=packvalue(OFPQT_EXPERIMENTER, "prop_header", "property"),
)

ofp_packet_queue = nstruct(
    (uint32, "queue_id"),
    (uint32, "port"),
    (uint16, "len"),
    (uint8[6],),
    (sequence(ofp_queue_prop), "properties"),
    name="ofp_packet_queue",
    padding=8,
    size=sizefromlen(65536, "len"),
    prepack=packsize("len"),
)

ofp_queue_get_config_request = nstruct(
    (ofp_port_no, "port"),
    (uint8[4],),
    name="ofp_queue_get_config_request",
    base=ofp_msg,
    classifyby=(OFPT_QUEUE_GET_CONFIG_REQUEST,),
    init=packvalue(OFPT_QUEUE_GET_CONFIG_REQUEST, "header", "type"),
)

ofp_queue_get_config_reply = nstruct(
    (ofp_port_no, "port"),
    (uint8[4],),
    (sequence(ofp_packet_queue), "queues"),
    name="ofp_queue_get_config_reply",
    base=ofp_msg,
    classifyby=(OFPT_QUEUE_GET_CONFIG_REPLY,),
    init=packvalue(OFPT_QUEUE_GET_CONFIG_REPLY, "header", "type"),
)

ofp_action_set_queue = nstruct(
    (uint32, "queue_id"),
    name="ofp_action_set_queue",
    base=ofp_action,
    classifyby=(OFPAT_SET_QUEUE,),
    init=packvalue(OFPAT_SET_QUEUE, "type"),
)

ofp_queue_stats_request = nstruct(
    (ofp_port_no, "port_no"),
    (ofp_queue, "queue_id"),
    name="ofp_queue_stats_request",
    base=ofp_multipart_request,
    classifyby=(OFPMP_QUEUE,),
    init=packvalue(OFPMP_QUEUE, "type"),
)

ofp_queue_stats = nstruct(
    (uint32, "port_no"),
    (uint32, "queue_id"),
    (uint64, "tx_bytes"),
    (uint64, "tx_packets"),
    (uint64, "tx_errors"),
    (uint32, "duration_sec"),
    (uint32, "duration_nsec"),
    name="ofp_queue_stats",
    padding=8,
)

ofp_queue_stats_reply = nstruct(
    (sequence(ofp_queue_stats), "stats"),
    name="ofp_queue_stats_reply",
    base=ofp_multipart_reply,
    classifyby=(OFPMP_QUEUE,),
    init=packvalue(OFPMP_QUEUE, "type"),
)

# Roles and asynchronous messages (7.3.9, 7.3.10)

ofp_role_request = nstruct(
    (ofp_controller_role, "role"),
    (uint8[4],),
    (uint64, "generation_id"),
    name="ofp_role_request",
    base=ofp_msg,
    classifyby=(OFPT_ROLE_REQUEST, OFPT_ROLE_REPLY),
    init=packvalue(OFPT_ROLE_REQUEST, "header", "type"),
)

ofp_async_config = nstruct(
    (ofp_packet_in_reason_bitwise[2], "packet_in_mask"),
    (ofp_port_reason_bitwise[2], "port_status_mask"),
    (ofp_flow_removed_reason_bitwise[2], "flow_removed_mask"),
    name="ofp_async_config",
    base=ofp_msg,
    classifyby=(OFPT_GET_ASYNC_REPLY, OFPT_SET_ASYNC),
    init=packvalue(OFPT_SET_ASYNC, "header", "type"),
)

# Messages and actions of Nicira, which Open vSwitch extends

nicira_header = nstruct(
    name="nicira_header",
    base=ofp_experimenter,
    criteria=lambda x: x.experimenter == NX_VENDOR_ID,
    init=packvalue(NX_VENDOR_ID, "experimenter"),
    classifier=lambda x: x.exp_type,
    extend={"exp_type": nxt_subtype},
)

nx_action = nstruct(
    (nx_action_subtype, "exp_type"),
    name="nx_action",
    base=ofp_action_experimenter,
    criteria=lambda x: x.experimenter == NX_VENDOR_ID,
    init=packvalue(NX_VENDOR_ID, "experimenter"),
    classifier=lambda x: x.exp_type,
)

nx_stats_request = nstruct(
    name="nx_stats_request",
    base=ofp_experimenter_multipart_request,
    criteria=lambda x: x.experimenter == NX_VENDOR_ID,
    init=packvalue(NX_VENDOR_ID, "experimenter"),
    classifier=lambda x: x.exp_type,
    extend={"exp_type": nx_stats_subtype},
)

nx_stats_reply = nstruct(
    name="nx_stats_reply",
    base=ofp_experimenter_multipart_reply,
    criteria=lambda x: x.experimenter == NX_VENDOR_ID,
    init=packvalue(NX_VENDOR_ID, "experimenter"),
    classifier=lambda x: x.exp_type,
    extend={"exp_type": nx_stats_subtype},
)

_ERROR_CODES = {
    OFPET_BAD_INSTRUCTION: ofp_bad_instruction_code,
    OFPET_BAD_MATCH: ofp_bad_match_code,
    OFPET_FLOW_MOD_FAILED: ofp_flow_mod_failed_code,
    OFPET_GROUP_MOD_FAILED: ofp_group_mod_failed_code,
    OFPET_PORT_MOD_FAILED: ofp_port_mod_failed_code,
    OFPET_TABLE_MOD_FAILED: ofp_table_mod_failed_code,
    OFPET_QUEUE_OP_FAILED: ofp_queue_op_failed_code,
    OFPET_SWITCH_CONFIG_FAILED: ofp_switch_config_failed_code,
    OFPET_ROLE_REQUEST_FAILED: ofp_role_request_failed_code,
    OFPET_METER_MOD_FAILED: ofp_meter_mod_failed_code,
    OFPET_TABLE_FEATURES_FAILED: ofp_table_features_failed_code,
}
#: Error type to struct.
ofp_error_types = dict(_common_error_types)
ofp_error_types.update(
    (kind, ofp_error_typedef(kind, codes, OFP_VERSION, ofp_error_type)) for kind, codes in _ERROR_CODES.items()
)


def create_oxm(header, value=None, mask=None):
    """Create one field of a match or of a set-field action.

    :param header: an ``OXM_*`` or ``NXM_*`` constant; the length of the field follows from it
    :param value: the value as an integer, as bytes in network order, or as a list of byte values; None for zero
    :param mask: the mask in the same forms; only for headers with a mask (``*_W``), where None stands for all bits, or
        for no bits when the value is None too
    :return: a struct based on :data:`ofp_oxm`
    :raises ValueError: when value or mask do not fit, or a mask comes with a header without one
    """
    return _FIELDS.create(header, value, mask)


def get_oxm(fields, header):
    """Return the value of a field in a match.

    :param fields: list of :data:`ofp_oxm`, for instance ``message.match.oxm_fields``
    :param header: an ``OXM_*`` or ``NXM_*`` constant
    :return: bytes; for a header with a mask a tuple of value and mask. A field that is missing reads as zero, since
        switches leave out of a packet-in the registers that are zero.
    """
    masked = OXM_HASMASK(header)
    for field in fields:
        if field.header == header:
            return (field.value, field.mask) if masked else field.value
    length = OXM_LENGTH(header)
    return (bytes(length // 2), bytes(length // 2)) if masked else bytes(length)


create_nxm = create_oxm

# The Nicira matches use the structs of this version's own ones.
nx_match = ofp_oxm
nx_match_mask = ofp_oxm_mask
nx_match_nomask = ofp_oxm_nomask

nicira_ext.create_extension(
    globals(),
    nicira_header,
    nx_action,
    nx_stats_request,
    nx_stats_reply,
    ofp_vendor_subtype,
    ofp_action_vendor_subtype,
    ofp_stats_vendor_subtype,
)

_FIELDS = FieldTypes(ofp_oxm_nomask, ofp_oxm_mask, nx_match_nomask_ext, nx_match_mask_ext)
