"""The ARP cache against a slower, simpler one, with a clock that the test moves."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from vlcp.service.sdn import _arp_cache
from vlcp.service.sdn._arp_cache import FLOW_GRACE_S, ArpCache, Ask, Held, Status, Timers, Waiting

TIMERS = Timers(incomplete_s=60, complete_s=30, static_s=60)
KEYS = [("n1", 1), ("n1", 2), ("n2", 1)]
A, B = 0x020000000001, 0x020000000002
key = st.sampled_from(KEYS)


@pytest.fixture
def cache():
    return ArpCache(TIMERS)


def test_a_new_neighbour_is_asked_for_at_once_and_then_each_cycle_until_its_time_is_over(cache):
    assert cache.want(KEYS[0], 0) == [Ask(KEYS[0], None)]
    assert cache.want(KEYS[0], 10) == []
    assert cache.turn(65).asks == [Ask(KEYS[0], None)]
    assert cache.turn(70.5).gone == [KEYS[0]]
    assert len(cache) == 0


def test_the_first_questions_are_repeated_each_second_and_then_it_is_called_silent(cache):
    cache.want(KEYS[0], 0)
    assert cache.again(0.5) == ([], True)
    assert cache.again(1) == ([Ask(KEYS[0], None)], True)
    assert cache.again(1.5) == ([], True)
    assert cache.turn(1.9).silent == []
    assert cache.again(5) == ([], False)
    assert cache.turn(2.8).silent == []
    assert cache.turn(5).silent == [KEYS[0]]
    cache.answer(KEYS[0], A, 6)
    assert cache.turn(10).silent == [] and cache.again(10) == ([], False)


def test_a_neighbour_whose_address_is_known_is_not_asked_again_before_the_cycle(cache):
    cache.want(KEYS[0], 0)
    cache.answer(KEYS[0], A, 0)
    cache.doubt(KEYS[0])
    assert cache.turn(40).asks == [Ask(KEYS[0], A)]
    assert cache.again(45) == ([], False)


def test_only_an_answer_to_an_open_question_is_believed(cache):
    assert not cache.answer(KEYS[0], A, 0)
    cache.want(KEYS[0], 0)
    assert not cache.answer(KEYS[0], 0, 1)
    assert not cache.answer(KEYS[0], 0x01005E000001, 1)
    assert cache.answer(KEYS[0], A, 1)
    assert not cache.answer(KEYS[0], B, 2)
    assert cache.mac(KEYS[0]) == A


def test_a_used_neighbour_is_asked_alone_and_then_everybody_and_then_given_up(cache):
    cache.want(KEYS[0], 0)
    cache.answer(KEYS[0], A, 0)
    cache.doubt(KEYS[0])
    assert cache.status(KEYS[0]) is Status.CONFIRM
    assert cache.turn(40).asks == [Ask(KEYS[0], A)]
    assert cache.turn(30 + FLOW_GRACE_S + 1).asks == [Ask(KEYS[0], None)]
    assert cache.mac(KEYS[0]) == A
    assert cache.turn(30 + FLOW_GRACE_S + 61).gone == [KEYS[0]]


def test_a_confirmed_neighbour_may_have_moved(cache):
    cache.want(KEYS[0], 0)
    cache.answer(KEYS[0], A, 0)
    cache.doubt(KEYS[0])
    cache.turn(40)
    assert not cache.answer(KEYS[0], B, 40) and cache.mac(KEYS[0]) == A
    assert cache.turn(51).asks == [Ask(KEYS[0], None)]
    assert cache.answer(KEYS[0], B, 51) and cache.mac(KEYS[0]) == B
    assert cache.turn(60).asks == []


def test_only_the_station_that_was_asked_alone_can_answer(cache):
    cache.set_static([KEYS[0]], 0)
    cache.answer(KEYS[0], A, 0)
    assert cache.turn(61).asks == [Ask(KEYS[0], A)]
    assert not cache.answer(KEYS[0], B, 62)
    assert cache.answer(KEYS[0], A, 63)
    assert not cache.answer(KEYS[0], A, 64)


def test_a_next_hop_is_asked_for_always_and_refreshed_before_it_is_needed(cache):
    assert cache.set_static([KEYS[0]], 0) == [Ask(KEYS[0], None)]
    assert cache.turn(1000).asks == [Ask(KEYS[0], None)]
    assert cache.answer(KEYS[0], A, 1000)
    assert cache.turn(1059).asks == []
    assert cache.turn(1061).asks == [Ask(KEYS[0], A)]
    assert cache.turn(1120).asks == [Ask(KEYS[0], None)]
    assert cache.mac(KEYS[0]) == A
    assert cache.answer(KEYS[0], B, 1121) and cache.mac(KEYS[0]) == B
    assert not cache.forget(KEYS[0])
    assert cache.set_static([], 1121) == [] and len(cache) == 0


def test_a_learned_neighbour_becomes_a_next_hop_without_being_forgotten(cache):
    cache.want(KEYS[0], 0)
    cache.answer(KEYS[0], A, 0)
    assert cache.set_static([KEYS[0]], 1) == []
    assert cache.mac(KEYS[0]) == A and cache.learned() == {}
    assert cache.turn(2).asks == [Ask(KEYS[0], A)]


def test_there_are_not_more_neighbours_than_the_limit(cache, monkeypatch):
    monkeypatch.setattr(_arp_cache, "MAX_ENTRIES", 2)
    assert [len(cache.want(one, 0)) for one in KEYS] == [1, 1, 0]
    assert len(cache) == 2


def test_neighbours_in_networks_that_are_gone_are_forgotten(cache):
    for one in KEYS:
        cache.want(one, 0)
    assert cache.forget_networks(["n2"]) == KEYS[:2]
    assert cache.status(KEYS[2]) is Status.INCOMPLETE


class Model(RuleBasedStateMachine):
    """Entries as plain dictionaries, looked at one by one."""

    def __init__(self):
        super().__init__()
        self.cache = ArpCache(TIMERS)
        self.now = 0.0
        self.model = {}
        self.open = {}

    @rule(step=st.floats(0, 70))
    def time_passes(self, step):
        self.now += step

    @rule(key=key)
    def want(self, key):
        asks = self.cache.want(key, self.now)
        assert asks == ([] if key in self.model else [Ask(key, None)])
        entry = self.model.setdefault(key, {"mac": None, "static": False, "heard": self.now, "doubt": False})
        if entry["mac"] is None and not entry["static"]:
            entry["heard"] = self.now
        self.open.update(asks)

    @rule(key=key, mac=st.sampled_from([A, B, 0, 0x010000000000]))
    def answer(self, key, mac):
        believed = self.cache.answer(key, mac, self.now)
        assert believed == (mac in (A, B) and key in self.open and self.open[key] in (None, mac))
        if believed:
            self.open.pop(key, None)
            self.model[key].update(mac=mac, heard=self.now, doubt=False)

    @rule(key=key)
    def doubt(self, key):
        self.cache.doubt(key)
        if key in self.model and self.model[key]["mac"] is not None and not self.model[key]["static"]:
            self.model[key]["doubt"] = True

    @rule(keys=st.sets(key))
    def routes(self, keys):
        for one in [one for one, entry in self.model.items() if entry["static"] and one not in keys]:
            self._drop(one)
        for one in keys:
            entry = self.model.setdefault(one, {"mac": None, "static": True, "heard": self.now, "doubt": False})
            if not entry["static"]:
                entry.update(static=True, heard=self.now - TIMERS.static_s, doubt=False)
        self.open.update(self.cache.set_static(keys, self.now))

    @rule(key=key)
    def unused(self, key):
        forgotten = self.cache.forget(key)
        assert forgotten == (key in self.model and not self.model[key]["static"])
        if forgotten:
            self._drop(key)

    @rule()
    def again(self):
        asks, _ = self.cache.again(self.now)
        assert all(ask.mac is None and self.model[ask.key]["mac"] is None for ask in asks)
        self.open.update(asks)

    @rule()
    def turn(self):
        turn = self.cache.turn(self.now)
        expected = [one for one, entry in self.model.items() if self._over(entry)]
        assert sorted(turn.gone) == sorted(expected)
        for one in expected:
            self._drop(one)
        for one, entry in self.model.items():
            questions = [ask.mac for ask in turn.asks if ask.key == one]
            assert questions == self._questions(entry), (one, entry)
        self.open.update(turn.asks)
        assert all(self.model[one]["mac"] is None for one in turn.silent)

    def _drop(self, key):
        del self.model[key]
        self.open.pop(key, None)

    def _over(self, entry):
        age = self.now - entry["heard"]
        if entry["static"]:
            return False
        if entry["mac"] is None:
            return age > TIMERS.incomplete_s
        return age - TIMERS.complete_s - FLOW_GRACE_S > (TIMERS.incomplete_s if entry["doubt"] else 2 * TIMERS.complete_s)

    def _questions(self, entry):
        age = self.now - entry["heard"]
        if entry["mac"] is None:
            return [None]
        if entry["static"]:
            if age <= TIMERS.static_s:
                return []
            return [None] if age >= 2 * TIMERS.static_s else [entry["mac"]]
        if not entry["doubt"]:
            return []
        return [None] if age > TIMERS.complete_s + FLOW_GRACE_S else [entry["mac"]]

    @invariant()
    def both_know_the_same(self):
        assert len(self.cache) == len(self.model)
        for one, entry in self.model.items():
            assert self.cache.mac(one) == entry["mac"]


TestModel = Model.TestCase
TestModel.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)


def held(size=10, until=30.0):
    return Held(b"x" * size, until, 1, 1)


def test_waiting_packets_are_bounded_by_neighbour_and_in_all():
    waiting = Waiting(per_key=2, total=35)
    assert [waiting.add(KEYS[0], held()) for _ in range(3)] == [True, True, False]
    assert [waiting.add(KEYS[1], held()) for _ in range(2)] == [True, False]
    assert len(waiting.take(KEYS[0])) == 2 and waiting.size == 10
    assert waiting.take(KEYS[0]) == []


def test_waiting_packets_end_and_are_told_of_once():
    waiting = Waiting()
    waiting.add(KEYS[0], held(until=10))
    waiting.add(KEYS[0], held(until=20))
    assert len(waiting.untold(KEYS[0])) == 2
    waiting.add(KEYS[0], held(until=30))
    assert waiting.expire(15) == 1
    assert [packet.until for packet in waiting.untold(KEYS[0])] == [30]
    assert waiting.untold(KEYS[0]) == []
    assert waiting.expire(100) == 2 and waiting.size == 0
