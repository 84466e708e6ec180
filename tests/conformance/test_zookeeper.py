"""ZooKeeperDB keeps the contract; several modules with sessions of their own stand for several processes."""

from __future__ import annotations

import itertools

import pytest
from conformance.notifier_suite import NotifierSuite
from conformance.storage_suite import StorageSuite
from support.dbmodules import ModuleHost
from support.zkserver import Ensemble, require_zookeeper

from vlcp.service.connection.zookeeperdb import ZooKeeperDB

_chroots = itertools.count(1)


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory):
    require_zookeeper()
    with Ensemble(tmp_path_factory.mktemp("zk")) as servers:
        yield servers


class TestZooKeeper(StorageSuite, NotifierSuite):
    @pytest.fixture(autouse=True)
    def _chroot(self, ensemble):
        self.url = ensemble.url("suite%d" % (next(_chroots),))

    async def open_stores(self, container, count):
        host = ModuleHost(container)
        classes = [type("ZooKeeperDB%d" % number, (ZooKeeperDB,), {"url": self.url}) for number in range(count)]
        return list(await host.start(*classes))
