"""The OpenFlow protocol against a fake switch on a socket pair."""

from __future__ import annotations

import contextlib
import socket
import struct

import pytest
from support import fakeswitch
from support.fakeswitch import FakeSwitch, SocketSwitch
from support.poller import run_scheduler

import vlcp.protocol.openflow.defs.openflow13 as ofdef
from vlcp.event.connection import Connection
from vlcp.event.event import M_
from vlcp.protocol.openflow.openflow import (
    Openflow,
    OpenflowAsyncMessageEvent,
    OpenflowConnectionStateEvent,
    OpenflowErrorResultException,
    OpenflowExperimenterMessageEvent,
    OpenflowProtocolException,
)

SETUP, DOWN = OpenflowConnectionStateEvent.CONNECTION_SETUP, OpenflowConnectionStateEvent.CONNECTION_DOWN


def flow_mod(priority: int = 1, table: int = 0, port: int = 1, **fields) -> ofdef.nstruct:
    """Return an ADD that outputs to a port."""
    values = {
        "table_id": table,
        "priority": priority,
        "buffer_id": ofdef.OFP_NO_BUFFER,
        "out_port": ofdef.OFPP_ANY,
        "out_group": ofdef.OFPG_ANY,
        "match": ofdef.ofp_match_oxm(oxm_fields=[ofdef.create_oxm(ofdef.OXM_OF_IN_PORT, priority)]),
        "instructions": [
            ofdef.ofp_instruction_actions(
                type=ofdef.OFPIT_APPLY_ACTIONS, actions=[ofdef.ofp_action_output(port=port, max_len=128)]
            )
        ],
    }
    return ofdef.ofp_flow_mod(**{**values, **fields})


def flow_request(table: int = ofdef.OFPTT_ALL) -> ofdef.nstruct:
    return ofdef.ofp_flow_stats_request(
        table_id=table, out_port=ofdef.OFPP_ANY, out_group=ofdef.OFPG_ANY, match=ofdef.ofp_match_oxm()
    )


@contextlib.contextmanager
def plugged(switch: FakeSwitch):
    """Yield (socket for the controller, running switch)."""
    ours, theirs = socket.socketpair()
    with SocketSwitch(switch, theirs).running() as running:
        yield ours, running


def talk(switch: FakeSwitch, conversation, protocol: Openflow | None = None, timeout: float = 20):
    """Run ``conversation(container, connection, running)`` on a connection that is set up."""
    protocol = protocol or Openflow()

    with plugged(switch) as (ours, running):

        async def main(container):
            connection = Connection(protocol, ours, container.scheduler)
            up = OpenflowConnectionStateEvent.createMatcher(connection=connection, state=SETUP)
            connection.start()
            await up
            try:
                return await conversation(container, connection, running)
            finally:
                await connection.shutdown(True)
                await container.do_events()

        return run_scheduler(main, timeout)


def test_a_connection_that_is_set_up_carries_what_the_switch_is():
    async def look(container, connection, running):
        return (
            connection.openflow_datapathid,
            connection.openflow_auxiliaryid,
            connection.openflow_n_tables,
            connection.openflow_n_buffers,
            connection.openflow_capabilities,
            connection.openflowdef,
        )

    assert talk(FakeSwitch(datapath_id=0xABC, auxiliary_id=3), look) == (0xABC, 3, 254, 0, 0x4F, ofdef)


def test_a_query_returns_its_reply():
    async def ask(container, connection, running):
        request = ofdef.ofp_msg(header=None)
        request = ofdef.ofp_msg()
        request.header.type = ofdef.OFPT_GET_CONFIG_REQUEST
        return await connection.protocol.querywithreply(request, connection, container)

    assert talk(FakeSwitch(), ask).miss_send_len == 128


def test_an_error_reply_is_raised_or_returned():
    async def ask(container, connection, running):
        request = ofdef.ofp_multipart_request(type=ofdef.OFPMP_METER_FEATURES)
        message = await connection.protocol.querywithreply(request, connection, container, raiseonerror=False)
        with pytest.raises(OpenflowErrorResultException, match="OFPBRC_BAD_MULTIPART") as raised:
            await connection.protocol.querywithreply(request, connection, container)
        return message, raised.value.errormsg

    for message in talk(FakeSwitch(), ask):
        assert (message.type, message.code) == (ofdef.OFPET_BAD_REQUEST, ofdef.OFPBRC_BAD_MULTIPART)


