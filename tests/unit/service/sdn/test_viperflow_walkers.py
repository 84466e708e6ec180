"""The rules of the network model, on a dictionary instead of a database."""

from __future__ import annotations

import time

import pytest
from support.walks import WalkDatabase

from vlcp.service.sdn import _networkdrivers
from vlcp.service.sdn import _resources_ports as ports
from vlcp.service.sdn import _resources_subnets as subnets
from vlcp.service.sdn._networkdrivers import VLAN, VXLAN
from vlcp.service.sdn._resources import (
    LOGICAL_NETWORK,
    LOGICAL_PORT,
    PHYSICAL_NETWORK,
    PHYSICAL_PORT,
    RESOURCES,
    SUBNET,
    create_index_sets,
    query,
    requests,
)
from vlcp.service.sdn._resources_drivers import NeedDrivers, dispatch, first_keys
from vlcp.service.sdn.plugins.networklocaldriver import _refuse
from vlcp.service.sdn.plugins.networknativedriver import _only_one
from vlcp.utils import networkplugin
from vlcp.utils.dataobject import AlreadyExistsException, WeakReferenceObject
from vlcp.utils.exceptions import TypeMismatchException, WalkKeyNotRetrieved
from vlcp.utils.networkmodel import (
    LogicalNetwork,
    LogicalNetworkMap,
    LogicalPort,
    LogicalPortSet,
    PhysicalNetwork,
    PhysicalNetworkMap,
    PhysicalPort,
    SubNet,
    SubNetMap,
    VRouter,
)


def numbered(numbering, kind):
    return {
        ("create", PHYSICAL_NETWORK): _networkdrivers.create_numbered_physical(numbering, kind),
        ("update", PHYSICAL_NETWORK): _networkdrivers.update_numbered_physical(numbering, kind),
        ("create", LOGICAL_NETWORK): _networkdrivers.create_numbered_logical(numbering),
        ("update", LOGICAL_NETWORK): _networkdrivers.update_numbered_logical(numbering),
        ("delete", LOGICAL_NETWORK): _networkdrivers.delete_numbered_logical(numbering),
    }


DEFAULTS = {
    ("update", PHYSICAL_NETWORK): networkplugin.updatephysicalnetwork(),
    ("delete", PHYSICAL_NETWORK): networkplugin.deletephysicalnetwork(),
    ("create", PHYSICAL_PORT): networkplugin.createphysicalport(),
    ("update", PHYSICAL_PORT): networkplugin.updatephysicalport(),
    ("delete", PHYSICAL_PORT): networkplugin.deletephysicalport(),
    ("create", LOGICAL_NETWORK): networkplugin.createlogicalnetwork(),
    ("update", LOGICAL_NETWORK): networkplugin.updatelogicalnetwork(),
    ("delete", LOGICAL_NETWORK): networkplugin.deletelogicalnetwork(),
}
DRIVERS = {
    "vlan": numbered(VLAN, "vlan"),
    "vxlan": numbered(VXLAN, "vxlan"),
    "native": {("create", LOGICAL_NETWORK): networkplugin.createlogicalnetwork(_only_one)},
    "local": {
        ("create", PHYSICAL_PORT): networkplugin.createphysicalport(_refuse),
        ("update", PHYSICAL_PORT): networkplugin.updatephysicalport(_refuse),
    },
}


def driver(kind, verb, resource):
    default = DEFAULTS.get((verb, resource)) or networkplugin.createphysicalnetwork(kind)
    return DRIVERS[kind].get((verb, resource), default)


class Model(WalkDatabase):
    """Runs calls as the module does, without modules."""

    def __init__(self):
        super().__init__()
        keys, walker = create_index_sets()
        self.write(walker, keys)

    def call(self, verb, resource, *items):
        found = requests(resource, items, create=verb == "create")
        if resource in (LOGICAL_PORT, SUBNET):
            rules = ports if resource is LOGICAL_PORT else subnets
            keys = rules.create_keys(found) if verb == "create" else found
            self.write(getattr(rules, verb)(found), keys)
            return list(found)
        known: dict = {}
        walker = dispatch(resource, found, verb == "create", known)
        while True:
            try:
                self.write(walker, first_keys(resource, found, verb == "create"))
                return list(found)
            except NeedDrivers as exc:
                known.update({kind: driver(kind, verb, resource) for kind in exc.types})

    def refused(self, message, verb, resource, *items, error=ValueError):
        before = self.snapshot()
        with pytest.raises(error) as raised:
            self.call(verb, resource, *items)
        assert message in str(raised.value)
        assert "\n" not in str(raised.value)
        assert self.snapshot() == before

    def get(self, cls, *ids):
        return self.objects.get(cls.default_key(*ids))

    def addresses(self, *ids):
        return [self.get(LogicalPort, id_).ip_address for id_ in ids]


