"""When a module that follows databases may answer: after its first reading, or when what is asked for has appeared."""

from __future__ import annotations

from typing import Any, Callable, Collection, Optional, Type

from vlcp.server.module import ModuleNotification

_START_TIMEOUT = 10


class Answers:
    """Lets the API calls of a module wait.

    :param module: the module; its ``apiroutine`` waits
    :param error: class of the exception for what does not appear in time
    """

    def __init__(self, module: Any, error: Type[Exception]) -> None:
        self._scheduler = module.scheduler
        self._container = module.apiroutine
        self._service = module.get_service_name()
        self._error = error
        self._ready = False

    async def open(self, container: Any, unread: Collection[Any], *matchers: Any) -> None:
        """Let calls be answered when all connections that existed at the start are read, or take too long.

        :param container: routine container to wait in
        :param unread: the connections that are not read yet; others take them out
        :param matchers: events after which to look at ``unread`` again
        """
        deadline = self._scheduler.current_time + _START_TIMEOUT
        while unread and self._scheduler.current_time < deadline:
            await container.wait_with_timeout(deadline - self._scheduler.current_time, *matchers)
        self._ready = True
        await container.wait_for_send(ModuleNotification(self._service, "synchronized"))

    async def ready(self) -> None:
        """Wait until calls may be answered."""
        while not self._ready:
            await ModuleNotification.createMatcher(self._service, "synchronized")

    async def wait_for(self, find: Callable[[], Any], timeout: Optional[float], what: str, *matchers: Any) -> Any:
        """Return the first result of ``find`` that is not None, looking again at each change.

        :param timeout: seconds; None waits for ever
        :param what: what is looked for, for the error message
        :param matchers: events after which to look again
        :raises Exception: there was none in ``timeout`` seconds; of the class that the constructor got
        """
        await self.ready()
        found = await wait_until_found(self._container, find, timeout, *matchers)
        if found is None:
            raise self._error(f"{what} has not appeared in {timeout} s")
        return found


async def wait_until_found(container: Any, find: Callable[[], Any], timeout: Optional[float], *matchers: Any) -> Any:
    """Return the first result of ``find`` that is not None, or None when there was none in time.

    :param container: routine container to wait in
    :param timeout: seconds; None waits for ever
    :param matchers: events after which to look again
    """
    deadline = None if timeout is None else container.scheduler.current_time + timeout
    while True:
        found = find()
        left = None if deadline is None else deadline - container.scheduler.current_time
        if found is not None or (left is not None and left <= 0):
            return found
        await container.wait_with_timeout(left, *matchers)
