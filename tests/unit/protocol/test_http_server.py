"""The server's side of HTTP on real loopback sockets: order, keep-alive, 100-continue, deadlines, hostile peers."""

from __future__ import annotations

import asyncio
import gzip
import http.client
import random
import socket
import struct
import time

import aiohttp
import pytest
from support.webserver import HttpThread, exchange

from vlcp.event.stream import FileStream, MemoryStream, Stream
from vlcp.protocol._http_side import BODY_HIGH_WATER, Outbox
from vlcp.protocol.http import Http
from vlcp.utils.http import HttpHandler


class Site(HttpHandler):
    """Pages for the tests; ``active`` and ``most`` count handlers that run at the same time."""

    active = most = 0
    hold = False
    failure = None

    @HttpHandler.route(b"/")
    async def home(self, env):
        env.outputdata(b"home")

    @HttpHandler.route(b"/after/([0-9.]+)/(.*)")
    async def after(self, env):
        self.active += 1
        self.most = max(self.most, self.active)
        await self.wait_with_timeout(float(env.path_match.group(1)))
        self.active -= 1
        env.outputdata(env.path_match.group(2))

    @HttpHandler.route(b"/echo", method=[b"POST"])
    async def echo(self, env):
        env.outputdata(await env.readbody(None))

    @HttpHandler.route(b"/count", method=[b"POST"])
    async def count(self, env):
        while self.hold:
            await self.wait_with_timeout(0.02)
        total = 0
        try:
            while True:
                total += len(await env.inputstream.read(self, 100000))
        except EOFError:
            env.outputdata(b"%d" % total)
        except OSError as error:
            Site.failure = error

    @HttpHandler.route(b"/ignore", method=[b"POST"])
    async def ignore(self, env):
        env.outputdata(b"ignored")

    @HttpHandler.route(b"/stream/([0-9]+)/([0-9]+)")
    async def stream(self, env):
        count, size = map(int, env.path_match.groups())
        for _ in range(count):
            await env.write(b"x" * size, buffering=False)

    @HttpHandler.route(b"/memory")
    async def memory(self, env):
        env.output(MemoryStream(b"m" * 3000))

    @HttpHandler.route(b"/broken")
    async def broken(self, env):
        stream = Stream()
        env.start_response(200, [(b"Content-Length", b"10")])
        env.output(stream)
        await stream.write(b"12345", self, True)

    @HttpHandler.route(b"/raise/early")
    async def early(self, env):
        raise KeyError("secret detail")

    @HttpHandler.route(b"/raise/late")
    async def late(self, env):
        await env.write(b"x", buffering=False)
        raise KeyError("late")

    @HttpHandler.route(b"/split")
    async def split(self, env):
        env.header("X", "a\r\nSet-Cookie: evil=1")
        env.outputdata(b"")

    @HttpHandler.route(b"/empty")
    async def empty(self, env):
        env.start_response(204)

    @HttpHandler.route(b"/text")
    async def text(self, env):
        env.outputdata("wörter " * 1000)


@pytest.fixture(scope="module")
def site():
    with HttpThread(Site) as thread:
        yield thread


