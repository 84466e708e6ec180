"""Ports of switches, as OpenFlow describes them (manual 5.6)."""

from __future__ import annotations

import logging
from typing import Any, Callable, Dict, List, Optional, Tuple

from vlcp.config import defaultconfig
from vlcp.event.event import M_, Event, withIndices
from vlcp.event.runnable import RoutineContainer
from vlcp.protocol.openflow import OpenflowAsyncMessageEvent
from vlcp.protocol.openflow.openflow import OpenflowErrorResultException, OpenflowProtocolException
from vlcp.server.module import Module, ModuleNotification, api, call_api, depend
from vlcp.service.sdn import ofpmanager
from vlcp.service.sdn._answers import wait_until_found

_logger = logging.getLogger(__name__)

Switch = Tuple[str, int]
_RETRY_S = 5.0
_OPENFLOW_10 = 1
_PORT_STATUS = 12
_DELETED = 1


@withIndices("connection")
class OpenflowPortSynchronized(Event):
    """The ports of a switch have been read for the first time since it connected."""


class OpenflowPortNotAppearException(Exception):
    """A port that was waited for has not appeared in time."""


@defaultconfig
@depend(ofpmanager.OpenflowManager)
class OpenflowPortManager(Module):
    """Knows the ports of switches, as OpenFlow describes them.

    A port is an ``ofp_port`` structure, ``ofp_phy_port`` of a switch that speaks OpenFlow 1.0. In the calls, ``vhost`` is a
    virtual host of OpenflowServer, '' by default; port numbers may have the 16 bits of OpenFlow 1.0 or the 32 of OpenFlow 1.3.
    """

    service = True

    def __init__(self, server: Any) -> None:
        super().__init__(server)
        self._ports: Dict[Switch, Dict[int, Any]] = {}
        self._connections: Dict[Switch, Any] = {}
        self._readers: Dict[Any, Any] = {}
        self._early: Dict[Any, List[List[Any]]] = {}
        self._listener = RoutineContainer(self.scheduler)
        self._listener.main = self._listen  # type: ignore[method-assign]
        self.routines.append(self._listener)
        self.create_api(
            api(self.getports, self.apiroutine),
            api(self.getallports, self.apiroutine),
            api(self.getportbyno, self.apiroutine),
            api(self.waitportbyno, self.apiroutine),
            api(self.getportbyname, self.apiroutine),
            api(self.waitportbyname, self.apiroutine),
            api(self.resync, self.apiroutine),
            api(self.waitsynchronized, self.apiroutine),
        )

    async def _listen(self) -> None:
        """Follow switches that come and go, and what they say about their ports."""
        changed = ModuleNotification.createMatcher("openflowmanager", "update")
        status = OpenflowAsyncMessageEvent.createMatcher(_PORT_STATUS)
        for connection in await call_api(self._listener, "openflowmanager", "getallconnections", {"vhost": None}):
            self._appear(connection)
        while True:
            event, matcher = await M_(changed, status)
            if matcher is status:
                self._port_status(event.connection, event.message)
                continue
            for connection in event.remove:
                self._disappear(connection)
            for connection in event.add:
                self._appear(connection)

    def _appear(self, connection: Any) -> None:
        if connection.openflow_auxiliaryid or connection in self._readers:
            return
        switch = _switch_of(connection)
        if switch in self._connections:
            self._disappear(self._connections[switch])
        self._connections[switch] = connection
        self._readers[connection] = self._listener.subroutine(self._read_until_done(connection, "connected"))

    def _disappear(self, connection: Any) -> None:
        reader = self._readers.pop(connection, None)
        if reader is not None:
            self._listener.terminate(reader)
        switch = _switch_of(connection)
        if self._connections.get(switch) is connection:
            del self._connections[switch]
            gone = self._ports.pop(switch, {})
            self._tell(connection, [], list(gone.values()), "disconnected")

    async def _read_until_done(self, connection: Any, reason: str) -> None:
        """Read the ports of a switch; try again when it does not answer."""
        switch = _switch_of(connection)
        while self._connections.get(switch) is connection:
            try:
                await self._read(connection, reason)
                return
            except (OpenflowProtocolException, OpenflowErrorResultException) as error:
                _logger.warning("ports of %r cannot be read: %s", connection, error)
                await self._listener.wait_with_timeout(_RETRY_S)

    async def _read(self, connection: Any, reason: str) -> None:
        request = port_request(connection.openflowdef)
        # What the switch says meanwhile may be later than its answer, although it is heard before that.
        early: List[Any] = []
        self._early.setdefault(connection, []).append(early)
        try:
            replies = await connection.protocol.querymultipart(request, connection, self.apiroutine)
        finally:
            self._early[connection].remove(early)
            if not self._early[connection]:
                del self._early[connection]
        found = {full_port_no(port.port_no): port for reply in replies for port in reply.ports}
        switch = _switch_of(connection)
        if self._connections.get(switch) is not connection:
            return
        first = switch not in self._ports
        before = self._ports.get(switch, {})
        self._ports[switch] = found
        add = [port for number, port in found.items() if number not in before]
        remove = [port for number, port in before.items() if number not in found]
        if first or add or remove:
            self._tell(connection, add, remove, reason)
        for message in early:
            self._port_status(connection, message)
        if first:
            self.scheduler.emergesend(OpenflowPortSynchronized(connection))

    def _port_status(self, connection: Any, message: Any) -> None:
        switch = _switch_of(connection)
        ports = self._ports.get(switch)
        for early in self._early.get(connection, ()):
            early.append(message)
        if self._connections.get(switch) is not connection or ports is None:
            return
        port = message.desc
        number = full_port_no(port.port_no)
        old = ports.get(number)
        if message.reason == _DELETED:
            if ports.pop(number, None) is not None:
                self._tell(connection, [], [old], "delete")
        elif old is None:
            ports[number] = port
            self._tell(connection, [port], [], "add")
        else:
            ports[number] = port
            self._tell_modified(connection, old, port)

    def _tell(self, connection: Any, add: List[Any], remove: List[Any], reason: str) -> None:
        vhost, datapathid = _switch_of(connection)
        self.scheduler.emergesend(
            ModuleNotification(
                self.get_service_name(), "update",
                datapathid=datapathid, connection=connection, vhost=vhost, add=add, remove=remove, reason=reason,
            )
        )  # fmt: skip

    def _tell_modified(self, connection: Any, old: Any, new: Any) -> None:
        vhost, datapathid = _switch_of(connection)
        self.scheduler.emergesend(
            ModuleNotification(
                self.get_service_name(), "modified",
                datapathid=datapathid, connection=connection, vhost=vhost, old=old, new=new, reason="modified",
            )
        )  # fmt: skip

    async def getports(self, datapathid, vhost=""):
        """List the ports of a switch; empty if it is not known.

        :param datapathid: datapath id of the switch
        """
        return list(self._ports.get((vhost, datapathid), {}).values())

    async def getallports(self, vhost=None):
        """List the ports of all switches as [(datapath id, port, vhost)].

        :param vhost: only those of this virtual host; None for all
        """
        return [
            (datapathid, port, name)
            for (name, datapathid), ports in self._ports.items()
            if vhost in (None, name)
            for port in ports.values()
        ]

    async def getportbyno(self, datapathid, portno, vhost=""):
        """Return a port of a switch by its number, None if there is none."""
        return self._ports.get((vhost, datapathid), {}).get(full_port_no(portno))

    async def waitportbyno(self, datapathid, portno, timeout=30, vhost=""):
        """Return a port of a switch by its number, as soon as there is one.

        :param timeout: seconds; None waits for ever
        :raises OpenflowPortNotAppearException: it has not appeared in time
        """
        number = full_port_no(portno)
        return await self._wait(vhost, datapathid, timeout, f"port {portno}", lambda port: full_port_no(port.port_no) == number)

    async def getportbyname(self, datapathid, name, vhost=""):
        """Return a port of a switch by its name, None if there is none."""
        return self._find(vhost, datapathid, lambda port: port_name(port) == _text(name))

    async def waitportbyname(self, datapathid, name, timeout=30, vhost=""):
        """Return a port of a switch by its name, as soon as there is one.

        :param timeout: seconds; None waits for ever
        :raises OpenflowPortNotAppearException: it has not appeared in time
        """
        return await self._wait(vhost, datapathid, timeout, f"port {name!r}", lambda port: port_name(port) == _text(name))

    def _find(self, vhost: str, datapathid: int, judge: Callable[[Any], bool]) -> Any:
        return next((port for port in self._ports.get((vhost, datapathid), {}).values() if judge(port)), None)

    async def _wait(self, vhost: str, datapathid: int, timeout: Optional[float], what: str, judge: Callable[[Any], bool]) -> Any:
        changed = ModuleNotification.createMatcher(self.get_service_name(), "update")
        port = await wait_until_found(self.apiroutine, lambda: self._find(vhost, datapathid, judge), timeout, changed)
        if port is None:
            raise OpenflowPortNotAppearException(f"{what} of datapath {datapathid:#x} has not appeared in {timeout} s")
        return port

    async def resync(self, datapathid, vhost=""):
        """Read the ports of a switch again, and tell what differs from what was told.

        The switch tells every change by itself, so this is for doubts only.
        """
        connection = self._connections.get((vhost, datapathid))
        if connection is not None:
            await self._read_until_done(connection, "resync")

    async def waitsynchronized(self, connection, timeout=30):
        """Wait until the ports of a connection have been read

        :param connection: the main OpenFlow connection of a switch
        :param timeout: seconds
        :return: False when it takes longer, or the connection is gone
        """
        switch = _switch_of(connection)
        changed = ModuleNotification.createMatcher(self.get_service_name(), "update")
        deadline = self.scheduler.current_time + timeout
        while self._connections.get(switch) is not connection or switch not in self._ports:
            left = deadline - self.scheduler.current_time
            if left <= 0 or not connection.connected:
                return False
            await self.apiroutine.wait_with_timeout(min(left, 1.0), changed)
        return True


def _switch_of(connection: Any) -> Switch:
    return connection.protocol.vhost, connection.openflow_datapathid


def _text(name: Any) -> str:
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else name


def port_name(port: Any) -> str:
    """Return the name of a port structure as text."""
    return _text(port.name).rstrip("\0")


def port_request(definitions: Any) -> Any:
    """Return the request whose replies have ``ports``: for OpenFlow 1.0 its features, which come with the ports."""
    if definitions.OFP_VERSION == _OPENFLOW_10:
        request = definitions.ofp_msg()
        request.header.type = definitions.OFPT_FEATURES_REQUEST
        return request
    return definitions.ofp_multipart_request(type=definitions.OFPMP_PORT_DESC)


def full_port_no(number: int) -> int:
    """Return a port number with the 32 bits of OpenFlow 1.3; reserved ports of OpenFlow 1.0 have 16."""
    return number | 0xFFFF0000 if 0xFF00 <= number <= 0xFFFF else number
