"""One filled example of every OpenFlow 1.3 structure and of every Nicira one with it, as named messages."""

from __future__ import annotations

from typing import Any

from support.ofvectors_nicira import BARRIER, nicira_actions, nicira_messages, nxm_fields, other_matches

import vlcp.protocol.openflow.defs.openflow13 as of

MAC, IP6 = b"\2\0\0\0\0\5", b"\xfe\x80" + bytes(13) + b"\1"
PACKET = bytes.fromhex("02000000000202000000000188b5")
TIMES = {"duration_sec": 2, "duration_nsec": 3, "priority": 4, "idle_timeout": 5, "hard_timeout": 6}
ANY = {"out_port": of.OFPP_ANY, "out_group": of.OFPG_ANY}
OUTPUT = of.ofp_action_output(port=2, max_len=100)


def _match(*fields: tuple) -> Any:
    return of.ofp_match_oxm(oxm_fields=[of.create_oxm(*field) for field in fields])


def _matches() -> dict[str, Any]:
    ip = (of.OXM_OF_ETH_TYPE, 0x800)
    ip6 = (of.OXM_OF_ETH_TYPE, 0x86DD)
    return {
        "ipv4": _match(
            (of.OXM_OF_IN_PORT, 3),
            (of.OXM_OF_METADATA_W, 5, 0xFF),
            (of.OXM_OF_ETH_DST_W, b"\1\0\0\0\0\0", b"\1\0\0\0\0\0"),
            (of.OXM_OF_ETH_SRC, MAC),
            ip,
            (of.OXM_OF_VLAN_VID, 0x1005),
            (of.OXM_OF_IP_PROTO, 6),
            (of.OXM_OF_IPV4_SRC, 0x0A000001),
            (of.OXM_OF_IPV4_DST_W, 0x0A000000, 0xFF000000),
            (of.OXM_OF_TCP_DST, 80),
            (of.NXM_NX_REG4, 7),
        ),
        "arp": _match(
            (of.OXM_OF_ETH_TYPE, 0x806),
            (of.OXM_OF_ARP_OP, 2),
            (of.OXM_OF_ARP_SPA_W, 0x0A000000, 0xFF000000),
            (of.OXM_OF_ARP_SHA, MAC),
        ),
        "ipv6": _match(ip6, (of.OXM_OF_IPV6_SRC, IP6), (of.OXM_OF_IPV6_DST_W, IP6[:2] + bytes(14), b"\xff" * 8 + bytes(8))),
        "extension headers": _match(ip6, (of.OXM_OF_IPV6_EXTHDR, 3)),
        "masked extension headers": _match(ip6, (of.OXM_OF_IPV6_EXTHDR_W, 3, 7)),
        "experimenter": of.ofp_match_oxm(oxm_fields=[of.ofp_oxm_experimenter(experimenter=of.ONF_VENDOR_ID)]),
        **{
            f"nicira {name}": of.ofp_match_oxm(oxm_fields=fields)
            for name, fields in {"many": nxm_fields(of), **other_matches(of)}.items()
        },
    }


def _actions() -> dict[str, Any]:
    return {
        "output": OUTPUT,
        "mpls ttl": of.ofp_action_mpls_ttl(mpls_ttl=9),
        "push": of.ofp_action_push(type=of.OFPAT_PUSH_MPLS, ethertype=0x8847),
        "pop mpls": of.ofp_action_pop_mpls(ethertype=0x800),
        "pop vlan": of.ofp_action(type=of.OFPAT_POP_VLAN),
        "group": of.ofp_action_group(group_id=4),
        "nw ttl": of.ofp_action_nw_ttl(nw_ttl=9),
        "set field": of.ofp_action_set_field(field=of.create_oxm(of.OXM_OF_ETH_DST, MAC)),
        "set queue": of.ofp_action_set_queue(queue_id=4),
        "experimenter": of.ofp_action_experimenter(experimenter=0x123456),
    }


def _instructions() -> dict[str, Any]:
    return {
        "goto": of.ofp_instruction_goto_table(table_id=4),
        "write metadata": of.ofp_instruction_write_metadata(metadata=1, metadata_mask=3),
        "apply": of.ofp_instruction_actions(type=of.OFPIT_APPLY_ACTIONS, actions=[OUTPUT]),
        "write": of.ofp_instruction_actions(type=of.OFPIT_WRITE_ACTIONS, actions=[OUTPUT]),
        "clear": of.ofp_instruction_actions(type=of.OFPIT_CLEAR_ACTIONS),
        "meter": of.ofp_instruction_meter(meter_id=9),
        "experimenter": of.ofp_instruction_experimenter(experimenter=0x123456),
    }


