"""Keeps the tunnel end-points of one switch in the database as they are wanted, and renews them before they expire."""

from __future__ import annotations

import logging
from typing import Any, Iterable, Mapping, Optional, Tuple

from vlcp.event.event import Event, withIndices
from vlcp.event.runnable import RoutineContainer
from vlcp.service.sdn._flows.records import Due, Records
from vlcp.utils.vxlandiscover import update_vxlaninfo

_logger = logging.getLogger(__name__)

_CHUNK = 100
_FIRST_RETRY_S, _LONGEST_RETRY_S = 0.5, 5.0
NETWORK, PORT = "network", "port"


@withIndices("publisher")
class VXLANRecordsWanted(Event):
    """The wanted records of a publisher are others."""


class Publisher:
    """Writes records ``(NETWORK, id)`` and ``(PORT, id)``, whose values are tunnel addresses.

    :param container: runs the calls
    :param allowed_s: see ``allowedmigrationtime`` of ``vxlancast``
    :param refresh_s: seconds after which records of networks are written again, None for never
    """

    def __init__(self, container: RoutineContainer, allowed_s: float, refresh_s: Optional[float]) -> None:
        self._container = container
        self._allowed_s = allowed_s
        self._refresh_s = refresh_s
        self.records = Records()
        self.bridge: Any = None

    def update(
        self,
        bridge: Any,
        wanted: Mapping[Tuple[str, str], Optional[str]],
        lost: Iterable[Tuple[str, str]],
        found: Iterable[Tuple[str, str]],
    ) -> None:
        """Take changed wishes.

        :param bridge: OVSDB vHost, system id and name of the switch's bridge
        :param wanted: ``{(NETWORK or PORT, id): tunnel address}``, None for no record
        :param lost: records that the database is known to have no longer
        :param found: records of this node that the database has, and that may be from an earlier run
        """
        self.bridge = bridge
        for key, ip in wanted.items():
            self.records.want(key, ip, self._refresh_s if key[0] == NETWORK else None)
        self.records.lost(lost)
        self.records.found(found)
        self._container.scheduler.emergesend(VXLANRecordsWanted(self))

    async def run(self) -> None:
        """Write what is due, without end."""
        wanted = VXLANRecordsWanted.createMatcher(self)
        scheduler = self._container.scheduler
        delay = _FIRST_RETRY_S
        while True:
            due = self.records.due(scheduler.current_time, _CHUNK)
            if not due or self.bridge is None:
                at = self.records.next_due()
                left = None if at is None or self.bridge is None else max(at - scheduler.current_time, 0.001)
                await self._container.wait_with_timeout(left, wanted)
            elif await self._write(due):
                delay = _FIRST_RETRY_S
            else:
                await self._container.wait_with_timeout(delay)
                delay = min(delay * 2, _LONGEST_RETRY_S)

    async def _write(self, due: Due) -> bool:
        self.records.began(due)
        networks = {key[1]: ip for key, ip in due.put.items() if key[0] == NETWORK}
        networks.update((key[1], None) for key in due.remove if key[0] == NETWORK)
        created = {key[1]: ip for key, ip in due.put.items() if key[0] == PORT}
        removed = {key[1]: None for key in due.remove if key[0] == PORT}
        try:
            await update_vxlaninfo(self._container, networks, created, removed, *self.bridge, self._allowed_s, self._refresh_s)
        except Exception as error:
            _logger.warning("tunnel end-points of bridge %s cannot be written now: %s", self.bridge, error or type(error))
            return False
        self.records.committed(due, self._container.scheduler.current_time)
        return True
