"""A client for web servers: connections that are kept, redirects, cookies, TLS (manual 5.7.23, RFC 9110, RFC 9112)::

    client = WebClient()
    text = await client.urlgetcontent(self, "https://example.com/", tostr=True, timeout=10)

Certificates are verified, with ``cafile`` or else with the certificates that the system trusts.
"""

from __future__ import annotations

from email.message import Message
from http.cookiejar import CookieJar
from typing import Any, List, Mapping, NamedTuple, Optional, Tuple

from vlcp.config import Configurable, config
from vlcp.event.event import Event, withIndices
from vlcp.event.lock import Lock
from vlcp.protocol.http import Http, HttpConnectionClosedException, HttpResponseEvent
from vlcp.utils._webpool import Place, Pool
from vlcp.utils._webrequest import (
    REDIRECTS,
    CertificateException,
    Data,
    ManualRedirectRequired,
    Request,
    Response,
    WebException,
    match_hostname,
)
from vlcp.utils.encoders import deflate_decoder, gzip_decoder

__all__ = [
    "CertificateException",
    "ManualRedirectRequired",
    "Request",
    "Response",
    "WebClient",
    "WebClientRequestDoneEvent",
    "WebException",
    "match_hostname",
]

_REPEATABLE = (b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE")
_DECODERS = {"gzip": gzip_decoder, "x-gzip": gzip_decoder, "deflate": deflate_decoder}


@withIndices("host", "path", "https")
class WebClientRequestDoneEvent(Event):
    """A request is done: its response is complete or its connection has ended.

    ``host`` is the value of the Host header and ``path`` the path with query, both str.
    """


class _Options(NamedTuple):
    """Options of :meth:`WebClient.open` for each single request."""

    timeout: Optional[float]
    cafile: Optional[str]
    key: Optional[str]
    certificate: Optional[str]
    autodecompress: bool
    allowcookies: bool


class _Unanswered(ConnectionError):
    """A connection was closed before the response; ``was_used`` tells that it had carried other requests before."""

    def __init__(self, text: str, was_used: bool) -> None:
        super().__init__(text)
        self.was_used = was_used


@config("webclient")
class WebClient(Configurable):
    """Asks web servers; keeps connections open and uses them again. Proxies are not supported.

    :param allowcookies: keep the cookies that servers send, and send them back
    :param cookiejar: where to keep them; None for a new :class:`http.cookiejar.CookieJar`
    """

    #: Seconds between two looks for ended connections, in a cleanup task
    _default_cleanupinterval = 60
    #: Most connections to one server; when all are in use, requests wait in a queue
    _default_samehostlimit = 20
    #: Requests for one URL are sent one after the other
    _default_sameurllimit = False
    #: File of trusted certificates; None for those that the system trusts
    _default_cafile = None
    #: Most redirects that are followed for one request
    _default_redirectlimit = 10
    #: A server's certificate must name the host of the URL
    _default_verifyhost = True
    #: Largest body that urlgetcontent returns, in bytes; None for no limit
    _default_contentlimit = 67108864

    def __init__(self, allowcookies: bool = False, cookiejar: Optional[CookieJar] = None) -> None:
        super().__init__()
        self.allowcookies = allowcookies
        self.cookiejar = CookieJar() if cookiejar is None else cookiejar
        self._protocol = Http(False)
        self._protocol.persist = False
        if not self.verifyhost:
            self._protocol.sslcheckhostname = False
        self._pool = Pool(self._protocol, max(self.samehostlimit, 1))
        self._tasks: List[Tuple[Any, Any]] = []

    async def open(
        self,
        container: Any,
        request: Request,
        ignorewebexception: bool = False,
        timeout: Optional[float] = None,
        datagen: Any = None,
        cafile: Optional[str] = None,
        key: Optional[str] = None,
        certificate: Optional[str] = None,
        followredirect: bool = True,
        autodecompress: bool = False,
        allowcookies: Optional[bool] = None,
    ) -> Response:
        """Send a request and return the :class:`Response` when its head is there.

        Read the body or close the response; until then its connection stays in use. A request that may be repeated is sent
        again when a kept connection turns out to have been closed meanwhile.

        :param container: container of the calling routine
        :param ignorewebexception: return responses with an error status too
        :param timeout: seconds for each request until its head is there, connecting included; None for no limit
        :param datagen: coroutine that writes the stream ``request.data``; ended when there is no response
        :param cafile: file of trusted certificates; None for the setting
        :param key: private key file for ``certificate``, the certificate file of the client
        :param followredirect: follow redirects and return the last response
        :param autodecompress: ask for a compressed body, and decompress it
        :param allowcookies: None for what the constructor said
        :raises WebException: the status is 400 or more, or there are too many redirects
        :raises ManualRedirectRequired: a stream must be sent again
        :raises CertificateException: the server's certificate is not accepted
        :raises OSError: the server cannot be reached, does not answer in time or closes the connection
        :raises ValueError: a header would break the message
        """
        given = {"ignorewebexception": ignorewebexception, "timeout": timeout, "followredirect": followredirect}
        given.update(cafile=cafile, key=key, certificate=certificate, autodecompress=autodecompress, allowcookies=allowcookies)
        cookies = self.allowcookies if allowcookies is None else allowcookies
        options = _Options(timeout, cafile or self.cafile, key, certificate, autodecompress, cookies)
        response = await self._follow(container, request, options, datagen, given)
        return response if ignorewebexception else _checked(response)

    async def _follow(self, container: Any, request: Request, options: _Options, datagen: Any, given: dict) -> Response:
        """Return the response to a request, after redirects if they are to be followed."""
        for _ in range(self.redirectlimit + 1):
            response = await self._ask(container, request, options, datagen)
            if not (given["followredirect"] and response.status in REDIRECTS and response.has_header("Location")):
                return response
            response.close()
            request, datagen = request.redirect(response, **given), None
        raise WebException("more than %d redirects, the last one to %s" % (self.redirectlimit, request.get_full_url()))

    async def _ask(self, container: Any, request: Request, options: _Options, datagen: Any) -> Response:
        """Send one request and return its response, with its cookies kept and its stream prepared."""
        if options.autodecompress and not request.has_header("Accept-Encoding"):
            request.add_unredirected_header("Accept-Encoding", "gzip, deflate")
        if options.allowcookies:
            self.cookiejar.add_cookie_header(request)  # type: ignore[arg-type]
        writer = None if datagen is None else container.subroutine(datagen, False)
        event = None
        try:
            exchange = self._exchange(container, request, options)
            _, event = await container.execute_with_timeout(options.timeout, exchange)
        finally:
            if event is None and writer is not None:
                container.terminate(writer)
        if event is None:
            raise TimeoutError("no response in %g s: %r" % (options.timeout, request))
        response = Response(request.get_full_url(), event, container.scheduler)
        if options.allowcookies:
            self.cookiejar.extract_cookies(response, request)  # type: ignore[arg-type]
        if options.autodecompress:
            coding = response.get_header("Content-Encoding", "").strip().lower()
            if coding in _DECODERS:
                response.stream.getEncoderList().append(_DECODERS[coding]())
        return response

    async def _exchange(self, container: Any, request: Request, options: _Options) -> HttpResponseEvent:
        """Send a request, once more if it may be repeated and a kept connection was dead; return the response's event."""
        target, body = request.target, request.data
        files = (options.cafile, options.key, options.certificate) if request.https else (None, None, None)
        place = Place(container.scheduler, request.https, target.host, target.port, *files)
        try:
            return await self._attempt(container, place, request, False)
        except _Unanswered as error:
            if not error.was_used or request.method not in _REPEATABLE or not (body is None or isinstance(body, bytes)):
                raise
        return await self._attempt(container, place, request, True)

    async def _attempt(self, container: Any, place: Place, request: Request, fresh: bool) -> HttpResponseEvent:
        """Send a request on one connection, which goes back to the pool after the response.

        :param fresh: on a new connection
        :raises _Unanswered: the connection was closed before the response
        """
        turn = Lock((request.https, request.host, request.path), container.scheduler, self)
        if self.sameurllimit:
            await turn.lock(container)

        def done() -> None:
            turn.unlock()
            container.scheduler.emergesend(WebClientRequestDoneEvent(request.host, request.path, request.https))

        try:
            client = await self._pool.take(container, place, fresh)
        except BaseException:
            turn.unlock()
            raise
        was_used = client.wire.was_used  # type: ignore[attr-defined]
        answered = False
        try:
            self._pool.hold(place, client, done)
            response, _ = await self._protocol.request_with_response(
                container, client, *request.on_wire(), stream=request.data, keepalive=True
            )
            answered = True
            return response
        except HttpConnectionClosedException as error:
            raise _Unanswered("%s: %r" % (error, request), was_used) from None
        finally:
            if not answered:
                client.subroutine(client.shutdown(True), False, daemon=True)

    async def urlopen(
        self,
        container: Any,
        url: Data,
        data: Any = None,
        method: Optional[Data] = None,
        headers: Mapping[Any, Any] = {},  # noqa: B006 - never changed
        rawurl: bool = False,
        *args: Any,
        **kwargs: Any,
    ) -> Response:
        """Make a :class:`Request` of the first arguments and :meth:`open` it with the others."""
        return await self.open(container, Request(url, data, method, headers, rawurl=rawurl), *args, **kwargs)

    async def manualredirect(self, container: Any, exc: ManualRedirectRequired, data: Any, datagen: Any = None) -> Response:
        """Go on after :class:`ManualRedirectRequired`.

        :param container: container of the calling routine
        :param exc: the exception
        :param data: the body once more, a new stream for example
        :param datagen: coroutine that writes it
        :return: as :meth:`open`
        :raises OSError: as :meth:`open`
        """
        request = exc.request.moved(exc.response, exc.request.method, data)
        return await self.open(container, request, datagen=datagen, **exc.kwargs)

    async def urlgetcontent(
        self,
        container: Any,
        url: Data,
        data: Any = None,
        method: Optional[Data] = None,
        headers: Mapping[Any, Any] = {},  # noqa: B006 - never changed
        tostr: bool = False,
        encoding: Optional[str] = None,
        rawurl: bool = False,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        """Return the whole body of the response; parameters as in :meth:`urlopen`.

        :param tostr: return str instead of bytes
        :param encoding: encoding of the text; None for what the response says, or UTF-8
        :raises WebException: the body is longer than ``contentlimit``, or not text in its encoding
        :raises OSError: as :meth:`open`, or the body ends too early or is not complete ``timeout`` seconds after its head
        """
        response = await self.urlopen(container, url, data, method, headers, rawurl, *args, **kwargs)
        timeout = kwargs.get("timeout", args[1] if len(args) > 1 else None)
        timed_out, body = await container.execute_with_timeout(timeout, self.content(container, response))
        if timed_out:
            raise TimeoutError("body is not complete after %g s: %r" % (timeout, response))
        if not tostr:
            return body
        try:
            return body.decode(encoding or _charset(response))
        except (UnicodeDecodeError, LookupError) as error:
            raise WebException("body of %r is no text: %s" % (response, error)) from None

    async def content(self, container: Any, response: Response) -> bytes:
        """Return the whole body of a response, and close it.

        :param container: container of the calling routine
        :raises WebException: it is longer than ``contentlimit``
        :raises OSError: it ends too early, or cannot be decompressed
        """
        limit = self.contentlimit
        with response:
            try:
                body = await response.stream.read(container, None if limit is None else limit + 1)
            except EOFError:
                return b""
            if limit is not None and len(body) > limit:
                raise WebException("body of %r is longer than %d bytes" % (response, limit))
        return body

    def cleanup(self, host: Optional[str] = None) -> None:
        """Forget connections that have ended.

        :param host: only those to this host, with or without a port; None for all
        """
        self._pool.cleanup(host)

    def cleanup_task(self, container: Any, interval: Optional[float] = None) -> Any:
        """Start a routine that calls :meth:`cleanup` again and again until :meth:`endtask`; return it.

        :param container: container of the routine
        :param interval: seconds; None for ``cleanupinterval``
        """
        pause = self.cleanupinterval if interval is None else interval

        async def clean() -> None:
            while True:
                await container.wait_with_timeout(pause)
                self.cleanup()

        routine = container.subroutine(clean(), False, daemon=True)
        self._tasks.append((container, routine))
        return routine

    async def shutdown(self) -> None:
        """Close all connections that are not in use."""
        for client in self._pool.close_idle():
            await client.shutdown()

    def endtask(self) -> None:
        """End the routines of :meth:`cleanup_task`."""
        tasks, self._tasks = self._tasks, []
        for container, routine in tasks:
            container.terminate(routine)


def _checked(response: Response) -> Response:
    """Return a response that is no error.

    :raises WebException: it is
    """
    if response.status < 400:
        return response
    response.close()
    error = WebException("%d %s: %s" % (response.status, response.reason.decode("latin-1"), response.url))
    error.response = response
    raise error


def _charset(response: Response) -> str:
    message = Message()
    message["Content-Type"] = response.get_header("Content-Type", "")
    return message.get_content_charset("utf-8")
