"""Random work on queues against plain lists, with senders that wait for room.

The model knows for each event which leaf it is in; the queue must agree on sizes, on the order in a leaf, on priorities
between leaves, and a sender may only wait while its event would be refused.
"""

from __future__ import annotations

import random

import pytest

from vlcp.event.event import Event, with_indices
from vlcp.event.pqueue import CBQueue, QueueIsEmptyEvent


@with_indices("kind", "owner")
class Work(Event):
    pass


class Leaf:
    """Model of one leaf: what it holds, in order of arrival, and what is blocked."""

    def __init__(self, name, organisation, priority, limit, per_key=None, preserve=1):
        self.name, self.organisation, self.priority = name, organisation, priority
        self.limit, self.per_key, self.preserve = limit, per_key, preserve
        self.held, self.blocked = [], []

    def size(self):
        return len(self.held) + len(self.blocked)

    def of_key(self, key):
        return sum(1 for e in self.held + self.blocked if e.owner == key)

    def refuses(self, event):
        if self.organisation != "auto":
            return self.limit is not None and self.size() >= self.limit
        same = self.of_key(event.owner)
        if self.per_key is not None and same >= self.per_key:
            return True
        if self.limit is None:
            return False
        return self.size() >= (max(1, self.limit - self.preserve) if same else self.limit)

    def next_ones(self):
        """Return the events that may be popped next from this leaf."""
        if self.organisation == "auto":
            stopped = {e.owner for e in self.blocked}
            heads = {}
            for event in self.held:
                heads.setdefault(event.owner, event)
            return [e for key, e in heads.items() if key not in stopped]
        if self.blocked or not self.held:
            return []
        if self.organisation == "fifo" or getattr(self.held[0], "returned", False):
            return self.held[:1]
        return [min(self.held, key=lambda e: e.rank)]


class Bench:
    """A queue, its model, and senders that wait."""

    def __init__(self, seed):
        self.rng = rng = random.Random(seed)
        self.total = rng.choice([None, 6, 12])
        self.queue = CBQueue(maxtotal=self.total, maxdefault=rng.choice([None, 3]))
        self.default = Leaf(None, "fifo", 0, self.queue.defaultQueue.maxlength)
        self.leaves = {}
        for kind in range(rng.randint(0, 4)):
            self.add(kind)
        self.waiting = []
        self.rank = 0

    def add(self, kind):
        rng = self.rng
        organisation = rng.choice(["fifo", "priority", "auto"])
        priority, limit = rng.choice([0, 5, 10]), rng.choice([None, 2, 4])
        per_key, preserve = rng.choice([None, 1, 2]), rng.choice([0, 1, 2])
        factory = {
            "fifo": CBQueue.FifoQueue,
            "priority": CBQueue.PriorityQueue.initHelper("rank"),
            "auto": CBQueue.AutoClassQueue.initHelper("owner", preserve, subqueuelimit=per_key),
        }[organisation]
        self.queue.addSubQueue(priority, Work.createMatcher(kind), kind, limit, None, factory)
        self.leaves[kind] = Leaf(kind, organisation, priority, limit, per_key, preserve)

    def all_leaves(self):
        return [self.default, *self.leaves.values()]

    def leaf_of(self, event):
        return self.leaves.get(event.kind, self.default)

    def size(self):
        return sum(leaf.size() for leaf in self.all_leaves())

    def refuses(self, event):
        return self.leaf_of(event).refuses(event) or (self.total is not None and self.size() >= self.total)

    def append(self, event, force=False):
        expected = not force and self.refuses(event)
        matcher = self.queue.append(event, force)
        assert (matcher is not None) == expected
        if matcher is None:
            self.leaf_of(event).held.append(event)
        return matcher

    def new_event(self):
        self.rank += 1
        event = Work(self.rng.randint(0, 5), self.rng.randint(0, 3))
        event.rank = (self.rng.randint(0, 3), self.rank)
        return event

    def send(self):
        event = self.new_event()
        matcher = self.append(event)
        if matcher is not None:
            self.waiting.append((event, matcher))

    def deliver(self, made):
        """Wake the senders as the scheduler does: one by one while there is room."""
        for event in made:
            asked = set()
            while event is not None:
                if not event.is_valid():
                    event, asked = event.instead(), set()
                    continue
                found = next((w for w in self.waiting if w[1].isMatch(event) and w[0] not in asked), None)
                if found is None:
                    event, asked = event.unused(), set()
                    continue
                asked.add(found[0])
                self.waiting.remove(found)
                matcher = self.append(found[0])
                if matcher is not None:
                    self.waiting.append((found[0], matcher))

    def pop(self):
        candidates = {leaf: leaf.next_ones() for leaf in self.all_leaves()}
        ready = [leaf for leaf, events in candidates.items() if events]
        assert self.queue.canPop() == bool(ready)
        if not ready:
            with pytest.raises(IndexError):
                self.queue.pop()
            return
        event, made, empty = self.queue.pop()
        leaf = self.leaf_of(event)
        assert leaf.priority == max(r.priority for r in ready)
        assert event in candidates[leaf]
        leaf.held.remove(event)
        event.returned = False
        if self.rng.random() < 0.3:
            self.queue.block(event, empty)
            leaf.blocked.append(event)
        self.deliver(made)

    def unblock(self):
        leaf = self.rng.choice(self.all_leaves())
        if leaf.blocked:
            event = leaf.blocked.pop()
            event.returned = True
            self.queue.unblock(event)
            leaf.held.insert(0, event)

    def clear(self):
        if not self.leaves or self.rng.random() < 0.8:
            return
        leaf = self.rng.choice(list(self.leaves.values()))
        sub = self.queue[leaf.name]
        assert set(self.queue.unblockqueue(sub)) == set(leaf.blocked)
        leaf.held, leaf.blocked = [], []
        made, _ = sub.clear()
        self.deliver(made)

    def remove(self):
        if not self.leaves or self.rng.random() < 0.9:
            return
        name = self.rng.choice(list(self.leaves))
        leaf = self.leaves.pop(name)
        made, _ = self.queue.removeSubQueue(name)
        # Their order among each other is that in which the leaf gives them; the model takes it over.
        moved = set(leaf.held + leaf.blocked)
        order = [e for e in self.queue.defaultQueue._items if e in moved]
        assert set(order) == moved
        for event in order:
            event.returned = False
        self.default.held.extend(order)
        self.deliver(made)

    def set_priority(self):
        if self.leaves:
            leaf = self.rng.choice(list(self.leaves.values()))
            leaf.priority = self.rng.choice([0, 5, 10, 15])
            self.queue.setPriority(leaf.name, leaf.priority)
            assert self.queue.getPriority(leaf.name) == leaf.priority

    def check(self):
        assert len(self.queue) == self.size()
        for name, leaf in self.leaves.items():
            assert len(self.queue[name]) == leaf.size()
            assert self.queue[name].canPop() == bool(leaf.next_ones())
        for event, _ in self.waiting:
            assert self.refuses(event), f"{event!r} waits for room that it has"


