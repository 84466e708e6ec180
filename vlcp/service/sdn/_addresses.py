"""Pools of numbers and IPv4 addresses: which are free, which is next, what contradicts what.

Pure: a pool works on the dictionary of allocations that the database keeps (``PhysicalNetworkMap.network_allocation``,
``SubNetMap.allocated_ips``), whose keys are decimal strings; it may be a large one (:mod:`vlcp.utils.growing`). Each pool is
made once for a call that allocates many; taking the next free one remembers where it stopped, so that the call stays linear.
"""

from __future__ import annotations

from typing import Any, Iterable, List, Optional, Sequence

from vlcp.utils.growing import first_free
from vlcp.utils.typelib import ipv4_number, ipv4_text


class Cidr:
    """An IPv4 network as numbers.

    :param text: ``address/prefix``
    """

    def __init__(self, text: str) -> None:
        address, _, prefix = text.partition("/")
        self.text = text
        self.first = ipv4_number(address)
        self.last = self.first | (0xFFFFFFFF >> int(prefix))

    def __contains__(self, address: int) -> bool:
        return self.first <= address <= self.last

    def require(self, attribute: str, address: str) -> int:
        """Return ``address`` as a number.

        :raises ValueError: it is outside the network; the message names ``attribute``
        """
        number = ipv4_number(address)
        if number not in self:
            raise ValueError(f"{attribute} {address} is not in the CIDR {self.text}")
        return number


def check_ranges(ranges: Sequence[Sequence[int]], first: int, last: int, what: str) -> None:
    """Check ranges of numbers; each is ``[start, end]`` with both included.

    :param first: smallest number allowed
    :param last: largest number allowed
    :param what: name of the numbers in messages, like ``'VLAN tag'``
    :raises ValueError: no range at all, a number outside ``first`` .. ``last``, or ranges that descend or overlap
    """
    if not ranges:
        raise ValueError(f"at least one {what} range is needed")
    previous = first - 1
    for start, end in ranges:
        for number in (start, end):
            if not first <= number <= last:
                raise ValueError(f"{what} {number} is out of range: {first} .. {last}")
        if start <= previous or end < start:
            pair = (previous, start) if start <= previous else (start, end)
            raise ValueError(f"{what} ranges overlap or are out of order: {pair[0]}, {pair[1]}")
        previous = end


def in_ranges(number: int, ranges: Sequence[Sequence[int]]) -> bool:
    """Return whether one of the ``[start, end]`` pairs, both included, holds the number."""
    return any(start <= number <= end for start, end in ranges)


class NumberPool:
    """The numbers of a physical network, VLAN tags or VNIs.

    :param ranges: ``[[start, end], ...]``, ascending, both included
    :param allocation: ``{decimal string: owner}``; it is changed by :meth:`take` and :meth:`release`
    :param what: name of the numbers in messages
    """

    def __init__(self, ranges: Sequence[Sequence[int]], allocation: dict, what: str) -> None:
        self._ranges = ranges
        self._allocation = allocation
        self._what = what
        self._next = 0

    def take(self, number: int, owner: Any) -> int:
        """Give a certain number to an owner.

        :raises ValueError: it is allocated or not in a range
        """
        if str(number) in self._allocation or not in_ranges(number, self._ranges):
            raise ValueError(f"{self._what} {number} is allocated or not in range")
        self._allocation[str(number)] = owner
        return number

    def take_lowest(self, owner: Any, where: str) -> int:
        """Give the lowest free number to an owner.

        :param where: name of the physical network, for the message
        :raises ValueError: there is none
        """
        for start, end in self._ranges:
            number = first_free(self._allocation, max(start, self._next), end)
            if number is not None:
                self._next = number + 1
                self._allocation[str(number)] = owner
                return number
        raise ValueError(f"no {self._what} is available in physical network {where!r}")

    def release(self, number: Optional[int]) -> None:
        """Take a number back; one that is not allocated is ignored."""
        if number is not None and self._allocation.pop(str(number), None) is not None:
            self._next = min(self._next, number)


