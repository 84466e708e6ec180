# ruff: noqa: F401, F821 - the enumerations put their names into this module
"""Ethernet, ARP, IPv4, TCP, UDP and ICMP packets as structs, and the checksums they need.

Manual 5.7.5. A packet can be parsed to three depths:

* :data:`ethernet_l3` stops at the IPv4 header; the rest is ``payload``.
* :data:`ethernet_l4` also parses what is there of the transport header, for packets that may be cut (a packet-in).
* :data:`ethernet_l7` expects a complete packet, and computes lengths and checksums when it is packed.

Every parser raises :class:`namedstruct.namedstruct.ParseError` (BadLenError or BadFormatError) for bytes that do not form
the struct. Sources: RFC 791, 792, 793, 768, 826, IEEE 802.1Q and 802.1ad.
"""

from __future__ import annotations

import array
import socket
import struct
import sys

from namedstruct import namedstruct, stdprim
from namedstruct.namedstruct import (
    BadFormatError,
    arraytype,
    char,
    enum,
    nstruct,
    packrealsize,
    packvalue,
    prim,
    raw,
)
from namedstruct.stdprim import uint8, uint16, uint32

ETH_ALEN = 6


class _MacAddress(arraytype):
    """Six integers; called with ``"02:00:00:00:00:01"`` it returns them."""

    def __init__(self) -> None:
        super().__init__(uint8, ETH_ALEN)

    def __call__(self, addr: str | None = None) -> list[int]:
        return list(mac_addr_bytes(addr))

    def formatter(self, value: list[int]) -> str:
        """Return the address in its usual notation."""
        return ":".join(f"{part:02x}" for part in value)


class _MacAddressBytes(prim):
    """Six bytes; called with ``"02:00:00:00:00:01"`` it returns them."""

    def __init__(self) -> None:
        super().__init__(f"{ETH_ALEN}s", "mac_addr_bytes")

    def __call__(self, addr: str | None = None) -> bytes:
        if addr is None:
            return bytes(ETH_ALEN)
        parts = addr.replace("-", ":").split(":")
        if len(parts) != ETH_ALEN or not all(0 < len(part) <= 2 for part in parts):
            raise ValueError(f"not a MAC address: {addr!r}")
        return bytes(int(part, 16) for part in parts)

    def formatter(self, value: bytes) -> str:
        """Return the address in its usual notation."""
        return ":".join(f"{part:02x}" for part in value.ljust(ETH_ALEN, b"\0"))


class _Ip4Address(prim):
    """A 32 bit integer; called with ``"192.168.1.1"`` it returns it."""

    def __init__(self) -> None:
        super().__init__("I", "ip4_addr")

    def __call__(self, ip_addr: str | None = None) -> int:
        return int.from_bytes(ip4_addr_bytes(ip_addr), "big")

    def formatter(self, value: int) -> str:
        """Return the address in dotted notation."""
        return socket.inet_ntoa(struct.pack(">I", value))


class _Ip4AddressBytes(prim):
    """Four bytes; called with ``"192.168.1.1"`` it returns them."""

    def __init__(self) -> None:
        super().__init__("4s", "ip4_addr_bytes")

    def __call__(self, ip_addr: str | None = None) -> bytes:
        if ip_addr is None:
            return bytes(4)
        try:
            return socket.inet_pton(socket.AF_INET, ip_addr)
        except OSError:
            raise ValueError(f"not an IPv4 address: {ip_addr!r}")

    def formatter(self, value: bytes) -> str:
        """Return the address in dotted notation."""
        return socket.inet_ntoa(value.ljust(4, b"\0"))


class _Ip6Address(arraytype):
    """Sixteen integers; called with ``"fe80::1"`` it returns them."""

    def __init__(self) -> None:
        super().__init__(uint8, 16)

    def __call__(self, ip_addr: str | None = None) -> list[int]:
        return list(ip6_addr_bytes(ip_addr))

    def formatter(self, value: list[int]) -> str:
        """Return the address in its usual notation."""
        return socket.inet_ntop(socket.AF_INET6, bytes(value))


class _Ip6AddressBytes(prim):
    """Sixteen bytes; called with ``"fe80::1"`` it returns them."""

    def __init__(self) -> None:
        super().__init__("16s", "ip6_addr")

    def __call__(self, ip_addr: str | None = None) -> bytes:
        if ip_addr is None:
            return bytes(16)
        try:
            return socket.inet_pton(socket.AF_INET6, ip_addr)
        except OSError:
            raise ValueError(f"not an IPv6 address: {ip_addr!r}")

    def formatter(self, value: bytes) -> str:
        """Return the address in its usual notation."""
        return socket.inet_ntop(socket.AF_INET6, value.ljust(16, b"\0"))


