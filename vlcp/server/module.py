"""Modules: parts that are loaded and unloaded while the server runs (manual 3.2, 5.5.1).

A module is a class; its name is the class name in lower case, its loading path the import path and the class name::

    @defaultconfig
    @depend(objectdb.ObjectDB)
    class Greeter(Module):
        "Says hello"
        _default_greeting = 'hello'

        def __init__(self, server):
            super().__init__(server)
            self.create_api(api(self.greet))

        def greet(self, who):
            "Return a greeting"
            return '%s %s' % (self.greeting, who)

Modules know each other by name only and talk by :func:`call_api` and :class:`ModuleNotification`.
"""

from __future__ import annotations

import sys
from typing import Any, Callable, Dict, List, Optional, Tuple, TypeVar, Union

from vlcp.config import Configurable, configbase, manager
from vlcp.event.connection import Connection
from vlcp.event.runnable import RoutineContainer
from vlcp.server._api import ModuleAPIHandler, directory_of, serve_calls
from vlcp.server._apidef import (
    ApiDef,
    ModuleAPICall,
    ModuleAPIReply,
    ModuleNotification,
    api,
    create_discover_info,
    get_api_result,
    publicapi,
)
from vlcp.server._calls import batch_call_api, call_api, send_api
from vlcp.server._loader import ModuleLoader, ModuleLoadStateChanged, findModule
from vlcp.server._plan import ModuleLoadException

__all__ = [
    "ApiDef",
    "Module",
    "ModuleAPICall",
    "ModuleAPIHandler",
    "ModuleAPIReply",
    "ModuleLoadException",
    "ModuleLoadStateChanged",
    "ModuleLoader",
    "ModuleNotification",
    "api",
    "batchCallAPI",
    "batch_call_api",
    "callAPI",
    "call_api",
    "create_discover_info",
    "depend",
    "describe_apis",
    "findModule",
    "getAPIResult",
    "get_api_result",
    "offering",
    "proxy",
    "publicapi",
    "send_api",
]

_Class = TypeVar("_Class", bound=type)


def offering(scheduler: Any, name: str) -> List[str]:
    """Return the names of the running modules that have a certain API, as ``metrics``, in the order of their start.

    :param scheduler: the scheduler that the modules run in
    :param name: name of the API
    """
    return directory_of(scheduler).offering(name)


def describe_apis(scheduler: Any) -> Dict[str, Dict[str, Tuple[str, dict]]]:
    """Return what the running modules offer: ``{module: {API: (text, JSON schema of the parameters)}}``.

    Public APIs are those of the module ``public``.

    :param scheduler: the scheduler that the modules run in
    """
    return directory_of(scheduler).describe()


def depend(*args: Any) -> Callable[[_Class], _Class]:
    """Declare that the decorated module needs other modules, which are loaded before it.

    :param args: module classes; those that a parent class depends on are added
    """

    def decorate(cls: _Class) -> _Class:
        inherited = getattr(cls, "depends", ())
        cls.depends = tuple(dict.fromkeys((*inherited, *args)))  # type: ignore[attr-defined]
        return cls

    return decorate


