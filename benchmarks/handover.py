"""One event from ``wait_for_send`` to an awakened routine, against asyncio and trio.

Each program hands ``COUNT`` items from one task to another over a queue with room for one item (asyncio, trio) or the event
queue (here).  ``with_waiters`` does the same while 100,000 other routines wait for other values of the index.

Run ``python benchmarks/handover.py`` to print the rows.
"""

from __future__ import annotations

import asyncio
import gc
import time
from typing import Any, Callable

import trio

from vlcp.event.core import Scheduler
from vlcp.event.event import Event, with_indices
from vlcp.event.runnable import RoutineContainer

COUNT = 100_000
WAITERS = 100_000
ROUNDS = 5


@with_indices("target")
class Item(Event):
    """What is handed over."""


def vlcp_seconds(waiters: int = 0, count: int = COUNT, queue_limit: int | None = None) -> float:
    """Return the seconds for one hand-over.

    :param waiters: number of other routines that wait for other values of the index
    :param queue_limit: limit of the event queue, or None; with 1 the sender is stopped for each item, as asyncio's is
    """
    scheduler = Scheduler(queuedefault=queue_limit)
    container = RoutineContainer(scheduler)
    times: list[float] = []

    async def wait(target: int) -> None:
        await Item.createMatcher(target)

    async def consume() -> None:
        matcher = Item.createMatcher(-1)
        for _ in range(count):
            await matcher
        times.append(time.perf_counter())
        scheduler.quit()

    async def produce() -> None:
        times.append(time.perf_counter())
        for _ in range(count):
            await container.wait_for_send(Item(-1))

    for target in range(waiters):
        container.subroutine(wait(target), False)
    container.subroutine(consume(), False)
    container.subroutine(produce())
    gc.collect()
    scheduler.main(False, False)
    scheduler.polling.close()
    return (times[1] - times[0]) / count


def asyncio_seconds(count: int = COUNT) -> float:
    """Return the seconds for one hand-over through ``asyncio.Queue(1)``."""

    async def main() -> float:
        queue: asyncio.Queue = asyncio.Queue(1)

        async def consume() -> None:
            for _ in range(count):
                await queue.get()

        task = asyncio.ensure_future(consume())
        start = time.perf_counter()
        for item in range(count):
            await queue.put(item)
        await task
        return (time.perf_counter() - start) / count

    return asyncio.run(main())


def trio_seconds(count: int = COUNT // 4) -> float:
    """Return the seconds for one hand-over through a memory channel of size 1."""

    async def main() -> float:
        send, receive = trio.open_memory_channel(1)

        async def consume() -> None:
            for _ in range(count):
                await receive.receive()

        start = time.perf_counter()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(consume)
            for item in range(count):
                await send.send(item)
        return (time.perf_counter() - start) / count

    return trio.run(main)


def best(measures: list[Callable[[], float]]) -> list[float]:
    """Return the least seconds of each measure; they take turns, so that a busy moment of the machine hits all."""
    rounds = [[measure() for measure in measures] for _ in range(ROUNDS)]
    return [min(column) for column in zip(*rounds)]


def row(name: str, value: float, peer: str, peer_value: float) -> dict[str, Any]:
    """Return one result in microseconds; ``ratio`` is how many times faster than the peer."""
    return {
        "name": name,
        "value": round(value * 1e6, 3),
        "unit": "us",
        "peer": peer,
        "peer_value": round(peer_value * 1e6, 3),
        "ratio": round(peer_value / value, 2),
    }


def run() -> list[dict[str, Any]]:
    """Return the rows of this benchmark."""
    alone, with_waiters, stopped, by_asyncio, by_trio = best(
        [
            vlcp_seconds,
            lambda: vlcp_seconds(WAITERS),
            lambda: vlcp_seconds(0, COUNT, 1),
            asyncio_seconds,
            trio_seconds,
        ]
    )
    return [
        row("handover", alone, "asyncio.Queue(1)", by_asyncio),
        row("handover", alone, "trio memory channel(1)", by_trio),
        row(f"handover, {WAITERS} other waiters", with_waiters, "asyncio.Queue(1)", by_asyncio),
        row(f"handover, {WAITERS} other waiters", with_waiters, "without other waiters", alone),
        row("handover, queue limited to 1 event", stopped, "asyncio.Queue(1)", by_asyncio),
    ]


if __name__ == "__main__":
    for result in run():
        print(result)
