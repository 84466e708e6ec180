"""Clients that come and go all the time: switches and HTTP clients in all the ways that a connection can end."""

from __future__ import annotations

import contextlib
import random
import socket
import struct
import threading

from support.fakeswitch import FakeSwitch, SocketSwitch

REQUEST = b"GET /manager/activemodules HTTP/1.1\r\nHost: localhost\r\n%b\r\n"


def reset_at_close(sock):
    """Let the close of a connection be a reset."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def settled_switch(rng, port, datapath_id, told):
    """A switch that stays until it gets a message of the type ``told``, then goes by a close or a reset."""
    switch = FakeSwitch(datapath_id, [(1, "p1"), (2, "p2")])
    with SocketSwitch.connect(switch, ("127.0.0.1", port)) as running:
        running.wait(lambda one: any(kind == told for kind, _, _ in one.received), 20)
        if rng.random() < 0.5:
            reset_at_close(running.socket)


def hasty_switch(rng, port, datapath_id):
    """A switch that goes somewhere in its first bytes."""
    with socket.create_connection(("127.0.0.1", port), 10) as sock:
        greeting = FakeSwitch(datapath_id).greet()
        sock.sendall(greeting[: rng.randrange(len(greeting) + 1)])
        if rng.random() < 0.5:
            reset_at_close(sock)


def read_answer(sock):
    """Read one answer to :data:`REQUEST` and return its status."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = sock.recv(65536)
        if not part:
            raise OSError("the server closed the connection")
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    while len(body) < length:
        body += sock.recv(65536)
    return int(head[9:12])


def http_client(rng, port, number):
    """Some requests on one connection, which ends in order, half way, or by a reset."""
    with socket.create_connection(("127.0.0.1", port), 20) as sock:
        for _ in range(rng.randrange(3)):
            sock.sendall(REQUEST % b"")
            assert read_answer(sock) == 200
        way = rng.randrange(4)
        if way == 0:
            sock.sendall(REQUEST % b"Connection: close\r\n")
            assert read_answer(sock) == 200
        elif way == 1:
            sock.sendall((REQUEST % b"")[: rng.randrange(60)])
        elif way == 2:
            # Goes without reading the answer.
            sock.sendall(REQUEST % b"")
            reset_at_close(sock)


def come_and_go(count, openflow_port, http_port, told, seed, threads=4):
    """Let so many switches and HTTP clients come and go, half of each, from several threads.

    :param told: type of the OpenFlow message until which some of the switches stay

    :raises Exception: what the first one that failed has raised
    """
    failures = []

    def some(number):
        rng = random.Random(f"{seed}-{number}")
        try:
            for turn in range(number, count, threads):
                if turn % 2:
                    http_client(rng, http_port, turn)
                elif rng.random() < 0.6:
                    settled_switch(rng, openflow_port, 1 + turn % 50, told)
                else:
                    hasty_switch(rng, openflow_port, 1 + turn % 50)
        except Exception as exc:
            failures.append(exc)

    running = [threading.Thread(target=some, args=(number,)) for number in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    if failures:
        raise failures[0]
