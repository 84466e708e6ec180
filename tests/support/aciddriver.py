"""A process that makes a history: random transactions and reads through ObjectDB, logged as JSON lines.

``main`` gets one JSON object (see :class:`~support.aciddata.Plan`). It runs a server with the database modules, several routines
that work at the same time, and ends after some seconds. A killed one leaves a log of which every line is true.
"""

from __future__ import annotations

import gc
import inspect
import itertools
import json
import os
import random
import signal
import sys
import time
from typing import Any, Callable, Dict, List

from support.aciddata import (
    AcidAccount,
    Plan,
    Seen,
    Step,
    account_keys,
    list_keys,
    updater_of,
    walker_of,
)
from support.acidplants import plant
from support.history import FAILED, OK, PAST, UNKNOWN

from vlcp.config import defaultconfig, manager
from vlcp.event.runnable import RoutineContainer
from vlcp.server.module import Module, call_api, depend
from vlcp.server.server import main as serve
from vlcp.service.kvdb.objectdb import ObjectDB
from vlcp.utils.exceptions import (
    StaleResultException,
    StorageOutcomeUnknownException,
    StorageUnavailableException,
    TransactionFailedException,
)

EACH = 1000
_FAILURES = (StorageUnavailableException, StaleResultException, TransactionFailedException)
_PAUSE_SECONDS = 0.01
_RETRY_SECONDS = 0.05
_CONVERGENCE_SECONDS = 10.0
_PATIENCE_SECONDS = 15.0


