"""Notifications of database changes (manual 5.6.3): the events, the proxy ``updatenotifier``, and Redis Pub/Sub behind it.

The channel of a key is the prefix and the key; everybody listens to the bare prefix too. A message names all keys that one
transaction changed. Commits through ``redisdb`` publish in the same step as they write, so no crash comes between.
"""

from __future__ import annotations

import itertools
import logging
import uuid
import zlib
from collections import OrderedDict, deque
from typing import Any, Deque, Dict, List, Optional, Sequence, Tuple

from vlcp.config import defaultconfig
from vlcp.event.event import M_
from vlcp.event.future import Future
from vlcp.server.module import Module, api, depend, proxy
from vlcp.service.connection.redisdb import RedisDB
from vlcp.utils.exceptions import StorageUnavailableException
from vlcp.utils.jsonencoder import StoredValueError
from vlcp.utils.notifier import ModifyListen, Notification, Notifier, UpdateNotification
from vlcp.utils.redisclient import RedisConnectionDown

__all__ = ["ModifyListen", "Notification", "Notifier", "RedisNotifier", "UpdateNotification", "UpdateNotifier"]

_logger = logging.getLogger(__name__)

_PATIENCE = 2.5
_MOST_ANNOUNCED = 10000
_LONGEST_MESSAGE = 16 * 1024 * 1024
_MOST_MARKS = 256
"""So many reads are remembered whose messages have come; each listener waits only for those of its own user."""


def decode_notification(value: Any, origin: str) -> Notification:
    """Return the notification that a decoded message is.

    :param origin: beginning of the ids of this process
    :raises ValueError: it is none
    """
    if not isinstance(value, dict):
        raise ValueError("expected an object, got %.100r" % (value,))
    transactid, keys, versions = value.get("id"), value.get("keys"), value.get("extrainfo")
    if not isinstance(transactid, str) or not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise ValueError("bad id or keys: %.100r" % (value,))
    if versions is not None:
        pairs = isinstance(versions, list) and len(versions) == len(keys)
        if not pairs or not all(one is None or (isinstance(one, list) and len(one) == 2) for one in versions):
            raise ValueError("bad extrainfo: %.100r" % (versions,))
        versions = [None if one is None else tuple(one) for one in versions]
    reason = UpdateNotification.UPDATED
    return Notification(transactid, tuple(keys), versions, reason, transactid.startswith(origin + "-"))


