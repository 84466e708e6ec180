"""Handlers that take values of the request as arguments, see :meth:`vlcp.utils.http.Dispatcher.routeargs`."""

from __future__ import annotations

import inspect
from typing import Any, Callable, Dict, Mapping, NamedTuple, Optional

from vlcp.utils._environment import Environment
from vlcp.utils._request import HttpInputException
from vlcp.utils._routes import ArgumentPlan

_FROM_QUERY = (b"GET", b"HEAD")
_SESSION = "sessionvars"


class Reading(NamedTuple):
    """How the arguments of a handler are read."""

    plan: ArgumentPlan
    sources: Dict[str, str]
    "``{argument: attribute of the Environment that has it, or 'sessionvars'}``; others come from form or query"
    tostr: bool
    "values become text"
    formlimit: Optional[int]
    "largest body in bytes; None for no limit"
    csrfarg: Optional[str] = None
    "argument that must carry the session's token; None for no check"


def with_arguments(routinemethod: Callable, reading: Reading) -> Callable[[Environment], Any]:
    """Return a handler ``(env)`` that calls ``routinemethod`` with values of the request."""

    async def handler(env: Environment) -> None:
        plan = reading.plan
        values, found = await _read(env, reading)
        try:
            positional, keywords = plan.bind(env.path_match, found, values)
        except ValueError as error:
            raise HttpInputException(str(error)) from None
        if reading.tostr:
            positional = [None if one is None else one.decode(env.encoding) for one in positional]
        result = routinemethod(env, *positional, **keywords)
        if inspect.isawaitable(result):
            await result

    return handler


async def _read(env: Environment, reading: Reading) -> tuple:
    """Return (values of form or query, ``{argument: where its value is}`` for those with a source of their own).

    :raises HttpInputException: the body or the token is wrong
    """
    await env.parseform(reading.formlimit, reading.tostr)
    if reading.tostr:
        env.argstostr()
        env.cookietostr()
    sources = reading.sources
    values = env.args if env.method in _FROM_QUERY else env.form
    if reading.csrfarg is not None or _SESSION in sources.values():
        await env.sessionstart()
    if reading.csrfarg is not None:
        given = env.args if sources.get(reading.csrfarg) == "args" else values
        env.check_csrf(given.get(reading.csrfarg), reading.csrfarg)
        values = {name: value for name, value in values.items() if name != reading.csrfarg}
    found: Dict[str, Mapping[str, Any]] = {
        name: env.session.vars if source == _SESSION else getattr(env, source)
        for name, source in sources.items()
        if name != reading.csrfarg
    }
    return values, found
