"""Transactions on ZooKeeper that are committed together: pure evaluation and choice."""

from __future__ import annotations

from typing import Any, Dict, Iterable, NamedTuple, Optional, Sequence, Tuple

from vlcp.service.connection._batches import Update
from vlcp.service.connection._codec import Codec
from vlcp.utils.jsonencoder import plain_copy


class Entry(NamedTuple):
    """A value that was read."""

    name: str
    "name of the version's node; '' if there is none"
    parent: int
    "zxid that created the node of the key"
    zxid: int
    "zxid that wrote the version"
    ctime: int
    "when it was written, in ms; 0 if this process wrote it"
    value: Any
    "never changed; None if it is deleted"


MISSING = Entry("", 0, 0, 0, None)


class State(NamedTuple):
    """A key after a commit of this process."""

    entry: Entry
    cversion: int
    "number of changes among its children"

    def holds(self, stat: Any) -> bool:
        """Return whether nothing but one barrier has come since.

        :param stat: of the node of the key
        """
        return stat.czxid == self.entry.parent and stat.cversion == self.cversion + 1


class Evaluation(NamedTuple):
    """What a batch wants to write."""

    values: Dict[str, Any]
    data: Dict[str, bytes]
    "content of the new versions, empty for a deletion"
    versions: Dict[str, Optional[Tuple[int, int]]]
    clock: int
    "last time stamp that was given out"


def first_time(now: int, clock: int, entries: Iterable[Entry]) -> int:
    """Return the time stamp in us of a transaction.

    It is later than those of all transactions before it on the same keys, although ZooKeeper counts in ms.

    :param now: time of the barriers in ms
    :param clock: last time stamp that this process knows of
    :param entries: what the transaction reads
    """
    floor = max((entry.ctime for entry in entries), default=0)
    return max(now * 1000, clock + 1, (floor + 1) * 1000 if floor >= now else 0)


def evaluate(updates: Sequence[Update], entries: Dict[str, Entry], now: int, codec: Codec) -> Evaluation:
    """Run the updaters one after another, each on what the former ones leave.

    The result or the exception of each is set on the update itself; one that fails writes nothing.

    :param entries: present values of all keys of the updates
    :param now: time stamp of the first update; each later one has a later one
    """
    result = Evaluation({}, {}, {}, now - 1)
    for update in updates:
        update.error = None
        try:
            written, data = _evaluate_one(update, entries, result.values, now, codec)
        except Exception as error:
            update.error = error
            continue
        result.values.update(written)
        result.data.update(data)
        result.versions.update((key, _version(value, now)) for key, value in written.items())
        now += 1
    return result._replace(clock=now - 1)


def _evaluate_one(
    update: Update, entries: Dict[str, Entry], values: Dict[str, Any], now: int, codec: Codec
) -> Tuple[Dict[str, Any], Dict[str, bytes]]:
    present = [plain_copy(values[key] if key in values else entries[key].value) for key in update.keys]
    update.result = update.updater(update.keys, tuple(present), now)
    updated_keys, updated_values = update.result
    written: Dict[str, Any] = {}
    data: Dict[str, bytes] = {}
    for key, value in zip(updated_keys, updated_values):
        data[key] = b"" if value is None else codec.pack(codec.encode(value))
        written[key] = plain_copy(value)
    return written, data


def _version(value: Any, now: int) -> Optional[Tuple[int, int]]:
    if value is None:
        return now, -1
    created, number = getattr(value, "kvdb_createtime", None), getattr(value, "kvdb_updateversion", None)
    return None if created is None or number is None else (created, number)