@pytest.fixture
def model():
    model = Model()
    model.call("create", PHYSICAL_NETWORK, {"id": "vlan", "type": "vlan", "vlanrange": [[10, 11], [20, 20]]})
    model.call("create", PHYSICAL_NETWORK, {"id": "native", "type": "native"}, {"id": "local", "type": "local"})
    model.call("create", LOGICAL_NETWORK, {"id": "net", "physicalnetwork": "vlan", "mtu": 1450})
    model.call("create", SUBNET, {"id": "sub", "logicalnetwork": "net", "cidr": "10.0.0.0/29", "gateway": "10.0.0.1"})
    return model


def lp(id_, **more):
    return {"id": id_, "logicalnetwork": "net", "subnet": "sub", **more}


# ---- requests


def test_missing_and_empty_ids_are_generated_and_differ():
    found = requests(LOGICAL_NETWORK, [{"physicalnetwork": "p"}, {"id": ""}, {"id": None}], create=True)
    assert len(found) == 3
    assert all(len(parameters["id"]) == 36 for parameters in found.values())


def test_the_same_object_twice_is_refused_with_its_name():
    with pytest.raises(ValueError, match="logical port 'a' is given twice"):
        requests(LOGICAL_PORT, [{"id": "a"}, {"id": "a"}])
    with pytest.raises(ValueError, match="physical port '.%.br.eth0' is given twice"):
        requests(PHYSICAL_PORT, [{"name": "eth0", "bridge": "br"}] * 2, create=True)


@pytest.mark.parametrize("name", ["getkey", "_deleted", "__class__", "kvdb_update", "setkey"])
def test_attributes_that_would_hide_methods_are_refused(name):
    with pytest.raises(ValueError, match="an attribute cannot be named"):
        requests(LOGICAL_PORT, [{"id": "a", name: 1}])


def test_the_network_attribute_is_not_given_by_hand():
    for resource in (LOGICAL_PORT, SUBNET):
        with pytest.raises(ValueError, match="network must be given as logicalnetwork"):
            requests(resource, [{"id": "a", "network": "n", "logicalnetwork": "n"}], create=True)


def test_a_call_has_a_limit():
    with pytest.raises(ValueError, match="at most 10000 objects of kind logical port"):
        requests(LOGICAL_PORT, ({"id": str(number)} for number in range(30000)))


def test_updates_need_an_id():
    for resource in RESOURCES:
        with pytest.raises(ValueError, match="must be given"):
            requests(resource, [{}])


def test_loading_creates_the_index_sets_only_once():
    model = Model()
    before = model.snapshot()
    assert len(before) == 5
    keys, walker = create_index_sets()
    model.write(walker, keys)
    assert model.snapshot() == before


# ---- physical networks


def test_a_physical_network_comes_with_its_map_and_is_listed(model):
    network = model.get(PhysicalNetwork, "vlan")
    assert network.type == "vlan" and network.vlanrange == [[10, 11], [20, 20]]
    assert model.get(PhysicalNetworkMap, "vlan").network == network.create_weakreference()
    model.refused("already exists", "create", PHYSICAL_NETWORK, {"id": "local", "type": "local"}, error=AlreadyExistsException)


@pytest.mark.parametrize(
    "parameters, message",
    [
        ({"type": "vlan"}, "vlanrange"),
        ({"type": "vxlan", "vlanrange": [[1, 2]]}, "vnirange"),
        ({"type": "vlan", "vlanrange": []}, "at least one VLAN tag range"),
        ({"type": "vlan", "vlanrange": [[5, 2]]}, "out of order: 5, 2"),
        ({"type": "vlan", "vlanrange": [[1, 2], [2, 3]]}, "out of order: 2, 2"),
        ({"type": "vlan", "vlanrange": [[0, 2]]}, "VLAN tag 0 is out of range: 1 .. 4095"),
        ({"type": "vlan", "vlanrange": [[1, 4096]]}, "VLAN tag 4096 is out of range: 1 .. 4095"),
        ({"type": "vxlan", "vnirange": [[1, 1 << 24]]}, "VNI 16777216 is out of range: 1 .. 16777215"),
        ({"type": "vlan", "vlanrange": "x"}, "vlanrange"),
        ({"type": "vlan", "vlanrange": [[1, "x"]]}, "vlanrange: expected an integer"),
    ],
)
def test_physical_networks_with_wrong_ranges_are_refused(model, parameters, message):
    model.refused(message, "create", PHYSICAL_NETWORK, {"id": "new", **parameters})


