"""A browser: headless Chromium, driven over WebDriver (W3C) by plain JSON."""

from __future__ import annotations

import contextlib
import json
import pathlib
import subprocess
import time
from http.client import HTTPConnection
from typing import Any, Callable, Dict, Iterator

from support.webserver import free_port, wait_listening

_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
_ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class Browser:
    """One session with a window of its own.

    :param port: port of the driver
    :param profile: directory for its profile; another one for each browser
    """

    def __init__(self, port: int, profile: pathlib.Path) -> None:
        self._port = port
        self._path = ""
        options = {"args": [*_ARGUMENTS, f"--user-data-dir={profile}"]}
        capabilities = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        answer = self._command("POST", "/session", {"capabilities": {"alwaysMatch": capabilities}})
        self._path = "/session/" + answer["sessionId"]

    def _command(self, method: str, path: str, body: Any = None) -> Any:
        """Send a command and return its value.

        :raises RuntimeError: the driver refuses it
        """
        connection = HTTPConnection("127.0.0.1", self._port, timeout=60)
        connection.request(method, self._path + path, None if body is None else json.dumps(body))
        response = connection.getresponse()
        value = json.loads(response.read())["value"]
        connection.close()
        if response.status != 200:
            raise RuntimeError(f"{path}: {value['error']}: {value['message']}")
        return value

    def open(self, url: str) -> None:
        """Load a page."""
        self._command("POST", "/url", {"url": url})

    def run(self, script: str, *arguments: Any) -> Any:
        """Run JavaScript in the page and return what it returns."""
        return self._command("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def _find(self, selector: str) -> str:
        return self._command("POST", "/element", {"using": "css selector", "value": selector})[_ELEMENT]

    def text(self, selector: str) -> str:
        """Return the visible text of an element."""
        return self._command("GET", f"/element/{self._find(selector)}/text")

    def type(self, selector: str, text: str) -> None:
        """Type into a field."""
        self._command("POST", f"/element/{self._find(selector)}/value", {"text": text})

    def click(self, selector: str) -> None:
        """Click on an element."""
        self._command("POST", f"/element/{self._find(selector)}/click", {})

    def cookies(self) -> Dict[str, Dict[str, Any]]:
        """Return ``{name: attributes}``."""
        return {cookie["name"]: cookie for cookie in self._command("GET", "/cookie")}

    def log(self) -> list:
        """Return the messages of the console since the last call."""
        return [entry["message"] for entry in self._command("POST", "/se/log", {"type": "browser"})]

    def until(self, condition: Callable[[], Any], timeout_s: float = 30) -> Any:
        """Return what a condition returns as soon as it is true.

        :raises TimeoutError: it stays false
        """
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            value = condition()
            if value:
                return value
            time.sleep(0.05)
        raise TimeoutError(f"still false: {condition}")

    def close(self) -> None:
        """End the session with its browser."""
        self._command("DELETE", "")


@contextlib.contextmanager
def browsers(directory: pathlib.Path, count: int) -> Iterator[list]:
    """Run a driver and so many browsers; all end at the end."""
    port = free_port()
    driver = subprocess.Popen(
        ["chromedriver", f"--port={port}", f"--log-path={directory / 'driver.log'}"], stdout=subprocess.DEVNULL
    )
    opened: list = []
    try:
        wait_listening(port, 30)
        for number in range(count):
            opened.append(Browser(port, directory / f"profile{number}"))
        yield opened
    finally:
        for browser in opened:
            with contextlib.suppress(OSError, RuntimeError):
                browser.close()
        driver.terminate()
        driver.wait(20)
