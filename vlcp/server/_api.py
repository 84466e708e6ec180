"""Who answers the API calls of one scheduler: the directory of targets and the handler of a module (manual 3.2.2).

When the module that is called has a running :class:`ModuleAPIHandler` in the same scheduler, :func:`carry_out` starts
its function at once, and only a function that has to wait answers by a :class:`ModuleAPIReply`.
A :class:`ModuleAPICall` that somebody sends is answered too.
"""

from __future__ import annotations

import inspect
from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple
from weakref import WeakKeyDictionary

from vlcp.event.future import Future
from vlcp.event.runnable import RoutineContainer
from vlcp.server._apidef import PUBLIC, ApiDef, ModuleAPICall, ModuleAPIReply, api, get_api_result
from vlcp.utils.exceptions import APINotFoundException, APIRejectedException, ModuleAPICallTimeoutException


class ApiDirectory:
    """Who answers which target name in one scheduler.

    :ivar handlers: ``{service name: handler}`` of the running modules, in the order of their start
    :ivar aliases: ``{proxy name: service name of the module behind it}``
    :ivar expected: ``{service name: future}`` of modules that are being loaded; the future is done when they run or
        have failed
    """

    def __init__(self) -> None:
        self.handlers: Dict[str, ModuleAPIHandler] = {}
        self.aliases: Dict[str, str] = {}
        self.expected: Dict[str, Future] = {}

    def expect(self, name: str, scheduler: Any) -> bool:
        """Let calls to a module wait until :meth:`settle`; return False when they do already."""
        if name in self.expected:
            return False
        self.expected[name] = Future(scheduler)
        return True

    def settle(self, name: str) -> None:
        """Let the calls to a module go on that wait since :meth:`expect`."""
        self.expected.pop(name).set_result(None)

    def expectation(self, target: str) -> Optional[Future]:
        """Return the future to wait for before calling a target, None when it is not being loaded."""
        return self.expected.get(target) or self.expected.get(self.aliases.get(target, target))

    def has_target(self, name: str) -> bool:
        """Tell whether a module or proxy answers under this name, or will when it is loaded; ``public`` always does."""
        real = self.aliases.get(name, name)
        return name == PUBLIC or real in self.handlers or real in self.expected or name in self.expected

    def offering(self, name: str) -> List[str]:
        """Return the service names of the running modules that have an API of this name, in the order of their start."""
        return [target for target, handler in self.handlers.items() if handler.definitions(name)]

    def describe(self) -> Dict[str, Dict[str, Tuple[str, dict]]]:
        """Return ``{service name: {API: (text, JSON schema of the parameters)}}``, with public APIs under ``public``."""
        found: Dict[str, Dict[str, Tuple[str, dict]]] = {}
        for target, handler in self.handlers.items():
            for name, described in handler.describe().items():
                public = name.startswith(PUBLIC + "/")
                found.setdefault(PUBLIC if public else target, {})[name.rpartition("/")[2]] = described
        return found

    def find(self, target: str, name: str, params: dict) -> Optional[Tuple[ModuleAPIHandler, ApiDef]]:
        """Return the handler and the definition that answer a call; None if no running handler is responsible.

        :raises APINotFoundException: the target is not loaded or has no such API
        :raises APIRejectedException: no definition takes a call with these parameters
        """
        if target == PUBLIC:
            return self._find_public(name, params)
        handler = self.handlers.get(self.aliases.get(target, target))
        if handler is None:
            if self.has_target(target):
                return None
            raise APINotFoundException(f"no module {target!r} is loaded")
        definition = handler.choose(name, params)
        if definition is None:
            if not handler.rejectunknown:
                return None
            raise APINotFoundException(f"module {target!r} has no API {name!r}")
        return handler, definition

    def _find_public(self, name: str, params: dict) -> Tuple[ModuleAPIHandler, ApiDef]:
        full, known = f"{PUBLIC}/{name}", False
        for handler in self.handlers.values():
            for definition in handler.definitions(full):
                known = True
                if definition.criteria is None or definition.criteria(params):
                    return handler, definition
        if known:
            raise APIRejectedException(f"no module takes the public API {name!r} with these parameters")
        raise APINotFoundException(f"no module has the public API {name!r}")


