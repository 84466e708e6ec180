"""Enumerations of OpenFlow 1.3 and the arithmetic of its match headers (OpenFlow Switch Specification 1.3.5)."""

from __future__ import annotations

from .common import *  # noqa: F403 - an enumeration may have the values of a shared one

OFP_VERSION = OFP13_VERSION


ofp_type = enum(
    "ofp_type",
    globals(),
    uint8,
    OFPT_HELLO=0,
    OFPT_ERROR=1,
    OFPT_ECHO_REQUEST=2,
    OFPT_ECHO_REPLY=3,
    OFPT_EXPERIMENTER=4,
    OFPT_FEATURES_REQUEST=5,
    OFPT_FEATURES_REPLY=6,
    OFPT_GET_CONFIG_REQUEST=7,
    OFPT_GET_CONFIG_REPLY=8,
    OFPT_SET_CONFIG=9,
    OFPT_PACKET_IN=0xA,
    OFPT_FLOW_REMOVED=0xB,
    OFPT_PORT_STATUS=0xC,
    OFPT_PACKET_OUT=0xD,
    OFPT_FLOW_MOD=0xE,
    OFPT_GROUP_MOD=0xF,
    OFPT_PORT_MOD=0x10,
    OFPT_TABLE_MOD=0x11,
    OFPT_MULTIPART_REQUEST=0x12,
    OFPT_MULTIPART_REPLY=0x13,
    OFPT_BARRIER_REQUEST=0x14,
    OFPT_BARRIER_REPLY=0x15,
    OFPT_QUEUE_GET_CONFIG_REQUEST=0x16,
    OFPT_QUEUE_GET_CONFIG_REPLY=0x17,
    OFPT_ROLE_REQUEST=0x18,
    OFPT_ROLE_REPLY=0x19,
    OFPT_GET_ASYNC_REQUEST=0x1A,
    OFPT_GET_ASYNC_REPLY=0x1B,
    OFPT_SET_ASYNC=0x1C,
    OFPT_METER_MOD=0x1D,
)

ofp_error_type = enum(
    "ofp_error_type",
    globals(),
    uint16,
    OFPET_HELLO_FAILED=0,
    OFPET_BAD_REQUEST=1,
    OFPET_BAD_ACTION=2,
    NXET_VENDOR=0xB0C2,
    OFPET_EXPERIMENTER=0xFFFF,
    OFPET_BAD_INSTRUCTION=3,
    OFPET_BAD_MATCH=4,
    OFPET_FLOW_MOD_FAILED=5,
    OFPET_GROUP_MOD_FAILED=6,
    OFPET_PORT_MOD_FAILED=7,
    OFPET_TABLE_MOD_FAILED=8,
    OFPET_QUEUE_OP_FAILED=9,
    OFPET_SWITCH_CONFIG_FAILED=0xA,
    OFPET_ROLE_REQUEST_FAILED=0xB,
    OFPET_METER_MOD_FAILED=0xC,
    OFPET_TABLE_FEATURES_FAILED=0xD,
)

ofp_port_state = enum(
    "ofp_port_state",
    globals(),
    uint32,
    True,
    OFPPS_LINK_DOWN=1,
    OFPPS_BLOCKED=2,
    OFPPS_LIVE=4,
)

ofp_port_features = enum(
    "ofp_port_features",
    globals(),
    uint32,
    True,
    OFPPF_10MB_HD=1,
    OFPPF_10MB_FD=2,
    OFPPF_100MB_HD=4,
    OFPPF_100MB_FD=8,
    OFPPF_1GB_HD=0x10,
    OFPPF_1GB_FD=0x20,
    OFPPF_10GB_FD=0x40,
    OFPPF_40GB_FD=0x80,
    OFPPF_100GB_FD=0x100,
    OFPPF_1TB_FD=0x200,
    OFPPF_OTHER=0x400,
    OFPPF_COPPER=0x800,
    OFPPF_FIBER=0x1000,
    OFPPF_AUTONEG=0x2000,
    OFPPF_PAUSE=0x4000,
    OFPPF_PAUSE_ASYM=0x8000,
)

