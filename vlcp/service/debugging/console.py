"""Console for debugging: a Python interpreter inside the running server, by telnet or on its terminal (manual 3.2.4, 5.6.2).

The scheduler keeps the main thread. The interpreter has a thread of its own, and a third one moves the bytes; what the
interpreter wants of the scheduler goes there as :class:`ConsoleServiceCall`.
"""

from __future__ import annotations

import contextlib
import inspect
import runpy
import ssl
import sys
import threading
from typing import Any

from vlcp.config import defaultconfig, manager
from vlcp.event.core import StopRequest
from vlcp.event.event import M_, Event, withIndices
from vlcp.event.runnable import RoutineContainer
from vlcp.server.module import Module
from vlcp.service.debugging._door import Door, parse_address
from vlcp.service.debugging._session import (
    ConsoleServiceCall,
    ConsoleServiceCancel,
    Session,
    console_help,
    restore_console,
)
from vlcp.service.debugging._terminal import Terminal, Waiter
from vlcp.utils.connector import Connector

__all__ = [
    "Console",
    "ConsoleEvent",
    "ConsoleServiceCall",
    "ConsoleServiceCancel",
    "InterruptPoller",
    "SocketInjectDone",
    "Waiter",
    "console_help",
    "restore_console",
]


@withIndices("type")
class ConsoleEvent(Event):
    """The terminal of the process has been left; the console ends the server."""

    canignore = False

    LEFT = "left"


@withIndices("socket")
class SocketInjectDone(Event):
    """A session begins; ``socket`` is the client's, or "terminal" for that of the process."""


@withIndices()
class InterruptPoller(Event):
    """A session has ended; attribute ``session``."""


@defaultconfig
class Console(Module):
    """VLCP debugging console: the usual Python prompt inside the running server.

    Variables: server, manager, container. Functions: callapi, capture, sendevent, subroutine, execute, breakpoint, syscall,
    resume, debug, restore_console, console_help. Call console_help() for what they do.
    """

    service = False
    _default_startinconsole = False
    "Use the standard input and output of the process for the console"
    _default_telnetconsole = "ptcp://localhost:9923/"
    "Where to wait for a telnet client, as ptcp:// or pssl://; None for no such console"
    _default_key = None
    "Private key file for pssl, None when it is in the certificate file"
    _default_certificate = None
    "Certificate file for pssl"
    _default_ca_certs = None
    "With pssl: clients must show a certificate that one of these has signed; None asks for none"

    def __init__(self, server: Any) -> None:
        super().__init__(server)
        self.container = RoutineContainer(self.scheduler)
        self._calls: dict = {}
        self._sessions: dict = {}
        self._post: Any = None
        self._loop_thread = threading.get_ident()
        self.apiroutine.main = self._serve_calls  # type: ignore[method-assign]
        self.routines.append(self.apiroutine)
        self._door: Any = None
        if self.startinconsole or self.telnetconsole:
            self._door = self._make_door(None if self.startinconsole else parse_address(self.telnetconsole))
        self._connector = Connector(self._open, (), self.scheduler, False)
        self.routines.append(self._connector)
        self._spared = (self.apiroutine, self._connector)

    def _make_door(self, address: Any) -> Door:
        context = None
        if address is not None and address.tls:
            if not self.certificate:
                raise ValueError("module.console.certificate is needed for pssl")
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.certificate, self.key)
            if self.ca_certs:
                context.load_verify_locations(self.ca_certs)
                context.verify_mode = ssl.CERT_REQUIRED
        return Door(self._interpret, address, context, self._begun, self._over)

    # In the other threads

    def _open(self, queuein: Any, queueout: Any) -> None:
        """Run the door; the worker of the connector."""
        self._post = queueout.put
        if self._door is not None:
            self._door.run()

    def _begun(self, sock: Any) -> None:
        self._post((SocketInjectDone(sock),))

    def _over(self, terminal: Terminal) -> None:
        self._post((InterruptPoller(session=self._sessions.pop(terminal, None)),))
        if self.startinconsole:
            self._post((ConsoleEvent(ConsoleEvent.LEFT),))

    def _interpret(self, terminal: Terminal) -> None:
        terminal.adopt_thread()
        session = Session(self.server, self.container, self._spared, self._post, self._loop_thread, terminal)
        self._sessions[terminal] = session
        banner = f"{inspect.getdoc(type(self))}\nPython {sys.version.split()[0]} on {sys.platform}"
        with contextlib.suppress(SystemExit):
            session.interpret(banner)

    # In the scheduler's thread

    async def _serve_calls(self) -> None:
        """Do what sessions ask for."""
        self._loop_thread = threading.get_ident()
        matchers = (
            ConsoleServiceCall.createMatcher(),
            ConsoleServiceCancel.createMatcher(),
            InterruptPoller.createMatcher(),
            ConsoleEvent.createMatcher(ConsoleEvent.LEFT),
        )
        try:
            while True:
                event, matcher = await M_(*matchers)
                if matcher is matchers[0]:
                    self._calls[event.waiter] = self.container.subroutine(self._call(event))
                elif matcher is matchers[1] and event.waiter in self._calls:
                    self._calls[event.waiter].close()
                elif matcher is matchers[2] and event.session is not None:
                    event.session.end()
                elif matcher is matchers[3]:
                    event.canignore = True
                    self.scheduler.emergesend(StopRequest())
        finally:
            for session in list(self._sessions.values()):
                session.end()
            if self._door is not None:
                self._door.close()

    async def _call(self, event: ConsoleServiceCall) -> None:
        waiter = event.waiter
        try:
            waiter.send_result(await event.routine())
        except Exception as exc:
            # Who called gets it.
            waiter.raise_exception(exc)
        finally:
            self._calls.pop(waiter, None)
            waiter.raise_exception(RuntimeError("the call was ended"))


if __name__ == "__main__":
    manager["module.console.startinconsole"] = True
    runpy.run_module("vlcp.start", run_name="__main__")
