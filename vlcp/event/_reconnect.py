"""When to connect, to give up and to probe: the state of one link, without sockets and without a clock.

Every method takes ``now``, seconds of any clock that does not go back. :meth:`Link.run` says what to do at this
moment and :meth:`Link.timeout` how long to sleep until it may have something to say. ``Connection`` and ``Client``
obey.

    start -> CONNECTING -> connected -> UP -> lost -+
                  |                                  |
                  +-- failed ----------------------> BACKOFF -> start ...     (ENDED when not persistent)
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from typing import Optional


class State(enum.Enum):
    """Where a link is in its life."""

    IDLE = "idle"
    CONNECTING = "connecting"
    UP = "up"
    BACKOFF = "backoff"
    ENDED = "ended"


class Action(enum.Enum):
    """What the owner of a link has to do now."""

    CONNECT = "connect"
    GIVE_UP_ATTEMPT = "give up attempt"
    PROBE = "probe"


def backoff() -> Iterator[float]:
    """Yield the seconds to wait before each attempt: 1, 2, 4, 8, 16, 32, 62, 92, ... 272, then 300 for ever."""
    delay = 1.0
    while delay <= 32:
        yield delay
        delay *= 2
    delay = 62.0
    while delay <= 272:
        yield delay
        delay += 30
    while True:
        yield 300.0


class Link:
    """The state of one link.

    :param persist: connect again after a loss or a failure
    :param connect_timeout: seconds that one attempt may take; None for no limit
    :param keepalive: seconds without received data after which the peer is probed; None never probes
    :param write_keepalive: seconds without sent data after which the peer is probed; None never probes
    :param delays: function that returns an iterator over the seconds before each attempt
    """

    def __init__(
        self,
        persist: bool,
        connect_timeout: Optional[float] = 30,
        keepalive: Optional[float] = None,
        write_keepalive: Optional[float] = None,
        delays: Callable[[], Iterator[float]] = backoff,
    ) -> None:
        self.persist = persist
        self.connect_timeout = connect_timeout
        self.keepalive = keepalive
        self.write_keepalive = write_keepalive
        self._new_delays = delays
        self._delays = delays()
        self._deadline: Optional[float] = None
        self._received = self._sent = 0.0
        self._probing = False
        self.state = State.IDLE

    def start(self, now: float) -> None:
        """An attempt to connect begins."""
        self.state = State.CONNECTING
        self._deadline = None if self.connect_timeout is None else now + self.connect_timeout

    def connected(self, now: float) -> None:
        """The attempt succeeded; the next failure starts with the shortest delay again."""
        self.state = State.UP
        self._deadline = None
        self._delays = self._new_delays()
        self._received = self._sent = now
        self._probing = False

    def failed(self, now: float) -> None:
        """The attempt failed, or the link was lost."""
        if not self.persist:
            self.stop()
            return
        self.state = State.BACKOFF
        self._deadline = now + next(self._delays)

    def retry_now(self, now: float) -> None:
        """Connect again at once, whatever the delay would be, also when the link is not persistent."""
        self.state = State.BACKOFF
        self._deadline = now

    def stop(self) -> None:
        """The link is not wanted any more."""
        self.state = State.ENDED
        self._deadline = None

    def received(self, now: float) -> None:
        """Data came from the peer."""
        self._received = now

    def sent(self, now: float) -> None:
        """Data went to the peer."""
        self._sent = now

    def probed(self, now: float) -> None:
        """The probe that :meth:`run` asked for has ended; the next one is due a whole interval later."""
        self._probing = False
        self._received = self._sent = max(now, self._received)

    def _due(self) -> Optional[float]:
        if self.state is not State.UP:
            return self._deadline
        if self._probing:
            return None
        dues = []
        if self.keepalive is not None:
            dues.append(self._received + self.keepalive)
        if self.write_keepalive is not None:
            dues.append(self._sent + self.write_keepalive)
        return min(dues, default=None)

    def run(self, now: float) -> Optional[Action]:
        """Return what has to be done at this moment, or None. ``PROBE`` is said once until :meth:`probed`."""
        due = self._due()
        if due is None or now < due:
            return None
        if self.state is State.UP:
            self._probing = True
            return Action.PROBE
        return Action.CONNECT if self.state is State.BACKOFF else Action.GIVE_UP_ATTEMPT

    def timeout(self, now: float) -> Optional[float]:
        """Return the seconds until :meth:`run` may answer, at least 0, or None when only an event can change that."""
        due = self._due()
        return None if due is None else max(0.0, due - now)
