"""Reading requests: what is taken, what is refused (RFC 9110, RFC 9112), however the bytes are cut."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlcp.protocol._wire.http1 import DONE, ERROR, IDLE, RequestReader
from vlcp.protocol._wire.http1_messages import Body, End, RequestHead
from vlcp.protocol._wire.http_headers import CHUNKED, Limits, ProtocolError

HOST = b"Host: a\r\n"


def collect(reader, pieces):
    """Feed ``pieces`` and return the events, bodies joined; stops at the end of the pieces."""
    events = []
    for piece in pieces:
        reader.receive(piece)
        while True:
            event = reader.next_event()
            if event is None:
                break
            if isinstance(event, Body) and events and isinstance(events[-1], Body):
                event = Body(events.pop().data + event.data)
            events.append(event)
    return events


def outcome(pieces, limits=Limits()):
    """Return the events, or the status with which the bytes are refused."""
    try:
        return collect(RequestReader(limits), pieces)
    except ProtocolError as error:
        assert "\n" not in str(error)
        return error.status


def each_byte(data):
    return [data[i : i + 1] for i in range(len(data))]


VALID = {
    "get": (b"GET /a?b=1 HTTP/1.1\r\n" + HOST + b"\r\n", b"GET", b"/a?b=1", b"a", b""),
    "empty lines before (9112 2.2)": (b"\r\n\r\nGET / HTTP/1.1\r\n" + HOST + b"\r\n", b"GET", b"/", b"a", b""),
    "no host in 1.0": (b"GET / HTTP/1.0\r\n\r\n", b"GET", b"/", b"", b""),
    "higher minor version (9110 6.2)": (b"GET / HTTP/1.7\r\n" + HOST + b"\r\n", b"GET", b"/", b"a", b""),
    "blanks around a value": (b"GET / HTTP/1.1\r\nHost:\t a \t\r\n\r\n", b"GET", b"/", b"a", b""),
    "empty host": (b"GET / HTTP/1.1\r\nHost:\r\n\r\n", b"GET", b"/", b"", b""),
    "host with port": (b"GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", b"GET", b"/", b"[::1]:80", b""),
    "absolute form (9112 3.2.2)": (b"GET http://b:1/x?y HTTP/1.1\r\n" + HOST + b"\r\n", b"GET", b"/x?y", b"b:1", b""),
    "absolute form without path": (b"GET http://b HTTP/1.1\r\n" + HOST + b"\r\n", b"GET", b"/", b"b", b""),
    "asterisk form (9112 3.2.4)": (b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n", b"OPTIONS", b"*", b"a", b""),
    "authority form (9112 3.2.3)": (b"CONNECT b:443 HTTP/1.1\r\n" + HOST + b"\r\n", b"CONNECT", b"b:443", b"a", b""),
    "unknown method": (b"BREW /pot HTTP/1.1\r\n" + HOST + b"\r\n", b"BREW", b"/pot", b"a", b""),
    "bytes above ASCII in a path": (b"GET /\xc3\xa9 HTTP/1.1\r\n" + HOST + b"\r\n", b"GET", b"/\xc3\xa9", b"a", b""),
    "body": (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nhello", b"POST", b"/", b"a", b"hello"),
    "equal lengths (9110 8.6)": (
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\nContent-Length: 2, 2\r\n\r\nhi",
        b"POST",
        b"/",
        b"a",
        b"hi",
    ),
    "length 0": (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 0\r\n\r\n", b"POST", b"/", b"a", b""),
    "chunks (9112 7.1)": (
        b"POST / HTTP/1.1\r\n" + HOST + b'Transfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n00A;x="y"\r\n0123456789\r\n0\r\n\r\n',
        b"POST",
        b"/",
        b"a",
        b"hello0123456789",
    ),
    "no chunks": (
        b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n000\r\n\r\n",
        b"POST",
        b"/",
        b"a",
        b"",
    ),
}


@pytest.mark.parametrize("name", VALID)
def test_a_valid_request_is_read_whole_and_byte_by_byte_with_the_same_events(name):
    data, method, target, host, body = VALID[name]
    whole = outcome([data])
    assert outcome(each_byte(data)) == whole
    head = whole[0]
    assert isinstance(head, RequestHead)
    assert (head.method, head.target, head.host) == (method, target, host)
    assert b"".join(event.data for event in whole if isinstance(event, Body)) == body
    assert isinstance(whole[-1], End) == (head.length != 0)


@pytest.mark.parametrize("name", VALID)
def test_a_second_request_behind_a_valid_one_is_read_too(name):
    data = VALID[name][0]
    second = b"GET /second HTTP/1.1\r\n" + HOST + b"\r\n"
    events = outcome([data + second])
    if b"HTTP/1.0" in data:
        assert len(events) == 1
    else:
        assert events[-1].target == b"/second"


def request(*lines, first=b"POST / HTTP/1.1", body=b""):
    return b"\r\n".join((first, b"Host: a") + lines) + b"\r\n\r\n" + body


CHUNKS = b"Transfer-Encoding: chunked"
REFUSED = {
    "both lengths (9112 6.1)": request(b"Content-Length: 5", CHUNKS, body=b"0\r\n\r\n"),
    "both lengths, other order": request(CHUNKS, b"Content-Length: 5", body=b"0\r\n\r\n"),
    "different lengths (9112 6.3)": request(b"Content-Length: 5", b"Content-Length: 6", body=b"hello!"),
    "different lengths in one line": request(b"Content-Length: 5, 6", body=b"hello!"),
    "signed length": request(b"Content-Length: +5", body=b"hello"),
    "negative length": request(b"Content-Length: -1"),
    "hexadecimal length": request(b"Content-Length: 0x5", body=b"hello"),
    "length with underscore": request(b"Content-Length: 1_0", body=b"0123456789"),
    "blank inside a length": request(b"Content-Length: 1 0", body=b"0123456789"),
    "empty length": request(b"Content-Length:"),
    "huge length": request(b"Content-Length: " + b"9" * 40),
    "non-ASCII digits": request("Content-Length: \u0665".encode(), body=b"hello"),
    "unknown coding (9112 6.1)": request(b"Transfer-Encoding: gzip", body=b"x"),
    "chunked twice": request(CHUNKS, CHUNKS, body=b"0\r\n\r\n"),
    "chunked not last": request(b"Transfer-Encoding: chunked, identity", body=b"0\r\n\r\n"),
    "quoted chunked": request(b'Transfer-Encoding: "chunked"', body=b"0\r\n\r\n"),
    "vertical tab before chunked": request(b"Transfer-Encoding: \x0bchunked", body=b"0\r\n\r\n"),
    "chunked in 1.0 (9112 6.1)": request(CHUNKS, first=b"POST / HTTP/1.0", body=b"0\r\n\r\n"),
    "blank before the colon (9112 5.1)": request(b"Content-Length : 5", body=b"hello"),
    "tab before the colon": request(b"Transfer-Encoding\t: chunked", body=b"0\r\n\r\n"),
    "folded line (9112 5.2)": request(b"X: a", b" b"),
    "folded first line": b"GET / HTTP/1.1\r\n Host: a\r\n\r\n",
    "header without colon": request(b"X"),
    "header without name": request(b": x"),
    "blank in a name": request(b"X Y: z"),
    "NUL in a value (9110 5.5)": request(b"X: a\x00b"),
    "NUL in a name": request(b"X\x00: b"),
    "control character in a value": request(b"X: a\x01b"),
    "delete character in a value": request(b"X: a\x7fb"),
    "bare LF in a head (9112 2.2)": b"GET / HTTP/1.1\nHost: a\n\n",
    "bare LF in one line": b"GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",
    "bare CR in a head": b"GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n",
    "CR CR LF": b"GET / HTTP/1.1\r\nHost: a\r\r\n\r\n",
    "no host (9112 3.2)": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": request(b"Host: b"),
    "two equal hosts": request(b"Host: a"),
    "bad host": b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
    "host with path": b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
    "host with user": b"GET / HTTP/1.1\r\nHost: u@b\r\n\r\n",
    "host list": b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n",
    "two blanks in the request line (9112 3)": b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
    "tab in the request line": b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "blank behind the version": b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
    "lower-case version": b"GET / http/1.1\r\nHost: a\r\n\r\n",
    "two-digit version": b"GET / HTTP/1.10\r\nHost: a\r\n\r\n",
    "no version (HTTP/0.9)": b"GET /\r\n\r\n",
    "no target": b"GET HTTP/1.1\r\nHost: a\r\n\r\n",
    "relative target": b"GET a HTTP/1.1\r\nHost: a\r\n\r\n",
    "asterisk with GET": b"GET * HTTP/1.1\r\nHost: a\r\n\r\n",
    "user in absolute form": b"GET http://u@b/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "blank before the method": b" GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "method with a colon": b"G:T / HTTP/1.1\r\nHost: a\r\n\r\n",
    "TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 64 + b"\r\n\r\n",
    "too many empty lines": b"\r\n" * 40,
    "chunk size with sign": request(CHUNKS, body=b"+5\r\nhello\r\n0\r\n\r\n"),
    "chunk size with prefix": request(CHUNKS, body=b"0x5\r\nhello\r\n0\r\n\r\n"),
    "chunk size with blank": request(CHUNKS, body=b"5 \r\nhello\r\n0\r\n\r\n"),
    "chunk size with underscore": request(CHUNKS, body=b"1_0\r\n0123456789012345\r\n0\r\n\r\n"),
    "negative chunk size": request(CHUNKS, body=b"-1\r\nhello\r\n0\r\n\r\n"),
    "empty chunk size": request(CHUNKS, body=b"\r\nhello\r\n0\r\n\r\n"),
    "huge chunk size": request(CHUNKS, body=b"F" * 20 + b"\r\nhello\r\n0\r\n\r\n"),
    "chunk size ends with LF": request(CHUNKS, body=b"5\nhello\r\n0\r\n\r\n"),
    "chunk extension with CR": request(CHUNKS, body=b"5;a\rb\r\nhello\r\n0\r\n\r\n"),
    "chunk longer than its size": request(CHUNKS, body=b"4\r\nhello\r\n0\r\n\r\n"),
    "chunk ends with LF": request(CHUNKS, body=b"5\r\nhello\n0\r\n\r\n"),
    "chunk ends with two other bytes": request(CHUNKS, body=b"5\r\nhelloXX0\r\n\r\n"),
    "trailer with LF": request(CHUNKS, body=b"0\r\nA: b\n\r\n\r\n"),
    "trailer without colon": request(CHUNKS, body=b"0\r\nA\r\n\r\n"),
    "folded trailer": request(CHUNKS, body=b"0\r\nA: b\r\n c\r\n\r\n"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_request_that_two_programs_could_read_differently_is_refused(name):
    data = REFUSED[name]
    assert outcome([data]) == 400
    assert outcome(each_byte(data)) == 400


def test_versions_and_expectations_that_are_not_known_have_their_own_status():
    assert outcome([b"GET / HTTP/2.0\r\nHost: a\r\n\r\n"]) == 505
    assert outcome([b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]) == 505
    assert outcome([request(b"Expect: 200-ok", b"Content-Length: 1")]) == 417
    assert outcome([request(b"Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n")]) == 501


def test_after_an_error_nothing_more_is_read():
    reader = RequestReader()
    reader.receive(b"GET\r\n\r\n" + VALID["get"][0])
    with pytest.raises(ProtocolError):
        reader.next_event()
    reader.receive(VALID["get"][0])
    assert reader.next_event() is None
    assert (reader.state, reader.buffered) == (ERROR, 0)


def test_bytes_behind_the_last_request_of_a_connection_are_thrown_away():
    reader = RequestReader()
    reader.receive(request(b"Connection: keep-alive, Close") + b"GET / HTTP/1.1\r\n")
    assert reader.next_event().keepalive is False
    assert (reader.next_event(), reader.state, reader.buffered) == (None, DONE, 0)


def test_trailers_come_with_the_end_and_never_among_the_headers():
    events = outcome([request(CHUNKS, body=b"1\r\nx\r\n0\r\nHost: evil\r\nX-A:  1 \r\n\r\n")])
    assert events[0].host == b"a" and events[0].length == CHUNKED
    assert events[-1] == End([(b"host", b"evil"), (b"x-a", b"1")])


def test_repeated_fields_are_joined_but_kept_apart_in_order():
    head = outcome([request(b"X: 1", b"Y: 2", b"x: 3", b"Cookie: a=1", b"Cookie: b=2")])[0]
    assert head.combined[b"x"] == b"1, 3" and head.combined[b"cookie"] == b"a=1; b=2"
    assert [value for name, value in head.fields if name == b"x"] == [b"1", b"3"]


@pytest.mark.parametrize(
    ("version", "connection", "stays"),
    [
        (b"1.1", b"", True),
        (b"1.1", b"close", False),
        (b"1.1", b"Upgrade , CLOSE", False),
        (b"1.0", b"", False),
        (b"1.0", b"Keep-Alive", True),
        (b"1.0", b"keep-alive, close", False),
    ],
)
def test_the_connection_stays_open_as_version_and_options_say(version, connection, stays):
    head = outcome([b"GET / HTTP/" + version + b"\r\nHost: a\r\nConnection: " + connection + b"\r\n\r\n"])[0]
    assert head.keepalive is stays


@pytest.mark.parametrize(
    ("head", "expects"),
    [
        (request(b"Expect: 100-Continue", b"Content-Length: 1"), True),
        (request(b"Expect: 100-continue", b"Content-Length: 0"), False),
        (request(b"Expect: 100-continue", b"Content-Length: 1", first=b"POST / HTTP/1.0"), False),
    ],
)
def test_a_client_waits_for_100_only_with_a_body_in_1_1(head, expects):
    assert outcome([head])[0].expects_continue is expects


SMALL = Limits(head_line=32, header=64, header_count=3, trailer=16, trailer_count=2)


@pytest.mark.parametrize(
    ("data", "fits"),
    [
        (b"GET /" + b"a" * 18 + b" HTTP/1.1\r\n" + HOST + b"\r\n", True),
        (b"GET /" + b"a" * 19 + b" HTTP/1.1\r\n" + HOST + b"\r\n", False),
        (request(b"X: " + b"a" * 40), True),
        (request(b"X: " + b"a" * 90), False),
        (request(b"A: b", b"C: d"), True),
        (request(b"A: b", b"C: d", b"E: f"), False),
        (request(CHUNKS, body=b"1;" + b"a" * 13 + b"\r\nx\r\n0\r\n\r\n"), True),
        (request(CHUNKS, body=b"1;" + b"a" * 15 + b"\r\nx\r\n0\r\n\r\n"), False),
        (request(CHUNKS, body=b"0\r\nA: b\r\nC: d\r\n\r\n"), True),
        (request(CHUNKS, body=b"0\r\nA: b\r\nC: d\r\nE:\r\n\r\n"), False),
        (request(CHUNKS, body=b"0\r\nA: " + b"b" * 20 + b"\r\n\r\n"), False),
    ],
)
def test_each_limit_holds_for_whole_and_split_input(data, fits):
    assert (outcome([data], SMALL) not in (400, 414)) is fits
    assert (outcome(each_byte(data), SMALL) not in (400, 414)) is fits


def test_input_without_an_end_is_refused_at_the_limit_and_not_stored():
    for endless in (b"A" * 4096, b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 4096):
        reader = RequestReader(Limits(head_line=1000, header=10000, header_count=10))
        with pytest.raises(ProtocolError):
            for _ in range(40):
                reader.receive(endless)
                reader.next_event()
        assert reader.buffered == 0


def test_a_megabyte_head_byte_by_byte_costs_no_more_than_a_fixed_time_for_each_byte():
    data = request(b"X: " + b"a" * 300_000)
    begin = time.perf_counter()
    assert len(outcome(each_byte(data))) == 1
    assert time.perf_counter() - begin < 5


def test_an_end_of_input_between_requests_is_no_error_and_inside_one_is():
    reader = RequestReader()
    reader.receive_eof()
    assert reader.next_event() is None and reader.state == DONE
    reader = RequestReader()
    assert reader.between_messages and reader.state == IDLE
    reader.receive(b"GET / HT")
    reader.next_event()
    assert not reader.between_messages
    reader.receive_eof()
    with pytest.raises(ProtocolError):
        reader.next_event()


@given(st.sampled_from(sorted(VALID) + sorted(REFUSED)), st.lists(st.integers(1, 200), max_size=8))
@settings(max_examples=150, deadline=None)
def test_where_the_input_is_cut_makes_no_difference(name, cuts):
    data = VALID[name][0] if name in VALID else REFUSED[name]
    points = [0, *sorted(cut for cut in set(cuts) if cut < len(data)), len(data)]
    pieces = [data[a:b] for a, b in zip(points, points[1:])]
    assert outcome(pieces) == outcome([data])


ALPHABET = [b"GET ", b"/", b" HTTP/1.1", b"\r\n", b"\r", b"\n", b"Host: a", b"Content-Length: ", b"5", b"chunked"]
ALPHABET += [b"Transfer-Encoding: ", b"hello", b"0", b"\x00", b" ", b":", b",", b"\xff", b";", b"POST / HTTP/1.1\r\nHost: a\r\n"]


@given(st.lists(st.one_of(st.sampled_from(ALPHABET), st.binary(max_size=6)), max_size=40))
@settings(max_examples=400, deadline=None)
def test_no_input_raises_anything_but_the_protocol_error(pieces):
    result = outcome(pieces)
    assert result == outcome([b"".join(pieces)])
