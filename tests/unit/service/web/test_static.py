"""The module ``static`` over real HTTP: paths, ranges, conditions, compressed files, cache, delivery by a front server."""

from __future__ import annotations

import gzip
import os
import socket
import subprocess
from email.utils import formatdate
from http.client import HTTPConnection

import pytest
from support.webserver import free_port, running, wait_listening

import vlcp
from vlcp.config import ConfigTree, manager
from vlcp.server.module import Module, depend
from vlcp.service.connection.httpserver import HttpServer
from vlcp.service.web._files import FileCache
from vlcp.service.web._folders import folders
from vlcp.service.web.static import Static, _root
from vlcp.utils.http import HttpHandler

BIG = bytes(range(256)) * 1024
MODIFIED = 1700000000


class Rewriter(HttpHandler):
    """Rewrites and errors that lead to files."""

    @HttpHandler.route(b"/pretty")
    async def pretty(self, env):
        await env.rewrite(b"/hidden/page.html")

    @HttpHandler.route(b"/broken")
    async def broken(self, env):
        raise ValueError("broken")


@depend(HttpServer, Static)
class StaticPages(Module):
    """Runs the handler above."""

    def __init__(self, server):
        super().__init__(server)
        self.routines.append(Rewriter(self.scheduler))


def put(folder, files):
    """Write ``{name: bytes}`` below a folder, all with the same time."""
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        os.utime(path, (MODIFIED, MODIFIED))


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("site")
    files = {
        "a.txt": b"0123456789",
        "sub/b.html": b"<b>b</b>",
        "big.bin": BIG,
        "empty.css": b"",
        "p.js": b"plain",
        "s p.txt": b"s",
    }
    put(root / "files", {**files, "p.js.gz": gzip.compress(b"plain"), "only.txt.gz": gzip.compress(b"unpacked " * 100)})
    put(root, {"secret.txt": b"secret", "hidden/page.html": b"page", "errors/404.html": b"nothing here", "favicon.ico": b"icon"})
    put(root, {"types": b"text/x-own own\n", "typed/f.own": b"own", "attach/\u00e4 b.txt": b"attached"})
    (root / "files" / "link.txt").symlink_to(root / "secret.txt")
    (root / "files" / "inside.txt").symlink_to("a.txt")
    (root / "files" / "out").symlink_to(root)
    os.mkfifo(root / "files" / "pipe")
    return root


@pytest.fixture(scope="module")
def port(root):
    port = free_port()
    folder = "module.static.vdir."
    settings = {
        "module.httpserver.url": f"tcp://127.0.0.1:{port}/",
        "module.httpserver.protocol.errorrewrite": {404: b"/errors/404.html"},
        "module.httpserver.protocol.errorredirect": {500: b"/sorry"},
        "module.static.relativeroot": str(root),
        "module.static.dir": "files",
        "module.static.map": {"/favicon.ico": "favicon.ico", "/other/name": "files/sub"},
        folder + "hidden.dirs": ["hidden"],
        folder + "hidden.rewriteonly": True,
        folder + "errors.dir": "errors",
        folder + "errors.errorpage": True,
        folder + "typed.dir": "typed",
        folder + "typed.mimetypes": (str(root / "types"),),
        folder + "typed.vdir.fixed.map": {"/fixed": "typed"},
        folder + "typed.vdir.fixed.contenttype": "text/x-fixed",
        folder + "attach.dir": "attach",
        folder + "attach.contentdisposition": "attachment",
        folder + "attach.extraheaders": [("X-Extra", "1")],
        folder + "bare.map": {"/bare": "files"},
        folder + "bare.etag": False,
        folder + "bare.allowrange": False,
        folder + "bare.maxage": None,
        folder + "bare.gzip": False,
        folder + "bare.memorycache": False,
        folder + "guarded.map": {"/guarded": "files"},
        folder + "guarded.checkreferer": True,
        folder + "guarded.refererallows": ["friend.example", "other.example:8080"],
        folder + "nginx.map": {"/nginx": "files"},
        folder + "nginx.xaccelredirect": True,
        folder + "apache.map": {"/apache": "files"},
        folder + "apache.xsendfile": True,
        folder + "lighttpd.map": {"/lighttpd": "files"},
        folder + "lighttpd.xlighttpdsendfile": True,
    }
    with running([StaticPages], settings):
        wait_listening(port)
        yield port


