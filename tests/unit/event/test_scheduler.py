"""The main loop: order, timers, daemons, quit, errors, syscalls."""

from __future__ import annotations

import datetime
import logging
import os
import signal
import threading

import pytest
from support.pings import Must, Ping
from support.poller import manual_scheduler, run_scheduler

from vlcp.event.core import (
    QuitException,
    Scheduler,
    SystemControlEvent,
    SystemControlLowPriorityEvent,
    TimerEvent,
    syscall_clearqueue,
    syscall_clearremovequeue,
    syscall_direct,
    syscall_generator,
    syscall_removequeue,
)
from vlcp.event.event import M_, Event, with_indices
from vlcp.event.pqueue import CBQueue
from vlcp.event.runnable import RoutineContainer


def collect(container, matcher, into, count=None):
    async def run():
        while count is None or len(into) < count:
            into.append((await matcher).n)

    return container.subroutine(run(), False, daemon=count is None)


def test_init_is_sent_unless_it_is_not_wanted():
    for wanted in (True, False):
        scheduler, seen = manual_scheduler(), []
        container = RoutineContainer(scheduler)

        async def wait(container=container, seen=seen):
            seen.append(await container.wait_with_timeout(1, SystemControlEvent.createMatcher("init")))

        container.subroutine(wait(), False)
        scheduler.main(False, wanted)
        assert seen[0][0] is not wanted


def test_events_arrive_in_order_and_unmatched_ones_are_dropped():
    got = []

    async def run(c):
        collect(c, Ping.createMatcher(_ismatch=lambda e: e.n < 10), got)
        for n in (1, 20, 2, 30, 3):
            await c.wait_for_send(Ping(n))
        await c.do_events()

    run_scheduler(run, scheduler=manual_scheduler())
    assert got == [1, 2, 3]


def test_one_event_wakes_all_who_wait_in_the_order_of_registration_or_the_order_given():
    def started_order(**kwargs):
        got = []

        async def wait(name):
            await Ping.createMatcher(1)
            got.append(name)

        async def run(c):
            for name in "abc":
                c.subroutine(wait(name), False)
            await c.wait_for_send(Ping(1))
            await c.do_events()

        run_scheduler(run, scheduler=manual_scheduler(**kwargs))
        return got

    assert started_order() == ["a", "b", "c"]
    assert started_order(order=lambda found: found[::-1]) == ["c", "b", "a"]


def test_a_routine_ended_by_an_earlier_one_does_not_get_the_event():
    got = []

    async def run(c):
        async def second():
            await Ping.createMatcher(1)
            got.append("second")

        async def first():
            await Ping.createMatcher(1)
            c.terminate(c.victim)

        c.subroutine(first(), False)
        c.subroutine(second(), False, name="victim")
        await c.wait_for_send(Ping(1))
        await c.do_events()

    run_scheduler(run, scheduler=manual_scheduler())
    assert got == []


def test_polls_happen_between_batches_of_processevents():
    scheduler = manual_scheduler(processevents=10)
    polls = []
    poll = scheduler.polling.pollEvents
    scheduler.polling.pollEvents = lambda wait: polls.append(got[-1] if got else 0) or poll(wait)
    got = []

    async def run(c):
        collect(c, Ping.createMatcher(), got)
        for n in range(1, 101):
            await c.wait_for_send(Ping(n))
        while len(got) < 100:
            await c.do_events()

    run_scheduler(run, scheduler=scheduler)
    steps = [b - a for a, b in zip(polls, polls[1:])]
    assert max(steps) <= 10
    assert got == list(range(1, 101))


def test_a_routine_that_raises_is_logged_with_name_and_event_and_the_loop_goes_on(caplog):
    got = []

    async def run(c):
        async def breaks():
            await Ping.createMatcher(7)
            raise KeyError("oh no")

        c.subroutine(breaks(), False)
        collect(c, Ping.createMatcher(), got)
        await c.wait_for_send(Ping(7))
        await c.wait_for_send(Ping(8))
        await c.do_events()
        assert len(c.scheduler.matchtree.matches(Ping(7))) == 1

    run_scheduler(run, scheduler=manual_scheduler())
    assert got == [7, 8]
    record = next(r for r in caplog.records if r.levelno == logging.ERROR)
    assert "breaks" in record.getMessage()
    assert "Ping(n=7)" in record.getMessage()
    assert record.exc_info


