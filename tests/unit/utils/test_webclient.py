"""The web client against servers of other makes (aiohttp, nginx) and against hostile ones."""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import ssl
import threading

import pytest
from support.poller import run_scheduler
from support.tls import Authority
from support.webpeers import AioServer, nginx
from support.webserver import free_port

from vlcp.config import manager
from vlcp.event.stream import MemoryStream, Stream
from vlcp.utils.webclient import (
    CertificateException,
    ManualRedirectRequired,
    Request,
    WebClient,
    WebClientRequestDoneEvent,
    WebException,
)


@pytest.fixture(scope="module")
def aio():
    with AioServer() as server:
        yield server


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"), "web")


def browse(action, timeout=30, **settings):
    """Run ``action(container, client)`` and return its result."""

    async def run(container):
        client = WebClient()
        vars(client).update(settings)
        client._pool.limit = client.samehostlimit
        try:
            return await action(container, client)
        finally:
            await client.shutdown()

    return run_scheduler(run, timeout=timeout)


def get(url, *args, settings=None, **kwargs):
    """Return the content of a URL."""

    async def action(container, client):
        return await client.urlgetcontent(container, url, *args, **kwargs)

    return browse(action, **(settings or {}))


@contextlib.contextmanager
def scripted(*conversations):
    """A server that answers the n-th connection with the n-th list of pieces, one for each request, then closes it."""
    listener = socket.create_server(("127.0.0.1", 0))
    requests = []

    def serve():
        for pieces in conversations:
            connection, _ = listener.accept()
            connection.settimeout(10)
            with connection, contextlib.suppress(OSError):
                for piece in pieces:
                    requests.append(connection.recv(65536))
                    connection.sendall(piece)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", requests
    finally:
        listener.close()
        thread.join(15)


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def test_content_comes_as_bytes_or_text(aio):
    assert get(aio.url("/echo"), "tëxt") == "tëxt".encode()
    assert get(aio.url("/echo"), b"bytes", tostr=True) == "bytes"
    assert get(aio.url("/echo"), b"\xe4", tostr=True, encoding="latin-1") == "ä"
    with pytest.raises(WebException, match="no text"):
        get(aio.url("/echo"), b"\xe4", tostr=True, encoding="utf-8")


def test_what_is_asked_for_arrives_as_it_was_meant(aio):
    url = aio.url("/headers/a b/ä%20?q=%zz&r=[é]#fragment").replace("//", "//us%65r:pa%3Ass@", 1)
    seen = json.loads(get(url, headers={"X-Own": "1", b"x-bytes": b"2", "user-agent": "me"}))
    headers = dict(seen["headers"])
    assert seen["method"] == "GET"
    assert seen["path"] == "/headers/a%20b/%C3%A4%20?q=%25zz&r=%5B%C3%A9%5D"
    assert headers["host"] == f"127.0.0.1:{aio.port}"
    assert headers["authorization"] == "Basic dXNlcjpwYTpzcw=="
    assert (headers["x-own"], headers["x-bytes"], headers["user-agent"]) == ("1", "2", "me")


def test_a_body_makes_it_a_post_of_a_form(aio):
    seen = json.loads(get(aio.url("/headers"), b"a=1"))
    headers = dict(seen["headers"])
    assert (seen["method"], headers["content-type"]) == ("POST", "application/x-www-form-urlencoded")
    assert json.loads(get(aio.url("/headers"), b"", "PUT"))["method"] == "PUT"


def test_streams_are_sent_with_their_length_or_in_chunks(aio):
    assert get(aio.url("/echo"), MemoryStream(b"m" * 200000)) == b"m" * 200000

    async def action(container, client):
        stream = Stream()

        async def produce():
            for number in range(10):
                await stream.write(b"%d" % number * 50000, container, number == 9)

        return await client.urlgetcontent(container, aio.url("/echo"), stream, datagen=produce())

    assert browse(action) == b"".join(b"%d" % number * 50000 for number in range(10))


