# ruff: noqa: F401, F403, F405, F821 - the enumerations put their names into this module
"""Enumerations and header arithmetic of the Nicira extensions of Open vSwitch (its ``nicira-ext.h`` and ``nx-match.h``)."""

from __future__ import annotations

from namedstruct.namedstruct import enum, prim
from namedstruct.stdprim import uint8, uint16, uint32

from .common import *

NXPIF_OPENFLOW10 = 0
NXPIF_NXM = 1
NXM_NX_MAX_REGS = 16
NX_TUN_METADATA_NUM_OPTS = 64
NX_LEARN_N_BITS_MASK = 0x3FF
NX_LEARN_SRC_MASK = 0x2000
NX_LEARN_DST_MASK = 0x1800
NX_LEARN_SRC_FIELD = 0
NX_LEARN_DST_MATCH = 0
NX_CT_RECIRC_NONE = 0xFF
NX_NAT_F_MASK = 0x1F
OFPHTN_N_TYPES = 5


nxt_subtype = enum(
    "nxt_subtype",
    globals(),
    uint32,
    NXT_ROLE_REQUEST=0xA,
    NXT_ROLE_REPLY=0xB,
    NXT_SET_FLOW_FORMAT=0xC,
    NXT_FLOW_MOD=0xD,
    NXT_FLOW_REMOVED=0xE,
    NXT_FLOW_MOD_TABLE_ID=0xF,
    NXT_SET_PACKET_IN_FORMAT=0x10,
    NXT_PACKET_IN=0x11,
    NXT_FLOW_AGE=0x12,
    NXT_SET_ASYNC_CONFIG=0x13,
    NXT_SET_CONTROLLER_ID=0x14,
    NXT_FLOW_MONITOR_CANCEL=0x15,
    NXT_FLOW_MONITOR_PAUSED=0x16,
    NXT_FLOW_MONITOR_RESUMED=0x17,
    NXT_TLV_TABLE_MOD=0x18,
    NXT_TLV_TABLE_REQUEST=0x19,
    NXT_TLV_TABLE_REPLY=0x1A,
    NXT_SET_ASYNC_CONFIG2=0x1B,
    NXT_RESUME=0x1C,
    NXT_CT_FLUSH_ZONE=0x1D,
    NXT_PACKET_IN2=0x1E,
)

nx10_error_type = enum(
    "nx10_error_type",
    None,
    uint16,
    OFPET_HELLO_FAILED=0,
    OFPET_BAD_REQUEST=1,
    OFPET_BAD_ACTION=2,
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
    OFPET_BAD_PROPERTY=0xE,
    OFPET_ASYNC_CONFIG_FAILED=0xF,
    OFPET_FLOW_MONITOR_FAILED=0x10,
    OFPET_BUNDLE_FAILED=0x11,
)

nx10_error_type0_code = enum(
    "nx10_error_type0_code",
    None,
    uint16,
    OFPBMC_BAD_FIELD=0x107,
)

nx10_error_bad_request_code = enum(
    "nx10_error_type",
    None,
    uint16,
    NXBRC_NXM_INVALID=0x100,
    NXBRC_NXM_BAD_TYPE=0x101,
    OFPBMC_BAD_VALUE=0x102,
    OFPBMC_BAD_MASK=0x103,
    OFPBMC_BAD_PREREQ=0x104,
    OFPBMC_DUP_FIELD=0x105,
    OFPBMC_BAD_WILDCARDS=0x106,
    NXBMC_CT_DATAPATH_SUPPORT=0x108,
    OFPBRC_BAD_TABLE_ID=0x200,
    OFPRRFC_BAD_ROLE=0x201,
    OFPBRC_BAD_PORT=0x202,
    NXBRC_MUST_BE_ZERO=0x203,
    NXBRC_BAD_REASON=0x204,
    OFPMOFC_MONITOR_EXISTS=0x205,
    OFPMOFC_BAD_FLAGS=0x206,
    OFPMOFC_UNKNOWN_MONITOR=0x207,
    NXBRC_FM_BAD_EVENT=0x208,
    NXBRC_UNENCODABLE_ERROR=0x209,
    OFPBAC_MATCH_INCONSISTENT=0x20A,
    OFPBAC_BAD_SET_TYPE=0x20B,
    OFPBAC_BAD_SET_LEN=0x20C,
    OFPBAC_BAD_SET_ARGUMENT=0x20D,
    NXTTMFC_BAD_COMMAND=0x20F,
    NXTTMFC_BAD_OPT_LEN=0x210,
    NXTTMFC_BAD_FIELD_IDX=0x211,
    NXTTMFC_TABLE_FULL=0x212,
    NXTTMFC_ALREADY_MAPPED=0x213,
    NXTTMFC_DUP_ENTRY=0x214,
    NXR_NOT_SUPPORTED=0x215,
    NXR_STALE=0x216,
    NXST_NOT_CONFIGURED=0x217,
    NXFMFC_INVALID_TLV_FIELD=0x218,
    NXTTMFC_INVALID_TLV_DEL=0x219,
)

