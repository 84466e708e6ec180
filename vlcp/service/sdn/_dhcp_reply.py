"""The answer to a DHCP client: what a logical port is offered, and frames made of it (RFC 2131). Pure."""

from __future__ import annotations

import struct
from typing import Any, Callable, Dict, Iterable, List, Mapping, NamedTuple, Optional, Tuple

from vlcp.service.sdn._flows.fields import parse_mac
from vlcp.utils import dhcp
from vlcp.utils.ethernet import checksum, checksum2
from vlcp.utils.netutils import format_ip4_address, get_broadcast, get_netmask, parse_ip4_address, parse_ip4_network

SERVER_PORT, CLIENT_PORT = 67, 68
LARGEST_MESSAGE = 1400
_ETHERNET = struct.Struct("!6s6sH")
_IPV4 = struct.Struct("!BBHHHBBHII")
_UDP = struct.Struct("!HHHH")
_FIXED = struct.Struct("!BBBBIHHIIII16s")
_IPTYPE, _UDP_PROTOCOL, _TTL = 0x0800, 17, 128
_BROADCAST_MAC, _BROADCAST_IP = b"\xff" * 6, 0xFFFFFFFF
_MESSAGE_TYPE, _SERVER, _LEASE, _T1, _T2 = 53, 54, 51, 58, 59
_REQUESTED_IP, _REQUESTED, _LARGEST = 50, 55, 57
_FIRST = (_MESSAGE_TYPE, _SERVER, 1, 3, 6, 28, 26, _LEASE, _T1, _T2)
_WITHOUT_LEASE = (_LEASE, _T1, _T2)


class Defaults(NamedTuple):
    """Settings of the server: addresses as numbers; ``lease_s``, ``t1_s``, ``t2_s`` in seconds, None for infinite or none."""

    server_ip: int
    server_mac: int
    lease_s: Optional[int] = None
    t1_s: Optional[int] = None
    t2_s: Optional[int] = None


Options = Dict[int, bytes]


class PortSettings(NamedTuple):
    """What the client on a logical port gets; ``options`` are (tag, bytes), without the message type."""

    mac: int
    ip: int
    server_ip: int
    server_mac: int
    options: Tuple[Tuple[int, bytes], ...]


class Request(NamedTuple):
    """A message of a client: ``source`` is the frame's source address; options as ``{tag: bytes}``."""

    source: bytes
    kind: int
    xid: int
    flags: int
    ciaddr: int
    chaddr: bytes
    options: Dict[int, bytes]


def common_options(network: Any, subnet: Any, defaults: Defaults) -> Options:
    """Return the options that all ports of a subnet have; parameters and errors as for :func:`port_settings`."""
    return _merged(({_LEASE: defaults.lease_s},), _common(network), (_subnet_options(subnet),), _common(subnet))


def port_settings(
    port: Any, subnet: Any, defaults: Defaults, common: Callable[[], Mapping[int, bytes]]
) -> Optional[PortSettings]:
    """Return what a port's client gets; None when the port is not served.

    :param port: logical port; without subnet, ``ip_address`` or ``mac_address`` it is not served
    :param subnet: its subnet, None without one; its ``dhcp_enabled`` False means that it is not served
    :param common: returns the :func:`common_options` of its network and subnet
    :raises ValueError: an address in the objects is none
    """
    ip, mac = getattr(port, "ip_address", None), getattr(port, "mac_address", None)
    if subnet is None or ip is None or mac is None or getattr(subnet, "dhcp_enabled", True) is False:
        return None
    server = getattr(subnet, "dhcp_server", None)
    server_ip = defaults.server_ip if server is None else parse_ip4_address(server)
    options = dict(common())
    _add_layer(options, (_present(port, {12: "hostname"}), _extra(port)))
    options[_SERVER] = server_ip.to_bytes(4, "big")
    _add_renewal(options, defaults)
    return PortSettings(parse_mac(mac), parse_ip4_address(ip), server_ip, defaults.server_mac, tuple(options.items()))


def _present(value: Any, names: Mapping[int, str]) -> Dict[int, Any]:
    """Return ``{tag: attribute}`` of the attributes that an object has."""
    return {tag: getattr(value, name) for tag, name in names.items() if hasattr(value, name)}


def _extra(value: Any) -> Any:
    return getattr(value, "extra_dhcp_options", None) or {}


