# ruff: noqa: F403, F405 - the names of the enumerations
"""Nicira actions."""

from __future__ import annotations

from namedstruct.namedstruct import darray, optional, packrealsize, packvalue, raw, sizefromlen, varchr
from namedstruct.stdprim import uint8, uint16, uint32, uint64

from ._nx_enums import *
from ._nx_props import ofp_ed_prop
from ._types import binary, export, nstruct, sequence


def _has_experimenter(name):
    """Return a criterion: the header in field `name` is of the experimenter class, so 4 more bytes follow it."""
    return lambda x: NXM_VENDOR(getattr(x, name, 0)) == 0xFFFF


def _in_range(flag):
    """Return a criterion: a NAT action has the part of its range that `flag` stands for."""
    return lambda x: x.range_present & flag


_NAT_PARTS = {
    "ipv4_min": NX_NAT_RANGE_IPV4_MIN,
    "ipv4_max": NX_NAT_RANGE_IPV4_MAX,
    "ipv6_min": NX_NAT_RANGE_IPV6_MIN,
    "ipv6_max": NX_NAT_RANGE_IPV6_MAX,
    "proto_min": NX_NAT_RANGE_PROTO_MIN,
    "proto_max": NX_NAT_RANGE_PROTO_MAX,
}


def _pack_nat_range(x):
    x.range_present = sum(flag for name, flag in _NAT_PARTS.items() if hasattr(x, name))


def _pack_conntrack_zone(x):
    """Give a conntrack action its immediate zone (0) when neither kind of zone is set."""
    if x.zone_src and hasattr(x._target, "zone_imm"):
        delattr(x._target, "zone_imm")
    if not hasattr(x._target, "zone_imm") and not hasattr(x._target, "zone_ofs_nbits"):
        setattr(x._target, "zone_ofs_nbits" if x.zone_src else "zone_imm", 0)


def _immediate_size(x):
    """Return the bytes of the immediate value of a flow mod spec: its bits rounded up to 16."""
    return (NX_FLOWMODSPEC_NBITS(x.header) + 15) // 16 * 2


def _from_field(x):
    return x.header and not NX_FLOWMODSPEC_SRC(x.header)


def _to_field(x):
    return x.header and NX_FLOWMODSPEC_DST(x.header) in (NX_LEARN_DST_MATCH, NX_LEARN_DST_LOAD)


_nx_flow_mod_spec_src = nstruct(
    (optional(nxm_header, "src", _from_field),),
    (optional(uint16, "src_ofs", _from_field),),
    (darray(uint8, "immediate", lambda x: _immediate_size(x) if NX_FLOWMODSPEC_SRC(x.header) else 0),),
    name="_nx_flow_mod_spec_src",
    padding=1,
)
_nx_flow_mod_spec_dst = nstruct(
    (optional(nxm_header, "dst", _to_field),),
    (optional(uint16, "dst_ofs", _to_field),),
    name="_nx_flow_mod_spec_dst",
    padding=1,
)
_nx_action_learn = nstruct(
    (uint16, "idle_timeout"),
    (uint16, "hard_timeout"),
    (uint16, "priority"),
    (uint64, "cookie"),
    (nx_learn_flags, "flags"),
    (uint8, "table_id"),
    (uint8,),
    (uint16, "fin_idle_timeout"),
    (uint16, "fin_hard_timeout"),
    name="_nx_action_learn",
    padding=1,
)
_nx_slave_ports = nstruct(
    (darray(nx_port_no, "bundles", lambda x: x.n_slaves),),
    name="_nx_slave_ports",
    padding=1,
    prepack=lambda x: setattr(x._target, "n_slaves", len(x.bundles)),
)
_nx_slave_others = nstruct((raw, "bundlesraw"), name="_nx_slave_others", padding=1)
_nx_action_cnt_ids_ids = nstruct(
    (darray(uint16, "cnt_ids", lambda x: x.n_controllers),),
    name="_nx_action_cnt_ids_ids",
    padding=1,
    prepack=lambda x: setattr(x._target, "n_controllers", len(x.cnt_ids)),
)
_nx_action_conntrack_zone = nstruct(
    (optional(ofs_nbits_type, "zone_ofs_nbits", lambda x: x.zone_src),),
    (optional(uint16, "zone_imm", lambda x: not x.zone_src),),
    name="_nx_action_conntrack_zone",
    padding=1,
    prepack=_pack_conntrack_zone,
)
_nx_action_nat_range = nstruct(
    (uint8[2],),
    (nx_nat_flags, "flags"),
    (nx_nat_range, "range_present"),
    (optional(ip4_addr, "ipv4_min", _in_range(NX_NAT_RANGE_IPV4_MIN)),),
    (optional(ip4_addr, "ipv4_max", _in_range(NX_NAT_RANGE_IPV4_MAX)),),
    (optional(ip6_addr, "ipv6_min", _in_range(NX_NAT_RANGE_IPV6_MIN)),),
    (optional(ip6_addr, "ipv6_max", _in_range(NX_NAT_RANGE_IPV6_MAX)),),
    (optional(uint16, "proto_min", _in_range(NX_NAT_RANGE_PROTO_MIN)),),
    (optional(uint16, "proto_max", _in_range(NX_NAT_RANGE_PROTO_MAX)),),
    name="_nx_action_nat_range",
    padding=1,
    prepack=_pack_nat_range,
)


