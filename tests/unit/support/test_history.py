"""The checker of histories, on histories written by hand: it accepts what is serializable and names what is not."""

from __future__ import annotations

import random
import time

import pytest
from support.cycles import Edge, check, components, graph_of
from support.history import (
    FAILED,
    LOOSE,
    PAST,
    UNKNOWN,
    Operation,
    check_balances,
    check_bank,
    check_stamps,
    happened,
    parse,
)


def op(name, invoked, reads=None, appends=None, **more):
    """One operation that takes one second."""
    more.setdefault("completed", invoked + 1)
    lists = {key: [value] if isinstance(value, str) else value for key, value in (appends or {}).items()}
    return Operation(name, invoked, reads={key: list(value) for key, value in (reads or {}).items()}, appends=lists, **more)


def kinds(*operations, **options):
    return sorted({anomaly.kind for anomaly in check(operations, **options)})


def test_transactions_one_after_another_are_serializable():
    assert not kinds(
        op("A", 0, {"x": ""}, {"x": "a"}),
        op("B", 2, {"x": "a", "y": ""}, {"y": "b"}),
        op("C", 4, {"x": "a", "y": "b"}, {"x": ["c", "d"]}),
        op("R", 6, {"x": "acd", "y": "b"}),
    )


def test_transactions_at_the_same_time_may_come_in_any_order():
    assert not kinds(
        op("A", 0, {"x": "b"}, {"x": "a"}, completed=9),
        op("B", 1, {"x": ""}, {"x": "b"}),
        op("R", 3, {"x": "b"}),
        op("S", 4, {"x": "ba"}),
    )


def test_two_appends_to_the_same_state_are_a_lost_update():
    found = check([op("A", 0, {"x": ""}, {"x": "a"}), op("B", 0, {"x": ""}, {"x": "b"}), op("R", 5, {"x": "b"})])
    assert found[0].kind == "lost update" and found[0].names == ("A", "B")


def test_an_append_that_later_reads_do_not_show_is_found():
    assert kinds(op("A", 0, {}, {"x": "a"}), op("R", 5, {"x": ""})) == ["stale read"]


def test_an_append_that_was_seen_and_vanished_is_a_lost_update():
    history = op("A", 0, {"x": ""}, {"x": "a"}), op("R", 2, {"x": "a"}), op("B", 4, {"x": ""}, {"x": "b"}), op("S", 6, {"x": "b"})
    assert "lost update" in kinds(*history)


def test_what_a_failed_transaction_wrote_is_a_dirty_read():
    assert kinds(op("A", 0, {"x": ""}, {"x": "a"}, outcome=FAILED), op("R", 2, {"x": "a"})) == ["dirty read"]
    assert not kinds(op("A", 0, {"x": ""}, {"x": "a"}, outcome=FAILED), op("R", 2, {"x": ""}))


def test_a_half_done_transaction_is_an_intermediate_read():
    history = op("A", 0, {"x": ""}, {"x": ["a", "b"]}), op("R", 0, {"x": "a"}), op("S", 2, {"x": "ab"})
    assert "intermediate read" in kinds(*history)


def test_a_part_of_a_transaction_is_a_torn_read():
    history = (
        op("A", 0, {"x": "", "y": ""}, {"x": "a", "y": "b"}),
        op("R", 0, {"x": "a", "y": ""}),
        op("S", 2, {"x": "a", "y": "b"}),
    )
    assert kinds(*history) == ["torn read"]
    assert kinds(*history, realtime=False) == ["torn read"]


def test_a_writer_that_reads_a_part_of_a_transaction_is_a_read_skew():
    history = (
        op("A", 0, {"x": "", "y": ""}, {"x": "a", "y": "b"}),
        op("B", 0, {"x": "a", "y": "", "z": ""}, {"z": "c"}),
        op("S", 2, {"x": "a", "y": "b", "z": "c"}),
    )
    assert kinds(*history) == ["read skew"]


def test_two_that_read_before_each_other_writes_are_a_write_skew():
    history = (
        op("A", 0, {"x": "", "y": ""}, {"x": "a"}),
        op("B", 0, {"x": "", "y": ""}, {"y": "b"}),
        op("R", 2, {"x": "a", "y": "b"}),
    )
    assert kinds(*history) == ["write skew"]


