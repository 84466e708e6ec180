"""Loading, unloading and reloading of modules (manual 3.2.1, 3.2.3, 5.5.1).

The order of things is decided by the pure functions of :mod:`vlcp.server._plan`; this file carries it out.
"""

from __future__ import annotations

import importlib
import logging
import sys
from typing import Any, Dict, List, Optional

from vlcp.event.event import Event, withIndices
from vlcp.event.runnable import RoutineContainer
from vlcp.server import _plan
from vlcp.server._api import directory_of, serve_calls
from vlcp.server._apidef import PUBLIC
from vlcp.server._plan import ModuleLoadException
from vlcp.server._reimport import (
    classes_of,
    describe,
    import_again,
    import_trial,
    repair_references,
    restore,
    snapshot,
)

logger = logging.getLogger(__name__)


@withIndices("module", "state", "instance")
class ModuleLoadStateChanged(Event):
    """A module has come into another state.

    :ivar module: class of the module
    :ivar state: the new state, one of the constants
    :ivar instance: the module
    """

    NOTLOADED = "notloaded"
    LOADING = "loading"
    LOADED = "loaded"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNLOADING = "unloading"
    UNLOADED = "unloaded"


State = ModuleLoadStateChanged


def findModule(path: str, autoimport: bool = True) -> Optional[Any]:
    """Return the module class of a loading path.

    :param path: import path of a Python module, a dot, and the name of the class
    :param autoimport: False looks only at what is imported already
    :return: the class; None when it is not imported and ``autoimport`` is False
    :raises ModuleLoadException: the path cannot be imported, or there is no module class of this name
    """
    package, _, name = path.rpartition(".") if isinstance(path, str) else ("", "", "")
    if not package:
        raise ModuleLoadException(f"not a loading path '<package>.<class>': {path!r}")
    if not autoimport and package not in sys.modules:
        return None
    try:
        namespace = importlib.import_module(package)
    except Exception as exc:
        raise ModuleLoadException(f"cannot import {package!r}: {describe(exc)}") from exc
    found = getattr(namespace, name, None)
    if not isinstance(found, type) or not hasattr(found, "get_full_path"):
        raise ModuleLoadException(f"no module class {name!r} in {package!r}")
    return found


