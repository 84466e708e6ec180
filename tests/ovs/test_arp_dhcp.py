"""ARP answers and DHCP on a real switch."""

from __future__ import annotations

import sys
import time

import pytest
from support.capture import Capture
from support.dhcpclients import CLIENTS, request
from support.networks import add_endpoint, add_network, add_physical, api, reaches, settle, stays_apart

from vlcp.lab._plan import STARTUP
from vlcp.lab._shell import inside, run

pytestmark = pytest.mark.ovs

CONFIG = {
    "server.startup": (
        *STARTUP,
        "vlcp.service.sdn.arpresponder.ARPResponder",
        "vlcp.service.sdn.dhcpserver.DHCPServer",
    )
}

PROBE = """
import socket, sys
mac, ip = bytes.fromhex(sys.argv[1].replace(":", "")), socket.inet_aton(sys.argv[2])
arp = bytes.fromhex("0001080006040001") + mac + ip + bytes(6) + ip
link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
link.bind(("eth0", 0))
link.send(b"\\xff" * 6 + mac + b"\\x08\\x06" + arp)
"""


def add_client(lab, name, network, host="hv1", **port):
    """Make a logical port and an endpoint without an address; return both."""
    mac = lab.free_mac()
    (found,) = api(lab, "createlogicalport", id="lp-" + name, logicalnetwork=network, subnet=network, mac_address=mac, **port)
    return lab.add_endpoint(name, host, "lp-" + name, network, None, mac), found


def network_with_options(lab, name="red", **options):
    api(lab, "createlogicalnetwork", physicalnetwork="phys", id=name, mtu=1450, **options)
    routes = [["10.0.0.0/8", "192.168.1.9"]]
    api(lab, "createsubnet", logicalnetwork=name, cidr="192.168.1.0/24", gateway="192.168.1.1", id=name, host_routes=routes)


def test_every_client_gets_address_mtu_and_routes(make_lab, tmp_path):
    lab = make_lab(config={**CONFIG, "module.dhcpserver.leasetime": 3600, "module.dhcpserver.t1": 600})
    add_physical(lab, "local")
    network_with_options(lab, domain_name="lab.example")
    clients = {client: add_client(lab, client, "red", hostname="vm-" + client) for client in CLIENTS}
    settle(lab)
    got = {client: request(client, endpoint, tmp_path) for client, (endpoint, _) in clients.items()}
    for client, (_, port) in clients.items():
        answer = got[client]
        assert answer["ip"] == port["ip_address"], client
        assert answer["mask"] in ("255.255.255.0", "24"), client
        assert answer["mtu"] == "1450", client
        assert answer["hostname"] == "vm-" + client
        routes = answer["routes"].replace(",", " ").replace("/", " ").split()
        assert "10" in routes[0] or routes[0] == "8", client
        assert any(part == "192.168.1.1" for part in routes) or routes[-4:] == ["192", "168", "1", "1"], client


def test_a_client_in_a_network_without_dhcp_gets_nothing_and_switching_it_on_serves_it(make_lab, tmp_path):
    lab = make_lab(config=CONFIG)
    add_physical(lab, "local")
    api(lab, "createlogicalnetwork", physicalnetwork="phys", id="red")
    api(lab, "createsubnet", logicalnetwork="red", cidr="192.168.1.0/24", id="red", dhcp_enabled=False)
    endpoint, port = add_client(lab, "vm1", "red")
    settle(lab)
    with pytest.raises(AssertionError, match="dhclient"):
        run(inside(endpoint.namespace, ["ip", "link", "set", "eth0", "up"]))
        request("dhclient", endpoint, tmp_path)
    api(lab, "updatesubnet", id="red", dhcp_enabled=True)
    assert request("dhclient", endpoint, tmp_path)["ip"] == port["ip_address"]


def test_questions_are_answered_by_the_switch_and_not_flooded(make_lab):
    lab = make_lab(config=CONFIG)
    add_physical(lab, "local")
    for network in ("red", "blue"):
        add_network(lab, network)
    one, two, three = (add_endpoint(lab, f"red{n}", "red", ip=f"192.168.1.{n}") for n in (11, 12, 13))
    blue = add_endpoint(lab, "blue1", "blue", ip="192.168.1.12")
    settle(lab)
    with Capture(two.namespace, "eth0", "arp") as asked, Capture(three.namespace, "eth0", "arp") as others:
        assert reaches(one, two)
    assert not [line for line in asked.lines + others.lines if "Request who-has 192.168.1.12" in line and "Broadcast" in line]
    entry = run(inside(one.namespace, ["ip", "neigh", "show", "192.168.1.12"]))
    assert two.plan.mac in entry and blue.plan.mac not in entry
    assert stays_apart(blue, one)


def test_a_gratuitous_question_for_ones_own_address_is_not_answered(make_lab):
    lab = make_lab(config=CONFIG)
    add_physical(lab, "local")
    add_network(lab, "red")
    one, two = (add_endpoint(lab, f"red{n}", "red") for n in (1, 2))
    settle(lab)
    with Capture(one.namespace, "eth0", "arp") as capture, Capture(two.namespace, "eth0", "arp") as other:
        run(inside(one.namespace, [sys.executable, "-c", PROBE, one.plan.mac, one.address]))
    assert len([line for line in capture.lines if "Request" in line]) == 1
    assert not [line for line in capture.lines if "Reply" in line]
    assert not other.lines


def test_the_servers_address_is_answered_only_while_it_serves(make_lab):
    lab = make_lab(config=CONFIG)
    host = lab.hosts["hv1"]
    settle(lab)
    before = host.dump_flows()
    add_physical(lab, "local")
    add_network(lab, "red")
    settle(lab)
    add_endpoint(lab, "red1", "red")
    time.sleep(0.5)
    settle(lab)
    assert any("arp_tpa=169.254.169.254" in line for line in host.dump_flows())
    api(lab, "deletelogicalports", ports=[{"id": "lp-red1"}])
    time.sleep(0.5)
    settle(lab)
    assert not any("169.254.169.254" in line for line in host.dump_flows())
    api(lab, "deletesubnet", id="red")
    api(lab, "deletelogicalnetwork", id="red")
    api(lab, "deletephysicalnetwork", id="phys")
    time.sleep(0.5)
    settle(lab)
    assert host.dump_flows() == before


@pytest.mark.parametrize("module", ["arpresponder.ARPResponder", "dhcpserver.DHCPServer"])
def test_no_packet_is_lost_while_a_module_is_reloaded_and_it_serves_again(make_lab, tmp_path, module):
    lab = make_lab(config=CONFIG)
    host = lab.hosts["hv1"]
    add_physical(lab, "local")
    add_network(lab, "red")
    ends = [add_endpoint(lab, f"red{n}", "red") for n in (1, 2)]
    client, port = add_client(lab, "vm1", "red")
    settle(lab)
    time.sleep(0.5)
    before = host.dump_flows()
    ping = ends[0].start_ping(ends[1].address)
    host.controller.api("manager", "reloadmodules", pathlist=["vlcp.service.sdn." + module])
    time.sleep(3)
    settle(lab)
    assert ping.stop().lost == 0
    assert host.dump_flows() == before
    assert request("dhclient", client, tmp_path)["ip"] == port["ip_address"]
