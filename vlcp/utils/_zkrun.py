"""Requests of a ZooKeeper client on their way, over as many connections as it takes."""

from __future__ import annotations

from typing import Any, Callable, List, Optional, Sequence, Tuple

from vlcp.utils import zookeeper as zk
from vlcp.utils._zkpaths import Chroot
from vlcp.utils._zkwatches import EXIST, Watcher, WatchTable

_READ_ONLY = {
    zk.ZOO_EXISTS_OP,
    zk.ZOO_GETDATA_OP,
    zk.ZOO_GETACL_OP,
    zk.ZOO_GETCHILDREN_OP,
    zk.ZOO_GETCHILDREN2_OP,
    zk.ZOO_SYNC_OP,
    zk.ZOO_PING_OP,
}


class Run:
    """Requests on their way.

    :param chroot: maps the paths
    :param watches: gets the watches that are set
    :param protocol: the protocol of the connections
    :param requests: what to send
    :param callback: ``callback(request, response)``, or None
    """

    def __init__(
        self,
        chroot: Chroot,
        watches: WatchTable,
        protocol: Any,
        requests: Sequence[Any],
        callback: Optional[Callable[[Any, Any], Any]],
    ) -> None:
        self._chroot = chroot
        self._watches = watches
        self._protocol = protocol
        self._requests = list(requests)
        self._callback = callback
        self._calls = [chroot.call(request) for request in self._requests]
        self._places = {id(call): number for number, call in enumerate(self._calls)}
        self._responses: List[Any] = [None] * len(self._requests)
        self._watchers: List[Optional[Watcher]] = [None] * len(self._requests)
        self._sent = [False] * len(self._requests)
        self.todo = list(range(len(self._requests)))

    async def attempt(self, connection: Any, priority: int) -> bool:
        """Send what is not answered; return whether the rest may be sent again."""
        calls = [self._calls[number] for number in self.todo]
        batch = await self._protocol.carry_out(connection, calls, self._answered, priority)
        for number, sent in zip(self.todo, batch.sent):
            self._sent[number] = sent and self._responses[number] is None
        self.todo = [number for number in self.todo if self._responses[number] is None]
        return all(not self._sent[number] or self._calls[number].kind in _READ_ONLY for number in self.todo)

    def _answered(self, call: Any, response: Any) -> None:
        number = self._places[id(call)]
        self._responses[number] = self._chroot.response(call.kind, response)
        if call.watch is not None and (response.err == zk.ZOO_ERR_OK or _watches_missing(call, response)):
            self._watchers[number] = self._watches.add(call.watch, call.path)
        if self._callback is not None:
            self._callback(self._requests[number], self._responses[number])

    def result(self) -> Tuple[list, list, list, list]:
        """Return what :meth:`ZooKeeperClient.requests` does."""
        lost = [self._requests[number] for number in self.todo if self._sent[number]]
        retry = [self._requests[number] for number in self.todo if not self._sent[number]]
        return self._responses, lost, retry, self._watchers


def _watches_missing(call: Any, response: Any) -> bool:
    return call.watch == EXIST and response.err == zk.ZOO_ERR_NONODE
