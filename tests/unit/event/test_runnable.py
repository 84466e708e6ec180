"""Routines and the helpers of their containers."""

from __future__ import annotations

import asyncio

import pytest
from support.pings import Must, Ping
from support.poller import manual_scheduler, run_scheduler

from vlcp.event.core import QuitException, SystemControlEvent
from vlcp.event.event import M_, Diff_
from vlcp.event.future import FutureCancelledException
from vlcp.event.runnable import (
    EventHandler,
    GeneratorExit_,
    IllegalMatchersException,
    MultipleException,
    Routine,
    RoutineContainer,
    RoutineException,
    generatorwrapper,
)


def run(function, **kwargs):
    return run_scheduler(function, timeout=None, scheduler=manual_scheduler(**kwargs))


def later(c, seconds, event):
    async def send():
        await c.wait_with_timeout(seconds)
        await c.wait_for_send(event)

    return c.subroutine(send())


def test_awaiting_several_matchers_gives_the_event_and_the_matcher():
    async def main(c):
        m1, m2 = Ping.createMatcher(1), Ping.createMatcher(2)
        later(c, 1, Ping(2))
        event, matcher = await M_(m1, m2)
        assert event.n == 2
        assert matcher is m2
        later(c, 1, Ping(1))
        event, matcher = await Diff_((m1, m2))
        assert matcher is m1

    run(main)


def test_the_same_event_is_not_delivered_twice_to_one_routine():
    async def main(c):
        m1, m2 = Ping.createMatcher(), Ping.createMatcher(1)
        await c.wait_for_send(Ping(1))
        await c.wait_for_send(Ping(2))
        first, _ = await M_(m1, m2)
        second, _ = await M_(m1, m2)
        assert (first.n, second.n) == (1, 2)

    run(main)


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (lambda: asyncio.new_event_loop().create_future(), "asyncio"),
        (lambda: M_(Ping.createMatcher(), 3), "3 is not an event matcher"),
        (lambda: M_([Ping.createMatcher()]), "not as a list"),
    ],
)
def test_awaiting_something_else_is_explained_where_it_happens(wrong, text):
    async def main(c):
        with pytest.raises(IllegalMatchersException, match=text):
            await wrong()
        later(c, 1, Ping(1))
        return (await Ping.createMatcher(1)).n

    assert run(main) == 1


def test_an_uncalled_async_function_is_refused():
    async def main(c):
        with pytest.raises(TypeError, match="call the async function"):
            c.subroutine(main)

    run(main)


def test_start_runs_main_and_raises_what_it_raises():
    class Good(RoutineContainer):
        async def main(self):
            assert self.mainroutine is self.currentroutine
            self.begun = True
            await Ping.createMatcher(1)

    class Bad(RoutineContainer):
        async def main(self):
            raise KeyError("bad")

    async def main(c):
        good = Good(daemon=True)
        good.bind(c.scheduler)
        routine = good.start()
        assert good.begun
        assert "Good" in repr(routine)
        with pytest.raises(KeyError):
            Bad(c.scheduler).start()
        late = Good(c.scheduler, True)
        late.start(True)
        assert not hasattr(late, "begun")
        await c.do_events()
        assert late.begun
        late.close()
        good.terminate()
        assert not c.scheduler.is_registered(routine)
        with pytest.raises(NotImplementedError):
            c.start()

    run(main)


def test_a_subroutine_starts_when_its_creator_is_suspended():
    async def main(c):
        order = []

        async def sub():
            order.append("sub")

        c.subroutine(sub())
        order.append("main")
        await c.do_events()
        c.subroutine(sub(), False, name="named")
        order.append("after")
        assert c.named is not None
        return order

    assert run(main) == ["main", "sub", "sub", "after"]


def test_currentroutine_is_right_after_a_nested_start():
    async def main(c):
        mine = c.currentroutine

        async def sub():
            assert c.currentroutine is not mine
            await Ping.createMatcher()

        routine = c.subroutine(sub(), False)
        assert c.currentroutine is mine
        routine.close()
        assert c.currentroutine is mine

    run(main)


def test_a_terminated_routine_may_await_in_its_clean_up():
    async def main(c):
        seen = []

        async def sub():
            try:
                await Ping.createMatcher()
            except GeneratorExit_:
                seen.append("exit")
                raise
            finally:
                await c.wait_with_timeout(1)
                seen.append("clean")

        routine = c.subroutine(sub(), False)
        routine.close()
        assert seen == ["exit"]
        assert c.scheduler.is_registered(routine)
        await c.wait_with_timeout(2)
        assert seen == ["exit", "clean"]
        assert not c.scheduler.is_registered(routine)
        routine.close()

    run(main)


