"""ARP questions and answers as frames."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.all import ARP, Ether

from vlcp.service.sdn._arp_frames import Reply, parse_reply, question, reverse_question

MAC, OTHER = 0xA055AA550165, 0x020000000099


def test_a_question_goes_to_everybody_or_to_the_one_who_is_to_confirm():
    for to, target in ((None, "ff:ff:ff:ff:ff:ff"), (OTHER, "02:00:00:00:00:99")):
        found = Ether(question(MAC, 0xC0A80201, 0xC0A80263, to))
        assert (found.dst, found.src) == (target, "a0:55:aa:55:01:65")
        arp = found[ARP]
        assert (arp.op, arp.hwsrc, arp.psrc, arp.hwdst, arp.pdst) == (
            1,
            "a0:55:aa:55:01:65",
            "192.168.2.1",
            "00:00:00:00:00:00",
            "192.168.2.99",
        )


def test_a_reverse_question_asks_everybody_for_the_address_of_its_sender():
    frame = reverse_question(MAC)
    arp = ARP(frame[14:])
    assert frame[:14].hex() == "ffffffffffff" + "a055aa550165" + "8035"
    assert (arp.op, arp.hwsrc, arp.hwdst, arp.psrc, arp.pdst) == (3, *["a0:55:aa:55:01:65"] * 2, *["0.0.0.0"] * 2)


def test_an_answer_says_who_has_the_address():
    frame = bytes(Ether() / ARP(op=2, hwsrc="02:00:00:00:00:99", psrc="192.168.2.99", pdst="192.168.2.1"))
    assert parse_reply(frame + b"padding") == Reply(OTHER, 0xC0A80263, 0xC0A80201)


@pytest.mark.parametrize("change", [{"op": 1}, {"hwtype": 6}, {"ptype": 0x86DD}, {"hwlen": 8}, {"plen": 16}])
def test_what_is_no_answer_about_ethernet_and_ipv4_is_refused(change):
    fields = {"op": 2, "hwsrc": "02:00:00:00:00:99", "psrc": "192.168.2.99", "pdst": "192.168.2.1"}
    with pytest.raises(ValueError):
        parse_reply(bytes(Ether() / ARP(**{**fields, **change})))


@given(st.binary(max_size=60))
def test_any_bytes_are_an_answer_or_a_value_error(data):
    for frame in (data, b"\0" * 12 + b"\x08\x06" + data):
        try:
            reply = parse_reply(frame)
        except ValueError:
            continue
        assert 0 <= reply.sender_mac < 1 << 48 and 0 <= reply.sender_ip < 1 << 32
