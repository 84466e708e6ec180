"""Sessions over real HTTP: cookies, expiry, tokens against forged requests, arguments from the session."""

from __future__ import annotations

import re
import threading
from http.client import HTTPConnection

import pytest
from support.webserver import free_port, running, wait_listening

from vlcp.server.module import Module, call_api, depend
from vlcp.service.connection.httpserver import HttpServer
from vlcp.service.utils.session import Session
from vlcp.utils.http import HttpHandler


class Pages(HttpHandler):
    """Pages that use sessions; ``order`` notes who was inside the lock."""

    def __init__(self, parent):
        super().__init__(parent.scheduler, False, "pages")
        self.order = []

    @HttpHandler.route(b"/count")
    async def count(self, env):
        await env.sessionstart()
        await env.sessionstart()
        env.session.vars["count"] = env.session.vars.get("count", 0) + 1
        env.start_response(200, [(b"X-Id", env.session.id.encode())])
        env.outputdata(b"%d" % env.session.vars["count"])

    @HttpHandler.route(b"/fail")
    async def fail(self, env):
        await env.sessionstart()
        raise ValueError("failed")

    @HttpHandler.route(b"/forward")
    async def forward(self, env):
        env.setcookie("kept", "1")
        await env.sessionstart()
        await env.rewrite(b"/count", keepresponse=False)

    @HttpHandler.route(b"/end")
    async def end(self, env):
        await env.sessiondestroy()
        assert env.session is None
        await env.redirect(b"/")

    @HttpHandler.route(b"/token")
    async def token(self, env):
        first = await env.createcsrf()
        assert await env.createcsrf() == first
        env.outputdata(first)

    @HttpHandler.routeargs(b"/change", csrfcheck=True, sessionargs=("count",))
    async def change(self, env, value, count=0, **extra):
        env.outputjson([value, count, extra])

    @HttpHandler.routeargs(b"/get", csrfcheck=True, csrfarg="t", method=[b"GET"], tostr=False)
    async def get(self, env, **extra):
        env.outputjson(sorted(extra))

    @HttpHandler.routeargs(b"/inquery", csrfcheck=True, queryargs=("_csrf",))
    async def inquery(self, env, a):
        env.outputdata(a)

    @HttpHandler.route(b"/job")
    async def run_job(self, env):
        self.outcome = await self.job(self)
        env.outputdata(b"done")

    @HttpHandler.route(b"/locked/(.*)")
    async def locked(self, env):
        await env.sessionstart()
        await env.session.lock()
        self.order.append(env.path_match.group(1))
        await self.wait_with_timeout(0.1)
        self.order.append(env.path_match.group(1))
        env.session.unlock()


@depend(HttpServer, Session)
class SessionPages(Module):
    """Serves the pages above."""

    def __init__(self, server):
        super().__init__(server)
        self.pages = Pages(self)
        self.routines.append(self.pages)


class Browser:
    """One client with its cookies; ``lines`` are the Set-Cookie headers of the last response."""

    def __init__(self, port):
        self.port = port
        self.cookies = {}
        self.lines = []

    def ask(self, method, path, body=None):
        """Return (status, body) of a request."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        headers = {"Cookie": "; ".join("%s=%s" % item for item in self.cookies.items())} if self.cookies else {}
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        data = response.read().decode()
        self.lines = response.headers.get_all("Set-Cookie", [])
        self.cookies.update(line.partition(";")[0].split("=") for line in self.lines)
        connection.close()
        return response.status, data


@pytest.fixture(scope="module")
def server():
    port = free_port()
    settings = {
        "module.httpserver.url": None,
        "module.httpserver.vhost.pages.url": f"tcp://127.0.0.1:{port}/",
        "module.session.timeout": 3600,
    }
    with running([SessionPages], settings) as started:
        wait_listening(port)
        started.port = port
        yield started


@pytest.fixture
def browser(server):
    return Browser(server.port)


def within(server, make):
    """Run ``make(container)``, a coroutine, in the server's scheduler and return its result."""
    pages = server.moduleloader.active["sessionpages"].pages
    pages.job = make
    assert Browser(server.port).ask("GET", "/job") == (200, "done")
    return pages.outcome


def test_a_client_gets_one_cookie_and_keeps_its_variables(browser):
    assert browser.ask("GET", "/count") == (200, "1")
    assert re.fullmatch(r"_session_id=[0-9a-f]{32}; Path=/; SameSite=Lax; HttpOnly", browser.lines[0])
    assert browser.ask("GET", "/count") == (200, "2")
    assert browser.lines == []


def test_clients_have_sessions_of_their_own(server, browser):
    browser.ask("GET", "/count")
    assert Browser(server.port).ask("GET", "/count") == (200, "1")


