"""Numbers of logical networks that survive a restart of the controller: kept in the switch's own Bridge row of OVSDB."""

from __future__ import annotations

import json
import logging
from typing import Any, Dict, Optional

from vlcp.server.module import call_api

_logger = logging.getLogger(__name__)

_RETRY_S = 2.0

COLUMN_KEY = "vlcp-networks"
"""Key in ``external_ids`` of the Bridge row; the value is JSON ``{network key: number}``."""


class NumberStore:
    """Reads and writes the numbers of one switch.

    :param container: the updater of the switch, which runs the calls
    :param datapathid: the switch
    :param vhost: OVSDB vHost
    """

    def __init__(self, container: Any, datapathid: int, vhost: str) -> None:
        self._container = container
        self._bridge = {"datapathid": datapathid, "vhost": vhost}
        #: What this store has written last; None before that, since a write of an earlier connection may still be under way
        self._stored: Optional[Dict[str, int]] = None
        self._wanted: Dict[str, int] = {}
        self._writing = False

    async def load(self) -> Dict[str, int]:
        """Return what was stored; nothing when it cannot be read."""
        try:
            ids = await call_api(self._container, "ovsdbmanager", "getbridgeexternalids", await self._place())
            stored = json.loads((ids or {}).get(COLUMN_KEY, "{}"))
        except Exception as error:
            _logger.warning("numbers of networks of %#x cannot be read: %s", self._bridge["datapathid"], error)
            return {}
        if not isinstance(stored, dict):
            return {}
        return {key: number for key, number in stored.items() if isinstance(number, int)}

    def save(self, numbers: Dict[str, int]) -> None:
        """Write the numbers soon, without waiting; the last ones win."""
        self._wanted = numbers
        if not self._writing and self._wanted != self._stored:
            self._writing = True
            self._container.start_helper(self._write())

    async def _place(self) -> Dict[str, Any]:
        """Return the OVSDB connection and the UUID of the switch's bridge."""
        connection = await call_api(self._container, "ovsdbmanager", "getconnection", self._bridge)
        info = await call_api(self._container, "ovsdbmanager", "getbridgeinfo", self._bridge)
        if connection is None or info is None:
            raise LookupError("no OVSDB connection knows the switch")
        return {"connection": connection, "bridge": info[2]}

    async def _write(self) -> None:
        while self._wanted != self._stored:
            numbers = self._wanted
            try:
                ids = {COLUMN_KEY: json.dumps(numbers, sort_keys=True, separators=(",", ":"))}
                place = await self._place()
                await call_api(self._container, "ovsdbmanager", "updatebridge", {**place, "external_ids": ids})
                self._stored = numbers
            except Exception as error:
                _logger.warning("numbers of networks of %#x cannot be stored: %s", self._bridge["datapathid"], error)
                await self._container.wait_with_timeout(_RETRY_S)
        self._writing = False