nx10_error_bad_action_code = enum(
    "nx10_error_bad_action_code",
    None,
    uint16,
    NXBAC_MUST_BE_ZERO=0x100,
    OFPBIC_UNSUP_INST=0x101,
    NXBAC_BAD_CONJUNCTION=0x20E,
)

nx10_error_bad_instruction_code = enum(
    "nx10_error_bad_instruction_code",
    None,
    uint16,
    OFPBIC_DUP_INST=0x100,
    OFPFMFC_BAD_FLAGS=0x102,
)

nx10_error_flow_mod_failed_code = enum(
    "nx10_error_flow_mod_failed_code",
    None,
    uint16,
    NXFMFC_HARDWARE=0x100,
    NXFMFC_BAD_TABLE_ID=0x101,
    OFPFMFC_BAD_FLAGS=0x102,
)

nx10_error_table_features_failed_code = enum(
    "nx10_error_table_features_failed_code",
    None,
    uint16,
    OFPBPC_BAD_TYPE=2,
    OFPBPC_BAD_LEN=3,
    OFPBPC_BAD_VALUE=4,
)

nx10_error_bad_property_code = enum(
    "nx10_error_bad_property_code",
    None,
    uint16,
    OFPBPC_TOO_MANY=3,
    OFPBPC_DUP_TYPE=4,
    OFPBPC_BAD_EXPERIMENTER=5,
    OFPBPC_BAD_EXP_TYPE=6,
    OFPBPC_BAD_EXP_VALUE=7,
    OFPBPC_EPERM=8,
)

nx_error_type = enum(
    "nx_error_type",
    globals(),
    uint16,
    NXBRC_NXM_INVALID=2,
    NXBRC_NXM_BAD_TYPE=3,
    NXBRC_MUST_BE_ZERO=4,
    NXBRC_BAD_REASON=5,
    NX_OFPMOFC_MONITOR_EXISTS=6,
    NX_OFPMOFC_BAD_FLAGS=7,
    NX_OFPMOFC_UNKNOWN_MONITOR=8,
    NXBRC_FM_BAD_EVENT=9,
    NXBRC_UNENCODABLE_ERROR=0xA,
    NXBAC_MUST_BE_ZERO=0xB,
    NXFMFC_HARDWARE=0xC,
    NXFMFC_BAD_TABLE_ID=0xD,
    NXBAC_BAD_CONJUNCTION=0xF,
    NXTTMFC_BAD_COMMAND=0x10,
    NXTTMFC_BAD_OPT_LEN=0x11,
    NXTTMFC_BAD_FIELD_IDX=0x12,
    NXTTMFC_TABLE_FULL=0x13,
    NXTTMFC_ALREADY_MAPPED=0x14,
    NXTTMFC_DUP_ENTRY=0x15,
    NX_OFPBFC_BAD_VERSION=0x16,
    NXQOFC_QUEUE_ERROR=0x17,
    NX_OFPBPC_BAD_TYPE=0x19,
    NX_OFPBPC_BAD_LEN=0x1A,
    NX_OFPBPC_BAD_VALUE=0x1B,
    NX_OFPBPC_TOO_MANY=0x1C,
    NX_OFPBPC_DUP_TYPE=0x1D,
    NX_OFPBPC_BAD_EXPERIMENTER=0x1E,
    NX_OFPBPC_BAD_EXP_TYPE=0x1F,
    NX_OFPBPC_BAD_EXP_VALUE=0x20,
    NX_OFPBPC_EPERM=0x21,
    NXR_NOT_SUPPORTED=0x22,
    NXR_STALE=0x23,
    NXST_NOT_CONFIGURED=0x24,
    NXFMFC_INVALID_TLV_FIELD=0x25,
    NXTTMFC_INVALID_TLV_DEL=0x26,
    NXBAC_BAD_HEADER_TYPE=0x27,
    NXBAC_UNKNOWN_ED_PROP=0x28,
    NXBAC_BAD_ED_PROP=0x29,
    NXBAC_CT_DATAPATH_SUPPORT=0x2A,
    NXBMC_CT_DATAPATH_SUPPORT=0x2B,
)

