"""A store in a simulation: requests and replies take time, get lost, and meet each other.

Each controller has a :class:`SimKV`; all of them talk to one :class:`Database`, which carries out one request at a time.
"""

from __future__ import annotations

from typing import Any, Callable, NamedTuple

from support.sim.clockwork import Clockwork

from vlcp.config import defaultconfig
from vlcp.event.future import Future
from vlcp.server.module import Module, api
from vlcp.utils.exceptions import (
    StorageOutcomeUnknownException,
    StorageUnavailableException,
    TransactionRetryExceededException,
)
from vlcp.utils.jsonencoder import decode_stored, encode_stored
from vlcp.utils.kvcache import KVCache
from vlcp.utils.notifier import Notification, Notifier, UpdateNotification

_RETRIES = 30
_PATIENCE = 2.5


class Commit(NamedTuple):
    """One transaction: who, when, and ``{key: value before}`` and ``{key: value after}`` as stored."""

    owner: str
    time: float
    before: dict
    after: dict


class Database:
    """The data, and the faults between it and the controllers.

    :param clockwork: time and chance
    :param ordered: whether notifications and replies to one controller keep their order
    :ivar cut_off: names of controllers that cannot reach it; None among them cuts off everybody
    :ivar lose_replies: probability that the reply to a commit is lost
    :ivar spurious_conflicts: probability that a commit is refused as if it had met another
    :ivar check_conflicts: False plants a bug
    :ivar lose_notifications: probability that a notification is lost, which plants a bug
    """

    def __init__(self, clockwork: Clockwork, ordered: bool = True) -> None:
        self.clockwork, self.ordered = clockwork, ordered
        self.data: dict[str, bytes] = {}
        self.numbers: dict[str, int] = {}
        self.commits: list[Commit] = []
        self.cut_off: set = set()
        self.notifiers: list[SimNotifier] = []
        self.lose_replies = 0.0
        self.spurious_conflicts = 0.0
        self.check_conflicts = True
        self.lose_notifications = 0.0
        self._serial = 0
        self._time = 0

    def reachable(self, owner: str) -> bool:
        """Tell whether a controller can talk to the database."""
        return not self.cut_off & {None, owner}

    def snapshot(self, keys: tuple) -> tuple:
        """Return numbers and stored values of keys, and the time in microseconds."""
        self._time = max(self._time + 1, int(self.clockwork.now * 1000000))
        return [self.numbers.get(key) for key in keys], [self.data.get(key) for key in keys], self._time

    def commit(self, owner: str, keys: tuple, numbers: list, time: int, written: dict, versions: list) -> bool:
        """Write unless a key has another number; return whether it was done."""
        chance = self.clockwork.random
        if self.check_conflicts and numbers != [self.numbers.get(key) for key in keys]:
            return False
        if chance.random() < self.spurious_conflicts:
            return False
        before = {key: self.data.get(key) for key in written}
        for key, value in written.items():
            self._serial += 1
            if value is None:
                self.data.pop(key, None)
                self.numbers.pop(key, None)
            else:
                self.data[key] = value
                self.numbers[key] = self._serial
        if written:
            self.commits.append(Commit(owner, self.clockwork.now, before, written))
            self.clockwork.note("database", f"commit of {owner}: {' '.join(written)}")
            self._announce(owner, tuple(written), versions)
        return True

    def _announce(self, owner: str, keys: tuple, versions: list) -> None:
        note = Notification(f"s{self._serial}", keys, versions, UpdateNotification.UPDATED, False)
        for notifier in self.notifiers:
            host = notifier.module.host
            if not self.reachable(host.name) or self.clockwork.random.random() < self.lose_notifications:
                continue
            notifier.module.downlink(notifier.receive, note._replace(fromself=host.name == owner))

    def cut(self, who: str | None) -> None:
        """Cut a controller off, or everybody; what is on the way is lost."""
        self.clockwork.note("database", f"cuts off {who or 'all'}")
        self.cut_off.add(who)

    def repair(self) -> None:
        """Let everybody reach it again; who was cut off is told that it may have missed something."""
        was, self.cut_off = self.cut_off, set()
        if was:
            self.clockwork.note("database", "is back")
        for notifier in self.notifiers:
            if was & {None, notifier.module.host.name}:
                note = Notification("restored", (), None, UpdateNotification.RESTORED, False)
                notifier.module.downlink(notifier.receive, note)


class SimNotifier(Notifier):
    """Gets notifications over the network of the simulation."""

    def __init__(self, module: SimKV) -> None:
        super().__init__(module.scheduler)
        self.module = module
        self.ordered = module.database.ordered

    async def start(self, container: Any) -> None:
        self.module.database.notifiers.append(self)

    async def stop(self, container: Any) -> None:
        self.module.database.notifiers.remove(self)

    def receive(self, note: Notification) -> None:
        """Pass a notification on, unless the receiver has stopped."""
        if self in self.module.database.notifiers:
            self.deliver(note)


