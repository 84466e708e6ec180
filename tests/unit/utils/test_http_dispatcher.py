"""Routes, arguments, rewriting, and the helpers of Environment, over real loopback sockets."""

from __future__ import annotations

import base64
import contextlib
import subprocess
from http.client import HTTPConnection, HTTPException

import pytest
from support.webserver import HttpThread

from vlcp.protocol.http import HttpRequestEvent
from vlcp.utils.http import Dispatcher, Environment, HttpExitException, HttpHandler, HttpInputException, http


class Pages(HttpHandler):
    """Handlers for the tests."""

    @HttpHandler.route(b"/a/.*")
    async def first(self, env):
        env.outputdata(b"first")

    @HttpHandler.route("/a/b")
    async def second(self, env):
        env.outputdata(b"second")

    @HttpHandler.route(b"/who", host=b"one.example")
    async def one(self, env):
        env.outputdata(b"one")

    @HttpHandler.route(b"/who")
    async def other(self, env):
        env.outputdata(b"other")

    @HttpHandler.route(b"/who", method="PUT")
    async def put(self, env):
        env.outputdata(b"put")

    @HttpHandler.route(b"/vhost", vhost="elsewhere")
    async def elsewhere(self, env):
        env.outputdata(b"elsewhere")

    @HttpHandler.route(b"/any/(?P<rest>.*)", method=None)
    async def any_method(self, env):
        env.outputdata(env.method + b" " + env.path_match.group("rest"))

    @HttpHandler.routeargs(b"/do/(.*)", matchargs=(1,), queryargs=("argc",), fileargs=("up",), cookieargs=("session",))
    async def do(self, env, target, arga, argb="B", argc=None, up=None, session=None):
        name = up and up["filename"]
        env.outputjson([target, arga, argb, argc, name, session])

    @HttpHandler.routeargs(b"/kw/(?P<name>[a-z]+)", method=[b"GET", b"POST"], matchargs=("name",), tostr=False, formlimit=1000)
    async def kw(self, env, name, **kwargs):
        env.outputdata(repr((name, sorted(kwargs.items()))))

    @HttpHandler.routeargs(b"/sync", method=[b"GET"])
    def sync(self, env, a: str):
        env.outputdata("sync " + a)

    @HttpHandler.route(b"/env")
    async def env(self, env):
        env.argstostr()
        env.cookietostr()
        env.outputjson([env.args, env.cookies, env.host.decode(), env.path.decode(), env.originalpath.decode()])

    @HttpHandler.route(b"/headers")
    async def headers(self, env):
        env.start_response(201, [(b"X-A", b"1")])
        env.header("X-B", "2")
        env.header("x-b", "3")
        env.rawheader("X-C: 4")
        env.header(b"X-C", b"5", False)
        env.setcookie("k", "v", max_age=5, expires=0, secure=True, httponly=True)
        await env.writelines(["ä", "b"])

    @HttpHandler.route(b"/boom")
    async def boom(self, env):
        raise KeyError("boom")

    @HttpHandler.route(b"/badheader")
    async def bad_header(self, env):
        env.header("X-Bad", "a\r\nX-Split: b")

    @HttpHandler.route(b"/badcookie")
    async def bad_cookie(self, env):
        env.setcookie("a", "ok")
        env.setcookie("a", "b\r\nX-Split: c")

    @HttpHandler.route(b"/session")
    async def session_page(self, env):
        await env.sessionstart()

    @HttpHandler.route(b"/auth")
    async def auth(self, env):
        user, password = env.basicauth()
        env.outputdata(user + b"/" + password)

    @HttpHandler.route(b"/exit")
    async def leave(self, env):
        await env.write("before ")
        env.exit("after")

    @HttpHandler.route(b"/bad")
    async def bad(self, env):
        raise HttpInputException("bad input")

    @HttpHandler.route(b"/teapot")
    async def teapot(self, env):
        await env.error(418, showerror="short & stout")

    @HttpHandler.route(b"/unavailable")
    async def unavailable(self, env):
        await env.error(503)

    @HttpHandler.route(b"/loop")
    async def loop(self, env):
        await env.rewrite(b"/loop")

    @HttpHandler.route(b"/kept")
    async def kept(self, env):
        env.start_response(202, [(b"X-Kept", b"yes")])
        await env.rewrite("/page?x=1")

    @HttpHandler.route(b"/page")
    async def page(self, env):
        env.outputdata(b"page " + env.args.get("x", b"-"))

    @HttpHandler.route(b"/twice")
    async def twice(self, env):
        env.outputdata(b"once")
        with pytest.raises(ValueError):
            env.outputdata(b"twice")
        with pytest.raises(ValueError):
            env.start_response(500)

    @HttpHandler.routeevent(b"/event")
    async def event(self, event):
        event.createby.start_response(event.connection, event.xid, b"299 Fine", [], b"event")

    @HttpHandler.routeevent(b"/wrapped")
    @http()
    async def wrapped(self, env):
        env.outputdata(type(self).__name__)