nx_hash_fields = enum(
    "nx_hash_fields",
    globals(),
    uint16,
    NX_HASH_FIELDS_ETH_SRC=0,
    NX_HASH_FIELDS_SYMMETRIC_L4=1,
    NX_HASH_FIELDS_SYMMETRIC_L3L4=2,
    NX_HASH_FIELDS_SYMMETRIC_L3L4_UDP=3,
    NX_HASH_FIELDS_NW_SRC=4,
    NX_HASH_FIELDS_NW_DST=5,
)

nx_packet_in_format = enum(
    "nx_packet_in_format",
    globals(),
    uint32,
    NXPIF_STANDARD=0,
    NXPIF_NXT_PACKET_IN=1,
    NXPIF_NXT_PACKET_IN2=2,
)

nx_packet_in2_prop_type = enum(
    "nx_packet_in2_prop_type",
    globals(),
    uint16,
    NXPINT_PACKET=0,
    NXPINT_FULL_LEN=1,
    NXPINT_BUFFER_ID=2,
    NXPINT_TABLE_ID=3,
    NXPINT_COOKIE=4,
    NXPINT_REASON=5,
    NXPINT_METADATA=6,
    NXPINT_USERDATA=7,
    NXPINT_CONTINUATION=8,
)

nx_role = enum(
    "nx_role",
    globals(),
    uint32,
    NX_ROLE_OTHER=0,
    NX_ROLE_MASTER=1,
    NX_ROLE_SLAVE=2,
)

nx_ip_frag = enum(
    "nx_ip_frag",
    globals(),
    uint8,
    True,
    NX_IP_FRAG_ANY=1,
    NX_IP_FRAG_LATER=2,
)

