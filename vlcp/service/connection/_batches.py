"""Transactions that wait for their store, are carried out together, and are given up when their time is over."""

from __future__ import annotations

from collections import deque
from typing import Any, Awaitable, Callable, Deque, Dict, Iterable, List, Optional, Sequence, Set

from vlcp.utils.exceptions import StorageOutcomeUnknownException, StorageUnavailableException

_MOST_UPDATES = 64
_PATROL_SECONDS = 0.1
_STALL_SECONDS = 0.5


class Update:
    """One transaction that waits to be carried out.

    :param keys: keys whose values the updater gets
    :param updater: ``updater(keys, values, timestamp)`` returns (keys, values) to write
    :param future: gets the result or the exception
    :param deadline: when it is given up, unless its commit has been sent
    :param writes: keys that it will write besides, as far as they are known
    :param timeout: seconds until the written values expire, None for never; those of one batch have the same
    """

    def __init__(
        self,
        keys: Sequence[str],
        updater: Callable[..., Any],
        future: Any,
        deadline: float,
        writes: Iterable[str] = (),
        timeout: Optional[float] = None,
    ) -> None:
        self.keys = tuple(keys)
        self.locks = frozenset(self.keys).union(writes)
        self.updater = updater
        self.future = future
        self.deadline = deadline
        self.timeout = timeout
        self.committing = False
        self.cancelled = False
        self.result: Any = None
        self.error: Optional[BaseException] = None


def finish(update: Update, error: Optional[BaseException]) -> None:
    """Give an update its result or ``error``, unless it has got one."""
    if update.future.done():
        return
    if error is not None:
        update.future.set_exception(error)
    else:
        update.future.set_result(update.result)


def pick(waiting: Iterable[Update], busy: Set[str], most_keys: int) -> List[Update]:
    """Return the updates that are carried out together next.

    No update overtakes one before it that shares a key.

    :param busy: keys of batches that are under way
    :param most_keys: so many keys at most, unless the first update alone has more
    """
    blocked, chosen, keys = set(busy), [], set()
    for update in waiting:
        if chosen and update.timeout != chosen[0].timeout:
            break
        if not blocked.isdisjoint(update.locks):
            blocked |= update.locks
            continue
        together = keys | update.locks
        if chosen and len(together) > most_keys:
            blocked |= update.locks
            continue
        chosen.append(update)
        keys = together
        if len(chosen) >= _MOST_UPDATES:
            break
    return chosen


class Patrol:
    """Gives up the transactions whose time is over, wherever they wait, but not while they are committed.

    :param name: of the store, for people
    :param container: runs the patrol
    """

    def __init__(self, name: str, container: Any) -> None:
        self._name = name
        self._container = container
        self._open: Dict[Update, None] = {}
        self._running = False

    def watch(self, update: Update) -> None:
        """Give ``update`` up at its deadline."""
        self._open[update] = None
        if not self._running:
            self._running = True
            self._container.subroutine(self._walk(), False, daemon=True)

    def forget(self, update: Update) -> None:
        """Nobody waits for ``update`` any more; it is not carried out if it has not been yet."""
        update.cancelled = True
        self._open.pop(update, None)

    async def _walk(self) -> None:
        try:
            while self._open:
                began = self._container.scheduler.current_time
                await self._container.wait_with_timeout(_PATROL_SECONDS)
                now = self._container.scheduler.current_time
                if now - began > _STALL_SECONDS:
                    # This process was busy, perhaps with a large transaction: nobody has waited for the store meanwhile.
                    for update in self._open:
                        update.deadline += now - began
                for update in [update for update in self._open if update.deadline <= now and not update.committing]:
                    self.forget(update)
                    finish(update, self._too_late())
        finally:
            self._running = False

    def _too_late(self) -> Exception:
        return StorageUnavailableException("%s: the transaction waited too long for its turn" % (self._name,))


class Batches:
    """Carries transactions out together: those that wait while others are under way make the next batch.

    :param name: of the store, for people
    :param container: runs the batches
    :param run: async function that carries out a list of :class:`Update`, and sets the result or the error of each. When it
        raises, that is the outcome of all of them; with a true attribute ``concerns_all`` also of those that wait
    :param most_running: so many batches at once
    :param most_keys: so many keys in a batch
    """

    def __init__(
        self,
        name: str,
        container: Any,
        run: Callable[[List[Update]], Awaitable[Any]],
        most_running: int,
        most_keys: int,
    ) -> None:
        self._name = name
        self._container = container
        self._run = run
        self._most_running = most_running
        self._most_keys = most_keys
        self._patrol = Patrol(name, container)
        self._waiting: Deque[Update] = deque()
        self._busy: Set[str] = set()
        self._running = 0

    async def carry_out(self, update: Update) -> Any:
        """Return the result of an update.

        :raises StorageUnavailableException: its time is over; it is not carried out
        :raises Exception: its error
        """
        self._patrol.watch(update)
        self._waiting.append(update)
        try:
            batch = self._next()
            if batch == [update]:
                # Nothing else waits, so the caller's routine does it.
                await self._serve(batch)
            elif batch is not None:
                self._container.subroutine(self._serve(batch), False)
            return await update.future
        finally:
            self._patrol.forget(update)

    def _next(self) -> Optional[List[Update]]:
        """Take the updates that are carried out next; None if there are none now."""
        while self._waiting and self._running < self._most_running:
            batch = pick(self._waiting, self._busy, self._most_keys)
            if not batch:
                break
            chosen = set(batch)
            self._waiting = deque(update for update in self._waiting if update not in chosen)
            batch = [update for update in batch if not update.cancelled]
            if batch:
                self._running += 1
                self._busy.update(*(update.locks for update in batch))
                return batch
        return None

    def _start(self) -> None:
        while True:
            batch = self._next()
            if batch is None:
                return
            self._container.subroutine(self._serve(batch), False)

    async def _serve(self, batch: List[Update]) -> None:
        failure: Optional[BaseException] = None
        ended = False
        try:
            await self._run(batch)
            ended = True
        except Exception as error:
            failure, ended = error, True
        finally:
            self._running -= 1
            self._busy.difference_update(*(update.locks for update in batch))
            for update in batch:
                finish(update, (failure or update.error) if ended else self._interrupted(update))
            if getattr(failure, "concerns_all", False):
                self._give_up(failure)
            self._start()

    def _give_up(self, error: Optional[BaseException]) -> None:
        waiting, self._waiting = self._waiting, deque()
        for update in waiting:
            finish(update, StorageUnavailableException(str(error)))

    def _interrupted(self, update: Update) -> Exception:
        """Return the outcome of a transaction that was under way when the module was unloaded."""
        if update.committing:
            return StorageOutcomeUnknownException("%s: unloaded while the transaction was committed" % (self._name,))
        return StorageUnavailableException("%s: the module is being unloaded" % (self._name,))
