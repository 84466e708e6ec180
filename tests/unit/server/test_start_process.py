"""``vlcp-start`` as a process."""

import configparser
import contextlib
import os
import pathlib
import re
import resource
import shlex
import signal
import socket
import subprocess
import sys
import time

import pytest

from vlcp.server.server import Server
from vlcp.start import parsearg

ROOT = pathlib.Path(__file__).resolve().parents[3]
PROBE = """
import os
from vlcp.config import defaultconfig
from vlcp.server.module import Module

@defaultconfig
class Probe(Module):
    "Says what happens to it"
    def __init__(self, server):
        super().__init__(server)
        self.apiroutine.main = self.main
        self.routines.append(self.apiroutine)

    async def stopping(self, container):
        os.write(1, b"good-bye\\n")
        await container.wait_with_timeout(60 if os.environ.get("SLOW") else 0.05)
        os.write(1, b"prepared\\n")

    async def main(self):
        os.write(1, b"running %d\\n" % os.getpid())
        try:
            await self.apiroutine.wait_with_timeout(None)
        finally:
            os.write(1, b"ended in order\\n")
"""
MANAGER = "vlcp.service.manage.modulemanager.Manager"
WAIT = 15


@pytest.fixture
def start(tmp_path):
    """Start ``vlcp-start`` with arguments; what is left at the end of the test is killed."""
    (tmp_path / "probe.py").write_text(PROBE)
    running = []

    def begin(*arguments, preexec_fn=None, **variables):
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path]), **variables}
        process = subprocess.Popen(
            [sys.executable, "-m", "vlcp.start", *map(str, arguments)],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            preexec_fn=preexec_fn,
        )
        running.append(process)
        return process

    yield begin
    for process in running:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(WAIT)
        process.stdout.close()


def finish(process):
    """Return exit status and output of a process that ends."""
    output, _ = process.communicate(timeout=WAIT)
    return process.returncode, output


def read_until(process, text):
    """Return the lines up to the one that contains a text."""
    lines = []
    for line in process.stdout:
        lines.append(line)
        if text in line:
            return lines
    raise AssertionError(f"{text!r} never came: {lines}")


def wait_for(condition):
    """Wait until a function returns something true, and return it."""
    deadline = time.monotonic() + WAIT
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("it did not happen in time")


@pytest.mark.parametrize("option", ["--help", "-h", "-?"])
def test_help_is_printed(start, option):
    status, output = finish(start(option))
    assert status == 2 and output.startswith("usage: vlcp-start")
    for known in ("-f", "-d", "-p", "-F", "--version"):
        assert known in output


def test_version_is_printed(start):
    status, output = finish(start("--version"))
    assert status == 0 and re.fullmatch(r"vlcp \d+\.\d+\S*\n", output)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-x"], "option -x"),
        (["--unknown"], "option --unknown"),
        (["-f"], "option -f requires argument"),
        (["-F", "0"], "-F needs a number"),
        (["-F", "many"], "-F needs a number"),
    ],
)
def test_a_wrong_command_line_is_told_in_one_line(start, arguments, said):
    status, output = finish(start(*arguments))
    assert status == 2 and output.count("\n") == 1 and said in output and "--help" in output


def test_a_missing_configuration_file_is_told_in_one_line(start):
    status, output = finish(start("-f", "nowhere.conf"))
    assert status == 1 and output == "vlcp-start: cannot use 'nowhere.conf': No such file or directory\n"


def test_a_wrong_configuration_line_is_told_with_file_line_and_key(start, tmp_path):
    (tmp_path / "bad.conf").write_text("# remark\nserver.startup = ()\nserver.ulimitn = oops\n")
    status, output = finish(start("-f", "bad.conf"))
    assert status == 1 and output.count("\n") == 1
    assert output.startswith("vlcp-start: bad.conf:3: server.ulimitn: ")


def test_a_wrong_logging_configuration_is_told_in_one_line(start, tmp_path):
    (tmp_path / "bad.conf").write_text("server.logging = {'root': {'handlers': ['nothing']}}\n")
    status, output = finish(start("-f", "bad.conf", MANAGER))
    assert status == 1 and output.count("\n") == 1 and "cannot configure logging" in output


