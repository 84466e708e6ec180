"""Sockets for connections: URLs, addresses, non-blocking opening, listening, and the steps of TLS (behaviour g.5).

Nothing here waits. A function that cannot finish at once says so in its return value.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import ssl
import stat
from typing import Any, NamedTuple, Optional
from urllib.parse import unquote, urlsplit

WANT_READ, WANT_WRITE, DONE = "want read", "want write", "done"
#: ``accept`` failed for want of something that others may give back
OUT_OF_RESOURCES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
#: Errors of a datagram socket that concern one datagram only
DATAGRAM_ERRORS = frozenset(
    {errno.ECONNREFUSED, errno.EMSGSIZE, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENOENT, errno.EPERM}
)
_UNIX = ("unix", "dunix")
_KINDS = ("tcp", "ssl", "udp", "unix", "dunix")


class Target(NamedTuple):
    """A parsed URL."""

    #: 'tcp', 'udp', 'unix' or 'dunix'
    kind: str
    tls: bool
    #: wait for the peer instead of connecting to it
    passive: bool
    host: Optional[str]
    port: int
    #: file system path for UNIX sockets
    path: str

    @property
    def datagram(self) -> bool:
        """True for sockets that keep message borders."""
        return self.kind in ("udp", "dunix")

    @property
    def unix(self) -> bool:
        """True for sockets with a path."""
        return self.kind in _UNIX

    @property
    def socktype(self) -> int:
        """The ``SOCK_*`` constant."""
        return socket.SOCK_DGRAM if self.datagram else socket.SOCK_STREAM


def _kind(scheme: str, server: bool) -> tuple[str, bool]:
    """Return (kind, passive); an unknown scheme is TCP."""
    if scheme in _KINDS:
        return (scheme, server)
    prefix = "l" if server else "p"
    if scheme[:1] == prefix and scheme[1:] in _KINDS:
        return (scheme[1:], True)
    return ("tcp", server)


def parse_url(url: str, server: bool, defaultport: int = 0, ssldefaultport: Optional[int] = None) -> Target:
    """Parse the URL of a connection.

    :param server: True for a listening server: schemes tcp, ltcp, ssl, lssl, unix, lunix, all meaning "listen"
    :param defaultport: port when the URL has none
    :param ssldefaultport: the same for TLS; None means ``defaultport``
    :raises ValueError: no host for a connecting client, no path for a UNIX socket, a bad port, a datagram server
    """
    parts = urlsplit(url)
    kind, passive = _kind(parts.scheme, server)
    tls = kind == "ssl"
    if kind in _UNIX:
        path = unquote(parts.path)
        if not path.strip("/"):
            raise ValueError(f"URL of a UNIX socket needs a path: {url!r}")
        target = Target(kind, False, passive, None, 0, path)
    else:
        host = parts.hostname or None
        if host is None and not passive:
            raise ValueError(f"URL of a client needs a host: {url!r}")
        fallback = ssldefaultport if tls and ssldefaultport is not None else defaultport
        port = parts.port if parts.port is not None else fallback
        target = Target("tcp" if tls else kind, tls, passive, host, port, "")
    if server and target.datagram:
        raise ValueError(f"a server cannot listen on a datagram socket: {url!r}")
    return target


def parse_bind_address(address: Any, default_host: Optional[str] = None) -> tuple:
    """Return ``(host, port)`` of a local address: 'host', 'host:port', '[v6]:port' or a pair.

    :raises ValueError: neither form
    """
    if isinstance(address, (tuple, list)) and len(address) >= 2:
        return (address[0], int(address[1]))
    if not isinstance(address, str):
        raise ValueError(f"bad local address {address!r}")
    if address.count(":") > 1 and not address.startswith("["):
        return (address, 0)
    parts = urlsplit("//" + address)
    return (parts.hostname or default_host, parts.port or 0)


def numeric_addresses(host: Optional[str], port: int, socktype: int) -> Optional[list]:
    """Return ``[(family, address), ...]`` when no name service is needed, else None.

    ``host`` None means all local addresses; 'localhost' is the loopback address by definition (RFC 6761).
    """
    if host is None:
        return [(socket.AF_INET, ("0.0.0.0", port)), (socket.AF_INET6, ("::", port))]
    if host.lower().rstrip(".") == "localhost":
        return [(socket.AF_INET, ("127.0.0.1", port)), (socket.AF_INET6, ("::1", port))]
    try:
        found = socket.getaddrinfo(host, port, 0, socktype, 0, socket.AI_NUMERICHOST)
    except socket.gaierror:
        return None
    return choose(found)


def choose(addrinfo: list) -> list:
    """Return ``[(family, address), ...]`` from the entries of ``getaddrinfo``, without repetitions."""
    result = []
    for family, _type, _protocol, _name, address in addrinfo:
        if family in (socket.AF_INET, socket.AF_INET6) and (family, address) not in result:
            result.append((family, address))
    return result


def plain_address(address: Any) -> Any:
    """Return a socket address with an IPv4-mapped IPv6 host written as IPv4."""
    if isinstance(address, tuple) and address and isinstance(address[0], str) and address[0].startswith("::ffff:"):
        return (address[0][7:],) + tuple(address[1:2])
    return address


def peer_address(sock: socket.socket) -> Any:
    """Return the address of the other end, None when there is none (any more)."""
    try:
        return plain_address(sock.getpeername())
    except OSError:
        return None


def _new_socket(family: int, socktype: int) -> socket.socket:
    sock = socket.socket(family, socktype)
    sock.setblocking(False)
    if family in (socket.AF_INET, socket.AF_INET6) and socktype == socket.SOCK_STREAM:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def prepare_accepted(sock: socket.socket) -> None:
    """Make an accepted socket non-blocking and switch off the delay of small segments."""
    sock.setblocking(False)
    if sock.family in (socket.AF_INET, socket.AF_INET6) and sock.type == socket.SOCK_STREAM:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _bind(sock: socket.socket, address: Any) -> None:
    if sock.family == socket.AF_UNIX:
        remove_stale_path(address, sock.type)
    sock.bind(address)


def open_connecting(family: int, socktype: int, address: Any, local: Any = None) -> tuple[socket.socket, bool]:
    """Begin to connect.

    :param local: local address to bind first, or None
    :return: ``(socket, done)``; when not done, :func:`connect_result` tells after the socket became writable
    :raises OSError: refused at once; the socket is closed
    """
    sock = _new_socket(family, socktype)
    try:
        if local is not None:
            if family != socket.AF_UNIX:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            _bind(sock, local)
        code = sock.connect_ex(address)
        if code not in (0, errno.EINPROGRESS):
            raise OSError(code, os.strerror(code))
    except BaseException:
        sock.close()
        raise
    return (sock, code == 0)


def connect_result(sock: socket.socket) -> bool:
    """Return True when a socket that became writable is connected, False when it still tries.

    :raises OSError: it could not connect; the reason
    """
    code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise OSError(code, os.strerror(code))
    try:
        sock.getpeername()
    except OSError as error:
        if error.errno != errno.ENOTCONN:
            raise
        return False
    return True


def remove_stale_path(path: str, socktype: int = socket.SOCK_STREAM) -> None:
    """Remove a UNIX socket file on which no process listens. Files of other kinds and live sockets stay."""
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            return
    except OSError:
        return
    probe = socket.socket(socket.AF_UNIX, socktype)
    try:
        probe.setblocking(False)
        if probe.connect_ex(path) == errno.ECONNREFUSED:
            os.unlink(path)
    finally:
        probe.close()


def open_listening(family: int, address: Any, reuseport: bool, backlog: Optional[int]) -> socket.socket:
    """Return a bound stream socket; it listens unless ``backlog`` is None.

    :raises OSError: cannot bind
    """
    sock = _new_socket(family, socket.SOCK_STREAM)
    try:
        if family == socket.AF_UNIX:
            _bind(sock, address)
        else:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if reuseport:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind(address)
        if backlog is not None:
            sock.listen(backlog)
    except BaseException:
        sock.close()
        raise
    return sock


def open_datagram(family: int, address: Any, reuseport: bool) -> socket.socket:
    """Return a bound datagram socket.

    :raises OSError: cannot bind
    """
    sock = _new_socket(family, socket.SOCK_DGRAM)
    try:
        if family != socket.AF_UNIX:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT if reuseport else socket.SO_REUSEADDR, 1)
        _bind(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock


def connect_to_first_sender(sock: socket.socket) -> bool:
    """Connect a datagram socket to the sender of its first waiting datagram, which stays to be read.

    :return: False when no datagram waits
    """
    try:
        _data, sender = sock.recvfrom(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    if sender:
        sock.connect(sender)
    return True


def close_socket(sock: socket.socket, path: str = "") -> None:
    """Close a socket, and remove its file when ``path`` is given."""
    with contextlib.suppress(OSError):
        sock.close()
    if path:
        with contextlib.suppress(OSError):
            os.unlink(path)


def _limit_version(context: ssl.SSLContext, sslversion: int) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    exact = {
        getattr(ssl, name): getattr(ssl.TLSVersion, version)
        for name, version in (
            ("PROTOCOL_TLSv1", "TLSv1"),
            ("PROTOCOL_TLSv1_1", "TLSv1_1"),
            ("PROTOCOL_TLSv1_2", "TLSv1_2"),
        )
        if hasattr(ssl, name)
    }.get(sslversion)
    if exact is not None:
        context.minimum_version = context.maximum_version = exact


def client_context(
    key: Optional[str],
    certificate: Optional[str],
    ca_certs: Optional[str],
    sslversion: int = 2,
    verify: bool = True,
    check_hostname: bool = True,
) -> ssl.SSLContext:
    """Return a TLS context for a client.

    :param ca_certs: file of trusted certificates; None takes the system's store
    :param verify: False accepts any server
    :param check_hostname: False accepts a trusted certificate for another host
    :raises OSError: a file cannot be read (:class:`ssl.SSLError` is one of them)
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _limit_version(context, sslversion)
    context.check_hostname = verify and check_hostname
    context.verify_mode = ssl.CERT_REQUIRED if verify else ssl.CERT_NONE
    if ca_certs:
        context.load_verify_locations(ca_certs)
    elif verify:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    if certificate:
        context.load_cert_chain(certificate, key)
    return context


