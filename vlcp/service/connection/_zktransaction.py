"""One batch of transactions on ZooKeeper, from standing in line to the commit.

The steps, each one exchange with the server::

    enter     create missing nodes; one multi: a barrier for each key; who else stands in line
    settle    (only when somebody stands before us) wait until they are gone
    read      values that are not known yet
    commit    one multi: new versions, notifications, barriers deleted

The commit deletes the barriers, so it fails when one is gone. That is what everything rests on: whoever takes a barrier
away makes sure that its transaction is not carried out, now or later. A commit whose reply is lost is resolved by trying
just that. So it is always safe to take a barrier away, and only a question of courtesy: it is done when one has stood for too
long, and then with everything that the same process had left before.
"""

from __future__ import annotations

import logging
from typing import Any, Dict, List, Optional, Sequence, Set, Tuple

from vlcp.protocol.zookeeper import jute
from vlcp.service.connection import _znodes as znodes
from vlcp.service.connection._batches import Update
from vlcp.service.connection._zkasking import PATIENCE, ReplyLost
from vlcp.service.connection._zkbatch import MISSING, Entry, Evaluation, State, evaluate, first_time
from vlcp.utils.exceptions import (
    StorageOutcomeUnknownException,
    StorageUnavailableException,
    TransactionRetryExceededException,
)
from vlcp.utils.zkclient import ZooKeeperSessionUnavailable

_logger = logging.getLogger(__name__)

_MOST_TRIES = 64
_COMMIT_SECONDS = 1.0
"""A commit that has been sent gets so long at least."""
_RESOLVE_SECONDS = 0.8
"""Further seconds until the outcome of a commit is given up as unknown."""
_SHORTEST_ASK = 0.05
_SHORTEST_STEP = 0.3
_RETRY_SECONDS = 0.9
"""A transaction that loses its connection so soon after its beginning begins again."""


class ZooKeeperResultException(Exception):
    """ZooKeeper refused a request; the message has the error code."""


class BarrierLost(Exception):
    """A barrier of ours is gone; the transaction has to begin again."""


