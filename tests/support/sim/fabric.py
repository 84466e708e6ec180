"""What carries packets between switches, and the stations at their ports.

The trunks of all devices are on one wire, and so are their ports to the outside, with the router there; tunnels go from
address to address. Packets need time and are not lost.
"""

from __future__ import annotations

from typing import Any, Callable, NamedTuple, Optional

from support import packetbytes, packetwalk
from support.packetbytes import ARP, ARP_OP, ARP_SHA, ARP_SPA, ARP_TPA, ETH_DST, ETH_SRC, ETH_TYPE, ICMP_TYPE, IPV4_DST, IPV4_SRC
from support.packetwalk import METADATA, TO_CONTROLLER, TUN_DST, TUN_ID, TUN_SRC, Output
from support.sim.clockwork import Clockwork
from support.sim.device import OUT, TRUNK, TUNNEL, Device

LONGEST_PATH = 4
ROUTER_MAC = 0x1A2367596333
"""What a station has as the MAC address of its gateway"""
HOST_BITS = 4
"""Bits of an address that differ inside a subnet"""
_REPORTED = ((METADATA, 8), (TUN_ID, 8), (TUN_SRC, 4), (TUN_DST, 4), *(((1, number), 4) for number in range(8)))


class Station(NamedTuple):
    """What a virtual machine has been told: addresses as numbers; ``ip`` None when it has none."""

    mac: int
    ip: Optional[int]


class Heard(NamedTuple):
    """A frame that a station got: where, and over which switches."""

    identifier: str
    frame: bytes
    path: tuple[str, ...]


class Fabric:
    """Carries frames between some devices.

    :param clockwork: time and chance
    :param devices: whose switches it joins
    :param station: returns the :class:`Station` at a port by its iface-id, None for one that is not configured
    :param outside: the router outside, a :class:`~support.sim.outside.Outside`; None without one
    :ivar heard: every frame that a station got
    :ivar faults: what must not happen to a frame
    """

    def __init__(
        self, clockwork: Clockwork, devices: list[Device], station: Callable[[str], Optional[Station]], outside: Any = None
    ) -> None:
        self.clockwork, self.devices, self.station, self.outside = clockwork, devices, station, outside
        self.heard: list[Heard] = []
        self.faults: list[str] = []
        for device in devices:
            device.fabric = self

    def place(self, identifier: str) -> tuple[Device, str] | None:
        """Return the device and the name of the port that an iface-id is at, None when it is nowhere."""
        for device in self.devices:
            for name, (_, found) in device.ports.items():
                if found == identifier and name in device.ofports:
                    return device, name
        return None

    def emit(self, identifier: str, frame: bytes) -> None:
        """Let a station send a frame."""
        place = self.place(identifier)
        if place is not None:
            self._enter(*place, frame, ())

    def _enter(self, device: Device, port: str, frame: bytes, path: tuple[str, ...], tunnel: dict | None = None) -> None:
        number = device.ofports.get(port)
        if number is None or not device.running:
            return
        if len(path) >= LONGEST_PATH:
            self.faults.append(f"a frame goes round: {', '.join((*path, device.name))}: {frame.hex()}")
            return
        outputs = packetwalk.enter(device.switch, number, {**packetbytes.parse(frame), **(tunnel or {})})
        self._carry(device, number, frame, outputs, (*path, device.name))

    def packet_out(self, device: Device, in_port: int, actions: bytes, frame: bytes) -> None:
        """Carry what a controller sends."""
        outputs = packetwalk.execute(device.switch, in_port, packetbytes.parse(frame), actions)
        self._carry(device, in_port, frame, outputs, (device.name,))

    def _carry(self, device: Device, in_port: int, frame: bytes, outputs: list[Output], path: tuple[str, ...]) -> None:
        device.time_flows()
        names = {number: name for name, number in device.ofports.items()}
        for output in outputs:
            changed = packetbytes.build(frame, output.fields)
            if output.port == TO_CONTROLLER:
                self._upload(device, in_port, changed, output)
            elif output.port in names:
                self._leave(device, names[output.port], changed, output.fields, path)

    @staticmethod
    def _upload(device: Device, in_port: int, frame: bytes, output: Output) -> None:
        oxms = b"".join(
            bytes((key[0] >> 8, key[0] & 0xFF, key[1] << 1, size)) + output.fields[key].to_bytes(size, "big")
            for key, size in _REPORTED
            if output.fields.get(key)
        )
        # As Open vSwitch, which keeps no packets, the switch sends the whole packet, however many bytes the flow asks for.
        device.openflow.send(device.switch.packet_in(in_port, frame, output.table, output.cookie, 1, oxms))

    def _leave(self, device: Device, port: str, frame: bytes, fields: dict, path: tuple[str, ...]) -> None:
        clockwork = self.clockwork
        identifier = device.ports[port][1]
        if identifier is not None:
            clockwork.later(clockwork.delay(), self._hear, device, port, identifier, frame, path)
        elif port in (TRUNK, OUT):
            for other in self.devices:
                if other is not device:
                    clockwork.later(clockwork.delay(), self._enter, other, port, frame, path)
            if port == OUT and self.outside is not None:
                clockwork.later(clockwork.delay(), self._hear_outside, frame, path)
        elif port == TUNNEL:
            tunnel = {TUN_ID: fields.get(TUN_ID, 0), TUN_SRC: _number(device.address), TUN_DST: fields.get(TUN_DST, 0)}
            for other in self.devices:
                if _number(other.address) == tunnel[TUN_DST]:
                    clockwork.later(clockwork.delay(), self._enter, other, TUNNEL, frame, path, tunnel)

    def emit_outside(self, frame: bytes) -> None:
        """Let the router outside send a frame."""
        for device in self.devices:
            self.clockwork.later(self.clockwork.delay(), self._enter, device, OUT, frame, ())

    def _hear_outside(self, frame: bytes, path: tuple[str, ...]) -> None:
        answer = self.outside.hear(frame, path)
        if answer is not None:
            self.emit_outside(answer)

    def _hear(self, device: Device, port: str, identifier: str, frame: bytes, path: tuple[str, ...]) -> None:
        """A frame reaches a station, which answers what is for it."""
        if device.ports.get(port, ("", None))[1] != identifier:
            return
        self.heard.append(Heard(identifier, frame, path))
        station = self.station(identifier)
        answer = None if station is None else answer_of(station, frame)
        if answer is not None:
            self._enter(device, port, answer, ())


def answer_of(station: Station, frame: bytes) -> bytes | None:
    """Return what a station answers to a frame, None when it does not."""
    fields = packetbytes.parse(frame)
    if station.ip is None or fields[ETH_DST] not in (station.mac, packetbytes.BROADCAST) or fields[packetbytes.VLAN]:
        return None
    if fields[ETH_TYPE] == ARP and fields.get(ARP_OP) == 1 and fields[ARP_TPA] == station.ip:
        asker = fields[ARP_SHA], fields[ARP_SPA]
        return packetbytes.arp(2, (station.mac, station.ip), asker, asker[0])
    if fields.get(ICMP_TYPE) == packetbytes.ECHO and fields[IPV4_DST] == station.ip:
        addresses = station.ip, fields[IPV4_SRC]
        near = (addresses[0] ^ addresses[1]) >> HOST_BITS == 0
        macs = station.mac, fields[ETH_SRC] if near else ROUTER_MAC
        return packetbytes.echo(macs, addresses, packetbytes.echo_number(frame), packetbytes.ECHO_REPLY)
    return None


def _number(address: str) -> int:
    return int.from_bytes(bytes(map(int, address.split("."))), "big")