def _plain(kind: int) -> Any:
    message = of.ofp_msg()
    message.header.type = kind
    return message


def _as(kind: int, message: Any) -> Any:
    message.header.type = kind
    return message


def _flow(**fields: Any) -> Any:
    return of.ofp_flow_mod(buffer_id=of.OFP_NO_BUFFER, **ANY, **{"match": _match((of.OXM_OF_IN_PORT, 3)), **fields})


def _packet_out(*actions: Any) -> Any:
    return of.ofp_packet_out(buffer_id=of.OFP_NO_BUFFER, in_port=of.OFPP_CONTROLLER, actions=list(actions), data=PACKET)


def _port(number: int) -> Any:
    speeds = {"curr": 0x40, "advertised": 0x20, "supported": 0x60, "peer": 0x800, "curr_speed": 10000000, "max_speed": 20000000}
    return of.ofp_port(port_no=number, hw_addr=list(MAC), name=b"eth%d" % number, config=1, state=1, **speeds)


def _buckets() -> list:
    return [of.ofp_bucket(weight=3, actions=[OUTPUT]), of.ofp_bucket(weight=4, actions=[of.ofp_action_group(group_id=9)])]


def _bands() -> list:
    return [of.ofp_meter_band_drop(rate=10, burst_size=5), of.ofp_meter_band_dscp_remark(rate=20, burst_size=6, prec_level=1)]


def _changes() -> dict[str, Any]:
    flow = {"cookie": 1, "cookie_mask": 2, "table_id": 3, "command": of.OFPFC_MODIFY, "priority": 4, "flags": 1}
    return {
        "flow mod": _flow(**flow, idle_timeout=5, hard_timeout=6, instructions=list(_instructions().values())[:3]),
        **{f"match {name}": _flow(match=match) for name, match in _matches().items()},
        **{f"instruction {name}": _flow(instructions=[instruction]) for name, instruction in _instructions().items()},
        **{f"action {name}": _packet_out(action) for name, action in _actions().items()},
        **{f"nx action {name}": _packet_out(action) for name, action in nicira_actions(of).items()},
        "group mod": of.ofp_group_mod(command=of.OFPGC_ADD, type=of.OFPGT_SELECT, group_id=7, buckets=_buckets()),
        "meter mod": of.ofp_meter_mod(command=of.OFPMC_ADD, flags=of.OFPMF_KBPS | of.OFPMF_BURST, meter_id=2, bands=_bands()),
        "meter experimenter": of.ofp_meter_mod(meter_id=3, bands=[of.ofp_meter_band_experimenter(experimenter=0x123456)]),
        "port mod": of.ofp_port_mod(port_no=3, hw_addr=list(MAC), config=1, mask=0x21, advertise=4),
        "table mod": of.ofp_table_mod(table_id=3, config=3),
        "set config": of.ofp_switch_config(flags=of.OFPC_FRAG_DROP, miss_send_len=128),
        "role request": of.ofp_role_request(role=of.OFPCR_ROLE_MASTER, generation_id=9),
        "set async": of.ofp_async_config(packet_in_mask=[3, 1], port_status_mask=[7, 2], flow_removed_mask=[5, 4]),
    }


def _requests() -> dict[str, Any]:
    plain = "FEATURES_REQUEST GET_CONFIG_REQUEST BARRIER_REQUEST BARRIER_REPLY GET_ASYNC_REQUEST"
    multipart = "DESC TABLE GROUP_DESC GROUP_FEATURES METER_FEATURES PORT_DESC"
    selection = {"table_id": 1, **ANY, "cookie": 4, "cookie_mask": 5, "match": _match((of.OXM_OF_IN_PORT, 6))}
    return {
        **{kind: _plain(getattr(of, f"OFPT_{kind}")) for kind in plain.split()},
        **{kind: of.ofp_multipart_request(type=getattr(of, f"OFPMP_{kind}")) for kind in multipart.split()},
        "hello": of.ofp_hello(elements=[of.ofp_hello_elem_versionbitmap(bitmaps=[0x12])]),
        "echo": of.ofp_echo(data=b"echo"),
        "queue config request": of.ofp_queue_get_config_request(port=3),
        "flow stats request": of.ofp_flow_stats_request(**selection),
        "aggregate request": of.ofp_aggregate_stats_request(**selection),
        "port stats request": of.ofp_port_stats_request(port_no=3),
        "queue stats request": of.ofp_queue_stats_request(port_no=3, queue_id=4),
        "group stats request": of.ofp_group_stats_request(group_id=5),
        "meter stats request": of.ofp_meter_multipart_request(type=of.OFPMP_METER, meter_id=3),
        "meter config request": of.ofp_meter_multipart_request(type=of.OFPMP_METER_CONFIG, meter_id=3),
        "all table features": of.ofp_table_features_request(),
        "table features request": of.ofp_table_features_request(features=[_table_features()]),
        "experimenter": of.ofp_experimenter(experimenter=0x123456, exp_type=7),
        "experimenter request": of.ofp_experimenter_multipart_request(experimenter=0x123456, exp_type=7),
    }


