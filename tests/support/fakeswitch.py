"""An OpenFlow 1.3 switch without packets, for tests: real bytes in, real bytes out.

:class:`FakeSwitch` is pure: ``feed(bytes) -> bytes``. :class:`SocketSwitch` runs one on a socket in a thread of its own, so it
works with any program under test::

    switch = FakeSwitch(datapath_id=1, ports=[(1, "p1"), (2, "p2")])
    with SocketSwitch.connect(switch, ("127.0.0.1", 6653)):
        ...
        assert switch.dump() == [...]
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from typing import Any, Callable, Iterable, Iterator

from support.flowtable import (
    BAD_REQUEST,
    Flow,
    FlowMod,
    SwitchError,
    Tables,
    parse_match,
    split_oxms,
)

(
    HELLO, ERROR, ECHO_REQUEST, ECHO_REPLY, EXPERIMENTER, FEATURES_REQUEST, FEATURES_REPLY, GET_CONFIG_REQUEST,
    GET_CONFIG_REPLY, SET_CONFIG, PACKET_IN, FLOW_REMOVED, PORT_STATUS, PACKET_OUT, FLOW_MOD, GROUP_MOD, PORT_MOD,
    TABLE_MOD, MULTIPART_REQUEST, MULTIPART_REPLY, BARRIER_REQUEST, BARRIER_REPLY,
) = range(22)  # fmt: skip
ROLE_REQUEST, ROLE_REPLY, SET_ASYNC, METER_MOD = 24, 25, 28, 29
ONF = 0x4F4E4600
NICIRA = 0x2320
BUNDLE_CONTROL, BUNDLE_ADD = 2300, 2301
LOCAL_PORT = 0xFFFFFFFE
MORE = 1
#: Body bytes of one multipart reply; the rest goes into further parts.
PART_SIZE = 60000


class FakeSwitch:
    """The state of one switch and its answers.

    :param datapath_id: 64 bit number of the switch
    :param ports: (number, name) of each port
    :param n_tables: number of flow tables
    :param version: wire version that the switch speaks; its hello has no bitmap when `bitmap` is False
    :param auxiliary_id: number of the connection
    :param bundles: whether the ONF bundle extension is offered
    :param mac_prefix: first 16 bits of the MAC addresses of its ports; the rest is the number of the port
    """

    def __init__(
        self,
        datapath_id: int = 1,
        ports: Iterable[tuple[int, str]] = (),
        n_tables: int = 254,
        version: int = 4,
        auxiliary_id: int = 0,
        bitmap: bool = True,
        bundles: bool = True,
        mac_prefix: int = 0x0200,
    ) -> None:
        self.datapath_id, self.version, self.auxiliary_id = datapath_id, version, auxiliary_id
        self.mac_prefix = mac_prefix
        self.ports = {number: port_bytes(number, name, mac_prefix) for number, name in ports}
        self.tables = Tables(n_tables)
        self.bitmap, self.bundles_offered = bitmap, bundles
        self.bundles: dict[int, list[bytes]] = {}
        #: Messages received, as (type, xid, whole bytes), for assertions.
        self.received: list[tuple[int, int, bytes]] = []
        #: Packet-outs, as (in_port, action bytes, packet).
        self.packet_outs: list[tuple[int, bytes, bytes]] = []
        #: Called with (type, xid, message) of each message; a returned (error type, code) refuses it.
        self.refuse: Callable[[int, int, bytes], Any] = lambda kind, xid, message: None
        #: Message types that are read and not answered.
        self.ignore: set[int] = set()
        #: Time in seconds, for flows that are removed when nobody uses them.
        self.clock: Callable[[], float] = lambda: 0.0
        self.role, self.generation = 1, 0
        self.config = (0, 128)
        self._buffer = b""

    def greet(self) -> bytes:
        """Return the hello that a switch sends first."""
        element = struct.pack(">HHI", 1, 8, 1 << self.version) if self.bitmap else b""
        return message(HELLO, 1, element, self.version)

    def feed(self, data: bytes) -> bytes:
        """Take bytes from the controller, cut anywhere; return the switch's answers."""
        self._buffer += data
        start, answers = 0, []
        while len(self._buffer) - start >= 8:
            length = struct.unpack_from(">H", self._buffer, start + 2)[0]
            if length < 8:
                raise ValueError(f"message with length {length}")
            if len(self._buffer) - start < length:
                break
            answers.append(self._message(self._buffer[start : start + length]))
            start += length
        self._buffer = self._buffer[start:]
        return b"".join(answers)

    def _message(self, data: bytes) -> bytes:
        version, kind, _, xid = struct.unpack_from(">BBHI", data)
        self.received.append((kind, xid, data))
        if kind in self.ignore:
            return b""
        try:
            if version != self.version and kind != HELLO:
                raise SwitchError(BAD_REQUEST, 0)
            refused = self.refuse(kind, xid, data)
            if refused:
                raise SwitchError(*refused)
            handler = HANDLERS.get(kind)
            if handler is None:
                raise SwitchError(BAD_REQUEST, 1)
            answer = handler(self, xid, data)
        except SwitchError as exc:
            answer = error(exc, xid, data)
        return answer + self.flow_removed()

    def flow_removed(self) -> bytes:
        """Return the FLOW_REMOVED messages that have not been sent."""
        removed, self.tables.removed = self.tables.removed, []
        return b"".join(
            message(FLOW_REMOVED, 0, struct.pack(
                ">QHBBIIHHQQ", flow.cookie, flow.priority, reason, flow.table, 0, 0, flow.idle_timeout,
                flow.hard_timeout, flow.packets, flow.bytes) + match_bytes(flow.match))
            for flow, reason in removed
        )  # fmt: skip

    def _hello(self, xid: int, data: bytes) -> bytes:
        return b""

    def _nothing(self, xid: int, data: bytes) -> bytes:
        return b""

    def _echo(self, xid: int, data: bytes) -> bytes:
        return message(ECHO_REPLY, xid, data[8:])

    def _features(self, xid: int, data: bytes) -> bytes:
        body = struct.pack(">QIBB2xII", self.datapath_id, 0, self.tables.n_tables, self.auxiliary_id, 0x4F, 0)
        return message(FEATURES_REPLY, xid, body)

    def _get_config(self, xid: int, data: bytes) -> bytes:
        return message(GET_CONFIG_REPLY, xid, struct.pack(">HH", *self.config))

    def _set_config(self, xid: int, data: bytes) -> bytes:
        self.config = struct.unpack_from(">HH", data, 8)
        return b""

    def _barrier(self, xid: int, data: bytes) -> bytes:
        return message(BARRIER_REPLY, xid)

    def _role(self, xid: int, data: bytes) -> bytes:
        role, generation = struct.unpack_from(">I4xQ", data, 8)
        if role:
            self.role, self.generation = role, generation
        return message(ROLE_REPLY, xid, struct.pack(">I4xQ", self.role, self.generation))

    def _flow_mod(self, xid: int, data: bytes) -> bytes:
        self.tables.flow_mod(FlowMod.parse(data[8:]))
        return b""

    def _group_mod(self, xid: int, data: bytes) -> bytes:
        command, kind, number = struct.unpack_from(">HBxI", data, 8)
        self.tables.group_mod(command, kind, number, data[16:])
        return b""

    def _packet_out(self, xid: int, data: bytes) -> bytes:
        _, in_port, length = struct.unpack_from(">IIH6x", data, 8)
        if 24 + length > len(data):
            raise SwitchError(BAD_REQUEST, 6)
        self.packet_outs.append((in_port, data[24 : 24 + length], data[24 + length :]))
        return b""

    def _multipart(self, xid: int, data: bytes) -> bytes:
        kind = struct.unpack_from(">H", data, 8)[0]
        if kind not in MULTIPARTS:
            raise SwitchError(BAD_REQUEST, 2)
        return multipart(kind, xid, MULTIPARTS[kind](self, data[16:]))

    def _desc(self, body: bytes) -> list[bytes]:
        return [struct.pack(">256s256s256s32s256s", b"vlcp tests", b"none", b"fakeswitch", b"0", b"fake")]

    def _selected(self, body: bytes) -> list[Flow]:
        table, out_port, out_group, cookie, mask, _, length = struct.unpack_from(">B3xII4xQQHH", body)
        # A statistics request selects like a non-strict deletion.
        mod = FlowMod(cookie, mask, table, 3, 0, 0, 0, 0, out_port, out_group, 0, body[36 : 32 + length], b"")
        return self.tables.selected(mod, parse_match(mod.match), False)

    def _flow_stats(self, body: bytes) -> list[bytes]:
        return [flow_stats(flow) for flow in self._selected(body)]

    def _aggregate(self, body: bytes) -> list[bytes]:
        flows = self._selected(body)
        counts = sum(flow.packets for flow in flows), sum(flow.bytes for flow in flows)
        return [struct.pack(">QQI4x", *counts, len(flows))]

    def _table_stats(self, body: bytes) -> list[bytes]:
        active = [0] * self.tables.n_tables
        for flow in self.tables.flows.values():
            active[flow.table] += 1
        return [struct.pack(">B3xIQQ", number, count, 0, 0) for number, count in enumerate(active)]

    def _group_desc(self, body: bytes) -> list[bytes]:
        return [
            struct.pack(">HBxI", 8 + len(buckets), kind, number) + buckets
            for number, (kind, buckets) in sorted(self.tables.groups.items())
        ]

    def _group_features(self, body: bytes) -> list[bytes]:
        return [struct.pack(">II4I4I", 0xF, 0xF, *[0xFFFFFF00] * 4, *[0x0FFFFFFF] * 4)]

    def _port_desc(self, body: bytes) -> list[bytes]:
        return [self.ports[number] for number in sorted(self.ports)]

    def _experimenter(self, xid: int, data: bytes) -> bytes:
        vendor, kind = struct.unpack_from(">II", data, 8)
        if vendor == NICIRA:
            return b""
        if vendor != ONF or not self.bundles_offered:
            raise SwitchError(BAD_REQUEST, 3)
        if kind == BUNDLE_CONTROL:
            return self._bundle_control(xid, data)
        if kind == BUNDLE_ADD:
            return self._bundle_add(xid, data)
        raise SwitchError(BAD_REQUEST, 4)

    def _bundle_control(self, xid: int, data: bytes) -> bytes:
        number, kind, flags = struct.unpack_from(">IHH", data, 16)
        if kind == 0:
            if number in self.bundles:
                raise SwitchError(0xFFFF, 2303, ONF)
            self.bundles[number] = []
            return bundle_reply(xid, number, 1, flags)
        if number not in self.bundles:
            raise SwitchError(0xFFFF, 2302, ONF)
        if kind == 4:
            return self._commit(xid, number, flags)
        if kind == 6:
            del self.bundles[number]
        return bundle_reply(xid, number, kind + 1, flags)

    def _bundle_add(self, xid: int, data: bytes) -> bytes:
        number, inner = struct.unpack_from(">I", data, 16)[0], data[24:]
        if len(inner) < 8:
            raise SwitchError(0xFFFF, 2308, ONF)
        length, inner_xid = struct.unpack_from(">HI", inner, 2)
        if number not in self.bundles:
            raise SwitchError(0xFFFF, 2302, ONF)
        if inner_xid != xid:
            raise SwitchError(0xFFFF, 2309, ONF)
        if inner[1] not in (FLOW_MOD, GROUP_MOD, PACKET_OUT):
            raise SwitchError(0xFFFF, 2310, ONF)
        self.bundles[number].append(inner[:length])
        return b""

    def _commit(self, xid: int, number: int, flags: int) -> bytes:
        messages, saved, packets = self.bundles.pop(number), self.tables, list(self.packet_outs)
        self.tables = saved.copy()
        for inner in messages:
            inner_xid = struct.unpack_from(">I", inner, 4)[0]
            try:
                refused = self.refuse(inner[1], inner_xid, inner)
                if refused:
                    raise SwitchError(*refused)
                HANDLERS[inner[1]](self, inner_xid, inner)
            except SwitchError as exc:
                self.tables, self.packet_outs = saved, packets
                failed = SwitchError(0xFFFF, 2313, ONF)
                return error(exc, inner_xid, inner) + error(failed, xid, bundle_reply(xid, number, 4, flags))
        return bundle_reply(xid, number, 5, flags)

    def packet_in(
        self,
        in_port: int,
        packet: bytes,
        table: int = 0,
        cookie: int = 0,
        reason: int = 1,
        oxms: bytes = b"",
    ) -> bytes:
        """Return a PACKET_IN; `oxms` are further match fields."""
        match = match_bytes(struct.pack(">II", 0x80000004, in_port) + oxms)
        head = struct.pack(">IHBBQ", 0xFFFFFFFF, len(packet), reason, table, cookie)
        return message(PACKET_IN, 0, head + match + bytes(2) + packet)

    def add_port(self, number: int, name: str) -> bytes:
        """Add a port, or change it; return the PORT_STATUS for it."""
        reason = 2 if number in self.ports else 0
        self.ports[number] = port_bytes(number, name, self.mac_prefix)
        return message(PORT_STATUS, 0, struct.pack(">B7x", reason) + self.ports[number])

    def delete_port(self, number: int) -> bytes:
        """Delete a port; return the PORT_STATUS for it."""
        return message(PORT_STATUS, 0, struct.pack(">B7x", 1) + self.ports.pop(number))

    def dump(self, cookies: bool = True) -> list[tuple]:
        """Return all flows as sorted (table, priority, match, cookie, instructions, timeouts and flags).

        :param cookies: False leaves the cookie out (0 in its place)

        ``match`` is a sorted tuple of (OXM class, field, value, mask); ``instructions`` are the bytes.
        """
        return sorted(
            (
                flow.table,
                flow.priority,
                tuple(sorted((*key, value, mask) for key, (value, mask, _) in flow.fields.items())),
                flow.cookie if cookies else 0,
                flow.instructions,
                (flow.idle_timeout, flow.hard_timeout, flow.flags),
            )
            for flow in list(self.tables.flows.values())
        )

    def dump_groups(self) -> list[tuple[int, int, bytes]]:
        """Return all groups as sorted (number, type, bucket bytes)."""
        return sorted((number, kind, buckets) for number, (kind, buckets) in self.tables.groups.items())


