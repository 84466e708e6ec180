"""Numbers that a module counts, for its API ``metrics`` (names and types follow the Prometheus data model).

A module that has numbers to show offers an API ``metrics`` that returns a list of :class:`Metric`; the module ``metrics``
collects them from all modules. What counts is as cheap as adding to a dictionary entry.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Any, Dict, List, NamedTuple, Sequence, Tuple

COUNTER = "counter"
GAUGE = "gauge"
HISTOGRAM = "histogram"

LATENCY_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the buckets of a time, in seconds."""


class Distribution(NamedTuple):
    """What a :class:`Histogram` has seen.

    ``buckets`` is a list of (upper bound, number of values up to it) in rising order, without the infinite one; ``count``
    is the number of all values and ``total`` their sum.
    """

    buckets: Tuple[Tuple[float, int], ...]
    count: int
    total: float


class Metric(NamedTuple):
    """One metric with its present values.

    :param name: without the suffix of its type, with its unit, e.g. ``vlcp_switch_latency_seconds``
    :param kind: :data:`COUNTER`, :data:`GAUGE` or :data:`HISTOGRAM`
    :param help: one sentence
    :param samples: list of ({label: text}, number), for a histogram of ({label: text}, :class:`Distribution`)
    """

    name: str
    kind: str
    help: str
    samples: Sequence[Tuple[Dict[str, str], Any]]


def single(name: str, kind: str, text: str, value: float) -> Metric:
    """Return a metric with one value and no labels; parameters as of :class:`Metric`."""
    return Metric(name, kind, text, (({}, value),))


class Counters:
    """Counters with labels.

    :param labels: names of the labels
    """

    def __init__(self, *labels: str) -> None:
        self._labels = labels
        self._counts: Dict[Tuple[str, ...], int] = {}

    def add(self, *values: str) -> None:
        """Count one for the combination of label values, given in the order of the labels."""
        self._counts[values] = self._counts.get(values, 0) + 1

    def samples(self) -> List[Tuple[Dict[str, str], int]]:
        """Return the samples of a :class:`Metric`."""
        return [(dict(zip(self._labels, values)), count) for values, count in sorted(self._counts.items())]


class Histogram:
    """Counts values by size.

    :param bounds: rising upper bounds of the buckets; a value that equals a bound belongs to its bucket
    """

    def __init__(self, bounds: Sequence[float] = LATENCY_BOUNDS) -> None:
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(self._bounds) + 1)
        self._total = 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._total += value

    def distribution(self) -> Distribution:
        """Return what was counted so far."""
        buckets, below = [], 0
        for bound, count in zip(self._bounds, self._counts):
            below += count
            buckets.append((bound, below))
        return Distribution(tuple(buckets), below + self._counts[-1], self._total)
