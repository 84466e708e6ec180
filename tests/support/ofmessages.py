"""One filled example of every kind of OpenFlow 1.3 and Nicira message, packed."""

from __future__ import annotations

import vlcp.protocol.openflow.defs.openflow13 as of


def fields() -> list:
    """Return match fields of several kinds."""
    return [
        of.create_oxm(of.OXM_OF_IN_PORT, 3),
        of.create_oxm(of.OXM_OF_ETH_DST_W, b"\1\0\0\0\0\0", b"\1\0\0\0\0\0"),
        of.create_oxm(of.NXM_NX_REG4, 7),
    ]


def match() -> object:
    """Return a match of these fields."""
    return of.ofp_match_oxm(oxm_fields=fields())


def specs() -> list:
    """Return specs of a learn action, one of each kind."""
    return [
        of.create_nxfms_matchfield(of.NXM_OF_ETH_SRC, of.NXM_OF_ETH_DST),
        of.create_nxfms_loadvalue(of.NXM_NX_REG6, 5),
        of.create_nxfms_outputfield(of.NXM_NX_REG6),
    ]


def actions() -> list:
    """Return actions with variable parts, some of them inside others."""
    output = of.ofp_action_output(port=1, max_len=128)
    return [
        output,
        of.ofp_action_set_field(field=of.create_oxm(of.OXM_OF_IPV4_SRC, 5)),
        of.nx_action_learn(specs=specs()),
        of.nx_action_learn2(flags=of.NX_LEARN_F_WRITE_RESULT, result_field=of.NXM_NX_REG1, specs=specs()),
        of.nx_action_conntrack(sub_actions=[of.nx_action_nat(ipv4_min=1, proto_max=9)]),
        of.nx_action_clone(sub_actions=[output]),
        of.nx_action_encap(props=[of.ofp_ed_prop_nsh_tlv(data=b"abc"), of.ofp_ed_prop_nsh_md_type(md_type=1)]),
        of.nx_action_bundle_port(bundles=[1, 2, 3]),
        of.nx_action_cnt_ids(cnt_ids=[1, 2]),
        of.nx_action_note(note=b"hello world"),
        of.nx_action_controller2(properties=[of.nx_action_controller2_prop_userdata(value=b"user")]),
        of.nx_action_reg_load2(field=of.create_oxm(of.NXM_NX_XXREG0, 5)),
        of.nx_action_reg_move(n_bits=32, src=of.NXM_NX_REG0, dst=of.NXM_NX_REG1),
    ]


def instructions() -> list:
    """Return instructions of several kinds."""
    return [
        of.ofp_instruction_actions(type=of.OFPIT_APPLY_ACTIONS, actions=actions()),
        of.ofp_instruction_write_metadata(metadata=1, metadata_mask=1),
        of.ofp_instruction_goto_table(table_id=4),
    ]


def _requests() -> dict:
    return {
        "hello": of.ofp_hello(elements=[of.ofp_hello_elem_versionbitmap(bitmaps=[0x12])]),
        "echo": of.ofp_echo(data=b"echo"),
        "flow mod": of.ofp_flow_mod(match=match(), instructions=instructions()),
        "group mod": of.ofp_group_mod(buckets=[of.ofp_bucket(actions=[of.ofp_action_group(group_id=4)])] * 2),
        "meter mod": of.ofp_meter_mod(bands=[of.ofp_meter_band_drop(rate=4), of.ofp_meter_band_experimenter()]),
        "packet out": of.ofp_packet_out(actions=[of.ofp_action_output(port=1)], data=b"x" * 20),
        "nx flow mod": of.nx_flow_mod(matches=fields()),
        "nx async": of.nx_async_config2(
            properties=[of.nx_async_config2_prop_reasons_packet_in(mask=1), of.nx_async_config2_prop_experimenter()]
        ),
        "nx tlv": of.nx_tlv_table_mod(maps=[of.nx_tlv_map(option_class=1)] * 2),
    }


def _replies() -> dict:
    flow = of.ofp_flow_stats(match=match(), instructions=instructions())
    features = of.ofp_table_features(
        properties=[
            of.ofp_table_feature_prop_instructions(instruction_ids=[of.ofp_instruction_feature(type=1)]),
            of.ofp_table_feature_prop_oxm(oxm_ids=[1, 2, 3]),
            of.ofp_table_feature_prop_actions(action_ids=[of.ofp_action_desc(type=1)]),
            of.ofp_table_feature_prop_next_tables(next_table_ids=[1, 2, 3]),
        ]
    )
    queue = of.ofp_packet_queue(properties=[of.ofp_queue_prop_min_rate(rate=4)])
    update = of.nx_flow_update_full(matches=fields(), actions=[of.ofp_action_output(port=1)])
    return {
        "error": of.ofp_error_msg(type=of.OFPET_BAD_MATCH, code=1, data=b"x" * 64),
        "features reply": of.ofp_switch_features(datapath_id=1, n_tables=254),
        "packet in": of.ofp_packet_in(match=match(), data=b"x" * 20),
        "flow removed": of.ofp_flow_removed(match=match(), cookie=3),
        "port status": of.ofp_port_status(desc=of.ofp_port(port_no=4, name=b"eth4")),
        "flow stats": of.ofp_flow_stats_reply(stats=[flow, of.ofp_flow_stats(match=match())]),
        "table features": of.ofp_table_features_reply(features=[features]),
        "group desc": of.ofp_group_desc_reply(stats=[of.ofp_group_desc(buckets=[of.ofp_bucket()])]),
        "group stats": of.ofp_group_stats_reply(stats=[of.ofp_group_stats(bucket_stats=[of.ofp_bucket_counter()])]),
        "meter stats": of.ofp_meter_stats_reply(stats=[of.ofp_meter_stats(band_stats=[of.ofp_meter_band_stats()])]),
        "meter config": of.ofp_meter_config_reply(stats=[of.ofp_meter_config(bands=[of.ofp_meter_band_drop()])]),
        "port desc": of.ofp_port_desc_reply(ports=[of.ofp_port(port_no=1)] * 2),
        "queue config": of.ofp_queue_get_config_reply(queues=[queue, queue]),
        "nx packet in": of.nx_packet_in(matches=fields(), data=b"x" * 20),
        "nx packet in 2": of.nx_packet_in2(
            properties=[
                of.nx_packet_in2_prop_packet(value=b"abc"),
                of.nx_packet_in2_prop_metadata(value=fields()),
                of.nx_packet_in2_prop_cookie(value=4),
            ]
        ),
        "nx flow stats": of.nx_flow_stats_reply(stats=[of.nx_flow_stats(matches=fields(), actions=actions())]),
        "nx flow monitor": of.nx_flow_monitor_reply(stats=[update, of.nx_flow_update_abbrev(xid=4)]),
        "nx error": of.nx_error_msg(data=b"x" * 8),
    }


def _pack(message: object) -> bytes:
    message.header.version, message.header.xid = of.OFP_VERSION, 0x01020304
    return message._tobytes()


#: Name to bytes.
MESSAGES = {name: _pack(message) for name, message in {**_requests(), **_replies()}.items()}
