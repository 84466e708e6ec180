"""Barriers of processes that are dead."""

from __future__ import annotations

import logging
from typing import Any, Awaitable, Callable, Dict, List, Sequence, Set

from vlcp.protocol.zookeeper import jute
from vlcp.service.connection import _znodes as znodes

_logger = logging.getLogger(__name__)

_MOST_VERDICTS = 1000

Ask = Callable[[Sequence[Any]], Awaitable[List[Any]]]


class Verdicts:
    """Which processes have let a barrier stand for so long that it was taken away, and when.

    What else such a process has left need not be waited for. A barrier that it makes after the verdict shows that it lives.
    """

    def __init__(self) -> None:
        self._zxids: Dict[str, int] = {}

    async def take_away(self, ask: Ask, paths: Sequence[str]) -> None:
        """Delete barriers whose time is over, and remember whose they were.

        :raises ReplyLost: no replies; they may be deleted
        """
        replies = await ask([jute.part_call(jute.delete_part(path)) for path in paths])
        if len(self._zxids) >= _MOST_VERDICTS:
            self._zxids.clear()
        for path, reply in zip(paths, replies):
            if not reply.err:
                self._zxids[_origin(path)] = reply.zxid

    async def take_away_left(self, ask: Ask, paths: Sequence[str], examined: Set[str]) -> bool:
        """Delete those barriers that were there before the verdict about their process; return whether there was one.

        :param examined: barriers that need no look, to which those are added that were looked at
        :raises ReplyLost: no replies; they may be deleted
        """
        suspects = [path for path in paths if _origin(path) in self._zxids and path not in examined]
        if not suspects:
            return False
        examined.update(suspects)
        replies = await ask([jute.exists_call(path) for path in suspects])
        left = [
            path
            for path, reply in zip(suspects, replies)
            if not reply.err and reply.value.czxid <= self._zxids.get(_origin(path), -1)
        ]
        if left:
            _logger.warning("zookeeperdb: takes away barriers of processes that were found dead: %.500r", left)
            await ask([jute.part_call(jute.delete_part(path)) for path in left])
        return bool(left)


def _origin(path: str) -> str:
    return znodes.origin_of(path.rpartition("/")[2])
