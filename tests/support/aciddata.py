"""What the processes of a history do to the database: their plan, their data objects, their transactions."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, NamedTuple, Optional

from support.history import PAST

from vlcp.utils.dataobject import DataObject


class Plan(NamedTuple):
    """What a driver does.

    :param name: unique name of the process
    :param seed: of its decisions
    :param config: configuration keys, above all which store
    :param log: file that the log is appended to
    :param start: ``time.monotonic()`` that the generations of lists are counted from
    :param until: ``time.monotonic()`` of the end; 0 only reads everything once
    :param space: name of the keys, new for each history
    :param routines: how many work at the same time
    :param lists: lists of each generation
    :param generation: seconds after which other lists are used
    :param accounts: number of accounts
    :param references: scope of what watched references show, see :class:`support.history.Operation`
    :param planted: fault to be built into the store, see :mod:`support.acidplants`
    """

    name: str
    seed: str
    config: Dict[str, Any]
    log: str
    start: float
    until: float
    space: str = "0"
    routines: int = 3
    lists: int = 6
    generation: float = 10.0
    accounts: int = 8
    references: str = PAST
    planted: Optional[str] = None


class AcidList(DataObject):
    _prefix = "acid.list"
    _indices = ("space", "generation", "number")


class AcidAccount(DataObject):
    _prefix = "acid.account"
    _indices = ("space", "number")


def account_keys(plan: Plan) -> List[str]:
    """Return the keys of all accounts."""
    return [AcidAccount.default_key(plan.space, number) for number in range(plan.accounts)]


def list_keys(plan: Plan, generation: int) -> List[str]:
    """Return the keys of the lists of a generation."""
    return [AcidList.default_key(plan.space, generation, number) for number in range(plan.lists)]


class Step(NamedTuple):
    """A transaction that is about to be made: what is read, appended and moved."""

    name: str
    keys: List[str]
    appends: Dict[str, List[str]]
    moves: Dict[str, int]


class Seen:
    """What the last run of a transaction or walker saw."""

    def __init__(self) -> None:
        self.reads: Dict[str, List[str]] = {}
        self.balances: Dict[str, int] = {}
        self.stamp: Optional[int] = None

    def take(self, key: str, value: Any) -> None:
        """Note a value."""
        if key.startswith(AcidAccount._prefix):
            if value is not None:
                self.balances[key] = value.balance
        else:
            self.reads[key] = [] if value is None else list(value.entries)


def changed(step: Step, key: str, value: Any) -> Any:
    """Return the value that a transaction leaves under ``key``."""
    if key in step.moves:
        value.balance += step.moves[key]
        return value
    kept = AcidList.create_from_key(key) if value is None else value
    kept.entries = getattr(kept, "entries", []) + step.appends[key]
    return kept


def walker_of(step: Step, seen: Seen) -> Callable[..., None]:
    """Return the write walker of a transaction."""

    def walker(walk: Any, write: Any, stamp: int) -> None:
        seen.__init__()
        seen.stamp = stamp
        for key in step.keys:
            value = walk(key)
            seen.take(key, value)
            if key in step.appends or key in step.moves:
                write(key, changed(step, key, value))

    return walker


def updater_of(step: Step, seen: Seen) -> Callable[..., Any]:
    """Return the updater of a transaction."""

    def updater(keys: Any, values: Any, stamp: int) -> Any:
        seen.__init__()
        seen.stamp = stamp
        written, results = [], []
        for key, value in zip(keys, values):
            seen.take(key, value)
            if key in step.appends or key in step.moves:
                written.append(key)
                results.append(changed(step, key, value))
        return written, results

    return updater