def test_a_matcher_whose_test_raises_does_not_end_the_loop():
    got = []

    async def run(c):
        collect(c, Ping.createMatcher(_ismatch=lambda e: 1 / 0), [])
        collect(c, Ping.createMatcher(), got)
        await c.wait_for_send(Ping(1))
        await c.do_events()

    with pytest.warns(Warning, match="division"):
        run_scheduler(run, scheduler=manual_scheduler())
    assert got == [1]


def test_a_routine_that_holds_the_loop_over_a_second_is_named(caplog):
    scheduler = manual_scheduler()

    async def run(c):
        async def slow_one():
            await Ping.createMatcher(1)
            scheduler.clock.advance(1.5)

        async def quick_one():
            await Ping.createMatcher(1)
            scheduler.clock.advance(0.9)

        c.subroutine(slow_one(), False)
        c.subroutine(quick_one(), False)
        await c.wait_for_send(Ping(1))
        await c.do_events()

    run_scheduler(run, scheduler=scheduler)
    messages = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert any("slow_one" in m and "1.5" in m and "Ping(n=1)" in m for m in messages)
    assert not any("quick_one" in m for m in messages)
    assert any("round" in m and "2.4" in m for m in messages)


def test_a_blocking_event_waits_for_its_consumer_and_blocks_those_behind_it():
    got = []

    async def run(c):
        collect(c, Ping.createMatcher(), got)
        await c.wait_for_send(Ping(1))
        await c.wait_for_send(Must(5))
        await c.wait_for_send(Ping(2))
        await c.do_events()
        await c.do_events()
        assert got == [1]
        event = await Must.createMatcher(5)
        event.canignore = True
        await c.do_events()
        assert got == [1, 2]
        assert len(c.scheduler.queue) == 0

    run_scheduler(run, scheduler=manual_scheduler())


def test_a_blocking_event_that_is_matched_but_not_processed_comes_again():
    seen = []

    async def run(c):
        async def careless():
            seen.append(await Must.createMatcher(1))

        c.subroutine(careless(), False)
        await c.wait_for_send(Must(1))
        await c.do_events()
        assert len(c.scheduler.queue) == 1
        event = await Must.createMatcher(1)
        seen.append(event)
        event.canignore = True

    run_scheduler(run, scheduler=manual_scheduler())
    assert len(seen) == 2
    assert seen[0] is seen[1]


def test_a_consumer_that_starts_while_a_blocking_event_is_delivered_gets_it():
    seen = []

    async def run(c):
        async def late():
            event = await Must.createMatcher(1)
            event.canignore = True
            seen.append(event)

        async def first():
            await Must.createMatcher(1)
            c.subroutine(late(), False)

        c.subroutine(first(), False)
        await c.wait_for_send(Must(1))
        await c.do_events()

    run_scheduler(run, scheduler=manual_scheduler())
    assert len(seen) == 1


def test_blocking_events_are_dropped_by_canignorenow_and_by_ignore(caplog):
    @with_indices("n")
    class Conditional(Event):
        canignore = False
        droppable = False

        def canignorenow(self):
            if self.droppable is None:
                raise RuntimeError("broken")
            return self.droppable

    async def run(c):
        queue = c.scheduler.queue
        await c.wait_for_send(Conditional(1, droppable=True))
        await c.wait_for_send(Conditional(2, droppable=None))
        await c.wait_for_send(Conditional(3))
        await c.do_events()
        assert len(queue) == 1
        c.scheduler.ignore(Conditional.createMatcher(4))
        await c.do_events()
        assert len(queue) == 1
        c.scheduler.ignore(Conditional.createMatcher(3))
        await c.do_events()
        assert len(queue) == 0
        assert not c.scheduler.eventtree

    run_scheduler(run, scheduler=manual_scheduler())
    assert "canignorenow() failed" in caplog.text


