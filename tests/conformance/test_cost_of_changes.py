"""What creating one port costs on each store, with 1,000 and with 20,000 ports in the database.

Bytes and round trips are those of the whole controller, notifications included. The time is counted in calls of functions,
so that it does not depend on what else the machine does.
"""

from __future__ import annotations

import contextlib
import sys
from typing import Any, Callable, Dict, Iterator, List, NamedTuple

import pytest
from support import dbmodules
from support.dbmodules import ModuleHost
from support.poller import run_scheduler
from support.portcluster import Cluster
from support.redisserver import RedisServer
from support.tcpproxy import TcpProxy
from support.zkserver import Ensemble, require_zookeeper

from vlcp.protocol.zookeeper import jute
from vlcp.service.connection import _znodes as znodes
from vlcp.service.connection._codec import Codec
from vlcp.service.connection._sqlitefile import SqliteFile, Writes
from vlcp.service.connection.redisdb import RedisDB
from vlcp.service.connection.sqlitedb import SQLiteDB
from vlcp.service.connection.zookeeperdb import ZooKeeperDB
from vlcp.service.kvdb.objectdb import ObjectDB
from vlcp.service.kvdb.redisnotifier import RedisNotifier, UpdateNotifier
from vlcp.service.kvdb.storage import KVStorage
from vlcp.service.sdn.viperflow import ViperFlow

SIZES = (1000, 20000)
_CHANGES = 30
_FIRST = 3
_CHUNK = 500


class Cost(NamedTuple):
    """Means of one change."""

    bytes: float
    round_trips: float
    calls: float


@pytest.fixture(scope="module")
def clusters() -> Dict[int, Cluster]:
    """Databases by their number of ports."""
    return {size: Cluster().grown_to(size, 10000) for size in SIZES}


def packed(cluster: Cluster) -> List[List[Any]]:
    """Return (key, stored bytes) of a database, in chunks."""
    codec = Codec()
    pairs = [(key, codec.pack(text.encode("ascii"))) for key, text in cluster.store.data.items()]
    return [pairs[begin : begin + _CHUNK] for begin in range(0, len(pairs), _CHUNK)]


class Place:
    """A store for one database.

    :ivar modules: the modules of the store, the one behind ``kvstorage`` first
    """

    modules: tuple = ()

    def config(self) -> Dict[str, Any]:
        """Return the configuration of the modules."""
        raise NotImplementedError

    async def fill(self, database: Any, cluster: Cluster) -> None:
        """Write a whole database."""
        raise NotImplementedError

    def passed(self) -> tuple[int, int]:
        """Return (bytes, round trips) since the beginning."""
        raise NotImplementedError


