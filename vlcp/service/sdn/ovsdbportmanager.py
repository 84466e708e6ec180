"""Ports of bridges, from the databases of Open vSwitch (manual 5.6.5; behaviour b.3).

One monitor for each connection follows the tables Bridge, Port and Interface; so a thousand ports cost no query of
their own, and an ``iface-id`` that changes later is noticed. When a database goes away its ports stay for a while: the
switch goes on without its database, and a restarted one usually tells the same ports.
"""

from __future__ import annotations

import logging
from typing import Any, Callable, Optional

from vlcp.config import defaultconfig, manager
from vlcp.event.event import Event, withIndices
from vlcp.event.runnable import RoutineContainer
from vlcp.server.module import Module, ModuleNotification, api, call_api, depend
from vlcp.service.sdn import ovsdbmanager
from vlcp.service.sdn._answers import Answers
from vlcp.service.sdn._ovsdb_monitor import follow, stop_monitor
from vlcp.service.sdn._ovsdb_ports import PortBook, PortChanges, PortTable
from vlcp.service.sdn.ovsdbmanager import OVSDBConnectionSetup

_logger = logging.getLogger(__name__)
_APIS = (
    "getports getallports getportbyid waitportbyid getportbyname waitportbyname getportbyno waitportbyno getportoptions resync"
).split()
_MONITOR = "ovsdb_port_manager_interfaces_monitor"


@withIndices("connection")
class OVSDBConnectionPortsSynchronized(Event):
    """The ports of a connection have been read for the first time in its session."""


@withIndices("connection", "name", "ofport", "id", "vhost", "datapathid")
class OVSDBPortUpNotification(Event):
    """A port has appeared; attribute ``port`` is its record. Index ``id`` is '' for a port without an id."""


class OVSDBPortNotAppearException(Exception):
    """A port has not appeared in time."""


