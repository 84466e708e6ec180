"""Enumerations of OpenFlow 1.0 (OpenFlow Switch Specification 1.0.0)."""

from __future__ import annotations

from .common import *  # noqa: F403 - an enumeration may have the values of a shared one

OFP_VERSION = OFP10_VERSION


ofp_type = enum(
    "ofp_type",
    globals(),
    uint8,
    OFPT_HELLO=0,
    OFPT_ERROR=1,
    OFPT_ECHO_REQUEST=2,
    OFPT_ECHO_REPLY=3,
    OFPT_VENDOR=4,
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
    OFPT_PORT_MOD=0xF,
    OFPT_STATS_REQUEST=0x10,
    OFPT_STATS_REPLY=0x11,
    OFPT_BARRIER_REQUEST=0x12,
    OFPT_BARRIER_REPLY=0x13,
    OFPT_QUEUE_GET_CONFIG_REQUEST=0x14,
    OFPT_QUEUE_GET_CONFIG_REPLY=0x15,
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
    OFPET_FLOW_MOD_FAILED=3,
    OFPET_PORT_MOD_FAILED=4,
    OFPET_QUEUE_OP_FAILED=5,
)

ofp_port_state = enum(
    "ofp_port_state",
    globals(),
    uint32,
    True,
    OFPPS_LINK_DOWN=1,
    OFPPS_STP_LISTEN=0,
    OFPPS_STP_LEARN=0x100,
    OFPPS_STP_FORWARD=0x200,
    OFPPS_STP_BLOCK=0x300,
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
    OFPPF_COPPER=0x80,
    OFPPF_FIBER=0x100,
    OFPPF_AUTONEG=0x200,
    OFPPF_PAUSE=0x400,
    OFPPF_PAUSE_ASYM=0x800,
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
    OFPC_STP=8,
    OFPC_RESERVED=0x10,
)

ofp_flow_mod_flags = enum(
    "ofp_flow_mod_flags",
    globals(),
    uint16,
    True,
    OFPFF_SEND_FLOW_REM=1,
    OFPFF_CHECK_OVERLAP=2,
    OFPFF_EMERG=4,
)

ofp_table = enum(
    "ofp_table",
    globals(),
    uint8,
    OFPTT_ALL=0xFF,
)

ofp_port = enum(
    "ofp_port",
    globals(),
    uint16,
    OFPP_MAX=0xFF00,
    OFPP_IN_PORT=0xFFF8,
    OFPP_TABLE=0xFFF9,
    OFPP_NORMAL=0xFFFA,
    OFPP_FLOOD=0xFFFB,
    OFPP_ALL=0xFFFC,
    OFPP_CONTROLLER=0xFFFD,
    OFPP_LOCAL=0xFFFE,
    OFPP_NONE=0xFFFF,
)

# Other names of the same type.
ofp_port_no = ofp_port
nx_port_no = ofp_port

ofp_flow_mod_failed_code = enum(
    "ofp_flow_mod_failed_code",
    globals(),
    uint32,
    OFPFMFC_ALL_TABLES_FULL=0,
    OFPFMFC_OVERLAP=1,
    OFPFMFC_EPERM=2,
    OFPFMFC_BAD_EMERG_TIMEOUT=3,
    OFPFMFC_BAD_COMMAND=4,
    OFPFMFC_UNSUPPORTED=5,
)

ofp_port_mod_failed_code = enum(
    "ofp_port_mod_failed_code",
    globals(),
    uint32,
    OFPPMFC_BAD_PORT=0,
    OFPPMFC_BAD_HW_ADDR=1,
)

ofp_queue_op_failed_code = enum(
    "ofp_queue_op_failed_code",
    globals(),
    uint32,
    OFPQOFC_BAD_PORT=0,
    OFPQOFC_BAD_QUEUE=1,
    OFPQOFC_EPERM=2,
)

