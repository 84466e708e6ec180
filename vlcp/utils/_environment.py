"""One request as its handler sees it, and the response it makes (manual 5.7.9)."""

from __future__ import annotations

import json
from typing import Any, List, NoReturn, Optional, Union
from urllib.parse import unquote_to_bytes

from vlcp.event.stream import Stream
from vlcp.protocol.http import HttpRequestEvent
from vlcp.protocol.http import error_page as default_page
from vlcp.utils._cookies import cookie_line
from vlcp.utils._request import Data, HttpExitException, HttpRewriteLoopException, RequestPart
from vlcp.utils._sessions import SessionPart

_MOST_REWRITES = 16
_STREAM_FROM = 65536


class Environment(SessionPart, RequestPart):
    """A request and its response.

    Of the request: ``method``, ``host``, ``path`` (decoded, without query), ``originalpath`` (as sent), ``querystring`` are
    bytes; ``headerdict`` is ``{lower-case name: value}`` and ``headers`` the list; ``args`` the query's values; ``cookies``;
    ``inputstream`` the body; ``path_match`` the match of the route. After :meth:`parseform`: ``form`` and ``files``.
    After :meth:`sessionstart`: ``session``.

    The response is collected: up to 64 KiB leave with their head in one write when the handler ends.

    :param event: the :class:`HttpRequestEvent`
    :param container: routine container of the handler; None for the connection
    :param defaultencoding: encoding of text
    """

    path_match: Any = None
    closed = False
    _buffered = 0
    _buffer_all = _nocompress = False
    _stream: Optional[Stream] = None

    def __init__(self, event: HttpRequestEvent, container: Any = None, defaultencoding: str = "utf-8") -> None:
        self.event = event
        self.connection = event.connection
        self.container = event.connection if container is None else container
        self.protocol = event.createby
        self.xid = event.xid
        self.method = event.method
        self.host = event.host
        self.originalpath = event.path
        path, _, self.querystring = event.path.partition(b"?")
        self.path = unquote_to_bytes(path) if b"%" in path else path
        self.encoding = defaultencoding
        kept = getattr(event, "kept", None)
        self._status, self._headers, self._cookies = (200, [], ()) if kept is None else kept
        self._buffer: List[bytes] = []

    def __repr__(self, *args: Any, **kwargs: Any) -> str:
        target = self.originalpath.decode("latin-1")
        return "<Environment %s %s of %r>" % (self.method.decode("latin-1"), target, self.connection)

    # The response

    def start_response(
        self,
        status: Union[int, bytes] = 200,
        headers: Any = [],  # noqa: B006 - never changed
        clearheaders: bool = True,
        disabletransferencoding: bool = False,
    ) -> None:
        """Set the status and headers of the response; they are sent with its first data.

        :param clearheaders: forget the headers set before
        :param disabletransferencoding: do not compress the body
        :raises ValueError: the head was sent already
        """
        self._check_not_sent()
        self._status = status
        if clearheaders:
            self._headers = []
        self._headers.extend(headers)
        self._nocompress = disabletransferencoding

    def header(self, key: Data, value: Data, replace: bool = True) -> None:
        """Set a header of the response.

        :param replace: remove earlier ones of this name
        :raises ValueError: the head was sent already
        """
        if self.closed or self._stream is not None:
            self._check_not_sent()
        name = key if isinstance(key, bytes) else key.encode("latin-1")
        content = value if isinstance(value, bytes) else value.encode(self.encoding)
        if replace and self._headers:
            lowered = name.lower()
            self._headers = [field for field in self._headers if field[0].lower() != lowered]
        self._headers.append((name, content))

    def rawheader(self, kv: Data, replace: bool = True) -> None:
        """Set a header given as ``Name: value``."""
        line = kv if isinstance(kv, bytes) else kv.encode(self.encoding)
        name, _, value = line.partition(b":")
        self.header(name.strip(), value.strip(), replace)

    def setcookie(
        self,
        key: Data,
        value: Data,
        max_age: Optional[int] = None,
        expires: Any = None,
        path: Optional[str] = "/",
        domain: Optional[str] = None,
        secure: Optional[bool] = None,
        httponly: bool = False,
    ) -> None:
        """Add a cookie (RFC 6265); it is sent with whatever response this request gets, an error page too.

        :param max_age: seconds; None for a cookie of the session
        :param expires: seconds since 1970, or a formatted date; None for none
        :raises ValueError: a part would break the header, or the head was sent already
        """
        line = cookie_line(self._text(key), self._text(value), max_age, expires, path, domain, secure, httponly)
        self._add_cookie(line.encode(self.encoding))

    def _add_cookie(self, line: bytes) -> None:
        """Add the value of a Set-Cookie header; it replaces an earlier one for the same cookie."""
        self._check_not_sent()
        name = line.partition(b"=")[0]
        others = [field for field in self._cookies if field[1].partition(b"=")[0] != name]
        self._cookies = (*others, (b"Set-Cookie", line))

    def _check_not_sent(self) -> None:
        if self.sent:
            raise ValueError("response to %r was started already" % (self,))

    @property
    def status(self) -> Union[int, bytes]:
        """The status that the response will have."""
        return self._status

    @property
    def sent(self) -> bool:
        """True as soon as the head of the response is on its way."""
        return self.closed or self._stream is not None

    @property
    def disconnected(self) -> bool:
        """True when the client is known to be gone; what is written then goes nowhere.

        A client that only goes away is noticed when something is written to it.
        """
        connection = self.connection
        return not connection.connected or connection.connmark != self.event.connmark

    def _respond(self, body: Any) -> None:
        headers = self._headers
        for name, _ in headers:
            if name.lower() == b"content-type":
                break
        else:
            headers = [(b"Content-Type", b"text/html; charset=" + self.encoding.encode("ascii")), *headers]
        if self._cookies:
            headers = [*headers, *self._cookies]
        self.protocol.start_response(self.connection, self.xid, self._status, headers, body, self._nocompress)

    def bufferoutput(self) -> None:
        """Collect the whole response until it ends or is flushed."""
        self._buffer_all = True

    async def write(self, data: Data, eof: bool = False, buffering: bool = True) -> None:
        """Add to the body of the response.

        :param eof: this is all
        :param buffering: collect small pieces; False sends them now
        :raises ValueError: the response is complete already
        """
        if self.closed:
            raise ValueError("response to %r is complete already" % (self,))
        piece = data if isinstance(data, bytes) else data.encode(self.encoding)
        self._buffer.append(piece)
        self._buffered += len(piece)
        if eof:
            await self.close()
        elif not buffering or (self._buffered >= _STREAM_FROM and not self._buffer_all):
            await self.flush()

    async def writelines(self, lines: Any, eof: bool = False, buffering: bool = True) -> None:
        """Write several pieces, see :meth:`write`."""
        for line in lines:
            await self.write(line, False, buffering)
        if eof:
            await self.close()

    async def flush(self, eof: bool = False) -> None:
        """Send what was written.

        :param eof: this is all
        """
        if eof:
            await self.close()
        elif not self.closed:
            await self._send_buffer(False)

    async def _send_buffer(self, eof: bool) -> None:
        data = b"".join(self._buffer)
        self._buffer, self._buffered = [], 0
        if self._stream is None:
            stream = Stream()
            self._respond(stream)
            self._stream = stream
        if self.method == b"HEAD":
            return
        await self._stream.write(data, self.container, eof, True, False)

    def output(self, stream: Any, disabletransferencoding: Optional[bool] = None) -> None:
        """Send a stream as the body; what was written before is lost.

        :param disabletransferencoding: do not compress; None for what :meth:`start_response` said
        """
        self._check_not_sent()
        if disabletransferencoding is not None:
            self._nocompress = disabletransferencoding
        self._respond(stream)
        self.closed = True

    def outputdata(self, data: Data) -> None:
        """Send ``data`` as the whole body."""
        if self.closed or self._stream is not None:
            self._check_not_sent()
        self._respond(data if isinstance(data, bytes) else data.encode(self.encoding))
        self.closed = True

    def outputjson(self, obj: Any) -> None:
        """Send ``obj`` as JSON.

        :raises TypeError: JSON does not know it
        """
        self.header(b"Content-Type", b"application/json")
        self.outputdata(json.dumps(obj).encode("utf-8"))

    async def close(self) -> None:
        """End the response; the handler may go on with something else."""
        if self.closed:
            return
        if self._stream is not None:
            await self._send_buffer(True)
            self.closed = True
        else:
            self.outputdata(b"".join(self._buffer))

    def exit(self, output: Data = b"") -> NoReturn:
        """End the handler.

        :param output: written before the response ends
        :raises HttpExitException: always
        """
        if output:
            self._buffer.append(output if isinstance(output, bytes) else output.encode(self.encoding))
        raise HttpExitException

    async def error(
        self,
        status: Union[int, bytes] = 500,
        allowredirect: bool = True,
        close: bool = True,
        showerror: Optional[str] = None,
        headers: Any = [],  # noqa: B006 - never changed
    ) -> None:
        """Answer with an error page, or with what ``errorrewrite`` and ``errorredirect`` have for the status.

        :param allowredirect: use these two settings; they are not used for the error of an error's page
        :param close: end the response
        :param showerror: text shown on the page, if ``showerrorinfo`` is set
        """
        protocol = self.protocol
        allowredirect = allowredirect and not getattr(self.event, "for_error", False)
        if allowredirect and status in protocol.errorrewrite:
            self.start_response(status, headers)
            await self._rewrite(protocol.errorrewrite[status], b"GET", True, for_error=True)
            return
        if allowredirect and status in protocol.errorredirect:
            await self.redirect(protocol.errorredirect[status])
            return
        self.start_response(status, headers)
        self._buffer = [default_page(status, showerror if protocol.showerrorinfo else None)]
        if close:
            await self.close()

    async def redirect(self, path: Data, status: int = 302) -> None:
        """Send the client to another location."""
        self.start_response(status, [(b"Location", path if isinstance(path, bytes) else path.encode("ascii"))])
        self._buffer = []
        await self.close()

    async def rewrite(self, path: Data, method: Optional[bytes] = None, keepresponse: bool = True) -> None:
        """Let the handler of another path answer; call it before anything is sent, and leave the handler then.

        :param path: path with query; must not be text that is decoded already
        :param method: None for the present one
        :param keepresponse: status and headers set so far are what the other handler begins with; cookies always are
        :raises HttpRewriteLoopException: rewritten too often
        :raises ValueError: the head was sent already
        """
        count = getattr(self.event, "rewrites", 0) + 1
        if count > _MOST_REWRITES:
            raise HttpRewriteLoopException("request rewritten %d times: %r" % (count, self))
        await self._rewrite(path, method, keepresponse, rewrites=count)

    async def _rewrite(self, path: Data, method: Optional[bytes], keepresponse: bool, **marks: Any) -> None:
        self._check_not_sent()
        event = self.event
        target = path if isinstance(path, bytes) else path.encode("ascii")
        self.closed = True
        identity = (event.connection, event.connmark, event.xid, event.createby)
        marks.setdefault("rewrites", 1)
        rewritten = HttpRequestEvent(event.host, target, method or event.method, *identity, exchange=event.exchange, **marks)
        status, headers = (self._status, self._headers) if keepresponse else (200, [])
        rewritten.kept = (status, headers, self._cookies)
        await self.container.wait_for_send(rewritten)

    startResponse = start_response