def ask(port, path, method="GET", **headers):
    """Return (status, headers, body)."""
    connection = HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response.status, response.headers, body


def raw(port, path):
    """Return (status, body) for a path that is sent as it is."""
    with socket.create_connection(("127.0.0.1", port), 20) as connection:
        connection.sendall(b"GET %b HTTP/1.0\r\n\r\n" % path)
        data = b""
        while part := connection.recv(65536):
            data += part
    return int(data.split(b" ")[1]), data.partition(b"\r\n\r\n")[2]


def test_files_come_with_type_length_and_validators(port, root):
    status, headers, body = ask(port, "/files/a.txt")
    found = os.stat(root / "files" / "a.txt")
    assert (status, body) == (200, b"0123456789")
    assert headers["Content-Type"] == "text/plain"
    assert headers["Content-Length"] == "10"
    assert headers["ETag"] == f'"vlcp-{found.st_ino:x}-{found.st_mtime_ns:x}-a"'
    assert headers["Last-Modified"] == formatdate(MODIFIED, usegmt=True)
    assert headers["Cache-Control"] == "max-age=5"
    assert headers["Accept-Ranges"] == "bytes"
    assert ask(port, "/files/sub/b.html")[2] == b"<b>b</b>"
    assert ask(port, "/files/s%20p.txt")[2] == b"s"
    assert ask(port, "/files/empty.css")[2] == b""
    assert ask(port, "/files/big.bin")[2] == BIG
    assert ask(port, "/favicon.ico")[2] == b"icon"
    assert ask(port, "/other/name/b.html")[2] == b"<b>b</b>"


def test_head_has_the_same_head_without_the_file(port):
    for path in ("/files/a.txt", "/files/big.bin"):
        _, full, _ = ask(port, path)
        status, headers, body = ask(port, path, "HEAD")
        assert (status, body, headers["ETag"]) == (200, b"", full["ETag"])
        assert headers["Content-Length"] == full["Content-Length"]


@pytest.mark.parametrize(
    "path",
    [
        b"/files/../secret.txt",
        b"/files/%2e%2e/secret.txt",
        b"/files/..%2fsecret.txt",
        b"/files/..%5csecret.txt",
        b"/files/sub/../../secret.txt",
        b"/files//etc/passwd",
        b"/files/%2fetc/passwd",
        b"/files/link.txt",
        b"/files/out/secret.txt",
        b"/files/pipe",
        b"/files/sub",
        b"/files/",
        b"/files",
        b"/files/a.txt/",
        b"/files/a.txt/x",
        b"/files/missing",
        b"/secret.txt",
        b"/files/" + b"x" * 5000,
        b"/hidden/page.html",
    ],
)
def test_nothing_but_files_of_the_folder_is_served(port, path):
    assert raw(port, path)[0] == 404
    assert b"secret" not in raw(port, path)[1]


def test_dot_segments_stay_inside(port):
    assert raw(port, b"/files/sub/../a.txt") == (200, b"0123456789")
    assert raw(port, b"/files/x/../../../a.txt") == (200, b"0123456789")
    assert raw(port, b"/files/inside.txt") == (200, b"0123456789")


@pytest.mark.parametrize("path", [b"/files/a%00.txt", b"/files/%ff"])
def test_a_path_that_is_no_text_is_a_bad_request(port, path):
    assert raw(port, path)[0] == 400


def test_other_methods_are_not_served(port):
    assert ask(port, "/files/a.txt", "POST")[0] == 404
    assert ask(port, "/files/a.txt", "DELETE")[0] == 404