def test_one_connection_carries_requests_one_after_the_other(aio):
    async def action(container, client):
        aio.connections.clear()
        for _ in range(5):
            await client.urlgetcontent(container, aio.url("/echo"))
        response = await client.urlopen(container, aio.url("/echo"), method="HEAD")
        response.close()
        await client.urlgetcontent(container, aio.url("/echo"))
        return len(aio.connections)

    assert browse(action) == 1


def test_no_more_connections_are_made_than_allowed_and_the_others_wait(aio):
    async def action(container, client):
        aio.connections.clear()
        aio.most = 0
        jobs = [client.urlgetcontent(container, aio.url(f"/slow/0.0{number}")) for number in range(9)]
        await container.execute_all(jobs)
        return len(aio.connections), aio.most

    assert browse(action, samehostlimit=2) == (2, 2)


def test_requests_for_one_url_can_be_kept_apart(aio):
    async def action(container, client):
        aio.most = 0
        await container.execute_all([client.urlgetcontent(container, aio.url("/slow/0.03")) for _ in range(5)])
        return aio.most

    assert browse(action, sameurllimit=True) == 1
    assert browse(action) > 1


def test_who_waits_for_a_connection_can_give_up(aio):
    async def action(container, client):
        first = container.subroutine(client.urlgetcontent(container, aio.url("/slow/0.5")), False)
        with pytest.raises(TimeoutError):
            await client.urlgetcontent(container, aio.url("/echo"), b"late", timeout=0.1)
        container.terminate(first)
        return await client.urlgetcontent(container, aio.url("/echo"), b"next", timeout=10)

    assert browse(action, samehostlimit=1) == b"next"


def test_an_event_tells_that_a_request_is_done(aio):
    async def action(container, client):
        jobs = [
            WebClientRequestDoneEvent.createMatcher(path="/echo?done"),
            client.urlgetcontent(container, aio.url("/echo?done")),
        ]

        async def waiting():
            return await jobs[0]

        done, body = await container.execute_all([waiting(), jobs[1]])
        return done.host, done.https, body

    assert browse(action) == (f"127.0.0.1:{aio.port}", False, b"")


@pytest.mark.parametrize(
    ("status", "method", "seen"),
    [
        (301, "POST", ("GET", "")),
        (302, "POST", ("GET", "")),
        (303, "POST", ("GET", "")),
        (303, "PUT", ("GET", "")),
        (301, "PUT", ("PUT", "data")),
        (307, "POST", ("POST", "data")),
        (308, "PATCH", ("PATCH", "data")),
        (302, "GET", ("GET", None)),
    ],
)
def test_redirects_are_followed_with_the_right_method(aio, status, method, seen):
    data = None if method == "GET" else b"data"

    async def action(container, client):
        response = await client.urlopen(container, aio.url(f"/redirect?status={status}&to=/echo"), data, method)
        return response.get_header("X-Method"), (await client.content(container, response)).decode(), response.geturl()

    found = browse(action)
    assert found == (seen[0], seen[1] or "", aio.url("/echo"))


def test_a_redirect_can_be_left_to_the_caller(aio):
    async def action(container, client):
        response = await client.urlopen(container, aio.url("/redirect?status=302&to=/echo"), followredirect=False)
        response.close()
        return response.status, response.get_header("location")

    assert browse(action) == (302, "/echo")


def test_credentials_are_not_sent_to_another_server(aio):
    headers = {"Authorization": "Basic x", "Cookie": "a=b", "X-Kept": "1"}
    with AioServer() as other:
        seen = dict(json.loads(get(aio.url(f"/redirect?status=302&to={other.url('/headers')}"), headers=headers))["headers"])
    assert seen["x-kept"] == "1"
    assert not {"authorization", "cookie"} & set(seen)
    assert seen["host"] == f"127.0.0.1:{other.port}"
    same = dict(json.loads(get(aio.url("/redirect?status=302&to=/headers"), headers=headers))["headers"])
    assert (same["authorization"], same["cookie"]) == ("Basic x", "a=b")


