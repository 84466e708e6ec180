"""What a router knows of its neighbours' MAC addresses: a state machine without sockets and clock (behaviour i.3; RFC 826).

A key names a neighbour: (key of its logical network, its address as a number). All times are seconds of the caller's clock.
Only an answer to a question that is still open can change an address, and a question that went to one station can only be
answered by that one.
"""

from __future__ import annotations

import enum
from typing import Dict, Iterable, List, NamedTuple, Optional, Tuple

Key = Tuple[str, int]

MAX_ENTRIES = 8192
"""Neighbours that are looked for at the same time; others must wait until some are forgotten."""
FLOW_GRACE_S = 20.0
"""A neighbour is confirmed this much later than the flow that reports its packets has to appear (behaviour i.3)."""
AGAIN_S = 1.0
"""A neighbour that nobody knows yet is not asked more often than this (RFC 1122, section 2.3.2.1)."""
_SILENT_AFTER = 3
"""A neighbour has not answered when it was asked so often; so many questions follow each other without waiting for a cycle."""


class Status(enum.Enum):
    """What is known of a neighbour."""

    INCOMPLETE = 1
    COMPLETE = 2
    CONFIRM = 3


class Timers(NamedTuple):
    """Seconds: how long a neighbour is looked for, how long its address is taken for right, and the same for next hops of
    routes, which are asked again before anybody needs them."""

    incomplete_s: float
    complete_s: float
    static_s: float


class Ask(NamedTuple):
    """A question to be sent: to ``mac``, or to everybody when that is None."""

    key: Key
    mac: Optional[int]


class Turn(NamedTuple):
    """What one cycle brings: questions to send, neighbours that are forgotten, and those that have not answered the last
    questions."""

    asks: List[Ask]
    gone: List[Key]
    silent: List[Key]


class Entry:
    """One neighbour. ``asked`` counts the questions since the last answer, ``to`` is whom the last one went to, None for
    everybody, and ``last`` when; ``until`` is when the status ends."""

    __slots__ = ("asked", "last", "mac", "static", "status", "to", "until")

    def __init__(self, static: bool, until: float) -> None:
        self.status = Status.INCOMPLETE
        self.mac: Optional[int] = None
        self.static = static
        self.last = 0.0
        self.until = until
        self.asked = 0
        self.to: Optional[int] = None


