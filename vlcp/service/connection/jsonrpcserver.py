"""JSON-RPC and OVSDB connections (manual 3.2.4, 5.6.1)."""

from __future__ import annotations

from typing import Any

from vlcp.config import defaultconfig
from vlcp.protocol.jsonrpc import JsonRPC
from vlcp.protocol.ovsdb import OVSDB
from vlcp.service.connection._endpoints import Endpoint
from vlcp.service.connection.tcpserver import TcpServerBase


@defaultconfig
class JsonRPCServer(TcpServerBase):
    """Create JSON-RPC servers or clients on the configured URLs, in virtual hosts.

    To talk to the Open vSwitch database of this machine::

        module.jsonrpcserver.client = True
        module.jsonrpcserver.ovsdb = True
        module.jsonrpcserver.url = 'unix:///var/run/openvswitch/db.sock'
    """

    service = False
    _default_url = "tcp://localhost:6632/"
    _default_connmanage = True
    _default_ovsdb = False
    "Speak the OVSDB protocol, which tests the peer with echo requests; for a virtual host too"

    def __init__(self, server: Any) -> None:
        super().__init__(server, JsonRPC)

    def create_protocol(self, endpoint: Endpoint) -> Any:
        """Return an OVSDB or JSON-RPC protocol object, as the endpoint says."""
        return OVSDB() if endpoint.settings.get("ovsdb") else JsonRPC()

    def _own_settings(self) -> tuple:
        return (*super()._own_settings(), "ovsdb")
