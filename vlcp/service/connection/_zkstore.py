"""The key-value store on one ZooKeeper cluster: reading, and letting transactions run (see ``_zktransaction``)."""

from __future__ import annotations

import itertools
import logging
import zlib
from collections import OrderedDict, deque
from typing import Any, Callable, Deque, Dict, Iterable, List, Optional, Sequence, Set, Tuple

from vlcp.event.future import QuietFuture
from vlcp.protocol.zookeeper import jute
from vlcp.service.connection import _znodes as znodes
from vlcp.service.connection._batches import Batches, Update
from vlcp.service.connection._codec import Codec
from vlcp.service.connection._sqlitebatch import Cache
from vlcp.service.connection._storagecalls import patience_left
from vlcp.service.connection._zkasking import Asker
from vlcp.service.connection._zkbatch import MISSING, Entry, Evaluation, State
from vlcp.service.connection._zktransaction import Transaction, ZooKeeperResultException
from vlcp.service.connection._zkverdicts import Verdicts
from vlcp.utils.exceptions import StorageOutcomeUnknownException, StorageUnavailableException
from vlcp.utils.kvcache import KVCache
from vlcp.utils.notifier import Notification, UpdateNotification

_logger = logging.getLogger(__name__)

_MOST_RUNNING = 8
_CHUNK = 500
_READ_TRIES = 8
_PARENT_SECONDS = 1800.0
_MOST_PARENTS = 100000
_DEBT_SECONDS = 0.5
_LONGEST = 2.6
"""Seconds that a transaction may wait for ZooKeeper and for others in line: enough to find one process dead."""


