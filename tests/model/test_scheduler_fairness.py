"""Random producers and consumers over limited queues: everything arrives, in order, and nobody starves."""

from __future__ import annotations

import random

import pytest
from support.poller import manual_scheduler

from vlcp.event.event import Event, with_indices
from vlcp.event.pqueue import CBQueue
from vlcp.event.runnable import RoutineContainer


@with_indices("owner")
class Data(Event):
    canignore = False


def run_random(seed):
    """Run 6 producers with 40 events each against slow consumers; return what each consumer got."""
    rng = random.Random(seed)
    scheduler = manual_scheduler(
        processevents=rng.choice([1, 3, 100]),
        queuemax=rng.choice([None, 5, 20]),
        queuedefault=rng.choice([None, 2]),
        order=lambda found: rng.sample(found, len(found)),
    )
    organisation = rng.choice(
        [
            CBQueue.AutoClassQueue.initHelper("owner", rng.choice([0, 1, 3]), None, rng.choice([None, 1, 3])),
            CBQueue.AutoClassQueue.initHelper("owner", 1, 5, 2),
        ]
    )
    scheduler.queue.addSubQueue(5, Data.createMatcher(), "data", rng.choice([None, 3, 10]), None, organisation)
    container, got = RoutineContainer(scheduler), {owner: [] for owner in range(6)}

    async def produce(owner):
        for n in range(40):
            if rng.random() < 0.2:
                await container.wait_with_timeout(rng.random())
            await container.wait_for_send(Data(owner, n=n))

    async def consume(owner):
        matcher = Data.createMatcher(owner)
        while len(got[owner]) < 40:
            event = await matcher
            event.canignore = True
            got[owner].append(event.n)
            if rng.random() < 0.2:
                await container.wait_with_timeout(rng.random() * 2)

    for owner in range(6):
        container.subroutine(produce(owner))
        container.subroutine(consume(owner))
    scheduler.main(False)
    assert len(scheduler.queue) == 0
    return got


@pytest.mark.parametrize("seed", range(60))
def test_every_event_arrives_once_and_in_order(seed):
    assert run_random(seed) == {owner: list(range(40)) for owner in range(6)}


def test_the_same_seed_gives_the_same_run():
    assert run_random(5) == run_random(5)


def test_a_busy_sender_does_not_delay_the_others():
    scheduler = manual_scheduler(processevents=10)
    scheduler.queue.addSubQueue(5, Data.createMatcher(), "data", 20, None, CBQueue.AutoClassQueue.initHelper("owner", 5))
    container, order = RoutineContainer(scheduler), []

    async def produce(owner, count):
        for n in range(count):
            await container.wait_for_send(Data(owner, n=n))

    async def consume():
        matcher = Data.createMatcher()
        for _ in range(520):
            event = await matcher
            event.canignore = True
            order.append(event.owner)

    container.subroutine(produce("busy", 500))
    container.subroutine(consume())
    for owner in range(4):
        container.subroutine(produce(owner, 5))
    scheduler.main(False)
    last_of_small = max(i for i, owner in enumerate(order) if owner != "busy")
    assert last_of_small < 60
