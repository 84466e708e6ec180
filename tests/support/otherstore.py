"""A second SQLite store for one process, which can end the process in the middle of its work."""

from __future__ import annotations

import os
import signal
from typing import Any, Callable, Optional, Sequence

from vlcp.config import defaultconfig
from vlcp.service.connection.sqlitedb import SQLiteDB


@defaultconfig
class OtherStore(SQLiteDB):
    """Store of ``module.otherstore.path``"""

    _default_killat = 0
    "Kill the process before this commit, counted from 1; 0 never"
    _commits = 0

    async def updateallwithtime(
        self, keys: Sequence[str], updater: Callable[..., Any], timeout: Optional[float] = None, vhost: str = ""
    ) -> Any:
        """Count the commits; see :class:`SQLiteDB`."""
        self._commits += 1
        if self._commits == self.killat:
            os.kill(os.getpid(), signal.SIGKILL)
        return await super().updateallwithtime(keys, updater, timeout, vhost)
