"""Requests and responses of :mod:`vlcp.utils.webclient` as values: URLs, headers, redirects, names in certificates. No I/O."""

from __future__ import annotations

import base64
import re
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Tuple, Union
from urllib.parse import quote, unquote_to_bytes, urljoin, urlsplit

Data = Union[bytes, str]

REDIRECTS = (301, 302, 303, 307, 308)
_PORTS = {"http": 80, "https": 443}
_LONE_PERCENT = re.compile("%(?![0-9A-Fa-f]{2})")
_NOT_IN_URL = re.compile(r"[^\x21-\x7e]")
_SAFE = "!$&'()*+,;=:@/%~"
_OF_BODY = ("content-type", "content-length", "content-encoding", "content-language", "transfer-encoding", "expect")
_CREDENTIALS = ("authorization", "cookie", "proxy-authorization")
_FORM = "application/x-www-form-urlencoded"


class WebException(OSError):
    """The server answered with an error, or not as HTTP demands.

    :ivar response: the :class:`Response` whose status is the error, closed; None for other errors
    """

    response: Optional[Response] = None


class CertificateException(OSError):
    """The server's certificate is not trusted, or does not name its host."""


class ManualRedirectRequired(OSError):
    """A redirect has to repeat a body that was a stream; see :meth:`WebClient.manualredirect`.

    :param msg: text of the error
    :param response: the response with the redirect, closed
    :param request: the request that was redirected
    :param kwargs: the options of :meth:`WebClient.open`
    """

    def __init__(self, msg: str, response: Any, request: Any, kwargs: dict) -> None:
        super().__init__(msg)
        self.response = response
        self.request = request
        self.kwargs = kwargs


class Target(NamedTuple):
    """What a URL names."""

    scheme: str
    host: str
    "name or address, without brackets"
    port: int
    netloc: str
    "value of the Host header: without user and default port"
    path: str
    "path and query"
    user: Optional[str]
    "``user:password`` with its escapes, or None"

    @property
    def origin(self) -> Tuple[str, str, int]:
        """What credentials may be sent to."""
        return self.scheme, self.host, self.port


def parse_target(url: str, rawurl: bool = False) -> Target:
    """Return what a URL of a web server names; its fragment is ignored.

    :param rawurl: the URL is encoded already; else what may not stand in a URL is encoded as UTF-8, except escapes
    :raises ValueError: not http or https, no host, a bad port, or an encoded URL with characters that need encoding
    """
    parts = urlsplit(url)
    if parts.scheme not in _PORTS:
        raise ValueError("not a URL of a web server: %.200r" % (url,))
    host = parts.hostname
    if not host or "\\" in parts.netloc:
        raise ValueError("URL without a valid host: %.200r" % (url,))
    if not host.isascii():
        host = host.encode("idna").decode("ascii")
    if _NOT_IN_URL.search(host):
        raise ValueError("URL without a valid host: %.200r" % (url,))
    usual = _PORTS[parts.scheme]
    port = usual if parts.port is None else parts.port
    netloc = ("[%s]" % host if ":" in host else host) + ("" if port == usual else ":%d" % port)
    path = (parts.path or "/") + ("?" + parts.query if parts.query else "")
    if not rawurl:
        path = quote(_LONE_PERCENT.sub("%25", path), safe=_SAFE + "?")
    elif _NOT_IN_URL.search(path):
        raise ValueError("URL is not encoded: %.200r" % (url,))
    user = parts.netloc.rpartition("@")[0] or None
    return Target(parts.scheme, host, port, netloc, path, user)


def _text(value: Data) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


class _Headers:
    """Header fields with any number of values; names in any case."""

    def __init__(self) -> None:
        self._values: Dict[str, Tuple[str, str]] = {}

    def add(self, name: Data, value: Data) -> None:
        """Set a field; an earlier one of this name is replaced."""
        self._values[_text(name).lower()] = (_text(name), _text(value))

    def get(self, name: Data) -> Optional[str]:
        """Return the value of a field, None if it is not there."""
        found = self._values.get(_text(name).lower())
        return None if found is None else found[1]

    def items(self, without: Tuple[str, ...] = ()) -> List[Tuple[str, str]]:
        """Return ``[(name, value)]``.

        :param without: lower-case names to leave out
        """
        return [field for name, field in self._values.items() if name not in without]