mac_addr_bytes = _MacAddressBytes()
mac_addr = _MacAddress()
ip4_addr_bytes = _Ip4AddressBytes()
ip4_addr = _Ip4Address()
ip6_addr_bytes = _Ip6AddressBytes()
ip6_addr = _Ip6Address()

ethertype = enum(
    "ethertype",
    globals(),
    uint16,
    ETHERTYPE_LOOP=0x60,
    ETHERTYPE_PUP=0x200,
    ETHERTYPE_PUPAT=0x201,
    ETHERTYPE_IP=0x800,
    ETHERTYPE_X25=0x805,
    ETHERTYPE_ARP=0x806,
    ETHERTYPE_BPQ=0x8FF,
    ETHERTYPE_IEEEPUP=0xA00,
    ETHERTYPE_IEEEPUPAT=0xA01,
    ETHERTYPE_DEC=0x6000,
    ETHERTYPE_DNA_DL=0x6001,
    ETHERTYPE_DNA_RC=0x6002,
    ETHERTYPE_DNA_RT=0x6003,
    ETHERTYPE_LAT=0x6004,
    ETHERTYPE_DIAG=0x6005,
    ETHERTYPE_CUST=0x6006,
    ETHERTYPE_SCA=0x6007,
    ETHERTYPE_TEB=0x6558,
    ETHERTYPE_RARP=0x8035,
    ETHERTYPE_ATALK=0x809B,
    ETHERTYPE_AARP=0x80F3,
    ETHERTYPE_8021Q=0x8100,
    ETHERTYPE_IPX=0x8137,
    ETHERTYPE_IPV6=0x86DD,
    ETHERTYPE_PAUSE=0x8808,
    ETHERTYPE_SLOW=0x8809,
    ETHERTYPE_WCCP=0x883E,
    ETHERTYPE_PPP_DISC=0x8863,
    ETHERTYPE_PPP_SES=0x8864,
    ETHERTYPE_MPLS_UC=0x8847,
    ETHERTYPE_MPLS_MC=0x8848,
    ETHERTYPE_ATMMPOA=0x884C,
    ETHERTYPE_ATMFATE=0x8884,
    ETHERTYPE_PAE=0x888E,
    ETHERTYPE_AOE=0x88A2,
    ETHERTYPE_8021QS=0x88A8,
    ETHERTYPE_TIPC=0x88CA,
    ETHERTYPE_1588=0x88F7,
    ETHERTYPE_FCOE=0x8906,
    ETHERTYPE_TDLS=0x890D,
    ETHERTYPE_FIP=0x8914,
    ETHERTYPE_NSH=0x894F,
    ETHERTYPE_EDSA=0xDADA,
    ETHERTYPE_AF_IUCV=0xFBFB,
)

arp_op_code = enum(
    "arp_op_code",
    globals(),
    uint16,
    ARPOP_REQUEST=1,
    ARPOP_REPLY=2,
    ARPOP_RREQUEST=3,
    ARPOP_RREPLY=4,
    ARPOP_InREQUEST=8,
    ARPOP_InREPLY=9,
    ARPOP_NAK=0xA,
)

ip_protocol = enum(
    "ip_protocol",
    globals(),
    uint8,
    IPPROTO_IP=0,
    IPPROTO_ICMP=1,
    IPPROTO_IGMP=2,
    IPPROTO_IPIP=4,
    IPPROTO_TCP=6,
    IPPROTO_EGP=8,
    IPPROTO_PUP=0xC,
    IPPROTO_UDP=0x11,
    IPPROTO_IDP=0x16,
    IPPROTO_DCCP=0x21,
    IPPROTO_RSVP=0x2E,
    IPPROTO_GRE=0x2F,
    IPPROTO_IPV6=0x29,
    IPPROTO_ESP=0x32,
    IPPROTO_AH=0x33,
    IPPROTO_BEETPH=0x5E,
    IPPROTO_PIM=0x67,
    IPPROTO_COMP=0x6C,
    IPPROTO_SCTP=0x84,
    IPPROTO_UDPLITE=0x88,
    IPPROTO_RAW=0xFF,
)

ip_tos = enum(
    "ip_tos",
    globals(),
    uint8,
    True,
    IPTOS_ECN_ECT1=1,
    IPTOS_ECN_ECT0=2,
    IPTOS_ECN_CE=3,
    IPTOS_DSCP_AF11=0x28,
    IPTOS_DSCP_AF12=0x30,
    IPTOS_DSCP_AF13=0x38,
    IPTOS_DSCP_AF21=0x48,
    IPTOS_DSCP_AF22=0x50,
    IPTOS_DSCP_AF23=0x58,
    IPTOS_DSCP_AF31=0x68,
    IPTOS_DSCP_AF32=0x70,
    IPTOS_DSCP_AF33=0x78,
    IPTOS_DSCP_AF41=0x88,
    IPTOS_DSCP_AF42=0x90,
    IPTOS_DSCP_AF43=0x98,
    IPTOS_DSCP_EF=0xB8,
    IPTOS_CLASS_CS1=0x20,
    IPTOS_CLASS_CS2=0x40,
    IPTOS_CLASS_CS3=0x60,
    IPTOS_CLASS_CS4=0x80,
    IPTOS_CLASS_CS5=0xA0,
    IPTOS_CLASS_CS6=0xC0,
    IPTOS_CLASS_CS7=0xE0,
)

