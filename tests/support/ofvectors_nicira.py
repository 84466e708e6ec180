"""One filled example of every Nicira structure, in a message of the OpenFlow version whose definitions are given."""

from __future__ import annotations

from typing import Any

USERDATA = b"\x01\x02\x03\x04\x05"
#: A message that an error message may carry.
BARRIER = bytes.fromhex("0112000800000007")
#: What a paused packet needs to go on: the bridge, and the table.
CONTINUATION = bytes(4) + bytes.fromhex("80000014") + bytes(range(16)) + bytes(4) + bytes.fromhex("80040005 07000000")


def nxm_fields(of: Any) -> list:
    """Return match fields of every type, each of which can stand beside the others for Open vSwitch."""
    ip, tcp = 0x0A000001, of.create_nxm(of.NXM_OF_IP_PROTO, 6)
    mac, group = b"\x02\0\0\0\0\5", b"\1\0\0\0\0\0"
    return [
        of.create_nxm(of.NXM_OF_IN_PORT, 3),
        of.create_nxm(of.NXM_OF_ETH_SRC, mac),
        of.create_nxm(of.NXM_OF_ETH_DST_W, group, group),
        of.create_nxm(of.NXM_OF_ETH_TYPE, 0x800),
        of.create_nxm(of.NXM_OF_IP_SRC, ip),
        of.create_nxm(of.NXM_OF_IP_DST_W, 0x0A000000, 0xFF000000),
        tcp,
        of.create_nxm(of.NXM_NX_IP_FRAG_W, 0, 1),
        of.create_nxm(of.NXM_NX_TUN_ID, 9),
        of.create_nxm(of.NXM_NX_REG4_W, 7, 0xFF),
        of.create_nxm(of.NXM_NX_CT_STATE_W, 0x21, 0x21),
    ]


def other_matches(of: Any) -> dict[str, list]:
    """Return further matches by name, for the field types that exclude those of :func:`nxm_fields`."""
    ip6, ten = b"\xfe\x80" + bytes(13) + b"\1", b"\xff" * 8 + bytes(8)
    metadata = of.create_nx_tunnel_metadata_header
    return {
        "arp": [
            of.create_nxm(of.NXM_OF_ETH_TYPE, 0x806),
            of.create_nxm(of.NXM_OF_ARP_OP, 2),
            of.create_nxm(of.NXM_NX_ARP_SHA, b"\2\0\0\0\0\1"),
            of.create_nxm(of.NXM_OF_ARP_SPA, 0x0A000001),
        ],
        "ipv6": [
            of.create_nxm(of.NXM_OF_ETH_TYPE, 0x86DD),
            of.create_nxm(of.NXM_NX_IPV6_SRC, ip6),
            of.create_nxm(of.NXM_NX_IPV6_DST_W, b"\xfe\x80" + bytes(14), ten),
        ],
        "fragments": [of.create_nxm(of.NXM_OF_ETH_TYPE, 0x800), of.create_nxm(of.NXM_NX_IP_FRAG, 3)],
        "conntrack": [of.create_nxm(of.NXM_NX_CT_STATE, 0x3), of.create_nxm(of.NXM_NX_CT_ZONE, 5)],
        "tunnel": [
            of.create_nxm(of.NXM_NX_TUN_GBP_FLAGS, 0x40),
            of.create_nxm(of.NXM_NX_TUN_FLAGS, 1),
            of.create_nxm(metadata(0, 4), b"\1\2\3\4"),
            of.create_nxm(metadata(1, 4, True), b"\1\2\0\0", b"\xff\xff\0\0"),
        ],
        "tunnel with masks": [
            of.create_nxm(of.NXM_NX_TUN_GBP_FLAGS_W, 8, 8),
            of.create_nxm(of.NXM_NX_TUN_FLAGS_W, 1, 1),
        ],
    }


