"""A module for tests, that reloads modules, or unloads and loads them again, inside the server; also those that answer calls."""

from __future__ import annotations

import gc
import resource
import threading
from collections import Counter

from support.openfiles import open_files

from vlcp.config import defaultconfig
from vlcp.event.runnable import RoutineContainer
from vlcp.server.module import Module, ModuleLoadException, api


@defaultconfig
class Cycler(Module):
    """Does one thing at a time in the background."""

    def __init__(self, server):
        super().__init__(server)
        self._worker = RoutineContainer(self.scheduler)
        self._busy = False
        self._failures = []
        self.create_api(api(self.begin), api(self.done), api(self.counts), api(self.kinds))

    def begin(self, action: str, paths: list, pause: float = 0.0, times: int = 1):
        """Begin to do something with modules one after the other; :meth:`done` tells the end.

        :param action: "reload", or "cycle": unload it with all that depend on it, then load what was loaded before
        :param paths: loading paths
        :param pause: seconds after each
        :param times: how often to go through all paths
        """
        self._busy, self._failures = True, []
        self._worker.subroutine(self._run(getattr(self, "_" + action), paths * times, pause))

    def done(self):
        """Return None while it goes on, then the list of what failed."""
        return None if self._busy else self._failures

    def counts(self):
        """Return how much of everything this process holds."""
        gc.collect()
        scheduler = self.scheduler
        with open("/proc/self/statm") as memory:
            resident = int(memory.read().split()[1]) * resource.getpagesize()
        return {
            "descriptors": len(open_files()),
            "routines": len(scheduler._runnables),
            "matchers": sum(len(matchers) for matchers in scheduler._runnables.values()),
            "timers": len(scheduler._timers),
            "queues": len(scheduler.queue._subqueues),
            "threads": threading.active_count(),
            "objects": len(gc.get_objects()),
            "resident": resident,
        }

    def kinds(self):
        """Return ``{type: number}`` of the objects that this process holds, the most frequent ones."""
        gc.collect()
        found = Counter(f"{type(one).__module__}.{type(one).__qualname__}" for one in gc.get_objects())
        return dict(found.most_common(400))

    async def _run(self, action, paths, pause):
        loader = self.server.moduleloader
        before = {name: module.get_full_path() for name, module in loader.active.items()}
        try:
            for path in paths:
                try:
                    await action(loader, path, before)
                except ModuleLoadException as exc:
                    self._failures.append(f"{path}: {exc}")
                await self._worker.wait_with_timeout(pause)
            now = {name: module.get_full_path() for name, module in loader.active.items()}
            if now != before:
                self._failures.append(f"different modules are loaded: {sorted(before.items() ^ now.items())}")
        finally:
            self._busy = False

    async def _reload(self, loader, path, before):
        await loader.reload_modules([path])

    async def _cycle(self, loader, path, before):
        await loader.unload_by_path(path)
        await self._worker.execute_all([loader.load_by_path(one) for one in before.values()])