LOGGING = """\
[loggers]
keys = root
[handlers]
keys = file
[formatters]
keys = short
[logger_root]
level = INFO
handlers = file
[handler_file]
class = FileHandler
formatter = short
args = ("by-file.log",)
[formatter_short]
format = %(levelname)s|%(name)s|%(message)s
"""


def test_a_file_configures_logging_and_the_limit_of_open_files_is_raised(start, tmp_path):
    (tmp_path / "logging.ini").write_text(LOGGING)
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(700, hard) if hard != resource.RLIM_INFINITY else 700
    (tmp_path / "vlcp.conf").write_text(f"server.loggingconfig = 'logging.ini'\nserver.ulimitn = {wanted}\n")
    process = start("-f", "vlcp.conf", "probe.Probe", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (300, hard)))
    read_until(process, "running")
    log = tmp_path / "by-file.log"
    wait_for(lambda: "INFO|vlcp.server._loader|module probe is loaded" in log.read_text())
    assert resource.prlimit(process.pid, resource.RLIMIT_NOFILE)[0] == wanted
    process.send_signal(signal.SIGTERM)
    status, output = finish(process)
    assert status == 0 and "ended in order" in output and "vlcp.server" not in output


def test_a_module_that_cannot_be_started_ends_the_process_with_the_reason(start):
    status, output = finish(start("-f", "", "no.such.Module"))
    assert status == 1 and "startup module no.such.Module: cannot import 'no.such'" in output and "Traceback" not in output


def test_nothing_to_start_is_an_error(start):
    status, output = finish(start("-f", ""))
    assert status == 1 and "server.startup" in output


def test_bad_startup_modules_do_not_stop_good_ones(start, tmp_path):
    (tmp_path / "good.conf").write_text("server.startup = ('probe.Probe', 'probe.Missing')\nmodule.probe.forcstop = 1\n")
    process = start("-f", "good.conf")
    lines = "".join(read_until(process, "unknown configuration key"))
    assert "running" in lines and "no module class 'Missing' in 'probe'" in lines
    assert "did you mean 'module.probe.forcestop'" in lines
    process.send_signal(signal.SIGTERM)
    assert finish(process)[0] == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_process_in_order(start, number):
    process = start("-f", "", "probe.Probe")
    read_until(process, "running")
    process.send_signal(number)
    status, output = finish(process)
    assert status == 0 and "Traceback" not in output
    assert [line for line in output.splitlines() if " " not in line or "ended" in line] == [
        "good-bye",
        "prepared",
        "ended in order",
    ]


def test_a_module_that_is_not_ready_to_stop_is_not_waited_for_at_the_second_signal(start, monkeypatch):
    monkeypatch.setenv("SLOW", "1")
    process = start("-f", "", "probe.Probe")
    read_until(process, "running")
    process.send_signal(signal.SIGTERM)
    read_until(process, "good-bye")
    process.send_signal(signal.SIGTERM)
    status, output = finish(process)
    assert status == 0 and "ended in order" in output and "prepared" not in output


def test_several_workers_run_and_end_together(start):
    process = start("-f", "", "-F", "3", "probe.Probe")
    pids = {int(read_until(process, "running")[-1].split()[1]) for _ in range(3)}
    assert len(pids) == 3 and process.pid not in pids
    process.send_signal(signal.SIGTERM)
    status, output = finish(process)
    assert status == 0 and output.count("ended in order") == 3
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_workers_end_in_order_when_their_parent_is_killed(start):
    process = start("-f", "", "-F", "2", "probe.Probe")
    for _ in range(2):
        read_until(process, "running")
    process.kill()
    # The pipe ends when the last worker has closed it.
    assert process.stdout.read().count("ended in order") == 2


def test_workers_that_fail_make_the_exit_status(start):
    status, output = finish(start("-f", "", "-F", "2", "no.such.Module"))
    assert status == 1 and output.count("cannot import 'no.such'") == 2


