"""Ports that appear are announced when their network reaches other nodes, a few times, and not again while they stay."""

from __future__ import annotations

import pytest

from vlcp.service.sdn._flows.view import NetRecord, PortRecord, SwitchView
from vlcp.service.sdn._vxlan_announce import GAPS_S, Announcements

PORT = PortRecord("p", 5, "red", 1, 0x020000000001, "192.168.1.2", None, 1)


def view_with(*ports, kind="vxlan"):
    view = SwitchView()
    view.update({port.key: port for port in ports}, {"red": NetRecord("red", 1, "phys", kind, 1)}, {})
    return view


def always(network):
    return True


def test_a_new_port_is_announced_at_once_and_again_after_each_gap_every_other_time_by_reverse_arp():
    view, announcements = view_with(PORT), Announcements()
    assert announcements.follow(view, ["p"], 10.0)
    assert announcements.take(view, 10.0, always) == [(PORT, False)]
    now = 10.0
    for number, gap in enumerate(GAPS_S):
        assert announcements.next_due(now) == pytest.approx(gap)
        assert announcements.take(view, now + gap / 2, always) == []
        now += gap
        assert announcements.take(view, now, always) == [(PORT, number % 2 == 0)]
    assert announcements.next_due(now) is None


def test_it_waits_until_its_network_reaches_other_nodes():
    view, announcements = view_with(PORT), Announcements()
    announcements.follow(view, ["p"], 0.0)
    assert announcements.take(view, 50.0, lambda network: False) == []
    assert announcements.next_due(50.0) == 0
    assert announcements.take(view, 60.0, lambda network: network == "red") == [(PORT, False)]


def test_a_port_that_stays_as_it_is_is_not_announced_again_but_one_with_another_address_is():
    view, announcements = view_with(PORT), Announcements()
    announcements.follow(view, ["p"], 0.0)
    for number in range(len(GAPS_S) + 1):
        announcements.take(view, 5.0 * number, always)
    view.update({"p": PORT._replace(version=2)}, {}, {})
    assert not announcements.follow(view, ["p"], 30.0)
    other = PORT._replace(mac=0x020000000002)
    view.update({"p": other}, {}, {})
    assert announcements.follow(view, ["p"], 30.0)
    assert announcements.take(view, 30.0, always) == [(other, False)]


def test_a_port_that_goes_is_forgotten_and_announced_when_it_returns():
    view, announcements = view_with(PORT), Announcements()
    announcements.follow(view, ["p"], 0.0)
    view.update({"p": None}, {}, {})
    announcements.follow(view, ["p"], 1.0)
    assert announcements.take(view, 1.0, always) == []
    view.update({"p": PORT}, {}, {})
    assert announcements.follow(view, ["p"], 2.0)


@pytest.mark.parametrize("view", [view_with(PORT._replace(mac=None)), view_with(PORT, kind="vlan")], ids=["no MAC", "VLAN"])
def test_ports_without_a_mac_address_and_of_other_networks_are_not_announced(view):
    announcements = Announcements()
    assert not announcements.follow(view, ["p"], 0.0)
    assert announcements.next_due(0.0) is None