@configbase("module")
class Module(Configurable):
    """A part of the server that can be loaded and unloaded.

    A subclass adds in its ``__init__`` what :meth:`load` is to start: containers of routines to ``routines``,
    connections and servers to ``connections``, APIs with :meth:`create_api`.

    :param server: the :class:`~vlcp.server.server.Server`
    :ivar server: the server
    :ivar scheduler: its scheduler
    :ivar state: one of the states of :class:`ModuleLoadStateChanged`
    :ivar routines: containers whose ``main`` runs while the module is loaded
    :ivar connections: connections and listening sockets that live while the module is loaded
    :ivar apiroutine: container for asynchronous APIs; a module may put one of its own here
    """

    _default_service = False
    "Service modules are unloaded when no module depends on them any more"
    _default_forcestop = True
    "Stop the main routines of all containers of the module when it is unloaded"
    _default_autosuccess = True
    "Change the state to SUCCEEDED when load() has finished"

    depends: Tuple[Any, ...] = ()

    def __init__(self, server: Any) -> None:
        super().__init__()
        self.server = server
        self.scheduler = server.scheduler
        self.target = type(self)
        self.state = ModuleLoadStateChanged.NOTLOADED
        self.routines: List[RoutineContainer] = []
        self.connections: List[Any] = []
        self.apiroutine = RoutineContainer(self.scheduler)
        self.api_handler: Optional[ModuleAPIHandler] = None

    @classmethod
    def get_full_path(cls) -> str:
        """Return the loading path."""
        return f"{cls.__module__}.{cls.__name__}"

    @classmethod
    def get_service_name(cls) -> str:
        """Return the name of the module, which is the target name of calls to it."""
        return getattr(cls, "servicename", cls.__name__.lower())

    @classmethod
    def dependencies(cls) -> Tuple[Any, ...]:
        """Return the classes of the modules that must run before this one.

        :raises ModuleLoadException: a proxy is configured with a path that cannot be imported
        """
        return tuple(cls.depends)

    def create_api(self, *apidefs: Union[ApiDef, tuple]) -> None:
        """Offer APIs. A further call adds to the first.

        :param apidefs: results of :func:`api` and :func:`publicapi`
        """
        if self.api_handler is None:
            self.api_handler = ModuleAPIHandler(self, apidefs)
            self.routines.append(self.api_handler)
        else:
            self.api_handler.registerAPIs(apidefs)

    def append_api(self, *apidefs: Union[ApiDef, tuple]) -> None:
        """Offer further APIs; the same as :meth:`create_api`."""
        self.create_api(*apidefs)

    async def load(self, container: RoutineContainer) -> None:
        """Start the routines and connections of the module.

        :param container: container of the calling routine
        :raises Exception: the module cannot work; it becomes FAILED
        """
        for routines in self.routines:
            if _has_main(routines):
                routines.start()
        for connection in self.connections:
            connection.start()

    async def stopping(self, container: RoutineContainer) -> None:
        """Called when the process is told to end, while all modules still work; it has a few seconds. Nothing is unloaded then.

        :param container: container of the calling routine
        """

    async def unload(self, container: RoutineContainer, force: bool = False) -> None:
        """Stop the routines and connections of the module.

        :param container: container of the calling routine
        :param force: True stops also when ``forcestop`` is off, and resets connections instead of closing them
        """
        if self.api_handler is not None:
            self.api_handler.close()
        if force or self.forcestop:
            for routines in self.routines:
                routines.close()
        for connection in self.connections:
            if isinstance(connection, Connection):
                await connection.shutdown(force)
            else:
                await connection.shutdown()

    async def changestate(self, state: str, container: RoutineContainer) -> None:
        """Come into a state and tell it by :class:`ModuleLoadStateChanged`; nothing happens if it is the present one.

        :param state: one of the states of :class:`ModuleLoadStateChanged`
        :param container: container of the calling routine
        """
        if self.state != state:
            self.state = state
            await container.wait_for_send(ModuleLoadStateChanged(self.target, state, self))

    getFullPath = get_full_path
    getServiceName = get_service_name
    createAPI = create_api
    appendAPI = append_api


def _has_main(container: RoutineContainer) -> bool:
    return "main" in vars(container) or type(container).main is not RoutineContainer.main


class _ProxyModule(Module):
    """A name for whichever module does a job; calls to it go to the module behind it."""

    _default_service = True
    _proxied: Any = None

    def __init__(self, server: Any) -> None:
        super().__init__(server)
        self.apiroutine.main = self._answer_events  # type: ignore[method-assign]
        self.routines.append(self.apiroutine)

    async def _answer_events(self) -> None:
        await serve_calls(self.apiroutine, self.get_service_name())

    @classmethod
    def dependencies(cls) -> Tuple[Any, ...]:
        """Return the class of the module behind the proxy: that of ``proxy.<name>``, else the default."""
        key = f"proxy.{cls.get_service_name()}"
        target = manager.get(key, cls._proxied)
        if target is None:
            raise ModuleLoadException(f"{key} is not configured, and there is no default")
        if isinstance(target, type):
            return (target,)
        try:
            return (findModule(target),)
        except ModuleLoadException as exc:
            raise ModuleLoadException(f"{key}: {exc}") from exc

    async def load(self, container: RoutineContainer) -> None:
        """Let calls to the proxy's name go to the module behind it."""
        directory = directory_of(self.scheduler)
        target = self.dependencies()[0].get_service_name()
        directory.aliases[self.get_service_name()] = directory.aliases.get(target, target)
        await super().load(container)

    async def unload(self, container: RoutineContainer, force: bool = False) -> None:
        """Forget the proxy's name."""
        directory_of(self.scheduler).aliases.pop(self.get_service_name(), None)
        await super().unload(container, force)


def proxy(name: str, default: Any = None) -> Any:
    """Create a proxy module, on which other modules can depend (manual 3.1.2).

    :param name: name of the class; ``proxy.<lower-case name>`` in the configuration is the loading path of the module
        behind it
    :param default: module class or loading path that is used without configuration; None makes the key necessary
    :return: the class
    """
    package = sys._getframe(1).f_globals.get("__name__", __name__)
    return type(name, (_ProxyModule,), {"_proxied": default, "__module__": package, "__doc__": f"Proxy of {name.lower()}"})


callAPI = call_api
batchCallAPI = batch_call_api
getAPIResult = get_api_result
