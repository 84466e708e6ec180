"""Connections of OpenFlow switches, the numbers of their tables, and the flow engine of each (manual 4.5, 5.6).

Modules ask for tables by name (*plugable tables*, manual 4.5.2); all of them together decide the numbers. Each switch has
a :class:`~vlcp.service.sdn._flows.sync.SwitchSync`, found at ``connection.switchflows``, which holds what modules want
there and alone sends flow and group mods.
"""

from __future__ import annotations

import logging
from typing import Any, Dict, Iterable, List, Set

from vlcp.config import defaultconfig
from vlcp.event.connection import ResolveRequestEvent, ResolveResponseEvent
from vlcp.event.event import Event, withIndices
from vlcp.event.runnable import RoutineContainer
from vlcp.protocol.openflow import OpenflowConnectionStateEvent
from vlcp.server.module import (
    Module,
    ModuleLoadException,
    ModuleLoadStateChanged,
    ModuleNotification,
    api,
    call_api,
    depend,
    findModule,
)
from vlcp.service.connection import openflowserver
from vlcp.service.sdn._answers import wait_until_found
from vlcp.service.sdn._flows.encode import Layout
from vlcp.service.sdn._flows.ledger import FALLBACK_OWNER
from vlcp.service.sdn._flows.spec import Flow, goto_next
from vlcp.service.sdn._flows.sync import SwitchSync, SyncSettings
from vlcp.service.sdn._flows.tables import Allocation, ModuleRequest, allocate
from vlcp.service.sdn._switchbook import RETURNED, TAKEN, SwitchBook
from vlcp.service.sdn._switchreports import SwitchReports
from vlcp.utils.exceptions import ModuleAPICallTimeoutException

_logger = logging.getLogger(__name__)

_OPENFLOW_13 = 4
_STARTUP_S = 15.0
"""Longest time that switches wait for the startup modules, so that their tables get their final numbers first."""


@withIndices()
class TableAcquireUpdate(Event):
    """Tables were allocated: attribute ``result`` as ``{vhost: ([(name, id), ...], {path: ((name, id), ...)})}``, or
    ``exception`` why not, and ``modules``, which had asked then."""


@withIndices("connection", "datapathid", "vhost")
class FlowInitialize(Event):
    """A switch is ready for rows: it has connected, or its tables have other numbers."""


@withIndices()
class TableAcquireDelayEvent(Event):
    """Modules have asked for tables or have gone; sent to the manager itself."""