def test_endless_redirects_end(aio):
    with pytest.raises(WebException, match="more than 10 redirects"):
        get(aio.url("/redirect?status=302&to=?status=302%26to="))


@pytest.mark.parametrize("location", ["ftp://127.0.0.1/", "file:///etc/passwd", "javascript:alert(1)"])
def test_a_redirect_leads_to_web_servers_only(aio, location):
    with pytest.raises(WebException, match="redirect of"):
        get(aio.url(f"/redirect?status=302&to={location}"))


def test_a_stream_is_sent_again_by_hand(aio):
    async def action(container, client):
        try:
            await client.urlopen(container, aio.url("/redirect?status=307&to=/echo"), MemoryStream(b"stream"), timeout=20)
        except ManualRedirectRequired as error:
            assert error.kwargs["timeout"] == 20
            response = await client.manualredirect(container, error, MemoryStream(b"again"))
            return await client.content(container, response), response.get_header("x-method")
        return None

    assert browse(action) == (b"again", "POST")


@pytest.mark.parametrize("status", [400, 404, 500, 503])
def test_an_error_status_is_raised_or_returned(aio, status):
    with pytest.raises(WebException, match=f"^{status} ") as caught:
        get(aio.url(f"/status/{status}"))
    assert caught.value.response.getcode() == status
    assert get(aio.url(f"/status/{status}"), ignorewebexception=True) == b"status"


def test_cookies_are_kept_and_sent_back_if_allowed(aio):
    async def action(container, client):
        texts = [await client.urlgetcontent(container, aio.url("/login"), allowcookies=allow) for allow in (True, True, False)]
        return [json.loads(text) for text in texts], sorted(cookie.name for cookie in client.cookiejar)

    assert browse(action) == ([{}, {"who": "me"}, {}], ["other", "who"])


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_compressed_body_is_decompressed_on_demand(aio, coding):
    assert get(aio.url("/" + coding), autodecompress=True) == b"packed " * 5000
    packed = get(aio.url("/" + coding), headers={"Accept-Encoding": coding})
    assert len(packed) < 1000


def test_a_damaged_or_cut_compressed_body_is_an_error():
    good = gzip.compress(b"x" * 1000)
    for body in (good[:-5], b"nonsense", good + b"garbage"):
        head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body)
        with scripted([head + body]) as (url, _), pytest.raises(OSError, match="compressed data"):
            get(url, autodecompress=True)


def test_several_compressed_members_are_one_body():
    body = gzip.compress(b"one") + gzip.compress(b"two")
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body)
    with scripted([head + body]) as (url, _):
        assert get(url, autodecompress=True) == b"onetwo"


