"""A simulated controller: a server with its modules on a scheduler that the simulation turns."""

from __future__ import annotations

from typing import Any, Callable

from support.sim.clockwork import Clockwork
from support.sim.net import Net, SimPoller

from vlcp.config import Configurable
from vlcp.event.core import Scheduler, SystemControlEvent
from vlcp.event.event import Event, withIndices
from vlcp.event.pqueue import CBQueue
from vlcp.event.runnable import RoutineContainer
from vlcp.server._queues import add_sub_queues
from vlcp.server.module import ModuleLoader, ModuleLoadException
from vlcp.server.server import DEFAULT_PRIORITY, Server

SDN = "vlcp.service.sdn"
STARTUP = (
    f"{SDN}.plugins.networkvlandriver.NetworkVlanDriver",
    f"{SDN}.viperflow.ViperFlow",
    f"{SDN}.ioprocessing.IOProcessing",
    f"{SDN}.l2switch.L2Switch",
)
ROUTING = (
    *STARTUP,
    f"{SDN}.plugins.networkvxlandriver.NetworkVxlanDriver",
    f"{SDN}.vxlancast.VXLANCast",
    f"{SDN}.arpresponder.ARPResponder",
    f"{SDN}.icmpresponder.ICMPResponder",
    f"{SDN}.dhcpserver.DHCPServer",
    f"{SDN}.l3router.L3Router",
    f"{SDN}.vrouterapi.VRouterApi",
)
FORWARDING = (*ROUTING, f"{SDN}.plugins.networknativedriver.NetworkNativeDriver")


@withIndices()
class Never(Event):
    """An event that does not happen."""


class SimServer(Server):
    """A server whose scheduler has virtual time, and that has no threads."""

    def __init__(self, host: Controller) -> None:
        Configurable.__init__(self)
        self.host = host
        self.startup = host.startup
        chance = host.clockwork.random
        self.scheduler = Scheduler(
            host.poller,
            chance.choice([1, 3, 20, 512]),
            self.queuedefaultsize,
            self.queuemaxsize,
            CBQueue.AutoClassQueue.initHelper("_classname0"),
            DEFAULT_PRIORITY,
            clock=host.clockwork,
            order=lambda found: chance.sample(found, len(found)),
        )
        add_sub_queues(self.scheduler.queue, self)
        self.moduleloader = ModuleLoader(self)
        self.started = False
        self.failures = []
        self._starter = RoutineContainer(self.scheduler)


class Controller:
    """One controller process.

    :param net: network; its clockwork gives time and chance
    :param database: the shared store
    :param name: of the controller, which devices dial
    :param startup: the modules that it loads
    :param forwards: whether its switches are forwarding nodes
    """

    def __init__(self, net: Net, database: Any, name: str, startup: tuple = STARTUP, forwards: bool = False) -> None:
        self.net, self.database, self.name, self.startup, self.forwards = net, database, name, startup, forwards
        self.clockwork: Clockwork = net.clockwork
        self.alive = False
        self.stopping = self.stopped = False
        #: True while its hypervisors have died with it; ``gone`` when they do not come back
        self.lost = self.gone = False
        self._reloading = 0
        self.failures: list[str] = []
        #: Servers that died; they are kept, so that nothing of them runs a clean-up
        self.graveyard: list = []

    def start(self) -> None:
        """Start the process."""
        self.clockwork.note(self.name, "starts")
        self.poller = SimPoller(self.clockwork)
        self.server = SimServer(self)
        self.scheduler = self.server.scheduler
        self.container = RoutineContainer(self.scheduler)
        self.alive = True
        self.stopping = self.stopped = False
        self._reloading = 0
        self.baseline: Any = None
        self.server.moduleloader.start()
        self.scheduler.emergesend(SystemControlEvent(SystemControlEvent.INIT))
        self.container.subroutine(self._stay())
        self.container.subroutine(self._start())

    async def _stay(self) -> None:
        """Keep the scheduler running when all modules have ended."""
        await Never.createMatcher()

    async def _start(self) -> None:
        await self.container.do_events()
        self.baseline = self.holdings()
        await self.server._start_all(self.startup)
        self.failures += [f"{self.name}: {why}" for why in self.server.failures]

    def wait_s(self) -> float | None:
        """Return the seconds until a turn has something to do; None when only the network can bring it."""
        return 0.0 if self.poller.has_news() else self.scheduler._seconds_to_wait()

    def serves(self) -> bool:
        """Tell whether it takes calls."""
        return self.alive and self.server.started and not self.stopping

    def is_ready(self) -> bool:
        """Tell whether it has nothing to do that must not be disturbed by its end."""
        return self.serves() and not self._reloading

    def turn(self) -> None:
        """Run one turn of the scheduler."""
        self.net.current = self
        try:
            self.scheduler._turn()
        finally:
            self.net.current = None

    def crash(self) -> None:
        """Die at once, without any clean-up."""
        self.clockwork.note(self.name, "crashes")
        self.alive = False
        self.database.notifiers = [one for one in self.database.notifiers if one.module.host is not self]
        self.graveyard.append((self.server, self.container, self.poller))
        self.net.drop_host(self.name)

    async def reload(self, name: str) -> None:
        """Unload a module and load it again."""
        loader = self.server.moduleloader
        module = loader.active.get(name)
        if module is None or module.state != "succeeded":
            return
        self._reloading += 1
        try:
            await loader.unloadmodule(type(module), ignoreDependencies=True)
            await loader.loadmodule(type(module))
        except ModuleLoadException as error:
            self.failures.append(f"{self.name}: reload of {name}: {error}")
        self._reloading -= 1

    def begin_to_stop(self, then: Callable[[], Any]) -> None:
        """Stop in order and end the process; then call a function."""
        self.clockwork.note(self.name, "stops")
        self.stopping = True
        self.container.subroutine(self._stop_and_end(then))

    async def _stop_and_end(self, then: Callable[[], Any]) -> None:
        await self.stop()
        self.clockwork.later(0.0, self._end, self.server, then)

    def _end(self, server: Any, then: Callable[[], Any]) -> None:
        if self.alive and self.server is server:
            self.crash()
            then()

    async def stop(self) -> None:
        """Unload every module in order."""
        loader = self.server.moduleloader
        while loader.active:
            await loader.unloadmodule(type(next(iter(loader.active.values()))))
        self.stopped = True

    def holdings(self) -> dict[str, int]:
        """Count what the process holds on to: what is more than before its modules is a leak."""
        scheduler = self.scheduler
        return {
            "routines": len(scheduler._runnables) - 1,
            "timers": len(scheduler._timers),
            "sockets": len(self.poller.options),
            "events": len(scheduler.queue),
            "blocked": len(scheduler.eventtree),
        }