ip_frag_offset = enum(
    "ip_frag_offset",
    globals(),
    uint16,
    True,
    IP_RF=0x8000,
    IP_DF=0x4000,
    IP_MF=0x2000,
)

tcp_flags = enum(
    "tcp_flags",
    globals(),
    uint8,
    True,
    TH_FIN=1,
    TH_SYN=2,
    TH_RST=4,
    TH_PUSH=8,
    TH_ACK=0x10,
    TH_URG=0x20,
)

tcp_option_kind = enum(
    "tcp_option_kind",
    globals(),
    uint8,
    TCPOPT_EOL=0,
    TCPOPT_NOP=1,
    TCPOPT_MAXSEG=2,
    TCPOPT_WINDOW=3,
    TCPOPT_SACK_PERMITTED=4,
    TCPOPT_SACK=5,
    TCPOPT_TIMESTAMP=8,
)

icmp_type = enum(
    "icmp_type",
    globals(),
    uint8,
    ICMP_ECHOREPLY=0,
    ICMP_DEST_UNREACH=3,
    ICMP_SOURCE_QUENCH=4,
    ICMP_REDIRECT=5,
    ICMP_ECHO=8,
    ICMP_TIME_EXCEEDED=0xB,
    ICMP_PARAMETERPROB=0xC,
    ICMP_TIMESTAMP=0xD,
    ICMP_TIMESTAMPREPLY=0xE,
    ICMP_INFO_REQUEST=0xF,
    ICMP_INFO_REPLY=0x10,
    ICMP_ADDRESS=0x11,
    ICMP_ADDRESSREPLY=0x12,
)

icmp_code_unreach = enum(
    "icmp_code_unreach",
    globals(),
    uint8,
    ICMP_NET_UNREACH=0,
    ICMP_HOST_UNREACH=1,
    ICMP_PROT_UNREACH=2,
    ICMP_PORT_UNREACH=3,
    ICMP_FRAG_NEEDED=4,
    ICMP_SR_FAILED=5,
    ICMP_NET_UNKNOWN=6,
    ICMP_HOST_UNKNOWN=7,
    ICMP_HOST_ISOLATED=8,
    ICMP_NET_ANO=9,
    ICMP_HOST_ANO=0xA,
    ICMP_NET_UNR_TOS=0xB,
    ICMP_HOST_UNR_TOS=0xC,
    ICMP_PKT_FILTERED=0xD,
    ICMP_PREC_VIOLATION=0xE,
    ICMP_PREC_CUTOFF=0xF,
)

icmp_code_redirect = enum(
    "icmp_code_redirect",
    globals(),
    uint8,
    ICMP_REDIR_NET=0,
    ICMP_REDIR_HOST=1,
    ICMP_REDIR_NETTOS=2,
    ICMP_REDIR_HOSTTOS=3,
)

icmp_code_te = enum(
    "icmp_code_te",
    globals(),
    uint8,
    ICMP_EXC_TTL=0,
    ICMP_EXC_FRAGTIME=1,
)

vxlan_group_policy_flags = enum(
    "vxlan_group_policy_flags",
    globals(),
    uint8,
    True,
    VXLAN_GBP_DONT_LEARN=0x40,
    VXLAN_GBP_POLICY_APPLIED=8,
)

nsh_md_types = enum(
    "nsh_md_types",
    globals(),
    uint8,
    NSH_MD_TYPE_RESERVED=0,
    NSH_MD_TYPE_1=1,
    NSH_MD_TYPE_2=2,
    NSH_MD_TYPE_EXPERIMENTATION=0xF,
)

nsh_md_class = enum(
    "nsh_md_class",
    globals(),
    uint16,
    NSH_MD_CLASS_BASE=0,
)


IPTOS_ECN_NOT_ECT = 0x00
IPTOS_ECN_MASK = 0x03
IPTOS_DSCP_MASK = 0xFC
IPTOS_CLASS_MASK = 0xE0
IPTOS_CLASS_CS0 = 0x00
IP_OFFMASK = 0x1FFF
#: What :func:`ip_frag` returns for the first fragment of a packet.
IP_FRAG_ANY = 1
#: Set besides IP_FRAG_ANY for every later fragment.
IP_FRAG_LATER = 2

