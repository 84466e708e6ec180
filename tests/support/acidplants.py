"""Faults to be built into a store, so that a test can see whether histories show them."""

from __future__ import annotations

import functools
import importlib
from typing import Any, Callable, Dict, Optional


def _redis_without_conflict_check() -> None:
    from vlcp.service.connection import _redistransaction

    commit_command = _redistransaction.commit_command

    def blind(mark: str, serial: int, last_moment: int, writes: Any) -> Any:
        return commit_command(mark, serial, last_moment, writes._replace(reads={}))

    _redistransaction.commit_command = blind


def _redis_without_settling() -> None:
    from vlcp.service.connection._redistransaction import Transaction

    async def guess(self: Any, mark: str, serial: int, loss: Exception) -> bool:
        return False

    Transaction._settle = guess  # type: ignore[method-assign]


def _sqlite_without_conflict_check() -> None:
    from vlcp.service.connection._sqlitefile import SqliteFile

    commit = SqliteFile.commit

    def blind(self: Any, first: Any, deadline: float, retry: Any, confirm: Any) -> int:
        return commit(self, first._replace(reads={}), deadline, lambda now: first._replace(clock=now.clock + 1), confirm)

    SqliteFile.commit = blind  # type: ignore[method-assign]


def _zookeeper_without_conflict_check() -> None:
    from vlcp.service.connection import _zktransaction, _znodes

    def blind(names: Any, own: int) -> Any:
        before = [name for name in _znodes.versions(names) if _znodes.number_of(name) < own]
        return _znodes.Look(before[0] if before else None, None, None)

    class Blind:
        look = staticmethod(blind)

        def __getattr__(self, name: str) -> Any:
            return getattr(_znodes, name)

    _zktransaction.znodes = Blind()


def _zookeeper_without_settling() -> None:
    from vlcp.service.connection._zktransaction import Transaction

    async def guess(self: Any, evaluation: Any) -> bool:
        return False

    Transaction._resolve = guess  # type: ignore[method-assign]


def _one_by_one(module: str, name: str) -> Callable[[], None]:
    def build() -> None:
        cls = getattr(importlib.import_module(module), name)
        original = cls.mgetwithcache

        @functools.wraps(original)
        async def torn(self: Any, keys: Any, vhost: str = "", cache: Any = None) -> Any:
            values = []
            for key in keys:
                found, cache = await original(self, (key,), vhost, cache)
                values.extend(found)
            return values, cache

        cls.mgetwithcache = torn

    return build


PLANTS: Dict[str, Callable[[], None]] = {
    "redis: no conflict check": _redis_without_conflict_check,
    "redis: lost reply taken for failure": _redis_without_settling,
    "redis: keys read one by one": _one_by_one("vlcp.service.connection.redisdb", "RedisDB"),
    "sqlite: no conflict check": _sqlite_without_conflict_check,
    "sqlite: keys read one by one": _one_by_one("vlcp.service.connection.sqlitedb", "SQLiteDB"),
    "zookeeper: no conflict check": _zookeeper_without_conflict_check,
    "zookeeper: lost reply taken for failure": _zookeeper_without_settling,
    "zookeeper: keys read one by one": _one_by_one("vlcp.service.connection.zookeeperdb", "ZooKeeperDB"),
}


def plant(name: Optional[str]) -> None:
    """Build a fault into the store of this process; None builds in nothing.

    :raises KeyError: there is no such fault
    """
    if name is not None:
        PLANTS[name]()