def test_timers_fire_once_or_repeatedly_and_can_be_cancelled():
    scheduler = manual_scheduler()
    start = scheduler.clock.now

    async def run(c):
        once = scheduler.setTimer(5)
        every = scheduler.setTimer(1, 2)
        cancelled = scheduler.setTimer(0.5)
        scheduler.cancelTimer(cancelled)
        scheduler.cancelTimer(cancelled)
        times = []
        while len(times) < 4:
            _, matcher = await M_(
                TimerEvent.createMatcher(once), TimerEvent.createMatcher(every), TimerEvent.createMatcher(cancelled)
            )
            times.append((matcher.indices[1] is once, scheduler.clock.now - start))
        assert times == [(False, 1), (False, 3), (True, 5), (False, 5)]
        scheduler.cancelTimer(every)
        assert await c.wait_with_timeout(100, TimerEvent.createMatcher(every)) == (True, None, None)
        with pytest.raises(ValueError):
            scheduler.setTimer(float("nan"))
        with pytest.raises(ValueError):
            scheduler.setTimer(1, 0)

    run_scheduler(run, timeout=None, scheduler=scheduler)


def test_a_timer_can_be_set_for_a_wall_clock_time():
    scheduler = manual_scheduler()

    async def run(c):
        start = scheduler.clock.now
        when = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=30)
        await TimerEvent.createMatcher(scheduler.setTimer(when))
        assert 29 < scheduler.clock.now - start <= 30

    run_scheduler(run, timeout=None, scheduler=scheduler)


def test_many_cancelled_timers_are_swept_out():
    scheduler = manual_scheduler()
    for _ in range(1000):
        scheduler.cancelTimer(scheduler.setTimer(1000))
    keep = scheduler.setTimer(7)
    assert len(scheduler._timers._heap) < 200
    assert len(scheduler._timers) == 1
    assert scheduler._timers.take_due(scheduler.clock.now + 7) == [keep]


def test_the_loop_ends_when_only_daemons_are_left_and_they_get_quit_exception():
    scheduler, seen = manual_scheduler(), []
    container = RoutineContainer(scheduler)

    async def forever():
        try:
            await Ping.createMatcher()
        except QuitException:
            seen.append("quit")
            raise

    async def short():
        await container.wait_with_timeout(3)
        seen.append("done")

    container.subroutine(forever(), daemon=True)
    container.subroutine(short())
    scheduler.main(False)
    assert seen == ["done", "quit"]
    assert not scheduler.matchtree.matches(Ping(1))


def test_quit_throws_into_all_routines_and_lets_them_clean_up():
    scheduler, seen = manual_scheduler(), []
    container = RoutineContainer(scheduler)

    async def cleans_up():
        try:
            await Ping.createMatcher()
        finally:
            await container.wait_with_timeout(2)
            seen.append("clean")

    async def stubborn():
        while True:
            try:
                await Ping.createMatcher()
            except QuitException:
                seen.append("ignored")

    async def stop():
        await container.wait_with_timeout(1)
        scheduler.quit()

    for coroutine in (cleans_up(), stubborn(), stop()):
        container.subroutine(coroutine)
    start = scheduler.clock.now
    scheduler.main(False)
    assert seen == ["ignored", "clean"]
    assert scheduler.clock.now - start == pytest.approx(11)


def test_quit_of_daemons_only_leaves_the_others():
    scheduler, seen = manual_scheduler(), []
    container = RoutineContainer(scheduler)

    async def forever():
        try:
            await Ping.createMatcher()
        finally:
            seen.append("daemon")

    async def main():
        scheduler.quit(True)
        await container.wait_with_timeout(3)
        seen.append("main")

    container.subroutine(forever(), daemon=True)
    container.subroutine(main())
    scheduler.main(False)
    assert seen == ["daemon", "main"]


