"""Serving HTTP requests by path: :class:`Dispatcher`, :class:`HttpHandler`, :class:`Environment` (manual 5.7.9).

A handler is an async function that takes an :class:`Environment`::

    class Hello(HttpHandler):
        @HttpHandler.route(b"/hello")
        async def hello(self, env):
            env.outputdata(b"Hello")
"""

from __future__ import annotations

import functools
import re
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple
from urllib.parse import quote_from_bytes, unquote_to_bytes

from vlcp.event.runnable import EventHandler, RoutineContainer
from vlcp.protocol.http import HttpRequestEvent, servers_of
from vlcp.utils._arguments import Reading, with_arguments
from vlcp.utils._cookies import cookie_line, parse_cookies
from vlcp.utils._environment import Environment
from vlcp.utils._forms import unquote_plus_to_bytes
from vlcp.utils._request import HttpExitException, HttpInputException, HttpRewriteLoopException
from vlcp.utils._routes import ArgumentPlan, Route, RouteTable, expand, host_name, method_set
from vlcp.utils._serving import begin, serve, serve_event

__all__ = [
    "Dispatcher",
    "Environment",
    "HttpExitException",
    "HttpHandler",
    "HttpInputException",
    "HttpRewriteLoopException",
    "cookie_line",
    "host_name",
    "http",
    "parse_cookies",
    "statichttp",
    "unquote_plus_to_bytes",
]

_GET = [b"GET", b"HEAD"]
_POST = [b"POST"]


