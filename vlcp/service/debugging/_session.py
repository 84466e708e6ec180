"""What can be called at the prompt of a console, and how that reaches the scheduler's thread."""

from __future__ import annotations

import builtins
import code
import pdb
import sys
import threading
import traceback
from typing import Any, Awaitable, Callable, Sequence

from vlcp.config import manager
from vlcp.event.event import Event, withIndices
from vlcp.event.hold import Held, Trap, stack_of, waiting_routines
from vlcp.event.runnable import RoutineContainer
from vlcp.server.module import call_api
from vlcp.service.debugging._terminal import Terminal, Waiter

HELP = """\
server      the server; manager: its configuration; container: a routine container for own routines.
            Reading is safe; whatever changes something belongs into a routine: use the functions.

callapi(modulename, functionname, **kwargs)
            call an API of a module and return the result
capture(matchers, blocking=False, breakpoint=False, captureonce=False, callback=None)
            print each event that one of the matchers matches; returns an object whose close() ends that.
            blocking waits for the first one and returns (event, matcher, object); captureonce ends after one;
            callback(event, matcher) is called in the event loop; breakpoint holds the routines that an event is
            for, before they get it, until resume()
sendevent(event, emerge=False)
            send an event; waits while the queue is full, unless emerge
subroutine(routine)
            start a coroutine in the container and return an object whose close() ends it
execute(routine)
            run a coroutine in the container and return its result
syscall(syscall_func)
            run syscall_func(scheduler, processor) in the event loop, outside of routines, and return its result
breakpoint(routine=None)
            hold a routine where it waits, or all routines of the container, and print where they and the event
            loop are. Everything else runs on, also the network
resume()    let all that is held go on
debug()     let all that is held go on under pdb. This stops the event loop while pdb waits for a command; the
            interpreter waits until pdb ends, or for vlcp.service.debugging.console.restore_console() there
restore_console()
            give the interpreter back while pdb goes on with its breakpoints
console_help()
            print this
Ctrl-C ends what is waited for; Ctrl-D or exit() ends the session, and lets go what is held.
"""


@withIndices()
class ConsoleServiceCall(Event):
    """Something to do in the scheduler's thread: ``routine()`` makes a coroutine, ``waiter`` gets what it returns or raises."""


@withIndices("waiter")
class ConsoleServiceCancel(Event):
    """Nobody waits for the result of a call any more; its routine ends."""


class Remote:
    """Something that lives in the scheduler's thread, as a routine, and can be ended from another one.

    :param session: the session
    :param routine: the object with ``close()``
    """

    def __init__(self, session: Session, routine: Any) -> None:
        self._session = session
        self.routine = routine

    def close(self) -> None:
        """End it."""
        self._session.call_function(self.routine.close)

    def __repr__(self) -> str:
        return f"<in the event loop: {self.routine!r}>"


class Debugger(pdb.Pdb):
    """``pdb`` on a terminal; its end gives the interpreter back and never raises into what is debugged.

    It does not step into the scheduler, so that a step into the release of a routine leads into the routine's own code.
    """

    def __init__(self, terminal: Terminal, ended: Callable[[], Any]) -> None:
        super().__init__(stdin=terminal, stdout=terminal, skip=["vlcp.event.*"], nosigint=True, readrc=False)
        self._ended = ended

    def set_continue(self) -> None:
        """Go on without stopping; without breakpoints that is the end."""
        super().set_continue()
        if not self.breaks:
            self._ended()

    def set_quit(self) -> None:
        """Go on without stopping and without breakpoints."""
        self.clear_all_breaks()
        self.set_continue()