def test_a_multipart_reply_is_collected_to_its_last_part():
    switch = FakeSwitch(ports=[(number, f"p{number}") for number in range(1, 2001)])

    async def ask(container, connection, running):
        request = ofdef.ofp_multipart_request(type=ofdef.OFPMP_PORT_DESC)
        return await connection.protocol.querymultipart(request, connection, container)

    parts = talk(switch, ask)
    assert len(parts) == 3
    assert [port.port_no for part in parts for port in part.ports] == list(range(1, 2001))


def test_a_batch_installs_flows_and_returns_the_replies_by_request():
    switch = FakeSwitch()
    requests = [flow_mod(priority) for priority in range(1, 500)] + [flow_request()]

    async def ask(container, connection, running):
        return await connection.protocol.batch(requests, connection, container)

    replies, by_request = talk(switch, ask)
    assert len(switch.dump()) == 499
    assert len(replies) == 1 and by_request[requests[-1]] is replies[0]
    assert len(replies[0].stats) == 499


def test_errors_of_a_batch_name_the_requests_and_the_rest_is_done():
    switch = FakeSwitch()
    good, bad = flow_mod(1), flow_mod(2, table=254)

    async def ask(container, connection, running):
        with pytest.raises(OpenflowErrorResultException, match="1 of 2 requests failed") as raised:
            await connection.protocol.batch([good, bad], connection, container)
        return raised.value.result

    replies, by_request = talk(switch, ask)
    assert list(by_request) == [bad] and by_request[bad].code == ofdef.OFPFMFC_BAD_TABLE_ID
    assert [flow[1] for flow in switch.dump()] == [1]


def test_a_packed_batch_gets_fresh_numbers_and_files_answers_by_index():
    switch = FakeSwitch()
    messages = [flow_mod(1)._tobytes(), flow_mod(2, table=254)._tobytes(), flow_request()._tobytes()]

    async def ask(container, connection, running):
        return await connection.protocol.batch_packed(messages, connection, container)

    errors, replies = talk(switch, ask)
    assert {index: error.code for index, error in errors.items()} == {1: ofdef.OFPFMFC_BAD_TABLE_ID}
    assert list(replies) == [2] and replies[2].stats[0].priority == 1
    xids = [xid for kind, xid, _ in switch.received if kind in (fakeswitch.FLOW_MOD, fakeswitch.MULTIPART_REQUEST)]
    assert len(set(xids)) == 3 and 0 not in xids


def onf(kind: int, bundle: int, what: int = 0, inner: bytes = b"") -> bytes:
    body = struct.pack(">IIIHH", fakeswitch.ONF, kind, bundle, what, 3)
    return fakeswitch.message(fakeswitch.EXPERIMENTER, 0, body + inner)


def test_a_bundle_is_committed_as_a_whole_or_not_at_all():
    switch = FakeSwitch()

    def bundle(number: int, *inner: bytes) -> list[bytes]:
        adds = [onf(fakeswitch.BUNDLE_ADD, number, 0, one) for one in inner]
        return [
            onf(fakeswitch.BUNDLE_CONTROL, number),
            *adds,
            onf(fakeswitch.BUNDLE_CONTROL, number, 2),
            onf(fakeswitch.BUNDLE_CONTROL, number, 4),
        ]

    async def ask(container, connection, running):
        protocol = connection.protocol
        good = await protocol.batch_packed(bundle(1, flow_mod(1)._tobytes()), connection, container)
        bad = bundle(2, flow_mod(2)._tobytes(), flow_mod(3, table=254)._tobytes())
        return good, await protocol.batch_packed(bad, connection, container)

    good, bad = talk(switch, ask)
    assert (good[0], sorted(good[1])) == ({}, [0, 2, 3])
    assert sorted(bad[0]) == [2, 4] and bad[0][2].code == ofdef.OFPFMFC_BAD_TABLE_ID
    assert [flow[1] for flow in switch.dump()] == [1]