def _common(value: Any) -> Tuple[Any, ...]:
    """Return the options that networks and subnets may both set."""
    found = _present(value, {6: "dns_nameservers", 15: "domain_name", 26: "mtu", 42: "ntp_servers", _LEASE: "lease_time"})
    for tag in (6, 42):
        if found.get(tag) == []:
            found[tag] = None
    if found.get(_LEASE, "") is None:
        return {_LEASE: None, **found}, _extra(value)
    return found, _extra(value)


def _subnet_options(subnet: Any) -> Dict[int, Any]:
    """Return netmask, broadcast address, gateway and routes."""
    network, prefix = parse_ip4_network(subnet.cidr)
    options: Dict[int, Any] = {
        1: format_ip4_address(get_netmask(prefix)),
        28: format_ip4_address(get_broadcast(network, prefix)),
    }
    gateway = getattr(subnet, "gateway", None)
    if gateway is not None:
        options[3] = [gateway]
    routes = [list(route) for route in getattr(subnet, "host_routes", None) or ()]
    if routes:
        if gateway is not None and not any(parse_ip4_network(cidr)[1] == 0 for cidr, _ in routes):
            routes.append(["0.0.0.0/0", gateway])
        options[121] = routes
    return options


def _merged(*layers: Iterable[Any]) -> Options:
    """Return options as bytes; later ones replace earlier ones, None removes one."""
    options: Options = {}
    for first, layer in enumerate(layers):
        if first == 0:
            layer = [{tag: "infinite" if value is None else value for tag, value in values.items()} for values in layer]
        _add_layer(options, layer)
    return options


def _add_layer(options: Options, layer: Iterable[Any]) -> None:
    for values in layer:
        if not values:
            continue
        for tag, option in dhcp.create_dhcp_options(values, ignoreError=True, generateNone=True).items():
            options.pop(tag, None)
            if option is not None:
                options[tag] = dhcp.value_of(option)[1]


def _add_renewal(options: Dict[int, bytes], defaults: Defaults) -> None:
    """Add T1 and T2, where they are shorter than a lease that ends."""
    lease = int.from_bytes(options.get(_LEASE, b"\xff\xff\xff\xff"), "big")
    if lease == dhcp.DHCPTIME_INFINITE:
        return
    for tag, seconds in ((_T1, defaults.t1_s), (_T2, defaults.t2_s)):
        if seconds is not None and seconds < lease and tag not in options:
            options[tag] = seconds.to_bytes(4, "big")


def parse_request(frame: bytes) -> Request:
    """Read a frame that a DHCP client has sent.

    :raises ValueError: it is no request to a DHCP server, or is cut
    """
    if len(frame) < 14 + 20 or _ETHERNET.unpack_from(frame)[2] != _IPTYPE:
        raise ValueError("not an IPv4 packet")
    source = frame[6:12]
    header = (frame[14] & 15) * 4
    total = int.from_bytes(frame[16:18], "big")
    packet = frame[14 : 14 + total]
    if frame[14] >> 4 != 4 or header < 20 or len(packet) < max(total, header + 8):
        raise ValueError("an IPv4 packet that is cut")
    if packet[9] != _UDP_PROTOCOL or int.from_bytes(packet[6:8], "big") & 0x3FFF:
        raise ValueError("not a whole UDP packet")
    _, to_port, size, _ = _UDP.unpack_from(packet, header)
    message = packet[header + 8 : header + size]
    if to_port != SERVER_PORT or len(message) != size - 8:
        raise ValueError("not a packet to a DHCP server, or cut")
    return _parse_message(source, message)


def _parse_message(source: bytes, message: bytes) -> Request:
    options = dhcp.options_of(message)
    op, htype, hlen, _, xid, _, flags, ciaddr, _, _, giaddr, chaddr = _FIXED.unpack_from(message)
    if (op, htype, hlen, giaddr) != (dhcp.BOOTREQUEST, 1, 6, 0):
        raise ValueError(f"not a request of an Ethernet client: op {op}, htype {htype}, hlen {hlen}, giaddr {giaddr:#x}")
    if len(options.get(_MESSAGE_TYPE, b"")) != 1:
        raise ValueError("no DHCP message type")
    return Request(source, options[_MESSAGE_TYPE][0], xid, flags, ciaddr, chaddr[:6], options)


