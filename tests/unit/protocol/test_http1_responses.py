"""Reading responses, writing messages, and h11 as an independent peer for both (RFC 9112)."""

from __future__ import annotations

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlcp.protocol._wire.http1 import DONE, RequestReader, ResponseReader
from vlcp.protocol._wire.http1_messages import Body, End, RequestHead, ResponseHead
from vlcp.protocol._wire.http1_write import BodyWriter, write_chunk, write_head
from vlcp.protocol._wire.http_headers import CHUNKED, UNTIL_CLOSE, ProtocolError


def read(data, methods=(b"GET",), step=None, close=False, **options):
    """Return (events with joined bodies, reader) for a response given whole or in pieces of ``step`` bytes."""
    reader = ResponseReader(**options)
    for method in methods:
        reader.expect(method)
    events = []
    pieces = [data] if step is None else [data[i : i + step] for i in range(0, len(data), step)]
    for index, piece in enumerate(pieces):
        reader.receive(piece)
        if close and index == len(pieces) - 1:
            reader.receive_eof()
        while True:
            event = reader.next_event()
            if event is None:
                break
            if isinstance(event, Body) and isinstance(events[-1], Body):
                event = Body(events.pop().data + event.data)
            events.append(event)
    return events, reader


RESPONSES = {
    "length": (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", b"GET", 200, b"hi", True),
    "no reason": (b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nhi", b"GET", 200, b"hi", True),
    "empty reason": (b"HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nhi", b"GET", 200, b"hi", True),
    "chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", b"GET", 200, b"hi", True),
    "until close": (b"HTTP/1.0 200 OK\r\n\r\nhi\r\n", b"GET", 200, b"hi\r\n", False),
    "no body in 204": (b"HTTP/1.1 204 No Content\r\nContent-Length: 7\r\n\r\n", b"GET", 204, b"", True),
    "no body in 304": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", b"GET", 304, b"", True),
    "no body for HEAD": (b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", b"HEAD", 200, b"", True),
    "HTTP/0.9": (b"hello\n", b"GET", 200, b"hello\n", False),
}


@pytest.mark.parametrize("name", RESPONSES)
@pytest.mark.parametrize("step", [None, 1, 3])
def test_a_response_is_read_with_its_body(name, step):
    data, method, status, body, keepalive = RESPONSES[name]
    events, reader = read(data, (method,), step, close=not keepalive, allow_no_header=True)
    assert isinstance(events[0], ResponseHead)
    assert (events[0].status, events[0].keepalive, events[0].isfinal) == (status, keepalive, True)
    assert b"".join(event.data for event in events if isinstance(event, Body)) == body
    assert isinstance(events[-1], End) == (events[0].length != 0)
    assert (reader.state == DONE) is not keepalive


def test_interim_responses_come_before_the_final_one_of_the_same_request():
    data = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 OK\r\n\r\n"
    events, _ = read(data)
    assert [(event.status, event.isfinal) for event in events] == [(100, False), (103, False), (204, True)]


def test_pipelined_responses_are_framed_by_the_method_of_their_own_request():
    data = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" + b"HTTP/1.1 201 OK\r\nContent-Length: 2\r\n\r\nhi"
    events, _ = read(data, (b"HEAD", b"GET"))
    assert [type(event).__name__ for event in events] == ["ResponseHead", "ResponseHead", "Body", "End"]


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/2.0 200 OK\r\n\r\n",
        b"HTTP/1.1  200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        b"HTTP/1.1 200 O\x00K\r\n\r\n",
        b"hello",
    ],
)
def test_a_malformed_response_is_refused(data):
    for step in (None, 1):
        with pytest.raises(ProtocolError):
            read(data, step=step, close=True)


def test_a_response_that_nobody_asked_for_or_that_is_cut_short_is_refused():
    with pytest.raises(ProtocolError):
        read(b"HTTP/1.1 200 OK\r\n\r\n", methods=())
    for cut in (b"HTTP/1.1 200 O", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi"):
        with pytest.raises(ProtocolError):
            read(cut, close=True)


@pytest.mark.parametrize(
    "field", [(b"A b", b"c"), (b"", b"c"), (b"A", b"b\r\nC: d"), (b"A", b"b\n"), (b"A", b"b\x00"), (b"A", b"b\r")]
)
def test_a_head_that_would_split_the_message_is_never_written(field):
    with pytest.raises(ValueError):
        write_head(b"HTTP/1.1 200 OK", [field])


def test_a_body_writer_holds_the_length_that_was_announced():
    writer = BodyWriter(3)
    assert writer.data(b"ab") == b"ab"
    with pytest.raises(ValueError):
        writer.end()
    with pytest.raises(ValueError):
        writer.data(b"cd")
    assert BodyWriter(0).end() == b"" == BodyWriter(UNTIL_CLOSE).end()
    chunks = BodyWriter(CHUNKED)
    assert chunks.data(b"") == b"" and chunks.data(b"x" * 17) == b"11\r\n" + b"x" * 17 + b"\r\n"
    assert chunks.end([(b"A", b"b")]) == b"0\r\nA: b\r\n\r\n"


def test_an_empty_chunk_is_not_written_because_it_would_end_the_body():
    assert write_chunk(b"") == b""


NAMES = st.text("abcdefXYZ-", min_size=1, max_size=8).map(lambda text: b"X-" + text.encode())
VALUES = st.text("abc ,;=\t~!", max_size=12).map(lambda text: text.strip().encode())


@given(st.lists(st.tuples(NAMES, VALUES), max_size=5), st.lists(st.binary(min_size=1, max_size=40), max_size=4), st.booleans())
@settings(max_examples=100, deadline=None)
def test_h11_and_we_read_and_write_the_same_requests(fields, pieces, chunked):
    size = sum(map(len, pieces))
    framing = (b"Transfer-Encoding", b"chunked") if chunked else (b"Content-Length", b"%d" % size)
    all_fields = [(b"Host", b"example.org"), framing, *fields]
    writer = BodyWriter(CHUNKED if chunked else size)
    ours = write_head(b"POST /x?y=1 HTTP/1.1", all_fields)
    ours += b"".join(writer.data(piece) for piece in pieces) + writer.end()

    client = h11.Connection(h11.CLIENT)
    theirs = client.send(h11.Request(method="POST", target="/x?y=1", headers=all_fields))
    theirs += b"".join(client.send(h11.Data(data=piece)) for piece in pieces) + client.send(h11.EndOfMessage())

    server = h11.Connection(h11.SERVER)
    server.receive_data(ours)
    first = server.next_event()
    lowered = [(name.lower(), value) for name, value in all_fields]
    assert (first.method, first.target, list(first.headers)) == (b"POST", b"/x?y=1", lowered)
    body = b""
    while not isinstance(event := server.next_event(), h11.EndOfMessage):
        body += bytes(event.data)
    assert body == b"".join(pieces)

    reader = RequestReader()
    reader.receive(theirs)
    head = reader.next_event()
    assert isinstance(head, RequestHead) and list(head.fields) == lowered
    body = b""
    while isinstance(event := reader.next_event(), Body):
        body += event.data
    assert body == b"".join(pieces)


@given(
    st.lists(st.sampled_from([b"HTTP/1.1 ", b"200 OK", b"\r\n", b"Content-Length: 3", b"abc", b"\n", b"1", b"\x00"]), max_size=20)
)
@settings(max_examples=200, deadline=None)
def test_no_response_bytes_raise_anything_but_the_protocol_error(pieces):
    for close in (False, True):
        try:
            read(b"".join(pieces), close=close, allow_no_header=False)
        except ProtocolError:
            continue
