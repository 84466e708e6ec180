"""The OVSDB management protocol: JSON-RPC 1.0 with echo as keep-alive (manual 5.3.4; RFC 7047, 4.1.11)."""

from __future__ import annotations

import logging
from typing import Any

from vlcp.config import defaultconfig
from vlcp.protocol.jsonrpc import JsonRPC, JsonRPCErrorResultException, JsonRPCProtocolException

_logger = logging.getLogger(__name__)


@defaultconfig
class OVSDB(JsonRPC):
    """JSON-RPC 1.0 as databases of Open vSwitch speak it: both sides keep idle connections alive by "echo" requests."""

    #: (inherited)
    _default_defaultport = 6632
    #: Methods that the peer may call; "echo" is answered at once
    _default_allowedrequests = ("echo",)
    #: Seconds without a message after which an "echo" is sent
    _default_keepalivetime = 10
    #: Seconds that its answer may take before the connection is dropped
    _default_keepalivetimeout = 3
    #: (inherited)
    _default_tcp_nodelay = True

    def request_events(self, connection: Any, method: str, params: Any, requestid: Any) -> list:
        """Answer "echo" with its own parameters, ahead of everything that waits; see :meth:`JsonRPC.request_events`."""
        if method == "echo" and (self.allowedrequests is None or "echo" in self.allowedrequests):
            return [self.formatreply(params, requestid, connection)]
        return super().request_events(connection, method, params, requestid)

    async def keepalive(self, connection: Any) -> None:
        """Ask for an echo; drop the connection when none comes in ``keepalivetimeout`` seconds."""
        mark = connection.connmark
        try:
            expired, _reply = await connection.execute_with_timeout(
                self.keepalivetimeout, self.querywithreply("echo", [], connection, connection)
            )
        except (JsonRPCProtocolException, JsonRPCErrorResultException):
            # Down already, or alive enough to refuse.
            return
        if expired:
            _logger.warning("no answer to echo in %s s: %r", self.keepalivetimeout, connection)
            await connection.reset(True, mark)
