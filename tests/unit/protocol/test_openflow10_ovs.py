"""OpenFlow 1.0 against a real Open vSwitch: set-up, every kind of request, errors by message, events, Nicira extensions."""

from __future__ import annotations

import shutil

import pytest
from support.ofswitch import DATAPATH, dummy_switch, talk

import vlcp.protocol.openflow.defs.openflow10 as of
from vlcp.protocol.openflow.defs import openflow13
from vlcp.protocol.openflow.openflow import (
    Openflow,
    OpenflowAsyncMessageEvent,
    OpenflowErrorResultException,
    OpenflowExperimenterMessageEvent,
    OpenflowProtocolException,
)

pytestmark = pytest.mark.skipif(shutil.which("ovs-vswitchd") is None, reason="Open vSwitch is not installed")
NO_BUFFER = 0xFFFFFFFF
PACKET = bytes.fromhex("0200000000020200000000010806") + bytes(46)


@pytest.fixture(scope="module")
def switch():
    with dummy_switch() as running:
        yield running


def talk10(switch, conversation, protocol=None):
    """Talk OpenFlow 1.0 with a switch without flows."""

    async def emptied(container, connection):
        await connection.protocol.batch([flow(command=of.OFPFC_DELETE)], connection, container)
        return await conversation(container, connection)

    return talk(switch, emptied, "OpenFlow10", protocol)


def match(**fields):
    """Return a match of the given fields, the others being wildcards."""
    bits = {"in_port": of.OFPFW_IN_PORT, "dl_type": of.OFPFW_DL_TYPE, "dl_dst": of.OFPFW_DL_DST, "dl_vlan": of.OFPFW_DL_VLAN}
    wildcards = of.OFPFW_ALL
    for name in fields:
        wildcards &= ~bits[name]
    return of.ofp_match(wildcards=wildcards, **fields)


def flow(*actions, **fields):
    values = {"match": match(), "buffer_id": NO_BUFFER, "out_port": of.OFPP_NONE, "priority": 5}
    return of.ofp_flow_mod(**{**values, **fields}, actions=list(actions))


def output(port):
    return of.ofp_action_output(port=port, max_len=0xFFFF)


def plain(kind):
    message = of.ofp_msg()
    message.header.type = kind
    return message


def flow_request(**fields):
    return of.ofp_flow_stats_request(match=match(), table_id=of.OFPTT_ALL, out_port=of.OFPP_NONE, **fields)


def receive(switch):
    """Let a packet arrive at p1, after flows of earlier tests are out of the switch's cache."""
    switch.appctl("revalidator/purge")
    switch.appctl("netdev-dummy/receive", "p1", PACKET.hex())


def test_a_connection_carries_what_the_features_reply_says(switch):
    async def look(container, connection):
        features = await connection.protocol.querywithreply(plain(of.OFPT_FEATURES_REQUEST), connection, container)
        ports = {port.port_no: port.name for port in features.ports}
        return connection.openflowdef, connection.openflow_datapathid, connection.openflow_auxiliaryid, ports

    definitions, datapath, auxiliary, ports = talk10(switch, look)
    assert (definitions, datapath, auxiliary) == (of, DATAPATH, 0)
    assert ports == {1: b"p1", 2: b"p2", 3: b"p3", of.OFPP_LOCAL: b"br0"}


@pytest.mark.parametrize(
    ("protocols", "allowed", "definitions"),
    [
        ("OpenFlow10,OpenFlow13", None, openflow13),
        ("OpenFlow10,OpenFlow13", (1,), of),
        ("OpenFlow13", (1, 4), openflow13),
        ("OpenFlow10,OpenFlow13,OpenFlow14", (1, 4, 5), openflow13),
        ("OpenFlow10", None, of),
    ],
)
def test_the_highest_version_that_both_speak_is_used(switch, protocols, allowed, definitions):
    async def look(container, connection):
        return connection.openflowdef

    assert talk(switch, look, protocols, Openflow(allowed)) is definitions


