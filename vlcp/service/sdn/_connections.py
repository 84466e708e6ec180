"""Which database connections there are: by system, by bridge, by address; pure."""

from __future__ import annotations

from typing import Any, NamedTuple, Optional

from vlcp.service.sdn._ovsdb_rows import Bridge


class Station(NamedTuple):
    """What is known of one connection."""

    vhost: str
    systemid: str
    endpoint: str
    #: ``{uuid: Bridge}``
    bridges: dict


class ConnectionBook:
    """Connections that have told their bridges. The connection objects are only used as keys."""

    def __init__(self) -> None:
        self._stations: dict[Any, Station] = {}
        self._by_datapath: dict[tuple[str, int], Any] = {}

    def put(self, connection: Any, station: Station) -> tuple[list[Bridge], list[Bridge]]:
        """Take what a connection tells; return ``(gone, come)`` bridges.

        A bridge has gone and come when its name or datapath id changed, and all have when the system id did.
        """
        old = self._stations.get(connection)
        before = {} if old is None else old.bridges
        renamed = old is not None and old.systemid != station.systemid
        gone = [
            bridge
            for uuid, bridge in before.items()
            if renamed or uuid not in station.bridges or station.bridges[uuid][:3] != bridge[:3]
        ]
        kept = before.keys() - {bridge.uuid for bridge in gone}
        come = [bridge for uuid, bridge in station.bridges.items() if uuid not in kept]
        self._stations[connection] = station
        for bridge in gone:
            self._release(connection, station.vhost, bridge.datapathid)
        for bridge in come:
            self._by_datapath[(station.vhost, bridge.datapathid)] = connection
        return (gone, come)

    def _release(self, connection: Any, vhost: str, datapathid: int) -> None:
        """Give a datapath id up; another connection that tells of it as well takes it over."""
        if self._by_datapath.get((vhost, datapathid)) is not connection:
            return
        del self._by_datapath[(vhost, datapathid)]
        for other, station in self._stations.items():
            if station.vhost == vhost and any(one.datapathid == datapathid for one in station.bridges.values()):
                self._by_datapath[(vhost, datapathid)] = other

    def drop(self, connection: Any) -> Optional[Station]:
        """Forget a connection and return what was known of it, None when nothing was."""
        station = self._stations.pop(connection, None)
        if station is not None:
            for bridge in station.bridges.values():
                self._release(connection, station.vhost, bridge.datapathid)
        return station

    def connections(self, vhost: Optional[str] = None) -> list:
        """Return the connections of a vHost, None for all."""
        return [one for one, station in self._stations.items() if vhost in (None, station.vhost)]

    def station(self, connection: Any) -> Optional[Station]:
        """Return what is known of a connection, None when nothing is."""
        return self._stations.get(connection)

    def of_datapath(self, vhost: str, datapathid: int) -> Any:
        """Return the connection of a datapath, None when there is none."""
        return self._by_datapath.get((vhost, datapathid))

    def bridge_of_datapath(self, vhost: str, datapathid: int) -> Optional[tuple[Station, Bridge]]:
        """Return the bridge of a datapath and what is known of its connection, None when there is none."""
        station = self._stations.get(self.of_datapath(vhost, datapathid))
        if station is None:
            return None
        return next((station, one) for one in station.bridges.values() if one.datapathid == datapathid)

    def datapaths(self, vhost: Optional[str] = None) -> list[tuple[str, int]]:
        """Return ``(vhost, datapathid)`` of all bridges of a vHost, None for all."""
        return sorted(key for key in self._by_datapath if vhost in (None, key[0]))

    def bridges(self, vhost: Optional[str] = None) -> list[Bridge]:
        """Return all bridges of a vHost, None for all."""
        return [bridge for one in self.connections(vhost) for bridge in self._stations[one].bridges.values()]

    def find_bridge(self, connection: Any, column: str, value: Any) -> Optional[Bridge]:
        """Return the bridge of a connection whose ``name`` or ``uuid`` is this, None when there is none."""
        station = self._stations.get(connection)
        bridges = () if station is None else station.bridges.values()
        return next((bridge for bridge in bridges if getattr(bridge, column) == value), None)

    def of_system(self, vhost: str, systemid: str) -> Any:
        """Return the connection of a system, None when there is none."""
        wanted = (vhost, systemid)
        return next((one for one, station in self._stations.items() if station[:2] == wanted), None)

    def of_endpoint(self, vhost: str, endpoint: str) -> list:
        """Return the connections with this address at the other end."""
        return [one for one, station in self._stations.items() if (station.vhost, station.endpoint) == (vhost, endpoint)]

    def systems(self, vhost: Optional[str] = None) -> list[tuple[str, str]]:
        """Return ``(vhost, system id)`` of a vHost, None for all."""
        return sorted({station[:2] for station in self._stations.values() if vhost in (None, station.vhost)})

    def endpoints(self, vhost: Optional[str] = None) -> list[tuple[str, str]]:
        """Return ``(vhost, address)`` of a vHost, None for all."""
        found = {(station.vhost, station.endpoint) for station in self._stations.values()}
        return sorted(pair for pair in found if vhost in (None, pair[0]))


def endpoint_of(address: Any) -> str:
    """Return the endpoint of a socket address: IPv4 or IPv6 address, path of a UNIX socket, '' for none."""
    if isinstance(address, tuple) and address:
        return str(address[0])
    if isinstance(address, bytes):
        return address.decode("utf-8", "replace")
    return address if isinstance(address, str) else ""
