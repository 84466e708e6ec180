"""Which switches are connected: by vHost and datapath, and by the address they connect from."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Tuple

#: Log lines for (datapath id, connection, older connection) and (datapath id, connection).
TAKEN = "switch %#x: %r takes the place of %r, which is still connected; two bridges must not share a datapath id"
RETURNED = "switch %#x: %r has its place again, as the newer connection with its datapath id has ended"


class SwitchBook:
    """Connections of switches that are set up; one for each vHost, datapath id and auxiliary id.

    When a second connection claims the same three, it is the one that counts: mostly it is the same switch again, whose old
    connection is not noticed to be dead yet. The first one waits with its rows, and counts again when the second is gone.
    """

    def __init__(self) -> None:
        self._connections: Dict[Any, Tuple[str, int, int, str]] = {}
        self._by_switch: Dict[Tuple[str, int, int], Any] = {}
        self._waiting: Dict[Tuple[str, int, int], List[Any]] = {}

    def __contains__(self, connection: object) -> bool:
        return connection in self._connections

    def add(self, connection: Any) -> List[Any]:
        """Take a connection and return the one whose place it takes, if any."""
        switch = connection.protocol.vhost, connection.openflow_datapathid, connection.openflow_auxiliaryid
        self._stop_waiting(connection)
        old = self._by_switch.get(switch)
        replaced = [] if old is None else [old]
        for other in replaced:
            del self._connections[other]
            self._waiting.setdefault(switch, []).append(other)
        self._by_switch[switch] = connection
        self._connections[connection] = (*switch, endpoint_of(connection))
        return replaced

    def remove(self, connection: Any) -> Tuple[bool, List[Any]]:
        """Forget a connection.

        :return: whether it counted, and who can have its place now: the connection that lost it last, if any
        """
        self._stop_waiting(connection)
        found = self._connections.pop(connection, None)
        if found is None:
            return False, []
        self._by_switch.pop(found[:3], None)
        return True, self._waiting.get(found[:3], [])[-1:]

    def _stop_waiting(self, connection: Any) -> None:
        # A connection that is used again may carry the datapath id of another switch by now.
        for switch, waiting in list(self._waiting.items()):
            if connection in waiting:
                waiting.remove(connection)
                if not waiting:
                    del self._waiting[switch]

    def vhosts(self) -> List[str]:
        """Return the vHosts that have switches."""
        return sorted({vhost for vhost, _, _, _ in self._connections.values()})

    def connections(self, vhost: Optional[str] = None) -> List[Any]:
        """Return the connections of a vHost, None for all."""
        return [one for one, place in self._connections.items() if vhost in (None, place[0])]

    def datapaths(self, vhost: str) -> List[int]:
        """Return the datapath ids of a vHost."""
        return sorted({datapath for host, datapath, _, _ in self._connections.values() if host == vhost})

    def of_datapath(self, vhost: str, datapath: int) -> List[Any]:
        """Return all connections of a switch."""
        return [one for one, place in self._connections.items() if place[:2] == (vhost, datapath)]

    def find(self, vhost: str, datapath: int, auxiliary: int = 0) -> Any:
        """Return one connection of a switch, None when there is none."""
        return self._by_switch.get((vhost, datapath, auxiliary))

    def endpoints(self, vhost: str) -> List[str]:
        """Return the addresses of a vHost's switches."""
        return sorted({endpoint for host, _, _, endpoint in self._connections.values() if host == vhost})

    def of_endpoint(self, vhost: str, endpoint: str) -> List[Any]:
        """Return the connections from an address."""
        return [one for one, place in self._connections.items() if (place[0], place[3]) == (vhost, endpoint)]


def endpoint_of(connection: Any) -> str:
    """Return the address that a connection comes from: IPv4 or IPv6, '' for a UNIX socket."""
    address = getattr(connection, "remoteaddr", None)
    if isinstance(address, tuple) and address:
        host = str(address[0])
        return host[len("::ffff:") :] if host.startswith("::ffff:") else host
    return ""
