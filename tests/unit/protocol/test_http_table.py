"""A table of requests, valid, odd and hostile, with the answers that RFC 9110 and RFC 9112 ask for.

Each row names the section. ``answers`` are the statuses in their order. ``end`` tells what follows them: ``open`` (the
connection answers another request), ``closed`` (nothing more is answered, whatever was sent behind).
"""

from __future__ import annotations

import contextlib
import time
from typing import NamedTuple, Optional, Sequence, Tuple

import pytest
from support.httptext import converse, read_answers
from support.webserver import HttpThread, free_port, running, wait_listening

from vlcp.event.stream import MemoryStream, Stream
from vlcp.server.module import Module, depend
from vlcp.service.web.static import Static
from vlcp.utils.http import HttpHandler

OPEN, CLOSED = "open", "closed"


class TablePages(HttpHandler):
    """What the requests of the table ask for."""

    @HttpHandler.route(b"/")
    async def home(self, env):
        env.outputdata(b"home")

    @HttpHandler.route(b"/probe", host=b"probe")
    async def probe(self, env):
        env.outputdata(b"probe")

    @HttpHandler.route(b"/echo", method=[b"POST", b"PUT", b"GET"])
    async def echo(self, env):
        env.outputdata(await env.readbody())

    @HttpHandler.route(b"/any", method=None)
    async def any_method(self, env):
        env.outputdata(env.method)

    @HttpHandler.route(b"/host")
    async def host(self, env):
        env.outputdata(env.host)

    @HttpHandler.route(b"/x")
    async def x(self, env):
        env.outputdata(env.headerdict.get(b"x", b"-"))

    @HttpHandler.route(b"/ignore", method=[b"POST"])
    async def ignore(self, env):
        env.outputdata(b"ignored")

    @HttpHandler.route(b"/refuse", method=[b"POST"])
    async def refuse(self, env):
        await env.error(403)

    @HttpHandler.route(b"/fail")
    async def fail(self, env):
        raise RuntimeError("fail")

    @HttpHandler.route(b"/slow")
    async def slow(self, env):
        await self.wait_with_timeout(0.05)
        env.outputdata(b"slow")

    @HttpHandler.route(b"/stream")
    async def stream(self, env):
        for _ in range(3):
            await env.write(b"piece", buffering=False)

    @HttpHandler.route(b"/memory")
    async def memory(self, env):
        env.output(MemoryStream(b"memory"))

    @HttpHandler.route(b"/empty")
    async def empty(self, env):
        env.start_response(204)

    @HttpHandler.route(b"/text")
    async def text(self, env):
        env.outputdata(b"text " * 1000)

    @HttpHandler.route(b"/broken")
    async def broken(self, env):
        stream = Stream()
        env.output(stream)
        await stream.write(b"begin", self, buffering=False)
        await stream.error(self)


@depend(Static)
class TableFiles(Module):
    """Files for conditional and range requests."""


class Row(NamedTuple):
    """One conversation. ``sent`` as for :func:`support.httptext.converse`; ``methods`` of the requests that are answered."""

    section: str
    name: str
    sent: Tuple
    answers: Sequence[int]
    end: str
    framing: Optional[str] = None
    body: Optional[bytes] = None
    server: str = "usual"
    methods: str = ""
    header: Tuple[str, Optional[str]] = ("", None)


def get(path=b"/", *fields, method=b"GET", version=b"1.1", host=b"Host: a"):
    """Return a request without a body."""
    lines = [b"%b %b HTTP/%b" % (method, path, version), *([host] if host else []), *fields]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def post(body=b"", *fields, path=b"/echo", version=b"1.1", length=True):
    """Return a request with a body, with its length or without any header about it."""
    framing = [b"Content-Length: %d" % len(body)] if length else []
    return get(path, *framing, *fields, method=b"POST", version=version) + body


def chunked(body, *fields, path=b"/echo"):
    """Return a request whose body is framed already."""
    return post(b"", b"Transfer-Encoding: chunked", *fields, path=path, length=False) + body


HELLO = b"5\r\nhello\r\n0\r\n\r\n"
HIDDEN = get(b"/hidden")


def ok(section, name, *sent, **more):
    """A row that is answered once with 200 and leaves the connection open."""
    return Row(section, name, sent, [200], OPEN, **more)


def bad(section, name, *sent, status=400, **more):
    """A row that is refused, with another request behind it that must not be answered."""
    return Row(section, name, (*sent, HIDDEN), [status], CLOSED, **more)