def test_a_batch_with_one_wrong_network_creates_none(model):
    model.refused("vlanrange", "create", PHYSICAL_NETWORK, {"id": "good", "type": "native"}, {"id": "bad", "type": "vlan"})


def test_physical_network_updates(model):
    model.refused("type cannot be changed", "update", PHYSICAL_NETWORK, {"id": "vlan", "type": "vlan"})
    model.refused("type cannot be changed", "update", PHYSICAL_NETWORK, {"id": "native", "type": "vlan"})
    model.refused("viperflow.physicalnetwork.none", "update", PHYSICAL_NETWORK, {"id": "none", "x": 1})
    model.refused("VLAN tag 10 is allocated", "update", PHYSICAL_NETWORK, {"id": "vlan", "vlanrange": [[11, 30]]})
    model.call("update", PHYSICAL_NETWORK, {"id": "vlan", "vlanrange": [[10, 10]], "note": None}, {"id": "local", "note": "x"})
    assert model.get(PhysicalNetwork, "vlan").vlanrange == [[10, 10]]
    assert model.get(PhysicalNetwork, "local").note == "x"


def test_physical_networks_in_use_are_not_deleted(model):
    model.refused("logical networks", "delete", PHYSICAL_NETWORK, {"id": "vlan"})
    model.call("create", PHYSICAL_PORT, {"physicalnetwork": "native", "name": "eth0"})
    model.refused("physical ports", "delete", PHYSICAL_NETWORK, {"id": "native"})
    model.refused("physical ports", "delete", PHYSICAL_NETWORK, {"id": "local"}, {"id": "native"})
    model.refused("viperflow.physicalnetwork.none", "delete", PHYSICAL_NETWORK, {"id": "none"})
    model.call("delete", PHYSICAL_NETWORK, {"id": "local"})
    assert model.get(PhysicalNetwork, "local") is None and model.get(PhysicalNetworkMap, "local") is None


# ---- physical ports


def test_physical_ports_are_created_updated_and_deleted(model):
    model.call(
        "create", PHYSICAL_PORT, {"physicalnetwork": "vlan", "name": "eth0"}, {"physicalnetwork": "vlan", "name": "eth1", "x": 1}
    )
    port = model.get(PhysicalPort, "", "%", "%", "eth1")
    assert port.x == 1 and port.physicalnetwork.getkey() == PhysicalNetwork.default_key("vlan")
    assert len(model.get(PhysicalNetworkMap, "vlan").ports.dataset()) == 2
    model.call("update", PHYSICAL_PORT, {"name": "eth1", "x": 2})
    assert model.get(PhysicalPort, "", "%", "%", "eth1").x == 2
    model.call("delete", PHYSICAL_PORT, {"name": "eth0"}, {"name": "eth1"})
    assert not model.get(PhysicalNetworkMap, "vlan").ports.dataset()


def test_physical_port_rules(model):
    model.refused("physical network 'none' does not exist", "create", PHYSICAL_PORT, {"physicalnetwork": "none", "name": "e"})
    model.refused("local network", "create", PHYSICAL_PORT, {"physicalnetwork": "local", "name": "eth0"})
    model.call("create", PHYSICAL_PORT, {"physicalnetwork": "vlan", "name": "eth0"})
    model.refused("exists", "create", PHYSICAL_PORT, {"physicalnetwork": "native", "name": "eth0"}, error=AlreadyExistsException)
    model.refused("physicalnetwork cannot be changed", "update", PHYSICAL_PORT, {"name": "eth0", "physicalnetwork": "vlan"})
    model.refused("viperflow.physicalport..%.%.eth9", "update", PHYSICAL_PORT, {"name": "eth9", "x": 1})
    model.refused("viperflow.physicalport..%.br.eth0", "delete", PHYSICAL_PORT, {"name": "eth0", "bridge": "br"})


# ---- logical networks


