"""Loading, unloading and reloading of modules by API (manual 3.2.3, 3.2.4)."""

from __future__ import annotations

import logging
import os
import sys
from typing import Any, Dict, List

from vlcp.config import defaultconfig
from vlcp.server.module import Module, ModuleLoadException, api

logger = logging.getLogger(__name__)


@defaultconfig
class Manager(Module):
    """Manage module loading and unloading; optionally reload modules when their files change."""

    service = False
    _default_autoreload = False
    "Reload modules when their files change"
    _default_checkinterval = 5
    "Seconds between two looks at the files"

    def __init__(self, server: Any) -> None:
        super().__init__(server)
        self._times: Dict[str, float] = {}
        self.apiroutine.main = self._watch  # type: ignore[method-assign]
        self.routines.append(self.apiroutine)
        self.create_api(
            api(self.enableAutoReload),
            api(self.activeModules),
            api(self.reloadmodules, self.apiroutine),
            api(self.loadmodule, self.apiroutine),
            api(self.unloadmodule, self.apiroutine),
            api(self.setloglevel),
        )

    async def _watch(self) -> None:
        """Look at the files of the loaded modules from time to time, while that is enabled."""
        while True:
            if self.autoreload:
                changed = self._changed_paths()
                if changed:
                    await self._reload_changed(changed)
            else:
                self._times.clear()
            await self.apiroutine.wait_with_timeout(self.checkinterval)

    def _changed_paths(self) -> List[str]:
        """Return the loading paths of modules whose file is newer than at the last look."""
        changed = []
        times: Dict[str, float] = {}
        for instance in self.server.moduleloader.active.values():
            source = getattr(sys.modules.get(type(instance).__module__), "__file__", None)
            if source is not None and os.path.exists(source):
                times[source] = os.stat(source).st_mtime
                if times[source] != self._times.get(source, times[source]):
                    changed.append(instance.get_full_path())
        self._times = times
        return changed

    async def _reload_changed(self, paths: List[str]) -> None:
        logger.info("files have changed, reloading %s", ", ".join(paths))
        try:
            await self.server.moduleloader.reload_modules(paths)
        except ModuleLoadException as exc:
            logger.error("automatic reload failed: %s", exc)

    def enableAutoReload(self, enabled: bool = True):
        """Enable or disable the automatic reload.

        :param enabled: True to enable it
        """
        self.autoreload = enabled

    def activeModules(self):
        """Return the loaded modules: ``{name: loading path}``."""
        return {name: instance.get_full_path() for name, instance in self.server.moduleloader.active.items()}

    async def reloadmodules(self, pathlist: [str]):  # type: ignore[valid-type]
        """Reload modules; the modules that depend on them go on running.

        :param pathlist: list of loading paths
        :raises ModuleLoadException: a module cannot be reloaded. When its code cannot be imported, the old code goes on
        """
        await self.server.moduleloader.reload_modules(pathlist)

    async def loadmodule(self, path: str):
        """Load a module and what it depends on.

        :param path: loading path: Python module and class, as in vlcp.service.utils.knowledge.Knowledge
        :raises ModuleLoadException: it cannot be loaded
        """
        await self.server.moduleloader.load_by_path(path)

    async def unloadmodule(self, path: str):
        """Unload a module, the modules that depend on it and services that are not needed any more.

        :param path: loading path: Python module and class, as in vlcp.service.utils.knowledge.Knowledge
        :raises ModuleLoadException: it is not loaded
        """
        await self.server.moduleloader.unload_by_path(path)

    def setloglevel(self, level: str, logger: str = ""):
        """Change how much is logged, until the process ends.

        :param level: DEBUG, INFO, WARNING, ERROR or CRITICAL
        :param logger: name of the logger, usually a Python module or package; empty for all
        :raises ValueError: no such level
        """
        logging.getLogger(logger).setLevel(level.upper())

    activemodules = activeModules
    enableautoreload = enableAutoReload
