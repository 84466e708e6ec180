"""Commands on their way to a Redis server, and the replies that they let expect."""

from __future__ import annotations

from typing import Any, List, Sequence

from vlcp.event.connection import ConnectionWriteEvent
from vlcp.protocol._wire.resp import encode_command

SUBSCRIBING = frozenset(("subscribe", "unsubscribe", "psubscribe", "punsubscribe"))
_BLOCKING = frozenset("blpop brpop brpoplpush blmove blmpop bzpopmin bzpopmax bzmpop wait waitaof xread xreadgroup".split())


class Expectation:
    """Replies that belong together: of one command, or of a batch that is waited for as a whole.

    :param number: number of the request
    :param left: how many replies are still to come
    :param single: the result is the only reply itself, not a list
    :param blocking: the server may take its time
    """

    __slots__ = ("id", "left", "replies", "single", "blocking")

    def __init__(self, number: int, left: int, single: bool, blocking: bool) -> None:
        self.id = number
        self.left = left
        self.replies: list = []
        self.single = single
        self.blocking = blocking


def text_of(value: Any, encoding: str) -> str:
    """Return the name of a channel as text."""
    return value.decode(encoding, "surrogateescape") if isinstance(value, bytes) else str(value)


def regroup(replies: list, counts: Sequence[int]) -> list:
    """Return one entry for each command: its reply, or the list of its confirmations when it has several."""
    if len(replies) == len(counts):
        return replies
    rest = iter(replies)
    groups = [[next(rest) for _ in range(count)] for count in counts]
    return [group[0] if len(group) == 1 else group for group in groups]


def make_request(connection: Any, commands: Sequence[Sequence[Any]], encoding: str, single: bool) -> Any:
    """Return the write event of commands, with ``expectations`` and ``counts`` (replies of each command) on it.

    :param connection: where they are to be sent; its request numbers and subscriptions go on
    :param encoding: of the str in the commands
    :param single: True for a result for each command, False for one of all together
    """
    data = b"".join([encode_command(command, encoding) for command in commands])
    event = ConnectionWriteEvent(connection, connection.connmark, data=data)
    names = [_name(command) for command in commands]
    event.counts = [_replies_of(connection, command, encoding) for command in commands]
    event.subscribing = not SUBSCRIBING.isdisjoint(names)
    event.abandoned = False
    event.expectations = _expectations(connection.redis_number + 1, names, event.counts, single)
    connection.redis_number += len(event.expectations)
    return event


def _expectations(begin: int, names: Sequence[str], counts: Sequence[int], single: bool) -> List[Expectation]:
    if not single:
        return [Expectation(begin, sum(counts), False, not _BLOCKING.isdisjoint(names))]
    return [
        Expectation(begin + index, count, count == 1, name in _BLOCKING) for index, (name, count) in enumerate(zip(names, counts))
    ]


def _name(command: Sequence[Any]) -> str:
    name = command[0] if command else ""
    return (name.decode("ascii", "replace") if isinstance(name, bytes) else str(name)).lower()


def _replies_of(connection: Any, command: Sequence[Any], encoding: str) -> int:
    """Return how many replies a command has: one, but for subscriptions one for each channel."""
    name = _name(command)
    if name not in SUBSCRIBING:
        return 1
    channels = connection.redis_channels[name.replace("un", "")]
    names = [text_of(channel, encoding) for channel in command[1:]]
    if name in connection.redis_channels:
        channels.update(names)
        return len(names)
    count = len(names) if names else max(len(channels), 1)
    channels.difference_update(names or tuple(channels))
    return count
