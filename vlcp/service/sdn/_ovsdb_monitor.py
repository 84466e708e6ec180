"""Follow tables of a database by a monitor."""

from __future__ import annotations

import logging
from typing import Any, Callable

from vlcp.event.event import M_
from vlcp.protocol.jsonrpc import (
    JsonRPCErrorResultException,
    JsonRPCNotificationEvent,
    JsonRPCProtocolException,
)
from vlcp.service.sdn._ovsdb_rows import OvsdbFormatError
from vlcp.utils import ovsdb

_logger = logging.getLogger(__name__)
#: Newest first: "monitor_cond" sends only what changed of large sets, as the ports of a bridge
_METHODS = ("monitor_cond", "monitor")


def _update_matchers(connection: Any, monitorid: str) -> tuple:
    def is_ours(event: Any) -> bool:
        return isinstance(event.params, list) and len(event.params) == 2 and event.params[0] == monitorid

    return tuple(
        JsonRPCNotificationEvent.createMatcher(method, connection, connection.connmark, _ismatch=is_ours)
        for method in ("update", "update2")
    )


async def start_monitor(container: Any, connection: Any, dbname: str, monitorid: str, request: dict) -> Any:
    """Start a monitor and return the rows that are there.

    :raises JsonRPCErrorResultException: the database refuses
    :raises JsonRPCProtocolException: the connection is down
    """
    protocol = connection.protocol
    refused = None
    for method in _METHODS:
        for _attempt in range(2):
            params = [dbname, monitorid, request]
            result, error = await protocol.querywithreply(method, params, connection, container, False)
            if error is None:
                return result
            refused = JsonRPCErrorResultException(error, result)
            if "duplicate" not in str(error):
                break
            # One that a former instance of the module has left.
            await protocol.querywithreply(*ovsdb.monitor_cancel(monitorid), connection, container, False)
    raise refused  # type: ignore[misc]


async def follow(
    container: Any,
    connection: Any,
    monitorid: str,
    request: dict,
    apply: Callable[[Any, bool], None],
    dbname: str = "Open_vSwitch",
) -> None:
    """Call ``apply(updates, initial)`` for the present rows and then for each update, until the connection is down.

    :param request: ``{table: [{"columns": [...]}]}``
    :param apply: must not wait; its :class:`OvsdbFormatError` resets the connection
    """
    early: list = []
    updates = _update_matchers(connection, monitorid)
    down = connection.protocol.statematcher(connection)
    mark = connection.connmark
    start = start_monitor(container, connection, dbname, monitorid, request)
    try:
        # An update may be dispatched before the reply that it follows on the wire.
        initial = await container.with_callback(start, lambda event, matcher: early.append(event), *updates)
        apply(initial, True)
        for event in early:
            apply(event.params[1], False)
        while True:
            event, matcher = await M_(down, *updates)
            if matcher is down:
                return
            apply(event.params[1], False)
    except JsonRPCErrorResultException as error:
        _logger.info("database %r of %r cannot be monitored: %s", dbname, connection, error)
        await down
    except JsonRPCProtocolException as error:
        _logger.debug("monitor of %r ended: %s", connection, error)
    except OvsdbFormatError as error:
        _logger.warning("database of %r sends nonsense, connection is reset: %s", connection, error)
        await connection.reset(True, mark)


async def stop_monitor(container: Any, connection: Any, monitorid: str) -> None:
    """End a monitor; does nothing when the connection is down."""
    try:
        await connection.protocol.querywithreply(*ovsdb.monitor_cancel(monitorid), connection, container, False)
    except JsonRPCProtocolException:
        _logger.debug("monitor %r ended with its connection: %r", monitorid, connection)
