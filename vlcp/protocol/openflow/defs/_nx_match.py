# ruff: noqa: F403, F405 - the names of the enumerations
"""Nicira match fields: types that name the values of fields in dumps."""

from __future__ import annotations

from namedstruct.namedstruct import packrealsize, packvalue, sizefromlen

from ._nx_enums import *
from ._nx_enums import _is_nx_tunnel_metadata, _nx_tunnel_metadata_header_type
from ._fields import raw_of
from ._types import export, nstruct, sequence


nxm_port_no_raw = raw_of(nx_port_no)


def define(namespace):
    """Define the structs of this part in the namespace of one OpenFlow version.

    :param namespace: dictionary of the version's names; read for the base structs, and updated
    """
    nx_match = namespace["nx_match"]
    nx_match_nomask = namespace["nx_match_nomask"]
    nx_match_mask = namespace["nx_match_mask"]

    nx_match_nomask_ext = nstruct(
        name="nx_match_nomask_ext",
        base=nx_match_nomask,
        criteria=lambda x: NXM_VENDOR(x.header) in (0, 1),
        classifyby=(),
        classifier=lambda x: x.header,
        extend={"header": nxm_header},
    )

    nx_match_mask_ext = nstruct(
        name="nx_match_mask_ext",
        base=nx_match_mask,
        criteria=lambda x: NXM_VENDOR(x.header) in (0, 1),
        classifyby=(),
        classifier=lambda x: x.header,
        extend={"header": nxm_header},
    )

    nxm_mask_ipv4 = nstruct(
        name="nxm_mask_ipv4",
        base=nx_match_mask_ext,
        classifyby=(
            NXM_OF_IP_SRC_W,
            NXM_OF_IP_DST_W,
            NXM_OF_ARP_SPA_W,
            NXM_OF_ARP_TPA_W,
            NXM_NX_TUN_IPV4_SRC_W,
            NXM_NX_TUN_IPV4_DST_W,
            NXM_NX_CT_NW_SRC_W,
            NXM_NX_CT_NW_DST_W,
        ),
        init=packvalue(NXM_OF_IP_SRC_W, "header"),
        extend={"value": ip4_addr_bytes, "mask": ip4_addr_bytes},
    )

    nxm_nomask_ipv4 = nstruct(
        name="nxm_nomask_ipv4",
        base=nx_match_nomask_ext,
        classifyby=(
            NXM_OF_IP_SRC,
            NXM_OF_IP_DST,
            NXM_OF_ARP_SPA,
            NXM_OF_ARP_TPA,
            NXM_NX_TUN_IPV4_SRC,
            NXM_NX_TUN_IPV4_DST,
            NXM_NX_CT_NW_SRC,
            NXM_NX_CT_NW_DST,
        ),
        init=packvalue(NXM_OF_IP_SRC, "header"),
        extend={"value": ip4_addr_bytes},
    )

    nxm_mask_eth = nstruct(
        name="nxm_mask_eth",
        base=nx_match_mask_ext,
        classifyby=(NXM_OF_ETH_SRC_W, NXM_OF_ETH_DST_W),
        init=packvalue(NXM_OF_ETH_SRC_W, "header"),
        extend={"value": mac_addr_bytes, "mask": mac_addr_bytes},
    )

    nxm_nomask_eth = nstruct(
        name="nxm_nomask_eth",
        base=nx_match_nomask_ext,
        classifyby=(NXM_OF_ETH_SRC, NXM_OF_ETH_DST, NXM_NX_ND_SLL, NXM_NX_ND_TLL, NXM_NX_ARP_SHA, NXM_NX_ARP_THA),
        init=packvalue(NXM_OF_ETH_SRC, "header"),
        extend={"value": mac_addr_bytes},
    )

    nxm_nomask_port = nstruct(
        name="nxm_nomask_port",
        base=nx_match_nomask_ext,
        classifyby=(NXM_OF_IN_PORT,),
        init=packvalue(NXM_OF_IN_PORT, "header"),
        extend={"value": nxm_port_no_raw},
    )

    nxm_nomask_ethertype = nstruct(
        name="nxm_nomask_ethertype",
        base=nx_match_nomask_ext,
        classifyby=(NXM_OF_ETH_TYPE,),
        init=packvalue(NXM_OF_ETH_TYPE, "header"),
        extend={"value": raw_of(ethertype)},
    )

    nxm_nomask_arpopcode = nstruct(
        name="nxm_nomask_arpopcode",
        base=nx_match_nomask_ext,
        classifyby=(NXM_OF_ARP_OP,),
        init=packvalue(NXM_OF_ARP_OP, "header"),
        extend={"value": raw_of(arp_op_code)},
    )

    nxm_nomask_ip_protocol = nstruct(
        name="nxm_nomask_ip_protocol",
        base=nx_match_nomask_ext,
        classifyby=(NXM_OF_IP_PROTO, NXM_NX_CT_NW_PROTO),
        init=packvalue(NXM_OF_IP_PROTO, "header"),
        extend={"value": raw_of(ip_protocol)},
    )

    nxm_nomask_ipv6 = nstruct(
        name="nxm_nomask_ipv6",
        base=nx_match_nomask_ext,
        classifyby=(
            NXM_NX_IPV6_SRC,
            NXM_NX_IPV6_DST,
            NXM_NX_ND_TARGET,
            NXM_NX_TUN_IPV6_SRC,
            NXM_NX_TUN_IPV6_DST,
            NXM_NX_CT_IPV6_SRC,
            NXM_NX_CT_IPV6_DST,
        ),
        init=packvalue(NXM_NX_IPV6_SRC, "header"),
        extend={"value": ip6_addr_bytes},
    )

    nxm_mask_ipv6 = nstruct(
        name="nxm_mask_ipv6",
        base=nx_match_mask_ext,
        classifyby=(
            NXM_NX_IPV6_SRC_W,
            NXM_NX_IPV6_DST_W,
            NXM_NX_ND_TARGET_W,
            NXM_NX_TUN_IPV6_SRC_W,
            NXM_NX_TUN_IPV6_DST_W,
            NXM_NX_CT_IPV6_SRC_W,
            NXM_NX_CT_IPV6_DST_W,
        ),
        init=packvalue(NXM_NX_IPV6_SRC_W, "header"),
        extend={"value": ip6_addr_bytes, "mask": ip6_addr_bytes},
    )

    nxm_nomask_ipfrag = nstruct(
        name="nxm_nomask_ipfrag",
        base=nx_match_nomask_ext,
        classifyby=(NXM_NX_IP_FRAG,),
        init=packvalue(NXM_NX_IP_FRAG, "header"),
        extend={"value": raw_of(nx_ip_frag)},
    )

    nxm_mask_ipfrag = nstruct(
        name="nxm_mask_ipfrag",
        base=nx_match_mask_ext,
        classifyby=(NXM_NX_IP_FRAG_W,),
        init=packvalue(NXM_NX_IP_FRAG_W, "header"),
        extend={"value": raw_of(nx_ip_frag), "mask": raw_of(nx_ip_frag)},
    )

    nxm_nomask_tun_flag = nstruct(
        name="nxm_nomask_tun_flag",
        base=nx_match_nomask_ext,
        classifyby=(NXM_NX_TUN_FLAGS,),
        init=packvalue(NXM_NX_TUN_FLAGS, "header"),
        extend={"value": raw_of(nx_tunnel_flags)},
    )

    nxm_mask_tun_flag = nstruct(
        name="nxm_mask_tun_flag",
        base=nx_match_mask_ext,
        classifyby=(NXM_NX_TUN_FLAGS_W,),
        init=packvalue(NXM_NX_TUN_FLAGS_W, "header"),
        extend={"value": raw_of(nx_tunnel_flags), "mask": raw_of(nx_tunnel_flags)},
    )

    nxm_nomask_tun_gbp_flags = nstruct(
        name="nxm_nomask_tun_gbp_flags",
        base=nx_match_nomask_ext,
        classifyby=(NXM_NX_TUN_GBP_FLAGS,),
        init=packvalue(NXM_NX_TUN_GBP_FLAGS, "header"),
        extend={"value": raw_of(vxlan_group_policy_flags)},
    )

    nxm_mask_tun_gbp_flags = nstruct(
        name="nxm_mask_tun_gbp_flags",
        base=nx_match_mask_ext,
        classifyby=(NXM_NX_TUN_GBP_FLAGS_W,),
        init=packvalue(NXM_NX_TUN_GBP_FLAGS_W, "header"),
        extend={"value": raw_of(vxlan_group_policy_flags), "mask": raw_of(vxlan_group_policy_flags)},
    )

    nxm_nomask_tun_metadata = nstruct(
        name="nxm_nomask_tun_metadata",
        base=nx_match_nomask_ext,
        criteria=lambda x: _is_nx_tunnel_metadata(x.header),
        classifyby=(),
        init=packvalue(create_nx_tunnel_metadata_header(0, 1), "header"),
        extend={"header": _nx_tunnel_metadata_header_type},
    )

    nxm_mask_tun_metadata = nstruct(
        name="nxm_mask_tun_metadata",
        base=nx_match_mask_ext,
        criteria=lambda x: _is_nx_tunnel_metadata(x.header),
        classifyby=(),
        init=packvalue(create_nx_tunnel_metadata_header(0, 1, True), "header"),
        extend={"header": _nx_tunnel_metadata_header_type},
    )

    nxm_nomask_conntrack_state = nstruct(
        name="nxm_nomask_conntrack_state",
        base=nx_match_nomask_ext,
        classifyby=(NXM_NX_CT_STATE,),
        init=packvalue(NXM_NX_CT_STATE, "header"),
        extend={"value": raw_of(nx_conntrack_state)},
    )

    nxm_mask_conntrack_state = nstruct(
        name="nxm_mask_conntrack_state",
        base=nx_match_mask_ext,
        classifyby=(NXM_NX_CT_STATE_W,),
        init=packvalue(NXM_NX_CT_STATE_W, "header"),
        extend={"value": raw_of(nx_conntrack_state), "mask": raw_of(nx_conntrack_state)},
    )

    nx_matches = nstruct(
        (sequence(nx_match), "matches"),
        name="nx_matches",
        padding=8,
        size=sizefromlen(65536, "match_len"),
        prepack=packrealsize("match_len"),
    )

    export(namespace, locals())
    namespace["nxm_port_no_raw"] = nxm_port_no_raw
