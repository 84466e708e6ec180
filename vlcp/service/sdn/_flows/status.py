"""Settings and counters of the sender of one switch."""

from __future__ import annotations

from typing import NamedTuple, Optional

from vlcp.utils.metrics import Histogram


class SyncSettings(NamedTuple):
    """``audit_s`` seconds between checks of the switch, None for none; every ``full_audit``-th compares all rows;
    ``hold_s`` seconds until a warning that a module has not declared its rows; ``use_bundles`` False never sends bundles."""

    audit_s: Optional[float] = 10.0
    full_audit: int = 2
    hold_s: float = 30.0
    use_bundles: bool = True


class SwitchStatus:
    """Counters of one switch for ``openflowmanager/flowstatus`` and ``metrics``.

    :ivar latency: seconds from when this controller heard of a change in the database until the switch had
        acknowledged what followed from it
    """

    def __init__(self) -> None:
        self.checks = 0
        self.repaired = 0
        self.batches = 0
        self.bundles = 0
        self.in_flight = 0
        self.latency = Histogram()
        self._heard_at: Optional[float] = None

    def hear(self, now: float) -> None:
        """A change in the database is known since ``now``; an earlier one that is not acknowledged yet counts."""
        if self._heard_at is None:
            self._heard_at = now

    def take_heard(self) -> Optional[float]:
        """Return since when changes are known that are sent now, None for none; later ones are counted anew."""
        heard, self._heard_at = self._heard_at, None
        return heard

    def acknowledged(self, heard: Optional[float], now: float) -> None:
        """The switch has acknowledged at ``now`` what :meth:`take_heard` returned ``heard`` for."""
        if heard is not None:
            self.latency.observe(now - heard)