class Dispatcher(EventHandler):
    """Gives requests to the handlers of their paths.

    Paths are regular expressions that must match the whole decoded path; the first route that fits serves. A request that
    no dispatcher has a route for is answered with 404 by the protocol.

    :param scheduler: the scheduler; None to call ``bind`` later
    :param daemon: the scheduler does not wait for its end
    :param vhost: name of the server's virtual host whose requests are served
    """

    def __init__(self, scheduler: Any = None, daemon: bool = False, vhost: str = "") -> None:
        super().__init__(scheduler, daemon)
        self.vhost = vhost
        self._tables: Dict[str, RouteTable] = {}
        matcher = HttpRequestEvent.createMatcher(_ismatch=lambda event: self._find(event) is not None)
        self.registerHandler(matcher, lambda event, scheduler: self._offer(event))
        if scheduler is not None:
            self._serve(scheduler)

    def bind(self, scheduler: Any) -> None:
        """Set the scheduler, and serve its requests from now on."""
        super().bind(scheduler)
        self._serve(scheduler)

    def _serve(self, scheduler: Any) -> None:
        servers = servers_of(scheduler)
        if self._offer not in servers:
            servers.append(self._offer)

    def close(self) -> None:
        """Serve no more requests."""
        if self.scheduler is not None and self._offer in servers_of(self.scheduler):
            servers_of(self.scheduler).remove(self._offer)
        super().close()

    def _find(self, event: HttpRequestEvent) -> Any:
        table = self._tables.get(event.createby.vhost)
        if table is None or event.canignore:
            return None
        path, _, _ = event.path.partition(b"?")
        return table.find(event.host, unquote_to_bytes(path) if b"%" in path else path, event.method)

    def _offer(self, event: HttpRequestEvent) -> bool:
        """Serve a request if there is a route for it; return whether there is one."""
        found = self._find(event)
        if found is None:
            return False
        event.canignore = True
        route, match = found
        route.serve(event, match)
        return True

    def _add(self, path: Any, start: Callable, host: Any, vhost: Optional[str], method: Any) -> None:
        pattern = re.compile(path.encode("utf-8") if isinstance(path, str) else path)
        wanted = host.encode("ascii") if isinstance(host, str) else host
        table = self._tables.setdefault(self.vhost if vhost is None else vhost, RouteTable())
        table.add(path, Route(pattern, wanted, method_set(method), start))

    def routeevent(
        self,
        path: Any,
        routinemethod: Callable,
        container: Optional[RoutineContainer] = None,
        host: Any = None,
        vhost: Optional[str] = None,
        method: Any = _GET,
    ) -> None:
        """Serve a path with ``routinemethod(event)``, a coroutine that answers the :class:`HttpRequestEvent` itself.

        :param path: pattern, bytes or text
        :param container: where the routine runs; None for the object of a bound method, else the connection
        :param host: only requests with this Host header; None for all
        :param vhost: name of the virtual host; None for that of this dispatcher
        :param method: a method or several; None for all
        """
        home = _home(routinemethod, container)

        def start(event: HttpRequestEvent, match: Any) -> None:
            begin(home or event.connection, serve_event(event, routinemethod))

        self._add(path, start, host, vhost, method)

    def route(
        self,
        path: Any,
        routinemethod: Callable,
        container: Optional[RoutineContainer] = None,
        host: Any = None,
        vhost: Optional[str] = None,
        method: Any = _GET,
    ) -> None:
        """Serve a path with ``routinemethod(env)``; parameters as in :meth:`routeevent`."""
        home = _home(routinemethod, container)

        def start(event: HttpRequestEvent, match: Any) -> None:
            env = Environment(event, home)
            env.path_match = match
            begin(env.container, serve(env, routinemethod))

        self._add(path, start, host, vhost, method)

    def routeargs(
        self,
        path: Any,
        routinemethod: Callable,
        container: Optional[RoutineContainer] = None,
        host: Any = None,
        vhost: Optional[str] = None,
        method: Any = _POST,
        tostr: bool = True,
        matchargs: Sequence[Any] = (),
        fileargs: Sequence[str] = (),
        queryargs: Sequence[str] = (),
        cookieargs: Sequence[str] = (),
        sessionargs: Sequence[str] = (),
        csrfcheck: bool = False,
        csrfarg: str = "_csrf",
        formlimit: Optional[int] = 67108864,
    ) -> None:
        """Serve a path with ``routinemethod(env, ...)``, which takes values of the request as arguments.

        They come from the form, or for a method without a body from the query; a missing one without a default is answered
        with 400, others are ignored unless the handler takes ``**kwargs``.

        :param tostr: arguments are text, not bytes
        :param matchargs: groups of the path: numbers are passed by position, names by keyword
        :param fileargs: arguments that are uploaded files
        :param queryargs: arguments from the query also for a form
        :param cookieargs: arguments from cookies
        :param sessionargs: arguments from the session's variables, which the module ``session`` keeps
        :param csrfcheck: refuse with 403 what does not carry the token of :meth:`Environment.createcsrf`
        :param csrfarg: argument with the token; it is not passed to the handler
        :param formlimit: largest form in bytes; None for no limit
        """
        sources = {**dict.fromkeys(fileargs, "files"), **dict.fromkeys(queryargs, "args"), **dict.fromkeys(cookieargs, "cookies")}
        sources.update(dict.fromkeys(sessionargs, "sessionvars"))
        reading = Reading(ArgumentPlan(routinemethod, matchargs), sources, tostr, formlimit, csrfarg if csrfcheck else None)
        self.route(path, with_arguments(routinemethod, reading), _home(routinemethod, container), host, vhost, method)

    @classmethod
    def expand(cls, match: Any, expand: Any) -> bytes:
        r"""Return a path or location with the groups of a match put in, quoted so that they are not decoded twice.

        :param match: match of the decoded path
        :param expand: text with ``\1`` or ``\g<name>``
        """
        return _expand(match, expand.encode("utf-8") if isinstance(expand, str) else expand, _quote)

    def rewrite(
        self,
        path: Any,
        expand: Any,
        newmethod: Optional[bytes] = None,
        host: Any = None,
        vhost: Optional[str] = None,
        method: Any = _GET,
        keepquery: bool = True,
    ) -> None:
        r"""Serve a path by the handler of another one.

        :param expand: the other path, ``\1`` stands for the first group of ``path``; or a function of the match
        :param newmethod: method of the rewritten request; None keeps it
        :param keepquery: append the query string
        """

        async def handler(env: Environment) -> None:
            await env.rewrite(self._target(env, expand, keepquery), newmethod)

        self.route(path, handler, None, host, vhost, method)

    def redirect(
        self,
        path: Any,
        expand: Any,
        status: int = 302,
        host: Any = None,
        vhost: Optional[str] = None,
        method: Any = _GET,
        keepquery: bool = True,
    ) -> None:
        """Send clients from one path to another location; parameters as in :meth:`rewrite`."""

        async def handler(env: Environment) -> None:
            await env.redirect(self._target(env, expand, keepquery), status)

        self.route(path, handler, None, host, vhost, method)

    def _target(self, env: Environment, expand: Any, keepquery: bool) -> bytes:
        target = expand(env.path_match) if callable(expand) else self.expand(env.path_match, expand)
        if keepquery and env.querystring:
            target += (b"&" if b"?" in target else b"?") + env.querystring
        return target


