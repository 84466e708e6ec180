"""OpenFlow 1.0 messages, matches and actions (OpenFlow Switch Specification 1.0.0).

All names of the specification are attributes of this module; with them come those of :mod:`.common`, of
:mod:`vlcp.utils.ethernet` and, built on the vendor structs of this version, those of :mod:`.nicira_ext`.
"""

from __future__ import annotations

from namedstruct.namedstruct import packsize

from . import common, nicira_ext
from ._fields import FieldTypes, raw_of
from ._types import nstruct, sequence
from .common import *  # noqa: F403 - one namespace for each version
from .common import ofp_error_types as _common_error_types
from .nicira_ext import *  # noqa: F403 - one namespace for each version
from ._openflow10_enums import *  # noqa: F403 - names of this version come before those of the others

ethtype_raw = raw_of(ethertype)
arpop_raw = raw_of(arp_op_code)
ip_protocol_raw = raw_of(ip_protocol)


def _ofp_packet_out_actions_packsize(x):
    """Store the length of the actions of a packet-out."""
    x.actions_len = x._realsize() - 2


ofp_msg = nstruct(
    name="ofp_msg",
    base=ofp_msg_mutable,
    classifyby=(OFP_VERSION,),
    init=packvalue(OFP_VERSION, "header", "version"),
    classifier=lambda x: x.header.type,
    extend={("header", "type"): ofp_type},
)

# Ports, features and configuration (5.2.1, 5.3.1, 5.3.2)

ofp_phy_port = nstruct(
    (ofp_port, "port_no"),
    (mac_addr, "hw_addr"),
    (char[16], "name"),
    (ofp_port_config, "config"),
    (ofp_port_state, "state"),
    (ofp_port_features, "curr"),
    (ofp_port_features, "advertised"),
    (ofp_port_features, "supported"),
    (ofp_port_features, "peer"),
    name="ofp_phy_port",
    padding=8,
)

ofp_switch_features = nstruct(
    (uint64, "datapath_id"),
    (uint32, "n_buffers"),
    (uint8, "n_tables"),
    (uint8[3],),
    (ofp_capabilities, "capabilities"),
    (ofp_action_type_bitwise, "actions"),
    (sequence(ofp_phy_port), "ports"),
    name="ofp_switch_features",
    base=ofp_msg,
    classifyby=(OFPT_FEATURES_REPLY,),
    init=packvalue(OFPT_FEATURES_REPLY, "header", "type"),
)

ofp_switch_config = nstruct(
    (ofp_config_flags, "flags"),
    (uint16, "miss_send_len"),
    name="ofp_switch_config",
    base=ofp_msg,
    classifyby=(OFPT_GET_CONFIG_REPLY, OFPT_SET_CONFIG),
    init=packvalue(OFPT_SET_CONFIG, "header", "type"),
)

ofp_port_status = nstruct(
    (ofp_port_reason, "reason"),
    (uint8[7],),
    (ofp_phy_port, "desc"),
    name="ofp_port_status",
    base=ofp_msg,
    classifyby=(OFPT_PORT_STATUS,),
    init=packvalue(OFPT_PORT_STATUS, "header", "type"),
)

ofp_port_mod = nstruct(
    (ofp_port, "port_no"),
    (mac_addr, "hw_addr"),
    (ofp_port_config, "config"),
    (ofp_port_config, "mask"),
    (ofp_port_features, "advertise"),
    (uint8[4],),
    name="ofp_port_mod",
    base=ofp_msg,
    classifyby=(OFPT_PORT_MOD,),
    init=packvalue(OFPT_PORT_MOD, "header", "type"),
)

# Actions (5.2.4)

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
    (ofp_port, "port"),
    (uint16, "max_len"),
    name="ofp_action_output",
    base=ofp_action,
    classifyby=(OFPAT_OUTPUT,),
    init=packvalue(OFPAT_OUTPUT, "type"),
)

ofp_action_enqueue = nstruct(
    (uint16, "port"),
    (uint8[6],),
    (uint32, "queue_id"),
    name="ofp_action_enqueue",
    base=ofp_action,
    classifyby=(OFPAT_ENQUEUE,),
    init=packvalue(OFPAT_ENQUEUE, "type"),
)