nxm_header = enum(
    "nxm_header",
    globals(),
    uint32,
    NXM_OF_IN_PORT=2,
    NXM_OF_ETH_DST=0x206,
    NXM_OF_ETH_DST_W=0x30C,
    NXM_OF_ETH_SRC=0x406,
    NXM_OF_ETH_SRC_W=0x50C,
    NXM_OF_ETH_TYPE=0x602,
    NXM_OF_VLAN_TCI=0x802,
    NXM_OF_VLAN_TCI_W=0x904,
    NXM_OF_IP_TOS=0xA01,
    NXM_OF_IP_PROTO=0xC01,
    NXM_OF_IP_SRC=0xE04,
    NXM_OF_IP_SRC_W=0xF08,
    NXM_OF_IP_DST=0x1004,
    NXM_OF_IP_DST_W=0x1108,
    NXM_OF_TCP_SRC=0x1202,
    NXM_OF_TCP_SRC_W=0x1304,
    NXM_OF_TCP_DST=0x1402,
    NXM_OF_TCP_DST_W=0x1504,
    NXM_OF_UDP_SRC=0x1602,
    NXM_OF_UDP_SRC_W=0x1704,
    NXM_OF_UDP_DST=0x1802,
    NXM_OF_UDP_DST_W=0x1904,
    NXM_OF_ICMP_TYPE=0x1A01,
    NXM_OF_ICMP_CODE=0x1C01,
    NXM_OF_ARP_OP=0x1E02,
    NXM_OF_ARP_SPA=0x2004,
    NXM_OF_ARP_SPA_W=0x2108,
    NXM_OF_ARP_TPA=0x2204,
    NXM_OF_ARP_TPA_W=0x2308,
    NXM_NX_REG0=0x10004,
    NXM_NX_REG1=0x10204,
    NXM_NX_REG2=0x10404,
    NXM_NX_REG3=0x10604,
    NXM_NX_REG4=0x10804,
    NXM_NX_REG5=0x10A04,
    NXM_NX_REG6=0x10C04,
    NXM_NX_REG7=0x10E04,
    NXM_NX_REG8=0x11004,
    NXM_NX_REG9=0x11204,
    NXM_NX_REG10=0x11404,
    NXM_NX_REG11=0x11604,
    NXM_NX_REG12=0x11804,
    NXM_NX_REG13=0x11A04,
    NXM_NX_REG14=0x11C04,
    NXM_NX_REG15=0x11E04,
    NXM_NX_REG0_W=0x10108,
    NXM_NX_REG1_W=0x10308,
    NXM_NX_REG2_W=0x10508,
    NXM_NX_REG3_W=0x10708,
    NXM_NX_REG4_W=0x10908,
    NXM_NX_REG5_W=0x10B08,
    NXM_NX_REG6_W=0x10D08,
    NXM_NX_REG7_W=0x10F08,
    NXM_NX_REG8_W=0x11108,
    NXM_NX_REG9_W=0x11308,
    NXM_NX_REG10_W=0x11508,
    NXM_NX_REG11_W=0x11708,
    NXM_NX_REG12_W=0x11908,
    NXM_NX_REG13_W=0x11B08,
    NXM_NX_REG14_W=0x11D08,
    NXM_NX_REG15_W=0x11F08,
    NXM_NX_TUN_ID=0x12008,
    NXM_NX_TUN_ID_W=0x12110,
    NXM_NX_ARP_SHA=0x12206,
    NXM_NX_ARP_THA=0x12406,
    NXM_NX_IPV6_SRC=0x12610,
    NXM_NX_IPV6_SRC_W=0x12720,
    NXM_NX_IPV6_DST=0x12810,
    NXM_NX_IPV6_DST_W=0x12920,
    NXM_NX_ICMPV6_TYPE=0x12A01,
    NXM_NX_ICMPV6_CODE=0x12C01,
    NXM_NX_ND_TARGET=0x12E10,
    NXM_NX_ND_TARGET_W=0x12F20,
    NXM_NX_ND_SLL=0x13006,
    NXM_NX_ND_TLL=0x13206,
    NXM_NX_IP_FRAG=0x13401,
    NXM_NX_IP_FRAG_W=0x13502,
    NXM_NX_IPV6_LABEL=0x13604,
    NXM_NX_IPV6_LABEL_W=0x13708,
    NXM_NX_IP_ECN=0x13801,
    NXM_NX_IP_TTL=0x13A01,
    NXM_NX_COOKIE=0x13C08,
    NXM_NX_COOKIE_W=0x13D10,
    NXM_NX_TUN_IPV4_SRC=0x13E04,
    NXM_NX_TUN_IPV4_SRC_W=0x13F08,
    NXM_NX_TUN_IPV4_DST=0x14004,
    NXM_NX_TUN_IPV4_DST_W=0x14108,
    NXM_NX_PKT_MARK=0x14204,
    NXM_NX_PKT_MARK_W=0x14308,
    NXM_NX_TCP_FLAGS=0x14402,
    NXM_NX_TCP_FLAGS_W=0x14504,
    NXM_NX_DP_HASH=0x14604,
    NXM_NX_DP_HASH_W=0x14708,
    NXM_NX_RECIRC_ID=0x14804,
    NXM_NX_CONJ_ID=0x14A04,
    NXM_NX_TUN_IPV6_SRC=0x1DA10,
    NXM_NX_TUN_IPV6_SRC_W=0x1DB20,
    NXM_NX_TUN_IPV6_DST=0x1DC10,
    NXM_NX_TUN_IPV6_DST_W=0x1DD20,
    NXM_NX_TUN_FLAGS=0x1D002,
    NXM_NX_TUN_FLAGS_W=0x1D104,
    NXM_NX_TUN_GBP_ID=0x14C02,
    NXM_NX_TUN_GBP_ID_W=0x14D04,
    NXM_NX_TUN_GBP_FLAGS=0x14E01,
    NXM_NX_TUN_GBP_FLAGS_W=0x14F02,
    NXM_NX_CT_STATE=0x1D204,
    NXM_NX_CT_STATE_W=0x1D308,
    NXM_NX_CT_ZONE=0x1D402,
    NXM_NX_CT_MARK=0x1D604,
    NXM_NX_CT_MARK_W=0x1D708,
    NXM_NX_CT_LABEL=0x1D820,
    NXM_NX_CT_LABEL_W=0x1D940,
    NXM_NX_CT_NW_PROTO=0x1EE01,
    NXM_NX_CT_NW_SRC=0x1F004,
    NXM_NX_CT_NW_SRC_W=0x1F108,
    NXM_NX_CT_NW_DST=0x1F204,
    NXM_NX_CT_NW_DST_W=0x1F308,
    NXM_NX_CT_IPV6_SRC=0x1F410,
    NXM_NX_CT_IPV6_SRC_W=0x1F520,
    NXM_NX_CT_IPV6_DST=0x1F610,
    NXM_NX_CT_IPV6_DST_W=0x1F720,
    NXM_NX_CT_TP_SRC=0x1F802,
    NXM_NX_CT_TP_SRC_W=0x1F904,
    NXM_NX_CT_TP_DST=0x1FA02,
    NXM_NX_CT_TP_DST_W=0x1FA02,
    NXM_NX_XXREG0=0x1DE10,
    NXM_NX_XXREG1=0x1E010,
    NXM_NX_XXREG2=0x1E210,
    NXM_NX_XXREG3=0x1E410,
    NXM_NX_XXREG0_W=0x1DF20,
    NXM_NX_XXREG1_W=0x1E120,
    NXM_NX_XXREG2_W=0x1E320,
    NXM_NX_XXREG3_W=0x1E520,
    NXM_NX_MPLS_TTL=0x13C01,
)

