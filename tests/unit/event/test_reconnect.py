"""The link machine, by scripts of times and expected actions."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from vlcp.event._reconnect import Action, Link, State, backoff


def test_delays_double_then_grow_by_thirty_then_stay_at_300():
    expected = [1, 2, 4, 8, 16, 32, 62, 92, 122, 152, 182, 212, 242, 272, 300, 300]
    assert list(itertools.islice(backoff(), 16)) == expected


def test_failures_wait_longer_each_time_and_a_success_starts_over():
    link = Link(persist=True)
    now = 0.0
    for delay in (1, 2, 4, 8):
        link.start(now)
        link.failed(now)
        assert link.run(now + delay - 0.1) is None
        assert link.timeout(now) == delay
        now += delay
        assert link.run(now) is Action.CONNECT
    link.start(now)
    link.connected(now)
    link.failed(now)
    assert link.timeout(now) == 1


def test_without_persist_a_failure_ends_the_link():
    link = Link(persist=False)
    link.start(0)
    link.failed(0)
    assert link.state is State.ENDED
    assert link.run(1e9) is None and link.timeout(0) is None


def test_an_attempt_is_given_up_at_its_limit():
    link = Link(persist=True, connect_timeout=30)
    link.start(100)
    assert link.run(129.9) is None
    assert link.timeout(120) == 10
    assert link.run(130) is Action.GIVE_UP_ATTEMPT


def test_an_attempt_without_limit_waits_for_ever():
    link = Link(persist=True, connect_timeout=None)
    link.start(0)
    assert link.timeout(5) is None and link.run(1e9) is None


def test_silence_is_probed_once_until_the_probe_has_ended():
    link = Link(persist=True, keepalive=10)
    link.start(0)
    link.connected(0)
    link.received(5)
    assert link.timeout(6) == 9
    assert link.run(14) is None
    assert link.run(15) is Action.PROBE
    assert link.run(99) is None and link.timeout(99) is None
    link.probed(100)
    assert link.run(109) is None
    assert link.run(110) is Action.PROBE


def test_sending_nothing_is_probed_too():
    link = Link(persist=True, write_keepalive=5)
    link.start(0)
    link.connected(0)
    link.received(4)
    link.sent(3)
    assert link.run(7.9) is None
    assert link.run(8) is Action.PROBE


def test_a_wanted_reconnect_does_not_wait():
    link = Link(persist=False)
    link.start(0)
    link.connected(0)
    link.retry_now(50)
    assert link.run(50) is Action.CONNECT


STEPS = st.lists(
    st.tuples(st.sampled_from(["start", "connected", "failed", "received", "sent", "probed", "run"]), st.floats(0, 1000)),
    max_size=60,
)


@given(STEPS)
def test_sleeping_for_timeout_always_reaches_the_next_action(steps):
    link = Link(persist=True, keepalive=7, write_keepalive=11)
    now = 0.0
    for name, later in steps:
        now += later
        getattr(link, name)(now)
    wait = link.timeout(now)
    if wait is None:
        assert link.run(now + 1e9) is None
    else:
        assert wait >= 0
        assert link.run(now + wait + 1e-6) is not None
