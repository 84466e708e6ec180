"""Asking ZooKeeper within a time, for ZooKeeperDB."""

from __future__ import annotations

from typing import Any, List, Sequence

from vlcp.event.core import TimerEvent
from vlcp.protocol.zookeeper import jute
from vlcp.utils.exceptions import StorageUnavailableException
from vlcp.utils.zkclient import ZooKeeperSessionUnavailable

PATIENCE = 2.0
"""Seconds that requests may take; after that the server is given up."""
_UNRESPONSIVE = 1.0
_STALL_SECONDS = 0.5


class ReplyLost(StorageUnavailableException):
    """No reply; what was asked for may be carried out."""

    concerns_all = True


class _Late(Exception):
    """There is no reply in time."""


class Asker:
    """Sends requests and returns all replies.

    :param client: :class:`vlcp.utils.zkclient.ZooKeeperClient`
    :param container: runs the requests
    """

    def __init__(self, client: Any, container: Any) -> None:
        self.client = client
        self.container = container

    async def ask(self, calls: Sequence[Any], patience: float = PATIENCE) -> List[Any]:
        """Return the replies to fast requests.

        :raises ReplyLost: there are none in time
        """
        return (await self.ask_and_watch(calls, patience))[0]

    async def ask_and_watch(self, calls: Sequence[Any], patience: float = PATIENCE) -> Any:
        """Return (replies, watchers); ``watchers`` has None where no watch is set.

        :raises ReplyLost: there are no replies in time
        """
        request = self.client.requests(calls, self.container, patience)
        try:
            outcome = await self._in_time(patience, request)
        except ZooKeeperSessionUnavailable as error:
            raise ReplyLost(str(error)) from error
        except _Late:
            # Whoever does not answer for so long is left for another server.
            if patience >= _UNRESPONSIVE and self.client.is_connected:
                self.container.subroutine(self.client.reconnect(), False, daemon=True)
            raise ReplyLost("ZooKeeper does not answer") from None
        replies, lost, retry, watchers = outcome
        if lost or retry:
            raise ReplyLost("connection to ZooKeeper was lost")
        if any(reply.err == jute.SESSIONEXPIRED for reply in replies):
            raise ReplyLost("the ZooKeeper session is over")
        return replies, watchers

    async def _in_time(self, patience: float, request: Any) -> Any:
        """Return the result of a coroutine.

        :raises _Late: it takes longer; but not if this process was busy with something else, so that replies may be unread
        """
        scheduler = self.container.scheduler
        due = scheduler.current_time + patience
        timer = scheduler.setTimer(patience, _STALL_SECONDS)

        def fired(event: Any, matcher: Any) -> None:
            nonlocal due
            if scheduler.current_time - due > _STALL_SECONDS:
                due = scheduler.current_time
            else:
                raise _Late

        try:
            return await self.container.with_callback(request, fired, TimerEvent.createMatcher(timer))
        finally:
            scheduler.cancelTimer(timer)
