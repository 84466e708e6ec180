"""Bugs to plant in a simulation, which must find them."""

from __future__ import annotations

import contextlib
from typing import Any, Iterator
from unittest import mock

from vlcp.service.sdn._flows.ledger import Ledger


@contextlib.contextmanager
def no_conflict_check(world: Any) -> Iterator[None]:
    """The store commits whatever has changed since the transaction read it."""
    world.database.check_conflicts = False
    yield


@contextlib.contextmanager
def lost_notifications(world: Any) -> Iterator[None]:
    """Some notifications of commits reach nobody."""
    world.database.lose_notifications = 0.2
    yield


@contextlib.contextmanager
def early_ledger(world: Any) -> Iterator[None]:
    """The ledger takes rows for installed when they are sent, not when the switch has acknowledged them."""
    settle = Ledger.settle
    world.config["module.openflowmanager.driftinterval"] = None

    def settled_without_errors(self: Any, changes: Any, errors: Any, now: float) -> None:
        settle(self, changes, {}, now)

    with mock.patch.object(Ledger, "settle", settled_without_errors):
        yield


@contextlib.contextmanager
def half_transactions(world: Any) -> Iterator[None]:
    """Now and then the store writes only the first keys of a transaction."""
    commit = world.database.commit

    def half(owner: str, keys: tuple, numbers: list, time: int, written: dict, versions: list) -> bool:
        if len(written) > 3 and world.clockwork.random.random() < 0.1:
            written = dict(list(written.items())[: len(written) // 2])
        return commit(owner, keys, numbers, time, written, versions)

    world.database.commit = half
    yield


PLANTS = {one.__name__: one for one in (no_conflict_check, lost_notifications, early_ledger, half_transactions)}