HANDLERS = {
    HELLO: FakeSwitch._hello,
    ERROR: FakeSwitch._nothing,
    ECHO_REQUEST: FakeSwitch._echo,
    ECHO_REPLY: FakeSwitch._nothing,
    EXPERIMENTER: FakeSwitch._experimenter,
    FEATURES_REQUEST: FakeSwitch._features,
    GET_CONFIG_REQUEST: FakeSwitch._get_config,
    SET_CONFIG: FakeSwitch._set_config,
    PACKET_OUT: FakeSwitch._packet_out,
    FLOW_MOD: FakeSwitch._flow_mod,
    GROUP_MOD: FakeSwitch._group_mod,
    PORT_MOD: FakeSwitch._nothing,
    TABLE_MOD: FakeSwitch._nothing,
    MULTIPART_REQUEST: FakeSwitch._multipart,
    BARRIER_REQUEST: FakeSwitch._barrier,
    ROLE_REQUEST: FakeSwitch._role,
    SET_ASYNC: FakeSwitch._nothing,
    METER_MOD: FakeSwitch._nothing,
}
MULTIPARTS = {
    0: FakeSwitch._desc,
    1: FakeSwitch._flow_stats,
    2: FakeSwitch._aggregate,
    3: FakeSwitch._table_stats,
    7: FakeSwitch._group_desc,
    8: FakeSwitch._group_features,
    13: FakeSwitch._port_desc,
}


