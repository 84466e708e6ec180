"""The server object: queues, startup, exit status, logging."""

import logging
import resource
import sys

import pytest

from vlcp.config import config, defaultconfig, manager
from vlcp.event.core import PollEvent, TimerEvent
from vlcp.event.event import Event
from vlcp.server import Server
from vlcp.server._process import PidFile, daemon_identity, raise_file_limit, set_up_logging
from vlcp.server._queues import SUB_QUEUES
from vlcp.server.module import Module, ModuleAPICall, ModuleAPIReply


@pytest.fixture(autouse=True)
def clean():
    before = dict(manager.config_items())
    yield
    manager.clear()
    for key, value in before.items():
        manager[key] = value


@defaultconfig
class Once(Module):
    """Ends the server as soon as it runs."""

    _default_answer = 42
    ran = []

    def __init__(self, server):
        super().__init__(server)
        self.apiroutine.main = self.main
        self.routines.append(self.apiroutine)

    async def main(self):
        self.ran.append(self.answer)
        while not self.server.started:
            await self.apiroutine.do_events()
        self.scheduler.quit()


class Idle(Module):
    """Starts nothing."""


class Unable(Module):
    async def load(self, container):
        raise ValueError("cannot do it")


def run(*startup):
    manager["server.startup"] = tuple(f"{__name__}.{name}" for name in startup)
    Once.ran.clear()
    server = Server()
    try:
        return server.serve()
    finally:
        server.scheduler.polling.close()


@pytest.fixture(autouse=True)
def no_signals(monkeypatch):
    """The scheduler of a server installs signal handlers, which tests do not want."""
    main = Server().scheduler.__class__.main
    monkeypatch.setattr(Server().scheduler.__class__, "main", lambda self, *args: main(self, installsignal=False), raising=True)


def test_the_server_runs_its_startup_modules_until_it_is_stopped():
    assert run("Once") == 0 and Once.ran == [42]


def test_the_server_ends_when_nothing_runs_any_more():
    assert run("Idle") == 0


def test_a_server_whose_modules_all_fail_ends_with_an_error(caplog):
    with caplog.at_level(logging.ERROR):
        assert run("Unable") == 1
    text = caplog.text
    assert f"{__name__}.Unable" in text and "ValueError: cannot do it" in text and "no startup module is running" in text


def test_a_startup_module_that_fails_does_not_stop_the_others(caplog):
    with caplog.at_level(logging.ERROR):
        assert run("Unable", "Once", "Missing") == 0
    assert Once.ran == [42] and "no module class 'Missing'" in caplog.text and "no startup module" not in caplog.text


def test_a_server_without_anything_to_start_says_what_is_missing(caplog):
    with caplog.at_level(logging.ERROR):
        assert run() == 1
    assert "nothing to start: server.startup" in caplog.text


def test_one_startup_module_may_be_a_plain_string():
    manager["server.startup"] = "a.B"
    assert Server().startup_paths() == ["a.B"]


def test_unknown_keys_are_warned_about_after_the_start(caplog):
    manager["module.once.answr"] = 1
    manager["server.startpu"] = 1
    manager["server.logging.version"] = 1
    with caplog.at_level(logging.WARNING):
        run("Once")
    assert "unknown configuration key 'module.once.answr'; did you mean 'module.once.answer'?" in caplog.text
    assert "did you mean 'server.startup'?" in caplog.text and "version" not in caplog.text


@pytest.mark.parametrize(
    ("name", "priority"),
    [
        ("sysctl", 2000),
        ("routine", 1000),
        ("ratelimiting", 1000),
        ("lock", 990),
        ("future", 989),
        ("timer", 900),
        ("moduleload", 890),
        ("error", 800),
        ("write", 700),
        ("resolvereq", 650),
        ("streamdata", 640),
        ("moduleapi", 630),
        ("connectionwrite", 600),
        ("read", 500),
        ("resolve", 490),
        ("control", 450),
        ("moduleapireply", 420),
        ("modulenotify", 410),
        ("sysctllow", 10),
    ],
)
def test_the_documented_queues_have_their_priorities(name, priority):
    queue = Server().scheduler.queue
    assert queue.getPriority(name) == priority
    assert name in [sub.name for sub in SUB_QUEUES]


