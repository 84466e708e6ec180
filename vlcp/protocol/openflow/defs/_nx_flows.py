# ruff: noqa: F403, F405 - the names of the enumerations
"""Nicira flow messages: flow mods, removals, statistics and monitoring with extensible matches."""

from __future__ import annotations

from namedstruct.namedstruct import packsize, packvalue, sizefromlen
from namedstruct.stdprim import uint8, uint16, uint32, uint64

from ._nx_enums import *
from ._types import export, nstruct, sequence


def define(namespace):
    """Define the structs of this part in the namespace of one OpenFlow version.

    :param namespace: dictionary of the version's names; read for the base structs, and updated
    """
    ofp_flow_mod_flags = namespace["ofp_flow_mod_flags"]
    ofp_action = namespace["ofp_action"]
    nx_matches = namespace["nx_matches"]
    nicira_header = namespace["nicira_header"]
    nx_stats_request = namespace["nx_stats_request"]
    nx_stats_reply = namespace["nx_stats_reply"]
    msg_subtype = namespace["msg_subtype"]
    stats_subtype = namespace["stats_subtype"]
    if "ofp_instruction" in namespace:
        what_to_do = sequence(namespace["ofp_instruction"]), "instructions"
    else:
        what_to_do = sequence(ofp_action), "actions"

    nx_flow_mod = nstruct(
        (uint64, "cookie"),
        (ofp_flow_mod_command, "command"),
        (uint16, "idle_timeout"),
        (uint16, "hard_timeout"),
        (uint16, "priority"),
        (uint32, "buffer_id"),
        (nx_port_no, "out_port"),
        (ofp_flow_mod_flags, "flags"),
        (uint16, "match_len"),
        (uint8[6],),
        (nx_matches,),
        what_to_do,
        name="nx_flow_mod",
        base=nicira_header,
        classifyby=(NXT_FLOW_MOD,),
        init=packvalue(NXT_FLOW_MOD, msg_subtype),
    )

    nx_flow_removed = nstruct(
        (uint64, "cookie"),
        (uint16, "priority"),
        (ofp_flow_removed_reason, "reason"),
        (uint8, "table_id"),
        (uint32, "duration_sec"),
        (uint32, "duration_nsec"),
        (uint16, "idle_timeout"),
        (uint16, "match_len"),
        (uint64, "packet_count"),
        (uint64, "byte_count"),
        (nx_matches,),
        name="nx_flow_removed",
        base=nicira_header,
        classifyby=(NXT_FLOW_REMOVED,),
        init=packvalue(NXT_FLOW_REMOVED, msg_subtype),
    )

    nx_flow_stats_request = nstruct(
        (nx_port_no, "out_port"),
        (uint16, "match_len"),
        (uint8, "table_id"),
        (uint8[3],),
        (nx_matches,),
        name="nx_flow_stats_request",
        base=nx_stats_request,
        classifyby=(NXST_FLOW,),
        init=packvalue(NXST_FLOW, stats_subtype),
    )

    nx_flow_stats = nstruct(
        (uint16, "length"),
        (uint8, "table_id"),
        (uint8,),
        (uint32, "duration_sec"),
        (uint32, "duration_nsec"),
        (uint16, "priority"),
        (uint16, "idle_timeout"),
        (uint16, "hard_timeout"),
        (uint16, "match_len"),
        (uint16, "idle_age"),
        (uint16, "hard_age"),
        (uint64, "cookie"),
        (uint64, "packet_count"),
        (uint64, "byte_count"),
        (nx_matches,),
        (sequence(ofp_action), "actions"),
        name="nx_flow_stats",
        padding=8,
        size=sizefromlen(65536, "length"),
        prepack=packsize("length"),
    )

    nx_flow_stats_reply = nstruct(
        (sequence(nx_flow_stats), "stats"),
        name="nx_flow_stats_reply",
        base=nx_stats_reply,
        classifyby=(NXST_FLOW,),
        init=packvalue(NXST_FLOW, stats_subtype),
    )

    nx_aggregate_stats_request = nstruct(
        (nx_port_no, "out_port"),
        (uint16, "match_len"),
        (uint8, "table_id"),
        (uint8[3],),
        (nx_matches,),
        name="nx_aggregate_stats_request",
        base=nx_stats_request,
        classifyby=(NXST_AGGREGATE,),
        init=packvalue(NXST_AGGREGATE, stats_subtype),
        lastextra=False,
    )

    nx_aggregate_stats_reply = nstruct(
        (uint64, "packet_count"),
        (uint64, "byte_count"),
        (uint32, "flow_count"),
        (uint8[4],),
        name="nx_aggregate_stats_reply",
        base=nx_stats_reply,
        classifyby=(NXST_AGGREGATE,),
        init=packvalue(NXST_AGGREGATE, stats_subtype),
    )

    # Its own flags have a name of their own, as ``flags`` are those of every statistics request.
    nx_flow_monitor_request = nstruct(
        (uint32, "id"),
        (nx_flow_monitor_flags, "monitor_flags"),
        (nx_port_no, "out_port"),
        (uint16, "match_len"),
        (ofp_table, "table_id"),
        (uint8[5],),
        (nx_matches,),
        name="nx_flow_monitor_request",
        base=nx_stats_request,
        classifyby=(NXST_FLOW_MONITOR,),
        init=packvalue(NXST_FLOW_MONITOR, stats_subtype),
    )

    nx_flow_update = nstruct(
        (uint16, "length"),
        (nx_flow_update_event, "event"),
        name="nx_flow_update",
        padding=8,
        size=sizefromlen(65536, "length"),
        prepack=packsize("length"),
    )

    nx_flow_update_full = nstruct(
        (ofp_flow_removed_reason.astype(uint16), "reason"),
        (uint16, "priority"),
        (uint16, "idle_timeout"),
        (uint16, "hard_timeout"),
        (uint16, "match_len"),
        (uint8, "table_id"),
        (uint8,),
        (uint64, "cookie"),
        (nx_matches,),
        (sequence(ofp_action), "actions"),
        name="nx_flow_update_full",
        base=nx_flow_update,
        criteria=lambda x: x.event != NXFME_ABBREV,
        init=packvalue(NXFME_ADDED, "event"),
    )

    nx_flow_update_abbrev = nstruct(
        (uint32, "xid"),
        name="nx_flow_update_abbrev",
        base=nx_flow_update,
        criteria=lambda x: x.event == NXFME_ABBREV,
        init=packvalue(NXFME_ABBREV, "event"),
    )

    nx_flow_monitor_reply = nstruct(
        (sequence(nx_flow_update), "stats"),
        name="nx_flow_monitor_reply",
        base=nx_stats_reply,
        classifyby=(NXST_FLOW_MONITOR,),
        init=packvalue(NXST_FLOW_MONITOR, stats_subtype),
    )

    nx_flow_monitor_cancel = nstruct(
        (uint32, "id"),
        name="nx_flow_monitor_cancel",
        base=nicira_header,
        classifyby=(NXT_FLOW_MONITOR_CANCEL,),
        init=packvalue(NXT_FLOW_MONITOR_CANCEL, msg_subtype),
    )

    export(namespace, locals())
