"""The flow parts of the network drivers, and which calls they answer."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from vlcp.protocol.openflow.defs import openflow13
from vlcp.service.sdn._vlanparts import tagged_parts, untagged_parts
from vlcp.service.sdn.plugins.networklocaldriver import NetworkLocalDriver
from vlcp.service.sdn.plugins.networknativedriver import NetworkNativeDriver
from vlcp.service.sdn.plugins.networkvlandriver import NetworkVlanDriver
from vlcp.service.sdn.plugins.networkvxlandriver import NetworkVxlanDriver

CONNECTION = SimpleNamespace(openflowdef=openflow13)
VERBS = ("create", "update", "delete")
APIS = [verb + noun for noun in ("physicalnetwork", "physicalport", "logicalnetwork") for verb in VERBS]


def driver(cls):
    """Return a driver without a server."""
    return object.__new__(cls)


def parts(cls, **network):
    logical = SimpleNamespace(physicalnetwork=SimpleNamespace(type=cls.network_type), **network)
    return driver(cls).createioflowparts(CONNECTION, logical, None, 5, 7)


def packed(structures):
    return [structure._tobytes().hex() for structure in structures]


def test_vlan_packets_are_tagged_outside_and_untagged_inside():
    match, incoming, output, bucket, hairpin = parts(NetworkVlanDriver, vlanid=100)
    assert packed(match) == ["80000c021064"]
    assert packed(incoming) == ["0012000800000000"]
    push, tag = "0011000881000000", "0019001080000c021064000000000000"
    assert packed(output) == [push, tag, "000000100000000700000000" + "00000000"]
    assert packed(bucket) == packed(output)
    assert packed(hairpin) == [push, tag, "00000010fffffff8" + "0000000000000000"]


def test_native_packets_pass_as_they_are():
    match, incoming, output, bucket, hairpin = parts(NetworkNativeDriver)
    assert match == incoming == []
    assert packed(output) == packed(bucket) == ["00000010000000070000000000000000"]
    assert packed(hairpin) == ["00000010fffffff80000000000000000"]


def test_local_networks_have_no_flow_parts():
    assert parts(NetworkLocalDriver) == ([], [], [], [], [])


def test_the_lists_of_the_parts_are_not_shared():
    for found in (tagged_parts(openflow13, 7, 100), untagged_parts(openflow13, 7)):
        assert len({id(part) for part in found}) == 5


def test_flow_parts_of_vxlan_networks_are_left_to_other_modules():
    logical = SimpleNamespace(physicalnetwork=SimpleNamespace(type="vxlan"))
    assert not driver(NetworkVxlanDriver)._serves_network(CONNECTION, logical, None, 5, 7)
    assert driver(NetworkVxlanDriver)._serves_type("vxlan")


@pytest.mark.parametrize("cls", [NetworkLocalDriver, NetworkNativeDriver, NetworkVlanDriver, NetworkVxlanDriver])
@pytest.mark.parametrize("name", APIS)
def test_every_driver_answers_with_a_walker(cls, name):
    assert callable(getattr(driver(cls), name)(cls.network_type))