#: IEEE 802.1ad, the outer tag of two.
ETHERTYPE_8021AD = 0x88A8
_TAG_SIZES = {ETHERTYPE_8021Q: 4, ETHERTYPE_8021AD: 8}


def dl_type(packet):
    """Return the Ethernet type of the payload of `packet`, after its VLAN tags."""
    return packet.dl_type2 if packet.dl_type in _TAG_SIZES else packet.dl_type


def vlan_vid(packet):
    """Return the VLAN number of `packet`; None when it has no VLAN tag."""
    tci = getattr(packet, "vlan_tci", None)
    return None if tci is None else tci & 0xFFF


def vlan_pcp(packet):
    """Return the VLAN priority of `packet`; None when it has no VLAN tag."""
    tci = getattr(packet, "vlan_tci", None)
    return None if tci is None else tci >> 13


def create_vlan_tci(vid, pcp=0):
    """Return the 16 bits of a VLAN tag from a VLAN number and a priority."""
    return (vid & 0xFFF) | (pcp & 7) << 13


def create_packet(packettype, vid=None, pcp=0, svid=None, spcp=0, *args, **kwargs):
    """Create a packet of `packettype`, with VLAN tags when asked for.

    :param packettype: one of the packet structs of this module, for instance :data:`arp_packet`
    :param vid: VLAN number; None for no tag
    :param pcp: VLAN priority
    :param svid: number of an outer (service) tag; needs `vid`; None for none
    :param spcp: priority of the outer tag
    :param args: further (name, type) replacements of embedded structs
    :param kwargs: field values
    :raises ValueError: when an outer tag comes without an inner one
    """
    if vid is None:
        if svid is not None:
            raise ValueError(f"outer VLAN {svid!r} needs an inner VLAN")
        return packettype(*args, **kwargs)
    inner_type = packettype.new().dl_type
    header = ethernet_l2_8021q if svid is None else ethernet_l2_8021ad
    packet = packettype((ethernet_l2, header), *args)
    packet.dl_type2 = inner_type
    packet.vlan_tci = create_vlan_tci(vid, pcp)
    if svid is not None:
        packet.svlan_tci = create_vlan_tci(svid, spcp)
    for name, value in kwargs.items():
        setattr(packet, name, value)
    return packet


def checksum(data):
    """Return the 16 bit one's complement sum of `data`, not inverted (RFC 1071)."""
    if len(data) % 2:
        data = bytes(data) + b"\0"
    words = array.array("H", bytes(data))
    if sys.byteorder == "little":
        words.byteswap()
    return _fold(sum(words))


def checksum2(*checksums):
    """Return the checksum field value for parts whose sums are given: their folded sum, inverted."""
    return ~_fold(sum(checksums)) & 0xFFFF


def _fold(total):
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def _header_with(packet, value):
    """Return the bytes of the IPv4 header of `packet` with this checksum field."""
    packet.checksum = value
    options = packet.options + bytes(-len(packet.options) % 4)
    packet.version_length = 0x45 + len(options) // 4
    return (
        struct.pack(
            ">BBHHHBBHII",
            packet.version_length,
            packet.tos,
            packet.total_len,
            packet.identifier,
            packet.frag_off,
            packet.ttl,
            packet.proto,
            packet.checksum,
            packet.ip_src,
            packet.ip_dst,
        )
        + options
    )


def ip4_checksum(x):
    """Return the header checksum of an IPv4 packet struct."""
    saved = x.checksum
    try:
        return checksum2(checksum(_header_with(x, 0)))
    finally:
        x.checksum = saved


def calcuate_ip4_checksum(x):
    """Store the header checksum into an IPv4 packet struct."""
    x.checksum = ip4_checksum(x)


def ip_frag(packet):
    """Tell whether an IPv4 packet is a fragment.

    Not a fragment: ``ip_frag(packet) == 0``. First fragment: ``ip_frag(packet) == IP_FRAG_ANY``. A later fragment:
    ``ip_frag(packet) & IP_FRAG_LATER``. Any fragment: ``ip_frag(packet) & IP_FRAG_ANY``.
    """
    if packet.frag_off & IP_OFFMASK:
        return IP_FRAG_ANY | IP_FRAG_LATER
    return IP_FRAG_ANY if packet.frag_off & IP_MF else 0


def tp4_checksum(payload, src, dst, protocol=6):
    """Return the checksum of a transport packet over its pseudo header (RFC 793, 768).

    :param payload: the bytes of the packet, with zero in its checksum field
    :param src: source address as an integer
    :param dst: destination address as an integer
    :param protocol: IP protocol number
    """
    pseudo = struct.pack(">IIBBH", src, dst, 0, protocol, len(payload))
    return checksum2(checksum(pseudo), checksum(payload))