def _table_features() -> Any:
    instructions = [of.ofp_instruction_feature(type=of.OFPIT_GOTO_TABLE), of.ofp_instruction_feature(type=of.OFPIT_APPLY_ACTIONS)]
    actions = [of.ofp_action_desc(type=of.OFPAT_OUTPUT), of.ofp_action_desc(type=of.OFPAT_GROUP)]
    oxms = [of.OXM_OF_IN_PORT, of.OXM_OF_ETH_SRC]
    instruction_props = [of.ofp_table_feature_prop_instructions(type=kind, instruction_ids=instructions) for kind in (0, 1)]
    table_props = [of.ofp_table_feature_prop_next_tables(type=kind, next_table_ids=[2, 3]) for kind in (2, 3)]
    action_props = [of.ofp_table_feature_prop_actions(type=kind, action_ids=actions) for kind in (4, 5, 6, 7)]
    oxm_props = [of.ofp_table_feature_prop_oxm(type=kind, oxm_ids=oxms) for kind in (8, 10, 12, 13, 14, 15)]
    return of.ofp_table_features(
        table_id=1, name=b"first", metadata_match=1, metadata_write=2, config=0, max_entries=100,
        properties=[*instruction_props, *table_props, *action_props, *oxm_props],
    )  # fmt: skip


def _experimenter_features() -> Any:
    instruction = of.ofp_instruction_experimenter_feature(experimenter=0x123456)
    action = of.ofp_action_experimenter_desc(experimenter=0x123456)
    properties = [
        of.ofp_table_feature_prop_instructions(instruction_ids=[instruction]),
        of.ofp_table_feature_prop_actions(action_ids=[action]),
        of.ofp_table_feature_prop_experimenter(experimenter=0x123456, exp_type=1, experimenter_data=[2, 3]),
    ]
    return of.ofp_table_features(table_id=2, properties=properties)


def _replies() -> dict[str, Any]:
    features = {"datapath_id": 0xABCDEF, "n_buffers": 256, "n_tables": 254, "auxiliary_id": 1, "capabilities": 0x4F}
    match, counts = _match((of.OXM_OF_IN_PORT, 3)), {"packet_count": 8, "byte_count": 9}
    packet = {"buffer_id": 0x111, "total_len": 14, "reason": of.OFPR_ACTION, "table_id": 2, "cookie": 3, "data": PACKET}
    properties = [
        of.ofp_queue_prop_min_rate(rate=500),
        of.ofp_queue_prop_max_rate(rate=900),
        of.ofp_queue_prop_experimenter(experimenter=0x123456, data=bytes(8)),
    ]
    queue = of.ofp_packet_queue(queue_id=5, port=3, properties=properties)
    masks = {"packet_in_mask": [3, 1], "port_status_mask": [7, 2], "flow_removed_mask": [5, 4]}
    return {
        "error": of.ofp_error_types[of.OFPET_BAD_MATCH](code=of.OFPBMC_BAD_PREREQ, data=BARRIER),
        "error experimenter": of.ofp_error_experimenter_msg(exp_type=1, experimenter=0x123456),
        "features reply": of.ofp_switch_features(**features),
        "config reply": _as(of.OFPT_GET_CONFIG_REPLY, of.ofp_switch_config(flags=1, miss_send_len=64)),
        "packet in": of.ofp_packet_in(match=match, **packet),
        "flow removed": of.ofp_flow_removed(match=match, cookie=1, reason=of.OFPRR_HARD_TIMEOUT, table_id=2, **TIMES, **counts),
        "port status": of.ofp_port_status(reason=of.OFPPR_MODIFY, desc=_port(3)),
        "queue config reply": of.ofp_queue_get_config_reply(port=3, queues=[queue]),
        "role reply": _as(of.OFPT_ROLE_REPLY, of.ofp_role_request(role=of.OFPCR_ROLE_SLAVE, generation_id=9)),
        "async reply": _as(of.OFPT_GET_ASYNC_REPLY, of.ofp_async_config(**masks)),
        **_statistics(),
    }


