"""Moving money between accounts through ObjectDB on an SQLite file; ``main`` runs in processes of its own.

It prints ``done N`` after the N-th transfer is acknowledged, and ``broken SUM`` if a snapshot has another sum.
"""

from __future__ import annotations

import logging
import random
import time
from typing import Any

from support.dbmodules import ModuleHost, configured
from support.poller import run_scheduler

from vlcp.service.connection.sqlitedb import SQLiteDB
from vlcp.service.kvdb.objectdb import ObjectDB
from vlcp.service.kvdb.redisnotifier import UpdateNotifier
from vlcp.service.kvdb.storage import KVStorage
from vlcp.utils.dataobject import DataObject

ACCOUNTS, EACH = 20, 1000
DATABASE = (SQLiteDB, KVStorage, UpdateNotifier, ObjectDB)


class Account(DataObject):
    _prefix = "accounts.account"
    _indices = ("id",)


class Journal(DataObject):
    """Counts the transfers of one writer; written in the same transactions as the accounts."""

    _prefix = "accounts.journal"
    _indices = ("id",)


KEYS = [Account.default_key(number) for number in range(ACCOUNTS)]


def create(walk: Any, write: Any) -> None:
    """Open the accounts, unless they are open."""
    for key in KEYS:
        if walk(key) is None:
            account = Account.create_from_key(key)
            account.balance = EACH
            write(key, account)


def transfer(name: str, source: str, target: str, amount: int) -> Any:
    """Return the walker of one transfer; it also counts in the writer's journal."""

    def walker(walk: Any, write: Any) -> int:
        one, other = walk(source), walk(target)
        journal = walk(Journal.default_key(name)) or Journal.create_instance(name)
        one.balance -= amount
        other.balance += amount
        journal.count = getattr(journal, "count", 0) + 1
        for changed in (one, other, journal):
            write(changed.getkey(), changed)
        return journal.count

    return walker


async def total(odb: Any) -> int:
    """Return the sum of all accounts in one snapshot."""
    return sum(account.balance for account in await odb.mgetonce(KEYS))


async def work(container: Any, odb: Any, name: str, seconds: float) -> None:
    """Move money and check the sum until the time is over."""
    rng, end = random.Random(name), time.monotonic() + seconds
    while time.monotonic() < end:
        source, target = rng.sample(KEYS, 2)
        keys = [source, target, Journal.default_key(name)]
        count = await odb.writewalk(keys, transfer(name, source, target, rng.randint(1, 50)))
        print("done", count, flush=True)
        if count % 5 == 0:
            found = await total(odb)
            if found != ACCOUNTS * EACH:
                print("broken", found, flush=True)


def main(path: str, name: str, seconds: str) -> None:
    """Run one writer; that the machine is busy is not worth a line of its output."""
    logging.getLogger("vlcp.event.core").setLevel(logging.ERROR)

    async def run(container: Any) -> None:
        host = ModuleHost(container)
        odb = (await host.start(*DATABASE))[-1]
        await odb.writewalk(KEYS, create)
        await work(container, odb, name, float(seconds))
        await host.stop()

    with configured(module__sqlitedb__path=path):
        run_scheduler(run, None)
