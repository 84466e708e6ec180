"""The rules of virtual routers, on a dictionary instead of a database."""

from __future__ import annotations

import pytest
from support.walks import WalkDatabase

from vlcp.service.sdn import _resources_drivers as drivers
from vlcp.service.sdn import _resources_ports as ports
from vlcp.service.sdn import _resources_routers as routers
from vlcp.service.sdn import _resources_subnets as subnets
from vlcp.service.sdn._resources import (
    LOGICAL_NETWORK,
    LOGICAL_PORT,
    PHYSICAL_NETWORK,
    SUBNET,
    create_index_sets,
    query,
    requests,
)
from vlcp.service.sdn._resources_routers import INDEX_SETS, ROUTER, ROUTER_PORT
from vlcp.utils import networkplugin
from vlcp.utils.dataobject import AlreadyExistsException
from vlcp.utils.exceptions import WalkKeyNotRetrieved
from vlcp.utils.networkmodel import RouterPort, SubNet, SubNetMap, VRouter, VRouterSet


class Database(WalkDatabase):
    """The objects of virtual routers and of what they join."""

    def __init__(self):
        super().__init__()
        for classes in ((), INDEX_SETS):
            keys, walker = create_index_sets(*[classes] if classes else [])
            self.write(walker, keys)
        self._driver(PHYSICAL_NETWORK, networkplugin.createphysicalnetwork("test"), type="test", id="phys")
        self._driver(LOGICAL_NETWORK, networkplugin.createlogicalnetwork(), physicalnetwork="phys", id="net")
        for number, gateway in ((1, "10.0.1.1"), (2, "10.0.2.1"), (3, None)):
            self.subnet(f"s{number}", f"10.0.{number}.0/24", gateway)
        self.subnet("out", "10.0.9.0/24", "10.0.9.1", isexternal=True)

    def _driver(self, resource, walker, **item):
        found = requests(resource, [item], create=True)
        self.write(drivers.dispatch(resource, found, True, {"test": walker}), drivers.first_keys(resource, found, True))

    def subnet(self, identifier, cidr, gateway, **more):
        extra = {} if gateway is None else {"gateway": gateway}
        found = requests(SUBNET, [{"logicalnetwork": "net", "cidr": cidr, "id": identifier, **extra, **more}], create=True)
        self.write(subnets.create(found), subnets.create_keys(found))

    def create(self, *ids, **more):
        found = requests(ROUTER, [{"id": one, **more} for one in ids], create=True)
        self.write(routers.create(found), routers.create_keys(found))

    def update(self, **item):
        found = requests(ROUTER, [item])
        self.write(routers.update(found), found)

    def delete(self, *ids):
        found = requests(ROUTER, [{"id": one} for one in ids])
        self.write(routers.delete(found), found)

    def add(self, *items):
        found = requests(ROUTER_PORT, [dict(zip(("router", "subnet", "ip_address"), item)) for item in items], create=True)
        self.write(routers.add(found), routers.add_keys(found))
        return [self.objects[key] for key in found]

    def remove(self, *names):
        wanted = routers.port_names([{"router": router, "subnet": subnet} for router, subnet in names])
        self.write(routers.remove(wanted), routers.remove_keys(wanted))

    def port(self, identifier, subnet, **more):
        found = requests(LOGICAL_PORT, [{"logicalnetwork": "net", "id": identifier, "subnet": subnet, **more}], create=True)
        self.write(ports.create(found), ports.create_keys(found))

    def of(self, cls, *ids):
        return self.objects[cls.default_key(*ids)]


@pytest.fixture
def database():
    return Database()


def test_a_new_router_has_no_interfaces_no_routes_and_is_listed(database):
    database.create("r1", "r2")
    assert database.of(VRouter, "r1").routes == []
    assert len(database.of(VRouter, "r1").interfaces.dataset()) == 0
    listed = {reference.getkey() for reference in database.of(VRouterSet).set.dataset()}
    assert listed == {VRouter.default_key("r1"), VRouter.default_key("r2")}
    with pytest.raises(AlreadyExistsException):
        database.create("r1")


def test_joining_a_subnet_and_leaving_it_restores_every_object(database):
    database.create("r1")
    before = database.snapshot()
    first, second, _ = database.add(("r1", "s1"), ("r1", "s2", "10.0.2.77"), ("r1", "out"))
    assert first.router.getkey() == VRouter.default_key("r1") and first.subnet.getkey() == SubNet.default_key("s1")
    assert len(database.of(VRouter, "r1").interfaces.dataset()) == 3
    assert database.of(SubNet, "s1").router.getkey() == first.getkey()
    assert not hasattr(database.of(SubNet, "out"), "router")
    (entry,) = database.of(SubNetMap, "s2").allocated_ips.values()
    assert [reference.getkey() for reference in entry] == [second.getkey(), VRouter.default_key("r1")]
    database.remove(("r1", "s1"), ("r1", "s2"), ("r1", "out"))
    assert database.snapshot() == before


def test_a_subnet_can_be_deleted_after_its_router_port_with_an_address_has_gone(database):
    database.create("r1")
    database.add(("r1", "s1", "10.0.1.250"))
    found = requests(SUBNET, [{"id": "s1"}])
    with pytest.raises(ValueError, match="in a virtual router"):
        database.write(subnets.delete(found), found)
    database.remove(("r1", "s1"))
    database.write(subnets.delete(found), found)
    assert SubNet.default_key("s1") not in database.objects


