"""Transactions on Redis that are committed together: pure evaluation of their updaters on one snapshot."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

from vlcp.service.connection._batches import Update
from vlcp.service.connection._codec import Codec
from vlcp.service.connection._redisscripts import RESERVED, Data, Writes
from vlcp.utils.jsonencoder import plain_copy

Announcer = Callable[[List[Tuple[str, Any, Any]]], Sequence[Tuple[str, bytes]]]
"""Gets (key, time of creation, number of writes) of each written key, returns (channel, message) to publish."""


class Evaluation(NamedTuple):
    """What a batch of updates wants to write: for the server, and as values."""

    writes: Writes
    values: Dict[str, Any]
    "never changed; None is deleted"


def evaluate(
    updates: Sequence[Update],
    present: Data,
    decode: Callable[[str, Optional[bytes]], Any],
    first: int,
    codec: Codec,
    announcer: Optional[Announcer],
    known: Callable[[Sequence[str]], Optional[Data]] = lambda keys: None,
) -> Evaluation:
    """Run the updaters one after another, each on what the former ones leave.

    The result or the exception of each is set on the update itself; one that fails writes nothing.

    :param present: stored bytes of all keys of the updates; those that are needed besides are added
    :param decode: returns the value of a key and its bytes, which must not be changed
    :param first: time stamp of the first update; each later one has a later one
    :param announcer: None publishes nothing
    :param known: returns stored bytes of keys if they are known, else None. An updater that raises an exception with an
        attribute ``wanted_keys`` runs again with these keys, too, when they are
    """
    values: Dict[str, Any] = {}
    data: Data = {}
    messages: List[Tuple[str, bytes]] = []
    now = first
    for update in updates:
        update.error = None
        try:
            written, encoded = _evaluate_until_known(update, present, values, decode, now, codec, known)
        except Exception as error:
            update.error = error
            continue
        values.update(written)
        data.update(encoded)
        if announcer is not None and written:
            messages.extend(announcer([_version(key, value, now) for key, value in written.items()]))
        now += 1
    return Evaluation(Writes(present, data, first, now - 1, lifetime(updates[0].timeout) or 0, messages), values)


def lifetime(timeout: Optional[float]) -> Optional[int]:
    """Return for how many ms values with a time-out live; 0 not at all, None for ever."""
    return None if timeout is None else max(int(timeout * 1000), 0)


def _evaluate_until_known(
    update: Update,
    present: Data,
    values: Dict[str, Any],
    decode: Callable[..., Any],
    now: int,
    codec: Codec,
    known: Callable[[Sequence[str]], Optional[Data]],
) -> Tuple[Dict[str, Any], Data]:
    while True:
        try:
            return _evaluate_one(update, present, values, decode, now, codec)
        except Exception as error:
            wanted = [key for key in getattr(error, "wanted_keys", ()) if key not in update.keys]
            found = known([key for key in wanted if key not in present]) if wanted else None
            if found is None:
                raise
            present.update(found)
            update.keys += tuple(wanted)


def _evaluate_one(
    update: Update, present: Data, values: Dict[str, Any], decode: Callable[..., Any], now: int, codec: Codec
) -> Tuple[Dict[str, Any], Data]:
    seen = [plain_copy(values[key] if key in values else decode(key, present[key])) for key in update.keys]
    update.result = update.updater(update.keys, tuple(seen), now)
    updated_keys, updated_values = update.result
    changed = dict(zip(updated_keys, updated_values))
    if any(key.startswith(RESERVED) for key in changed):
        raise ValueError("keys that begin with %r are reserved" % (RESERVED,))
    if lifetime(update.timeout) == 0:
        changed = dict.fromkeys(changed)
    data = {key: None if value is None else codec.pack(codec.encode(value)) for key, value in changed.items()}
    return {key: plain_copy(value) for key, value in changed.items()}, data


def _version(key: str, value: Any, now: int) -> Tuple[str, Any, Any]:
    if value is None:
        return key, now, -1
    return key, getattr(value, "kvdb_createtime", None), getattr(value, "kvdb_updateversion", None)
