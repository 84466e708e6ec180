"""What the rows of ``l3router`` depend on, from views and routers."""

from __future__ import annotations

import pytest
from support.routedview import INNER, MASK, interface, ip, make_view, routed, router

from vlcp.service.sdn._flows.parts import Part
from vlcp.service.sdn._l3_model import LocalAddresses
from vlcp.service.sdn._l3_rows import Away, Connected, Via, l3_rows
from vlcp.service.sdn._routers import Here, Node, Routing, routers_of, walk_routers
from vlcp.utils.dataobject import DataObjectSet, ReferenceObject, WeakReferenceObject
from vlcp.utils.exceptions import WalkKeyNotRetrieved
from vlcp.utils.networkmodel import LogicalNetwork, LogicalNetworkMap, RouterPort, SubNet, SubNetMap, VRouter

PORT_MAC = 0xAA55AA550165
NETWORKS = {"a": (1, "x"), "b": (2, "x"), "c": (3, "y")}
A, B, C = interface("a", "10.1.0.0/16", "10.1.0.1"), interface("b", "10.2.0.0/16", "10.2.0.1"), interface("c", "10.3.0.0/16")
MAC = 0x020000000050


def nobody(key):
    return None


def test_each_network_reaches_the_other_subnets_of_its_router():
    networks = routed(make_view(NETWORKS, {"x": (1, PORT_MAC)}), router("r", A, B, C))
    found = networks.route_inputs("a", nobody)
    assert found.connected == (Connected(ip("10.2.0.0"), 16, 2), Connected(ip("10.3.0.0"), 16, 3))
    assert found.outer == PORT_MAC ^ MASK
    assert networks.route_inputs("c", nobody).outer == INNER


def test_networks_that_are_not_on_the_switch_and_those_without_router_have_no_routes():
    networks = routed(make_view({"a": (1, "x")}), router("r", A, B))
    assert networks.route_inputs("a", nobody).connected == ()
    assert networks.route_inputs("b", nobody) is None
    assert networks.net_inputs("b") is None
    assert routed(make_view(NETWORKS)).net_inputs("a") is None


def test_two_subnets_of_one_network_reach_each_other():
    second = A._replace(subnet="a2", first=ip("10.9.0.0"), gateway=ip("10.9.0.1"))
    found = routed(make_view(NETWORKS), router("r", A, second)).route_inputs("a", nobody)
    assert {(route.first, route.net_no) for route in found.connected} == {(ip("10.1.0.0"), 1), (ip("10.9.0.0"), 1)}


def test_a_gateway_is_not_needed_and_an_external_network_takes_nothing_for_its_own_gateway():
    outside = interface("c", "10.3.0.0/16", "10.3.0.1", external=True)
    networks = routed(make_view(NETWORKS, {"y": (1, PORT_MAC)}), router("r", A, outside))
    assert networks.net_inputs("c")[1:4] == (None, None, ())
    assert networks.net_inputs("a").own == (ip("10.1.0.1"),)
    bare = routed(make_view(NETWORKS), router("r", C)).net_inputs("c")
    assert bare.own == () and bare.inner == INNER


def test_one_next_hop_serves_several_destinations_and_connected_subnets_come_first():
    routes = [
        ("10.20.0.0/16", "10.2.0.50"),
        ("10.30.0.0/16", "10.2.0.50"),
        ("10.2.0.0/16", "10.2.0.50"),
        ("0.0.0.0/0", "10.2.0.50"),
    ]
    networks = routed(make_view(NETWORKS), router("r", A, B, routes=routes))
    assert networks.next_hops() == {("b", ip("10.2.0.50"))}
    assert networks.route_inputs("a", nobody).via == ()
    found = networks.route_inputs("a", {("b", ip("10.2.0.50")): MAC}.get)
    assert [(route.first, route.prefix, route.net_no, route.mac) for route in found.via] == [
        (ip("10.20.0.0"), 16, 2, MAC),
        (ip("10.30.0.0"), 16, 2, MAC),
        (0, 0, 2, MAC),
    ]


