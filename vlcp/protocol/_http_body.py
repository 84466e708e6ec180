"""The body of a received message, as a stream that the connection fills."""

from __future__ import annotations

from typing import Any, Callable, List, Optional, Tuple

from vlcp.event.stream import BaseStream
from vlcp.protocol._http_events import HttpBodyEvent

Trailers = List[Tuple[bytes, bytes]]


class BodyStream(BaseStream):
    """A body while it arrives. The connection calls :meth:`feed`, :meth:`finish` and :meth:`fail`; handlers read.

    ``received`` counts bytes; ``complete`` is True when all came; ``trailers`` are there then.

    :param scheduler: where waiting readers are woken
    :param on_read: called before a reader waits, after it took data, and when it closes the stream
    """

    def __init__(self, scheduler: Any, on_read: Callable[[], None]) -> None:
        super().__init__()
        self._scheduler = scheduler
        self._on_read = on_read
        self._pending = bytearray()
        self._failure: Optional[BaseException] = None
        self.received = 0
        self.complete = False
        self.trailers: Trailers = []

    @property
    def buffered(self) -> int:
        """Number of bytes that no reader has fetched yet."""
        return len(self._pending)

    def feed(self, data: bytes) -> None:
        """Add received bytes."""
        self.received += len(data)
        if not self.closed:
            self._pending += data
            self._wake()

    def finish(self, trailers: Trailers) -> None:
        """The body is complete."""
        self.complete = True
        self.trailers = trailers
        self._wake()

    def fail(self, error: BaseException) -> None:
        """The rest of the body will never come; readers get an error after what has come."""
        if not self.complete and self._failure is None:
            self._failure = error
            self._wake()

    def _wake(self) -> None:
        self._scheduler.emergesend(HttpBodyEvent(self))

    async def prepareRead(self, container: Any = None) -> None:
        """Wait for data, the end or an error, unless there still is something to read."""
        if self.eof or self.errored or not self._exhausted():
            return
        while not (self._pending or self.complete or self._failure or self.closed):
            self._on_read()
            await HttpBodyEvent.createMatcher(self)
        if self._failure is not None and not self._pending:
            self.errored = True
            return
        data = bytes(self._pending)
        self._pending.clear()
        self._hold(data, self.complete or self.closed)
        self._on_read()

    def close(self, scheduler: Any = None, allowwrite: bool = False) -> None:
        """Throw away what was not read and what still comes."""
        if not self.closed:
            super().close(scheduler, allowwrite)
            self._pending.clear()
            self._wake()
            self._on_read()
