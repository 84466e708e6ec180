"""What the transactions of a process are counted by."""

from __future__ import annotations

from typing import List

from vlcp.utils.metrics import COUNTER, HISTOGRAM, Counters, Histogram, Metric, single

COMMITTED, RESTARTED, FAILED = "committed", "restarted", "failed"


class TransactionCounts:
    """Counts transactions by how they ended.

    :ivar runs: how often the function of a transaction ran; what is above the number of transactions are repetitions, for
        keys that were missing or values that somebody else had changed
    """

    def __init__(self) -> None:
        self.runs = 0
        self._ended = Counters("result")
        self._seconds = Histogram()

    def ended(self, result: str, seconds: float) -> None:
        """Count one transaction.

        :param result: :data:`COMMITTED`, :data:`RESTARTED` when it wanted to begin again, or :data:`FAILED`
        :param seconds: what it took
        """
        self._ended.add(result)
        self._seconds.observe(seconds)

    def metrics(self) -> List[Metric]:
        """Return the numbers; see :class:`~vlcp.utils.metrics.Metric`."""
        seconds = [({}, self._seconds.distribution())]
        return [
            Metric("vlcp_transactions", COUNTER, "Transactions by how they ended.", self._ended.samples()),
            single("vlcp_transaction_runs", COUNTER, "Runs of transactions, repetitions included.", self.runs),
            Metric("vlcp_transaction_seconds", HISTOGRAM, "From the call to the end of a transaction.", seconds),
        ]
