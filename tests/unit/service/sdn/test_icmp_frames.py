"""Frames that a router says something with, against captured ones and against hostile ones."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.all import ICMP, IP, TCP, UDP, Ether, IPerror, Raw

from vlcp.service.sdn._icmp_frames import (
    HOST_UNREACHABLE,
    LONGEST_QUOTE,
    TIME_EXCEEDED,
    UNREACHABLE,
    RateLimit,
    echo_reply,
    error,
    parse_packet,
)

HOST_MAC, ROUTER_MAC = "02:00:00:00:00:01", "1a:23:67:59:63:33"
ROUTER = int(ROUTER_MAC.replace(":", ""), 16)
HOST_IP, GATEWAY = "192.168.1.2", "192.168.1.1"
CAPTURED = bytes.fromhex("0200000000011a236759633308004500002429b7000080018dcec0a80101c0a8010200006e62000700016162636465666768")


def frame(*layers, src=HOST_IP, dst=GATEWAY, **ip):
    packet = Ether(src=HOST_MAC, dst=ROUTER_MAC) / IP(src=src, dst=dst, **ip)
    for layer in layers:
        packet = packet / layer
    return bytes(packet)


def number(address):
    return int.from_bytes(bytes(map(int, address.split("."))), "big")


def test_the_reply_is_the_captured_one():
    request = frame(ICMP(id=7, seq=1), Raw(b"abcdefgh"))
    assert echo_reply(parse_packet(request), ROUTER, 0x29B7) == CAPTURED


@pytest.mark.parametrize(
    "layers, ip",
    [
        ((ICMP(type=0),), {}),
        ((ICMP(type=8, code=1),), {}),
        ((ICMP(type=8, chksum=1),), {}),
        ((ICMP(),), {"flags": "MF"}),
        ((ICMP(),), {"frag": 3}),
        ((ICMP(),), {"len": 2000}),
        ((UDP(dport=7),), {}),
        ((Raw(b"\x08\x00"),), {"proto": 1}),
    ],
    ids=["reply", "code", "checksum", "first fragment", "fragment", "cut", "no icmp", "short"],
)
def test_what_is_no_whole_echo_request_gets_no_reply(layers, ip):
    assert echo_reply(parse_packet(frame(*layers, **ip)), ROUTER, 1) is None


@pytest.mark.parametrize(
    "data", [b"", b"\0" * 33, frame(ICMP())[:-20], b"\xff" * 60, frame(ICMP(), version=6), frame(ICMP(), ihl=2)]
)
def test_what_is_no_ipv4_packet_is_refused(data):
    with pytest.raises(ValueError):
        parse_packet(data)


def test_time_exceeded_quotes_the_packet_and_comes_from_the_gateway():
    sent = frame(UDP(sport=1234, dport=33434), Raw(b"x" * 2000), dst="192.168.2.9", ttl=1)
    answer = Ether(error(parse_packet(sent), TIME_EXCEEDED, 0, number(GATEWAY), ROUTER, 5))
    assert (answer.src, answer.dst) == (ROUTER_MAC, HOST_MAC)
    assert (answer[IP].src, answer[IP].dst, answer[IP].ttl) == (GATEWAY, HOST_IP, 128)
    assert (answer[ICMP].type, answer[ICMP].code) == (11, 0)
    assert answer[IPerror].dst == "192.168.2.9" and answer[IP].len == 28 + LONGEST_QUOTE
    good = bytes(answer)
    del answer[IP].chksum, answer[ICMP].chksum
    assert bytes(answer) == good


@pytest.mark.parametrize(
    "sent",
    [
        frame(ICMP(type=3, code=1), dst="192.168.2.9"),
        frame(ICMP(type=11), dst="192.168.2.9"),
        frame(TCP(), dst="192.168.2.9", frag=9),
        frame(TCP(), dst="224.0.0.5"),
        frame(TCP(), dst="255.255.255.255"),
        frame(TCP(), src="0.0.0.0", dst="192.168.2.9"),
        frame(TCP(), src="127.0.0.1", dst="192.168.2.9"),
        frame(TCP(), src="240.0.0.1", dst="192.168.2.9"),
        frame(Raw(b""), dst="192.168.2.9", proto=1),
    ],
)
def test_there_is_no_error_about_errors_fragments_and_many(sent):
    assert error(parse_packet(sent), UNREACHABLE, HOST_UNREACHABLE, number(GATEWAY), ROUTER, 1) is None


@given(st.binary(max_size=120), st.booleans())
def test_any_bytes_are_refused_with_a_value_error_or_answered_within_bounds(data, looks_right):
    if looks_right:
        data = frame(ICMP())[:14] + b"\x45" + data
    try:
        packet = parse_packet(data)
    except ValueError:
        return
    for answer in (echo_reply(packet, ROUTER, 1), error(packet, TIME_EXCEEDED, 0, 1, ROUTER, 1)):
        assert answer is None or len(answer) == 14 + struct.unpack_from("!H", answer, 16)[0] <= 14 + 576


def test_a_rate_limit_gives_a_burst_and_then_its_rate():
    limit = RateLimit(10, 5)
    assert [limit.take(100.0) for _ in range(7)] == [True] * 5 + [False] * 2
    assert [limit.take(100.25) for _ in range(3)] == [True, True, False]
    assert sum(limit.take(101.0 + n / 1000) for n in range(1000)) in range(13, 17)
