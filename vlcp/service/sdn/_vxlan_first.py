"""First packets: kept until it is known where they go, then sent on (strategy first-upload). Pure."""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Tuple

from vlcp.service.sdn._flows.encode import Encoder
from vlcp.service.sdn._flows.learned import Learned
from vlcp.service.sdn._flows.packets import Upload, packet_out
from vlcp.service.sdn._flows.spec import FLAG_TUNNEL, resubmit, set_field
from vlcp.service.sdn._vxlan_rows import tunnel_actions
from vlcp.utils.dataobject import ReferenceObject
from vlcp.utils.networkmodel import LogicalPort

MAX_ADDRESSES = 10000
MAX_PACKETS = 1000
Place = Tuple[str, int]


class Kept(NamedTuple):
    """A packet that waits, until when (seconds)."""

    upload: Upload
    until: float


class FirstPackets:
    """Addresses (network key, MAC as a number) that packets have asked for, and the packets that wait for the answer.

    :param packet_s: how long a packet waits, in seconds
    :param address_s: how long an address is remembered after its last packet, in seconds
    """

    def __init__(self, packet_s: float, address_s: float) -> None:
        self._packet_s = packet_s
        self._address_s = address_s
        self.addresses = Learned(MAX_ADDRESSES)
        self._packets: Dict[Place, List[Kept]] = {}
        self._count = 0

    def ask(self, place: Place, upload: Upload, now: float) -> bool:
        """Take a packet; return False when too many addresses are asked for."""
        if not self.addresses.put(place, index_key(*place), now + self._address_s):
            return False
        if upload.whole and self._count < MAX_PACKETS:
            self._packets.setdefault(place, []).append(Kept(upload, now + self._packet_s))
            self._count += 1
        return True

    def release(self, place: Place) -> List[Upload]:
        """Return the packets that wait for an address, and keep them no longer."""
        kept = self._packets.pop(place, [])
        self._count -= len(kept)
        return [one.upload for one in kept]

    def forget(self, place: Place) -> bool:
        """Forget an address and its packets; return False when it is not known."""
        self.release(place)
        return self.addresses.forget(place)

    def expire(self, now: float) -> List[Place]:
        """Drop packets that have waited long enough; return addresses that were not asked for any more, and forget them."""
        for place in list(self._packets):
            left = [kept for kept in self._packets[place] if kept.until > now]
            self._count -= len(self._packets[place]) - len(left)
            if left:
                self._packets[place] = left
            else:
                del self._packets[place]
        return [key for key, _ in self.addresses.expire(now)]  # type: ignore[misc]


def index_key(network: str, mac: int) -> str:
    """Return the key of the unique index entry that leads from a MAC address in a network to its logical port."""
    port = LogicalPort.create_instance("")
    port.network = ReferenceObject(network)
    port.mac_address = ":".join(f"{byte:02x}" for byte in mac.to_bytes(6, "big"))
    key: str = port.kvdb_uniquekeys()[0].key
    return key


def send_on(encoder: Encoder, upload: Upload, vni: int, endpoint: int) -> bytes:
    """Return the message that sends a packet to an end-point, through the table after ``vxlanoutput``.

    :raises ValueError: it is too long, or there is no such table
    """
    following = encoder.layout.next_tables.get("vxlanoutput")
    if following is None:
        raise ValueError("flow table 'vxlanoutput' has no next one in its path")
    fields: Dict[str, Any] = {name: upload.value(register) for name, register in _FIELDS}
    fields["flags"] |= FLAG_TUNNEL
    actions = (*set_field(**fields), *tunnel_actions(vni, endpoint), resubmit(following))
    return packet_out(encoder, upload.data, actions, upload.value("in_port"), upload.buffer_id)


_FIELDS = (("in_net", "reg4"), ("out_net", "reg5"), ("out_port", "reg6"), ("flags", "reg7"))
