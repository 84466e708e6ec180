"""Arithmetic on IPv4 addresses and networks as integers (manual 5.7.14).

Addresses are 32 bit integers, networks are an integer and the length of a prefix.
"""

from __future__ import annotations

import socket

_ALL = 0xFFFFFFFF


def parse_ip4_address(address: str) -> int:
    """Return an address as an integer; the short forms of inet_aton(3), as ``10.1``, are allowed.

    :raises ValueError: for anything else
    """
    # inet_aton itself ignores what follows a blank, and takes the empty string on some systems.
    if not isinstance(address, str) or not address or not address.isascii() or any(map(str.isspace, address)):
        raise ValueError(f"not an IPv4 address: {address!r}")
    try:
        return int.from_bytes(socket.inet_aton(_decimal(address)), "big")
    except OSError:
        raise ValueError(f"not an IPv4 address: {address!r}")


def _decimal(address: str) -> str:
    """Remove leading zeros, which inet_aton(3) would take for octal numbers; ``010`` means ten here."""
    return ".".join(part.lstrip("0") or "0" if part.isdigit() else part for part in address.split("."))


def format_ip4_address(address: int) -> str:
    """Return an integer in dotted notation."""
    return socket.inet_ntoa(address.to_bytes(4, "big"))


def get_netmask(prefix: int) -> int:
    """Return the netmask of a prefix length as an integer.

    :raises ValueError: for a prefix outside 0 to 32
    """
    if not 0 <= prefix <= 32:
        raise ValueError(f"prefix length {prefix!r} is outside 0 to 32")
    return _ALL << 32 - prefix & _ALL


def get_network(ip: int, prefix: int) -> int:
    """Return the network of an address: its host bits cut."""
    return ip & get_netmask(prefix)


def get_broadcast(network: int, prefix: int) -> int:
    """Return the last address of a network."""
    return network | ~get_netmask(prefix) & _ALL


def network_first(network: int, prefix: int) -> int:
    """Return the first address for hosts: the one after the network's own, but for a /31 or /32 (RFC 3021) the first."""
    return get_network(network, prefix) + (prefix < 31)


def network_last(network: int, prefix: int) -> int:
    """Return the last address for hosts: the one before the broadcast address, but for a /31 or /32 the last."""
    return get_broadcast(network, prefix) - (prefix < 31)


def ip_in_network(ip: int, network: int, prefix: int) -> bool:
    """Tell whether an address belongs to a network."""
    return get_network(ip, prefix) == get_network(network, prefix)


def parse_ip4_network(network: str) -> tuple[int, int]:
    """Return (network, prefix length) of ``address/prefix``; host bits are cut, a missing prefix means 32.

    :raises ValueError: for anything else
    """
    address, slash, prefix = network.partition("/") if isinstance(network, str) else ("", "", "")
    if slash and not (prefix.isascii() and prefix.isdigit()):
        raise ValueError(f"not an IPv4 network: {network!r}")
    length = int(prefix) if slash else 32
    try:
        return get_network(parse_ip4_address(address), length), length
    except ValueError as exc:
        raise ValueError(f"not an IPv4 network: {network!r}: {exc}")


def format_network_cidr(cidr: str, strict: bool = False) -> str:
    """Return a network in its normal form: ``192.168.1.7/24`` becomes ``192.168.1.0/24``.

    :param strict: True demands a prefix; otherwise a missing one means /32
    :raises ValueError: for anything that is no network
    """
    if strict and "/" not in str(cidr):
        raise ValueError(f"network has no prefix length: {cidr!r}")
    network, prefix = parse_ip4_network(cidr)
    return f"{format_ip4_address(network)}/{prefix}"


def format_ip_address(ipaddress: str) -> str:
    """Return an address in its normal form: ``192.168.001.1`` becomes ``192.168.1.1``.

    :raises ValueError: for anything that is no address
    """
    return format_ip4_address(parse_ip4_address(ipaddress))


check_ip_address = format_ip_address