@pytest.mark.parametrize("hop", ["172.16.0.1", "10.2.0.1", "10.1.0.1", "10.3.0.7"])
def test_a_next_hop_that_is_nowhere_outside_or_the_router_itself_is_not_used(hop):
    outside = interface("c", "10.3.0.0/16", "10.3.0.1", external=True)
    networks = routed(make_view(NETWORKS), router("r", A, B, outside, routes=[("10.20.0.0/16", hop)]))
    assert networks.next_hops() == set()


def test_several_physical_ports_of_one_network_agree_with_the_switching():
    view = make_view(NETWORKS, {"x": (1, PORT_MAC)})
    (port,) = view.physical_ports.values()
    view.update({}, {}, {"zz": port._replace(key="zz", port_no=2, mac=PORT_MAC + 1)})
    assert routed(view, router("r", A)).uplink("a").port_no == 2


def test_addresses_of_a_subnet_that_no_station_can_have():
    networks = routed(make_view(NETWORKS), router("r", A, interface("b", "10.2.0.0/31")))
    assert not networks.is_host("a", ip("10.1.0.0")) and not networks.is_host("a", ip("10.1.255.255"))
    assert networks.is_host("a", ip("10.1.0.5")) and networks.is_host("b", ip("10.2.0.0"))


def test_rows_of_twenty_subnets_have_different_keys():
    names = [f"n{number}" for number in range(20)]
    view = make_view({name: (number, "x") for number, name in enumerate(names, 1)}, {"x": (9, PORT_MAC)})
    networks = routed(view, router("r", *[interface(name, f"10.{n}.0.0/16", f"10.{n}.0.1") for n, name in enumerate(names)]))
    inputs = [found for name in names for found in (networks.net_inputs(name), networks.route_inputs(name, nobody))]
    keys = [row.key for one in inputs for row in l3_rows(Part("x", one))]
    assert len(keys) == len(set(keys)) == 20 * (19 + 2 + 1 + 1 + 2 + 2 * 20)


def test_local_addresses_follow_ports_that_swap_theirs():
    local = LocalAddresses()
    local.put("p", ("n", 1), 11)
    local.put("q", ("n", 2), 22)
    local.put("p", ("n", 2), 11)
    local.put("q", ("n", 1), 22)
    assert (local.mac(("n", 1)), local.mac(("n", 2))) == (22, 11)
    local.put("p", None, None)
    assert local.mac(("n", 2)) is None and set(local.ports) == {"q"}


def test_only_networks_whose_routers_changed_are_looked_at_again():
    routing = Routing()
    assert routing.replace({"r": router("r", A, B), "s": router("s", C)}) == {"a", "b", "c"}
    assert routing.replace({"r": router("r", A), "s": router("s", C)}) == {"a", "b"}
    assert routing.replace({"r": router("r", A), "s": router("s", C)}) == set()
    assert routing.replace({}) == {"a", "c"}


