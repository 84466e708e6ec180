"""The receive buffer of a connection: fixed cost for each byte, whatever the sizes of the pieces are."""

from __future__ import annotations


class ReadBuffer:
    """Bytes that were received and not yet used by the parser.

    The buffer grows by doubling while the parser keeps everything and goes back to its first size when it is empty.
    Views given to the parser are only valid during the call: the next fill may overwrite them.

    :param size: first size in bytes
    """

    def __init__(self, size: int) -> None:
        if size <= 0:
            raise ValueError(f"buffer size must be positive, got {size!r}")
        self._size = size
        self._buffer = bytearray(size)
        self._start = 0
        self._end = 0

    def __len__(self) -> int:
        return self._end - self._start

    def space(self) -> memoryview:
        """Return the writable part; its length is at least one."""
        if self._end == len(self._buffer):
            self._make_room()
        return memoryview(self._buffer)[self._end :]

    def _make_room(self) -> None:
        used = len(self)
        capacity = len(self._buffer)
        if used * 2 > capacity:
            capacity *= 2
        # A new object rather than a resize: a view that somebody still holds would forbid resizing.
        fresh = bytearray(capacity)
        fresh[:used] = memoryview(self._buffer)[self._start : self._end]
        self._buffer, self._start, self._end = fresh, 0, used

    def filled(self, count: int) -> memoryview:
        """Account for ``count`` new bytes and return a view of all bytes that are not used yet."""
        self._end += count
        return memoryview(self._buffer)[self._start : self._end]

    def view(self) -> memoryview:
        """Return a view of all bytes that are not used yet."""
        return self.filled(0)

    def keep(self, count: int) -> None:
        """Forget everything but the last ``count`` bytes.

        :raises ValueError: the buffer has not so many
        """
        if not 0 <= count <= len(self):
            raise ValueError(f"parser keeps {count!r} of {len(self)} bytes")
        self._start = self._end - count
        if count:
            return
        self._start = self._end = 0
        if len(self._buffer) > self._size:
            self._buffer = bytearray(self._size)