@pytest.mark.parametrize(
    ("wanted", "status", "part", "content"),
    [
        ("bytes=0-0", 206, "bytes 0-0/10", b"0"),
        ("bytes=2-4", 206, "bytes 2-4/10", b"234"),
        ("bytes=7-", 206, "bytes 7-9/10", b"789"),
        ("bytes=-3", 206, "bytes 7-9/10", b"789"),
        ("bytes=-30", 206, "bytes 0-9/10", b"0123456789"),
        ("bytes=5-100", 206, "bytes 5-9/10", b"56789"),
        ("Bytes = 9-9", 206, "bytes 9-9/10", b"9"),
        ("bytes=10-", 416, "bytes */10", b""),
        ("bytes=-0", 416, "bytes */10", b""),
        ("bytes=5-4", 200, None, b"0123456789"),
        ("bytes=0-1,3-4", 200, None, b"0123456789"),
        ("lines=0-1", 200, None, b"0123456789"),
        ("bytes=a-b", 200, None, b"0123456789"),
        ("bytes=", 200, None, b"0123456789"),
        ("bytes=" + "9" * 30 + "-", 200, None, b"0123456789"),
    ],
)
def test_a_range_gets_a_part(port, wanted, status, part, content):
    found, headers, body = ask(port, "/files/a.txt", Range=wanted)
    assert (found, headers["Content-Range"], body) == (status, part, content)


def test_ranges_of_large_files_and_curl_going_on(port, tmp_path):
    status, headers, body = ask(port, "/files/big.bin", Range="bytes=100000-200000")
    assert (status, headers["Content-Length"], body) == (206, "100001", BIG[100000:200001])
    (tmp_path / "part").write_bytes(BIG[:1234])
    command = ["curl", "-sS", "-C", "-", "-o", str(tmp_path / "part"), f"http://127.0.0.1:{port}/files/big.bin"]
    subprocess.run(command, check=True, timeout=20)
    assert (tmp_path / "part").read_bytes() == BIG


def test_a_client_with_the_file_does_not_get_it_again(port):
    tag, date = ask(port, "/files/a.txt")[1]["ETag"], formatdate(MODIFIED, usegmt=True)
    older, newer = formatdate(MODIFIED - 1, usegmt=True), formatdate(MODIFIED + 1, usegmt=True)
    expected = [
        (304, {"If-None-Match": tag}),
        (304, {"If-None-Match": 'W/"x", W/' + tag}),
        (304, {"If-None-Match": "*"}),
        (200, {"If-None-Match": '"x"'}),
        (304, {"If-Modified-Since": date}),
        (304, {"If-Modified-Since": newer}),
        (200, {"If-Modified-Since": older}),
        (200, {"If-Modified-Since": "yesterday"}),
        (200, {"If-None-Match": '"x"', "If-Modified-Since": newer}),
        (200, {"If-Match": tag}),
        (200, {"If-Match": "*"}),
        (412, {"If-Match": '"x"'}),
        (412, {"If-Match": "W/" + tag}),
        (200, {"If-Unmodified-Since": date}),
        (412, {"If-Unmodified-Since": older}),
        (412, {"If-Match": '"x"', "If-None-Match": tag}),
        (206, {"Range": "bytes=1-2", "If-Range": tag}),
        (206, {"Range": "bytes=1-2", "If-Range": date}),
        (200, {"Range": "bytes=1-2", "If-Range": '"x"'}),
        (200, {"Range": "bytes=1-2", "If-Range": "W/" + tag}),
        (200, {"Range": "bytes=1-2", "If-Range": older}),
        (304, {"Range": "bytes=1-2", "If-None-Match": tag}),
    ]
    for status, headers in expected:
        found, answered, body = ask(port, "/files/a.txt", **headers)
        assert (found, headers) == (status, headers)
        assert (body == b"") == (status in (304, 412)), headers
        if status == 304:
            assert answered["ETag"] == tag


