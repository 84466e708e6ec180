"""A transaction of 3 keys through ObjectDB on ZooKeeper, against kazoo making the same round trips.

The peer does what the stored form asks for: one multi with three barriers, three getChildren behind it without waiting, and
one multi that writes three versions and three notifications and deletes the barriers. It neither decodes nor checks anything.
The server does not sync its log to the disk, so that the clients are what is measured.
"""

from __future__ import annotations

import pathlib
import sys
import tempfile
import time
import zlib
from typing import Any, Dict, List

from kazoo.client import KazooClient

from vlcp.service.connection.zookeeperdb import ZooKeeperDB
from vlcp.service.kvdb.objectdb import ObjectDB
from vlcp.service.kvdb.redisnotifier import UpdateNotifier
from vlcp.service.kvdb.storage import KVStorage
from vlcp.utils.dataobject import DataObject

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests"))

from support.dbmodules import ModuleHost, configured  # noqa: E402
from support.poller import run_scheduler  # noqa: E402
from support.zkserver import Ensemble  # noqa: E402

ROUNDS, WARM_UP, REPEATS = 300, 50, 3


class BenchmarkAccount(DataObject):
    """What is written."""

    _prefix = "benchmark.account"
    _indices = ("id",)


KEYS = [BenchmarkAccount.default_key(str(number)) for number in range(3)]


def _deposit(keys: Any, values: Any) -> Any:
    changed = []
    for number, value in enumerate(values):
        account = value if value is not None else BenchmarkAccount.create_instance(str(number))
        account.balance = getattr(account, "balance", 0) + 1
        changed.append(account)
    return keys, changed


def _ours(servers: Ensemble) -> float:
    """Return the seconds of one transaction."""

    async def main(container: Any) -> float:
        host = ModuleHost(container)
        modules = await host.start(ZooKeeperDB, KVStorage, UpdateNotifier, ObjectDB)
        for _ in range(WARM_UP):
            await modules[-1].transact(KEYS, _deposit)
        best = float("inf")
        for _ in range(REPEATS):
            began = time.perf_counter()
            for _ in range(ROUNDS):
                await modules[-1].transact(KEYS, _deposit)
            best = min(best, (time.perf_counter() - began) / ROUNDS)
        await host.stop()
        return best

    with configured(
        module__zookeeperdb__url=servers.url("ours"),
        proxy__kvstorage=ZooKeeperDB,
        proxy__updatenotifier=ZooKeeperDB,
    ):
        return run_scheduler(main, 120)


def _theirs(servers: Ensemble) -> float:
    """Return the seconds of the same exchanges by kazoo."""
    client = KazooClient(servers.hosts())
    client.start()
    for key in KEYS:
        client.ensure_path("/theirs/kvdb/" + key)
        client.ensure_path("/theirs/notifier/" + key)
    client.ensure_path("/theirs/timer")
    value = zlib.compress(b'{"<vlcpjsonencode/benchmark.BenchmarkAccount>": {"balance": 1}}', 1)
    notice = zlib.compress(b'{"id": "%s", "keys": ["a", "b", "c"], "extrainfo": [[1, 1], [1, 1], [1, 1]]}' % (b"0" * 49,), 1)

    def one() -> None:
        enter = client.transaction()
        for key in KEYS:
            enter.create("/theirs/kvdb/%s/barrier%s-" % (key, "0" * 42), b"", ephemeral=True, sequence=True)
        enter.set_data("/theirs/timer", b"")
        entering = enter.commit_async()
        reading = [client.get_children_async("/theirs/kvdb/" + key, include_data=True) for key in KEYS]
        barriers = entering.get()[:3]
        for result in reading:
            result.get()
        commit = client.transaction()
        for key, barrier in zip(KEYS, barriers):
            commit.create("/theirs/kvdb/%s/data-%s" % (key, barrier[-10:]), value)
        for key in KEYS:
            commit.create("/theirs/notifier/%s/notify-%s-" % (key, "0" * 49), notice, sequence=True)
        for barrier in barriers:
            commit.delete(barrier)
        commit.commit()

    for _ in range(WARM_UP):
        one()
    best = float("inf")
    for _ in range(REPEATS):
        began = time.perf_counter()
        for _ in range(ROUNDS):
            one()
        best = min(best, (time.perf_counter() - began) / ROUNDS)
    client.stop()
    client.close()
    return best


def run() -> List[Dict[str, Any]]:
    """Return the time of a transaction."""
    with tempfile.TemporaryDirectory() as directory, Ensemble(directory) as servers:
        value, peer_value = _ours(servers) * 1e6, _theirs(servers) * 1e6
    return [
        {
            "name": "ObjectDB transaction of 3 keys on ZooKeeper",
            "value": value,
            "unit": "us",
            "peer": "kazoo",
            "peer_value": peer_value,
            "ratio": peer_value / value,
        }
    ]


if __name__ == "__main__":
    for row in run():
        print(row)