def test_every_kind_of_request_gets_its_answer(switch):
    requests = {
        "desc": of.ofp_stats_request(type=of.OFPST_DESC),
        "flow": flow_request(),
        "aggregate": of.ofp_aggregate_stats_request(match=match(), table_id=of.OFPTT_ALL, out_port=of.OFPP_NONE),
        "table": of.ofp_stats_request(type=of.OFPST_TABLE),
        "port": of.ofp_port_stats_request(port_no=of.OFPP_NONE),
        "queue": of.ofp_queue_stats_request(port_no=of.OFPP_ALL, queue_id=of.OFPQ_ALL),
        "nx flow": of.nx_flow_stats_request(out_port=of.OFPP_NONE, table_id=of.OFPTT_ALL),
        "nx aggregate": of.nx_aggregate_stats_request(out_port=of.OFPP_NONE, table_id=of.OFPTT_ALL),
        "config": plain(of.OFPT_GET_CONFIG_REQUEST),
        "barrier": plain(of.OFPT_BARRIER_REQUEST),
        "echo": of.ofp_echo(data=b"echo"),
    }

    async def ask(container, connection):
        await connection.protocol.batch([flow(output(2), match=match(in_port=1), cookie=9)], connection, container)
        return {
            name: (await connection.protocol.querymultipart(request, connection, container))[0]
            for name, request in requests.items()
        }

    got = talk10(switch, ask)
    assert {name: reply._gettype().readablename for name, reply in got.items()} == {
        "desc": "ofp_desc_stats_reply",
        "flow": "ofp_flow_stats_reply",
        "aggregate": "ofp_aggregate_stats_reply",
        "table": "ofp_table_stats_reply",
        "port": "ofp_port_stats_reply",
        "queue": "ofp_queue_stats_reply",
        "nx flow": "nx_flow_stats_reply",
        "nx aggregate": "nx_aggregate_stats_reply",
        "config": "ofp_switch_config",
        "barrier": "ofp_msg",
        "echo": "ofp_echo",
    }
    (entry,) = got["flow"].stats
    assert (entry.cookie, entry.priority, entry.match.in_port, entry.actions[0].port) == (9, 5, 1, 2)
    (nicira,) = got["nx flow"].stats
    assert [(field.header, field.value) for field in nicira.matches] == [(of.NXM_OF_IN_PORT, b"\0\1")]
    assert got["nx aggregate"].flow_count == got["aggregate"].flow_count == 1
    assert {entry.port_no for entry in got["port"].stats} == {1, 2, 3, of.OFPP_LOCAL}
    assert got["echo"].data == b"echo"