def message(kind: int, xid: int, body: bytes = b"", version: int = 4) -> bytes:
    """Return a whole message."""
    return struct.pack(">BBHI", version, kind, 8 + len(body), xid) + body


def match_bytes(oxms: bytes) -> bytes:
    """Return an OXM match with its padding."""
    return struct.pack(">HH", 1, 4 + len(oxms)) + oxms + bytes(-(4 + len(oxms)) % 8)


def error(exc: SwitchError, xid: int, data: bytes) -> bytes:
    """Return the ERROR for a refused message."""
    body = struct.pack(">HH", exc.kind, exc.code)
    if exc.experimenter is not None:
        body += struct.pack(">I", exc.experimenter)
    return message(ERROR, xid, body + data[:64])


def bundle_reply(xid: int, number: int, kind: int, flags: int) -> bytes:
    """Return a control message of the ONF bundle extension."""
    return message(EXPERIMENTER, xid, struct.pack(">IIIHH", ONF, BUNDLE_CONTROL, number, kind, flags))


def port_bytes(number: int, name: str, mac_prefix: int = 0x0200) -> bytes:
    """Return the description of a port that is up with 10 Gbit/s."""
    mac = struct.pack(">HI", mac_prefix, number & 0xFFFFFFFF)
    return struct.pack(
        ">I4x6s2x16sIIIIIIII", number, mac, name.encode(), 0, 4 if number != LOCAL_PORT else 0,
        0x840, 0x840, 0x840, 0, 10_000_000, 10_000_000,
    )  # fmt: skip


