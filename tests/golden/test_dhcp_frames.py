"""Answers to DHCP clients: whole frames against captured ones, and what each kind of request gets."""

from __future__ import annotations

import pathlib
import types

import pytest

from vlcp.service.sdn import _dhcp_reply as server
from vlcp.utils import dhcp

FRAMES = [
    bytes.fromhex(line)
    for line in (pathlib.Path(__file__).parent / "data" / "dhcp_frames.txt").read_text().splitlines()
    if line and not line.startswith("#")
]
MAC = bytes.fromhex("020000000001")
DEFAULTS = server.Defaults(0xA9FEA9FE, 0x1A2367596333)
WANTED = bytes((1, 3, 6, 12, 15, 26, 28, 42, 121))


def thing(**attributes):
    return types.SimpleNamespace(**attributes)


def settings(port=(), network=(), subnet=(), defaults=DEFAULTS):
    above = thing(**{"mtu": 1450, **dict(network)}), thing(**{"cidr": "192.168.1.0/24", "gateway": "192.168.1.1", **dict(subnet)})
    return server.port_settings(
        thing(**{"mac_address": "02:00:00:00:00:01", "ip_address": "192.168.1.2", **dict(port)}),
        above[1],
        defaults,
        lambda: server.common_options(*above, defaults),
    )


def request(kind, options=(), **changes):
    fields = {"source": MAC, "xid": 0x12345678, "flags": 0, "ciaddr": 0, "chaddr": MAC, **changes}
    return server.Request(kind=kind, options={53: bytes((kind,)), 55: WANTED, **dict(options)}, **fields)


def answer(asked, using=None):
    """Return (DHCP header as a struct, options, IPv4 destination, Ethernet destination) of the answer, or None."""
    frame = server.reply(asked, using or settings(), 1)
    if frame is None:
        return None
    message = frame[42:]
    return dhcp.dhcp_payload.create(message), dhcp.options_of(message), frame[30:34], frame[:6]


@pytest.mark.parametrize(
    ("number", "asked", "ip_id"),
    [
        (0, request(dhcp.DHCPDISCOVER), 0x8EF2),
        (1, request(dhcp.DHCPREQUEST, {50: bytes((192, 168, 1, 2))}), 0x8EF3),
        (2, request(dhcp.DHCPREQUEST, {50: bytes((192, 168, 1, 9))}), 0x8EF4),
    ],
    ids=["offer", "ack", "nak"],
)
def test_an_answer_is_the_captured_frame(number, asked, ip_id):
    assert server.reply(asked, settings(), ip_id) == FRAMES[number]


def test_renewing_and_rebinding_are_acknowledged_to_the_client_itself():
    for source in (MAC, bytes.fromhex("020000000001")):
        header, options, ip, mac = answer(request(dhcp.DHCPREQUEST, ciaddr=0xC0A80102, source=source))
        assert (options[53], header.ciaddr, header.yiaddr) == (bytes((dhcp.DHCPACK,)), 0xC0A80102, 0xC0A80102)
        assert (ip, mac) == (bytes((192, 168, 1, 2)), MAC)


def test_a_request_for_another_server_gets_no_answer():
    assert answer(request(dhcp.DHCPREQUEST, {54: bytes((10, 0, 0, 1))})) is None
    assert answer(request(dhcp.DHCPREQUEST, {54: bytes((169, 254, 169, 254))}))[1][53] == bytes((dhcp.DHCPACK,))


@pytest.mark.parametrize(
    "asked",
    [
        request(dhcp.DHCPREQUEST, ciaddr=0xC0A80103),
        request(dhcp.DHCPREQUEST, chaddr=bytes.fromhex("020000000002")),
        request(dhcp.DHCPREQUEST, {50: b""}),
    ],
)
def test_what_is_not_the_ports_is_refused_by_broadcast(asked):
    header, options, ip, mac = answer(asked)
    assert options == {53: bytes((dhcp.DHCPNAK,)), 54: bytes((169, 254, 169, 254))}
    assert (header.yiaddr, header.ciaddr, ip, mac) == (0, 0, b"\xff" * 4, b"\xff" * 6)


def test_a_discover_for_another_mac_a_release_and_a_decline_get_no_answer():
    assert answer(request(dhcp.DHCPDISCOVER, chaddr=bytes(6))) is None
    for kind in (dhcp.DHCPDECLINE, dhcp.DHCPRELEASE, dhcp.DHCPOFFER, 77):
        assert answer(request(kind)) is None


def test_inform_gets_options_but_no_address_and_no_lease():
    finite = server.Defaults(*DEFAULTS[:2], 3600, 1800, 3000)
    header, options, ip, _ = answer(request(dhcp.DHCPINFORM, ciaddr=0xC0A80102), settings(defaults=finite))
    assert (options[53], header.yiaddr, header.ciaddr) == (bytes((dhcp.DHCPACK,)), 0, 0xC0A80102)
    assert not {51, 58, 59} & set(options)
    assert {1, 3, 26, 28} <= set(options)
    assert ip == bytes((192, 168, 1, 2))