def test_flows_of_many_parts_come_whole(switch):
    rules = [flow(output(2), match=match(dl_vlan=number % 4000, in_port=number // 4000 + 1)) for number in range(3000)]

    async def ask(container, connection):
        await connection.protocol.batch(rules, connection, container)
        parts = await connection.protocol.querymultipart(flow_request(), connection, container)
        packed = await connection.protocol.batch_packed([flow_request()._tobytes()], connection, container)
        return parts, packed[1][0]

    parts, packed = talk10(switch, ask)
    assert len(parts) > 1 and len(packed) == len(parts)
    for replies in (parts, packed):
        assert sum(len(part.stats) for part in replies) == 3000


def test_a_batch_tells_errors_by_message(switch):
    good = flow(output(2), match=match(in_port=1))
    bad = {
        (of.OFPET_BAD_ACTION, of.OFPBAC_BAD_OUT_PORT): flow(output(0xFF77), match=match(in_port=2)),
        (of.OFPET_BAD_REQUEST, of.OFPBRC_BAD_STAT): of.ofp_stats_request(type=0x77),
        (of.OFPET_BAD_ACTION, of.OFPBAC_BAD_TYPE): flow(of.ofp_action(type=0x77), match=match(in_port=3)),
        (of.OFPET_FLOW_MOD_FAILED, of.OFPFMFC_OVERLAP): flow(priority=5, flags=of.OFPFF_CHECK_OVERLAP),
    }

    async def ask(container, connection):
        with pytest.raises(OpenflowErrorResultException, match="4 of 6 requests failed") as raised:
            await connection.protocol.batch([good, *bad.values(), flow_request()], connection, container)
        return raised.value.result, await connection.protocol.batch([], connection, container)

    (replies, by_request), nothing = talk10(switch, ask)
    assert {key: (by_request[request].type, by_request[request].code) for key, request in bad.items()} == {
        key: key for key in bad
    }
    assert good not in by_request and len(replies) == 5
    assert nothing == ([], {})
    assert "OFPFMFC_OVERLAP" in repr(OpenflowErrorResultException(by_request[list(bad.values())[3]]))


def test_nicira_requests_are_answered_by_their_vendor_message(switch):
    async def ask(container, connection):
        query = connection.protocol.querywithreply
        role = await query(of.nx_role_request(role=of.NX_ROLE_MASTER), connection, container)
        tlv = await query(of.nx_tlv_table_request(), connection, container)
        with pytest.raises(OpenflowErrorResultException) as raised:
            await query(of.nicira_header(subtype=0x7777), connection, container)
        return role, tlv, raised.value.errormsg

    role, tlv, error = talk10(switch, ask)
    assert (role._gettype().readablename, role.subtype, role.role) == ("nx_role_request", of.NXT_ROLE_REPLY, of.NX_ROLE_MASTER)
    assert tlv.max_fields == 64
    assert (error.type, error.code) == (of.OFPET_BAD_REQUEST, of.OFPBRC_BAD_SUBTYPE)


def test_a_nicira_flow_is_read_back_with_its_match_and_actions(switch):
    fields = [of.create_nxm(of.NXM_OF_ETH_TYPE, 0x800), of.create_nxm(of.NXM_NX_REG1_W, 5, 0xF)]
    actions = [
        of.nx_action_reg_load(ofs_nbits=of.create_ofs_nbits(0, 32), dst=of.NXM_NX_REG2, value=7),
        of.nx_action_resubmit(subtype=of.NXAST_RESUBMIT_TABLE, in_port=of.OFPP_IN_PORT, table=3),
    ]
    rule = of.nx_flow_mod(
        command=of.OFPFC_ADD, priority=9, buffer_id=NO_BUFFER, out_port=of.OFPP_NONE, matches=fields, actions=actions
    )
    into_table = of.nx_flow_mod_table_id(set=1)

    async def ask(container, connection):
        await connection.protocol.batch([into_table, rule], connection, container)
        request = of.nx_flow_stats_request(out_port=of.OFPP_NONE, table_id=0)
        return (await connection.protocol.querymultipart(request, connection, container))[0].stats

    (entry,) = talk10(switch, ask)
    assert [field._tobytes() for field in entry.matches] == [field._tobytes() for field in fields]
    assert [action._tobytes() for action in entry.actions] == [action._tobytes() for action in actions]


def test_packets_flow_removals_and_port_changes_are_events(switch):
    async def ask(container, connection):
        protocol, events = connection.protocol, {}

        async def note():
            matcher = OpenflowAsyncMessageEvent.createMatcher(connection=connection)
            while True:
                event = await matcher
                events.setdefault(event.type, event)

        noting = container.subroutine(note())
        rule = flow(output(of.OFPP_CONTROLLER), match=match(in_port=1), cookie=7, flags=of.OFPFF_SEND_FLOW_REM)
        await protocol.batch([rule], connection, container)
        receive(switch)
        while of.OFPT_PACKET_IN not in events:
            await container.wait_with_timeout(0.01)
        await protocol.batch([flow(command=of.OFPFC_DELETE)], connection, container)
        switch.vsctl("--no-wait", "add-port", "br0", "p9", "--", "set", "Interface", "p9", "type=dummy")
        while len(events) < 3:
            await container.wait_with_timeout(0.01)
        switch.vsctl("--no-wait", "del-port", "br0", "p9")
        container.terminate(noting)
        return events

    events = talk10(switch, ask)
    packet = events[of.OFPT_PACKET_IN].message
    assert (packet.in_port, packet.data, packet.reason) == (1, PACKET, of.OFPR_ACTION)
    removed = events[of.OFPT_FLOW_REMOVED]
    assert (removed.message.reason, removed.tableid, removed.cookie) == (of.OFPRR_DELETE, 0, 7)
    port = events[of.OFPT_PORT_STATUS].message
    assert (port.reason, port.desc.name) == (of.OFPPR_ADD, b"p9")


def test_nicira_packet_ins_are_experimenter_events(switch):
    async def ask(container, connection):
        protocol = connection.protocol
        await protocol.batch([of.nx_set_packet_in_format(format=of.NXPIF_NXM)], connection, container)
        await protocol.batch([flow(output(of.OFPP_CONTROLLER), cookie=3)], connection, container)
        receive(switch)
        return await OpenflowExperimenterMessageEvent.createMatcher(of.NX_VENDOR_ID, of.NXT_PACKET_IN, connection=connection)

    message = talk10(switch, ask).message
    assert (message.cookie, message.data) == (3, PACKET)
    assert of.NXM_OF_IN_PORT in [field.header for field in message.matches]


def test_a_request_that_is_not_answered_ends_with_the_name_of_the_connection(switch):
    protocol = Openflow()
    protocol.requesttimeout = 0.2

    async def ask(container, connection):
        # A switch does not answer a packet-out that it carries out.
        silent = of.ofp_packet_out(buffer_id=NO_BUFFER, in_port=of.OFPP_NONE, actions=[output(2)], data=PACKET)
        with pytest.raises(OpenflowProtocolException, match="no answer to ofp_packet_out within 0.2 s: .*127.0.0.1") as raised:
            await protocol.querywithreply(silent, connection, container)
        assert repr(connection) in str(raised.value)

    talk10(switch, ask, protocol)