@pytest.mark.parametrize("by", ["option", "configuration"])
def test_a_daemon_has_a_pid_file_and_stops_by_signal(start, tmp_path, by):
    pytest.importorskip("daemon")
    pidfile, logfile = tmp_path / "vlcp.pid", tmp_path / "vlcp.log"
    (tmp_path / "daemon.conf").write_text(
        "server.startup = ('probe.Probe',)\n"
        "daemon.detach_process = True\n"
        f"daemon.pidfile = {str(pidfile)!r}\n"
        "server.logging.handlers = {'f': {'class': 'logging.FileHandler', 'filename': %r}}\n"
        "server.logging.root = {'level': 'INFO', 'handlers': ['f']}\n" % str(logfile)
    )
    process = start("-f", "daemon.conf", "-d", "-p", str(pidfile) if by == "option" else "")
    assert finish(process)[0] == 0
    pid = wait_for(lambda: pidfile.exists() and int(pidfile.read_text() or 0))
    try:
        wait_for(lambda: logfile.exists() and "module probe is loaded" in logfile.read_text())
        status, output = finish(start("-f", "daemon.conf", "-d", "-p", pidfile))
        assert status == 1 and output == f"vlcp-start: pid file {str(pidfile)!r} is in use by another process\n"
    finally:
        os.kill(pid, signal.SIGTERM)
    wait_for(lambda: not pidfile.exists())


def test_a_daemon_whose_pid_file_cannot_be_written_does_not_start(start, tmp_path):
    pytest.importorskip("daemon")
    status, output = finish(start("-f", "", "-d", "-p", tmp_path / "missing" / "vlcp.pid", "probe.Probe"))
    assert status == 1 and "cannot write pid file" in output


SPAWNING = """
import os
from vlcp.server.module import Module
from vlcp.utils.connector import Connector

def work(queuein, queueout):
    os.write(1, b"worker %d\\n" % os.getpid())
    queuein.get()

class Spawning(Module):
    "Has a worker process"
    def __init__(self, server):
        super().__init__(server)
        self.apiroutine.main = self.stay
        self.routines.extend((Connector(work, (), self.scheduler), self.apiroutine))

    async def stay(self):
        while True:
            await self.apiroutine.wait_with_timeout(60)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_worker_process_of_a_connector_ends_with_the_server(start, tmp_path, number):
    (tmp_path / "spawning.py").write_text(SPAWNING)
    process = start("-f", "", "spawning.Spawning")
    read_until(process, "worker")
    process.send_signal(number)
    # The worker has the pipe open as well.
    process.stdout.read()
    assert process.wait(WAIT) == (0 if number == signal.SIGTERM else -number)


@pytest.fixture
def manager(tmp_path):
    """A datagram socket as a service manager has it; wait for its next message with ``recv``."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "notify"))
        receiver.settimeout(WAIT)
        yield receiver


@pytest.mark.parametrize("workers", [(), ("-F", "2")])
def test_the_service_manager_is_told_when_the_server_is_ready_and_when_it_stops(start, manager, workers):
    process = start("-f", "", *workers, "probe.Probe", NOTIFY_SOCKET=manager.getsockname())
    assert manager.recv(100) == b"READY=1"
    for _ in workers or [None]:
        read_until(process, "running")
    process.send_signal(signal.SIGTERM)
    assert manager.recv(100) == b"STOPPING=1"
    assert finish(process)[0] == 0
    manager.settimeout(0)
    with pytest.raises(BlockingIOError):
        manager.recv(100)


def test_a_server_that_cannot_start_is_never_ready(start, manager):
    assert finish(start("-f", "", "no.such.Module", NOTIFY_SOCKET=manager.getsockname()))[0] == 1
    manager.settimeout(0)
    with pytest.raises(BlockingIOError):
        manager.recv(100)


def test_a_service_manager_that_is_gone_is_logged(start, tmp_path):
    process = start("-f", "", "probe.Probe", NOTIFY_SOCKET=str(tmp_path / "nobody"))
    read_until(process, "cannot tell the service manager READY=1")
    process.send_signal(signal.SIGTERM)
    assert finish(process)[0] == 0


def test_the_unit_for_systemd_starts_what_this_command_understands():
    unit = configparser.ConfigParser(strict=True, interpolation=None)
    unit.optionxform = str
    unit.read(ROOT / "example" / "systemd" / "vlcp.service")
    service = unit["Service"]
    program, *arguments = shlex.split(service["ExecStart"])
    parameters = parsearg(arguments)
    assert os.path.isabs(program) and service["Type"] == "notify" and not parameters["daemon"]
    assert int(service["LimitNOFILE"]) >= Server._default_ulimitn and int(service["TimeoutStopSec"]) > 10
