"""Base of the modules that listen on URLs or connect to them (manual 3.1.3, 3.2.4, 5.6.1)."""

from __future__ import annotations

import difflib
import logging
from collections import Counter
from typing import Any, Dict, Iterable, List, Optional, Tuple
from weakref import WeakSet

from vlcp.event.connection import Client, TcpServer
from vlcp.event.runnable import RoutineContainer
from vlcp.server.module import Module, api
from vlcp.service.connection._endpoints import Endpoint, endpoints
from vlcp.utils.metrics import GAUGE, Metric

logger = logging.getLogger(__name__)

_VHOST = "vhost"
_CLOSING_TURNS = 1000
"turns of the scheduler that a server may take to close its socket"


class TcpServerBase(Module):
    """Servers or clients on the configured URLs, in virtual hosts.

    ``.url`` and ``.urls`` say where to listen, or with ``.client`` where to connect. ``.key``, ``.certificate`` and
    ``.ca_certs`` are the files for TLS, ``.bindaddress`` is the local address of clients, and ``.protocol.<key>``
    changes a setting of the protocol for these connections. ``.vhost.<name>`` is a virtual host: a node with the
    same keys, which takes all but the URLs from the node around it.

    :param server: the server
    :param protocolclass: class of the protocol
    """

    service = True
    _default_url = "tcp://localhost/"
    "Where to listen or, as a client, to connect; None for nowhere"
    _default_connmanage = False
    "Keep a list of the connections for getconnections, and close them when the module is unloaded"
    _default_client = False
    "Connect to the URLs instead of listening on them"
    _extra_config: Tuple[str, ...] = ("urls", "key", "certificate", "ca_certs", "bindaddress", "protocol.")

    def __init__(self, server: Any, protocolclass: Any) -> None:
        super().__init__(server)
        self.protocolclass = protocolclass
        self._managed: Dict[Any, None] = {}
        self._known: WeakSet = WeakSet()
        self._running: List[Tuple[Endpoint, Any]] = [(one, self._create(one)) for one in self._endpoints()]
        self.connections.extend(connection for _, connection in self._running)
        self.create_api(
            api(self.getservers),
            api(self.stoplisten, self.apiroutine),
            api(self.startlisten, self.apiroutine),
            api(self.updateconfig, self.apiroutine),
            api(self.getconnections),
            api(self.metrics),
        )

    @classmethod
    def plain_setting(cls, name: str) -> str:
        """Return the setting behind ``vhost.<name>.<setting>``, which may be nested."""
        parts = name.split(".")
        while len(parts) > 2 and parts[0] == _VHOST:
            parts = parts[2:]
        return ".".join(parts)

    def create_protocol(self, endpoint: Endpoint) -> Any:
        """Return a new protocol object for an endpoint; modules with several protocols override it."""
        return self.protocolclass()

    def _endpoints(self) -> List[Endpoint]:
        names = [key for key in ("url", "connmanage", "client", *self._own_settings()) if "." not in key]
        for name in names:
            self.__dict__.pop(name, None)
        settings = {name: getattr(self, name, None) for name in names if name != "url"}
        return endpoints(self.configkey, self.url, settings, self.getConfigRoot())

    def _own_settings(self) -> Tuple[str, ...]:
        return ("key", "certificate", "ca_certs", "bindaddress")

    def _create(self, endpoint: Endpoint) -> Any:
        settings = endpoint.settings
        protocol = self._configured_protocol(endpoint)
        files = [settings["key"], settings["certificate"], settings["ca_certs"]]
        try:
            if settings["client"]:
                return Client(endpoint.url, protocol, self.scheduler, *files, settings["bindaddress"])
            return TcpServer(endpoint.url, protocol, self.scheduler, *files)
        except (ValueError, OSError) as exc:
            raise ValueError(f"{self.configkey}, URL {endpoint.url!r}: {exc}") from exc

    def _configured_protocol(self, endpoint: Endpoint) -> Any:
        protocol = self.create_protocol(endpoint)
        protocol.vhost = endpoint.vhost
        for key, value in endpoint.protocol.items():
            if not hasattr(protocol, key):
                self._warn_unknown(protocol, endpoint, key)
            setattr(protocol, key, value)
        self._follow(protocol, self._managed if endpoint.settings["connmanage"] else {})
        return protocol

    def _warn_unknown(self, protocol: Any, endpoint: Endpoint, key: str) -> None:
        near = difflib.get_close_matches(key, protocol.config_value_keys(), 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        logger.warning("%s: unknown protocol setting %r for %s%s", self.configkey, key, endpoint.url, hint)

    def _follow(self, protocol: Any, managed: Dict[Any, None]) -> None:
        """Know the connections by the hooks of their protocol object.

        :param managed: a list to keep them in, too
        """
        first, last = protocol.init, protocol.final

        async def init(connection: Any) -> None:
            self._known.add(connection)
            managed[connection] = None
            await first(connection)

        async def final(connection: Any) -> None:
            self._known.discard(connection)
            managed.pop(connection, None)
            await last(connection)

        protocol.init, protocol.final = init, final

    async def unload(self, container: RoutineContainer, force: bool = False) -> None:
        """Stop listening, close the clients and, if they are managed, the accepted connections."""
        await super().unload(container, force)
        for connection in list(self._managed):
            await connection.shutdown(force)
        await self._until_closed(self.connections)

    async def _until_closed(self, connections: Iterable[Any]) -> None:
        """Wait until servers that are being shut down have freed their addresses, so that others can listen there."""
        servers = [one for one in connections if isinstance(one, TcpServer)]
        for _ in range(_CLOSING_TURNS):
            if not any(server.listening for server in servers):
                return
            await self.apiroutine.do_events()

    def getservers(self, vhost=None):
        """Return the listening servers.

        :param vhost: name of a virtual host, '' for the default one, None for all
        """
        return [server for server in self._selected(vhost) if isinstance(server, TcpServer)]

    async def stoplisten(self, vhost=None):
        """Close the listening sockets; accepted connections stay.

        :param vhost: name of a virtual host, '' for the default one, None for all
        """
        for server in self.getservers(vhost):
            await server.stoplisten()

    async def startlisten(self, vhost=None):
        """Listen again after :meth:`stoplisten`.

        :param vhost: name of a virtual host, '' for the default one, None for all
        """
        for server in self.getservers(vhost):
            await server.startlisten()

    async def updateconfig(self):
        """Read the configuration again: stop what is not in it any more, start what is new, leave the rest alone.

        :raises ValueError: the configuration is wrong; nothing is changed
        """
        wanted = self._endpoints()
        kept = [(endpoint, connection) for endpoint, connection in self._running if endpoint in wanted]
        present = [endpoint for endpoint, _ in kept]
        added = [(endpoint, self._create(endpoint)) for endpoint in wanted if endpoint not in present]
        gone = [connection for endpoint, connection in self._running if endpoint not in wanted]
        self._running = kept + added
        for connection in gone:
            self.connections.remove(connection)
            await connection.shutdown()
        await self._until_closed(gone)
        for _, connection in added:
            self.connections.append(connection)
            connection.start()

    def getconnections(self, vhost=None):
        """Return the connections that are up, if ``connmanage`` is on.

        :param vhost: name of a virtual host, '' for the default one, None for all
        """
        return [one for one in self._managed if one.connected and vhost in (None, one.protocol.vhost)]

    def metrics(self):
        """Return the number of connections; see :class:`~vlcp.utils.metrics.Metric`."""
        name = self.get_service_name()
        counts = Counter(connection.protocol.vhost for connection in self._known if connection.connected)
        samples = [({"server": name, "vhost": vhost}, count) for vhost, count in sorted(counts.items())]
        return [Metric("vlcp_connections", GAUGE, "Connections of a server that are open.", samples)]

    def _selected(self, vhost: Optional[str]) -> List[Any]:
        return [connection for endpoint, connection in self._running if vhost in (None, endpoint.vhost)]