ofp_action_type = enum(
    "ofp_action_type",
    globals(),
    uint16,
    OFPAT_OUTPUT=0,
    OFPAT_SET_VLAN_VID=1,
    OFPAT_SET_VLAN_PCP=2,
    OFPAT_STRIP_VLAN=3,
    OFPAT_SET_DL_SRC=4,
    OFPAT_SET_DL_DST=5,
    OFPAT_SET_NW_SRC=6,
    OFPAT_SET_NW_DST=7,
    OFPAT_SET_NW_TOS=8,
    OFPAT_SET_TP_SRC=9,
    OFPAT_SET_TP_DST=0xA,
    OFPAT_ENQUEUE=0xB,
    OFPAT_VENDOR=0xFFFF,
)

ofp_action_type_bitwise = enum(
    "ofp_action_type_bitwise",
    None,
    uint32,
    True,
    **{name: 1 << value for name, value in ofp_action_type.getDict().items() if value < 32},
)

ofp_flow_wildcards = enum(
    "ofp_flow_wildcards",
    globals(),
    uint32,
    True,
    OFPFW_IN_PORT=1,
    OFPFW_DL_VLAN=2,
    OFPFW_DL_SRC=4,
    OFPFW_DL_DST=8,
    OFPFW_DL_TYPE=0x10,
    OFPFW_NW_PROTO=0x20,
    OFPFW_TP_SRC=0x40,
    OFPFW_TP_DST=0x80,
    OFPFW_NW_SRC_MASK=0x3F00,
    OFPFW_NW_SRC_ALL=0x2000,
    OFPFW_NW_DST_MASK=0xFC000,
    OFPFW_NW_DST_ALL=0x80000,
    OFPFW_DL_VLAN_PCP=0x100000,
    OFPFW_NW_TOS=0x200000,
    OFPFW_ALL=0x3FFFFF,
)

ofp_stats_types = enum(
    "ofp_stats_types",
    globals(),
    uint16,
    OFPST_DESC=0,
    OFPST_FLOW=1,
    OFPST_AGGREGATE=2,
    OFPST_TABLE=3,
    OFPST_PORT=4,
    OFPST_QUEUE=5,
    OFPST_VENDOR=0xFFFF,
)

ofp_queue = enum(
    "ofp_queue",
    globals(),
    uint32,
    OFPQ_ALL=0xFFFFFFFF,
)

OFPPS_STP_MASK = OFPPS_STP_BLOCK
OFPPS_ALL = OFPPS_LINK_DOWN | OFPPS_STP_MASK
OFPP_FIRST_RESV = (OFPP_IN_PORT,)
OFPP_LAST_RESV = (OFPP_NONE,)
OFPFW_NW_SRC_SHIFT = 8
OFPFW_NW_SRC_BITS = 6
OFPFW_NW_DST_SHIFT = 14
OFPFW_NW_DST_BITS = 6
#: The fields of an ICMP packet take the place of its ports.
OFPFW_ICMP_TYPE = OFPFW_TP_SRC
OFPFW_ICMP_CODE = OFPFW_TP_DST
OFP_VLAN_NONE = 0xFFFF
DESC_STR_LEN = 256
SERIAL_NUM_LEN = 32

#: Message types that answer a request with the same xid.
ofp_type_reply_set = {
    OFPT_ECHO_REPLY,
    OFPT_FEATURES_REPLY,
    OFPT_GET_CONFIG_REPLY,
    OFPT_STATS_REPLY,
    OFPT_BARRIER_REPLY,
    OFPT_QUEUE_GET_CONFIG_REPLY,
}
#: Message types that a switch sends by itself.
ofp_type_asyncmessage_set = {OFPT_PACKET_IN, OFPT_FLOW_REMOVED, OFPT_PORT_STATUS}

# Names of the vendor fields, which differ between versions.
ofp_vendor_vendorid = "vendor"
ofp_vendor_subtype = "subtype"
ofp_action_vendor_vendorid = "vendor"
ofp_action_vendor_subtype = "subtype"
ofp_stats_vendor_vendorid = "vendor"
ofp_stats_vendor_subtype = "subtype"