def test_a_changed_file_is_sent_anew_with_another_tag(port, root):
    put(root, {"files/change.txt": b"one"})
    _, headers, body = ask(port, "/files/change.txt")
    assert body == b"one"
    put(root, {"files/change.txt": b"two"})
    os.utime(root / "files" / "change.txt", (MODIFIED + 10, MODIFIED + 10))
    status, again, body = ask(port, "/files/change.txt", If_None_Match=headers["ETag"])
    assert (status, body) == (200, b"two")
    assert again["ETag"] != headers["ETag"]
    (root / "files" / "change.txt").unlink()
    assert ask(port, "/files/change.txt")[0] == 404


def test_a_compressed_file_is_sent_to_who_takes_it(port):
    _, plain_headers, plain = ask(port, "/files/p.js")
    status, headers, body = ask(port, "/files/p.js", Accept_Encoding="gzip")
    assert (plain, gzip.decompress(body), headers["Content-Encoding"]) == (b"plain", b"plain", "gzip")
    assert "javascript" in headers["Content-Type"]
    assert headers["ETag"] != plain_headers["ETag"]
    assert "Accept-Encoding" in headers["Vary"]
    assert ask(port, "/files/p.js", Accept_Encoding="gzip;q=0")[2] == b"plain"
    assert ask(port, "/files/only.txt", Accept_Encoding="gzip")[1]["Content-Encoding"] == "gzip"
    assert ask(port, "/files/only.txt")[2] == b"unpacked " * 100
    assert ask(port, "/files/p.js.gz")[1]["Content-Type"] == "application/gzip"
    assert ask(port, "/bare/p.js", Accept_Encoding="gzip")[2] == b"plain"
    assert ask(port, "/bare/only.txt", Accept_Encoding="gzip")[0] == 404


def test_a_folder_can_be_served_without_extras(port):
    status, headers, body = ask(port, "/bare/a.txt", Range="bytes=0-1", If_None_Match="*")
    assert status == 304
    status, headers, body = ask(port, "/bare/a.txt", Range="bytes=0-1")
    assert (status, body) == (200, b"0123456789")
    assert not {"ETag", "Cache-Control", "Accept-Ranges"} & set(headers)


def test_types_dispositions_and_further_headers_are_set_as_configured(port):
    assert ask(port, "/typed/f.own")[1]["Content-Type"] == "text/x-own"
    assert ask(port, "/fixed/f.own")[1]["Content-Type"] == "text/x-fixed"
    _, headers, body = ask(port, "/attach/%C3%A4%20b.txt")
    assert body == b"attached"
    assert headers["Content-Disposition"] == "attachment; filename*=UTF-8''%C3%A4%20b.txt"
    assert headers["X-Extra"] == "1"


def test_a_file_can_be_reached_by_rewriting_only(port):
    assert ask(port, "/hidden/page.html")[0] == 404
    assert ask(port, "/pretty")[2] == b"page"


def test_error_pages_keep_the_status_of_the_error(port):
    for path in ("/nowhere", "/files/missing"):
        status, headers, body = ask(port, path)
        assert (status, body) == (404, b"nothing here")
        assert not {"ETag", "Cache-Control", "Last-Modified"} & set(headers)
    assert ask(port, "/nowhere", "HEAD")[::2] == (404, b"")
    status, headers, _ = ask(port, "/broken")
    assert (status, headers["Location"]) == (302, "/sorry")


def test_files_can_be_kept_for_pages_of_some_sites(port):
    allowed = [
        f"http://127.0.0.1:{port}/x",
        "https://friend.example/page",
        "http://friend.example:99/",
        "http://other.example:8080/",
    ]
    for referer in allowed:
        assert ask(port, "/guarded/a.txt", Referer=referer)[0] == 200, referer
    for referer in (
        "http://127.0.0.1/",
        "http://other.example/",
        "http://friend.example.evil/",
        "friend.example",
        "",
        "http://[",
    ):
        assert ask(port, "/guarded/a.txt", Referer=referer)[0] == 403, referer
    assert ask(port, "/guarded/a.txt")[0] == 403