@defaultconfig
class SimKV(Module):
    """Key-value store in a simulation"""

    service = True

    def __init__(self, server: Any) -> None:
        super().__init__(server)
        self.host = server.host
        self.database: Database = server.host.database
        self._last_down = 0.0
        names = "get mget mgetwithcache mset set delete updateallwithtime listallkeys"
        self.create_api(*[api(getattr(self, name), self.apiroutine) for name in names.split()], api(self.createnotifier))

    def createnotifier(self) -> SimNotifier:
        """Return a notifier."""
        return SimNotifier(self)

    def downlink(self, action: Callable, *args: Any) -> None:
        """Let something reach this controller a little later."""
        clockwork = self.database.clockwork
        time = clockwork.now + clockwork.delay()
        if self.database.ordered:
            time = self._last_down = max(self._last_down, time)
        clockwork.at(time, self._arrive, action, *args)

    def _arrive(self, action: Callable, *args: Any) -> None:
        if self.host.alive and self.database.reachable(self.host.name):
            action(*args)

    async def _ask(self, function: Callable, lost: Exception, lose: float = 0.0) -> Any:
        """Call ``function()`` in the database and return its result.

        :param lost: raised when no reply comes
        :param lose: probability that the reply is lost
        :raises StorageUnavailableException: there is no connection
        """
        database, clockwork = self.database, self.database.clockwork
        if not database.reachable(self.host.name):
            await self.apiroutine.wait_with_timeout(clockwork.random.choice([0.01, 2.0]))
            raise StorageUnavailableException("the simulated database cannot be reached")
        future = Future(self.scheduler)

        def reply(value: Any) -> None:
            if not future.done():
                future.set_result(value)

        def carry_out() -> None:
            if database.reachable(self.host.name):
                value = function()
                if clockwork.random.random() >= lose:
                    self.downlink(reply, value)

        clockwork.later(clockwork.delay(), carry_out)
        expired, value = await self.apiroutine.execute_with_timeout(_PATIENCE, future.wait())
        if expired:
            raise lost
        return value

    async def mgetwithcache(self, keys: Any, vhost: str = "", cache: Any = None) -> Any:
        keys = tuple(keys)
        unavailable = StorageUnavailableException("no reply to a read")
        numbers, values, _ = await self._ask(lambda: self.database.snapshot(keys), unavailable)
        kept = KVCache() if cache is None else cache
        result = []
        for key, number, data in zip(keys, numbers, values):
            found = kept.get(key)
            if found is None or found[0] != number:
                found = (number, None if data is None else decode_stored(data))
                kept.set(key, found)
            result.append(found[1])
        return result, kept

    async def updateallwithtime(self, keys: Any, updater: Any, timeout: Any = None, vhost: str = "") -> Any:
        keys = tuple(keys)
        database = self.database
        for _ in range(_RETRIES):
            unavailable = StorageUnavailableException("no reply to the read of a transaction")
            numbers, stored, time = await self._ask(lambda: database.snapshot(keys), unavailable)
            values = tuple(None if data is None else decode_stored(data) for data in stored)
            written, results = updater(keys, values, time)
            encoded = {
                key: None if value is None else encode_stored(value).encode("ascii") for key, value in zip(written, results)
            }
            versions = [
                (time, -1) if v is None else (getattr(v, "kvdb_createtime", None), getattr(v, "kvdb_updateversion", None))
                for v in results
            ]
            unknown = StorageOutcomeUnknownException("no reply to a commit")
            if await self._ask(
                lambda: database.commit(self.host.name, keys, numbers, time, encoded, versions),  # noqa: B023
                unknown,
                database.lose_replies,
            ):
                return written, results
        raise TransactionRetryExceededException

    async def mget(self, keys: Any, vhost: str = "") -> list:
        return (await self.mgetwithcache(keys))[0]

    async def get(self, key: str, timeout: Any = None, vhost: str = "") -> Any:
        return (await self.mget((key,)))[0]

    async def mset(self, kvpairs: Any, timeout: Any = None, vhost: str = "") -> None:
        pairs = list(kvpairs)
        await self.updateallwithtime((), lambda k, v, t: ([key for key, _ in pairs], [value for _, value in pairs]))

    async def set(self, key: str, value: Any, timeout: Any = None, vhost: str = "") -> None:
        await self.mset([(key, value)])

    async def delete(self, key: str, vhost: str = "") -> None:
        await self.mset([(key, None)])

    async def listallkeys(self, vhost: str = "") -> list:
        return await self._ask(lambda: sorted(self.database.data), StorageUnavailableException("no reply to a read"))
