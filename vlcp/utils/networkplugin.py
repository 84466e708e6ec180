"""Walkers that network drivers share (manual 5.7.16).

A driver answers the public APIs ``createphysicalnetwork(type)``, ``createlogicalnetwork(type)``... with
what the functions here return: a walker ``walker(walk, write, parameters_dict)`` for use inside a
``writewalk``. ``parameters_dict`` has one entry for each object: the key is the object's id (for
physical ports the tuple vhost, systemid, bridge, name), the value the dictionary of the request's
parameters. All objects of one call are created, changed or deleted in one transaction.

A driver adds its own rules with a *processor*, called for each object with the objects concerned,
``walk`` and ``write``, and ``parameters=``. It changes the objects in place, raises ValueError to refuse
the request, and returns True when it changed its first argument. What it changes elsewhere, other
than the objects it is called with, it writes itself. Processors may run several times for one transaction.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Callable, Dict, Iterable, List, Sequence, Tuple

from vlcp.utils.dataobject import ReferenceObject, WeakReferenceObject, set_new
from vlcp.utils.networkmodel import (
    LogicalNetwork,
    LogicalNetworkMap,
    LogicalNetworkSet,
    PhysicalNetwork,
    PhysicalNetworkMap,
    PhysicalNetworkSet,
    PhysicalPort,
    PhysicalPortSet,
)
from vlcp.utils.walkerlib import ensure_keys

Walker = Callable[[Callable[[str], Any], Callable[[str, Any], None], Dict[Any, Dict[str, Any]]], None]


def default_processor(
    obj: Any, *args: Any, parameters: Dict[str, Any], excluding: Sequence[str] = ("id",), disabled: Sequence[str] = ()
) -> bool:
    """Store the parameters of the request as attributes of ``obj``.

    :param excluding: names that are not stored
    :param disabled: names that a request may not have
    :return: True when ``obj`` changed
    :raises ValueError: the request has a disabled name
    """
    for name in disabled:
        if name in parameters:
            raise ValueError("%s: %s cannot be changed" % (obj.getkey(), name))
    stored = {name: value for name, value in parameters.items() if name not in excluding}
    for name, value in stored.items():
        setattr(obj, name, value)
    return bool(stored)


def _false_processor(*args: Any, parameters: Dict[str, Any]) -> bool:
    return False


def default_iterate_dict(parameter_dict: Dict[Any, Dict[str, Any]]) -> Iterable[Tuple[Any, Dict[str, Any]]]:
    """Return the requests in the order in which they came; a driver may serve them in another one."""
    return parameter_dict.items()


def default_physicalnetwork_keys(id_: str, parameters: Dict[str, Any]) -> List[str]:
    """Return the keys that creating or deleting the physical network ``id_`` reads."""
    return [
        PhysicalNetwork.default_key(id_),
        PhysicalNetworkMap.default_key(id_),
        PhysicalNetworkSet.default_key(),
    ]


def default_physicalnetwork_update_keys(id_: str, parameters: Dict[str, Any]) -> List[str]:
    """Return the keys that updating the physical network ``id_`` reads."""
    return [PhysicalNetwork.default_key(id_), PhysicalNetworkMap.default_key(id_)]


def default_physicalport_keys(phynet_id: str, parameters: Dict[str, Any]) -> List[str]:
    """Return the keys of the physical network and the port of a request.

    :param parameters: the request; the port's four index values are in it
    """
    return [
        PhysicalNetwork.default_key(phynet_id),
        PhysicalNetworkMap.default_key(phynet_id),
        PhysicalPort.default_key(*[parameters[name] for name in PhysicalPort._indices]),
        PhysicalPortSet.default_key(),
    ]


def default_logicalnetwork_keys(phynet_id: str, parameters: Dict[str, Any]) -> List[str]:
    """Return the keys of the physical and the logical network of a request.

    :param parameters: the request; ``id`` is in it
    """
    return [
        PhysicalNetwork.default_key(phynet_id),
        PhysicalNetworkMap.default_key(phynet_id),
        LogicalNetwork.default_key(parameters["id"]),
        LogicalNetworkMap.default_key(parameters["id"]),
        LogicalNetworkSet.default_key(),
    ]


def _existing(walk: Callable[[str], Any], key: str) -> Any:
    found = walk(key)
    if found is None:
        raise ValueError("%s does not exist" % (key,))
    return found


def _member(walk: Callable[[str], Any], cls: Any) -> Any:
    found = walk(cls.default_key())
    return cls.create_instance() if found is None else found


def createphysicalnetwork(
    type: str,
    create_processor: Callable[..., Any] = partial(default_processor, excluding=("id", "type")),
    reorder_dict: Callable[..., Any] = default_iterate_dict,
) -> Walker:
    """Return the walker that creates physical networks.

    :param type: type of the networks
    :param create_processor: ``create_processor(physicalnetwork, walk, write, *, parameters)``
    :param reorder_dict: ``reorder_dict(parameters_dict)`` returns pairs in the order in which they are served
    """

    def walker(walk: Any, write: Any, parameters_dict: Dict[Any, Dict[str, Any]]) -> None:
        for id_, parameters in parameters_dict.items():
            ensure_keys(walk, *default_physicalnetwork_keys(id_, parameters))
        for id_, parameters in reorder_dict(parameters_dict):
            network = set_new(walk(PhysicalNetwork.default_key(id_)), PhysicalNetwork.create_instance(id_))
            network.type = type
            create_processor(network, walk, write, parameters=parameters)
            netmap = PhysicalNetworkMap.create_instance(id_)
            netmap.network = WeakReferenceObject(network.getkey())
            members = _member(walk, PhysicalNetworkSet)
            members.set.dataset().add(network.create_weakreference())
            for changed in (network, netmap, members):
                write(changed.getkey(), changed)

    return walker


def updatephysicalnetwork(
    update_processor: Callable[..., Any] = partial(default_processor, disabled=("type",)),
    reorder_dict: Callable[..., Any] = default_iterate_dict,
) -> Walker:
    """Return the walker that updates physical networks.

    :param update_processor: ``update_processor(physicalnetwork, walk, write, *, parameters)``
    :param reorder_dict: as in :func:`createphysicalnetwork`
    """

    def walker(walk: Any, write: Any, parameters_dict: Dict[Any, Dict[str, Any]]) -> None:
        for id_, parameters in parameters_dict.items():
            ensure_keys(walk, *default_physicalnetwork_update_keys(id_, parameters))
        for id_, parameters in reorder_dict(parameters_dict):
            network = _existing(walk, PhysicalNetwork.default_key(id_))
            if update_processor(network, walk, write, parameters=parameters):
                write(network.getkey(), network)

    return walker


def default_physicalnetwork_delete_check(phynet: Any, phymap: Any, *args: Any, parameters: Dict[str, Any]) -> bool:
    """Refuse to delete a physical network in use.

    :raises ValueError: it has logical networks or physical ports
    """
    if phymap.logicnetworks.dataset():
        raise ValueError("%s has logical networks, delete them first" % (phynet.getkey(),))
    if phymap.ports.dataset():
        raise ValueError("%s has physical ports, delete them first" % (phynet.getkey(),))
    return False


def deletephysicalnetwork(
    check_processor: Callable[..., Any] = default_physicalnetwork_delete_check,
    reorder_dict: Callable[..., Any] = default_iterate_dict,
) -> Walker:
    """Return the walker that deletes physical networks.

    :param check_processor: ``check_processor(physicalnetwork, physicalnetworkmap, walk, write, *, parameters)``
    :param reorder_dict: as in :func:`createphysicalnetwork`
    """

    def walker(walk: Any, write: Any, parameters_dict: Dict[Any, Dict[str, Any]]) -> None:
        for id_, parameters in parameters_dict.items():
            ensure_keys(walk, *default_physicalnetwork_keys(id_, parameters))
        for id_, parameters in reorder_dict(parameters_dict):
            network = _existing(walk, PhysicalNetwork.default_key(id_))
            netmap = _existing(walk, PhysicalNetworkMap.default_key(id_))
            check_processor(network, netmap, walk, write, parameters=parameters)
            members = _member(walk, PhysicalNetworkSet)
            members.set.dataset().discard(network.create_weakreference())
            write(network.getkey(), None)
            write(netmap.getkey(), None)
            write(members.getkey(), members)

    return walker


def _network_and_map(walk: Any, phynet_key: str) -> Tuple[Any, Any]:
    network = _existing(walk, phynet_key)
    return network, _existing(walk, PhysicalNetwork._map.rightkey(phynet_key))


def createphysicalport(
    create_processor: Callable[..., Any] = partial(
        default_processor, excluding=("vhost", "systemid", "bridge", "name", "physicalnetwork")
    ),
    reorder_dict: Callable[..., Any] = default_iterate_dict,
) -> Walker:
    """Return the walker that creates physical ports; ``physicalnetwork`` in the request is the network's id.

    :param create_processor: ``create_processor(physicalport, physicalnetwork, physicalnetworkmap, walk, write, *,
                             parameters)``
    :param reorder_dict: as in :func:`createphysicalnetwork`
    """

    def walker(walk: Any, write: Any, parameters_dict: Dict[Any, Dict[str, Any]]) -> None:
        for names, parameters in parameters_dict.items():
            known = dict(zip(PhysicalPort._indices, names))
            ensure_keys(walk, *default_physicalport_keys(parameters["physicalnetwork"], known))
        for names, parameters in reorder_dict(parameters_dict):
            phynet_key = PhysicalNetwork.default_key(parameters["physicalnetwork"])
            network, netmap = _network_and_map(walk, phynet_key)
            port = set_new(walk(PhysicalPort.default_key(*names)), PhysicalPort.create_instance(*names))
            port.physicalnetwork = ReferenceObject(phynet_key)
            create_processor(port, network, netmap, walk, write, parameters=parameters)
            members = _member(walk, PhysicalPortSet)
            members.set.dataset().add(port.create_weakreference())
            netmap.ports.dataset().add(port.create_weakreference())
            for changed in (port, netmap, members):
                write(changed.getkey(), changed)

    return walker


def updatephysicalport(
    update_processor: Callable[..., Any] = partial(
        default_processor, excluding=("vhost", "systemid", "bridge", "name"), disabled=("physicalnetwork",)
    ),
    reorder_dict: Callable[..., Any] = default_iterate_dict,
) -> Walker:
    """Return the walker that updates physical ports.

    :param update_processor: ``update_processor(physicalport, walk, write, *, parameters)``
    :param reorder_dict: as in :func:`createphysicalnetwork`
    """

    def walker(walk: Any, write: Any, parameters_dict: Dict[Any, Dict[str, Any]]) -> None:
        ensure_keys(walk, *[PhysicalPort.default_key(*names) for names in parameters_dict])
        for names, parameters in reorder_dict(parameters_dict):
            port = _existing(walk, PhysicalPort.default_key(*names))
            if update_processor(port, walk, write, parameters=parameters):
                write(port.getkey(), port)

    return walker


def deletephysicalport(
    check_processor: Callable[..., Any] = _false_processor, reorder_dict: Callable[..., Any] = default_iterate_dict
) -> Walker:
    """Return the walker that deletes physical ports.

    :param check_processor: ``check_processor(physicalport, physicalnetwork, physicalnetworkmap, walk, write, *,
                            parameters)``
    :param reorder_dict: as in :func:`createphysicalnetwork`
    """

    def walker(walk: Any, write: Any, parameters_dict: Dict[Any, Dict[str, Any]]) -> None:
        ensure_keys(walk, PhysicalPortSet.default_key(), *[PhysicalPort.default_key(*names) for names in parameters_dict])
        for names, parameters in reorder_dict(parameters_dict):
            port = _existing(walk, PhysicalPort.default_key(*names))
            network, netmap = _network_and_map(walk, port.physicalnetwork.getkey())
            check_processor(port, network, netmap, walk, write, parameters=parameters)
            members = _member(walk, PhysicalPortSet)
            members.set.dataset().discard(port.create_weakreference())
            netmap.ports.dataset().discard(port.create_weakreference())
            write(port.getkey(), None)
            write(netmap.getkey(), netmap)
            write(members.getkey(), members)

    return walker


def createlogicalnetwork(
    create_processor: Callable[..., Any] = partial(default_processor, excluding=("id", "physicalnetwork")),
    reorder_dict: Callable[..., Any] = default_iterate_dict,
) -> Walker:
    """Return the walker that creates logical networks; ``physicalnetwork`` in the request is the network's id.

    :param create_processor: ``create_processor(logicalnetwork, logicalnetworkmap, physicalnetwork,
                             physicalnetworkmap, walk, write, *, parameters)``; numbers are allocated here
    :param reorder_dict: as in :func:`createphysicalnetwork`; requests with a fixed number go first
    """

    def walker(walk: Any, write: Any, parameters_dict: Dict[Any, Dict[str, Any]]) -> None:
        for id_, parameters in parameters_dict.items():
            ensure_keys(walk, *default_logicalnetwork_keys(parameters["physicalnetwork"], {"id": id_}))
        for id_, parameters in reorder_dict(parameters_dict):
            phynet_key = PhysicalNetwork.default_key(parameters["physicalnetwork"])
            phynet, phymap = _network_and_map(walk, phynet_key)
            network = set_new(walk(LogicalNetwork.default_key(id_)), LogicalNetwork.create_instance(id_))
            network.physicalnetwork = ReferenceObject(phynet_key)
            netmap = LogicalNetworkMap.create_instance(id_)
            netmap.network = network.create_reference()
            create_processor(network, netmap, phynet, phymap, walk, write, parameters=parameters)
            phymap.logicnetworks.dataset().add(network.create_weakreference())
            members = _member(walk, LogicalNetworkSet)
            members.set.dataset().add(network.create_weakreference())
            for changed in (network, netmap, phymap, members):
                write(changed.getkey(), changed)

    return walker


def updatelogicalnetwork(
    update_processor: Callable[..., Any] = partial(default_processor, excluding=("id",), disabled=("physicalnetwork",)),
    reorder_dict: Callable[..., Any] = default_iterate_dict,
) -> Walker:
    """Return the walker that updates logical networks.

    :param update_processor: ``update_processor(logicalnetwork, walk, write, *, parameters)``
    :param reorder_dict: as in :func:`createphysicalnetwork`
    """

    def walker(walk: Any, write: Any, parameters_dict: Dict[Any, Dict[str, Any]]) -> None:
        ensure_keys(walk, *[LogicalNetwork.default_key(id_) for id_ in parameters_dict])
        for id_, parameters in reorder_dict(parameters_dict):
            network = _existing(walk, LogicalNetwork.default_key(id_))
            if update_processor(network, walk, write, parameters=parameters):
                write(network.getkey(), network)

    return walker


def default_logicalnetwork_delete_check(
    logicalnetwork: Any, logicalnetworkmap: Any, *args: Any, parameters: Dict[str, Any]
) -> bool:
    """Refuse to delete a logical network in use.

    :raises ValueError: it has subnets or logical ports
    """
    if logicalnetworkmap.subnets.dataset():
        raise ValueError("%s has subnets, delete them first" % (logicalnetwork.getkey(),))
    if logicalnetworkmap.ports.dataset():
        raise ValueError("%s has logical ports, delete them first" % (logicalnetwork.getkey(),))
    return False


def deletelogicalnetwork(
    check_processor: Callable[..., Any] = default_logicalnetwork_delete_check,
    reorder_dict: Callable[..., Any] = default_iterate_dict,
) -> Walker:
    """Return the walker that deletes logical networks.

    :param check_processor: ``check_processor(logicalnetwork, logicalnetworkmap, physicalnetwork, physicalnetworkmap,
                            walk, write, *, parameters)``; numbers are released here
    :param reorder_dict: as in :func:`createphysicalnetwork`
    """

    def walker(walk: Any, write: Any, parameters_dict: Dict[Any, Dict[str, Any]]) -> None:
        ensure_keys(walk, LogicalNetworkSet.default_key(), *map(LogicalNetwork.default_key, parameters_dict))
        ensure_keys(walk, *map(LogicalNetworkMap.default_key, parameters_dict))
        for id_, parameters in reorder_dict(parameters_dict):
            network = _existing(walk, LogicalNetwork.default_key(id_))
            netmap = _existing(walk, LogicalNetworkMap.default_key(id_))
            phynet, phymap = _network_and_map(walk, network.physicalnetwork.getkey())
            check_processor(network, netmap, phynet, phymap, walk, write, parameters=parameters)
            phymap.logicnetworks.dataset().discard(network.create_weakreference())
            members = _member(walk, LogicalNetworkSet)
            members.set.dataset().discard(network.create_weakreference())
            write(network.getkey(), None)
            write(netmap.getkey(), None)
            write(phymap.getkey(), phymap)
            write(members.getkey(), members)

    return walker
