"""The Web API on a real loopback socket: parameters, results, statuses, and what other sites may not do."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import time
from urllib.parse import quote, urlencode

import pytest
from support.webserver import exchange, free_port, running, wait_listening

from vlcp.server.module import Module, api, publicapi
from vlcp.service.manage.webapi import WebAPI
from vlcp.utils.dataobject import AlreadyExistsException
from vlcp.utils.exceptions import (
    ModuleAPICallTimeoutException,
    StorageUnavailableException,
    TransactionRetryExceededException,
    TransactionTimeoutException,
    TypeMismatchException,
)
from vlcp.utils.networkmodel import LogicalNetwork

RAISED = {
    "type": (TypeMismatchException("ports[2].mac_address: expected a MAC address, got 'xx'"), 400),
    "value": (ValueError("network is in use\nreally"), 400),
    "exists": (AlreadyExistsException("port p exists"), 409),
    "store": (StorageUnavailableException("no database"), 503),
    "conflict": (TransactionRetryExceededException(), 503),
    "slow": (TransactionTimeoutException(), 504),
    "silent": (ModuleAPICallTimeoutException("no answer"), 504),
    "fault": (KeyError("fault"), 500),
    "empty": (RuntimeError(), 500),
}


class WebTarget(Module):
    """APIs for the tests."""

    def __init__(self, server):
        super().__init__(server)
        self.calls = 0
        self.create_api(
            api(self.echo),
            api(self.typed),
            api(self.fail),
            api(self.values),
            api(self.later, self.apiroutine),
            api(self.never, self.apiroutine),
            api(self.allow),
            publicapi(self.everybody, criteria=lambda who="x": who == "me"),
        )

    def echo(self, a=None, **kwargs):
        "Return the parameters"
        self.calls += 1
        return {"a": a, **kwargs}

    def typed(self, number: int, items: list = ()):
        "Return a number"
        return [number, items]

    def fail(self, why):
        "Raise something"
        raise RAISED[why][0]

    def values(self):
        "Return what JSON does not know"
        return [b"bytes", {1}, (2, 3), object]

    async def later(self, seconds: float):
        "Answer after some time"
        await self.apiroutine.wait_with_timeout(seconds)
        return "later"

    async def never(self):
        "Do not answer"
        await self.apiroutine.wait_with_timeout(3600)

    def allow(self, env, targetname, name, params):
        "Decide about a request"
        if params.get("a") == "secret" or name == "allow":
            return
        if params.get("a") == "ask":
            env.basicauth(b"realm")
        raise RuntimeError("who are you")

    def everybody(self, who="x"):
        "Answer for the public"
        return who


class Api:
    """A client of one running server."""

    def __init__(self, port):
        self.port = port

    def request(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            data = response.read()
        finally:
            connection.close()
        kind = response.headers.get("Content-Type", "")
        return response.status, json.loads(data) if kind == "application/json" else data.decode()

    def get(self, name, query="", headers=None):
        return self.request("GET", "/webtarget/" + name + ("?" + query if query else ""), None, headers)

    def form(self, name, fields):
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.request("POST", "/webtarget/" + name, urlencode(fields), kind)

    def json(self, name, body, kind="application/json"):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.request("POST", "/webtarget/" + name, data, {"Content-Type": kind})


def started(**settings):
    port = free_port()
    configured = {"module.httpserver.url": None, "module.httpserver.vhost.api.url": f"tcp://127.0.0.1:{port}/"}
    configured.update((f"module.webapi.{key}", value) for key, value in settings.items())
    return port, running([WebAPI, WebTarget], configured)


@pytest.fixture(scope="module")
def web():
    port, server = started(timeout=0.7)
    with server:
        wait_listening(port)
        yield Api(port)


def echo(answer):
    status, body = answer
    assert status == 200, body
    return body["result"]


def test_the_query_of_a_get_request_has_the_parameters(web):
    assert echo(web.get("echo", "a=1&b=%C3%A9+x&c=&a=2")) == {"a": "2", "b": "é x", "c": ""}


def test_names_that_end_with_brackets_collect_lists(web):
    assert echo(web.get("echo", "x[]=1&x[]=2&y[z]=3")) == {"a": None, "x": ["1", "2"], "y[z]": "3"}


@pytest.mark.parametrize(
    ("literal", "value"),
    [
        ("`1`", 1),
        ("`[[10000,20000]]`", [[10000, 20000]]),
        ("`{'a': (1, None, True)}`", {"a": [1, None, True]}),
        ("` 'text' `", "text"),
        ("`-1.5`", -1.5),
        ("a`1`", "a`1`"),
        ("'1'", "'1'"),
    ],
)
def test_a_value_between_back_quotes_is_a_python_literal_in_query_and_form(web, literal, value):
    assert echo(web.get("echo", "a=" + quote(literal))) == {"a": value}
    assert echo(web.form("echo", {"a": literal})) == {"a": value}


@pytest.mark.parametrize(
    ("value", "part"),
    [
        ("`1", "a: back-quote is not closed"),
        ("`", "a: back-quote is not closed"),
        ("`x`", "a: not a Python literal"),
        ("``", "a: not a Python literal"),
        ("`set(1)`", "a: not a Python literal"),
        ("`[1,`", "a: not a Python literal"),
        ("`__import__('os')`", "a: not a Python literal"),
        ("`{[]: 1}`", "a: not a Python literal"),
        ("`" + "9" * 5000 + "`", "a: not a Python literal"),
        ("`" + "[" * 40 + "]" * 40 + "`", "a: literal is nested deeper"),
        ("`" + "(" * 100000 + "`", "a: literal is nested deeper"),
        ("`" + "-" * 100000 + "1`", "a: not a Python literal"),
        ("`'" + "x" * 2000000 + "'`", "a: literal is longer"),
    ],
)
def test_a_broken_literal_is_refused_with_the_name_of_its_parameter(web, value, part):
    status, body = web.form("echo", {"a": value})
    assert status == 400 and body["error"].startswith(part)
    assert "\n" not in body["error"] and len(body["error"]) < 1100


def test_json_gives_all_types_and_is_not_searched_for_literals(web):
    assert echo(web.json("echo", {"a": [1, "`2`", None, {"b": True}]})) == {"a": [1, "`2`", None, {"b": True}]}
    utf16 = json.dumps({"a": "é"}).encode("utf-16")
    assert echo(web.json("echo", utf16, "application/json; charset=utf-16")) == {"a": "é"}
    assert echo(web.json("echo", b"")) == {"a": None}


@pytest.mark.parametrize(
    "body",
    [b"{", b"[1]", b"1", b'{"a": NaN}', b"\xff\xfe", b"[" * 200000, b'{"a": 1} x', b"{'a': 1}", b'{"a": ' + b"9" * 5000 + b"}"],
)
def test_malformed_json_is_refused(web, body):
    status, answer = web.json("echo", body)
    assert status == 400 and "JSON" in answer["error"]


def test_tagged_objects_in_json_become_data_objects_and_references(web):
    weak = {"<vlcpjsonencode/vlcp.utils.dataobject.WeakReferenceObject>": "item.1"}
    path = "%s.%s" % (LogicalNetwork.__module__, LogicalNetwork.__name__)
    network = {"<vlcpjsonencode/%s>" % path: {"size": [1]}}
    raw = {"<vlcpjsonencode/urlencoded-bytes>": "a%20b"}
    answer = echo(web.json("echo", {"a": [weak, network], "raw": raw}))
    assert answer["a"][0] == {"_weakref": "item.1"} and answer["raw"] == "a b"
    assert answer["a"][1]["_type"] == path and answer["a"][1]["size"] == [1]


@pytest.mark.parametrize("path", ["os.system", "subprocess.Popen", "vlcp.server.server.Server", "x", ""])
def test_a_tag_that_names_no_data_class_is_refused(web, path):
    status, answer = web.json("echo", {"a": {"<vlcpjsonencode/%s>" % path: {"args": 1}}})
    assert status == 400 and "class" in answer["error"]


def test_an_unknown_encoding_or_kind_of_body_is_refused(web):
    assert web.json("echo", b"{}", "application/json; charset=klingon")[0] == 400
    assert web.json("echo", b"a=1", "text/plain")[0] == 415


def test_a_multipart_form_gives_fields_but_no_files(web):
    boundary = "xyz"
    body = (
        '--xyz\r\nContent-Disposition: form-data; name="a"\r\n\r\n`[1]`\r\n'
        '--xyz\r\nContent-Disposition: form-data; name="f"; filename="../x"\r\n\r\ndata\r\n--xyz--\r\n'
    )
    answer = web.request("POST", "/webtarget/echo", body, {"Content-Type": "multipart/form-data; boundary=" + boundary})
    assert echo(answer) == {"a": [1]}


@pytest.mark.parametrize("body", ["", "--xyz\r\n", "--xyz\r\n\r\nx\r\n--xyz--", "--xyz--", "x" * 100])
def test_a_malformed_multipart_form_is_no_server_error(web, body):
    status, _ = web.request("POST", "/webtarget/echo", body, {"Content-Type": "multipart/form-data; boundary=xyz"})
    assert status in (200, 400)
    assert web.request("POST", "/webtarget/echo", body, {"Content-Type": "multipart/form-data"})[0] == 400


def test_the_query_of_a_post_request_is_ignored(web):
    assert echo(web.request("POST", "/webtarget/echo?a=1&b=2", b"")) == {"a": None}


def test_results_that_json_does_not_know_are_shown(web):
    assert echo(web.get("values"))[:3] == ["bytes", [1], [2, 3]]


@pytest.mark.parametrize("why", RAISED)
def test_what_an_api_raises_becomes_its_status_and_one_line(web, why):
    status, body = web.get("fail", "why=" + why)
    assert status == RAISED[why][1]
    assert list(body) == ["error"] and body["error"] and "\n" not in body["error"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/nowhere/echo", 404),
        ("/webtarget/nothing", 404),
        ("/WebTarget/echo", 404),
        ("/webtarget/Echo", 404),
        ("/public/nothing", 404),
        ("/public/everybody?who=you", 404),
        ("/webtarget/typed", 400),
        ("/webtarget/typed?number=x", 400),
        ("/webtarget/typed?number=1&other=2", 400),
        ("/%ff/echo", 400),
        ("/webtarget/echo?a=%ff", 400),
    ],
)
def test_the_faults_of_a_caller_are_4xx_with_one_line_at_once(web, path, status):
    begin = time.monotonic()
    got, body = web.request("GET", path)
    assert got == status and "\n" not in body["error"]
    assert time.monotonic() - begin < 1


@pytest.mark.parametrize("path", ["/", "/webtarget", "/webtarget/echo/more", "//echo", "/webtarget//"])
def test_a_path_that_is_no_api_is_not_found(web, path):
    status, body = web.request("GET", path)
    assert (status, body) == (404, "<h1>404 Not Found</h1>")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"])
def test_other_methods_are_not_found(web, method):
    assert web.request(method, "/webtarget/echo")[0] == 404


def test_typed_parameters_take_text_or_literals(web):
    assert echo(web.get("typed", "number=5")) == [5, []]
    assert echo(web.form("typed", {"number": "`5`", "items": "`[1]`"})) == [5, [1]]


def test_public_and_waiting_apis_answer(web):
    assert web.request("GET", "/public/everybody?who=me") == (200, {"result": "me"})
    assert echo(web.get("later", "seconds=0.05")) == "later"


def test_discover_lists_the_apis(web):
    assert echo(web.get("discover"))["echo"] == "Return the parameters"
    details = echo(web.get("discover", "details=true"))
    assert [parameter["name"] for parameter in details["typed"]["parameters"]] == ["number", "items"]


def test_an_api_that_does_not_answer_is_504_after_the_timeout(web):
    begin = time.monotonic()
    assert web.get("never")[0] == 504
    assert 0.5 < time.monotonic() - begin < 3


def test_curl_works_as_in_the_manual(web):
    url = f"http://localhost:{web.port}/webtarget/echo"
    done = subprocess.run(["curl", "-sg", "-4", "-d", "a=`[1,2]`&b=x", url], capture_output=True, timeout=20)
    assert json.loads(done.stdout) == {"result": {"a": [1, 2], "b": "x"}}
    done = subprocess.run(["curl", "-sg", "-4", url + "?a=`1`"], capture_output=True, timeout=20)
    assert json.loads(done.stdout) == {"result": {"a": 1}}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "localhost"}, 200),
        ({"Host": "LOCALHOST.:80"}, 200),
        ({"Host": "127.0.0.1:1"}, 200),
        ({"Host": "127.8.8.8"}, 200),
        ({"Host": "[::1]:8081"}, 200),
        ({"Host": socket.gethostname()}, 200),
        ({"Host": "evil.example"}, 403),
        ({"Host": "localhost.evil.example"}, 403),
        ({"Host": "10.0.0.1"}, 403),
        ({"Host": "127.0.0.1.evil.example"}, 403),
        ({"Host": ""}, 403),
        ({"Host": "localhost:80", "Origin": "http://localhost"}, 200),
        ({"Host": "localhost:81", "Origin": "http://localhost:81"}, 200),
        ({"Host": "localhost:81", "Origin": "http://localhost:82"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": ""}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "anything"}, 403),
    ],
)
def test_requests_of_other_sites_are_refused_before_anything_is_called(web, headers, status):
    got, body = web.get("echo", "a=1", headers)
    assert got == status, body
    assert status == 200 or list(body) == ["error"]


def test_a_body_over_the_limit_is_refused_without_reading_it_all(web):
    begin = time.monotonic()
    status, body = web.form("echo", {"a": "x" * 17_000_000})
    assert status == 413 and "16777216" in body["error"]
    assert time.monotonic() - begin < 5
    head = b"POST /webtarget/echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    answer = exchange(web.port, head + b"Content-Length: 99999999999\r\nExpect: 100-continue\r\n\r\n", half_close=True)
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_a_chunked_body_over_the_limit_is_refused_too(web):
    def chunks():
        for _ in range(17):
            yield b" " * 1_000_000

    connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=20)
    connection.request("POST", "/webtarget/echo", chunks(), {"Content-Type": "application/json"}, encode_chunked=True)
    assert connection.getresponse().status == 413
    connection.close()


def test_the_largest_body_allowed_is_taken(web):
    assert len(echo(web.json("echo", {"a": "x" * 16_000_000}))["a"]) == 16_000_000


def test_targets_can_be_denied_or_allowed_by_name():
    port, server = started(denytargets=["webtarget"])
    with server:
        wait_listening(port)
        assert Api(port).get("echo")[0] == 403
        assert Api(port).request("GET", "/httpserver/getconnections")[0] == 200
    port, server = started(denytargets=["webtarget"], allowtargets=["webtarget"])
    with server:
        wait_listening(port)
        assert Api(port).get("echo")[0] == 200
        assert Api(port).request("GET", "/httpserver/getconnections")[0] == 403


def test_an_authentication_api_decides_about_requests():
    port, server = started(authtarget="webtarget", authmethod="allow")
    with server:
        wait_listening(port)
        assert echo(Api(port).get("echo", "a=secret")) == {"a": "secret"}
        assert Api(port).get("echo", "a=x") == (403, {"error": "who are you"})
        assert Api(port).get("echo", "a=ask")[0] == 401


def test_error_details_traces_root_path_and_literals_can_be_set():
    port, server = started(errordetails=False, rootpath="/api/v1/", typeextension=False)
    with server:
        wait_listening(port)
        assert Api(port).request("GET", "/webtarget/echo")[0] == 404
        status, body = Api(port).request("GET", "/api/v1/webtarget/fail?why=fault")
        assert (status, body) == (500, "<h1>500 Internal Server Error</h1>")
        assert echo(Api(port).request("GET", "/api/v1/webtarget/echo?a=`1")) == {"a": "`1"}
    port, server = started(errortrace=True, acceptmethods=[b"POST"], hostnames=["api.example"])
    with server:
        wait_listening(port)
        assert Api(port).get("fail", "why=fault")[0] == 404
        status, body = Api(port).form("fail", {"why": "fault"})
        assert status == 500 and "KeyError" in body["trace"]
        kind = {"Host": "API.example:8081"}
        assert Api(port).request("POST", "/webtarget/echo", b"", kind)[0] == 200
        assert Api(port).request("POST", "/webtarget/echo", b"", {"Host": socket.gethostname()})[0] == 403