ofp_capabilities = enum(
    "ofp_capabilities",
    globals(),
    uint32,
    True,
    OFPC_FLOW_STATS=1,
    OFPC_TABLE_STATS=2,
    OFPC_PORT_STATS=4,
    OFPC_IP_REASM=0x20,
    OFPC_QUEUE_STATS=0x40,
    OFPC_ARP_MATCH_IP=0x80,
    OFPC_GROUP_STATS=8,
    OFPC_PORT_BLOCKED=0x100,
)

ofp_flow_mod_flags = enum(
    "ofp_flow_mod_flags",
    globals(),
    uint16,
    True,
    OFPFF_SEND_FLOW_REM=1,
    OFPFF_CHECK_OVERLAP=2,
    OFPFF_RESET_COUNTS=4,
    OFPFF_NO_PKT_COUNTS=8,
    OFPFF_NO_BYT_COUNTS=0x10,
)

ofp_group_capabilities = enum(
    "ofp_group_capabilities",
    globals(),
    uint32,
    OFPGFC_SELECT_WEIGHT=1,
    OFPGFC_SELECT_LIVENESS=2,
    OFPGFC_CHAINING=4,
    OFPGFC_CHAINING_CHECKS=8,
)

ofp_port_no = enum(
    "ofp_port_no",
    globals(),
    uint32,
    OFPP_MAX=0xFFFFFF00,
    OFPP_IN_PORT=0xFFFFFFF8,
    OFPP_TABLE=0xFFFFFFF9,
    OFPP_NORMAL=0xFFFFFFFA,
    OFPP_FLOOD=0xFFFFFFFB,
    OFPP_ALL=0xFFFFFFFC,
    OFPP_CONTROLLER=0xFFFFFFFD,
    OFPP_LOCAL=0xFFFFFFFE,
    OFPP_ANY=0xFFFFFFFF,
)

ofp_oxm_class = enum(
    "ofp_oxm_class",
    globals(),
    uint16,
    OFPXMC_NXM_0=0,
    OFPXMC_NXM_1=1,
    OFPXMC_OPENFLOW_BASIC=0x8000,
    OFPXMC_EXPERIMENTER=0xFFFF,
)

oxm_ofb_match_fields = enum(
    "oxm_ofb_match_fields",
    globals(),
    uint8,
    OFPXMT_OFB_IN_PORT=0,
    OFPXMT_OFB_IN_PHY_PORT=1,
    OFPXMT_OFB_METADATA=2,
    OFPXMT_OFB_ETH_DST=3,
    OFPXMT_OFB_ETH_SRC=4,
    OFPXMT_OFB_ETH_TYPE=5,
    OFPXMT_OFB_VLAN_VID=6,
    OFPXMT_OFB_VLAN_PCP=7,
    OFPXMT_OFB_IP_DSCP=8,
    OFPXMT_OFB_IP_ECN=9,
    OFPXMT_OFB_IP_PROTO=0xA,
    OFPXMT_OFB_IPV4_SRC=0xB,
    OFPXMT_OFB_IPV4_DST=0xC,
    OFPXMT_OFB_TCP_SRC=0xD,
    OFPXMT_OFB_TCP_DST=0xE,
    OFPXMT_OFB_UDP_SRC=0xF,
    OFPXMT_OFB_UDP_DST=0x10,
    OFPXMT_OFB_SCTP_SRC=0x11,
    OFPXMT_OFB_SCTP_DST=0x12,
    OFPXMT_OFB_ICMPV4_TYPE=0x13,
    OFPXMT_OFB_ICMPV4_CODE=0x14,
    OFPXMT_OFB_ARP_OP=0x15,
    OFPXMT_OFB_ARP_SPA=0x16,
    OFPXMT_OFB_ARP_TPA=0x17,
    OFPXMT_OFB_ARP_SHA=0x18,
    OFPXMT_OFB_ARP_THA=0x19,
    OFPXMT_OFB_IPV6_SRC=0x1A,
    OFPXMT_OFB_IPV6_DST=0x1B,
    OFPXMT_OFB_IPV6_FLABEL=0x1C,
    OFPXMT_OFB_ICMPV6_TYPE=0x1D,
    OFPXMT_OFB_ICMPV6_CODE=0x1E,
    OFPXMT_OFB_IPV6_ND_TARGET=0x1F,
    OFPXMT_OFB_IPV6_ND_SLL=0x20,
    OFPXMT_OFB_IPV6_ND_TLL=0x21,
    OFPXMT_OFB_MPLS_LABEL=0x22,
    OFPXMT_OFB_MPLS_TC=0x23,
    OFPXMT_OFB_MPLS_BOS=0x24,
    OFPXMT_OFB_PBB_ISID=0x25,
    OFPXMT_OFB_TUNNEL_ID=0x26,
    OFPXMT_OFB_IPV6_EXTHDR=0x27,
)