class ZkStore(Asker):
    """The store of one virtual host.

    :param client: :class:`vlcp.utils.zkclient.ZooKeeperClient`
    :param container: runs everything
    :param codec: of the values
    :param origin: 32 hexadecimal digits of this process
    :param settings: the module, for ``singlecastlimit``, ``notifierdeflate``, ``barriertimeout``, ``cachesize``
    """

    def __init__(self, client: Any, container: Any, codec: Codec, origin: str, settings: Any) -> None:
        super().__init__(client, container)
        self.layout = znodes.Layout("" if client.chroot == "/" else client.chroot)
        self.codec = codec
        self.origin = origin
        self.singlecastlimit = settings.singlecastlimit
        self.notifierdeflate = settings.notifierdeflate
        self.barriertimeout = settings.barriertimeout
        self.clock = 0
        self.listeners: List[Callable[[Notification], None]] = []
        self.notifiers: Set[Any] = set()
        "those that have been started"
        self.written: Set[str] = set()
        "keys whose old versions this process has to recycle"
        self._cache = Cache(settings.cachesize)
        self._states: Dict[str, State] = {}
        self._most_states = settings.cachesize
        self._parents: OrderedDict = OrderedDict()
        self._serial = itertools.count(1)
        self._notices = itertools.count(1)
        self.verdicts = Verdicts()
        self._batches = Batches("zookeeper", container, self._run, _MOST_RUNNING, self.singlecastlimit)
        self._debts: Deque[Tuple[List[str], str, List[str]]] = deque()
        self._paying = False

    def now(self) -> float:
        """Return the time of the scheduler in seconds."""
        return self.container.scheduler.current_time

    async def prepare(self) -> None:
        """Create the nodes that must exist.

        :raises StorageUnavailableException: ZooKeeper cannot be reached
        :raises ZooKeeperResultException: ZooKeeper refuses it
        """
        replies = await self.ask([jute.part_call(jute.create_part(path)) for path in self.layout.fixed()])
        for path, reply in zip(self.layout.fixed(), replies):
            if reply.err not in (jute.OK, jute.NODEEXISTS):
                raise ZooKeeperResultException("cannot create %s: error %d" % (path, reply.err))

    # Reading

    async def read(self, keys: Sequence[str], kept: Optional[KVCache] = None) -> Dict[str, Entry]:
        """Return the values of keys at one moment.

        :param kept: entries that are known, which are the same objects in the result if they did not change
        :raises StorageUnavailableException: ZooKeeper cannot be reached
        :raises StoredValueError: a value cannot be decoded
        """
        wanted = list(dict.fromkeys(keys))
        for _ in range(_READ_TRIES):
            entries = await self._read_once(wanted, kept)
            if entries is not None:
                self._cache.update(entries)
                return entries
        raise StorageUnavailableException("zookeeper: values vanish while they are read: %.200r" % (wanted,))

    async def _read_once(self, keys: List[str], kept: Optional[KVCache]) -> Optional[Dict[str, Entry]]:
        replies = await self._ask_all([jute.children_call(self.layout.key(key)) for key in keys])
        entries: Dict[str, Entry] = {}
        pending: Dict[str, Tuple[int, List[str]]] = {}
        limit = replies[0].zxid if replies else 0
        for key, reply in zip(keys, replies):
            if reply.err == jute.NONODE:
                entries[key] = MISSING
                continue
            if reply.err:
                raise ZooKeeperResultException("cannot read %r: error %d" % (key, reply.err))
            names, stat = reply.value
            candidates = znodes.versions(names)
            found = self._known(key, candidates, stat.czxid, limit, kept)
            if found is not None:
                entries[key] = found
            else:
                pending[key] = (stat.czxid, candidates)
        while pending:
            if not await self._fetch(pending, limit, entries):
                return None
        return entries

    def _known(self, key: str, candidates: List[str], parent: int, limit: int, kept: Optional[KVCache]) -> Optional[Entry]:
        if not candidates:
            return MISSING
        for known in (kept.get(key) if kept is not None else None, self._cache.get(key)):
            if known is not None and (known.name, known.parent) == (candidates[0], parent) and known.zxid <= limit:
                return known
        return None

    async def _fetch(self, pending: Dict[str, Tuple[int, List[str]]], limit: int, entries: Dict[str, Entry]) -> bool:
        """Read the newest version left of each pending key; return False if the whole has to begin again."""
        asked = list(pending)
        calls = [jute.getdata_call("%s/%s" % (self.layout.key(key), pending[key][1][0])) for key in asked]
        for key, reply in zip(asked, await self._ask_all(calls)):
            parent, candidates = pending[key]
            if reply.err == jute.NONODE:
                return False
            if not reply.err and reply.value[1].czxid > limit:
                # Written after the moment of this snapshot.
                del candidates[0]
                if not candidates:
                    entries[key] = MISSING
                    del pending[key]
                continue
            entries[key] = self.entry(key, candidates[0], parent, reply)
            del pending[key]
        return True

    async def _ask_all(self, calls: List[Any]) -> List[Any]:
        replies: List[Any] = []
        for begin in range(0, len(calls), _CHUNK):
            replies.extend(await self.ask(calls[begin : begin + _CHUNK]))
        return replies

    def entry(self, key: str, name: str, parent: int, reply: Any) -> Entry:
        """Return the entry of a version that was read.

        :raises StoredValueError: it cannot be decoded
        """
        if reply.err == jute.NONODE:
            return MISSING
        if reply.err:
            raise ZooKeeperResultException("cannot read %r: error %d" % (key, reply.err))
        data, stat = reply.value
        value = self.codec.decode(key, data) if data else None
        return Entry(name, parent, stat.czxid, stat.ctime, value)

    def cached(self, key: str) -> Optional[Entry]:
        """Return the entry of a key that was read last, or None."""
        return self._cache.get(key)

    async def list_keys(self) -> List[str]:
        """Return all keys that have a value.

        :raises StorageUnavailableException: ZooKeeper cannot be reached
        """
        names = await self.key_nodes()
        found: List[str] = []
        for begin in range(0, len(names), _CHUNK):
            found.extend(await self._with_value(names[begin : begin + _CHUNK]))
        return [znodes.unescape(name) for name in found]

    async def key_nodes(self) -> List[str]:
        """Return the names of the nodes of all keys, also of deleted ones."""
        (reply,) = await self.ask([jute.children_call(self.layout.kvdb)])
        if reply.err:
            raise ZooKeeperResultException("cannot list keys: error %d" % (reply.err,))
        return reply.value[0]

    async def _with_value(self, names: List[str]) -> List[str]:
        replies = await self.ask([jute.children_call("%s/%s" % (self.layout.kvdb, name)) for name in names])
        newest = [(name, znodes.versions(reply.value[0])[:1]) for name, reply in zip(names, replies) if not reply.err]
        asked = [(name, version[0]) for name, version in newest if version]
        replies = await self.ask([jute.exists_call("%s/%s/%s" % (self.layout.kvdb, *one)) for one in asked])
        return [name for (name, _), reply in zip(asked, replies) if not reply.err and reply.value.data_length]

    # Writing

    async def write(self, keys: Sequence[str], updater: Callable[..., Any], writes: Iterable[str] = ()) -> Any:
        """Carry out one transaction; see ``updateallwithtime`` in :mod:`vlcp.service.kvdb.storage`."""
        deadline = self.now() + patience_left(updater, _LONGEST)
        update = Update(keys, updater, QuietFuture(self.container.scheduler), deadline, writes)
        return await self._batches.carry_out(update)

    async def _run(self, batch: List[Update]) -> None:
        try:
            await Transaction(self, batch).run()
        except Exception as error:
            if len(batch) == 1 or isinstance(error, (StorageUnavailableException, StorageOutcomeUnknownException)):
                raise
            _logger.debug("zookeeperdb: transactions run one by one after: %s", error)
            await self._run_single(batch)

    async def _run_single(self, batch: List[Update]) -> None:
        for update in batch:
            try:
                await Transaction(self, [update]).run()
            except Exception as error:
                update.error = error

    def next_barrier(self) -> str:
        """Return how the barriers of the next transaction begin."""
        return znodes.barrier_name(self.origin, next(self._serial))

    def unknown_parents(self, keys: Iterable[str]) -> List[str]:
        """Return the keys whose nodes may be missing, or may be recycled soon."""
        limit = self.now() - _PARENT_SECONDS
        return [key for key in keys if self._parents.get(key, -_PARENT_SECONDS * 2) < limit]

    def know_parents(self, keys: Iterable[str]) -> None:
        """Remember that the nodes of keys exist and were touched now."""
        now = self.now()
        for key in keys:
            self._parents[key] = now
            self._parents.move_to_end(key)
        while len(self._parents) > _MOST_PARENTS:
            self._parents.popitem(last=False)

    def forget_parents(self, keys: Iterable[str]) -> None:
        """Create and touch the nodes of keys before the next transaction."""
        for key in keys:
            self._parents.pop(key, None)

    def learn_clock(self, clock: int) -> None:
        """Give out only later time stamps from now on."""
        self.clock = max(self.clock, clock)

    # Notifications of commits

    def notices(self, evaluation: Evaluation) -> Tuple[str, List[Any]]:
        """Return (id, parts of the commit that tell others of it)."""
        transactid = "%s-%016x" % (self.origin, next(self._notices))
        keys = list(evaluation.data)
        data = self.codec.pack(
            self.codec.encode(znodes.message(transactid, keys, [evaluation.versions.get(key) for key in keys]))
        )
        if self.notifierdeflate:
            data = zlib.compress(data, 1)
        channels = [self.layout.channel(key) for key in keys] if len(keys) <= self.singlecastlimit else [self.layout.all]
        name = znodes.notify_name(transactid)
        return transactid, [jute.create_part("%s/%s" % (channel, name), data, jute.SEQUENCE) for channel in channels]

    def take_state(self, key: str) -> Optional[State]:
        """Return what a key was after the last commit of this process, once; None if it is not known."""
        return self._states.pop(key, None)

    def remember(self, key: str, state: State) -> None:
        """Note what a key is after a commit of this process."""
        self._cache.update({key: state.entry})
        if len(self._states) >= self._most_states:
            self._states.clear()
        self._states[key] = state

    def committed(self, evaluation: Evaluation, transactid: str) -> None:
        """Take note of a commit of this process."""
        self.learn_clock(evaluation.clock)
        self.written.update(evaluation.data)
        keys = tuple(evaluation.data)
        versions = [evaluation.versions.get(key) for key in keys]
        notification = Notification(transactid, keys, versions, UpdateNotification.UPDATED, True)
        for listener in list(self.listeners):
            listener(notification)

    # What is left to be cleaned up

    def leave(self, barriers: List[str]) -> None:
        """Take barriers of ours away soon."""
        if barriers:
            self._owe(([], "", barriers))

    def owe(self, keys: Sequence[str], prefix: str, barriers: List[str]) -> None:
        """Take away soon what may have been created for ``keys`` with this prefix, and barriers."""
        self._owe((list(keys), prefix, barriers))

    def _owe(self, debt: Tuple[List[str], str, List[str]]) -> None:
        self._debts.append(debt)
        if not self._paying:
            self._paying = True
            self.container.subroutine(self._pay(), False, daemon=True)

    async def _pay(self) -> None:
        try:
            while self._debts:
                keys, prefix, barriers = self._debts[0]
                try:
                    found = await self._barriers_of(keys, prefix)
                    await self.ask([jute.part_call(jute.delete_part(path)) for path in (*barriers, *found)])
                except StorageUnavailableException as error:
                    _logger.debug("zookeeperdb: barriers cannot be taken away yet: %s", error)
                    await self.container.wait_with_timeout(_DEBT_SECONDS)
                    continue
                self._debts.popleft()
        finally:
            self._paying = False

    async def _barriers_of(self, keys: List[str], prefix: str) -> List[str]:
        if not keys:
            return []
        paths = [self.layout.key(key) for key in keys]
        replies = await self.ask([jute.children_call(path) for path in paths])
        return [
            "%s/%s" % (path, name)
            for path, reply in zip(paths, replies)
            if not reply.err
            for name in reply.value[0]
            if name.startswith(prefix)
        ]