class Objects:
    """A network ``n`` with a subnet in a router, whose other subnet is external."""

    def __init__(self):
        self.values = {}
        inside = self.subnet("in", "10.1.0.0/16", gateway="10.1.0.1")
        self.subnet("out", "10.2.0.0/16", isexternal=True)
        found = self.make(VRouter, "r", routes=[["10.9.0.0/16", "10.1.0.9"]])
        for name in ("in", "out"):
            port = self.make(RouterPort, "p-" + name, subnet=ReferenceObject(SubNet.default_key(name)))
            port.router = ReferenceObject(found.getkey())
            found.interfaces.dataset().add(port.create_weakreference())
        inside.router = WeakReferenceObject(RouterPort.default_key("p-in"))
        self.make(SubNetMap, "out").routers.dataset().add(found.create_weakreference())
        for name in ("in", "out"):
            network_map = self.make(LogicalNetworkMap, "n-" + name, subnets=DataObjectSet())
            network_map.subnets.dataset().add(WeakReferenceObject(SubNet.default_key(name)))

    def subnet(self, name, cidr, **more):
        return self.make(SubNet, name, cidr=cidr, network=ReferenceObject(LogicalNetwork.default_key("n-" + name)), **more)

    def make(self, cls, identifier, **attributes):
        made = cls.create_instance(identifier)
        for name, value in attributes.items():
            setattr(made, name, value)
        self.values[made.getkey()] = made
        return made

    def walked(self, network):
        saved = {}

        def walk(key):
            if key not in self.values:
                raise WalkKeyNotRetrieved(key)
            return self.values[key]

        key = LogicalNetworkMap.default_key(network)
        walk_routers(key, self.values[key], walk, lambda one: saved.update({one: self.values[one]}))
        return saved


@pytest.mark.parametrize("network", ["n-in", "n-out"])
def test_the_walk_finds_the_routers_from_inside_and_from_outside(network):
    saved = Objects().walked(network)
    (found,) = routers_of(saved, lambda *error: pytest.fail(str(error))).values()
    assert [(one.external, one.prefix) for one in found.interfaces] == [(False, 16), (True, 16)]
    assert found.routes == ((ip("10.9.0.0"), 16, ip("10.1.0.9")),)


def test_an_address_of_the_router_port_takes_the_place_of_the_gateway_and_nonsense_is_reported_and_left_out():
    objects = Objects()
    objects.values[RouterPort.default_key("p-in")].ip_address = "10.1.0.77"
    objects.values[SubNet.default_key("out")].cidr = "nonsense"
    objects.values[VRouter.default_key("r")].routes = [["x", "y"], 5, ["10.0.0.0/8", "10.1.0.2"]]
    reports = []
    (found,) = routers_of(objects.walked("n-in"), lambda key, error: reports.append(key)).values()
    assert [one.gateway for one in found.interfaces] == [ip("10.1.0.77")]
    assert len(found.routes) == 1 and len(reports) == 3


def outside_of(objects, node, addresses={}):  # noqa: B006
    (found,) = routers_of(objects.walked("n-in"), lambda *error: pytest.fail(str(error)), node and Here(node, addresses)).values()
    return next(one for one in found.interfaces if one.external)


def test_the_last_fitting_host_configuration_of_an_external_subnet_counts_on_forwarding_nodes_only():
    objects = Objects()
    subnet = objects.values[SubNet.default_key("out")]
    subnet.gateway, subnet.local_address = "10.2.0.1", "10.2.0.2"
    here, there = Node("", "sys-a", "br0"), Node("v", "sys-b", "br0")
    assert outside_of(objects, None).address is None
    assert outside_of(objects, here).address == outside_of(objects, there).address == ip("10.2.0.2")
    subnet.pre_host_config = [
        {"systemid": "%", "bridge": "%", "vhost": "", "local_address": "10.2.0.8"},
        {
            "systemid": "sys-a",
            "bridge": "br0",
            "vhost": "%",
            "cidr": "10.3.0.0/24",
            "gateway": "10.3.0.1",
            "local_address": "10.3.0.9",
        },
        {"systemid": "sys-a", "bridge": "br9", "vhost": "", "local_address": "10.2.0.7"},
    ]
    found = outside_of(objects, here)
    assert (found.first, found.prefix, found.gateway, found.address) == (ip("10.3.0.0"), 24, ip("10.3.0.1"), ip("10.3.0.9"))
    assert outside_of(objects, there).address == ip("10.2.0.2")


