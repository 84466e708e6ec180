"""OpenFlow definitions that every version shares: header, hello, echo, errors, and enumerations.

A message of any version is parsed with :data:`ofp_msg`; once the module of its version is imported, it becomes the right
struct by itself. Sources: OpenFlow Switch Specification 1.0.0, 1.3.5, 1.4.1, sections 7.1 to 7.5 of the newer ones.
"""

from __future__ import annotations


from namedstruct import namedstruct, stdprim
from namedstruct.namedstruct import (
    StructDefWarning,
    enum,
    packrealsize,
    packvalue,
    raw,
    rawtype,
    sizefromlen,
)
from namedstruct.stdprim import uint8, uint16, uint32, uint64

from vlcp.utils.ethernet import *  # noqa: F403 - packet structs belong to the namespace of each version

from ._types import nstruct, sequence

OFP_MAX_TABLE_NAME_LEN = 32
OFP_MAX_PORT_NAME_LEN = 16
OFP_PORT = 6653
OFP_TCP_PORT = 6653
OFP_SSL_PORT = 6653
OFP_ETH_ALEN = 6
#: Bytes of a packet that a switch sends to the controller by default.
OFP_DEFAULT_MISS_SEND_LEN = 128
#: Ethernet types below this value are IEEE 802.3 frame lengths.
OFP_DL_TYPE_ETH2_CUTOFF = 0x600
OFP_DL_TYPE_NOT_ETH_TYPE = 0x5FF
OFP_FLOW_PERMANENT = 0
OFP_DEFAULT_PRIORITY = 0x8000

ofp_version = enum(
    "ofp_version",
    globals(),
    uint8,
    OFP10_VERSION=1,
    OFP11_VERSION=2,
    OFP12_VERSION=3,
    OFP13_VERSION=4,
    OFP14_VERSION=5,
    OFP15_VERSION=6,
)

ofp_version_bitwise = enum(
    "ofp_version_bitwise",
    None,
    uint32,
    True,
    OFP10_VERSION=2,
    OFP11_VERSION=4,
    OFP12_VERSION=8,
    OFP13_VERSION=0x10,
    OFP14_VERSION=0x20,
    OFP15_VERSION=0x40,
)

experimenter_ids = enum(
    "experimenter_ids",
    globals(),
    uint32,
    OF_VENDOR_ID=0,
    HPL_VENDOR_ID=0x4EA,
    NTR_VENDOR_ID=0x154D,
    NTR_COMPAT_VENDOR_ID=0x1540,
    NX_VENDOR_ID=0x2320,
    ONF_VENDOR_ID=0x4F4E4600,
    INTEL_VENDOR_ID=0xAA01,
)

ofp_type = enum(
    "ofp_type",
    globals(),
    uint8,
    OFPT_HELLO=0,
    OFPT_ERROR=1,
    OFPT_ECHO_REQUEST=2,
    OFPT_ECHO_REPLY=3,
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
)

nx_vendor_code = enum(
    "nx_vendor_code",
    globals(),
    uint16,
    NXVC_VENDOR_ERROR=0,
)

ofp_hello_failed_code = enum(
    "ofp_hello_failed_code",
    globals(),
    uint32,
    OFPHFC_INCOMPATIBLE=0,
    OFPHFC_EPERM=1,
)

ofp_bad_request_code = enum(
    "ofp_bad_request_code",
    globals(),
    uint32,
    OFPBRC_BAD_VERSION=0,
    OFPBRC_BAD_TYPE=1,
    OFPBRC_BAD_MULTIPART=2,
    OFPBRC_BAD_EXPERIMENTER=3,
    OFPBRC_BAD_EXP_TYPE=4,
    OFPBRC_EPERM=5,
    OFPBRC_BAD_LEN=6,
    OFPBRC_BUFFER_EMPTY=7,
    OFPBRC_BUFFER_UNKNOWN=8,
    OFPBRC_BAD_TABLE_ID=9,
    OFPBRC_IS_SLAVE=0xA,
    OFPBRC_BAD_PORT=0xB,
    OFPBRC_BAD_PACKET=0xC,
    OFPBRC_MULTIPART_BUFFER_OVERFLOW=0xD,
    OFPBRC_MULTIPART_REQUEST_TIMEOUT=0xE,
    OFPBRC_MULTIPART_REPLY_TIMEOUT=0xF,
)

