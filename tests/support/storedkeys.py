"""What is left in a store: every key of a laboratory's database, read from the database itself and not through a controller.

::

    before = stored_keys(lab)
    ...
    wait_until_left(lab, before)

Run as a program with ``redis`` or ``zookeeper`` and an address it prints the keys as JSON; that is how the keys of a server in
another network namespace are read.
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Dict, Optional

if TYPE_CHECKING:
    from vlcp.lab.topology import Lab

Keys = Dict[str, Optional[float]]
"""``{key: seconds that it has left}``, None for a key that stays."""

CLOCK = "vlcp._reserved.redisdb.clock"
"""The last time stamp of all transactions, which is there from the first one on and belongs to no object."""
_KVDB = "/vlcp/kvdb"


def sqlite_keys(path: str) -> Keys:
    """Return the keys in the file of ``sqlitedb``."""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
        rows = database.execute("SELECT key, expire FROM kv WHERE value IS NOT NULL").fetchall()
    now = time.time_ns() // 1000
    return {key: None if expire is None else (expire - now) / 1e6 for key, expire in rows if expire is None or expire > now}


def redis_keys(host: str, port: int = 6379) -> Keys:
    """Return the keys in a Redis server, but for :data:`CLOCK`."""
    import redis

    client = redis.Redis(host, port)
    found: Keys = {}
    for key in client.scan_iter(count=1000):
        left = client.pttl(key)
        if left != -2 and key != CLOCK.encode():
            found[key.decode()] = None if left == -1 else left / 1000
    return found


def zookeeper_keys(host: str, port: int = 2181) -> Keys:
    """Return the keys in a ZooKeeper cluster: those with a value, and with 0 seconds those that a transaction holds now."""
    from kazoo.client import KazooClient

    from vlcp.service.connection._znodes import children, unescape

    client = KazooClient(f"{host}:{port}")
    client.start(10)
    found: Keys = {}
    try:
        for name in client.get_children(_KVDB):
            held = children(client.get_children(f"{_KVDB}/{name}"))
            if not held:
                continue
            newest = held[0]
            if not newest.is_data:
                found[unescape(name)] = 0.0
            elif client.get(f"{_KVDB}/{name}/{newest.name}")[0]:
                found[unescape(name)] = None
    finally:
        client.stop()
        client.close()
    return found


def stored_keys(lab: Lab) -> Keys:
    """Return the keys in the database of a laboratory; see :func:`redis_keys` for what does not count.

    :raises RuntimeError: the database does not answer
    """
    if lab.plan.database == "sqlite":
        return sqlite_keys(f"{lab.plan.directory}/vlcp.sqlite")
    node = next(iter(lab.databases.values()))
    argv = ["ip", "netns", "exec", node.namespace, sys.executable, __file__, lab.plan.database, node.address]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise RuntimeError(f"keys of {lab.plan.database}: {done.stderr.strip()[-500:]}")
    return json.loads(done.stdout)


def wait_until_left(lab: Lab, expected: Keys, within_s: float = 5) -> None:
    """Return when the database has exactly the expected keys, and of those only the ones that had no time-out.

    :param within_s: seconds after which what is left is an error
    :raises AssertionError: other keys are left; the message has them
    """
    deadline = time.monotonic() + within_s
    staying = {key for key, left_s in expected.items() if left_s is None}
    while True:
        found = stored_keys(lab)
        if found.keys() == staying:
            return
        if time.monotonic() > deadline:
            left = {key: value for key, value in found.items() if key not in staying}
            raise AssertionError(f"left after {within_s:g} s: {left}; gone: {sorted(staying - found.keys())}")
        time.sleep(0.2)


if __name__ == "__main__":
    reader = {"redis": redis_keys, "zookeeper": zookeeper_keys}[sys.argv[1]]
    print(json.dumps(reader(sys.argv[2])))