def test_a_routine_that_raises_quit_exception_stops_the_scheduler():
    scheduler, seen = manual_scheduler(), []
    container = RoutineContainer(scheduler)

    async def forever():
        try:
            await Ping.createMatcher()
        finally:
            seen.append("quit")

    async def stops():
        await container.do_events()
        raise QuitException()

    container.subroutine(forever())
    container.subroutine(stops())
    scheduler.main(False)
    assert seen == ["quit"]


def test_quit_reaches_routines_while_the_queue_is_blocked():
    scheduler = manual_scheduler()
    container = RoutineContainer(scheduler)

    async def main():
        await container.wait_for_send(Must(1))
        await container.do_events()
        scheduler.quit()
        await Ping.createMatcher()

    container.subroutine(main())
    scheduler.main(False)


def test_the_scheduler_can_run_again_but_not_twice_at_the_same_time():
    scheduler, seen = manual_scheduler(), []
    container = RoutineContainer(scheduler)

    async def main():
        with pytest.raises(RuntimeError):
            scheduler.main(False)
        seen.append(1)

    for _ in range(2):
        container.subroutine(main())
        scheduler.main(False)
    assert seen == [1, 1]


def test_keyboard_interrupt_in_a_routine_ends_the_loop_and_closes_the_others():
    scheduler, seen = manual_scheduler(), []
    container = RoutineContainer(scheduler)

    async def other():
        try:
            await Ping.createMatcher()
        finally:
            seen.append("closed")

    async def interrupted():
        await container.do_events()
        raise KeyboardInterrupt

    container.subroutine(other())
    container.subroutine(interrupted())
    with pytest.raises(KeyboardInterrupt):
        scheduler.main(False)
    assert seen == ["closed"]


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("select", [False, True])
def test_a_signal_stops_the_scheduler_at_once(signum, select):
    from vlcp.event.polling import EPollPolling, SelectPolling

    scheduler, seen = Scheduler(SelectPolling() if select else EPollPolling()), []
    container = RoutineContainer(scheduler)
    before = signal.getsignal(signum)

    async def main():
        try:
            await Ping.createMatcher()
        except QuitException:
            seen.append("quit")
            raise

    container.subroutine(main())
    timer = threading.Timer(0.1, os.kill, (os.getpid(), signum))
    timer.start()
    scheduler.main()
    timer.join()
    scheduler.polling.close()
    assert seen == ["quit"]
    assert signal.getsignal(signum) == before


def test_a_second_signal_closes_routines_that_do_not_quit():
    scheduler = Scheduler()
    container = RoutineContainer(scheduler)

    async def stubborn():
        while True:
            try:
                await Ping.createMatcher()
            except QuitException:
                os.kill(os.getpid(), signal.SIGTERM)

    async def first():
        await container.do_events()
        os.kill(os.getpid(), signal.SIGTERM)

    container.subroutine(stubborn())
    container.subroutine(first())
    scheduler.main()
    scheduler.polling.close()


def test_low_priority_events_come_only_when_wanted():
    async def run(c):
        await SystemControlLowPriorityEvent.createMatcher(SystemControlLowPriorityEvent.LOOP)
        await c.wait_for_send(Ping(1))
        await SystemControlLowPriorityEvent.createMatcher(SystemControlLowPriorityEvent.FREE)
        assert not c.scheduler.queue.canPop()
        return True

    assert run_scheduler(run, scheduler=manual_scheduler())


def test_syscalls_run_outside_of_routines_and_return_or_raise():
    async def run(c):
        assert await c.syscall(lambda scheduler, processor: scheduler) is c.scheduler
        with pytest.raises(ZeroDivisionError):
            await c.syscall(lambda scheduler, processor: 1 / 0)
        assert await c.syscall(lambda scheduler, processor: 1 / 0, ignoreException=True) is None
        event = await c.syscall_noreturn(lambda scheduler, processor: 5)
        assert event.retval == 5
        results = await c.execute_all([c.syscall(lambda s, p, n=n: n) for n in range(50)])
        assert results == list(range(50))

    run_scheduler(run, scheduler=manual_scheduler())