@defaultconfig
@depend(ovsdbmanager.OVSDBManager)
class OVSDBPortManager(Module):
    """Knows the ports of bridges, as the databases of Open vSwitch tell them.

    A port is a dictionary with the keys name, ofport, _uuid, external_ids, ifindex (0 when unknown), type, and id, which
    is ``external_ids:iface-id`` or None. In the calls, ``vhost`` is a virtual host of JsonRPCServer, '' by default.
    """

    service = True
    #: Seconds that ports stay after their database has gone away
    _default_keepports = 600

    def __init__(self, server: Any) -> None:
        super().__init__(server)
        self._book = PortBook()
        self._tables: dict = {}
        #: ``{(vhost, datapathid): connection}`` that told the ports last
        self._served: dict = {}
        #: What gives up the ports of a switch, after the last loss of its connection
        self._losses: dict = {}
        self._unread: set = set()
        self._answers = Answers(self, OVSDBPortNotAppearException)
        self._watcher = RoutineContainer(self.scheduler)
        self._watcher.main = self._watch  # type: ignore[method-assign]
        self.routines.append(self._watcher)
        self.create_api(*(api(getattr(self, name), self.apiroutine) for name in _APIS))

    # Life

    async def load(self, container: Any) -> None:
        """Read the ports of the databases that are connected, and follow all that connect later."""
        await super().load(container)
        connections = await call_api(container, "ovsdbmanager", "getallconnections", {"vhost": None})
        for connection in connections:
            self._appear(connection)
        self._unread = set(self._tables)
        read = OVSDBConnectionPortsSynchronized.createMatcher()
        self._watcher.subroutine(self._answers.open(self._watcher, self._unread, read), daemon=True)

    async def unload(self, container: Any, force: bool = False) -> None:
        """Stop following; databases that stay connected are told so."""
        for connection in self._tables:
            if connection.connected:
                container.subroutine(stop_monitor(container, connection, _MONITOR), daemon=True)
        # A former instance must not tell anything to those who listen to the next one.
        routines = [*self._losses.values(), *(table.routine for table in self._tables.values())]
        self._tables.clear()
        for routine in routines:
            self._watcher.terminate(routine)
        await super().unload(container, force)

    async def _watch(self) -> None:
        setup = OVSDBConnectionSetup.createMatcher()
        while True:
            event = await setup
            self._appear(event.connection)

    def _appear(self, connection: Any) -> None:
        table = self._tables.get(connection)
        if connection.connected and (table is None or table.connmark != connection.connmark):
            self._tables[connection] = table = PortTable(manager.get("module.ovsdbmanager.bridgenames"))
            table.connmark = connection.connmark
            table.routine = self._watcher.subroutine(self._follow(connection, table), daemon=True)

    async def _follow(self, connection: Any, table: PortTable) -> None:
        """Keep the ports of a connection up to date until its session ends."""

        def apply(updates: Any, initial: bool) -> None:
            changes = table.apply(updates)
            if initial:
                self._begin(connection, table)
            else:
                self._change(connection, table, changes)

        try:
            await follow(self._watcher, connection, _MONITOR, table.rows.request(), apply)
        finally:
            self._unread.discard(connection)
            if self._tables.get(connection) is table:
                del self._tables[connection]
                self._leave(connection)

    # State and events

    def _begin(self, connection: Any, table: PortTable) -> None:
        """Take over the switches of a connection: only what differs from the ports they had is told."""
        vhost = connection.protocol.vhost
        for datapathid in table.datapathids():
            self._replace(connection, table, vhost, datapathid, "bridgeup")
        # A switch that is not told yet keeps its ports for a while: a database forgets datapath ids when it restarts.
        self._unread.discard(connection)
        self.scheduler.emergesend(OVSDBConnectionPortsSynchronized(connection))

    def _replace(self, connection: Any, table: PortTable, vhost: str, datapathid: int, reason: str) -> None:
        self._served[(vhost, datapathid)] = connection
        self._keep_no_longer((vhost, datapathid))
        records = [place.record for place in table.places.values() if place.datapathid == datapathid]
        changes = self._book.difference(vhost, datapathid, records)
        self._publish(connection, vhost, datapathid, changes, reason)
        # Records that stay are replaced silently by those that the new session keeps up to date.
        self._book.change(vhost, datapathid, PortChanges(records, records))

    def _change(self, connection: Any, table: PortTable, changes: dict) -> None:
        vhost = connection.protocol.vhost
        present = table.datapathids()
        for datapathid, change in changes.items():
            switch = (vhost, datapathid)
            if datapathid not in present:
                self._served.pop(switch, None)
                self._publish(connection, vhost, datapathid, change, "bridgedown")
            elif self._served.get(switch) is connection and switch not in self._losses:
                self._publish(connection, vhost, datapathid, change, "bridgemodify")
            else:
                self._replace(connection, table, vhost, datapathid, "bridgeup")

    def _publish(self, connection: Any, vhost: str, datapathid: int, changes: PortChanges, reason: str) -> None:
        """Take changes into the book and tell them."""
        if not changes.add and not changes.remove:
            return
        self._book.change(vhost, datapathid, changes)
        _logger.debug("ports of %#x: %d more, %d less (%s)", datapathid, len(changes.add), len(changes.remove), reason)
        for port in changes.add:
            identifier = port["id"] if port["id"] is not None else ""
            self.scheduler.emergesend(
                OVSDBPortUpNotification(connection, port["name"], port["ofport"], identifier, vhost, datapathid, port=port)
            )
        self.scheduler.emergesend(
            ModuleNotification(
                self.get_service_name(),
                "update",
                datapathid=datapathid,
                connection=connection,
                vhost=vhost,
                add=changes.add,
                remove=changes.remove,
                reason=reason,
            )
        )

    def _leave(self, connection: Any) -> None:
        """A session has ended; its ports stay until they are told again or ``keepports`` seconds are over."""
        for switch, owner in self._served.items():
            if owner is connection:
                self._keep_no_longer(switch)
                self._losses[switch] = self._watcher.subroutine(self._expire_later(connection, switch), daemon=True)

    def _keep_no_longer(self, switch: tuple) -> None:
        expiry = self._losses.pop(switch, None)
        if expiry is not None:
            self._watcher.terminate(expiry)

    async def _expire_later(self, connection: Any, switch: tuple) -> None:
        await self._watcher.wait_with_timeout(self.keepports)
        if self._served.get(switch) is connection:
            _logger.warning("database of datapath %#x has not come back in %s s", switch[1], self.keepports)
            self._expire(switch)

    def _expire(self, switch: tuple) -> None:
        connection = self._served.pop(switch)
        self._losses.pop(switch, None)
        vhost, datapathid = switch
        gone = PortChanges([], self._book.ports(vhost, datapathid))
        self._publish(connection, vhost, datapathid, gone, "bridgedown")

    async def _wait_for(self, find: Callable[[], Any], timeout: Optional[float], what: str) -> Any:
        changed = ModuleNotification.createMatcher(self.get_service_name(), "update")
        return await self._answers.wait_for(find, timeout, what, changed)

    # APIs

    async def getports(self, datapathid, vhost=""):
        """List the ports of a bridge; empty if it is not known.

        :param datapathid: datapath id of the bridge
        """
        await self._answers.ready()
        return self._book.ports(vhost, datapathid)

    async def getallports(self, vhost=None):
        """List the ports of all bridges as [(datapath id, port, vhost)].

        :param vhost: only those of this virtual host; None for all
        """
        await self._answers.ready()
        return [
            (datapathid, port, host)
            for host, datapathid in self._book.switches(vhost)
            for port in self._book.ports(host, datapathid)
        ]

    async def getportbyno(self, datapathid, portno, vhost=""):
        """Return a port of a bridge by its OpenFlow port number, None if there is none."""
        await self._answers.ready()
        return self._book.find(vhost, datapathid, "ofport", _short_number(portno))

    async def waitportbyno(self, datapathid, portno, timeout=30, vhost=""):
        """Return a port of a bridge by its OpenFlow port number, as soon as there is one.

        :param timeout: seconds; None waits for ever
        :raises OVSDBPortNotAppearException: it has not appeared in time
        """
        number = _short_number(portno)
        what = f"port {portno} of datapath {datapathid:#x}"
        return await self._wait_for(lambda: self._book.find(vhost, datapathid, "ofport", number), timeout, what)

    async def getportbyname(self, datapathid, name, vhost=""):
        """Return a port of a bridge by its name, None if there is none."""
        await self._answers.ready()
        return self._book.find(vhost, datapathid, "name", _text(name))

    async def waitportbyname(self, datapathid, name, timeout=30, vhost=""):
        """Return a port of a bridge by its name, as soon as there is one.

        :param timeout: seconds; None waits for ever
        :raises OVSDBPortNotAppearException: it has not appeared in time
        """
        what = f"port {name!r} of datapath {datapathid:#x}"
        return await self._wait_for(lambda: self._book.find(vhost, datapathid, "name", _text(name)), timeout, what)

    async def getportbyid(self, id, vhost=""):
        """Find the port with an id, on whatever bridge it is.

        :param id: ``external_ids:iface-id`` of the port, which is the id of its logical port
        :return: (datapath id, port), or None if there is none
        """
        await self._answers.ready()
        return self._book.find_id(vhost, _text(id))

    async def waitportbyid(self, id, timeout=30, vhost=""):
        """Find the port with an id, on whatever bridge it is, as soon as there is one.

        :param id: as for ``getportbyid``
        :param timeout: seconds; None waits for ever
        :return: (datapath id, port)
        :raises OVSDBPortNotAppearException: it has not appeared in time
        """
        return await self._wait_for(lambda: self._book.find_id(vhost, _text(id)), timeout, f"port with id {id!r}")

    async def getportoptions(self, datapathid, portno, vhost=""):
        """Return the column ``options`` of a port as a dictionary, None if there is no such port."""
        port = await self.getportbyno(datapathid, portno, vhost)
        if port is None:
            return None
        table = self._tables.get(self._served.get((vhost, datapathid)))
        return {} if table is None else table.options(port["_uuid"])

    async def resync(self, datapathid, vhost=""):
        """Compare the ports of a bridge with what was told of them, and tell the rest.

        The monitor tells every change by itself, so this is for doubts only.
        """
        await self._answers.ready()
        connection = self._served.get((vhost, datapathid))
        table = self._tables.get(connection)
        if table is not None:
            self._replace(connection, table, vhost, datapathid, "resync")


def _short_number(portno: Any) -> Any:
    """Return a port number of OpenFlow 1.3 with the 16 bits that the database uses."""
    return portno & 0xFFFF if isinstance(portno, int) else portno


def _text(name: Any) -> Any:
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else name
