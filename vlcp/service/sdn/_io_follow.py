"""Follows the ports of one switch in both managers, and hands them to the switch's updater."""

from __future__ import annotations

import logging
from typing import Any, Callable, Tuple

from vlcp.event.event import M_
from vlcp.event.runnable import RoutineContainer
from vlcp.server.module import ModuleNotification, call_api

_logger = logging.getLogger(__name__)

_RESYNC_S = 5.0
_LONGEST_RESYNC_S = 60.0
_BRIDGE_WAIT_S = 30.0


class PortFollower(RoutineContainer):
    """Waits for the bridge of a switch in OVSDB, makes the updater, and keeps its ports up to date.

    :param connection: a connection that the OpenFlow manager serves
    :param vhost: OVSDB vHost
    :param create: called with system id and name of the bridge; returns an ``IOFlowUpdater``, not started
    :ivar updater: the updater, None before the bridge is known
    """

    def __init__(self, connection: Any, vhost: str, create: Callable[[str, str], Any]) -> None:
        super().__init__(connection.scheduler)
        self.updater: Any = None
        self.switch = connection.switchflows
        self._connection = connection
        self._datapathid = connection.openflow_datapathid
        self._vhosts = {"openflowportmanager": connection.protocol.vhost, "ovsdbportmanager": vhost}
        self._create = create
        self._changes = 0

    async def main(self) -> None:
        """Main coroutine"""
        name, systemid = await self._wait_for_bridge()
        self.updater = self._create(systemid, name)
        listener = self.subroutine(self._listen(), False)
        self.updater.start()
        try:
            await self._synchronize()
        finally:
            self.terminate(listener)
            self.updater.close()

    async def _wait_for_bridge(self) -> Tuple[str, str]:
        """Return name and system id of the bridge."""
        parameters = {
            "datapathid": self._datapathid,
            "vhost": self._vhosts["ovsdbportmanager"],
            "timeout": _BRIDGE_WAIT_S,
        }
        while True:
            try:
                info = await call_api(self, "ovsdbmanager", "waitbridgeinfo", parameters)
                return info[0], info[1]
            except Exception as error:
                _logger.warning("switch %#x is not known to any OVSDB connection: %s", self._datapathid, error)
                await self.wait_with_timeout(1.0)

    async def _listen(self) -> None:
        """Hand on what the managers tell about ports of this switch.

        That ports are gone because the switch is gone says nothing about them, and this routine ends then.
        """
        openflow, ovsdb = self._updates("openflowportmanager"), self._updates("ovsdbportmanager")
        modified = self._updates("openflowportmanager", "modified")
        while True:
            event, matcher = await M_(openflow, ovsdb, modified)
            self._changes += 1
            if matcher is openflow and event.reason == "disconnected":
                continue
            if matcher is modified:
                self.updater.change_openflow([event.new], [])
            elif matcher is openflow:
                self.updater.change_openflow(event.add, event.remove)
            else:
                self.updater.change_ovsdb(event.add, event.remove)

    def _updates(self, manager: str, kind: str = "update") -> Any:
        vhost = self._vhosts[manager]
        return ModuleNotification.createMatcher(
            manager,
            kind,
            _ismatch=lambda event: event.datapathid == self._datapathid and event.vhost == vhost,
        )

    async def _synchronize(self) -> None:
        """Read both lists; while OpenFlow ports are missing in OVSDB, ask both sides again, less and less often."""
        openflow, ovsdb = self._updates("openflowportmanager"), self._updates("ovsdbportmanager")
        delay = _RESYNC_S
        while not await call_api(self, "openflowportmanager", "waitsynchronized", {"connection": self._connection}):
            _logger.warning("switch %#x does not tell its ports", self._datapathid)
            await self.wait_with_timeout(1.0)
        await self._read()
        attempts = 0
        while True:
            if not self.updater.unmatched_ports() or attempts:
                self.updater.ports_ready()
            if not self.updater.unmatched_ports():
                attempts, delay = 1, _RESYNC_S
                await M_(openflow, ovsdb)
                continue
            timed_out, _, _ = await self.wait_with_timeout(delay, openflow, ovsdb)
            if timed_out:
                attempts += 1
                delay = min(delay * 2, _LONGEST_RESYNC_S)
                await self._resync()

    async def _read(self) -> None:
        """Read both lists, until no change came meanwhile."""
        while True:
            before = self._changes
            ports = await self._call("openflowportmanager", "getports")
            records = await self._call("ovsdbportmanager", "getports")
            if self._changes == before:
                await self.updater.update_ports(ports, records)
                return

    async def _resync(self) -> None:
        for manager in self._vhosts:
            try:
                await self._call(manager, "resync")
            except Exception as error:
                _logger.warning("ports of switch %#x are not synchronized by %s: %s", self._datapathid, manager, error)
        await self._read()

    async def _call(self, manager: str, name: str) -> Any:
        parameters = {"datapathid": self._datapathid, "vhost": self._vhosts[manager]}
        return await call_api(self, manager, name, parameters)
