"""Redis stores with their notifiers for tests: several modules on one server stand for several processes."""

from __future__ import annotations

import socket
from typing import Any, Awaitable, Callable, List

from support.dbmodules import ModuleHost
from support.poller import run_scheduler

from vlcp.service.connection.redisdb import RedisDB
from vlcp.service.kvdb.redisnotifier import RedisNotifier


async def open_stores(container: Any, urls: List[str], **settings: Any) -> List[Any]:
    """Start a :class:`RedisDB` and a :class:`RedisNotifier` for each URL; return the former with ``notifying``."""
    stores = []
    for number, url in enumerate(urls):
        host = ModuleHost(container)
        module = (await host.start(type("RedisDB%d" % number, (RedisDB,), {"url": url, **settings})))[0]
        notifier = type("RedisNotifier%d" % number, (RedisNotifier,), {"redisdb": module})
        module.notifying = (await host.start(notifier))[-1]
        module.createnotifier = module.notifying.createnotifier
        stores.append(module)
    return stores


async def close_stores(stores: List[Any]) -> None:
    """Unload the modules."""
    for store in stores:
        await store.notifying.unload(store.apiroutine, True)
        await store.unload(store.apiroutine, True)


def run_stores(test: Callable[..., Awaitable], *urls: str, timeout: float = 60, **settings: Any) -> Any:
    """Run ``test(container, *stores)``."""

    async def main(container: Any) -> Any:
        stores = await open_stores(container, list(urls), **settings)
        try:
            return await test(container, *stores)
        finally:
            await close_stores(stores)

    return run_scheduler(main, timeout)


def command(server: Any, *arguments: Any) -> Any:
    """Execute one command on a connection of its own, without any of our code but the parser; return the reply."""
    from vlcp.protocol._wire.resp import Reader, encode_command

    reader = Reader()
    with socket.create_connection(("127.0.0.1", server.port), 5) as connection:
        connection.sendall(encode_command(arguments))
        while True:
            reader.feed(connection.recv(65536))
            reply = reader.gets()
            if reply is not False:
                return reply
