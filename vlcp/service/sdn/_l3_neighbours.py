"""Neighbours of the routers on one switch: sends their ARP questions, holds packets meanwhile, and says what is wrong."""

from __future__ import annotations

import logging
import random
from typing import Any, Callable, Dict, Iterable, List, Optional

from vlcp.service.sdn._arp_cache import ArpCache, Ask, Held, Key, Timers, Waiting
from vlcp.service.sdn._arp_frames import parse_reply, question
from vlcp.service.sdn._flows.packets import Upload, packet_out
from vlcp.service.sdn._flows.spec import BROADCAST_PORT, dec_ttl, resubmit, set_field
from vlcp.service.sdn._icmp_frames import (
    HOST_UNREACHABLE,
    PORT_UNREACHABLE,
    TIME_EXCEEDED,
    UNREACHABLE,
    Packet,
    RateLimit,
    echo_reply,
    error,
    parse_packet,
)
from vlcp.service.sdn._l3_model import RoutedNetworks

_logger = logging.getLogger(__name__)

ERRORS_PER_SECOND = 100


class Neighbours:
    """What is known about stations that are not logical ports of this switch.

    :param networks: the networks of the switch
    :param timers: of the ARP cache
    :param hold_s: seconds that a packet waits for an address
    :param local: returns the MAC address of a logical port of this switch by its address, None without one
    :param changed: called with neighbours whose address is new, different or forgotten
    :param send: sends packed messages to the switch
    :param encoder: returns the encoder of the switch's rows
    :param now: returns the time in seconds
    """

    def __init__(
        self,
        networks: RoutedNetworks,
        timers: Timers,
        hold_s: float,
        local: Callable[[Key], Optional[int]],
        changed: Callable[[Iterable[Key]], None],
        send: Callable[[Iterable[bytes]], None],
        encoder: Callable[[], Any],
        now: Callable[[], float],
    ) -> None:
        self.cache = ArpCache(timers)
        self.waiting = Waiting()
        self._networks = networks
        self._hold_s = hold_s
        self._local = local
        self._changed = changed
        self._send = send
        self._encoder = encoder
        self._now = now
        self._limit = RateLimit(ERRORS_PER_SECOND, ERRORS_PER_SECOND)
        self._ip_id = random.randrange(0x10000)
        self._by_number: Dict[int, str] = {}
        self.static_questions = 0

    def number_networks(self, numbers: Dict[int, str]) -> None:
        """Take the networks of the switch by number, and forget neighbours in others."""
        self._by_number = numbers
        gone = self.cache.forget_networks(numbers.values())
        for key in gone:
            self.waiting.take(key)
        self._changed(gone)

    def set_next_hops(self, keys: Iterable[Key]) -> List[Key]:
        """Look for exactly these next hops of static routes; return those that are new."""
        asks = self.cache.set_static([key for key in keys if self._local(key) is None], self._now())
        self.ask(asks)
        return [ask.key for ask in asks]

    def mac(self, key: Key) -> Optional[int]:
        """Return the MAC address of a station, a local port or a neighbour; None while it is not known."""
        local = self._local(key)
        return self.cache.mac(key) if local is None else local

    def turn(self) -> None:
        """Do what a cycle has to do."""
        now = self._now()
        turn = self.cache.turn(now)
        self.ask(turn.asks)
        for key in turn.silent:
            self._refuse(self.waiting.untold(key))
        for key in turn.gone:
            self._refuse(self.waiting.untold(key))
            self.waiting.take(key)
        self.waiting.expire(now)
        self._changed(turn.gone)

    def ask_again(self) -> bool:
        """Repeat questions that have no answer yet; return whether there are others to repeat in a moment."""
        asks, more = self.cache.again(self._now())
        self.ask(asks)
        return more

    def ask(self, asks: Iterable[Ask]) -> None:
        """Send questions; those for networks without a physical port are left out."""
        self._send([message for message in map(self._question, asks) if message is not None])

    def _question(self, ask: Ask) -> Optional[bytes]:
        network, address = ask.key
        uplink, number = self._networks.uplink(network), self._networks.number(network)
        if uplink is None or number is None:
            return None
        mac = self._networks.outer(network)
        frame = question(mac, self._networks.source_for(network, address), address, ask.mac)
        return self._out(frame, number, uplink.port_no)

    def _out(self, frame: bytes, net_no: int, port_no: int) -> bytes:
        """Return the message that sends a frame out of a port, in a network."""
        encoder = self._encoder()
        last = encoder.layout.next_tables["l2output"]
        return packet_out(encoder, frame, (*set_field(in_net=net_no, out_net=net_no, out_port=port_no), resubmit(last)))

    def take_unknown(self, upload: Upload) -> None:
        """A packet goes to a station whose address the switch does not know.

        :raises ValueError: it is no packet
        """
        packet = parse_packet(upload.data)
        network = self._by_number.get(upload.value("reg5"))
        if network is None or not self._networks.is_host(network, packet.target):
            return
        key = (network, packet.target)
        held = Held(upload.data, self._now() + self._hold_s, upload.value("in_port"), upload.value("reg4"))
        mac = self.mac(key)
        if mac is not None:
            self._forward(key, mac, [held])
        elif self._networks.uplink(network) is None:
            self._refuse([held])
        elif self.waiting.add(key, held):
            self.ask(self.cache.want(key, held.until - self._hold_s))
            if self.cache.status(key) is None:
                self.waiting.take(key)

    def take_answer(self, upload: Upload) -> None:
        """A station answers an ARP question; only those outside are asked.

        :raises ValueError: it is no answer
        """
        reply = parse_reply(upload.data)
        network = self._by_number.get(upload.value("reg4"))
        if network is None or not self._networks.is_physical(network, upload.value("in_port")):
            return
        if reply.sender_mac in (self._networks.inner, self._networks.outer(network)):
            return
        key = (network, reply.sender_ip)
        if self.cache.answer(key, reply.sender_mac, self._now()):
            self._changed([key])
            self._forward(key, reply.sender_mac, self.waiting.take(key))

    def take_report(self, upload: Upload) -> None:
        """A packet has used an address that has not been confirmed for a while.

        :raises ValueError: it is no packet
        """
        network = self._by_number.get(upload.value("reg5"))
        if network is not None:
            self.cache.doubt((network, parse_packet(upload.data).target))

    def take_removed(self, net_no: int, address: int) -> None:
        """The switch has removed the rows of an address that nobody used."""
        key = (self._by_number.get(net_no, ""), address)
        if self.cache.forget(key):
            self.waiting.take(key)
            self._changed([key])

    def take_ended(self, upload: Upload) -> None:
        """A packet has passed too many routers.

        :raises ValueError: it is no packet
        """
        packet = parse_packet(upload.data)
        self._say(packet, upload.value("in_port"), upload.value("reg4"), TIME_EXCEEDED, 0)

    def take_probe(self, upload: Upload) -> None:
        """A datagram goes to an address of a router, where nobody listens.

        :raises ValueError: it is no packet
        """
        packet = parse_packet(upload.data)
        self._say(packet, upload.value("in_port"), upload.value("reg4"), UNREACHABLE, PORT_UNREACHABLE, packet.target)

    def take_echo(self, upload: Upload) -> None:
        """A ping goes to an address of a router outside.

        :raises ValueError: it is no packet
        """
        in_port, in_net = upload.value("in_port"), upload.value("reg4")
        network = self._by_number.get(in_net)
        if network is None:
            return
        self._ip_id = (self._ip_id + 1) & 0xFFFF
        frame = echo_reply(parse_packet(upload.data), self._mac_towards(network, in_port), self._ip_id)
        if frame is not None:
            self._send([self._out(frame, in_net, in_port)])

    def _mac_towards(self, network: str, port_no: int) -> int:
        """Return the router's MAC address for those who sit behind a port."""
        return self._networks.outer(network) if self._networks.is_physical(network, port_no) else self._networks.inner

    def _refuse(self, packets: Iterable[Held]) -> None:
        for held in packets:
            self._say(parse_packet(held.frame), held.in_port, held.in_net, UNREACHABLE, HOST_UNREACHABLE)

    def _say(self, packet: Packet, in_port: int, in_net: int, kind: int, code: int, source: int = 0) -> None:
        """Tell the sender of a packet what is wrong with it, unless too much is said already.

        :param source: whose address it is said from; 0 chooses the router's address next to the sender
        """
        network = self._by_number.get(in_net)
        source = source or (0 if network is None else self._networks.source_for(network, packet.source))
        if network is None or not source or not self._limit.take(self._now()):
            return
        self._ip_id = (self._ip_id + 1) & 0xFFFF
        frame = error(packet, kind, code, source, self._mac_towards(network, in_port), self._ip_id)
        if frame is not None:
            self._send([self._out(frame, in_net, in_port)])

    def _forward(self, key: Key, mac: int, packets: List[Held]) -> None:
        """Send packets on to a station."""
        number = self._networks.number(key[0])
        if number is None or not packets:
            return
        rewrite = set_field(out_net=number, out_port=BROADCAST_PORT, eth_src=self._networks.outer(key[0]), eth_dst=mac)
        do = (*rewrite, dec_ttl(), resubmit("l2output"))
        encoder = self._encoder()
        self._send([packet_out(encoder, held.frame, do) for held in packets])