@pytest.fixture(scope="module")
def pages():
    settings = {"errorrewrite": {503: b"/page?x=503"}, "errorredirect": {}, "showerrorinfo": True}
    with HttpThread(Pages, **settings) as thread:
        dispatcher = Dispatcher(None)
        dispatcher.rewrite(rb"/old/(.*)", rb"/any/\1")
        dispatcher.redirect("/gone/(?P<what>.*)", r"http://x.example/\g<what>?a=1", status=301)
        dispatcher.rewrite(b"/quiet", b"/page", keepquery=False)
        dispatcher.route(b"/static", static)
        dispatcher.bind(thread.scheduler)
        yield thread


async def static(env):
    env.outputdata(b"static")


def ask(thread, path, method="GET", body=None, headers=None):
    connection = http_client(thread)
    try:
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        return response.status, response.headers, response.read().decode()
    finally:
        connection.close()


def http_client(thread):
    return HTTPConnection("127.0.0.1", thread.port, timeout=10)


FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize(
    ("method", "path", "status", "body"),
    [
        ("GET", "/a/b", 200, "first"),
        ("GET", "/a/x", 200, "first"),
        ("GET", "/who", 200, "other"),
        ("HEAD", "/who", 200, ""),
        ("PUT", "/who", 200, "put"),
        ("POST", "/who", 404, "<h1>404 Not Found</h1>"),
        ("GET", "/who/", 404, "<h1>404 Not Found</h1>"),
        ("GET", "/vhost", 404, "<h1>404 Not Found</h1>"),
        ("DELETE", "/any/x%20y", 200, "DELETE x y"),
        ("GET", "/any/x%2Fy?z", 200, "GET x/y"),
        ("GET", "/static", 200, "static"),
        ("GET", "/old/x%252Fy%20z?q", 200, "GET x%2Fy z"),
        ("GET", "/quiet?x=2", 200, "page -"),
        ("GET", "/sync?a=b+c", 200, "sync b c"),
        ("GET", "/exit", 200, "before after"),
        ("GET", "/twice", 200, "once"),
        ("GET", "/event", 299, "event"),
        ("GET", "/wrapped", 200, "Pages"),
        ("GET", "/bad", 400, "<h1>400 Bad Request</h1><pre>bad input</pre>"),
        ("GET", "/teapot", 418, "<h1>418 I&#x27;m a Teapot</h1><pre>short &amp; stout</pre>"),
        ("GET", "/unavailable", 503, "page 503"),
        ("GET", "/kept", 202, "page 1"),
    ],
)
def test_a_request_is_served_by_the_first_route_that_fits(pages, method, path, status, body):
    got, _, text = ask(pages, path, method)
    assert got == status
    assert text.replace("I'm", "I&#x27;m") == body


def test_a_host_of_a_route_is_compared_with_the_header(pages):
    assert ask(pages, "/who", headers={"Host": "ONE.example:80"})[2] == "one"
    assert ask(pages, "/who", headers={"Host": "two.example"})[2] == "other"


def test_a_redirect_keeps_the_query_and_quotes_what_it_puts_in(pages):
    status, headers, _ = ask(pages, "/gone/x%0dSet-Cookie:%20a?b=2")
    assert (status, headers["Location"]) == (301, "http://x.example/x%0DSet-Cookie%3A%20a?a=1&b=2")
    assert "Set-Cookie" not in headers


def test_a_rewrite_loop_ends_with_an_error(pages):
    assert ask(pages, "/loop")[0] == 500


@pytest.mark.parametrize(
    ("path", "body", "headers", "status", "answer"),
    [
        ("/do/t", "arga=1&argb=2", FORM, 200, '["t", "1", "2", null, null, null]'),
        ("/do/t?argc=3&argb=4", "arga=1", FORM, 200, '["t", "1", "B", "3", null, null]'),
        ("/do/t", "arga=1&unknown=2", {**FORM, "Cookie": "session=abc; session=def"}, 200, '["t", "1", "B", null, null, "abc"]'),
        ("/do/t", "argb=1", FORM, 400, "missing argument arga"),
        ("/do/t", "arga=%ff", FORM, 400, "value is not utf-8"),
        ("/kw/n", "b=1&a=2&a[]=3", FORM, 200, "(b'n', [('a', [b'3']), ('b', b'1')])"),
        ("/kw/n", "a=" + "x" * 2000, FORM, 413, "larger than 1000"),
    ],
)
def test_a_handler_gets_its_arguments_from_where_the_route_says(pages, path, body, headers, status, answer):
    got, _, text = ask(pages, path, "POST", body, headers)
    assert got == status and answer in text


def test_curl_uploads_a_file_whose_name_cannot_leave_a_directory(pages, tmp_path):
    upload = tmp_path / "x"
    upload.write_bytes(b"content")
    url = f"http://127.0.0.1:{pages.port}/do/t"
    command = ["curl", "-s", "-F", "arga=ä", "-F", f"up=@{upload};filename=../../etc/..pass:wd", url]
    done = subprocess.run(command, capture_output=True, timeout=20)
    assert done.stdout.decode() == '["t", "\\u00e4", "B", null, "pass_wd", null]'


