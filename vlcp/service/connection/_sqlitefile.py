"""The SQLite file of the embedded store: schema, snapshots, commits. Runs in the store's threads.

Tables: ``kv`` (key, number of the commit that wrote it, expiry in us, value), ``meta`` (one row: random
name of the store, number of the last commit, last time stamp) and ``changes`` (the last commits with their keys, from which
other processes learn what changed).
"""

from __future__ import annotations

import json
import os
import random
import sqlite3
import time
import zlib
from contextlib import contextmanager
from typing import Any, Callable, Dict, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from vlcp.utils.exceptions import StorageUnavailableException

KEPT_COMMITS = 1000
"""So many commits stay in ``changes``; who missed more reads everything again."""
MAX_CHANGED_KEYS = 20000
"""A commit of more keys is noted without them: everything may have changed."""
LAYOUT = 1

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS kv (key TEXT PRIMARY KEY NOT NULL, seq INTEGER NOT NULL, expire INTEGER, value BLOB)",
    "CREATE INDEX IF NOT EXISTS kv_expire ON kv (expire) WHERE expire IS NOT NULL",
    "CREATE TABLE IF NOT EXISTS meta (id INTEGER PRIMARY KEY CHECK (id = 1), store TEXT NOT NULL, "
    "seq INTEGER NOT NULL, clock INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS changes (seq INTEGER PRIMARY KEY, origin TEXT NOT NULL, keys BLOB)",
    "INSERT OR IGNORE INTO meta VALUES (1, lower(hex(randomblob(16))), 0, 0)",
    "PRAGMA user_version = %d" % (LAYOUT,),
)
_BUSY = ("database is locked", "database table is locked", "database schema is locked")


class Row(NamedTuple):
    """A stored value: number of the commit that wrote it (0: there is none) and bytes (None: as known)."""

    seq: int
    data: Optional[bytes]


class Change(NamedTuple):
    """One commit; ``keys`` is a list of [key, createtime, updateversion], or None when there are too many."""

    seq: int
    origin: str
    keys: Optional[List[List[Any]]]


class Snapshot(NamedTuple):
    """Values of one moment.

    ``store`` names the store; ``seq`` and ``clock`` are those of the last commit; ``changes`` the commits
    since the reader's last snapshot, None when they are not known.
    """

    store: str
    seq: int
    clock: int
    rows: Dict[str, Row]
    changes: Optional[List[Change]]


class Writes(NamedTuple):
    """A commit to be made.

    :param store: name of the store that was read
    :param reads: {key: commit number it must still have}
    :param writes: {key: bytes or None to delete}
    :param expire: us when the written values expire, or None
    :param clock: time stamp; it must be later than the last one
    :param keys: what is noted in ``changes``
    """

    store: str
    reads: Dict[str, int]
    writes: Dict[str, Optional[bytes]]
    expire: Optional[int]
    clock: int
    keys: List[List[Any]]


class Conflict(Exception):
    """Another process changed what a commit had read."""