class ArpCache:
    """The neighbours of the routers on one switch.

    :param timers: how long each status lasts
    """

    def __init__(self, timers: Timers) -> None:
        self._timers = timers
        self._entries: Dict[Key, Entry] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def mac(self, key: Key) -> Optional[int]:
        """Return the address of a neighbour, None while it is not known."""
        entry = self._entries.get(key)
        return None if entry is None else entry.mac

    def status(self, key: Key) -> Optional[Status]:
        """Return the status of a neighbour, None for one that nobody has looked for."""
        entry = self._entries.get(key)
        return None if entry is None else entry.status

    def learned(self) -> Dict[Key, int]:
        """Return the addresses of the neighbours that are no next hops of routes."""
        return {key: entry.mac for key, entry in self._entries.items() if not entry.static and entry.mac is not None}

    def want(self, key: Key, now: float) -> List[Ask]:
        """A packet is for a neighbour; return the question to send at once, if it is a new one."""
        entry = self._entries.get(key)
        if entry is not None:
            if entry.status is Status.INCOMPLETE and not entry.static:
                entry.until = now + self._timers.incomplete_s
            return []
        if len(self._entries) >= MAX_ENTRIES:
            return []
        self._entries[key] = Entry(False, now + self._timers.incomplete_s)
        return [self._ask(key, now)]

    def set_static(self, keys: Iterable[Key], now: float) -> List[Ask]:
        """Look for exactly these next hops of routes, always; return the questions to send at once.

        One that is no longer a next hop goes on as any other neighbour, until it is not confirmed.
        """
        wanted = set(keys)
        asks = []
        for key in wanted:
            entry = self._entries.get(key)
            if entry is None:
                self._entries[key] = Entry(True, now + self._timers.static_s)
                asks.append(self._ask(key, now))
            elif not entry.static:
                entry.static, entry.until = True, now
                entry.status = Status.INCOMPLETE if entry.mac is None else Status.COMPLETE
        for key in [key for key, entry in self._entries.items() if entry.static and key not in wanted]:
            del self._entries[key]
        return asks

    def answer(self, key: Key, mac: int, now: float) -> bool:
        """A neighbour says where it is; return True when that was asked for, and is now believed."""
        entry = self._entries.get(key)
        if entry is None or not entry.asked or mac == 0 or mac >> 40 & 1 or entry.to not in (None, mac):
            return False
        entry.asked = 0
        entry.mac, entry.status = mac, Status.COMPLETE
        entry.until = now + (self._timers.static_s if entry.static else self._timers.complete_s + FLOW_GRACE_S)
        return True

    def doubt(self, key: Key) -> None:
        """Packets still go to a neighbour although its address has not been confirmed for a while."""
        entry = self._entries.get(key)
        if entry is not None and not entry.static and entry.status is Status.COMPLETE:
            entry.status = Status.CONFIRM

    def forget(self, key: Key) -> bool:
        """Forget a neighbour that is no next hop of a route; return True when there was one."""
        entry = self._entries.get(key)
        if entry is None or entry.static:
            return False
        del self._entries[key]
        return True

    def forget_networks(self, present: Iterable[str]) -> List[Key]:
        """Forget the neighbours in all other networks, and return them."""
        kept = set(present)
        gone = [key for key in self._entries if key[0] not in kept]
        for key in gone:
            del self._entries[key]
        return gone

    def again(self, now: float) -> Tuple[List[Ask], bool]:
        """Return the questions to repeat before the next cycle, and whether there will be others in :data:`AGAIN_S`."""
        early = [key for key, entry in self._entries.items() if entry.mac is None and entry.asked < _SILENT_AFTER]
        asks = [self._ask(key, now) for key in early if self._entries[key].last + AGAIN_S <= now]
        return asks, any(self._entries[key].asked < _SILENT_AFTER for key in early)

    def turn(self, now: float) -> Turn:
        """Do what a cycle has to do."""
        turn = Turn([], [], [])
        for key, entry in list(self._entries.items()):
            if self._expired(entry, now):
                del self._entries[key]
                turn.gone.append(key)
                continue
            if entry.mac is None and entry.asked >= _SILENT_AFTER and entry.last + AGAIN_S <= now:
                turn.silent.append(key)
            ask = self._question(key, entry, now)
            if ask is not None:
                turn.asks.append(ask)
        return turn

    def _expired(self, entry: Entry, now: float) -> bool:
        """A neighbour is given up that did not answer; one whose packets are not heard of any more is of no use."""
        if entry.static:
            return False
        late = now - entry.until
        if entry.status is Status.INCOMPLETE:
            return late > 0
        return late > (self._timers.incomplete_s if entry.status is Status.CONFIRM else 2 * self._timers.complete_s)

    def _question(self, key: Key, entry: Entry, now: float) -> Optional[Ask]:
        if entry.status is Status.INCOMPLETE:
            return self._ask(key, now)
        overdue = now - entry.until
        if entry.static:
            if overdue <= 0:
                return None
            return self._ask(key, now, None if overdue >= self._timers.static_s else entry.mac)
        if entry.status is not Status.CONFIRM:
            return None
        return self._ask(key, now, None if overdue > 0 else entry.mac)

    def _ask(self, key: Key, now: float, mac: Optional[int] = None) -> Ask:
        entry = self._entries[key]
        entry.asked, entry.to, entry.last = entry.asked + 1, mac, now
        return Ask(key, mac)


class Held(NamedTuple):
    """A packet that waits for an address: its frame, when it is dropped, the port it came in by and the network it came from."""

    frame: bytes
    until: float
    in_port: int
    in_net: int


class Waiting:
    """Packets that wait, bounded by neighbour and in all; the newest are dropped first.

    :param per_key: most packets for one neighbour
    :param total: most bytes in all
    """

    def __init__(self, per_key: int = 512, total: int = 16 << 20) -> None:
        self._per_key = per_key
        self._total = total
        self._size = 0
        self._packets: Dict[Key, List[Held]] = {}
        self._told: Dict[Key, int] = {}

    @property
    def size(self) -> int:
        """Bytes of all packets."""
        return self._size

    def add(self, key: Key, packet: Held) -> bool:
        """Keep a packet; return False when there are too many."""
        packets = self._packets.setdefault(key, [])
        if len(packets) >= self._per_key or self._size + len(packet.frame) > self._total:
            if not packets:
                del self._packets[key]
            return False
        packets.append(packet)
        self._size += len(packet.frame)
        return True

    def untold(self, key: Key) -> List[Held]:
        """Return the packets for a neighbour that this has not returned before; they stay."""
        packets = self._packets.get(key)
        if not packets:
            return []
        told = self._told.get(key, 0)
        self._told[key] = len(packets)
        return packets[told:]

    def take(self, key: Key) -> List[Held]:
        """Return the packets for a neighbour, and keep them no longer."""
        packets = self._packets.pop(key, [])
        self._told.pop(key, None)
        self._size -= sum(len(packet.frame) for packet in packets)
        return packets

    def expire(self, now: float) -> int:
        """Drop packets whose time is over; return how many."""
        dropped = 0
        for key in list(self._packets):
            told = self._told.get(key, 0)
            packets = self.take(key)
            kept = [packet for packet in packets if packet.until > now]
            gone = len(packets) - len(kept)
            dropped += gone
            if kept:
                self._packets[key], self._told[key] = kept, max(told - gone, 0)
                self._size += sum(len(packet.frame) for packet in kept)
        return dropped