def test_the_address_of_a_router_port_is_not_given_to_a_port(database):
    database.create("r1")
    database.add(("r1", "s1", "10.0.1.2"))
    with pytest.raises(ValueError, match=r"10\.0\.1\.2 is already used"):
        database.port("p1", "s1", ip_address="10.0.1.2")
    database.port("p2", "s1")
    assert {"167772418", "167772419"} == set(database.of(SubNetMap, "s1").allocated_ips)


def test_an_external_subnet_can_be_in_several_routers(database):
    database.create("r1", "r2")
    database.add(("r1", "out"), ("r2", "out"))
    assert set(database.of(SubNetMap, "out").routerports) == {"r1", "r2"}
    database.remove(("r1", "out"))
    assert set(database.of(SubNetMap, "out").routerports) == {"r2"}
    assert [r.getkey() for r in database.of(SubNetMap, "out").routers.dataset()] == [VRouter.default_key("r2")]


WRONG_JOINS = {
    "unknown router": ([("no", "s1")], "virtual router 'no' does not exist"),
    "unknown subnet": ([("r1", "no")], "subnet 'no' does not exist"),
    "in this router": ([("r1", "used")], "subnet 'used' is already in a virtual router"),
    "in another router": ([("r2", "used")], "subnet 'used' is already in a virtual router"),
    "twice in one call": ([("r1", "s1"), ("r2", "s1")], "subnet 's1' is already in a virtual router"),
    "external twice": ([("r1", "out"), ("r1", "out")], "subnet 'out' is already in a virtual router"),
    "address of external": ([("r1", "out", "10.0.9.9")], "ip_address 10.0.9.9 is not allowed for the external subnet 'out'"),
    "address outside": ([("r1", "s1", "10.0.2.9")], "ip_address 10.0.2.9 is not in the CIDR 10.0.1.0/24"),
    "address used": ([("r1", "s1", "10.0.1.2")], "ip_address 10.0.1.2 is already used in subnet 's1'"),
    "no gateway": ([("r1", "s3")], "subnet 's3' has no gateway: ip_address must be given"),
    "one of two": ([("r1", "s2"), ("r1", "s3")], "subnet 's3' has no gateway"),
}


@pytest.mark.parametrize("case", WRONG_JOINS)
def test_a_wrong_join_is_refused_and_changes_nothing(database, case):
    items, message = WRONG_JOINS[case]
    database.create("r1", "r2")
    database.subnet("used", "10.1.0.0/24", "10.1.0.1")
    database.add(("r1", "used"))
    database.port("p1", "s1")
    before = database.snapshot()
    with pytest.raises(ValueError) as error:
        database.add(*items)
    assert str(error.value).startswith(message)
    assert database.snapshot() == before


def test_a_subnet_without_gateway_joins_with_an_address_of_the_port(database):
    database.create("r1")
    (port,) = database.add(("r1", "s3", "10.0.3.1"))
    assert port.ip_address == "10.0.3.1"


def test_a_subnet_that_is_not_in_the_router_cannot_leave_it(database):
    database.create("r1", "r2")
    database.add(("r1", "s1"))
    with pytest.raises(ValueError, match="subnet 's1' is not in virtual router 'r2'"):
        database.remove(("r2", "s1"))
    with pytest.raises(ValueError, match="given twice"):
        database.remove(("r1", "s1"), ("r1", "s1"))


def test_a_router_with_interfaces_and_an_unknown_one_cannot_be_deleted(database):
    database.create("r1")
    database.add(("r1", "s1"))
    with pytest.raises(ValueError, match="virtual router 'r1' has 1 interfaces"):
        database.delete("r1")
    with pytest.raises(ValueError, match="virtual router 'no' does not exist"):
        database.delete("no")
    database.remove(("r1", "s1"))
    database.delete("r1")
    assert VRouter.default_key("r1") not in database.objects


def test_an_update_replaces_routes_and_interfaces_cannot_be_set(database):
    database.create("r1", routes=[["10.8.0.0/16", "10.0.1.9"]])
    database.add(("r1", "s1"))
    database.update(id="r1", routes=[["10.9.0.0/16", "192.168.0.1"]], note="x")
    router = database.of(VRouter, "r1")
    assert router.routes == [["10.9.0.0/16", "192.168.0.1"]] and router.note == "x"
    assert len(router.interfaces.dataset()) == 1
    with pytest.raises(ValueError, match="interfaces cannot be changed"):
        database.update(id="r1", interfaces=[])
    with pytest.raises(ValueError, match="interfaces cannot be set here"):
        database.create("r2", interfaces=[])


def test_interfaces_of_a_router_are_listed_with_filters(database):
    database.create("r1", "r2")
    first, second = database.add(("r1", "s1"), ("r1", "s2", "10.0.2.9"))
    database.add(("r2", "out"))

    def listed(**filters):
        saved = set()
        key, walker = query(ROUTER_PORT, None, "r1", filters)

        def walk(wanted):
            if wanted not in database.objects:
                raise WalkKeyNotRetrieved(wanted)
            return database.objects[wanted]

        walker(key, database.objects.get(key), walk, saved.add)
        return saved

    assert listed() == {first.getkey(), second.getkey()}
    assert listed(ip_address="10.0.2.9") == {second.getkey()}
    assert RouterPort.create_from_key(first.getkey()).id
