"""What forwarding nodes write: offers that expire, and addresses that are leased; the choice among offers."""

from __future__ import annotations

import pytest

from vlcp.event.core import Scheduler
from vlcp.service.sdn import _forward_records as records
from vlcp.service.sdn._flows.fields import parse_mac
from vlcp.service.sdn._forward_offers import Choices, Offers
from vlcp.service.sdn._forward_publish import OFFER, ForwardPublisher
from vlcp.service.sdn._routers import Node
from vlcp.service.sdn._vxlan_places import carrier_address, walk_carriers
from vlcp.utils.dataobject import ReferenceObject, WeakReferenceObject
from vlcp.utils.exceptions import WalkKeyNotRetrieved
from vlcp.utils.networkmodel import (
    DVRouterExternalAddressInfo,
    DVRouterForwardInfo,
    DVRouterForwardInfoRef,
    DVRouterForwardSet,
    LogicalNetwork,
    LogicalPort,
    PhysicalNetwork,
    SubNet,
    SubNetMap,
    VRouter,
    VXLANEndpointSet,
)

A, B = Node("", "sys-a", "br0"), Node("v", "sys-b", "br0")
PAIR = ("vxlan", "vlan")
MAC_A, MAC_B = "a0:00:00:00:00:0a", "a0:00:00:00:00:0b"
SECOND = 1000000


class Store:
    """A database: objects by key, and a clock in microseconds."""

    def __init__(self):
        self.values, self.now, self.writes = {}, 1000 * SECOND, []

    def run(self, walker):
        """Run a transaction as often as it asks for keys that it has not read."""
        known = set()
        for _ in range(10):
            written, missing = {}, set()

            def walk(key, written=written, missing=missing):
                if key in written:
                    return written[key]
                if key not in known:
                    missing.add(key)
                    raise WalkKeyNotRetrieved(key)
                return self.values.get(key)

            try:
                result = walker(walk, written.__setitem__, self.now)
            except WalkKeyNotRetrieved:
                assert missing
                known |= missing
                continue
            if missing:
                known |= missing
                continue
            self.writes.append(set(written))
            for key, value in written.items():
                self.values.pop(key, None)
                if value is not None:
                    self.values[key] = value
            return result
        raise AssertionError("the walker does not end")

    def offer(self, node, offers, sweep=False, valid_s=30):
        return self.run(records.offers_walker(node, offers, sweep, valid_s * SECOND))

    def lease(self, node, *subnets, valid_s=300):
        return self.run(records.addresses_walker(node, subnets, valid_s * SECOND))

    def info(self, pair=PAIR):
        found = self.values.get(DVRouterForwardInfo.default_key(*pair))
        return None if found is None else found.info

    def macs(self, pair=PAIR):
        found = self.values.get(DVRouterForwardInfoRef.default_key(*pair))
        return None if found is None else found.info

    def pairs(self):
        found = self.values.get(DVRouterForwardSet.default_key())
        return [] if found is None else sorted(records.pair_of(one.getkey()) for one in found.set.dataset())

    def put(self, value):
        self.values[value.getkey()] = value
        return value

    def add_subnet(self, name="out", **attributes):
        subnet, subnet_map = self.put(SubNet.create_instance(name)), self.put(SubNetMap.create_instance(name))
        found = {"cidr": "10.9.8.0/24", "gateway": "10.9.8.1", "allocated_start": "10.9.8.1", "allocated_end": "10.9.8.4"}
        for key, value in {**found, **attributes}.items():
            setattr(subnet, key, value)
        subnet_map.routers.dataset().add(WeakReferenceObject(VRouter.default_key("r")))
        return subnet, subnet_map

    def addresses(self):
        found = self.values.get(DVRouterExternalAddressInfo.default_key())
        return [] if found is None else found.info


@pytest.fixture
def store():
    return Store()


def test_offers_are_sorted_by_mac_and_listed_and_both_objects_go_with_the_last_one(store):
    assert store.offer(B, {PAIR: MAC_B}) == {}
    assert store.offer(A, {PAIR: MAC_A}) == {PAIR: 30 * SECOND}
    assert store.info() == [
        ["sys-a", "br0", "", MAC_A, 1030 * SECOND],
        ["sys-b", "br0", "v", MAC_B, 1030 * SECOND],
    ]
    assert store.macs() == [MAC_A, MAC_B] and store.pairs() == [PAIR]
    store.offer(A, {PAIR: None})
    assert store.macs() == [MAC_B]
    store.offer(B, {PAIR: None})
    assert (store.info(), store.macs(), store.pairs()) == (None, None, [])