def get(path, *headers, version=b"1.1", method=b"GET"):
    lines = [method + b" " + path + b" HTTP/" + version, b"Host: localhost", *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def post(path, body, *headers):
    return get(path, b"Content-Length: %d" % len(body), *headers, method=b"POST") + body


LAST = b"Connection: close"


def read_response(connection):
    """Read one response with Content-Length from a socket; return (head, body)."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65536)
        if not part:
            return data, None
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(65536)
    return head, body


def bodies(data):
    """Return the bodies of the responses in ``data``, all with Content-Length."""
    found = []
    while data:
        head, _, rest = data.partition(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        found.append(rest[:length])
        data = rest[length:]
    return found


# Keep-alive and order


def test_a_connection_serves_one_request_after_the_other(site):
    with site.connect() as connection:
        for number in range(5):
            connection.sendall(post(b"/echo", b"body %d" % number))
            assert read_response(connection)[1] == b"body %d" % number


@pytest.mark.parametrize(
    ("request_bytes", "closes", "answer"),
    [
        (get(b"/", LAST), True, b"Connection: close"),
        (get(b"/", version=b"1.0"), True, b"Connection: close"),
        (get(b"/", b"Connection: keep-alive", version=b"1.0"), False, b"Connection: keep-alive"),
        (get(b"/"), False, None),
    ],
)
def test_who_closes_the_connection_follows_version_and_header(site, request_bytes, closes, answer):
    with site.connect(0.5) as connection:
        connection.sendall(request_bytes)
        head, body = read_response(connection)
        assert body == b"home"
        assert (b"Connection" in head) is (answer is not None) and (answer or b"") in head
        if closes:
            assert connection.recv(1) == b""
        else:
            with pytest.raises(socket.timeout):
                connection.recv(1)


def test_pipelined_requests_run_together_up_to_the_limit_and_are_answered_in_order():
    with HttpThread(Site, pipelinelimit=4) as thread:
        requests = [get(b"/after/%.2f/%d" % (0.2 - 0.01 * number, number)) for number in range(11)]
        answer = exchange(thread.port, b"".join(requests) + get(b"/after/0/last", LAST))
        assert bodies(answer) == [b"%d" % number for number in range(11)] + [b"last"]
        assert thread.handlers[0].most == 4


def test_hundreds_of_pipelined_requests_in_one_write_are_all_answered(site):
    count = 500
    answer = exchange(site.port, get(b"/") * (count - 1) + get(b"/", LAST))
    assert bodies(answer) == [b"home"] * count


def test_pipelined_bodies_and_requests_mix_byte_by_byte(site):
    with site.connect() as connection:
        for byte in post(b"/echo", b"abc") + get(b"/") + post(b"/echo", b"", LAST):
            connection.send(bytes([byte]))
        data = b""
        while part := connection.recv(65536):
            data += part
    assert bodies(data) == [b"abc", b"home", b""]


def test_a_client_that_closes_its_sending_side_still_gets_its_answers(site):
    answer = exchange(site.port, get(b"/after/0.1/a") + get(b"/"), half_close=True)
    assert bodies(answer) == [b"a", b"home"]


# Responses


@pytest.fixture
def writes(monkeypatch):
    """Collect what is written to sockets, one item a write."""
    found = []
    send_now, serialize = Outbox._send_now, Http.serialize

    def counted_send(self, data):
        rest = send_now(self, data)
        found.append(data[: len(data) - len(rest)])
        return rest

    def counted_serialize(self, connection, event):
        found.append(event.data)
        return serialize(self, connection, event)

    monkeypatch.setattr(Outbox, "_send_now", counted_send)
    monkeypatch.setattr(Http, "serialize", counted_serialize)
    return found


@pytest.mark.parametrize("path", [b"/", b"/memory", b"/nowhere", b"/raise/early"])
def test_head_and_body_of_a_small_response_leave_in_one_write(site, writes, path):
    answer = exchange(site.port, get(path, LAST))
    assert [data for data in writes if data] == [answer]


def test_the_head_of_a_stream_leaves_together_with_its_first_piece(site, writes):
    answer = exchange(site.port, get(b"/stream/3/10", LAST))
    assert answer.endswith(b"\r\n0\r\n\r\n") and answer.count(b"x" * 10) == 3
    assert len([data for data in writes if data]) <= 4
    assert writes[0].startswith(b"HTTP/1.1 200") and b"x" * 10 in writes[0]


def test_a_stream_is_sent_in_chunks_or_for_an_old_client_until_the_end(site):
    answer = exchange(site.port, get(b"/stream/3/50000", LAST))
    assert b"Transfer-Encoding: chunked" in answer and answer.count(b"x" * 50000) == 3
    answer = exchange(site.port, get(b"/stream/3/50000", b"Connection: keep-alive", version=b"1.0"))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"chunked" not in head and b"Connection: close" in head and body == b"x" * 150000


def test_head_requests_and_204_have_no_body(site):
    answer = exchange(
        site.port, get(b"/", method=b"HEAD") + get(b"/empty") + get(b"/stream/2/5", method=b"HEAD"), half_close=True
    )
    assert answer.count(b"HTTP/1.1 ") == 3 and b"Content-Length: 4" in answer
    assert b"home" not in answer and b"x" not in answer.split(b"HTTP/1.1 ")[3].partition(b"\r\n\r\n")[2]
    assert b"Content-Length" not in answer.split(b"HTTP/1.1 ")[2]


def test_large_text_is_compressed_for_clients_that_take_it(site):
    for path in (b"/text", b"/stream/3/1000"):
        plain = exchange(site.port, get(path, LAST))
        packed = exchange(site.port, get(path, LAST, b"Accept-Encoding: gzip, deflate"))
        assert b"Content-Encoding" not in plain and b"Content-Encoding: gzip" in packed
        assert len(packed) < len(plain) / 2
    connection = http.client.HTTPConnection("127.0.0.1", site.port)
    for path in ("/text", "/stream/3/1000"):
        connection.request("GET", path, headers={"Accept-Encoding": "gzip"})
        assert len(gzip.decompress(connection.getresponse().read())) >= 3000
    assert b"Content-Encoding" not in exchange(site.port, get(b"/text", LAST, b"Accept-Encoding: gzip;q=0"))


def test_an_exception_of_a_handler_is_500_without_its_text_and_the_connection_goes_on(site):
    answer = exchange(site.port, get(b"/raise/early") + get(b"/", LAST))
    assert answer.startswith(b"HTTP/1.1 500 ") and b"secret" not in answer and bodies(answer)[1] == b"home"
    answer = exchange(site.port, get(b"/split") + get(b"/", LAST))
    assert answer.startswith(b"HTTP/1.1 500 ") and b"evil" not in answer and bodies(answer)[1] == b"home"


@pytest.mark.parametrize("path", [b"/raise/late", b"/broken"])
def test_a_response_that_cannot_be_finished_ends_the_connection_and_not_the_body(site, path):
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=10)
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        connection.request("GET", path.decode())
        connection.getresponse().read()
    connection.close()


# Request bodies


def test_100_continue_is_sent_when_the_handler_wants_the_body_and_not_before(site):
    ask = b"Expect: 100-continue"
    with site.connect() as connection:
        connection.sendall(get(b"/echo", ask, b"Content-Length: 3", method=b"POST"))
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"abc")
        assert read_response(connection)[1] == b"abc"
    answer = exchange(site.port, get(b"/ignore", ask, b"Content-Length: 3", method=b"POST"))
    assert answer.startswith(b"HTTP/1.1 200 ") and b"100 Continue" not in answer and b"Connection: close" in answer
    answer = exchange(site.port, get(b"/after/0.1/x") + get(b"/echo", ask, LAST, b"Content-Length: 3", method=b"POST") + b"abc")
    assert answer.index(b"\r\n\r\nx") < len(answer) and answer.endswith(b"abc")


def test_a_small_body_that_nobody_read_does_not_cost_the_connection(site):
    assert bodies(exchange(site.port, post(b"/ignore", b"x" * 30000) + get(b"/", LAST))) == [b"ignored", b"home"]


def test_a_large_body_that_nobody_read_is_thrown_away_and_the_answer_arrives(site):
    answer = exchange(site.port, post(b"/ignore", b"x" * 5_000_000) + get(b"/"))
    assert bodies(answer) == [b"ignored"] and b"Connection: close" in answer


def test_a_body_that_is_not_read_stops_the_connection_and_not_the_memory(site):
    Site.hold = True
    body = b"x" * 20_000_000
    with site.connect(20) as connection:
        connection.settimeout(0.5)
        with pytest.raises(socket.timeout):
            connection.sendall(post(b"/count", body))
        kept = max((e.body.buffered for side in sides_of(site) for e in side.exchanges if e.body is not None), default=0)
        assert 0 < kept <= BODY_HIGH_WATER + site.protocol.buffersize * 2
        Site.hold = False


def test_a_long_body_is_read_while_it_arrives(site):
    body = b"x" * 20_000_000
    assert bodies(exchange(site.port, post(b"/count", body, LAST), 30)) == [b"20000000"]


def test_a_client_that_disappears_inside_a_body_fails_its_reader_only(site):
    Site.failure = None
    connection = site.connect()
    connection.sendall(get(b"/count", b"Content-Length: 100", method=b"POST") + b"x" * 10)
    time.sleep(0.1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    deadline = time.monotonic() + 5
    while Site.failure is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert isinstance(Site.failure, OSError)
    assert bodies(exchange(site.port, get(b"/", LAST))) == [b"home"]


# Hostile and slow peers


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET / HTTP/1.1\nHost: a\n\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 2_000_000,
        b"A" * 20000,
        b"\x16\x03\x01" + b"\0" * 50,
    ],
)
def test_a_broken_request_is_answered_400_behind_the_good_ones_and_the_connection_closed(site, data):
    answer = exchange(site.port, get(b"/after/0.05/good") + data + get(b"/"))
    assert bodies(answer)[0] == b"good"
    second = answer[answer.index(b"good") + 4 :]
    assert second.startswith(b"HTTP/1.1 400 ") and b"Connection: close" in second
    assert second.count(b"HTTP/1.1 ") == 1


def test_fastfail_drops_the_connection_without_an_answer():
    with HttpThread(Site, fastfail=True) as thread:
        assert exchange(thread.port, b"BAD\r\n\r\n") == b""


def closes_after(connection, least, most):
    """Check that the server closes the connection after ``least`` to ``most`` seconds."""
    begin = time.monotonic()
    try:
        while connection.recv(65536):
            pass
    except ConnectionResetError:
        pass
    assert least <= time.monotonic() - begin <= most


SHORT = {"headtimeout": 0.3, "bodytimeout": 0.4, "idletimeout": 0.5, "closetimeout": 0.3, "sendtimeout": 0.4}


def test_connections_that_owe_something_too_long_are_dropped():
    with HttpThread(Site, **SHORT) as thread:
        for data, least in (
            (b"", 0.25),
            (b"GET / HTTP/1.1\r\nHo", 0.25),
            (get(b"/echo", b"Content-Length: 10", method=b"POST") + b"x", 0.35),
            (get(b"/"), 0.4),
            (get(b"/", LAST), 0),
        ):
            with thread.connect() as connection:
                connection.sendall(data)
                closes_after(connection, least, 2)


def test_a_client_that_sends_a_head_or_body_drop_by_drop_is_dropped():
    with HttpThread(Site, **SHORT) as thread:
        for start in (b"GET / HTTP/1.1\r\nX: ", get(b"/echo", b"Content-Length: 1000", method=b"POST")):
            with thread.connect() as connection:
                connection.sendall(start)
                begin = time.monotonic()
                with pytest.raises((BrokenPipeError, ConnectionResetError)):
                    while time.monotonic() - begin < 5:
                        connection.sendall(b"a")
                        time.sleep(0.02)
                assert time.monotonic() - begin < 2


def sides_of(thread):
    """Return the states of the connections that are up."""
    return [side for sides in list(thread.protocol._watched.values()) for side in list(sides) if not side.lost]


@pytest.mark.parametrize(("path", "kept"), [(b"/stream/2000/60000", 200_000), (b"/stream/1/50000000", 50_100_000)])
def test_a_client_that_does_not_read_its_response_is_dropped(path, kept):
    with HttpThread(Site, **SHORT) as thread, thread.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(get(path))
        time.sleep(0.2)
        assert max(side.outbox.pending for side in sides_of(thread)) < kept
        deadline = time.monotonic() + 5
        while sides_of(thread) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not sides_of(thread)


def test_a_handler_may_take_longer_than_the_deadlines_of_clients():
    with HttpThread(Site, **SHORT) as thread:
        assert bodies(exchange(thread.port, get(b"/after/1.2/slow") + get(b"/", LAST))) == [b"slow", b"home"]


def test_a_body_that_arrives_steadily_may_take_longer():
    with HttpThread(Site, **SHORT) as thread, thread.connect() as connection:
        connection.sendall(get(b"/count", b"Content-Length: 81920", method=b"POST"))
        for _ in range(20):
            connection.sendall(b"x" * 4096)
            time.sleep(0.05)
        assert read_response(connection)[1] == b"81920"


def test_random_bytes_never_stop_the_server(site):
    chance = random.Random(20)
    pieces = [b"GET / HTTP/1.1\r\n", b"Host: a\r\n", b"\r\n", b"POST /echo HTTP/1.1\r\n", b"Content-Length: 3\r\n", b"abc"]
    pieces += [b"Transfer-Encoding: chunked\r\n", b"3\r\nabc\r\n0\r\n\r\n", b"\x00\xff", b"Expect: 100-continue\r\n", b" ", b"\n"]
    for _ in range(200):
        data = b"".join(chance.choice(pieces) for _ in range(chance.randrange(1, 15)))
        answer = exchange(site.port, data, half_close=True)
        assert answer == b"" or answer.startswith(b"HTTP/1.1 "), data
    assert bodies(exchange(site.port, get(b"/", LAST))) == [b"home"]


def test_an_error_page_does_not_wait_for_the_rest_of_a_slow_body():
    with HttpThread(Site, **SHORT) as thread, thread.connect() as connection:
        connection.sendall(get(b"/nowhere", b"Content-Length: 1000000", method=b"POST"))
        assert read_response(connection)[0].startswith(b"HTTP/1.1 404 ")
        closes_after(connection, 0, 1.5)


# Other clients


def test_aiohttp_gets_its_answers_from_many_connections_at_once(site):
    async def run():
        connector = aiohttp.TCPConnector(limit=50)
        base = f"http://127.0.0.1:{site.port}"
        async with aiohttp.ClientSession(connector=connector) as session:

            async def one(number):
                if number % 3 == 0:
                    async with session.get(f"{base}/after/0.01/{number}") as response:
                        return await response.read() == b"%d" % number
                if number % 3 == 1:
                    async with session.post(base + "/echo", data=b"%d" % number) as response:
                        return await response.read() == b"%d" % number
                async with session.get(base + "/text") as response:
                    return (await response.text()).startswith("wörter")

            return await asyncio.gather(*(one(number) for number in range(300)))

    assert all(asyncio.run(run()))


def test_a_file_is_sent_as_a_stream_with_a_length(site, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"f" * 200_000)

    class Files(HttpHandler):
        @HttpHandler.route(b"/file")
        async def file(self, env):
            env.output(FileStream(open(path, "rb")))  # noqa: SIM115 - the stream closes it

    with HttpThread(Files) as thread:
        answer = exchange(thread.port, get(b"/file", LAST))
        assert answer.endswith(b"f" * 200_000) or answer.count(b"f") == 200_000
