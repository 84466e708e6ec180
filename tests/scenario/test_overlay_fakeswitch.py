"""ARP, DHCP and VXLAN from the API to a fake switch, with other nodes that only write to the database."""

from __future__ import annotations

import pytest
from support.fakeswitch import FakeSwitch
from support.flowbench import FakeOvsdb, FakeOvsdbPorts, run_bench

from vlcp.service.kvdb import objectdb
from vlcp.service.sdn import arpresponder, dhcpserver, l2switch, ofpportmanager, vxlancast
from vlcp.service.sdn.plugins.networkvxlandriver import NetworkVxlanDriver
from vlcp.utils.networkmodel import LogicalPortVXLANInfo, VXLANEndpointSet
from vlcp.utils.vxlandiscover import update_vxlaninfo

PORTS = [(1, "p1"), (2, "p2"), (9, "vxlan0")]
LOW = (1 << 49) - 1
OTHER = ("", "sys-2", "br0")
# The rows of learning have an epoch inside, so they are not equal on two connections.
PREPUSH = {"module.vxlancast.learning": False}
UPLOAD = {"module.vxlancast.learning": False, "module.vxlancast.prepush": False}


class VXLANCast(vxlancast.VXLANCast):
    """The real module on the fake managers."""

    servicename = "vxlancast"


VXLANCast.depends = (ofpportmanager.OpenflowPortManager, objectdb.ObjectDB, FakeOvsdbPorts)
OVERLAY = (l2switch.L2Switch, NetworkVxlanDriver, VXLANCast)
SERVICES = (l2switch.L2Switch, NetworkVxlanDriver, VXLANCast, arpresponder.ARPResponder, dhcpserver.DHCPServer)


@pytest.fixture(autouse=True)
def fresh_ovsdb(monkeypatch):
    records = {n: {"name": name, "ofport": n, "id": f"lp-{n}" if n < 9 else None, "external_ids": {}} for n, name in PORTS}
    records[9]["options"] = {"local_ip": "10.0.1.2", "remote_ip": "flow", "key": "flow"}
    monkeypatch.setattr(FakeOvsdbPorts, "ports", records)
    monkeypatch.setattr(FakeOvsdb, "external_ids", {})


@pytest.fixture
def database(tmp_path):
    return tmp_path / "db.sqlite"


def shape(switch):
    return [(*row[:3], row[3] & LOW, *row[4:]) for row in switch.dump()], switch.dump_groups()


def members(switch, number):
    found = [data for other, _, data in switch.dump_groups() if other == number]
    return None if not found else found[0].count(bytes((0, 1, 0x40, 4)))


async def network(bench, name="red"):
    await bench.net("createphysicalnetwork", type="vxlan", vnirange=[[10000, 10009]], id="vx")
    await bench.net("createphysicalport", physicalnetwork="vx", name="vxlan0")
    await bench.net("createlogicalnetwork", physicalnetwork="vx", id=name, mtu=1450)
    await bench.net("createsubnet", logicalnetwork=name, cidr="192.168.1.0/24", id=name)


async def port(bench, number):
    mac = f"02:00:00:00:00:{number:02x}"
    await bench.net("createlogicalport", id=f"lp-{number}", logicalnetwork="red", subnet="red", mac_address=mac)


async def other_node(bench, networks=(), created=(), removed=()):
    await update_vxlaninfo(bench.container, dict(networks), dict(created), dict(removed), *OTHER, 120, 3600)


async def stored(bench, cls, identifier):
    return await bench.call("objectdb", "getonce", key=cls.default_key(identifier))


async def settled(bench, condition):
    await bench.until(condition)
    return await bench.quiet()


def test_groups_follow_the_end_points_of_other_nodes(database):
    async def scenario(bench):
        switch = FakeSwitch(datapath_id=1, ports=PORTS)
        bench.connect(switch)
        await bench.quiet()
        empty = shape(switch)
        await network(bench)
        await port(bench, 1)
        await settled(bench, lambda: members(switch, 0x10001) == 0)
        await other_node(bench, {"red": "10.0.1.3"})
        await settled(bench, lambda: members(switch, 0x10001) == members(switch, 0x20001) == 1)
        await other_node(bench, {"red": None})
        await settled(bench, lambda: members(switch, 0x10001) == 0)
        await bench.net("deletelogicalport", id="lp-1")
        await settled(bench, lambda: not switch.dump_groups())
        for verb, identifier in (("subnet", "red"), ("logicalnetwork", "red")):
            await bench.net("delete" + verb, id=identifier)
        await bench.net("deletephysicalport", name="vxlan0")
        await bench.net("deletephysicalnetwork", id="vx")
        await bench.until(lambda: shape(switch) == empty)

    run_bench(scenario, database, {}, OVERLAY)