def nicira_actions(of: Any) -> dict[str, Any]:
    """Return one action of every kind; its name is the text that Open vSwitch has for it."""
    specs = [
        of.create_nxfms_matchfield(of.NXM_OF_ETH_SRC, of.NXM_OF_ETH_DST),
        of.create_nxfms_matchvalue(of.NXM_OF_VLAN_TCI, 5),
        of.create_nxfms_loadvalue(of.NXM_NX_REG6, 5),
        of.create_nxfms_loadfield(of.NXM_NX_REG5, of.NXM_NX_REG7),
        of.create_nxfms_outputfield(of.NXM_OF_IN_PORT, n_bits=16),
    ]
    whole = of.create_ofs_nbits(0, 32)
    properties = [
        of.nx_action_controller2_prop_max_len(value=5),
        of.nx_action_controller2_prop_controller_id(value=1),
        of.nx_action_controller2_prop_reason(value=of.OFPR_INVALID_TTL),
        of.nx_action_controller2_prop_userdata(value=USERDATA),
        of.nx_action_controller2_prop_pause(),
    ]
    ip6 = of.ip6_addr("fe80::1"), of.ip6_addr("fe80::2")
    nat6 = of.nx_action_nat(flags=of.NX_NAT_F_DST, ipv6_min=ip6[0], ipv6_max=ip6[1])
    nat4 = of.nx_action_nat(flags=of.NX_NAT_F_SRC, ipv4_min=1, ipv4_max=2, proto_min=3, proto_max=4)
    tlv = of.ofp_ed_prop_nsh_tlv(tlv_class=4, tlv_type=5, data=b"abc")
    sample = {"probability": 3, "collector_set_id": 1, "obs_domain_id": 2, "obs_point_id": 4}
    return {
        "resubmit": of.nx_action_resubmit(in_port=2, table=3),
        "set_tunnel": of.nx_action_set_tunnel(tun_id=5),
        "set_tunnel64": of.nx_action_set_tunnel64(tun_id=1 << 40),
        "set_queue": of.nx_action_set_queue(queue_id=7),
        "pop_queue": of.nx_action_pop_queue(),
        "move": of.nx_action_reg_move(n_bits=16, src_ofs=8, dst_ofs=4, src=of.NXM_NX_REG0, dst=of.NXM_NX_REG1),
        "load": of.nx_action_reg_load(ofs_nbits=of.create_ofs_nbits(4, 12), dst=of.NXM_NX_REG1, value=6),
        "set_field": of.nx_action_reg_load2(field=of.create_nxm(of.NXM_NX_REG1_W, 5, 0xFF)),
        "push": of.nx_action_stack(offset=0, field=of.NXM_NX_REG1, n_bits=32),
        "note": of.nx_action_note(note=b"hello!"),
        "multipath": of.nx_action_multipath(fields=1, basis=50, algorithm=0, max_link=3, ofs_nbits=whole, dst=of.NXM_NX_REG1),
        "learn": of.nx_action_learn(
            idle_timeout=1, hard_timeout=2, priority=3, cookie=4, table_id=5, fin_idle_timeout=6, fin_hard_timeout=7, specs=specs
        ),
        "learn limit": of.nx_action_learn2(
            table_id=1, limit=5, flags=of.NX_LEARN_F_WRITE_RESULT, result_field=of.NXM_NX_REG1, specs=specs[:1]
        ),
        "fin_timeout": of.nx_action_fin_timeout(fin_idle_timeout=30, fin_hard_timeout=60),
        "bundle": of.nx_action_bundle_port(algorithm=1, basis=2, bundles=[1, 2, 3]),
        "bundle others": of.nx_action_bundle_others(slave_type=of.NXM_OF_ETH_SRC, n_slaves=2, bundlesraw=bytes(8)),
        "dec_ttl": of.nx_action_cnt_ids(cnt_ids=[1, 2, 3]),
        "output reg": of.nx_action_output_reg(ofs_nbits=whole, src=of.NXM_NX_REG6, max_len=99),
        "output reg 2": of.nx_action_output_reg2(ofs_nbits=whole, src=of.NXM_NX_REG6, max_len=99),
        "controller": of.nx_action_controller(max_len=1024, controller_id=1, reason=of.OFPR_INVALID_TTL),
        "controller 2": of.nx_action_controller2(properties=properties),
        "write_metadata": of.nx_action_write_metadata(metadata=5, mask=0xFF),
        "push_mpls": of.nx_action_push_mpls(ethertype=0x8847),
        "pop_mpls": of.nx_action_pop_mpls(ethertype=0x800),
        "set_mpls_label": of.nx_action_mpls_label(label=10),
        "set_mpls_tc": of.nx_action_mpls_tc(tc=5),
        "set_mpls_ttl": of.nx_action_mpls_ttl(ttl=64),
        "sample": of.nx_action_sample(**sample),
        "sample 2": of.nx_action_sample2(**sample, sampling_port=1),
        "conjunction": of.nx_action_conjunction(clause=1, n_clauses=2, id=7),
        "ct": of.nx_action_conntrack(flags=of.NX_CT_F_COMMIT, zone_imm=4, recirc_table=5, sub_actions=[nat4]),
        "ct zone": of.nx_action_conntrack(zone_src=of.NXM_NX_REG1, zone_ofs_nbits=of.create_ofs_nbits(0, 16), recirc_table=255),
        "nat ipv6": of.nx_action_conntrack(flags=of.NX_CT_F_COMMIT, recirc_table=255, sub_actions=[nat6]),
        "output_trunc": of.nx_action_output_trunc(port=1, max_len=100),
        "clone": of.nx_action_clone(sub_actions=[of.nx_action_ct_clear()]),
        "ct_clear": of.nx_action_ct_clear(),
        "encap": of.nx_action_encap(new_pkt_type=of.PT_NSH, props=[of.ofp_ed_prop_nsh_md_type(md_type=2), tlv]),
        "decap": of.nx_action_decap(new_pkt_type=of.PT_USE_NEXT_PROTO),
        "dec_nsh_ttl": of.nx_action_dec_nsh_ttl(),
    }