class SqlitePlace(Place):
    """A file. What passes is what its two threads read and write."""

    modules = (SQLiteDB,)

    def __init__(self, directory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self._path = str(directory / "cost.sqlite")
        self._bytes = self._jobs = 0
        rows, write, read, commit = SqliteFile._rows, SqliteFile._write, SqliteFile.read, SqliteFile.commit

        def counted_rows(file: Any, *arguments: Any) -> Any:
            found = rows(file, *arguments)
            self._bytes += sum(len(key) + len(row.data or b"") for key, row in found.items())
            return found

        def counted_write(file: Any, seq: int, wanted: Writes) -> None:
            self._bytes += sum(len(key) + len(data or b"") for key, data in wanted.writes.items())
            write(file, seq, wanted)

        def counted(job: Callable[..., Any]) -> Callable[..., Any]:
            def run(*arguments: Any) -> Any:
                self._jobs += 1
                return job(*arguments)

            return run

        for name, function in (("_rows", counted_rows), ("_write", counted_write)):
            monkeypatch.setattr(SqliteFile, name, function)
        for name, function in (("read", counted(read)), ("commit", counted(commit))):
            monkeypatch.setattr(SqliteFile, name, function)

    def config(self) -> Dict[str, Any]:
        """Return the path, and look seldom for commits of others."""
        return {"module.sqlitedb.path": self._path, "module.sqlitedb.pollinterval": 60}

    async def fill(self, database: Any, cluster: Cluster) -> None:
        """Write a whole database."""
        file = SqliteFile(self._path, "filler")
        file.open(0, False)
        now = file.read((), {}, ("", 0), 0)
        data = {key: value for chunk in packed(cluster) for key, value in chunk}
        assert file.commit(Writes(now.store, {}, data, None, now.clock + 1, []), 0, lambda found: None, lambda: True)
        file.close()

    def passed(self) -> tuple[int, int]:
        """Return (bytes, jobs) since the beginning."""
        return self._bytes, self._jobs


class RedisPlace(Place):
    """A server behind a proxy."""

    modules = (RedisDB, RedisNotifier)

    def __init__(self, proxy: TcpProxy) -> None:
        self._proxy = proxy

    def config(self) -> Dict[str, Any]:
        """Return the address."""
        return {"module.redisdb.url": self._proxy.url}

    async def fill(self, database: Any, cluster: Cluster) -> None:
        """Write a whole database."""
        client, _, _ = database.getclient()
        for chunk in packed(cluster):
            await client.execute_command(database.apiroutine, "MSET", *[part for pair in chunk for part in pair])

    def passed(self) -> tuple[int, int]:
        """Return (bytes, round trips) since the beginning."""
        return self._proxy.passed, self._proxy.turns


class ZooKeeperPlace(RedisPlace):
    """A server behind a proxy."""

    modules = (ZooKeeperDB,)

    def config(self) -> Dict[str, Any]:
        """Return the address."""
        return {"module.zookeeperdb.url": self._proxy.url + "cost"}

    async def fill(self, database: Any, cluster: Cluster) -> None:
        """Write a whole database."""
        client, _, _ = database.getclient()
        layout = znodes.Layout(client.chroot)
        for chunk in packed(cluster):
            parts = []
            for key, data in chunk:
                parts.append(jute.create_part(layout.key(key)))
                parts.append(jute.create_part(layout.key(key) + "/" + znodes.data_name(0), data))
                parts.append(jute.create_part(layout.channel(key)))
            replies, _, _, _ = await client.requests([jute.multi_call(parts)], database.apiroutine)
            assert not jute.multi_error(replies[0])[0]


@contextlib.contextmanager
def opened(name: str, directory: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """Return an empty store."""
    directory.mkdir()
    with contextlib.ExitStack() as stack:
        if name == "sqlite":
            yield SqlitePlace(directory, monkeypatch)
        elif name == "redis":
            server = stack.enter_context(RedisServer(directory, ("--appendonly", "no")))
            yield RedisPlace(stack.enter_context(TcpProxy("127.0.0.1", server.port)))
        else:
            ensemble = stack.enter_context(Ensemble(directory))
            yield ZooKeeperPlace(stack.enter_context(TcpProxy("127.0.0.1", ensemble.nodes[0].port)))


@contextlib.contextmanager
def counted_calls() -> Iterator[List[int]]:
    """Count calls of functions in this thread."""
    count = [0]

    def note(frame: Any, event: str, argument: Any) -> None:
        if event in ("call", "c_call"):
            count[0] += 1

    sys.setprofile(note)
    try:
        yield count
    finally:
        sys.setprofile(None)


async def costs(container: Any, place: Place, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Cost:
    """Return what creating one port costs."""
    host = ModuleHost(container)
    database = (await host.start(*place.modules[:1]))[0]
    try:
        await database.mset([("ready", 1)])
        await place.fill(database, cluster)
        monkeypatch.setattr(RedisNotifier, "redisdb", database)
        await host.start(*place.modules[1:], KVStorage, UpdateNotifier, ObjectDB, ViperFlow)

        async def create(count: int) -> None:
            for _ in range(count):
                (made,) = await host.call("viperflow", "createlogicalport", **cluster.next_port())
                assert made["ip_address"]

        await create(_FIRST)
        before = place.passed()
        with counted_calls() as calls:
            await create(_CHANGES)
        after = place.passed()
        return Cost(*[(new - old) / _CHANGES for new, old in zip(after, before)], calls[0] / _CHANGES)
    finally:
        await host.stop()


@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", ["sqlite", pytest.param("redis", marks=pytest.mark.redis), "zookeeper"])
def test_one_port_costs_the_same_with_a_thousand_and_with_twenty_thousand(name, clusters, tmp_path, monkeypatch):
    if name == "zookeeper":
        require_zookeeper()
    found = {}
    for size, cluster in clusters.items():
        with opened(name, tmp_path / str(size), monkeypatch) as place, configured(place):
            found[size] = run_scheduler(lambda container: costs(container, place, cluster, monkeypatch), 100)  # noqa: B023
    print(name, found)
    small, large = (found[size] for size in SIZES)
    assert min(small) > 0
    for kind, one, other in zip(Cost._fields, small, large):
        assert abs(other - one) < 0.2 * one, (kind, found)


def configured(place: Place) -> Any:
    """Configure the proxies for a store, for the time of a block."""
    modules = place.modules
    proxies = {"proxy.kvstorage": path_of(modules[0]), "proxy.updatenotifier": path_of(modules[-1])}
    return dbmodules.configured(**proxies, **place.config())


def path_of(cls: Any) -> str:
    """Return the dotted name of a class."""
    return "%s.%s" % (cls.__module__, cls.__qualname__)
