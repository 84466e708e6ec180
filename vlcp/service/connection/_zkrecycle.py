"""Deleting old versions and notifications from ZooKeeper, gently."""

from __future__ import annotations

import logging
import random
from typing import Any, Dict, List, Set, Tuple

from vlcp.protocol.zookeeper import jute
from vlcp.service.connection import _znodes as znodes
from vlcp.service.connection._zktransaction import ZooKeeperResultException
from vlcp.utils.exceptions import StorageUnavailableException

_logger = logging.getLogger(__name__)

_ROUND_SECONDS = 180.0
_ROUNDS_OF_OWN = 10
_SAMPLE = 2000
_VERSION_SECONDS = 120.0
_PARENT_SECONDS = 3600.0
_CHUNK = 50
_PAUSE_SECONDS = 0.05


class Recycler:
    """Recycles the keys that this process wrote, and now and then a sample of all keys.

    :param store: :class:`vlcp.service.connection._zkstore.ZkStore`
    """

    version_seconds = _VERSION_SECONDS
    parent_seconds = _PARENT_SECONDS

    def __init__(self, store: Any) -> None:
        self._store = store
        self._layout = store.layout
        self._waiting: Set[str] = set()
        self._running = False

    async def main(self) -> None:
        """Recycle for ever."""
        number = random.randrange(_ROUNDS_OF_OWN)
        while True:
            await self._store.container.wait_with_timeout(_ROUND_SECONDS * random.uniform(0.9, 1.1))
            number += 1
            names, self._store.written = {znodes.escape(key) for key in self._store.written}, set()
            try:
                if number % _ROUNDS_OF_OWN == 0:
                    everything = await self._store.key_nodes()
                    names.update(random.sample(everything, min(_SAMPLE, len(everything))))
                await self._recycle(sorted(names))
            except (StorageUnavailableException, ZooKeeperResultException) as error:
                _logger.info("zookeeperdb: recycling is put off: %s", error)
                self._store.written.update(znodes.unescape(name) for name in names)

    def later(self, keys: List[str]) -> None:
        """Recycle keys beside everything else."""
        self._waiting.update(znodes.escape(key) for key in keys)
        if not self._running:
            self._running = True
            self._store.container.subroutine(self._recycle_waiting(), False, daemon=True)

    async def _recycle_waiting(self) -> None:
        try:
            while self._waiting:
                names, self._waiting = sorted(self._waiting), set()
                await self._recycle(names)
        except (StorageUnavailableException, ZooKeeperResultException) as error:
            _logger.info("zookeeperdb: keys are not recycled: %s", error)
        finally:
            self._running = False

    async def _recycle(self, names: List[str]) -> None:
        for begin in range(0, len(names), _CHUNK):
            part = names[begin : begin + _CHUNK]
            (timer,) = await self._store.ask([jute.part_call(jute.setdata_part(self._layout.timer))])
            if timer.err:
                raise ZooKeeperResultException("cannot read the time: error %d" % (timer.err,))
            now = timer.value.mtime
            await self._recycle_versions(part, now)
            await self._recycle_notices(["%s/%s" % (self._layout.bykey, name) for name in part], now)
            await self._store.container.wait_with_timeout(_PAUSE_SECONDS)
        if names:
            await self._recycle_notices([self._layout.all], now)

    async def _recycle_versions(self, names: List[str], now: int) -> None:
        parents = ["%s/%s" % (self._layout.kvdb, name) for name in names]
        found = await self._children(parents)
        ages = await self._ages([(path, name) for path in found for name in znodes.versions(found[path][0])], now)
        calls = []
        for path, (children, stat) in found.items():
            gone = znodes.recyclable(children, ages.get(path, {}), self.version_seconds)
            if gone:
                calls.append(jute.multi_call([jute.delete_part("%s/%s" % (path, name)) for name in gone]))
            if not children and (now - stat.mtime) / 1000.0 > self.parent_seconds:
                calls.append(jute.part_call(jute.delete_part(path, stat.version)))
                channel = "%s/%s" % (self._layout.bykey, path.rpartition("/")[2])
                calls.append(jute.part_call(jute.delete_part(channel)))
        await self._store.ask(calls)

    async def _recycle_notices(self, channels: List[str], now: int) -> None:
        found = await self._children(channels)
        pairs = [(path, name) for path in found for name in found[path][0] if znodes.transaction_of(name) is not None]
        ages = await self._ages(pairs, now)
        calls = [
            jute.part_call(jute.delete_part("%s/%s" % (path, name)))
            for path, name in pairs
            if ages.get(path, {}).get(name, (0.0, 0))[0] > self.version_seconds
        ]
        for begin in range(0, len(calls), _CHUNK):
            await self._store.ask(calls[begin : begin + _CHUNK])

    async def _children(self, paths: List[str]) -> Dict[str, Any]:
        replies = await self._store.ask([jute.children_call(path) for path in paths])
        return {path: reply.value for path, reply in zip(paths, replies) if not reply.err}

    async def _ages(self, pairs: List[Tuple[str, str]], now: int) -> Dict[str, Dict[str, Tuple[float, int]]]:
        """Return ``{parent: {name: (age in seconds, bytes of content)}}``."""
        ages: Dict[str, Dict[str, Tuple[float, int]]] = {}
        for begin in range(0, len(pairs), _CHUNK):
            part = pairs[begin : begin + _CHUNK]
            replies = await self._store.ask([jute.exists_call("%s/%s" % pair) for pair in part])
            for (path, name), reply in zip(part, replies):
                if not reply.err:
                    age = (now - reply.value.ctime) / 1000.0
                    ages.setdefault(path, {})[name] = (age, reply.value.data_length)
        return ages