class Request:
    """What to ask for.

    :param url: ``http://host[:port]/path?query`` or https, str or bytes; ``user:password@`` is sent as basic credentials
    :param data: body: bytes, str (sent as UTF-8), a stream, or None for none. Without a Content-Type it is called a form
    :param method: None for GET, or POST with a body
    :param headers: ``{name: value}``
    :param origin_req_host: for cookies: host of the document that asks; None for the host of the URL
    :param unverifiable: for cookies: the user had no choice to approve the request, as for an image
    :param rawurl: the URL is encoded already
    :raises ValueError: the URL is not one of a web server
    """

    def __init__(
        self,
        url: Data,
        data: Any = None,
        method: Optional[Data] = None,
        headers: Mapping[Any, Any] = {},  # noqa: B006 - never changed
        origin_req_host: Optional[str] = None,
        unverifiable: bool = False,
        rawurl: bool = False,
    ) -> None:
        self.target = parse_target(url.decode("utf-8") if isinstance(url, bytes) else url, rawurl)
        self.data = data.encode("utf-8") if isinstance(data, str) else bytes(data) if isinstance(data, bytearray) else data
        chosen = method or ("GET" if data is None else "POST")
        self.method = chosen if isinstance(chosen, bytes) else chosen.encode("ascii")
        self.type = self.target.scheme
        self.host = self.target.netloc
        self.path = self.target.path
        self.https = self.type == "https"
        self.unverifiable = unverifiable
        self.origin_req_host = self.target.host if origin_req_host is None else origin_req_host
        self._headers = _Headers()
        self._unredirected = _Headers()
        for name, value in headers.items():
            self.add_header(name, value)
        if self.data is not None and not self.has_header("Content-Type"):
            self.add_header("Content-Type", _FORM)
        if self.target.user is not None and not self.has_header("Authorization"):
            token = base64.b64encode(unquote_to_bytes(self.target.user)).decode("ascii")
            self.add_unredirected_header("Authorization", "Basic " + token)

    def __repr__(self) -> str:
        return "<Request %s %s>" % (self.method.decode("ascii"), self.get_full_url())

    def get_full_url(self) -> str:
        """Return the URL as it is asked for, without user and fragment."""
        return "%s://%s%s" % (self.type, self.host, self.path)

    def is_unverifiable(self) -> bool:
        """Return ``unverifiable``."""
        return self.unverifiable

    def get_type(self) -> str:
        """Return ``'http'`` or ``'https'``."""
        return self.type

    def get_origin_req_host(self) -> str:
        """Return ``origin_req_host``."""
        return self.origin_req_host

    def get_header(self, k: Data, default: Any = None) -> Any:
        """Return the value of a header as str, ``default`` if there is none."""
        for headers in (self._unredirected, self._headers):
            value = headers.get(k)
            if value is not None:
                return value
        return default

    def has_header(self, k: Data) -> bool:
        """Tell whether there is a header of this name."""
        return self.get_header(k) is not None

    def header_items(self) -> List[Tuple[str, str]]:
        """Return ``[(name, value)]`` of all headers."""
        special = self._unredirected.items()
        return self._headers.items(tuple(name.lower() for name, _ in special)) + special

    def add_header(self, k: Data, v: Data) -> None:
        """Set a header; it is sent after a redirect too, credentials to the same server only."""
        self._headers.add(k, v)

    def add_unredirected_header(self, k: Data, v: Data) -> None:
        """Set a header that is not sent after a redirect."""
        self._unredirected.add(k, v)

    def on_wire(self) -> Tuple[bytes, bytes, bytes, List[Tuple[bytes, bytes]]]:
        """Return (host, path, method, headers) in bytes.

        :raises ValueError: a header has characters outside of ISO 8859-1
        """
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in self.header_items()]
        return self.host.encode("ascii"), self.path.encode("ascii"), self.method, headers

    def redirect(self, response: Response, **kwargs: Any) -> Request:
        """Return the request that follows a redirect (RFC 9110 15.4).

        :param response: the redirect
        :param kwargs: options of :meth:`WebClient.open`, for the exception
        :raises ManualRedirectRequired: the body must be sent again, and is a stream
        :raises WebException: the location is missing or no URL of a web server
        """
        method, data = self.method, self.data
        if method != b"HEAD" and (response.status == 303 or (response.status in (301, 302) and method == b"POST")):
            method, data = b"GET", None
        if data is not None and not isinstance(data, bytes):
            raise ManualRedirectRequired("redirect of a request with a stream: %r" % (self,), response, self, kwargs)
        return self.moved(response, method, data)

    def moved(self, response: Response, method: bytes, data: Any) -> Request:
        """Return the same request for the location that a response names, with another method and body.

        :raises WebException: the location is missing or no URL of a web server
        """
        location = urljoin(self.get_full_url(), response.get_header("Location", ""))
        try:
            target = parse_target(location)
            plain = Request("%s://%s%s" % (target.scheme, target.netloc, target.path), rawurl=True)
        except ValueError as error:
            raise WebException("redirect of %r: %s" % (self, error)) from None
        without = ("host",) if plain.target.origin == self.target.origin else ("host", *_CREDENTIALS)
        if data is None:
            without += _OF_BODY
        headers = dict(self._headers.items(without))
        return Request(plain.get_full_url(), data, method, headers, self.origin_req_host, True, True)