def _ethernet_l2_size(packet):
    return 14 + _TAG_SIZES.get(packet.dl_type, 0)


ethernet_l2 = nstruct(
    (mac_addr, "dl_dst"),
    (mac_addr, "dl_src"),
    (ethertype, "dl_type"),
    name="ethernet_l2",
    padding=1,
    size=_ethernet_l2_size,
)

ethernet_l2_8021q = nstruct(
    (uint16, "vlan_tci"),
    (ethertype, "dl_type2"),
    name="ethernet_l2_8021q",
    base=ethernet_l2,
    criteria=lambda x: x.dl_type == ETHERTYPE_8021Q,
    init=packvalue(ETHERTYPE_8021Q, "dl_type"),
)


def _init_8021ad(packet):
    packet.dl_type = ETHERTYPE_8021AD
    packet.dl_type3 = ETHERTYPE_8021Q


ethernet_l2_8021ad = nstruct(
    (uint16, "svlan_tci"),
    (ethertype, "dl_type3"),
    (uint16, "vlan_tci"),
    (ethertype, "dl_type2"),
    name="ethernet_l2_8021ad",
    base=ethernet_l2,
    criteria=lambda x: x.dl_type == ETHERTYPE_8021AD,
    init=_init_8021ad,
)

ethernet_l3 = nstruct((ethernet_l2,), name="ethernet_l3", padding=1, classifier=dl_type)
ethernet_l4 = nstruct((ethernet_l2,), name="ethernet_l4", padding=1, classifier=dl_type)
ethernet_l7 = nstruct((ethernet_l2,), name="ethernet_l7", padding=1, classifier=dl_type)


def _init_arp(packet):
    packet.arp_hwtype = 1
    packet.arp_proto = ETHERTYPE_IP
    packet.hw_len = ETH_ALEN
    packet.proto_len = 4


arp_payload = nstruct(
    (uint16, "arp_hwtype"),
    (uint16, "arp_proto"),
    (uint8, "hw_len"),
    (uint8, "proto_len"),
    (arp_op_code, "arp_op"),
    (mac_addr, "arp_sha"),
    (ip4_addr, "arp_spa"),
    (mac_addr, "arp_tha"),
    (ip4_addr, "arp_tpa"),
    name="arp_payload",
    padding=1,
    init=_init_arp,
)


def _packet(name, base, ethertype_value, *fields, **options):
    """Define the packet struct of one Ethernet type at one depth."""
    return nstruct(
        *fields,
        name=name,
        base=base,
        classifyby=(ethertype_value,),
        init=packvalue(ethertype_value, "dl_type"),
        **options,
    )


arp_packet = _packet("arp_packet", ethernet_l3, ETHERTYPE_ARP, (arp_payload,), lastextra=False)
arp_packet_l4 = _packet("arp_packet_l4", ethernet_l4, ETHERTYPE_ARP, (arp_payload,), lastextra=False)
arp_packet_l7 = _packet("arp_packet_l7", ethernet_l7, ETHERTYPE_ARP, (arp_payload,), lastextra=False)


def _ip4_header_size(packet):
    return (packet.version_length & 0xF) << 2


def _pack_ip4_header(packet):
    packet.version_length = 0x40 | (packet._realsize() + 3) // 4


ip4_header = nstruct(
    (uint8, "version_length"),
    (ip_tos, "tos"),
    (uint16, "total_len"),
    (uint16, "identifier"),
    (ip_frag_offset, "frag_off"),
    (uint8, "ttl"),
    (ip_protocol, "proto"),
    (uint16, "checksum"),
    (ip4_addr, "ip_src"),
    (ip4_addr, "ip_dst"),
    (raw, "options"),
    name="ip4_header",
    padding=4,
    size=_ip4_header_size,
    prepack=_pack_ip4_header,
    init=packvalue(0x45, "version_length"),
)

ip4_packet = _packet("ip4_packet", ethernet_l3, ETHERTYPE_IP, (ip4_header,), (raw, "payload"), prepack=calcuate_ip4_checksum)


def _pack_ip4_payload(packet):
    packet.total_len = packet._realsize()
    calcuate_ip4_checksum(packet)


ip4_payload = nstruct(
    (ip4_header,),
    name="ip4_payload",
    padding=1,
    size=lambda x: x.total_len,
    prepack=_pack_ip4_payload,
)

ip4_partial_payload = nstruct((ip4_header,), name="ip4_partial_payload", padding=1, prepack=calcuate_ip4_checksum)

ip4_packet_l4 = _packet("ip4_packet_l4", ethernet_l4, ETHERTYPE_IP, (ip4_partial_payload,), lastextra=True)
ip4_packet_l7 = _packet("ip4_packet_l7", ethernet_l7, ETHERTYPE_IP, (ip4_payload,), lastextra=True)