ofp_action_vlan_vid = nstruct(
    (uint16, "vlan_vid"),
    (uint8[2],),
    name="ofp_action_vlan_vid",
    base=ofp_action,
    classifyby=(OFPAT_SET_VLAN_VID,),
    init=packvalue(OFPAT_SET_VLAN_VID, "type"),
)

ofp_action_vlan_pcp = nstruct(
    (uint8, "vlan_pcp"),
    (uint8[3],),
    name="ofp_action_vlan_pcp",
    base=ofp_action,
    classifyby=(OFPAT_SET_VLAN_PCP,),
    init=packvalue(OFPAT_SET_VLAN_PCP, "type"),
)

ofp_action_dl_addr = nstruct(
    (mac_addr, "dl_addr"),
    (uint8[6],),
    name="ofp_action_dl_addr",
    base=ofp_action,
    classifyby=(OFPAT_SET_DL_SRC, OFPAT_SET_DL_DST),
    init=packvalue(OFPAT_SET_DL_SRC, "type"),
)

ofp_action_nw_addr = nstruct(
    (ip4_addr, "nw_addr"),
    name="ofp_action_nw_addr",
    base=ofp_action,
    classifyby=(OFPAT_SET_NW_SRC, OFPAT_SET_NW_DST),
    init=packvalue(OFPAT_SET_NW_SRC, "type"),
)

ofp_action_nw_tos = nstruct(
    (uint8, "nw_tos"),
    (uint8[3],),
    name="ofp_action_nw_tos",
    base=ofp_action,
    classifyby=(OFPAT_SET_NW_TOS,),
    init=packvalue(OFPAT_SET_NW_TOS, "type"),
)

ofp_action_tp_port = nstruct(
    (uint16, "tp_port"),
    (uint8[2],),
    name="ofp_action_tp_port",
    base=ofp_action,
    classifyby=(OFPAT_SET_TP_SRC, OFPAT_SET_TP_DST),
    init=packvalue(OFPAT_SET_TP_SRC, "type"),
)

ofp_action_vendor = nstruct(
    (experimenter_ids, "vendor"),
    name="ofp_action_vendor",
    base=ofp_action,
    classifyby=(OFPAT_VENDOR,),
    init=packvalue(OFPAT_VENDOR, "type"),
)

# Flows (5.2.3, 5.3.3, 5.4.2)

ofp_match = nstruct(
    (ofp_flow_wildcards, "wildcards"),
    (ofp_port, "in_port"),
    (mac_addr, "dl_src"),
    (mac_addr, "dl_dst"),
    (uint16, "dl_vlan"),
    (uint8, "dl_vlan_pcp"),
    (uint8[1],),
    (ethertype, "dl_type"),
    (uint8, "nw_tos"),
    (uint8, "nw_proto"),
    (uint8[2],),
    (ip4_addr, "nw_src"),
    (ip4_addr, "nw_dst"),
    (uint16, "tp_src"),
    (uint16, "tp_dst"),
    name="ofp_match",
    padding=8,
)

ofp_flow_mod = nstruct(
    (ofp_match, "match"),
    (uint64, "cookie"),
    (ofp_flow_mod_command, "command"),
    (uint16, "idle_timeout"),
    (uint16, "hard_timeout"),
    (uint16, "priority"),
    (uint32, "buffer_id"),
    (ofp_port, "out_port"),
    (ofp_flow_mod_flags, "flags"),
    (sequence(ofp_action), "actions"),
    name="ofp_flow_mod",
    base=ofp_msg,
    classifyby=(OFPT_FLOW_MOD,),
    init=packvalue(OFPT_FLOW_MOD, "header", "type"),
)

ofp_flow_removed = nstruct(
    (ofp_match, "match"),
    (uint64, "cookie"),
    (uint16, "priority"),
    (ofp_flow_removed_reason, "reason"),
    (uint8[1],),
    (uint32, "duration_sec"),
    (uint32, "duration_nsec"),
    (uint16, "idle_timeout"),
    (uint8[2],),
    (uint64, "packet_count"),
    (uint64, "byte_count"),
    name="ofp_flow_removed",
    base=ofp_msg,
    classifyby=(OFPT_FLOW_REMOVED,),
    init=packvalue(OFPT_FLOW_REMOVED, "header", "type"),
)

# Packets (5.3.6, 5.4.1)

