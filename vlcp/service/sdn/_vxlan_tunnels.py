"""Which physical ports of a switch are tunnel ports, and with which address. Pure."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Set, Tuple

from vlcp.service.sdn._flows.view import SwitchView
from vlcp.utils.netutils import parse_ip4_address

KIND = "vxlan"


class Tunnel(NamedTuple):
    """The tunnel port of a physical network on a switch: number and local address."""

    port_no: int
    ip: str


class Tunnels:
    """Chooses one tunnel port for each physical network: of those with a local address the one with the highest number."""

    def __init__(self) -> None:
        self._addresses: Dict[str, Tuple[int, Optional[str]]] = {}
        self._chosen: Dict[str, Tunnel] = {}

    def ports(self, view: SwitchView) -> List[Tuple[str, int]]:
        """Return (key, number) of the ports whose options have to be told by :meth:`take`; forget the others."""
        ports = [(key, port.port_no) for key, port in view.physical_ports.items() if port.kind == KIND]
        self._addresses = {key: self._addresses[key] for key, _ in ports if key in self._addresses}
        return ports

    def take(self, key: str, number: int, options: Mapping[str, Any]) -> bool:
        """Take the options of a port; return True when its address is another one.

        No options at all mean that nobody knows them now: the address stays.
        """
        before = self._addresses.get(key)
        if options or before is None or before[0] != number:
            self._addresses[key] = (number, _address(options.get("local_ip")))
        return before != self._addresses[key]

    def choose(self, view: SwitchView) -> Set[str]:
        """Choose; return the physical networks where it is another port or address now."""
        found: Dict[str, Tunnel] = {}
        for key, (number, ip) in self._addresses.items():
            port = view.physical_ports.get(key)
            if ip is None or port is None:
                continue
            best = found.get(port.physical_network)
            if best is None or number > best.port_no:
                found[port.physical_network] = Tunnel(number, ip)
        before, self._chosen = self._chosen, found
        return {name for name in {*before, *found} if before.get(name) != found.get(name)}

    def of_physical(self, physical_network: Optional[str]) -> Optional[Tunnel]:
        """Return the tunnel port of a physical network, None without one."""
        return self._chosen.get(physical_network or "")

    def of(self, view: SwitchView, network: Optional[str]) -> Optional[Tunnel]:
        """Return the tunnel port of a logical network; None without one, and for networks of other kinds."""
        record = view.networks.get(network or "")
        return None if record is None or record.kind != KIND else self.of_physical(record.physical_network)


def _address(text: Any) -> Optional[str]:
    """Return the text of an IPv4 address, None for anything else."""
    try:
        parse_ip4_address(text)
    except ValueError:
        return None
    address: str = text
    return address