def test_a_response_that_does_not_come_times_out(aio):
    with pytest.raises(TimeoutError, match="no response in 0.1 s"):
        get(aio.url("/slow/5"), timeout=0.1)
    with scripted([b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nx", b""]) as (url, _), pytest.raises(TimeoutError):
        get(url, timeout=0.3)


def test_a_body_that_is_too_long_is_refused(aio):
    with pytest.raises(WebException, match="longer than 100000"):
        get(aio.url("/long/3"), settings={"contentlimit": 100000})
    assert len(get(aio.url("/long/3"), settings={"contentlimit": None})) == 3 * 65536


def test_a_body_that_is_cut_short_is_an_error(aio):
    with pytest.raises(OSError, match="broken"):
        get(aio.url("/cut"))


def test_a_long_rest_is_not_read_after_close(aio):
    async def action(container, client):
        aio.connections.clear()
        with await client.urlopen(container, aio.url("/long/100000")) as response:
            first = await response.stream.read(container, 10)
        await client.urlgetcontent(container, aio.url("/echo"))
        return first, len(aio.connections)

    assert browse(action) == (b"x" * 10, 2)


def test_nobody_there_is_a_connection_error():
    with pytest.raises(ConnectionError, match="cannot connect"):
        get(f"http://127.0.0.1:{free_port()}/", timeout=20)


def test_a_kept_connection_that_was_closed_is_replaced(aio):
    async def action(container, client):
        await client.urlgetcontent(container, aio.url("/leave"))
        await container.wait_with_timeout(0.4)
        client.cleanup()
        return await client.urlgetcontent(container, aio.url("/echo"), b"again")

    assert browse(action) == b"again"


def test_a_request_that_met_a_closing_connection_is_repeated_if_that_is_harmless():
    with scripted([OK, b""], [OK]) as (url, requests):

        async def action(container, client):
            return [await client.urlgetcontent(container, url + path) for path in ("/1", "/2")]

        assert browse(action) == [b"ok", b"ok"]
    assert [request.split(b" ")[1] for request in requests] == [b"/1", b"/2", b"/2"]
    with scripted([OK, b""], [OK]) as (url, requests):

        async def post(container, client):
            await client.urlgetcontent(container, url + "/1")
            with pytest.raises(ConnectionError, match="closed"):
                await client.urlgetcontent(container, url + "/2", b"data")
            return await client.urlgetcontent(container, url + "/3")

        assert browse(post) == b"ok"
    assert len(requests) == 3


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 5000,
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
    ],
)
def test_what_is_no_response_is_an_error(answer):
    with scripted([answer]) as (url, _), pytest.raises(OSError):
        get(url, timeout=20)


def test_a_fresh_connection_that_is_closed_is_not_tried_again():
    with scripted([b""], [OK]) as (url, requests):
        with pytest.raises(ConnectionError):
            get(url)
        assert len(requests) == 1
        assert get(url) == b"ok"


def test_cleanup_forgets_ended_connections_by_itself_in_a_task(aio):
    async def action(container, client):
        task = client.cleanup_task(container, 0.05)
        await client.urlgetcontent(container, aio.url("/leave"))
        kept = len(client._pool._shelves)
        while client._pool._shelves:
            await container.wait_with_timeout(0.05)
        client.endtask()
        client.endtask()
        return kept, task is not None

    assert browse(action) == (1, True)


@pytest.mark.parametrize(
    "url",
    ["ftp://h/", "http:///x", "//h/", "h", "", "http://h:port/", "http://h:99999/", "http://h\\@x/", "http://a b/", "file:/x"],
)
def test_a_url_of_no_web_server_is_refused(url):
    with pytest.raises(ValueError):
        Request(url)


@pytest.mark.parametrize("url", ["http://h/a b", "http://h/\r\nX: y", "http://h/ä"])
def test_an_encoded_url_has_no_characters_that_need_encoding(url):
    if "\r" not in url:
        with pytest.raises(ValueError, match="not encoded"):
            Request(url, rawurl=True)
    assert Request(url).path.isascii()
    assert " " not in Request(url).path


@pytest.mark.parametrize(("name", "value"), [("X", "a\r\nY: b"), ("X\r\n", "a"), ("X Y", "a"), ("X", "\u20ac"), ("X", "a\x00")])
def test_a_header_that_would_break_the_request_is_refused(aio, name, value):
    with pytest.raises(ValueError):
        get(aio.url("/echo"), headers={name: value})


def test_a_request_knows_what_cookie_jars_ask():
    request = Request("HTTPS://User@Example.com:443/a?b#c", headers={"A": "1"})
    request.add_unredirected_header("a", "2")
    assert request.get_full_url() == "https://example.com/a?b"
    assert (request.get_type(), request.host, request.get_origin_req_host()) == ("https", "example.com", "example.com")
    assert (request.is_unverifiable(), request.get_header("a"), request.get_header("B", "no")) == (False, "2", "no")
    assert request.header_items() == [("Authorization", "Basic VXNlcg=="), ("a", "2")]
    assert Request("http://[::1]:80/").host == "[::1]"
    assert Request("http://bücher.example/").host == "xn--bcher-kva.example"