_directories: WeakKeyDictionary[Any, ApiDirectory] = WeakKeyDictionary()


def directory_of(scheduler: Any) -> ApiDirectory:
    """Return the directory of a scheduler; there is one for each."""
    directory = _directories.get(scheduler)
    if directory is None:
        directory = _directories[scheduler] = ApiDirectory()
    return directory


class _Pending:
    """A started API function; handle of its :class:`ModuleAPIReply`."""

    __slots__ = ("reply", "awaited", "__weakref__")

    def __init__(self) -> None:
        self.reply: Optional[ModuleAPIReply] = None
        self.awaited = False


class ModuleAPIHandler(RoutineContainer):
    """Answers the API calls to one module.

    :param moduleinst: the module; has ``scheduler`` and ``get_service_name()``
    :param apidefs: iterable of :class:`ApiDef` or None
    :param allowdiscover: True adds the API ``discover``
    :param rejectunknown: True answers a call of an unknown API with :class:`APINotFoundException`; False leaves it
        to other routines that wait for :class:`ModuleAPICall`
    """

    def __init__(
        self,
        moduleinst: Any,
        apidefs: Optional[Iterable[tuple]] = None,
        allowdiscover: bool = True,
        rejectunknown: bool = True,
    ) -> None:
        super().__init__(moduleinst.scheduler)
        self.servicename = moduleinst.get_service_name()
        self.rejectunknown = rejectunknown
        self._definitions: Dict[str, List[ApiDef]] = {}
        self.registerAPIs(apidefs or ())
        if allowdiscover:
            self.registerAPIs([api(self.discover)])

    @staticmethod
    def createReply(handle: Any, result: Any) -> ModuleAPIReply:
        """Return the reply event with a result."""
        return ModuleAPIReply(handle, result=result)

    @staticmethod
    def createExceptionReply(handle: Any, exception: BaseException) -> ModuleAPIReply:
        """Return the reply event with an exception."""
        return ModuleAPIReply(handle, exception=exception)

    def registerAPIs(self, apidefs: Iterable[tuple]) -> None:
        """Register definitions, each a tuple of up to five fields as in :class:`ApiDef`."""
        for definition in apidefs:
            self.registerAPI(*definition)

    def registerAPI(
        self,
        name: str,
        handler: Callable[[str, dict], Any],
        container: Optional[RoutineContainer] = None,
        discoverinfo: Optional[dict] = None,
        criteria: Optional[Callable[[dict], bool]] = None,
    ) -> None:
        """Register one API; parameters as in :class:`ApiDef`.

        Definitions with criteria are asked in the order of registration, then one without. A second one without
        replaces the first.
        """
        definition = ApiDef(name, handler, container, discoverinfo, criteria)
        asked = [one for one in self.definitions(name) if one.criteria is not None]
        last = [one for one in self.definitions(name) if one.criteria is None]
        self._definitions[name] = [*asked, definition] if criteria is None else [*asked, definition, *last]

    def unregisterAPI(self, name: str) -> None:
        """Remove all definitions of an API.

        :raises KeyError: there is none
        """
        del self._definitions[name]

    def definitions(self, name: str) -> List[ApiDef]:
        """Return the definitions of an API in the order in which they are asked."""
        return self._definitions.get(name, [])

    def describe(self) -> Dict[str, Tuple[str, dict]]:
        """Return ``{API: (text, JSON schema of the parameters)}``; of several definitions the first."""
        described = {}
        for name, (first, *_) in self._definitions.items():
            signature = getattr(first.handler, "signature", None)
            schema = {"type": "object"} if signature is None else signature.json_schema()
            described[name] = ((first.discoverinfo or {}).get("description", ""), schema)
        return described

    def choose(self, name: str, params: dict) -> Optional[ApiDef]:
        """Return the definition that answers a call, None if there is no such API.

        :raises APIRejectedException: the API exists, but takes no call with these parameters
        """
        found = self._definitions.get(name)
        if found is None:
            return None
        for definition in found:
            if definition.criteria is None or definition.criteria(params):
                return definition
        raise APIRejectedException(f"API {self.servicename}/{name} does not take these parameters")

    def discover(self, details=False):  # noqa: ANN001 - an annotation would be checked
        """Return the APIs of this module and their texts.

        :param details: true shows parameters too; the string ``false`` in any case counts as false
        :return: ``{name: text}``, with details ``{name: information}``
        """
        if isinstance(details, str) and details.lower() == "false":
            details = False
        infos = {name: found[0].discoverinfo or {} for name, found in self._definitions.items()}
        return infos if details else {name: info.get("description", "") for name, info in infos.items()}

    def reject(self, name: str, args: dict) -> None:
        """Refuse a call: a handler function for names that are not to be offered.

        :raises APIRejectedException: always
        """
        raise APIRejectedException(f"API {self.servicename}/{name} is not available")

    def start(self, asyncStart: bool = False) -> None:
        """Answer calls from now on."""
        directory_of(self.scheduler).handlers[self.servicename] = self
        super().start(asyncStart)

    def close(self) -> None:
        """Stop answering calls; started functions run to their end."""
        handlers = directory_of(self.scheduler).handlers
        if handlers.get(self.servicename) is self:
            del handlers[self.servicename]
        super().close()

    async def main(self) -> None:
        """Answer the calls that come as events."""
        await serve_calls(self, self.servicename, lambda call: self.rejectunknown or call.name in self._definitions)

    async def finish(self, awaitable: Any, pending: _Pending) -> None:
        """Wait for the result of an API function and keep it; send it when the caller waits already."""
        reply = self.createExceptionReply(pending, APIRejectedException(f"module {self.servicename!r} was stopped"))
        try:
            reply = self.createReply(pending, await awaitable)
        except Exception as exc:
            reply = self.createExceptionReply(pending, exc)
        finally:
            pending.reply = reply
            if pending.awaited:
                self.scheduler.emergesend(reply)