def test_a_priority_can_be_configured_and_orders_events():
    manager["server.moduleapireplypriority"] = 5000
    queue = Server().scheduler.queue

    class Other(Event):
        pass

    events = [Other(), PollEvent(1, PollEvent.READ_READY, 1), TimerEvent(object()), ModuleAPIReply(object(), result=1)]
    for event in events:
        queue.append(event)
    assert [queue.pop()[0] for _ in events] == [events[3], events[2], events[1], events[0]]


def test_api_calls_are_limited_for_each_target():
    queue = Server().scheduler.queue
    refused = [queue.append(ModuleAPICall(object(), "one", "x")) for _ in range(6)]
    assert refused[:5] == [None] * 5 and refused[5] is not None
    assert queue.append(ModuleAPICall(object(), "two", "x")) is None


@pytest.fixture
def root_logger():
    root = logging.getLogger()
    saved = root.handlers[:], root.level
    root.handlers[:] = []
    yield root
    root.handlers[:], _ = saved
    root.setLevel(saved[1])


def test_logging_goes_to_standard_error_by_default(root_logger):
    root_logger.handlers[:] = []
    set_up_logging(None, None)
    assert [handler.stream for handler in root_logger.handlers] == [sys.stderr]
    assert root_logger.level == logging.INFO


def test_logging_is_configured_key_by_key(root_logger, tmp_path):
    path = tmp_path / "x.log"
    existing = logging.getLogger("vlcp.existing")
    manager["server.logging.handlers"] = {"f": {"class": "logging.FileHandler", "filename": str(path)}}
    manager["server.logging.root"] = {"level": "WARNING", "handlers": ["f"]}
    set_up_logging(manager.get("server.logging"), None)
    existing.warning("written down")
    assert "written down" in path.read_text()
    root_logger.handlers[0].close()


@pytest.mark.parametrize(("settings", "file"), [({"root": {"handlers": ["none"]}}, None), (None, "/nonexistent.conf")])
def test_a_wrong_logging_configuration_is_a_value_error(root_logger, settings, file):
    with pytest.raises(ValueError, match="logging"):
        set_up_logging(settings, file)


def test_the_limit_of_open_files_is_raised_and_never_lowered():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(200, soft), hard))
        raise_file_limit(300)
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 300
        raise_file_limit(100)
        raise_file_limit(None)
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 300
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_daemon_runs_as_the_configured_user():
    manager["daemon.user"] = "root"
    assert daemon_identity(manager.gettree("daemon")) == {"uid": 0, "gid": 0}
    manager["daemon.uid"] = 7
    manager["daemon.gid"] = 8
    assert daemon_identity(manager.gettree("daemon")) == {"uid": 7, "gid": 8}
    manager["daemon.group"] = "no such group"
    with pytest.raises(ValueError, match="no such group"):
        daemon_identity(manager.gettree("daemon"))
    assert daemon_identity(None) == {}


def test_a_pid_file_is_removed_and_a_missing_directory_is_noticed(tmp_path):
    path = tmp_path / "x.pid"
    with PidFile(str(path)):
        assert int(path.read_text()) > 1
    assert not path.exists()
    with pytest.raises(OSError, match="cannot write pid file"):
        PidFile(str(tmp_path / "missing" / "x.pid")).check()


def test_a_setting_of_the_server_is_read_from_the_configuration():
    manager["server.ulimitn"] = 77
    assert Server().ulimitn == 77

    @config("server")
    class Same(Server):
        pass

    assert Same.configkey == "server.server"