@pytest.mark.nginx
def test_nginx_serves_files_ranges_compressed_and_after_redirects(tmp_path):
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "a.txt").write_bytes(b"0123456789" * 1000)

    async def action(container, client):
        async def ask(path, **kwargs):
            response = await client.urlopen(container, url + path, ignorewebexception=True, timeout=20, **kwargs)
            return response.status, await client.content(container, response)

        asked = [
            await ask("/a.txt"),
            await ask("/moved/a.txt"),
            await ask("/a.txt", autodecompress=True),
            await ask("/a.txt", headers={"Range": "bytes=5-8"}),
            await ask("/gone"),
            await ask("/empty"),
            await ask("/missing"),
            await ask("/a.txt", method="HEAD"),
            await ask("/post", data=MemoryStream(b"x" * 70000)),
            await ask("/post", data=b"x" * 200000),
        ]
        return [(status, body if len(body) < 100 else len(body)) for status, body in asked]

    with nginx(tmp_path, requests=3) as port:
        url = f"http://127.0.0.1:{port}"
        found = browse(action)
    assert found[:4] == [(200, 10000), (200, 10000), (200, 10000), (206, b"5678")]
    assert [status for status, _ in found[4:]] == [410, 204, 404, 200, 200, 413]
    assert found[8] == (200, b"POST 70000")


@pytest.mark.nginx
def test_a_hundred_requests_at_once_to_nginx_use_few_connections(tmp_path):
    async def action(container, client):
        bodies = await container.execute_all([client.urlgetcontent(container, url, timeout=30) for _ in range(100)])
        return set(bodies), sum(shelf.count for shelf in client._pool._shelves.values())

    with nginx(tmp_path, requests=7) as port:
        (tmp_path / "files" / "f").write_bytes(b"file")
        url = f"http://127.0.0.1:{port}/f"
        bodies, connections = browse(action)
    assert bodies == {b"file"}
    assert connections <= 20


@pytest.mark.nginx
def test_tls_is_verified_with_host_names_by_default(tmp_path, authority):
    good, wrong = authority.issue("good"), authority.issue("wrong", "DNS:elsewhere.example")
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "f").write_bytes(b"file")
    with nginx(tmp_path, good) as port:
        assert get(f"https://127.0.0.1:{port}/f", cafile=authority.certificate) == b"file"
        assert get(f"https://localhost:{port}/f", settings={"cafile": authority.certificate}) == b"file"
        with pytest.raises(CertificateException, match="not accepted"):
            get(f"https://127.0.0.1:{port}/f")
        with pytest.raises(OSError, match="cannot connect"):
            get(f"https://127.0.0.1:{port}/f", cafile=str(tmp_path / "none"))
    with nginx(tmp_path, wrong) as port, pytest.raises(CertificateException, match="not accepted"):
        get(f"https://127.0.0.1:{port}/f", cafile=authority.certificate)


def test_a_certificate_of_the_client_is_shown(authority):
    server, client = authority.issue("s"), authority.issue("c")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority.certificate)
    context.load_cert_chain(server.certificate, server.key)
    context.verify_mode = ssl.CERT_REQUIRED
    with AioServer(context) as aio_tls:
        options = {"cafile": authority.certificate, "timeout": 20}
        own = {"certificate": client.certificate, "key": client.key}
        assert get(aio_tls.url("/echo"), b"tls", **options, **own) == b"tls"
        with pytest.raises(OSError):
            get(aio_tls.url("/echo"), b"tls", **options)


@pytest.mark.nginx
def test_the_name_in_the_certificate_may_be_ignored_if_that_is_set(tmp_path, authority):
    wrong = authority.issue("ignored", "DNS:elsewhere.example")
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "f").write_bytes(b"file")
    manager["webclient.verifyhost"] = False
    try:
        with nginx(tmp_path, wrong) as port:
            assert get(f"https://127.0.0.1:{port}/f", cafile=authority.certificate) == b"file"
    finally:
        del manager["webclient.verifyhost"]
