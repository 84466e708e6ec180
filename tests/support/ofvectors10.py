"""One filled example of every OpenFlow 1.0 structure and of every Nicira one with it, as named messages."""

from __future__ import annotations

from typing import Any

from support.ofvectors_nicira import BARRIER, nicira_actions, nicira_messages, nxm_fields, other_matches

import vlcp.protocol.openflow.defs.openflow10 as of

NO_BUFFER = 0xFFFFFFFF
MAC = [2, 0, 0, 0, 0, 5]
PACKET = bytes.fromhex("02000000000202000000000188b5")


def _match() -> Any:
    wildcards = of.OFPFW_ALL & ~(of.OFPFW_IN_PORT | of.OFPFW_DL_TYPE | of.OFPFW_DL_SRC | of.OFPFW_NW_SRC_MASK) | 8 << 8
    return of.ofp_match(wildcards=wildcards, in_port=3, dl_src=MAC, dl_type=0x800, nw_src=0x0A000100)


def _actions() -> dict[str, Any]:
    return {
        "output": of.ofp_action_output(port=of.OFPP_CONTROLLER, max_len=128),
        "set vlan": of.ofp_action_vlan_vid(vlan_vid=5),
        "set vlan priority": of.ofp_action_vlan_pcp(vlan_pcp=3),
        "strip vlan": of.ofp_action(type=of.OFPAT_STRIP_VLAN),
        "set mac": of.ofp_action_dl_addr(type=of.OFPAT_SET_DL_DST, dl_addr=MAC),
        "set ip": of.ofp_action_nw_addr(type=of.OFPAT_SET_NW_DST, nw_addr=0x0A000001),
        "set tos": of.ofp_action_nw_tos(nw_tos=0x20),
        "set port": of.ofp_action_tp_port(type=of.OFPAT_SET_TP_DST, tp_port=80),
        "enqueue": of.ofp_action_enqueue(port=3, queue_id=7),
    }


def _plain(kind: int) -> Any:
    message = of.ofp_msg()
    message.header.type = kind
    return message


def _packet_out(*actions: Any) -> Any:
    return of.ofp_packet_out(buffer_id=NO_BUFFER, in_port=of.OFPP_NONE, actions=list(actions), data=PACKET)


def _port(number: int) -> Any:
    features = {"curr": 0x40, "advertised": 0x20, "supported": 0x60, "peer": 0x80}
    return of.ofp_phy_port(port_no=number, hw_addr=MAC, name=b"eth%d" % number, config=1, state=1, **features)


def _requests() -> dict[str, Any]:
    flow_fields = {"command": of.OFPFC_MODIFY, "idle_timeout": 2, "hard_timeout": 3, "priority": 4, "flags": 1, "cookie": 5}
    selection = {"match": _match(), "table_id": of.OFPTT_ALL, "out_port": 2}
    plain = "FEATURES_REQUEST GET_CONFIG_REQUEST BARRIER_REQUEST BARRIER_REPLY"
    return {
        **{kind: _plain(getattr(of, f"OFPT_{kind}")) for kind in plain.split()},
        "hello": of.ofp_hello(elements=[of.ofp_hello_elem_versionbitmap(bitmaps=[0x12])]),
        "echo": of.ofp_echo(data=b"echo"),
        "set config": of.ofp_switch_config(flags=of.OFPC_FRAG_DROP, miss_send_len=128),
        "flow mod": of.ofp_flow_mod(
            match=_match(), buffer_id=NO_BUFFER, out_port=of.OFPP_NONE, actions=list(_actions().values()), **flow_fields
        ),
        "port mod": of.ofp_port_mod(port_no=3, hw_addr=MAC, config=1, mask=0x21, advertise=4),
        "packet out": _packet_out(of.ofp_action_output(port=2)),
        "queue config request": of.ofp_queue_get_config_request(port=3),
        "desc request": of.ofp_stats_request(type=of.OFPST_DESC),
        "flow stats request": of.ofp_flow_stats_request(**selection),
        "aggregate request": of.ofp_aggregate_stats_request(**selection),
        "table stats request": of.ofp_stats_request(type=of.OFPST_TABLE),
        "port stats request": of.ofp_port_stats_request(port_no=3),
        "queue stats request": of.ofp_queue_stats_request(port_no=3, queue_id=4),
        "vendor": of.ofp_vendor(vendor=0x123456),
        "vendor stats request": of.ofp_vendor_stats_request(vendor=0x123456),
    }