def test_a_node_tells_where_its_ports_are_and_takes_it_back(database):
    async def scenario(bench):
        switch = FakeSwitch(datapath_id=1, ports=PORTS)
        bench.connect(switch)
        await network(bench)
        await port(bench, 1)

        async def told(cls, identifier, name):
            for _ in range(100):
                value = await stored(bench, cls, identifier)
                if value is not None:
                    return getattr(value, name)
                await bench.container.wait_with_timeout(0.05)
            raise AssertionError(identifier)

        (entry,) = await told(VXLANEndpointSet, "red", "endpointlist")
        assert entry[:4] == ["10.0.1.2", "", "sys-1", "br0"]
        (place,) = await told(LogicalPortVXLANInfo, "lp-1", "endpoints")
        assert (place["tunnel_dst"], place["systemid"], place["bridge"]) == ("10.0.1.2", "sys-1", "br0")
        await bench.container.wait_with_timeout(0.6)
        (later,) = (await stored(bench, VXLANEndpointSet, "red")).endpointlist
        assert later[4] > entry[4], "renewed before it expires"
        bench.ovsdb(1)
        for _ in range(100):
            if await stored(bench, VXLANEndpointSet, "red") is None:
                break
            await bench.container.wait_with_timeout(0.05)
        assert await stored(bench, VXLANEndpointSet, "red") is None
        assert await stored(bench, LogicalPortVXLANInfo, "lp-1") is None

    run_bench(scenario, database, {"module.vxlancast.refreshinterval": 0.4}, OVERLAY)


def test_a_place_of_an_earlier_run_is_taken_back_when_the_port_is_not_here(database):
    async def scenario(bench):
        switch = FakeSwitch(datapath_id=1, ports=PORTS)
        bench.connect(switch)
        await network(bench)
        await port(bench, 1)
        await port(bench, 77)
        await update_vxlaninfo(bench.container, {}, {"lp-77": "10.0.1.2"}, {}, "", "sys-1", "br0", 120, 3600)
        await bench.quiet()
        for _ in range(100):
            if await stored(bench, LogicalPortVXLANInfo, "lp-77") is None:
                return
            await bench.container.wait_with_timeout(0.05)
        raise AssertionError("it is still there")

    run_bench(scenario, database, PREPUSH, OVERLAY)


def unicast(switch):
    return [row for row in switch.dump() if row[3] & LOW == 3 and row[1] == 0x8009]


def test_rows_follow_a_port_from_node_to_node(database):
    async def scenario(bench):
        switch = FakeSwitch(datapath_id=1, ports=PORTS)
        bench.connect(switch)
        await network(bench)
        await port(bench, 1)
        await port(bench, 77)
        await other_node(bench, {"red": "10.0.1.3"}, {"lp-77": "10.0.1.3"})
        await settled(bench, lambda: len(unicast(switch)) == 1)
        assert bytes((10, 0, 1, 3)) in unicast(switch)[0][4]
        await update_vxlaninfo(bench.container, {}, {"lp-77": "10.0.1.4"}, {}, "", "sys-3", "br0", 120, 3600)
        await settled(bench, lambda: bytes((10, 0, 1, 4)) in unicast(switch)[0][4])
        await other_node(bench, removed={"lp-77": None})
        await bench.quiet()
        assert bytes((10, 0, 1, 4)) in unicast(switch)[0][4]
        before = shape(switch)
        switch.add_port(7, "p7")
        FakeOvsdbPorts.ports[7] = {"name": "p7", "ofport": 7, "id": "lp-77", "external_ids": {}}
        again = FakeSwitch(datapath_id=1, ports=[*PORTS, (7, "p7")])
        bench.connect(again)
        await settled(bench, lambda: not unicast(again) and again.dump_groups())
        assert shape(again) != before

    run_bench(scenario, database, {}, OVERLAY)


def packet_in(switch, rows, data, table):
    found = [row for row in rows if row[3] & LOW == 2][0]
    oxms = b"".join(bytes((0, 1, number << 1, 4)) + value.to_bytes(4, "big") for number, value in ((4, 1), (5, 1), (6, 9)))
    return switch.packet_in(1, data, table, found[3], oxms=oxms)