def test_an_element_twice_is_a_duplicated_append():
    assert kinds(op("A", 0, {"x": ""}, {"x": "a"}), op("R", 2, {"x": "aa"})) == ["duplicated append"]
    assert "duplicated append" in kinds(op("A", 0, {"x": "a"}, {"x": "a"}))


def test_an_element_of_nobody_is_garbage():
    assert kinds(op("A", 0, {"x": ""}, {"x": "a"}), op("R", 2, {"x": "a", "y": "a"})) == ["garbage"]


def test_two_writers_in_opposite_orders_are_a_dirty_write():
    history = op("A", 0, {}, {"x": "a", "y": "b"}), op("B", 0, {}, {"x": "c", "y": "d"}), op("R", 2, {"x": "ac", "y": "db"})
    assert kinds(*history) == ["dirty write"]


def test_two_that_read_each_other_are_circular_information():
    assert kinds(op("A", 0, {"y": "b"}, {"x": "a"}), op("B", 0, {"x": "a"}, {"y": "b"})) == ["circular information"]


def test_a_read_of_an_older_state_is_stale_unless_it_may_be_of_the_past():
    write, read = op("A", 0, {"x": ""}, {"x": "a"}), op("R", 2, {"x": ""})
    assert kinds(write, read) == ["stale read"]
    assert not kinds(write, read, realtime=False)
    assert not kinds(write, read._replace(scope=PAST))


def test_a_read_of_the_past_is_not_of_the_future_and_not_torn():
    writes = op("A", 0, {"x": "", "y": ""}, {"x": "a", "y": "b"}), op("B", 2, {"x": "a"}, {"x": "c"})
    assert kinds(*writes, op("R", 0, {"x": "ac"}, scope=PAST)) == ["out of time"]
    assert kinds(*writes, op("R", 9, {"x": "a", "y": ""}, scope=PAST)) == ["torn read"]
    assert not kinds(*writes, op("R", 9, {"x": "a", "y": "b"}, scope=PAST))


def test_loose_reads_may_differ_in_the_order_of_transactions_that_have_no_list_in_common():
    writes = op("A", 0, {"x": ""}, {"x": "a"}), op("B", 0, {"y": ""}, {"y": "b"})
    one, other = op("R", 2, {"x": "a", "y": ""}, scope=PAST), op("S", 2, {"x": "", "y": "b"}, scope=PAST)
    assert kinds(*writes, one, other)
    assert not kinds(*writes, one._replace(scope=LOOSE), other._replace(scope=LOOSE))


def test_loose_reads_see_transactions_as_a_whole():
    write = op("A", 0, {"x": "", "y": ""}, {"x": "a", "y": "b"})
    assert kinds(write, op("R", 2, {"x": "a", "y": ""}, scope=LOOSE)) == ["torn read"]
    later = op("B", 2, {"x": "a", "z": ""}, {"x": "c", "z": "d"})
    assert kinds(write, later, op("R", 2, {"y": "", "z": "d"}, scope=LOOSE)) == ["torn read"]


def test_unknown_transactions_may_have_happened_or_not():
    unknown = op("A", 0, {"x": ""}, {"x": "a"}, outcome=UNKNOWN)
    assert not kinds(unknown, op("R", 2, {"x": ""}))
    assert not kinds(unknown, op("R", 2, {"x": "a"}))
    assert not kinds(unknown, op("R", 2, {"x": ""}), op("S", 4, {"x": "a"}))
    assert kinds(unknown, op("S", 2, {"x": "a"}), op("R", 4, {"x": ""})) == ["stale read"]
    assert kinds(unknown, op("S", 2, {"x": "aa"})) == ["duplicated append"]


def test_what_an_unknown_transaction_saw_counts_as_soon_as_somebody_saw_it():
    first = op("A", 0, {"x": ""}, {"x": "a"}, outcome=UNKNOWN)
    second = op("B", 0, {"x": "a", "y": ""}, {"y": "b"}, outcome=UNKNOWN)
    assert happened([first, second]) == []
    assert happened([first, second, op("R", 2, {"y": "b"})])[:2] == [first, second]
    assert kinds(first, second, op("R", 2, {"x": "", "y": "b"})) == ["torn read"]