class ModuleLoader(RoutineContainer):
    """Loads and unloads modules; ``server.moduleloader`` of each server.

    :param server: the :class:`~vlcp.server.server.Server`, which is given to the modules
    :ivar active: ``{service name: module}`` of all modules that are not unloaded, failed ones included
    """

    def __init__(self, server: Any) -> None:
        super().__init__(server.scheduler, True)
        self.server = server
        self.active: Dict[str, Any] = {}
        self._starting: Dict[str, Any] = {}
        self._depends: Dict[str, List[str]] = {}
        self._directory = directory_of(self.scheduler)

    async def main(self) -> None:
        """Answer public API calls that come as events."""
        await serve_calls(self, PUBLIC)

    def has_target(self, name: str) -> bool:
        """Tell whether an API call to this target can be answered: a loaded module, a proxy, or ``public``."""
        return self._directory.has_target(name)

    def get_module_by_name(self, targetname: str) -> Any:
        """Return the module that answers a target name; for a proxy the module behind it.

        :raises KeyError: no such module is loaded
        """
        name = self._directory.aliases.get(targetname, targetname)
        if name not in self.active:
            raise KeyError(f"module {targetname!r} is not loaded")
        return self.active[name]

    async def load_by_path(self, path: str) -> Any:
        """Load a module and what it depends on; parameters and results as for :meth:`loadmodule`.

        :param path: loading path
        :raises ModuleLoadException: it cannot be loaded; the text names what failed and why
        """
        return await self.loadmodule(findModule(path))

    async def loadmodule(self, module: Any) -> Any:
        """Load a module and what it depends on, dependencies first and as far as possible at the same time.

        :param module: module class
        :return: the instance; a module that is loaded already is returned at once
        :raises ModuleLoadException: it cannot be loaded; the text names what failed and why
        """
        name = module.get_service_name()
        classes = self._collect(module)
        graph = {one: _dependency_names(cls) for one, cls in classes.items()}
        _plan.load_order([name], graph)
        return await self._ensure(name, classes)

    def _collect(self, module: Any) -> Dict[str, Any]:
        """Return the classes of a module and of everything that it depends on, by name."""
        classes: Dict[str, Any] = {}
        pending = [module]
        while pending:
            cls = pending.pop()
            if not hasattr(cls, "get_service_name"):
                raise ModuleLoadException(f"{module.get_full_path()} depends on {cls!r}, which is no module")
            name = cls.get_service_name()
            known = classes.get(name) or (type(self.active[name]) if name in self.active else None)
            if known is not None and known.get_full_path() != cls.get_full_path():
                raise ModuleLoadException(f"{cls.get_full_path()}: the name {name!r} is in use by {known.get_full_path()}")
            if name not in classes:
                classes[name] = cls
                pending.extend(cls.dependencies())
        return classes

    async def _ensure(self, name: str, classes: Dict[str, Any]) -> Any:
        """Return a module in state SUCCEEDED; start it, or wait for whoever is starting or unloading it."""
        while name in self.active or name in self._starting:
            instance = self.active.get(name)
            if name in self._starting:
                await self._starting[name].wait(self)
            elif instance.state == State.SUCCEEDED:
                return instance
            elif instance.state == State.UNLOADING:
                await State.createMatcher(type(instance), State.UNLOADED, instance)
            else:
                raise ModuleLoadException(f"module {name!r} has failed before and must be unloaded first")
        return await self._start(name, classes)

    async def _start(self, name: str, classes: Dict[str, Any]) -> Any:
        owner = self._directory.expect(name, self.scheduler)
        self._starting[name] = self._directory.expected[name]
        self._depends[name] = _dependency_names(classes[name])
        try:
            await self._start_dependencies(name, classes)
            return await self._run_module(name, classes[name])
        finally:
            del self._starting[name]
            if name not in self.active:
                del self._depends[name]
            if owner:
                self._directory.settle(name)

    async def _start_dependencies(self, name: str, classes: Dict[str, Any]) -> None:
        failures = await self.execute_all([self._attempt(dep, classes) for dep in self._depends[name]])
        reasons = [str(failure) for failure in failures if failure is not None]
        if reasons:
            raise ModuleLoadException(f"module {name!r} needs another that failed: {'; '.join(reasons)}")

    async def _attempt(self, name: str, classes: Dict[str, Any]) -> Optional[ModuleLoadException]:
        try:
            await self._ensure(name, classes)
        except ModuleLoadException as exc:
            return exc
        return None

    async def _run_module(self, name: str, cls: Any) -> Any:
        try:
            instance = cls(self.server)
        except Exception as exc:
            logger.debug("module %s cannot be created", name, exc_info=True)
            raise ModuleLoadException(f"module {name!r} cannot be created: {describe(exc)}") from exc
        self.active[name] = instance
        await instance.changestate(State.LOADING, self)
        try:
            await instance.load(self)
            await self._until_succeeded(instance)
        except Exception as exc:
            logger.debug("module %s cannot be loaded", name, exc_info=True)
            await instance.changestate(State.FAILED, self)
            raise ModuleLoadException(f"module {name!r} cannot be loaded: {describe(exc)}") from exc
        logger.info("module %s is loaded", name)
        return instance

    async def _until_succeeded(self, instance: Any) -> None:
        if instance.state == State.LOADING:
            await instance.changestate(State.LOADED, self)
        if instance.autosuccess and instance.state == State.LOADED:
            await instance.changestate(State.SUCCEEDED, self)
        while instance.state == State.LOADED:
            await State.createMatcher(type(instance), None, instance)
        if instance.state != State.SUCCEEDED:
            raise ModuleLoadException(f"it is {instance.state}")

    async def unload_by_path(self, path: str) -> None:
        """Unload a module as :meth:`unloadmodule` does.

        :param path: loading path
        :raises ModuleLoadException: it is not loaded, or does not stop without an error
        """
        module = findModule(path, False)
        if module is None or module.get_service_name() not in self.active:
            raise ModuleLoadException(f"module {path!r} is not loaded")
        await self.unloadmodule(module)

    async def unloadmodule(self, module: Any, ignoreDependencies: bool = False) -> None:
        """Unload a module; does nothing when it is not loaded.

        The modules that depend on it are unloaded first. Afterwards service modules that nobody depends on any more
        are unloaded.

        :param module: module class
        :param ignoreDependencies: True unloads this module only
        :raises ModuleLoadException: a module did not stop without an error; all are unloaded nevertheless
        """
        name = module.get_service_name()
        names = await self._settled_order(name, {} if ignoreDependencies else self._depends)
        released = {dep for gone in names for dep in self._depends.get(gone, ())}
        failures = await self._stop_all(names)
        if not ignoreDependencies:
            services = [one for one, found in self.active.items() if found.service and one not in self._starting]
            failures += await self._stop_all(_plan.idle_services(self._depends, services, released))
        if failures:
            raise ModuleLoadException("; ".join(failures))

    async def _settled_order(self, name: str, depends: Dict[str, List[str]]) -> List[str]:
        """Return what to unload with a module, as soon as nothing of it is just starting."""
        while True:
            names = _plan.unload_order([name], depends) or [name]
            starting = next((one for one in names if one in self._starting), None)
            if starting is None:
                return names
            await self._starting[starting].wait(self)

    async def _stop_all(self, names: List[str]) -> List[str]:
        """Stop modules in this order, or wait for whoever is stopping them; return the reasons of failures."""
        present = [name for name in names if name in self.active]
        claimed = [name for name in present if self.active[name].state != State.UNLOADING]
        for name in claimed:
            await self.active[name].changestate(State.UNLOADING, self)
        failures = []
        for name in present:
            if name not in claimed:
                await self._until_gone(name)
                continue
            for user in [one for one, needed in self._depends.items() if name in needed]:
                await self._until_gone(user)
            failures.append(await self._stop(name))
        return [failure for failure in failures if failure is not None]

    async def _until_gone(self, name: str) -> None:
        """Wait for the end of a module that somebody is stopping; return at once for any other."""
        instance = self.active.get(name)
        if instance is not None and instance.state == State.UNLOADING:
            await State.createMatcher(type(instance), State.UNLOADED, instance)

    async def _stop(self, name: str) -> Optional[str]:
        """Stop one module and return the reason if that went wrong."""
        instance = self.active[name]
        try:
            await instance.unload(self)
        except Exception as exc:
            logger.warning("module %s did not stop without an error", name, exc_info=True)
            return f"module {name!r} did not stop without an error: {describe(exc)}"
        finally:
            self.active.pop(name, None)
            self._depends.pop(name, None)
            await instance.changestate(State.UNLOADED, self)
            logger.info("module %s is unloaded", name)
        return None

    async def reload_modules(self, pathlist: List[str]) -> None:
        """Unload modules, import their files again and load them, without touching the modules that depend on them.

        All modules in the same files are reloaded together. Their files are imported beside the loaded code first:
        when one cannot be imported, everything stays loaded as it is. When a module of the new code cannot be loaded, all
        are loaded with the old code again. Calls to the modules wait meanwhile.

        :param pathlist: loading paths
        :raises ModuleLoadException: something cannot be reloaded; the text has one line for each
        """
        for future in list(self._starting.values()):
            await future.wait(self)
        files = {instance.get_full_path(): type(instance).__module__ for instance in self.active.values()}
        unknown = [f"module {path!r} is not loaded" for path in pathlist if path not in files]
        if unknown:
            raise ModuleLoadException("\n".join(unknown))
        paths = _plan.reload_set(pathlist, files)
        names = [name for name, instance in self.active.items() if instance.get_full_path() in paths]
        stop = _plan.reversed_order(names, self._depends)
        start = {name: self.active[name].get_full_path() for name in reversed(stop)}
        sources = list(dict.fromkeys(files[path] for path in start.values()))
        needed = {source: [path.rpartition(".")[2] for path in start.values() if files[path] == source] for source in sources}
        errors = import_trial(needed)
        if errors:
            raise ModuleLoadException("\n".join(f"cannot import {name!r}: {why}" for name, why in errors.items()))
        expected = [name for name in stop if self._directory.expect(name, self.scheduler)]
        try:
            failures = await self._exchange(stop, start, sources)
        finally:
            for name in expected:
                self._directory.settle(name)
        if failures:
            raise ModuleLoadException("\n".join(failures))

    async def _exchange(self, stop: List[str], start: Dict[str, str], sources: List[str]) -> List[str]:
        """Stop modules, import their files again and start them; return the reasons of failures.

        When they cannot be started, start the old code again.
        """
        failures = await self._stop_all(stop)
        kept = snapshot(sources)
        wrong = _import_all(sources) or await self._load_all(start)
        if not wrong:
            return failures
        logger.error("the old code is loaded again: %s", "; ".join(wrong))
        failures += wrong + await self._stop_all(stop)
        restore(kept)
        return failures + await self._load_all(start)

    async def _load_all(self, start: Dict[str, str]) -> List[str]:
        """Load modules by their loading paths; return the reasons of failures."""
        failures = []
        for path in start.values():
            try:
                await self.load_by_path(path)
            except ModuleLoadException as exc:
                failures.append(str(exc))
        return failures

    loadByPath = load_by_path
    unloadByPath = unload_by_path
    reloadModules = reload_modules
    getModuleByName = get_module_by_name


def _import_all(sources: List[str]) -> List[str]:
    """Import files again and let everybody hold the new classes; return the reasons of failures."""
    failures = []
    before = [cls for source in sources for cls in classes_of(source)]
    for source in sources:
        try:
            import_again(source)
        except Exception as exc:
            failures.append(f"cannot import {source!r}: {describe(exc)}")
    after = {cls: getattr(sys.modules[cls.__module__], cls.__name__, cls) for cls in before}
    repair_references({cls: new for cls, new in after.items() if isinstance(new, type) and new is not cls})
    return failures


def _dependency_names(cls: Any) -> List[str]:
    return [dep.get_service_name() for dep in cls.dependencies()]
