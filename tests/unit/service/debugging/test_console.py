"""The console: a server in a process of its own, and clients that come by telnet or sit at its terminal."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import signal
import socket
import ssl
import subprocess
import sys
import time

import pytest
from support.server import ServerProcess, free_port
from support.tls import Authority

from vlcp.lab._shell import wait_until

CONSOLE = "vlcp.service.debugging.console.Console"
MODULES = (
    CONSOLE,
    "vlcp.service.manage.modulemanager.Manager",
    "vlcp.service.manage.webapi.WebAPI",
)
WAIT = 20
PROMPT = ">>> "


class Screen:
    """What a client sees; ``send`` and ``read_until`` are all that it does.

    :param read: returns more bytes, b"" at the end
    :param write: sends bytes
    """

    def __init__(self, read, write):
        self._read, self._write = read, write
        self.seen = ""

    def send(self, text):
        self._write(text.encode())

    def until(self, text):
        """Wait for a text; return and forget everything up to its end."""
        deadline = time.monotonic() + WAIT
        while text not in self.seen:
            data = self._read()
            assert data and time.monotonic() < deadline, f"{text!r} never came: {self.seen!r}"
            self.seen += data.decode(errors="replace").replace("\r", "")
        before, found, self.seen = self.seen.partition(text)
        return before + found

    def read_some(self):
        """Return what comes next as text."""
        return self._read().decode(errors="replace").replace("\r", "")

    def rest(self):
        """Return everything until the end."""
        with contextlib.suppress(OSError):
            while data := self._read():
                self.seen += data.decode(errors="replace").replace("\r", "")
        return self.seen

    def ask(self, line):
        """Type a line and return what comes up to the next prompt."""
        self.send(line + "\r\n")
        return self.until(PROMPT)


class Client(Screen):
    """A client that sends whole lines, and agrees to no option."""

    def __init__(self, port, context=None):
        sock = socket.create_connection(("127.0.0.1", port), WAIT)
        self.socket = sock if context is None else context.wrap_socket(sock, server_hostname="localhost")
        super().__init__(lambda: self.socket.recv(65536), self.socket.sendall)

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.socket.close()


class Server(ServerProcess):
    """A server with a console."""

    def __init__(self, directory, modules=MODULES, **config):
        self.console_port = free_port()
        keys = {"module.console." + key: value for key, value in config.items()}
        super().__init__(directory, modules, {"module.console.telnetconsole": f"ptcp://localhost:{self.console_port}/", **keys})

    def _answers(self):
        try:
            return self.get("/manager/activemodules", timeout_s=2).status == 200
        except OSError:
            return False


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("console")) as running:
        yield running


@contextlib.contextmanager
def open_client(server):
    """Come as soon as the console is free, and wait for the prompt."""
    deadline = time.monotonic() + WAIT
    while True:
        with contextlib.suppress(ConnectionRefusedError), Client(server.console_port) as found:
            found.seen = found.read_some()
            if "in use" not in found.seen:
                found.until(PROMPT)
                yield found
                return
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def client(server):
    """A client at its first prompt; an earlier session may still be ending."""
    with open_client(server) as found:
        yield found


def test_it_listens_on_loopback_only(server):
    with open("/proc/net/tcp") as table:
        listening = [line.split()[1] for line in table if line.split()[3] == "0A"]
    found = [address for address in listening if address.endswith(f":{server.console_port:04X}")]
    assert found == [f"0100007F:{server.console_port:04X}"]


def test_the_prompt_evaluates_and_prints_and_shows_errors(client):
    assert client.ask("6 * 7") == "42\n" + PROMPT
    assert client.ask("print('to the client')") == "to the client\n" + PROMPT
    assert "ZeroDivisionError" in client.ask("1 / 0")
    assert "SyntaxError" in client.ask("1 +* 2")
    client.send("for n in range(2):\r\n    print(n)\r\n")
    client.until("... ")
    client.send("\r\n")
    assert client.until(PROMPT).endswith("0\n1\n" + PROMPT)


def test_the_documented_names_are_there_and_help_tells_of_each(client):
    names = (
        "server manager container callapi capture sendevent subroutine execute breakpoint syscall resume debug restore_console"
    )
    assert "True" in client.ask(f"set('{names} console_help'.split()) <= set(dir())")
    shown = client.ask("console_help()")
    assert [name for name in names.split() if name not in shown] == []
    assert "no console waits" in client.ask("restore_console()")


def test_apis_are_called_with_their_results_and_errors(client):
    assert CONSOLE in client.ask("callapi('manager', 'activemodules')")
    shown = client.ask("callapi('manager', 'unloadmodule', path='no.such.Module')")
    assert "ModuleLoadException" in shown and "is not loaded" in shown


def test_routines_run_in_the_event_loop(client):
    client.ask("import threading")
    client.ask("async def where():\r\n    return threading.current_thread() is threading.main_thread()\r\n")
    assert client.ask("execute(where())") == "True\n" + PROMPT
    assert client.ask("syscall(lambda scheduler, processor: scheduler is server.scheduler)") == "True\n" + PROMPT
    assert client.ask("running = subroutine(container.wait_with_timeout(None))") == PROMPT
    assert "in the event loop: <routine" in client.ask("running")
    client.ask("running.close()")
    assert client.ask("server.scheduler.is_registered(running.routine)") == "False\n" + PROMPT
    client.ask("async def wrong():\r\n    callapi('manager', 'activemodules')\r\n")
    assert "cannot be called in its own thread" in client.ask("execute(wrong())")


def define_events(client):
    """Define the event class Word with an index."""
    client.ask("from vlcp.event.event import Event, withIndices")
    client.ask("@withIndices('number')\r\nclass Word(Event):\r\n    pass\r\n")


def test_events_are_sent_and_captured(client):
    define_events(client)
    client.ask("seen = []")
    client.ask("captured = capture([Word.createMatcher()], callback=lambda event, matcher: seen.append(event.number))")
    client.ask("sendevent(Word(1))")
    client.ask("sendevent(Word(2), emerge=True)")
    client.ask("execute(container.do_events())")
    client.ask("captured.close()")
    client.ask("sendevent(Word(3))")
    client.ask("execute(container.do_events())")
    assert client.ask("seen") == "[1, 2]\n" + PROMPT
    client.ask(
        "async def later():\r\n    await container.wait_with_timeout(0.2)\r\n    await container.wait_for_send(Word(4))\r\n"
    )
    client.ask("sender = subroutine(later())")
    shown = client.ask("event, matcher, trap = capture([Word.createMatcher()], blocking=True, captureonce=True)")
    assert "captured <" in shown and "number=4" in shown


def test_a_breakpoint_holds_routines_and_the_network_runs_on(server, client):
    define_events(client)
    client.ask("got = []")
    client.ask("async def listen():\r\n    while True:\r\n        got.append((await Word.createMatcher()).number)\r\n")
    client.ask("listener = subroutine(listen())")
    shown = client.ask("breakpoint()")
    assert "event loop, which runs on" in shown and "held until resume()" in shown and "in listen" in shown
    client.ask("sendevent(Word(1))")
    for _ in range(20):
        assert server.get("/manager/activemodules").status == 200
    assert client.ask("got") == "[]\n" + PROMPT
    client.ask("resume()")
    assert client.ask("got") == "[1]\n" + PROMPT
    # The same when an event is captured, before those get it who wait for it.
    client.ask("trap = capture([Word.createMatcher(2)], breakpoint=True)")
    client.ask("sendevent(Word(2))")
    client.ask("execute(container.do_events())")
    assert server.get("/manager/activemodules").status == 200
    assert client.ask("got") == "[1]\n" + PROMPT
    client.ask("trap.close()")
    client.ask("resume()")
    assert client.ask("got") == "[1, 2]\n" + PROMPT
    client.ask("listener.close()")


def test_a_session_that_ends_lets_everything_go(server, client):
    client.ask("held = subroutine(container.wait_with_timeout(0.1))")
    client.ask("breakpoint(held)")
    client.ask("vars(server)['held'] = held.routine")
    client.socket.close()
    with open_client(server) as other:
        deadline = time.monotonic() + WAIT
        while "True" not in other.ask("not server.scheduler.is_registered(server.held)"):
            assert time.monotonic() < deadline
        other.ask("del server.held")


def test_the_debugger_steps_through_a_held_routine(server, client):
    client.ask("async def work():\r\n    await container.wait_with_timeout(0.1)\r\n    return 41 + 1\r\n")
    client.ask("running = subroutine(work())")
    client.ask("breakpoint()")
    time.sleep(0.3)
    client.send("debug()\r\n")
    client.until("(Pdb) ")
    shown = ""
    for _ in range(10):
        client.send("s\r\n")
        shown += client.until("(Pdb) ")
        if "work()" in shown:
            break
    assert "<console>(2)work()" in shown
    client.send("c\r\n")
    client.until(PROMPT)
    assert server.get("/manager/activemodules").status == 200


def test_the_debugger_gives_the_interpreter_back_and_keeps_its_breakpoints(server, client):
    client.ask("def work(): return 41 + 1\r\n")
    client.ask("async def later():\r\n    await container.wait_with_timeout(0.3)\r\n    return work()\r\n")
    client.send("debug()\r\n")
    client.until("(Pdb) ")
    client.send("b vlcp.service.manage.modulemanager.Manager.activeModules\r\n")
    client.until("(Pdb) ")
    client.send("import vlcp.service.debugging.console as c; c.restore_console(); import time; time.sleep(0.5)\r\n")
    client.until(PROMPT)
    client.until("(Pdb) ")
    # Both read from this client now; the interpreter waits longer.
    client.send("1\r\n" * 2 + "cl\r\ny\r\n" * 2 + "q\r\n" * 4)
    client.socket.close()
    assert server.get("/manager/activemodules").status == 200


def test_the_debugger_that_is_left_lets_everything_go_on(server, client):
    client.ask("running = subroutine(container.wait_with_timeout(0.1))")
    client.ask("breakpoint()")
    for command in ("q", "c"):
        client.send("debug()\r\n")
        client.until("(Pdb) ")
        client.send(command + "\r\n")
        client.until(PROMPT)
        assert server.get("/manager/activemodules").status == 200


def test_a_client_that_leaves_the_debugger_open_stops_nothing(server, client):
    client.send("debug()\r\n")
    client.until("(Pdb) ")
    client.socket.close()
    assert server.get("/manager/activemodules").status == 200


@pytest.mark.parametrize("key", [b"\x03", b"\xff\xf4", b"\xff\xf3"])
@pytest.mark.parametrize(
    "busy",
    [
        "execute(container.wait_with_timeout(None))",
        # PyPy looks for interrupts at each new line only.
        pytest.param("while True: pass", marks=pytest.mark.skipif(sys.implementation.name == "pypy", reason="not on PyPy")),
    ],
)
def test_an_interrupt_ends_what_is_waited_for(client, key, busy):
    client.send("print('begun')\r\n" + busy + "\r\n" + "\r\n" * busy.startswith("while"))
    client.until("begun\n" + PROMPT)
    time.sleep(0.3)
    client.socket.sendall(key)
    client.until("KeyboardInterrupt")
    client.until(PROMPT)
    assert client.ask("6 * 7") == "42\n" + PROMPT


def test_a_second_client_is_refused_politely(server, client):
    client.ask("1")
    for _ in range(3):
        with Client(server.console_port) as second:
            text = second.rest()
        assert re.fullmatch(r"The console is in use by 127\.0\.0\.1:\d+ since [\d:]{8}; one client at a time\. .*\n", text)
    assert client.ask("6 * 7") == "42\n" + PROMPT


@pytest.mark.parametrize("how", ["exit()\r\n", "\x04"])
def test_leaving_ends_the_session_and_the_next_client_comes_in(server, client, how):
    client.ask("left = 1")
    client.send(how)
    client.rest()
    with open_client(server) as other:
        assert "NameError" in other.ask("left")


def test_a_client_that_does_not_read_costs_little_and_stops_nothing(server, client):
    client.send("while True: print('x' * 1000)\r\n\r\n")
    client.until("xxx")
    time.sleep(0.5)
    for _ in range(5):
        assert server.get("/manager/activemodules").status == 200
    with open(f"/proc/{server.pid}/statm") as memory:
        assert int(memory.read().split()[1]) * 4096 < 300e6
    client.socket.close()
    with open_client(server) as other:
        assert other.ask("6 * 7") == "42\n" + PROMPT


def test_binary_rubbish_is_survived(server, client):
    for begin in range(0, 256, 16):
        client.socket.sendall(bytes((byte * 7 + begin) % 256 for byte in range(4096)).replace(b"\x04", b""))
    client.socket.close()
    with open_client(server) as other:
        assert other.ask("6 * 7") == "42\n" + PROMPT


def in_terminal(command, **options):
    """Start a program on a terminal of its own; return (process, Screen)."""
    master, slave = pty.openpty()
    process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=options.pop("stderr", slave), **options)
    os.close(slave)

    def read():
        ready, _, _ = select.select([master], [], [], WAIT)
        assert ready, "nothing came"
        try:
            return os.read(master, 65536)
        except OSError:
            return b""

    return process, Screen(read, lambda data: os.write(master, data)), master


@pytest.mark.telnet
def test_lines_are_edited_with_a_telnet_program(server):
    with open_client(server) as first:
        first.send("exit()\r\n")
        first.rest()
    time.sleep(0.3)
    process, screen, master = in_terminal(["telnet", "127.0.0.1", str(server.console_port)])
    try:
        screen.until(PROMPT)
        # Echoed by the server: typed, wiped out, corrected in the middle, and called back.
        screen.send("wrong\x15'ac'\x1b[D\x1b[Db\x1b[F.upper()\r")
        assert screen.until("'ABC'")
        screen.until(PROMPT)
        screen.send("\x1b[A + 'd'\r")
        assert screen.until("'ABCd'")
        screen.until(PROMPT)
        screen.send("execute(container.wait_with_timeout(None))\r")
        screen.until("\n")
        time.sleep(0.3)
        screen.send("\x03")
        screen.until("KeyboardInterrupt")
        screen.until(PROMPT)
        screen.send("\x04")
        assert "closed by foreign host" in screen.rest()
    finally:
        process.kill()
        process.wait()
        os.close(master)


def test_the_console_can_be_behind_tls(tmp_path):
    authority = Authority(tmp_path, "authority")
    made = authority.issue("console")
    port = free_port()
    config = {
        "telnetconsole": f"pssl://127.0.0.1:{port}/",
        "key": made.key,
        "certificate": made.certificate,
    }
    with Server(tmp_path, **config):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(authority.certificate)
        with Client(port, context) as client:
            client.until(PROMPT)
            assert client.ask("6 * 7") == "42\n" + PROMPT
        with Client(port) as plain:
            plain.send("6 * 7\r\n" * 10)
            assert PROMPT not in plain.rest()


@pytest.fixture
def start(tmp_path):
    """Start a server on a terminal, with its console there; yields (process, Screen)."""
    begun = []

    def begin(*command):
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        with open(tmp_path / "log", "wb") as log:
            begun.append(
                in_terminal([sys.executable, *command], cwd=tmp_path, env=environment, stderr=log, start_new_session=True)
            )
        return begun[-1][:2]

    yield begin
    for process, _screen, master in begun:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        os.close(master)


@pytest.mark.parametrize("way", ["configuration", "module"])
def test_the_console_on_the_terminal_of_the_server_ends_it(start, tmp_path, way):
    (tmp_path / "vlcp.conf").write_text(f"server.startup = ({CONSOLE!r},)\nmodule.console.startinconsole = True\n")
    command = ("vlcp.start", "-f", "vlcp.conf") if way == "configuration" else ("vlcp.service.debugging.console", "-f", "")
    process, screen = start("-m", *command)
    assert "debugging console" in screen.until(PROMPT)
    screen.send("'ac'\x1b[D\x1b[Db\x1b[F\r")
    screen.until("'abc'\n")
    screen.until(PROMPT)
    screen.send("execute(container.wait_with_timeout(None))\r")
    screen.until("\n")
    time.sleep(0.3)
    screen.send("\x03")
    screen.until("KeyboardInterrupt")
    screen.until(PROMPT)
    assert process.poll() is None
    screen.send("\x04")
    assert process.wait(WAIT) == 0


def test_the_console_reads_commands_from_a_pipe(tmp_path):
    (tmp_path / "vlcp.conf").write_text(f"server.startup = ({CONSOLE!r},)\nmodule.console.startinconsole = True\n")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run(
        [sys.executable, "-m", "vlcp.start", "-f", "vlcp.conf"],
        input="print(6 * 7)\n",
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
        timeout=WAIT,
    )
    assert ended.returncode == 0 and "42\n" in ended.stdout


def refuses(port):
    try:
        socket.create_connection(("127.0.0.1", port), WAIT).close()
    except OSError:
        return True
    return False


def test_a_module_that_is_unloaded_closes_its_session_and_listens_no_more(tmp_path):
    with Server(tmp_path) as server, Client(server.console_port) as client:
        client.until(PROMPT)
        server.api("manager", "unloadmodule", path=CONSOLE)
        client.rest()
        wait_until(lambda: refuses(server.console_port), WAIT, "the end of listening")
        server.api("manager", "loadmodule", path=CONSOLE)
        with open_client(server) as other:
            assert other.ask("6 * 7") == "42\n" + PROMPT