def test_a_routine_terminated_while_it_yields_is_not_woken_in_its_clean_up():
    class Yield:
        def __await__(self):
            yield None

    async def main(c):
        seen = []

        async def sub():
            try:
                await Yield()
                seen.append("yielded")
                await Yield()
            finally:
                seen.append(await c.wait_with_timeout(1))

        routine = c.subroutine(sub(), False)
        await c.do_events()
        await c.do_events()
        routine.close()
        await c.wait_with_timeout(3)
        return seen

    assert run(main) == ["yielded", (True, None, None)]


def test_a_routine_can_terminate_itself():
    async def main(c):
        seen = []

        async def sub():
            c.terminate(c.currentroutine)
            seen.append("still here")
            await c.do_events()
            seen.append("never")

        c.subroutine(sub(), False)
        await c.wait_with_timeout(1)
        return seen

    assert run(main) == ["still here"]


def test_manual_start():
    async def main(c):
        async def sub():
            await Ping.createMatcher()

        routine = Routine(sub(), c.scheduler, manualStart=True, daemon=True)
        assert not routine.started
        next(routine)
        assert routine.started
        assert c.scheduler.matchtree.matches(Ping(1)) == (routine,)
        routine.close()

    run(main)


def test_generatorwrapper_forwards_and_names():
    def numbers():
        try:
            got = yield 1
            yield got
        except KeyError:
            yield "caught"

    wrapper = generatorwrapper(numbers(), "numbers", "generator")
    assert "generator: numbers" in repr(wrapper)
    assert next(iter(wrapper)) == 1
    assert wrapper.send(5) == 5
    assert wrapper.throw(KeyError) == "caught"
    wrapper.close()
    with pytest.raises(StopIteration):
        wrapper.next()


def test_wait_for_send_stops_when_until_says_so():
    async def main(c):
        c.scheduler.queue.addSubQueue(1, Must.createMatcher(), "must", 1)
        assert await c.wait_for_send(Must(1)) is None
        answers = [None]

        async def consume():
            for _ in range(2):
                await c.wait_with_timeout(1)
                (await Must.createMatcher()).canignore = True

        c.subroutine(consume())
        assert await c.wait_for_send(Must(2), until=lambda: answers.pop(0)) is None
        assert await c.wait_for_send(Must(3), until=lambda: "stop") == "stop"
        assert len(c.scheduler.queue["must"]) == 0

    run(main)


def test_wait_with_timeout():
    async def main(c):
        start = c.scheduler.clock.now
        assert await c.wait_with_timeout(3, Ping.createMatcher()) == (True, None, None)
        assert c.scheduler.clock.now - start == pytest.approx(3)
        later(c, 1, Ping(4))
        matcher = Ping.createMatcher()
        timeout, event, matched = await c.wait_with_timeout(3, matcher)
        assert (timeout, event.n, matched) == (False, 4, matcher)
        later(c, 1, Ping(5))
        assert (await c.wait_with_timeout(None, matcher))[1].n == 5
        assert len(c.scheduler._timers) == 0

    run(main)


def test_execute_with_timeout_terminates_the_coroutine():
    async def main(c):
        seen = []

        async def sub(seconds):
            try:
                await c.wait_with_timeout(seconds)
                return "done"
            finally:
                await c.do_events()
                seen.append(seconds)

        assert await c.execute_with_timeout(5, sub(1)) == (False, "done")
        assert await c.execute_with_timeout(5, sub(10)) == (True, None)
        assert await c.execute_with_timeout(None, sub(2)) == (False, "done")
        assert await c.execute_with_timeout(5, c.execute_with_timeout(1, sub(20))) == (False, (True, None))
        assert await c.execute_with_timeout(1, c.execute_with_timeout(5, sub(30))) == (True, None)
        with pytest.raises(ZeroDivisionError):
            await c.execute_with_timeout(5, fails())
        return seen

    async def fails():
        return 1 / 0

    assert run(main) == [1, 10, 2, 20, 30]


def test_with_exception_raises_the_event_and_its_matcher():
    async def main(c):
        matcher = Ping.createMatcher(2)
        later(c, 1, Ping(1))
        later(c, 2, Ping(2))
        event = await c.with_exception(wait(Ping.createMatcher(1)), matcher)
        assert event.n == 1
        with pytest.raises(RoutineException) as raised:
            await c.with_exception(wait(Ping.createMatcher(3)), matcher)
        assert raised.value.matcher is matcher
        assert raised.value.event.n == 2

    async def wait(matcher):
        return await matcher

    run(main)


def test_with_exception_sees_an_event_that_the_coroutine_waits_for_too():
    async def main(c):
        later(c, 1, Ping(1))

        async def both():
            while True:
                await Ping.createMatcher()

        with pytest.raises(RoutineException):
            await c.with_exception(both(), Ping.createMatcher(1))
        later(c, 1, Ping(1))
        with pytest.raises(RoutineException):
            await c.with_exception(c.wait_with_timeout(5, Ping.createMatcher(1)), Ping.createMatcher())

    run(main)


