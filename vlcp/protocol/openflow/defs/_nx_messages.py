# ruff: noqa: F403, F405 - the names of the enumerations
"""Nicira messages that are not about flows: packet-in formats, roles, asynchronous configuration, TLV tables, IPFIX."""

from __future__ import annotations

from namedstruct.namedstruct import packrealsize, packvalue, raw, sizefromlen
from namedstruct.stdprim import uint8, uint16, uint32, uint64

from ._nx_enums import *
from ._types import export, nstruct, sequence


def define(namespace):
    """Define the structs of this part in the namespace of one OpenFlow version.

    :param namespace: dictionary of the version's names; read for the base structs, and updated
    """
    ofp_packet_in_reason = namespace["ofp_packet_in_reason"]
    ofp_packet_in_reason_bitwise = namespace["ofp_packet_in_reason_bitwise"]
    ofp_port_reason_bitwise = namespace["ofp_port_reason_bitwise"]
    ofp_flow_removed_reason_bitwise = namespace["ofp_flow_removed_reason_bitwise"]
    nx_match = namespace["nx_match"]
    nx_matches = namespace["nx_matches"]
    nicira_header = namespace["nicira_header"]
    nx_stats_request = namespace["nx_stats_request"]
    nx_stats_reply = namespace["nx_stats_reply"]
    msg_subtype = namespace["msg_subtype"]
    stats_subtype = namespace["stats_subtype"]

    nx_flow_mod_table_id = nstruct(
        (uint8, "set"),
        (uint8[7],),
        name="nx_flow_mod_table_id",
        base=nicira_header,
        classifyby=(NXT_FLOW_MOD_TABLE_ID,),
        init=packvalue(NXT_FLOW_MOD_TABLE_ID, msg_subtype),
    )

    nx_set_packet_in_format = nstruct(
        (nx_packet_in_format, "format"),
        name="nx_set_packet_in_format",
        base=nicira_header,
        classifyby=(NXT_SET_PACKET_IN_FORMAT,),
        init=packvalue(NXT_SET_PACKET_IN_FORMAT, msg_subtype),
    )

    nx_packet_in = nstruct(
        (uint32, "buffer_id"),
        (uint16, "total_len"),
        (uint8, "reason"),
        (uint8, "table_id"),
        (uint64, "cookie"),
        (uint16, "match_len"),
        (uint8[6],),
        (nx_matches,),
        (uint8[2],),
        (raw, "data"),
        name="nx_packet_in",
        base=nicira_header,
        classifyby=(NXT_PACKET_IN,),
        init=packvalue(NXT_PACKET_IN, msg_subtype),
    )

    nx_packet_in2_prop = nstruct(
        (nx_packet_in2_prop_type, "type"),
        (uint16, "len"),
        name="nx_packet_in2_prop",
        padding=8,
        size=sizefromlen(65536, "len"),
        prepack=packrealsize("len"),
        classifier=lambda x: x.type,
    )

    nx_packet_in2_prop_packet = nstruct(
        (raw, "value"),
        name="nx_packet_in2_prop_packet",
        base=nx_packet_in2_prop,
        classifyby=(NXPINT_PACKET,),
        init=packvalue(NXPINT_PACKET, "type"),
    )

    nx_packet_in2_prop_full_len = nstruct(
        (uint32, "value"),
        name="nx_packet_in2_prop_full_len",
        base=nx_packet_in2_prop,
        classifyby=(NXPINT_FULL_LEN,),
        init=packvalue(NXPINT_FULL_LEN, "type"),
    )

    nx_packet_in2_prop_buffer_id = nstruct(
        (uint32, "value"),
        name="nx_packet_in2_prop_buffer_id",
        base=nx_packet_in2_prop,
        classifyby=(NXPINT_BUFFER_ID,),
        init=packvalue(NXPINT_BUFFER_ID, "type"),
    )

    nx_packet_in2_prop_table_id = nstruct(
        (uint8, "value"),
        name="nx_packet_in2_prop_table_id",
        base=nx_packet_in2_prop,
        classifyby=(NXPINT_TABLE_ID,),
        init=packvalue(NXPINT_TABLE_ID, "type"),
    )

    nx_packet_in2_prop_cookie = nstruct(
        (uint32,),
        (uint64, "value"),
        name="nx_packet_in2_prop_cookie",
        base=nx_packet_in2_prop,
        classifyby=(NXPINT_COOKIE,),
        init=packvalue(NXPINT_COOKIE, "type"),
    )

    nx_packet_in2_prop_reason = nstruct(
        (ofp_packet_in_reason, "value"),
        name="nx_packet_in2_prop_reason",
        base=nx_packet_in2_prop,
        classifyby=(NXPINT_REASON,),
        init=packvalue(NXPINT_REASON, "type"),
    )

    nx_packet_in2_prop_metadata = nstruct(
        (sequence(nx_match), "value"),
        name="nx_packet_in2_prop_metadata",
        base=nx_packet_in2_prop,
        classifyby=(NXPINT_METADATA,),
        init=packvalue(NXPINT_METADATA, "type"),
    )

    nx_packet_in2_prop_userdata = nstruct(
        (raw, "value"),
        name="nx_packet_in2_prop_userdata",
        base=nx_packet_in2_prop,
        classifyby=(NXPINT_USERDATA,),
        init=packvalue(NXPINT_USERDATA, "type"),
    )

    nx_packet_in2_prop_continuation = nstruct(
        (raw, "value"),
        name="nx_packet_in2_prop_continuation",
        base=nx_packet_in2_prop,
        classifyby=(NXPINT_CONTINUATION,),
        init=packvalue(NXPINT_CONTINUATION, "type"),
    )

    nx_packet_in2 = nstruct(
        (sequence(nx_packet_in2_prop), "properties"),
        name="nx_packet_in2",
        base=nicira_header,
        classifyby=(NXT_PACKET_IN2,),
        init=packvalue(NXT_PACKET_IN2, msg_subtype),
    )

    nx_flow_age = nstruct(
        name="nx_flow_age",
        base=nicira_header,
        classifyby=(NXT_FLOW_AGE,),
        init=packvalue(NXT_FLOW_AGE, msg_subtype),
    )

    nx_role_request = nstruct(
        (nx_role, "role"),
        name="nx_role_request",
        base=nicira_header,
        classifyby=(NXT_ROLE_REQUEST, NXT_ROLE_REPLY),
        init=packvalue(NXT_ROLE_REQUEST, msg_subtype),
    )

    nx_async_config = nstruct(
        (ofp_packet_in_reason_bitwise[2], "packet_in_mask"),
        (ofp_port_reason_bitwise[2], "port_status_mask"),
        (ofp_flow_removed_reason_bitwise[2], "flow_removed_mask"),
        name="nx_async_config",
        base=nicira_header,
        classifyby=(NXT_SET_ASYNC_CONFIG,),
        init=packvalue(NXT_SET_ASYNC_CONFIG, msg_subtype),
    )

    nx_async_config2_prop = nstruct(
        (ofp_async_config_prop_type, "type"),
        (uint16, "length"),
        name="nx_async_config2_prop",
        padding=8,
        size=sizefromlen(65536, "length"),
        prepack=packrealsize("length"),
        classifier=lambda x: x.type,
    )

    nx_async_config2_prop_reasons = nstruct(
        (uint32, "mask"),
        name="nx_async_config2_prop_reasons",
        base=nx_async_config2_prop,
        classifyby=tuple(range(OFPACPT_PACKET_IN_SLAVE, OFPACPT_REQUESTFORWARD_MASTER + 1)),
        classifier=lambda x: x.type,
    )

    nx_async_config2_prop_reasons_packet_in = nstruct(
        name="nx_async_config2_prop_reasons_packet_in",
        base=nx_async_config2_prop_reasons,
        classifyby=(OFPACPT_PACKET_IN_SLAVE, OFPACPT_PACKET_IN_MASTER),
        init=packvalue(OFPACPT_PACKET_IN_SLAVE, "type"),
        extend={"mask": ofp_packet_in_reason_bitwise},
    )

    nx_async_config2_prop_reasons_port_status = nstruct(
        name="nx_async_config2_prop_reasons_port_status",
        base=nx_async_config2_prop_reasons,
        classifyby=(OFPACPT_PORT_STATUS_SLAVE, OFPACPT_PORT_STATUS_MASTER),
        init=packvalue(OFPACPT_PORT_STATUS_SLAVE, "type"),
        extend={"mask": ofp_port_reason_bitwise},
    )

    nx_async_config2_prop_reasons_flow_removed = nstruct(
        name="nx_async_config2_prop_reasons_flow_removed",
        base=nx_async_config2_prop_reasons,
        classifyby=(OFPACPT_FLOW_REMOVED_SLAVE, OFPACPT_FLOW_REMOVED_MASTER),
        init=packvalue(OFPACPT_FLOW_REMOVED_SLAVE, "type"),
        extend={"mask": ofp_flow_removed_reason_bitwise},
    )

    nx_async_config2_prop_reasons_role_status = nstruct(
        name="nx_async_config2_prop_reasons_role_status",
        base=nx_async_config2_prop_reasons,
        classifyby=(OFPACPT_ROLE_STATUS_SLAVE, OFPACPT_ROLE_STATUS_MASTER),
        init=packvalue(OFPACPT_ROLE_STATUS_SLAVE, "type"),
        extend={"mask": ofp_controller_role_reason_bitwise},
    )

    nx_async_config2_prop_reasons_table = nstruct(
        name="nx_async_config2_prop_reasons_table",
        base=nx_async_config2_prop_reasons,
        classifyby=(OFPACPT_TABLE_STATUS_SLAVE, OFPACPT_TABLE_STATUS_MASTER),
        init=packvalue(OFPACPT_TABLE_STATUS_SLAVE, "type"),
        extend={"mask": ofp_table_reason_bitwise},
    )

    nx_async_config2_prop_reasons_requestforward = nstruct(
        name="nx_async_config2_prop_reasons_requestforward",
        base=nx_async_config2_prop_reasons,
        classifyby=(OFPACPT_REQUESTFORWARD_SLAVE, OFPACPT_REQUESTFORWARD_MASTER),
        init=packvalue(OFPACPT_REQUESTFORWARD_SLAVE, "type"),
        extend={"mask": ofp_requestforward_reason_bitwise},
    )

    nx_async_config2_prop_experimenter = nstruct(
        (experimenter_ids, "experimenter"),
        (uint32, "exp_type"),
        name="nx_async_config2_prop_experimenter",
        base=nx_async_config2_prop,
        classifyby=(OFPTFPT_EXPERIMENTER_SLAVE, OFPTFPT_EXPERIMENTER_MASTER),
        init=packvalue(OFPTFPT_EXPERIMENTER_SLAVE, "type"),
    )

    nx_async_config2 = nstruct(
        (sequence(nx_async_config2_prop), "properties"),
        name="nx_async_config2",
        base=nicira_header,
        classifyby=(NXT_SET_ASYNC_CONFIG2,),
        init=packvalue(NXT_SET_ASYNC_CONFIG2, msg_subtype),
    )

    nx_set_flow_format = nstruct(
        (nx_flow_format, "format"),
        name="nx_set_flow_format",
        base=nicira_header,
        classifyby=(NXT_SET_FLOW_FORMAT,),
        init=packvalue(NXT_SET_FLOW_FORMAT, msg_subtype),
    )

    nx_controller_id = nstruct(
        (uint8[6],),
        (uint16, "controller_id"),
        name="nx_controller_id",
        base=nicira_header,
        classifyby=(NXT_SET_CONTROLLER_ID,),
        init=packvalue(NXT_SET_CONTROLLER_ID, msg_subtype),
    )

    nx_tlv_map = nstruct(
        (uint16, "option_class"),
        (uint8, "option_type"),
        (uint8, "option_len"),
        (uint16, "index"),
        (uint8[2],),
        name="nx_tlv_map",
        padding=8,
    )

    nx_tlv_table_mod = nstruct(
        (nx_tlv_table_mod_command, "command"),
        (uint8[6],),
        (sequence(nx_tlv_map), "maps"),
        name="nx_tlv_table_mod",
        base=nicira_header,
        classifyby=(NXT_TLV_TABLE_MOD,),
        init=packvalue(NXT_TLV_TABLE_MOD, msg_subtype),
    )

    nx_tlv_table_request = nstruct(
        name="nx_tlv_table_request",
        base=nicira_header,
        classifyby=(NXT_TLV_TABLE_REQUEST,),
        init=packvalue(NXT_TLV_TABLE_REQUEST, msg_subtype),
    )

    nx_tlv_table_reply = nstruct(
        (uint32, "max_option_space"),
        (uint16, "max_fields"),
        (uint8[10],),
        (sequence(nx_tlv_map), "maps"),
        name="nx_tlv_table_reply",
        base=nicira_header,
        classifyby=(NXT_TLV_TABLE_REPLY,),
        init=packvalue(NXT_TLV_TABLE_REPLY, msg_subtype),
    )

    nx_resume = nstruct(
        (sequence(nx_packet_in2_prop), "properties"),
        name="nx_resume",
        base=nicira_header,
        classifyby=(NXT_RESUME,),
        init=packvalue(NXT_RESUME, msg_subtype),
    )

    nx_zone_id = nstruct(
        (uint8[6],),
        (uint16, "zone_id"),
        name="nx_zone_id",
        base=nicira_header,
        classifyby=(NXT_CT_FLUSH_ZONE,),
        init=packvalue(NXT_CT_FLUSH_ZONE, msg_subtype),
    )

    nx_ipfix_bridge_stats_request = nstruct(
        name="nx_ipfix_bridge_stats_request",
        base=nx_stats_request,
        classifyby=(NXST_IPFIX_BRIDGE,),
        init=packvalue(NXST_IPFIX_BRIDGE, stats_subtype),
    )

    nx_ipfix_stats = nstruct(
        (uint64, "total_flows"),
        (uint64, "current_flows"),
        (uint64, "pkts"),
        (uint64, "ipv4_pkts"),
        (uint64, "ipv6_pkts"),
        (uint64, "error_pkts"),
        (uint64, "ipv4_error_pkts"),
        (uint64, "ipv6_error_pkts"),
        (uint64, "tx_pkts"),
        (uint64, "tx_errors"),
        (uint32, "collector_set_id"),
        (uint8[4],),
        name="nx_ipfix_stats",
        padding=8,
    )

    nx_ipfix_bridge_stats_reply = nstruct(
        (nx_ipfix_stats,),
        name="nx_ipfix_bridge_stats_reply",
        base=nx_stats_reply,
        classifyby=(NXST_IPFIX_BRIDGE,),
        init=packvalue(NXST_IPFIX_BRIDGE, stats_subtype),
    )

    nx_ipfix_flow_stats_request = nstruct(
        name="nx_ipfix_flow_stats_request",
        base=nx_stats_request,
        classifyby=(NXST_IPFIX_FLOW,),
        init=packvalue(NXST_IPFIX_FLOW, stats_subtype),
    )

    nx_ipfix_flow_stats_reply = nstruct(
        (sequence(nx_ipfix_stats), "stats"),
        name="nx_ipfix_flow_stats_reply",
        base=nx_stats_reply,
        classifyby=(NXST_IPFIX_FLOW,),
        init=packvalue(NXST_IPFIX_FLOW, stats_subtype),
    )

    export(namespace, locals())
