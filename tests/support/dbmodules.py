"""Database modules without a whole server."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any, Dict, Iterator, List

from vlcp.config import manager
from vlcp.server.module import call_api


class ModuleHost:
    """Stands for the server: has a scheduler and starts modules by hand.

    :param container: container of the test
    """

    def __init__(self, container: Any) -> None:
        self.scheduler = container.scheduler
        self.container = container
        self.modules: List[Any] = []

    async def start(self, *classes: Any) -> List[Any]:
        """Start modules in this order and return them."""
        for cls in classes:
            module = cls(self)
            await module.load(self.container)
            self.modules.append(module)
        return self.modules

    async def stop(self) -> None:
        """Stop the modules, the last one first."""
        while self.modules:
            await self.modules.pop().unload(self.container, True)

    async def call(self, target: str, name: str, **params: Any) -> Any:
        """Call an API."""
        return await call_api(self.container, target, name, params)


@contextmanager
def configured(**values: Any) -> Iterator[None]:
    """Set configuration keys (``__`` for a dot) for the time of the block."""
    keys: Dict[str, Any] = {name.replace("__", "."): value for name, value in values.items()}
    before = {key: manager.get(key) for key in keys}
    for key, value in keys.items():
        manager[key] = value
    try:
        yield
    finally:
        for key, value in before.items():
            if value is None:
                del manager[key]
            else:
                manager[key] = value