ip4_payload_fragment = nstruct(
    (raw, "payload"),
    name="ip4_payload_fragment",
    base=ip4_payload,
    criteria=lambda x: ip_frag(x) & IP_FRAG_LATER,
)
ip4_partial_payload_fragment = nstruct(
    (raw, "payload"),
    name="ip4_partial_payload_fragment",
    base=ip4_partial_payload,
    criteria=lambda x: ip_frag(x) & IP_FRAG_LATER,
)

tcp_header_min = nstruct((uint16, "sport"), (uint16, "dport"), (uint32, "seq"), name="tcp_header_min", padding=1)

_SINGLE_BYTE_OPTIONS = (TCPOPT_EOL, TCPOPT_NOP)

_tcp_option_header = nstruct(
    (tcp_option_kind, "kind"),
    name="tcp_option_header",
    padding=1,
    size=lambda x: 1 if x.kind in _SINGLE_BYTE_OPTIONS else 2,
)
_tcp_option_header_length = nstruct(
    (uint8, "length"),
    name="tcp_option_header_length",
    base=_tcp_option_header,
    criteria=lambda x: x.kind not in _SINGLE_BYTE_OPTIONS,
)


def _pack_tcp_option(option):
    if hasattr(option, "length"):
        option.length = option._realsize()


tcp_option = nstruct(
    (_tcp_option_header,),
    name="tcp_option",
    padding=1,
    size=lambda x: getattr(x, "length", 1),
    prepack=_pack_tcp_option,
)


def _tcp_option(name, kind, *fields):
    """Define a TCP option with a length byte."""

    def init(option):
        option._replace_embedded_type(_tcp_option_header, _tcp_option_header_length)
        option.kind = kind

    return nstruct(*fields, name=name, base=tcp_option, criteria=lambda x: x.kind == kind, init=init)


tcp_option_maxseg = _tcp_option("tcp_option_maxseg", TCPOPT_MAXSEG, (uint16, "mss"))
tcp_option_window = _tcp_option("tcp_option_window", TCPOPT_WINDOW, (uint8, "shift_cnt"))
tcp_option_sack = _tcp_option("tcp_option_sack", TCPOPT_SACK, (uint32[2][0], "edges"))
tcp_option_timestamp = _tcp_option("tcp_option_timestamp", TCPOPT_TIMESTAMP, (uint32, "tsval"), (uint32, "tsecr"))


def _pack_tcp_header(packet):
    packet.data_offset = (packet.data_offset & 0xF) | (packet._realsize() + 3) // 4 << 4


tcp_header = nstruct(
    (tcp_header_min,),
    (uint32, "ack"),
    (uint8, "data_offset"),
    (tcp_flags, "tcp_flags"),
    (uint16, "tcp_win"),
    (uint16, "tcp_sum"),
    (uint16, "tcp_urp"),
    (raw, "tcp_options"),
    name="tcp_header",
    padding=4,
    size=lambda x: x.data_offset >> 4 << 2,
    prepack=_pack_tcp_header,
)

tcp_payload = nstruct((tcp_header,), (raw, "data"), name="tcp_payload", padding=1)

ip4_pseudo_header = nstruct(
    (ip4_addr, "ip_src"),
    (ip4_addr, "ip_dst"),
    (uint8,),
    (ip_protocol, "protocol"),
    (uint16, "length"),
    name="ip4_pseudo_header",
    padding=1,
)


def _transport_checksum(field, protocol):
    """Return a prepack function that stores the checksum of an embedded transport packet into `field`."""

    def prepack(packet):
        setattr(packet, field, 0)
        total = tp4_checksum(packet._tobytes(True), packet.ip_src, packet.ip_dst, protocol)
        # In UDP a zero would mean that there is no checksum (RFC 768).
        setattr(packet, field, total or (0xFFFF if protocol == IPPROTO_UDP else 0))

    return prepack


_tcp_payload_ip4 = nstruct(
    (tcp_payload,),
    name="_tcp_payload_ip4",
    padding=1,
    prepack=_transport_checksum("tcp_sum", IPPROTO_TCP),
    lastextra=True,
)


def _ip4_transport(name, base, protocol, *fields, whole, **options):
    """Define an IPv4 packet of one protocol.

    :param whole: whether the struct is for whole packets (True) or for first fragments (False); None for both
    """

    def criteria(packet):
        fragment = ip_frag(packet)
        return packet.proto == protocol and not fragment & IP_FRAG_LATER and whole in (None, not fragment)

    return nstruct(*fields, name=name, base=base, criteria=criteria, init=packvalue(protocol, "proto"), **options)


