"""Pollers: which file descriptors are ready (manual 5.2.7).

A poller has ``register(fd, options, daemon)``, ``unregister(fd, daemon)``, ``modify(fd, options)``,
``setdaemon(fd, daemon)`` and ``pollEvents(wait)``, which returns a list of :class:`~vlcp.event.core.PollEvent`.
Readiness is reported once when it begins: read or write until ``EAGAIN`` before waiting for the next event.
"""

from __future__ import annotations

import errno
import logging
import os
import select
from typing import Any, Callable

from vlcp.event._events import POLLING_ERR, POLLING_HUP, POLLING_IN, POLLING_OUT, POLLING_PRI, PollEvent

_logger = logging.getLogger(__name__)

# Every one of these bits makes an event of that category.
_CATEGORIES = (
    (POLLING_ERR, PollEvent.ERROR),
    (POLLING_HUP, PollEvent.HANGUP),
    (POLLING_IN | POLLING_PRI, PollEvent.READ_READY),
    (POLLING_OUT, PollEvent.WRITE_READY),
)
_EDGE_TRIGGERED = 1 << 31
# Largest number of file descriptors that select(2) can watch.
_SELECT_LIMIT = 1024


def events_of(fileno: int, bits: int) -> list[PollEvent]:
    """Return the events for what a poller reported about one file descriptor."""
    return [PollEvent(fileno, category, bits) for mask, category in _CATEGORIES if bits & mask]


class _FdTable:
    """The registered file descriptors, their options, and which of them are daemons.

    :param maxwait: longest time of one poll in seconds
    """

    def __init__(self, maxwait: float) -> None:
        self.maxwait = maxwait
        self.options: dict[int, int] = {}
        self.daemons: set[int] = set()

    def add(self, fd: Any, options: int, daemon: bool) -> int:
        """Add or change a file descriptor and return its number."""
        fileno = number_of(fd)
        self.options[fileno] = options
        self.set_daemon(fileno, daemon)
        return fileno

    def drop(self, fd: Any) -> int:
        """Forget a file descriptor and return its number."""
        fileno = number_of(fd)
        self.options.pop(fileno, None)
        self.daemons.discard(fileno)
        return fileno

    def set_daemon(self, fileno: int, daemon: bool) -> None:
        """Mark a file descriptor as a daemon's, or not."""
        if daemon:
            self.daemons.add(fileno)
        else:
            self.daemons.discard(fileno)

    def seconds(self, wait: float | None) -> float:
        """Return how long to poll."""
        return self.maxwait if wait is None else min(wait, self.maxwait)


def number_of(fd: Any) -> int:
    """Return the number of a file descriptor given as a number or as an object with ``fileno()``."""
    return fd if isinstance(fd, int) else fd.fileno()


class MockPolling:
    """A poller without file descriptors: never ready, never waits."""

    def register(self, fd: Any, options: int = 0, daemon: bool = False) -> None:
        """Do nothing."""

    def unregister(self, fd: Any, daemon: bool = False) -> None:
        """Do nothing."""

    def modify(self, fd: Any, options: int) -> None:
        """Do nothing."""

    def setdaemon(self, fd: Any, daemon: bool) -> None:
        """Do nothing."""

    def pollEvents(self, wait: float | None) -> list[PollEvent]:
        """Return no events at once."""
        return []


class EPollPolling:
    """Poller on ``epoll``.

    :param options: bits added to those of each file descriptor; edge triggered by default
    :param maxwait: longest time of one poll in seconds
    """

    def __init__(self, options: int = 2147483648, maxwait: float = 60) -> None:
        self._epoll = select.epoll()
        self._extra = options
        self._table = _FdTable(maxwait)

    def register(self, fd: Any, options: int = POLLING_IN | POLLING_OUT, daemon: bool = False) -> None:
        """Watch a file descriptor; a registered one gets the new options.

        :param fd: number or socket
        :param options: POLLING_IN, POLLING_PRI, POLLING_OUT
        :param daemon: if True, it does not count as work that keeps the loop running
        :raises OSError: the file descriptor cannot be watched
        """
        fileno = number_of(fd)
        try:
            self._epoll.register(fileno, options | self._extra)
        except FileExistsError:
            self._epoll.modify(fileno, options | self._extra)
        self._table.add(fileno, options, daemon)

    def unregister(self, fd: Any, daemon: bool = False) -> None:
        """Stop watching; does nothing for a file descriptor that is closed or not watched."""
        fileno = self._table.drop(fd)
        try:
            self._epoll.unregister(fileno)
        except OSError as exc:
            if exc.errno not in (errno.ENOENT, errno.EBADF):
                raise

    def modify(self, fd: Any, options: int) -> None:
        """Change what to watch for.

        :raises OSError: the file descriptor is not watched
        """
        fileno = number_of(fd)
        self._epoll.modify(fileno, options | self._extra)
        self._table.options[fileno] = options

    def setdaemon(self, fd: Any, daemon: bool) -> None:
        """Mark a file descriptor as a daemon's, or not."""
        self._table.set_daemon(number_of(fd), daemon)

    def pollEvents(self, wait: float | None) -> list[PollEvent]:
        """Wait until something is ready.

        :param wait: longest time in seconds, None for ``maxwait``
        :return: events in the order of ``epoll``
        """
        ready = self._epoll.poll(self._table.seconds(wait))
        return [event for fileno, bits in ready for event in events_of(fileno, bits)]

    def close(self) -> None:
        """Give the ``epoll`` file descriptor back."""
        self._epoll.close()


