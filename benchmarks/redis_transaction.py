"""Transactions of 3 keys on Redis, against redis-py, in one run.

ObjectDB changes three data objects. redis-py decodes, changes and encodes their JSON as ObjectDB must, in two ways:

* the same round trips: one commit with the same script for each transaction, which fails if something has changed, and publishes
  the same notification for each key. It does not even read the values, since it wrote them. What ObjectDB does besides, it does
  not: run a function on copies, keep indexes, wait with a time limit, let many callers share a connection
* as its documentation shows it: a pipeline that watches the keys, reads them, and writes them with MULTI and EXEC

One at a time, then 16 at a time on keys of their own (threads for redis-py).
"""

from __future__ import annotations

import contextlib
import functools
import json
import pathlib
import sys
import tempfile
import threading
import time
import zlib
from typing import Any, Callable, Iterator

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests"))

TRANSACTIONS = 2000
PARALLEL = 16


@contextlib.contextmanager
def redis_server() -> Iterator[Any]:
    """Run a private server without the disk in the way."""
    from support.redisserver import RedisServer

    with tempfile.TemporaryDirectory() as directory, RedisServer(directory, ("--appendonly", "no")) as server:
        yield server


@functools.cache
def counter_class() -> Any:
    """Return the class of the objects."""
    from vlcp.utils.dataobject import DataObject

    class Counter(DataObject):
        _prefix = "benchmark.counter"
        _indices = ("id",)

    return Counter


def keys_of(worker: int) -> list[str]:
    """Return the keys that one worker writes."""
    return [counter_class().default_key(f"{worker}-{number}") for number in range(3)]


def ours(url: str, workers: int) -> float:
    """Return transactions a second of ObjectDB."""
    from support.dbmodules import ModuleHost, configured
    from support.poller import run_scheduler

    from vlcp.service.connection.redisdb import RedisDB
    from vlcp.service.kvdb.objectdb import ObjectDB
    from vlcp.service.kvdb.redisnotifier import RedisNotifier, UpdateNotifier
    from vlcp.service.kvdb.storage import KVStorage

    each = TRANSACTIONS // workers

    async def main(container: Any) -> float:
        host = ModuleHost(container)
        (database,) = await host.start(RedisDB)
        RedisNotifier.redisdb = database
        odb = (await host.start(RedisNotifier, KVStorage, UpdateNotifier, ObjectDB))[-1]
        begin = time.perf_counter()
        await container.execute_all([work(odb, keys_of(worker), each) for worker in range(workers)])
        seconds = time.perf_counter() - begin
        await host.stop()
        return each * workers / seconds

    proxies = {
        "proxy__kvstorage": "vlcp.service.connection.redisdb.RedisDB",
        "proxy__updatenotifier": "vlcp.service.kvdb.redisnotifier.RedisNotifier",
    }
    with configured(module__redisdb__url=url, **proxies):
        return run_scheduler(main, 300)


async def work(odb: Any, keys: list[str], count: int) -> None:
    """Carry transactions out one after another."""

    def updater(names: Any, values: Any) -> Any:
        changed = [counter_class().create_from_key(name) if value is None else value for name, value in zip(names, values)]
        for counter in changed:
            counter.count = getattr(counter, "count", 0) + 1
        return names, changed

    for _ in range(count):
        await odb.transact(keys, updater)


def stored_value() -> bytes:
    """Return the bytes of such a value."""
    from vlcp.service.connection._codec import Codec

    counter = counter_class().create_instance("0-0")
    counter.count, counter.kvdb_createtime, counter.kvdb_updateversion = 1, 1795336532641999, 1
    codec = Codec()
    return codec.pack(codec.encode(counter))


def changed(stored: bytes) -> bytes:
    """Decode a value, count, and encode it."""
    value = json.loads(zlib.decompress(stored))
    attributes = next(iter(value.values()))
    attributes["count"] += 1
    attributes["kvdb_updateversion"] += 1
    return zlib.compress(json.dumps(value).encode(), 1)


def notification(keys: list[str], serial: int, created: int) -> bytes:
    """Return what is published with a transaction: names and versions of its keys."""
    message = {"id": f"{'0' * 32}-{serial:016x}", "keys": keys, "extrainfo": [[created, serial + 2] for _ in keys]}
    return zlib.compress(json.dumps(message).encode(), 1)


def commits(server: Any, keys: list[str], count: int) -> None:
    """Commit with the script of ObjectDB, on a bare connection."""
    import redis

    from vlcp.service.connection._redisscripts import MARK, Writes, commit_command
    from vlcp.service.kvdb.redisnotifier import RedisNotifier

    connection = redis.Connection(port=server.port)
    stored = dict.fromkeys(keys, stored_value())
    for serial in range(count):
        now = time.time_ns() // 1000
        written = {key: changed(value) for key, value in stored.items()}
        message = notification(keys, serial, now)
        messages = [(RedisNotifier._default_prefix + key, message) for key in keys]
        command = commit_command(MARK + keys[0], serial, now + 9 * 10**6, Writes(stored, written, now, now, 0, messages))
        # The clock of others is not looked at: each worker has its own.
        command[4] += keys[0]
        connection.send_packed_command(connection.pack_command(*command))
        reply = connection.read_response()
        if isinstance(reply, list):
            raise RuntimeError(f"not committed: {reply!r}")
        stored = written
    connection.disconnect()


def pipelines(server: Any, keys: list[str], count: int) -> None:
    """Watch, read and write by the pipeline of redis-py."""
    import redis

    with redis.Redis(port=server.port) as client, client.pipeline() as pipeline:
        for _ in range(count):
            pipeline.watch(*keys)
            stored = pipeline.mget(keys)
            pipeline.multi()
            for key, value in zip(keys, stored):
                pipeline.set(key, changed(value))
            pipeline.execute()


def peer(server: Any, workers: int, loop: Callable[[Any, list[str], int], None]) -> float:
    """Return transactions a second of redis-py."""
    import redis

    from vlcp.service.connection._redisscripts import COMMIT

    each = TRANSACTIONS // workers
    with redis.Redis(port=server.port) as client:
        client.script_load(COMMIT)
        client.mset({key: stored_value() for worker in range(workers) for key in keys_of(worker)})
    threads = [threading.Thread(target=loop, args=(server, keys_of(worker), each)) for worker in range(workers)]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return each * workers / (time.perf_counter() - begin)


def best(measure: Callable[[], float], times: int = 3) -> float:
    """Return the best of some measurements."""
    return max(measure() for _ in range(times))


def run() -> list[dict[str, Any]]:
    """Measure both and return their rows."""
    rows = []
    peers = (("redis-py, same round trips", commits), ("redis-py, pipeline", pipelines))
    with redis_server() as server:
        for workers in (1, PARALLEL):
            mine = best(lambda: ours(server.url, workers))
            for name, loop in peers:
                theirs = best(lambda: peer(server, workers, loop))
                rows.append(
                    {
                        "name": f"ObjectDB transaction of 3 keys on Redis, {workers} at a time",
                        "value": mine,
                        "unit": "transactions/s",
                        "peer": name,
                        "peer_value": theirs,
                        "ratio": mine / theirs,
                    }
                )
    return rows
