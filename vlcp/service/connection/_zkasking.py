"""Asking ZooKeeper within a time, for ZooKeeperDB."""

from __future__ import annotations

from typing import Any, List, Sequence

from vlcp.protocol.zookeeper import jute
from vlcp.utils.exceptions import StorageUnavailableException
from vlcp.utils.zkclient import ZooKeeperSessionUnavailable

PATIENCE = 2.0
"""Seconds that requests may take; after that the server is given up."""
_UNRESPONSIVE = 1.0


class ReplyLost(StorageUnavailableException):
    """No reply; what was asked for may be carried out."""

    concerns_all = True


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
            late, outcome = await self.container.execute_with_timeout(patience, request)
        except ZooKeeperSessionUnavailable as error:
            raise ReplyLost(str(error)) from error
        if late:
            # Whoever does not answer for so long is left for another server.
            if patience >= _UNRESPONSIVE and self.client.is_connected:
                self.container.subroutine(self.client.reconnect(), False, daemon=True)
            raise ReplyLost("ZooKeeper does not answer")
        replies, lost, retry, watchers = outcome
        if lost or retry:
            raise ReplyLost("connection to ZooKeeper was lost")
        if any(reply.err == jute.SESSIONEXPIRED for reply in replies):
            raise ReplyLost("the ZooKeeper session is over")
        return replies, watchers
