"""Takes logical networks that do not exist any more off the lists of their physical networks (manual 5.4.3)."""

from __future__ import annotations

from typing import Any, Callable, Dict, List

from vlcp.config import defaultconfig
from vlcp.scripts.script import ScriptModule
from vlcp.server.module import call_api, depend
from vlcp.service.kvdb.objectdb import ObjectDB
from vlcp.utils.exceptions import WalkKeyNotRetrieved
from vlcp.utils.networkmodel import PhysicalNetwork, PhysicalNetworkSet
from vlcp.utils.walkerlib import ensure_keys

Walk = Callable[[str], Any]
Write = Callable[[str, Any], None]


def repair(key: str, removed: List[str]) -> Callable[[Walk, Write], None]:
    """Return the walker that repairs one map.

    :param key: key of the map
    :param removed: gets the keys that were taken off
    """

    def walker(walk: Walk, write: Write) -> None:
        del removed[:]
        physical_map = walk(key)
        if physical_map is None:
            return
        members = physical_map.logicnetworks.dataset()
        listed = list(members)
        ensure_keys(walk, *[reference.getkey() for reference in listed])
        for reference in listed:
            if walk(reference.getkey()) is None:
                members.discard(reference)
                removed.append(reference.getkey())
        if removed:
            write(key, physical_map)

    return walker


@defaultconfig
@depend(ObjectDB)
class RepairPhyMapDB(ScriptModule):
    """repairphymapdb.py -f FILE

    Takes logical networks that do not exist off the lists of the physical networks, in the database that FILE configures.
    It may run while controllers use the database."""

    async def run(self) -> None:  # type: ignore[override]
        """Repair the maps of all physical networks, each in a transaction of its own."""
        found: Dict[str, None] = {}

        def all_maps(key: str, value: Any, walk: Walk, save: Callable[[str], None]) -> None:
            for reference in [] if value is None else value.set.dataset():
                map_key = PhysicalNetwork._map.rightkey(reference)
                try:
                    walk(map_key)
                except WalkKeyNotRetrieved:
                    continue
                found[map_key] = None

        key = PhysicalNetworkSet.default_key()
        parameters = {"keys": (key,), "walkerdict": {key: all_maps}, "requestid": "repairphymapdb", "nostale": True}
        await call_api(self.apiroutine, "objectdb", "walk", parameters)
        for map_key in found:
            removed: List[str] = []
            parameters = {"keys": (map_key,), "walker": repair(map_key, removed)}
            await call_api(self.apiroutine, "objectdb", "writewalk", parameters)
            for network in removed:
                print("%s: %s does not exist, removed" % (map_key, network))


if __name__ == "__main__":
    RepairPhyMapDB.main()
