"""Counters and histograms against counting by hand."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vlcp.utils.metrics import LATENCY_BOUNDS, Counters, Histogram


def test_counters_count_each_combination_of_labels():
    counters = Counters("module", "status")
    for status in ("200", "404", "200"):
        counters.add("viperflow", status)
    assert counters.samples() == [
        ({"module": "viperflow", "status": "200"}, 2),
        ({"module": "viperflow", "status": "404"}, 1),
    ]


@given(st.lists(st.floats(0, 20) | st.sampled_from(LATENCY_BOUNDS)))
def test_a_histogram_counts_values_up_to_each_bound(values):
    histogram = Histogram()
    for value in values:
        histogram.observe(value)
    seen = histogram.distribution()
    assert [count for _, count in seen.buckets] == [sum(value <= bound for value in values) for bound in LATENCY_BOUNDS]
    assert seen.count == len(values)
    assert abs(seen.total - sum(values)) < 1e-6
