"""The example of a protocol of one's own: its server with its client, and with clients that do not keep to the protocol."""

from __future__ import annotations

import os
import pathlib
import socket
import subprocess
import sys
import time

import pytest
from support.server import ROOT, free_port

PROGRAM = str(pathlib.Path(ROOT) / "example" / "tally" / "tally.py")
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


@pytest.fixture
def port(tmp_path):
    number = free_port()
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen([sys.executable, PROGRAM, "server", str(number)], env=ENVIRONMENT, stderr=log)
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("localhost", number), 1).close()
            break
        except OSError:
            assert time.monotonic() < deadline and server.poll() is None
            time.sleep(0.05)
    yield number
    server.terminate()
    assert server.wait(10) == 0
    assert "Traceback" not in (tmp_path / "log").read_text()


def client(port, *words):
    command = [sys.executable, PROGRAM, "client", str(port), *words]
    return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=20, check=True).stdout


def exchange(port, data):
    """Send bytes, close the sending side, and return what comes back."""
    with socket.create_connection(("localhost", port), 10) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while part := connection.recv(65536):
            received += part
        return received


def test_clients_share_the_sums(port):
    assert client(port, "apples", "3", "pears", "1") == "apples 3\npears 1\n"
    assert client(port, "apples", "-5") == "apples -2\n"
    assert client(port, "apples", "many") == "error expected a name and a number, got 'apples many'\n"


def test_lines_come_in_any_pieces_and_long_ones_end_the_connection(port):
    assert exchange(port, b"a 1\na 1\na") == b"a 1\na 2\n"
    assert exchange(port, b"x" * 1000) == b""
    assert exchange(port, "größe 2\n".encode()) == "größe 2\n".encode()