def test_a_forwarding_node_without_a_configured_address_takes_part_with_one_of_the_pool():
    objects, here = Objects(), Node("", "sys-a", "br0")
    before, after = outside_of(objects, here), outside_of(objects, here, {"out": "10.2.0.5"})
    assert (before.address, before.leased) == (None, True)
    assert (after.address, after.leased) == (ip("10.2.0.5"), True)
    objects.values[SubNet.default_key("out")].local_address = "10.2.0.2"
    configured = outside_of(objects, here, {"out": "10.2.0.5"})
    assert (configured.address, configured.leased) == (ip("10.2.0.2"), False)
    assert not outside_of(objects, None).leased


def test_an_address_outside_opens_the_way_out_for_all_networks_of_the_router():
    outside = interface("c", "10.3.0.0/16", "10.3.0.1", external=True)._replace(address=ip("10.3.0.2"))
    networks = routed(
        make_view(NETWORKS, {"y": (1, PORT_MAC)}), router("r", A, B, outside, routes=[("10.20.0.0/16", "10.3.0.7")])
    )
    assert networks.next_hops() == {("c", ip("10.3.0.1")), ("c", ip("10.3.0.7"))}
    assert networks.outside_addresses() == {("c", ip("10.3.0.2"))}
    for network in "abc":
        (way,) = networks.route_inputs(network, {("c", ip("10.3.0.1")): MAC}.get).via
        assert way == (0, 0, 3, MAC)
    taken = networks.net_inputs("c")
    assert (taken.inner, taken.outer, taken.asks_as, taken.outside) == (
        None,
        PORT_MAC ^ MASK,
        (ip("10.3.0.2"),),
        (ip("10.3.0.2"),),
    )
    assert networks.source_for("c", ip("10.3.0.1")) == ip("10.3.0.2")
    without_port = routed(make_view(NETWORKS), router("r", A, outside))
    assert without_port.next_hops() == set() and without_port.outside_addresses() == set()


CARRIER, OTHER = 0x0A0000000001, 0x0A0000000002


def carriers(*ways):
    """Return a function that knows a carrier from "x" to each of these physical networks."""
    return lambda network, here, there: dict(ways).get(there) if here == "x" else None


def test_what_has_no_physical_port_here_goes_to_a_forwarding_node():
    outside = interface("c", "10.3.0.0/16", "10.3.0.1", external=True)
    routes = [("10.20.0.0/16", "10.3.0.7"), ("10.2.0.0/16", "10.3.0.7")]
    networks = routed(make_view(NETWORKS, {"x": (1, PORT_MAC)}), router("r", A, B, outside, routes=routes))
    found = networks.route_inputs("a", nobody, carriers(("y", CARRIER)))
    assert found.away == (
        Away(ip("10.3.0.0"), 16, CARRIER),
        Away(ip("10.20.0.0"), 16, CARRIER, False),
        Away(0, 0, CARRIER, False),
    )
    assert networks.route_inputs("a", nobody).away == ()
    assert networks.route_inputs("c", nobody, carriers(("y", CARRIER))).away == ()


def test_an_internal_subnet_elsewhere_is_reached_and_is_no_way_out():
    networks = routed(make_view(NETWORKS, {"x": (1, PORT_MAC)}), router("r", A, interface("c", "10.3.0.0/16", "10.3.0.1")))
    assert networks.route_inputs("a", nobody, carriers(("y", CARRIER))).away == (Away(ip("10.3.0.0"), 16, CARRIER),)


def test_a_node_with_the_port_but_without_an_address_uses_a_forwarding_node_for_all_that_is_outside():
    outside = interface("c", "10.3.0.0/16", "10.3.0.1", external=True)
    view = make_view(NETWORKS, {"x": (1, PORT_MAC), "y": (2, PORT_MAC + 1)})
    networks = routed(view, router("r", A, outside, routes=[("10.20.0.0/16", "10.3.0.7")]))
    assert networks.route_inputs("a", nobody, carriers(("y", CARRIER))).away == (
        Away(ip("10.3.0.0"), 16, CARRIER),
        Away(ip("10.20.0.0"), 16, CARRIER, False),
        Away(0, 0, CARRIER, False),
    )