def server_context(
    key: Optional[str], certificate: Optional[str], ca_certs: Optional[str], sslversion: int = 2
) -> ssl.SSLContext:
    """Return a TLS context for a server. With ``ca_certs`` clients must show a certificate that it has signed.

    :raises OSError: a file cannot be read
    :raises ValueError: no certificate
    """
    if not certificate:
        raise ValueError("a TLS server needs a certificate")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.options |= getattr(ssl, "OP_NO_RENEGOTIATION", 0)  # PyPy 7.3.11 does not have it.
    _limit_version(context, sslversion)
    context.load_cert_chain(certificate, key)
    if ca_certs:
        context.load_verify_locations(ca_certs)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def tls_wrap(sock: socket.socket, context: ssl.SSLContext, server: bool, hostname: Optional[str]) -> ssl.SSLSocket:
    """Return the TLS socket over a connected socket; the handshake is still to do."""
    name = hostname if not server else None
    return context.wrap_socket(sock, server_side=server, do_handshake_on_connect=False, server_hostname=name)


def tls_step(sock: ssl.SSLSocket) -> str:
    """Do what can be done of the handshake now; return DONE, WANT_READ or WANT_WRITE.

    :raises OSError: it failed (:class:`ssl.SSLError`, :class:`ssl.SSLCertVerificationError`)
    """
    try:
        sock.do_handshake()
    except ssl.SSLWantReadError:
        return WANT_READ
    except ssl.SSLWantWriteError:
        return WANT_WRITE
    return DONE


def close_sending(sock: socket.socket) -> None:
    """Tell the peer that no more data comes."""
    if isinstance(sock, ssl.SSLSocket):
        with contextlib.suppress(OSError, ValueError):
            sock.unwrap()
    with contextlib.suppress(OSError):
        # SSLSocket.shutdown would also forget the keys that reading still needs.
        socket.socket.shutdown(sock, socket.SHUT_WR)
