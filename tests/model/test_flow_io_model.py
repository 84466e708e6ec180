"""What is on a switch, computed change by change, against the same computed from nothing."""

from __future__ import annotations

import random
from types import SimpleNamespace

import pytest

from vlcp.service.sdn._flows.ids import Numbers
from vlcp.service.sdn._flows.view import SwitchView
from vlcp.service.sdn._io_model import SwitchModel
from vlcp.service.sdn._io_ports import Bridge, LocalPort, LocalPorts, best_rules
from vlcp.utils.networkmodel import (
    LogicalNetwork,
    LogicalNetworkMap,
    LogicalPort,
    PhysicalNetwork,
    PhysicalNetworkMap,
    PhysicalPort,
    PhysicalPortSet,
    RouterPort,
    SubNet,
    VRouter,
)

BRIDGE = Bridge("", "sys-1", "br0")


class Database:
    """Objects by key, with versions."""

    def __init__(self):
        self.objects = {}
        self.touched = set()
        self._version = 0

    def put(self, cls, *indices, **attributes):
        value = cls.create_instance(*indices)
        value.__dict__.update(attributes)
        self._version += 1
        value.kvdb_createtime, value.kvdb_updateversion = 1, self._version
        self.objects[value.getkey()] = value
        self.touched.add(value.getkey())
        return value

    def delete(self, key):
        self.objects.pop(key, None)
        self.touched.add(key)

    def reference(self, value):
        return value.create_reference()


class Switch:
    """A model with its walks and view, as the updater drives it."""

    def __init__(self, database, local, numbers, forwarding=False):
        self.database, self.local, self.numbers = database, local, numbers
        self.model = SwitchModel(local, BRIDGE, forwarding)
        self.view = SwitchView()
        self.saved = {}
        self.values = {}

    def walk(self):
        """Run all walkers; return keys whose objects are new, different or gone."""
        before = self.values
        self.saved = {}
        for key, walker in self.model.walkers.items():
            saved = set()
            walker(key, self.database.objects.get(key), self.database.objects.get, saved.add)
            self.saved[key] = saved
        keys = set().union(*self.saved.values())
        self.values = {key: self.database.objects[key] for key in keys if key in self.database.objects}
        return {key for key in {*before, *self.values} if before.get(key) is not self.values.get(key)}

    def settle(self):
        changed = self.walk()
        while self.model.want_walkers(self.values, changed, lambda key: self.saved.get(key, ())):
            changed |= self.walk()
        updates = self.model.records(self.values, changed, self.view, self.numbers)
        self.view.update(updates.ports, updates.networks, updates.physical_ports)

    def state(self):
        return self.view.ports, self.view.networks, self.view.physical_ports


def record(number, name, identifier=None):
    return {"name": name, "ofport": number, "id": identifier}


def of_port(number):
    return SimpleNamespace(port_no=number)


class World:
    """Random changes of a database and of a switch's ports."""

    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.database = Database()
        self.physical = [self.database.put(PhysicalNetwork, f"phys{n}", type="vlan") for n in range(2)]
        self.local = LocalPorts()
        self.openflow, self.ovsdb, self.rules = {}, {}, set()

    def networks(self):
        return [value for value in self.database.objects.values() if isinstance(value, LogicalNetwork)]

    def step(self, switch):
        action = self.rng.choice((self.logical_port, self.network, self.physical_port, self.openflow_port, self.ovsdb_port))
        action(switch)

    def logical_port(self, switch):
        name = f"lp{self.rng.randrange(6)}"
        networks = self.networks()
        if self.rng.random() < 0.3 or not networks:
            self.database.delete(LogicalPort.default_key(name))
        else:
            network = self.rng.choice(networks).create_reference()
            mac = f"02:00:00:00:00:{self.rng.randrange(9):02x}"
            self.database.put(LogicalPort, name, network=network, mac_address=mac)

    def network(self, switch):
        name = f"net{self.rng.randrange(3)}"
        if self.rng.random() < 0.2:
            self.database.delete(LogicalNetwork.default_key(name))
            self.database.delete(LogicalNetworkMap.default_key(name))
        else:
            physical = self.rng.choice(self.physical).create_reference()
            self.database.put(LogicalNetwork, name, physicalnetwork=physical)
            self.database.put(LogicalNetworkMap, name)

    def physical_port(self, switch):
        place = (self.rng.choice(("%", "sys-1", "sys-2")), self.rng.choice(("%", "br0")), f"p{self.rng.randrange(6)}")
        if self.rng.random() < 0.3:
            self.rules.discard(place)
            self.database.delete(PhysicalPort.default_key("", *place))
        else:
            self.rules.add(place)
            network = self.rng.choice(self.physical).create_reference()
            self.database.put(PhysicalPort, "", *place, physicalnetwork=network)
        members = PhysicalPortSet.create_instance()
        for rule in sorted(self.rules):
            members.set.dataset().add(self.database.objects[PhysicalPort.default_key("", *rule)].create_weakreference())
        self.database.put(PhysicalPortSet, set=members.set)

    def openflow_port(self, switch):
        number = self.rng.randrange(1, 7)
        gone = self.openflow.pop(number, None)
        new = [] if gone else [of_port(number)]
        if new:
            self.openflow[number] = new[0]
        switch.model.ports_changed(self.local.change_openflow(new, [gone] if gone else []))

    def ovsdb_port(self, switch):
        number = self.rng.randrange(1, 7)
        gone = self.ovsdb.pop(number, None)
        new = []
        if gone is None or self.rng.random() < 0.5:
            new = [record(number, f"p{self.rng.randrange(6)}", self.rng.choice((None, f"lp{self.rng.randrange(6)}")))]
            self.ovsdb[number] = new[0]
        switch.model.ports_changed(self.local.change_ovsdb(new, [gone] if gone else []))


