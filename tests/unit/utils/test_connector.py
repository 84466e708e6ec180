"""Connectors to threads and processes, the task pool, the resolver."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time

import pytest
from support.poller import run_scheduler

from vlcp.event.connection import ResolveRequestEvent, ResolveResponseEvent
from vlcp.event.event import Event, withIndices
from vlcp.utils.connector import Connector, ConnectorControlEvent, MoreResultEvent, Resolver, TaskPool


@withIndices("number")
class Question(Event):
    canignore = False


@withIndices("number")
class Answer(Event):
    pass


def square(queuein, queueout):
    while True:
        item = queuein.get()
        if item is None:
            return
        event, _matcher = item
        queueout.put((MoreResultEvent(),))
        queueout.put((Answer(event.number, result=event.number**2),))


@pytest.mark.parametrize("mp", [False, True])
def test_events_go_to_the_worker_and_answers_come_back(mp):
    async def main(container):
        connector = Connector(square, (Question.createMatcher(),), container.scheduler, mp)
        connector.start()
        for number in range(20):
            await container.wait_for_send(Question(number))
            assert (await Answer.createMatcher(number)).result == number**2
        connector.close()

    run_scheduler(main)


def test_a_worker_process_that_dies_is_logged(caplog):
    def die(queuein, queueout):
        queuein.get()
        os.kill(os.getpid(), signal.SIGKILL)

    async def main(container):
        connector = Connector(die, (Question.createMatcher(),), container.scheduler)
        connector.start()
        await container.wait_for_send(Question(1))
        while "ended by itself: -9" not in caplog.text:
            await container.wait_with_timeout(0.02)
        await container.wait_for_send(Question(2))
        connector.close()

    run_scheduler(main)


def test_no_more_inputs_than_the_limit_are_out_at_a_time():
    waiting, go = [], threading.Semaphore(0)

    def slow(queuein, queueout):
        while True:
            item = queuein.get()
            if item is None:
                return
            waiting.append(item)
            go.acquire()
            queueout.put((Answer(item[0].number),))

    async def main(container):
        connector = Connector(slow, (Question.createMatcher(),), container.scheduler, False, 1)
        connector.start()
        for number in range(3):
            await container.wait_for_send(Question(number))
        await container.wait_with_timeout(0.05)
        assert len(waiting) == 1
        for _ in range(3):
            go.release()
        await container.wait_for_all(Answer.createMatcher(2))
        assert [event.number for event, _matcher in waiting] == [0, 1, 2]

    run_scheduler(main)


def test_a_connector_is_controlled_by_events():
    async def main(container):
        connector = Connector(square, (), container.scheduler, False)
        connector.start()
        matcher = Question.createMatcher()

        async def control(kind, **options):
            await container.wait_for_send(ConnectorControlEvent(connector, kind, **options))

        await container.wait_for_send(Question(3))
        await control(ConnectorControlEvent.STOPRECEIVE)
        await control(ConnectorControlEvent.ADDMATCHERS, matchers=(matcher,))
        expired, _event, _m = await container.wait_with_timeout(0.05, Answer.createMatcher())
        assert expired
        await control(ConnectorControlEvent.STARTRECEIVE)
        assert (await Answer.createMatcher(3)).result == 9

    run_scheduler(main)


def test_tasks_return_and_raise():
    async def main(container):
        pool = TaskPool(container.scheduler, 4)
        pool.start()
        assert await pool.run_task(container, lambda: threading.current_thread() is threading.main_thread()) is False

        def fail():
            raise KeyError("in thread")

        with pytest.raises(KeyError, match="in thread"):
            await pool.runTask(container, fail)
        assert await pool.run_task(container, lambda: 5, newthread=True) == 5

    run_scheduler(main)


def test_tasks_run_beside_each_other_in_a_bounded_number_of_threads():
    async def main(container):
        pool = TaskPool(container.scheduler, 4)
        pool.start()
        names = set()

        def task():
            names.add(threading.current_thread().ident)
            time.sleep(0.05)

        begin = time.monotonic()
        await container.execute_all([pool.run_task(container, task) for _ in range(12)])
        assert len(names) == 4
        assert 0.14 < time.monotonic() - begin < 0.5

    run_scheduler(main)


def test_tasks_send_events_while_they_run():
    async def main(container):
        pool = TaskPool(container.scheduler)
        pool.start()
        seen = []

        async def watch():
            while True:
                seen.append((await Answer.createMatcher()).number)

        container.subroutine(watch(), daemon=True)

        def generate():
            for number in range(3):
                yield (Answer(number),)
            return "done"

        def call(sender):
            sender((Answer(10), Answer(11)))
            return "called"

        assert await pool.run_gen_task(container, generate) == "done"
        assert await pool.runAsyncTask(container, call) == "called"
        # Events of another class may be dispatched after the end of the task.
        await container.do_events()
        assert seen == [0, 1, 2, 10, 11]

    run_scheduler(main)


def test_a_closed_pool_ends_its_threads_and_refuses_tasks():
    async def main(container):
        pool = TaskPool(container.scheduler, 3)
        pool.start()
        await container.execute_all([pool.run_task(container, lambda: time.sleep(0.01)) for _ in range(3)])
        pool.close()
        await container.do_events()
        with pytest.raises(RuntimeError, match="ended"):
            await pool.run_task(container, lambda: 1)

    def workers():
        return [thread for thread in threading.enumerate() if thread.name.startswith("vlcp-")]

    before = set(workers())
    run_scheduler(main)
    end = time.monotonic() + 2
    while set(workers()) - before and time.monotonic() < end:
        time.sleep(0.01)
    assert not set(workers()) - before


def test_names_are_resolved_in_threads_and_failures_reported():
    async def main(container):
        resolver = Resolver(container.scheduler, 4)
        resolver.start()
        good = ("127.0.0.1", 80, 0, socket.SOCK_STREAM, 0, 0)
        await container.wait_for_send(ResolveRequestEvent(good))
        response = await ResolveResponseEvent.createMatcher(good)
        assert response.error is None and response.response[0][4] == ("127.0.0.1", 80)
        bad = ("bad..name", 80, 0, socket.SOCK_STREAM, 0, 0)
        await container.wait_for_send(ResolveRequestEvent(bad))
        response = await ResolveResponseEvent.createMatcher(bad)
        assert isinstance(response.error, (OSError, UnicodeError))

    run_scheduler(main)