class _SpecList(sequence):
    """Flow mod specs; zero headers, which pad a learn action, end them."""

    def _compile(self):
        parser = super()._compile()
        elements = parser._elements
        parser._elements = lambda data: [spec for spec in elements(data) if spec.header]
        return parser


def _spec_functions(nx_flow_mod_spec):
    """Return the functions that create flow mod specs of this type, by their documented names."""

    def spec(kind, n_bits, **fields):
        if not 1 <= n_bits <= NX_LEARN_N_BITS_MASK:
            raise ValueError(f"cannot copy {n_bits!r} bits")
        return nx_flow_mod_spec(header=kind | n_bits, **fields)

    def field_bits(header):
        length = NXM_LENGTH(header) * 8
        return length // 2 if NXM_HASMASK(header) else length

    def immediate(value, n_bits):
        return list(binary(value, (n_bits + 15) // 16 * 2))

    def create_nxfms_matchfield(src, dst, src_ofs=0, dst_ofs=0, n_bits=None):
        """Learn a match of field `dst` against the packet's field `src`; `n_bits` None copies the whole of `dst`."""
        bits = field_bits(dst) if n_bits is None else n_bits
        return spec(NX_LEARN_SRC_FIELD | NX_LEARN_DST_MATCH, bits, src=src, src_ofs=src_ofs, dst=dst, dst_ofs=dst_ofs)

    def create_nxfms_matchvalue(dst, value, dst_ofs=0, n_bits=None):
        """Learn a match of field `dst` against a constant."""
        bits = field_bits(dst) if n_bits is None else n_bits
        kind = NX_LEARN_SRC_IMMEDIATE | NX_LEARN_DST_MATCH
        return spec(kind, bits, immediate=immediate(value, bits), dst=dst, dst_ofs=dst_ofs)

    def create_nxfms_loadfield(src, dst, src_ofs=0, dst_ofs=0, n_bits=None):
        """Learn an action that loads the packet's present field `src` into field `dst`."""
        bits = field_bits(dst) if n_bits is None else n_bits
        return spec(NX_LEARN_SRC_FIELD | NX_LEARN_DST_LOAD, bits, src=src, src_ofs=src_ofs, dst=dst, dst_ofs=dst_ofs)

    def create_nxfms_loadvalue(dst, value, dst_ofs=0, n_bits=None):
        """Learn an action that loads a constant into field `dst`."""
        bits = field_bits(dst) if n_bits is None else n_bits
        kind = NX_LEARN_SRC_IMMEDIATE | NX_LEARN_DST_LOAD
        return spec(kind, bits, immediate=immediate(value, bits), dst=dst, dst_ofs=dst_ofs)

    def create_nxfms_outputfield(src, src_ofs=0, n_bits=None):
        """Learn an output to the port that the packet's field `src` has now."""
        bits = field_bits(src) if n_bits is None else n_bits
        return spec(NX_LEARN_SRC_FIELD | NX_LEARN_DST_OUTPUT, bits, src=src, src_ofs=src_ofs)

    def create_nxfms_outputvalue(dst, value):
        """Learn an output to port `value`; the width of field `dst` (a port field) is that of the value."""
        bits = field_bits(dst)
        return spec(NX_LEARN_SRC_IMMEDIATE | NX_LEARN_DST_OUTPUT, bits, immediate=immediate(value, bits))

    return {name: function for name, function in locals().items() if name.startswith("create_nxfms_")}


def define(namespace):
    """Define the structs of this part in the namespace of one OpenFlow version.

    :param namespace: dictionary of the version's names; read for the base structs, and updated
    """
    ofp_action = namespace["ofp_action"]
    ofp_packet_in_reason = namespace["ofp_packet_in_reason"]
    nx_match = namespace["nx_match"]
    nx_action = namespace["nx_action"]
    action_subtype = namespace["action_subtype"]

    nx_action_resubmit = nstruct(
        (nx_port_no, "in_port"),
        (uint8, "table"),
        (uint8[3],),
        name="nx_action_resubmit",
        base=nx_action,
        classifyby=(NXAST_RESUBMIT_TABLE, NXAST_RESUBMIT, NXAST_RESUBMIT_TABLE_CT),
        init=packvalue(NXAST_RESUBMIT_TABLE, action_subtype),
    )

    nx_action_set_tunnel = nstruct(
        (uint8[2],),
        (uint32, "tun_id"),
        name="nx_action_set_tunnel",
        base=nx_action,
        classifyby=(NXAST_SET_TUNNEL,),
        init=packvalue(NXAST_SET_TUNNEL, action_subtype),
    )

    nx_action_set_tunnel64 = nstruct(
        (uint8[6],),
        (uint64, "tun_id"),
        name="nx_action_set_tunnel64",
        base=nx_action,
        classifyby=(NXAST_SET_TUNNEL64,),
        init=packvalue(NXAST_SET_TUNNEL64, action_subtype),
    )

    nx_action_set_queue = nstruct(
        (uint8[2],),
        (uint32, "queue_id"),
        name="nx_action_set_queue",
        base=nx_action,
        classifyby=(NXAST_SET_QUEUE,),
        init=packvalue(NXAST_SET_QUEUE, action_subtype),
    )

    nx_action_pop_queue = nstruct(
        (uint8[6],),
        name="nx_action_pop_queue",
        base=nx_action,
        classifyby=(NXAST_POP_QUEUE,),
        init=packvalue(NXAST_POP_QUEUE, action_subtype),
    )

    nx_action_reg_move = nstruct(
        (uint16, "n_bits"),
        (uint16, "src_ofs"),
        (uint16, "dst_ofs"),
        (nxm_header, "src"),
        (optional(experimenter_ids, "src_experimenter", _has_experimenter("src")),),
        (nxm_header, "dst"),
        (optional(experimenter_ids, "dst_experimenter", _has_experimenter("dst")),),
        name="nx_action_reg_move",
        base=nx_action,
        classifyby=(NXAST_REG_MOVE,),
        init=packvalue(NXAST_REG_MOVE, action_subtype),
    )

    nx_action_reg_load = nstruct(
        (ofs_nbits_type, "ofs_nbits"),
        (nxm_header, "dst"),
        (uint64, "value"),
        name="nx_action_reg_load",
        base=nx_action,
        classifyby=(NXAST_REG_LOAD,),
        init=packvalue(NXAST_REG_LOAD, action_subtype),
    )

    # The field follows the header at once, unaligned: Open vSwitch refuses it with padding before it.
    nx_action_reg_load2 = nstruct(
        (nx_match, "field"),
        name="nx_action_reg_load2",
        base=nx_action,
        classifyby=(NXAST_REG_LOAD2,),
        init=packvalue(NXAST_REG_LOAD2, action_subtype),
    )

    nx_action_stack = nstruct(
        (uint16, "offset"),
        (nxm_header, "field"),
        (optional(experimenter_ids, "field_experimenter", _has_experimenter("field")),),
        (uint16, "n_bits"),
        (uint8[6],),
        name="nx_action_stack",
        base=nx_action,
        classifyby=(NXAST_STACK_PUSH, NXAST_STACK_POP),
        init=packvalue(NXAST_STACK_PUSH, action_subtype),
    )

    nx_action_note = nstruct(
        (varchr, "note"),
        name="nx_action_note",
        base=nx_action,
        classifyby=(NXAST_NOTE,),
        init=packvalue(NXAST_NOTE, action_subtype),
    )

    nx_action_multipath = nstruct(
        (nx_hash_fields, "fields"),
        (uint16, "basis"),
        (uint16,),
        (nx_mp_algorithm, "algorithm"),
        (uint16, "max_link"),
        (uint32, "arg"),
        (uint16,),
        (ofs_nbits_type, "ofs_nbits"),
        (nxm_header, "dst"),
        name="nx_action_multipath",
        base=nx_action,
        classifyby=(NXAST_MULTIPATH,),
        init=packvalue(NXAST_MULTIPATH, action_subtype),
    )

    nx_flow_mod_spec = nstruct(
        (uint16, "header"),
        (_nx_flow_mod_spec_src,),
        (_nx_flow_mod_spec_dst,),
        name="nx_flow_mod_spec",
        padding=1,
    )

    nx_action_learn = nstruct(
        (_nx_action_learn,),
        (_SpecList(nx_flow_mod_spec), "specs"),
        name="nx_action_learn",
        base=nx_action,
        classifyby=(NXAST_LEARN,),
        init=packvalue(NXAST_LEARN, action_subtype),
    )

    nx_action_learn2 = nstruct(
        (_nx_action_learn,),
        (uint32, "limit"),
        (uint16, "result_dst_ofs"),
        (uint16,),
        (optional(nxm_header, "result_field", lambda x: x.flags & NX_LEARN_F_WRITE_RESULT),),
        (optional(experimenter_ids, "result_field_experimenter", _has_experimenter("result_field")),),
        (_SpecList(nx_flow_mod_spec), "specs"),
        name="nx_action_learn2",
        base=nx_action,
        classifyby=(NXAST_LEARN2,),
        init=packvalue(NXAST_LEARN2, action_subtype),
    )

    nx_action_fin_timeout = nstruct(
        (uint16, "fin_idle_timeout"),
        (uint16, "fin_hard_timeout"),
        (uint16,),
        name="nx_action_fin_timeout",
        base=nx_action,
        classifyby=(NXAST_FIN_TIMEOUT,),
        init=packvalue(NXAST_FIN_TIMEOUT, action_subtype),
    )

    nx_action_bundle = nstruct(
        (nx_bd_algorithm, "algorithm"),
        (nx_hash_fields, "fields"),
        (uint16, "basis"),
        (nxm_header, "slave_type"),
        (uint16, "n_slaves"),
        (ofs_nbits_type, "ofs_nbits"),
        (nxm_header, "dst"),
        (uint8[4],),
        name="nx_action_bundle",
        base=nx_action,
        classifyby=(NXAST_BUNDLE, NXAST_BUNDLE_LOAD),
        init=packvalue(NXAST_BUNDLE, action_subtype),
    )

    nx_action_bundle_port = nstruct(
        (_nx_slave_ports,),
        name="nx_action_bundle_port",
        base=nx_action_bundle,
        criteria=lambda x: x.slave_type == NXM_OF_IN_PORT,
        init=packvalue(NXM_OF_IN_PORT, "slave_type"),
        lastextra=False,
    )

    nx_action_bundle_others = nstruct(
        (_nx_slave_others,),
        name="nx_action_bundle_others",
        base=nx_action_bundle,
        criteria=lambda x: x.slave_type != NXM_OF_IN_PORT,
        init=packvalue(NXM_OF_ETH_DST, "slave_type"),
        lastextra=True,
    )

    nx_action_cnt_ids = nstruct(
        (uint16, "n_controllers"),
        (uint8[4],),
        (_nx_action_cnt_ids_ids,),
        name="nx_action_cnt_ids",
        base=nx_action,
        classifyby=(NXAST_DEC_TTL_CNT_IDS,),
        init=packvalue(NXAST_DEC_TTL_CNT_IDS, action_subtype),
        lastextra=False,
    )

    nx_action_output_reg = nstruct(
        (ofs_nbits_type, "ofs_nbits"),
        (nxm_header, "src"),
        (uint16, "max_len"),
        (uint8[6],),
        name="nx_action_output_reg",
        base=nx_action,
        classifyby=(NXAST_OUTPUT_REG,),
        init=packvalue(NXAST_OUTPUT_REG, action_subtype),
    )

    nx_action_output_reg2 = nstruct(
        (ofs_nbits_type, "ofs_nbits"),
        (uint16, "max_len"),
        (nxm_header, "src"),
        (optional(experimenter_ids, "src_experimenter", _has_experimenter("src")),),
        name="nx_action_output_reg2",
        base=nx_action,
        classifyby=(NXAST_OUTPUT_REG2,),
        init=packvalue(NXAST_OUTPUT_REG2, action_subtype),
    )

    nx_action_controller = nstruct(
        (uint16, "max_len"),
        (uint16, "controller_id"),
        (ofp_packet_in_reason, "reason"),
        (uint8,),
        name="nx_action_controller",
        base=nx_action,
        classifyby=(NXAST_CONTROLLER,),
        init=packvalue(NXAST_CONTROLLER, action_subtype),
    )

    nx_action_controller2_prop = nstruct(
        (nx_action_controller2_prop_type, "type"),
        (uint16, "length"),
        name="nx_action_controller2_prop",
        padding=8,
        size=sizefromlen(65536, "length"),
        prepack=packrealsize("length"),
        classifier=lambda x: x.type,
    )

    nx_action_controller2_prop_max_len = nstruct(
        (uint16, "value"),
        name="nx_action_controller2_prop_max_len",
        base=nx_action_controller2_prop,
        classifyby=(NXAC2PT_MAX_LEN,),
        init=packvalue(NXAC2PT_MAX_LEN, "type"),
    )

    nx_action_controller2_prop_controller_id = nstruct(
        (uint16, "value"),
        name="nx_action_controller2_prop_controller_id",
        base=nx_action_controller2_prop,
        classifyby=(NXAC2PT_CONTROLLER_ID,),
        init=packvalue(NXAC2PT_CONTROLLER_ID, "type"),
    )

    nx_action_controller2_prop_reason = nstruct(
        (ofp_packet_in_reason, "value"),
        name="nx_action_controller2_prop_reason",
        base=nx_action_controller2_prop,
        classifyby=(NXAC2PT_REASON,),
        init=packvalue(NXAC2PT_REASON, "type"),
    )

    nx_action_controller2_prop_userdata = nstruct(
        (raw, "value"),
        name="nx_action_controller2_prop_userdata",
        base=nx_action_controller2_prop,
        classifyby=(NXAC2PT_USERDATA,),
        init=packvalue(NXAC2PT_USERDATA, "type"),
    )

    nx_action_controller2_prop_pause = nstruct(
        name="nx_action_controller2_prop_pause",
        base=nx_action_controller2_prop,
        classifyby=(NXAC2PT_PAUSE,),
        init=packvalue(NXAC2PT_PAUSE, "type"),
    )

    nx_action_controller2 = nstruct(
        (uint8[6],),
        (sequence(nx_action_controller2_prop), "properties"),
        name="nx_action_controller2",
        base=nx_action,
        classifyby=(NXAST_CONTROLLER2,),
        init=packvalue(NXAST_CONTROLLER2, action_subtype),
    )

    nx_action_write_metadata = nstruct(
        (uint8[6],),
        (uint64, "metadata"),
        (uint64, "mask"),
        name="nx_action_write_metadata",
        base=nx_action,
        classifyby=(NXAST_WRITE_METADATA,),
        init=packvalue(NXAST_WRITE_METADATA, action_subtype),
    )

    nx_action_push_mpls = nstruct(
        (ethertype, "ethertype"),
        (uint8[4],),
        name="nx_action_push_mpls",
        base=nx_action,
        classifyby=(NXAST_PUSH_MPLS,),
        init=packvalue(NXAST_PUSH_MPLS, action_subtype),
    )

    nx_action_pop_mpls = nstruct(
        (ethertype, "ethertype"),
        (uint8[4],),
        name="nx_action_pop_mpls",
        base=nx_action,
        classifyby=(NXAST_POP_MPLS,),
        init=packvalue(NXAST_POP_MPLS, action_subtype),
    )

    nx_action_mpls_label = nstruct(
        (uint8[2],),
        (uint32, "label"),
        name="nx_action_mpls_label",
        base=nx_action,
        classifyby=(NXAST_SET_MPLS_LABEL,),
        init=packvalue(NXAST_SET_MPLS_LABEL, action_subtype),
    )

    nx_action_mpls_tc = nstruct(
        (uint8, "tc"),
        (uint8[5],),
        name="nx_action_mpls_tc",
        base=nx_action,
        classifyby=(NXAST_SET_MPLS_TC,),
        init=packvalue(NXAST_SET_MPLS_TC, action_subtype),
    )

    nx_action_mpls_ttl = nstruct(
        (uint8, "ttl"),
        (uint8[5],),
        name="nx_action_mpls_ttl",
        base=nx_action,
        classifyby=(NXAST_SET_MPLS_TTL,),
        init=packvalue(NXAST_SET_MPLS_TTL, action_subtype),
    )

    nx_action_sample = nstruct(
        (uint16, "probability"),
        (uint32, "collector_set_id"),
        (uint32, "obs_domain_id"),
        (uint32, "obs_point_id"),
        name="nx_action_sample",
        base=nx_action,
        classifyby=(NXAST_SAMPLE,),
        init=packvalue(NXAST_SAMPLE, action_subtype),
    )

    nx_action_sample2 = nstruct(
        (uint16, "probability"),
        (uint32, "collector_set_id"),
        (uint32, "obs_domain_id"),
        (uint32, "obs_point_id"),
        (nx_port_no, "sampling_port"),
        (nx_action_sample_direction, "direction"),
        (uint8[5],),
        name="nx_action_sample2",
        base=nx_action,
        classifyby=(NXAST_SAMPLE2, NXAST_SAMPLE3),
        init=packvalue(NXAST_SAMPLE2, action_subtype),
    )

    nx_action_conjunction = nstruct(
        (uint8, "clause"),
        (uint8, "n_clauses"),
        (uint32, "id"),
        name="nx_action_conjunction",
        base=nx_action,
        classifyby=(NXAST_CONJUNCTION,),
        init=packvalue(NXAST_CONJUNCTION, action_subtype),
    )

    nx_action_conntrack = nstruct(
        (nx_conntrack_flags, "flags"),
        (nxm_header, "zone_src"),
        (_nx_action_conntrack_zone,),
        (ofp_table, "recirc_table"),
        (uint8[3],),
        (nx_conntrack_alg_port, "alg"),
        (sequence(ofp_action), "sub_actions"),
        name="nx_action_conntrack",
        base=nx_action,
        classifyby=(NXAST_CT,),
        init=packvalue(NXAST_CT, action_subtype),
    )

    nx_action_nat = nstruct(
        (_nx_action_nat_range,),
        name="nx_action_nat",
        base=nx_action,
        classifyby=(NXAST_NAT,),
        init=packvalue(NXAST_NAT, action_subtype),
        lastextra=False,
    )

    nx_action_output_trunc = nstruct(
        (nx_port_no, "port"),
        (uint32, "max_len"),
        name="nx_action_output_trunc",
        base=nx_action,
        classifyby=(NXAST_OUTPUT_TRUNC,),
        init=packvalue(NXAST_OUTPUT_TRUNC, action_subtype),
    )

    nx_action_clone = nstruct(
        (uint8[6],),
        (sequence(ofp_action), "sub_actions"),
        name="nx_action_clone",
        base=nx_action,
        classifyby=(NXAST_CLONE,),
        init=packvalue(NXAST_CLONE, action_subtype),
    )

    nx_action_ct_clear = nstruct(
        name="nx_action_ct_clear",
        base=nx_action,
        classifyby=(NXAST_CT_CLEAR,),
        init=packvalue(NXAST_CT_CLEAR, action_subtype),
    )

    nx_action_encap = nstruct(
        (uint16, "hdr_size"),
        (packet_type, "new_pkt_type"),
        (sequence(ofp_ed_prop), "props"),
        name="nx_action_encap",
        base=nx_action,
        classifyby=(NXAST_ENCAP,),
        init=packvalue(NXAST_ENCAP, action_subtype),
    )

    nx_action_decap = nstruct(
        (uint8[2],),
        (packet_type, "new_pkt_type"),
        name="nx_action_decap",
        base=nx_action,
        classifyby=(NXAST_DECAP,),
        init=packvalue(NXAST_DECAP, action_subtype),
    )

    nx_action_dec_nsh_ttl = nstruct(
        name="nx_action_dec_nsh_ttl",
        base=nx_action,
        classifyby=(NXAST_DEC_NSH_TTL,),
        init=packvalue(NXAST_DEC_NSH_TTL, action_subtype),
    )

    namespace.update(_spec_functions(nx_flow_mod_spec))
    export(namespace, locals())