nx_conntrack_state = enum(
    "nx_conntrack_state",
    globals(),
    uint32,
    True,
    CS_NEW=1,
    CS_ESTABLISHED=2,
    CS_RELATED=4,
    CS_REPLY_DIR=8,
    CS_INVALID=0x10,
    CS_TRACKED=0x20,
    CS_SRC_NAT=0x40,
    CS_DST_NAT=0x80,
)

nx_tunnel_metadata_fields = enum(
    "nx_tunnel_metadata_fields",
    None,
    uint16,
    **{f"NXM_NX_TUN_METADATA{index}": 40 + index for index in range(NX_TUN_METADATA_NUM_OPTS)},
)

nx_tunnel_flags = enum(
    "nx_tunnel_flags",
    globals(),
    uint16,
    True,
    NX_FLOW_TNL_F_OAM=1,
    NX_FLOW_TNL_F_DONT_FRAGMENT=2,
    NX_FLOW_TNL_F_CSUM=4,
    NX_FLOW_TNL_F_KEY=8,
)

nx_action_subtype = enum(
    "nx_action_subtype",
    globals(),
    uint16,
    NXAST_SNAT__OBSOLETE=0,
    NXAST_RESUBMIT=1,
    NXAST_SET_TUNNEL=2,
    NXAST_DROP_SPOOFED_ARP__OBSOLETE=3,
    NXAST_SET_QUEUE=4,
    NXAST_POP_QUEUE=5,
    NXAST_REG_MOVE=6,
    NXAST_REG_LOAD=7,
    NXAST_NOTE=8,
    NXAST_SET_TUNNEL64=9,
    NXAST_MULTIPATH=0xA,
    NXAST_AUTOPATH__OBSOLETE=0xB,
    NXAST_BUNDLE=0xC,
    NXAST_BUNDLE_LOAD=0xD,
    NXAST_RESUBMIT_TABLE=0xE,
    NXAST_OUTPUT_REG=0xF,
    NXAST_LEARN=0x10,
    NXAST_EXIT=0x11,
    NXAST_DEC_TTL=0x12,
    NXAST_FIN_TIMEOUT=0x13,
    NXAST_CONTROLLER=0x14,
    NXAST_DEC_TTL_CNT_IDS=0x15,
    NXAST_WRITE_METADATA=0x16,
    NXAST_PUSH_MPLS=0x17,
    NXAST_POP_MPLS=0x18,
    NXAST_SET_MPLS_TTL=0x19,
    NXAST_DEC_MPLS_TTL=0x1A,
    NXAST_STACK_PUSH=0x1B,
    NXAST_STACK_POP=0x1C,
    NXAST_SAMPLE=0x1D,
    NXAST_SET_MPLS_LABEL=0x1E,
    NXAST_SET_MPLS_TC=0x1F,
    NXAST_OUTPUT_REG2=0x20,
    NXAST_REG_LOAD2=0x21,
    NXAST_CONJUNCTION=0x22,
    NXAST_CT=0x23,
    NXAST_NAT=0x24,
    NXAST_CONTROLLER2=0x25,
    NXAST_SAMPLE2=0x26,
    NXAST_OUTPUT_TRUNC=0x27,
    NXAST_SAMPLE3=0x29,
    NXAST_CLONE=0x2A,
    NXAST_CT_CLEAR=0x2B,
    NXAST_RESUBMIT_TABLE_CT=0x2C,
    NXAST_LEARN2=0x2D,
    NXAST_ENCAP=0x2E,
    NXAST_DECAP=0x2F,
    NXAST_DEC_NSH_TTL=0x30,
)

