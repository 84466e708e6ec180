"""HTTP GET through Dispatcher: requests a second, keep-alive, 32 connections, against aiohttp's server.

Each server runs in a process of its own on one core; wrk runs on another one. Without wrk a client of this file is used.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from typing import Any

CONNECTIONS = 32
SECONDS = 4
ROUNDS = 3
BODY = b"Hello, world"
REQUEST = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
VARIED = """
local n = 0
request = function()
  n = n + 1
  return wrk.format("GET", "/?n=" .. n, {
    ["Host"] = "127.0.0.1", ["Accept"] = "text/html,application/xhtml+xml", ["Accept-Language"] = "en-US,en;q=0.5",
    ["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64)", ["Cookie"] = "session=" .. n, ["X-Request-Id"] = tostring(n)})
end
"""


def serve_vlcp(port: int) -> None:
    """Serve BODY with this project until killed."""
    from vlcp.config import manager
    from vlcp.server.module import Module, depend
    from vlcp.server.server import Server
    from vlcp.service.connection import httpserver
    from vlcp.utils.http import HttpHandler

    class Hello(HttpHandler):
        @HttpHandler.route(b"/")
        async def hello(self, env: Any) -> None:
            env.header(b"Content-Type", b"text/plain")
            env.outputdata(BODY)

    @depend(httpserver.HttpServer)
    class HelloModule(Module):
        def __init__(self, server: Any) -> None:
            super().__init__(server)
            self.routines.append(Hello(self.scheduler))

    sys.modules["__main__"].HelloModule = HelloModule  # type: ignore[attr-defined]
    HelloModule.__module__ = "__main__"
    manager["module.httpserver.url"] = f"tcp://127.0.0.1:{port}/"
    manager["server.startup"] = ("__main__.HelloModule",)
    Server().serve()


def serve_aiohttp(port: int) -> None:
    """Serve BODY with aiohttp until killed."""
    from aiohttp import web

    async def hello(request: Any) -> Any:
        return web.Response(body=BODY, content_type="text/plain")

    application = web.Application()
    application.router.add_get("/", hello)
    web.run_app(application, host="127.0.0.1", port=port, print=None, access_log=None)


SERVERS = {"vlcp": serve_vlcp, "aiohttp": serve_aiohttp}


def free_port() -> int:
    """Return a TCP port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port: int) -> None:
    """Return when the server listens.

    :raises TimeoutError: it does not within 20 seconds
    """
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise TimeoutError(f"nothing listens on port {port}")


def load_with_wrk(port: int, varied: bool) -> float:
    """Return requests a second as wrk counts them.

    :param varied: requests as of browsers, no two of them alike; else the same short one again and again
    """
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}", f"http://127.0.0.1:{port}/"]
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        if varied:
            script.write(VARIED)
            script.flush()
            command[1:1] = ["-s", script.name]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in text or "Socket errors" in text:
        raise RuntimeError(f"the server failed under load: {text}")
    return float(re.search(r"Requests/sec:\s+([0-9.]+)", text).group(1))


def load_with_threads(port: int, varied: bool) -> float:
    """Return requests a second of a few threads with blocking sockets; slower than wrk, the same for both servers.

    :param varied: each request has a query and a cookie of its own
    """
    counts = [0] * CONNECTIONS
    end = time.monotonic() + SECONDS

    def ask(index: int) -> None:
        with socket.create_connection(("127.0.0.1", port)) as connection:
            while time.monotonic() < end:
                mark = b"%d.%d" % (index, counts[index])
                own = REQUEST.replace(b"/ ", b"/?n=" + mark + b" ", 1)[:-2] + b"Cookie: session=" + mark + b"\r\n\r\n"
                connection.sendall(own if varied else REQUEST)
                data = b""
                while not data.endswith(BODY):
                    data += connection.recv(4096)
                counts[index] += 1

    threads = [threading.Thread(target=ask, args=(index,)) for index in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / SECONDS


def pin(core: int) -> None:
    """Bind this process to one core, where the system can."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[core % len(cores)]})


def cpu_seconds(pid: int) -> float:
    """Return the seconds of processor time that a process has used."""
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Running:
    """A server in a process of its own, on the first core."""

    def __init__(self, name: str) -> None:
        self.port = free_port()
        command = [sys.executable, __file__, name, str(self.port)]
        self.process = subprocess.Popen(command, preexec_fn=lambda: pin(0))

    def __enter__(self) -> Running:
        wait_for(self.port)
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def measure(name: str, varied: bool) -> tuple[float, float]:
    """Return (requests a second, requests a second of processor time) of one server."""
    load = load_with_wrk if shutil.which("wrk") else load_with_threads
    with Running(name) as server:
        used, begin = cpu_seconds(server.process.pid), time.monotonic()
        rate = load(server.port, varied)
        used = cpu_seconds(server.process.pid) - used
        return rate, rate * (time.monotonic() - begin) / used


def run() -> list[dict[str, Any]]:
    """Measure both servers in turns and return the best round of each."""
    found: dict[tuple[str, bool], list[tuple[float, float]]] = {
        (name, varied): [] for varied in (False, True) for name in SERVERS
    }
    affinity = os.sched_getaffinity(0)
    try:
        pin(1)
        for _ in range(ROUNDS):
            for key in found:
                found[key].append(measure(*key))
    finally:
        os.sched_setaffinity(0, affinity)
    rows = []
    for varied, kind in ((False, "the same request"), (True, "varied requests")):
        for index, unit in enumerate(("requests/s", "requests/CPU s")):
            ours, peers = (max(round_[index] for round_ in found[name, varied]) for name in ("vlcp", "aiohttp"))
            name = f"HTTP GET through Dispatcher, {CONNECTIONS} connections, {kind}"
            rows.append(
                {"name": name, "value": ours, "unit": unit, "peer": "aiohttp", "peer_value": peers, "ratio": ours / peers}
            )
    return rows


if __name__ == "__main__":
    SERVERS[sys.argv[1]](int(sys.argv[2]))
