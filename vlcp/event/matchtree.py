"""Look-up trees: from an event to the matchers that match it, and back (manual 4.3.3 and 5.2.6).

Both are tries over the path of events (see :mod:`vlcp.event.event`): the cost of a look-up does not depend on how many
matchers or events with other index values are stored.
"""

from __future__ import annotations

from typing import Any, Iterator

from vlcp.event.event import Event, EventMatcher


class MatchTree:
    """Maps matchers to objects; finds the objects whose matchers match an event.

    Each node of the trie is a ``MatchTree``.  An object found through several matchers is returned once, with the first
    of them.  More specific index values come first; matchers on the same index values come in order of insertion.

    :param parent: the parent node; None for a tree of its own
    """

    __slots__ = ("any", "entries", "index", "key", "parent")

    def __init__(self, parent: MatchTree | None = None) -> None:
        self.parent = parent
        self.key: Any = None
        self.index: dict | None = None
        self.any: MatchTree | None = None
        #: object -> its matcher on this node, or a list of them if there are several
        self.entries: dict | None = None

    def subtree(self, matcher: EventMatcher | None, create: bool = False) -> MatchTree | None:
        """Return the node of a matcher.

        :param matcher: None for the root
        :param create: create missing nodes; else None is returned for a missing node
        """
        node = self
        for value in matcher.indices if matcher is not None else ():
            child = node._child(value)
            if child is None:
                if not create:
                    return None
                child = node._add_child(value)
            node = child
        return node

    def _child(self, value: Any) -> MatchTree | None:
        if value is None:
            return self.any
        return None if self.index is None else self.index.get(value)

    def _add_child(self, value: Any) -> MatchTree:
        child = MatchTree(self)
        child.key = value
        if value is None:
            self.any = child
        elif self.index is None:
            self.index = {value: child}
        else:
            self.index[value] = child
        return child

    def insert(self, matcher: EventMatcher, obj: Any) -> None:
        """Store ``obj`` under ``matcher``; a pair that is stored already stays once.

        :param matcher: an event matcher
        :param obj: a hashable object, returned when an event matches
        """
        node = self
        for value in matcher.indices:
            index = node.index
            if value is None or index is None:
                child = node._child(value)
            else:
                child = index.get(value)
            node = node._add_child(value) if child is None else child
        entries = node.entries
        if entries is None:
            node.entries = {obj: matcher}
            return
        present = entries.get(obj)
        if present is None:
            entries[obj] = matcher
        elif type(present) is list:
            if matcher not in present:
                present.append(matcher)
        elif present is not matcher:
            entries[obj] = [present, matcher]

    def remove(self, matcher: EventMatcher, obj: Any) -> None:
        """Remove a pair; does nothing if it is not stored."""
        node = self.subtree(matcher)
        if node is None or node.entries is None:
            return
        present = node.entries.get(obj)
        if present is matcher:
            del node.entries[obj]
        elif type(present) is list and matcher in present:
            present.remove(matcher)
            if len(present) == 1:
                node.entries[obj] = present[0]
            return
        if not node.entries:
            node.entries = None
            node._prune(self)

    def move_to_end(self, matcher: EventMatcher, obj: Any) -> None:
        """Let an object come last among those with the same index values; does nothing if the pair is not stored."""
        node = self.subtree(matcher)
        if node is not None and node.entries is not None and obj in node.entries:
            node.entries[obj] = node.entries.pop(obj)

    def _prune(self, top: MatchTree) -> None:
        """Drop this node and its ancestors below ``top`` as far as they are empty."""
        node = self
        while node is not top and node.entries is None and node.any is None and node.index is None:
            parent = node.parent
            if node.key is None:
                parent.any = None
            else:
                del parent.index[node.key]
                if not parent.index:
                    parent.index = None
            node = parent

    def _nodes(self, path: tuple) -> list[MatchTree]:
        """Return the nodes that hold matchers for a path, longest and most specific first."""
        if self.any is None and self.index is None:
            return [self] if self.entries is not None else []
        found: list[MatchTree] = []
        level = [self]
        for value in path:
            found[:0] = [node for node in level if node.entries is not None]
            below = []
            for node in level:
                if node.index is not None:
                    child = node.index.get(value)
                    if child is not None:
                        below.append(child)
                if node.any is not None:
                    below.append(node.any)
            level = below
            if not level:
                return found
        found[:0] = [node for node in level if node.entries is not None]
        return found

    def matchesWithMatchers(self, event: Event) -> list[tuple[Any, EventMatcher]]:
        """Return ``[(object, matcher), ...]`` for an event, each object once with the first matcher that matches.

        :param event: an event
        """
        node: MatchTree | None = self
        for value in event.indices:
            if node.entries is not None or node.any is not None:
                return self._matches_on_branches(event)
            if node.index is None:
                return []
            node = node.index.get(value)
            if node is None:
                return []
        entries = node.entries
        if entries is None:
            return []
        if len(entries) == 1:
            for pair in entries.items():
                matcher = pair[1]
                if type(matcher) is not list and matcher._judge is None:
                    return [pair]
        return list(_node_matches(entries, event))

    def _matches_on_branches(self, event: Event) -> list[tuple[Any, EventMatcher]]:
        """The general way of :meth:`matchesWithMatchers`: several nodes may hold matchers for the event."""
        nodes = self._nodes(event.indices)
        if len(nodes) == 1:
            return list(_node_matches(nodes[0].entries, event))
        result: dict[Any, EventMatcher] = {}
        for node in nodes:
            for obj, matcher in _node_matches(node.entries, event):
                result.setdefault(obj, matcher)
        return list(result.items())

    def matches(self, event: Event) -> tuple:
        """Return the objects that an event matches, each once."""
        return tuple(obj for obj, _ in self.matchesWithMatchers(event))

    def matchfirst(self, event: Event) -> Any:
        """Return the first object that an event matches, or None."""
        found = self.matchfirstwithmatcher(event)
        return None if found is None else found[0]

    def matchfirstwithmatcher(self, event: Event) -> tuple[Any, EventMatcher] | None:
        """Return ``(object, matcher)`` of the first match, or None."""
        node: MatchTree | None = self
        for value in event.indices:
            if node.entries is not None or node.any is not None:
                return self._first_on_branches(event)
            if node.index is None:
                return None
            node = node.index.get(value)
            if node is None:
                return None
        if node.entries is None:
            return None
        return next(_node_matches(node.entries, event), None)

    def _first_on_branches(self, event: Event) -> tuple[Any, EventMatcher] | None:
        """The general way of :meth:`matchfirstwithmatcher`."""
        for node in self._nodes(event.indices):
            for pair in _node_matches(node.entries, event):
                return pair
        return None

    # The printed manual has this name.
    matchfirstWithMatcher = matchfirstwithmatcher