def test_query_cookies_and_paths_are_decoded(pages):
    _, _, text = ask(pages, "/env?a=%C3%A4+b&c[]=1&c[]=2&d", headers={"Cookie": 'x=1; y="2"; broken', "Host": "h:1"})
    assert (
        text
        == '[{"a": "\\u00e4 b", "c": ["1", "2"], "d": ""}, {"x": "1", "y": "2"}, "h:1", "/env", "/env?a=%C3%A4+b&c[]=1&c[]=2&d"]'
    )


def test_headers_and_cookies_of_a_response_can_be_set(pages):
    status, headers, text = ask(pages, "/headers")
    assert (status, text) == (201, "äb")
    assert (headers["X-A"], headers.get_all("X-B"), headers.get_all("X-C")) == ("1", ["3"], ["4", "5"])
    assert headers["Content-Type"] == "text/html; charset=utf-8" and headers["Server"] == "VLCP HTTP Server"
    assert headers["Set-Cookie"] == "k=v; Max-Age=5; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/; Secure; HttpOnly"


def test_basic_authorization_is_asked_for_and_read(pages):
    status, headers, _ = ask(pages, "/auth")
    assert (status, headers["WWW-Authenticate"]) == (401, 'Basic realm="all"')
    for broken in ("Basic", "Basic !!", "Bearer x", "Basic " + base64.b64encode(b"nocolon").decode()):
        assert ask(pages, "/auth", headers={"Authorization": broken})[0] == 401
    good = "basic " + base64.b64encode(b"user:pass:word").decode()
    assert ask(pages, "/auth", headers={"Authorization": good})[2] == "user/pass:word"


def test_a_handler_that_is_closed_serves_no_more():
    with HttpThread(Pages) as thread:
        assert ask(thread, "/page")[0] == 200
        thread.handlers[0].close()
        assert ask(thread, "/page")[0] == 404


def test_a_header_that_would_split_the_response_is_an_error_of_the_handler(pages):
    for _ in range(2):
        status, headers, _ = ask(pages, "/badheader")
        assert (status, headers["X-Split"]) == (500, None)
        status, headers, _ = ask(pages, "/badcookie")
        assert (status, headers["X-Split"], headers["Set-Cookie"]) == (500, None, "a=ok; Path=/")


def test_an_error_page_that_fails_does_not_stop_the_server():
    for target in (b"/missing", b"/boom", b"\xff bad"):
        with HttpThread(Pages, errorrewrite={404: target, 500: target}) as thread:
            for path in ("/boom", "/nowhere"):
                with contextlib.suppress(OSError, HTTPException):
                    assert ask(thread, path)[0] in (404, 500)
            assert ask(thread, "/page")[0] == 200


def test_a_session_that_no_module_keeps_is_an_error_of_the_handler(pages):
    assert ask(pages, "/session")[0] == 500


class Protocol:
    """What an Environment needs of a protocol object."""

    unquoteplus = True


@pytest.fixture
def env():
    event = HttpRequestEvent(b"h", b"/x%20y?a=1", b"GET", "connection", 0, 1, Protocol())
    return Environment(event)


@pytest.mark.parametrize(
    ("path", "real"),
    [
        ("/a/b", "a/b"),
        ("a/../../b", "b"),
        ("../../etc/passwd", "etc/passwd"),
        ("/a/./b//c", "a/b/c"),
        ("..\\..\\x", "x"),
        (b"/\xc3\xa4", "ä"),
        ("", ""),
        ("..", ""),
    ],
)
def test_a_real_path_never_leaves_its_root(env, tmp_path, path, real):
    import os

    assert (
        env.getrealpath(str(tmp_path), path) == os.path.join(os.path.realpath(tmp_path), *real.split("/")).rstrip("/") or not real
    )


def test_a_path_with_nul_is_refused(env):
    with pytest.raises(HttpInputException):
        env.getrealpath("/", "a\0b")


def test_helpers_escape_text_and_end_handlers(env):
    assert env.escape("<a&\"'>") == "&lt;a&amp;&quot;&#x27;&gt;" and env.escape(b"<\xff>") == b"&lt;\xff&gt;"
    assert env.nl2br("a\nb") == "a<br>\nb" and env.nl2br(b"a\nb") == b"a<br>\nb"
    assert env.path == b"/x y" and env.args == {"a": b"1"}
    with pytest.raises(HttpExitException):
        env.exit()
    with pytest.raises(AttributeError):
        _ = env.nothing
    with pytest.raises(ValueError):
        env.setcookie("a", "b; Path=/x")


def test_a_routine_can_wait_for_requests_itself_and_others_are_not_found():
    with HttpThread() as thread:

        async def serve():
            while True:
                event = await HttpRequestEvent.createMatcher(None, b"/raw", b"GET")
                event.canignore = True
                event.createby.start_response(event.connection, event.xid, 200, [], event.version.encode())

        thread.container.subroutine(serve(), daemon=True)
        for _ in range(3):
            assert ask(thread, "/raw")[::2] == (200, "1.1")
            assert ask(thread, "/other")[0] == 404