def test_the_broadcast_flag_makes_the_answer_a_broadcast():
    assert answer(request(dhcp.DHCPDISCOVER, flags=0x8000))[2:] == (b"\xff" * 4, b"\xff" * 6)
    assert answer(request(dhcp.DHCPDISCOVER, flags=0x0001))[2] == bytes((192, 168, 1, 2))


def test_renewal_times_go_with_a_lease_that_is_longer():
    def times(lease, t1, t2):
        options = answer(request(dhcp.DHCPDISCOVER), settings(defaults=server.Defaults(*DEFAULTS[:2], lease, t1, t2)))[1]
        return [int.from_bytes(options[tag], "big") if tag in options else None for tag in (51, 58, 59)]

    assert times(3600, 1800, 3000) == [3600, 1800, 3000]
    assert times(3600, 3600, 9000) == [3600, None, None]
    assert times(None, 1800, 3000) == [0xFFFFFFFF, None, None]


def test_later_sources_replace_and_remove_options():
    using = settings(
        network={"dns_nameservers": ["10.0.0.1"], "lease_time": 600, "domain_name": "a.example", "ntp_servers": ["10.0.0.9"]},
        subnet={"mtu": 1400, "ntp_servers": None, "extra_dhcp_options": [["252", "http://x"], [15, "b.example"]]},
        port={"hostname": "vm-1", "extra_dhcp_options": {"mtu": 1300, "252": None}},
    )
    options = dict(using.options)
    assert options[6] == bytes((10, 0, 0, 1)) and options[12] == b"vm-1" and options[15] == b"b.example"
    assert int.from_bytes(options[26], "big") == 1300 and int.from_bytes(options[51], "big") == 600
    assert 42 not in options and 252 not in options


def test_routes_carry_the_default_route_unless_they_have_one():
    assert dict(settings(subnet={"host_routes": [["10.0.0.0/8", "192.168.1.9"]]}).options)[121] == bytes.fromhex(
        "080ac0a80109" + "00c0a80101"
    )
    own = [["0.0.0.0/0", "192.168.1.9"]]
    assert dict(settings(subnet={"host_routes": own}).options)[121] == bytes.fromhex("00c0a80109")


def test_an_infinite_lease_and_a_server_of_the_subnet():
    using = settings(network={"lease_time": "infinite"}, subnet={"dhcp_server": "192.168.1.254"})
    assert using.server_ip == 0xC0A801FE
    assert dict(using.options)[54] == bytes((192, 168, 1, 254))
    assert dict(using.options)[51] == b"\xff" * 4


@pytest.mark.parametrize(
    "parts", [{"subnet": {"dhcp_enabled": False}}, {"port": {"ip_address": None}}, {"port": {"mac_address": None}}]
)
def test_a_port_is_not_served_when_switched_off_or_without_address(parts):
    assert settings(**parts) is None
    assert settings(subnet={"dhcp_enabled": True}) is not None


def test_a_client_that_takes_only_576_bytes_gets_no_larger_message():
    using = settings(port={"extra_dhcp_options": [[tag, "x" * 250] for tag in range(224, 230)]})
    small = server.reply(request(dhcp.DHCPDISCOVER), using, 1)
    large = server.reply(request(dhcp.DHCPDISCOVER, {57: (9000).to_bytes(2, "big")}), using, 1)
    assert len(small) - 14 <= 576
    assert 1400 - 260 < len(large) - 14 <= 1400


def client_frame(options=b"\x35\x01\x01\xff", op=1, cookie=dhcp.BOOTP_MAGIC_COOKIE, giaddr=0):
    head = bytes((op, 1, 6, 0)) + bytes(20) + giaddr.to_bytes(4, "big") + MAC.ljust(16, b"\0")
    message = head + bytes(192) + cookie.to_bytes(4, "big") + options
    udp = bytes((0, 68, 0, 67)) + (8 + len(message)).to_bytes(2, "big") + b"\0\0" + message
    ip = bytes((0x45, 0)) + (20 + len(udp)).to_bytes(2, "big") + bytes((0, 0, 0, 0, 64, 17, 0, 0)) + bytes(4) + b"\xff" * 4
    return b"\xff" * 6 + MAC + b"\x08\x00" + ip + udp


def test_a_frame_of_a_client_is_read():
    found = server.parse_request(client_frame())
    assert (found.kind, found.chaddr, found.source) == (1, MAC, MAC)
    assert server.parse_request(client_frame() + bytes(30)).options == {53: b"\x01"}


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        client_frame()[:100],
        client_frame(op=2),
        client_frame(cookie=1),
        client_frame(giaddr=5),
        client_frame(options=b"\xff"),
        client_frame()[:12] + b"\x08\x06" + client_frame()[14:],
        client_frame()[:20] + b"\x20\x00" + client_frame()[22:],
    ],
    ids=["empty", "cut", "reply", "no cookie", "relayed", "no type", "not IP", "fragment"],
)
def test_what_is_no_request_is_refused(frame):
    with pytest.raises(ValueError):
        server.parse_request(frame)


def test_no_prefix_of_a_request_is_taken_for_one():
    frame = client_frame()
    for size in range(len(frame)):
        with pytest.raises(ValueError):
            server.parse_request(frame[:size])