def test_messages_may_share_a_transaction_number():
    switch = FakeSwitch()
    messages = [flow_mod(1)._tobytes(), flow_mod(2)._tobytes(), flow_mod(3)._tobytes()]

    async def ask(container, connection, running):
        await connection.protocol.batch_packed(messages, connection, container, xid_of={2: 0})

    talk(switch, ask)
    xids = [xid for kind, xid, _ in switch.received if kind == fakeswitch.FLOW_MOD]
    assert xids[0] == xids[2] != xids[1]


def test_a_packet_in_is_an_event_with_its_table_and_cookie():
    switch = FakeSwitch()

    async def wait(container, connection, running):
        running.send(switch.packet_in(7, b"packet", table=4, cookie=9))
        return await OpenflowAsyncMessageEvent.createMatcher(
            type=ofdef.OFPT_PACKET_IN, tableid=4, cookie=9, connection=connection
        )

    event = talk(switch, wait)
    assert event.message.data == b"packet"
    assert ofdef.get_oxm(event.message.match.oxm_fields, ofdef.OXM_OF_IN_PORT) == b"\0\0\0\7"


def test_port_changes_and_experimenter_messages_are_events():
    switch = FakeSwitch()
    resume = ofdef.nx_packet_in2(properties=[ofdef.nx_packet_in2_prop_packet(value=b"x" * 4)])._tobytes()

    async def wait(container, connection, running):
        running.send(switch.add_port(3, "p3"))
        port = await OpenflowAsyncMessageEvent.createMatcher(type=ofdef.OFPT_PORT_STATUS, connection=connection)
        running.send(resume)
        vendor = OpenflowExperimenterMessageEvent.createMatcher(ofdef.NX_VENDOR_ID, ofdef.NXT_PACKET_IN2)
        return port.message, (await vendor).message

    port, vendor = talk(switch, wait)
    assert (port.reason, port.desc.port_no, port.desc.name) == (ofdef.OFPPR_ADD, 3, b"p3")
    assert vendor.properties[0].value == b"x" * 4


def test_an_echo_request_of_the_switch_is_answered_with_its_data():
    switch = FakeSwitch()

    async def wait(container, connection, running):
        running.send(fakeswitch.message(fakeswitch.ECHO_REQUEST, 77, b"hello?"))
        for _ in range(200):
            if any(kind == fakeswitch.ECHO_REPLY for kind, _, _ in switch.received):
                break
            await container.wait_with_timeout(0.01)

    talk(switch, wait)
    assert (fakeswitch.ECHO_REPLY, 77, fakeswitch.message(fakeswitch.ECHO_REPLY, 77, b"hello?")) in switch.received


def test_messages_before_the_features_reply_are_delivered_after_the_set_up():
    switch = FakeSwitch()
    switch.greet = lambda: fakeswitch.message(fakeswitch.HELLO, 1) + switch.packet_in(1, b"early")
    protocol = Openflow()

    with plugged(switch) as (ours, _):

        async def main(container):
            connection = Connection(protocol, ours, container.scheduler)
            connection.start()
            seen = []
            matchers = (
                OpenflowConnectionStateEvent.createMatcher(connection=connection),
                OpenflowAsyncMessageEvent.createMatcher(connection=connection),
            )
            while len(seen) < 2:
                event, _ = await M_(*matchers)
                seen.append(getattr(event, "state", None) or event.message.data)
            await connection.shutdown(True)
            return seen

        assert run_scheduler(main) == [SETUP, b"early"]


def test_a_lost_connection_ends_requests_with_an_exception():
    switch = FakeSwitch()
    switch.ignore.add(fakeswitch.BARRIER_REQUEST)

    async def ask(container, connection, running):
        async def lose():
            await container.wait_with_timeout(0.05)
            running.close()

        container.subroutine(lose())
        down = connection.protocol.statematcher(connection)
        states = []

        async def note():
            states.append((await down).state)

        container.subroutine(note())
        with pytest.raises(OpenflowProtocolException, match="connection lost before the answer to a barrier request"):
            await connection.protocol.batch([flow_mod()], connection, container)
        with pytest.raises(OpenflowProtocolException, match="not set up"):
            await connection.protocol.querywithreply(flow_request(), connection, container)
        return states

    assert talk(switch, ask) == [DOWN]