@pytest.mark.parametrize("seed", range(300))
def test_a_random_queue_agrees_with_lists_and_no_sender_waits_in_vain(seed):
    bench = Bench(seed)
    actions = [bench.send] * 5 + [bench.pop] * 4 + [bench.unblock, bench.clear, bench.remove, bench.set_priority]
    actions.append(lambda: bench.append(bench.new_event(), True))
    for step in range(200):
        action = bench.rng.choice(actions)
        try:
            action()
            bench.check()
        except AssertionError as exc:
            raise AssertionError(f"seed {seed}, step {step}: {exc}") from exc


@pytest.mark.parametrize("seed", range(30))
def test_all_events_leave_in_the_end(seed):
    bench = Bench(seed)
    sent = 0
    for _ in range(100):
        bench.send()
        sent += 1
    left = 0
    while bench.queue.canPop() or any(leaf.blocked for leaf in bench.all_leaves()):
        before = bench.size() + len(bench.waiting)
        bench.unblock() if not bench.queue.canPop() else bench.pop()
        left += before - bench.size() - len(bench.waiting)
    assert (left, bench.waiting) == (sent, [])
    assert len(bench.queue) == 0


def test_waiting_for_an_empty_queue_is_told_once():
    queue = CBQueue()
    sub = queue.addSubQueue(1, Work.createMatcher(1), "one")
    assert queue.waitForEmpty() is None
    queue.append(Work(1, 1))
    queue.append(Work(2, 1))
    matcher, sub_matcher = queue.waitForEmpty(), sub.waitForEmpty()
    _, _, empty = queue.pop()
    assert [e.queue for e in empty] == [sub]
    assert sub_matcher.isMatch(empty[0])
    event, _, empty = queue.pop()
    assert isinstance(empty[0], QueueIsEmptyEvent)
    assert matcher.isMatch(empty[0])
    queue.block(event, empty)
    queue.unblock(event)
    assert len(queue.pop()[2]) == 1
    queue.append(Work(2, 1))
    assert queue.pop()[2] == ()
