"""The embedded store keeps the contract; several modules on one file stand for several processes."""

from __future__ import annotations

import pytest
from conformance.notifier_suite import NotifierSuite
from conformance.storage_suite import StorageSuite
from support.dbmodules import ModuleHost

from vlcp.service.connection.sqlitedb import SQLiteDB


class TestSQLite(StorageSuite, NotifierSuite):
    @pytest.fixture(autouse=True)
    def _directory(self, tmp_path):
        self.path = str(tmp_path / "store" / "vlcp.sqlite")

    async def open_stores(self, container, count):
        host = ModuleHost(container)
        classes = [type("SQLiteDB%d" % number, (SQLiteDB,), {"path": self.path}) for number in range(count)]
        return list(await host.start(*classes))