def _node_matches(entries: dict, event: Event) -> Iterator[tuple[Any, EventMatcher]]:
    """Yield the entries of one node that match; their indices are known to match."""
    # A copy: the test functions of matchers may do anything.  The first one is often enough.
    for obj, present in entries.items() if len(entries) == 1 else list(entries.items()):
        if type(present) is not list:
            if present._judge is None or present.judge(event):
                yield obj, present
            continue
        for matcher in list(present):
            if matcher.judge(event):
                yield obj, matcher
                break


class EventTree:
    """Stores events; finds those that a matcher matches.

    :param parent: the parent node; None for a tree of its own
    :param branch: a node keeps up to this number of events in one list before it spreads them by their next index
    """

    __slots__ = ("_split", "branch", "depth", "events", "index", "parent")

    def __init__(self, parent: EventTree | None = None, branch: int = 5) -> None:
        self.parent = parent
        self.branch = branch
        self.depth = 0 if parent is None else parent.depth + 1
        #: events whose path ends here, or all events while there are few
        self.events: dict[Event, None] = {}
        self.index: dict[Any, EventTree] = {}
        self._split = False

    def __len__(self) -> int:
        return len(self.events) + sum(len(child) for child in self.index.values())

    def __bool__(self) -> bool:
        return bool(self.events or self.index)

    def subtree(self, event: Event, create: bool = False) -> EventTree | None:
        """Return the node that holds, or would hold, an event.

        :param event: an event
        :param create: create missing nodes; else None is returned for a missing node
        """
        node = self
        while node._split and node.depth < len(event.indices):
            value = event.indices[node.depth]
            child = node.index.get(value)
            if child is None:
                if not create:
                    return None
                child = node.index[value] = EventTree(node, node.branch)
            node = child
        return node

    def insert(self, event: Event) -> None:
        """Store an event."""
        node = self.subtree(event, True)
        node.events[event] = None
        if len(node.events) > node.branch and not node._split:
            node._spread()

    def _spread(self) -> None:
        events, self.events, self._split = self.events, {}, True
        for event in events:
            self.subtree(event, True).events[event] = None

    def remove(self, event: Event) -> None:
        """Remove an event; does nothing if it is not stored."""
        node = self.subtree(event)
        if node is None:
            return
        node.events.pop(event, None)
        node._prune(self, event)

    def _prune(self, top: EventTree, event: Event) -> None:
        node = self
        while node is not top and not node.events and not node.index:
            node = node.parent
            node.index.pop(event.indices[node.depth], None)
        if node is top and not node:
            node._split = False

    def findAndRemove(self, matcher: EventMatcher) -> list[Event]:
        """Remove the events that a matcher matches and return them."""
        if not self:
            return []
        found = [event for event in self._candidates(matcher.indices) if matcher.isMatch(event)]
        for event in found:
            self.remove(event)
        return found

    def _candidates(self, path: tuple) -> list[Event]:
        """Return the events below this node that can match a path; indices in lists are not compared yet."""
        result: list[Event] = []
        level = [self]
        while level:
            below: list[EventTree] = []
            for node in level:
                result.extend(node.events)
                value = path[node.depth] if node.depth < len(path) else None
                if value is None:
                    below.extend(node.index.values())
                elif value in node.index:
                    below.append(node.index[value])
            level = below
        return result
