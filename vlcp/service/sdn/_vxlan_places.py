"""Where logical ports and forwarding nodes are in VXLAN networks: walkers, and look-ups among retrieved objects. Pure."""

from __future__ import annotations

from typing import Any, Callable, Mapping, Optional, Tuple

from vlcp.service.sdn._flows.fields import format_value
from vlcp.service.sdn._flows.view import SwitchView
from vlcp.service.sdn._forward_records import pair_of, places
from vlcp.service.sdn._members import follow
from vlcp.utils.networkmodel import (
    DVRouterForwardInfo,
    DVRouterForwardSet,
    LogicalNetwork,
    LogicalPort,
    LogicalPortVXLANInfo,
    PhysicalNetwork,
    VXLANEndpointSet,
)

Walk = Callable[[str], Any]
Save = Callable[[str], None]

INFO_PREFIX = LogicalPortVXLANInfo._prefix + "."
ENDPOINTS_PREFIX = VXLANEndpointSet._prefix + "."


def walk_place_of_port(key: str, value: Any, walk: Walk, save: Save) -> None:
    """From a logical port to the place where it is."""
    save(key)
    if value is not None:
        follow(LogicalPortVXLANInfo.default_key(value.id), walk, save)


def walk_place(key: str, value: Any, walk: Walk, save: Save) -> None:
    """From a unique index entry to its logical port and the place of it."""
    save(key)
    port = None if value is None else follow(value.ref.getkey(), walk, save)
    if port is not None:
        follow(LogicalPortVXLANInfo.default_key(port.id), walk, save)


def walk_carriers(key: str, value: Any, walk: Walk, save: Save) -> None:
    """From the set of all offers of forwarding nodes to the nodes behind them."""
    save(key)
    for reference in () if value is None else value.set.dataset():
        pair = pair_of(reference.getkey())
        if pair is not None:
            follow(DVRouterForwardInfo.default_key(*pair), walk, save)


def carrier_address(values: Mapping[str, Any], network: str, mac: int, here: Tuple[str, ...]) -> Optional[str]:
    """Return the tunnel address of the forwarding node that takes packets of a network by a MAC address; None when there is no
    such node, or it is this one.

    :param values: what :func:`walk_carriers` and the walker of the network have retrieved
    :param network: key of the VXLAN network
    :param here: vHost, system id and name of the own bridge
    """
    stored, endpoints = values.get(network), values.get(endpoints_key(network))
    offers = values.get(DVRouterForwardSet.default_key())
    if stored is None or endpoints is None or offers is None:
        return None
    text, physical = format_value("eth_dst", mac), stored.physicalnetwork.getkey()
    for reference in offers.set.dataset():
        pair = pair_of(reference.getkey())
        if pair is None or PhysicalNetwork.default_key(pair[0]) != physical:
            continue
        node = places(values.get(DVRouterForwardInfo.default_key(*pair))).get(text)
        if node is not None:
            found = [entry[0] for entry in endpoints.endpointlist if tuple(entry[2:4]) == node != here[1:]]
            return found[0] if found else None
    return None


def is_here(view: SwitchView, place: Mapping[str, Any]) -> bool:
    """True when an entry of a port's places names the switch's own bridge."""
    return (place["vhost"], place["systemid"], place["bridge"]) == tuple(view.bridge)


def endpoints_key(network: str) -> str:
    """Return the key of the end-points of a logical network, given its key."""
    return VXLANEndpointSet.default_key(id_of(LogicalNetwork, network))


def port_of_info(key: str) -> str:
    """Return the key of the logical port whose places are stored under a key."""
    return LogicalPort.default_key(id_of(LogicalPortVXLANInfo, key))


def id_of(cls: Any, key: str) -> str:
    """Return the id of an object of a class, given its key."""
    identifier: str = cls.create_from_key(key).id
    return identifier