class SelectPolling:
    """Poller on ``select``, for systems without ``epoll``.

    ``select`` reports a readiness again and again, so a file descriptor is only looked at while somebody waits for it.

    :param options: not used; there for the signature of :class:`EPollPolling`
    :param maxwait: longest time of one poll in seconds
    """

    def __init__(self, options: int = 0, maxwait: float = 60) -> None:
        self._table = _FdTable(maxwait)
        self._has_waiter: Callable[[int, int], bool] = lambda fileno, category: True

    def use_interest(self, has_waiter: Callable[[int, int], bool]) -> None:
        """Set the test ``has_waiter(fileno, category)`` for somebody waiting; the scheduler calls this."""
        self._has_waiter = has_waiter

    def register(self, fd: Any, options: int = POLLING_IN | POLLING_OUT, daemon: bool = False) -> None:
        """Watch a file descriptor, see :meth:`EPollPolling.register`.

        :raises ValueError: the number is too large for ``select``
        """
        fileno = number_of(fd)
        if not 0 <= fileno < _SELECT_LIMIT:
            raise ValueError(f"File descriptor cannot be used with select: {fileno}")
        self._table.add(fileno, options, daemon)

    def unregister(self, fd: Any, daemon: bool = False) -> None:
        """Stop watching; does nothing for a file descriptor that is not watched."""
        self._table.drop(fd)

    def modify(self, fd: Any, options: int) -> None:
        """Change what to watch for.

        :raises KeyError: the file descriptor is not watched
        """
        fileno = number_of(fd)
        if fileno not in self._table.options:
            raise KeyError(f"File descriptor is not watched: {fileno}")
        self._table.options[fileno] = options

    def setdaemon(self, fd: Any, daemon: bool) -> None:
        """Mark a file descriptor as a daemon's, or not."""
        self._table.set_daemon(number_of(fd), daemon)

    def pollEvents(self, wait: float | None) -> list[PollEvent]:
        """Wait until something is ready that somebody waits for.

        :param wait: longest time in seconds, None for ``maxwait``
        :return: events in the order of the numbers
        """
        lists = [self._wanted(bits, category) for bits, category in _SELECT_SETS]
        try:
            ready = select.select(*lists, self._table.seconds(wait))
        except (OSError, ValueError):
            return self._drop_closed()
        found: dict[int, int] = {}
        for filenos, bit in zip(ready, (POLLING_IN, POLLING_OUT, POLLING_PRI)):
            for fileno in filenos:
                found[fileno] = found.get(fileno, 0) | bit
        return [event for fileno in sorted(found) for event in events_of(fileno, found[fileno])]

    def _wanted(self, bits: int, category: int) -> list[int]:
        return [fd for fd, options in self._table.options.items() if options & bits and self._has_waiter(fd, category)]

    def _drop_closed(self) -> list[PollEvent]:
        """Forget file descriptors that were closed while they were watched; tell those who wait for them."""
        events: list[PollEvent] = []
        for fileno in list(self._table.options):
            try:
                os.fstat(fileno)
            except OSError as exc:
                _logger.warning("File descriptor %d was closed while it was watched: %s", fileno, exc)
                self._table.drop(fileno)
                events.append(PollEvent(fileno, PollEvent.ERROR, POLLING_ERR))
        return events

    def close(self) -> None:
        """Forget all file descriptors."""
        self._table.options.clear()
        self._table.daemons.clear()


_SELECT_SETS = (
    (POLLING_IN, PollEvent.READ_READY),
    (POLLING_OUT, PollEvent.WRITE_READY),
    (POLLING_PRI, PollEvent.READ_READY),
)

DefaultPolling = EPollPolling if hasattr(select, "epoll") else SelectPolling
