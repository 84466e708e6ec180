"""The kinds of queues, their order and their limits."""

from __future__ import annotations

import gc
import weakref

import pytest

from vlcp.event.event import Event, with_indices
from vlcp.event.pqueue import AutoClassQueueCanWriteEvent, CBQueue, QueueCanWriteEvent, QueueIsEmptyEvent


@with_indices("kind")
class Work(Event):
    pass


def work(kind=0, **kwargs):
    return Work(kind, **kwargs)


def drain(queue):
    got = []
    while queue.canPop():
        got.append(queue.pop()[0])
    return got


def test_fifo_order_and_limit():
    queue = CBQueue(maxdefault=2)
    a, b, d = work(), work(), work()
    assert queue.append(a) is None
    assert queue.append(b) is None
    matcher = queue.append(d)
    assert queue.append(d, True) is None
    assert queue.pop() == (a, (), ())
    event, made, _ = queue.pop()
    assert event is b
    assert matcher.isMatch(made[0])
    assert made[0].is_valid()
    assert drain(queue) == [d]
    with pytest.raises(IndexError):
        queue.pop()


def test_priority_order_with_events_without_a_priority_last():
    queue = CBQueue(defaultQueueClass=CBQueue.PriorityQueue)
    events = [work(priority=3), work(), work(priority=1), work(priority=3), work(priority=None), work(priority=2)]
    for event in events:
        queue.append(event)
    first = queue.pop()[0]
    queue.block(first)
    assert not queue.canPop()
    queue.append(work(priority=0))
    queue.unblock(first)
    order = drain(queue)
    assert order[0] is first
    assert order[2:] == [events[5], events[0], events[3], events[1], events[4]]


def test_sub_queues_by_priority_and_in_turn():
    queue = CBQueue()
    for kind, priority in ((1, 10), (2, 5), (3, 5)):
        queue.addSubQueue(priority, Work.createMatcher(kind), kind)
    for kind in (0, 3, 2, 1):
        for _ in range(2):
            queue.append(work(kind))
    assert [e.kind for e in drain(queue)] == [1, 1, 3, 2, 3, 2, 0, 0]
    assert queue.getPriority(1) == queue.getPriority(queue[1]) == 10
    queue.setPriority(3, 20)
    for kind in (0, 3, 2, 1):
        queue.append(work(kind))
    assert [e.kind for e in drain(queue)] == [3, 1, 2, 0]
    queue.setPriority(queue.defaultQueue, 30)
    for kind in (1, 0):
        queue.append(work(kind))
    assert [e.kind for e in drain(queue)] == [0, 1]


def test_sub_queues_of_sub_queues():
    queue = CBQueue()
    outer = queue.addSubQueue(5, Work.createMatcher(1), "outer", maxtotal=2)
    inner = outer.addSubQueue(5, Work.createMatcher(1, _ismatch=lambda e: e.size > 5), "inner")
    assert "outer" in queue
    assert "inner" not in queue
    assert queue.append(work(1, size=9)) is None
    assert queue.append(work(1, size=1)) is None
    refused = queue.append(work(1, size=9))
    assert (len(queue), len(outer), len(inner)) == (2, 2, 1)
    event, made, _ = queue.pop()
    assert event.size == 9
    assert refused.isMatch(made[0])
    assert made[0].queue is outer
    queue.block(event)
    assert not made[0].is_valid()
    assert [e.size for e in drain(queue)] == [1]
    inner.unblockall()
    assert drain(queue) == [event]


def test_names_of_sub_queues_are_unique_and_unknown_ones_raise():
    queue = CBQueue()
    queue.addSubQueue(1, Work.createMatcher(1), "a")
    anonymous = queue.addSubQueue(1, Work.createMatcher(2))
    with pytest.raises(ValueError):
        queue.addSubQueue(1, Work.createMatcher(2), "a")
    with pytest.raises(KeyError):
        queue["b"]
    with pytest.raises(KeyError):
        queue.removeSubQueue("b")
    queue.removeSubQueue(anonymous)
    queue.removeSubQueue("a")
    assert "a" not in queue


def test_removing_a_sub_queue_tells_its_senders_and_keeps_its_events():
    queue = CBQueue()
    sub = queue.addSubQueue(1, Work.createMatcher(1), "a", 2)
    a, b = work(1), work(1)
    queue.append(a)
    queue.append(b)
    refused = queue.append(work(1))
    queue.block(queue.pop()[0])
    empty_matcher = sub.waitForEmpty()
    made, empty = queue.removeSubQueue("a")
    assert any(refused.isMatch(e) and e.is_valid() for e in made)
    assert any(empty_matcher.isMatch(e) for e in empty)
    assert len(queue) == 2
    assert drain(queue) == [a, b]


def test_removing_a_sub_queue_does_not_report_the_parent_empty():
    queue = CBQueue()
    queue.addSubQueue(1, Work.createMatcher(1), "a")
    queue.append(work(1))
    matcher = queue.waitForEmpty()
    assert queue.removeSubQueue("a")[1] == ()
    _, _, empty = queue.pop()
    assert matcher.isMatch(empty[0])


def test_clear_reports_room_and_emptiness():
    queue = CBQueue(maxtotal=3)
    sub = queue.addSubQueue(1, Work.createMatcher(1), "a", 2)
    for kind in (1, 1, 0):
        queue.append(work(kind))
    queue.block(queue.pop()[0])
    queue.waitForEmpty()
    made, empty = queue.clear()
    assert {e.queue for e in made} >= {queue}
    assert sub.canAppend()
    assert [e.queue for e in empty] == [queue]
    assert len(queue) == len(sub) == 0
    assert len(queue.unblockqueue(queue)) == 1
    assert not queue.canPop()


