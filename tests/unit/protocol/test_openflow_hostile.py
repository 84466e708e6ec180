"""Unknown and malformed messages end in a message, in an error reply, or in the documented error, in every state."""

from __future__ import annotations

import struct

import pytest
from namedstruct.namedstruct import ParseError, dump
from support import ofvectors10, ofvectors13

from vlcp.event.connection import ConnectionWriteEvent
from vlcp.protocol.openflow._handshake import State
from vlcp.protocol.openflow._session import Session
from vlcp.protocol.openflow.openflow import Openflow

PROTOCOL = Openflow()
VECTORS = {"1.0": ofvectors10, "1.3": ofvectors13}
PACKED = {
    version: {name: message._tobytes() for name, message in module.messages().items()} for version, module in VECTORS.items()
}
#: Messages are shared out among so many tests.
SHARES = 4


class Peer:
    """What parsing needs of a connection."""

    connmark = 0
    openflow_datapathid = 1
    openflow_auxiliaryid = 0

    def __init__(self, version: str, state: State = State.READY) -> None:
        self.openflowdef = VECTORS[version].of
        self.openflow_session = Session()
        self.openflow_session.state = state
        if state is not State.HELLO:
            self.openflow_session.version = self.openflowdef.OFP_VERSION


def receive(peer: Peer, data: bytes, use: bool) -> list[str]:
    """Let the protocol parse bytes; return the kinds of events, or the documented error.

    :param use: read all fields of the messages that come out, and pack them
    """
    try:
        events, keep = PROTOCOL.parse(peer, memoryview(data), 0)
    except PROTOCOL.parse_errors as error:
        assert str(error), "an error says what is wrong"
        return [type(error).__name__]
    assert 0 <= keep <= len(data)
    for event in events if use else ():
        if not isinstance(event, ConnectionWriteEvent) and hasattr(event, "message"):
            dump(event.message)
            event.message._tobytes()
    return [type(event).__name__ for event in events]


def with_words(data: bytes):
    """Yield the message with each of its 16 bit words set to 0, 1 and 0xffff."""
    for offset in range(0, len(data) - 1, 2):
        for value in (0, 1, 0xFFFF):
            yield data[:offset] + struct.pack(">H", value) + data[offset + 2 :]


@pytest.mark.parametrize("share", range(SHARES))
@pytest.mark.parametrize("version", VECTORS)
def test_each_word_of_each_message_may_be_anything(version, share):
    for data in list(PACKED[version].values())[share::SHARES]:
        for changed in with_words(data):
            receive(Peer(version), changed, True)


@pytest.mark.parametrize("version", VECTORS)
def test_each_message_may_come_too_early(version):
    for state in (State.HELLO, State.FEATURES):
        for data in PACKED[version].values():
            receive(Peer(version, state), data, True)


@pytest.mark.parametrize(
    ("state", "name"), [(State.HELLO, "hello"), (State.FEATURES, "features reply"), (State.FEATURES, "error")]
)
@pytest.mark.parametrize("version", VECTORS)
def test_each_word_of_the_set_up_may_be_anything(version, state, name):
    for changed in with_words(PACKED[version][name]):
        receive(Peer(version, state), changed, True)


@pytest.mark.parametrize("version", VECTORS)
def test_each_message_may_be_shorter_than_its_kind(version):
    for name, data in PACKED[version].items():
        if len(data) <= 160:
            for length in range(8, len(data)):
                changed = data[:2] + struct.pack(">H", length) + data[4:length]
                assert receive(Peer(version), changed, False) is not None, name


@pytest.mark.parametrize("version", VECTORS)
def test_a_message_of_any_type_is_delivered_answered_or_passed_over(version):
    of = VECTORS[version].of
    for kind in range(256):
        for body in (b"", bytes(8), b"\xff" * 64):
            data = struct.pack(">BBHI", of.OFP_VERSION, kind, 8 + len(body), 7) + body
            seen = receive(Peer(version), data, True)
            known = kind in of.ofp_type_reply_set | of.ofp_type_asyncmessage_set or kind <= 4
            assert known or seen == ["ConnectionWriteEvent"], (kind, body)


def test_a_message_that_reaches_into_the_next_one_is_no_loop():
    peer = Peer("1.3")
    two = PACKED["1.3"]["echo"] + PACKED["1.3"]["features reply"]
    assert receive(peer, two, True) == ["_UrgentWriteEvent", "OpenflowResponseEvent"]
    longer = two[:2] + struct.pack(">H", len(two)) + two[4:]
    assert receive(peer, longer, True) == ["_UrgentWriteEvent"]
    assert issubclass(ParseError, ValueError)


@pytest.mark.parametrize(
    ("body", "elements"),
    [("", 0), ("0001000800000012", 1), ("00090008000000000001000800000012", 2), ("00010003", 0), ("00ff00060102ffff0001", 0)],
)
def test_a_hello_with_any_elements_sets_up_a_connection(body, elements):
    peer, body = Peer("1.3", State.HELLO), bytes.fromhex(body)
    events, _keep = PROTOCOL.parse(peer, memoryview(struct.pack(">BBHI", 4, 0, 8 + len(body), 7) + body), 0)
    assert peer.openflow_session.version == 4
    assert len(getattr(events[0].message, "elements", ())) == elements