_expand = expand


def _quote(value: bytes) -> bytes:
    return quote_from_bytes(value, safe="/").encode("ascii")


def _home(method: Callable, container: Optional[RoutineContainer]) -> Optional[RoutineContainer]:
    if container is not None:
        return container
    owner = getattr(method, "__self__", None)
    return owner if isinstance(owner, RoutineContainer) else None


class HttpHandler(RoutineContainer):
    """A container whose methods serve paths; they are marked with the decorators below.

    :param scheduler: the scheduler; None to call ``bind`` before :meth:`start`
    :param daemon: the scheduler does not wait for its end
    :param vhost: name of the server's virtual host whose requests are served
    """

    def __init__(self, scheduler: Any = None, daemon: bool = False, vhost: str = "") -> None:
        super().__init__(scheduler, daemon)
        self.dispatcher = Dispatcher(None, daemon, vhost)

    @staticmethod
    def route(path: Any, host: Any = None, vhost: Optional[str] = None, method: Any = _GET) -> Callable:
        """Decorate a method ``(self, env)``; see :meth:`Dispatcher.route`."""
        return _mark("route", path, {"host": host, "vhost": vhost, "method": method})

    @staticmethod
    def routeevent(path: Any, host: Any = None, vhost: Optional[str] = None, method: Any = _GET) -> Callable:
        """Decorate a method ``(self, event)``; see :meth:`Dispatcher.routeevent`."""
        return _mark("routeevent", path, {"host": host, "vhost": vhost, "method": method})

    @staticmethod
    def routeargs(path: Any, host: Any = None, vhost: Optional[str] = None, method: Any = _POST, **kwargs: Any) -> Callable:
        """Decorate a method ``(self, env, ...)``; see :meth:`Dispatcher.routeargs`."""
        return _mark("routeargs", path, {"host": host, "vhost": vhost, "method": method, **kwargs})

    def _routes(self) -> List[Tuple[Callable, list]]:
        names = dict.fromkeys(name for cls in reversed(type(self).__mro__) for name in cls.__dict__)
        methods = [getattr(self, name) for name in names if hasattr(getattr(type(self), name), "http_routes")]
        return [(method, method.http_routes) for method in methods]

    async def main(self) -> None:
        """Run beside the handlers; subclasses may rewrite it. Here it ends at once."""

    def start(self, asyncStart: bool = False) -> Any:
        """Serve requests from now on, and start ``main``."""
        for method, routes in self._routes():
            for kind, path, options in routes:
                getattr(self.dispatcher, kind)(path, method, self, **options)
        self.dispatcher.bind(self.scheduler)
        return super().start(asyncStart)

    def close(self) -> None:
        """Serve no more requests; those that are being served go on."""
        self.dispatcher.close()
        super().close()


def _mark(kind: str, path: Any, options: dict) -> Callable:
    def decorate(func: Callable) -> Callable:
        func.http_routes = [*getattr(func, "http_routes", ()), (kind, path, options)]  # type: ignore[attr-defined]
        return func

    return decorate


def http(container: Optional[RoutineContainer] = None) -> Callable:
    """Make a method ``(self, env)`` a handler ``(self, event)`` for :meth:`Dispatcher.routeevent`.

    :param container: where it runs; None for its object if that is a container, else the connection
    """

    def decorate(func: Callable) -> Callable:
        @functools.wraps(func)
        async def handler(self: Any, event: HttpRequestEvent) -> None:
            home = container or (self if isinstance(self, RoutineContainer) else None)
            await serve(Environment(event, home), functools.partial(func, self))

        return handler

    return decorate


def statichttp(container: Optional[RoutineContainer] = None) -> Callable:
    """Make a function ``(env)`` a handler ``(event)`` for :meth:`Dispatcher.routeevent`.

    :param container: where it runs; None for the connection
    """

    def decorate(func: Callable) -> Callable:
        @functools.wraps(func)
        async def handler(event: HttpRequestEvent) -> None:
            await serve(Environment(event, container), func)

        return handler

    return decorate
