"""ZooKeeperDB under several processes: kills of writers, bad connections, a server that is killed."""

from __future__ import annotations

import os
import pathlib
import random
import signal
import subprocess
import sys
import time
from contextlib import ExitStack

from support.accounts import ACCOUNTS, EACH, Journal, total
from support.tcpproxy import TcpProxy
from support.zkaccounts import run_on
from support.zkserver import Ensemble, require_zookeeper

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Writer:
    """A process that moves money."""

    def __init__(self, url, name, seconds, directory):
        self.name, self.log = name, directory / ("%s.log" % (name,))
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
        program = "import sys; from support.zkaccounts import main; main(*sys.argv[1:])"
        with open(self.log, "ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-c", program, url, name, str(seconds)], stdout=output, stderr=output, env=environment
            )

    def lines(self, word):
        return [line for line in self.log.read_text().splitlines() if line.startswith(word)]

    def acknowledged(self):
        return max((int(line.split()[1]) for line in self.lines("done ")), default=0)

    def wait_for(self, count, timeout=30):
        deadline = time.monotonic() + timeout
        while self.acknowledged() < count:
            assert time.monotonic() < deadline and self.process.poll() is None, self.log.read_text()[-2000:]
            time.sleep(0.01)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def check(url, writers, kills=0):
    async def test(container, host, odb):
        assert await total(odb) == ACCOUNTS * EACH
        journals = await odb.mgetonce([Journal.default_key(writer.name) for writer in writers])
        for writer, journal in zip(writers, journals):
            assert writer.lines("broken") == []
            assert "Traceback" not in writer.log.read_text()
            count = 0 if journal is None else journal.count
            assert writer.acknowledged() <= count
            assert count <= len(writer.lines("done ")) + len(writer.lines("unknown")) + kills

    run_on(url, test)


def test_money_is_moved_and_never_made_by_four_processes_on_bad_connections(tmp_path):
    require_zookeeper()
    with Ensemble(tmp_path / "zk") as servers, ExitStack() as stack:
        port = servers.nodes[0].port
        proxies = [stack.enter_context(TcpProxy("127.0.0.1", port, seed)) for seed in range(3)]
        proxies[0].delay, proxies[0].slice = 0.004, 1000
        proxies[1].cut_after = 0.3
        writers = [Writer(proxy.url + "bank", "w%d" % n, 6, tmp_path) for n, proxy in enumerate(proxies)]
        writers.append(Writer(servers.url("bank"), "steady", 6, tmp_path))
        for _ in range(8):
            time.sleep(0.5)
            proxies[2].lose_reply(lambda data: b"notify-" in data)
        servers.nodes[0].stop(kill=True)
        servers.nodes[0].start()
        for writer in writers:
            assert writer.process.wait(60) == 0, writer.log.read_text()[-2000:]
            assert len(writer.lines("done ")) > 10
        check(servers.url("bank"), writers)


def test_nothing_acknowledged_is_lost_and_others_soon_go_on_when_a_process_is_killed(tmp_path):
    require_zookeeper()
    rng, kills = random.Random(4), 3
    with Ensemble(tmp_path / "zk") as servers:
        url = servers.url("bank")
        bystander = Writer(url, "bystander", 60, tmp_path)
        for _ in range(kills):
            victim = Writer(url, "victim", 60, tmp_path)
            victim.wait_for(victim.acknowledged() + rng.randint(1, 5))
            time.sleep(rng.random() * 0.05)
            victim.kill()
            before = bystander.acknowledged()
            began = time.monotonic()
            bystander.wait_for(before + 20)
            assert time.monotonic() - began < 10
        bystander.kill()
        check(url, [bystander], 1)
        check(url, [victim], kills)
