"""Packets that we and scapy build from the same values have the same bytes, and are read back; hostile bytes are refused."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from namedstruct.namedstruct import ParseError, dump
from scapy.layers.inet import ICMP, IP, TCP, UDP, fragment
from scapy.layers.l2 import ARP, Dot1AD, Dot1Q, Ether

from vlcp.utils import ethernet as eth

SRC, DST = "02:00:00:00:00:01", "02:00:00:00:00:02"
IP_SRC, IP_DST = "10.0.0.1", "10.0.0.2"
L2 = {"dl_src": eth.mac_addr(SRC), "dl_dst": eth.mac_addr(DST)}
L3 = {"ip_src": eth.ip4_addr(IP_SRC), "ip_dst": eth.ip4_addr(IP_DST), "ttl": 64}
ETHER = Ether(src=SRC, dst=DST)
IPV4 = IP(src=IP_SRC, dst=IP_DST, id=0)


def l7(payload_type, **fields):
    """Return a complete packet with the transport struct `payload_type`."""
    return eth.ip4_packet_l7((eth.ip4_payload, payload_type), **L2, **L3, **fields)


ARP_FIELDS = {
    "arp_op": eth.ARPOP_REPLY,
    "arp_sha": eth.mac_addr(SRC),
    "arp_spa": eth.ip4_addr(IP_SRC),
    "arp_tha": eth.mac_addr(DST),
    "arp_tpa": eth.ip4_addr(IP_DST),
}
SCAPY_ARP = ARP(op=2, hwsrc=SRC, psrc=IP_SRC, hwdst=DST, pdst=IP_DST)
PACKETS = {
    "arp": (eth.arp_packet(**L2, **ARP_FIELDS), ETHER / SCAPY_ARP),
    "arp in a VLAN": (
        eth.create_packet(eth.arp_packet, 5, 3, **L2, **ARP_FIELDS),
        ETHER / Dot1Q(vlan=5, prio=3) / SCAPY_ARP,
    ),
    "arp in two VLANs": (
        eth.create_packet(eth.arp_packet_l7, 5, 3, 6, 1, **L2, **ARP_FIELDS),
        Ether(src=SRC, dst=DST, type=0x88A8) / Dot1AD(vlan=6, prio=1) / Dot1Q(vlan=5, prio=3) / SCAPY_ARP,
    ),
    "tcp": (
        l7(eth.ip4_tcp_payload, sport=1, dport=2, seq=3, ack=4, tcp_flags=eth.TH_SYN | eth.TH_ACK, tcp_win=5, data=b"odd"),
        ETHER / IPV4 / TCP(sport=1, dport=2, seq=3, ack=4, flags="SA", window=5) / b"odd",
    ),
    "tcp with options": (
        l7(eth.ip4_tcp_payload, sport=1, dport=2, tcp_options=bytes.fromhex("020405b4"), tcp_win=8192),
        ETHER / IPV4 / TCP(sport=1, dport=2, flags=0, options=[("MSS", 1460)]),
    ),
    "udp": (
        l7(eth.ip4_udp_payload, sport=68, dport=67, data=b"question"),
        ETHER / IPV4 / UDP(sport=68, dport=67) / b"question",
    ),
    "icmp echo": (
        l7(eth.ip4_icmp_payload, icmp_type=eth.ICMP_ECHO),
        ETHER / IPV4 / ICMP(type=8),
    ),
}


@pytest.mark.parametrize("name", ["arp", "arp in a VLAN", "arp in two VLANs", "tcp", "tcp with options", "udp"])
def test_a_packet_has_the_bytes_of_scapy_and_is_read_back(name):
    mine, other = PACKETS[name]
    packed = mine._tobytes()
    assert packed.hex() == bytes(other).hex()
    parsed = eth.ethernet_l7.create(packed)
    assert parsed._tobytes() == packed
    assert eth.dl_type(parsed) == eth.dl_type(mine)


def echo(packet=eth.icmp_echo):
    reply = eth.ip4_packet_l7(
        (eth.ip4_payload, eth.ip4_icmp_payload), (eth.icmp_bestparse, packet), **L2, **L3, icmp_id=7, icmp_seq=8, data=b"ping"
    )
    return reply._tobytes()


def test_an_echo_reply_made_from_a_request_has_the_bytes_of_scapy():
    request = bytes(ETHER / IPV4 / ICMP(type=8, id=7, seq=8) / b"ping")
    assert echo().hex() == request.hex()
    packet = eth.ethernet_l7.create(request)
    packet.icmp_type = eth.ICMP_ECHOREPLY
    packet.ip_src, packet.ip_dst = packet.ip_dst, packet.ip_src
    wanted = ETHER / IP(src=IP_DST, dst=IP_SRC, id=0) / ICMP(type=0, id=7, seq=8) / b"ping"
    assert packet._tobytes().hex() == bytes(wanted).hex()
    assert (packet.icmp_id, packet.icmp_seq, packet.data) == (7, 8, b"ping")


def test_addresses_are_read_and_shown():
    packet = eth.ethernet_l4.create(bytes(ETHER / IPV4 / UDP(sport=1, dport=2)))
    shown = dump(packet)
    assert (shown["dl_src"], shown["ip_dst"], shown["proto"]) == (SRC, IP_DST, "IPPROTO_UDP")
    assert eth.ip6_addr.formatter(eth.ip6_addr("fe80::1")) == "fe80::1"
    assert eth.mac_addr_bytes(SRC) == bytes(eth.mac_addr(SRC)) and eth.ip4_addr_bytes(IP_SRC) == b"\n\0\0\1"


@pytest.mark.parametrize("text", ["", "02:00:00:00:00", "02:00:00:00:00:00:00", "02:00:00:00:00:zz", "0200:0:0:0:0:0"])
def test_what_is_no_mac_address_is_refused(text):
    with pytest.raises(ValueError):
        eth.mac_addr(text)


@pytest.mark.parametrize("kind", [eth.ip4_addr, eth.ip4_addr_bytes, eth.ip6_addr, eth.ip6_addr_bytes])
def test_what_is_no_address_is_refused(kind):
    with pytest.raises(ValueError, match="not an IPv. address: '1.2.3.256'"):
        kind("1.2.3.256")


def test_vlan_tags_are_read():
    packet = eth.ethernet_l3.create(PACKETS["arp in two VLANs"][0]._tobytes())
    assert (eth.vlan_vid(packet), eth.vlan_pcp(packet), packet.svlan_tci & 0xFFF) == (5, 3, 6)
    assert packet._gettype() is eth.arp_packet
    plain = PACKETS["arp"][0]
    assert (eth.vlan_vid(plain), eth.vlan_pcp(plain)) == (None, None)
    with pytest.raises(ValueError, match="outer VLAN 6 needs an inner VLAN"):
        eth.create_packet(eth.arp_packet, svid=6)


@pytest.mark.parametrize(
    ("depth", "packet", "name"),
    [
        (eth.ethernet_l3, ETHER / IPV4 / TCP(), "ip4_packet"),
        (eth.ethernet_l4, ETHER / IPV4 / TCP(), "ip4_packet_l4"),
        (eth.ethernet_l7, ETHER / IPV4 / TCP(), "ip4_packet_l7"),
        (eth.ethernet_l7, ETHER / SCAPY_ARP, "arp_packet_l7"),
        (eth.ethernet_l7, Ether(src=SRC, dst=DST, type=0x88CC) / b"lldp", "ethernet_l7"),
    ],
)
def test_each_depth_gives_its_own_type(depth, packet, name):
    assert depth.create(bytes(packet))._gettype().readablename == name


def test_a_cut_packet_is_read_as_far_as_it_goes():
    whole = bytes(ETHER / IPV4 / TCP(sport=1, dport=2, seq=3) / (b"x" * 100))
    for length in (14 + 20 + 8, 14 + 20 + 15, 14 + 20 + 20, 100):
        packet = eth.ethernet_l4.create(whole[:length])
        assert (packet.sport, packet.dport, packet.seq) == (1, 2, 3)
        assert packet.total_len == 140


def test_fragments_are_those_of_scapy():
    payload = bytes(UDP(sport=1, dport=2) / bytes(range(256)))
    wanted = [bytes(part) for part in fragment(IP(src=IP_SRC, dst=IP_DST, id=9, proto=17) / payload, fragsize=96)]
    mine = eth.create_fragments_ip4(payload, mtu=116, identifier=9, **L3)
    assert [part._tobytes() for part in mine] == wanted
    assert [eth.ip_frag(part) for part in mine] == [1, 3, 3]
    packets = eth.create_fragments_ip4_packet(payload, mtu=116, identifier=9, **L2, **L3)
    assert [part._tobytes()[14:] for part in packets] == wanted
    tagged = eth.create_fragments_ip4_packet(payload, mtu=116, vid=7, identifier=9, **L2, **L3)
    assert [part._tobytes()[18:] for part in tagged] == wanted and eth.vlan_vid(tagged[1]) == 7


def test_a_payload_that_fits_is_not_a_fragment():
    (packet,) = eth.create_fragments_ip4(bytes(1480), **L3)
    assert eth.ip_frag(packet) == 0 and len(packet._tobytes()) == 1500
    with pytest.raises(ValueError, match="MTU 27 leaves no room"):
        eth.create_fragments_ip4(bytes(100), mtu=27)


def test_fragments_are_read_with_and_without_a_transport_header():
    parts = eth.create_fragments_ip4_packet(bytes(UDP(sport=1, dport=2) / bytes(300)), mtu=116, **L2, **L3)
    first, second = (eth.ethernet_l7.create(part._tobytes()) for part in parts[:2])
    assert first.sport == 1 and len(second.payload) == 96


@given(st.binary(max_size=300))
def test_the_checksum_is_that_of_the_definition(data):
    padded = data + b"\0" * (len(data) % 2)
    total = sum(int.from_bytes(padded[i : i + 2], "big") for i in range(0, len(padded), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    assert eth.checksum(data) == total and eth.checksum2(total) == ~total & 0xFFFF


DEPTHS = [eth.ethernet_l2, eth.ethernet_l3, eth.ethernet_l4, eth.ethernet_l7]


@given(st.binary(max_size=120), st.sampled_from(DEPTHS))
def test_any_bytes_are_read_or_refused(data, depth):
    try:
        dump(depth.create(data))
    except ParseError:
        return


@pytest.mark.parametrize("name", PACKETS)
def test_every_byte_of_a_packet_may_be_anything(name):
    packed, chance = PACKETS[name][0]._tobytes(), random.Random(name)
    for offset in range(len(packed)):
        for value in (0, 1, 0x0F, 0xFF, chance.randrange(256)):
            data = packed[:offset] + bytes([value]) + packed[offset + 1 :]
            for depth in DEPTHS:
                try:
                    depth.create(data)
                    depth.create(data[: chance.randrange(len(data))])
                except ParseError:
                    continue


def test_tcp_options_are_read_one_by_one():
    data = bytes.fromhex("020405b401030307080a0000000100000002050a000000010000000200")
    options = []
    while data:
        option, size = eth.tcp_option.parse(data)
        options.append(option)
        data = data[size:]
    assert [option.kind for option in options] == [2, 1, 3, 8, 5, 0]
    assert (options[0].mss, options[2].shift_cnt, options[3].tsval, options[4].edges) == (1460, 7, 1, [[1, 2]])
    for length in (0, 1):
        with pytest.raises(ParseError):
            eth.tcp_option.parse(bytes([2, length, 5, 180]))


def test_a_udp_checksum_of_zero_is_sent_as_all_ones():
    sums = {eth.ethernet_l7.create(l7(eth.ip4_udp_payload, sport=port)._tobytes()).udp_sum for port in range(0xE000, 0xF000)}
    assert 0 not in sums and 0xFFFF in sums
