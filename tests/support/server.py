"""A controller in a process of its own, with its Web API on a free loopback port and its database in a directory.

::

    with ServerProcess(tmp_path) as server:
        server.api("viperflow", "createphysicalnetwork", type="native", id="n")
"""

from __future__ import annotations

import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
from typing import Any, Dict, NamedTuple, Optional, Sequence, Tuple
from urllib.parse import quote, urlencode

ROOT = pathlib.Path(__file__).resolve().parents[2]
SQLITE = "vlcp.service.connection.sqlitedb.SQLiteDB"
MODULES = (
    "vlcp.service.sdn.viperflow.ViperFlow",
    "vlcp.service.sdn.plugins.networklocaldriver.NetworkLocalDriver",
    "vlcp.service.sdn.plugins.networknativedriver.NetworkNativeDriver",
    "vlcp.service.sdn.plugins.networkvlandriver.NetworkVlanDriver",
    "vlcp.service.manage.modulemanager.Manager",
    "vlcp.service.manage.webapi.WebAPI",
)


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Answer(NamedTuple):
    """An HTTP answer."""

    status: int
    headers: Dict[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.body)

    @property
    def error(self) -> str:
        """The ``error`` member of the body, or the body's text when it is no JSON object."""
        try:
            return str(self.json()["error"])
        except (ValueError, KeyError, TypeError):
            return self.body.decode("utf-8", "replace")


class ApiFailure(Exception):
    """The Web API answered with an error status.

    :ivar answer: the :class:`Answer`
    """

    def __init__(self, call: str, answer: Answer) -> None:
        super().__init__(f"{call}: {answer.status} {answer.error}")
        self.answer = answer


class ServerProcess:
    """Starts ``vlcp-start`` with a configuration and waits until its Web API answers.

    :param directory: gets the configuration, the log and the database
    :param modules: loading paths to start
    :param config: configuration keys to add or replace; None as a value removes nothing, it is the value
    :param python_path: directories from which further modules can be imported
    :ivar port: port of the Web API
    """

    def __init__(
        self,
        directory: Any,
        modules: Sequence[str] = MODULES,
        config: Optional[Dict[str, Any]] = None,
        python_path: Sequence[Any] = (),
    ) -> None:
        self.directory = pathlib.Path(directory)
        self.port = free_port()
        self.database = self.directory / "vlcp.sqlite"
        self.log_path = self.directory / "server.log"
        self._config: Dict[str, Any] = {
            "server.startup": tuple(modules),
            "module.httpserver.url": None,
            "module.httpserver.vhost.api.url": f"tcp://127.0.0.1:{self.port}/",
            "module.sqlitedb.path": str(self.database),
            "proxy.kvstorage": SQLITE,
            "proxy.updatenotifier": SQLITE,
            **(config or {}),
        }
        self._python_path = [str(ROOT), *map(str, python_path)]
        self._process: Optional[subprocess.Popen] = None

    def __enter__(self) -> ServerProcess:
        self.start()
        return self

    def __exit__(self, *exc: Any) -> None:
        self.stop()

    @property
    def log(self) -> str:
        """What the process has written so far."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    @property
    def pid(self) -> int:
        """Process id of the running server."""
        assert self._process is not None, "the server is not started"
        return self._process.pid

    def start(self, timeout_s: float = 20) -> None:
        """Start the process and return when the Web API answers.

        :raises AssertionError: it ended or does not answer in time; the message has the log's end
        """
        path = self.directory / "vlcp.conf"
        path.write_text("".join(f"{key} = {value!r}\n" for key, value in self._config.items()))
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(self._python_path), "PYTHONUNBUFFERED": "1"}
        with self.log_path.open("ab") as log:
            command = [sys.executable, "-m", "vlcp.start", "-f", str(path)]
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, cwd=self.directory
            )
        deadline = time.monotonic() + timeout_s
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise AssertionError(f"the server does not answer:\n{self.log[-3000:]}")
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            return self.get("/viperflow/discover", timeout_s=2).status == 200
        except OSError:
            return False

    def stop(self, number: int = signal.SIGTERM, timeout_s: float = 10) -> int:
        """End the process with a signal and return its exit status; SIGKILL follows when it does not end in time."""
        process = self._process
        assert process is not None, "the server is not started"
        if process.poll() is None:
            process.send_signal(number)
            try:
                process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        return process.returncode

    def request(
        self,
        method: str,
        path: str,
        body: Optional[bytes] = None,
        headers: Optional[Dict[str, str]] = None,
        timeout_s: float = 30,
    ) -> Answer:
        """Send one HTTP request on a connection of its own.

        :raises OSError: no connection or no answer
        """
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return Answer(response.status, dict(response.headers.items()), response.read())
        except http.client.HTTPException as exc:
            raise OSError(f"{method} {path}: {type(exc).__name__} {exc}") from exc
        finally:
            connection.close()

    def get(self, path: str, /, timeout_s: float = 30, **params: str) -> Answer:
        """Send a GET request; parameters go into the query string as they are, back-quotes included."""
        return self.request("GET", path + ("?" + urlencode(params, quote_via=quote) if params else ""), timeout_s=timeout_s)

    def form(self, path: str, /, **params: str) -> Answer:
        """Send a POST request with a form."""
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.request("POST", path, urlencode(params).encode(), headers)

    def post(self, path: str, params: Any) -> Answer:
        """Send a POST request with a JSON body."""
        return self.request("POST", path, json.dumps(params).encode(), {"Content-Type": "application/json"})

    def api(self, module: str, name: str, /, **params: Any) -> Any:
        """Call an API by JSON and return its result.

        :raises ApiFailure: the answer is an error
        """
        answer = self.post(f"/{module}/{name}", params)
        if answer.status != 200:
            raise ApiFailure(f"{module}/{name}", answer)
        return answer.json()["result"]

    def exchange(self, data: bytes, timeout_s: float = 10) -> Tuple[bytes, float]:
        """Send raw bytes on a connection and read until the server closes it or ``timeout_s`` is over.

        :return: what came back, and the seconds until its first byte
        """
        with socket.create_connection(("127.0.0.1", self.port), timeout_s) as connection:
            begin = time.monotonic()
            try:
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # Refused early; the answer is still to be read.
            received, first = b"", timeout_s
            while True:
                try:
                    part = connection.recv(65536)
                except OSError:
                    break
                if part and not received:
                    first = time.monotonic() - begin
                received += part
                if not part:
                    break
        return received, first
