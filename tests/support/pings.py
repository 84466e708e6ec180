"""Events for tests of the event framework."""

from vlcp.event.event import Event, with_indices


@with_indices("n")
class Ping(Event):
    """May be thrown away when nobody waits for it."""


@with_indices("n")
class Must(Event):
    """Stays in its queue until somebody takes it."""

    canignore = False
