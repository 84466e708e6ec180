"""OpenFlow 1.3 messages, matches, actions and instructions (OpenFlow Switch Specification 1.3.5).

All names of the specification are attributes of this module; with them come those of :mod:`.common`, of
:mod:`vlcp.utils.ethernet` and, built on the experimenter structs of this version, those of :mod:`.nicira_ext`.
"""

from __future__ import annotations

from namedstruct.namedstruct import packexpr, packsize

from . import common, nicira_ext
from ._types import binary, nstruct, sequence
from .common import *  # noqa: F403 - one namespace for each version
from .common import _smart_hex_format, ofp_error_types as _common_error_types
from .nicira_ext import *  # noqa: F403 - one namespace for each version

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

ofp_packet_in_reason_bitwise = enum(
    "ofp_packet_in_reason_bitwise",
    None,
    uint32,
    True,
    **{name: 1 << value for name, value in ofp_packet_in_reason.getDict().items()},
)

ofp_port_reason_bitwise = enum(
    "ofp_port_reason_bitwise",
    None,
    uint32,
    True,
    **{name: 1 << value for name, value in ofp_port_reason.getDict().items()},
)

ofp_flow_removed_reason_bitwise = enum(
    "ofp_flow_removed_reason_bitwise",
    None,
    uint32,
    True,
    **{name: 1 << value for name, value in ofp_flow_removed_reason.getDict().items()},
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


def _raw_of(kind):
    """Return a raw type whose dump names its value by the enumeration `kind`."""

    class Raw(type(raw)):
        def formatter(self, value):
            return kind.formatter(int.from_bytes(value, "big"))

    return Raw()


ofp_port_no_raw = _raw_of(ofp_port_no)
ofp_ipv6exthdr_flags_raw = _raw_of(ofp_ipv6exthdr_flags)
ethtype_raw = _raw_of(ethertype)
arpop_raw = _raw_of(arp_op_code)
ip_protocol_raw = _raw_of(ip_protocol)


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
    length = OXM_LENGTH(header)
    if not OXM_HASMASK(header):
        if mask is not None:
            raise ValueError(f"header {header:#x} takes no mask, got {mask!r}")
        return _oxm_type(header)(header=header, value=binary(value, length))
    length //= 2
    mask = b"\xff" * length if mask is None and value is not None else binary(mask, length)
    return _oxm_type(header)(header=header, value=binary(value, length), mask=mask)


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

#: Header to the struct of its field, where that is more than plain bytes.
_OXM_TYPES = {
    header: parser.typedef
    for family in (ofp_oxm_nomask, ofp_oxm_mask, nx_match_nomask_ext, nx_match_mask_ext)
    for header, parser in family.parser().subindices.items()
}


def _oxm_type(header):
    """Return the struct that a field with this header is parsed into."""
    if header in _OXM_TYPES:
        return _OXM_TYPES[header]
    nicira = NXM_VENDOR(header) in (0, 1)
    if OXM_HASMASK(header):
        return nx_match_mask_ext if nicira else ofp_oxm_mask
    return nx_match_nomask_ext if nicira else ofp_oxm_nomask
