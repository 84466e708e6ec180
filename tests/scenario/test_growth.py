"""A server to which clients come and from which they go, and whose modules are reloaded, does not grow."""

from __future__ import annotations

import contextlib
import pathlib
import platform
import random
import time

import pytest
from support.fakeswitch import BARRIER_REQUEST, FEATURES_REQUEST
from support.server import SQLITE, ApiFailure, ServerProcess, free_port
from support.soaking import come_and_go

TESTS = pathlib.Path(__file__).resolve().parents[1]
CYCLER = "support.cycling.Cycler"
MANAGING = (
    "vlcp.service.sdn.ofpmanager.OpenflowManager",
    "vlcp.service.manage.modulemanager.Manager",
    "vlcp.service.manage.webapi.WebAPI",
    CYCLER,
)
CONTROLLING = (
    *MANAGING,
    "vlcp.service.sdn.viperflow.ViperFlow",
    "vlcp.service.sdn.ioprocessing.IOProcessing",
    "vlcp.service.sdn.l2switch.L2Switch",
    "vlcp.service.sdn.l3router.L3Router",
    "vlcp.service.sdn.arpresponder.ARPResponder",
    "vlcp.service.sdn.icmpresponder.ICMPResponder",
    "vlcp.service.sdn.dhcpserver.DHCPServer",
    "vlcp.service.sdn.vxlancast.VXLANCast",
    "vlcp.service.utils.autoload.AutoLoad",
    "vlcp.service.debugging.console.Console",
)
# The statistics of the queues reach back so far only, that they are full before anything is compared.
SETTINGS = {
    "server.totalwritelimit": 30,
    "server.streamdatalimit": 30,
    "server.preservefornew": 5,
    "protocol.default.cleanuptimeout": 2,
    "module.console.telnetconsole": None,
}
#: What PyPy's compiler adds while it compiles what runs often, which goes on for minutes
COMPILED_OBJECTS, COMPILED_BYTES = (1000, 24e6) if platform.python_implementation() == "PyPy" else (0, 0)
#: Counts that have to be what they were
EXACT = ("descriptors", "routines", "matchers", "timers", "queues", "threads")


class Server(ServerProcess):
    """A controller; ``openflow_port`` is where switches connect."""

    def __init__(self, directory, modules):
        self.openflow_port = free_port()
        config = {
            "module.openflowserver.url": f"tcp://127.0.0.1:{self.openflow_port}/",
            "module.jsonrpcserver.url": f"tcp://127.0.0.1:{free_port()}/",
            "proxy.updatenotifier": SQLITE,
        }
        self._paths = set(modules)
        super().__init__(directory, modules, {**config, **SETTINGS}, (TESTS,))

    def _answers(self):
        try:
            answer = self.get("/manager/activemodules", timeout_s=2)
        except OSError:
            return False
        return answer.status == 200 and self._paths <= set(answer.json()["result"].values())


def counts(server):
    return server.api("cycler", "counts")


def back_to(server, before, timeout_s=60):
    """Wait until the exact counts are not above what they were; return all counts."""
    deadline = time.monotonic() + timeout_s
    while True:
        now = counts(server)
        if all(now[name] <= before[name] for name in EXACT) or time.monotonic() > deadline:
            return now
        time.sleep(0.5)


def assert_no_growth(before, after, events, objects_each):
    """Compare counts; ``objects_each`` is how many objects may stay for each event.

    The resident memory has no exact value: how far the heap is cut up depends on what happened at the same time.
    """
    grown = {name: (before[name], after[name]) for name in EXACT if after[name] > before[name]}
    assert grown == {}
    assert after["objects"] - before["objects"] <= 300 + COMPILED_OBJECTS + objects_each * events, (before, after)
    assert after["resident"] - before["resident"] <= 4e6 + COMPILED_BYTES + min(500 * events, 12e6), (before, after)


SOAK = (pytest.mark.soak, pytest.mark.timeout(7200))


@pytest.mark.parametrize(
    ("modules", "told", "count"),
    [(MANAGING, FEATURES_REQUEST, 600), pytest.param(CONTROLLING, BARRIER_REQUEST, 24000, marks=SOAK)],
    ids=["600", "24000"],
)
def test_reconnects_of_switches_and_http_clients_leave_nothing(tmp_path, modules, told, count):
    seed = random.randrange(10**6)
    with Server(tmp_path, modules) as server:
        idle = counts(server)
        # What switches without their database wait for is at its most in the middle of the long run.
        come_and_go(max(400, count // 6), server.openflow_port, server.port, told, seed)
        before = back_to(server, idle)
        begin = time.monotonic()
        come_and_go(count, server.openflow_port, server.port, told, seed + 1)
        seconds = time.monotonic() - begin
        after = back_to(server, before)
        print(f"seed {seed}: {count} reconnects in {seconds:.0f} s\nbefore {before}\nafter  {after}")
        assert_no_growth(before, after, count, 0.02)


def reload_all(server, times):
    """Reload all modules but the cycler some times; return how many reloads that were."""
    paths = sorted(path for path in server.api("manager", "activemodules").values() if path != CYCLER)
    server.api("cycler", "begin", action="reload", paths=paths, times=times)
    deadline = time.monotonic() + 3600
    failed = None
    while failed is None and time.monotonic() < deadline:
        # The API itself is reloaded too.
        with contextlib.suppress(OSError, ApiFailure):
            failed = server.api("cycler", "done")
        time.sleep(0.2)
    assert failed == []
    return times * len(paths)


@pytest.mark.parametrize(("modules", "count"), [(MANAGING, 50), pytest.param(CONTROLLING, 1000, marks=SOAK)], ids=["50", "1000"])
def test_reloads_of_all_modules_leave_nothing(tmp_path, modules, count):
    with Server(tmp_path, modules) as server:
        idle = counts(server)
        each = reload_all(server, 1)
        # The heap has its size after some hundred reloads.
        reload_all(server, 1 + count // 200)
        before = back_to(server, idle)
        begin = time.monotonic()
        done = reload_all(server, -(-count // each))
        seconds = time.monotonic() - begin
        after = back_to(server, before)
        print(f"{done} reloads in {seconds:.0f} s\nbefore {before}\nafter  {after}")
        assert done >= count
        assert_no_growth(before, after, done, 0.5)
