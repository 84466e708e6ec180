"""Databases of Open vSwitch: connections, systems and bridges (manual 5.6.5; behaviour b.3).

For each OVSDB connection one routine follows the tables Open_vSwitch and Bridge; what they say is kept in a
:class:`~vlcp.service.sdn._connections.ConnectionBook` and told by events.
"""

from __future__ import annotations

import logging
import socket
from typing import Any, Callable, Optional

from vlcp.config import defaultconfig
from vlcp.event.connection import resolve
from vlcp.event.event import Event, withIndices
from vlcp.event.runnable import RoutineContainer
from vlcp.protocol.jsonrpc import JsonRPCConnectionStateEvent, JsonRPCErrorResultException
from vlcp.protocol.ovsdb import OVSDB
from vlcp.server.module import Module, ModuleNotification, api, call_api, depend
from vlcp.service.connection import jsonrpcserver
from vlcp.service.sdn import _ovsdb_rows
from vlcp.service.sdn._answers import Answers
from vlcp.service.sdn._connections import ConnectionBook, Station, endpoint_of
from vlcp.service.sdn._ovsdb_monitor import follow, stop_monitor
from vlcp.utils import ovsdb

_logger = logging.getLogger(__name__)
_MONITOR = "ovsdb_manager_bridges_monitor"
_APIS = (
    "getconnection waitconnection getdatapathids getalldatapathids getallconnections getbridges getbridge "
    "getbridgebyuuid waitbridge waitbridgebyuuid getsystemids getallsystemids getconnectionbysystemid "
    "waitconnectionbysystemid getconnectionsbyendpoint getconnectionsbyendpointname getendpoints getallendpoints "
    "getallbridges getbridgeinfo waitbridgeinfo updatebridge getbridgeexternalids"
).split()


@withIndices("systemid", "connection", "connmark", "vhost")
class OVSDBConnectionSetup(Event):
    """The tables of a database connection have been read for the first time in its session."""


@withIndices("state", "datapathid", "systemid", "name", "connection", "connmark", "vhost", "bridgeuuid")
class OVSDBBridgeSetup(Event):
    """A bridge has appeared, or has gone (also with its connection)."""

    UP = "up"
    DOWN = "down"


class OVSDBBridgeNotAppearException(Exception):
    """A bridge, datapath or system has not appeared in time."""