@pytest.mark.parametrize("seed", range(40))
def test_changes_one_by_one_give_the_same_view_as_everything_at_once(seed):
    world = World(seed)
    switch = Switch(world.database, world.local, Numbers(), forwarding=seed % 2 == 1)
    for _ in range(80):
        world.step(switch)
        if world.rng.random() < 0.6:
            switch.settle()
    switch.settle()
    local = LocalPorts()
    fresh = Switch(world.database, local, Numbers(switch.numbers.frozen()), forwarding=seed % 2 == 1)
    fresh.model.ports_changed(local.replace(world.openflow.values(), world.ovsdb.values()))
    fresh.settle()
    assert switch.state() == fresh.state()


@pytest.mark.parametrize("seed", range(20))
def test_a_new_instance_takes_over_a_view_from_which_things_have_gone_meanwhile(seed):
    world = World(seed)
    switch = Switch(world.database, world.local, Numbers(), forwarding=False)
    for _ in range(80):
        world.step(switch)
    switch.settle()
    for _ in range(10):
        world.step(switch)
    following, fresh = (
        Switch(world.database, LocalPorts(), Numbers(switch.numbers.frozen()), forwarding=False) for _ in range(2)
    )
    following.view = switch.view
    for one in (following, fresh):
        one.model.ports_changed(one.local.replace(world.openflow.values(), world.ovsdb.values()))
        one.settle()
    assert following.state() == fresh.state()


def test_networks_that_a_router_joins_to_a_local_one_are_present():
    world = World(1)
    database = world.database
    router = VRouter.create_instance("r")
    for number in range(3):
        network = database.put(LogicalNetwork, f"net{number}", physicalnetwork=world.physical[0].create_reference())
        subnet = database.put(SubNet, f"sub{number}", network=network.create_reference())
        members = LogicalNetworkMap.create_instance(f"net{number}")
        members.subnets.dataset().add(subnet.create_weakreference())
        database.put(LogicalNetworkMap, f"net{number}", subnets=members.subnets)
        port = database.put(RouterPort, f"rp{number}", subnet=subnet.create_reference(), router=router.create_reference())
        if number < 2:
            router.interfaces.dataset().add(port.create_weakreference())
            subnet.router = port.create_weakreference()
    database.put(VRouter, "r", interfaces=router.interfaces)
    database.put(LogicalPort, "lp1", network=database.objects[LogicalNetwork.default_key("net0")].create_reference())
    switch = Switch(database, world.local, Numbers())
    switch.model.ports_changed(world.local.replace([of_port(1)], [record(1, "p1", "lp1")]))
    switch.settle()
    assert sorted(switch.view.networks) == [LogicalNetwork.default_key(name) for name in ("net0", "net1")]
    assert [port.port_no for port in switch.view.ports.values()] == [1]


def test_all_networks_of_a_local_physical_network_are_present_on_a_forwarding_node():
    world = World(1)
    database = world.database
    physical = world.physical[0]
    members = PhysicalNetworkMap.create_instance("phys0")
    for number in range(2):
        network = database.put(LogicalNetwork, f"net{number}", physicalnetwork=physical.create_reference())
        members.logicnetworks.dataset().add(network.create_weakreference())
    database.put(PhysicalNetworkMap, "phys0", logicnetworks=members.logicnetworks)
    rule = database.put(PhysicalPort, "", "%", "%", "bond0", physicalnetwork=physical.create_reference())
    rules = PhysicalPortSet.create_instance()
    rules.set.dataset().add(rule.create_weakreference())
    database.put(PhysicalPortSet, set=rules.set)
    for forwarding in (True, False):
        local = LocalPorts()
        switch = Switch(database, local, Numbers(), forwarding)
        switch.model.ports_changed(local.replace([of_port(9)], [record(9, "bond0")]))
        switch.settle()
        assert len(switch.view.networks) == (2 if forwarding else 0)
        assert [port.port_no for port in switch.view.physical_ports.values()] == [9]


def test_a_port_counts_when_both_sides_know_it_by_its_low_sixteen_bits():
    local = LocalPorts()
    assert not local.change_openflow([of_port(0xFFFFFFFE), of_port(3)], [])
    assert local.unmatched() == [3]
    assert local.change_ovsdb([record(0xFFFE, "br0"), record(3, "p3", "lp3")], []) == {
        LocalPort(0xFFFFFFFE, "br0", None),
        LocalPort(3, "p3", "lp3"),
    }
    assert (local.port_of_id("lp3"), local.unmatched()) == (3, [])
    assert local.change_ovsdb([record(3, "p3", "lp4")], [record(3, "p3", "lp3")]) == {
        LocalPort(3, "p3", "lp3"),
        LocalPort(3, "p3", "lp4"),
    }
    assert (local.port_of_id("lp3"), local.ids()) == (None, ["lp4"])


def test_the_most_specific_rule_of_a_physical_port_wins():
    rules = {
        "a": ("", "%", "%", "bond0"),
        "b": ("", "%", "br0", "bond0"),
        "c": ("", "sys-1", "%", "bond0"),
        "d": ("", "%", "%", "bond1"),
    }
    assert best_rules(rules) == {"bond0": "c", "bond1": "d"}
    assert BRIDGE.fits("", "%", "br0")
    assert not BRIDGE.fits("", "sys-2", "%")
    assert not BRIDGE.fits("v", "%", "%")
