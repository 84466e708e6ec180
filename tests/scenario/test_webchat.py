"""The web chat example in two real browsers, and as a client of its own makes it."""

from __future__ import annotations

import contextlib
import http.client
import json
import pathlib
import subprocess
import sys
from urllib.parse import urlencode

import pytest
from support.webdriver import browsers
from support.webserver import free_port, wait_listening

EXAMPLE = pathlib.Path(__file__).resolve().parents[2] / "example" / "webchat" / "webchat.py"


@contextlib.contextmanager
def chat(directory):
    """Run the example; yield its port."""
    port = free_port()
    (directory / "chat.conf").write_text(f"module.httpserver.url = 'tcp://127.0.0.1:{port}/'\nmodule.webchat.kept = 3\n")
    with open(directory / "chat.log", "wb") as log:
        process = subprocess.Popen([sys.executable, str(EXAMPLE), str(directory / "chat.conf")], stdout=log, stderr=log)
        try:
            wait_listening(port, 30)
            yield port
        finally:
            process.terminate()
            assert process.wait(30) == 0


def lines(browser):
    """Return the lines that a browser shows."""
    return browser.run("return [...document.querySelectorAll('#lines li')].map(item => item.innerText)")


def enter(browser, port, name):
    """Open the chat in a browser and tell it a name."""
    browser.open(f"http://127.0.0.1:{port}/")
    browser.until(lambda: browser.run("return token !== ''"))
    browser.type("#enter input", name)
    browser.click("#enter button")
    browser.until(lambda: browser.text("#me") or browser.text("#error"))


@pytest.mark.browser
@pytest.mark.timeout(240)
def test_two_browsers_talk_to_each_other(tmp_path):
    with chat(tmp_path) as port, browsers(tmp_path, 2) as (anna, bert):
        enter(anna, port, "Anna")
        assert anna.text("#me") == "Anna"
        enter(bert, port, "Anna")
        assert bert.text("#error") == "Refused: 409"
        bert.type("#enter input", " & Bert <b>")
        bert.click("#enter button")
        bert.until(lambda: bert.text("#me") == "Anna & Bert <b>")
        text = "<img src=x onerror=alert(1)> grüße"
        anna.type("#say input", text)
        anna.click("#say button")
        bert.until(lambda: len(lines(bert)) == 1)
        bert.type("#say input", "hello")
        bert.click("#say button")
        expected = ["Anna" + text, "Anna & Bert <b>hello"]
        for browser in (anna, bert):
            browser.until(lambda: lines(browser) == expected)
        cookie = anna.cookies()["_session_id"]
        assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Lax", "/")
        assert anna.run("return document.cookie") == ""
        anna.open(f"http://127.0.0.1:{port}/")
        anna.until(lambda: anna.text("#me") == "Anna" and lines(anna) == expected)
        anna.click("#leave")
        anna.until(lambda: anna.run("return document.getElementById('say').hidden"))
        assert anna.cookies()["_session_id"]["value"] != cookie["value"]
        assert not [
            message for browser in (anna, bert) for message in browser.log() if "409" not in message and "favicon" not in message
        ]


class Talker:
    """A client of the chat without a browser."""

    def __init__(self, port):
        self.port = port
        self.cookie = ""
        self.token = json.loads(self.ask("GET", "/chat/me")[1])["token"]

    def ask(self, method, path, **fields):
        """Return (status, body)."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        headers = {"Cookie": self.cookie, "Content-Type": "application/x-www-form-urlencoded"}
        connection.request(method, path, urlencode(fields) if fields else None, headers)
        response = connection.getresponse()
        self.cookie = (response.headers.get("Set-Cookie") or self.cookie).partition(";")[0]
        status, body = response.status, response.read().decode()
        connection.close()
        return status, body


def listen(port, last=0):
    """Return the response with the events behind number ``last``."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", "/chat/events", headers={"Last-Event-ID": str(last)})
    return connection.getresponse()


def next_line(response):
    """Return the next line that is said."""
    while True:
        line = response.readline()
        if line.startswith(b"data: "):
            return json.loads(line[6:])


def test_the_chat_refuses_what_it_should_and_remembers_its_last_lines(tmp_path):
    with chat(tmp_path) as port:
        talker = Talker(port)
        assert talker.ask("POST", "/chat/say", text="x", _csrf=talker.token)[0] == 403
        assert talker.ask("POST", "/chat/enter", name="T")[0] == 403
        assert talker.ask("POST", "/chat/enter", name="x" * 31, _csrf=talker.token)[0] == 400
        assert talker.ask("POST", "/chat/enter", name="T", _csrf=talker.token)[0] == 200
        assert talker.ask("POST", "/chat/say", text="x" * 2001, _csrf=talker.token)[0] == 400
        for number in range(5):
            assert talker.ask("POST", "/chat/say", text=str(number), _csrf=talker.token)[0] == 204
        everything, rest = listen(port), listen(port, 4)
        assert everything.headers["Content-Type"] == "text/event-stream"
        assert [next_line(everything)["text"] for _ in range(3)] == ["2", "3", "4"]
        assert next_line(rest) == {"number": 5, "name": "T", "text": "4"}
        talker.ask("POST", "/chat/say", text="live", _csrf=talker.token)
        assert next_line(everything)["text"] == next_line(rest)["text"] == "live"
        page = talker.ask("GET", "/")
        assert page[0] == 200 and "chat.js" in page[1]
        assert talker.ask("GET", "/page/../webchat.py")[0] == 404
