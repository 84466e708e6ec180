"""Random events and matchers for the model tests of the look-up trees."""

from __future__ import annotations

from vlcp.event.event import Event, with_indices


@with_indices("a", "b")
class Base(Event):
    pass


@with_indices("c")
class Child(Base):
    pass


@with_indices("x")
class Other(Event):
    pass


def random_matcher(rng):
    """Return a matcher for a random class, some index values and perhaps a test on ``tag``."""

    def value():
        return rng.choice([None, 1, 2, 3])

    test = rng.choice([None, None, lambda e: e.tag, lambda e: not e.tag])
    cls, count = rng.choice([(Event, 0), (Base, 2), (Child, 3), (Other, 1)])
    return cls.createMatcher(*[value() for _ in range(count)], _ismatch=test)


def random_event(rng):
    """Return an event of a random class with small index values and a boolean ``tag``."""
    cls, count = rng.choice([(Base, 2), (Child, 3), (Other, 1)])
    return cls(*[rng.randint(1, 3) for _ in range(count)], tag=rng.random() < 0.5)