def test_an_answer_that_cannot_be_read_ends_its_request_with_an_error_and_the_connection_goes_on():
    switch = FakeSwitch()
    broken = struct.pack(">HHIHH4x", ofdef.OFPMP_FLOW, 0, 0, 3, 0)

    async def ask(container, connection, running):
        def spoil(kind, xid, message):
            if kind == fakeswitch.MULTIPART_REQUEST and message[9] == ofdef.OFPMP_FLOW:
                running.send(fakeswitch.message(fakeswitch.MULTIPART_REPLY, xid, broken))
                switch.ignore.add(kind)

        switch.refuse = spoil
        for way in (connection.protocol.querymultipart, connection.protocol.querywithreply):
            with pytest.raises(OpenflowErrorResultException, match="OFPBRC_BAD_LEN"):
                await way(flow_request(), connection, container)
            switch.ignore.clear()
        with pytest.raises(OpenflowErrorResultException, match="OFPBRC_BAD_LEN") as raised:
            await connection.protocol.batch([flow_mod(1), flow_request()], connection, container)
        switch.ignore.clear()
        return raised.value.errormsg, await connection.protocol.batch([], connection, container)

    error, nothing = talk(switch, ask)
    assert error.data[1] == fakeswitch.MULTIPART_REPLY and nothing == ([], {})


def test_a_request_without_answer_times_out():
    switch = FakeSwitch()
    switch.ignore.add(fakeswitch.MULTIPART_REQUEST)
    protocol = Openflow()
    protocol.requesttimeout = 0.05

    async def ask(container, connection, running):
        with pytest.raises(OpenflowProtocolException, match="no answer to ofp_flow_stats_request within 0.05 s"):
            await connection.protocol.querywithreply(flow_request(), connection, container)
        request = ofdef.ofp_multipart_request(type=ofdef.OFPMP_PORT_DESC)
        switch.ignore.clear()
        return await connection.protocol.querymultipart(request, connection, container)

    assert len(talk(switch, ask, protocol)) == 1


def test_a_switch_that_reads_nothing_ends_requests_with_the_name_of_its_connection():
    protocol = Openflow()

    async def ask(container, connection, running):
        big = ofdef.ofp_echo(data=b"x" * 60000)
        protocol.requesttimeout = 0.2
        with running.lock:
            # Wakes the switch, which then waits for the lock.
            running.send(fakeswitch.message(fakeswitch.ECHO_REPLY, 1))
            with pytest.raises(OpenflowProtocolException, match="nothing could be sent for 0.2 s: datapath 0+abc, <Connection"):
                for _ in range(400):
                    await protocol._write(connection, protocol.formatrequest(big, connection))
            with pytest.raises(OpenflowProtocolException, match="datapath 0+abc, <Connection"):
                await protocol.batch([big], connection, container)
        await connection.reset(True)

    talk(FakeSwitch(datapath_id=0xABC), ask, protocol)


def test_a_silent_switch_is_asked_for_an_echo_and_then_left():
    switch = FakeSwitch()
    protocol = Openflow()
    protocol.keepalivetime, protocol.keepalivetimeout = 0.05, 0.05

    async def wait(container, connection, running):
        await container.wait_with_timeout(0.3)
        assert connection.connected
        switch.ignore.add(fakeswitch.ECHO_REQUEST)
        return (await connection.protocol.statematcher(connection)).state

    assert talk(switch, wait, protocol) == DOWN
    assert sum(kind == fakeswitch.ECHO_REQUEST for kind, _, _ in switch.received) >= 2


def ended(talker, protocol: Openflow | None = None) -> bytes:
    """Connect a raw peer; return all bytes it got before the controller closed. `talker(socket)` speaks for it."""
    protocol = protocol or Openflow()
    ours, theirs = socket.socketpair()
    theirs.settimeout(5)

    async def main(container):
        connection = Connection(protocol, ours, container.scheduler)
        routine_ended = connection.start()
        talker(theirs)
        while connection.connected or connection.connmark < 0:
            await container.wait_with_timeout(0.01)
        return routine_ended

    with theirs:
        run_scheduler(main, 10)
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while data := theirs.recv(65536):
                received += data
    return received