class Response:
    """The answer to a request; used as a context manager it is closed at the end.

    ``status``, ``reason`` (bytes) and ``headers`` (``[(name, value)]`` in bytes, names in lower case) are there at once;
    the body comes in ``stream``, to be read with ``await response.stream.read(container)``.

    :param url: the URL that was answered
    :param event: the final :class:`~vlcp.protocol.http.HttpResponseEvent`
    :param scheduler: the scheduler
    """

    _KEEP_FOR = 262144
    "bytes of a body that are worth a connection"

    def __init__(self, url: str, event: Any, scheduler: Any) -> None:
        self.url = url
        self.event = event
        self.scheduler = scheduler
        self.connection = event.connection
        self.status = event.status
        self.reason = event.reason
        self.headers = event.headers
        self.stream = event.stream

    def __repr__(self) -> str:
        return "<Response %d of %s>" % (self.status, self.url)

    def getcode(self) -> int:
        """Return the status."""
        return self.status

    def geturl(self) -> str:
        """Return the URL that was answered, the last one after redirects."""
        return self.url

    def info(self) -> Response:
        """Return what has the headers, for :mod:`http.cookiejar`."""
        return self

    def get_header(self, k: Data, default: Any = None) -> Any:
        """Return the value of a header as str, the first of several; ``default`` if there is none."""
        return next(iter(self.getheaders(k)), default)

    def getheaders(self, k: Data, default: Any = []) -> Any:  # noqa: B006 - never changed
        """Return all values of a header as a list of str; ``default`` if there are none."""
        name = _text(k).lower().encode("latin-1")
        return [value.decode("latin-1") for field, value in self.headers if field.lower() == name] or default

    def get_all(self, k: Data, default: Any = []) -> Any:  # noqa: B006 - never changed
        """Do what :meth:`getheaders` does."""
        return self.getheaders(k, default)

    def has_header(self, k: Data) -> bool:
        """Tell whether there is a header of this name."""
        return bool(self.getheaders(k))

    def close(self) -> None:
        """Give up what was not read of the body.

        A short rest is thrown away as it comes, and the connection used again; with a long or endless one it is closed.
        """
        stream = self.stream
        if stream.closed:
            return
        left = int(self.get_header("Content-Length", self._KEEP_FOR + 1)) - stream.received
        stream.close(self.scheduler)
        if not stream.complete and left > self._KEEP_FOR:
            self.connection.subroutine(self.shutdown(), False)

    async def shutdown(self) -> None:
        """Close the connection at once, unless the response is complete."""
        if not self.stream.complete:
            await self.connection.shutdown(True, self.event.connmark)

    def __enter__(self) -> Response:
        return self

    def __exit__(self, exctype: Any, excvalue: Any, traceback: Any) -> None:
        self.close()


def match_hostname(cert: Mapping[str, Any], hostname: str) -> None:
    """Check that a certificate names a host (RFC 6125); addresses are no host names.

    Connections are checked by the TLS library itself; this is for callers with a certificate of their own.

    :param cert: decoded certificate, as :meth:`ssl.SSLSocket.getpeercert` returns it
    :param hostname: name of the host
    :raises CertificateException: it does not name the host
    :raises ValueError: there is no certificate
    """
    if not cert:
        raise ValueError("no certificate to compare with %r" % (hostname,))
    names = [value for kind, value in cert.get("subjectAltName", ()) if kind == "DNS"]
    if not cert.get("subjectAltName"):
        names = [value for part in cert.get("subject", ()) for kind, value in part if kind == "commonName"]
    if not any(_names(pattern, hostname) for pattern in names):
        raise CertificateException("certificate is for %s, not for %r" % (", ".join(map(repr, names)) or "no host", hostname))


def _names(pattern: str, hostname: str) -> bool:
    """Tell whether a name of a certificate fits; ``*`` stands for the whole first label of at least three."""
    wanted = hostname.rstrip(".").lower()
    pattern = pattern.rstrip(".").lower()
    if re.fullmatch(r"[0-9.]+|.*:.*", wanted):
        return False
    first, _, rest = pattern.partition(".")
    if first == "*":
        return "." in rest and "*" not in rest and wanted.partition(".")[2] == rest and not wanted.startswith(".")
    return "*" not in pattern and pattern == wanted