async def carry_out(
    container: RoutineContainer,
    handler: ModuleAPIHandler,
    definition: ApiDef,
    name: str,
    params: dict,
    timeout: Optional[float],
) -> Any:
    """Run an API function and return its result.

    A function that waits does so in a routine of its own, which goes on when the caller is stopped.

    :param container: container of the caller
    :param handler: the handler that offers the API
    :param definition: the definition that takes the call
    :param name: name of the API
    :param params: parameters, not checked yet
    :param timeout: seconds to wait for the result; None waits for ever
    :raises ModuleAPICallTimeoutException: there is no result after this time
    :raises Exception: what the check of the parameters or the function raised
    """
    result = definition.handler(name, params)
    if not inspect.isawaitable(result):
        return result
    pending = _Pending()
    (definition.container or handler).subroutine(handler.finish(result, pending), False)
    if pending.reply is not None:
        return get_api_result(pending.reply)
    pending.awaited = True
    matcher = ModuleAPIReply.createMatcher(pending)
    try:
        timed_out, reply, _ = await container.wait_with_timeout(timeout, matcher)
    finally:
        pending.awaited = False
    if timed_out:
        raise ModuleAPICallTimeoutException(f"{handler.servicename}/{name} has not answered in {timeout:g} s")
    return get_api_result(reply)


async def serve_calls(
    container: RoutineContainer, target: str, wanted: Callable[[ModuleAPICall], bool] = lambda call: True
) -> None:
    """Answer :class:`ModuleAPICall` events to a target until the routine is stopped.

    :param container: container of this routine
    :param target: a service name, the name of a proxy, or ``public``
    :param wanted: tells whether to answer a call; one that is not answered is left to others
    """
    matcher = ModuleAPICall.createMatcher(target=target)
    while True:
        call = await matcher
        if not call.canignore and wanted(call):
            call.canignore = True
            container.subroutine(_answer(container, call), False)


async def _answer(container: RoutineContainer, call: ModuleAPICall) -> None:
    params = getattr(call, "params", {})
    try:
        found = directory_of(container.scheduler).find(call.target, call.name, params)
        if found is None:
            raise APINotFoundException(f"module {call.target!r} has no API {call.name!r}")
        result = await carry_out(container, *found, call.name, params, None)
    except Exception as exc:
        reply = ModuleAPIHandler.createExceptionReply(call.handle, exc)
    else:
        reply = ModuleAPIHandler.createReply(call.handle, result)
    await container.wait_for_send(reply)
