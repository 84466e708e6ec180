"""Routines that are held while the scheduler runs on."""

from __future__ import annotations

import pytest
from support.poller import manual_scheduler, run_scheduler

from vlcp.event.event import M_, Event, withIndices
from vlcp.event.hold import Held, Trap, stack_of, waiting_routines


@withIndices("number")
class Word(Event):
    pass


@withIndices("number")
class Order(Event):
    canignore = False


def run(main):
    return run_scheduler(main, None, manual_scheduler())


async def listen(got, *matchers):
    while True:
        event, _matcher = await M_(*matchers)
        event.canignore = True
        got.append(event.number)


async def settle(container):
    for _ in range(3):
        await container.do_events()


def test_a_held_routine_misses_nothing_and_others_run_on():
    async def main(container):
        one, other = [], []
        routine = container.subroutine(listen(one, Word.createMatcher()), daemon=True)
        container.subroutine(listen(other, Word.createMatcher()), daemon=True)
        await settle(container)
        held = Held(container.scheduler, routine)
        await container.wait_for_send(Word(1))
        await settle(container)
        assert (one, other) == ([], [1])
        held.release()
        assert one == [1]
        await container.wait_for_send(Word(2))
        await settle(container)
        assert one == other == [1, 2]

    run(main)


def test_what_must_not_be_ignored_waits_for_the_held_routine():
    async def main(container):
        got = []
        routine = container.subroutine(listen(got, Order.createMatcher()), daemon=True)
        await settle(container)
        held = Held(container.scheduler, routine)
        for number in range(3):
            await container.wait_for_send(Order(number))
        await settle(container)
        assert got == []
        held.release()
        await settle(container)
        assert got == [0, 1, 2]

    run(main)


def test_a_timer_that_fires_while_held_is_not_lost():
    async def main(container):
        ended = []

        async def sleep():
            await container.wait_with_timeout(1)
            ended.append(True)

        routine = container.subroutine(sleep(), daemon=True)
        await settle(container)
        held = Held(container.scheduler, routine)
        await container.wait_with_timeout(5)
        assert not ended
        held.release()
        assert ended

    run(main)


def test_a_held_routine_can_be_ended():
    async def main(container):
        cleaned = []

        async def wait():
            try:
                await Word.createMatcher()
            finally:
                cleaned.append(True)

        routine = container.subroutine(wait(), daemon=True)
        await settle(container)
        held = Held(container.scheduler, routine)
        routine.close()
        assert cleaned
        await container.wait_for_send(Word(1))
        await settle(container)
        held.release()
        held.release()
        assert held not in container.scheduler._runnables and routine not in container.scheduler._runnables

    run(main)


def test_only_what_waits_can_be_held():
    async def main(container):
        with pytest.raises(ValueError, match="does not wait"):
            Held(container.scheduler, container.currentroutine)
        with pytest.raises(ValueError, match="does not wait"):
            Held(container.scheduler, object())

    run(main)


def test_a_trap_stops_routines_before_they_get_the_event():
    async def main(container):
        one, other, caught = [], [], []
        container.subroutine(listen(one, Word.createMatcher(), Order.createMatcher()), daemon=True)
        container.subroutine(listen(other, Word.createMatcher(2)), daemon=True)
        await settle(container)
        trap = Trap(container.scheduler, (Word.createMatcher(2), Order.createMatcher()), lambda *args: caught.append(args), True)
        await container.wait_for_send(Word(1))
        await container.wait_for_send(Word(2))
        await settle(container)
        assert (one, other) == ([1], [])
        ((event, _matcher, held),) = caught
        assert event.number == 2 and len(held) == 2
        for stopped in held:
            stopped.release()
        assert (one, other) == ([1, 2], [2])
        await container.wait_for_send(Order(3))
        await settle(container)
        assert one == [1, 2]
        trap.close()
        for stopped in caught[1][2]:
            stopped.release()
        await settle(container)
        assert one == [1, 2, 3] and container.scheduler._dispatcher.order is None

    run(main)


def test_the_scheduler_ends_with_what_is_held():
    async def main(container):
        routine = container.subroutine(listen([], Word.createMatcher()))
        await settle(container)
        Held(container.scheduler, routine)
        Trap(container.scheduler, (Word.createMatcher(),), print, True)

    run(main)


def test_a_stack_goes_through_all_awaits_and_the_routines_of_a_container_are_found():
    async def inner(container):
        await container.wait_with_timeout(5)

    async def outer(container):
        await container.execute_with_timeout(9, inner(container))

    async def main(container):
        routine = container.subroutine(outer(container), daemon=True)
        await settle(container)
        text = stack_of(routine)
        assert [name for name in ("outer", "execute_with_timeout", "inner", "wait_with_timeout") if f"in {name}" in text] == [
            "outer",
            "execute_with_timeout",
            "inner",
            "wait_with_timeout",
        ]
        assert routine in waiting_routines(container.scheduler, container)
        assert stack_of(None) == ""

    run(main)
