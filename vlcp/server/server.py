"""The server: a scheduler with its queues, the resolver, the module loader and the startup modules (manual 5.5.2)."""

from __future__ import annotations

import logging
import sys
from typing import Any, Callable, List, Optional, Sequence

from vlcp.config import Configurable, config, manager, unknown_keys
from vlcp.event.core import Scheduler, StopRequest
from vlcp.event.polling import DefaultPolling
from vlcp.event.pqueue import CBQueue
from vlcp.event.runnable import RoutineContainer
from vlcp.server._fork import run_workers
from vlcp.server._notify import READY, STOPPING, notify
from vlcp.server._process import as_daemon, raise_file_limit, set_up_logging
from vlcp.server._queues import add_sub_queues
from vlcp.server.module import Module, ModuleLoader, ModuleLoadException
from vlcp.utils.connector import Resolver

logger = logging.getLogger(__name__)

_FAREWELL_S = 5.0

DEFAULT_PRIORITY = 400
"priority of events that belong into no sub-queue"


@config("server")
class Server(Configurable):
    """A process that runs modules.

    :ivar scheduler: the scheduler of all routines
    :ivar resolver: threads that look up host names
    :ivar moduleloader: loads and unloads modules
    :ivar started: True as soon as every startup module is loaded or has failed
    :ivar failures: reasons why startup modules could not be loaded
    :ivar announce: called with "READY=1" when the startup modules are loaded, with "STOPPING=1" when the server begins to
        end; tells the service manager by default
    """

    _default_startup = ()
    "Loading paths of the modules to start; when empty, the modules in ``__main__`` are started"
    _default_debugging = False
    "Log what the scheduler does"
    _default_pollwritepriority = 700
    'Priority of "a socket can be written"; of all queues, those with larger numbers go first'
    _default_connectionwritepriority = 600
    "Priority of data to write to connections"
    _default_pollreadpriority = 500
    'Priority of "a socket can be read"'
    _default_pollerrorpriority = 800
    "Priority of errors of sockets"
    _default_resolverresppriority = 490
    "Priority of the answers of name look-ups"
    _default_resolverreqpriority = 650
    "Priority of requests for name look-ups"
    _default_connectioncontrolpriority = 450
    "Priority of orders to connections, as to reset or shut down"
    _default_routinecontrolpriority = 1000
    "Priority of what starts and ends routines"
    _default_streamdatapriority = 640
    "Priority of data of streams"
    _default_timerpriority = 900
    "Priority of timers"
    _default_lockpriority = 990
    "Priority of released locks"
    _default_futurepriority = 989
    "Priority of results of futures"
    _default_moduleloadeventpriority = 890
    "Priority of changes in the state of modules"
    _default_sysctlpriority = 2000
    "Priority of orders to the scheduler"
    _default_sysctllowpriority = 10
    "Priority of orders to the scheduler that wait until all else is done"
    _default_moduleapicallpriority = 630
    "Priority of API calls"
    _default_moduleapireplypriority = 420
    "Priority of replies to API calls"
    _default_modulenotifypriority = 410
    "Priority of notifications of modules"
    _default_totalwritelimit = 100000
    "Limit of write events of all connections together"
    _default_writelimitperconnection = 5
    "Limit of write events of each connection"
    _default_preservefornew = 100
    "Places kept for connections and streams that have no events in the queue"
    _default_streamdatalimit = 100000
    "Limit of data events of all streams together"
    _default_datalimitperstream = 5
    "Limit of data events of each stream"
    _default_resolverpoolsize = 64
    "Number of threads that look up host names"
    _default_ulimitn = 32768
    "Raise the limit of open files (ulimit -n) to this number when it is lower"
    _default_logging = None
    "Dictionary for logging.config.dictConfig"
    _default_loggingconfig = None
    "File for logging.config.fileConfig"
    _default_processevents = None
    "Poll the sockets after this many events even when there are more"
    _default_queuedefaultsize = None
    "Limit of events that belong into no sub-queue"
    _default_queuemaxsize = None
    "Limit of all events in the queue"
    _extra_config = ("logging.",)

    def __init__(self) -> None:
        super().__init__()
        self.scheduler = Scheduler(
            DefaultPolling(),
            self.processevents,
            self.queuedefaultsize,
            self.queuemaxsize,
            CBQueue.AutoClassQueue.initHelper("_classname0"),
            DEFAULT_PRIORITY,
        )
        add_sub_queues(self.scheduler.queue, self)
        self.resolver = Resolver(self.scheduler, self.resolverpoolsize)
        self.moduleloader = ModuleLoader(self)
        self.started = False
        self.failures: List[str] = []
        self.announce: Callable[[str], Any] = notify
        self._starter = RoutineContainer(self.scheduler)

    def serve(self) -> int:
        """Start the startup modules and run until everything has ended, or SIGTERM or SIGINT comes.

        :return: exit status: 0, or 1 when no startup module could be started
        """
        raise_file_limit(self.ulimitn)
        if self.debugging:
            logging.getLogger("vlcp.event").setLevel(logging.DEBUG)
        self.resolver.start()
        self.moduleloader.start()
        wanted = self.startup_paths()
        self._starter.subroutine(self._start_all(wanted))
        self._starter.subroutine(self._stop_when_told(), daemon=True)
        self.scheduler.main()
        return 1 if len(self.failures) == len(wanted) else 0

    def startup_paths(self) -> List[str]:
        """Return the loading paths of the startup modules, each once."""
        configured = self.startup
        if isinstance(configured, str):
            configured = (configured,)
        return list(dict.fromkeys(configured)) if configured else _modules_in_main()

    async def _start_all(self, paths: Sequence[str]) -> None:
        if not paths:
            logger.critical("nothing to start: server.startup names no module, the server stops")
        self.failures = [why for why in await self._starter.execute_all([self._try(path) for path in paths]) if why]
        self.started = True
        for unknown in unknown_keys(manager):
            logger.warning("%s", unknown)
        if len(self.failures) == len(paths):
            if paths:
                logger.critical("no startup module is running, the server stops")
            self.scheduler.quit()
            return
        self.announce(READY)
        self._starter.subroutine(self._until_the_end(), daemon=True)

    async def _until_the_end(self) -> None:
        try:
            await StopRequest.createMatcher()
        finally:
            self.announce(STOPPING)

    async def _stop_when_told(self) -> None:
        """At the first signal let the modules say good-bye while everything still works, then quit."""
        await StopRequest.createMatcher()
        farewells = self._starter.execute_all([self._farewell(module) for module in self.moduleloader.active.values()])
        timed_out, _ = await self._starter.execute_with_timeout(_FAREWELL_S, farewells)
        if timed_out:
            logger.warning("modules are not ready to stop after %g s", _FAREWELL_S)
        self.scheduler.quit()

    async def _farewell(self, module: Module) -> None:
        try:
            await module.stopping(self._starter)
        except Exception:
            logger.warning("module %s is not ready to stop", module.get_service_name(), exc_info=True)

    async def _try(self, path: str) -> Optional[str]:
        """Load a startup module; return the reason when that fails."""
        try:
            await self.moduleloader.load_by_path(path)
        except ModuleLoadException as exc:
            logger.error("startup module %s: %s", path, exc)
            return str(exc)
        return None