class Transaction:
    """A batch of updates under way.

    :param store: :class:`vlcp.service.connection._zkstore.ZkStore`
    :param updates: the batch; the result or the exception is set on each update
    """

    def __init__(self, store: Any, updates: Sequence[Update]) -> None:
        self._store = store
        self._updates = list(updates)
        self._layout = store.layout
        self.keys: List[str] = []
        self._extend(key for update in updates for key in sorted(update.locks))
        self._prefix = ""
        self._barriers: Dict[str, str] = {}
        self._children: Dict[str, Tuple[List[str], Any]] = {}
        self._stats: Dict[str, Any] = {}
        self._unchanged: Dict[str, Entry] = {}
        self._examined: Set[str] = set()
        self._now = 0
        self._commit_began = 0.0

    def _extend(self, keys: Any) -> None:
        self.keys = list(dict.fromkeys([*self.keys, *keys]))

    @property
    def _deadline(self) -> float:
        return max(update.deadline for update in self._updates)

    async def run(self) -> Optional[Evaluation]:
        """Carry the updates out; return what was written, or None.

        :raises StorageUnavailableException: nothing was written, nor will be
        :raises StorageOutcomeUnknownException: it could not be found out whether it was written
        :raises TransactionRetryExceededException: others were in the way too often
        :raises ZooKeeperResultException: ZooKeeper refused it; nothing was written
        """
        began = self._store.now()
        for _ in range(_MOST_TRIES):
            try:
                self._check_time()
                await self._enter()
                await self._settle()
                entries = await self._entries()
            except BarrierLost:
                self._store.leave(self._take_barriers())
                continue
            except ReplyLost as error:
                # Nothing is written yet, so a connection that was only cut costs another try.
                self._store.leave(self._take_barriers())
                if self._store.now() - began > _RETRY_SECONDS:
                    raise
                _logger.debug("zookeeperdb: a transaction begins again: %s", error)
                continue
            except BaseException:
                self._store.leave(self._take_barriers())
                raise
            evaluation = self._evaluate(entries)
            further = [key for key in evaluation.data if key not in self._barriers]
            if further:
                self._extend(further)
                continue
            if not evaluation.data:
                self._store.leave(self._take_barriers())
                self._store.learn_clock(evaluation.clock)
                return None
            if await self._commit(evaluation, entries):
                return evaluation
        raise TransactionRetryExceededException

    def _check_time(self) -> None:
        if self._store.now() >= self._deadline:
            raise StorageUnavailableException("zookeeper: others are in the way: %.200r" % (self.keys,))
        if all(update.cancelled for update in self._updates):
            raise StorageUnavailableException("zookeeper: nobody waits for the transaction any more")

    async def _ask(self, calls: Sequence[Any]) -> List[Any]:
        """Ask while there is time. See :meth:`vlcp.service.connection._zkasking.Asker.ask` for exceptions."""
        return await self._store.ask(calls, self._rest())

    def _rest(self) -> float:
        return min(max(self._deadline - self._store.now(), _SHORTEST_STEP), PATIENCE)

    def _take_barriers(self) -> List[str]:
        paths, self._barriers = list(self._barriers.values()), {}
        return paths

    # Standing in line

    async def _enter(self) -> None:
        old = self._take_barriers()
        self._prefix = self._store.next_barrier()
        unknown = self._store.unknown_parents(self.keys)
        calls = [jute.part_call(jute.delete_part(path)) for path in old]
        for key in unknown:
            calls.append(jute.part_call(jute.create_part(self._layout.key(key))))
            calls.append(jute.part_call(jute.create_part(self._layout.channel(key))))
        place = len(calls)
        calls.append(jute.multi_call(self._line_up(unknown)))
        states = {key: self._store.take_state(key) for key in self.keys}
        for key, state in states.items():
            path = self._layout.key(key)
            calls.append(jute.children_call(path) if state is None else jute.exists_call(path))
        try:
            replies = await self._ask(calls)
        except (ReplyLost, GeneratorExit):
            self._store.owe(self.keys, self._prefix, old)
            raise
        error, _ = jute.multi_error(replies[place])
        if error:
            await self._refused(error)
            raise BarrierLost
        made = replies[place].value[len(unknown) :]
        self._barriers = dict(zip(self.keys, made))
        self._now = made[-1].mtime
        self._store.know_parents(unknown)
        await self._look_around(states, replies[place + 1 :])

    async def _look_around(self, states: Dict[str, Any], replies: Sequence[Any]) -> None:
        """Sort the keys: untouched since this process wrote them last, or with others in line perhaps."""
        self._children, self._stats, self._unchanged = {}, {}, {}
        touched = []
        for (key, state), reply in zip(states.items(), replies):
            if state is None:
                self._take_children(key, reply)
            elif not reply.err and state.holds(reply.value):
                self._unchanged[key], self._stats[key] = state.entry, reply.value
            else:
                touched.append(key)
        if touched:
            await self._read_children(touched)

    async def _read_children(self, keys: Sequence[str]) -> None:
        replies = await self._ask([jute.children_call(self._layout.key(key)) for key in keys])
        for key, reply in zip(keys, replies):
            self._take_children(key, reply)

    def _line_up(self, unknown: Sequence[str]) -> List[Any]:
        touched = [jute.setdata_part(self._layout.key(key)) for key in unknown]
        flags = jute.EPHEMERAL | jute.SEQUENCE
        barriers = [jute.create_part("%s/%s" % (self._layout.key(key), self._prefix), b"", flags) for key in self.keys]
        return [*touched, *barriers, jute.setdata_part(self._layout.timer)]

    async def _refused(self, error: int) -> None:
        if error != jute.NONODE:
            raise ZooKeeperResultException("cannot stand in line for %.200r: error %d" % (self.keys, error))
        self._store.forget_parents(self.keys)
        await self._store.prepare()

    def _take_children(self, key: str, reply: Any) -> None:
        if reply.err:
            raise BarrierLost
        self._children[key] = reply.value
        self._stats[key] = reply.value[1]

    def _own_number(self, key: str) -> int:
        return znodes.number_of(self._barriers[key])

    # Waiting for those before us

    async def _settle(self) -> None:
        began = self._store.now()
        heads: Dict[str, Optional[str]] = {}
        while True:
            looks = {key: znodes.look(found[0], self._own_number(key)) for key, found in self._children.items()}
            waiting = {key: found for key, found in looks.items() if found.wait is not None}
            if not waiting:
                return
            self._check_time()
            if {key: found.head for key, found in waiting.items()} != heads:
                heads = {key: found.head for key, found in waiting.items()}
                began = self._store.now()
            left = began + self._store.barriertimeout - self._store.now()
            paths = sorted({"%s/%s" % (self._layout.key(key), name) for key, name in heads.items()})
            if left <= 0:
                _logger.warning("zookeeperdb: barriers that stand for %s s: %.500r", self._store.barriertimeout, paths)
                await self._store.verdicts.take_away(self._ask, paths)
            elif not await self._store.verdicts.take_away_left(self._ask, paths, self._examined):
                await self._wait(waiting, min(left, self._deadline - self._store.now()))
            await self._read_children(list(waiting))

    async def _wait(self, waiting: Dict[str, Any], limit: float) -> None:
        calls = [jute.getdata_call("%s/%s" % (self._layout.key(key), found.wait), True) for key, found in waiting.items()]
        replies, watchers = await self._store.ask_and_watch(calls, self._rest())
        deadline = self._store.now() + limit
        try:
            for watcher in watchers:
                if watcher is not None:
                    left = max(deadline - self._store.now(), 0)
                    await self._store.container.execute_with_timeout(left, watcher.wait())
        except ZooKeeperSessionUnavailable as error:
            raise BarrierLost from error
        finally:
            for watcher in watchers:
                if watcher is not None:
                    watcher.close()

    # Reading

    async def _entries(self) -> Dict[str, Entry]:
        entries: Dict[str, Entry] = {}
        missing: List[Tuple[str, str]] = []
        wanted = {key for update in self._updates for key in update.keys}
        for key in self.keys:
            if key in self._unchanged:
                entries[key] = self._unchanged[key]
                continue
            names, stat = self._children[key]
            name = znodes.look(names, self._own_number(key)).version
            known = self._store.cached(key)
            if name is None or key not in wanted:
                entries[key] = MISSING
            elif known is not None and (known.name, known.parent) == (name, stat.czxid):
                entries[key] = known
            else:
                missing.append((key, name))
        if missing:
            calls = [jute.getdata_call("%s/%s" % (self._layout.key(key), name)) for key, name in missing]
            for (key, name), reply in zip(missing, await self._ask(calls)):
                entries[key] = self._store.entry(key, name, self._children[key][1].czxid, reply)
        return entries

    def _evaluate(self, entries: Dict[str, Entry]) -> Evaluation:
        updates = [update for update in self._updates if not update.cancelled]
        read = [entry for entry in entries.values() if entry is not MISSING]
        now = first_time(self._now, self._store.clock, read)
        return evaluate(updates, entries, now, self._store.codec)

    # Committing

    async def _commit(self, evaluation: Evaluation, entries: Dict[str, Entry]) -> bool:
        transactid, notices = self._store.notices(evaluation)
        parts = [
            jute.create_part("%s/%s" % (self._layout.key(key), znodes.data_name(self._own_number(key))), data)
            for key, data in evaluation.data.items()
        ]
        parts.extend(notices)
        parts.extend(jute.delete_part(path) for path in self._barriers.values())
        self._commit_began = self._store.now()
        for update in self._updates:
            update.committing = not update.cancelled
        try:
            (reply,) = await self._store.ask([jute.multi_call(parts)], max(self._rest(), _COMMIT_SECONDS))
            error, place = jute.multi_error(reply)
        except ReplyLost:
            if not await self._resolve(evaluation):
                self._not_committed()
                return False
            self._committed(evaluation, entries, transactid, 0)
            return True
        except BaseException:
            # Too large, or this routine is terminated: what is not deleted by the commit has to go.
            self._store.leave(self._take_barriers())
            raise
        if error:
            self._not_committed()
            self._commit_refused(error, place, len(evaluation.data), len(notices))
            return False
        self._committed(evaluation, entries, transactid, reply.zxid)
        return True

    def _not_committed(self) -> None:
        for update in self._updates:
            update.committing = False

    def _commit_refused(self, error: int, place: Optional[int], versions: int, notices: int) -> None:
        if error != jute.NONODE:
            self._store.leave(self._take_barriers())
            raise ZooKeeperResultException("cannot commit %.200r: error %d" % (self.keys, error))
        if place is not None and versions <= place < versions + notices:
            self._store.forget_parents(self.keys)

    def _committed(self, evaluation: Evaluation, entries: Dict[str, Entry], transactid: str, zxid: int) -> None:
        if zxid:
            self._remember(evaluation, entries, zxid)
        self._barriers = {}
        self._store.committed(evaluation, transactid)

    def _remember(self, evaluation: Evaluation, entries: Dict[str, Entry], zxid: int) -> None:
        """Note what the keys are after a commit, and how often their children have changed by then.

        Not of those where somebody stands in line behind us.
        """
        for key in self.keys:
            if key in self._children and not znodes.is_alone(self._children[key][0], self._own_number(key)):
                continue
            entry, changes, stat = entries[key], 1, self._stats[key]
            if key in evaluation.values:
                name = znodes.data_name(self._own_number(key))
                entry, changes = Entry(name, stat.czxid, zxid, 0, evaluation.values[key]), 2
            if entry is not MISSING:
                self._store.remember(key, State(entry, stat.cversion + changes))

    async def _resolve(self, evaluation: Evaluation) -> bool:
        """Find out whether a commit was carried out, or make sure that it never is.

        :raises StorageUnavailableException: it is not carried out, and the time is over
        :raises StorageOutcomeUnknownException: that could not be found out in time
        """
        key = next(iter(evaluation.data))
        version = "%s/%s" % (self._layout.key(key), znodes.data_name(self._own_number(key)))
        calls = [jute.part_call(jute.delete_part(self._barriers[key])), jute.exists_call(version)]
        deadline = max(self._deadline, self._commit_began + _COMMIT_SECONDS) + _RESOLVE_SECONDS
        while True:
            left = deadline - self._store.now()
            if left < _SHORTEST_ASK:
                _logger.error("zookeeperdb: outcome of a transaction is unknown: %.500r", list(evaluation.data))
                self._store.leave(self._take_barriers())
                raise StorageOutcomeUnknownException("zookeeper: the connection was lost while the transaction was committed")
            try:
                gone, found = await self._store.ask(calls, min(left, PATIENCE))
            except ReplyLost as error:
                _logger.debug("zookeeperdb: commit is not resolved yet: %s", error)
                await self._store.container.wait_with_timeout(_SHORTEST_ASK)
                continue
            if gone.err in (jute.OK, jute.NONODE) and found.err in (jute.OK, jute.NONODE):
                break
            _logger.warning("zookeeperdb: commit is not resolved: errors %d and %d", gone.err, found.err)
            await self._store.container.wait_with_timeout(_SHORTEST_ASK)
        if gone.err == jute.NONODE and not found.err:
            return True
        self._store.leave(self._take_barriers())
        if self._store.now() >= self._deadline:
            raise StorageUnavailableException("zookeeper: the connection was lost before the transaction was committed")
        return False
