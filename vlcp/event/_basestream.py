"""The reading side of all streams (manual 5.2.11).

A stream has one reader and one writer. The reader holds one chunk at a time: :meth:`BaseStream.prepareRead` fetches
the next one when the present one is used up, :meth:`BaseStream.readonce` takes from it without waiting.
"""

from __future__ import annotations

from typing import Any, Optional

from vlcp.event.event import Event, withIndices


@withIndices("stream", "type")
class StreamDataEvent(Event):
    """Data on its way from the writer to the reader of a stream; attribute ``data``."""

    canignore = False
    STREAM_DATA = "data"
    #: the last data
    STREAM_EOF = "eof"
    STREAM_ERROR = "error"

    def canignorenow(self) -> bool:
        """Return True when the reader has closed the stream."""
        return self.stream.closed


class BaseStream:
    """What all streams share: the reading side.

    ``closed`` is True after :meth:`close`; ``errored`` after the writer has reported an error.

    :param isunicode: the stream gives ``str``, else ``bytes``
    :param encoders: functions ``enc(data, is_eof) -> data`` applied to the data in their order
    """

    def __init__(self, isunicode: bool = False, encoders: list = []) -> None:  # noqa: B006
        self.isunicode = isunicode
        self.encoders = list(encoders)
        self.closed = False
        self.errored = False
        self.allowwrite = False
        #: the last chunk has been fetched
        self.eof = False
        self._chunk: Any = "" if isunicode else b""
        self._position = 0

    @property
    def _empty(self) -> Any:
        return "" if self.isunicode else b""

    def getEncoderList(self) -> list:
        """Return the list of encoders; what is added to it applies to chunks fetched later."""
        return self.encoders

    def _hold(self, data: Any, is_eof: bool) -> None:
        """Make ``data`` the present chunk; the former one is used up."""
        for encoder in self.encoders:
            data = encoder(data, is_eof)
        self._chunk, self._position = data, 0
        self.eof = is_eof

    def _exhausted(self) -> bool:
        return self._position >= len(self._chunk)

    def _check_ended(self) -> None:
        if self.errored:
            raise OSError("Stream is broken")
        if self.eof and self._exhausted():
            raise EOFError("Stream has ended")

    def readonce(self, size: Optional[int] = None) -> Any:
        """Return what is left of the present chunk without waiting; empty when :meth:`prepareRead` is needed.

        :param size: at most so many bytes or characters; None for all
        :raises EOFError: the stream has ended and everything is read
        :raises OSError: the writer reported an error
        """
        self._check_ended()
        end = len(self._chunk) if size is None else min(self._position + size, len(self._chunk))
        data = self._chunk[self._position : end]
        self._position = end
        if self._exhausted():
            self._chunk, self._position = self._empty, 0
        return data

    async def prepareRead(self, container: Any = None) -> None:
        """Fetch the next chunk if the present one is used up; at the end of the stream return at once.

        :param container: routine container of the caller; not needed by most streams
        """

    async def _more(self, container: Any) -> None:
        """Wait until there is something to read.

        :raises EOFError: the stream has ended
        :raises OSError: the writer reported an error
        """
        self._check_ended()
        while self._exhausted():
            await self.prepareRead(container)
            self._check_ended()

    async def read(self, container: Any = None, size: Optional[int] = None) -> Any:
        """Read until the end of the stream or until ``size`` is reached.

        :param container: routine container of the caller
        :param size: number of bytes or characters; less is returned only at the end. None for all
        :raises EOFError: nothing was left
        :raises OSError: the writer reported an error
        """
        parts: list = []
        left = size
        while left is None or left > 0:
            try:
                await self._more(container)
            except EOFError:
                if not parts:
                    raise
                break
            part = self.readonce(left)
            parts.append(part)
            if left is not None:
                left -= len(part)
        return self._empty.join(parts)

    def _take_line(self, limit: Optional[int]) -> tuple:
        """Take from the present chunk up to the end of a line; return (text, True when the line is complete)."""
        end = self._chunk.find("\n" if self.isunicode else b"\n", self._position)
        length = len(self._chunk) - self._position if end < 0 else end + 1 - self._position
        if limit is not None and limit < length:
            return (self.readonce(limit), True)
        return (self.readonce(length), end >= 0 or limit == length)

    async def readline(self, container: Any = None, size: Optional[int] = None) -> Any:
        """Read one line with its line end; without one at the end of the stream or when ``size`` is reached.

        :param container: routine container of the caller
        :param size: most bytes or characters to return; None for no limit
        :raises EOFError: nothing was left
        :raises OSError: the writer reported an error
        """
        parts: list = []
        left = size
        complete = size is not None and size <= 0
        while not complete:
            try:
                await self._more(container)
            except EOFError:
                if not parts:
                    raise
                break
            part, complete = self._take_line(left)
            parts.append(part)
            if left is not None:
                left -= len(part)
        return self._empty.join(parts)

    async def copy_to(self, dest: Any, container: Any, buffering: bool = True) -> None:
        """Copy everything that is left to another stream or writer and end it; an error is passed on.

        :param dest: stream or :class:`FileWriter`
        :param container: routine container of the caller
        :param buffering: as in :meth:`write`
        :raises OSError: the reader of ``dest`` has closed it, or the writer of this stream reported an error
        """
        finished = False
        try:
            while True:
                try:
                    await self._more(container)
                except EOFError:
                    break
                data = self.readonce()
                last = self.eof
                await dest.write(data, container, last, False, buffering)
                if last:
                    finished = True
                    return
            await dest.write(self._empty, container, True)
            finished = True
        finally:
            if not finished and not getattr(dest, "closed", False):
                container.subroutine(dest.error(container, True), daemon=True)

    async def write(
        self,
        data: Any,
        container: Any,
        eof: bool = False,
        ignoreexception: bool = False,
        buffering: bool = True,
        split: bool = True,
    ) -> None:
        """Write to the stream, waiting while the reader is behind.

        :param data: bytes or text
        :param container: routine container of the caller
        :param eof: this is the last data
        :param ignoreexception: return silently when the reader has closed the stream
        :param buffering: small data may stay in the buffer until more comes; False sends it at once
        :param split: large data may be cut into several chunks
        :raises OSError: the reader has closed the stream, or this kind of stream cannot be written
        """
        raise OSError(f"{type(self).__name__} cannot be written")

    async def error(self, container: Any, ignoreexception: bool = False) -> None:
        """Break the stream: the reader gets an OSError.

        :param container: routine container of the caller
        :param ignoreexception: return silently when the reader has closed the stream
        :raises OSError: the reader has closed the stream, or this kind of stream cannot be written
        """
        if not ignoreexception:
            raise OSError(f"{type(self).__name__} cannot be written")

    def close(self, scheduler: Any, allowwrite: bool = False) -> None:
        """Close the reading side; what is written from now on is lost.

        :param scheduler: the scheduler
        :param allowwrite: the writer may go on writing; else it gets an OSError
        """
        self.closed = True
        self.allowwrite = allowwrite

    copyTo = copy_to