ofp_vlan_id = enum(
    "ofp_vlan_id",
    globals(),
    uint32,
    OFPVID_PRESENT=0x1000,
    OFPVID_NONE=0,
)


def OXM_HEADER__(CLASS, FIELD, HASMASK, LENGTH):  # noqa: N802, N803 - names of the specification
    """Return the 32 bits of an OXM header from its parts (7.2.3.2)."""
    return CLASS << 16 | FIELD << 9 | (HASMASK & 1) << 8 | LENGTH


def OXM_HEADER(CLASS, FIELD, LENGTH):  # noqa: N802, N803
    """Return the header of a field without a mask."""
    return OXM_HEADER__(CLASS, FIELD, 0, LENGTH)


def OXM_HEADER_W(CLASS, FIELD, LENGTH):  # noqa: N802, N803
    """Return the header of a field with a mask; `LENGTH` is that of the value alone."""
    return OXM_HEADER__(CLASS, FIELD, 1, LENGTH * 2)


def OXM_CLASS(HEADER):  # noqa: N802, N803
    """Return the class of an OXM header."""
    return HEADER >> 16


def OXM_FIELD(HEADER):  # noqa: N802, N803
    """Return the field number of an OXM header."""
    return HEADER >> 9 & 0x7F


def OXM_TYPE(HEADER):  # noqa: N802, N803
    """Return class and field number of an OXM header."""
    return HEADER >> 9 & 0x7FFFFF


def OXM_HASMASK(HEADER):  # noqa: N802, N803
    """Return 1 for the header of a field with a mask, else 0."""
    return HEADER >> 8 & 1


def OXM_LENGTH(HEADER):  # noqa: N802, N803
    """Return the length in bytes of what follows an OXM header."""
    return HEADER & 0xFF


def OXM_MAKE_WILD_HEADER(HEADER):  # noqa: N802, N803
    """Return the header of the same field with a mask."""
    return OXM_HEADER_W(OXM_CLASS(HEADER), OXM_FIELD(HEADER), OXM_LENGTH(HEADER))