LINES = [
    ok("9112 2.1", "a plain request", get(), body=b"home", framing="length"),
    ok("9112 2.2", "an empty line before a request", b"\r\n" + get()),
    ok("9112 2.2", "eight empty lines before a request", b"\r\n" * 8 + get()),
    bad("9112 2.2", "endless empty lines", b"\r\n" * 100),
    bad("9112 2.2", "bare LF as line ends", get().replace(b"\r\n", b"\n")),
    bad("9112 2.2", "bare LF behind the request line", b"GET / HTTP/1.1\nHost: a\r\n\r\n"),
    bad("9112 2.2", "bare LF behind a header", b"GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n"),
    bad("9112 2.2", "bare CR inside the request line", b"GET /\r HTTP/1.1\r\nHost: a\r\n\r\n"),
    bad("9112 2.2", "bare CR as line end", get().replace(b"\r\n", b"\r") + b"\n"),
    bad("9112 2.2", "bare CR inside a header", get(b"/", b"X: a\rb")),
    bad("9112 2.2", "CR CR LF", get(b"/", b"X: a\r")),
    bad("9112 2.2", "blanks before the first header", b"GET / HTTP/1.1\r\n Host: a\r\n\r\n"),
    bad("9112 2.2", "a TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 64),
    bad("9112 2.2", "random bytes", bytes(range(128, 256)) + b"\r\n\r\n"),
    bad("9110 2.5", "the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", status=505),
    bad("9112 2.3", "HTTP/2.0", get(version=b"2.0"), status=505),
    bad("9112 2.3", "HTTP/0.9 with a version", get(version=b"0.9"), status=505),
    bad("9112 2.3", "HTTP/0.9 without a version", b"GET /\r\n\r\n"),
    ok("9110 2.5", "a higher minor version", get(version=b"1.2")),
    bad("9112 2.3", "a minor version of two digits", get(version=b"1.10")),
    bad("9112 2.3", "a major version of two digits", get(version=b"11.1")),
    bad("9112 2.3", "a version in lower case", get().replace(b"HTTP/", b"http/")),
    bad("9112 2.3", "a version without minor number", get(version=b"1")),
    bad("9112 2.3", "a blank inside the version", get(version=b" 1.1")),
    bad("9112 3", "two blanks behind the method", b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n"),
    bad("9112 3", "a tab behind the method", b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    bad("9112 3", "a blank behind the version", b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n"),
    bad("9112 3", "a blank before the method", b" " + get()),
    bad("9112 3", "no method", b" / HTTP/1.1\r\nHost: a\r\n\r\n"),
    bad("9112 3", "no target", b"GET HTTP/1.1\r\nHost: a\r\n\r\n"),
    bad("9112 3", "a blank inside the target", get(b"/a b")),
    bad("9112 3", "NUL in the target", get(b"/\0")),
    bad("9112 3", "a target longer than the limit", get(b"/" + b"a" * 9000), status=414),
    bad("9112 3", "a target without an end", b"GET /" + b"a" * 20000, status=414),
    ok("9112 3", "a target of 8000 bytes", get(b"/?" + b"a" * 8000)),
    ok("9110 9.1", "an unknown method that a handler takes", get(b"/any", method=b"BREW"), body=b"BREW"),
    ok("9110 9.1", "a method of all token characters", get(b"/any", method=b"!#$%&'*+-.^_`|~0a"), body=b"!#$%&'*+-.^_`|~0a"),
    Row("9110 9.1", "methods are case-sensitive", (get(method=b"get"),), [404], OPEN),
    bad("9110 9.1", "a method with a delimiter", get(method=b"GE(T")),
    bad("9110 9.1", "a method with a colon", get(method=b"GET:")),
    bad("9110 9.1", "a method of other characters", get(method=b"G\xc3\x84T")),
]

TARGETS = [
    ok("9112 3.2.1", "origin form with a query", get(b"/?a=b&c"), body=b"home"),
    ok("9112 3.2.1", "escapes in the path", get(b"/%65cho"), body=b""),
    Row("9112 3.2.1", "an escaped slash is found like a plain one", (get(b"/a%2Fb"),), [404], OPEN),
    Row("9112 3.2.1", "two slashes are not a host", (get(b"//evil/"),), [404], OPEN),
    bad("9112 3.2.1", "a fragment", get(b"/#a")),
    bad("9112 3.2.1", "a relative target", get(b"a")),
    bad("9112 3.2.1", "a target that begins with a query", get(b"?a")),
    ok("9112 3.2.2", "absolute form counts more than Host", get(b"http://other:80/host"), body=b"other:80"),
    ok("9112 3.2.2", "absolute form without a path", get(b"http://other"), body=b"home"),
    ok("9112 3.2.2", "absolute form, scheme in capitals", get(b"HTTP://o/host?x"), body=b"o"),
    bad("9112 3.2.2", "absolute form of another scheme", get(b"ftp://other/")),
    bad("9110 4.2.1", "absolute form without a host", get(b"http:///x")),
    bad("9110 4.2.4", "absolute form with a user", get(b"http://user@other/")),
    bad("9112 3.2.2", "absolute form still needs a Host header", get(b"http://other/", host=b"")),
    Row("9112 3.2.3", "authority form", (get(b"other:80", method=b"CONNECT"),), [404], OPEN),
    bad("9112 3.2.3", "authority form with another method", get(b"other:80")),
    Row("9112 3.2.4", "asterisk form", (get(b"*", method=b"OPTIONS"),), [404], OPEN),
    bad("9112 3.2.4", "asterisk form with another method", get(b"*")),
    bad("9112 3.2", "no Host", get(host=b"")),
    Row("9112 3.2", "no Host in HTTP/1.0", (get(version=b"1.0", host=b""),), [200], CLOSED),
    bad("9112 3.2", "two Hosts", get(b"/", b"Host: b")),
    bad("9112 3.2", "the same Host twice", get(b"/", b"Host: a")),
    ok("9112 3.2", "an empty Host", get(b"/host", host=b"Host:"), body=b""),
    ok("9110 7.2", "a Host with a port", get(b"/host", host=b"hOsT: a.b:8080"), body=b"a.b:8080"),
    ok("9110 7.2", "an IPv6 Host", get(b"/host", host=b"Host: [::1]:80"), body=b"[::1]:80"),
    bad("9110 7.2", "a Host with a path", get(host=b"Host: a/b")),
    bad("9110 7.2", "a Host with a user", get(host=b"Host: u@a")),
    bad("9110 7.2", "a Host with a blank", get(host=b"Host: a b")),
    bad("9110 7.2", "a list of Hosts", get(host=b"Host: a, b")),
    bad("9110 7.2", "a Host with a port that is no number", get(host=b"Host: a:b")),
]

FIELDS = [
    ok("9110 5.1", "names in any case", get(b"/x", b"x: 1"), body=b"1"),
    ok("9110 5.5", "blanks around a value", get(b"/x", b"X: \t 1 \t"), body=b"1"),
    ok("9110 5.5", "an empty value", get(b"/x", b"X:"), body=b""),
    ok("9110 5.5", "bytes above 127", get(b"/x", b"X: \xe4"), body=b"\xe4"),
    ok("9110 5.3", "a repeated field is a list", get(b"/x", b"X: 1", b"Y: 2", b"x: 3"), body=b"1, 3"),
    bad("9112 5", "no colon", get(b"/", b"X")),
    bad("9112 5", "no name", get(b"/", b": x")),
    bad("9112 5.1", "a blank before the colon", get(b"/", b"X : y")),
    bad("9112 5.1", "a tab before the colon", get(b"/", b"X\t: y")),
    bad("9112 5.2", "a folded line", get(b"/", b"X: a", b" b")),
    bad("9112 5.2", "a line folded by a tab", get(b"/", b"X: a", b"\tb")),
    bad("9112 5.2", "a folded Transfer-Encoding", get(b"/", b"Transfer-Encoding:", b" chunked")),
    bad("9110 5.1", "a blank inside a name", get(b"/", b"X Y: z")),
    bad("9110 5.1", "a delimiter in a name", get(b"/", b"X@: z")),
    bad("9110 5.1", "a byte above 127 in a name", get(b"/", b"X\xe4: z")),
    bad("9110 5.5", "NUL in a value", get(b"/", b"X: a\0b")),
    bad("9110 5.5", "NUL in a name", get(b"/", b"X\0: b")),
    bad("9110 5.5", "a control character in a value", get(b"/", b"X: a\x01b")),
    bad("9110 5.5", "a delete character in a value", get(b"/", b"X: a\x7fb")),
    bad("9110 5.5", "a vertical tab in a value", get(b"/", b"X: \x0bb")),
    ok("9110 5.4", "as many headers as allowed", get(b"/", *[b"X: y"] * 9), server="small"),
    bad("9110 5.4", "one header too many", get(b"/", *[b"X: y"] * 10), server="small"),
    ok("9110 5.4", "a header as long as allowed", get(b"/", b"X: " + b"a" * 900), server="small"),
    bad("9110 5.4", "a header that is too long", get(b"/", b"X: " + b"a" * 1100), server="small"),
    bad("9110 5.4", "headers that are too long together", get(b"/", *[b"X: " + b"a" * 300] * 5), server="small"),
    bad("9110 5.4", "a header without an end", b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 70000, server="small"),
    bad("9110 5.4", "headers without an end", b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 10000, server="small"),
    ok("9110 5.4", "a header of 500 kB", get(b"/", b"X: " + b"a" * 500000)),
]

LENGTHS = [
    ok("9112 6.2", "a body of a length", post(b"hello"), body=b"hello"),
    ok("9112 6.2", "a body in two pieces", post(b"hello")[:-3], 0.01, b"llo", body=b"hello"),
    ok("9112 6.2", "a length of zero", post(b""), body=b""),
    ok("9112 6.3", "no length is no body", post(b"", length=False), body=b""),
    ok("9112 6.3", "a GET with a body", get(b"/echo", b"Content-Length: 5") + b"hello", body=b"hello"),
    ok("9110 8.6", "a length with leading zeros", post(b"hello", b"Content-Length: 00005", length=False), body=b"hello"),
    ok("9112 6.3", "the same length twice", post(b"hello", b"Content-Length: 5"), body=b"hello"),
    ok("9112 6.3", "the same length twice in a line", post(b"hello", b"Content-Length: 5, 5", length=False), body=b"hello"),
    bad("9112 6.3", "two lengths", post(b"hello", b"Content-Length: 6")),
    bad("9112 6.3", "two lengths, the smaller one last", post(b"hello", b"Content-Length: 0")),
    bad("9112 6.3", "two lengths in a line", post(b"hello", b"Content-Length: 5, 6", length=False)),
    *[
        bad("9110 8.6", f"length {text!r}", post(b"hello", b"Content-Length: " + text, length=False))
        for text in (b"+5", b"-5", b"0x5", b"5 0", b"5_0", b"", b"five", b"5;x", b"5.0", b"9" * 40, "\u0665".encode(), b"\x0b5")
    ],
    bad("9112 6.1", "both lengths, chunked last", chunked(HELLO, b"Content-Length: 5").replace(b"\r\n\r\n", b"\r\n\r\n", 1)),
    bad("9112 6.1", "both lengths, smuggling CL.TE", post(b"0\r\n\r\n" + get(b"/smuggled"), b"Transfer-Encoding: chunked")),
    bad(
        "9112 6.1",
        "both lengths, smuggling TE.CL",
        chunked(b"2c\r\n" + get(b"/smuggled")[:44] + b"\r\n0\r\n\r\n", b"Content-Length: 4"),
    ),
    bad("9112 6.1", "both lengths, Content-Length: 0", chunked(HELLO, b"Content-Length: 0")),
    bad("9112 6.1", "chunked in HTTP/1.0", get(b"/echo", b"Transfer-Encoding: chunked", method=b"POST", version=b"1.0") + HELLO),
    ok("9112 7", "codings in any case", chunked(HELLO).replace(b": chunked", b":  ChUnKeD "), body=b"hello"),
    *[
        bad("9112 6.1", f"transfer coding {text!r}", chunked(HELLO).replace(b": chunked", b": " + text), status=status)
        for text, status in (
            (b"gzip, chunked", 501),
            (b"x-unknown, chunked", 501),
            (b"gzip", 400),
            (b"identity", 400),
            (b"chunked, gzip", 400),
            (b"chunked, chunked", 400),
            (b"chunked, identity", 400),
            (b"xchunked", 400),
            (b"chunkedx", 400),
            (b"chunked;q=1", 400),
            (b'"chunked"', 400),
            (b"\x0bchunked", 400),
            (b"chunked,", 400),
            (b"", 400),
            (b"chunked\x00", 400),
        )
    ],
    bad("9112 6.1", "two Transfer-Encoding headers", chunked(HELLO, b"Transfer-Encoding: chunked")),
    bad("9112 6.1", "a second Transfer-Encoding of another kind", chunked(HELLO, b"Transfer-Encoding: identity")),
    bad("9112 6.1", "a blank before the colon of Transfer-Encoding", post(HELLO, b"Transfer-Encoding : chunked")),
    ok("9110 5.1", "a header with an underscore is another one", post(b"hello", b"Transfer_Encoding: chunked"), body=b"hello"),
    ok("9112 6.1", "a compressed body where that is allowed", chunked(HELLO), body=b"hello", server="packing"),
]


def chunk_rows():
    """Rows about the framing of chunks; a body that breaks gets one answer, and nothing behind it is read."""
    good = [
        ("a size in capitals", b"A\r\n0123456789\r\n0\r\n\r\n", b"0123456789"),
        ("a size in small letters", b"a\r\n0123456789\r\n0\r\n\r\n", b"0123456789"),
        ("a size with leading zeros", b"0000005\r\nhello\r\n000\r\n\r\n", b"hello"),
        ("two chunks", b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", b"hello"),
        ("no chunk but the last one", b"0\r\n\r\n", b""),
        ("line ends inside a chunk", b"4\r\n\r\n\r\n\r\n0\r\n\r\n", b"\r\n\r\n"),
        ("an extension", b"5;a=b\r\nhello\r\n0\r\n\r\n", b"hello"),
        ("a quoted extension", b'5;a="b;c"\r\nhello\r\n0;last\r\n\r\n', b"hello"),
        ("blanks before an extension", b"5 ; a\r\nhello\r\n0\r\n\r\n", b"hello"),
    ]
    wrong = [
        ("a size with a sign", b"+5\r\nhello\r\n0\r\n\r\n"),
        ("a negative size", b"-5\r\nhello\r\n0\r\n\r\n"),
        ("a size with a prefix", b"0x5\r\nhello\r\n0\r\n\r\n"),
        ("a size with an underscore", b"0_5\r\nhello\r\n0\r\n\r\n"),
        ("a blank behind the size", b"5 \r\nhello\r\n0\r\n\r\n"),
        ("a blank before the size", b" 5\r\nhello\r\n0\r\n\r\n"),
        ("a size that is no number", b"g\r\nhello\r\n0\r\n\r\n"),
        ("no size", b"\r\nhello\r\n0\r\n\r\n"),
        ("a size beyond 64 bits", b"10000000000000005\r\nhello\r\n0\r\n\r\n"),
        ("a size of a thousand zeros", b"0" * 1000 + b"5\r\nhello\r\n0\r\n\r\n"),
        ("LF behind the size", b"5\nhello\r\n0\r\n\r\n"),
        ("CR behind the size", b"5\rhello\r\n0\r\n\r\n"),
        ("LF behind the data", b"5\r\nhello\n0\r\n\r\n"),
        ("a size that is too small", b"4\r\nhello\r\n0\r\n\r\n"),
        ("a size that is too large", b"6\r\nhello\r\n0\r\n\r\n"),
        ("NUL in an extension", b"5;\0\r\nhello\r\n0\r\n\r\n"),
        ("CR in an extension", b"5;a\rb\r\nhello\r\n0\r\n\r\n"),
        ("LF in an extension", b"5;a\nb\r\nhello\r\n0\r\n\r\n"),
        ("an extension without an end", b"5;" + b"a" * 20000),
        ("LF behind the last chunk", b"5\r\nhello\r\n0\n\r\n"),
    ]
    rows = [ok("9112 7.1", name, chunked(data), body=body) for name, data, body in good]
    return rows + [bad("9112 7.1", name, chunked(data)) for name, data in wrong]


TRAILERS = [
    ok("9112 7.1.2", "trailers", chunked(b"5\r\nhello\r\n0\r\nA: b\r\nC: d\r\n\r\n"), body=b"hello"),
    Row(
        "9110 6.5.1",
        "a trailer does not become a header",
        (chunked(b"0\r\nX: late\r\n\r\n", path=b"/x").replace(b"POST", b"GET"),),
        [200],
        CLOSED,
        body=b"-",
    ),
    ok("9110 6.5.1", "a length as a trailer means nothing", chunked(b"0\r\nContent-Length: 50\r\n\r\n"), body=b""),
    bad("9112 7.1.2", "a folded trailer", chunked(b"0\r\nA: b\r\n c\r\n\r\n")),
    bad("9112 7.1.2", "a trailer without a colon", chunked(b"0\r\nA\r\n\r\n")),
    bad("9112 7.1.2", "a trailer with a bare LF", chunked(b"0\r\nA: b\nC: d\r\n\r\n")),
    bad("9112 7.1.2", "too many trailers", chunked(b"0\r\n" + b"A: b\r\n" * 17 + b"\r\n")),
    bad("9112 7.1.2", "trailers without an end", chunked(b"0\r\nA: " + b"b" * 20000)),
    Row("9112 9.3", "a body of unknown length that nobody reads", (chunked(HELLO, path=b"/ignore"), HIDDEN), [200], CLOSED),
]

CUT = [
    Row("9112 8", "nothing", (None,), [], CLOSED),
    Row("9112 8", "an empty line only", (b"\r\n", None), [], CLOSED),
    Row("9112 8", "a head that ends early", (b"GET / HTTP/1.1\r\nHost: a\r\n", None), [], CLOSED),
    Row("9112 8", "a body that ends early", (post(b"hello")[:-1], None), [400], CLOSED),
    Row("9112 8", "a chunk that ends early", (chunked(b"5\r\nhel"), None), [400], CLOSED),
    Row("9112 8", "no last chunk", (chunked(b"5\r\nhello\r\n"), None), [400], CLOSED),
    Row("9112 8", "trailers that end early", (chunked(b"0\r\nA: b\r\n"), None), [400], CLOSED),
    Row("9112 9.6", "a client that only closes its sending side", (get(b"/slow"), None), [200], CLOSED, body=b"slow"),
    Row("9112 8", "a cut request behind a whole one", (get() + b"GET /", None), [200], CLOSED),
    Row("9110 15.5.9", "no request", (2.0,), [], CLOSED, server="quick"),
    Row("9110 15.5.9", "a head that does not end", (b"GET / HTTP/1.1\r\n", 2.0), [], CLOSED, server="quick"),
    Row("9110 15.5.9", "a head byte by byte", tuple(x for b in get()[:9] for x in (bytes([b]), 0.1)), [], CLOSED, server="quick"),
    Row("9110 15.5.9", "a body that does not come", (post(b"hello")[:-1], 2.0), [], CLOSED, server="quick"),
    Row("9112 9.5", "a connection that stays idle", (get(), 2.0), [200], CLOSED, server="quick"),
]

CONNECTIONS = [
    Row("9112 9.3", "close", (get(b"/", b"Connection: close"), HIDDEN), [200], CLOSED, header=("connection", "close")),
    Row("9112 9.3", "close in capitals", (get(b"/", b"connection: CLOSE"), HIDDEN), [200], CLOSED),
    Row("9112 9.3", "close in a list", (get(b"/", b"Connection: x, close ,y"), HIDDEN), [200], CLOSED),
    Row("9112 9.3", "close in a second header", (get(b"/", b"Connection: x", b"Connection: close"), HIDDEN), [200], CLOSED),
    Row("9112 9.3", "close counts more than keep-alive", (get(b"/", b"Connection: keep-alive, close"), HIDDEN), [200], CLOSED),
    ok("9112 9.3", "another option", get(b"/", b"Connection: closed"), header=("connection", None)),
    ok("9112 9.3", "keep-alive in HTTP/1.1", get(b"/", b"Connection: keep-alive")),
    Row("9112 9.3", "HTTP/1.0", (get(version=b"1.0"), HIDDEN), [200], CLOSED, header=("connection", "close")),
    ok(
        "9112 C.2.2",
        "keep-alive in HTTP/1.0",
        get(b"/", b"Connection: Keep-Alive", version=b"1.0"),
        header=("connection", "keep-alive"),
    ),
    Row("9112 6.3", "a stream in HTTP/1.0", (get(b"/stream", version=b"1.0"),), [200], CLOSED, "close", b"piece" * 3),
    Row(
        "9112 6.3",
        "a stream, keep-alive in HTTP/1.0",
        (get(b"/stream", b"Connection: keep-alive", version=b"1.0"),),
        [200],
        CLOSED,
        "close",
    ),
    ok("9112 7.1", "a stream in HTTP/1.1", get(b"/stream"), framing="chunked", body=b"piece" * 3),
    ok("9112 6.2", "a stream whose length is known", get(b"/memory"), framing="length", body=b"memory"),
    ok("9110 9.3.2", "HEAD", get(method=b"HEAD"), framing="length", methods="HEAD", body=b"", header=("content-length", "4")),
    ok("9110 9.3.2", "HEAD of a stream", get(b"/stream", method=b"HEAD"), framing="chunked", methods="HEAD", body=b""),
    Row("9110 15.3.5", "204 has no body and no length", (get(b"/empty"),), [204], OPEN, "none"),
    Row("9112 6.3", "a response that cannot be finished", (get(b"/broken"), HIDDEN), [], CLOSED, server="usual cut"),
    Row("9110 15.5.5", "nothing there", (get(b"/nowhere"),), [404], OPEN, "length"),
    Row("9110 15.6.1", "a handler that fails", (get(b"/fail"),), [500], OPEN, "length"),
    ok("9110 12.5.3", "text for who takes gzip", get(b"/text", b"Accept-Encoding: gzip"), header=("content-encoding", "gzip")),
    ok(
        "9110 12.5.3", "text for who refuses gzip", get(b"/text", b"Accept-Encoding: gzip;q=0"), header=("content-encoding", None)
    ),
    ok(
        "9110 12.5.3",
        "text for who takes something else",
        get(b"/text", b"Accept-Encoding: br"),
        header=("content-encoding", None),
    ),
    ok("9110 10.1.4", "TE where it is not used", get(b"/stream", b"TE: deflate"), header=("transfer-encoding", "chunked")),
    ok(
        "9110 10.1.4",
        "TE where it is used",
        get(b"/stream", b"TE: x, deflate"),
        server="packing",
        header=("transfer-encoding", "deflate, chunked"),
    ),
    ok(
        "9110 10.1.4",
        "TE of something else",
        get(b"/stream", b"TE: trailers"),
        server="packing",
        header=("transfer-encoding", "chunked"),
    ),
]

PIPELINES = [
    Row("9112 9.3.2", "three requests at once", (get() * 3,), [200] * 3, OPEN),
    Row("9112 9.3.2", "a slow one first", (get(b"/slow") + get(),), [200, 200], OPEN, body=b"home"),
    Row("9112 9.3.2", "more than are served at the same time", (get(b"/slow") + get() * 30,), [200] * 31, OPEN),
    Row("9112 9.3.2", "bodies in between", (post(b"hello") + get() + chunked(HELLO) + get(),), [200] * 4, OPEN),
    Row("9112 9.3.2", "a body that is not read", (post(b"hello", path=b"/ignore") + get(),), [200, 200], OPEN),
    Row("9112 9.3.2", "an error of a handler in the middle", (get() + get(b"/fail") + get(),), [200, 500, 200], OPEN),
    Row("9112 9.3.2", "a missing page in the middle", (get() + get(b"/nowhere") + get(),), [200, 404, 200], OPEN),
    Row("9112 9.3.2", "HEAD in the middle", (get() + get(method=b"HEAD") + get(),), [200] * 3, OPEN, methods="GET HEAD GET"),
    Row("9112 9.3.2", "an error page for HEAD", (get(b"/fail", method=b"HEAD") + get(),), [500, 200], OPEN, methods="HEAD GET"),
    Row("9112 9.3.2", "a malformed request in the middle", (get() + get(b"/", b"X") + HIDDEN,), [200, 400], CLOSED),
    Row("9112 9.3.2", "a malformed request behind a slow one", (get(b"/slow") + b"\0" + HIDDEN,), [200, 400], CLOSED),
    Row("9112 9.3.2", "a broken body in the middle", (get() + chunked(b"x\r\n") + HIDDEN,), [200, 400], CLOSED),
    Row("9112 9.6", "close in the middle", (get() + get(b"/", b"Connection: close") + HIDDEN,), [200, 200], CLOSED),
    Row("9112 9.6", "HTTP/1.0 in the middle", (get() + get(version=b"1.0") + HIDDEN,), [200, 200], CLOSED),
    Row("9112 11.2", "a smuggled request in a body", (post(get(b"/smuggled")) + get(),), [200, 200], OPEN),
    Row(
        "9112 11.2",
        "a length that is too short",
        (post(b"hello", b"Content-Length: 3", length=False) + HIDDEN,),
        [200, 404],
        OPEN,
    ),
    Row("9112 11.2", "CL.CL, the second one hidden", (post(b"hello", b"X: y", b"Content-Length: 55") + HIDDEN,), [400], CLOSED),
    Row(
        "9112 11.2",
        "a chunk that hides a request",
        (chunked(b"28\r\n" + b"0\r\n\r\n" + get(b"/smuggled")[:35] + b"\r\n0\r\n\r\n"),),
        [200],
        OPEN,
    ),
]

EXPECT = b"Expect: 100-continue"
EXPECTATIONS = [
    ok(
        "9110 10.1.1", "the handler wants the body", post(b"hello", EXPECT)[:-5], -1.0, b"hello", body=b"hello", methods="100 GET"
    ),
    ok("9110 10.1.1", "the body is there already", post(b"hello", EXPECT), body=b"hello"),
    ok("9110 10.1.1", "in capitals", post(b"hello", b"eXPECT: 100-CONTINUE"), body=b"hello"),
    Row("9110 10.1.1", "the handler refuses", (post(b"hello", EXPECT, path=b"/refuse")[:-5], -1.0), [403], CLOSED),
    Row("9110 10.1.1", "nobody is there", (post(b"hello", EXPECT, path=b"/nowhere")[:-5], -1.0), [404], CLOSED),
    ok("9110 10.1.1", "no body", get(b"/", EXPECT)),
    Row("9110 10.1.1", "HTTP/1.0", (post(b"hello", EXPECT, version=b"1.0"),), [200], CLOSED, body=b"hello"),
    bad("9110 10.1.1", "an unknown expectation", post(b"hello", b"Expect: x"), status=417),
    bad("9110 10.1.1", "several expectations", post(b"hello", b"Expect: 100-continue, x"), status=417),
]

LATER, EARLIER = b"Fri, 01 Jan 2100 00:00:00 GMT", b"Thu, 01 Jan 1970 00:00:00 GMT"


def file(*fields, method=b"GET"):
    """Return a request for the file."""
    return get(b"/files/f", *fields, method=method)


FILES = [
    Row("9110 13.1.1", "If-Match of another", (file(b'If-Match: "x"'),), [412], OPEN, server="files"),
    Row("9110 13.1.1", "If-Match of any", (file(b"If-Match: *"),), [200], OPEN, server="files"),
    Row("9110 13.1.2", "If-None-Match of any", (file(b"If-None-Match: *"),), [304], OPEN, "none", server="files"),
    Row("9110 13.1.2", "If-None-Match of another", (file(b'If-None-Match: "x", W/"y"'),), [200], OPEN, server="files"),
    Row("9110 13.1.3", "If-Modified-Since later", (file(b"If-Modified-Since: " + LATER),), [304], OPEN, "none", server="files"),
    Row("9110 13.1.3", "If-Modified-Since earlier", (file(b"If-Modified-Since: " + EARLIER),), [200], OPEN, server="files"),
    Row("9110 13.1.3", "If-Modified-Since of no date", (file(b"If-Modified-Since: x"),), [200], OPEN, server="files"),
    Row(
        "9110 13.1.3",
        "a tag counts more than a date",
        (file(b'If-None-Match: "x"', b"If-Modified-Since: " + LATER),),
        [200],
        OPEN,
        server="files",
    ),
    Row("9110 13.1.4", "If-Unmodified-Since earlier", (file(b"If-Unmodified-Since: " + EARLIER),), [412], OPEN, server="files"),
    Row("9110 13.1.4", "If-Unmodified-Since later", (file(b"If-Unmodified-Since: " + LATER),), [200], OPEN, server="files"),
    Row(
        "9110 13.1.5",
        "If-Range of another",
        (file(b'If-Range: "x"', b"Range: bytes=0-1"),),
        [200],
        OPEN,
        server="files",
        body=b"0123456789",
    ),
    Row(
        "9110 14.2",
        "the first bytes",
        (file(b"Range: bytes=0-1"),),
        [206],
        OPEN,
        "length",
        b"01",
        "files",
        header=("content-range", "bytes 0-1/10"),
    ),
    Row("9110 14.2", "the last bytes", (file(b"Range: bytes=-2"),), [206], OPEN, "length", b"89", "files"),
    Row("9110 14.2", "all from a byte", (file(b"Range: bytes=8-"),), [206], OPEN, "length", b"89", "files"),
    Row(
        "9110 14.1.2",
        "beyond the end",
        (file(b"Range: bytes=10-"),),
        [416],
        OPEN,
        server="files",
        header=("content-range", "bytes */10"),
    ),
    Row("9110 14.2", "an unknown unit", (file(b"Range: lines=0-1"),), [200], OPEN, server="files", body=b"0123456789"),
    Row("9110 14.1.1", "a range backwards", (file(b"Range: bytes=5-1"),), [200], OPEN, server="files", body=b"0123456789"),
    Row("9110 14.2", "several ranges", (file(b"Range: bytes=0-1,4-5"),), [200], OPEN, server="files", body=b"0123456789"),
    Row(
        "9110 14.2",
        "a range with HEAD",
        (file(b"Range: bytes=0-1", method=b"HEAD"),),
        [200],
        OPEN,
        server="files",
        methods="HEAD",
    ),
    Row("9110 13.2.2", "304 before 206", (file(b"If-None-Match: *", b"Range: bytes=0-1"),), [304], OPEN, "none", server="files"),
    Row("9110 9.3.3", "POST to a file", (post(b"x", path=b"/files/f"),), [404], OPEN, server="files"),
]

TABLE = [*LINES, *TARGETS, *FIELDS, *LENGTHS, *chunk_rows(), *TRAILERS, *CUT, *CONNECTIONS, *PIPELINES, *EXPECTATIONS, *FILES]


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    """Ports by name."""
    root = tmp_path_factory.mktemp("table")
    (root / "files").mkdir()
    (root / "files" / "f").write_bytes(b"0123456789")
    with contextlib.ExitStack() as stack:
        limits = {"headerlimit": 1000, "headercountlimit": 10}
        short = {"headtimeout": 0.3, "idletimeout": 0.3, "bodytimeout": 0.3}
        settings = {"usual": {}, "small": limits, "quick": short, "packing": {"allowtransfercompress": True}}
        ports = {name: stack.enter_context(HttpThread(TablePages, **values)).port for name, values in settings.items()}
        ports["files"] = free_port()
        configured = {
            "module.httpserver.url": f"tcp://127.0.0.1:{ports['files']}/",
            "module.static.relativeroot": str(root),
            "module.static.dir": "files",
        }
        stack.enter_context(running([TableFiles], configured))
        wait_listening(ports["files"])
        yield ports


def test_the_table_is_long_enough_and_names_its_sections():
    assert len(TABLE) >= 150
    assert len({(row.section, row.name) for row in TABLE}) == len(TABLE)
    assert all(row.section.split(" ")[0] in ("9110", "9112") for row in TABLE)


@pytest.mark.parametrize("row", [pytest.param(row, id=f"{row.section}: {row.name}") for row in TABLE])
def test_a_request_of_the_table_is_answered_as_the_rfc_says(servers, row):
    server, _, cut = row.server.partition(" ")
    begin = time.monotonic()
    found = converse(servers[server], row.sent, row.end == OPEN and None not in row.sent)
    assert found.closed
    assert time.monotonic() - begin < 15
    methods = [method for method in row.methods.split() if method != "100"] or ["GET"] * len(row.answers)
    if row.end == OPEN:
        methods.append("GET")
    if cut:
        with pytest.raises(EOFError):
            read_answers(found.data, ["GET"])
        return
    answers = read_answers(found.data, methods)
    interim = [answer.status for answer in answers if answer.status < 200]
    assert interim == ([100] if "100" in row.methods.split() else [])
    answers = [answer for answer in answers if answer.status >= 200]
    if row.end == OPEN:
        if server == "files":
            assert answers.pop().status == 404
        else:
            assert answers.pop().body == b"probe"
    assert [answer.status for answer in answers] == list(row.answers)
    if answers:
        last = answers[-1]
        assert row.framing is None or last.framing == row.framing
        assert row.body is None or last.body == row.body
        assert row.header[0] == "" or last.headers.get(row.header[0]) == row.header[1]
        if row.end == CLOSED and None not in row.sent and server != "quick":
            assert last.headers["connection"] == "close"