def test_the_same_element_of_two_transactions_is_refused():
    with pytest.raises(ValueError, match="'a' is appended by A and B"):
        check([op("A", 0, {}, {"x": "a"}), op("B", 0, {}, {"y": "a"})])


def test_accounts_have_the_same_sum_in_every_read_of_all():
    good = op("R", 0, balances={"p": 7, "q": 3})
    assert not check_bank([good, op("S", 1, balances={"p": 1})], "pq", 10)
    bad = op("T", 2, balances={"p": 7, "q": 4})
    assert [(found.kind, found.names) for found in check_bank([good, bad], "pq", 10)] == [("torn read", ("T",))]
    assert not check_bank([good, bad._replace(outcome=FAILED)], "pq", 10)


def test_accounts_have_what_the_transfers_that_happened_leave():
    moved = op("A", 0, {"x": ""}, {"x": "a"}, moves={"p": -1, "q": 1})
    unknown = op("B", 0, {"x": "a"}, {"x": "b"}, moves={"p": -5, "q": 5}, outcome=UNKNOWN)
    before, read = {"p": 10, "q": 10}, op("R", 2, {"x": "a"})
    assert not check_balances([moved, unknown, read], before, {"p": 9, "q": 11})
    assert not check_balances([moved, unknown, read._replace(reads={"x": ["a", "b"]})], before, {"p": 4, "q": 16})
    assert [found.kind for found in check_balances([moved, read], before, {"p": 9, "q": 10})] == ["wrong balance"]


def test_time_stamps_grow():
    one, other = op("A", 0, stamp=5), op("B", 2, stamp=6)
    assert not check_stamps([other, one])
    assert [found.kind for found in check_stamps([one, other._replace(stamp=5)])] == ["time goes back"]
    assert not check_stamps([one, other._replace(stamp=4, invoked=0.5)])
    assert not check_stamps([one, other._replace(stamp=4, outcome=UNKNOWN)])


def test_a_log_of_a_killed_process_has_unknown_operations():
    lines = [
        '{"name": "A", "invoked": 1, "appends": {"x": ["a"]}}\n',
        '{"name": "A", "completed": 2, "outcome": "ok", "reads": {"x": []}, "more": 1}\n',
        '{"name": "B", "invoked": 3, "appends": {"x": ["b"]}}\n',
        '{"name": "B", "comp',
    ]
    assert parse(lines) == [op("A", 1, {"x": ""}, {"x": "a"}), op("B", 3, {}, {"x": "b"}, completed=None, outcome=UNKNOWN)]


def serial_history(rng, count):
    """Transactions that are carried out one after another, each at a moment within its time."""
    lists = {key: [] for key in "wxyz"}
    found = []
    for number in range(count):
        keys = rng.sample("wxyz", rng.randint(1, 3))
        reads = {key: list(lists[key]) for key in keys}
        appends = {key: ["%s%d" % (key, number)] for key in keys if rng.random() < 0.5}
        for key, elements in appends.items():
            lists[key] += elements
        found.append(
            Operation("T%d" % number, number - rng.uniform(0, 3), number + rng.uniform(0, 3), reads=reads, appends=appends)
        )
    return found


@pytest.mark.parametrize("seed", range(20))
def test_random_serial_histories_are_accepted_and_one_torn_read_among_them_is_found(seed):
    rng = random.Random(seed)
    found = serial_history(rng, 60)
    assert not check(found)
    writer = rng.choice([one for one in found if len(one.appends) > 1])
    one, other = list(writer.appends)[:2]
    reads = {one: writer.reads[one], other: writer.reads[other] + writer.appends[other]}
    torn = Operation("torn", 1000, 1001, reads=reads, scope=PAST)
    assert [anomaly.kind for anomaly in check([*found, torn])] == ["torn read"]


def test_components_are_found_without_recursion():
    count = 50000
    ring = [Edge(number, (number + 1) % count, "ww") for number in range(count)]
    assert [len(found) for found in components(graph_of(ring))] == [count]
    assert components(graph_of(ring[1:])) == []


def test_a_long_history_is_checked_in_seconds():
    history = serial_history(random.Random(1), 2000)
    began = time.monotonic()
    assert not check(history)
    assert time.monotonic() - began < 20
