"""Histories of several processes on one store, with faults: starting them, disturbing them, judging what they logged."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import random
import signal
import sqlite3
import subprocess
import sys
import time
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence

from support import cycles, history
from support.aciddriver import EACH, Plan, account_keys
from support.history import LOOSE, PAST, Anomaly, Operation
from support.redisserver import RedisServer
from support.server import ROOT
from support.tcpproxy import TcpProxy
from support.zkserver import Ensemble

from vlcp.lab._plan import STORES

PROCESSES = 4
_QUIET_SECONDS = 2.5
"""At the end of a run nothing is disturbed for so long."""
_STARTING_SECONDS = 20
"""Within so long each process has done something; before that nothing is disturbed."""
_PASSES_PER_KILL = 4
_PROGRAM = "import sys; from support.aciddriver import main; sys.exit(main(sys.argv[1]))"


class Store:
    """A store that can be disturbed.

    :param seed: of all decisions, but not of the order in which processes run
    :ivar name: ``sqlite``, ``redis`` or ``zookeeper``
    :ivar references: what watched references show is a past state of the database, or only whole transactions
    :ivar faults: functions that disturb it for some seconds at most, and heal it
    """

    name = ""
    references = PAST

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.random = random.Random(seed)
        self.faults: List[Callable[[], None]] = []

    def config(self, number: int) -> Dict[str, Any]:
        """Return the configuration keys of a process."""
        keys = {"proxy.kvstorage": STORES[self.name][0], "proxy.updatenotifier": STORES[self.name][1]}
        return {**keys, **self._address(number)}

    def _address(self, number: int) -> Dict[str, Any]:
        raise NotImplementedError(self.name)


class SqliteStore(Store):
    """A file; there is no network, but others lock it."""

    name = "sqlite"

    def __init__(self, directory: pathlib.Path, seed: int) -> None:
        super().__init__(seed)
        self._path = directory / "acid.sqlite"
        self.faults = [self._lock]

    def _address(self, number: int) -> Dict[str, Any]:
        return {"module.sqlitedb.path": str(self._path)}

    def _lock(self) -> None:
        with contextlib.closing(sqlite3.connect(self._path, timeout=5, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            time.sleep(self.random.choice((0.05, 0.3, 2.8)))
            connection.execute("ROLLBACK")


class ServedStore(Store):
    """A server behind one proxy for each process.

    :param port: of the server
    :param is_commit: tells commits among the pieces that a client sends
    """

    def __init__(self, port: int, is_commit: Callable[[bytes], bool], seed: int) -> None:
        super().__init__(seed)
        self.proxies = [TcpProxy("127.0.0.1", port, number) for number in range(PROCESSES)]
        self._is_commit = is_commit
        self.faults = [self.lose, self.lose, self._slow, self._cut, self._vanish, self._refuse, self._kill]

    def _restart(self) -> None:
        raise NotImplementedError(self.name)

    def _some(self) -> List[TcpProxy]:
        return self.random.sample(self.proxies, self.random.randint(1, PROCESSES))

    def lose(self) -> None:
        """Lose the reply of the next commit of some processes."""
        for proxy in self._some():
            proxy.lose_reply(self._is_commit)
        time.sleep(0.1)

    def _slow(self) -> None:
        some = self._some()
        for proxy in some:
            proxy.delay, proxy.slice = 0.01, 300
        time.sleep(0.5)
        for proxy in some:
            proxy.delay, proxy.slice = 0.0, 0

    def _cut(self) -> None:
        for proxy in self._some():
            proxy.cut()

    def _vanish(self) -> None:
        some = self._some()
        for proxy in some:
            proxy.black_hole = True
        time.sleep(self.random.choice((0.2, 0.5, 2.5)))
        if self.random.random() < 0.5:
            for proxy in some:
                proxy.cut()
        for proxy in some:
            proxy.black_hole = False

    def _refuse(self) -> None:
        some = self._some()
        for proxy in some:
            proxy.refuse = True
            proxy.cut()
        time.sleep(0.3)
        for proxy in some:
            proxy.refuse = False

    def _kill(self) -> None:
        self._restart()


class RedisStore(ServedStore):
    """A Redis server that has every commit on disk before it answers."""

    name = "redis"

    def __init__(self, server: RedisServer, seed: int) -> None:
        super().__init__(server.port, lambda data: b"EVALSHA\r\n" in data, seed)
        self._server = server

    def _address(self, number: int) -> Dict[str, Any]:
        return {"module.redisdb.url": self.proxies[number].url}

    def _restart(self) -> None:
        self._server.kill()
        self._server.start()


class ZooKeeperStore(ServedStore):
    """One ZooKeeper server; its notifications of different keys have no order."""

    name = "zookeeper"
    references = LOOSE

    def __init__(self, ensemble: Ensemble, chroot: str, seed: int) -> None:
        super().__init__(ensemble.nodes[0].port, lambda data: b"\0\0\0\x0e" in data and b"/data-" in data, seed)
        self._ensemble = ensemble
        self._chroot = chroot

    def _address(self, number: int) -> Dict[str, Any]:
        return {"module.zookeeperdb.url": self.proxies[number].url + self._chroot}

    def _restart(self) -> None:
        self._ensemble.stop(True)
        self._ensemble.start()


@contextlib.contextmanager
def opened(name: str, directory: pathlib.Path, seed: int) -> Iterator[Store]:
    """Start a store, and stop it in the end.

    :param name: ``sqlite``, ``redis`` or ``zookeeper``
    """
    directory.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        if name == "sqlite":
            store: Store = SqliteStore(directory, seed)
        elif name == "redis":
            store = RedisStore(stack.enter_context(RedisServer(directory / "redis")), seed)
        else:
            store = ZooKeeperStore(stack.enter_context(Ensemble(directory / "zookeeper")), "acid", seed)
        for proxy in getattr(store, "proxies", ()):
            stack.enter_context(proxy)
        yield store


class Run:
    """One history.

    :param store: the store
    :param directory: gets the logs
    :param space: name of the keys; new for each history on a store
    :param planted: see :mod:`support.acidplants`
    """

    def __init__(self, store: Store, directory: pathlib.Path, space: str = "0", planted: Optional[str] = None) -> None:
        self._store = store
        self._directory = directory
        self._random = store.random
        self._space = space
        self._planted = planted
        self._processes: List[subprocess.Popen] = []
        self._logs: List[pathlib.Path] = []
        self._until = 0.0
        self._begin = time.monotonic()
        self.operations: List[Operation] = []
        self.anomalies: List[Anomaly] = []
        self.restarts = 0

    def make(self, seconds: float, faults: Sequence[Callable[[], None]] = ()) -> Run:
        """Make the history, with as many faults as the time allows, and judge it."""
        self._directory.mkdir(parents=True, exist_ok=True)
        until = self._begin + seconds
        try:
            for number in range(PROCESSES):
                self._start(number, until)
            self._disturb(faults, until)
            for process in self._processes:
                self._await(process)
            self._await(self._start(0, 0))
        finally:
            for process in self._processes:
                process.kill()
                process.wait()
        self._judge()
        return self

    def _start(self, number: int, until: float) -> subprocess.Popen:
        """Start a process in a place; ``until`` is 0 for the one that reads everything."""
        name = "p%d.%d" % (number, len(self._logs)) if until else "final"
        log = self._directory / ("%s.jsonl" % (name,))
        seed, config = "%d %s %s" % (self._store.seed, self._space, name), self._store.config(number)
        plan = Plan(name, seed, config, str(log), self._begin, until, self._space)
        plan = plan._replace(references=self._store.references, planted=self._planted)
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
        with open(self._directory / ("%s.log" % (name,)), "ab") as output:
            command = [sys.executable, "-c", _PROGRAM, json.dumps(plan._asdict())]
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment)
        place = number if until else PROCESSES
        self._processes[place : place + 1] = [process]
        self._logs.append(log)
        self._until = until or self._until
        return process

    def _await(self, process: subprocess.Popen) -> None:
        try:
            status = process.wait(40)
        except subprocess.TimeoutExpired:
            status = None
            # Its log tells then where its routines wait.
            process.send_signal(signal.SIGUSR1)
            time.sleep(1)
        if status:
            self.anomalies.append(Anomaly("unexpected", "a process ended with status %d" % (status,)))
        elif status is None:
            self.anomalies.append(Anomaly("unexpected", "a process does not end"))

    def _replace(self) -> None:
        """Kill a process and start another one in its place."""
        number = self._random.randrange(PROCESSES)
        self._processes[number].send_signal(signal.SIGKILL)
        self._processes[number].wait()
        self.restarts += 1
        self._start(number, self._until)

    def _disturb(self, faults: Sequence[Callable[[], None]], until: float) -> None:
        """Make every fault once, in random order, and again until it is time to heal; seldom kill a process too."""
        passes, waiting = 0, []
        self._await_first_operations()
        while faults and time.monotonic() < until - _QUIET_SECONDS:
            if not waiting:
                wanted = [*faults, self._replace] if passes % _PASSES_PER_KILL == 0 else list(faults)
                waiting = self._random.sample(wanted, len(wanted))
                passes += 1
            waiting.pop()()
            time.sleep(self._random.uniform(0.05, 0.4))

    def _await_first_operations(self) -> None:
        deadline = time.monotonic() + _STARTING_SECONDS
        while not all(log.exists() and log.stat().st_size for log in self._logs) and time.monotonic() < deadline:
            time.sleep(0.05)

    def _judge(self) -> None:
        lines: List[str] = []
        for log in self._logs:
            if log.exists():
                with log.open() as opened_log:
                    lines.extend(opened_log)
        self.operations = history.parse(lines)
        plan = Plan("", "", {}, "", 0, 0, self._space)
        accounts = account_keys(plan)
        self.anomalies += [
            Anomaly("unexpected", "%s: %s" % (operation.name, operation.error), (operation.name,))
            for operation in self.operations
            if operation.error.startswith("unexpected")
        ]
        self.anomalies += cycles.check(self.operations)
        self.anomalies += history.check_bank(self.operations, accounts, EACH * len(accounts))
        self.anomalies += history.check_stamps(self.operations)
        final = [operation for operation in self.operations if operation.what == "final"]
        if len(final) == 1:
            before = dict.fromkeys(accounts, EACH)
            self.anomalies += history.check_balances(self.operations, before, final[0].balances)
        else:
            self.anomalies.append(Anomaly("unexpected", "nothing could be read at the end", ()))

    def summary(self) -> str:
        """Return one line about the history, and one about each of some anomalies."""
        counts: Dict[str, int] = {}
        for operation in self.operations:
            key = "%s %s" % (operation.what.split()[0] if operation.what else "?", operation.outcome)
            counts[key] = counts.get(key, 0) + 1
        numbers = ", ".join("%s: %d" % found for found in sorted(counts.items()))
        head = "%s, seed %d, %d processes killed, %s" % (self._store.name, self._store.seed, self.restarts, numbers)
        shown = ["%s: %.600s" % (anomaly.kind, anomaly.text) for anomaly in self.anomalies[:12]]
        where = ["%d anomalies; history in %s" % (len(self.anomalies), self._directory)] if self.anomalies else []
        return "\n".join([head, *where, *shown])

    def kinds(self) -> Dict[str, int]:
        """Return how many anomalies there are of each kind."""
        found: Dict[str, int] = {}
        for anomaly in self.anomalies:
            found[anomaly.kind] = found.get(anomaly.kind, 0) + 1
        return found
