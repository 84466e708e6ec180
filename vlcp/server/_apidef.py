"""What an API call is made of: its events and the definition of an API (manual 3.2.2, 5.5.1)."""

from __future__ import annotations

import inspect
from typing import Any, Callable, NamedTuple, Optional

from vlcp.event.event import Event, withIndices
from vlcp.event.runnable import RoutineContainer
from vlcp.utils.typelib import ApiSignature

PUBLIC = "public"


@withIndices("target", "name")
class ModuleNotification(Event):
    """A module tells everybody that something happened.

    :ivar target: service name of the module
    :ivar name: what happened; further attributes depend on it
    """


@withIndices("handle", "target", "name")
class ModuleAPICall(Event):
    """Somebody calls an API. Whoever answers sets ``canignore`` and sends a :class:`ModuleAPIReply`.

    :ivar handle: any object; the reply carries the same
    :ivar target: service name of the called module, or ``public``
    :ivar name: name of the API
    :ivar params: ``{parameter: value}``
    """

    canignore = False


@withIndices("handle")
class ModuleAPIReply(Event):
    """Answer of an API; has either ``result`` or ``exception``."""


class ApiDef(NamedTuple):
    """One API of a module, as :func:`api` and :func:`publicapi` make it."""

    name: str
    "name of the API; that of a public one begins with ``public/``"
    handler: Callable[[str, dict], Any]
    "called with the name and the parameters; returns the result or an awaitable"
    container: Optional[RoutineContainer] = None
    "where an asynchronous API runs; None for a function that returns its result"
    discoverinfo: Optional[dict] = None
    "what ``discover`` shows"
    criteria: Optional[Callable[[dict], bool]] = None
    "takes the parameters and tells whether this definition answers the call; None always does"


class _Arguments(NamedTuple):
    """The parameters of one call, checked by :class:`ApiSignature` before the function runs."""

    func: Callable
    signature: ApiSignature

    def __call__(self, name: str, params: dict) -> Any:
        return self.func(**self.signature.check(params))


def create_discover_info(func: Callable) -> dict:
    """Return what ``discover`` shows with details for a function: its text, parameters and types."""
    return _describe(func, ApiSignature(func))


def _describe(func: Callable, signature: ApiSignature) -> dict:
    return {"description": inspect.getdoc(func) or "", **signature.describe()}


def api(func: Callable, container: Optional[RoutineContainer] = None, criteria: Optional[Callable] = None) -> ApiDef:
    """Return the definition of an API with the lower-case name of a function.

    :param func: function or bound method; its annotations are checked at each call
    :param container: None for a function that returns its result; else ``func`` is an async function and its routine
        runs in this container
    :param criteria: None, or a function called with the parameters of a call as keywords, which tells whether this
        definition answers; so several definitions may share a name
    """
    signature = ApiSignature(func, criteria)
    accepts = None if criteria is None else signature.accepts
    return ApiDef(func.__name__.lower(), _Arguments(func, signature), container, _describe(func, signature), accepts)


def publicapi(func: Callable, container: Optional[RoutineContainer] = None, criteria: Optional[Callable] = None) -> ApiDef:
    """Return the definition of a public API, which is called with the target name ``public``.

    Parameters are those of :func:`api`. The first module whose criteria take the call answers it.
    """
    definition = api(func, container, criteria)
    return definition._replace(name=f"{PUBLIC}/{definition.name}")


def get_api_result(event: ModuleAPIReply) -> Any:
    """Return the result that a reply carries.

    :raises Exception: the exception that the reply carries
    """
    exception = getattr(event, "exception", None)
    if exception is not None:
        raise exception
    return event.result