def missing_numbers(allocation: Iterable[str], ranges: Sequence[Sequence[int]]) -> List[int]:
    """Return the allocated numbers that no range holds, ascending."""
    return sorted(number for number in map(int, allocation) if not in_ranges(number, ranges))


class AddressPool:
    """The addresses of a subnet.

    :param subnet_id: for messages
    :param start: first usable address, dotted
    :param end: last usable address, dotted
    :param gateway: address that no port may use, dotted, or None
    :param allocation: ``{decimal string: owner}``; it is changed by :meth:`take` and :meth:`release`
    """

    def __init__(self, subnet_id: str, start: str, end: str, gateway: Optional[str], allocation: dict) -> None:
        self._subnet_id = subnet_id
        self._start = self._next = ipv4_number(start)
        self._end = ipv4_number(end)
        self._gateway = None if gateway is None else ipv4_number(gateway)
        self._allocation = allocation

    def take(self, address: str, owner: Any) -> str:
        """Give a certain address to an owner.

        :raises ValueError: it is not usable in this subnet, or used
        """
        number = ipv4_number(address)
        if not self._start <= number <= self._end or number == self._gateway:
            raise ValueError(f"IP address {address} is not usable in subnet {self._subnet_id!r}")
        if str(number) in self._allocation:
            raise ValueError(f"IP address {address} is already used in subnet {self._subnet_id!r}")
        self._allocation[str(number)] = owner
        return address

    def take_lowest(self, owner: Any) -> str:
        """Give the lowest free address to an owner.

        :raises ValueError: there is none
        """
        number = first_free(self._allocation, self._next, self._end, self._gateway)
        if number is not None:
            self._next = number + 1
            self._allocation[str(number)] = owner
            return ipv4_text(number)
        raise ValueError(f"no IP address is available in subnet {self._subnet_id!r}")

    def release(self, address: str) -> None:
        """Take an address back; one that is not allocated is ignored."""
        number = ipv4_number(address)
        if self._allocation.pop(str(number), None) is not None:
            self._next = max(self._start, min(self._next, number))


def default_pool(cidr: str) -> tuple[str, str]:
    """Return the first and last address that ports may use when the caller says nothing: all but the network's own and
    the broadcast address."""
    network = Cidr(cidr)
    return ipv4_text(min(network.first + 1, 0xFFFFFFFF)), ipv4_text(max(network.last - 1, 0))


def check_pool(cidr: str, start: str, end: str, gateway: Optional[str]) -> None:
    """Check a subnet's addresses against its CIDR and each other.

    :raises ValueError: one is outside the CIDR, or ``start`` comes after ``end``
    """
    network = Cidr(cidr)
    if gateway is not None:
        network.require("gateway", gateway)
    if network.require("allocated_start", start) > network.require("allocated_end", end):
        raise ValueError(f"the IP address pool is empty: allocated_start {start} is after allocated_end {end}")


def check_allocations(
    cidr: str, start: str, end: str, gateway: Optional[str], everyone: Iterable[str], ports: Iterable[str]
) -> None:
    """Check that a changed subnet still fits the addresses in use.

    :param everyone: decimal strings of all allocated addresses; they must be in the CIDR
    :param ports: those of logical ports; they must be in the pool too, and not the gateway
    :raises ValueError: one does not fit; the message names it
    """
    network = Cidr(cidr)
    for number in map(int, everyone):
        if number not in network:
            raise ValueError(f"IP address {ipv4_text(number)} is allocated, but not in the CIDR {cidr}")
    first, last = ipv4_number(start), ipv4_number(end)
    forbidden = None if gateway is None else ipv4_number(gateway)
    for number in map(int, ports):
        if not first <= number <= last:
            raise ValueError(f"IP address {ipv4_text(number)} is used by a port, but not in {start} .. {end}")
        if number == forbidden:
            raise ValueError(f"gateway {gateway} is the IP address of a port")
