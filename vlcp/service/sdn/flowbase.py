"""Base of the modules that have flow tables (manual 4.5.2, 5.6)."""

from __future__ import annotations

import contextlib
import logging
from typing import Any, Sequence, Tuple

from vlcp.config import defaultconfig
from vlcp.event.runnable import RoutineContainer
from vlcp.server.module import Module, ModuleLoadStateChanged, api, call_api
from vlcp.service.sdn import ofpmanager
from vlcp.service.sdn._flows.tables import TableRequest
from vlcp.utils.exceptions import APIRejectedException

_logger = logging.getLogger(__name__)


@defaultconfig
class FlowBase(Module):
    """A module that asks for tables when it is loaded.

    A subclass sets ``_tablerequest`` to a tuple of ``(name, (ancestor, ...), path)``. The module has loaded when it got its
    first tables.
    """

    autosuccess = False
    _tablerequest: Sequence[TableRequest] = ()
    _default_vhostbind = [""]
    "Virtual hosts of the OpenFlow server whose switches the module programs"

    def __init__(self, server: Any) -> None:
        super().__init__(server)
        self._acquirer = RoutineContainer(self.scheduler)
        self._acquirer.main = self._acquire  # type: ignore[method-assign]
        self.routines.append(self._acquirer)
        self.create_api(api(self.gettablerequest))

    def table_acquired(self) -> None:
        """Called each time that tables have been allocated; the numbers may be new."""

    async def _acquire(self) -> None:
        name = self.get_service_name()
        allocated = ofpmanager.TableAcquireUpdate.createMatcher(_ismatch=self._concerns)
        try:
            await call_api(self._acquirer, "openflowmanager", "acquiretable", {"modulename": name})
        except APIRejectedException as error:
            _logger.error("%s: no tables: %s", name, error)
            await self.changestate(ModuleLoadStateChanged.FAILED, self._acquirer)
            return
        event = await allocated
        if getattr(event, "exception", None) is not None:
            await self.changestate(ModuleLoadStateChanged.FAILED, self._acquirer)
            return
        self.table_acquired()
        await self.changestate(ModuleLoadStateChanged.SUCCEEDED, self._acquirer)
        while True:
            event = await allocated
            if getattr(event, "exception", None) is None:
                self.table_acquired()

    def _concerns(self, event: Any) -> bool:
        """True for a result with all tables of this module, and for a failure of its own request."""
        if getattr(event, "exception", None) is not None:
            return self.get_service_name() in event.modules
        wanted = {request[0] for request in self._tablerequest}
        vhosts = event.result if self.vhostbind is None else self.vhostbind
        found = [{table for table, _ in event.result[vhost][0]} for vhost in vhosts if vhost in event.result]
        return not wanted or (bool(found) and all(wanted <= tables for tables in found))

    async def unload(self, container: Any, force: bool = False) -> None:
        """Stop the module and give its tables back."""
        with contextlib.suppress(APIRejectedException):
            await call_api(container, "openflowmanager", "unacquiretable", {"modulename": self.get_service_name()})
        await super().unload(container, force)

    def gettablerequest(self) -> Tuple[Any, Any]:
        """Return the tables that this module wants: (its ``TableRequest`` objects, virtual hosts where it wants them)."""
        return tuple(self._tablerequest), self.vhostbind
