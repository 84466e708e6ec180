"""A binary heap whose members can be found, moved and removed by value (manual 5.7)."""

from __future__ import annotations

from typing import Any


class IndexedHeap:
    """A heap of distinct hashable values, each with a priority; the smallest priority is on top.

    All changes cost O(log n), looking up O(1).
    """

    __slots__ = ("_heap", "_position")

    def __init__(self) -> None:
        self._heap: list[list] = []
        self._position: dict[Any, int] = {}

    def push(self, value: Any, priority: Any) -> None:
        """Add a value, or change its priority if it is a member."""
        if value in self._position:
            self.setpriority(value, priority)
            return
        self._heap.append([priority, value])
        self._position[value] = len(self._heap) - 1
        self._up(len(self._heap) - 1)

    def remove(self, value: Any) -> None:
        """Remove a value; does nothing if it is not a member."""
        pos = self._position.pop(value, None)
        if pos is None:
            return
        last = self._heap.pop()
        if pos < len(self._heap):
            self._place(pos, last)

    def pop(self) -> Any:
        """Remove and return the value with the smallest priority.

        :raises IndexError: the heap is empty
        """
        value = self.top()
        self.remove(value)
        return value

    def poppush(self, value: Any, priority: Any) -> Any:
        """Remove the top, add ``value``, and return the old top.

        :raises IndexError: the heap is empty
        """
        old = self.pop()
        self.push(value, priority)
        return old

    def pushpop(self, value: Any, priority: Any) -> Any:
        """Add ``value``, then remove and return the top, which may be ``value``."""
        self.push(value, priority)
        return self.pop()

    def setpriority(self, value: Any, priority: Any) -> None:
        """Change the priority of a member.

        :raises KeyError: ``value`` is not a member
        """
        pos = self._position[value]
        self._heap[pos][0] = priority
        self._place(pos, self._heap[pos])

    def replace(self, value: Any, value2: Any) -> None:
        """Put ``value2`` in the place of ``value``, with its priority.

        :raises KeyError: ``value`` is not a member
        :raises ValueError: ``value2`` is another member
        """
        if value2 in self._position and value2 != value:
            raise ValueError(f"Value is in the heap already: {value2!r}")
        pos = self._position.pop(value)
        self._position[value2] = pos
        self._heap[pos][1] = value2

    def clear(self) -> None:
        """Remove all values."""
        self._heap.clear()
        self._position.clear()

    def top(self) -> Any:
        """Return the value with the smallest priority.

        :raises IndexError: the heap is empty
        """
        if not self._heap:
            raise IndexError("The heap is empty")
        return self._heap[0][1]

    def topPriority(self) -> Any:
        """Return the smallest priority.

        :raises IndexError: the heap is empty
        """
        if not self._heap:
            raise IndexError("The heap is empty")
        return self._heap[0][0]

    def __len__(self) -> int:
        return len(self._heap)

    def __contains__(self, value: Any) -> bool:
        return value in self._position

    def _place(self, pos: int, item: list) -> None:
        """Put an item at a free or own position, then move it to where it belongs."""
        self._heap[pos] = item
        self._position[item[1]] = pos
        if pos and item[0] < self._heap[(pos - 1) >> 1][0]:
            self._up(pos)
        else:
            self._down(pos)

    def _up(self, pos: int) -> None:
        heap, position = self._heap, self._position
        item = heap[pos]
        while pos:
            parent = (pos - 1) >> 1
            if not item[0] < heap[parent][0]:
                break
            heap[pos] = heap[parent]
            position[heap[pos][1]] = pos
            pos = parent
        heap[pos] = item
        position[item[1]] = pos

    def _down(self, pos: int) -> None:
        heap, position = self._heap, self._position
        item, size = heap[pos], len(heap)
        while (child := 2 * pos + 1) < size:
            if child + 1 < size and heap[child + 1][0] < heap[child][0]:
                child += 1
            if not heap[child][0] < item[0]:
                break
            heap[pos] = heap[child]
            position[heap[pos][1]] = pos
            pos = child
        heap[pos] = item
        position[item[1]] = pos