def _packet_in_properties(of: Any) -> list:
    return [
        of.nx_packet_in2_prop_packet(value=bytes.fromhex("02000000000202000000000188b5") + bytes(2)),
        of.nx_packet_in2_prop_full_len(value=100),
        of.nx_packet_in2_prop_buffer_id(value=0x300),
        of.nx_packet_in2_prop_table_id(value=5),
        of.nx_packet_in2_prop_cookie(value=0xFEDCBA9876543210),
        of.nx_packet_in2_prop_reason(value=of.OFPR_ACTION),
        of.nx_packet_in2_prop_metadata(value=[of.create_nxm(of.NXM_NX_REG0, 5)]),
        of.nx_packet_in2_prop_userdata(value=USERDATA),
    ]


def _reasons(of: Any) -> list:
    names = "packet_in port_status flow_removed role_status table requestforward".split()
    masks = {"table": 0x18}
    return [getattr(of, f"nx_async_config2_prop_reasons_{name}")(mask=masks.get(name, 2)) for name in names]


def nicira_messages(of: Any) -> dict[str, Any]:
    """Return one message of every kind that is the same in all versions; statistics are those of OpenFlow 1.0."""
    fields, packet = [of.create_nxm(of.NXM_NX_REG0, 5)], bytes.fromhex("02000000000202000000000188b5")
    tlv_maps = [of.nx_tlv_map(option_class=0xFFFF, option_type=1, option_len=4, index=2)]
    masks = {"packet_in_mask": [3, 1], "port_status_mask": [7, 2], "flow_removed_mask": [5, 4]}
    removed = {"cookie": 1, "priority": 2, "table_id": 3, "duration_sec": 4, "duration_nsec": 5, "idle_timeout": 6}
    return {
        "flow_mod_table_id": of.nx_flow_mod_table_id(set=1),
        "set_packet_in_format": of.nx_set_packet_in_format(format=of.NXPIF_NXM),
        "packet_in": of.nx_packet_in(
            buffer_id=1, total_len=14, reason=of.OFPR_ACTION, table_id=2, cookie=3, matches=fields, data=packet
        ),
        "packet_in2": of.nx_packet_in2(properties=_packet_in_properties(of)),
        "resume": of.nx_resume(properties=[*_packet_in_properties(of), of.nx_packet_in2_prop_continuation(value=CONTINUATION)]),
        "flow_age": of.nx_flow_age(),
        "role_request": of.nx_role_request(role=of.NX_ROLE_MASTER),
        "async_config": of.nx_async_config(**masks),
        "async_config2": of.nx_async_config2(properties=_reasons(of)),
        "async_config2 experimenter": of.nx_async_config2(
            properties=[of.nx_async_config2_prop_experimenter(experimenter=0x4F4E4600, exp_type=1)]
        ),
        "set_flow_format": of.nx_set_flow_format(format=of.NXFF_NXM),
        "controller_id": of.nx_controller_id(controller_id=3),
        "flow_removed": of.nx_flow_removed(**removed, reason=of.OFPRR_DELETE, packet_count=7, byte_count=8, matches=fields),
        "flow_monitor_cancel": of.nx_flow_monitor_cancel(id=5),
        "tlv_table_mod": of.nx_tlv_table_mod(command=of.NXTTMC_ADD, maps=tlv_maps),
        "tlv_table_request": of.nx_tlv_table_request(),
        "tlv_table_reply": of.nx_tlv_table_reply(max_option_space=256, max_fields=64, maps=tlv_maps),
        "zone_id": of.nx_zone_id(zone_id=5),
        "vendor_error": of.nx_vendor_error_types[1](nx_code=257, data=BARRIER),
        "error": of.nx_error_msg(exp_type=of.NXBRC_MUST_BE_ZERO, data=BARRIER),
        "ipfix bridge request": of.nx_ipfix_bridge_stats_request(),
        "ipfix bridge reply": of.nx_ipfix_bridge_stats_reply(total_flows=1, current_flows=2, pkts=3, tx_pkts=4, tx_errors=5),
        "ipfix flow request": of.nx_ipfix_flow_stats_request(),
        "ipfix flow reply": of.nx_ipfix_flow_stats_reply(stats=[of.nx_ipfix_stats(pkts=3, collector_set_id=6)]),
        **_statistics(of),
    }