class _Listener(Notifier):
    """Receives messages on the subscribed connection of the client.

    :param module: :class:`RedisNotifier`
    """

    ordered = True

    def __init__(self, module: RedisNotifier) -> None:
        super().__init__(module.scheduler)
        self._module = module
        self._client = module.client
        self._keys: Dict[str, None] = {}
        self._last = ("", b"")
        self._routine: Any = None
        self._starting = True
        self._session = -1
        self._serial = itertools.count(1)
        self._marks: Deque[str] = deque(maxlen=_MOST_MARKS)
        self._awaited: Dict[str, Future] = {}

    async def start(self, container: Any) -> None:
        """Begin to receive, as soon as the server can be reached."""
        client, public = self._client, self._module.prefix
        client.request_subscription(container, public, self._module.echo)
        self._routine = self._module.apiroutine.subroutine(self._receive(), False, daemon=True)
        self._module.listeners.add(self)
        try:
            await client.subscribe(container, public, timeout=_PATIENCE)
            await client.unsubscribe(container, public)
            self._session = client.subscribe_connection(container).connmark
        except RedisConnectionDown as error:
            _logger.warning("redisnotifier: no notifications until redis can be reached: %s", error)
        self._starting = False

    async def stop(self, container: Any) -> None:
        """Receive nothing more."""
        if self._routine is None:
            return
        self._routine.close()
        self._routine = None
        self._module.listeners.discard(self)
        self._forget_marks()
        await self._client.unsubscribe(container, *self._module.common, *map(self._module.channel, self._keys))
        self._keys.clear()

    def move(self, client: Any) -> None:
        """Receive from another client; everything is to be read again when it is connected."""
        module = self._module
        self._client, self._session = client, -1
        self._forget_marks()
        client.request_subscription(module.apiroutine, *module.common, *map(module.channel, self._keys))
        self._routine.close()
        self._routine = module.apiroutine.subroutine(self._receive(), False, daemon=True)

    async def add_listen(self, *keys: str) -> None:
        """Receive notifications for ``keys``; returns when that is certain.

        :raises StorageUnavailableException: the server does not answer
        """
        new = [key for key in dict.fromkeys(keys) if key not in self._keys]
        if not new:
            return
        module = self._module
        try:
            await self._client.subscribe(module.apiroutine, *map(module.channel, new), timeout=_PATIENCE)
        except RedisConnectionDown as error:
            raise StorageUnavailableException("redis cannot be reached: %s" % (error,)) from error
        self._keys.update(dict.fromkeys(new))
        self.scheduler.emergesend(ModifyListen(self, ModifyListen.LISTEN))

    async def remove_listen(self, *keys: str) -> None:
        """Receive no more notifications for ``keys``."""
        gone = [key for key in dict.fromkeys(keys) if key in self._keys]
        for key in gone:
            del self._keys[key]
        if gone:
            await self._client.unsubscribe(self._module.apiroutine, *map(self._module.channel, gone))

    async def publish(self, keys: Sequence[str], extrainfo: Optional[Sequence[Any]] = None) -> None:
        """Tell every process that ``keys`` changed, but for what was told together with the commit."""
        await self._module.publish(keys, extrainfo)

    async def heard(self, mark: Optional[str]) -> bool:
        """Wait for the message that was published after a read: those of the commits before it have come, too."""
        if mark is None or mark in self._marks:
            return mark is not None
        if not self._client.is_subscribed():
            return False
        awaited = self._awaited[mark] = Future(self.scheduler)
        try:
            timed_out, come = await self._module.apiroutine.execute_with_timeout(_PATIENCE, awaited.wait())
        finally:
            del self._awaited[mark]
        return not timed_out and come

    def _mark(self, mark: str) -> None:
        awaited = self._awaited.get(mark)
        if awaited is None:
            self._marks.append(mark)
        elif not awaited.done():
            awaited.set_result(True)

    def _forget_marks(self) -> None:
        """Messages may have been missed."""
        self._marks.clear()
        for awaited in self._awaited.values():
            if not awaited.done():
                awaited.set_result(False)

    async def _receive(self) -> None:
        client, container = self._client, self._module.apiroutine
        connection = client.subscribe_connection(container)
        message = connection.protocol.subscribematcher(connection)
        up = client.subscribe_state_matcher(container)
        while True:
            event, matcher = await M_(message, up)
            if matcher is up:
                if not self._starting and event.connmark > self._session:
                    self._session = event.connmark
                    self._restored()
            elif event.channel != self._module.echo:
                self._take(event.channel, event.message)
            elif event.connmark == self._session:
                # In a session that is not up yet, and has not been told of, some channels are not subscribed again.
                self._mark(event.message.decode("ascii", "replace"))

    def _restored(self) -> None:
        _logger.info("redisnotifier: subscribed again, changes may have been missed")
        self._forget_marks()
        transactid = "restored-%x" % (next(self._serial),)
        self.deliver(Notification(transactid, (), None, UpdateNotification.RESTORED, False))

    def _take(self, channel: str, message: bytes) -> None:
        """Pass a message on; copies of one message arrive back to back."""
        if not channel.startswith(self._module.prefix) or message == self._last[1]:
            return
        try:
            notification = self._module.decode(message)
        except (StoredValueError, ValueError) as error:
            _logger.warning("redisnotifier: bad message on %r ignored: %s", channel, error)
            return
        if notification.transactid != self._last[0]:
            self._last = (notification.transactid, message)
            self.deliver(notification)


