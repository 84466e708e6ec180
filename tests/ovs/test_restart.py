"""Traffic goes on while the controller restarts or reloads modules, and flows changed by hand are repaired."""

from __future__ import annotations

import time

import pytest
from support.networks import add_endpoint, add_network, add_physical, reaches, settle

from vlcp.lab._shell import wait_until

pytestmark = pytest.mark.ovs


@pytest.fixture
def pinging(make_lab):
    """Return a laboratory with two endpoints, and a ping of 100 packets a second between them."""
    lab = make_lab(hosts=2)
    add_physical(lab, "vlan", vlanrange=[[100, 199]])
    add_network(lab, "green", cidr="192.168.9.0/24")
    add_network(lab, "red")
    add_endpoint(lab, "green1", "green")
    ends = [add_endpoint(lab, f"red{n}", "red") for n in (1, 2)]
    far = add_endpoint(lab, "red3", "red", "hv2")
    settle(lab)
    assert reaches(*ends)
    assert reaches(ends[0], far)
    return lab, [ends[0].start_ping(ends[1].address), ends[1].start_ping(far.address)]


def assert_nothing_was_lost(pings, at_least):
    for ping in pings:
        result = ping.stop()
        assert result.lost == 0
        assert result.sent >= at_least


def flow_state(lab):
    host = lab.hosts["hv1"]
    return host.dump_flows(), host.dump_groups()


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_no_packet_is_lost_while_the_controller_ends_and_starts(pinging, end):
    lab, pings = pinging
    controller = lab.hosts["hv1"].controller
    before = flow_state(lab)
    getattr(controller, end)()
    time.sleep(1)
    controller.start()
    settle(lab)
    time.sleep(2)
    settle(lab)
    assert_nothing_was_lost(pings, 200)
    assert flow_state(lab) == before


@pytest.mark.parametrize(
    "path", ["vlcp.service.sdn.l2switch.L2Switch", "vlcp.service.sdn.ioprocessing.IOProcessing"], ids=["l2switch", "ioprocessing"]
)
def test_no_packet_is_lost_while_a_module_is_reloaded(pinging, path):
    lab, pings = pinging
    before = flow_state(lab)
    lab.hosts["hv1"].controller.api("manager", "reloadmodules", pathlist=[path])
    time.sleep(2)
    settle(lab)
    assert_nothing_was_lost(pings, 100)
    assert flow_state(lab) == before


def test_a_flow_deleted_or_altered_by_hand_is_repaired_and_counted(make_lab):
    lab = make_lab()
    host = lab.hosts["hv1"]
    add_physical(lab, "local")
    add_network(lab, "red")
    ends = [add_endpoint(lab, f"red{n}", "red") for n in (1, 2)]
    settle(lab)
    assert reaches(*ends)
    before = flow_state(lab)
    repaired = host.controller.api("openflowmanager", "flowstatus")[0]["drift"]["repaired"]
    host.ofctl("del-flows", "br0", f"dl_dst={ends[1].plan.mac}")
    assert host.dump_flows() != before[0]
    wait_until(lambda: flow_state(lab) == before, 30, "repair of a deleted flow", 0.5)
    table = next(line for line in before[0] if ends[1].plan.mac in line).split("table=")[1].split(",")[0]
    host.ofctl("mod-flows", "br0", f"table={table},dl_dst={ends[1].plan.mac},actions=drop")
    assert host.dump_flows() != before[0]
    wait_until(lambda: flow_state(lab) == before, 30, "repair of an altered flow", 0.5)
    host.ofctl("add-flow", "br0", "priority=40000,dl_type=0x0806,actions=drop")
    wait_until(lambda: flow_state(lab) == before, 30, "removal of a foreign flow", 0.5)
    assert reaches(*ends)
    assert host.controller.api("openflowmanager", "flowstatus")[0]["drift"]["repaired"] >= repaired + 3


def test_the_switch_restarting_gets_its_flows_back(make_lab):
    lab = make_lab()
    host = lab.hosts["hv1"]
    add_physical(lab, "local")
    add_network(lab, "red")
    ends = [add_endpoint(lab, f"red{n}", "red") for n in (1, 2)]
    settle(lab)
    before = flow_state(lab)
    host.stop_switch()
    host.start_switch()
    assert reaches(*ends, within_s=20)
    settle(lab)
    assert flow_state(lab) == before