nx_stats_subtype = enum(
    "nx_stats_subtype",
    globals(),
    uint32,
    NXST_FLOW=0,
    NXST_AGGREGATE=1,
    NXST_FLOW_MONITOR=2,
    NXST_IPFIX_BRIDGE=3,
    NXST_IPFIX_FLOW=4,
)

nx_mp_algorithm = enum(
    "nx_mp_algorithm",
    globals(),
    uint16,
    NX_MP_ALG_MODULO_N=0,
    NX_MP_ALG_HASH_THRESHOLD=1,
    NX_MP_ALG_HRW=2,
    NX_MP_ALG_ITER_HASH=3,
)

nx_flow_mod_spec_header = enum(
    "nx_flow_mod_spec_header",
    globals(),
    uint16,
    True,
    NX_LEARN_SRC_IMMEDIATE=0x2000,
    NX_LEARN_DST_LOAD=0x800,
    NX_LEARN_DST_OUTPUT=0x1000,
    NX_LEARN_DST_RESERVED=0x1800,
)

nx_bd_algorithm = enum(
    "nx_bd_algorithm",
    globals(),
    uint16,
    NX_BD_ALG_ACTIVE_BACKUP=0,
    NX_BD_ALG_HRW=1,
)

nx_flow_format = enum(
    "nx_flow_format",
    globals(),
    uint32,
    NXFF_OPENFLOW10=0,
    NXFF_NXM=2,
)

nx_flow_monitor_flags = enum(
    "nx_flow_monitor_flags",
    globals(),
    uint16,
    True,
    NXFMF_INITIAL=1,
    NXFMF_ADD=2,
    NXFMF_DELETE=4,
    NXFMF_MODIFY=8,
    NXFMF_ACTIONS=0x10,
    NXFMF_OWN=0x20,
)

nx_flow_update_event = enum(
    "nx_flow_update_event",
    globals(),
    uint16,
    NXFME_ADDED=0,
    NXFME_DELETED=1,
    NXFME_MODIFIED=2,
    NXFME_ABBREV=3,
)

nx_learn_flags = enum(
    "nx_learn_flags",
    globals(),
    uint16,
    True,
    NX_LEARN_F_SEND_FLOW_REM=1,
    NX_LEARN_F_DELETE_LEARNED=2,
    NX_LEARN_F_WRITE_RESULT=4,
)

nx_action_controller2_prop_type = enum(
    "nx_action_controller2_prop_type",
    globals(),
    uint16,
    NXAC2PT_MAX_LEN=0,
    NXAC2PT_CONTROLLER_ID=1,
    NXAC2PT_REASON=2,
    NXAC2PT_USERDATA=3,
    NXAC2PT_PAUSE=4,
)

nx_action_sample_direction = enum(
    "nx_action_sample_direction",
    globals(),
    uint8,
    NX_ACTION_SAMPLE_DEFAULT=0,
    NX_ACTION_SAMPLE_INGRESS=1,
    NX_ACTION_SAMPLE_EGRESS=2,
)

nx_conntrack_flags = enum(
    "nx_conntrack_flags",
    globals(),
    uint16,
    True,
    NX_CT_F_COMMIT=1,
    NX_CT_F_FORCE=2,
)

nx_conntrack_alg_port = enum(
    "nx_conntrack_alg_port",
    globals(),
    uint16,
    NX_CT_A_IPPORT_NONE=0,
    NX_CT_A_IPPORT_FTP=0x15,
    NX_CT_A_IPPORT_TFTP=0x45,
)

nx_nat_range = enum(
    "nx_nat_range",
    globals(),
    uint16,
    True,
    NX_NAT_RANGE_IPV4_MIN=1,
    NX_NAT_RANGE_IPV4_MAX=2,
    NX_NAT_RANGE_IPV6_MIN=4,
    NX_NAT_RANGE_IPV6_MAX=8,
    NX_NAT_RANGE_PROTO_MIN=0x10,
    NX_NAT_RANGE_PROTO_MAX=0x20,
)

nx_nat_flags = enum(
    "nx_nat_flags",
    globals(),
    uint16,
    True,
    NX_NAT_F_SRC=1,
    NX_NAT_F_DST=2,
    NX_NAT_F_PERSISTENT=4,
    NX_NAT_F_PROTO_HASH=8,
    NX_NAT_F_PROTO_RANDOM=0x10,
)

