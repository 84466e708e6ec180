"""Clients of other makes against our server: h11, curl, aiohttp; with TLS, uploads, trailers and options of the protocol."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import ssl
import subprocess
import zlib

import aiohttp
import h11
import pytest
from support.poller import run_scheduler
from support.tls import Authority
from support.webserver import HttpThread, free_port, running, wait_listening

from vlcp.event.connection import Client
from vlcp.event.stream import Stream
from vlcp.protocol.http import Http, HttpResponseEndEvent, HttpTrailersReceived
from vlcp.server.module import Module, depend
from vlcp.service.connection.httpserver import HttpServer
from vlcp.utils.http import HttpHandler
from vlcp.utils.webclient import WebClient


class PeerPages(HttpHandler):
    """Pages for all of them."""

    @HttpHandler.route(b"/")
    async def home(self, env):
        env.outputdata(b"home")

    @HttpHandler.route(b"/echo", method=[b"POST", b"PUT"])
    async def echo(self, env):
        env.outputdata(await env.readbody())

    @HttpHandler.route(b"/trailers", method=[b"POST"])
    async def trailers(self, env):
        body = await env.readbody()
        env.outputdata(body + b"|" + b",".join(b"%b=%b" % field for field in env.inputstream.trailers))

    @HttpHandler.route(b"/stream/([0-9]+)")
    async def stream(self, env):
        for number in range(int(env.path_match.group(1))):
            await env.write(b"%08d" % number * 1000)

    @HttpHandler.route(b"/text")
    async def text(self, env):
        env.outputdata("text " * 1000)

    @HttpHandler.routeargs(b"/form", fileargs=("up",))
    async def form(self, env, name, up=None):
        env.outputjson([name, up and up["filename"], up and len(up["content"])])

    @HttpHandler.route(b"/cookie")
    async def cookie(self, env):
        env.cookietostr()
        env.setcookie("seen", str(int(env.cookies.get("seen", 0)) + 1))
        env.outputdata(env.cookies.get("seen", "0"))

    @HttpHandler.route(b"/login")
    async def login(self, env):
        user, password = env.basicauth()
        env.outputdata(user + b"/" + password)


@depend(HttpServer)
class PeerServer(Module):
    """Serves the pages on two virtual hosts, one with TLS."""

    def __init__(self, server):
        super().__init__(server)
        self.routines.append(PeerPages(self.scheduler))
        self.routines.append(PeerPages(self.scheduler, vhost="tls"))


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"), "peers")


@pytest.fixture(scope="module")
def ports(authority):
    identity = authority.issue("server")
    plain, tls = free_port(), free_port()
    settings = {
        "module.httpserver.url": f"tcp://127.0.0.1:{plain}/",
        "module.httpserver.vhost.tls.url": f"ssl://127.0.0.1:{tls}/",
        "module.httpserver.vhost.tls.certificate": identity.certificate,
        "module.httpserver.vhost.tls.key": identity.key,
    }
    with running([PeerServer], settings):
        wait_listening(plain)
        wait_listening(tls)
        yield plain, tls


@pytest.fixture(scope="module")
def url(ports):
    return f"http://127.0.0.1:{ports[0]}"


# h11


class H11Client:
    """The h11 state machine over a socket."""

    def __init__(self, port):
        self.machine = h11.Connection(h11.CLIENT)
        self.socket = socket.create_connection(("127.0.0.1", port), 20)

    def send(self, *events):
        """Send events in one write."""
        self.socket.sendall(b"".join(self.machine.send(event) or b"" for event in events))

    def receive(self):
        """Return (statuses, body) of the next response."""
        statuses, body = [], b""
        while True:
            event = self.machine.next_event()
            if event is h11.NEED_DATA:
                self.machine.receive_data(self.socket.recv(65536))
            elif isinstance(event, (h11.InformationalResponse, h11.Response)):
                statuses.append(event.status_code)
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                return statuses, body
            else:
                raise ConnectionError(f"unexpected {event!r}")

    def ask(self, method, target, headers=(), body=b"", trailers=()):
        """Send a whole request and return its response."""
        head = h11.Request(method=method, target=target, headers=[("Host", "h"), *headers])
        self.send(head, *[h11.Data(data=body)] * bool(body), h11.EndOfMessage(headers=list(trailers)))
        found = self.receive()
        if self.machine.our_state is h11.DONE:
            self.machine.start_next_cycle()
        return found


def test_h11_reads_what_we_send_on_one_connection(ports):
    client = H11Client(ports[0])
    length, chunks = ("Content-Length", "5"), ("Transfer-Encoding", "chunked")
    assert client.ask("GET", "/") == ([200], b"home")
    assert client.ask("POST", "/echo", [length], b"hello") == ([200], b"hello")
    assert client.ask("PUT", "/echo", [chunks], b"h" * 100000) == ([200], b"h" * 100000)
    assert client.ask("HEAD", "/text") == ([200], b"")
    assert len(client.ask("GET", "/stream/100")[1]) == 800000
    assert client.ask("GET", "/nowhere")[0] == [404]
    assert client.ask("GET", "/", [("Connection", "close")]) == ([200], b"home")
    assert client.machine.their_state is h11.MUST_CLOSE or client.machine.their_state is h11.CLOSED
    assert client.socket.recv(10) == b""


def test_h11_sends_trailers_and_waits_for_100(ports):
    client = H11Client(ports[0])
    trailers = [("X-One", "1"), ("x-two", "2")]
    found = client.ask("POST", "/trailers", [("Transfer-Encoding", "chunked")], b"body", trailers)
    assert found == ([200], b"body|x-one=1,x-two=2")
    client.send(
        h11.Request(method="POST", target="/echo", headers=[("Host", "h"), ("Content-Length", "5"), ("Expect", "100-continue")])
    )
    while client.machine.they_are_waiting_for_100_continue or client.machine.client_is_waiting_for_100_continue:
        client.machine.receive_data(client.socket.recv(1000))
        assert isinstance(client.machine.next_event(), h11.InformationalResponse)
    client.send(h11.Data(data=b"hello"), h11.EndOfMessage())
    assert client.receive() == ([200], b"hello")
    client.socket.close()


# curl


def curl(*arguments, data=None):
    """Return what curl writes."""
    command = ["curl", "-sS", "--max-time", "20", *arguments]
    return subprocess.run(command, input=data, check=True, capture_output=True, timeout=30).stdout


def test_curl_uses_one_connection_for_several_urls(url):
    told = curl(
        "-w", "%{num_connects} ", url + "/", url + "/nowhere", "-o", "/dev/null", "-o", "/dev/null", "-o", "/dev/null", url + "/"
    )
    assert told == b"1 0 0 "


def test_curl_uploads_with_expect_in_chunks_and_as_a_form(url, tmp_path):
    big = bytes(range(256)) * 8000
    (tmp_path / "f.bin").write_bytes(big)
    assert curl("-T", str(tmp_path / "f.bin"), url + "/echo") == big
    assert curl("-T", "-", url + "/echo", data=big) == big
    assert curl("-H", "Expect: 100-continue", "--data-binary", "@-", url + "/echo", data=big) == big
    answer = curl("-F", "name=näme", "-F", f"up=@{tmp_path / 'f.bin'};filename=../x/f.bin", url + "/form")
    assert json.loads(answer) == ["näme", "f.bin", len(big)]


def test_curl_decompresses_logs_in_and_speaks_http_1_0(url):
    assert curl("--compressed", url + "/text") == b"text " * 1000
    assert len(curl("-H", "Accept-Encoding: gzip", url + "/text")) < 500
    assert curl("--http1.0", url + "/stream/3") == b"".join(b"%08d" % number * 1000 for number in range(3))
    assert curl("--http1.0", "-I", url + "/").startswith(b"HTTP/1.1 200 OK\r\n")
    assert curl("--user", "me:pass:word", "--anyauth", url + "/login") == b"me/pass:word"


def test_curl_trusts_our_certificate_only_with_its_authority(ports, authority):
    target = f"https://localhost:{ports[1]}/stream/50"
    assert len(curl("--cacert", authority.certificate, target)) == 400000
    with pytest.raises(subprocess.CalledProcessError):
        curl(target)


# aiohttp


def test_aiohttp_keeps_cookies_posts_forms_and_asks_a_hundred_times_at_once(url, ports, authority):
    async def browse():
        context = ssl.create_default_context(cafile=authority.certificate)
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:

            async def text(method, path, **kwargs):
                async with session.request(method, path, **kwargs) as response:
                    return await response.text()

            seen = [await text("GET", url + "/cookie") for _ in range(3)]
            form = aiohttp.FormData()
            form.add_field("name", "n")
            form.add_field("up", b"content", filename="up.txt")
            posted = json.loads(await text("POST", url + "/form", data=form))

            async def pieces():
                for number in range(100):
                    yield b"%d" % (number % 10) * 1000

            echoed = await text("POST", url + "/echo", data=pieces())
            many = await asyncio.gather(*[text("GET", url + "/stream/2") for _ in range(100)])
            secure = await text("GET", f"https://localhost:{ports[1]}/stream/30", ssl=context)
            continued = await text("POST", url + "/echo", data=b"x" * 50000, expect100=True)
            return seen, posted, len(echoed), {len(one) for one in many}, len(secure), len(continued)

    assert asyncio.run(browse()) == (["0", "1", "2"], ["n", "up.txt", 7], 100000, {16000}, 240000, 50000)


# Options of the protocol


def exchange_with(settings, action, **server_settings):
    """Run ``action(container, protocol, client)`` with our client against our server."""
    with HttpThread(PeerPages, **server_settings) as thread:

        async def run(container):
            protocol = Http(False)
            vars(protocol).update(settings)
            client = Client(f"tcp://127.0.0.1:{thread.port}/", protocol, container.scheduler)
            connected = protocol.statematcher(client, "clientconnect", False)
            client.start()
            await connected
            try:
                return await action(container, protocol, client)
            finally:
                await client.shutdown(True)

        return run_scheduler(run)


def test_bodies_are_compressed_on_the_way_in_both_directions_where_that_is_allowed():
    packed = zlib.compress(b"hello " * 100)
    both = {"allowtransfercompress": True}

    async def action(container, protocol, client):
        response, _ = await protocol.request_with_response(container, client, b"h", b"/stream/20")
        body = await response.stream.read(container)
        return response.headerdict[b"transfer-encoding"], body

    expected = b"".join(b"%08d" % number * 1000 for number in range(20))
    assert exchange_with(both, action, **both) == (b"deflate, chunked", expected)
    assert exchange_with(both, action) == (b"chunked", expected)
    assert exchange_with({}, action, **both) == (b"chunked", expected)
    for data, status, answer in ((packed, b"200", b"hello " * 100), (packed[:-4], b"400", b""), (b"nonsense" * 9, b"400", b"")):
        with HttpThread(PeerPages, **both) as thread, thread.connect() as connection:
            head = b"POST /echo HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: deflate, chunked\r\n\r\n"
            connection.sendall(head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data))
            received = b""
            while part := connection.recv(65536):
                received += part
            assert received.split(b" ")[1] == status
            assert not answer or received.endswith(answer)


def test_a_server_and_a_client_can_have_queues_for_each_connection():
    own = {"createqueue": True, "cleanuptimeout": 0.1}

    async def action(container, protocol, client):
        bodies = []
        for number in range(30):
            ended = HttpResponseEndEvent.createMatcher(client)
            response, _ = await protocol.request_with_response(container, client, b"h", b"/stream/%d" % (number % 3 + 1))
            bodies.append(len(await response.stream.read(container)))
            assert ended.indices
        return sum(bodies)

    assert exchange_with(own, action, **own) == 10 * (8000 + 16000 + 24000)


def test_trailers_are_announced_by_an_event():
    seen = []

    class Announced(HttpHandler):
        @HttpHandler.route(b"/", method=[b"POST"])
        async def page(self, env):
            event = await HttpTrailersReceived.createMatcher(env.inputstream)
            seen.append(event.trailers)
            env.outputdata(await env.readbody())

    with HttpThread(Announced) as thread, thread.connect() as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
        connection.sendall(b"2\r\nhi\r\n0\r\nA: b\r\n\r\n")
        assert connection.recv(1000).endswith(b"\r\n\r\nhi")
    assert seen == [[(b"a", b"b")]]


def test_requests_and_responses_are_logged_if_that_is_set(caplog):
    caplog.set_level(logging.DEBUG)

    async def action(container, protocol, client):
        await protocol.request_with_response(container, client, b"h", b"/nowhere")

    exchange_with({"debugging": True}, action, debugging=True)
    lines = [record.getMessage() for record in caplog.records if record.getMessage().startswith("HTTP re")]
    assert [line.split(":")[0] for line in lines] == ["HTTP request 1", "HTTP request 1", "HTTP response 1", "HTTP response 1"]


def test_our_clients_stream_reaches_our_server_while_it_is_written(url):
    async def action(container):
        client, stream = WebClient(), Stream()

        async def write():
            for number in range(50):
                await stream.write(b"%d" % (number % 10) * 20000, container, number == 49)

        body = await client.urlgetcontent(container, url + "/echo", stream, datagen=write(), timeout=20)
        await client.shutdown()
        return len(body)

    assert run_scheduler(action) == 1000000