ofp_oxm_header = enum(
    "ofp_oxm_header",
    globals(),
    uint32,
    OXM_OF_IN_PORT=0x80000004,
    OXM_OF_IN_PHY_PORT=0x80000204,
    OXM_OF_METADATA=0x80000408,
    OXM_OF_METADATA_W=0x80000510,
    OXM_OF_ETH_DST=0x80000606,
    OXM_OF_ETH_DST_W=0x8000070C,
    OXM_OF_ETH_SRC=0x80000806,
    OXM_OF_ETH_SRC_W=0x8000090C,
    OXM_OF_ETH_TYPE=0x80000A02,
    OXM_OF_VLAN_VID=0x80000C02,
    OXM_OF_VLAN_VID_W=0x80000D04,
    OXM_OF_VLAN_PCP=0x80000E01,
    OXM_OF_IP_DSCP=0x80001001,
    OXM_OF_IP_ECN=0x80001201,
    OXM_OF_IP_PROTO=0x80001401,
    OXM_OF_IPV4_SRC=0x80001604,
    OXM_OF_IPV4_SRC_W=0x80001708,
    OXM_OF_IPV4_DST=0x80001804,
    OXM_OF_IPV4_DST_W=0x80001908,
    OXM_OF_TCP_SRC=0x80001A02,
    OXM_OF_TCP_DST=0x80001C02,
    OXM_OF_UDP_SRC=0x80001E02,
    OXM_OF_UDP_DST=0x80002002,
    OXM_OF_SCTP_SRC=0x80002202,
    OXM_OF_SCTP_DST=0x80002402,
    OXM_OF_ICMPV4_TYPE=0x80002601,
    OXM_OF_ICMPV4_CODE=0x80002801,
    OXM_OF_ARP_OP=0x80002A02,
    OXM_OF_ARP_SPA=0x80002C04,
    OXM_OF_ARP_SPA_W=0x80002D08,
    OXM_OF_ARP_TPA=0x80002E04,
    OXM_OF_ARP_TPA_W=0x80002F08,
    OXM_OF_ARP_SHA=0x80003006,
    OXM_OF_ARP_THA=0x80003206,
    OXM_OF_IPV6_SRC=0x80003410,
    OXM_OF_IPV6_SRC_W=0x80003520,
    OXM_OF_IPV6_DST=0x80003610,
    OXM_OF_IPV6_DST_W=0x80003720,
    OXM_OF_IPV6_FLABEL=0x80003804,
    OXM_OF_IPV6_FLABEL_W=0x80003908,
    OXM_OF_ICMPV6_TYPE=0x80003A01,
    OXM_OF_ICMPV6_CODE=0x80003C01,
    OXM_OF_IPV6_ND_TARGET=0x80003E10,
    OXM_OF_IPV6_ND_SLL=0x80004006,
    OXM_OF_IPV6_ND_TLL=0x80004206,
    OXM_OF_MPLS_LABEL=0x80004404,
    OXM_OF_MPLS_TC=0x80004601,
    OXM_OF_MPLS_BOS=0x80004801,
    OXM_OF_PBB_ISID=0x80004A03,
    OXM_OF_PBB_ISID_W=0x80004B06,
    OXM_OF_TUNNEL_ID=0x80004C08,
    OXM_OF_TUNNEL_ID_W=0x80004D10,
    OXM_OF_IPV6_EXTHDR=0x80004E02,
    OXM_OF_IPV6_EXTHDR_W=0x80004F04,
)

ofp_ipv6exthdr_flags = enum(
    "ofp_ipv6exthdr_flags",
    globals(),
    uint16,
    True,
    OFPIEH_NONEXT=1,
    OFPIEH_ESP=2,
    OFPIEH_AUTH=4,
    OFPIEH_DEST=8,
    OFPIEH_FRAG=0x10,
    OFPIEH_ROUTER=0x20,
    OFPIEH_HOP=0x40,
    OFPIEH_UNREP=0x80,
    OFPIEH_UNSEQ=0x100,
)

ofp_action_type = enum(
    "ofp_action_type",
    globals(),
    uint16,
    OFPAT_OUTPUT=0,
    OFPAT_COPY_TTL_OUT=0xB,
    OFPAT_COPY_TTL_IN=0xC,
    OFPAT_SET_MPLS_TTL=0xF,
    OFPAT_DEC_MPLS_TTL=0x10,
    OFPAT_PUSH_VLAN=0x11,
    OFPAT_POP_VLAN=0x12,
    OFPAT_PUSH_MPLS=0x13,
    OFPAT_POP_MPLS=0x14,
    OFPAT_SET_QUEUE=0x15,
    OFPAT_GROUP=0x16,
    OFPAT_SET_NW_TTL=0x17,
    OFPAT_DEC_NW_TTL=0x18,
    OFPAT_SET_FIELD=0x19,
    OFPAT_PUSH_PBB=0x1A,
    OFPAT_POP_PBB=0x1B,
    OFPAT_EXPERIMENTER=0xFFFF,
)

ofp_controller_max_len = enum(
    "ofp_controller_max_len",
    globals(),
    uint16,
    OFPCML_MAX=0xFFE5,
    OFPCML_NO_BUFFER=0xFFFF,
)

ofp_instruction_type = enum(
    "ofp_instruction_type",
    globals(),
    uint16,
    OFPIT_GOTO_TABLE=1,
    OFPIT_WRITE_METADATA=2,
    OFPIT_WRITE_ACTIONS=3,
    OFPIT_APPLY_ACTIONS=4,
    OFPIT_CLEAR_ACTIONS=5,
    OFPIT_METER=6,
    OFPIT_EXPERIMENTER=0xFFFF,
)