def reply(request: Request, settings: PortSettings, ip_id: int) -> Optional[bytes]:
    """Return the frame that answers a request; None when it gets no answer.

    :param settings: of the port that the request came from
    :param ip_id: identification of the IPv4 packet
    """
    kind = _answer(request, settings)
    if kind is None:
        return None
    if kind == dhcp.DHCPNAK:
        chosen = {_SERVER: settings.server_ip.to_bytes(4, "big")}
        yiaddr, ciaddr = 0, 0
    else:
        chosen = dict(settings.options)
        inform = request.kind == dhcp.DHCPINFORM
        yiaddr, ciaddr = (0 if inform else settings.ip), (0 if kind == dhcp.DHCPOFFER else request.ciaddr)
        if inform:
            chosen = {tag: value for tag, value in chosen.items() if tag not in _WITHOUT_LEASE}
    chosen[_MESSAGE_TYPE] = bytes((kind,))
    message = _message(request, chosen, yiaddr, ciaddr)
    broadcast = kind == dhcp.DHCPNAK or bool(request.flags & dhcp.DHCPFLAG_BROADCAST)
    return _frame(
        (_BROADCAST_MAC, _BROADCAST_IP) if broadcast else (request.source, ciaddr or settings.ip), settings, message, ip_id
    )


def _answer(request: Request, settings: PortSettings) -> Optional[int]:
    """Return the type of the answer, None for none."""
    own = request.chaddr == settings.mac.to_bytes(6, "big")
    if request.kind == dhcp.DHCPDISCOVER:
        return dhcp.DHCPOFFER if own else None
    if request.kind == dhcp.DHCPINFORM:
        return dhcp.DHCPACK
    if request.kind != dhcp.DHCPREQUEST:
        return None
    ip = settings.ip.to_bytes(4, "big")
    if request.options.get(_SERVER, settings.server_ip.to_bytes(4, "big")) != settings.server_ip.to_bytes(4, "big"):
        return None
    right = own and request.options.get(_REQUESTED_IP, ip) == ip and request.ciaddr in (0, settings.ip)
    return dhcp.DHCPACK if right else dhcp.DHCPNAK


def _message(request: Request, options: Mapping[int, bytes], yiaddr: int, ciaddr: int) -> bytes:
    head = {"op": dhcp.BOOTREPLY, "htype": 1, "hlen": 6, "magic_cookie": dhcp.BOOTP_MAGIC_COOKIE}
    payload = dhcp.dhcp_payload(
        xid=request.xid, flags=request.flags, yiaddr=yiaddr, ciaddr=ciaddr, chaddr=request.chaddr.ljust(16, b"\0"), **head
    )
    values = [(tag, options[tag]) for tag in _ordered(request, options)]
    dhcp.put_options(payload, values, _largest(request))
    message: bytes = payload._tobytes()
    return message


def _largest(request: Request) -> int:
    wanted = int.from_bytes(request.options.get(_LARGEST, b""), "big")
    return max(dhcp.SMALLEST_MESSAGE, min(wanted, LARGEST_MESSAGE))


def _ordered(request: Request, options: Mapping[int, bytes]) -> List[int]:
    """Return the tags in the order of sending: what the client asked for, the important ones, the rest."""
    order = dict.fromkeys((*request.options.get(_REQUESTED, b""), *_FIRST, *options))
    return [tag for tag in order if tag in options and tag != dhcp.OPTION_OVERLOAD]


def _frame(to: Tuple[bytes, int], settings: PortSettings, message: bytes, ip_id: int) -> bytes:
    """Return an Ethernet frame with the message from the server to (MAC, IP) ``to``."""
    mac, ip = to
    size = 8 + len(message)
    udp = _UDP.pack(SERVER_PORT, CLIENT_PORT, size, 0) + message
    pseudo = struct.pack("!IIBBH", settings.server_ip, ip, 0, _UDP_PROTOCOL, size)
    udp = udp[:6] + (checksum2(checksum(pseudo + udp)) or 0xFFFF).to_bytes(2, "big") + udp[8:]
    header = (0x45, 0, 20 + size, ip_id & 0xFFFF, 0, _TTL, _UDP_PROTOCOL)
    ipv4 = _IPV4.pack(*header, 0, settings.server_ip, ip)
    ipv4 = _IPV4.pack(*header, checksum2(checksum(ipv4)), settings.server_ip, ip)
    return _ETHERNET.pack(mac, settings.server_mac.to_bytes(6, "big"), _IPTYPE) + ipv4 + udp
