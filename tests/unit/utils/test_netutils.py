"""IPv4 arithmetic, with the standard library's ipaddress as the second opinion."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlcp.utils import netutils

ADDRESSES = st.integers(0, 0xFFFFFFFF)
PREFIXES = st.integers(0, 32)


@given(ADDRESSES, PREFIXES)
def test_networks_agree_with_the_standard_library(ip, prefix):
    network = ipaddress.ip_network((ip, prefix), strict=False)
    start = netutils.get_network(ip, prefix)
    assert start == int(network.network_address)
    assert netutils.get_broadcast(start, prefix) == int(network.broadcast_address)
    assert netutils.get_netmask(prefix) == int(network.netmask)
    assert netutils.parse_ip4_network(f"{ipaddress.ip_address(ip)}/{prefix}") == (start, prefix)
    assert netutils.format_network_cidr(f"{ipaddress.ip_address(ip)}/{prefix}") == str(network)


@given(ADDRESSES, ADDRESSES, PREFIXES)
def test_membership_agrees_with_the_standard_library(ip, other, prefix):
    network = ipaddress.ip_network((other, prefix), strict=False)
    assert netutils.ip_in_network(ip, other, prefix) == (ipaddress.ip_address(ip) in network)


@given(ADDRESSES, PREFIXES)
def test_first_and_last_are_the_ends_of_the_hosts(ip, prefix):
    start = netutils.get_network(ip, prefix)
    first, last = netutils.network_first(start, prefix), netutils.network_last(start, prefix)
    assert last - first + 1 == (2 ** (32 - prefix) if prefix >= 31 else 2 ** (32 - prefix) - 2)


@pytest.mark.parametrize(
    ("text", "normal"),
    [("192.168.001.1", "192.168.1.1"), ("1.2.3", "1.2.0.3"), ("010.0.0.1", "10.0.0.1"), ("0.0.0.0", "0.0.0.0")],
)
def test_addresses_get_their_normal_form(text, normal):
    assert netutils.check_ip_address(text) == netutils.format_ip_address(text) == normal


@pytest.mark.parametrize("text", ["", " ", "1.2.3.4 x", "1.2.3.256", "1.2.3.4.5", "a", "١.2.3.4", None, 7, "::1"])
def test_what_is_no_address_is_refused(text):
    with pytest.raises(ValueError, match="not an IPv4 address"):
        netutils.parse_ip4_address(text)


@pytest.mark.parametrize(
    "text", ["1.2.3.4/33", "1.2.3.4/-1", "1.2.3.4/", "1.2.3.4/x", "/8", "1.2.3/4/5", None, "²/8", "1.2.3.4/²"]
)
def test_what_is_no_network_is_refused(text):
    with pytest.raises(ValueError, match="not an IPv4 network"):
        netutils.parse_ip4_network(text)


def test_a_prefix_may_be_demanded():
    assert netutils.format_network_cidr("10.0.0.1") == "10.0.0.1/32"
    with pytest.raises(ValueError, match="has no prefix length: '10.0.0.1'"):
        netutils.format_network_cidr("10.0.0.1", True)
