"""Web servers of other makes: aiohttp in a thread of this process, and the nginx program."""

from __future__ import annotations

import asyncio
import contextlib
import json
import pathlib
import subprocess
import threading
from typing import Any, Dict, Iterator, Optional

from aiohttp import web
from support.webserver import free_port, wait_listening


class AioServer:
    """An aiohttp server on a free port of 127.0.0.1.

    ``seen`` counts requests by path; ``connections`` is the set of the clients' ports.

    :param tls: ``ssl.SSLContext``, None for plain HTTP
    """

    def __init__(self, tls: Any = None) -> None:
        self.port = free_port()
        self.seen: Dict[str, int] = {}
        self.connections: set = set()
        self.running = self.most = 0
        self._tls = tls
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> AioServer:
        self._thread.start()
        assert self._started.wait(20)
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(20)

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        """Return the URL of a path."""
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}{path}"

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._start())
        self._started.set()
        self._loop.run_forever()

    async def _start(self) -> None:
        application = web.Application(middlewares=[self._count])
        for name in ("echo", "headers", "redirect", "status", "login", "gzip", "deflate", "slow", "long", "cut", "leave"):
            handler = getattr(self, "_" + name)
            application.router.add_route("*", "/" + name, handler)
            application.router.add_route("*", "/" + name + "/{rest:.*}", handler)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self.port, ssl_context=self._tls).start()

    @web.middleware
    async def _count(self, request: web.Request, handler: Any) -> Any:
        self.seen[request.path_qs] = self.seen.get(request.path_qs, 0) + 1
        self.connections.add(request.transport.get_extra_info("peername")[1])
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            return await handler(request)
        finally:
            self.running -= 1

    async def _echo(self, request: web.Request) -> web.StreamResponse:
        return web.Response(body=await request.read(), headers={"X-Method": request.method})

    async def _headers(self, request: web.Request) -> web.StreamResponse:
        fields = [[name.lower(), value] for name, value in request.headers.items()]
        return web.json_response({"method": request.method, "headers": fields, "path": request.raw_path})

    async def _redirect(self, request: web.Request) -> web.StreamResponse:
        await request.read()
        return web.Response(status=int(request.query["status"]), headers={"Location": request.query["to"]}, text="moved")

    async def _status(self, request: web.Request) -> web.StreamResponse:
        return web.Response(status=int(request.match_info["rest"]), text="status")

    async def _login(self, request: web.Request) -> web.StreamResponse:
        response = web.Response(text=json.dumps(dict(request.cookies)))
        response.set_cookie("who", "me", path="/")
        response.set_cookie("other", "x", path="/elsewhere")
        return response

    async def _gzip(self, request: web.Request) -> web.StreamResponse:
        response = web.Response(body=b"packed " * 5000)
        response.enable_compression(web.ContentCoding.gzip)
        return response

    async def _deflate(self, request: web.Request) -> web.StreamResponse:
        response = web.Response(body=b"packed " * 5000)
        response.enable_compression(web.ContentCoding.deflate)
        return response

    async def _slow(self, request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(float(request.match_info["rest"]))
        return web.Response(text="slow")

    async def _long(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(int(request.match_info["rest"])):
            await response.write(b"x" * 65536)
        return response

    async def _cut(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b"x" * 10)
        request.transport.close()
        return response

    async def _leave(self, request: web.Request) -> web.StreamResponse:
        """Answer, and close the connection a moment later without having said so."""
        self._loop.call_later(0.1, request.transport.close)
        return web.Response(text="left")


_NGINX = """
daemon off; master_process off; worker_processes 1; pid {directory}/nginx.pid;
error_log {directory}/error.log; events {{ worker_connections 256; }}
http {{
    access_log off; default_type application/octet-stream; keepalive_requests {requests};
    client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy; fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi; types {{ text/plain txt; text/html html; }}
    gzip on; gzip_types text/plain; gzip_min_length 100; client_max_body_size 100k;
    server {{
        listen 127.0.0.1:{port};
        {tls}
        root {directory}/files;
        location /moved/ {{ rewrite ^/moved/(.*)$ /$1 redirect; }}
        location /gone {{ return 410; }}
        location /empty {{ return 204; }}
        location /post {{ return 200 "$request_method $content_length"; }}
        {extra}
    }}
}}
"""


@contextlib.contextmanager
def nginx(directory: pathlib.Path, identity: Optional[Any] = None, requests: int = 1000, extra: str = "") -> Iterator[int]:
    """Run nginx with the files of ``directory/files``; yield its port.

    :param identity: :class:`support.tls.Identity` for TLS
    :param requests: requests that one connection may carry
    :param extra: further lines of its server block
    """
    port = free_port()
    (directory / "files").mkdir(exist_ok=True)
    tls = ""
    if identity is not None:
        tls = f"ssl_certificate {identity.certificate}; ssl_certificate_key {identity.key};"
    text = _NGINX.format(directory=directory, port=f"{port} ssl" if identity else port, requests=requests, tls=tls, extra=extra)
    (directory / "nginx.conf").write_text(text)
    command = ["nginx", "-p", str(directory), "-e", str(directory / "error.log"), "-c", str(directory / "nginx.conf")]
    process = subprocess.Popen(command)
    try:
        wait_listening(port, 20)
        yield port
    finally:
        process.terminate()
        process.wait(20)
