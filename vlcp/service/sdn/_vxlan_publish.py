"""Keeps the tunnel end-points of one switch in the database as they are wanted, and renews them before they expire."""

from __future__ import annotations

from typing import Any, Iterable, Mapping, Optional, Tuple

from vlcp.event.runnable import RoutineContainer
from vlcp.service.sdn._flows.records import Due
from vlcp.service.sdn._records_writer import RecordsWriter
from vlcp.utils.vxlandiscover import update_vxlaninfo

NETWORK, PORT = "network", "port"


class Publisher(RecordsWriter):
    """Writes records ``(NETWORK, id)`` and ``(PORT, id)``, whose values are tunnel addresses.

    :param container: runs the calls
    :param allowed_s: see ``allowedmigrationtime`` of ``vxlancast``
    :param refresh_s: seconds after which records of networks are written again, None for never
    """

    def __init__(self, container: RoutineContainer, allowed_s: float, refresh_s: Optional[float]) -> None:
        super().__init__(container, "tunnel end-points")
        self._allowed_s = allowed_s
        self._refresh_s = refresh_s
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
        self.wake()

    async def write(self, due: Due) -> None:
        """Write records of networks and ports in one transaction.

        :raises Exception: as ``objectdb/transact``
        """
        networks = {key[1]: ip for key, ip in due.put.items() if key[0] == NETWORK}
        networks.update((key[1], None) for key in due.remove if key[0] == NETWORK)
        created = {key[1]: ip for key, ip in due.put.items() if key[0] == PORT}
        removed = {key[1]: None for key in due.remove if key[0] == PORT}
        await update_vxlaninfo(self._container, networks, created, removed, *self.bridge, self._allowed_s, self._refresh_s)