@defaultconfig
@depend(RedisDB)
class RedisNotifier(Module):
    """Tells all processes of commits to a Redis database, through its Pub/Sub."""

    service = True
    _default_vhostbind = ""
    "Virtual host of RedisDB whose commits are told"
    _default_prefix = "vlcp.updatenotifier."
    "Channels are named by this and the key"
    _default_singlecastlimit = 256
    "If a notification has more keys, broadcast it once in the public channel instead of copying it to all channels"
    _default_deflate = False
    "Compress notifications once more; module.redisdb.deflate does it already"

    redisdb: Any = None
    "The module whose commits are announced; None for the loaded one"

    def __init__(self, server: Any) -> None:
        super().__init__(server)
        self.listeners: set = set()
        self.client: Any = None
        self._origin = uuid.uuid1().hex
        self._serial = itertools.count(1)
        self._announced: OrderedDict = OrderedDict()
        self.echo = self.prefix + self._origin
        self.common = (self.prefix, self.echo)
        self.create_api(api(self.createnotifier))

    async def load(self, container: Any) -> None:
        """Announce the commits of the database from now on."""
        database = self.redisdb or self.server.moduleloader.getModuleByName(RedisDB.get_service_name())
        self.redisdb = database
        self.client, self._encode, self._decode = database.getclient(self.vhostbind)
        database.set_announcer(self.vhostbind, self._announce, self._move, self.echo)
        await super().load(container)

    async def unload(self, container: Any, force: bool = False) -> None:
        """Stop announcing commits, and stop all notifiers."""
        await super().unload(container, force)
        self.redisdb.set_announcer(self.vhostbind, None)
        for listener in tuple(self.listeners):
            await listener.stop(container)

    async def _move(self) -> None:
        """The virtual host has another server, or other settings."""
        self.client, self._encode, self._decode = self.redisdb.getclient(self.vhostbind)
        for listener in self.listeners:
            listener.move(self.client)

    def createnotifier(self) -> _Listener:
        """Return a new notifier, which tells of commits from when it is started."""
        return _Listener(self)

    def channel(self, key: str) -> str:
        """Return the channel of a key."""
        return self.prefix + key

    def decode(self, message: bytes) -> Notification:
        """Return the notification of a published message.

        :raises ValueError: it is none
        """
        if self.deflate:
            inflater = zlib.decompressobj()
            try:
                message = inflater.decompress(message, _LONGEST_MESSAGE)
            except zlib.error as error:
                raise ValueError("cannot be inflated: %s" % (error,)) from error
        return decode_notification(self._decode(message), self._origin)

    def _messages(self, keys: Sequence[str], versions: Optional[Sequence[Any]]) -> List[Tuple[str, bytes]]:
        transactid = "%s-%016x" % (self._origin, next(self._serial))
        message = self._encode({"id": transactid, "keys": list(keys), "extrainfo": versions})
        if self.deflate:
            message = zlib.compress(message, 1)
        if len(keys) > self.singlecastlimit:
            return [(self.prefix, message)]
        return [(self.channel(key), message) for key in keys]

    def _announce(self, versions: List[Tuple[str, Any, Any]]) -> List[Tuple[str, bytes]]:
        """Return what is published with a commit; remember that :meth:`publish` need not do it again."""
        keys = [key for key, _, _ in versions]
        pairs = [None if count is None else [created, count] for _, created, count in versions]
        for key, pair in zip(keys, pairs):
            self._announced[key] = pair
            self._announced.move_to_end(key)
        while len(self._announced) > _MOST_ANNOUNCED:
            self._announced.popitem(last=False)
        return self._messages(keys, pairs)

    async def publish(self, keys: Sequence[str], extrainfo: Optional[Sequence[Any]] = None) -> None:
        """Tell every process that ``keys`` changed, but for what was told together with the commit.

        :param extrainfo: version of each key, or None
        """
        versions = [None] * len(keys) if extrainfo is None else [None if one is None else list(one) for one in extrainfo]
        untold = [(key, version) for key, version in zip(keys, versions) if not self._was_announced(key, version)]
        if not untold:
            return
        messages = self._messages([key for key, _ in untold], [version for _, version in untold])
        commands = [("PUBLISH", channel, message) for channel, message in messages]
        try:
            await self.client.batch_execute(self.apiroutine, ("MULTI",), *commands, ("EXEC",), timeout=_PATIENCE)
        except RedisConnectionDown as error:
            _logger.warning("redisnotifier: change of %d keys is told to nobody else: %s", len(untold), error)

    def _was_announced(self, key: str, version: Any) -> bool:
        missing = object()
        announced = self._announced.pop(key, missing)
        return announced is not missing and (announced is None or version is None or announced == version)


UpdateNotifier = proxy("UpdateNotifier", "vlcp.service.connection.sqlitedb.SQLiteDB")