def test_logical_networks_with_a_number_are_served_first(model):
    model.call(
        "create", LOGICAL_NETWORK, {"id": "a", "physicalnetwork": "vlan"}, {"id": "b", "physicalnetwork": "vlan", "vlanid": "11"}
    )
    assert [model.get(LogicalNetwork, id_).vlanid for id_ in ("net", "a", "b")] == [10, 20, 11]
    allocation = model.get(PhysicalNetworkMap, "vlan").network_allocation
    assert allocation["20"] == WeakReferenceObject(LogicalNetwork.default_key("a"))
    model.refused("no VLAN tag is available in physical network 'vlan'", "create", LOGICAL_NETWORK, {"physicalnetwork": "vlan"})


@pytest.mark.parametrize(
    "parameters, message",
    [
        ({"physicalnetwork": "none"}, "physical network 'none' does not exist"),
        ({"vlanid": 10}, "VLAN tag 10 is allocated or not in range"),
        ({"vlanid": 30}, "VLAN tag 30 is allocated or not in range"),
        ({"vlanid": "x"}, "vlanid: expected an integer, got 'x'"),
        ({"vlanid": None}, "vlanid: expected an integer, got None"),
    ],
)
def test_logical_networks_that_break_a_rule_are_refused(model, parameters, message):
    model.refused(message, "create", LOGICAL_NETWORK, {"id": "new", "physicalnetwork": "vlan", **parameters})


def test_a_native_network_has_one_logical_network(model):
    both = [{"id": id_, "physicalnetwork": "native"} for id_ in "ab"]
    model.refused("only one logical network", "create", LOGICAL_NETWORK, *both)
    model.call("create", LOGICAL_NETWORK, both[0])
    model.refused("only one logical network", "create", LOGICAL_NETWORK, both[1])
    model.call("delete", LOGICAL_NETWORK, {"id": "a"})
    model.call("create", LOGICAL_NETWORK, both[1])


def test_logical_networks_exchange_their_numbers_in_one_call(model):
    model.call("create", LOGICAL_NETWORK, {"id": "b", "physicalnetwork": "vlan", "vlanid": 20})
    model.call("update", LOGICAL_NETWORK, {"id": "b", "vlanid": 10}, {"id": "net", "vlanid": "20", "mtu": 1400})
    assert [model.get(LogicalNetwork, id_).vlanid for id_ in ("net", "b")] == [20, 10]
    allocation = model.get(PhysicalNetworkMap, "vlan").network_allocation
    assert {number: ref.getkey()[-3:] for number, ref in allocation.items()} == {"20": "net", "10": "k.b"}
    model.refused("VLAN tag 20 is allocated", "update", LOGICAL_NETWORK, {"id": "b", "vlanid": 20})
    model.refused("physicalnetwork cannot be changed", "update", LOGICAL_NETWORK, {"id": "b", "physicalnetwork": "vlan"})
    model.refused("viperflow.logicnetwork.none", "update", LOGICAL_NETWORK, {"id": "none", "vlanid": 11})


def test_logical_networks_in_use_are_not_deleted(model):
    model.refused("subnets", "delete", LOGICAL_NETWORK, {"id": "net"})
    model.call("delete", SUBNET, {"id": "sub"})
    model.call("create", LOGICAL_PORT, {"id": "p", "logicalnetwork": "net"})
    model.refused("logical ports", "delete", LOGICAL_NETWORK, {"id": "net"})
    model.call("delete", LOGICAL_PORT, {"id": "p"})
    model.call("delete", LOGICAL_NETWORK, {"id": "net"})
    assert model.get(PhysicalNetworkMap, "vlan").network_allocation == {}
    assert not model.get(PhysicalNetworkMap, "vlan").logicnetworks.dataset()


# ---- subnets


def test_subnets_store_their_pool_and_their_map(model):
    subnet = model.get(SubNet, "sub")
    assert (subnet.allocated_start, subnet.allocated_end, subnet.gateway) == ("10.0.0.1", "10.0.0.6", "10.0.0.1")
    assert model.get(SubNetMap, "sub").allocated_ips == {}
    assert subnet.create_weakreference() in model.get(LogicalNetworkMap, "net").subnets.dataset()