class Log:
    """The file of a process; every line is written at once."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def write(self, **fields: Any) -> None:
        """Append one line."""
        os.write(self._file, (json.dumps(fields) + "\n").encode())


class Driver:
    """Works through a plan.

    :param plan: the plan
    :param container: its routines run here
    """

    def __init__(self, plan: Plan, container: RoutineContainer) -> None:
        self._plan = plan
        self._container = container
        self._random = random.Random(plan.seed)
        self._log = Log(plan.log)
        self._serial = itertools.count(1)
        self._accounts = account_keys(plan)
        self._viewed: Dict[str, Any] = {}
        self._generation = -1

    async def run(self) -> None:
        """Do it all."""
        await self._patiently(self._open_accounts)
        if not self._plan.until:
            await self._read_all()
            return
        await self._patiently(self._view_all)
        await self._container.execute_all([self._work() for _ in range(self._plan.routines)])
        if self._plan.planted is None:
            await self._converge()

    def fail(self, reason: str) -> None:
        """Log something that must not happen."""
        self._log.write(name=self._name(), invoked=time.monotonic(), error="unexpected: " + reason)

    async def _call(self, name: str, **params: Any) -> Any:
        return await call_api(self._container, "objectdb", name, params)

    async def _patiently(self, action: Callable[[], Any]) -> Any:
        end = max(time.monotonic(), self._plan.until) + _PATIENCE_SECONDS
        while True:
            try:
                return await action()
            except (*_FAILURES, StorageOutcomeUnknownException):
                if time.monotonic() > end:
                    raise
                await self._container.wait_with_timeout(_RETRY_SECONDS)

    async def _open_accounts(self) -> None:
        def walker(walk: Any, write: Any) -> None:
            for key in self._accounts:
                if walk(key) is None:
                    account = AcidAccount.create_from_key(key)
                    account.balance = EACH
                    write(key, account)

        await self._call("writewalk", keys=self._accounts, walker=walker)

    def _lists(self) -> List[str]:
        return list_keys(self._plan, self._now_generation())

    def _now_generation(self) -> int:
        return int((time.monotonic() - self._plan.start) / self._plan.generation)

    async def _work(self) -> None:
        kinds = (self._append, self._transfer, self._walk, self._once, self._view)
        while time.monotonic() < self._plan.until:
            (kind,) = self._random.choices(kinds, (5, 4, 2, 2, 3))
            await kind()
            await self._container.wait_with_timeout(self._random.uniform(0, _PAUSE_SECONDS))

    async def _append(self) -> None:
        name = self._name()
        read = self._random.sample(self._lists(), self._random.randint(1, 3))
        written = self._random.sample(read, self._random.randint(1, len(read)))
        appends = {key: ["%s.%d" % (name, n) for n in range(self._random.choice((1, 1, 1, 2)))] for key in written}
        # An element belongs to one key only.
        appends = {key: ["%s.%d" % (element, place) for element in appends[key]] for place, key in enumerate(written)}
        await self._write(Step(name, read, appends, {}))

    async def _transfer(self) -> None:
        name = self._name()
        source, target = self._random.sample(self._accounts, 2)
        amount, journal = self._random.randint(1, 50), self._random.choice(self._lists())
        keys = [source, target, journal]
        self._random.shuffle(keys)
        await self._write(Step(name, keys, {journal: [name]}, {source: -amount, target: amount}))

    async def _write(self, step: Step) -> None:
        how = self._random.choice(("transact", "writewalk", "writewalk without keys"))
        self._log.write(name=step.name, invoked=time.monotonic(), appends=step.appends, moves=step.moves, what=how)
        seen = Seen()
        if how == "transact":
            call = self._call("transact", keys=step.keys, updater=updater_of(step, seen), withtime=True)
        else:
            known = step.keys if how == "writewalk" else []
            call = self._call("writewalk", keys=known, walker=walker_of(step, seen), withtime=True)
        await self._outcome(step.name, call, seen)

    async def _outcome(self, name: str, call: Any, seen: Seen, **fields: Any) -> None:
        """Await a call and log how it ended."""
        outcome, error = OK, ""
        try:
            await call
        except StorageOutcomeUnknownException as failure:
            outcome, error = UNKNOWN, repr(failure)
        except _FAILURES as failure:
            outcome, error = FAILED, repr(failure)
        except Exception as failure:
            outcome, error = UNKNOWN, "unexpected: %r" % (failure,)
        self._log.write(
            name=name,
            completed=time.monotonic(),
            outcome=outcome,
            reads=seen.reads,
            balances=seen.balances,
            stamp=seen.stamp,
            error=error,
            **fields,
        )
        if outcome == FAILED:
            await self._container.wait_with_timeout(_RETRY_SECONDS)

    def _name(self) -> str:
        return "%s-%d" % (self._plan.name, next(self._serial))

    def _some_keys(self) -> List[str]:
        keys = self._lists() if self._random.random() < 0.5 else self._random.sample(self._lists(), 2)
        keys = keys + (self._accounts if self._random.random() < 0.7 else [])
        self._random.shuffle(keys)
        return keys

    async def _walk(self) -> None:
        name, seen, keys, began = self._name(), Seen(), self._some_keys(), time.monotonic()

        def one(key: str, value: Any, walk: Any, save: Any) -> None:
            seen.take(key, value)
            save(key)

        def chain(key: str, value: Any, walk: Any, save: Any) -> None:
            for other in keys:
                seen.take(other, walk(other))
                save(other)

        if self._random.random() < 0.5:
            begin, walkers = keys, dict.fromkeys(keys, one)
        else:
            begin, walkers = keys[:1], {keys[0]: chain}
        call = self._call("walk", keys=begin, walkerdict=walkers, requestid=name, nostale=True)
        await self._outcome(name, call, seen, invoked=began, scope=PAST, what="walk")
        await self._call("unwatchall", requestid=name)

    async def _once(self) -> None:
        name, seen, keys, began = self._name(), Seen(), self._some_keys(), time.monotonic()

        async def read() -> None:
            for key, value in zip(keys, await self._call("mgetonce", keys=keys, nostale=True)):
                seen.take(key, value)

        await self._outcome(name, read(), seen, invoked=began, what="mgetonce")

    async def _view_all(self) -> None:
        """Watch the accounts and the present lists."""
        generation = self._now_generation()
        keys = self._accounts + list_keys(self._plan, generation)
        references = await self._call("mwatch", keys=keys, requestid="view%d" % (generation,), nostale=True)
        self._viewed = dict(zip(keys, references))
        if generation != self._generation >= 0:
            await self._call("unwatchall", requestid="view%d" % (self._generation,))
        self._generation = generation

    async def _view(self) -> None:
        """Read what the watched references show now, without asking anybody."""
        if self._generation != self._now_generation():
            try:
                await self._view_all()
            except _FAILURES:
                return
        seen, now = Seen(), time.monotonic()
        for key, reference in self._viewed.items():
            seen.take(key, None if reference.isdeleted() else reference)
        self._log.write(
            name=self._name(),
            invoked=now,
            completed=now,
            outcome=OK,
            reads=seen.reads,
            balances=seen.balances,
            scope=self._plan.references,
            what="references",
        )

    async def _converge(self) -> None:
        """Log an error unless the watched references show what is in the store, soon after all is well."""
        end = time.monotonic() + _CONVERGENCE_SECONDS
        reads: List[str] = []
        while time.monotonic() < end:
            began = time.monotonic()
            values = await self._patiently(lambda: self._call("mgetonce", keys=self._accounts, nostale=True))
            stored = [value.balance for value in values]
            shown = [self._viewed[key].balance for key in self._accounts]
            if stored == shown:
                return
            reads.append(
                "after %.1f s in %.1f s %r, shown %r" % (began - self._plan.until, time.monotonic() - began, stored, shown)
            )
            await self._container.wait_with_timeout(_RETRY_SECONDS)
        self.fail("the watched references are not up to date: %d reads, %s" % (len(reads), "; ".join(reads[:1] + reads[-1:])))

    async def _read_all(self) -> None:
        """Log one read of everything that was ever written."""
        keys = self._accounts + [key for number in range(self._now_generation() + 1) for key in list_keys(self._plan, number)]
        seen, began = Seen(), time.monotonic()
        for key, value in zip(keys, await self._patiently(lambda: self._call("mgetonce", keys=keys, nostale=True))):
            seen.take(key, value)
        self._log.write(
            name=self._name(),
            invoked=began,
            completed=time.monotonic(),
            outcome=OK,
            reads=seen.reads,
            balances=seen.balances,
            what="final",
        )


@defaultconfig
@depend(ObjectDB)
class AcidDriver(Module):
    """Runs a :class:`Driver`, and ends the server afterwards."""

    plan: Any = None

    def __init__(self, server: Any) -> None:
        super().__init__(server)
        self.apiroutine = RoutineContainer(self.scheduler)
        self.apiroutine.main = self._main
        self.routines.append(self.apiroutine)

    async def _main(self) -> None:
        driver = Driver(self.plan, self.apiroutine)
        try:
            await driver.run()
        except Exception as failure:
            driver.fail(repr(failure))
            raise
        finally:
            self.scheduler.quit()


def _show_routines(*_: Any) -> None:
    """Print where every routine waits."""
    for one in [one for one in gc.get_objects() if inspect.iscoroutine(one) and one.cr_frame is not None]:
        awaited = getattr(one.cr_await, "__qualname__", one.cr_await)
        print("%s:%d %s awaits %s" % (one.cr_code.co_filename, one.cr_frame.f_lineno, one.__qualname__, awaited), file=sys.stderr)


def main(text: str) -> int:
    """Run one driver.

    :param text: :class:`Plan` as JSON
    """
    signal.signal(signal.SIGUSR1, _show_routines)
    AcidDriver.plan = Plan(**json.loads(text))
    plant(AcidDriver.plan.planted)
    for key, value in AcidDriver.plan.config.items():
        manager[key] = value
    return serve(startup=["support.aciddriver.AcidDriver"])