ofp_buffer_id = enum(
    "ofp_buffer_id",
    globals(),
    uint32,
    OFP_NO_BUFFER=0xFFFFFFFF,
)

ofp_group_mod_command = enum(
    "ofp_group_mod_command",
    globals(),
    uint16,
    OFPGC_ADD=0,
    OFPGC_MODIFY=1,
    OFPGC_DELETE=2,
)

ofp_group_type = enum(
    "ofp_group_type",
    globals(),
    uint8,
    OFPGT_ALL=0,
    OFPGT_SELECT=1,
    OFPGT_INDIRECT=2,
    OFPGT_FF=3,
)

ofp_meter = enum(
    "ofp_meter",
    globals(),
    uint32,
    OFPM_SLOWPATH=0xFFFFFFFD,
    OFPM_CONTROLLER=0xFFFFFFFE,
    OFPM_ALL=0xFFFFFFFF,
)

ofp_meter_band_type = enum(
    "ofp_meter_band_type",
    globals(),
    uint16,
    OFPMBT_DROP=1,
    OFPMBT_DSCP_REMARK=2,
    OFPMBT_EXPERIMENTER=0xFFFF,
)

ofp_meter_mod_command = enum(
    "ofp_meter_mod_command",
    globals(),
    uint16,
    OFPMC_ADD=0,
    OFPMC_MODIFY=1,
    OFPMC_DELETE=2,
)

ofp_meter_flags = enum(
    "ofp_meter_flags",
    globals(),
    uint16,
    OFPMF_KBPS=1,
    OFPMF_PKTPS=2,
    OFPMF_BURST=4,
    OFPMF_STATS=8,
)

ofp_bad_instruction_code = enum(
    "ofp_bad_instruction_code",
    globals(),
    uint16,
    OFPBIC_UNKNOWN_INST=0,
    OFPBIC_UNSUP_INST=1,
    OFPBIC_BAD_TABLE_ID=2,
    OFPBIC_UNSUP_METADATA=3,
    OFPBIC_UNSUP_METADATA_MASK=4,
    OFPBIC_BAD_EXPERIMENTER=5,
    OFPBIC_BAD_EXP_TYPE=6,
    OFPBIC_BAD_LEN=7,
    OFPBIC_EPERM=8,
)

ofp_bad_match_code = enum(
    "ofp_bad_match_code",
    globals(),
    uint16,
    OFPBMC_BAD_TYPE=0,
    OFPBMC_BAD_LEN=1,
    OFPBMC_BAD_TAG=2,
    OFPBMC_BAD_DL_ADDR_MASK=3,
    OFPBMC_BAD_NW_ADDR_MASK=4,
    OFPBMC_BAD_WILDCARDS=5,
    OFPBMC_BAD_FIELD=6,
    OFPBMC_BAD_VALUE=7,
    OFPBMC_BAD_MASK=8,
    OFPBMC_BAD_PREREQ=9,
    OFPBMC_DUP_FIELD=0xA,
    OFPBMC_EPERM=0xB,
)

ofp_flow_mod_failed_code = enum(
    "ofp_flow_mod_failed_code",
    globals(),
    uint16,
    OFPFMFC_UNKNOWN=0,
    OFPFMFC_TABLE_FULL=1,
    OFPFMFC_BAD_TABLE_ID=2,
    OFPFMFC_OVERLAP=3,
    OFPFMFC_EPERM=4,
    OFPFMFC_BAD_TIMEOUT=5,
    OFPFMFC_BAD_COMMAND=6,
    OFPFMFC_BAD_FLAGS=7,
)