def test_per_host_configuration_gets_its_defaults(model):
    hosts = [{"systemid": "s", "local_address": "10.0.0.3"}, {"cidr": "10.9.0.0/24", "gateway": "10.9.0.1"}]
    model.call("create", SUBNET, {"id": "x", "logicalnetwork": "net", "cidr": "10.0.0.0/29", "pre_host_config": hosts})
    assert model.get(SubNet, "x").pre_host_config == [
        {"systemid": "s", "bridge": "%", "vhost": "", "local_address": "10.0.0.3"},
        {"systemid": "%", "bridge": "%", "vhost": "", "cidr": "10.9.0.0/24", "gateway": "10.9.0.1"},
    ]


@pytest.mark.parametrize(
    "parameters, message",
    [
        ({"logicalnetwork": "none"}, "logical network 'none' does not exist"),
        ({"gateway": "10.1.0.1"}, "gateway 10.1.0.1 is not in the CIDR 10.0.0.0/24"),
        ({"allocated_start": "10.1.0.1"}, "allocated_start 10.1.0.1 is not in the CIDR"),
        ({"allocated_end": "10.1.0.1"}, "allocated_end 10.1.0.1 is not in the CIDR"),
        ({"allocated_start": "10.0.0.9", "allocated_end": "10.0.0.8"}, "pool is empty"),
        ({"cidr": "10.0.0.0/32"}, "10.0.0.0/32"),
        ({"router": "r"}, "use the virtual router calls"),
        ({"pre_host_config": [{"gateway": "1.1.1.1"}]}, "pre_host_config[0].gateway 1.1.1.1 is not in the CIDR 10.0.0.0/24"),
        ({"pre_host_config": [{}, {"cidr": "1.1.1.0/24", "local_address": "1.1.2.1"}]}, "pre_host_config[1].local_address"),
    ],
)
def test_subnets_that_break_a_rule_are_refused(model, parameters, message):
    good = {"id": "good", "logicalnetwork": "net", "cidr": "10.0.0.0/24"}
    model.refused(message, "create", SUBNET, good, {**good, "id": "new", **parameters})


def test_subnet_updates_must_fit_the_addresses_in_use(model):
    model.call("create", LOGICAL_PORT, lp("p", ip_address="10.0.0.5"))
    model.call("update", SUBNET, {"id": "sub", "cidr": "10.0.0.0/24", "gateway": "10.0.0.9", "allocated_end": "10.0.0.99"})
    assert model.get(SubNet, "sub").allocated_end == "10.0.0.99"
    for change, message in [
        ({"cidr": "10.0.0.0/30", "gateway": "10.0.0.1"}, "allocated_end 10.0.0.99 is not in the CIDR 10.0.0.0/30"),
        ({"cidr": "10.0.0.0/30", "allocated_end": "10.0.0.2", "gateway": "10.0.0.1"}, "10.0.0.5 is allocated"),
        ({"allocated_start": "10.0.0.6"}, "10.0.0.5 is used by a port"),
        ({"gateway": "10.0.0.5"}, "gateway 10.0.0.5 is the IP address of a port"),
        ({"logicalnetwork": "net"}, "logicalnetwork cannot be changed"),
        ({"network": "net"}, "network cannot be changed"),
        ({"isexternal": False}, "isexternal cannot be changed"),
        ({"router": None}, "virtual router calls"),
        ({"pre_host_config": [{"gateway": "1.1.1.1"}]}, "pre_host_config[0].gateway"),
    ]:
        model.refused(message, "update", SUBNET, {"id": "sub", **change})
    model.refused("subnet 'none' does not exist", "update", SUBNET, {"id": "none", "gateway": "10.0.0.2"})


def test_subnets_in_use_are_not_deleted(model):
    model.call("create", LOGICAL_PORT, lp("p"))
    model.refused("1 addresses are still used", "delete", SUBNET, {"id": "sub"})
    model.call("delete", LOGICAL_PORT, {"id": "p"})
    model.get(SubNetMap, "sub").routers.dataset().add(WeakReferenceObject(VRouter.default_key("r")))
    model.refused("router ports still use it", "delete", SUBNET, {"id": "sub"})
    model.get(SubNet, "sub").router = WeakReferenceObject("viperflow.routerport.rp")
    model.refused("is in a virtual router", "delete", SUBNET, {"id": "sub"})
    model.refused("subnet 'none' does not exist", "delete", SUBNET, {"id": "none"})
    del model.get(SubNet, "sub").router
    model.get(SubNetMap, "sub").routers.dataset().clear()
    model.call("delete", SUBNET, {"id": "sub"})
    assert model.get(SubNet, "sub") is None and model.get(SubNetMap, "sub") is None
    assert not model.get(LogicalNetworkMap, "net").subnets.dataset()


