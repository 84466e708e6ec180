"""A database of one logical network with many ports, made without a store."""

from __future__ import annotations

from support.textstore import TextStore

from vlcp.service.sdn import _resources_ports as ports
from vlcp.service.sdn import _resources_subnets as subnets
from vlcp.service.sdn._resources import LOGICAL_PORT, SUBNET, create_index_sets, requests
from vlcp.utils.dataobject import ReferenceObject
from vlcp.utils.networkmodel import LogicalNetwork, LogicalNetworkMap, PhysicalNetwork


class Cluster:
    """One logical network with one subnet, and ports in it.

    :param shared: write the form of VLCP 2
    :ivar store: :class:`TextStore`
    :ivar count: number of ports that were ever created
    """

    def __init__(self, shared=False):
        self.store = TextStore(shared)
        keys, walker = create_index_sets()
        self.store.write(walker, keys)
        self.store.write(self._network)
        found = requests(SUBNET, [{"id": "sub", "logicalnetwork": "net", "cidr": "10.0.0.0/16"}], create=True)
        self.store.write(subnets.create(found), subnets.create_keys(found))
        self.count = 0

    def _network(self, walk, write):
        network, netmap = LogicalNetwork.create_instance("net"), LogicalNetworkMap.create_instance("net")
        network.physicalnetwork = ReferenceObject(PhysicalNetwork.default_key("phys"))
        netmap.network = network.create_reference()
        for obj in (network, netmap):
            write(obj.getkey(), obj)

    def next_port(self):
        """Return the parameters of one more port."""
        n = self.count = self.count + 1
        mac = "02:00:00:%02x:%02x:%02x" % (n >> 16, n >> 8 & 255, n & 255)
        return {"id": f"3f2b5e9a-11aa-4c6d-9be2-{n:012d}", "logicalnetwork": "net", "subnet": "sub", "mac_address": mac}

    def create(self, count, **extra):
        """Create ports in one transaction; return their ids."""
        items = [self.next_port() for _ in range(count)]
        found = requests(LOGICAL_PORT, [{**item, **extra} for item in items], create=True)
        self.store.write(ports.create(found), ports.create_keys(found))
        return [item["id"] for item in items]

    def delete(self, *ids):
        """Delete ports in one transaction."""
        found = requests(LOGICAL_PORT, [{"id": port} for port in ids])
        self.store.write(ports.delete(found), found)

    def grown_to(self, size, step=500):
        """Create ports until there are ``size``, ``step`` in a transaction; return the cluster."""
        while self.count < size:
            self.create(min(step, size - self.count))
        return self

    def costs(self, action):
        """Return means of bytes and values written, keys read and rounds over 40 changes."""
        found = []
        for _ in range(40):
            action()
            store = self.store
            found.append((store.cost(), len(store.writes), len(store.reads), store.rounds))
        return [sum(column) / len(found) for column in zip(*found)]