ofp_packet_out_actions = nstruct(
    (uint16, "actions_len"),
    (sequence(ofp_action), "actions"),
    name="ofp_packet_out_actions",
    padding=1,
    size=lambda x: x.actions_len + 2,
    prepack=_ofp_packet_out_actions_packsize,
)

ofp_packet_out = nstruct(
    (uint32, "buffer_id"),
    (ofp_port, "in_port"),
    (ofp_packet_out_actions,),
    (raw, "data"),
    name="ofp_packet_out",
    base=ofp_msg,
    classifyby=(OFPT_PACKET_OUT,),
    init=packvalue(OFPT_PACKET_OUT, "header", "type"),
)

ofp_packet_in = nstruct(
    (uint32, "buffer_id"),
    (uint16, "total_len"),
    (ofp_port, "in_port"),
    (ofp_packet_in_reason, "reason"),
    (uint8,),
    (raw, "data"),
    name="ofp_packet_in",
    base=ofp_msg,
    classifyby=(OFPT_PACKET_IN,),
    init=packvalue(OFPT_PACKET_IN, "header", "type"),
)

# Queues (5.2.2, 5.3.4)

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

ofp_packet_queue = nstruct(
    (uint32, "queue_id"),
    (uint16, "len"),
    (uint8[2],),
    (sequence(ofp_queue_prop), "properties"),
    name="ofp_packet_queue",
    padding=8,
    size=sizefromlen(65536, "len"),
    prepack=packsize("len"),
)

ofp_queue_get_config_request = nstruct(
    (uint16, "port"),
    (uint8[2],),
    name="ofp_queue_get_config_request",
    base=ofp_msg,
    classifyby=(OFPT_QUEUE_GET_CONFIG_REQUEST,),
    init=packvalue(OFPT_QUEUE_GET_CONFIG_REQUEST, "header", "type"),
)

ofp_queue_get_config_reply = nstruct(
    (uint16, "port"),
    (uint8[6],),
    (sequence(ofp_packet_queue), "queues"),
    name="ofp_queue_get_config_reply",
    base=ofp_msg,
    classifyby=(OFPT_QUEUE_GET_CONFIG_REPLY,),
    init=packvalue(OFPT_QUEUE_GET_CONFIG_REPLY, "header", "type"),
)

# Statistics (5.3.5)

ofp_stats_msg = nstruct(
    (ofp_stats_types, "type"),
    (ofp_stats_reply_flags, "flags"),
    name="ofp_stats_msg",
    base=ofp_msg,
    classifyby=(OFPT_STATS_REQUEST, OFPT_STATS_REPLY),
    init=packvalue(OFPT_STATS_REQUEST, "header", "type"),
)

ofp_stats_request = nstruct(
    name="ofp_stats_request",
    base=ofp_stats_msg,
    criteria=lambda x: x.header.type == OFPT_STATS_REQUEST,
    init=packvalue(OFPT_STATS_REQUEST, "header", "type"),
    classifier=lambda x: x.type,
)

ofp_stats_reply = nstruct(
    name="ofp_stats_reply",
    base=ofp_stats_msg,
    criteria=lambda x: x.header.type == OFPT_STATS_REPLY,
    init=packvalue(OFPT_STATS_REPLY, "header", "type"),
    classifier=lambda x: x.type,
)

ofp_desc_stats = nstruct(
    (char[256], "mfr_desc"),
    (char[256], "hw_desc"),
    (char[256], "sw_desc"),
    (char[32], "serial_num"),
    (char[256], "dp_desc"),
    name="ofp_desc_stats",
    padding=8,
)

ofp_desc_stats_reply = nstruct(
    (ofp_desc_stats,),
    name="ofp_desc_stats_reply",
    base=ofp_stats_reply,
    classifyby=(OFPST_DESC,),
    init=packvalue(OFPST_DESC, "type"),
)

ofp_flow_stats_request = nstruct(
    (ofp_match, "match"),
    (ofp_table, "table_id"),
    (uint8,),
    (ofp_port, "out_port"),
    name="ofp_flow_stats_request",
    base=ofp_stats_request,
    classifyby=(OFPST_FLOW,),
    init=packvalue(OFPST_FLOW, "type"),
)

