"""Futures, locks, semaphores and rate limiters."""

from __future__ import annotations

import pytest
from support.poller import manual_scheduler, run_scheduler

from vlcp.event.core import TimerEvent
from vlcp.event.future import Future, FutureCancelledException, FutureEvent, QuietFuture, RoutineFuture
from vlcp.event.lock import Lock, LockedEvent, Semaphore
from vlcp.event.ratelimiter import RateLimiter


def run(function, **kwargs):
    return run_scheduler(function, timeout=None, scheduler=manual_scheduler(**kwargs))


def test_a_quiet_future_tells_those_who_await_it_and_nobody_else():
    events = []

    async def main(container):
        async def listen():
            heard = FutureEvent.createMatcher()
            while True:
                events.append((await heard).futureobj)

        async def wait(future):
            return await future

        container.subroutine(listen(), daemon=True)
        alone, awaited = QuietFuture(container.scheduler), QuietFuture(container.scheduler)
        waiting = RoutineFuture(wait(awaited), container)
        await container.do_events()
        alone.set_result(1)
        awaited.set_result(2)
        assert (await alone, await waiting) == (1, 2)
        await container.do_events()
        assert awaited in events and alone not in events

    run_scheduler(main)


def test_a_result_reaches_those_who_wait_before_and_after():
    async def main(c):
        future, got = Future(c.scheduler), []

        async def wait():
            got.append(await future)

        c.subroutine(wait(), False)
        c.subroutine(wait(), False)
        assert future.result() is None
        assert not future.done()
        future.set_result(5)
        assert future.done()
        c.subroutine(wait(), False)
        assert got == [5]
        await c.do_events()
        assert got == [5, 5, 5]
        assert await future.wait(c) == 5
        with pytest.raises(ValueError):
            future.set_result(6)

    run(main)


def test_the_event_of_a_future_can_be_awaited_with_others():
    async def main(c):
        future = Future(c.scheduler)
        matcher = FutureEvent.createMatcher(future)
        future.set_result(1)
        timeout, event, _ = await c.wait_with_timeout(1, matcher)
        assert not timeout
        assert event.futureobj is future

    run(main)


def test_an_exception_is_raised_in_all_who_wait():
    async def main(c):
        future = Future(c.scheduler)
        future.set_exception(KeyError("x"))
        for _ in range(2):
            with pytest.raises(KeyError):
                await future
        with pytest.raises(KeyError):
            future.result()

    run(main)


def test_ensure_result_sets_a_result_whatever_happens():
    async def main(c):
        future = Future(c.scheduler)
        with future.ensure_result(defaultresult=3):
            pass
        assert await future == 3
        future = Future(c.scheduler)
        with future.ensure_result() as f:
            f.set_result("mine")
        assert await future == "mine"
        future = Future(c.scheduler)
        with future.ensure_result(True):
            raise KeyError("kept")
        with pytest.raises(KeyError):
            await future
        future = Future(c.scheduler)
        with pytest.raises(ValueError), future.ensure_result():
            raise ValueError
        with pytest.raises(ValueError):
            await future

        future = Future(c.scheduler)

        async def sender():
            with future.ensure_result():
                await c.wait_with_timeout(100)

        c.subroutine(sender(), False).close()
        with pytest.raises(FutureCancelledException):
            await future

    run(main)


def test_a_routine_future_keeps_result_and_exception():
    async def main(c):
        async def sub(n):
            await c.wait_with_timeout(1)
            return 1 / n

        good, bad = RoutineFuture(sub(1), c), RoutineFuture(sub(0), c)
        await c.wait_with_timeout(5)
        assert good.done()
        assert await good == 1
        with pytest.raises(ZeroDivisionError):
            await bad
        good.close()
        assert await good.wait_and_close() == 1

    run(main)


def test_closing_a_routine_future_terminates_its_routine():
    async def main(c):
        seen = []

        async def sub():
            try:
                await c.wait_with_timeout(100)
            finally:
                seen.append("ended")

        future = RoutineFuture(sub(), c)
        await c.do_events()
        future.close()
        assert seen == ["ended"]
        with pytest.raises(FutureCancelledException):
            await future
        unstarted = RoutineFuture(sub(), c)
        unstarted.cancel()
        with pytest.raises(FutureCancelledException):
            await unstarted

        future = RoutineFuture(sub(), c)
        assert await c.execute_with_timeout(1, future.wait()) == (True, None)
        assert not future.done()
        assert await c.execute_with_timeout(1, future.wait_and_close()) == (True, None)
        assert future.done()

    run(main)