class SqliteFile:
    """One connection to the file.

    :param path: the file; its directory is made when it is missing
    :param origin: name of this process in ``changes``
    """

    def __init__(self, path: str, origin: str) -> None:
        self.path = path
        self.origin = origin
        self._connection: Optional[sqlite3.Connection] = None
        self._identity: Any = None
        self._data_version: Any = None

    def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def open(self, deadline: float, create: bool) -> None:
        """Connect, unless connected to the file that is there now.

        :param deadline: ``time.monotonic()`` until which a locked file is waited for
        :param create: make the file when it is missing
        :raises StorageUnavailableException: no connection; the next call tries again
        """
        with self._failures():
            if self._connection is not None:
                if self._identity == self._stat():
                    return
                self.close()
            if create:
                os.makedirs(os.path.dirname(os.path.abspath(self.path)), exist_ok=True)
            uri = "file:%s?mode=%s" % (_quoted(os.path.abspath(self.path)), "rwc" if create else "rw")
            self._connection = sqlite3.connect(
                uri, uri=True, isolation_level=None, timeout=0, check_same_thread=False, cached_statements=64
            )
            self._prepare(deadline)
            self._identity = self._stat()

    def _prepare(self, deadline: float) -> None:
        self._patiently("PRAGMA journal_mode=WAL", deadline)
        self._patiently("PRAGMA synchronous=FULL", deadline)
        if not self._patiently("PRAGMA user_version", deadline)[0][0]:
            self._patiently("BEGIN IMMEDIATE", deadline)
            with self._ended():
                for statement in _SCHEMA:
                    self._run(statement)
        layout = self._patiently("PRAGMA user_version", deadline)[0][0]
        if layout != LAYOUT:
            raise StorageUnavailableException("%s: layout %r is not known" % (self.path, layout))

    def _stat(self) -> Tuple[int, int]:
        found = os.stat(self.path)
        return found.st_dev, found.st_ino

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            self.close()
            raise StorageUnavailableException("%s: %s" % (self.path, error)) from error
        except StorageUnavailableException:
            self.close()
            raise

    def _run(self, statement: str, values: Sequence[Any] = ()) -> List[Any]:
        if self._connection is None:
            raise StorageUnavailableException("%s: not connected" % (self.path,))
        return self._connection.execute(statement, values).fetchall()

    def _patiently(self, statement: str, deadline: float, cancelled: Callable[[], bool] = lambda: False) -> List[Any]:
        pause = 0.001
        while True:
            try:
                return self._run(statement)
            except sqlite3.OperationalError as error:
                if str(error) not in _BUSY:
                    raise
                if time.monotonic() > deadline or cancelled():
                    raise StorageUnavailableException("%s is locked by another process" % (self.path,)) from error
            time.sleep(pause * (0.5 + random.random()))
            pause = min(pause * 1.5, 0.02)

    @contextmanager
    def _ended(self) -> Iterator[None]:
        try:
            yield
            self._run("COMMIT")
        finally:
            if self._connection is not None and self._connection.in_transaction:
                self._connection.rollback()

    def read(self, keys: Iterable[str], known: Dict[str, int], since: Tuple[str, int], deadline: float) -> Snapshot:
        """Return one snapshot of ``keys``.

        :param known: {key: commit number}: values that need not be read when they still have it
        :param since: name of the store and number of the last commit that the caller knows. When the store
                      is another one, ``known`` counts for nothing
        :param deadline: as in :meth:`open`
        :raises StorageUnavailableException: the file cannot be read
        """
        self.open(deadline, False)
        with self._failures():
            self._patiently("BEGIN", deadline)
            with self._ended():
                return self._snapshot(list(keys), known, since)

    def _snapshot(self, keys: List[str], known: Dict[str, int], since: Tuple[str, int]) -> Snapshot:
        ((store, seq, clock),) = self._run("SELECT store, seq, clock FROM meta")
        if since[0] != store:
            return Snapshot(store, seq, clock, self._rows(keys, {}), None)
        return Snapshot(store, seq, clock, self._rows(keys, known), self._changes(since[1], seq))

    def _versions(self, keys: Iterable[str]) -> Dict[str, int]:
        wanted = json.dumps(list(keys))
        now = time.time_ns() // 1000
        return dict(
            self._run(
                "SELECT key, seq FROM kv WHERE key IN (SELECT value FROM json_each(?)) AND (expire IS NULL OR expire > ?)",
                (wanted, now),
            )
        )

    def _rows(self, keys: List[str], known: Dict[str, int]) -> Dict[str, Row]:
        if not keys:
            return {}
        versions = self._versions(keys)
        rows = {key: Row(versions.get(key, 0), None) for key in keys}
        wanted = [key for key, seq in versions.items() if known.get(key) != seq]
        if wanted:
            found = self._run(
                "SELECT key, seq, value FROM kv WHERE key IN (SELECT value FROM json_each(?))", (json.dumps(wanted),)
            )
            rows.update((key, Row(seq, value)) for key, seq, value in found)
        return rows

    def _changes(self, since: int, last: int) -> Optional[List[Change]]:
        if since >= last:
            return []
        found = self._run("SELECT seq, origin, keys FROM changes WHERE seq > ? ORDER BY seq", (since,))
        if len(found) != last - since:
            return None
        return [Change(seq, origin, _unpacked(keys)) for seq, origin, keys in found]

    def has_news(self) -> bool:
        """Return whether another connection committed since the last call, or the file is another one.

        :raises StorageUnavailableException: the file cannot be read now
        """
        self.open(time.monotonic(), False)
        with self._failures():
            version = (self._identity, self._run("PRAGMA data_version"))
            changed, self._data_version = version != self._data_version, version
            return changed

    def list_keys(self, deadline: float) -> List[str]:
        """Return all keys.

        :raises StorageUnavailableException: the file cannot be read
        """
        self.open(deadline, False)
        with self._failures():
            return [key for (key,) in self._patiently("SELECT key FROM kv ORDER BY key", deadline)]

    def commit(
        self,
        first: Writes,
        deadline: float,
        retry: Callable[[Snapshot], Optional[Writes]],
        confirm: Callable[[], bool],
    ) -> int:
        """Make a commit; return its number, or 0 when there was nothing to write.

        :param retry: called, while the file is locked for others, with the present values of ``reads`` when they
                      are not those expected; returns the new commit, or None to give up. It
                      runs in the same thread
        :param confirm: called last before the commit; False gives up
        :raises StorageUnavailableException: nothing was written
        :raises Conflict: ``retry`` or ``confirm`` gave up; nothing was written
        """
        self.open(deadline, False)
        with self._failures():
            self._patiently("BEGIN IMMEDIATE", deadline)
            with self._ended():
                ((store, seq, clock),) = self._run("SELECT store, seq, clock FROM meta")
                wanted: Optional[Writes] = first
                if store != first.store or clock >= first.clock or not self._unchanged(first.reads):
                    wanted = retry(Snapshot(store, seq, clock, self._rows(list(first.reads), {}), []))
                if wanted is None or not confirm():
                    raise Conflict(self.path)
                if not wanted.writes:
                    return 0
                self._write(seq + 1, wanted)
            return seq + 1

    def _unchanged(self, reads: Dict[str, int]) -> bool:
        if not reads:
            return True
        versions = self._versions(reads)
        return all(versions.get(key, 0) == seq for key, seq in reads.items())

    def _write(self, seq: int, wanted: Writes) -> None:
        connection = self._connection
        if connection is None:
            raise StorageUnavailableException("%s: not connected" % (self.path,))
        connection.executemany(
            "INSERT INTO kv (key, seq, expire, value) VALUES (?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET "
            "seq = excluded.seq, expire = excluded.expire, value = excluded.value",
            [(key, seq, wanted.expire, data) for key, data in wanted.writes.items() if data is not None],
        )
        gone = [(key,) for key, data in wanted.writes.items() if data is None]
        if gone:
            connection.executemany("DELETE FROM kv WHERE key = ?", gone)
        self._run("DELETE FROM kv WHERE expire <= ?", (time.time_ns() // 1000,))
        self._run("INSERT INTO changes VALUES (?, ?, ?)", (seq, self.origin, _packed(wanted.keys)))
        self._run("DELETE FROM changes WHERE seq <= ?", (seq - KEPT_COMMITS,))
        self._run("UPDATE meta SET seq = ?, clock = ?", (seq, wanted.clock))


def _quoted(path: str) -> str:
    return path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def _packed(keys: List[List[Any]]) -> Optional[bytes]:
    if len(keys) > MAX_CHANGED_KEYS:
        return None
    return zlib.compress(json.dumps(keys).encode("ascii"), 1)


def _unpacked(data: Optional[bytes]) -> Optional[List[List[Any]]]:
    return None if data is None else json.loads(zlib.decompress(data))
