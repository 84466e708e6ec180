"""Redis keeps the contract; several modules on one server stand for several processes."""

from __future__ import annotations

import pytest
from conformance.notifier_suite import NotifierSuite
from conformance.storage_suite import StorageSuite
from support.redisserver import RedisServer, flush
from support.redisstores import close_stores, open_stores

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
        return await open_stores(container, [self.server.url] * count)

    async def close_stores(self, stores):
        await close_stores(stores)