def test_with_callback_calls_back_and_ends_when_the_callback_raises():
    async def main(c):
        seen, called, intercepted = [], [], []

        async def sub():
            for _ in range(3):
                event, _ = await M_(Ping.createMatcher(1), Ping.createMatcher(2))
                seen.append(event.n)
            return "end"

        for n in (1, 5, 2, 5, 5, 1):
            await c.wait_for_send(Ping(n))
        result = await c.with_callback(
            sub(),
            lambda event, matcher: called.append(event.n),
            Ping.createMatcher(5),
            intercept_callback=lambda event, matcher: intercepted.append(event.n),
        )
        assert (result, seen, called, intercepted) == ("end", [1, 2, 1], [5, 5, 5], [1, 2, 1])

        def fail(event, matcher):
            raise KeyError(event.n)

        later(c, 1, Ping(5))
        with pytest.raises(KeyError):
            await c.with_callback(c.wait_with_timeout(10), fail, Ping.createMatcher(5))

    run(main)


def test_with_callback_passes_the_callers_termination_on():
    async def main(c):
        seen = []

        async def sub():
            try:
                await Ping.createMatcher()
            finally:
                await c.do_events()
                seen.append("clean")

        routine = c.subroutine(c.with_callback(sub(), print, Ping.createMatcher(5)), False)
        routine.close()
        await c.wait_with_timeout(1)
        return seen

    assert run(main) == ["clean"]


def test_wait_for_all_collects_events_in_order_of_arrival():
    async def main(c):
        matchers = [Ping.createMatcher(n) for n in range(200)]
        order = [(n * 77) % 200 for n in range(200)]
        for n in order:
            await c.wait_for_send(Ping(n))
        called = []
        events, by_matcher = await c.wait_for_all(*matchers, callback=lambda event, matcher: called.append(event))
        assert [e.n for e in events] == order
        assert called == events
        assert [by_matcher[m].n for m in matchers] == list(range(200))
        assert await c.wait_for_all() == ([], {})

    run(main)


def test_wait_for_all_works_under_with_exception():
    async def main(c):
        matchers = [Ping.createMatcher(n) for n in range(150)]
        for n in range(150):
            await c.wait_for_send(Ping(n))
        events, _ = await c.with_exception(c.wait_for_all(*matchers), Must.createMatcher())
        assert len(events) == 150
        later(c, 1, Must(1))
        collected = []
        await c.wait_for_send(Ping(1))
        with pytest.raises(RoutineException) as raised:
            await c.with_exception(c.wait_for_all(*matchers, eventlist=collected), Must.createMatcher())
        raised.value.event.canignore = True
        assert [e.n for e in collected] == [1]

    run(main)


def test_wait_for_all_to_process_marks_blocking_events():
    async def main(c):
        for n in range(3):
            await c.wait_for_send(Must(n))
        events, _ = await c.wait_for_all_to_process(*[Must.createMatcher(n) for n in (2, 1, 0)])
        assert [e.n for e in events] == [0, 1, 2]
        await c.do_events()
        assert len(c.scheduler.queue) == 0

    run(main)


def test_waiting_for_empty_queues():
    async def main(c):
        root = c.scheduler.queue
        a = root.addSubQueue(1, Ping.createMatcher(1), "a")
        b = root.addSubQueue(1, Must.createMatcher(), "b")
        await c.wait_for_empty(a)
        await c.wait_for_send(Ping(1))
        await c.wait_for_empty(a)
        assert len(a) == 0
        await c.wait_for_send(Ping(1))
        await c.wait_for_send(Must(1))

        async def consume():
            await c.wait_with_timeout(2)
            (await Must.createMatcher()).canignore = True

        c.subroutine(consume())
        await c.wait_for_all_empty(a, b)
        assert len(a) == len(b) == 0

    run(main)


def test_a_blocked_event_does_not_count_as_an_empty_queue():
    async def main(c):
        queue = c.scheduler.queue.addSubQueue(1, Must.createMatcher(), "b")
        await c.wait_for_send(Must(1))
        done = []

        async def wait():
            await c.wait_for_empty(queue)
            done.append(True)

        c.subroutine(wait(), False)
        await c.wait_with_timeout(1)
        assert not done
        (await Must.createMatcher()).canignore = True
        await c.do_events()
        assert done

    run(main)


