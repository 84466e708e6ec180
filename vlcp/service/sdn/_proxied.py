"""Flow modules whose own addresses ``arpresponder`` answers for."""

from __future__ import annotations

from typing import Any, Dict, Iterable, Set, Tuple

from vlcp.server.module import call_api
from vlcp.service.sdn._flows.lifecycle import SwitchModule

Proxy = Tuple[str, str, str, bool]
"""(address, MAC address, key of the logical network, True for questions of logical ports and False for others)"""


class ProxiedModule(SwitchModule):
    """Registers proxy ARP entries, exactly those that the module wants for each connection, and takes them back."""

    def __init__(self, server: Any) -> None:
        super().__init__(server)
        self._proxies: Dict[Any, Set[Proxy]] = {}

    async def answer_for(self, container: Any, connection: Any, wanted: Set[Proxy]) -> None:
        """Have questions for these addresses answered on a connection, and for no others of this module."""
        before = self._proxies.get(connection, set())
        await self.change_answers(container, connection, wanted - before, before - wanted)

    async def change_answers(self, container: Any, connection: Any, add: Iterable[Proxy], remove: Iterable[Proxy]) -> None:
        """Have questions for more addresses answered on a connection, and for some no longer.

        :param add: entries that are not there
        :param remove: entries that are there
        """
        entries = self._proxies.setdefault(connection, set())
        for name, changed in (("createproxyarp", set(add)), ("removeproxyarp", set(remove))):
            if changed:
                await call_api(container, "arpresponder", name, {"connection": connection, "arpentries": sorted(changed)})
                entries ^= changed

    async def unload(self, container: Any, force: bool = False) -> None:
        """Stop the module, and have its addresses answered no longer."""
        await super().unload(container, force)
        for connection in list(self._proxies):
            await self.answer_for(container, connection, set())

    def stop_updater(self, connection: Any) -> None:
        """Stop the updater of a switch; ``arpresponder`` forgets the entries of a lost connection by itself."""
        super().stop_updater(connection)
        if not connection.connected:
            self._proxies.pop(connection, None)