def test_a_renewal_leaves_the_list_that_everybody_watches_alone(store):
    store.offer(A, {PAIR: MAC_A})
    store.now += 15 * SECOND
    store.offer(A, {PAIR: MAC_A})
    assert store.writes[-1] == {DVRouterForwardInfo.default_key(*PAIR)}
    assert store.info()[0][4] == 1045 * SECOND


def test_an_offer_that_was_not_renewed_goes_with_the_next_one_of_another_node(store):
    store.offer(A, {PAIR: MAC_A})
    store.now += 29 * SECOND
    assert store.offer(B, {PAIR: MAC_B}) == {PAIR: SECOND}
    store.now += SECOND + 1
    assert store.offer(B, {PAIR: MAC_B}) == {}
    assert store.macs() == [MAC_B]


def test_offers_of_an_earlier_run_are_swept_and_those_of_others_are_not(store):
    other = ("vlan", "vxlan")
    store.offer(A, {PAIR: MAC_A, other: MAC_A})
    store.offer(B, {other: MAC_B})
    store.offer(A, {PAIR: MAC_A}, sweep=True)
    assert store.macs() == [MAC_A] and store.macs(other) == [MAC_B]
    store.offer(A, {}, sweep=True)
    assert store.pairs() == [other]


def test_a_node_that_changes_its_mac_address_has_one_offer(store):
    store.offer(A, {PAIR: MAC_B})
    store.offer(A, {PAIR: MAC_A})
    assert store.macs() == [MAC_A]


def test_nonsense_in_the_lists_is_thrown_away(store):
    found = store.put(DVRouterForwardInfo.create_instance(*PAIR))
    found.info = [["sys-a"], [], ["x", "y", "z", MAC_B, 0]]
    store.offer(A, {PAIR: MAC_A})
    assert store.macs() == [MAC_A]


def test_the_lowest_free_address_is_taken_the_last_one_too_and_never_that_of_the_gateway(store):
    store.add_subnet()
    nodes = [Node("", f"sys-{name}", "br0") for name in "abcd"]
    assert [store.lease(node, "out") for node in nodes] == [
        {"out": "10.9.8.2"},
        {"out": "10.9.8.3"},
        {"out": "10.9.8.4"},
        {"out": None},
    ]
    assert store.values[SubNetMap.default_key("out")].allocated_ips["168364034"] == ["sys-a", "br0", ""]
    assert store.addresses()[0] == ["sys-a", "br0", "", "out", "10.9.8.2", 1300 * SECOND]


def test_addresses_of_ports_and_of_configured_hosts_are_not_taken(store):
    hosts = [{"systemid": "x", "local_address": "10.9.8.2"}, {"systemid": "y", "gateway": "10.9.8.3"}]
    _, subnet_map = store.add_subnet(pre_host_config=hosts, allocated_end="10.9.8.9")
    subnet_map.allocated_ips["168364036"] = WeakReferenceObject(LogicalPort.default_key("p"))
    assert store.lease(A, "out") == {"out": "10.9.8.5"}


def test_a_renewal_keeps_the_address_and_nothing_else_is_written(store):
    store.add_subnet()
    store.lease(A, "out")
    store.now += 150 * SECOND
    assert store.lease(A, "out") == {"out": "10.9.8.2"}
    assert store.writes[-1] == {DVRouterExternalAddressInfo.default_key()}
    assert store.addresses()[0][5] == 1450 * SECOND


def test_the_address_of_a_node_that_did_not_renew_it_is_free_again(store):
    store.add_subnet(allocated_end="10.9.8.2")
    store.lease(A, "out")
    assert store.lease(B, "out") == {"out": None}
    store.now += 301 * SECOND
    assert store.lease(B, "out") == {"out": "10.9.8.2"}
    assert [entry[0] for entry in store.addresses()] == ["sys-b"]
    assert store.lease(A, "out") == {"out": None}


def test_what_a_node_does_not_need_any_more_is_given_back(store):
    store.add_subnet("out")
    _, other = store.add_subnet("more", cidr="10.9.9.0/24", gateway=None, allocated_start="10.9.9.1", allocated_end="10.9.9.9")
    assert store.lease(A, "out", "more") == {"out": "10.9.8.2", "more": "10.9.9.1"}
    assert store.lease(A, "out") == {"out": "10.9.8.2"}
    assert other.allocated_ips == {} and len(store.addresses()) == 1


def test_a_subnet_that_is_gone_or_in_no_router_gives_no_address(store):
    _, subnet_map = store.add_subnet()
    store.lease(A, "out")
    subnet_map.routers.dataset().clear()
    assert store.lease(A, "out") == {"out": None}
    assert subnet_map.allocated_ips == {} and store.addresses() == []
    assert store.lease(A, "none") == {"none": None}


