"""Moving money between accounts through ObjectDB on ZooKeeper; ``main`` runs in processes of its own.

It prints ``done N`` after an acknowledged transfer, whose number in the writer's journal is N, ``unknown`` and
``unavailable`` for transfers that ended so, and ``broken SUM`` if a snapshot has another sum than it must.
"""

from __future__ import annotations

import contextlib
import random
import time
from typing import Any, Iterator

from support.accounts import ACCOUNTS, EACH, KEYS, Journal, create, total, transfer
from support.dbmodules import ModuleHost, configured
from support.poller import run_scheduler

from vlcp.service.connection.zookeeperdb import ZooKeeperDB
from vlcp.service.kvdb.objectdb import ObjectDB
from vlcp.service.kvdb.redisnotifier import UpdateNotifier
from vlcp.service.kvdb.storage import KVStorage
from vlcp.utils.exceptions import StorageOutcomeUnknownException, StorageUnavailableException

DATABASE = (ZooKeeperDB, KVStorage, UpdateNotifier, ObjectDB)


@contextlib.contextmanager
def zookeeper(url: str) -> Iterator[None]:
    """Configure ZooKeeperDB as the store."""
    with configured(module__zookeeperdb__url=url, proxy__kvstorage=ZooKeeperDB, proxy__updatenotifier=ZooKeeperDB):
        yield


def run_on(url: str, test: Any, timeout: float | None = 60) -> Any:
    """Run ``test(container, host, odb)`` on the store at a URL."""

    async def main(container: Any) -> Any:
        host = ModuleHost(container)
        odb = (await host.start(*DATABASE))[-1]
        try:
            return await test(container, host, odb)
        finally:
            await host.stop()

    with zookeeper(url):
        return run_scheduler(main, timeout)


async def prepare(odb: Any) -> None:
    """Open the accounts, as soon as that is possible."""
    while True:
        try:
            return await odb.writewalk(KEYS, create)
        except (StorageUnavailableException, StorageOutcomeUnknownException) as error:
            print("unavailable", error, flush=True)


async def work(odb: Any, name: str, seconds: float) -> None:
    """Move money and check the sum until the time is over."""
    rng, end, turn = random.Random(name), time.monotonic() + seconds, 0
    while time.monotonic() < end:
        source, target = rng.sample(KEYS, 2)
        keys, turn = [source, target, Journal.default_key(name)], turn + 1
        try:
            count = await odb.writewalk(keys, transfer(name, source, target, rng.randint(1, 50)))
            print("done", count, flush=True)
            found = await total(odb) if turn % 5 == 0 else ACCOUNTS * EACH
        except StorageOutcomeUnknownException:
            print("unknown", flush=True)
        except StorageUnavailableException:
            print("unavailable", flush=True)
        else:
            if found != ACCOUNTS * EACH:
                print("broken", found, flush=True)


def main(url: str, name: str, seconds: str) -> None:
    """Run one writer."""

    async def test(container: Any, host: Any, odb: Any) -> None:
        await prepare(odb)
        await work(odb, name, float(seconds))

    run_on(url, test, None)