ip4_tcp_payload = _ip4_transport("ip4_tcp_payload", ip4_payload, IPPROTO_TCP, (_tcp_payload_ip4,), whole=True, lastextra=True)

tcp_bestparse = nstruct((tcp_header_min,), name="tcp_bestparse", padding=1)
tcp_bestparse_min = nstruct(
    (raw, "otherpayload"),
    name="tcp_bestparse_min",
    base=tcp_bestparse,
    criteria=lambda x: len(x._getextra()) < 12,
)
tcp_bestparse_header = nstruct(
    (uint32, "ack"),
    (uint8, "data_offset"),
    (tcp_flags, "tcp_flags"),
    (uint16, "tcp_win"),
    (uint16, "tcp_sum"),
    (uint16, "tcp_urp"),
    name="tcp_bestparse_header",
    base=tcp_bestparse,
    criteria=lambda x: len(x._getextra()) >= 12,
    init=packvalue(0x50, "data_offset"),
)


def _tcp_options_size(packet):
    return max(0, (packet.data_offset >> 4 << 2) - 20)


def _tcp_options_complete(packet):
    return packet.data_offset >= 0x50 and _tcp_options_size(packet) <= len(packet._getextra())


def _pack_tcp_options(packet):
    packet.data_offset = (packet.data_offset & 0xF) | (20 + packet._realsize() + 3) // 4 << 4


tcp_bestparse_partial = nstruct(
    (raw, "otherpayload"),
    name="tcp_bestparse_partial",
    base=tcp_bestparse_header,
    criteria=lambda x: not _tcp_options_complete(x),
)
_tcp_bestparse_full_options = nstruct(
    (raw, "tcp_options"),
    name="_tcp_bestparse_full_options",
    padding=4,
    size=_tcp_options_size,
    prepack=_pack_tcp_options,
)
tcp_bestparse_full = nstruct(
    (_tcp_bestparse_full_options,),
    (raw, "data"),
    name="tcp_bestparse_full",
    base=tcp_bestparse_header,
    criteria=_tcp_options_complete,
)

ip4_tcp_fragment_payload = _ip4_transport(
    "ip4_tcp_fragment_payload", ip4_payload, IPPROTO_TCP, (tcp_bestparse,), whole=False, lastextra=True
)
ip4_tcp_partial_payload = _ip4_transport(
    "ip4_tcp_partial_payload", ip4_partial_payload, IPPROTO_TCP, (tcp_bestparse,), whole=None, lastextra=True
)

udp_header = nstruct((uint16, "sport"), (uint16, "dport"), (uint16, "udp_len"), (uint16, "udp_sum"), name="udp_header", padding=1)
udp_payload = nstruct((udp_header,), (raw, "data"), name="udp_payload", padding=1, prepack=packrealsize("udp_len"))
_udp_payload_ip4 = nstruct(
    (udp_payload,),
    name="_udp_payload_ip4",
    padding=1,
    prepack=_transport_checksum("udp_sum", IPPROTO_UDP),
    lastextra=True,
)

ip4_udp_payload = _ip4_transport("ip4_udp_payload", ip4_payload, IPPROTO_UDP, (_udp_payload_ip4,), whole=True, lastextra=True)
ip4_udp_fragment_payload = _ip4_transport(
    "ip4_udp_fragment_payload", ip4_payload, IPPROTO_UDP, (udp_header,), (raw, "data"), whole=False
)
ip4_udp_partial_payload = _ip4_transport(
    "ip4_udp_partial_payload", ip4_partial_payload, IPPROTO_UDP, (udp_header,), (raw, "data"), whole=None
)

icmp_header = nstruct((icmp_type, "icmp_type"), (uint8, "icmp_code"), (uint16, "icmp_sum"), name="icmp_header", padding=1)
icmp_bestparse = nstruct((icmp_header,), name="icmp_bestparse", padding=1, classifier=lambda x: x.icmp_type)


def _icmp(name, kinds, *fields, **options):
    """Define an ICMP message for the types `kinds`; a new one has the first of them."""
    return nstruct(
        *fields,
        name=name,
        base=icmp_bestparse,
        classifyby=kinds,
        init=packvalue(kinds[0], "icmp_type"),
        **options,
    )