@defaultconfig
@depend(openflowserver.OpenflowServer)
class OpenflowManager(Module):
    """Knows the switches, gives modules the tables they ask for, and keeps the flow engine of each switch."""

    service = True
    _default_vhostbind = None
    "OpenFlow vHosts to serve; None for all"
    _default_acquiredelay = 0.1
    "Seconds in which requests for tables are collected"
    _default_unloadgrace = 5
    "Seconds that the rows of an unloaded module stay, so that a reload of the module does not interrupt traffic"
    _default_driftinterval = 10
    "Seconds between checks of what a switch really holds; None for no checks. Every second one compares all rows"
    _default_holdtimeout = 30
    "Seconds until new rows stand beside those of an earlier run, when a module has not said what it wants"
    _default_usebundles = True
    "Use atomic bundles (ONF extension 230) where a switch offers them"

    def __init__(self, server: Any) -> None:
        super().__init__(server)
        self._book = SwitchBook()
        self._switches: Dict[Any, SwitchSync] = {}
        self.reports = SwitchReports(self._switches)
        self._requests: Dict[str, ModuleRequest] = {}
        self._new: Set[str] = set()
        self._leaving: Dict[str, float] = {}
        self._tables: Dict[str, Allocation] = {}
        self._settled = False
        self._started_at = 0.0
        self._manager = RoutineContainer(self.scheduler)
        self._manager.main = self._manage_connections  # type: ignore[method-assign]
        self._allocator = RoutineContainer(self.scheduler)
        self._allocator.main = self._allocate_tables  # type: ignore[method-assign]
        self.routines.extend((self._manager, self._allocator))
        self.create_api(
            api(self.getconnections, self.apiroutine),
            api(self.getconnection, self.apiroutine),
            api(self.waitconnection, self.apiroutine),
            api(self.getdatapathids, self.apiroutine),
            api(self.getalldatapathids, self.apiroutine),
            api(self.getallconnections, self.apiroutine),
            api(self.getconnectionsbyendpoint, self.apiroutine),
            api(self.getconnectionsbyendpointname, self.apiroutine),
            api(self.getendpoints, self.apiroutine),
            api(self.getallendpoints, self.apiroutine),
            api(self.acquiretable, self.apiroutine),
            api(self.unacquiretable, self.apiroutine),
            api(self.lastacquiredtables),
            api(self.reports.flowstatus),
            api(self.reports.metrics),
            api(self.reports.ready),
        )

    async def load(self, container: Any) -> None:
        """Begin to serve the switches that are connected, and all that connect later."""
        self._started_at = self.scheduler.current_time
        await super().load(container)
        self._count_loaded()
        for connection in await call_api(container, "openflowserver", "getconnections"):
            if getattr(connection, "openflow_datapathid", None) is not None:
                self._appear(connection)
        await container.wait_for_send(ModuleNotification(self.get_service_name(), "synchronized"))

    def _count_loaded(self) -> None:
        """Count the modules that got tables before this one was reloaded; they do not ask again."""
        states = (ModuleLoadStateChanged.LOADED, ModuleLoadStateChanged.SUCCEEDED)
        for name, module in self.server.moduleloader.active.items():
            if module.state in states and hasattr(module, "gettablerequest"):
                self._new.add(name)
                self.scheduler.emergesend(TableAcquireDelayEvent())

    async def unload(self, container: Any, force: bool = False) -> None:
        """Let go of the switches; rows stay in them, for the next start."""
        for switch in self._switches.values():
            switch.close()
        await container.wait_for_send(ModuleNotification(self.get_service_name(), "unsynchronized"))
        await super().unload(container, force)

    # Connections

    async def _manage_connections(self) -> None:
        states = OpenflowConnectionStateEvent.createMatcher()
        while True:
            event = await states
            if event.state == OpenflowConnectionStateEvent.CONNECTION_SETUP:
                self._appear(event.connection)
            elif event.state == OpenflowConnectionStateEvent.CONNECTION_DOWN:
                self._disappear(event.connection)

    def _appear(self, connection: Any) -> None:
        vhost = connection.protocol.vhost
        if (self.vhostbind is not None and vhost not in self.vhostbind) or connection in self._book:
            return
        replaced = self._book.add(connection)
        for old in replaced:
            _logger.warning(TAKEN, connection.openflow_datapathid, connection, old)
            self._stop_switch(old)
        self._notify([connection], replaced)
        if self._settled:
            self._start_switch(connection)

    def _disappear(self, connection: Any) -> None:
        self._stop_switch(connection)
        counted, heirs = self._book.remove(connection)
        if counted:
            self._notify([], [connection])
            for heir in heirs:
                _logger.warning(RETURNED, heir.openflow_datapathid, heir)
                self._appear(heir)

    def _notify(self, add: List[Any], remove: List[Any]) -> None:
        self.scheduler.emergesend(ModuleNotification(self.get_service_name(), "update", add=add, remove=remove))

    def _start_switch(self, connection: Any) -> None:
        """Begin to serve a switch, when its tables are known and it is not served yet."""
        vhost = connection.protocol.vhost
        if connection.openflow_auxiliaryid or connection in self._switches or vhost not in self._tables:
            return
        if connection.openflowdef.OFP_VERSION != _OPENFLOW_13:
            _logger.warning("switch %#x speaks no OpenFlow 1.3: it gets no flows", connection.openflow_datapathid)
            return
        settings = SyncSettings(self.driftinterval, hold_s=self.holdtimeout, use_bundles=self.usebundles)
        layout = self._layout(vhost, not connection.protocol.disablenxext)
        switch = SwitchSync(connection, layout, self._owners(vhost), settings, self.scheduler)
        self._switches[connection] = connection.switchflows = switch
        self._want_paths(switch, vhost)
        switch.start()
        self._initialize(connection)

    def _stop_switch(self, connection: Any) -> None:
        switch = self._switches.pop(connection, None)
        if switch is not None:
            switch.close()
            connection.switchflows = None

    def _layout(self, vhost: str, nicira: bool) -> Layout:
        allocation = self._tables[vhost]
        epoch = int(self.scheduler.current_time * 7) & 0x7FFF
        return Layout(dict(allocation.tables), allocation.next_tables(), nicira, epoch)

    def _owners(self, vhost: str) -> List[str]:
        return [
            name
            for name, (tables, vhosts) in self._requests.items()
            if tables and name not in self._leaving and (vhosts is None or vhost in vhosts) and self._declares(name)
        ]

    def _declares(self, name: str) -> bool:
        """True for a module whose rows go through the flow engine."""
        return bool(getattr(self.server.moduleloader.active.get(name), "declares_rows", False))

    def _want_paths(self, switch: SwitchSync, vhost: str) -> None:
        """Lead from each table to the next one of its path, where no module says otherwise."""
        follow = (goto_next(),)
        switch.ledger.want(FALLBACK_OWNER, [Flow(name, 0, (), follow) for name in self._tables[vhost].next_tables()])

    def _initialize(self, connection: Any) -> None:
        self.scheduler.emergesend(FlowInitialize(connection, connection.openflow_datapathid, connection.protocol.vhost))

    # Tables

    async def _allocate_tables(self) -> None:
        """Collect requests for tables, allocate, tell modules and switches; wait for the startup modules first."""
        self._allocator.subroutine(self._wait_for_startup())
        changed = TableAcquireDelayEvent.createMatcher()
        while True:
            deadline = min(self._leaving.values(), default=None)
            if deadline is None:
                await changed
            else:
                await self._allocator.wait_with_timeout(max(deadline - self.scheduler.current_time, 0), changed)
            await self._allocator.wait_with_timeout(self.acquiredelay)
            self._let_go()
            self._allocate(await self._ask_modules())

    async def _wait_for_startup(self) -> None:
        """Let switches in when every startup module has been started, or has failed to."""
        states = ModuleLoadStateChanged.createMatcher()
        while not self._startup_done():
            await self._allocator.wait_with_timeout(0.5, states)
        self._settled = True
        for connection in self._book.connections():
            self._start_switch(connection)

    def _startup_done(self) -> bool:
        if self.scheduler.current_time - self._started_at >= _STARTUP_S:
            return True
        paths = self.server.startup_paths() if hasattr(self.server, "startup_paths") else ()
        active = self.server.moduleloader.active if paths else {}
        done = (ModuleLoadStateChanged.SUCCEEDED, ModuleLoadStateChanged.FAILED)
        for path in paths:
            try:
                module = findModule(path, False)
            except ModuleLoadException:
                continue
            if module is None or getattr(active.get(module.get_service_name()), "state", None) not in done:
                return False
        return not self._new

    def _let_go(self) -> None:
        """Forget modules that were unloaded and have not come back."""
        now = self.scheduler.current_time
        for name in [name for name, deadline in self._leaving.items() if deadline <= now]:
            del self._leaving[name]
            self._requests.pop(name, None)
            for switch in self._switches.values():
                switch.ledger.leave(name)
                switch.wake()

    async def _ask_modules(self) -> List[str]:
        """Ask modules that are new for what they need, and return their names; who does not answer is gone."""
        asked = sorted(self._new)
        for name in asked:
            try:
                tables, vhosts = await call_api(self._allocator, name, "gettablerequest")
            except Exception as error:
                _logger.warning("module %r does not say which tables it needs: %s", name, error)
                self._requests.pop(name, None)
            else:
                self._requests[name] = (tuple(tables), None if vhosts is None else tuple(vhosts))
        self._new.difference_update(asked)
        return asked

    def _allocate(self, asked: Iterable[str]) -> None:
        try:
            tables = allocate(self._requests)
        except ValueError as error:
            for name in asked:
                self._requests.pop(name, None)
            _logger.error("tables cannot be allocated: %s", error)
            self.scheduler.emergesend(TableAcquireUpdate(exception=error, modules=tuple(asked)))
            return
        self._tables = tables
        result = {vhost: (list(found.tables), dict(found.paths)) for vhost, found in tables.items()}
        self.scheduler.emergesend(TableAcquireUpdate(result=result))
        self._tell_switches()

    def _tell_switches(self) -> None:
        for connection, switch in list(self._switches.items()):
            vhost = connection.protocol.vhost
            if vhost not in self._tables:
                self._stop_switch(connection)
                continue
            self._want_paths(switch, vhost)
            if switch.relayout(self._layout(vhost, switch.layout.nicira), self._owners(vhost)):
                self._initialize(connection)
        if self._settled:
            for connection in self._book.connections():
                self._start_switch(connection)

    # APIs

    async def getconnections(self, datapathid, vhost=""):
        """Return all connections of a datapath, the main one and auxiliary ones."""
        return self._book.of_datapath(vhost, datapathid)

    async def getconnection(self, datapathid, auxiliaryid=0, vhost=""):
        """Return the connection of a datapath, None when it is not connected."""
        return self._book.find(vhost, datapathid, auxiliaryid)

    async def waitconnection(self, datapathid, auxiliaryid=0, timeout=30, vhost=""):
        """Return the connection of a datapath, as soon as there is one.

        :param timeout: seconds; None waits for ever
        :raises ModuleAPICallTimeoutException: it does not connect in time
        """
        update = ModuleNotification.createMatcher(self.get_service_name(), "update")
        connection = await wait_until_found(
            self.apiroutine, lambda: self._book.find(vhost, datapathid, auxiliaryid), timeout, update
        )
        if connection is None:
            raise ModuleAPICallTimeoutException(f"datapath {datapathid:#x} has not connected in {timeout} s")
        return connection

    async def getdatapathids(self, vhost=""):
        """Return the datapath ids of all switches of a vHost."""
        return self._book.datapaths(vhost)

    async def getalldatapathids(self):
        """Return (vhost, datapath id) of all switches."""
        return [(vhost, datapath) for vhost in self._book.vhosts() for datapath in self._book.datapaths(vhost)]

    async def getallconnections(self, vhost=""):
        """Return all connections of a vHost; of all vHosts when ``vhost`` is None."""
        return self._book.connections(vhost)

    async def getconnectionsbyendpoint(self, endpoint, vhost=""):
        """Return the connections from an address: IPv4, IPv6, or '' for UNIX sockets."""
        return self._book.of_endpoint(vhost, endpoint)

    async def getconnectionsbyendpointname(self, name, vhost="", timeout=30):
        """Return the connections from the addresses of a host name; '' for UNIX sockets.

        :raises ModuleAPICallTimeoutException: the name is not resolved in time
        :raises ValueError: no such name
        """
        if not name:
            return self._book.of_endpoint(vhost, "")
        request = (name, 0, 0, 0, 0, 0)
        await self.apiroutine.wait_for_send(ResolveRequestEvent(request))
        resolved = ResolveResponseEvent.createMatcher(request)
        timed_out, event, _ = await self.apiroutine.wait_with_timeout(timeout, resolved)
        if timed_out:
            raise ModuleAPICallTimeoutException(f"{name!r} is not resolved in {timeout} s")
        if event.error:
            raise ValueError(f"{name!r} is not resolved: {event.error}")
        addresses = dict.fromkeys(entry[4][0] for entry in event.response)
        return [connection for address in addresses for connection in self._book.of_endpoint(vhost, address)]

    async def getendpoints(self, vhost=""):
        """Return the addresses that switches of a vHost connect from."""
        return self._book.endpoints(vhost)

    async def getallendpoints(self):
        """Return (vhost, address) of all switches."""
        return [(vhost, endpoint) for vhost in self._book.vhosts() for endpoint in self._book.endpoints(vhost)]

    async def acquiretable(self, modulename):
        """Count a module among those that get tables; its API ``gettablerequest`` is asked which ones."""
        self._leaving.pop(modulename, None)
        self._new.add(modulename)
        self.scheduler.emergesend(TableAcquireDelayEvent())

    async def unacquiretable(self, modulename):
        """Take the tables from a module that is unloaded; its rows go a little later, unless it comes back."""
        self._new.discard(modulename)
        if modulename in self._requests:
            self._leaving[modulename] = self.scheduler.current_time + self.unloadgrace
            self.scheduler.emergesend(TableAcquireDelayEvent())

    def lastacquiredtables(self, vhost=""):
        """Return ``[[name, id], ...]`` and ``{path: [[name, id], ...]}`` of a vHost; None before the first allocation."""
        if vhost not in self._tables:
            return None
        found = self._tables[vhost]
        return [list(row) for row in found.tables], {path: [list(row) for row in rows] for path, rows in found.paths.items()}
