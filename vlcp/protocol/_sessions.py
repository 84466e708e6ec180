"""Protocols whose connections begin and end each session in the same way, the first one and those after it."""

from __future__ import annotations

from typing import Any

from vlcp.protocol.protocol import Protocol


class SessionProtocol(Protocol):
    """A protocol with one hook for all beginnings of a session, and one for all ends."""

    async def begin_session(self, connection: Any) -> None:
        """Make the state of a session, before the first wait, and announce that it is up."""

    async def end_session(self, connection: Any) -> None:
        """Release what the session held, and announce that it is over."""

    async def init(self, connection: Any) -> None:
        """Begin the first session of a connection; see :meth:`Protocol.init`."""
        await super().init(connection)
        await self.begin_session(connection)

    async def reconnect_init(self, connection: Any) -> None:
        """Begin a further session; see :meth:`Protocol.reconnect_init`."""
        await super().reconnect_init(connection)
        await self.begin_session(connection)

    async def closed(self, connection: Any) -> None:
        """End a session that one of the sides closed; see :meth:`Protocol.closed`."""
        await super().closed(connection)
        await self.end_session(connection)

    async def error(self, connection: Any) -> None:
        """End a session that broke; see :meth:`Protocol.error`."""
        await super().error(connection)
        await self.end_session(connection)
