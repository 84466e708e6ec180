"""Kinds of simulations, and the settings of the code under test in each."""

from __future__ import annotations

import random
from typing import Any

PLAIN, ROUTED, OUTSIDE = KINDS = ("plain", "routed", "outside")
"""Networks alone; with routers, tunnels and packets; and with an external network and forwarding nodes, too"""
_SHARES = (0.94, 0.045, 0.015)

_CONFIG = {
    "proxy.kvstorage": "support.sim.store.SimKV",
    "proxy.updatenotifier": "support.sim.store.SimKV",
    "module.jsonrpcserver.ovsdb": True,
}
_ROUTED_CONFIG: dict[str, list] = {
    "module.l2switch.learning": [False, False, True],
    "module.l2switch.learntimeout": [10],
    "module.vxlancast.learning": [True, False],
    "module.vxlancast.prepush": [True, True, False],
    "module.vxlancast.learntimeout": [10],
    "module.vxlancast.pushtimeout": [10],
    "module.icmpresponder.prepush": [True, False],
    "module.l3router.prepush": [True, False],
    "module.l3router.arp_cycle_time": [2],
    "module.l3router.arp_incomplete_timeout": [6],
    "module.l3router.arp_complete_timeout": [4],
    "module.l3router.buffer_packet_timeout": [6],
    "module.l3router.static_host_arp_refresh_interval": [4],
}
_OUTSIDE_CONFIG: dict[str, list] = {
    "module.l3router.forwardinfo_discover_update_time": [4, 8],
    "module.l3router.addressinfo_discover_update_time": [5, 20],
}
_SUBNETS = [{f"net{n}": n for n in range(4)}, {f"net{n}": n % 2 for n in range(4)}]


def choose_kind(chance: random.Random) -> str:
    """Return a kind of simulation."""
    return chance.choices(KINDS, _SHARES)[0]


def choose_config(chance: random.Random, kind: str) -> dict[str, Any]:
    """Return the settings of a run, where there are several of each a random one.

    In most runs there are no drift checks, since those mend what others should not spoil.
    """
    config = {**_CONFIG, "module.openflowmanager.driftinterval": chance.choice([None, None, 10])}
    choices = {**(_ROUTED_CONFIG if kind != PLAIN else {}), **(_OUTSIDE_CONFIG if kind == OUTSIDE else {})}
    return {**config, **{key: chance.choice(values) for key, values in choices.items()}}


def choose_subnet_numbers(chance: random.Random, kind: str) -> dict[str, int]:
    """Return the numbers of the subnets of networks: different ones, or pairs of subnets with the same addresses.

    Where all routers lead to the same external network the numbers differ.
    """
    return chance.choice(_SUBNETS if kind != OUTSIDE else _SUBNETS[:1])
