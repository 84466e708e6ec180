"""Connections that are used by one routine at a time, and the count of subscriptions."""

from __future__ import annotations

import collections
import contextlib
import copy
from collections.abc import Container, Iterable, Iterator, Sequence
from typing import Any, Callable

_MOST_IDLE = 16
_CHANNELS_AT_ONCE = 1000


class Pool:
    """Exclusive connections. They are not made again after a loss: the transaction on them is lost too.

    :param create: ``create(scheduler, protocol)`` returns a started connection
    :param protocol: the connections have a copy of it that does not reconnect
    """

    def __init__(self, create: Callable[..., Any], protocol: Any) -> None:
        self._create = create
        self._protocol = copy.copy(protocol)
        self._protocol.persist = False
        self._idle: collections.deque = collections.deque()
        self._closed = False

    def take(self, scheduler: Any) -> Any:
        """Return the connection that was used last and is still up, or a new one."""
        while self._idle:
            conn = self._idle.pop()
            if getattr(conn, "redis_ready", False):
                return conn
        return self._create(scheduler, self._protocol)

    async def give_back(self, conn: Any, spoiled: bool) -> None:
        """Take a connection back; close it when it is not as good as new, or when there are enough."""
        usable = getattr(conn, "redis_ready", False) and not spoiled and not self._protocol.has_pending_requests(conn)
        if usable and not self._closed and len(self._idle) < _MOST_IDLE:
            self._idle.append(conn)
        else:
            await conn.shutdown(True)

    async def close(self, force: bool) -> None:
        """Close the idle connections, and those that are given back from now on."""
        self._closed = True
        while self._idle:
            await self._idle.pop().shutdown(force)


class Subscriptions:
    """How often each channel and each pattern is wanted."""

    def __init__(self) -> None:
        self._counts: dict[str, collections.Counter] = {
            "subscribe": collections.Counter(),
            "psubscribe": collections.Counter(),
        }
        self._leaving: collections.Counter = collections.Counter()

    def add(self, kind: str, keys: Sequence[str]) -> None:
        """Want each of ``keys`` once more.

        :param kind: 'subscribe' or 'psubscribe'
        """
        self._counts[kind].update(keys)

    def remove(self, kind: str, keys: Sequence[str]) -> list[str]:
        """Want each of ``keys`` once less; return those that nobody wants any more."""
        counts, unused = self._counts[kind], []
        for key in keys:
            counts[key] -= 1
            if counts[key] <= 0:
                del counts[key]
                unused.append(key)
        return unused

    @contextlib.contextmanager
    def leaving(self, kind: str, keys: Sequence[str]) -> Iterator[None]:
        """While the context lasts, the server has been asked to leave ``keys`` and has not confirmed it."""
        pairs = [(kind, key) for key in keys]
        self._leaving.update(pairs)
        try:
            yield
        finally:
            self._leaving.subtract(pairs)
            self._leaving += collections.Counter()

    def missing(self, kind: str, keys: Iterable[str], confirmed: Container[str]) -> list[str]:
        """Return those of ``keys`` that must be subscribed, also if they were and are being left at this moment.

        :param confirmed: what the server has confirmed
        """
        return [key for key in dict.fromkeys(keys) if key not in confirmed or (kind, key) in self._leaving]

    def commands(self) -> list:
        """Return the commands that subscribe all."""
        result = []
        for kind, counts in self._counts.items():
            keys = list(counts)
            for begin in range(0, len(keys), _CHANNELS_AT_ONCE):
                result.append((kind.upper(), *keys[begin : begin + _CHANNELS_AT_ONCE]))
        return result
