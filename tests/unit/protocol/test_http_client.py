"""The client's side of HTTP against the standard library's server, our own, and hand-made answers."""

from __future__ import annotations

import contextlib
import http.server
import socket
import threading

import pytest
from support.poller import run_scheduler
from support.webserver import HttpThread

from vlcp.event.connection import Client
from vlcp.event.stream import MemoryStream, Stream
from vlcp.protocol.http import Http, HttpConnectionClosedException, HttpResponseEndEvent
from vlcp.utils.http import HttpHandler


class Handler(http.server.BaseHTTPRequestHandler):
    """An echo server of another make."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = ("%s %s %s" % (self.command, self.path, self.headers["Host"])).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET

    def do_POST(self):
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"%x\r\n%b\r\n0\r\nX-Trailer: t\r\n\r\n" % (len(body), body))

    def log_message(self, *args):
        """Be silent."""


@contextlib.contextmanager
def stdlib_server():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


@contextlib.contextmanager
def answers(*pieces, wait=False):
    """Listen, take one connection, send the pieces as answer to whatever comes, close; yields (port, received)."""
    listener = socket.create_server(("127.0.0.1", 0))
    received = []

    def serve():
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(5)
            for piece in pieces:
                received.append(connection.recv(65536))
                connection.sendall(piece)
            if wait:
                with contextlib.suppress(OSError):
                    while data := connection.recv(65536):
                        received.append(data)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1], received
    finally:
        thread.join(10)
        listener.close()


def with_client(port, action, **settings):
    """Run ``action(container, protocol, client)`` with a connected client; return its result."""

    async def run(container):
        protocol = Http(False)
        vars(protocol).update(settings)
        client = Client(f"tcp://127.0.0.1:{port}/", protocol, container.scheduler)
        connected = protocol.statematcher(client, "clientconnect", False)
        client.start()
        await connected
        try:
            return await action(container, protocol, client)
        finally:
            await client.shutdown(True)

    return run_scheduler(run, timeout=15)


async def fetch(container, protocol, client, *args, **kwargs):
    response, all_responses = await protocol.request_with_response(container, client, b"h.example", *args, **kwargs)
    try:
        body = await response.stream.read(container)
    except EOFError:
        body = b""
    return response, all_responses, body


def test_requests_follow_each_other_on_one_connection_to_another_server():
    async def action(container, protocol, client):
        _, _, one = await fetch(container, protocol, client, b"/one")
        response, _, two = await fetch(container, protocol, client, b"/two", b"HEAD")
        _, _, three = await fetch(container, protocol, client, b"/3", b"POST", [], b"bytes")
        _, _, four = await fetch(container, protocol, client, b"/4", b"POST", [], MemoryStream(b"m" * 300000))
        return one, response.status, two, three, four, client.connmark

    with stdlib_server() as port:
        one, status, two, three, four, connmark = with_client(port, action)
    assert (one, status, two, three, connmark) == (b"GET /one h.example", 200, b"", b"bytes", 0)
    assert four == b"m" * 300000


def test_a_stream_without_a_length_is_sent_in_chunks_and_trailers_come_back():
    async def action(container, protocol, client):
        stream = Stream()

        async def produce():
            for number in range(5):
                await stream.write(b"%d" % number * 10000, container, number == 4)

        container.subroutine(produce())
        response, _, body = await fetch(container, protocol, client, b"/", b"POST", [], stream)
        return body, response.stream.trailers

    with stdlib_server() as port:
        body, trailers = with_client(port, action)
    assert body == b"".join(b"%d" % number * 10000 for number in range(5))
    assert trailers == [(b"x-trailer", b"t")]


class Slow(HttpHandler):
    @HttpHandler.route(b"/([0-9.]+)")
    async def slow(self, env):
        await self.wait_with_timeout(float(env.path_match.group(1)))
        env.outputdata(env.path)

    @HttpHandler.route(b"/upload", method=[b"POST"])
    async def upload(self, env):
        env.outputdata(b"%d" % len(await env.readbody()))

    @HttpHandler.route(b"/refuse", method=[b"POST"])
    async def refuse(self, env):
        await env.error(403)


def test_several_requests_at_once_get_their_own_responses():
    async def action(container, protocol, client):
        jobs = [fetch(container, protocol, client, b"/0.%d" % number) for number in (2, 1, 0)]
        return [body for _, _, body in await container.execute_all(jobs)]

    with HttpThread(Slow) as thread:
        assert with_client(thread.port, action) == [b"/0.2", b"/0.1", b"/0.0"]


def test_the_server_is_asked_before_a_long_body_if_that_is_set():
    async def action(container, protocol, client):
        _, responses, body = await fetch(container, protocol, client, b"/upload", b"POST", [], MemoryStream(b"x" * 100000))
        refused, _, _ = await fetch(container, protocol, client, b"/refuse", b"POST", [], MemoryStream(b"x" * 100000))
        return [one.status for one in responses], body, refused.status

    with HttpThread(Slow) as thread:
        assert with_client(thread.port, action, useexpect=True) == ([100, 200], b"100000", 403)


def test_a_server_that_does_not_say_continue_gets_the_body_after_a_while():
    async def action(container, protocol, client):
        return (await fetch(container, protocol, client, b"/", b"POST", [], MemoryStream(b"x" * 5000)))[2]

    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    with answers(b"", answer) as (port, received):
        assert with_client(port, action, useexpect=True, expecttimeout=0.2) == b"ok"
    assert b"Expect: 100-continue" in received[0] and received[1] == b"x" * 5000


@pytest.mark.parametrize(
    ("answer", "body", "status"),
    [
        (b"HTTP/1.0 200 OK\r\n\r\nuntil close", b"until close", 200),
        (b"plain text of HTTP/0.9", b"plain text of HTTP/0.9", 200),
        (b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 404 Nope\r\nContent-Length: 1\r\n\r\nx", b"x", 404),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nxyz", b"x", 200),
    ],
)
def test_odd_answers_are_understood(answer, body, status):
    async def action(container, protocol, client):
        response, _, got = await fetch(container, protocol, client)
        return response.status, got

    with answers(answer) as (port, _):
        assert with_client(port, action) == (status, body)


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", b"HTTP/9.9 OK\r\n\r\n"]
)
def test_an_answer_that_ends_or_breaks_in_its_head_raises(answer):
    async def action(container, protocol, client):
        await fetch(container, protocol, client)

    with answers(answer) as (port, _), pytest.raises(HttpConnectionClosedException):
        with_client(port, action, allownoheader=False)


def test_an_answer_that_ends_in_its_body_breaks_the_stream():
    async def action(container, protocol, client):
        await fetch(container, protocol, client)

    with answers(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc") as (port, _), pytest.raises(OSError):
        with_client(port, action)


def test_a_request_on_a_closed_or_closing_connection_is_refused():
    async def action(container, protocol, client):
        await fetch(container, protocol, client, keepalive=False)
        with pytest.raises(HttpConnectionClosedException):
            protocol.send_request(client, b"h")
        await client.shutdown(True)
        await container.wait_with_timeout(0.2)
        with pytest.raises(HttpConnectionClosedException):
            protocol.send_request(client, b"h")

    with HttpThread(Slow) as thread:
        with_client(thread.port, action)


def test_the_end_of_a_response_is_announced():
    async def action(container, protocol, client):
        xid = protocol.send_request(client, b"h", b"/0.1")
        event = await HttpResponseEndEvent.createMatcher(client, client.connmark, xid)
        return event.keepalive

    with HttpThread(Slow) as thread:
        assert with_client(thread.port, action) is True


def test_an_idle_client_closes_its_connection():
    async def action(container, protocol, client):
        await fetch(container, protocol, client, b"/0")
        closed = protocol.statematcher(client)
        timed_out, _, _ = await container.wait_with_timeout(3, closed)
        return timed_out

    with HttpThread(Slow) as thread:
        assert with_client(thread.port, action, idletimeout=0.3) is False


def test_a_header_that_would_split_a_request_is_refused():
    async def action(container, protocol, client):
        for bad in ({"headers": [(b"X", b"a\r\nY: b")]}, {"path": b"/a b\r\nX: y"}, {"method": b"GET / HTTP/1.1\r\nX:"}):
            with pytest.raises(ValueError):
                protocol.send_request(client, b"h", **bad)

    with HttpThread(Slow) as thread:
        with_client(thread.port, action)


def test_a_body_that_nobody_reads_stops_the_connection_and_not_the_memory():
    class Large(HttpHandler):
        @HttpHandler.route(b"/")
        async def large(self, env):
            for _ in range(200):
                await env.write(b"x" * 100_000, buffering=False)

    async def action(container, protocol, client):
        response, _ = await protocol.request_with_response(container, client, b"h")
        await container.wait_with_timeout(0.5)
        held = response.stream.buffered
        return held, len(await response.stream.read(container))

    with HttpThread(Large) as thread:
        held, total = with_client(thread.port, action)
    assert held < 400_000 and total == 20_000_000
