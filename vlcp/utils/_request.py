"""The request's half of :class:`vlcp.utils.http.Environment` (manual 5.7.9)."""

from __future__ import annotations

import base64
import binascii
import os
from typing import Any, Dict, List, NoReturn, Optional, Tuple, Union

from vlcp.event.stream import MemoryStream
from vlcp.protocol.http import error_page as default_page
from vlcp.protocol.http import escape, escape_b
from vlcp.utils._cookies import parse_cookies
from vlcp.utils._forms import collect, parse_multipart, parse_options, parse_pairs

Data = Union[bytes, str]


class HttpInputException(Exception):
    """The request is wrong; it is answered with ``status``.

    :param status: 400, or a better one
    """

    def __init__(self, *args: Any, status: int = 400) -> None:
        super().__init__(*args)
        self.status = status


class HttpExitException(Exception):
    """Ends a handler early; what was written is sent."""


class HttpRewriteLoopException(Exception):
    """A request was rewritten too often."""


class RequestPart:
    """What a handler reads of its request; :class:`Environment` adds the response."""

    event: Any
    protocol: Any
    container: Any
    querystring: bytes
    encoding: str

    def __getattr__(self, name: str) -> Any:
        """Make what most handlers do not need when it is asked for first."""
        maker = _LAZY.get(name)
        if maker is None:
            raise AttributeError("%r object has no attribute %r" % (type(self).__name__, name))
        value = self.__dict__[name] = maker(self)
        return value

    def _make_args(self) -> Dict[str, Any]:
        pairs = parse_pairs(self.querystring, self.protocol.unquoteplus)
        return collect((name.decode(self.encoding, "replace"), value) for name, value in pairs)

    def argstostr(self) -> None:
        """Turn the values of ``args`` into text.

        :raises HttpInputException: they are not in ``encoding``
        """
        self.args = self._to_text(self.args)

    def cookietostr(self) -> None:
        """Turn the values of ``cookies`` into text.

        :raises HttpInputException: they are not in ``encoding``
        """
        self.cookies = self._to_text(self.cookies)

    def _to_text(self, values: Dict[str, Any]) -> Dict[str, Any]:
        return {
            name: [self._text(one) for one in value] if isinstance(value, list) else self._text(value)
            for name, value in values.items()
        }

    def _text(self, value: Data) -> str:
        if isinstance(value, str):
            return value
        try:
            return value.decode(self.encoding)
        except UnicodeDecodeError:
            raise HttpInputException("value is not %s: %.64r" % (self.encoding, value)) from None

    async def readbody(self, limit: Optional[int] = 67108864) -> bytes:
        """Return the whole body.

        :param limit: largest size in bytes; None for no limit. A larger body is refused before it is read, if its head
            tells the size, or when the limit is passed
        :raises HttpInputException: it is larger (status 413), or ends too early
        """
        stream = self.event.stream
        if stream is None:
            return b""
        declared = self.event.exchange.head.length
        if limit is not None and declared > limit:
            raise HttpInputException("body is larger than %d bytes" % (limit,), status=413)
        try:
            body = await stream.read(self.container, None if limit is None else limit + 1)
        except EOFError:
            return b""
        except OSError as error:
            raise HttpInputException(str(error)) from error
        if limit is not None and len(body) > limit:
            raise HttpInputException("body is larger than %d bytes" % (limit,), status=413)
        return body

    async def parseform(self, limit: Optional[int] = 67108864, tostr: bool = True, safename: bool = True) -> None:
        """Read the body as a form into ``form`` and ``files``.

        ``form`` is ``{name: value}``, ``files`` is ``{name: {'name', 'filename', 'content-type', 'content'}}``; names that
        end with ``[]`` collect lists. A body that is no form leaves both empty.

        :param limit: largest body in bytes, held in memory; None for no limit
        :param tostr: values of ``form`` become text
        :param safename: remove path and special characters from file names
        :raises HttpInputException: body too large (status 413) or malformed
        """
        self.form, self.files = {}, {}
        kind, options = parse_options(self.headerdict.get(b"content-type", b"").decode("latin-1"))
        if kind == "multipart/form-data":
            self._take_parts(await self.readbody(limit), options.get("boundary", ""), safename)
        elif kind == "application/x-www-form-urlencoded":
            pairs = parse_pairs(await self.readbody(limit), True)
            self.form = collect((self._text(name), value) for name, value in pairs)
        if tostr:
            self.form = self._to_text(self.form)

    def _take_parts(self, body: bytes, boundary: str, safename: bool) -> None:
        try:
            parts = parse_multipart(body, boundary, self.encoding, safename)
        except ValueError as error:
            raise HttpInputException(str(error)) from None
        self.form = collect((part.name, part.data) for part in parts if part.filename is None)
        self.files = collect(
            (
                part.name,
                {
                    "name": part.name,
                    "filename": part.filename,
                    "content-type": part.content_type,
                    "content": part.data,
                },
            )
            for part in parts
            if part.filename is not None
        )

    def basicauth(self, realm: Data = b"all", nofail: bool = False) -> Tuple[Optional[bytes], Optional[bytes]]:
        """Return (user name, password) of the request.

        :param realm: shown by the client's dialogue
        :param nofail: return (None, None) if there are none; else the request is answered with 401
        :raises HttpExitException: there are none, and ``nofail`` is False
        """
        scheme, _, coded = self.headerdict.get(b"authorization", b"").partition(b" ")
        if scheme.lower() == b"basic":
            try:
                user, colon, password = base64.b64decode(coded.strip(), validate=True).partition(b":")
            except binascii.Error:
                colon = b""
            if colon:
                return user, password
        if nofail:
            return None, None
        return self.basicauthfail(realm)

    def basicauthfail(self, realm: Data = b"all") -> NoReturn:
        """Answer 401 and end the handler.

        :raises HttpExitException: always
        """
        name = realm if isinstance(realm, bytes) else realm.encode(self.encoding)
        self.start_response(401, [(b"WWW-Authenticate", b'Basic realm="%b"' % (name.replace(b'"', b""),))])
        self.exit(default_page(401))

    def escape(self, text: Data, quote: bool = True) -> Data:
        """Return ``text`` with the characters that mean something in HTML as entities."""
        return escape(text, quote) if isinstance(text, str) else escape_b(text, quote)

    def nl2br(self, text: Data) -> Data:
        """Return ``text`` with each line end as a line break of HTML."""
        return text.replace("\n", "<br>\n") if isinstance(text, str) else text.replace(b"\n", b"<br>\n")

    def getrealpath(self, root: str, path: Data) -> str:
        """Return the file that a path of a URL means below ``root``, which it can never leave.

        :param root: directory
        :param path: path of the URL; may be absolute, have dot segments, drives or back slashes
        :raises HttpInputException: it contains NUL
        """
        text = self._text(path).replace("\\", "/")
        if "\0" in text:
            raise HttpInputException("NUL in a path")
        parts: List[str] = []
        for part in text.split("/"):
            part = part.partition(":")[2] if ":" in part and os.name == "nt" else part
            if part == "..":
                del parts[-1:]
            elif part not in ("", "."):
                parts.append(part)
        return os.path.join(os.path.realpath(root), *parts)

    def start_response(self, status: Any = 200, headers: Any = []) -> None:  # noqa: B006
        """Set status and headers of the response."""
        raise NotImplementedError("%s has no response" % (type(self).__name__,))

    def exit(self, output: Data = b"") -> NoReturn:
        """End the handler."""
        raise NotImplementedError("%s has no response" % (type(self).__name__,))


_LAZY = {
    "args": RequestPart._make_args,
    "cookies": lambda env: parse_cookies(env.headerdict.get(b"cookie", b"")),
    "headers": lambda env: env.event.headers,
    "headerdict": lambda env: env.event.headerdict,
    "inputstream": lambda env: MemoryStream(b"") if env.event.stream is None else env.event.stream,
}
