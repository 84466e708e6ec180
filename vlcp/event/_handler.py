"""Runnables made of callbacks instead of a coroutine (manual 5.2.10)."""

from __future__ import annotations

from typing import Any, Callable, Mapping

from vlcp.event._events import QuitException
from vlcp.event.event import Event, EventMatcher

Handler = Callable[[Event, Any], Any]


class EventHandler:
    """Calls ``handler(event, scheduler)`` for each event that one of its matchers matches.

    A handler that raises is reported by the scheduler and ends the whole object.

    :param scheduler: the scheduler; None to call :meth:`bind` later
    :param daemon: the scheduler does not wait for its end
    """

    def __init__(self, scheduler: Any = None, daemon: bool = False) -> None:
        self.scheduler = scheduler
        self.daemon = daemon
        self._handlers: dict[EventMatcher, Handler] = {}
        self._exception_handler: Callable[[Any, Any], Any] | None = None
        self._quit_handler: Callable[[Any], Any] | None = None

    def bind(self, scheduler: Any) -> None:
        """Set the scheduler, and register the handlers there."""
        self.scheduler = scheduler
        scheduler.register(tuple(self._handlers), self)
        scheduler.setDaemon(self, self.daemon)

    def __iter__(self) -> EventHandler:
        """Return self; there for the shape of an iterator."""
        return self

    def __next__(self) -> None:
        """Do nothing; there for the shape of an iterator."""

    next = __next__

    def send(self, etup: tuple) -> None:
        """Handle an event.

        :param etup: ``(event, matcher)``
        """
        event, matcher = etup
        handler = self._handlers.get(matcher)
        if handler is not None:
            handler(event, self.scheduler)

    def registerHandler(self, matcher: EventMatcher, handler: Handler) -> None:
        """Call ``handler(event, scheduler)`` for the events that ``matcher`` matches; replaces an older handler."""
        self._handlers[matcher] = handler
        if self.scheduler is not None:
            self.scheduler.register((matcher,), self)
            self.scheduler.setDaemon(self, self.daemon)

    def unregisterHandler(self, matcher: EventMatcher) -> None:
        """Remove a handler.

        :raises KeyError: there is none for this matcher
        """
        del self._handlers[matcher]
        if self.scheduler is not None:
            self.scheduler.unregister((matcher,), self)

    def unregisterAllHandlers(self) -> None:
        """Remove all handlers."""
        matchers = tuple(self._handlers)
        self._handlers.clear()
        if self.scheduler is not None:
            self.scheduler.unregister(matchers, self)

    def registerAllHandlers(self, handlerDict: Mapping[EventMatcher, Handler]) -> None:
        """Add several handlers.

        :param handlerDict: ``{matcher: handler}``
        """
        for matcher, handler in handlerDict.items():
            self.registerHandler(matcher, handler)

    def close(self) -> None:
        """Remove all handlers, and leave the scheduler."""
        self._handlers.clear()
        if self.scheduler is not None:
            self.scheduler.unregisterall(self)

    kill = close

    def registerExceptionHandler(self, handler: Callable[[Any, Any], Any]) -> None:
        """Call ``handler(exception, scheduler)`` for an exception that is thrown into this object."""
        self._exception_handler = handler

    def registerQuitHandler(self, handler: Callable[[Any], Any]) -> None:
        """Call ``handler(scheduler)`` when the scheduler stops."""
        self._quit_handler = handler

    def throw(self, typ: Any, val: Any = None, tb: Any = None) -> None:
        """Handle an exception; one without a handler is raised again, and ends this object.

        :raises QuitException: always when it is thrown, after the handler
        """
        exc = typ if isinstance(typ, BaseException) else typ() if val is None else val
        if isinstance(exc, QuitException):
            self.quitHandler(self.scheduler)
            raise exc
        self.exceptionHandler(exc, self.scheduler)

    def exceptionHandler(self, val: BaseException, scheduler: Any) -> None:
        """Handle an exception with the registered handler; may be rewritten.

        :raises BaseException: ``val``, if there is no handler
        """
        if self._exception_handler is None:
            raise val
        self._exception_handler(val, scheduler)

    def quitHandler(self, scheduler: Any) -> None:
        """Handle the end of the scheduler with the registered handler; may be rewritten."""
        if self._quit_handler is not None:
            self._quit_handler(scheduler)
