"""Keeps what a module publishes in the database as it is wanted; a transaction that fails is repeated."""

from __future__ import annotations

import logging
from typing import Any

from vlcp.event.event import Event, withIndices
from vlcp.event.runnable import RoutineContainer
from vlcp.service.sdn._flows.records import Due, Records

_logger = logging.getLogger(__name__)

_CHUNK = 100
_FIRST_RETRY_S, _LONGEST_RETRY_S = 0.5, 5.0


@withIndices("writer")
class RecordsWanted(Event):
    """The wanted records of a writer are others."""


@withIndices("writer")
class RecordsWritten(Event):
    """A writer has nothing to write now."""

    canignore = True


class RecordsWriter:
    """Writes what is due of its records. A subclass says with :meth:`write` how.

    :param container: runs the calls
    :param what: name of the records in messages
    :ivar records: wanted and written records
    """

    def __init__(self, container: RoutineContainer, what: str) -> None:
        self._container = container
        self._what = what
        self.records = Records()

    @property
    def idle(self) -> bool:
        """True when nothing has to be written now."""
        return not self.records.due(self._container.scheduler.current_time, 1)

    def wake(self) -> None:
        """Look at the records again."""
        self._container.scheduler.emergesend(RecordsWanted(self))

    async def write(self, due: Due) -> None:
        """Write what is due, in as few transactions as possible.

        :raises Exception: it is not certain that all is written; it is tried again
        """
        raise NotImplementedError

    async def run(self) -> None:
        """Write what is due, without end."""
        wanted = RecordsWanted.createMatcher(self)
        scheduler = self._container.scheduler
        delay = _FIRST_RETRY_S
        while True:
            due = self.records.due(scheduler.current_time, _CHUNK)
            if not due:
                scheduler.emergesend(RecordsWritten(self))
                at = self.records.next_due()
                await self._container.wait_with_timeout(None if at is None else max(at - scheduler.current_time, 0.001), wanted)
            elif await self._try(due):
                delay = _FIRST_RETRY_S
            else:
                await self._container.wait_with_timeout(delay)
                delay = min(delay * 2, _LONGEST_RETRY_S)

    async def _try(self, due: Due) -> bool:
        self.records.began(due)
        try:
            await self.write(due)
        except Exception as error:
            _logger.warning("%s cannot be written now: %s", self._what, error or type(error))
            return False
        self.records.committed(due, self._container.scheduler.current_time)
        return True

    async def finish(self, container: Any, timeout_s: float) -> bool:
        """Wait until nothing has to be written; return False when that takes too long.

        :param container: of the caller
        :param timeout_s: seconds
        """
        written = RecordsWritten.createMatcher(self)
        until = container.scheduler.current_time + timeout_s
        while not self.idle:
            left = until - container.scheduler.current_time
            if left <= 0:
                return False
            await container.wait_with_timeout(left, written)
        return True
