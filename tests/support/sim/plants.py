"""Bugs to plant in a simulation, which must find them."""

from __future__ import annotations

import contextlib
from typing import Any, Iterator
from unittest import mock

from vlcp.service.sdn import _l3_rows
from vlcp.service.sdn._flows.ledger import Ledger
from vlcp.service.sdn._forward_publish import ForwardPublisher
from vlcp.service.sdn._l3_model import RoutedNetworks
from vlcp.utils import vxlandiscover


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


@contextlib.contextmanager
def missing_route(world: Any) -> Iterator[None]:
    """Switches get only one route of a network to another subnet."""
    rows = _l3_rows._route_rows

    def fewer(routes: Any) -> Iterator[Any]:
        return rows(routes._replace(connected=routes.connected[:1]))

    with mock.patch.object(_l3_rows, "_route_rows", fewer):
        yield


@contextlib.contextmanager
def stale_next_hop(world: Any) -> Iterator[None]:
    """Static routes keep the first MAC address that a switch has had for their next hop."""
    route_inputs = RoutedNetworks.route_inputs
    kept: dict = {}

    def remembered(self: Any, network: str, mac_of: Any) -> Any:
        def first(key: Any) -> Any:
            return kept.get((self, key)) or kept.setdefault((self, key), mac_of(key))

        return route_inputs(self, network, first)

    with mock.patch.object(RoutedNetworks, "route_inputs", remembered):
        yield


@contextlib.contextmanager
def stale_tunnel(world: Any) -> Iterator[None]:
    """A port that has moved is still told to be behind the tunnel end-point where it was first."""
    place_list = vxlandiscover.place_list

    def old_first(entries: Any, node: Any, ip: Any, *times: Any) -> Any:
        found = list(entries) if ip is None else place_list(entries, node, ip, *times)
        return found[1:] + found[:1]

    with mock.patch.object(vxlandiscover, "place_list", old_first):
        yield


@contextlib.contextmanager
def lasting_offers(world: Any) -> Iterator[None]:
    """Offers of forwarding nodes never expire."""
    valid_us = ForwardPublisher._valid_us

    def much_longer(renew_s: float) -> int:
        return 1000 * valid_us(renew_s)

    with mock.patch.object(ForwardPublisher, "_valid_us", staticmethod(much_longer)):
        yield


@contextlib.contextmanager
def forgotten_withdrawal(world: Any) -> Iterator[None]:
    """Forwarding nodes whose controllers stop do not say that they forward no longer."""
    with mock.patch.object(ForwardPublisher, "detach", lambda self, changed: None):
        yield


PLANTS = {
    one.__name__: one
    for one in (
        no_conflict_check,
        lost_notifications,
        early_ledger,
        half_transactions,
        missing_route,
        stale_next_hop,
        stale_tunnel,
        lasting_offers,
        forgotten_withdrawal,
    )
}