def flow_stats(flow: Flow) -> bytes:
    """Return the statistics entry of a flow."""
    match = match_bytes(flow.match)
    size = 48 + len(match) + len(flow.instructions)
    head = struct.pack(
        ">HBxIIHHHH4xQQQ", size, flow.table, 0, 0, flow.priority, flow.idle_timeout, flow.hard_timeout, flow.flags,
        flow.cookie, flow.packets, flow.bytes,
    )  # fmt: skip
    return head + match + flow.instructions


def multipart(kind: int, xid: int, entries: list[bytes]) -> bytes:
    """Return the parts of a multipart reply."""
    parts: list[list[bytes]] = [[]]
    size = 0
    for entry in entries:
        if size + len(entry) > PART_SIZE:
            parts.append([])
            size = 0
        parts[-1].append(entry)
        size += len(entry)
    return b"".join(
        message(MULTIPART_REPLY, xid, struct.pack(">HH4x", kind, MORE if part is not parts[-1] else 0) + b"".join(part))
        for part in parts
    )


def oxm_values(oxms: bytes) -> dict[int, bytes]:
    """Return header -> payload of an OXM list."""
    return dict(split_oxms(oxms))


class SocketSwitch:
    """Runs a :class:`FakeSwitch` on a connected socket, in a thread.

    The switch's own methods are called under ``lock``; take it in a test that reads several values of a running switch.
    """

    def __init__(self, switch: FakeSwitch, sock: socket.socket) -> None:
        self.switch, self.socket = switch, sock
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.closed = False
        self.thread = threading.Thread(target=self._run, daemon=True)

    @classmethod
    @contextlib.contextmanager
    def connect(cls, switch: FakeSwitch, address: tuple[str, int], timeout: float = 5) -> Iterator[SocketSwitch]:
        """Connect to a controller (retrying until it listens) and run until the block ends."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                sock = socket.create_connection(address, timeout=timeout)
                break
            except ConnectionRefusedError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
        with cls(switch, sock).running() as running:
            yield running

    @contextlib.contextmanager
    def running(self) -> Iterator[SocketSwitch]:
        """Say hello, answer until the block ends, then close the socket."""
        self.socket.settimeout(None)
        self.thread.start()
        try:
            yield self
        finally:
            self.close()

    def _run(self) -> None:
        try:
            self.send(self.switch.greet())
            while True:
                data = self.socket.recv(65536)
                if not data:
                    break
                with self.lock:
                    answer = self.switch.feed(data)
                    self.changed.notify_all()
                self.send(answer)
        except OSError:
            self.closed = True
        with self.lock:
            self.closed = True
            self.changed.notify_all()

    def send(self, data: bytes) -> None:
        """Send bytes to the controller, for instance a packet-in."""
        if data:
            self.socket.sendall(data)

    def wait(self, condition: Callable[[FakeSwitch], Any], timeout: float = 5) -> Any:
        """Wait until `condition(switch)` is true after some message; return its value or raise TimeoutError."""
        with self.lock:
            if not self.changed.wait_for(lambda: condition(self.switch), timeout):
                raise TimeoutError("the switch did not reach the state in time")
            return condition(self.switch)

    def close(self) -> None:
        """Close the connection and end the thread."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        if self.thread.is_alive() and threading.current_thread() is not self.thread:
            self.thread.join(5)