def test_locks_with_the_same_key_and_context_exclude_each_other_in_order():
    async def main(c):
        log, inside = [], []

        async def worker(n, context="default"):
            lock = Lock("key", c.scheduler, context)
            async with lock:
                inside.append(n)
                assert len([i for i in inside if i < 10]) <= 1
                await c.wait_with_timeout(1)
                inside.remove(n)
                log.append(n)

        await c.execute_all([*[worker(n) for n in range(5)], worker(10, "other")])
        assert [n for n in log if n < 10] == [0, 1, 2, 3, 4]
        assert log.index(10) < 2
        assert not c.scheduler.lock_table.places

    run(main)


def test_trylock_and_unlock():
    async def main(c):
        a, b = Lock(1, c.scheduler), Lock(1, c.scheduler)
        assert a.trylock()
        assert a.trylock()
        assert not b.trylock()
        with pytest.raises(ValueError), b:
            pass
        with a:
            assert not b.trylock()
        assert b.trylock()
        b.unlock()
        b.unlock()
        await a.lock(c)
        with a:
            pass

    run(main)


def test_a_terminated_waiter_leaves_the_lock_to_the_next():
    async def main(c):
        holder = Lock(1, c.scheduler)
        await holder.lock()
        got = []

        async def wait(n):
            async with Lock(1, c.scheduler):
                got.append(n)

        routines = [c.subroutine(wait(n), False) for n in range(3)]
        routines[0].close()
        holder.unlock()
        routines[1].close()
        await c.do_events()
        assert got == [2]
        assert not c.scheduler.lock_table.places

    run(main)


def test_beginlock_acquires_in_the_background():
    async def main(c):
        holder, other, third = (Lock(1, c.scheduler) for _ in range(3))
        await holder.lock()
        other.beginlock(c)
        third.beginlock(c)
        assert not other.trylock()
        third.unlock()
        holder.unlock()
        timeout, event, _ = await c.wait_with_timeout(1, LockedEvent.createMatcher(other))
        assert not timeout
        assert other.trylock()
        other.unlock()
        assert holder.trylock()

    run(main)


def test_a_semaphore_lets_several_in():
    async def main(c):
        semaphore = Semaphore("s", 2, c.scheduler)
        semaphore.create()
        a, b, d = (Lock("s", c.scheduler) for _ in range(3))
        assert a.trylock()
        assert b.trylock()
        assert not d.trylock()
        await semaphore.destroy()
        b.unlock()
        assert not d.trylock()
        a.unlock()
        assert d.trylock()
        with pytest.raises(ValueError):
            Semaphore("s", 0, c.scheduler)

    run(main)


def test_a_rate_limiter_spreads_work_over_turns():
    scheduler = manual_scheduler()
    polls = []
    poll = scheduler.polling.pollEvents
    scheduler.polling.pollEvents = lambda wait: polls.append(1) or poll(wait)

    async def main(c):
        limiter, done = RateLimiter(10, c), []

        async def worker(n):
            for _ in range(5):
                await limiter.limit()
                done.append((len(polls), n))

        await c.execute_all([worker(n) for n in range(10)])
        turns = [turn for turn, _ in done]
        assert max(turns.count(t) for t in set(turns)) <= 10
        assert len(set(turns)) >= 5
        before = len(polls)
        await limiter.limit(35)
        await limiter.limit()
        assert len(polls) - before >= 3
        with pytest.raises(ValueError):
            await limiter.limit(-1)

    run_scheduler(main, scheduler=scheduler)
    with pytest.raises(ValueError):
        RateLimiter(0, None)


def test_a_terminated_waiter_of_a_rate_limiter_leaves_its_place():
    async def main(c):
        limiter, got = RateLimiter(1, c), []

        async def worker(n):
            await limiter.limit()
            got.append(n)

        routines = [c.subroutine(worker(n), False) for n in range(3)]
        routines[1].close()
        await TimerEvent.createMatcher(c.scheduler.setTimer(1))
        assert got == [0, 2]

    run(main)
