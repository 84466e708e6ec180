"""What network drivers share: the public APIs, and networks whose logical networks have a number each.

The drivers themselves are in :mod:`vlcp.service.sdn.plugins`, from where ``autoload`` loads every module class it finds.

A driver serves one type of physical network. ``viperflow`` asks for it by the public APIs ``createphysicalnetwork(type)``,
``updatelogicalnetwork(type)``... and gets a walker of :mod:`vlcp.utils.networkplugin`; ``ioprocessing`` asks by
``createioflowparts`` and gets match fields and actions. A module outside this package that answers the same APIs for another
type is a driver too.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, List, NamedTuple, Sequence, Tuple

from vlcp.server.module import Module, publicapi
from vlcp.service.sdn._addresses import NumberPool, check_ranges, missing_numbers
from vlcp.utils import networkplugin
from vlcp.utils.growing import forget_full
from vlcp.utils.networkmodel import LogicalNetwork, PhysicalNetwork, PhysicalNetworkMap
from vlcp.utils.networkplugin import default_processor
from vlcp.utils.typelib import Mismatch, integer
from vlcp.utils.walkerlib import ensure_keys

FlowParts = Tuple[list, list, list, list, list]
Walk = Callable[[str], Any]
Write = Callable[[str, Any], None]
Requests = Dict[str, Dict[str, Any]]


class NetworkDriver(Module):
    """Base of the network drivers: answers the public APIs for networks of :attr:`network_type`.

    As it is, it serves networks without rules of their own; subclasses replace single methods.

    :param server: the server that loads the module
    """

    network_type = ""
    """value of ``type`` of the physical networks that this driver serves"""

    def __init__(self, server: Any) -> None:
        super().__init__(server)
        methods = (
            self.createphysicalnetwork,
            self.updatephysicalnetwork,
            self.deletephysicalnetwork,
            self.createphysicalport,
            self.updatephysicalport,
            self.deletephysicalport,
            self.createlogicalnetwork,
            self.updatelogicalnetwork,
            self.deletelogicalnetwork,
        )
        self.create_api(
            *[publicapi(method, criteria=self._serves_type) for method in methods],
            publicapi(self.createioflowparts, criteria=self._serves_network),
        )

    def _serves_type(self, type):
        return type == self.network_type

    def _serves_network(self, connection, logicalnetwork, physicalport, logicalnetworkid, physicalportid):
        return logicalnetwork.physicalnetwork.type == self.network_type

    def createphysicalnetwork(self, type):
        """Return the walker that creates physical networks of this type."""
        return networkplugin.createphysicalnetwork(type)

    def updatephysicalnetwork(self, type):
        """Return the walker that updates physical networks of this type."""
        return networkplugin.updatephysicalnetwork()

    def deletephysicalnetwork(self, type):
        """Return the walker that deletes physical networks of this type."""
        return networkplugin.deletephysicalnetwork()

    def createphysicalport(self, type):
        """Return the walker that creates physical ports in networks of this type."""
        return networkplugin.createphysicalport()

    def updatephysicalport(self, type):
        """Return the walker that updates physical ports in networks of this type."""
        return networkplugin.updatephysicalport()

    def deletephysicalport(self, type):
        """Return the walker that deletes physical ports in networks of this type."""
        return networkplugin.deletephysicalport()

    def createlogicalnetwork(self, type):
        """Return the walker that creates logical networks in physical networks of this type."""
        return networkplugin.createlogicalnetwork()

    def updatelogicalnetwork(self, type):
        """Return the walker that updates logical networks in physical networks of this type."""
        return networkplugin.updatelogicalnetwork()

    def deletelogicalnetwork(self, type):
        """Return the walker that deletes logical networks in physical networks of this type."""
        return networkplugin.deletelogicalnetwork()

    def createioflowparts(self, connection, logicalnetwork, physicalport, logicalnetworkid, physicalportid):
        """Return how packets of a logical network pass a physical port: five lists of OpenFlow structures.

        :param connection: OpenFlow connection; the structures are those of its ``openflowdef``
        :param logicalnetwork: logical network; its physical network is retrieved
        :param physicalport: physical port of that physical network
        :param logicalnetworkid: number of the logical network in flows
        :param physicalportid: OpenFlow number of the port
        :return: match fields (oxm) of incoming packets, actions on incoming packets, actions that send a packet out of the
                 port, the same as a group bucket, the same for a packet that came in by this port
        """
        return [], [], [], [], []


class Numbering(NamedTuple):
    """How the logical networks of a type are told apart on the wire."""

    range_attribute: str
    """attribute of the physical network with the ranges, ``[[first, last], ...]``"""
    number_attribute: str
    """attribute of the logical network with its number"""
    first: int
    last: int
    what: str
    """name of the numbers in messages"""


VLAN = Numbering("vlanrange", "vlanid", 1, 4095, "VLAN tag")
VXLAN = Numbering("vnirange", "vni", 1, (1 << 24) - 1, "VNI")


def _checked_ranges(numbering: Numbering, kind: str, parameters: Dict[str, Any]) -> List[List[int]]:
    ranges = parameters.get(numbering.range_attribute)
    if not isinstance(ranges, (list, tuple)) or not all(isinstance(pair, (list, tuple)) and len(pair) == 2 for pair in ranges):
        raise ValueError(f"{numbering.range_attribute}: a {kind} network needs ranges [[first, last], ...], got {ranges!r:.80}")
    try:
        result = [[integer(number) for number in pair] for pair in ranges]
    except Mismatch as exc:
        raise ValueError(f"{numbering.range_attribute}: {exc}, got {ranges!r:.80}") from None
    check_ranges(result, numbering.first, numbering.last, numbering.what)
    return result


def create_numbered_physical(numbering: Numbering, kind: str) -> Callable[..., None]:
    """Return the walker that creates physical networks with ranges of numbers.

    :param kind: type of the networks
    """

    def process(network: Any, walk: Walk, write: Write, *, parameters: Dict[str, Any]) -> bool:
        ranges = _checked_ranges(numbering, kind, parameters)
        return default_processor(network, parameters={**parameters, numbering.range_attribute: ranges}, excluding=("id", "type"))

    return networkplugin.createphysicalnetwork(kind, process)


def update_numbered_physical(numbering: Numbering, kind: str) -> Callable[..., None]:
    """Return the walker that updates physical networks; new ranges must hold every number in use."""

    def process(network: Any, walk: Walk, write: Write, *, parameters: Dict[str, Any]) -> bool:
        if numbering.range_attribute in parameters:
            ranges = _checked_ranges(numbering, kind, parameters)
            netmap = walk(PhysicalNetworkMap.default_key(network.id))
            missing = missing_numbers(netmap.network_allocation, ranges)
            if missing:
                raise ValueError(
                    f"physical network {network.id!r}: {numbering.what} {missing[0]} is allocated, but not in the new "
                    f"{numbering.range_attribute}"
                )
            if forget_full(netmap.network_allocation):
                write(netmap.getkey(), netmap)
            parameters = {**parameters, numbering.range_attribute: ranges}
        return default_processor(network, parameters=parameters, disabled=("type",))

    return networkplugin.updatephysicalnetwork(process)


class _Numbers:
    """The pools of the physical networks that one run of a walker touches."""

    def __init__(self, numbering: Numbering, walk: Walk, write: Write) -> None:
        self._numbering = numbering
        self._walk = walk
        self._write = write
        self._pools: Dict[str, Tuple[dict, NumberPool]] = {}

    def of(self, network: Any, netmap: Any) -> NumberPool:
        """Return the pool of a physical network, made of its object and its map."""
        allocation, pool = self._pools.get(network.id, (None, None))
        if allocation is not netmap.network_allocation:
            ranges = getattr(network, self._numbering.range_attribute)
            pool = NumberPool(ranges, netmap.network_allocation, self._numbering.what)
            self._pools[network.id] = (netmap.network_allocation, pool)
        return pool

    def owner(self, network: Any) -> Tuple[Any, Any]:
        """Return the physical network of a logical network, and its map."""
        key = network.physicalnetwork.getkey()
        map_key = PhysicalNetwork._map.rightkey(key)
        ensure_keys(self._walk, key, map_key)
        return self._walk(key), self._walk(map_key)

    def release(self, network: Any) -> None:
        """Take the number of a logical network back."""
        physical, netmap = self.owner(network)
        self.of(physical, netmap).release(getattr(network, self._numbering.number_attribute, None))
        self._write(netmap.getkey(), netmap)


def _number(numbering: Numbering, parameters: Dict[str, Any]) -> int:
    value = parameters[numbering.number_attribute]
    try:
        return integer(value)
    except Mismatch as exc:
        raise ValueError(f"{numbering.number_attribute}: {exc}, got {value!r:.80}") from None


def create_numbered_logical(numbering: Numbering) -> Callable[..., None]:
    """Return the walker that creates logical networks; those that ask for a number get theirs first, the others the
    lowest free ones."""
    attribute = numbering.number_attribute

    def in_order(parameters_dict: Requests) -> Sequence[Tuple[str, Dict[str, Any]]]:
        return sorted(parameters_dict.items(), key=lambda item: attribute not in item[1])

    def walker(walk: Walk, write: Write, parameters_dict: Requests) -> None:
        numbers = _Numbers(numbering, walk, write)

        def process(network, netmap, physical, physicalmap, walk, write, *, parameters):
            pool, owner = numbers.of(physical, physicalmap), network.create_weakreference()
            if attribute in parameters:
                number = pool.take(_number(numbering, parameters), owner)
            else:
                number = pool.take_lowest(owner, physical.id)
            return default_processor(network, parameters={**parameters, attribute: number}, excluding=("id", "physicalnetwork"))

        networkplugin.createlogicalnetwork(process, in_order)(walk, write, parameters_dict)

    return walker


def update_numbered_logical(numbering: Numbering) -> Callable[..., None]:
    """Return the walker that updates logical networks. Old numbers are all released before new ones are taken, so that
    networks can exchange theirs."""
    attribute = numbering.number_attribute

    def walker(walk: Walk, write: Write, parameters_dict: Requests) -> None:
        numbers = _Numbers(numbering, walk, write)
        keys = [LogicalNetwork.default_key(id_) for id_, parameters in parameters_dict.items() if attribute in parameters]
        ensure_keys(walk, *keys)
        for network in filter(None, [walk(key) for key in keys]):
            numbers.release(network)

        def process(network, walk, write, *, parameters):
            if attribute in parameters:
                physical, netmap = numbers.owner(network)
                number = _number(numbering, parameters)
                numbers.of(physical, netmap).take(number, network.create_weakreference())
                write(netmap.getkey(), netmap)
                parameters = {**parameters, attribute: number}
            return default_processor(network, parameters=parameters, disabled=("physicalnetwork",))

        networkplugin.updatelogicalnetwork(process)(walk, write, parameters_dict)

    return walker


def delete_numbered_logical(numbering: Numbering) -> Callable[..., None]:
    """Return the walker that deletes logical networks and releases their numbers."""

    def check(network, netmap, physical, physicalmap, walk, write, *, parameters):
        networkplugin.default_logicalnetwork_delete_check(network, netmap, parameters=parameters)
        physicalmap.network_allocation.pop(str(getattr(network, numbering.number_attribute, None)), None)
        return False

    return networkplugin.deletelogicalnetwork(check)


class NumberedDriver(NetworkDriver):
    """Base of drivers whose logical networks each have a number out of the ranges of the physical network."""

    numbering = VLAN

    def createphysicalnetwork(self, type):
        """Return the walker that creates physical networks; their ranges must be given."""
        return create_numbered_physical(self.numbering, type)

    def updatephysicalnetwork(self, type):
        """Return the walker that updates physical networks; new ranges must hold every number in use."""
        return update_numbered_physical(self.numbering, type)

    def createlogicalnetwork(self, type):
        """Return the walker that creates logical networks and gives them numbers."""
        return create_numbered_logical(self.numbering)

    def updatelogicalnetwork(self, type):
        """Return the walker that updates logical networks; they may exchange numbers."""
        return update_numbered_logical(self.numbering)

    def deletelogicalnetwork(self, type):
        """Return the walker that deletes logical networks and releases their numbers."""
        return delete_numbered_logical(self.numbering)
