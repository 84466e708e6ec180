"""What a module publishes, what it has learned, and packets to and from the controller, as values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import vlcp.protocol.openflow.defs.openflow13 as of13
from vlcp.service.sdn._flows.encode import Encoder, Layout
from vlcp.service.sdn._flows.learned import Learned
from vlcp.service.sdn._flows.packets import NO_BUFFER, Upload, packet_out
from vlcp.service.sdn._flows.records import Records
from vlcp.service.sdn._flows.spec import output, resubmit, set_field
from vlcp.service.sdn._vxlan_first import FirstPackets, index_key, send_on

LAYOUT = Layout({"vxlanoutput": 3, "egress": 4}, {"vxlanoutput": "egress"}, True, 0)


def commit(records, now, limit=100):
    due = records.due(now, limit)
    records.began(due)
    records.committed(due, now)
    return due


def test_only_what_is_new_different_or_gone_is_due():
    records = Records()
    records.want("a", 1)
    records.want("b", 2)
    assert commit(records, 0).put == {"a": 1, "b": 2}
    assert not records.due(1, 100)
    records.want("a", 3)
    records.want("b", None)
    due = commit(records, 2)
    assert (due.put, due.remove) == ({"a": 3}, ["b"])
    assert not records.due(9, 100)


def test_a_record_is_due_again_when_it_is_old_enough():
    records = Records()
    records.want("a", 1, renew_s=60)
    records.want("b", 1)
    commit(records, 100)
    assert records.next_due() == 160
    assert not records.due(159, 100)
    assert records.due(160, 100).put == {"a": 1}


def test_what_was_being_written_when_it_failed_is_due_again_also_its_removal():
    records = Records()
    records.want("a", 1)
    records.began(records.due(0, 100))
    assert records.due(0, 100).put == {"a": 1}
    records.want("a", None)
    assert records.due(0, 100).remove == ["a"]
    records.want("a", 1)
    commit(records, 0)
    records.want("a", None)
    records.began(records.due(0, 100))
    records.want("a", 1)
    assert records.due(0, 100).put == {"a": 1}


def test_a_record_that_the_database_has_lost_is_due_again_only_if_it_is_wanted():
    records = Records()
    records.want("a", 1)
    commit(records, 0)
    records.lost(["a", "unknown"])
    assert records.due(0, 100).put == {"a": 1}
    records.want("a", None)
    assert records.due(0, 100).remove == ["a"]


def test_a_record_of_an_earlier_run_is_removed_unless_it_is_wanted():
    records = Records()
    records.want("a", 1)
    records.found(["a", "b"])
    due = commit(records, 0)
    assert (due.put, due.remove) == ({"a": 1}, ["b"])
    assert not records.due(0, 100)


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from([None, 1, 2]), st.booleans())), st.integers(1, 3))
def test_after_any_changes_and_failures_the_database_comes_to_what_is_wanted(steps, limit):
    records, stored = Records(), {}
    for key, value, works in steps:
        records.want(key, value)
        due = records.due(0, limit)
        records.began(due)
        stored.update(due.put)
        for gone in due.remove:
            stored.pop(gone, None)
        if works:
            records.committed(due, 0)
    for _ in range(20):
        due = commit(records, 0, limit)
        stored.update(due.put)
        for gone in due.remove:
            stored.pop(gone, None)
    assert stored == dict(records.values())
    assert not records.due(0, limit)


def test_facts_end_are_renewed_and_are_limited():
    facts = Learned(2)
    assert facts.put("a", 1, 10) and facts.put("b", 2, 20)
    assert not facts.put("c", 3, 30)
    assert facts.put("a", 5, 40)
    assert (facts.get("a"), facts.get("c"), facts.next_end(), len(facts)) == (5, None, 20, 2)
    assert facts.expire(25) == [("b", 2)]
    assert dict(facts.items()) == {"a": 5}
    assert facts.forget("a") and not facts.forget("a")


def test_a_packet_out_is_read_by_the_definitions():
    actions = (*set_field(out_port=7), output(3), resubmit("egress"))
    data = packet_out(Encoder(LAYOUT), b"\x01" * 60, actions, 5)
    message, size = of13.ofp_msg.parse(data)
    assert size == len(data)
    assert (message.header.type, message.buffer_id, message.in_port) == (of13.OFPT_PACKET_OUT, of13.OFP_NO_BUFFER, 5)
    assert message.data == b"\x01" * 60
    assert [type(action).__name__ for action in message.actions] == ["NamedStruct"] * 3
    assert message.actions[1].port == 3


def test_a_packet_in_a_buffer_is_not_sent_along():
    message, _ = of13.ofp_msg.parse(packet_out(Encoder(LAYOUT), b"beginning", (output(3),), 5, buffer_id=77))
    assert (message.buffer_id, message.data) == (77, b"")
    with pytest.raises(ValueError, match="does not fit"):
        packet_out(Encoder(LAYOUT), bytes(70000), ())


def upload(data=bytes(64), total=64, buffer_id=NO_BUFFER):
    match = (("in_port", 3, None), ("reg4", 1, None), ("reg5", 1, None), ("reg6", 9, None), ("reg7", 0x4000, None))
    return Upload(match, data, total, buffer_id)


def test_first_packets_wait_are_released_once_and_expire():
    first = FirstPackets(packet_s=3, address_s=300)
    place = ("viperflow.logicnetwork.red", 0x020000000001)
    assert first.ask(place, upload(), 0) and first.ask(place, upload(), 1)
    assert len(first.release(place)) == 2
    assert first.release(place) == []
    first.ask(place, upload(), 2)
    assert first.expire(10) == []
    assert first.release(place) == []
    assert first.expire(303) == [place]
    assert place not in first.addresses


def test_a_packet_that_the_switch_has_cut_and_not_kept_is_not_kept_either():
    first = FirstPackets(3, 300)
    place = ("viperflow.logicnetwork.red", 1)
    first.ask(place, upload(bytes(32), 64), 0)
    assert first.release(place) == []
    first.ask(place, upload(bytes(32), 64, buffer_id=5), 0)
    assert len(first.release(place)) == 1


def test_a_packet_is_sent_on_with_its_registers_and_its_data():
    message, _ = of13.ofp_msg.parse(send_on(Encoder(LAYOUT), upload(), 10000, 0x0A000102))
    assert (message.in_port, len(message.data), message.buffer_id) == (3, 64, of13.OFP_NO_BUFFER)
    assert len(message.actions) == 8
    with pytest.raises(ValueError, match="no next one"):
        send_on(Encoder(Layout({"vxlanoutput": 3}, {}, True, 0)), upload(), 1, 1)


def test_the_index_key_is_that_of_the_stored_form():
    key = index_key("viperflow.logicnetwork.network_a", 0x020000000001)
    expected = "indices.viperflow++logicalport._mac_address_index.viperflow+_+_logicnetwork+_+_network_a++02:00:00:00:00:01"
    assert key == expected
