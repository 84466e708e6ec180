"""Pollers on real socket pairs."""

from __future__ import annotations

import socket

import pytest

from vlcp.event.core import POLLING_IN, POLLING_OUT, PollEvent, Scheduler
from vlcp.event.polling import DefaultPolling, EPollPolling, MockPolling, SelectPolling
from vlcp.event.runnable import RoutineContainer


@pytest.fixture
def pair():
    a, b = socket.socketpair()
    a.setblocking(False)
    b.setblocking(False)
    yield a, b
    a.close()
    b.close()


@pytest.fixture(params=[EPollPolling, SelectPolling])
def polling(request):
    poller = request.param()
    yield poller
    poller.close()


def seen(polling, wait=0):
    return {(e.fileno, e.category) for e in polling.pollEvents(wait)}


def test_readiness_is_reported_for_what_is_registered(polling, pair):
    a, b = pair
    polling.register(a, POLLING_IN | POLLING_OUT)
    assert seen(polling) == {(a.fileno(), PollEvent.WRITE_READY)}
    b.send(b"x")
    assert (a.fileno(), PollEvent.READ_READY) in seen(polling)
    polling.modify(a, POLLING_IN)
    a.recv(10)
    assert seen(polling) == set()
    polling.register(a.fileno(), POLLING_IN, True)
    polling.setdaemon(a, False)
    polling.unregister(a)
    b.send(b"x")
    assert seen(polling) == set()
    polling.unregister(a)


def test_a_hang_up_wakes_the_reader(polling, pair):
    a, b = pair
    polling.register(a, POLLING_IN)
    b.close()
    assert (a.fileno(), PollEvent.READ_READY) in seen(polling)


def test_epoll_reports_a_readiness_once(pair):
    a, b = pair
    polling = EPollPolling()
    polling.register(a, POLLING_IN)
    b.send(b"x")
    assert len(seen(polling)) == 1
    assert seen(polling) == set()
    b.send(b"y")
    assert len(seen(polling)) == 1
    polling.close()


def test_select_looks_only_where_somebody_waits(pair):
    a, b = pair
    polling = SelectPolling()
    polling.use_interest(lambda fileno, category: category == PollEvent.READ_READY)
    polling.register(a)
    assert seen(polling) == set()
    b.send(b"x")
    assert seen(polling) == {(a.fileno(), PollEvent.READ_READY)}
    polling.use_interest(lambda fileno, category: False)
    assert seen(polling) == set()


def test_select_drops_a_closed_file_descriptor_and_refuses_large_ones(caplog):
    a, b = socket.socketpair()
    polling = SelectPolling()
    polling.register(a)
    fileno = a.fileno()
    a.close()
    b.close()
    assert seen(polling) == {(fileno, PollEvent.ERROR)}
    assert str(fileno) in caplog.text
    assert seen(polling) == set()
    with pytest.raises(ValueError):
        polling.register(5000)
    with pytest.raises(KeyError):
        polling.modify(fileno, POLLING_IN)


def test_closing_before_unregistering_is_no_error():
    a, b = socket.socketpair()
    polling = EPollPolling()
    polling.register(a)
    number = a.fileno()
    a.close()
    b.close()
    polling.unregister(number)
    with pytest.raises(OSError):
        polling.modify(number, POLLING_IN)
    polling.close()


def test_mock_polling_does_nothing():
    polling = MockPolling()
    for call in (polling.register, polling.unregister):
        call(1)
    polling.modify(1, 1)
    polling.setdaemon(1, True)
    assert polling.pollEvents(None) == []
    assert Scheduler.MockPolling is MockPolling
    assert DefaultPolling is EPollPolling


@pytest.mark.parametrize("make", [EPollPolling, SelectPolling])
def test_routines_exchange_bytes_over_sockets(make, pair):
    a, b = pair
    scheduler = Scheduler(make())
    container = RoutineContainer(scheduler)
    got = []

    async def reader():
        matcher = PollEvent.createMatcher(a.fileno(), PollEvent.READ_READY)
        scheduler.registerPolling(a, POLLING_IN)
        while len(got) < 3:
            try:
                got.append(a.recv(1))
            except BlockingIOError:
                await matcher
        scheduler.unregisterPolling(a)

    async def writer():
        for byte in (b"1", b"2", b"3"):
            b.send(byte)
            await container.wait_with_timeout(0.01)

    container.subroutine(reader())
    container.subroutine(writer())
    scheduler.main(False)
    scheduler.polling.close()
    assert got == [b"1", b"2", b"3"]