def test_delegates_return_or_raise():
    async def main(c):
        other = RoutineContainer(c.scheduler)

        async def sub(value):
            other.extra = "x"
            await c.do_events()
            if value is None:
                raise KeyError("none")
            return value

        assert await c.delegate(sub(3)) == 3
        with pytest.raises(KeyError):
            await c.delegate(sub(None))
        assert await c.delegate_other(sub(4), other) == (4,)
        assert await c.delegateOther(sub(4), other, ("", "extra")) == (4, "x")
        matcher, routine = c.begin_delegate(sub(5))
        assert await c.end_delegate(matcher, routine) == 5
        matcher, routine = c.begin_delegate(c.wait_with_timeout(5))
        await c.do_events()
        routine.close()
        with pytest.raises(FutureCancelledException):
            await c.end_delegate(matcher)

    run(main)


def test_execute_all_returns_all_results_or_raises():
    async def main(c):
        async def sub(n):
            await c.wait_with_timeout(10 - n)
            if n > 7:
                raise ValueError(n)
            return n

        assert await c.execute_all([sub(n) for n in range(5)]) == [0, 1, 2, 3, 4]
        assert await c.executeAll([sub(1), sub(2)]) == [(1,), (2,)]
        assert await c.execute_all([]) == []
        with pytest.raises(ValueError):
            await c.execute_all([sub(1), sub(8)])
        with pytest.raises(MultipleException) as raised:
            await c.execute_all([sub(8), sub(1), sub(9)])
        assert len(raised.value.exceptions) == 2

    run(main)


def test_execute_all_with_a_timeout_terminates_all():
    async def main(c):
        seen = []

        async def sub(n):
            try:
                await c.wait_with_timeout(100)
            finally:
                seen.append(n)

        assert await c.execute_with_timeout(1, c.execute_all([sub(1), sub(2)])) == (True, None)
        await c.do_events()
        return seen

    assert run(main) == [1, 2]


def test_the_shared_container_of_a_scheduler():
    async def main(c):
        shared = RoutineContainer.get_container(c.scheduler)
        assert RoutineContainer.get_container(c.scheduler) is shared
        assert shared.scheduler is c.scheduler
        RoutineContainer.destroy_container_cache(c.scheduler)
        assert RoutineContainer.get_container(c.scheduler) is not shared

    run(main)


def test_old_names_are_the_same_functions():
    for old, new in [
        ("waitForSend", "wait_for_send"),
        ("waitWithTimeout", "wait_with_timeout"),
        ("executeWithTimeout", "execute_with_timeout"),
        ("doEvents", "do_events"),
        ("withException", "with_exception"),
        ("withCallback", "with_callback"),
        ("waitForAll", "wait_for_all"),
        ("waitForAllToProcess", "wait_for_all_to_process"),
        ("waitForEmpty", "wait_for_empty"),
        ("waitForAllEmpty", "wait_for_all_empty"),
        ("beginDelegateOther", "begin_delegate_other"),
        ("executeAll", "execute_all_with_names"),
    ]:
        assert getattr(RoutineContainer, old) is getattr(RoutineContainer, new)


def test_an_event_handler_calls_its_handlers(caplog):
    async def main(c):
        seen = []
        handler = EventHandler(daemon=True)
        m1, m2 = Ping.createMatcher(1), Ping.createMatcher(2)
        handler.registerAllHandlers({m1: lambda e, s: seen.append((e.n, s)), m2: lambda e, s: seen.append(2)})
        handler.bind(c.scheduler)
        await c.wait_for_send(Ping(1))
        await c.wait_for_send(Ping(2))
        await c.do_events()
        assert seen == [(1, c.scheduler), 2]
        handler.unregisterHandler(m2)
        await c.wait_for_send(Ping(2))
        await c.do_events()
        assert len(seen) == 2
        handler.registerHandler(m2, lambda e, s: 1 / 0)
        await c.wait_for_send(Ping(2))
        await c.do_events()
        assert not c.scheduler.is_registered(handler)
        handler.unregisterAllHandlers()
        handler.close()
        assert next(iter(handler)) is None

    run(main)
    assert "ZeroDivisionError" in caplog.text


def test_an_event_handler_hears_of_quit_and_of_exceptions():
    scheduler, seen = manual_scheduler(), []
    handler = EventHandler(scheduler)
    handler.registerHandler(SystemControlEvent.createMatcher("init"), lambda e, s: s.quit())
    handler.registerQuitHandler(lambda s: seen.append("quit"))
    handler.registerExceptionHandler(lambda e, s: seen.append(type(e)))
    handler.throw(ValueError("x"))
    scheduler.main(False)
    assert seen == [ValueError, "quit"]
    with pytest.raises(QuitException):
        handler.throw(QuitException)


def test_destroyed_waiters_leave_nothing_in_the_match_tree():
    async def main(c):
        routines = [c.subroutine(wait(n), False) for n in range(100)]
        for routine in routines:
            routine.close()
        tree = c.scheduler.matchtree
        assert tree.subtree(Ping.createMatcher()) is None

    async def wait(n):
        await M_(Ping.createMatcher(n), Ping.createMatcher())

    run(main)
