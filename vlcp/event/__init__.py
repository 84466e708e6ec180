"""Event scheduler: events, matchers, queues, routines, connections (manual 4.3, 5.2).

Read ``event`` (what routines wait for), ``runnable`` (what routines are written with), ``core`` (the loop), ``pqueue`` (what
waits to be processed).  Sockets are in ``connection``, byte streams in ``stream``; both are imported at first use.
"""

from __future__ import annotations

import importlib
from typing import Any

from vlcp.event.core import (
    PollEvent,
    QuitException,
    Scheduler,
    SystemControlEvent,
    SystemControlLowPriorityEvent,
)
from vlcp.event.event import M_, Event, EventMatcher, with_indices, withIndices
from vlcp.event.future import Future, RoutineFuture
from vlcp.event.polling import DefaultPolling, EPollPolling, SelectPolling
from vlcp.event.pqueue import CBQueue
from vlcp.event.runnable import EventHandler, RoutineContainer, RoutineControlEvent, RoutineException

_LAZY = {
    "Client": "vlcp.event.connection",
    "TcpServer": "vlcp.event.connection",
    "ConnectionWriteEvent": "vlcp.event.connection",
    "ConnectionControlEvent": "vlcp.event.connection",
    "Stream": "vlcp.event.stream",
    "StreamDataEvent": "vlcp.event.stream",
    "MemoryStream": "vlcp.event.stream",
}

__all__ = [
    "CBQueue",
    "DefaultPolling",
    "EPollPolling",
    "Event",
    "EventHandler",
    "EventMatcher",
    "Future",
    "M_",
    "PollEvent",
    "QuitException",
    "RoutineContainer",
    "RoutineControlEvent",
    "RoutineException",
    "RoutineFuture",
    "Scheduler",
    "SelectPolling",
    "SystemControlEvent",
    "SystemControlLowPriorityEvent",
    "withIndices",
    "with_indices",
    *_LAZY,
]


def __getattr__(name: str) -> Any:
    module = _LAZY.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(module), name)
    globals()[name] = value
    return value
