"""Notifications of database changes (manual 5.6.3): the events and the proxy ``updatenotifier``."""

from __future__ import annotations

from vlcp.server.module import proxy
from vlcp.utils.notifier import ModifyListen, Notification, Notifier, UpdateNotification

__all__ = ["ModifyListen", "Notification", "Notifier", "UpdateNotification", "UpdateNotifier"]

UpdateNotifier = proxy("UpdateNotifier", "vlcp.service.connection.sqlitedb.SQLiteDB")