@pytest.mark.parametrize(
    "make",
    [
        lambda: CBQueue(maxdefault=0),
        lambda: CBQueue(maxtotal=0),
        lambda: CBQueue.AutoClassQueue(subqueuelimit=0),
    ],
)
def test_limits_must_be_positive(make):
    with pytest.raises(ValueError):
        make()


def auto(**kwargs):
    maxlength = kwargs.pop("maxlength", None)
    return CBQueue(maxdefault=maxlength, defaultQueueClass=CBQueue.AutoClassQueue.initHelper("owner", **kwargs))


def test_the_least_served_class_is_popped_next():
    queue = auto()
    for _ in range(6):
        queue.append(work(owner="busy"))
    assert [queue.pop()[0].owner for _ in range(3)] == ["busy"] * 3
    for _ in range(3):
        queue.append(work(owner="late"))
    assert [e.owner for e in drain(queue)] == ["late", "late", "late", "busy", "busy", "busy"]


def test_served_events_are_forgotten_after_maxstat():
    queue = auto(maxstat=2)
    for _ in range(4):
        queue.append(work(owner="a"))
    for _ in range(3):
        queue.pop()
    queue.append(work(owner="b"))
    queue.append(work(owner="b"))
    assert [e.owner for e in drain(queue)] == ["b", "a", "b"]
    leaf = queue.defaultQueue
    assert len(leaf._served) == 2
    assert [leaf._served.count(owner) for owner in ("a", "b")] == [1, 1]


def test_the_statistics_keep_no_owner_alive():
    class Owner:
        pass

    queue = auto()
    owners = [Owner() for _ in range(3)]
    for owner in owners * 2:
        queue.append(work(owner=owner))
    assert [e.owner for e in drain(queue)] == owners * 2
    leaf = queue.defaultQueue
    assert leaf._served.count(owners[0]) == 2
    gone = [weakref.ref(owner) for owner in owners]
    del owner, owners
    gc.collect()
    assert [ref() for ref in gone] == [None] * 3
    # Whoever comes into their places begins anew.
    assert all(leaf._served.count(Owner()) == 0 for _ in range(100))


def test_place_is_kept_for_new_classes():
    queue = auto(maxlength=4, preserveForNew=2)
    assert queue.append(work(owner="a")) is None
    assert queue.append(work(owner="a")) is None
    refused = queue.append(work(owner="a"))
    assert queue.append(work(owner="b")) is None
    assert queue.append(work(owner="d")) is None
    assert queue.append(work(owner="e")) is not None
    leaf = queue.defaultQueue
    assert not leaf.canAppend()
    made = queue.pop()[1][0]
    assert isinstance(made, AutoClassQueueCanWriteEvent)
    assert (made.key, made.newonly, made.firstonly) == ("e", True, True)
    assert made.unused() is None
    assert queue.pop()[1] == ()
    made = queue.pop()[1][0]
    assert refused.isMatch(made)
    assert made.is_valid()


def test_a_limit_for_each_class_and_a_block_of_one_class():
    queue = auto(subqueuelimit=1)
    assert queue.append(work(owner="a")) is None
    refused = queue.append(work(owner="a"))
    assert queue.append(work(owner="b")) is None
    assert queue.append(work()) is None
    assert queue.append(work()) is not None
    event, made, _ = queue.pop()
    assert refused.isMatch(made[0])
    queue.block(event)
    assert not made[0].is_valid()
    assert len(queue) == 3
    rest = [queue.pop()[0] for _ in range(2)]
    assert {getattr(e, "owner", None) for e in rest} == {"b", None}
    assert not queue.canPop()
    queue.unblockall()
    assert drain(queue) == [event]


def test_the_default_queue_of_the_server_keeps_event_classes_apart():
    @with_indices()
    class Blocks(Event):
        canignore = False

    queue = CBQueue(defaultQueueClass=CBQueue.AutoClassQueue.initHelper("_classname0"))
    queue.append(Blocks())
    queue.append(work(1))
    queue.block(queue.pop()[0])
    assert [e.kind for e in drain(queue)] == [1]


def test_events_of_queues_have_the_documented_indices():
    queue = CBQueue()
    assert QueueCanWriteEvent.indicesNames() == ("queue",)
    assert QueueIsEmptyEvent.indicesNames() == ("queue",)
    assert AutoClassQueueCanWriteEvent.indicesNames() == ("queue", "key", "newonly", "firstonly")
    event = AutoClassQueueCanWriteEvent(queue, "k", True, False)
    assert QueueCanWriteEvent.createMatcher(queue).isMatch(event)


def test_circle_list_keeps_turns():
    ring = CBQueue.MultiQueue.CircleList()
    nodes = [CBQueue.MultiQueue.CircleListNode(n) for n in range(3)]
    assert ring.next() is None
    for node in nodes:
        ring.insertprev(node)
    assert [ring.next().value for _ in range(4)] == [0, 1, 2, 0]
    ring.remove(nodes[1])
    assert [ring.next().value for _ in range(3)] == [2, 0, 2]
    ring.insertcurrent(nodes[1])
    assert ring.next().value == 1
    ring.clear()
    assert ring.next() is None
