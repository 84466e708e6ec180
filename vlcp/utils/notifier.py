"""Notifications of database changes: the events, and the base of what sends and receives them.

:mod:`vlcp.service.kvdb.redisnotifier` is the documented place of the events.
"""

from __future__ import annotations

from typing import Any, Callable, List, NamedTuple, Optional, Sequence, Tuple

from vlcp.event.event import Event, withIndices

Version = Tuple[int, int]
"Version of a value: (time of creation in us, number of writes); a deletion has -1 as the second."


@withIndices("notifier", "transactid", "keys", "reason", "fromself")
class UpdateNotification(Event):
    """Keys changed in the database.

    Indices: ``notifier``, the object that received it; ``transactid`` (str); ``keys``, a tuple; ``reason``,
    :attr:`UPDATED`, or :attr:`RESTORED` when changes may have been missed and everything is to be read
    again; ``fromself``, whether this process made the change. Attribute ``extrainfo``: the new version of
    each key, or None.
    """

    __module__ = "vlcp.service.kvdb.redisnotifier"
    canignore = True
    UPDATED = "updated"
    RESTORED = "restored"


@withIndices("notifier", "stage")
class ModifyListen(Event):
    """The set of keys that a notifier listens to changes; of use to notifiers with subscriptions."""

    __module__ = "vlcp.service.kvdb.redisnotifier"
    canignore = True
    SUBSCRIBE = "subscribe"
    LISTEN = "listen"


class Notification(NamedTuple):
    """What callbacks of a notifier get; the fields are those of :class:`UpdateNotification`."""

    transactid: str
    keys: Tuple[str, ...]
    versions: Optional[Sequence[Optional[Version]]]
    reason: str
    fromself: bool


class Notifier:
    """Receives notifications for one user of the database.

    :param scheduler: where the events go
    """

    ordered = False
    """Whether a change is always notified before any read returns it, or before :meth:`heard` returns for that read. Reads of
    single keys can then be combined with what is known of other keys."""

    def __init__(self, scheduler: Any) -> None:
        self.scheduler = scheduler
        self._callbacks: List[Callable[[Notification], None]] = []

    def add_callback(self, callback: Callable[[Notification], None]) -> None:
        """Call ``callback(notification)`` at once for every notification; it must not raise."""
        self._callbacks.append(callback)

    def remove_callback(self, callback: Callable[[Notification], None]) -> None:
        """Stop calling ``callback``."""
        self._callbacks.remove(callback)

    async def start(self, container: Any) -> None:
        """Begin to receive."""

    async def stop(self, container: Any) -> None:
        """Receive nothing more."""

    async def add_listen(self, *keys: str) -> None:
        """Receive notifications for ``keys`` (other keys may be notified too)."""

    async def remove_listen(self, *keys: str) -> None:
        """Receive no more notifications for ``keys``."""

    async def publish(self, keys: Sequence[str], extrainfo: Optional[Sequence[Any]] = None) -> None:
        """Tell every process, this one included, that ``keys`` changed.

        A store that notifies its commits by itself does nothing here.

        :param keys: changed keys
        :param extrainfo: version of each key, or None
        """

    async def heard(self, mark: Optional[str]) -> bool:
        """Wait until all changes have been notified that a read has seen.

        :param mark: ``cache.mark`` after the read
        :return: False when it is not known whether some are still to come
        """
        return True

    def notification_matcher(self, fromself: Optional[bool] = None) -> Any:
        """Return the matcher of this notifier's :class:`UpdateNotification` events.

        :param fromself: None for all, else only those of this process (True) or of others (False)
        """
        return UpdateNotification.createMatcher(self, None, None, None, fromself)

    def deliver(self, notification: Notification) -> None:
        """Pass a notification on: to the callbacks at once, and as an event."""
        for callback in tuple(self._callbacks):
            callback(notification)
        event = UpdateNotification(
            self,
            notification.transactid,
            notification.keys,
            notification.reason,
            notification.fromself,
            extrainfo=notification.versions,
        )
        self.scheduler.emergesend(event)