def test_a_long_row_of_syscalls_does_not_recurse():
    async def run(c):
        total = 0
        for n in range(5000):
            total += await c.syscall(lambda scheduler, processor, n=n: n)
        return total

    assert run_scheduler(run, scheduler=manual_scheduler()) == sum(range(5000))


def test_direct_syscalls_deliver_without_the_queue():
    got = []

    async def run(c):
        collect(c, Ping.createMatcher(), got)
        await c.wait_for_send(Ping(3))
        await c.syscall(syscall_direct(Ping(1), Ping(2)))
        assert got == [1, 2]
        await c.syscall(syscall_generator(lambda: (Ping(n) for n in (10, 11))))
        await c.do_events()

    run_scheduler(run, scheduler=manual_scheduler())
    assert got == [1, 2, 10, 11, 3]


def test_clearing_and_removing_a_blocked_sub_queue_lets_its_senders_go_on():
    async def run(c):
        queue = c.scheduler.queue
        queue.addSubQueue(10, Must.createMatcher(), "must", 2)
        sent = []

        async def sender():
            for n in range(6):
                await c.wait_for_send(Must(n))
                sent.append(n)

        c.subroutine(sender(), False)
        await c.do_events()
        assert sent == [0, 1]
        await c.syscall(syscall_clearqueue(queue["must"]))
        await c.do_events()
        assert sent == [0, 1, 2, 3]
        assert len(queue["must"]) == 2
        await c.syscall(syscall_clearremovequeue(queue, "must"))
        assert "must" not in queue
        await c.do_events()
        assert sent == [0, 1, 2, 3, 4, 5]
        event = await Must.createMatcher()
        assert event.n == 4

    run_scheduler(run, scheduler=manual_scheduler())


def test_removing_a_sub_queue_keeps_its_events():
    async def run(c):
        queue = c.scheduler.queue
        queue.addSubQueue(10, Must.createMatcher(), "must")
        for n in range(3):
            await c.wait_for_send(Must(n))
        await c.do_events()
        await c.syscall(syscall_removequeue(queue, "must"))
        got = []
        for _ in range(3):
            event = await Must.createMatcher()
            event.canignore = True
            got.append(event.n)
        assert got == [0, 1, 2]

    run_scheduler(run, scheduler=manual_scheduler())


def test_a_full_queue_stops_the_sender_until_there_is_room():
    scheduler = manual_scheduler(queuedefault=3)

    async def run(c):
        sizes, got = [], []
        collect(c, Ping.createMatcher(), got)
        for n in range(20):
            await c.wait_for_send(Ping(n))
            sizes.append(len(scheduler.queue))
        await c.do_events()
        assert got == list(range(20))
        assert max(sizes) == 3

    run_scheduler(run, scheduler=scheduler)


def test_senders_to_a_full_queue_take_turns():
    scheduler = manual_scheduler(queuedefault=1)
    got = []

    async def run(c):
        async def sender(name):
            for _ in range(5):
                await c.wait_for_send(Ping(name))

        collect(c, Ping.createMatcher(), got)
        await c.execute_all([sender(n) for n in range(4)])
        await c.do_events()

    run_scheduler(run, scheduler=scheduler)
    assert len(got) == 20
    for start in range(4, 16, 4):
        assert sorted(got[start : start + 4]) == [0, 1, 2, 3]


def test_send_and_emergesend():
    scheduler = manual_scheduler(queuedefault=1)
    assert scheduler.send(Ping(1)) is None
    assert scheduler.send(Ping(2)) is not None
    scheduler.emergesend(Ping(3))
    assert len(scheduler.queue) == 2


def test_total_limit_of_the_queue_counts_sub_queues():
    queue = CBQueue(maxtotal=2)
    sub = queue.addSubQueue(1, Must.createMatcher())
    assert queue.append(Must(1)) is None
    assert queue.append(Ping(1)) is None
    assert queue.append(Must(2)) is not None
    assert not queue.canAppend()
    assert len(sub) == 1
    assert queue.pop()[0].n == 1
    assert queue.append(Must(2)) is None


def test_processevents_must_be_positive():
    with pytest.raises(ValueError):
        manual_scheduler(processevents=-1)