@defaultconfig
@depend(jsonrpcserver.JsonRPCServer)
class OVSDBManager(Module):
    """Knows the databases of Open vSwitch, their systems and their bridges.

    In the calls, ``vhost`` is a virtual host of JsonRPCServer, '' by default; a datapath id is an integer, a system id the
    text in ``external_ids:system-id``, and an endpoint the peer's IP address or the path of its UNIX socket, which is ''
    for most.
    """

    service = True
    #: Virtual hosts of JsonRPCServer whose databases are followed, for instance [""]; None for all
    _default_vhostbind = None
    #: Names of the bridges that are followed; None for all
    _default_bridgenames = None

    def __init__(self, server: Any) -> None:
        super().__init__(server)
        self._book = ConnectionBook()
        self._rows: dict = {}
        #: ``{(connection, session): routine}``
        self._followed: dict = {}
        self._unread: set = set()
        self._answers = Answers(self, OVSDBBridgeNotAppearException)
        self._watcher = RoutineContainer(self.scheduler)
        self._watcher.main = self._watch  # type: ignore[method-assign]
        self.routines.append(self._watcher)
        self.create_api(*(api(getattr(self, name), self.apiroutine) for name in _APIS))

    # Life

    async def load(self, container: Any) -> None:
        """Follow the databases that are connected, and all that connect later."""
        await super().load(container)
        for connection in await call_api(container, "jsonrpcserver", "getconnections"):
            self._appear(connection)
        self._unread = set(self._followed)
        down = JsonRPCConnectionStateEvent.createMatcher(JsonRPCConnectionStateEvent.CONNECTION_DOWN)
        read = OVSDBConnectionSetup.createMatcher()
        self._watcher.subroutine(self._answers.open(self._watcher, self._unread, read, down), daemon=True)

    async def unload(self, container: Any, force: bool = False) -> None:
        """Stop following; databases that stay connected are told so."""
        for connection, _mark in self._followed:
            if connection.connected:
                container.subroutine(stop_monitor(container, connection, _MONITOR), daemon=True)
        # A former instance must not tell anything to those who listen to the next one.
        self._rows.clear()
        for routine in list(self._followed.values()):
            self._watcher.terminate(routine)
        await super().unload(container, force)

    async def _watch(self) -> None:
        states = JsonRPCConnectionStateEvent.createMatcher()
        while True:
            event = await states
            if event.state == JsonRPCConnectionStateEvent.CONNECTION_UP:
                self._appear(event.connection)

    def _appear(self, connection: Any) -> None:
        key = (connection, connection.connmark)
        protocol = connection.protocol
        if key in self._followed or not connection.connected or not isinstance(protocol, OVSDB):
            return
        if self.vhostbind is not None and protocol.vhost not in self.vhostbind:
            return
        self._followed[key] = self._watcher.subroutine(self._follow(connection), daemon=True)

    async def _follow(self, connection: Any) -> None:
        """Keep what is known of a connection up to date until its session ends."""
        key = (connection, connection.connmark)
        rows = self._rows[connection] = _ovsdb_rows.Rows(_ovsdb_rows.BRIDGE_COLUMNS)

        def apply(updates: Any, initial: bool) -> None:
            rows.apply(updates)
            self._changed(connection, initial)

        try:
            await follow(self._watcher, connection, _MONITOR, rows.request(), apply)
        finally:
            self._followed.pop(key, None)
            self._unread.discard(key)
            if self._rows.get(connection) is rows:
                del self._rows[connection]
                self._disappear(connection, key[1])

    # State and events

    def _changed(self, connection: Any, initial: bool) -> None:
        rows = self._rows[connection]
        vhost = connection.protocol.vhost
        station = Station(
            vhost,
            _ovsdb_rows.system_id(rows),
            endpoint_of(connection.remoteaddr),
            _ovsdb_rows.bridges(rows, self.bridgenames),
        )
        before = self._book.station(connection)
        gone, come = self._book.put(connection, station)
        mark = connection.connmark
        if before is not None:
            self._tell(OVSDBBridgeSetup.DOWN, before, gone, connection, mark)
        if initial:
            self._unread.discard((connection, mark))
            self.scheduler.emergesend(OVSDBConnectionSetup(station.systemid, connection, mark, vhost))
            self._notify([connection], [])
        self._tell(OVSDBBridgeSetup.UP, station, come, connection, mark)

    def _disappear(self, connection: Any, mark: int) -> None:
        station = self._book.drop(connection)
        if station is not None:
            self._tell(OVSDBBridgeSetup.DOWN, station, list(station.bridges.values()), connection, mark)
            self._notify([], [connection])

    def _tell(self, state: str, station: Station, bridges: list, connection: Any, mark: int) -> None:
        for bridge in bridges:
            _logger.info("bridge %s (%#x) of system %r is %s", bridge.name, bridge.datapathid, station.systemid, state)
            self.scheduler.emergesend(
                OVSDBBridgeSetup(
                    state,
                    bridge.datapathid,
                    station.systemid,
                    bridge.name,
                    connection,
                    mark,
                    station.vhost,
                    bridge.uuid,
                )
            )

    def _notify(self, add: list, remove: list) -> None:
        self.scheduler.emergesend(ModuleNotification(self.get_service_name(), "update", add=add, remove=remove))

    async def _wait_for(self, find: Callable[[], Any], timeout: Optional[float], what: str) -> Any:
        changes = (OVSDBBridgeSetup.createMatcher(OVSDBBridgeSetup.UP), OVSDBConnectionSetup.createMatcher())
        return await self._answers.wait_for(find, timeout, what, *changes)

    # APIs

    async def getconnection(self, datapathid, vhost=""):
        """Return the connection of the database that has a bridge with this datapath id, None if there is none."""
        await self._answers.ready()
        return self._book.of_datapath(vhost, datapathid)

    async def waitconnection(self, datapathid, timeout=30, vhost=""):
        """Return the connection of the database that has a bridge with this datapath id, as soon as there is one.

        :param timeout: seconds; None waits for ever
        :raises OVSDBBridgeNotAppearException: it has not appeared in time
        """
        return await self._wait_for(lambda: self._book.of_datapath(vhost, datapathid), timeout, f"datapath {datapathid:#x}")

    async def getdatapathids(self, vhost=""):
        """List the datapath ids of the bridges of one virtual host."""
        await self._answers.ready()
        return [datapathid for _vhost, datapathid in self._book.datapaths(vhost)]

    async def getalldatapathids(self):
        """List the bridges of all virtual hosts as [(vhost, datapath id)]."""
        await self._answers.ready()
        return self._book.datapaths()

    async def getallconnections(self, vhost=""):
        """List the connections of databases.

        :param vhost: only those of this virtual host; None for all
        """
        await self._answers.ready()
        return self._book.connections(vhost)

    async def getbridges(self, connection):
        """List the bridges of one database as [(datapath id, name, UUID)]; empty if it is not connected."""
        await self._answers.ready()
        station = self._book.station(connection)
        bridges = () if station is None else station.bridges.values()
        return [(bridge.datapathid, bridge.name, bridge.uuid) for bridge in bridges]

    async def getallbridges(self, vhost=None):
        """List the bridges of all databases as [(datapath id, name, UUID)].

        :param vhost: only those of this virtual host; None for all
        """
        await self._answers.ready()
        return [(bridge.datapathid, bridge.name, bridge.uuid) for bridge in self._book.bridges(vhost)]

    def _bridge_number(self, connection: Any, column: str, value: str) -> Optional[int]:
        bridge = self._book.find_bridge(connection, column, value)
        return None if bridge is None else bridge.datapathid

    async def getbridge(self, connection, name):
        """Return the datapath id of a bridge by its name, None if the database has no such bridge.

        :param connection: connection of the database
        """
        await self._answers.ready()
        return self._bridge_number(connection, "name", name)

    async def waitbridge(self, connection, name, timeout=30):
        """Return the datapath id of a bridge by its name, as soon as the database has one.

        :param connection: connection of the database
        :param timeout: seconds; None waits for ever
        :raises OVSDBBridgeNotAppearException: it has not appeared in time
        """
        return await self._wait_for(
            lambda: self._bridge_number(connection, "name", name), timeout, f"bridge {name!r} of {connection!r}"
        )

    async def getbridgebyuuid(self, connection, uuid):
        """Return the datapath id of a bridge by the UUID of its row, None if the database has no such bridge.

        :param connection: connection of the database
        """
        await self._answers.ready()
        return self._bridge_number(connection, "uuid", uuid)

    async def waitbridgebyuuid(self, connection, uuid, timeout=30):
        """Return the datapath id of a bridge by the UUID of its row, as soon as the database has one.

        :param connection: connection of the database
        :param timeout: seconds; None waits for ever
        :raises OVSDBBridgeNotAppearException: it has not appeared in time
        """
        return await self._wait_for(
            lambda: self._bridge_number(connection, "uuid", uuid), timeout, f"bridge {uuid} of {connection!r}"
        )

    async def getsystemids(self, vhost=""):
        """List the system ids of the databases of one virtual host."""
        await self._answers.ready()
        return [systemid for _vhost, systemid in self._book.systems(vhost)]

    async def getallsystemids(self):
        """List the systems of all virtual hosts as [(vhost, system id)]."""
        await self._answers.ready()
        return self._book.systems()

    async def getconnectionbysystemid(self, systemid, vhost=""):
        """Return the connection of the database of a system, None if there is none."""
        await self._answers.ready()
        return self._book.of_system(vhost, systemid)

    async def waitconnectionbysystemid(self, systemid, timeout=30, vhost=""):
        """Return the connection of the database of a system, as soon as there is one.

        :param timeout: seconds; None waits for ever
        :raises OVSDBBridgeNotAppearException: it has not appeared in time
        """
        return await self._wait_for(lambda: self._book.of_system(vhost, systemid), timeout, f"system {systemid!r}")

    async def getconnectionsbyendpoint(self, endpoint, vhost=""):
        """List the connections of databases at an endpoint.

        :param endpoint: IPv4 or IPv6 address, or path of a UNIX socket
        """
        await self._answers.ready()
        return self._book.of_endpoint(vhost, endpoint)

    async def getconnectionsbyendpointname(self, name, vhost="", timeout=30):
        """List the connections of databases at any address of a host.

        :param name: host name or IP address, '' for UNIX sockets without a path
        :param timeout: seconds that the look-up of the name may take
        :raises OSError: the name cannot be resolved, or not in time
        """
        if not name:
            return await self.getconnectionsbyendpoint("", vhost)
        expired, addresses = await self.apiroutine.execute_with_timeout(
            timeout, resolve(self.apiroutine, name, 0, socket.SOCK_STREAM)
        )
        if expired:
            raise OSError(f"cannot resolve {name!r} in {timeout} s")
        await self._answers.ready()
        return [one for _family, address in addresses for one in self._book.of_endpoint(vhost, address[0])]

    async def getendpoints(self, vhost=""):
        """List the endpoints of the databases of one virtual host."""
        await self._answers.ready()
        return [endpoint for _vhost, endpoint in self._book.endpoints(vhost)]

    async def getallendpoints(self):
        """List the endpoints of all virtual hosts as [(vhost, endpoint)]."""
        await self._answers.ready()
        return self._book.endpoints()

    def _bridge_info(self, vhost: str, datapathid: int) -> Optional[tuple]:
        found = self._book.bridge_of_datapath(vhost, datapathid)
        return None if found is None else (found[1].name, found[0].systemid, found[1].uuid)

    async def getbridgeinfo(self, datapathid, vhost=""):
        """Describe a bridge as (name, system id, UUID) by its datapath id; None if there is none."""
        await self._answers.ready()
        return self._bridge_info(vhost, datapathid)

    async def waitbridgeinfo(self, datapathid, timeout=30, vhost=""):
        """Describe a bridge as (name, system id, UUID) by its datapath id, as soon as there is one.

        :param timeout: seconds; None waits for ever
        :raises OVSDBBridgeNotAppearException: it has not appeared in time
        """
        return await self._wait_for(lambda: self._bridge_info(vhost, datapathid), timeout, f"datapath {datapathid:#x}")

    def _find_bridge(self, connection: Any, bridge: str) -> Any:
        found = self._book.find_bridge(connection, "uuid", bridge) or self._book.find_bridge(connection, "name", bridge)
        if found is None:
            raise ValueError(f"no bridge {bridge!r} on {connection!r}")
        return found

    async def updatebridge(self, connection, bridge, external_ids):
        """Write keys into ``external_ids`` of a bridge; other keys stay

        :param connection: OVSDB connection
        :param bridge: UUID or name of the bridge
        :param external_ids: ``{key: value}``; value None removes the key
        :raises ValueError: there is no such bridge on the connection
        :raises JsonRPCErrorResultException: the database refused; nothing was changed
        :raises JsonRPCProtocolException: the connection went down; whether it was changed is not known
        """
        await self._answers.ready()
        where = [ovsdb.condition("_uuid", "==", ovsdb.uuid(self._find_bridge(connection, bridge).uuid))]
        pairs = [(key, str(value)) for key, value in external_ids.items() if value is not None]
        mutations = [
            ovsdb.mutation("external_ids", "delete", ovsdb.oset(*external_ids)),
            ovsdb.mutation("external_ids", "insert", ovsdb.omap(*pairs)),
        ]
        request = ovsdb.transact("Open_vSwitch", ovsdb.mutate("Bridge", where, mutations))
        results, _error = await connection.protocol.querywithreply(*request, connection, self.apiroutine)
        for result in results:
            if result is not None and result.get("error") is not None:
                raise JsonRPCErrorResultException(result["error"], result)

    async def getbridgeexternalids(self, connection, bridge):
        """Return ``external_ids`` of a bridge as last told by the database

        :param connection: OVSDB connection
        :param bridge: UUID or name of the bridge
        :raises ValueError: there is no such bridge on the connection
        """
        await self._answers.ready()
        return dict(self._find_bridge(connection, bridge).external_ids)