def test_a_peer_without_a_common_version_is_told_so():
    got = ended(lambda peer: (peer.sendall(fakeswitch.message(0, 9, b"", 2)), peer.shutdown(socket.SHUT_WR)))
    error = got[struct.unpack_from(">H", got, 2)[0] :]
    version, kind, length, xid = struct.unpack_from(">BBHI", error)
    assert (version, kind, length, xid) == (2, fakeswitch.ERROR, len(error), 9)
    assert error[8:12] == bytes(4)
    assert error[12:] == b"supported versions: 1.0, 1.3; offered: 1.1\0"


@pytest.mark.parametrize(
    "data",
    [
        fakeswitch.message(fakeswitch.ECHO_REQUEST, 1),
        fakeswitch.message(fakeswitch.ERROR, 1, struct.pack(">HH", 0, 0)),
        fakeswitch.message(fakeswitch.HELLO, 1) + fakeswitch.message(fakeswitch.ERROR, 1, struct.pack(">HH", 1, 1)),
        b"\4\0\0\7aaaa",
        fakeswitch.message(fakeswitch.HELLO, 1) + fakeswitch.message(fakeswitch.FEATURES_REPLY, 1, b"short"),
    ],
    ids=["no hello", "error first", "error after hello", "length 7", "short features"],
)
def test_a_peer_that_breaks_the_set_up_is_dropped(data):
    assert ended(lambda peer: peer.sendall(data))[:2] == b"\4\0"


def test_a_peer_that_says_nothing_is_dropped_after_the_hello_time():
    protocol = Openflow()
    protocol.hellotimeout = 0.05
    assert ended(lambda peer: None, protocol)[:2] == b"\4\0"


def test_a_peer_without_features_is_dropped_after_their_time():
    protocol = Openflow()
    protocol.featurerequesttimeout = 0.05
    got = ended(lambda peer: peer.sendall(fakeswitch.message(fakeswitch.HELLO, 1)), protocol)
    assert got[17] == fakeswitch.FEATURES_REQUEST


def test_a_message_of_another_version_is_answered_with_an_error_and_not_delivered():
    switch = FakeSwitch()

    async def wait(container, connection, running):
        running.send(fakeswitch.message(fakeswitch.PACKET_IN, 5, b"x" * 100, 1) + switch.packet_in(1, b"good"))
        event = await OpenflowAsyncMessageEvent.createMatcher(connection=connection)
        await connection.protocol.batch([], connection, container)
        return event.message.data

    assert talk(switch, wait) == b"good"
    errors = [data for kind, xid, data in switch.received if kind == fakeswitch.ERROR and xid == 5]
    assert len(errors) == 1 and errors[0][8:12] == struct.pack(">HH", 1, 0) and len(errors[0]) == 12 + 64


@pytest.mark.parametrize("kind", [fakeswitch.FEATURES_REQUEST, fakeswitch.FLOW_MOD, 30, 255])
def test_a_message_that_no_switch_sends_is_answered_with_an_error_and_the_connection_goes_on(kind):
    switch = FakeSwitch()

    async def wait(container, connection, running):
        running.send(fakeswitch.message(kind, 5, b"x" * 100) + switch.packet_in(1, b"good"))
        event = await OpenflowAsyncMessageEvent.createMatcher(connection=connection)
        await connection.protocol.batch([], connection, container)
        return event.message.data

    assert talk(switch, wait) == b"good"
    errors = [data for kind, xid, data in switch.received if kind == fakeswitch.ERROR and xid == 5]
    assert len(errors) == 1 and errors[0][8:12] == struct.pack(">HH", 1, 1) and len(errors[0]) == 12 + 64


def test_a_protocol_without_a_version_that_it_can_speak_is_refused():
    with pytest.raises(ValueError, match=r"no supported OpenFlow version among \(5, 6\)"):
        Openflow((5, 6))