ofp_bad_action_code = enum(
    "ofp_bad_action_code",
    globals(),
    uint32,
    OFPBAC_BAD_TYPE=0,
    OFPBAC_BAD_LEN=1,
    OFPBAC_BAD_EXPERIMENTER=2,
    OFPBAC_BAD_EXP_TYPE=3,
    OFPBAC_BAD_OUT_PORT=4,
    OFPBAC_BAD_ARGUMENT=5,
    OFPBAC_EPERM=6,
    OFPBAC_TOO_MANY=7,
    OFPBAC_BAD_QUEUE=8,
    OFPBAC_BAD_OUT_GROUP=9,
    OFPBAC_MATCH_INCONSISTENT=0xA,
    OFPBAC_UNSUPPORTED_ORDER=0xB,
    OFPBAC_BAD_TAG=0xC,
    OFPBAC_BAD_SET_TYPE=0xD,
    OFPBAC_BAD_SET_LEN=0xE,
    OFPBAC_BAD_SET_ARGUMENT=0xF,
)

ofp_config_flags = enum(
    "ofp_config_flags",
    globals(),
    uint16,
    True,
    OFPC_FRAG_NORMAL=0,
    OFPC_FRAG_DROP=1,
    OFPC_FRAG_REASM=2,
    OFPC_FRAG_NX_MATCH=3,
    OFPC_INVALID_TTL_TO_CONTROLLER=4,
)

ofp_port_config = enum(
    "ofp_port_config",
    globals(),
    uint32,
    True,
    OFPPC_PORT_DOWN=1,
    OFPPC_NO_STP=2,
    OFPPC_NO_RECV=4,
    OFPPC_NO_RECV_STP=8,
    OFPPC_NO_FLOOD=0x10,
    OFPPC_NO_FWD=0x20,
    OFPPC_NO_PACKET_IN=0x40,
)

ofp_port_state = enum(
    "ofp_port_state",
    globals(),
    uint32,
    True,
    OFPPS_LINK_DOWN=1,
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
)

ofp_queue_properties = enum(
    "ofp_queue_properties",
    globals(),
    uint16,
    OFPQT_MIN_RATE=1,
    OFPQT_MAX_RATE=2,
    OFPQT_EXPERIMENTER=0xFFFF,
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
)

ofp_packet_in_reason = enum(
    "ofp_packet_in_reason",
    globals(),
    uint8,
    OFPR_NO_MATCH=0,
    OFPR_ACTION=1,
    OFPR_INVALID_TTL=2,
)

ofp_flow_mod_command = enum(
    "ofp_flow_mod_command",
    globals(),
    uint16,
    OFPFC_ADD=0,
    OFPFC_MODIFY=1,
    OFPFC_MODIFY_STRICT=2,
    OFPFC_DELETE=3,
    OFPFC_DELETE_STRICT=4,
)

ofp_flow_mod_flags = enum(
    "ofp_flow_mod_flags",
    globals(),
    uint16,
    True,
    OFPFF_SEND_FLOW_REM=1,
    OFPFF_CHECK_OVERLAP=2,
)

ofp_flow_removed_reason = enum(
    "ofp_flow_removed_reason",
    globals(),
    uint8,
    OFPRR_IDLE_TIMEOUT=0,
    OFPRR_HARD_TIMEOUT=1,
    OFPRR_DELETE=2,
    OFPRR_GROUP_DELETE=3,
    OFPRR_METER_DELETE=4,
    OFPRR_EVICTION=5,
)

ofp_port_reason = enum(
    "ofp_port_reason",
    globals(),
    uint8,
    OFPPR_ADD=0,
    OFPPR_DELETE=1,
    OFPPR_MODIFY=2,
)

ofp_stats_reply_flags = enum(
    "ofp_stats_reply_flags",
    globals(),
    uint16,
    OFPSF_REPLY_MORE=1,
)

ofp_match_type = enum(
    "ofp_match_type",
    globals(),
    uint16,
    OFPMT_STANDARD=0,
    OFPMT_OXM=1,
)

