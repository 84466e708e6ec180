"""The event tree against testing every event with every matcher."""

from __future__ import annotations

import random

import pytest
from support.model_events import random_event, random_matcher

from vlcp.event.matchtree import EventTree


@pytest.mark.parametrize("seed", range(40))
def test_the_tree_finds_what_brute_force_finds(seed):
    rng = random.Random(seed)
    tree, events = EventTree(branch=rng.choice([1, 2, 5])), []
    for step in range(300):
        action = rng.random()
        if action < 0.6:
            event = random_event(rng)
            tree.insert(event)
            events.append(event)
        elif action < 0.8 and events:
            event = events.pop(rng.randrange(len(events)))
            tree.remove(event)
            tree.remove(event)
        else:
            matcher = random_matcher(rng)
            expected = [e for e in events if matcher.isMatch(e)]
            assert set(tree.findAndRemove(matcher)) == set(expected), f"seed {seed}, step {step}"
            events = [e for e in events if e not in expected]
        assert len(tree) == len(events), f"seed {seed}, step {step}"
        assert bool(tree) == bool(events)
    for event in events:
        tree.remove(event)
    assert not tree.index
    assert not tree.events


def test_subtree_returns_the_node_of_an_event():
    rng = random.Random(1)
    tree = EventTree(branch=1)
    events = [random_event(rng) for _ in range(20)]
    for event in events:
        tree.insert(event)
    assert all(event in tree.subtree(event).events for event in events)
    assert EventTree().subtree(events[0]).events == {}
