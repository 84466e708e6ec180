"""Announces logical ports that appear on a switch, to nodes that have learned another place of theirs (RFC 5227 section 3).

Where nothing but learning tells where an address is, a port that has moved and does not speak would go on being sent for to its
old place until the learned row ends.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple

from vlcp.event.event import Event, withIndices
from vlcp.service.sdn._arp_frames import question, reverse_question
from vlcp.service.sdn._flows.encode import Encoder
from vlcp.service.sdn._flows.packets import packet_out
from vlcp.service.sdn._flows.spec import group, set_field
from vlcp.service.sdn._flows.sync import SwitchFlowsEvent
from vlcp.service.sdn._flows.view import PortRecord, SwitchView
from vlcp.service.sdn._vxlan_rows import OUTPUT_GROUP
from vlcp.service.sdn._vxlan_tunnels import KIND
from vlcp.utils.netutils import parse_ip4_address

GAPS_S = (0.1, 0.2, 0.3, 0.4, 1.0)
"""Seconds between announcements, of which one is not enough: a switch drops the first packet to a tunnel end-point whose MAC
address it has to ask for; and it counts packets that are like earlier ones for some time before it learns from them, so that
what the old place has sent last may be learned after the announcement. Every other one is of another kind, to be new to it.
"""
_POLL_S = 5.0


@withIndices("announcer")
class AnnouncementsWanted(Event):
    """Another port is to be announced."""


class Announcements:
    """Which ports are to be announced, and when. Pure; times are seconds of one clock."""

    def __init__(self) -> None:
        self._told: Dict[str, Tuple[Any, ...]] = {}
        self._waiting: Dict[str, Tuple[int, float]] = {}

    def follow(self, view: SwitchView, keys: Iterable[str], now: float) -> bool:
        """Look at ports (their keys) that are new, different or gone; return True when one is to be announced."""
        before = len(self._waiting)
        for key in keys:
            port = view.ports.get(key)
            network = None if port is None else view.networks.get(port.network)
            if port is None or port.mac is None or network is None or network.kind != KIND:
                self._told.pop(key, None)
                self._waiting.pop(key, None)
            elif self._told.get(key) != _place(port):
                self._told[key] = _place(port)
                self._waiting[key] = (0, now)
        return len(self._waiting) > before

    def take(self, view: SwitchView, now: float, ready: Callable[[str], bool]) -> List[Tuple[PortRecord, bool]]:
        """Return the ports to announce now, and whether by reverse ARP, and remember that this is done.

        :param ready: tells whether a network (its key) reaches its other nodes
        """
        due = [key for key, (_, at) in self._waiting.items() if at <= now and ready(view.ports[key].network)]
        return [(view.ports[key], self._count(key, now) % 2 == 1) for key in due]

    def _count(self, key: str, now: float) -> int:
        """Return how often a port was announced before now, and remember when to do so again."""
        count, _ = self._waiting.pop(key)
        if count < len(GAPS_S):
            self._waiting[key] = (count + 1, now + GAPS_S[count])
        return count

    def next_due(self, now: float) -> Optional[float]:
        """Return the seconds until a port can be due, 0 when one waits for its network; None when there is none."""
        return min((max(at - now, 0.0) for _, at in self._waiting.values()), default=None)


def _place(port: PortRecord) -> Tuple[Any, ...]:
    return (port.port_no, port.network, port.mac, port.ip)


def announcement(encoder: Encoder, port: PortRecord, vni: int, reverse: bool = False) -> bytes:
    """Return the message that asks all other nodes of a port's network for its own address, 0.0.0.0 when it has none.

    :param reverse: ask by reverse ARP
    """
    try:
        ip = parse_ip4_address(port.ip or "0.0.0.0")
    except ValueError:
        ip = 0
    actions = (*set_field(tun_id=vni), group(OUTPUT_GROUP + port.net_no))
    mac = port.mac or 0
    return packet_out(encoder, reverse_question(mac) if reverse else question(mac, ip, ip, None), actions)


class Announcer:
    """Sends the announcements of one switch.

    :param updater: the updater of ``vxlancast`` on this switch
    :param vni: returns the VNI of a network (its key) whose groups are in the switch and reach another node; None for others
    """

    def __init__(self, updater: Any, vni: Callable[[str], Optional[int]]) -> None:
        self._updater = updater
        self._vni = vni
        self._announcements = Announcements()

    def follow(self, view: SwitchView, keys: Iterable[str]) -> None:
        """Look at ports (their keys) that are new, different or gone."""
        if self._announcements.follow(view, keys, self._updater.scheduler.current_time):
            self._updater.scheduler.emergesend(AnnouncementsWanted(self))

    async def run(self, connection: Any) -> None:
        """Send what is due, without end."""
        updater = self._updater
        wanted = AnnouncementsWanted.createMatcher(self)
        settled = SwitchFlowsEvent.createMatcher(connection, SwitchFlowsEvent.SETTLED)
        while True:
            now = updater.scheduler.current_time
            due = self._announcements.take(updater.view, now, lambda network: self._vni(network) is not None)
            encoder = updater.switch.encoder
            updater.send_packets([announcement(encoder, port, self._vni(port.network) or 0, kind) for port, kind in due])
            left = self._announcements.next_due(now)
            if left is None:
                await wanted
            else:
                await updater.wait_with_timeout(left or _POLL_S, wanted, settled)
