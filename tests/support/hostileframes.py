"""Frames that somebody sends who wants to confuse a router: wrong lengths, other people's addresses, answers that nobody asked
for; and a program that puts frames on an interface.

Run as a program with an interface it sends the frames on standard input, one in hexadecimal on each line.
"""

from __future__ import annotations

import random
import socket
import subprocess
import sys
import time

_EVERYBODY = "ff:ff:ff:ff:ff:ff"
_OWN_MAC = "02:66:66:66:66:66"


def hostile_frames(seed: int, count: int, addresses: list[str], macs: list[str], spoof: bool) -> list[bytes]:
    """Return frames.

    :param addresses: of routers, gateways and stations, to speak about
    :param macs: of routers and stations, to send to and to speak about
    :param spoof: use them as sources of frames too, which also confuses the switches on the way
    """
    rng = random.Random(seed)
    makers = (_arp, _arp, _icmp, _cut_arp, _cut_icmp, _noise)
    frames = [bytearray(rng.choice(makers)(rng, addresses, macs)) for _ in range(count)]
    for frame in frames:
        frame[6:12] = _mac_bytes(rng.choice([_OWN_MAC, *(macs if spoof else ())]))
    return list(map(bytes, frames))


def _mac_bytes(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))


def _ether(rng, macs, kind):
    from scapy.all import Ether

    return Ether(dst=rng.choice([_EVERYBODY, *macs]), type=kind)


def _arp(rng, addresses, macs):
    from scapy.all import ARP

    speaker, other = rng.choice(addresses), rng.choice(addresses)
    gratuitous = rng.random() < 0.3
    arp = ARP(
        op=rng.choice([1, 2, 2, 2, 3, 0]),
        hwsrc=rng.choice([_OWN_MAC, _OWN_MAC, _EVERYBODY, "00:00:00:00:00:00", *macs]),
        psrc=speaker,
        hwdst=rng.choice([_EVERYBODY, "00:00:00:00:00:00", *macs]),
        pdst=speaker if gratuitous else other,
    )
    frame = bytearray(bytes(_ether(rng, macs, 0x0806) / arp))
    if rng.random() < 0.2:
        frame[16:20] = rng.choice([b"\x08\x00\x06\x10", b"\x08\x00\x08\x04", b"\x08\x00\x00\x00", b"\x86\xdd\x06\x04"])
    return bytes(frame)


def _icmp(rng, addresses, macs):
    from scapy.all import ICMP, IP, Raw

    packet = IP(src=rng.choice(addresses), dst=rng.choice(addresses), ttl=rng.choice([0, 1, 2, 64]), id=rng.randrange(65536))
    if rng.random() < 0.3:
        packet.flags, packet.frag = rng.choice([(1, 0), (0, 7), (1, 8191)])
    if rng.random() < 0.2:
        packet.ihl = rng.choice([0, 4, 15])
    if rng.random() < 0.2:
        packet.len = rng.choice([0, 19, 65535])
    message = ICMP(type=rng.choice([0, 3, 5, 8, 8, 11, 255]), code=rng.choice([0, 0, 4]), id=7, seq=rng.randrange(100))
    if rng.random() < 0.3:
        message.chksum = 0x1234
    return bytes(_ether(rng, macs, 0x0800) / packet / message / Raw(rng.randbytes(rng.choice([0, 1, 60, 1400]))))


def _cut(rng, frame):
    return frame[: rng.randrange(14, len(frame))]


def _cut_arp(rng, addresses, macs):
    return _cut(rng, _arp(rng, addresses, macs))


def _cut_icmp(rng, addresses, macs):
    return _cut(rng, _icmp(rng, addresses, macs))


def _noise(rng, addresses, macs):
    return bytes(_ether(rng, macs, rng.choice([0x0800, 0x0806]))) + rng.randbytes(rng.randrange(0, 80))


def start_sending(namespace: str, interface: str, frames: list[bytes]) -> subprocess.Popen:
    """Start to send frames from an interface of a network namespace, about 500 a second."""
    argv = ["ip", "netns", "exec", namespace, sys.executable, __file__, interface]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, text=True)
    process.stdin.write("".join(frame.hex() + "\n" for frame in frames))
    process.stdin.close()
    return process


def main(interface: str) -> None:
    """Send what standard input says."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
        raw.bind((interface, 0))
        for line in sys.stdin.read().split():
            raw.send(bytes.fromhex(line))
            time.sleep(0.002)


if __name__ == "__main__":
    main(sys.argv[1])
