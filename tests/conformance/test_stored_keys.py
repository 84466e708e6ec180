"""What tests count as left in a store: every key that holds a value, also one that ends by itself."""

from __future__ import annotations

import sqlite3

import pytest
from support.redisserver import RedisServer
from support.server import ServerProcess
from support.storedkeys import redis_keys, sqlite_keys

redis = pytest.importorskip("redis")


def test_a_redis_key_with_a_time_out_counts_until_it_ends_but_not_the_clock(tmp_path):
    with RedisServer(tmp_path) as server:
        client = redis.Redis("127.0.0.1", server.port)
        client.set("stays", "1")
        client.set("ends", "1", px=60000)
        client.set("vlcp._reserved.redisdb.clock", "1", px=60000)
        found = redis_keys("127.0.0.1", server.port)
    assert found.keys() == {"stays", "ends"}
    assert found["stays"] is None and 0 < found["ends"] <= 60


def test_a_key_in_the_file_counts_until_its_time_is_over(tmp_path):
    with ServerProcess(tmp_path) as server:
        listed = set(server.api("kvstorage", "listallkeys"))
        path = server.database
        assert sqlite_keys(str(path)).keys() == listed
        with sqlite3.connect(path) as database:
            for key, expire in (("over", 1), ("ends", 1 << 61)):
                database.execute("INSERT INTO kv (key, seq, expire, value) VALUES (?, 0, ?, ?)", (key, expire, b"1"))
        database.close()
        assert sqlite_keys(str(path)).keys() == listed | {"ends"}