def test_a_front_server_can_send_the_file(port, root):
    assert ask(port, "/nginx/s%20p.txt")[1]["X-Accel-Redirect"] == "/static/files/s%20p.txt"
    real = os.path.realpath(root)
    assert ask(port, "/apache/a.txt")[1]["X-Sendfile"] == f"{real}/files/a.txt"
    status, headers, body = ask(port, "/lighttpd/a.txt")
    assert (status, headers["X-LIGHTTPD-send-file"], body) == (200, f"{real}/files/a.txt", b"")
    assert ask(port, "/apache/missing")[0] == 404


def test_many_small_files_do_not_fill_the_memory(tmp_path):
    put(tmp_path, {f"{number}": b"%d" % number for number in range(20)})
    cache = FileCache(5)
    for number in range(20):
        assert cache.get(str(tmp_path / str(number)), 10)[1] == b"%d" % number
    assert list(cache._kept) == [str(tmp_path / str(number)) for number in range(15, 20)]
    assert cache.get(str(tmp_path / "1"), 0)[1] is None
    assert cache.get(str(tmp_path), 10) is None


def test_the_configuration_is_read_again(tmp_path):
    put(tmp_path, {"one/f": b"1", "two/f": b"2"})
    port = free_port()
    settings = {
        "module.httpserver.url": f"tcp://127.0.0.1:{port}/",
        "module.static.relativeroot": str(tmp_path),
        "module.static.dir": None,
        "module.static.dirs": ["one"],
    }
    with running([Static], settings) as server:
        wait_listening(port)
        static = server.moduleloader.active["static"]
        assert (ask(port, "/one/f")[0], ask(port, "/two/f")[0]) == (200, 404)
        manager["module.static.dirs"] = ["two"]
        static.updateconfig()
        assert (ask(port, "/one/f")[0], ask(port, "/two/f")[0]) == (404, 200)
        manager["module.static.dirs"] = 5
        with pytest.raises(ValueError, match="expected a list"):
            static.updateconfig()
        assert ask(port, "/two/f")[0] == 200
        manager["module.static.dirs"] = ["two"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"map": {"/a/../b": "x"}}, "dot segments"),
        ({"dir": 5}, "folder name"),
        ({"dir": "a\0b"}, "folder name"),
        ({"map": 5}, "a dict in map"),
        ({"vdir.x": 5}, "expected keys below it, like static.vdir.x.dir"),
    ],
)
def test_a_wrong_configuration_is_refused(settings, message):
    node = ConfigTree()
    for key, value in settings.items():
        node[key] = value
    with pytest.raises(ValueError, match=message):
        folders("static", {}, node, {"dir": "static", "map": {}})


def test_nested_nodes_inherit_all_but_the_folders():
    node = ConfigTree()
    node["maxage"] = 1
    node["dirs"] = [b"more", "deep/er/"]
    node["vdir.a.map"] = {"/x": "/y"}
    node["vdir.a.vdir.b.dir"] = "c"
    node["vdir.a.vdir.b.maxage"] = 2
    found = folders("static", {"etag": True}, node, {"dir": "static", "map": {}})
    assert [(one.path, one.target, one.settings) for one in found] == [
        ("/static", "static", {"etag": True, "maxage": 1}),
        ("/more", "more", {"etag": True, "maxage": 1}),
        ("/deep/er", "deep/er/", {"etag": True, "maxage": 1}),
        ("/x", "/y", {"etag": True, "maxage": 1}),
        ("/c", "c", {"etag": True, "maxage": 2}),
    ]


@pytest.mark.parametrize(
    ("root", "module", "expected"),
    [
        ("/given", "vlcp", "/given"),
        (None, "vlcp", os.path.dirname(os.path.abspath(vlcp.__file__))),
        ("", None, os.getcwd()),
        (None, "sys", os.getcwd()),
    ],
)
def test_relative_folders_begin_at_the_configured_place(root, module, expected):
    assert _root({"relativeroot": root, "relativemodule": module}) == expected


def test_a_python_module_that_is_not_there_is_an_error():
    with pytest.raises(ValueError, match="cannot import"):
        _root({"relativeroot": None, "relativemodule": "vlcp.no_such_module"})