ofp_header_type_namespaces = enum(
    "ofp_header_type_namespaces",
    globals(),
    uint16,
    OFPHTN_ONF=0,
    OFPHTN_ETHERTYPE=1,
    OFPHTN_IP_PROTO=2,
    OFPHTN_UDP_TCP_PORT=3,
    OFPHTN_IPV4_OPTION=4,
)

packet_type = enum(
    "packet_type",
    globals(),
    uint32,
    PT_ETH=0,
    PT_USE_NEXT_PROTO=0xFFFE,
    PT_IPV4=0x10800,
    PT_IPV6=0x186DD,
    PT_MPLS=0x18847,
    PT_MPLS_MC=0x18848,
    PT_NSH=0x1894F,
    PT_UNKNOWN=0xFFFFFFFF,
)

ofp_ed_prop_class = enum(
    "ofp_ed_prop_class",
    globals(),
    uint16,
    OFPPPC_BASIC=0,
    OFPPPC_MPLS=1,
    OFPPPC_GRE=2,
    OFPPPC_GTP=3,
    OFPPPC_NSH=4,
    OFPPPC_EXPERIMENTER=0xFFFF,
)

ofp_ed_nsh_prop_type = enum(
    "ofp_ed_nsh_prop_type",
    globals(),
    uint8,
    OFPPPT_PROP_NSH_NONE=0,
    OFPPPT_PROP_NSH_MDTYPE=1,
    OFPPPT_PROP_NSH_TLV=2,
)

nx_tlv_table_mod_command = enum(
    "nx_tlv_table_mod_command",
    globals(),
    uint16,
    NXTTMC_ADD=0,
    NXTTMC_DELETE=1,
    NXTTMC_CLEAR=2,
)

nx_port_no = enum(
    "nx_port_no",
    None,
    uint16,
    OFPP_MAX=0xFF00,
    OFPP_IN_PORT=0xFFF8,
    OFPP_TABLE=0xFFF9,
    OFPP_NORMAL=0xFFFA,
    OFPP_FLOOD=0xFFFB,
    OFPP_ALL=0xFFFC,
    OFPP_CONTROLLER=0xFFFD,
    OFPP_LOCAL=0xFFFE,
    OFPP_ANY=0xFFFF,
)

ofp_controller_role_reason_bitwise = enum(
    "ofp_controller_role_reason_bitwise",
    None,
    uint32,
    True,
    **{name: 1 << value for name, value in ofp_controller_role_reason.getDict().items()},
)

ofp_table_reason_bitwise = enum(
    "ofp_table_reason_bitwise",
    None,
    uint32,
    True,
    **{name: 1 << value for name, value in ofp_table_reason.getDict().items()},
)

ofp_requestforward_reason_bitwise = enum(
    "ofp_requestforward_reason_bitwise",
    None,
    uint32,
    True,
    **{name: 1 << value for name, value in ofp_requestforward_reason.getDict().items()},
)


def NXM_HEADER__(VENDOR, FIELD, HASMASK, LENGTH):  # noqa: N802, N803 - names of the specification
    """Return the 32 bits of an NXM header from its parts."""
    return VENDOR << 16 | FIELD << 9 | (HASMASK & 1) << 8 | LENGTH


def NXM_HEADER(VENDOR, FIELD, LENGTH):  # noqa: N802, N803
    """Return the header of a field without a mask."""
    return NXM_HEADER__(VENDOR, FIELD, 0, LENGTH)


def NXM_HEADER_W(VENDOR, FIELD, LENGTH):  # noqa: N802, N803
    """Return the header of a field with a mask; `LENGTH` is that of the value alone."""
    return NXM_HEADER__(VENDOR, FIELD, 1, LENGTH * 2)


def NXM_VENDOR(HEADER):  # noqa: N802, N803
    """Return the vendor (class) of an NXM header."""
    return HEADER >> 16


def NXM_FIELD(HEADER):  # noqa: N802, N803
    """Return the field number of an NXM header."""
    return HEADER >> 9 & 0x7F


def NXM_TYPE(HEADER):  # noqa: N802, N803
    """Return vendor and field number of an NXM header."""
    return HEADER >> 9 & 0x7FFFFF


def NXM_HASMASK(HEADER):  # noqa: N802, N803
    """Return 1 for the header of a field with a mask, else 0."""
    return HEADER >> 8 & 1


def NXM_LENGTH(HEADER):  # noqa: N802, N803
    """Return the length in bytes of what follows an NXM header."""
    return HEADER & 0xFF


