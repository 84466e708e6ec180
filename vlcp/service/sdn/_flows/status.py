"""Settings and counters of the sender of one switch."""

from __future__ import annotations

from typing import NamedTuple, Optional


class SyncSettings(NamedTuple):
    """``audit_s`` seconds between checks of the switch, None for none; every ``full_audit``-th compares all rows;
    ``hold_s`` seconds until a warning that a module has not declared its rows; ``use_bundles`` False never sends bundles."""

    audit_s: Optional[float] = 10.0
    full_audit: int = 2
    hold_s: float = 30.0
    use_bundles: bool = True


class SwitchStatus:
    """Counters of one switch for ``openflowmanager/flowstatus``."""

    def __init__(self) -> None:
        self.checks = 0
        self.repaired = 0
        self.batches = 0
        self.bundles = 0
        self.in_flight = 0