ofp_flow_stats = nstruct(
    (uint16, "length"),
    (uint8, "table_id"),
    (uint8,),
    (ofp_match, "match"),
    (uint32, "duration_sec"),
    (uint32, "duration_nsec"),
    (uint16, "priority"),
    (uint16, "idle_timeout"),
    (uint16, "hard_timeout"),
    (uint8[6],),
    (uint64, "cookie"),
    (uint64, "packet_count"),
    (uint64, "byte_count"),
    (sequence(ofp_action), "actions"),
    name="ofp_flow_stats",
    padding=8,
    size=sizefromlen(65536, "length"),
    prepack=packsize("length"),
)

ofp_flow_stats_reply = nstruct(
    (sequence(ofp_flow_stats), "stats"),
    name="ofp_flow_stats_reply",
    base=ofp_stats_reply,
    classifyby=(OFPST_FLOW,),
    init=packvalue(OFPST_FLOW, "type"),
)

ofp_aggregate_stats_request = nstruct(
    (ofp_match, "match"),
    (ofp_table, "table_id"),
    (uint8,),
    (ofp_port, "out_port"),
    name="ofp_aggregate_stats_request",
    base=ofp_stats_request,
    classifyby=(OFPST_AGGREGATE,),
    init=packvalue(OFPST_AGGREGATE, "type"),
)

ofp_aggregate_stats_reply = nstruct(
    (uint64, "packet_count"),
    (uint64, "byte_count"),
    (uint32, "flow_count"),
    (uint8[4],),
    name="ofp_aggregate_stats_reply",
    base=ofp_stats_reply,
    classifyby=(OFPST_AGGREGATE,),
    init=packvalue(OFPST_AGGREGATE, "type"),
)

ofp_table_stats = nstruct(
    (uint8, "table_id"),
    (uint8[3],),
    (char[32], "name"),
    (ofp_flow_wildcards, "wildcards"),
    (uint32, "max_entries"),
    (uint32, "active_count"),
    (uint64, "lookup_count"),
    (uint64, "matched_count"),
    name="ofp_table_stats",
    padding=8,
)

ofp_table_stats_reply = nstruct(
    (sequence(ofp_table_stats), "stats"),
    name="ofp_table_stats_reply",
    base=ofp_stats_reply,
    classifyby=(OFPST_TABLE,),
    init=packvalue(OFPST_TABLE, "type"),
)

ofp_port_stats_request = nstruct(
    (ofp_port, "port_no"),
    (uint8[6],),
    name="ofp_port_stats_request",
    base=ofp_stats_request,
    classifyby=(OFPST_PORT,),
    init=packvalue(OFPST_PORT, "type"),
)

ofp_port_stats = nstruct(
    (uint16, "port_no"),
    (uint8[6],),
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
    name="ofp_port_stats",
    padding=8,
)

ofp_port_stats_reply = nstruct(
    (sequence(ofp_port_stats), "stats"),
    name="ofp_port_stats_reply",
    base=ofp_stats_reply,
    classifyby=(OFPST_PORT,),
    init=packvalue(OFPST_PORT, "type"),
)

ofp_queue_stats_request = nstruct(
    (ofp_port, "port_no"),
    (uint8[2],),
    (ofp_queue, "queue_id"),
    name="ofp_queue_stats_request",
    base=ofp_stats_request,
    classifyby=(OFPST_QUEUE,),
    init=packvalue(OFPST_QUEUE, "type"),
)

ofp_queue_stats = nstruct(
    (uint16, "port_no"),
    (uint8[2],),
    (uint32, "queue_id"),
    (uint64, "tx_bytes"),
    (uint64, "tx_packets"),
    (uint64, "tx_errors"),
    name="ofp_queue_stats",
    padding=8,
)

ofp_queue_stats_reply = nstruct(
    (sequence(ofp_queue_stats), "stats"),
    name="ofp_queue_stats_reply",
    base=ofp_stats_reply,
    classifyby=(OFPST_QUEUE,),
    init=packvalue(OFPST_QUEUE, "type"),
)

ofp_vendor_stats_request = nstruct(
    (experimenter_ids, "vendor"),
    name="ofp_vendor_stats_request",
    base=ofp_stats_request,
    classifyby=(OFPST_VENDOR,),
    init=packvalue(OFPST_VENDOR, "type"),
)