ofp_group_mod_failed_code = enum(
    "ofp_group_mod_failed_code",
    globals(),
    uint16,
    OFPGMFC_GROUP_EXISTS=0,
    OFPGMFC_INVALID_GROUP=1,
    OFPGMFC_WEIGHT_UNSUPPORTED=2,
    OFPGMFC_OUT_OF_GROUPS=3,
    OFPGMFC_OUT_OF_BUCKETS=4,
    OFPGMFC_CHAINING_UNSUPPORTED=5,
    OFPGMFC_WATCH_UNSUPPORTED=6,
    OFPGMFC_LOOP=7,
    OFPGMFC_UNKNOWN_GROUP=8,
    OFPGMFC_CHAINED_GROUP=9,
    OFPGMFC_BAD_TYPE=0xA,
    OFPGMFC_BAD_COMMAND=0xB,
    OFPGMFC_BAD_BUCKET=0xC,
    OFPGMFC_BAD_WATCH=0xD,
    OFPGMFC_EPERM=0xE,
)

ofp_port_mod_failed_code = enum(
    "ofp_port_mod_failed_code",
    globals(),
    uint16,
    OFPPMFC_BAD_PORT=0,
    OFPPMFC_BAD_HW_ADDR=1,
    OFPPMFC_BAD_CONFIG=2,
    OFPPMFC_BAD_ADVERTISE=3,
    OFPPMFC_EPERM=4,
)

ofp_table_mod_failed_code = enum(
    "ofp_table_mod_failed_code",
    globals(),
    uint16,
    OFPTMFC_BAD_TABLE=0,
    OFPTMFC_BAD_CONFIG=1,
    OFPTMFC_EPERM=2,
)

ofp_queue_op_failed_code = enum(
    "ofp_queue_op_failed_code",
    globals(),
    uint16,
    OFPQOFC_BAD_PORT=0,
    OFPQOFC_BAD_QUEUE=1,
    OFPQOFC_EPERM=2,
)

ofp_switch_config_failed_code = enum(
    "ofp_switch_config_failed_code",
    globals(),
    uint16,
    OFPSCFC_BAD_FLAGS=0,
    OFPSCFC_BAD_LEN=1,
    OFPSCFC_EPERM=2,
)

ofp_role_request_failed_code = enum(
    "ofp_role_request_failed_code",
    globals(),
    uint16,
    OFPRRFC_STALE=0,
    OFPRRFC_UNSUP=1,
    OFPRRFC_BAD_ROLE=2,
)

ofp_meter_mod_failed_code = enum(
    "ofp_meter_mod_failed_code",
    globals(),
    uint16,
    OFPMMFC_UNKNOWN=0,
    OFPMMFC_METER_EXISTS=1,
    OFPMMFC_INVALID_METER=2,
    OFPMMFC_UNKNOWN_METER=3,
    OFPMMFC_BAD_COMMAND=4,
    OFPMMFC_BAD_FLAGS=5,
    OFPMMFC_BAD_RATE=6,
    OFPMMFC_BAD_BURST=7,
    OFPMMFC_BAD_BAND=8,
    OFPMMFC_BAD_BAND_VALUE=9,
    OFPMMFC_OUT_OF_METERS=0xA,
    OFPMMFC_OUT_OF_BANDS=0xB,
)

ofp_table_features_failed_code = enum(
    "ofp_table_features_failed_code",
    globals(),
    uint16,
    OFPTFFC_BAD_TABLE=0,
    OFPTFFC_BAD_METADATA=1,
    OFPTFFC_BAD_TYPE=2,
    OFPTFFC_BAD_LEN=3,
    OFPTFFC_BAD_ARGUMENT=4,
    OFPTFFC_EPERM=5,
)

ofp_multipart_type = enum(
    "ofp_multipart_type",
    globals(),
    uint16,
    OFPMP_DESC=0,
    OFPMP_FLOW=1,
    OFPMP_AGGREGATE=2,
    OFPMP_TABLE=3,
    OFPMP_PORT_STATS=4,
    OFPMP_QUEUE=5,
    OFPMP_GROUP=6,
    OFPMP_GROUP_DESC=7,
    OFPMP_GROUP_FEATURES=8,
    OFPMP_METER=9,
    OFPMP_METER_CONFIG=0xA,
    OFPMP_METER_FEATURES=0xB,
    OFPMP_TABLE_FEATURES=0xC,
    OFPMP_PORT_DESC=0xD,
    OFPMP_EXPERIMENTER=0xFFFF,
)