def NXM_MAKE_WILD_HEADER(HEADER):  # noqa: N802, N803
    """Return the header of the same field with a mask."""
    return NXM_HEADER_W(NXM_VENDOR(HEADER), NXM_FIELD(HEADER), NXM_LENGTH(HEADER))


def NXM_NX_REG(IDX):  # noqa: N802, N803
    """Return the header of register `IDX`."""
    return NXM_HEADER(1, IDX, 4)


def NXM_NX_REG_W(IDX):  # noqa: N802, N803
    """Return the header of register `IDX` with a mask."""
    return NXM_HEADER_W(1, IDX, 4)


def NXM_NX_REG_IDX(HEADER):  # noqa: N802, N803
    """Return the number of the register that a header names."""
    return NXM_FIELD(HEADER)


def NXM_IS_NX_REG(HEADER):  # noqa: N802, N803
    """Tell whether a header names a register without a mask."""
    return NXM_FIELD(HEADER) < NXM_NX_MAX_REGS and HEADER == NXM_NX_REG(NXM_FIELD(HEADER))


def NXM_IS_NX_REG_W(HEADER):  # noqa: N802, N803
    """Tell whether a header names a register with a mask."""
    return NXM_FIELD(HEADER) < NXM_NX_MAX_REGS and HEADER == NXM_NX_REG_W(NXM_FIELD(HEADER))


_TUN_METADATA0 = 40


def create_nx_tunnel_metadata_header(index, length, mask=False):
    """Return the header of a tunnel metadata field.

    :param index: number of the field, 0 to 63
    :param length: bytes of the value, 1 to 124
    :param mask: True for the header with a mask
    """
    return (NXM_HEADER_W if mask else NXM_HEADER)(1, _TUN_METADATA0 + index, length)


def _is_nx_tunnel_metadata(x):
    """Tell whether a header names a tunnel metadata field, whatever its length."""
    return NXM_VENDOR(x) == 1 and _TUN_METADATA0 <= NXM_FIELD(x) < _TUN_METADATA0 + NX_TUN_METADATA_NUM_OPTS


def _nx_tunnel_metadata_formatter(x):
    """Return the name of a tunnel metadata header."""
    return f"NXM_NX_TUN_METADATA{NXM_FIELD(x) - _TUN_METADATA0}" + ("_W" if NXM_HASMASK(x) else "")


class _TunnelMetadataHeader(prim):
    """A header whose dump names the tunnel metadata field."""

    formatter = staticmethod(_nx_tunnel_metadata_formatter)


_nx_tunnel_metadata_header_type = _TunnelMetadataHeader("I", "_nx_tunnel_metadata_header_type")


def create_ofs_nbits(ofs, n_bits):
    """Return the 16 bits that name `n_bits` bits of a field from bit `ofs` on.

    :raises ValueError: for an offset outside 0 to 1023 or a count outside 1 to 64
    """
    if not (0 <= ofs < 1024 and 1 <= n_bits <= 64):
        raise ValueError(f"cannot name {n_bits!r} bits from bit {ofs!r}")
    return ofs << 6 | n_bits - 1


class _OfsNbits(prim):
    """Offset and count of bits, shown as ``[first..last]``."""

    def formatter(self, value):
        """Return the range of bits in the notation of Open vSwitch."""
        return f"[{value >> 6}..{(value >> 6) + (value & 0x3F)}]"


ofs_nbits_type = _OfsNbits("H", "ofs_nbits_type")


def NX_FLOWMODSPEC_SRC(x):  # noqa: N802
    """Return where a learned flow takes a value from: NX_LEARN_SRC_FIELD or NX_LEARN_SRC_IMMEDIATE."""
    return x & NX_LEARN_SRC_MASK


def NX_FLOWMODSPEC_DST(x):  # noqa: N802
    """Return what a learned flow does with a value: NX_LEARN_DST_MATCH, NX_LEARN_DST_LOAD or NX_LEARN_DST_OUTPUT."""
    return x & NX_LEARN_DST_MASK


def NX_FLOWMODSPEC_NBITS(x):  # noqa: N802
    """Return the number of bits that a flow mod spec copies."""
    return x & NX_LEARN_N_BITS_MASK


def PACKET_TYPE(NS, NS_TYPE):  # noqa: N802, N803
    """Return a packet type from its name space and the type in it."""
    return NS << 16 | NS_TYPE
