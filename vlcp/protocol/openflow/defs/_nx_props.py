# ruff: noqa: F403, F405 - the names of the enumerations
"""Nicira structs that are the same for every OpenFlow version: errors and the properties of an encap action."""

from __future__ import annotations

from namedstruct.namedstruct import packrealsize, packvalue, raw, sizefromlen
from namedstruct.stdprim import uint8, uint16

from ._nx_enums import *
from ._types import nstruct

nx_error_msg = nstruct(
    (raw, "data"),
    name="nx_error_msg",
    base=ofp_error_experimenter_msg,
    criteria=lambda x: x.experimenter == NX_VENDOR_ID,
    init=packvalue(NX_VENDOR_ID, "experimenter"),
    extend={"exp_type": nx_error_type},
)

nx_vendor_error = nstruct(
    (nx_vendor_code, "code"),
    (experimenter_ids, "vendor"),
    (uint16, "nx_type"),
    (uint16, "nx_code"),
    (raw, "data"),
    name="nx_vendor_error",
    base=ofp_error_msg_base,
    criteria=lambda x: x.type == NXET_VENDOR,
    init=packvalue(NXET_VENDOR, "type"),
)

nx_vendor_error_nx = nstruct(
    name="nx_vendor_error_nx",
    base=nx_vendor_error,
    criteria=lambda x: x.vendor == NX_VENDOR_ID,
    init=packvalue(NX_VENDOR_ID, "vendor"),
    classifier=lambda x: x.nx_type,
    extend={"nx_type": nx10_error_type},
)

ofp_ed_prop = nstruct(
    (ofp_ed_prop_class, "prop_class"),
    (uint8, "type"),
    (uint8, "len"),
    name="ofp_ed_prop",
    padding=8,
    size=sizefromlen(255, "len"),
    prepack=packrealsize("len"),
    classifier=lambda x: x.prop_class,
)

ofp_ed_prop_nsh = nstruct(
    name="ofp_ed_prop_nsh",
    base=ofp_ed_prop,
    classifyby=(OFPPPC_NSH,),
    init=packvalue(OFPPPC_NSH, "prop_class"),
    classifier=lambda x: x.type,
    extend={"type": ofp_ed_nsh_prop_type},
)

ofp_ed_prop_nsh_md_type = nstruct(
    (nsh_md_types, "md_type"),
    name="ofp_ed_prop_nsh_md_type",
    base=ofp_ed_prop_nsh,
    classifyby=(OFPPPT_PROP_NSH_MDTYPE,),
    init=packvalue(OFPPPT_PROP_NSH_MDTYPE, "type"),
)

_ofp_ed_prop_nsh_tlv_data = nstruct(
    (raw, "data"),
    name="_ofp_ed_prop_nsh_tlv_data",
    padding=8,
    size=lambda x: x.tlv_len,
    prepack=packrealsize("tlv_len"),
)

ofp_ed_prop_nsh_tlv = nstruct(
    (nsh_md_class, "tlv_class"),
    (uint8, "tlv_type"),
    (uint8, "tlv_len"),
    (_ofp_ed_prop_nsh_tlv_data,),
    name="ofp_ed_prop_nsh_tlv",
    base=ofp_ed_prop_nsh,
    classifyby=(OFPPPT_PROP_NSH_TLV,),
    init=packvalue(OFPPPT_PROP_NSH_TLV, "type"),
)


def _nx_error_type(kind, codes):
    """Define the struct of one Nicira error type, whose dump names its codes."""
    return nstruct(
        name="nx_vendor_error_nx",
        base=nx_vendor_error_nx,
        classifyby=(kind,),
        init=packvalue(kind, "nx_type"),
        extend={"nx_code": codes},
    )


#: Nicira error type to struct.
nx_vendor_error_types = {
    kind: _nx_error_type(kind, codes)
    for kind, codes in {
        0: nx10_error_type0_code,
        1: nx10_error_bad_request_code,
        2: nx10_error_bad_action_code,
        3: nx10_error_bad_instruction_code,
        5: nx10_error_flow_mod_failed_code,
        13: nx10_error_table_features_failed_code,
        14: nx10_error_bad_property_code,
    }.items()
}