def _modules_in_main() -> List[str]:
    """Return the loading paths of the module classes that ``__main__`` defines or imports."""
    found = [value for value in vars(sys.modules["__main__"]).values() if isinstance(value, type)]
    base = Module.__module__
    return [cls.get_full_path() for cls in found if issubclass(cls, Module) and cls.__module__ != base]


def main(
    configpath: Optional[str] = None,
    startup: Optional[Sequence[str]] = None,
    daemon: bool = False,
    pidfile: Optional[str] = None,
    fork: Optional[int] = None,
) -> int:
    """Configure and run a server.

    :param configpath: configuration file; None for none
    :param startup: loading paths of startup modules, in the place of ``server.startup``; when both are missing, the
        modules in ``__main__`` are started
    :param daemon: True runs in the background, with the package python-daemon
    :param pidfile: pid file of a daemon
    :param fork: number of processes that each run a server; None or 1 for this process only
    :return: exit status
    :raises OSError: the configuration file or the pid file cannot be used
    :raises ValueError: the configuration is wrong
    """
    if configpath:
        manager.loadfrom(configpath)
    if startup is not None:
        manager["server.startup"] = tuple(startup)
    if daemon:
        if "server.logging" not in manager and "server.loggingconfig" not in manager:
            print("server.logging is not configured: nobody will see what the daemon logs", file=sys.stderr)
        with as_daemon(pidfile):
            return _run(fork)
    return _run(fork)


def _run(fork: Optional[int]) -> int:
    set_up_logging(manager.get("server.logging"), manager.get("server.loggingconfig"))
    if fork is not None and fork > 1:
        return run_workers(fork, _serve, notify)
    return _serve(notify)


def _serve(announce: Callable[[str], Any]) -> int:
    server = Server()
    server.announce = announce
    return server.serve()


__all__: List[Any] = ["Server", "main"]