def _statistics() -> dict[str, Any]:
    counts, time = {"packet_count": 8, "byte_count": 9}, {"duration_sec": 2, "duration_nsec": 3}
    names = "rx_packets tx_packets rx_bytes tx_bytes rx_dropped tx_dropped rx_errors tx_errors rx_frame_err rx_over_err"
    port = {name: 10 + number for number, name in enumerate((names + " rx_crc_err collisions").split())}
    entry = of.ofp_flow_stats(
        table_id=1, flags=1, cookie=7, match=_match((of.OXM_OF_IN_PORT, 3)), instructions=[_instructions()["apply"]], **TIMES,
        **counts,
    )  # fmt: skip
    group = of.ofp_group_stats(group_id=4, ref_count=2, bucket_stats=[of.ofp_bucket_counter(**counts)], **counts, **time)
    bands = [of.ofp_meter_band_stats(packet_band_count=3, byte_band_count=4)]
    meter = of.ofp_meter_stats(meter_id=3, flow_count=2, packet_in_count=5, byte_in_count=6, band_stats=bands, **time)
    texts = {"mfr_desc": b"maker", "hw_desc": b"iron", "sw_desc": b"1.2", "serial_num": b"5", "dp_desc": b"dp"}
    group_features = {"types": 0xF, "capabilities": 0xF, "max_groups": [1, 2, 3, 4], "actions": [1, 1, 1, 1]}
    config = of.ofp_meter_config(flags=of.OFPMF_KBPS | of.OFPMF_BURST, meter_id=3, bands=_bands())
    queue = of.ofp_queue_stats(port_no=3, queue_id=1, tx_bytes=2, tx_packets=3, tx_errors=4, **time)
    return {
        "desc reply": of.ofp_desc_reply(**texts),
        "flow stats reply": of.ofp_flow_stats_reply(stats=[entry]),
        "aggregate reply": of.ofp_aggregate_stats_reply(**counts, flow_count=3),
        "table stats reply": of.ofp_table_stats_reply(
            stats=[of.ofp_table_stats(table_id=0, active_count=2, lookup_count=3, matched_count=4)]
        ),
        "table features reply": of.ofp_table_features_reply(features=[_table_features()]),
        "table features experimenter": of.ofp_table_features_reply(features=[_experimenter_features()]),
        "port stats reply": of.ofp_port_stats_reply(stats=[of.ofp_port_stats(port_no=3, **port, **time)]),
        "queue stats reply": of.ofp_queue_stats_reply(stats=[queue]),
        "port desc reply": of.ofp_port_desc_reply(ports=[_port(1), _port(2)]),
        "group stats reply": of.ofp_group_stats_reply(stats=[group]),
        "group desc reply": of.ofp_group_desc_reply(
            stats=[of.ofp_group_desc(type=of.OFPGT_SELECT, group_id=4, buckets=_buckets())]
        ),
        "group features reply": of.ofp_group_features_reply(**group_features),
        "meter stats reply": of.ofp_meter_stats_reply(stats=[meter]),
        "meter config reply": of.ofp_meter_config_reply(stats=[config]),
        "meter features reply": of.ofp_meter_features_reply(
            max_meter=100, band_types=2, capabilities=of.OFPMF_KBPS, max_bands=1, max_color=2
        ),
        "experimenter reply": of.ofp_experimenter_multipart_reply(experimenter=0x123456, exp_type=7),
    }


def messages() -> dict[str, Any]:
    """Return all messages by name, with their version and a transaction number."""
    nicira = {f"nx {name}": message for name, message in nicira_messages(of).items()}
    nicira["nx flow mod"] = of.nx_flow_mod(
        cookie=1, priority=2, buffer_id=of.OFP_NO_BUFFER, out_port=0xFFFF, matches=nxm_fields(of)[:2],
        instructions=[_instructions()["apply"]],
    )  # fmt: skip
    found = {**_changes(), **_requests(), **_replies(), **nicira}
    for message in found.values():
        message.header.version, message.header.xid = of.OFP_VERSION, 0x01020304
    return found
