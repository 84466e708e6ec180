"""Queries, forms, uploads, cookies, routes and arguments, without any I/O."""

from __future__ import annotations

import gzip
import re
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlcp.utils import encoders
from vlcp.utils._cookies import cookie_line, parse_cookies
from vlcp.utils._forms import (
    collect,
    parse_multipart,
    parse_options,
    parse_pairs,
    safe_filename,
)
from vlcp.utils._routes import ArgumentPlan, Route, RouteTable, expand, host_name, method_set


@pytest.mark.parametrize(
    ("data", "pairs"),
    [
        (b"", []),
        (b"a=1&b=2", [(b"a", b"1"), (b"b", b"2")]),
        (b"a&=x&&b==", [(b"a", b""), (b"", b"x"), (b"b", b"=")]),
        (b"a+b=%2B+%zz%4", [(b"a b", b"+ %zz%4")]),
    ],
)
def test_queries_are_split_and_decoded(data, pairs):
    assert parse_pairs(data) == pairs


def test_plus_can_be_taken_as_it_is():
    assert parse_pairs(b"a=1+2", plus=False) == [(b"a", b"1+2")]


def test_names_with_brackets_collect_lists_whatever_stands_before():
    assert collect([("a", 1), ("a", 2), ("b[]", 1), ("b[]", 2), ("c", 1), ("c[]", 2)]) == {"a": 2, "b": [1, 2], "c": [2]}


@pytest.mark.parametrize(
    ("value", "parsed"),
    [
        ("Text/HTML", ("text/html", {})),
        ("text/html; Charset=UTF-8 ;x=1", ("text/html", {"charset": "UTF-8", "x": "1"})),
        (r'form-data; name="a\"b;c"; filename=d', ("form-data", {"name": 'a"b;c', "filename": "d"})),
        ("", ("", {})),
        (";;", ("", {})),
    ],
)
def test_header_parameters_are_read(value, parsed):
    assert parse_options(value) == parsed


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("a.txt", "a.txt"),
        ("../../etc/passwd", "passwd"),
        ("C:\\x\\y.txt", "y.txt"),
        (".htaccess", "htaccess"),
        ("a\x00b:c", "a_b_c"),
        ("..", "file"),
        ("", "file"),
    ],
)
def test_a_file_name_of_a_client_has_no_path(name, safe):
    assert safe_filename(name) == safe


@given(st.lists(st.tuples(st.text("abc", min_size=1), st.binary(max_size=50)), max_size=5))
@settings(max_examples=50, deadline=None)
def test_a_multipart_form_gives_back_what_was_put_in(fields):
    body = b""
    for name, data in fields:
        body += b'--B1\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n' % (name.encode(), data)
    parts = parse_multipart(body + b"--B1--\r\n", "B1")
    wanted = [(name, data) for name, data in fields]
    if not any(b"\r\n--B1" in b"\r\n" + data for _, data in fields):
        assert [(part.name, part.data) for part in parts] == wanted


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_no_multipart_body_raises_anything_but_a_value_error(body):
    try:
        parse_multipart(b"--B\r\n" + body, "B")
    except ValueError as error:
        assert "\n" not in str(error)


def test_a_cookie_has_only_the_attributes_that_were_given():
    assert cookie_line("k", "v", path=None) == "k=v"
    expected = "k=v; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/; Domain=d; SameSite=Lax; Secure; HttpOnly"
    assert cookie_line("k", "v", 0, 0, "/", "d", True, True, "Lax") == expected


@pytest.mark.parametrize(
    ("name", "value", "path"),
    [("a b", "v", "/"), ("", "v", "/"), ("a=b", "v", "/"), ("k", "v;x", "/"), ("k", "v\r\nX: y", "/"), ("k", "v", "/;x")],
)
def test_a_cookie_that_would_break_the_header_is_refused(name, value, path):
    with pytest.raises(ValueError, match="cookie"):
        cookie_line(name, value, path=path)


def test_the_first_of_equal_cookies_counts():
    assert parse_cookies(b'a=1; b="x y"; a=2; broken; =z; c=') == {"a": b"1", "b": b"x y", "": b"z", "c": b""}


def route(path, host=None, method=b"GET"):
    return Route(re.compile(path), host, method_set(method), path)


