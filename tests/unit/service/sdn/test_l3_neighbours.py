"""What a switch sends up for routers, hostile packets among it, and what is sent back."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st
from scapy.all import ARP, ICMP, IP, UDP, Ether
from support.routedview import INNER, MASK, interface, ip, make_view, routed, router

from vlcp.service.sdn._arp_cache import Status, Timers
from vlcp.service.sdn._flows.encode import Encoder, Layout
from vlcp.service.sdn._flows.packets import NO_BUFFER, Upload
from vlcp.service.sdn._l3_neighbours import ERRORS_PER_SECOND, Neighbours

LAYOUT = Layout({"l2output": 6, "egress": 8}, {"l2output": "egress"}, True)
PORT_MAC = 0xAA55AA550165
OUTER = PORT_MAC ^ MASK
HOST, MAC = ip("10.2.0.99"), 0x020000000099
KEY = ("b", HOST)


def text(mac):
    return ":".join(f"{byte:02x}" for byte in mac.to_bytes(6, "big"))


class Bench:
    """Neighbours of networks a (1) and b (2) on physical port 9, and c (3) without one; ``sent`` has frames."""

    def __init__(self):
        view = make_view({"a": (1, "x"), "b": (2, "x"), "c": (3, "y")}, {"x": (9, PORT_MAC)})
        interfaces = [interface(name, f"10.{n}.0.0/16", f"10.{n}.0.1") for n, name in enumerate("abc", 1)]
        self.now, self.sent, self.changed, self.local = 100.0, [], [], {}
        self.neighbours = Neighbours(
            routed(view, router("r", *interfaces)),
            Timers(60, 30, 60),
            30,
            self.local.get,
            self.changed.extend,
            self._send,
            lambda: Encoder(LAYOUT),
            lambda: self.now,
        )
        self.neighbours.number_networks({1: "a", 2: "b", 3: "c"})

    def _send(self, messages):
        for message in messages:
            actions = struct.unpack_from("!H", message, 16)[0]
            self.sent.append(Ether(message[24 + actions :]))

    def packet(self, target="10.2.0.99", out_net=2, layer=None, **options):
        data = bytes(
            Ether(src="02:00:00:00:00:01", dst=text(INNER)) / IP(src="10.1.0.5", dst=target, **options) / (layer or UDP())
        )
        return self.upload(data, out_net)

    @staticmethod
    def upload(data, out_net=2, in_net=1, in_port=4):
        match = (("in_port", in_port, None), ("reg4", in_net, None), ("reg5", out_net, None))
        return Upload(match, data, len(data), NO_BUFFER)

    def answer(self, mac=MAC, sender="10.2.0.99", in_net=2, in_port=9):
        data = bytes(Ether() / ARP(op=2, hwsrc=text(mac), psrc=sender, pdst="10.2.0.1"))
        self.neighbours.take_answer(self.upload(data, in_net=in_net, in_port=in_port))

    def take(self):
        sent, self.sent[:] = list(self.sent), []
        return sent


def test_a_packet_waits_for_the_address_and_is_sent_on_with_it():
    bench = Bench()
    bench.neighbours.take_unknown(bench.packet())
    (asked,) = bench.take()
    assert (asked.dst, asked[ARP].psrc, asked[ARP].pdst) == ("ff:ff:ff:ff:ff:ff", "10.2.0.1", "10.2.0.99")
    assert asked[ARP].hwsrc == text(OUTER)
    bench.neighbours.take_unknown(bench.packet())
    assert bench.take() == []
    bench.answer()
    assert bench.changed == [KEY] and [frame[IP].dst for frame in bench.take()] == ["10.2.0.99"] * 2
    bench.neighbours.take_unknown(bench.packet())
    assert len(bench.take()) == 1


def test_a_station_that_does_not_answer_is_said_to_be_unreachable_once_for_each_packet():
    bench = Bench()
    bench.neighbours.take_unknown(bench.packet())
    bench.take()
    for _ in range(3):
        bench.now += 5
        bench.neighbours.turn()
    errors = [frame for frame in bench.take() if ICMP in frame]
    assert [(frame[ICMP].type, frame[ICMP].code, frame[IP].src, frame[IP].dst) for frame in errors] == [
        (3, 1, "10.1.0.1", "10.1.0.5")
    ]
    bench.now += 31
    bench.neighbours.turn()
    bench.answer()
    assert not [frame for frame in bench.take() if frame.haslayer(UDP) and not frame.haslayer(ICMP)]


def test_a_question_that_may_be_lost_is_repeated_each_second_until_there_is_an_answer():
    bench = Bench()
    bench.neighbours.take_unknown(bench.packet())
    bench.take()
    bench.now += 1
    assert bench.neighbours.ask_again()
    (asked,) = bench.take()
    assert (asked[ARP].op, asked[ARP].pdst) == (1, "10.2.0.99")
    bench.answer()
    bench.take()
    bench.now += 1
    assert not bench.neighbours.ask_again() and bench.take() == []


def test_a_network_without_a_physical_port_is_unreachable_at_once():
    bench = Bench()
    bench.neighbours.take_unknown(bench.packet("10.3.0.9", 3))
    (error,) = bench.take()
    assert error[ICMP].type == 3 and len(bench.neighbours.cache) == 0


def test_errors_are_limited():
    bench = Bench()
    for _ in range(3 * ERRORS_PER_SECOND):
        bench.neighbours.take_unknown(bench.packet("10.3.0.9", 3))
    assert len(bench.take()) == ERRORS_PER_SECOND


def test_ends_and_probes_are_answered_by_the_router():
    bench = Bench()
    bench.neighbours.take_ended(bench.packet(ttl=1))
    bench.neighbours.take_probe(bench.packet("10.1.0.1"))
    ended, probed = bench.take()
    assert (ended[IP].src, ended[ICMP].type, ended.src) == ("10.1.0.1", 11, text(INNER))
    assert (probed[IP].src, probed[ICMP].type, probed[ICMP].code) == ("10.1.0.1", 3, 3)


def test_answers_that_were_not_asked_for_and_those_in_the_routers_name_teach_nothing():
    bench = Bench()
    bench.answer()
    bench.neighbours.take_unknown(bench.packet())
    bench.answer(sender="10.2.0.98")
    bench.answer(in_net=1)
    bench.answer(in_net=77)
    bench.answer(in_port=4)
    for mac in (INNER, OUTER, 0, 0xFFFFFFFFFFFF):
        bench.answer(mac=mac)
    assert bench.changed == [] and bench.neighbours.mac(KEY) is None
    bench.answer()
    bench.answer(mac=MAC + 1)
    assert bench.neighbours.mac(KEY) == MAC


def test_broadcasts_of_a_subnet_are_not_looked_for():
    bench = Bench()
    for target in ("10.2.0.0", "10.2.255.255"):
        bench.neighbours.take_unknown(bench.packet(target))
    assert bench.take() == [] and len(bench.neighbours.cache) == 0


def test_local_ports_are_never_asked():
    bench = Bench()
    bench.local[KEY] = MAC
    bench.neighbours.take_unknown(bench.packet())
    bench.neighbours.set_next_hops([KEY])
    assert [ARP in frame for frame in bench.take()] == [False]


def test_reports_doubt_and_removed_rows_forget():
    bench = Bench()
    bench.neighbours.take_unknown(bench.packet())
    bench.answer()
    bench.neighbours.take_report(bench.packet())
    assert bench.neighbours.cache.status(KEY) is Status.CONFIRM
    bench.take()
    bench.neighbours.turn()
    assert [frame.dst for frame in bench.take()] == [text(MAC)]
    bench.neighbours.take_removed(2, HOST)
    assert bench.neighbours.mac(KEY) is None and bench.changed == [KEY, KEY]


def test_a_flood_of_targets_is_bounded():
    bench = Bench()
    for number in range(10000):
        bench.neighbours.take_unknown(bench.packet(f"10.2.{number >> 8}.{number & 255}"))
    assert len(bench.neighbours.cache) <= 8192
    assert bench.neighbours.waiting.size <= 16 << 20


@given(st.binary(max_size=80), st.sampled_from(["unknown", "answer", "report", "ended", "probe"]), st.integers(0, 5))
def test_any_bytes_are_refused_with_a_value_error_at_most(data, kind, number):
    bench = Bench()
    for frame in (data, b"\0" * 12 + b"\x08\x00\x45" + data, b"\0" * 12 + b"\x08\x06" + data):
        try:
            getattr(bench.neighbours, "take_" + kind)(bench.upload(frame, number, number, 9))
        except ValueError:
            pass
    assert bench.neighbours.cache.learned() == {}


SPEAKERS = ["10.2.0.99", "10.2.0.98", "10.2.0.1", "10.1.0.5", "0.0.0.0", "255.255.255.255"]
MACS = [MAC, MAC + 1, INNER, OUTER, 0, 0xFFFFFFFFFFFF, 0x01005E000001]
arp_packets = st.tuples(
    st.sampled_from([1, 2, 2, 2, 0, 9]),
    st.sampled_from(MACS),
    st.sampled_from(SPEAKERS),
    st.sampled_from(SPEAKERS),
    st.sampled_from([1, 2, 3, 77]),
    st.sampled_from([9, 9, 4]),
    st.integers(0, 60),
)


@given(st.lists(st.one_of(arp_packets, st.sampled_from(["packet", "turn", "doubt", "wait"])), max_size=40))
def test_an_address_changes_only_by_an_answer_from_outside_to_a_question_that_is_open(steps):
    bench = Bench()
    asked = {}
    for step in steps:
        before = bench.neighbours.cache.learned()
        believable = None
        if step == "packet":
            bench.neighbours.take_unknown(bench.packet())
        elif step == "turn":
            bench.now += 5
            bench.neighbours.turn()
        elif step == "wait":
            bench.now += 60
        elif step == "doubt":
            bench.neighbours.take_report(bench.packet())
        else:
            kind, mac, sender, target, in_net, in_port, cut = step
            data = bytes(Ether() / ARP(op=kind, hwsrc=text(mac), psrc=sender, pdst=target))[: 14 + 28 - max(0, cut - 50)]
            try:
                bench.neighbours.take_answer(bench.upload(data, in_net=in_net, in_port=in_port))
            except ValueError:
                pass
            question = asked.pop(sender, "none") if (kind, in_net, in_port) == (2, 2, 9) and cut <= 50 else "none"
            honest = mac in (MAC, MAC + 1) and (question is None or question == mac)
            believable = (("b", ip(sender)), mac) if question != "none" and honest else None
            if question != "none" and believable is None:
                asked[sender] = question
        for frame in bench.take():
            if ARP in frame:
                asked[frame[ARP].pdst] = None if frame.dst == "ff:ff:ff:ff:ff:ff" else int(frame.dst.replace(":", ""), 16)
        after = bench.neighbours.cache.learned()
        new = {key: mac for key, mac in after.items() if before.get(key) != mac}
        assert new == {} or list(new.items()) == [believable]
        asked = {sender: mac for sender, mac in asked.items() if bench.neighbours.cache.status(("b", ip(sender))) is not None}
