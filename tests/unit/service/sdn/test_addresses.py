"""Pools of VLAN tags, VNIs and IPv4 addresses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlcp.service.sdn._addresses import (
    AddressPool,
    Cidr,
    NumberPool,
    check_allocations,
    check_pool,
    check_ranges,
    default_pool,
    missing_numbers,
)


@pytest.mark.parametrize(
    "ranges, message",
    [
        ([[5, 2]], "out of order: 5, 2"),
        ([[1, 5], [5, 9]], "overlap or are out of order: 5, 5"),
        ([[7, 9], [1, 2]], "out of order: 9, 1"),
        ([[0, 2]], "VLAN tag 0 is out of range: 1 .. 4095"),
        ([[1, 4096]], "VLAN tag 4096 is out of range"),
        ([], "at least one VLAN tag range"),
    ],
)
def test_ranges_that_contradict_themselves_are_refused(ranges, message):
    with pytest.raises(ValueError, match=message.replace(".", "[.]")):
        check_ranges(ranges, 1, 4095, "VLAN tag")


def test_ranges_may_touch_and_hold_one_number():
    check_ranges([[1, 1], [2, 5], [4095, 4095]], 1, 4095, "VLAN tag")


def test_numbers_are_given_lowest_first_and_across_ranges():
    allocation = {"11": "x"}
    pool = NumberPool([[10, 12], [20, 20]], allocation, "VNI")
    assert [pool.take_lowest("a", "p") for _ in range(3)] == [10, 12, 20]
    with pytest.raises(ValueError, match="no VNI is available in physical network 'p'"):
        pool.take_lowest("a", "p")
    pool.release(12)
    pool.release(99)
    assert pool.take_lowest("b", "p") == 12
    assert allocation == {"10": "a", "11": "x", "12": "b", "20": "a"}


def test_a_certain_number_must_be_free_and_in_range():
    pool = NumberPool([[10, 12]], {"11": "x"}, "VLAN tag")
    assert pool.take(12, "a") == 12
    for number in (9, 11, 12, 13):
        with pytest.raises(ValueError, match=f"VLAN tag {number} is allocated or not in range"):
            pool.take(number, "a")


def test_allocated_numbers_outside_new_ranges_are_found():
    assert missing_numbers({"12": 0, "9": 0, "10": 0}, [[10, 11]]) == [9, 12]


@given(st.sets(st.integers(0, 30)), st.lists(st.sampled_from(["take", 3, 9, 21])))
def test_the_pool_gives_what_a_search_from_the_start_would(taken, actions):
    ranges = [[2, 10], [15, 25]]
    allocation = {str(number): "x" for number in taken}
    pool = NumberPool(ranges, allocation, "VNI")
    for action in actions:
        free = [n for first, last in ranges for n in range(first, last + 1) if str(n) not in allocation]
        if action != "take":
            pool.release(action)
        elif free:
            assert pool.take_lowest("a", "p") == free[0]
        else:
            with pytest.raises(ValueError):
                pool.take_lowest("a", "p")


def test_addresses_skip_the_gateway_and_used_ones():
    allocation = {str(0x0A000003): "x"}
    pool = AddressPool("s", "10.0.0.1", "10.0.0.5", "10.0.0.1", allocation)
    assert [pool.take_lowest("p") for _ in range(3)] == ["10.0.0.2", "10.0.0.4", "10.0.0.5"]
    with pytest.raises(ValueError, match="no IP address is available in subnet 's'"):
        pool.take_lowest("p")
    pool.release("10.0.0.4")
    assert pool.take_lowest("q") == "10.0.0.4"


@pytest.mark.parametrize(
    "address, message",
    [
        ("10.0.0.1", "10.0.0.1 is not usable in subnet 's'"),
        ("10.0.0.9", "10.0.0.9 is not usable"),
        ("10.0.0.3", "10.0.0.3 is already used in subnet 's'"),
    ],
)
def test_a_certain_address_must_be_usable_and_free(address, message):
    pool = AddressPool("s", "10.0.0.1", "10.0.0.5", "10.0.0.1", {str(0x0A000003): "x"})
    with pytest.raises(ValueError, match=message):
        pool.take(address, "p")


def test_default_pools_leave_out_the_network_and_the_broadcast_address():
    assert default_pool("192.168.1.0/24") == ("192.168.1.1", "192.168.1.254")
    assert default_pool("0.0.0.0/0") == ("0.0.0.1", "255.255.255.254")


@pytest.mark.parametrize("cidr", ["10.0.0.0/31", "10.0.0.4/32"])
def test_networks_too_small_for_a_pool_are_refused(cidr):
    with pytest.raises(ValueError):
        check_pool(cidr, *default_pool(cidr), None)


@pytest.mark.parametrize(
    "start, end, gateway, message",
    [
        ("10.0.1.0", "10.0.0.9", None, "allocated_start 10.0.1.0 is not in the CIDR 10.0.0.0/24"),
        ("10.0.0.1", "10.0.1.9", None, "allocated_end 10.0.1.9 is not in"),
        ("10.0.0.9", "10.0.0.1", None, "pool is empty"),
        ("10.0.0.1", "10.0.0.9", "10.0.1.1", "gateway 10.0.1.1 is not in"),
    ],
)
def test_pool_bounds_must_fit_the_network(start, end, gateway, message):
    with pytest.raises(ValueError, match=message):
        check_pool("10.0.0.0/24", start, end, gateway)


def test_changed_subnets_must_fit_the_addresses_in_use():
    ports, others = [str(0x0A000005)], [str(0x0A000005), str(0x0A0000F0)]
    check_allocations("10.0.0.0/24", "10.0.0.5", "10.0.0.9", "10.0.0.6", others, ports)
    for cidr, start, gateway in [
        ("10.0.0.0/25", "10.0.0.1", None),
        ("10.0.0.0/24", "10.0.0.6", None),
        ("10.0.0.0/24", "10.0.0.1", "10.0.0.5"),
    ]:
        with pytest.raises(ValueError):
            check_allocations(cidr, start, "10.0.0.9", gateway, others, ports)


def test_a_network_contains_its_first_and_last_address():
    network = Cidr("10.0.0.0/8")
    assert network.first in network and network.last in network
    assert network.last + 1 not in network and network.first - 1 not in network