class Session:
    """One session of a console: its functions and the interpreter.

    :param server: the server
    :param container: container of the routines that are started here
    :param spared: containers whose routines are never held
    :param post: hands a tuple of events to the scheduler; called in any thread
    :param loop_thread: identifier of the scheduler's thread
    :param terminal: where the client is
    """

    #: the session whose interpreter waits for restore_console(), see there
    suspended: Session | None = None

    def __init__(
        self, server: Any, container: RoutineContainer, spared: Sequence, post: Callable, loop_thread: int, terminal: Terminal
    ) -> None:
        self.server = server
        self.container = container
        self.terminal = terminal
        self._spared = spared
        self._post = post
        self._loop_thread = loop_thread
        self._held: list[Held] = []
        self._traps: list[Trap] = []
        self._restored: Waiter | None = None

    # From the interpreter's thread to the scheduler's

    def call(self, routine: Callable[[], Awaitable]) -> Any:
        """Run a coroutine function in the scheduler's thread and return its result.

        :raises RuntimeError: this is the scheduler's thread, where nothing may wait
        :raises BaseException: what the coroutine raises; KeyboardInterrupt and SystemExit when the client ends the waiting
        """
        if threading.get_ident() == self._loop_thread:
            raise RuntimeError("console functions wait for the event loop and cannot be called in its own thread")
        waiter = Waiter()
        self._post((ConsoleServiceCall(routine=routine, waiter=waiter),))
        return self._wait(waiter)

    def _wait(self, waiter: Waiter) -> Any:
        with self.terminal.waiting_for(waiter):
            try:
                return waiter.wait()
            except (KeyboardInterrupt, SystemExit):
                self._post((ConsoleServiceCancel(waiter),))
                raise

    def call_function(self, function: Callable[[], Any]) -> Any:
        """Call a function in the scheduler's thread and return its result; as :meth:`call`."""

        async def routine() -> Any:
            return function()

        return self.call(routine)

    # Functions of the prompt

    def callapi(self, modulename: str, functionname: str, **kwargs: Any) -> Any:
        """Call an API of a module and return the result."""
        return self.call(lambda: call_api(self.container, modulename, functionname, kwargs))

    def sendevent(self, event: Event, emerge: bool = False) -> None:
        """Send an event; with ``emerge`` also into a full queue."""
        if emerge:
            self.call_function(lambda: self.server.scheduler.emergesend(event))
        else:
            self.call(lambda: self.container.wait_for_send(event))

    def subroutine(self, routine: Any) -> Remote:
        """Start a coroutine in the container."""
        return Remote(self, self.call_function(lambda: self.container.subroutine(routine)))

    def execute(self, routine: Any) -> Any:
        """Run a coroutine in the container to its end and return its result."""

        async def run() -> Any:
            return await routine

        return self.call(run)

    def syscall(self, syscall_func: Callable) -> Any:
        """Run a function in the scheduler's own context and return its result."""
        return self.call(lambda: self.container.syscall(syscall_func))

    def capture(
        self,
        matchers: Sequence,
        blocking: bool = False,
        breakpoint: bool = False,
        captureonce: bool = False,
        callback: Callable | None = None,
    ) -> Any:
        """Print events as they are dispatched; see ``console_help()``."""
        first = Waiter()
        trap: Any = None

        def caught(event: Event, matcher: Any, held: list) -> None:
            self.terminal.write(f"captured {event!r}\n")
            self._keep(held)
            if callback is not None:
                callback(event, matcher)
            if captureonce:
                trap.close()
            first.send_result((event, matcher))

        def begin() -> Trap:
            made = Trap(self.server.scheduler, matchers, caught, breakpoint, self._spared)
            self._traps.append(made)
            return made

        trap = self.call_function(begin)
        if not blocking:
            return Remote(self, trap)
        return (*self._wait(first), Remote(self, trap))

    def breakpoint(self, routine: Any = None) -> None:
        """Hold a routine, or all of the container, and print where they and the event loop are."""
        loop = sys._current_frames().get(self._loop_thread)
        if loop is not None:
            self.terminal.write("event loop, which runs on:\n" + "".join(traceback.format_stack(loop)[-6:]))
        self.call_function(lambda: self._hold(routine))

    def _hold(self, routine: Any) -> None:
        scheduler = self.server.scheduler
        if routine is None:
            chosen = waiting_routines(scheduler, self.container)
        else:
            chosen = [routine.routine if isinstance(routine, Remote) else routine]
        self._keep([Held(scheduler, one) for one in chosen])
        if not chosen:
            self.terminal.write("no routine of the container waits\n")

    def _keep(self, held: list) -> None:
        self._held += held
        for one in held:
            self.terminal.write(f"held until resume(): {one.routine!r}\n{stack_of(one.routine)}")

    def resume(self) -> None:
        """Let all that is held go on."""
        self.call_function(self._release)

    def _release(self) -> None:
        held, self._held = self._held, []
        for one in held:
            one.release()

    def debug(self) -> None:
        """Let all that is held go on under pdb; wait until pdb ends or gives the interpreter back."""
        self._restored = restored = Waiter()
        Session.suspended = self
        self._post((ConsoleServiceCall(routine=self._debug, waiter=Waiter()),))
        self._wait(restored)

    async def _debug(self) -> None:
        debugger = Debugger(self.terminal, self.restore)
        held, self._held = self._held, []
        debugger.set_trace()
        for one in held:
            one.release()
        if not debugger.breaks:
            debugger.set_continue()

    def restore(self) -> None:
        """Let :meth:`debug` return; called in any thread."""
        if Session.suspended is self:
            Session.suspended = None
        if self._restored is not None:
            self._restored.send_result(None)

    def end(self) -> None:
        """Let everything go on; called in the scheduler's thread."""
        self.restore()
        for trap in self._traps:
            trap.close()
        self._traps.clear()
        self._release()

    # The interpreter

    def interpret(self, banner: str) -> None:
        """Read and execute lines until the end of the session.

        :raises SystemExit: ``exit()`` was called
        """
        # Classes that are defined here want the name of their module.
        names: dict[str, Any] = {
            "__name__": "__console__",
            "server": self.server,
            "manager": manager,
            "container": self.container,
        }
        functions = (
            self.callapi,
            self.capture,
            self.sendevent,
            self.subroutine,
            self.execute,
            self.breakpoint,
            self.syscall,
            self.resume,
            self.debug,
            restore_console,
            console_help,
        )
        names.update({function.__name__: function for function in functions})
        console = code.InteractiveConsole(names, "<console>")
        console.raw_input = self._ask  # type: ignore[method-assign]
        try:
            console.interact(banner, "")
        finally:
            # What the interpreter showed last would live on there.
            vars(builtins).pop("_", None)

    def _ask(self, prompt: str = "") -> str:
        self.terminal.write(prompt)
        line = self.terminal.readline()
        if not line:
            raise EOFError
        return line[:-1]


def restore_console() -> None:
    """Give the interpreter of the console back, from pdb.

    :raises ValueError: no interpreter waits for that
    """
    if Session.suspended is None:
        raise ValueError("no console waits to be restored")
    Session.suspended.restore()


def console_help() -> None:
    """Print what the functions of the console do."""
    print(HELP, end="")
