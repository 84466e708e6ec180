"""What requests carry besides their path, from bytes to values: queries, forms, uploads. No I/O."""

from __future__ import annotations

import re
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Tuple
from urllib.parse import unquote_to_bytes

Pairs = List[Tuple[bytes, bytes]]

_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? \-]{1,70}")
_PARAMETER = re.compile(r';[ \t]*([!#$%&\'*+\-.^_`|~0-9A-Za-z]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^;"]*))')
_UNSAFE_NAME = re.compile(r'[\x00-\x1f\x7f<>:"|?*]')
_MOST_PARTS = 10000


class Part(NamedTuple):
    """One part of a multipart form; ``filename`` is None for a plain field."""

    name: str
    filename: Optional[str]
    content_type: str
    data: bytes


def unquote_plus_to_bytes(s: bytes) -> bytes:
    """Return ``s`` with ``+`` as a blank and percent escapes decoded."""
    return unquote_to_bytes(s.replace(b"+", b" "))


def parse_pairs(data: bytes, plus: bool = True) -> Pairs:
    """Return the decoded (name, value) pairs of a query string or an urlencoded form; blank values are kept.

    :param plus: ``+`` means a blank
    """
    if not data:
        return []
    decode = unquote_plus_to_bytes if plus else unquote_to_bytes
    pairs = []
    for item in data.split(b"&"):
        if item:
            name, _, value = item.partition(b"=")
            pairs.append((decode(name), decode(value)))
    return pairs


def collect(pairs: Iterable[Tuple[str, Any]]) -> Dict[str, Any]:
    """Return ``{name: value}``; of several values the last one counts, names that end with ``[]`` collect a list."""
    values: Dict[str, Any] = {}
    for name, value in pairs:
        if not name.endswith("[]"):
            values[name] = value
            continue
        name = name[:-2]
        if not isinstance(values.get(name), list):
            values[name] = []
        values[name].append(value)
    return values


def parse_options(value: str) -> Tuple[str, Dict[str, str]]:
    """Return (main value in lower case, ``{parameter: value}``) of a header like ``text/html; charset=utf-8``."""
    main, _, _ = value.partition(";")
    options = {}
    for found in _PARAMETER.finditer(value, len(main)):
        quoted, plain = found.group(2), found.group(3)
        options[found.group(1).lower()] = plain.strip() if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
    return main.strip().lower(), options


def safe_filename(name: str) -> str:
    """Return the last part of an uploaded file's name without characters that a file system gives a meaning."""
    name = re.split(r"[/\\]", name)[-1]
    return _UNSAFE_NAME.sub("_", name).lstrip(".") or "file"


def parse_multipart(body: bytes, boundary: str, encoding: str = "utf-8", safename: bool = True) -> List[Part]:
    """Return the parts of a multipart/form-data body (RFC 7578).

    :param boundary: the parameter of the Content-Type header
    :param safename: clean file names with :func:`safe_filename`
    :raises ValueError: the body is malformed
    """
    if not _BOUNDARY.fullmatch(boundary):
        raise ValueError("invalid multipart boundary %.80r" % (boundary,))
    pieces = (b"\r\n" + body).split(b"\r\n--" + boundary.encode("ascii"))
    if len(pieces) > _MOST_PARTS:
        raise ValueError("form has more than %d parts" % (_MOST_PARTS,))
    parts = []
    for piece in pieces[1:]:
        if piece.startswith(b"--"):
            return parts
        head, separator, data = piece.partition(b"\r\n\r\n")
        if not separator:
            raise ValueError("part of a form without an empty line behind its headers")
        parts.append(_part(head.decode(encoding), data, safename))
    raise ValueError("multipart form has no end")


def _part(head: str, data: bytes, safename: bool) -> Part:
    headers = {}
    for line in head.split("\r\n"):
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    kind, options = parse_options(headers.get("content-disposition", ""))
    if kind != "form-data" or "name" not in options:
        raise ValueError("part of a form without a name")
    filename = options.get("filename")
    if filename is not None and safename:
        filename = safe_filename(filename)
    return Part(options["name"], filename, headers.get("content-type", "text/plain"), data)