def _replies() -> dict[str, Any]:
    times = {"duration_sec": 2, "duration_nsec": 3, "priority": 4, "idle_timeout": 5}
    entry = of.ofp_flow_stats(
        table_id=1, match=_match(), **times, hard_timeout=6, cookie=7, packet_count=8, byte_count=9,
        actions=[of.ofp_action_output(port=2)],
    )  # fmt: skip
    table = of.ofp_table_stats(table_id=1, name=b"classifier", wildcards=of.OFPFW_ALL, max_entries=100, active_count=2)
    names = "rx_packets tx_packets rx_bytes tx_bytes rx_dropped tx_dropped rx_errors tx_errors rx_frame_err rx_over_err"
    counters = {name: 10 + number for number, name in enumerate((names + " rx_crc_err collisions").split())}
    queue = of.ofp_packet_queue(queue_id=5, properties=[of.ofp_queue_prop_min_rate(rate=500)])
    return {
        "error": of.ofp_error_types[of.OFPET_FLOW_MOD_FAILED](code=of.OFPFMFC_OVERLAP, data=BARRIER),
        "features reply": of.ofp_switch_features(
            datapath_id=0xABCDEF, n_buffers=256, n_tables=2, capabilities=0xC7, actions=0xFFF, ports=[_port(1), _port(2)]
        ),
        "config reply": _as(of.OFPT_GET_CONFIG_REPLY, of.ofp_switch_config(flags=1, miss_send_len=64)),
        "packet in": of.ofp_packet_in(buffer_id=0x111, total_len=14, in_port=3, reason=of.OFPR_ACTION, data=PACKET),
        "flow removed": of.ofp_flow_removed(
            match=_match(), cookie=1, reason=of.OFPRR_HARD_TIMEOUT, **times, packet_count=8, byte_count=9
        ),
        "port status": of.ofp_port_status(reason=of.OFPPR_MODIFY, desc=_port(3)),
        "queue config reply": of.ofp_queue_get_config_reply(port=3, queues=[queue]),
        "desc reply": of.ofp_desc_stats_reply(mfr_desc=b"maker", hw_desc=b"iron", sw_desc=b"1.2", serial_num=b"5", dp_desc=b"dp"),
        "flow stats reply": of.ofp_flow_stats_reply(stats=[entry]),
        "aggregate reply": of.ofp_aggregate_stats_reply(packet_count=1, byte_count=2, flow_count=3),
        "table stats reply": of.ofp_table_stats_reply(stats=[table]),
        "port stats reply": of.ofp_port_stats_reply(stats=[of.ofp_port_stats(port_no=3, **counters)]),
        "queue stats reply": of.ofp_queue_stats_reply(
            stats=[of.ofp_queue_stats(port_no=3, queue_id=1, tx_bytes=2, tx_packets=3, tx_errors=4)]
        ),
        "vendor stats reply": of.ofp_vendor_stats_reply(vendor=0x123456),
    }


def _as(kind: int, message: Any) -> Any:
    message.header.type = kind
    return message


def _nicira() -> dict[str, Any]:
    matches = {"many": nxm_fields(of), **other_matches(of)}
    flow = {"cookie": 1, "command": of.OFPFC_ADD, "priority": 2, "buffer_id": NO_BUFFER, "out_port": of.OFPP_NONE}
    output = [of.ofp_action_output(port=1)]
    return {
        **{f"action {name}": _packet_out(action) for name, action in nicira_actions(of).items()},
        **{f"match {name}": of.nx_flow_mod(**flow, matches=fields, actions=output) for name, fields in matches.items()},
        **{f"nx {name}": message for name, message in nicira_messages(of).items()},
    }


def messages() -> dict[str, Any]:
    """Return all messages by name, with their version and a transaction number."""
    found = {**_requests(), **_replies(), **_nicira(), "vendor action": _packet_out(of.ofp_action_vendor(vendor=0x123456))}
    for message in found.values():
        message.header.version, message.header.xid = of.OFP_VERSION, 0x01020304
    return found
