"""HTTP connections (manual 3.2.4, 5.6.1)."""

from __future__ import annotations

from typing import Any

from vlcp.config import defaultconfig
from vlcp.protocol.http import Http
from vlcp.service.connection._endpoints import Endpoint
from vlcp.service.connection.tcpserver import TcpServerBase


@defaultconfig
class HttpServer(TcpServerBase):
    """Listens for HTTP connections at URLs, each with or without TLS.

    Each virtual host has its own URLs; the modules that serve requests bind to one by its name::

        module.httpserver.url = None
        module.httpserver.vhost.api.url = 'tcp://localhost:8081/'
    """

    service = False
    _default_url = "tcp://localhost:8080/"

    def __init__(self, server: Any) -> None:
        super().__init__(server, Http)

    def create_protocol(self, endpoint: Endpoint) -> Http:
        """Return a protocol object for servers, or for clients where ``client`` is set."""
        return Http(not endpoint.settings["client"])