@pytest.mark.parametrize("invented", ["0123456789abcdef0123456789abcdef", "x", "../../etc", "", "deleted"])
def test_an_id_that_the_client_invents_is_not_taken(browser, invented):
    browser.cookies["_session_id"] = invented
    assert browser.ask("GET", "/count") == (200, "1")
    assert browser.cookies["_session_id"] != invented


def test_the_cookie_comes_with_an_error_page_too(browser):
    assert browser.ask("GET", "/fail")[0] == 500
    assert len(browser.lines) == 1


def test_cookies_survive_a_rewrite(browser):
    assert browser.ask("GET", "/forward") == (200, "1")
    assert sorted(browser.cookies) == ["_session_id", "kept"]


def test_a_destroyed_session_is_gone_and_its_cookie_is_taken_back(browser):
    browser.ask("GET", "/count")
    old = browser.cookies["_session_id"]
    assert browser.ask("GET", "/end")[0] == 302
    assert browser.lines == ["_session_id=deleted; Max-Age=0; Path=/; HttpOnly"]
    browser.cookies["_session_id"] = old
    assert browser.ask("GET", "/count") == (200, "1")


def test_a_form_with_the_token_of_its_session_is_accepted(browser):
    browser.ask("GET", "/count")
    _, token = browser.ask("GET", "/token")
    assert browser.ask("POST", "/change", f"_csrf={token}&value=v&more=m") == (200, '["v", 1, {"more": "m"}]')
    assert browser.ask("POST", f"/inquery?_csrf={token}", "a=b") == (200, "b")


@pytest.mark.parametrize("token", ["", "&_csrf=", "&_csrf=wrong", "&_csrf=%C3%A4", "&_csrf[]=x"])
def test_a_form_without_it_is_refused(browser, token):
    browser.ask("GET", "/token")
    assert browser.ask("POST", "/change", "value=v" + token)[0] == 403


def test_a_session_without_a_token_accepts_no_form(browser):
    browser.ask("GET", "/count")
    assert browser.ask("POST", "/change", "value=v&_csrf=")[0] == 403
    assert browser.ask("POST", "/change", "value=v&_csrf=None")[0] == 403


def test_another_sessions_token_is_refused(server, browser):
    _, token = Browser(server.port).ask("GET", "/token")
    browser.ask("GET", "/token")
    assert browser.ask("POST", "/change", f"_csrf={token}&value=v")[0] == 403


def test_the_name_of_the_token_can_be_chosen(server, browser):
    browser.ask("GET", "/count")
    session = within(server, lambda c: call_api(c, "session", "get", {"sessionid": browser.cookies["_session_id"]}))
    session.vars["t"] = "secret"
    assert browser.ask("GET", "/get?t=secret&a=1") == (200, '["a"]')
    assert browser.ask("GET", "/get?t=&a=1")[0] == 403


def test_the_lock_keeps_requests_of_one_session_apart(server, browser):
    browser.ask("GET", "/count")
    asking = [threading.Thread(target=browser.ask, args=("GET", f"/locked/{name}")) for name in "ab"]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join(20)
    order = server.moduleloader.active["sessionpages"].pages.order
    assert order in ([b"a", b"a", b"b", b"b"], [b"b", b"b", b"a", b"a"])


def test_sessions_are_found_by_header_or_mapping_and_expire(server):
    async def exchange(container):
        handle, cookies = await call_api(container, "session", "start", {"cookies": None, "cookieopts": {"secure": True}})
        again = [
            await call_api(container, "session", "start", {"cookies": cookies_of})
            for cookies_of in (b"_session_id=" + handle.id.encode(), "_session_id=" + handle.id, {"_session_id": handle.id})
        ]
        await call_api(container, "memorystorage", "get", {"key": "vlcp.service.utils.session." + handle.id, "timeout": 0})
        gone = await call_api(container, "session", "get", {"sessionid": handle.id})
        nonsense = await call_api(container, "session", "get", {"sessionid": None, "refresh": False})
        return handle, cookies, again, gone, nonsense

    handle, cookies, again, gone, nonsense = within(server, exchange)
    assert cookies[0][0] == b"Set-Cookie"
    assert cookies[0][1].endswith(b"; Secure; HttpOnly")
    assert [(found.id, found.vars is handle.vars, lines) for found, lines in again] == [(handle.id, True, [])] * 3
    assert (gone, nonsense) == (None, None)


def test_a_use_of_the_session_renews_its_time(server):
    async def expiries(container):
        handle = await call_api(container, "session", "create")
        knowledge = server.moduleloader.active["knowledge"]
        key = "vlcp.service.utils.session." + handle.id
        times = [knowledge._entries[key].expires]
        await container.wait_with_timeout(0.05)
        for refresh in (False, True):
            await call_api(container, "session", "get", {"sessionid": handle.id, "refresh": refresh})
            times.append(knowledge._entries[key].expires)
        return times

    first, unrefreshed, refreshed = within(server, expiries)
    assert first == unrefreshed < refreshed