# ---- logical ports


def test_ports_that_ask_for_an_address_are_served_first(model):
    model.call("create", LOGICAL_PORT, lp("a"), lp("b"), lp("c", ip_address="10.0.0.2", hostname=None))
    assert model.addresses("a", "b", "c") == ["10.0.0.3", "10.0.0.4", "10.0.0.2"]
    assert model.rounds == 1
    port = model.get(LogicalPort, "c")
    assert port.hostname is None and port.network.getkey() == LogicalNetwork.default_key("net")
    assert model.get(SubNetMap, "sub").allocated_ips[str(0x0A000002)] == port.create_weakreference()
    assert len(model.get(LogicalNetworkMap, "net").ports.dataset()) == 3


def test_ports_outside_subnets_keep_their_address(model):
    model.call(
        "create",
        LOGICAL_PORT,
        {"id": "a", "logicalnetwork": "net", "ip_address": "192.0.2.1"},
        {"id": "b", "logicalnetwork": "net"},
    )
    assert model.get(LogicalPort, "a").ip_address == "192.0.2.1"
    assert not hasattr(model.get(LogicalPort, "b"), "ip_address")
    assert not hasattr(model.get(LogicalPort, "b"), "subnet")


@pytest.mark.parametrize(
    "parameters, message",
    [
        ({"logicalnetwork": "none"}, "logical network 'none' does not exist"),
        ({"subnet": "none"}, "subnet 'none' does not exist"),
        ({"logicalnetwork": "other"}, "subnet 'sub' is not in logical network 'other'"),
        ({"ip_address": "10.0.0.1"}, "10.0.0.1 is not usable in subnet 'sub'"),
        ({"ip_address": "10.0.0.7"}, "10.0.0.7 is not usable in subnet 'sub'"),
        ({"ip_address": "10.0.0.2"}, "10.0.0.2 is already used in subnet 'sub'"),
    ],
)
def test_ports_that_break_a_rule_are_refused(model, parameters, message):
    model.call("create", LOGICAL_NETWORK, {"id": "other", "physicalnetwork": "vlan"})
    model.call("create", LOGICAL_PORT, lp("taken"))
    model.refused(message, "create", LOGICAL_PORT, lp("good"), lp("new", **parameters))
    model.refused("already exists", "create", LOGICAL_PORT, lp("good"), lp("taken"), error=AlreadyExistsException)


def test_a_full_subnet_gives_no_address(model):
    model.call("create", LOGICAL_PORT, *[lp(str(number)) for number in range(5)])
    model.refused("no IP address is available in subnet 'sub'", "create", LOGICAL_PORT, lp("more"))
    model.call("delete", LOGICAL_PORT, {"id": "2"})
    model.call("create", LOGICAL_PORT, lp("more"))
    assert model.addresses("more") == ["10.0.0.4"]


def test_ports_swap_their_addresses_in_one_call(model):
    model.call("create", LOGICAL_PORT, lp("a"), lp("b"))
    model.call("update", LOGICAL_PORT, {"id": "a", "ip_address": "10.0.0.3"}, {"id": "b", "ip_address": "10.0.0.2", "x": [1]})
    assert model.addresses("a", "b") == ["10.0.0.3", "10.0.0.2"]
    assert model.get(SubNetMap, "sub").allocated_ips == {
        str(0x0A000003): WeakReferenceObject(LogicalPort.default_key("a")),
        str(0x0A000002): WeakReferenceObject(LogicalPort.default_key("b")),
    }
    model.refused("10.0.0.2 is already used", "update", LOGICAL_PORT, {"id": "a", "ip_address": "10.0.0.2"})
    model.refused("10.0.0.1 is not usable", "update", LOGICAL_PORT, {"id": "a", "ip_address": "10.0.0.1"})
    for name in ("logicalnetwork", "network", "subnet"):
        model.refused(f"{name} cannot be changed", "update", LOGICAL_PORT, {"id": "a", name: "x"})
    model.refused("logical port 'none' does not exist", "update", LOGICAL_PORT, {"id": "a"}, {"id": "none"})


