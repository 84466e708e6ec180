"""Lists of tunnel end-points and places of ports, and their transactions."""

from __future__ import annotations

import pytest

from vlcp.utils import vxlandiscover as vx
from vlcp.utils.networkmodel import VXLANEndpointSet

SECOND = 1000000
ONE, TWO = vx.Node("", "hv1", "br0"), vx.Node("", "hv2", "br0")


def entry(node, ip, expire):
    return [ip, *node, expire]


def test_a_node_replaces_its_own_entry_and_drops_expired_ones():
    before = [entry(ONE, "10.0.0.1", 5 * SECOND), entry(TWO, "10.0.0.2", 9 * SECOND), ["10.0.0.3", "", "x", "y", 100]]
    after = vx.endpoint_list(before, ONE, "10.0.0.9", 8 * SECOND, 60)
    assert after == [entry(TWO, "10.0.0.2", 9 * SECOND), entry(ONE, "10.0.0.9", 128 * SECOND)]
    assert vx.endpoint_list(before, ONE, None, 0, 60) == before[1:]


def test_a_fresh_entry_is_left_as_it_is():
    before = [entry(ONE, "10.0.0.1", 115 * SECOND), entry(TWO, "10.0.0.2", None)]
    assert vx.endpoint_list(before, ONE, "10.0.0.1", 10 * SECOND, 60) == before
    assert vx.endpoint_list(before, ONE, "10.0.0.1", 40 * SECOND, 60)[-1] == entry(ONE, "10.0.0.1", 160 * SECOND)


@pytest.mark.parametrize("own", [None, 5 * SECOND])
def test_without_a_refresh_interval_entries_do_not_expire(own):
    assert vx.endpoint_list([entry(ONE, "10.0.0.1", own)], ONE, "10.0.0.1", 0, None) == [entry(ONE, "10.0.0.1", None)]


def place(node, ip, time):
    return {**node._asdict(), "tunnel_dst": ip, "updated_time": time}


def test_the_node_where_a_port_appears_comes_first_and_recent_others_stay():
    before = [place(TWO, "10.0.0.2", 100 * SECOND)]
    after = vx.place_list(before, ONE, "10.0.0.1", 150 * SECOND, 120)
    assert after == [place(ONE, "10.0.0.1", 150 * SECOND), *before]
    assert vx.place_list(before, ONE, "10.0.0.1", 300 * SECOND, 120) == [place(ONE, "10.0.0.1", 300 * SECOND)]
    assert vx.place_list(after, TWO, None, 0, 120) == after[:1]


def test_nothing_changes_for_a_port_that_is_there_already():
    before = [place(ONE, "10.0.0.1", 1), place(TWO, "10.0.0.2", 2)]
    assert vx.place_list(before, ONE, "10.0.0.1", 900 * SECOND, 120) == before


def endpoints(*entries):
    found = VXLANEndpointSet.create_instance("red")
    found.endpointlist = list(entries)
    return found


def test_broadcasts_go_to_all_others_once():
    stored = endpoints(
        entry(ONE, "10.0.0.1", None), entry(TWO, "10.0.0.9", None), ["10.0.0.2", "", "hv3", "br0", None],
        ["10.0.0.2", "", "hv4", "br0", None], ["10.0.0.1", "", "hv5", "br0", None], ["nonsense", "", "hv6", "br0", None],
    )  # fmt: skip
    expected = [("10.0.0.2", 0x0A000002), ("10.0.0.9", 0x0A000009)]
    assert vx.get_broadcast_ips(stored, "10.0.0.1", *ONE) == expected
    assert vx.get_broadcast_ips(stored, ["10.0.0.1", "10.0.0.9"], *ONE) == expected[:1]
    assert vx.get_broadcast_ips(None, None, *ONE) == []