@pytest.mark.parametrize("route", [("0.0.0.0/0", "10.2.0.50"), ("0.0.0.0/0", "10.3.0.7")])
def test_a_default_route_of_the_router_goes_before_the_way_out(route):
    outside = interface("c", "10.3.0.0/16", "10.3.0.1", external=True)
    networks = routed(make_view(NETWORKS, {"x": (1, PORT_MAC)}), router("r", A, B, outside, routes=[route]))
    found = networks.route_inputs("a", {("b", ip("10.2.0.50")): MAC}.get, carriers(("y", CARRIER)))
    assert found.via == ((Via(0, 0, 2, MAC),) if route[1] == "10.2.0.50" else ())
    assert [way for way in found.away if not way.subnet] == ([] if found.via else [Away(0, 0, CARRIER, False)])
    keys = [row.key for row in l3_rows(Part("x", found))]
    assert len(keys) == len(set(keys))


def test_a_switch_with_two_ways_out_uses_its_own_and_has_one_row_for_it():
    own = interface("c", "10.3.0.0/16", "10.3.0.1", external=True)._replace(address=ip("10.3.0.2"))
    away = interface("d", "10.4.0.0/16", "10.4.0.1", external=True)
    view = make_view({**NETWORKS, "d": (4, "z")}, {"x": (1, PORT_MAC), "y": (2, PORT_MAC)})
    networks = routed(view, router("r", A, own, away))
    carrier = carriers(("y", OTHER), ("z", CARRIER))
    known = networks.route_inputs("a", {("c", ip("10.3.0.1")): MAC}.get, carrier)
    assert known.via == (Via(0, 0, 3, MAC),) and known.away == (Away(ip("10.4.0.0"), 16, CARRIER),)
    unknown = networks.route_inputs("a", nobody, carrier)
    assert unknown.via == () and Away(0, 0, CARRIER, False) in unknown.away


def test_a_node_carries_between_all_its_physical_networks_but_not_to_an_outside_without_an_address():
    view = make_view(NETWORKS, {"x": (1, PORT_MAC), "y": (2, PORT_MAC + 1)})
    inside = routed(view, router("r", A, B, interface("c", "10.3.0.0/16")))
    assert inside.carried() == {("x", "y"): PORT_MAC ^ MASK, ("y", "x"): (PORT_MAC + 1) ^ MASK}
    outside = interface("c", "10.3.0.0/16", "10.3.0.1", external=True)
    assert routed(view, router("r", A, outside)).carried() == {("y", "x"): (PORT_MAC + 1) ^ MASK}
    assert len(routed(view, router("r", A, outside._replace(address=ip("10.3.0.2")))).carried()) == 2
    assert routed(make_view(NETWORKS, {"x": (1, PORT_MAC)}), router("r", A, outside)).carried() == {}
    assert routed(view, router("r", A, B), router("s", C)).carried() == {}


def test_a_link_that_is_down_carries_nothing_and_leads_nowhere():
    outside = interface("c", "10.3.0.0/16", "10.3.0.1", external=True)._replace(address=ip("10.3.0.2"), leased=True)
    view = make_view(NETWORKS, {"x": (1, PORT_MAC), "y": (2, PORT_MAC + 1)})
    networks = routed(view, router("r", A, outside))
    assert len(networks.carried()) == 2
    view.update({}, {}, {"port of y": view.physical_ports["port of y"]._replace(up=False)})
    assert networks.carried() == {} and networks.next_hops() == set()
    assert set(networks.leases()) == {"c"} and networks.outside_addresses() == {("c", ip("10.3.0.2"))}
    found = networks.route_inputs("a", {("c", ip("10.3.0.1")): MAC}.get, carriers(("y", CARRIER)))
    assert found.via == () and found.away[0] == Away(ip("10.3.0.0"), 16, CARRIER)
