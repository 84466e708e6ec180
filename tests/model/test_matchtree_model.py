"""The match tree against testing every matcher with every event."""

from __future__ import annotations

import random

import pytest
from support.model_events import Base, random_event, random_matcher

from vlcp.event.matchtree import MatchTree


@pytest.mark.parametrize("seed", range(40))
def test_the_tree_finds_what_brute_force_finds(seed):
    rng = random.Random(seed)
    tree, pairs = MatchTree(), []
    for step in range(300):
        action = rng.random()
        if action < 0.4:
            pair = (random_matcher(rng), rng.randint(0, 8))
            tree.insert(*pair)
            pairs.append(pair)
        elif action < 0.5 and pairs:
            tree.insert(*rng.choice(pairs))
        elif action < 0.7 and pairs:
            pair = pairs.pop(rng.randrange(len(pairs)))
            tree.remove(*pair)
            tree.remove(*pair)
        else:
            check(tree, pairs, random_event(rng), f"seed {seed}, step {step}")
    for pair in pairs:
        tree.remove(*pair)
    assert (tree.index, tree.any, tree.entries) == (None, None, None)


def check(tree, pairs, event, where):
    expected = {obj for matcher, obj in pairs if matcher.isMatch(event)}
    found = tree.matchesWithMatchers(event)
    assert len(found) == len(expected), where
    assert {obj for obj, _ in found} == expected, where
    assert all(m.isMatch(event) and (m, obj) in pairs for obj, m in found), where
    assert set(tree.matches(event)) == expected, where
    assert (tree.matchfirst(event) is not None) == bool(expected), where
    first = tree.matchfirstwithmatcher(event)
    assert (first is None) == (not expected), where
    assert first is None or first == found[0], where


def test_specific_matchers_come_before_general_ones_and_else_in_order_of_insertion():
    tree = MatchTree()
    for matcher, name in [
        (Base.createMatcher(), "all"),
        (Base.createMatcher(1), "first"),
        (Base.createMatcher(1, 2), "both"),
        (Base.createMatcher(1, 2), "both again"),
    ]:
        tree.insert(matcher, name)
    assert tree.matches(Base(1, 2)) == ("both", "both again", "first", "all")
    assert tree.matchfirst(Base(1, 3)) == "first"


def test_subtree_finds_the_node_of_a_matcher():
    tree = MatchTree()
    matcher = Base.createMatcher(1, 2)
    assert tree.subtree(None) is tree
    assert tree.subtree(matcher) is None
    node = tree.subtree(matcher, True)
    tree.insert(matcher, "x")
    assert tree.subtree(matcher) is node
    assert node.entries == {"x": matcher}


def test_finding_does_not_depend_on_how_many_wait_for_other_values():
    """Counts look-ups instead of measuring time: every visited node asks its dictionary once."""

    class Counting(dict):
        asked = 0

        def get(self, *args):
            Counting.asked += 1
            return super().get(*args)

    def lookups(others):
        tree = MatchTree()
        for n in range(others):
            tree.insert(Base.createMatcher(n + 10, 1), n)
        tree.insert(Base.createMatcher(1, 1), "me")
        stack = [tree]
        while stack:
            node = stack.pop()
            if node.index is not None:
                stack.extend(node.index.values())
                node.index = Counting(node.index)
        Counting.asked = 0
        assert tree.matches(Base(1, 1)) == ("me",)
        return Counting.asked

    assert lookups(0) == lookups(5000) == 3
