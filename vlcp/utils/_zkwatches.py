"""Watches of a ZooKeeper client: who waits for which path, across connections."""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Set, Tuple

from vlcp.event.future import Future, FutureCancelledException
from vlcp.utils import zookeeper as zk

DATA, EXIST, CHILD = "data", "exist", "child"
KINDS = (DATA, EXIST, CHILD)
_FIRED_BY = {
    zk.CREATED_EVENT_DEF: (DATA, EXIST),
    zk.CHANGED_EVENT_DEF: (DATA, EXIST),
    zk.DELETED_EVENT_DEF: KINDS,
    zk.CHILD_EVENT_DEF: (CHILD,),
}
_PACKET_BYTES = 100000


class WatchEvent(NamedTuple):
    """Why a watch fired: constants of ``zk_watch_event`` and ``zk_client_state``, and the path."""

    type: int
    state: int
    path: str


class Watcher(Future):
    """The next event of one watch: ``await watcher.wait()`` returns a :class:`WatchEvent`.

    :param table: where it is registered
    :param kind: ``data``, ``exist`` or ``child``
    :param path: path as the server knows it
    """

    def __init__(self, table: WatchTable, kind: str, path: str) -> None:
        super().__init__(table.scheduler)
        self._table = table
        self.kind = kind
        self.path = path
        self._callback: Optional[Callable[[Watcher], None]] = None

    def then(self, callback: Callable[[Watcher], None]) -> None:
        """Call ``callback(watcher)`` at once when it fires or fails, or now if it has; the callback must not raise."""
        self._callback = callback
        if self.done():
            callback(self)

    def _finish(self, result: Any, exception: Optional[BaseException]) -> None:
        super()._finish(result, exception)
        if self._callback is not None:
            self._callback(self)

    def close(self) -> None:
        """Discard the watcher; those who wait get :class:`FutureCancelledException`."""
        self._table.discard(self)
        if not self.done():
            self.set_exception(FutureCancelledException("the watch of %r is closed" % (self.path,)))

    cancel = close

    async def wait_and_close(self) -> Any:
        """Wait for the event and return it; discard the watcher if this wait is terminated."""
        try:
            return await self
        finally:
            self.close()


class WatchTable:
    """All watchers of a client.

    :param scheduler: the scheduler
    """

    def __init__(self, scheduler: Any) -> None:
        self.scheduler = scheduler
        self._watchers: Dict[Tuple[str, str], Set[Watcher]] = {}

    def __len__(self) -> int:
        return sum(len(found) for found in self._watchers.values())

    def add(self, kind: str, path: str) -> Watcher:
        """Return a new watcher of a path."""
        watcher = Watcher(self, kind, path)
        self._watchers.setdefault((kind, path), set()).add(watcher)
        return watcher

    def discard(self, watcher: Watcher) -> None:
        """Forget a watcher."""
        found = self._watchers.get((watcher.kind, watcher.path))
        if found is not None:
            found.discard(watcher)
            if not found:
                del self._watchers[watcher.kind, watcher.path]

    def fire(self, kind: int, path: str) -> List[Watcher]:
        """Remove and return the watchers that an event of the server is for."""
        fired: List[Watcher] = []
        for one in _FIRED_BY.get(kind, ()):
            fired.extend(self._watchers.pop((one, path), ()))
        return fired

    def clear(self) -> List[Watcher]:
        """Remove and return all watchers."""
        watchers = [watcher for found in self._watchers.values() for watcher in found]
        self._watchers.clear()
        return watchers

    def packets(self, zxid: int) -> Iterator[Any]:
        """Yield :data:`SetWatches` packets for all watchers.

        :param zxid: last state that the client has seen; the server tells at once what changed after it
        """
        fields: Dict[str, List[bytes]] = {kind: [] for kind in KINDS}
        size = 0
        for kind, path in self._watchers:
            data = path.encode("utf-8")
            fields[kind].append(data)
            size += len(data) + 4
            if size > _PACKET_BYTES:
                yield _packet(zxid, fields)
                fields, size = {kind: [] for kind in KINDS}, 0
        if size:
            yield _packet(zxid, fields)


def _packet(zxid: int, fields: Dict[str, List[bytes]]) -> Any:
    return zk.SetWatches(relativeZxid=zxid, dataWatches=fields[DATA], existWatches=fields[EXIST], childWatches=fields[CHILD])
