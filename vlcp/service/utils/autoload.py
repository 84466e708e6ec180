"""Loading of whatever modules a package contains (manual 3.2.4, 5.6.6)."""

from __future__ import annotations

import importlib
import logging
import pkgutil
from typing import Any, List

from vlcp.config import defaultconfig
from vlcp.event.runnable import RoutineContainer
from vlcp.server.module import Module, ModuleLoadException, ModuleLoadStateChanged

logger = logging.getLogger(__name__)


def module_classes(package: str) -> List[Any]:
    """Return the module classes that the Python modules of a package define, sorted by path.

    Private Python modules are left out; one that cannot be imported is logged and left out.

    :param package: import name
    :raises ImportError: the package itself cannot be imported
    """
    found = []
    for info in pkgutil.iter_modules(importlib.import_module(package).__path__, package + "."):
        if info.name.rpartition(".")[2].startswith("_"):
            continue
        try:
            namespace = importlib.import_module(info.name)
        except (ImportError, SyntaxError, ValueError, TypeError, NameError, AttributeError) as exc:
            logger.error("cannot import %s: %s: %s", info.name, type(exc).__name__, exc)
            continue
        found += [cls for cls in vars(namespace).values() if _is_defined_there(cls, info.name)]
    return sorted(found, key=lambda cls: cls.get_full_path())


def _is_defined_there(cls: Any, name: str) -> bool:
    return isinstance(cls, type) and issubclass(cls, Module) and cls.__module__ == name


@defaultconfig
class AutoLoad(Module):
    """Load all modules of some packages: the network drivers by default."""

    autosuccess = False
    _default_autoloadpackages = ("vlcp.service.sdn.plugins",)
    "Packages whose modules are loaded"

    def __init__(self, server: Any) -> None:
        super().__init__(server)
        self.loaded: List[Any] = []

    async def load(self, container: RoutineContainer) -> None:
        """Load the modules; one that fails is logged and does not stop the others."""
        await super().load(container)
        for package in self.autoloadpackages:
            try:
                classes = module_classes(package)
            except ImportError as exc:
                logger.error("module.autoload.autoloadpackages: cannot import %s: %s", package, exc)
                continue
            for cls in classes:
                await self._load_one(cls)
        await self.changestate(ModuleLoadStateChanged.SUCCEEDED, container)

    async def _load_one(self, cls: Any) -> None:
        try:
            await self.server.moduleloader.loadmodule(cls)
        except ModuleLoadException as exc:
            logger.error("cannot load %s: %s", cls.get_full_path(), exc)
        else:
            self.loaded.append(cls)

    async def unload(self, container: RoutineContainer, force: bool = False) -> None:
        """Unload the modules that this one has loaded."""
        await super().unload(container, force)
        while self.loaded:
            await self.server.moduleloader.unloadmodule(self.loaded.pop())
