"""Flow modules by class attributes: an updater for each switch, started and stopped."""

from __future__ import annotations

import logging
from typing import Any, Dict, Optional, Type

from vlcp.event.event import M_
from vlcp.event.runnable import RoutineContainer
from vlcp.server.module import ModuleNotification, call_api
from vlcp.service.sdn import ofpmanager
from vlcp.service.sdn.flowbase import FlowBase

_logger = logging.getLogger(__name__)


class SwitchModule(FlowBase):
    """A module whose rows come from one updater for each switch.

    A subclass sets ``updater`` to its class, called as ``updater(connection, module)``, or overrides
    :meth:`create_updater`. ``needs_nicira`` keeps it away from switches without the Nicira extensions.
    """

    declares_rows = True
    """The manager removes unknown rows from a switch only when modules with this mark have declared theirs."""

    updater: Optional[Type[RoutineContainer]] = None
    needs_nicira = False

    def __init__(self, server: Any) -> None:
        super().__init__(server)
        self._updaters: Dict[Any, RoutineContainer] = {}
        self._switches = RoutineContainer(self.scheduler)
        self._switches.main = self._follow_switches  # type: ignore[method-assign]

    def create_updater(self, connection: Any) -> Optional[RoutineContainer]:
        """Return the updater of a switch, not started; None for no updater."""
        create: Any = self.updater
        return None if create is None else create(connection, self)

    def table_acquired(self) -> None:
        """Begin to follow switches, when the first tables are there."""
        if self._switches.mainroutine is None:
            self._switches.start()

    async def unload(self, container: Any, force: bool = False) -> None:
        """Stop all updaters; their rows stay until the manager knows that the module does not come back."""
        self._switches.close()
        for connection in list(self._updaters):
            self.stop_updater(connection)
        await super().unload(container, force)

    async def _follow_switches(self) -> None:
        ready = ofpmanager.FlowInitialize.createMatcher(
            _ismatch=lambda event: self.vhostbind is None or event.vhost in self.vhostbind
        )
        changed = ModuleNotification.createMatcher("openflowmanager", "update")
        for connection in await call_api(self._switches, "openflowmanager", "getallconnections", {"vhost": None}):
            self._start_updater(connection)
        while True:
            event, matcher = await M_(ready, changed)
            if matcher is ready:
                self._start_updater(event.connection)
            else:
                for connection in event.remove:
                    self.stop_updater(connection)

    def _start_updater(self, connection: Any) -> None:
        switch = getattr(connection, "switchflows", None)
        vhost = connection.protocol.vhost
        if switch is None or (self.vhostbind is not None and vhost not in self.vhostbind):
            return
        current = self._updaters.get(connection)
        if current is not None and getattr(current, "switch", switch) is switch:
            return
        self.stop_updater(connection)
        if self.needs_nicira and not switch.layout.nicira:
            _logger.warning("%s needs the Nicira extensions: %r gets no flows", self.get_service_name(), connection)
            switch.ledger.want(self.get_service_name(), ())
            return
        updater = self.create_updater(connection)
        if updater is not None:
            self._updaters[connection] = updater
            updater.start()

    def stop_updater(self, connection: Any) -> None:
        """Stop the updater of a switch, if it has one."""
        updater = self._updaters.pop(connection, None)
        if updater is not None:
            updater.close()
