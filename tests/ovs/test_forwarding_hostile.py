"""Somebody outside, a tenant, and somebody on the physical network send what they should not; traffic goes on."""

from __future__ import annotations

import time

import pytest
from support.forwarding import address_outside, route_back, routed_outside
from support.hostileframes import hostile_frames, start_sending
from support.networks import add_endpoint

from vlcp.lab._shell import run

pytestmark = pytest.mark.ovs

INNER = "1a:23:67:59:63:33"
FRAMES = 1500


def mac_of(lab, namespace, interface):
    return run(["ip", "-n", namespace, "-br", "link", "show", interface]).split()[2]


def learned(lab, host):
    """Return what a switch sends where: rows with a MAC address of the destination, but for those that end by themselves."""
    rows = lab.hosts[host].dump_flows()
    return [row for row in rows if "->eth_dst" in row and "timeout" not in row and "actions=move" not in row]


def test_hostile_arp_and_icmp_from_every_side_costs_no_packet_and_teaches_no_lie(make_lab):
    lab = make_lab(hosts=2, outside="native", forward=1, config={"module.l3router.arp_cycle_time": 1})
    ends = routed_outside(lab)
    tenant = add_endpoint(lab, "tenant", "red", "hv2")
    route_back(lab, "hv1")
    for end in ends.values():
        assert any(end.ping(lab.outside.far_address, 1, wait_s=0.3).received for _ in range(20))
        assert lab.outside.ping(end.address, 3).received
    own = mac_of(lab, lab.hosts["hv1"].namespace, "out0")
    outer = f"{int(own[:2], 16) ^ 0x0A:02x}{own[2:]}"
    macs = [INNER, outer, mac_of(lab, lab.outside.namespace, "eth0"), *(end.plan.mac for end in ends.values())]
    addresses = ["192.168.1.1", "10.20.0.1", address_outside(lab, "hv1"), *(end.address for end in ends.values())]
    for namespace, gateway, mac in [(lab.outside.namespace, addresses[2], outer)] + [
        (end.namespace, "192.168.1.1", INNER) for end in ends.values()
    ]:
        run(["ip", "-n", namespace, "neighbour", "replace", gateway, "lladdr", mac, "nud", "permanent", "dev", "eth0"])
    before = [learned(lab, host) for host in lab.hosts]
    pings = [end.start_ping(lab.outside.far_address) for end in ends.values()]
    pings.append(ends["hv2"].start_ping("192.168.1.1", 0.1))
    places = [(lab.outside.namespace, "eth0"), (tenant.namespace, "eth0"), (lab.plan.namespace("net"), "hv1-out")]
    senders = [
        start_sending(*place, hostile_frames(number, FRAMES, addresses, macs, spoof=number == 2))
        for number, place in enumerate(places)
    ]
    assert [sender.wait(60) for sender in senders] == [0, 0, 0]
    time.sleep(2)
    after = [learned(lab, host) for host in lab.hosts]
    results = [ping.stop() for ping in pings]
    assert after == before
    assert all(end.ping(lab.outside.far_address, 3).received == 3 for end in ends.values())
    assert all(lab.outside.ping(end.address, 3).received == 3 for end in ends.values())
    assert [result.lost for result in results] == [0, 0, 0]