def test_first_packets_are_sent_on_with_their_data_when_the_place_is_known(database):
    async def scenario(bench):
        switch = FakeSwitch(datapath_id=1, ports=PORTS)
        link = bench.connect(switch)
        await network(bench)
        await port(bench, 1)
        await port(bench, 77)
        await bench.until(lambda: [row for row in switch.dump() if row[3] & LOW == 2])
        await bench.quiet()
        rows = switch.dump()
        table = [row for row in rows if row[3] & LOW == 2][0][0]
        packets = [bytes.fromhex("02000000004d020000000001") + bytes((n,)) * 90 for n in range(3)]
        for packet in packets[:2]:
            link.send(packet_in(switch, rows, packet, table))
        await bench.container.wait_with_timeout(0.3)
        assert switch.packet_outs == []
        await other_node(bench, {}, {"lp-77": "10.0.1.3"})
        await settled(bench, lambda: len(switch.packet_outs) == 2 and len(unicast(switch)) == 1)
        assert [data for _, _, data in switch.packet_outs] == packets[:2]
        assert all(in_port == 1 and bytes((10, 0, 1, 3)) in actions for in_port, actions, _ in switch.packet_outs)
        assert unicast(switch)[0][5] == (300, 0, 1)
        link.send(packet_in(switch, rows, packets[2], table))
        await bench.until(lambda: [data for _, _, data in switch.packet_outs] == packets)
        link.send(packet_in(switch, rows, bytes.fromhex("0200000000ee020000000001") + bytes(9), table))
        await bench.container.wait_with_timeout(0.3)
        assert len(switch.packet_outs) == 3

    run_bench(scenario, database, UPLOAD, OVERLAY)


def test_proxy_entries_are_counted_and_end_with_the_connection(database):
    async def scenario(bench):
        switch = FakeSwitch(datapath_id=1, ports=PORTS)
        bench.connect(switch)
        await network(bench)
        await port(bench, 1)
        await bench.quiet()
        before = shape(switch)
        connections = await bench.call("openflowmanager", "getallconnections", vhost=None)
        call = {"connection": connections[0], "arpentries": [("192.168.1.250", "02:00:00:00:00:aa", "red", None)]}
        for _ in range(2):
            await bench.call("arpresponder", "createproxyarp", **call)
        await settled(bench, lambda: len(shape(switch)[0]) == len(before[0]) + 2)
        await bench.call("arpresponder", "removeproxyarp", **call)
        await bench.quiet()
        assert len(shape(switch)[0]) == len(before[0]) + 2
        await bench.call("arpresponder", "removeproxyarp", **call)
        await bench.call("arpresponder", "removeproxyarp", **call)
        await bench.until(lambda: shape(switch) == before)
        with pytest.raises(ValueError, match="not an ARP entry"):
            await bench.call("arpresponder", "createproxyarp", connection=connections[0], arpentries=["x"])
        await bench.call("arpresponder", "createproxyarp", **call)
        again = FakeSwitch(datapath_id=1, ports=PORTS)
        bench.connect(again)
        await bench.until(lambda: shape(again) == before)

    run_bench(scenario, database, PREPUSH, SERVICES)


def test_a_reconnected_switch_gets_all_rows_and_groups_again(database):
    async def scenario(bench):
        switch = FakeSwitch(datapath_id=1, ports=PORTS)
        bench.connect(switch)
        await network(bench)
        await port(bench, 1)
        await port(bench, 77)
        await other_node(bench, {"red": "10.0.1.3"}, {"lp-77": "10.0.1.3"})
        await settled(bench, lambda: len(unicast(switch)) == 1 and members(switch, 0x10001) == 1)
        again = FakeSwitch(datapath_id=1, ports=PORTS)
        bench.connect(again)
        await bench.until(lambda: shape(again) == shape(switch))

    run_bench(scenario, database, PREPUSH, SERVICES)


def test_a_switch_without_the_nicira_extensions_keeps_its_other_networks(database):
    async def scenario(bench):
        switch = FakeSwitch(datapath_id=1, ports=PORTS)
        bench.connect(switch)
        await network(bench)
        await port(bench, 1)
        await settled(bench, lambda: any((0x8000, 0, 1, 0xFFFFFFFF) in row[2] for row in switch.dump() if row[0] == 0))
        assert not any(number > 0xFFFF for number, _, _ in switch.dump_groups())

    run_bench(scenario, database, {"protocol.openflow.disablenxext": True}, OVERLAY)