ofp_group = enum(
    "ofp_group",
    globals(),
    uint32,
    OFPG_MAX=0xFFFFFF00,
    OFPG_ALL=0xFFFFFFFC,
    OFPG_ANY=0xFFFFFFFF,
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

ofp_hello_elem_type = enum(
    "ofp_hello_elem_type",
    globals(),
    uint16,
    OFPHET_VERSIONBITMAP=1,
)

ofp_table = enum(
    "ofp_table",
    globals(),
    uint8,
    OFPTT_ALL=0xFF,
)

ofp_table_config = enum(
    "ofp_table_config",
    globals(),
    uint32,
    True,
    OFPTC_TABLE_MISS_CONTROLLER=0,
    OFPTC_TABLE_MISS_CONTINUE=1,
    OFPTC_TABLE_MISS_DROP=2,
    OFPTC_TABLE_MISS_MASK=3,
    OFPTC_EVICTION=4,
    OFPTC_VACANCY_EVENTS=8,
)

ofp_async_config_prop_type = enum(
    "ofp_async_config_prop_type",
    globals(),
    uint16,
    OFPACPT_PACKET_IN_SLAVE=0,
    OFPACPT_PACKET_IN_MASTER=1,
    OFPACPT_PORT_STATUS_SLAVE=2,
    OFPACPT_PORT_STATUS_MASTER=3,
    OFPACPT_FLOW_REMOVED_SLAVE=4,
    OFPACPT_FLOW_REMOVED_MASTER=5,
    OFPACPT_ROLE_STATUS_SLAVE=6,
    OFPACPT_ROLE_STATUS_MASTER=7,
    OFPACPT_TABLE_STATUS_SLAVE=8,
    OFPACPT_TABLE_STATUS_MASTER=9,
    OFPACPT_REQUESTFORWARD_SLAVE=0xA,
    OFPACPT_REQUESTFORWARD_MASTER=0xB,
    OFPTFPT_EXPERIMENTER_SLAVE=0xFFFE,
    OFPTFPT_EXPERIMENTER_MASTER=0xFFFF,
)

ofp_controller_role_reason = enum(
    "ofp_controller_role_reason",
    globals(),
    uint8,
    OFPCRR_MASTER_REQUEST=0,
    OFPCRR_CONFIG=1,
    OFPCRR_EXPERIMENTER=2,
)

ofp_table_reason = enum(
    "ofp_table_reason",
    globals(),
    uint8,
    OFPTR_VACANCY_DOWN=3,
    OFPTR_VACANCY_UP=4,
)

ofp_requestforward_reason = enum(
    "ofp_requestforward_reason",
    globals(),
    uint8,
    OFPRFR_GROUP_MOD=0,
    OFPRFR_METER_MOD=1,
)

# Sets of reasons, as bits

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

# Older names of the same codes.
OFPBRC_BAD_STAT = OFPBRC_BAD_MULTIPART
OFPBRC_BAD_VENDOR = OFPBRC_BAD_EXPERIMENTER
OFPBRC_BAD_SUBTYPE = OFPBRC_BAD_EXP_TYPE
OFPC_FRAG_MASK = (3,)
OFPTT_MAX = 0xFE


def _smart_hex_format(x):
    """Return a number in hexadecimal, a string unchanged."""
    return hex(x) if isinstance(x, int) else x


class _HexRaw(rawtype):
    """Bytes that a dump shows in hexadecimal."""

    def formatter(self, value):
        """Return the bytes as hexadecimal digits."""
        return value.hex()


hexraw = _HexRaw()


class _VersionBitmap(arraytype):
    """The words of a hello bitmap, shown as names of versions."""

    def formatter(self, value):
        """Return the names of the versions in the first word and the other words as they are."""
        return [ofp_version_bitwise.formatter(word) if not index else word for index, word in enumerate(value)]


ofp_versionbitmap = _VersionBitmap(uint32, 0)

ofp_header = nstruct(
    (ofp_version, "version"),
    (ofp_type, "type"),
    (uint16, "length"),
    (uint32, "xid"),
    name="ofp_header",
    padding=8,
)

ofp_msg = nstruct(
    (ofp_header, "header"),
    name="ofp_msg",
    padding=1,
    size=sizefromlen(65536, "header", "length"),
    prepack=packrealsize("header", "length"),
)

_SHARED_TYPES = (OFPT_HELLO, OFPT_ERROR, OFPT_ECHO_REQUEST, OFPT_ECHO_REPLY)

ofp_msg_mutable = nstruct(
    name="ofp_msg_mutable",
    base=ofp_msg,
    criteria=lambda x: x.header.type not in _SHARED_TYPES,
    classifier=lambda x: x.header.version,
)

ofp_error_msg_base = nstruct(
    (ofp_error_type, "type"),
    name="ofp_error_msg_base",
    base=ofp_msg,
    criteria=lambda x: x.header.type == OFPT_ERROR,
    init=packvalue(OFPT_ERROR, "header", "type"),
)

ofp_error_msg = nstruct(
    (uint16, "code"),
    (raw, "data"),
    name="ofp_error_msg",
    base=ofp_error_msg_base,
    criteria=lambda x: x.type not in (OFPET_EXPERIMENTER, NXET_VENDOR),
)

ofp_error_experimenter_msg = nstruct(
    (uint16, "exp_type"),
    (experimenter_ids, "experimenter"),
    name="ofp_error_experimenter_msg",
    base=ofp_error_msg_base,
    criteria=lambda x: x.type == OFPET_EXPERIMENTER,
    init=packvalue(OFPET_EXPERIMENTER, "type"),
)


def ofp_error_typedef(subtype, codeenum, version=None, extendtype=None):
    """Define the error message of one error type, whose dump names its codes.

    :param subtype: error type
    :param codeenum: enumeration of its codes
    :param version: wire version for which the definition holds; None for all
    :param extendtype: enumeration that names the error types of this version; None for the shared one
    :return: a struct based on :data:`ofp_error_msg`
    """
    extend = {"code": codeenum.astype(uint16)}
    if extendtype is not None:
        extend["type"] = extendtype
    return nstruct(
        name="ofp_error_msg",
        base=ofp_error_msg,
        criteria=lambda x: x.type == subtype and version in (None, x.header.version),
        init=packvalue(subtype, "type"),
        extend=extend,
    )


#: Error type to struct, for the types that all versions have.
ofp_error_types = {
    OFPET_HELLO_FAILED: ofp_error_typedef(OFPET_HELLO_FAILED, ofp_hello_failed_code),
    OFPET_BAD_REQUEST: ofp_error_typedef(OFPET_BAD_REQUEST, ofp_bad_request_code),
    OFPET_BAD_ACTION: ofp_error_typedef(OFPET_BAD_ACTION, ofp_bad_action_code),
}

ofp_aggregate_stats_reply = nstruct(
    (uint64, "packet_count"),
    (uint64, "byte_count"),
    (uint32, "flow_count"),
    (uint8[4],),
    name="ofp_aggregate_stats_reply",
    padding=8,
)

ofp_hello_elem = nstruct(
    (ofp_hello_elem_type, "type"),
    (uint16, "length"),
    name="ofp_hello_elem",
    padding=8,
    size=sizefromlen(65536, "length"),
    prepack=packrealsize("length"),
)

ofp_hello_elem_versionbitmap = nstruct(
    (ofp_versionbitmap, "bitmaps"),
    name="ofp_hello_elem_versionbitmap",
    base=ofp_hello_elem,
    criteria=lambda x: x.type == OFPHET_VERSIONBITMAP,
    init=packvalue(OFPHET_VERSIONBITMAP, "type"),
)

ofp_hello = nstruct(
    (sequence(ofp_hello_elem, padded=False), "elements"),
    name="ofp_hello",
    base=ofp_msg,
    criteria=lambda x: x.header.type == OFPT_HELLO,
    init=packvalue(OFPT_HELLO, "header", "type"),
)

ofp_echo = nstruct(
    (raw, "data"),
    name="ofp_echo",
    base=ofp_msg,
    criteria=lambda x: x.header.type in (OFPT_ECHO_REQUEST, OFPT_ECHO_REPLY),
    init=packvalue(OFPT_ECHO_REQUEST, "header", "type"),
)
