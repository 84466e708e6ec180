"""The sub-queues that a server adds to the event queue of its scheduler, and their priorities (manual 3.1.3)."""

from __future__ import annotations

from typing import Any, NamedTuple, Optional

from vlcp.event.connection import (
    ConnectionControlEvent,
    ConnectionWriteEvent,
    ResolveRequestEvent,
    ResolveResponseEvent,
)
from vlcp.event.core import PollEvent, SystemControlEvent, SystemControlLowPriorityEvent, TimerEvent
from vlcp.event.event import EventMatcher
from vlcp.event.future import FutureEvent
from vlcp.event.lock import LockEvent
from vlcp.event.pqueue import CBQueue
from vlcp.event.ratelimiter import RateLimitingEvent
from vlcp.event.runnable import RoutineControlEvent
from vlcp.event.stream import StreamDataEvent
from vlcp.server._apidef import ModuleAPICall, ModuleAPIReply, ModuleNotification
from vlcp.server._loader import ModuleLoadStateChanged

RESOLVE_LIMIT = 16
"requests to the resolver that wait for a thread"
CALL_LIMIT = 5
"API calls, and notifications, that wait for one target"
CALL_RESERVE = 2


class SubQueue(NamedTuple):
    """One sub-queue."""

    name: str
    priority: str
    "setting of the server with the priority; higher numbers go first"
    matcher: EventMatcher
    key: Optional[str] = None
    "attribute of the events that each have a queue of their own; None for one queue"
    limit: Any = None
    "events in all; a number or the name of a setting"
    each: Any = None
    "events for each value of the key; a number or the name of a setting"
    reserve: Any = 1
    "places kept for values that have none yet; a number or the name of a setting"


SUB_QUEUES = (
    SubQueue("sysctl", "sysctlpriority", SystemControlEvent.createMatcher()),
    SubQueue("routine", "routinecontrolpriority", RoutineControlEvent.createMatcher()),
    SubQueue("ratelimiting", "routinecontrolpriority", RateLimitingEvent.createMatcher()),
    SubQueue("lock", "lockpriority", LockEvent.createMatcher(), "key", None, 1),
    SubQueue("future", "futurepriority", FutureEvent.createMatcher()),
    SubQueue("timer", "timerpriority", TimerEvent.createMatcher()),
    SubQueue("moduleload", "moduleloadeventpriority", ModuleLoadStateChanged.createMatcher()),
    SubQueue("error", "pollerrorpriority", PollEvent.createMatcher(category=PollEvent.ERROR)),
    SubQueue("write", "pollwritepriority", PollEvent.createMatcher(category=PollEvent.WRITE_READY), "fileno"),
    SubQueue("resolvereq", "resolverreqpriority", ResolveRequestEvent.createMatcher(), None, RESOLVE_LIMIT),
    SubQueue(
        "streamdata",
        "streamdatapriority",
        StreamDataEvent.createMatcher(),
        "stream",
        "streamdatalimit",
        "datalimitperstream",
        "preservefornew",
    ),
    SubQueue("moduleapi", "moduleapicallpriority", ModuleAPICall.createMatcher(), "target", None, CALL_LIMIT, CALL_RESERVE),
    SubQueue(
        "connectionwrite",
        "connectionwritepriority",
        ConnectionWriteEvent.createMatcher(),
        "connection",
        "totalwritelimit",
        "writelimitperconnection",
        "preservefornew",
    ),
    SubQueue("read", "pollreadpriority", PollEvent.createMatcher(category=PollEvent.READ_READY), "fileno"),
    SubQueue("resolve", "resolverresppriority", ResolveResponseEvent.createMatcher()),
    SubQueue("control", "connectioncontrolpriority", ConnectionControlEvent.createMatcher()),
    SubQueue("moduleapireply", "moduleapireplypriority", ModuleAPIReply.createMatcher()),
    SubQueue(
        "modulenotify", "modulenotifypriority", ModuleNotification.createMatcher(), "target", None, CALL_LIMIT, CALL_RESERVE
    ),
    SubQueue("sysctllow", "sysctllowpriority", SystemControlLowPriorityEvent.createMatcher()),
)


def add_sub_queues(queue: CBQueue, settings: Any) -> None:
    """Add all sub-queues to an event queue.

    :param queue: queue of the scheduler
    :param settings: object with the priorities and limits as attributes
    """

    def number(value: Any) -> Any:
        return getattr(settings, value) if isinstance(value, str) else value

    for sub in SUB_QUEUES:
        kind = CBQueue.FifoQueue
        if sub.key is not None:
            kind = CBQueue.AutoClassQueue.initHelper(sub.key, number(sub.reserve), subqueuelimit=number(sub.each))
        queue.addSubQueue(getattr(settings, sub.priority), sub.matcher, sub.name, number(sub.limit), defaultQueueClass=kind)
