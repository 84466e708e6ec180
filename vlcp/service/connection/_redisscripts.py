"""What a Redis transaction sends and how its replies read: pure.

A transaction writes with one script inside MULTI/EXEC, which EXEC refuses when a watched key has changed. The script writes
nothing when its time is over or when it was cancelled, and leaves a mark when it has written. So a transaction whose reply was
lost can be settled: :data:`SETTLE` either finds the mark, or cancels the transaction for good.
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

_MARK_MS = 30000
_CLOCK_MS = 86400000

# KEYS: mark, clock, keys to set, keys to delete
# ARGV: serial number, last moment (us), time stamp (us), number of keys to set, of keys to delete, of messages,
#       lifetime of the values (ms, 0 for ever), values, then channel and message of each message
COMMIT = f"""
local sets, deletes, messages = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
if redis.call('GET', KEYS[1]) == '-' .. ARGV[1] then return 0 end
local now = redis.call('TIME')
if now[1] * 1000000 + now[2] > tonumber(ARGV[2]) then return 0 end
for i = 1, sets do
  if ARGV[7] == '0' then
    redis.call('SET', KEYS[2 + i], ARGV[7 + i])
  else
    redis.call('SET', KEYS[2 + i], ARGV[7 + i], 'PX', ARGV[7])
  end
end
for i = 1, deletes do redis.call('DEL', KEYS[2 + sets + i]) end
local clock = redis.call('GET', KEYS[2])
if not clock or (tonumber(clock) or 0) < tonumber(ARGV[3]) then
  redis.call('SET', KEYS[2], ARGV[3], 'PX', {_CLOCK_MS})
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', {_MARK_MS})
for i = 1, messages do redis.call('PUBLISH', ARGV[6 + sets + 2 * i], ARGV[7 + sets + 2 * i]) end
return 1
"""
COMMIT_SHA1 = hashlib.sha1(COMMIT.encode()).hexdigest()

# KEYS: mark; ARGV: serial number. 1: it was carried out; 0: it was not and will not be.
SETTLE = f"""
if redis.call('GET', KEYS[1]) == ARGV[1] then return 1 end
redis.call('SET', KEYS[1], '-' .. ARGV[1], 'PX', {_MARK_MS})
return 0
"""


class Snapshot(NamedTuple):
    """What a transaction has read: stored bytes of each key (None: no such key) and the server's time in us."""

    data: List[Optional[bytes]]
    now: int
    clock: int


class Writes(NamedTuple):
    """What a transaction writes: stored bytes of each key, None to delete it; and what it publishes."""

    data: Dict[str, Optional[bytes]]
    timestamp: int
    lifetime_ms: int
    messages: Sequence[Tuple[str, bytes]]


def read_commands(keys: Sequence[str]) -> List[Tuple[str, ...]]:
    """Return the commands that watch and read ``keys``, and read the time."""
    watch: List[Tuple[str, ...]] = [("WATCH", *keys)] if keys else []
    return [*watch, ("MGET", CLOCK, *keys), ("TIME",)]


def snapshot_of(replies: Sequence[Any]) -> Snapshot:
    """Return what the replies to :func:`read_commands` say.

    :raises ValueError: they are not of that form
    """
    values, moment = replies[-2], replies[-1]
    if not isinstance(values, list) or not isinstance(moment, list) or len(moment) != 2:
        raise ValueError("not the replies of a read: %.200r" % (replies,))
    clock = values[0]
    stored = int(clock) if clock is not None and clock.isdigit() else 0
    return Snapshot(values[1:], int(moment[0]) * 1000000 + int(moment[1]), stored)


def commit_command(mark: str, serial: int, last_moment: int, writes: Writes, cached: bool) -> List[Any]:
    """Return the command that writes.

    :param mark: key of the mark
    :param serial: number of the transaction, unique for this mark
    :param last_moment: time of the server after which nothing is written, us
    :param cached: the server has the script already
    """
    sets = {key: data for key, data in writes.data.items() if data is not None}
    deletes = [key for key, data in writes.data.items() if data is None]
    script = ("EVALSHA", COMMIT_SHA1) if cached else ("EVAL", COMMIT)
    keys = [mark, CLOCK, *sets, *deletes]
    numbers = [serial, last_moment, writes.timestamp, len(sets), len(deletes), len(writes.messages), writes.lifetime_ms]
    messages = [part for message in writes.messages for part in message]
    return [*script, len(keys), *keys, *numbers, *sets.values(), *messages]