def _statistics(of: Any) -> dict[str, Any]:
    fields = [of.create_nxm(of.NXM_NX_REG0, 5)]
    output, port = of.ofp_action_output(port=1), {"out_port": 1}
    counters = {"priority": 6, "idle_timeout": 7, "hard_timeout": 8, "idle_age": 9, "hard_age": 10}
    entry = of.nx_flow_stats(
        table_id=1, duration_sec=2, duration_nsec=3, **counters, cookie=4, packet_count=5, byte_count=6, matches=fields,
        actions=[output],
    )  # fmt: skip
    full = of.nx_flow_update_full(
        event=of.NXFME_ADDED, reason=0, priority=6, idle_timeout=7, hard_timeout=8, table_id=9, cookie=10, matches=fields,
        actions=[output],
    )  # fmt: skip
    return {
        "flow_stats request": of.nx_flow_stats_request(**port, table_id=2, matches=fields),
        "flow_stats reply": of.nx_flow_stats_reply(stats=[entry]),
        "aggregate request": of.nx_aggregate_stats_request(**port, table_id=2, matches=fields),
        "aggregate reply": of.nx_aggregate_stats_reply(packet_count=1, byte_count=2, flow_count=3),
        "flow_monitor request": of.nx_flow_monitor_request(id=1, monitor_flags=of.NXFMF_ADD, **port, table_id=2, matches=fields),
        "flow_monitor reply": of.nx_flow_monitor_reply(stats=[full, of.nx_flow_update_abbrev(xid=9)]),
    }
