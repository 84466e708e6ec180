"""OVSDB JSON structures: requests, operations and values (RFC 7047, sections 4 and 5).

Functions for requests return ``(method, params)``, to be used as ``protocol.querywithreply(*request, connection)``.
"""

from __future__ import annotations

from typing import Any, Optional

from vlcp.protocol.jsonrpc import JsonRPCNotificationEvent

# Requests


def list_dbs() -> tuple[str, list]:
    """Ask for the names of the databases."""
    return ("list_dbs", [])


def get_schema(dbname: str) -> tuple[str, list]:
    """Ask for the schema of a database."""
    return ("get_schema", [dbname])


def transact(dbname: str, *operations: dict) -> tuple[str, list]:
    """Carry out operations in one transaction."""
    return ("transact", [dbname, *operations])


def cancel(msgid: Any) -> tuple[str, list]:
    """Cancel the request with this id (to be sent as a notification)."""
    return ("cancel", [msgid])


def monitor(dbname: str, monitorid: Any, monitorrequests: dict) -> tuple[str, list]:
    """Ask for tables and their changes; ``monitorrequests`` is ``{table: monitor_request(...) or a list}``."""
    return ("monitor", [dbname, monitorid, monitorrequests])


def monitor_matcher(connection: Any, monitorid: Any) -> Any:
    """Return a matcher for the "update" notifications of a monitor in the present session."""
    return JsonRPCNotificationEvent.createMatcher(
        "update",
        connection,
        connection.connmark,
        _ismatch=lambda event: isinstance(event.params, list) and event.params[:1] == [monitorid],
    )


def monitor_cancel(monitorid: Any) -> tuple[str, list]:
    """End a monitor."""
    return ("monitor_cancel", [monitorid])


def lock(lockid: str) -> tuple[str, list]:
    """Ask for a lock; the owner is told by the notification "locked"."""
    return ("lock", [lockid])


def steal(lockid: str) -> tuple[str, list]:
    """Take a lock from its owner."""
    return ("steal", [lockid])


def unlock(lockid: str) -> tuple[str, list]:
    """Give a lock back."""
    return ("unlock", [lockid])


# Operations of a transaction


def insert(table: str, row: dict, uuid_name: Optional[str] = None) -> dict:
    """Insert a row; ``uuid_name`` lets other operations refer to it by :func:`named_uuid`."""
    operation = {"op": "insert", "table": table, "row": row}
    if uuid_name is not None:
        operation["uuid-name"] = uuid_name
    return operation


def select(table: str, where: list, columns: Optional[list] = None) -> dict:
    """Read rows; ``where`` is a list of :func:`condition`, ``columns`` None reads all."""
    operation = {"op": "select", "table": table, "where": where}
    if columns is not None:
        operation["columns"] = columns
    return operation


def update(table: str, where: list, row: dict) -> dict:
    """Set columns of rows."""
    return {"op": "update", "table": table, "where": where, "row": row}


def mutate(table: str, where: list, mutations: list) -> dict:
    """Change columns of rows by a list of :func:`mutation`."""
    return {"op": "mutate", "table": table, "where": where, "mutations": mutations}


def delete(table: str, where: list) -> dict:
    """Delete rows."""
    return {"op": "delete", "table": table, "where": where}


def wait(table: str, where: list, columns: list, rows: list, untilequal: bool = True, timeout: Optional[int] = None) -> dict:
    """Wait until columns of rows have these values, or others; ``timeout`` in milliseconds, None waits for ever."""
    operation: dict = {
        "op": "wait",
        "table": table,
        "where": where,
        "columns": columns,
        "until": "==" if untilequal else "!=",
        "rows": rows,
    }
    if timeout is not None:
        operation["timeout"] = timeout
    return operation


def commit(durable: bool = True) -> dict:
    """Commit; ``durable`` asks that it is on disk before the answer."""
    return {"op": "commit", "durable": durable}


def abort() -> dict:
    """Give the transaction up."""
    return {"op": "abort"}


def comment(comment: str) -> dict:
    """Write a comment into the log of the database."""
    return {"op": "comment", "comment": comment}


def assert_lock(lockid: str) -> dict:
    """Give the transaction up unless this client owns the lock."""
    return {"op": "assert", "lock": lockid}


# Values


def oset(*objs: Any) -> list:
    """Return a set value."""
    return ["set", list(objs)]


def omap(*pairs: Any, **kwargs: Any) -> list:
    """Return a map value of :func:`pair` and keyword arguments."""
    return ["map", [list(entry) for entry in pairs] + [[key, value] for key, value in kwargs.items()]]


def pair(key: Any, value: Any) -> list:
    """Return one entry of a map."""
    return [key, value]


def uuid(uuid: str) -> list:
    """Return a reference to a row."""
    return ["uuid", uuid]


def named_uuid(name: str) -> list:
    """Return a reference to a row that the same transaction inserts."""
    return ["named-uuid", name]


def condition(column: str, function: str, value: Any) -> list:
    """Return a condition such as ``condition("name", "==", "br0")``."""
    return [column, function, value]


def mutation(column: str, mutator: str, value: Any) -> list:
    """Return a mutation such as ``mutation("ports", "insert", value)``."""
    return [column, mutator, value]


def monitor_request(
    columns: Optional[list] = None,
    initial: Optional[bool] = None,
    insert: Optional[bool] = None,
    delete: Optional[bool] = None,
    modify: Optional[bool] = None,
) -> dict:
    """Return what to monitor of a table; None takes the server's default (all columns, all changes)."""
    request: dict = {} if columns is None else {"columns": columns}
    wanted = {"initial": initial, "insert": insert, "delete": delete, "modify": modify}
    chosen = {name: value for name, value in wanted.items() if value is not None}
    if chosen:
        request["select"] = chosen
    return request


def getdict(omap: Any) -> dict:
    """Return a map value as a dictionary; anything else as an empty one."""
    if isinstance(omap, list) and len(omap) == 2 and omap[0] == "map":
        return dict(omap[1])
    return {}


def omap_getvalue(omap: Any, key: Any) -> Any:
    """Return the value of a key of a map value, or None."""
    return getdict(omap).get(key)


def getlist(oset: Any) -> list:
    """Return a set value as a list; a single value is a set of one."""
    if isinstance(oset, list) and len(oset) == 2 and oset[0] == "set":
        return list(oset[1])
    return [oset]


def getoptional(obj: Any) -> Any:
    """Return the value of an optional column, None when it is empty."""
    values = getlist(obj)
    return values[0] if values else None