def test_an_address_that_became_that_of_the_gateway_is_changed(store):
    subnet, _ = store.add_subnet()
    store.lease(A, "out")
    subnet.gateway = "10.9.8.2"
    assert store.lease(A, "out") == {"out": "10.9.8.1"}


def test_removing_the_last_interface_releases_the_addresses_of_all_nodes(store):
    _, subnet_map = store.add_subnet()
    store.lease(A, "out")
    store.lease(B, "out")
    subnet_map.allocated_ips["168364036"] = WeakReferenceObject(LogicalPort.default_key("p"))

    def walker(walk, write, now):
        records.forget_addresses(walk, write, "out", subnet_map)

    store.run(walker)
    assert list(subnet_map.allocated_ips) == ["168364036"] and store.addresses() == []


def offers_of(values):
    return Offers(lambda: values)


def numbers(*macs):
    return [int(mac.replace(":", ""), 16) for mac in macs]


def test_a_node_without_a_tunnel_end_point_is_not_chosen_while_there_is_another_one(store):
    network, ip = LogicalNetwork.default_key("n"), "10.0.0.1"
    offers = offers_of(store.values)
    assert offers.candidates(network, PAIR) == []
    for node, mac in ((A, MAC_A), (B, MAC_B)):
        store.offer(node, {PAIR: mac})
    assert offers.candidates(network, PAIR) == numbers(MAC_A, MAC_B)
    endpoints = store.put(VXLANEndpointSet.create_instance("n"))
    endpoints.endpointlist = [[ip, "", "sys-b", "br0", None]]
    assert offers.candidates(network, PAIR) == numbers(MAC_B)
    endpoints.endpointlist = []
    assert offers.candidates(network, PAIR) == numbers(MAC_A, MAC_B)
    store.values[DVRouterForwardInfoRef.default_key(*PAIR)].info = ["nonsense", 5, MAC_B]
    assert offers.candidates(network, PAIR) == numbers(MAC_B)


def test_a_tunnel_to_a_forwarding_node_is_found_by_the_address_that_takes_its_packets(store):
    for node, mac in ((A, MAC_A), (B, MAC_B)):
        store.offer(node, {("vlan", "vxlan"): "a0:00:00:00:00:0c", PAIR: mac})
    network = store.put(LogicalNetwork.create_instance("n"))
    network.physicalnetwork = ReferenceObject(PhysicalNetwork.default_key("vxlan"))
    endpoints = store.put(VXLANEndpointSet.create_instance("n"))
    endpoints.endpointlist = [["10.0.0.1", "", "sys-a", "br0", None], ["10.0.0.2", "", "sys-b", "br0", None]]
    here = ("", "sys-a", "br0")
    saved = []
    key = DVRouterForwardSet.default_key()
    walk_carriers(key, store.values[key], store.values.get, saved.append)
    values = {key: store.values[key] for key in [*saved, network.getkey(), endpoints.getkey()]}
    find = lambda mac: carrier_address(values, network.getkey(), parse_mac(mac), here)  # noqa: E731
    assert find(MAC_B) == "10.0.0.2"
    assert [find(MAC_A), find("a0:00:00:00:00:0c"), find("a0:00:00:00:00:0d")] == [None] * 3
    endpoints.endpointlist = endpoints.endpointlist[:1]
    assert find(MAC_B) is None
    assert carrier_address({}, network.getkey(), parse_mac(MAC_B), here) is None


def test_all_offers_are_renewed_in_one_transaction():
    publisher = ForwardPublisher(Scheduler(), A, 10, 100)
    asked = []

    async def transact(walker):
        asked.append(walker)
        return {}

    publisher._transact = transact

    def write(now):
        due = publisher.records.due(now, 100)
        publisher.records.began(due)
        with pytest.raises(StopIteration):
            publisher.write(due).send(None)
        publisher.records.committed(due, now)

    publisher.offer({PAIR: MAC_A})
    write(0)
    publisher.offer({PAIR: MAC_A, ("vlan", "vxlan"): MAC_A})
    write(4)
    assert publisher.records.next_due() == 14 and len(asked) == 2
    assert set(publisher.records.due(14, 100).put) == {(OFFER, PAIR), (OFFER, ("vlan", "vxlan"))}


def test_the_last_node_is_used_for_some_time_after_its_offer_has_gone():
    choices = Choices(30)
    assert choices.choose("w", [], 0) is None
    assert choices.choose("w", [1, 2], 0) == 1
    assert choices.choose("w", [2], 5) == 2
    assert choices.choose("w", [], 10) == 2 and not choices.ended(39)
    assert choices.choose("w", [], 39) == 2 and choices.ended(40)
    assert choices.choose("w", [], 40) is None and not choices.ended(50)
    choices.choose("w", [1], 60)
    choices.keep(set())
    assert choices.choose("w", [], 61) is None
