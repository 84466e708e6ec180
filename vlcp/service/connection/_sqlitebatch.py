"""Updates that are committed together: pure evaluation of their updaters on one snapshot."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import Any, Callable, Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple

from vlcp.service.connection._codec import Codec
from vlcp.service.connection._sqlitefile import Writes
from vlcp.utils.jsonencoder import plain_copy


class Entry(NamedTuple):
    """A value of the store: number of the commit that wrote it (0: there is none), and the value, never changed."""

    seq: int
    value: Any


class Cache:
    """The entries used last; a change by another process removes them.

    :param limit: number of entries that are kept
    """

    def __init__(self, limit: int) -> None:
        self._entries: OrderedDict = OrderedDict()
        self._limit = limit

    def get(self, key: str) -> Optional[Entry]:
        """Return the entry of ``key``, or None when it is not known."""
        entry = self._entries.get(key)
        if entry is not None:
            self._entries.move_to_end(key)
        return entry

    def update(self, entries: Dict[str, Entry]) -> None:
        """Remember ``entries``."""
        for key, entry in entries.items():
            self._entries[key] = entry
            self._entries.move_to_end(key)
        while len(self._entries) > self._limit:
            self._entries.popitem(last=False)

    def forget(self, keys: Iterable[str]) -> None:
        """Forget ``keys``."""
        for key in keys:
            self._entries.pop(key, None)

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()


class Update:
    """One transaction that waits to be carried out.

    :param keys: keys whose values the updater gets
    :param updater: ``updater(keys, values, timestamp)`` returns (keys, values) to write
    :param timeout: seconds until the written values expire, or None
    :param job: its deadline and its future
    """

    def __init__(self, keys: Sequence[str], updater: Callable[..., Any], timeout: Optional[float], job: Any) -> None:
        self.keys = tuple(keys)
        self.updater = updater
        self.timeout = timeout
        self.job = job
        self.result: Any = None
        self.error: Optional[Exception] = None


class Evaluation(NamedTuple):
    """What a batch of updates wants to write: for the store, and as entries without commit number."""

    writes: Writes
    values: Dict[str, Any]


def evaluate(updates: Sequence[Update], store: str, entries: Dict[str, Entry], clock: int, codec: Codec) -> Evaluation:
    """Run the updaters one after another, each on what the former ones leave.

    The result or the exception of each is set on the update itself; one that fails writes nothing.

    :param store: name of the store that ``entries`` are from
    :param entries: present values of all keys of the updates
    :param clock: last time stamp; those of the updates are later
    """
    now = max(time.time_ns() // 1000, clock + 1)
    encoded: Dict[str, Optional[bytes]] = {}
    values: Dict[str, Any] = {}
    for update in updates:
        try:
            update.error = None
            written, data = _evaluate_one(update, entries, values, now, codec)
        except Exception as error:
            update.error = error
            continue
        encoded.update(data)
        values.update(written)
        now += 1
    reads = {key: entry.seq for key, entry in entries.items()}
    expire = None
    if updates[0].timeout is not None:
        expire = now + int(updates[0].timeout * 1000000)
    noted = [noted_change(key, value, now) for key, value in values.items()]
    return Evaluation(Writes(store, reads, encoded, expire, now, noted), values)


def _evaluate_one(
    update: Update, entries: Dict[str, Entry], values: Dict[str, Any], now: int, codec: Codec
) -> Tuple[Dict[str, Any], Dict[str, Optional[bytes]]]:
    present = [plain_copy(values[key] if key in values else entries[key].value) for key in update.keys]
    update.result = update.updater(update.keys, tuple(present), now)
    updated_keys, updated_values = update.result
    written: Dict[str, Any] = {}
    data: Dict[str, Optional[bytes]] = {}
    for key, value in zip(updated_keys, updated_values):
        if update.timeout is not None and update.timeout <= 0:
            value = None
        data[key] = None if value is None else codec.encode(value)
        written[key] = plain_copy(value)
    return written, data


def noted_change(key: str, value: Any, now: int) -> List[Any]:
    """Return what is told to others of a change: key and version."""
    if value is None:
        return [key, now, -1]
    return [key, getattr(value, "kvdb_createtime", None), getattr(value, "kvdb_updateversion", None)]
