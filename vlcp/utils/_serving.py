"""Running a handler for one request; the border where what a handler raises ends."""

from __future__ import annotations

import inspect
import logging
from types import CoroutineType
from typing import Any, Callable

from vlcp.event.runnable import RoutineContainer
from vlcp.protocol.http import HttpRequestEvent
from vlcp.utils._environment import Environment
from vlcp.utils._request import HttpExitException, HttpInputException

logger = logging.getLogger("vlcp.utils.http")


async def serve(env: Environment, handler: Callable[[Environment], Any]) -> None:
    """Run a handler and end its response; the border where what a handler raises ends.

    :class:`HttpInputException` is answered with its status, other exceptions with 500; once the head is sent, the
    connection is dropped instead, so that the client notices.
    """
    try:
        try:
            result = handler(env)
            if type(result) is CoroutineType or inspect.isawaitable(result):
                await result
        except HttpExitException:
            pass  # The handler has ended by exit(); its response is as it left it.
        if not env.closed:
            await env.close()
    except HttpInputException as error:
        logger.info("bad request: %s: %r", error, env)
        await _fail(env, error.status, str(error))
    except Exception as error:
        logger.exception("handler failed: %r", env)
        await _fail(env, 500, "%s: %s" % (type(error).__name__, error))


async def _fail(env: Environment, status: int, text: str) -> None:
    """Send an error page; without one, because the head is sent or the page fails too, drop the connection."""
    try:
        if not env.sent:
            await env.error(status, showerror=text)
            return
    except Exception:
        logger.exception("error page failed: %r", env)
    await env.connection.reset(True, env.event.connmark)


class _Begun:
    """A coroutine that waits already, for the routine that goes on with it."""

    def __init__(self, coroutine: Any, waits_for: Any) -> None:
        self.__qualname__ = coroutine.__qualname__
        self._coroutine = coroutine
        self._first: Any = [waits_for]

    def send(self, value: Any) -> Any:
        """Return what the coroutine waits for already; later resume it."""
        return self._first.pop() if self._first else self._coroutine.send(value)

    def throw(self, *exception: Any) -> Any:
        """Raise an exception in the coroutine."""
        self._first.clear()
        return self._coroutine.throw(*exception)

    def close(self) -> None:
        """End the coroutine."""
        self._coroutine.close()


def begin(container: RoutineContainer, coroutine: Any) -> None:
    """Run a coroutine; it becomes a routine of ``container`` when it waits, which most handlers never do."""
    try:
        waits_for = coroutine.send(None)
    except StopIteration:
        return
    container.subroutine(_Begun(coroutine, waits_for), False)


async def serve_event(event: HttpRequestEvent, handler: Callable[[HttpRequestEvent], Any]) -> None:
    """Run a handler of :meth:`Dispatcher.routeevent`; an exception is answered with 500."""
    try:
        await handler(event)
    except Exception:
        logger.exception("handler failed: %r", event)
        protocol = event.createby
        protocol.response_to(event.connection, event.xid, protocol.create_error_response(event.connection, event.xid, 500))
