"""Flow modules whose own addresses ``arpresponder`` answers for."""

from __future__ import annotations

from typing import AbstractSet, Any, Dict, Hashable, Iterable, Optional, Set, Tuple

from vlcp.server.module import call_api
from vlcp.service.sdn._flows.lifecycle import SwitchModule

Proxy = Tuple[str, str, str, bool]
"""(address, MAC address, key of the logical network, True for questions of logical ports and False for others)"""


class Proxies:
    """The entries that an updater wants, each for a source, with those that may have changed since they were taken last."""

    def __init__(self) -> None:
        self._of: Dict[Hashable, Proxy] = {}
        self._sources: Dict[Proxy, int] = {}
        self._touched: Optional[Set[Proxy]] = None

    def put(self, source: Hashable, proxy: Optional[Proxy]) -> None:
        """Want an entry for a source instead of its former one; None: none."""
        before = self._of.pop(source, None)
        if before is not None:
            self._sources[before] -= 1
            if not self._sources[before]:
                del self._sources[before]
        if proxy is not None:
            self._of[source] = proxy
            self._sources[proxy] = self._sources.get(proxy, 0) + 1
        if self._touched is not None:
            self._touched.update(one for one in (before, proxy) if one is not None)

    def changes(self, present: AbstractSet[Proxy]) -> Tuple[Set[Proxy], Set[Proxy]]:
        """Return entries to add to what is there, and those to remove.

        :param present: what is there; the same as after the former call, but for what that has returned
        """
        touched, self._touched = self._touched, set()
        if touched is None:
            return self._sources.keys() - present, present - self._sources.keys()
        return (
            {proxy for proxy in touched if proxy in self._sources and proxy not in present},
            {proxy for proxy in touched if proxy not in self._sources and proxy in present},
        )

    def forget(self) -> None:
        """It is not known what is there: look at all entries the next time."""
        self._touched = None


class ProxiedModule(SwitchModule):
    """Registers proxy ARP entries, exactly those that the module wants for each connection, and takes them back."""

    def __init__(self, server: Any) -> None:
        super().__init__(server)
        self._proxies: Dict[Any, Set[Proxy]] = {}

    async def answer_for(self, container: Any, connection: Any, wanted: Set[Proxy]) -> None:
        """Have questions for these addresses answered on a connection, and for no others of this module."""
        before = self._proxies.get(connection, set())
        await self.change_answers(container, connection, wanted - before, before - wanted)

    async def answer_changes(self, container: Any, connection: Any, proxies: Proxies) -> None:
        """Have questions for what an updater wants answered on its connection, in time that depends on what has changed."""
        try:
            await self.change_answers(container, connection, *proxies.changes(self._proxies.get(connection, set())))
        except BaseException:
            proxies.forget()
            raise

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