def test_the_route_added_first_counts_be_it_plain_or_a_pattern():
    table = RouteTable()
    for path in (b"/a/[0-9]+", b"/a/1", b"/a/.*", b"/a/x"):
        table.add(path, route(path))
    assert table.find(b"", b"/a/1", b"GET")[0].serve == b"/a/[0-9]+"
    assert table.find(b"", b"/a/x", b"GET")[0].serve == b"/a/.*"
    assert table.find(b"", b"/b", b"GET") is None
    assert table.find(b"", b"/a/1", b"POST") is None


@pytest.mark.parametrize(
    ("host", "name"),
    [(b"a:80", b"a"), (b"a", b"a"), (b"[::1]:80", b"[::1]"), (b"[::1]", b"[::1]"), (b"a:", b"a"), (b"", b"")],
)
def test_a_host_is_named_without_its_port(host, name):
    assert host_name(host) == name


def test_groups_are_quoted_when_they_are_put_into_a_template():
    match = re.fullmatch(rb"/(?P<a>[^/]*)/(.*)", b"/x y/z")
    assert expand(match, rb"\1-\2-\g<a>-\g<2>", lambda value: b"<%b>" % value) == b"<x y>-<z>-<x y>-<z>"


def test_missing_arguments_are_named_and_extra_ones_only_passed_where_they_are_taken():
    def plain(env, target, a, b=2):
        """A handler."""

    def greedy(env, **kwargs):
        """A handler."""

    match = re.fullmatch(rb"/(.*)", b"/t")
    plan = ArgumentPlan(plain, (1,))
    assert plan.bind(match, {}, {"a": 1, "c": 3}) == ([b"t"], {"a": 1})
    assert plan.bind(match, {"b": {"b": 9}}, {"a": 1, "b": 5}) == ([b"t"], {"a": 1, "b": 9})
    with pytest.raises(ValueError, match="missing argument a"):
        plan.bind(match, {"a": {}}, {"a": 1})
    assert ArgumentPlan(greedy).bind(match, {}, {"x": 1}) == ([], {"x": 1})


@given(st.lists(st.text(max_size=20), max_size=6))
@settings(max_examples=50, deadline=None)
def test_encoders_and_decoders_undo_each_other_piece_by_piece(pieces):
    for encode, decode in (
        (encoders.deflate_encoder(), encoders.deflate_decoder()),
        (encoders.gzip_encoder(), encoders.gzip_decoder()),
    ):
        to_bytes, to_text = encoders.unicode_encoder("utf-8"), encoders.unicode_decoder("utf-8")
        text = ""
        for index, piece in enumerate([*pieces, ""]):
            last = index == len(pieces)
            packed = encode(to_bytes(piece, last), last)
            middle = len(packed) // 2
            text += to_text(decode(packed[:middle], False), False) + to_text(decode(packed[middle:], last), last)
        assert text == "".join(pieces)


def test_a_gzip_encoder_stores_the_name_of_the_file(tmp_path):
    encode = encoders.gzip_encoder("näme.txt")
    data = encode(b"one ", False) + encode(b"", False) + encode(b"two", True)
    assert gzip.decompress(data) == b"one two"
    (tmp_path / "x.gz").write_bytes(data)
    subprocess.run(["gzip", "-d", "-N", "x.gz"], cwd=tmp_path, check=True)
    assert [(path.name.encode(errors="surrogateescape"), path.read_bytes()) for path in tmp_path.iterdir()] == [
        ("näme.txt".encode("latin-1"), b"one two")
    ]
    with pytest.raises(ValueError, match="NUL"):
        encoders.gzip_encoder("a\0b")


@pytest.mark.parametrize("size", [0, 1, 100000])
def test_encoders_and_decoders_undo_each_other_however_the_data_is_cut(size):
    data = b"data" * size
    pairs = [
        (encoders.gzip_encoder(), encoders.gzip_decoder()),
        (encoders.gzip_encoder("f"), encoders.gzip_decoder()),
        (encoders.deflate_encoder(), encoders.deflate_decoder()),
    ]
    for encode, decode in pairs:
        packed = encode(data, True)
        pieces = [packed[at : at + 1000] for at in range(0, len(packed), 1000)]
        assert b"".join(decode(piece, False) for piece in pieces) + decode(b"", True) == data


def test_a_piece_that_becomes_too_much_is_refused():
    bomb = encoders.gzip_encoder()(bytes(70000000), True)
    assert len(bomb) < 100000
    with pytest.raises(OSError, match="becomes more than"):
        encoders.gzip_decoder()(bomb, True)