def test_ports_of_different_subnets_can_be_updated_together(model):
    model.call("create", SUBNET, {"id": "two", "logicalnetwork": "net", "cidr": "10.1.0.0/24"})
    model.call("create", LOGICAL_PORT, lp("a"), lp("b", subnet="two"), {"id": "c", "logicalnetwork": "net"})
    model.call(
        "update",
        LOGICAL_PORT,
        *[{"id": i, "ip_address": ip} for i, ip in [("a", "10.0.0.6"), ("b", "10.1.0.9"), ("c", "1.1.1.1")]],
    )
    assert model.addresses("a", "b", "c") == ["10.0.0.6", "10.1.0.9", "1.1.1.1"]


def test_deleted_ports_release_only_their_own_address(model):
    model.call("create", LOGICAL_PORT, lp("a"), lp("b"))
    foreign = ["sys", "br", ""]
    model.get(SubNetMap, "sub").allocated_ips[str(0x0A000003)] = foreign
    model.call("delete", LOGICAL_PORT, {"id": "a"}, {"id": "b"})
    assert model.get(SubNetMap, "sub").allocated_ips == {str(0x0A000003): foreign}
    assert not model.get(LogicalPortSet).set.dataset()
    assert not model.get(LogicalNetworkMap, "net").ports.dataset()
    model.refused("logical port 'a' does not exist", "delete", LOGICAL_PORT, {"id": "a"})


def test_a_thousand_ports_take_linear_time_in_one_round():
    model = Model()
    model.call("create", PHYSICAL_NETWORK, {"id": "vlan", "type": "vlan", "vlanrange": [[10, 4000]]})
    model.call("create", LOGICAL_NETWORK, {"id": "net", "physicalnetwork": "vlan"})
    model.call("create", SUBNET, {"id": "sub", "logicalnetwork": "net", "cidr": "10.0.0.0/16"})

    def seconds(count, prefix):
        begin = time.perf_counter()
        model.call("create", LOGICAL_PORT, *[lp(f"{prefix}{number}") for number in range(count)])
        assert model.rounds == 1
        return time.perf_counter() - begin

    first, last = seconds(1000, "a"), seconds(1000, "b")
    assert max(first, last) < 1
    assert model.addresses("a0", "a999", "b0", "b999") == ["10.0.0.1", "10.0.3.232", "10.0.3.233", "10.0.7.208"]


# ---- lists


def listed(model, resource, ids=None, parent=None, **filters):
    key, walker = query(resource, ids, parent, filters)
    known = {key}
    while True:
        missing, saved = set(), []

        def walk(wanted):
            if wanted not in known:
                missing.add(wanted)
                raise WalkKeyNotRetrieved(wanted)
            return model.objects.get(wanted)

        walker(key, model.objects.get(key), walk, saved.append)
        if not missing:
            return sorted(model.objects[one].id for one in saved)
        known |= missing


def test_lists_select_by_id_by_parent_and_by_attribute(model):
    model.call("create", LOGICAL_NETWORK, {"id": "other", "physicalnetwork": "vlan"})
    model.call("create", LOGICAL_PORT, lp("a", x=1), lp("b", hostname="h"), {"id": "c", "logicalnetwork": "other"})
    assert listed(model, LOGICAL_PORT) == ["a", "b", "c"]
    assert listed(model, LOGICAL_PORT, {"id": "a"}) == ["a"]
    assert listed(model, LOGICAL_PORT, {"id": "none"}) == []
    assert listed(model, LOGICAL_PORT, parent="net") == ["a", "b"]
    assert listed(model, LOGICAL_PORT, parent="none") == []
    assert listed(model, LOGICAL_PORT, {"id": "a"}, "other") == []
    assert listed(model, LOGICAL_PORT, x=1) == ["a"]
    assert listed(model, LOGICAL_PORT, x=None) == ["b", "c"]
    assert listed(model, LOGICAL_PORT, network="net") == []
    assert listed(model, LOGICAL_PORT, getkey=1) == []
    assert listed(model, LOGICAL_NETWORK, mtu="1450") == []
    assert listed(model, LOGICAL_NETWORK, mtu=1450) == ["net"]
    assert listed(model, PHYSICAL_NETWORK, type="local") == ["local"]
    assert listed(model, SUBNET, parent="net", cidr="10.0.0.0/29") == ["sub"]


def test_ids_in_lists_must_be_strings():
    for ids, parent in [({"id": ["a"]}, None), (None, 3)]:
        with pytest.raises(TypeMismatchException, match="expected a string"):
            query(LOGICAL_PORT, ids, parent, {})
