from __future__ import annotations

from functools import partial

import pytest

from vlcp.service.kvdb._txn.attempt import Missing, attempt
from vlcp.utils import networkplugin as plugin
from vlcp.utils.dataobject import AlreadyExistsException
from vlcp.utils.kvcache import KVCache
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


class World:
    """A database in a dictionary."""

    def __init__(self):
        self.data = {}

    def run(self, walker, parameters):
        known = set()
        while True:
            snapshot = {key: self.data.get(key) and self.data[key].clone_instance() for key in known}
            outcome = attempt(lambda walk, write: walker(walk, write, parameters), snapshot)
            if isinstance(outcome, Missing):
                known |= outcome.keys
                continue
            self.data.update(outcome.writes)
            self.data = {key: value for key, value in self.data.items() if value is not None}
            return known

    def names(self, cls):
        holder = self.data.get(cls.default_key())
        return [ref.getkey() for ref in holder.set.dataset()]


@pytest.fixture
def world():
    made = World()
    made.run(plugin.createphysicalnetwork("vlan"), {"p": {"id": "p", "type": "x", "vlanrange": [[1, 2]]}})
    return made


def test_a_physical_network_comes_with_its_map_and_is_listed(world):
    network = world.data[PhysicalNetwork.default_key("p")]
    assert (network.type, network.vlanrange) == ("vlan", [[1, 2]])
    netmap = world.data[PhysicalNetworkMap.default_key("p")]
    assert netmap.network.getkey() == network.getkey()
    assert world.names(PhysicalNetworkSet) == [network.getkey()]
    with pytest.raises(AlreadyExistsException, match="viperflow.physicalnetwork.p"):
        world.run(plugin.createphysicalnetwork("vlan"), {"p": {}})


def test_a_physical_network_is_updated_but_not_its_type(world):
    world.run(plugin.updatephysicalnetwork(), {"p": {"id": "p", "note": 5}})
    assert world.data[PhysicalNetwork.default_key("p")].note == 5
    with pytest.raises(ValueError, match="type cannot be changed"):
        world.run(plugin.updatephysicalnetwork(), {"p": {"type": "native"}})
    with pytest.raises(ValueError, match="viperflow.physicalnetwork.q does not exist"):
        world.run(plugin.updatephysicalnetwork(), {"q": {}})


def test_ports_and_logical_networks_keep_their_physical_network(world):
    port = ("", "%", "%", "eth0")
    world.run(plugin.createphysicalport(), {port: {"physicalnetwork": "p", "name": "eth0", "speed": 10}})
    stored = world.data[PhysicalPort.default_key(*port)]
    assert stored.speed == 10 and stored.physicalnetwork.getkey() == PhysicalNetwork.default_key("p")
    assert world.names(PhysicalPortSet) == [stored.getkey()]
    with pytest.raises(ValueError, match="physical ports"):
        world.run(plugin.deletephysicalnetwork(), {"p": {}})
    world.run(plugin.updatephysicalport(), {port: {"name": "eth0", "speed": 20}})
    assert world.data[stored.getkey()].speed == 20
    with pytest.raises(ValueError, match="physicalnetwork cannot be changed"):
        world.run(plugin.updatephysicalport(), {port: {"physicalnetwork": "p"}})
    world.run(plugin.deletephysicalport(), {port: {}})
    world.run(plugin.createlogicalnetwork(), {"l": {"physicalnetwork": "p", "id": "l", "mtu": 1400}})
    with pytest.raises(ValueError, match="logical networks"):
        world.run(plugin.deletephysicalnetwork(), {"p": {}})
    world.run(plugin.deletelogicalnetwork(), {"l": {}})
    world.run(plugin.deletephysicalnetwork(), {"p": {}})
    assert set(map(type, world.data.values())) == {PhysicalNetworkSet, PhysicalPortSet, LogicalNetworkSet}
    assert world.names(PhysicalNetworkSet) == world.names(PhysicalPortSet) == world.names(LogicalNetworkSet) == []


def test_a_processor_allocates_on_the_map_of_the_physical_network(world):
    def allocate(network, netmap, phynet, phymap, walk, write, *, parameters):
        network.vlanid = 1 if "1" not in phymap.network_allocation else 2
        phymap.network_allocation[str(network.vlanid)] = network.create_weakreference()

    def backwards(requests):
        return reversed(list(requests.items()))

    create = plugin.createlogicalnetwork(allocate, backwards)
    world.run(create, {name: {"physicalnetwork": "p", "id": name} for name in ("first", "last")})
    assert world.data[LogicalNetwork.default_key("last")].vlanid == 1
    assert world.data[LogicalNetwork.default_key("first")].vlanid == 2
    phymap = world.data[PhysicalNetworkMap.default_key("p")]
    assert sorted(phymap.network_allocation) == ["1", "2"]
    assert LogicalNetworkMap.default_key("first") in world.data
    world.run(plugin.updatelogicalnetwork(partial(plugin.default_processor, excluding=("id",))), {"last": {"mtu": 9}})
    assert world.data[LogicalNetwork.default_key("last")].mtu == 9


def test_a_call_with_one_bad_element_changes_nothing(world):
    before = dict(world.data)
    with pytest.raises(ValueError, match="viperflow.physicalnetwork.nowhere"):
        world.run(plugin.createlogicalnetwork(), {"a": {"physicalnetwork": "p"}, "b": {"physicalnetwork": "nowhere"}})
    assert world.data == before


def test_the_known_keys_are_all_that_is_read(world):
    parameters = {"physicalnetwork": "p", "id": "l"}
    assert world.run(plugin.createlogicalnetwork(), {"l": parameters}) == set(plugin.default_logicalnetwork_keys("p", parameters))


def test_the_cache_forgets_what_is_not_wanted():
    cache = KVCache()
    cache.set("a", 1)
    assert cache.update("a", lambda old, plus: old + plus, 2) == 3
    assert cache.update("b", lambda old: old or 5) == 5
    cache.set("c", 1)
    cache.set("c", None)
    cache.gc(["b", "x"])
    assert (cache.get("a", 0), cache.get("b"), len(cache)) == (0, 5, 1)