icmp_unreach = _icmp("icmp_unreach", (ICMP_DEST_UNREACH,), (uint32,), (raw, "data"), extend={"icmp_code": icmp_code_unreach})
icmp_te = _icmp("icmp_te", (ICMP_TIME_EXCEEDED,), (uint32,), (raw, "data"), extend={"icmp_code": icmp_code_te})
icmp_parameter_prob = _icmp("icmp_parameter_prob", (ICMP_PARAMETERPROB,), (uint8, "icmp_pointer"), (uint8[3],), (raw, "data"))
icmp_source_quench = _icmp("icmp_source_quench", (ICMP_SOURCE_QUENCH,), (uint32,), (raw, "data"))
icmp_redirect = _icmp(
    "icmp_redirect", (ICMP_REDIRECT,), (uint32, "gateway"), (raw, "data"), extend={"icmp_code": icmp_code_redirect}
)
icmp_echo = _icmp("icmp_echo", (ICMP_ECHO, ICMP_ECHOREPLY), (uint16, "icmp_id"), (uint16, "icmp_seq"), (raw, "data"))
icmp_timestamp = _icmp("icmp_timestamp", (ICMP_TIMESTAMP, ICMP_TIMESTAMPREPLY), (uint16, "icmp_id"), (uint16, "icmp_seq"))
icmp_timestamp_partial = nstruct(
    (raw, "otherpayload"),
    name="icmp_timestamp_partial",
    base=icmp_timestamp,
    criteria=lambda x: len(x._getextra()) < 12,
)
icmp_timestamp_full = nstruct(
    (uint32, "orig_timestamp"),
    (uint32, "recv_timestamp"),
    (uint32, "trans_timestamp"),
    name="icmp_timestamp_full",
    base=icmp_timestamp,
    criteria=lambda x: len(x._getextra()) >= 12,
)
icmp_info = _icmp("icmp_info", (ICMP_INFO_REQUEST, ICMP_INFO_REPLY), (uint16, "icmp_id"), (uint16, "icmp_seq"))


def _icmp_checksum(packet):
    packet.icmp_sum = 0
    packet.icmp_sum = checksum2(checksum(packet._tobytes(True)))


_icmp_payload_ip4 = nstruct((icmp_bestparse,), name="_icmp_payload_ip4", padding=1, prepack=_icmp_checksum, lastextra=True)

ip4_icmp_payload = _ip4_transport("ip4_icmp_payload", ip4_payload, IPPROTO_ICMP, (_icmp_payload_ip4,), whole=True, lastextra=True)
ip4_icmp_fragment_payload = _ip4_transport(
    "ip4_icmp_fragment_payload", ip4_payload, IPPROTO_ICMP, (icmp_bestparse,), whole=False, lastextra=True
)
ip4_icmp_partial_payload = _ip4_transport(
    "ip4_icmp_partial_payload", ip4_partial_payload, IPPROTO_ICMP, (icmp_bestparse,), whole=None, lastextra=True
)


def _pieces(payload, mtu, options, fragment_options):
    """Yield (offset in bytes, data, options, whether more follows) for each fragment of `payload`."""
    start = 0
    while True:
        chosen = options if not start else fragment_options
        room = mtu - 20 - (len(chosen) + 3) // 4 * 4
        if len(payload) - start <= room:
            yield start, payload[start:], chosen, False
            return
        room -= room % 8
        if room <= 0:
            raise ValueError(f"MTU {mtu!r} leaves no room for a payload")
        yield start, payload[start : start + room], chosen, True
        start += room


def create_fragments_ip4(payload, mtu=1500, options=b"", fragment_options=b"", proto=IPPROTO_UDP, *args, **kwargs):
    """Split the payload of an IPv4 packet into fragments (RFC 791).

    :param payload: bytes of the transport packet
    :param mtu: longest IPv4 packet in bytes
    :param options: IPv4 options of the first fragment
    :param fragment_options: IPv4 options of the others
    :param proto: IP protocol number
    :param args: (name, type) replacements of embedded structs
    :param kwargs: further fields of each fragment, for instance ``ip_src``, ``ip_dst``, ``identifier``, ``ttl``
    :return: list of :data:`ip4_payload_fragment`
    :raises ValueError: when the MTU leaves no room
    """
    return [
        ip4_payload_fragment(
            *args,
            payload=bytes(data),
            options=chosen,
            proto=proto,
            frag_off=start // 8 | (IP_MF if more else 0),
            **kwargs,
        )
        for start, data, chosen, more in _pieces(payload, mtu, options, fragment_options)
    ]


def create_fragments_ip4_packet(payload, mtu=1500, options=b"", fragment_options=b"", proto=IPPROTO_UDP, **kwargs):
    """Split the payload of an IPv4 packet into Ethernet packets; parameters as :func:`create_fragments_ip4`.

    :param kwargs: fields of each packet, and ``vid``, ``pcp``, ``svid``, ``spcp`` as in :func:`create_packet`
    :return: list of :data:`ip4_packet`
    """
    return [
        create_packet(
            ip4_packet,
            payload=bytes(data),
            options=chosen,
            proto=proto,
            total_len=20 + (len(chosen) + 3) // 4 * 4 + len(data),
            frag_off=start // 8 | (IP_MF if more else 0),
            **kwargs,
        )
        for start, data, chosen, more in _pieces(payload, mtu, options, fragment_options)
    ]