ofp_vendor_stats_reply = nstruct(
    (experimenter_ids, "vendor"),
    name="ofp_vendor_stats_reply",
    base=ofp_stats_reply,
    classifyby=(OFPST_VENDOR,),
    init=packvalue(OFPST_VENDOR, "type"),
)

# Messages and actions of Nicira, which Open vSwitch extends

ofp_vendor = nstruct(
    (experimenter_ids, "vendor"),
    name="ofp_vendor",
    base=ofp_msg,
    classifyby=(OFPT_VENDOR,),
    init=packvalue(OFPT_VENDOR, "header", "type"),
)

nicira_header = nstruct(
    (nxt_subtype, "subtype"),
    name="nicira_header",
    base=ofp_vendor,
    criteria=lambda x: x.vendor == NX_VENDOR_ID,
    init=packvalue(NX_VENDOR_ID, "vendor"),
    classifier=lambda x: x.subtype,
)

nx_action = nstruct(
    (nx_action_subtype, "subtype"),
    name="nx_action",
    base=ofp_action_vendor,
    criteria=lambda x: x.vendor == NX_VENDOR_ID,
    init=packvalue(NX_VENDOR_ID, "vendor"),
    classifier=lambda x: x.subtype,
)

nx_stats_request = nstruct(
    (nx_stats_subtype, "subtype"),
    (uint8[4],),
    name="nx_stats_request",
    base=ofp_vendor_stats_request,
    criteria=lambda x: x.vendor == NX_VENDOR_ID,
    init=packvalue(NX_VENDOR_ID, "vendor"),
    classifier=lambda x: x.subtype,
)

nx_stats_reply = nstruct(
    (nx_stats_subtype, "subtype"),
    (uint8[4],),
    name="nx_stats_reply",
    base=ofp_vendor_stats_reply,
    criteria=lambda x: x.vendor == NX_VENDOR_ID,
    init=packvalue(NX_VENDOR_ID, "vendor"),
    classifier=lambda x: x.subtype,
)

_ERROR_CODES = {
    OFPET_FLOW_MOD_FAILED: ofp_flow_mod_failed_code,
    OFPET_PORT_MOD_FAILED: ofp_port_mod_failed_code,
    OFPET_QUEUE_OP_FAILED: ofp_queue_op_failed_code,
}
#: Error type to struct.
ofp_error_types = dict(_common_error_types)
ofp_error_types.update(
    (kind, ofp_error_typedef(kind, codes, OFP_VERSION, ofp_error_type)) for kind, codes in _ERROR_CODES.items()
)

# Extensible matches of Nicira; those of OpenFlow 1.0 have a fixed form

nx_match = nstruct(
    (nxm_header, "header"),
    name="nx_match",
    padding=1,
    size=lambda x: NXM_LENGTH(x.header) + 4,
)

nx_match_nomask = nstruct(
    (raw, "value"),
    name="nx_match_nomask",
    base=nx_match,
    criteria=lambda x: not NXM_HASMASK(x.header),
    init=packvalue(NXM_OF_IN_PORT, "header"),
    classifier=lambda x: x.header,
)

_nxm_mask_value = nstruct(
    (raw, "value"),
    name="nxm_mask_value",
    padding=1,
    size=lambda x: NXM_LENGTH(x.header) // 2,
)

nx_match_mask = nstruct(
    (_nxm_mask_value,),
    (raw, "mask"),
    name="nx_match_mask",
    base=nx_match,
    criteria=lambda x: NXM_HASMASK(x.header),
    init=packvalue(NXM_OF_ETH_SRC_W, "header"),
    classifier=lambda x: x.header,
)

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

_FIELDS = FieldTypes(nx_match_nomask, nx_match_mask, nx_match_nomask_ext, nx_match_mask_ext)


def create_nxm(header, value=None, mask=None):
    """Create one field of a Nicira match.

    :param header: an ``NXM_*`` constant; the length of the field follows from it
    :param value: the value as an integer, as bytes in network order, or as a list of byte values; None for zero
    :param mask: the mask in the same forms; only for headers with a mask (``*_W``), where None stands for all bits, or
        for no bits when the value is None too
    :return: a struct based on :data:`nx_match`
    :raises ValueError: when value or mask do not fit, or a mask comes with a header without one
    """
    return _FIELDS.create(header, value, mask)
