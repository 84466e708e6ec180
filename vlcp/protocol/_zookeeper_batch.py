"""Requests to a ZooKeeper server that are sent together, and what became of each."""

from __future__ import annotations

from typing import Any, Callable, List, NamedTuple, Optional, Sequence

from vlcp.event.future import Future
from vlcp.protocol._wire.jute import MAX_REQUEST, Call, Exchange

_HEADER_SIZE = 12


class Outcome(NamedTuple):
    """What became of a batch; the lists are as :meth:`ZooKeeper.requests` returns them."""

    responses: List[Any]
    lost: List[Any]
    retry: List[Any]


def as_call(request: Any) -> Call:
    """Return a request in its fast form; ``read`` is None for a struct, whose reply is a struct too."""
    if isinstance(request, Call):
        return request
    return Call(request.type, request._tobytes()[_HEADER_SIZE:], None)


class Batch:
    """Requests of one caller.

    :param scheduler: the scheduler
    :param requests: structs or :class:`Call` objects
    :param callback: ``callback(request, response)`` for each response at once, must not raise; or None
    :raises OverflowError: a request is too large; the number of bytes is the argument
    """

    events = False
    "Whether an event is sent for each response"

    def __init__(self, scheduler: Any, requests: Sequence[Any], callback: Optional[Callable[[Any, Any], Any]] = None) -> None:
        self.requests = list(requests)
        self.calls = [as_call(request) for request in self.requests]
        size = max((len(call.body) for call in self.calls), default=0) + _HEADER_SIZE
        if size >= MAX_REQUEST:
            raise OverflowError(size)
        self.sent = [False] * len(self.calls)
        self.responses: List[Any] = [None] * len(self.calls)
        self.xids: Optional[List[int]] = None
        self.future = Future(scheduler)
        self.abandoned = False
        self._missing = len(self.calls)
        self._callback = callback
        if not self.calls:
            self.end()

    def answer(self, index: int, response: Any) -> None:
        """Take the response to one request."""
        self.responses[index] = response
        if self._callback is not None:
            self._callback(self.requests[index], response)
        self._missing -= 1
        if not self._missing:
            self.end()

    def end(self) -> None:
        """Wake the caller up: all is answered, or nothing more comes."""
        if not self.future.done():
            self.future.set_result(None)

    def outcome(self) -> Outcome:
        """Return what is known by now."""
        open_ones = [number for number, response in enumerate(self.responses) if response is None]
        lost = [self.requests[number] for number in open_ones if self.sent[number]]
        retry = [self.requests[number] for number in open_ones if not self.sent[number]]
        return Outcome(self.responses, lost, retry)


class Wire:
    """State of one connection.

    :ivar exchange: who waits for which reply
    :ivar opening: future of the answer to the connect request; None before it is sent and after it came
    :ivar ready: the session is open
    :ivar watch: called with (type, state, path) of each watch event at once, must not raise; or None
    :ivar zxid: the last state that the server has shown
    """

    def __init__(self) -> None:
        self.exchange = Exchange()
        self.opening: Optional[Future] = None
        self.ready = False
        self.down = False
        self.watch: Optional[Callable[[int, int, str], None]] = None
        self.zxid = 0
        self.batches: dict = {}

    def end(self) -> None:
        """Nothing more comes: wake all callers up."""
        self.down, self.ready = True, False
        self.exchange.lost()
        batches, self.batches = self.batches, {}
        for batch in batches:
            batch.end()
        if self.opening is not None and not self.opening.done():
            self.opening.set_result(None)
