"""Cookies of requests and responses (RFC 6265). No I/O."""

from __future__ import annotations

import re
from email.utils import formatdate
from typing import Dict, Optional, Union

_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_UNSAFE = re.compile(r"[\x00-\x1f\x7f;]")


def parse_cookies(value: bytes) -> Dict[str, bytes]:
    """Return ``{name: value}`` of a Cookie header; the first of equal names counts (RFC 6265)."""
    cookies: Dict[str, bytes] = {}
    for item in value.split(b";"):
        name, equals, content = item.strip().partition(b"=")
        if equals:
            cookies.setdefault(name.decode("latin-1"), content.strip(b'"'))
    return cookies


def cookie_line(
    key: str,
    value: str,
    max_age: Optional[int] = None,
    expires: Union[None, int, float, str] = None,
    path: Optional[str] = "/",
    domain: Optional[str] = None,
    secure: Optional[bool] = None,
    httponly: bool = False,
    samesite: Optional[str] = None,
) -> str:
    """Return the value of a Set-Cookie header (RFC 6265 4.1).

    :param max_age: seconds; None for a cookie that the client forgets when it ends
    :param expires: seconds since 1970, or a formatted date; None for none
    :param path: the cookie is for paths below this one; None for the directory of the request
    :param domain: the cookie is for this domain and those below; None for the host of the request only
    :param secure: True: only over TLS
    :param httponly: True: scripts do not see it
    :param samesite: ``'Strict'``, ``'Lax'``, ``'None'``, or None for the client's choice
    :raises ValueError: the name is not a token, or a part would break the header
    """
    if not _NAME.fullmatch(key):
        raise ValueError("invalid name of a cookie: %.64r" % (key,))
    if isinstance(expires, (int, float)):
        expires = formatdate(expires, usegmt=True)
    attributes = {"Max-Age": max_age, "Expires": expires, "Path": path, "Domain": domain, "SameSite": samesite}
    pieces = ["%s=%s" % (key, value)]
    pieces += ["%s=%s" % (name, content) for name, content in attributes.items() if content is not None]
    unsafe = next((piece for piece in pieces if _UNSAFE.search(piece)), None)
    if unsafe is not None:
        raise ValueError("semicolon or control character in a cookie: %.64r" % (unsafe,))
    return "; ".join(pieces + ["Secure"] * bool(secure) + ["HttpOnly"] * bool(httponly))
