"""Redis keeps the contract; several modules on one server stand for several processes."""

from __future__ import annotations

import pytest
from conformance.notifier_suite import NotifierSuite
from conformance.storage_suite import StorageSuite
from support.dbmodules import ModuleHost
from support.redisserver import RedisServer, flush

from vlcp.service.connection.redisdb import RedisDB
from vlcp.service.kvdb.redisnotifier import RedisNotifier


pytestmark = pytest.mark.redis


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with RedisServer(tmp_path_factory.mktemp("redis")) as running:
        yield running


class TestRedis(StorageSuite, NotifierSuite):
    @pytest.fixture(autouse=True)
    def _empty(self, server):
        self.server = server
        flush(server)

    async def open_stores(self, container, count):
        stores = []
        for number in range(count):
            host = ModuleHost(container)
            store = type("RedisDB%d" % number, (RedisDB,), {"url": self.server.url})
            module = (await host.start(store))[0]
            notifier = type("RedisNotifier%d" % number, (RedisNotifier,), {"redisdb": module})
            module.notifying = (await host.start(notifier))[-1]
            module.createnotifier = module.notifying.createnotifier
            stores.append(module)
        return stores

    async def close_stores(self, stores):
        for store in stores:
            await store.notifying.unload(store.apiroutine, True)
            await store.unload(store.apiroutine, True)
