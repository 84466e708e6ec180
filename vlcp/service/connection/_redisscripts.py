"""What a Redis transaction sends and how its replies read: pure.

A transaction is committed by one script. It writes only if every key that the transaction has read still has the same value
(compared by SHA1, so that large values need not travel), if the time stamps are later than all before, if its time is not over,
and if it was not cancelled; otherwise it returns what is there. It leaves a mark when it has written. So a transaction whose
reply was lost can be settled: :data:`SETTLE` either finds the mark, or cancels the transaction for good.
"""

from __future__ import annotations

import hashlib
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

RESERVED = "vlcp._reserved."
"Keys that begin so are not data."
CLOCK = RESERVED + "redisdb.clock"
"The last time stamp of all transactions, microseconds."
CLUSTER_LOCK = RESERVED + "redisdb.connwriteblock"
"Taken for a moment by transactions that have met many conflicts, on all controllers."
MARK = RESERVED + "redisdb.commit."
"Followed by the name of the writer: serial number of its last transaction, negative when that was cancelled."

_MARK_MS = 4000
"""Longer than a commit may take together with settling it, which is 2.8 s (``PATIENCE`` and the time for settling)."""
_CLOCK_MS = 86400000
_AHEAD_US = 1000000

# KEYS: mark, clock, keys that were read, keys to set, keys to delete
# ARGV: serial number, last moment (us), first and last time stamp (us), number of keys that were read, of keys to set, of keys
#       to delete, of messages, lifetime of the values (ms, 0 for ever); SHA1 of what was read (empty: no such key), values to
#       set, then channel and message of each message
# 0: it was cancelled; time of the server (us): written; a list: not written, see refusal_of
COMMIT = f"""
local reads, sets, deletes, messages = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
if redis.call('GET', KEYS[1]) == '-' .. ARGV[1] then return 0 end
local time = redis.call('TIME')
local now, stamp = time[1] * 1000000 + time[2], tonumber(ARGV[3])
local clock = tonumber(redis.call('GET', KEYS[2]) or '0') or 0
local fits = now <= tonumber(ARGV[2]) and clock < stamp and stamp < math.max(now, clock) + {_AHEAD_US}
local present = {{now, clock}}
for i = 1, reads do
  local value = redis.call('MGET', KEYS[2 + i])[1]
  fits = fits and (value and redis.sha1hex(value) or '') == ARGV[9 + i]
  present[2 + i] = value
end
if not fits then return present end
local key, value = 2 + reads, 9 + reads
for i = 1, sets do
  if ARGV[9] == '0' then
    redis.call('SET', KEYS[key + i], ARGV[value + i])
  else
    redis.call('SET', KEYS[key + i], ARGV[value + i], 'PX', ARGV[9])
  end
end
for i = 1, deletes do redis.call('DEL', KEYS[key + sets + i]) end
redis.call('SET', KEYS[2], ARGV[4], 'PX', {_CLOCK_MS})
redis.call('SET', KEYS[1], ARGV[1], 'PX', {_MARK_MS})
for i = 1, messages do redis.call('PUBLISH', ARGV[value + sets + 2 * i - 1], ARGV[value + sets + 2 * i]) end
return now
"""
COMMIT_SHA1 = hashlib.sha1(COMMIT.encode()).hexdigest()

# KEYS: mark; ARGV: serial number. 1: it was carried out; 0: it was not and will not be.
SETTLE = f"""
if redis.call('GET', KEYS[1]) == ARGV[1] then return 1 end
redis.call('SET', KEYS[1], '-' .. ARGV[1], 'PX', {_MARK_MS})
return 0
"""

Data = Dict[str, Optional[bytes]]
"""Stored bytes of keys; None: there is no such key."""


class Snapshot(NamedTuple):
    """What keys are at one moment."""

    data: Data
    now: int
    "time of the server, us"
    clock: int
    "last time stamp of all transactions, us; 0 if there is none"


class Writes(NamedTuple):
    """What a transaction has read and what it writes: None as bytes deletes."""

    reads: Data
    data: Data
    first: int
    "first time stamp, us"
    last: int
    lifetime_ms: int
    messages: Sequence[Tuple[str, bytes]]
    "channels and what is published there"


def read_commands(keys: Sequence[str]) -> List[Tuple[str, ...]]:
    """Return the commands that read ``keys`` and the time."""
    return [("MGET", CLOCK, *keys), ("TIME",)]


def snapshot_of(keys: Sequence[str], replies: Sequence[Any]) -> Snapshot:
    """Return what the replies to :func:`read_commands` say.

    :raises ValueError: they are not of that form
    """
    values, moment = replies
    if not isinstance(values, list) or len(values) != len(keys) + 1 or not isinstance(moment, list) or len(moment) != 2:
        raise ValueError("not the replies of a read: %.200r" % (replies,))
    clock = values[0]
    stored = int(clock) if clock is not None and clock.isdigit() else 0
    return Snapshot(dict(zip(keys, values[1:])), int(moment[0]) * 1000000 + int(moment[1]), stored)


def refusal_of(keys: Sequence[str], reply: Any) -> Snapshot:
    """Return what a commit says that was not carried out because something has changed.

    :param keys: keys of ``Writes.reads``
    :raises ValueError: it does not say that
    """
    if not isinstance(reply, list) or len(reply) != len(keys) + 2 or not all(isinstance(one, int) for one in reply[:2]):
        raise ValueError("not the reply of a commit: %.200r" % (reply,))
    return Snapshot(dict(zip(keys, reply[2:])), reply[0], reply[1])


def commit_command(mark: str, serial: int, last_moment: int, writes: Writes) -> List[Any]:
    """Return the command that writes.

    :param mark: key of the mark
    :param serial: number of the transaction, unique for this mark
    :param last_moment: time of the server after which nothing is written, us
    """
    sets = {key: data for key, data in writes.data.items() if data is not None}
    deletes = [key for key, data in writes.data.items() if data is None]
    digests = ["" if data is None else hashlib.sha1(data).hexdigest() for data in writes.reads.values()]
    keys = [mark, CLOCK, *writes.reads, *sets, *deletes]
    counts = [len(digests), len(sets), len(deletes), len(writes.messages)]
    numbers = [serial, last_moment, writes.first, writes.last, *counts, writes.lifetime_ms]
    messages = [part for message in writes.messages for part in message]
    return ["EVALSHA", COMMIT_SHA1, len(keys), *keys, *numbers, *digests, *sets.values(), *messages]
