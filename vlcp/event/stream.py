"""Streams of bytes or text between routines, in memory, and from and to files (manual 5.2.11).

A stream has one reader and one writer; :class:`BaseStream` is the reading side.
"""

from __future__ import annotations

import io
import os
from typing import Any, Optional

from vlcp.event._basestream import BaseStream, StreamDataEvent

__all__ = ["BaseStream", "FileStream", "FileWriter", "MemoryStream", "Stream", "StreamDataEvent"]


class Stream(BaseStream):
    """A stream that one routine writes and another one reads.

    :param isunicode: the stream gives ``str``, else ``bytes``
    :param encoders: functions ``enc(data, is_eof) -> data`` applied to the data in their order
    :param writebufferlimit: with ``buffering``, so much is collected until it is sent
    :param splitsize: with ``split``, larger data is cut into chunks of this size
    """

    def __init__(
        self,
        isunicode: bool = False,
        encoders: list = [],  # noqa: B006
        writebufferlimit: int = 4096,
        splitsize: int = 1048576,
    ) -> None:
        super().__init__(isunicode, encoders)
        self.writebufferlimit = writebufferlimit
        self.splitsize = splitsize
        self._unsent: list = []
        self._unsent_size = 0
        self._write_ended = False

    async def prepareRead(self, container: Any = None) -> None:
        """Wait for the next chunk unless there still is something to read."""
        if self.eof or self.errored or not self._exhausted():
            return
        event = await StreamDataEvent.createMatcher(self)
        event.canignore = True
        if event.type == StreamDataEvent.STREAM_ERROR:
            self.errored = True
        else:
            self._hold(event.data, event.type == StreamDataEvent.STREAM_EOF)

    def _is_closed(self) -> bool:
        return self.closed

    def _refuses(self, ignoreexception: bool) -> bool:
        """Return True when written data has to be dropped."""
        if not self.closed:
            return False
        if self.allowwrite or ignoreexception:
            return True
        raise OSError("Stream is closed by the reader")

    def _pieces(self, data: Any, split: bool) -> list:
        """Return what to send now: the collected data and ``data``, cut if wanted."""
        parts = self._unsent + [data]
        self._unsent, self._unsent_size = [], 0
        whole = data[:0].join(parts)
        if not split or len(whole) <= self.splitsize:
            return [whole]
        return [whole[at : at + self.splitsize] for at in range(0, len(whole), self.splitsize)]

    async def write(
        self,
        data: Any,
        container: Any,
        eof: bool = False,
        ignoreexception: bool = False,
        buffering: bool = True,
        split: bool = True,
    ) -> None:
        """Write to the stream, see :meth:`BaseStream.write`."""
        if self._write_ended:
            raise OSError("Stream has been ended by its writer")
        if self._refuses(ignoreexception):
            return
        if buffering and not eof and self._unsent_size + len(data) < self.writebufferlimit:
            if data:
                self._unsent.append(data)
                self._unsent_size += len(data)
            return
        self._write_ended = eof
        pieces = self._pieces(data, split)
        for number, piece in enumerate(pieces, 1):
            kind = StreamDataEvent.STREAM_EOF if eof and number == len(pieces) else StreamDataEvent.STREAM_DATA
            if piece or kind == StreamDataEvent.STREAM_EOF:
                await container.wait_for_send(StreamDataEvent(self, kind, data=piece), until=self._is_closed)
            if self._refuses(ignoreexception):
                return

    async def error(self, container: Any, ignoreexception: bool = False) -> None:
        """Break the stream, see :meth:`BaseStream.error`. What is in the buffer is dropped."""
        if self._refuses(ignoreexception) or self._write_ended:
            return
        self._write_ended = True
        self._unsent, self._unsent_size = [], 0
        event = StreamDataEvent(self, StreamDataEvent.STREAM_ERROR)
        await container.wait_for_send(event, until=self._is_closed)

    def close(self, scheduler: Any, allowwrite: bool = False) -> None:
        """Close the reading side, see :meth:`BaseStream.close`; a waiting writer is released."""
        if self.closed:
            return
        super().close(scheduler, allowwrite)
        scheduler.ignore(StreamDataEvent.createMatcher(self))


class MemoryStream(BaseStream):
    """A stream that reads from memory.

    :param data: everything
    :param encoders: functions ``enc(data, is_eof) -> data`` applied to the data in their order
    :param isunicode: what the stream gives; None for the type of ``data`` (encoders may change it)
    """

    def __init__(self, data: Any, encoders: list = [], isunicode: Optional[bool] = None) -> None:  # noqa: B006
        super().__init__(not isinstance(data, (bytes, bytearray, memoryview)) if isunicode is None else isunicode, encoders)
        self._source = bytes(data) if isinstance(data, memoryview) else data

    def __len__(self) -> int:
        """Return the size of the data before it is encoded."""
        return len(self._source)

    async def prepareRead(self, container: Any = None) -> None:
        """Make all data the present chunk."""
        if not self.eof:
            self._hold(self._source, True)


class FileStream(BaseStream):
    """A stream that reads a file object, which must be in blocking mode.

    :param fobj: file object; the stream closes it
    :param encoders: functions ``enc(data, is_eof) -> data`` applied to the data in their order
    :param isunicode: what the stream gives; None for what the file gives
    :param size: read no more than so much; None for the whole file
    :param readlimit: size of the chunks
    """

    def __init__(
        self,
        fobj: Any,
        encoders: list = [],  # noqa: B006
        isunicode: Optional[bool] = None,
        size: Optional[int] = None,
        readlimit: int = 65536,
    ) -> None:
        super().__init__(isinstance(fobj, io.TextIOBase) if isunicode is None else isunicode, encoders)
        self.fobj = fobj
        self.size = size
        self.readlimit = readlimit
        self._left = size

    def __len__(self) -> int:
        """Return the size that was given, or else what is left of the file.

        :raises TypeError: the file has no size
        """
        if self.size is not None:
            return self.size
        try:
            return os.fstat(self.fobj.fileno()).st_size - self.fobj.tell()
        except (OSError, AttributeError) as error:
            raise TypeError(f"file has no size: {error}") from error

    async def prepareRead(self, container: Any = None) -> None:
        """Read the next chunk unless there still is something to read."""
        if self.eof or self.errored or not self._exhausted():
            return
        wanted = self.readlimit if self._left is None else min(self.readlimit, self._left)
        data = self.fobj.read(wanted)
        if self._left is not None:
            self._left -= len(data)
        self._hold(data, not data or self._left == 0)
        if self.eof:
            self.fobj.close()

    def close(self, scheduler: Any = None, allowwrite: bool = False) -> None:
        """Close the stream and the file."""
        super().close(scheduler, allowwrite)
        self.fobj.close()


class FileWriter:
    """The writing side of a stream that goes to a file object in blocking mode.

    :param fobj: file object; it is closed at the end
    """

    def __init__(self, fobj: Any) -> None:
        self.fobj = fobj

    async def write(
        self,
        data: Any,
        container: Any,
        eof: bool = False,
        ignoreexception: bool = False,
        buffering: bool = True,
        split: bool = True,
    ) -> None:
        """Write to the file; parameters as in :meth:`BaseStream.write`.

        :raises OSError: the file cannot be written (not with ``ignoreexception``)
        """
        try:
            if data:
                self.fobj.write(data)
            if eof:
                self.fobj.close()
            elif not buffering:
                self.fobj.flush()
        except OSError:
            if not ignoreexception:
                raise

    async def error(self, container: Any, ignoreexception: bool = False) -> None:
        """Close the file with what was written so far."""
        self.fobj.close()
