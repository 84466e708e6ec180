"""OpenFlow connections from switches (manual 3.2.4, 5.6.1)."""

from __future__ import annotations

from typing import Any

from vlcp.config import defaultconfig
from vlcp.protocol.openflow import Openflow
from vlcp.service.connection.tcpserver import TcpServerBase


@defaultconfig
class OpenflowServer(TcpServerBase):
    """Listen for switches, or connect to them, on the configured URLs, in virtual hosts.

    Open vSwitch connects to it with ``ovs-vsctl set-controller <bridge> tcp:127.0.0.1:6653``. By default only this machine
    can connect; ``module.openflowserver.url = 'tcp:///'`` listens on all addresses.
    """

    service = False
    _default_url = "tcp://localhost:6653/"
    _default_connmanage = True
    _default_client = False

    def __init__(self, server: Any) -> None:
        super().__init__(server, Openflow)