ofp_multipart_request_flags = enum(
    "ofp_multipart_request_flags",
    globals(),
    uint16,
    True,
    OFPMPF_REQ_MORE=1,
)

ofp_multipart_reply_flags = enum(
    "ofp_multipart_reply_flags",
    globals(),
    uint16,
    True,
    OFPMPF_REPLY_MORE=1,
)

ofp_table_feature_prop_type = enum(
    "ofp_table_feature_prop_type",
    globals(),
    uint16,
    OFPTFPT_INSTRUCTIONS=0,
    OFPTFPT_INSTRUCTIONS_MISS=1,
    OFPTFPT_NEXT_TABLES=2,
    OFPTFPT_NEXT_TABLES_MISS=3,
    OFPTFPT_WRITE_ACTIONS=4,
    OFPTFPT_WRITE_ACTIONS_MISS=5,
    OFPTFPT_APPLY_ACTIONS=6,
    OFPTFPT_APPLY_ACTIONS_MISS=7,
    OFPTFPT_MATCH=8,
    OFPTFPT_WILDCARDS=0xA,
    OFPTFPT_WRITE_SETFIELD=0xC,
    OFPTFPT_WRITE_SETFIELD_MISS=0xD,
    OFPTFPT_APPLY_SETFIELD=0xE,
    OFPTFPT_APPLY_SETFIELD_MISS=0xF,
    OFPTFPT_EXPERIMENTER=0xFFFE,
    OFPTFPT_EXPERIMENTER_MISS=0xFFFF,
)

ofp_group_type_bitwise = enum(
    "ofp_group_type_bitwise",
    None,
    uint32,
    True,
    **{name: 1 << value for name, value in ofp_group_type.getDict().items()},
)

ofp_action_type_bitwise = enum(
    "ofp_action_type_bitwise",
    None,
    uint32,
    True,
    **{name: 1 << value for name, value in ofp_action_type.getDict().items() if value < 32},
)

ofp_meter_band_type_bitwise = enum(
    "ofp_meter_band_type_bitwise",
    None,
    uint32,
    True,
    **{name: 1 << value for name, value in ofp_meter_band_type.getDict().items() if value < 32},
)

ofp_queue = enum(
    "ofp_queue",
    globals(),
    uint32,
    OFPQ_ALL=0xFFFFFFFF,
)

ofp_controller_role = enum(
    "ofp_controller_role",
    globals(),
    uint32,
    OFPCR_ROLE_NOCHANGE=0,
    OFPCR_ROLE_EQUAL=1,
    OFPCR_ROLE_MASTER=2,
    OFPCR_ROLE_SLAVE=3,
)

OFPXMT_OFB_ALL = 0xFFFFFFFFFF
OFP_VLAN_NONE = OFPVID_NONE
OFPM_MAX = 0xFFFF0000
DESC_STR_LEN = 256
SERIAL_NUM_LEN = 32
OFPQ_MIN_RATE_UNCFG = 0xFFFF
OFPQ_MAX_RATE_UNCFG = 0xFFFF

# Another name of the same type.
ofp_multipart_types = ofp_multipart_type

#: Message types that answer a request with the same xid.
ofp_type_reply_set = {
    OFPT_ECHO_REPLY,
    OFPT_FEATURES_REPLY,
    OFPT_GET_CONFIG_REPLY,
    OFPT_MULTIPART_REPLY,
    OFPT_BARRIER_REPLY,
    OFPT_QUEUE_GET_CONFIG_REPLY,
    OFPT_ROLE_REPLY,
    OFPT_GET_ASYNC_REPLY,
}
#: Message types that a switch sends by itself.
ofp_type_asyncmessage_set = {OFPT_PACKET_IN, OFPT_FLOW_REMOVED, OFPT_PORT_STATUS}

# Names of the experimenter fields, which differ between versions.
ofp_vendor_vendorid = "experimenter"
ofp_vendor_subtype = "exp_type"
ofp_action_vendor_vendorid = "experimenter"
ofp_action_vendor_subtype = "exp_type"
ofp_stats_vendor_vendorid = "experimenter"
ofp_stats_vendor_subtype = "exp_type"
