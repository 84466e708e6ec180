"""A port that moves between hypervisors of a VLAN network announces itself."""

from __future__ import annotations

import time

import pytest
from support.capture import Capture
from support.networks import add_endpoint, add_network, add_physical, reaches, settle

from vlcp.lab._plan import STARTUP

pytestmark = pytest.mark.ovs

CONFIG = {"server.startup": (*STARTUP, "vlcp.service.sdn.arpresponder.ARPResponder", "vlcp.service.sdn.freearp.FreeARP")}


def test_a_port_that_moves_in_a_vlan_is_announced_and_found_at_once(make_lab):
    lab = make_lab(hosts=2, config=CONFIG)
    add_physical(lab, "vlan", vlanrange=[[100, 199]])
    add_network(lab, "red")
    mover, on_old, on_new = (add_endpoint(lab, name, "red", host) for name, host in (("m", "hv1"), ("o", "hv1"), ("n", "hv2")))
    settle(lab)
    assert reaches(on_old, mover) and reaches(on_new, mover)
    began = time.monotonic()
    pings = [other.start_ping(mover.address) for other in (on_old, on_new)]
    with Capture(lab.plan.namespace("net"), "under") as capture:
        mover.move(lab.hosts["hv2"])
        time.sleep(2)
    lasted = time.monotonic() - began
    results = [ping.stop() for ping in pings]
    announced = f"{mover.plan.mac} > ff:ff:ff:ff:ff:ff"
    assert [line for line in capture.lines if announced in line and f"who-has {mover.address} tell {mover.address}" in line]
    assert all(result.received > 50 and result.lost * lasted / result.sent < 1 for result in results)
